package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// SyncRequest says that a fabric may be out of step. Kinds go into the ledger's scope. Full, Ingest, Init and
// Operation ask for something particular and are kept until a cycle that saw them has finished; requests without any
// of these only raise the counter.
type SyncRequest struct {
	Fabric             int64
	Kinds              []string
	Full, Ingest, Init bool
	// Operation is the id already given to a caller.
	Operation string
	// Source is github, netbox, api, timer or command; Login the person, when known.
	Source, Login string
}

// RequestSync raises the fabric's generation, in the caller's transaction, and returns it: a cycle that has finished that
// generation has seen this request. It locks the fabric's row first, so insert the job after it. At most one cycle
// runs and at most one waits, whatever the number of requests: the waiting half is this counter, not a second job.
func (s *Store) RequestSync(ctx context.Context, tx *sql.Tx, r SyncRequest) (int64, error) {
	gen, err := one(ctx, tx, column[int64], `
INSERT INTO fabric_sync (fabric, requested, done, source, login, requested_at) VALUES ($1, 1, 0, $2, $3, $4)
ON CONFLICT (fabric) DO UPDATE SET requested = fabric_sync.requested + 1, source = excluded.source, login = excluded.login,
    requested_at = excluded.requested_at
RETURNING requested`, r.Fabric, r.Source, r.Login, micros(s.now()))
	if err != nil {
		return 0, fmt.Errorf("request sync of fabric %d: %w", r.Fabric, err)
	}
	for _, kind := range r.Kinds {
		if err := raiseScope(ctx, tx, r.Fabric, kind, gen); err != nil {
			return 0, fmt.Errorf("put %s into scope of fabric %d: %w", kind, r.Fabric, err)
		}
	}
	if !r.Full && !r.Ingest && !r.Init && r.Operation == "" {
		return gen, nil
	}
	_, err = exec(ctx, tx, `INSERT INTO sync_requests (fabric, generation, whole, ingest, init, operation, source, login)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, r.Fabric, gen, r.Full, r.Ingest, r.Init, r.Operation, r.Source, r.Login)
	if err != nil {
		return 0, fmt.Errorf("keep request for fabric %d: %w", r.Fabric, err)
	}
	return gen, nil
}

// raiseScope puts a kind into scope with a sequence number, or gives it a larger one than it has, whichever that is:
// a cycle that loaded the smaller number cannot call the kind done.
func raiseScope(ctx context.Context, tx *sql.Tx, fabric int64, kind string, seq int64) error {
	_, err := exec(ctx, tx, `INSERT INTO scope (fabric, kind, seq) VALUES ($1, $2, $3)
		ON CONFLICT (fabric, kind) DO UPDATE SET seq = CASE WHEN scope.seq < excluded.seq THEN excluded.seq ELSE scope.seq + 1 END`, fabric, kind, seq)
	return err
}

// PendingSync is what a cycle of a fabric is to do.
type PendingSync struct {
	// Requested is the newest generation, Done the last finished one; equal when nothing is asked for.
	Requested, Done int64
	// Source and Login are those of the newest request.
	Source, Login string
	// Requests are the particular ones up to Requested, oldest first.
	Requests []SyncRequest
}

// Request merges everything asked for into what a cycle takes. The operation id is the oldest one that was given out;
// Operations lists them all.
func (p PendingSync) Request() gitops.Request {
	r := gitops.Request{Source: p.Source, Login: p.Login}
	for _, q := range p.Requests {
		r.Full, r.Ingest, r.Init = r.Full || q.Full, r.Ingest || q.Ingest, r.Init || q.Init
		if r.Operation == "" && q.Operation != "" {
			r.Operation, r.Source, r.Login = q.Operation, q.Source, q.Login
		}
	}
	return r
}

// Operations are the operation ids given out, oldest first.
func (p PendingSync) Operations() []string {
	var ids []string
	for _, q := range p.Requests {
		if q.Operation != "" && !slices.Contains(ids, q.Operation) {
			ids = append(ids, q.Operation)
		}
	}
	return ids
}

// PendingSync reads what is asked of a fabric; read it before the cycle starts and hand Requested to FinishSync.
func (s *Store) PendingSync(ctx context.Context, fabric int64) (PendingSync, error) {
	var p PendingSync
	err := s.snapshot(ctx, fmt.Sprintf("read requests of fabric %d", fabric), func(q querier) error {
		list, err := all(ctx, q, func(scan scanner) (p PendingSync, err error) {
			return p, scan(&p.Requested, &p.Done, &p.Source, &p.Login)
		}, `SELECT requested, done, source, login FROM fabric_sync WHERE fabric = $1`, fabric)
		if err != nil || len(list) == 0 {
			return err
		}
		p = list[0]
		p.Requests, err = all(ctx, q, func(scan scanner) (r SyncRequest, err error) {
			r.Fabric = fabric
			return r, scan(&r.Full, &r.Ingest, &r.Init, &r.Operation, &r.Source, &r.Login)
		}, `SELECT whole, ingest, init, operation, source, login FROM sync_requests WHERE fabric = $1 AND generation <= $2 ORDER BY id`,
			fabric, p.Requested)
		return err
	})
	return p, err
}

// FinishSync records, in the caller's transaction, that the generation was worked on, and returns the newest requested
// one: when it is larger, something was asked for meanwhile and the caller queues another cycle in the same transaction.
func (s *Store) FinishSync(ctx context.Context, tx *sql.Tx, fabric, generation int64) (requested int64, err error) {
	requested, err = one(ctx, tx, column[int64], `UPDATE fabric_sync SET done = CASE WHEN done < $2 THEN $2 ELSE done END
		WHERE fabric = $1 RETURNING requested`, fabric, generation)
	if err != nil {
		return 0, fmt.Errorf("finish sync of fabric %d: %w", fabric, err)
	}
	if _, err := exec(ctx, tx, `DELETE FROM sync_requests WHERE fabric = $1 AND generation <= $2`, fabric, generation); err != nil {
		return 0, fmt.Errorf("finish sync of fabric %d: %w", fabric, err)
	}
	return requested, nil
}

// FabricsBehind lists the active fabrics with requests that no cycle has finished, ascending: what is queued at boot.
func (s *Store) FabricsBehind(ctx context.Context) ([]int64, error) {
	ids, err := all(ctx, s.read, column[int64], `SELECT f.id FROM fabrics f JOIN fabric_sync y ON y.fabric = f.id
		WHERE f.active = true AND y.requested > y.done ORDER BY f.id`)
	if err != nil {
		return nil, fmt.Errorf("list fabrics behind: %w", explain(err))
	}
	return ids, nil
}
