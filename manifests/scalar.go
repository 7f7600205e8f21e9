package manifests

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// numberLike matches plain text that some reader of YAML 1.1 or 1.2 takes for a number, underscores removed: integers
// of all bases, floats, and sexagesimals such as 12:30:45 or a MAC address of digits only.
var numberLike = regexp.MustCompile(`^[-+]?(0[xX][0-9a-fA-F]+|0[oO][0-9]+|0[bB][01]+|` +
	`(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[0-9]+(:[0-9]+)+(\.[0-9]*)?|\.(inf|Inf|INF))$`)

var dateLike = regexp.MustCompile(`^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?$`)

// reserved are the words that some reader takes for something other than text.
var reserved = map[string]bool{
	"~": true, "null": true, "y": true, "n": true, "yes": true, "no": true, "on": true, "off": true, "true": true,
	"false": true, "=": true, "<<": true, ".nan": true, ".inf": true, "-": true,
}

// plainSafe reports whether every dialect of YAML reads s, written without quotes, as the text s.
func plainSafe(s string, flow bool) bool {
	if s == "" || reserved[strings.ToLower(s)] || strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...") {
		return false
	}
	switch s[0] {
	case ' ', ':', ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`', '?':
		return false
	case '-':
		if s[1] == ' ' {
			return false
		}
	}
	if s[0] <= '9' && (s[0] >= '0' || s[0] == '-' || s[0] == '+' || s[0] == '.') {
		if numberLike.MatchString(strings.ReplaceAll(s, "_", "")) || dateLike.MatchString(s) {
			return false
		}
	}
	prev := rune(0)
	for _, r := range s {
		switch {
		case r < 0x20 || r == 0x7F || r > 0x7E && !unicode.IsPrint(r):
			return false
		case r == '#' && prev == ' ', r == ' ' && prev == ':':
			return false
		case flow && (r == ',' || r == '[' || r == ']' || r == '{' || r == '}' || r == ':' || r == '?' || r == '#'):
			return false
		}
		prev = r
	}
	return prev != ' ' && prev != ':'
}

// singleSafe reports whether single quotes can hold s on one line.
func singleSafe(s string) bool {
	for _, r := range s {
		if r < 0x20 || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

func singleQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// doubleQuoted writes s so that readers of YAML and of JSON see the same text: it uses JSON's escapes only, for
// everything that is not visible.
func doubleQuoted(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for _, r := range s {
		switch r {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		default:
			if r > 0xFFFF || unicode.IsPrint(r) {
				b.WriteRune(r)
			} else {
				fmt.Fprintf(&b, `\u%04x`, r)
			}
		}
	}
	b.WriteByte('"')
	return b.String()
}

// literalSafe reports whether a literal block can hold s. Text that begins with a blank or a line break would need an
// explicit indentation; text that ends in several line breaks would swallow the blank lines after it.
func literalSafe(s string) bool {
	if s == "" || s[0] == ' ' || s[0] == '\t' || s[0] == '\n' || strings.HasSuffix(s, "\n\n") {
		return false
	}
	for _, r := range s {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return false
		}
	}
	// A line of blanks only at the end would be trimmed by many editors, and is easily lost.
	last := strings.TrimSuffix(s, "\n")
	return !isBlank(last[len(last)-1])
}

// quoting says how text is written where it could be written in several ways.
type quoting struct {
	quote byte // '"' or '\''
	all   bool // quote text also where it need not be
	flow  bool
}

// text writes a string on one line.
func (q quoting) text(s string) string {
	if !q.all && plainSafe(s, q.flow) {
		return s
	}
	if q.quote == '\'' && singleSafe(s) {
		return singleQuoted(s)
	}
	return doubleQuoted(s)
}

// scalar writes any scalar on one line.
func (q quoting) scalar(v any) string {
	switch x := v.(type) {
	case nil:
		return "null"
	case bool:
		if x {
			return "true"
		}
		return "false"
	case json.Number:
		return writtenNumber(string(x))
	case string:
		return q.text(x)
	}
	return ""
}

// literalLines writes the lines of a literal block, each indented; the header is the caller's. Empty lines stay empty.
func literalLines(s string, indent int) string {
	pad := strings.Repeat(" ", indent)
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimSuffix(s, "\n"), "\n") {
		if b.Len() > 0 || line == "" {
			b.WriteByte('\n')
		}
		if line != "" {
			b.WriteString(pad)
			b.WriteString(line)
		}
	}
	return b.String()
}

// isScalar reports whether v is written on its own, without entries.
func isScalar(v any) bool {
	switch x := v.(type) {
	case map[string]any:
		return len(x) == 0
	case []any:
		return len(x) == 0
	}
	return true
}
