package demo

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hnp-sync/hnp-sync/app/api"
	"github.com/hnp-sync/hnp-sync/gitops/githubtest"
)

const harmBranch = "retire-leaf-02"

// proposeHarm is Bob: a branch with a value of the wrong type and a deleted switch, and a pull request for it.
func (w *world) proposeHarm(ctx context.Context) error {
	head, err := w.github.Head(repository, branch)
	if err != nil {
		return err
	}
	url := w.github.URL() + "/repos/" + repository + "/git/refs"
	if err := w.call(ctx, http.MethodPost, url, "token "+gitToken, map[string]any{"ref": "refs/heads/" + harmBranch, "sha": head}, nil); err != nil {
		return err
	}
	vpc := directory + "/managed/vpcs/test-vpc.yaml"
	text, err := w.github.ReadFile(repository, branch, vpc)
	if err != nil {
		return err
	}
	text = strings.Replace(text, "vlan: 1101", "vlan: fast", 1)
	files := map[string]*string{vpc: &text, directory + "/managed/switches/leaf-02.yaml": nil}
	if w.pullHead, err = w.github.CommitFiles(repository, harmBranch, gitUser, "Retire leaf-02", files); err != nil {
		return err
	}
	_, err = w.github.OpenPull(repository, gitUser, githubtest.PullOptions{Base: branch, Head: harmBranch, Title: "Retire leaf-02"})
	return err
}

// checkRun is a check run as a person sees it.
type checkRun struct {
	ID         int64  `json:"id"`
	Name       string `json:"name"`
	Status     string `json:"status"`
	Conclusion string `json:"conclusion"`
	Output     struct {
		Title string `json:"title"`
	} `json:"output"`
}

type annotation struct {
	Path      string `json:"path"`
	StartLine int    `json:"start_line"`
	Message   string `json:"message"`
}

func (w *world) checkRuns(ctx context.Context, head string) ([]checkRun, error) {
	var list struct {
		CheckRuns []checkRun `json:"check_runs"`
	}
	err := w.call(ctx, http.MethodGet, w.github.URL()+"/repos/"+repository+"/commits/"+head+"/check-runs?per_page=100", "token "+gitToken, nil, &list)
	slices.SortFunc(list.CheckRuns, func(a, b checkRun) int { return strings.Compare(b.Name, a.Name) }) // validate, plan, conflicts
	return list.CheckRuns, err
}

func (w *world) checkPullRequest(ctx context.Context, s *Step, _ *api.Status) (string, error) {
	var e expect
	runs, err := w.checkRuns(ctx, w.pullHead)
	e.that(err == nil && len(runs) == 3, "three checks are wanted, not %d: %v", len(runs), err)
	var lines []string
	for _, r := range runs {
		e.that(r.Status == "completed", "%s should be completed, not %s", r.Name, r.Status)
		lines = append(lines, fmt.Sprintf("%s: %s: %s", r.Name, r.Conclusion, r.Output.Title))
		var notes []annotation
		err := w.call(ctx, http.MethodGet, fmt.Sprintf("%s/repos/%s/check-runs/%d/annotations", w.github.URL(), repository, r.ID), "token "+gitToken, nil, &notes)
		e.that(err == nil, "annotations of %s: %v", r.Name, err)
		switch r.Name {
		case "hnp-sync / validate":
			e.that(r.Conclusion == "failure", "validate should fail, not %s", r.Conclusion)
			at := slices.IndexFunc(notes, func(a annotation) bool { return strings.HasSuffix(a.Path, "test-vpc.yaml") })
			e.that(at >= 0 && notes[at].StartLine > 1, "the VLAN should be annotated on its line: %+v", notes)
			if at >= 0 {
				lines = append(lines, fmt.Sprintf("  %s:%d: %s", notes[at].Path, notes[at].StartLine, firstLine(notes[at].Message)))
			}
		case "hnp-sync / plan":
			e.that(r.Conclusion == "failure" || r.Conclusion == "action_required", "deleting a switch should not pass, but is %s", r.Conclusion)
		}
	}
	_, there := w.netbox.ByName("Switch", "default", "leaf-02")
	e.that(there && s.Commits == 0 && s.Writes.NetBox == 0, "evaluating should write nothing but checks")
	return e.done(strings.Join(lines, "\n       "))
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
