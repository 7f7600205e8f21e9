package githubtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What protects branches.

// protectionRow is the protection of one branch. The zero value asks for pull
// requests, without reviews or checks.
type protectionRow struct {
	// Ruleset refuses in the words of a repository ruleset, and with another
	// GraphQL error type than classic protection.
	Ruleset bool `json:"ruleset,omitempty"`
	// Direct needs no pull request; checks are needed all the same.
	Direct  bool     `json:"direct,omitempty"`
	Reviews int      `json:"reviews,omitempty"`
	Checks  []string `json:"checks,omitempty"`
	Strict  bool     `json:"strict,omitempty"` // the branch must be up to date with its base
}

func (s *Server) protection(r *repoRow, name string) *protectionRow {
	branch, ok := strings.CutPrefix(name, "refs/heads/")
	if !ok {
		return nil
	}
	return r.Protected[branch]
}

// refusal is the error with which protection refuses that a reference moves
// without a pull request; nil when it does not (422 in REST, facts §11).
func (s *Server) refusal(r *repoRow, name, before, after string) error {
	p := s.protection(r, name)
	if p == nil {
		return nil
	}
	message := ""
	switch {
	case !p.Direct:
		message = "Changes must be made through a pull request."
	case after == "" || after == zeroOID:
		message = "Cannot delete this branch"
	case len(p.Checks) > 0 && before != after:
		message, _ = s.checksMissing(r, after, p.Checks)
	}
	if message == "" {
		return nil
	}
	if p.Ruleset {
		message = "Repository rule violations found\n\n" + message + "\n\n"
	}
	err := fail(422, "%s", message)
	err.protected = true
	return err
}

// checksMissing says which required check has not passed on a commit; "" when
// all have. Success, neutral and skipped pass (facts §1).
func (s *Server) checksMissing(r *repoRow, sha string, checks []string) (why string, failing bool) {
	passed, failed := map[string]bool{}, map[string]bool{}
	note := func(name, state string, done bool) {
		passed[name] = done && slices.Contains([]string{"success", "neutral", "skipped"}, state)
		failed[name] = done && !passed[name]
	}
	for _, row := range s.statuses.all() { // the newest of a name counts
		if row.RepoID == r.ID && row.SHA == sha {
			note(row.Context, row.State, row.State != "pending")
		}
	}
	for _, run := range s.runs.all() {
		if run.RepoID == r.ID && run.HeadSHA == sha {
			note(run.Name, run.Conclusion, run.Status == "completed")
		}
	}
	for _, name := range checks {
		switch {
		case failed[name]:
			return fmt.Sprintf("Required status check %q is failing.", name), true
		case !passed[name]:
			why = fmt.Sprintf("Required status check %q is expected.", name)
		}
	}
	return why, false
}

// unmet is what the base's protection still asks of a pull request; "" when
// nothing.
func (s *Server) unmet(r *repoRow, i *issueRow) (string, error) {
	p := r.Protected[i.Pull.Base]
	if p == nil {
		return "", nil
	}
	newest := map[int64]string{}
	for _, v := range s.reviews.all() {
		author := s.accounts.rows[v.AuthorID]
		if v.IssueID == i.ID && v.State != "COMMENTED" && author.Type == typeUser && permissionRank(s.permission(author.Login, r)) >= permissionRank("write") {
			newest[v.AuthorID] = v.State
		}
	}
	approved := 0
	for _, state := range newest {
		switch state {
		case "APPROVED":
			approved++
		case "CHANGES_REQUESTED":
			if p.Reviews > 0 {
				return "Changes have been requested.", nil
			}
		}
	}
	if approved < p.Reviews {
		return fmt.Sprintf("At least %d approving review is required by reviewers with write access.", p.Reviews), nil
	}
	if why, _ := s.checksMissing(r, i.Pull.HeadSHA, p.Checks); why != "" {
		return why, nil
	}
	if p.Strict {
		current, err := s.gitRepo(r).isAncestor(i.Pull.BaseSHA, i.Pull.HeadSHA)
		if err != nil {
			return "", err
		}
		if !current {
			return "The head branch is not up to date with the base branch.", nil
		}
	}
	return "", nil
}

func (c *call) renderProtection(branch string, p *protectionRow) map[string]any {
	return map[string]any{"enabled": p != nil, "url": c.repoURL("/branches/%s/protection", branch)}
}

func (c *call) getProtection() (int, any, error) {
	p := c.repo.Protected[c.params["branch"]]
	if p == nil || p.Ruleset {
		return 0, nil, fail(404, "Branch not protected")
	}
	url := c.repoURL("/branches/%s/protection", c.params["branch"])
	out := map[string]any{"url": url, "enforce_admins": map[string]any{"url": url + "/enforce_admins", "enabled": true},
		"allow_force_pushes": map[string]any{"enabled": false}, "allow_deletions": map[string]any{"enabled": false}}
	if !p.Direct {
		out["required_pull_request_reviews"] = map[string]any{"url": url + "/required_pull_request_reviews", "dismiss_stale_reviews": false,
			"require_code_owner_reviews": false, "required_approving_review_count": p.Reviews}
	}
	if len(p.Checks) > 0 {
		checks := []any{}
		for _, name := range p.Checks {
			checks = append(checks, map[string]any{"context": name, "app_id": nil})
		}
		out["required_status_checks"] = map[string]any{"url": url + "/required_status_checks", "strict": p.Strict, "contexts": p.Checks,
			"contexts_url": url + "/required_status_checks/contexts", "checks": checks}
	}
	return 200, out, nil
}

func (c *call) setProtection() (int, any, error) {
	branch := c.params["branch"]
	if _, ok, err := c.git.ref("refs/heads/" + branch); err != nil || !ok {
		return 0, nil, errors.Join(err, fail(404, "Branch not found"))
	}
	var in struct {
		Checks *struct {
			Strict   bool     `json:"strict"`
			Contexts []string `json:"contexts"`
			Checks   []struct {
				Context string `json:"context"`
			} `json:"checks"`
		} `json:"required_status_checks"`
		Reviews *struct {
			Count int `json:"required_approving_review_count"`
		} `json:"required_pull_request_reviews"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	p := &protectionRow{Direct: in.Reviews == nil}
	if in.Reviews != nil {
		if p.Reviews = in.Reviews.Count; p.Reviews < 0 || p.Reviews > 6 {
			return 0, nil, invalid("ProtectedBranch", "required_approving_review_count", "invalid", "")
		}
	}
	if in.Checks != nil {
		p.Strict, p.Checks = in.Checks.Strict, in.Checks.Contexts
		for _, one := range in.Checks.Checks {
			if !slices.Contains(p.Checks, one.Context) {
				p.Checks = append(p.Checks, one.Context)
			}
		}
	}
	c.s.protect(c.repo, branch, p)
	return c.getProtection()
}

func (s *Server) protect(r *repoRow, branch string, p *protectionRow) {
	if r.Protected == nil {
		r.Protected = map[string]*protectionRow{}
	}
	r.Protected[branch] = p
	s.repos.put(r.ID, r)
}

// branchRules lists what rulesets ask for.
func (c *call) branchRules() (int, any, error) {
	out := []any{}
	if p := c.repo.Protected[c.params["branch"]]; p != nil && p.Ruleset {
		out = append(out, map[string]any{"type": "pull_request", "ruleset_source_type": "Repository", "ruleset_source": c.s.fullName(c.repo), "ruleset_id": c.repo.ID,
			"parameters": map[string]any{"dismiss_stale_reviews_on_push": false, "require_code_owner_review": false, "require_last_push_approval": false,
				"required_approving_review_count": p.Reviews, "required_review_thread_resolution": false}})
	}
	return 200, out, nil
}

// Require protects a branch: direct writes are refused, and a merge needs so
// many approving reviews and the named checks on the head. No review and no
// check: Protect. As with Protect, an earlier protection is replaced.
func (s *Server) Require(fullName, branch string, reviews int, checks ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, _, err := s.find(fullName)
	if err != nil {
		return err
	}
	s.protect(r, branch, &protectionRow{Reviews: reviews, Checks: checks})
	return nil
}
