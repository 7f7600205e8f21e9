package jobs

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/gitops/repo"
	"github.com/hnp-sync/hnp-sync/handlers/feedback"
	"github.com/hnp-sync/hnp-sync/manifests"
)

// problems makes an evaluation that touches one file with n errors.
func problems(n int) func(*gitops.Evaluation) error {
	return func(ev *gitops.Evaluation) error {
		ev.Files = []string{"a.yaml"}
		ev.After, ev.Now = &gitops.Plan{}, &gitops.Plan{}
		for i := range n {
			ev.Diagnostics = append(ev.Diagnostics, manifests.Diagnostic{File: "a.yaml", StartLine: i + 1, EndLine: i + 1, Severity: manifests.SeverityError,
				Code: "schema", Message: fmt.Sprintf("problem %d", i)})
		}
		return nil
	}
}

func (b *bench) pull(p Pull) {
	b.host.set(func(h *fakeHost) {
		if h.pulls == nil {
			h.pulls = map[int]Pull{}
		}
		h.pulls[p.Number] = p
	})
}

func (b *bench) ask(number int, again bool) {
	b.t.Helper()
	if err := b.Evaluate(context.Background(), 12, number, again); err != nil {
		b.t.Fatal(err)
	}
}

// concluded waits for the conclusion of a check on a head.
func (b *bench) concluded(name, head, conclusion string) Check {
	b.t.Helper()
	var c Check
	b.eventually(name+" is "+conclusion, func() bool {
		last, ok := b.host.last(name)
		c = last
		return ok && c.Head == head && c.Output.Conclusion == conclusion
	})
	b.quiet()
	return c
}

func (b *bench) requests() int {
	b.host.mu.Lock()
	defer b.host.mu.Unlock()
	return len(b.host.runs)
}

func TestPullRequestThatTouchesNothingSucceeds(t *testing.T) {
	t.Parallel()
	b := started(t)
	b.pull(Pull{Number: 5, Head: headTwo, Base: "main", Open: true})
	b.ask(5, false)
	for _, name := range []string{feedback.ValidateName, feedback.PlanName, feedback.ConflictsName} {
		b.concluded(name, headTwo, feedback.Success)
	}
	n := b.requests()
	if n != 6 { // each begun and ended
		t.Errorf("%d requests for check runs", n)
	}
	b.ask(5, false)
	b.quiet()
	if more := b.requests() - n; more != 0 {
		t.Errorf("%d requests for what was said already", more)
	}
	b.ask(5, true)
	b.eventually("asked by a person it is said again", func() bool { return b.requests() > n })
	b.quiet()
}

func TestPullRequestAgainstAnotherBranchIsLeftAlone(t *testing.T) {
	t.Parallel()
	b := started(t)
	for n, p := range map[int]Pull{6: {Number: 6, Head: headTwo, Base: "other", Open: true}, 7: {Number: 7, Head: headTwo, Base: "main"}} {
		b.pull(p)
		b.ask(n, false)
	}
	b.ask(8, false) // there is none of that number
	b.quiet()
	if n := b.requests(); n != 0 {
		t.Errorf("%d check runs", n)
	}
}

// Annotations are appended by GitHub: after a lost answer in the middle, and a restart, none comes twice.
func TestAnnotationsGoOnInTheMiddle(t *testing.T) {
	t.Parallel()
	b := started(t)
	b.run.mu.Lock()
	b.run.evaluated = problems(137)
	b.run.mu.Unlock()
	b.pull(Pull{Number: 5, Head: headTwo, Base: "main", Open: true})
	b.host.set(func(h *fakeHost) { h.lose = 100 })
	b.ask(5, false)
	b.eventually("the answer is lost", func() bool {
		b.host.mu.Lock()
		defer b.host.mu.Unlock()
		if h := b.host; h.lose == 0 {
			h.fail = errBroken // until the restart
			return true
		}
		return false
	})
	b.stop()
	b.host.set(func(h *fakeHost) { h.fail = nil })
	b.open()
	b.start()
	b.concluded(feedback.ValidateName, headTwo, feedback.Failure)
	b.host.mu.Lock()
	defer b.host.mu.Unlock()
	seen, runs := map[string]int{}, map[int64]bool{}
	for _, r := range b.host.runs {
		if r.Output.Name == feedback.ValidateName {
			runs[r.Progress.RunID] = true
			for _, a := range r.Output.Annotations {
				seen[a.Message]++
			}
		}
	}
	if len(seen) != 137 || len(runs) != 1 {
		t.Errorf("%d annotations in %d runs, want 137 in 1", len(seen), len(runs))
	}
	for m, n := range seen {
		if n != 1 {
			t.Errorf("%q is there %d times", m, n)
		}
	}
}

// Another result for the same head that has annotations is another run: they cannot be taken back.
func TestAnotherResultOfAHeadIsAnotherRun(t *testing.T) {
	t.Parallel()
	b := started(t)
	b.run.mu.Lock()
	b.run.evaluated = problems(3)
	b.run.mu.Unlock()
	b.pull(Pull{Number: 5, Head: headTwo, Base: "main", Open: true})
	b.ask(5, false)
	first := b.concluded(feedback.ValidateName, headTwo, feedback.Failure)
	b.run.mu.Lock()
	b.run.evaluated = problems(0)
	b.run.mu.Unlock()
	b.ask(5, false)
	second := b.concluded(feedback.ValidateName, headTwo, feedback.Success)
	if first.ExternalID == second.ExternalID {
		t.Error("the run with old annotations was called a success")
	}
}

func TestALimitParksAPullRequestVisibly(t *testing.T) {
	t.Parallel()
	b := started(t)
	b.pull(Pull{Number: 5, Head: headTwo, Base: "main", Open: true})
	b.host.set(func(h *fakeHost) { h.fail = &repo.RateLimitError{Until: time.Now().Add(time.Hour)} })
	b.ask(5, false)
	b.eventually("it is parked", func() bool {
		list, err := b.Store.WaitingPullRequests(context.Background())
		return err == nil && len(list) == 1 && !list[0].ParkedUntil.IsZero()
	})
	b.quiet()
	b.host.set(func(h *fakeHost) { h.fail = nil })
	b.ask(5, false)
	b.concluded(feedback.PlanName, headTwo, feedback.Success)
	if list, err := b.Store.WaitingPullRequests(context.Background()); err != nil || len(list) != 0 {
		t.Errorf("still waiting: %+v %v", list, err)
	}
}

// An evaluation that keeps failing is a failure that says so, never a check that is missing.
func TestAnEvaluationThatFailsIsSaid(t *testing.T) {
	t.Parallel()
	b := started(t)
	b.run.mu.Lock()
	b.run.evaluated = func(*gitops.Evaluation) error { return errors.New("NetBox answered 502") }
	b.run.mu.Unlock()
	b.pull(Pull{Number: 5, Head: headTwo, Base: "main", Open: true})
	b.ask(5, false)
	b.eventually("the failure is said", func() bool {
		c, ok := b.host.last(feedback.PlanName)
		return ok && c.Output.Conclusion == feedback.Failure
	})
}

func TestConflictOnTheBranchIsToldAndEnds(t *testing.T) {
	t.Parallel()
	b := started(t)
	b.run.mu.Lock()
	b.run.evaluated = problems(0)
	b.run.mu.Unlock()
	b.pull(Pull{Number: 5, Head: headTwo, Base: "main", Open: true})
	b.ask(5, false)
	b.concluded(feedback.PlanName, headTwo, feedback.Success)
	var waiting atomic.Bool
	waiting.Store(true)
	b.run.set(func(ctx context.Context, c *gitops.Cycle, _ gitops.Request) (*gitops.Result, error) {
		res, err := observeAll(ctx, c)
		if err == nil && waiting.Load() {
			res.Status.State, res.Status.PlanHash = "guard", "abc123"
			res.Status.Waiting = []gitops.WaitingAction{{Action: "delete vpc/x in NetBox", Resource: "vpc/x", Reason: "a person must say yes"}}
		}
		return res, err
	})
	issue := func() fakeIssue {
		b.host.mu.Lock()
		defer b.host.mu.Unlock()
		if len(b.host.issues) != 1 {
			return fakeIssue{}
		}
		return b.host.issues[0]
	}
	b.host.set(func(h *fakeHost) { h.head = headTwo })
	b.put(push("guarded", headTwo))
	b.eventually("the issue is open", func() bool { return issue().open })
	b.quiet()
	b.clock.fire(testCompare) // nothing changed: nothing is said
	b.quiet()
	if b.host.edits != 0 {
		t.Errorf("the issue was edited %d times without a change", b.host.edits)
	}
	waiting.Store(false)
	b.clock.fire(testCompare)
	b.eventually("the issue is closed", func() bool { i := issue(); return i.title != "" && !i.open })
	b.quiet()
	b.eventually("the open pull request is evaluated again", func() bool {
		b.run.mu.Lock()
		defer b.run.mu.Unlock()
		return b.run.evaluations >= 2
	})
}

// Without any webhook, pull requests are found by listing them; one that ended is forgotten.
func TestPullRequestsAreFoundWithoutWebhooks(t *testing.T) {
	t.Parallel()
	b := started(t)
	b.pull(Pull{Number: 5, Head: headTwo, Base: "main", Open: true})
	r, ok := b.memory.repository(12)
	if !ok {
		t.Fatal("no repository")
	}
	look := func() {
		t.Helper()
		if err := b.lookForPulls(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		b.quiet()
	}
	look()
	b.concluded(feedback.PlanName, headTwo, feedback.Success)
	n := b.requests()
	look()
	if b.requests() != n {
		t.Error("a pull request that is evaluated was evaluated again")
	}
	b.pull(Pull{Number: 5, Head: headTwo, Base: "main"})
	look()
	if list, err := b.Store.OpenPullRequests(t.Context(), 12, ""); err != nil || len(list) != 0 {
		t.Errorf("still open: %+v %v", list, err)
	}
}

// A check run that somebody deleted is made anew when there is something new to say.
func TestADeletedRunIsMadeAnew(t *testing.T) {
	t.Parallel()
	b := started(t)
	b.pull(Pull{Number: 5, Head: headTwo, Base: "main", Open: true})
	b.ask(5, false)
	first := b.concluded(feedback.ValidateName, headTwo, feedback.Success)
	b.host.set(func(h *fakeHost) { h.deleted = map[int64]bool{first.Progress.RunID: true} })
	b.run.mu.Lock()
	b.run.evaluated = problems(2)
	b.run.mu.Unlock()
	b.ask(5, false)
	second := b.concluded(feedback.ValidateName, headTwo, feedback.Failure)
	if second.Progress.RunID == first.Progress.RunID || len(second.Output.Annotations) != 2 {
		t.Errorf("the new run is %+v", second)
	}
}
