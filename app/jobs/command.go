package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hnp-sync/hnp-sync/handlers"
	"github.com/hnp-sync/hnp-sync/handlers/command"
	"github.com/riverqueue/river"
	"go.uber.org/zap"
)

// commandTimeout ends a comment that hangs: at most 20 commands, one of which may list NetBox.
const commandTimeout = 5 * time.Minute

// commandArgs are one comment that may hold commands. The text is what its sender wrote: the comment is not read again,
// because others may edit it.
type commandArgs struct {
	Repository  int64     `json:"repository" river:"unique"`
	Comment     int64     `json:"comment" river:"unique"`
	Number      int       `json:"number"`
	PullRequest bool      `json:"pull_request"`
	Text        string    `json:"text"`
	Sender      string    `json:"sender"`
	SenderID    int64     `json:"sender_id"`
	At          time.Time `json:"at"`
}

// Kind implements river.JobArgs.
func (commandArgs) Kind() string { return "command" }

func (a commandArgs) key() string { return fmt.Sprintf("command/%d/%d", a.Repository, a.Comment) }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (commandArgs) InsertOpts() river.InsertOpts { return uniqueJob(queuePulls) }

type commandWorker struct {
	river.WorkerDefaults[commandArgs]
	m *Manager
}

func (w *commandWorker) Timeout(*river.Job[commandArgs]) time.Duration { return commandTimeout }

func (w *commandWorker) NextRetry(job *river.Job[commandArgs]) time.Time {
	return time.Now().Add(retryAfter(job.Attempt))
}

// Work carries the comment's commands out, once.
func (w *commandWorker) Work(ctx context.Context, job *river.Job[commandArgs]) error {
	a := job.Args
	return refresh(ctx, w.m, job, fmt.Sprintf("comment %d of repository %d", a.Comment, a.Repository), func(ctx context.Context) error {
		return w.m.command(ctx, a)
	})
}

// unsaid is an answer that GitHub has not taken yet.
type unsaid struct {
	Body     string `json:"body,omitempty"`
	Reaction string `json:"reaction,omitempty"`
}

func (m *Manager) command(ctx context.Context, a commandArgs) error {
	d := desk{m}
	rest, done, err := m.Store.CommandDone(ctx, a.Repository, a.Comment, 0)
	if err != nil {
		return err
	}
	if done && rest == "" {
		return nil
	}
	var left unsaid
	if done {
		if err := json.Unmarshal([]byte(rest), &left); err != nil {
			return fmt.Errorf("read the answer to comment %d: %w", a.Comment, err)
		}
	} else {
		err := command.Run(ctx, command.Request{At: a.At, Comment: handlers.CommandRef{Repository: a.Repository, Number: a.Number, PullRequest: a.PullRequest,
			CommentID: a.Comment, Text: a.Text, Sender: a.Sender, SenderID: a.SenderID}}, d, d, d)
		var untold *command.Untold
		switch {
		case errors.As(err, &untold):
			left = unsaid{untold.Body, untold.Reaction}
			logFailure(m.Log, "commands were carried out, the answer is tried again", untold.Err, zap.Int64("comment", a.Comment))
		case err != nil:
			return err
		}
	}
	// What was carried out is never carried out again, whatever becomes of its answer.
	if err := m.noteCommand(ctx, a, left); err != nil {
		return err
	}
	if left.Body != "" {
		if err := d.Answer(ctx, a.Repository, a.Number, left.Body); err != nil {
			return err
		}
	}
	if left.Reaction != "" {
		if err := d.React(ctx, a.Repository, a.Comment, left.Reaction); err != nil {
			return err
		}
	}
	if left == (unsaid{}) {
		return nil
	}
	return m.noteCommand(ctx, a, unsaid{})
}

func (m *Manager) noteCommand(ctx context.Context, a commandArgs, left unsaid) error {
	text := ""
	if left != (unsaid{}) {
		b, err := json.Marshal(left)
		if err != nil {
			return err
		}
		text = string(b)
	}
	return m.Store.Tx(ctx, "jobs.command", func(tx *sql.Tx) error {
		return m.Store.FinishCommand(ctx, tx, a.Repository, a.Comment, 0, text)
	})
}

// commandOf is the job of a comment; ok is false for what an App wrote: commands are for people.
func commandOf(d handlers.Delivery, c *handlers.CommandRef) (a commandArgs, ok bool) {
	if c == nil || strings.HasSuffix(c.Sender, "[bot]") {
		return a, false
	}
	return commandArgs{Repository: c.Repository, Comment: c.CommentID, Number: c.Number, PullRequest: c.PullRequest, Text: c.Text,
		Sender: c.Sender, SenderID: c.SenderID, At: d.ReceivedAt}, true
}
