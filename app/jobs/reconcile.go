package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/handlers"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
	"go.uber.org/zap"
)

// uniqueJob lets one job of a kind and key exist at a time. Retryable belongs to it: left out, a job in its pause would
// be discarded when it becomes due beside a newer one. Completed must not: it would block the key for a day.
func uniqueJob(queue string) river.InsertOpts {
	return river.InsertOpts{Queue: queue, MaxAttempts: maxAttempts, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning, rivertype.JobStateRetryable, rivertype.JobStateScheduled}}}
}

// reconcileArgs asks for a cycle of one fabric.
type reconcileArgs struct {
	Fabric int64 `json:"fabric" river:"unique"`
}

// Kind implements river.JobArgs.
func (reconcileArgs) Kind() string { return "reconcile" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (reconcileArgs) InsertOpts() river.InsertOpts { return uniqueJob(queueCycles) }

type reconcileWorker struct {
	river.WorkerDefaults[reconcileArgs]
	m *Manager
}

func (w *reconcileWorker) Timeout(*river.Job[reconcileArgs]) time.Duration { return cycleTimeout }

func (w *reconcileWorker) NextRetry(job *river.Job[reconcileArgs]) time.Time {
	return time.Now().Add(retryAfter(job.Attempt))
}

// Work runs one cycle.
func (w *reconcileWorker) Work(ctx context.Context, job *river.Job[reconcileArgs]) error {
	m, id := w.m, job.Args.Fabric
	if until, _ := m.memory.heldBack(id); until.After(m.Clock.Now()) {
		return river.JobSnooze(until.Sub(m.Clock.Now()))
	}
	f, err := m.Store.Fabric(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return river.JobCancel(err)
	}
	if err != nil {
		return err
	}
	pending, err := m.Store.PendingSync(ctx, id)
	if err != nil {
		return err
	}
	if !f.Active || !m.memory.begin(id) {
		return m.finish(ctx, job, pending, nil, errors.New("the fabric is configured no more"))
	}
	ended := false
	end := func() {
		if !ended {
			ended = true
			m.memory.end(id)
			m.wakeDeliveries()
		}
	}
	defer end()

	rec := &recording{}
	req := pending.Request()
	req.Editors = m.memory.editorsOf(id)
	var result *gitops.Result
	started := m.Clock.Now()
	err = guarded(func() error {
		cycle, err := m.cycleOf(f, rec)
		if err != nil {
			return err
		}
		result, err = m.Run(ctx, cycle, req)
		return err
	})
	took := m.Clock.Now().Sub(started)
	moved := m.memory.remember(id, rec, err == nil)
	if rec.commits > 0 {
		m.memory.holdBack(id, m.Clock.Now().Add(m.Settings().Debounce), "")
	}
	if err != nil {
		m.Metrics.Cycle(outcomeOf(err), took, rec.commits, 0)
		return m.failed(ctx, job, f, pending, err, end)
	}
	m.memory.fail(id, "")
	m.memory.named(id, req.Editors)
	m.Metrics.Cycle("ok", took, result.Commits, result.NetBoxWrites)
	m.Metrics.Conflicts(f.Connection+"/"+f.Policy.Name, result.Status.Conflicts)
	m.report(f, pending, result, took)
	if err := m.triggerMoved(ctx, f.Connection, moved); err != nil {
		return err
	}
	if err := m.noticed(ctx, f, result); err != nil {
		return err
	}
	end() // before the commit: the next job of this fabric may start with it, before this function has returned
	return m.finish(ctx, job, pending, result, nil)
}

// finish records the generation and completes the job in one transaction, and queues the next one when something was
// asked for meanwhile. Operations that were promised end with it: with what the cycle did, or with the cause.
func (m *Manager) finish(ctx context.Context, job *river.Job[reconcileArgs], pending store.PendingSync, result *gitops.Result, cause error) error {
	id := job.Args.Fabric
	operations, err := m.endedOperations(ctx, pending, result, cause)
	if err != nil {
		return err
	}
	var wait time.Duration
	if result != nil {
		wait = m.memory.pace(id, result)
	}
	return m.Store.Tx(ctx, "jobs.finish", func(tx *sql.Tx) error {
		requested := int64(0)
		if pending.Requested > 0 {
			var err error
			if requested, err = m.Store.FinishSync(ctx, tx, id, pending.Requested); err != nil {
				return err
			}
		}
		for _, op := range operations {
			if err := m.Store.PutOperation(ctx, tx, id, op); err != nil {
				return err
			}
		}
		if _, err := river.JobCompleteTx[riverdriver.Driver[*sql.Tx]](ctx, tx, job); err != nil {
			return fmt.Errorf("complete job: %w", err)
		}
		switch {
		case result != nil && result.Again && wait == 0:
			return m.requestTx(ctx, tx, store.SyncRequest{Fabric: id, Source: pending.Source, Login: pending.Login})
		case requested > pending.Requested:
			return m.enqueueTx(ctx, tx, reconcileArgs{Fabric: id}, true)
		case wait > 0:
			if _, err := m.Store.RequestSync(ctx, tx, store.SyncRequest{Fabric: id, Source: "timer"}); err != nil {
				return err
			}
			_, err := m.client.InsertTx(ctx, tx, reconcileArgs{Fabric: id}, &river.InsertOpts{ScheduledAt: time.Now().Add(wait)})
			return err
		}
		return nil
	})
}

// failed says why a cycle did not go through and when it is tried again. end takes the busy mark away; it is called
// before a commit that ends the job.
func (m *Manager) failed(ctx context.Context, job *river.Job[reconcileArgs], f store.Fabric, pending store.PendingSync, err error, end func()) error {
	log := m.fabricLog(f)
	var denied *gitops.PermissionError
	limited, parked := limitOf(err)
	switch {
	case ctx.Err() != nil:
		return err // stopping: the job is taken up again at the next start
	case parked:
		now := m.Clock.Now()
		wait := max(limited.until.Sub(now), time.Second)
		m.memory.holdBack(f.ID, now.Add(wait), fmt.Sprintf("%s takes no more requests until %s", limited.service, now.Add(wait).UTC().Format(time.RFC3339)))
		log.Warn("parked: limit reached", zap.String("service", limited.service), zap.Time("until", now.Add(wait)), zap.Error(err))
		return river.JobSnooze(wait)
	case errors.Is(err, errConfigurationMoved):
		log.Info("configuration changed: reading it first")
		end()
		return m.readFirst(ctx, job, f)
	case errors.As(err, &denied):
		// Trying again at once would be refused again: the next trigger or full compare does.
		m.memory.fail(f.ID, denied.Message)
		log.Error("fabric cannot be synchronised", zap.String("code", denied.Code), zap.Error(err))
		end()
		return m.finish(ctx, job, pending, nil, err)
	case errors.Is(err, gitops.ErrStaleRead):
		log.Info("GitHub answered with an older state: reading again", zap.Int("attempt", job.Attempt))
		return err
	case errors.Is(err, gitops.ErrFenced):
		log.Warn("another cycle took the fabric over", zap.Error(err))
		return err
	}
	m.memory.fail(f.ID, err.Error())
	if tellErr := m.lost(ctx, f, err); tellErr != nil {
		log.Error("people not told", zap.Error(tellErr))
	}
	logFailure(log, "cycle failed: it will be tried again", err, zap.Int("attempt", job.Attempt), zap.Duration("in", retryAfter(job.Attempt)))
	if noteErr := m.noteFailure(ctx, f.ID, pending, err); noteErr != nil {
		log.Error("operations not updated", zap.Error(noteErr))
	}
	return err
}

// readFirst lets the configuration be read and ends the job; what it was asked for stays open, and the reading goes on
// with it. When the two differ again and again (GitHub answers with an older state), each next try is later.
func (m *Manager) readFirst(ctx context.Context, job *river.Job[reconcileArgs], f store.Fabric) error {
	later := time.Duration(0)
	if n := m.memory.configurationMoved(f.ID); n > 1 {
		later = retryAfter(n - 1)
		m.memory.holdBack(f.ID, m.Clock.Now().Add(later), "")
	}
	return m.Store.Tx(ctx, "jobs.finish", func(tx *sql.Tx) error {
		if _, err := river.JobCompleteTx[riverdriver.Driver[*sql.Tx]](ctx, tx, job); err != nil {
			return fmt.Errorf("complete job: %w", err)
		}
		if err := m.enqueueTx(ctx, tx, repositoryArgs{Repository: f.RepositoryID}, later == 0); err != nil || later == 0 {
			return err
		}
		_, err := m.client.InsertTx(ctx, tx, reconcileArgs{Fabric: f.ID}, &river.InsertOpts{ScheduledAt: time.Now().Add(later)})
		return err
	})
}

// triggerMoved asks for cycles of the fabrics that objects were moved to in NetBox.
func (m *Manager) triggerMoved(ctx context.Context, connection string, moved map[int64][]string) error {
	for _, f := range m.memory.list() {
		kinds := moved[f.NetBoxID]
		if f.Connection != connection || len(kinds) == 0 {
			continue
		}
		slices.Sort(kinds)
		if err := m.Request(ctx, store.SyncRequest{Fabric: f.ID, Kinds: kinds, Source: "netbox"}); err != nil {
			return err
		}
	}
	return nil
}

func outcomeOf(err error) string {
	var denied *gitops.PermissionError
	_, parked := limitOf(err)
	switch {
	case parked:
		return "parked"
	case errors.As(err, &denied):
		return "permission"
	case errors.Is(err, gitops.ErrStaleRead):
		return "stale_read"
	case errors.Is(err, errConfigurationMoved):
		return "configuration_moved"
	}
	return "error"
}

// placeOf is the file and line that a frozen resource's cause stands in, from the repository's root; empty when it is in none.
func placeOf(f store.Fabric, fr gitops.FrozenStatus) string {
	if fr.File == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", path.Join(f.Directory, fr.File), fr.Line)
}

// report logs what a cycle did: one line, and one for each conflict that is new, with both values.
func (m *Manager) report(f store.Fabric, pending store.PendingSync, r *gitops.Result, took time.Duration) {
	log := m.fabricLog(f)
	if r.Operation != nil {
		log = log.With(zap.String(handlers.FieldOperation, r.Operation.ID))
	}
	log.Info("cycle", zap.String("state", r.Status.State), zap.String(handlers.FieldHead, r.Status.Head), zap.String("source", pending.Source),
		zap.Int("commits", r.Commits), zap.Int("netbox_writes", r.NetBoxWrites), zap.Int("conflicts", r.Status.Conflicts),
		zap.Int("waiting", len(r.Status.Waiting)), zap.Int("frozen", len(r.Status.Frozen)), zap.Duration("took", took))
	for _, w := range r.Status.Waiting {
		log.Warn("waits for a person", zap.String("action", w.Action), zap.String("resource", w.Resource), zap.String("reason", w.Reason),
			zap.String("approve", r.Status.PlanHash))
	}
	for _, fr := range r.Status.Frozen {
		log.Warn("frozen", zap.String("resource", fr.Resource), zap.String("code", fr.Code), zap.String("why", fr.Message), zap.String("at", placeOf(f, fr)))
	}
	if r.Plan == nil {
		return
	}
	for _, c := range m.memory.untold(f.ID, r.Plan.Conflicts) {
		log.Warn(ConflictLine(c))
	}
}
