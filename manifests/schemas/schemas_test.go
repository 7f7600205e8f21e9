package schemas

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

const crdFolder = "../../testdata/crds"

// The embedded files are what the generator makes of the CRDs today: nothing missing, nothing left over, no byte else.
func TestEmbeddedIsCurrent(t *testing.T) {
	t.Parallel()
	want, err := FromFS(os.DirFS(crdFolder))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) || len(want) != 18 {
		t.Fatalf("%d schemas embedded, %d in the CRDs, 18 expected: run go generate ./manifests/schemas", len(got), len(want))
	}
	for i, s := range want {
		made, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		kept, err := embedded.ReadFile(s.FileName())
		if err != nil {
			t.Fatalf("%v: run go generate ./manifests/schemas", err)
		}
		if !bytes.Equal(made, kept) {
			t.Errorf("%s differs from what its CRD says: run go generate ./manifests/schemas", s.FileName())
		}
		if got[i].FileName() != s.FileName() {
			t.Errorf("schema %d is %s, want %s", i, got[i].FileName(), s.FileName())
		}
	}
}

// crdWith is a CRD whose spec has one field with the given schema.
func crdWith(field string) []byte {
	return []byte(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec:
  group: example.com
  names: {kind: Thing, plural: things}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              field: ` + field + `
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
  - name: v0
    served: false
    storage: false
    schema: {openAPIV3Schema: {type: object, nullable: true}}
`)
}

func field(t *testing.T, s Schema) map[string]any {
	t.Helper()
	node := s.Root
	for _, name := range []string{"spec", "field"} {
		properties, ok := node["properties"].(map[string]any)
		if !ok {
			t.Fatalf("no properties above %s", name)
		}
		if node, ok = properties[name].(map[string]any); !ok {
			t.Fatalf("no %s", name)
		}
	}
	return node
}

func TestKeywords(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		field string
		want  string // JSON of what is kept; empty when refused
		err   string
	}{
		"descriptions and defaults are dropped": {`{type: string, description: d, default: x, title: t}`, `{"type":"string"}`, ""},
		"limits are kept":                       {`{type: string, pattern: '^a$', minLength: 1, maxLength: 3, enum: [a]}`, `{"enum":["a"],"maxLength":3,"minLength":1,"pattern":"^a$","type":"string"}`, ""},
		"int32 becomes bounds":                  {`{type: integer, format: int32}`, `{"maximum":4294967295,"minimum":-2147483648,"type":"integer"}`, ""},
		"a stated bound wins":                   {`{type: integer, format: int32, minimum: 1, maximum: 50}`, `{"maximum":50,"minimum":1,"type":"integer"}`, ""},
		"text formats are accepted":             {`{type: string, format: date-time}`, `{"type":"string"}`, ""},
		"listed fields close a mapping":         {`{type: object, properties: {a: {type: string}}}`, `{"additionalProperties":false,"properties":{"a":{"type":"string"}},"type":"object"}`, ""},
		"a mapping without fields is closed":    {`{type: object}`, `{"additionalProperties":false,"type":"object"}`, ""},
		"a map stays open":                      {`{type: object, additionalProperties: {type: boolean}}`, `{"additionalProperties":{"type":"boolean"},"type":"object"}`, ""},
		"unknown fields may be preserved":       {`{type: object, x-kubernetes-preserve-unknown-fields: true}`, `{"additionalProperties":true,"type":"object"}`, ""},
		"list markers are passed over":          {`{type: array, x-kubernetes-list-type: set, items: {type: string}}`, `{"items":{"type":"string"},"type":"array"}`, ""},

		"CEL rules":            {`{type: string, x-kubernetes-validations: [{rule: "true"}]}`, "", "spec.field: x-kubernetes-validations is not understood"},
		"nullable":             {`{type: string, nullable: true}`, "", "spec.field: nullable is not understood"},
		"int-or-string":        {`{x-kubernetes-int-or-string: true}`, "", "x-kubernetes-int-or-string is not understood"},
		"embedded resource":    {`{type: object, x-kubernetes-embedded-resource: true}`, "", "x-kubernetes-embedded-resource is not understood"},
		"combined schemas":     {`{anyOf: [{type: string}]}`, "", "anyOf is not understood"},
		"references":           {`{$ref: 'http://example.com/x'}`, "", "$ref is not understood"},
		"an unknown format":    {`{type: string, format: secret}`, "", "format secret is not understood"},
		"a pattern Go refuses": {`{type: string, pattern: '(?=a)'}`, "", "pattern is not understood"},
		"below lists and maps": {`{type: array, items: {type: object, additionalProperties: {nullable: true}}}`, "", "spec.field.[].*: nullable is not understood"},
		"no schema":            {`7`, "", "spec.field: is not a schema"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, err := FromCRD(crdWith(test.field))
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(all) != 1 || all[0].Version != "v1" {
				t.Fatalf("%d schemas, want the served version only", len(all))
			}
			got, err := json.Marshal(field(t, all[0]))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestFromFS(t *testing.T) {
	t.Parallel()
	good := crdWith("{type: string}")
	two := append(append([]byte("# comment\n---\n"), good...), "---\napiVersion: v1\nkind: ConfigMap\n---\n"...)
	tests := map[string]struct {
		files fstest.MapFS
		err   string
	}{
		"other documents and files are passed over": {fstest.MapFS{
			"a/crd.yaml": {Data: two}, "kustomization.yaml": {Data: []byte("resources: [a]\n")}, "README.md": {Data: []byte("- - :\n\t")},
		}, ""},
		"nothing":        {fstest.MapFS{"x.yaml": {Data: []byte("a: 1\n")}}, "no CustomResourceDefinition found"},
		"twice":          {fstest.MapFS{"a.yaml": {Data: good}, "b.yaml": {Data: good}}, "b.yaml: Thing v1 is already defined in a.yaml"},
		"broken YAML":    {fstest.MapFS{"a.yaml": {Data: []byte("a: [\n")}}, "a.yaml: document 1"},
		"an old CRD":     {fstest.MapFS{"a.yaml": {Data: []byte("apiVersion: apiextensions.k8s.io/v1beta1\nkind: CustomResourceDefinition\n")}}, "only apiextensions.k8s.io/v1 is understood"},
		"without names":  {fstest.MapFS{"a.yaml": {Data: []byte("apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n")}}, "lacks spec.group"},
		"without schema": {fstest.MapFS{"a.yaml": {Data: bytes.Replace(good, []byte("    schema:\n      openAPIV3Schema:"), []byte("    other:\n      x:"), 1)}}, "has no openAPIV3Schema"},
		"too large":      {fstest.MapFS{"a.yaml": {Data: make([]byte, maxCRDFile+1)}}, "larger than"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, err := FromFS(test.files)
			if test.err == "" {
				if err != nil || len(all) != 1 {
					t.Fatalf("%d schemas, error %v", len(all), err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Fatalf("error %v, want %q", err, test.err)
			}
		})
	}
}
