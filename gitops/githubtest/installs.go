package githubtest

import (
	"fmt"
	"slices"
)

// What people do with an App in GitHub's web interface. Each method sends the
// webhooks GitHub sends.

func (s *Server) suspend(i *installationRow, on bool, actor *accountRow) {
	action := "unsuspend"
	i.SuspendedAt = nil
	if on {
		now := s.now()
		i.SuspendedAt, action = &now, "suspend"
	}
	s.installations.put(i.ID, i)
	s.emitInstallation(i, actor, "installation", action, map[string]any{})
}

// Suspend stops or resumes an installation.
func (s *Server) Suspend(installationID int64, on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	i := s.installations.rows[installationID]
	if i == nil {
		return fmt.Errorf("no installation %d", installationID)
	}
	s.suspend(i, on, s.accounts.rows[i.AccountID])
	return nil
}

// Install installs an App on an account and returns the installation's id.
func (s *Server) Install(slug string, in SeedInstallation) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	return s.install(slug, in)
}

func (s *Server) install(slug string, in SeedInstallation) (int64, error) {
	app, err := s.app(slug)
	if err != nil {
		return 0, err
	}
	i, err := s.seedInstallation(app, in)
	if err != nil {
		return 0, err
	}
	s.installations.put(i.ID, i)
	s.emitInstallation(i, s.accounts.rows[i.AccountID], "installation", "created", map[string]any{"repositories": s.repoStubs(s.reposOf(i)), "requester": nil})
	return i.ID, nil
}

// Uninstall removes an installation; its tokens die.
func (s *Server) Uninstall(installationID int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	i := s.installations.rows[installationID]
	if i == nil {
		return fmt.Errorf("no installation %d", installationID)
	}
	s.emitInstallation(i, s.accounts.rows[i.AccountID], "installation", "deleted", map[string]any{"repositories": s.repoStubs(s.reposOf(i)), "requester": nil})
	s.installations.remove(installationID)
	for _, t := range s.tokens.all() {
		if t.Installation == installationID {
			delete(s.byToken, t.Token)
			s.tokens.remove(t.ID)
		}
	}
	return nil
}

// SelectRepositories changes which repositories an installation reaches:
// all of the account when names is nil, else exactly these ("owner/name").
func (s *Server) SelectRepositories(installationID int64, names []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	i := s.installations.rows[installationID]
	if i == nil {
		return fmt.Errorf("no installation %d", installationID)
	}
	before := s.reposOf(i)
	selection, ids := "all", []int64(nil)
	if names != nil {
		selection = "selected"
		for _, name := range names {
			r := s.repoByFullName(name)
			if r == nil || r.OwnerID != i.AccountID {
				return fmt.Errorf("%q is no repository of the installation's account", name)
			}
			ids = append(ids, r.ID)
		}
	}
	i.Selection, i.Repositories = selection, ids
	s.installations.put(i.ID, i)
	after := s.reposOf(i)
	s.emitSelection(i, s.accounts.rows[i.AccountID], missing(before, after), missing(after, before))
	return nil
}

func missing(have, from []*repoRow) []*repoRow {
	var out []*repoRow
	for _, r := range from {
		if !slices.Contains(have, r) {
			out = append(out, r)
		}
	}
	return out
}

// emitSelection tells an App which repositories it reaches now and no longer.
func (s *Server) emitSelection(i *installationRow, actor *accountRow, added, removed []*repoRow) {
	for _, action := range []string{"added", "removed"} {
		list := map[string][]*repoRow{"added": added, "removed": removed}[action]
		if len(list) == 0 {
			continue
		}
		payload := map[string]any{"repositories_added": []any{}, "repositories_removed": []any{}, "repository_selection": i.Selection, "requester": nil}
		payload["repositories_"+action] = s.repoStubs(list)
		s.emitInstallation(i, actor, "installation_repositories", action, payload)
	}
}

func (s *Server) reposOf(i *installationRow) []*repoRow { return s.repos.find(i.covers) }

func (s *Server) app(slug string) (*appRow, error) {
	for _, a := range s.apps.rows {
		if a.Slug == slug {
			return a, nil
		}
	}
	return nil, fmt.Errorf("no App %q", slug)
}

// SetWebhook points an App's webhook somewhere, as on its settings page.
func (s *Server) SetWebhook(slug, url, secret string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	app, err := s.app(slug)
	if err != nil {
		return err
	}
	app.WebhookURL, app.WebhookSecret = url, secret
	s.apps.put(app.ID, app)
	return nil
}

// SetPermissions changes what an App asks for; its installations accept at
// once. Tokens minted before keep what they had.
func (s *Server) SetPermissions(slug string, permissions map[string]string) error {
	if err := s.RequestPermissions(slug, permissions); err != nil {
		return err
	}
	for _, id := range s.installationsOf(slug) {
		if err := s.AcceptPermissions(id); err != nil {
			return err
		}
	}
	return nil
}

// RequestPermissions changes what an App asks for. Its installations keep
// what they granted until AcceptPermissions.
func (s *Server) RequestPermissions(slug string, permissions map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	app, err := s.app(slug)
	if err != nil {
		return err
	}
	app.Permissions = permissions
	s.apps.put(app.ID, app)
	return nil
}

// SetEvents changes what an App is subscribed to, at once everywhere.
func (s *Server) SetEvents(slug string, events []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	app, err := s.app(slug)
	if err != nil {
		return err
	}
	app.Events = events
	s.apps.put(app.ID, app)
	for _, i := range s.installations.all() {
		if i.AppID == app.ID {
			i.Events = events
			s.installations.put(i.ID, i)
		}
	}
	return nil
}

func (s *Server) installationsOf(slug string) []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []int64
	for _, i := range s.installations.all() {
		if app := s.apps.rows[i.AppID]; app != nil && app.Slug == slug {
			out = append(out, i.ID)
		}
	}
	return out
}

// AcceptPermissions grants an installation what its App asks for now.
func (s *Server) AcceptPermissions(installationID int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	i := s.installations.rows[installationID]
	if i == nil {
		return fmt.Errorf("no installation %d", installationID)
	}
	i.Permissions = s.apps.rows[i.AppID].Permissions
	s.installations.put(i.ID, i)
	s.emitInstallation(i, s.accounts.rows[i.AccountID], "installation", "new_permissions_accepted", map[string]any{"repositories": s.repoStubs(s.reposOf(i)), "requester": nil})
	return nil
}

// Ping sends the ping event, as GitHub does when a webhook is set up.
func (s *Server) Ping(slug string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	app, err := s.app(slug)
	if err != nil {
		return err
	}
	s.hooks.enqueue(app, 0, 0, "", "", "ping", "", map[string]any{"zen": "Keep it logically awesome.", "hook_id": app.HookID,
		"hook": map[string]any{"type": "App", "id": app.HookID, "name": "web", "active": true, "events": orEmpty(app.Events), "app_id": app.ID,
			"config":     map[string]any{"url": app.WebhookURL, "content_type": "json", "insecure_ssl": "0", "secret": "********"},
			"updated_at": stamp(app.CreatedAt), "created_at": stamp(app.CreatedAt), "deliveries_url": s.url() + "/app/hook/deliveries"}})
	return nil
}

// PrivateKey is the PEM of an App's key, as given in the seed or generated.
func (s *Server) PrivateKey(slug string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key := s.keys[slug]; key != nil {
		return key, nil
	}
	return s.generatedKey(slug)
}
