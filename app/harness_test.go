package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/hnp-sync/hnp-sync/app/api"
	"github.com/hnp-sync/hnp-sync/app/config"
	"github.com/hnp-sync/hnp-sync/gitops/githubtest"
	"github.com/hnp-sync/hnp-sync/netbox/netboxtest"
)

const (
	repoName   = "acme/fabrics"
	directory  = "gitops/hedgehog/fabric-1"
	userToken  = "ghp_alicealicealicealice"
	apiToken   = "api-token-for-tests"
	adminToken = "nbt_adminadmin01.adminadminadminadminadmin01"
	appToken   = "nbt_hnpsyncapp01.hnpsyncapphnpsyncapphnpsync"
	hookSecret = "webhook-secret-for-tests"
	patience   = 30 * time.Second
)

const vpcFile = directory + "/managed/vpcs/test-vpc.yaml"

// vpcYAML is the document the tests edit; %d is a VLAN.
const vpcYAML = `# The first VPC.
apiVersion: vpc.githedgehog.com/v1beta1
kind: VPC
metadata:
  name: test-vpc
spec:
  ipv4Namespace: default
  vlanNamespace: default
  subnets:
    default:
      subnet: 10.0.1.0/24   # server network
      gateway: 10.0.1.1
      vlan: %d
`

const repoConfig = `version: 1
fabrics:
  - name: fabric-1
    directory: gitops/hedgehog/fabric-1
    layout: in_place
`

// site is a GitHub, a NetBox and a place where their webhooks arrive, which outlives the App that takes them.
type site struct {
	t      *testing.T
	github *githubtest.Server
	netbox *netboxtest.Server
	dir    string // of the server's configuration and database
	hooks  *httptest.Server
	target atomic.Pointer[string] // URL of the running App; nil: nobody takes webhooks
	mu     sync.Mutex
	sent   []int // what webhooks were answered
}

// newSite makes the two services, the App's installation, the event rules, and the server's configuration.
func newSite(t *testing.T, files map[string]string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	s.hooks = httptest.NewServer(http.HandlerFunc(s.forward))
	t.Cleanup(s.hooks.Close)
	var err error
	s.github, err = githubtest.New(githubtest.Options{Dir: filepath.Join(s.dir, "github"), Logf: nil, Seed: &githubtest.Seed{
		Tokens: map[string]githubtest.SeedToken{userToken: {Login: "alice"}},
		GitHub: githubtest.SeedGitHub{
			Users: []githubtest.SeedUser{{Login: "alice", Name: "Alice Ng", Email: "alice@example.com"}, {Login: "carol", Name: "Carol", Email: "carol@example.com"}},
			Orgs:  []githubtest.SeedOrg{{Login: "acme"}},
			Repos: []githubtest.SeedRepo{{Owner: "acme", Name: "fabrics", Files: files}},
			Apps: []githubtest.SeedApp{{AppID: 1234, Slug: "hnp-sync", Permissions: map[string]string{"contents": "write", "metadata": "read", "pull_requests": "write", "checks": "write", "issues": "write"},
				Events: []string{"push", "pull_request", "issue_comment", "check_run", "check_suite", "merge_group", "repository"}, WebhookURL: s.hooks.URL + "/webhooks/github", WebhookSecret: hookSecret,
				Installations: []githubtest.SeedInstallation{{InstallationID: 34, Account: "acme"}}}},
		}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.github.Close() })
	if err := s.github.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	s.netbox, err = netboxtest.New(netboxtest.Options{Seed: &netboxtest.Seed{
		Tokens:  map[string]netboxtest.SeedToken{adminToken: {Username: "bob"}, appToken: {Username: "hnp-sync"}},
		Fabrics: []netboxtest.SeedFabric{{ID: 1, Name: "fabric-1"}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.netbox.Close() })
	if err := s.netbox.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var hook struct{ ID int64 }
	s.netboxDo(http.MethodPost, "/api/extras/webhooks/", map[string]any{"name": "hnp-sync", "payload_url": s.hooks.URL + "/webhooks/netbox/default",
		"http_method": "POST", "http_content_type": "application/json", "secret": hookSecret}, &hook)
	s.netboxDo(http.MethodPost, "/api/extras/event-rules/", map[string]any{"name": "hnp-sync", "object_types": []string{"netbox_hedgehog.vpc"},
		"event_types": []string{"object_created", "object_updated", "object_deleted"}, "action_type": "webhook",
		"action_object_type": "extras.webhook", "action_object_id": hook.ID, "enabled": true}, nil)
	s.writeConfig()
	t.Cleanup(func() {
		if u := s.github.UnknownRoutes(); len(u) > 0 {
			t.Errorf("GitHub was asked for what it does not have: %v", u)
		}
		if u := s.netbox.UnknownRoutes(); len(u) > 0 {
			t.Errorf("NetBox was asked for what it does not have: %v", u)
		}
	})
	return s
}

func (s *site) writeConfig() {
	s.t.Helper()
	pem, err := s.github.PrivateKey("hnp-sync")
	if err != nil {
		s.t.Fatal(err)
	}
	for name, content := range map[string]string{"app.pem": string(pem), "hook": hookSecret, "nb": appToken, "token": apiToken,
		"hnp-sync.yaml": fmt.Sprintf(`listen: 127.0.0.1:0
database: sqlite:state.db
api_token_file: token
github: {app_id: 1234, private_key_file: app.pem, webhook_secret_files: [hook], base_url: %q}
netbox:
  - {name: default, url: %q, token_file: nb, webhook_secret_files: [hook]}
repositories:
  - {match: acme/*, netbox: [default]}
intervals: {poll: 1h, full_compare: 2h, debounce: 100ms}
`, s.github.URL(), s.netbox.URL())} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
}

// intervals changes the intervals of the next start.
func (s *site) intervals(text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, "hnp-sync.yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	head, _, _ := bytes.Cut(data, []byte("intervals:"))
	if err := os.WriteFile(path, fmt.Appendf(head, "intervals: {%s}\n", text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// forward passes a webhook to the running App.
func (s *site) forward(w http.ResponseWriter, r *http.Request) {
	status := http.StatusBadGateway
	if target := s.target.Load(); target != nil {
		req, err := http.NewRequestWithContext(r.Context(), r.Method, *target+r.URL.Path, r.Body)
		if err == nil {
			req.Header = r.Header.Clone()
			req.ContentLength = r.ContentLength
			if resp, err := http.DefaultClient.Do(req); err == nil {
				status = resp.StatusCode
				_ = resp.Body.Close()
			}
		}
	}
	s.mu.Lock()
	s.sent = append(s.sent, status)
	s.mu.Unlock()
	w.WriteHeader(status)
}

// running is one App.
type running struct {
	*App
	s    *site
	stop func()
	logs *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs an App on the site; it is stopped at the end of the test at the latest.
func (s *site) start(change ...func(*Options)) *running {
	s.t.Helper()
	holder, err := config.NewHolder(filepath.Join(s.dir, "hnp-sync.yaml"), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	logs := &lockedBuffer{}
	redactor := NewRedactor(logs)
	ready, readyWriter := io.Pipe()
	opts := Options{Config: holder, Redactor: redactor, Log: NewLogger(redactor, zap.DebugLevel), Ready: readyWriter, WriteSpacing: -1}
	for _, c := range change {
		c(&opts)
	}
	a, err := New(s.t.Context(), opts)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	var line struct {
		Ready bool
		URL   string
	}
	if err := json.NewDecoder(ready).Decode(&line); err != nil || !line.Ready || line.URL != a.URL() {
		s.t.Fatalf("ready line %+v, %v", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, ready) }()
	s.target.Store(&line.URL)
	r := &running{App: a, s: s, logs: logs}
	r.stop = sync.OnceFunc(func() {
		s.target.Store(nil)
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("the App ended with %v", err)
		}
		_ = readyWriter.Close()
		if s.t.Failed() {
			s.t.Logf("log:\n%s", logs)
		}
		for _, secret := range []string{apiToken, appToken, hookSecret, "ghs_", "BEGIN RSA"} {
			if strings.Contains(logs.String(), secret) {
				s.t.Errorf("the log holds %q", secret)
			}
		}
	})
	s.t.Cleanup(r.stop)
	return r
}

// eventually waits until ok holds, as long as patience.
func (s *site) eventually(what string, ok func() bool) {
	s.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			s.t.Fatalf("not within %s: %s", patience, what)
		case <-tick.C:
		}
	}
}

// quiet waits until all webhooks are delivered and the App has nothing to do.
func (r *running) quiet() api.Status {
	r.s.t.Helper()
	var st api.Status
	r.s.eventually("everything is done", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if r.s.github.WaitDeliveries(ctx) != nil || r.s.netbox.WaitDeliveries(ctx) != nil {
			return false
		}
		st = r.status()
		return st.Queue == 0
	})
	return st
}

func (r *running) status() (st api.Status) {
	r.s.t.Helper()
	if code := r.api(http.MethodGet, "/api/status", nil, &st); code != 200 {
		r.s.t.Fatalf("status: %d", code)
	}
	return st
}

// api sends one request with the API token.
func (r *running) api(method, path string, in, out any) int {
	r.s.t.Helper()
	code, _ := r.s.do(method, r.URL()+path, "Bearer "+apiToken, in, out)
	return code
}

func (s *site) do(method, url, authorization string, in, out any) (int, string) {
	s.t.Helper()
	return s.send(method, url, http.Header{"Authorization": {authorization}}, in, out)
}

func (s *site) send(method, url string, header http.Header, in, out any) (int, string) {
	s.t.Helper()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			s.t.Fatal(err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, url, body)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header = header
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if out != nil && resp.StatusCode < 300 {
		if err := json.Unmarshal(data, out); err != nil {
			s.t.Fatalf("%s %s: %v: %s", method, url, err, data)
		}
	}
	return resp.StatusCode, string(data)
}

// netboxDo is a user of NetBox.
func (s *site) netboxDo(method, path string, in, out any) {
	s.t.Helper()
	if code, body := s.do(method, s.netbox.URL()+path, "Bearer "+adminToken, in, out); code >= 300 {
		s.t.Fatalf("%s %s: %d: %s", method, path, code, body)
	}
}

// setVLAN is a NetBox user's edit of the VPC. The user edits what they saw: when the VPC changed meanwhile, they look
// again.
func (s *site) setVLAN(vlan int) {
	s.t.Helper()
	s.eventually("the user's edit", func() bool {
		vpc, ok := s.netbox.ByName("VPC", "default", "test-vpc")
		if !ok {
			s.t.Fatal("NetBox has no test-vpc")
		}
		b, err := json.Marshal(vpc.Spec)
		if err != nil {
			s.t.Fatal(err)
		}
		var spec map[string]any
		if err := json.Unmarshal(b, &spec); err != nil {
			s.t.Fatal(err)
		}
		spec["subnets"].(map[string]any)["default"].(map[string]any)["vlan"] = vlan
		code, body := s.send(http.MethodPatch, fmt.Sprintf("%s/api/plugins/hedgehog/vpcs/%d/?omit=display_url", s.netbox.URL(), vpc.ID),
			http.Header{"Authorization": {"Bearer " + adminToken}, "If-Match": {vpc.ETag}}, map[string]any{"spec": spec}, nil)
		if code != http.StatusOK && code != http.StatusPreconditionFailed {
			s.t.Fatalf("edit of the VPC: %d: %s", code, body)
		}
		return code == http.StatusOK
	})
}

// netboxVLAN is what NetBox holds, 0 for no VPC.
func (s *site) netboxVLAN() int {
	s.t.Helper()
	vpc, ok := s.netbox.ByName("VPC", "default", "test-vpc")
	if !ok {
		return 0
	}
	b, err := json.Marshal(vpc.Spec)
	if err != nil {
		s.t.Fatal(err)
	}
	var spec struct {
		Subnets map[string]struct{ VLAN int }
	}
	if err := json.Unmarshal(b, &spec); err != nil {
		s.t.Fatal(err)
	}
	return spec.Subnets["default"].VLAN
}

// gitText is the VPC's file on the branch.
func (s *site) gitText() string {
	s.t.Helper()
	text, err := s.github.ReadFile(repoName, "main", vpcFile)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

func (s *site) commits() int {
	s.t.Helper()
	log, err := s.github.Log(repoName, "main", 0)
	if err != nil {
		s.t.Fatal(err)
	}
	return len(log)
}

// gitPush clones with git, writes files, and pushes, as a person does.
func (s *site) gitPush(message string, files map[string]string) string {
	s.t.Helper()
	return s.gitEdit(message, func(dir string) {
		for name, content := range files {
			path := filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				s.t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
				s.t.Fatal(err)
			}
		}
	})
}

// gitEdit clones with git, lets edit change the clone, and pushes. A push that is refused because the branch moved
// meanwhile is done again from the start, as a person would.
func (s *site) gitEdit(message string, edit func(dir string)) (head string) {
	s.t.Helper()
	s.eventually("the user's push", func() bool {
		home := s.t.TempDir()
		work := filepath.Join(home, "work")
		git := func(args ...string) (string, error) {
			cmd := exec.CommandContext(s.t.Context(), "git", args...)
			cmd.Dir = home
			cmd.Env = append(os.Environ(), "HOME="+home, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
				"NO_PROXY=127.0.0.1", "GIT_AUTHOR_NAME=Alice Ng", "GIT_AUTHOR_EMAIL=alice@example.com", "GIT_COMMITTER_NAME=Alice Ng", "GIT_COMMITTER_EMAIL=alice@example.com")
			out, err := cmd.CombinedOutput()
			return strings.TrimSpace(string(out)), err
		}
		must := func(args ...string) string {
			s.t.Helper()
			out, err := git(args...)
			if err != nil {
				s.t.Fatalf("git %s: %v\n%s", args[0], err, out)
			}
			return out
		}
		must("clone", "-q", s.github.CloneURL(repoName, userToken), "work")
		edit(work)
		must("-C", "work", "add", "-A")
		must("-C", "work", "commit", "-q", "-m", message)
		head = must("-C", "work", "rev-parse", "HEAD")
		out, err := git("-C", "work", "push", "-q", "origin", "HEAD:main")
		if err != nil && !strings.Contains(out, "rejected") {
			s.t.Fatalf("git push: %v\n%s", err, out)
		}
		return err == nil
	})
	return head
}

func faultOf(action string, count int) githubtest.Fault {
	return githubtest.Fault{Route: "*", User: "*", Times: -1, Action: action, Count: count}
}

func netboxFaultOf(action string, count int) netboxtest.Fault {
	return netboxtest.Fault{Route: "*", User: "*", Times: -1, Action: action, Count: count}
}

// openAgain opens a second App on the site's database.
func openAgain(s *site) (*App, error) {
	holder, err := config.NewHolder(filepath.Join(s.dir, "hnp-sync.yaml"), nil)
	if err != nil {
		return nil, err
	}
	return New(s.t.Context(), Options{Config: holder, Redactor: NewRedactor(io.Discard)})
}
