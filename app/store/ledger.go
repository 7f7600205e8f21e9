package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// Ledger is the ledger of one fabric. It is as good as the fabric's id: any number of them may exist, and the newest
// Load of any of them ends the others' right to save.
func (s *Store) Ledger(fabricID int64) gitops.Ledger { return &ledger{store: s, fabric: fabricID} }

type ledger struct {
	store  *Store
	fabric int64
}

// Load implements gitops.Ledger. The epoch is taken and durable before anything is read, so nobody else can save what
// this load does not see; the state is then read as one snapshot, beside the writer, so that webhooks need not wait
// for a large fabric. A load whose epoch was overtaken meanwhile is ErrFenced.
func (l *ledger) Load(ctx context.Context) (*gitops.State, error) {
	var epoch int64
	err := l.store.Tx(ctx, "ledger.load", func(tx *sql.Tx) (err error) {
		epoch, err = one(ctx, tx, column[int64], `
INSERT INTO ledgers (fabric, epoch, head, dir_tree, config_blob, stale_since, contact, next_conflict, waiting, cursor_id, cursor_time,
    cursor_request_id, full_compare_at, deletes, undos, opaque, pause, direction, marker_seen)
VALUES ($1, 1, '', '', '', 0, false, 1, 'null', 0, 0, '', 0, 'null', 'null', 'null', 'null', '', false)
ON CONFLICT (fabric) DO UPDATE SET epoch = ledgers.epoch + 1
RETURNING epoch`, l.fabric)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("fabric %d: %w", l.fabric, err)
	}
	var st *gitops.State
	err = l.store.snapshot(ctx, "read ledger", func(q querier) (err error) {
		st, err = readState(ctx, q, l.fabric)
		return err
	})
	if err == nil && st.Epoch != epoch {
		err = gitops.ErrFenced
	}
	if err != nil {
		return nil, fmt.Errorf("fabric %d: %w", l.fabric, err)
	}
	return st, nil
}

// State reads a fabric's ledger without taking it over: for people and the API. ErrNotFound before its first cycle.
func (s *Store) State(ctx context.Context, fabric int64) (st *gitops.State, err error) {
	err = s.snapshot(ctx, fmt.Sprintf("read ledger of fabric %d", fabric), func(q querier) error {
		st, err = readState(ctx, q, fabric)
		return err
	})
	return st, err
}

// Save implements gitops.Ledger. On success it gives ids to the new resources and conflicts of u.
func (l *ledger) Save(ctx context.Context, u *gitops.Update) error {
	var given []func() // ids are handed out only once they are durable
	err := l.store.Tx(ctx, "ledger.save", func(tx *sql.Tx) (err error) {
		given, err = l.store.saveUpdate(ctx, tx, l.fabric, u)
		return err
	})
	if err != nil {
		return fmt.Errorf("fabric %d: %w", l.fabric, err)
	}
	for _, give := range given {
		give()
	}
	return nil
}

// KnownOperations implements gitops.Ledger.
func (l *ledger) KnownOperations(ctx context.Context, ids []string) (map[string]bool, error) {
	known := map[string]bool{}
	for _, some := range chunks(ids) {
		in := placeholders(1, len(some))
		list, err := all(ctx, l.store.read, column[string], `SELECT id FROM operations WHERE id IN (`+in+`)
			UNION SELECT operation FROM intents WHERE operation IN (`+in+`)`, anys(some)...)
		if err != nil {
			return nil, fmt.Errorf("look for operations: %w", explain(err))
		}
		for _, id := range list {
			known[id] = true
		}
	}
	return known, nil
}

// HeldElsewhere implements gitops.Ledger. Only active pairings of other NetBox fabrics count: another pairing of this
// same fabric, earlier or later, holds its objects too, and must not make them look moved.
func (l *ledger) HeldElsewhere(ctx context.Context, kind string, pks []int64) (map[int64]bool, error) {
	held := map[int64]bool{}
	for _, some := range chunks(pks) {
		list, err := all(ctx, l.store.read, column[int64], `
SELECT DISTINCT r.pk FROM resources r JOIN fabrics f ON f.id = r.fabric JOIN fabrics mine ON mine.id = $1
WHERE f.active = true AND f.id <> mine.id AND f.connection = mine.connection AND f.netbox_id <> mine.netbox_id
    AND r.kind = $2 AND r.present = true AND r.pk IN (`+placeholders(3, len(some))+`)`, append([]any{l.fabric, kind}, anys(some)...)...)
		if err != nil {
			return nil, fmt.Errorf("look for objects of other fabrics: %w", explain(err))
		}
		for _, pk := range list {
			held[pk] = true
		}
	}
	return held, nil
}
