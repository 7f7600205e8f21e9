package manifests

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const realInputs = "../testdata/gitops-test-1"

func testSchemas(t testing.TB) *Schemas {
	t.Helper()
	s, err := EmbeddedSchemas()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// parseAll reads files below realInputs and fails the test if one does not parse.
func parseAll(t testing.TB, names ...string) []*File {
	t.Helper()
	var files []*File
	for _, name := range names {
		src, err := os.ReadFile(filepath.Join(realInputs, name))
		if err != nil {
			t.Fatal(err)
		}
		f, wrong := Parse(name, src)
		if len(wrong) > 0 {
			t.Fatalf("%s does not parse: %v", name, wrong)
		}
		files = append(files, f)
	}
	return files
}

// brief writes diagnostics as one line each.
func brief(found []Diagnostic) []string {
	lines := []string{}
	for _, d := range found {
		lines = append(lines, fmt.Sprintf("%s:%d:%d: %s %s %s", d.File, d.StartLine, d.StartColumn, d.Severity, d.Code, d.Path))
	}
	return lines
}

func sameLines(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestPrepopIsValid(t *testing.T) {
	t.Parallel()
	files := parseAll(t, "raw/prepop.yaml", "raw/test-vpc.yaml", "raw/test-vpc-2.yaml")
	count := map[string]int{}
	for _, d := range files[0].Documents() {
		count[d.Identity.Kind]++
	}
	for kind, want := range map[string]int{"Connection": 26, "Server": 10, "Switch": 7, "SwitchGroup": 3} {
		if count[kind] != want {
			t.Errorf("%d %s, want %d", count[kind], kind, want)
		}
	}
	sameLines(t, brief(Validate(files, testSchemas(t), Options{})), []string{})
}

// The known verdicts of the recorded history of one file.
func TestHistory(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"test-vpc-1f58a6e9.yaml":             {},
		"test-vpc-57c29daf.yaml":             {},
		"test-vpc-67c3a70a.yaml":             {},
		"test-vpc-2-duplicate-identity.yaml": {},
		"test-vpc-e8277f80.yaml":             {"history/test-vpc-e8277f80.yaml:8:5: error type spec.subnets"},
		"test-vpc-9534977d-v1alpha2-list.yaml": {
			"history/test-vpc-9534977d-v1alpha2-list.yaml:1:13: warning unsupported-version apiVersion",
			"history/test-vpc-9534977d-v1alpha2-list.yaml:8:5: error type spec.subnets",
		},
	}
	entries, err := os.ReadDir(filepath.Join(realInputs, "history"))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(tests) {
		t.Fatalf("%d files, %d known verdicts", len(entries), len(tests))
	}
	for name, want := range tests {
		sameLines(t, brief(Validate(parseAll(t, "history/"+name), testSchemas(t), Options{})), want)
	}
}

// The same identity in two files: each place names the other.
func TestHistoryDuplicateIdentity(t *testing.T) {
	t.Parallel()
	files := parseAll(t, "history/test-vpc-1f58a6e9.yaml", "history/test-vpc-2-duplicate-identity.yaml")
	found := Validate(files, testSchemas(t), Options{})
	sameLines(t, brief(found), []string{
		"history/test-vpc-1f58a6e9.yaml:4:9: error duplicate-identity metadata.name",
		"history/test-vpc-2-duplicate-identity.yaml:4:9: error duplicate-identity metadata.name",
	})
	if want := "vpc/test-vpc is also in history/test-vpc-2-duplicate-identity.yaml:4"; found[0].Message != want {
		t.Errorf("message %q, want %q", found[0].Message, want)
	}
}

// The old plugin's tree: what it rewrote to v1alpha2 is said of each file, one Connection is invalid, two documents are
// no resources of Hedgehog, and nothing else is wrong.
func TestManagedTree(t *testing.T) {
	t.Parallel()
	var names []string
	err := filepath.WalkDir(filepath.Join(realInputs, "managed-head"), func(name string, entry os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".yaml") && !strings.Contains(name, "/.hnp/") {
			rel, _ := filepath.Rel(realInputs, name)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var rest []string
	versions := 0
	for _, line := range brief(Validate(parseAll(t, names...), testSchemas(t), Options{})) {
		if strings.HasSuffix(line, "warning unsupported-version apiVersion") {
			versions++
			continue
		}
		rest = append(rest, strings.TrimPrefix(line, "managed-head/fabric-1/"))
	}
	if versions != 21 {
		t.Errorf("%d files of an unsupported version, want 21", versions)
	}
	sameLines(t, rest, []string{
		"managed/connections/test-connection-manual.yaml:17:5: error unknown-field spec.mclagDomain.peer1",
		"managed/connections/test-connection-manual.yaml:19:5: error unknown-field spec.mclagDomain.peer2",
		"managed/tests/api-test-1754460358.yaml:6:7: note unsupported-kind kind",
		"test/test_gitops_workflow_20250806_072842.yaml:2:7: note unsupported-kind kind",
	})
}
