package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/handlers/feedback"
)

// changeRows are shown of a resource's records.
const changeRows = 15

func why(ctx context.Context, s *session, p *Parsed) (answer, error) {
	list, problem, err := s.meant(ctx, p)
	if err != nil || problem != "" {
		return bad(problem), err
	}
	var found []string
	for i := range list {
		w, err := s.control.Why(ctx, list[i].ID, *p.Key)
		if errors.Is(err, ErrNoResource) {
			continue
		}
		if err != nil {
			return answer{}, fmt.Errorf("records of %s in fabric %d: %w", p.Key, list[i].ID, err)
		}
		found = append(found, whyText(&list[i], &w, p.Path))
	}
	if len(found) == 0 {
		return answer{}, ErrNoResource
	}
	return good(strings.Join(found, "\n\n")), nil
}

func whyText(f *Fabric, w *Why, at gitops.Path) string {
	var b strings.Builder
	state := "state unknown"
	if w.State != "" {
		state = strings.ReplaceAll(w.State, "_", " ")
	}
	fmt.Fprintf(&b, "**%s is %s** (%s)%s\n\n", feedback.Resource(w.Key), feedback.Text(state), feedback.Text(f.Name), place(w.File, w.Line))
	if w.FrozenCode != "" {
		fmt.Fprintf(&b, "Nothing of it is written (%s): %s\n\n", feedback.Code(w.FrozenCode), feedback.Text(w.FrozenMessage))
	}
	if w.PausedBy != "" {
		fmt.Fprintf(&b, "Paused by %s.\n\n", feedback.Code(w.PausedBy))
	}
	if len(w.Conflicts) > 0 {
		var open []string
		for _, n := range w.Conflicts {
			open = append(open, conflictName(n))
		}
		b.WriteString("Open: " + strings.Join(open, ", ") + ".\n\n")
	}
	var rows []string
	for i := range w.Changes {
		if c := &w.Changes[i]; c.about(at) {
			rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s | %s |", when(c.At), sideName(c.Side), who(c.By), what(c), from(c)))
		}
	}
	if len(rows) == 0 {
		b.WriteString("The records hold no change")
		if len(at) > 0 {
			b.WriteString(" at " + feedback.Code(at.String()))
		}
	} else {
		b.WriteString(table("| when | side | who | what | from |", rows, changeRows))
		b.WriteString("\nNewest first")
	}
	if w.Since.IsZero() {
		b.WriteString(".\n")
	} else {
		b.WriteString("; the records go back to " + when(w.Since) + ".\n")
	}
	return b.String()
}

// about tells whether a change is at the path, above it or below it.
func (c *Change) about(at gitops.Path) bool {
	if len(at) == 0 {
		return true
	}
	paths := c.Fields
	if c.Change != nil {
		paths = []string{c.Change.Path}
	}
	if len(paths) == 0 {
		return true // nothing is known of where it was
	}
	for _, text := range paths {
		p, err := gitops.ParsePath(text)
		if err == nil && (p.Covers(at) || at.Covers(p)) {
			return true
		}
	}
	return false
}

func who(by string) string {
	if by == "" {
		return "not known"
	}
	return feedback.Text(by)
}

func what(c *Change) string {
	var out string
	switch {
	case c.Change != nil && c.Change.Path == "" && c.Op != "":
		out = feedback.Text(string(c.Op))
	case c.Change != nil:
		out = changeText(c.Change)
	case len(c.Fields) > 0:
		var fields []string
		for i, f := range c.Fields {
			if i == pathsShown {
				fields = append(fields, fmt.Sprintf("%d more", len(c.Fields)-i))
				break
			}
			fields = append(fields, where(f))
		}
		out = strings.Join(fields, "<br>")
	default:
		out = feedback.Cell(string(c.Op))
	}
	if c.Decision != "" {
		out += "<br>a person decided so"
	}
	return out
}

// from says where a change came from and which operation carried it over.
func from(c *Change) string {
	var out []string
	if c.CommitSHA != "" {
		out = append(out, "commit "+feedback.Code(short(c.CommitSHA)))
	}
	if c.RequestID != "" {
		out = append(out, "NetBox request "+feedback.Code(c.RequestID))
	}
	if c.Operation != "" {
		out = append(out, "operation "+feedback.Code(c.Operation))
	}
	if len(out) == 0 {
		return "not known"
	}
	return strings.Join(out, "<br>")
}
