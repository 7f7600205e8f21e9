// Package schemas holds the structural schemas of Hedgehog's resources and derives them from CustomResourceDefinitions.
//
// A schema is the openAPIV3Schema of a CRD reduced to what decides whether a document is well formed (types, required
// fields, enums, patterns, bounds), as JSON Schema draft 4. Two things are added, because the Kubernetes API server
// does the same: a field the schema does not list is refused, and metadata has the fields of ObjectMeta. The status is
// left open: users do not write it.
//
// What this package does not understand is an error when a CRD is read, never silently dropped: a check that is
// quietly weaker than the cluster's would be worse than none. Not enforced although understood: the formats of texts
// (date-time, ipv4, ...) and the uniqueness that x-kubernetes-list-type asks for.
//
// The embedded files are made from the CRDs in testdata/crds by "go generate ./manifests/schemas".
package schemas

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
)

//go:generate go run ./gen -crds ../../testdata/crds -out .

//go:embed *.json
var embedded embed.FS

// Schema is the schema of one served version of one kind.
type Schema struct {
	Group   string `json:"group"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
	Plural  string `json:"plural"`
	// Root is the JSON Schema of the whole document: decoded JSON, numbers as json.Number.
	Root map[string]any `json:"schema"`
}

// FileName is the name under which the schema is embedded.
func (s Schema) FileName() string { return s.Group + "_" + s.Plural + "_" + s.Version + ".json" }

// Encode writes the schema as it is embedded: sorted keys, two spaces, one final newline.
func (s Schema) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		return nil, fmt.Errorf("encode schema %s: %w", s.FileName(), err)
	}
	return b.Bytes(), nil
}

// Embedded returns the schemas that are part of the program, sorted by file name.
func Embedded() ([]Schema, error) {
	names, err := fs.Glob(embedded, "*.json")
	if err != nil {
		return nil, err
	}
	all := make([]Schema, 0, len(names))
	for _, name := range names {
		data, err := embedded.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read embedded schema %s: %w", name, err)
		}
		var s Schema
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		d.DisallowUnknownFields()
		if err := d.Decode(&s); err != nil {
			return nil, fmt.Errorf("decode embedded schema %s: %w", name, err)
		}
		all = append(all, s)
	}
	return all, nil
}
