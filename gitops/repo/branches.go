package repo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// ErrFileMissing: the commit has no such file.
var ErrFileMissing = errors.New("file does not exist")

// zeroLike is the object id of no object, as long as like.
func zeroLike(like string) string { return strings.Repeat("0", len(like)) }

// ReadFile reads one file of a commit, whatever branch or fork's pull request it is of. Two requests at most; its
// content is checked against the object id that the tree names. Symbolic links and files over the limit of a blob are
// errors, ErrFileMissing when there is none, ErrCommitMissing when there is no such commit.
func (a *App) ReadFile(ctx context.Context, ref Ref, commit, path string) ([]byte, error) {
	fail := func(err error) ([]byte, error) {
		return nil, fmt.Errorf("read %s of %s at %s: %w", clip(path, 200), ref, clip(commit, 64), err)
	}
	if err := checkPath(path); err != nil {
		return fail(err)
	}
	if !isOID(commit) {
		return fail(errors.New("not a commit id"))
	}
	r, err := a.Open(ref, Options{Branch: "HEAD", ReadOnly: true})
	if err != nil {
		return fail(err)
	}
	text := "query ReadFile($owner:String!,$name:String!,$commit:GitObjectID!,$path:String!){repository(owner:$owner,name:$name){" +
		repositoryFields + " object(oid:$commit){oid ... on Commit{tree{oid} dir:file(path:$path){mode type oid size object{" + blobFields + "}}}}}}"
	var node *repositoryNode
	for relocated := false; ; relocated = true {
		vars := map[string]any{"owner": r.ref.Owner, "name": r.ref.Name, "commit": commit, "path": path}
		node, _, err = r.ask(ctx, observation{text, vars}, askTree)
		if err != nil && notFound(err) && !relocated {
			if _, err := r.locate(ctx); err != nil {
				return fail(err)
			}
			continue
		}
		break
	}
	if err != nil {
		return fail(permission(r.ref.String(), err))
	}
	if node.Object == nil || node.Object.OID != commit || node.Object.Tree == nil {
		return fail(ErrCommitMissing)
	}
	n := node.Object.Dir
	if n == nil {
		return fail(ErrFileMissing)
	}
	if n.Type != "blob" {
		return fail(errors.New("it is a directory or submodule, not a file"))
	}
	n.Name = path[strings.LastIndexByte(path, '/')+1:]
	var files []entry
	if err := flatten("", []entryNode{*n}, 1, &files, new([]subtree)); err != nil {
		return fail(err)
	}
	if !files[0].regular() {
		return fail(errors.New("it is a symbolic link, not a file"))
	}
	contents, err := r.contents(ctx, files, nil)
	if err != nil {
		return fail(err)
	}
	data, found := contents[n.OID]
	if !found {
		return fail(ErrTooLarge)
	}
	return data, nil
}

// CommitFiles writes one commit to any branch of the repository, a pull request's head branch included, whose tip is
// expectedHead, or nothing: gitops.ErrStaleHead, gitops.ErrOutcomeUnknown, gitops.ErrBranchMissing and
// *gitops.PermissionError are those of gitops.Repository's Commit. The paths are from the repository's root. The
// message is a subject and, after an empty line, a body.
func (a *App) CommitFiles(ctx context.Context, ref Ref, branch, expectedHead, message string, files []gitops.FileChange) (gitops.Commit, error) {
	r, err := a.Open(ref, Options{Branch: branch})
	if err != nil {
		return gitops.Commit{}, err
	}
	subject, body, _ := strings.Cut(message, "\n")
	return r.Commit(ctx, gitops.CommitRequest{ExpectedHead: expectedHead, Subject: subject, Body: strings.TrimPrefix(body, "\n"), Files: files})
}

// CreateBranch makes a branch at a commit. One request. A branch that exists at that commit is success, one elsewhere
// gitops.ErrStaleHead.
func (a *App) CreateBranch(ctx context.Context, ref Ref, branch, commit string) error {
	r, err := a.Open(ref, Options{Branch: branch})
	if err != nil {
		return err
	}
	if !isOID(commit) {
		return fmt.Errorf("create branch %s: %q is not a commit id", branch, clip(commit, 100))
	}
	err = r.createBranch(ctx, commit)
	if errors.Is(err, errBranchExists) {
		head, _, lookErr := r.head(ctx)
		switch {
		case lookErr != nil:
			err = lookErr
		case head == commit:
			return nil
		default:
			err = fmt.Errorf("%w: it is at %s", gitops.ErrStaleHead, head)
		}
	}
	if err != nil {
		return fmt.Errorf("create branch %s of %s: %w", branch, r.ref, err)
	}
	return nil
}

var errBranchExists = errors.New("branch exists")

func (r *Repository) createBranch(ctx context.Context, commit string) error {
	_, err := r.client.rest(ctx, request{operation: "create branch", method: http.MethodPost, path: r.api("git", "refs"),
		in: map[string]string{"ref": r.refName(), "sha": commit}})
	var api *APIError
	if errors.As(err, &api) && api.Status == http.StatusUnprocessableEntity && strings.Contains(strings.ToLower(api.Message), "already exists") {
		return fmt.Errorf("%w (%w)", errBranchExists, err)
	}
	return permission(r.subject(), err)
}

// DeleteBranch deletes a branch whose tip is tip. A branch that is not there is success, one elsewhere
// gitops.ErrStaleHead and left alone. One request, one more where the repository's node id is not known yet.
func (a *App) DeleteBranch(ctx context.Context, ref Ref, branch, tip string) error {
	r, err := a.Open(ref, Options{Branch: branch})
	if err != nil {
		return err
	}
	if !isOID(tip) {
		return fmt.Errorf("delete branch %s: %q is not a commit id", branch, clip(tip, 100))
	}
	if err := r.deleteBranch(ctx, tip); err != nil {
		return fmt.Errorf("delete branch %s of %s: %w", branch, r.ref, err)
	}
	return nil
}

func (r *Repository) deleteBranch(ctx context.Context, tip string) error {
	err := r.moveBranch(ctx, tip, zeroLike(tip), false)
	if errors.Is(err, gitops.ErrBranchMissing) {
		return nil
	}
	return err
}

// moveBranch moves the branch from one commit to another with one compare-and-set, or deletes it (zeros).
// gitops.ErrStaleHead when it is elsewhere.
func (r *Repository) moveBranch(ctx context.Context, from, to string, force bool) error {
	nodeID, err := r.knownNodeID(ctx)
	if err != nil {
		return err
	}
	const text = "mutation Move($input:UpdateRefsInput!){updateRefs(input:$input){clientMutationId}}"
	input := map[string]any{
		"repositoryId": nodeID,
		"refUpdates":   []map[string]any{{"name": r.refName(), "beforeOid": from, "afterOid": to, "force": force}},
	}
	var out struct {
		UpdateRefs *struct{} `json:"updateRefs"`
	}
	if err := r.client.mutate(ctx, "updateRefs", text, map[string]any{"input": input}, &out); err != nil {
		return r.refused(ctx, err, from)
	}
	if out.UpdateRefs == nil {
		return fmt.Errorf("updateRefs: %w (answer without a result)", gitops.ErrOutcomeUnknown)
	}
	return nil
}

// knownNodeID returns the repository's GraphQL id, with one query when nothing was observed before.
func (r *Repository) knownNodeID(ctx context.Context) (string, error) {
	if id := r.nodeID(); id != "" {
		return id, nil
	}
	text := "query Find($owner:String!,$name:String!){repository(owner:$owner,name:$name){" + repositoryFields + "}}"
	for relocated := false; ; relocated = true {
		node, _, err := r.ask(ctx, observation{text, map[string]any{"owner": r.ref.Owner, "name": r.ref.Name}}, askTree)
		switch {
		case err == nil && node.ID != "":
			return node.ID, nil
		case err == nil:
			return "", errors.New("repository without a node id")
		case !notFound(err) || relocated:
			return "", permission(r.ref.String(), err)
		}
		if _, err := r.locate(ctx); err != nil {
			return "", err
		}
	}
}

// Status is a commit status: what a check run is for those that may not write check runs.
type Status struct {
	State       string // error, failure, pending or success
	Context     string // its name, at most 255 characters
	Description string // at most 140 characters
	TargetURL   string
}

// SetStatus sets a commit status; the newest of a context counts. One request. Setting the same again does no harm.
func (a *App) SetStatus(ctx context.Context, ref Ref, sha string, s Status) error {
	switch {
	case !isOID(sha):
		return fmt.Errorf("status: %q is not a commit id", clip(sha, 100))
	case s.State != "error" && s.State != "failure" && s.State != "pending" && s.State != "success":
		return fmt.Errorf("status: state %q", clip(s.State, 40))
	case s.Context == "" || utf8.RuneCountInString(s.Context) > 255 || utf8.RuneCountInString(s.Description) > 140:
		return errors.New("status: context of 1 to 255, description of at most 140 characters")
	}
	p, err := a.at(ctx, ref, needStatuses)
	if err != nil {
		return err
	}
	in := map[string]string{"state": s.State, "context": s.Context, "description": s.Description}
	if s.TargetURL != "" {
		in["target_url"] = s.TargetURL
	}
	err = p.do(ctx, request{operation: "set status", method: http.MethodPost, in: in, invisible: true}, []string{"statuses", sha}, "", nil)
	if err != nil {
		return fmt.Errorf("status %s of %s at %s: %w", clip(s.Context, 100), p.ref, sha, err)
	}
	return nil
}
