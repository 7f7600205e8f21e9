package githubtest

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Issues, comments, labels and reactions.

// maxBodyRunes is the longest comment, issue or pull request body.
const maxBodyRunes = 65536

func checkBody(resource, body string) error {
	if utf8.RuneCountInString(body) > maxBodyRunes {
		return invalid(resource, "body", "custom", "body is too long (maximum is 65536 characters)")
	}
	return nil
}

func (c *call) association(a *accountRow) string {
	switch p := c.s.permission(a.Login, c.repo); {
	case a.ID == c.repo.OwnerID:
		return "OWNER"
	case permissionRank(p) >= permissionRank("triage"):
		return "MEMBER"
	}
	return "NONE"
}

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

func (c *call) renderLabels(names []string) []any {
	out := []any{}
	for _, name := range names {
		out = append(out, c.renderLabel(c.label(name)))
	}
	return out
}

// label finds or creates a label of the repository, as GitHub does when one
// is put on an issue.
func (c *call) label(name string) *labelRow {
	for _, l := range c.s.labels.rows {
		if l.RepoID == c.repo.ID && strings.EqualFold(l.Name, name) {
			return l
		}
	}
	l := &labelRow{ID: c.s.newID(), RepoID: c.repo.ID, Name: name, Color: "ededed"}
	c.s.labels.put(l.ID, l)
	return l
}

func (c *call) renderLabel(l *labelRow) map[string]any {
	return map[string]any{"id": l.ID, "node_id": nodeID("Label", l.ID), "url": c.repoURL("/labels/%s", l.Name), "name": l.Name, "color": l.Color, "default": false, "description": l.Description}
}

func (c *call) renderIssue(i *issueRow) map[string]any {
	url := c.repoURL("/issues/%d", i.Number)
	author := c.s.accounts.rows[i.AuthorID]
	kind := "issues"
	if i.Pull != nil {
		kind = "pull"
	}
	comments := 0
	for _, k := range c.s.comments.rows {
		if k.RepoID == i.RepoID && k.Issue == i.Number {
			comments++
		}
	}
	out := map[string]any{
		"id": i.ID, "node_id": nodeID("Issue", i.ID), "url": url, "repository_url": c.repoURL(""), "labels_url": url + "/labels{/name}", "comments_url": url + "/comments",
		"events_url": url + "/events", "html_url": fmt.Sprintf("%s/%s/%d", c.htmlRepo(), kind, i.Number), "number": i.Number, "state": i.State, "state_reason": orNil(i.Reason),
		"title": i.Title, "body": orNil(i.Body), "user": c.renderUser(author), "labels": c.renderLabels(i.Labels), "assignee": nil, "assignees": []any{}, "milestone": nil,
		"locked": false, "active_lock_reason": nil, "comments": comments, "closed_at": stampPtr(i.ClosedAt), "created_at": stamp(i.CreatedAt), "updated_at": stamp(i.UpdatedAt),
		"author_association": c.association(author), "reactions": c.renderReactions(url, func(r *reactionRow) bool { return r.Issue == i.ID }),
	}
	if i.Pull != nil {
		html := fmt.Sprintf("%s/pull/%d", c.htmlRepo(), i.Number)
		out["pull_request"] = map[string]any{"url": c.repoURL("/pulls/%d", i.Number), "html_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch", "merged_at": stampPtr(i.Pull.MergedAt)}
	}
	return out
}

// issueAt finds the issue or pull request of the path.
func (c *call) issueAt() (*issueRow, error) {
	if i := c.s.issue(c.repo, int(c.int("issue_number"))); i != nil {
		return i, nil
	}
	return nil, errNotFound
}

func (c *call) listIssues() (int, any, error) {
	state := c.query.Get("state")
	if state == "" {
		state = "open"
	}
	var labels []string
	if l := c.query.Get("labels"); l != "" {
		labels = strings.Split(l, ",")
	}
	creator := c.query.Get("creator")
	list := c.s.issues.find(func(i *issueRow) bool {
		if i.RepoID != c.repo.ID || state != "all" && i.State != state {
			return false
		}
		for _, l := range labels {
			if !slices.ContainsFunc(i.Labels, func(have string) bool { return strings.EqualFold(have, l) }) {
				return false
			}
		}
		return creator == "" || strings.EqualFold(c.s.accounts.rows[i.AuthorID].Login, creator)
	})
	slices.Reverse(list)
	out := []any{}
	for _, i := range paginate(c, list) {
		out = append(out, c.renderIssue(i))
	}
	return 200, out, nil
}

func (c *call) getIssue() (int, any, error) {
	i, err := c.issueAt()
	if err != nil {
		return 0, nil, err
	}
	return 200, c.renderIssue(i), nil
}

func (c *call) createIssue() (int, any, error) {
	var in struct {
		Title  any      `json:"title"`
		Body   string   `json:"body"`
		Labels []string `json:"labels"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	title := fmt.Sprint(in.Title)
	if in.Title == nil || title == "" {
		return 0, nil, invalid("Issue", "title", "missing_field", "")
	}
	if err := checkBody("Issue", in.Body); err != nil {
		return 0, nil, err
	}
	now := c.s.now()
	i := &issueRow{ID: c.s.newID(), RepoID: c.repo.ID, Number: c.repo.NextNumber, Title: title, Body: in.Body, State: "open", AuthorID: c.id.account.ID, Labels: in.Labels, CreatedAt: now, UpdatedAt: now}
	c.repo.NextNumber++
	c.s.repos.put(c.repo.ID, c.repo)
	c.s.issues.put(i.ID, i)
	return 201, c.renderIssue(i), nil
}

func (c *call) updateIssue() (int, any, error) {
	i, err := c.issueAt()
	if err != nil {
		return 0, nil, err
	}
	var in struct {
		Title  *string   `json:"title"`
		Body   *string   `json:"body"`
		State  *string   `json:"state"`
		Reason *string   `json:"state_reason"`
		Labels *[]string `json:"labels"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	if in.State != nil && *in.State != "open" && *in.State != "closed" {
		return 0, nil, invalid("Issue", "state", "invalid", "")
	}
	if in.Title != nil {
		i.Title = *in.Title
	}
	if in.Body != nil {
		if err := checkBody("Issue", *in.Body); err != nil {
			return 0, nil, err
		}
		i.Body = *in.Body
	}
	if in.Labels != nil {
		i.Labels = *in.Labels
	}
	if in.State != nil && *in.State != i.State {
		if i.Pull != nil {
			if err := c.s.setPullState(c.repo, i, c.id.account, c.routeName(), *in.State); err != nil {
				return 0, nil, err
			}
		}
		i.State, i.ClosedAt, i.Reason = *in.State, nil, ""
		if i.State == "closed" {
			now := c.s.now()
			i.ClosedAt, i.Reason = &now, "completed"
			if in.Reason != nil {
				i.Reason = *in.Reason
			}
		}
	}
	i.UpdatedAt = c.s.now()
	c.s.issues.put(i.ID, i)
	return 200, c.renderIssue(i), nil
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

func (c *call) listComments(keep func(*commentRow) bool) (int, any, error) {
	out := []any{}
	for _, k := range paginate(c, c.s.comments.find(keep)) {
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
	if strings.TrimSpace(in.Body) == "" {
		return 0, nil, invalid("IssueComment", "body", "missing_field", "")
	}
	if err := checkBody("IssueComment", in.Body); err != nil {
		return 0, nil, err
	}
	now := c.s.now()
	k := &commentRow{ID: c.s.newID(), RepoID: c.repo.ID, Issue: i.Number, AuthorID: c.id.account.ID, Body: in.Body, CreatedAt: now, UpdatedAt: now}
	if c.id.app != nil {
		k.AppID = c.id.app.ID
	}
	c.s.comments.put(k.ID, k)
	c.emitComment(k, "created", nil)
	return 201, c.renderComment(k), nil
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
	c.emitComment(k, "deleted", nil)
	c.s.comments.remove(k.ID)
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

func (c *call) labelInput() ([]string, error) {
	text := strings.TrimSpace(string(c.body))
	var names []string
	if strings.HasPrefix(text, "[") {
		err := c.decode(&names)
		return names, err
	}
	var in struct {
		Labels []string `json:"labels"`
	}
	err := c.decode(&in)
	return in.Labels, err
}

func (c *call) changeLabels(replace bool) (int, any, error) {
	i, err := c.issueAt()
	if err != nil {
		return 0, nil, err
	}
	names, err := c.labelInput()
	if err != nil {
		return 0, nil, err
	}
	if replace {
		i.Labels = nil
	}
	for _, name := range names {
		name = c.label(name).Name
		if !slices.Contains(i.Labels, name) {
			i.Labels = append(i.Labels, name)
		}
	}
	i.UpdatedAt = c.s.now()
	c.s.issues.put(i.ID, i)
	return 200, c.renderLabels(i.Labels), nil
}

func (c *call) addLabels() (int, any, error) { return c.changeLabels(false) }
func (c *call) setLabels() (int, any, error) { return c.changeLabels(true) }

func (c *call) removeLabel() (int, any, error) {
	i, err := c.issueAt()
	if err != nil {
		return 0, nil, err
	}
	n := slices.IndexFunc(i.Labels, func(l string) bool { return strings.EqualFold(l, c.params["name"]) })
	if n < 0 {
		return 0, nil, fail(404, "Label does not exist")
	}
	i.Labels = slices.Delete(i.Labels, n, n+1)
	c.s.issues.put(i.ID, i)
	return 200, c.renderLabels(i.Labels), nil
}

func (c *call) listLabels() (int, any, error) {
	out := []any{}
	for _, l := range paginate(c, c.s.labels.find(func(l *labelRow) bool { return l.RepoID == c.repo.ID })) {
		out = append(out, c.renderLabel(l))
	}
	return 200, out, nil
}

func (c *call) createLabel() (int, any, error) {
	var in struct {
		Name        string `json:"name"`
		Color       string `json:"color"`
		Description string `json:"description"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	if in.Name == "" {
		return 0, nil, invalid("Label", "name", "missing_field", "")
	}
	for _, l := range c.s.labels.rows {
		if l.RepoID == c.repo.ID && strings.EqualFold(l.Name, in.Name) {
			return 0, nil, invalid("Label", "name", "already_exists", "")
		}
	}
	l := c.label(in.Name)
	l.Description = in.Description
	if in.Color != "" {
		l.Color = in.Color
	}
	c.s.labels.put(l.ID, l)
	return 201, c.renderLabel(l), nil
}

// Collaborators.

func (c *call) renderCollaborator(a *accountRow, level string) map[string]any {
	u := c.renderUser(a)
	rank := permissionRank(level)
	u["role_name"] = level
	u["permissions"] = map[string]any{"admin": rank >= permissionRank("admin"), "maintain": rank >= permissionRank("maintain"), "push": rank >= permissionRank("write"),
		"triage": rank >= permissionRank("triage"), "pull": rank >= permissionRank("read")}
	return u
}

func (c *call) listCollaborators() (int, any, error) {
	out := []any{}
	for _, a := range c.s.accounts.all() {
		level := c.s.permission(a.Login, c.repo)
		if a.Type != typeUser || level == "none" || level == "read" && !c.repo.Private {
			continue
		}
		out = append(out, c.renderCollaborator(a, level))
	}
	return 200, paginate(c, out), nil
}

// collaboratorPermission answers 200 for strangers too, with read or none.
func (c *call) collaboratorPermission() (int, any, error) {
	a := c.s.accountByLogin(c.params["username"])
	if a == nil {
		return 0, nil, fail(404, "%s is not a user", c.params["username"])
	}
	level := c.s.permission(a.Login, c.repo)
	coarse := map[string]string{"triage": "read", "maintain": "write"}[level]
	if coarse == "" {
		coarse = level
	}
	return 200, map[string]any{"permission": coarse, "role_name": level, "user": c.renderCollaborator(a, level)}, nil
}
