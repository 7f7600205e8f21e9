package manifests

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxShown bounds what a message repeats of a foreign value.
const maxShown = 80

// quote shows a foreign text in a message: in quotes, control characters escaped, at most maxShown code points.
func quote(s string) string {
	if utf8.RuneCountInString(s) > maxShown {
		s = string([]rune(s)[:maxShown]) + "…"
	}
	return strconv.Quote(s)
}

// show shows a foreign scalar in a message; of mappings and lists only what they are.
func show(value any) string {
	switch v := value.(type) {
	case string:
		return quote(v)
	case json.Number:
		if len(v) > maxShown {
			return string(v[:maxShown]) + "…"
		}
		return string(v)
	case bool:
		return strconv.FormatBool(v)
	case nil:
		return "empty"
	case map[string]any:
		return "a mapping"
	case []any:
		return "a list"
	}
	return "a value of unknown type"
}

// PathString writes the path of a value for people: names joined by dots; a key that is not [A-Za-z0-9_-]+ in brackets
// and quotes; an item of a keyed list by its key values; an item of another list by its index:
//
//	spec.subnets.test-subnet.vlan
//	metadata.labels["a.b/c"]
//	spec.bundled.links["server-04/enp2s1,leaf-02/E1/2"].server.port
//	spec.permit[0]
//
// path holds map keys and decimal list indexes, obj is the document they belong to.
func (k Kind) PathString(obj Object, path []string) string {
	var b strings.Builder
	var value any = map[string]any(obj)
	for i, segment := range path {
		switch v := value.(type) {
		case []any:
			value = nil
			b.WriteByte('[')
			n, err := strconv.Atoi(segment)
			if err != nil || n < 0 || n >= len(v) {
				b.WriteString(strconv.Quote(segment))
			} else {
				value = v[n]
				rule, ok := k.ListAt(path[:i])
				name, keyed := "", false
				if ok && rule.Type == ListKeyed {
					name, keyed = rule.Key(value)
				}
				if keyed {
					b.WriteString(strconv.Quote(name))
				} else {
					b.WriteString(segment)
				}
			}
			b.WriteByte(']')
			continue
		case map[string]any:
			value = v[segment]
		default:
			value = nil
		}
		if !plainKey(segment) {
			b.WriteString("[" + strconv.Quote(segment) + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(segment)
	}
	return b.String()
}

// plainKey reports whether a key can stand in a path as it is.
func plainKey(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return s != ""
}

// nearest returns the candidate that a text is most likely a misspelling of: at most a third of it differs, and never
// more than three letters. Empty when none is near.
func nearest(text string, candidates []string) string {
	if len(text) > 64 {
		return ""
	}
	best, distance := "", min(3, (len(text)+1)/3)+1
	for _, c := range candidates {
		if len(c) > 64 {
			continue
		}
		if d := editDistance(strings.ToLower(text), strings.ToLower(c)); d < distance {
			best, distance = c, d
		}
	}
	return best
}

// editDistance counts insertions, deletions, replacements and exchanges of neighbours between two short texts
// (optimal string alignment).
func editDistance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j-1]+cost, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
