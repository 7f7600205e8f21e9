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

// Git objects in GraphQL.

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
			// Null beside an error: a client that stops at the first error stops here.
			return nil, gqlFail("NOT_FOUND", "Could not resolve file for path '%s'.", file)
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
