package main

import (
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/hnp-sync/hnp-sync/app/api"
	"github.com/hnp-sync/hnp-sync/manifests"
)

func newConflictsCommand() *cobra.Command {
	var flags serverFlags
	var which fabricFlags
	cmd := &cobra.Command{
		Use:   "conflicts",
		Short: "List the open conflicts of a fabric, with both values",
		Long: `Lists the open conflicts of a fabric: resource, path, the value in Git, the value in NetBox, and the value
both sides last agreed on. A conflict ends when one side is set to the other's value.

Exit code 0 when the server answered, also when there are conflicts.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := flags.client()
			if err != nil {
				return err
			}
			f, err := which.find(cmd.Context(), c)
			if err != nil {
				return err
			}
			var list api.Conflicts
			raw, err := c.do(cmd.Context(), http.MethodGet, f.path("conflicts"), f.query(), nil, &list)
			if err != nil {
				return err
			}
			if flags.output == "json" {
				return printJSON(cmd.OutOrStdout(), raw)
			}
			return printConflicts(cmd.OutOrStdout(), list)
		},
	}
	flags.add(cmd)
	which.add(cmd)
	return cmd
}

func printConflicts(w io.Writer, list api.Conflicts) error {
	p := &printer{w: w}
	for _, c := range list.Conflicts {
		p.line("C%d %s [%s] since %s", c.Number, show(resourceName(c)), c.Code, c.DetectedAt.UTC().Format("2006-01-02 15:04 UTC"))
		for _, f := range c.Fields {
			path := f.Path
			if path == "" {
				path = "(the whole resource)"
			}
			place := ""
			if f.File != "" {
				place = "  (" + show(f.File) + ":" + itoa(f.Line) + ")"
			}
			p.line("  %s%s", show(path), place)
			p.line("    git     %s", value(f.Git))
			p.line("    NetBox  %s", value(f.NetBox))
			p.line("    before  %s", value(f.Base))
		}
		if c.Message != "" {
			p.line("  %s", show(c.Message))
		}
	}
	p.line("%d open conflicts", list.TotalConflicts)
	return p.err
}

// resourceName is a resource for people: vpc/test-vpc, or vpc/other-ns/test-vpc.
func resourceName(c api.Conflict) string {
	return manifests.Identity{Kind: c.Kind, Namespace: c.Namespace, Name: c.ResourceName}.String()
}
