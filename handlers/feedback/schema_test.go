package feedback

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/manifests"
)

// TestSchemaNamesEveryKey holds docs/hnp-sync.schema.json to what gitops.ParseConfig accepts: its keys, what is
// required, and its words.
func TestSchemaNamesEveryKey(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("../../docs/hnp-sync.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(src))
	if err != nil {
		t.Fatal(err)
	}
	at := func(path ...string) map[string]any {
		v := doc
		for _, p := range path {
			v = v.(map[string]any)[p]
		}
		return v.(map[string]any)
	}
	fabric := []string{"properties", "fabrics", "items"}
	below := func(more ...string) map[string]any { return at(append(slices.Clone(fabric), more...)...) }
	const ok = "version: 1\nfabrics:\n- name: a\n  directory: a\n"
	for in, schema := range map[string]map[string]any{
		"version: 1\nfabrics: []\nzz: 1\n":        at(),
		ok + "  zz: 1\n":                          below(),
		ok + "  ingest: {zz: 1}\n":                below("properties", "ingest"),
		ok + "  guard: {zz: 1}\n":                 below("properties", "guard"),
		ok + "  rules: [{direction: x, zz: 1}]\n": below("properties", "rules", "items"),
	} {
		_, found := gitops.ParseConfig("x", []byte(in))
		i := slices.IndexFunc(found, func(d manifests.Diagnostic) bool { return strings.HasPrefix(d.Fix, "Known keys: ") })
		if i < 0 {
			t.Fatalf("no list of keys for %q: %v", in, found)
		}
		known := strings.Split(strings.TrimSuffix(strings.TrimPrefix(found[i].Fix, "Known keys: "), "."), ", ")
		slices.Sort(known)
		if got := slices.Sorted(maps.Keys(schema["properties"].(map[string]any))); !slices.Equal(got, known) {
			t.Errorf("schema has %v, accepted are %v", got, known)
		}
		if schema["additionalProperties"] != false {
			t.Errorf("%q: unknown keys are allowed by the schema", in)
		}
	}
	for name, p := range below("properties") {
		words, _ := p.(map[string]any)["enum"].([]any)
		for _, w := range words {
			_, found := gitops.ParseConfig("x", fmt.Appendf(nil, "%s  %s: %v\n", ok, name, w))
			for _, d := range found {
				if d.Code != gitops.CodeConfigNotSupported {
					t.Errorf("%s: %v is in the schema: %s", name, w, d.Message)
				}
			}
		}
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for in, valid := range map[string]bool{
		`{"version":1,"fabrics":[{"name":"a","directory":"a"}]}`:                                                        true,
		`{"version":1,"fabrics":[{"name":"a","directory":"a","rules":[{"direction":"git_to_gui"}],"notify":["@a/b"]}]}`: true,
		`{"version":2,"fabrics":[]}`:                                               false,
		`{"version":1,"fabrics":[{"name":"a"}]}`:                                   false,
		`{"version":1,"fabrics":[{"name":"a","directory":"a","slug":"conflict"}]}`: false,
		`{"version":1,"fabrics":[{"name":"a","directory":"a","rules":[{}]}]}`:      false,
		`{"version":1,"fabrics":[{"name":"a","directory":"a","mode":"yes"}]}`:      false,
	} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(in))
		if err != nil {
			t.Fatal(err)
		}
		err = schema.Validate(v)
		_, found := gitops.ParseConfig("x", []byte(in))
		if (err == nil) != valid || (len(found) == 0) != valid {
			t.Errorf("%s: schema %v, parser %v, want valid %v", in, err, found, valid)
		}
	}
}
