package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// ChangesKept is how long the values before and after of an operation are kept.
const ChangesKept = 90 * 24 * time.Hour

// putOperation stores or replaces an operation and its changes.
func putOperation(ctx context.Context, tx *sql.Tx, fabric int64, op *gitops.Operation) error {
	errs, err := encode(op.Errors)
	if err != nil {
		return err
	}
	details, err := encode(op.Details)
	if err != nil {
		return err
	}
	changes, err := encode(op.Changes)
	if err != nil {
		return err
	}
	n, err := exec(ctx, tx, `
INSERT INTO operations (id, fabric, type, status, started_at, completed_at, files_processed, files_created, files_updated, files_deleted,
    conflicts_resolved, commit_sha, pull_request_url, source, login, error_message, errors, plan_hash, details)
VALUES (`+placeholders(1, 19)+`)
ON CONFLICT (id) DO UPDATE SET type = excluded.type, status = excluded.status, started_at = excluded.started_at, completed_at = excluded.completed_at,
    files_processed = excluded.files_processed, files_created = excluded.files_created, files_updated = excluded.files_updated,
    files_deleted = excluded.files_deleted, conflicts_resolved = excluded.conflicts_resolved, commit_sha = excluded.commit_sha,
    pull_request_url = excluded.pull_request_url, source = excluded.source, login = excluded.login, error_message = excluded.error_message,
    errors = excluded.errors, plan_hash = excluded.plan_hash, details = excluded.details
WHERE operations.fabric = excluded.fabric`,
		op.ID, fabric, op.Type, op.Status, micros(op.StartedAt), micros(op.CompletedAt), op.FilesProcessed, op.FilesCreated, op.FilesUpdated,
		op.FilesDeleted, op.ConflictsResolved, op.CommitSHA, op.PullRequestURL, op.Source, op.Login, op.ErrorMessage, errs, op.PlanHash, details)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("operation %s belongs to another fabric", op.ID)
	}
	if len(op.Changes) == 0 {
		_, err = exec(ctx, tx, `DELETE FROM operation_changes WHERE operation = $1`, op.ID)
		return err
	}
	_, err = exec(ctx, tx, `INSERT INTO operation_changes (operation, started_at, body) VALUES ($1, $2, $3)
		ON CONFLICT (operation) DO UPDATE SET started_at = excluded.started_at, body = excluded.body`, op.ID, micros(op.StartedAt), changes)
	return err
}

// PutOperation stores or replaces an operation outside a cycle, in the caller's transaction: the pending one whose id a
// caller is given, or one that failed before its cycle could.
func (s *Store) PutOperation(ctx context.Context, tx *sql.Tx, fabric int64, op *gitops.Operation) error {
	if err := putOperation(ctx, tx, fabric, op); err != nil {
		return fmt.Errorf("store operation %s: %w", op.ID, err)
	}
	return nil
}

// StoredOperation is an operation with its fabric.
type StoredOperation struct {
	Fabric int64
	gitops.Operation
}

const selectOperation = `SELECT id, fabric, type, status, started_at, completed_at, files_processed, files_created, files_updated, files_deleted,
	conflicts_resolved, commit_sha, pull_request_url, source, login, error_message, errors, plan_hash, details FROM operations`

func scanOperation(scan scanner) (o StoredOperation, err error) {
	var started, completed int64
	var errs, details string
	if err := scan(&o.ID, &o.Fabric, &o.Type, &o.Status, &started, &completed, &o.FilesProcessed, &o.FilesCreated, &o.FilesUpdated, &o.FilesDeleted,
		&o.ConflictsResolved, &o.CommitSHA, &o.PullRequestURL, &o.Source, &o.Login, &o.ErrorMessage, &errs, &o.PlanHash, &details); err != nil {
		return o, err
	}
	o.StartedAt, o.CompletedAt = fromMicros(started), fromMicros(completed)
	if err := decode(errs, &o.Errors); err != nil {
		return o, err
	}
	return o, decode(details, &o.Details)
}

// Operation reads one operation with its changes (none once they are pruned); ErrNotFound.
func (s *Store) Operation(ctx context.Context, id string) (o StoredOperation, err error) {
	err = s.snapshot(ctx, "read operation "+id, func(q querier) error {
		if o, err = one(ctx, q, scanOperation, selectOperation+` WHERE id = $1`, id); err != nil {
			return err
		}
		list, err := all(ctx, q, column[string], `SELECT body FROM operation_changes WHERE operation = $1`, id)
		if err != nil || len(list) == 0 {
			return err
		}
		return decode(list[0], &o.Changes)
	})
	return o, err
}

// Operations lists the newest operations of a fabric, newest first, without their changes.
func (s *Store) Operations(ctx context.Context, fabric int64, limit int) ([]StoredOperation, error) {
	list, err := all(ctx, s.read, scanOperation, selectOperation+` WHERE fabric = $1 ORDER BY started_at DESC, id DESC LIMIT $2`, fabric, limit)
	if err != nil {
		return nil, fmt.Errorf("list operations of fabric %d: %w", fabric, explain(err))
	}
	return list, nil
}

// PruneChanges forgets the values before and after of operations that started before a time; the operations stay.
func (s *Store) PruneChanges(ctx context.Context, before time.Time) (int64, error) {
	var n int64
	err := s.Tx(ctx, "operations.prune", func(tx *sql.Tx) (err error) {
		n, err = exec(ctx, tx, `DELETE FROM operation_changes WHERE started_at < $1`, micros(before))
		return err
	})
	return n, err
}
