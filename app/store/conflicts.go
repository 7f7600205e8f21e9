package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/hnp-sync/hnp-sync/gitops"
)

const selectConflict = `SELECT id, body FROM conflicts`

func scanConflict(scan scanner) (c gitops.Conflict, err error) {
	var id int64
	var body string
	if err := scan(&id, &body); err != nil {
		return c, err
	}
	err = decode(body, &c)
	c.ID = id
	return c, err
}

// putConflicts stores new and changed conflicts; a closed one stays as history. The returned functions give new ids.
func putConflicts(ctx context.Context, tx *sql.Tx, fabric int64, put []*gitops.Conflict) (given []func(), err error) {
	for _, c := range put {
		body, err := encode(c)
		if err != nil {
			return nil, fmt.Errorf("store conflict %d: %w", c.Number, err)
		}
		id, err := one(ctx, tx, column[int64], `
INSERT INTO conflicts (fabric, number, api_group, kind, namespace, name, code, path, body, moved_to, detected_at, closed_at, resolution)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (fabric, number) DO UPDATE SET api_group = excluded.api_group, kind = excluded.kind, namespace = excluded.namespace,
    name = excluded.name, code = excluded.code, path = excluded.path, body = excluded.body, moved_to = excluded.moved_to,
    detected_at = excluded.detected_at, closed_at = excluded.closed_at, resolution = excluded.resolution
RETURNING id`, fabric, c.Number, c.Key.Group, c.Key.Kind, c.Key.Namespace, c.Key.Name, string(c.Code), c.Path, body, c.MovedTo,
			micros(c.DetectedAt), micros(c.Closed), c.Resolution)
		if err != nil {
			return nil, fmt.Errorf("store conflict %d: %w", c.Number, err)
		}
		if c.ID != id {
			given = append(given, func() { c.ID = id })
		}
	}
	return given, nil
}

// OpenConflicts lists the open conflicts of a fabric, by number.
func (s *Store) OpenConflicts(ctx context.Context, fabric int64) ([]gitops.Conflict, error) {
	return s.conflictsWhere(ctx, `fabric = $1 AND closed_at = 0`, fabric)
}

// ClosedConflicts lists the newest closed conflicts of a fabric, newest first.
func (s *Store) ClosedConflicts(ctx context.Context, fabric int64, limit int) ([]gitops.Conflict, error) {
	list, err := all(ctx, s.read, scanConflict, selectConflict+` WHERE fabric = $1 AND closed_at <> 0 ORDER BY closed_at DESC, number DESC LIMIT $2`, fabric, limit)
	if err != nil {
		return nil, fmt.Errorf("list closed conflicts of fabric %d: %w", fabric, explain(err))
	}
	return list, nil
}

// Conflict reads one conflict by our id, open or closed, with its fabric; ErrNotFound.
func (s *Store) Conflict(ctx context.Context, id int64) (fabric int64, c gitops.Conflict, err error) {
	err = s.snapshot(ctx, fmt.Sprintf("read conflict %d", id), func(q querier) error {
		if c, err = one(ctx, q, scanConflict, selectConflict+` WHERE id = $1`, id); err != nil {
			return err
		}
		fabric, err = one(ctx, q, column[int64], `SELECT fabric FROM conflicts WHERE id = $1`, id)
		return err
	})
	return fabric, c, err
}

// ConflictByNumber reads one conflict of a fabric by its number (C12), open or closed; ErrNotFound.
func (s *Store) ConflictByNumber(ctx context.Context, fabric int64, number int) (gitops.Conflict, error) {
	c, err := one(ctx, s.read, scanConflict, selectConflict+` WHERE fabric = $1 AND number = $2`, fabric, number)
	if err != nil {
		return c, fmt.Errorf("read conflict C%d of fabric %d: %w", number, fabric, explain(err))
	}
	return c, nil
}

func (s *Store) conflictsWhere(ctx context.Context, where string, args ...any) ([]gitops.Conflict, error) {
	list, err := all(ctx, s.read, scanConflict, selectConflict+` WHERE `+where+` ORDER BY number`, args...)
	if err != nil {
		return nil, fmt.Errorf("list conflicts: %w", explain(err))
	}
	return list, nil
}
