// Package config reads the server's configuration: one YAML (or JSON) file, overridden by environment variables.
//
// It is strict: an unknown key, a wrong type, an empty secret or a value that cannot work is an error that names file,
// line and key, and all errors are reported at once. What is not built yet is refused by its key's name, never ignored.
// Secrets are read at load time, trimmed, and held in a type that prints as "[secret]" whatever it is printed with.
//
// The file is written by the operator, but is still read within limits (size, nesting, aliases), so that a wrong path in
// --config cannot exhaust the process. The package opens only the named file and the secret files it names.
package config

import (
	"crypto/rsa"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// Defaults of what the file may leave out.
const (
	DefaultFile        = "hnp-sync.yaml"
	DefaultListen      = "127.0.0.1:8080"
	DefaultDatabase    = "sqlite:state.db"
	DefaultGitHubURL   = "https://api.github.com"
	DefaultPoll        = 60 * time.Second
	DefaultFullCompare = 15 * time.Minute
	DefaultDebounce    = time.Second
)

// MinInterval is the shortest interval that is accepted.
const MinInterval = 100 * time.Millisecond

// Config is one valid configuration. It is never changed after Load; a reload makes a new one.
type Config struct {
	// File is the path it was read from.
	File string
	// Listen is HOST:PORT; port 0 takes a free one.
	Listen string
	// PublicURL is what links point to, without a slash at the end; empty when not set.
	PublicURL string
	// Database is "sqlite:PATH" with an absolute path.
	Database string
	// APIToken lets callers use the API without a NetBox token; empty when not set.
	APIToken     Secret
	GitHub       GitHub
	NetBox       []NetBox // at least one, in the file's order, names unique
	Repositories []Match  // at least one, in the file's order
	Intervals    Intervals
	Commands     Commands
	// Mirror writes mapping fields back to NetBox.
	Mirror bool
	// People maps NetBox users to commit co-authors ("Alice Ng <alice@example.com>").
	People map[string]string

	unserved Problems
}

// Values of github.delivery.
const (
	DeliveryWebhook = "webhook" // GitHub posts to /webhooks/github
	DeliveryPoll    = "poll"    // GitHub is asked; no port needs to be reachable
)

// GitHub is how this server acts on GitHub: either as an App (AppID, PrivateKey) or with a personal access token
// (Token), never both.
type GitHub struct {
	// AppID is 0 with a Token.
	AppID int64
	// PrivateKey is the App's key; PrivateKeyPEM the same as it was given (PKCS#1 or PKCS#8). Nil and empty with a Token.
	PrivateKey    *rsa.PrivateKey
	PrivateKeyPEM Secret
	// Token is a personal access token; empty with an App.
	Token Secret
	// WebhookSecrets are all valid at the same time, none empty. At least one, unless Delivery is DeliveryPoll.
	WebhookSecrets []Secret
	// BaseURL is the REST root without a slash at the end.
	BaseURL string
	// Delivery is DeliveryWebhook or DeliveryPoll.
	Delivery string
}

// Commands is who may give slash commands, besides needing write access to the repository.
type Commands struct {
	// Teams allow their members, each as ORG/SLUG in lower case, none twice; empty: everybody who may write.
	Teams []string
}

// GraphQLURL is the GraphQL endpoint that belongs to BaseURL: /api/graphql on GitHub Enterprise Server (whose REST root
// ends in /api/v3), else BaseURL/graphql.
func (g GitHub) GraphQLURL() string {
	if root, ok := strings.CutSuffix(g.BaseURL, "/api/v3"); ok {
		return root + "/api/graphql"
	}
	return g.BaseURL + "/graphql"
}

// NetBox is one NetBox connection.
type NetBox struct {
	Name           string // letters, digits, - and _; part of the webhook's path
	URL            string // NetBox's root without a slash at the end, without /api
	Token          Secret
	WebhookSecrets []Secret // at least one, none empty
	Backend        string   // auto | hedgehog
}

// Intervals of the timers.
type Intervals struct{ Poll, FullCompare, Debounce time.Duration }

// Match allows the repositories of a pattern to use NetBox connections.
type Match struct {
	Pattern string // owner/name, both globs; case does not matter, as for GitHub
	NetBox  []string
}

func (m Match) matches(owner, name string) bool {
	ok, err := path.Match(strings.ToLower(m.Pattern), strings.ToLower(owner+"/"+name))
	return ok && err == nil
}

// Allowed lists the connections that a repository may use, in the order of NetBox; none when no rule matches it.
func (c *Config) Allowed(owner, name string) []string {
	var out []string
	for _, n := range c.NetBox {
		for _, m := range c.Repositories {
			if m.matches(owner, name) && slices.Contains(m.NetBox, n.Name) {
				out = append(out, n.Name)
				break
			}
		}
	}
	return out
}

// Connection finds a NetBox connection by name.
func (c *Config) Connection(name string) (NetBox, bool) {
	for _, n := range c.NetBox {
		if n.Name == name {
			return n, true
		}
	}
	return NetBox{}, false
}

// Secret is a value that never appears in logs: every way of printing or encoding it gives "[secret]".
type Secret struct{ value string }

// NewSecret wraps a value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal is the value itself, for the one place that sends or compares it.
func (s Secret) Reveal() string { return s.value }

// IsZero is true for a secret that was not set.
func (s Secret) IsZero() bool { return s.value == "" }

const redacted = "[secret]"

// String, GoString, Format, MarshalText and MarshalJSON hide the value.
func (s Secret) String() string { return redacted }

// GoString hides the value.
func (s Secret) GoString() string { return redacted }

// Format hides the value, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText hides the value.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON hides the value.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
