package main

import (
	"errors"
	"net/http"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/hnp-sync/hnp-sync/app/api"
)

func newApproveCommand() *cobra.Command {
	var flags serverFlags
	var which fabricFlags
	cmd := &cobra.Command{
		Use:   "approve HASH",
		Short: "Let waiting actions pass, or end a pause",
		Long: `Approves what waits for a person: guarded actions, a pause, or a new pairing. HASH is the one that status
prints; exactly the actions shown with it are carried out, and only while nothing about them has changed.
Needs the server's API token.`,
		Example: `  hnp-sync status
  hnp-sync approve 3f9c0a77d2e1`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !regexp.MustCompile(`^[A-Za-z0-9:_-]{1,128}$`).MatchString(args[0]) {
				return usageError(errors.New("HASH is the plan hash that hnp-sync status prints"))
			}
			c, err := flags.client()
			if err != nil {
				return err
			}
			which.planHash = args[0]
			f, err := which.find(cmd.Context(), c)
			if err != nil {
				return err
			}
			var done api.Approved
			raw, err := c.do(cmd.Context(), http.MethodPost, f.path("approve"), f.query(), api.ApproveRequest{PlanHash: args[0]}, &done)
			if err != nil {
				return err
			}
			if flags.output == "json" {
				return printJSON(cmd.OutOrStdout(), raw)
			}
			p := &printer{w: cmd.OutOrStdout()}
			for _, a := range done.Approved {
				p.line("approved: %s", show(a.Action))
			}
			p.line("operation %s: %s", done.OperationID, done.Status)
			return p.err
		},
	}
	flags.add(cmd)
	which.add(cmd)
	return cmd
}
