package githubtest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Comparisons: the files and commits between two revisions.

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
	base, err := c.commitOf(left)
	if err != nil {
		return 0, nil, notFoundFor(err)
	}
	head, err := c.commitOf(right)
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

// commitOf is a side of a comparison: a revision, or owner:branch of a fork.
func (c *call) commitOf(name string) (*commit, error) {
	_, branch, ok := strings.Cut(name, ":")
	if !ok {
		return c.commitAt(name)
	}
	from, _ := c.s.headOf(c.repo, name, "")
	if from == c.repo {
		return c.commitAt(branch)
	}
	if from == nil || !c.s.sees(c.id, from) || !validRef("refs/heads/"+branch) {
		return nil, errNotFound
	}
	oid, ok, err := c.s.readRef(from, "refs/heads/"+branch)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errNotFound
	}
	if err := c.s.bring(c.repo, from, oid); err != nil {
		return nil, err
	}
	return c.git.commit(oid)
}

func notFoundFor(err error) error {
	var e *apiError
	if errors.As(err, &e) && e.status == 422 {
		return errNotFound
	}
	return err
}
