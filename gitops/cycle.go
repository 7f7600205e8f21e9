package gitops

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// Clock is the engine's only source of time.
type Clock interface{ Now() time.Time }

// Cycle is one fabric ready to be brought in step.
type Cycle struct {
	Repository Repository
	Inventory  Inventory
	// Proposals are the pull requests into the branch; nil where there are none: then mode pull_request writes nothing
	// to Git, and a protected branch is an error.
	Proposals Proposals
	Ledger    Ledger
	Clock     Clock
	Fabric    Fabric
	// Problems checks a whole document against its kind's schema and answers what is wrong, nothing when valid
	// (ENGINE 8). Nil checks nothing.
	Problems func(doc manifests.Object) []string
	// Validate gives the findings of one document with their places, for people. Nil finds nothing.
	Validate func(f *manifests.File, doc int) []manifests.Diagnostic
	// Check gives all findings of the fabric's files, those between files included, for evaluations. Nil finds none.
	Check func(files []*manifests.File) []manifests.Diagnostic
	// NewOperation makes a new operation id: sync_20250730_123456_k7q2mx (UTC start and 6 random base32 characters).
	NewOperation func(now time.Time) string
	// Log receives one line per notable event: msg and key-value pairs; nil logs nothing.
	Log func(msg string, kv ...any)
	// People maps NetBox users to commit co-authors ("Alice Ng <alice@example.com>").
	People map[string]string
	// ProposalText makes title and text of pull requests; nil takes the commit's message.
	ProposalText ProposalText
	// Parse parses a blob; nil parses without a cache.
	Parse Parser
}

// Request says why a cycle runs.
type Request struct {
	// Full compares every kind, whatever the scope says.
	Full bool
	// Kinds are put into scope in addition to what the ledger holds.
	Kinds []string
	// Operation is the id given to a caller beforehand; empty makes a new one when something is to be written.
	Operation string
	// Source is github, netbox, api, timer or command; Login the person, when known.
	Source, Login string
	// Editors are the NetBox users known to have edited the fabric since the last cycle, for the commit's trailers.
	Editors []string
	// Ingest and Init ask for these plans even when nothing else calls for them.
	Ingest, Init bool
}

// Result is what a cycle did.
type Result struct {
	Status    Status
	Operation *Operation // nil when nothing was written
	Plan      *Plan
	// Again asks for another cycle at once (something moved while it ran), After for one later (zero: none).
	Again bool
	After time.Duration
	// Commits and NetBoxWrites count the write requests that were answered with success.
	Commits, NetBoxWrites int
	// Proposed counts the pull requests that were opened or rewritten.
	Proposed int
}

// rereadAfter is how old a listing may be when a batch of updates is sent: writers that leave no trace in NetBox are
// met by content alone (ENGINE 4).
const rereadAfter = 2 * time.Second

// staleReadFor is how long reads older than the known head are taken for a lagging replica (ENGINE 13).
const staleReadFor = 5 * time.Minute

// run is one cycle under way.
type run struct {
	*Cycle
	req    Request
	state  *State
	snap   *GitSnapshot
	git    *GitView
	caps   *Capabilities
	latest *Capabilities // as the listings left them
	kinds  []string
	lists  map[string]*Listing
	netbox *NetBoxView
	input  *Input
	plan   *Plan
	scope  map[string]int64
	result *Result
	op     *Operation
	failed map[string]bool // kinds with something planned that is not acknowledged
	sent   int             // intents made
	denied *PermissionError
	// unverified are answered updates whose change rows have not been looked at yet (ENGINE 4).
	unverified []*Intent
	feed       *FeedPage    // rows from the cursor on, when they were read
	files      []FileChange // of the commit that was made
	why        string       // see trouble
	knownHead  string       // the newest known head before this cycle

	blocked       map[string]bool // branches of pull requests whose state is not known now
	conflicting   map[string]bool // branches of pull requests that no longer merge
	staged        []FileChange    // what structure and ingestion need, to be proposed
	stagedSubject string
}

// Run does one cycle: settle what an earlier one left open, observe Git, observe NetBox, plan, guard, write NetBox,
// write Git. It returns an error when it could not observe or remember; what was written before that is in the
// ledger. ErrStaleRead and a *PermissionError can be told apart by the caller; after any error the next cycle
// continues where this one stopped.
func (c *Cycle) Run(ctx context.Context, req Request) (*Result, error) {
	r := &run{Cycle: c, req: req, result: &Result{}, failed: map[string]bool{}}
	var err error
	if r.state, err = c.Ledger.Load(ctx); err != nil {
		return nil, fmt.Errorf("load the ledger of %s: %w", c.Fabric.Name, err)
	}
	if u := r.state.endPause(); u != nil {
		r.log("pause ended by approval", "fabric", r.Fabric.Name, "code", r.state.Pause.Code, "by", r.state.Approvals[r.state.Pause.Hash].By)
		if err := r.save(ctx, u); err != nil {
			return nil, err
		}
		r.req.Full = true
	}
	r.scope = make(map[string]int64, len(r.state.Scope))
	for k, seq := range r.state.Scope {
		r.scope[k] = seq
	}
	for _, step := range []func(context.Context) error{
		r.observeGit, r.followProposals, r.structure, r.observeNetBox, r.makePlan, r.publish, r.writeNetBox, r.checkOverwritten, r.writeGit,
		r.proposeConflicts, r.close,
	} {
		err := step(ctx)
		if errors.Is(err, errEnough) {
			return r.result, r.close(ctx)
		}
		if err != nil {
			return r.result, err
		}
	}
	return r.result, nil
}

// errEnough ends a cycle early without a failure: something moved, the next cycle starts over.
var errEnough = errors.New("start over")

func (r *run) now() time.Time { return r.Clock.Now() }

func (r *run) log(msg string, kv ...any) {
	if r.Log != nil {
		r.Log(msg, kv...)
	}
}

// save makes an update durable and part of the state, in this order.
func (r *run) save(ctx context.Context, u *Update) error {
	for _, res := range u.PutResources {
		if r.snap != nil && r.state.Resources[res.Key] != res { // what the state holds is never changed in place
			res.BaseHead = r.snap.Head
		}
	}
	u.Epoch = r.state.Epoch
	if err := r.Ledger.Save(ctx, u); err != nil {
		return fmt.Errorf("save the ledger of %s: %w", r.Fabric.Name, err)
	}
	r.state.Apply(u)
	return nil
}

// observeGit reads the branch, refuses reads that are older than what is known, and settles open commits.
func (r *run) observeGit(ctx context.Context) error {
	snap, err := r.Repository.Observe(ctx)
	if err != nil {
		return fmt.Errorf("observe Git for %s: %w", r.Fabric.Name, err)
	}
	r.snap, r.knownHead = snap, r.state.Head
	r.input = &Input{Now: r.now(), State: r.state, Fabric: &r.Fabric, Problems: r.Problems, Validate: r.Validate}
	if err := r.followHistory(ctx); err != nil {
		return err
	}
	if u := r.state.settleGit(snap.Commits, snap.Head, r.input.AtMergeBase != nil, r.now()); len(u.DropIntents)+len(u.PutIntents) > 0 {
		if r.input.AtMergeBase == nil {
			// Base now knows what this head holds: a read from before it is a stale one from here on (ENGINE 13).
			u.Head = &snap.Head
		}
		if err := r.save(ctx, u); err != nil {
			return err
		}
	}
	r.git = ViewGit(snap, &r.Fabric, r.parser())
	r.input.Git = r.git
	return nil
}

func (r *run) parser() Parser {
	if r.Parse != nil {
		return r.Parse
	}
	return func(file string, e *TreeEntry) (*manifests.File, []manifests.Diagnostic) {
		return manifests.Parse(file, e.Data)
	}
}

// followHistory compares the observed head with the newest known one (ENGINE 13) and looks for commits of a second
// App (ENGINE 15).
func (r *run) followHistory(ctx context.Context) error {
	known, head := r.state.Head, r.snap.Head
	if known == "" || known == head {
		return nil
	}
	at := -1
	for i, c := range r.snap.Commits {
		if c.OID == known {
			at = i
			break
		}
	}
	if at < 0 {
		cmp, err := r.Repository.Compare(ctx, known, head)
		if err != nil {
			var gone *PermissionError
			if !errors.As(err, &gone) || gone.Code != "not_found" {
				return fmt.Errorf("compare %s with the known head %s: %w", head, known, err)
			}
			cmp = Comparison{Relation: RelationDiverged}
		}
		switch cmp.Relation {
		case RelationBehind:
			since := r.state.StaleSince
			if since.IsZero() {
				since = r.now()
				if err := r.save(ctx, &Update{StaleSince: &since}); err != nil {
					return err
				}
			}
			if r.now().Sub(since) < staleReadFor {
				return fmt.Errorf("branch of %s is at %s, an ancestor of the known head %s: %w", r.Fabric.Name, head, known, ErrStaleRead)
			}
			return r.rewritten(ctx, head)
		case RelationDiverged:
			return r.rewritten(ctx, cmp.MergeBase)
		}
		at = len(r.snap.Commits)
	}
	return r.secondApp(ctx, r.snap.Commits[:at])
}

// rewritten takes the values at the merge base for what Git dropped; without one the first-contact rules hold.
func (r *run) rewritten(ctx context.Context, mergeBase string) error {
	r.req.Full = true
	r.log("history rewritten", "fabric", r.Fabric.Name, "known", r.state.Head, "head", r.snap.Head, "merge_base", mergeBase)
	if mergeBase == "" {
		u := &Update{}
		for _, res := range r.state.Resources {
			u.PutResources = append(u.PutResources, res.forget())
		}
		return r.save(ctx, u)
	}
	old, err := r.Repository.ObserveAt(ctx, mergeBase)
	if err != nil {
		return fmt.Errorf("observe Git for %s at the merge base %s: %w", r.Fabric.Name, mergeBase, err)
	}
	r.input.AtMergeBase = map[Key]manifests.Object{}
	for k, g := range ViewGit(old, &r.Fabric, r.parser()).Resources {
		r.input.AtMergeBase[k] = g.Body
	}
	return nil
}

// forget is the resource with base absent: first-contact rules hold for it.
func (r *Resource) forget() *Resource {
	c := *r
	c.Exists, c.Git, c.NetBox, c.Unsettled, c.Written, c.LastUpdated = false, nil, nil, nil, nil, ""
	return &c
}

// secondApp pauses when new commits of the directory carry operation ids this store never made (ENGINE 15).
func (r *run) secondApp(ctx context.Context, commits []Commit) error {
	var ids []string
	for _, c := range commits {
		if op := OperationTrailer(c.Message); IsOperationID(op) && c.TouchesDirectory {
			ids = append(ids, op)
		}
	}
	return r.pauseForStrangers(ctx, ids, "commits of the branch")
}

func (r *run) pauseForStrangers(ctx context.Context, ids []string, where string) error {
	if len(ids) == 0 || r.state.Pause != nil {
		return nil
	}
	known, err := r.Ledger.KnownOperations(ctx, ids)
	if err != nil {
		return fmt.Errorf("look up operations: %w", err)
	}
	for _, id := range ids {
		if known[id] {
			continue
		}
		hash := hashOf(manifests.Kind{}, nil, "second app "+id)[:12]
		if r.state.Approvals[hash] != nil {
			continue
		}
		return r.save(ctx, &Update{Pause: &Pause{Code: PauseSecondApp, Hash: hash, At: r.now(),
			Message: fmt.Sprintf("%s carry the operation %s, which this installation never made: another hnp-sync works on this fabric, or this one's database was restored from an older copy. Stop the other one, then approve %s; what differs becomes a conflict, nothing is overwritten", where, id, hash)}})
	}
	return nil
}

// structure sets up the directory and files what waits in raw/, in a commit of its own; the next cycle merges.
func (r *run) structure(ctx context.Context) error {
	plan := PlanStructure(&StructureInput{Snapshot: r.snap, View: r.git, Fabric: &r.Fabric, State: r.state, Parse: r.parser(),
		Validate: r.Validate, Init: r.req.Init, Ingest: r.req.Ingest})
	r.git.Diagnostics = append(r.git.Diagnostics, plan.Diagnostics...)
	if len(plan.Files) == 0 || r.Fabric.Mode == ModeObserve || r.paused() {
		return nil
	}
	if r.through() {
		r.staged, r.stagedSubject = plan.Files, plan.Subject
		return nil
	}
	r.begin(plan.Type)
	r.op.FilesProcessed = plan.Processed
	r.op.Details = plan.Details
	if err := r.save(ctx, &Update{Operation: r.op}); err != nil {
		return err
	}
	commit, err := r.Repository.Commit(ctx, CommitRequest{ExpectedHead: r.snap.Head, Subject: plan.Subject,
		Body: plan.Body + TrailerOperation + ": " + r.op.ID + "\n", Files: plan.Files})
	var denied *PermissionError
	if errors.As(err, &denied) && denied.Code == "protected_branch" && r.Proposals != nil {
		r.staged, r.stagedSubject = plan.Files, plan.Subject
		r.op = nil
		return nil
	}
	if errors.As(err, &denied) {
		// What cannot be filed must not hold up what can be synchronised.
		r.denied = denied
		r.op.ErrorMessage = denied.Message
		return nil
	}
	if err != nil {
		return r.gitFailed(err)
	}
	r.result.Commits++
	r.countFiles(plan.Files)
	r.op.CommitSHA = commit.OID
	r.result.Again = true
	head := commit.OID
	if err := r.save(ctx, &Update{Head: &head}); err != nil {
		return err
	}
	return errEnough
}

func (r *run) paused() bool { return r.Fabric.Paused || r.state.Pause != nil }

// begin makes the operation record of this cycle, once.
func (r *run) begin(kind string) {
	if r.op != nil {
		return
	}
	id := r.req.Operation
	if id == "" {
		id = r.NewOperation(r.now())
	}
	r.op = &Operation{ID: id, Type: kind, Status: "in_progress", StartedAt: r.now(), Source: r.req.Source, Login: r.req.Login}
	r.result.Operation = r.op
}

func (r *run) countFiles(files []FileChange) {
	for _, f := range files {
		_, had := r.git.Entries[f.Path]
		switch {
		case f.Delete:
			r.op.FilesDeleted++
		case had:
			r.op.FilesUpdated++
		default:
			r.op.FilesCreated++
		}
	}
}

// gitFailed sorts the failure of a commit: what moved is tried again, what is forbidden is said.
func (r *run) gitFailed(err error) error {
	var denied *PermissionError
	switch {
	case errors.Is(err, ErrStaleHead):
		r.result.Again = true
		return errEnough
	case errors.Is(err, ErrOutcomeUnknown):
		r.log("commit outcome unknown", "fabric", r.Fabric.Name, "error", err)
		r.trouble(fmt.Sprintf("nothing tells yet whether the commit was made; it is looked at again: %v", err))
		r.result.After = time.Second
		return errEnough
	case errors.As(err, &denied):
		if r.op != nil {
			r.op.ErrorMessage = denied.Message
		}
		r.denied = denied
		return errEnough
	default:
		return fmt.Errorf("commit for %s: %w", r.Fabric.Name, err)
	}
}

// observeNetBox lists the kinds in scope, proves deletes, and settles open NetBox writes.
func (r *run) observeNetBox(ctx context.Context) error {
	caps, err := r.Inventory.Capabilities(ctx)
	if err != nil {
		return fmt.Errorf("probe NetBox for %s: %w", r.Fabric.Name, err)
	}
	r.caps, r.input.Caps = caps, caps
	r.input.Insist = r.req.Full && r.req.Operation != ""
	r.chooseKinds()
	if r.req.Full {
		if err := r.readFeed(ctx); err != nil {
			return err
		}
	}
	if r.lists, err = r.Inventory.List(ctx, r.kinds); err != nil {
		return fmt.Errorf("list NetBox objects of %s: %w", r.Fabric.Name, err)
	}
	// What was refused before may have been granted, and the other way round; asking costs no request.
	if r.latest, err = r.Inventory.Capabilities(ctx); err != nil {
		return fmt.Errorf("probe NetBox for %s: %w", r.Fabric.Name, err)
	}
	if slices.ContainsFunc(r.kinds, func(kind string) bool { return caps.Kinds[kind].Denied }) {
		r.caps, r.input.Caps = r.latest, r.latest
	}
	if err := r.followFeed(ctx); err != nil {
		return err
	}
	if err := r.settleNetBox(ctx); err != nil {
		return err
	}
	r.netbox = ViewNetBox(r.lists)
	r.input.NetBox = r.netbox
	for _, kind := range slices.Sorted(maps.Keys(r.netbox.Errors)) {
		err := r.netbox.Errors[kind]
		r.log("kind unknown", "fabric", r.Fabric.Name, "kind", kind, "error", err)
		r.trouble(fmt.Sprintf("%s is not compared: %v", kind, err))
		if !r.latest.Kinds[kind].Denied {
			r.result.After = max(r.result.After, time.Second)
		}
	}
	return r.proveDeletes(ctx)
}

// chooseKinds decides what is listed: everything at first contact, at full compares and after a rewritten history;
// otherwise the kinds somebody said may have moved, and those whose Git half moved (ENGINE 16).
func (r *run) chooseKinds() {
	if !r.state.Contact || r.state.FullCompareAt.IsZero() || r.now().Sub(r.state.FullCompareAt) >= FullCompareEvery {
		r.req.Full = true
	}
	want := map[string]bool{}
	for _, k := range r.req.Kinds {
		want[k] = true
	}
	for k := range r.state.Scope {
		want[k] = true
	}
	for _, i := range r.state.Intents {
		want[i.Key.Kind] = true
	}
	// What is held back goes on as soon as its cause is gone, on whichever side that was; a return to base is no
	// difference that would be seen.
	for _, c := range r.state.Conflicts {
		want[c.Key.Kind] = true
	}
	if r.state.Waiting != nil {
		for _, w := range r.state.Waiting.Actions {
			want[w.Key.Kind] = true
		}
	}
	for _, rec := range r.state.Proposed {
		for _, c := range rec.Commits {
			for _, i := range c.Intents {
				want[i.Key.Kind] = true
			}
		}
	}
	for _, d := range r.state.Declined {
		want[d.Key.Kind] = true
	}
	for k, res := range r.state.Resources {
		if res.FrozenCode != "" {
			want[k.Kind] = true
		}
		if !res.Exists {
			continue
		}
		kind, _ := manifests.LookupKind(k.Group, k.Kind)
		g := r.git.Resources[k]
		if g == nil || g.File != res.File || !same(kind, nil, any(g.Body), any(res.Git)) {
			want[k.Kind] = true
		}
	}
	for k := range r.git.Resources {
		if res := r.state.Resources[k]; res == nil || !res.Exists {
			want[k.Kind] = true
		}
	}
	r.kinds = nil
	for _, kind := range manifests.Kinds() {
		if c, ok := r.caps.Kinds[kind.Kind]; kind.Role == manifests.RoleUser && ok && (c.Read && want[kind.Kind] || (c.Read || c.Denied) && r.req.Full) {
			r.kinds = append(r.kinds, kind.Kind)
		}
	}
}

// settleNetBox decides open NetBox writes (ENGINE 3): a change row with the operation id means landed; without one the
// write is excluded once the object's ETag has moved, which a fence does when nothing else did. The change log is
// read after the listing, so that a write between the two cannot be missed.
func (r *run) settleNetBox(ctx context.Context) error {
	var open []*Intent
	operations := map[string]bool{}
	for _, i := range r.state.sortedIntents() {
		if i.Side == SideNetBox && !i.Undecidable {
			open = append(open, i)
			operations[i.Operation] = true
		}
	}
	if len(open) == 0 {
		return nil
	}
	rows := map[string][]ChangeRow{}
	if r.caps.ChangeLog {
		for _, op := range sortedKeys(operations) {
			list, err := r.Inventory.OperationRows(ctx, op)
			if err != nil {
				return fmt.Errorf("read the change log for operation %s: %w", op, err)
			}
			rows[op] = list
		}
	}
	relist := map[string]bool{}
	for _, i := range open {
		u := &Update{}
		row := rowOf(i, rows[i.Operation])
		at := r.listed(i)
		switch {
		case i.Answered:
			if row != nil {
				u.PutOverwritten = overwrittenBy(i, row.Pre, r.now())
			}
			u.DropIntents = []string{i.ID}
		case row != nil && i.Op == OpCreate && r.state.based(i.Key):
			// The create was repeated, and both were carried out: somebody deleted the first object in between.
			u.PutOverwritten = r.state.deletedBetween(i, row, r.now())
			u.DropIntents = []string{i.ID}
		case row != nil:
			u = r.state.landed(i, landedRow(i, row), r.now())
			if i.Op == OpDelete {
				u.deleted(r.state, i.Side.Other(), i.Key, r.now())
			}
			u.PutOverwritten = overwrittenBy(i, row.Pre, r.now())
			u.DropIntents = []string{i.ID}
			relist[i.Key.Kind] = true
		case r.lists[i.Key.Kind] == nil || r.lists[i.Key.Kind].Err != nil:
			continue
		case i.Op == OpCreate:
			if !r.caps.ChangeLog {
				// Nothing tells an answer that was lost from a create that somebody has deleted since.
				c := *i
				c.Undecidable = true
				u.PutIntents = []*Intent{&c}
				break
			}
			if r.now().Sub(i.At) < time.Hour {
				continue
			}
			u.DropIntents = []string{i.ID}
		case at == nil || at.LastUpdated != i.LastUpdated:
			// A write to an object that is gone, or no longer what it was, cannot land any more. Without the change
			// log nothing tells whether it had landed before that.
			if r.caps.ChangeLog {
				u.DropIntents = []string{i.ID}
				break
			}
			c := *i
			c.Undecidable = true
			u.PutIntents = []*Intent{&c}
		default:
			fenced, err := r.fence(ctx, i)
			if err != nil {
				return err
			}
			if !fenced {
				continue
			}
			u.DropIntents = []string{i.ID}
			relist[i.Key.Kind] = true
		}
		if err := r.save(ctx, u); err != nil {
			return err
		}
	}
	if len(relist) == 0 {
		return nil
	}
	again, err := r.Inventory.List(ctx, sortedKeys(relist))
	if err != nil {
		return fmt.Errorf("list NetBox objects of %s: %w", r.Fabric.Name, err)
	}
	for kind, l := range again {
		r.lists[kind] = l
	}
	return nil
}

// rowOf finds an intent's change row.
func rowOf(i *Intent, rows []ChangeRow) *ChangeRow {
	action := map[Op]string{OpCreate: "create", OpUpdate: "update", OpRename: "update", OpDelete: "delete"}[i.Op]
	for n := range rows {
		row := &rows[n]
		if row.Kind != i.Key.Kind || row.Action != action {
			continue
		}
		if i.Op == OpCreate && row.Post != nil && row.Post.Key == i.Key || i.Op != OpCreate && row.PK == i.PK {
			return row
		}
	}
	return nil
}

// landedRow is the object as the change log says it was stored; its ETag is not in the log.
func landedRow(i *Intent, row *ChangeRow) *NetBoxObject {
	if row.Post == nil {
		return nil
	}
	o := *row.Post
	o.PK, o.LastUpdated = row.PK, ""
	return &o
}

func (r *run) listed(i *Intent) *NetBoxObject {
	l := r.lists[i.Key.Kind]
	if l == nil || i.PK == 0 {
		return nil
	}
	for n := range l.Objects {
		if l.Objects[n].PK == i.PK {
			return &l.Objects[n]
		}
	}
	return nil
}

// fence moves the object's ETag without changing content; true when the intent's request can no longer land.
func (r *run) fence(ctx context.Context, i *Intent) (bool, error) {
	at := r.listed(i)
	res := r.Inventory.Write(ctx, Batch{Kind: i.Key.Kind, Op: OpFence, Items: []Write{{Key: at.Key, PK: i.PK, LastUpdated: i.LastUpdated, Body: at.Body}}})
	if len(res.Items) != 1 {
		return false, nil
	}
	switch res.Items[0].Outcome {
	case OutcomeDone, OutcomeGone:
		return true, nil
	default:
		r.log("fence undecided", "fabric", r.Fabric.Name, "resource", i.Key.String(), "outcome", string(res.Items[0].Outcome), "message", res.Items[0].Message)
		r.result.After = time.Second
		return false, nil
	}
}

// proveDeletes asks the change log about the objects of base that a complete listing no longer holds (ENGINE 11), and
// the ledger about those that moved to another fabric.
func (r *run) proveDeletes(ctx context.Context) error {
	r.input.Proof, r.input.HeldElsewhere = map[string]map[int64]bool{}, map[string]map[int64]bool{}
	missing, moved := map[string][]int64{}, map[string][]int64{}
	for _, res := range r.state.Resources {
		kind := res.Key.Kind
		if !res.Exists || res.PK == 0 || !r.netbox.Known[kind] || r.netbox.ByPK[kind][res.PK] != nil {
			continue
		}
		if _, ok := r.netbox.Foreign[kind][res.PK]; ok {
			moved[kind] = append(moved[kind], res.PK)
		} else {
			missing[kind] = append(missing[kind], res.PK)
		}
	}
	for _, kind := range r.kinds {
		if pks := missing[kind]; len(pks) > 0 && r.caps.ChangeLog {
			slices.Sort(pks)
			rows, err := r.Inventory.DeleteRows(ctx, kind, pks)
			if err != nil {
				return fmt.Errorf("read the change log for deletes of %s: %w", kind, err)
			}
			proof := map[int64]bool{}
			for _, row := range rows {
				if row.Action == "delete" && row.Kind == kind {
					proof[row.PK] = true
				}
			}
			r.input.Proof[kind] = proof
		}
		if pks := moved[kind]; len(pks) > 0 {
			slices.Sort(pks)
			held, err := r.Ledger.HeldElsewhere(ctx, kind, pks)
			if err != nil {
				return fmt.Errorf("look up moved objects: %w", err)
			}
			r.input.HeldElsewhere[kind] = held
		}
	}
	return nil
}

// readFeed checks that the change log continues where it was left (ENGINE 15) and moves the cursor.
func (r *run) readFeed(ctx context.Context) error {
	if !r.caps.ChangeLog {
		return nil
	}
	cursor := r.state.Cursor
	if cursor.ID == 0 {
		_, newest, err := r.Inventory.FeedEnds(ctx)
		if err != nil {
			return fmt.Errorf("read the change log: %w", err)
		}
		if newest.ID == 0 {
			return nil
		}
		page, err := r.Inventory.Feed(ctx, newest.ID)
		if err != nil {
			return fmt.Errorf("read the change log: %w", err)
		}
		if next := nextCursor(page); next.ID != 0 {
			return r.save(ctx, &Update{Cursor: &next})
		}
		return nil
	}
	page, err := r.Inventory.Feed(ctx, cursor.ID)
	if err != nil {
		return fmt.Errorf("read the change log from %d: %w", cursor.ID, err)
	}
	if len(page.Rows) == 0 || page.Rows[0].ID != cursor.ID || page.Rows[0].RequestID != cursor.RequestID || !page.Rows[0].Time.Equal(cursor.Time) {
		oldest, newest, err := r.Inventory.FeedEnds(ctx)
		if err != nil {
			return fmt.Errorf("read the ends of the change log: %w", err)
		}
		if newest.ID < cursor.ID || oldest.ID <= cursor.ID {
			return r.suspectRestore(ctx, fmt.Sprintf("NetBox's change log no longer holds row %d that was seen before", cursor.ID))
		}
	}
	r.feed = page
	return nil
}

// followFeed looks for a second App in the rows after the cursor, once the listing tells whose they are, and moves the
// cursor behind them.
func (r *run) followFeed(ctx context.Context) error {
	if r.feed == nil {
		return nil
	}
	cursor := r.state.Cursor
	var ids []string
	for _, row := range r.feed.Rows {
		if row.ID > cursor.ID && IsOperationID(row.Message) && r.mine(row) {
			ids = append(ids, row.Message)
		}
	}
	if err := r.pauseForStrangers(ctx, ids, "NetBox changes"); err != nil {
		return err
	}
	if next := nextCursor(r.feed); next.ID != 0 && next != cursor {
		return r.save(ctx, &Update{Cursor: &next})
	}
	return nil
}

// mine tells whether a change row is about an object of this fabric: one that base knows, or that is listed.
func (r *run) mine(row ChangeRow) bool {
	if l := r.lists[row.Kind]; l != nil {
		for i := range l.Objects {
			if l.Objects[i].PK == row.PK {
				return true
			}
		}
	}
	for _, res := range r.state.Resources {
		if res.Key.Kind == row.Kind && res.PK == row.PK {
			return true
		}
	}
	return false
}

// feedOverlap is how far back the feed is read again: row ids are not in commit order (ENGINE 16).
const feedOverlap = 5 * time.Minute

// nextCursor is the oldest row younger than the overlap by NetBox's own clock, else the newest row.
func nextCursor(page *FeedPage) Cursor {
	if len(page.Rows) == 0 {
		return Cursor{}
	}
	at := page.Rows[len(page.Rows)-1]
	for _, row := range page.Rows {
		if page.Now.Sub(row.Time) < feedOverlap {
			at = row
			break
		}
	}
	return Cursor{ID: at.ID, Time: at.Time, RequestID: at.RequestID}
}

func (r *run) suspectRestore(ctx context.Context, what string) error {
	hash := hashOf(manifests.Kind{}, nil, "restore "+what)[:12]
	if r.state.Pause != nil || r.state.Approvals[hash] != nil {
		return nil
	}
	return r.save(ctx, &Update{Pause: &Pause{Code: PauseRestore, Hash: hash, At: r.now(),
		Message: what + ": was NetBox restored from a backup? Nothing is written until you approve " + hash + "; then what differs becomes a conflict and nothing is overwritten"}})
}

// makePlan runs the pure planner.
func (r *run) makePlan(ctx context.Context) error {
	for k, res := range r.state.Resources {
		o := r.netbox.ByPK[k.Kind][res.PK]
		if res.Exists && o != nil && res.LastUpdated != "" && earlier(o.LastUpdated, res.LastUpdated) {
			if err := r.suspectRestore(ctx, fmt.Sprintf("%s was last updated %s in NetBox, but %s had been seen before", k, o.LastUpdated, res.LastUpdated)); err != nil {
				return err
			}
			break
		}
	}
	r.input.State, r.input.Now = r.state, r.now()
	r.plan = MakePlan(r.input)
	r.result.Plan = r.plan
	return nil
}

// earlier compares two ETag times; what does not parse is never earlier.
func earlier(a, b string) bool {
	if a == b {
		return false
	}
	ta, errA := time.Parse(time.RFC3339Nano, a)
	tb, errB := time.Parse(time.RFC3339Nano, b)
	return errA == nil && errB == nil && ta.Before(tb)
}

// publish makes the plan's findings durable before anything is written: base where both sides agree, conflicts with
// their numbers, what waits.
func (r *run) publish(ctx context.Context) error {
	pl := r.plan
	u := &Update{PutResources: pl.adopt, DropResources: pl.drop, Waiting: &pl.Waiting, Undos: &pl.undos,
		PutDropped: pl.dropped, DropDropped: pl.mootDropped, DropOverwritten: pl.moot, DropDecisions: pl.spent, DropDeclined: pl.mootDecline}
	r.numberConflicts(u)
	r.voidDecisions(u)
	if r.input.AtMergeBase == nil || r.complete() {
		// Where history was rewritten the head moves only once every kind was looked at: what Git dropped is known by then.
		var none time.Time
		u.Head, u.DirTree, u.ConfigBlob, u.StaleSince = &r.snap.Head, &r.snap.DirTree, &r.snap.ConfigBlob, &none
	}
	switch {
	case pl.Pause != nil && r.state.Pause == nil:
		u.Pause = pl.Pause
	case pl.Pause == nil && r.state.Pause != nil && r.state.Pause.Code == PausePairing:
		u.EndPause = true
	}
	for _, i := range r.state.Intents {
		nowhere := pl.compared[i.Key.Kind] && r.git.Resources[i.Key] == nil && len(r.netbox.ByKey[i.Key]) == 0
		if i.Undecidable && (pl.joined[i.Key] && !pl.unsettles(i) || nowhere) {
			u.DropIntents = append(u.DropIntents, i.ID)
		}
	}
	for k := range r.state.Refusals {
		if pl.compared[k.Kind] && !pl.isFrozen(k) && pl.states[k] != "pending" {
			u.DropRefusals = append(u.DropRefusals, k)
		}
	}
	return r.save(ctx, u)
}

// voidDecisions drops decisions whose values have moved, or whose conflict is gone (ENGINE 20).
func (r *run) voidDecisions(u *Update) {
	live := map[string]bool{}
	for i := range r.plan.Actions {
		for _, id := range r.plan.Actions[i].decisions {
			live[id] = true
		}
	}
	for _, w := range r.plan.Waiting.Actions {
		for id, d := range r.state.Decisions {
			live[id] = live[id] || d.Key == w.Key
		}
	}
	for id, d := range r.state.Decisions {
		if r.plan.compared[d.Key.Kind] && !live[id] && !r.plan.isFrozen(d.Key) {
			u.DropDecisions = append(u.DropDecisions, id)
		}
	}
	slices.Sort(u.DropDecisions)
}

// unsettles tells whether a conflict stands at, above or below a path of the intent: then it is not known yet which of
// its values base should hold.
func (pl *Plan) unsettles(i *Intent) bool {
	for n := range pl.Conflicts {
		c := &pl.Conflicts[n]
		if c.Key != i.Key {
			continue
		}
		at, _ := ParsePath(c.Path)
		for _, change := range i.Paths {
			p, _ := ParsePath(change.Path)
			if shorter := min(len(p), len(at)); samePath(p[:shorter], at[:shorter]) {
				return true
			}
		}
	}
	return false
}

func (pl *Plan) isFrozen(k Key) bool {
	for i := range pl.Frozen {
		if pl.Frozen[i].Key == k {
			return true
		}
	}
	return false
}

// numberConflicts keeps the number of a conflict whose hashes stand, gives a new one to a conflict that moved, and
// closes what is gone (ENGINE 20).
func (r *run) numberConflicts(u *Update) {
	next := r.state.NextConflict
	open := map[string]*Conflict{}
	for _, c := range r.state.Conflicts {
		open[pathID(c.Key, c.Path)] = c
	}
	for i := range r.plan.Conflicts {
		c := &r.plan.Conflicts[i]
		id := pathID(c.Key, c.Path)
		old := open[id]
		delete(open, id)
		if old != nil && old.Code == c.Code && old.BaseHash == c.BaseHash && old.GitHash == c.GitHash && old.NetBoxHash == c.NetBoxHash {
			c.ID, c.Number, c.DetectedAt, c.GitBy, c.NetBoxBy = old.ID, old.Number, old.DetectedAt, old.GitBy, old.NetBoxBy
			if old.File != c.File || old.Line != c.Line {
				moved := *c
				u.PutConflicts = append(u.PutConflicts, &moved)
			}
			continue
		}
		c.Number = next
		next++
		if old != nil {
			c.GitBy, c.NetBoxBy = old.GitBy, old.NetBoxBy
		}
		if old == nil || old.GitHash != c.GitHash {
			c.GitBy = r.gitEditor()
		}
		if old == nil || old.NetBoxHash != c.NetBoxHash {
			c.NetBoxBy = r.netboxEditor(c.Key)
		}
		fresh := *c
		u.PutConflicts = append(u.PutConflicts, &fresh)
		r.log("conflict", "fabric", r.Fabric.Name, "number", c.Number, "code", string(c.Code), "resource", c.Key.String(), "path", c.Path,
			"base", valueText(noneIf(c.Base, c.BaseNone)), "git", valueText(noneIf(c.Git, c.GitNone)), "netbox", valueText(noneIf(c.NetBox, c.NetBoxNone)), "file", c.File, "line", c.Line)
		if old != nil {
			closed := *old
			closed.Closed, closed.MovedTo, closed.Resolution = r.now(), c.Number, "moved"
			u.PutConflicts = append(u.PutConflicts, &closed)
		}
	}
	for _, old := range open {
		if !r.plan.compared[old.Key.Kind] {
			continue
		}
		closed := *old
		closed.Closed, closed.Resolution = r.now(), "equal"
		for _, d := range r.state.Decisions {
			if d.Key == old.Key && d.Path == old.Path {
				closed.Resolution = "decided"
			}
		}
		u.PutConflicts = append(u.PutConflicts, &closed)
	}
	slices.SortFunc(u.PutConflicts, func(a, b *Conflict) int { return a.Number - b.Number })
	if next != r.state.NextConflict {
		u.NextConflict = &next
	}
}

func noneIf(v any, isNone bool) any {
	if isNone {
		return none
	}
	return v
}

// readOnly tells whether this cycle must not write.
// gitEditor is who pushed the newest commit that this cycle saw first, nil when there is none: shown beside a conflict,
// never used to decide.
func (r *run) gitEditor() *Modification {
	for _, c := range r.snap.Commits {
		if c.OID == r.knownHead {
			break
		}
		if c.TouchesDirectory && OperationTrailer(c.Message) == "" {
			return &Modification{At: r.now(), Source: SideGit, By: c.Author, CommitSHA: c.OID}
		}
	}
	return nil
}

// netboxEditor is who changed the object last, as far as it is known without asking: from the change log when it was
// read, else the only editor that hooks and polls have named.
func (r *run) netboxEditor(k Key) *Modification {
	all := r.netbox.ByKey[k]
	if len(all) != 1 {
		return nil
	}
	m := &Modification{Source: SideNetBox}
	if at, err := time.Parse(time.RFC3339Nano, all[0].LastUpdated); err == nil {
		m.At = at
	}
	if r.feed != nil {
		for _, row := range slices.Backward(r.feed.Rows) {
			if row.Kind == k.Kind && row.PK == all[0].PK && !IsOperationID(row.Message) {
				m.At, m.By, m.RequestID = row.Time, row.User, row.RequestID
				break
			}
		}
	}
	if m.By == "" && len(r.req.Editors) == 1 {
		m.By = r.req.Editors[0]
	}
	return m
}

func (r *run) readOnly() bool {
	return r.Fabric.Mode == ModeObserve || r.paused()
}

// writeNetBox sends the plan's NetBox actions in batches. Base advances after each answered request, before the next.
func (r *run) writeNetBox(ctx context.Context) error {
	if r.readOnly() {
		return nil
	}
	var actions []*Action
	for i := range r.plan.Actions {
		if a := &r.plan.Actions[i]; a.Side == SideNetBox {
			actions = append(actions, a)
		}
	}
	for len(actions) > 0 {
		n := 1
		for n < len(actions) && n < MaxBatch && actions[n].Key.Kind == actions[0].Key.Kind && wireOp(actions[n].Op) == wireOp(actions[0].Op) {
			n++
		}
		if err := r.writeBatch(ctx, actions[:n]); err != nil {
			return err
		}
		if r.result.After > 0 {
			// NetBox asked to wait, or an outcome is open: the rest stays for the next cycle.
			for _, a := range actions[n:] {
				r.failed[a.Key.Kind] = true
			}
			return nil
		}
		actions = actions[n:]
	}
	return nil
}

// wireOp is the request an operation becomes.
func wireOp(op Op) Op {
	if op == OpRename {
		return OpUpdate
	}
	return op
}

// writeBatch sends one batch and splits it until every item has an answer of its own, so that one bad object never
// blocks the rest.
func (r *run) writeBatch(ctx context.Context, actions []*Action) error {
	actions, err := r.reread(ctx, actions)
	if err != nil || len(actions) == 0 {
		return err
	}
	r.begin("bidirectional")
	u := &Update{Operation: r.op}
	intents := make([]*Intent, len(actions))
	for n, a := range actions {
		intents[n] = r.intent(a)
		u.PutIntents = append(u.PutIntents, intents[n])
	}
	if err := r.save(ctx, u); err != nil {
		return err
	}
	queue := [][2]int{{0, len(actions)}}
	second := map[int]bool{} // where a second half begins, while nothing in its first half was bad
	for len(queue) > 0 {
		from, to := queue[0][0], queue[0][1]
		queue = queue[1:]
		bad := second[from]
		delete(second, from)
		if bad && to-from > 1 {
			// The whole was refused and the first half was not: what is bad is in here, so it need not be asked.
			queue = halve(queue, from, to, second)
			continue
		}
		batch := Batch{Kind: actions[0].Key.Kind, Op: wireOp(actions[0].Op), Operation: r.op.ID}
		for _, a := range actions[from:to] {
			batch.Items = append(batch.Items, a.write())
		}
		res := r.Inventory.Write(ctx, batch)
		for len(res.Items) < len(batch.Items) {
			res.Items = append(res.Items, WriteResult{Outcome: OutcomeUnknown, Message: "no answer for this object"})
		}
		again, err := r.answered(ctx, actions[from:to], intents[from:to], res)
		if err != nil {
			return err
		}
		if res.RetryAfter > 0 {
			r.result.After = max(r.result.After, res.RetryAfter)
			return r.dropIntents(ctx, intents, queue)
		}
		for _, item := range res.Items {
			if item.Outcome != OutcomeDone {
				delete(second, to) // the bad one may have been in this half
			}
		}
		// Items named as bad are out; the rest of a refused batch goes again, halved when nothing was named.
		start := -1
		for n := 0; n <= to-from; n++ {
			if n < to-from && again[n] {
				if start < 0 {
					start = n
				}
				continue
			}
			if start >= 0 {
				lo, hi := from+start, from+n
				if lo == from && hi == to && hi-lo > 1 {
					queue = halve(queue, lo, hi, second)
				} else {
					queue = append(queue, [2]int{lo, hi})
				}
				start = -1
			}
		}
	}
	return nil
}

// halve puts both halves of a range into the queue, and notes where the second begins.
func halve(queue [][2]int, from, to int, second map[int]bool) [][2]int {
	mid := (from + to) / 2
	second[mid] = true
	return append(queue, [2]int{from, mid}, [2]int{mid, to})
}

// dropIntents closes the intents of items that were not sent at all.
func (r *run) dropIntents(ctx context.Context, intents []*Intent, queue [][2]int) error {
	u := &Update{}
	for _, q := range queue {
		for _, i := range intents[q[0]:q[1]] {
			u.DropIntents = append(u.DropIntents, i.ID)
			r.failed[i.Key.Kind] = true
		}
	}
	if len(u.DropIntents) == 0 {
		return nil
	}
	return r.save(ctx, u)
}

// write is the action as one item of a NetBox batch.
func (a *Action) write() Write {
	key := a.Key
	if a.Op == OpRename {
		key = a.NewKey
	}
	return Write{Key: key, PK: a.pk, LastUpdated: a.lastUpdated, Columns: a.columns, Body: a.body}
}

func (r *run) intent(a *Action) *Intent {
	r.sent++
	return &Intent{ID: fmt.Sprintf("%s/%d", r.op.ID, r.sent), Operation: r.op.ID, Side: a.Side, Op: a.Op, Key: a.Key, NewKey: a.NewKey,
		Body: a.body, Source: a.source, Before: a.before, Paths: a.Paths, PK: a.pk, LastUpdated: a.lastUpdated, Head: r.snap.Head,
		File: a.file, At: r.now()}
}

// reread looks at updates and deletes once more when the listing is not fresh: an object that is no longer what was
// planned on drops out of this cycle (ENGINE 4).
func (r *run) reread(ctx context.Context, actions []*Action) ([]*Action, error) {
	kind := actions[0].Key.Kind
	if actions[0].Op == OpCreate || r.now().Sub(r.lists[kind].At) < rereadAfter {
		return actions, nil
	}
	lists, err := r.Inventory.List(ctx, []string{kind})
	if err != nil {
		return nil, fmt.Errorf("list NetBox objects of %s: %w", r.Fabric.Name, err)
	}
	l := lists[kind]
	if l == nil || l.Err != nil {
		r.failed[kind], r.result.Again = true, true
		return nil, nil
	}
	r.lists[kind] = l
	now := map[int64]*NetBoxObject{}
	for i := range l.Objects {
		now[l.Objects[i].PK] = &l.Objects[i]
	}
	k, _ := manifests.LookupKind(actions[0].Key.Group, kind)
	var keep []*Action
	for _, a := range actions {
		o := now[a.pk]
		if o == nil || o.LastUpdated != a.lastUpdated || !same(k, nil, any(comparableBody(o.Body)), any(a.before)) {
			r.failed[kind], r.result.Again = true, true
			continue
		}
		keep = append(keep, a)
	}
	return keep, nil
}

// answered stores what one request's answer proves, in one transaction, and tells which items must be sent again.
func (r *run) answered(ctx context.Context, actions []*Action, intents []*Intent, res BatchResult) ([]bool, error) {
	u := &Update{Operation: r.op}
	again := make([]bool, len(actions))
	for n, a := range actions {
		i, item := intents[n], res.Items[n]
		switch item.Outcome {
		case OutcomeDone:
			r.result.NetBoxWrites++
			u.DropDecisions = append(u.DropDecisions, a.decisions...)
			var row *NetBoxObject
			if a.Op != OpDelete {
				row = &item.Object
			}
			u.merge(r.state.landed(i, row, r.now()))
			if a.Op == OpDelete && !r.plan.approved[a.fingerprint] {
				u.deleted(r.state, SideGit, a.Key, r.now())
			}
			if r.state.Refusals[a.Key] != nil {
				u.DropRefusals = append(u.DropRefusals, a.Key)
			}
			r.recordChange(a)
			if r.caps.ChangeLog && a.Op != OpCreate {
				c := *i
				c.Answered, c.RequestID = true, res.RequestID
				u.PutIntents = append(u.PutIntents, &c)
				r.unverified = append(r.unverified, &c)
			} else {
				u.DropIntents = append(u.DropIntents, i.ID)
			}
		case OutcomeStale, OutcomeGone:
			r.trouble(fmt.Sprintf("%s moved in NetBox while it was being written; it is looked at again", a.Key))
			u.DropIntents = append(u.DropIntents, i.ID)
			r.failed[a.Key.Kind], r.result.Again = true, true
		case OutcomeExists:
			u.DropIntents = append(u.DropIntents, i.ID)
			r.failed[a.Key.Kind], r.result.Again = true, true
			u.PutRefusals = append(u.PutRefusals, r.refusal(a, "NetBox says that an object of this name exists, but does not show it: a permission may hide it", existsRetry))
		case OutcomeBatch:
			if len(actions) > 1 {
				again[n] = true
				continue
			}
			item.Message = "the request was refused as a whole"
			fallthrough
		case OutcomeRefused:
			u.DropIntents = append(u.DropIntents, i.ID)
			u.PutRefusals = append(u.PutRefusals, r.refusal(a, item.Message, 0))
			r.plan.Frozen = append(r.plan.Frozen, Frozen{Key: a.Key, Code: Refused, Message: "NetBox refused the write: " + item.Message, File: a.file, Line: r.git.locate(a.file, a.doc).StartLine})
			r.plan.states[a.Key] = "frozen"
			r.log("write refused", "fabric", r.Fabric.Name, "resource", a.Key.String(), "message", item.Message)
		case OutcomeNotSent:
			r.trouble(fmt.Sprintf("%s is not written yet: %v", a.Key, cmp.Or(res.Err, errors.New(cmp.Or(item.Message, "NetBox takes no requests")))))
			u.DropIntents = append(u.DropIntents, i.ID)
			r.failed[a.Key.Kind] = true
			r.result.After = max(r.result.After, time.Second)
		default: // unknown
			r.failed[a.Key.Kind] = true
			r.result.After = max(r.result.After, time.Second)
			r.log("write outcome unknown", "fabric", r.Fabric.Name, "resource", a.Key.String(), "message", item.Message, "error", res.Err)
		}
	}
	return again, r.save(ctx, u)
}

// existsRetry is the first pause after NetBox refused a name twice that it does not show.
const existsRetry = time.Minute

// refusal remembers a refused write: repeated at once when its content or what it references changes, else with
// backoff up to a day (ENGINE 18).
func (r *run) refusal(a *Action, message string, first time.Duration) *Refusal {
	out := &Refusal{Key: a.Key, ContentHash: contentHash(a), RefsHash: r.input.refsHash(a.Key), Message: oneLine(message, 500), Code: Refused}
	if old := r.state.Refusals[a.Key]; old != nil && old.ContentHash == out.ContentHash {
		out.Attempts = old.Attempts
	}
	out.Attempts++
	if first == 0 {
		first = FullCompareEvery
	} else if out.Attempts == 1 {
		first = 0 // it may only have appeared after the listing: look once more at once
	}
	wait := first
	for i := 1; i < out.Attempts && wait < 24*time.Hour; i++ {
		wait *= 2
	}
	out.RetryAt = r.now().Add(min(wait, 24*time.Hour))
	return out
}

func (r *run) recordChange(a *Action) {
	for _, c := range a.Paths {
		r.op.Changes = append(r.op.Changes, OperationChange{Side: a.Side, Op: a.Op, Resource: a.Key.String(), Key: a.Key, Change: c})
	}
}

// checkOverwritten looks at our own change rows once (ENGINE 4): a value they replaced that was not planned on becomes
// an open conflict that holds it.
func (r *run) checkOverwritten(ctx context.Context) error {
	if len(r.unverified) == 0 {
		return nil
	}
	rows, err := r.Inventory.OperationRows(ctx, r.op.ID)
	if err != nil {
		// The intents stay open as answered; the next cycle looks.
		r.log("change rows not read", "fabric", r.Fabric.Name, "error", err)
		r.result.After = max(r.result.After, time.Second)
		return nil
	}
	u := &Update{}
	for _, i := range r.unverified {
		if row := rowOf(i, rows); row != nil {
			lost := overwrittenBy(i, row.Pre, r.now())
			u.PutOverwritten = append(u.PutOverwritten, lost...)
			if len(lost) > 0 {
				r.result.Again = true
				r.failed[i.Key.Kind] = true
			}
		}
		u.DropIntents = append(u.DropIntents, i.ID)
	}
	return r.save(ctx, u)
}

// writeGit writes all Git edits of the cycle in one commit with expected head. When the head moved but the directory
// did not, the same plan is committed on the new head (ENGINE 5).
func (r *run) writeGit(ctx context.Context) error {
	if r.readOnly() {
		return nil
	}
	if r.through() || len(r.staged) > 0 {
		return r.propose(ctx)
	}
	if r.Fabric.Mode == ModePullRequest {
		r.gitUnwritten(r.gitActions())
		return nil
	}
	files, err := r.plan.commitFiles(r.input)
	if err != nil {
		return fmt.Errorf("prepare the commit for %s: %w", r.Fabric.Name, err)
	}
	if len(files) == 0 {
		return nil
	}
	var actions []*Action
	for i := range r.plan.Actions {
		if a := &r.plan.Actions[i]; a.Side == SideGit {
			actions = append(actions, a)
		}
	}
	r.begin("bidirectional")
	subject, body := commitMessage(r.Fabric.Name, actions, r.op.ID, r.plan.Hash, r.req.Editors, r.People)
	for attempt := 0; ; attempt++ {
		u := &Update{Operation: r.op}
		var intents []*Intent
		for _, a := range actions {
			i := r.intent(a)
			intents = append(intents, i)
			u.PutIntents = append(u.PutIntents, i)
		}
		if err := r.save(ctx, u); err != nil {
			return err
		}
		commit, err := r.Repository.Commit(ctx, CommitRequest{ExpectedHead: r.snap.Head, Subject: subject, Body: body, Files: files})
		if errors.Is(err, ErrStaleHead) || errors.As(err, new(*PermissionError)) {
			u := &Update{}
			for _, i := range intents {
				u.DropIntents = append(u.DropIntents, i.ID)
			}
			if err := r.save(ctx, u); err != nil {
				return err
			}
		}
		if errors.Is(err, ErrStaleHead) && attempt < 5 {
			again, err := r.followStaleHead(ctx)
			if err != nil {
				return err
			}
			if again {
				continue
			}
			r.gitUnwritten(actions)
			r.result.Again = true
			return errEnough
		}
		var denied *PermissionError
		if errors.As(err, &denied) && denied.Code == "protected_branch" && r.Proposals != nil {
			return r.propose(ctx)
		}
		if err != nil {
			r.gitUnwritten(actions)
			return r.gitFailed(err)
		}
		return r.committed(ctx, actions, intents, files, commit)
	}
}

// followStaleHead reads the moved head; true when nothing touched directory and configuration since.
func (r *run) followStaleHead(ctx context.Context) (bool, error) {
	snap, err := r.Repository.Observe(ctx)
	if err != nil {
		return false, fmt.Errorf("observe Git for %s: %w", r.Fabric.Name, err)
	}
	// An equal tree is not enough: our own commit whose answer was lost, and a person's edit that took it back, leave the
	// same tree behind. No commit since may have touched the directory.
	descends := false
	for _, c := range snap.Commits {
		if c.OID == r.snap.Head {
			descends = true
			break
		}
		if c.TouchesDirectory {
			break
		}
	}
	if snap.DirTree != r.snap.DirTree || snap.ConfigBlob != r.snap.ConfigBlob || !descends || snap.Head == r.snap.Head {
		return false, nil
	}
	r.snap = snap
	return true, nil
}

func (r *run) gitUnwritten(actions []*Action) {
	for _, a := range actions {
		r.failed[a.Key.Kind] = true
	}
}

// committed advances base by the answer: a new commit on the planned parent.
func (r *run) committed(ctx context.Context, actions []*Action, intents []*Intent, files []FileChange, commit Commit) error {
	r.result.Commits++
	r.op.CommitSHA = commit.OID
	r.countFiles(files)
	r.files = files
	head := commit.OID
	u := &Update{Operation: r.op, Head: &head}
	for n, a := range actions {
		u.merge(r.state.landed(intents[n], nil, r.now()))
		if a.Op == OpDelete && !r.plan.approved[a.fingerprint] {
			u.deleted(r.state, SideNetBox, a.Key, r.now())
		}
		u.DropIntents = append(u.DropIntents, intents[n].ID)
		u.DropDecisions = append(u.DropDecisions, a.decisions...)
		r.recordChange(a)
	}
	r.snap.Head = head
	return r.save(ctx, u)
}

// close stores what the cycle leaves behind: the scope that is done, each resource's state, the operation, the status.
func (r *run) close(ctx context.Context) error {
	u := &Update{}
	if r.plan != nil {
		// What could not be carried out would only be planned again.
		r.result.Again = r.result.Again || len(r.plan.more) > 0 && !r.readOnly() && r.denied == nil && len(r.failed) == 0
		r.closeScope(u)
		r.closeResources(u)
		r.closeApprovals(u)
	}
	if r.op != nil {
		r.op.CompletedAt, r.op.Status = r.now(), "completed"
		if r.op.ErrorMessage != "" {
			r.op.Status = "failed"
		}
		if r.plan != nil {
			r.op.PlanHash = r.plan.Hash
			r.op.Type = operationType(r.op)
		}
		u.Operation = r.op
	} else if r.req.Operation != "" {
		// Somebody waits for this operation: it did nothing, and says so.
		r.op = &Operation{ID: r.req.Operation, Type: "bidirectional", Status: "completed", StartedAt: r.input.Now, CompletedAt: r.now(),
			Source: r.req.Source, Login: r.req.Login, ErrorMessage: r.why}
		if r.why != "" {
			r.op.Status = "failed"
		}
		r.result.Operation, u.Operation = r.op, r.op
	}
	r.result.Status = r.status()
	u.Status = &r.result.Status
	return r.save(ctx, u)
}

func operationType(op *Operation) string {
	sides := map[Side]bool{}
	for _, c := range op.Changes {
		sides[c.Side] = true
	}
	switch {
	case len(sides) == 0:
		return op.Type
	case !sides[SideGit]:
		return "github_to_gui"
	case !sides[SideNetBox]:
		return "gui_to_github"
	}
	return "bidirectional"
}

// complete tells whether every kind that NetBox can show was listed.
func (r *run) complete() bool {
	for _, kind := range manifests.Kinds() {
		if c, ok := r.caps.Kinds[kind.Kind]; kind.Role == manifests.RoleUser && ok && c.Read && !r.netbox.Known[kind.Kind] {
			return false
		}
	}
	return true
}

func (r *run) closeScope(u *Update) {
	u.DoneScope = map[string]int64{}
	done := !r.readOnly() && r.denied == nil
	for kind, seq := range r.scope {
		c, readable := r.caps.Kinds[kind]
		if !readable || !c.Read && !c.Denied || r.netbox.Known[kind] && !r.failed[kind] && done {
			u.DoneScope[kind] = seq
		}
	}
	for kind := range r.failed {
		u.AddScope = append(u.AddScope, kind)
	}
	for kind := range r.plan.more {
		if !r.failed[kind] {
			u.AddScope = append(u.AddScope, kind)
		}
	}
	slices.Sort(u.AddScope)
	if r.complete() {
		now := r.input.Now
		u.FullCompareAt = &now
		if done && len(r.failed) == 0 && !r.state.Contact {
			yes := true
			u.Contact = &yes
		}
		if carriers := r.git.carriers(); !r.plan.missing && !maps.Equal(carriers, r.state.Opaque) {
			u.Opaque = &carriers
		}
	}
	print := r.Fabric.directionPrint()
	if r.state.Direction == "" || r.complete() && !r.readOnly() && !waitsForDirection(r.plan) {
		u.Direction = &print
	}
	if r.git.HasMarker && !r.state.MarkerSeen {
		yes := true
		u.MarkerSeen = &yes
	}
}

func waitsForDirection(pl *Plan) bool {
	for _, w := range pl.Waiting.Actions {
		if w.Reason == reasonDirection {
			return true
		}
	}
	return false
}

// closeResources stores the state of each resource for people where it changed, and forgets what is nowhere any more.
func (r *run) closeResources(u *Update) {
	frozen := map[Key]*Frozen{}
	for i := range r.plan.Frozen {
		frozen[r.plan.Frozen[i].Key] = &r.plan.Frozen[i]
	}
	touched := map[Key]bool{}
	if r.op != nil {
		for _, c := range r.op.Changes {
			touched[c.Key] = true
		}
	}
	for _, a := range r.plan.adopt {
		touched[a.Key] = true
	}
	keys := make(map[Key]bool, len(r.plan.states))
	for k := range r.plan.states {
		keys[k] = true
	}
	for k := range r.state.Resources {
		keys[k] = true
	}
	sorted := make([]Key, 0, len(keys))
	for k := range keys {
		sorted = append(sorted, k)
	}
	slices.SortFunc(sorted, func(a, b Key) int {
		if a.Less(b) {
			return -1
		}
		return 1
	})
	for _, k := range sorted {
		old := r.state.Resources[k]
		state, seen := r.plan.states[k]
		if !seen {
			if old != nil && !old.Exists && r.plan.compared[k.Kind] && r.git.Resources[k] == nil && len(r.netbox.ByKey[k]) == 0 && len(r.git.Duplicates[k]) == 0 {
				u.DropResources = append(u.DropResources, k)
			}
			if old == nil || !old.Exists || !touched[k] {
				continue
			}
			state = "in_sync" // written in this cycle under a new name
		}
		if state == "pending" && !r.failed[k.Kind] && !r.readOnly() && touched[k] {
			state = "in_sync"
		}
		next := Resource{Key: k}
		if old != nil {
			next = *old
		} else if state == "in_sync" || state == "pending" {
			continue
		}
		next.State, next.FrozenCode, next.FrozenMessage = state, "", ""
		if f := frozen[k]; f != nil {
			next.FrozenCode, next.FrozenMessage = string(f.Code), f.Message
		}
		if touched[k] {
			if e := r.git.Entries[next.File]; e != nil {
				next.FileHash = fmt.Sprintf("%x", sha256.Sum256(e.Data))
			}
			for i := range r.files {
				if r.files[i].Path == next.File && !r.files[i].Delete {
					next.FileHash = fmt.Sprintf("%x", sha256.Sum256(r.files[i].Data))
				}
			}
			next.LastFileSync = r.now()
		}
		if old == nil || old.State != next.State || old.FrozenCode != next.FrozenCode || old.FrozenMessage != next.FrozenMessage || old.FileHash != next.FileHash {
			u.PutResources = append(u.PutResources, &next)
		}
	}
}

// approvalFor is how long an approval waits for its actions.
const approvalFor = 24 * time.Hour

// closeApprovals drops approvals whose actions have all been carried out, or which are old.
func (r *run) closeApprovals(u *Update) {
	planned := map[string]bool{}
	for i := range r.plan.Actions {
		if r.failed[r.plan.Actions[i].Key.Kind] || r.readOnly() {
			planned[r.plan.Actions[i].fingerprint] = true
		}
	}
	for _, hash := range sortedKeys(approvalHashes(r.state)) {
		a := r.state.Approvals[hash]
		open := len(a.Fingerprints) == 0 && !r.state.Contact
		for _, f := range a.Fingerprints {
			open = open || planned[f] || !r.plan.used[hash]
		}
		if !open || r.now().Sub(a.At) > approvalFor {
			u.DropApprovals = append(u.DropApprovals, hash)
		}
	}
}

func approvalHashes(s *State) map[string]bool {
	out := map[string]bool{}
	for h := range s.Approvals {
		out[h] = true
	}
	return out
}

// trouble notes, for the status, the first thing that kept the cycle from doing all it should.
func (r *run) trouble(message string) {
	if r.why == "" {
		r.why = oneLine(message, 500)
	}
}

// unread says which kind of the fabric NetBox does not let us list, empty for none.
func (r *run) unread() string {
	kinds := map[string]bool{}
	for k, res := range r.state.Resources {
		kinds[k.Kind] = kinds[k.Kind] || res.Exists
	}
	for k := range r.git.Resources {
		kinds[k.Kind] = true
	}
	for _, kind := range sortedKeys(kinds) {
		if c := r.latest.Kinds[kind]; kinds[kind] && c.Denied {
			return fmt.Sprintf("%s is not compared: %s: %s", kind, c.Reason, c.Workaround)
		}
	}
	return ""
}

// unsettled says which write's outcome is still open, empty for none.
func (r *run) unsettled() string {
	for _, i := range r.state.sortedIntents() {
		// A create that got no answer is no loose end while NetBox shows the object: the unique key keeps a late one out.
		if i.Op == OpCreate && r.netbox != nil && len(r.netbox.ByKey[i.Key]) > 0 {
			continue
		}
		if i.Side == SideNetBox && !i.Answered && !i.Undecidable {
			return fmt.Sprintf("%s: nothing tells yet whether NetBox carried a write out; it is looked at again", i.Key)
		}
	}
	return ""
}

// status is the fabric's line for people.
func (r *run) status() Status {
	s := Status{Head: r.snap.Head, Diagnostics: r.git.Diagnostics}
	if r.plan == nil {
		s.State = "pending"
		if r.denied != nil {
			s.State, s.Message = "error", r.denied.Message
		}
		return s
	}
	s.PlanHash = r.plan.Hash
	s.Proposals = r.proposalStatus()
	s.Diagnostics = r.plan.Diagnostics
	s.Waiting = append(s.Waiting, r.plan.Waiting.Actions...)
	real := 0
	for _, c := range r.state.Conflicts {
		s.Conflicts++
		if c.Code != DriftCode {
			real++
		}
	}
	for _, res := range r.state.Resources {
		if res.FrozenCode != "" && !r.plan.compared[res.Key.Kind] {
			s.Frozen = append(s.Frozen, FrozenStatus{Resource: res.Key.String(), Code: res.FrozenCode, Message: res.FrozenMessage})
		}
	}
	for _, f := range r.plan.Frozen {
		s.Frozen = append(s.Frozen, FrozenStatus{Resource: f.Key.String(), Code: string(f.Code), Message: f.Message, File: f.File, Line: f.Line})
	}
	slices.SortFunc(s.Frozen, func(a, b FrozenStatus) int { return strings.Compare(a.Resource, b.Resource) })
	switch {
	case r.state.Pause != nil:
		s.State, s.Message = "paused", r.state.Pause.Message
		s.PlanHash = r.state.Pause.Hash
		s.Waiting = append(s.Waiting, WaitingAction{Action: "pause", Resource: r.Fabric.Name, Reason: r.state.Pause.Message, Fingerprint: r.state.Pause.Hash})
	case r.Fabric.Paused:
		s.State, s.Message = "paused", "paused: true in the configuration"
	case r.denied != nil:
		s.State, s.Message = "error", r.denied.Message
	case len(r.plan.Waiting.Actions) > 0:
		s.State, s.PlanHash = "guard", r.plan.Waiting.Hash
	case real > 0 || len(s.Frozen) > 0:
		s.State = "conflict"
	case r.unread() != "":
		s.State, s.Message = "error", r.unread()
	case r.unsettled() != "":
		s.State, s.Message = "pending", cmp.Or(r.why, r.unsettled())
	case len(r.failed) > 0 || r.result.Again || len(r.netbox.Errors) > 0 || r.Fabric.Mode == ModeObserve && len(r.plan.Actions) > 0:
		s.State, s.Message = "pending", r.why
	default:
		s.State = "equal"
	}
	s.Message = cmp.Or(s.Message, r.why)
	if len(r.failed) == 0 && len(r.netbox.Errors) == 0 && r.denied == nil && !r.readOnly() && r.unread() == "" && r.unsettled() == "" {
		s.VerifiedAt = r.input.Now
	}
	return s
}
