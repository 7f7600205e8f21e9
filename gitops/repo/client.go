package repo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/hnp-sync/hnp-sync/gitops"
)

const (
	apiVersion = "2022-11-28"
	mediaJSON  = "application/vnd.github+json"
	mediaRaw   = "application/vnd.github.raw+json"
	// maxSmall caps answers that are a few records.
	maxSmall = 4 << 20
)

// client speaks REST and GraphQL with one identity.
type client struct {
	app   *App
	http  *http.Client
	limit *limiter
}

func (a *App) newClient(installation int64, auth http.RoundTripper) *client {
	return a.newClientWith(installation, a.limiter(installation), auth)
}

func (a *App) newClientWith(installation int64, limit *limiter, auth http.RoundTripper) *client {
	return &client{app: a, limit: limit, http: &http.Client{
		Transport:     &retry{app: a, limit: limit, installation: installation, next: auth},
		CheckRedirect: a.checkRedirect,
	}}
}

// request is one call. in is sent as JSON when not nil.
type request struct {
	operation string
	method    string
	path      string // below the REST root, escaped; with a query
	in        any
	header    map[string]string
	// safe allows repeating although the method is POST.
	safe bool
	// invisible marks a write whose effect nobody sees by itself: it is not repeated, but a lost answer is an
	// ordinary failure.
	invisible bool
	attempts  int
	maxBytes  int64 // of the answer
}

type response struct {
	status     int
	header     http.Header
	body       []byte
	redirected bool
}

// rest sends one REST call. Answers that are not 2xx or 304 are *APIError. After an unsafe call whose effect is not
// known the error wraps gitops.ErrOutcomeUnknown.
func (c *client) rest(ctx context.Context, r request) (*response, error) {
	return c.send(ctx, c.app.ends.rest.String()+r.path, r)
}

func (c *client) send(ctx context.Context, address string, r request) (*response, error) {
	var body []byte
	if r.in != nil {
		var err error
		if body, err = json.Marshal(r.in); err != nil {
			return nil, fmt.Errorf("%s: %w", r.operation, err)
		}
	}
	safe := r.safe || r.method == http.MethodGet
	sent := new(atomic.Bool)
	ctx = withCall(ctx, callInfo{operation: r.operation, safe: r.safe, attempts: r.attempts, sent: sent})
	for tries := 1; ; tries++ {
		resp, err := c.once(ctx, address, r, body)
		var cut *transportError
		if safe && tries < 2 && r.attempts != 1 && errors.As(err, &cut) && cut.err == errCut && ctx.Err() == nil {
			continue // the answer broke off in its middle
		}
		if !safe && !r.invisible && err != nil && sent.Load() && uncertain(err) {
			return nil, fmt.Errorf("%s: %w (%w)", r.operation, gitops.ErrOutcomeUnknown, err)
		}
		if err != nil {
			var api *APIError
			if errors.As(err, &api) {
				return nil, err
			}
			return nil, fmt.Errorf("%s: %w", r.operation, err)
		}
		return resp, nil
	}
}

// errCut is an answer that ended before its end.
var errCut = errors.New("answer broke off")

func (c *client) once(ctx context.Context, address string, r request, body []byte) (*response, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, address, nil)
	if err != nil {
		return nil, err
	}
	if r.in != nil {
		setBody(req, body)
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		// The error of net/http repeats the whole address; the cause is enough beside the operation's name.
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, err
	}
	defer resp.Body.Close()
	limit := r.maxBytes
	if limit == 0 {
		limit = maxSmall
	}
	ok := resp.StatusCode >= 200 && resp.StatusCode < 300 || resp.StatusCode == http.StatusNotModified
	if !ok {
		limit = maxError
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil && ok:
		if errors.Is(err, ErrTooLarge) {
			return nil, err
		}
		return nil, &transportError{errCut}
	case !ok:
		return nil, newAPIError(r.operation, resp.StatusCode, resp.Header, data)
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("%w: over %d bytes", ErrTooLarge, limit)
	}
	return &response{status: resp.StatusCode, header: resp.Header, body: data, redirected: resp.Request.Method == r.method && resp.Request.URL.String() != address}, nil
}

func setBody(req *http.Request, body []byte) {
	req.Body = io.NopCloser(bytes.NewReader(body))
	req.ContentLength = int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
}

// uncertain tells whether an unsafe request that left and ended with err may have had its effect. Refusals, 4xx and
// redirects are certain: nothing was done. 5xx, resets, deadlines and broken answers are not.
func uncertain(err error) bool {
	var limited *RateLimitError
	var foreign *ForeignHostError
	var redirect *redirectError
	var refused *gitops.PermissionError
	var api *APIError
	switch {
	case errors.As(err, &limited), errors.As(err, &foreign), errors.As(err, &redirect), errors.As(err, &refused):
		return false
	case errors.As(err, &api):
		return api.Status >= 500
	}
	return true
}

// decode reads JSON strictly enough: one value and nothing behind it.
func decode(operation string, body []byte, out any) error {
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s: answer is not the expected JSON: %w", operation, err)
	}
	return nil
}

// get reads one JSON document.
func (c *client) get(ctx context.Context, operation, path string, maxBytes int64, out any) error {
	resp, err := c.rest(ctx, request{operation: operation, method: http.MethodGet, path: path, maxBytes: maxBytes})
	if err != nil {
		return err
	}
	return decode(operation, resp.body, out)
}

// graphqlError is one entry of a GraphQL answer's errors.
type graphqlError struct {
	Type    string `json:"type"`
	Message string `json:"message"`
	Path    []any  `json:"path"`
}

// missingFile tells the error with which GitHub reports a path that Commit.file does not find. It stands beside a
// null and is an answer, not a failure.
func (e graphqlError) missingFile() bool {
	return strings.HasPrefix(e.Message, "Could not resolve file for path")
}

// query sends a GraphQL query, which has no effects.
func (c *client) query(ctx context.Context, operation, text string, variables map[string]any, maxBytes int64, attempts int, out any) error {
	r := request{operation: operation, safe: true, maxBytes: maxBytes, attempts: attempts}
	err := c.graphql(ctx, r, text, variables, out)
	var api *APIError
	if attempts != 1 && errors.As(err, &api) && api.timedOut {
		return c.graphql(ctx, r, text, variables, out)
	}
	return err
}

// mutate sends a GraphQL mutation, once.
func (c *client) mutate(ctx context.Context, operation, text string, variables map[string]any, out any) error {
	return c.graphql(ctx, request{operation: operation, maxBytes: maxSmall}, text, variables, out)
}

func (c *client) graphql(ctx context.Context, r request, text string, variables map[string]any, out any) error {
	r.method, r.in = http.MethodPost, map[string]any{"query": text, "variables": variables}
	resp, err := c.send(ctx, c.app.ends.graphql.String(), r)
	if err != nil {
		return err
	}
	var envelope struct {
		Data   json.RawMessage `json:"data"`
		Errors []graphqlError  `json:"errors"`
	}
	unknown := func(err error) error {
		if r.safe {
			return err
		}
		return fmt.Errorf("%s: %w (%w)", r.operation, gitops.ErrOutcomeUnknown, err)
	}
	if err := decode(r.operation, resp.body, &envelope); err != nil {
		return unknown(err)
	}
	for _, e := range envelope.Errors {
		if e.missingFile() {
			continue
		}
		api := &APIError{
			Operation: r.operation, Status: resp.status, Type: clip(e.Type, 60), Message: clip(e.Message, 500),
			RequestID: clip(resp.header.Get("X-GitHub-Request-Id"), 100),
		}
		switch {
		case e.Type == "RATE_LIMITED", e.Type == "RATE_LIMIT":
			wait, _ := resetIn(resp.header, c.app.now())
			return fmt.Errorf("%s: %w", r.operation, c.limit.block(resourceGraphQL, false, wait))
		case strings.Contains(strings.ToLower(e.Message), "secondary rate limit"):
			wait, _ := retryAfter(resp.header, c.app.now())
			return fmt.Errorf("%s: %w", r.operation, c.limit.block(resourceGraphQL, true, wait))
		case e.Type == "" && strings.HasPrefix(e.Message, "Something went wrong while executing your query"):
			// GitHub's own time-out or failure, with status 200: a mutation may have been carried out.
			api.Status, api.timedOut = http.StatusBadGateway, true
			return unknown(api)
		}
		return api
	}
	if len(envelope.Data) == 0 || string(envelope.Data) == "null" {
		return unknown(fmt.Errorf("%s: answer without data", r.operation))
	}
	if err := decode(r.operation, envelope.Data, out); err != nil {
		return unknown(err)
	}
	return nil
}

// pathOf joins escaped segments: pathOf("repos", owner, name).
func pathOf(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}
