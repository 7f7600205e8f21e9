package app

import (
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"
)

// countedTransport counts and logs every request to a NetBox.
type countedTransport struct {
	next    http.RoundTripper
	host    string
	metrics *Metrics
	log     *zap.Logger
	now     func() time.Time
}

func (t *countedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	began := t.now()
	resp, err := t.next.RoundTrip(req)
	status := 0
	if resp != nil {
		status = resp.StatusCode
	}
	route := routeOf(req.URL.Path)
	t.metrics.Request(t.host, req.Method, route, status)
	t.log.Debug("request", zap.String("host", t.host), zap.String("method", req.Method), zap.String("route", route),
		zap.Int("status", status), zap.Duration("took", t.now().Sub(began)), zap.Error(err))
	return resp, err
}

func (t *countedTransport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// routeOf is a path with its numbers as {id}: "/api/plugins/hedgehog/vpcs/{id}/".
func routeOf(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if p != "" && strings.Trim(p, "0123456789") == "" {
			parts[i] = "{id}"
		}
	}
	return strings.Join(parts, "/")
}
