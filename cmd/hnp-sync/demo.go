package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hnp-sync/hnp-sync/app/demo"
)

func newDemoCommand() *cobra.Command {
	var o demo.Options
	var output string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch a real fabric go both ways, on embedded stand-ins for GitHub and NetBox",
		Long: `Runs the real App between a GitHub and a NetBox that stand in for the real ones, with a real fabric of 48
resources, and tells what each side did, what was committed, and how many API requests it took. Nothing leaves this
machine, and nothing is written outside the data folder. git 2.38 or newer is needed.

Afterwards everything stays up to be tried; --once ends instead, with exit code 1 when a step did not hold.`,
		Example: "  hnp-sync demo --once\n  hnp-sync demo --data ./demo --listen 127.0.0.1:8080",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch output {
			case "text":
				o.Out = cmd.OutOrStdout()
			case "json":
				o.Out = io.Discard
			default:
				return usageError(fmt.Errorf("--output %q: use text or json", output))
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			if output == "json" {
				o.Told = func(res *demo.Result) error {
					enc := json.NewEncoder(cmd.OutOrStdout())
					enc.SetIndent("", "  ")
					return enc.Encode(res)
				}
			}
			res, err := demo.Run(ctx, o)
			if err != nil {
				return err
			}
			if !res.OK {
				return errors.New("demo: not every step held")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&o.Once, "once", false, "end after the story")
	cmd.Flags().StringVar(&o.Data, "data", "", "empty folder for everything (default: a temporary one, removed at the end)")
	cmd.Flags().StringVar(&o.Listen, "listen", "", "address of the App (default 127.0.0.1 and a free port)")
	cmd.Flags().StringVar(&output, "output", "text", "text or json")
	return cmd
}
