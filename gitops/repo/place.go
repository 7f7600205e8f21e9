package repo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-github/v62/github"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// place is a repository seen with a token that can do one kind of thing there and nothing else.
type place struct {
	app    *App
	client *client
	ref    Ref
	need   string // the permission, in GitHub's words: "checks: write"
}

// need is a set of permissions that one job asks for, and how people call it.
type need struct {
	words       string
	permissions func(*github.InstallationPermissions)
}

func level(read bool) *string {
	if read {
		return github.String("read")
	}
	return github.String("write")
}

func needChecks(read bool) need {
	return need{"checks: " + *level(read), func(p *github.InstallationPermissions) { p.Checks = level(read) }}
}

func needPulls(read bool) need {
	return need{"pull_requests: " + *level(read), func(p *github.InstallationPermissions) { p.PullRequests = level(read) }}
}

func needIssues(read bool) need {
	return need{"issues: " + *level(read), func(p *github.InstallationPermissions) { p.Issues = level(read) }}
}

var (
	needStatuses = need{"statuses: write", func(p *github.InstallationPermissions) { p.Statuses = github.String("write") }}
	needMetadata = need{"metadata: read", func(*github.InstallationPermissions) {}}
	needMembers  = need{"members: read", func(p *github.InstallationPermissions) { p.Members = github.String("read") }}
)

// at makes no request, except that a personal access token, which cannot be narrowed to one repository, has the
// name checked once.
func (a *App) at(ctx context.Context, ref Ref, n need) (*place, error) {
	switch {
	case ref.RepositoryID <= 0:
		return nil, errors.New("repository id is missing")
	case !plainName(ref.Owner) || !plainName(ref.Name):
		return nil, fmt.Errorf("%q is not a repository name", ref.String())
	}
	permissions := &github.InstallationPermissions{Metadata: github.String("read")}
	n.permissions(permissions)
	c, err := a.installation(ref.InstallationID, []int64{ref.RepositoryID}, permissions)
	if err != nil {
		return nil, err
	}
	p := &place{app: a, client: c, ref: ref, need: n.words}
	a.mu.Lock()
	facts, known := a.repos[ref.RepositoryID]
	a.mu.Unlock()
	switch {
	case known:
		p.ref.Owner, p.ref.Name = facts.owner, facts.name
	case a.static != nil:
		if _, err := p.locate(ctx); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// locate asks for the present name of the repository; true when it is another than the one used until now.
func (p *place) locate(ctx context.Context) (bool, error) {
	info, err := p.app.repositoryByID(ctx, p.client, p.ref.RepositoryID)
	if err != nil {
		return false, err
	}
	moved := info.Owner != p.ref.Owner || info.Name != p.ref.Name
	p.ref.Owner, p.ref.Name = info.Owner, info.Name
	return moved, nil
}

// do sends a request to a path below the repository; the answer is decoded into out unless that is nil. 404 is asked
// again where the repository is now, if that is elsewhere: nothing was done by a request that was answered 404.
func (p *place) do(ctx context.Context, r request, below []string, query string, out any) error {
	_, err := p.answer(ctx, r, below, query, out)
	return err
}

func (p *place) answer(ctx context.Context, r request, below []string, query string, out any) (*response, error) {
	for relocated := false; ; relocated = true {
		r.path = p.path(below, query)
		resp, err := p.client.rest(ctx, r)
		var api *APIError
		if !relocated && errors.As(err, &api) && api.Status == http.StatusNotFound {
			moved, lookErr := p.locate(ctx)
			if lookErr != nil {
				return nil, fmt.Errorf("%s: %w", r.operation, lookErr)
			}
			if moved {
				continue
			}
		}
		if err != nil {
			return nil, p.refused(err)
		}
		if out == nil {
			return resp, nil
		}
		if err := decode(r.operation, resp.body, out); err != nil {
			if r.method == http.MethodGet || r.safe || r.invisible {
				return nil, err
			}
			return nil, fmt.Errorf("%w (%w)", gitops.ErrOutcomeUnknown, err)
		}
		return resp, nil
	}
}

func (p *place) path(below []string, query string) string {
	path := pathOf(append([]string{"repos", p.ref.Owner, p.ref.Name}, below...)...)
	if query != "" {
		path += "?" + query
	}
	return path
}

// pages reads a listing below the repository, at most max pages of 100. more is true when there were further ones.
func (p *place) pages(ctx context.Context, operation string, below []string, query string, max int, each func(op string, body []byte) error) (more bool, err error) {
	for relocated := false; ; relocated = true {
		more, err = p.client.somePages(ctx, operation, p.path(below, query), max, each)
		var api *APIError
		if !relocated && errors.As(err, &api) && api.Status == http.StatusNotFound {
			moved, lookErr := p.locate(ctx)
			if lookErr != nil {
				return false, fmt.Errorf("%s: %w", operation, lookErr)
			}
			if moved {
				continue
			}
		}
		if err != nil {
			return false, p.refused(err)
		}
		return more, nil
	}
}

// refused words a refusal. A right that is missing is called by its name, by GitHub's header or else by what this
// place was opened for.
func (p *place) refused(err error) error {
	var api *APIError
	if errors.As(err, &api) && api.Accepted == "" && (api.Status == http.StatusForbidden || api.Type == "FORBIDDEN") {
		named := *api
		named.Accepted = p.need
		return permission(p.ref.String(), &named)
	}
	return permission(p.ref.String(), err)
}

// hasNext tells whether GitHub's Link header names a next page.
func hasNext(h http.Header) bool {
	return strings.Contains(strings.Join(h.Values("Link"), ","), `rel="next"`)
}
