package manifests

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// scribe writes random values in random layouts, the way many hands do: it shares no code with the renderer under test.
type scribe struct {
	rng   *rand.Rand
	step  int
	seq   int
	noise int // percent of places that get a comment or blank line
	n     int // numbers the comments, so that each can be recognised

	hostile bool  // anchors, aliases, lone dashes, explicit keys, values on lines of their own
	pool    []any // values to use again, so that aliases have something to repeat
	anchors []anchored
}

// anchored is a value that stands behind an anchor.
type anchored struct {
	name  string
	value any
}

func (s *scribe) chance(percent int) bool { return s.rng.IntN(100) < percent }

func (s *scribe) pick(list ...string) string { return list[s.rng.IntN(len(list))] }

func (s *scribe) comment() string {
	s.n++
	return fmt.Sprintf("# c%d", s.n) + s.pick("", ": x", " - y", " 'it", " {")
}

var sampleKeys = []string{
	"name", "id", "vlan", "subnet", "cidr", "port", "groups", "mtu", "role", "labels", "dhcp", "range", "a", "b", "x-y", "on", "1", "k.io/v",
}

var sampleTexts = []string{
	"leaf-01", "server-01/enp2s1", "10.0.10.0/24", "0c:20:12:ff:00:00", "VS-01 MCLAG 1", "yes", "null", "0123", "1e3", "12:30:45", "",
	"a: b", "x #y", " lead", "trail ", "it's", `say "hi"`, "tab\there", "line one\nline two\n", "one\ntwo", "a\n\nb\n", "über", "emoji 😀",
	"\u0085", "\u2028", "\u00a0x", "- dash", "*star", "{brace", "=", "<<", "---", "%x", "@y", "2001-01-01", "[x]", "x,y", "\\/", "\r", "\x00",
	"long " + "word word word word word word word word word word word word word word word word word word",
}

func (s *scribe) leaf() any {
	switch s.rng.IntN(8) {
	case 0:
		return s.chance(50)
	case 1:
		return json.Number(fmt.Sprint(s.rng.IntN(5000)))
	case 2:
		return json.Number(s.pick("1.5", "-7", "0", "12345678901234567890123", "9007199254740993", "1e-7"))
	case 3:
		if s.chance(20) {
			return nil
		}
	}
	if s.chance(60) {
		return sampleTexts[s.rng.IntN(5)]
	}
	return sampleTexts[s.rng.IntN(len(sampleTexts))]
}

func (s *scribe) value(depth int) any {
	if s.hostile && len(s.pool) > 0 && s.chance(25) {
		v, _ := cloneValue(s.pool[s.rng.IntN(len(s.pool))], 0)
		return v
	}
	v := s.fresh(depth)
	if s.hostile && s.chance(40) {
		s.pool = append(s.pool, v)
	}
	return v
}

func (s *scribe) fresh(depth int) any {
	if depth <= 0 || s.chance(45) {
		return s.leaf()
	}
	if s.chance(55) {
		return s.object(depth, s.rng.IntN(4)+s.rng.IntN(2))
	}
	n := s.rng.IntN(5)
	list := make([]any, n)
	shape := s.rng.IntN(3)
	for i := range list {
		switch shape {
		case 0:
			list[i] = s.leaf()
		case 1:
			o := s.object(depth-1, 1+s.rng.IntN(3))
			o["name"] = fmt.Sprintf("item-%d", i)
			list[i] = o
		default:
			list[i] = s.value(depth - 1)
		}
	}
	return list
}

func (s *scribe) object(depth, n int) map[string]any {
	m := map[string]any{}
	for range n {
		m[sampleKeys[s.rng.IntN(len(sampleKeys))]] = s.value(depth - 1)
	}
	return m
}

// write appends v as a document's root.
func (s *scribe) write(v map[string]any) string {
	if len(v) == 0 {
		return "{}\n"
	}
	var b strings.Builder
	s.mapping(&b, v, 0, false)
	return b.String()
}

func (s *scribe) above(b *strings.Builder, col int) {
	if s.chance(s.noise / 2) {
		b.WriteString("\n")
	}
	if s.chance(s.noise) {
		b.WriteString(pad(col) + s.comment() + "\n")
	}
}

func (s *scribe) endLine(b *strings.Builder) {
	if s.chance(s.noise) {
		b.WriteString(s.pick(" ", "  ", "   ") + s.comment())
	} else if s.chance(s.noise / 8) {
		b.WriteString(" ")
	}
	b.WriteString("\n")
}

func (s *scribe) mapping(b *strings.Builder, m map[string]any, col int, inline bool) {
	keys := slices.Sorted(maps.Keys(m))
	if s.chance(50) {
		s.rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	}
	for i, k := range keys {
		if i > 0 || !inline {
			s.above(b, col)
			b.WriteString(pad(col))
		}
		if s.hostile && s.chance(4) {
			b.WriteString("? " + s.quoted(k, false) + "\n" + pad(col))
			b.WriteString(":")
			if isLeaf(m[k]) {
				b.WriteString(" " + s.flow(m[k]))
				s.endLine(b)
				continue
			}
		} else {
			b.WriteString(s.quoted(k, false) + ":")
		}
		s.below(b, m[k], col, false)
	}
}

// below writes the value of a key or item whose line has begun.
func (s *scribe) below(b *strings.Builder, v any, col int, item bool) {
	if s.hostile {
		for _, a := range s.anchors {
			if Equal(a.value, v) && s.chance(60) {
				b.WriteString(" *" + a.name)
				s.endLine(b)
				return
			}
		}
		if s.chance(12) {
			a := anchored{fmt.Sprintf("n%d", s.rng.IntN(6)), v}
			b.WriteString(" &" + a.name)
			// The name means this value from here on.
			forget := func(o anchored) bool { return o.name == a.name }
			s.anchors = slices.DeleteFunc(s.anchors, forget)
			s.below1(b, v, col, item && isScalar(v))
			s.anchors = slices.DeleteFunc(s.anchors, forget)
			s.anchors = append(s.anchors, a)
			return
		}
		if item && !isScalar(v) && s.chance(10) {
			s.below1(b, v, col+1, false)
			return
		}
		if text, ok := v.(string); ok && plainSafe(text, false) && s.chance(10) {
			b.WriteString("\n" + pad(col+s.step) + text)
			s.endLine(b)
			return
		}
	}
	s.below1(b, v, col, item)
}

func (s *scribe) below1(b *strings.Builder, v any, col int, item bool) {
	switch x := v.(type) {
	case map[string]any:
		if len(x) == 0 || s.chance(8) && oneLine1(x) {
			b.WriteString(" " + s.flow(x))
			s.endLine(b)
			return
		}
		if item {
			gap := 1
			if s.chance(10) {
				gap = 3
			}
			b.WriteString(pad(gap))
			s.mapping(b, x, col+1+gap, true)
			return
		}
		s.endLine(b)
		s.mapping(b, x, col+s.step, false)
	case []any:
		if len(x) == 0 || s.chance(15) && oneLine1(x) {
			b.WriteString(" " + s.flow(x))
			s.endLine(b)
			return
		}
		in := col + s.seq
		if item {
			in = col + 2
			b.WriteString(" ")
		} else {
			s.endLine(b)
		}
		for i, e := range x {
			if i > 0 || !item {
				s.above(b, in)
				b.WriteString(pad(in))
			}
			b.WriteString("-")
			s.below(b, e, in, true)
		}
	case string:
		if strings.HasSuffix(x, "\n") && literalSafe(x) && s.chance(70) || strings.Contains(x, "\n") && literalSafe(x) && s.chance(50) {
			b.WriteString(" |")
			if !strings.HasSuffix(x, "\n") {
				b.WriteString("-")
			}
			s.endLine(b)
			for line := range strings.SplitSeq(strings.TrimSuffix(x, "\n"), "\n") {
				if line != "" {
					b.WriteString(pad(col+s.step) + line)
				}
				b.WriteString("\n")
			}
			return
		}
		if strings.Count(x, " ") > 3 && singleSafe(x) && plainSafe(x, false) && s.chance(60) {
			words := strings.Fields(x)
			mid := len(words) / 2
			if strings.Join(words, " ") == x {
				switch s.rng.IntN(3) {
				case 0:
					b.WriteString(" >-\n" + pad(col+s.step) + strings.Join(words[:mid], " ") + "\n" + pad(col+s.step) + strings.Join(words[mid:], " ") + "\n")
				case 1:
					b.WriteString(" " + strings.Join(words[:mid], " ") + "\n" + pad(col+s.step) + strings.Join(words[mid:], " "))
					s.endLine(b)
				default:
					b.WriteString(" \"" + strings.Join(words[:mid], " ") + "\n" + pad(col+s.step) + strings.Join(words[mid:], " ") + "\"")
					s.endLine(b)
				}
				return
			}
		}
		b.WriteString(" " + s.quoted(x, false))
		s.endLine(b)
	case nil:
		if s.chance(50) && !s.hostile {
			s.endLine(b)
			return
		}
		b.WriteString(" " + s.pick("null", "~"))
		s.endLine(b)
	default:
		b.WriteString(" " + fmt.Sprint(x))
		s.endLine(b)
	}
}

func oneLine1(v any) bool {
	switch x := v.(type) {
	case map[string]any:
		for _, e := range x {
			if !oneLine1(e) {
				return false
			}
		}
	case []any:
		for _, e := range x {
			if !oneLine1(e) {
				return false
			}
		}
	case string:
		return !strings.Contains(x, "\n")
	}
	return true
}

func (s *scribe) quoted(x string, flow bool) string {
	plain := plainSafe(x, flow)
	switch {
	case plain && s.chance(70):
		return x
	case singleSafe(x) && s.chance(50):
		return singleQuoted(x)
	}
	return doubleQuoted(x)
}

func (s *scribe) flow(v any) string {
	var parts []string
	space := s.pick("", "", " ")
	switch x := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(x)) {
			parts = append(parts, s.quoted(k, true)+": "+s.flow(x[k]))
		}
		if len(parts) == 0 {
			return "{}"
		}
		return "{" + space + strings.Join(parts, ", ") + space + "}"
	case []any:
		for _, e := range x {
			parts = append(parts, s.flow(e))
		}
		if len(parts) == 0 {
			return "[]"
		}
		return "[" + space + strings.Join(parts, ", ") + space + "]"
	case string:
		return s.quoted(x, true)
	case nil:
		return "null"
	}
	return fmt.Sprint(v)
}

// kyaml writes a flow collection with one entry per line and commas at the end of each.
func (s *scribe) kyaml(v any, col int) string {
	in := "\n" + pad(col+s.step)
	above := func() string {
		if s.chance(s.noise) {
			return in + s.comment()
		}
		return ""
	}
	after := func() string {
		if s.chance(s.noise) {
			return " " + s.comment()
		}
		return ""
	}
	switch x := v.(type) {
	case map[string]any:
		if len(x) == 0 {
			return "{}"
		}
		out := "{"
		for _, k := range slices.Sorted(maps.Keys(x)) {
			key := doubleQuoted(k)
			if plainSafe(k, true) {
				key = k
			}
			out += above() + in + key + ": " + s.kyaml(x[k], col+s.step) + "," + after()
		}
		return out + "\n" + pad(col) + "}"
	case []any:
		if len(x) == 0 {
			return "[]"
		}
		out := "["
		for _, e := range x {
			out += above() + in + s.kyaml(e, col+s.step) + "," + after()
		}
		return out + "\n" + pad(col) + "]"
	case string:
		return doubleQuoted(x)
	case nil:
		return "null"
	}
	return fmt.Sprint(v)
}

// place is one container of a value and how to reach it.
type place struct {
	path []string
	in   any // map[string]any or []any
	key  string
	i    int
}

// places lists every entry of v, in a fixed order.
func places(v any, at []string) []place {
	var out []place
	switch x := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(x)) {
			p := append(slices.Clone(at), k)
			out = append(out, place{path: p, in: x, key: k, i: -1})
			out = append(out, places(x[k], p)...)
		}
	case []any:
		for i := range x {
			p := append(slices.Clone(at), fmt.Sprint(i))
			out = append(out, place{path: p, in: x, i: i})
			out = append(out, places(x[i], p)...)
		}
	}
	return out
}

func (p place) get() any {
	if m, ok := p.in.(map[string]any); ok {
		return m[p.key]
	}
	return p.in.([]any)[p.i]
}

// at replaces the value at path by what change makes of it.
func at(v any, path []string, change func(any) any) any {
	if len(path) == 0 {
		return change(v)
	}
	switch x := v.(type) {
	case map[string]any:
		x[path[0]] = at(x[path[0]], path[1:], change)
	case []any:
		var i int
		fmt.Sscan(path[0], &i)
		x[i] = at(x[i], path[1:], change)
	}
	return v
}

// edits are the operations of the statistics. Each changes a copy and says where.
func (s *scribe) mutate(v map[string]any) (op string, want map[string]any, path []string) {
	copied, _ := cloneValue(v, 0)
	want = copied.(map[string]any)
	all := places(want, nil)
	if len(all) == 0 {
		want["new"] = s.leaf()
		return "add", want, []string{"new"}
	}
	p := all[s.rng.IntN(len(all))]
	switch s.rng.IntN(8) {
	case 0, 1:
		if isLeaf(p.get()) {
			old := p.get()
			at(want, p.path, func(any) any {
				for range 20 {
					if n := s.leaf(); !Equal(n, old) {
						return n
					}
				}
				return "changed"
			})
			return "set", want, p.path
		}
		fallthrough
	case 2:
		var target any = want
		base := p.path
		if !isLeaf(p.get()) {
			target = p.get()
		} else {
			base = nil
		}
		switch x := target.(type) {
		case map[string]any:
			k := fmt.Sprintf("%snew", s.pick("a", "m", "z"))
			var v any = s.leaf()
			if s.chance(20) {
				v = s.value(2)
			}
			x[k] = v
			return "add", want, append(slices.Clone(base), k)
		case []any:
			i := s.rng.IntN(len(x) + 1)
			var v any = s.leaf()
			if len(x) > 0 {
				if m, ok := x[0].(map[string]any); ok {
					c, _ := cloneValue(m, 0)
					m = c.(map[string]any)
					if _, named := m["name"]; named {
						m["name"] = "item-new"
					}
					m["mtu"] = json.Number("9000")
					v = m
				}
			}
			at(want, base, func(any) any { return slices.Insert(slices.Clone(x), i, v) })
			return "insert", want, append(slices.Clone(base), fmt.Sprint(i))
		}
	case 3, 4:
		if p.i < 0 {
			delete(p.in.(map[string]any), p.key)
			return "delete", want, p.path
		}
		at(want, p.path[:len(p.path)-1], func(v any) any { return slices.Delete(slices.Clone(v.([]any)), p.i, p.i+1) })
		return "remove", want, p.path
	case 5:
		if p.i < 0 {
			m := p.in.(map[string]any)
			v := m[p.key]
			delete(m, p.key)
			m[p.key+"-renamed"] = v
			return "rename", want, p.path
		}
		list := p.in.([]any)
		if len(list) > 1 {
			j := s.rng.IntN(len(list))
			at(want, p.path[:len(p.path)-1], func(v any) any {
				l := slices.Clone(v.([]any))
				e := l[p.i]
				return slices.Insert(slices.Delete(l, p.i, p.i+1), j, e)
			})
			return "move", want, p.path
		}
	case 6:
		at(want, p.path, func(any) any { return s.value(2) })
		return "retype", want, p.path
	case 7:
		o, w, q := s.mutate(want)
		o2, w2, _ := s.mutate(w)
		return o + "+" + o2, w2, q
	}
	at(want, p.path, func(any) any { return "plain" })
	return "retype", want, p.path
}

func isLeaf(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

// document makes a random text with the document to edit at index doc.
func (s *scribe) document() (text string, doc int) {
	s.step = []int{2, 2, 2, 4, 3}[s.rng.IntN(5)]
	s.seq = []int{0, 0, s.step}[s.rng.IntN(3)]
	s.noise = []int{0, 10, 30}[s.rng.IntN(3)]
	v := s.object(3, 1+s.rng.IntN(5))
	body := ""
	switch s.rng.IntN(12) {
	case 0:
		out, _ := json.MarshalIndent(v, "", pad(s.step))
		body = string(out) + "\n"
	case 1:
		out, _ := json.Marshal(v)
		body = string(out) + "\n"
	case 2:
		body = s.kyaml(v, 0) + "\n"
	default:
		body = s.write(v)
	}
	switch s.rng.IntN(6) {
	case 0:
		body = "---" + s.pick("", " ", " # x") + "\n" + body
	case 1:
		body = "# header\n---\n" + body
	case 2:
		body = "first: 1\n# banner\n---\n" + body
		doc = 1
	}
	switch s.rng.IntN(4) {
	case 0:
		body += "# tail\n---\nlast: 1\n"
	case 1:
		body = strings.TrimSuffix(body, "\n")
	case 2:
		body += s.pick("...\n", "\n", "# end\n")
	}
	if s.chance(10) {
		body = strings.ReplaceAll(body, "\n", "\r\n")
	}
	if s.chance(5) {
		body = bom + body
	}
	return body, doc
}
