package jobs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/handlers/feedback"
	"github.com/riverqueue/river"
	"go.uber.org/zap"
)

// lostAfter is how long a connection may be down before a person is told.
const lostAfter = 10 * time.Minute

// tellArgs asks to bring what is said about a fabric on GitHub up to date: its rolling issue, and the check run on the
// head of its branch.
type tellArgs struct {
	Fabric int64 `json:"fabric" river:"unique"`
}

// Kind implements river.JobArgs.
func (tellArgs) Kind() string { return "tell" }

func (a tellArgs) key() string { return fmt.Sprintf("tell/%d", a.Fabric) }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (tellArgs) InsertOpts() river.InsertOpts { return uniqueJob(queuePulls) }

type tellWorker struct {
	river.WorkerDefaults[tellArgs]
	m *Manager
}

func (w *tellWorker) Timeout(*river.Job[tellArgs]) time.Duration { return evaluateTimeout }

func (w *tellWorker) NextRetry(job *river.Job[tellArgs]) time.Time {
	return time.Now().Add(retryAfter(job.Attempt))
}

// Work tells.
func (w *tellWorker) Work(ctx context.Context, job *river.Job[tellArgs]) error {
	return refresh(ctx, w.m, job, fmt.Sprintf("what is said about fabric %d", job.Args.Fabric), func(ctx context.Context) error {
		return w.m.tell(ctx, job.Args.Fabric)
	})
}

// found is what the last cycle of a fabric found, as far as people are told.
type found struct {
	status gitops.Status
	frozen []gitops.Frozen
	// print changes when what is planned, in conflict or waiting does; head when the branch's does.
	print string
}

// foundBy is what a cycle found.
func foundBy(r *gitops.Result) *found {
	f := &found{status: r.Status}
	var conflicts []gitops.Conflict
	if r.Plan != nil {
		f.frozen, conflicts = r.Plan.Frozen, r.Plan.Conflicts
	}
	h := sha256.New()
	e := json.NewEncoder(h)
	for _, v := range []any{f.status.State, f.status.Head, f.status.PlanHash, f.status.Message, f.status.Waiting, f.status.Proposals, f.frozen} {
		_ = e.Encode(v) // a hash takes everything; a value JSON refuses leaves the print as it is
	}
	for _, c := range conflicts {
		_ = e.Encode([]any{c.Number, c.Key, c.Path, c.Code, c.BaseHash, c.GitHash, c.NetBoxHash})
	}
	f.print = hex.EncodeToString(h.Sum(nil))
	return f
}

// needsPerson tells whether somebody must act.
func (f *found) needsPerson() bool {
	s := f.status
	return s.Conflicts > 0 || len(s.Waiting) > 0 || len(s.Frozen) > 0 || s.State == "paused" || s.State == "error"
}

// noticed compares what a cycle found with what the one before did, and asks for what must be said or looked at again.
func (m *Manager) noticed(ctx context.Context, f store.Fabric, r *gitops.Result) error {
	now := foundBy(r)
	before := m.memory.found(f.ID, now)
	if before != nil && before.print == now.print && r.NetBoxWrites == 0 && r.Commits == 0 {
		return nil
	}
	issue, _, err := m.Store.RollingIssue(ctx, f.ID)
	if err != nil {
		return err
	}
	if now.needsPerson() || issue.Open || before != nil && before.needsPerson() {
		if err := m.askToTell(ctx, f.ID); err != nil {
			return err
		}
	}
	return m.evaluateAgain(ctx, f)
}

func (m *Manager) askToTell(ctx context.Context, fabric int64) error {
	return m.Store.Tx(ctx, "jobs.request", func(tx *sql.Tx) error { return m.enqueueTx(ctx, tx, tellArgs{Fabric: fabric}, true) })
}

// lost notes a cycle that met a service that does not answer, and asks for the issue once that has lasted.
func (m *Manager) lost(ctx context.Context, f store.Fabric, cause error) error {
	if !m.memory.lost(f.ID, m.Clock.Now(), cause.Error()) {
		return nil
	}
	return m.askToTell(ctx, f.ID)
}

// tell writes the rolling issue of a fabric and the check run on the head of its branch.
func (m *Manager) tell(ctx context.Context, id int64) error {
	if m.Feedback == nil {
		return nil
	}
	f, err := m.Store.Fabric(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && !f.Active {
		return nil
	}
	if err != nil {
		return err
	}
	r, ok := m.memory.repository(f.RepositoryID)
	if !ok {
		return nil
	}
	var denied *gitops.PermissionError
	err = m.tellBranch(ctx, r, f)
	if errors.As(err, &denied) {
		err = m.refused(r, "check runs", denied)
	}
	issueErr := m.tellIssue(ctx, r, f)
	if errors.As(issueErr, &denied) {
		issueErr = m.refused(r, "issues", denied)
	}
	return errors.Join(err, issueErr)
}

// tellBranch says on the head of the branch what is in conflict there. A head without any says so only when people were
// told otherwise before: a check run on every commit would be a request that says nothing.
func (m *Manager) tellBranch(ctx context.Context, r store.Repository, f store.Fabric) error {
	var in feedback.Branch
	head := ""
	for _, other := range m.memory.list() {
		if other.RepositoryID != f.RepositoryID || other.Branch != f.Branch {
			continue
		}
		seen := m.memory.lastFound(other.ID)
		if seen == nil {
			continue
		}
		if other.ID == f.ID {
			head = seen.status.Head
		}
		conflicts, err := m.Store.OpenConflicts(ctx, other.ID)
		if err != nil {
			return err
		}
		in.Fabrics = append(in.Fabrics, feedback.BranchFabric{Fabric: other.Policy, Conflicts: conflicts, Frozen: seen.frozen})
	}
	if head == "" {
		return nil // nothing was seen since the start: the full compare of the start comes first
	}
	return m.publish(ctx, r, head, feedback.BranchConflicts(in), false)
}

// tellIssue opens, edits or closes the rolling issue.
func (m *Manager) tellIssue(ctx context.Context, r store.Repository, f store.Fabric) error {
	title, body, needed, err := m.issueText(ctx, f)
	if err != nil {
		return err
	}
	issue, _, err := m.Store.RollingIssue(ctx, f.ID)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(title + "\n" + body))
	hash := hex.EncodeToString(sum[:])
	moved := issue.RepositoryID != f.RepositoryID // the fabric was paired with another repository before
	switch {
	case !needed && (!issue.Open || moved):
		return nil
	case issue.Open == needed && issue.BodyHash == hash && !moved:
		return nil
	case issue.Number == 0 || moved:
		issue.Number, err = m.Feedback.CreateIssue(ctx, r, title, body)
	default:
		err = m.Feedback.UpdateIssue(ctx, r, issue.Number, title, body, needed)
		var denied *gitops.PermissionError
		if errors.As(err, &denied) && denied.Code == "not_found" { // deleted by someone
			if !needed {
				err = nil
				break
			}
			issue.Number, err = m.Feedback.CreateIssue(ctx, r, title, body)
		}
	}
	if err != nil {
		return fmt.Errorf("rolling issue of %s: %w", f.Policy.Name, err)
	}
	issue.Fabric, issue.RepositoryID, issue.BodyHash, issue.Open = f.ID, f.RepositoryID, hash, needed
	m.fabricLog(f).Info("rolling issue", zap.Int("issue", issue.Number), zap.Bool("open", needed))
	return m.Store.PutRollingIssue(ctx, issue)
}

func (m *Manager) issueText(ctx context.Context, f store.Fabric) (title, body string, needed bool, err error) {
	in := feedback.Issue{Fabric: f.Policy, Lost: m.memory.lostNow(f.ID, m.Clock.Now()), Pulls: map[int]string{}}
	if seen := m.memory.lastFound(f.ID); seen != nil {
		in.Status = seen.status
	} else {
		st, err := m.Store.Status(ctx, f.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return "", "", false, err
		}
		in.Status = st.Status
	}
	if in.Conflicts, err = m.Store.OpenConflicts(ctx, f.ID); err != nil {
		return "", "", false, err
	}
	if in.Pause, err = m.Store.Pause(ctx, f.ID); err != nil {
		return "", "", false, err
	}
	if len(in.Status.Waiting) > 0 {
		in.Approve = in.Status.PlanHash
	}
	for _, p := range in.Status.Proposals {
		if p.Conflict > 0 {
			in.Pulls[p.Conflict] = p.URL
		}
	}
	title, body, needed = feedback.RollingIssue(in)
	return title, body, needed, nil
}

// found replaces what the last cycle found, and returns what the one before did; nil after a start.
func (m *memory) found(fabric int64, now *found) *found {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.fabrics[fabric]
	if k == nil {
		return nil
	}
	before := k.found
	k.found, k.lostSince, k.lostWhy = now, time.Time{}, ""
	return before
}

func (m *memory) lastFound(fabric int64) *found {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.fabrics[fabric]; k != nil {
		return k.found
	}
	return nil
}

// lost notes since when a fabric's cycles fail; true when that is long enough to tell, or has another reason now.
func (m *memory) lost(fabric int64, now time.Time, why string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.fabrics[fabric]
	if k == nil {
		return false
	}
	if k.lostSince.IsZero() {
		k.lostSince = now
	}
	if now.Sub(k.lostSince) < lostAfter {
		return false
	}
	// The first reason stays: its words may hold times and ids, and the issue must not change with each attempt.
	told := k.lostWhy != ""
	k.lostWhy = cmp.Or(k.lostWhy, why)
	return !told
}

func (m *memory) lostNow(fabric int64, now time.Time) []feedback.Lost {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.fabrics[fabric]
	if k == nil || k.lostWhy == "" || now.Sub(k.lostSince) < lostAfter {
		return nil
	}
	return []feedback.Lost{{What: "GitHub or NetBox " + k.fabric.Connection, Since: k.lostSince, Reason: k.lostWhy}}
}
