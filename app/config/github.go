package config

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

func (d *decoder) github(n *yaml.Node) GitHub {
	g := GitHub{BaseURL: DefaultGitHubURL, Delivery: DeliveryWebhook}
	fields, _ := find(keys, "github")
	broken := len(d.problems)
	o := d.object(n, "github", fields.fields)
	if v := o["delivery"]; v != nil {
		switch s, ok := d.text(v, "github.delivery"); {
		case ok && s != DeliveryWebhook && s != DeliveryPoll:
			d.fail(v, "github.delivery", "must be webhook or poll")
		case ok:
			if g.Delivery = s; s == DeliveryPoll {
				d.later(v, "github.delivery", "poll is not supported yet: use webhook")
			}
		}
	}
	d.identity(n, o, g.Delivery, broken)
	if v := o["app_id"]; v != nil {
		id, ok := d.integer(v, "github.app_id")
		if ok && id <= 0 {
			d.fail(v, "github.app_id", "must be positive")
		}
		g.AppID = id
	}
	if v := o["base_url"]; v != nil {
		g.BaseURL = d.url(v, "github.base_url")
	}
	if g.Token = d.token(o, "github", "token_file"); !g.Token.IsZero() {
		v := o["token_file"]
		if v == nil {
			v = o["token"]
		}
		d.later(v, "github.token_file", "is not supported yet: use app_id and private_key_file")
	}
	g.WebhookSecrets = d.secrets(o, "github", "webhook_secret_files")
	if v, secret, ok := d.secret(o, "github", "private_key_file"); ok {
		var err error
		if g.PrivateKey, err = parsePrivateKey([]byte(secret)); err != nil {
			d.fail(v, join("github", "private_key_file"), "%s", err)
		}
		g.PrivateKeyPEM = NewSecret(secret)
	}
	return g
}

// identity checks that the keys make either an App or a personal access token, and that webhooks can be verified.
// broken is the number of problems before the mapping was read: of one that is no mapping nothing is missing.
func (d *decoder) identity(n *yaml.Node, o map[string]*yaml.Node, delivery string, broken int) {
	given := func(name string) *yaml.Node {
		if v := o[name]; v != nil {
			return v
		}
		return o[twin(name)]
	}
	if len(o) == 0 && len(d.problems) > broken {
		return
	}
	missing := func(name, format string, args ...any) {
		key := join("github", name)
		if !slices.ContainsFunc(d.problems[broken:], func(p Problem) bool { return p.Key == join("github", twin(name)) }) { // a secret written inline is said already
			d.fail(n, key, format, args...)
		}
	}
	if token := given("token_file"); token != nil {
		for _, name := range []string{"app_id", "private_key_file"} {
			if v := given(name); v != nil {
				d.fail(token, "github.token_file", "is set beside github.%s: give either the token or the App (app_id and private_key_file)", name)
			}
		}
	} else {
		for _, name := range []string{"app_id", "private_key_file"} {
			if given(name) == nil {
				missing(name, "is missing")
			}
		}
	}
	if given("webhook_secret_files") == nil && delivery != DeliveryPoll {
		missing("webhook_secret_files", "is missing")
	}
}

// parsePrivateKey takes what GitHub hands out (PKCS#1) and what openssl converts it to (PKCS#8).
func parsePrivateKey(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("holds no PEM block")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("holds no private key in PKCS#1 or PKCS#8 form, but a PEM block %q", block.Type)
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("holds a key that is not RSA: GitHub Apps use RSA keys")
	}
	return rsaKey, nil
}

// teamPattern is an organisation's login and a team's slug. A team is never named by its title, which anybody with the
// right to rename it may change into another's.
var teamPattern = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9_-]{1,100}$`)

func (d *decoder) commands(n *yaml.Node) Commands {
	var c Commands
	fields, _ := find(keys, "commands")
	v := d.object(n, "commands", fields.fields)["teams"]
	if v == nil {
		return c
	}
	d.later(v, "commands.teams", "is not supported yet: remove it")
	for i, item := range d.items(v, "commands.teams") {
		at := index("commands.teams", i)
		s, ok := d.text(item, at)
		switch s = strings.ToLower(s); {
		case !ok:
		case !teamPattern.MatchString(s):
			d.fail(item, at, "must be ORG/TEAM-SLUG, as in the address of the team's page")
		case slices.Contains(c.Teams, s):
			d.fail(item, at, "is listed twice")
		default:
			c.Teams = append(c.Teams, s)
		}
	}
	return c
}
