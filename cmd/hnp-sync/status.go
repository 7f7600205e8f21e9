package main

import (
	"fmt"
	"io"
	"net/http"
	"path"
	"time"

	"github.com/spf13/cobra"

	"github.com/hnp-sync/hnp-sync/app/api"
	"github.com/hnp-sync/hnp-sync/manifests"
)

func newStatusCommand() *cobra.Command {
	var flags serverFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what a running server does: each fabric, what is waiting and why",
		Long: `Shows each fabric of a running server: its state, what waits for a person with the command that
lets it pass, what is frozen and why, and the number of open conflicts.

Exit code 0 when the server answered, whatever the states are.`,
		Example: `  hnp-sync status --server http://127.0.0.1:8080 --token-file token`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := flags.client()
			if err != nil {
				return err
			}
			var st api.Status
			raw, err := c.do(cmd.Context(), http.MethodGet, "/api/status", nil, nil, &st)
			if err != nil {
				return err
			}
			if flags.output == "json" {
				return printJSON(cmd.OutOrStdout(), raw)
			}
			return printStatus(cmd.OutOrStdout(), st)
		},
	}
	flags.add(cmd)
	return cmd
}

// printer writes lines and keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func printStatus(w io.Writer, st api.Status) error {
	p := &printer{w: w}
	if len(st.Fabrics) == 0 {
		p.line("no fabrics: a repository needs the App installed (and not suspended), .github/hnp-sync.yaml on its default branch, and an entry under repositories: of the server")
	}
	for _, f := range st.Fabrics {
		p.line("%s: %s  (%s/%s, fabric %d of NetBox %s)", show(f.Name), f.State, show(f.Repository), show(f.Directory), f.NetBoxID, show(f.NetBox))
		if f.Head != "" {
			p.line("  head %.12s, found equal %s", f.Head, since(f.VerifiedAt))
		}
		if f.Message != "" {
			p.line("  %s", show(f.Message))
		}
		for _, a := range f.Waiting {
			p.line("  waiting: %s: %s", show(a.Action), show(a.Reason))
		}
		if len(f.Waiting) > 0 && f.PlanHash != "" {
			p.line("  to let it pass: hnp-sync approve %s --fabric %d --netbox %s", f.PlanHash, f.NetBoxID, show(f.NetBox))
		}
		for _, r := range f.Frozen {
			at := ""
			if r.Line > 0 {
				at = fmt.Sprintf("%s:%d: ", show(path.Join(f.Directory, r.File)), r.Line)
			}
			p.line("  frozen: %s: %s%s [%s]", show(r.Resource), at, show(r.Message), r.Code)
		}
		printFindings(p, f)
		if f.OpenConflicts > 0 {
			p.line("  %d open conflicts: hnp-sync conflicts --fabric %d --netbox %s", f.OpenConflicts, f.NetBoxID, show(f.NetBox))
		}
	}
	for _, r := range st.Repositories {
		for _, d := range r.Problems {
			at := show(d.File)
			if d.StartLine > 0 {
				at += fmt.Sprintf(":%d", d.StartLine)
			}
			p.line("%s: %s: %s [%s] (fix: %s)", show(r.Repository), at, show(d.Message), d.Code, show(d.Fix))
		}
	}
	for _, u := range st.Unconfigured {
		p.line("NetBox %s has fabric %s in no configuration; to synchronise it, add below fabrics: in .github/hnp-sync.yaml:\n%s", show(u.NetBox), show(u.Name), u.Lines)
	}
	p.line("queue: %d", st.Queue)
	return p.err
}

// maxFindings is how many findings of one fabric are printed; --output json has them all.
const maxFindings = 20

// printFindings prints what is wrong with a fabric's files, as validate does.
func printFindings(p *printer, f api.Fabric) {
	shown := 0
	for _, d := range f.Diagnostics {
		if d.Severity == manifests.SeverityNote {
			continue
		}
		if shown == maxFindings {
			p.line("  more findings: hnp-sync status --output json, or hnp-sync validate %s", show(f.Directory))
			return
		}
		shown++
		at, fix := show(path.Join(f.Directory, d.File)), ""
		if d.StartLine > 0 {
			at += fmt.Sprintf(":%d:%d", d.StartLine, d.StartColumn)
		}
		if d.Fix != "" {
			fix = fmt.Sprintf(" (fix: %s)", show(d.Fix))
		}
		p.line("  %s: %s: %s [%s]%s", at, d.Severity, show(d.Message), d.Code, fix)
	}
}

// since is how long ago, for people.
func since(t *time.Time) string {
	if t == nil {
		return "never"
	}
	d := time.Since(*t)
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}
