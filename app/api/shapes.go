package api

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/manifests"
)

// Status is the answer of GET /api/status.
type Status struct {
	// Queue counts deliveries and jobs that wait or run; 0 when everything that was asked for is done.
	Queue   int      `json:"queue"`
	Fabrics []Fabric `json:"fabrics"` // by NetBox connection and name
	// Repositories with something wrong in their configuration.
	Repositories []Repository `json:"repositories,omitempty"`
	// Missing are rights that GitHub refused; the rest works on.
	Missing []Missing `json:"missing,omitempty"`
	// PullRequests are those that could not be evaluated yet.
	PullRequests []PullRequest `json:"pull_requests,omitempty"`
	// Unconfigured are NetBox fabrics that no configuration names.
	Unconfigured []Unconfigured `json:"unconfigured,omitempty"`
}

// Fabric is one fabric's line.
type Fabric struct {
	NetBox        string                 `json:"netbox"`
	NetBoxID      int64                  `json:"netbox_id"`
	Repository    string                 `json:"repository"`
	Directory     string                 `json:"directory"`
	Branch        string                 `json:"branch"`
	Name          string                 `json:"name"`
	Head          string                 `json:"head"`
	State         string                 `json:"state"` // equal|pending|conflict|guard|paused|error
	PlanHash      string                 `json:"plan_hash"`
	Waiting       []Waiting              `json:"waiting"`
	VerifiedAt    *time.Time             `json:"verified_at"` // null before everything was compared once
	OpenConflicts int                    `json:"open_conflicts"`
	Frozen        []gitops.FrozenStatus  `json:"frozen"`
	Message       string                 `json:"message,omitempty"`
	Running       bool                   `json:"running"`
	Diagnostics   []manifests.Diagnostic `json:"diagnostics,omitempty"`
}

// Waiting is one thing that waits, and why.
type Waiting struct {
	Action   string `json:"action"`
	Resource string `json:"resource"`
	Reason   string `json:"reason"`
}

// Repository is one repository whose configuration has problems.
type Repository struct {
	Repository string                 `json:"repository"`
	Problems   []manifests.Diagnostic `json:"problems"`
}

// Unconfigured is a NetBox fabric that no configuration names, with the lines that would.
type Unconfigured struct {
	NetBox   string `json:"netbox"`
	NetBoxID int64  `json:"netbox_id"`
	Name     string `json:"name"`
	Lines    string `json:"lines"`
}

// Conflicts is the answer of GET …/fabrics/{id}/conflicts/.
type Conflicts struct {
	Conflicts      []Conflict `json:"conflicts"` // by number
	TotalConflicts int        `json:"total_conflicts"`
}

// Conflict is one open conflict.
type Conflict struct {
	ID                int64     `json:"id"`
	Number            int       `json:"number"` // C12
	ResourceID        int64     `json:"resource_id"`
	ResourceName      string    `json:"resource_name"`
	Kind              string    `json:"kind"`
	Namespace         string    `json:"namespace"`
	ConflictType      string    `json:"conflict_type"` // concurrent_modification|file_structure|schema|permission
	Code              string    `json:"code"`
	Status            string    `json:"status"` // detected|resolving
	DetectedAt        time.Time `json:"detected_at"`
	Message           string    `json:"message,omitempty"`
	Fields            []Field   `json:"fields"`
	Details           Details   `json:"details"`
	ResolutionOptions []string  `json:"resolution_options"`
}

// Field is one path with its three values.
type Field struct {
	Path   string `json:"path"` // empty: the resource's existence
	Base   Value  `json:"base"`
	Git    Value  `json:"git"`
	NetBox Value  `json:"netbox"`
	File   string `json:"file"`
	Line   int    `json:"line"`
}

// Value is a JSON value, or none: an absent one is null, as for the engine, to which both are the same.
type Value struct {
	Value  any
	Absent bool
}

// MarshalJSON writes the value, null for none.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.Absent {
		return []byte("null"), nil
	}
	return json.Marshal(v.Value)
}

// UnmarshalJSON reads a value; numbers stay exact.
func (v *Value) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v.Value); err != nil {
		return err
	}
	v.Absent = v.Value == nil
	return nil
}

// Details is when and by whom each side was changed; shown, never used to decide.
type Details struct {
	GUIModification    *Modification `json:"gui_modification"`
	GitHubModification *Modification `json:"github_modification"`
	ConflictingFields  []string      `json:"conflicting_fields"`
}

// Modification is one side's last edit.
type Modification struct {
	At time.Time `json:"at"`
	By string    `json:"by"`
}

// SyncRequest is the body of POST …/sync/. All keys may be missing, and so may the body.
type SyncRequest struct {
	Direction          string `json:"direction"`           // bidirectional
	Force              bool   `json:"force"`               // false: nothing is ever forced
	CreatePR           bool   `json:"create_pr"`           // false
	ConflictResolution string `json:"conflict_resolution"` // merge or user_guided
}

// Started is the answer of POST …/sync/.
type Started struct {
	OperationID       string `json:"operation_id"`
	Status            string `json:"status"`
	ConflictsDetected int    `json:"conflicts_detected"`
	WebhookURL        string `json:"webhook_url"` // where its state is read; the specification's name
}

// ApproveRequest is the body of POST …/approve/.
type ApproveRequest struct {
	PlanHash string `json:"plan_hash"`
}

// Approved is the answer of POST …/approve/.
type Approved struct {
	OperationID string    `json:"operation_id"`
	Status      string    `json:"status"`
	PlanHash    string    `json:"plan_hash"`
	Approved    []Waiting `json:"approved"`
}

// Operation is the answer of GET …/sync-operations/{id}/.
type Operation struct {
	OperationID       string                   `json:"operation_id"`
	NetBox            string                   `json:"netbox"`
	Fabric            int64                    `json:"fabric"` // primary key in NetBox
	Type              string                   `json:"type"`
	Status            string                   `json:"status"`
	StartedAt         time.Time                `json:"started_at"`
	CompletedAt       *time.Time               `json:"completed_at"`
	Summary           Summary                  `json:"summary"`
	GitHubIntegration GitHubIntegration        `json:"github_integration"`
	InitiatedBy       InitiatedBy              `json:"initiated_by"`
	ErrorMessage      string                   `json:"error_message"`
	Errors            []manifests.Diagnostic   `json:"errors"`
	PlanHash          string                   `json:"plan_hash"`
	Details           map[string]any           `json:"details"`
	Changes           []gitops.OperationChange `json:"changes,omitempty"`
}

// Ended says whether the operation's status is final.
func (o Operation) Ended() bool {
	return o.Status == "completed" || o.Status == "failed" || o.Status == "cancelled"
}

// Summary counts what an operation did.
type Summary struct {
	FilesProcessed    int `json:"files_processed"`
	FilesCreated      int `json:"files_created"`
	FilesUpdated      int `json:"files_updated"`
	FilesDeleted      int `json:"files_deleted"`
	ConflictsResolved int `json:"conflicts_resolved"`
}

// GitHubIntegration is what an operation left on GitHub.
type GitHubIntegration struct {
	CommitSHA      string `json:"commit_sha"`
	PullRequestURL string `json:"pull_request_url"`
}

// InitiatedBy is who asked for an operation.
type InitiatedBy struct {
	Source string `json:"source"`
	Login  string `json:"login"`
}

// Error is the body of every answer that is no success.
type Error struct {
	Detail string `json:"detail"`
	Code   string `json:"code"`
}

// Missing is what GitHub does not let the App do in one repository.
type Missing struct {
	Repository string   `json:"repository"`
	Rights     []string `json:"rights"` // what cannot be done: GitHub's reason
}

// PullRequest is one that waits to be evaluated, and why. Until is when it is tried again after a limit.
type PullRequest struct {
	Repository string     `json:"repository"`
	Number     int        `json:"number"`
	Problem    string     `json:"problem"`
	Until      *time.Time `json:"until,omitempty"`
}
