package githubtest

import (
	"slices"
)

// Check suites: one per App and commit.

// Check suites, check runs and commit statuses.
// suite finds or creates the one suite per App and commit.
func (s *Server) suite(r *repoRow, app *appRow, sha, branch string) (*checkSuiteRow, bool) {
	for _, row := range s.suites.rows {
		if row.RepoID == r.ID && row.AppID == app.ID && row.HeadSHA == sha {
			return row, false
		}
	}
	now := s.now()
	row := &checkSuiteRow{ID: s.newID(), RepoID: r.ID, AppID: app.ID, HeadSHA: sha, Branch: branch, CreatedAt: now, UpdatedAt: now}
	s.suites.put(row.ID, row)
	return row, true
}

// requestSuites asks every App with checks:write for its checks on a pushed
// head, as GitHub does on each push.
func (s *Server) requestSuites(r *repoRow, actor *accountRow, cause, branch, before, after string) error {
	for _, i := range s.installations.all() {
		if !i.covers(r) || levelRank(i.Permissions["checks"]) < levelRank("write") {
			continue
		}
		app := s.apps.rows[i.AppID]
		row, created := s.suite(r, app, after, branch)
		if !created {
			continue
		}
		v := s.view()
		v.repo, v.git = r, s.gitRepo(r)
		body, err := v.renderSuite(row)
		if err != nil {
			return err
		}
		body["before"], body["after"] = before, after
		s.emitRepo(r, actor, cause, "check_suite", "requested", map[string]any{"check_suite": body}, func(x *installationRow) bool { return x.AppID == app.ID })
	}
	return nil
}

// suiteState sums up the runs of a suite.
func (s *Server) suiteState(row *checkSuiteRow) (status string, conclusion any, count int) {
	status = "completed"
	worst := ""
	order := []string{"", "skipped", "neutral", "success", "cancelled", "action_required", "timed_out", "failure"}
	for _, run := range s.runs.rows {
		if run.SuiteID != row.ID {
			continue
		}
		count++
		if run.Status != "completed" {
			status = "in_progress"
		}
		if slices.Index(order, run.Conclusion) > slices.Index(order, worst) {
			worst = run.Conclusion
		}
	}
	if count == 0 {
		return "queued", nil, 0
	}
	if status != "completed" {
		return status, nil, count
	}
	return status, worst, count
}

func (c *call) renderSuite(row *checkSuiteRow) (map[string]any, error) {
	k, err := c.git.commit(row.HeadSHA)
	if err != nil {
		return nil, err
	}
	status, conclusion, count := c.s.suiteState(row)
	url := c.repoURL("/check-suites/%d", row.ID)
	person := func(sig signature) map[string]any { return map[string]any{"name": sig.name, "email": sig.email} }
	before := zeroOID
	if len(k.parents) > 0 {
		before = k.parents[0]
	}
	return map[string]any{"id": row.ID, "node_id": nodeID("CheckSuite", row.ID), "head_branch": orNil(row.Branch), "head_sha": row.HeadSHA, "status": status, "conclusion": conclusion,
		"url": url, "before": before, "after": row.HeadSHA, "pull_requests": c.checkPulls(row.HeadSHA), "app": c.renderApp(c.s.apps.rows[row.AppID]), "created_at": stamp(row.CreatedAt),
		"updated_at": stamp(row.UpdatedAt), "latest_check_runs_count": count, "check_runs_url": url + "/check-runs", "repository": c.renderRepo(c.repo),
		"head_commit": map[string]any{"id": k.oid, "tree_id": k.tree, "message": k.message, "timestamp": stamp(k.author.when), "author": person(k.author), "committer": person(k.committer)}}, nil
}

// checkPulls lists the pull requests of a head, without those from forks.
func (c *call) checkPulls(sha string) []any {
	out := []any{}
	repo := map[string]any{"id": c.repo.ID, "url": c.repoURL(""), "name": c.repo.Name}
	for _, i := range c.s.issues.all() {
		if i.RepoID == c.repo.ID && i.Pull != nil && i.State == "open" && i.Pull.HeadSHA == sha && i.Pull.HeadRepo == 0 {
			out = append(out, map[string]any{"id": i.Pull.ID, "number": i.Number, "url": c.repoURL("/pulls/%d", i.Number),
				"head": map[string]any{"ref": i.Pull.Head, "sha": i.Pull.HeadSHA, "repo": repo}, "base": map[string]any{"ref": i.Pull.Base, "sha": i.Pull.BaseSHA, "repo": repo}})
		}
	}
	return out
}

func (c *call) suiteAt() (*checkSuiteRow, error) {
	row := c.s.suites.rows[c.int("check_suite_id")]
	if row == nil || row.RepoID != c.repo.ID {
		return nil, errNotFound
	}
	return row, nil
}

func (c *call) getSuite() (int, any, error) {
	row, err := c.suiteAt()
	if err != nil {
		return 0, nil, err
	}
	body, err := c.renderSuite(row)
	return 200, body, err
}

func (c *call) listRunsInSuite() (int, any, error) {
	row, err := c.suiteAt()
	if err != nil {
		return 0, nil, err
	}
	return c.listRuns(func(r *checkRunRow) bool { return r.SuiteID == row.ID })
}

func (c *call) listSuitesForRef() (int, any, error) {
	k, err := c.commitAt(c.params["ref"])
	if err != nil {
		return 0, nil, err
	}
	rows := c.s.suites.find(func(r *checkSuiteRow) bool { return r.RepoID == c.repo.ID && r.HeadSHA == k.oid })
	total := len(rows)
	out := []any{}
	for _, row := range paginate(c, rows) {
		body, err := c.renderSuite(row)
		if err != nil {
			return 0, nil, err
		}
		out = append(out, body)
	}
	return 200, map[string]any{"total_count": total, "check_suites": out}, nil
}

func (c *call) rerequestSuite() (int, any, error) {
	row, err := c.suiteAt()
	if err != nil {
		return 0, nil, err
	}
	return 201, map[string]any{}, c.s.emitSuite(c.repo, c.id.account, c.routeName(), row, "rerequested")
}

// emitSuite tells the suite's own App.
func (s *Server) emitSuite(r *repoRow, actor *accountRow, cause string, row *checkSuiteRow, action string) error {
	v := s.view()
	v.repo, v.git = r, s.gitRepo(r)
	body, err := v.renderSuite(row)
	if err != nil {
		return err
	}
	s.emitRepo(r, actor, cause, "check_suite", action, map[string]any{"check_suite": body}, func(i *installationRow) bool { return i.AppID == row.AppID })
	return nil
}
