package githubtest

import (
	"errors"
	"path"
	"sort"
	"strings"
)

// Contents: files and directories by path, and commits of one file.

// maxContents is the size above which contents leaves the content out.
const maxContents = 1 << 20

func (c *call) renderContent(e treeEntry, p string, ref string) map[string]any {
	url := c.repoURL("/contents/%s?ref=%s", p, ref)
	out := map[string]any{"name": path.Base(p), "path": p, "sha": e.oid, "url": url}
	size := 0
	html := c.htmlRepo() + "/blob/" + ref + "/" + p
	git := c.repoURL("/git/blobs/%s", e.oid)
	var download any = c.htmlRepo() + "/raw/" + ref + "/" + p
	switch {
	case e.mode == modeTree:
		out["type"], html, git, download = "dir", c.htmlRepo()+"/tree/"+ref+"/"+p, c.repoURL("/git/trees/%s", e.oid), nil
	case e.mode == modeGitlink:
		out["type"], git, download = "submodule", c.repoURL("/git/trees/%s", e.oid), nil
		out["submodule_git_url"] = nil
	default:
		out["type"] = "file"
		if e.mode == modeSymlink {
			out["type"] = "symlink"
		}
		if o, err := c.git.read(e.oid); err == nil {
			size = len(o.data)
		}
	}
	out["size"], out["html_url"], out["git_url"], out["download_url"] = size, html, git, download
	out["_links"] = map[string]any{"self": url, "git": git, "html": html}
	return out
}

func (c *call) getContents() (int, any, error) {
	ref := c.query.Get("ref")
	k, err := c.commitAt(ref)
	if err != nil {
		if ref != "" && errors.Is(err, errNotFound) {
			return 0, nil, fail(404, "No commit found for the ref %s", ref)
		}
		if errors.Is(err, errEmptyRepository) {
			return 0, nil, fail(404, "This repository is empty.")
		}
		return 0, nil, notFoundFor(err)
	}
	if ref == "" {
		ref = c.repo.DefaultBranch
	}
	return c.contentAt(k, strings.Trim(c.params["path"], "/"), ref)
}

func (c *call) contentAt(k *commit, p, ref string) (int, any, error) {
	e, err := c.git.entryAt(k.tree, p)
	if errors.Is(err, errNoObject) {
		return 0, nil, errNotFound
	}
	if err != nil {
		return 0, nil, err
	}
	if e.mode == modeTree {
		list, err := c.git.tree(e.oid)
		if err != nil {
			return 0, nil, err
		}
		sort.Slice(list, func(i, j int) bool { return list[i].name < list[j].name })
		out := []any{}
		for _, sub := range limit(list, 1000) {
			out = append(out, c.renderContent(sub, path.Join(p, sub.name), ref))
		}
		return 200, out, nil
	}
	body := c.renderContent(e, p, ref)
	if e.mode == modeGitlink {
		return 200, body, nil
	}
	o, err := c.git.read(e.oid)
	if err != nil {
		return 0, nil, err
	}
	if strings.Contains(c.req.Header.Get("Accept"), "raw") {
		return 200, raw{"application/vnd.github.raw; charset=utf-8", o.data}, nil
	}
	if e.mode == modeSymlink {
		body["target"] = string(o.data)
		return 200, body, nil
	}
	body["encoding"], body["content"] = "base64", wrapBase64(o.data)
	if len(o.data) > maxContents {
		body["encoding"], body["content"] = "none", ""
	}
	return 200, body, nil
}

func (c *call) getReadme() (int, any, error) {
	k, err := c.commitAt(c.query.Get("ref"))
	if err != nil {
		return 0, nil, notFoundFor(err)
	}
	list, err := c.git.tree(k.tree)
	if err != nil {
		return 0, nil, err
	}
	for _, e := range list {
		if strings.HasPrefix(strings.ToLower(e.name), "readme") && e.kind() == kindBlob {
			return c.contentAt(k, e.name, c.repo.DefaultBranch)
		}
	}
	return 0, nil, errNotFound
}

// writeContents is PUT and DELETE of one file: a commit of its own, with the
// present blob as the lock.
func (c *call) writeContents(remove bool) (int, any, error) {
	var in struct {
		Message   string   `json:"message"`
		Content   *string  `json:"content"`
		SHA       string   `json:"sha"`
		Branch    string   `json:"branch"`
		Author    *identIn `json:"author"`
		Committer *identIn `json:"committer"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	p := strings.Trim(c.params["path"], "/")
	if in.Message == "" || !remove && in.Content == nil || remove && in.SHA == "" {
		return 0, nil, fail(422, "Invalid request.\n\n\"message\", \"content\" or \"sha\" weren't supplied.")
	}
	if !validPath(p) {
		return 0, nil, fail(422, "path contains a malformed path component")
	}
	branch := in.Branch
	if branch == "" {
		branch = c.repo.DefaultBranch
	}
	ref := "refs/heads/" + branch
	head, exists, err := "", false, error(nil)
	if validRef(ref) {
		head, exists, err = c.git.ref(ref)
	}
	if err != nil {
		return 0, nil, err
	}
	if !exists && !c.isEmpty() {
		return 0, nil, fail(404, "Branch %s not found", branch)
	}
	k := &commit{author: c.s.authorOf(c.id.account), committer: c.s.webFlow(), message: in.Message}
	base, before := "", zeroOID
	var present treeEntry
	if exists {
		parent, err := c.git.commit(head)
		if err != nil {
			return 0, nil, err
		}
		k.parents, base, before = []string{head}, parent.tree, head
		if present, err = c.git.entryAt(base, p); err != nil && !errors.Is(err, errNoObject) {
			return 0, nil, err
		}
	}
	switch {
	case present.mode == modeTree:
		return 0, nil, fail(422, "path %s is a directory", p)
	case present.oid == "" && (remove || in.SHA != ""):
		return 0, nil, errNotFound
	case present.oid != "" && in.SHA == "":
		return 0, nil, fail(422, "Invalid request.\n\n\"sha\" wasn't supplied.")
	case present.oid != in.SHA:
		return 0, nil, fail(409, "%s does not match %s", p, in.SHA)
	}
	edit := treeEdit{}
	if !remove {
		data, err := decodeBase64(*in.Content)
		if err != nil {
			return 0, nil, fail(422, "content is not valid Base64")
		}
		edit.mode = modeFile
		if present.mode == modeExec {
			edit.mode = modeExec
		}
		if edit.oid, err = c.git.write(kindBlob, data); err != nil {
			return 0, nil, err
		}
	}
	if k.tree, err = c.git.editTree(base, map[string]treeEdit{p: edit}); err != nil {
		return 0, nil, err
	}
	now := c.s.now()
	if in.Author != nil {
		if k.author, err = in.Author.signature(now); err != nil {
			return 0, nil, err
		}
		k.committer = k.author
	}
	if in.Committer != nil {
		if k.committer, err = in.Committer.signature(now); err != nil {
			return 0, nil, err
		}
	}
	if k.oid, err = c.git.write(kindCommit, k.format()); err != nil {
		return 0, nil, err
	}
	if in.Author == nil && in.Committer == nil {
		c.s.sign(k.oid)
	}
	if err := c.s.moveRefs(c.repo, c.id.account, c.routeName(), []refChange{{name: ref, before: before, after: k.oid}}, false); err != nil {
		var e *apiError
		if p := c.s.protection(c.repo, ref); p != nil && errors.As(err, &e) {
			return 0, nil, fail(409, "%s", e.message)
		}
		return 0, nil, err
	}
	status := 200
	var content any
	if !remove {
		content = c.renderContent(treeEntry{mode: edit.mode, oid: edit.oid}, p, branch)
		if present.oid == "" {
			status = 201
		}
	}
	return status, map[string]any{"content": content, "commit": c.renderGitCommit(k)}, nil
}

func (c *call) putContents() (int, any, error) { return c.writeContents(false) }

func (c *call) deleteContents() (int, any, error) { return c.writeContents(true) }
