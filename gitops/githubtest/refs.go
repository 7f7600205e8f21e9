package githubtest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// staleRef is the value reads still answer after a reference moved.
type staleRef struct {
	oid   string // "" when the reference did not exist
	reads int    // left; meaningful when limited
	until time.Time
	byUse bool
}

func staleKey(r *repoRow, name string) string { return strconv.FormatInt(r.ID, 10) + " " + name }

// readRef is what a read sees: the true value, or the old one while reads are
// stale. Writers use gitRepo.ref.
func (s *Server) readRef(r *repoRow, name string) (string, bool, error) {
	key := staleKey(r, name)
	if st := s.stale[key]; st != nil {
		if st.byUse && st.reads > 0 {
			st.reads--
			return st.oid, st.oid != "", nil
		}
		if !st.byUse && s.clock.Now().Before(st.until) {
			return st.oid, st.oid != "", nil
		}
		delete(s.stale, key)
	}
	return s.gitRepo(r).ref(name)
}

// refChange moves one reference; an empty or zero after deletes it. Before is
// compared when it is set: zeros mean that the reference must not exist.
type refChange struct {
	name   string
	before string
	after  string
	force  bool
}

var (
	errRefExists      = fail(422, "Reference already exists")
	errRefMissing     = fail(422, "Reference does not exist")
	errObjectMissing  = fail(422, "Object does not exist")
	errNotFastForward = fail(422, "Update is not a fast forward")
	errStaleBefore    = errors.New("reference does not point to the expected object")
)

// moveRefs checks all changes against the true references and then makes
// them: all or none. It emits the events. Nothing may have changed in between,
// because every writer holds the Server's lock.
func (s *Server) moveRefs(r *repoRow, actor *accountRow, route string, changes []refChange, bypass bool) error {
	g := s.gitRepo(r)
	olds := make([]string, len(changes))
	for i, ch := range changes {
		if !validRef(ch.name) {
			return fail(422, "Reference name must start with 'refs/' and have at least two slashes")
		}
		old, exists, err := g.ref(ch.name)
		if err != nil {
			return err
		}
		if !exists {
			old = zeroOID
		}
		olds[i] = old
		if ch.before != "" && ch.before != old {
			return fmt.Errorf("%s: %w", ch.name, errStaleBefore)
		}
		if strings.HasPrefix(ch.name, "refs/pull/") {
			return fail(422, "Reference cannot be updated: refs/pull is GitHub's own")
		}
		if err := s.refusal(r, ch.name, old, ch.after); err != nil && !bypass {
			return err
		}
		if ch.after == "" || ch.after == zeroOID {
			if !exists {
				return errRefMissing
			}
			continue
		}
		o, err := g.read(ch.after)
		if errors.Is(err, errNoObject) {
			return errObjectMissing
		}
		if err != nil {
			return err
		}
		if strings.HasPrefix(ch.name, "refs/heads/") && o.kind != kindCommit {
			return fail(422, "Reference update failed")
		}
		if !exists {
			conflict, err := g.refConflict(ch.name)
			if err != nil {
				return err
			}
			if conflict {
				return fail(422, "Reference already exists")
			}
			continue
		}
		if !ch.force && o.kind == kindCommit {
			ok, err := g.isAncestor(old, ch.after)
			if err != nil {
				return err
			}
			if !ok {
				return errNotFastForward
			}
		}
	}
	for i, ch := range changes {
		after := ch.after
		if after == zeroOID {
			after = ""
		}
		if err := g.setRef(ch.name, after); err != nil {
			return err
		}
		if err := s.refMoved(r, actor, route, ch.name, olds[i], after); err != nil {
			return err
		}
	}
	return nil
}

// refMoved does what follows from a moved reference: stale reads, dates,
// pull requests, events. before and after are zeros or "" for none.
func (s *Server) refMoved(r *repoRow, actor *accountRow, route, name, before, after string) error {
	if before == "" {
		before = zeroOID
	}
	if after == "" {
		after = zeroOID
	}
	if before == after {
		return nil
	}
	if s.knobs.StaleReads > 0 || s.knobs.StaleFor > 0 {
		old := before
		if old == zeroOID {
			old = ""
		}
		st := &staleRef{oid: old, reads: s.knobs.StaleReads, byUse: s.knobs.StaleReads > 0, until: s.clock.Now().Add(s.knobs.StaleFor)}
		s.stale[staleKey(r, name)] = st
	}
	r.PushedAt, r.UpdatedAt = s.now(), s.now()
	s.repos.put(r.ID, r)
	return s.emitPush(r, actor, route, name, before, after)
}

func (c *call) routeName() string { return c.route.method + " " + c.route.template }

func (c *call) renderRef(name, oid string) (map[string]any, error) {
	o, err := c.git.read(oid)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"ref":     name,
		"node_id": nodeID("Ref", c.repo.ID, name),
		"url":     c.api("/repos/%s/git/%s", c.s.fullName(c.repo), name),
		"object": map[string]any{"type": o.kind, "sha": oid,
			"url": c.api("/repos/%s/git/%ss/%s", c.s.fullName(c.repo), o.kind, oid)},
	}, nil
}

func (c *call) isEmpty() bool {
	refs, err := c.git.refs("refs/")
	return err == nil && len(refs) == 0
}

var errEmptyRepository = fail(409, "Git Repository is empty.")

func (c *call) getRef() (int, any, error) {
	name := "refs/" + c.params["ref"]
	oid, ok, err := "", false, error(nil)
	if validRef(name) {
		oid, ok, err = c.s.readRef(c.repo, name)
	}
	if err != nil {
		return 0, nil, err
	}
	if !ok {
		if c.isEmpty() {
			return 0, nil, errEmptyRepository
		}
		return 0, nil, errNotFound
	}
	body, err := c.renderRef(name, oid)
	return 200, body, err
}

func (c *call) matchingRefs() (int, any, error) {
	refs, err := c.git.refs("refs/" + c.params["ref"])
	if err != nil {
		return 0, nil, err
	}
	out := []any{}
	for _, ref := range refs {
		oid, ok, err := c.s.readRef(c.repo, ref.name)
		if err != nil {
			return 0, nil, err
		}
		if !ok {
			continue
		}
		body, err := c.renderRef(ref.name, oid)
		if err != nil {
			return 0, nil, err
		}
		out = append(out, body)
	}
	return 200, paginate(c, out), nil
}

func (c *call) createRef() (int, any, error) {
	var in struct {
		Ref string `json:"ref"`
		SHA string `json:"sha"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	if c.isEmpty() {
		return 0, nil, errEmptyRepository
	}
	if !validRef(in.Ref) {
		return 0, nil, fail(422, "Reference name must start with 'refs/' and have at least two slashes")
	}
	if !isOID(in.SHA) {
		return 0, nil, fail(422, "The sha parameter must be exactly 40 characters and contain only [0-9a-f].")
	}
	err := c.s.moveRefs(c.repo, c.id.account, c.routeName(), []refChange{{name: in.Ref, before: zeroOID, after: in.SHA}}, false)
	if errors.Is(err, errStaleBefore) {
		err = errRefExists
	}
	if err != nil {
		return 0, nil, err
	}
	body, err := c.renderRef(in.Ref, in.SHA)
	if err == nil {
		c.header.Set("Location", body["url"].(string))
	}
	return 201, body, err
}

func (c *call) updateRef() (int, any, error) {
	var in struct {
		SHA   string `json:"sha"`
		Force bool   `json:"force"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	name := "refs/" + c.params["ref"]
	if !isOID(in.SHA) {
		return 0, nil, fail(422, "The sha parameter must be exactly 40 characters and contain only [0-9a-f].")
	}
	_, exists, err := c.git.ref(name)
	if err != nil {
		return 0, nil, err
	}
	if !exists {
		return 0, nil, errRefMissing
	}
	if err := c.s.moveRefs(c.repo, c.id.account, c.routeName(), []refChange{{name: name, after: in.SHA, force: in.Force}}, false); err != nil {
		return 0, nil, err
	}
	body, err := c.renderRef(name, in.SHA)
	return 200, body, err
}

func (c *call) deleteRef() (int, any, error) {
	name := "refs/" + c.params["ref"]
	if name == "refs/heads/"+c.repo.DefaultBranch {
		return 0, nil, fail(422, "Cannot delete the default branch")
	}
	return 204, nil, c.s.moveRefs(c.repo, c.id.account, c.routeName(), []refChange{{name: name}}, false)
}
