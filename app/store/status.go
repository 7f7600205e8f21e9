package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// FabricStatus is the newest status of a fabric.
type FabricStatus struct {
	Fabric int64
	gitops.Status
	UpdatedAt time.Time
}

// heldStatus keeps the keys that WaitingAction hides from the API.
type heldStatus struct {
	gitops.Status
	Waiting []heldAction
}

func putStatus(ctx context.Context, tx *sql.Tx, fabric int64, st *gitops.Status, now int64) error {
	body, err := encode(heldStatus{Status: *st, Waiting: hold(st.Waiting)})
	if err != nil {
		return err
	}
	_, err = exec(ctx, tx, `INSERT INTO statuses (fabric, body, updated_at) VALUES ($1, $2, $3)
		ON CONFLICT (fabric) DO UPDATE SET body = excluded.body, updated_at = excluded.updated_at`, fabric, body, now)
	return err
}

// PutStatus stores a fabric's status outside a cycle: for one that could not even begin.
func (s *Store) PutStatus(ctx context.Context, fabric int64, st gitops.Status) error {
	return s.Tx(ctx, "status.put", func(tx *sql.Tx) error {
		if err := putStatus(ctx, tx, fabric, &st, micros(s.now())); err != nil {
			return fmt.Errorf("store status of fabric %d: %w", fabric, err)
		}
		return nil
	})
}

func scanStatus(scan scanner) (st FabricStatus, err error) {
	var body string
	var updated int64
	if err := scan(&st.Fabric, &body, &updated); err != nil {
		return st, err
	}
	var held heldStatus
	if err := decode(body, &held); err != nil {
		return st, err
	}
	st.Status, st.UpdatedAt = held.Status, fromMicros(updated)
	st.Waiting = release(held.Waiting)
	return st, nil
}

// Status reads a fabric's status; ErrNotFound before its first cycle.
func (s *Store) Status(ctx context.Context, fabric int64) (FabricStatus, error) {
	st, err := one(ctx, s.read, scanStatus, `SELECT fabric, body, updated_at FROM statuses WHERE fabric = $1`, fabric)
	if err != nil {
		return st, fmt.Errorf("read status of fabric %d: %w", fabric, explain(err))
	}
	return st, nil
}

// Statuses reads the statuses of all active fabrics that have one, by fabric.
func (s *Store) Statuses(ctx context.Context) (map[int64]FabricStatus, error) {
	list, err := all(ctx, s.read, scanStatus, `SELECT s.fabric, s.body, s.updated_at FROM statuses s JOIN fabrics f ON f.id = s.fabric WHERE f.active = true`)
	if err != nil {
		return nil, fmt.Errorf("list statuses: %w", explain(err))
	}
	out := make(map[int64]FabricStatus, len(list))
	for _, st := range list {
		out[st.Fabric] = st
	}
	return out, nil
}

// Pause reads what stops a fabric's writing; nil when nothing does.
func (s *Store) Pause(ctx context.Context, fabric int64) (*gitops.Pause, error) {
	text, err := one(ctx, s.read, column[string], `SELECT pause FROM ledgers WHERE fabric = $1`, fabric)
	text, found, err := foundOr(text, err, fmt.Sprintf("read pause of fabric %d", fabric))
	if err != nil || !found {
		return nil, err
	}
	var p *gitops.Pause
	err = decode(text, &p)
	return p, err
}
