package store

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"reflect"

	"github.com/hnp-sync/hnp-sync/gitops"
)

const resourceColumns = `id, api_group, kind, namespace, name, present, git, netbox, pk, last_updated, file, doc_index, file_hash, base_head,
	state, last_file_sync, frozen_code, frozen_message, extra`

func scanResource(scan scanner) (*gitops.Resource, error) { return scanResourceSharing(scan, nil) }

// scanResourceSharing reads one resource of many: texts that repeat are shared through names.
func scanResourceSharing(scan scanner, names interned) (*gitops.Resource, error) {
	r := &gitops.Resource{}
	var group, kind, namespace, head, state, git, netbox, extra sql.RawBytes
	var synced int64
	if err := scan(&r.ID, &group, &kind, &namespace, &r.Key.Name, &r.Exists, &git, &netbox, &r.PK, &r.LastUpdated, &r.File,
		&r.DocIndex, &r.FileHash, &head, &state, &synced, &r.FrozenCode, &r.FrozenMessage, &extra); err != nil {
		return nil, err
	}
	r.Key.Group, r.Key.Kind, r.Key.Namespace = names.get(group), names.get(kind), names.get(namespace)
	r.BaseHead, r.State = names.get(head), names.get(state)
	r.LastFileSync = fromMicros(synced)
	if len(extra) > 0 {
		if err := decodeExtra(string(extra), r); err != nil {
			return nil, fmt.Errorf("%s: %w", r.Key, err)
		}
	}
	var err error
	if r.Git, err = decodeObject(git, names); err != nil {
		return nil, fmt.Errorf("%s: Git half of base: %w", r.Key, err)
	}
	if bytes.Equal(git, netbox) {
		r.NetBox = r.Git // bodies are never changed in place (State.Apply), so the halves may share one
		return r, nil
	}
	if r.NetBox, err = decodeObject(netbox, names); err != nil {
		return nil, fmt.Errorf("%s: NetBox half of base: %w", r.Key, err)
	}
	return r, nil
}

// readResources reads all resources of a fabric.
func readResources(ctx context.Context, q querier, fabric int64) (map[gitops.Key]*gitops.Resource, error) {
	names := interned{}
	list, err := all(ctx, q, func(scan scanner) (*gitops.Resource, error) { return scanResourceSharing(scan, names) },
		`SELECT `+resourceColumns+` FROM resources WHERE fabric = $1`, fabric)
	if err != nil {
		return nil, err
	}
	out := make(map[gitops.Key]*gitops.Resource, len(list))
	for _, r := range list {
		out[r.Key] = r
	}
	return out, nil
}

// withoutColumns is a resource with only those fields set that have no column of their own: they are kept together as
// one document, empty for most resources. A field added to gitops.Resource later is in it by itself.
func withoutColumns(r gitops.Resource) gitops.Resource {
	columns := reflect.ValueOf(&r).Elem()
	for _, name := range []string{"ID", "Key", "Exists", "Git", "NetBox", "PK", "LastUpdated", "File", "DocIndex", "FileHash", "BaseHead",
		"State", "LastFileSync", "FrozenCode", "FrozenMessage"} {
		columns.FieldByName(name).SetZero()
	}
	return r
}

func encodeExtra(r *gitops.Resource) (string, error) {
	extra := withoutColumns(*r)
	if reflect.ValueOf(extra).IsZero() {
		return "", nil
	}
	return encode(extra)
}

// decodeExtra fills the fields of encodeExtra in and leaves the others as they are.
func decodeExtra(text string, r *gitops.Resource) error {
	columns := *r
	if err := decode(text, r); err != nil {
		return err
	}
	to, from := reflect.ValueOf(r).Elem(), reflect.ValueOf(columns)
	empty := reflect.ValueOf(withoutColumns(columns))
	for i := range to.NumField() {
		if !from.Field(i).IsZero() && empty.Field(i).IsZero() {
			to.Field(i).Set(from.Field(i)) // a column
		}
	}
	return nil
}

const upsertResource = `ON CONFLICT (fabric, api_group, kind, namespace, name) DO UPDATE SET present = excluded.present, git = excluded.git,
	netbox = excluded.netbox, pk = excluded.pk, last_updated = excluded.last_updated, file = excluded.file, doc_index = excluded.doc_index,
	file_hash = excluded.file_hash, base_head = excluded.base_head, state = excluded.state, last_file_sync = excluded.last_file_sync,
	frozen_code = excluded.frozen_code, frozen_message = excluded.frozen_message, extra = excluded.extra
	RETURNING id`

const resourceValues = `fabric, api_group, kind, namespace, name, present, git, netbox, pk, last_updated, file, doc_index, file_hash, base_head,
	state, last_file_sync, frozen_code, frozen_message, extra`

// putResources drops and stores resources; the returned functions give new ids to them.
func putResources(ctx context.Context, tx *sql.Tx, fabric int64, drop []gitops.Key, put []*gitops.Resource) (given []func(), err error) {
	// Dropped first: a rename drops the old identity and stores the same id under the new one.
	for _, k := range drop {
		if _, err := exec(ctx, tx, `DELETE FROM resources WHERE fabric = $1 AND api_group = $2 AND kind = $3 AND namespace = $4 AND name = $5`,
			fabric, k.Group, k.Kind, k.Namespace, k.Name); err != nil {
			return nil, fmt.Errorf("drop %s: %w", k, err)
		}
	}
	if len(put) == 0 {
		return nil, nil
	}
	insert, err := tx.PrepareContext(ctx, `INSERT INTO resources (`+resourceValues+`) VALUES (`+placeholders(1, 19)+`) `+upsertResource)
	if err != nil {
		return nil, err
	}
	defer func() { _ = insert.Close() }()
	insertWithID, err := tx.PrepareContext(ctx, `INSERT INTO resources (`+resourceValues+`, id) VALUES (`+placeholders(1, 20)+`) `+upsertResource)
	if err != nil {
		return nil, err
	}
	defer func() { _ = insertWithID.Close() }()
	for _, r := range put {
		args, err := resourceArgs(fabric, r)
		if err != nil {
			return nil, fmt.Errorf("store %s: %w", r.Key, err)
		}
		stmt := insert
		if r.ID != 0 {
			stmt, args = insertWithID, append(args, r.ID)
		}
		var id int64
		if err := stmt.QueryRowContext(ctx, args...).Scan(&id); err != nil {
			return nil, fmt.Errorf("store %s: %w", r.Key, err)
		}
		if r.ID != id {
			given = append(given, func() { r.ID = id })
		}
	}
	return given, nil
}

func resourceArgs(fabric int64, r *gitops.Resource) ([]any, error) {
	git, err := encode(r.Git)
	if err != nil {
		return nil, err
	}
	netbox, err := encode(r.NetBox)
	if err != nil {
		return nil, err
	}
	extra, err := encodeExtra(r)
	if err != nil {
		return nil, err
	}
	k := r.Key
	return append(make([]any, 0, 20), fabric, k.Group, k.Kind, k.Namespace, k.Name, r.Exists, git, netbox, r.PK, r.LastUpdated, r.File, r.DocIndex, r.FileHash,
		r.BaseHead, r.State, micros(r.LastFileSync), r.FrozenCode, r.FrozenMessage, extra), nil
}

// Resource reads one resource by our id, with the fabric it belongs to; ErrNotFound.
func (s *Store) Resource(ctx context.Context, id int64) (fabric int64, r *gitops.Resource, err error) {
	err = s.snapshot(ctx, fmt.Sprintf("read resource %d", id), func(q querier) error {
		if r, err = one(ctx, q, scanResource, `SELECT `+resourceColumns+` FROM resources WHERE id = $1`, id); err != nil {
			return err
		}
		fabric, err = one(ctx, q, column[int64], `SELECT fabric FROM resources WHERE id = $1`, id)
		return err
	})
	return fabric, r, err
}

// ResourceIDs maps the identities of a fabric to our ids.
func (s *Store) ResourceIDs(ctx context.Context, fabric int64) (map[gitops.Key]int64, error) {
	type row struct {
		key gitops.Key
		id  int64
	}
	list, err := all(ctx, s.read, func(scan scanner) (r row, err error) {
		return r, scan(&r.id, &r.key.Group, &r.key.Kind, &r.key.Namespace, &r.key.Name)
	}, `SELECT id, api_group, kind, namespace, name FROM resources WHERE fabric = $1`, fabric)
	if err != nil {
		return nil, fmt.Errorf("list resources of fabric %d: %w", fabric, explain(err))
	}
	out := make(map[gitops.Key]int64, len(list))
	for _, r := range list {
		out[r.key] = r.id
	}
	return out, nil
}
