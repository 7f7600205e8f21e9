package repo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/go-github/v62/github"
)

// maxPages bounds every page loop: 1,000 pages of 100.
const maxPages = 1000

// Identity is the App itself. Login is what it is called as the author of commits and comments.
type Identity struct {
	ID    int64
	Slug  string
	Name  string
	Login string // slug[bot]
}

// Installation is the App on one account.
type Installation struct {
	ID        int64
	Account   string
	Suspended bool
	// AllRepositories is true when the App has all repositories of the account, later ones included.
	AllRepositories bool
	// Permissions are what the account granted: name → read, write or admin.
	Permissions map[string]string
}

// RepositoryInfo is one repository. ID stays the same over renames and transfers.
type RepositoryInfo struct {
	ID            int64
	Owner, Name   string
	DefaultBranch string
	Archived      bool
	Private       bool
}

type installationAnswer struct {
	ID                  int64             `json:"id"`
	Account             *ownerAnswer      `json:"account"`
	SuspendedAt         *string           `json:"suspended_at"`
	RepositorySelection string            `json:"repository_selection"`
	Permissions         map[string]string `json:"permissions"`
}

type ownerAnswer struct {
	Login string `json:"login"`
	Slug  string `json:"slug"` // an enterprise has no login
}

func (i installationAnswer) value() Installation {
	out := Installation{ID: i.ID, Suspended: i.SuspendedAt != nil, AllRepositories: i.RepositorySelection == "all", Permissions: i.Permissions}
	if i.Account != nil {
		if out.Account = i.Account.Login; out.Account == "" {
			out.Account = i.Account.Slug
		}
	}
	return out
}

type repositoryAnswer struct {
	ID            int64        `json:"id"`
	Name          string       `json:"name"`
	Owner         *ownerAnswer `json:"owner"`
	DefaultBranch string       `json:"default_branch"`
	Archived      bool         `json:"archived"`
	Private       bool         `json:"private"`
}

func (r repositoryAnswer) value() (RepositoryInfo, error) {
	if r.ID <= 0 || r.Owner == nil || !plainName(r.Owner.Login) || !plainName(r.Name) {
		return RepositoryInfo{}, fmt.Errorf("repository %d: answer without a usable name", r.ID)
	}
	return RepositoryInfo{ID: r.ID, Owner: r.Owner.Login, Name: r.Name, DefaultBranch: r.DefaultBranch, Archived: r.Archived, Private: r.Private}, nil
}

// plainName tells whether s can be an owner's or repository's name, so that it can stand in a path.
func plainName(s string) bool {
	if s == "" || s == "." || s == ".." || len(s) > 100 {
		return false
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
		default:
			return false
		}
	}
	return true
}

// Identity reads the App's own id and slug. One request.
func (a *App) Identity(ctx context.Context) (Identity, error) {
	if a.static != nil {
		return a.tokenIdentity(ctx)
	}
	var out struct {
		ID         int64 `json:"id"`
		Slug, Name string
	}
	if err := a.self.get(ctx, "read the App", "/app", 0, &out); err != nil {
		return Identity{}, permission("the App", err)
	}
	if out.Slug == "" {
		return Identity{}, errors.New("read the App: answer without a slug")
	}
	return Identity{ID: out.ID, Slug: out.Slug, Name: out.Name, Login: out.Slug + "[bot]"}, nil
}

// Installations lists all installations of the App, suspended ones included, in GitHub's order. One request per 100.
func (a *App) Installations(ctx context.Context) ([]Installation, error) {
	if a.static != nil {
		return []Installation{tokenInstallation()}, nil
	}
	var out []Installation
	seen := map[int64]bool{}
	err := a.self.pages(ctx, "list installations", "/app/installations", func(op string, body []byte) error {
		var page []installationAnswer
		if err := decode(op, body, &page); err != nil {
			return err
		}
		for _, i := range page {
			// Rows shift between pages when installations come and go.
			if i.ID > 0 && !seen[i.ID] {
				seen[i.ID] = true
				out = append(out, i.value())
			}
		}
		return nil
	})
	return out, permission("the App's installations", err)
}

// Installation reads one installation by its id. One request.
func (a *App) Installation(ctx context.Context, installationID int64) (Installation, error) {
	if a.static != nil {
		return tokenInstallation(), nil
	}
	var out installationAnswer
	path := "/app/installations/" + strconv.FormatInt(installationID, 10)
	if err := a.self.get(ctx, "read installation", path, 0, &out); err != nil {
		return Installation{}, permission(fmt.Sprintf("installation %d", installationID), err)
	}
	return out.value(), nil
}

// RepositoryInstallation finds the installation that covers a repository. A *gitops.PermissionError with code
// not_found when the App is not installed on it. One request.
func (a *App) RepositoryInstallation(ctx context.Context, owner, name string) (Installation, error) {
	if !plainName(owner) || !plainName(name) {
		return Installation{}, fmt.Errorf("%q is not a repository name", owner+"/"+name)
	}
	if a.static != nil {
		return tokenInstallation(), nil
	}
	var out installationAnswer
	if err := a.self.get(ctx, "find installation", pathOf("repos", owner, name, "installation"), 0, &out); err != nil {
		return Installation{}, permission(owner+"/"+name, err)
	}
	return out.value(), nil
}

// Repositories lists all repositories of an installation. One request per 100.
func (a *App) Repositories(ctx context.Context, installationID int64) ([]RepositoryInfo, error) {
	c, err := a.installation(installationID, nil, &github.InstallationPermissions{Metadata: github.String("read")})
	if err != nil {
		return nil, err
	}
	if a.static != nil {
		return a.tokenRepositories(ctx)
	}
	var out []RepositoryInfo
	seen := map[int64]bool{}
	err = c.pages(ctx, "list repositories", "/installation/repositories", func(op string, body []byte) error {
		var page struct {
			Repositories []repositoryAnswer `json:"repositories"`
		}
		if err := decode(op, body, &page); err != nil {
			return err
		}
		for _, r := range page.Repositories {
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
		return nil, permission(fmt.Sprintf("installation %d", installationID), err)
	}
	return out, nil
}

// RepositoryByID reads a repository by its numeric id, whatever it is called now. One request.
func (a *App) RepositoryByID(ctx context.Context, installationID, repositoryID int64) (RepositoryInfo, error) {
	c, err := a.installation(installationID, []int64{repositoryID}, readContents())
	if err != nil {
		return RepositoryInfo{}, err
	}
	return a.repositoryByID(ctx, c, repositoryID)
}

func (a *App) repositoryByID(ctx context.Context, c *client, repositoryID int64) (RepositoryInfo, error) {
	var out repositoryAnswer
	// Not in the published description, but where GitHub itself redirects to after a rename.
	if err := c.get(ctx, "read repository", "/repositories/"+strconv.FormatInt(repositoryID, 10), 0, &out); err != nil {
		return RepositoryInfo{}, permission(fmt.Sprintf("repository %d", repositoryID), err)
	}
	info, err := out.value()
	if err == nil && info.ID != repositoryID {
		err = fmt.Errorf("read repository %d: got repository %d", repositoryID, info.ID)
	}
	if err != nil {
		return RepositoryInfo{}, err
	}
	a.learn(repositoryID, repoFacts{owner: info.Owner, name: info.Name})
	return info, nil
}

// pages calls each with every page of a listing.
func (c *client) pages(ctx context.Context, operation, path string, each func(op string, body []byte) error) error {
	more, err := c.somePages(ctx, operation, path, maxPages, each)
	if err == nil && more {
		err = fmt.Errorf("%s: more than %d pages", operation, maxPages)
	}
	return err
}

// somePages calls each with the first pages of a listing, at most max; more is true when there are further ones. The
// next page is asked for while GitHub's Link header names one; the address in it is not used.
func (c *client) somePages(ctx context.Context, operation, path string, max int, each func(op string, body []byte) error) (more bool, err error) {
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	for page := 1; page <= max; page++ {
		resp, err := c.rest(ctx, request{
			operation: operation, method: http.MethodGet,
			path: path + separator + "per_page=100&page=" + strconv.Itoa(page), maxBytes: maxObservation,
		})
		if err != nil {
			return false, err
		}
		if err := each(operation, resp.body); err != nil {
			return false, err
		}
		if !hasNext(resp.header) {
			return false, nil
		}
	}
	return true, nil
}

// readContents and writeContents are the narrowest permissions for reading and writing files.
func readContents() *github.InstallationPermissions {
	return &github.InstallationPermissions{Contents: github.String("read"), Metadata: github.String("read")}
}

func writeContents() *github.InstallationPermissions {
	return &github.InstallationPermissions{Contents: github.String("write"), Metadata: github.String("read")}
}
