package netbox

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestDialRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ url, token, want string }{
		"no scheme":          {"netbox.example.test", "t", "http:// or https://"},
		"another scheme":     {"file:///etc/passwd", "t", "http:// or https://"},
		"no host":            {"https://", "t", "no host"},
		"password in URL":    {"https://u:hunter2@netbox.example.test", "t", "user or password"},
		"unparsable":         {"https://u:hunter2@[", "t", "cannot be parsed"},
		"query":              {"https://netbox.example.test?x=1", "t", "query"},
		"empty token":        {"https://netbox.example.test", "", "empty"},
		"token with newline": {"https://netbox.example.test", "abc\nX-Evil: 1", "blanks"},
		"endless token":      {"https://netbox.example.test", strings.Repeat("x", 1000), "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Dial(Config{Name: "default", URL: tc.url, Token: tc.token})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want %q in it", err, tc.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

func TestAuthorizationByTokenForm(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]string{
		"nbt_KEY.SECRET": "Bearer nbt_KEY.SECRET",
		"0123456789abcdef0123456789abcdef01234567": "Token 0123456789abcdef0123456789abcdef01234567",
	} {
		s := newScript(t, func(int, call) reply { return reply{body: `{"netbox-version":"4.7.3","rq-workers-running":1}`} })
		c, err := Dial(Config{Name: "d", URL: s.URL + "/", Token: token})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		if _, err := c.Status(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.last().Header.Get("Authorization"); got != want {
			t.Errorf("Authorization %q, want %q", got, want)
		}
		if s.last().Path != "/api/status/" {
			t.Errorf("path %q", s.last().Path)
		}
	}
}

func TestPathPrefixIsKept(t *testing.T) {
	t.Parallel()
	s := newScript(t, func(int, call) reply { return reply{body: `{"netbox-version":"4.7.3"}`} })
	c := dial(t, s.URL+"/netbox/", nil)
	if _, err := c.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.last().Path != "/netbox/api/status/" {
		t.Errorf("path %q", s.last().Path)
	}
}

// A token must never reach another host, whatever NetBox answers.
func TestRedirects(t *testing.T) {
	t.Parallel()
	other := newScript(t, func(int, call) reply { return reply{body: `{"netbox-version":"4.7.3"}`} })
	for name, tc := range map[string]struct {
		to   func(own string) string
		want string // "" for success
	}{
		"same host":  {func(own string) string { return own + "/api/status/?again=1" }, ""},
		"other host": {func(string) string { return other.URL + "/api/status/" }, "refused redirect"},
	} {
		t.Run(name, func(t *testing.T) {
			var own string
			s := newScript(t, func(n int, _ call) reply {
				if n == 0 {
					return reply{status: 302, header: map[string]string{"Location": tc.to(own)}}
				}
				return reply{body: `{"netbox-version":"4.7.3"}`}
			})
			own = s.URL
			_, err := dial(t, s.URL, nil).Status(t.Context())
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Fatalf("error %v, want %q", err, tc.want)
			}
		})
	}
	if got := other.requests(); len(got) != 0 {
		t.Errorf("the other host was asked: %v", got)
	}
	t.Run("of a write", func(t *testing.T) {
		s := newScript(t, func(int, call) reply { return reply{status: 301, header: map[string]string{"Location": "/elsewhere/"}} })
		res := dial(t, s.URL, known("4.7.3")).Fabric(1).Write(t.Context(), updates(t, 1))
		if outcomes(res) != "refused" || len(s.requests()) != 1 || !strings.Contains(res.Items[0].Message, "redirect") {
			t.Errorf("%s after %v: %+v", outcomes(res), s.requests(), res)
		}
	})
}

func TestHTTPClientSendsToThisNetBoxOnly(t *testing.T) {
	t.Parallel()
	s := newScript(t, func(int, call) reply { return reply{body: "{}"} })
	other := newScript(t, func(int, call) reply { return reply{body: "{}"} })
	client := dial(t, s.URL, nil).HTTPClient()
	resp, err := client.Get(s.URL + "/api/extras/webhooks/")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if s.last().Header.Get("Authorization") != "Bearer "+testToken {
		t.Error("no token was added")
	}
	if resp, err := client.Get(other.URL + "/"); err == nil {
		_ = resp.Body.Close()
		t.Error("a request to another host was sent")
	}
	if len(other.requests()) != 0 {
		t.Error("the other host was asked")
	}
}

// Reads are repeated a little where waiting may help, and never where it cannot.
func TestReadRetries(t *testing.T) {
	t.Parallel()
	const status = `{"netbox-version":"4.7.3"}`
	for name, tc := range map[string]struct {
		answers []reply
		calls   int
		waits   []time.Duration
		want    string // "" for success
	}{
		"502 page, then well":        {[]reply{{status: 502, body: "<html><title>502 Bad Gateway</title></html>"}, {body: status}}, 2, []time.Duration{200 * time.Millisecond}, ""},
		"lost, then well":            {[]reply{{drop: true}, {body: status}}, 2, nil, ""}, // the standard library repeats it itself, or we do
		"half an answer, then well":  {[]reply{{body: status[:10], half: true}, {body: status}}, 2, []time.Duration{200 * time.Millisecond}, ""},
		"429 with a short wait":      {[]reply{{status: 429, header: map[string]string{"Retry-After": "3"}}, {body: status}}, 2, []time.Duration{3 * time.Second}, ""},
		"503 with a long wait":       {[]reply{{status: 503, header: map[string]string{"Retry-After": "120"}}}, 1, nil, "status 503"},
		"502 for ever":               {[]reply{{status: 502, body: "<html><title>502 Bad Gateway</title></html>"}}, 3, []time.Duration{200 * time.Millisecond, time.Second}, "netbox default: GET /api/status/: answered with an HTML page, status 502: 502 Bad Gateway"},
		"500 that NetBox explains":   {[]reply{{status: 500, body: `{"error":"Paginating over an unordered queryset is unreliable.","exception":"QuerySetNotOrdered"}`}}, 1, nil, "QuerySetNotOrdered: Paginating"},
		"401":                        {[]reply{{status: 401, body: `{"detail":"no"}`}}, 1, nil, "status 401: no"},
		"403":                        {[]reply{{status: 403, body: `{"detail":"Invalid v2 token"}`}}, 1, nil, "status 403: Invalid v2 token"},
		"404 page":                   {[]reply{{status: 404, body: "<!DOCTYPE html><html><title>Page Not Found</title></html>"}}, 1, nil, "HTML page, status 404: Page Not Found"},
		"409":                        {[]reply{{status: 409, body: `{"detail":"conflict"}`}}, 1, nil, "status 409: conflict"},
		"412":                        {[]reply{{status: 412, body: `{"detail":"Precondition failed."}`}}, 1, nil, "status 412"},
		"422":                        {[]reply{{status: 422, body: `{"x":["bad"]}`}}, 1, nil, "status 422: x: bad"},
		"429 for ever":               {[]reply{{status: 429}}, 3, []time.Duration{200 * time.Millisecond, time.Second}, "status 429: Too Many Requests"},
		"431":                        {[]reply{{status: 431, body: "<html><head><title>Request Header Fields Too Large</title></head></html>"}}, 1, nil, "Request Header Fields Too Large"},
		"login page instead of JSON": {[]reply{{body: "<!DOCTYPE html><html><title>Sign in</title></html>"}}, 1, nil, "HTML page, status 200: Sign in"},
		"not JSON":                   {[]reply{{body: "hello"}}, 1, nil, "not JSON"},
		"two values":                 {[]reply{{body: status + status}}, 1, nil, "not JSON"},
		"a list":                     {[]reply{{body: "[]"}}, 1, nil, "no JSON object"},
		"not a NetBox":               {[]reply{{body: "{}"}}, 1, nil, "this is no NetBox"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, func(n int, _ call) reply { return tc.answers[min(n, len(tc.answers)-1)] })
			c := dial(t, s.URL, nil)
			var waits []time.Duration
			c.wait = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
			got, err := c.Status(t.Context())
			if tc.want == "" && (err != nil || got.Version != "4.7.3") || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Fatalf("error %v, want %q", err, tc.want)
			}
			if n := len(s.requests()); n != tc.calls {
				t.Errorf("%d requests, want %d", n, tc.calls)
			}
			if tc.waits != nil && !equal(waits, tc.waits) {
				t.Errorf("waited %v, want %v", waits, tc.waits)
			}
		})
	}
}

func equal(a, b []time.Duration) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestEndlessAnswerIsCut(t *testing.T) {
	t.Parallel()
	chunk := bytes.Repeat([]byte(" "), 1<<20)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	t.Cleanup(srv.Close)
	_, err := dial(t, srv.URL, nil).get(t.Context(), "/api/status/")
	if err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Fatalf("error %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	_ = l.Close()
	c := dial(t, url, known("4.7.3"))
	res := c.Fabric(1).Write(t.Context(), updates(t, 3))
	if outcomes(res) != "not_sent not_sent not_sent" || res.Err == nil {
		t.Errorf("write: %s, %v", outcomes(res), res.Err)
	}
	listings, err := c.Fabric(1).List(t.Context(), []string{"VPC", "Switch"})
	if err == nil || listings["VPC"].Err == nil || listings["Switch"].Err == nil || !connectionLost(err) {
		t.Errorf("list: %v %v", listings, err)
	}
}

func TestCancelledWhileWaitingIsNotSent(t *testing.T) {
	t.Parallel()
	s := newScript(t, func(int, call) reply { return reply{} })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	res := dial(t, s.URL, known("4.7.3")).Fabric(1).Write(ctx, updates(t, 1))
	if outcomes(res) != "not_sent" || !errors.Is(res.Err, context.Canceled) || len(s.requests()) != 0 {
		t.Errorf("%s %v %v", outcomes(res), res.Err, s.requests())
	}
}

func TestCheckToken(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		token  string
		answer reply
		user   string
		bad    bool
		calls  int
	}{
		"known":        {"nbt_CALLER.TOKEN", reply{body: `{"id":2,"username":"alice","permissions":[]}`}, "alice", false, 1},
		"unknown":      {"nbt_CALLER.TOKEN", reply{status: 403, body: `{"detail":"Invalid v2 token"}`}, "", true, 1},
		"unauthorized": {"nbt_CALLER.TOKEN", reply{status: 401}, "", true, 1},
		"malformed":    {"a b", reply{}, "", true, 0},
		"empty":        {"", reply{}, "", true, 0},
		"broken":       {"nbt_CALLER.TOKEN", reply{status: 500, body: `{"error":"nbt_CALLER.TOKEN","exception":"X"}`}, "", false, 1},
		"no user":      {"nbt_CALLER.TOKEN", reply{body: `{"username":7}`}, "", false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, func(int, call) reply { return tc.answer })
			user, err := dial(t, s.URL, nil).CheckToken(t.Context(), tc.token)
			if user != tc.user || (err == nil) != (tc.user != "") || errors.Is(err, ErrInvalidToken) != tc.bad {
				t.Fatalf("%q, %v", user, err)
			}
			if err != nil && strings.Contains(err.Error(), "CALLER.TOKEN") {
				t.Errorf("the error shows the caller's token: %v", err)
			}
			if len(s.requests()) != tc.calls {
				t.Fatalf("requests %v", s.requests())
			}
			if tc.calls == 1 && s.last().Header.Get("Authorization") != "Bearer nbt_CALLER.TOKEN" {
				t.Error("the caller's token was not the one sent")
			}
		})
	}
}

// NetBox (or whoever answers in its place) may repeat the token in an error.
func TestErrorsNeverShowTheToken(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]reply{
		"json":     {status: 400, body: `{"detail":"bad token ` + testToken + `"}`},
		"secret":   {status: 400, body: `{"detail":"bad SECRETSECRETSECRETSECRET"}`},
		"html":     {status: 404, body: "<html><title>" + testToken + "</title></html>"},
		"text":     {status: 400, body: "x " + testToken},
		"cut":      {status: 400, body: strings.Repeat("y", 380) + testToken},
		"redirect": {status: 302, header: map[string]string{"Location": "http://other.example.test/" + testToken}},
		"name":     {body: `{"` + testToken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, func(int, call) reply { return r })
			_, err := dial(t, s.URL, nil).Status(t.Context())
			if err == nil || strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "nbt_KEY") {
				t.Errorf("error %v", err)
			}
			res := dial(t, s.URL, known("4.7.3")).Fabric(1).Write(t.Context(), updates(t, 1))
			if strings.Contains(res.Items[0].Message, "SECRET") || res.Err == nil || strings.Contains(res.Err.Error(), "SECRET") {
				t.Errorf("write: %+v", res)
			}
		})
	}
}
