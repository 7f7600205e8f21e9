package githubtest

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// A repository's settings and its life: renamed, transferred, archived,
// deleted, with another default branch.

func (c *call) getRepo() (int, any, error) { return 200, c.renderFullRepo(c.repo), nil }

// repoEdit is what an administrator changes on the settings page.
type repoEdit struct {
	Name          *string `json:"name"`
	Description   *string `json:"description"`
	Private       *bool   `json:"private"`
	Archived      *bool   `json:"archived"`
	DefaultBranch *string `json:"default_branch"`
	AllowMerge    *bool   `json:"allow_merge_commit"`
	AllowSquash   *bool   `json:"allow_squash_merge"`
	AllowRebase   *bool   `json:"allow_rebase_merge"`
}

func (c *call) updateRepo() (int, any, error) {
	var in repoEdit
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	if err := c.s.editRepo(c.repo, c.id.account, c.routeName(), in); err != nil {
		return 0, nil, err
	}
	return 200, c.renderFullRepo(c.repo), nil
}

// editRepo applies an edit; each kind of change has its event.
func (s *Server) editRepo(r *repoRow, actor *accountRow, cause string, in repoEdit) error {
	if r.Archived && (in.Archived == nil || *in.Archived) {
		return fail(403, "Repository was archived so is read-only.")
	}
	type event struct {
		action  string
		changes map[string]any
	}
	var events []event
	from := func(v any) map[string]any { return map[string]any{"from": v} }
	if in.DefaultBranch != nil && *in.DefaultBranch != r.DefaultBranch {
		old := r.DefaultBranch
		if _, ok, err := s.gitRepo(r).ref("refs/heads/" + *in.DefaultBranch); err != nil || !ok || !validRef("refs/heads/"+*in.DefaultBranch) {
			return invalid("Repository", "default_branch", "invalid", "The branch "+*in.DefaultBranch+" was not found. Please push that ref first or create it via the Git Data API.")
		}
		if err := s.setDefaultBranch(r, *in.DefaultBranch); err != nil {
			return err
		}
		events = append(events, event{"edited", map[string]any{"default_branch": from(old)}})
	}
	// What can be refused has been, or comes before what cannot.
	if in.Name != nil && *in.Name != r.Name {
		old := r.Name
		if err := s.rename(r, r.OwnerID, *in.Name); err != nil {
			return err
		}
		events = append(events, event{"renamed", map[string]any{"repository": map[string]any{"name": from(old)}}})
	}
	if in.Description != nil && *in.Description != r.Description {
		events = append(events, event{"edited", map[string]any{"description": from(orNil(r.Description))}})
		r.Description = *in.Description
	}
	if in.Private != nil && *in.Private != r.Private {
		r.Private = *in.Private
		events = append(events, event{map[bool]string{true: "privatized", false: "publicized"}[r.Private], nil})
	}
	if in.Archived != nil && *in.Archived != r.Archived {
		r.Archived = *in.Archived
		events = append(events, event{map[bool]string{true: "archived", false: "unarchived"}[r.Archived], nil})
	}
	for method, allowed := range map[string]*bool{"merge": in.AllowMerge, "squash": in.AllowSquash, "rebase": in.AllowRebase} {
		if allowed != nil {
			r.DenyMerge = slices.DeleteFunc(r.DenyMerge, func(m string) bool { return m == method })
			if !*allowed {
				r.DenyMerge = append(r.DenyMerge, method)
			}
		}
	}
	r.UpdatedAt = s.now()
	s.repos.put(r.ID, r)
	for _, e := range events {
		s.emitRepository(r, actor, cause, e.action, e.changes)
	}
	return nil
}

func (s *Server) setDefaultBranch(r *repoRow, branch string) error {
	r.DefaultBranch = branch
	_, err := s.git.run(s.repoDir(r), nil, "symbolic-ref", "HEAD", "refs/heads/"+branch)
	return err
}

// rename gives a repository another name or owner; the old name redirects
// until another repository takes it.
func (s *Server) rename(r *repoRow, ownerID int64, name string) error {
	if !validName(name) {
		return invalid("Repository", "name", "invalid", "name is not valid")
	}
	owner := s.accounts.rows[ownerID]
	if other, former := s.repoByName(owner.Login, name); other != nil && other != r && !former {
		return invalid("Repository", "name", "custom", "name already exists on this account")
	}
	old := strings.ToLower(s.fullName(r))
	full := strings.ToLower(owner.Login + "/" + name)
	for _, other := range s.repos.all() {
		if i := slices.Index(other.FormerNames, full); i >= 0 {
			other.FormerNames = slices.Delete(other.FormerNames, i, i+1)
			s.repos.put(other.ID, other)
		}
	}
	r.FormerNames = append(r.FormerNames, old)
	r.OwnerID, r.Name = ownerID, name
	s.repos.put(r.ID, r)
	return nil
}

// Rename gives a repository another full name, which may name another owner
// (a transfer). The old name redirects from now on. Installations on the old
// owner lose a transferred repository, those on the new one that reach all
// repositories get it; both are told.
func (s *Server) Rename(fullName, newFullName string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	r, _, err := s.find(fullName)
	if err != nil {
		return err
	}
	login, name, _ := strings.Cut(newFullName, "/")
	to := s.accountByLogin(login)
	if to == nil {
		return fmt.Errorf("account %s: %w", login, ErrNotFound)
	}
	from := s.accounts.rows[r.OwnerID]
	if to == from {
		return s.editRepo(r, to, "", repoEdit{Name: &name})
	}
	before := s.installations.find(func(i *installationRow) bool { return i.covers(r) })
	if err := s.rename(r, to.ID, name); err != nil {
		return err
	}
	s.emitLost(before, r, to)
	for _, i := range s.installations.find(func(i *installationRow) bool { return i.covers(r) }) {
		s.emitSelection(i, to, []*repoRow{r}, nil)
	}
	kind := "user"
	if from.Type == typeOrg {
		kind = "organization"
	}
	s.emitRepository(r, to, "", "transferred", map[string]any{"owner": map[string]any{"from": map[string]any{kind: s.view().renderUser(from)}}})
	return nil
}

// emitLost tells installations of a repository they no longer reach.
func (s *Server) emitLost(installations []*installationRow, r *repoRow, actor *accountRow) {
	for _, i := range installations {
		i.Repositories = slices.DeleteFunc(i.Repositories, func(id int64) bool { return id == r.ID })
		s.installations.put(i.ID, i)
		s.emitSelection(i, actor, nil, []*repoRow{r})
	}
}

// EditRepository sets archived, or the default branch when that is not empty,
// as an administrator does on the settings page.
func (s *Server) EditRepository(fullName, login string, archived bool, defaultBranch string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	r, actor, err := s.adminOf(fullName, login)
	if err != nil {
		return err
	}
	in := repoEdit{Archived: &archived}
	if defaultBranch != "" {
		in.DefaultBranch = &defaultBranch
	}
	return s.editRepo(r, actor, "", in)
}

func (s *Server) adminOf(fullName, login string) (*repoRow, *accountRow, error) {
	r, _, err := s.find(fullName)
	if err != nil {
		return nil, nil, err
	}
	actor := s.accountByLogin(login)
	if actor == nil {
		return nil, nil, fmt.Errorf("account %s: %w", login, ErrNotFound)
	}
	if s.permission(login, r) != "admin" {
		return nil, nil, fmt.Errorf("%s is no administrator of %s", login, fullName)
	}
	return r, actor, nil
}

// CreateRepository adds a repository to the running site.
func (s *Server) CreateRepository(in SeedRepo) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	if err := s.seedRepo(&Seed{}, in); err != nil {
		return err
	}
	r, _ := s.repoByName(in.Owner, in.Name)
	s.emitRepository(r, s.accounts.rows[r.OwnerID], "", "created", nil)
	return nil
}

// DeleteRepository removes a repository with everything in it. Its forks stay.
func (s *Server) DeleteRepository(fullName, login string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	r, actor, err := s.adminOf(fullName, login)
	if err != nil {
		return err
	}
	s.emitRepository(r, actor, "", "deleted", nil)
	s.emitLost(s.installations.find(func(i *installationRow) bool { return i.covers(r) && i.Selection == "selected" }), r, actor)
	for _, i := range s.issues.find(func(i *issueRow) bool { return i.RepoID == r.ID }) {
		s.issues.remove(i.ID)
	}
	for _, k := range s.comments.find(func(k *commentRow) bool { return k.RepoID == r.ID }) {
		s.comments.remove(k.ID)
	}
	for _, run := range s.runs.find(func(run *checkRunRow) bool { return run.RepoID == r.ID }) {
		s.runs.remove(run.ID)
	}
	for _, suite := range s.suites.find(func(x *checkSuiteRow) bool { return x.RepoID == r.ID }) {
		s.suites.remove(suite.ID)
	}
	for _, group := range s.groups.find(func(g *groupRow) bool { return g.RepoID == r.ID }) {
		s.groups.remove(group.ID)
	}
	for _, fork := range s.repos.find(func(x *repoRow) bool { return x.Parent == r.ID }) {
		fork.Parent = r.Parent
		s.repos.put(fork.ID, fork)
	}
	// Open pull requests from here stay, with a head that is nowhere.
	s.repos.remove(r.ID)
	if g := s.gitRepos[r.ID]; g != nil {
		g.close()
		delete(s.gitRepos, r.ID)
	}
	return os.RemoveAll(s.repoDir(r))
}

// renameBranch moves a branch to another name, with what points to it.
func (c *call) renameBranch() (int, any, error) {
	var in struct {
		NewName string `json:"new_name"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	if err := c.s.moveBranch(c.repo, c.id.account, c.routeName(), c.params["branch"], in.NewName); err != nil {
		return 0, nil, err
	}
	c.params["branch"] = in.NewName
	_, body, err := c.getBranch()
	return 201, body, err
}

// RenameBranch renames a branch as a person does on its page. The default
// branch stays the default under its new name.
func (s *Server) RenameBranch(fullName, login, branch, newName string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	r, actor, err := s.adminOf(fullName, login)
	if err != nil {
		return err
	}
	return s.moveBranch(r, actor, "", branch, newName)
}

func (s *Server) moveBranch(r *repoRow, actor *accountRow, cause, old, name string) error {
	g := s.gitRepo(r)
	head, ok, err := "", false, error(nil)
	if validRef("refs/heads/" + old) {
		head, ok, err = g.ref("refs/heads/" + old)
	}
	if err != nil {
		return err
	}
	if !ok {
		return fail(404, "Branch not found")
	}
	if !validRef("refs/heads/" + name) {
		return invalid("Branch", "new_name", "invalid", "")
	}
	if _, taken, err := g.ref("refs/heads/" + name); err != nil || taken {
		return invalid("Branch", "new_name", "already_exists", "")
	}
	// Open pull requests follow before the old branch goes and would close them.
	for _, i := range s.issues.find(func(i *issueRow) bool { return i.Pull != nil && i.State == "open" }) {
		if i.RepoID == r.ID && i.Pull.Base == old {
			i.Pull.Base = name
		}
		if s.headRepo(i) == r && i.Pull.Head == old {
			i.Pull.Head = name
		}
		s.issues.put(i.ID, i)
	}
	if p := r.Protected[old]; p != nil {
		delete(r.Protected, old)
		r.Protected[name] = p
	}
	wasDefault := r.DefaultBranch == old
	if wasDefault {
		if err := s.setDefaultBranch(r, name); err != nil {
			return err
		}
	}
	s.repos.put(r.ID, r)
	changes := []refChange{{name: "refs/heads/" + name, before: zeroOID, after: head}, {name: "refs/heads/" + old, before: head}}
	if err := s.moveRefs(r, actor, cause, changes, true); err != nil {
		return err
	}
	if wasDefault {
		s.emitRepository(r, actor, cause, "edited", map[string]any{"default_branch": map[string]any{"from": old}})
	}
	return nil
}
