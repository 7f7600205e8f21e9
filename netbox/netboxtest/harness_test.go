package netboxtest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/netbox/netboxtest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const adminToken = "nbt_ADMIN0000000.secret"

// tickingClock starts at a fixed time and moves only when told to.
type tickingClock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *tickingClock {
	return &tickingClock{now: time.Date(2026, 11, 23, 13, 0, 0, 123456000, time.UTC)}
}

func (c *tickingClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

type server struct {
	*netboxtest.Server
	t      *testing.T
	url    string
	token  string
	client *http.Client
}

func adminSeed() *netboxtest.Seed {
	return &netboxtest.Seed{Tokens: map[string]netboxtest.SeedToken{adminToken: {Username: "admin"}},
		Fabrics: []netboxtest.SeedFabric{{ID: 1, Name: "fabric-1", KubernetesToken: "dummy-k8s-token"}, {ID: 2, Name: "fabric-2"}}}
}

func start(t *testing.T, o netboxtest.Options) *server {
	t.Helper()
	if o.Seed == nil {
		o.Seed = adminSeed()
	}
	if o.Clock == nil {
		o.Clock = newClock().Now
	}
	s, err := netboxtest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s.Handler())
	tr := &http.Transport{}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		web.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &server{Server: s, t: t, url: web.URL, token: adminToken, client: &http.Client{Transport: tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (s *server) as(token string) *server {
	c := *s
	c.token = token
	return &c
}

// do sends one request; body is JSON text or "".
func (s *server) do(method, path, body string, headers ...string) answer {
	s.t.Helper()
	a, err := s.try(method, path, body, headers...)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *server) try(method, path, body string, headers ...string) (answer, error) {
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if s.token != "" {
		req.Header.Set("Authorization", "Token "+s.token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b)}, err
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	out, ok := decode(t, a.body).(map[string]any)
	if !ok {
		t.Fatalf("no object: %d %s", a.status, a.body)
	}
	return out
}

func decode(t *testing.T, text string) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("decode %.200s: %v", text, err)
	}
	return v
}

func (a answer) want(t *testing.T, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %.500s", a.status, status, a.body)
	}
	return a
}

const vpcSpec = `{"ipv4Namespace":"default","vlanNamespace":"default","subnets":{"default":{"subnet":"10.0.1.0/24","gateway":"10.0.1.1","vlan":1001}}}`

func vpc(name string) string {
	return `{"fabric":1,"name":"` + name + `","spec":` + vpcSpec + `}`
}

const (
	vpcs      = "/api/plugins/hedgehog/vpcs/"
	externals = "/api/plugins/hedgehog/externals/"
	omit      = "?omit=display_url"
)

func itoa(n int) string { return strconv.Itoa(n) }
