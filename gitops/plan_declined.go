package gitops

import (
	"fmt"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// This file plans around pull requests (ENGINE 12): values that a person declined, and conflicts shown as one.

// declined finds the record of a change to Git that a person declined, while both of its values still stand.
func (p *planner) declined(k Key, at Path, from, to any) *DeclinedValue {
	d := p.in.State.Declined[pathID(k, at.String())]
	kind := p.kind(k)
	if d == nil || d.From != hashOf(kind, at, from) || d.To != hashOf(kind, at, to) {
		return nil
	}
	return d
}

// why is the message of the conflict.
func (d *DeclinedValue) why() string {
	return fmt.Sprintf("pull request %d was closed unmerged; only a decision, or a new value, moves it on", d.Number)
}

// declinedFlows turns what was declined into conflicts, and conflicts whose pull request was declined into declined ones.
func (p *planner) declinedFlows(pr pair, m *merger) {
	if len(p.in.State.Declined) == 0 {
		return
	}
	var keep []flow
	for _, f := range m.flows {
		d := (*DeclinedValue)(nil)
		if f.to == SideGit && f.decision == "" {
			d = p.declined(pr.key, f.path, f.from, f.to1)
		}
		if d == nil {
			keep = append(keep, f)
			continue
		}
		c := clash{f.path, Declined, p.baseAt(pr, m, f.path), f.from, f.to1, d.why()}
		if m.decision != nil {
			switch side, id := m.decision(c.path, c.baseGit, c.git, c.netbox); {
			case id == "":
			case side == SideNetBox:
				f.decision, f.why = id, "decided: keep NetBox"
				keep = append(keep, f)
				continue
			default:
				keep = append(keep, flow{path: f.path, to: SideNetBox, from: f.to1, to1: f.from, decision: id, why: "decided: keep Git"})
				continue
			}
		}
		m.clashes = append(m.clashes, c)
	}
	m.flows = keep
	for i := range m.clashes {
		c := &m.clashes[i]
		if d := p.declined(pr.key, c.path, c.git, c.netbox); d != nil && c.code == ConcurrentModification {
			c.code, c.message = Declined, d.why()
		}
	}
}

// baseAt is base's Git half at a path.
func (p *planner) baseAt(pr pair, m *merger, at Path) any {
	if pr.base == nil {
		return none
	}
	return lookup(m.kind, any(map[string]any(pr.base.Git)), at)
}

// proposeClashes makes NetBox's values at the open conflicts one edit of the document, for a pull request whose diff is the
// conflict (ENGINE 23, branch).
func (p *planner) proposeClashes(pr pair, m *merger) {
	if p.in.Fabric.Conflicts != StrategyBranch || pr.git == nil || pr.netbox == nil {
		return
	}
	a := Action{Side: SideGit, Op: OpUpdate, Key: pr.key, pk: pr.netbox.PK, lastUpdated: pr.netbox.LastUpdated, file: pr.git.File, doc: pr.git.Doc,
		source: p.in.NetBox.Bodies[pr.netbox], before: pr.git.Body, Reason: "NetBox's side of the conflict"}
	body := any(map[string]any(pr.git.Object))
	for _, c := range m.clashes {
		if c.code != ConcurrentModification && c.code != BothExist || len(c.path) == 0 || c.path.String() == "metadata.name" ||
			same(m.kind, c.path, c.git, c.netbox) {
			continue
		}
		body = withPath(m.kind, body, c.path, c.netbox)
		a.Paths = append(a.Paths, pathChange(c.path, c.git, c.netbox))
	}
	if len(a.Paths) == 0 {
		return
	}
	a.body, _ = body.(map[string]any)
	if p.in.Problems != nil && len(p.in.Problems(a.body)) > 0 {
		return // a pull request that must not be merged helps nobody: the conflict is decided by command
	}
	a.fingerprint = p.fingerprint(&a, pr)
	p.plan.proposals = append(p.plan.proposals, a)
}

// mootDeclined finds records whose values no longer stand: the value moved, so it may be proposed again.
func (p *planner) mootDeclined() {
	for _, id := range sortedIDs(p.in.State.Declined) {
		d := p.in.State.Declined[id]
		if !p.plan.compared[d.Key.Kind] || p.plan.isFrozen(d.Key) {
			continue
		}
		at, err := ParsePath(d.Path)
		if err != nil {
			p.plan.mootDecline = append(p.plan.mootDecline, id)
			continue
		}
		if d.Path == "metadata.name" {
			continue
		}
		kind, _ := manifests.LookupKind(d.Key.Group, d.Key.Kind)
		git, netbox := any(none), any(none)
		if g := p.in.Git.Resources[d.Key]; g != nil {
			git = lookup(kind, any(map[string]any(g.Body)), at)
		}
		if all := p.in.NetBox.ByKey[d.Key]; len(all) == 1 {
			netbox = lookup(kind, any(map[string]any(p.in.NetBox.Bodies[all[0]])), at)
		}
		if d.From != hashOf(kind, at, git) || d.To != hashOf(kind, at, netbox) {
			p.plan.mootDecline = append(p.plan.mootDecline, id)
		}
	}
}
