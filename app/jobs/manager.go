package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/handlers"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
)

const (
	// cycleTimeout ends a cycle that hangs. A bulk import of 10,000 objects takes a real NetBox about 7 minutes
	// (measured: 15-40 ms per object).
	cycleTimeout = 30 * time.Minute
	// refreshTimeout ends the reading of a configuration or of the installations.
	refreshTimeout = 5 * time.Minute
	// maxAttempts: work is never given up, only done more rarely (retryAfter).
	maxAttempts = 30000
	// workers at a time, over all fabrics.
	cycleWorkers, refreshWorkers = 8, 2

	queueCycles  = river.QueueDefault
	queueRefresh = "refresh"
)

// Manager owns the queue, the delivery worker and the timers. Make it with New, run it with Start and Stop.
type Manager struct {
	Deps
	memory *memory
	parsed *parseCache
	client *river.Client[*sql.Tx]

	// judge wakes the delivery worker when a cycle or a refresh has ended.
	judge chan struct{}
	// fullDue are repositories whose fabrics are compared in full once their configuration was read: at the start.
	mu      sync.Mutex
	fullDue map[int64]bool
	rerun   map[string]bool   // refresh jobs that were asked for again while they ran
	seen    map[string]string // branch heads of the poll, for repositories without fabrics
	feeds   map[string]*feed  // of the poll's goroutine alone
	// unpaired are NetBox fabrics that no configuration names, by connection.
	unpaired map[string][]NetBoxFabric
	// missing are rights that GitHub refused, by repository and what they are for, with GitHub's reason for people.
	missing map[int64]map[string]string

	stop context.CancelFunc
	done sync.WaitGroup
}

var _ handlers.Trigger = (*Manager)(nil)
var _ handlers.Knowledge = (*memory)(nil)

// New makes a manager. Nothing runs before Start.
func New(d Deps) (*Manager, error) {
	m := &Manager{Deps: d, memory: newMemory(), parsed: newParseCache(maxParsedBytes), judge: make(chan struct{}, 1), fullDue: map[int64]bool{}, seen: map[string]string{}, rerun: map[string]bool{},
		feeds: map[string]*feed{}, unpaired: map[string][]NetBoxFabric{}, missing: map[int64]map[string]string{}}
	workers := river.NewWorkers()
	river.AddWorker(workers, &reconcileWorker{m: m})
	river.AddWorker(workers, &repositoryWorker{m: m})
	river.AddWorker(workers, &installationsWorker{m: m})
	river.AddWorker(workers, &evaluateWorker{m: m})
	river.AddWorker(workers, &commandWorker{m: m})
	river.AddWorker(workers, &tellWorker{m: m})
	// River repeats every job error in its own words; ours are logged once, by us.
	logger := slog.New(zapslog.NewHandler(d.Log.WithOptions(zap.IncreaseLevel(zap.ErrorLevel)).Core()))
	client, err := river.NewClient(d.Store.RiverDriver(), &river.Config{
		Queues: map[string]river.QueueConfig{
			queueCycles:  {MaxWorkers: cycleWorkers},
			queueRefresh: {MaxWorkers: refreshWorkers},
			queuePulls:   {MaxWorkers: pullWorkers},
		},
		Workers:                     workers,
		Logger:                      logger,
		JobTimeout:                  cycleTimeout,
		RescueStuckJobsAfter:        cycleTimeout + time.Minute,
		MaxAttempts:                 maxAttempts,
		FetchCooldown:               20 * time.Millisecond,
		CompletedJobRetentionPeriod: time.Hour,
	})
	if err != nil {
		return nil, fmt.Errorf("make the queue: %w", err)
	}
	m.client = client
	return m, nil
}

// Start begins work: what a crash or stop left open, the start-up discovery with a full compare, deliveries, timers.
// It returns when everything runs; Stop ends it.
func (m *Manager) Start(ctx context.Context) error {
	if err := m.memory.reload(ctx, m.Store); err != nil {
		return err
	}
	for _, r := range m.memory.repositoryList() {
		m.fullDue[r.ID] = true
	}
	for _, f := range m.memory.list() {
		m.fullDue[f.RepositoryID] = true
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	if err := m.client.Start(run); err != nil {
		cancel()
		return fmt.Errorf("start the queue: %w", err)
	}
	m.stop = cancel
	if err := m.resume(ctx); err != nil {
		return errors.Join(err, m.Stop(ctx))
	}
	m.done.Go(func() { m.workDeliveries(run) })
	m.done.Go(func() { m.pollLoop(run) })
	m.done.Go(func() { m.compareLoop(run) })
	m.done.Go(func() { m.retentionLoop(run) })
	if m.Deliveries != nil {
		m.done.Go(func() { m.sweepLoop(run) })
	}
	return nil
}

// resume queues what must run after a start.
func (m *Manager) resume(ctx context.Context) error {
	behind, err := m.Store.FabricsBehind(ctx)
	if err != nil {
		return err
	}
	return m.Store.Tx(ctx, "jobs.resume", func(tx *sql.Tx) error {
		for _, id := range behind {
			if err := m.enqueueTx(ctx, tx, reconcileArgs{Fabric: id}, false); err != nil {
				return err
			}
		}
		return m.enqueueTx(ctx, tx, installationsArgs{}, true)
	})
}

// Stop drains: deliveries and timers first, then the running cycles until ctx ends, then they are cancelled. What is
// not finished stays in the store.
func (m *Manager) Stop(ctx context.Context) error {
	// Stop the queue's fetching with the work still running, then the rest.
	err := m.client.Stop(ctx)
	if err != nil {
		hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = m.client.StopAndCancel(hard)
	}
	m.stop()
	m.done.Wait()
	if err != nil {
		return fmt.Errorf("stop the queue: %w", err)
	}
	return nil
}

// enqueueTx queues a job in the caller's transaction, at most one per key. A job that waits for its retry runs now
// when urgent. While the job runs, the request is remembered: by its counter for a cycle, else by a mark that makes the
// running job start over (every start of the program reads everything, so the mark need not be durable).
func (m *Manager) enqueueTx(ctx context.Context, tx *sql.Tx, args river.JobArgs, urgent bool) error {
	res, err := m.client.InsertTx(ctx, tx, args, nil)
	if err != nil {
		return fmt.Errorf("queue %s: %w", args.Kind(), err)
	}
	if !res.UniqueSkippedAsDuplicate {
		return nil
	}
	switch res.Job.State {
	case rivertype.JobStateScheduled, rivertype.JobStateRetryable, rivertype.JobStateAvailable, rivertype.JobStatePending:
		if !urgent {
			return nil
		}
		if _, err := m.client.JobRetryTx(ctx, tx, res.Job.ID); err != nil {
			return fmt.Errorf("queue %s: %w", args.Kind(), err)
		}
	case rivertype.JobStateRunning:
		if r, ok := args.(refreshArgs); ok {
			m.mu.Lock()
			m.rerun[r.key()] = true
			m.mu.Unlock()
		}
	}
	return nil
}

// requestTx asks for a cycle in the caller's transaction.
func (m *Manager) requestTx(ctx context.Context, tx *sql.Tx, r store.SyncRequest) error {
	if _, err := m.Store.RequestSync(ctx, tx, r); err != nil {
		return err
	}
	until, _ := m.memory.heldBack(r.Fabric)
	return m.enqueueTx(ctx, tx, reconcileArgs{Fabric: r.Fabric}, !until.After(m.Clock.Now()))
}

// Request asks for a cycle of a fabric, durably.
func (m *Manager) Request(ctx context.Context, r store.SyncRequest) error {
	return m.Store.Tx(ctx, "jobs.request", func(tx *sql.Tx) error { return m.requestTx(ctx, tx, r) })
}

// RequestTx is Request in the caller's transaction.
func (m *Manager) RequestTx(ctx context.Context, tx *sql.Tx, r store.SyncRequest) error {
	return m.requestTx(ctx, tx, r)
}

// Repository implements handlers.Trigger: the configuration and all fabrics of the repository.
func (m *Manager) Repository(ctx context.Context, repositoryID int64, reason string) error {
	m.Log.Info("repository to look at", zap.Int64(handlers.FieldRepository, repositoryID), zap.String(handlers.FieldReason, reason))
	return m.Store.Tx(ctx, "jobs.request", func(tx *sql.Tx) error {
		for _, f := range m.memory.list() {
			if f.RepositoryID == repositoryID {
				if err := m.requestTx(ctx, tx, store.SyncRequest{Fabric: f.ID, Source: "timer"}); err != nil {
					return err
				}
			}
		}
		return m.enqueueTx(ctx, tx, repositoryArgs{Repository: repositoryID}, true)
	})
}

// NetBox implements handlers.Trigger: the kinds in every fabric of the connection.
func (m *Manager) NetBox(ctx context.Context, connection string, kinds []string, reason string) error {
	m.Log.Info("NetBox to look at", zap.String("connection", connection), zap.Strings("kinds", kinds), zap.String(handlers.FieldReason, reason))
	return m.Store.Tx(ctx, "jobs.request", func(tx *sql.Tx) error {
		for _, f := range m.memory.list() {
			if f.Connection == connection {
				if err := m.requestTx(ctx, tx, store.SyncRequest{Fabric: f.ID, Kinds: kinds, Source: "netbox"}); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Installations implements handlers.Trigger.
func (m *Manager) Installations(ctx context.Context, reason string) error {
	m.Log.Info("installations to look at", zap.String(handlers.FieldReason, reason))
	return m.Store.Tx(ctx, "jobs.request", func(tx *sql.Tx) error {
		return m.enqueueTx(ctx, tx, installationsArgs{}, true)
	})
}

// wakeDeliveries lets the delivery worker judge again what waits for the end of a cycle.
func (m *Manager) wakeDeliveries() {
	select {
	case m.judge <- struct{}{}:
	default:
	}
}

// Overlay is what is known of a fabric beyond its stored status.
func (m *Manager) Overlay(fabric int64) Overlay { return m.memory.overlay(fabric, m.Clock.Now()) }

// Unpaired lists the NetBox fabrics that no configuration names, by connection, as of the last reading.
func (m *Manager) Unpaired() map[string][]NetBoxFabric {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make(map[string][]NetBoxFabric, len(m.unpaired))
	for c, list := range m.unpaired {
		out[c] = append([]NetBoxFabric(nil), list...)
	}
	return out
}

// Queue counts the jobs that wait or run. One that was put off to a later time (a limit, a repetition) is not counted:
// it shows as what its fabric waits for.
func (m *Manager) Queue(ctx context.Context) (int, error) {
	res, err := m.client.JobList(ctx, river.NewJobListParams().First(1000).States(rivertype.JobStateAvailable,
		rivertype.JobStateRunning, rivertype.JobStateRetryable, rivertype.JobStatePending))
	if err != nil {
		return 0, fmt.Errorf("count jobs: %w", err)
	}
	return len(res.Jobs), nil
}

// fabricLog is the logger of one fabric.
func (m *Manager) fabricLog(f store.Fabric) *zap.Logger {
	return m.Log.With(zap.String(handlers.FieldFabric, f.Connection+"/"+f.Policy.Name), zap.String(handlers.FieldRepository, f.Owner+"/"+f.Repository))
}

// guarded runs fn and makes a panic an error with its stack, so that one bad input ends one job and not the program.
func guarded(fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &panicError{value: r, stack: debug.Stack()}
		}
	}()
	return fn()
}

type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// logFailure says once why a job failed, with the stack of a panic.
func logFailure(log *zap.Logger, msg string, err error, fields ...zap.Field) {
	fields = append(fields, zap.Error(err))
	var p *panicError
	if errors.As(err, &p) {
		fields = append(fields, zap.ByteString("stack", p.stack))
		log.Error(msg, fields...)
		return
	}
	log.Warn(msg, fields...)
}

// retryAfter is the pause before the next attempt: 1, 2, 4 … seconds, at most a minute. A fabric is never blocked for
// longer by a fault that has passed.
func retryAfter(attempt int) time.Duration {
	if attempt < 1 {
		attempt = 1
	}
	if attempt > 6 {
		return time.Minute
	}
	return time.Second << (attempt - 1)
}
