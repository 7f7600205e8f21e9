package gitops

// This file plans resources that both sides hold.

import (
	"fmt"
	"sort"
	"strings"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// merged handles a resource that both sides hold.
func (p *planner) merged(pr pair) {
	in := p.in
	k := pr.key
	kind := p.kind(k)
	p.plan.joined[k] = true
	g, n := pr.git.Body, in.NetBox.Bodies[pr.netbox]
	m := &merger{kind: kind, first: pr.base == nil, whole: asksForBoth(in.Fabric.Conflicts)}
	bG, bN := manifests.Object(nil), manifests.Object(nil)
	if pr.base != nil {
		bG, bN = pr.base.Git, pr.base.NetBox
		if len(pr.base.Unsettled) > 0 {
			m.unsettled = map[string]bool{}
			for _, u := range pr.base.Unsettled {
				m.unsettled[u] = true
			}
		}
	}
	m.direction, m.splits = p.directions(k, pr.netbox)
	m.decision = p.decisions(k, kind)
	m.dropped = p.droppedPaths(k, kind)
	m.held = p.heldPaths(pr, kind)
	if !in.State.Contact {
		switch in.Fabric.FirstImport {
		case FirstImportGit:
			m.prefer = SideGit
		case FirstImportNetBox:
			m.prefer = SideNetBox
		}
	}
	m.merge(orNone(bG), orNone(bN), any(g), any(n))
	m.flows = append(m.flows, p.overwritten(pr, kind, m)...)
	p.strategy(m)
	p.declinedFlows(pr, m)

	name := p.names(pr, m)
	if to := pr.netbox.Key; name == SideGit && !(safeName(to.Name) && safeName(to.Namespace)) {
		p.clashes(pr, m)
		p.saveAgreed(pr, m)
		p.freeze(k, FileStructure, "renamed in NetBox to "+unsafeName, pr.git.File, pr.git.Doc)
		return
	}
	if len(m.flows) > 0 {
		if code, message := p.validity(pr, m); code != "" {
			p.clashes(pr, m)
			p.saveAgreed(pr, m)
			p.freeze(k, code, message, pr.git.File, pr.git.Doc)
			return
		}
	}
	if len(m.flows) > 0 || name != "" {
		if p.refusedBefore(pr, m) {
			p.clashes(pr, m)
			p.saveAgreed(pr, m)
			return
		}
	}
	p.saveAgreed(pr, m)
	p.clashes(pr, m)
	p.proposeClashes(pr, m)
	p.writeMerged(pr, m, name)
	if m.later {
		p.later[k] = true
		if len(m.flows) == 0 {
			p.plan.more[k.Kind] = true
		}
	}
	switch {
	case p.plan.states[k] != "":
	case len(m.clashes) > 0 && allDrift(m.clashes):
		p.plan.states[k] = "drift"
	case len(m.clashes) > 0:
		p.plan.states[k] = "conflict"
	case len(m.flows) > 0 || name != "" || m.later:
		p.plan.states[k] = "pending"
	default:
		p.plan.states[k] = "in_sync"
	}
}

func orNone(o manifests.Object) any {
	if o == nil {
		return none
	}
	return map[string]any(o)
}

func allDrift(cs []clash) bool {
	for _, c := range cs {
		if c.code != DriftCode {
			return false
		}
	}
	return true
}

// names decides the name like a field: "" when nothing is to be renamed, else the side whose name must change.
func (p *planner) names(pr pair, m *merger) Side {
	if pr.base == nil || pr.git.Key == pr.netbox.Key {
		return ""
	}
	b := pr.base.Key
	path := Path{{Name: "metadata"}, {Name: "name"}}
	dir, _ := m.direction(path)
	switch {
	case pr.git.Key == b && dir != GitToGUI && dir != Disabled:
		if d := p.declined(pr.key, path, pr.git.Key.Name, pr.netbox.Key.Name); d != nil {
			m.clashes = append(m.clashes, clash{path, Declined, b.Name, pr.git.Key.Name, pr.netbox.Key.Name, d.why()})
			return ""
		}
		return SideGit
	case pr.netbox.Key == b && dir != GUIToGit && dir != Disabled:
		return SideNetBox
	case pr.git.Key == b || pr.netbox.Key == b:
		m.clashes = append(m.clashes, clash{path, DriftCode, b.Name, pr.git.Key.Name, pr.netbox.Key.Name, "renamed on the side that is closed by direction"})
	default:
		m.clashes = append(m.clashes, clash{path, ConcurrentModification, b.Name, pr.git.Key.Name, pr.netbox.Key.Name, "renamed on both sides to different names"})
	}
	return ""
}

// validity applies ENGINE 8 and the schema to what would be written.
func (p *planner) validity(pr pair, m *merger) (ConflictCode, string) {
	if p.in.Problems == nil {
		return "", ""
	}
	git := manifests.Object(pr.git.Object)
	gitProblems := p.in.Problems(git)
	if len(gitProblems) > 0 {
		p.findings(pr.git)
		return SchemaConflict, "Git's document is not valid: " + strings.Join(firstN(gitProblems, 3), "; ")
	}
	netboxProblems := p.in.Problems(withBody(git, p.in.NetBox.Bodies[pr.netbox]))
	if len(netboxProblems) > 0 {
		return SchemaConflict, "NetBox's object is not valid: " + strings.Join(firstN(netboxProblems, 3), "; ")
	}
	merged := any(map[string]any(git))
	other := any(map[string]any(withBody(git, p.in.NetBox.Bodies[pr.netbox])))
	for _, f := range m.flows {
		if f.to == SideGit {
			merged = withPath(m.kind, merged, f.path, f.to1)
		} else {
			other = withPath(m.kind, other, f.path, f.to1)
		}
	}
	for _, doc := range []any{merged, other} {
		if problems := p.in.Problems(doc.(map[string]any)); len(problems) > 0 {
			return MergeInvalid, "each side is valid, but both edits together are not: " + strings.Join(firstN(problems, 3), "; ") + "; change one side"
		}
	}
	return "", ""
}

func firstN(list []string, n int) []string {
	if len(list) > n {
		return append(list[:n:n], fmt.Sprintf("and %d more", len(list)-n))
	}
	return list
}

// withBody is doc with another body: spec, labels and annotations.
func withBody(doc, body manifests.Object) manifests.Object {
	out := make(manifests.Object, len(doc)+1)
	for k, v := range doc {
		out[k] = v
	}
	out["spec"] = body["spec"]
	meta := map[string]any{}
	if old, ok := doc["metadata"].(map[string]any); ok {
		for k, v := range old {
			meta[k] = v
		}
	}
	bodyMeta, _ := body["metadata"].(map[string]any)
	for _, k := range []string{"labels", "annotations"} {
		delete(meta, k)
		if v, ok := bodyMeta[k]; ok {
			if m, isMap := v.(map[string]any); !isMap || len(m) > 0 {
				meta[k] = v
			}
		}
	}
	out["metadata"] = meta
	return out
}

// saveAgreed moves base where both observations agree, and remembers which paths first contact left open.
func (p *planner) saveAgreed(pr pair, m *merger) {
	r := pr.base
	var old *Resource
	if r == nil {
		r = &Resource{Key: pr.netbox.Key}
		if known := p.in.State.Resources[pr.key]; known != nil {
			c := *known
			r = &c
		}
		r.Exists = true
		r.Git, r.NetBox = comparableBody(nil), comparableBody(nil)
	} else {
		old = r
	}
	changed := old == nil
	if paths := p.settledPaths(pr, m); len(paths) > 0 {
		r = r.advance(m.kind, paths, pr.git.Body, p.in.NetBox.Bodies[pr.netbox])
		changed = true
	}
	c := *r
	r = &c
	if old == nil {
		for _, cl := range m.clashes {
			r.Unsettled = append(r.Unsettled, cl.path.String())
		}
		for _, f := range m.flows {
			r.Unsettled = append(r.Unsettled, f.path.String())
		}
		sort.Strings(r.Unsettled)
	}
	switch pk := pr.netbox.PK; {
	case r.PK == pk:
		changed = changed || r.NewPK != 0
		r.NewPK = 0
	case old == nil || r.PK == 0 || r.NewPK == pk:
		r.PK, r.NewPK, changed = pk, 0, true
	default:
		r.NewPK, changed = pk, true
		p.plan.more[pr.key.Kind] = true
	}
	if r.PK == pr.netbox.PK && r.LastUpdated != pr.netbox.LastUpdated {
		r.LastUpdated, changed = pr.netbox.LastUpdated, true
	}
	if r.File != pr.git.File || r.DocIndex != pr.git.Doc {
		r.File, r.DocIndex, changed = pr.git.File, pr.git.Doc, true
	}
	if old != nil && pr.git.Key == pr.netbox.Key && pr.git.Key != old.Key {
		// Renamed alike on both sides.
		p.plan.drop = append(p.plan.drop, old.Key)
		r.Key, changed = pr.git.Key, true
	}
	if written := p.pruneWritten(r); len(written) != len(r.Written) {
		r.Written, changed = written, true
	}
	if changed {
		p.plan.adopt = append(p.plan.adopt, r)
	}
}

// settledPaths are the paths at which both observations agree; among them those of unknown base that are gone from
// both sides.
func (p *planner) settledPaths(pr pair, m *merger) []string {
	var paths []string
	for _, a := range m.agreed {
		paths = append(paths, a.path.String())
	}
	if pr.base != nil {
		for _, text := range pr.base.Unsettled {
			at, err := ParsePath(text)
			if err != nil || isNone(lookup(m.kind, any(pr.git.Body), at)) && isNone(lookup(m.kind, any(p.in.NetBox.Bodies[pr.netbox]), at)) {
				paths = append(paths, text)
			}
		}
	}
	return paths
}

// writeMerged turns flows into one action per side.
func (p *planner) writeMerged(pr pair, m *merger, rename Side) {
	cap, _ := p.capability(pr.key.Kind)
	for _, side := range []Side{SideNetBox, SideGit} {
		var paths []PathChange
		var decisions []string
		reasons := map[string]bool{}
		a := Action{Side: side, Op: OpUpdate, Key: pr.key, pk: pr.netbox.PK, lastUpdated: pr.netbox.LastUpdated,
			file: pr.git.File, doc: pr.git.Doc}
		var body any
		if side == SideGit {
			body, a.source, a.before = map[string]any(pr.git.Object), p.in.NetBox.Bodies[pr.netbox], pr.git.Body
		} else {
			body, a.source, a.before = map[string]any(pr.netbox.Body), pr.git.Body, p.in.NetBox.Bodies[pr.netbox]
		}
		columns := map[string]bool{}
		for _, f := range m.flows {
			if f.to != side {
				continue
			}
			body = withPath(m.kind, body, f.path, f.to1)
			c := pathChange(f.path, f.from, f.to1)
			c.Detached = f.detached
			paths = append(paths, c)
			reasons[f.why] = true
			columns[columnOf(f.path)] = true
			if f.decision != "" {
				decisions = append(decisions, f.decision)
			}
		}
		if rename == side {
			a.Op, a.NewKey = OpRename, pr.netbox.Key
			old := pr.git.Key
			if side == SideNetBox {
				a.NewKey, old = pr.git.Key, pr.netbox.Key
			}
			if old.Name != a.NewKey.Name {
				paths = append(paths, PathChange{Path: "metadata.name", From: old.Name, To: a.NewKey.Name})
				columns["name"] = true
			}
			if old.Namespace != a.NewKey.Namespace {
				paths = append(paths, PathChange{Path: "metadata.namespace", From: old.Namespace, To: a.NewKey.Namespace})
				columns["namespace"] = true
			}
			reasons["renamed in "+sideName(side.Other())] = true
		}
		if len(paths) == 0 {
			continue
		}
		if side == SideNetBox && !cap.Update {
			p.freeze(pr.key, Refused, "NetBox cannot change this kind: "+cap.Reason+cap.wayRound(), pr.git.File, pr.git.Doc)
			return
		}
		a.Paths, a.decisions = paths, decisions
		a.body, _ = body.(map[string]any)
		a.columns = sortedKeys(columns)
		a.Reason = strings.Join(sortedKeys(reasons), "; ")
		a.fingerprint = p.fingerprint(&a, pr)
		p.plan.Actions = append(p.plan.Actions, a)
	}
}

// columnOf names the NetBox column a path lies in.
func columnOf(p Path) string {
	if len(p) >= 2 && p[0].Name == "metadata" {
		return p[1].Name
	}
	return "spec"
}

func pathChange(p Path, from, to any) PathChange {
	c := PathChange{Path: p.String()}
	if isNone(from) {
		c.FromNone = true
	} else {
		c.From = from
	}
	if isNone(to) {
		c.ToNone = true
	} else {
		c.To = to
	}
	return c
}
