package repo

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"unicode/utf8"

	"github.com/hnp-sync/hnp-sync/gitops"
)

const (
	// One request to create a tree holds at most this much content and this many entries: larger ones have been
	// answered with 502 (about 2.5 MB) or 422 "input was too large". Trees are chained with base_tree.
	maxInlineBytes = 1 << 20
	maxTreeChunk   = 500
)

// treeChange is one entry of a tree to create. An entry with neither SHA nor Content would be sent as "sha": null,
// which deletes the file; an empty file therefore has a pointer to empty content.
type treeChange struct {
	Path    string  `json:"path"`
	Mode    string  `json:"mode"`
	Type    string  `json:"type"`
	SHA     *string `json:"sha,omitempty"`
	Content *string `json:"content,omitempty"`
}

// treeRemoval is an entry that removes a path.
type treeRemoval struct {
	Path string  `json:"path"`
	Mode string  `json:"mode"`
	Type string  `json:"type"`
	SHA  *string `json:"sha"`
}

// commitByGitData builds the commit from objects, which changes nothing anybody sees, and then moves the branch with
// one compare-and-set. Only the answer to that last request can be lost with an effect.
func (r *Repository) commitByGitData(ctx context.Context, req gitops.CommitRequest, files []gitops.FileChange) (gitops.Commit, error) {
	oid, tree, author, err := r.buildCommit(ctx, req, files)
	if err != nil {
		return gitops.Commit{}, err
	}
	if err := r.moveBranch(ctx, req.ExpectedHead, oid, false); err != nil {
		return gitops.Commit{}, err
	}
	return gitops.Commit{
		OID: oid, Parents: []string{req.ExpectedHead}, Message: wholeMessage(req), Tree: tree,
		Author: author, TouchesDirectory: true,
	}, nil
}

// buildCommit makes the commit's objects; no reference reaches them yet.
func (r *Repository) buildCommit(ctx context.Context, req gitops.CommitRequest, files []gitops.FileChange) (oid, tree, author string, err error) {
	if tree, _, err = r.groundFor(ctx, req.ExpectedHead); err != nil {
		return "", "", "", err
	}
	if tree, err = r.createTrees(ctx, req.ExpectedHead, tree, files); err != nil {
		return "", "", "", err
	}
	// Without author and committer GitHub signs the commit as the App.
	var commit struct {
		SHA    string `json:"sha"`
		Author struct {
			Name string `json:"name"`
		} `json:"author"`
	}
	err = r.create(ctx, req.ExpectedHead, "create commit", r.api("git", "commits"), map[string]any{
		"message": wholeMessage(req), "tree": tree, "parents": []string{req.ExpectedHead},
	}, &commit)
	if err != nil {
		return "", "", "", err
	}
	if !isOID(commit.SHA) {
		return "", "", "", errors.New("create commit: answer without an object id")
	}
	return commit.SHA, tree, clip(commit.Author.Name, 100), nil
}

// groundFor returns the root tree of head and the repository's GraphQL id, from the last observations or with one
// query.
func (r *Repository) groundFor(ctx context.Context, head string) (tree, nodeID string, err error) {
	r.memory.mu.Lock()
	tree = r.memory.roots[head]
	r.memory.mu.Unlock()
	if nodeID = r.nodeID(); tree != "" && nodeID != "" {
		return tree, nodeID, nil
	}
	node, _, err := r.ask(ctx, r.observeCommit(head, askTree), askTree)
	if err != nil {
		return "", "", permission(r.ref.String(), err)
	}
	if node.Object == nil || node.Object.Tree == nil || !isOID(node.Object.Tree.OID) {
		return "", "", fmt.Errorf("%w: %s", ErrCommitMissing, head)
	}
	return node.Object.Tree.OID, node.ID, nil
}

// createTrees lays the changes over base and returns the new root tree.
func (r *Repository) createTrees(ctx context.Context, expected, base string, files []gitops.FileChange) (string, error) {
	var chunk []any
	size := 0
	flush := func() error {
		if len(chunk) == 0 {
			return nil
		}
		var out struct {
			SHA string `json:"sha"`
		}
		err := r.create(ctx, expected, "create tree", r.api("git", "trees"), map[string]any{"base_tree": base, "tree": chunk}, &out)
		if err != nil {
			return err
		}
		if !isOID(out.SHA) {
			return fmt.Errorf("create tree: answer without an object id")
		}
		base, chunk, size = out.SHA, nil, 0
		return nil
	}
	// Removals first: a path that becomes a directory must stop being a file.
	for _, removing := range []bool{true, false} {
		for _, f := range files {
			if f.Delete != removing {
				continue
			}
			var change any
			cost := 0
			switch {
			case f.Delete:
				change = treeRemoval{Path: f.Path, Mode: modeFile, Type: "blob"}
			case len(f.Data) > maxInlineBytes/2 || !utf8.Valid(f.Data):
				oid, err := r.createBlob(ctx, expected, f.Data)
				if err != nil {
					return "", fmt.Errorf("%s: %w", f.Path, err)
				}
				change = treeChange{Path: f.Path, Mode: f.Mode, Type: "blob", SHA: &oid}
			default:
				content := string(f.Data)
				change, cost = treeChange{Path: f.Path, Mode: f.Mode, Type: "blob", Content: &content}, len(content)
			}
			if len(chunk) == maxTreeChunk || size+cost > maxInlineBytes {
				if err := flush(); err != nil {
					return "", err
				}
			}
			chunk = append(chunk, change)
			size += cost
		}
	}
	if err := flush(); err != nil {
		return "", err
	}
	return base, nil
}

func (r *Repository) createBlob(ctx context.Context, expected string, data []byte) (string, error) {
	want := blobOID(data, expected)
	var out struct {
		SHA string `json:"sha"`
	}
	err := r.create(ctx, expected, "create blob", r.api("git", "blobs"), map[string]string{
		"content": base64.StdEncoding.EncodeToString(data), "encoding": "base64",
	}, &out)
	if err != nil {
		return "", err
	}
	if out.SHA != want {
		return "", fmt.Errorf("create blob: got object id %s, want %s", clip(out.SHA, 80), want)
	}
	return want, nil
}

// create posts one Git object. Objects that no reference reaches change nothing, so that a lost answer is an
// ordinary failure here: the next try makes them again.
func (r *Repository) create(ctx context.Context, expected, operation, path string, in, out any) error {
	resp, err := r.client.rest(ctx, request{operation: operation, method: http.MethodPost, path: path, in: in, invisible: true})
	if err != nil {
		return r.refused(ctx, err, expected)
	}
	return decode(operation, resp.body, out)
}
