package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/riverqueue/river"
	"go.uber.org/zap"
)

// installationsArgs asks to read the installations and their repositories again.
type installationsArgs struct{}

// Kind implements river.JobArgs.
func (installationsArgs) Kind() string { return "refresh_installations" }

func (installationsArgs) key() string { return "installations" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (installationsArgs) InsertOpts() river.InsertOpts { return uniqueJob(queueRefresh) }

type installationsWorker struct {
	river.WorkerDefaults[installationsArgs]
	m *Manager
}

func (w *installationsWorker) Timeout(*river.Job[installationsArgs]) time.Duration {
	return refreshTimeout
}

func (w *installationsWorker) NextRetry(job *river.Job[installationsArgs]) time.Time {
	return time.Now().Add(retryAfter(job.Attempt))
}

// Work reads the installations, and the configuration of every repository the server's configuration lists.
func (w *installationsWorker) Work(ctx context.Context, job *river.Job[installationsArgs]) error {
	return refresh(ctx, w.m, job, "installations", w.m.refreshInstallations)
}

func (m *Manager) refreshInstallations(ctx context.Context) error {
	installations, err := m.Host.Installations(ctx)
	if err != nil {
		return fmt.Errorf("list installations: %w", err)
	}
	before := map[int64]bool{}
	for _, r := range m.memory.repositoryList() {
		before[r.ID] = true
	}
	if err := m.Store.SetInstallations(ctx, installations); err != nil {
		return err
	}
	m.mu.Lock()
	clear(m.missing) // what was accepted meanwhile is no longer missing; what still is is said again
	m.mu.Unlock()
	var failures []error
	for _, i := range installations {
		if i.Suspended {
			// Its repositories cannot be reached: nothing is in step, and nothing is deleted.
			m.Log.Warn("installation is suspended", zap.String("account", i.Account), zap.Int64("installation", i.ID))
			if err := m.Store.SetRepositories(ctx, i.ID, nil); err != nil {
				return err
			}
			continue
		}
		list, err := m.Host.Repositories(ctx, i.ID)
		if err != nil {
			// One account must not keep the others from being read.
			failures = append(failures, fmt.Errorf("list repositories of %s: %w", i.Account, err))
			continue
		}
		if err := m.Store.SetRepositories(ctx, i.ID, list); err != nil {
			return err
		}
	}
	if err := m.memory.reload(ctx, m.Store); err != nil {
		return err
	}
	read := map[int64]bool{}
	for _, r := range m.memory.repositoryList() {
		if len(m.Settings().Allowed(r.Owner, r.Name)) > 0 {
			read[r.ID] = true
			m.dueAtStart(r.ID, !before[r.ID])
		} else if m.skip(r) {
			m.Log.Info("repository is in no entry of repositories: nothing is done in it", zap.String("repository", r.Owner+"/"+r.Name))
		}
	}
	for _, f := range m.memory.list() { // also of repositories that are gone: their fabrics end
		read[f.RepositoryID] = true
	}
	err = m.Store.Tx(ctx, "jobs.request", func(tx *sql.Tx) error {
		for _, id := range sortedKeys(read) {
			if err := m.enqueueTx(ctx, tx, repositoryArgs{Repository: id}, true); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(append(failures, err)...)
}

// skip says whether a repository that is not allowed was not told of before.
func (m *Manager) skip(r store.Repository) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := fmt.Sprintf("skip/%d", r.ID)
	_, told := m.seen[key]
	m.seen[key] = r.Owner
	return !told
}

// dueAtStart marks a repository whose fabrics are compared in full once its configuration was read.
func (m *Manager) dueAtStart(id int64, due bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if due {
		m.fullDue[id] = true
	}
}
