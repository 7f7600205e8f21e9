package githubtest

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Branches, commits and comparisons.

func (c *call) htmlRepo() string { return c.root() + "/" + c.s.fullName(c.repo) }

func (c *call) repoURL(format string, args ...any) string {
	return c.api("/repos/%s", c.s.fullName(c.repo)) + fmt.Sprintf(format, args...)
}

// renderCommit is the commit with GitHub's accounts around it.
func (c *call) renderCommit(k *commit) map[string]any {
	parents := []any{}
	for _, p := range k.parents {
		parents = append(parents, map[string]any{"sha": p, "url": c.repoURL("/commits/%s", p), "html_url": c.htmlRepo() + "/commit/" + p})
	}
	person := func(sig signature) any {
		if a := c.s.accountByEmail(sig.email); a != nil {
			return c.renderUser(a)
		}
		return nil
	}
	return map[string]any{
		"sha": k.oid, "node_id": nodeID("Commit", c.repo.ID, k.oid), "url": c.repoURL("/commits/%s", k.oid), "html_url": c.htmlRepo() + "/commit/" + k.oid,
		"comments_url": c.repoURL("/commits/%s/comments", k.oid), "author": person(k.author), "committer": person(k.committer), "parents": parents,
		"commit": map[string]any{"author": renderSignature(k.author), "committer": renderSignature(k.committer), "message": k.message, "comment_count": 0,
			"tree": map[string]any{"sha": k.tree, "url": c.repoURL("/git/trees/%s", k.tree)}, "url": c.repoURL("/git/commits/%s", k.oid), "verification": c.s.verification(k.oid)},
	}
}

// commitAt resolves a revision to a commit; 422 for an unknown sha, 404 for
// an unknown name, 409 in an empty repository.
func (c *call) commitAt(name string) (*commit, error) {
	oid, err := c.resolve(name)
	if err == nil {
		var o object
		if oid, o, err = c.git.peel(oid); err == nil && o.kind == kindCommit {
			return parseCommit(oid, o.data)
		}
	}
	if err != nil && !errors.Is(err, errNoObject) {
		return nil, err
	}
	if c.isEmpty() {
		return nil, errEmptyRepository
	}
	if isOID(name) {
		return nil, fail(422, "No commit found for SHA: %s", name)
	}
	return nil, errNotFound
}

func (c *call) listCommits() (int, any, error) {
	tip, err := c.commitAt(c.query.Get("sha"))
	if err != nil {
		return 0, nil, err
	}
	file := strings.Trim(c.query.Get("path"), "/")
	since, _ := time.Parse(time.RFC3339, c.query.Get("since"))
	until, _ := time.Parse(time.RFC3339, c.query.Get("until"))
	author := c.query.Get("author")
	var list []*commit
	var failed error
	err = c.git.history([]string{tip.oid}, func(k *commit) bool {
		if !since.IsZero() && k.committer.when.Before(since) || !until.IsZero() && k.committer.when.After(until) {
			return true
		}
		if author != "" && !strings.EqualFold(k.author.email, author) {
			if a := c.s.accountByEmail(k.author.email); a == nil || !strings.EqualFold(a.Login, author) {
				return true
			}
		}
		if file != "" {
			same, err := c.git.samePath(k, file)
			if err != nil {
				failed = err
				return false
			}
			if same {
				return true
			}
		}
		list = append(list, k)
		return true
	})
	if err := errors.Join(err, failed); err != nil {
		return 0, nil, err
	}
	out := []any{}
	for _, k := range paginate(c, list) {
		out = append(out, c.renderCommit(k))
	}
	return 200, out, nil
}

// fileChange is one entry of a comparison.
type fileChange struct {
	status   string
	path     string
	previous string
	sha      string
	patch    string
	hasPatch bool
	added    int
	removed  int
}

// changes lists what differs between two trees, with renames, sorted by path,
// in one run of git.
func (r *gitRepo) changes(from, to string) ([]fileChange, error) {
	if from == to {
		return nil, nil
	}
	if from == "" {
		empty, err := r.write(kindTree, nil)
		if err != nil {
			return nil, err
		}
		from = empty
	}
	out, err := r.run.run(r.dir, nil, "-c", "core.quotePath=false", "diff-tree", "-r", "-M", "--raw", "-p", "--no-color", "--no-ext-diff", "--full-index", "--no-abbrev", from, to)
	if err != nil {
		return nil, err
	}
	var list []fileChange
	text := string(out)
	for strings.HasPrefix(text, ":") {
		line, rest, _ := strings.Cut(text, "\n")
		text = rest
		fields := strings.SplitN(line, "\t", 3)
		meta := strings.Fields(fields[0])
		if len(meta) < 5 || len(fields) < 2 {
			return nil, fmt.Errorf("git diff-tree answered %q", line)
		}
		ch := fileChange{path: unquote(fields[1]), sha: meta[3]}
		switch meta[4][0] {
		case 'A':
			ch.status = "added"
		case 'D':
			ch.status, ch.sha = "removed", meta[2]
		case 'R':
			ch.status, ch.previous, ch.path = "renamed", unquote(fields[1]), unquote(fields[2])
		default:
			ch.status = "modified"
		}
		list = append(list, ch)
	}
	i := -1
	inHunk := false
	var patch strings.Builder
	flush := func() {
		if i >= 0 && i < len(list) && patch.Len() > 0 {
			list[i].patch, list[i].hasPatch = strings.TrimSuffix(patch.String(), "\n"), true
		}
		patch.Reset()
	}
	for _, line := range strings.SplitAfter(text, "\n") {
		switch {
		case strings.HasPrefix(line, "diff --git "):
			flush()
			i++
			inHunk = false
		case strings.HasPrefix(line, "@@"):
			inHunk = true
		}
		if !inHunk || i < 0 || i >= len(list) {
			continue
		}
		patch.WriteString(line)
		switch {
		case strings.HasPrefix(line, "+"):
			list[i].added++
		case strings.HasPrefix(line, "-"):
			list[i].removed++
		}
	}
	flush()
	return list, nil
}

// unquote undoes git's quoting of unusual names.
func unquote(name string) string {
	if strings.HasPrefix(name, `"`) {
		if plain, err := strconv.Unquote(name); err == nil {
			return plain
		}
	}
	return name
}

// maxPatch is about the size above which GitHub leaves a patch out.
const maxPatch = 1 << 20

func (c *call) renderChanges(list []fileChange, at string) []any {
	out := []any{}
	for _, ch := range list {
		e := map[string]any{"sha": ch.sha, "filename": ch.path, "status": ch.status, "additions": ch.added, "deletions": ch.removed, "changes": ch.added + ch.removed,
			"blob_url": c.htmlRepo() + "/blob/" + at + "/" + ch.path, "raw_url": c.htmlRepo() + "/raw/" + at + "/" + ch.path,
			"contents_url": c.repoURL("/contents/%s?ref=%s", ch.path, at)}
		if ch.previous != "" {
			e["previous_filename"] = ch.previous
		}
		if ch.hasPatch && len(ch.patch) <= maxPatch {
			e["patch"] = ch.patch
		}
		out = append(out, e)
	}
	return out
}

func (c *call) parentTree(k *commit) (string, error) {
	if len(k.parents) == 0 {
		return "", nil
	}
	p, err := c.git.commit(k.parents[0])
	if err != nil {
		return "", err
	}
	return p.tree, nil
}

func (c *call) getCommit() (int, any, error) {
	k, err := c.commitAt(c.params["ref"])
	if err != nil {
		return 0, nil, err
	}
	if strings.Contains(c.req.Header.Get("Accept"), "sha") {
		return 200, raw{"application/vnd.github.sha; charset=utf-8", []byte(k.oid)}, nil
	}
	base, err := c.parentTree(k)
	if err != nil {
		return 0, nil, err
	}
	list, err := c.git.changes(base, k.tree)
	if err != nil {
		return 0, nil, err
	}
	body := c.renderCommit(k)
	added, removed := 0, 0
	for _, ch := range list {
		added, removed = added+ch.added, removed+ch.removed
	}
	body["stats"] = map[string]any{"additions": added, "deletions": removed, "total": added + removed}
	body["files"] = c.renderChanges(paginate(c, limit(list, 3000)), k.oid)
	return 200, body, nil
}

// mergeBase is the best common ancestor, "" when there is none.
func (r *gitRepo) mergeBase(a, b string) (string, error) {
	have, err := r.reachable(a)
	if err != nil {
		return "", err
	}
	base := ""
	err = r.history([]string{b}, func(k *commit) bool {
		if have[k.oid] {
			base = k.oid
			return false
		}
		return true
	})
	return base, err
}

// compare: at most 250 commits a page and 300 files, on the first page only.
func (c *call) compare() (int, any, error) {
	left, right, ok := strings.Cut(c.params["basehead"], "...")
	if !ok {
		return 0, nil, errNotFound
	}
	strip := func(name string) string {
		if owner, branch, ok := strings.Cut(name, ":"); ok && strings.EqualFold(owner, c.s.accounts.rows[c.repo.OwnerID].Login) {
			return branch
		}
		return name
	}
	base, err := c.commitAt(strip(left))
	if err != nil {
		return 0, nil, notFoundFor(err)
	}
	head, err := c.commitAt(strip(right))
	if err != nil {
		return 0, nil, notFoundFor(err)
	}
	mergeBase, err := c.git.mergeBase(base.oid, head.oid)
	if err != nil {
		return 0, nil, err
	}
	if mergeBase == "" {
		return 0, nil, fail(404, "No common ancestor between %s and %s.", left, right)
	}
	mb, err := c.git.commit(mergeBase)
	if err != nil {
		return 0, nil, err
	}
	ahead, err := c.git.between(base.oid, head.oid)
	if err != nil {
		return 0, nil, err
	}
	behind, err := c.git.between(head.oid, base.oid)
	if err != nil {
		return 0, nil, err
	}
	status := "identical"
	switch {
	case len(ahead) > 0 && len(behind) > 0:
		status = "diverged"
	case len(ahead) > 0:
		status = "ahead"
	case len(behind) > 0:
		status = "behind"
	}
	files := []any{}
	if page := c.query.Get("page"); page == "" || page == "1" {
		list, err := c.git.changes(mb.tree, head.tree)
		if err != nil {
			return 0, nil, err
		}
		files = c.renderChanges(limit(list, 300), head.oid)
	}
	total := len(ahead)
	commits := []any{}
	if c.query.Has("page") || c.query.Has("per_page") {
		ahead = paginate(c, ahead)
	} else {
		ahead = limit(ahead, 250)
	}
	for _, k := range ahead {
		commits = append(commits, c.renderCommit(k))
	}
	html := c.htmlRepo() + "/compare/" + c.params["basehead"]
	return 200, map[string]any{"url": c.repoURL("/compare/%s", c.params["basehead"]), "html_url": html, "permalink_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch",
		"base_commit": c.renderCommit(base), "merge_base_commit": c.renderCommit(mb), "status": status, "ahead_by": total, "behind_by": len(behind), "total_commits": total,
		"commits": commits, "files": files}, nil
}

func notFoundFor(err error) error {
	var e *apiError
	if errors.As(err, &e) && e.status == 422 {
		return errNotFound
	}
	return err
}

func (c *call) renderProtection(branch string, p *protectionRow) map[string]any {
	return map[string]any{"enabled": p != nil, "url": c.repoURL("/branches/%s/protection", branch)}
}

func (c *call) listBranches() (int, any, error) {
	refs, err := c.git.refs("refs/heads/")
	if err != nil {
		return 0, nil, err
	}
	if want := c.query.Get("protected"); want != "" {
		refs = slices.DeleteFunc(refs, func(r namedRef) bool { return (c.s.protection(c.repo, r.name) != nil) != (want == "true") })
	}
	out := []any{}
	for _, ref := range paginate(c, refs) {
		oid, ok, err := c.s.readRef(c.repo, ref.name)
		if err != nil {
			return 0, nil, err
		}
		if !ok {
			continue
		}
		name := strings.TrimPrefix(ref.name, "refs/heads/")
		out = append(out, map[string]any{"name": name, "protected": c.s.protection(c.repo, ref.name) != nil,
			"commit": map[string]any{"sha": oid, "url": c.repoURL("/commits/%s", oid)}})
	}
	return 200, out, nil
}

func (c *call) getBranch() (int, any, error) {
	name := c.params["branch"]
	ref := "refs/heads/" + name
	oid, ok, err := "", false, error(nil)
	if validRef(ref) {
		oid, ok, err = c.s.readRef(c.repo, ref)
	}
	if err != nil {
		return 0, nil, err
	}
	if !ok {
		return 0, nil, fail(404, "Branch not found")
	}
	k, err := c.git.commit(oid)
	if err != nil {
		return 0, nil, err
	}
	p := c.s.protection(c.repo, ref)
	url := c.repoURL("/branches/%s", name)
	return 200, map[string]any{"name": name, "commit": c.renderCommit(k), "protected": p != nil, "protection": c.renderProtection(name, p),
		"protection_url": url + "/protection", "_links": map[string]any{"self": url, "html": c.htmlRepo() + "/tree/" + name}}, nil
}

func (c *call) getProtection() (int, any, error) {
	p := c.repo.Protected[c.params["branch"]]
	if p == nil || p.Ruleset {
		return 0, nil, fail(404, "Branch not protected")
	}
	return 200, c.protectionBody(), nil
}

func (c *call) protectionBody() map[string]any {
	url := c.repoURL("/branches/%s/protection", c.params["branch"])
	return map[string]any{"url": url, "enforce_admins": map[string]any{"url": url + "/enforce_admins", "enabled": true},
		"required_pull_request_reviews": map[string]any{"url": url + "/required_pull_request_reviews", "dismiss_stale_reviews": false, "require_code_owner_reviews": false, "required_approving_review_count": 1},
		"allow_force_pushes":            map[string]any{"enabled": false}, "allow_deletions": map[string]any{"enabled": false}}
}

// setProtection knows one kind of protection: changes only through pull
// requests, for everybody.
func (c *call) setProtection() (int, any, error) {
	branch := c.params["branch"]
	if _, ok, err := c.git.ref("refs/heads/" + branch); err != nil || !ok {
		return 0, nil, errors.Join(err, fail(404, "Branch not found"))
	}
	if c.repo.Protected == nil {
		c.repo.Protected = map[string]*protectionRow{}
	}
	c.repo.Protected[branch] = &protectionRow{}
	c.s.repos.put(c.repo.ID, c.repo)
	return 200, map[string]any{"url": c.repoURL("/branches/%s/protection", branch)}, nil
}

// branchRules lists what rulesets ask for.
func (c *call) branchRules() (int, any, error) {
	out := []any{}
	if p := c.repo.Protected[c.params["branch"]]; p != nil && p.Ruleset {
		out = append(out, map[string]any{"type": "pull_request", "ruleset_source_type": "Repository", "ruleset_source": c.s.fullName(c.repo), "ruleset_id": c.repo.ID,
			"parameters": map[string]any{"dismiss_stale_reviews_on_push": false, "require_code_owner_review": false, "require_last_push_approval": false,
				"required_approving_review_count": 1, "required_review_thread_resolution": false}})
	}
	return 200, out, nil
}

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

func (c *call) putContents() (int, any, error)    { return c.writeContents(false) }
func (c *call) deleteContents() (int, any, error) { return c.writeContents(true) }

// mergeBranches is POST merges: head into base.
func (c *call) mergeBranches() (int, any, error) {
	var in struct {
		Base    string `json:"base"`
		Head    string `json:"head"`
		Message string `json:"commit_message"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	ref := "refs/heads/" + in.Base
	base, ok, err := "", false, error(nil)
	if validRef(ref) {
		base, ok, err = c.git.ref(ref)
	}
	if err != nil {
		return 0, nil, err
	}
	if !ok {
		return 0, nil, fail(404, "Base does not exist")
	}
	head, err := c.commitAt(in.Head)
	if err != nil {
		return 0, nil, fail(404, "Head does not exist")
	}
	done, err := c.git.isAncestor(head.oid, base)
	if err != nil {
		return 0, nil, err
	}
	if done {
		return 204, nil, nil
	}
	tree, clean, err := c.git.mergeTrees(base, head.oid)
	if err != nil {
		return 0, nil, err
	}
	if !clean {
		return 0, nil, fail(409, "Merge conflict")
	}
	message := in.Message
	if message == "" {
		message = "Merge " + in.Head + " into " + in.Base
	}
	k := &commit{tree: tree, parents: []string{base, head.oid}, author: c.s.authorOf(c.id.account), committer: c.s.webFlow(), message: message}
	if k.oid, err = c.git.write(kindCommit, k.format()); err != nil {
		return 0, nil, err
	}
	c.s.sign(k.oid)
	if err := c.s.moveRefs(c.repo, c.id.account, c.routeName(), []refChange{{name: ref, before: base, after: k.oid}}, false); err != nil {
		return 0, nil, err
	}
	return 201, c.renderCommit(k), nil
}

// mergeTrees merges two commits without a work tree; clean is false for
// conflicts.
func (r *gitRepo) mergeTrees(ours, theirs string) (tree string, clean bool, err error) {
	cmd := r.run.command(r.dir, "merge-tree", "--write-tree", "--name-only", "--no-messages", ours, theirs)
	out, err := cmd.Output()
	tree, _, _ = strings.Cut(string(out), "\n")
	if err == nil {
		return tree, true, nil
	}
	if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == 1 && isOID(tree) {
		return "", false, nil
	}
	return "", false, fmt.Errorf("git merge-tree %s %s: %w", ours, theirs, err)
}
