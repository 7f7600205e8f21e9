package command

import (
	"context"
	"errors"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// Fabric is one fabric of a repository, as a command meets it.
type Fabric struct {
	ID   int64  // the store's
	Name string // in NetBox; foreign text, may hold spaces
	Slug string
	// Paused: the configuration or a command stopped its synchronisation.
	Paused bool
	// Touched: the pull request of the comment changes something below the fabric's directory, or is one of the
	// fabric's own; or the issue of the comment is the fabric's rolling issue.
	Touched bool
}

// Status is what the status command says about one fabric.
type Status struct {
	gitops.Status
	Repository string // owner/name
	Branch     string
	Directory  string
	// CheckedAt is when a cycle last ended; zero before the first.
	CheckedAt time.Time
	// Working is the id of the operation that runs now, empty when none does.
	Working string
	// LastError of a cycle that failed, in words for people; empty when the newest one succeeded.
	LastError string
}

// PlanNow is what the next cycle would do.
type PlanNow struct {
	Hash    string
	Actions []PlannedAction // in the order they would be carried out
	Waiting []gitops.WaitingAction
	// Conflicts that stay open, and resources that are frozen.
	Conflicts int
	Frozen    []gitops.FrozenStatus
	// Paused says why nothing is written at all, empty otherwise.
	Paused string
}

// PlannedAction is one write.
type PlannedAction struct {
	Side   gitops.Side // the side written to
	Op     gitops.Op
	Key    gitops.Key
	NewKey gitops.Key // rename only
	Paths  []gitops.PathChange
	Reason string
}

// Started is the operation a command began. An empty ID means that nothing was needed; Note says why.
type Started struct {
	ID, Note string
}

// Conflicts of one fabric: what is open, and by number what was closed (for "moved, now C14").
type Conflicts struct {
	Open   map[int]*gitops.Conflict
	Closed map[int]*gitops.Conflict
	// Decided are the ids of decisions already made and not yet applied, by conflict number.
	Decided map[int]string
}

// Change is one change of a resource that the records know of, newest first.
type Change struct {
	At   time.Time
	Side gitops.Side // where the change was made by its author, or the side we wrote to
	// By is a GitHub login, a commit author or a NetBox user; empty when unknown.
	By string
	// CommitSHA or RequestID (NetBox) say where it came from; both empty when unknown.
	CommitSHA, RequestID string
	// Operation is the operation that carried it to the other side; empty when none did.
	Operation string
	// Path and the values are those of one path; an outside change without known values names paths in Fields only.
	Change *gitops.PathChange
	Op     gitops.Op
	Fields []string
	// Decision: the operation applied a person's decision.
	Decision string
}

// Why is what the records hold about one resource.
type Why struct {
	Key   gitops.Key
	State string // in_sync, pending, conflict, ...
	// File and Line are the place in Git, empty when it is not there.
	File string
	Line int
	// FrozenCode and FrozenMessage say why nothing of it is written; empty otherwise.
	FrozenCode, FrozenMessage string
	PausedBy                  string    // who paused this resource; empty when running
	Conflicts                 []int     // open ones
	Changes                   []Change  // newest first, at most 100; of 90 days
	Since                     time.Time // records before this are gone
}

// Audit is the record of one decision a person made with a command. The caller of a Control method stores it in the
// same transaction as what it decides.
type Audit struct {
	Command   string // the command's line as it was understood, canonical
	Sender    string
	SenderID  int64
	CommentID int64
	URL       string
	// Repository's id and the or pull request's number.
	RepositoryID int64
	Number       int
	Fabric       string
	// Decisions of resolve, with the hashes they are bound to; PlanHash of approve; Target of every other command
	// (operation, resource), empty when it is the fabric.
	Decisions []gitops.Decision
	PlanHash  string
	Target    string
	At        time.Time
}

// Errors of Control that commands answer in words. Others are answered as "failed" and returned to the caller, who logs.
var (
	// ErrNotWaiting: nothing waits under the plan hash (it is of an older plan, was approved, or never was).
	ErrNotWaiting = errors.New("nothing waits under this hash")
	// ErrNoOperation: no operation of that id in this repository.
	ErrNoOperation = errors.New("no such operation")
	// ErrNotCancellable: the operation is finished, or past the point where it can be stopped.
	ErrNotCancellable = errors.New("the operation cannot be cancelled")
	// ErrNoResource: the fabric has no such resource, and the records know of none.
	ErrNoResource = errors.New("no such resource")
	// ErrMoved: the values of a conflict moved between reading and deciding; nothing was stored.
	ErrMoved = errors.New("the values moved")
	// ErrObserve: mode observe writes nothing.
	ErrObserve = errors.New("the fabric is only observed")
)

// Refused is an error whose text is meant for the person who commented: plain words, without foreign text.
type Refused struct{ Text string }

func (e *Refused) Error() string { return e.Text }

// Control is the running program as the commands use it. Methods that change something take the Audit record and
// store both in one transaction. A fabric is named by Fabric.ID and belongs to the repository the comment came from:
// the commands only use ids that Fabrics returned.
type Control interface {
	// Fabrics are all fabrics of the repository, by name. number is the pull request or issue of the comment, for Touched.
	Fabrics(ctx context.Context, repositoryID int64, number int) ([]Fabric, error)
	Status(ctx context.Context, fabric int64) (Status, error)
	// Plan makes the plan of now; it writes nothing.
	Plan(ctx context.Context, fabric int64) (PlanNow, error)
	// Conflicts that are open, and the closed ones still remembered.
	Conflicts(ctx context.Context, fabric int64) (Conflicts, error)
	// Why answers ErrNoResource for a resource nobody knows.
	Why(ctx context.Context, fabric int64, key gitops.Key) (Why, error)

	Sync(ctx context.Context, fabric int64, a Audit) (Started, error)
	Ingest(ctx context.Context, fabric int64, a Audit) (Started, error)
	Init(ctx context.Context, fabric int64, a Audit) (Started, error)
	// Decide stores all decisions of a.Decisions or, with ErrMoved, none: each must still be bound to an open
	// conflict's hashes in the transaction that stores it. It starts a cycle.
	Decide(ctx context.Context, fabric int64, a Audit) (Started, error)
	// Approve takes exactly what waits under a.PlanHash; ErrNotWaiting otherwise.
	Approve(ctx context.Context, fabric int64, a Audit) (Started, error)
	// Rollback plans the reverse of an operation as a new operation; ErrNoOperation.
	Rollback(ctx context.Context, fabric int64, operation string, a Audit) (Started, error)
	// Cancel stops an operation that waits; ErrNoOperation, ErrNotCancellable.
	Cancel(ctx context.Context, fabric int64, operation string, a Audit) error
	// Pause and Resume act on the whole fabric when key is nil. changed is false when it was so already.
	Pause(ctx context.Context, fabric int64, key *gitops.Key, a Audit) (changed bool, err error)
	Resume(ctx context.Context, fabric int64, key *gitops.Key, a Audit) (changed bool, err error)
}

// Authority answers what a person may do, from GitHub, when asked.
type Authority interface {
	// Permission is the login's right on the repository: admin, maintain, write, triage, read or none
	// (GET /repos/{owner}/{repo}/collaborators/{user}/permission, role_name or permission).
	Permission(ctx context.Context, repositoryID int64, login string) (string, error)
	// Allowed tells whether the team allow list of the server configuration lets the login change things; true
	// when there is no list. It is asked only of people with the right to write.
	Allowed(ctx context.Context, repositoryID int64, login string) (bool, error)
}

// Reactions to a comment, as GitHub names them.
const (
	ReactionEyes = "eyes"
	ReactionUp   = "+1"
	ReactionDown = "-1"
)

// Thread is the issue or pull request the comment stands in.
type Thread interface {
	// React adds a reaction to the comment; adding it twice is one.
	React(ctx context.Context, repositoryID, commentID int64, reaction string) error
	// Answer makes body the one rolling answer of the thread: the comment that was written before is edited, or a new
	// one is written.
	Answer(ctx context.Context, repositoryID int64, number int, body string) error
}

// Marker is the first line of our rolling answer in a thread. A comment that holds it and is by the App's own login is
// ours; the text alone proves nothing, because people quote.
const Marker = "<!-- hnp-sync:answer -->"
