package repo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// stub is a GitHub made of one function; token mints are answered by itself.
type stub struct {
	*httptest.Server
	t     *testing.T
	app   *App
	hook  *recorder
	mints atomic.Int32
	now   atomic.Pointer[time.Time]
	mu    sync.Mutex
	seen  []string // "METHOD path token"
}

func newStub(t *testing.T, change func(*Config), answer http.HandlerFunc) *stub {
	t.Helper()
	s := &stub{t: t, hook: &recorder{}}
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s.now.Store(&start)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/access_tokens") {
			n := s.mints.Add(1)
			w.WriteHeader(201)
			fmt.Fprintf(w, `{"token":"ghs_secret_%d","expires_at":%q}`, n, s.now.Load().Add(time.Hour).Format(time.RFC3339))
			return
		}
		s.mu.Lock()
		s.seen = append(s.seen, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Authorization"))
		s.mu.Unlock()
		answer(w, r)
	}))
	cfg := Config{AppID: 1, PrivateKey: testKey(), BaseURL: s.URL, Transport: &http.Transport{},
		Now: func() time.Time { return *s.now.Load() }, Sleep: s.hook.sleep, WriteSpacing: -1, Log: s.hook.log}
	if change != nil {
		change(&cfg)
	}
	var err error
	if s.app, err = NewApp(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.app.Close(); s.Close() })
	return s
}

func (s *stub) open() *Repository {
	s.t.Helper()
	r, err := s.app.Open(Ref{InstallationID: 5, RepositoryID: 7, Owner: "acme", Name: "fabric"}, Options{Branch: "main", Directory: "d"})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *stub) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.seen...)
}

func (s *stub) advance(d time.Duration) {
	next := s.now.Load().Add(d)
	s.now.Store(&next)
}

// read makes one GET, mutate one mutation.
func (s *stub) read(r *Repository) error {
	_, err := r.client.rest(s.t.Context(), request{operation: "read", method: "GET", path: "/x"})
	return err
}

func (s *stub) mutate(r *Repository) error {
	var out map[string]any
	return r.client.mutate(s.t.Context(), "write", "mutation{x}", nil, &out)
}

const headOID = "1111111111111111111111111111111111111111"

func TestEndpoints(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"":                                   "https://api.github.com https://api.github.com/graphql",
		"https://api.github.com/":            "https://api.github.com https://api.github.com/graphql",
		"https://ghe.example.net/api/v3":     "https://ghe.example.net/api/v3 https://ghe.example.net/api/graphql",
		"https://ghe.example.net/x/api/v3/":  "https://ghe.example.net/x/api/v3 https://ghe.example.net/x/api/graphql",
		"https://api.tenant.ghe.com":         "https://api.tenant.ghe.com https://api.tenant.ghe.com/graphql",
		"http://127.0.0.1:8099":              "http://127.0.0.1:8099 http://127.0.0.1:8099/graphql",
		"http://127.0.0.1:8099/api/v3":       "http://127.0.0.1:8099/api/v3 http://127.0.0.1:8099/api/graphql",
		"https://github.com":                 "",
		"https://tenant.ghe.com":             "",
		"https://user:pw@api.github.com":     "",
		"https://api.github.com?x=1":         "",
		"ftp://api.github.com":               "",
		"api.github.com":                     "",
		"https://api.github.com/%zz":         "",
		"https://tenant.ghe.com/api/v3#frag": "",
	} {
		e, err := parseEndpoints(base)
		got := ""
		if err == nil {
			got = e.rest.String() + " " + e.graphql.String()
		}
		if got != want {
			t.Errorf("%q: %q (%v), want %q", base, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "pw@") {
			t.Errorf("%q: the error repeats a password: %v", base, err)
		}
	}
}

func TestNewAppRefusesUselessConfiguration(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"no app id": {PrivateKey: testKey()},
		"no key":    {AppID: 1},
		"not a key": {AppID: 1, PrivateKey: []byte("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n")},
		"bad base":  {AppID: 1, PrivateKey: testKey(), BaseURL: "nonsense"},
	} {
		if _, err := NewApp(cfg); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	const start = 1772366400 // the stub's clock
	type answer struct {
		status  int
		headers map[string]string
		body    string
	}
	secondaryBody := `{"message":"You have exceeded a secondary rate limit. Please wait.","documentation_url":"https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`
	cases := map[string]struct {
		answer
		limited   bool
		secondary bool
		wait      time.Duration
	}{
		"403 primary with reset":                     {answer{403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": strconv.Itoa(start + 600)}, `{"message":"API rate limit exceeded for installation ID 5."}`}, true, false, 601 * time.Second},
		"429 primary with reset":                     {answer{429, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": strconv.Itoa(start + 600)}, `{"message":"API rate limit exceeded"}`}, true, false, 601 * time.Second},
		"403 primary without headers":                {answer{403, nil, `{"message":"API rate limit exceeded for installation ID 5."}`}, true, false, time.Minute},
		"403 secondary, Retry-After":                 {answer{403, map[string]string{"Retry-After": "30", "X-RateLimit-Remaining": "4000"}, secondaryBody}, true, true, 30 * time.Second},
		"429 secondary, Retry-After":                 {answer{429, map[string]string{"Retry-After": "7"}, ``}, true, true, 7 * time.Second},
		"403 secondary, no headers":                  {answer{403, nil, secondaryBody}, true, true, time.Minute},
		"403 secondary, reset is the primary window": {answer{403, map[string]string{"X-RateLimit-Remaining": "4000", "X-RateLimit-Reset": strconv.Itoa(start + 3000)}, secondaryBody}, true, true, time.Minute},
		"429 without anything":                       {answer{429, nil, `<html>slow down</html>`}, true, true, time.Minute},
		"Retry-After as a date":                      {answer{429, map[string]string{"Retry-After": time.Unix(start+90, 0).UTC().Format(http.TimeFormat)}, ``}, true, true, 90 * time.Second},
		"Retry-After without sense":                  {answer{429, map[string]string{"Retry-After": "soon"}, ``}, true, true, time.Minute},
		"Retry-After of years":                       {answer{429, map[string]string{"Retry-After": "999999999999"}, ``}, true, true, maxPark},
		"negative Retry-After":                       {answer{429, map[string]string{"Retry-After": "-5"}, ``}, true, true, time.Second},
		"reset in the past":                          {answer{403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": strconv.Itoa(start - 600)}, ``}, true, false, time.Second},
		"reset on another clock": {answer{403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": strconv.Itoa(start + 100_000 + 60),
			"Date": time.Unix(start+100_000, 0).UTC().Format(http.TimeFormat)}, ``}, true, false, 61 * time.Second},
		"an ordinary 403":      {answer{403, map[string]string{"X-RateLimit-Remaining": "4000", "X-RateLimit-Reset": strconv.Itoa(start + 3000)}, `{"message":"Resource not accessible by integration"}`}, false, false, 0},
		"an ordinary 404":      {answer{404, nil, `{"message":"Not Found"}`}, false, false, 0},
		"a 403 that is HTML":   {answer{403, nil, `<html>forbidden</html>`}, false, false, 0},
		"a 403 without a body": {answer{403, nil, ``}, false, false, 0},
	}
	for name, c := range cases {
		for _, write := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, write %v", name, write), func(t *testing.T) {
				t.Parallel()
				s := newStub(t, nil, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Date", time.Unix(start, 0).UTC().Format(http.TimeFormat))
					for k, v := range c.headers {
						w.Header().Set(k, v)
					}
					w.WriteHeader(c.status)
					io.WriteString(w, c.body)
				})
				r := s.open()
				call := s.read
				if write {
					call = s.mutate
				}
				err := call(r)
				var limit *RateLimitError
				if got := errors.As(err, &limit); got != c.limited || errors.Is(err, gitops.ErrOutcomeUnknown) {
					t.Fatalf("limited %v: %v", got, err)
				}
				if !c.limited {
					var api *APIError
					if !errors.As(err, &api) || api.Status != c.status {
						t.Fatalf("%v", err)
					}
					return
				}
				if wait := limit.Until.Sub(*s.now.Load()); wait != c.wait || limit.Secondary != c.secondary || limit.Local {
					t.Errorf("wait %s, secondary %v, want %s %v", wait, limit.Secondary, c.wait, c.secondary)
				}
				// Until then nothing is sent, by no Repository of the installation.
				sent := len(s.requests())
				if sent != 1 {
					t.Errorf("sent %d times", sent)
				}
				err = call(s.open())
				if !errors.As(err, &limit) || !limit.Local || len(s.requests()) != sent {
					t.Errorf("while limited: %v, %d requests", err, len(s.requests()))
				}
				s.advance(c.wait)
				if err := call(r); !errors.As(err, &limit) || limit.Local {
					t.Errorf("after the limit: %v", err)
				}
			})
		}
	}
}

func TestPrimaryLimitsArePerResource(t *testing.T) {
	t.Parallel()
	s := newStub(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/graphql" {
			io.WriteString(w, `{"errors":[{"type":"RATE_LIMITED","message":"API rate limit already exceeded"}]}`)
			return
		}
		io.WriteString(w, `{}`)
	})
	r := s.open()
	var limit *RateLimitError
	if err := s.mutate(r); !errors.As(err, &limit) || limit.Secondary || errors.Is(err, gitops.ErrOutcomeUnknown) {
		t.Errorf("GraphQL: %v", err)
	}
	if err := s.read(r); err != nil {
		t.Errorf("REST: %v", err)
	}
	if err := s.mutate(r); !errors.As(err, &limit) || !limit.Local {
		t.Errorf("GraphQL again: %v", err)
	}
}

func TestSpentBudgetBlocksBeforeTheRefusal(t *testing.T) {
	t.Parallel()
	var remaining atomic.Int32
	s := newStub(t, nil, nil)
	s.Config.Handler = withMints(s, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(int(remaining.Load())))
		w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(s.now.Load().Add(10*time.Minute).Unix(), 10))
		w.Header().Set("Date", s.now.Load().Format(http.TimeFormat))
		io.WriteString(w, `{}`)
	})
	r := s.open()
	if err := s.read(r); err != nil {
		t.Fatal(err)
	}
	var limit *RateLimitError
	if err := s.read(r); !errors.As(err, &limit) || !limit.Local {
		t.Errorf("%v", err)
	}
	remaining.Store(100)
	s.advance(11 * time.Minute)
	if err := s.read(r); err != nil {
		t.Error(err)
	}
}

// withMints serves tokens beside answer.
func withMints(s *stub, answer http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/access_tokens") {
			w.WriteHeader(201)
			fmt.Fprintf(w, `{"token":"ghs_secret_%d","expires_at":%q}`, s.mints.Add(1), s.now.Load().Add(time.Hour).Format(time.RFC3339))
			return
		}
		s.mu.Lock()
		s.seen = append(s.seen, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Authorization"))
		s.mu.Unlock()
		answer(w, r)
	})
}

func TestUnnamedLimitsGrowAndReset(t *testing.T) {
	t.Parallel()
	var ok atomic.Bool
	s := newStub(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if !ok.Load() {
			w.WriteHeader(429)
		}
		io.WriteString(w, `{}`)
	})
	r := s.open()
	var limit *RateLimitError
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 64, 64} {
		if err := s.read(r); !errors.As(err, &limit) || limit.Until.Sub(*s.now.Load()) != min(want*time.Minute, maxPark) {
			t.Errorf("refusal %d: %v at %v", i, err, *s.now.Load())
		}
		s.advance(maxPark)
	}
	ok.Store(true)
	if err := s.read(r); err != nil {
		t.Fatal(err)
	}
	ok.Store(false)
	if err := s.read(r); !errors.As(err, &limit) || limit.Until.Sub(*s.now.Load()) != time.Minute {
		t.Errorf("after a success: %v", err)
	}
}

func TestWritesArePacedAndCounted(t *testing.T) {
	t.Parallel()
	s := newStub(t, func(c *Config) { c.WriteSpacing = time.Second }, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"data":{}}`)
	})
	r := s.open()
	for range 3 {
		if err := s.mutate(r); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(s.hook.sleeps); got != "[1s 1s]" {
		t.Errorf("slept %s", got)
	}
	s.advance(time.Minute)
	if err := s.mutate(r); err != nil {
		t.Fatal(err)
	}
	if err := s.read(r); err != nil {
		t.Fatal(err)
	}
	if len(s.hook.sleeps) != 2 {
		t.Errorf("a write after a pause or a read slept: %v", s.hook.sleeps)
	}
	for range maxWritesPerHour - 4 {
		if err := s.mutate(r); err != nil {
			t.Fatal(err)
		}
	}
	var limit *RateLimitError
	if err := s.mutate(r); !errors.As(err, &limit) || !limit.Local || !limit.Secondary {
		t.Errorf("write %d of an hour: %v", maxWritesPerHour+1, err)
	}
	if err := s.read(r); err != nil {
		t.Errorf("a read: %v", err)
	}
	s.advance(time.Hour)
	if err := s.mutate(r); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}

func TestReadsAreRepeatedAndWritesAreNot(t *testing.T) {
	t.Parallel()
	hijack := func(w http.ResponseWriter) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			conn.Close()
		}
	}
	faults := map[string]func(w http.ResponseWriter){
		"500":             func(w http.ResponseWriter) { w.WriteHeader(500) },
		"502 HTML":        func(w http.ResponseWriter) { w.WriteHeader(502); io.WriteString(w, "<html>") },
		"503":             func(w http.ResponseWriter) { w.WriteHeader(503) },
		"504":             func(w http.ResponseWriter) { w.WriteHeader(504) },
		"connection ends": hijack,
		"half a body": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"data":`)
		},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32
			s := newStub(t, nil, func(w http.ResponseWriter, r *http.Request) {
				if body, _ := io.ReadAll(r.Body); r.Method == "POST" && !strings.Contains(string(body), "query") {
					t.Errorf("body %q", body)
				}
				if n.Add(1) == 1 {
					fault(w)
					return
				}
				io.WriteString(w, `{"data":{}}`)
			})
			r := s.open()
			if err := s.read(r); err != nil || n.Load() != 2 {
				t.Errorf("GET: %v after %d tries", err, n.Load())
			}
			n.Store(0)
			var out map[string]any
			if err := r.client.query(t.Context(), "q", "query{x}", nil, 0, 0, &out); err != nil || n.Load() != 2 {
				t.Errorf("query: %v after %d tries", err, n.Load())
			}
			n.Store(0)
			if err := s.mutate(r); !errors.Is(err, gitops.ErrOutcomeUnknown) || n.Load() != 1 {
				t.Errorf("mutation: %v after %d tries", err, n.Load())
			}
		})
	}
	t.Run("a read gives up", func(t *testing.T) {
		t.Parallel()
		s := newStub(t, nil, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) })
		var api *APIError
		if err := s.read(s.open()); !errors.As(err, &api) || api.Status != 503 || len(s.requests()) != maxAttempts {
			t.Errorf("%v after %d", err, len(s.requests()))
		}
		if got := fmt.Sprint(s.hook.sleeps); got != "[500ms 1s]" {
			t.Errorf("slept %s", got)
		}
	})
	t.Run("ctx ends the waiting", func(t *testing.T) {
		t.Parallel()
		s := newStub(t, nil, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) })
		ctx, cancel := context.WithCancel(t.Context())
		s.app.sleep = func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() }
		r := s.open()
		_, err := r.client.rest(ctx, request{operation: "read", method: "GET", path: "/x"})
		if !errors.Is(err, context.Canceled) || len(s.requests()) != 1 {
			t.Errorf("%v after %d", err, len(s.requests()))
		}
	})
	t.Run("a hanging answer ends at the deadline", func(t *testing.T) {
		t.Parallel()
		s := newStub(t, func(c *Config) { c.Timeout = 50 * time.Millisecond }, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		})
		r := s.open()
		if err := s.read(r); !errors.Is(err, context.DeadlineExceeded) || len(s.requests()) != maxAttempts {
			t.Errorf("read: %v after %d", err, len(s.requests()))
		}
		if err := s.mutate(r); !errors.Is(err, gitops.ErrOutcomeUnknown) || len(s.requests()) != maxAttempts+1 {
			t.Errorf("write: %v after %d", err, len(s.requests()))
		}
	})
}

func TestTokensStayOnTheConfiguredHost(t *testing.T) {
	t.Parallel()
	var foreign atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		foreign.Add(1)
		io.WriteString(w, `{}`)
	}))
	defer other.Close()
	// The same host under another port is another host.
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := newStub(t, nil, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", other.URL+"/steal")
			w.WriteHeader(status)
		})
		r := s.open()
		var refused *ForeignHostError
		if err := s.read(r); !errors.As(err, &refused) {
			t.Errorf("GET %d: %v", status, err)
		}
		if err := s.mutate(r); err == nil || errors.Is(err, gitops.ErrOutcomeUnknown) {
			t.Errorf("mutation %d: %v", status, err)
		}
		if _, err := s.app.Identity(t.Context()); !errors.As(err, &refused) {
			t.Errorf("JWT %d: %v", status, err)
		}
		client, err := s.app.HTTPClient(5, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := client.Get(other.URL); !errors.As(err, &refused) {
			t.Errorf("direct request: %v", err)
			resp.Body.Close()
		}
	}
	if foreign.Load() != 0 {
		t.Errorf("%d requests reached the foreign host", foreign.Load())
	}
}

func TestRedirectsWithinTheHost(t *testing.T) {
	t.Parallel()
	s := newStub(t, nil, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/loop":
			http.Redirect(w, r, "/loop", http.StatusMovedPermanently)
		case r.URL.Path == "/x":
			http.Redirect(w, r, "/repositories/7/x", http.StatusMovedPermanently)
		case r.URL.Path == "/moved":
			http.Redirect(w, r, "/repositories/7/moved", http.StatusTemporaryRedirect)
		case r.URL.Path == "/found":
			http.Redirect(w, r, "/repositories/7/found", http.StatusFound)
		default:
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, `{"method":%q,"body":%q}`, r.Method, body)
		}
	})
	r := s.open()
	if err := s.read(r); err != nil {
		t.Errorf("GET 301: %v", err)
	}
	post := func(path string) (string, error) {
		resp, err := r.client.rest(t.Context(), request{operation: "write", method: "POST", path: path, in: map[string]int{"a": 1}})
		if err != nil {
			return "", err
		}
		return string(resp.body), nil
	}
	if got, err := post("/moved"); err != nil || got != `{"method":"POST","body":"{\"a\":1}"}` {
		t.Errorf("POST 307: %s %v", got, err)
	}
	// 302 would turn the write into a read and look like a success.
	if got, err := post("/found"); err == nil || errors.Is(err, gitops.ErrOutcomeUnknown) {
		t.Errorf("POST 302: %s %v", got, err)
	}
	if _, err := r.client.rest(t.Context(), request{operation: "read", method: "GET", path: "/loop"}); err == nil {
		t.Error("a redirect loop ended well")
	}
	for _, line := range s.requests() {
		if !strings.HasSuffix(line, "Bearer ghs_secret_1") {
			t.Errorf("%s", line)
		}
	}
}

func TestTokensAreReusedNarrowedAndRenewed(t *testing.T) {
	t.Parallel()
	var bad atomic.Value
	bad.Store("")
	s := newStub(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == bad.Load() {
			w.WriteHeader(401)
			io.WriteString(w, `{"message":"Bad credentials"}`)
			return
		}
		io.WriteString(w, `{"data":{}}`)
	})
	for range 3 {
		if err := s.read(s.open()); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.mints.Load(); n != 1 {
		t.Errorf("%d tokens for one repository and permission set", n)
	}
	// 401 means nothing was done: even a write is sent again, with a new token, once.
	bad.Store("Bearer ghs_secret_1")
	if err := s.mutate(s.open()); err != nil || s.mints.Load() != 2 {
		t.Errorf("%v after %d tokens", err, s.mints.Load())
	}
	bad.Store("Bearer ghs_secret_2")
	s.Config.Handler = withMints(s, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(401) })
	sent := len(s.requests())
	var denied *gitops.PermissionError
	_, _, err := s.open().Head(t.Context())
	if !errors.As(err, &denied) || denied.Code != "missing_permission" || len(s.requests()) != sent+2 {
		t.Errorf("%v after %d requests", err, len(s.requests())-sent)
	}
	s.app.Evict(5)
	if len(s.app.clients) != 0 {
		t.Error("evicted clients are kept")
	}
}

func TestTokenRequestIsNarrow(t *testing.T) {
	t.Parallel()
	var bodies []string
	s := newStub(t, nil, nil)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/access_tokens") {
			body, _ := io.ReadAll(r.Body)
			bodies = append(bodies, strings.TrimSpace(string(body)))
			w.WriteHeader(201)
			fmt.Fprintf(w, `{"token":"t","expires_at":%q}`, s.now.Load().Add(time.Hour).Format(time.RFC3339))
			return
		}
		io.WriteString(w, `{"total_count":0,"repositories":[]}`)
	})
	if err := s.read(s.open()); err != nil {
		t.Fatal(err)
	}
	ro, err := s.app.Open(Ref{InstallationID: 5, RepositoryID: 7, Owner: "acme", Name: "fabric"}, Options{Branch: "main", ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.read(ro); err != nil {
		t.Fatal(err)
	}
	if _, err := s.app.Repositories(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"repository_ids":[7],"permissions":{"contents":"write","metadata":"read"}}`,
		`{"repository_ids":[7],"permissions":{"contents":"read","metadata":"read"}}`,
		`{"permissions":{"metadata":"read"}}`,
	}
	if fmt.Sprint(bodies) != fmt.Sprint(want) {
		t.Errorf("asked for\n%s\nwant\n%s", bodies, want)
	}
}

func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		code   string
	}{
		"uninstalled":    {404, `{"message":"Not Found"}`, "not_found"},
		"suspended":      {403, `{"message":"This installation has been suspended"}`, "suspended"},
		"wrong key":      {401, `{"message":"A JSON web token could not be decoded"}`, "missing_permission"},
		"not granted":    {422, `{"message":"The permissions requested are not granted to this installation."}`, "missing_permission"},
		"not selected":   {422, `{"message":"There is at least one repository that does not exist or is not accessible to the parent installation."}`, "missing_permission"},
		"server failure": {500, `<html>`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mints atomic.Int32
			s := newStub(t, nil, nil)
			s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mints.Add(1)
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			})
			err := s.mutate(s.open())
			var denied *gitops.PermissionError
			switch {
			case errors.Is(err, gitops.ErrOutcomeUnknown) || err == nil:
				t.Errorf("%v", err)
			case c.code == "":
				if errors.As(err, &denied) || mints.Load() != maxAttempts {
					t.Errorf("%v after %d", err, mints.Load())
				}
			case !errors.As(err, &denied) || denied.Code != c.code:
				t.Errorf("%v, want %s", err, c.code)
			}
		})
	}
}

func TestAnswersAreCapped(t *testing.T) {
	t.Parallel()
	s := newStub(t, nil, func(w http.ResponseWriter, r *http.Request) {
		chunk := []byte(strings.Repeat(" ", 1<<16))
		for range (maxSmall >> 16) + 1 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
		io.WriteString(w, `{}`)
	})
	r := s.open()
	if err := s.read(r); !errors.Is(err, ErrTooLarge) || len(s.requests()) != 1 {
		t.Errorf("%v after %d", err, len(s.requests()))
	}
	if err := s.mutate(r); !errors.Is(err, ErrTooLarge) || !errors.Is(err, gitops.ErrOutcomeUnknown) {
		t.Errorf("%v", err)
	}
	body := &cappedBody{body: io.NopCloser(strings.NewReader("0123456789")), left: 4, cancel: func() {}}
	if data, err := io.ReadAll(body); string(data) != "0123" || !errors.Is(err, ErrTooLarge) {
		t.Errorf("%q %v", data, err)
	}
}

func TestCallsAreReportedWithoutSecrets(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	s := newStub(t, nil, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-GitHub-Request-Id", "AB:CD")
		w.Header().Set("X-RateLimit-Remaining", "4321")
		w.Header().Set("X-RateLimit-Resource", "core")
		if n.Add(1) == 1 {
			w.WriteHeader(502)
		}
		io.WriteString(w, `{"ref":"refs/heads/main","object":{"type":"commit","sha":"`+headOID+`"}}`)
	})
	if _, _, err := s.open().Head(t.Context()); err != nil {
		t.Fatal(err)
	}
	calls := s.hook.all()
	if len(calls) != 3 {
		t.Fatalf("%+v", calls)
	}
	if c := calls[0]; c.Operation != "mint a token" || c.Status != 201 || c.Installation != 0 {
		t.Errorf("%+v", c)
	}
	if c := calls[1]; c.Operation != "read head" || c.Status != 502 || c.Attempt != 1 || c.Installation != 5 {
		t.Errorf("%+v", c)
	}
	if c := calls[2]; c.Status != 200 || c.Attempt != 2 || c.RequestID != "AB:CD" || c.Remaining != 4321 || c.Resource != "core" {
		t.Errorf("%+v", c)
	}
	if text := fmt.Sprintf("%+v", calls); strings.Contains(text, "ghs_") || strings.Contains(text, "eyJ") {
		t.Errorf("a token was reported: %s", text)
	}
}

func TestErrorsNameNoTokenAndNoAddress(t *testing.T) {
	t.Parallel()
	s := newStub(t, nil, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(422)
		fmt.Fprintf(w, `{"message":"Validation\nFailed %s","errors":[{"resource":"Ref","field":"sha","code":"invalid"},"plain",{"message":"words"}]}`, strings.Repeat("x", 2000))
	})
	err := s.read(s.open())
	if text := err.Error(); strings.Contains(text, "ghs_") || strings.Contains(text, "\n") || len(text) > 700 {
		t.Errorf("%s", text)
	}
	s.Close()
	err = s.read(s.open())
	if err == nil || strings.Contains(err.Error(), "ghs_") {
		t.Errorf("%v", err)
	}
}

func TestInstallationsReadAllPages(t *testing.T) {
	t.Parallel()
	s := newStub(t, nil, nil)
	page := func(w http.ResponseWriter, r *http.Request, render func(i int) string, wrap string) {
		n, _ := strconv.Atoi(r.URL.Query().Get("page"))
		if n < 3 {
			// The address in the header is a lure.
			w.Header().Set("Link", `<https://evil.example/next>; rel="next", <https://evil.example/last>; rel="last"`)
		}
		var rows []string
		for i := range 100 {
			if n == 3 && i == 50 {
				break
			}
			rows = append(rows, render((n-1)*99+i+1)) // pages overlap by one row
		}
		fmt.Fprintf(w, wrap, strings.Join(rows, ","))
	}
	s.Config.Handler = withMints(s, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/app/installations":
			page(w, r, func(i int) string {
				return fmt.Sprintf(`{"id":%d,"account":{"login":"a%d"},"repository_selection":"all","permissions":{"contents":"write"},"suspended_at":null}`, i, i)
			}, `[%s]`)
		case "/installation/repositories":
			page(w, r, func(i int) string {
				return fmt.Sprintf(`{"id":%d,"name":"r%d","owner":{"login":"acme"},"default_branch":"main","archived":%v}`, i, i, i == 7)
			}, `{"total_count":248,"repositories":[%s]}`)
		case "/app":
			io.WriteString(w, `{"id":1,"slug":"hnp-sync","name":"hnp-sync"}`)
		case "/repos/acme/r1/installation", "/app/installations/5":
			io.WriteString(w, `{"id":5,"account":{"login":"acme"},"suspended_at":"2026-01-01T00:00:00Z"}`)
		case "/repositories/8":
			io.WriteString(w, `{"id":9,"name":"r","owner":{"login":"acme"}}`)
		default:
			w.WriteHeader(404)
			io.WriteString(w, `{"message":"Not Found"}`)
		}
	})
	installations, err := s.app.Installations(t.Context())
	if err != nil || len(installations) != 248 || installations[247].ID != 248 || !installations[0].AllRepositories || installations[0].Permissions["contents"] != "write" {
		t.Errorf("%d installations, %v", len(installations), err)
	}
	repositories, err := s.app.Repositories(t.Context(), 5)
	if err != nil || len(repositories) != 248 || !repositories[6].Archived || repositories[6].DefaultBranch != "main" {
		t.Errorf("%d repositories, %v", len(repositories), err)
	}
	if id, err := s.app.Identity(t.Context()); err != nil || id.Login != "hnp-sync[bot]" {
		t.Errorf("%+v %v", id, err)
	}
	for _, find := range []func() (Installation, error){
		func() (Installation, error) { return s.app.RepositoryInstallation(t.Context(), "acme", "r1") },
		func() (Installation, error) { return s.app.Installation(t.Context(), 5) },
	} {
		if i, err := find(); err != nil || i.ID != 5 || !i.Suspended || i.Account != "acme" {
			t.Errorf("%+v %v", i, err)
		}
	}
	var denied *gitops.PermissionError
	if _, err := s.app.RepositoryInstallation(t.Context(), "acme", "other"); !errors.As(err, &denied) || denied.Code != "not_found" {
		t.Errorf("%v", err)
	}
	if _, err := s.app.RepositoryInstallation(t.Context(), "acme", "../../app"); err == nil {
		t.Error("a path was accepted as a name")
	}
	if _, err := s.app.RepositoryByID(t.Context(), 5, 8); err == nil {
		t.Error("another repository's answer was accepted")
	}
}
