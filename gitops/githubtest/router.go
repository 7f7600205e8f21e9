package githubtest

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// How a route wants its caller.
const (
	authRepo         = iota // by permission on the repository in the path
	authApp                 // an App's JWT
	authInstallation        // an installation token
	authUser                // a user's token
	authNone
)

// route is one operation of GitHub's REST API.
type route struct {
	method     string
	template   string
	auth       int
	permission string // App permission; alternatives separated by |
	level      string // read, write or admin
	handle     func(*call) (int, any, error)
	free       bool // does not count on the rate limit
	mint       bool // counted in "other"
	segments   []string
}

var graphqlRoute = route{method: "POST", template: "/graphql"}

func buildRoutes() []*route {
	var out []*route
	add := func(auth int, permission, level, method, template string, handle func(*call) (int, any, error)) *route {
		r := &route{method: method, template: template, auth: auth, permission: permission, level: level, handle: handle,
			segments: strings.Split(strings.Trim(template, "/"), "/")}
		out = append(out, r)
		return r
	}
	repo := func(permission, level, method, template string, handle func(*call) (int, any, error)) {
		add(authRepo, permission, level, method, "/repos/{owner}/{repo}"+template, handle)
	}

	add(authNone, "", "", "GET", "/rate_limit", (*call).rateLimit).free = true
	add(authNone, "", "", "GET", "/meta", (*call).getMeta)
	add(authUser, "", "", "GET", "/user", (*call).getAuthenticatedUser)
	add(authNone, "", "", "GET", "/users/{username}", (*call).getUser)

	add(authApp, "", "", "GET", "/app", (*call).getApp)
	add(authApp, "", "", "GET", "/app/installations", (*call).listInstallations)
	add(authApp, "", "", "GET", "/app/installations/{installation_id}", (*call).getInstallation)
	add(authApp, "", "", "PUT", "/app/installations/{installation_id}/suspended", (*call).suspendInstallation)
	add(authApp, "", "", "POST", "/app/installations/{installation_id}/access_tokens", (*call).createToken).mint = true
	add(authApp, "", "", "GET", "/repos/{owner}/{repo}/installation", (*call).getRepoInstallation)
	add(authApp, "", "", "GET", "/orgs/{org}/installation", (*call).getAccountInstallation)
	add(authApp, "", "", "GET", "/users/{username}/installation", (*call).getAccountInstallation)
	add(authApp, "", "", "GET", "/app/hook/config", (*call).getHookConfig)
	add(authApp, "", "", "PATCH", "/app/hook/config", (*call).updateHookConfig)
	add(authApp, "", "", "GET", "/app/hook/deliveries", (*call).listDeliveries)
	add(authApp, "", "", "GET", "/app/hook/deliveries/{delivery_id}", (*call).getDelivery)
	add(authApp, "", "", "POST", "/app/hook/deliveries/{delivery_id}/attempts", (*call).redeliver)
	add(authInstallation, "", "", "GET", "/installation/repositories", (*call).listInstallationRepos)
	add(authInstallation, "", "", "DELETE", "/installation/token", (*call).revokeToken)

	add(authNone, "", "", "POST", "/app-manifests/{code}/conversions", (*call).convertManifest)
	add(authNone, "", "", "GET", "/orgs/{org}/teams/{team_slug}/memberships/{username}", (*call).teamMembership)

	repo("metadata", "read", "GET", "", (*call).getRepo)
	repo("administration", "admin", "PATCH", "", (*call).updateRepo)

	repo("contents", "read", "GET", "/git/ref/{ref}", (*call).getRef)
	repo("contents", "read", "GET", "/git/matching-refs/{ref}", (*call).matchingRefs)
	repo("contents", "write", "POST", "/git/refs", (*call).createRef)
	repo("contents", "write", "PATCH", "/git/refs/{ref}", (*call).updateRef)
	repo("contents", "write", "DELETE", "/git/refs/{ref}", (*call).deleteRef)
	repo("contents", "read", "GET", "/git/commits/{commit_sha}", (*call).getGitCommit)
	repo("contents", "write", "POST", "/git/commits", (*call).createGitCommit)
	repo("contents", "read", "GET", "/git/trees/{tree_sha}", (*call).getTree)
	repo("contents", "write", "POST", "/git/trees", (*call).createTree)
	repo("contents", "read", "GET", "/git/blobs/{file_sha}", (*call).getBlob)
	repo("contents", "write", "POST", "/git/blobs", (*call).createBlob)

	repo("contents", "read", "GET", "/branches", (*call).listBranches)
	repo("contents", "read", "GET", "/branches/{branch}", (*call).getBranch)
	repo("administration", "read", "GET", "/branches/{branch}/protection", (*call).getProtection)
	repo("administration", "admin", "PUT", "/branches/{branch}/protection", (*call).setProtection)
	repo("metadata", "read", "GET", "/rules/branches/{branch}", (*call).branchRules)
	repo("contents", "read", "GET", "/commits", (*call).listCommits)
	repo("contents", "read", "GET", "/commits/{ref}", (*call).getCommit)
	repo("contents", "read", "GET", "/compare/{basehead}", (*call).compare)
	repo("contents", "read", "GET", "/contents/{path}", (*call).getContents)
	repo("contents", "write", "PUT", "/contents/{path}", (*call).putContents)
	repo("contents", "write", "DELETE", "/contents/{path}", (*call).deleteContents)
	repo("contents", "read", "GET", "/tarball/{ref}", (*call).tarball)
	repo("contents", "read", "GET", "/readme", (*call).getReadme)
	repo("contents", "write", "POST", "/merges", (*call).mergeBranches)

	repo("pull_requests", "read", "GET", "/pulls", (*call).listPulls)
	repo("pull_requests", "write", "POST", "/pulls", (*call).createPull)
	repo("pull_requests", "read", "GET", "/pulls/{pull_number}", (*call).getPull)
	repo("pull_requests", "write", "PATCH", "/pulls/{pull_number}", (*call).updatePull)
	repo("pull_requests", "read", "GET", "/pulls/{pull_number}/commits", (*call).listPullCommits)
	repo("pull_requests", "read", "GET", "/pulls/{pull_number}/files", (*call).listPullFiles)
	repo("contents", "write", "PUT", "/pulls/{pull_number}/merge", (*call).mergePullRequest)
	repo("pull_requests", "read", "GET", "/commits/{commit_sha}/pulls", (*call).commitPulls)

	repo("issues|pull_requests", "read", "GET", "/issues", (*call).listIssues)
	repo("issues", "write", "POST", "/issues", (*call).createIssue)
	repo("issues|pull_requests", "read", "GET", "/issues/{issue_number}", (*call).getIssue)
	repo("issues|pull_requests", "write", "PATCH", "/issues/{issue_number}", (*call).updateIssue)
	repo("issues|pull_requests", "read", "GET", "/issues/comments", (*call).listRepoComments)
	repo("issues|pull_requests", "read", "GET", "/issues/comments/{comment_id}", (*call).getComment)
	repo("issues|pull_requests", "write", "PATCH", "/issues/comments/{comment_id}", (*call).updateComment)
	repo("issues|pull_requests", "write", "DELETE", "/issues/comments/{comment_id}", (*call).deleteComment)
	repo("issues|pull_requests", "write", "POST", "/issues/comments/{comment_id}/reactions", (*call).reactToComment)
	repo("issues|pull_requests", "read", "GET", "/issues/{issue_number}/comments", (*call).listIssueComments)
	repo("issues|pull_requests", "write", "POST", "/issues/{issue_number}/comments", (*call).createComment)
	repo("issues|pull_requests", "write", "POST", "/issues/{issue_number}/reactions", (*call).reactToIssue)
	repo("issues|pull_requests", "write", "POST", "/issues/{issue_number}/labels", (*call).addLabels)
	repo("issues|pull_requests", "write", "PUT", "/issues/{issue_number}/labels", (*call).setLabels)
	repo("issues|pull_requests", "write", "DELETE", "/issues/{issue_number}/labels/{name}", (*call).removeLabel)
	repo("issues|pull_requests", "read", "GET", "/labels", (*call).listLabels)
	repo("issues|pull_requests", "write", "POST", "/labels", (*call).createLabel)

	repo("checks", "write", "POST", "/check-runs", (*call).createCheckRun)
	repo("checks", "read", "GET", "/check-runs/{check_run_id}", (*call).getCheckRun)
	repo("checks", "write", "PATCH", "/check-runs/{check_run_id}", (*call).updateCheckRun)
	repo("checks", "read", "GET", "/check-runs/{check_run_id}/annotations", (*call).listAnnotations)
	repo("checks", "write", "POST", "/check-runs/{check_run_id}/rerequest", (*call).rerequestRun)
	repo("checks", "read", "GET", "/check-suites/{check_suite_id}", (*call).getSuite)
	repo("checks", "read", "GET", "/check-suites/{check_suite_id}/check-runs", (*call).listRunsInSuite)
	repo("checks", "write", "POST", "/check-suites/{check_suite_id}/rerequest", (*call).rerequestSuite)
	repo("checks", "read", "GET", "/commits/{ref}/check-runs", (*call).listRunsForRef)
	repo("checks", "read", "GET", "/commits/{ref}/check-suites", (*call).listSuitesForRef)
	repo("statuses", "write", "POST", "/statuses/{sha}", (*call).createStatus)
	repo("statuses", "read", "GET", "/commits/{ref}/status", (*call).combinedStatus)

	repo("pull_requests", "read", "GET", "/pulls/{pull_number}/reviews", (*call).listReviews)
	repo("pull_requests", "write", "POST", "/pulls/{pull_number}/reviews", (*call).createReview)
	repo("pull_requests", "write", "PUT", "/pulls/{pull_number}/update-branch", (*call).updateBranch)
	repo("administration", "admin", "POST", "/branches/{branch}/rename", (*call).renameBranch)
	add(authUser, "", "", "GET", "/user/installations", (*call).listUserInstallations)
	add(authUser, "", "", "GET", "/user/installations/{installation_id}/repositories", (*call).listUserInstallationRepos)

	repo("metadata", "read", "GET", "/collaborators", (*call).listCollaborators)
	repo("metadata", "read", "GET", "/collaborators/{username}/permission", (*call).collaboratorPermission)
	return out
}

// multi says whether a template parameter may hold slashes.
func multi(segment string) bool {
	switch segment {
	case "{ref}", "{path}", "{basehead}", "{branch}":
		return true
	}
	return false
}

// matches compares path segments with the template and returns the number of
// literal segments that matched; -1 for no match.
func (r *route) matches(parts []string, params map[string]string) int {
	literals := 0
	i := 0
	for k, seg := range r.segments {
		if seg != "" && seg[0] == '{' {
			n := 1
			if multi(seg) {
				n = len(parts) - i - (len(r.segments) - k - 1)
				if n < 1 && !(n == 0 && seg == "{path}") {
					return -1
				}
			}
			if i+n > len(parts) {
				return -1
			}
			params[strings.Trim(seg, "{}")] = strings.Join(parts[i:i+n], "/")
			i += n
			continue
		}
		if i >= len(parts) || parts[i] != seg {
			return -1
		}
		literals++
		i++
	}
	if i != len(parts) {
		return -1
	}
	return literals
}

// match finds the route of a request; /repositories/{id}/… is the same
// repository by its id.
func (s *Server) match(method string, c *call) (*route, map[string]string) {
	path := c.path
	if rest, ok := strings.CutPrefix(path, "/repositories/"); ok {
		idText, rest, _ := strings.Cut(rest, "/")
		id, err := strconv.ParseInt(idText, 10, 64)
		owner, name := "-", "-" // no such repository: the route's own 404
		if err == nil {
			if r := s.repos.rows[id]; r != nil {
				owner, name, _ = strings.Cut(s.fullName(r), "/")
			}
		}
		path = strings.TrimSuffix(fmt.Sprintf("/repos/%s/%s/%s", owner, name, rest), "/")
		c.path = path
	}
	var parts []string
	for _, p := range strings.Split(strings.Trim(path, "/"), "/") {
		u, err := url.PathUnescape(p)
		if err != nil {
			u = p
		}
		parts = append(parts, u)
	}
	if method == "HEAD" {
		method = "GET"
	}
	var best *route
	var bestParams map[string]string
	bestScore := -1
	for _, r := range s.routes {
		if r.method != method {
			continue
		}
		params := map[string]string{}
		if score := r.matches(parts, params); score > bestScore {
			best, bestParams, bestScore = r, params, score
		}
	}
	return best, bestParams
}

// knownTemplate says whether a fault's route can ever match.
func (s *Server) knownTemplate(template string) bool {
	if template == "POST /graphql" || strings.HasPrefix(template, "POST /graphql ") {
		return true
	}
	for _, g := range gitTemplates {
		if g == template {
			return true
		}
	}
	for _, r := range s.routes {
		if r.method+" "+r.template == template {
			return true
		}
	}
	return false
}
