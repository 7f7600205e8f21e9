package gitops

// This file plans resources that a side does not hold: creates, deletes, and what only looks like one.

import (
	"fmt"
	"strings"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// lostCreate tells whether a create of the resource on either side may have been carried out and undone.
func (p *planner) lostCreate(k Key) bool {
	for _, i := range p.in.State.Intents {
		if i.Undecidable && i.Op == OpCreate && i.Key == k {
			return true
		}
	}
	return false
}

// onlyInGit creates in NetBox; decided is true when a person chose that.
func (p *planner) onlyInGit(pr pair, decided bool) {
	k := pr.key
	cap, _ := p.capability(k.Kind)
	dir := p.wholeDirection(k, nil)
	if dir == GUIToGit || dir == Disabled {
		p.existence(pr, DriftCode, "only in Git, and the direction is "+string(dir))
		return
	}
	if p.lostCreate(k) && !decided {
		p.existenceDecided(pr, UnknownOutcome, "creating it on the other side got no answer, and nothing tells whether it was deleted there since")
		return
	}
	if !decided && p.broughtBack(k, pr.git) {
		p.existenceDecided(pr, HistoryRewritten, "the branch's history was rewritten, and Git holds again what had been deleted")
		return
	}
	if p.in.Problems != nil {
		if problems := p.in.Problems(pr.git.Object); len(problems) > 0 {
			p.findings(pr.git)
			p.freeze(k, SchemaConflict, "Git's document is not valid: "+strings.Join(firstN(problems, 3), "; "), pr.git.File, pr.git.Doc)
			return
		}
	}
	if !cap.Create {
		p.freeze(k, Refused, "NetBox cannot create this kind: "+cap.Reason+cap.wayRound(), pr.git.File, pr.git.Doc)
		return
	}
	a := Action{Side: SideNetBox, Op: OpCreate, Key: k, Reason: "new in Git", file: pr.git.File, doc: pr.git.Doc,
		body: pr.git.Body, source: pr.git.Body, columns: []string{"annotations", "labels", "name", "namespace", "spec"},
		Paths: []PathChange{{Path: "", FromNone: true, To: pr.git.Body}}}
	if p.refusedAction(&a) {
		return
	}
	a.fingerprint = p.fingerprint(&a, pr)
	p.plan.Actions = append(p.plan.Actions, a)
	p.plan.states[k] = "pending"
}

// onlyInNetBox creates in Git, unless the name may still be hidden in an unreadable file (ENGINE 10).
func (p *planner) onlyInNetBox(pr pair, decided bool) {
	k := pr.key
	if len(p.in.NetBox.ByKey[k]) == 0 {
		return
	}
	dir := p.wholeDirection(k, pr.netbox)
	if dir == GitToGUI || dir == Disabled {
		p.existence(pr, DriftCode, "only in NetBox, and the direction is "+string(dir))
		return
	}
	if p.lostCreate(k) && !decided {
		p.existenceDecided(pr, UnknownOutcome, "creating it on the other side got no answer, and nothing tells whether it was deleted there since")
		return
	}
	if d := p.declined(k, nil, none, p.netboxBody(pr)); d != nil && !decided {
		p.existenceDecided(pr, Declined, d.why())
		return
	}
	for _, path := range p.in.Git.Moved[k] {
		if placeOf(p.in.Fabric, path) != placeUnmanaged {
			continue
		}
		p.freeze(k, FileStructure, fmt.Sprintf("%s holds it, where nothing is synchronised; move it out of unmanaged/ or delete it", path), path, 0)
		p.plan.states[k] = "disabled"
		return
	}
	if file := p.in.Git.mentioned(k); file != "" {
		p.freeze(k, FileStructure, fmt.Sprintf("%s cannot be read yet and may hold %s; it is not created in Git until that is known", file, k), file, 0)
		return
	}
	if !safeName(k.Name) || !safeName(k.Namespace) {
		p.freeze(k, FileStructure, unsafeName, "", 0)
		return
	}
	kind := p.kind(k)
	doc := newDocument(kind, k, p.in.NetBox.Bodies[pr.netbox])
	if p.in.Problems != nil {
		if problems := p.in.Problems(doc); len(problems) > 0 {
			p.freeze(k, SchemaConflict, "NetBox's object is not valid: "+strings.Join(firstN(problems, 3), "; "), "", 0)
			return
		}
	}
	a := Action{Side: SideGit, Op: OpCreate, Key: k, Reason: "new in NetBox", pk: pr.netbox.PK, lastUpdated: pr.netbox.LastUpdated,
		body: doc, source: p.in.NetBox.Bodies[pr.netbox],
		Paths: []PathChange{{Path: "", FromNone: true, To: p.in.NetBox.Bodies[pr.netbox]}}}
	a.fingerprint = p.fingerprint(&a, pr)
	p.plan.Actions = append(p.plan.Actions, a)
	p.plan.states[k] = "pending"
}

// newDocument is the document a NetBox object becomes in a new file.
func newDocument(kind manifests.Kind, k Key, body manifests.Object) manifests.Object {
	meta := map[string]any{"name": k.Name}
	if k.Namespace != manifests.DefaultNamespace {
		meta["namespace"] = k.Namespace
	}
	doc := manifests.Object{"apiVersion": kind.APIVersion(), "kind": kind.Kind, "metadata": meta}
	return forGit(map[string]any(withBody(doc, body))).(map[string]any)
}

// unsafeName says what safeName refuses.
const unsafeName = "a name that cannot be a file name: use lower case letters, digits, - and ."

func safeName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		edge := i == 0 || i == len(s)-1
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || !edge && (c == '-' || c == '.') {
			continue
		}
		return false
	}
	return true
}

// goneInNetBox handles a resource that Git holds and NetBox no longer shows (ENGINE 11).
func (p *planner) goneInNetBox(pr pair) {
	k, r := pr.key, pr.base
	ok, why := p.proven(r)
	if !ok {
		a := Action{Side: SideGit, Op: OpDelete, Key: k, Reason: "gone in NetBox", file: pr.git.File, doc: pr.git.Doc,
			source: nil, before: pr.git.Body, pk: r.PK}
		a.fingerprint = p.fingerprint(&a, pr)
		if !p.isApproved(a.fingerprint) {
			p.freeze(k, Vanished, why, pr.git.File, pr.git.Doc)
			p.wait(&a, "vanished: "+why)
			return
		}
	}
	kind := p.kind(k)
	if !same(kind, nil, any(pr.git.Body), any(r.Git)) || pr.git.Key != r.Key || len(r.Unsettled) > 0 {
		p.existenceDecided(pr, DeleteEdit, "deleted in NetBox and changed in Git")
		return
	}
	dir := p.wholeDirection(k, nil)
	if dir == GitToGUI || dir == Disabled {
		p.existence(pr, DriftCode, "deleted in NetBox, and the direction is "+string(dir))
		return
	}
	if d := p.declined(k, nil, any(map[string]any(pr.git.Body)), none); d != nil {
		p.existenceDecided(pr, Declined, d.why())
		return
	}
	p.deleteInGit(pr, "deleted in NetBox")
}

func (p *planner) deleteInGit(pr pair, why string, decisions ...string) {
	a := Action{Side: SideGit, Op: OpDelete, Key: pr.key, Reason: why, file: pr.git.File, doc: pr.git.Doc,
		before: pr.git.Body, decisions: decisions,
		Paths: []PathChange{{Path: "", From: pr.git.Body, ToNone: true}}}
	if pr.base != nil {
		a.pk = pr.base.PK
	}
	a.fingerprint = p.fingerprint(&a, pr)
	p.plan.Actions = append(p.plan.Actions, a)
	p.plan.states[pr.key] = "pending"
}

// proven tells whether the object's absence from a complete listing is known to be a delete.
func (p *planner) proven(r *Resource) (bool, string) {
	in := p.in
	if in.Proof[r.Key.Kind][r.PK] {
		return true, ""
	}
	if o := in.NetBox.ByPK[r.Key.Kind][r.PK]; o != nil {
		return false, fmt.Sprintf("it was renamed in NetBox to %s, which is another resource in Git; rename one of them, or approve to accept that %s is gone", o.Key, r.Key)
	}
	if other, ok := in.NetBox.Foreign[r.Key.Kind][r.PK]; ok {
		if in.HeldElsewhere[r.Key.Kind][r.PK] {
			return true, ""
		}
		return false, fmt.Sprintf("the NetBox object belongs to another fabric now (id %d); approve to delete it here", other)
	}
	if in.Caps != nil && !in.Caps.ChangeLog {
		return false, "it is no longer listed by NetBox, and the token may not read the change log, so a delete cannot be told from a hidden row; grant core.view_objectchange, or approve"
	}
	return false, "it is no longer listed by NetBox, but the change log holds no delete: a permission may hide it; approve to accept that it is gone"
}

// goneInGit handles a resource that NetBox holds and Git no longer shows (ENGINE 10).
func (p *planner) goneInGit(pr pair) {
	in := p.in
	k, r := pr.key, pr.base
	if reason := in.Git.FrozenFiles[r.File]; reason != "" {
		p.freeze(k, FileStructure, fmt.Sprintf("%s is %s; what it held is left alone on both sides", r.File, reason), r.File, 0)
		return
	}
	if why := in.Git.disguise(r.File, k); why != "" {
		p.freeze(k, FileStructure, fmt.Sprintf("%s may still hold it, but %s; nothing is deleted in NetBox", r.File, why), r.File, 0)
		return
	}
	if path := in.Git.movedTo(k, in.State.Opaque); path != "" {
		p.freeze(k, FileStructure, fmt.Sprintf("moved to %s, where nothing is synchronised; nothing is deleted in NetBox", path), path, 0)
		p.plan.missing = true
		if placeOf(in.Fabric, path) == placeUnmanaged {
			p.plan.states[k] = "disabled"
		}
		return
	}
	file := in.Git.mentioned(k)
	if file == "" {
		file = in.Git.hiding(in.State.Opaque)
		p.plan.missing = p.plan.missing || file != ""
	}
	if file != "" {
		p.freeze(k, FileStructure, fmt.Sprintf("%s cannot be read and may hold %s; nothing is deleted until that is known", file, k), file, 0)
		return
	}
	kind := p.kind(k)
	n := in.NetBox.Bodies[pr.netbox]
	if pr.netbox.PK != r.PK || pr.netbox.Key != r.Key || !same(kind, nil, any(n), any(r.NetBox)) || len(r.Unsettled) > 0 {
		why := "deleted in Git and changed in NetBox"
		if pr.netbox.PK != r.PK {
			why = "deleted in Git; NetBox holds a new object of that name"
		} else if pr.netbox.Key != r.Key {
			why = "deleted in Git and renamed in NetBox"
		}
		p.existenceDecided(pr, DeleteEdit, why)
		return
	}
	if dropped := p.droppedPaths(k, kind); dropped != nil && dropped(nil, none) {
		p.existenceDecided(pr, HistoryRewritten, "the branch's history was rewritten and Git no longer holds it")
		return
	}
	dir := p.wholeDirection(k, pr.netbox)
	if dir == GUIToGit || dir == Disabled {
		p.existence(pr, DriftCode, "deleted in Git, and the direction is "+string(dir))
		return
	}
	p.deleteInNetBox(pr, "deleted in Git")
}

func (p *planner) deleteInNetBox(pr pair, why string, decisions ...string) {
	cap, _ := p.capability(pr.key.Kind)
	if !cap.Delete {
		p.freeze(pr.key, Refused, "NetBox cannot delete this kind: "+cap.Reason+cap.wayRound(), "", 0)
		return
	}
	a := Action{Side: SideNetBox, Op: OpDelete, Key: pr.key, Reason: why, pk: pr.netbox.PK, lastUpdated: pr.netbox.LastUpdated,
		before: p.in.NetBox.Bodies[pr.netbox], decisions: decisions,
		Paths: []PathChange{{Path: "", From: p.in.NetBox.Bodies[pr.netbox], ToNone: true}}}
	if p.refusedAction(&a) {
		return
	}
	a.fingerprint = p.fingerprint(&a, pr)
	p.plan.Actions = append(p.plan.Actions, a)
	p.plan.states[pr.key] = "pending"
}

// goneOnBoth forgets a resource that neither side holds any more.
func (p *planner) goneOnBoth(pr pair) {
	in := p.in
	k, r := pr.key, pr.base
	if reason := in.Git.FrozenFiles[r.File]; reason != "" {
		p.freeze(k, FileStructure, fmt.Sprintf("%s is %s; what it held is left alone", r.File, reason), r.File, 0)
		return
	}
	if o := in.NetBox.ByPK[k.Kind][r.PK]; o == nil {
		if ok, why := p.proven(r); !ok {
			a := Action{Side: SideGit, Op: OpDelete, Key: k, Reason: "gone on both sides", pk: r.PK}
			a.fingerprint = p.fingerprint(&a, pr)
			if !p.isApproved(a.fingerprint) {
				p.freeze(k, Vanished, "deleted in Git; in NetBox "+why, r.File, 0)
				p.wait(&a, "vanished: "+why)
				return
			}
		}
	}
	p.plan.drop = append(p.plan.drop, k)
}
