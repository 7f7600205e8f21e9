package gitops

import (
	"context"
	"errors"
)

// Repository is one fabric's directory on one branch of one Git repository. Implementations are bound to
// repository, branch and directory when they are made, and are safe for use by one cycle at a time.
type Repository interface {
	// Observe reads the head of the branch: its last 100 commits, the tree of the directory and its blobs. One
	// request when at most 100 blobs are new to the cache. It returns ErrBranchMissing when the branch does not
	// exist; a missing directory is not an error (DirTree is empty).
	Observe(ctx context.Context) (*GitSnapshot, error)
	// ObserveAt reads the same for any commit, without history.
	ObserveAt(ctx context.Context, commit string) (*GitSnapshot, error)
	// Compare tells how head relates to base. One request.
	Compare(ctx context.Context, base, head string) (Comparison, error)
	// Commit writes one commit whose parent is ExpectedHead, or nothing. It returns ErrStaleHead when the branch
	// is elsewhere, ErrOutcomeUnknown when the answer was lost (the commit may exist, or may still appear), a
	// *PermissionError when the branch is protected or a right is missing. It never forces.
	Commit(ctx context.Context, req CommitRequest) (Commit, error)
}

// GitSnapshot is one observation of a fabric's directory.
type GitSnapshot struct {
	// Head is the commit the snapshot was read at, 40 or 64 hex digits.
	Head string
	// Commits are the newest commits of the branch, newest first, starting with Head; at most 100. Empty for ObserveAt.
	Commits []Commit
	// DirTree is the object id of the directory's tree, empty when the directory does not exist at Head.
	DirTree string
	// ConfigBlob is the object id of .github/hnp-sync.yaml (or .yml) at Head, empty when absent.
	ConfigBlob string
	// Entries are all entries below the directory, except trees, sorted by Path.
	Entries []TreeEntry
}

// Commit is one commit of the branch.
type Commit struct {
	OID     string
	Parents []string
	Message string // whole message, trailers included
	Tree    string // root tree; may be empty
	// TouchesDirectory is true when the commit is known to have been made by a first-parent step of this branch
	// that changed the directory; implementations that cannot tell say true.
	TouchesDirectory bool
	Author           string // login or name, for people
}

// TreeEntry is one file of the directory.
type TreeEntry struct {
	// Path is relative to the directory, slash separated, never absolute, never with "..".
	Path string
	// Mode is the Git mode: "100644", "100755", "120000" (symlink), "160000" (submodule).
	Mode string
	OID  string
	Size int64 // bytes; 0 for a submodule
	// Data is the content; nil for symlinks and submodules, and for blobs over the size limit (Oversize).
	Data     []byte
	Oversize bool
}

// Relation says how a head relates to a base commit.
type Relation string

const (
	RelationIdentical Relation = "identical"
	RelationAhead     Relation = "ahead"    // head descends from base
	RelationBehind    Relation = "behind"   // head is a strict ancestor of base
	RelationDiverged  Relation = "diverged" // neither
)

// Comparison is the answer of Compare. MergeBase is empty when the two share no history.
type Comparison struct {
	Relation  Relation
	MergeBase string
}

// CommitRequest is one commit to write.
type CommitRequest struct {
	ExpectedHead string
	Subject      string // first line
	Body         string // rest, with trailers; without the blank line after the subject
	Files        []FileChange
}

// FileChange is one file of a commit. Path is relative to the fabric directory.
type FileChange struct {
	Path   string
	Data   []byte // new content; nil with Delete
	Delete bool
	// Mode is the mode of the existing file, "100644" for new ones; "100755" must survive.
	Mode string
}

var (
	// ErrStaleHead: the branch is not at the expected head; nothing was written.
	ErrStaleHead = errors.New("branch head moved")
	// ErrStaleRead: an answer was older than what is already known; read again later.
	ErrStaleRead = errors.New("read older than the known head")
	// ErrOutcomeUnknown: the request may have been carried out, now or later.
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrBranchMissing: the tracked branch does not exist.
	ErrBranchMissing = errors.New("tracked branch does not exist")
)

// PermissionError is a write or read that the other side refuses for good: a protected branch, a missing right,
// an archived repository. Code is a stable word ("protected_branch", "missing_permission", "archived",
// "suspended", "not_found"); Message is for people and says what to do.
type PermissionError struct {
	Code    string
	Message string
	Err     error
}

func (e *PermissionError) Error() string { return e.Message }
func (e *PermissionError) Unwrap() error { return e.Err }
