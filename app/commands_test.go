package app

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hnp-sync/hnp-sync/gitops/githubtest"
)

// threaded is a site in step with an issue to talk in.
func threaded(t *testing.T) (s *site, r *running, issue int) {
	t.Helper()
	s, r = inStep(t)
	var made struct{ Number int }
	if code, text := s.do(http.MethodPost, s.github.URL()+"/repos/acme/fabrics/issues", "token "+userToken, map[string]any{"title": "talk"}, &made); code != http.StatusCreated {
		t.Fatalf("issue: %d %s", code, text)
	}
	if err := s.github.SetPermission("acme/fabrics", "alice", "write"); err != nil {
		t.Fatal(err)
	}
	if err := s.github.SetPermission("acme/fabrics", "carol", "read"); err != nil {
		t.Fatal(err)
	}
	r.quiet()
	return s, r, made.Number
}

type comment struct {
	ID   int64
	Body string
	User struct{ Login string }
}

// answers are the App's comments in a thread.
func (s *site) answers(issue int) (out []comment) {
	s.t.Helper()
	var all []comment
	if code, text := s.do(http.MethodGet, fmt.Sprintf("%s/repos/acme/fabrics/issues/%d/comments?per_page=100", s.github.URL(), issue), "token "+userToken, nil, &all); code != http.StatusOK {
		s.t.Fatalf("comments: %d %s", code, text)
	}
	for _, c := range all {
		if c.User.Login == "hnp-sync[bot]" {
			out = append(out, c)
		}
	}
	return out
}

func (s *site) says(issue int, login, text string) {
	s.t.Helper()
	if _, err := s.github.Comment("acme/fabrics", issue, login, text); err != nil {
		s.t.Fatal(err)
	}
}

func TestCommandsAreAnsweredOnceInOneComment(t *testing.T) {
	t.Parallel()
	s, r, issue := threaded(t)
	if _, err := s.github.AddFault(githubtest.Fault{Route: "issue_comment", Action: "webhook_duplicate", Count: 3}); err != nil {
		t.Fatal(err)
	}
	s.says(issue, "alice", "how is it?\n\n/hnp status\n")
	s.eventually("it is answered", func() bool { return len(s.answers(issue)) == 1 })
	if body := s.answers(issue)[0].Body; !strings.Contains(body, "fabric-1") {
		t.Errorf("the answer: %s", body)
	}
	s.says(issue, "alice", "/hnp statsu")
	s.eventually("the same comment is edited", func() bool { return strings.Contains(s.answers(issue)[0].Body, "statsu") })
	r.quiet()
	if n := len(s.answers(issue)); n != 1 {
		t.Errorf("%d answers", n)
	}
	if body := s.answers(issue)[0].Body; !strings.Contains(body, "status") {
		t.Errorf("a typo is answered without the nearest command: %s", body)
	}
}

func TestReadersMayNotDecide(t *testing.T) {
	t.Parallel()
	s, r, issue := threaded(t)
	s.netbox.ResetStats()
	s.says(issue, "carol", "/hnp sync")
	s.eventually("it is answered", func() bool { return len(s.answers(issue)) == 1 })
	r.quiet()
	if body := s.answers(issue)[0].Body; !strings.Contains(body, "write") {
		t.Errorf("the answer does not name the right: %s", body)
	}
	if n := s.netbox.Stats().ByUser["hnp-sync"].Total; n != 0 {
		t.Errorf("a reader's command made %d requests to NetBox", n)
	}
}

func TestResolveByComment(t *testing.T) {
	t.Parallel()
	s, r, issue := threaded(t)
	resume := s.target.Swap(nil)
	s.gitPush("Move the VLAN", map[string]string{vpcFile: fmt.Sprintf(vpcYAML, 1002)})
	s.setVLAN(1003)
	s.target.Store(resume)
	s.says(issue, "alice", "/hnp sync")
	s.eventually("the conflict is found", func() bool { return r.status().Fabrics[0].OpenConflicts == 1 })
	r.quiet()
	s.says(issue, "alice", "/hnp resolve C1 netbox")
	s.eventually("both sides have NetBox's value", func() bool { return strings.Contains(s.gitText(), "vlan: 1003") })
	st := r.quiet()
	if st.Fabrics[0].State != "equal" || st.Fabrics[0].OpenConflicts != 0 || s.netboxVLAN() != 1003 {
		t.Errorf("state %s, %d conflicts, NetBox %d", st.Fabrics[0].State, st.Fabrics[0].OpenConflicts, s.netboxVLAN())
	}
	before := s.commits()
	s.says(issue, "alice", "/hnp resolve C1 git")
	s.eventually("an old decision is answered", func() bool { return strings.Contains(s.answers(issue)[0].Body, "C1 git") })
	r.quiet()
	if s.commits() != before || s.netboxVLAN() != 1003 {
		t.Error("a closed conflict was decided again")
	}
}
