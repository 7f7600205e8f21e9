package manifests

import (
	"slices"
	"strings"
)

// slot is one entry of a rewritten flow collection: an old one by its index, or new text.
type slot struct {
	old  int // -1 for new text
	text string
}

// piece is an entry of a flow collection as it stands in the text.
type piece struct {
	lead    string // between the comma before it and the entry, from the line break on when there is one
	text    string
	gap     string // between the entry and its comma
	trailer string // comment behind the comma, on the same line
	span           // all of it but the lead
}

func (d *differ) entrySpan(n *node, i int) span {
	e := &n.entries[i]
	start := e.val.prop
	if e.key != nil {
		start = e.key.prop
	}
	if e.mark >= 0 {
		start = e.mark
	}
	end := e.val.end
	if e.key != nil {
		end = max(end, e.key.end, e.colon+1)
	}
	return span{start, end}
}

// changeFlow rewrites a flow collection with other entries. Old entries keep their text, their comments and the
// blanks around them; the lines of a collection that has one entry per line stay whole.
func (d *differ) changeFlow(n *node, slots []slot, drop []bool) {
	src := d.src
	open, shut := n.start+1, n.end-1
	if len(slots) == 0 {
		d.change(open, shut, "", true)
		return
	}
	count := len(n.entries)
	pieces := make([]piece, count)
	pos := open
	trailing := false // a comma stands after the last entry
	tail := ""
	for i := range n.entries {
		s := d.entrySpan(n, i)
		pieces[i].lead = string(src[pos:s.start])
		pieces[i].span = span{s.start, shut}
		pieces[i].text = string(src[s.start:s.end])
		comma := flowComma(src, s.end, shut)
		if comma < 0 {
			tail = string(src[s.end:shut])
			break
		}
		pieces[i].gap = string(src[s.end:comma])
		pos = comma + 1
		pieces[i].end = pos
		if i == count-1 {
			trailing = true
			tail = string(src[pos:shut])
		}
	}
	// A comment on the line of an entry belongs to it, although it stands behind its comma.
	cut := func(lead string) (trailer, rest string) {
		nl := strings.IndexByte(lead, '\n')
		if nl < 0 {
			return "", lead
		}
		if nl > 0 && lead[nl-1] == '\r' {
			nl--
		}
		return lead[:nl], lead[nl:]
	}
	for i := range pieces {
		if i+1 < count {
			pieces[i].trailer, pieces[i+1].lead = cut(pieces[i+1].lead)
		} else {
			pieces[i].trailer, tail = cut(tail)
		}
	}
	for i := range pieces {
		if i == count-1 && !trailing {
			pieces[i].end = shut - len(tail)
		} else {
			pieces[i].end += len(pieces[i].trailer)
		}
		if drop[i] {
			d.gone = append(d.gone, pieces[i].span)
		}
	}
	headTrailer := ""
	if count > 0 {
		headTrailer, pieces[0].lead = cut(pieces[0].lead)
	}
	firstLead, nextLead := "", " "
	if d.tight {
		nextLead = ""
	}
	if count > 0 {
		firstLead = pieces[0].lead
		if strings.Contains(firstLead, "\n") {
			nextLead = firstLead
		}
	}
	if count > 1 {
		nextLead = pieces[1].lead
	}
	nextLead = bare(nextLead)
	lines := strings.Contains(nextLead, "\n")
	carried := ""
	var b strings.Builder
	b.WriteString(raw(headTrailer))
	lastKept := -1
	emit := func(lead, text, gap, trailer string, last bool) {
		b.WriteString(raw(lead))
		b.WriteString(text)
		b.WriteString(raw(gap))
		if !last || trailing {
			b.WriteByte(',')
		}
		b.WriteString(raw(trailer))
	}
	for j, s := range slots {
		last := j == len(slots)-1
		if s.old < 0 {
			lead := nextLead
			if j == 0 {
				lead = bare(firstLead)
			}
			emit(lead, s.text, "", "", last)
			continue
		}
		p := pieces[s.old]
		// Comments above entries that go stay where they are.
		carried = ""
		for i := lastKept + 1; i < s.old; i++ {
			if drop[i] && strings.Contains(pieces[i].lead, "#") {
				carried += strings.TrimSuffix(pieces[i].lead, bare(pieces[i].lead))
			}
		}
		lastKept = max(lastKept, s.old)
		lead := p.lead
		if j == 0 && !lines {
			lead = firstLead
		} else if j > 0 && s.old == 0 && !lines {
			lead = nextLead
		}
		emit(carried+lead, raw(p.text), p.gap, p.trailer, last)
	}
	for i := lastKept + 1; i < count; i++ {
		if drop[i] && strings.Contains(pieces[i].lead, "#") {
			b.WriteString(raw(strings.TrimSuffix(pieces[i].lead, bare(pieces[i].lead))))
		}
	}
	b.WriteString(raw(tail))
	d.change(open, shut, b.String(), false)
}

// bare is the end of a lead without its comments: the last line break and what follows it, or all of it.
func bare(lead string) string {
	i := strings.LastIndexByte(lead, '\n')
	if i < 0 {
		return lead
	}
	if i > 0 && lead[i-1] == '\r' {
		i--
	}
	return lead[i:]
}

// flowComma finds the comma behind an entry, over blanks and comments; -1 when the collection ends first.
func flowComma(src []byte, i, shut int) int {
	for i < shut {
		switch {
		case src[i] == ',':
			return i
		case src[i] == '#':
			i = lineEnd(src, i)
		default:
			i++
		}
	}
	return -1
}

// flowPair writes a new pair of a flow mapping.
func (d *differ) flowPair(n *node, k string, v any, like *node) string {
	colon := ": "
	if d.tight {
		colon = ":"
	}
	var key *node
	if allQuoted(n) {
		key = n.entries[0].key
	}
	name := d.key(k, key, true)
	if name[0] != '"' && name[0] != '\'' {
		colon = ": "
	}
	return name + colon + d.flowValue(n, v, childLike(like, k))
}

// flowValue writes a value into a flow collection: over several lines when the entries beside it have lines of their
// own and it has entries itself.
func (d *differ) flowValue(n *node, v any, like *node) string {
	if !isScalar(v) && len(n.entries) > 0 {
		if like == nil || d.overLines(like) {
			if pre, ok := d.ownLine(n.entries[0].val); ok && !d.hasShort(n, v) {
				return d.flowLines(v, pre)
			}
		}
	}
	if like == nil && isScalar(v) {
		for i := range n.entries {
			if x := n.entries[i].val; x.kind == scalarNode && x.isStr && n.kind == seqNode {
				like = x
			}
		}
	}
	return d.flow(v, like)
}

func (d *differ) overLines(n *node) bool {
	n = deref(n)
	return slices.ContainsFunc(d.src[n.start:n.end], func(c byte) bool { return c == '\n' })
}

// hasShort reports whether n holds a collection of the same shape on one line.
func (d *differ) hasShort(n *node, v any) bool {
	for i := range n.entries {
		x := n.entries[i].val
		if d.sameShape(x, v) && len(x.entries) > 0 && !d.overLines(x) {
			return true
		}
	}
	return false
}

// ownLine returns the indentation of the line of n's entry when that is the first thing on its line.
func (d *differ) ownLine(n *node) (int, bool) {
	e := n.entry()
	if e == nil {
		return 0, false
	}
	start := e.val.prop
	if e.key != nil {
		start = e.key.prop
	}
	return d.firstOnLine(start)
}

// firstOnLine returns the indentation of what stands at i when nothing else stands in front of it on its line.
func (d *differ) firstOnLine(i int) (int, bool) {
	from := i
	for from > 0 && isBlank(d.src[from-1]) {
		from--
	}
	return i - from, from == 0 || breakBefore(d.src, from) > 0
}

// flowLines writes a collection with one entry per line; indent is that of the line it begins on.
func (d *differ) flowLines(v any, indent int) string {
	step := d.flowStep()
	inner := "\n" + pad(indent+step)
	comma := ","
	if d.json {
		comma = ""
	}
	switch x := v.(type) {
	case map[string]any:
		if len(x) == 0 {
			return "{}"
		}
		var parts []string
		for _, k := range d.keys(x, nil, nil) {
			parts = append(parts, d.key(k, nil, true)+": "+d.flowLines(x[k], indent+step))
		}
		return "{" + inner + strings.Join(parts, ","+inner) + comma + "\n" + pad(indent) + "}"
	case []any:
		if len(x) == 0 {
			return "[]"
		}
		var parts []string
		for _, e := range x {
			parts = append(parts, d.flowLines(e, indent+step))
		}
		return "[" + inner + strings.Join(parts, ","+inner) + comma + "\n" + pad(indent) + "]"
	}
	return d.flow(v, nil)
}

// flowStep is the indentation of one level in flow collections over several lines.
func (d *differ) flowStep() int {
	n := d.root
	if n.style == flowStyle && len(n.entries) > 0 {
		if pre, ok := d.ownLine(n.entries[0].val); ok && pre > 0 {
			return pre
		}
	}
	return d.step
}
