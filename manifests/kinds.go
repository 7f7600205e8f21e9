package manifests

import (
	"encoding/json"
	"math/big"
	"slices"
	"strings"
)

// API groups of the Hedgehog fabric.
const (
	GroupWiring  = "wiring.githedgehog.com"
	GroupVPC     = "vpc.githedgehog.com"
	GroupGateway = "gateway.githedgehog.com"
)

// Kinds returns every registered kind, sorted by Order and then Kind. The slice and what it holds are the caller's.
func Kinds() []Kind {
	kinds := make([]Kind, len(registry))
	for i, k := range registry {
		k.Versions = slices.Clone(k.Versions)
		k.Lists = slices.Clone(k.Lists)
		k.Defaults = slices.Clone(k.Defaults)
		kinds[i] = k
	}
	slices.SortStableFunc(kinds, func(a, b Kind) int {
		if a.Order != b.Order {
			return a.Order - b.Order
		}
		return strings.Compare(a.Kind, b.Kind)
	})
	return kinds
}

// LookupKind finds a kind by its exact API group and name. What it returns shares its slices with the registry and
// must not be changed.
func LookupKind(group, kind string) (Kind, bool) {
	for _, k := range registry {
		if k.Kind == kind && k.Group == group {
			return k, true
		}
	}
	return Kind{}, false
}

// KindByName finds a kind by what people type: the kind or its plural, in any case ("vpc", "Connections").
func KindByName(kind string) (Kind, bool) {
	for _, k := range registry {
		if strings.EqualFold(k.Kind, kind) || strings.EqualFold(k.Plural, kind) {
			return k, true
		}
	}
	return Kind{}, false
}

// Serves reports whether version ("v1beta1") is one this kind has a schema for.
func (k Kind) Serves(version string) bool { return slices.Contains(k.Versions, version) }

// ListAt returns the rule of the list standing at path: its segments below the document root, in which an item of a
// list counts as one segment with any text. A list without a rule is atomic.
func (k Kind) ListAt(path []string) (List, bool) {
	for _, l := range k.Lists {
		if matchPath(l.Path, path) {
			return l, true
		}
	}
	return List{}, false
}

// DefaultAt returns the value that Hedgehog fills in when nothing stands at path (segments as for ListAt).
// The caller must not change it.
func (k Kind) DefaultAt(path []string) (any, bool) {
	for _, d := range k.Defaults {
		if matchPath(d.Path, path) {
			return d.Value, true
		}
	}
	return nil, false
}

// matchPath compares a dot separated pattern, in which "*" stands for one segment, with the segments of a path.
func matchPath(pattern string, path []string) bool {
	for _, segment := range path {
		if pattern == "" {
			return false
		}
		head, rest, _ := strings.Cut(pattern, ".")
		if head != "*" && head != segment {
			return false
		}
		pattern = rest
	}
	return pattern == ""
}

// Key identifies an item of the list: its key values joined by commas, in the order of Keys; for a set the string
// itself. It is false when a key is absent, empty, not a scalar, or a composite key holds a comma (two different
// items could then look alike), and for members of a set that are no strings: such a list is one field.
func (l List) Key(item any) (string, bool) {
	switch l.Type {
	case ListSet:
		s, ok := item.(string)
		return s, ok
	case ListKeyed:
		if len(l.Keys) == 1 {
			return keyValue(item, l.Keys[0])
		}
		var b strings.Builder
		for i, key := range l.Keys {
			value, ok := keyValue(item, key)
			if !ok || strings.Contains(value, ",") {
				return "", false
			}
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(value)
		}
		return b.String(), len(l.Keys) > 0
	default:
		return "", false
	}
}

// keyValue returns the text of the scalar at a dot separated place inside an item.
func keyValue(item any, place string) (string, bool) {
	for place != "" {
		head, rest, _ := strings.Cut(place, ".")
		m, ok := item.(map[string]any)
		if !ok {
			return "", false
		}
		if item, ok = m[head]; !ok {
			return "", false
		}
		place = rest
	}
	switch v := item.(type) {
	case string:
		return v, v != ""
	case json.Number:
		return numberKey(v), true
	case bool:
		if v {
			return "true", true
		}
		return "false", true
	default:
		return "", false
	}
}

// numberKey writes integral numbers of any spelling the same way, so that 10 and 1e1 are one key.
func numberKey(n json.Number) string {
	s := string(n)
	if !strings.ContainsAny(s, ".eE") || len(s) > 32 {
		return s
	}
	// An exponent is bounded before big.Rat expands it: 1e999999999 would allocate without limit.
	if f, err := n.Float64(); err != nil || f > 1e18 || f < -1e18 || (f != 0 && f < 1 && f > -1) {
		return s
	}
	if r, ok := new(big.Rat).SetString(s); ok && r.IsInt() {
		return r.Num().String()
	}
	return s
}

// ForeignLabel reports whether a label belongs to Hedgehog's controllers: never compared, copied or deleted.
func ForeignLabel(key string) bool { return strings.HasPrefix(key, "fabric.githedgehog.com/") }

// ForeignAnnotation reports whether an annotation belongs to kubectl or to the old plugin's bookkeeping: never
// compared, copied or deleted.
func ForeignAnnotation(key string) bool {
	return strings.HasPrefix(key, "kubectl.kubernetes.io/") || strings.HasPrefix(key, "hnp.githedgehog.com/")
}
