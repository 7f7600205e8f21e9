package app

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"go.uber.org/zap"

	"github.com/hnp-sync/hnp-sync/app/api"
)

// newServer makes the HTTP server with all routes. Nothing ever redirects: NetBox follows redirects and would carry a
// webhook elsewhere.
func (a *App) newServer() *http.Server {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = echo.ExtractIPDirect() // X-Forwarded-For is whatever a client writes
	e.HTTPErrorHandler = a.httpError
	e.Use(a.recovered)

	e.Any("/webhooks/github", func(c echo.Context) error {
		a.services.Load().githubHooks.ServeHTTP(c.Response(), c.Request())
		return nil
	})
	e.Any("/webhooks/netbox/:connection", func(c echo.Context) error {
		a.services.Load().netboxHooks.Serve(c.Response(), c.Request(), c.Param("connection"))
		return nil
	})
	e.GET("/healthz", func(c echo.Context) error { return c.String(http.StatusOK, "ok\n") })
	e.GET("/readyz", a.readyz)
	e.GET("/metrics", echo.WrapHandler(a.metrics.Handler()))
	(&api.API{Store: a.store, Jobs: a.jobs, Auth: a.auth, Now: a.opts.Clock.Now, Log: a.log}).Routes(e)

	return &http.Server{
		Handler: e,
		// A body of 25 MiB takes its time on a slow line; a header does not.
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       60 * time.Second,
		WriteTimeout:      90 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          zap.NewStdLog(a.log),
	}
}

// readyz says whether webhooks are accepted, whatever GitHub and NetBox do.
func (a *App) readyz(c echo.Context) error {
	if !a.ready.Load() {
		return c.String(http.StatusServiceUnavailable, "stopping\n")
	}
	if err := a.store.Ping(c.Request().Context()); err != nil {
		a.log.Error("store does not answer", zap.Error(err))
		return c.String(http.StatusServiceUnavailable, "the store does not answer\n")
	}
	return c.String(http.StatusOK, "ready\n")
}

// httpError answers what no handler answered: in text for webhooks, as {"detail","code"} otherwise.
func (a *App) httpError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	status := http.StatusInternalServerError
	var he *echo.HTTPError
	if errors.As(err, &he) {
		status = he.Code
	} else {
		a.log.Error("request failed", zap.String("path", c.Path()), zap.Error(err))
	}
	code, text := "internal", "the server could not do this; its log says why"
	switch status {
	case http.StatusNotFound:
		code, text = "not_found", "there is nothing here"
	case http.StatusMethodNotAllowed:
		code, text = "method_not_allowed", "this method is not allowed here"
	}
	if strings.HasPrefix(c.Request().URL.Path, "/api/") {
		err = api.Fail(c, status, code, text)
	} else {
		err = c.String(status, text+"\n")
	}
	if err != nil && !errors.Is(err, io.ErrClosedPipe) {
		a.log.Debug("answer not sent", zap.Error(err))
	}
}

// recovered makes a panic of a handler a 500 of its request alone.
func (a *App) recovered(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if r := recover(); r != nil {
				if r == http.ErrAbortHandler { // the sentinel of net/http
					panic(r)
				}
				a.log.Error("request panicked", zap.String("path", c.Path()), zap.Any("panic", r), zap.Stack("stack"))
				err = echo.NewHTTPError(http.StatusInternalServerError)
			}
		}()
		return next(c)
	}
}
