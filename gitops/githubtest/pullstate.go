package githubtest

import "fmt"

// How pull requests follow their branches, and their events.

// branchMoved lets pull requests follow their branches, those from forks too.
func (s *Server) branchMoved(r *repoRow, actor *accountRow, cause, branch, before, after string) error {
	for _, i := range s.issues.all() {
		if i.Pull == nil || i.State != "open" {
			continue
		}
		var err error
		switch {
		case i.RepoID == r.ID && i.Pull.Base == branch:
			err = s.baseMoved(r, i, actor, cause, after)
		case s.headRepo(i) == r && i.Pull.Head == branch:
			err = s.headMoved(s.repos.rows[i.RepoID], r, i, actor, cause, before, after)
		}
		if err != nil {
			return err
		}
	}
	if after != zeroOID {
		return s.requestSuites(r, actor, cause, branch, before, after)
	}
	return nil
}

// baseMoved: a base that now contains the head has merged it, a base that is
// gone closes.
func (s *Server) baseMoved(r *repoRow, i *issueRow, actor *accountRow, cause, after string) error {
	if after == zeroOID {
		return s.closePull(r, i, actor, cause)
	}
	i.Pull.forget()
	merged, err := s.gitRepo(r).isAncestor(i.Pull.HeadSHA, after)
	if err != nil {
		return err
	}
	if merged {
		now := s.now()
		i.Pull.MergedAt, i.Pull.MergedBy, i.Pull.MergeSHA = &now, actor.ID, after
		return s.closePull(r, i, actor, cause)
	}
	i.Pull.BaseSHA = after
	s.issues.put(i.ID, i)
	return nil
}

// headMoved: a head that has nothing its base lacks, or is gone, closes.
func (s *Server) headMoved(r, from *repoRow, i *issueRow, actor *accountRow, cause, before, after string) error {
	if after == zeroOID {
		return s.closePull(r, i, actor, cause)
	}
	if i.Pull.HeadSHA == after {
		return nil
	}
	if err := s.bring(r, from, after); err != nil {
		return err
	}
	g := s.gitRepo(r)
	if err := g.setRef(fmt.Sprintf("refs/pull/%d/head", i.Number), after); err != nil {
		return err
	}
	i.Pull.HeadSHA, i.UpdatedAt = after, s.now()
	i.Pull.forget()
	s.issues.put(i.ID, i)
	if err := s.emitPull(r, actor, cause, i, "synchronize", map[string]any{"before": before, "after": after}); err != nil {
		return err
	}
	empty, err := g.isAncestor(after, i.Pull.BaseSHA)
	if err != nil || !empty {
		return err
	}
	return s.closePull(r, i, actor, cause)
}

func (s *Server) closePull(r *repoRow, i *issueRow, actor *accountRow, cause string) error {
	now := s.now()
	i.State, i.ClosedAt, i.UpdatedAt = "closed", &now, now
	s.issues.put(i.ID, i)
	return s.emitPull(r, actor, cause, i, "closed", nil)
}

// setPullState closes or reopens, with the event.
func (s *Server) setPullState(r *repoRow, i *issueRow, actor *accountRow, cause, state string) error {
	if state == i.State {
		return nil
	}
	if state == "closed" {
		return s.closePull(r, i, actor, cause)
	}
	if i.Pull.MergedAt != nil {
		return invalid("PullRequest", "state", "invalid", "state cannot be changed. The pull request is already merged.")
	}
	from := s.headRepo(i)
	if from == nil {
		return invalid("PullRequest", "state", "invalid", "state cannot be changed. The repository that submitted this pull request has been deleted.")
	}
	for _, side := range []struct {
		repo *repoRow
		name string
		into *string
	}{{from, i.Pull.Head, &i.Pull.HeadSHA}, {r, i.Pull.Base, &i.Pull.BaseSHA}} {
		oid, ok, err := s.gitRepo(side.repo).ref("refs/heads/" + side.name)
		if err != nil {
			return err
		}
		if !ok {
			return invalid("PullRequest", "state", "invalid", "state cannot be changed. The "+side.name+" branch has been deleted.")
		}
		if err := s.bring(r, side.repo, oid); err != nil {
			return err
		}
		*side.into = oid
	}
	if err := s.gitRepo(r).setRef(fmt.Sprintf("refs/pull/%d/head", i.Number), i.Pull.HeadSHA); err != nil {
		return err
	}
	i.State, i.ClosedAt, i.UpdatedAt = "open", nil, s.now()
	i.Pull.forget()
	s.issues.put(i.ID, i)
	return s.emitPull(r, actor, cause, i, "reopened", nil)
}

func (s *Server) emitPull(r *repoRow, actor *accountRow, cause string, i *issueRow, action string, extra map[string]any) error {
	v := s.view()
	v.repo, v.git = r, s.gitRepo(r)
	body, err := v.renderPull(i, true)
	if err != nil {
		return err
	}
	payload := map[string]any{"number": i.Number, "pull_request": body}
	for k, x := range extra {
		payload[k] = x
	}
	s.emitRepo(r, actor, cause, "pull_request", action, payload, nil)
	return nil
}

// asked counts a read of a pull request. GitHub looks whether it can be merged
// when somebody asks: the first reads find null, later ones the answer.
func (s *Server) asked(r *repoRow, i *issueRow) error {
	if i.State != "open" || i.Pull.Mergeable != nil {
		return nil
	}
	i.Pull.Asked++
	if i.Pull.Asked < max(1, s.knobs.MergeableAfter) {
		s.issues.put(i.ID, i)
		return nil
	}
	return s.compute(r, i)
}

// compute tries the merge out, and keeps its commit as refs/pull/N/merge when
// it succeeds.
func (s *Server) compute(r *repoRow, i *issueRow) error {
	g := s.gitRepo(r)
	tree, clean, err := g.mergeTrees(i.Pull.BaseSHA, i.Pull.HeadSHA)
	if err != nil {
		return err
	}
	rebases := false
	if clean {
		k := &commit{tree: tree, parents: []string{i.Pull.BaseSHA, i.Pull.HeadSHA}, author: s.authorOf(s.accounts.rows[i.AuthorID]), committer: s.webFlow(),
			message: fmt.Sprintf("Merge %s into %s", i.Pull.HeadSHA, i.Pull.BaseSHA)}
		if k.oid, err = g.write(kindCommit, k.format()); err != nil {
			return err
		}
		i.Pull.TestMerge = k.oid
		if err := g.setRef(fmt.Sprintf("refs/pull/%d/merge", i.Number), k.oid); err != nil {
			return err
		}
		commits, err := g.pullCommits(i.Pull)
		if err != nil {
			return err
		}
		if _, rebases, err = g.rebase(commits, i.Pull.BaseSHA, s.webFlow()); err != nil {
			return err
		}
	}
	i.Pull.Mergeable, i.Pull.Rebaseable = &clean, &rebases
	s.issues.put(i.ID, i)
	return nil
}

// seenPull is the pull request as a read sees it: while reads of its head
// branch are stale, with the old head.
func (s *Server) seenPull(r *repoRow, i *issueRow) (*issueRow, error) {
	from := s.headRepo(i)
	if from == nil || i.State != "open" || s.stale[staleKey(from, "refs/heads/"+i.Pull.Head)] == nil {
		return i, nil
	}
	oid, ok, err := s.readRef(from, "refs/heads/"+i.Pull.Head)
	if err != nil || !ok || oid == i.Pull.HeadSHA {
		return i, err
	}
	if _, err := s.gitRepo(r).commit(oid); err != nil {
		return i, nil // this repository never had the old head
	}
	old, pull := *i, *i.Pull
	pull.HeadSHA = oid
	pull.forget()
	old.Pull = &pull
	return &old, nil
}

// mergeState is GitHub's word for what stands in the way of a merge.
func (s *Server) mergeState(r *repoRow, i *issueRow) (string, error) {
	p := i.Pull
	switch {
	case p.Mergeable == nil || i.State != "open":
		return "unknown", nil
	case !*p.Mergeable:
		return "dirty", nil
	case p.Draft:
		return "draft", nil
	}
	why, err := s.unmet(r, i)
	if err != nil || why != "" {
		return "blocked", err
	}
	return "clean", nil
}
