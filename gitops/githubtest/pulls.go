package githubtest

import (
	"fmt"
	"slices"
	"strings"
)

// Pull requests within one repository. Forks are not modelled: a head of
// another owner is refused as invalid.
// pullIn is what a new pull request is made of.
type pullIn struct {
	Title string `json:"title"`
	Body  string `json:"body"`
	Base  string `json:"base"`
	Head  string `json:"head"`
	Draft bool   `json:"draft"`
}

// openPull creates a pull request, with GitHub's checks and words.
func (s *Server) openPull(r *repoRow, actor *accountRow, cause string, in pullIn) (*issueRow, error) {
	g := s.gitRepo(r)
	head := in.Head
	if owner, branch, ok := strings.Cut(head, ":"); ok {
		if !strings.EqualFold(owner, s.accounts.rows[r.OwnerID].Login) {
			return nil, invalid("PullRequest", "head", "invalid", "")
		}
		head = branch
	}
	if in.Title == "" {
		return nil, invalid("PullRequest", "title", "missing_field", "")
	}
	if err := checkBody("PullRequest", in.Body); err != nil {
		return nil, err
	}
	oids := map[string]string{}
	for field, name := range map[string]string{"base": in.Base, "head": head} {
		oid, ok, err := "", false, error(nil)
		if validRef("refs/heads/" + name) {
			oid, ok, err = g.ref("refs/heads/" + name)
		}
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, invalid("PullRequest", field, "invalid", "")
		}
		oids[field] = oid
	}
	for _, i := range s.issues.rows {
		if i.RepoID == r.ID && i.Pull != nil && i.State == "open" && i.Pull.Base == in.Base && i.Pull.Head == head {
			return nil, invalid("PullRequest", "", "custom", fmt.Sprintf("A pull request already exists for %s:%s.", s.accounts.rows[r.OwnerID].Login, head))
		}
	}
	list, err := g.between(oids["base"], oids["head"])
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, invalid("PullRequest", "", "custom", fmt.Sprintf("No commits between %s and %s", in.Base, head))
	}
	now := s.now()
	i := &issueRow{ID: s.newID(), RepoID: r.ID, Number: r.NextNumber, Title: in.Title, Body: in.Body, State: "open", AuthorID: actor.ID, CreatedAt: now, UpdatedAt: now}
	i.Pull = &pullRow{ID: s.newID(), Base: in.Base, BaseSHA: oids["base"], Head: head, HeadSHA: oids["head"], Draft: in.Draft}
	r.NextNumber++
	s.repos.put(r.ID, r)
	s.issues.put(i.ID, i)
	return i, s.emitPull(r, actor, cause, i, "opened", nil)
}

func (c *call) renderPull(i *issueRow, full bool) (map[string]any, error) {
	p := i.Pull
	url := c.repoURL("/pulls/%d", i.Number)
	html := fmt.Sprintf("%s/pull/%d", c.htmlRepo(), i.Number)
	issue := c.repoURL("/issues/%d", i.Number)
	owner := c.s.accounts.rows[c.repo.OwnerID]
	author := c.s.accounts.rows[i.AuthorID]
	side := func(branch, sha string) map[string]any {
		repo := c.renderRepo(c.repo)
		for _, flag := range []string{"allow_squash_merge", "allow_merge_commit", "allow_rebase_merge"} {
			repo[flag] = true
		}
		for _, flag := range []string{"allow_auto_merge", "delete_branch_on_merge", "allow_update_branch", "use_squash_pr_title_as_default"} {
			repo[flag] = false
		}
		return map[string]any{"label": owner.Login + ":" + branch, "ref": branch, "sha": sha, "user": c.renderUser(owner), "repo": repo}
	}
	link := func(href string) map[string]any { return map[string]any{"href": href} }
	out := map[string]any{
		"id": p.ID, "node_id": nodeID("PullRequest", c.repo.ID, i.Number), "url": url, "html_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch", "issue_url": issue,
		"commits_url": url + "/commits", "review_comments_url": url + "/comments", "review_comment_url": c.repoURL("/pulls/comments{/number}"), "comments_url": issue + "/comments",
		"statuses_url": c.repoURL("/statuses/%s", p.HeadSHA), "number": i.Number, "state": i.State, "locked": false, "active_lock_reason": nil, "title": i.Title, "user": c.renderUser(author),
		"body": orNil(i.Body), "labels": c.renderLabels(i.Labels), "milestone": nil, "assignee": nil, "assignees": []any{}, "requested_reviewers": []any{}, "requested_teams": []any{},
		"created_at": stamp(i.CreatedAt), "updated_at": stamp(i.UpdatedAt), "closed_at": stampPtr(i.ClosedAt), "merged_at": stampPtr(p.MergedAt), "merge_commit_sha": orNil(p.MergeSHA),
		"head": side(p.Head, p.HeadSHA), "base": side(p.Base, p.BaseSHA), "author_association": c.association(author), "auto_merge": nil, "draft": p.Draft,
		"_links": map[string]any{"self": link(url), "html": link(html), "issue": link(issue), "comments": link(issue + "/comments"), "review_comments": link(url + "/comments"),
			"review_comment": link(c.repoURL("/pulls/comments{/number}")), "commits": link(url + "/commits"), "statuses": link(c.repoURL("/statuses/%s", p.HeadSHA))},
	}
	if !full {
		return out, nil
	}
	commits, files, err := c.pullContent(i)
	if err != nil {
		return nil, err
	}
	added, removed, comments := 0, 0, 0
	for _, ch := range files {
		added, removed = added+ch.added, removed+ch.removed
	}
	for _, k := range c.s.comments.rows {
		if k.RepoID == c.repo.ID && k.Issue == i.Number {
			comments++
		}
	}
	state := "unknown"
	if p.Mergeable != nil {
		state = map[bool]string{true: "clean", false: "dirty"}[*p.Mergeable]
	}
	out["merged"], out["mergeable"], out["rebaseable"], out["mergeable_state"] = p.MergedAt != nil, p.Mergeable, p.Mergeable, state
	out["merged_by"] = nil
	if a := c.s.accounts.rows[p.MergedBy]; a != nil {
		out["merged_by"] = c.renderUser(a)
	}
	out["comments"], out["review_comments"], out["maintainer_can_modify"] = comments, 0, false
	out["commits"], out["additions"], out["deletions"], out["changed_files"] = len(commits), added, removed, len(files)
	return out, nil
}

// pullContent lists the commits and changed files of a pull request. A merged
// one keeps its base from before the merge.
func (c *call) pullContent(i *issueRow) ([]*commit, []fileChange, error) {
	base, err := c.git.mergeBase(i.Pull.BaseSHA, i.Pull.HeadSHA)
	if err != nil {
		return nil, nil, err
	}
	head, err := c.git.commit(i.Pull.HeadSHA)
	if err != nil {
		return nil, nil, err
	}
	tree := ""
	if base != "" {
		k, err := c.git.commit(base)
		if err != nil {
			return nil, nil, err
		}
		tree = k.tree
	}
	commits, err := c.git.between(base, i.Pull.HeadSHA)
	if err != nil {
		return nil, nil, err
	}
	files, err := c.git.changes(tree, head.tree)
	return commits, files, err
}

func (c *call) pullAt() (*issueRow, error) {
	i := c.s.issue(c.repo, int(c.int("pull_number")))
	if i == nil || i.Pull == nil {
		return nil, errNotFound
	}
	return i, nil
}

func (c *call) listPulls() (int, any, error) {
	state := c.query.Get("state")
	if state == "" {
		state = "open"
	}
	head, base := c.query.Get("head"), c.query.Get("base")
	owner := c.s.accounts.rows[c.repo.OwnerID].Login
	list := c.s.issues.find(func(i *issueRow) bool {
		return i.RepoID == c.repo.ID && i.Pull != nil && (state == "all" || i.State == state) &&
			(base == "" || i.Pull.Base == base) && (head == "" || strings.EqualFold(owner+":"+i.Pull.Head, head))
	})
	if c.query.Get("direction") != "asc" {
		slices.Reverse(list)
	}
	out := []any{}
	for _, i := range paginate(c, list) {
		body, err := c.renderPull(i, false)
		if err != nil {
			return 0, nil, err
		}
		out = append(out, body)
	}
	return 200, out, nil
}

func (c *call) pullAnswer(status int, i *issueRow) (int, any, error) {
	body, err := c.renderPull(i, true)
	return status, body, err
}

func (c *call) createPull() (int, any, error) {
	var in pullIn
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	i, err := c.s.openPull(c.repo, c.id.account, c.routeName(), in)
	if err != nil {
		return 0, nil, err
	}
	return c.pullAnswer(201, i)
}

func (c *call) getPull() (int, any, error) {
	i, err := c.pullAt()
	if err != nil {
		return 0, nil, err
	}
	status, body, err := c.pullAnswer(200, i)
	if err == nil && i.State == "open" && i.Pull.Mergeable == nil {
		err = c.s.compute(c.repo, i)
	}
	return status, body, err
}

func (c *call) updatePull() (int, any, error) {
	i, err := c.pullAt()
	if err != nil {
		return 0, nil, err
	}
	var in struct {
		Title *string `json:"title"`
		Body  *string `json:"body"`
		State *string `json:"state"`
		Base  *string `json:"base"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	changes := map[string]any{}
	if in.Base != nil && *in.Base != i.Pull.Base {
		oid, ok, err := c.git.ref("refs/heads/" + *in.Base)
		if err != nil {
			return 0, nil, err
		}
		if !ok {
			return 0, nil, invalid("PullRequest", "base", "invalid", "")
		}
		changes["base"] = map[string]any{"ref": map[string]any{"from": i.Pull.Base}, "sha": map[string]any{"from": i.Pull.BaseSHA}}
		i.Pull.Base, i.Pull.BaseSHA, i.Pull.Mergeable = *in.Base, oid, nil
	}
	if in.Title != nil && *in.Title != i.Title {
		changes["title"] = map[string]any{"from": i.Title}
		i.Title = *in.Title
	}
	if in.Body != nil && *in.Body != i.Body {
		if err := checkBody("PullRequest", *in.Body); err != nil {
			return 0, nil, err
		}
		changes["body"] = map[string]any{"from": i.Body}
		i.Body = *in.Body
	}
	i.UpdatedAt = c.s.now()
	c.s.issues.put(i.ID, i)
	if len(changes) > 0 {
		if err := c.s.emitPull(c.repo, c.id.account, c.routeName(), i, "edited", map[string]any{"changes": changes}); err != nil {
			return 0, nil, err
		}
	}
	if in.State != nil {
		if *in.State != "open" && *in.State != "closed" {
			return 0, nil, invalid("PullRequest", "state", "invalid", "")
		}
		if err := c.s.setPullState(c.repo, i, c.id.account, c.routeName(), *in.State); err != nil {
			return 0, nil, err
		}
	}
	return c.pullAnswer(200, i)
}

func (c *call) listPullCommits() (int, any, error) {
	i, err := c.pullAt()
	if err != nil {
		return 0, nil, err
	}
	commits, _, err := c.pullContent(i)
	if err != nil {
		return 0, nil, err
	}
	out := []any{}
	for _, k := range paginate(c, limit(commits, 250)) {
		out = append(out, c.renderCommit(k))
	}
	return 200, out, nil
}

func (c *call) listPullFiles() (int, any, error) {
	i, err := c.pullAt()
	if err != nil {
		return 0, nil, err
	}
	_, files, err := c.pullContent(i)
	if err != nil {
		return 0, nil, err
	}
	return 200, c.renderChanges(paginate(c, limit(files, 3000)), i.Pull.HeadSHA), nil
}

func (c *call) commitPulls() (int, any, error) {
	k, err := c.commitAt(c.params["commit_sha"])
	if err != nil {
		return 0, nil, err
	}
	out := []any{}
	for _, i := range c.s.issues.find(func(i *issueRow) bool { return i.RepoID == c.repo.ID && i.Pull != nil }) {
		commits, _, err := c.pullContent(i)
		if err != nil {
			return 0, nil, err
		}
		if i.Pull.MergeSHA != k.oid && !slices.ContainsFunc(commits, func(x *commit) bool { return x.oid == k.oid }) {
			continue
		}
		body, err := c.renderPull(i, false)
		if err != nil {
			return 0, nil, err
		}
		out = append(out, body)
	}
	return 200, paginate(c, out), nil
}
