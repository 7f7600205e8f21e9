package githubtest

import (
	"fmt"
	"slices"
	"strings"
)

// Reviews of pull requests, updates of their branches, and what a user sees
// of installations.

type reviewRow struct {
	ID       int64  `json:"id"`
	IssueID  int64  `json:"issue_id"`
	AuthorID int64  `json:"author_id"`
	State    string `json:"state"`
	Body     string `json:"body"`
	SHA      string `json:"sha"`
	At       string `json:"at"`
}

func (c *call) renderReview(i *issueRow, r *reviewRow) map[string]any {
	author := c.s.accounts.rows[r.AuthorID]
	pull := c.repoURL("/pulls/%d", i.Number)
	html := fmt.Sprintf("%s/pull/%d#pullrequestreview-%d", c.htmlRepo(), i.Number, r.ID)
	return map[string]any{"id": r.ID, "node_id": nodeID("PullRequestReview", r.ID), "user": c.renderUser(author), "body": r.Body, "state": r.State, "commit_id": r.SHA, "submitted_at": r.At,
		"html_url": html, "pull_request_url": pull, "author_association": c.association(author), "_links": map[string]any{"html": map[string]any{"href": html}, "pull_request": map[string]any{"href": pull}}}
}

func (c *call) listReviews() (int, any, error) {
	i, err := c.pullAt()
	if err != nil {
		return 0, nil, err
	}
	out := []any{}
	for _, r := range paginate(c, c.s.reviews.find(func(r *reviewRow) bool { return r.IssueID == i.ID })) {
		out = append(out, c.renderReview(i, r))
	}
	return 200, out, nil
}

// createReview answers 200, not 201.
func (c *call) createReview() (int, any, error) {
	i, err := c.pullAt()
	if err != nil {
		return 0, nil, err
	}
	var in struct {
		Event  string `json:"event"`
		Body   string `json:"body"`
		Commit string `json:"commit_id"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	state, ok := map[string]string{"": "PENDING", "APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}[in.Event]
	switch {
	case !ok:
		return 0, nil, invalid("PullRequestReview", "event", "invalid", "")
	case in.Event != "APPROVE" && in.Event != "" && strings.TrimSpace(in.Body) == "":
		return 0, nil, invalid("PullRequestReview", "body", "missing_field", "")
	case in.Event == "APPROVE" && i.AuthorID == c.id.account.ID:
		return 0, nil, fail(422, "Can not approve your own pull request")
	}
	r := &reviewRow{ID: c.s.newID(), IssueID: i.ID, AuthorID: c.id.account.ID, State: state, Body: in.Body, SHA: i.Pull.HeadSHA, At: stamp(c.s.now())}
	if in.Commit != "" {
		r.SHA = in.Commit
	}
	c.s.reviews.put(r.ID, r)
	return 200, c.renderReview(i, r), nil
}

// updateBranch merges the base into the head of a pull request.
func (c *call) updateBranch() (int, any, error) {
	i, err := c.pullAt()
	if err != nil {
		return 0, nil, err
	}
	var in struct {
		Expected string `json:"expected_head_sha"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	head := i.Pull.HeadSHA
	if in.Expected != "" && in.Expected != head {
		return 0, nil, fail(422, "expected head sha didn't match current head ref.")
	}
	base, ok, err := c.git.ref("refs/heads/" + i.Pull.Base)
	if err != nil {
		return 0, nil, err
	}
	if i.Pull.HeadRepo != 0 || c.mayChange(0, "write") != nil {
		return 0, nil, fail(403, "Resource not accessible by integration")
	}
	if !ok || i.State != "open" {
		return 0, nil, fail(422, "The pull request cannot be updated.")
	}
	done, err := c.git.isAncestor(base, head)
	if err != nil {
		return 0, nil, err
	}
	if done {
		return 0, nil, fail(422, "There are no new commits on the base branch.")
	}
	tree, clean, err := c.git.mergeTrees(head, base)
	if err != nil {
		return 0, nil, err
	}
	if !clean {
		return 0, nil, fail(422, "merge conflict between base and head")
	}
	k := &commit{tree: tree, parents: []string{head, base}, author: c.s.authorOf(c.id.account), committer: c.s.webFlow(),
		message: fmt.Sprintf("Merge branch '%s' into %s", i.Pull.Base, i.Pull.Head)}
	if k.oid, err = c.git.write(kindCommit, k.format()); err != nil {
		return 0, nil, err
	}
	c.s.sign(k.oid)
	if err := c.s.moveRefs(c.repo, c.id.account, c.routeName(), []refChange{{name: "refs/heads/" + i.Pull.Head, before: head, after: k.oid}}, false); err != nil {
		return 0, nil, err
	}
	return 202, map[string]any{"message": "Updating pull request branch.", "url": c.repoURL("/pulls/%d", i.Number)}, nil
}

// reachesUser says whether a user sees a repository of an installation.
func (c *call) reachesUser(r *repoRow) bool {
	return permissionRank(c.s.permission(c.id.account.Login, r)) >= permissionRank("read") && c.s.sees(c.id, r)
}

// listUserInstallations lists installations with a repository the user sees.
func (c *call) listUserInstallations() (int, any, error) {
	list := c.s.installations.find(func(i *installationRow) bool {
		return slices.ContainsFunc(c.s.reposOf(i), c.reachesUser)
	})
	out := []any{}
	for _, i := range paginate(c, list) {
		out = append(out, c.renderInstallation(i))
	}
	return 200, map[string]any{"total_count": len(list), "installations": out}, nil
}

func (c *call) listUserInstallationRepos() (int, any, error) {
	i := c.s.installations.rows[c.int("installation_id")]
	if i == nil {
		return 0, nil, errNotFound
	}
	list := slices.DeleteFunc(c.s.reposOf(i), func(r *repoRow) bool { return !c.reachesUser(r) })
	if len(list) == 0 {
		return 0, nil, errNotFound
	}
	out := []any{}
	for _, r := range paginate(c, list) {
		out = append(out, c.renderRepo(r))
	}
	return 200, map[string]any{"total_count": len(list), "repository_selection": i.Selection, "repositories": out}, nil
}
