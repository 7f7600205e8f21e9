package githubtest

import (
	"errors"
	"strconv"
	"strings"
)

// mutationFields are the mutations there are, for counting writes.
var mutationFields = map[string]bool{"createCommitOnBranch": true, "updateRefs": true, "updateRef": true, "createRef": true, "deleteRef": true, "createPullRequest": true,
	"updatePullRequest": true, "closePullRequest": true, "reopenPullRequest": true, "mergePullRequest": true, "markPullRequestReadyForReview": true, "convertPullRequestToDraft": true}

func (c *call) gqlMutation() *gqlObject {
	return &gqlObject{typ: "Mutation", resolve: func(name string, args gqlArgs) (any, error) {
		switch name {
		case "createCommitOnBranch":
			return c.createCommitOnBranch(args)
		case "updateRefs":
			return c.gqlUpdateRefs(args)
		case "updateRef":
			return c.gqlUpdateRef(args)
		case "createRef":
			return c.gqlCreateRef(args)
		case "deleteRef":
			return c.gqlDeleteRef(args)
		case "createPullRequest":
			return c.gqlCreatePull(args)
		case "updatePullRequest", "closePullRequest", "reopenPullRequest", "mergePullRequest", "markPullRequestReadyForReview", "convertPullRequestToDraft":
			return c.gqlChangePull(name, args)
		}
		return nil, errUnknownField
	}}
}

// writable resolves a repository node id and checks a permission.
func (c *call) writable(id, permission string) (*repoRow, error) {
	parts := parseNodeID(id)
	if len(parts) == 2 && parts[0] == "Repository" {
		n, _ := strconv.ParseInt(parts[1], 10, 64)
		if r := c.s.repos.rows[n]; r != nil && c.s.sees(c.id, r) {
			return r, c.s.allow(c.id, r, permission, "write")
		}
	}
	return nil, gqlFail("NOT_FOUND", "Could not resolve to a node with the global id of '%s'", id)
}

// refNode resolves a Ref node id and checks the right to move it.
func (c *call) refNode(id string) (*repoRow, string, error) {
	parts := parseNodeID(id)
	if len(parts) < 3 || parts[0] != "Ref" {
		return nil, "", gqlFail("NOT_FOUND", "Could not resolve to a node with the global id of '%s'", id)
	}
	r, err := c.writable(nodeID("Repository", parts[1]), "contents")
	return r, strings.Join(parts[2:], ":"), err
}

// gqlRefError words a refusal of moveRefs for GraphQL.
func (c *call) gqlRefError(r *repoRow, name string, err error) error {
	var ae *apiError
	if p := c.s.protection(r, name); p != nil && errors.As(err, &ae) && ae.protected {
		if p.Ruleset {
			return gqlFail("UNPROCESSABLE", "%s", ae.message)
		}
		return gqlFail("BRANCH_PROTECTION_RULE_VIOLATION", "%s", ae.message)
	}
	return err
}

// maxCommitBytes is about where GitHub fails a commit as too large (facts §4).
const maxCommitBytes = 40 << 20

// createCommitOnBranch makes one commit with an exact expected head: nothing
// at all happens unless the branch points to it. Files always get mode
// 100644, so an executable or a symbolic link that is written loses its mode;
// deleting a path that is not there aborts.
func (c *call) createCommitOnBranch(args gqlArgs) (any, error) {
	var in struct {
		Branch struct {
			ID         string `json:"id"`
			Repository string `json:"repositoryNameWithOwner"`
			Branch     string `json:"branchName"`
		} `json:"branch"`
		ExpectedHeadOid *string `json:"expectedHeadOid"`
		Message         *struct {
			Headline string `json:"headline"`
			Body     string `json:"body"`
		} `json:"message"`
		FileChanges struct {
			Additions []struct {
				Path     string `json:"path"`
				Contents string `json:"contents"`
			} `json:"additions"`
			Deletions []struct {
				Path string `json:"path"`
			} `json:"deletions"`
		} `json:"fileChanges"`
		ClientMutationID string `json:"clientMutationId"`
	}
	if err := args.into("input", &in); err != nil {
		return nil, err
	}
	for name, absent := range map[string]bool{"expectedHeadOid": in.ExpectedHeadOid == nil, "message": in.Message == nil} {
		if absent {
			return nil, gqlFail("", "Variable $input of type CreateCommitOnBranchInput! was provided invalid value for %s (Expected value to not be null)", name)
		}
	}
	var r *repoRow
	var ref string
	var err error
	if in.Branch.ID != "" {
		if in.Branch.Repository != "" || in.Branch.Branch != "" {
			return nil, gqlFail("UNPROCESSABLE", "branch: give either id or repositoryNameWithOwner and branchName")
		}
		if r, ref, err = c.refNode(in.Branch.ID); err != nil {
			return nil, err
		}
	} else {
		owner, name, _ := strings.Cut(in.Branch.Repository, "/")
		r, _ = c.s.repoByName(owner, name)
		if r == nil || !c.s.sees(c.id, r) {
			return nil, gqlFail("NOT_FOUND", "Could not resolve to a Repository with the name '%s'.", in.Branch.Repository)
		}
		if err := c.s.allow(c.id, r, "contents", "write"); err != nil {
			return nil, err
		}
		ref = "refs/heads/" + strings.TrimPrefix(in.Branch.Branch, "refs/heads/")
	}
	if !isOID(*in.ExpectedHeadOid) {
		return nil, gqlFail("", "Variable $input of type CreateCommitOnBranchInput! was provided invalid value for expectedHeadOid (%q is not a valid GitObjectID)", *in.ExpectedHeadOid)
	}
	if strings.TrimSpace(in.Message.Headline) == "" {
		return nil, gqlFail("UNPROCESSABLE", "A commit message headline must be provided")
	}
	g := c.s.gitRepo(r)
	head, exists, err := "", false, error(nil)
	if validRef(ref) {
		head, exists, err = g.ref(ref)
	}
	if err != nil {
		return nil, err
	}
	if !exists {
		return nil, gqlFail("NOT_FOUND", "No such branch: %s", strings.TrimPrefix(ref, "refs/heads/"))
	}
	if head != *in.ExpectedHeadOid {
		return nil, gqlFail("STALE_DATA", `Expected branch to point to "%s" but it did not.  Pull and try again.`, *in.ExpectedHeadOid)
	}
	if err := c.s.refusal(r, ref, head, head); err != nil {
		return nil, c.gqlRefError(r, ref, err)
	}
	parent, err := g.commit(head)
	if err != nil {
		return nil, err
	}
	edits := map[string]treeEdit{}
	for _, d := range in.FileChanges.Deletions {
		e, err := g.entryAt(parent.tree, d.Path)
		if !validPath(d.Path) || errors.Is(err, errNoObject) || err == nil && e.mode == modeTree {
			return nil, gqlFail("UNPROCESSABLE", "A path was requested for deletion which does not exist as of commit oid `%s`", head)
		}
		if err != nil {
			return nil, err
		}
		edits[d.Path] = treeEdit{}
	}
	total := 0
	for _, a := range in.FileChanges.Additions {
		if !validPath(a.Path) {
			return nil, gqlFail("UNPROCESSABLE", "A path was requested which is not valid: %q", a.Path)
		}
		if _, twice := edits[a.Path]; twice {
			return nil, gqlFail("UNPROCESSABLE", "A path was requested for more than one change: %q", a.Path)
		}
		data, err := decodeBase64(a.Contents)
		if err != nil {
			return nil, gqlFail("UNPROCESSABLE", "The contents of %q are not valid Base64", a.Path)
		}
		if total += len(data); total > maxCommitBytes {
			return nil, gqlFail("UNPROCESSABLE", "The commit is too large")
		}
		oid, err := g.write(kindBlob, data)
		if err != nil {
			return nil, err
		}
		edits[a.Path] = treeEdit{modeFile, oid}
	}
	for path := range edits {
		for i := strings.IndexByte(path, '/'); i >= 0; {
			dir := path[:i]
			if e, err := g.entryAt(parent.tree, dir); edits[path].oid != "" && err == nil && e.mode != modeTree {
				if del, ok := edits[dir]; !ok || del.oid != "" {
					return nil, gqlFail("UNPROCESSABLE", "The path %q runs through the file %q", path, dir)
				}
			}
			next := strings.IndexByte(path[i+1:], '/')
			if next < 0 {
				break
			}
			i += 1 + next
		}
	}
	tree, err := g.editTree(parent.tree, edits)
	if err != nil {
		return nil, err
	}
	message := in.Message.Headline
	if in.Message.Body != "" {
		message += "\n\n" + in.Message.Body
	}
	k := &commit{tree: tree, parents: []string{head}, author: c.s.authorOf(c.id.account), committer: c.s.webFlow(), message: message}
	if k.oid, err = g.write(kindCommit, k.format()); err != nil {
		return nil, err
	}
	c.s.sign(k.oid)
	if err := c.s.moveRefs(r, c.id.account, "POST /graphql createCommitOnBranch", []refChange{{name: ref, before: head, after: k.oid}}, false); err != nil {
		return nil, c.gqlRefError(r, ref, err)
	}
	return fieldsOf("CreateCommitOnBranchPayload", map[string]any{
		"clientMutationId": orNil(in.ClientMutationID),
		"commit":           func(gqlArgs) (any, error) { return c.gqlGitObject(r, k.oid, "") },
		"ref":              func() any { return c.gqlRef(r, ref, k.oid) },
	}), nil
}

// gqlUpdateRefs moves several references, all or none, each compared with
// beforeOid when that is given. Zeros create (before) and delete (after).
func (c *call) gqlUpdateRefs(args gqlArgs) (any, error) {
	var in struct {
		RepositoryID string `json:"repositoryId"`
		RefUpdates   []struct {
			Name      string `json:"name"`
			BeforeOid string `json:"beforeOid"`
			AfterOid  string `json:"afterOid"`
			Force     bool   `json:"force"`
		} `json:"refUpdates"`
		ClientMutationID string `json:"clientMutationId"`
	}
	if err := args.into("input", &in); err != nil {
		return nil, err
	}
	r, err := c.writable(in.RepositoryID, "contents")
	if err != nil {
		return nil, err
	}
	var changes []refChange
	seen := map[string]bool{}
	for _, u := range in.RefUpdates {
		if !isOID(u.AfterOid) || u.BeforeOid != "" && !isOID(u.BeforeOid) {
			return nil, gqlFail("", "Variable $input of type UpdateRefsInput! was provided invalid value (not a valid GitObjectID)")
		}
		if seen[u.Name] {
			return nil, gqlFail("UNPROCESSABLE", "%s is given twice", u.Name)
		}
		seen[u.Name] = true
		changes = append(changes, refChange{name: u.Name, before: u.BeforeOid, after: u.AfterOid, force: u.Force})
	}
	if len(changes) == 0 {
		return nil, gqlFail("UNPROCESSABLE", "refUpdates must not be empty")
	}
	err = c.s.moveRefs(r, c.id.account, "POST /graphql updateRefs", changes, false)
	if errors.Is(err, errStaleBefore) {
		return nil, gqlFail("UNPROCESSABLE", "Reference cannot be updated: %s", err)
	}
	if err != nil {
		for _, ch := range changes {
			err = c.gqlRefError(r, ch.name, err)
		}
		return nil, err
	}
	return fieldsOf("UpdateRefsPayload", map[string]any{"clientMutationId": orNil(in.ClientMutationID)}), nil
}

func (c *call) gqlUpdateRef(args gqlArgs) (any, error) {
	var in struct {
		RefID            string `json:"refId"`
		Oid              string `json:"oid"`
		Force            bool   `json:"force"`
		ClientMutationID string `json:"clientMutationId"`
	}
	if err := args.into("input", &in); err != nil {
		return nil, err
	}
	r, name, err := c.refNode(in.RefID)
	if err != nil {
		return nil, err
	}
	if err := c.s.moveRefs(r, c.id.account, "POST /graphql updateRef", []refChange{{name: name, after: in.Oid, force: in.Force}}, false); err != nil {
		return nil, c.gqlRefError(r, name, err)
	}
	return fieldsOf("UpdateRefPayload", map[string]any{"clientMutationId": orNil(in.ClientMutationID), "ref": c.gqlRef(r, name, in.Oid)}), nil
}

func (c *call) gqlCreateRef(args gqlArgs) (any, error) {
	var in struct {
		RepositoryID     string `json:"repositoryId"`
		Name             string `json:"name"`
		Oid              string `json:"oid"`
		ClientMutationID string `json:"clientMutationId"`
	}
	if err := args.into("input", &in); err != nil {
		return nil, err
	}
	r, err := c.writable(in.RepositoryID, "contents")
	if err != nil {
		return nil, err
	}
	if !isOID(in.Oid) {
		return nil, errObjectMissing
	}
	err = c.s.moveRefs(r, c.id.account, "POST /graphql createRef", []refChange{{name: in.Name, before: zeroOID, after: in.Oid}}, false)
	if errors.Is(err, errStaleBefore) {
		return nil, gqlFail("UNPROCESSABLE", "A ref named %q already exists in the repository.", in.Name)
	}
	if err != nil {
		return nil, c.gqlRefError(r, in.Name, err)
	}
	return fieldsOf("CreateRefPayload", map[string]any{"clientMutationId": orNil(in.ClientMutationID), "ref": c.gqlRef(r, in.Name, in.Oid)}), nil
}

func (c *call) gqlDeleteRef(args gqlArgs) (any, error) {
	var in struct {
		RefID            string `json:"refId"`
		ClientMutationID string `json:"clientMutationId"`
	}
	if err := args.into("input", &in); err != nil {
		return nil, err
	}
	r, name, err := c.refNode(in.RefID)
	if err != nil {
		return nil, err
	}
	if err := c.s.moveRefs(r, c.id.account, "POST /graphql deleteRef", []refChange{{name: name}}, false); err != nil {
		return nil, c.gqlRefError(r, name, err)
	}
	return fieldsOf("DeleteRefPayload", map[string]any{"clientMutationId": orNil(in.ClientMutationID)}), nil
}
