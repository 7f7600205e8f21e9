package command

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/handlers/feedback"
)

// conflictRows are shown of one fabric, decidedRows of what was decided.
const (
	conflictRows = 25
	decidedRows  = 25
)

func conflicts(ctx context.Context, s *session, p *Parsed) (answer, error) {
	return s.each(ctx, p, func(f *Fabric) (answer, error) {
		all, err := s.control.Conflicts(ctx, f.ID)
		if err != nil {
			return answer{}, fmt.Errorf("conflicts of fabric %d: %w", f.ID, err)
		}
		return good(conflictsText(f, &all)), nil
	})
}

func conflictsText(f *Fabric, all *Conflicts) string {
	var rows []string
	drift, first := 0, ""
	for _, n := range slices.Sorted(maps.Keys(all.Open)) {
		c := all.Open[n]
		if c.Code == gitops.DriftCode {
			drift++
			continue
		}
		if first == "" && len(c.Options) > 0 {
			first = conflictName(n)
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s | %s | %s |", conflictName(n), conflictPlace(c), feedback.Value(c.Base, c.BaseNone),
			feedback.Value(c.Git, c.GitNone)+by(c.GitBy), feedback.Value(c.NetBox, c.NetBoxNone)+by(c.NetBoxBy), todo(c, all.Decided[n])))
	}
	var b strings.Builder
	if len(rows) == 0 {
		fmt.Fprintf(&b, "**No open conflicts** (%s)\n", feedback.Text(f.Name))
	} else {
		fmt.Fprintf(&b, "**%s** (%s)\n\n", count(len(rows), "open conflict", "open conflicts"), feedback.Text(f.Name))
		b.WriteString(table("| | resource and field | last agreed | Git | NetBox | |", rows, conflictRows))
	}
	if first != "" {
		b.WriteString("\nTo decide: " + feedback.Code(word+" resolve "+first+" netbox") + " or " + feedback.Code(word+" resolve "+first+" git") + ".\n")
	}
	if drift > 0 {
		b.WriteString("\n" + count(drift, "value differs", "values differ") + " because the direction keeps it from travelling; that is no conflict.\n")
	}
	return b.String()
}

func conflictPlace(c *gitops.Conflict) string {
	return feedback.Resource(c.Key) + "<br>" + where(c.Path)
}

// by is who changed a value and when, in a table's cell.
func by(m *gitops.Modification) string {
	if m == nil || m.By == "" {
		return ""
	}
	out := "<br>by " + feedback.Text(m.By)
	if !m.At.IsZero() {
		out += ", " + when(m.At)
	}
	return out
}

func todo(c *gitops.Conflict, decided string) string {
	switch {
	case decided != "":
		return "decided, being applied"
	case len(c.Options) == 0:
		return feedback.Cell(c.Message)
	}
	return feedback.Cell(strings.ReplaceAll(string(c.Code), "_", " "))
}

func resolve(ctx context.Context, s *session, p *Parsed) (answer, error) {
	if p.All {
		return s.each(ctx, p, func(f *Fabric) (answer, error) { return s.resolveIn(ctx, p, f) })
	}
	// A number or a name may stand in several fabrics: a decision is never guessed.
	f, problem, err := s.single(ctx, p)
	if err != nil || problem != "" {
		return bad(problem), err
	}
	return s.resolveIn(ctx, p, f)
}

func (s *session) resolveIn(ctx context.Context, p *Parsed, f *Fabric) (answer, error) {
	all, err := s.control.Conflicts(ctx, f.ID)
	if err != nil {
		return answer{}, fmt.Errorf("conflicts of fabric %d: %w", f.ID, err)
	}
	decided, err := gitops.Decide(gitops.Selection{Number: p.Number, Key: p.Key, Choice: p.Choice, Paths: p.Paths,
		By: s.request.Comment.Sender, Source: "comment", At: s.request.At}, all.Open, all.Closed)
	var no *gitops.DecideError
	if errors.As(err, &no) {
		return bad(refusal(p, no)), nil
	}
	if err != nil {
		return answer{}, err
	}
	a := s.audit(p, f)
	for _, d := range decided {
		a.Decisions = append(a.Decisions, d.Decision)
	}
	if p.Number > 0 {
		a.Target = conflictName(p.Number)
	}
	started, err := s.control.Decide(ctx, f.ID, a)
	if err != nil {
		return answer{}, fmt.Errorf("decide %d conflicts of fabric %d: %w", len(decided), f.ID, err)
	}
	var rows []string
	for _, d := range decided {
		kept, gone := feedback.Value(d.Conflict.NetBox, d.Conflict.NetBoxNone), feedback.Value(d.Conflict.Git, d.Conflict.GitNone)
		if d.Decision.Choice == string(gitops.SideGit) {
			kept, gone = gone, kept
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s | %s |", conflictName(d.Conflict.Number), conflictPlace(d.Conflict), sideName(gitops.Side(d.Decision.Choice)), kept, gone))
	}
	text := count(len(rows), "conflict is", "conflicts are") + " decided for the values shown here; a value that moves before it is applied is asked about again. " + started.words()
	if f.Paused {
		text += " The fabric is paused: it is applied after " + feedback.Code(word+" resume") + "."
	}
	return good(text + "\n\n" + table("| | resource and field | kept | value | instead of |", rows, decidedRows)), nil
}

// refusal says in words why nothing was decided, and what to write instead.
func refusal(p *Parsed, e *gitops.DecideError) string {
	name := conflictName(e.Number)
	const nothing = " Nothing was decided."
	switch e.Reason {
	case gitops.NotOpen:
		return "There is no conflict " + name + "." + nothing + " " + feedback.Code(word+" conflicts") + " lists them."
	case gitops.NothingOpen:
		if p.Key != nil {
			return feedback.Resource(*p.Key) + " has no conflict that can be decided."
		}
		return "There is no conflict that can be decided."
	case gitops.ValuesMoved:
		c := e.Conflict
		return name + " moved, now " + conflictName(e.Now) + "." + nothing + " Its values are now: Git " + feedback.Value(c.Git, c.GitNone) + ", NetBox " + feedback.Value(c.NetBox, c.NetBoxNone) +
			". To decide for them: " + feedback.Code(word+" resolve "+conflictName(e.Now)+" "+string(p.Choice)) + "."
	case gitops.AlreadyClosed:
		return name + " is closed" + closedBy(e.Conflict.Resolution) + "." + nothing
	case gitops.NotDecidable:
		c := e.Conflict
		out := conflictName(c.Number) + ", " + feedback.Resource(c.Key) + " " + where(c.Path) + ", "
		if len(c.Options) == 0 {
			out += "cannot be decided: " + feedback.Text(c.Message) + "."
		} else {
			var list []string
			for _, o := range c.Options {
				list = append(list, feedback.Code(o))
			}
			out += "can only be decided as " + strings.Join(list, " or ") + "."
		}
		return out + nothing
	case gitops.LeftOpen:
		var rows []string
		hint := word + " resolve " + target(p) + " merge"
		for i, c := range e.Open {
			rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s |", conflictName(c.Number), conflictPlace(c), feedback.Value(c.Git, c.GitNone), feedback.Value(c.NetBox, c.NetBoxNone)))
			if i < 3 && c.Path != "" {
				hint += " " + c.Path + "=netbox"
			}
		}
		return "A merge would leave " + count(len(rows), "conflict", "conflicts") + " open: both sides changed there." + nothing + " Give each path its side, as in " + feedback.Code(hint) + ":\n\n" +
			table("| | resource and field | Git | NetBox |", rows, conflictRows)
	case gitops.PathNotOpen:
		return "Nothing of what is selected is in conflict at " + feedback.Code(e.Path.String()) + "." + nothing
	case gitops.PathTooDeep:
		return conflictName(e.Conflict.Number) + " is about " + where(e.Conflict.Path) + " as one value, so " + feedback.Code(e.Path.String()) + " cannot be decided by itself." + nothing
	case gitops.PathTwice:
		return feedback.Code(e.Path.String()) + " was given both sides." + nothing
	case gitops.WrongChoice:
	}
	return "This is no decision." + nothing
}

func closedBy(resolution string) string {
	switch resolution {
	case "equal":
		return ": both sides hold the same value now"
	case "decided":
		return ": it was decided"
	case "gone":
		return ": what it was about is gone"
	case "moved":
		return ": its values moved on, and nothing is left to decide"
	}
	return ""
}

// target is what a resolve command selects, as it is written.
func target(p *Parsed) string {
	switch {
	case p.Number > 0:
		return conflictName(p.Number)
	case p.Key != nil:
		return quote(p.Key.String())
	}
	return "all"
}
