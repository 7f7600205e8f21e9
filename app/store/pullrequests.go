package store

import (
	"context"
	"fmt"
	"time"
)

// PullRequest is a pull request of people that is looked at.
type PullRequest struct {
	RepositoryID int64
	Number       int
	Head         string // commit
	Base         string // branch
	Open         bool
	// EvaluatedHead is the head that was last evaluated, at EvaluatedAt; empty before.
	EvaluatedHead string
	EvaluatedAt   time.Time
	Fabrics       []int64 // touched by it
	// Problem is why it is not evaluated yet, for people; ParkedUntil the time of the next attempt when a limit was met.
	Problem     string
	ParkedUntil time.Time
	UpdatedAt   time.Time
}

const selectPullRequest = `SELECT repository_id, number, head, base, open, evaluated_head, evaluated_at, fabrics, problem, parked_until, updated_at FROM pull_requests`

func scanPullRequest(scan scanner) (p PullRequest, err error) {
	var evaluated, parked, updated int64
	var fabrics string
	if err := scan(&p.RepositoryID, &p.Number, &p.Head, &p.Base, &p.Open, &p.EvaluatedHead, &evaluated, &fabrics, &p.Problem, &parked, &updated); err != nil {
		return p, err
	}
	p.EvaluatedAt, p.ParkedUntil, p.UpdatedAt = fromMicros(evaluated), fromMicros(parked), fromMicros(updated)
	return p, decode(fabrics, &p.Fabrics)
}

// PullRequest reads one; found is false when it was never looked at.
func (s *Store) PullRequest(ctx context.Context, repositoryID int64, number int) (p PullRequest, found bool, err error) {
	p, err = one(ctx, s.read, scanPullRequest, selectPullRequest+` WHERE repository_id = $1 AND number = $2`, repositoryID, number)
	return foundOr(p, err, fmt.Sprintf("read pull request %d", number))
}

// OpenPullRequests lists the open ones of a repository into a branch, by number; any branch when it is empty.
func (s *Store) OpenPullRequests(ctx context.Context, repositoryID int64, base string) ([]PullRequest, error) {
	list, err := all(ctx, s.read, scanPullRequest, selectPullRequest+` WHERE repository_id = $1 AND open = true AND ($2 = '' OR base = $2) ORDER BY number`, repositoryID, base)
	if err != nil {
		return nil, fmt.Errorf("list pull requests of repository %d: %w", repositoryID, explain(err))
	}
	return list, nil
}

// WaitingPullRequests lists the open ones that could not be evaluated, of all repositories.
func (s *Store) WaitingPullRequests(ctx context.Context) ([]PullRequest, error) {
	list, err := all(ctx, s.read, scanPullRequest, selectPullRequest+` WHERE open = true AND problem <> '' ORDER BY repository_id, number`)
	if err != nil {
		return nil, fmt.Errorf("list waiting pull requests: %w", explain(err))
	}
	return list, nil
}

// PutPullRequest stores or replaces one.
func (s *Store) PutPullRequest(ctx context.Context, p PullRequest) error {
	fabrics, err := encode(p.Fabrics)
	if err != nil {
		return err
	}
	_, err = exec(ctx, s.db, `
INSERT INTO pull_requests (repository_id, number, head, base, open, evaluated_head, evaluated_at, fabrics, problem, parked_until, updated_at)
VALUES (`+placeholders(1, 11)+`)
ON CONFLICT (repository_id, number) DO UPDATE SET head = excluded.head, base = excluded.base, open = excluded.open,
    evaluated_head = excluded.evaluated_head, evaluated_at = excluded.evaluated_at, fabrics = excluded.fabrics,
    problem = excluded.problem, parked_until = excluded.parked_until, updated_at = excluded.updated_at`,
		p.RepositoryID, p.Number, p.Head, p.Base, p.Open, p.EvaluatedHead, micros(p.EvaluatedAt), fabrics, p.Problem, micros(p.ParkedUntil), micros(s.now()))
	if err != nil {
		return fmt.Errorf("store pull request %d: %w", p.Number, explain(err))
	}
	return nil
}
