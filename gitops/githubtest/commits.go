package githubtest

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Commits as the API lists them.

func (c *call) htmlRepo() string { return c.root() + "/" + c.s.fullName(c.repo) }

func (c *call) repoURL(format string, args ...any) string {
	return c.api("/repos/%s", c.s.fullName(c.repo)) + fmt.Sprintf(format, args...)
}

// renderCommit is the commit with GitHub's accounts around it.
func (c *call) renderCommit(k *commit) map[string]any {
	parents := []any{}
	for _, p := range k.parents {
		parents = append(parents, map[string]any{"sha": p, "url": c.repoURL("/commits/%s", p), "html_url": c.htmlRepo() + "/commit/" + p})
	}
	person := func(sig signature) any {
		if a := c.s.accountByEmail(sig.email); a != nil {
			return c.renderUser(a)
		}
		return nil
	}
	return map[string]any{
		"sha": k.oid, "node_id": nodeID("Commit", c.repo.ID, k.oid), "url": c.repoURL("/commits/%s", k.oid), "html_url": c.htmlRepo() + "/commit/" + k.oid,
		"comments_url": c.repoURL("/commits/%s/comments", k.oid), "author": person(k.author), "committer": person(k.committer), "parents": parents,
		"commit": map[string]any{"author": renderSignature(k.author), "committer": renderSignature(k.committer), "message": k.message, "comment_count": 0,
			"tree": map[string]any{"sha": k.tree, "url": c.repoURL("/git/trees/%s", k.tree)}, "url": c.repoURL("/git/commits/%s", k.oid), "verification": c.s.verification(k.oid)},
	}
}

// commitAt resolves a revision to a commit; 422 for an unknown sha, 404 for
// an unknown name, 409 in an empty repository.
func (c *call) commitAt(name string) (*commit, error) {
	oid, err := c.resolve(name)
	if err == nil {
		var o object
		if oid, o, err = c.git.peel(oid); err == nil && o.kind == kindCommit {
			return parseCommit(oid, o.data)
		}
	}
	if err != nil && !errors.Is(err, errNoObject) {
		return nil, err
	}
	if c.isEmpty() {
		return nil, errEmptyRepository
	}
	if isOID(name) {
		return nil, fail(422, "No commit found for SHA: %s", name)
	}
	return nil, errNotFound
}

func (c *call) listCommits() (int, any, error) {
	tip, err := c.commitAt(c.query.Get("sha"))
	if err != nil {
		return 0, nil, err
	}
	file := strings.Trim(c.query.Get("path"), "/")
	since, _ := time.Parse(time.RFC3339, c.query.Get("since"))
	until, _ := time.Parse(time.RFC3339, c.query.Get("until"))
	author := c.query.Get("author")
	var list []*commit
	var failed error
	err = c.git.history([]string{tip.oid}, func(k *commit) bool {
		if !since.IsZero() && k.committer.when.Before(since) || !until.IsZero() && k.committer.when.After(until) {
			return true
		}
		if author != "" && !strings.EqualFold(k.author.email, author) {
			if a := c.s.accountByEmail(k.author.email); a == nil || !strings.EqualFold(a.Login, author) {
				return true
			}
		}
		if file != "" {
			same, err := c.git.samePath(k, file)
			if err != nil {
				failed = err
				return false
			}
			if same {
				return true
			}
		}
		list = append(list, k)
		return true
	})
	if err := errors.Join(err, failed); err != nil {
		return 0, nil, err
	}
	out := []any{}
	for _, k := range paginate(c, list) {
		out = append(out, c.renderCommit(k))
	}
	return 200, out, nil
}

func (c *call) parentTree(k *commit) (string, error) {
	if len(k.parents) == 0 {
		return "", nil
	}
	p, err := c.git.commit(k.parents[0])
	if err != nil {
		return "", err
	}
	return p.tree, nil
}

func (c *call) getCommit() (int, any, error) {
	k, err := c.commitAt(c.params["ref"])
	if err != nil {
		return 0, nil, err
	}
	if strings.Contains(c.req.Header.Get("Accept"), "sha") {
		return 200, raw{"application/vnd.github.sha; charset=utf-8", []byte(k.oid)}, nil
	}
	base, err := c.parentTree(k)
	if err != nil {
		return 0, nil, err
	}
	list, err := c.git.changes(base, k.tree)
	if err != nil {
		return 0, nil, err
	}
	body := c.renderCommit(k)
	added, removed := 0, 0
	for _, ch := range list {
		added, removed = added+ch.added, removed+ch.removed
	}
	body["stats"] = map[string]any{"additions": added, "deletions": removed, "total": added + removed}
	body["files"] = c.renderChanges(paginate(c, limit(list, 3000)), k.oid)
	return 200, body, nil
}
