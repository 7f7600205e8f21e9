package setup

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "copy app.yml here and rewrite the table of docs/configuration.md")

const (
	rootManifest = "../../app.yml"
	docs         = "../../docs/configuration.md"
)

// TestManifestIsThatOfTheRepository holds the embedded copy to the file at the root.
func TestManifestIsThatOfTheRepository(t *testing.T) {
	root, err := os.ReadFile(rootManifest)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(root, manifestFile) {
		return
	}
	if !*update {
		t.Fatal("app.yml differs from its copy in app/setup: go test ./app/setup -run Manifest -update")
	}
	if err := os.WriteFile("app.yml", root, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestManifestAsksForTheLeast: another permission or event needs a reason, and a decision here. installation,
// installation_repositories, ping and meta come unasked and may not be listed.
func TestManifestAsksForTheLeast(t *testing.T) {
	t.Parallel()
	m, err := AppManifest()
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"contents": "write", "pull_requests": "write", "issues": "write", "checks": "write", "metadata": "read", "members": "read"}; !reflect.DeepEqual(m.Permissions, want) {
		t.Errorf("permissions %v, want %v", m.Permissions, want)
	}
	if want := []string{"push", "pull_request", "issue_comment", "check_run", "check_suite", "merge_group", "repository"}; !reflect.DeepEqual(m.Events, want) {
		t.Errorf("events %v, want %v", m.Events, want)
	}
}

// TestDocsTellEveryPermission: the table is made of the reasons in app.yml.
func TestDocsTellEveryPermission(t *testing.T) {
	t.Parallel()
	var root yaml.Node
	if err := yaml.Unmarshal(manifestFile, &root); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| permission or event | | why |\n|---|---|---|\n")
	row := func(name, value, comment string) {
		reason := strings.ReplaceAll(strings.ReplaceAll(comment, "# ", ""), "\n", " ")
		if reason == "" {
			t.Errorf("%s has no reason", name)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, value, reason)
	}
	for top := root.Content[0].Content; len(top) > 1; top = top[2:] {
		switch list := top[1].Content; top[0].Value {
		case "default_permissions":
			for i := 0; i < len(list); i += 2 {
				row(list[i].Value, list[i+1].Value, list[i].HeadComment)
			}
		case "default_events":
			for _, n := range list {
				row(n.Value, "event", n.HeadComment)
			}
		}
	}
	src, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- permissions of the App: begin -->\n", "<!-- permissions of the App: end -->"
	before, rest, ok := strings.Cut(string(src), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the markers of the table", docs)
	}
	want := before + begin + b.String() + end + after
	if want == string(src) {
		return
	}
	if !*update {
		t.Fatalf("%s is not what app.yml says: go test ./app/setup -run Docs -update", docs)
	}
	if err := os.WriteFile(docs, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
