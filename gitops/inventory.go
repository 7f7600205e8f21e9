package gitops

import (
	"context"
	"time"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// Key is a resource's identity within one fabric.
type Key = manifests.Identity

// Inventory is one NetBox fabric. Each method costs the requests it names; none retries a write. Implementations
// verify the fabric of every object themselves, because the plugin ignores filters.
type Inventory interface {
	// Capabilities reports what this NetBox can do, as probed. It costs requests only the first time, and again
	// after the server's version changed.
	Capabilities(ctx context.Context) (*Capabilities, error)
	// List reads the named kinds completely: one request per kind and 1,000 objects. A kind that could not be
	// read completely comes back with Err set and no objects: it is unknown, never empty.
	List(ctx context.Context, kinds []string) (map[string]*Listing, error)
	// Write carries out one batch in exactly one request.
	Write(ctx context.Context, batch Batch) BatchResult
	// Feed reads the change log from row id FromID on (inclusive), ascending, of the kinds of the backend, without
	// snapshots. One request per 1,000 rows; at most 10 pages, then Truncated.
	Feed(ctx context.Context, fromID int64) (*FeedPage, error)
	// FeedEnds reads the oldest and the newest row of the unfiltered change log (zero rows when it is empty). Two requests.
	FeedEnds(ctx context.Context) (oldest, newest ChangeRow, err error)
	// OperationRows reads the change rows whose message is exactly the operation id, with snapshots. One request.
	OperationRows(ctx context.Context, operation string) ([]ChangeRow, error)
	// DeleteRows reads the delete rows of the objects of one kind. One request per 100 objects.
	DeleteRows(ctx context.Context, kind string, pks []int64) ([]ChangeRow, error)
}

// ErrNoChangeLog is returned (wrapped) by Feed, OperationRows and DeleteRows when the token may not read the change
// log (403 without core.view_objectchange).
var ErrNoChangeLog = &PermissionError{Code: "missing_permission", Message: "the NetBox token may not read the change log: grant core.view_objectchange"}

// Capabilities is what one NetBox connection can do, per kind and operation.
type Capabilities struct {
	Backend   string // "hedgehog"
	Version   string // NetBox version
	ChangeLog bool   // the token may read the change log
	ETag      bool   // If-Match is honoured on single objects (NetBox 4.6 and later)
	BulkETag  bool   // and on bulk requests
	Kinds     map[string]KindCapability
}

// KindCapability says what works for one kind. Reason and Workaround explain what does not, for people.
type KindCapability struct {
	Read, Create, Update, Delete bool
	Events                       bool // an event rule for the type is safe
	// Denied: NetBox refused the last listing. Unlike what the backend cannot do, that may change at any time: full
	// compares ask again.
	Denied     bool
	Reason     string
	Workaround string
}

// Listing is one kind's objects of this fabric.
type Listing struct {
	Objects []NetBoxObject
	// Elsewhere maps the primary keys that belong to other fabrics to that fabric's primary key.
	Elsewhere map[int64]int64
	At        time.Time // when the first page was asked for
	Err       error     // non-nil: the kind is unknown
}

// NetBoxObject is one row.
type NetBoxObject struct {
	PK  int64
	Key Key
	// Body has the shape {"spec": …, "metadata": {"labels": {…}, "annotations": {…}}} with JSON types and
	// json.Number; a spec that NetBox holds as JSON text in a string is already that JSON.
	Body manifests.Object
	// LastUpdated is last_updated in the ETag's form: UTC with "+00:00", microseconds as sent.
	LastUpdated string
	// AutoSync is the plugin's auto_sync; false disables the resource (ENGINE 21).
	AutoSync bool
}

// Op is what a write does.
type Op string

const (
	OpCreate Op = "create"
	OpUpdate Op = "update" // also a rename: Name and Namespace are columns
	OpDelete Op = "delete"
	OpRename Op = "rename" // planned as such; written as OpUpdate on the NetBox side
	// OpFence moves an object's ETag without changing content, so that a request still under way fails (ENGINE 3).
	OpFence Op = "fence"
)

// Batch is one request: objects of one kind, one operation, at most 100.
type Batch struct {
	Kind      string
	Op        Op
	Operation string // goes into changelog_message of every item; empty for fences
	Items     []Write
}

// Write is one object of a batch.
type Write struct {
	Key Key
	PK  int64 // 0 for a create
	// LastUpdated is the ETag the object must still have; empty for a create.
	LastUpdated string
	// Columns are the ones that change: "spec", "labels", "annotations", "name", "namespace". All of them for a create.
	Columns []string
	// Body is the whole wanted body; only Columns of it are sent. Foreign labels and annotations are already in it.
	Body manifests.Object
}

// Outcome of one written object.
type Outcome string

const (
	OutcomeDone    Outcome = "done"    // answered with success; Object is the row as stored (not for deletes)
	OutcomeStale   Outcome = "stale"   // 412: it is no longer what was planned on; nothing written
	OutcomeGone    Outcome = "gone"    // 404: observe again
	OutcomeExists  Outcome = "exists"  // a create or rename met the unique constraint; nothing written
	OutcomeRefused Outcome = "refused" // 400, 403, 409, or an impossible operation: Message has NetBox's words
	OutcomeUnknown Outcome = "unknown" // 5xx or lost answer: it may have been written, now or later
	OutcomeNotSent Outcome = "not_sent"
	// OutcomeBatch: nothing of the batch was written because of other items (or of items NetBox did not name);
	// the caller splits the batch and sends it again.
	OutcomeBatch Outcome = "batch_refused"
)

// WriteResult is the answer for one item, at the item's index.
type WriteResult struct {
	Outcome Outcome
	Object  NetBoxObject // when done
	Message string       // NetBox's words, when refused
}

// BatchResult is the answer to one request.
type BatchResult struct {
	RequestID string // X-Request-ID, empty when no answer came
	Items     []WriteResult
	// RetryAfter is set when the server asked to wait (429, 503); the items are OutcomeNotSent then.
	RetryAfter time.Duration
	Err        error // for the log; never the only sign of a failure
}

// ChangeRow is one row of NetBox's change log.
type ChangeRow struct {
	ID        int64
	Time      time.Time
	RequestID string
	User      string
	Action    string // "create", "update", "delete"
	Kind      string
	PK        int64
	Message   string
	// Pre and Post are the row before and after, when asked for and present; Key and Body only.
	Pre, Post *NetBoxObject
}

// FeedPage is the answer of Feed. Now is the server's Date header.
type FeedPage struct {
	Rows      []ChangeRow
	Now       time.Time
	Truncated bool
}
