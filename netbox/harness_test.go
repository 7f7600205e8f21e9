package netbox

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/manifests"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testToken = "nbt_KEY000000001.SECRETSECRETSECRETSECRET"

// call is one request as it arrived.
type call struct {
	Method, Path, Query, Body string
	Header                    http.Header
}

func (c call) String() string {
	if c.Query == "" {
		return c.Method + " " + c.Path
	}
	return c.Method + " " + c.Path + "?" + c.Query
}

// reply is one scripted answer. The zero value is 200 {}.
type reply struct {
	status int
	header map[string]string
	body   string
	half   bool // the connection ends in the middle of the body
	drop   bool // the connection ends without an answer
}

// script is a NetBox that answers what a test says and remembers what it was asked.
type script struct {
	*httptest.Server
	mu    sync.Mutex
	calls []call
}

func newScript(t *testing.T, answer func(n int, c call) reply) *script {
	t.Helper()
	s := &script{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		c := call{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Body: string(body), Header: r.Header.Clone()}
		s.mu.Lock()
		n := len(s.calls)
		s.calls = append(s.calls, c)
		s.mu.Unlock()
		a := answer(n, c)
		if a.drop {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		if strings.HasPrefix(strings.TrimSpace(a.body), "<") {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
		}
		for k, v := range a.header {
			w.Header().Set(k, v)
		}
		if a.half {
			w.Header().Set("Content-Length", fmt.Sprint(2*len(a.body)+10))
		}
		if a.status == 0 {
			a.status = http.StatusOK
		}
		w.WriteHeader(a.status)
		if a.status != http.StatusNoContent {
			_, _ = io.WriteString(w, a.body)
		}
		if a.half {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}))
	s.Config.ErrorLog = nil
	t.Cleanup(s.Close)
	return s
}

func (s *script) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, c := range s.calls {
		out = append(out, c.String())
	}
	return out
}

func (s *script) last() call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[len(s.calls)-1]
}

// dial connects without ever waiting; the probe is skipped by what is given as known.
func dial(t *testing.T, url string, known *probed) *Connection {
	t.Helper()
	c, err := Dial(Config{Name: "default", URL: url, Token: testToken, Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	if err != nil {
		t.Fatal(err)
	}
	c.probed = known
	t.Cleanup(c.Close)
	return c
}

func known(version string) *probed {
	r := parseRelease(version)
	return &probed{version: version, release: r, plugin: "0.2.0", changeLog: true, etag: !r.less(versionETag), bulk: !r.less(versionETag),
		etagReason: "NetBox " + version + " has no If-Match (4.6 has)"}
}

// vpc is a row as the plugin answers it.
func vpc(pk, fabric int64, name string, more ...string) string {
	return fmt.Sprintf(`{"id":%d,"fabric":%d,"name":%q,"namespace":"default","spec":{"vlan":%d},"labels":{},"annotations":{},"auto_sync":true,"last_updated":"2026-11-23T13:16:16.%06dZ"%s}`,
		pk, fabric, name, 1000+pk, pk, strings.Join(more, ""))
}

func page(count int, next bool, rows ...string) string {
	n := "null"
	if next {
		n = `"http://elsewhere.example.test/?offset=1"`
	}
	return fmt.Sprintf(`{"count":%d,"next":%s,"previous":null,"results":[%s]}`, count, n, strings.Join(rows, ","))
}

func vpcKey(name string) gitops.Key {
	return gitops.Key{Group: manifests.GroupVPC, Kind: "VPC", Namespace: "default", Name: name}
}

func bodyOf(t *testing.T, spec, labels string) manifests.Object {
	t.Helper()
	s, err := decodeJSON([]byte(spec))
	if err != nil {
		t.Fatal(err)
	}
	l, err := decodeJSON([]byte(labels))
	if err != nil {
		t.Fatal(err)
	}
	return manifests.Object{"spec": s, "metadata": map[string]any{"labels": l, "annotations": map[string]any{}}}
}

func tag(pk int64) string { return fmt.Sprintf("2026-11-23T13:16:16.%06d+00:00", pk) }

// updates is a batch of n updates of VPCs 1..n.
func updates(t *testing.T, n int) gitops.Batch {
	t.Helper()
	b := gitops.Batch{Kind: "VPC", Op: gitops.OpUpdate, Operation: "sync_20261123_131616_abcdef"}
	for pk := int64(1); pk <= int64(n); pk++ {
		b.Items = append(b.Items, gitops.Write{Key: vpcKey(fmt.Sprintf("v%d", pk)), PK: pk, LastUpdated: tag(pk), Columns: []string{"labels"}, Body: bodyOf(t, `{"vlan":1}`, `{"a":"1"}`)})
	}
	return b
}

func batchOf(t *testing.T, op gitops.Op, n int) gitops.Batch {
	t.Helper()
	b := updates(t, n)
	b.Op = op
	if op == gitops.OpCreate {
		for i := range b.Items {
			b.Items[i].PK, b.Items[i].LastUpdated = 0, ""
		}
	}
	return b
}

func outcomes(r gitops.BatchResult) string {
	var out []string
	for _, i := range r.Items {
		out = append(out, string(i.Outcome))
	}
	return strings.Join(out, " ")
}

// exchange is one recorded request and answer of the real plugin.
type exchange struct {
	Name    string
	Request struct {
		Method, Path string
		Headers      map[string]string
		Body         json.RawMessage
	}
	Response struct {
		Status  int
		Headers map[string]string
		Body    json.RawMessage
	}
}

// recorded reads all exchanges of testdata/contract/hnp/exchanges/<name>.
func recorded(t *testing.T, name string) []exchange {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", "contract", "hnp", "exchanges", name))
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ Exchanges []exchange }
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Exchanges) == 0 {
		t.Fatalf("%s holds no exchanges", name)
	}
	return f.Exchanges
}

func recordedAs(t *testing.T, file, name string) exchange {
	t.Helper()
	for _, e := range recorded(t, file) {
		if e.Name == name {
			return e
		}
	}
	t.Fatalf("%s has no exchange %q", file, name)
	return exchange{}
}

// reply is the recorded answer; a body recorded as a text is that text.
func (e exchange) reply() reply {
	body := string(e.Response.Body)
	var text string
	if json.Unmarshal(e.Response.Body, &text) == nil {
		body = text
	}
	h := map[string]string{}
	for k, v := range e.Response.Headers {
		if k != "API-Version" {
			h[k] = v
		}
	}
	return reply{status: e.Response.Status, header: h, body: body}
}
