package gitops

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Trailer names of the App's commits.
const (
	TrailerOperation = "HNP-Operation"
	TrailerPlan      = "HNP-Plan"
)

// bodyLines is how many changes a commit message lists before it says how many more there are.
const bodyLines = 60

// commitMessage writes subject and body for the Git actions of a plan. Values are foreign text: they are cut and
// stripped of control characters, so that they can neither forge a trailer nor a line.
func commitMessage(fabric string, actions []*Action, operation, plan string, editors []string, people map[string]string) (subject, body string) {
	fabric = oneLine(fabric, 60)
	var lines []string
	for _, a := range actions {
		lines = append(lines, actionLines(a)...)
	}
	switch {
	case len(lines) == 1:
		subject = fabric + ": " + lines[0]
	case len(actions) == 1:
		subject = fmt.Sprintf("%s: %s: %d fields", fabric, actions[0].Key, len(actions[0].Paths))
	default:
		subject = fmt.Sprintf("%s: %d resources from NetBox", fabric, len(actions))
	}
	subject = oneLine(subject, 200)
	var b strings.Builder
	if len(lines) > 1 {
		for i, l := range lines {
			if i == bodyLines {
				fmt.Fprintf(&b, "and %d more\n", len(lines)-i)
				break
			}
			b.WriteString(l + "\n")
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "%s: %s\n%s: %s\n", TrailerOperation, operation, TrailerPlan, plan)
	sort.Strings(editors)
	for i, e := range editors {
		if e == "" || i > 0 && editors[i-1] == e {
			continue
		}
		if author := people[e]; author != "" {
			fmt.Fprintf(&b, "Co-authored-by: %s\n", oneLine(author, 200))
		} else {
			fmt.Fprintf(&b, "NetBox-User: %s\n", oneLine(e, 100))
		}
	}
	return subject, b.String()
}

// actionLines describes one action, a line per field.
func actionLines(a *Action) []string {
	name := oneLine(a.Key.String(), 120) // a NetBox object may be called anything
	switch a.Op {
	case OpCreate:
		return []string{name + ": created"}
	case OpDelete:
		return []string{name + ": deleted"}
	}
	var out []string
	for _, c := range a.Paths {
		out = append(out, fmt.Sprintf("%s: %s %s → %s", name, oneLine(c.Path, 120), valueText(c.from()), valueText(c.to())))
	}
	return out
}

// valueText is a value for people, on one line, cut at 60 code points. Text stands without quotes unless it could be
// taken for something else: a number, nothing, or an end of the value.
func valueText(v any) string {
	if isNone(v) {
		return "(none)"
	}
	if s, ok := v.(string); ok && s != "(none)" && s == strings.TrimSpace(oneLine(s, 60)) && !json.Valid([]byte(s)) && s != "" {
		return s
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "?"
	}
	return oneLine(strings.TrimSuffix(b.String(), "\n"), 60)
}

// oneLine strips control characters and cuts at limit code points.
func oneLine(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit-1]) + "…"
}

// OperationTrailer reads the operation id of a commit of this App, or of another installation of it.
func OperationTrailer(message string) string {
	id := ""
	for _, line := range strings.Split(message, "\n") {
		if v, ok := strings.CutPrefix(line, TrailerOperation+": "); ok {
			id = strings.TrimSpace(v)
		}
	}
	return id
}

// IsOperationID tells whether text has the form of an operation id: sync_20250730_123456_k7q2mx.
func IsOperationID(s string) bool {
	if len(s) != len("sync_20250730_123456_k7q2mx") || s[:5] != "sync_" || s[13] != '_' || s[20] != '_' {
		return false
	}
	for i := 5; i < len(s); i++ {
		c := s[i]
		switch {
		case i == 13 || i == 20:
		case i < 20 && (c < '0' || c > '9'):
			return false
		case i > 20 && !(c >= 'a' && c <= 'z' || c >= '2' && c <= '7'):
			return false
		}
	}
	return true
}
