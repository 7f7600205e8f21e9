package gitops

import (
	"context"
	"time"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// Ledger remembers one pairing between cycles. Save is one durable transaction: all of an Update or nothing, and
// nothing (ErrFenced) when the epoch is not the fabric's newest.
type Ledger interface {
	// Load reads the whole state of the pairing and takes a new fencing epoch, which ends every older holder's
	// right to save.
	Load(ctx context.Context) (*State, error)
	// Save makes the update durable. The caller applies the same update to its State with State.Apply.
	Save(ctx context.Context, u *Update) error
	// KnownOperations tells which of the operation ids were made by this store, in any pairing.
	KnownOperations(ctx context.Context, ids []string) (map[string]bool, error)
	// HeldElsewhere tells which NetBox objects other pairings of the same connection hold in their base.
	HeldElsewhere(ctx context.Context, kind string, pks []int64) (map[int64]bool, error)
}

// ErrFenced: another worker has taken over the fabric; stop at once, nothing was saved.
var ErrFenced = errFenced{}

type errFenced struct{}

func (errFenced) Error() string { return "another worker holds this fabric" }

// State is everything remembered about one pairing. It is owned by the cycle that loaded it.
type State struct {
	Epoch int64
	// Head is the newest commit known to be the branch's head, DirTree its directory's tree, ConfigBlob its configuration.
	Head, DirTree, ConfigBlob string
	// StaleSince is when reads older than Head began; zero when the last read was not.
	StaleSince time.Time
	// Contact is true once a cycle of this pairing went through completely; until then the first-contact rules
	// of the whole pairing hold (ENGINE 14).
	Contact bool
	// Resources by identity: base, and what was last seen.
	Resources map[Key]*Resource
	// Intents still open, by ID.
	Intents map[string]*Intent
	// Conflicts that are open, by number; NextConflict is the next free number, starting at 1.
	Conflicts    map[int]*Conflict
	NextConflict int
	Decisions    map[string]*Decision // by ID, not yet consumed
	Approvals    map[string]*Approval // by plan hash, not yet used up
	// Waiting is what the newest plan holds back for a person.
	Waiting *Waiting
	// Scope are the kinds that must be listed before they can be called equal; the value is the trigger's
	// sequence number. Removed when a cycle has listed the kind completely and everything planned for it is done.
	Scope map[string]int64
	// Cursor is where the change feed is read from; zero before the first feed.
	Cursor Cursor
	// FullCompareAt is when all kinds were last compared.
	FullCompareAt time.Time
	// Deletes done in the last hour, by originating side (guard, ENGINE 19).
	Deletes []DoneDelete
	// Undos counts our writes undone on the side we wrote to, in the last 10 minutes (fight, ENGINE 22).
	Undos []Undo
	// Refusals by identity: writes NetBox refused, with what must change before they are tried again.
	Refusals map[Key]*Refusal
	// Dropped are paths whose Git value came back by a rewritten history (ENGINE 13).
	Dropped map[string]*Dropped
	// Overwritten are values of writers that leave no trace, seen after our write replaced them (ENGINE 4).
	Overwritten map[string]*Overwritten
	// Proposed are our pull requests that are open, or whose end no cycle has seen yet, by branch (ENGINE 12).
	Proposed map[string]*Proposed
	// Declined are values that a person refused by closing their pull request unmerged.
	Declined map[string]*DeclinedValue
	// Opaque are the entries a missing resource could be in, as the last complete cycle knew them, path to object id
	// (ENGINE 10): those of unknown content (symlink, submodule, LFS pointer, oversize), and those in unmanaged/ and
	// raw/ that hold resources. Not renewed while something is missing that a new one may hold.
	Opaque map[string]string
	// Pause stops all writing until approved (second App, suspected restore, a waiting pairing); nil when running.
	Pause *Pause
	// Direction is the direction policy's fingerprint of the last plan, to notice a change (ENGINE 21).
	Direction string
	// MarkerSeen is true once the structure marker was seen; its disappearance is guarded (ENGINE 19).
	MarkerSeen bool
}

// Resource is what is remembered about one identity.
type Resource struct {
	ID  int64 // ours, given by the store on first save; 0 before
	Key Key
	// Exists is base's view of the existence path: both sides agreed that the resource is there.
	Exists bool
	// Git and NetBox are the halves of base: bodies of the shape {"spec","metadata":{"labels","annotations"}}.
	Git, NetBox manifests.Object
	// Unsettled are paths whose base is unknown: first contact found them unequal (ENGINE 14). Sorted.
	Unsettled []string
	// PK is the NetBox object's primary key when base was agreed, LastUpdated what our last answer or listing held.
	PK          int64
	LastUpdated string
	// NewPK is another object of the same identity that was seen once in place of PK. It becomes PK when a later cycle
	// finds both sides still there: until then a delete in Git may have been meant for the old one (ENGINE 9).
	NewPK int64
	// File is the path the resource has in Git, relative to the fabric directory; DocIndex its document.
	File     string
	DocIndex int
	FileHash string // SHA-256 of the file, 64 hex
	// BaseHead is the head base's Git half was last seen at.
	BaseHead string
	// Written are the latest values we wrote to a path, to notice undoing (ENGINE 22); at most 10 minutes old.
	Written []WrittenPath
	// State is the resource's state for people (INTERFACES): in_sync, pending, conflict, frozen, ...
	State string
	// LastFileSync is when File was last written or confirmed by a cycle; External the last 20 modifications seen.
	LastFileSync time.Time
	External     []Modification
	// Reported frozen cause, empty when not frozen.
	FrozenCode, FrozenMessage string
}

// WrittenPath is a value of ours on one side.
type WrittenPath struct {
	Side Side
	Path string
	From string // hash
	To   string // hash
	At   time.Time
}

// Modification is an outside edit that a cycle saw.
type Modification struct {
	At        time.Time
	Source    Side
	By        string
	CommitSHA string
	RequestID string
	Fields    []string
}

// Side is one of the two sides.
type Side string

const (
	SideGit    Side = "git"
	SideNetBox Side = "netbox"
)

// Other is the opposite side.
func (s Side) Other() Side {
	if s == SideGit {
		return SideNetBox
	}
	return SideGit
}

// Intent is a write that was about to be sent. It is saved before the request and closed when its outcome is known.
type Intent struct {
	ID        string // "<operation>/<n>"
	Operation string
	Side      Side
	Op        Op
	Key       Key
	NewKey    Key // rename; zero otherwise
	// Body is the whole wanted body on Side, Source what the other side held when it was planned: base becomes
	// (Git half, NetBox half) from the two when the write landed. Before is the body it replaces (backup of rollback).
	Body, Source, Before manifests.Object
	Paths                []PathChange
	PK                   int64
	LastUpdated          string // ETag sent
	Head                 string // planned head, for Git
	File                 string
	RequestID            string
	// Undecidable is true when the change log cannot tell whether the write landed (ENGINE 3, unknown_outcome).
	Undecidable bool
	// Answered is true when the write landed and base advanced, but our change rows have not been looked at yet (ENGINE 4).
	Answered bool
	At       time.Time
}

// PathChange is one path of a write: a pinned path text, value before and after (nil and absent differ: see Absent).
type PathChange struct {
	Path     string `json:"path"`
	From     any    `json:"from,omitempty"`
	To       any    `json:"to,omitempty"`
	FromNone bool   `json:"from_absent,omitempty"`
	ToNone   bool   `json:"to_absent,omitempty"`
	// Base is the hash of base's pair at the path when the value was proposed (ENGINE 12); empty for direct writes.
	Base string `json:"base,omitempty"`
	// Detached: the other side does not hold the value; base stays as it is when the write landed.
	Detached bool `json:"detached,omitempty"`
}

// ConflictCode as INTERFACES lists them.
type ConflictCode string

const (
	ConcurrentModification ConflictCode = "concurrent_modification"
	DeleteEdit             ConflictCode = "delete_edit"
	BothExist              ConflictCode = "both_exist"
	DuplicateIdentity      ConflictCode = "duplicate_identity"
	FileStructure          ConflictCode = "file_structure"
	SchemaConflict         ConflictCode = "schema"
	ReferenceConflict      ConflictCode = "reference"
	Refused                ConflictCode = "refused"
	PermissionConflict     ConflictCode = "permission"
	MergeInvalid           ConflictCode = "merge_invalid"
	HistoryRewritten       ConflictCode = "history_rewritten"
	UnknownOutcome         ConflictCode = "unknown_outcome"
	Vanished               ConflictCode = "vanished"
	DriftCode              ConflictCode = "drift"
	Fight                  ConflictCode = "fight"
	Declined               ConflictCode = "declined"
)

// Conflict is one open conflict of one path of one resource (Path empty: the resource's existence).
type Conflict struct {
	ID     int64 // ours, given by the store
	Number int   // per fabric: C12
	Key    Key
	Code   ConflictCode
	Path   string
	// The three values, and which of them are absent. Hashes bind decisions.
	Base, Git, NetBox             any
	BaseNone, GitNone, NetBoxNone bool
	BaseHash, GitHash, NetBoxHash string
	File                          string // repository path below the fabric directory
	Line                          int
	Message                       string
	DetectedAt                    time.Time
	GitBy, NetBoxBy               *Modification // shown, never used to decide
	Options                       []string      // decisions valid for it: netbox, git, merge
	MovedTo                       int           // set when closed because its hashes moved: the number that replaced it
	Closed                        time.Time     // zero while open
	Resolution                    string        // why it was closed: equal, decided, moved, gone
}

// Decision is a person's choice for a conflict, bound to its hashes.
type Decision struct {
	ID                            string
	Key                           Key
	Path                          string
	Choice                        string // netbox | git
	BaseHash, GitHash, NetBoxHash string
	By, Source                    string
	At                            time.Time
}

// Approval lets exactly the guarded actions of one plan hash pass, or ends a pause.
type Approval struct {
	Hash         string
	Fingerprints []string
	By           string
	At           time.Time
}

// Waiting is what a plan holds back. Hash is what a person approves.
type Waiting struct {
	Hash    string
	Actions []WaitingAction
}

// WaitingAction is one held back action.
type WaitingAction struct {
	Action      string `json:"action"` // "delete vpc/x in NetBox", or "pause"
	Resource    string `json:"resource"`
	Reason      string `json:"reason"`
	Fingerprint string `json:"fingerprint"`
	Key         Key    `json:"-"`
}

// Cursor is a place in NetBox's change log.
type Cursor struct {
	ID        int64
	Time      time.Time
	RequestID string
}

// DoneDelete is a delete carried out, for the guard's window.
type DoneDelete struct {
	From Side // the side the delete was seen on
	Key  Key
	At   time.Time
}

// Undo is one time a write of ours was undone.
type Undo struct {
	Key  Key
	Path string
	At   time.Time
}

// Refusal is a refused write.
type Refusal struct {
	Key         Key
	ContentHash string // of the wanted body
	RefsHash    string // of the bodies of the resources it references
	Message     string
	Code        ConflictCode // refused or permission
	Attempts    int
	RetryAt     time.Time
}

// Dropped is a path whose Git value is an old one because history was rewritten.
type Dropped struct {
	Key     Key
	Path    string
	GitHash string
}

// Overwritten is a value that our write replaced without having planned on it.
type Overwritten struct {
	Key   Key
	Path  string
	Value any
	None  bool
	// Wrote is the hash of what was written instead. The conflict ends by a decision, or when the value is back.
	Wrote string
	At    time.Time
}

// Proposed is one pull request of ours.
type Proposed struct {
	Branch   string
	Number   int // 0 until an answer gave it
	URL      string
	Conflict int // number of the conflict it shows, 0 for the rolling one
	Key      Key // whose conflict it is; zero for the rolling one
	// Tip is the branch's newest commit as we wrote it. Changes tells what it proposes, to see whether that moved.
	Tip, Changes string
	// Commits are ours, oldest first, at most 20; Sending are those whose answer has not come.
	Commits, Sending []ProposedCommit
	// Theirs: people pushed to it, and it is left alone.
	Theirs bool
	// Withdrawing: we are closing it, so that finding it closed declines nothing.
	Withdrawing bool
}

// ProposedCommit is one commit of a pull request and what it proposes.
type ProposedCommit struct {
	OID       string
	Operation string
	Changes   string
	Intents   []*Intent
	Decisions []string // spent when it is merged
}

// DeclinedValue is a change to Git that a person declined by closing its pull request. It holds until either value moves.
type DeclinedValue struct {
	Key      Key
	Path     string
	From, To string // hashes of what Git holds and of what was proposed
	Number   int    // the pull request
	At       time.Time
}

// Pause codes.
const (
	PauseSecondApp = "second_app"
	PauseRestore   = "restore_suspected"
	PausePairing   = "pairing"
	PauseUser      = "paused"
)

// Pause is a stop of all writing.
type Pause struct {
	Code    string
	Message string
	Hash    string // what approve takes
	At      time.Time
}

// Update is one transaction. Nil and empty fields change nothing.
type Update struct {
	Epoch int64

	Head, DirTree, ConfigBlob *string
	StaleSince                *time.Time
	Contact                   *bool
	PutResources              []*Resource
	DropResources             []Key
	PutIntents                []*Intent
	DropIntents               []string
	PutConflicts              []*Conflict // new or changed; Closed set = closed and kept as history
	NextConflict              *int
	DropDecisions             []string // consumed or void
	PutDecisions              []*Decision
	PutApprovals              []*Approval
	DropApprovals             []string
	Waiting                   *Waiting         // an empty Waiting (no actions) clears
	DoneScope                 map[string]int64 // remove where the stored sequence is at most this
	AddScope                  []string
	Cursor                    *Cursor
	FullCompareAt             *time.Time
	Deletes                   *[]DoneDelete
	Undos                     *[]Undo
	PutRefusals               []*Refusal
	DropRefusals              []Key
	PutDropped                []*Dropped
	DropDropped               []string
	PutOverwritten            []*Overwritten
	PutProposed               []*Proposed
	DropProposed              []string // by branch
	PutDeclined               []*DeclinedValue
	DropDeclined              []string
	DropOverwritten           []string
	Opaque                    *map[string]string
	Pause                     *Pause
	EndPause                  bool
	Direction                 *string
	MarkerSeen                *bool
	// Operation is stored or replaced by its ID.
	Operation *Operation
	// Status is the fabric's line in /api/status.
	Status *Status
}

// Operation is the durable record of one cycle or command that did something.
type Operation struct {
	ID                                                                          string
	Type                                                                        string // INTERFACES: gui_to_github, github_to_gui, bidirectional, directory_init, ingestion, ...
	Status                                                                      string // pending in_progress completed failed cancelled
	StartedAt, CompletedAt                                                      time.Time
	FilesProcessed, FilesCreated, FilesUpdated, FilesDeleted, ConflictsResolved int
	CommitSHA, PullRequestURL                                                   string
	Source, Login                                                               string // initiated_by
	ErrorMessage                                                                string
	Errors                                                                      []manifests.Diagnostic
	PlanHash                                                                    string
	Details                                                                     map[string]any
	Changes                                                                     []OperationChange // kept 90 days
}

// OperationChange is one touched path with its value before and after, on the side it was written to.
type OperationChange struct {
	Side     Side       `json:"side"`
	Op       Op         `json:"op"`
	Resource string     `json:"resource"`
	Key      Key        `json:"key"`
	Change   PathChange `json:"change"`
}

// Status is what /api/status says about one fabric.
type Status struct {
	State      string // equal|pending|conflict|guard|paused|error
	Head       string
	PlanHash   string
	Waiting    []WaitingAction
	VerifiedAt time.Time // when all kinds in scope were last found equal (or explained); zero before
	Conflicts  int
	Frozen     []FrozenStatus
	Message    string // for state error and paused
	// Diagnostics of the newest cycle: files and structure.
	Diagnostics []manifests.Diagnostic
	// Proposals are our pull requests that wait for people.
	Proposals []ProposalStatus `json:",omitempty"`
}

// ProposalStatus is one of our open pull requests. Conflict is the number of the conflict it shows, 0 for the rolling
// one. Theirs: people pushed to it, so it is left to them.
type ProposalStatus struct {
	Number   int
	URL      string
	Branch   string
	Conflict int
	Theirs   bool
}

// FrozenStatus is one frozen resource.
type FrozenStatus struct {
	Resource string `json:"resource"`
	Code     string `json:"code"`
	Message  string `json:"message"`
	// File and Line say where to look, relative to the fabric directory; empty when the cause is not in a file.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}
