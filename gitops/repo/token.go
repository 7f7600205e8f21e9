package repo

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// TokenInstallation is the installation id under which everything is found that a personal access token can reach.
// With Config.Token there is no App: no check runs, no buttons, no deliveries, and no narrowing of rights; every
// installation id means this one. Repositories, files, commits, pull requests, comments, issues and commit statuses
// work as for an App, as the token's owner.
const TokenInstallation int64 = 1

func tokenInstallation() Installation {
	return Installation{ID: TokenInstallation, Account: "personal access token"}
}

// useToken makes the clients of an App that has a personal access token.
func (a *App) useToken(token string) {
	a.static = a.newClient(TokenInstallation, &bearer{token: token, ends: a.ends, next: a.wire})
	a.self = a.newClient(0, noApp{})
}

// bearer attaches a fixed token.
type bearer struct {
	token string
	ends  endpoints
	next  http.RoundTripper
}

func (t *bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	if !t.ends.owns(req.URL) {
		closeBody(req)
		return nil, &ForeignHostError{Host: req.URL.Host}
	}
	out := req.Clone(req.Context())
	out.Header.Set("Authorization", "Bearer "+t.token)
	return t.next.RoundTrip(out)
}

// noApp refuses what only an App's own signature can ask for.
type noApp struct{}

func (noApp) RoundTrip(req *http.Request) (*http.Response, error) {
	closeBody(req)
	return nil, &gitops.PermissionError{Code: "missing_permission",
		Message: "this needs the GitHub App, and a personal access token is configured: configure app_id and the private key instead"}
}

// tokenIdentity reads who the token's owner is.
func (a *App) tokenIdentity(ctx context.Context) (Identity, error) {
	var out struct {
		ID          int64 `json:"id"`
		Login, Name string
	}
	if err := a.static.get(ctx, "read the token's owner", "/user", 0, &out); err != nil {
		return Identity{}, permission("the personal access token", err)
	}
	if out.Login == "" {
		return Identity{}, errors.New("read the token's owner: answer without a login")
	}
	return Identity{ID: out.ID, Name: out.Name, Login: out.Login}, nil
}

// tokenRepositories lists what the token's owner can reach.
func (a *App) tokenRepositories(ctx context.Context) ([]RepositoryInfo, error) {
	var out []RepositoryInfo
	seen := map[int64]bool{}
	err := a.static.pages(ctx, "list repositories", "/user/repos", func(op string, body []byte) error {
		var page []repositoryAnswer
		if err := decode(op, body, &page); err != nil {
			return err
		}
		for _, r := range page {
			info, err := r.value()
			if err != nil {
				return fmt.Errorf("%s: %w", op, err)
			}
			if !seen[info.ID] {
				seen[info.ID] = true
				out = append(out, info)
			}
		}
		return nil
	})
	if err != nil {
		return nil, permission("the personal access token", err)
	}
	return out, nil
}
