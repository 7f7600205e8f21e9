package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// saveUpdate writes one update. In every part what is dropped goes first, then what is put is stored, so that an update which
// drops and puts the same key ends with it. The returned functions give new ids; call them after the commit.
func (s *Store) saveUpdate(ctx context.Context, tx *sql.Tx, fabric int64, u *gitops.Update) ([]func(), error) {
	if err := saveLedger(ctx, tx, fabric, u); err != nil {
		return nil, err
	}
	given, err := putResources(ctx, tx, fabric, u.DropResources, u.PutResources)
	if err != nil {
		return nil, err
	}
	numbered, err := putConflicts(ctx, tx, fabric, u.PutConflicts)
	if err != nil {
		return nil, err
	}
	given = append(given, numbered...)
	if err := saveIntents(ctx, tx, fabric, u); err != nil {
		return nil, err
	}
	if err := saveKept(ctx, tx, fabric, u); err != nil {
		return nil, err
	}
	if err := saveScope(ctx, tx, fabric, u); err != nil {
		return nil, fmt.Errorf("save scope: %w", err)
	}
	if u.Operation != nil {
		if err := putOperation(ctx, tx, fabric, u.Operation); err != nil {
			return nil, fmt.Errorf("store operation %s: %w", u.Operation.ID, err)
		}
	}
	if u.Status != nil {
		if err := putStatus(ctx, tx, fabric, u.Status, micros(s.now())); err != nil {
			return nil, fmt.Errorf("store status: %w", err)
		}
	}
	return given, nil
}

// saveLedger updates the pairing's own row. It holds the fence: no row of this epoch, no save. Everything else of the
// ledger is written only after it in the same transaction, so the epoch stands for the version of every row.
func saveLedger(ctx context.Context, tx *sql.Tx, fabric int64, u *gitops.Update) error {
	var waiting, deletes, undos, opaque, pause *string
	set := func(to **string, present bool, value func() (string, error)) error {
		if !present {
			return nil
		}
		text, err := value()
		*to = &text
		return err
	}
	for _, err := range []error{
		set(&waiting, u.Waiting != nil, func() (string, error) { return encodeWaiting(u.Waiting) }),
		set(&deletes, u.Deletes != nil, func() (string, error) { return encode(*u.Deletes) }),
		set(&undos, u.Undos != nil, func() (string, error) { return encode(*u.Undos) }),
		set(&opaque, u.Opaque != nil, func() (string, error) { return encode(*u.Opaque) }),
		set(&pause, u.Pause != nil || u.EndPause, func() (string, error) { return encode(u.Pause) }),
	} {
		if err != nil {
			return err
		}
	}
	var cursorID, cursorTime *int64
	var cursorRequest *string
	if u.Cursor != nil {
		at := micros(u.Cursor.Time)
		cursorID, cursorTime, cursorRequest = &u.Cursor.ID, &at, &u.Cursor.RequestID
	}
	n, err := exec(ctx, tx, `
UPDATE ledgers SET head = coalesce($3, head), dir_tree = coalesce($4, dir_tree), config_blob = coalesce($5, config_blob),
    stale_since = coalesce($6, stale_since), contact = coalesce($7, contact), next_conflict = coalesce($8, next_conflict),
    waiting = coalesce($9, waiting), cursor_id = coalesce($10, cursor_id), cursor_time = coalesce($11, cursor_time),
    cursor_request_id = coalesce($12, cursor_request_id), full_compare_at = coalesce($13, full_compare_at), deletes = coalesce($14, deletes),
    undos = coalesce($15, undos), opaque = coalesce($16, opaque), pause = coalesce($17, pause), direction = coalesce($18, direction),
    marker_seen = coalesce($19, marker_seen)
WHERE fabric = $1 AND epoch = $2`, fabric, u.Epoch, u.Head, u.DirTree, u.ConfigBlob, optionalMicros(u.StaleSince), u.Contact, u.NextConflict,
		waiting, cursorID, cursorTime, cursorRequest, optionalMicros(u.FullCompareAt), deletes, undos, opaque, pause, u.Direction, u.MarkerSeen)
	if err != nil {
		return fmt.Errorf("save ledger: %w", err)
	}
	if n == 0 {
		return gitops.ErrFenced
	}
	return nil
}

func optionalMicros(t *time.Time) *int64 {
	if t == nil {
		return nil
	}
	us := micros(*t)
	return &us
}

func saveIntents(ctx context.Context, tx *sql.Tx, fabric int64, u *gitops.Update) error {
	if err := dropBodies(ctx, tx, "intents", "id", fabric, u.DropIntents); err != nil {
		return err
	}
	if len(u.PutIntents) == 0 {
		return nil
	}
	stmt, err := tx.PrepareContext(ctx, `INSERT INTO intents (fabric, id, operation, body) VALUES ($1, $2, $3, $4)
		ON CONFLICT (fabric, id) DO UPDATE SET operation = excluded.operation, body = excluded.body`)
	if err != nil {
		return err
	}
	defer func() { _ = stmt.Close() }()
	for _, i := range u.PutIntents {
		body, err := encode(i)
		if err == nil {
			_, err = stmt.ExecContext(ctx, fabric, i.ID, i.Operation, body)
		}
		if err != nil {
			return fmt.Errorf("store intent %s: %w", i.ID, err)
		}
	}
	return nil
}

// saveKept writes the small documents: decisions, approvals, refusals, dropped, overwritten and declined values, pull requests.
func saveKept(ctx context.Context, tx *sql.Tx, fabric int64, u *gitops.Update) error {
	for _, err := range []error{
		dropBodies(ctx, tx, "decisions", "id", fabric, u.DropDecisions),
		dropBodies(ctx, tx, "approvals", "hash", fabric, u.DropApprovals),
		dropBodies(ctx, tx, "dropped", "id", fabric, u.DropDropped),
		dropBodies(ctx, tx, "overwritten", "id", fabric, u.DropOverwritten),
		dropBodies(ctx, tx, "proposed", "branch", fabric, u.DropProposed),
		dropBodies(ctx, tx, "declined", "id", fabric, u.DropDeclined),
	} {
		if err != nil {
			return err
		}
	}
	for _, d := range u.PutDecisions {
		if err := putBody(ctx, tx, "decisions", "id", fabric, d.ID, d); err != nil {
			return fmt.Errorf("store decision %s: %w", d.ID, err)
		}
	}
	for _, a := range u.PutApprovals {
		if err := putBody(ctx, tx, "approvals", "hash", fabric, a.Hash, a); err != nil {
			return fmt.Errorf("store approval %s: %w", a.Hash, err)
		}
	}
	for _, d := range u.PutDropped {
		if err := putBody(ctx, tx, "dropped", "id", fabric, droppedID(d), d); err != nil {
			return fmt.Errorf("store dropped path of %s: %w", d.Key, err)
		}
	}
	for _, o := range u.PutOverwritten {
		if err := putBody(ctx, tx, "overwritten", "id", fabric, overwrittenID(o), o); err != nil {
			return fmt.Errorf("store overwritten value of %s: %w", o.Key, err)
		}
	}
	for _, p := range u.PutProposed {
		if err := putBody(ctx, tx, "proposed", "branch", fabric, p.Branch, p); err != nil {
			return fmt.Errorf("store pull request of %s: %w", p.Branch, err)
		}
	}
	for _, d := range u.PutDeclined {
		if err := putBody(ctx, tx, "declined", "id", fabric, declinedID(d), d); err != nil {
			return fmt.Errorf("store declined value of %s: %w", d.Key, err)
		}
	}
	return saveRefusals(ctx, tx, fabric, u)
}

func saveRefusals(ctx context.Context, tx *sql.Tx, fabric int64, u *gitops.Update) error {
	for _, k := range u.DropRefusals {
		if _, err := exec(ctx, tx, `DELETE FROM refusals WHERE fabric = $1 AND api_group = $2 AND kind = $3 AND namespace = $4 AND name = $5`,
			fabric, k.Group, k.Kind, k.Namespace, k.Name); err != nil {
			return fmt.Errorf("drop refusal of %s: %w", k, err)
		}
	}
	for _, r := range u.PutRefusals {
		body, err := encode(r)
		if err == nil {
			_, err = exec(ctx, tx, `INSERT INTO refusals (fabric, api_group, kind, namespace, name, body) VALUES ($1, $2, $3, $4, $5, $6)
				ON CONFLICT (fabric, api_group, kind, namespace, name) DO UPDATE SET body = excluded.body`,
				fabric, r.Key.Group, r.Key.Kind, r.Key.Namespace, r.Key.Name, body)
		}
		if err != nil {
			return fmt.Errorf("store refusal of %s: %w", r.Key, err)
		}
	}
	return nil
}

// saveScope adds kinds and removes those that are done, in the order of State.Apply. An added kind gets a larger number
// than it had, so that what was loaded before does not count as done.
func saveScope(ctx context.Context, tx *sql.Tx, fabric int64, u *gitops.Update) error {
	for _, kind := range u.AddScope {
		if err := raiseScope(ctx, tx, fabric, kind, 1); err != nil {
			return err
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(u.DoneScope)) {
		if _, err := exec(ctx, tx, `DELETE FROM scope WHERE fabric = $1 AND kind = $2 AND seq <= $3`, fabric, kind, u.DoneScope[kind]); err != nil {
			return err
		}
	}
	return nil
}

// putBody stores a document under its key; table and column are constants of this package.
func putBody(ctx context.Context, tx *sql.Tx, table, column string, fabric int64, id string, v any) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	_, err = exec(ctx, tx, `INSERT INTO `+table+` (fabric, `+column+`, body) VALUES ($1, $2, $3)
		ON CONFLICT (fabric, `+column+`) DO UPDATE SET body = excluded.body`, fabric, id, body)
	return err
}

func dropBodies(ctx context.Context, tx *sql.Tx, table, column string, fabric int64, ids []string) error {
	for _, some := range chunks(ids) {
		if _, err := exec(ctx, tx, `DELETE FROM `+table+` WHERE fabric = $1 AND `+column+` IN (`+placeholders(2, len(some))+`)`,
			append([]any{fabric}, anys(some)...)...); err != nil {
			return fmt.Errorf("drop from %s: %w", table, err)
		}
	}
	return nil
}

// droppedID is the key that State's map has for d. Only the engine knows how it is made.
func droppedID(d *gitops.Dropped) string {
	st := gitops.NewState()
	st.Apply(&gitops.Update{PutDropped: []*gitops.Dropped{d}})
	for id := range st.Dropped {
		return id
	}
	return ""
}

// declinedID is the key that State's map has for d.
func declinedID(d *gitops.DeclinedValue) string {
	st := gitops.NewState()
	st.Apply(&gitops.Update{PutDeclined: []*gitops.DeclinedValue{d}})
	for id := range st.Declined {
		return id
	}
	return ""
}

// overwrittenID is the key that State's map has for o.
func overwrittenID(o *gitops.Overwritten) string {
	st := gitops.NewState()
	st.Apply(&gitops.Update{PutOverwritten: []*gitops.Overwritten{o}})
	for id := range st.Overwritten {
		return id
	}
	return ""
}
