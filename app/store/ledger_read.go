package store

import (
	"context"
	"fmt"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// readState reads everything remembered about one pairing.
func readState(ctx context.Context, q querier, fabric int64) (*gitops.State, error) {
	st, err := one(ctx, q, scanLedger, `
SELECT epoch, head, dir_tree, config_blob, stale_since, contact, next_conflict, waiting, cursor_id, cursor_time, cursor_request_id,
    full_compare_at, deletes, undos, opaque, pause, direction, marker_seen FROM ledgers WHERE fabric = $1`, fabric)
	if err != nil {
		return nil, err
	}
	if st.Resources, err = readResources(ctx, q, fabric); err != nil {
		return nil, fmt.Errorf("read resources: %w", err)
	}
	if st.Scope, err = readScope(ctx, q, fabric); err != nil {
		return nil, fmt.Errorf("read scope: %w", err)
	}
	open, err := all(ctx, q, scanConflict, selectConflict+` WHERE fabric = $1 AND closed_at = 0`, fabric)
	if err != nil {
		return nil, fmt.Errorf("read conflicts: %w", err)
	}
	st.Conflicts = make(map[int]*gitops.Conflict, len(open))
	for _, c := range open {
		st.Conflicts[c.Number] = &c
	}
	if st.Intents, err = bodies[gitops.Intent](ctx, q, `SELECT id, body FROM intents WHERE fabric = $1`, fabric); err != nil {
		return nil, fmt.Errorf("read intents: %w", err)
	}
	if st.Decisions, err = bodies[gitops.Decision](ctx, q, `SELECT id, body FROM decisions WHERE fabric = $1`, fabric); err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	if st.Approvals, err = bodies[gitops.Approval](ctx, q, `SELECT hash, body FROM approvals WHERE fabric = $1`, fabric); err != nil {
		return nil, fmt.Errorf("read approvals: %w", err)
	}
	if st.Dropped, err = bodies[gitops.Dropped](ctx, q, `SELECT id, body FROM dropped WHERE fabric = $1`, fabric); err != nil {
		return nil, fmt.Errorf("read dropped paths: %w", err)
	}
	if st.Overwritten, err = bodies[gitops.Overwritten](ctx, q, `SELECT id, body FROM overwritten WHERE fabric = $1`, fabric); err != nil {
		return nil, fmt.Errorf("read overwritten values: %w", err)
	}
	if st.Proposed, err = bodies[gitops.Proposed](ctx, q, `SELECT branch, body FROM proposed WHERE fabric = $1`, fabric); err != nil {
		return nil, fmt.Errorf("read pull requests: %w", err)
	}
	if st.Declined, err = bodies[gitops.DeclinedValue](ctx, q, `SELECT id, body FROM declined WHERE fabric = $1`, fabric); err != nil {
		return nil, fmt.Errorf("read declined values: %w", err)
	}
	list, err := all(ctx, q, scanBody[gitops.Refusal], `SELECT name, body FROM refusals WHERE fabric = $1`, fabric)
	if err != nil {
		return nil, fmt.Errorf("read refusals: %w", err)
	}
	st.Refusals = make(map[gitops.Key]*gitops.Refusal, len(list))
	for _, r := range list {
		st.Refusals[r.value.Key] = r.value
	}
	return st, nil
}

func scanLedger(scan scanner) (*gitops.State, error) {
	st := &gitops.State{}
	var stale, cursor, full int64
	var waiting, deletes, undos, opaque, pause string
	if err := scan(&st.Epoch, &st.Head, &st.DirTree, &st.ConfigBlob, &stale, &st.Contact, &st.NextConflict, &waiting, &st.Cursor.ID, &cursor,
		&st.Cursor.RequestID, &full, &deletes, &undos, &opaque, &pause, &st.Direction, &st.MarkerSeen); err != nil {
		return nil, err
	}
	st.StaleSince, st.Cursor.Time, st.FullCompareAt = fromMicros(stale), fromMicros(cursor), fromMicros(full)
	var err error
	if st.Waiting, err = decodeWaiting(waiting); err != nil {
		return nil, fmt.Errorf("waiting: %w", err)
	}
	for text, to := range map[*string]any{&deletes: &st.Deletes, &undos: &st.Undos, &opaque: &st.Opaque, &pause: &st.Pause} {
		if err := decode(*text, to); err != nil {
			return nil, err
		}
	}
	if st.Opaque == nil {
		st.Opaque = map[string]string{}
	}
	return st, nil
}

// named is a document with its key column.
type named[T any] struct {
	id    string
	value *T
}

func scanBody[T any](scan scanner) (n named[T], err error) {
	var body string
	if err := scan(&n.id, &body); err != nil {
		return n, err
	}
	n.value = new(T)
	return n, decode(body, n.value)
}

// bodies reads documents by their key column.
func bodies[T any](ctx context.Context, q querier, query string, args ...any) (map[string]*T, error) {
	list, err := all(ctx, q, scanBody[T], query, args...)
	if err != nil {
		return nil, err
	}
	out := make(map[string]*T, len(list))
	for _, n := range list {
		out[n.id] = n.value
	}
	return out, nil
}

func readScope(ctx context.Context, q querier, fabric int64) (map[string]int64, error) {
	type row struct {
		kind string
		seq  int64
	}
	list, err := all(ctx, q, func(scan scanner) (r row, err error) { return r, scan(&r.kind, &r.seq) },
		`SELECT kind, seq FROM scope WHERE fabric = $1`, fabric)
	out := make(map[string]int64, len(list))
	for _, r := range list {
		out[r.kind] = r.seq
	}
	return out, err
}

// heldAction keeps the key that WaitingAction hides from the API.
type heldAction struct {
	gitops.WaitingAction
	Key gitops.Key
}

type heldWaiting struct {
	Hash    string
	Actions []heldAction
}

func hold(list []gitops.WaitingAction) []heldAction {
	if list == nil {
		return nil
	}
	out := make([]heldAction, len(list))
	for i, a := range list {
		out[i] = heldAction{WaitingAction: a, Key: a.Key}
	}
	return out
}

func release(list []heldAction) []gitops.WaitingAction {
	if list == nil {
		return nil
	}
	out := make([]gitops.WaitingAction, len(list))
	for i, a := range list {
		out[i] = a.WaitingAction
		out[i].Key = a.Key
	}
	return out
}

// encodeWaiting stores an empty Waiting as none.
func encodeWaiting(w *gitops.Waiting) (string, error) {
	if w == nil || len(w.Actions) == 0 {
		return "null", nil
	}
	return encode(heldWaiting{Hash: w.Hash, Actions: hold(w.Actions)})
}

func decodeWaiting(text string) (*gitops.Waiting, error) {
	var w *heldWaiting
	if err := decode(text, &w); err != nil || w == nil {
		return nil, err
	}
	return &gitops.Waiting{Hash: w.Hash, Actions: release(w.Actions)}, nil
}
