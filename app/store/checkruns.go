package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// CheckRun is what was published of one check run. One exists per repository, head and name.
type CheckRun struct {
	RepositoryID int64
	Head, Name   string
	RunID        int64  // GitHub's id; 0 until an answer gave it
	ExternalID   string // ours: by it the run is found again
	// OutputHash is of the output that was published last, or is being published: Sent of its annotations are known
	// to have arrived. Completed: all of it is there.
	OutputHash string
	Sent       int
	Completed  bool
	UpdatedAt  time.Time
}

const selectCheckRun = `SELECT repository_id, head, name, run_id, external_id, output_hash, sent, completed, updated_at FROM check_runs`

func scanCheckRun(scan scanner) (c CheckRun, err error) {
	var updated int64
	err = scan(&c.RepositoryID, &c.Head, &c.Name, &c.RunID, &c.ExternalID, &c.OutputHash, &c.Sent, &c.Completed, &updated)
	c.UpdatedAt = fromMicros(updated)
	return c, err
}

// CheckRun reads what was published; found is false when nothing was.
func (s *Store) CheckRun(ctx context.Context, repositoryID int64, head, name string) (c CheckRun, found bool, err error) {
	c, err = one(ctx, s.read, scanCheckRun, selectCheckRun+` WHERE repository_id = $1 AND head = $2 AND name = $3`, repositoryID, head, name)
	return foundOr(c, err, "read check run "+name+" of "+head)
}

// CheckRunByID reads a check run by GitHub's id; found is false when it is none of ours.
func (s *Store) CheckRunByID(ctx context.Context, repositoryID, runID int64) (c CheckRun, found bool, err error) {
	c, err = one(ctx, s.read, scanCheckRun, selectCheckRun+` WHERE run_id = $1 AND repository_id = $2`, runID, repositoryID)
	return foundOr(c, err, fmt.Sprintf("read check run %d", runID))
}

// foundOr makes ErrNotFound an answer.
func foundOr[T any](v T, err error, what string) (T, bool, error) {
	if errors.Is(err, ErrNotFound) {
		return v, false, nil
	}
	if err != nil {
		return v, false, fmt.Errorf("%s: %w", what, explain(err))
	}
	return v, true, nil
}

// PutCheckRun stores or replaces what was published of a check run.
func (s *Store) PutCheckRun(ctx context.Context, c CheckRun) error {
	_, err := exec(ctx, s.db, `
INSERT INTO check_runs (repository_id, head, name, run_id, external_id, output_hash, sent, completed, updated_at)
VALUES (`+placeholders(1, 9)+`)
ON CONFLICT (repository_id, head, name) DO UPDATE SET run_id = excluded.run_id, external_id = excluded.external_id,
    output_hash = excluded.output_hash, sent = excluded.sent, completed = excluded.completed, updated_at = excluded.updated_at`,
		c.RepositoryID, c.Head, c.Name, c.RunID, c.ExternalID, c.OutputHash, c.Sent, c.Completed, micros(s.now()))
	if err != nil {
		return fmt.Errorf("store check run %s of %s: %w", c.Name, c.Head, explain(err))
	}
	return nil
}

// PruneGitHub forgets check runs and closed pull requests that were last touched before a time, and deliveries that
// were asked for again before it.
func (s *Store) PruneGitHub(ctx context.Context, before time.Time) error {
	for _, q := range []string{
		`DELETE FROM check_runs WHERE updated_at < $1`,
		`DELETE FROM pull_requests WHERE open = false AND updated_at < $1`,
		`DELETE FROM redeliveries WHERE requested_at < $1`,
	} {
		if _, err := exec(ctx, s.db, q, micros(before)); err != nil {
			return fmt.Errorf("forget old records of GitHub: %w", explain(err))
		}
	}
	return nil
}
