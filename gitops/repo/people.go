package repo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-github/v62/github"
)

// Permission reads live what a person may do in a repository: admin, maintain, write, triage, read or none. Custom
// roles are what GitHub maps them to. Any failure is an error, never a permission. One request.
func (a *App) Permission(ctx context.Context, ref Ref, login string) (string, error) {
	if !plainLogin(login) {
		return "", fmt.Errorf("%q is not a login", clip(login, 100))
	}
	p, err := a.at(ctx, ref, needMetadata)
	if err != nil {
		return "", err
	}
	var out struct {
		Permission string      `json:"permission"`
		RoleName   string      `json:"role_name"`
		User       *userAnswer `json:"user"`
	}
	err = p.do(ctx, request{operation: "read permission", method: http.MethodGet}, []string{"collaborators", login, "permission"}, "", &out)
	if err != nil {
		return "", fmt.Errorf("permission of %s in %s: %w", login, p.ref, err)
	}
	if out.User != nil && !strings.EqualFold(out.User.Login, login) {
		return "", fmt.Errorf("permission of %s in %s: answer is about %q", login, p.ref, clip(out.User.Login, 100))
	}
	switch out.Permission {
	case "admin", "none":
	case "write":
		if out.RoleName == "maintain" {
			return "maintain", nil
		}
	case "read":
		if out.RoleName == "triage" {
			return "triage", nil
		}
	case "maintain", "triage":
	default:
		return "", fmt.Errorf("permission of %s in %s: answered %q", login, p.ref, clip(out.Permission, 40))
	}
	return out.Permission, nil
}

// TeamMember tells whether a person is an active member of an organisation's team, by the team's slug. Not a member,
// or no such team: false. Any other failure is an error. One request; it needs the permission members: read.
func (a *App) TeamMember(ctx context.Context, installationID int64, org, slug, login string) (bool, error) {
	if !plainName(org) || !plainName(slug) || !plainLogin(login) {
		return false, fmt.Errorf("%q is not an organisation, team and login", clip(org+"/"+slug+"/"+login, 200))
	}
	permissions := &github.InstallationPermissions{Metadata: github.String("read")}
	needMembers.permissions(permissions)
	c, err := a.installation(installationID, nil, permissions)
	if err != nil {
		return false, err
	}
	var out struct {
		State string `json:"state"`
	}
	err = c.get(ctx, "read team membership", pathOf("orgs", org, "teams", slug, "memberships", login), 0, &out)
	var api *APIError
	if errors.As(err, &api) && api.Status == http.StatusNotFound {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("is %s in team %s/%s: %w", login, org, slug, permission("team "+org+"/"+slug, err))
	}
	return out.State == "active", nil
}

// plainLogin tells whether s can be a login: a name, or an App's with its [bot].
func plainLogin(s string) bool { return plainName(strings.TrimSuffix(s, "[bot]")) }
