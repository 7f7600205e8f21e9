package gitops

import (
	"bytes"
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPathBytes bounds a path below the fabric directory (the specification's managed_file_path).
const maxPathBytes = 500

// stagedTree is the observed tree with the changes of one commit on top. Two paths that differ by case only are one
// path to it, because they are one file on the disks of many people; the observed ones are let be.
type stagedTree struct {
	observed map[string]*TreeEntry
	files    map[string]string // lower case path → path
	dirs     map[string]bool   // directories as they are spelt
	spelt    map[string]string // lower case directory → the first spelling, by sort order
	staged   map[string]FileChange
	undo     []func()
}

func newStagedTree(entries map[string]*TreeEntry) *stagedTree {
	t := &stagedTree{observed: entries, files: map[string]string{}, dirs: map[string]bool{}, spelt: map[string]string{}, staged: map[string]FileChange{}}
	for _, p := range sortedIDs(entries) {
		t.add(p)
	}
	return t
}

func (t *stagedTree) add(p string) {
	t.files[strings.ToLower(p)] = p
	for dir := path.Dir(p); dir != "." && dir != "/" && !t.dirs[dir]; dir = path.Dir(dir) {
		t.dirs[dir] = true
		if lower := strings.ToLower(dir); t.spelt[lower] == "" {
			t.spelt[lower] = dir
		}
	}
}

// twin is another spelling of a directory that exists in no spelling of its own; empty when there is none.
func (t *stagedTree) twin(dir string) string {
	if t.dirs[dir] {
		return ""
	}
	if other := t.spelt[strings.ToLower(dir)]; other != dir {
		return other
	}
	return ""
}

// usable tells whether a new file can stand at p: the path is safe, nothing has it in any case, no parent of it is a
// file, and none of its directories exists in another spelling only.
func (t *stagedTree) usable(p string) bool {
	if !safePath(p) || len(p) > maxPathBytes {
		return false
	}
	lower := strings.ToLower(p)
	if _, used := t.files[lower]; used || t.spelt[lower] != "" {
		return false
	}
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		if _, file := t.files[strings.ToLower(dir)]; file || t.twin(dir) != "" {
			return false
		}
	}
	return true
}

// replaceable tells whether p is an observed regular file that this commit has not touched.
func (t *stagedTree) replaceable(p string) bool {
	e := t.observed[p]
	_, touched := t.staged[p]
	return e != nil && !touched && (e.Mode == "100644" || e.Mode == "100755")
}

// free finds a path near want that a new file can have: name.yaml, name-2.yaml, ...
func (t *stagedTree) free(want string) (string, bool) {
	for i := 1; i <= 1000; i++ {
		if p := numbered(want, i); t.usable(p) {
			return p, true
		}
	}
	return "", false
}

// numbered is the i-th name to try for a path; the first is the path itself.
func numbered(p string, i int) string {
	if i == 1 {
		return p
	}
	ext := path.Ext(p)
	return fmt.Sprintf("%s-%d%s", strings.TrimSuffix(p, ext), i, ext)
}

// put stages a file's content. An existing file keeps its mode.
func (t *stagedTree) put(p string, data []byte, mode string) {
	if e := t.observed[p]; e != nil && t.replaceable(p) {
		mode = e.Mode
	}
	t.stage(p, FileChange{Path: p, Data: data, Mode: mode})
	t.add(p)
}

// remove stages the removal of an observed file.
func (t *stagedTree) remove(p string) {
	t.stage(p, FileChange{Path: p, Delete: true, Mode: t.observed[p].Mode})
	lower := strings.ToLower(p)
	if t.files[lower] == p {
		delete(t.files, lower)
		t.undo = append(t.undo, func() { t.files[lower] = p })
	}
}

func (t *stagedTree) stage(p string, c FileChange) {
	old, had := t.staged[p]
	lower := strings.ToLower(p)
	spelling, known := t.files[lower]
	t.staged[p] = c
	t.undo = append(t.undo, func() {
		if had {
			t.staged[p] = old
		} else {
			delete(t.staged, p)
		}
		if known {
			t.files[lower] = spelling
		} else {
			delete(t.files, lower)
		}
	})
}

// mark and rollback undo what was staged since; directories that became known stay known.
func (t *stagedTree) mark() int { return len(t.undo) }

func (t *stagedTree) rollback(mark int) {
	for i := len(t.undo) - 1; i >= mark; i-- {
		t.undo[i]()
	}
	t.undo = t.undo[:mark]
}

// changes are the staged changes that change something, sorted by path.
func (t *stagedTree) changes() []FileChange {
	var out []FileChange
	for _, p := range sortedIDs(t.staged) {
		c := t.staged[p]
		if e := t.observed[p]; e != nil && !c.Delete && e.Mode == c.Mode && bytes.Equal(e.Data, c.Data) {
			continue
		}
		out = append(out, c)
	}
	return out
}

// safePath refuses what must never become part of a new path: empty parts, "..", .git, backslashes, text that is not
// UTF-8, and characters that are not shown or turn the direction of writing.
func safePath(p string) bool {
	if !utf8.ValidString(p) || p == "" {
		return false
	}
	for _, part := range strings.Split(p, "/") {
		if part == "" || part == "." || part == ".." || strings.EqualFold(strings.TrimRight(part, ". "), ".git") || len(part) > 255 {
			return false
		}
	}
	return !strings.ContainsFunc(p, func(r rune) bool {
		return r == '\\' || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
	})
}
