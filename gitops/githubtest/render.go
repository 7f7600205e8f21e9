package githubtest

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// JSON as GitHub prints it, built from records. The shapes are those of the
// recorded OpenAPI description; a test holds every answer to it.

// nodeID is a stable opaque id; opaque to clients, readable here.
func nodeID(kind string, parts ...any) string {
	text := kind
	for _, p := range parts {
		text += fmt.Sprintf(":%v", p)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

func parseNodeID(id string) []string {
	data, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil {
		return nil
	}
	return strings.Split(string(data), ":")
}

func sorted(in []string) []string {
	slices.Sort(in)
	return in
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func stampPtr(t *time.Time) any {
	if t == nil {
		return nil
	}
	return stamp(*t)
}

func (c *call) renderUser(a *accountRow) map[string]any {
	if a == nil {
		return nil
	}
	u := c.api("/users/%s", strings.ReplaceAll(strings.ReplaceAll(a.Login, "[", "%5B"), "]", "%5D"))
	html := c.root() + "/" + a.Login
	if a.Type == typeBot {
		html = c.root() + "/apps/" + strings.TrimSuffix(a.Login, "[bot]")
	}
	return map[string]any{
		"login": a.Login, "id": a.ID, "node_id": nodeID("User", a.ID), "type": a.Type, "site_admin": false,
		"avatar_url": c.root() + fmt.Sprintf("/avatars/u/%d", a.ID), "gravatar_id": "", "url": u, "html_url": html,
		"followers_url": u + "/followers", "following_url": u + "/following{/other_user}", "gists_url": u + "/gists{/gist_id}",
		"starred_url": u + "/starred{/owner}{/repo}", "subscriptions_url": u + "/subscriptions", "organizations_url": u + "/orgs",
		"repos_url": u + "/repos", "events_url": u + "/events{/privacy}", "received_events_url": u + "/received_events",
	}
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (c *call) renderFullUser(a *accountRow) map[string]any {
	u := c.renderUser(a)
	maps.Copy(u, map[string]any{"name": orNil(a.Name), "company": nil, "blog": "", "location": nil, "email": orNil(a.Email), "hireable": nil, "bio": nil,
		"user_view_type": "public", "public_repos": 0, "public_gists": 0, "followers": 0, "following": 0, "created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z"})
	return u
}

func visibility(r *repoRow) string {
	if r.Private {
		return "private"
	}
	return "public"
}

// renderRepo has every member the minimal and the plain repository schemas
// require.
func (c *call) renderRepo(r *repoRow) map[string]any {
	full := c.s.fullName(r)
	u := c.api("/repos/%s", full)
	html := c.root() + "/" + full
	host := strings.TrimPrefix(c.root(), "http://")
	out := map[string]any{
		"id": r.ID, "node_id": nodeID("Repository", r.ID), "name": r.Name, "full_name": full, "private": r.Private, "visibility": visibility(r),
		"owner": c.renderUser(c.s.accounts.rows[r.OwnerID]), "html_url": html, "description": orNil(r.Description), "fork": r.Parent != 0, "url": u,
		"git_url": "git://" + host + "/" + full + ".git", "ssh_url": "git@" + host + ":" + full + ".git", "clone_url": html + ".git", "svn_url": html,
		"mirror_url": nil, "homepage": nil, "language": nil, "license": nil, "default_branch": r.DefaultBranch, "archived": r.Archived, "disabled": false,
		"forks": 0, "forks_count": 0, "watchers": 0, "watchers_count": 0, "stargazers_count": 0, "size": 0, "open_issues": 0, "open_issues_count": 0,
		"has_issues": true, "has_projects": false, "has_downloads": false, "has_wiki": false, "has_pages": false, "has_discussions": false,
		"is_template": false, "topics": []string{}, "allow_forking": true, "web_commit_signoff_required": false,
		"created_at": stamp(r.CreatedAt), "updated_at": stamp(r.UpdatedAt), "pushed_at": stamp(r.PushedAt),
	}
	for name, suffix := range map[string]string{
		"archive_url": "/{archive_format}{/ref}", "assignees_url": "/assignees{/user}", "blobs_url": "/git/blobs{/sha}", "branches_url": "/branches{/branch}",
		"collaborators_url": "/collaborators{/collaborator}", "comments_url": "/comments{/number}", "commits_url": "/commits{/sha}",
		"compare_url": "/compare/{base}...{head}", "contents_url": "/contents/{+path}", "contributors_url": "/contributors", "deployments_url": "/deployments",
		"downloads_url": "/downloads", "events_url": "/events", "forks_url": "/forks", "git_commits_url": "/git/commits{/sha}", "git_refs_url": "/git/refs{/sha}",
		"git_tags_url": "/git/tags{/sha}", "hooks_url": "/hooks", "issue_comment_url": "/issues/comments{/number}", "issue_events_url": "/issues/events{/number}",
		"issues_url": "/issues{/number}", "keys_url": "/keys{/key_id}", "labels_url": "/labels{/name}", "languages_url": "/languages", "merges_url": "/merges",
		"milestones_url": "/milestones{/number}", "notifications_url": "/notifications{?since,all,participating}", "pulls_url": "/pulls{/number}",
		"releases_url": "/releases{/id}", "stargazers_url": "/stargazers", "statuses_url": "/statuses/{sha}", "subscribers_url": "/subscribers",
		"subscription_url": "/subscription", "tags_url": "/tags", "teams_url": "/teams", "trees_url": "/git/trees{/sha}",
	} {
		out[name] = u + suffix
	}
	if c.id != nil && c.id.kind == identityUser {
		rank := permissionRank(c.s.permission(c.id.account.Login, r))
		out["permissions"] = map[string]any{"admin": rank >= permissionRank("admin"), "maintain": rank >= permissionRank("maintain"),
			"push": rank >= permissionRank("write"), "triage": rank >= permissionRank("triage"), "pull": rank >= permissionRank("read")}
	}
	return out
}

func (c *call) renderFullRepo(r *repoRow) map[string]any {
	out := c.renderRepo(r)
	out["network_count"], out["subscribers_count"] = 0, 0
	if parent := c.s.repos.rows[r.Parent]; parent != nil {
		out["parent"], out["source"] = c.renderRepo(parent), c.renderRepo(c.s.root(r))
	}
	mergeFlags(r, out)
	return out
}

// mergeFlags adds which ways to merge a repository allows.
func mergeFlags(r *repoRow, out map[string]any) {
	for method, flag := range mergeMethods {
		out[flag] = !slices.Contains(r.DenyMerge, method)
	}
	for _, flag := range []string{"allow_auto_merge", "delete_branch_on_merge", "allow_update_branch", "use_squash_pr_title_as_default"} {
		out[flag] = false
	}
}

func (c *call) renderApp(a *appRow) map[string]any {
	count := 0
	for _, i := range c.s.installations.rows {
		if i.AppID == a.ID {
			count++
		}
	}
	return map[string]any{
		"id": a.ID, "slug": a.Slug, "node_id": nodeID("App", a.ID), "client_id": a.ClientID, "name": a.Name, "description": "", "owner": c.renderUser(c.s.accounts.rows[a.OwnerID]),
		"external_url": c.root(), "html_url": c.root() + "/apps/" + a.Slug, "created_at": stamp(a.CreatedAt), "updated_at": stamp(a.CreatedAt),
		"permissions": orEmptyMap(a.Permissions), "events": orEmpty(a.Events), "installations_count": count,
	}
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func orEmptyMap(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func (c *call) renderInstallation(i *installationRow) map[string]any {
	account := c.s.accounts.rows[i.AccountID]
	app := c.s.apps.rows[i.AppID]
	out := map[string]any{
		"id": i.ID, "account": c.renderUser(account), "repository_selection": i.Selection, "app_id": i.AppID, "app_slug": app.Slug, "client_id": app.ClientID,
		"target_id": account.ID, "target_type": account.Type, "permissions": orEmptyMap(i.Permissions), "events": orEmpty(i.Events),
		"access_tokens_url": c.api("/app/installations/%d/access_tokens", i.ID), "repositories_url": c.api("/installation/repositories"),
		"html_url": c.root() + fmt.Sprintf("/settings/installations/%d", i.ID), "created_at": stamp(i.CreatedAt), "updated_at": stamp(i.CreatedAt),
		"single_file_name": nil, "has_multiple_single_files": false, "single_file_paths": []string{}, "suspended_by": nil, "suspended_at": stampPtr(i.SuspendedAt),
	}
	if i.SuspendedAt != nil {
		out["suspended_by"] = c.renderUser(account)
	}
	return out
}
