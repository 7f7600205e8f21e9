package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// ErrNotWaiting: nothing of the fabric waits under that hash; it moved, was approved, or is gone.
var ErrNotWaiting = errors.New("nothing waits under this hash")

// PutDecision stores a person's decision, in the caller's transaction; the next cycle uses it. The same id replaces.
func (s *Store) PutDecision(ctx context.Context, tx *sql.Tx, fabric int64, d *gitops.Decision) error {
	if err := putBody(ctx, tx, "decisions", "id", fabric, d.ID, d); err != nil {
		return fmt.Errorf("store decision %s: %w", d.ID, err)
	}
	return nil
}

// Approve stores a person's approval of what waits under the hash (guarded actions, or a pause), in the caller's
// transaction, and returns it; ErrNotWaiting when nothing does. It lets pass exactly what waits now: actions that come under
// the same hash later, if that were possible, are not covered.
func (s *Store) Approve(ctx context.Context, tx *sql.Tx, fabric int64, hash, by string) (*gitops.Approval, error) {
	type row struct{ waiting, pause string }
	list, err := all(ctx, tx, func(scan scanner) (r row, err error) { return r, scan(&r.waiting, &r.pause) },
		`SELECT waiting, pause FROM ledgers WHERE fabric = $1`, fabric)
	if err != nil {
		return nil, fmt.Errorf("approve %s of fabric %d: %w", hash, fabric, err)
	}
	if len(list) == 0 || hash == "" {
		return nil, ErrNotWaiting
	}
	waiting, err := decodeWaiting(list[0].waiting)
	if err != nil {
		return nil, err
	}
	var pause *gitops.Pause
	if err := decode(list[0].pause, &pause); err != nil {
		return nil, err
	}
	a := &gitops.Approval{Hash: hash, By: by, At: s.now().UTC()}
	switch {
	case waiting != nil && waiting.Hash == hash:
		for _, w := range waiting.Actions {
			a.Fingerprints = append(a.Fingerprints, w.Fingerprint)
		}
	case pause != nil && pause.Hash == hash:
	default:
		return nil, ErrNotWaiting
	}
	if err := putBody(ctx, tx, "approvals", "hash", fabric, hash, a); err != nil {
		return nil, fmt.Errorf("store approval %s: %w", hash, err)
	}
	return a, nil
}
