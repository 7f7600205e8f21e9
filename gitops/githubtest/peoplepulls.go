package githubtest

import "fmt"

// What people do to issues and pull requests, without a request.

// act runs what a person does to an issue or pull request, as the API would
// for that person.
func (s *Server) act(fullName, login string, number int, do func(c *call, i *issueRow) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	r, g, err := s.find(fullName)
	if err != nil {
		return err
	}
	actor, err := s.reader(r, login)
	if err != nil {
		return err
	}
	c := &call{s: s, repo: r, git: g, id: &identity{kind: identityUser, account: actor}, route: &route{}}
	if number == 0 {
		return do(c, nil)
	}
	i := s.issue(r, number)
	if i == nil {
		return fmt.Errorf("issue %d of %s: %w", number, fullName, ErrNotFound)
	}
	return do(c, i)
}

// actOnPull is act for pull requests, by their author or who may write.
func (s *Server) actOnPull(fullName, login string, number int, do func(c *call, i *issueRow) error) error {
	return s.act(fullName, login, number, func(c *call, i *issueRow) error {
		if i == nil || i.Pull == nil {
			return fmt.Errorf("pull request %d of %s: %w", number, fullName, ErrNotFound)
		}
		if err := c.mayChange(i.AuthorID, "write"); err != nil {
			return err
		}
		return do(c, i)
	})
}

// PullOptions say what a person opens a pull request for. Head is a branch, or
// owner:branch of a fork.
type PullOptions struct {
	Base, Head, Title, Body string
	Draft                   bool
}

// OpenPull opens a pull request as a person and returns its number.
func (s *Server) OpenPull(fullName, login string, o PullOptions) (int, error) {
	number := 0
	err := s.act(fullName, login, 0, func(c *call, _ *issueRow) error {
		i, err := s.openPull(c.repo, c.id.account, "", pullIn{Title: o.Title, Body: o.Body, Base: o.Base, Head: o.Head, Draft: o.Draft})
		if err != nil {
			return fmt.Errorf("open pull request of %s in %s: %w", o.Head, fullName, err)
		}
		number = i.Number
		return nil
	})
	return number, err
}

// MergePull merges a pull request as a person with write permission; method is
// merge, squash or rebase. It returns the base's new head.
func (s *Server) MergePull(fullName string, number int, login, method string) (string, error) {
	head := ""
	err := s.actOnPull(fullName, login, number, func(c *call, i *issueRow) error {
		if err := c.mayChange(0, "write"); err != nil {
			return err
		}
		var err error
		head, err = s.mergePull(c.repo, i, c.id.account, "", mergeIn{Method: method})
		return err
	})
	return head, err
}

// ClosePull closes a pull request without merging it.
func (s *Server) ClosePull(fullName string, number int, login string) error {
	return s.actOnPull(fullName, login, number, func(c *call, i *issueRow) error {
		return s.setPullState(c.repo, i, c.id.account, "", "closed")
	})
}

// ReopenPull opens a closed pull request again.
func (s *Server) ReopenPull(fullName string, number int, login string) error {
	return s.actOnPull(fullName, login, number, func(c *call, i *issueRow) error {
		return s.setPullState(c.repo, i, c.id.account, "", "open")
	})
}

// SetDraft makes a pull request a draft, or ready for review.
func (s *Server) SetDraft(fullName string, number int, login string, draft bool) error {
	return s.actOnPull(fullName, login, number, func(c *call, i *issueRow) error {
		return s.setDraft(c.repo, i, c.id.account, "", draft)
	})
}

// RetargetPull changes the base branch of a pull request.
func (s *Server) RetargetPull(fullName string, number int, login, base string) error {
	return s.actOnPull(fullName, login, number, func(c *call, i *issueRow) error {
		return s.editPull(c.repo, i, c.id.account, "", pullEdit{Base: &base})
	})
}

// Comment writes a comment on an issue or pull request as a person who can
// read the repository, and returns its id.
func (s *Server) Comment(fullName string, number int, login, body string) (int64, error) {
	var id int64
	err := s.act(fullName, login, number, func(c *call, i *issueRow) error {
		k, err := c.addComment(i, body)
		if err == nil {
			id = k.ID
		}
		return err
	})
	return id, err
}
