package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hnp-sync/hnp-sync/gitops"
)

const (
	// A directory up to this size is asked for with all its contents, which makes the usual push of one file one
	// request. Contents that are known already are the price: at most half a megabyte, compressed on the wire.
	smallFiles = 100
	smallBytes = 512 << 10
	// Above this many files the recursive tree is lighter for GitHub than nested entries.
	nestedFiles = 2000
	// maxObservation caps the answer to one observation.
	maxObservation = 24 << 20
	// stubborn is how often in a row asking for all contents may fail before it is no longer tried.
	stubborn = 2
)

// Observe implements gitops.Repository. One request when the directory is small, or not known yet and small; two
// when it is larger and something is new, one more per 100 further new blobs. A directory of over 2,000 files, or a
// Deep one, costs one for the head and one for its tree when that changed.
func (r *Repository) Observe(ctx context.Context) (*gitops.GitSnapshot, error) {
	return r.observe(ctx, "observe "+r.subject(), func(how mode, lean bool) observation { return r.observeHead(how, lean) }, func(n *repositoryNode) (*commitNode, error) {
		if n.Ref == nil || n.Ref.Target == nil {
			return nil, fmt.Errorf("%w: %s", gitops.ErrBranchMissing, r.subject())
		}
		if n.Ref.Target.History == nil || len(n.Ref.Target.History.Nodes) == 0 || n.Ref.Target.History.Nodes[0].OID != n.Ref.Target.OID {
			return nil, errors.New("history does not begin with the head")
		}
		return n.Ref.Target, nil
	})
}

// ObserveAt implements gitops.Repository. ErrCommitMissing when there is no such commit.
func (r *Repository) ObserveAt(ctx context.Context, commit string) (*gitops.GitSnapshot, error) {
	if !isOID(commit) {
		return nil, fmt.Errorf("%q is not a commit id", clip(commit, 100))
	}
	return r.observe(ctx, "observe "+r.ref.String()+" at "+commit, func(how mode, _ bool) observation { return r.observeCommit(commit, how) }, func(n *repositoryNode) (*commitNode, error) {
		if n.Object == nil || n.Object.OID != commit || n.Object.Tree == nil {
			return nil, fmt.Errorf("%w: %s in %s", ErrCommitMissing, commit, r.ref)
		}
		return n.Object, nil
	})
}

// observe asks, steps down to smaller questions when GitHub cannot serve a large one, and completes the answer.
func (r *Repository) observe(ctx context.Context, what string, build func(mode, bool) observation, pick func(*repositoryNode) (*commitNode, error)) (*gitops.GitSnapshot, error) {
	how := r.choose()
	var node *repositoryNode
	var raw json.RawMessage
	lean := false // without the directory's tree per commit
	for relocated := false; ; {
		var err error
		node, raw, err = r.ask(ctx, build(how, lean), how)
		if err == nil {
			r.noteContents(how, true)
			break
		}
		switch {
		case tooMuch(err) && how == askContents:
			r.noteContents(how, false)
			how, lean = askEntries, true
		case tooMuch(err) && how == askEntries:
			how, lean = askTree, true
		case notFound(err) && !relocated:
			// Renamed, transferred, replaced by another of the same name, or gone: only the id can tell.
			relocated = true
			if _, err := r.locate(ctx); err != nil {
				return nil, fmt.Errorf("%s: %w", what, err)
			}
		default:
			return nil, fmt.Errorf("%s: %w", what, permission(r.ref.String(), err))
		}
	}
	commit, err := pick(node)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	snap, err := r.snapshot(ctx, how, lean, commit, raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return snap, nil
}

// errOtherRepository: the name now belongs to a repository with another id.
var errOtherRepository = errors.New("another repository has this name now")

func notFound(err error) bool {
	var api *APIError
	return errors.Is(err, errOtherRepository) || errors.As(err, &api) && (api.Type == "NOT_FOUND" || api.Status == 404)
}

// ask sends one query and checks that the answer is about this repository.
func (r *Repository) ask(ctx context.Context, q observation, how mode) (*repositoryNode, json.RawMessage, error) {
	var out struct {
		Repository json.RawMessage `json:"repository"`
	}
	attempts := 0
	if how != askTree {
		attempts = 1 // a smaller question is the better second try
	}
	if err := r.client.query(ctx, "observe", q.text, q.variables, maxObservation, attempts, &out); err != nil {
		return nil, nil, err
	}
	if len(out.Repository) == 0 || string(out.Repository) == "null" {
		return nil, nil, &APIError{Operation: "observe", Status: 200, Type: "NOT_FOUND", Message: "repository is null"}
	}
	var node repositoryNode
	if err := decode("observe", out.Repository, &node); err != nil {
		return nil, nil, err
	}
	if node.DatabaseID != r.ref.RepositoryID {
		return nil, nil, errOtherRepository
	}
	owner, name, found := strings.Cut(node.NameWithOwner, "/")
	if found && plainName(owner) && plainName(name) {
		r.ref.Owner, r.ref.Name = owner, name // GitHub follows renames
		r.app.learn(r.ref.RepositoryID, repoFacts{owner: owner, name: name, nodeID: node.ID})
	}
	return &node, out.Repository, nil
}

// choose picks the way to ask from what is known about the directory.
func (r *Repository) choose() mode {
	m := r.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	files, bytes := m.files, m.bytes
	if !m.known {
		if files = r.opts.ExpectedFiles; files == 0 && r.opts.Deep {
			return askTree
		}
	}
	switch {
	case files > nestedFiles:
		return askTree
	case files <= smallFiles && bytes <= smallBytes && m.failures < stubborn:
		return askContents
	}
	return askEntries
}

func (r *Repository) noteContents(how mode, ok bool) {
	r.memory.mu.Lock()
	defer r.memory.mu.Unlock()
	switch {
	case how != askContents:
	case ok:
		r.memory.failures = 0
	default:
		r.memory.failures++
	}
}

// snapshot completes one answer: subtrees below its depth, contents it does not hold, history.
func (r *Repository) snapshot(ctx context.Context, how mode, lean bool, c *commitNode, raw json.RawMessage) (*gitops.GitSnapshot, error) {
	if !isOID(c.OID) || c.Tree == nil || !isOID(c.Tree.OID) {
		return nil, errors.New("commit without an object id or tree")
	}
	snap := &gitops.GitSnapshot{Head: c.OID, Entries: []gitops.TreeEntry{}}
	for _, n := range []*entryNode{c.YAML, c.YML} {
		if n != nil && n.Type == "blob" && isOID(n.OID) {
			snap.ConfigBlob = n.OID
			break
		}
	}
	var top []entryNode
	switch {
	case r.opts.Directory == "":
		snap.DirTree, top = c.Tree.OID, c.Tree.Entries
	case c.Dir == nil:
	case c.Dir.Type != "tree" || !isOID(c.Dir.OID):
		return nil, fmt.Errorf("%s is a file or symbolic link, not a directory", r.opts.Directory)
	default:
		snap.DirTree = c.Dir.OID
		if c.Dir.Object != nil && c.Dir.Object.Entries != nil {
			top = *c.Dir.Object.Entries
		}
	}
	files, err := r.files(ctx, how, snap.DirTree, top)
	if err != nil {
		return nil, err
	}
	var hinted map[string]*string
	if how != askContents {
		if hinted, err = r.hinted(raw); err != nil {
			return nil, err
		}
	}
	contents, err := r.contents(ctx, files, hinted)
	if err != nil {
		return nil, err
	}
	snap.Entries = snapshotEntries(files, contents)
	if c.History != nil {
		if snap.Commits, err = r.history(c.History.Nodes, !lean); err != nil {
			return nil, err
		}
	}
	r.remember(snap, c)
	return snap, nil
}

func (r *Repository) files(ctx context.Context, how mode, dirTree string, top []entryNode) ([]entry, error) {
	if dirTree == "" {
		return nil, nil
	}
	if how != askTree {
		var files []entry
		var closed []subtree
		if err := flatten("", top, queryDepth, &files, &closed); err != nil {
			return nil, err
		}
		return r.openSubtrees(ctx, dirTree, files, closed)
	}
	r.memory.mu.Lock()
	known, entries := r.memory.tree == dirTree, r.memory.entries
	r.memory.mu.Unlock()
	if known {
		return entries, nil
	}
	entries, err := r.recursiveTree(ctx, dirTree, "")
	if err != nil {
		return nil, err
	}
	r.memory.mu.Lock()
	r.memory.tree, r.memory.entries = dirTree, entries
	r.memory.mu.Unlock()
	return entries, nil
}

// hinted returns the texts of the files that were asked for by name, by object id. The tree says which object each
// path is, and the hash whether the text is that object.
func (r *Repository) hinted(raw json.RawMessage) (map[string]*string, error) {
	if len(r.hints) == 0 {
		return nil, nil
	}
	var node struct {
		Ref    *struct{ Target map[string]json.RawMessage } `json:"ref"`
		Object map[string]json.RawMessage                   `json:"object"`
	}
	if err := decode("observe", raw, &node); err != nil {
		return nil, err
	}
	commit := node.Object
	if node.Ref != nil {
		commit = node.Ref.Target
	}
	texts := map[string]*string{}
	for i := range r.hints {
		var n *entryNode
		if json.Unmarshal(commit["h"+strconv.Itoa(i)], &n) == nil && n != nil && n.Object != nil && n.Object.Text != nil && !n.Object.IsTruncated {
			texts[n.OID] = n.Object.Text
		}
	}
	return texts, nil
}

// history turns the answer's commits into the engine's. A commit touches the directory when it is a first-parent
// step of the branch and its directory is another than its first parent's; where the parent is not in the list, or
// the directories were not asked for, it is assumed.
func (r *Repository) history(in []commitNode, asked bool) ([]gitops.Commit, error) {
	byOID := make(map[string]*commitNode, len(in))
	for i := range in {
		byOID[in[i].OID] = &in[i]
	}
	dirOf := func(c *commitNode) string {
		switch {
		case r.opts.Directory == "" && c.Tree != nil:
			return c.Tree.OID
		case c.Dir != nil:
			return c.Dir.OID
		}
		return ""
	}
	steps := map[string]bool{}
	for c := byOID[in[0].OID]; c != nil && !steps[c.OID]; {
		steps[c.OID] = true
		if c.Parents == nil || len(c.Parents.Nodes) == 0 {
			break
		}
		c = byOID[c.Parents.Nodes[0].OID]
	}
	out := make([]gitops.Commit, 0, len(in))
	for i := range in {
		c := &in[i]
		if !isOID(c.OID) {
			return nil, errors.New("history holds a commit without an object id")
		}
		commit := gitops.Commit{OID: c.OID, Message: c.Message, Author: c.Author.name(), TouchesDirectory: true}
		if c.Tree != nil {
			commit.Tree = c.Tree.OID
		}
		if c.Parents != nil {
			for _, p := range c.Parents.Nodes {
				commit.Parents = append(commit.Parents, p.OID)
			}
		}
		switch {
		case !asked && r.opts.Directory != "":
		case !steps[c.OID]:
			commit.TouchesDirectory = false
		case len(commit.Parents) == 0:
			commit.TouchesDirectory = dirOf(c) != ""
		default:
			if parent := byOID[commit.Parents[0]]; parent != nil {
				commit.TouchesDirectory = dirOf(c) != dirOf(parent)
			}
		}
		out = append(out, commit)
	}
	return out, nil
}

// remember keeps what the next observation can use.
func (r *Repository) remember(snap *gitops.GitSnapshot, c *commitNode) {
	m := r.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known, m.files, m.bytes = true, len(snap.Entries), 0
	for _, e := range snap.Entries {
		m.bytes += e.Size
	}
	if len(m.roots) >= 8 {
		clear(m.roots)
	}
	m.roots[snap.Head] = c.Tree.OID
}
