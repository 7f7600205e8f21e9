package setup

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/app/config"
	"github.com/hnp-sync/hnp-sync/gitops/githubtest"
	"github.com/hnp-sync/hnp-sync/gitops/repo"
	"github.com/hnp-sync/hnp-sync/netbox"
	"github.com/hnp-sync/hnp-sync/netbox/netboxtest"
)

const nbToken = "nbt_hnpsyncapp01.hnpsyncapphnpsyncapphnpsync"

const repoConfig = `version: 1
fabrics:
  - name: fabric-1
    directory: fabrics/one
  - name: fabric-2
    directory: fabrics/two
  - name: fabric-1
    slug: third
    netbox: lab
    branch: elsewhere
    directory: fabrics/three
  - name: fabric-4
    directory: fabrics/four
    colour: red
`

// ward is a patient: both stand-ins and a configuration.
func ward(t *testing.T, permissions map[string]string) (*Doctor, *Access, *githubtest.Server) {
	t.Helper()
	dir := t.TempDir()
	gh, err := githubtest.New(githubtest.Options{Dir: filepath.Join(dir, "github"), Seed: &githubtest.Seed{GitHub: githubtest.SeedGitHub{
		Orgs: []githubtest.SeedOrg{{Login: "acme"}, {Login: "other"}},
		Repos: []githubtest.SeedRepo{
			{Owner: "acme", Name: "fabrics", Files: map[string]string{".github/hnp-sync.yaml": repoConfig, "fabrics/one/a.txt": "x"}},
			{Owner: "acme", Name: "plain", Files: map[string]string{"README.md": "x"}},
			{Owner: "other", Name: "theirs", Files: map[string]string{"README.md": "x"}}},
		Apps: []githubtest.SeedApp{{AppID: 1234, Slug: "hnp-sync", Permissions: permissions, Events: []string{"push"}, WebhookURL: "http://127.0.0.1:1/", WebhookSecret: "geheim",
			Installations: []githubtest.SeedInstallation{{InstallationID: 34, Account: "acme"}, {InstallationID: 35, Account: "other"}}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = gh.Close() })
	if err := gh.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	nb, err := netboxtest.New(netboxtest.Options{Seed: &netboxtest.Seed{Tokens: map[string]netboxtest.SeedToken{nbToken: {Username: "hnp-sync"}},
		Fabrics: []netboxtest.SeedFabric{{ID: 1, Name: "fabric-1"}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nb.Close() })
	if err := nb.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	key, err := gh.PrivateKey("hnp-sync")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"app.pem": string(key), "hook": "geheim", "nb": nbToken, "bad": "nbt_wrongwrong01.wrongwrongwrongwrong", "hnp-sync.yaml": fmt.Sprintf(`
github: {app_id: 1234, private_key_file: app.pem, webhook_secret_files: [hook], base_url: %q}
netbox:
  - {name: default, url: %q, token_file: nb, webhook_secret_files: [hook]}
  - {name: lab, url: %q, token_file: bad, webhook_secret_files: [hook]}
repositories: [{match: acme/*, netbox: [default]}]
`, gh.URL(), nb.URL(), nb.URL())} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Load(filepath.Join(dir, "hnp-sync.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	access, err := Open(cfg.GitHub, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(access.Close)
	d := &Doctor{Config: cfg, GitHub: access, NetBox: map[string]NetBox{}}
	if d.Manifest, err = AppManifest(); err != nil {
		t.Fatal(err)
	}
	for _, n := range cfg.NetBox {
		c, err := netbox.Dial(netbox.Config{Name: n.Name, URL: n.URL, Token: n.Token.Reveal()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		d.NetBox[n.Name] = c
	}
	return d, access, gh
}

func text(findings []Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%s %s: %s → %s\n", f.Level, f.Subject, f.Message, f.Advice)
	}
	return b.String()
}

func expect(t *testing.T, findings []Finding, lines ...string) {
	t.Helper()
	got := text(findings)
	for _, want := range lines {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for _, f := range findings {
		if f.Level != OK && f.Advice == "" {
			t.Errorf("says not what to do: %+v", f)
		}
	}
	for _, secret := range []string{"geheim", nbToken, "hnpsyncapphnpsync", "wrongwrongwrong", "PRIVATE KEY"} {
		if strings.Contains(got, secret) {
			t.Errorf("a secret is in\n%s", got)
		}
	}
}

func TestExamination(t *testing.T) {
	t.Parallel()
	d, _, gh := ward(t, map[string]string{"contents": "write", "metadata": "read", "issues": "read", "pull_requests": "write"})
	findings := d.Examine(t.Context())
	expect(t, findings,
		"ok configuration: ", "warning configuration: public_url is not set", "ok database: ",
		"ok netbox default: NetBox 4.", "ok netbox default: 1 fabrics", "warning netbox default: ", "error netbox lab: ",
		"ok clock: ", "ok github: App 1234 is hnp-sync",
		"warning installation acme: lacks the permissions checks: write, issues: write:",
		"ok repository acme/fabrics: fabric fabric-1: configuration, branch main and directory fabrics/one are in order",
		"error repository acme/fabrics: fabric fabric-2 does not exist in NetBox default",
		"warning repository acme/fabrics: fabric fabric-2: main has no directory fabrics/two",
		`error repository acme/fabrics: fabric fabric-1 wants the NetBox connection "lab"`,
		"error repository acme/fabrics: fabric fabric-1: there is no branch elsewhere",
		"error repository acme/fabrics: .github/hnp-sync.yaml:14:5: unknown key",
		"warning repository acme/plain: has no configuration",
		"warning repository other/theirs: no entry of repositories matches it")
	if u := gh.UnknownRoutes(); len(u) > 0 {
		t.Errorf("GitHub was asked for what it does not have: %v", u)
	}
}

func TestAnotherAppsKey(t *testing.T) {
	t.Parallel()
	d, _, _ := ward(t, map[string]string{"contents": "write", "metadata": "read"})
	g := d.Config.GitHub
	g.PrivateKeyPEM = config.NewSecret(keyPEM)
	access, err := Open(g, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(access.Close)
	d.GitHub = access
	expect(t, d.Examine(t.Context()), "error github: GitHub does not accept App 1234 with this key", "ok netbox default: ")
}

func TestClock(t *testing.T) {
	t.Parallel()
	for skew, want := range map[time.Duration]string{5 * time.Minute: "error clock: this machine's clock is 5m0s", -15 * time.Second: "warning clock: this machine's clock is -15s", time.Second: "ok clock"} {
		a := &Access{}
		a.skew.Store(&skew)
		d := &Doctor{GitHub: a}
		d.clock()
		expect(t, d.findings, want)
	}
}

func TestWithoutContents(t *testing.T) {
	t.Parallel()
	d, _, _ := ward(t, map[string]string{"metadata": "read"})
	expect(t, d.Examine(t.Context()), "error installation acme: lacks the permissions ")
}

func TestDatabaseThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	if err := writable(filepath.Join(t.TempDir(), "nowhere", "state.db")); err == nil {
		t.Error("a folder that does not exist")
	}
	dir := t.TempDir()
	if err := writable(filepath.Join(dir, "state.db")); err != nil {
		t.Error(err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

func TestFindingsAreHarmlessInATerminal(t *testing.T) {
	t.Parallel()
	if got := plain("a\x1b[31mb\u202ec\nd" + strings.Repeat("é", 700)); strings.ContainsAny(got, "\x1b\u202e\n") || len([]rune(got)) != 601 {
		t.Errorf("got %q", got)
	}
}

// fake is a GitHub whose one repository is as a test wants it.
type fake struct {
	*Access
	installation repo.Installation
	repository   repo.RepositoryInfo
	protected    bool
}

func (f fake) Identity(context.Context) (repo.Identity, error) {
	return repo.Identity{ID: 1234, Slug: "hnp-sync"}, nil
}

func (f fake) Installations(context.Context) ([]repo.Installation, error) {
	return []repo.Installation{f.installation}, nil
}

func (f fake) Repositories(context.Context, int64) ([]repo.RepositoryInfo, error) {
	return []repo.RepositoryInfo{f.repository}, nil
}

func (f fake) ReadConfig(context.Context, repo.Ref, string) (repo.ConfigFile, error) {
	return repo.ConfigFile{Path: ".github/hnp-sync.yaml", DefaultBranch: "main", Data: []byte("version: 1\nfabrics: [{name: fabric-1, directory: a}]\n")}, nil
}

func (f fake) Directory(context.Context, repo.Ref, string, string) (bool, error) { return true, nil }

func (f fake) Protected(context.Context, repo.Ref, string) (bool, error) { return f.protected, nil }

func TestStatesOfInstallationsAndRepositories(t *testing.T) {
	t.Parallel()
	m, err := AppManifest()
	if err != nil {
		t.Fatal(err)
	}
	without := func(name string) map[string]string {
		p := maps.Clone(m.Permissions)
		delete(p, name)
		return p
	}
	for name, tt := range map[string]struct {
		permissions         map[string]string
		suspended, archived bool
		protected           bool
		teams               []string
		want                string
	}{
		"suspended":                    {permissions: m.Permissions, suspended: true, want: "warning installation acme: is suspended"},
		"archived":                     {permissions: m.Permissions, archived: true, want: "warning repository acme/x: is archived"},
		"protected":                    {permissions: m.Permissions, protected: true, want: "mode: pull_request"},
		"in order":                     {permissions: m.Permissions, want: "ok repository acme/x: fabric fabric-1: configuration, branch main and directory a are in order"},
		"no members, no teams":         {permissions: without("members"), want: "ok installation acme: has all permissions"},
		"no members, but teams":        {permissions: without("members"), teams: []string{"acme/network"}, want: "warning installation acme: lacks the permissions members: read:"},
		"more than asked for is taken": {permissions: map[string]string{"contents": "write", "pull_requests": "write", "issues": "write", "checks": "write", "metadata": "write", "members": "admin"}, want: "ok installation acme: has all permissions"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &Doctor{Manifest: m, fabrics: map[string][]string{}, Config: &config.Config{NetBox: []config.NetBox{{Name: "default"}}, Commands: config.Commands{Teams: tt.teams},
				Repositories: []config.Match{{Pattern: "acme/*", NetBox: []string{"default"}}}}}
			d.GitHub = fake{Access: &Access{}, protected: tt.protected, repository: repo.RepositoryInfo{ID: 1, Owner: "acme", Name: "x", Archived: tt.archived},
				installation: repo.Installation{ID: 1, Account: "acme", Suspended: tt.suspended, Permissions: tt.permissions}}
			d.github(t.Context())
			expect(t, d.findings, tt.want)
		})
	}
}
