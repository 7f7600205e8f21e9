package githubtest

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Issues.
// maxBodyRunes is the longest comment, issue or pull request body.
const maxBodyRunes = 65536

func checkBody(resource, body string) error {
	if utf8.RuneCountInString(body) > maxBodyRunes {
		return invalid(resource, "body", "custom", "body is too long (maximum is 65536 characters)")
	}
	return nil
}

// checkTitle is for issues and pull requests.
func checkTitle(resource, title string) error {
	if strings.TrimSpace(title) == "" {
		return invalid(resource, "title", "missing_field", "")
	}
	if utf8.RuneCountInString(title) > 256 {
		return invalid(resource, "title", "custom", "title is too long (maximum is 256 characters)")
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
	since, err := c.since()
	if err != nil {
		return 0, nil, err
	}
	list := c.s.issues.find(func(i *issueRow) bool {
		if i.RepoID != c.repo.ID || state != "all" && i.State != state || i.UpdatedAt.Before(since) {
			return false
		}
		for _, l := range labels {
			if !slices.ContainsFunc(i.Labels, func(have string) bool { return strings.EqualFold(have, l) }) {
				return false
			}
		}
		return creator == "" || strings.EqualFold(c.s.accounts.rows[i.AuthorID].Login, creator)
	})
	ordered(c, list, true, func(i *issueRow) (created, updated time.Time) { return i.CreatedAt, i.UpdatedAt })
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
	if in.Title == nil {
		title = ""
	}
	if err := checkTitle("Issue", title); err != nil {
		return 0, nil, err
	}
	if err := checkBody("Issue", in.Body); err != nil {
		return 0, nil, err
	}
	if c.mayChange(0, "write") != nil {
		in.Labels = nil // without push access they are dropped in silence
	}
	for n, name := range in.Labels {
		in.Labels[n] = c.label(name).Name
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
	if err := c.mayChange(i.AuthorID, "triage"); err != nil {
		return 0, nil, err
	}
	if in.State != nil && *in.State != "open" && *in.State != "closed" {
		return 0, nil, invalid("Issue", "state", "invalid", "")
	}
	if in.Reason != nil && !slices.Contains([]string{"completed", "not_planned", "reopened", "duplicate"}, *in.Reason) {
		return 0, nil, invalid("Issue", "state_reason", "invalid", "")
	}
	if in.Title != nil {
		if err := checkTitle("Issue", *in.Title); err != nil {
			return 0, nil, err
		}
	}
	if i.Pull != nil && (in.Title != nil || in.Body != nil) {
		if err := c.s.editPull(c.repo, i, c.id.account, c.routeName(), pullEdit{Title: in.Title, Body: in.Body}); err != nil {
			return 0, nil, err
		}
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
		i.Labels = nil
		for _, name := range *in.Labels {
			i.Labels = append(i.Labels, c.label(name).Name)
		}
	}
	if in.State != nil && *in.State != i.State {
		if i.Pull != nil {
			if err := c.s.setPullState(c.repo, i, c.id.account, c.routeName(), *in.State); err != nil {
				return 0, nil, err
			}
		}
		i.State, i.ClosedAt, i.Reason = *in.State, nil, "reopened"
		if i.Pull != nil {
			i.Reason = ""
		}
		if i.State == "closed" && i.Pull != nil {
			now := c.s.now()
			i.ClosedAt = &now
		} else if i.State == "closed" {
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
