package gitops

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// Seg is one step of a Path: a map key, or the key of an item of a keyed list or set.
type Seg struct {
	Name string
	Item bool
}

// Path is a place in a resource, from the document's root: spec.subnets.test-subnet.vlan.
type Path []Seg

// field returns p with a map key appended; p itself is never changed.
func (p Path) field(name string) Path { return append(p[:len(p):len(p)], Seg{Name: name}) }

// item returns p with the key of a list item appended.
func (p Path) item(key string) Path { return append(p[:len(p):len(p)], Seg{Name: key, Item: true}) }

// names are the segments as the registry of kinds wants them.
func (p Path) names() []string {
	out := make([]string, len(p))
	for i, s := range p {
		out[i] = s.Name
	}
	return out
}

func plainKey(s string) bool {
	if s == "" {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// String writes the path as INTERFACES pins it: dots between plain keys, ["…"] around other keys and list items.
func (p Path) String() string {
	var b strings.Builder
	for i, s := range p {
		if s.Item || !plainKey(s.Name) {
			b.WriteByte('[')
			b.WriteString(strconv.Quote(s.Name))
			b.WriteByte(']')
			continue
		}
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(s.Name)
	}
	return b.String()
}

// MaxPathText is the longest path text that is accepted, in bytes.
const MaxPathText = 4096

// ParsePath reads what String writes. Whether a bracketed segment is a map key or a list item is not in the text;
// it is decided by what stands there.
func ParsePath(text string) (Path, error) {
	if len(text) > MaxPathText {
		return nil, fmt.Errorf("path is longer than %d bytes", MaxPathText)
	}
	var p Path
	rest := text
	for rest != "" {
		if rest[0] == '[' {
			quoted, err := strconv.QuotedPrefix(rest[1:])
			if err != nil || quoted[0] != '"' {
				return nil, fmt.Errorf("path %q: expected [\"key\"]", text)
			}
			name, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, fmt.Errorf("path %q: %w", text, err)
			}
			rest = rest[1+len(quoted):]
			if rest == "" || rest[0] != ']' {
				return nil, fmt.Errorf("path %q: missing ]", text)
			}
			rest = rest[1:]
			p = append(p, Seg{Name: name, Item: true})
			continue
		}
		if len(p) > 0 {
			if rest[0] != '.' {
				return nil, fmt.Errorf("path %q: expected a dot", text)
			}
			rest = rest[1:]
		}
		end := strings.IndexAny(rest, ".[")
		if end < 0 {
			end = len(rest)
		}
		if !plainKey(rest[:end]) {
			return nil, fmt.Errorf("path %q: %q must be written as [\"…\"]", text, rest[:end])
		}
		p = append(p, Seg{Name: rest[:end]})
		rest = rest[end:]
	}
	return p, nil
}

// matchGlob reports whether the path, or a prefix of it, matches a dot separated pattern in which "*" is one
// segment. A pattern for a container covers what is below it.
func (p Path) matchGlob(pattern string) bool {
	if pattern == "" {
		return true
	}
	want, err := parseGlob(pattern)
	if err != nil || len(want) > len(p) {
		return false
	}
	for i, w := range want {
		if w != "*" && w != p[i].Name {
			return false
		}
	}
	return true
}

func parseGlob(pattern string) ([]string, error) {
	p, err := ParsePath(strings.ReplaceAll(pattern, "*", `["*"]`))
	if err != nil {
		p, err = ParsePath(strings.ReplaceAll(pattern, ".*", `["*"]`))
		if err != nil {
			return nil, err
		}
	}
	return p.names(), nil
}

// none is the value of a path at which nothing stands; it differs from null, which is only possible inside lists.
type noneType struct{}

var none any = noneType{}

func isNone(v any) bool { _, ok := v.(noneType); return ok }

// lookup returns the value at p in a document, or none.
func lookup(kind manifests.Kind, doc any, p Path) any {
	v := doc
	for i, s := range p {
		switch c := v.(type) {
		case map[string]any:
			x, ok := c[s.Name]
			if !ok || x == nil {
				return none
			}
			v = x
		case []any:
			rule, ok := kind.ListAt(p[:i].names())
			if !ok {
				return none
			}
			at := indexOf(rule, c, s.Name)
			if at < 0 {
				return none
			}
			v = c[at]
		default:
			return none
		}
	}
	return v
}

func indexOf(rule manifests.List, list []any, key string) int {
	for i, item := range list {
		if k, ok := rule.Key(item); ok && k == key {
			return i
		}
	}
	return -1
}

// withPath returns doc with v at p (none removes it), sharing everything beside the path with doc, which stays as it
// was. Missing maps on the way are made; a missing list on the way to an item is made too. An item key that the list
// does not hold is appended.
func withPath(kind manifests.Kind, doc any, p Path, v any) any {
	return withPathAt(kind, doc, p, 0, v)
}

func withPathAt(kind manifests.Kind, doc any, p Path, at int, v any) any {
	if at == len(p) {
		return v
	}
	s := p[at]
	if list, ok := doc.([]any); ok || s.Item && (doc == nil || isNone(doc)) {
		rule, found := kind.ListAt(p[:at].names())
		if found && rule.Type != manifests.ListAtomic {
			i := indexOf(rule, list, s.Name)
			var old any = none
			if i >= 0 {
				old = list[i]
			}
			item := withPathAt(kind, old, p, at+1, v)
			out := make([]any, 0, len(list)+1)
			out = append(out, list...)
			switch {
			case i >= 0 && isNone(item):
				out = append(out[:i], out[i+1:]...)
			case i >= 0:
				out[i] = item
			case !isNone(item):
				out = append(out, item)
			}
			return out
		}
	}
	m, _ := doc.(map[string]any)
	var old any = none
	if x, ok := m[s.Name]; ok && x != nil {
		old = x
	}
	child := withPathAt(kind, old, p, at+1, v)
	if isNone(child) && isNone(old) {
		if m == nil {
			return doc
		}
		if _, null := m[s.Name]; !null {
			return doc
		}
	}
	out := make(map[string]any, len(m)+1)
	for k, x := range m {
		out[k] = x
	}
	if isNone(child) {
		delete(out, s.Name)
	} else {
		out[s.Name] = child
	}
	return out
}

// indexPath turns p into the segments that manifests.File.Locate takes: list items by their index in doc.
func indexPath(kind manifests.Kind, doc any, p Path) []string {
	out := make([]string, 0, len(p))
	v := doc
	for i, s := range p {
		switch c := v.(type) {
		case []any:
			rule, _ := kind.ListAt(p[:i].names())
			at := indexOf(rule, c, s.Name)
			if at < 0 {
				return out
			}
			out = append(out, strconv.Itoa(at))
			v = c[at]
		case map[string]any:
			out = append(out, s.Name)
			v = c[s.Name]
		default:
			return append(out, s.Name)
		}
	}
	return out
}
