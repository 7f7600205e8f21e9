package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Limits on the CRD files that are read: other people's files, but few and small in practice (Hedgehog's largest CRD
// has 150 kB).
const (
	maxCRDFile  = 8 << 20
	maxCRDFiles = 1000
)

// FromFS reads every *.yaml, *.yml and *.json file below dir and returns the schemas of all CRDs in them, sorted by
// file name. Documents of other kinds are passed over. No CRD at all is an error, and so are two CRDs for one kind and
// version.
func FromFS(dir fs.FS) ([]Schema, error) {
	var all []Schema
	origin := map[string]string{}
	files := 0
	err := fs.WalkDir(dir, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.Type().IsRegular() || !slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(name)) {
			return nil
		}
		if files++; files > maxCRDFiles {
			return fmt.Errorf("more than %d files", maxCRDFiles)
		}
		data, err := readLimited(dir, name)
		if err != nil {
			return err
		}
		found, err := FromCRD(data)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, s := range found {
			if other, ok := origin[s.FileName()]; ok {
				return fmt.Errorf("%s: %s %s is already defined in %s", name, s.Kind, s.Version, other)
			}
			origin[s.FileName()] = name
		}
		all = append(all, found...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read CRDs: %w", err)
	}
	if len(all) == 0 {
		return nil, errors.New("read CRDs: no CustomResourceDefinition found")
	}
	slices.SortFunc(all, func(a, b Schema) int { return strings.Compare(a.FileName(), b.FileName()) })
	return all, nil
}

func readLimited(dir fs.FS, name string) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxCRDFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(data) > maxCRDFile {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, maxCRDFile)
	}
	return data, nil
}

// FromCRD returns the schemas of the served versions of every CRD (apiextensions.k8s.io/v1) in a YAML file. Documents
// that are no CRD are passed over.
func FromCRD(data []byte) ([]Schema, error) {
	var all []Schema
	for i, doc := range splitDocuments(data) {
		raw, err := yaml.YAMLToJSONStrict(doc)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i+1, err)
		}
		found, err := fromDocument(raw)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i+1, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// splitDocuments cuts at lines that begin a document. A CRD holds no text with such a line in its first column.
func splitDocuments(data []byte) [][]byte {
	var docs [][]byte
	start := 0
	for pos := 0; pos < len(data); {
		end := len(data)
		if n := bytes.IndexByte(data[pos:], '\n'); n >= 0 {
			end = pos + n + 1
		}
		line := bytes.TrimRight(data[pos:end], " \t\r\n")
		if bytes.Equal(line, []byte("---")) || bytes.HasPrefix(line, []byte("--- ")) {
			docs = append(docs, data[start:pos])
			start = pos
		}
		pos = end
	}
	return append(docs, data[start:])
}

type crd struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Group string `json:"group"`
		Names struct {
			Kind   string `json:"kind"`
			Plural string `json:"plural"`
		} `json:"names"`
		Versions []struct {
			Name   string `json:"name"`
			Served bool   `json:"served"`
			Schema struct {
				OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
			} `json:"schema"`
		} `json:"versions"`
	} `json:"spec"`
}

func fromDocument(raw []byte) ([]Schema, error) {
	if string(bytes.TrimSpace(raw)) == "null" {
		return nil, nil
	}
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := json.Unmarshal(raw, &head); err != nil || head.Kind != "CustomResourceDefinition" {
		return nil, nil // Some other document: not ours to judge.
	}
	if head.APIVersion != "apiextensions.k8s.io/v1" {
		return nil, fmt.Errorf("CustomResourceDefinition in %s, only apiextensions.k8s.io/v1 is understood", head.APIVersion)
	}
	var c crd
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("decode CustomResourceDefinition: %w", err)
	}
	if c.Spec.Group == "" || c.Spec.Names.Kind == "" || c.Spec.Names.Plural == "" {
		return nil, fmt.Errorf("CustomResourceDefinition %q lacks spec.group, spec.names.kind or spec.names.plural", c.Metadata.Name)
	}
	var all []Schema
	for _, v := range c.Spec.Versions {
		if !v.Served {
			continue
		}
		if v.Schema.OpenAPIV3Schema == nil {
			return nil, fmt.Errorf("%s %s has no openAPIV3Schema", c.Spec.Names.Kind, v.Name)
		}
		root, err := structural(v.Schema.OpenAPIV3Schema)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", c.Spec.Names.Kind, v.Name, err)
		}
		all = append(all, Schema{Group: c.Spec.Group, Version: v.Name, Kind: c.Spec.Names.Kind, Plural: c.Spec.Names.Plural, Root: root})
	}
	return all, nil
}
