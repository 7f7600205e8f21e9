package gitops

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
)

// guardWindow is how long a delete that was carried out counts (ENGINE 19).
const guardWindow = time.Hour

// isApproved tells whether a person approved exactly this action, with exactly these values.
func (p *planner) isApproved(fingerprint string) bool {
	for _, a := range p.in.State.Approvals {
		if slices.Contains(a.Fingerprints, fingerprint) {
			p.plan.used[a.Hash] = true
			p.plan.approved[fingerprint] = true
			return true
		}
	}
	return false
}

// wait adds an action to what a person must approve.
func (p *planner) wait(a *Action, reason string) {
	p.plan.Waiting.Actions = append(p.plan.Waiting.Actions, WaitingAction{
		Action: a.String(), Resource: a.Key.String(), Reason: reason, Fingerprint: a.fingerprint, Key: a.Key})
}

// String is the action for people: "delete vpc/x in NetBox".
func (a *Action) String() string {
	if a.Op == OpRename {
		return fmt.Sprintf("rename %s to %s in %s", a.Key, a.NewKey.Name, sideName(a.Side))
	}
	return fmt.Sprintf("%s %s in %s", a.Op, a.Key, sideName(a.Side))
}

// guard takes out of the plan what exceeds the limits; the rest goes on.
func (p *planner) guard() {
	in := p.in
	base := 0
	perKind := map[string]int{}
	for _, r := range in.State.Resources {
		if r.Exists {
			base++
			perKind[r.Key.Kind]++
		}
	}
	g := in.Fabric.Guard
	reason := map[int]string{} // index of action → why it waits
	for _, from := range []Side{SideGit, SideNetBox} {
		done := 0
		for _, d := range in.State.Deletes {
			// What was brought back since, by a person or a rollback, is no longer deleted.
			r := in.State.Resources[d.Key]
			if back := r != nil && r.Exists; d.From == from && !back && in.Now.Sub(d.At) < guardWindow {
				done++
			}
		}
		var deletes, updates []int
		for i := range p.plan.Actions {
			a := &p.plan.Actions[i]
			if a.Side == from || p.isApproved(a.fingerprint) {
				continue
			}
			switch a.Op {
			case OpDelete:
				deletes = append(deletes, i)
			case OpUpdate:
				updates = append(updates, i)
			}
		}
		if limit := max(g.MaxDelete, g.MaxDeletePercent*(base+done)/100); len(deletes)+done > limit && len(deletes) > 0 {
			for _, i := range deletes {
				reason[i] = fmt.Sprintf("%d deletes from %s within an hour exceed the limit of %d", len(deletes)+done, sideName(from), limit)
			}
		}
		if limit := max(g.MaxChange, g.MaxChangePercent*base/100); len(updates) > limit {
			for _, i := range updates {
				reason[i] = fmt.Sprintf("%d changed resources from %s in one plan exceed the limit of %d", len(updates), sideName(from), limit)
			}
		}
		for _, i := range deletes {
			a := &p.plan.Actions[i]
			if reason[i] != "" {
				continue
			}
			switch {
			case slices.Contains(g.AskDelete, a.Key.Kind):
				reason[i] = "deleting a " + a.Key.Kind + " always asks (guard.ask_delete)"
			case perKind[a.Key.Kind] >= 2 && !p.seenOn(from, a.Key.Kind):
				reason[i] = fmt.Sprintf("all %d resources of kind %s are gone from %s", perKind[a.Key.Kind], a.Key.Kind, sideName(from))
			case from == SideGit && in.Git.DirTree == "" && base >= 2:
				reason[i] = "the directory " + in.Fabric.Directory + " is gone from the branch"
			case from == SideGit && in.State.MarkerSeen && !in.Git.HasMarker:
				reason[i] = "the structure marker " + Marker + " is gone"
			}
		}
	}
	p.guardDirection(reason)
	if len(reason) > 0 {
		var keep []Action
		for i := range p.plan.Actions {
			a := &p.plan.Actions[i]
			if why := reason[i]; why != "" {
				p.wait(a, why)
				p.plan.guarded = append(p.plan.guarded, *a)
				continue
			}
			keep = append(keep, *a)
		}
		p.plan.Actions = keep
	}
	sort.Slice(p.plan.Waiting.Actions, func(i, j int) bool {
		a, b := p.plan.Waiting.Actions[i], p.plan.Waiting.Actions[j]
		return a.Fingerprint < b.Fingerprint
	})
	if len(p.plan.Waiting.Actions) > 0 {
		h := sha256.New()
		for _, a := range p.plan.Waiting.Actions {
			h.Write([]byte(a.Fingerprint))
		}
		p.plan.Waiting.Hash = hex.EncodeToString(h.Sum(nil))[:12]
	}
	sort.SliceStable(p.plan.Waiting.Actions, func(i, j int) bool {
		return p.plan.Waiting.Actions[i].Resource < p.plan.Waiting.Actions[j].Resource
	})
}

const reasonDirection = "the direction was changed, and this moves what had drifted before"

// guardDirection holds the first plan that moves drift after the direction policy changed (ENGINE 21).
func (p *planner) guardDirection(reason map[int]string) {
	if p.in.State.Direction == "" || p.in.State.Direction == p.in.Fabric.directionPrint() {
		return
	}
	drifted := map[Key]bool{}
	for _, c := range p.in.State.Conflicts {
		if c.Code == DriftCode {
			drifted[c.Key] = true
		}
	}
	if in := p.in.State.Waiting; in != nil {
		// Its conflict closed when the direction opened; it waits until it is approved, not for one plan.
		for _, w := range in.Actions {
			drifted[w.Key] = drifted[w.Key] || w.Reason == reasonDirection
		}
	}
	for i := range p.plan.Actions {
		a := &p.plan.Actions[i]
		if drifted[a.Key] && reason[i] == "" && !p.isApproved(a.fingerprint) {
			reason[i] = reasonDirection
		}
	}
}

// directionPrint is the direction policy as one comparable text.
func (f *Fabric) directionPrint() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", f.Direction)
	for _, r := range f.Rules {
		fmt.Fprintf(&b, "|%v %v %v %s %t", r.Kinds, r.Names, r.Fields, r.Direction, r.Enforce)
	}
	return b.String()
}

func (p *planner) seenOn(side Side, kind string) bool {
	if side == SideNetBox {
		return len(p.in.NetBox.ByPK[kind]) > 0
	}
	for k := range p.in.Git.Resources {
		if k.Kind == kind {
			return true
		}
	}
	return false
}

// pairingPause stops a first contact of two sides that hardly know each other (ENGINE 14).
func (p *planner) pairingPause() *Pause {
	if p.in.State.Contact {
		return nil
	}
	git, netbox, shared := 0, 0, 0
	for k := range p.in.Git.Resources {
		if p.comparable(k) {
			git++
			if len(p.in.NetBox.ByKey[k]) > 0 {
				shared++
			}
		}
	}
	for k := range p.in.NetBox.ByKey {
		if p.comparable(k) {
			netbox++
		}
	}
	smaller := min(git, netbox)
	if git == 0 || netbox == 0 || smaller <= 5 || 2*shared >= smaller {
		return nil
	}
	hash := hashOf(p.kind(Key{}), nil, fmt.Sprintf("pairing %s %s", p.in.Fabric.Name, p.in.Fabric.Directory))[:12]
	if p.in.State.Approvals[hash] != nil {
		return nil
	}
	return &Pause{Code: PausePairing, Hash: hash, At: p.in.Now,
		Message: fmt.Sprintf("Git holds %d resources and NetBox %d, but only %d are the same: is this the right fabric? Approve to join them", git, netbox, shared)}
}
