package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hnp-sync/hnp-sync/gitops/githubtest"
)

// newDevGitHubCommand runs the GitHub stand-in alone until it is told to stop.
func newDevGitHubCommand() *cobra.Command {
	var listen, data, seedFile string
	cmd := &cobra.Command{
		Use:   "github",
		Short: "Run a GitHub of your own over a folder of bare Git repositories",
		Long: `Serves GitHub's REST API at / and /api/v3, GraphQL at /graphql and /api/graphql,
and Git at /{owner}/{repo}.git (x-access-token:TOKEN). Needs git 2.38 or newer.

The seed fills an empty --data folder; after that the folder is the state and
survives restarts. When ready, one line of JSON on stdout says where it listens.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts := githubtest.Options{Dir: data, Logf: func(format string, args ...any) {
				fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...)
			}}
			if seedFile != "" {
				src, err := os.ReadFile(seedFile)
				if err != nil {
					return fmt.Errorf("read seed: %w", err)
				}
				if opts.Seed, err = githubtest.ParseSeed(src); err != nil {
					return fmt.Errorf("%s: %w", seedFile, err)
				}
				opts.Seed.Dir = filepath.Dir(seedFile)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			server, err := githubtest.New(opts)
			if err != nil {
				return err
			}
			defer server.Close()
			if err := server.Start(listen); err != nil {
				return err
			}
			url := server.URL()
			ready, err := json.Marshal(struct {
				URL        string `json:"url"`
				APIURL     string `json:"api_url"`
				GraphQLURL string `json:"graphql_url"`
				GitURL     string `json:"git_url"`
				PID        int    `json:"pid"`
			}{url, url + "/api/v3", url + "/api/graphql", url, os.Getpid()})
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), string(ready))
			<-ctx.Done()
			return server.Close()
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "address to listen on; port 0 takes a free one")
	cmd.Flags().StringVar(&data, "data", "", "folder of the state (default: a temporary one, removed at the end)")
	cmd.Flags().StringVar(&seedFile, "seed", "", "YAML or JSON file with the initial accounts, repositories, Apps and tokens")
	return cmd
}
