package manifests

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"testing"
)

// variants returns copies of value in which one place holds something else.
func variants(value any, other any) []any {
	all := []any{other}
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			for _, child := range variants(v[key], other) {
				m := maps.Clone(v)
				m[key] = child
				all = append(all, m)
			}
		}
	case []any:
		for i := range v {
			for _, child := range variants(v[i], other) {
				l := slices.Clone(v)
				l[i] = child
				all = append(all, l)
			}
		}
	}
	return all
}

// NetBox stores any JSON. Whatever stands at whatever place, checking does not panic, every finding leads to a place
// that exists or whose parent does, and what is sound for the schema has no finding of the schema.
func TestHostileShapes(t *testing.T) {
	t.Parallel()
	s := testSchemas(t)
	others := []any{
		nil, true, json.Number("7"), json.Number("1e400"), "", "x/y", "\x00\x1b]0;\u202e", []any{}, map[string]any{}, []any{nil}, []any{map[string]any{}},
		map[string]any{"": nil}, map[string]any{"a.b": []any{[]any{}}}, []any{"a", "a"},
	}
	checked := 0
	for name, test := range validateCases {
		texts := []string{test.src}
		for _, text := range test.files {
			texts = append(texts, text)
		}
		for _, text := range texts {
			f, _ := Parse("a.yaml", []byte(text))
			for _, d := range f.Documents() {
				if d.Object == nil {
					continue
				}
				for _, other := range others {
					for _, v := range variants(d.Object, other) {
						obj, ok := v.(map[string]any)
						if !ok {
							continue
						}
						checked++
						kind, _ := LookupKind(d.Identity.Group, d.Identity.Kind)
						for _, p := range s.Check(obj) {
							kind.PathString(obj, p.Path)
							if len(p.Path) > 0 && !exists(obj, p.Path[:len(p.Path)-1]) {
								t.Fatalf("%s: %s leads to %v, where nothing is", name, p.Code, p.Path)
							}
						}
						for _, r := range References(obj) {
							if !exists(obj, r.Path) || r.Identity.Name == "" {
								t.Fatalf("%s: reference at %v", name, r.Path)
							}
						}
					}
				}
			}
		}
	}
	if checked < 10_000 {
		t.Errorf("only %d objects were checked", checked)
	}
}

func exists(value any, path []string) bool {
	for _, segment := range path {
		switch v := value.(type) {
		case map[string]any:
			child, ok := v[segment]
			if !ok {
				return false
			}
			value = child
		case []any:
			i, err := strconv.Atoi(segment)
			if err != nil || i >= len(v) {
				return false
			}
			value = v[i]
		default:
			return false
		}
	}
	return true
}
