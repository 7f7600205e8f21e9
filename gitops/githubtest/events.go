package githubtest

import (
	"fmt"
	"slices"
	"strings"
)

// Events: what a change makes GitHub tell the Apps that are installed on the
// repository and subscribed. Payloads follow the recorded webhook schemas.

// view renders payloads, which have no request: URLs begin at the server's root.
func (s *Server) view() *call { return &call{s: s} }

// always are the events every App gets without subscribing.
var always = []string{"installation", "installation_repositories", "github_app_authorization", "ping", "meta", "installation_target"}

// unasked events go to Apps that may write checks whether they subscribed or
// not (facts §2.1): requests to run checks.
func unasked(i *installationRow, event, action string) bool {
	if levelRank(i.Permissions["checks"]) < levelRank("write") {
		return false
	}
	return event == "check_suite" && (action == "requested" || action == "rerequested") ||
		event == "check_run" && (action == "rerequested" || action == "requested_action")
}

// emitRepo sends an event to every App installed on the repository. Payload
// gets repository, sender and installation.
func (s *Server) emitRepo(r *repoRow, actor *accountRow, cause, event, action string, payload map[string]any, only func(*installationRow) bool) {
	for _, i := range s.installations.all() {
		if !i.covers(r) || i.SuspendedAt != nil || only != nil && !only(i) {
			continue
		}
		if !slices.Contains(always, event) && !slices.Contains(i.Events, event) && !unasked(i, event, action) {
			continue
		}
		body := map[string]any{}
		for k, v := range payload {
			body[k] = v
		}
		v := s.view()
		if _, ok := body["repository"]; !ok {
			body["repository"] = v.renderRepo(r)
		}
		if action != "" {
			body["action"] = action
		}
		body["sender"] = v.renderUser(actor)
		body["installation"] = map[string]any{"id": i.ID, "node_id": nodeID("Installation", i.ID)}
		if owner := s.accounts.rows[r.OwnerID]; owner.Type == typeOrg {
			body["organization"] = s.renderOrganization(owner)
		}
		s.hooks.enqueue(s.apps.rows[i.AppID], i.ID, r.ID, actor.Login, cause, event, action, body)
	}
}

func (s *Server) renderOrganization(o *accountRow) map[string]any {
	u := s.url() + "/orgs/" + o.Login
	return map[string]any{"login": o.Login, "id": o.ID, "node_id": nodeID("Organization", o.ID), "url": u, "repos_url": u + "/repos", "events_url": u + "/events",
		"hooks_url": u + "/hooks", "issues_url": u + "/issues", "members_url": u + "/members{/member}", "public_members_url": u + "/public_members{/member}",
		"avatar_url": fmt.Sprintf("%s/avatars/u/%d", s.url(), o.ID), "description": nil}
}

// emitInstallation sends an installation event to the App itself.
func (s *Server) emitInstallation(i *installationRow, actor *accountRow, event, action string, payload map[string]any) {
	v := s.view()
	payload["action"] = action
	payload["installation"] = v.renderInstallation(i)
	if event == "installation_target" {
		payload["installation"] = map[string]any{"id": i.ID, "node_id": nodeID("Installation", i.ID)}
	}
	payload["sender"] = v.renderUser(actor)
	if account := s.accounts.rows[i.AccountID]; account.Type == typeOrg {
		payload["organization"] = s.renderOrganization(account)
	}
	s.hooks.enqueue(s.apps.rows[i.AppID], i.ID, 0, actor.Login, "", event, action, payload)
}

func (s *Server) emitRepository(r *repoRow, actor *accountRow, cause, action string, changes map[string]any) {
	payload := map[string]any{}
	if len(changes) > 0 {
		payload["changes"] = changes
	}
	s.emitRepo(r, actor, cause, "repository", action, payload, nil)
}

// repoStub is the short form in installation events.
func (s *Server) repoStubs(repos []*repoRow) []any {
	out := []any{}
	for _, r := range repos {
		out = append(out, map[string]any{"id": r.ID, "node_id": nodeID("Repository", r.ID), "name": r.Name, "full_name": s.fullName(r), "private": r.Private})
	}
	return out
}

// maxPushCommits is the number of commits a push payload lists at most.
const maxPushCommits = 2048

// emitPush sends push, with create and delete, for one moved reference.
func (s *Server) emitPush(r *repoRow, actor *accountRow, cause, ref, before, after string) error {
	g := s.gitRepo(r)
	isBranch := strings.HasPrefix(ref, "refs/heads/")
	if !isBranch && !strings.HasPrefix(ref, "refs/tags/") {
		return nil
	}
	v := s.view()
	full := s.fullName(r)
	created, deleted := before == zeroOID, after == zeroOID
	forced := false
	commits := []any{}
	var head any
	tip := after
	if !deleted {
		var o object
		var err error
		if tip, o, err = g.peel(after); err != nil {
			return err
		}
		if o.kind == kindCommit {
			base := before
			if created {
				// A new branch lists what the default branch lacks.
				base, _, err = g.ref("refs/heads/" + r.DefaultBranch)
				if err != nil {
					return err
				}
				if ref == "refs/heads/"+r.DefaultBranch {
					base = ""
				}
			} else if forced, err = notAncestor(g, before, tip); err != nil {
				return err
			}
			list, err := g.between(base, tip)
			if err != nil {
				return err
			}
			if len(list) > maxPushCommits {
				list = list[len(list)-maxPushCommits:]
			}
			for _, k := range list {
				body, err := s.pushCommit(r, g, k, true)
				if err != nil {
					return err
				}
				commits = append(commits, body)
			}
			k, err := g.commit(tip)
			if err != nil {
				return err
			}
			if head, err = s.pushCommit(r, g, k, created || len(list) > 0); err != nil {
				return err
			}
		}
	}
	compare := fmt.Sprintf("%s/%s/compare/%.12s...%.12s", v.root(), full, before, after)
	if created || deleted {
		compare = fmt.Sprintf("%s/%s/compare/%s", v.root(), full, strings.TrimPrefix(strings.TrimPrefix(ref, "refs/heads/"), "refs/tags/"))
	}
	repo := v.renderRepo(r)
	owner := s.accounts.rows[r.OwnerID]
	repo["owner"].(map[string]any)["name"], repo["owner"].(map[string]any)["email"] = owner.Login, orNil(owner.Email)
	repo["master_branch"], repo["stargazers"] = r.DefaultBranch, 0
	repo["created_at"], repo["pushed_at"] = r.CreatedAt.Unix(), r.PushedAt.Unix()
	if owner.Type == typeOrg {
		repo["organization"] = owner.Login
	}
	s.emitRepo(r, actor, cause, "push", "", map[string]any{
		"ref": ref, "before": before, "after": after, "created": created, "deleted": deleted, "forced": forced, "base_ref": nil, "compare": compare,
		"commits": commits, "head_commit": head, "repository": repo, "pusher": map[string]any{"name": actor.Login, "email": orNil(actor.commitEmail())},
	}, nil)
	short := ref[strings.Index(ref, "/")+1:]
	short = short[strings.Index(short, "/")+1:]
	refType := "branch"
	if !isBranch {
		refType = "tag"
	}
	if created {
		s.emitRepo(r, actor, cause, "create", "", map[string]any{"ref": short, "ref_type": refType, "master_branch": r.DefaultBranch,
			"description": orNil(r.Description), "pusher_type": "user"}, nil)
	}
	if deleted {
		s.emitRepo(r, actor, cause, "delete", "", map[string]any{"ref": short, "ref_type": refType, "pusher_type": "user"}, nil)
	}
	if isBranch {
		return s.branchMoved(r, actor, cause, short, before, after)
	}
	return nil
}

func notAncestor(g *gitRepo, old, tip string) (bool, error) {
	ok, err := g.isAncestor(old, tip)
	return !ok, err
}

func (s *Server) pushCommit(r *repoRow, g *gitRepo, k *commit, distinct bool) (map[string]any, error) {
	parentTree := ""
	if len(k.parents) > 0 {
		p, err := g.commit(k.parents[0])
		if err != nil {
			return nil, err
		}
		parentTree = p.tree
	}
	added, removed, modified := []string{}, []string{}, []string{}
	err := g.diffTrees(parentTree, k.tree, "", func(path string, old, new treeEntry) {
		switch {
		case old.oid == "":
			added = append(added, path)
		case new.oid == "":
			removed = append(removed, path)
		default:
			modified = append(modified, path)
		}
	})
	if err != nil {
		return nil, err
	}
	person := func(sig signature) map[string]any {
		out := map[string]any{"name": sig.name, "email": sig.email, "date": stamp(sig.when)}
		if a := s.accountByEmail(sig.email); a != nil {
			out["username"] = a.Login
		}
		return out
	}
	return map[string]any{"id": k.oid, "tree_id": k.tree, "distinct": distinct, "message": k.message, "timestamp": k.author.when.Format("2006-01-02T15:04:05Z07:00"),
		"url": s.url() + "/" + s.fullName(r) + "/commit/" + k.oid, "author": person(k.author), "committer": person(k.committer),
		"added": limit(added, 3000), "removed": limit(removed, 3000), "modified": limit(modified, 3000)}, nil
}

func (s *Server) accountByEmail(email string) *accountRow {
	for _, a := range s.accounts.all() {
		if strings.EqualFold(a.commitEmail(), email) {
			return a
		}
	}
	return nil
}

// diffTrees reports the files that differ between two trees; an absent side
// has an empty oid.
func (r *gitRepo) diffTrees(old, new, prefix string, visit func(path string, old, new treeEntry)) error {
	if old == new {
		return nil
	}
	read := func(oid string) (map[string]treeEntry, []string, error) {
		if oid == "" {
			return nil, nil, nil
		}
		list, err := r.tree(oid)
		out := make(map[string]treeEntry, len(list))
		names := make([]string, 0, len(list))
		for _, e := range list {
			out[e.name] = e
			names = append(names, e.name)
		}
		return out, names, err
	}
	before, names, err := read(old)
	if err != nil {
		return err
	}
	after, more, err := read(new)
	if err != nil {
		return err
	}
	names = append(names, more...)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		a, b := before[name], after[name]
		if a.oid == b.oid && a.mode == b.mode {
			continue
		}
		subA, subB := "", ""
		if a.mode == modeTree {
			subA, a = a.oid, treeEntry{}
		}
		if b.mode == modeTree {
			subB, b = b.oid, treeEntry{}
		}
		if a.oid != "" || b.oid != "" {
			visit(prefix+name, a, b)
		}
		if subA != "" || subB != "" {
			if err := r.diffTrees(subA, subB, prefix+name+"/", visit); err != nil {
				return err
			}
		}
	}
	return nil
}
