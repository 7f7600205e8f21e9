package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/hnp-sync/hnp-sync/handlers"
)

// Claimed is a delivery that a worker has taken. Attempt counts from 1.
type Claimed struct {
	ID      int64
	Attempt int
	handlers.Delivery
}

// ClaimDeliveries takes up to limit waiting deliveries that are due, oldest first, and marks them as running. What a
// crash leaves as running is waiting again after the next Open.
func (s *Store) ClaimDeliveries(ctx context.Context, limit int) ([]Claimed, error) {
	var list []Claimed
	err := s.Tx(ctx, "inbox.claim", func(tx *sql.Tx) error {
		var err error
		list, err = all(ctx, tx, scanClaimed, `
UPDATE deliveries SET state = 'running', attempts = attempts + 1, updated_at = $1
WHERE id IN (SELECT id FROM deliveries WHERE state = 'waiting' AND due_at <= $1 ORDER BY due_at, id LIMIT $2`+lockRows+`)
RETURNING id, attempts, source, target, guid, body_hash, event, action, received_at, installation_id, repository_id, repository,
    ref, after_oid, sender, object_type, object_id, last_updated, request_id, netbox_user, activity`, micros(s.now()), limit)
		return err
	})
	slices.SortFunc(list, func(a, b Claimed) int { return int(a.ID - b.ID) })
	return list, err
}

func scanClaimed(scan scanner) (c Claimed, err error) {
	var received int64
	var activity string
	err = scan(&c.ID, &c.Attempt, &c.Source, &c.Target, &c.GUID, &c.BodyHash, &c.Event, &c.Action, &received, &c.InstallationID,
		&c.RepositoryID, &c.Repository, &c.Ref, &c.After, &c.Sender, &c.ObjectType, &c.ObjectID, &c.LastUpdated, &c.RequestID, &c.User, &activity)
	c.ReceivedAt = fromMicros(received)
	if err == nil && activity != "" {
		err = json.Unmarshal([]byte(activity), &c.Activity)
	}
	return c, err
}

// FinishDelivery marks a running delivery as done, in the transaction that also holds what it caused: a repeat of it
// is answered as finished from then on.
func (s *Store) FinishDelivery(ctx context.Context, tx *sql.Tx, id int64) error {
	n, err := exec(ctx, tx, `UPDATE deliveries SET state = 'finished', updated_at = $2, error = '' WHERE id = $1 AND state = 'running'`,
		id, micros(s.now()))
	if err == nil && n == 0 {
		err = errNoDelivery
	}
	if err != nil {
		return fmt.Errorf("finish delivery %d: %w", id, err)
	}
	return nil
}

// FailDelivery gives a running delivery back: to be taken again at retryAt, or failed for good when retryAt is zero.
func (s *Store) FailDelivery(ctx context.Context, id int64, cause string, retryAt time.Time) error {
	state := deliveryWaiting
	if retryAt.IsZero() {
		state = deliveryFailed
	}
	if len(cause) > maxText {
		cause = cause[:maxText]
	}
	return s.Tx(ctx, "inbox.fail", func(tx *sql.Tx) error {
		n, err := exec(ctx, tx, `UPDATE deliveries SET state = $2, due_at = $3, updated_at = $4, error = $5 WHERE id = $1 AND state = 'running'`,
			id, state, micros(retryAt), micros(s.now()), cause)
		if err == nil && n == 0 {
			err = errNoDelivery
		}
		if err != nil {
			return fmt.Errorf("give delivery %d back: %w", id, err)
		}
		return nil
	})
}

// InboxCounts is the inbox for status and metrics.
type InboxCounts struct {
	Waiting, Running, Failed int
	// Oldest is when the oldest waiting delivery came; NextDue when the next waiting one may be taken. Zero when none waits.
	Oldest, NextDue time.Time
}

// InboxCounts counts what is not finished.
func (s *Store) InboxCounts(ctx context.Context) (InboxCounts, error) {
	var c InboxCounts
	type row struct {
		state       string
		n           int
		oldest, due int64
	}
	rows, err := all(ctx, s.read, func(scan scanner) (r row, err error) {
		return r, scan(&r.state, &r.n, &r.oldest, &r.due)
	}, `SELECT state, count(*), min(received_at), min(due_at) FROM deliveries WHERE state <> 'finished' GROUP BY state`)
	if err != nil {
		return c, fmt.Errorf("count deliveries: %w", explain(err))
	}
	for _, r := range rows {
		switch r.state {
		case deliveryWaiting:
			c.Waiting, c.Oldest, c.NextDue = r.n, fromMicros(r.oldest), fromMicros(r.due)
		case deliveryRunning:
			c.Running = r.n
		case deliveryFailed:
			c.Failed = r.n
		}
	}
	return c, nil
}

// PruneDeliveries forgets finished and failed deliveries that were last touched before a time, and tells how many.
// GitHub lets a delivery be sent again for 3 days (its documentation; older text says 30), so keep at least 30 days.
func (s *Store) PruneDeliveries(ctx context.Context, before time.Time) (int64, error) {
	var n int64
	err := s.Tx(ctx, "inbox.prune", func(tx *sql.Tx) (err error) {
		n, err = exec(ctx, tx, `DELETE FROM deliveries WHERE state IN ('finished', 'failed') AND updated_at < $1`, micros(before))
		return err
	})
	return n, err
}
