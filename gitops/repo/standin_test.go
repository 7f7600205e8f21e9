package repo

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/gitops/githubtest"
	"github.com/hnp-sync/hnp-sync/gitops/githubtest/contract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testKey is one RSA key for all tests: generating one takes long.
var testKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
})

const (
	testAppID   = 4711
	testInstall = 9001
	testRepo    = "acme/fabric"
	testDir     = "gitops/fabric-1"
	testUser    = "ghp_alice"
)

// site is the stand-in with one App on one account, and an App that talks to it.
type site struct {
	*githubtest.Server
	t    *testing.T
	app  *App
	hook *recorder
	http *httptest.Server
	now  func() time.Time
}

func (s *site) url() string { return s.http.URL }

// recorder keeps what the App reported and how long it wanted to sleep. Its Sleep returns at once.
type recorder struct {
	mu     sync.Mutex
	calls  []Call
	sleeps []time.Duration
}

func (r *recorder) log(c Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, c)
}

func (r *recorder) sleep(ctx context.Context, d time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sleeps = append(r.sleeps, d)
	return ctx.Err()
}

func (r *recorder) all() []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// newSite starts a stand-in whose repository acme/fabric holds files (path → content) or the content of from.
func newSite(t *testing.T, files map[string]string, from string) *site {
	t.Helper()
	return newSiteAt(t, nil, files, from)
}

// newSiteAt is newSite with a clock of its own, for both sides.
func newSiteAt(t *testing.T, clock *fixedClock, files map[string]string, from string) *site {
	t.Helper()
	seed := &githubtest.Seed{
		Tokens: map[string]githubtest.SeedToken{testUser: {Login: "alice"}},
		GitHub: githubtest.SeedGitHub{
			Users: []githubtest.SeedUser{{Login: "alice", Name: "Alice Ng", Email: "alice@example.com"}},
			Orgs:  []githubtest.SeedOrg{{Login: "acme", Members: map[string]string{"alice": "admin"}}, {Login: "globex", Members: map[string]string{"alice": "admin"}}},
			Repos: []githubtest.SeedRepo{{Owner: "acme", Name: "fabric", Private: true, Files: files, From: from}},
			Apps: []githubtest.SeedApp{{AppID: testAppID, Slug: "hnp-sync", Name: "hnp-sync", PrivateKey: string(testKey()),
				Permissions:   map[string]string{"contents": "write", "metadata": "read", "pull_requests": "write"},
				Installations: []githubtest.SeedInstallation{{InstallationID: testInstall, Account: "acme"}}}},
		},
	}
	opts := githubtest.Options{Dir: t.TempDir(), Seed: seed}
	var now func() time.Time
	if clock != nil {
		opts.Clock, now = clock, clock.Now
	}
	server, err := githubtest.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	// Every request and answer is held to GitHub's descriptions, every query to its schema.
	s := &site{Server: server, t: t, hook: &recorder{}, now: now, http: httptest.NewServer(contract.Wrap(t, server.Handler()))}
	s.app = s.newApp(s.url())
	t.Cleanup(func() {
		s.app.Close()
		s.http.Close()
		if unknown := server.UnknownRoutes(); len(unknown) > 0 {
			t.Errorf("the stand-in does not know %v", unknown)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	s.ResetStats()
	return s
}

// uncheck takes the contract check away, for faults that answer nonsense.
func (s *site) uncheck() {
	s.t.Helper()
	plain := httptest.NewServer(s.Handler())
	s.t.Cleanup(plain.Close)
	s.app = s.newApp(plain.URL)
}

func (s *site) newApp(base string) *App {
	s.t.Helper()
	transport := &http.Transport{}
	app, err := NewApp(Config{
		AppID: testAppID, PrivateKey: testKey(), BaseURL: base, Transport: transport,
		Now: s.now, Sleep: s.hook.sleep, WriteSpacing: -1, Log: s.hook.log, UserAgent: "hnp-sync/test",
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(transport.CloseIdleConnections)
	return app
}

func (s *site) ref() Ref {
	return Ref{InstallationID: testInstall, RepositoryID: s.RepositoryID(testRepo), Owner: "acme", Name: "fabric"}
}

func (s *site) open(opts Options) *Repository {
	s.t.Helper()
	if opts.Branch == "" {
		opts.Branch = "main"
	}
	if opts.Directory == "" {
		opts.Directory = testDir
	}
	r, err := s.app.Open(s.ref(), opts)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *site) push(files map[string]string) string {
	s.t.Helper()
	changes := map[string]*string{}
	for p, content := range files {
		changes[p] = &content
	}
	oid, err := s.CommitFiles(testRepo, "main", "alice", "edit", changes)
	if err != nil {
		s.t.Fatal(err)
	}
	return oid
}

func (s *site) head() string {
	s.t.Helper()
	oid, err := s.Head(testRepo, "main")
	if err != nil {
		s.t.Fatal(err)
	}
	return oid
}

// requests runs do and holds the API requests it made (token mints apart) to want.
func (s *site) requests(want map[string]int, do func()) {
	s.t.Helper()
	s.ResetStats()
	do()
	got := s.Stats()
	if !maps.Equal(got.Routes, want) {
		s.t.Errorf("requests %v, want %v", got.Routes, want)
	}
}

func (s *site) fault(f githubtest.Fault) {
	s.t.Helper()
	if _, err := s.AddFault(f); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) observe(r *Repository) *gitops.GitSnapshot {
	s.t.Helper()
	snap, err := r.Observe(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return snap
}

// admin calls the stand-in's REST API as a person.
func (s *site) admin(method, path, body string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url()+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+testUser)
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, answer)
	}
}

const oneQuery = "POST /graphql repository"

// contentsOf lists the regular files of a snapshot.
func contentsOf(snap *gitops.GitSnapshot) map[string]string {
	out := map[string]string{}
	for _, e := range snap.Entries {
		if e.Data != nil {
			out[e.Path] = string(e.Data)
		}
	}
	return out
}

// below strips dir from the paths of files that are in it.
func below(dir string, files map[string]string) map[string]string {
	out := map[string]string{}
	for p, content := range files {
		if rest, found := strings.CutPrefix(p, dir+"/"); found {
			out[rest] = content
		}
	}
	return out
}

// gitFolder makes a working copy with what the API cannot write: an executable, a symbolic link, a submodule.
func gitFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "HOME="+dir,
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	git("init", "-q", "-b", "main")
	for p, content := range files {
		full := filepath.Join(dir, filepath.FromSlash(p))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	base := filepath.Join(dir, filepath.FromSlash(testDir))
	if err := os.MkdirAll(base, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(base, "run.sh"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("managed/vpcs/one.yaml", filepath.Join(base, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	git("add", "-A")
	git("update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("a1", 20)+","+testDir+"/module")
	git("commit", "-q", "-m", "start")
	return dir
}

func vpc(i int) string {
	return fmt.Sprintf("apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata: {name: vpc-%d}\nspec: {vni: %d}\n", i, i)
}
