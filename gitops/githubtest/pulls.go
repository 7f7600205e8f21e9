package githubtest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Pull requests, within a repository and from forks: how they are opened, shown and listed.

// pullIn is what a new pull request is made of. Head is a branch, or
// owner:branch of a fork; HeadRepo names the fork when the owner has several.
type pullIn struct {
	Title      string `json:"title"`
	Body       string `json:"body"`
	Base       string `json:"base"`
	Head       string `json:"head"`
	HeadRepo   string `json:"head_repo"`
	Draft      bool   `json:"draft"`
	Maintainer *bool  `json:"maintainer_can_modify"`
}

// openPull creates a pull request, with GitHub's checks and words.
func (s *Server) openPull(r *repoRow, actor *accountRow, cause string, in pullIn) (*issueRow, error) {
	if err := checkTitle("PullRequest", in.Title); err != nil {
		return nil, err
	}
	if err := checkBody("PullRequest", in.Body); err != nil {
		return nil, err
	}
	from, head := s.headOf(r, in.Head, in.HeadRepo)
	if from == nil || !s.mayPush(actor, from) {
		return nil, invalid("PullRequest", "head", "invalid", "")
	}
	base, err := s.sideOf(r, "base", in.Base)
	if err != nil {
		return nil, err
	}
	tip, err := s.sideOf(from, "head", head)
	if err != nil {
		return nil, err
	}
	for _, i := range s.issues.rows {
		if i.RepoID == r.ID && i.Pull != nil && i.State == "open" && i.Pull.Base == in.Base && i.Pull.Head == head && s.headRepo(i) == from {
			return nil, invalid("PullRequest", "", "custom", fmt.Sprintf("A pull request already exists for %s:%s.", s.accounts.rows[from.OwnerID].Login, head))
		}
	}
	if err := s.bring(r, from, tip); err != nil {
		return nil, err
	}
	g := s.gitRepo(r)
	common, err := g.mergeBase(base, tip)
	if err != nil {
		return nil, err
	}
	if common == "" {
		return nil, invalid("PullRequest", "", "custom", fmt.Sprintf("The %s branch has no history in common with %s", head, in.Base))
	}
	if common == tip {
		return nil, invalid("PullRequest", "", "custom", fmt.Sprintf("No commits between %s and %s", in.Base, head))
	}
	now := s.now()
	i := &issueRow{ID: s.newID(), RepoID: r.ID, Number: r.NextNumber, Title: in.Title, Body: in.Body, State: "open", AuthorID: actor.ID, CreatedAt: now, UpdatedAt: now}
	i.Pull = &pullRow{ID: s.newID(), Base: in.Base, BaseSHA: base, Head: head, HeadSHA: tip, Draft: in.Draft}
	if from != r {
		i.Pull.HeadRepo, i.Pull.HeadOwner = from.ID, s.accounts.rows[from.OwnerID].Login
		i.Pull.Maintainer = in.Maintainer == nil || *in.Maintainer
	}
	r.NextNumber++
	s.repos.put(r.ID, r)
	s.issues.put(i.ID, i)
	if err := g.setRef(fmt.Sprintf("refs/pull/%d/head", i.Number), tip); err != nil {
		return nil, err
	}
	return i, s.emitPull(r, actor, cause, i, "opened", nil)
}

// sideOf is the head of a branch a new pull request names.
func (s *Server) sideOf(r *repoRow, field, branch string) (string, error) {
	oid, ok, err := "", false, error(nil)
	if validRef("refs/heads/" + branch) {
		oid, ok, err = s.gitRepo(r).ref("refs/heads/" + branch)
	}
	if err == nil && !ok {
		err = invalid("PullRequest", field, "invalid", "")
	}
	return oid, err
}

func (c *call) renderPull(i *issueRow, full bool) (map[string]any, error) {
	p := i.Pull
	url := c.repoURL("/pulls/%d", i.Number)
	html := fmt.Sprintf("%s/pull/%d", c.htmlRepo(), i.Number)
	issue := c.repoURL("/issues/%d", i.Number)
	author := c.s.accounts.rows[i.AuthorID]
	side := func(of *repoRow, login, branch, sha string) map[string]any {
		out := map[string]any{"label": login + ":" + branch, "ref": branch, "sha": sha, "user": nil, "repo": nil}
		if a := c.s.accountByLogin(login); a != nil {
			out["user"] = c.renderUser(a)
		}
		if of == nil {
			return out // the fork has gone
		}
		repo := c.renderRepo(of)
		mergeFlags(of, repo)
		for _, flag := range []string{"allow_auto_merge", "delete_branch_on_merge", "allow_update_branch", "use_squash_pr_title_as_default"} {
			repo[flag] = false
		}
		out["repo"] = repo
		return out
	}
	owner := c.s.accounts.rows[c.repo.OwnerID].Login
	headOwner := owner
	if p.HeadOwner != "" {
		headOwner = p.HeadOwner
	}
	mergeSHA := p.MergeSHA
	if mergeSHA == "" {
		mergeSHA = p.TestMerge
	}
	link := func(href string) map[string]any { return map[string]any{"href": href} }
	out := map[string]any{
		"id": p.ID, "node_id": nodeID("PullRequest", c.repo.ID, i.Number), "url": url, "html_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch", "issue_url": issue,
		"commits_url": url + "/commits", "review_comments_url": url + "/comments", "review_comment_url": c.repoURL("/pulls/comments{/number}"), "comments_url": issue + "/comments",
		"statuses_url": c.repoURL("/statuses/%s", p.HeadSHA), "number": i.Number, "state": i.State, "locked": false, "active_lock_reason": nil, "title": i.Title, "user": c.renderUser(author),
		"body": orNil(i.Body), "labels": c.renderLabels(i.Labels), "milestone": nil, "assignee": nil, "assignees": []any{}, "requested_reviewers": []any{}, "requested_teams": []any{},
		"created_at": stamp(i.CreatedAt), "updated_at": stamp(i.UpdatedAt), "closed_at": stampPtr(i.ClosedAt), "merged_at": stampPtr(p.MergedAt), "merge_commit_sha": orNil(mergeSHA),
		"head": side(c.s.headRepo(i), headOwner, p.Head, p.HeadSHA), "base": side(c.repo, owner, p.Base, p.BaseSHA), "author_association": c.association(author), "auto_merge": nil, "draft": p.Draft,
		"_links": map[string]any{"self": link(url), "html": link(html), "issue": link(issue), "comments": link(issue + "/comments"), "review_comments": link(url + "/comments"),
			"review_comment": link(c.repoURL("/pulls/comments{/number}")), "commits": link(url + "/commits"), "statuses": link(c.repoURL("/statuses/%s", p.HeadSHA))},
	}
	if !full {
		return out, nil
	}
	commits, err := c.git.pullCommits(i.Pull)
	if err != nil {
		return nil, err
	}
	files, err := c.git.pullFiles(i.Pull)
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
	state, err := c.s.mergeState(c.repo, i)
	if err != nil {
		return nil, err
	}
	out["merged"], out["mergeable"], out["rebaseable"], out["mergeable_state"] = p.MergedAt != nil, p.Mergeable, p.Rebaseable, state
	out["merged_by"] = nil
	if a := c.s.accounts.rows[p.MergedBy]; a != nil {
		out["merged_by"] = c.renderUser(a)
	}
	out["comments"], out["review_comments"], out["maintainer_can_modify"] = comments, 0, p.Maintainer
	out["commits"], out["additions"], out["deletions"], out["changed_files"] = len(commits), added, removed, len(files)
	return out, nil
}

// start is where a pull request's branch left its base. A merged one keeps
// the base from before the merge.
func (r *gitRepo) start(p *pullRow) (oid, tree string, err error) {
	if oid, err = r.mergeBase(p.BaseSHA, p.HeadSHA); err != nil || oid == "" {
		return "", "", err
	}
	k, err := r.commit(oid)
	if err != nil {
		return "", "", err
	}
	return oid, k.tree, nil
}

// pullCommits lists the commits of a pull request, oldest first.
func (r *gitRepo) pullCommits(p *pullRow) ([]*commit, error) { return r.between(p.BaseSHA, p.HeadSHA) }

// pullFiles lists what a pull request changes, against where it began.
func (r *gitRepo) pullFiles(p *pullRow) ([]fileChange, error) {
	_, tree, err := r.start(p)
	if err != nil {
		return nil, err
	}
	head, err := r.commit(p.HeadSHA)
	if err != nil {
		return nil, err
	}
	return r.changes(tree, head.tree)
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
	list := c.s.issues.find(func(i *issueRow) bool {
		return i.RepoID == c.repo.ID && i.Pull != nil && (state == "all" || i.State == state) &&
			(base == "" || i.Pull.Base == base) && (head == "" || strings.EqualFold(c.s.headLabel(c.repo, i), head))
	})
	sort := c.query.Get("sort")
	ordered(c, list, sort == "" || sort == "created", func(i *issueRow) (created, updated time.Time) { return i.CreatedAt, i.UpdatedAt })
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
	seen, err := c.s.seenPull(c.repo, i)
	if err != nil {
		return 0, nil, err
	}
	status, body, err := c.pullAnswer(200, seen)
	if err != nil {
		return 0, nil, err
	}
	return status, body, c.s.asked(c.repo, i)
}

func (c *call) updatePull() (int, any, error) {
	i, err := c.pullAt()
	if err != nil {
		return 0, nil, err
	}
	var in struct {
		pullEdit
		State *string `json:"state"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	if err := c.mayChange(i.AuthorID, "write"); err != nil {
		return 0, nil, err
	}
	if err := c.s.editPull(c.repo, i, c.id.account, c.routeName(), in.pullEdit); err != nil {
		return 0, nil, err
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
	commits, err := c.git.pullCommits(i.Pull)
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
	files, err := c.git.pullFiles(i.Pull)
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
	released := false
	if tip, ok, err := c.git.ref("refs/heads/" + c.repo.DefaultBranch); err != nil {
		return 0, nil, err
	} else if ok {
		if released, err = c.git.isAncestor(k.oid, tip); err != nil {
			return 0, nil, err
		}
	}
	out := []any{}
	for _, i := range c.s.issues.find(func(i *issueRow) bool { return i.RepoID == c.repo.ID && i.Pull != nil }) {
		if i.Pull.MergedAt == nil && (released || i.State != "open") {
			continue // what the default branch has came by what was merged
		}
		commits, err := c.git.pullCommits(i.Pull)
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
