package githubtest

// Collaborators and their permission.

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
