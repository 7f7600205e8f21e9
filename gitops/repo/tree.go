package repo

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hnp-sync/hnp-sync/gitops"
)

const (
	// maxEntries bounds one directory; GitHub's own recursive tree ends there.
	maxEntries = 100_000
	// maxTreeBytes bounds one answer of the trees API.
	maxTreeBytes = 48 << 20
	// manySubtrees is the number of deep subtrees from which one recursive tree of the whole directory is cheaper.
	manySubtrees = 3

	modeFile    = "100644"
	modeExec    = "100755"
	modeSymlink = "120000"
	modeModule  = "160000"
)

// entry is one file of a tree, with a path relative to where the reading began.
type entry struct {
	path string
	mode string
	oid  string
	size int64
	text *string // as GitHub gave it, not verified; nil when not asked for or not text
}

func (e entry) regular() bool { return e.mode == modeFile || e.mode == modeExec }

// plainMode makes the modes that very old Git wrote (100664 and the like) one of the two that Git has now.
func plainMode(mode string) string {
	if len(mode) != 6 || !strings.HasPrefix(mode, "100") {
		return mode
	}
	if (mode[3]-'0')&1 == 1 {
		return modeExec
	}
	return modeFile
}

// subtree is a directory that an answer named but did not open.
type subtree struct{ path, oid string }

// flatten walks the nested entries of an answer.
func flatten(prefix string, in []entryNode, depth int, files *[]entry, closed *[]subtree) error {
	for i := range in {
		n := &in[i]
		if n.Name == "" || n.Name == "." || n.Name == ".." || strings.ContainsAny(n.Name, "/\x00") {
			return fmt.Errorf("tree holds an entry named %q", clip(n.Name, 100))
		}
		if !isOID(n.OID) {
			return fmt.Errorf("entry %s has no object id", clip(prefix+n.Name, 200))
		}
		p := prefix + n.Name
		if n.Type == "tree" {
			if n.Object == nil || n.Object.Entries == nil || depth <= 1 {
				*closed = append(*closed, subtree{p, n.OID})
				continue
			}
			if err := flatten(p+"/", *n.Object.Entries, depth-1, files, closed); err != nil {
				return err
			}
			continue
		}
		e := entry{path: p, mode: plainMode(fmt.Sprintf("%06o", n.Mode)), oid: n.OID, size: n.Size}
		if e.mode == modeModule || n.Type == "commit" {
			e.mode, e.size = modeModule, 0
		}
		if n.Object != nil && n.Object.Text != nil && !n.Object.IsTruncated {
			e.text = n.Object.Text
		}
		if e.size < 0 {
			return fmt.Errorf("entry %s has size %d", clip(p, 200), e.size)
		}
		if *files = append(*files, e); len(*files) > maxEntries {
			return fmt.Errorf("directory holds more than %d files", maxEntries)
		}
	}
	return nil
}

type treeAnswer struct {
	Truncated bool `json:"truncated"`
	Tree      []struct {
		Path string `json:"path"`
		Mode string `json:"mode"`
		Type string `json:"type"`
		SHA  string `json:"sha"`
		Size int64  `json:"size"`
	} `json:"tree"`
}

// decodeTree reads one answer of the trees API: files, and the directories named in it.
func decodeTree(operation, prefix string, body []byte) (files []entry, dirs []subtree, truncated bool, err error) {
	var answer treeAnswer
	if err := decode(operation, body, &answer); err != nil {
		return nil, nil, false, err
	}
	for _, n := range answer.Tree {
		if !isOID(n.SHA) || !treePath(n.Path) {
			return nil, nil, false, fmt.Errorf("%s: entry %q is not usable", operation, clip(n.Path, 200))
		}
		switch n.Type {
		case "tree":
			dirs = append(dirs, subtree{prefix + n.Path, n.SHA})
		case "blob", "commit":
			e := entry{path: prefix + n.Path, mode: plainMode(n.Mode), oid: n.SHA, size: n.Size}
			if n.Type == "commit" {
				e.mode, e.size = modeModule, 0
			}
			if len(e.mode) != 6 || e.size < 0 {
				return nil, nil, false, fmt.Errorf("%s: entry %q has mode %q and size %d", operation, clip(n.Path, 200), clip(n.Mode, 20), n.Size)
			}
			files = append(files, e)
		default:
			return nil, nil, false, fmt.Errorf("%s: entry %q has type %q", operation, clip(n.Path, 200), clip(n.Type, 20))
		}
	}
	return files, dirs, answer.Truncated, nil
}

// treePath accepts what Git allows inside a tree; odd characters are the reader's business.
func treePath(p string) bool {
	for part := range strings.SplitSeq(p, "/") {
		if part == "" || part == "." || part == ".." || strings.ContainsRune(part, 0) {
			return false
		}
	}
	return true
}

// recursiveTree reads a whole tree with the trees API: one request, and more only where GitHub truncates.
func (r *Repository) recursiveTree(ctx context.Context, oid, prefix string) ([]entry, error) {
	files, _, truncated, err := r.readTree(ctx, oid, prefix, true)
	if err != nil || !truncated {
		return files, err
	}
	// Truncated: this level alone, then each directory below it by itself.
	files, dirs, truncated, err := r.readTree(ctx, oid, prefix, false)
	if err != nil {
		return nil, err
	}
	if truncated {
		return nil, fmt.Errorf("read tree %s: one directory holds more entries than GitHub lists", oid)
	}
	for _, d := range dirs {
		below, err := r.recursiveTree(ctx, d.oid, d.path+"/")
		if err != nil {
			return nil, err
		}
		if files = append(files, below...); len(files) > maxEntries {
			return nil, fmt.Errorf("directory holds more than %d files", maxEntries)
		}
	}
	return files, nil
}

func (r *Repository) readTree(ctx context.Context, oid, prefix string, recursive bool) (files []entry, dirs []subtree, truncated bool, err error) {
	const operation = "read tree"
	p := r.api("git", "trees", oid)
	if recursive {
		p += "?recursive=1"
	}
	resp, err := r.client.rest(ctx, request{operation: operation, method: "GET", path: p, maxBytes: maxTreeBytes})
	if err != nil {
		return nil, nil, false, permission(r.ref.String(), err)
	}
	return decodeTree(operation, prefix, resp.body)
}

// openSubtrees completes files with what lies below the depth of the query. Subtrees that did not change since the
// last observation cost nothing.
func (r *Repository) openSubtrees(ctx context.Context, dirTree string, files []entry, closed []subtree) ([]entry, error) {
	if len(closed) == 0 {
		return files, nil
	}
	kept := map[string][]entry{}
	unknown := 0
	r.memory.mu.Lock()
	for _, s := range closed {
		if below, found := r.memory.deep[s.oid]; found {
			kept[s.oid] = below
		} else {
			unknown++
		}
	}
	r.memory.mu.Unlock()
	if unknown > manySubtrees {
		all, err := r.recursiveTree(ctx, dirTree, "")
		if err != nil {
			return nil, err
		}
		for _, s := range closed {
			below := []entry{}
			for _, e := range all {
				if rest, found := strings.CutPrefix(e.path, s.path+"/"); found {
					e.path = rest
					below = append(below, e)
				}
			}
			kept[s.oid] = below
		}
	}
	for _, s := range closed {
		below, found := kept[s.oid]
		if !found {
			var err error
			if below, err = r.recursiveTree(ctx, s.oid, ""); err != nil {
				return nil, err
			}
			kept[s.oid] = below
		}
		for _, e := range below {
			e.path = s.path + "/" + e.path
			files = append(files, e)
		}
	}
	r.memory.mu.Lock()
	r.memory.deep = kept
	r.memory.mu.Unlock()
	return files, nil
}

// snapshotEntries turns verified contents and the tree's entries into the engine's, sorted by path.
func snapshotEntries(files []entry, contents map[string][]byte) []gitops.TreeEntry {
	out := make([]gitops.TreeEntry, 0, len(files))
	for _, f := range files {
		e := gitops.TreeEntry{Path: f.path, Mode: f.mode, OID: f.oid, Size: f.size}
		if f.regular() {
			if data, found := contents[f.oid]; found {
				e.Data, e.Size = data, int64(len(data))
			} else {
				e.Oversize = true
			}
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b gitops.TreeEntry) int { return strings.Compare(a.Path, b.Path) })
	return out
}
