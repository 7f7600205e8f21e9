package app

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops/githubtest"
)

// checkRun is a check run as people see it.
type checkRun struct {
	ID         int64
	Name       string
	Status     string
	Conclusion string
	Output     struct {
		Title, Summary string
		Annotations    int `json:"annotations_count"`
	}
}

// checks are the newest check runs of a commit, by name.
func (s *site) checks(sha string) map[string]checkRun {
	s.t.Helper()
	var list struct {
		Runs []checkRun `json:"check_runs"`
	}
	if code, body := s.do(http.MethodGet, s.github.URL()+"/repos/"+repoName+"/commits/"+sha+"/check-runs?per_page=100", "Bearer "+userToken, nil, &list); code != 200 {
		s.t.Fatalf("check runs: %d %s", code, body)
	}
	out := map[string]checkRun{}
	for _, r := range list.Runs {
		if r.ID > out[r.Name].ID {
			out[r.Name] = r
		}
	}
	return out
}

// concluded waits until the three check runs of a commit have ended.
func (s *site) concluded(r *running, sha string) map[string]checkRun {
	s.t.Helper()
	var got map[string]checkRun
	s.eventually("the check runs have ended", func() bool {
		got = s.checks(sha)
		for _, c := range got {
			if c.Status != "completed" {
				return false
			}
		}
		return len(got) == 3
	})
	r.quiet()
	return got
}

// openPull proposes files on a branch of their own, as alice does.
func (s *site) openPull(branch string, files map[string]*string) (number int, head string) {
	s.t.Helper()
	main, err := s.github.Head(repoName, "main")
	noError(s.t, err)
	noError(s.t, s.github.MoveBranch(repoName, branch, "alice", main))
	head, err = s.github.CommitFiles(repoName, branch, "alice", "Change", files)
	noError(s.t, err)
	number, err = s.github.OpenPull(repoName, "alice", githubtest.PullOptions{Title: "Change", Head: branch, Base: "main"})
	noError(s.t, err)
	return number, head
}

// A pull request with a schema error gets it as an annotation on its line; corrected, it succeeds and says what it does.
func TestPullRequestWithASchemaError(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	bad := strings.Replace(fmt.Sprintf(vpcYAML, 1002), "vlan: 1002", "vlan: many", 1)
	_, head := s.openPull("change", map[string]*string{vpcFile: &bad})
	got := s.concluded(r, head)
	validate := got["hnp-sync / validate"]
	if validate.Conclusion != "failure" || validate.Output.Annotations == 0 {
		t.Errorf("validate %+v", validate)
	}
	var notes []struct {
		Path      string
		StartLine int    `json:"start_line"`
		Level     string `json:"annotation_level"`
	}
	s.do(http.MethodGet, fmt.Sprintf("%s/repos/%s/check-runs/%d/annotations", s.github.URL(), repoName, validate.ID), "Bearer "+userToken, nil, &notes)
	line := strings.Count(bad[:strings.Index(bad, "vlan: many")], "\n") + 1
	if len(notes) == 0 || notes[0].Path != vpcFile || notes[0].StartLine != line || notes[0].Level != "failure" {
		t.Errorf("annotations %+v, want one on line %d", notes, line)
	}
	if s.netboxVLAN() != 1001 {
		t.Error("a pull request changed NetBox")
	}
	good := fmt.Sprintf(vpcYAML, 1002)
	head, err := s.github.CommitFiles(repoName, "change", "alice", "Correct", map[string]*string{vpcFile: &good})
	noError(t, err)
	got = s.concluded(r, head)
	if got["hnp-sync / validate"].Conclusion != "success" || got["hnp-sync / plan"].Conclusion != "success" || !strings.Contains(got["hnp-sync / plan"].Output.Summary, "1002") {
		t.Errorf("corrected: %+v", got)
	}
}

// A pull request that touches no fabric succeeds, and NetBox is not asked.
func TestPullRequestThatTouchesNoFabric(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	text := "hello\n"
	_, head := s.openPull("readme", map[string]*string{"README.md": &text})
	for name, c := range s.concluded(r, head) {
		if c.Conclusion != "success" {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if n := s.netbox.Stats().ByUser["hnp-sync"].Total; n != 0 {
		t.Errorf("%d requests to NetBox", n)
	}
}

// A conflict opens the rolling issue and fails the check on the branch; both end with it.
func TestConflictOpensTheIssueAndItsEndClosesIt(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	url := s.target.Swap(nil)
	head := s.gitPush("Mine", map[string]string{vpcFile: fmt.Sprintf(vpcYAML, 1010)})
	s.setVLAN(1020)
	s.target.Store(url)
	if code := r.api(http.MethodPost, "/api/plugins/hedgehog/fabrics/1/sync/", nil, nil); code != 202 {
		t.Fatalf("sync: %d", code)
	}
	issue := func(state string) bool {
		var list []struct{ Title, State, Body string }
		s.do(http.MethodGet, s.github.URL()+"/repos/"+repoName+"/issues?state="+state, "Bearer "+userToken, nil, &list)
		return len(list) == 1 && (state == "closed" || strings.Contains(list[0].Body, "/hnp resolve C1 "))
	}
	s.eventually("the issue is open", func() bool { return issue("open") })
	s.eventually("the branch says so", func() bool { return s.checks(head)["hnp-sync / conflicts"].Conclusion == "failure" })
	s.setVLAN(1010)
	s.eventually("the issue is closed", func() bool { return issue("closed") })
	r.quiet()
	if c := s.checks(head)["hnp-sync / conflicts"]; c.Conclusion != "success" {
		t.Errorf("the check is %+v", c)
	}
}

// A right that was not accepted is said by its name, and everything else works on.
func TestMissingPermissionIsSaid(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	noError(t, s.github.SetPermissions("hnp-sync", map[string]string{"contents": "write", "metadata": "read", "pull_requests": "write"}))
	text := fmt.Sprintf(vpcYAML, 1002)
	s.openPull("change", map[string]*string{vpcFile: &text})
	s.eventually("the missing right is said", func() bool {
		st := r.quiet()
		return len(st.Missing) == 1 && st.Missing[0].Repository == repoName && strings.Contains(strings.Join(st.Missing[0].Rights, " "), "checks")
	})
	s.setVLAN(1003)
	s.eventually("the edit arrives all the same", func() bool { return s.gitText() == fmt.Sprintf(vpcYAML, 1003) })
	r.quiet()
}

// The merge queue waits for the checks of its own commit.
func TestMergeGroupIsAnsweredOnItsHead(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	text := fmt.Sprintf(vpcYAML, 1002)
	number, head := s.openPull("change", map[string]*string{vpcFile: &text})
	s.concluded(r, head)
	group, err := s.github.Enqueue(repoName, number, "alice")
	noError(t, err)
	for name, c := range s.concluded(r, group) {
		if c.Conclusion != "success" {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// "Re-run" makes the checks again, and what was said stays what is said.
func TestRerunIsAnswered(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	text := fmt.Sprintf(vpcYAML, 1002)
	_, head := s.openPull("change", map[string]*string{vpcFile: &text})
	before := s.concluded(r, head)["hnp-sync / plan"]
	noError(t, s.github.ClickRerun(before.ID, "alice"))
	s.eventually("it is made again", func() bool {
		c := s.checks(head)["hnp-sync / plan"]
		return c.ID > before.ID && c.Conclusion == "success"
	})
	r.quiet()
}

// A webhook that arrived nowhere is found in GitHub's list, sent again once, and has its effect.
func TestLostDeliveryIsSentAgain(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	url := s.target.Swap(nil)
	text := fmt.Sprintf(vpcYAML, 1002)
	_, head := s.openPull("change", map[string]*string{vpcFile: &text})
	noError(t, s.github.WaitDeliveries(t.Context()))
	s.target.Store(url)
	r.stop()
	clock := &jumpingClock{sweep: make(chan time.Time, 2)}
	r = s.start(func(o *Options) { o.Clock = clock })
	r.quiet()
	clock.sweep <- time.Now()
	s.concluded(r, head)
	redelivered := func() (n int) {
		for _, d := range s.github.Deliveries() {
			if d.Redelivery {
				n++
			}
		}
		return n
	}
	n := redelivered()
	clock.sweep <- time.Now()
	clock.sweep <- time.Now() // once this one is taken, the sweep before it is over
	s.eventually("the second sweep has looked", func() bool { return len(clock.sweep) == 0 })
	r.quiet()
	if n == 0 || redelivered() != n {
		t.Errorf("%d redeliveries, %d after another sweep", n, redelivered())
	}
}

// jumpingClock is the real clock, but the sweep's timer ends when the test says so.
type jumpingClock struct {
	realClock
	sweep chan time.Time
}

func (c *jumpingClock) After(d time.Duration) <-chan time.Time {
	if d == 5*time.Minute {
		return c.sweep
	}
	return c.realClock.After(d)
}
