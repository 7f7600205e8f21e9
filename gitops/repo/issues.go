package repo

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// Issue is an issue, or the issue's side of a pull request.
type Issue struct {
	Number           int
	Title, Body, URL string
	State            string // open or closed
	Author           string // login
	AuthorType       string // User or Bot
	PullRequest      bool
}

// IssueEdit is what to change of an issue; nil leaves as it is.
type IssueEdit struct{ Title, Body, State *string }

type issueAnswer struct {
	Number  int         `json:"number"`
	Title   string      `json:"title"`
	Body    *string     `json:"body"`
	HTMLURL string      `json:"html_url"`
	State   string      `json:"state"`
	User    *userAnswer `json:"user"`
	Pull    *struct{}   `json:"pull_request"`
}

func (i issueAnswer) value() Issue {
	out := Issue{Number: i.Number, Title: i.Title, Body: text(i.Body), URL: i.HTMLURL, State: i.State, PullRequest: i.Pull != nil}
	if i.User != nil {
		out.Author, out.AuthorType = i.User.Login, i.User.Type
	}
	return out
}

// CreateIssue opens an issue. One request. After a lost answer (gitops.ErrOutcomeUnknown) it may exist.
func (a *App) CreateIssue(ctx context.Context, ref Ref, title, body string) (Issue, error) {
	if title == "" {
		return Issue{}, errors.New("issue without a title")
	}
	if err := checkBody("issue", body); err != nil {
		return Issue{}, err
	}
	p, err := a.at(ctx, ref, needIssues(false))
	if err != nil {
		return Issue{}, err
	}
	var out issueAnswer
	err = p.do(ctx, request{operation: "create issue", method: http.MethodPost, in: map[string]string{"title": title, "body": body}}, []string{"issues"}, "", &out)
	if err == nil && out.Number <= 0 {
		err = fmt.Errorf("%w (answer without a number)", gitops.ErrOutcomeUnknown)
	}
	if err != nil {
		return Issue{}, fmt.Errorf("create issue in %s: %w", p.ref, err)
	}
	return out.value(), nil
}

// EditIssue changes an issue. One request. An issue that was deleted or transferred is a *gitops.PermissionError with
// code not_found.
func (a *App) EditIssue(ctx context.Context, ref Ref, n int, edit IssueEdit) error {
	in := map[string]string{}
	for key, value := range map[string]*string{"title": edit.Title, "body": edit.Body, "state": edit.State} {
		if value != nil {
			in[key] = *value
		}
	}
	switch {
	case len(in) == 0:
		return nil
	case edit.State != nil && *edit.State != "open" && *edit.State != "closed":
		return fmt.Errorf("issue state %q", clip(*edit.State, 40))
	case edit.Body != nil:
		if err := checkBody("issue", *edit.Body); err != nil {
			return err
		}
	}
	p, err := a.at(ctx, ref, needIssues(false))
	if err != nil {
		return err
	}
	err = p.do(ctx, request{operation: "edit issue", method: http.MethodPatch, in: in}, []string{"issues", number(int64(n))}, "", nil)
	if err != nil {
		return fmt.Errorf("issue %d of %s: %w", n, p.ref, err)
	}
	return nil
}

// Issue reads one issue. One request.
func (a *App) Issue(ctx context.Context, ref Ref, n int) (Issue, error) {
	p, err := a.at(ctx, ref, needIssues(true))
	if err != nil {
		return Issue{}, err
	}
	var out issueAnswer
	if err := p.do(ctx, request{operation: "read issue", method: http.MethodGet}, []string{"issues", number(int64(n))}, "", &out); err != nil {
		return Issue{}, fmt.Errorf("issue %d of %s: %w", n, p.ref, err)
	}
	if out.Number != n {
		return Issue{}, fmt.Errorf("issue %d of %s: got issue %d: it was transferred", n, p.ref, out.Number)
	}
	return out.value(), nil
}
