package netboxtest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// The data directory holds snapshot.json, the whole state at some point, and
// journal.jsonl, one line per request that changed something since. A request's
// line is written before its answer, in one write, so a killed process loses
// nothing it acknowledged; a line torn by the kill is ignored.
const (
	snapshotFile = "snapshot.json"
	journalFile  = "journal.jsonl"
	// compactAfter bounds the journal; beyond it, and beyond the size of the
	// last snapshot, a new one is written.
	compactAfter = 8 << 20
)

type rowChange struct {
	m  *model
	id int64
	r  *row // nil: deleted
}

// entry is what one request did.
type entry struct {
	seqs    map[string]int64
	rows    []rowChange
	changes []*change
	queued  []*delivery
	done    []int64 // deliveries that left the queue
	pruned  int64   // change rows below this id are gone
}

func (e *entry) seq(name string, n int64) {
	if e.seqs == nil {
		e.seqs = map[string]int64{}
	}
	e.seqs[name] = n
}

func (e *entry) empty() bool {
	return len(e.seqs) == 0 && len(e.rows) == 0 && len(e.changes) == 0 && len(e.queued) == 0 && len(e.done) == 0 && e.pruned == 0
}

type storage struct {
	dir     string
	journal *os.File
	size    int64
	base    int64 // size of the snapshot
	last    int64 // number of the last entry
}

// persist appends what a request did to the journal. The caller holds s.mu.
func (s *Server) persist(e *entry) error {
	if s.store == nil || e.empty() {
		return nil
	}
	st := s.store
	o := obj("n", st.last+1, "clock", s.lastTime.UnixMicro())
	if len(e.seqs) > 0 {
		o.set("seq", encodeSeqs(e.seqs))
	}
	rows := []any{}
	for _, rc := range e.rows {
		x := obj("model", rc.m.typeName(), "id", rc.id)
		if rc.r != nil {
			x.set("row", encodeRow(rc.r))
		}
		rows = append(rows, x)
	}
	o.set("rows", rows)
	changes := []any{}
	for _, c := range e.changes {
		changes = append(changes, encodeChange(c))
	}
	o.set("changes", changes)
	queued, done := []any{}, []any{}
	for _, d := range e.queued {
		queued = append(queued, encodeDelivery(d))
	}
	for _, id := range e.done {
		done = append(done, id)
	}
	o.set("queued", queued)
	o.set("done", done)
	if e.pruned > 0 {
		o.set("pruned", e.pruned)
	}
	line := append(encodeJSON(o, compact), '\n')
	if _, err := st.journal.Write(line); err != nil {
		return fmt.Errorf("append to %s: %w", journalFile, err)
	}
	st.last++
	st.size += int64(len(line))
	if st.size > max(compactAfter, st.base) {
		return s.compact()
	}
	return nil
}

// compact writes a snapshot and empties the journal. The snapshot appears by a
// rename; a crash before the journal is emptied only leaves lines that loading
// skips by their number.
func (s *Server) compact() error {
	st := s.store
	path := filepath.Join(st.dir, snapshotFile)
	tmp := path + ".tmp"
	dump := s.dump()
	st.base = int64(len(dump))
	if err := os.WriteFile(tmp, dump, 0o600); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("replace snapshot: %w", err)
	}
	if err := st.journal.Truncate(0); err != nil {
		return fmt.Errorf("empty journal: %w", err)
	}
	if _, err := st.journal.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("rewind journal: %w", err)
	}
	st.size = 0
	return nil
}

// openStorage loads the state of a data directory. fresh is true when there was
// none.
func (s *Server) openStorage(dir string) (fresh bool, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, fmt.Errorf("create data directory: %w", err)
	}
	st := &storage{dir: dir}
	snapshot, err := os.ReadFile(filepath.Join(dir, snapshotFile))
	switch {
	case errors.Is(err, os.ErrNotExist):
		// The first start writes a snapshot, so a journal without one is not ours.
		if _, err := os.Stat(filepath.Join(dir, journalFile)); err == nil {
			return false, fmt.Errorf("%s holds a %s without a %s", dir, journalFile, snapshotFile)
		}
		fresh = true
	case err != nil:
		return false, fmt.Errorf("read snapshot: %w", err)
	default:
		n, err := s.load(snapshot)
		if err != nil {
			return false, fmt.Errorf("read %s: %w", snapshotFile, err)
		}
		st.last, st.base = n, int64(len(snapshot))
	}
	f, err := os.OpenFile(filepath.Join(dir, journalFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, fmt.Errorf("open journal: %w", err)
	}
	st.journal = f
	good, err := s.replay(st, f)
	if err == nil {
		err = f.Truncate(good)
	}
	if err == nil {
		_, err = f.Seek(good, io.SeekStart)
	}
	if err != nil {
		return false, errors.Join(fmt.Errorf("replay journal: %w", err), f.Close())
	}
	st.size = good
	s.store = st
	return fresh, nil
}

// replay applies the journal and returns the length of its intact part.
func (s *Server) replay(st *storage, f io.Reader) (int64, error) {
	in := bufio.NewReaderSize(f, 1<<16)
	good := int64(0)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return good, nil // the rest, if any, is a torn line
		}
		if err != nil {
			return good, err
		}
		v, err := parseJSON(bytes.TrimSpace(line))
		if err != nil {
			return good, nil
		}
		o, ok := v.(*object)
		if !ok {
			return good, nil
		}
		good += int64(len(line))
		n := intOf(o, "n")
		if n <= st.last {
			continue
		}
		if err := s.apply(o); err != nil {
			return good, fmt.Errorf("entry %d: %w", n, err)
		}
		st.last = n
	}
}

func (s *Server) apply(o *object) error {
	s.lastTime = time.UnixMicro(intOf(o, "clock")).UTC()
	if seqs, ok := o.vals["seq"].(*object); ok {
		for _, k := range seqs.keys {
			s.db.seq[k] = intOf(seqs, k)
		}
	}
	for _, x := range listOf(o, "rows") {
		m := s.models[x.str("model")]
		if m == nil {
			return fmt.Errorf("unknown model %q", x.str("model"))
		}
		var r *row
		if enc, ok := x.vals["row"].(*object); ok {
			r = decodeRow(m, enc)
		}
		s.db.set(m, intOf(x, "id"), r)
	}
	for _, x := range listOf(o, "changes") {
		s.db.changes = append(s.db.changes, decodeChange(x))
	}
	for _, x := range listOf(o, "queued") {
		s.queue.pending = append(s.queue.pending, decodeDelivery(x))
	}
	if done, ok := o.vals["done"].([]any); ok {
		for _, d := range done {
			id, _ := intValue(d)
			s.queue.pending = slices.DeleteFunc(s.queue.pending, func(p *delivery) bool { return p.id == id })
		}
	}
	if p := intOf(o, "pruned"); p > 0 {
		s.db.changes = slices.DeleteFunc(s.db.changes, func(c *change) bool { return c.id < p })
	}
	return nil
}

// dump is the whole state as one JSON text.
func (s *Server) dump() []byte {
	o := obj("format", 1, "version", s.version, "clock", s.lastTime.UnixMicro(), "seq", encodeSeqs(s.db.seq), "users", encodeUsers(s.users))
	if s.store != nil {
		o.set("n", s.store.last)
	}
	tables := newObject()
	for _, m := range s.order {
		rows := []any{}
		for _, r := range s.db.rows(m) {
			rows = append(rows, encodeRow(r))
		}
		tables.set(m.typeName(), rows)
	}
	o.set("tables", tables)
	changes := []any{}
	for _, c := range s.db.changes {
		changes = append(changes, encodeChange(c))
	}
	o.set("changes", changes)
	queued := []any{}
	for _, d := range s.queue.pending {
		queued = append(queued, encodeDelivery(d))
	}
	o.set("queued", queued)
	return encodeJSON(o, compact)
}

// load replaces the database by a dump and returns the number of the last entry
// in it.
func (s *Server) load(src []byte) (int64, error) {
	v, err := parseJSON(src)
	if err != nil {
		return 0, err
	}
	o, ok := v.(*object)
	if !ok || intOf(o, "format") != 1 {
		return 0, errors.New("not a dump of this server")
	}
	db := newDatabase(s.order)
	if seqs, ok := o.vals["seq"].(*object); ok {
		for _, k := range seqs.keys {
			db.seq[k] = intOf(seqs, k)
		}
	}
	tables, _ := o.vals["tables"].(*object)
	for _, m := range s.order {
		for _, x := range listOf(tables, m.typeName()) {
			r := decodeRow(m, x)
			db.set(m, r.id, r)
		}
	}
	for _, x := range listOf(o, "changes") {
		db.changes = append(db.changes, decodeChange(x))
	}
	users, err := decodeUsers(o)
	if err != nil {
		return 0, err
	}
	s.db, s.users, s.version = db, users, o.str("version")
	if t := time.UnixMicro(intOf(o, "clock")).UTC(); t.After(s.lastTime) {
		s.lastTime = t
	}
	s.queue.pending = nil
	for _, x := range listOf(o, "queued") {
		s.queue.pending = append(s.queue.pending, decodeDelivery(x))
	}
	return intOf(o, "n"), nil
}

func intOf(o *object, k string) int64 {
	v, _ := o.get(k)
	n, _ := intValue(v)
	return n
}

func listOf(o *object, k string) []*object {
	v, _ := o.get(k)
	list, _ := v.([]any)
	out := make([]*object, 0, len(list))
	for _, x := range list {
		if y, ok := x.(*object); ok {
			out = append(out, y)
		}
	}
	return out
}

func encodeSeqs(seqs map[string]int64) *object {
	o := newObject()
	names := make([]string, 0, len(seqs))
	for k := range seqs {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		o.set(k, seqs[k])
	}
	return o
}

func encodeRow(r *row) *object {
	vals := newObject()
	names := make([]string, 0, len(r.vals))
	for k := range r.vals {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		vals.set(k, r.vals[k])
	}
	tags := []any{}
	for _, t := range r.tags {
		tags = append(tags, t)
	}
	return obj("id", r.id, "created", r.created.UnixMicro(), "updated", r.updated.UnixMicro(), "vals", vals, "tags", tags)
}

func decodeRow(m *model, o *object) *row {
	r := &row{id: intOf(o, "id"), created: time.UnixMicro(intOf(o, "created")).UTC(), updated: time.UnixMicro(intOf(o, "updated")).UTC(), vals: map[string]any{}}
	if vals, ok := o.vals["vals"].(*object); ok {
		for _, k := range vals.keys {
			r.vals[k] = decodeValue(m.field(k), vals.vals[k])
		}
	}
	if tags, ok := o.vals["tags"].([]any); ok {
		for _, t := range tags {
			n, _ := intValue(t)
			r.tags = append(r.tags, n)
		}
	}
	return r
}

// decodeValue restores the Go type that a column had before it was written.
func decodeValue(f *field, v any) any {
	if f == nil || v == nil {
		return v
	}
	switch f.kind {
	case kindTime:
		if t, ok := timeValue(v); ok {
			return t
		}
	case kindInt, kindFK, kindRead:
		if n, ok := v.(number); ok {
			if i, ok := intValue(n); ok {
				return i
			}
		}
	case kindFKs:
		list, _ := v.([]any)
		out := []any{}
		for _, x := range list {
			if n, ok := intValue(x); ok {
				out = append(out, n)
			}
		}
		return out
	}
	return v
}

func encodeChange(c *change) *object {
	return obj("id", c.id, "time", c.time.UnixMicro(), "user", c.userID, "user_name", c.userName, "request", c.requestID, "action", c.action,
		"type", c.typeName, "object", c.objectID, "repr", c.repr, "message", c.message, "pre", c.pre, "post", c.post)
}

func decodeChange(o *object) *change {
	return &change{id: intOf(o, "id"), time: time.UnixMicro(intOf(o, "time")).UTC(), userID: intOf(o, "user"), userName: o.str("user_name"), requestID: o.str("request"),
		action: o.str("action"), typeName: o.str("type"), objectID: intOf(o, "object"), repr: o.str("repr"), message: o.str("message"), pre: o.vals["pre"], post: o.vals["post"]}
}
