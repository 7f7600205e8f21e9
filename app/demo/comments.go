package demo

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/hnp-sync/hnp-sync/app/api"
)

// rollingIssue is the number of the App's issue about the fabric, 0 when none is open.
func (w *world) rollingIssue(ctx context.Context) (int, error) {
	var list []struct {
		Number      int
		PullRequest any `json:"pull_request"`
	}
	err := w.call(ctx, http.MethodGet, w.github.URL()+"/repos/"+repository+"/issues?state=open&per_page=100", "token "+gitToken, nil, &list)
	for _, i := range list {
		if i.PullRequest == nil {
			return i.Number, err
		}
	}
	return 0, err
}

// says is Bob: a comment on the App's issue.
func (w *world) says(ctx context.Context, text string) error {
	issue, err := w.rollingIssue(ctx)
	if err != nil {
		return err
	}
	if issue == 0 {
		return fmt.Errorf("no issue is open about %s", fabricName)
	}
	_, err = w.github.Comment(repository, issue, gitUser, text)
	return err
}

func (w *world) checkResolve(ctx context.Context, s *Step, _ *api.Status) (string, error) {
	var e expect
	w.both(&e, "test-vpc-2", "vlan: 1300", "vlan", "1300")
	e.that(s.Commits == 1, "one commit is wanted, not %d", s.Commits)
	c, err := w.conflicts(ctx)
	e.that(err == nil && c.TotalConflicts == 0, "no conflict should be left: %v", err)
	return e.done("C1 is decided for NetBox: both sides say 1300, and who decided is on record")
}

// massDelete is Bob with a script: a dozen connections at once.
func (w *world) massDelete(context.Context) error {
	all, err := w.github.Files(repository, branch, directory+"/managed/connections")
	if err != nil {
		return err
	}
	files := map[string]*string{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if strings.HasSuffix(name, ".yaml") && len(files) < 12 {
			if !strings.HasPrefix(name, directory) {
				name = directory + "/managed/connections/" + name
			}
			files[name] = nil
		}
	}
	_, err = w.github.CommitFiles(repository, branch, gitUser, "Clean up connections", files)
	return err
}

func (w *world) checkMassDelete(_ context.Context, s *Step, st *api.Status) (string, error) {
	var e expect
	f := st.Fabrics[0]
	w.hash = f.PlanHash
	e.that(f.State == "guard" && len(f.Waiting) == 12, "12 deletes should wait, state %s, %d wait", f.State, len(f.Waiting))
	e.that(s.Writes.NetBox == 0, "nothing should be deleted yet, but NetBox was written %d times", s.Writes.NetBox)
	return e.done(fmt.Sprintf("12 deletes wait for a person; to let exactly these pass: /hnp approve %s", f.PlanHash))
}

func (w *world) checkApprove(_ context.Context, s *Step, st *api.Status) (string, error) {
	var e expect
	e.that(len(st.Fabrics[0].Waiting) == 0, "nothing should wait any more: %v", st.Fabrics[0].Waiting)
	e.that(s.Commits == 0 && s.Writes.NetBox == 1, "one bulk delete is wanted, not %d commits and %d NetBox writes", s.Commits, s.Writes.NetBox)
	return e.done("12 connections deleted in NetBox by one request")
}
