package githubtest

import (
	"fmt"
)

// The merge queue: a pull request that was added to it is merged into the base
// on a branch of its own, the merge group, whose head needs the required
// checks before the base moves to it.

type groupRow struct {
	ID      int64  `json:"id"`
	RepoID  int64  `json:"repo_id"`
	Number  int    `json:"number"` // of the pull request
	Base    string `json:"base"`
	BaseSHA string `json:"base_sha"`
	HeadSHA string `json:"head_sha"`
}

func (g *groupRow) ref() string {
	return fmt.Sprintf("refs/heads/gh-readonly-queue/%s/pr-%d-%s", g.Base, g.Number, g.BaseSHA)
}

// Enqueue adds a pull request to its base's merge queue as a person with write
// permission does ("Merge when ready"), and returns the head of the merge
// group, for which merge_group asks checks. The group merges by itself once
// every check that Require named has passed on that head, and is given up when
// one fails; without named checks FinishGroup ends it.
func (s *Server) Enqueue(fullName string, number int, login string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	return s.enqueuePull(fullName, number, login)
}

func (s *Server) enqueuePull(fullName string, number int, login string) (string, error) {
	r, g, err := s.find(fullName)
	if err != nil {
		return "", err
	}
	i, actor := s.issue(r, number), s.accountByLogin(login)
	if i == nil || i.Pull == nil || actor == nil {
		return "", fmt.Errorf("pull request %d of %s or account %s: %w", number, fullName, login, ErrNotFound)
	}
	if !s.mayPush(actor, r) {
		return "", fmt.Errorf("%s may not merge in %s", login, fullName)
	}
	if i.State != "open" || i.Pull.Draft {
		return "", fmt.Errorf("pull request %d of %s is closed or a draft", number, fullName)
	}
	for _, group := range s.groups.rows {
		if group.RepoID == r.ID && group.Number == number {
			return "", fmt.Errorf("pull request %d of %s is in the queue already", number, fullName)
		}
	}
	base, ok, err := g.ref("refs/heads/" + i.Pull.Base)
	if err != nil || !ok {
		return "", fmt.Errorf("base of pull request %d of %s: %w", number, fullName, ErrNotFound)
	}
	head, err := s.mergeCommit(r, i, actor, base, mergeIn{Method: "merge"})
	if err != nil {
		return "", err
	}
	group := &groupRow{ID: s.newID(), RepoID: r.ID, Number: number, Base: i.Pull.Base, BaseSHA: base, HeadSHA: head}
	s.groups.put(group.ID, group)
	if err := s.emitPull(r, actor, "", i, "enqueued", nil); err != nil {
		return "", err
	}
	if err := s.moveRefs(r, actor, "", []refChange{{name: group.ref(), before: zeroOID, after: head}}, true); err != nil {
		return "", err
	}
	return head, s.emitGroup(r, actor, group, "checks_requested", "")
}

func (s *Server) emitGroup(r *repoRow, actor *accountRow, group *groupRow, action, reason string) error {
	k, err := s.gitRepo(r).commit(group.HeadSHA)
	if err != nil {
		return err
	}
	person := func(sig signature) map[string]any { return map[string]any{"name": sig.name, "email": sig.email} }
	payload := map[string]any{"merge_group": map[string]any{"head_sha": group.HeadSHA, "head_ref": group.ref(), "base_sha": group.BaseSHA, "base_ref": "refs/heads/" + group.Base,
		"head_commit": map[string]any{"id": k.oid, "tree_id": k.tree, "message": k.message, "timestamp": stamp(k.author.when), "author": person(k.author), "committer": person(k.committer)}}}
	if reason != "" {
		payload["reason"] = reason
	}
	s.emitRepo(r, actor, "", "merge_group", action, payload, nil)
	return nil
}

// groupChecked looks whether a finished check decides a merge group.
func (s *Server) groupChecked(r *repoRow, actor *accountRow, cause, sha string) error {
	for _, group := range s.groups.all() {
		p := r.Protected[group.Base]
		if group.RepoID != r.ID || group.HeadSHA != sha || p == nil || len(p.Checks) == 0 {
			continue
		}
		missing, failed := s.checksMissing(r, sha, p.Checks)
		switch {
		case failed:
			if err := s.endGroup(r, actor, cause, group, false); err != nil {
				return err
			}
		case missing == "":
			if err := s.endGroup(r, actor, cause, group, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// endGroup merges a group or gives it up. A base that moved gives it up too.
func (s *Server) endGroup(r *repoRow, actor *accountRow, cause string, group *groupRow, merge bool) error {
	i := s.issue(r, group.Number)
	base, _, err := s.gitRepo(r).ref("refs/heads/" + group.Base)
	if err != nil {
		return err
	}
	s.groups.remove(group.ID)
	reason := "invalidated"
	if merge && base == group.BaseSHA && i.State == "open" {
		reason = "merged"
		if err := s.finishMerge(r, i, actor, cause, base, group.HeadSHA); err != nil {
			return err
		}
	} else if err := s.emitPull(r, actor, cause, i, "dequeued", map[string]any{"reason": "CI_FAILURE"}); err != nil {
		return err
	}
	if err := s.emitGroup(r, actor, group, "destroyed", reason); err != nil {
		return err
	}
	return s.moveRefs(r, actor, cause, []refChange{{name: group.ref()}}, true)
}

// FinishGroup ends the merge group of a pull request, as merged or as given up.
func (s *Server) FinishGroup(fullName string, number int, login string, merge bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	r, _, err := s.find(fullName)
	if err != nil {
		return err
	}
	actor := s.accountByLogin(login)
	if actor == nil {
		return fmt.Errorf("account %s: %w", login, ErrNotFound)
	}
	for _, group := range s.groups.all() {
		if group.RepoID == r.ID && group.Number == number {
			return s.endGroup(r, actor, "", group, merge)
		}
	}
	return fmt.Errorf("merge group of pull request %d of %s: %w", number, fullName, ErrNotFound)
}
