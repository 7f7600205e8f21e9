package manifests

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hnp-sync/hnp-sync/manifests/schemas"
)

// Schemas checks resources against the schemas of their kinds. It compiles a schema when it is first needed, keeps it,
// and is safe for concurrent use.
type Schemas struct {
	byKind map[kindVersion]*kindSchema
}

type kindVersion struct{ group, version, kind string }

type kindSchema struct {
	schemas.Schema
	compile func() (*jsonschema.Schema, error)
}

// SchemaProblem is one finding about an object by itself, without a place in a file.
type SchemaProblem struct {
	// Path leads to the value: map keys and decimal list indexes from the document's root. For a field that is
	// missing it leads to where it belongs.
	Path []string
	// OnKey is set when the finding is about the last key of Path itself, not about its value.
	OnKey    bool
	Severity Severity
	Code     string // as in docs/diagnostics.md
	Message  string
	Fix      string

	// scalar is the value, as the message and the fix show it, of a number or boolean that should have been text. The
	// file may spell it in another way.
	scalar string
}

// maxProblems bounds the findings of one document: foreign files can be wrong in a million places.
const maxProblems = 100

// EmbeddedSchemas returns the schemas that are part of the program.
func EmbeddedSchemas() (*Schemas, error) {
	all, err := schemas.Embedded()
	if err != nil {
		return nil, err
	}
	return newSchemas(all), nil
}

// LoadCRDs builds schemas from the CRD files (*.yaml, *.yml, *.json) below dir instead. Anything in them that this
// program does not understand is an error, because it would otherwise check less than the cluster does.
func LoadCRDs(dir fs.FS) (*Schemas, error) {
	all, err := schemas.FromFS(dir)
	if err != nil {
		return nil, err
	}
	s := newSchemas(all)
	for _, schema := range all {
		if _, err := s.byKind[kindVersion{schema.Group, schema.Version, schema.Kind}].compile(); err != nil {
			return nil, fmt.Errorf("compile schema of %s %s: %w", schema.Kind, schema.Version, err)
		}
	}
	return s, nil
}

func newSchemas(all []schemas.Schema) *Schemas {
	s := &Schemas{byKind: make(map[kindVersion]*kindSchema, len(all))}
	for _, schema := range all {
		s.byKind[kindVersion{schema.Group, schema.Version, schema.Kind}] = &kindSchema{
			Schema: schema,
			compile: sync.OnceValues(func() (*jsonschema.Schema, error) {
				c := jsonschema.NewCompiler()
				c.DefaultDraft(jsonschema.Draft4)
				name := "hnp-sync:///" + schema.FileName()
				if err := c.AddResource(name, schema.Root); err != nil {
					return nil, err
				}
				return c.Compile(name)
			}),
		}
	}
	return s
}

// Check reports everything that is wrong with one resource by itself: schema, name, labels, and the rules of its kind
// that concern no other resource. It is sorted by path, empty for a sound resource, and holds at most about a hundred
// findings; only those of SeverityError make it unsound. As for the API server, a null in a mapping counts as absent.
//
// A kind without schema yields one problem that says so (unsupported-version, unsupported-kind, not-a-resource).
// A known kind in a version without schema is checked against the version there is, because that is what its author has
// to arrive at.
func (s *Schemas) Check(obj Object) []SchemaProblem {
	schema, problem := s.find(obj)
	var found []SchemaProblem
	if problem != nil {
		found = append(found, *problem)
	}
	if schema == nil {
		return found
	}
	if wrong := checkNumbers(obj, nil, nil); len(wrong) > 0 {
		found = append(found, wrong...) // Nothing else can be computed with them.
	} else {
		clean := withoutNulls(obj)
		found = append(found, schema.check(clean)...)
		found = append(found, checkRules(schema.Group, schema.Kind, clean)...)
	}
	if problem != nil && len(found) > 1 {
		found[0].Fix += ", and correct what else is found in this document"
	}
	slices.SortStableFunc(found, func(a, b SchemaProblem) int {
		if c := slices.Compare(a.Path, b.Path); c != 0 {
			return c
		}
		return strings.Compare(a.Code, b.Code)
	})
	if len(found) > maxProblems {
		more := len(found) - maxProblems
		found = append(found[:maxProblems:maxProblems], SchemaProblem{
			Severity: SeverityNote, Code: "too-many-findings", Message: fmt.Sprintf("%d more findings in this document are not shown", more),
			Fix: "correct the ones above first",
		})
	}
	return found
}

// find picks the schema for obj. Both results are set for a version without schema.
func (s *Schemas) find(obj Object) (*kindSchema, *SchemaProblem) {
	apiVersion, _ := obj["apiVersion"].(string)
	kind, _ := obj["kind"].(string)
	if apiVersion == "" || kind == "" {
		return nil, notAResource(obj, apiVersion, kind)
	}
	group, version := splitAPIVersion(apiVersion)
	if schema, ok := s.byKind[kindVersion{group, version, kind}]; ok {
		return schema, nil
	}
	if known, ok := LookupKind(group, kind); ok && known.Role == RoleController {
		return nil, &SchemaProblem{
			Path: []string{"kind"}, Severity: SeverityNote, Code: "controller-kind",
			Message: kind + " is written by Hedgehog's controllers; it is left alone",
			Fix:     "remove it from Git unless you keep it there on purpose",
		}
	}
	var served []string
	for key := range s.byKind {
		if key.group == group && key.kind == kind {
			served = append(served, key.version)
		}
	}
	if len(served) == 0 {
		return nil, unsupportedKind(group, kind)
	}
	// Versions of this API sort by text well enough to be deterministic; v1beta1 beats v1alpha2.
	slices.Sort(served)
	best := served[len(served)-1]
	if known, ok := LookupKind(group, kind); ok && slices.Contains(served, known.Versions[0]) {
		best = known.Versions[0]
	}
	schema := s.byKind[kindVersion{group, best, kind}]
	return schema, &SchemaProblem{
		Path: []string{"apiVersion"}, Severity: SeverityWarning, Code: "unsupported-version",
		Message: fmt.Sprintf("%s is not served as %s; the document is not synchronised", kind, quote(version)),
		Fix:     fmt.Sprintf("write apiVersion: %s/%s", group, best),
	}
}

func splitAPIVersion(apiVersion string) (group, version string) {
	group, version, ok := strings.Cut(apiVersion, "/")
	if !ok {
		return "", apiVersion
	}
	return group, version
}

func notAResource(obj Object, apiVersion, kind string) *SchemaProblem {
	p := &SchemaProblem{
		Severity: SeverityNote, Code: "not-a-resource", Message: "the document has neither apiVersion nor kind, so it is no resource; it is left alone",
		Fix: "nothing, if that is intended; otherwise add apiVersion, kind and metadata.name",
	}
	_, hasSpec := obj["spec"]
	_, hasMetadata := obj["metadata"]
	switch {
	case kind != "":
		p.Message = fmt.Sprintf("the document has kind %s but no apiVersion; it is left alone", quote(kind))
		p.Fix = "add apiVersion"
		if k, ok := KindByName(kind); ok {
			p.Fix = "add apiVersion: " + k.APIVersion()
		}
	case apiVersion != "":
		p.Message, p.Fix = "the document has apiVersion but no kind; it is left alone", "add kind"
	case !hasSpec || !hasMetadata:
		return p
	}
	p.Severity = SeverityWarning
	return p
}

func unsupportedKind(group, kind string) *SchemaProblem {
	p := &SchemaProblem{
		Path: []string{"kind"}, Severity: SeverityNote, Code: "unsupported-kind",
		Message: fmt.Sprintf("%s of %s is not synchronised; it is left alone", kind, groupName(group)),
		Fix:     "nothing, if that is intended",
	}
	if k, ok := KindByName(kind); ok {
		p.Severity = SeverityWarning
		p.Fix = fmt.Sprintf("if it shall be Hedgehog's %s, write apiVersion: %s and kind: %s", k.Kind, k.APIVersion(), k.Kind)
		return p
	}
	if group == "githedgehog.com" || strings.HasSuffix(group, ".githedgehog.com") {
		p.Severity = SeverityWarning
		var names []string
		for _, k := range registry {
			names = append(names, k.Kind)
		}
		if near := nearest(kind, names); near != "" {
			p.Fix = fmt.Sprintf("did you mean kind: %s?", near)
		}
	}
	return p
}

func groupName(group string) string {
	if group == "" {
		return "the core API"
	}
	return quote(group)
}

// check runs the compiled schema.
func (k *kindSchema) check(obj Object) []SchemaProblem {
	compiled, err := k.compile()
	if err != nil {
		return []SchemaProblem{{
			Severity: SeverityError, Code: "schema", Message: "the schema of " + k.Kind + " cannot be used: " + oneLine(err),
			Fix: "correct the CRD",
		}}
	}
	err = compiled.Validate(obj)
	if err == nil {
		return nil
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return []SchemaProblem{{Severity: SeverityError, Code: "schema", Message: oneLine(err), Fix: "correct the document"}}
	}
	var found []SchemaProblem
	k.collect(invalid, obj, &found)
	return found
}

// withoutNulls drops nulls from mappings, as the API server does before it checks; in lists they stay. An object without
// nulls is not copied.
func withoutNulls(obj Object) Object {
	if !hasNull(obj) {
		return obj
	}
	return dropNulls(obj).(map[string]any)
}

func hasNull(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		for _, child := range v {
			if child == nil || hasNull(child) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, hasNull)
	}
	return false
}

func dropNulls(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, child := range v {
			if child != nil {
				out[key] = dropNulls(child)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, child := range v {
			out[i] = dropNulls(child)
		}
		return out
	}
	return value
}

// checkNumbers finds numbers that are none, or too large for arithmetic: an exponent of a billion would cost the
// checker that much memory.
func checkNumbers(value any, path []string, found []SchemaProblem) []SchemaProblem {
	if len(found) >= maxProblems {
		return found
	}
	switch v := value.(type) {
	case map[string]any:
		for key, child := range v {
			found = checkNumbers(child, append(path, key), found)
		}
	case []any:
		for i, child := range v {
			found = checkNumbers(child, append(path, strconv.Itoa(i)), found)
		}
	case json.Number:
		f, err := v.Float64()
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) || hugeExponent(string(v)) {
			found = append(found, SchemaProblem{
				Path: slices.Clone(path), Severity: SeverityError, Code: "range",
				Message: quote(string(v)) + " is no number that can be stored", Fix: "write a smaller number, or quote it if it is text",
			})
		}
	}
	return found
}

// hugeExponent also catches 0e999999999 and 1e-999999999, which are small as values but not as text.
func hugeExponent(s string) bool {
	if len(s) > 1000 {
		return true
	}
	i := strings.IndexAny(s, "eE")
	if i < 0 {
		return false
	}
	n, err := strconv.Atoi(strings.TrimPrefix(s[i+1:], "+"))
	return err != nil || n > 400 || n < -400
}
