package githubtest

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"strings"
	"time"
)

func (c *call) getApp() (int, any, error) { return 200, c.renderApp(c.id.app), nil }

func (c *call) myInstallations() []*installationRow {
	return c.s.installations.find(func(i *installationRow) bool { return i.AppID == c.id.app.ID })
}

func (c *call) listInstallations() (int, any, error) {
	out := []any{}
	for _, i := range paginate(c, c.myInstallations()) {
		out = append(out, c.renderInstallation(i))
	}
	return 200, out, nil
}

// installation finds one of the calling App.
func (c *call) installation() (*installationRow, error) {
	i := c.s.installations.rows[c.int("installation_id")]
	if i == nil || i.AppID != c.id.app.ID {
		return nil, errNotFound
	}
	return i, nil
}

func (c *call) getInstallation() (int, any, error) {
	i, err := c.installation()
	if err != nil {
		return 0, nil, err
	}
	return 200, c.renderInstallation(i), nil
}

func (c *call) suspendInstallation() (int, any, error) {
	i, err := c.installation()
	if err != nil {
		return 0, nil, err
	}
	c.s.suspend(i, true, c.id.account)
	return 204, nil, nil
}

func (c *call) getRepoInstallation() (int, any, error) {
	r, former := c.s.repoByName(c.params["owner"], c.params["repo"])
	if r == nil {
		return 0, nil, errNotFound
	}
	for _, i := range c.myInstallations() {
		if i.covers(r) {
			if former {
				return 0, nil, c.moved(r)
			}
			return 200, c.renderInstallation(i), nil
		}
	}
	return 0, nil, errNotFound
}

func (c *call) getAccountInstallation() (int, any, error) {
	login := c.params["org"] + c.params["username"]
	for _, i := range c.myInstallations() {
		if strings.EqualFold(c.s.accounts.rows[i.AccountID].Login, login) {
			return 200, c.renderInstallation(i), nil
		}
	}
	return 0, nil, errNotFound
}

// createToken mints an installation token: for all or some repositories, with
// all or fewer permissions. GitHub's tokens are becoming long, so these are.
func (c *call) createToken() (int, any, error) {
	i, err := c.installation()
	if err != nil {
		return 0, nil, err
	}
	if i.SuspendedAt != nil {
		return 0, nil, fail(403, "This installation has been suspended")
	}
	var in struct {
		Repositories  []string          `json:"repositories"`
		RepositoryIDs []int64           `json:"repository_ids"`
		Permissions   map[string]string `json:"permissions"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	ids := in.RepositoryIDs
	for _, name := range in.Repositories {
		r, _ := c.s.repoByName(c.s.accounts.rows[i.AccountID].Login, name)
		if r == nil {
			return 0, nil, fail(422, "There is at least one repository that does not exist or is not accessible to the parent installation.")
		}
		ids = append(ids, r.ID)
	}
	if len(ids) > 500 {
		return 0, nil, fail(422, "Too many repositories for installation")
	}
	var repos []any
	for _, id := range ids {
		r := c.s.repos.rows[id]
		if r == nil || !i.covers(r) {
			return 0, nil, fail(422, "There is at least one repository that does not exist or is not accessible to the parent installation.")
		}
		repos = append(repos, c.renderRepo(r))
	}
	if len(ids) == 0 {
		ids = nil // an empty list narrows nothing
	}
	permissions := maps.Clone(i.Permissions)
	if permissions == nil {
		permissions = map[string]string{}
	}
	if in.Permissions != nil {
		permissions = map[string]string{}
		for p, level := range in.Permissions {
			if levelRank(level) < 1 || levelRank(i.Permissions[p]) < levelRank(level) && !(p == "metadata" && level == "read") {
				return 0, nil, fail(422, "The permissions requested are not granted to this installation.")
			}
			permissions[p] = level
		}
	}
	permissions["metadata"] = "read"
	ttl := time.Hour
	if c.s.knobs.TokenTTL > 0 {
		ttl = c.s.knobs.TokenTTL
	}
	random := make([]byte, 120)
	if _, err := rand.Read(random); err != nil {
		return 0, nil, err
	}
	t := &tokenRow{ID: c.s.newID(), Installation: i.ID, Permissions: permissions, Repositories: ids, ExpiresAt: c.s.clock.Now().Add(ttl).UTC(),
		Token: fmt.Sprintf("ghs_%d_%s", i.AppID, base64.RawURLEncoding.EncodeToString(random))}
	c.s.tokens.put(t.ID, t)
	c.s.byToken[t.Token] = t
	body := map[string]any{"token": t.Token, "expires_at": t.ExpiresAt.Format(time.RFC3339), "permissions": permissions, "repository_selection": i.Selection}
	if len(ids) > 0 {
		body["repository_selection"] = "selected"
		body["repositories"] = repos
	}
	return 201, body, nil
}

func (c *call) revokeToken() (int, any, error) {
	delete(c.s.byToken, c.id.token.Token)
	c.s.tokens.remove(c.id.token.ID)
	return 204, nil, nil
}

func (c *call) listInstallationRepos() (int, any, error) {
	repos := c.s.repos.find(func(r *repoRow) bool { return c.s.reaches(c.id, r) })
	total := len(repos)
	out := []any{}
	for _, r := range paginate(c, repos) {
		out = append(out, c.renderRepo(r))
	}
	selection := c.id.inst.Selection
	if c.id.token.Repositories != nil {
		selection = "selected"
	}
	return 200, map[string]any{"total_count": total, "repository_selection": selection, "repositories": out}, nil
}

func (c *call) getMeta() (int, any, error) {
	return 200, map[string]any{"verifiable_password_authentication": false, "hooks": []string{"127.0.0.1/32"}}, nil
}

func (c *call) getAuthenticatedUser() (int, any, error) {
	return 200, c.renderFullUser(c.id.account), nil
}

func (c *call) getUser() (int, any, error) {
	a := c.s.accountByLogin(c.params["username"])
	if a == nil {
		return 0, nil, errNotFound
	}
	return 200, c.renderFullUser(a), nil
}
