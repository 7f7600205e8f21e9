package main

import "github.com/spf13/cobra"

// newDevCommand holds the stand-ins of the two services hnp-sync talks to.
func newDevCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a stand-in of GitHub or NetBox, for trying things without an account",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDevGitHubCommand(), newDevNetBoxCommand())
	return cmd
}
