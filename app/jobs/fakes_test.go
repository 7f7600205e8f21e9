package jobs

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/handlers"
	"github.com/hnp-sync/hnp-sync/manifests"
)

const (
	headOne = "1111111111111111111111111111111111111111"
	headTwo = "2222222222222222222222222222222222222222"
)

// fakeHost is GitHub with one installation and one repository; what it holds may be changed while jobs run.
type fakeHost struct {
	mu     sync.Mutex
	repos  []store.Repository
	config Configuration
	head   string
	fail   error // of every call
	reads  int   // of configurations
	heads  int

	// What is said and read on GitHub.
	pulls   map[int]Pull
	runs    []Check // every request: a batch of annotations each
	nextRun int64
	deleted map[int64]bool // check runs
	issues  []fakeIssue
	edits   int
	lose    int // annotations after which the answer to PublishCheck is lost; 0 never
}

type fakeIssue struct {
	title, body string
	open        bool
}

func (h *fakeHost) Pull(_ context.Context, _ store.Repository, number int) (Pull, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, ok := h.pulls[number]
	if !ok {
		return p, &gitops.PermissionError{Code: "not_found", Message: "no such pull request"}
	}
	return p, h.fail
}

func (h *fakeHost) Pulls(_ context.Context, _ store.Repository, base string) ([]Pull, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []Pull
	for _, p := range h.pulls {
		if p.Open && p.Base == base {
			out = append(out, p)
		}
	}
	return out, h.fail
}

// PublishCheck behaves as the real one: batches of 50, found again by its external id, annotations appended.
func (h *fakeHost) PublishCheck(_ context.Context, _ store.Repository, c Check, report func(Progress) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := c.Progress
	if h.deleted[p.RunID] {
		return &gitops.PermissionError{Code: "not_found", Message: "no such check run"}
	}
	if p.Asking {
		for _, r := range h.runs {
			if r.ExternalID == c.ExternalID {
				p.RunID = r.Progress.RunID
			}
		}
		p.Sent = max(p.Sent, h.annotations(p.RunID))
	}
	for first := true; first || p.Sent < len(c.Output.Annotations); first = false {
		if h.fail != nil {
			return h.fail
		}
		if p.RunID == 0 {
			h.nextRun++
			p.RunID = h.nextRun
		}
		part := c
		end := min(p.Sent+50, len(c.Output.Annotations))
		part.Output.Annotations = c.Output.Annotations[p.Sent:end]
		if end < len(c.Output.Annotations) {
			part.Output.Conclusion = ""
		}
		part.Progress = p
		h.runs = append(h.runs, part)
		if h.lose > 0 && end >= h.lose {
			h.lose = 0
			return gitops.ErrOutcomeUnknown
		}
		p.Sent = end
		if err := report(p); err != nil {
			return err
		}
	}
	return nil
}

// annotations counts what a run has.
func (h *fakeHost) annotations(run int64) (n int) {
	for _, r := range h.runs {
		if r.Progress.RunID == run {
			n += len(r.Output.Annotations)
		}
	}
	return n
}

func (h *fakeHost) ConfigurationAt(context.Context, store.Repository, string) (Configuration, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.config, h.fail
}

func (h *fakeHost) CreateIssue(_ context.Context, _ store.Repository, title, body string) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail != nil {
		return 0, h.fail
	}
	h.issues = append(h.issues, fakeIssue{title, body, true})
	return len(h.issues), nil
}

func (h *fakeHost) UpdateIssue(_ context.Context, _ store.Repository, number int, title, body string, open bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.edits++
	h.issues[number-1] = fakeIssue{title, body, open}
	return h.fail
}

// last is the newest request for a check run of a name; false when there was none.
func (h *fakeHost) last(name string) (c Check, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.runs {
		if r.Output.Name == name {
			c, ok = r, true
		}
	}
	return c, ok
}

func (h *fakeHost) Installations(context.Context) ([]store.Installation, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return []store.Installation{{ID: 34, Account: "acme", RepositorySelection: "all"}}, h.fail
}

func (h *fakeHost) Repositories(context.Context, int64) ([]store.Repository, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]store.Repository(nil), h.repos...), h.fail
}

func (h *fakeHost) Configuration(context.Context, store.Repository) (Configuration, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reads++
	return h.config, h.fail
}

func (h *fakeHost) Head(context.Context, store.Repository, string) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heads++
	return h.head, h.fail
}

func (h *fakeHost) Directory(store.Fabric) (gitops.Repository, error) {
	return &fakeDirectory{host: h}, nil
}

func (h *fakeHost) Proposals(store.Fabric) (gitops.Proposals, error) { return nil, nil }

func (h *fakeHost) set(change func(*fakeHost)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
}

func (h *fakeHost) count() (reads, heads int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reads, h.heads
}

type fakeDirectory struct {
	gitops.Repository
	host *fakeHost
}

func (d *fakeDirectory) Observe(context.Context) (*gitops.GitSnapshot, error) {
	d.host.mu.Lock()
	defer d.host.mu.Unlock()
	return &gitops.GitSnapshot{Head: d.host.head, ConfigBlob: d.host.config.Blob}, d.host.fail
}

// fakeNetBox is a NetBox with fabrics, a change log, and what its kinds hold.
type fakeNetBox struct {
	mu       sync.Mutex
	fabrics  []NetBoxFabric
	listings map[string]*gitops.Listing
	feed     []gitops.ChangeRow
	feedErr  error
	fail     error
	feeds    int
}

func (n *fakeNetBox) Fabrics(context.Context) ([]NetBoxFabric, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]NetBoxFabric(nil), n.fabrics...), n.fail
}

func (n *fakeNetBox) CreateFabric(_ context.Context, name string) (NetBoxFabric, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f := NetBoxFabric{ID: int64(len(n.fabrics) + 1), Name: name}
	n.fabrics = append(n.fabrics, f)
	return f, n.fail
}

func (n *fakeNetBox) Inventory(store.Fabric) (gitops.Inventory, error) {
	return &fakeInventory{netbox: n}, nil
}

func (n *fakeNetBox) URL() string { return "https://netbox.example.net" }

func (n *fakeNetBox) set(change func(*fakeNetBox)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(n)
}

type fakeInventory struct {
	gitops.Inventory
	netbox *fakeNetBox
}

func (i *fakeInventory) List(_ context.Context, kinds []string) (map[string]*gitops.Listing, error) {
	i.netbox.mu.Lock()
	defer i.netbox.mu.Unlock()
	out := map[string]*gitops.Listing{}
	for _, k := range kinds {
		l := gitops.Listing{}
		if have := i.netbox.listings[k]; have != nil {
			l = *have
		}
		out[k] = &l
	}
	return out, i.netbox.fail
}

func (i *fakeInventory) Write(_ context.Context, b gitops.Batch) gitops.BatchResult {
	out := gitops.BatchResult{RequestID: "own-request"}
	for _, w := range b.Items {
		out.Items = append(out.Items, gitops.WriteResult{Outcome: gitops.OutcomeDone, Object: gitops.NetBoxObject{PK: w.PK, LastUpdated: "after"}})
	}
	return out
}

func (i *fakeInventory) Feed(_ context.Context, from int64) (*gitops.FeedPage, error) {
	i.netbox.mu.Lock()
	defer i.netbox.mu.Unlock()
	i.netbox.feeds++
	page := &gitops.FeedPage{Now: testStart.Add(time.Hour)}
	for _, r := range i.netbox.feed {
		if r.ID >= from {
			page.Rows = append(page.Rows, r)
		}
	}
	return page, i.netbox.feedErr
}

func (i *fakeInventory) FeedEnds(context.Context) (oldest, newest gitops.ChangeRow, err error) {
	i.netbox.mu.Lock()
	defer i.netbox.mu.Unlock()
	if n := len(i.netbox.feed); n > 0 {
		oldest, newest = i.netbox.feed[0], i.netbox.feed[n-1]
	}
	return oldest, newest, i.netbox.feedErr
}

var testStart = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// fakeClock runs with the real time, so that River and the jobs agree, but its timers fire only when the test says so.
type fakeClock struct {
	mu     sync.Mutex
	timers map[time.Duration][]chan time.Time
}

func (c *fakeClock) Now() time.Time { return time.Now() }

func (c *fakeClock) After(d time.Duration) <-chan time.Time {
	if d <= time.Minute { // the delivery worker's own pauses
		return time.After(d)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan time.Time, 1)
	c.timers[d] = append(c.timers[d], ch)
	return ch
}

// fire ends every timer of that length.
func (c *fakeClock) fire(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ch := range c.timers[d] {
		ch <- time.Now()
	}
	c.timers[d] = nil
}

func (c *fakeClock) armed(d time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.timers[d]) > 0
}

// The intervals of the tests' timers: lengths that nothing else uses, fired by hand.
const testPoll, testCompare = 61 * time.Minute, 62 * time.Minute

// fakeRun stands for the engine's cycle.
type fakeRun struct {
	mu      sync.Mutex
	running map[string]int
	most    int // cycles of one fabric at a time
	runs    []gitops.Request
	do      func(ctx context.Context, c *gitops.Cycle, req gitops.Request) (*gitops.Result, error)
	// evaluated fills in what an evaluation finds.
	evaluated   func(*gitops.Evaluation) error
	evaluations int
}

func (r *fakeRun) run(ctx context.Context, c *gitops.Cycle, req gitops.Request) (*gitops.Result, error) {
	r.mu.Lock()
	r.running[c.Fabric.Name]++
	r.most = max(r.most, r.running[c.Fabric.Name])
	r.runs = append(r.runs, req)
	do := r.do
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.running[c.Fabric.Name]--
		r.mu.Unlock()
	}()
	if do != nil {
		return do(ctx, c, req)
	}
	return observeAll(ctx, c)
}

func (r *fakeRun) evaluate(_ context.Context, c *gitops.Cycle, _ *gitops.State, head string) (*gitops.Evaluation, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.evaluations++
	ev := &gitops.Evaluation{Fabric: c.Fabric, Head: head, Base: headOne, MergeBase: headOne, Touched: map[gitops.Key]bool{}}
	if r.evaluated != nil {
		return ev, r.evaluated(ev)
	}
	return ev, nil
}

func (r *fakeRun) set(do func(ctx context.Context, c *gitops.Cycle, req gitops.Request) (*gitops.Result, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.do = do
}

func (r *fakeRun) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.runs)
}

func (r *fakeRun) last() gitops.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.runs[len(r.runs)-1]
}

// observeAll is a cycle that finds both sides equal.
func observeAll(ctx context.Context, c *gitops.Cycle) (*gitops.Result, error) {
	snap, err := c.Repository.Observe(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := c.Inventory.List(ctx, []string{"VPC", "Switch"}); err != nil {
		return nil, err
	}
	return &gitops.Result{Status: gitops.Status{State: "equal", Head: snap.Head, VerifiedAt: testStart}}, nil
}

type noMetrics struct{}

func (noMetrics) Delivery(string, string, string)       {}
func (noMetrics) Cycle(string, time.Duration, int, int) {}
func (noMetrics) Conflicts(string, int)                 {}

// parseNames reads a configuration of the tests: one fabric per word, "!" is an entry with an error.
func parseNames(path string, data []byte) ([]gitops.Fabric, []manifests.Diagnostic) {
	var out []gitops.Fabric
	var found []manifests.Diagnostic
	word := ""
	for _, b := range append(data, ' ') {
		if b != ' ' {
			word += string(b)
			continue
		}
		if word == "!" {
			found = []manifests.Diagnostic{{File: path, Severity: manifests.SeverityError, Code: "config", Message: "broken"}}
		} else if word != "" {
			f := gitops.DefaultFabric()
			f.Name, f.Slug, f.Directory = word, word, "gitops/"+word
			out = append(out, f)
		}
		word = ""
	}
	return out, found
}

// world is one running manager and everything around it.
type bench struct {
	*Manager
	t      *testing.T
	host   *fakeHost
	netbox *fakeNetBox
	clock  *fakeClock
	run    *fakeRun
	logs   *observer.ObservedLogs
	allow  []string
	path   string
}

// newBench makes a manager over a fresh store; start runs it.
func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, clock: &fakeClock{timers: map[time.Duration][]chan time.Time{}}, run: &fakeRun{running: map[string]int{}},
		host:   &fakeHost{head: headOne, config: Configuration{Path: ".github/hnp-sync.yaml", Blob: "blob-1", Data: []byte("fabric-1"), DefaultBranch: "main"}, repos: []store.Repository{{ID: 12, InstallationID: 34, Owner: "acme", Name: "fabrics", DefaultBranch: "main", Present: true}}},
		netbox: &fakeNetBox{fabrics: []NetBoxFabric{{ID: 1, Name: "fabric-1", Created: "2026-01-01T00:00:00Z"}, {ID: 2, Name: "fabric-2", Created: "2026-01-01T00:00:00Z"}}, listings: map[string]*gitops.Listing{}},
		allow:  []string{"default"}, path: filepath.Join(t.TempDir(), "state.db")}
	b.open()
	return b
}

func (b *bench) open() {
	b.t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	b.logs = logs
	st, err := store.Open(context.Background(), store.Options{Database: b.path})
	if err != nil {
		b.t.Fatal(err)
	}
	b.Manager, err = New(Deps{
		Store: st, Host: b.host, Feedback: b.host, Examine: b.run.evaluate, ParseConfig: parseNames, Run: b.run.run, Clock: b.clock, Log: zap.New(core), Metrics: noMetrics{},
		Connection: func(name string) (Connection, bool) { return b.netbox, name == "default" },
		NewOperation: func(now time.Time) string {
			return fmt.Sprintf("sync_%s_%06d", now.Format("20060102_150405"), now.Nanosecond()/1000)
		},
		Settings: func() Settings {
			return Settings{Poll: testPoll, FullCompare: testCompare, Debounce: 0, Allowed: func(string, string) []string { return b.allow }}
		},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) start() {
	b.t.Helper()
	if err := b.Start(context.Background()); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(b.stop)
}

func (b *bench) stop() {
	if b.Manager == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := b.Stop(ctx); err != nil {
		b.t.Errorf("stop: %v", err)
	}
	if err := b.Store.Close(); err != nil {
		b.t.Errorf("close: %v", err)
	}
	b.Manager = nil
}

// eventually waits, at most 15 seconds, until ok holds.
func (b *bench) eventually(what string, ok func() bool) {
	b.t.Helper()
	deadline := time.After(15 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			for _, e := range b.logs.All() {
				b.t.Logf("%s %s %v", e.Level, e.Message, e.ContextMap())
			}
			b.t.Fatalf("not within 15 s: %s", what)
		case <-tick.C:
		}
	}
}

// quiet waits until nothing is queued and no delivery waits.
func (b *bench) quiet() {
	b.t.Helper()
	b.eventually("everything is done", func() bool {
		c, err := b.Store.InboxCounts(context.Background())
		if err != nil {
			b.t.Fatal(err)
		}
		n, err := b.Queue(context.Background())
		if err != nil {
			b.t.Fatal(err)
		}
		return c.Waiting+c.Running+n == 0
	})
}

// started runs the manager until the start-up discovery and the first cycles are over.
func started(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	b.start()
	b.eventually("the first cycle", func() bool { return b.run.count() > 0 })
	b.quiet()
	return b
}

func (b *bench) put(d handlers.Delivery) {
	b.t.Helper()
	if d.ReceivedAt.IsZero() {
		d.ReceivedAt = time.Now()
	}
	if _, err := b.Store.Put(context.Background(), d); err != nil {
		b.t.Fatal(err)
	}
}

func push(guid, after string) handlers.Delivery {
	return handlers.Delivery{Source: "github", Target: "1", GUID: guid, BodyHash: guid, Event: "push", RepositoryID: 12, Ref: "refs/heads/main", After: after, Sender: "alice"}
}

func hook(guid, event string, pk int64, lastUpdated string) handlers.Delivery {
	return handlers.Delivery{Source: "netbox:default", Target: "default", GUID: guid, BodyHash: guid, Event: event, ObjectType: "netbox_hedgehog.vpc",
		ObjectID: pk, LastUpdated: lastUpdated, RequestID: "request-" + guid, User: "bob"}
}

var errBroken = errors.New("broken for the test")
