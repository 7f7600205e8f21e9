package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hnp-sync/hnp-sync/manifests"
)

const inputs = "../../testdata/gitops-test-1"

// command runs one command line in this process.
func command(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

// tree writes files into a new folder and returns it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	goodServer = "apiVersion: wiring.githedgehog.com/v1beta1\nkind: Server\nmetadata:\n  name: s1\n"
	badServer  = "apiVersion: wiring.githedgehog.com/v1beta1\nkind: Server\nmetadata:\n  name: s2\nspec:\n  profil: x\n"
)

func TestValidateExitCodes(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"good.yaml": goodServer, "bad.yaml": badServer, "warn.yaml": strings.Replace(goodServer, "v1beta1", "v1alpha2", 1), "odd.txt": goodServer,
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	tests := map[string]struct {
		stdin  string
		args   []string
		code   int
		stdout string // must be contained
		stderr string
	}{
		"real input":               {args: []string{inputs + "/raw"}, stdout: "48 documents in 3 files: nothing to report\n"},
		"an error":                 {args: []string{at("bad.yaml")}, code: 1, stdout: `bad.yaml:6:3: error: spec.profil: spec has no field "profil" [unknown-field] (fix: did you mean profile?)`},
		"warnings do not count":    {args: []string{at("warn.yaml")}, stdout: "warn.yaml:1:13: warning: "},
		"several paths":            {args: []string{at("good.yaml"), at("warn.yaml")}, code: 1, stdout: "[duplicate-identity]"},
		"a file named twice":       {args: []string{at("good.yaml"), at("good.yaml")}, stdout: "1 document in 1 file: nothing to report"},
		"a named file of any name": {args: []string{at("odd.txt")}, stdout: "1 document in 1 file"},
		"standard input":           {stdin: badServer, args: []string{"-"}, code: 1, stdout: "<stdin>:6:3: error: "},
		"empty input":              {args: []string{"-"}, stdout: "0 documents in 1 file: nothing to report"},
		"broken YAML":              {stdin: "a: [\n", args: []string{"-"}, code: 1, stdout: "[yaml-syntax]"},
		"an absent path":           {args: []string{at("absent.yaml")}, code: 2, stderr: "absent.yaml"},
		"the rest is still said":   {args: []string{at("absent.yaml"), at("bad.yaml")}, code: 2, stdout: "[unknown-field]", stderr: "absent.yaml"},
		"an unknown format":        {args: []string{"--output", "xml", dir}, code: 2, stderr: "use text, json, github, sarif"},
		"an unknown flag":          {args: []string{"--outptu", "json"}, code: 2, stderr: "unknown flag: --outptu"},
		"other CRDs":               {args: []string{"--crds", "../../testdata/crds", inputs + "/raw"}, stdout: "nothing to report"},
		"CRDs that are not there":  {args: []string{"--crds", at("absent"), dir}, code: 2, stderr: "--crds"},
		"CRDs that are none":       {args: []string{"--crds", dir, dir}, code: 2, stderr: "no CustomResourceDefinition found"},
		"a device is no file":      {args: []string{os.DevNull}, code: 2, stderr: "neither a file nor a folder"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := command(t, test.stdin, append([]string{"validate"}, test.args...)...)
			if code != test.code || !strings.Contains(stdout, test.stdout) || !strings.Contains(stderr, test.stderr) || test.stderr == "" && stderr != "" {
				t.Errorf("exit %d, want %d\nstdout: %s\nstderr: %s", code, test.code, stdout, stderr)
			}
		})
	}
}

// What is read of a folder: YAML at any depth, but neither what is no part of the desired state, nor what links lead to.
func TestValidateFolder(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"managed/servers/s1.yaml": goodServer, "raw/pending/s1.yml": goodServer, "README.md": "- - :\n\t", "data.json": "{", "other/processed/x.yaml": "a: 1\n",
		".git/x.yaml": "a: [", ".hnp/manifest.yaml": "a: [", "unmanaged/external-configs/x.yaml": "a: [", "raw/processed/x.yaml": "a: [",
		"raw/errors/x.yaml": "a: [", "backup/20250101/x.yaml": "a: [", "deep/backup/x.yaml": "a: [",
	})
	outside := tree(t, map[string]string{"secret.yaml": "a: ["})
	for link, target := range map[string]string{
		"managed/file.yaml": filepath.Join(outside, "secret.yaml"), "managed/folder": outside, "managed/self": dir, "managed/inside.yaml": "servers/s1.yaml", "dangling.yaml": "nowhere",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	code, stdout, stderr := command(t, "", "validate", dir)
	if code != 0 || !strings.HasSuffix(stdout, "3 documents in 3 files: 1 note\n") || stderr != "" {
		t.Errorf("exit %d\nstdout: %s\nstderr: %s", code, stdout, stderr)
	}

	// A folder that is named is read, whatever it is called, also through a link.
	named := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(dir, "unmanaged"), named); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "unmanaged"), named} {
		if code, stdout, _ := command(t, "", "validate", path); code != 1 || !strings.Contains(stdout, "[yaml-syntax]") {
			t.Errorf("%s: exit %d, %s", path, code, stdout)
		}
	}
	// raw/processed is recognised also when the walk begins in raw.
	if code, stdout, _ := command(t, "", "validate", filepath.Join(dir, "raw")); code != 0 {
		t.Errorf("raw: exit %d, %s", code, stdout)
	}
}

func TestValidateTooLargeFile(t *testing.T) {
	t.Parallel()
	big := "a: " + strings.Repeat("x", manifests.MaxFileBytes) + "\n"
	code, stdout, _ := command(t, big, "validate", "-")
	if code != 1 || !strings.Contains(stdout, "<stdin>:1:1: error: ") || !strings.Contains(stdout, "[too-large]") {
		t.Errorf("exit %d, %.300s", code, stdout)
	}
}

func TestValidateJSON(t *testing.T) {
	t.Parallel()
	code, stdout, _ := command(t, "", "validate", "--output", "json", inputs+"/history/test-vpc-e8277f80.yaml")
	var got struct {
		Files       int                    `json:"files"`
		Documents   int                    `json:"documents"`
		Diagnostics []manifests.Diagnostic `json:"diagnostics"`
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if code != 1 || got.Files != 1 || got.Documents != 1 || len(got.Diagnostics) != 1 {
		t.Fatalf("exit %d, %+v", code, got)
	}
	d := got.Diagnostics[0]
	if d.StartLine != 8 || d.StartColumn != 5 || d.Code != "type" || d.Path != "spec.subnets" || d.Severity != "error" {
		t.Errorf("%+v", d)
	}
}

// Findings of the parser and of the validation come in one order: by file, then by place.
func TestValidateOrder(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"a.yaml": badServer + "---\na: 1\na: 2\n---\n" + strings.Replace(badServer, "s2", "S 3", 1), "b.yaml": "a: 1\na: 2\n"})
	_, stdout, _ := command(t, "", "validate", dir)
	var places []string
	for _, line := range strings.Split(stdout, "\n") {
		if rest, ok := strings.CutPrefix(line, dir+"/"); ok {
			place, _, _ := strings.Cut(rest, ": ")
			places = append(places, place)
		}
	}
	if got, want := strings.Join(places, " "), "a.yaml:6:3 a.yaml:9:1 a.yaml:14:9 a.yaml:16:3 b.yaml:2:1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		"no command":         {nil, 0, "Available Commands:", ""},
		"help":               {[]string{"help", "validate"}, 0, "Exit code 0: no errors", ""},
		"version":            {[]string{"version"}, 0, "hnp-sync ", ""},
		"version takes none": {[]string{"version", "x"}, 2, "", "hnp-sync version --help"},
		"unknown command":    {[]string{"valdate"}, 2, "", `there is no command "valdate"; did you mean "validate"?`},
		"completion":         {[]string{"completion", "bash"}, 0, "bash completion", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := command(t, "", test.args...)
			if code != test.code || !strings.Contains(stdout, test.stdout) || !strings.Contains(stderr, test.stderr) || test.stderr == "" && stderr != "" {
				t.Errorf("exit %d, want %d\nstdout: %s\nstderr: %s", code, test.code, stdout, stderr)
			}
		})
	}
}
