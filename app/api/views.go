package api

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/hnp-sync/hnp-sync/app/jobs"
	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/manifests"
)

// states of a fabric that the jobs know of, not the engine.
const (
	statePending = "pending"
	stateError   = "error"
)

// statusFor is the status as a caller may see it.
func (a *API) statusFor(ctx context.Context, caller Caller) (Status, error) {
	out := Status{Fabrics: []Fabric{}}
	// Deliveries before jobs: a delivery ends in the transaction that queues its job, so work is never between the two.
	inbox, err := a.Store.InboxCounts(ctx)
	if err != nil {
		return out, err
	}
	queued, err := a.Jobs.Queue(ctx)
	if err != nil {
		return out, err
	}
	out.Queue = inbox.Waiting + inbox.Running + queued
	fabrics, err := a.Store.Fabrics(ctx)
	if err != nil {
		return out, err
	}
	statuses, err := a.Store.Statuses(ctx)
	if err != nil {
		return out, err
	}
	seen := map[int64]bool{}
	for _, f := range fabrics {
		if caller.sees(f.Connection) {
			seen[f.RepositoryID] = true
			out.Fabrics = append(out.Fabrics, fabricOf(f, statuses[f.ID], a.Jobs.Overlay(f.ID)))
		}
	}
	slices.SortFunc(out.Fabrics, func(x, y Fabric) int {
		return cmp.Or(cmp.Compare(x.NetBox, y.NetBox), cmp.Compare(x.Name, y.Name), cmp.Compare(x.NetBoxID, y.NetBoxID))
	})
	repositories, err := a.Store.Repositories(ctx)
	if err != nil {
		return out, err
	}
	for _, r := range repositories {
		if len(r.Diagnostics) > 0 && (caller.API || seen[r.ID]) {
			out.Repositories = append(out.Repositories, Repository{Repository: r.Owner + "/" + r.Name, Problems: r.Diagnostics})
		}
	}
	waiting, err := a.Store.WaitingPullRequests(ctx)
	if err != nil {
		return out, err
	}
	missing := a.Jobs.Missing()
	for _, r := range repositories {
		if !caller.API && !seen[r.ID] {
			continue
		}
		if rights := missing[r.ID]; len(rights) > 0 {
			out.Missing = append(out.Missing, Missing{Repository: r.Owner + "/" + r.Name, Rights: rights})
		}
		for _, p := range waiting {
			if p.RepositoryID == r.ID {
				out.PullRequests = append(out.PullRequests, PullRequest{Repository: r.Owner + "/" + r.Name, Number: p.Number, Problem: p.Problem, Until: timeOrNull(p.ParkedUntil)})
			}
		}
	}
	for connection, list := range a.Jobs.Unpaired() {
		if !caller.sees(connection) {
			continue
		}
		for _, n := range list {
			out.Unconfigured = append(out.Unconfigured, Unconfigured{NetBox: connection, NetBoxID: n.ID, Name: n.Name, Lines: jobs.PasteLines(connection, n)})
		}
	}
	slices.SortFunc(out.Unconfigured, func(x, y Unconfigured) int {
		return cmp.Or(cmp.Compare(x.NetBox, y.NetBox), cmp.Compare(x.NetBoxID, y.NetBoxID))
	})
	return out, nil
}

func fabricOf(f store.Fabric, st store.FabricStatus, o jobs.Overlay) Fabric {
	out := Fabric{NetBox: f.Connection, NetBoxID: f.NetBoxID, Repository: f.Owner + "/" + f.Repository, Directory: f.Directory, Branch: f.Branch,
		Name: f.Policy.Name, Head: st.Head, State: st.State, PlanHash: st.PlanHash, Waiting: []Waiting{}, OpenConflicts: st.Conflicts,
		Frozen: st.Frozen, Message: st.Message, Running: o.Running, Diagnostics: st.Diagnostics, VerifiedAt: timeOrNull(st.VerifiedAt)}
	if out.State == "" {
		out.State = statePending
	}
	if out.Frozen == nil {
		out.Frozen = []gitops.FrozenStatus{}
	}
	for _, w := range st.Waiting {
		out.Waiting = append(out.Waiting, Waiting{Action: w.Action, Resource: w.Resource, Reason: w.Reason})
	}
	switch {
	case o.Why != "":
		out.State = statePending
		out.Waiting = append(out.Waiting, Waiting{Action: "wait until " + o.Until.UTC().Format(time.RFC3339), Reason: o.Why})
	case o.Failure != "":
		out.State, out.Message = stateError, o.Failure
	}
	return out
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func operationOf(op store.StoredOperation, f store.Fabric) Operation {
	out := Operation{OperationID: op.ID, NetBox: f.Connection, Fabric: f.NetBoxID, Type: op.Type, Status: op.Status, StartedAt: op.StartedAt.UTC(),
		CompletedAt: timeOrNull(op.CompletedAt), ErrorMessage: op.ErrorMessage, Errors: op.Errors, PlanHash: op.PlanHash, Details: op.Details, Changes: op.Changes,
		Summary: Summary{FilesProcessed: op.FilesProcessed, FilesCreated: op.FilesCreated, FilesUpdated: op.FilesUpdated,
			FilesDeleted: op.FilesDeleted, ConflictsResolved: op.ConflictsResolved},
		GitHubIntegration: GitHubIntegration{CommitSHA: op.CommitSHA, PullRequestURL: op.PullRequestURL},
		InitiatedBy:       InitiatedBy{Source: op.Source, Login: op.Login}}
	if out.Errors == nil {
		out.Errors = []manifests.Diagnostic{}
	}
	if out.Details == nil {
		out.Details = map[string]any{}
	}
	return out
}

func conflictOf(c gitops.Conflict, resourceID int64) Conflict {
	out := Conflict{ID: c.ID, Number: c.Number, ResourceID: resourceID, ResourceName: c.Key.Name, Kind: c.Key.Kind, Namespace: c.Key.Namespace,
		ConflictType: ConflictType(c.Code), Code: string(c.Code), Status: "detected", DetectedAt: c.DetectedAt.UTC(), Message: c.Message,
		Fields:            []Field{{Path: c.Path, Base: Value{c.Base, c.BaseNone}, Git: Value{c.Git, c.GitNone}, NetBox: Value{c.NetBox, c.NetBoxNone}, File: c.File, Line: c.Line}},
		Details:           Details{GUIModification: modificationOf(c.NetBoxBy), GitHubModification: modificationOf(c.GitBy), ConflictingFields: []string{c.Path}},
		ResolutionOptions: []string{}}
	for _, o := range c.Options {
		out.ResolutionOptions = append(out.ResolutionOptions, restDecision(o))
	}
	return out
}

func modificationOf(m *gitops.Modification) *Modification {
	if m == nil {
		return nil
	}
	return &Modification{At: m.At.UTC(), By: m.By}
}

// restDecision is a decision in the REST API's spelling.
func restDecision(option string) string {
	switch option {
	case "netbox":
		return "gui_value"
	case "git":
		return "github_value"
	}
	return option
}

// ConflictType is the specification's type of a conflict code.
func ConflictType(code gitops.ConflictCode) string {
	switch code {
	case gitops.FileStructure, gitops.DuplicateIdentity:
		return "file_structure"
	case gitops.SchemaConflict, gitops.ReferenceConflict, gitops.MergeInvalid:
		return "schema"
	case gitops.PermissionConflict, gitops.Refused:
		return "permission"
	}
	return "concurrent_modification"
}
