package app

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hnp-sync/hnp-sync/app/api"
	"github.com/hnp-sync/hnp-sync/gitops/githubtest"
)

const configFile = ".github/hnp-sync.yaml"

// problems are what the status says about the repository's configuration, one line each.
func problems(st api.Status) string {
	b := strings.Builder{}
	for _, r := range st.Repositories {
		for _, d := range r.Problems {
			fmt.Fprintf(&b, "%s %s:%d: %s [%s] (fix: %s)\n", r.Repository, d.File, d.StartLine, d.Message, d.Code, d.Fix)
		}
	}
	return b.String()
}

// Every wrong configuration is said with its line; the fabric that is right in it, or was before, goes on.
func TestBadRepositoryConfiguration(t *testing.T) {
	t.Parallel()
	second := "  - name: fabric-2\n    directory: gitops/hedgehog/fabric-2\n"
	cases := map[string]struct{ config, says string }{
		"unknown key":               {repoConfig + "    colour: blue\n", ":6: unknown key colour [config-key]"},
		"unknown key at the top":    {repoConfig + "colour: blue\n", ":6: unknown key colour [config-key]"},
		"doubled key":               {repoConfig + "    layout: standard\n", "[config-key]"},
		"syntax":                    {"version: [\n", ":2: not YAML: "},
		"empty":                     {"", ":1: the file is empty [config-syntax]"},
		"no UTF-8":                  {repoConfig + "# \xff\xfe\n", "the file is not UTF-8 [config-syntax]"},
		"another version":           {strings.Replace(repoConfig, "version: 1", "version: 2", 1), ":1: version 2 is not known [config-syntax]"},
		"two fabrics, one folder":   {repoConfig + strings.Replace(second, "hedgehog/fabric-2", "hedgehog/fabric-1", 1), ":7: directory gitops/hedgehog/fabric-1 on line 7 is already that of fabric \"fabric-1\" (line 3) [config-overlap]"},
		"a folder in a folder":      {repoConfig + strings.Replace(second, "hedgehog/fabric-2", "hedgehog/fabric-1/x", 1), "lie inside each other [config-overlap]"},
		"two folders, one fabric":   {repoConfig + strings.Replace(second, "name: fabric-2", "name: fabric-1", 1), ":6: NetBox fabric \"fabric-1\" on line 6 is already that of the entry on line 3 [config-overlap]"},
		"a fabric NetBox lacks":     {repoConfig + strings.Replace(second, "name: fabric-2", "name: nowhere", 1), ":6: NetBox \"default\" has no fabric \"nowhere\" [config-fabric-missing] (fix: add it at "},
		"an unknown connection":     {repoConfig + second + "    netbox: other\n", ":6: fabric \"fabric-2\": the server has no NetBox connection \"other\" [config-no-connection]"},
		"a connection not granted":  {repoConfig + second + "    netbox: lab\n", ":6: fabric \"fabric-2\": this repository may not use NetBox connection \"lab\" [config-connection-not-allowed] (fix: list it under repositories:"},
		"a folder outside":          {repoConfig + strings.Replace(second, "gitops/hedgehog", "../..", 1), ":7: must hold no \"..\" [config-value]"},
		"an absolute folder":        {repoConfig + strings.Replace(second, "gitops/hedgehog", "/etc", 1), ":7: must not be absolute [config-value]"},
		"the repository's root":     {repoConfig + strings.Replace(second, "gitops/hedgehog/fabric-2", ".", 1), ":7: must be a directory below the root [config-value]"},
		"conflicts that come later": {repoConfig + "    conflicts: timestamp\n", ":6: conflicts: timestamp is not supported yet [config-not-supported]"},
		"a very large file":         {repoConfig + strings.Repeat("# padding\n", 60<<10), "[config-syntax]"},
	}
	s := newSite(t, seedFiles(1001))
	path := filepath.Join(s.dir, "hnp-sync.yaml")
	config, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lab := fmt.Sprintf("  - {name: lab, url: %q, token_file: nb, webhook_secret_files: [hook]}\nrepositories:\n", s.netbox.URL())
	if err := os.WriteFile(path, []byte(strings.Replace(string(config), "repositories:\n", lab, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	r := s.start()
	s.eventually("the import", func() bool { return s.netboxVLAN() == 1001 })
	vlan := 1100
	for _, name := range sortedNames(cases) {
		c := cases[name]
		t.Run(name, func(t *testing.T) {
			whole := s.t
			s.t = t
			defer func() { s.t = whole }()
			vlan++
			s.gitPush("Configure", map[string]string{configFile: c.config, vpcFile: fmt.Sprintf(vpcYAML, vlan)})
			var said string
			defer func() {
				if t.Failed() {
					t.Logf("said:\n%s", said)
				}
			}()
			s.eventually("it is said: "+c.says, func() bool { said = problems(r.status()); return strings.Contains(said, c.says) })
			if !strings.HasPrefix(said, repoName+" "+configFile+":") {
				t.Error("no repository and file")
			}
			s.eventually("the right fabric goes on", func() bool { return s.netboxVLAN() == vlan })
			if st := r.quiet(); len(st.Fabrics) != 1 || st.Fabrics[0].Name != "fabric-1" || len(s.netbox.Objects("VPC")) != 1 {
				t.Errorf("fabrics %+v", st.Fabrics)
			}
		})
	}
	s.gitEdit("A link", func(dir string) {
		p := filepath.Join(dir, filepath.FromSlash(configFile))
		noError(t, os.Remove(p))
		noError(t, os.WriteFile(filepath.Join(dir, "elsewhere.yaml"), []byte(repoConfig), 0o644))
		noError(t, os.Symlink("../elsewhere.yaml", p))
		vlan++
		noError(t, os.WriteFile(filepath.Join(dir, filepath.FromSlash(vpcFile)), fmt.Appendf(nil, vpcYAML, vlan), 0o644))
	})
	s.eventually("the link is said", func() bool { return strings.Contains(problems(r.status()), "symbolic link, which is not followed") })
	s.eventually("the fabric goes on", func() bool { return s.netboxVLAN() == vlan })
	s.gitEdit("Both spellings", func(dir string) {
		p := filepath.Join(dir, filepath.FromSlash(configFile))
		noError(t, os.Remove(p))
		noError(t, os.WriteFile(p, []byte(repoConfig), 0o644))
		noError(t, os.WriteFile(strings.TrimSuffix(p, "yaml")+"yml", []byte("fabrics: []\n"), 0o644))
	})
	s.eventually("both are said", func() bool {
		return strings.Contains(problems(r.status()), ".github/hnp-sync.yml exists too and is not read")
	})
	s.gitEdit("Repair", func(dir string) {
		noError(t, os.Remove(filepath.Join(dir, ".github", "hnp-sync.yml")))
	})
	s.eventually("nothing is said any more", func() bool { return problems(r.status()) == "" && r.quiet().Fabrics[0].State == "equal" })
	// Without a configuration nothing is synchronised, and nothing is deleted.
	s.gitEdit("Not any more", func(dir string) { must(os.Remove(filepath.Join(dir, filepath.FromSlash(configFile)))) })
	s.eventually("no fabric", func() bool { return len(r.quiet().Fabrics) == 0 })
	if s.netboxVLAN() != vlan || !strings.Contains(s.gitText(), fmt.Sprint(vlan)) {
		t.Error("something was deleted or changed")
	}
}

// Two repositories that claim one NetBox fabric: the first keeps it, the second is told which one has it.
func TestFabricOfAnotherRepository(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	if err := s.github.CreateRepository(githubtest.SeedRepo{Owner: "acme", Name: "second", Files: map[string]string{configFile: repoConfig,
		vpcPath("evil"): vpcDocument("evil", 9, 1900)}}); err != nil {
		t.Fatal(err)
	}
	if err := r.jobs.Installations(t.Context(), "a new repository"); err != nil {
		t.Fatal(err)
	}
	s.eventually("the second is refused", func() bool {
		return strings.Contains(problems(r.status()), "acme/second "+configFile+`:3: fabric "fabric-1" is refused: NetBox fabric 1 or directory "gitops/hedgehog/fabric-1" belongs to fabric "fabric-1" of acme/fabrics [config-fabric-taken]`)
	})
	s.setVLAN(1002)
	s.eventually("the first goes on", func() bool { return s.gitText() == fmt.Sprintf(vpcYAML, 1002) })
	if st := r.quiet(); len(st.Fabrics) != 1 || st.Fabrics[0].Repository != repoName || s.vlanOf("evil") != 0 {
		t.Errorf("fabrics %+v", st.Fabrics)
	}
}

// What happens to the repository itself while NetBox is edited: it is said, and the edit arrives when it is over.
func TestRepositoryInTrouble(t *testing.T) {
	t.Parallel()
	admin := func(s *site, name string, body map[string]any) {
		if code, text := s.do(http.MethodPatch, s.github.URL()+"/repos/"+name, "token "+userToken, body, nil); code != 200 {
			s.t.Fatalf("%v: %d %s", body, code, text)
		}
	}
	cases := map[string]struct {
		strike, end func(t *testing.T, s *site)
		says        string // of the fabric; empty: the fabric ends, the log says why
		log         string
	}{
		"archived": {
			strike: func(_ *testing.T, s *site) { admin(s, repoName, map[string]any{"archived": true}) },
			end:    func(_ *testing.T, s *site) { admin(s, repoName, map[string]any{"archived": false}) },
			says:   "acme/fabrics branch main is archived and read-only: unarchive it, or remove it from the configuration"},
		"suspended": {
			strike: func(t *testing.T, s *site) { noError(t, s.github.Suspend(34, true)) },
			end:    func(t *testing.T, s *site) { noError(t, s.github.Suspend(34, false)) },
			log:    "the App is not installed on it any more"},
		"not selected": {
			strike: func(t *testing.T, s *site) { noError(t, s.github.SelectRepositories(34, []string{})) },
			end:    func(t *testing.T, s *site) { noError(t, s.github.SelectRepositories(34, []string{repoName})) },
			log:    "the App is not installed on it any more"},
	}
	for _, name := range sortedNames(cases) {
		c := cases[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, r := inStep(t)
			before := s.commits()
			c.strike(t, s)
			if c.says == "" {
				s.eventually("the fabric ends", func() bool { return len(r.quiet().Fabrics) == 0 })
				if !strings.Contains(r.logs.String(), c.log) {
					t.Errorf("the log lacks %q", c.log)
				}
			}
			s.setVLAN(1002)
			if c.says != "" {
				s.eventually("it is said: "+c.says, func() bool {
					f := r.quiet().Fabrics[0]
					return f.State == "error" && strings.Contains(f.Message, c.says)
				})
			}
			r.quiet()
			if s.commits() != before || s.netboxVLAN() != 1002 {
				t.Errorf("%d commits, VLAN %d", s.commits()-before, s.netboxVLAN())
			}
			c.end(t, s)
			if c.says != "" {
				if code := r.api(http.MethodPost, "/api/plugins/hedgehog/fabrics/1/sync/", nil, nil); code != 202 {
					t.Fatalf("sync: %d", code)
				}
			}
			s.eventually("the edit arrives", func() bool { return s.gitText() == fmt.Sprintf(vpcYAML, 1002) })
			s.eventually("equal", func() bool { f := r.quiet().Fabrics; return len(f) == 1 && f[0].State == "equal" })
		})
	}
	t.Run("renamed", func(t *testing.T) {
		t.Parallel()
		s, r := inStep(t)
		noError(t, s.github.Rename(repoName, "acme/renamed"))
		s.setVLAN(1002)
		s.eventually("the edit arrives under the new name", func() bool {
			text, err := s.github.ReadFile("acme/renamed", "main", vpcFile)
			return err == nil && text == fmt.Sprintf(vpcYAML, 1002)
		})
		if f := r.quiet().Fabrics; len(f) != 1 || f[0].State != "equal" {
			t.Errorf("fabrics %+v", f)
		}
	})
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A reload that would break the server is refused with the line, and everything goes on with the old configuration.
func TestBadServerConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	path := filepath.Join(s.dir, "hnp-sync.yaml")
	good, err := os.ReadFile(path)
	noError(t, err)
	noError(t, os.WriteFile(filepath.Join(s.dir, "empty"), []byte(" \n"), 0o600))
	cases := map[string]struct{ old, new, says string }{
		"unknown key":           {"intervals:", "interval:", "hnp-sync.yaml:9: interval: unknown key: did you mean intervals?"},
		"missing secret":        {"token_file: nb", "token_file: nowhere", "hnp-sync.yaml:6: netbox[0].token_file: cannot read the secret"},
		"empty secret":          {"webhook_secret_files: [hook], base", "webhook_secret_files: [empty], base", "hnp-sync.yaml:4: github.webhook_secret_files[0]: the secret file "},
		"no secret":             {"webhook_secret_files: [hook], base", "webhook_secret_files: [], base", "hnp-sync.yaml:4: github.webhook_secret_files"},
		"no key":                {"private_key_file: app.pem", "private_key_file: token", "hnp-sync.yaml:4: github.private_key_file: holds no PEM block"},
		"two of one name":       {"netbox:\n", "netbox:\n  - {name: default, url: http://127.0.0.1:9, token_file: nb, webhook_secret_files: [hook]}\n", "hnp-sync.yaml:7: netbox[1].name"},
		"an unknown connection": {"netbox: [default]", "netbox: [nowhere]", `hnp-sync.yaml:8: repositories[0].netbox: no connection below netbox has the name "nowhere"`},
		"too short":             {"debounce: 100ms", "debounce: 1ms", "hnp-sync.yaml:9: intervals.debounce"},
	}
	for _, name := range sortedNames(cases) {
		c := cases[name]
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(string(good), c.old, c.new, 1)
			if changed == string(good) {
				t.Fatal("nothing changed")
			}
			noError(t, os.WriteFile(path, []byte(changed), 0o600))
			if err := r.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %q", err, c.says)
			}
		})
	}
	s.setVLAN(1002)
	s.eventually("the old configuration goes on", func() bool { return s.gitText() == fmt.Sprintf(vpcYAML, 1002) })
	r.quiet()
}
