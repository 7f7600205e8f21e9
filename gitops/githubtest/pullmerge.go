package githubtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Merges of pull requests, the three ways GitHub has.

// mergeMethods are the ways to merge and the repository setting of each.
var mergeMethods = map[string]string{"merge": "allow_merge_commit", "squash": "allow_squash_merge", "rebase": "allow_rebase_merge"}

// mergeIn is how to merge. SHA is the expected head; Title and Message replace
// what GitHub would write.
type mergeIn struct {
	Title   string `json:"commit_title"`
	Message string `json:"commit_message"`
	SHA     string `json:"sha"`
	Method  string `json:"merge_method"`
}

// mergePull merges a pull request and returns the base's new head.
func (s *Server) mergePull(r *repoRow, i *issueRow, actor *accountRow, cause string, in mergeIn) (string, error) {
	p, g := i.Pull, s.gitRepo(r)
	if in.Method == "" {
		in.Method = "merge"
	}
	if mergeMethods[in.Method] == "" {
		return "", invalid("PullRequest", "merge_method", "invalid", "")
	}
	if in.SHA != "" && in.SHA != p.HeadSHA {
		return "", fail(409, "Head branch was modified. Review and try the merge again.")
	}
	if i.State != "open" {
		return "", fail(405, "Pull Request is not mergeable")
	}
	if p.Draft {
		return "", fail(405, "Pull Request is still a draft")
	}
	if slices.Contains(r.DenyMerge, in.Method) {
		what := map[string]string{"merge": "Merge commits", "squash": "Squash merges", "rebase": "Rebase merges"}[in.Method]
		return "", fail(405, "%s are not allowed on this repository.", what)
	}
	base, ok, err := g.ref("refs/heads/" + p.Base)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", fail(405, "Base branch was deleted")
	}
	why, err := s.unmet(r, i)
	if err != nil {
		return "", err
	}
	if why != "" {
		return "", fail(405, "%s", why)
	}
	head, err := s.mergeCommit(r, i, actor, base, in)
	if err != nil {
		return "", err
	}
	return head, s.finishMerge(r, i, actor, cause, base, head)
}

// mergeCommit makes what a merge puts onto the base, and does not move it.
func (s *Server) mergeCommit(r *repoRow, i *issueRow, actor *accountRow, base string, in mergeIn) (string, error) {
	p, g := i.Pull, s.gitRepo(r)
	commits, err := g.between(base, p.HeadSHA)
	if err != nil {
		return "", err
	}
	if in.Method == "rebase" {
		head, clean, err := g.rebase(commits, base, s.authorOf(actor))
		if err != nil {
			return "", err
		}
		if !clean {
			return "", fail(405, "This branch can't be rebased")
		}
		return head, nil
	}
	tree, clean, err := g.mergeTrees(base, p.HeadSHA)
	if err != nil {
		return "", err
	}
	if !clean {
		return "", fail(405, "Pull Request is not mergeable")
	}
	k := &commit{tree: tree, author: s.authorOf(actor), committer: s.webFlow()}
	title, message := in.Title, in.Message
	if in.Method == "merge" {
		k.parents = []string{base, p.HeadSHA}
		if title == "" {
			title = fmt.Sprintf("Merge pull request #%d from %s", i.Number, strings.Replace(s.headLabel(r, i), ":", "/", 1))
		}
		if message == "" {
			message = i.Title
		}
	} else {
		k.parents = []string{base}
		k.author = s.authorOf(s.accounts.rows[i.AuthorID])
		squashed, body := squashMessage(i, commits, k.author)
		if title == "" {
			title = squashed
		}
		if message == "" {
			message = body
		}
	}
	k.message = title
	if message != "" {
		k.message += "\n\n" + message
	}
	if k.oid, err = g.write(kindCommit, k.format()); err != nil {
		return "", err
	}
	s.sign(k.oid)
	return k.oid, nil
}

// squashMessage is GitHub's default: one commit keeps its words, several are
// listed under the pull request's title; other authors become co-authors.
func squashMessage(i *issueRow, commits []*commit, author signature) (title, body string) {
	if len(commits) == 1 {
		title, body = fmt.Sprintf("%s (#%d)", commits[0].headline(), i.Number), commits[0].body()
	} else {
		title = fmt.Sprintf("%s (#%d)", i.Title, i.Number)
		var items []string
		for _, k := range commits {
			items = append(items, "* "+strings.TrimSpace(k.message))
		}
		body = strings.Join(items, "\n\n")
	}
	others := map[string]bool{}
	for _, k := range commits {
		if k.author.email != author.email {
			others[fmt.Sprintf("Co-authored-by: %s <%s>", k.author.name, k.author.email)] = true
		}
	}
	if len(others) > 0 {
		body = strings.TrimSpace(body + "\n\n" + strings.Join(slices.Sorted(maps.Keys(others)), "\n"))
	}
	return title, body
}

// finishMerge moves the base and closes the pull request as merged. A pull
// request is the way through protection.
func (s *Server) finishMerge(r *repoRow, i *issueRow, actor *accountRow, cause, base, head string) error {
	now := s.now()
	p := i.Pull
	p.BaseSHA, p.MergedAt, p.MergedBy, p.MergeSHA = base, &now, actor.ID, head
	i.State, i.ClosedAt, i.UpdatedAt = "closed", &now, now
	s.issues.put(i.ID, i)
	if err := s.moveRefs(r, actor, cause, []refChange{{name: "refs/heads/" + p.Base, before: base, after: head}}, true); err != nil {
		return err
	}
	return s.emitPull(r, actor, cause, i, "closed", nil)
}

// maxRebase is the number of commits GitHub rebases at most.
const maxRebase = 100

// rebase makes the commits again on top of onto; clean is false when one does
// not apply. Merge commits are left out, as GitHub does.
func (r *gitRepo) rebase(commits []*commit, onto string, committer signature) (head string, clean bool, err error) {
	if len(commits) > maxRebase {
		return "", false, nil
	}
	head = onto
	for _, k := range commits {
		if len(k.parents) != 1 {
			if len(k.parents) == 0 {
				return "", false, nil
			}
			continue
		}
		tip, err := r.commit(head)
		if err != nil {
			return "", false, err
		}
		// merge-tree takes two commits and finds their base itself: a commit with
		// the present tree and the picked commit's parent makes that parent the base.
		stand := &commit{tree: tip.tree, parents: k.parents, author: committer, committer: committer, message: "rebase"}
		if stand.oid, err = r.write(kindCommit, stand.format()); err != nil {
			return "", false, err
		}
		tree, clean, err := r.mergeTrees(stand.oid, k.oid)
		if err != nil || !clean {
			return "", false, err
		}
		next := &commit{tree: tree, parents: []string{head}, author: k.author, committer: committer, message: k.message}
		if head, err = r.write(kindCommit, next.format()); err != nil {
			return "", false, err
		}
	}
	return head, true, nil
}

func (c *call) mergePullRequest() (int, any, error) {
	i, err := c.pullAt()
	if err != nil {
		return 0, nil, err
	}
	var in mergeIn
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	head, err := c.s.mergePull(c.repo, i, c.id.account, c.routeName(), in)
	if err != nil {
		return 0, nil, err
	}
	return 200, map[string]any{"sha": head, "merged": true, "message": "Pull Request successfully merged"}, nil
}
