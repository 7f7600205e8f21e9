package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

var pkcs1, pkcs8, ecKey = func() ([]byte, []byte, []byte) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	p8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	ec8, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: p8}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: ec8})
}()

const minimal = `github:
  app_id: 1234
  private_key_file: app.pem
  webhook_secret_files: [current]
netbox:
  - {name: default, url: https://netbox.example.net, token_file: nb, webhook_secret_files: [s]}
repositories:
  - {match: acme/*, netbox: [default]}
`

// folder holds the secret files that minimal names, and the configuration.
func folder(t testing.TB, yaml string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"hnp-sync.yaml": yaml, "app.pem": string(pkcs1), "app8.pem": string(pkcs8), "ec.pem": string(ecKey),
		"current": " hook1\n", "previous": "hook0", "nb": "\n nbtoken \n", "s": "nbhook", "token": "apitoken\n", "empty": " \n", "two": "a b"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t *testing.T, yaml string, env ...string) (*Config, string, error) {
	t.Helper()
	dir := folder(t, yaml)
	c, err := Load(filepath.Join(dir, "hnp-sync.yaml"), env)
	return c, dir, err
}

func TestMinimalHasDefaults(t *testing.T) {
	t.Parallel()
	c, dir, err := load(t, minimal)
	if err != nil {
		t.Fatal(err)
	}
	if c.GitHub.PrivateKey == nil {
		t.Fatal("no private key")
	}
	c.GitHub.PrivateKey = nil
	want := &Config{
		File: filepath.Join(dir, "hnp-sync.yaml"), Listen: "127.0.0.1:8080", Database: "sqlite:" + filepath.Join(dir, "state.db"),
		GitHub: GitHub{AppID: 1234, PrivateKeyPEM: NewSecret(strings.TrimSpace(string(pkcs1))), WebhookSecrets: []Secret{NewSecret("hook1")},
			BaseURL: "https://api.github.com", Delivery: DeliveryWebhook},
		NetBox:       []NetBox{{Name: "default", URL: "https://netbox.example.net", Token: NewSecret("nbtoken"), WebhookSecrets: []Secret{NewSecret("nbhook")}, Backend: "auto"}},
		Repositories: []Match{{Pattern: "acme/*", NetBox: []string{"default"}}},
		Intervals:    Intervals{Poll: time.Minute, FullCompare: 15 * time.Minute, Debounce: time.Second}, Mirror: true,
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestEveryKeyIsRead(t *testing.T) {
	t.Parallel()
	c, dir, err := load(t, `
listen: ":0"
public_url: https://sync.example.net/app/
database: sqlite:/var/lib/hnp/state.db
api_token_file: token
github: {app_id: 7, private_key_file: ./app8.pem, webhook_secret_files: [current, previous], base_url: "https://ghe.example/api/v3/", delivery: webhook}
netbox:
  - {name: a, url: "http://127.0.0.1:8000/netbox/", token_file: nb, webhook_secret_files: [s, current], backend: hedgehog}
  - &two {name: b, url: https://b.example, token_file: nb, webhook_secret_files: [s]}
repositories:
  - {match: acme/net-*, netbox: [b]}
  - {match: acme/net-1, netbox: [a]}
intervals: {poll: 100ms, full_compare: 1h, debounce: 2s}
mirror: false
people: {alice: "Alice Ng <alice@example.com>"}
`)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != ":0" || c.PublicURL != "https://sync.example.net/app" || c.Database != "sqlite:/var/lib/hnp/state.db" ||
		c.APIToken.Reveal() != "apitoken" || c.Mirror || c.People["alice"] != "Alice Ng <alice@example.com>" {
		t.Errorf("got %+v", c)
	}
	if c.GitHub.GraphQLURL() != "https://ghe.example/api/graphql" || len(c.GitHub.WebhookSecrets) != 2 || c.GitHub.WebhookSecrets[1].Reveal() != "hook0" {
		t.Errorf("got %+v, GraphQL at %s", c.GitHub, c.GitHub.GraphQLURL())
	}
	if (GitHub{BaseURL: DefaultGitHubURL}).GraphQLURL() != "https://api.github.com/graphql" {
		t.Error("GraphQL of github.com")
	}
	if c.Intervals != (Intervals{100 * time.Millisecond, time.Hour, 2 * time.Second}) {
		t.Errorf("intervals %+v", c.Intervals)
	}
	if n, ok := c.Connection("a"); !ok || n.URL != "http://127.0.0.1:8000/netbox" || n.Backend != "hedgehog" || len(n.WebhookSecrets) != 2 {
		t.Errorf("connection a: %+v", n)
	}
	for repo, want := range map[string][]string{"acme/net-1": {"a", "b"}, "ACME/Net-2": {"b"}, "acme/other": nil, "evil/net-1": nil, "acme/net-1/x": nil} {
		owner, name, _ := strings.Cut(repo, "/")
		if got := c.Allowed(owner, name); !reflect.DeepEqual(got, want) {
			t.Errorf("%s may use %v, want %v", repo, got, want)
		}
	}
	if !strings.HasPrefix(c.File, dir) {
		t.Errorf("file %s", c.File)
	}
}

// TestDocumentedFileIsTaken reads the example of docs/configuration.md.
func TestDocumentedFileIsTaken(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.FromSlash(docs))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok || !strings.Contains(example, "private_key_file") {
		t.Fatal("the documentation holds no example")
	}
	c, dir, err := load(t, example)
	if err != nil {
		t.Fatal(err)
	}
	if c.PublicURL != "https://sync.example.net" || c.Database != "sqlite:"+filepath.Join(dir, "state.db") || len(c.GitHub.WebhookSecrets) != 2 ||
		c.Intervals != (Intervals{DefaultPoll, DefaultFullCompare, DefaultDebounce}) || !c.Mirror {
		t.Errorf("got %+v", c)
	}
}

func TestJSONIsYAML(t *testing.T) {
	t.Parallel()
	c, _, err := load(t, `{"github":{"app_id":1,"private_key_file":"app.pem","webhook_secret_files":["current"]},
	"netbox":[{"name":"default","url":"https://n","token_file":"nb","webhook_secret_files":["s"]}],"repositories":[{"match":"a/b","netbox":["default"]}]}`)
	if err != nil || c.GitHub.AppID != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
}

func TestJSONWithTabs(t *testing.T) {
	t.Parallel()
	c, _, err := load(t, "{\n\t\"github\": {\n\t\t\"app_id\": 1,\n\t\t\"private_key_file\": \"app.pem\",\n\t\t\"webhook_secret_files\": [\n\t\t\t\"current\"\n\t\t]\n\t},\n"+
		"\t\"netbox\": [{\"name\": \"default\", \"url\": \"https:\\/\\/n\", \"token_file\": \"nb\", \"webhook_secret_files\": [\"s\"]}],\n\t\"repositories\": [{\"match\": \"a/b\", \"netbox\": [\"default\"]}]\n}\n")
	if err != nil || c.NetBox[0].URL != "https://n" {
		t.Fatalf("%+v, %v", c, err)
	}
}

func TestProblemsNameLineAndKey(t *testing.T) {
	t.Parallel()
	swap := func(old, new string) string {
		if !strings.Contains(minimal, old) {
			t.Fatalf("%q is not in the minimal file", old)
		}
		return strings.Replace(minimal, old, new, 1)
	}
	tests := map[string]struct {
		yaml string
		want []string
	}{
		"empty file":                {"# nothing\n", []string{"1: github: is missing", "1: netbox: is missing", "1: repositories: is missing"}},
		"no mapping":                {"- a\n", []string{"1: must be a mapping, is a list"}},
		"not YAML":                  {minimal + "x: [1\ny: 2\n", []string{"not YAML"}},
		"tab":                       {"listen: a\n\tb: c\n", []string{"2: not YAML"}},
		"two documents":             {minimal + "---\na: 1\n", []string{"only one document is allowed"}},
		"unknown key":               {minimal + "lisen: x\n", []string{"9: lisen: unknown key: did you mean listen?"}},
		"unknown far key":           {minimal + "somethingelse: x\n", []string{"9: somethingelse: unknown key"}},
		"unknown nested key":        {swap("app_id: 1234", "app_id: 1234\n  colour: red"), []string{"3: github.colour: unknown key"}},
		"unknown item key":          {swap("name: default,", "name: default, uri: x,"), []string{"6: netbox[0].uri: unknown key: did you mean url?"}},
		"doubled key":               {minimal + "listen: a:1\nlisten: b:1\n", []string{"10: listen: is already set on line 9"}},
		"secret in the file":        {swap("app_id: 1234", "app_id: 1234\n  private_key: abc"), []string{"3: github.private_key: a secret is not written here: put it into a file and name that in private_key_file"}},
		"missing app id":            {swap("  app_id: 1234\n", ""), []string{"2: github.app_id: is missing"}},
		"app id is text":            {swap("1234", "abc"), []string{"2: github.app_id: must be an integer"}},
		"app id is 0":               {swap("1234", "0"), []string{"2: github.app_id: must be positive"}},
		"app id is a list":          {swap("1234", "[1]"), []string{"2: github.app_id: must be an integer, is a list"}},
		"empty value":               {swap("app_id: 1234", "app_id:"), []string{"2: github.app_id: is empty"}},
		"missing secret file":       {swap("[current]", "[nowhere]"), []string{"4: github.webhook_secret_files[0]: cannot read the secret: stat ", "no such file"}},
		"empty secret file":         {swap("[current]", "[current, empty]"), []string{"4: github.webhook_secret_files[1]: the secret file ", "is empty"}},
		"no secret":                 {swap("[current]", "[]"), []string{"4: github.webhook_secret_files: is empty"}},
		"secret not a list":         {swap("[current]", "current"), []string{"4: github.webhook_secret_files: must be a list, is a single value"}},
		"token with a space":        {swap("token_file: nb", "token_file: two"), []string{"6: netbox[0].token_file: the token holds white space"}},
		"secret is a folder":        {swap("token_file: nb", "token_file: ."), []string{"netbox[0].token_file: cannot read the secret", "is a folder"}},
		"key is no key":             {swap("app.pem", "current"), []string{"3: github.private_key_file: holds no PEM block"}},
		"key is EC":                 {swap("app.pem", "ec.pem"), []string{"3: github.private_key_file: holds a key that is not RSA"}},
		"token and App":             {swap("app_id: 1234", "app_id: 1234\n  token_file: nb"), []string{"3: github.token_file: is set beside github.app_id", "3: github.token_file: is set beside github.private_key_file"}},
		"token and key":             {swap("app_id: 1234", "token_file: nb"), []string{"2: github.token_file: is set beside github.private_key_file: give either the token or the App"}},
		"neither token nor App":     {swap("  app_id: 1234\n  private_key_file: app.pem\n", ""), []string{"2: github.app_id: is missing", "2: github.private_key_file: is missing"}},
		"token with white space":    {swap("app_id: 1234\n  private_key_file: app.pem", "token_file: two"), []string{"2: github.token_file: the token holds white space"}},
		"token in the file":         {swap("app_id: 1234\n  private_key_file: app.pem", "token: geheim"), []string{"2: github.token: a secret is not written here: put it into a file and name that in token_file"}},
		"no secret for webhooks":    {swap("  webhook_secret_files: [current]\n", ""), []string{"2: github.webhook_secret_files: is missing"}},
		"delivery unknown":          {swap("app_id: 1234", "app_id: 1234\n  delivery: pigeon"), []string{"3: github.delivery: must be webhook or poll"}},
		"team without organisation": {minimal + "commands: {teams: [network]}\n", []string{"9: commands.teams[0]: must be ORG/TEAM-SLUG"}},
		"team by its title":         {minimal + "commands: {teams: [\"acme/Network Team\"]}\n", []string{"9: commands.teams[0]: must be ORG/TEAM-SLUG"}},
		"team with an at sign":      {minimal + "commands: {teams: [\"@acme/network\"]}\n", []string{"9: commands.teams[0]: must be ORG/TEAM-SLUG"}},
		"team twice":                {minimal + "commands: {teams: [acme/network, ACME/Network]}\n", []string{"9: commands.teams[1]: is listed twice"}},
		"no team":                   {minimal + "commands: {teams: []}\n", []string{"9: commands.teams: is empty"}},
		"unknown key of commands":   {minimal + "commands: {team: [acme/network]}\n", []string{"9: commands.team: unknown key: did you mean teams?"}},
		"custom-objects later":      {swap("name: default,", "name: default, backend: custom-objects,"), []string{"6: netbox[0].backend: custom-objects is not supported yet"}},
		"backend unknown":           {swap("name: default,", "name: default, backend: x,"), []string{"6: netbox[0].backend: must be auto or hedgehog"}},
		"postgres later":            {minimal + "database: postgres://u:geheim@h/db\n", []string{"9: database: PostgreSQL is not supported yet: use sqlite:PATH"}},
		"database unknown":          {minimal + "database: mysql\n", []string{"9: database: must be sqlite:PATH"}},
		"short interval":            {minimal + "intervals: {poll: 99ms}\n", []string{"9: intervals.poll: must be at least 100ms"}},
		"interval without unit":     {minimal + "intervals: {poll: 60}\n", []string{"9: intervals.poll: must be a duration with a unit"}},
		"interval unknown":          {minimal + "intervals: {pol: 60s}\n", []string{"9: intervals.pol: unknown key: did you mean poll?"}},
		"mirror yes":                {minimal + "mirror: yes\n", []string{"9: mirror: must be true or false"}},
		"listen without port":       {minimal + "listen: localhost\n", []string{"9: listen: must be HOST:PORT"}},
		"listen with a large port":  {minimal + "listen: :65536\n", []string{"9: listen: must be HOST:PORT"}},
		"URL without scheme":        {swap("https://netbox.example.net", "netbox.example.net"), []string{"6: netbox[0].url: must be an absolute http or https URL"}},
		"URL with a password":       {swap("https://netbox.example.net", "https://a:geheim@netbox.example.net"), []string{"6: netbox[0].url: must hold no user name and no password"}},
		"URL with a query":          {swap("https://netbox.example.net", `"https://netbox.example.net/?a=b"`), []string{"6: netbox[0].url: must have no ? and no #"}},
		"URL with api":              {swap("https://netbox.example.net", "https://netbox.example.net/api/"), []string{"6: netbox[0].url: must be NetBox's root, without /api"}},
		"no connection":             {swap("  - {name: default, url: https://netbox.example.net, token_file: nb, webhook_secret_files: [s]}", "  []"), []string{"6: netbox: is empty"}},
		"connection name":           {swap("name: default", "name: a/b"), []string{"6: netbox[0].name: must be 1 to 63 letters"}},
		"one name twice": {swap("repositories:", "  - {name: default, url: https://b, token_file: nb, webhook_secret_files: [s]}\nrepositories:"),
			[]string{`7: netbox[1].name: "default" is already the name of netbox[0]`}},
		"one variable for two": {swap("repositories:", "  - {name: Default, url: https://b, token_file: nb, webhook_secret_files: [s]}\nrepositories:"),
			[]string{`7: netbox[1].name: "Default" and netbox[0] have the same environment variables`}},
		"match without owner":   {swap("acme/*", `"*"`), []string{"8: repositories[0].match: must be OWNER/NAME"}},
		"match bad glob":        {swap("acme/*", `"acme/[a"`), []string{"8: repositories[0].match: must be OWNER/NAME"}},
		"match of three":        {swap("acme/*", `acme/a/b`), []string{"8: repositories[0].match: must be OWNER/NAME"}},
		"unknown connection":    {swap("netbox: [default]", "netbox: [default, lab]"), []string{`8: repositories[0].netbox: no connection below netbox has the name "lab"`}},
		"people without name":   {minimal + "people: {alice: alice@example.com}\n", []string{`9: people.alice: must be "NAME <ADDRESS>"`}},
		"people with a newline": {minimal + "people: {alice: \"Alice <a@b.c>\\nHNP-Operation: x\"}\n", []string{"9: people.alice: holds a control character"}},
		"merge key":             {"x: &x {listen: a}\n" + minimal + "intervals:\n  <<: *x\n", []string{"merge keys (<<) are not supported", "1: x: unknown key"}},
		"several at once":       {swap("1234", "abc") + "lisen: x\n", []string{"2: github.app_id", "9: lisen"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, dir, err := load(t, tt.yaml)
			var problems Problems
			if !errors.As(err, &problems) || c != nil {
				t.Fatalf("got %v, %v", c, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in\n%v", want, err)
				}
			}
			for _, line := range strings.Split(err.Error(), "\n") {
				if !strings.HasPrefix(line, filepath.Join(dir, "hnp-sync.yaml")+":") {
					t.Errorf("no FILE:LINE in front of %q", line)
				}
			}
			if strings.Contains(err.Error(), "geheim") {
				t.Error("the error holds a password")
			}
		})
	}
}

func TestAliasesAreBounded(t *testing.T) {
	t.Parallel()
	bomb := "people: {x: \"X <x@y>\"}\nrepositories: [&a {match: a/b, netbox: [default]}"
	bomb += strings.Repeat(", *a", 8000) + "]\n"
	_, _, err := load(t, strings.Split(minimal, "repositories:")[0]+bomb)
	if err == nil || !strings.Contains(err.Error(), "too many values") || len(err.Error()) > 1000 {
		t.Errorf("got %.300v", err)
	}
	c, _, err := load(t, strings.Replace(minimal, "[current]", "&s [current]", 1)+"people: {a: &p \"A <a@b>\", b: *p}\n")
	if err != nil || c.People["b"] != "A <a@b>" {
		t.Errorf("a plain alias: %v", err)
	}
}

func TestFileLimits(t *testing.T) {
	t.Parallel()
	if _, _, err := load(t, minimal+strings.Repeat("#", maxFileBytes)); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("large file: %v", err)
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	dir := folder(t, minimal)
	if err := os.WriteFile(filepath.Join(dir, "nb"), make([]byte, maxSecretBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(filepath.Join(dir, "hnp-sync.yaml"), nil); err == nil || !strings.Contains(err.Error(), "netbox[0].token_file: cannot read the secret") {
		t.Errorf("large secret: %v", err)
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	two := strings.Replace(minimal, "repositories:", "  - {name: default-lab, url: https://lab, token_file: nb, webhook_secret_files: [s]}\nrepositories:", 1)
	c, dir, err := load(t, two,
		"PATH=/bin", "HNP_SYNC_LISTEN=0.0.0.0:9", "HNP_SYNC_GITHUB_APP_ID=77", "HNP_SYNC_GITHUB_PRIVATE_KEY="+string(pkcs8),
		"HNP_SYNC_GITHUB_WEBHOOK_SECRETS=one two", "HNP_SYNC_NETBOX_DEFAULT_URL=https://other/", "HNP_SYNC_NETBOX_DEFAULT_TOKEN=envtoken",
		"HNP_SYNC_NETBOX_DEFAULT_LAB_URL=https://lab2", "HNP_SYNC_NETBOX_DEFAULT_LAB_WEBHOOK_SECRET_FILES=s, current", "HNP_SYNC_INTERVALS_POLL=5s",
		"HNP_SYNC_MIRROR=false", "HNP_SYNC_API_TOKEN_FILE=token", "HNP_SYNC_DATABASE=sqlite:x/y.db",
		"HNP_SYNC_SERVER=http://x", "HNP_SYNC_TOKEN=client", "HNP_SYNC_SERVICE_HOST=10.0.0.1", "HNP_SYNC_PORT_8080_TCP_ADDR=10.0.0.1", "HNP_SYNC_WEB_SERVICE_PORT=80")
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(c.Listen, c.GitHub.AppID, c.GitHub.WebhookSecrets[0].Reveal(), c.GitHub.WebhookSecrets[1].Reveal(), c.NetBox[0].URL,
		c.NetBox[0].Token.Reveal(), c.NetBox[1].URL, c.NetBox[1].WebhookSecrets[1].Reveal(), c.Intervals.Poll, c.Mirror, c.APIToken.Reveal(), strings.TrimPrefix(c.Database, "sqlite:"+dir))
	if want := "0.0.0.0:9 77 one two https://other envtoken https://lab2 hook1 5s false apitoken /x/y.db\n"; got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	if !strings.Contains(c.GitHub.PrivateKeyPEM.Reveal(), "BEGIN PRIVATE KEY") {
		t.Error("the key of the environment was not taken")
	}
	if c.NetBox[1].Token.Reveal() != "nbtoken" {
		t.Error("the other connection's token changed")
	}
}

func TestEnvironmentFillsWhatTheFileLacks(t *testing.T) {
	t.Parallel()
	c, _, err := load(t, "netbox: [{name: default}]\nrepositories: [{match: a/b, netbox: [default]}]\n",
		"HNP_SYNC_GITHUB_APP_ID=1", "HNP_SYNC_GITHUB_PRIVATE_KEY="+string(pkcs1), "HNP_SYNC_GITHUB_WEBHOOK_SECRET=x",
		"HNP_SYNC_NETBOX_DEFAULT_URL=https://n", "HNP_SYNC_NETBOX_DEFAULT_TOKEN=t", "HNP_SYNC_NETBOX_DEFAULT_WEBHOOK_SECRET=y")
	if err != nil || c.GitHub.WebhookSecrets[0].Reveal() != "x" || c.NetBox[0].WebhookSecrets[0].Reveal() != "y" {
		t.Fatalf("%+v, %v", c, err)
	}
}

func TestEnvironmentProblems(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ env, want string }{
		"unknown":          {"HNP_SYNC_LISTN=x", "environment HNP_SYNC_LISTN: unknown variable"},
		"unknown item":     {"HNP_SYNC_NETBOX_LAB_URL=x", "environment HNP_SYNC_NETBOX_LAB_URL: netbox: no entry of the file's list"},
		"wrong value":      {"HNP_SYNC_GITHUB_APP_ID=x", "environment HNP_SYNC_GITHUB_APP_ID: github.app_id: must be an integer"},
		"empty secret":     {"HNP_SYNC_NETBOX_DEFAULT_TOKEN=", "environment HNP_SYNC_NETBOX_DEFAULT_TOKEN: netbox[0].token_file: is empty"},
		"empty list":       {"HNP_SYNC_GITHUB_WEBHOOK_SECRETS= ", "environment HNP_SYNC_GITHUB_WEBHOOK_SECRETS: github.webhook_secret_files: is empty"},
		"map":              {"HNP_SYNC_PEOPLE=x", "environment HNP_SYNC_PEOPLE: people: can only be set in the file"},
		"list":             {"HNP_SYNC_REPOSITORIES=x", "environment HNP_SYNC_REPOSITORIES: repositories: can only be set in the file"},
		"token and App":    {"HNP_SYNC_GITHUB_TOKEN=geheim", "environment HNP_SYNC_GITHUB_TOKEN: github.token_file: is set beside github.app_id"},
		"delivery":         {"HNP_SYNC_GITHUB_DELIVERY=x", "environment HNP_SYNC_GITHUB_DELIVERY: github.delivery: must be webhook or poll"},
		"team":             {"HNP_SYNC_COMMANDS_TEAMS=acme/a,b", "environment HNP_SYNC_COMMANDS_TEAMS: commands.teams[1]: must be ORG/TEAM-SLUG"},
		"name":             {"HNP_SYNC_NETBOX_DEFAULT_NAME=x", "netbox[0].name: can only be set in the file"},
		"postgres":         {"HNP_SYNC_DATABASE=postgres://u:geheim@h", "environment HNP_SYNC_DATABASE: database: PostgreSQL is not supported yet"},
		"bad key":          {"HNP_SYNC_GITHUB_PRIVATE_KEY=geheim", "environment HNP_SYNC_GITHUB_PRIVATE_KEY: github.private_key_file: holds no PEM block"},
		"value and file":   {"HNP_SYNC_API_TOKEN=geheim\x01HNP_SYNC_API_TOKEN_FILE=token", "is already set by HNP_SYNC_API_TOKEN"},
		"token with space": {"HNP_SYNC_API_TOKEN=geheim x", "environment HNP_SYNC_API_TOKEN: api_token_file: the token holds white space"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := load(t, minimal, strings.Split(tt.env, "\x01")...)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "geheim") {
				t.Error("the error holds the value")
			}
		})
	}
}

func TestSecretsPrintAsNothing(t *testing.T) {
	t.Parallel()
	c, _, err := load(t, minimal)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%v %+v %#v %s %q %x", c.NetBox, c.NetBox, c.NetBox, c.NetBox[0].Token, c.NetBox[0].Token, c.NetBox[0].Token)
	b, err := json.Marshal(c.NetBox)
	if err != nil {
		t.Fatal(err)
	}
	text += string(b)
	for _, secret := range []string{"nbtoken", "nbhook", "6e62746f6b656e"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is in %s", secret, text)
		}
	}
	if !strings.Contains(text, "[secret]") {
		t.Errorf("no sign of a secret in %s", text)
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	dir := folder(t, minimal)
	file := filepath.Join(dir, "hnp-sync.yaml")
	h, err := NewHolder(file, []string{"HNP_SYNC_INTERVALS_POLL=9s"})
	if err != nil {
		t.Fatal(err)
	}
	first := h.Get()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("hnp-sync.yaml", minimal+"lisen: x\n")
	if _, err := h.Reload(); err == nil || !strings.Contains(err.Error(), "9: lisen: unknown key") || h.Get() != first {
		t.Errorf("an invalid file must be refused: %v", err)
	}
	write("hnp-sync.yaml", minimal)
	write("nb", "")
	if _, err := h.Reload(); err == nil || h.Get() != first {
		t.Errorf("an empty secret must be refused: %v", err)
	}
	write("nb", "rotated")
	write("hnp-sync.yaml", minimal+"listen: :1\nmirror: false\n")
	restart, err := h.Reload()
	if err != nil || !reflect.DeepEqual(restart, []string{"listen"}) {
		t.Errorf("reload: %v, %v", restart, err)
	}
	c := h.Get()
	if c.NetBox[0].Token.Reveal() != "rotated" || c.Mirror || c.Listen != first.Listen || c.Intervals.Poll != 9*time.Second || !first.Mirror {
		t.Errorf("after the reload: %+v", c)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := h.Reload(); err != nil {
				t.Error(err)
			}
			_ = h.Get().Listen
		})
	}
	wg.Wait()
}

func FuzzParse(f *testing.F) {
	dir := folder(f, minimal)
	f.Add([]byte(minimal), "HNP_SYNC_NETBOX_DEFAULT_URL", "https://x")
	f.Add([]byte(strings.Replace(minimal, "app_id: 1234\n  private_key_file: app.pem", "token_file: nb\n  delivery: poll", 1)), "HNP_SYNC_COMMANDS_TEAMS", "a/b,c/d")
	f.Add([]byte("a: &a [*a]\nnetbox: *a\n"), "HNP_SYNC_GITHUB_APP_ID", "1")
	f.Add([]byte("netbox: &a {name: *a}\n"), "HNP_SYNC_NETBOX__URL", "")
	f.Add([]byte("? {a: b}\n: c\n<<: {}\n"), "HNP_SYNC_", "x")
	f.Fuzz(func(t *testing.T, src []byte, name, value string) {
		c, err := parse("f.yaml", dir, src, []string{name + "=" + value})
		if (c == nil) == (err == nil) {
			t.Fatalf("%v, %v", c, err)
		}
		if c == nil {
			return
		}
		app := c.GitHub.AppID > 0 && c.GitHub.PrivateKey != nil
		if app == !c.GitHub.Token.IsZero() || (len(c.GitHub.WebhookSecrets) == 0 && c.GitHub.Delivery != DeliveryPoll) || len(c.NetBox) == 0 || len(c.Repositories) == 0 {
			t.Fatalf("a valid configuration lacks something: %+v", c)
		}
		for _, n := range c.NetBox {
			if n.Name == "" || n.URL == "" || n.Token.IsZero() || len(n.WebhookSecrets) == 0 || n.WebhookSecrets[0].IsZero() {
				t.Fatalf("a valid connection lacks something: %+v", n)
			}
		}
	})
}
