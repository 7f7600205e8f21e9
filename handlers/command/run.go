package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hnp-sync/hnp-sync/handlers"
	"github.com/hnp-sync/hnp-sync/handlers/feedback"
)

// Request is one comment that may hold commands.
type Request struct {
	Comment handlers.CommandRef
	// URL of the comment for people; may be empty.
	URL string
	// At is when the comment was received: the time of every decision in it.
	At time.Time
}

// Untold is returned when the commands were carried out and something failed. They must not be carried out again: a
// person was told, or shall be, that they failed. Body and Reaction are what GitHub did not take, worth another attempt;
// both are empty when everything was said. Err is for the log.
type Untold struct {
	Body, Reaction string
	Err            error
}

func (e *Untold) Error() string { return "answer commands: " + e.Err.Error() }
func (e *Untold) Unwrap() error { return e.Err }

// session is one comment being carried out.
type session struct {
	request   Request
	control   Control
	authority Authority
	fabrics   []Fabric // read when a command first needs them
	loaded    bool
	// permission of the sender, read once from GitHub when the first command needs it.
	permission string
	asked      bool
	askErr     error
	allowed    bool
	allowErr   error
	listed     bool
	// failures of single fabrics, for the log.
	failures []error
}

// Run carries out the commands of a comment and answers in its thread: eyes first, then thumbs up when everything was
// done or thumbs down when something was not, and one answer for all commands. A comment without commands costs nothing.
//
// Failures are part of the answer. What is returned is a *Untold, or the error of a ctx that ended: then the comment is
// still to be carried out, and doing a part of it twice does no harm.
func Run(ctx context.Context, r Request, c Control, a Authority, t Thread) error {
	parsed := Parse(r.Comment.Text)
	if len(parsed) == 0 {
		return nil
	}
	s := &session{request: r, control: c, authority: a}
	var failures []error
	// The reaction is a courtesy: without it the commands are carried out all the same.
	if err := t.React(ctx, r.Comment.Repository, r.Comment.CommentID, ReactionEyes); err != nil {
		failures = append(failures, fmt.Errorf("react to comment %d: %w", r.Comment.CommentID, err))
	}
	known := registry()
	body := newBody(r)
	done := true
	for i := range parsed {
		if i == MaxCommands {
			body.add(fmt.Sprintf("**%s not carried out:** at most %d of one comment are.", count(len(parsed)-i, "more command", "more commands", "was", "were"), MaxCommands))
			done = false
			break
		}
		out, err := s.carryOut(ctx, known, &parsed[i])
		if ctx.Err() != nil {
			return fmt.Errorf("carry out the commands of comment %d: %w", r.Comment.CommentID, errors.Join(ctx.Err(), err))
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("%s in comment %d: %w", parsed[i].canonical(), r.Comment.CommentID, err))
		}
		done = done && out.ok
		body.command(&parsed[i], out, len(parsed)-i-1)
	}
	failures = append(failures, s.failures...)
	untold := &Untold{Reaction: ReactionUp}
	if !done {
		untold.Reaction = ReactionDown
	}
	text := body.String()
	reactErr := t.React(ctx, r.Comment.Repository, r.Comment.CommentID, untold.Reaction)
	if reactErr == nil {
		untold.Reaction = ""
	}
	answerErr := t.Answer(ctx, r.Comment.Repository, r.Comment.Number, text)
	if answerErr != nil {
		untold.Body = text
	}
	if untold.Err = errors.Join(append(failures, reactErr, answerErr)...); untold.Err != nil {
		return untold
	}
	return nil
}

// carryOut checks the sender's right and runs one command. The error is for the log; the answer says it in words.
func (s *session) carryOut(ctx context.Context, known []spec, p *Parsed) (answer, error) {
	sp, ok := find(known, p.Name)
	// Nobody without the right to read learns more than that, not even which commands there are.
	if refused, err := s.may(ctx, ok && sp.changes); refused != "" || err != nil {
		return bad(refused), err
	}
	if p.Problem != "" || !ok {
		return bad(p.Problem), nil
	}
	out, err := sp.run(ctx, s, p)
	if err == nil {
		return out, nil
	}
	words, expected := explain(err)
	if expected {
		err = nil
	}
	return bad(words), err
}

// may answers why the sender must not use a command; empty when he may. It fails closed.
func (s *session) may(ctx context.Context, changes bool) (refused string, err error) {
	if !s.asked {
		s.asked = true
		s.permission, s.askErr = s.authority.Permission(ctx, s.request.Comment.Repository, s.request.Comment.Sender)
		err = s.askErr
	}
	who := feedback.Code(s.request.Comment.Sender)
	if s.askErr != nil {
		return "GitHub did not answer what " + who + " may do on this repository, so **nothing was done**. Comment the command again later.", err
	}
	right := rights[strings.ToLower(s.permission)]
	switch {
	case right == 0:
		return who + " may not read this repository, so nothing was done.", nil
	case !changes:
		return "", nil
	case right < rights["write"]:
		return "This needs the right to write to this repository; " + who + " has " + feedback.Code(strings.ToLower(s.permission)) + ". Nothing was done.", nil
	}
	if !s.listed {
		s.listed = true
		s.allowed, s.allowErr = s.authority.Allowed(ctx, s.request.Comment.Repository, s.request.Comment.Sender)
		err = s.allowErr
	}
	switch {
	case s.allowErr != nil:
		return "GitHub did not answer whether " + who + " is in a team that may use commands, so **nothing was done**. Comment the command again later.", err
	case !s.allowed:
		return who + " is in none of the teams that may use commands here. Nothing was done.", nil
	}
	return "", nil
}

// rights in their order; what GitHub adds later counts as none until it is listed here.
var rights = map[string]int{"read": 1, "triage": 2, "write": 3, "maintain": 4, "admin": 5}

// explain says an error in words. expected: it is an answer and nothing for the log.
func explain(err error) (words string, expected bool) {
	var refused *Refused
	switch {
	case errors.As(err, &refused):
		return feedback.Text(refused.Text), true
	case errors.Is(err, ErrNotWaiting):
		return "Nothing waits under this hash any more. " + feedback.Code(word+" status") + " shows what does.", true
	case errors.Is(err, ErrNoOperation):
		return "There is no such operation in this repository.", true
	case errors.Is(err, ErrNotCancellable):
		return "The operation is finished, or too far along to be stopped. " + feedback.Code(word+" rollback") + " plans its reverse.", true
	case errors.Is(err, ErrNoResource):
		return "There is no such resource, and the records know of none.", true
	case errors.Is(err, ErrMoved):
		return "The values moved while this was decided, so **nothing was decided**. " + feedback.Code(word+" conflicts") + " shows them as they are now.", true
	case errors.Is(err, ErrObserve):
		return "The fabric is only observed (" + feedback.Code("mode: observe") + "): nothing is ever written.", true
	}
	// The error's own text may hold addresses and foreign text: it goes to the log.
	return "**This failed** for a reason of the program or of a service it needs; the log has it. Nothing more was done.", false
}

// audit is the record of one command for one fabric.
func (s *session) audit(p *Parsed, f *Fabric) Audit {
	c := s.request.Comment
	a := Audit{Command: p.canonical(), Sender: c.Sender, SenderID: c.SenderID, CommentID: c.CommentID, URL: s.request.URL,
		RepositoryID: c.Repository, Number: c.Number, Fabric: f.Name, PlanHash: p.Hash, Target: p.Operation, At: s.request.At}
	if p.Key != nil {
		a.Target = p.Key.String()
	}
	return a
}
