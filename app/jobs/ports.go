package jobs

import (
	"context"
	"time"

	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/manifests"
	"go.uber.org/zap"
)

// Clock is the time of timers and pauses.
type Clock interface {
	Now() time.Time
	// After sends once when d has passed. The channel is not used up by a caller that stops listening.
	After(d time.Duration) <-chan time.Time
}

// Host is GitHub as the jobs need it. Errors may be (wrapped) *repo.RateLimitError or
// *gitops.PermissionError.
type Host interface {
	// Installations and Repositories read complete lists.
	Installations(ctx context.Context) ([]store.Installation, error)
	Repositories(ctx context.Context, installationID int64) ([]store.Repository, error)
	// Configuration reads .github/hnp-sync.yaml, or .yml, at the head of the default branch.
	Configuration(ctx context.Context, r store.Repository) (Configuration, error)
	// Head reads the head of a branch by one conditional request; empty when the branch does not exist.
	Head(ctx context.Context, r store.Repository, branch string) (string, error)
	// Directory is the fabric's directory on its branch.
	Directory(f store.Fabric) (gitops.Repository, error)
	// Proposals are the pull requests into the fabric's branch; nil where none can be made.
	Proposals(f store.Fabric) (gitops.Proposals, error)
}

// Configuration is the in-repository configuration as it stands on the default branch.
type Configuration struct {
	Path string // .github/hnp-sync.yaml or .yml
	Blob string // its object id, empty when there is none
	Data []byte
	// Unusable is why the file, which exists, has no Data (a symbolic link, too large); empty otherwise.
	Unusable string
	// Both: the other spelling exists too, and is not read.
	Both bool
	// DefaultBranch as GitHub says now; empty when the answer did not say.
	DefaultBranch string
}

// Connection is one NetBox as the jobs need it.
type Connection interface {
	// Fabrics lists all fabrics of the NetBox.
	Fabrics(ctx context.Context) ([]NetBoxFabric, error)
	// CreateFabric makes one with nothing but a name. After an error it may exist all the same;
	// *gitops.PermissionError when NetBox refuses it for good.
	CreateFabric(ctx context.Context, name string) (NetBoxFabric, error)
	// Inventory is one of them.
	Inventory(f store.Fabric) (gitops.Inventory, error)
	// URL is NetBox's root, for links.
	URL() string
}

// NetBoxFabric is one fabric of a NetBox.
type NetBoxFabric struct {
	ID      int64
	Name    string
	Created string // as NetBox sends it
}

// Settings are what the configuration says about jobs. They may be exchanged while the program runs.
type Settings struct {
	Poll, FullCompare, Debounce time.Duration
	// Allowed lists the NetBox connections a repository may use, none when it is not listed.
	Allowed func(owner, name string) []string
	// People maps NetBox users to commit co-authors.
	People map[string]string
}

// Deps is everything the jobs work with. All fields without a remark are required.
type Deps struct {
	Store *store.Store
	Host  Host
	// Connection finds a NetBox connection by name; it may be exchanged while the program runs.
	Connection func(name string) (Connection, bool)
	// ParseConfig reads an in-repository configuration.
	ParseConfig func(path string, data []byte) ([]gitops.Fabric, []manifests.Diagnostic)
	// Run is (*gitops.Cycle).Run, exchanged in tests of the queue.
	Run func(ctx context.Context, c *gitops.Cycle, req gitops.Request) (*gitops.Result, error)
	// Examine is (*gitops.Cycle).Evaluate, exchanged in tests of the queue.
	Examine func(ctx context.Context, c *gitops.Cycle, st *gitops.State, head string) (*gitops.Evaluation, error)
	// Feedback is what is said on GitHub: checks, issues, comments. Nil says nothing.
	Feedback Feedback
	// Comments is what slash commands need of GitHub.
	Comments Comments
	// Deliveries is GitHub's list of webhooks; nil never asks it.
	Deliveries Deliveries
	// Check gives all findings of a fabric's files, for evaluations; may be nil.
	Check    func(files []*manifests.File) []manifests.Diagnostic
	Problems func(doc manifests.Object) []string // may be nil
	// Validate gives the findings of one document with their places; may be nil.
	Validate     func(f *manifests.File, doc int) []manifests.Diagnostic
	NewOperation func(now time.Time) string
	Settings     func() Settings
	Clock        Clock
	Log          *zap.Logger
	Metrics      Metrics
}

// Metrics is told what happened. All methods return at once.
type Metrics interface {
	Delivery(source, event, outcome string)
	Cycle(outcome string, took time.Duration, commits, netboxWrites int)
	Conflicts(fabric string, open int)
}
