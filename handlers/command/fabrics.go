package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/hnp-sync/hnp-sync/handlers/feedback"
)

// all are the fabrics of the repository, read once for a comment.
func (s *session) all(ctx context.Context) ([]Fabric, error) {
	if s.loaded {
		return s.fabrics, nil
	}
	list, err := s.control.Fabrics(ctx, s.request.Comment.Repository, s.request.Comment.Number)
	if err != nil {
		return nil, fmt.Errorf("list the fabrics of repository %d: %w", s.request.Comment.Repository, err)
	}
	s.fabrics, s.loaded = list, true
	return list, nil
}

// meant are the fabrics a command is for: the one it names, the only one, or those the pull request touches. The
// problem is said in Markdown when there is none.
func (s *session) meant(ctx context.Context, p *Parsed) (list []Fabric, problem string, err error) {
	all, err := s.all(ctx)
	if err != nil {
		return nil, "", err
	}
	if len(all) == 0 {
		return nil, "This repository has no fabric: " + feedback.Code(".github/hnp-sync.yaml") + " on its default branch names them.", nil
	}
	if p.Fabric != "" {
		f, ok := named(all, p.Fabric)
		if ok {
			return []Fabric{f}, "", nil
		}
		problem = "There is no fabric " + feedback.Code(p.Fabric) + "."
		var list []string
		for _, f := range all {
			list = append(list, f.Name)
		}
		if near := nearest(p.Fabric, list); near != "" {
			problem += " Did you mean " + feedback.Code("fabric="+quote(near)) + "?"
		} else {
			problem += " There " + isAre(len(all)) + " " + fabricNames(all) + "."
		}
		return nil, problem, nil
	}
	if len(all) == 1 {
		return all, "", nil
	}
	for _, f := range all {
		if f.Touched {
			list = append(list, f)
		}
	}
	if len(list) == 0 {
		return nil, "Which fabric is meant? " + which(all), nil
	}
	return list, "", nil
}

// single is meant for commands that only make sense for one fabric.
func (s *session) single(ctx context.Context, p *Parsed) (*Fabric, string, error) {
	list, problem, err := s.meant(ctx, p)
	if err != nil || problem != "" {
		return nil, problem, err
	}
	if len(list) > 1 {
		return nil, "Which fabric is meant? " + which(list), nil
	}
	return &list[0], "", nil
}

// named finds a fabric by name or slug, exactly before in any case.
func named(all []Fabric, name string) (Fabric, bool) {
	for _, f := range all {
		if f.Name == name || f.Slug == name {
			return f, true
		}
	}
	found, n := Fabric{}, 0
	for _, f := range all {
		if strings.EqualFold(f.Name, name) || strings.EqualFold(f.Slug, name) {
			found, n = f, n+1
		}
	}
	return found, n == 1
}

func which(list []Fabric) string {
	return "Add one of " + fabricNames(list) + "."
}

// fabricNames are at most ten, as they are written in a command.
func fabricNames(list []Fabric) string {
	var out []string
	for i, f := range list {
		if i == 10 {
			return strings.Join(out, ", ") + fmt.Sprintf(" and %d more", len(list)-i)
		}
		out = append(out, feedback.Code("fabric="+quote(f.Name)))
	}
	return strings.Join(out, ", ")
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// each carries a command out for every fabric that is meant and puts the answers below each other. One that fails
// hinders no other; what is for the log is kept in the session.
func (s *session) each(ctx context.Context, p *Parsed, do func(f *Fabric) (answer, error)) (answer, error) {
	list, problem, err := s.meant(ctx, p)
	if err != nil || problem != "" {
		return bad(problem), err
	}
	if len(list) == 1 {
		return do(&list[0])
	}
	var texts []string
	ok := true
	for i := range list {
		a, err := do(&list[i])
		if err != nil {
			words, expected := explain(err)
			if !expected {
				s.failures = append(s.failures, err)
			}
			a = bad(words)
		}
		texts = append(texts, "In "+feedback.Text(list[i].Name)+":\n\n"+a.text)
		ok = ok && a.ok
	}
	return answer{text: strings.Join(texts, "\n\n"), ok: ok}, nil
}
