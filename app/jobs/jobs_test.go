package jobs

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/gitops/repo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStartDiscoversAndComparesInFull(t *testing.T) {
	t.Parallel()
	b := started(t)
	if !b.run.last().Full {
		t.Error("the first cycle does not compare everything")
	}
	list := b.memory.list()
	if len(list) != 1 || list[0].Policy.Name != "fabric-1" || list[0].NetBoxID != 1 || list[0].Branch != "main" {
		t.Errorf("fabrics %+v", list)
	}
	if free := b.Unpaired()["default"]; len(free) != 1 || free[0].Name != "fabric-2" {
		t.Errorf("NetBox fabrics without a configuration: %+v, want fabric-2", free)
	}
}

func TestPushRunsOneCycleAndEchoesNone(t *testing.T) {
	t.Parallel()
	b := started(t)
	before := b.run.count()
	b.put(push("a", headOne)) // the head the first cycle confirmed
	b.quiet()
	if n := b.run.count(); n != before {
		t.Errorf("a push of the confirmed head ran %d cycles", n-before)
	}
	b.host.set(func(h *fakeHost) { h.head = headTwo })
	b.put(push("b", headTwo))
	b.eventually("a cycle", func() bool { return b.run.count() == before+1 })
	b.quiet()
	if req := b.run.last(); req.Source != "github" || req.Login != "alice" || req.Full {
		t.Errorf("cycle asked for as %+v", req)
	}
	b.put(push("c", headTwo))
	b.quiet()
	if n := b.run.count(); n != before+1 {
		t.Errorf("%d cycles after the confirmed push came again, want 1", n-before)
	}
	reads, _ := b.host.count()
	if reads != 1 {
		t.Errorf("configuration read %d times, want once: a push must cost no request for it", reads)
	}
}

func TestHooksDuringACycleAreJudgedAtItsEnd(t *testing.T) {
	t.Parallel()
	b := started(t)
	before := b.run.count()
	inside, release := make(chan struct{}), make(chan struct{})
	b.run.set(func(ctx context.Context, c *gitops.Cycle, _ gitops.Request) (*gitops.Result, error) {
		res, err := observeAll(ctx, c)
		inside <- struct{}{}
		<-release
		if err == nil {
			c.Inventory.Write(ctx, gitops.Batch{Kind: "VPC", Op: gitops.OpUpdate, Items: []gitops.Write{{PK: 7}}})
		}
		return res, err
	})
	b.host.set(func(h *fakeHost) { h.head = headTwo })
	b.put(push("a", headTwo))
	<-inside
	b.put(hook("own", "updated", 7, "after")) // what our write's answer will hold
	b.put(push("again", headTwo))             // what the cycle observed
	b.eventually("the hooks are taken", func() bool {
		c, err := b.Store.InboxCounts(context.Background())
		return err == nil && c.Running == 2
	})
	if n := b.run.count(); n != before+1 {
		t.Fatalf("%d cycles before the running one ended", n-before)
	}
	b.run.set(nil)
	close(release)
	b.quiet()
	if n := b.run.count(); n != before+1 {
		t.Errorf("%d cycles, want 1: own writes and the observed head are echoes", n-before)
	}
	b.put(hook("other", "updated", 7, "later than ours"))
	b.eventually("a cycle for a user's edit", func() bool { return b.run.count() == before+2 })
	b.quiet()
}

func TestNetBoxHookPutsItsKindIntoScope(t *testing.T) {
	t.Parallel()
	b := started(t)
	before := b.run.count()
	scope := make(chan map[string]int64, 1)
	b.run.set(func(ctx context.Context, c *gitops.Cycle, _ gitops.Request) (*gitops.Result, error) {
		st, err := c.Ledger.Load(ctx)
		if err != nil {
			return nil, err
		}
		scope <- st.Scope
		return observeAll(ctx, c)
	})
	b.put(hook("a", "created", 9, "t1"))
	if got := <-scope; got["VPC"] == 0 {
		t.Errorf("scope %v, want VPC in it", got)
	}
	b.quiet()
	if n := b.run.count(); n != before+1 {
		t.Errorf("%d cycles, want 1", n-before)
	}
}

// 400 triggers from 8 goroutines over 4 fabrics, every fifth cycle failing: one cycle per fabric at a time, and the
// last trigger of each is followed by a cycle that began after it.
func TestNoTriggerIsLost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.host.config.Data = []byte("f-1 f-2 f-3 f-4")
	b.netbox.fabrics = nil
	for i := range 4 {
		b.netbox.fabrics = append(b.netbox.fabrics, NetBoxFabric{ID: int64(i + 1), Name: fmt.Sprintf("f-%d", i+1)})
	}
	b.start()
	b.eventually("four fabrics", func() bool { return b.run.count() >= 4 })
	b.quiet()

	var stamp atomic.Int64 // rises with every trigger
	var mu sync.Mutex
	triggered, served, fails := map[string]int64{}, map[string]int64{}, 0
	b.run.set(func(ctx context.Context, c *gitops.Cycle, _ gitops.Request) (*gitops.Result, error) {
		began := stamp.Load()
		mu.Lock()
		fails++
		fail := fails%5 == 0 && fails < 40
		mu.Unlock()
		if fail {
			return nil, errBroken
		}
		res, err := observeAll(ctx, c)
		mu.Lock()
		served[c.Fabric.Name] = max(served[c.Fabric.Name], began)
		mu.Unlock()
		return res, err
	})
	fabrics := b.memory.list()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				f := fabrics[(g+i)%4]
				n := stamp.Add(1)
				if err := b.Request(context.Background(), store.SyncRequest{Fabric: f.ID, Source: "timer"}); err != nil {
					t.Error(err)
				}
				mu.Lock()
				triggered[f.Policy.Name] = max(triggered[f.Policy.Name], n)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	b.eventually("every fabric has caught up", func() bool {
		behind, err := b.Store.FabricsBehind(context.Background())
		return err == nil && len(behind) == 0
	})
	b.quiet()
	mu.Lock()
	defer mu.Unlock()
	for name, n := range triggered {
		if served[name] < n {
			t.Errorf("%s: last trigger %d, but the last cycle began at %d", name, n, served[name])
		}
	}
	if b.run.most != 1 {
		t.Errorf("%d cycles of one fabric at a time", b.run.most)
	}
	t.Logf("%d cycles for 400 triggers", b.run.count())
}

func TestLimitParksVisibly(t *testing.T) {
	t.Parallel()
	b := started(t)
	until := time.Now().Add(1500 * time.Millisecond)
	first := true
	b.run.set(func(ctx context.Context, c *gitops.Cycle, _ gitops.Request) (*gitops.Result, error) {
		if first {
			first = false
			return nil, fmt.Errorf("observe Git: %w", &repo.RateLimitError{Until: until})
		}
		if time.Now().Before(until) {
			t.Error("a cycle ran before the limit ended")
		}
		return observeAll(ctx, c)
	})
	before := b.run.count()
	b.host.set(func(h *fakeHost) { h.head = headTwo })
	b.put(push("a", headTwo))
	id := b.memory.list()[0].ID
	b.eventually("parked", func() bool { return b.Overlay(id).Why != "" })
	b.put(push("b", "3333333333333333333333333333333333333333")) // a trigger does not unpark
	b.eventually("a cycle after the limit", func() bool { return b.run.count() == before+2 })
	b.quiet()
	if o := b.Overlay(id); o.Why != "" || o.Failure != "" {
		t.Errorf("still shown as parked: %+v", o)
	}
}

func TestPermissionIsShownAndNotHammered(t *testing.T) {
	t.Parallel()
	b := started(t)
	before := b.run.count()
	b.run.set(func(context.Context, *gitops.Cycle, gitops.Request) (*gitops.Result, error) {
		return nil, fmt.Errorf("commit: %w", &gitops.PermissionError{Code: "protected_branch", Message: "main is protected"})
	})
	f := b.memory.list()[0]
	op, err := b.Sync(context.Background(), f.ID, "carol")
	if err != nil {
		t.Fatal(err)
	}
	b.quiet()
	if n := b.run.count(); n != before+1 {
		t.Errorf("%d attempts, want 1", n-before)
	}
	if got := b.Overlay(f.ID).Failure; got != "main is protected" {
		t.Errorf("shown failure %q", got)
	}
	stored, err := b.Store.Operation(context.Background(), op)
	if err != nil || stored.Status != "failed" || !strings.Contains(stored.ErrorMessage, "protected") {
		t.Errorf("operation %+v, %v", stored.Operation, err)
	}
}

func TestPanicFailsItsJobAloneAndIsLoggedOnce(t *testing.T) {
	t.Parallel()
	b := started(t)
	before := b.run.count()
	var once sync.Once
	b.run.set(func(ctx context.Context, c *gitops.Cycle, _ gitops.Request) (*gitops.Result, error) {
		once.Do(func() { panic("a bug") })
		return observeAll(ctx, c)
	})
	f := b.memory.list()[0]
	op, err := b.Sync(context.Background(), f.ID, "carol")
	if err != nil {
		t.Fatal(err)
	}
	b.eventually("the cycle after the panic", func() bool { return b.run.count() == before+2 })
	b.quiet()
	stacks := 0
	for _, e := range b.logs.All() {
		if strings.Contains(fmt.Sprint(e.ContextMap()["stack"]), "TestPanicFailsItsJobAlone") {
			stacks++
		}
	}
	if stacks != 1 {
		t.Errorf("the panic was logged %d times with its stack, want once", stacks)
	}
	if stored, err := b.Store.Operation(context.Background(), op); err != nil || stored.Status != "completed" || stored.ErrorMessage != "" {
		t.Errorf("operation %+v, %v", stored.Operation, err)
	}
}

func TestAgainAndAfter(t *testing.T) {
	t.Parallel()
	b := started(t)
	before := b.run.count()
	n := 0
	b.run.set(func(ctx context.Context, c *gitops.Cycle, _ gitops.Request) (*gitops.Result, error) {
		res, err := observeAll(ctx, c)
		if n++; n == 1 {
			res.Again = true
		} else if n == 2 {
			res.After = time.Hour
		}
		return res, err
	})
	f := b.memory.list()[0]
	if err := b.Request(context.Background(), store.SyncRequest{Fabric: f.ID, Source: "timer"}); err != nil {
		t.Fatal(err)
	}
	b.eventually("two cycles", func() bool { return b.run.count() == before+2 })
	b.quiet()
	// The one that was put off by an hour runs at once when something happens.
	if err := b.Request(context.Background(), store.SyncRequest{Fabric: f.ID, Source: "timer"}); err != nil {
		t.Fatal(err)
	}
	b.eventually("the third cycle", func() bool { return b.run.count() == before+3 })
}

func TestSyncJoinsAndCompletesEveryPromisedOperation(t *testing.T) {
	t.Parallel()
	b := started(t)
	f := b.memory.list()[0]
	gate := make(chan struct{})
	b.run.set(func(ctx context.Context, c *gitops.Cycle, req gitops.Request) (*gitops.Result, error) {
		<-gate
		if req.Operation != "" && (!req.Full || req.Source != "api") {
			t.Errorf("promised cycle runs as %+v", req)
		}
		return observeAll(ctx, c)
	})
	var ids []string
	for i := range 3 {
		id, err := b.Sync(context.Background(), f.ID, fmt.Sprintf("user-%d", i))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	for _, id := range ids {
		if op, err := b.Store.Operation(context.Background(), id); err != nil || op.Status != "in_progress" {
			t.Errorf("promised operation %+v, %v", op.Operation, err)
		}
	}
	close(gate)
	b.quiet()
	for _, id := range ids {
		if op, err := b.Store.Operation(context.Background(), id); err != nil || op.Status != "completed" || op.CompletedAt.IsZero() {
			t.Errorf("operation %+v, %v", op.Operation, err)
		}
	}
}

func TestApproveNeedsWhatWaits(t *testing.T) {
	t.Parallel()
	b := started(t)
	f := b.memory.list()[0]
	if _, _, err := b.Approve(context.Background(), f.ID, "no-such-hash", "api"); err == nil {
		t.Error("approved a hash that nothing waits under")
	}
	if n, err := b.Store.Operations(context.Background(), f.ID, 10); err != nil || len(n) != 0 {
		t.Errorf("a refused approval left operations: %v %v", n, err)
	}
}

func TestConfigurationIsReadBeforeACycleLooksAtItsCommit(t *testing.T) {
	t.Parallel()
	b := started(t)
	b.host.set(func(h *fakeHost) {
		h.head, h.config.Blob, h.config.Data = headTwo, "blob-2", []byte("fabric-1 fabric-2")
	})
	var mu sync.Mutex
	names := map[string]bool{}
	b.run.set(func(ctx context.Context, c *gitops.Cycle, _ gitops.Request) (*gitops.Result, error) {
		res, err := observeAll(ctx, c)
		if err == nil {
			mu.Lock()
			names[c.Fabric.Name] = true
			mu.Unlock()
		}
		return res, err
	})
	b.put(push("a", headTwo)) // its payload does not say that the configuration changed
	b.eventually("both fabrics ran", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return names["fabric-1"] && names["fabric-2"]
	})
	b.quiet()
	if reads, _ := b.host.count(); reads > 3 {
		t.Errorf("configuration read %d times", reads)
	}
}

func TestConfigurationFindings(t *testing.T) {
	t.Parallel()
	b := started(t)
	read := func(blob, data string) {
		b.host.set(func(h *fakeHost) { h.config.Blob, h.config.Data = blob, []byte(data) })
		if err := b.Repository(context.Background(), 12, "test"); err != nil {
			t.Fatal(err)
		}
		b.quiet()
	}
	names := func() string {
		var out []string
		for _, f := range b.memory.list() {
			out = append(out, f.Policy.Name)
		}
		return strings.Join(out, " ")
	}
	codes := func() string {
		r, err := b.Store.Repository(context.Background(), 12)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, d := range r.Diagnostics {
			out = append(out, d.Code)
		}
		return strings.Join(out, " ")
	}
	read("blob-2", "fabric-1 nowhere")
	if names() != "fabric-1" || codes() != CodeMissingFabric {
		t.Errorf("a fabric that NetBox lacks: fabrics %q, findings %q", names(), codes())
	}
	read("blob-3", "!")
	if names() != "fabric-1" || codes() != "config" {
		t.Errorf("a broken file: fabrics %q, findings %q; the last valid one stays", names(), codes())
	}
	read("blob-3b", "! fabric-2")
	if names() != "fabric-1 fabric-2" || codes() != "config" {
		t.Errorf("one broken entry of two: fabrics %q, findings %q", names(), codes())
	}
	read("blob-3c", "fabric-1")
	b.netbox.set(func(n *fakeNetBox) { n.fail = errBroken })
	b.host.set(func(h *fakeHost) { h.config.Blob, h.config.Data = "blob-4", []byte("fabric-1 fabric-2") })
	if err := b.Repository(context.Background(), 12, "test"); err != nil {
		t.Fatal(err)
	}
	b.eventually("NetBox is said to be away", func() bool { return strings.Contains(codes(), CodeNetBoxAway) })
	if names() != "fabric-1" {
		t.Errorf("NetBox away: fabrics %q, want the pairing kept", names())
	}
	b.netbox.set(func(n *fakeNetBox) { n.fail = nil })
	if err := b.Repository(context.Background(), 12, "test"); err != nil {
		t.Fatal(err) // does not wait for the repetition
	}
	b.eventually("both fabrics are paired", func() bool { return names() == "fabric-1 fabric-2" && codes() == "" })
	read("blob-5", "fabric-2")
	if names() != "fabric-2" {
		t.Errorf("removed from the configuration: fabrics %q", names())
	}
	b.allow = nil
	read("blob-5", "fabric-2")
	if names() != "" {
		t.Errorf("not allowed any more: fabrics %q", names())
	}
}

func TestPollFindsWhatHooksLost(t *testing.T) {
	t.Parallel()
	b := started(t)
	b.netbox.set(func(n *fakeNetBox) {
		n.listings["VPC"] = &gitops.Listing{Objects: []gitops.NetBoxObject{{PK: 7, LastUpdated: "t0"}}}
		n.feed = []gitops.ChangeRow{{ID: 10, RequestID: "old", Action: "update", Kind: "VPC", PK: 7, Time: testStart}}
	})
	poll := func() {
		t.Helper()
		b.eventually("the poll's timer", func() bool { return b.clock.armed(testPoll) })
		b.clock.fire(testPoll)
		b.eventually("the poll has ended", func() bool { return b.clock.armed(testPoll) })
		b.quiet()
	}
	poll() // meets the change log; compares again because the start compared before it
	before := b.run.count()
	poll()
	poll()
	if n := b.run.count(); n != before {
		t.Errorf("idle polls ran %d cycles", n-before)
	}
	b.netbox.mu.Lock()
	feeds := b.netbox.feeds
	b.netbox.mu.Unlock()
	_, heads := b.host.count()
	poll()
	b.netbox.mu.Lock()
	if got := b.netbox.feeds - feeds; got != 1 {
		t.Errorf("an idle poll read the feed %d times, want 1", got)
	}
	b.netbox.mu.Unlock()
	if _, now := b.host.count(); now-heads != 1 {
		t.Errorf("an idle poll asked for %d heads, want 1", now-heads)
	}

	b.host.set(func(h *fakeHost) { h.head = headTwo })
	poll()
	if n := b.run.count(); n != before+1 {
		t.Errorf("a moved head ran %d cycles, want 1", n-before)
	}
	b.netbox.set(func(n *fakeNetBox) {
		n.feed = append(n.feed, gitops.ChangeRow{ID: 11, RequestID: "users", Action: "update", Kind: "VPC", PK: 7, Time: testStart.Add(59 * time.Minute)})
	})
	poll()
	poll()
	if n := b.run.count(); n != before+2 {
		t.Errorf("a row of a user ran %d cycles, want 1", n-before-1)
	}
	b.memory.seenRequest("default", "ours", "VPC", time.Now())
	b.netbox.set(func(n *fakeNetBox) {
		n.feed = append(n.feed, gitops.ChangeRow{ID: 12, RequestID: "ours", Action: "update", Kind: "VPC", PK: 7, Time: testStart.Add(time.Hour)},
			gitops.ChangeRow{ID: 13, RequestID: "gone", Action: "delete", Kind: "VPC", PK: 99, Time: testStart.Add(time.Hour)})
	})
	poll()
	if n := b.run.count(); n != before+2 {
		t.Errorf("own rows and deletes of unknown objects ran %d cycles", n-before-2)
	}
	// A restored NetBox: the row the log was read to is gone.
	b.netbox.set(func(n *fakeNetBox) { n.feed = n.feed[:1] })
	poll()
	if n := b.run.count(); n != before+3 || !b.run.last().Full {
		t.Errorf("a change log without its row: %d cycles, full %v", n-before-2, b.run.last().Full)
	}
}

func TestFullCompareTimer(t *testing.T) {
	t.Parallel()
	b := started(t)
	before := b.run.count()
	b.eventually("the timer", func() bool { return b.clock.armed(testCompare) })
	b.clock.fire(testCompare)
	b.eventually("a cycle", func() bool { return b.run.count() == before+1 })
	if !b.run.last().Full {
		t.Error("the cycle does not compare everything")
	}
	b.quiet()
}

// A process that dies in the middle of a cycle leaves the job as running; the next start takes it up at once.
func TestRestartTakesUpWhatWasRunning(t *testing.T) {
	t.Parallel()
	b := started(t)
	b.stop()
	b.open()
	// What a killed process leaves behind: a delivery taken, a job running, a request not finished.
	b.put(push("lost", headTwo))
	if _, err := b.Store.ClaimDeliveries(context.Background(), 10); err != nil {
		t.Fatal(err)
	}
	fabrics, err := b.Store.Fabrics(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.memory.reload(context.Background(), b.Store); err != nil {
		t.Fatal(err)
	}
	if err := b.Request(context.Background(), store.SyncRequest{Fabric: fabrics[0].ID, Kinds: []string{"VPC"}, Source: "netbox"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Store.DB().Exec(`UPDATE river_job SET state = 'running', attempted_at = created_at WHERE state = 'available'`); err != nil {
		t.Fatal(err)
	}
	if err := b.Store.Close(); err != nil {
		t.Fatal(err)
	}
	b.open()
	before := b.run.count()
	began := time.Now()
	b.start()
	b.eventually("a cycle", func() bool { return b.run.count() > before })
	b.quiet()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the fabric was blocked for %s", took)
	}
	if behind, err := b.Store.FabricsBehind(context.Background()); err != nil || len(behind) != 0 {
		t.Errorf("still behind: %v %v", behind, err)
	}
}

func TestStopDrains(t *testing.T) {
	t.Parallel()
	b := started(t)
	inside, ended := make(chan struct{}), make(chan struct{})
	b.run.set(func(ctx context.Context, c *gitops.Cycle, _ gitops.Request) (*gitops.Result, error) {
		close(inside)
		select {
		case <-ctx.Done():
			t.Error("the running cycle was cancelled before the deadline")
		case <-ended:
		}
		return observeAll(ctx, c)
	})
	f := b.memory.list()[0]
	if err := b.Request(context.Background(), store.SyncRequest{Fabric: f.ID, Source: "timer"}); err != nil {
		t.Fatal(err)
	}
	<-inside
	stopped := make(chan struct{})
	st := b.Store
	go func() {
		b.stop()
		close(stopped)
	}()
	close(ended)
	<-stopped
	_ = st
}

func TestConflictLine(t *testing.T) {
	t.Parallel()
	c := gitops.Conflict{Number: 12, Key: gitops.Key{Kind: "VPC", Namespace: "default", Name: "test-vpc"}, Code: gitops.ConcurrentModification,
		Path: "spec.subnets.test-subnet.vlan", Base: 1001, Git: 1002, NetBox: "10\u202e03\n", File: "managed/vpcs/test-vpc.yaml", Line: 9}
	const want = `conflict C12 vpc/test-vpc spec.subnets.test-subnet.vlan [concurrent_modification]: git 1002, NetBox "1003\n", base 1001 (managed/vpcs/test-vpc.yaml:9)`
	if got := ConflictLine(c); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	c = gitops.Conflict{Key: c.Key, Code: gitops.DeleteEdit, GitNone: true, BaseNone: true, NetBox: strings.Repeat("x", 1000)}
	if got := ConflictLine(c); len(got) > 400 || !strings.Contains(got, "git absent") || strings.Contains(got, "\n") {
		t.Errorf("got %s", got)
	}
}
