package repo

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

const (
	// MaxPullFiles is how many files of a pull request GitHub lists.
	MaxPullFiles = 3000
	// maxOpenPulls bounds the listing of open pull requests, in pages of 100.
	maxOpenPulls = 20
)

// PullRequest is a pull request as GitHub has it.
type PullRequest struct {
	Number           int
	Title, Body, URL string
	State            string // open or closed
	Draft, Merged    bool
	Author           string // login
	// HeadSHA is the newest commit of the head. It is reachable from the base repository, forks included: GitHub
	// keeps it as refs/pull/N/head.
	HeadSHA, HeadRef string
	// The repository of the head; zero when it was deleted.
	HeadRepositoryID    int64
	HeadOwner, HeadName string
	// Fork is true when the head is not a branch of the base repository, or no longer known to be.
	Fork             bool
	BaseRef, BaseSHA string
	// MergeCommitSHA is the commit by which it was merged; only when Merged.
	MergeCommitSHA      string
	MaintainerCanModify bool // of a fork's branch; only when it was read by its number
}

// PullRequestFile is one file that a pull request changes.
type PullRequestFile struct {
	Path         string
	PreviousPath string // of a renamed file
	Status       string // added, removed, modified, renamed, copied, changed or unchanged
	SHA          string // of the blob
}

type pullAnswer struct {
	Number         int         `json:"number"`
	Title          string      `json:"title"`
	Body           *string     `json:"body"`
	HTMLURL        string      `json:"html_url"`
	State          string      `json:"state"`
	Draft          bool        `json:"draft"`
	MergedAt       *string     `json:"merged_at"`
	MergeCommitSHA *string     `json:"merge_commit_sha"`
	User           *userAnswer `json:"user"`
	Head           endAnswer   `json:"head"`
	Base           endAnswer   `json:"base"`
	CanModify      bool        `json:"maintainer_can_modify"`
}

type userAnswer struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
	Type  string `json:"type"`
}

type endAnswer struct {
	Ref  string `json:"ref"`
	SHA  string `json:"sha"`
	Repo *struct {
		ID    int64       `json:"id"`
		Name  string      `json:"name"`
		Owner *userAnswer `json:"owner"`
	} `json:"repo"`
}

func (a pullAnswer) value() (PullRequest, error) {
	if a.Number <= 0 || !isOID(a.Head.SHA) || !isOID(a.Base.SHA) || a.State != "open" && a.State != "closed" {
		return PullRequest{}, fmt.Errorf("pull request %d: answer without number, state or commits", a.Number)
	}
	p := PullRequest{
		Number: a.Number, Title: a.Title, Body: text(a.Body), URL: a.HTMLURL, State: a.State, Draft: a.Draft, Merged: a.MergedAt != nil,
		HeadSHA: a.Head.SHA, HeadRef: a.Head.Ref, BaseRef: a.Base.Ref, BaseSHA: a.Base.SHA, Fork: true, MaintainerCanModify: a.CanModify,
	}
	if a.User != nil {
		p.Author = a.User.Login
	}
	if p.Merged {
		p.MergeCommitSHA = text(a.MergeCommitSHA) // else it is GitHub's trial merge
	}
	if r := a.Head.Repo; r != nil {
		p.HeadRepositoryID, p.HeadName = r.ID, r.Name
		if r.Owner != nil {
			p.HeadOwner = r.Owner.Login
		}
		p.Fork = a.Base.Repo == nil || a.Base.Repo.ID != r.ID
	}
	return p, nil
}

// PullRequest reads one pull request. One request. One that does not exist is a *gitops.PermissionError with code
// not_found.
func (a *App) PullRequest(ctx context.Context, ref Ref, number int) (PullRequest, error) {
	p, err := a.at(ctx, ref, needPulls(true))
	if err != nil {
		return PullRequest{}, err
	}
	return p.pullRequest(ctx, number)
}

func (p *place) pullRequest(ctx context.Context, n int) (PullRequest, error) {
	var out pullAnswer
	if err := p.do(ctx, request{operation: "read pull request", method: http.MethodGet}, []string{"pulls", number(int64(n))}, "", &out); err != nil {
		return PullRequest{}, fmt.Errorf("pull request %d of %s: %w", n, p.ref, err)
	}
	got, err := out.value()
	if err == nil && got.Number != n {
		err = fmt.Errorf("got pull request %d", got.Number)
	}
	if err != nil {
		return PullRequest{}, fmt.Errorf("pull request %d of %s: %w", n, p.ref, err)
	}
	return got, nil
}

// OpenPullRequests lists the open pull requests into a branch (all when base is empty), newest first, at most 2,000.
// One request per 100.
func (a *App) OpenPullRequests(ctx context.Context, ref Ref, base string) ([]PullRequest, error) {
	p, err := a.at(ctx, ref, needPulls(true))
	if err != nil {
		return nil, err
	}
	query := url.Values{"state": {"open"}, "sort": {"created"}, "direction": {"desc"}}
	if base != "" {
		query.Set("base", base)
	}
	return p.pulls(ctx, query, maxOpenPulls)
}

func (p *place) pulls(ctx context.Context, query url.Values, max int) ([]PullRequest, error) {
	var out []PullRequest
	seen := map[int]bool{}
	_, err := p.pages(ctx, "list pull requests", []string{"pulls"}, query.Encode(), max, func(op string, body []byte) error {
		var page []pullAnswer
		if err := decode(op, body, &page); err != nil {
			return err
		}
		for _, a := range page {
			v, err := a.value()
			if err != nil {
				return err
			}
			if !seen[v.Number] {
				seen[v.Number] = true
				out = append(out, v)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("pull requests of %s: %w", p.ref, err)
	}
	return out, nil
}

// PullRequestFiles lists the files a pull request changes, in GitHub's order; truncated when it may change more than
// the 3,000 that GitHub lists. One request per 100. The paths are as Git has them, not checked.
func (a *App) PullRequestFiles(ctx context.Context, ref Ref, n int) (files []PullRequestFile, truncated bool, err error) {
	p, err := a.at(ctx, ref, needPulls(true))
	if err != nil {
		return nil, false, err
	}
	more, err := p.pages(ctx, "list files of a pull request", []string{"pulls", number(int64(n)), "files"}, "", MaxPullFiles/100, func(op string, body []byte) error {
		var page []struct {
			Filename string `json:"filename"`
			Previous string `json:"previous_filename"`
			Status   string `json:"status"`
			SHA      string `json:"sha"`
		}
		if err := decode(op, body, &page); err != nil {
			return err
		}
		for _, f := range page {
			files = append(files, PullRequestFile{Path: f.Filename, PreviousPath: f.Previous, Status: f.Status, SHA: f.SHA})
		}
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("files of pull request %d of %s: %w", n, p.ref, err)
	}
	return files, more || len(files) >= MaxPullFiles, nil
}
