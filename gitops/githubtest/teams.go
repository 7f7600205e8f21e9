package githubtest

import (
	"fmt"
	"slices"
	"strings"
)

// Teams of an organization.

// teamMembership answers 404 for who is no member, and for a team that is not
// there. An App needs members:read on the organization.
func (c *call) teamMembership() (int, any, error) {
	org := c.s.accountByLogin(c.params["org"])
	switch c.id.kind {
	case identityAnonymous:
		return 0, nil, fail(401, "Requires authentication")
	case identityApp:
		return 0, nil, fail(401, "A JSON web token could not be used here: an installation token is needed")
	case identityInstallation:
		if org == nil || c.id.inst.AccountID != org.ID || !c.id.has("members", "read") {
			return 0, nil, notAccessible("members", "read")
		}
	case identityUser:
		if org == nil || !c.id.scope("read:org") && !c.id.scope("admin:org") {
			return 0, nil, errNotFound
		}
	}
	if org.Type != typeOrg {
		return 0, nil, errNotFound
	}
	slug, login := c.params["team_slug"], c.params["username"]
	if !slices.ContainsFunc(org.Teams[slug], func(m string) bool { return strings.EqualFold(m, login) }) {
		return 0, nil, errNotFound
	}
	return 200, map[string]any{"url": c.api("/orgs/%s/teams/%s/memberships/%s", org.Login, slug, login), "role": "member", "state": "active"}, nil
}

// SetTeam makes a team of an organization with exactly these members; none
// removes the team.
func (s *Server) SetTeam(org, slug string, members ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accountByLogin(org)
	if a == nil || a.Type != typeOrg {
		return fmt.Errorf("organization %s: %w", org, ErrNotFound)
	}
	if a.Teams == nil {
		a.Teams = map[string][]string{}
	}
	a.Teams[slug] = members
	if len(members) == 0 {
		delete(a.Teams, slug)
	}
	s.accounts.put(a.ID, a)
	return nil
}

// SetPermission gives an account a permission on a repository: none, read,
// triage, write, maintain or admin. It counts at once, for commands and clicks
// on their way too.
func (s *Server) SetPermission(fullName, login, level string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, _, err := s.find(fullName)
	if err != nil {
		return err
	}
	if permissionRank(level) < 0 {
		return fmt.Errorf("%q is no permission", level)
	}
	if s.accountByLogin(login) == nil {
		return fmt.Errorf("account %s: %w", login, ErrNotFound)
	}
	if r.Collaborators == nil {
		r.Collaborators = map[string]string{}
	}
	r.Collaborators[login] = level
	s.repos.put(r.ID, r)
	return nil
}
