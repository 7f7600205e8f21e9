package githubtest

import (
	"fmt"
	"strings"
)

// Forks. A fork is a repository of its own; pull requests from it carry their
// commits into the repository they are for, where refs/pull/N/head keeps them.

// root is the repository a network of forks began with.
func (s *Server) root(r *repoRow) *repoRow {
	for range 100 {
		parent := s.repos.rows[r.Parent]
		if r.Parent == 0 || parent == nil {
			return r
		}
		r = parent
	}
	return r
}

// headOf finds the repository and branch that a new pull request into r names
// as its head: "branch", or "owner:branch" in r's network; name tells forks of
// one owner apart. Nil when there is none.
func (s *Server) headOf(r *repoRow, head, name string) (*repoRow, string) {
	owner, branch, ok := strings.Cut(head, ":")
	if !ok {
		if name == "" {
			return r, head
		}
		owner, branch = s.accounts.rows[r.OwnerID].Login, head
	}
	_, name = cutOwner(name)
	if name == "" && strings.EqualFold(owner, s.accounts.rows[r.OwnerID].Login) {
		return r, branch
	}
	for _, other := range s.repos.all() {
		if strings.EqualFold(s.accounts.rows[other.OwnerID].Login, owner) && s.root(other) == s.root(r) && (name == "" || strings.EqualFold(other.Name, name)) {
			return other, branch
		}
	}
	return nil, branch
}

// cutOwner takes "owner/name" or "name" apart.
func cutOwner(full string) (owner, name string) {
	if i := strings.IndexByte(full, '/'); i >= 0 {
		return full[:i], full[i+1:]
	}
	return "", full
}

// headRepo is the repository of a pull request's head; nil when that fork was
// deleted.
func (s *Server) headRepo(i *issueRow) *repoRow {
	if i.Pull.HeadRepo != 0 {
		return s.repos.rows[i.Pull.HeadRepo]
	}
	return s.repos.rows[i.RepoID]
}

// headLabel is owner:branch of a pull request's head.
func (s *Server) headLabel(r *repoRow, i *issueRow) string {
	owner := i.Pull.HeadOwner
	if owner == "" {
		owner = s.accounts.rows[r.OwnerID].Login
	}
	return owner + ":" + i.Pull.Head
}

// mayPush says whether an account may write to a repository's branches: a
// person by permission, an App where it is installed.
func (s *Server) mayPush(a *accountRow, r *repoRow) bool {
	if a.Type != typeBot {
		return permissionRank(s.permission(a.Login, r)) >= permissionRank("write")
	}
	for _, i := range s.installations.rows {
		if app := s.apps.rows[i.AppID]; app != nil && app.BotID == a.ID && i.covers(r) && i.SuspendedAt == nil {
			return true
		}
	}
	return false
}

// bring copies a commit with its history from a fork.
func (s *Server) bring(into, from *repoRow, oid string) error {
	if into == from {
		return nil
	}
	if _, err := s.gitRepo(into).commit(oid); err == nil {
		return nil
	}
	if _, err := s.git.run(s.repoDir(into), nil, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", s.repoDir(from), oid); err != nil {
		return fmt.Errorf("fetch %s from %s: %w", oid, s.fullName(from), err)
	}
	return nil
}

// Fork copies a repository to an account, as its Fork button does, and returns
// the fork's full name: the same name, with a number when it is taken. The
// account must be able to read the repository.
func (s *Server) Fork(fullName, login string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	return s.fork(fullName, login)
}

func (s *Server) fork(fullName, login string) (string, error) {
	r, _, err := s.find(fullName)
	if err != nil {
		return "", err
	}
	owner := s.accountByLogin(login)
	if owner == nil {
		return "", fmt.Errorf("account %s: %w", login, ErrNotFound)
	}
	if permissionRank(s.permission(login, r)) < permissionRank("read") {
		return "", fmt.Errorf("%s may not read %s: %w", login, fullName, ErrNotFound)
	}
	if owner.ID == r.OwnerID {
		return "", fmt.Errorf("%s cannot be forked to its own account", fullName)
	}
	name := r.Name
	for n := 1; ; n++ {
		if other, former := s.repoByName(login, name); other == nil || former {
			break
		}
		name = fmt.Sprintf("%s-%d", r.Name, n)
	}
	now := s.now()
	fork := &repoRow{ID: s.newID(), OwnerID: owner.ID, Name: name, Private: r.Private, Description: r.Description, DefaultBranch: r.DefaultBranch,
		Parent: r.ID, NextNumber: 1, CreatedAt: now, PushedAt: r.PushedAt, UpdatedAt: now}
	dir := s.repoDir(fork)
	if err := initBare(dir, fork.DefaultBranch); err != nil {
		return "", err
	}
	if _, err := s.git.run(dir, nil, "fetch", "--quiet", "--no-write-fetch-head", s.repoDir(r), "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"); err != nil {
		return "", fmt.Errorf("fork %s: %w", fullName, err)
	}
	s.repos.put(fork.ID, fork)
	s.emitRepository(fork, owner, "", "created", nil)
	return s.fullName(fork), nil
}
