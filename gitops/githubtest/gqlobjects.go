package githubtest

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"
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
		if err := c.s.allow(c.id, r, "contents", "read"); err != nil {
			return nil, err
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
				return c.gqlPull(r, i), nil
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
		"owner": func() any { return c.gqlActor(c.s.accounts.rows[r.OwnerID]) }, "isArchived": r.Archived, "isPrivate": r.Private, "isFork": false, "isDisabled": false,
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
			return c.gqlPull(r, i), nil
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

// gqlExpression resolves what git rev-parse would, as far as clients use it:
// NAME, NAME:PATH, NAME^{tree} and NAME^{commit}.
func (c *call) gqlExpression(r *repoRow, expression string) (any, error) {
	inner := &call{s: c.s, repo: r, git: c.s.gitRepo(r), id: c.id}
	name, file, hasPath := strings.Cut(expression, ":")
	name, peel, hasPeel := strings.Cut(name, "^")
	if hasPeel && peel != "{tree}" && peel != "{commit}" || strings.Contains(name, "~") || strings.Contains(name, "@{") {
		return nil, fmt.Errorf("object(expression: %q): %w", expression, errUnknownField)
	}
	oid, err := inner.resolve(name)
	if errors.Is(err, errNoObject) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !hasPath && peel != "{tree}" {
		return c.gqlGitObject(r, oid, "")
	}
	tree, err := inner.treeish(oid)
	if errors.Is(err, errNoObject) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !hasPath {
		return c.gqlGitObject(r, tree, "")
	}
	file = strings.Trim(file, "/")
	e, err := inner.git.entryAt(tree, file)
	if errors.Is(err, errNoObject) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return c.gqlGitObject(r, e.oid, file)
}

// gqlGitObject is the object, or null when there is none. at is the path it
// was found under, so that entries know their full path.
func (c *call) gqlGitObject(r *repoRow, oid, at string) (any, error) {
	g := c.s.gitRepo(r)
	o, err := g.read(oid)
	if errors.Is(err, errNoObject) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	full := c.s.fullName(r)
	typ := map[string]string{kindBlob: "Blob", kindTree: "Tree", kindCommit: "Commit", kindTag: "Tag"}[o.kind]
	fields := map[string]any{
		"id": nodeID(typ, r.ID, oid), "oid": oid, "abbreviatedOid": oid[:7],
		"repository":         func() any { return c.gqlRepo(r) },
		"commitUrl":          c.root() + "/" + full + "/commit/" + oid,
		"commitResourcePath": "/" + full + "/commit/" + oid,
	}
	switch o.kind {
	case kindBlob:
		c.blobFields(fields, o.data)
	case kindTree:
		fields["entries"] = func(gqlArgs) (any, error) {
			list, err := parseTree(o.data)
			if err != nil {
				return nil, err
			}
			out := []any{}
			for _, e := range list {
				out = append(out, c.gqlTreeEntry(r, at, e))
			}
			return out, nil
		}
	case kindCommit:
		k, err := parseCommit(oid, o.data)
		if err != nil {
			return nil, err
		}
		c.commitFields(fields, r, k)
	case kindTag:
		head, message, _ := strings.Cut(string(o.data), "\n\n")
		for _, line := range strings.Split(head, "\n") {
			key, value, _ := strings.Cut(line, " ")
			switch key {
			case "object":
				fields["target"] = func(gqlArgs) (any, error) { return c.gqlGitObject(r, value, "") }
			case "tag":
				fields["name"] = value
			}
		}
		fields["message"] = message
	}
	return fieldsOf(typ, fields), nil
}

func isBinary(data []byte) bool {
	return bytes.IndexByte(data[:min(len(data), 8000)], 0) >= 0
}

// blobFields: text is null for binary content; above the limit it is cut and
// isTruncated says so. Bytes that are no UTF-8 arrive replaced, which a client
// notices by the object id only.
func (c *call) blobFields(fields map[string]any, data []byte) {
	limit := 512000
	if c.s.knobs.BlobTextLimit > 0 {
		limit = c.s.knobs.BlobTextLimit
	}
	fields["byteSize"] = len(data)
	fields["isBinary"] = isBinary(data)
	fields["isTruncated"] = len(data) > limit
	fields["text"] = func() any {
		if isBinary(data) {
			return nil
		}
		text := data
		if len(text) > limit {
			text = text[:limit]
			for len(text) > 0 && !utf8.Valid(text[max(0, len(text)-4):]) && !utf8.RuneStart(data[len(text)]) {
				text = text[:len(text)-1]
			}
		}
		return string(text)
	}
}

func (c *call) gqlTreeEntry(r *repoRow, at string, e treeEntry) *gqlObject {
	mode, _ := strconv.ParseInt(e.mode, 8, 32)
	full := path.Join(at, e.name)
	return fieldsOf("TreeEntry", map[string]any{
		"name": e.name, "path": full, "mode": mode, "type": e.kind(), "oid": e.oid, "extension": path.Ext(e.name), "isGenerated": false,
		"size": func() any {
			if e.kind() == kindBlob {
				if o, err := c.s.gitRepo(r).read(e.oid); err == nil {
					return len(o.data)
				}
			}
			return 0
		},
		"object": func(gqlArgs) (any, error) {
			if e.mode == modeGitlink {
				return nil, nil
			}
			return c.gqlGitObject(r, e.oid, full)
		},
		"submodule": nil,
	})
}

func (c *call) gqlGitActor(sig signature) *gqlObject {
	return fieldsOf("GitActor", map[string]any{"name": sig.name, "email": sig.email, "date": sig.when.Format("2006-01-02T15:04:05Z07:00"),
		"user": func() any {
			if a := c.s.accountByEmail(sig.email); a != nil && a.Type == typeUser {
				return c.gqlActor(a)
			}
			return nil
		}})
}

func (c *call) commitFields(fields map[string]any, r *repoRow, k *commit) {
	g := c.s.gitRepo(r)
	full := c.s.fullName(r)
	fields["message"], fields["messageHeadline"], fields["messageBody"] = k.message, k.headline(), k.body()
	fields["committedDate"], fields["authoredDate"] = stamp(k.committer.when), stamp(k.author.when)
	fields["url"], fields["resourcePath"] = c.root()+"/"+full+"/commit/"+k.oid, "/"+full+"/commit/"+k.oid
	fields["author"], fields["committer"] = c.gqlGitActor(k.author), c.gqlGitActor(k.committer)
	fields["tree"] = func(gqlArgs) (any, error) { return c.gqlGitObject(r, k.tree, "") }
	fields["file"] = func(args gqlArgs) (any, error) {
		file := strings.Trim(args.str("path"), "/")
		e, err := g.entryAt(k.tree, file)
		if errors.Is(err, errNoObject) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		e.name = path.Base(file)
		dir := path.Dir(file)
		if dir == "." {
			dir = ""
		}
		return c.gqlTreeEntry(r, dir, e), nil
	}
	fields["parents"] = func(args gqlArgs) (any, error) {
		items := []any{}
		for _, p := range k.parents {
			o, err := c.gqlGitObject(r, p, "")
			if err != nil {
				return nil, err
			}
			items = append(items, o)
		}
		return connection("Commit", "parents", args, items)
	}
	fields["history"] = func(args gqlArgs) (any, error) { return c.gqlHistory(r, k, args) }
	fields["signature"] = func() any {
		if !c.s.signedBy[k.oid] {
			return nil
		}
		return fieldsOf("GpgSignature", map[string]any{"isValid": true, "state": "VALID", "wasSignedByGitHub": true})
	}
}

// gqlHistory pages the commits reachable from k, those that changed a path
// when one is given. It walks no further than the page needs, so a read of
// the newest commits does not grow with the history.
func (c *call) gqlHistory(r *repoRow, k *commit, args gqlArgs) (any, error) {
	g := c.s.gitRepo(r)
	file := strings.Trim(args.str("path"), "/")
	walk := func(enough int) ([]any, error) {
		items := []any{}
		var failed error
		err := g.history([]string{k.oid}, func(h *commit) bool {
			if file != "" {
				same, err := g.samePath(h, file)
				if err != nil {
					failed = err
					return false
				}
				if same {
					return true
				}
			}
			o, err := c.gqlGitObject(r, h.oid, "")
			if err != nil {
				failed = err
				return false
			}
			items = append(items, o)
			return enough == 0 || len(items) < enough
		})
		return items, errors.Join(err, failed)
	}
	first, hasFirst := args.num("first")
	offset, err := strconv.Atoi(args.str("after"))
	enough := 0
	if hasFirst && (err == nil || args.str("after") == "") && args["before"] == nil && args["last"] == nil {
		enough = max(offset, 0) + max(first, 0) + 1
	}
	items, err := walk(enough)
	if err != nil {
		return nil, err
	}
	conn, err := connection("CommitHistory", "history", args, items)
	if err != nil || enough == 0 {
		return conn, err
	}
	page := conn.(*gqlObject)
	return &gqlObject{typ: page.typ, resolve: func(name string, args gqlArgs) (any, error) {
		if name == "totalCount" {
			all, err := walk(0)
			return len(all), err
		}
		return page.resolve(name, args)
	}}, nil
}

// samePath says whether a commit left a path as its first parent had it.
func (r *gitRepo) samePath(k *commit, file string) (bool, error) {
	at := func(tree string) (treeEntry, error) {
		e, err := r.entryAt(tree, file)
		if errors.Is(err, errNoObject) {
			err = nil
		}
		return e, err
	}
	here, err := at(k.tree)
	if err != nil {
		return false, err
	}
	if len(k.parents) == 0 {
		return here.oid == "", nil
	}
	for _, parent := range k.parents {
		p, err := r.commit(parent)
		if err != nil {
			return false, err
		}
		there, err := at(p.tree)
		if err != nil {
			return false, err
		}
		if here.oid == there.oid && here.mode == there.mode {
			return true, nil
		}
	}
	return false, nil
}

func (c *call) gqlPull(r *repoRow, i *issueRow) *gqlObject {
	state := strings.ToUpper(i.State)
	if i.Pull.MergedAt != nil {
		state = "MERGED"
	}
	mergeable := "UNKNOWN"
	if i.Pull.Mergeable != nil {
		mergeable = map[bool]string{true: "MERGEABLE", false: "CONFLICTING"}[*i.Pull.Mergeable]
	}
	return fieldsOf("PullRequest", map[string]any{
		"id": nodeID("PullRequest", r.ID, i.Number), "databaseId": i.Pull.ID, "number": i.Number, "title": i.Title, "body": i.Body, "state": state,
		"url": fmt.Sprintf("%s/%s/pull/%d", c.root(), c.s.fullName(r), i.Number), "headRefName": i.Pull.Head, "headRefOid": i.Pull.HeadSHA,
		"baseRefName": i.Pull.Base, "baseRefOid": i.Pull.BaseSHA, "merged": i.Pull.MergedAt != nil, "isDraft": i.Pull.Draft, "closed": i.State == "closed",
		"mergeable": mergeable, "createdAt": stamp(i.CreatedAt), "updatedAt": stamp(i.UpdatedAt), "author": func() any { return c.gqlActor(c.s.accounts.rows[i.AuthorID]) },
		"repository": func() any { return c.gqlRepo(r) },
	})
}
