package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/hnp-sync/hnp-sync/app/config"
	"github.com/hnp-sync/hnp-sync/app/setup"
	"github.com/hnp-sync/hnp-sync/netbox"
)

func newDoctorCommand() *cobra.Command {
	var file, output string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check configuration, GitHub App, repositories and NetBox, and say what to do",
		Long: `Looks at everything the server's configuration names and changes nothing: the configuration and the
database file, each NetBox connection and what it can do per kind, the App's key, the clock, each
installation with its permissions, each repository with its configuration, branch and directory.

Exit code 0 when no error was found (warnings may be), 1 for an error.`,
		Example: `  hnp-sync doctor --config hnp-sync.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return usageError(fmt.Errorf("--output %q: use text or json", output))
			}
			cfg, err := config.Load(file, os.Environ())
			if err != nil {
				return err
			}
			d := &setup.Doctor{Config: cfg, NetBox: map[string]setup.NetBox{}}
			if d.Manifest, err = setup.AppManifest(); err != nil {
				return err
			}
			for _, n := range cfg.NetBox {
				c, err := netbox.Dial(netbox.Config{Name: n.Name, URL: n.URL, Token: n.Token.Reveal()})
				if err != nil {
					return err
				}
				defer c.Close()
				d.NetBox[n.Name] = c
			}
			if cfg.GitHub.Token.IsZero() {
				access, err := setup.Open(cfg.GitHub, nil)
				if err != nil {
					return err
				}
				defer access.Close()
				d.GitHub = access
			}
			findings := d.Examine(cmd.Context())
			failed := false
			p := &printer{w: cmd.OutOrStdout()}
			for _, f := range findings {
				failed = failed || f.Level == setup.Error
				if output == "text" {
					p.line("%-8s%s: %s", f.Level, f.Subject, f.Message)
					if f.Advice != "" {
						p.line("        → %s", f.Advice)
					}
				}
			}
			if output == "json" {
				raw, err := json.Marshal(map[string]any{"ok": !failed, "findings": findings})
				if err != nil {
					return err
				}
				p.err = printJSON(p.w, raw)
			}
			if p.err == nil && failed {
				return &exitError{code: 1}
			}
			return p.err
		},
	}
	cmd.Flags().StringVar(&file, "config", config.DefaultFile, "server configuration")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}
