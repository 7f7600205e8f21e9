// Command hnp-sync keeps a Git directory of Hedgehog fabric YAML and NetBox in step. Each subcommand has a file of its
// own here, which holds flags, wiring and exit codes and nothing else.
//
// Exit codes: 0 done, 1 findings or failure, 2 wrong usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/hnp-sync/hnp-sync/app/config"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// commands is the list of subcommands: a new one is added here.
func commands() []*cobra.Command {
	return []*cobra.Command{
		newServeCommand(),
		newDemoCommand(),
		newStatusCommand(),
		newSyncCommand(),
		newConflictsCommand(),
		newApproveCommand(),
		newDevCommand(),
		newValidateCommand(),
		newSetupCommand(),
		newReplayCommand(),
		newDoctorCommand(),
		newVersionCommand(),
	}
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	code := 1
	var exit *exitError
	if errors.As(err, &exit) {
		code = exit.code
	}
	var problems config.Problems
	switch text := err.Error(); {
	case text == "":
	case errors.As(err, &problems):
		fmt.Fprintln(stderr, problems) // each line begins with its FILE:LINE, as compilers and editors expect it
	default:
		fmt.Fprintln(stderr, "hnp-sync:", text)
	}
	return code
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "hnp-sync",
		Short: "Keep a Git directory of Hedgehog fabric YAML and NetBox in step, both ways",
		// Errors are printed once, by run; a failure at work is no reason to print the usage.
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			text := fmt.Sprintf("there is no command %q", args[0])
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				text += fmt.Sprintf("; did you mean %q?", near[0])
			}
			return usageError(errors.New(text + "; hnp-sync help lists the commands"))
		},
	}
	root.SuggestionsMinimumDistance = 2
	root.AddCommand(commands()...)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError(fmt.Errorf("%w; see %s --help", err, cmd.CommandPath()))
	})
	markUsage(root)
	return root
}

// markUsage makes wrong arguments of every command exit with 2.
func markUsage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError(fmt.Errorf("%w; see %s --help", err, cmd.CommandPath()))
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		markUsage(sub)
	}
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "hnp-sync", version())
			return err
		},
	}
}

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "development"
}
