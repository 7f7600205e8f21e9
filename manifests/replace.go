package manifests

import (
	"strings"
)

// replace writes a value of another shape into the place of n.
func (d *differ) replace(n *node, want any, at []string) {
	d.touch(n)
	if n.parent == nil {
		d.replaceRoot(n, want)
		return
	}
	if n.style == pairStyle || n.inFlow() {
		d.replaceFlow(n, want)
		return
	}
	e := n.entry()
	if e == nil || e.key != nil && e.colon < 0 {
		return // "? key" without a value: there is no place to write one
	}
	inline := isScalar(want)
	written := ""
	if inline {
		written = d.inlineFor(n, want)
	} else if e.key != nil {
		text := d.value(want, n.parent.col, n.parent, d.exampleFor(n, want), at)
		if inline = !strings.HasPrefix(text, "\n"); inline {
			written = strings.TrimPrefix(text, " ") // a flow collection, like the one beside it
		}
	}
	if n.start == n.end && inline {
		d.fillEmpty(n, written)
		return
	}
	from, prefix := n.start, ""
	if n.tag != "" {
		from = n.prop
		if n.anchor != "" {
			prefix = "&" + n.anchor + " "
		}
	}
	ownLines := n.style == blockStyle && n.kind != scalarNode && n.kind != aliasNode && len(n.entries) > 0 && !d.sharesLine(n)
	if inline {
		if ownLines {
			// The value moves to the line of its key, whose comment stays; the lines below go.
			head := n.head(e)
			first, rest, over := strings.Cut(" "+prefix+written, "\n")
			if over {
				rest = "\n" + rest
			}
			if from < n.propEnd {
				// A tag that no longer fits goes too.
				d.change(from, n.propEnd, strings.TrimPrefix(first, " "), false)
			} else {
				d.change(head, head, first, false)
			}
			d.change(lineEnd(d.src, head), lineEnd(d.src, n.end), rest, true)
			return
		}
		d.valueChange(n, from, prefix+written)
		return
	}
	if e.key == nil {
		d.replaceItem(n, e, want, from, prefix, at)
		return
	}
	parent := n.parent
	text := d.value(want, parent.col, parent, d.exampleFor(n, want), at)
	if ownLines {
		head := n.head(e)
		if from < n.propEnd {
			d.change(from, n.propEnd, strings.TrimSuffix(prefix, " "), false)
		}
		cut := lineEnd(d.src, head)
		if from < n.propEnd {
			cut = lineEnd(d.src, n.propEnd)
		}
		d.change(cut, lineEnd(d.src, n.end), text, true)
		return
	}
	if n.start == n.end {
		eol := lineEnd(d.src, n.end)
		cut := eol
		if !d.commentOn(n.end, eol) {
			cut = n.end
		}
		d.change(cut, eol, text, false)
		return
	}
	start := from
	if prefix == "" && n.prop == from {
		for start > 0 && isBlank(d.src[start-1]) {
			start--
		}
	}
	eol := lineEnd(d.src, n.end)
	if start <= e.colon || lineStart(d.src, start) > e.colon {
		start = e.colon + 1
	}
	if d.commentOn(n.end, eol) && n.style != literalStyle && n.style != foldedStyle {
		d.change(start, n.end, strings.TrimSuffix(prefix, " "), true)
		d.change(eol, eol, text, false)
		return
	}
	if head, ok := d.commentedHeader(n); ok {
		d.change(start, head, strings.TrimSuffix(" "+prefix, " "), false)
		d.change(lineEnd(d.src, head), n.end, text, false)
		return
	}
	d.change(start, n.end, strings.TrimSuffix(" "+prefix, " ")+text, true)
}

// valueChange replaces the value of n, from its tag or content on, by a value that begins on the same line.
func (d *differ) valueChange(n *node, from int, text string) {
	head, ok := d.commentedHeader(n)
	if !ok {
		d.inlineChange(from, n.end, text, true)
		return
	}
	first, rest, block := strings.Cut(text, "\n")
	if block {
		rest = "\n" + rest
	}
	d.change(from, head, first, false)
	d.change(lineEnd(d.src, head), n.end, rest, false)
}

// commentedHeader finds the end of the indicators of a block scalar that has a comment behind them.
func (d *differ) commentedHeader(n *node) (int, bool) {
	if n.kind != scalarNode || n.style != literalStyle && n.style != foldedStyle {
		return 0, false
	}
	head := n.start + 1
	for head < len(d.src) && !isBlank(d.src[head]) && breakLen(d.src, head) == 0 {
		head++
	}
	return head, d.commentOn(head, lineEnd(d.src, head))
}

// inlineChange is change for a value that may be a literal block: a comment behind the old value then stands behind
// the header of the block, not behind its text.
func (d *differ) inlineChange(start, end int, text string, lose bool) {
	header, lines, block := strings.Cut(text, "\n")
	if !block {
		d.change(start, end, text, lose)
		return
	}
	eol := lineEnd(d.src, end)
	if !d.commentOn(end, eol) {
		d.change(start, end, text, lose)
		return
	}
	d.change(start, end, header, lose)
	d.change(eol, eol, "\n"+lines, false)
}

// nearby is how far examples are looked for, so that a list of thousands costs no more than a short one.
const nearby = 16

// exampleFor finds a value of the wanted shape beside n to write it like.
func (d *differ) exampleFor(n *node, want any) *node {
	var found *node
	siblings := n.parent.entries
	for i := max(0, n.index-nearby); i < min(len(siblings), n.index+nearby); i++ {
		if v := siblings[i].val; v != n && d.sameShape(v, want) {
			found = v
		}
	}
	return found
}

func (d *differ) commentOn(from, eol int) bool {
	return strings.HasPrefix(strings.TrimLeft(string(d.src[from:eol]), " \t"), "#")
}

// entry is the entry that holds n, nil for the root and for keys.
func (n *node) entry() *entry {
	if n.parent == nil || n.index >= len(n.parent.entries) || n.parent.entries[n.index].val != n {
		return nil
	}
	return &n.parent.entries[n.index]
}

// head is the place right behind the ":" or "-" of a value, or behind its anchor and tag.
func (n *node) head(e *entry) int {
	if n.propEnd > n.prop {
		return n.propEnd
	}
	if e.colon >= 0 {
		return e.colon + 1
	}
	return e.mark + 1
}

// fillEmpty writes text for a value that has none yet.
func (d *differ) fillEmpty(n *node, text string) {
	d.touch(n)
	end := n.end
	if e := n.entry(); e != nil && e.key != nil && e.colon < 0 {
		if n.inFlow() {
			d.change(e.key.end, e.key.end, ": "+text, false)
		}
		return
	}
	if n.tag != "" {
		prefix := ""
		if n.anchor != "" {
			prefix = "&" + n.anchor + " "
		}
		d.change(n.prop, n.propEnd, prefix+text, false)
		return
	}
	if n.inFlow() {
		d.change(end, end, " "+text, false)
		return
	}
	eol := lineEnd(d.src, end)
	if d.commentOn(end, eol) || n.parent == nil {
		d.inlineChange(end, end, " "+text, false)
		return
	}
	d.change(end, eol, " "+text, false)
}

// replaceItem writes a map or list into the place of a list item.
func (d *differ) replaceItem(n *node, e *entry, want any, from int, prefix string, at []string) {
	parent := n.parent
	gap := 1
	if n.start > e.mark+1 && lineStart(d.src, n.start) <= e.mark {
		gap = min(n.prop-e.mark-1, 8)
	}
	text := strings.TrimLeft(d.item(want, parent.col, gap, d.exampleFor(n, want), at), " ")
	switch {
	case prefix != "" || n.anchor != "":
		// "- &a x": the entries need lines of their own below the anchor.
		in := parent.col + 1 + gap
		body := "\n" + pad(in) + text
		if n.tag != "" {
			d.change(from, n.end, strings.TrimSuffix(prefix, " ")+body, true)
		} else {
			start := n.start
			for start > n.propEnd && isBlank(d.src[start-1]) {
				start--
			}
			if n.style == blockStyle && n.kind != scalarNode && !d.sharesLine(n) {
				start = lineEnd(d.src, n.propEnd)
			}
			d.change(start, n.end, body, true)
		}
	case n.start == n.end:
		d.change(e.mark+1, lineEnd(d.src, e.mark), " "+text, false)
	default:
		d.change(from, n.end, text, true)
	}
}

// replaceRoot writes the first entries of an empty document root, or empties it.
func (d *differ) replaceRoot(n *node, want any) {
	m, ok := want.(map[string]any)
	if !ok {
		return
	}
	if len(m) == 0 || n.style == flowStyle && n.kind == mapNode && d.json {
		d.change(n.start, n.end, d.flow(m, nil), true)
		return
	}
	text := d.mapLines(m, 0, nil, nil)
	if lineStart(d.src, n.start) != n.start {
		text = "\n" + text // behind "---"
	}
	d.change(n.start, n.end, text, true)
}

// replaceFlow writes a value on one line in a flow collection.
func (d *differ) replaceFlow(n *node, want any) {
	if n.start == n.end && n.style != pairStyle {
		d.fillEmpty(n, d.flow(want, nil))
		return
	}
	from, prefix := n.start, ""
	if n.tag != "" {
		from = n.prop
		if n.anchor != "" {
			prefix = "&" + n.anchor + " "
		}
	}
	var like *node
	if n.parent != nil {
		like = d.exampleFor(n, want)
	}
	text := d.flow(want, like)
	if !isScalar(want) && n.parent != nil {
		if pre, ok := d.ownLine(n); ok {
			text = d.flowLines(want, pre)
		}
	}
	d.touch(n)
	d.change(from, n.end, prefix+text, true)
}
