package handlers

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
)

// memoryInbox keeps deliveries as the store does: the identity is (source, target, GUID).
type memoryInbox struct {
	mu       sync.Mutex
	rows     map[string]Delivery
	finished map[string]bool
	fail     error
}

func newMemoryInbox() *memoryInbox {
	return &memoryInbox{rows: map[string]Delivery{}, finished: map[string]bool{}}
}

func (m *memoryInbox) Put(_ context.Context, d Delivery) (Receipt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return "", m.fail
	}
	key := d.Source + "|" + d.Target + "|" + d.GUID
	old, seen := m.rows[key]
	switch {
	case !seen:
		m.rows[key] = d
		return ReceiptStored, nil
	case old.BodyHash != d.BodyHash || old.Event != d.Event:
		return ReceiptMismatch, nil
	case m.finished[key]:
		return ReceiptFinished, nil
	}
	return ReceiptPending, nil
}

func (m *memoryInbox) finishAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range m.rows {
		m.finished[k] = true
	}
}

func (m *memoryInbox) all() []Delivery {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Delivery
	for _, d := range m.rows {
		out = append(out, d)
	}
	return out
}

var received = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func testReceiver(inbox Inbox) Receiver {
	return Receiver{Inbox: inbox, Now: func() time.Time { return received }, Log: zap.NewNop()}
}

func sign256(key, body string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func sign1(key, body string) string {
	mac := hmac.New(sha1.New, []byte(key))
	mac.Write([]byte(body))
	return "sha1=" + hex.EncodeToString(mac.Sum(nil))
}

func sign512(key, body string) string {
	mac := hmac.New(sha512.New, []byte(key))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

const pushBody = `{"ref":"refs/heads/main","before":"0000000000000000000000000000000000000000",
"after":"6dcb09b5b57875f334f61aebed695e2e4193db5e","deleted":false,
"repository":{"id":12,"full_name":"acme/fabrics"},"installation":{"id":34},"sender":{"login":"alice"},
"commits":[{"added":[],"removed":[],"modified":["gitops/x.yaml"]}]}`

// githubRequest is a well-formed, signed push; tests change what they are about.
func githubRequest(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/webhooks/github", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Event", "push")
	r.Header.Set("X-GitHub-Delivery", "guid-1")
	r.Header.Set("X-GitHub-Hook-Installation-Target-ID", "1234")
	r.Header.Set("X-Hub-Signature-256", sign256("current", body))
	return r
}

func newTestGitHub(t *testing.T, inbox Inbox) *GitHub {
	t.Helper()
	g, err := NewGitHub(testReceiver(inbox), [][]byte{[]byte("current"), []byte("previous")})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGitHubAnswers(t *testing.T) {
	t.Parallel()
	big := strings.Repeat(" ", MaxGitHubBody+1)
	cases := map[string]struct {
		change func(r *http.Request)
		body   string
		status int
		stored int
	}{
		"a signed push is stored":                 {status: 202, stored: 1},
		"the previous secret is valid too":        {status: 202, stored: 1, change: func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", sign256("previous", pushBody)) }},
		"a parameter of the content type is fine": {status: 202, stored: 1, change: func(r *http.Request) { r.Header.Set("Content-Type", "application/json; charset=utf-8") }},
		"no signature":                            {status: 401, change: func(r *http.Request) { r.Header.Del("X-Hub-Signature-256") }},
		"a wrong secret":                          {status: 401, change: func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", sign256("guess", pushBody)) }},
		"an empty secret":                         {status: 401, change: func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", sign256("", pushBody)) }},
		"a signature cut short":                   {status: 401, change: func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", sign256("current", pushBody)[:40]) }},
		"a signature that is no hex":              {status: 401, change: func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", "sha256="+strings.Repeat("zz", 32)) }},
		"only the SHA-1 signature": {status: 401, change: func(r *http.Request) {
			r.Header.Del("X-Hub-Signature-256")
			r.Header.Set("X-Hub-Signature", sign1("current", pushBody))
		}},
		"a SHA-1 signature in the SHA-256 header": {status: 401, change: func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", sign1("current", pushBody)) }},
		"a form":                  {status: 415, change: func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }},
		"no content type":         {status: 415, change: func(r *http.Request) { r.Header.Del("Content-Type") }},
		"GET":                     {status: 405, change: func(r *http.Request) { r.Method = http.MethodGet }},
		"declared over the limit": {status: 413, body: big},
		"over the limit without a declared length":  {status: 413, body: big, change: func(r *http.Request) { r.ContentLength = -1 }},
		"unsigned, over the limit, no length":       {status: 413, body: big, change: func(r *http.Request) { r.ContentLength = -1; r.Header.Del("X-Hub-Signature-256") }},
		"signed, not JSON":                          {status: 400, body: "payload=%7B%7D"},
		"signed, half a JSON":                       {status: 400, body: pushBody[:50]},
		"signed, JSON but no object":                {status: 400, body: `[1,2]`},
		"another event's body":                      {status: 400, change: func(r *http.Request) { r.Header.Set("X-GitHub-Event", "installation") }},
		"a push body as ping":                       {status: 400, change: func(r *http.Request) { r.Header.Set("X-GitHub-Event", "ping") }},
		"no event":                                  {status: 400, change: func(r *http.Request) { r.Header.Del("X-GitHub-Event") }},
		"no delivery id":                            {status: 400, change: func(r *http.Request) { r.Header.Del("X-GitHub-Delivery") }},
		"a delivery id with a line break":           {status: 400, change: func(r *http.Request) { r.Header["X-Github-Delivery"] = []string{"a\nb"} }},
		"ping":                                      {status: 200, body: `{"zen":"Keep it logically awesome.","hook_id":1}`, change: func(r *http.Request) { r.Header.Set("X-GitHub-Event", "ping") }},
		"an event that is not acted on":             {status: 200, body: `{"action":"created"}`, change: func(r *http.Request) { r.Header.Set("X-GitHub-Event", "star") }},
		"a push without a commit id":                {status: 400, body: `{"ref":"refs/heads/main","after":"HEAD","repository":{"id":1}}`},
		"a push without a repository":               {status: 400, body: `{"ref":"refs/heads/main","after":"6dcb09b5b57875f334f61aebed695e2e4193db5e"}`},
		"a push with an id that is too large":       {status: 400, body: `{"ref":"refs/heads/main","after":"6dcb09b5b57875f334f61aebed695e2e4193db5e","repository":{"id":99999999999999999999}}`},
		"a push to a ref with a control character":  {status: 400, body: `{"ref":"refs/heads/a\u0000b","after":"6dcb09b5b57875f334f61aebed695e2e4193db5e","repository":{"id":1}}`},
		"installation created":                      {status: 202, stored: 1, body: `{"action":"created","installation":{"id":3,"created_at":1521476343},"sender":{"login":"a"}}`, change: func(r *http.Request) { r.Header.Set("X-GitHub-Event", "installation") }},
		"installation with times as text":           {status: 202, stored: 1, body: `{"action":"suspend","installation":{"id":3,"created_at":"2018-03-19T16:19:03Z"}}`, change: func(r *http.Request) { r.Header.Set("X-GitHub-Event", "installation") }},
		"installation_repositories added":           {status: 202, stored: 1, body: `{"action":"added","installation":{"id":3},"repositories_added":[{"id":1,"full_name":"a/b"}],"repositories_removed":[]}`, change: func(r *http.Request) { r.Header.Set("X-GitHub-Event", "installation_repositories") }},
		"installation_repositories without a list":  {status: 400, body: `{"action":"added","installation":{"id":3}}`, change: func(r *http.Request) { r.Header.Set("X-GitHub-Event", "installation_repositories") }},
		"installation_repositories as installation": {status: 400, body: `{"action":"added","installation":{"id":3},"repositories_added":[]}`, change: func(r *http.Request) { r.Header.Set("X-GitHub-Event", "installation") }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inbox := newMemoryInbox()
			g := newTestGitHub(t, inbox)
			body := c.body
			if body == "" {
				body = pushBody
			}
			r := githubRequest(body)
			if c.change != nil {
				c.change(r)
			}
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			if w.Code != c.status {
				t.Errorf("status %d, want %d (%s)", w.Code, c.status, w.Body)
			}
			if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, "text/plain") {
				t.Errorf("content type %q", got)
			}
			if len(inbox.all()) != c.stored {
				t.Errorf("%d deliveries stored, want %d", len(inbox.all()), c.stored)
			}
		})
	}
}

func TestGitHubKeepsWhatIsNeededToLookAgain(t *testing.T) {
	t.Parallel()
	inbox := newMemoryInbox()
	newTestGitHub(t, inbox).ServeHTTP(httptest.NewRecorder(), githubRequest(pushBody))
	want := Delivery{Source: "github", Target: "1234", GUID: "guid-1", BodyHash: bodyHash([]byte(pushBody)), Event: "push",
		ReceivedAt: received, InstallationID: 34, RepositoryID: 12, Repository: "acme/fabrics", Ref: "refs/heads/main",
		After: "6dcb09b5b57875f334f61aebed695e2e4193db5e", Sender: "alice"}
	if got := inbox.all(); len(got) != 1 || got[0] != want {
		t.Errorf("stored %+v, want %+v", got, want)
	}
}

func TestGitHubRepeats(t *testing.T) {
	t.Parallel()
	inbox := newMemoryInbox()
	g := newTestGitHub(t, inbox)
	send := func(r *http.Request) int {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		return w.Code
	}
	if got := send(githubRequest(pushBody)); got != 202 {
		t.Fatalf("first: %d", got)
	}
	if got := send(githubRequest(pushBody)); got != 202 {
		t.Errorf("repeat of a waiting delivery: %d, want 202", got)
	}
	other := strings.Replace(pushBody, "alice", "mallory", 1)
	if got := send(githubRequest(other)); got != 409 {
		t.Errorf("same id, other body: %d, want 409", got)
	}
	inbox.finishAll()
	if got := send(githubRequest(pushBody)); got != 200 {
		t.Errorf("repeat of a finished delivery: %d, want 200", got)
	}
	r := githubRequest(pushBody)
	r.Header.Set("X-GitHub-Hook-Installation-Target-ID", "99")
	if got := send(r); got != 202 {
		t.Errorf("same id for another App: %d, want 202 (ids are unique per event, not per hook)", got)
	}
	inbox.fail = ErrUnavailable
	if got := send(githubRequest(pushBody)); got != 503 {
		t.Errorf("store away: %d, want 503", got)
	}
	if got := send(githubRequest("{")); got != 400 {
		t.Errorf("store away, bad body: %d, want 400", got)
	}
}

func TestGitHubFiftyAtOnce(t *testing.T) {
	t.Parallel()
	inbox := newMemoryInbox()
	g := newTestGitHub(t, inbox)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			w := httptest.NewRecorder()
			g.ServeHTTP(w, githubRequest(pushBody))
			if w.Code != 202 {
				t.Errorf("status %d", w.Code)
			}
		})
	}
	wg.Wait()
	if n := len(inbox.all()); n != 1 {
		t.Errorf("%d deliveries stored, want 1", n)
	}
}

func TestEmptySecretsAreRefused(t *testing.T) {
	t.Parallel()
	for name, in := range map[string][][]byte{
		"none": nil, "empty": {{}}, "blank": {[]byte(" \n")}, "one of two": {[]byte("a"), nil},
	} {
		if _, err := NewGitHub(testReceiver(newMemoryInbox()), in); err == nil {
			t.Errorf("%s: github accepted", name)
		}
		if _, err := NewNetBox(testReceiver(newMemoryInbox()), map[string][][]byte{"default": in}); err == nil {
			t.Errorf("%s: netbox accepted", name)
		}
	}
}

func TestAnswersNeverRepeatTheRequest(t *testing.T) {
	t.Parallel()
	g := newTestGitHub(t, newMemoryInbox())
	const marker = "<script>marker</script>"
	body := `{"ref":"` + marker + `"}`
	r := githubRequest(body)
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if bytes.Contains(w.Body.Bytes(), []byte("marker")) {
		t.Errorf("answer repeats the request: %s", w.Body)
	}
}

// FuzzGitHub: a signed body of any bytes, under any event, never panics, never redirects, and never stores a
// delivery without an id to look at.
func FuzzGitHub(f *testing.F) {
	f.Add("push", []byte(pushBody))
	f.Add("installation", []byte(`{"action":"created","installation":{"id":1}}`))
	f.Add("installation_repositories", []byte(`{"action":"added","installation":{"id":1},"repositories_added":[null]}`))
	f.Add("ping", []byte(`{"zen":"x"}`))
	f.Add("push", []byte(`{"commits":[{"added":null}],"ref":"refs/\ud800"}`))
	f.Fuzz(func(t *testing.T, event string, body []byte) {
		inbox := newMemoryInbox()
		g, err := NewGitHub(testReceiver(inbox), [][]byte{[]byte("current")})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/webhooks/github", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header["X-Github-Event"] = []string{event}
		r.Header.Set("X-GitHub-Delivery", "g")
		r.Header.Set("X-Hub-Signature-256", sign256("current", string(body)))
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		switch w.Code {
		case 200, 202, 400:
		default:
			t.Fatalf("status %d for %s %q", w.Code, event, body)
		}
		for _, d := range inbox.all() {
			if d.InstallationID <= 0 && d.RepositoryID <= 0 {
				t.Fatalf("stored without an id: %+v", d)
			}
		}
	})
}
