package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/hnp-sync/hnp-sync/app/api"
)

// waitStep is how often a waited-for operation is asked for.
const waitStep = 250 * time.Millisecond

func newSyncCommand() *cobra.Command {
	var flags serverFlags
	var which fabricFlags
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Bring a fabric in step now, comparing everything",
		Long: `Asks a running server to compare a fabric in full and bring both sides in step. Prints the operation.

Exit code 0 when it was accepted; with --wait 1 when it did not complete in time or failed.`,
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
			var started api.Started
			raw, err := c.do(cmd.Context(), http.MethodPost, f.path("sync"), f.query(), map[string]any{}, &started)
			if err != nil {
				return err
			}
			var op api.Operation
			op.OperationID, op.Status = started.OperationID, started.Status
			if wait > 0 {
				if raw, err = awaitOperation(cmd.Context(), c, wait, &op); err != nil {
					return err
				}
			}
			if flags.output == "json" {
				if err := printJSON(cmd.OutOrStdout(), raw); err != nil {
					return err
				}
			} else if err := printOperation(cmd, op, wait > 0); err != nil {
				return err
			}
			if op.Status == "failed" {
				return &exitError{code: 1, err: errors.New(op.ErrorMessage)}
			}
			return nil
		},
	}
	flags.add(cmd)
	which.add(cmd)
	cmd.Flags().DurationVar(&wait, "wait", 0, "wait this long for the operation to end (for example 1m)")
	return cmd
}

// awaitOperation asks until the operation has ended.
func awaitOperation(ctx context.Context, c *client, atMost time.Duration, op *api.Operation) (raw []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	path := "/api/plugins/hedgehog/sync-operations/" + url.PathEscape(op.OperationID) + "/status/"
	for {
		raw, err = c.do(ctx, http.MethodGet, path, nil, nil, op)
		if err != nil {
			break
		}
		if op.Ended() {
			return raw, nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(waitStep):
		}
		if ctx.Err() != nil {
			break
		}
	}
	if ctx.Err() != nil {
		return raw, fmt.Errorf("operation %s did not end within %s (it is %s): hnp-sync status says why", op.OperationID, atMost, op.Status)
	}
	return raw, err
}

func printOperation(cmd *cobra.Command, op api.Operation, ended bool) error {
	p := &printer{w: cmd.OutOrStdout()}
	p.line("operation %s: %s", op.OperationID, op.Status)
	if ended {
		s := op.Summary
		p.line("  files: %d processed, %d created, %d updated, %d deleted; %d conflicts resolved", s.FilesProcessed, s.FilesCreated, s.FilesUpdated, s.FilesDeleted, s.ConflictsResolved)
		if op.GitHubIntegration.CommitSHA != "" {
			p.line("  commit %s", op.GitHubIntegration.CommitSHA)
		}
	}
	return p.err
}
