package app

import (
	"context"
	"path"
	"strings"
	"time"

	"github.com/hnp-sync/hnp-sync/app/jobs"
	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/gitops/repo"
)

var (
	_ jobs.Feedback   = gitHub{}
	_ jobs.Deliveries = gitHub{}
	_ jobs.Comments   = gitHub{}
)

func (g gitHub) Permission(ctx context.Context, r store.Repository, login string) (string, error) {
	return g.current().Permission(ctx, refOf(r), login)
}

func (g gitHub) React(ctx context.Context, r store.Repository, commentID int64, reaction string) error {
	return g.current().React(ctx, refOf(r), commentID, reaction)
}

func (g gitHub) CreateComment(ctx context.Context, r store.Repository, number int, body string) (int64, error) {
	return g.current().CreateComment(ctx, refOf(r), number, body)
}

func (g gitHub) EditComment(ctx context.Context, r store.Repository, id int64, body string) error {
	return g.current().EditComment(ctx, refOf(r), id, body)
}

func (g gitHub) Attempts(ctx context.Context, since time.Time) ([]jobs.Attempt, error) {
	list, err := g.current().Deliveries(ctx, since)
	out := make([]jobs.Attempt, 0, len(list))
	for _, d := range list {
		out = append(out, jobs.Attempt{ID: d.ID, GUID: d.GUID, Event: d.Event, At: d.DeliveredAt, OK: d.OK()})
	}
	return out, err
}

func (g gitHub) Redeliver(ctx context.Context, id int64) error { return g.current().Redeliver(ctx, id) }

func pullOf(p repo.PullRequest) jobs.Pull {
	return jobs.Pull{Number: p.Number, Head: p.HeadSHA, Base: p.BaseRef, Fork: p.Fork, HeadBranch: p.HeadRef, Open: p.State == "open"}
}

func (g gitHub) Pull(ctx context.Context, r store.Repository, number int) (jobs.Pull, error) {
	p, err := g.current().PullRequest(ctx, refOf(r), number)
	return pullOf(p), err
}

func (g gitHub) Pulls(ctx context.Context, r store.Repository, base string) ([]jobs.Pull, error) {
	list, err := g.current().OpenPullRequests(ctx, refOf(r), base)
	out := make([]jobs.Pull, 0, len(list))
	for _, p := range list {
		out = append(out, pullOf(p))
	}
	return out, err
}

// PublishCheck implements jobs.Feedback.
func (g gitHub) PublishCheck(ctx context.Context, r store.Repository, c jobs.Check, report func(jobs.Progress) error) error {
	out := c.Output
	run := repo.CheckRun{Name: out.Name, HeadSHA: c.Head, ExternalID: c.ExternalID, Conclusion: out.Conclusion, Title: out.Title, Summary: out.Summary, Text: out.Text}
	if out.Conclusion == "" {
		run.Status = repo.CheckInProgress
	}
	for _, a := range out.Annotations {
		run.Annotations = append(run.Annotations, repo.Annotation{Path: a.Path, StartLine: a.StartLine, EndLine: a.EndLine, StartColumn: a.StartColumn,
			EndColumn: a.EndColumn, Level: a.Level, Title: a.Title, Message: a.Message, RawDetails: a.RawDetails})
	}
	run.Actions = []repo.CheckAction{} // none takes away the buttons of an earlier result
	for _, a := range out.Actions {
		run.Actions = append(run.Actions, repo.CheckAction(a))
	}
	_, err := g.current().PublishCheckRun(ctx, refOf(r), run, repo.Progress{RunID: c.Progress.RunID, Sent: c.Progress.Sent, Asking: c.Progress.Asking},
		func(p repo.Progress) error {
			return report(jobs.Progress{RunID: p.RunID, Sent: p.Sent, Asking: p.Asking})
		})
	return err
}

// configDirectory holds the in-repository configuration.
const configDirectory = ".github"

// ConfigurationAt implements jobs.Feedback: the folder of the configuration as it stands at a commit.
func (g gitHub) ConfigurationAt(ctx context.Context, r store.Repository, commit string) (jobs.Configuration, error) {
	folder, err := g.current().Open(refOf(r), repo.Options{Branch: r.DefaultBranch, Directory: configDirectory, ReadOnly: true})
	if err != nil {
		return jobs.Configuration{}, err
	}
	snap, err := folder.ObserveAt(ctx, commit)
	if err != nil {
		return jobs.Configuration{}, err
	}
	return configurationIn(snap), nil
}

func configurationIn(snap *gitops.GitSnapshot) jobs.Configuration {
	var out jobs.Configuration
	for _, name := range []string{"hnp-sync.yaml", "hnp-sync.yml"} {
		for _, e := range snap.Entries {
			switch {
			case e.Path != name:
			case out.Blob != "":
				out.Both = true
			default:
				out.Path, out.Blob, out.Data = path.Join(configDirectory, name), e.OID, e.Data
				switch {
				case e.Mode == "120000":
					out.Unusable = repo.ErrConfigSymlink.Error()
				case e.Oversize || e.Size > repo.MaxConfigBytes:
					out.Unusable = repo.ErrConfigTooLarge.Error()
				case !strings.HasPrefix(e.Mode, "100"):
					out.Unusable = "the configuration is no file"
				}
			}
		}
	}
	return out
}

func (g gitHub) CreateIssue(ctx context.Context, r store.Repository, title, body string) (int, error) {
	i, err := g.current().CreateIssue(ctx, refOf(r), title, body)
	return i.Number, err
}

func (g gitHub) UpdateIssue(ctx context.Context, r store.Repository, number int, title, body string, open bool) error {
	state := "closed"
	if open {
		state = "open"
	}
	return g.current().EditIssue(ctx, refOf(r), number, repo.IssueEdit{Title: &title, Body: &body, State: &state})
}
