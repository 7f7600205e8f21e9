package jobs

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/handlers/command"
)

// Comments is what commands need of GitHub beside Feedback.
type Comments interface {
	// Permission is a person's right on the repository, read live: admin, maintain, write, triage, read or none.
	Permission(ctx context.Context, r store.Repository, login string) (string, error)
	React(ctx context.Context, r store.Repository, commentID int64, reaction string) error
	// CreateComment returns the comment's id; EditComment answers code not_found for one that is gone.
	CreateComment(ctx context.Context, r store.Repository, number int, body string) (int64, error)
	EditComment(ctx context.Context, r store.Repository, id int64, body string) error
}

// desk is the running program as slash commands use it.
type desk struct{ m *Manager }

var (
	_ command.Control   = desk{}
	_ command.Authority = desk{}
	_ command.Thread    = desk{}
)

// answerTopic is the rolling comment that answers commands, one in each thread.
const answerTopic = "answer"

func (d desk) repository(id int64) (store.Repository, error) {
	r, ok := d.m.memory.repository(id)
	if !ok {
		return r, fmt.Errorf("repository %d is in no installation", id)
	}
	return r, nil
}

func (d desk) Permission(ctx context.Context, repositoryID int64, login string) (string, error) {
	r, err := d.repository(repositoryID)
	if err != nil {
		return "", err
	}
	return d.m.Comments.Permission(ctx, r, login)
}

// Allowed is true: the team list of the server's configuration is refused until it is obeyed.
func (d desk) Allowed(context.Context, int64, string) (bool, error) { return true, nil }

func (d desk) React(ctx context.Context, repositoryID, commentID int64, reaction string) error {
	r, err := d.repository(repositoryID)
	if err != nil {
		return err
	}
	return d.m.Comments.React(ctx, r, commentID, reaction)
}

// Answer edits the thread's rolling answer, or writes it anew when somebody deleted it.
func (d desk) Answer(ctx context.Context, repositoryID int64, number int, body string) error {
	r, err := d.repository(repositoryID)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	had, found, err := d.m.Store.RollingComment(ctx, repositoryID, number, answerTopic)
	if err != nil {
		return err
	}
	if found && had.BodyHash == hash {
		return nil
	}
	next := store.RollingComment{RepositoryID: repositoryID, Thread: number, Topic: answerTopic, CommentID: had.CommentID, BodyHash: hash}
	if found {
		err = d.m.Comments.EditComment(ctx, r, had.CommentID, body)
		var denied *gitops.PermissionError
		if errors.As(err, &denied) && denied.Code == "not_found" {
			found, err = false, nil
		}
	}
	if err == nil && !found {
		next.CommentID, err = d.m.Comments.CreateComment(ctx, r, number, body)
	}
	if err != nil {
		return err
	}
	return d.m.Store.PutRollingComment(ctx, next)
}

func (d desk) Fabrics(ctx context.Context, repositoryID int64, number int) ([]command.Fabric, error) {
	var touched []int64
	if number > 0 {
		p, _, err := d.m.Store.PullRequest(ctx, repositoryID, number)
		if err != nil {
			return nil, err
		}
		touched = p.Fabrics
	}
	var out []command.Fabric
	for _, f := range d.m.memory.list() {
		if f.RepositoryID == repositoryID {
			// In the issue about a fabric, that one is meant.
			if issue, found, err := d.m.Store.RollingIssue(ctx, f.ID); err != nil {
				return nil, err
			} else if found && issue.Number == number {
				touched = append(touched, f.ID)
			}
			out = append(out, command.Fabric{ID: f.ID, Name: f.Policy.Name, Slug: f.Policy.Slug, Paused: f.Policy.Paused, Touched: slices.Contains(touched, f.ID)})
		}
	}
	slices.SortFunc(out, func(a, b command.Fabric) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out, nil
}

func (d desk) Status(ctx context.Context, fabric int64) (command.Status, error) {
	f, err := d.m.Store.Fabric(ctx, fabric)
	if err != nil {
		return command.Status{}, err
	}
	st, err := d.m.Store.Status(ctx, fabric)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return command.Status{}, err
	}
	o := d.m.Overlay(fabric)
	return command.Status{Status: st.Status, Repository: f.Owner + "/" + f.Repository, Branch: f.Branch, Directory: f.Directory, CheckedAt: st.UpdatedAt, LastError: o.Failure}, nil
}

func (d desk) Plan(ctx context.Context, fabric int64) (command.PlanNow, error) {
	f, err := d.m.Store.Fabric(ctx, fabric)
	if err != nil {
		return command.PlanNow{}, err
	}
	cycle, err := d.m.cycleOf(f, &recording{})
	if err != nil {
		return command.PlanNow{}, err
	}
	state, err := d.m.Store.State(ctx, fabric)
	if err != nil {
		return command.PlanNow{}, err
	}
	plan, err := cycle.Preview(ctx, state)
	if err != nil {
		return command.PlanNow{}, err
	}
	out := command.PlanNow{Hash: plan.Hash, Waiting: plan.Waiting.Actions, Conflicts: len(plan.Conflicts)}
	for _, a := range plan.Actions {
		out.Actions = append(out.Actions, command.PlannedAction{Side: a.Side, Op: a.Op, Key: a.Key, NewKey: a.NewKey, Paths: a.Paths, Reason: a.Reason})
	}
	for _, fr := range plan.Frozen {
		out.Frozen = append(out.Frozen, gitops.FrozenStatus{Resource: fr.Key.String(), Code: string(fr.Code), Message: fr.Message, File: fr.File, Line: fr.Line})
	}
	if state.Pause != nil {
		out.Paused = state.Pause.Message
	} else if f.Policy.Paused {
		out.Paused = "paused: true in the configuration"
	}
	return out, nil
}

// closedRemembered is how many closed conflicts are looked through for "moved, now C14".
const closedRemembered = 200

func (d desk) Conflicts(ctx context.Context, fabric int64) (command.Conflicts, error) {
	out := command.Conflicts{Open: map[int]*gitops.Conflict{}, Closed: map[int]*gitops.Conflict{}, Decided: map[int]string{}}
	open, err := d.m.Store.OpenConflicts(ctx, fabric)
	if err != nil {
		return out, err
	}
	closed, err := d.m.Store.ClosedConflicts(ctx, fabric, closedRemembered)
	if err != nil {
		return out, err
	}
	state, err := d.m.Store.State(ctx, fabric)
	if err != nil {
		return out, err
	}
	for i := range open {
		c := &open[i]
		out.Open[c.Number] = c
		for id, dec := range state.Decisions {
			if dec.Key == c.Key && dec.Path == c.Path {
				out.Decided[c.Number] = id
			}
		}
	}
	for i := range closed {
		out.Closed[closed[i].Number] = &closed[i]
	}
	return out, nil
}

func (d desk) Why(ctx context.Context, fabric int64, key gitops.Key) (command.Why, error) {
	out := command.Why{Key: key, Since: d.m.Clock.Now().Add(-store.ChangesKept)}
	state, err := d.m.Store.State(ctx, fabric)
	if err != nil {
		return out, err
	}
	operations, err := d.m.Store.Operations(ctx, fabric, 100)
	if err != nil {
		return out, err
	}
	res := state.Resources[key]
	if res != nil {
		out.State, out.File, out.FrozenCode, out.FrozenMessage = res.State, res.File, res.FrozenCode, res.FrozenMessage
		for _, e := range res.External {
			out.Changes = append(out.Changes, command.Change{At: e.At, Side: e.Source, By: e.By, CommitSHA: e.CommitSHA, RequestID: e.RequestID, Fields: e.Fields})
		}
	}
	for _, c := range state.Conflicts {
		if c.Key == key {
			out.Conflicts = append(out.Conflicts, c.Number)
		}
	}
	slices.Sort(out.Conflicts)
	for _, listed := range operations {
		op, err := d.m.Store.Operation(ctx, listed.ID) // with its changes
		if err != nil {
			return out, err
		}
		for _, ch := range op.Changes {
			if ch.Key == key {
				change := ch.Change
				out.Changes = append(out.Changes, command.Change{At: op.StartedAt, Side: ch.Side, By: op.Login, CommitSHA: op.CommitSHA, Operation: op.ID, Change: &change, Op: ch.Op})
			}
		}
	}
	if res == nil && len(out.Changes) == 0 && len(out.Conflicts) == 0 {
		return out, command.ErrNoResource
	}
	slices.SortStableFunc(out.Changes, func(a, b command.Change) int { return b.At.Compare(a.At) })
	out.Changes = out.Changes[:min(len(out.Changes), 100)]
	return out, nil
}

// start promises an operation and stores the audit row with it.
func (d desk) start(ctx context.Context, fabric int64, a command.Audit, r store.SyncRequest, also func(tx *sql.Tx) error) (command.Started, error) {
	r.Fabric, r.Full, r.Source, r.Login = fabric, true, "command", a.Sender
	id, err := d.m.promise(ctx, r, func(tx *sql.Tx) error {
		if also != nil {
			if err := also(tx); err != nil {
				return err
			}
		}
		return d.m.Store.PutAudit(ctx, tx, store.Audit{At: a.At, Fabric: fabric, RepositoryID: a.RepositoryID, Login: a.Sender, Action: a.Command,
			Origin: fmt.Sprintf("comment %d", a.CommentID), Details: map[string]any{"sender_id": a.SenderID, "url": a.URL, "number": a.Number,
				"decisions": a.Decisions, "plan_hash": a.PlanHash, "target": a.Target}})
	})
	return command.Started{ID: id}, err
}

func (d desk) Sync(ctx context.Context, fabric int64, a command.Audit) (command.Started, error) {
	return d.start(ctx, fabric, a, store.SyncRequest{}, nil)
}

func (d desk) Ingest(ctx context.Context, fabric int64, a command.Audit) (command.Started, error) {
	return d.start(ctx, fabric, a, store.SyncRequest{Ingest: true}, nil)
}

func (d desk) Init(ctx context.Context, fabric int64, a command.Audit) (command.Started, error) {
	return d.start(ctx, fabric, a, store.SyncRequest{Init: true}, nil)
}

// Decide stores decisions for conflicts that are still open with just these values. Should one move before its cycle
// runs, the engine drops the decision: it is bound to the hashes.
func (d desk) Decide(ctx context.Context, fabric int64, a command.Audit) (command.Started, error) {
	open, err := d.m.Store.OpenConflicts(ctx, fabric)
	if err != nil {
		return command.Started{}, err
	}
	for _, dec := range a.Decisions {
		if !slices.ContainsFunc(open, func(c gitops.Conflict) bool {
			return c.Key == dec.Key && c.Path == dec.Path && c.BaseHash == dec.BaseHash && c.GitHash == dec.GitHash && c.NetBoxHash == dec.NetBoxHash
		}) {
			return command.Started{}, command.ErrMoved
		}
	}
	return d.start(ctx, fabric, a, store.SyncRequest{}, func(tx *sql.Tx) error {
		for i := range a.Decisions {
			if err := d.m.Store.PutDecision(ctx, tx, fabric, &a.Decisions[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d desk) Approve(ctx context.Context, fabric int64, a command.Audit) (command.Started, error) {
	started, err := d.start(ctx, fabric, a, store.SyncRequest{}, func(tx *sql.Tx) error {
		_, err := d.m.Store.Approve(ctx, tx, fabric, a.PlanHash, a.Sender)
		return err
	})
	if errors.Is(err, store.ErrNotWaiting) {
		err = command.ErrNotWaiting
	}
	return started, err
}

func (d desk) Rollback(context.Context, int64, string, command.Audit) (command.Started, error) {
	return command.Started{}, &command.Refused{Text: "Rolling back is not built yet. The values before are in the operation's record; set them on one side."}
}

func (d desk) Cancel(context.Context, int64, string, command.Audit) error {
	return &command.Refused{Text: "Cancelling is not built yet. What waits for an approval does nothing until it is approved."}
}

func (d desk) Pause(context.Context, int64, *gitops.Key, command.Audit) (bool, error) {
	return false, &command.Refused{Text: "Pausing by a comment is not built yet. Set paused: true for the fabric in .github/hnp-sync.yaml."}
}

func (d desk) Resume(context.Context, int64, *gitops.Key, command.Audit) (bool, error) {
	return false, &command.Refused{Text: "Resuming by a comment is not built yet. Set paused: false in .github/hnp-sync.yaml; a pause that the program made ends by approving its hash."}
}
