package netbox

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// readPauses are the waits before a read is repeated. Only reads are.
var readPauses = []time.Duration{200 * time.Millisecond, time.Second}

// maxReadWait is the longest Retry-After a read waits for by itself; longer ones are the caller's.
const maxReadWait = 5 * time.Second

// errNotSent marks a write of which not one byte can have reached NetBox.
var errNotSent = errors.New("the request was not sent")

// send carries out one request and reads the whole answer. It repeats nothing. path begins with "/" and may have a
// query. After an error that is not errNotSent, NetBox may have carried the request out.
func (c *Connection) send(ctx context.Context, method, path, token string, ifMatch []string, body []byte) (*answer, error) {
	timeout := c.readTimeout
	if method != http.MethodGet {
		timeout = c.writeTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	// A request counts as sent as soon as its headers were written to a connection: a server cannot act on less.
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.root.String()+path, reader)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", errNotSent, c.text(err.Error(), maxWords))
	}
	req.Header.Set("Authorization", authorization(token))
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "hnp-sync")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, line := range ifMatch {
		req.Header.Add("If-Match", line)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		err = c.networkError(method, path, err)
		if !sent.Load() {
			return nil, fmt.Errorf("%w: %w", errNotSent, err)
		}
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, c.networkError(method, path, err)
	}
	if len(data) > maxAnswer {
		return nil, fmt.Errorf("netbox %s: %s %s: answer larger than %d bytes", c.name, method, withoutQuery(path), maxAnswer)
	}
	if v := resp.Header.Get("API-Version"); v != "" {
		c.sawVersion(clean(v, 20))
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: data}, nil
}

// networkError is one line without the URL's query and without the token.
func (c *Connection) networkError(method, path string, err error) error {
	cause := err
	var ue interface{ Unwrap() error }
	if errors.As(err, &ue) && ue.Unwrap() != nil {
		cause = ue.Unwrap() // url.Error repeats method and URL
	}
	kept := error(nil) // what a caller may look for
	for _, e := range []error{context.Canceled, context.DeadlineExceeded, errRedirect} {
		if errors.Is(err, e) {
			kept = e
		}
	}
	text := c.text(cause.Error(), maxWords)
	var unknown *tls.CertificateVerificationError
	if errors.As(err, &unknown) {
		text += " (is NetBox's certificate authority known to this system?)"
	}
	return &networkFailure{text: fmt.Sprintf("netbox %s: %s %s: %s", c.name, method, withoutQuery(path), text), kept: kept}
}

type networkFailure struct {
	text string
	kept error
}

func (e *networkFailure) Error() string { return e.text }
func (e *networkFailure) Unwrap() error { return e.kept }

// get reads path, repeating it a little on connection errors and on answers that say "later" (429, 5xx), except
// 500s that NetBox itself explains: those come back the same.
func (c *Connection) get(ctx context.Context, path string) (*answer, error) {
	for attempt := 0; ; attempt++ {
		a, err := c.send(ctx, http.MethodGet, path, c.token, nil, nil)
		pause := time.Duration(0)
		if attempt < len(readPauses) {
			pause = readPauses[attempt]
		}
		if err == nil {
			if a.status >= 200 && a.status < 300 {
				return a, nil
			}
			e := c.problem(http.MethodGet, path, a)
			err = e
			later := a.status == http.StatusTooManyRequests || (a.status >= 500 && e.Exception == "" && a.status != http.StatusNotImplemented)
			if !later || e.RetryAfter > maxReadWait {
				return nil, err
			}
			pause = max(pause, e.RetryAfter)
		} else if errors.Is(err, errRedirect) {
			return nil, err
		}
		if attempt >= len(readPauses) || ctx.Err() != nil {
			return nil, err
		}
		if c.wait(ctx, pause) != nil {
			return nil, err
		}
	}
}

// getObject reads a JSON object.
func (c *Connection) getObject(ctx context.Context, path string) (map[string]any, *answer, error) {
	a, err := c.get(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	m, err := c.object(http.MethodGet, path, a)
	return m, a, err
}

func (c *Connection) object(method, path string, a *answer) (map[string]any, error) {
	if a.html() {
		return nil, c.problem(method, path, a)
	}
	v, err := decodeJSON(a.body)
	if err != nil {
		return nil, fmt.Errorf("netbox %s: %s %s: the answer is not JSON: %s", c.name, method, withoutQuery(path), c.text(err.Error(), 200))
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("netbox %s: %s %s: the answer is no JSON object", c.name, method, withoutQuery(path))
	}
	return m, nil
}

// connectionLost reports an error that is no answer of NetBox: asking for the next kind would fail the same way.
func connectionLost(err error) bool {
	var n *networkFailure
	return errors.As(err, &n)
}
