package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hnp-sync/hnp-sync"

// layers are the arrows of the design: a package may import those of its own module that are listed, and whatever they
// may. Every package of the module must be here.
var layers = map[string][]string{
	"manifests":                  {"manifests/schemas"},
	"manifests/schemas":          {},
	"manifests/schemas/gen":      {"manifests/schemas"},
	"manifests/report":           {"manifests"},
	"gitops":                     {"manifests"},
	"gitops/repo":                {"gitops", "manifests"},
	"gitops/githubtest":          {"gitops", "manifests"},
	"gitops/githubtest/contract": {"gitops/githubtest"},
	"netbox":                     {"gitops", "manifests"},
	"netbox/netboxtest":          {"manifests"},
	"netbox/netboxtest/gonetbox": {"netbox/netboxtest"},
	"netbox/provision":           {"gitops", "netbox"},
	"handlers":                   {"gitops", "manifests"},
	"handlers/feedback":          {"gitops", "manifests"},
	"handlers/command":           {"gitops", "handlers", "handlers/feedback", "manifests"},
	"app/config":                 {"gitops"},
	"app/store":                  {"gitops", "handlers", "manifests"},
	"app/jobs":                   {"app/store", "gitops", "gitops/repo", "handlers", "handlers/command", "handlers/feedback", "manifests"},
	"app/api":                    {"app/jobs", "app/store", "gitops", "handlers", "manifests"},
	"app":                        {"app/api", "app/config", "app/jobs", "app/store", "gitops", "gitops/repo", "handlers", "manifests", "netbox"},
	"app/demo":                   {"app", "app/api", "app/config", "gitops", "gitops/githubtest", "manifests", "netbox", "netbox/netboxtest", "netbox/provision"},
	"app/setup":                  {"app/config", "gitops", "gitops/repo", "manifests", "netbox"},
	"cmd/hnp-sync":               {"*"},
}

// foreign are packages that only some may use, themselves or through what they import.
var foreign = map[string][]string{
	"github.com/google/go-github/v62/github":       {"handlers", "gitops/repo"},
	"github.com/netbox-community/go-netbox/v4":     {"netbox/provision"},
	"github.com/labstack/echo/v4":                  {"app", "app/api"},
	"go.uber.org/zap":                              {"app", "app/api", "app/demo", "app/jobs", "handlers", "cmd/hnp-sync"},
	"github.com/riverqueue/river":                  {"app/jobs"},
	"database/sql":                                 {"app/store", "app/jobs"},
	"os/exec":                                      {"gitops/githubtest", "app/demo", "cmd/hnp-sync"},
	"github.com/getkin/kin-openapi/openapi3":       {"gitops/githubtest/contract"},
	"github.com/getkin/kin-openapi/openapi3filter": {"gitops/githubtest/contract"},
}

// pure packages do no input or output and know no clock, network or database, themselves or through what they import.
var pure = map[string][]string{
	"manifests": {"net", "net/http", "os/exec", "database/sql", "go.uber.org/zap", "github.com/labstack/echo/v4"},
	"gitops": {"net", "net/http", "os/exec", "database/sql", "go.uber.org/zap", "github.com/labstack/echo/v4",
		"github.com/google/go-github/v62/github", module + "/app/store", module + "/netbox", module + "/gitops/repo"},
}

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Module     *struct{ Path string }
}

func TestImportGraph(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports,Deps,Module", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, stderr.Bytes())
	}
	seen := 0
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Module == nil || p.Module.Path != module {
			continue
		}
		seen++
		checkImports(t, p)
	}
	if seen < 10 {
		t.Errorf("only %d packages seen", seen)
	}
}

func checkImports(t *testing.T, p goPackage) {
	t.Helper()
	name := strings.TrimPrefix(p.ImportPath, module+"/")
	allowed, listed := layers[name]
	if !listed {
		t.Errorf("%s is in no layer: add it to layers with what it may import", name)
		return
	}
	for _, i := range p.Imports {
		if own, ok := strings.CutPrefix(i, module+"/"); ok && !slices.Contains(allowed, own) && !slices.Contains(allowed, "*") {
			t.Errorf("%s imports %s", name, own)
		}
		if who, ok := foreign[i]; ok && !slices.Contains(who, name) {
			t.Errorf("%s imports %s, which is for %s", name, i, strings.Join(who, ", "))
		}
	}
	for _, dep := range p.Deps {
		if slices.Contains(pure[name], dep) {
			t.Errorf("%s depends on %s", name, dep)
		}
	}
}
