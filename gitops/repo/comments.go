package repo

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/hnp-sync/hnp-sync/gitops"
)

const (
	// MaxComment is the longest body of a comment or issue GitHub takes, in characters.
	MaxComment = 65_536
	// maxCommentPages bounds every listing of comments, in pages of 100.
	maxCommentPages = 30
)

// Comment is a comment of an issue or pull request.
type Comment struct {
	ID          int64
	Issue       int // number of the issue or pull request
	Body, URL   string
	AuthorID    int64
	AuthorLogin string
	AuthorType  string // User or Bot
	AppID       int64  // of the App it was written through, 0 for none
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

type commentAnswer struct {
	ID        int64       `json:"id"`
	Body      string      `json:"body"`
	HTMLURL   string      `json:"html_url"`
	IssueURL  string      `json:"issue_url"`
	User      *userAnswer `json:"user"`
	CreatedAt time.Time   `json:"created_at"`
	UpdatedAt time.Time   `json:"updated_at"`
	App       *struct {
		ID int64 `json:"id"`
	} `json:"performed_via_github_app"`
}

func (c commentAnswer) value() Comment {
	out := Comment{ID: c.ID, Body: c.Body, URL: c.HTMLURL, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt}
	out.Issue, _ = strconv.Atoi(path.Base(c.IssueURL))
	if c.User != nil {
		out.AuthorID, out.AuthorLogin, out.AuthorType = c.User.ID, c.User.Login, c.User.Type
	}
	if c.App != nil {
		out.AppID = c.App.ID
	}
	return out
}

func checkBody(what, body string) error {
	if n := utf8.RuneCountInString(body); n == 0 || n > MaxComment {
		return fmt.Errorf("%s has %d characters, GitHub allows 1 to %d", what, n, MaxComment)
	}
	return nil
}

// CreateComment comments on an issue or pull request. One request. After a lost answer (gitops.ErrOutcomeUnknown) it
// may exist: look for it in Comments.
func (a *App) CreateComment(ctx context.Context, ref Ref, issue int, body string) (int64, error) {
	if err := checkBody("comment", body); err != nil {
		return 0, err
	}
	p, err := a.at(ctx, ref, needIssues(false))
	if err != nil {
		return 0, err
	}
	return p.createComment(ctx, issue, body)
}

func (p *place) createComment(ctx context.Context, issue int, body string) (int64, error) {
	var out commentAnswer
	err := p.do(ctx, request{operation: "create comment", method: http.MethodPost, in: map[string]string{"body": body}},
		[]string{"issues", number(int64(issue)), "comments"}, "", &out)
	if err == nil && out.ID <= 0 {
		err = fmt.Errorf("%w (answer without an id)", gitops.ErrOutcomeUnknown)
	}
	if err != nil {
		return 0, fmt.Errorf("comment on %s#%d: %w", p.ref, issue, err)
	}
	return out.ID, nil
}

// EditComment replaces the body of a comment; the caller makes sure that it is the App's own. One request. A comment
// that was deleted is a *gitops.PermissionError with code not_found.
func (a *App) EditComment(ctx context.Context, ref Ref, id int64, body string) error {
	if err := checkBody("comment", body); err != nil {
		return err
	}
	p, err := a.at(ctx, ref, needIssues(false))
	if err != nil {
		return err
	}
	err = p.do(ctx, request{operation: "edit comment", method: http.MethodPatch, in: map[string]string{"body": body}},
		[]string{"issues", "comments", number(id)}, "", nil)
	if err != nil {
		return fmt.Errorf("comment %d of %s: %w", id, p.ref, err)
	}
	return nil
}

// Comments lists the comments of an issue or pull request, oldest first; truncated when there are more than the 3,000
// it reads. One request per 100.
func (a *App) Comments(ctx context.Context, ref Ref, issue int) (list []Comment, truncated bool, err error) {
	p, err := a.at(ctx, ref, needIssues(true))
	if err != nil {
		return nil, false, err
	}
	return p.comments(ctx, []string{"issues", number(int64(issue)), "comments"}, "")
}

// CommentsSince lists the comments of all issues and pull requests that were written or changed at or after a time,
// in order of their last change; when truncated the rest is found since the last one's UpdatedAt. One request per 100.
func (a *App) CommentsSince(ctx context.Context, ref Ref, since time.Time) (list []Comment, truncated bool, err error) {
	p, err := a.at(ctx, ref, needIssues(true))
	if err != nil {
		return nil, false, err
	}
	query := url.Values{"since": {since.UTC().Format(time.RFC3339)}, "sort": {"updated"}, "direction": {"asc"}}
	return p.comments(ctx, []string{"issues", "comments"}, query.Encode())
}

func (p *place) comments(ctx context.Context, below []string, query string) (list []Comment, truncated bool, err error) {
	seen := map[int64]bool{}
	truncated, err = p.pages(ctx, "list comments", below, query, maxCommentPages, func(op string, body []byte) error {
		var page []commentAnswer
		if err := decode(op, body, &page); err != nil {
			return err
		}
		for _, c := range page {
			if c.ID > 0 && !seen[c.ID] {
				seen[c.ID] = true
				list = append(list, c.value())
			}
		}
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("comments of %s: %w", p.ref, err)
	}
	return list, truncated, nil
}

// React adds a reaction to a comment: +1, -1, laugh, confused, heart, hooray, rocket or eyes. Adding the same again
// changes nothing. One request.
func (a *App) React(ctx context.Context, ref Ref, commentID int64, content string) error {
	switch content {
	case "+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes":
	default:
		return fmt.Errorf("reaction %q does not exist", clip(content, 40))
	}
	p, err := a.at(ctx, ref, needIssues(false))
	if err != nil {
		return err
	}
	// Nothing is doubled by sending it again, so a lost answer is an ordinary failure.
	err = p.do(ctx, request{operation: "react", method: http.MethodPost, in: map[string]string{"content": content}, invisible: true},
		[]string{"issues", "comments", number(commentID), "reactions"}, "", nil)
	if err != nil {
		return fmt.Errorf("react to comment %d of %s: %w", commentID, p.ref, err)
	}
	return nil
}

// IsOwn tells whether an author is this App (or, with a personal access token, the token's owner): by the whole login,
// and by the type when it is given. One request in the life of an App.
func (a *App) IsOwn(ctx context.Context, login, authorType string) (bool, error) {
	a.mu.Lock()
	own := a.own
	a.mu.Unlock()
	if own.Login == "" {
		var err error
		if own, err = a.Identity(ctx); err != nil {
			return false, err
		}
		a.mu.Lock()
		a.own = own
		a.mu.Unlock()
	}
	if a.static == nil && authorType != "" && authorType != "Bot" {
		return false, nil
	}
	return login != "" && login == own.Login, nil
}
