package githubtest

import (
	"strings"
)

// Trees: walking and editing them.

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
