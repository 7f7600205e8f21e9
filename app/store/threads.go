package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// RollingComment is our one answer in a thread (an issue's or pull request's number) on a topic; it is edited in place.
type RollingComment struct {
	RepositoryID int64
	Thread       int
	Topic        string
	CommentID    int64
	BodyHash     string
}

// RollingComment reads one; found is false when none was written.
func (s *Store) RollingComment(ctx context.Context, repositoryID int64, thread int, topic string) (c RollingComment, found bool, err error) {
	c, err = one(ctx, s.read, func(scan scanner) (c RollingComment, err error) {
		return c, scan(&c.RepositoryID, &c.Thread, &c.Topic, &c.CommentID, &c.BodyHash)
	}, `SELECT repository_id, thread, topic, comment_id, body_hash FROM rolling_comments WHERE repository_id = $1 AND thread = $2 AND topic = $3`,
		repositoryID, thread, topic)
	return foundOr(c, err, fmt.Sprintf("read the answer in thread %d", thread))
}

// PutRollingComment stores or replaces one.
func (s *Store) PutRollingComment(ctx context.Context, c RollingComment) error {
	_, err := exec(ctx, s.db, `INSERT INTO rolling_comments (repository_id, thread, topic, comment_id, body_hash, updated_at) VALUES (`+placeholders(1, 6)+`)
		ON CONFLICT (repository_id, thread, topic) DO UPDATE SET comment_id = excluded.comment_id, body_hash = excluded.body_hash, updated_at = excluded.updated_at`,
		c.RepositoryID, c.Thread, c.Topic, c.CommentID, c.BodyHash, micros(s.now()))
	if err != nil {
		return fmt.Errorf("store the answer in thread %d: %w", c.Thread, explain(err))
	}
	return nil
}

// RollingIssue is the issue of a fabric that says what needs a person.
type RollingIssue struct {
	Fabric, RepositoryID int64
	Number               int
	BodyHash             string
	Open                 bool
}

// RollingIssue reads it; found is false when there never was one.
func (s *Store) RollingIssue(ctx context.Context, fabric int64) (i RollingIssue, found bool, err error) {
	i, err = one(ctx, s.read, func(scan scanner) (i RollingIssue, err error) {
		return i, scan(&i.Fabric, &i.RepositoryID, &i.Number, &i.BodyHash, &i.Open)
	}, `SELECT fabric, repository_id, number, body_hash, open FROM rolling_issues WHERE fabric = $1`, fabric)
	return foundOr(i, err, fmt.Sprintf("read the issue of fabric %d", fabric))
}

// PutRollingIssue stores or replaces it.
func (s *Store) PutRollingIssue(ctx context.Context, i RollingIssue) error {
	_, err := exec(ctx, s.db, `INSERT INTO rolling_issues (fabric, repository_id, number, body_hash, open, updated_at) VALUES (`+placeholders(1, 6)+`)
		ON CONFLICT (fabric) DO UPDATE SET repository_id = excluded.repository_id, number = excluded.number, body_hash = excluded.body_hash,
			open = excluded.open, updated_at = excluded.updated_at`,
		i.Fabric, i.RepositoryID, i.Number, i.BodyHash, i.Open, micros(s.now()))
	if err != nil {
		return fmt.Errorf("store the issue of fabric %d: %w", i.Fabric, explain(err))
	}
	return nil
}

// CommandDone tells whether the command at a place of a comment was carried out, and what was answered.
func (s *Store) CommandDone(ctx context.Context, repositoryID, comment int64, index int) (answer string, done bool, err error) {
	answer, err = one(ctx, s.read, column[string], `SELECT answer FROM command_runs WHERE repository_id = $1 AND comment_id = $2 AND line = $3`, repositoryID, comment, index)
	return foundOr(answer, err, fmt.Sprintf("read what comment %d did", comment))
}

// FinishCommand notes, in the caller's transaction, that a command was carried out.
func (s *Store) FinishCommand(ctx context.Context, tx *sql.Tx, repositoryID, comment int64, index int, answer string) error {
	_, err := exec(ctx, tx, `INSERT INTO command_runs (repository_id, comment_id, line, answer, done_at) VALUES (`+placeholders(1, 5)+`)
		ON CONFLICT (repository_id, comment_id, line) DO UPDATE SET answer = excluded.answer`, repositoryID, comment, index, answer, micros(s.now()))
	if err != nil {
		return fmt.Errorf("note what comment %d did: %w", comment, err)
	}
	return nil
}

// Audit is one thing a person decided. Rows are only ever added.
type Audit struct {
	ID                   int64
	At                   time.Time
	Fabric, RepositoryID int64
	Login                string
	Action               string // resolve, approve, pause, …
	Origin               string // where it was said: the address of a comment, "check run 12", "api"
	Details              map[string]any
}

// PutAudit adds a row, in the transaction of what it says.
func (s *Store) PutAudit(ctx context.Context, tx *sql.Tx, a Audit) error {
	details, err := encode(a.Details)
	if err != nil {
		return err
	}
	if _, err := exec(ctx, tx, `INSERT INTO audit (at, fabric, repository_id, login, action, origin, details) VALUES (`+placeholders(1, 7)+`)`,
		micros(s.now()), a.Fabric, a.RepositoryID, a.Login, a.Action, a.Origin, details); err != nil {
		return fmt.Errorf("store audit of %s by %s: %w", a.Action, a.Login, err)
	}
	return nil
}

// Audits lists the newest rows of a fabric, newest first.
func (s *Store) Audits(ctx context.Context, fabric int64, limit int) ([]Audit, error) {
	list, err := all(ctx, s.read, func(scan scanner) (a Audit, err error) {
		var at int64
		var details string
		if err := scan(&a.ID, &at, &a.Fabric, &a.RepositoryID, &a.Login, &a.Action, &a.Origin, &details); err != nil {
			return a, err
		}
		a.At = fromMicros(at)
		return a, decode(details, &a.Details)
	}, `SELECT id, at, fabric, repository_id, login, action, origin, details FROM audit WHERE fabric = $1 ORDER BY id DESC LIMIT $2`, fabric, limit)
	if err != nil {
		return nil, fmt.Errorf("list audit of fabric %d: %w", fabric, explain(err))
	}
	return list, nil
}

// Onboarded tells the pull request that offers a configuration to a repository; found is false before there was one.
func (s *Store) Onboarded(ctx context.Context, repositoryID int64) (number int, found bool, err error) {
	number, err = one(ctx, s.read, column[int], `SELECT number FROM onboardings WHERE repository_id = $1`, repositoryID)
	return foundOr(number, err, fmt.Sprintf("read the offer to repository %d", repositoryID))
}

// PutOnboarding notes that a configuration was offered, or (number 0) that it is about to be.
func (s *Store) PutOnboarding(ctx context.Context, repositoryID int64, number int, branch string) error {
	_, err := exec(ctx, s.db, `INSERT INTO onboardings (repository_id, number, branch, created_at) VALUES (`+placeholders(1, 4)+`)
		ON CONFLICT (repository_id) DO UPDATE SET number = excluded.number, branch = excluded.branch`, repositoryID, number, branch, micros(s.now()))
	if err != nil {
		return fmt.Errorf("store the offer to repository %d: %w", repositoryID, explain(err))
	}
	return nil
}

// HasDelivery tells whether a delivery of GitHub arrived, by its GUID.
func (s *Store) HasDelivery(ctx context.Context, guid string) (bool, error) {
	_, found, err := foundOrRow(ctx, s, `SELECT 1 FROM deliveries WHERE source = 'github' AND guid = $1`, guid)
	return found, err
}

// AskedAgain tells whether GitHub was asked to send a delivery again.
func (s *Store) AskedAgain(ctx context.Context, guid string) (bool, error) {
	_, found, err := foundOrRow(ctx, s, `SELECT 1 FROM redeliveries WHERE guid = $1`, guid)
	return found, err
}

// Redelivered notes that GitHub is asked to send a delivery again; false when it was asked before.
func (s *Store) Redelivered(ctx context.Context, guid string) (first bool, err error) {
	n, err := exec(ctx, s.db, `INSERT INTO redeliveries (guid, requested_at) VALUES ($1, $2) ON CONFLICT (guid) DO NOTHING`, guid, micros(s.now()))
	if err != nil {
		return false, fmt.Errorf("note redelivery of %s: %w", guid, explain(err))
	}
	return n == 1, nil
}

func foundOrRow(ctx context.Context, s *Store, query string, args ...any) (int64, bool, error) {
	n, err := one(ctx, s.read, column[int64], query, args...)
	return foundOr(n, err, "look up")
}
