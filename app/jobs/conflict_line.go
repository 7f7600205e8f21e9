package jobs

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// maxValue is how much of a value a conflict's line shows, in runes.
const maxValue = 200

// ConflictLine is one conflict on one line for people: number, resource, path and both values. Values come from files
// and NetBox: they are shown as JSON, which has no line breaks or control characters, cut at maxValue.
func ConflictLine(c gitops.Conflict) string {
	number := "conflict"
	if c.Number > 0 {
		number = fmt.Sprintf("conflict C%d", c.Number)
	}
	path := c.Path
	if path == "" {
		path = "(the whole resource)"
	}
	place := ""
	if c.File != "" {
		place = fmt.Sprintf(" (%s:%d)", plain(c.File), c.Line)
	}
	return fmt.Sprintf("%s %s %s [%s]: git %s, NetBox %s, base %s%s", number, plain(c.Key.String()), plain(path), c.Code,
		ValueText(c.Git, c.GitNone), ValueText(c.NetBox, c.NetBoxNone), ValueText(c.Base, c.BaseNone), place)
}

// ValueText shows a value as JSON on one line, "absent" for none.
func ValueText(v any, none bool) string {
	if none {
		return "absent"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "(not shown)"
	}
	s := []rune(plain(string(b)))
	if len(s) > maxValue {
		return string(s[:maxValue]) + "…"
	}
	return string(s)
}

// plain drops what could move a terminal's cursor or hide text.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, s)
}
