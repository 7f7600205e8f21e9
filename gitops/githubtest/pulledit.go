package githubtest

// pullEdit changes what people write about a pull request, or where it goes.
type pullEdit struct {
	Title *string `json:"title"`
	Body  *string `json:"body"`
	Base  *string `json:"base"`
}

// editPull applies an edit; all of it is checked before any of it happens. A
// change sends edited with what was there before.
func (s *Server) editPull(r *repoRow, i *issueRow, actor *accountRow, cause string, in pullEdit) error {
	if in.Title != nil {
		if err := checkTitle("PullRequest", *in.Title); err != nil {
			return err
		}
	}
	if in.Body != nil {
		if err := checkBody("PullRequest", *in.Body); err != nil {
			return err
		}
	}
	changes := map[string]any{}
	if in.Base != nil && *in.Base != i.Pull.Base {
		if i.State != "open" {
			return invalid("PullRequest", "base", "custom", "Cannot change the base branch of a closed pull request.")
		}
		oid, ok, err := "", false, error(nil)
		if validRef("refs/heads/" + *in.Base) {
			oid, ok, err = s.gitRepo(r).ref("refs/heads/" + *in.Base)
		}
		if err != nil {
			return err
		}
		if !ok {
			return invalid("PullRequest", "base", "invalid", "")
		}
		changes["base"] = map[string]any{"ref": map[string]any{"from": i.Pull.Base}, "sha": map[string]any{"from": i.Pull.BaseSHA}}
		i.Pull.Base, i.Pull.BaseSHA = *in.Base, oid
		i.Pull.forget()
	}
	if in.Title != nil && *in.Title != i.Title {
		changes["title"] = map[string]any{"from": i.Title}
		i.Title = *in.Title
	}
	if in.Body != nil && *in.Body != i.Body {
		changes["body"] = map[string]any{"from": i.Body}
		i.Body = *in.Body
	}
	if len(changes) == 0 {
		return nil
	}
	i.UpdatedAt = s.now()
	s.issues.put(i.ID, i)
	return s.emitPull(r, actor, cause, i, "edited", map[string]any{"changes": changes})
}

// setDraft makes a pull request a draft or ready for review.
func (s *Server) setDraft(r *repoRow, i *issueRow, actor *accountRow, cause string, draft bool) error {
	if i.Pull.Draft == draft || i.State != "open" {
		return nil
	}
	i.Pull.Draft, i.UpdatedAt = draft, s.now()
	s.issues.put(i.ID, i)
	action := "ready_for_review"
	if draft {
		action = "converted_to_draft"
	}
	return s.emitPull(r, actor, cause, i, action, nil)
}

// forget drops what was computed about merging: a side has moved.
func (p *pullRow) forget() {
	p.Mergeable, p.Rebaseable, p.TestMerge, p.Asked = nil, nil, "", 0
}
