package gitops

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// A story is one fabric told step by step: people push to Git and edit NetBox, cycles run, and the tale says what must
// hold. It lives in the model's world with faults only where the tale puts them. Its verbs begin with who acts: git…
// and nb… are people, want… are expectations.
type story struct {
	*world
	t        testing.TB
	fabric   Fabric
	problems func(doc manifests.Object) []string
	people   map[string]string
	caps     func(*Capabilities)

	calls []string  // every request, in order
	saves []*Update // every durable update, in order
	last  *Result
	err   error

	moments  map[string][]func() // "before update", "after commit": happens there, once, in order
	fates    map[string]fate     // "update", "commit": of the next such request
	unlisted map[string]bool     // kinds whose listing fails
	foreign  map[int64]int64     // pk → other fabric
	held     map[int64]bool      // pks that another pairing holds
	refuse   func(Op, Key) string
	unnamed  bool                // refusals do not say which object was bad
	wait     time.Duration       // the next write is answered with Retry-After
	store    func(*NetBoxObject) // how NetBox stores what it was sent
	modes    map[string]string   // Git modes of paths, "oversize" included
	readAt   string              // reads answer this older head
	denied   error               // of commits
	// proposals: commits may go through pull requests.
	proposals bool
	firstRow  int // rows of the change log before it were pruned
	dieAt     int // the process dies before that many-th call of the story, saves included; 0 never
}

func newStory(t testing.TB) *story {
	f := DefaultFabric()
	f.Name, f.Directory = "f", "d"
	return &story{world: newWorld(1, modelConfig{changeLog: true}), t: t, fabric: f, moments: map[string][]func(){}, fates: map[string]fate{},
		unlisted: map[string]bool{}, foreign: map[int64]int64{}, held: map[int64]bool{}, modes: map[string]string{}}
}

// tales runs a table of stories; names say the rule.
func tales(t *testing.T, table map[string]func(s *story)) {
	t.Helper()
	for name, tell := range table {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tell(newStory(t))
		})
	}
}

// ---- words

func keyOf(t testing.TB, text string) Key {
	t.Helper()
	parts := strings.Split(text, "/")
	kind, ok := manifests.KindByName(parts[0])
	if !ok || len(parts) < 2 || len(parts) > 3 {
		t.Fatalf("no resource is called %q", text)
	}
	k := Key{Group: kind.Group, Kind: kind.Kind, Namespace: "default", Name: parts[len(parts)-1]}
	if len(parts) == 3 {
		k.Namespace = parts[1]
	}
	return k
}

// doc writes a document: a resource's name, its spec, and further lines of metadata, all as flow YAML.
func doc(key, spec string, meta ...string) string {
	parts := strings.Split(key, "/")
	kind, _ := manifests.KindByName(parts[0])
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: %s\nkind: %s\nmetadata:\n  name: %s\n", kind.APIVersion(), kind.Kind, parts[len(parts)-1])
	if len(parts) == 3 {
		fmt.Fprintf(&b, "  namespace: %s\n", parts[1])
	}
	for _, m := range meta {
		fmt.Fprintf(&b, "  %s\n", m)
	}
	if spec != "" {
		fmt.Fprintf(&b, "spec: %s\n", spec)
	}
	return b.String()
}

// valueOf reads a JSON value; what is none is text, and "-" is nothing at all.
func valueOf(text string) any {
	if text == "-" {
		return none
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil || d.More() {
		return text
	}
	return v
}

func (s *story) parsed(text string) manifests.Document {
	s.t.Helper()
	f, diags := manifests.Parse("x.yaml", []byte(text))
	for _, d := range f.Documents() {
		if d.Class == manifests.ClassResource {
			return d
		}
	}
	s.t.Fatalf("not a resource: %v\n%s", diags, text)
	return manifests.Document{}
}

// ---- people

func (s *story) gitPush(file, text string) {
	files := maps.Clone(s.files())
	files[file] = text
	s.push(&modelCommit{files: files, message: "a person"})
}

// gitHas is gitPush at the place the template gives.
func (s *story) gitHas(texts ...string) {
	for _, text := range texts {
		k := s.parsed(text).Identity
		s.gitPush(DefaultPath("", kindOf(k), k), text)
	}
}

func (s *story) gitEdit(file, old, new string) {
	s.t.Helper()
	text := s.files()[file]
	if !strings.Contains(text, old) {
		s.t.Fatalf("%s does not hold %q:\n%s", file, old, text)
	}
	s.gitPush(file, strings.Replace(text, old, new, 1))
}

func (s *story) gitDelete(names ...string) {
	s.t.Helper()
	files := maps.Clone(s.files())
	for _, n := range names {
		if _, ok := files[n]; !ok {
			s.t.Fatalf("no file %s", n)
		}
		delete(files, n)
	}
	s.push(&modelCommit{files: files, message: "a person"})
}

func (s *story) gitMove(from, to string) {
	s.t.Helper()
	files := maps.Clone(s.files())
	if _, ok := files[from]; !ok {
		s.t.Fatalf("no file %s", from)
	}
	files[to] = files[from]
	delete(files, from)
	s.push(&modelCommit{files: files, message: "a person"})
}

// gitForce moves the branch back by n commits.
func (s *story) gitForce(n int) {
	for range n {
		s.head = s.commitAt(s.head).parent
	}
}

func (s *story) nbAdd(texts ...string) {
	s.t.Helper()
	for _, text := range texts {
		d := s.parsed(text)
		meta := d.Object["metadata"].(map[string]any)
		body := manifests.Object{"spec": orEmpty(d.Object["spec"]), "metadata": map[string]any{"labels": orEmpty(meta["labels"]), "annotations": orEmpty(meta["annotations"])}}
		o := &NetBoxObject{PK: s.nextPK, Key: d.Identity, Body: body, LastUpdated: s.etag(), AutoSync: true}
		s.nextPK++
		s.rows[o.PK] = o
		s.row("create", o.PK, nil, o, "", "person")
	}
}

func (s *story) nbRow(key string) *NetBoxObject {
	s.t.Helper()
	o := s.byKey(keyOf(s.t, key))
	if o == nil {
		s.t.Fatalf("NetBox does not hold %s", key)
	}
	return o
}

// nbSet edits an object as a person does; nbSilent as a writer that leaves no trace.
func (s *story) nbSet(key, at, value string) {
	s.t.Helper()
	old, n := s.changed(key, at, value)
	n.LastUpdated = s.etag()
	s.rows[n.PK] = n
	s.row("update", n.PK, old, n, "", "person")
}

func (s *story) nbSilent(key, at, value string) {
	s.t.Helper()
	_, n := s.changed(key, at, value)
	s.rows[n.PK] = n
}

func (s *story) changed(key, at, value string) (old, n *NetBoxObject) {
	s.t.Helper()
	old = s.nbRow(key)
	p, err := ParsePath(at)
	if err != nil {
		s.t.Fatal(err)
	}
	c := *old
	c.Body = withPath(kindOf(c.Key), any(map[string]any(c.Body)), p, valueOf(value)).(map[string]any)
	return old, &c
}

func (s *story) nbDelete(keys ...string) {
	s.t.Helper()
	for _, key := range keys {
		o := s.nbRow(key)
		s.row("delete", o.PK, o, nil, "", "person")
		delete(s.rows, o.PK)
	}
}

func (s *story) nbRename(key, to string) {
	s.t.Helper()
	old := s.nbRow(key)
	n := *old
	n.Key, n.LastUpdated = keyOf(s.t, to), s.etag()
	s.rows[n.PK] = &n
	s.row("update", n.PK, old, &n, "", "person")
}

// nbHide is a permission constraint that hides a row; nbShow takes it away.
func (s *story) nbHide(key string) { s.hidden[s.nbRow(key).PK] = true }
func (s *story) nbShow(key string) { delete(s.hidden, s.nbRow(key).PK) }

// both is a resource that is on both sides and settled.
func (s *story) both(texts ...string) {
	s.t.Helper()
	for _, text := range texts {
		s.gitHas(text)
		s.nbAdd(text)
	}
	s.settled()
}

// settled runs cycles until nothing moves.
func (s *story) settled() {
	s.t.Helper()
	for range 5 {
		before := s.writes
		s.cycle()
		if s.err == nil && !s.last.Again && s.writes == before {
			s.calls, s.saves = nil, nil
			return
		}
	}
	s.fail("cycles do not come to rest")
}

// decide is a person who chooses a side for the open conflict of a path.
func (s *story) decide(key, at string, side Side) {
	s.t.Helper()
	c := s.conflictAt(key, at)
	if c == nil {
		s.fail("no conflict to decide at %s %s", key, at)
		return
	}
	next := s.ledger.Clone()
	id := fmt.Sprintf("decision %d", len(s.saves)+1000*len(next.Decisions))
	next.Decisions[id] = &Decision{ID: id, Key: c.Key, Path: c.Path, Choice: string(side), BaseHash: c.BaseHash, GitHash: c.GitHash, NetBoxHash: c.NetBoxHash, At: s.now}
	s.ledger = next
}

// approves lets through what waits under the hash that the status shows.
func (s *story) approves() { s.t.Helper(); s.approvesHash(s.last.Status.PlanHash) }

func (s *story) approvesHash(hash string) {
	s.t.Helper()
	u, err := s.ledger.Approve(hash, "a person", s.now)
	if err != nil {
		s.fail("approve %s: %v", hash, err)
		return
	}
	next := s.ledger.Clone()
	next.Apply(u)
	s.ledger = next
}

func (s *story) later(d time.Duration) { s.now = s.now.Add(d) }

// at makes something happen at a moment of the next cycles: "before update", "after commit", "before list".
func (s *story) at(moment string, f func()) { s.moments[moment] = append(s.moments[moment], f) }

func (s *story) crashes(moment string) { s.at(moment, func() { panic(crash{}) }) }

// arrives lets the requests that were still under way take effect.
func (s *story) arrives() {
	for len(s.late) > 0 {
		s.arrive()
	}
}

// ---- cycles

// cycle compares every kind.
func (s *story) cycle() { s.run(Request{Full: true, Source: "timer"}) }

func (s *story) run(req Request) {
	s.last, s.err = nil, nil
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(crash); !ok {
				panic(p)
			}
			s.err = errors.New("the process died")
		}
	}()
	c := &Cycle{Repository: storyRepository{s}, Inventory: storyInventory{s}, Ledger: storyLedger{s}, Clock: s, Fabric: s.fabric, Parse: s.parse,
		Problems: s.problems, People: s.people, NewOperation: func(time.Time) string {
			s.ops++
			return "sync_20260101_000000_" + strings.Map(func(r rune) rune { return 'a' + r - '0' }, fmt.Sprintf("%06d", s.ops))
		}}
	if s.proposals {
		c.Proposals = storyProposals{modelProposals{s.world}, s}
	}
	s.last, s.err = c.Run(context.Background(), req)
}

func (s *story) call(format string, args ...any) {
	s.calls = append(s.calls, fmt.Sprintf(format, args...))
	if s.dieAt == len(s.calls) {
		panic(crash{})
	}
}

func (s *story) moment(where string) {
	if list := s.moments[where]; len(list) > 0 {
		s.moments[where] = list[1:]
		list[0]()
	}
}

func (s *story) fateOf(what string) fate {
	f := s.fates[what]
	delete(s.fates, what)
	return f
}

// storyProposals notes what is asked.
type storyProposals struct {
	modelProposals
	s *story
}

func (p storyProposals) Propose(ctx context.Context, req ProposeRequest) (Proposal, error) {
	p.s.call("propose %s", req.Branch)
	return p.modelProposals.Propose(ctx, req)
}

type storyRepository struct{ *story }

func (s storyRepository) Observe(context.Context) (*GitSnapshot, error) {
	s.call("observe")
	s.moment("before observe")
	head := s.head
	if s.readAt != "" {
		head = s.readAt
	}
	snap := s.shot(head)
	s.moment("after observe")
	return snap, nil
}

// shot is a snapshot in which paths that begin with a slash are outside the directory.
func (s storyRepository) shot(oid string) *GitSnapshot {
	snap := s.snapshot(oid)
	inside := snap.Entries[:0:0]
	tree := ""
	for _, e := range snap.Entries {
		if strings.HasPrefix(e.Path, "/") {
			if e.Path == "/.github/hnp-sync.yaml" {
				snap.ConfigBlob = e.OID
			}
			continue
		}
		switch mode := s.modes[e.Path]; mode {
		case "":
		case "oversize":
			e.Data, e.Oversize, e.Size = nil, true, MaxFileBytes+1
		case "120000", "160000":
			e.Mode, e.Data = mode, nil
		default:
			e.Mode = mode
		}
		inside = append(inside, e)
		tree += e.Path + e.Mode + e.OID
	}
	snap.Entries, snap.DirTree = inside, blobID(tree)
	for i, c := range snap.Commits {
		snap.Commits[i].TouchesDirectory = s.touches(c.OID)
	}
	return snap
}

func (s storyRepository) touches(oid string) bool {
	c := s.commitAt(oid)
	p := s.commitAt(c.parent)
	if p == nil {
		return true
	}
	for _, files := range []map[string]string{c.files, p.files} {
		for name := range files {
			if !strings.HasPrefix(name, "/") && c.files[name] != p.files[name] {
				return true
			}
		}
	}
	return false
}

func (s storyRepository) ObserveAt(_ context.Context, oid string) (*GitSnapshot, error) {
	s.call("observe at")
	snap := s.shot(oid)
	snap.Commits = nil
	return snap, nil
}

func (s storyRepository) Compare(ctx context.Context, base, head string) (Comparison, error) {
	s.call("compare")
	return modelRepository{s.world}.Compare(ctx, base, head)
}

func (s storyRepository) Commit(ctx context.Context, req CommitRequest) (Commit, error) {
	s.call("commit")
	s.moment("before commit")
	if s.denied != nil {
		return Commit{}, s.denied
	}
	send := func() (Commit, error) {
		for _, f := range req.Files {
			if f.Path == "" || path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path || strings.HasPrefix(f.Path, "..") {
				s.t.Errorf("the commit writes outside the directory: %q", f.Path)
			}
		}
		return modelRepository{s.world}.Commit(ctx, req)
	}
	switch s.fateOf("commit") {
	case fateLost:
		return Commit{}, ErrOutcomeUnknown
	case fateLate:
		s.late = append(s.late, func() { _, _ = send() })
		return Commit{}, ErrOutcomeUnknown
	case fateNoAnswer:
		_, _ = send()
		s.moment("after commit")
		return Commit{}, ErrOutcomeUnknown
	}
	c, err := send()
	if err == nil {
		s.moment("after commit")
	}
	return c, err
}

type storyInventory struct{ *story }

func (s storyInventory) Capabilities(context.Context) (*Capabilities, error) {
	caps := &Capabilities{Backend: "hedgehog", ChangeLog: s.cfg.changeLog, ETag: true, BulkETag: true, Kinds: map[string]KindCapability{}}
	for _, k := range manifests.Kinds() {
		if k.Role == manifests.RoleUser {
			caps.Kinds[k.Kind] = KindCapability{Read: true, Create: true, Update: true, Delete: true}
		}
	}
	if s.caps != nil {
		s.caps(caps)
	}
	return caps, nil
}

func (s storyInventory) List(_ context.Context, kinds []string) (map[string]*Listing, error) {
	out := map[string]*Listing{}
	for _, kind := range kinds {
		s.call("list %s", kind)
		s.moment("before list")
		l := &Listing{At: s.now, Elsewhere: map[int64]int64{}}
		out[kind] = l
		if s.unlisted[kind] {
			l.Err = errors.New("page 2 failed")
			continue
		}
		for _, pk := range slices.Sorted(maps.Keys(s.rows)) {
			o := s.rows[pk]
			switch other, elsewhere := s.foreign[pk]; {
			case o.Key.Kind != kind || s.hidden[pk]:
			case elsewhere:
				l.Elsewhere[pk] = other
			default:
				l.Objects = append(l.Objects, *o)
			}
		}
		s.moment("after list")
	}
	return out, nil
}

func (s storyInventory) Write(_ context.Context, b Batch) BatchResult {
	s.call("%s %s %d", b.Op, b.Kind, len(b.Items))
	if len(b.Items) == 0 || len(b.Items) > MaxBatch {
		s.t.Errorf("a batch of %d objects", len(b.Items))
	}
	if b.Op != OpFence && !IsOperationID(b.Operation) || b.Op == OpFence && b.Operation != "" {
		s.t.Errorf("%s goes with operation %q", b.Op, b.Operation)
	}
	s.moment("before " + string(b.Op))
	all := func(o Outcome) BatchResult {
		res := BatchResult{Items: make([]WriteResult, len(b.Items))}
		for i := range res.Items {
			res.Items[i].Outcome = o
		}
		return res
	}
	if s.wait > 0 {
		res := all(OutcomeNotSent)
		res.RetryAfter, s.wait = s.wait, 0
		return res
	}
	send := func() BatchResult {
		bad := 0
		res := all(OutcomeBatch)
		for i, it := range b.Items {
			if s.refuse == nil || b.Op == OpFence {
				break
			}
			if why := s.refuse(b.Op, it.Key); why != "" {
				bad++
				if !s.unnamed || len(b.Items) == 1 {
					res.Items[i] = WriteResult{Outcome: OutcomeRefused, Message: why}
				}
			}
		}
		if bad > 0 {
			return res
		}
		s.world.apply(b, &res)
		for i := range res.Items {
			if o := res.Items[i].Object; s.store != nil && res.Items[i].Outcome == OutcomeDone && b.Op != OpDelete {
				s.store(&o)
				s.rows[o.PK], res.Items[i].Object = &o, o
			}
		}
		return res
	}
	switch s.fateOf(string(b.Op)) {
	case fateLost:
		return all(OutcomeUnknown)
	case fateLate:
		s.late = append(s.late, func() { send() })
		return all(OutcomeUnknown)
	case fateNoAnswer:
		send()
		s.moment("after " + string(b.Op))
		return all(OutcomeUnknown)
	}
	res := send()
	s.moment("after " + string(b.Op))
	return res
}

func (s storyInventory) Feed(ctx context.Context, from int64) (*FeedPage, error) {
	s.call("feed")
	page, err := modelInventory{s.world}.Feed(ctx, from)
	page.Rows = slices.DeleteFunc(page.Rows, func(r ChangeRow) bool { return r.ID <= int64(s.firstRow) })
	return page, err
}

func (s storyInventory) FeedEnds(context.Context) (oldest, newest ChangeRow, err error) {
	s.call("feed ends")
	s.call("feed ends")
	if rows := s.log[min(s.firstRow, len(s.log)):]; len(rows) > 0 {
		return rows[0], rows[len(rows)-1], nil
	}
	return
}

func (s storyInventory) OperationRows(ctx context.Context, op string) ([]ChangeRow, error) {
	s.call("operation rows")
	s.moment("before operation rows")
	return modelInventory{s.world}.OperationRows(ctx, op)
}

func (s storyInventory) DeleteRows(ctx context.Context, kind string, pks []int64) ([]ChangeRow, error) {
	s.call("delete rows %s", kind)
	return modelInventory{s.world}.DeleteRows(ctx, kind, pks)
}

type storyLedger struct{ *story }

func (s storyLedger) Load(ctx context.Context) (*State, error) { return modelLedger{s.world}.Load(ctx) }

func (s storyLedger) Save(ctx context.Context, u *Update) error {
	s.moment("before save")
	s.call("save")
	s.saves = append(s.saves, u)
	return modelLedger{s.world}.Save(ctx, u)
}

func (s storyLedger) KnownOperations(ctx context.Context, ids []string) (map[string]bool, error) {
	return modelLedger{s.world}.KnownOperations(ctx, ids)
}

func (s storyLedger) HeldElsewhere(_ context.Context, _ string, pks []int64) (map[int64]bool, error) {
	out := map[int64]bool{}
	for _, pk := range pks {
		out[pk] = s.held[pk]
	}
	return out, nil
}

// ---- expectations

func (s *story) fail(format string, args ...any) {
	s.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, format, args...)
	if s.err != nil {
		fmt.Fprintf(&b, "\nerror: %v", s.err)
	}
	if s.last != nil {
		fmt.Fprintf(&b, "\nstatus: %s %s", s.last.Status.State, s.last.Status.Message)
		for _, w := range s.last.Status.Waiting {
			fmt.Fprintf(&b, "\nwaits: %s: %s", w.Action, w.Reason)
		}
		for _, f := range s.last.Status.Frozen {
			fmt.Fprintf(&b, "\nfrozen: %s %s %s", f.Resource, f.Code, f.Message)
		}
		if s.last.Plan != nil {
			for _, a := range s.last.Plan.Actions {
				fmt.Fprintf(&b, "\nplanned: %s: %s", a.String(), a.Reason)
			}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(s.ledger.Conflicts)) {
		c := s.ledger.Conflicts[n]
		fmt.Fprintf(&b, "\nC%d: %s %s %q base %v git %v netbox %v: %s", n, c.Key, c.Code, c.Path, c.Base, c.Git, c.NetBox, c.Message)
	}
	for _, i := range s.ledger.sortedIntents() {
		fmt.Fprintf(&b, "\nopen: %s %s %s %s answered %t undecidable %t", i.ID, i.Side, i.Op, i.Key, i.Answered, i.Undecidable)
	}
	for _, pk := range slices.Sorted(maps.Keys(s.rows)) {
		body, _ := json.Marshal(s.rows[pk].Body)
		fmt.Fprintf(&b, "\nrow %d: %s %s", pk, s.rows[pk].Key, body)
	}
	for _, name := range slices.Sorted(maps.Keys(s.files())) {
		fmt.Fprintf(&b, "\n-- %s\n%s", name, s.files()[name])
	}
	fmt.Fprintf(&b, "\ncalls: %s", strings.Join(s.calls, ", "))
	s.t.Error(b.String())
}

func (s *story) valueAt(side Side, key, at string) any {
	s.t.Helper()
	k := keyOf(s.t, key)
	d := s.document(side, k)
	if d == nil {
		return none
	}
	p, err := ParsePath(at)
	if err != nil {
		s.t.Fatal(err)
	}
	return lookup(kindOf(k), any(map[string]any(d)), p)
}

func (s *story) want(side Side, key, at, value string) {
	s.t.Helper()
	k := keyOf(s.t, key)
	p, _ := ParsePath(at)
	if got := s.valueAt(side, key, at); !same(manifests.Kind{Lists: kindOf(k).Lists}, p, got, valueOf(value)) {
		s.fail("%s of %s in %s is %v, want %s", at, key, sideName(side), got, value)
	}
}

func (s *story) wantGit(key, at, value string)    { s.t.Helper(); s.want(SideGit, key, at, value) }
func (s *story) wantNetBox(key, at, value string) { s.t.Helper(); s.want(SideNetBox, key, at, value) }
func (s *story) wantBoth(key, at, value string) {
	s.t.Helper()
	s.wantGit(key, at, value)
	s.wantNetBox(key, at, value)
}

func (s *story) wantThere(side Side, keys ...string) {
	s.t.Helper()
	for _, key := range keys {
		if s.document(side, keyOf(s.t, key)) == nil {
			s.fail("%s is not in %s", key, sideName(side))
		}
	}
}

func (s *story) wantGone(side Side, keys ...string) {
	s.t.Helper()
	for _, key := range keys {
		if s.document(side, keyOf(s.t, key)) != nil {
			s.fail("%s is still in %s", key, sideName(side))
		}
	}
}

func (s *story) wantFile(name string, parts ...string) {
	s.t.Helper()
	text, ok := s.files()[name]
	if !ok {
		s.fail("no file %s", name)
	}
	for _, p := range parts {
		if !strings.Contains(text, p) {
			s.fail("%s does not hold %q", name, p)
		}
	}
}

func (s *story) wantNoFile(name string) {
	s.t.Helper()
	if _, ok := s.files()[name]; ok {
		s.fail("%s is still there", name)
	}
}

func (s *story) conflictAt(key, at string) *Conflict {
	s.t.Helper()
	for _, c := range s.ledger.Conflicts {
		if c.Key == keyOf(s.t, key) && c.Path == at {
			return c
		}
	}
	return nil
}

func (s *story) wantConflict(key, at string, code ConflictCode) *Conflict {
	s.t.Helper()
	c := s.conflictAt(key, at)
	if c == nil || c.Code != code {
		s.fail("want a conflict %s at %s %q", code, key, at)
		return &Conflict{}
	}
	return c
}

func (s *story) wantConflicts(n int) {
	s.t.Helper()
	if len(s.ledger.Conflicts) != n {
		s.fail("%d open conflicts, want %d", len(s.ledger.Conflicts), n)
	}
}

func (s *story) wantFrozen(key string, code ConflictCode) {
	s.t.Helper()
	if s.last != nil {
		for _, f := range s.last.Status.Frozen {
			if f.Resource == keyOf(s.t, key).String() && f.Code == string(code) {
				return
			}
		}
	}
	s.fail("%s is not frozen as %s", key, code)
}

func (s *story) wantNotFrozen() {
	s.t.Helper()
	if s.last == nil || len(s.last.Status.Frozen) > 0 {
		s.fail("something is frozen")
	}
}

// wantWaiting names all that waits for a person.
func (s *story) wantWaiting(keys ...string) {
	s.t.Helper()
	var got, want []string
	if s.ledger.Waiting != nil {
		for _, w := range s.ledger.Waiting.Actions {
			got = append(got, w.Key.String())
		}
	}
	for _, k := range keys {
		want = append(want, keyOf(s.t, k).String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		s.fail("waiting %v, want %v", got, want)
	}
}

func (s *story) wantState(state string) {
	s.t.Helper()
	if s.last == nil || s.last.Status.State != state {
		s.fail("the fabric's state is not %s", state)
	}
}

func (s *story) wantPaused(code string) {
	s.t.Helper()
	if s.ledger.Pause == nil || s.ledger.Pause.Code != code {
		s.fail("not paused by %s", code)
	}
}

// wantSilence runs a further cycle that must write nothing and ask for nothing.
func (s *story) wantSilence() {
	s.t.Helper()
	before := s.writes
	s.cycle()
	if s.err != nil || s.writes != before || s.last.Again {
		s.fail("a further cycle is not silent")
	}
}

// wantInSync is silence, with both sides alike and nothing open.
func (s *story) wantInSync() {
	s.t.Helper()
	s.wantSilence()
	s.wantState("equal")
	if v := s.differs(); v != "" {
		s.fail("%s", v)
	}
}

func (s *story) differs() string {
	keys := map[Key]bool{}
	for _, o := range s.rows {
		keys[o.Key] = true
	}
	snap := storyRepository{s}.shot(s.head)
	view := ViewGit(snap, &s.fabric, s.parse)
	for k := range view.Resources {
		keys[k] = true
	}
	for k := range keys {
		g, n := view.Resources[k], s.byKey(k)
		if g == nil || n == nil {
			return fmt.Sprintf("%s is on one side only", k)
		}
		if !same(kindOf(k), nil, any(g.Body), any(comparableBody(n.Body))) {
			return fmt.Sprintf("%s differs", k)
		}
	}
	return ""
}

// wantCalls holds the requests since the story last came to rest, saves left out, to a list.
func (s *story) wantCalls(want ...string) {
	s.t.Helper()
	if got := s.requests(); !slices.Equal(got, want) {
		s.fail("requests:\n got %q\nwant %q", got, want)
	}
}

func (s *story) requests() []string {
	var out []string
	for _, c := range s.calls {
		if c != "save" {
			out = append(out, c)
		}
	}
	return out
}

func (s *story) count(prefix string) int {
	n := 0
	for _, c := range s.calls {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}

// wantBytes holds a file to exactly this text.
func (s *story) wantBytes(name, text string) {
	s.t.Helper()
	if got := s.files()[name]; !bytes.Equal([]byte(got), []byte(text)) {
		s.fail("%s has other bytes:\n%s\nwant\n%s", name, got, text)
	}
}

func (s *story) decideIfOpen(key, at string, side Side) {
	s.t.Helper()
	if s.conflictAt(key, at) != nil {
		s.decide(key, at, side)
	}
}
