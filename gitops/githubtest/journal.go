package githubtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// The state outside Git (accounts, tokens, pull requests, deliveries, …) lives
// in memory as tables of records and is written through to one journal:
// a JSON line per changed record, the last line of a record wins. Appending a
// line is atomic enough for a process that is killed (a torn last line is
// dropped on opening), cheap enough to do on each change, and rewriting it
// compactly is one rename.

type journalLine struct {
	Table string          `json:"t"`
	ID    int64           `json:"id"`
	Value json.RawMessage `json:"v"` // null: removed
}

type journal struct {
	path   string
	file   *os.File
	lock   *os.File
	tables map[string]loadable
	size   int64 // appended since the last rewrite
	limit  int64 // of size
	err    error // first write error
}

type loadable interface {
	load(id int64, value json.RawMessage) error
	each(func(id int64, value any) error) error
}

// openJournal locks the folder against a second process.
func openJournal(dir string) (*journal, error) {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("%s is in use by another process: %w", dir, err)
	}
	return &journal{path: filepath.Join(dir, "state.jsonl"), lock: lock, tables: map[string]loadable{}, limit: journalGrowth}, nil
}

// load reads the journal into the tables, rewrites it compactly and opens it
// for appending. found is false for a new folder.
func (j *journal) load() (found bool, err error) {
	data, err := os.ReadFile(j.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	found = err == nil
	for len(data) > 0 {
		line, rest, complete := bytes.Cut(data, []byte("\n"))
		data = rest
		if !complete {
			break // the process was killed while it wrote this line
		}
		var l journalLine
		if err := json.Unmarshal(line, &l); err != nil {
			return true, fmt.Errorf("%s: %w", j.path, err)
		}
		t := j.tables[l.Table]
		if t == nil {
			return true, fmt.Errorf("%s: unknown table %q", j.path, l.Table)
		}
		if err := t.load(l.ID, l.Value); err != nil {
			return true, fmt.Errorf("%s: %s %d: %w", j.path, l.Table, l.ID, err)
		}
	}
	if found {
		if err := j.compact(); err != nil {
			return found, err
		}
	}
	j.file, err = os.OpenFile(j.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return found, err
}

func (j *journal) compact() error {
	tmp, err := os.OpenFile(j.path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(tmp)
	names := make([]string, 0, len(j.tables))
	for name := range j.tables {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		err = errors.Join(err, j.tables[name].each(func(id int64, v any) error { return writeLine(w, name, id, v) }))
	}
	if err = errors.Join(err, w.Flush(), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(j.path+".tmp", j.path)
}

func writeLine(w io.Writer, table string, id int64, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	line, err := json.Marshal(journalLine{table, id, raw})
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

func (j *journal) append(table string, id int64, v any) {
	if j.file == nil {
		return // seeding: written by compact at its end
	}
	if err := writeLine(&counted{j.file, &j.size}, table, id, v); err != nil && j.err == nil {
		j.err = fmt.Errorf("write %s: %w", j.path, err)
	}
	if j.size > j.limit && j.err == nil {
		j.err = j.rewrite()
	}
}

// journalGrowth is how much is appended before the journal is rewritten: old
// versions of records, and webhook payloads that were dropped, go then.
const journalGrowth = 64 << 20

// rewrite compacts the journal while it is in use.
func (j *journal) rewrite() error {
	if err := j.compact(); err != nil {
		return fmt.Errorf("rewrite %s: %w", j.path, err)
	}
	old := j.file
	var err error
	if j.file, err = os.OpenFile(j.path, os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		j.file = old
		return fmt.Errorf("rewrite %s: %w", j.path, err)
	}
	j.size = 0
	return old.Close()
}

// counted counts what is written.
type counted struct {
	w io.Writer
	n *int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	*c.n += int64(n)
	return n, err
}

func (j *journal) close() error {
	err := j.err
	if j.file != nil {
		err = errors.Join(err, j.file.Close())
	}
	// Given up in words: a git process between its fork and its exec holds a copy of the descriptor, and closing ours
	// would not free the lock until it is gone.
	return errors.Join(err, syscall.Flock(int(j.lock.Fd()), syscall.LOCK_UN), j.lock.Close())
}

// table is one kind of record, by id. It is guarded by the Server's lock.
type table[T any] struct {
	name string
	rows map[int64]*T
	j    *journal
}

func newTable[T any](j *journal, name string) *table[T] {
	t := &table[T]{name: name, rows: map[int64]*T{}, j: j}
	j.tables[name] = t
	return t
}

func (t *table[T]) load(id int64, value json.RawMessage) error {
	if string(value) == "null" {
		delete(t.rows, id)
		return nil
	}
	row := new(T)
	if err := json.Unmarshal(value, row); err != nil {
		return err
	}
	t.rows[id] = row
	return nil
}

func (t *table[T]) each(visit func(int64, any) error) error {
	for _, id := range t.ids() {
		if err := visit(id, t.rows[id]); err != nil {
			return err
		}
	}
	return nil
}

func (t *table[T]) ids() []int64 {
	ids := make([]int64, 0, len(t.rows))
	for id := range t.rows {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// all lists the rows by ascending id.
func (t *table[T]) all() []*T {
	out := make([]*T, 0, len(t.rows))
	for _, id := range t.ids() {
		out = append(out, t.rows[id])
	}
	return out
}

// find lists the rows that satisfy keep, by ascending id.
func (t *table[T]) find(keep func(*T) bool) []*T {
	var out []*T
	for _, id := range t.ids() {
		if keep(t.rows[id]) {
			out = append(out, t.rows[id])
		}
	}
	return out
}

// put stores a new or changed row, in memory and in the journal.
func (t *table[T]) put(id int64, row *T) {
	t.rows[id] = row
	t.j.append(t.name, id, row)
}

func (t *table[T]) remove(id int64) {
	delete(t.rows, id)
	t.j.append(t.name, id, nil)
}
