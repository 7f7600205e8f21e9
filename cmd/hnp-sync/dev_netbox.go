package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hnp-sync/hnp-sync/netbox/netboxtest"
)

// newDevNetBoxCommand runs the NetBox stand-in alone until it is told to stop.
func newDevNetBoxCommand() *cobra.Command {
	var listen, data, seedFile string
	cmd := &cobra.Command{
		Use:   "netbox",
		Short: "Run a NetBox with the Hedgehog plugin of your own, without NetBox",
		Long: `Serves NetBox's REST API at /api/ as NetBox 4.7.3 with the Hedgehog plugin does,
faults included, and really delivers webhooks. Webhooks and event rules are made
through its REST API, as with NetBox.

The seed fills an empty --data folder; after that the folder is the state and
survives restarts. Without a seed there is a superuser "admin" with the token
nbt_stand0000001.in and a fabric "fabric-1". When ready, one line of JSON on
stdout says where it listens; open that address in a browser to look around.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			opts := netboxtest.Options{Dir: data, Logf: func(format string, args ...any) {
				fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...)
			}}
			if seedFile != "" {
				src, err := os.ReadFile(seedFile)
				if err != nil {
					return fmt.Errorf("read seed: %w", err)
				}
				if opts.Seed, err = netboxtest.ParseSeed(src); err != nil {
					return fmt.Errorf("%s: %w", seedFile, err)
				}
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			server, err := netboxtest.New(opts)
			if err != nil {
				return err
			}
			defer func() {
				if closeErr := server.Close(); err == nil {
					err = closeErr
				}
			}()
			if err := server.Start(listen); err != nil {
				return err
			}
			ready, err := json.Marshal(struct {
				URL    string `json:"url"`
				APIURL string `json:"api_url"`
				PID    int    `json:"pid"`
			}{server.URL(), server.URL() + "/api", os.Getpid()})
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), string(ready))
			<-ctx.Done()
			return nil
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "address to listen on; port 0 takes a free one")
	cmd.Flags().StringVar(&data, "data", "", "folder of the state (default: memory only)")
	cmd.Flags().StringVar(&seedFile, "seed", "", "YAML or JSON file with the initial tokens, fabrics, version and faults")
	return cmd
}
