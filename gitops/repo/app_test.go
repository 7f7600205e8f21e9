package repo

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/gitops/githubtest"
)

func TestInstallationsAndRepositories(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"README.md": "x\n"}, "")
	for i := range 5 {
		must(t, s.CreateRepository(githubtest.SeedRepo{Owner: "acme", Name: fmt.Sprintf("r%d", i), Private: true, AutoInit: true}))
	}
	if _, err := s.Install("hnp-sync", githubtest.SeedInstallation{InstallationID: 9002, Account: "globex"}); err != nil {
		t.Fatal(err)
	}
	s.SetKnobs(githubtest.Knobs{PageLimit: 2})
	id, err := s.app.Identity(t.Context())
	if err != nil || id.Slug != "hnp-sync" || id.Login != "hnp-sync[bot]" || id.ID != testAppID {
		t.Errorf("%+v %v", id, err)
	}
	installations, err := s.app.Installations(t.Context())
	if err != nil || len(installations) != 2 || installations[0].Account == installations[1].Account || !installations[0].AllRepositories {
		t.Errorf("%+v %v", installations, err)
	}
	s.requests(map[string]int{"GET /installation/repositories": 3}, func() {
		repositories, err := s.app.Repositories(t.Context(), testInstall)
		if err != nil || len(repositories) != 6 {
			t.Errorf("%+v %v", repositories, err)
		}
		for _, r := range repositories {
			if r.ID == s.RepositoryID(testRepo) && (r.Owner != "acme" || r.Name != "fabric" || r.DefaultBranch != "main" || !r.Private || r.Archived) {
				t.Errorf("%+v", r)
			}
		}
	})
	i, err := s.app.RepositoryInstallation(t.Context(), "acme", "fabric")
	if err != nil || i.ID != testInstall || i.Account != "acme" || i.Permissions["contents"] != "write" {
		t.Errorf("%+v %v", i, err)
	}
	var denied *gitops.PermissionError
	if _, err := s.app.RepositoryInstallation(t.Context(), "acme", "none"); !errors.As(err, &denied) || denied.Code != "not_found" {
		t.Errorf("%v", err)
	}
	must(t, s.Suspend(testInstall, true))
	if i, err := s.app.Installation(t.Context(), testInstall); err != nil || !i.Suspended {
		t.Errorf("%+v %v", i, err)
	}
}

func TestRepositoryByIDSurvivesRenameAndTransfer(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"README.md": "x\n"}, "")
	ref := s.ref()
	must(t, s.Rename(testRepo, "acme/network"))
	s.admin("PATCH", "/repos/acme/network", `{"archived":true}`)
	info, err := s.app.RepositoryByID(t.Context(), testInstall, ref.RepositoryID)
	if err != nil || info.Name != "network" || !info.Archived || info.DefaultBranch != "main" {
		t.Errorf("%+v %v", info, err)
	}
	// Transferred to an account without the App: it is lost to this installation.
	s.admin("PATCH", "/repos/acme/network", `{"archived":false}`)
	must(t, s.Rename("acme/network", "globex/network"))
	s.app = s.newApp(s.url())
	var denied *gitops.PermissionError
	if _, err := s.app.RepositoryByID(t.Context(), testInstall, ref.RepositoryID); !errors.As(err, &denied) {
		t.Errorf("%v", err)
	}
}

func TestHTTPClientServesGoGitHub(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"README.md": "x\n"}, "")
	hc, err := s.app.HTTPClient(testInstall, []int64{s.RepositoryID(testRepo)}, readContents())
	if err != nil {
		t.Fatal(err)
	}
	same, err := s.app.HTTPClient(testInstall, []int64{s.RepositoryID(testRepo), s.RepositoryID(testRepo)}, readContents())
	if err != nil || same != hc {
		t.Errorf("equal arguments gave another client: %v", err)
	}
	client, err := github.NewClient(hc).WithEnterpriseURLs(s.url()+"/", s.url()+"/")
	if err != nil {
		t.Fatal(err)
	}
	ref, _, err := client.Git.GetRef(t.Context(), "acme", "fabric", "heads/main")
	if err != nil || ref.GetObject().GetSHA() != s.head() {
		t.Errorf("%v %v", ref, err)
	}
	s.fault(githubtest.Fault{Route: "*", Action: "error_before", Status: 429, Headers: map[string]string{"Retry-After": "60"}})
	_, _, err = client.Git.GetRef(t.Context(), "acme", "fabric", "heads/main")
	var limit *RateLimitError
	if !errors.As(err, &limit) || !limit.Secondary {
		t.Errorf("%v", err)
	}
	if _, err := s.app.HTTPClient(0, nil, nil); err == nil {
		t.Error("installation 0 was accepted")
	}
	var _ http.RoundTripper = hc.Transport
}

// fixedClock is a clock that a test moves.
type fixedClock struct{ at atomic.Pointer[time.Time] }

func (c *fixedClock) Now() time.Time   { return *c.at.Load() }
func (c *fixedClock) set(at time.Time) { c.at.Store(&at) }

func TestTokensEndByTheInjectedClock(t *testing.T) {
	t.Parallel()
	const mint = "POST /app/installations/{installation_id}/access_tokens"
	for name, start := range map[string]time.Time{"past": time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC), "future": time.Date(2044, 3, 1, 12, 0, 0, 0, time.UTC)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := &fixedClock{}
			clock.set(start)
			s := newSiteAt(t, clock, map[string]string{testDir + "/a.yaml": "1\n"}, "")
			r := s.open(Options{})
			for range 3 {
				s.observe(r)
			}
			if n := s.Stats().Other[mint]; n != 1 {
				t.Errorf("%d tokens", n)
			}
			clock.set(start.Add(2 * time.Hour))
			s.observe(r)
			if n := s.Stats().Other[mint]; n != 2 {
				t.Errorf("%d tokens after two hours", n)
			}
		})
	}
}

// The same observation and commit through GitHub Enterprise Server's addresses.
func TestEnterpriseServerAddresses(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{testDir + "/a.yaml": "1\n"}, "")
	s.app = s.newApp(s.url() + "/api/v3/")
	r := s.open(Options{})
	snap := s.observe(r)
	if _, err := r.Commit(t.Context(), gitops.CommitRequest{ExpectedHead: snap.Head, Subject: "s", Files: []gitops.FileChange{change("a.yaml", "2\n")}}); err != nil {
		t.Fatal(err)
	}
	if oid, _, err := r.Head(t.Context()); err != nil || oid != s.head() {
		t.Errorf("%s %v", oid, err)
	}
}

func Example() {
	app, err := NewApp(Config{AppID: 1234, PrivateKey: testKey()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer app.Close()
	_, err = app.Open(
		Ref{InstallationID: 5, RepositoryID: 7, Owner: "acme", Name: "network"},
		Options{Branch: "main", Directory: "gitops/../../etc"},
	)
	fmt.Println(err)
	// Output: directory path "../etc" holds the part ".."
}
