package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"

	"github.com/hnp-sync/hnp-sync/app"
	"github.com/hnp-sync/hnp-sync/app/config"
)

func newServeCommand() *cobra.Command {
	var file, level string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the App: take webhooks and keep Git and NetBox in step",
		Long: `Runs until it is told to stop. When ready, one line of JSON on stdout says where it listens:
{"ready":true,"url":"http://127.0.0.1:8080"}. Logs are JSON lines on stderr.

SIGTERM and SIGINT drain: running work finishes or is kept for the next start. SIGHUP reads the
configuration again; an invalid one is refused and the old one stays.

Exit code 0 after a drain, 1 for a wrong configuration (FILE:LINE: key: problem) or a failure.`,
		Example: `  hnp-sync serve --config hnp-sync.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			lvl, err := zapcore.ParseLevel(level)
			if err != nil {
				return usageError(fmt.Errorf("--log-level %q: use debug, info, warn or error", level))
			}
			holder, err := config.NewHolder(file, os.Environ())
			if err != nil {
				return err
			}
			redactor := app.NewRedactor(cmd.ErrOrStderr())
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			a, err := app.New(ctx, app.Options{Config: holder, Redactor: redactor, Log: app.NewLogger(redactor, lvl), Ready: cmd.OutOrStdout()})
			if err != nil {
				return err
			}
			reload := make(chan os.Signal, 1)
			signal.Notify(reload, syscall.SIGHUP)
			reloaded := make(chan struct{})
			go func() {
				defer close(reloaded)
				reloadOnSignal(ctx, a, reload)
			}()
			err = a.Run(ctx)
			stop()
			<-reloaded
			signal.Stop(reload)
			return err
		},
	}
	cmd.Flags().StringVar(&file, "config", config.DefaultFile, "server configuration")
	cmd.Flags().StringVar(&level, "log-level", "info", "debug (with one line per request), info, warn or error")
	return cmd
}

// reloadOnSignal reloads until ctx ends. What was wrong is in the log.
func reloadOnSignal(ctx context.Context, a *app.App, signals <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
			_ = a.Reload(ctx)
		}
	}
}
