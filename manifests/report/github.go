package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// writeGitHub prints workflow commands, which GitHub Actions turns into annotations (it shows ten of each level per
// step), and the summary as an ordinary line.
func writeGitHub(w io.Writer, r Report) error {
	var b strings.Builder
	for _, d := range r.Diagnostics {
		level := "notice"
		switch d.Severity {
		case manifests.SeverityError:
			level = "error"
		case manifests.SeverityWarning:
			level = "warning"
		}
		fmt.Fprintf(&b, "::%s file=%s", level, property(d.File))
		if d.StartLine > 0 {
			endLine := max(d.EndLine, d.StartLine)
			fmt.Fprintf(&b, ",line=%d,endLine=%d", d.StartLine, endLine)
			// GitHub accepts columns only for an annotation within one line, and counts the last one in.
			if endLine == d.StartLine {
				fmt.Fprintf(&b, ",col=%d,endColumn=%d", d.StartColumn, max(d.EndColumn-1, d.StartColumn))
			}
		}
		fmt.Fprintf(&b, ",title=%s::%s", property(d.Code), data(withFix(d)))
		b.WriteByte('\n')
	}
	b.WriteString(data(Summary(r)) + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func withFix(d manifests.Diagnostic) string {
	if d.Fix == "" {
		return message(d)
	}
	return message(d) + " (fix: " + d.Fix + ")"
}

var (
	dataEscapes     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	propertyEscapes = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// data and property escape as the runner unescapes them (actions/toolkit, packages/core/src/command.ts).
func data(s string) string     { return dataEscapes.Replace(Clean(s)) }
func property(s string) string { return propertyEscapes.Replace(Clean(s)) }
