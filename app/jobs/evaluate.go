package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/handlers"
	"github.com/hnp-sync/hnp-sync/handlers/feedback"
	"github.com/hnp-sync/hnp-sync/manifests"
	"github.com/riverqueue/river"
	"go.uber.org/zap"
)

const (
	queuePulls  = "pulls"
	pullWorkers = 2
	// evaluateTimeout ends an evaluation that hangs: one listing of NetBox, and the writing of three check runs.
	evaluateTimeout = 10 * time.Minute
	// maxEvaluateFailures in a row, after which the check runs say that it could not be found out. It is tried on.
	maxEvaluateFailures = 3
)

// evaluateArgs asks to look at a pull request again. Which head and base it has is read then: only the newest counts.
type evaluateArgs struct {
	Repository int64 `json:"repository" river:"unique"`
	Number     int   `json:"number" river:"unique"`
	// Head is set for a merge group: its commit is evaluated into Base, and there is no pull request of Number.
	Head string `json:"head,omitempty" river:"unique"`
	Base string `json:"base,omitempty"`
	// Again publishes even what did not change: someone asked for it.
	Again bool `json:"again,omitempty"`
}

// Kind implements river.JobArgs.
func (evaluateArgs) Kind() string { return "evaluate" }

func (a evaluateArgs) key() string {
	return fmt.Sprintf("evaluate/%d/%d/%s", a.Repository, a.Number, a.Head)
}

// InsertOpts implements river.JobArgsWithInsertOpts.
func (evaluateArgs) InsertOpts() river.InsertOpts { return uniqueJob(queuePulls) }

type evaluateWorker struct {
	river.WorkerDefaults[evaluateArgs]
	m *Manager
}

func (w *evaluateWorker) Timeout(*river.Job[evaluateArgs]) time.Duration { return evaluateTimeout }

func (w *evaluateWorker) NextRetry(job *river.Job[evaluateArgs]) time.Time {
	return time.Now().Add(retryAfter(job.Attempt))
}

// Work evaluates and publishes.
func (w *evaluateWorker) Work(ctx context.Context, job *river.Job[evaluateArgs]) error {
	a := job.Args
	return refresh(ctx, w.m, job, fmt.Sprintf("pull request %d of repository %d", a.Number, a.Repository), func(ctx context.Context) error {
		err := w.m.evaluate(ctx, a, job.Attempt)
		if ctx.Err() == nil {
			w.m.notePull(ctx, a, err)
		}
		return err
	})
}

// notePull keeps, for people, why a pull request is not evaluated yet.
func (m *Manager) notePull(ctx context.Context, a evaluateArgs, cause error) {
	if a.Head != "" {
		return
	}
	p, known, err := m.Store.PullRequest(ctx, a.Repository, a.Number)
	if err == nil {
		problem, until := "", time.Time{}
		if l, parked := limitOf(cause); parked {
			problem, until = l.service+" takes no more requests until "+l.until.UTC().Format(time.RFC3339), l.until
		} else if cause != nil {
			problem = cause.Error()
		}
		if !known && cause != nil {
			p = store.PullRequest{RepositoryID: a.Repository, Number: a.Number, Open: true}
		} else if !known || p.Problem == problem {
			return
		}
		p.Problem, p.ParkedUntil = problem, until
		err = m.Store.PutPullRequest(ctx, p)
	}
	if err != nil {
		m.Log.Error("state of a pull request not kept", zap.Int("pull_request", a.Number), zap.Error(err))
	}
}

// Evaluate asks for a pull request's check runs, durably. again publishes them even when nothing changed.
func (m *Manager) Evaluate(ctx context.Context, repository int64, number int, again bool) error {
	return m.Store.Tx(ctx, "jobs.request", func(tx *sql.Tx) error {
		return m.enqueueTx(ctx, tx, evaluateArgs{Repository: repository, Number: number, Again: again}, true)
	})
}

func (m *Manager) evaluate(ctx context.Context, a evaluateArgs, attempt int) error {
	if m.Feedback == nil {
		return nil
	}
	r, err := m.Store.Repository(ctx, a.Repository)
	if errors.Is(err, store.ErrNotFound) || err == nil && (!r.Present || len(m.Settings().Allowed(r.Owner, r.Name)) == 0) {
		return nil
	}
	if err != nil {
		return err
	}
	if a.Head != "" && a.Base == "" {
		// Somebody asked for the checks of a commit again, and GitHub did not say of which pull request: forks.
		open, err := m.Store.OpenPullRequests(ctx, r.ID, "")
		if err != nil {
			return err
		}
		i := slices.IndexFunc(open, func(p store.PullRequest) bool { return p.Head == a.Head })
		if i < 0 {
			return nil
		}
		a.Number, a.Head = open[i].Number, ""
	}
	if a.Head != "" {
		return m.evaluateHead(ctx, r, Pull{Head: a.Head, Base: a.Base, Open: true}, a, attempt)
	}
	p, err := m.Feedback.Pull(ctx, r, a.Number)
	var denied *gitops.PermissionError
	if errors.As(err, &denied) {
		return m.refused(r, "pull requests", denied)
	}
	if err != nil {
		return fmt.Errorf("read pull request %d of %s/%s: %w", a.Number, r.Owner, r.Name, err)
	}
	return m.evaluateHead(ctx, r, p, a, attempt)
}

// refused remembers a right that is missing, for the status; the rest works on, so it is no failure of the job.
func (m *Manager) refused(r store.Repository, what string, denied *gitops.PermissionError) error {
	if denied.Code == "not_found" {
		return nil
	}
	m.mu.Lock()
	told := m.missing[r.ID][what]
	if m.missing[r.ID] == nil {
		m.missing[r.ID] = map[string]string{}
	}
	m.missing[r.ID][what] = denied.Message
	m.mu.Unlock()
	if told != denied.Message {
		m.Log.Warn("not allowed", zap.String(handlers.FieldRepository, r.Owner+"/"+r.Name), zap.String("what", what), zap.Error(denied))
	}
	return nil
}

// evaluateHead evaluates one head for every fabric on its base and publishes what was found.
func (m *Manager) evaluateHead(ctx context.Context, r store.Repository, p Pull, a evaluateArgs, attempt int) error {
	rec := store.PullRequest{RepositoryID: r.ID, Number: p.Number, Head: p.Head, Base: p.Base, Open: p.Open}
	var fabrics []store.Fabric
	for _, f := range m.memory.list() {
		if f.RepositoryID == r.ID && f.Branch == p.Base {
			fabrics = append(fabrics, f)
		}
	}
	tracked := len(fabrics) > 0 || p.Base == r.DefaultBranch
	if a.Head == "" {
		if old, known, err := m.Store.PullRequest(ctx, r.ID, p.Number); err != nil {
			return err
		} else if known {
			rec.EvaluatedHead, rec.EvaluatedAt, rec.Fabrics = old.EvaluatedHead, old.EvaluatedAt, old.Fabrics
			rec.Problem, rec.ParkedUntil = old.Problem, old.ParkedUntil
		}
		if err := m.Store.PutPullRequest(ctx, rec); err != nil {
			return err
		}
	}
	if !p.Open || !tracked {
		return nil
	}
	if len(fabrics) > 0 {
		for _, name := range []string{feedback.ValidateName, feedback.PlanName, feedback.ConflictsName} {
			var denied *gitops.PermissionError
			if err := m.begun(ctx, r, p.Head, name); errors.As(err, &denied) {
				return m.refused(r, "check runs", denied)
			} else if err != nil {
				return err
			}
		}
	}
	in, failures := m.lookAt(ctx, r, p, fabrics)
	if len(fabrics) == 0 && !in.ConfigChanged {
		return failures
	}
	if failures != nil {
		if _, parked := limitOf(failures); parked || ctx.Err() != nil || attempt < maxEvaluateFailures {
			return failures
		}
	}
	if m.askedAgain(a.key()) {
		return nil // the head this was about may be an older one by now: look again before anything is said
	}
	for _, out := range []feedback.Output{feedback.Validate(in), feedback.Plan(in), feedback.Conflicts(in)} {
		var denied *gitops.PermissionError
		if err := m.publish(ctx, r, p.Head, out, a.Again); errors.As(err, &denied) {
			return m.refused(r, "check runs", denied)
		} else if err != nil {
			return errors.Join(failures, err)
		}
	}
	if a.Head == "" && failures == nil {
		rec.EvaluatedHead, rec.EvaluatedAt, rec.Fabrics = p.Head, m.Clock.Now(), nil
		for i, f := range fabrics {
			if len(in.Evaluations[i].Files) > 0 {
				rec.Fabrics = append(rec.Fabrics, f.ID)
			}
		}
		rec.Problem, rec.ParkedUntil = "", time.Time{}
		if err := m.Store.PutPullRequest(ctx, rec); err != nil {
			return err
		}
	}
	m.Log.Info("pull request evaluated", zap.String(handlers.FieldRepository, r.Owner+"/"+r.Name), zap.Int("pull_request", p.Number),
		zap.String(handlers.FieldHead, p.Head), zap.Error(failures))
	return failures
}

// lookAt evaluates a head for each fabric. A fabric that could not be evaluated is in the answer with the reason, and
// in the error.
func (m *Manager) lookAt(ctx context.Context, r store.Repository, p Pull, fabrics []store.Fabric) (feedback.PullRequest, error) {
	in := feedback.PullRequest{Fork: p.Fork}
	var failures []error
	for _, f := range fabrics {
		var ev *gitops.Evaluation
		err := guarded(func() (err error) {
			ev, err = m.evaluateFabric(ctx, f, p.Head)
			return err
		})
		if errors.Is(err, errConfigurationMoved) {
			err = errors.Join(err, m.readRepositories(ctx, []int64{r.ID}))
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("evaluate pull request %d for %s: %w", p.Number, f.Policy.Name, err))
			in.Failed = append(in.Failed, feedback.Failed{Fabric: f.Policy.Name, Reason: err.Error()})
		}
		in.Evaluations = append(in.Evaluations, ev)
	}
	if p.Base == r.DefaultBranch {
		if err := m.lookAtConfiguration(ctx, r, p, &in); err != nil {
			failures = append(failures, err)
			in.Failed = append(in.Failed, feedback.Failed{Fabric: configPath(Configuration{}), Reason: err.Error()})
		}
	}
	return in, errors.Join(failures...)
}

// lookAtConfiguration validates the head's version of the configuration when the pull request changes it. It is never
// obeyed: what rules is the tracked branch's.
func (m *Manager) lookAtConfiguration(ctx context.Context, r store.Repository, p Pull, in *feedback.PullRequest) error {
	file, err := m.Feedback.ConfigurationAt(ctx, r, p.Head)
	if err != nil {
		return fmt.Errorf("read configuration at %s: %w", p.Head, err)
	}
	if file.Blob == r.ConfigBlob {
		return nil
	}
	if i := slices.IndexFunc(in.Evaluations, func(ev *gitops.Evaluation) bool { return ev != nil && ev.MergeBase != "" && ev.MergeBase != ev.Base }); i >= 0 {
		// The branch may have moved on since: what the two share tells who changed it.
		shared, err := m.Feedback.ConfigurationAt(ctx, r, in.Evaluations[i].MergeBase)
		if err != nil {
			return fmt.Errorf("read configuration at %s: %w", in.Evaluations[i].MergeBase, err)
		}
		if shared.Blob == file.Blob {
			return nil
		}
	}
	in.ConfigChanged = true
	switch {
	case file.Blob == "":
		d := configFinding(configPath(file), 1, CodeRemoved, "the configuration is removed: synchronisation of its fabrics ends, nothing is deleted", "")
		d.Severity = manifests.SeverityWarning
		in.Config = append(in.Config, d)
	case file.Unusable != "":
		in.Config = append(in.Config, configFinding(file.Path, 1, CodeUnusable, file.Unusable, "make it a regular file of less than 512 KB"))
	default:
		entries, findings := m.ParseConfig(file.Path, file.Data)
		in.Config = append(in.Config, findings...)
		allowed := m.Settings().Allowed(r.Owner, r.Name)
		for _, e := range entries {
			if !slices.Contains(allowed, e.NetBox) {
				in.Config = append(in.Config, configFinding(file.Path, e.Line, CodeNotAllowed,
					fmt.Sprintf("fabric %q: this repository may not use NetBox connection %q", e.Name, e.NetBox), "list it under repositories: in the server's configuration"))
			}
		}
	}
	return nil
}

// evaluateFabric is what merging head does to one fabric. Nothing is written, and no running cycle is disturbed.
func (m *Manager) evaluateFabric(ctx context.Context, f store.Fabric, head string) (*gitops.Evaluation, error) {
	cycle, err := m.cycleOf(f, &recording{})
	if err != nil {
		return nil, err
	}
	st, err := m.Store.State(ctx, f.ID)
	if errors.Is(err, store.ErrNotFound) {
		st, err = gitops.NewState(), nil
	}
	if err != nil {
		return nil, err
	}
	return m.Deps.Examine(ctx, cycle, st, head)
}

// askedAgain tells whether a running job was asked for again meanwhile; the mark stays.
func (m *Manager) askedAgain(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rerun[key]
}

// evaluateAgain asks for the open pull requests that touch a fabric, or were never evaluated: what is planned or in
// conflict changed. It waits a little, so that a series of cycles makes one evaluation.
func (m *Manager) evaluateAgain(ctx context.Context, f store.Fabric) error {
	open, err := m.Store.OpenPullRequests(ctx, f.RepositoryID, f.Branch)
	if err != nil {
		return err
	}
	at := time.Now().Add(2 * m.Settings().Debounce)
	return m.Store.Tx(ctx, "jobs.request", func(tx *sql.Tx) error {
		for _, p := range open {
			if p.EvaluatedHead == p.Head && !slices.Contains(p.Fabrics, f.ID) {
				continue
			}
			if _, err := m.client.InsertTx(ctx, tx, evaluateArgs{Repository: p.RepositoryID, Number: p.Number}, &river.InsertOpts{ScheduledAt: at}); err != nil {
				return fmt.Errorf("queue evaluation of pull request %d: %w", p.Number, err)
			}
		}
		return nil
	})
}

// Missing are the rights GitHub refused, by repository id, sorted: what cannot be done, with GitHub's reason. They are
// asked for again with every job, so what was accepted meanwhile is forgotten when the installations are read.
func (m *Manager) Missing() map[int64][]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[int64][]string{}
	for id, list := range m.missing {
		for _, what := range slices.Sorted(maps.Keys(list)) {
			out[id] = append(out[id], what+": "+list[what])
		}
	}
	return out
}

// lookForPulls asks for the open pull requests of a repository that no webhook told of, and notes those that are no
// longer open. One request for each branch that a fabric follows.
func (m *Manager) lookForPulls(ctx context.Context, r store.Repository) error {
	if m.Feedback == nil {
		return nil
	}
	var branches []string
	for _, f := range m.memory.list() {
		if f.RepositoryID == r.ID && !slices.Contains(branches, f.Branch) {
			branches = append(branches, f.Branch)
		}
	}
	for _, branch := range branches {
		open, err := m.Feedback.Pulls(ctx, r, branch)
		var denied *gitops.PermissionError
		if errors.As(err, &denied) {
			return m.refused(r, "pull requests", denied)
		}
		if err != nil {
			return fmt.Errorf("list pull requests into %s: %w", branch, err)
		}
		known, err := m.Store.OpenPullRequests(ctx, r.ID, branch)
		if err != nil {
			return err
		}
		heads, todo := map[int]string{}, map[int]bool{}
		for _, p := range known {
			heads[p.Number] = p.EvaluatedHead
			todo[p.Number] = !slices.ContainsFunc(open, func(o Pull) bool { return o.Number == p.Number })
		}
		for _, p := range open {
			todo[p.Number] = heads[p.Number] != p.Head
		}
		for _, number := range slices.Sorted(maps.Keys(todo)) {
			if todo[number] {
				if err := m.Evaluate(ctx, r.ID, number, false); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
