package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/handlers/feedback"
)

// statusRows are shown of each list: a status is read in ten seconds.
const statusRows = 5

func status(ctx context.Context, s *session, p *Parsed) (answer, error) {
	return s.each(ctx, p, func(f *Fabric) (answer, error) {
		st, err := s.control.Status(ctx, f.ID)
		if err != nil {
			return answer{}, fmt.Errorf("status of fabric %d: %w", f.ID, err)
		}
		return good(statusText(f, &st)), nil
	})
}

// headlines say each state in words.
var headlines = map[string]string{
	"equal":    "Git and NetBox are equal.",
	"pending":  "Changes are on their way.",
	"conflict": "Something conflicts and waits for a decision; the rest goes on.",
	"guard":    "Some actions wait for an approval; the rest goes on.",
	"paused":   "Paused: nothing is written.",
	"error":    "The last cycle failed.",
}

func statusText(f *Fabric, st *Status) string {
	var b strings.Builder
	headline, known := headlines[st.State]
	switch {
	case st.State == "":
		headline = "No cycle has run yet."
	case !known:
		headline = "State " + feedback.Code(st.State) + "."
	case f.Paused && st.State != "paused":
		headline += " Paused: nothing is written."
	}
	fmt.Fprintf(&b, "**%s** (%s)\n\n", headline, feedback.Text(f.Name))
	line := func(format string, args ...any) { fmt.Fprintf(&b, "- "+format+"\n", args...) }
	if st.Message != "" && st.State != "equal" {
		line("%s", feedback.Text(st.Message))
	}
	if st.LastError != "" && st.LastError != st.Message {
		line("Last error: %s", feedback.Text(st.LastError))
	}
	if st.Conflicts > 0 {
		line("%s: %s", count(st.Conflicts, "open conflict", "open conflicts"), feedback.Code(word+" conflicts"))
	}
	if n := len(st.Waiting); n > 0 {
		line("%s for an approval: %s", count(n, "action", "actions", "waits", "wait"), feedback.Code(word+" approve "+st.PlanHash))
		for i, w := range st.Waiting {
			if i == statusRows {
				fmt.Fprintf(&b, "  - %d more\n", n-i)
				break
			}
			fmt.Fprintf(&b, "  - %s: %s\n", feedback.Text(w.Action), feedback.Text(w.Reason))
		}
	}
	if n := len(st.Frozen); n > 0 {
		line("%s, so nothing is written of %s:", count(n, "resource", "resources", "is frozen", "are frozen"), map[bool]string{true: "it", false: "them"}[n == 1])
		for i, z := range st.Frozen {
			if i == statusRows {
				fmt.Fprintf(&b, "  - %d more\n", n-i)
				break
			}
			fmt.Fprintf(&b, "  - %s: %s%s\n", feedback.Code(z.Resource), feedback.Text(z.Message), place(z.File, z.Line))
		}
	}
	for i, pr := range st.Proposals {
		if i == statusRows {
			line("%d more pull requests of this program are open", len(st.Proposals)-i)
			break
		}
		text := "Pull request " + fmt.Sprint(pr.Number) + " waits for people"
		if pr.Conflict > 0 {
			text += ": " + conflictName(pr.Conflict)
		}
		line("%s", text)
	}
	if st.Working != "" {
		line("Running now: %s", feedback.Code(st.Working))
	}
	head := "no head seen yet"
	if st.Head != "" {
		head = "at " + feedback.Code(short(st.Head))
	}
	line("Branch %s %s, directory %s", feedback.Code(st.Branch), head, feedback.Code(st.Directory))
	line("Last cycle: %s. Both sides last found equal: %s.", when(st.CheckedAt), when(st.VerifiedAt))
	return b.String()
}

func place(file string, line int) string {
	switch {
	case file == "":
		return ""
	case line <= 0:
		return " (" + feedback.Code(file) + ")"
	}
	return " (" + feedback.Code(fmt.Sprintf("%s:%d", file, line)) + ")"
}

func short(sha string) string { return sha[:min(len(sha), 7)] }

// planRows are shown of a plan, pathsShown of one action.
const (
	planRows   = 25
	pathsShown = 3
)

func plan(ctx context.Context, s *session, p *Parsed) (answer, error) {
	return s.each(ctx, p, func(f *Fabric) (answer, error) {
		now, err := s.control.Plan(ctx, f.ID)
		if err != nil {
			return answer{}, fmt.Errorf("plan fabric %d: %w", f.ID, err)
		}
		return good(planText(f, &now)), nil
	})
}

func planText(f *Fabric, now *PlanNow) string {
	var b strings.Builder
	sides := map[gitops.Side]int{}
	for _, a := range now.Actions {
		sides[a.Side]++
	}
	var writes []string
	if n := sides[gitops.SideNetBox]; n > 0 {
		writes = append(writes, count(n, "write", "writes")+" to NetBox")
	}
	if n := sides[gitops.SideGit]; n > 0 {
		writes = append(writes, count(n, "write", "writes")+" to Git")
	}
	headline := "Nothing would be written"
	if len(writes) > 0 {
		headline = "The next cycle: " + strings.Join(writes, ", ")
	}
	fmt.Fprintf(&b, "**%s** (%s)", headline, feedback.Text(f.Name))
	if now.Hash != "" && len(writes) > 0 {
		b.WriteString(", plan " + feedback.Code(now.Hash))
	}
	b.WriteString("\n\n")
	if now.Paused != "" {
		b.WriteString("Paused, so none of it is written: " + feedback.Text(now.Paused) + "\n\n")
	}
	var rows []string
	for i := range now.Actions {
		if len(rows) <= planRows {
			rows = append(rows, actionRow(&now.Actions[i]))
		} else {
			rows = append(rows, "")
		}
	}
	if len(rows) > 0 {
		b.WriteString(table("| writes to | | resource | what | why |", rows, planRows) + "\n")
	}
	var rest []string
	if n := len(now.Waiting); n > 0 {
		rest = append(rest, count(n, "action waits", "actions wait")+" for an approval")
	}
	if now.Conflicts > 0 {
		rest = append(rest, count(now.Conflicts, "conflict stays", "conflicts stay")+" open")
	}
	if n := len(now.Frozen); n > 0 {
		rest = append(rest, count(n, "resource is", "resources are")+" frozen")
	}
	if len(rest) > 0 {
		b.WriteString(strings.Join(rest, "; ") + ".\n")
	}
	return b.String()
}

func actionRow(a *PlannedAction) string {
	name := feedback.Resource(a.Key)
	if a.NewKey.Name != "" {
		name += " → " + feedback.Resource(a.NewKey)
	}
	var what []string
	for i := range a.Paths {
		if i == pathsShown {
			what = append(what, fmt.Sprintf("%d more", len(a.Paths)-i))
			break
		}
		if a.Paths[i].Path != "" {
			what = append(what, changeText(&a.Paths[i]))
		}
	}
	if len(what) == 0 {
		what = []string{"the whole resource"}
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |", sideName(a.Side), feedback.Cell(string(a.Op)), name, strings.Join(what, "<br>"), feedback.Cell(a.Reason))
}

func changeText(c *gitops.PathChange) string {
	return where(c.Path) + " " + feedback.Value(c.From, c.FromNone) + " → " + feedback.Value(c.To, c.ToNone)
}

func sideName(s gitops.Side) string {
	if s == gitops.SideGit {
		return "Git"
	}
	return "NetBox"
}
