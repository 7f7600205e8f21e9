package jobs

import (
	"context"
	"database/sql"
	"errors"
	"maps"

	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/gitops"
)

// Status words of an operation.
const (
	statusInProgress = "in_progress"
	statusCompleted  = "completed"
	statusFailed     = "failed"
)

// Sync promises an operation that brings a fabric in step, and returns its id. Everything is compared.
func (m *Manager) Sync(ctx context.Context, fabric int64, login string) (operation string, err error) {
	return m.promise(ctx, store.SyncRequest{Fabric: fabric, Full: true, Source: "api", Login: login}, nil)
}

// Approve lets pass what waits under the hash, and promises the operation that carries it out.
// store.ErrNotWaiting when nothing does.
func (m *Manager) Approve(ctx context.Context, fabric int64, hash, by string) (operation string, approval *gitops.Approval, err error) {
	operation, err = m.promise(ctx, store.SyncRequest{Fabric: fabric, Full: true, Source: "api", Login: by}, func(tx *sql.Tx) (err error) {
		approval, err = m.Store.Approve(ctx, tx, fabric, hash, by)
		return err
	})
	return operation, approval, err
}

// promise stores an operation, what else belongs to it, and the request for its cycle in one transaction.
func (m *Manager) promise(ctx context.Context, r store.SyncRequest, also func(tx *sql.Tx) error) (string, error) {
	now := m.Clock.Now().UTC()
	r.Operation = m.NewOperation(now)
	err := m.Store.Tx(ctx, "jobs.promise", func(tx *sql.Tx) error {
		if also != nil {
			if err := also(tx); err != nil {
				return err
			}
		}
		if err := m.Store.PutOperation(ctx, tx, r.Fabric, &gitops.Operation{ID: r.Operation, Type: "bidirectional", Status: statusInProgress,
			StartedAt: now, Source: r.Source, Login: r.Login}); err != nil {
			return err
		}
		return m.requestTx(ctx, tx, r)
	})
	return r.Operation, err
}

// endedOperations are the promised operations as they end. The one the engine wrote under its promised id is left to
// it; the others did the same by joining its cycle.
func (m *Manager) endedOperations(ctx context.Context, pending store.PendingSync, result *gitops.Result, cause error) ([]*gitops.Operation, error) {
	var out []*gitops.Operation
	for _, id := range pending.Operations() {
		if result != nil && result.Operation != nil && result.Operation.ID == id {
			continue
		}
		stored, err := m.Store.Operation(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		op := stored.Operation
		if op.Status == statusCompleted || op.Status == statusFailed {
			continue
		}
		op.CompletedAt, op.ErrorMessage = m.Clock.Now().UTC(), ""
		switch {
		case cause != nil:
			op.Status, op.ErrorMessage = statusFailed, cause.Error()
		case result != nil:
			op.Status, op.PlanHash = statusCompleted, result.Status.PlanHash
			op.Details = joined(op.Details, result)
			if by := result.Operation; by != nil {
				op.FilesProcessed, op.FilesCreated, op.FilesUpdated, op.FilesDeleted = by.FilesProcessed, by.FilesCreated, by.FilesUpdated, by.FilesDeleted
				op.ConflictsResolved, op.CommitSHA, op.PullRequestURL = by.ConflictsResolved, by.CommitSHA, by.PullRequestURL
			}
		default:
			continue
		}
		out = append(out, &op)
	}
	return out, nil
}

// joined adds to an operation's details what the cycle found and whose writes it shares.
func joined(details map[string]any, r *gitops.Result) map[string]any {
	out := maps.Clone(details)
	if out == nil {
		out = map[string]any{}
	}
	out["state"] = r.Status.State
	if n := len(r.Status.Waiting); n > 0 {
		out["waiting"] = n
	}
	if r.Operation != nil {
		out["joined"] = r.Operation.ID
	}
	return out
}

// noteFailure writes why promised operations have not ended yet.
func (m *Manager) noteFailure(ctx context.Context, fabric int64, pending store.PendingSync, cause error) error {
	for _, id := range pending.Operations() {
		stored, err := m.Store.Operation(ctx, id)
		if err != nil || stored.Status != statusInProgress {
			continue
		}
		op := stored.Operation
		op.ErrorMessage = cause.Error()
		if err := m.Store.Tx(ctx, "jobs.note", func(tx *sql.Tx) error { return m.Store.PutOperation(ctx, tx, fabric, &op) }); err != nil {
			return err
		}
	}
	return nil
}
