package githubtest

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// Merges without a work tree.

// mergeBranches is POST merges: head into base.
func (c *call) mergeBranches() (int, any, error) {
	var in struct {
		Base    string `json:"base"`
		Head    string `json:"head"`
		Message string `json:"commit_message"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	ref := "refs/heads/" + in.Base
	base, ok, err := "", false, error(nil)
	if validRef(ref) {
		base, ok, err = c.git.ref(ref)
	}
	if err != nil {
		return 0, nil, err
	}
	if !ok {
		return 0, nil, fail(404, "Base does not exist")
	}
	head, err := c.commitAt(in.Head)
	if err != nil {
		return 0, nil, fail(404, "Head does not exist")
	}
	done, err := c.git.isAncestor(head.oid, base)
	if err != nil {
		return 0, nil, err
	}
	if done {
		return 204, nil, nil
	}
	tree, clean, err := c.git.mergeTrees(base, head.oid)
	if err != nil {
		return 0, nil, err
	}
	if !clean {
		return 0, nil, fail(409, "Merge conflict")
	}
	message := in.Message
	if message == "" {
		message = "Merge " + in.Head + " into " + in.Base
	}
	k := &commit{tree: tree, parents: []string{base, head.oid}, author: c.s.authorOf(c.id.account), committer: c.s.webFlow(), message: message}
	if k.oid, err = c.git.write(kindCommit, k.format()); err != nil {
		return 0, nil, err
	}
	c.s.sign(k.oid)
	if err := c.s.moveRefs(c.repo, c.id.account, c.routeName(), []refChange{{name: ref, before: base, after: k.oid}}, false); err != nil {
		return 0, nil, err
	}
	return 201, c.renderCommit(k), nil
}

// mergeTrees merges two commits without a work tree; clean is false for
// conflicts.
func (r *gitRepo) mergeTrees(ours, theirs string) (tree string, clean bool, err error) {
	cmd := r.run.command(r.dir, "merge-tree", "--write-tree", "--name-only", "--no-messages", ours, theirs)
	out, err := cmd.Output()
	tree, _, _ = strings.Cut(string(out), "\n")
	if err == nil {
		return tree, true, nil
	}
	if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == 1 && isOID(tree) {
		return "", false, nil
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && strings.Contains(string(exit.Stderr), "unrelated histories") {
		return "", false, nil
	}
	return "", false, fmt.Errorf("git merge-tree %s %s: %w", ours, theirs, err)
}
