package gitops

import (
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// directions answers the direction of each path of a resource (ENGINE 21): the tightest of the fabric's, the most
// specific rule's and the plugin's auto_sync.
func (p *planner) directions(k Key, o *NetBoxObject) (func(Path) (Direction, bool), bool) {
	f := p.in.Fabric
	var rules []Rule
	splits := false
	for _, r := range f.Rules {
		if matchesAny(r.Kinds, k.Kind) && matchesAny(r.Names, k.Name) {
			rules = append(rules, r)
			splits = splits || len(r.Fields) > 0
		}
	}
	whole := f.Direction
	if o != nil && !o.AutoSync {
		whole = Disabled
	}
	return func(at Path) (Direction, bool) {
		best, rank := -1, -1
		for i, r := range rules {
			if rk := r.rank(at); rk >= 0 && rk >= rank {
				best, rank = i, rk
			}
		}
		if best < 0 {
			return whole, false
		}
		return tightest(whole, rules[best].Direction), rules[best].Enforce
	}, splits
}

// rank is how specific a rule is for a path, -1 when it does not select it: a field beats a name, a name beats a
// kind, a longer field pattern beats a shorter one.
func (r *Rule) rank(at Path) int {
	rank := 0
	if len(r.Kinds) > 0 {
		rank++
	}
	if len(r.Names) > 0 {
		rank += 2
	}
	if len(r.Fields) == 0 {
		return rank
	}
	longest := -1
	for _, f := range r.Fields {
		if at.matchGlob(f) {
			if names, err := parseGlob(f); err == nil && len(names) > longest {
				longest = len(names)
			}
		}
	}
	if longest < 0 {
		return -1
	}
	return rank + 4 + 4*longest
}

func matchesAny(globs []string, s string) bool {
	if len(globs) == 0 {
		return true
	}
	for _, g := range globs {
		if ok, err := path.Match(g, s); err == nil && ok {
			return true
		}
	}
	return false
}

// tightest combines two directions: opposite one-way directions let nothing through.
func tightest(a, b Direction) Direction {
	switch {
	case a == "" || a == Bidirectional:
		return b
	case b == "" || b == Bidirectional || a == b:
		return a
	default:
		return Disabled
	}
}

func (p *planner) wholeDirection(k Key, o *NetBoxObject) Direction {
	dir, _ := p.directions(k, o)
	d, _ := dir(nil)
	return d
}

// decisions looks up choices bound to the three values of their path (ENGINE 20).
func (p *planner) decisions(k Key, kind manifests.Kind) func(Path, any, any, any) (Side, string) {
	var mine []*Decision
	for _, d := range p.in.State.Decisions {
		if d.Key == k {
			mine = append(mine, d)
		}
	}
	if len(mine) == 0 {
		return nil
	}
	sort.Slice(mine, func(i, j int) bool { return mine[i].ID < mine[j].ID })
	return func(at Path, base, git, netbox any) (Side, string) {
		text := at.String()
		for _, d := range mine {
			if d.Path == text && d.GitHash == hashOf(kind, at, git) && d.NetBoxHash == hashOf(kind, at, netbox) && d.BaseHash == hashOf(kind, at, base) {
				return Side(d.Choice), d.ID
			}
		}
		return "", ""
	}
}

// droppedPaths tells which Git values are older ones that a rewritten history brought back (ENGINE 13).
func (p *planner) droppedPaths(k Key, kind manifests.Kind) func(Path, any) bool {
	in := p.in
	var old any = none
	if body, ok := in.AtMergeBase[k]; ok {
		old = map[string]any(body)
	}
	had := in.AtMergeBase != nil
	known := false
	for id := range in.State.Dropped {
		if in.State.Dropped[id].Key == k {
			known = true
		}
	}
	if !had && !known {
		return nil
	}
	return func(at Path, git any) bool {
		hash := hashOf(kind, at, git)
		if d := in.State.Dropped[pathID(k, at.String())]; d != nil && d.GitHash == hash {
			return true
		}
		if had && same(kind, at, git, lookup(kind, old, at)) {
			p.plan.dropped = append(p.plan.dropped, &Dropped{Key: k, Path: at.String(), GitHash: hash})
			return true
		}
		return false
	}
}

// broughtBack tells whether a resource that base no longer has is in Git only because a rewritten history dropped its
// delete (ENGINE 13). One that was known and never agreed on, such as a refused one, was not deleted.
func (p *planner) broughtBack(k Key, g *GitResource) bool {
	recorded := p.in.State.Dropped[pathID(k, "")] != nil
	if !recorded && (!p.in.State.Contact || p.in.State.Resources[k] != nil) {
		return false
	}
	dropped := p.droppedPaths(k, p.kind(k))
	return dropped != nil && dropped(nil, any(map[string]any(g.Body)))
}

// mootRecords finds records of a rewritten history whose Git value has moved since: from then on it is an edit.
func (p *planner) mootRecords() {
	in := p.in
	for id, d := range in.State.Dropped {
		if !in.NetBox.Known[d.Key.Kind] || in.Git.Duplicates[d.Key] != nil {
			continue
		}
		at, err := ParsePath(d.Path)
		var git any = none
		if g := in.Git.Resources[d.Key]; g != nil {
			git = lookup(p.kind(d.Key), any(map[string]any(g.Body)), at)
		}
		if err != nil || hashOf(p.kind(d.Key), at, git) != d.GitHash {
			p.plan.mootDropped = append(p.plan.mootDropped, id)
		}
	}
	sort.Strings(p.plan.mootDropped)
}

// fightWindow and fightCount: a path of ours undone so often in so long is a fight (ENGINE 22).
const (
	fightWindow = 10 * time.Minute
	fightCount  = 3
)

func (p *planner) recentUndos() []Undo {
	var out []Undo
	for _, u := range p.in.State.Undos {
		if p.in.Now.Sub(u.At) < fightWindow || p.fighting(u.Key, u.Path) {
			out = append(out, u)
		}
	}
	return out
}

// fighting tells whether the path is shown as a fight; its count is kept until that conflict ends.
func (p *planner) fighting(k Key, at string) bool {
	for _, c := range p.in.State.Conflicts {
		if c.Code == Fight && c.Key == k && c.Path == at {
			return true
		}
	}
	return false
}

// heldPaths gives the reasons for which a one-sided change does not flow: a fight, or an earlier write whose outcome
// nobody can tell. It also notices writes of ours that were undone.
func (p *planner) heldPaths(pr pair, kind manifests.Kind) func(Path) (ConflictCode, string) {
	if pr.base == nil {
		return nil
	}
	g, n := any(pr.git.Body), any(p.in.NetBox.Bodies[pr.netbox])
	for _, w := range pr.base.Written {
		at, err := ParsePath(w.Path)
		if err != nil {
			continue
		}
		side, half := n, any(pr.base.NetBox)
		if w.Side == SideGit {
			side, half = g, any(pr.base.Git)
		}
		if hashOf(kind, at, lookup(kind, side, at)) == w.From && hashOf(kind, at, lookup(kind, half, at)) == w.To {
			p.plan.undos = append(p.plan.undos, Undo{Key: pr.key, Path: w.Path, At: p.in.Now})
			p.undone = append(p.undone, undoneWrite{pr.key, w.Path, w.Side})
		}
	}
	return func(at Path) (ConflictCode, string) {
		text := at.String()
		count := 0
		for _, u := range p.plan.undos {
			if u.Key == pr.key && u.Path == text {
				count++
			}
		}
		if count >= fightCount {
			return Fight, fmt.Sprintf("what was written here was undone %d times in %s: somebody else keeps setting it", count, fightWindow)
		}
		for _, i := range p.in.State.Intents {
			if !i.Undecidable || i.Key != pr.key {
				continue
			}
			// Base is either the value before or the one after that write, and nothing tells which: whatever flows
			// under the one is a conflict under the other.
			for _, c := range i.Paths {
				p, err := ParsePath(c.Path)
				if n := min(len(p), len(at)); err == nil && samePath(p[:n], at[:n]) {
					return UnknownOutcome, "an earlier write of this value got no answer, and nothing tells whether it was carried out and changed since"
				}
			}
		}
		return "", ""
	}
}

func (c PathChange) from() any {
	if c.FromNone {
		return none
	}
	return c.From
}

func (c PathChange) to() any {
	if c.ToNone {
		return none
	}
	return c.To
}

type undoneWrite struct {
	key  Key
	path string
	side Side
}

// pruneWritten drops remembered writes that are too old to be undone in a fight, or were noticed as undone.
func (p *planner) pruneWritten(r *Resource) []WrittenPath {
	var out []WrittenPath
	for _, w := range r.Written {
		gone := p.in.Now.Sub(w.At) >= fightWindow
		for _, u := range p.undone {
			gone = gone || u.key == r.Key && u.path == w.Path && u.side == w.Side
		}
		if !gone {
			out = append(out, w)
		}
	}
	return out
}

// overwritten shows values of writers that leave no trace which our write replaced (ENGINE 4), and brings one back
// when a person decides so.
func (p *planner) overwritten(pr pair, kind manifests.Kind, m *merger) []flow {
	var ids []string
	for id, o := range p.in.State.Overwritten {
		if o.Key == pr.key {
			ids = append(ids, id)
		}
	}
	p.oldestFirst(ids)
	var out []flow
	var shown []Path
	for _, id := range ids {
		o := p.in.State.Overwritten[id]
		at, err := ParsePath(o.Path)
		if err != nil {
			continue
		}
		if len(at) == 0 {
			if o.None {
				p.undoneDelete(pr, id, m)
			}
			continue
		}
		g, n := lookup(kind, any(pr.git.Body), at), lookup(kind, any(p.in.NetBox.Bodies[pr.netbox]), at)
		value := o.Value
		if o.None {
			value = none
		}
		if same(kind, at, n, value) {
			p.plan.moot = append(p.plan.moot, id) // the value is back
			continue
		}
		if m.touches(at) {
			p.plan.more[pr.key.Kind] = true // the other change of the path comes first
			continue
		}
		if !same(kind, at, g, n) {
			continue
		}
		if m.decision != nil {
			switch side, decision := m.decision(at, n, g, value); {
			case decision == "":
			case side == SideNetBox:
				// Only NetBox is written, and base stays: Git follows as with any edit in NetBox.
				out = append(out, flow{path: at, to: SideNetBox, from: n, to1: value, decision: decision, detached: true,
					why: "decided: bring the overwritten value back"})
				p.plan.more[pr.key.Kind] = true
				continue
			default:
				p.plan.moot = append(p.plan.moot, id)
				p.plan.spent = append(p.plan.spent, decision)
				continue
			}
		}
		if slices.ContainsFunc(shown, func(s Path) bool { n := min(len(s), len(at)); return samePath(s[:n], at[:n]) }) {
			continue // several values of one place are decided one after the other
		}
		shown = append(shown, at)
		m.clashes = append(m.clashes, clash{at, ConcurrentModification, n, g, value,
			"a change in NetBox that left no trace was overwritten; its value is kept here"})
	}
	return out
}

// oldestFirst orders ids of State.Overwritten by the time their value was overwritten.
func (p *planner) oldestFirst(ids []string) {
	sort.Strings(ids)
	sort.SliceStable(ids, func(i, j int) bool {
		return p.in.State.Overwritten[ids[i]].At.Before(p.in.State.Overwritten[ids[j]].At)
	})
}

// undoneDelete shows a delete in NetBox that a repeated create of ours undid, and carries it out when a person decides so.
func (p *planner) undoneDelete(pr pair, id string, m *merger) {
	// What NetBox holds now stands in base's place: a decision is for exactly that, and an edit of it makes it void.
	now, body := any(map[string]any(p.in.NetBox.Bodies[pr.netbox])), any(map[string]any(pr.git.Body))
	if m.decision != nil {
		switch side, decision := m.decision(nil, now, body, none); {
		case decision == "":
		case side == SideNetBox:
			p.deleteInNetBox(pr, "decided: keep NetBox", decision) // Git follows as with any delete in NetBox
			p.plan.moot = append(p.plan.moot, id)
			p.plan.more[pr.key.Kind] = true
			return
		default:
			p.plan.moot = append(p.plan.moot, id)
			p.plan.spent = append(p.plan.spent, decision)
			return
		}
	}
	m.clashes = append(m.clashes, clash{nil, DeleteEdit, now, body, none,
		"deleted in NetBox while it was being created there a second time, because the first answer was lost"})
}

// overwrittenDeletes shows objects that our delete removed although a writer without a trace had changed them: the
// resource is gone on both sides, and its last value is kept for a person.
func (p *planner) overwrittenDeletes() {
	ids := sortedIDs(p.in.State.Overwritten)
	p.oldestFirst(ids)
	shown := map[Key]bool{}
	for _, id := range ids {
		o := p.in.State.Overwritten[id]
		if !p.in.NetBox.Known[o.Key.Kind] {
			continue
		}
		if o.Path != "" || o.None {
			if p.in.Git.Resources[o.Key] == nil && len(p.in.NetBox.ByKey[o.Key]) == 0 && p.in.State.Resources[o.Key] == nil {
				p.plan.moot = append(p.plan.moot, id) // the resource itself was deleted since
			}
			continue
		}
		if p.in.Git.Resources[o.Key] != nil || len(p.in.NetBox.ByKey[o.Key]) > 0 {
			p.plan.moot = append(p.plan.moot, id) // somebody made it anew
			continue
		}
		value, _ := o.Value.(map[string]any)
		pr := pair{key: o.Key}
		if look := p.decisions(o.Key, p.kind(o.Key)); look != nil {
			switch side, decision := look(nil, none, none, any(value)); {
			case decision == "":
			case side == SideNetBox:
				p.bringBack(o, value, decision)
				shown[o.Key] = true
				continue
			default:
				p.plan.moot = append(p.plan.moot, id)
				p.plan.spent = append(p.plan.spent, decision)
				continue
			}
		}
		if shown[o.Key] {
			continue // several lost values of one resource are decided one after the other
		}
		shown[o.Key] = true
		p.conflict(pr, clash{nil, DeleteEdit, none, none, any(value), "deleted in Git while a change in NetBox that left no trace was made; its last value is kept here"})
		p.plan.states[o.Key] = "conflict"
	}
}

// bringBack makes the resource anew in NetBox; Git follows as for any new object.
func (p *planner) bringBack(o *Overwritten, value manifests.Object, decision string) {
	a := Action{Side: SideNetBox, Op: OpCreate, Key: o.Key, Reason: "decided: bring the deleted object back", body: value, source: nil,
		columns: []string{"annotations", "labels", "name", "namespace", "spec"}, decisions: []string{decision},
		Paths: []PathChange{{Path: "", FromNone: true, To: map[string]any(value)}}}
	if p.refusedAction(&a) {
		return
	}
	a.fingerprint = p.fingerprint(&a, pair{key: o.Key})
	p.plan.Actions = append(p.plan.Actions, a)
	p.plan.states[o.Key] = "pending"
	p.plan.more[o.Key.Kind] = true
}

func sortedIDs[T any](m map[string]T) []string {
	ids := make(map[string]bool, len(m))
	for id := range m {
		ids[id] = true
	}
	return sortedKeys(ids)
}

// asksForBoth tells whether a policy asks a person about every resource that changed on both sides.
func asksForBoth(s Strategy) bool { return s == StrategyUserGuided || s == StrategyTimestamp }

// strategy holds a resource back as a whole when the policy asks a person for everything changed on both sides
// (ENGINE 23).
func (p *planner) strategy(m *merger) {
	if !asksForBoth(p.in.Fabric.Conflicts) {
		return
	}
	sides := map[Side]bool{}
	for _, f := range m.flows {
		if f.decision == "" {
			sides[f.to] = true
		}
	}
	both := len(sides) == 2
	for _, c := range m.clashes {
		both = both || c.code != DriftCode && len(sides) > 0
	}
	if !both {
		return
	}
	var keep []flow
	for _, f := range m.flows {
		if f.decision != "" {
			keep = append(keep, f)
			continue
		}
		c := clash{path: f.path, code: ConcurrentModification, message: "changed in " + sideName(f.to.Other()) + "; the resource changed on both sides and waits as a whole"}
		c.git, c.netbox, c.baseGit = f.to1, f.from, f.from
		if f.to == SideGit {
			c.git, c.netbox = f.from, f.to1
		}
		m.clashes = append(m.clashes, c)
	}
	m.flows = keep
}

// refusedBefore keeps a resource frozen whose write NetBox refused, until its content or a resource it references
// changes, or its time has come (ENGINE 18).
func (p *planner) refusedBefore(pr pair, m *merger) bool {
	r := p.in.State.Refusals[pr.key]
	if r == nil {
		return false
	}
	body := any(map[string]any(pr.netbox.Body))
	writes := false
	for _, f := range m.flows {
		if f.to == SideNetBox {
			writes = true
			body = withPath(m.kind, body, f.path, f.to1)
		}
	}
	if !writes {
		return false
	}
	return p.stillRefused(r, hashOf(m.kind, nil, body), pr.git.File, pr.git.Doc)
}

// refusedAction is refusedBefore for creates and deletes.
func (p *planner) refusedAction(a *Action) bool {
	r := p.in.State.Refusals[a.Key]
	if r == nil {
		return false
	}
	return p.stillRefused(r, contentHash(a), a.file, a.doc)
}

func (p *planner) stillRefused(r *Refusal, content, file string, doc int) bool {
	if r.ContentHash != content || r.RefsHash != p.in.refsHash(r.Key) || !p.in.Now.Before(r.RetryAt) || p.in.Insist {
		return false
	}
	p.freeze(r.Key, r.Code, "NetBox refused the write: "+r.Message, file, doc)
	return true
}

// contentHash is what a refusal is bound to: the wanted body, or the delete.
func contentHash(a *Action) string {
	kind, _ := manifests.LookupKind(a.Key.Group, a.Key.Kind)
	if a.Op == OpDelete {
		return "delete"
	}
	return hashOf(kind, nil, any(map[string]any(a.body)))
}

// refsHash is the state, on both sides, of what a resource references.
func (in *Input) refsHash(k Key) string {
	g := in.Git.Resources[k]
	if g == nil {
		return ""
	}
	var b strings.Builder
	for _, ref := range manifests.References(g.Object) {
		kind, _ := manifests.LookupKind(ref.Identity.Group, ref.Identity.Kind)
		b.WriteString(ref.Identity.String())
		if t := in.Git.Resources[ref.Identity]; t != nil {
			b.WriteString(hashOf(kind, nil, any(t.Body)))
		}
		for _, o := range in.NetBox.ByKey[ref.Identity] {
			b.WriteString(hashOf(kind, nil, any(in.NetBox.Bodies[o])))
		}
	}
	return hashOf(manifests.Kind{}, nil, b.String())
}

// clashes turns the merger's clashes into conflicts.
func (p *planner) clashes(pr pair, m *merger) {
	for _, c := range m.clashes {
		p.conflict(pr, c)
	}
}

func (p *planner) conflict(pr pair, c clash) {
	kind := p.kind(pr.key)
	out := Conflict{Key: pr.key, Code: c.code, Path: c.path.String(), Message: c.message, DetectedAt: p.in.Now,
		BaseHash: hashOf(kind, c.path, c.baseGit), GitHash: hashOf(kind, c.path, c.git), NetBoxHash: hashOf(kind, c.path, c.netbox),
		Options: []string{"netbox", "git"}}
	out.Base, out.BaseNone = valueOrNone(c.baseGit)
	out.Git, out.GitNone = valueOrNone(c.git)
	out.NetBox, out.NetBoxNone = valueOrNone(c.netbox)
	if c.code == DriftCode {
		out.Options = nil
	}
	if pr.git != nil {
		out.File = pr.git.File
		if f := p.in.Git.Files[pr.git.File]; f != nil {
			r, _ := f.Locate(pr.git.Doc, indexPath(kind, pr.git.Object, c.path)...)
			out.Line = r.StartLine
		}
	} else if pr.base != nil {
		out.File = pr.base.File
	}
	p.plan.Conflicts = append(p.plan.Conflicts, out)
}

func valueOrNone(v any) (any, bool) {
	if isNone(v) {
		return nil, true
	}
	return v, false
}

// existence is a conflict about whether the resource exists at all.
func (p *planner) existence(pr pair, code ConflictCode, message string) {
	p.conflict(pr, clash{nil, code, p.baseHash(pr), orNone2(pr.git), p.netboxBody(pr), message})
	p.plan.states[pr.key] = "conflict"
	if code == DriftCode {
		p.plan.states[pr.key] = "drift"
	}
}

// existenceDecided is existence, unless a person has decided: then the chosen side's state becomes the other's.
func (p *planner) existenceDecided(pr pair, code ConflictCode, message string) {
	if look := p.decisions(pr.key, p.kind(pr.key)); look != nil {
		side, id := look(nil, p.baseHash(pr), orNone2(pr.git), p.netboxBody(pr))
		switch {
		case id == "":
		case side == SideGit && pr.git == nil:
			p.deleteInNetBox(pr, "decided: keep Git", id)
			return
		case side == SideGit:
			p.onlyInGit(pair{key: pr.key, git: pr.git}, true)
			p.spendOnLast(pr.key, id)
			return
		case side == SideNetBox && pr.netbox == nil:
			p.deleteInGit(pr, "decided: keep NetBox", id)
			return
		default:
			p.onlyInNetBox(pair{key: pr.netbox.Key, netbox: pr.netbox}, true)
			p.spendOnLast(pr.netbox.Key, id)
			return
		}
	}
	p.existence(pr, code, message)
}

// spendOnLast binds a decision to the action just planned for the key.
func (p *planner) spendOnLast(k Key, id string) {
	if n := len(p.plan.Actions); n > 0 && p.plan.Actions[n-1].Key == k {
		p.plan.Actions[n-1].decisions = append(p.plan.Actions[n-1].decisions, id)
	}
}
