package githubtest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// fieldsOf builds an object from plain values and functions.
func fieldsOf(typ string, fields map[string]any) *gqlObject {
	return &gqlObject{typ: typ, resolve: func(name string, args gqlArgs) (any, error) {
		v, ok := fields[name]
		if !ok {
			return nil, errUnknownField
		}
		switch f := v.(type) {
		case func(gqlArgs) (any, error):
			return f(args)
		case func() any:
			return f(), nil
		}
		return v, nil
	}}
}

// connection pages a list as GraphQL does. GitHub refuses a connection
// without first or last, and more than 100 records.
func connection(typ, field string, args gqlArgs, items []any) (any, error) {
	first, hasFirst := args.num("first")
	last, hasLast := args.num("last")
	if !hasFirst && !hasLast {
		return nil, gqlFail("MISSING_PAGINATION_BOUNDARIES", "You must provide a `first` or `last` value to properly paginate the `%s` connection.", field)
	}
	for name, n := range map[string]int{"first": first, "last": last} {
		if n > 100 {
			return nil, gqlFail("EXCESSIVE_PAGINATION", "Requesting %d records on the `%s` connection exceeds the `%s` limit of 100 records.", n, field, name)
		}
		if n < 0 {
			return nil, gqlFail("", "`%s` on the `%s` connection cannot be less than zero.", name, field)
		}
	}
	total := len(items)
	from, to := 0, total
	if after := args.str("after"); after != "" {
		n, err := strconv.Atoi(after)
		if err != nil {
			return nil, gqlFail("INVALID_CURSOR_ARGUMENTS", "`%s` does not appear to be a valid cursor.", after)
		}
		from = min(max(n, 0), total)
	}
	if before := args.str("before"); before != "" {
		n, err := strconv.Atoi(before)
		if err != nil {
			return nil, gqlFail("INVALID_CURSOR_ARGUMENTS", "`%s` does not appear to be a valid cursor.", before)
		}
		to = max(from, min(n-1, total))
	}
	if hasFirst {
		to = min(to, from+first)
	}
	if hasLast {
		from = max(from, to-last)
	}
	page := items[from:to]
	var edges []any
	for i, item := range page {
		edges = append(edges, fieldsOf(typ+"Edge", map[string]any{"cursor": strconv.Itoa(from + i + 1), "node": item}))
	}
	var start, end any
	if len(page) > 0 {
		start, end = strconv.Itoa(from+1), strconv.Itoa(to)
	}
	if edges == nil {
		edges = []any{}
	}
	return fieldsOf(typ+"Connection", map[string]any{
		"nodes": page, "edges": edges, "totalCount": total,
		"pageInfo": fieldsOf("PageInfo", map[string]any{"hasNextPage": to < total, "hasPreviousPage": from > 0, "startCursor": start, "endCursor": end}),
	}), nil
}

func (c *call) gqlQuery() *gqlObject {
	return &gqlObject{typ: "Query", resolve: func(name string, args gqlArgs) (any, error) {
		switch name {
		case "repository":
			owner, repo := args.str("owner"), args.str("name")
			r, former := c.s.repoByName(owner, repo)
			if follow, ok := args["followRenames"].(bool); ok && !follow && former {
				r = nil
			}
			if r == nil || !c.s.sees(c.id, r) {
				return nil, gqlFail("NOT_FOUND", "Could not resolve to a Repository with the name '%s/%s'.", owner, repo)
			}
			return c.gqlRepo(r), nil
		case "rateLimit":
			b := c.s.bucket(c.id, "graphql")
			return fieldsOf("RateLimit", map[string]any{"cost": 1, "limit": b.limit, "nodeCount": 0, "remaining": b.remaining(), "used": b.used, "resetAt": stamp(b.reset)}), nil
		case "viewer":
			return c.gqlActor(c.id.account), nil
		case "node":
			return c.gqlNode(args.str("id"))
		case "nodes":
			ids, _ := args["ids"].([]any)
			out := []any{}
			for _, id := range ids {
				text, _ := id.(string)
				n, err := c.gqlNode(text)
				if err != nil {
					return nil, err
				}
				out = append(out, n)
			}
			return out, nil
		}
		return nil, errUnknownField
	}}
}

func (c *call) gqlNode(id string) (any, error) {
	notFound := gqlFail("NOT_FOUND", "Could not resolve to a node with the global id of '%s'", id)
	parts := parseNodeID(id)
	if len(parts) < 2 {
		return nil, notFound
	}
	n, _ := strconv.ParseInt(parts[1], 10, 64)
	switch parts[0] {
	case "User":
		if a := c.s.accounts.rows[n]; a != nil {
			return c.gqlActor(a), nil
		}
	case "Repository", "Ref", "Commit", "Tree", "Blob", "PullRequest":
		r := c.s.repos.rows[n]
		if r == nil || !c.s.sees(c.id, r) {
			return nil, notFound
		}
		if parts[0] == "Repository" {
			return c.gqlRepo(r), nil
		}
		if len(parts) < 3 {
			return nil, notFound
		}
		if parts[0] != "PullRequest" {
			if err := c.s.allow(c.id, r, "contents", "read"); err != nil {
				return nil, err
			}
		}
		rest := strings.Join(parts[2:], ":")
		switch parts[0] {
		case "Ref":
			oid, ok, err := c.s.readRef(r, rest)
			if err != nil || !ok {
				return nil, errors.Join(err, notFound)
			}
			return c.gqlRef(r, rest, oid), nil
		case "PullRequest":
			number, _ := strconv.Atoi(rest)
			if i := c.s.issue(r, number); i != nil && i.Pull != nil {
				if err := c.s.allow(c.id, r, "pull_requests", "read"); err != nil {
					return nil, err
				}
				return c.gqlPullRead(r, i)
			}
		default:
			return c.gqlGitObject(r, rest, "")
		}
	}
	return nil, notFound
}

func (c *call) gqlActor(a *accountRow) *gqlObject {
	if a == nil {
		return nil
	}
	return fieldsOf(a.Type, map[string]any{"login": a.Login, "id": nodeID("User", a.ID), "databaseId": a.ID, "name": orNil(a.Name), "email": a.Email,
		"url": c.root() + "/" + a.Login, "resourcePath": "/" + a.Login, "avatarUrl": fmt.Sprintf("%s/avatars/u/%d", c.root(), a.ID)})
}

func (c *call) gqlRepo(r *repoRow) *gqlObject {
	g := c.s.gitRepo(r)
	full := c.s.fullName(r)
	readable := func() error { return c.s.allow(c.id, r, "contents", "read") }
	return fieldsOf("Repository", map[string]any{
		"id": nodeID("Repository", r.ID), "databaseId": r.ID, "name": r.Name, "nameWithOwner": full, "description": orNil(r.Description),
		"owner": func() any { return c.gqlActor(c.s.accounts.rows[r.OwnerID]) }, "isArchived": r.Archived, "isPrivate": r.Private, "isFork": r.Parent != 0, "isDisabled": false,
		"visibility": strings.ToUpper(visibility(r)), "url": c.root() + "/" + full, "createdAt": stamp(r.CreatedAt), "pushedAt": stamp(r.PushedAt), "updatedAt": stamp(r.UpdatedAt),
		"isEmpty": func(gqlArgs) (any, error) {
			refs, err := g.refs("refs/")
			return len(refs) == 0, err
		},
		"viewerPermission": func() any {
			if c.id.kind == identityUser {
				if p := c.s.permission(c.id.account.Login, r); p != "none" {
					return strings.ToUpper(p)
				}
			}
			return nil
		},
		"defaultBranchRef": func(gqlArgs) (any, error) {
			if err := readable(); err != nil {
				return nil, err
			}
			return c.gqlRefNamed(r, "refs/heads/"+r.DefaultBranch)
		},
		"ref": func(args gqlArgs) (any, error) {
			if err := readable(); err != nil {
				return nil, err
			}
			name := args.str("qualifiedName")
			if strings.HasPrefix(name, "refs/") {
				return c.gqlRefNamed(r, name)
			}
			ref, err := c.gqlRefNamed(r, "refs/heads/"+name)
			if err == nil && ref == nil {
				return c.gqlRefNamed(r, "refs/tags/"+name)
			}
			return ref, err
		},
		"refs": func(args gqlArgs) (any, error) {
			if err := readable(); err != nil {
				return nil, err
			}
			refs, err := g.refs(args.str("refPrefix"))
			if err != nil {
				return nil, err
			}
			items := []any{}
			for _, ref := range refs {
				if !strings.Contains(strings.ToLower(ref.name), strings.ToLower(args.str("query"))) {
					continue
				}
				items = append(items, c.gqlRef(r, ref.name, ref.oid))
			}
			return connection("Ref", "refs", args, items)
		},
		"object": func(args gqlArgs) (any, error) {
			if err := readable(); err != nil {
				return nil, err
			}
			if oid := args.str("oid"); oid != "" {
				return c.gqlGitObject(r, oid, "")
			}
			return c.gqlExpression(r, args.str("expression"))
		},
		"pullRequest": func(args gqlArgs) (any, error) {
			if err := c.s.allow(c.id, r, "pull_requests", "read"); err != nil {
				return nil, err
			}
			number, _ := args.num("number")
			i := c.s.issue(r, number)
			if i == nil || i.Pull == nil {
				return nil, gqlFail("NOT_FOUND", "Could not resolve to a PullRequest with the number of %d.", number)
			}
			return c.gqlPullRead(r, i)
		},
		"pullRequests": func(args gqlArgs) (any, error) { return c.gqlPulls(r, args) },
		"parent": func() any {
			if parent := c.s.repos.rows[r.Parent]; parent != nil && c.s.sees(c.id, parent) {
				return c.gqlRepo(parent)
			}
			return nil
		},
	})
}

func (c *call) gqlRefNamed(r *repoRow, name string) (any, error) {
	if !validRef(name) {
		return nil, nil
	}
	oid, ok, err := c.s.readRef(r, name)
	if err != nil || !ok {
		return nil, err
	}
	return c.gqlRef(r, name, oid), nil
}

func (c *call) gqlRef(r *repoRow, name, oid string) *gqlObject {
	i := strings.LastIndex(name, "/")
	for _, prefix := range []string{"refs/heads/", "refs/tags/"} {
		if strings.HasPrefix(name, prefix) {
			i = len(prefix) - 1
		}
	}
	return fieldsOf("Ref", map[string]any{
		"id": nodeID("Ref", r.ID, name), "name": name[i+1:], "prefix": name[:i+1],
		"repository": func() any { return c.gqlRepo(r) },
		"target":     func(gqlArgs) (any, error) { return c.gqlGitObject(r, oid, "") },
		"branchProtectionRule": func() any {
			p := c.s.protection(r, name)
			if p == nil || p.Ruleset {
				return nil
			}
			return fieldsOf("BranchProtectionRule", map[string]any{"pattern": name[i+1:], "requiresApprovingReviews": true})
		},
	})
}
