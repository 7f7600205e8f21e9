package feedback

import (
	"fmt"
	"strings"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/manifests"
)

// Validate is the check run "hnp-sync / validate": every finding in a file that the pull request touches stands on its
// lines; errors elsewhere are counted. It fails for errors in touched files, in .github/hnp-sync.yaml when that is
// changed, and when a fabric could not be evaluated.
func Validate(in PullRequest) Output {
	if out, done := in.early(ValidateName); done {
		return out
	}
	v := validation{in: &in}
	var rows []string
	if in.ConfigChanged {
		for _, d := range in.Config {
			rows = append(rows, v.finding(d.File, d))
		}
	}
	for _, ev := range in.touched() {
		rows = append(rows, v.fabric(ev)...)
	}
	out := Output{Name: ValidateName, Conclusion: Success}
	if v.errors > 0 || len(in.Failed) > 0 {
		out.Conclusion = Failure
	}
	annotations, more := sortAndCap(v.annotations)
	out.Annotations = annotations

	p := newPage(MaxOutputText)
	in.failures(p)
	switch {
	case v.errors+v.warnings+v.notes == 0 && len(in.Failed) == 0:
		out.Title = "No findings in " + count(v.files, "file")
		p.block("**" + out.Title + ".**")
	case v.errors+v.warnings+v.notes == 0:
		out.Title = "Could not be checked"
	default:
		out.Title = v.tally() + " in the files of this pull request"
		p.block("**" + out.Title + ".** Each stands on its line under *Files changed*.")
	}
	if more > 0 {
		p.block(number(more) + " more findings than the " + number(MaxAnnotations) + " shown on lines; the most severe come first.")
	}
	if in.ConfigChanged {
		p.block("`.github/hnp-sync.yaml` is changed. It was checked and not obeyed: what it says holds once it is on the tracked branch.")
	}
	if v.elsewhere > 0 {
		p.block(count(v.elsewhere, "error") + " in files that this pull request does not touch " + are(v.elsewhere) + " not counted here.")
	}
	for _, ev := range in.touched() {
		raw(p, ev)
	}
	out.Summary = p.String()

	t := newPage(MaxOutputText)
	t.fold("All "+count(len(rows), "finding")+" in touched files", "| place | finding | what to do |\n|---|---|---|\n", rows)
	out.Text = t.String()
	return out
}

type validation struct {
	in                                        *PullRequest
	annotations                               []Annotation
	errors, warnings, notes, elsewhere, files int
}

// fabric sorts the findings of one evaluation into those of this pull request and the others.
func (v *validation) fabric(ev *gitops.Evaluation) []string {
	v.files += len(ev.Files)
	touched := set(ev.Files)
	var rows []string
	for _, d := range ev.Diagnostics {
		if !touched[d.File] {
			if d.Severity == manifests.SeverityError {
				v.elsewhere++
			}
			continue
		}
		rows = append(rows, v.finding(inRepository(&ev.Fabric, d.File), d))
	}
	return rows
}

// finding counts one finding, makes its annotation and returns its row.
func (v *validation) finding(file string, d manifests.Diagnostic) string {
	level := LevelFailure
	switch d.Severity {
	case manifests.SeverityWarning:
		level = LevelWarning
		v.warnings++
	case manifests.SeverityNote:
		level = LevelNotice
		v.notes++
	default:
		v.errors++
	}
	message := d.Message
	if d.Path != "" {
		message = d.Path + ": " + message
	}
	if d.Fix != "" {
		message += "\nFix: " + d.Fix
	}
	a := annotation(file, d.StartLine, level, d.Code, message)
	if d.EndLine > a.StartLine {
		a.EndLine = d.EndLine
	}
	// GitHub takes columns within one line only, and its end column is the last one, not the one after it.
	if d.StartLine > 0 && a.EndLine == a.StartLine && d.StartColumn > 0 {
		a.StartColumn, a.EndColumn = d.StartColumn, max(d.EndColumn-1, d.StartColumn)
	}
	v.annotations = append(v.annotations, a)
	place := fmt.Sprintf("%s:%d", file, a.StartLine)
	if a.StartColumn > 0 {
		place += fmt.Sprintf(":%d", a.StartColumn)
	}
	what := string(d.Severity) + ": " + d.Message
	if d.Path != "" {
		what = string(d.Severity) + ": " + d.Path + ": " + d.Message
	}
	return "| " + Code(place) + " | " + Cell(what) + " " + Code(d.Code) + " | " + Cell(d.Fix) + " |"
}

// tally is "2 errors, 1 warning".
func (v *validation) tally() string {
	var parts []string
	for _, c := range []struct {
		n    int
		noun string
	}{{v.errors, "error"}, {v.warnings, "warning"}, {v.notes, "note"}} {
		if c.n > 0 {
			parts = append(parts, count(c.n, c.noun))
		}
	}
	return strings.Join(parts, ", ")
}

// raw says where the files dropped into raw/ will go.
func raw(p *page, ev *gitops.Evaluation) {
	var rows []string
	for _, f := range ev.Ingest {
		var to []string
		for i, t := range f.Targets {
			if i == 3 {
				to = append(to, fmt.Sprintf("%s more", number(len(f.Targets)-i)))
				break
			}
			to = append(to, Code(t))
		}
		where := strings.Join(to, ", ")
		if f.Problem != "" {
			where = strings.TrimPrefix(where+"; ", "; ") + "**not accepted:** " + Text(f.Problem)
		}
		rows = append(rows, "| "+Code(f.File)+" | "+where+" |")
	}
	if len(rows) <= 10 {
		p.list("Files dropped into `raw/` of "+Text(ev.Fabric.Name)+" are filed after merging:\n\n| file | goes to |\n|---|---|\n", "\n", rows, 0)
		return
	}
	p.fold(count(len(rows), "file")+" dropped into <code>raw/</code> of "+Text(ev.Fabric.Name)+" are filed after merging", "| file | goes to |\n|---|---|\n", rows)
}

func are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
