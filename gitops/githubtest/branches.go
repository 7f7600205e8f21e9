package githubtest

import (
	"slices"
	"strings"
)

// Branches.

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
