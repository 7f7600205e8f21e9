package githubtest

import (
	"fmt"
	"strings"
)

// pullIn is what a new pull request is made of.
type pullIn struct {
	Title string `json:"title"`
	Body  string `json:"body"`
	Base  string `json:"base"`
	Head  string `json:"head"`
	Draft bool   `json:"draft"`
}

// openPull creates a pull request, with GitHub's checks and words.
func (s *Server) openPull(r *repoRow, actor *accountRow, cause string, in pullIn) (*issueRow, error) {
	g := s.gitRepo(r)
	head := in.Head
	if owner, branch, ok := strings.Cut(head, ":"); ok {
		if !strings.EqualFold(owner, s.accounts.rows[r.OwnerID].Login) {
			return nil, invalid("PullRequest", "head", "invalid", "")
		}
		head = branch
	}
	if in.Title == "" {
		return nil, invalid("PullRequest", "title", "missing_field", "")
	}
	baseOID, ok, err := g.ref("refs/heads/" + in.Base)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, invalid("PullRequest", "base", "invalid", "")
	}
	headOID, ok, err := g.ref("refs/heads/" + head)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, invalid("PullRequest", "head", "invalid", "")
	}
	for _, i := range s.issues.rows {
		if i.RepoID == r.ID && i.Pull != nil && i.State == "open" && i.Pull.Base == in.Base && i.Pull.Head == head {
			return nil, invalid("PullRequest", "", "custom", fmt.Sprintf("A pull request already exists for %s:%s.", s.accounts.rows[r.OwnerID].Login, head))
		}
	}
	list, err := g.between(baseOID, headOID)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, invalid("PullRequest", "", "custom", fmt.Sprintf("No commits between %s and %s", in.Base, head))
	}
	now := s.now()
	i := &issueRow{ID: s.newID(), RepoID: r.ID, Number: r.NextNumber, Title: in.Title, Body: in.Body, State: "open", AuthorID: actor.ID, CreatedAt: now, UpdatedAt: now}
	i.Pull = &pullRow{ID: s.newID(), Base: in.Base, BaseSHA: baseOID, Head: head, HeadSHA: headOID, Draft: in.Draft}
	r.NextNumber++
	s.repos.put(r.ID, r)
	s.issues.put(i.ID, i)
	return i, nil
}

// branchMoved lets pull requests follow their branches.
func (s *Server) branchMoved(r *repoRow, actor *accountRow, cause, branch, before, after string) error {
	return nil
}
