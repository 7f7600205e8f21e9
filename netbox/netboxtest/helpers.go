package netboxtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Object is a row as tests look at it, without REST and without permissions.
type Object struct {
	ID          int64
	Kind        string // VPC
	Fabric      int64
	FabricName  string
	Namespace   string
	Name        string
	Spec        any // as encoding/json decodes it, numbers as json.Number; a string when one is stored
	Labels      any
	Annotations any
	Created     string // as in REST answers
	LastUpdated string
	ETag        string
}

// ClusterObject is one resource as the plugin's import from Kubernetes finds it.
type ClusterObject struct {
	Kind        string
	Namespace   string // "" is default
	Name        string
	Spec        any
	Labels      any // nil is {}
	Annotations any // nil is {}
}

// kind finds a model by class name (VPC), model name (vpc), object type or route.
func (s *Server) kind(name string) (*model, error) {
	for _, m := range s.order {
		if name == m.objectName || name == m.name || name == m.typeName() || strings.HasSuffix(m.route, "/"+name+"/") {
			return m, nil
		}
	}
	return nil, fmt.Errorf("unknown kind %q", name)
}

// Objects returns all rows of a kind in the order of their ids; an unknown kind
// has none.
func (s *Server) Objects(kind string) []Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.kind(kind)
	if err != nil {
		return nil
	}
	var out []Object
	for _, r := range s.db.rows(m) {
		out = append(out, s.object(m, r))
	}
	return out
}

// ByName returns the first object of a kind with the namespace and name, in
// whatever fabric.
func (s *Server) ByName(kind, namespace, name string) (Object, bool) {
	for _, o := range s.Objects(kind) {
		if o.Namespace == namespace && o.Name == name {
			return o, true
		}
	}
	return Object{}, false
}

func (s *Server) object(m *model, r *row) Object {
	o := Object{ID: r.id, Kind: m.objectName, Fabric: r.int("fabric"), Namespace: r.str("namespace"), Name: r.str("name"), Spec: toGo(r.vals["spec"]),
		Labels: toGo(r.vals["labels"]), Annotations: toGo(r.vals["annotations"]), Created: restTime(r.created), LastUpdated: restTime(r.updated), ETag: etag(r.updated)}
	if f := s.db.get(s.models["netbox_hedgehog.hedgehogfabric"], o.Fabric); f != nil {
		o.FabricName = f.str("name")
	}
	return o
}

func toGo(v any) any {
	dec := json.NewDecoder(bytes.NewReader(encodeJSON(v, compact)))
	dec.UseNumber()
	var out any
	if err := dec.Decode(&out); err != nil {
		return nil // stored values are JSON
	}
	return out
}

// QuerysetUpdate sets one column as the plugin's queryset.update() does: no
// event, no change row, last_updated and the ETag as before, no validation.
func (s *Server) QuerysetUpdate(kind string, id int64, column string, value any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.kind(kind)
	if err != nil {
		return err
	}
	r := s.db.get(m, id)
	if r == nil {
		return fmt.Errorf("no %s with id %d", m.objectName, id)
	}
	tx := s.begin(nil)
	if err := s.setColumn(tx, m, r, column, value); err != nil {
		return err
	}
	return s.persist(&tx.entry)
}

func (s *Server) setColumn(tx *tx, m *model, r *row, column string, value any) error {
	f := m.field(column)
	if f == nil || f.kind == kindRead || f.kind == kindTags || f.kind == kindCustom {
		return fmt.Errorf("%s has no column %q", m.objectName, column)
	}
	v, err := fromGo(value)
	if err != nil {
		return fmt.Errorf("column %s: %w", column, err)
	}
	if v, err = jsonb(v); err != nil {
		return fmt.Errorf("column %s: %w", column, err)
	}
	c := r.clone()
	c.vals[column] = decodeValue(f, v)
	if other := s.db.find(m, keyOf(c)); m.resource && other != nil && other.id != r.id {
		return fmt.Errorf("duplicate key %v", keyOf(c))
	}
	tx.put(m, c)
	return nil
}

// ClusterImport does what the plugin's import from Kubernetes does to a fabric
// (by name): rows that exist are overwritten without a trace, others are created
// without event and change row, nothing is deleted.
func (s *Server) ClusterImport(fabric string, objects []ClusterObject) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	fabricID := int64(0)
	for _, r := range s.db.rows(s.models["netbox_hedgehog.hedgehogfabric"]) {
		if r.str("name") == fabric {
			fabricID = r.id
		}
	}
	if fabricID == 0 {
		return fmt.Errorf("no fabric %q", fabric)
	}
	tx := s.begin(nil)
	for _, o := range objects {
		if err := s.importOne(tx, fabricID, o); err != nil {
			tx.rollback()
			return fmt.Errorf("import %s/%s: %w", o.Kind, o.Name, err)
		}
	}
	return s.persist(&tx.entry)
}

func (s *Server) importOne(tx *tx, fabric int64, o ClusterObject) error {
	m, err := s.kind(o.Kind)
	if err != nil {
		return err
	}
	if !m.resource {
		return fmt.Errorf("%s is no resource", o.Kind)
	}
	if o.Namespace == "" {
		o.Namespace = "default"
	}
	if o.Labels == nil {
		o.Labels = map[string]any{}
	}
	if o.Annotations == nil {
		o.Annotations = map[string]any{}
	}
	columns := []struct {
		name  string
		value any
	}{{"spec", o.Spec}, {"labels", o.Labels}, {"annotations", o.Annotations}}
	r := s.db.find(m, resourceKey{fabric, o.Namespace, o.Name})
	if r == nil {
		c := s.validate(m, nil, obj("fabric", fabric, "namespace", o.Namespace, "name", o.Name, "spec", obj("import", true)), modeCreate, selection{})
		if len(c.errs.keys) > 0 {
			return fmt.Errorf("%s", encodeJSON(c.errs, compact))
		}
		c.row.id, c.row.created = tx.next(m.typeName()), s.now()
		c.row.updated = s.now()
		tx.put(m, c.row)
		r = c.row
	}
	for _, col := range columns {
		if err := s.setColumn(tx, m, s.db.get(m, r.id), col.name, col.value); err != nil {
			return err
		}
	}
	return nil
}

// Snapshot returns a copy of the database, as a backup holds it.
func (s *Server) Snapshot() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dump()
}

// Restore replaces the database by a copy that Snapshot made: rows, change log,
// sequences, users. Time does not go back.
func (s *Server) Restore(snapshot []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue := s.queue.pending
	if _, err := s.load(snapshot); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	s.queue.pending = queue // Redis is not part of a database backup
	if s.store != nil {
		s.store.last++ // nothing in the journal may be applied on top
		return s.compact()
	}
	return nil
}

// PruneChangeLog removes the change rows with ids below before, as NetBox's
// retention does.
func (s *Server) PruneChangeLog(before int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.db.changes = slices.DeleteFunc(slices.Clone(s.db.changes), func(c *change) bool { return c.id < before })
	return s.persist(&entry{pruned: before})
}

// HideRows keeps rows from the user of a token, as a change of the constraints
// would: reads do not list them, single requests answer 404. It lasts until the
// server stops. Calling it without ids shows all rows of the kind again.
func (s *Server) HideRows(key, kind string, ids ...int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.kind(kind)
	if err != nil {
		return err
	}
	for _, t := range s.users.tokens {
		if t.key != key {
			continue
		}
		set := map[int64]bool{}
		for _, id := range ids {
			set[id] = true
		}
		if t.user.hidden == nil {
			t.user.hidden = map[string]map[int64]bool{}
		}
		t.user.hidden[m.typeName()] = set
		return nil
	}
	return fmt.Errorf("no such token")
}
