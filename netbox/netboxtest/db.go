package netboxtest

import (
	"sort"
	"time"
	"unicode/utf8"
)

// table keeps rows ordered by primary key.
type table struct {
	byID map[int64]*row
	rows []*row
	keys map[resourceKey]int64 // the unique constraint of the 12 kinds
}

type resourceKey struct {
	fabric          int64
	namespace, name string
}

func keyOf(r *row) resourceKey {
	return resourceKey{r.int("fabric"), r.str("namespace"), r.str("name")}
}

// change is a row of the change log.
type change struct {
	id        int64
	time      time.Time
	userID    int64
	userName  string
	requestID string
	action    string // create, update, delete
	typeName  string
	objectID  int64
	repr      string
	message   string
	pre, post any
}

type database struct {
	tables  map[*model]*table
	changes []*change
	seq     map[string]int64
}

func newDatabase(models []*model) *database {
	db := &database{tables: map[*model]*table{}, seq: map[string]int64{}}
	for _, m := range models {
		db.tables[m] = &table{byID: map[int64]*row{}, keys: map[resourceKey]int64{}}
	}
	return db
}

func (db *database) get(m *model, id int64) *row {
	if t := db.tables[m]; t != nil {
		return t.byID[id]
	}
	return nil
}

func (db *database) rows(m *model) []*row {
	if t := db.tables[m]; t != nil {
		return t.rows
	}
	return nil
}

func (db *database) find(m *model, k resourceKey) *row {
	if id, ok := db.tables[m].keys[k]; ok {
		return db.tables[m].byID[id]
	}
	return nil
}

// set stores r, or removes the row id when r is nil. Rows are copied on write,
// so a slice taken by rows stays what it was.
func (db *database) set(m *model, id int64, r *row) {
	t := db.tables[m]
	old := t.byID[id]
	at := sort.Search(len(t.rows), func(i int) bool { return t.rows[i].id >= id })
	if old != nil && m.resource && t.keys[keyOf(old)] == id {
		delete(t.keys, keyOf(old))
	}
	switch {
	case r == nil && old == nil:
		return
	case r == nil:
		delete(t.byID, id)
		t.rows = append(t.rows[:at:at], t.rows[at+1:]...)
		return
	case old == nil && at == len(t.rows):
		t.rows = append(t.rows, r)
	case old == nil:
		t.rows = append(t.rows[:at:at], append([]*row{r}, t.rows[at:]...)...)
	default:
		rows := make([]*row, len(t.rows), cap(t.rows))
		copy(rows, t.rows)
		rows[at] = r
		t.rows = rows
	}
	t.byID[id] = r
	if m.resource {
		t.keys[keyOf(r)] = id
	}
}

// tx is one request's transaction: what it did can be undone, what it did is
// written to the journal, and the events it caused wait for its end. Sequences
// are not undone, as in PostgreSQL.
type tx struct {
	s      *Server
	rq     *request
	undo   []func()
	entry  entry
	events []*event
}

// event is one object's change in one request; several changes of one object
// coalesce.
type event struct {
	m         *model
	kind      string // created, updated, deleted
	row       *row
	raw       map[string]any
	pre, post *object
	data      *object // set for deletes, which are serialised at once
}

func (s *Server) begin(rq *request) *tx { return &tx{s: s, rq: rq} }

func (tx *tx) next(sequence string) int64 {
	tx.s.db.seq[sequence]++
	n := tx.s.db.seq[sequence]
	tx.entry.seq(sequence, n)
	return n
}

func (tx *tx) put(m *model, r *row) {
	old := tx.s.db.get(m, r.id)
	tx.s.db.set(m, r.id, r)
	tx.undo = append(tx.undo, func() { tx.s.db.set(m, r.id, old) })
	tx.entry.rows = append(tx.entry.rows, rowChange{m, r.id, r})
}

func (tx *tx) drop(m *model, id int64) {
	old := tx.s.db.get(m, id)
	tx.s.db.set(m, id, nil)
	tx.undo = append(tx.undo, func() { tx.s.db.set(m, id, old) })
	tx.entry.rows = append(tx.entry.rows, rowChange{m, id, nil})
}

// rollback undoes everything but the sequences. NetBox 4.7 forgets the events as
// well; up to 4.6 they go out although nothing happened.
func (tx *tx) rollback() {
	for i := len(tx.undo) - 1; i >= 0; i-- {
		tx.undo[i]()
	}
	tx.undo = nil
	tx.entry.rows, tx.entry.changes = nil, nil
	if !tx.s.old() {
		tx.events = nil
	}
}

// save writes a validated candidate: the INSERT or UPDATE with its database
// errors, the change row, the event.
func (tx *tx) save(c *candidate) (*row, *apiError) {
	s, m, r := tx.s, c.m, c.row
	raw := map[string]any{}
	for i := range m.fields {
		f := &m.fields[i]
		if f.kind != kindJSON && f.kind != kindCustomData {
			continue
		}
		// PostgreSQL refuses such a literal while parsing the statement, before
		// the sequence is asked for an id.
		v := r.vals[f.name]
		stored, err := jsonb(v)
		if err != nil {
			return nil, &apiError{status: 500, exception: "DataError", text: dataErrorText(err, m, r)}
		}
		raw[f.name] = v
		r.vals[f.name] = stored
	}
	action := "update"
	var pre *object
	if c.old == nil {
		action = "create"
		r.id = tx.next(m.typeName())
		r.created = s.now()
		if m.field("created_by") != nil {
			r.vals["created_by"] = tx.rq.user.id
		}
	} else {
		pre = s.takeSnapshot(m, c.old, nil, false)
	}
	webhookPre := (*object)(nil)
	if c.old != nil {
		webhookPre = s.takeSnapshot(m, c.old, nil, true)
	}
	r.updated = s.now()
	if m.resource {
		if r.vals["spec"] == nil {
			return nil, &apiError{status: 500, exception: "IntegrityError", text: "null value in column \"spec\" of relation \"netbox_hedgehog_" + m.name +
				"\" violates not-null constraint\nDETAIL:  Failing row contains (" + itoa(r.id) + ", " + r.str("name") + ", " + r.str("namespace") + ", null)."}
		}
		k := keyOf(r)
		if other := s.db.find(m, k); other != nil && other.id != r.id {
			return nil, &apiError{status: 500, exception: "IntegrityError", text: "duplicate key value violates unique constraint \"" + m.constraint +
				"\"\nDETAIL:  Key (fabric_id, namespace, name)=(" + itoa(k.fabric) + ", " + k.namespace + ", " + k.name + ") already exists."}
		}
	}
	tx.put(m, r)
	if m.noChanges {
		return r, nil
	}
	post := s.takeSnapshot(m, r, nil, false)
	if pre == nil || !equalJSON(pre, post) {
		if apiErr := tx.log(m, action, r, c.message, pre, post); apiErr != nil {
			return nil, apiErr
		}
	}
	kind := "updated"
	if c.old == nil {
		kind = "created"
	}
	tx.event(&event{m: m, kind: kind, row: r, raw: raw, pre: webhookPre, post: s.takeSnapshot(m, r, raw, true)})
	return r, nil
}

func dataErrorText(err error, m *model, r *row) string {
	if err == errInfinite {
		return "invalid input syntax for type json\nDETAIL:  Token \"Infinity\" is invalid."
	}
	return "unsupported Unicode escape sequence\nDETAIL:  \\u0000 cannot be converted to text.\nCONTEXT:  JSON data of " + m.typeName() + " " + r.str("name")
}

// remove deletes one row with its change row and event.
func (tx *tx) remove(m *model, r *row, message string) *apiError {
	s := tx.s
	// NetBox serialises a deleted object at once, before anything else: a kind
	// whose display_url does not resolve can therefore never be deleted.
	// A fabric takes its resources with it, and they are serialised before it.
	if m.typeName() == "netbox_hedgehog.hedgehogfabric" {
		for _, child := range s.order {
			for _, x := range s.db.rows(child) {
				if child.resource && x.int("fabric") == r.id {
					if _, apiErr := s.represent(reprContext{}, child, x); apiErr != nil {
						return apiErr
					}
				}
			}
		}
	}
	data, apiErr := s.represent(reprContext{}, m, r)
	if apiErr != nil {
		return apiErr
	}
	if m.onDelete != nil {
		if apiErr := m.onDelete(tx, r); apiErr != nil {
			return apiErr
		}
	}
	tx.drop(m, r.id)
	if m.noChanges {
		return nil
	}
	if apiErr := tx.log(m, "delete", r, message, s.takeSnapshot(m, r, nil, false), nil); apiErr != nil {
		return apiErr
	}
	tx.event(&event{m: m, kind: "deleted", row: r, pre: s.takeSnapshot(m, r, nil, true), data: data})
	return nil
}

const maxMessage = 200

func (tx *tx) log(m *model, action string, r *row, message string, pre, post *object) *apiError {
	id := tx.next(changesType)
	if utf8.RuneCountInString(message) > maxMessage {
		return &apiError{status: 500, exception: "DataError", text: "value too long for type character varying(200)"}
	}
	toStored := func(o *object) any {
		if o == nil {
			return newObject()
		}
		v, err := jsonb(o)
		if err != nil {
			return o // the values came out of the database, so they can be stored
		}
		return v
	}
	c := &change{id: id, time: tx.s.now(), userID: tx.rq.user.id, userName: tx.rq.user.name, requestID: tx.rq.id,
		action: action, typeName: m.typeName(), objectID: r.id, repr: tx.s.displayOf(m, r), message: message, pre: toStored(pre), post: toStored(post)}
	tx.s.db.changes = append(tx.s.db.changes, c)
	tx.undo = append(tx.undo, func() { tx.s.db.changes = tx.s.db.changes[:len(tx.s.db.changes)-1] })
	tx.entry.changes = append(tx.entry.changes, c)
	return nil
}

// event queues an event, or folds it into the one the object already has in this
// request: created stays created, a delete wins, prechange stays the first.
func (tx *tx) event(e *event) {
	for i, old := range tx.events {
		if old.m != e.m || old.row.id != e.row.id {
			continue
		}
		e.pre = old.pre
		if old.kind == "created" && e.kind == "updated" {
			e.kind = "created"
		}
		tx.events[i] = e
		return
	}
	tx.events = append(tx.events, e)
}
