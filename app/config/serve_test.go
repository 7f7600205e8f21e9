package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const withToken = `github:
  token_file: token
  delivery: poll
netbox:
  - {name: default, url: https://netbox.example.net, token_file: nb, webhook_secret_files: [s]}
repositories:
  - {match: acme/*, netbox: [default]}
commands: {teams: [Acme/Network, acme/on-call]}
`

func TestPersonalAccessTokenAndPoll(t *testing.T) {
	t.Parallel()
	c, _, err := load(t, withToken)
	if err != nil {
		t.Fatal(err)
	}
	g := c.GitHub
	if g.Token.Reveal() != "apitoken" || g.AppID != 0 || g.PrivateKey != nil || !g.PrivateKeyPEM.IsZero() || g.Delivery != DeliveryPoll || g.WebhookSecrets != nil {
		t.Errorf("got %+v", g)
	}
	if want := []string{"acme/network", "acme/on-call"}; !reflect.DeepEqual(c.Commands.Teams, want) {
		t.Errorf("teams %v, want %v", c.Commands.Teams, want)
	}
	c, _, err = load(t, strings.Replace(withToken, "  token_file: token\n  delivery: poll\n", "  webhook_secret_files: [current]\n", 1), "HNP_SYNC_GITHUB_TOKEN=envtoken", "HNP_SYNC_COMMANDS_TEAMS=a/b, c/d")
	if err != nil || c.GitHub.Token.Reveal() != "envtoken" || len(c.GitHub.WebhookSecrets) != 1 || c.GitHub.Delivery != DeliveryWebhook ||
		!reflect.DeepEqual(c.Commands.Teams, []string{"a/b", "c/d"}) {
		t.Errorf("from the environment: %+v, %v", c, err)
	}
}

// TestPollAsAnApp: webhook secrets may stay in the file, so that changing the delivery is one line.
func TestPollAsAnApp(t *testing.T) {
	t.Parallel()
	c, _, err := load(t, strings.Replace(minimal, "app_id: 1234", "app_id: 1234\n  delivery: poll", 1))
	if err != nil || len(c.GitHub.WebhookSecrets) != 1 || c.GitHub.AppID != 1234 {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestServerRefusesWhatItWouldIgnore: an entry leaves this table when the server obeys its key.
func TestServerRefusesWhatItWouldIgnore(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		yaml string
		env  []string
		want []string
	}{
		"all three in the file": {yaml: withToken, want: []string{":2: github.token_file: is not supported yet", ":3: github.delivery: poll is not supported yet",
			":8: commands.teams: is not supported yet"}},
		"from the environment": {yaml: minimal, env: []string{"HNP_SYNC_GITHUB_DELIVERY=poll"},
			want: []string{"environment HNP_SYNC_GITHUB_DELIVERY: github.delivery: poll is not supported yet"}},
		"nothing": {yaml: minimal},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(folder(t, tt.yaml), "hnp-sync.yaml")
			if _, err := Load(path, tt.env); err != nil {
				t.Fatalf("Load takes it: %v", err)
			}
			h, err := NewHolder(path, tt.env)
			if (err != nil) != (len(tt.want) > 0) || (h == nil) != (err != nil) {
				t.Fatalf("got %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in\n%v", want, err)
				}
			}
		})
	}
}

func TestReloadRefusesWhatItWouldIgnore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(folder(t, minimal), "hnp-sync.yaml")
	h, err := NewHolder(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := h.Get()
	if err := os.WriteFile(path, []byte(withToken), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Reload(); err == nil || !strings.Contains(err.Error(), "github.token_file: is not supported yet") || h.Get() != first {
		t.Errorf("got %v", err)
	}
}
