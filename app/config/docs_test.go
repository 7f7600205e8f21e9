package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/configuration.md")

const docs = "../../docs/configuration.md"

// TestDocsNameEveryKey holds the table of docs/configuration.md to the keys that are accepted.
func TestDocsNameEveryKey(t *testing.T) {
	b, err := os.ReadFile(filepath.FromSlash(docs))
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- keys of the server: begin -->\n", "<!-- keys of the server: end -->"
	before, rest, ok := strings.Cut(string(b), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the markers of the table", docs)
	}
	want := before + begin + table() + end + after
	if want == string(b) {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the keys say: go test ./app/config -run Docs -update", docs)
	}
	if err := os.WriteFile(filepath.FromSlash(docs), []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func table() string {
	var b strings.Builder
	b.WriteString("| key | value | default | environment | |\n|---|---|---|---|---|\n")
	rows(&b, keys, "", envPrefix)
	return b.String()
}

func rows(b *strings.Builder, list []key, path, env string) {
	for _, k := range list {
		at, variable := join(path, k.name), env+envName(k.name)
		def := "–"
		switch {
		case k.required:
			def = "required"
		case k.unless != "":
			def = "required, except with `" + k.unless + "`"
		case k.def != "":
			def = "`" + k.def + "`"
		}
		shown := "`" + variable + "`"
		switch {
		case k.kind == kindObject || k.kind == kindItems || k.kind == kindMap || k.name == "name" || strings.HasPrefix(path, "repositories"):
			shown = "–"
		case twin(k.name) != "":
			shown += ", `" + env + envName(twin(k.name)) + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", at, k.kind, def, shown, k.doc)
		switch k.kind {
		case kindObject:
			rows(b, k.fields, at, variable+"_")
		case kindItems:
			rows(b, k.fields, at+"[]", variable+"_NAME_")
		}
	}
}
