package githubtest

import (
	"fmt"
	"slices"
	"strings"
)

// RenameAccount gives a person or organization another login. Ids stay, the
// old addresses of its repositories redirect, tokens go on working, and Apps
// installed on it get installation_target renamed.
func (s *Server) RenameAccount(login, newLogin string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	a := s.accountByLogin(login)
	if a == nil || a.Type == typeBot {
		return fmt.Errorf("account %s: %w", login, ErrNotFound)
	}
	if !validName(newLogin) || s.accountByLogin(newLogin) != nil {
		return fmt.Errorf("login %q is taken or no login", newLogin)
	}
	old := a.Login
	for _, r := range s.repos.all() {
		if r.OwnerID == a.ID {
			r.FormerNames = append(r.FormerNames, strings.ToLower(s.fullName(r)))
		}
		renameKey(r.Collaborators, old, newLogin)
		s.repos.put(r.ID, r)
	}
	a.Login = newLogin
	for _, other := range s.accounts.all() {
		renameKey(other.Members, old, newLogin)
		for _, members := range other.Teams {
			if n := slices.IndexFunc(members, func(m string) bool { return strings.EqualFold(m, old) }); n >= 0 {
				members[n] = newLogin
			}
		}
		s.accounts.put(other.ID, other)
	}
	for _, t := range s.tokens.all() {
		if t.Login != "" && strings.EqualFold(t.Login, old) {
			t.Login = newLogin
			s.tokens.put(t.ID, t)
		}
	}
	for _, i := range s.issues.all() {
		if i.Pull != nil && strings.EqualFold(i.Pull.HeadOwner, old) {
			i.Pull.HeadOwner = newLogin
			s.issues.put(i.ID, i)
		}
	}
	account := s.view().renderUser(a)
	account["slug"] = a.Login
	for _, i := range s.installations.all() {
		if i.AccountID == a.ID {
			s.emitInstallation(i, a, "installation_target", "renamed", map[string]any{"account": account, "target_type": a.Type,
				"changes": map[string]any{"login": map[string]any{"from": old}}})
		}
	}
	return nil
}

func renameKey(m map[string]string, old, name string) {
	for key, level := range m {
		if strings.EqualFold(key, old) {
			delete(m, key)
			m[name] = level
			return
		}
	}
}
