package gitops

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sort"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// Evaluation is what merging a pull request would do to one fabric. Nothing was written to find out.
//
// The evaluated tree is the tracked branch's with the pull request's changes on top: entries that differ between the
// merge base and the head are the head's, all others the branch's. So a head that is behind does not undo what the
// branch did since.
type Evaluation struct {
	Fabric Fabric
	// Head is the pull request's head, Base the tracked branch's head, MergeBase what they share ("" when nothing).
	Head, Base, MergeBase string
	// Files are the entries below the fabric's directory that the pull request adds, changes or removes; sorted. Empty:
	// it does not touch the fabric. Colliding are those the branch changed too.
	Files, Colliding []string
	// Touched are the resources that the pull request adds, changes, renames or removes.
	Touched map[Key]bool
	// Diagnostics are all findings of the evaluated tree; a finding's File is relative to the fabric's directory.
	Diagnostics []manifests.Diagnostic
	// After is the plan once merged, Now that of the branch as it is.
	After, Now *Plan
	// Effects are what merging does to NetBox, Waiting what the guard would hold back.
	Effects []Effect
	// Arriving are the NetBox edits that wait to be written to Git and do so whether or not it is merged.
	Arriving []Effect
	// Ingest are the files in raw/ that the pull request adds and where their documents go.
	Ingest []IngestedFile
	// Unknown are kinds NetBox did not list, with the cause: nothing is known about their resources.
	Unknown map[string]string
	// Paused says why nothing is written at all for now; empty otherwise.
	Paused string
}

// Effect is one write that merging causes, or that waits anyway.
type Effect struct {
	Key, NewKey Key // NewKey only for a rename
	Side        Side
	Op          Op
	Paths       []PathChange
	Guarded     bool   // waits for an approval
	Reason      string // of the guard, or of the action
	// Breaks are resources that reference a deleted one and stay.
	Breaks []Key
	// Touched: the pull request changes the resource.
	Touched bool
	// File and Line are where the resource stands in the evaluated tree, relative to the fabric's directory; for one that
	// is gone from it, the file it had, without a line.
	File string
	Line int
}

// IngestedFile is where one raw file's documents go.
type IngestedFile struct {
	File    string   // below the fabric's directory
	Targets []string // managed files it is filed under
	Problem string   // why it will be moved to raw/errors instead
}

// Evaluate finds out what merging head into the tracked branch would do. It reads: the branch, the head, what the two
// share, and one complete listing of NetBox; it writes nothing, neither to a side nor to the ledger. state is the
// ledger as it is remembered now; it is not changed. A pull request that touches nothing below the directory costs no
// request to NetBox.
func (c *Cycle) Evaluate(ctx context.Context, state *State, head string) (*Evaluation, error) {
	branch, err := c.Repository.Observe(ctx)
	if err != nil {
		return nil, fmt.Errorf("observe Git for %s: %w", c.Fabric.Name, err)
	}
	how, err := c.Repository.Compare(ctx, branch.Head, head)
	if err != nil {
		return nil, fmt.Errorf("compare %s with %s: %w", head, c.Fabric.Branch, err)
	}
	ev := &Evaluation{Fabric: c.Fabric, Head: head, Base: branch.Head, MergeBase: how.MergeBase, Touched: map[Key]bool{}, Unknown: map[string]string{}}
	if how.Relation == RelationIdentical || how.Relation == RelationBehind {
		return ev, nil // the branch holds all of it
	}
	proposed, err := c.Repository.ObserveAt(ctx, head)
	if err != nil {
		return nil, fmt.Errorf("observe %s for %s: %w", head, c.Fabric.Name, err)
	}
	shared := &GitSnapshot{}
	switch how.MergeBase {
	case "":
	case branch.Head:
		shared = branch
	default:
		if shared, err = c.Repository.ObserveAt(ctx, how.MergeBase); err != nil {
			return nil, fmt.Errorf("observe %s for %s: %w", how.MergeBase, c.Fabric.Name, err)
		}
	}
	merged := ev.merge(shared, branch, proposed)
	if len(ev.Files) == 0 {
		return ev, nil
	}
	r := &run{Cycle: c, req: Request{Full: true}, result: &Result{}, state: state.Clone(), snap: branch, failed: map[string]bool{}}
	r.git = ViewGit(branch, &r.Fabric, r.parser())
	r.input = &Input{Now: r.now(), State: r.state, Fabric: &r.Fabric, Problems: r.Problems, Validate: r.Validate, Git: r.git}
	if err := r.lookAtNetBox(ctx); err != nil {
		return nil, err
	}
	ev.judge(r, merged)
	return ev, nil
}

// lookAtNetBox lists everything once and settles nothing: the resources of writes under way stay pending.
func (r *run) lookAtNetBox(ctx context.Context) (err error) {
	if r.caps, err = r.Inventory.Capabilities(ctx); err != nil {
		return fmt.Errorf("probe NetBox for %s: %w", r.Fabric.Name, err)
	}
	r.input.Caps = r.caps
	r.chooseKinds()
	if r.lists, err = r.Inventory.List(ctx, r.kinds); err != nil {
		return fmt.Errorf("list NetBox objects of %s: %w", r.Fabric.Name, err)
	}
	r.netbox = ViewNetBox(r.lists)
	r.input.NetBox = r.netbox
	return r.proveDeletes(ctx)
}

// merge puts the pull request's changes on the branch's tree and notes which files they are.
func (ev *Evaluation) merge(shared, branch, head *GitSnapshot) *GitSnapshot {
	index := func(s *GitSnapshot) map[string]TreeEntry {
		out := make(map[string]TreeEntry, len(s.Entries))
		for _, e := range s.Entries {
			out[e.Path] = e
		}
		return out
	}
	had, ours, theirs := index(shared), index(branch), index(head)
	differ := func(a, b map[string]TreeEntry, p string) bool {
		x, inA := a[p]
		y, inB := b[p]
		return inA != inB || x.OID != y.OID || x.Mode != y.Mode
	}
	paths := map[string]bool{}
	for _, m := range []map[string]TreeEntry{had, ours, theirs} {
		for p := range m {
			paths[p] = true
		}
	}
	out := &GitSnapshot{Head: ev.Head, ConfigBlob: branch.ConfigBlob}
	for _, p := range slices.Sorted(maps.Keys(paths)) {
		from := ours
		if differ(had, theirs, p) && differ(ours, theirs, p) {
			from = theirs
			ev.Files = append(ev.Files, p)
			if differ(had, ours, p) {
				ev.Colliding = append(ev.Colliding, p)
			}
		}
		if e, ok := from[p]; ok {
			out.Entries = append(out.Entries, e)
		}
	}
	if len(out.Entries) > 0 {
		out.DirTree = head.DirTree
		if out.DirTree == "" {
			out.DirTree = branch.DirTree
		}
	}
	return out
}

// judge plans both trees, the branch's and the merged one, and says what the difference is.
func (ev *Evaluation) judge(r *run, merged *GitSnapshot) {
	view := ViewGit(merged, &r.Fabric, r.parser())
	// What is dropped into raw/ is filed before it reaches NetBox: the plan is that of the tree after it.
	filed := PlanStructure(&StructureInput{Snapshot: merged, View: view, Fabric: &r.Fabric, State: r.state, Parse: r.parser(), Validate: r.Validate})
	ev.Ingest = ingested(filed, ev.Files)
	ev.Diagnostics = filed.Diagnostics
	if len(filed.Files) > 0 {
		view = ViewGit(afterCommit(merged, filed.Files), &r.Fabric, r.parser())
	}
	ev.Now = MakePlan(r.input)
	after := *r.input
	after.Git = view
	ev.After = MakePlan(&after)
	ev.Diagnostics = append(ev.Diagnostics, ev.After.Diagnostics...)
	if r.Check != nil {
		ev.Diagnostics = append(ev.Diagnostics, r.Check(filesOf(view))...)
	}
	ev.Diagnostics = distinct(ev.Diagnostics)
	for _, pl := range []*Plan{ev.Now, ev.After} {
		r.numberKnown(pl)
	}
	ev.touch(r, view)
	ev.effects(r.git, view)
	for kind, err := range r.netbox.Errors {
		ev.Unknown[kind] = err.Error()
	}
	switch {
	case r.state.Pause != nil:
		ev.Paused = r.state.Pause.Message
	case r.Fabric.Paused:
		ev.Paused = "paused in the configuration"
	}
}

// touch finds the resources whose document, place or readability differs between the branch and the merged tree.
func (ev *Evaluation) touch(r *run, view *GitView) {
	for _, pair := range [][2]*GitView{{r.git, view}, {view, r.git}} {
		for k, g := range pair[0].Resources {
			o := pair[1].Resources[k]
			kind, _ := manifests.LookupKind(k.Group, k.Kind)
			if o == nil || o.File != g.File || !same(kind, nil, any(o.Body), any(g.Body)) {
				ev.Touched[k] = true
			}
		}
		for k := range pair[0].Duplicates {
			if pair[1].Duplicates[k] == nil {
				ev.Touched[k] = true
			}
		}
	}
	for k, res := range r.state.Resources {
		if res.Exists && slices.Contains(ev.Files, res.File) && (view.FrozenFiles[res.File] != "") != (r.git.FrozenFiles[res.File] != "") {
			ev.Touched[k] = true
		}
	}
}

// effects are the writes to NetBox that the branch alone does not cause, and the NetBox edits that arrive anyway.
func (ev *Evaluation) effects(before, view *GitView) {
	anyway := map[string]bool{}
	for i := range ev.Now.Actions {
		anyway[ev.Now.Actions[i].fingerprint] = true
	}
	for i := range ev.Now.guarded {
		anyway[ev.Now.guarded[i].fingerprint] = true
	}
	why := map[string]string{}
	for _, w := range ev.After.Waiting.Actions {
		why[w.Fingerprint] = w.Reason
	}
	add := func(out *[]Effect, pl *Plan, side Side, skip map[string]bool) {
		for _, list := range [][]Action{pl.Actions, pl.guarded} {
			for i := range list {
				a := &list[i]
				if a.Side != side || skip[a.fingerprint] {
					continue
				}
				e := Effect{Key: a.Key, NewKey: a.NewKey, Side: a.Side, Op: a.Op, Paths: a.Paths, Reason: a.Reason, Touched: ev.Touched[a.Key] || ev.Touched[a.NewKey]}
				if reason, waits := why[a.fingerprint]; waits {
					e.Guarded, e.Reason = true, reason
				}
				if g := view.Resources[a.Key]; g != nil {
					e.File, e.Line = g.File, lineOf(view, g)
				} else if g := before.Resources[a.Key]; g != nil {
					e.File = g.File
				}
				if a.Side == SideNetBox && a.Op == OpDelete {
					e.Breaks = referencing(view, a.Key)
				}
				*out = append(*out, e)
			}
		}
		sort.SliceStable(*out, func(i, j int) bool { return (*out)[i].Key.Less((*out)[j].Key) })
	}
	add(&ev.Effects, ev.After, SideNetBox, anyway)
	add(&ev.Arriving, ev.Now, SideGit, nil)
}

func lineOf(view *GitView, g *GitResource) int {
	f := view.Files[g.File]
	if f == nil {
		return 0
	}
	at, _ := f.Locate(g.Doc, "metadata", "name")
	return at.StartLine
}

// referencing are the resources of the tree that name the one that goes away.
func referencing(view *GitView, gone Key) []Key {
	var out []Key
	for k, g := range view.Resources {
		for _, ref := range manifests.References(g.Object) {
			if ref.Identity == gone {
				out = append(out, k)
				break
			}
		}
	}
	slices.SortFunc(out, func(a, b Key) int {
		if a.Less(b) {
			return -1
		}
		return 1
	})
	return out
}

// numberKnown gives conflicts that are open already their numbers.
func (r *run) numberKnown(pl *Plan) {
	open := make(map[string]*Conflict, len(r.state.Conflicts))
	for _, c := range r.state.Conflicts {
		open[pathID(c.Key, c.Path)] = c
	}
	for i := range pl.Conflicts {
		c := &pl.Conflicts[i]
		if o := open[pathID(c.Key, c.Path)]; o != nil && o.GitHash == c.GitHash && o.NetBoxHash == c.NetBoxHash && o.BaseHash == c.BaseHash {
			c.ID, c.Number, c.DetectedAt, c.GitBy, c.NetBoxBy = o.ID, o.Number, o.DetectedAt, o.GitBy, o.NetBoxBy
		}
	}
}

// ingested reads which waiting files of the pull request go where.
func ingested(plan *StructurePlan, files []string) []IngestedFile {
	targets, bad := map[string][]string{}, map[string]bool{}
	docs, _ := plan.Details["documents"].([]any)
	for _, d := range docs {
		doc, _ := d.(map[string]any)
		from, _ := doc["from"].(string)
		to, _ := doc["file"].(string)
		if to != "" && !slices.Contains(targets[from], to) {
			targets[from] = append(targets[from], to)
		}
	}
	rejected, _ := plan.Details["files_rejected"].([]any)
	for _, f := range rejected {
		if name, ok := f.(string); ok {
			bad[name] = true
		}
	}
	var out []IngestedFile
	for _, f := range files {
		switch {
		case bad[f]:
			out = append(out, IngestedFile{File: f, Targets: targets[f], Problem: "it has errors and goes to raw/errors/"})
		case targets[f] != nil:
			out = append(out, IngestedFile{File: f, Targets: targets[f]})
		}
	}
	return out
}

// afterCommit is the snapshot with a commit's files on top.
func afterCommit(snap *GitSnapshot, files []FileChange) *GitSnapshot {
	out := *snap
	changed := map[string]FileChange{}
	for _, f := range files {
		changed[f.Path] = f
	}
	out.Entries = nil
	for _, e := range snap.Entries {
		if _, ok := changed[e.Path]; !ok {
			out.Entries = append(out.Entries, e)
		}
	}
	for p, f := range changed {
		if !f.Delete {
			out.Entries = append(out.Entries, TreeEntry{Path: p, Mode: f.Mode, OID: contentID(f.Data), Size: int64(len(f.Data)), Data: f.Data})
		}
	}
	slices.SortFunc(out.Entries, func(a, b TreeEntry) int {
		if a.Path < b.Path {
			return -1
		}
		return 1
	})
	return &out
}

// contentID stands for the object id of a blob that is in no repository; parse caches know blobs by their id.
func contentID(data []byte) string {
	sum := sha256.Sum256(data)
	return "content-" + hex.EncodeToString(sum[:])
}

func filesOf(v *GitView) []*manifests.File {
	out := make([]*manifests.File, 0, len(v.Files))
	for _, p := range slices.Sorted(maps.Keys(v.Files)) {
		out = append(out, v.Files[p])
	}
	return out
}

// distinct sorts findings by place and drops those that say the same twice.
func distinct(all []manifests.Diagnostic) []manifests.Diagnostic {
	sort.SliceStable(all, func(i, j int) bool {
		a, b := all[i], all[j]
		if a.File != b.File {
			return a.File < b.File
		}
		if a.StartLine != b.StartLine {
			return a.StartLine < b.StartLine
		}
		if a.StartColumn != b.StartColumn {
			return a.StartColumn < b.StartColumn
		}
		return a.Code < b.Code
	})
	return slices.CompactFunc(all, func(a, b manifests.Diagnostic) bool {
		return a.File == b.File && a.StartLine == b.StartLine && a.StartColumn == b.StartColumn && a.Code == b.Code
	})
}

// Preview plans what the next full cycle would do. Like Evaluate it only reads, and leaves state as it is.
func (c *Cycle) Preview(ctx context.Context, state *State) (*Plan, error) {
	branch, err := c.Repository.Observe(ctx)
	if err != nil {
		return nil, fmt.Errorf("observe Git for %s: %w", c.Fabric.Name, err)
	}
	r := &run{Cycle: c, req: Request{Full: true}, result: &Result{}, state: state.Clone(), snap: branch, failed: map[string]bool{}}
	r.git = ViewGit(branch, &r.Fabric, r.parser())
	r.input = &Input{Now: r.now(), State: r.state, Fabric: &r.Fabric, Problems: r.Problems, Validate: r.Validate, Git: r.git}
	if err := r.lookAtNetBox(ctx); err != nil {
		return nil, err
	}
	plan := MakePlan(r.input)
	r.numberKnown(plan)
	return plan, nil
}
