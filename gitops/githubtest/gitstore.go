package githubtest

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"crypto/sha1" // #nosec: Git's object ids are SHA-1
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
)

// errNoObject is the answer for an object id the repository does not have.
var errNoObject = errors.New("object does not exist")

// cacheBytes bounds the objects one repository keeps in memory. Objects are
// immutable, so the cache never goes stale.
const cacheBytes = 16 << 20

// gitRepo is one bare repository on disk. Loose objects and references are
// read and written in this process, which keeps a request well under a
// millisecond; objects inside packs come from one long-lived
// `git cat-file --batch`. Writers of references are serialised by the Server.
type gitRepo struct {
	dir string
	run *gitRunner

	mu     sync.Mutex
	cache  map[string]object
	cached int
	batch  *catFile

	zmu sync.Mutex
	z   *zlib.Writer // reused: a new one costs more than most objects
}

func openGitRepo(dir string, run *gitRunner) *gitRepo {
	return &gitRepo{dir: dir, run: run, cache: map[string]object{}}
}

// close ends the helper process, if one was started.
func (r *gitRepo) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.batch != nil {
		r.batch.close()
		r.batch = nil
	}
}

func (r *gitRepo) remember(oid string, o object) {
	if len(o.data) > cacheBytes/8 {
		return
	}
	if r.cached+len(o.data) > cacheBytes {
		r.cache, r.cached = map[string]object{}, 0
	}
	r.cache[oid] = o
	r.cached += len(o.data)
}

// read returns the object; errNoObject when the repository lacks it. The data
// is shared: callers must not change it.
func (r *gitRepo) read(oid string) (object, error) {
	if !isOID(oid) {
		return object{}, errNoObject
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if o, ok := r.cache[oid]; ok {
		return o, nil
	}
	o, err := readLoose(filepath.Join(r.dir, "objects", oid[:2], oid[2:]))
	if errors.Is(err, os.ErrNotExist) {
		if packs, _ := filepath.Glob(filepath.Join(r.dir, "objects", "pack", "*.idx")); len(packs) == 0 {
			return object{}, errNoObject
		}
		if r.batch == nil {
			if r.batch, err = startCatFile(r.run, r.dir); err != nil {
				return object{}, err
			}
		}
		o, err = r.batch.read(oid)
	}
	if err != nil {
		return object{}, fmt.Errorf("read object %s: %w", oid, err)
	}
	r.remember(oid, o)
	return o, nil
}

func readLoose(path string) (object, error) {
	f, err := os.Open(path)
	if err != nil {
		return object{}, err
	}
	defer f.Close()
	z, err := zlib.NewReader(bufio.NewReader(f))
	if err != nil {
		return object{}, err
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		return object{}, err
	}
	head, data, ok := bytes.Cut(raw, []byte{0})
	kind, size, ok2 := strings.Cut(string(head), " ")
	if n, err := strconv.Atoi(size); !ok || !ok2 || err != nil || n != len(data) {
		return object{}, errors.New("malformed loose object")
	}
	return object{kind: kind, data: data}, nil
}

// write stores an object and returns its id; an object that exists already is
// not written again.
func (r *gitRepo) write(kind string, data []byte) (string, error) {
	head := fmt.Sprintf("%s %d\x00", kind, len(data))
	h := sha1.New()
	io.WriteString(h, head)
	h.Write(data)
	oid := hex.EncodeToString(h.Sum(nil))
	if _, err := r.read(oid); err == nil {
		return oid, nil
	}
	dir := filepath.Join(r.dir, "objects", oid[:2])
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	tmp, err := os.CreateTemp(dir, "tmp_obj_")
	if err != nil {
		return "", err
	}
	err = errors.Join(r.deflate(tmp, head, data), tmp.Chmod(0o444), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(dir, oid[2:]))
	}
	if err != nil {
		os.Remove(tmp.Name())
		return "", fmt.Errorf("write %s: %w", kind, err)
	}
	r.mu.Lock()
	r.remember(oid, object{kind: kind, data: append([]byte(nil), data...)})
	r.mu.Unlock()
	return oid, nil
}

func (r *gitRepo) deflate(w io.Writer, head string, data []byte) error {
	r.zmu.Lock()
	defer r.zmu.Unlock()
	if r.z == nil {
		r.z, _ = zlib.NewWriterLevel(w, zlib.BestSpeed)
	} else {
		r.z.Reset(w)
	}
	// Write errors stay with the writer and come out of Close.
	io.WriteString(r.z, head)
	r.z.Write(data)
	return r.z.Close()
}

func (r *gitRepo) commit(oid string) (*commit, error) {
	o, err := r.read(oid)
	if err != nil {
		return nil, err
	}
	if o.kind != kindCommit {
		return nil, errNoObject
	}
	return parseCommit(oid, o.data)
}

// peel follows annotated tags to the object they point to.
func (r *gitRepo) peel(oid string) (string, object, error) {
	for range 8 {
		o, err := r.read(oid)
		if err != nil || o.kind != kindTag {
			return oid, o, err
		}
		line, _, _ := strings.Cut(string(o.data), "\n")
		oid = strings.TrimPrefix(line, "object ")
	}
	return "", object{}, errNoObject
}

func (r *gitRepo) tree(oid string) ([]treeEntry, error) {
	o, err := r.read(oid)
	if err != nil {
		return nil, err
	}
	if o.kind != kindTree {
		return nil, errNoObject
	}
	return parseTree(o.data)
}

// entryAt finds the entry at a slash-separated path below a tree; the empty
// path is the tree itself.
func (r *gitRepo) entryAt(tree, path string) (treeEntry, error) {
	cur := treeEntry{mode: modeTree, oid: tree}
	if path == "" {
		return cur, nil
	}
	for _, part := range strings.Split(path, "/") {
		if cur.mode != modeTree {
			return treeEntry{}, errNoObject
		}
		entries, err := r.tree(cur.oid)
		if err != nil {
			return treeEntry{}, err
		}
		i := 0
		for i < len(entries) && entries[i].name != part {
			i++
		}
		if i == len(entries) {
			return treeEntry{}, errNoObject
		}
		cur = entries[i]
	}
	return cur, nil
}

// flatEntry is a tree entry with its path from the root.
type flatEntry struct {
	path string
	treeEntry
}

// walk lists a tree in Git's order, directories before their content; visit
// answers false to stop.
func (r *gitRepo) walk(tree, prefix string, visit func(flatEntry) bool) (bool, error) {
	entries, err := r.tree(tree)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if !visit(flatEntry{prefix + e.name, e}) {
			return false, nil
		}
		if e.mode == modeTree {
			more, err := r.walk(e.oid, prefix+e.name+"/", visit)
			if err != nil || !more {
				return more, err
			}
		}
	}
	return true, nil
}

// treeEdit is the wanted entry at a path; an empty oid removes it.
type treeEdit struct {
	mode string
	oid  string
}

// editTree applies edits (path → entry) to a tree and returns the new tree's
// id. Directories that become empty vanish, as in an index. An edit below a
// file replaces the file by a directory. base may be empty for no tree.
func (r *gitRepo) editTree(base string, edits map[string]treeEdit) (string, error) {
	oid, err := r.editSubtree(base, edits)
	if err == nil && oid == "" {
		return r.write(kindTree, nil)
	}
	return oid, err
}

func (r *gitRepo) editSubtree(base string, edits map[string]treeEdit) (string, error) {
	entries := map[string]treeEntry{}
	if base != "" {
		list, err := r.tree(base)
		if err != nil {
			return "", err
		}
		for _, e := range list {
			entries[e.name] = e
		}
	}
	below := map[string]map[string]treeEdit{}
	for path, edit := range edits {
		name, rest, deeper := strings.Cut(path, "/")
		switch {
		case deeper:
			if below[name] == nil {
				below[name] = map[string]treeEdit{}
			}
			below[name][rest] = edit
		case edit.oid == "":
			delete(entries, name)
		default:
			entries[name] = treeEntry{mode: edit.mode, name: name, oid: edit.oid}
		}
	}
	for name, sub := range below {
		subBase := ""
		if e, ok := entries[name]; ok && e.mode == modeTree {
			subBase = e.oid
		}
		if subBase == "" && allRemovals(sub) {
			continue
		}
		oid, err := r.editSubtree(subBase, sub)
		if err != nil {
			return "", err
		}
		if oid == "" {
			delete(entries, name)
		} else {
			entries[name] = treeEntry{mode: modeTree, name: name, oid: oid}
		}
	}
	if len(entries) == 0 {
		return "", nil
	}
	list := make([]treeEntry, 0, len(entries))
	for _, e := range entries {
		list = append(list, e)
	}
	return r.write(kindTree, formatTree(list))
}

func allRemovals(edits map[string]treeEdit) bool {
	for _, e := range edits {
		if e.oid != "" {
			return false
		}
	}
	return true
}

// ref reads a reference; ok is false when it does not exist.
func (r *gitRepo) ref(name string) (oid string, ok bool, err error) {
	data, err := os.ReadFile(filepath.Join(r.dir, filepath.FromSlash(name)))
	if err == nil {
		oid = strings.TrimSpace(string(data))
		return oid, isOID(oid), nil
	}
	packed, err := r.packedRefs()
	if err != nil {
		return "", false, err
	}
	oid, ok = packed[name]
	return oid, ok, nil
}

func (r *gitRepo) packedRefs() (map[string]string, error) {
	data, err := os.ReadFile(filepath.Join(r.dir, "packed-refs"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, line := range strings.Split(string(data), "\n") {
		oid, name, ok := strings.Cut(line, " ")
		if ok && isOID(oid) {
			out[name] = oid
		}
	}
	return out, nil
}

// namedRef is a reference and what it points to.
type namedRef struct {
	name string
	oid  string
}

// refs lists the references whose names begin with prefix (which must begin
// with "refs/"), sorted by name.
func (r *gitRepo) refs(prefix string) ([]namedRef, error) {
	found, err := r.packedRefs()
	if err != nil {
		return nil, err
	}
	if found == nil {
		found = map[string]string{}
	}
	err = filepath.WalkDir(filepath.Join(r.dir, "refs"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".lock") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(r.dir, path)
		if oid := strings.TrimSpace(string(data)); isOID(oid) {
			found[filepath.ToSlash(name)] = oid
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []namedRef
	for name, oid := range found {
		if strings.HasPrefix(name, prefix) {
			out = append(out, namedRef{name, oid})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].name < out[j].name })
	return out, nil
}

// refConflict says whether name cannot exist beside the present references
// because one is a directory of the other.
func (r *gitRepo) refConflict(name string) (bool, error) {
	all, err := r.refs("refs/")
	if err != nil {
		return false, err
	}
	for _, ref := range all {
		if strings.HasPrefix(ref.name, name+"/") || strings.HasPrefix(name, ref.name+"/") {
			return true, nil
		}
	}
	return false, nil
}

// setRef moves a reference with Git's own lock protocol (create NAME.lock,
// rename), so that git processes working in the repository stay correct. An
// empty oid deletes. The caller has checked the old value and holds the
// Server's lock.
func (r *gitRepo) setRef(name, oid string) error {
	if oid == "" {
		_, err := r.run.run(r.dir, nil, "update-ref", "-d", name)
		return err
	}
	path := filepath.Join(r.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return fmt.Errorf("create directory of %s: %w", name, err)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		// Git leaves empty directories behind when a nested branch goes.
		if err := removeEmptyDirs(path); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return fmt.Errorf("lock %s: %w", name, err)
	}
	_, err = io.WriteString(lock, oid+"\n")
	if err = errors.Join(err, lock.Close()); err == nil {
		err = os.Rename(path+".lock", path)
	}
	if err != nil {
		os.Remove(path + ".lock")
		return fmt.Errorf("set %s: %w", name, err)
	}
	return nil
}

func removeEmptyDirs(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := removeEmptyDirs(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return os.Remove(dir)
}

// history walks the commits reachable from tips, newest commit date first;
// visit answers false to stop.
func (r *gitRepo) history(tips []string, visit func(*commit) bool) error {
	seen := map[string]bool{}
	var heap []*commit
	push := func(oid string) error {
		if seen[oid] {
			return nil
		}
		seen[oid] = true
		c, err := r.commit(oid)
		if err != nil {
			return err
		}
		i := sort.Search(len(heap), func(i int) bool { return heap[i].committer.when.Before(c.committer.when) })
		heap = append(heap, nil)
		copy(heap[i+1:], heap[i:])
		heap[i] = c
		return nil
	}
	for _, tip := range tips {
		if err := push(tip); err != nil {
			return err
		}
	}
	for len(heap) > 0 {
		c := heap[0]
		heap = heap[1:]
		if !visit(c) {
			return nil
		}
		for _, p := range c.parents {
			if err := push(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// isAncestor says whether old is reachable from tip.
func (r *gitRepo) isAncestor(old, tip string) (bool, error) {
	found := false
	err := r.history([]string{tip}, func(c *commit) bool {
		found = found || c.oid == old
		return !found
	})
	return found, err
}

// reachable is the set of commits reachable from tip.
func (r *gitRepo) reachable(tip string) (map[string]bool, error) {
	out := map[string]bool{}
	err := r.history([]string{tip}, func(c *commit) bool { out[c.oid] = true; return true })
	return out, err
}

// between lists the commits reachable from tip and not from base, oldest
// first; an empty base excludes nothing.
func (r *gitRepo) between(base, tip string) ([]*commit, error) {
	have := map[string]bool{}
	if k, err := r.commit(tip); err == nil && len(k.parents) == 1 && k.parents[0] == base {
		return []*commit{k}, nil // one commit on top, the usual push
	}
	if base != "" && base != zeroOID {
		var err error
		if have, err = r.reachable(base); err != nil {
			return nil, err
		}
	}
	var out []*commit
	err := r.history([]string{tip}, func(c *commit) bool {
		if !have[c.oid] {
			out = append(out, c)
		}
		return true
	})
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out, err
}

// catFile is a running `git cat-file --batch`.
type catFile struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startCatFile(run *gitRunner, dir string) (*catFile, error) {
	cmd := run.command(dir, "cat-file", "--batch")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start git cat-file: %w", err)
	}
	return &catFile{cmd: cmd, in: in, out: bufio.NewReader(out)}, nil
}

func (c *catFile) read(oid string) (object, error) {
	if _, err := io.WriteString(c.in, oid+"\n"); err != nil {
		return object{}, err
	}
	line, err := c.out.ReadString('\n')
	if err != nil {
		return object{}, err
	}
	fields := strings.Fields(line)
	if len(fields) == 2 && fields[1] == "missing" {
		return object{}, errNoObject
	}
	if len(fields) != 3 {
		return object{}, fmt.Errorf("git cat-file answered %q", line)
	}
	size, err := strconv.Atoi(fields[2])
	if err != nil {
		return object{}, err
	}
	data := make([]byte, size+1)
	if _, err := io.ReadFull(c.out, data); err != nil {
		return object{}, err
	}
	return object{kind: fields[1], data: data[:size]}, nil
}

func (c *catFile) close() {
	c.in.Close()
	c.cmd.Wait()
}
