package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hnp-sync/hnp-sync/app/config"
	"github.com/hnp-sync/hnp-sync/app/setup"
)

func newReplayCommand() *cobra.Command {
	var file, server, event string
	var anew bool
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Post a stored GitHub webhook to a running server again",
		Long: `Signs a stored webhook with the configured secret and posts it to the running server, whose answer is
printed. FILE is a delivery as GitHub's API gives it, an object with "headers" and "payload" (or
"body"), or the bare body with --event; - reads stdin.

The server knows a delivery by its id: one that is finished is answered by 200 and not worked on
again. --new-id makes another one of it.

Exit code 0 when the server took it, else 1.`,
		Example: `  hnp-sync replay delivery.json --config hnp-sync.yaml
  hnp-sync replay push.json --event push --server http://127.0.0.1:8080`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := config.Load(file, os.Environ())
			if err != nil {
				return err
			}
			if len(cfg.GitHub.WebhookSecrets) == 0 {
				return errors.New("the configuration has no github.webhook_secret_files: the server would refuse every webhook")
			}
			address, err := replayServer(server, cfg)
			if err != nil {
				return err
			}
			src, err := readDelivery(cmd.InOrStdin(), args[0])
			if err != nil {
				return usageError(err)
			}
			d, err := setup.ParseDelivery(src, event, cfg.GitHub.AppID)
			if err != nil {
				return usageError(fmt.Errorf("%s %w", args[0], err))
			}
			if anew {
				d.GUID = setup.NewGUID()
			}
			status, text, err := setup.Post(cmd.Context(), nil, address, cfg.GitHub.WebhookSecrets[0].Reveal(), d)
			if err != nil {
				return err
			}
			p := &printer{w: cmd.OutOrStdout()}
			p.line("%s %s: %d %s", d.Event, d.GUID, status, text)
			if p.err == nil && (status < 200 || status > 299) {
				return &exitError{code: 1}
			}
			return p.err
		},
	}
	cmd.Flags().StringVar(&file, "config", config.DefaultFile, "server configuration, for the webhook secret and the address")
	cmd.Flags().StringVar(&server, "server", "", "URL of the running server (or HNP_SYNC_SERVER; default: the configuration's listen)")
	cmd.Flags().StringVar(&event, "event", "", "name of the event, for a bare body: push, pull_request, ...")
	cmd.Flags().BoolVar(&anew, "new-id", false, "post it as another delivery, so that a finished one is worked on again")
	return cmd
}

// replayServer is the address to post to. Only the signature travels there, not the secret.
func replayServer(flag string, cfg *config.Config) (string, error) {
	if flag == "" {
		flag = os.Getenv("HNP_SYNC_SERVER")
	}
	if flag != "" {
		u, err := url.Parse(strings.TrimRight(flag, "/"))
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return "", usageError(fmt.Errorf("--server %q: use a URL like http://127.0.0.1:8080", flag))
		}
		return u.String(), nil
	}
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil || port == "0" {
		return "", usageError(fmt.Errorf("listen is %s in the configuration, which says no port: give --server URL", cfg.Listen))
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

func readDelivery(stdin io.Reader, name string) ([]byte, error) {
	r := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		r = f
	}
	src, err := io.ReadAll(io.LimitReader(r, setup.MaxDelivery+1))
	if err == nil && len(src) > setup.MaxDelivery {
		err = fmt.Errorf("%s is larger than any webhook of GitHub (25 MiB)", name)
	}
	return src, err
}
