package githubtest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Pull requests in GraphQL.

// gqlPullRead is a pull request as a query sees it: stale while its head
// branch is, and asking is what makes GitHub compute mergeable.
func (c *call) gqlPullRead(r *repoRow, i *issueRow) (*gqlObject, error) {
	seen, err := c.s.seenPull(r, i)
	if err != nil {
		return nil, err
	}
	out := c.gqlPull(r, seen)
	return out, c.s.asked(r, i)
}

func (c *call) gqlPull(r *repoRow, i *issueRow) *gqlObject {
	p := i.Pull
	state := strings.ToUpper(i.State)
	if p.MergedAt != nil {
		state = "MERGED"
	}
	mergeable := "UNKNOWN"
	if p.Mergeable != nil {
		mergeable = map[bool]string{true: "MERGEABLE", false: "CONFLICTING"}[*p.Mergeable]
	}
	g := c.s.gitRepo(r)
	object := func(oid string) func(gqlArgs) (any, error) {
		return func(gqlArgs) (any, error) {
			if oid == "" {
				return nil, nil
			}
			return c.gqlGitObject(r, oid, "")
		}
	}
	counts := func(pick func(fileChange) int) func(gqlArgs) (any, error) {
		return func(gqlArgs) (any, error) {
			files, err := g.pullFiles(p)
			n := 0
			for _, f := range files {
				n += pick(f)
			}
			return n, err
		}
	}
	mergeState, stateErr := c.s.mergeState(r, i)
	return fieldsOf("PullRequest", map[string]any{
		"id": nodeID("PullRequest", r.ID, i.Number), "databaseId": p.ID, "fullDatabaseId": strconv.FormatInt(p.ID, 10), "number": i.Number, "title": i.Title, "body": i.Body, "state": state,
		"url": fmt.Sprintf("%s/%s/pull/%d", c.root(), c.s.fullName(r), i.Number), "headRefName": p.Head, "headRefOid": p.HeadSHA,
		"baseRefName": p.Base, "baseRefOid": p.BaseSHA, "merged": p.MergedAt != nil, "isDraft": p.Draft, "closed": i.State == "closed",
		"mergeable": mergeable, "createdAt": stamp(i.CreatedAt), "updatedAt": stamp(i.UpdatedAt), "closedAt": stampPtr(i.ClosedAt), "mergedAt": stampPtr(p.MergedAt),
		"mergeStateStatus": func(gqlArgs) (any, error) { return strings.ToUpper(mergeState), stateErr },
		"author":           func() any { return c.gqlActor(c.s.accounts.rows[i.AuthorID]) },
		"mergedBy": func() any {
			if p.MergedAt == nil {
				return nil
			}
			return c.gqlActor(c.s.accounts.rows[p.MergedBy])
		},
		"repository":           func() any { return c.gqlRepo(r) },
		"baseRepository":       func() any { return c.gqlRepo(r) },
		"isCrossRepository":    p.HeadRepo != 0,
		"maintainerCanModify":  p.Maintainer,
		"mergeCommit":          object(p.MergeSHA),
		"potentialMergeCommit": object(p.TestMerge),
		"headRepository": func() any {
			if from := c.s.headRepo(i); from != nil && c.s.sees(c.id, from) {
				return c.gqlRepo(from)
			}
			return nil
		},
		"headRepositoryOwner": func() any {
			owner, _, _ := strings.Cut(c.s.headLabel(r, i), ":")
			return c.gqlActor(c.s.accountByLogin(owner))
		},
		"headRef": func(gqlArgs) (any, error) {
			if from := c.s.headRepo(i); from != nil && c.s.sees(c.id, from) {
				return c.gqlRefNamed(from, "refs/heads/"+p.Head)
			}
			return nil, nil
		},
		"baseRef":      func(gqlArgs) (any, error) { return c.gqlRefNamed(r, "refs/heads/"+p.Base) },
		"changedFiles": counts(func(fileChange) int { return 1 }),
		"additions":    counts(func(f fileChange) int { return f.added }),
		"deletions":    counts(func(f fileChange) int { return f.removed }),
		"commits": func(args gqlArgs) (any, error) {
			list, err := g.pullCommits(p)
			if err != nil {
				return nil, err
			}
			items := []any{}
			for _, k := range limit(list, 250) {
				items = append(items, fieldsOf("PullRequestCommit", map[string]any{"id": nodeID("PullRequestCommit", r.ID, i.Number, k.oid), "commit": object(k.oid)}))
			}
			return connection("PullRequestCommit", "commits", args, items)
		},
	})
}

func (c *call) gqlPulls(r *repoRow, args gqlArgs) (any, error) {
	if err := c.s.allow(c.id, r, "pull_requests", "read"); err != nil {
		return nil, err
	}
	states, _ := args["states"].([]any)
	list := c.s.issues.find(func(i *issueRow) bool {
		if i.RepoID != r.ID || i.Pull == nil {
			return false
		}
		state := strings.ToUpper(i.State)
		if i.Pull.MergedAt != nil {
			state = "MERGED"
		}
		return (len(states) == 0 || slices.Contains(states, any(state))) &&
			(args.str("headRefName") == "" || args.str("headRefName") == i.Pull.Head) && (args.str("baseRefName") == "" || args.str("baseRefName") == i.Pull.Base)
	})
	if order, ok := args["orderBy"].(map[string]any); ok {
		if order["field"] == "UPDATED_AT" {
			slices.SortStableFunc(list, func(a, b *issueRow) int { return a.UpdatedAt.Compare(b.UpdatedAt) })
		}
		if order["direction"] == "DESC" {
			slices.Reverse(list)
		}
	}
	items := []any{}
	for _, i := range list {
		items = append(items, c.gqlPull(r, i))
	}
	return connection("PullRequest", "pullRequests", args, items)
}

// gqlRefused words a refusal of a pull request operation: the message of its
// first error, when it has one.
func gqlRefused(err error) error {
	var ae *apiError
	if errors.As(err, &ae) && ae.status >= 405 {
		if len(ae.errors) > 0 {
			one := ae.errors[0].(map[string]any)
			if m, ok := one["message"].(string); ok {
				return gqlFail("UNPROCESSABLE", "%s", m)
			}
			return gqlFail("UNPROCESSABLE", "%v is %v", one["field"], one["code"])
		}
		return gqlFail("UNPROCESSABLE", "%s", ae.message)
	}
	return err
}

func (c *call) gqlCreatePull(args gqlArgs) (any, error) {
	var in struct {
		RepositoryID        string `json:"repositoryId"`
		BaseRefName         string `json:"baseRefName"`
		HeadRefName         string `json:"headRefName"`
		HeadRepositoryID    string `json:"headRepositoryId"`
		Title               string `json:"title"`
		Body                string `json:"body"`
		Draft               bool   `json:"draft"`
		MaintainerCanModify *bool  `json:"maintainerCanModify"`
		ClientMutationID    string `json:"clientMutationId"`
	}
	if err := args.into("input", &in); err != nil {
		return nil, err
	}
	r, err := c.writable(in.RepositoryID, "pull_requests")
	if err != nil {
		return nil, err
	}
	pull := pullIn{Title: in.Title, Body: in.Body, Base: strings.TrimPrefix(in.BaseRefName, "refs/heads/"), Head: strings.TrimPrefix(in.HeadRefName, "refs/heads/"),
		Draft: in.Draft, Maintainer: in.MaintainerCanModify}
	if in.HeadRepositoryID != "" {
		parts := parseNodeID(in.HeadRepositoryID)
		var from *repoRow
		if len(parts) == 2 && parts[0] == "Repository" {
			n, _ := strconv.ParseInt(parts[1], 10, 64)
			from = c.s.repos.rows[n]
		}
		if from == nil || !c.s.sees(c.id, from) {
			return nil, gqlFail("NOT_FOUND", "Could not resolve to a node with the global id of '%s'", in.HeadRepositoryID)
		}
		if from != r {
			pull.Head, pull.HeadRepo = c.s.accounts.rows[from.OwnerID].Login+":"+pull.Head, from.Name
		}
	}
	i, err := c.s.openPull(r, c.id.account, "POST /graphql createPullRequest", pull)
	if err != nil {
		return nil, gqlRefused(err)
	}
	return fieldsOf("CreatePullRequestPayload", map[string]any{"clientMutationId": orNil(in.ClientMutationID), "pullRequest": c.gqlPull(r, i)}), nil
}

// gqlChangePull is every mutation of one pull request.
func (c *call) gqlChangePull(name string, args gqlArgs) (any, error) {
	var in struct {
		PullRequestID    string  `json:"pullRequestId"`
		ClientMutationID string  `json:"clientMutationId"`
		Title            *string `json:"title"`
		Body             *string `json:"body"`
		BaseRefName      *string `json:"baseRefName"`
		State            string  `json:"state"`
		CommitHeadline   string  `json:"commitHeadline"`
		CommitBody       string  `json:"commitBody"`
		ExpectedHeadOid  string  `json:"expectedHeadOid"`
		MergeMethod      string  `json:"mergeMethod"`
	}
	if err := args.into("input", &in); err != nil {
		return nil, err
	}
	missing := gqlFail("NOT_FOUND", "Could not resolve to a node with the global id of '%s'", in.PullRequestID)
	parts := parseNodeID(in.PullRequestID)
	if len(parts) != 3 || parts[0] != "PullRequest" {
		return nil, missing
	}
	permission := "pull_requests"
	if name == "mergePullRequest" {
		permission = "contents"
	}
	r, err := c.writable(nodeID("Repository", parts[1]), permission)
	if err != nil {
		return nil, err
	}
	number, _ := strconv.Atoi(parts[2])
	i := c.s.issue(r, number)
	if i == nil || i.Pull == nil {
		return nil, missing
	}
	inner := &call{s: c.s, id: c.id, repo: r}
	if err := inner.mayChange(i.AuthorID, "write"); err != nil {
		return nil, gqlFail("FORBIDDEN", "%s does not have the correct permissions to execute `%s`", c.id.account.Login, strings.ToUpper(name[:1])+name[1:])
	}
	cause := "POST /graphql " + name
	switch name {
	case "updatePullRequest":
		if err = c.s.editPull(r, i, c.id.account, cause, pullEdit{Title: in.Title, Body: in.Body, Base: in.BaseRefName}); err == nil && in.State != "" {
			err = c.s.setPullState(r, i, c.id.account, cause, strings.ToLower(in.State))
		}
	case "closePullRequest":
		err = c.s.setPullState(r, i, c.id.account, cause, "closed")
	case "reopenPullRequest":
		err = c.s.setPullState(r, i, c.id.account, cause, "open")
	case "markPullRequestReadyForReview":
		err = c.s.setDraft(r, i, c.id.account, cause, false)
	case "convertPullRequestToDraft":
		err = c.s.setDraft(r, i, c.id.account, cause, true)
	case "mergePullRequest":
		_, err = c.s.mergePull(r, i, c.id.account, cause, mergeIn{Title: in.CommitHeadline, Message: in.CommitBody, SHA: in.ExpectedHeadOid, Method: strings.ToLower(in.MergeMethod)})
	}
	if err != nil {
		return nil, gqlRefused(err)
	}
	return fieldsOf(strings.ToUpper(name[:1])+name[1:]+"Payload", map[string]any{"clientMutationId": orNil(in.ClientMutationID), "pullRequest": c.gqlPull(r, i),
		"actor": func() any { return c.gqlActor(c.id.account) }}), nil
}
