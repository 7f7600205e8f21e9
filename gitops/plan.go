package gitops

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// Input is everything a plan depends on. The same input gives the same plan.
type Input struct {
	Now    time.Time
	State  *State
	Fabric *Fabric
	Git    *GitView
	NetBox *NetBoxView
	Caps   *Capabilities
	// Insist repeats refused writes now: a person asked for this cycle, who may have removed the cause.
	Insist bool
	// Proof are the primary keys, by kind, for which the change log holds a delete row (ENGINE 11).
	Proof map[string]map[int64]bool
	// HeldElsewhere are the primary keys, by kind, that another pairing's base holds (ENGINE 9).
	HeldElsewhere map[string]map[int64]bool
	// AtMergeBase are the bodies at the merge base of old and new head when history was rewritten; nil otherwise.
	AtMergeBase map[Key]manifests.Object
	// Problems checks a document against its schema (ENGINE 8); nil checks nothing.
	Problems func(doc manifests.Object) []string
	// Validate gives a document's findings with their places, for people; nil finds nothing.
	Validate func(f *manifests.File, doc int) []manifests.Diagnostic
}

// Plan is what one cycle decided, with the reason of every action and every inaction.
type Plan struct {
	Hash        string
	Actions     []Action
	Waiting     Waiting
	Conflicts   []Conflict // open after this plan, without numbers for new ones
	Frozen      []Frozen
	Diagnostics []manifests.Diagnostic
	// Pause stops all writing; nil when the plan may run.
	Pause *Pause

	compared    map[string]bool // kinds this plan looked at completely
	adopt       []*Resource     // base as both observations hold it
	drop        []Key           // gone on both sides
	states      map[Key]string  // state of each resource for people
	undos       []Undo          // the whole list, pruned
	dropped     []*Dropped      // newly found paths of a rewritten history
	mootDropped []string        // ids of Dropped records whose value moved on
	missing     bool            // something base holds may have moved into an entry that is new
	moot        []string        // ids of Overwritten records that no longer hold
	more        map[string]bool // kinds that need another plan once this one is carried out
	spent       []string        // decisions that need no write
	joined      map[Key]bool    // resources that both sides hold and whose paths were compared
	used        map[string]bool // approvals whose actions are in Actions
	approved    map[string]bool // fingerprints of actions that run by approval
	edited      map[string]*editedFile
}

// Action is one write the plan wants.
type Action struct {
	Side   Side
	Op     Op
	Key    Key
	NewKey Key
	Reason string
	Paths  []PathChange

	fingerprint string
	pk          int64
	lastUpdated string
	columns     []string
	body        manifests.Object // wanted on Side: the whole document (Git), the whole body (NetBox)
	source      manifests.Object // comparable body of the other side
	before      manifests.Object // comparable body it replaces
	file        string
	doc         int
	rendered    []byte // the new file of a create
	decisions   []string
}

// Frozen is one resource nothing of which is written.
type Frozen struct {
	Key     Key
	Code    ConflictCode
	Message string
	File    string
	Line    int
}

// pair is one resource seen on all three places, whatever its name is there.
type pair struct {
	base   *Resource // nil: no base
	git    *GitResource
	netbox *NetBoxObject
	key    Key // the name it is spoken of: base's, else the one side's
}

type planner struct {
	in     *Input
	plan   *Plan
	undone []undoneWrite
	later  map[Key]bool // resources of which more flows once their actions are carried out
}

// MakePlan decides what to do. It is pure and deterministic.
func MakePlan(in *Input) *Plan {
	p := &planner{in: in, later: map[Key]bool{}, plan: &Plan{
		compared: map[string]bool{}, states: map[Key]string{}, used: map[string]bool{},
		approved: map[string]bool{}, more: map[string]bool{}, joined: map[Key]bool{}, edited: map[string]*editedFile{},
	}}
	p.plan.Diagnostics = append(p.plan.Diagnostics, in.Git.Diagnostics...)
	p.plan.undos = p.recentUndos()
	for kind := range in.NetBox.Known {
		p.plan.compared[kind] = true
	}
	for _, pr := range p.pairs() {
		p.resource(pr)
	}
	p.overwrittenDeletes()
	p.mootRecords()
	p.plan.Pause = p.pairingPause()
	p.plan.planFiles(in)
	p.guard()
	p.finish()
	return p.plan
}

// capability answers what the backend can do with a kind; nothing when it has no table for it.
func (p *planner) capability(kind string) (KindCapability, bool) {
	if p.in.Caps == nil {
		return KindCapability{Read: true, Create: true, Update: true, Delete: true}, true
	}
	c, ok := p.in.Caps.Kinds[kind]
	return c, ok && c.Read
}

// pairs joins base, Git and NetBox by identity, then by primary key and file where something was renamed (ENGINE 9).
func (p *planner) pairs() []pair {
	in := p.in
	base := map[Key]*Resource{}
	for k, r := range in.State.Resources {
		if r.Exists {
			base[k] = r
		}
	}
	keys := map[Key]bool{}
	for k := range base {
		keys[k] = true
	}
	for k := range in.Git.Resources {
		keys[k] = true
	}
	for k := range in.Git.Duplicates {
		keys[k] = true
	}
	for k := range in.NetBox.ByKey {
		keys[k] = true
	}
	sorted := make([]Key, 0, len(keys))
	for k := range keys {
		if p.comparable(k) {
			sorted = append(sorted, k)
		}
	}
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].Less(sorted[j]) })

	inGit := func(k Key) bool {
		_, a := in.Git.Resources[k]
		_, b := in.Git.Duplicates[k]
		return a || b
	}
	taken := map[Key]bool{}
	var out []pair
	for _, k := range sorted {
		r := base[k]
		if r == nil {
			continue
		}
		pr := pair{base: r, key: k, git: in.Git.Resources[k]}
		if all := in.NetBox.ByKey[k]; len(all) == 1 {
			pr.netbox = all[0]
		}
		if len(in.NetBox.ByKey[k]) == 0 {
			if o := in.NetBox.ByPK[k.Kind][r.PK]; o != nil && o.Key != k && !taken[o.Key] && base[o.Key] == nil && len(in.NetBox.ByKey[o.Key]) == 1 &&
				(!inGit(o.Key) || !inGit(k)) && in.Git.Duplicates[o.Key] == nil && in.Git.Duplicates[k] == nil {
				// Renamed in NetBox; Git may have renamed it the same way.
				if g := in.Git.Resources[o.Key]; g == nil || p.renamedInGit(r, g, base) {
					pr.netbox = o
					taken[o.Key] = true
					if g != nil {
						pr.git = g
					}
				}
			}
		}
		if pr.git == nil && in.Git.Duplicates[k] == nil {
			if g := p.gitRename(r, base); g != nil && !taken[g.Key] && len(in.NetBox.ByKey[g.Key]) == 0 {
				pr.git = g
				taken[g.Key] = true
			}
		}
		out = append(out, pr)
	}
	for _, k := range sorted {
		if base[k] != nil || taken[k] {
			continue
		}
		pr := pair{key: k, git: in.Git.Resources[k]}
		if all := in.NetBox.ByKey[k]; len(all) == 1 {
			pr.netbox = all[0]
		}
		out = append(out, pr)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].key.Less(out[j].key) })
	return out
}

// comparable tells whether a key's kind is in this plan, and records what is not.
func (p *planner) comparable(k Key) bool {
	kind, ok := manifests.LookupKind(k.Group, k.Kind)
	if !ok || kind.Role != manifests.RoleUser {
		return false
	}
	if _, ok := p.capability(k.Kind); !ok {
		p.plan.states[k] = "unsupported"
		return false
	}
	if !p.in.NetBox.Known[k.Kind] {
		p.plan.states[k] = "unknown"
		return false
	}
	return true
}

// gitRename finds the document that base's resource became: one document in the same file, equal body, other name.
func (p *planner) gitRename(r *Resource, base map[Key]*Resource) *GitResource {
	f := p.in.Git.Files[r.File]
	if f == nil || p.in.Git.FrozenFiles[r.File] != "" {
		return nil
	}
	var only *GitResource
	for i, d := range f.Documents() {
		if d.Class == manifests.ClassEmpty {
			continue
		}
		if only != nil || d.Class != manifests.ClassResource {
			return nil
		}
		if g := p.in.Git.Resources[d.Identity]; g != nil && g.File == r.File && g.Doc == i {
			only = g
		} else {
			return nil
		}
	}
	if only == nil || only.Key == r.Key || !p.renamedInGit(r, only, base) {
		return nil
	}
	return only
}

// renamedInGit tells whether g can be base's resource under another name.
func (p *planner) renamedInGit(r *Resource, g *GitResource, base map[Key]*Resource) bool {
	kind, _ := manifests.LookupKind(r.Key.Group, r.Key.Kind)
	return g.Key.Group == r.Key.Group && g.Key.Kind == r.Key.Kind && g.File == r.File && base[g.Key] == nil &&
		len(p.in.Git.Files[g.File].Documents()) >= 1 && same(kind, nil, g.Body, r.Git)
}

// resource plans one resource.
func (p *planner) resource(pr pair) {
	in := p.in
	k := pr.key
	if i := p.underWay(pr); i != nil {
		p.plan.states[k] = "pending"
		return
	}
	if all := in.Git.Duplicates[k]; all != nil {
		p.freeze(k, DuplicateIdentity, fmt.Sprintf("%s stands in %d places in Git", k, len(all)), all[0].File, all[0].Doc)
		return
	}
	if pr.git != nil && in.Git.Duplicates[pr.git.Key] != nil {
		p.freeze(k, DuplicateIdentity, fmt.Sprintf("%s stands in several places in Git", pr.git.Key), pr.git.File, pr.git.Doc)
		return
	}
	if all := in.NetBox.ByKey[k]; len(all) > 1 {
		p.freeze(k, DuplicateIdentity, fmt.Sprintf("NetBox holds %d objects named %s; delete all but one", len(all), k), "", 0)
		return
	}
	if pr.git != nil && in.Git.broken(pr.git.File) {
		p.freeze(k, FileStructure, fmt.Sprintf("%s is not readable as YAML in every document; repair it and %s goes on", pr.git.File, k), pr.git.File, pr.git.Doc)
		return
	}
	switch {
	case pr.base != nil && pr.git != nil && pr.netbox != nil:
		p.merged(pr)
	case pr.base != nil && pr.git != nil:
		p.goneInNetBox(pr)
	case pr.base != nil && pr.netbox != nil:
		p.goneInGit(pr)
	case pr.base != nil:
		p.goneOnBoth(pr)
	case pr.git != nil && pr.netbox != nil:
		p.merged(pr)
	case pr.git != nil:
		p.onlyInGit(pr, false)
	default:
		p.onlyInNetBox(pr, false)
	}
}

// underWay finds a NetBox write of the resource whose outcome is not known yet: nothing of the resource moves until
// it is (ENGINE 3). A create is no obstacle: the unique constraint lets only one win.
func (p *planner) underWay(pr pair) *Intent {
	for _, i := range p.in.State.Intents {
		if i.Side == SideNetBox && !i.Answered && !i.Undecidable && i.Op != OpCreate && i.Key == pr.key {
			return i
		}
	}
	return nil
}

func (p *planner) kind(k Key) manifests.Kind {
	kind, _ := manifests.LookupKind(k.Group, k.Kind)
	return kind
}

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

func (c KindCapability) wayRound() string {
	if c.Workaround == "" {
		return ""
	}
	return "; " + c.Workaround
}

func sortedKeys(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
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

// findings adds what is wrong with a Git document, with its places, to the plan's diagnostics.
func (p *planner) findings(g *GitResource) {
	f := p.in.Git.Files[g.File]
	if p.in.Validate == nil || f == nil {
		return
	}
	for _, d := range p.in.Validate(f, g.Doc) {
		if d.Severity == manifests.SeverityError {
			p.plan.Diagnostics = append(p.plan.Diagnostics, d)
		}
	}
}

func (p *planner) freeze(k Key, code ConflictCode, message, file string, doc int) {
	f := Frozen{Key: k, Code: code, Message: message, File: file}
	if v := p.in.Git.Files[file]; v != nil {
		doc, at := p.cause(v, code, doc)
		r, _ := v.Locate(doc, at...)
		f.Line = r.StartLine
	}
	p.plan.Frozen = append(p.plan.Frozen, f)
	p.plan.states[k] = "frozen"
}

// cause is the document and the place in it that a person has to look at: the first document that cannot be used, or
// the first value that does not fit the schema.
func (p *planner) cause(file *manifests.File, code ConflictCode, doc int) (int, []string) {
	docs := file.Documents()
	switch {
	case code == FileStructure:
		for i, d := range docs {
			if d.Class == manifests.ClassResource && d.Identity.Name == "" {
				return i, []string{"metadata"}
			}
			if d.Class == manifests.ClassBroken || d.Class == manifests.ClassUnsupportedVersion || disguised(d) != "" {
				return i, nil
			}
		}
	case code == SchemaConflict && p.in.Problems != nil && doc < len(docs) && docs[doc].Object != nil:
		if problems := p.in.Problems(docs[doc].Object); len(problems) > 0 {
			at, _, _ := strings.Cut(problems[0], ": ")
			return doc, strings.Split(at, ".")
		}
	}
	return doc, nil
}

func (p *planner) fingerprint(a *Action, pr pair) string {
	kind := p.kind(pr.key)
	h := sha256.New()
	fmt.Fprintf(h, "%s|%s|%v|%v|", a.Side, a.Op, a.Key, a.NewKey)
	for _, v := range []any{p.baseHash(pr), orNone2(pr.git), p.netboxBody(pr)} {
		fmt.Fprintf(h, "%s|", hashOf(kind, nil, v))
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

func (p *planner) baseHash(pr pair) any {
	if pr.base == nil {
		return none
	}
	return map[string]any(pr.base.Git)
}

func orNone2(g *GitResource) any {
	if g == nil {
		return none
	}
	return map[string]any(g.Body)
}

func (p *planner) netboxBody(pr pair) any {
	if pr.netbox == nil {
		return none
	}
	return map[string]any(p.in.NetBox.Bodies[pr.netbox])
}

// finish orders the plan and gives it its hash.
func (p *planner) finish() {
	pl := p.plan
	sort.SliceStable(pl.Actions, func(i, j int) bool { return p.actionLess(&pl.Actions[i], &pl.Actions[j]) })
	sort.SliceStable(pl.Conflicts, func(i, j int) bool {
		a, b := &pl.Conflicts[i], &pl.Conflicts[j]
		if a.Key != b.Key {
			return a.Key.Less(b.Key)
		}
		return a.Path < b.Path
	})
	sort.SliceStable(pl.Frozen, func(i, j int) bool { return pl.Frozen[i].Key.Less(pl.Frozen[j].Key) })
	h := sha256.New()
	for i := range pl.Actions {
		fmt.Fprintf(h, "%s\n", pl.Actions[i].fingerprint)
		if k := pl.Actions[i].Key; p.later[k] {
			pl.more[k.Kind] = true
		}
	}
	fmt.Fprintf(h, "waiting %s\n", pl.Waiting.Hash)
	for i := range pl.Conflicts {
		c := &pl.Conflicts[i]
		fmt.Fprintf(h, "%v %s %s %s %s %s\n", c.Key, c.Path, c.Code, c.BaseHash, c.GitHash, c.NetBoxHash)
	}
	pl.Hash = hex.EncodeToString(h.Sum(nil))[:12]
}

// actionLess is the order of writing: NetBox before Git; in NetBox kinds in dependency order, changes before creates
// (a rename may free a name), deletes last and in reverse.
func (p *planner) actionLess(a, b *Action) bool {
	if a.Side != b.Side {
		return a.Side == SideNetBox
	}
	da, db := a.Op == OpDelete, b.Op == OpDelete
	if da != db {
		return db
	}
	ka, kb := p.kind(a.Key), p.kind(b.Key)
	if ka.Order != kb.Order {
		return (ka.Order < kb.Order) != da
	}
	if ka.Kind != kb.Kind {
		return (ka.Kind < kb.Kind) != da
	}
	ca, cb := a.Op == OpCreate, b.Op == OpCreate
	if ca != cb {
		return cb
	}
	return a.Key.Less(b.Key)
}
