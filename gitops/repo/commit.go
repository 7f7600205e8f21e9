package repo

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/hnp-sync/hnp-sync/gitops"
)

const (
	// maxMutationBytes is the most content sent with createCommitOnBranch. GitHub has been seen to fail at about
	// 40 MB, and base64 adds a third; a request of some megabytes is well inside.
	maxMutationBytes = 4 << 20
	// maxMutationFiles keeps the mutation moderate; larger commits go through the Git data API.
	maxMutationFiles = 1000
	// maxCommitBytes bounds any commit.
	maxCommitBytes = 64 << 20
)

// Commit implements gitops.Repository. One request, when every file is of mode 100644 and the whole is moderate;
// otherwise the Git data API builds the commit and one compare-and-set moves the branch: 3 requests, and more for
// large contents (2 more when nothing was observed before). The answer's TouchesDirectory is true.
func (r *Repository) Commit(ctx context.Context, req gitops.CommitRequest) (gitops.Commit, error) {
	fail := func(err error) (gitops.Commit, error) {
		return gitops.Commit{}, fmt.Errorf("commit to %s: %w", r.subject(), err)
	}
	if r.opts.ReadOnly {
		return fail(errors.New("opened for reading only"))
	}
	files, plain, err := r.checkCommit(req)
	if err != nil {
		return fail(err)
	}
	var made gitops.Commit
	if plain {
		made, err = r.commitOnBranch(ctx, req, files)
	} else {
		made, err = r.commitByGitData(ctx, req, files)
	}
	if err != nil {
		return fail(err)
	}
	for _, f := range files {
		if !f.Delete {
			r.app.cache.Put(blobOID(f.Data, req.ExpectedHead), bytes.Clone(f.Data))
		}
	}
	return made, nil
}

// checkCommit validates the request and returns its files with repository paths; plain when createCommitOnBranch can
// carry them.
func (r *Repository) checkCommit(req gitops.CommitRequest) (files []gitops.FileChange, plain bool, err error) {
	switch {
	case !isOID(req.ExpectedHead):
		return nil, false, fmt.Errorf("expected head %q is not a commit id", clip(req.ExpectedHead, 80))
	case strings.TrimSpace(req.Subject) == "" || strings.ContainsAny(req.Subject, "\r\n\x00") || strings.ContainsRune(req.Body, 0):
		return nil, false, errors.New("subject must be one line that is not empty, and the message without NUL")
	case len(req.Files) == 0:
		return nil, false, errors.New("no files")
	}
	seen := map[string]bool{}
	total := 0
	plain = len(req.Files) <= maxMutationFiles
	for _, f := range req.Files {
		full := r.full(f.Path)
		if err := errors.Join(checkPath(f.Path), checkPath(full)); err != nil {
			return nil, false, err
		}
		if seen[full] {
			return nil, false, fmt.Errorf("%s is named twice", full)
		}
		seen[full] = true
		if f.Delete {
			f.Data = nil
		} else {
			switch f.Mode {
			case "":
				f.Mode = modeFile
			case modeFile:
			case modeExec:
				plain = false
			default:
				return nil, false, fmt.Errorf("%s has mode %s: symbolic links and submodules are never written", full, clip(f.Mode, 20))
			}
		}
		total += len(f.Data)
		f.Path = full
		files = append(files, f)
	}
	for _, f := range files {
		for p := f.Path; ; {
			i := strings.LastIndexByte(p, '/')
			if i < 0 {
				break
			}
			p = p[:i]
			if seen[p] && !f.Delete && !deleted(files, p) {
				return nil, false, fmt.Errorf("%s is a file and the directory of %s", p, f.Path)
			}
		}
	}
	if total > maxCommitBytes {
		return nil, false, fmt.Errorf("commit of %d bytes, the limit is %d", total, maxCommitBytes)
	}
	return files, plain && total <= maxMutationBytes, nil
}

func deleted(files []gitops.FileChange, path string) bool {
	for _, f := range files {
		if f.Path == path {
			return f.Delete
		}
	}
	return false
}

const commitFields = "oid message tree{oid} parents(first:10){nodes{oid}} author{name user{login}}"

func (r *Repository) commitOnBranch(ctx context.Context, req gitops.CommitRequest, files []gitops.FileChange) (gitops.Commit, error) {
	type addition struct {
		Path     string `json:"path"`
		Contents string `json:"contents"`
	}
	type deletion struct {
		Path string `json:"path"`
	}
	additions, deletions := []addition{}, []deletion{}
	for _, f := range files {
		if f.Delete {
			deletions = append(deletions, deletion{f.Path})
		} else {
			additions = append(additions, addition{f.Path, base64.StdEncoding.EncodeToString(f.Data)})
		}
	}
	message := map[string]string{"headline": req.Subject}
	if req.Body != "" {
		message["body"] = req.Body
	}
	input := map[string]any{
		"branch":          map[string]string{"repositoryNameWithOwner": r.ref.String(), "branchName": r.opts.Branch},
		"expectedHeadOid": req.ExpectedHead,
		"message":         message,
		"fileChanges":     map[string]any{"additions": additions, "deletions": deletions},
	}
	const text = "mutation Commit($input:CreateCommitOnBranchInput!){createCommitOnBranch(input:$input){commit{" + commitFields + "}}}"
	var out struct {
		CreateCommitOnBranch *struct {
			Commit *commitNode `json:"commit"`
		} `json:"createCommitOnBranch"`
	}
	err := r.client.mutate(ctx, "createCommitOnBranch", text, map[string]any{"input": input}, &out)
	if err != nil {
		return gitops.Commit{}, r.refused(ctx, err, req.ExpectedHead)
	}
	if out.CreateCommitOnBranch == nil || out.CreateCommitOnBranch.Commit == nil {
		return gitops.Commit{}, fmt.Errorf("createCommitOnBranch: %w (answer without a commit)", gitops.ErrOutcomeUnknown)
	}
	return made(out.CreateCommitOnBranch.Commit, req)
}

// made checks that the answer is the commit that was asked for.
func made(n *commitNode, req gitops.CommitRequest) (gitops.Commit, error) {
	if !isOID(n.OID) || n.Parents == nil || len(n.Parents.Nodes) != 1 || n.Parents.Nodes[0].OID != req.ExpectedHead {
		return gitops.Commit{}, fmt.Errorf("%w (the answer's commit is not a child of %s)", gitops.ErrOutcomeUnknown, req.ExpectedHead)
	}
	c := gitops.Commit{OID: n.OID, Parents: []string{req.ExpectedHead}, Message: n.Message, Author: n.Author.name(), TouchesDirectory: true}
	if n.Tree != nil {
		c.Tree = n.Tree.OID
	}
	if c.Message == "" {
		c.Message = wholeMessage(req)
	}
	return c, nil
}

func wholeMessage(req gitops.CommitRequest) string {
	if req.Body == "" {
		return req.Subject
	}
	return req.Subject + "\n\n" + req.Body
}

// refused finds out why a commit was refused. Where GitHub's answer does not say it in a known way, the branch is
// looked at: gone, moved, archived or renamed have their own results.
func (r *Repository) refused(ctx context.Context, err error, expected string) error {
	var api *APIError
	var limited *RateLimitError
	if errors.Is(err, gitops.ErrOutcomeUnknown) || errors.As(err, &limited) || !errors.As(err, &api) || api.Status >= 500 {
		return err
	}
	if stale(api) {
		return fmt.Errorf("%w: expected %s (%w)", gitops.ErrStaleHead, expected, err)
	}
	if code, _ := refusal(r.subject(), api); code != "" && code != "not_found" {
		return permission(r.subject(), err)
	}
	head, _, lookErr := r.head(ctx)
	var denied *gitops.PermissionError
	switch {
	case errors.Is(lookErr, gitops.ErrBranchMissing):
		return fmt.Errorf("%w (%w)", gitops.ErrBranchMissing, err)
	case errors.As(lookErr, &denied):
		return denied
	case lookErr != nil:
		return err
	case head != expected:
		return fmt.Errorf("%w: expected %s, found %s (%w)", gitops.ErrStaleHead, expected, head, err)
	case notFound(err):
		// The branch is there and can be read.
		return &gitops.PermissionError{Code: "missing_permission", Err: err,
			Message: r.subject() + " can be read but not written: accept the App's permission contents: write in the installation's settings"}
	}
	if strings.Contains(strings.ToLower(api.Message), "cannot be updated") {
		return &gitops.PermissionError{Code: "protected_branch", Err: err, Message: protectedMessage(r.subject(), api)}
	}
	return err
}

// stale recognises GitHub's refusals of a compare-and-set on a branch.
func stale(e *APIError) bool {
	text := strings.ToLower(e.Message)
	return e.Type == "STALE_DATA" || strings.Contains(text, "expected branch to point to") ||
		strings.Contains(text, "not a fast forward")
}
