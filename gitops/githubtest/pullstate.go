package githubtest

// How pull requests follow their branches, and their events.

// branchMoved lets pull requests follow their branches.
func (s *Server) branchMoved(r *repoRow, actor *accountRow, cause, branch, before, after string) error {
	g := s.gitRepo(r)
	for _, i := range s.issues.all() {
		if i.RepoID != r.ID || i.Pull == nil || i.State != "open" {
			continue
		}
		switch branch {
		case i.Pull.Base:
			if after == zeroOID {
				if err := s.closePull(r, i, actor, cause); err != nil {
					return err
				}
				continue
			}
			i.Pull.BaseSHA, i.Pull.Mergeable = after, nil
			// A base that now contains the head has merged it.
			merged, err := g.isAncestor(i.Pull.HeadSHA, after)
			if err != nil {
				return err
			}
			if merged && i.Pull.MergedAt == nil {
				now := s.now()
				i.Pull.MergedAt, i.Pull.MergedBy, i.Pull.MergeSHA = &now, actor.ID, after
				if err := s.closePull(r, i, actor, cause); err != nil {
					return err
				}
			}
			s.issues.put(i.ID, i)
		case i.Pull.Head:
			if after == zeroOID {
				if err := s.closePull(r, i, actor, cause); err != nil {
					return err
				}
				continue
			}
			if i.Pull.HeadSHA == after {
				continue
			}
			i.Pull.HeadSHA, i.Pull.Mergeable = after, nil
			i.UpdatedAt = s.now()
			s.issues.put(i.ID, i)
			if err := s.emitPull(r, actor, cause, i, "synchronize", map[string]any{"before": before, "after": after}); err != nil {
				return err
			}
		}
	}
	if after != zeroOID {
		return s.requestSuites(r, actor, cause, branch, before, after)
	}
	return nil
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
	for name, into := range map[string]*string{i.Pull.Head: &i.Pull.HeadSHA, i.Pull.Base: &i.Pull.BaseSHA} {
		oid, ok, err := s.gitRepo(r).ref("refs/heads/" + name)
		if err != nil {
			return err
		}
		if !ok {
			return invalid("PullRequest", "state", "invalid", "state cannot be changed. The "+name+" branch has been deleted.")
		}
		*into = oid
	}
	i.State, i.ClosedAt, i.UpdatedAt, i.Pull.Mergeable = "open", nil, s.now(), nil
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

// compute is GitHub's background job: the first read of a pull request finds
// mergeable null, the next one the answer.
func (s *Server) compute(r *repoRow, i *issueRow) error {
	_, clean, err := s.gitRepo(r).mergeTrees(i.Pull.BaseSHA, i.Pull.HeadSHA)
	if err != nil {
		return err
	}
	i.Pull.Mergeable = &clean
	s.issues.put(i.ID, i)
	return nil
}
