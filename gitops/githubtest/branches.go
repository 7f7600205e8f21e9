package githubtest

import (
	"errors"
	"slices"
	"strings"
)

// Branches and what protects them.

func (c *call) renderProtection(branch string, p *protectionRow) map[string]any {
	return map[string]any{"enabled": p != nil, "url": c.repoURL("/branches/%s/protection", branch)}
}

func (c *call) listBranches() (int, any, error) {
	refs, err := c.git.refs("refs/heads/")
	if err != nil {
		return 0, nil, err
	}
	if want := c.query.Get("protected"); want != "" {
		refs = slices.DeleteFunc(refs, func(r namedRef) bool { return (c.s.protection(c.repo, r.name) != nil) != (want == "true") })
	}
	out := []any{}
	for _, ref := range paginate(c, refs) {
		oid, ok, err := c.s.readRef(c.repo, ref.name)
		if err != nil {
			return 0, nil, err
		}
		if !ok {
			continue
		}
		name := strings.TrimPrefix(ref.name, "refs/heads/")
		out = append(out, map[string]any{"name": name, "protected": c.s.protection(c.repo, ref.name) != nil,
			"commit": map[string]any{"sha": oid, "url": c.repoURL("/commits/%s", oid)}})
	}
	return 200, out, nil
}

func (c *call) getBranch() (int, any, error) {
	name := c.params["branch"]
	ref := "refs/heads/" + name
	oid, ok, err := "", false, error(nil)
	if validRef(ref) {
		oid, ok, err = c.s.readRef(c.repo, ref)
	}
	if err != nil {
		return 0, nil, err
	}
	if !ok {
		return 0, nil, fail(404, "Branch not found")
	}
	k, err := c.git.commit(oid)
	if err != nil {
		return 0, nil, err
	}
	p := c.s.protection(c.repo, ref)
	url := c.repoURL("/branches/%s", name)
	return 200, map[string]any{"name": name, "commit": c.renderCommit(k), "protected": p != nil, "protection": c.renderProtection(name, p),
		"protection_url": url + "/protection", "_links": map[string]any{"self": url, "html": c.htmlRepo() + "/tree/" + name}}, nil
}

func (c *call) getProtection() (int, any, error) {
	p := c.repo.Protected[c.params["branch"]]
	if p == nil || p.Ruleset {
		return 0, nil, fail(404, "Branch not protected")
	}
	return 200, c.protectionBody(), nil
}

func (c *call) protectionBody() map[string]any {
	url := c.repoURL("/branches/%s/protection", c.params["branch"])
	return map[string]any{"url": url, "enforce_admins": map[string]any{"url": url + "/enforce_admins", "enabled": true},
		"required_pull_request_reviews": map[string]any{"url": url + "/required_pull_request_reviews", "dismiss_stale_reviews": false, "require_code_owner_reviews": false, "required_approving_review_count": 1},
		"allow_force_pushes":            map[string]any{"enabled": false}, "allow_deletions": map[string]any{"enabled": false}}
}

// setProtection knows one kind of protection: changes only through pull
// requests, for everybody.
func (c *call) setProtection() (int, any, error) {
	branch := c.params["branch"]
	if _, ok, err := c.git.ref("refs/heads/" + branch); err != nil || !ok {
		return 0, nil, errors.Join(err, fail(404, "Branch not found"))
	}
	if c.repo.Protected == nil {
		c.repo.Protected = map[string]*protectionRow{}
	}
	c.repo.Protected[branch] = &protectionRow{}
	c.s.repos.put(c.repo.ID, c.repo)
	return 200, map[string]any{"url": c.repoURL("/branches/%s/protection", branch)}, nil
}

// branchRules lists what rulesets ask for.
func (c *call) branchRules() (int, any, error) {
	out := []any{}
	if p := c.repo.Protected[c.params["branch"]]; p != nil && p.Ruleset {
		out = append(out, map[string]any{"type": "pull_request", "ruleset_source_type": "Repository", "ruleset_source": c.s.fullName(c.repo), "ruleset_id": c.repo.ID,
			"parameters": map[string]any{"dismiss_stale_reviews_on_push": false, "require_code_owner_review": false, "require_last_push_approval": false,
				"required_approving_review_count": 1, "required_review_thread_resolution": false}})
	}
	return 200, out, nil
}
