package githubtest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hnp-sync/hnp-sync/gitops/githubtest/contract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testKey is one RSA key for all tests: generating one takes long.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func testKeyPEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(testKey())}))
}

// fakeClock stands still until a test moves it; its timers fire then.
type fakeClock struct {
	mu     sync.Mutex
	now    time.Time
	timers []fakeTimer
	armed  chan struct{} // one per timer made
}

type fakeTimer struct {
	at time.Time
	ch chan time.Time
}

func newFakeClock() *fakeClock {
	return &fakeClock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), armed: make(chan struct{}, 100)}
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan time.Time, 1)
	c.timers = append(c.timers, fakeTimer{c.now.Add(d), ch})
	c.armed <- struct{}{}
	return ch
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	left := c.timers[:0]
	for _, t := range c.timers {
		if t.at.After(c.now) {
			left = append(left, t)
			continue
		}
		t.ch <- c.now
	}
	c.timers = left
}

// waitTimer returns once somebody waits for the clock.
func (c *fakeClock) waitTimer(t *testing.T) {
	t.Helper()
	select {
	case <-c.armed:
	case <-time.After(10 * time.Second):
		t.Fatal("nobody waits for the clock")
	}
}

const (
	appID     = 4711
	installID = 9001
	repoName  = "acme/fabric"
	secret    = "s3cret"
	userToken = "ghp_alice"
)

func testSeed() *Seed {
	return &Seed{
		Tokens: map[string]SeedToken{userToken: {Login: "alice"}, "ghp_eve": {Login: "eve"}, "ghp_none": {Login: "alice", Scopes: []string{}}},
		GitHub: SeedGitHub{
			Users: []SeedUser{{Login: "alice", Name: "Alice Ng", Email: "alice@example.com"}, {Login: "eve"}},
			Orgs:  []SeedOrg{{Login: "acme", Members: map[string]string{"alice": "admin"}}},
			Repos: []SeedRepo{
				{Owner: "acme", Name: "fabric", Private: true, Files: map[string]string{"README.md": "# fabric\n", "a/one.yaml": "one: 1\n", "a/two.yaml": "two: 2\n"}},
				{Owner: "acme", Name: "other", Private: true, AutoInit: true},
				{Owner: "acme", Name: "open", AutoInit: true},
				{Owner: "acme", Name: "empty", Private: true},
			},
			Apps: []SeedApp{{AppID: appID, Slug: "hnp-sync", Name: "hnp-sync", PrivateKey: testKeyPEM(),
				Permissions: map[string]string{"contents": "write", "checks": "write", "pull_requests": "write", "issues": "write", "statuses": "write"},
				Events:      []string{"push", "pull_request", "check_run", "check_suite", "issue_comment", "repository", "create", "delete", "status", "merge_group"}, WebhookSecret: secret,
				Installations: []SeedInstallation{{InstallationID: installID, Account: "acme"}}}},
		},
	}
}

type fixture struct {
	*Server
	t     *testing.T
	clock *fakeClock
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	clock := newFakeClock()
	f := newFixtureWith(t, clock)
	f.clock = clock
	return f
}

// newFixtureWith starts a server whose every exchange and webhook is held to
// the contract.
func newFixtureWith(t *testing.T, clock Clock) *fixture {
	t.Helper()
	hooks := &http.Transport{}
	s, err := New(Options{Dir: t.TempDir(), Clock: clock, Seed: testSeed(), Logf: t.Logf,
		Wrap:      func(h http.Handler) http.Handler { return contract.Wrap(t, h) },
		Transport: contract.Webhooks(t, hooks)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		hooks.CloseIdleConnections()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return &fixture{Server: s, t: t}
}

func (f *fixture) jwt(offsetIat, offsetExp time.Duration) string {
	f.t.Helper()
	now := f.clock.Now()
	seg := func(v any) string {
		data, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(data)
	}
	head := seg(map[string]string{"alg": "RS256", "typ": "JWT"}) + "." + seg(map[string]any{"iss": strconv.Itoa(appID), "iat": now.Add(offsetIat).Unix(), "exp": now.Add(offsetExp).Unix()})
	digest := sha256.Sum256([]byte(head))
	sig, err := rsa.SignPKCS1v15(rand.Reader, testKey(), 5, digest[:])
	if err != nil {
		f.t.Fatal(err)
	}
	return head + "." + base64.RawURLEncoding.EncodeToString(sig)
}

type reply struct {
	status int
	header http.Header
	body   []byte
	json   map[string]any
}

// do sends a request; token "" is anonymous.
func (f *fixture) do(method, path, token string, body any, header ...string) reply {
	f.t.Helper()
	r, err := f.try(method, path, token, body, header...)
	if err != nil {
		f.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

var noRedirects = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func (f *fixture) try(method, path, token string, body any, header ...string) (reply, error) {
	var in io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return reply{}, err
		}
		in = bytes.NewReader(data)
	}
	req, err := http.NewRequest(method, f.URL()+path, in)
	if err != nil {
		return reply{}, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := noRedirects.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	out := reply{status: resp.StatusCode, header: resp.Header}
	out.body, err = io.ReadAll(resp.Body)
	json.Unmarshal(out.body, &out.json)
	return out, err
}

func (r reply) message() string { m, _ := r.json["message"].(string); return m }

// token mints an installation token; in may be nil.
func (f *fixture) token(in any) string {
	f.t.Helper()
	r := f.do("POST", "/app/installations/9001/access_tokens", f.jwt(-time.Minute, 5*time.Minute), in)
	if r.status != 201 {
		f.t.Fatalf("mint: %d %s", r.status, r.body)
	}
	return r.json["token"].(string)
}

func (f *fixture) graphql(token, query string, variables map[string]any) reply {
	f.t.Helper()
	return f.do("POST", "/graphql", token, map[string]any{"query": query, "variables": variables})
}

const commitMutation = `mutation($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid url } } }`

func commitInput(head string, additions map[string]string, deletions ...string) map[string]any {
	var add, del []any
	for path, content := range additions {
		add = append(add, map[string]any{"path": path, "contents": base64.StdEncoding.EncodeToString([]byte(content))})
	}
	for _, path := range deletions {
		del = append(del, map[string]any{"path": path})
	}
	return map[string]any{"input": map[string]any{"branch": map[string]any{"repositoryNameWithOwner": repoName, "branchName": "main"},
		"expectedHeadOid": head, "message": map[string]any{"headline": "Update", "body": "Body"}, "fileChanges": map[string]any{"additions": add, "deletions": del}}}
}

func firstError(r reply) (typ, message string) {
	list, _ := r.json["errors"].([]any)
	if len(list) == 0 {
		return "", ""
	}
	e := list[0].(map[string]any)
	typ, _ = e["type"].(string)
	message, _ = e["message"].(string)
	return typ, message
}

func (f *fixture) head() string {
	f.t.Helper()
	oid, err := f.Head(repoName, "main")
	if err != nil {
		f.t.Fatal(err)
	}
	return oid
}

func (f *fixture) settle() {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := f.WaitDeliveries(ctx); err != nil {
		f.t.Fatal(err)
	}
}

// hook is a webhook receiver that checks signatures.
type hook struct {
	mu     sync.Mutex
	came   chan string
	events []received
	bad    int
	status int
}

type received struct {
	event, guid string
	payload     map[string]any
}

func (f *fixture) hook() *hook {
	f.t.Helper()
	h := &hook{status: 202, came: make(chan string, 1000)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		h.mu.Lock()
		defer h.mu.Unlock()
		if r.Header.Get("X-Hub-Signature-256") != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
			h.bad++
			w.WriteHeader(401)
			return
		}
		one := received{event: r.Header.Get("X-GitHub-Event"), guid: r.Header.Get("X-GitHub-Delivery")}
		json.Unmarshal(body, &one.payload)
		h.events = append(h.events, one)
		h.came <- one.event
		w.WriteHeader(h.status)
	}))
	f.t.Cleanup(server.Close)
	if err := f.SetWebhook("hnp-sync", server.URL, secret); err != nil {
		f.t.Fatal(err)
	}
	return h
}

// waitEvents returns once n events of a kind have come in all.
func (f *fixture) waitEvents(h *hook, event string, n int) {
	f.t.Helper()
	for len(h.of(event)) < n {
		select {
		case <-h.came:
		case <-time.After(10 * time.Second):
			f.t.Fatalf("%d of %d %s events", len(h.of(event)), n, event)
		}
	}
}

func (h *hook) of(event string) []received {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []received
	for _, e := range h.events {
		if e.event == event {
			out = append(out, e)
		}
	}
	return out
}

func TestGraphQLReadsHeadTreeAndBlobsInOneRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	r := f.graphql(token, `query($owner: String!, $name: String!, $ref: String!, $expr: String!) {
		repository(owner: $owner, name: $name) { id databaseId nameWithOwner isArchived defaultBranchRef { name }
			ref(qualifiedName: $ref) { target { oid ... on Commit { tree { oid } history(first: 100) { nodes { oid messageHeadline message parents(first: 2) { nodes { oid } } } } } } }
			object(expression: $expr) { __typename oid ... on Tree { entries { name path mode type oid size object { ...B } } } }
		} rateLimit { cost remaining } }
		fragment B on Blob { byteSize isBinary isTruncated text }`,
		map[string]any{"owner": "acme", "name": "fabric", "ref": "refs/heads/main", "expr": "main:a"})
	if r.status != 200 || r.json["errors"] != nil {
		t.Fatalf("%d %s", r.status, r.body)
	}
	for _, want := range []string{`"nameWithOwner":"acme/fabric"`, `"oid":"` + f.head() + `"`, `"path":"a/one.yaml","mode":33188,"type":"blob"`, `"text":"two: 2\n"`, `"__typename":"Tree"`} {
		if !strings.Contains(string(r.body), want) {
			t.Errorf("no %s in %s", want, r.body)
		}
	}
	st := f.Stats()
	if st.Total != 1 || st.Routes["POST /graphql repository"] != 1 || st.ByUser["hnp-sync[bot]"].Total != 1 || st.Other["POST /app/installations/{installation_id}/access_tokens"] != 1 {
		t.Errorf("stats %+v", st)
	}
}

func TestCommitOnBranch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	h := f.hook()
	token := f.token(nil)
	before := f.head()
	r := f.graphql(token, commitMutation, commitInput(before, map[string]string{"a/one.yaml": "one: 11\n", "b/new.yaml": ""}, "a/two.yaml"))
	if typ, msg := firstError(r); r.status != 200 || msg != "" {
		t.Fatalf("%d %s %s", r.status, typ, msg)
	}
	files, err := f.Files(repoName, "main", "")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 3 || files["a/one.yaml"] != "one: 11\n" || files["b/new.yaml"] != "" {
		t.Errorf("files %v", files)
	}
	log, _ := f.Log(repoName, "main", 1)
	if log[0].Author != "hnp-sync[bot]" || !strings.HasSuffix(log[0].AuthorEmail, "+hnp-sync[bot]@users.noreply.github.com") || log[0].Message != "Update\n\nBody" {
		t.Errorf("commit %+v", log[0])
	}
	f.settle()
	pushes := h.of("push")
	if len(pushes) != 1 || h.bad != 0 {
		t.Fatalf("%d pushes, %d badly signed", len(pushes), h.bad)
	}
	p := pushes[0].payload
	if p["before"] != before || p["after"] != f.head() || p["forced"] != false || p["sender"].(map[string]any)["type"] != "Bot" {
		t.Errorf("push %v", p)
	}

	stale := f.graphql(token, commitMutation, commitInput(before, map[string]string{"x": "y"}))
	typ, msg := firstError(stale)
	if want := `Expected branch to point to "` + before + `" but it did not.  Pull and try again.`; stale.status != 200 || typ != "STALE_DATA" || msg != want {
		t.Errorf("stale: %d %s %q", stale.status, typ, msg)
	}
	missing := f.graphql(token, commitMutation, commitInput(f.head(), nil, "no/such"))
	if _, msg := firstError(missing); !strings.HasPrefix(msg, "A path was requested for deletion which does not exist as of commit oid") {
		t.Errorf("missing path: %q", msg)
	}
	if err := f.Fsck(repoName); err != nil {
		t.Error(err)
	}
}
