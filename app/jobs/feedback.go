package jobs

import (
	"context"

	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/handlers/feedback"
)

// Feedback is what is read and said on GitHub beside files and commits. Errors are those of Host; a right that the
// installation does not have is a *gitops.PermissionError with code missing_permission.
type Feedback interface {
	// Pull reads one pull request; code not_found when there is none of that number.
	Pull(ctx context.Context, r store.Repository, number int) (Pull, error)
	// Pulls lists the open pull requests into a branch.
	Pulls(ctx context.Context, r store.Repository, base string) ([]Pull, error)
	// PublishCheck writes a check run, or goes on where an earlier call stopped: c.Progress is the last that was
	// reported. report is called before and after each request. A check without a conclusion stays in progress.
	PublishCheck(ctx context.Context, r store.Repository, c Check, report func(Progress) error) error
	// ConfigurationAt reads .github/hnp-sync.yaml, or .yml, at any commit.
	ConfigurationAt(ctx context.Context, r store.Repository, commit string) (Configuration, error)
	// CreateIssue opens an issue and returns its number; UpdateIssue changes one, and closes or opens it again.
	CreateIssue(ctx context.Context, r store.Repository, title, body string) (number int, err error)
	UpdateIssue(ctx context.Context, r store.Repository, number int, title, body string, open bool) error
}

// Pull is a pull request as it stands.
type Pull struct {
	Number     int
	Head, Base string // commit, branch
	// Fork: its branch lies in another repository (or that one is gone). HeadBranch is the branch's name there.
	Fork       bool
	HeadBranch string
	Open       bool
}

// Check is one check run to publish.
type Check struct {
	Head       string // commit
	ExternalID string // by which a run is found again whose creation was not answered
	Output     feedback.Output
	Progress   Progress
}

// Progress is how far a check run is published.
type Progress struct {
	RunID  int64
	Sent   int  // annotations known to have arrived
	Asking bool // a request may be on its way: ask first what arrived
}
