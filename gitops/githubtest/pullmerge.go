package githubtest

import (
	"fmt"
)

// mergePull merges or squashes; rebase is refused as not allowed.
func (c *call) mergePull() (int, any, error) {
	i, err := c.pullAt()
	if err != nil {
		return 0, nil, err
	}
	var in struct {
		Title   string `json:"commit_title"`
		Message string `json:"commit_message"`
		SHA     string `json:"sha"`
		Method  string `json:"merge_method"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	p := i.Pull
	if in.SHA != "" && in.SHA != p.HeadSHA {
		return 0, nil, fail(409, "Head branch was modified. Review and try the merge again.")
	}
	if i.State != "open" || p.Draft {
		return 0, nil, fail(405, "Pull Request is not mergeable")
	}
	if in.Method == "" {
		in.Method = "merge"
	}
	if in.Method != "merge" && in.Method != "squash" {
		return 0, nil, fail(405, "Rebase merges are not allowed on this repository.")
	}
	base, ok, err := c.git.ref("refs/heads/" + p.Base)
	if err != nil {
		return 0, nil, err
	}
	if !ok {
		return 0, nil, fail(405, "Base branch was deleted")
	}
	tree, clean, err := c.git.mergeTrees(base, p.HeadSHA)
	if err != nil {
		return 0, nil, err
	}
	if !clean {
		return 0, nil, fail(405, "Pull Request is not mergeable")
	}
	title := in.Title
	k := &commit{tree: tree, author: c.s.authorOf(c.id.account), committer: c.s.webFlow()}
	if in.Method == "merge" {
		if title == "" {
			title = fmt.Sprintf("Merge pull request #%d from %s/%s", i.Number, c.s.accounts.rows[c.repo.OwnerID].Login, p.Head)
		}
		k.parents = []string{base, p.HeadSHA}
	} else {
		if title == "" {
			title = fmt.Sprintf("%s (#%d)", i.Title, i.Number)
		}
		k.parents = []string{base}
	}
	k.message = title
	if message := in.Message; message != "" {
		k.message += "\n\n" + message
	} else if in.Method == "merge" && i.Title != "" {
		k.message += "\n\n" + i.Title
	}
	if k.oid, err = c.git.write(kindCommit, k.format()); err != nil {
		return 0, nil, err
	}
	c.s.sign(k.oid)
	now := c.s.now()
	p.MergedAt, p.MergedBy, p.MergeSHA = &now, c.id.account.ID, k.oid
	i.State, i.ClosedAt, i.UpdatedAt = "closed", &now, now
	c.s.issues.put(i.ID, i)
	// A pull request is the way through protection.
	if err := c.s.moveRefs(c.repo, c.id.account, c.routeName(), []refChange{{name: "refs/heads/" + p.Base, before: base, after: k.oid}}, true); err != nil {
		return 0, nil, err
	}
	if err := c.s.emitPull(c.repo, c.id.account, c.routeName(), i, "closed", nil); err != nil {
		return 0, nil, err
	}
	return 200, map[string]any{"sha": k.oid, "merged": true, "message": "Pull Request successfully merged"}, nil
}
