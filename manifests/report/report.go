// Package report prints the findings of a validation: as text for a terminal, as JSON for programs, as workflow
// commands for GitHub Actions, and as SARIF for code scanning.
//
// File names, paths and messages are foreign text. Whatever the format, control characters, terminal escapes and
// characters that reorder or hide text are written as escapes, so that a file can neither forge a line of the report
// nor run a workflow command. Equal input gives equal output; there are no times in it.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// Report is what was validated and what was found. The order of Diagnostics is kept.
type Report struct {
	Files       int                    `json:"files"`     // read
	Documents   int                    `json:"documents"` // in them, empty ones not counted
	Diagnostics []manifests.Diagnostic `json:"diagnostics"`
}

// Errors counts the diagnostics that are errors.
func (r Report) Errors() int {
	n := 0
	for _, d := range r.Diagnostics {
		if d.Severity == manifests.SeverityError {
			n++
		}
	}
	return n
}

// Formats are the names that Write takes.
var formats = []string{"text", "json", "github", "sarif"}

// Formats lists the names that Write takes.
func Formats() []string { return append([]string(nil), formats...) }

// Write prints the report in one of the formats.
func Write(w io.Writer, format string, r Report) error {
	switch format {
	case "text":
		return writeText(w, r)
	case "json":
		return writeJSON(w, r)
	case "github":
		return writeGitHub(w, r)
	case "sarif":
		return writeSARIF(w, r)
	}
	return fmt.Errorf("unknown format %q, use %s", format, strings.Join(formats, ", "))
}

// writeText prints one line per finding and a summary:
//
//	file:line:col: severity: message [code] (fix: …)
//
// A finding about a whole file is at 1:1, so that every line has the same form.
func writeText(w io.Writer, r Report) error {
	var b strings.Builder
	for _, d := range r.Diagnostics {
		fmt.Fprintf(&b, "%s:%d:%d: %s: %s [%s]", Clean(d.File), max(d.StartLine, 1), max(d.StartColumn, 1), d.Severity, Clean(message(d)), Clean(d.Code))
		if d.Fix != "" {
			fmt.Fprintf(&b, " (fix: %s)", Clean(d.Fix))
		}
		b.WriteByte('\n')
	}
	b.WriteString(Summary(r) + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// Summary is one line: "48 documents in 3 files: 2 errors, 1 warning".
func Summary(r Report) string {
	counts := map[manifests.Severity]int{}
	for _, d := range r.Diagnostics {
		counts[d.Severity]++
	}
	head := fmt.Sprintf("%s in %s: ", count(r.Documents, "document"), count(r.Files, "file"))
	var parts []string
	for _, s := range []manifests.Severity{manifests.SeverityError, manifests.SeverityWarning, manifests.SeverityNote} {
		if n := counts[s]; n > 0 {
			parts = append(parts, count(n, string(s)))
		}
	}
	if len(parts) == 0 {
		return head + "nothing to report"
	}
	return head + strings.Join(parts, ", ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// message says what is wrong, and where in the document if that is known.
func message(d manifests.Diagnostic) string {
	if d.Path == "" || d.Path == "apiVersion" || d.Path == "kind" {
		return d.Message
	}
	return d.Path + ": " + d.Message
}

func writeJSON(w io.Writer, r Report) error {
	clean := Report{Files: r.Files, Documents: r.Documents, Diagnostics: make([]manifests.Diagnostic, len(r.Diagnostics))}
	for i, d := range r.Diagnostics {
		d.File, d.Path, d.Message, d.Fix = Clean(d.File), Clean(d.Path), Clean(d.Message), Clean(d.Fix)
		clean.Diagnostics[i] = d
	}
	return encode(w, clean)
}

func encode(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // <stdin> shall stay readable; nothing here is put into HTML.
	e.SetIndent("", "  ")
	return e.Encode(value)
}

// Clean makes foreign text harmless in a line of text: control characters, invalid UTF-8 and invisible or reordering
// characters become escapes. What can be seen stays as it is.
func Clean(s string) string {
	for i, c := range s {
		if !harmless(c) || c == unicode.ReplacementChar {
			return cleanFrom(s, i)
		}
	}
	return s
}

func harmless(c rune) bool { return c == ' ' || unicode.IsPrint(c) }

func cleanFrom(s string, start int) string {
	var b strings.Builder
	b.WriteString(s[:start])
	for i, c := range s[start:] {
		switch {
		case c == unicode.ReplacementChar && !strings.HasPrefix(s[start+i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[start+i])
		case harmless(c):
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < 0x80:
			fmt.Fprintf(&b, `\x%02x`, c)
		case c < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			fmt.Fprintf(&b, `\U%08x`, c)
		}
	}
	return b.String()
}
