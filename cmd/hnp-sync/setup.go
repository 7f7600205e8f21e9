package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hnp-sync/hnp-sync/app/config"
	"github.com/hnp-sync/hnp-sync/app/setup"
)

// newSetupCommand holds what is done once before the first start.
func newSetupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Register the GitHub App",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSetupGitHubCommand())
	return cmd
}

func newSetupGitHubCommand() *cobra.Command {
	var org, github, publicURL, listen string
	var files setup.Files
	cmd := &cobra.Command{
		Use:   "github",
		Short: "Register the GitHub App from its manifest and write its key and configuration",
		Long: `Shows an address to open in a browser. There GitHub asks for the App's name, creates it with the
permissions and events of app.yml, and hands its key to this command, which writes app.pem and
github-webhook-secret (readable by you alone) and the github: section of the configuration, all
beside --config. Then the browser goes on to the page that installs the App on repositories.

The key and the secret are never printed. Existing key files are not overwritten without --force;
a configuration keeps every byte it has, and one with a github: section is not changed at all.`,
		Example: `  hnp-sync setup github --public-url https://sync.example.net --org acme
  hnp-sync setup github --public-url https://sync.example.net --github https://github.example.com`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			web, api, err := setup.Endpoints(github)
			if err != nil {
				return usageError(fmt.Errorf("--github: %w", err))
			}
			place, err := files.Look()
			if err != nil {
				return err
			}
			if publicURL == "" {
				publicURL = place.PublicURL
			}
			if publicURL, err = setup.PublicURL(publicURL); err != nil {
				return usageError(fmt.Errorf("--public-url: %w", err))
			}
			host, _, err := net.SplitHostPort(listen)
			if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
				return usageError(errors.New("--listen: use a loopback address such as 127.0.0.1:8089; from another machine tunnel to it"))
			}
			manifest, err := setup.AppManifest()
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
			if err != nil {
				return fmt.Errorf("listen on %s: %w", listen, err)
			}
			var paste string
			flow := setup.Flow{Web: web, API: api, Org: org, PublicURL: publicURL, Manifest: manifest, Save: func(app setup.App) (err error) {
				paste, err = files.Save(app, publicURL, api)
				return err
			}}
			p := &printer{w: cmd.OutOrStdout()}
			app, err := flow.Run(ctx, listener, func(address string) {
				_, port, _ := net.SplitHostPort(listener.Addr().String())
				p.line("Open this address in a browser within an hour:\n\n  %s\n", address)
				p.line("Is the browser on another machine? Run this there first:\n\n  ssh -L %s:%s THIS-MACHINE\n", port, listener.Addr())
				p.line("Waiting for GitHub. Ctrl-C ends without leaving anything.")
			})
			if errors.Is(err, context.Canceled) {
				return errors.New("stopped: no App was registered here and nothing was written")
			}
			if err != nil {
				return fmt.Errorf("register the App: %w", err)
			}
			p.line("Registered App %d (%s). Its key and webhook secret are in %s and %s.", app.ID, app.Slug, setup.KeyFile, setup.SecretFile)
			if paste != "" {
				p.line("%s was not changed. Put these lines into it:\n\n%s", files.Config, strings.TrimRight(paste, "\n"))
			}
			p.line("Install it on repositories: %s\nThen: hnp-sync doctor --config %s", app.InstallURL, files.Config)
			return p.err
		},
	}
	cmd.Flags().StringVar(&org, "org", "", "organisation that owns the App (default: your own account)")
	cmd.Flags().StringVar(&github, "github", "https://github.com", "GitHub's address: github.com, TENANT.ghe.com or a GitHub Enterprise Server")
	cmd.Flags().StringVar(&files.Config, "config", config.DefaultFile, "server configuration to create or complete")
	cmd.Flags().StringVar(&publicURL, "public-url", "", "where GitHub reaches the server (default: public_url of the configuration)")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "loopback address of the page; port 0 takes a free one")
	cmd.Flags().BoolVar(&files.Force, "force", false, "replace existing key and secret files")
	return cmd
}
