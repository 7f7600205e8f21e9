package githubtest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Comments on issues and pull requests, and reactions.

var reactionContents = []string{"+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"}

func (c *call) renderReactions(url string, match func(*reactionRow) bool) map[string]any {
	out := map[string]any{"url": url + "/reactions", "total_count": 0}
	for _, content := range reactionContents {
		out[content] = 0
	}
	for _, r := range c.s.reactions.rows {
		if match(r) {
			out[r.Content] = out[r.Content].(int) + 1
			out["total_count"] = out["total_count"].(int) + 1
		}
	}
	return out
}

func (c *call) renderComment(k *commentRow) map[string]any {
	author := c.s.accounts.rows[k.AuthorID]
	kind := "issues"
	if i := c.s.issue(c.repo, k.Issue); i != nil && i.Pull != nil {
		kind = "pull"
	}
	url := c.repoURL("/issues/comments/%d", k.ID)
	out := map[string]any{"id": k.ID, "node_id": nodeID("IssueComment", k.ID), "url": url, "html_url": fmt.Sprintf("%s/%s/%d#issuecomment-%d", c.htmlRepo(), kind, k.Issue, k.ID),
		"issue_url": c.repoURL("/issues/%d", k.Issue), "user": c.renderUser(author), "body": k.Body, "created_at": stamp(k.CreatedAt), "updated_at": stamp(k.UpdatedAt),
		"author_association": c.association(author), "performed_via_github_app": nil, "reactions": c.renderReactions(url, func(r *reactionRow) bool { return r.Comment == k.ID })}
	if app := c.s.apps.rows[k.AppID]; app != nil {
		out["performed_via_github_app"] = c.renderApp(app)
	}
	return out
}

func (c *call) emitComment(k *commentRow, action string, changes map[string]any) {
	v := c.s.view()
	v.repo = c.repo
	payload := map[string]any{"comment": v.renderComment(k), "issue": v.renderIssue(c.s.issue(c.repo, k.Issue))}
	if changes != nil {
		payload["changes"] = changes
	}
	c.s.emitRepo(c.repo, c.id.account, c.routeName(), "issue_comment", action, payload, nil)
}

// listComments obeys since, which looks at the last change of a comment.
func (c *call) listComments(keep func(*commentRow) bool) (int, any, error) {
	since, err := c.since()
	if err != nil {
		return 0, nil, err
	}
	list := c.s.comments.find(func(k *commentRow) bool { return keep(k) && !k.UpdatedAt.Before(since) })
	if c.query.Get("sort") != "" { // without it GitHub ignores the direction
		ordered(c, list, false, func(k *commentRow) (created, updated time.Time) { return k.CreatedAt, k.UpdatedAt })
	}
	out := []any{}
	for _, k := range paginate(c, list) {
		out = append(out, c.renderComment(k))
	}
	return 200, out, nil
}

func (c *call) listRepoComments() (int, any, error) {
	return c.listComments(func(k *commentRow) bool { return k.RepoID == c.repo.ID })
}

func (c *call) listIssueComments() (int, any, error) {
	i, err := c.issueAt()
	if err != nil {
		return 0, nil, err
	}
	return c.listComments(func(k *commentRow) bool { return k.RepoID == c.repo.ID && k.Issue == i.Number })
}

func (c *call) createComment() (int, any, error) {
	i, err := c.issueAt()
	if err != nil {
		return 0, nil, err
	}
	var in struct {
		Body string `json:"body"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	k, err := c.addComment(i, in.Body)
	if err != nil {
		return 0, nil, err
	}
	return 201, c.renderComment(k), nil
}

func (c *call) addComment(i *issueRow, body string) (*commentRow, error) {
	if strings.TrimSpace(body) == "" {
		return nil, invalid("IssueComment", "body", "missing_field", "")
	}
	if err := checkBody("IssueComment", body); err != nil {
		return nil, err
	}
	now := c.s.now()
	k := &commentRow{ID: c.s.newID(), RepoID: c.repo.ID, Issue: i.Number, AuthorID: c.id.account.ID, Body: body, CreatedAt: now, UpdatedAt: now}
	if c.id.app != nil {
		k.AppID = c.id.app.ID
	}
	i.UpdatedAt = now
	c.s.issues.put(i.ID, i)
	c.s.comments.put(k.ID, k)
	c.emitComment(k, "created", nil)
	return k, nil
}

func (c *call) commentAt() (*commentRow, error) {
	k := c.s.comments.rows[c.int("comment_id")]
	if k == nil || k.RepoID != c.repo.ID {
		return nil, errNotFound
	}
	return k, nil
}

func (c *call) getComment() (int, any, error) {
	k, err := c.commentAt()
	if err != nil {
		return 0, nil, err
	}
	return 200, c.renderComment(k), nil
}

func (c *call) updateComment() (int, any, error) {
	k, err := c.commentAt()
	if err != nil {
		return 0, nil, err
	}
	var in struct {
		Body string `json:"body"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	if strings.TrimSpace(in.Body) == "" {
		return 0, nil, invalid("IssueComment", "body", "missing_field", "")
	}
	if err := checkBody("IssueComment", in.Body); err != nil {
		return 0, nil, err
	}
	if k.AuthorID != c.id.account.ID && c.id.kind == identityInstallation {
		return 0, nil, notAccessible("issues", "write")
	}
	if err := c.mayChange(k.AuthorID, "write"); err != nil {
		return 0, nil, err
	}
	old := k.Body
	k.Body, k.UpdatedAt = in.Body, c.s.now()
	c.s.comments.put(k.ID, k)
	c.emitComment(k, "edited", map[string]any{"body": map[string]any{"from": old}})
	return 200, c.renderComment(k), nil
}

func (c *call) deleteComment() (int, any, error) {
	k, err := c.commentAt()
	if err != nil {
		return 0, nil, err
	}
	if err := c.mayChange(k.AuthorID, "write"); err != nil {
		return 0, nil, err
	}
	c.emitComment(k, "deleted", nil)
	c.s.comments.remove(k.ID)
	for _, r := range c.s.reactions.find(func(r *reactionRow) bool { return r.Comment == k.ID }) {
		c.s.reactions.remove(r.ID)
	}
	return 204, nil, nil
}

// react adds a reaction; the same one again answers 200 with the first.
func (c *call) react(row reactionRow) (int, any, error) {
	var in struct {
		Content string `json:"content"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	if !slices.Contains(reactionContents, in.Content) {
		return 0, nil, invalid("Reaction", "content", "invalid", "")
	}
	render := func(r *reactionRow) map[string]any {
		return map[string]any{"id": r.ID, "node_id": nodeID("Reaction", r.ID), "user": c.renderUser(c.s.accounts.rows[r.AuthorID]), "content": r.Content, "created_at": stamp(r.CreatedAt)}
	}
	for _, r := range c.s.reactions.rows {
		if r.Comment == row.Comment && r.Issue == row.Issue && r.AuthorID == c.id.account.ID && r.Content == in.Content {
			return 200, render(r), nil
		}
	}
	row.ID, row.AuthorID, row.Content, row.CreatedAt = c.s.newID(), c.id.account.ID, in.Content, c.s.now()
	c.s.reactions.put(row.ID, &row)
	return 201, render(&row), nil
}

func (c *call) reactToComment() (int, any, error) {
	k, err := c.commentAt()
	if err != nil {
		return 0, nil, err
	}
	return c.react(reactionRow{Comment: k.ID})
}

func (c *call) reactToIssue() (int, any, error) {
	i, err := c.issueAt()
	if err != nil {
		return 0, nil, err
	}
	return c.react(reactionRow{Issue: i.ID})
}
