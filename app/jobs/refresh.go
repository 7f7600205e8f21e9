package jobs

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"go.uber.org/zap"
)

// refreshArgs are jobs that read something again. Asked for while it runs, such a job starts over.
type refreshArgs interface {
	river.JobArgs
	key() string
}

// refresh runs fn until nothing asked for it meanwhile, and completes the job. The question and the completion are one
// transaction, and so are every request's insert and mark: a request comes before it and is seen, or after it and
// makes a job of its own.
func refresh[T refreshArgs](ctx context.Context, m *Manager, job *river.Job[T], what string, fn func(context.Context) error) error {
	defer m.wakeDeliveries()
	for {
		m.takeRerun(job.Args.key())
		if err := guarded(func() error { return fn(ctx) }); err != nil {
			return m.refreshFailed(ctx, what, job.Attempt, err)
		}
		completed := false
		err := m.Store.Tx(ctx, "jobs.refreshed", func(tx *sql.Tx) error {
			if m.takeRerun(job.Args.key()) {
				return nil
			}
			if _, err := river.JobCompleteTx[riverdriver.Driver[*sql.Tx]](ctx, tx, job); err != nil {
				return fmt.Errorf("complete job: %w", err)
			}
			completed = true
			return nil
		})
		if err != nil || completed {
			return err
		}
	}
}

// takeRerun tells whether the job was asked for again, and takes the mark away.
func (m *Manager) takeRerun(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	again := m.rerun[key]
	delete(m.rerun, key)
	return again
}

// refreshFailed says once why reading failed, and when it is tried again.
func (m *Manager) refreshFailed(ctx context.Context, what string, attempt int, err error) error {
	limited, parked := limitOf(err)
	switch {
	case ctx.Err() != nil:
		return err // stopping: the next start reads everything
	case parked:
		wait := max(limited.until.Sub(m.Clock.Now()), time.Second)
		m.Log.Warn("parked: limit reached", zap.String("what", what), zap.Duration("for", wait), zap.Error(err))
		return river.JobSnooze(wait)
	}
	logFailure(m.Log, "reading "+what+" failed: it will be tried again", err, zap.Int("attempt", attempt), zap.Duration("in", retryAfter(attempt)))
	return err
}
