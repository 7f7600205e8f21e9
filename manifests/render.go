package manifests

import (
	"maps"
	"slices"
	"strings"
)

// Render writes a new document for a new file: apiVersion, kind, metadata, spec first, metadata as name, namespace,
// labels, annotations, every other key sorted; 2 spaces of indentation, lists at the indentation of their key, a final
// line break. Text is quoted where any dialect of YAML would read something else. Lists keep the given order. The
// result is what the strict parser of Kubernetes reads as want; if it is not, the error is an *EditError.
func Render(want Object) ([]byte, error) {
	value, err := cloneValue(want, 0)
	if err != nil {
		return nil, refuse("", "value-not-yaml", "the object cannot be written: "+err.Error(), "correct the value")
	}
	l := &layout{step: 2, quote: '"', eol: "\n", block: true}
	w := writer{layout: l, order: resourceOrder}
	object := value.(map[string]any)
	out := "{}\n"
	if len(object) > 0 {
		out = w.mapLines(object, 0, nil, nil) + "\n"
	}
	r, e := readSection([]byte(out))
	if e != nil || r.tree == nil || !Equal(r.value, value) {
		return nil, refuse("", "value-not-yaml", "the object has no YAML form that every reader understands", "shorten or simplify its keys")
	}
	return []byte(out), nil
}

// resourceOrder is the order of keys in a new resource; nil means sorted.
func resourceOrder(path []string) []string {
	switch {
	case len(path) == 0:
		return []string{"apiVersion", "kind", "metadata", "spec"}
	case len(path) == 1 && path[0] == "metadata":
		return []string{"name", "namespace", "labels", "annotations"}
	}
	return nil
}

// writer writes values that are new. Line breaks are "\n"; the caller turns them into the file's own.
type writer struct {
	*layout
	order func(path []string) []string
}

// keys orders the keys of a new map: as its template has them, then the fixed order, the rest sorted.
func (w *writer) keys(m map[string]any, like *node, path []string) []string {
	var out []string
	used := make(map[string]bool, len(m))
	add := func(k string) {
		if _, ok := m[k]; ok && !used[k] {
			used[k] = true
			out = append(out, k)
		}
	}
	if like = deref(like); like != nil && like.kind == mapNode {
		for i := range like.entries {
			if !like.entries[i].merge {
				add(like.entries[i].name)
			}
		}
	}
	if w.order != nil {
		for _, k := range w.order(path) {
			add(k)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		add(k)
	}
	return out
}

func deref(n *node) *node {
	for n != nil && n.kind == aliasNode {
		n = n.target
	}
	return n
}

// childLike is the template for the value of a key, or for the items of a list.
func childLike(like *node, key string) *node {
	like = deref(like)
	if like == nil {
		return nil
	}
	if like.kind == seqNode {
		if len(like.entries) > 0 {
			return like.entries[0].val
		}
		return nil
	}
	for i := range like.entries {
		if e := &like.entries[i]; !e.merge && e.name == key {
			return e.val
		}
	}
	return nil
}

func pad(n int) string { return strings.Repeat(" ", n) }

// quoting picks the way to write text like its template.
func (w *writer) quoting(like *node, flow bool) quoting {
	q := quoting{quote: w.quote, all: w.all, flow: flow}
	if like != nil && like.kind == scalarNode && like.isStr && !w.json {
		switch like.style {
		case singleStyle:
			q.quote, q.all = '\'', true
		case doubleStyle:
			q.quote, q.all = '"', true
		case plainStyle:
			q.all = w.all
		}
	}
	if w.json {
		q.quote, q.all = '"', true
	}
	return q
}

func (w *writer) key(k string, like *node, flow bool) string {
	q := quoting{quote: w.quote, all: w.json, flow: flow}
	if like != nil && like.style == singleStyle {
		q.quote, q.all = '\'', true
	} else if like != nil && like.style == doubleStyle || w.json {
		q.quote, q.all = '"', true
	}
	return q.text(k)
}

// mapLines writes the pairs of a map as lines at column col, without a last line break.
func (w *writer) mapLines(m map[string]any, col int, like *node, path []string) string {
	var b strings.Builder
	for i, k := range w.keys(m, like, path) {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(pad(col))
		b.WriteString(w.pair(k, m[k], col, like, path))
	}
	return b.String()
}

// pair writes "key: value" for a map at column col. Further lines carry their indentation, the first does not.
func (w *writer) pair(k string, v any, col int, like *node, path []string) string {
	var keyLike *node
	if like = deref(like); like != nil && like.kind == mapNode {
		for i := range like.entries {
			e := &like.entries[i]
			if keyLike == nil && e.key.kind == scalarNode && !e.merge && e.key.style != plainStyle {
				keyLike = e.key
			}
			if e.name == k {
				keyLike = e.key
				break
			}
		}
	}
	return w.key(k, keyLike, false) + ":" + w.value(v, col, like, childLike(like, k), append(slices.Clip(path), k))
}

// value writes what follows "key:" in a map at column col. in is the template of the map, like that of the value.
func (w *writer) value(v any, col int, in, like *node, path []string) string {
	like = deref(like)
	step, seqOff := w.step, w.seqOff
	if like != nil && in != nil && in.style == blockStyle && like.style == blockStyle && like.parent == in {
		if off := like.col - in.col; like.kind == mapNode && off > 0 {
			step = off
		} else if like.kind == seqNode && off >= 0 {
			seqOff = off
		}
	}
	if isScalar(v) || like != nil && like.style == flowStyle && like.kind != scalarNode && len(like.entries) > 0 && w.shortFlow(v) {
		return " " + w.inline(v, col+step, like)
	}
	switch x := v.(type) {
	case map[string]any:
		return "\n" + w.mapLines(x, col+step, like, path)
	case []any:
		return "\n" + w.seqLines(x, col+seqOff, like, path)
	}
	return ""
}

// shortFlow reports whether v can be written in a flow collection on one line: text with line breaks would be hard
// to read there.
func (w *writer) shortFlow(v any) bool {
	switch x := v.(type) {
	case map[string]any:
		for _, e := range x {
			if !w.shortFlow(e) {
				return false
			}
		}
	case []any:
		for _, e := range x {
			if !w.shortFlow(e) {
				return false
			}
		}
	case string:
		return !strings.Contains(x, "\n")
	}
	return true
}

// inline writes a scalar, an empty collection or a flow collection. Literal blocks are indented by indent.
func (w *writer) inline(v any, indent int, like *node) string {
	switch x := v.(type) {
	case map[string]any, []any:
		return w.flow(v, like)
	case string:
		if strings.Contains(x, "\n") && w.block && literalSafe(x) && (like == nil || like.style != doubleStyle) {
			header := "|"
			if !strings.HasSuffix(x, "\n") {
				header = "|-"
			}
			return header + "\n" + literalLines(x, indent)
		}
		return w.quoting(like, false).text(x)
	}
	return w.quoting(like, false).scalar(v)
}

// seqLines writes the items of a list as lines with the dashes at column col.
func (w *writer) seqLines(list []any, col int, like *node, path []string) string {
	var b strings.Builder
	for i, v := range list {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(pad(col))
		b.WriteString("-" + w.item(v, col, 1, childLike(like, ""), append(slices.Clip(path), "*")))
	}
	return b.String()
}

// item writes what follows "-" at column col; gap is the number of blanks after the dash.
func (w *writer) item(v any, col, gap int, like *node, path []string) string {
	like = deref(like)
	in := col + 1 + gap
	if isScalar(v) || like != nil && like.style == flowStyle && like.kind != scalarNode && len(like.entries) > 0 && w.shortFlow(v) {
		return pad(gap) + w.inline(v, col+w.step, like)
	}
	switch x := v.(type) {
	case map[string]any:
		return pad(gap) + strings.TrimLeft(w.mapLines(x, in, like, path), " ")
	case []any:
		return pad(gap) + strings.TrimLeft(w.seqLines(x, in, like, path), " ")
	}
	return ""
}

// flow writes a value on one line inside a flow collection.
func (w *writer) flow(v any, like *node) string {
	like = deref(like)
	comma, colon := ", ", ": "
	if w.tight {
		comma, colon = ",", ":"
	}
	switch x := v.(type) {
	case map[string]any:
		var parts []string
		for _, k := range w.keys(x, like, nil) {
			key := w.key(k, firstKey(like), true)
			c := colon
			if c == ":" && key[0] != '"' && key[0] != '\'' {
				c = ": "
			}
			parts = append(parts, key+c+w.flow(x[k], childLike(like, k)))
		}
		return "{" + strings.Join(parts, comma) + "}"
	case []any:
		var parts []string
		for _, e := range x {
			parts = append(parts, w.flow(e, childLike(like, "")))
		}
		return "[" + strings.Join(parts, comma) + "]"
	}
	return w.quoting(like, true).scalar(v)
}

func firstKey(n *node) *node {
	if n == nil || n.kind != mapNode || len(n.entries) == 0 {
		return nil
	}
	return n.entries[0].key
}
