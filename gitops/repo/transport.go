package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"
)

// The transports of one client, outermost first:
//
//	http.Client   follows redirects inside the configured host, never one that changes the method
//	retry         refuses while limited, paces writes, repeats reads, types refusals for rate, reports each attempt
//	authenticate  attaches the token, after the host was checked; renews it once when GitHub answers 401
//	attempt       checks the host again, sets a deadline, caps the body, notes when a request left
//	base          the shared http.Transport

const (
	maxAttempts    = 3
	firstBackoff   = 500 * time.Millisecond
	attemptTimeout = 30 * time.Second
	// maxAnswer caps any answer. GitHub's largest is a recursive tree: 100,000 entries in 7 MB of Git data, measured
	// at up to 33 MB of JSON for that many.
	maxAnswer = 64 << 20
	maxError  = 64 << 10
)

// Call describes one attempt of one request, for logs and metrics. It holds no token and no body.
type Call struct {
	Operation    string // "observe", "GET /repos/{owner}/{repo}/git/trees/{oid}", ...
	Method       string
	Installation int64 // 0 for requests signed with the App's own key
	Attempt      int   // from 1
	Status       int   // 0 when there was no answer
	RequestID    string
	Duration     time.Duration // until the answer's header
	Resource     string        // the budget it counted on: core, graphql, ...
	Remaining    int           // what is left of that budget, -1 when not said
	Err          error
}

// callInfo travels in the context from the caller of a request to its transports.
type callInfo struct {
	operation string
	// safe marks a request without effects though its method is POST (GraphQL queries).
	safe bool
	// attempts bounds the tries of a safe request; 0 means maxAttempts.
	attempts int
	// sent becomes true when the request may have reached GitHub.
	sent *atomic.Bool
}

type callInfoKey struct{}

func withCall(ctx context.Context, info callInfo) context.Context {
	return context.WithValue(ctx, callInfoKey{}, info)
}

func callOf(req *http.Request) callInfo {
	info, _ := req.Context().Value(callInfoKey{}).(callInfo)
	if info.operation == "" {
		info.operation = req.Method + " " + req.URL.Path
	}
	if req.Method == http.MethodGet || req.Method == http.MethodHead {
		info.safe = true
	}
	return info
}

// transportError marks a failure below HTTP: no connection, a reset, a deadline.
type transportError struct{ err error }

func (e *transportError) Error() string { return e.err.Error() }
func (e *transportError) Unwrap() error { return e.err }

// retry is the outermost transport. See the list above.
type retry struct {
	app          *App
	limit        *limiter
	installation int64
	next         http.RoundTripper
}

func (t *retry) RoundTrip(req *http.Request) (*http.Response, error) {
	info := callOf(req)
	resource := resourceCore
	if req.URL.Path == t.app.ends.graphql.Path {
		resource = resourceGraphQL
	}
	tries, sent := 1, false
	if info.safe {
		if tries = info.attempts; tries == 0 {
			tries = maxAttempts
		}
	} else {
		if err := t.limit.check(resource); err != nil {
			closeBody(req)
			return nil, err
		}
		done, err := t.limit.startWrite(req.Context())
		if err != nil {
			closeBody(req)
			return nil, err
		}
		defer func() { done(sent) }()
	}
	for attempt := 1; ; attempt++ {
		if err := t.limit.check(resource); err != nil {
			closeBody(req)
			return nil, err
		}
		try, err := replay(req, attempt)
		if err != nil {
			return nil, err
		}
		sent = true
		start := t.app.now()
		resp, err := t.next.RoundTrip(try)
		var refused *RateLimitError
		if err == nil {
			if refused, err = t.judge(resource, resp); err != nil {
				resp = nil
			}
		}
		t.report(info, req.Method, attempt, t.app.now().Sub(start), resp, refused, err)
		switch {
		case refused != nil:
			resp.Body.Close()
			return nil, refused
		case attempt >= tries || !worthRepeating(req.Context(), resp, err):
			return resp, err
		}
		if resp != nil {
			drain(resp.Body)
		}
		if err := t.app.sleep(req.Context(), firstBackoff<<(attempt-1)); err != nil {
			closeBody(req)
			return nil, err
		}
	}
}

// judge recognises refusals for rate. The body of any other answer is left unread.
func (t *retry) judge(resource string, resp *http.Response) (*RateLimitError, error) {
	t.limit.note(resp.Header)
	if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusTooManyRequests {
		t.limit.answered(resource, resp)
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
	if err != nil {
		resp.Body.Close()
		return nil, &transportError{err}
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), resp.Body), resp.Body}
	limited, secondary, wait := rateLimited(resp, body, t.app.now())
	if !limited {
		return nil, nil
	}
	return t.limit.block(resource, secondary, wait), nil
}

func (t *retry) report(info callInfo, method string, attempt int, took time.Duration, resp *http.Response, refused *RateLimitError, err error) {
	if t.app.log == nil {
		return
	}
	c := Call{Operation: info.operation, Method: method, Installation: t.installation, Attempt: attempt, Duration: took, Remaining: -1, Err: err}
	if refused != nil {
		c.Err = refused
	}
	if resp != nil {
		c.Status = resp.StatusCode
		c.RequestID = clip(resp.Header.Get("X-GitHub-Request-Id"), 100)
		c.Resource = clip(resp.Header.Get("X-RateLimit-Resource"), 40)
		if n, err := strconv.Atoi(resp.Header.Get("X-RateLimit-Remaining")); err == nil && n >= 0 {
			c.Remaining = n
		}
	}
	t.app.log(c)
}

func worthRepeating(ctx context.Context, resp *http.Response, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		var low *transportError
		return errors.As(err, &low)
	}
	switch resp.StatusCode {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// replay gives the request of one attempt: the first is req itself, a later one has a fresh body.
func replay(req *http.Request, attempt int) (*http.Request, error) {
	if attempt == 1 || req.Body == nil || req.Body == http.NoBody {
		return req, nil
	}
	if req.GetBody == nil {
		return nil, errors.New("request body cannot be sent twice")
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	again := req.Clone(req.Context())
	again.Body = body
	return again, nil
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

// drain reads what is left, within reason, so that the connection can be used again.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, maxError)
	body.Close()
}

// attempt is the innermost transport of this package.
type attempt struct {
	app  *App
	base http.RoundTripper
}

func (t *attempt) RoundTrip(req *http.Request) (*http.Response, error) {
	if !t.app.ends.owns(req.URL) {
		closeBody(req)
		return nil, &ForeignHostError{Host: req.URL.Host}
	}
	ctx, cancel := context.WithTimeout(req.Context(), t.app.timeout)
	if sent := callOf(req).sent; sent != nil {
		if _, traced := t.base.(*http.Transport); traced {
			ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
		} else {
			sent.Store(true) // it cannot be known: assume the worst
		}
	}
	out := req.Clone(ctx)
	out.Header.Set("User-Agent", t.app.userAgent)
	if out.Header.Get("X-GitHub-Api-Version") == "" {
		out.Header.Set("X-GitHub-Api-Version", apiVersion)
	}
	if out.Header.Get("Accept") == "" {
		out.Header.Set("Accept", mediaJSON)
	}
	resp, err := t.base.RoundTrip(out)
	if err != nil {
		cancel()
		return nil, &transportError{err}
	}
	resp.Body = &cappedBody{body: resp.Body, left: maxAnswer, cancel: cancel}
	return resp, nil
}

// cappedBody ends an answer with ErrTooLarge instead of filling the memory, and its deadline with its close.
type cappedBody struct {
	body   io.ReadCloser
	left   int64
	cancel context.CancelFunc
}

func (b *cappedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, ErrTooLarge
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.body.Read(p)
	b.left -= int64(n)
	return n, err
}

func (b *cappedBody) Close() error {
	defer b.cancel()
	return b.body.Close()
}

// checkRedirect keeps redirects on the configured host and their method unchanged. GitHub answers 301 to reads and
// 307 to writes of a renamed repository, on the same host.
func (a *App) checkRedirect(req *http.Request, via []*http.Request) error {
	if !a.ends.owns(req.URL) {
		return &ForeignHostError{Host: req.URL.Host}
	}
	if req.Method != via[0].Method {
		return &redirectError{from: via[0].Method, to: req.Method}
	}
	if len(via) >= 5 {
		return fmt.Errorf("stopped after %d redirects", len(via))
	}
	return nil
}
