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

	guarded     []Action        // what Waiting holds back
	compared    map[string]bool // kinds this plan looked at completely
	adopt       []*Resource     // base as both observations hold it
	drop        []Key           // gone on both sides
	states      map[Key]string  // state of each resource for people
	undos       []Undo          // the whole list, pruned
	dropped     []*Dropped      // newly found paths of a rewritten history
	mootDropped []string        // ids of Dropped records whose value moved on
	missing     bool            // something base holds may have moved into an entry that is new
	mootDecline []string        // ids of Declined records whose value moved on
	proposals   []Action        // the NetBox values of open conflicts, as edits of Git: one pull request per resource
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
	p.mootDeclined()
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
