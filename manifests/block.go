package manifests

import (
	"strings"
)

// insertion is a new entry of a block collection: lines with their indentation, without a last line break, to stand
// after the old entry with this index (-1: in front).
type insertion struct {
	after int
	text  string
}

// changeBlock removes entries of a block collection and inserts others, always as whole lines. moved holds, for entries
// whose text is inserted again elsewhere, where the comments above them begin: those go along.
func (d *differ) changeBlock(n *node, drop []bool, ins []insertion, moved map[int]int) {
	src := d.src
	left := 0
	for _, gone := range drop {
		if !gone {
			left++
		}
	}
	if left == 0 && len(ins) == 0 {
		d.emptyBlock(n)
		return
	}
	shares := d.sharesLine(n)
	spaced := d.spaced(n)
	by := map[int][]insertion{}
	for _, in := range ins {
		by[in.after] = append(by[in.after], in)
	}
	join := func(list []insertion) string {
		var parts []string
		for _, in := range list {
			parts = append(parts, in.text)
		}
		if spaced {
			return strings.Join(parts, "\n\n")
		}
		return strings.Join(parts, "\n")
	}
	done := make([]bool, len(drop)) // entries whose removal is already covered
	if shares {
		head := by[-1]
		first := n.entries[0].first()
		switch {
		case drop[0] && left == 0:
			// Everything is new: the first new entry takes the place behind the dash.
			var all []insertion
			for i := -1; i < len(drop); i++ {
				all = append(all, by[i]...)
			}
			d.change(first, n.end, strings.TrimLeft(join(all), " "), true)
			return
		case drop[0]:
			next, upTo := d.pullUp(n, drop)
			for i := 0; i <= upTo; i++ {
				done[i] = true
				head = append(head, by[i]...)
				delete(by, i)
			}
			text := ""
			if len(head) > 0 {
				text = strings.TrimLeft(join(head), " ") + "\n" + pad(n.col)
			}
			d.change(first, next, text, true)
		case len(head) > 0:
			text := strings.TrimLeft(join(head), " ") + "\n"
			if spaced {
				text += "\n"
			}
			d.change(first, first, text+pad(n.col), false)
		}
		delete(by, -1)
	}
	if head := by[-1]; len(head) > 0 {
		at := d.aboveComments(n, 0)
		text := join(head) + "\n"
		if spaced {
			text += "\n"
		}
		if drop[0] {
			// The first entry goes: no separator is needed besides its own.
			text = strings.TrimSuffix(text, "\n")
			text = strings.TrimSuffix(text, "\n") + "\n"
		}
		d.change(at, at, text, false)
	}
	for i := range n.entries {
		e := &n.entries[i]
		end := lineEnd(src, max(e.val.end, e.first()+1))
		next := nextLine(src, end)
		after := by[i]
		if drop[i] && !done[i] {
			start := lineStart(src, e.first())
			above, moves := moved[i]
			if moves {
				start = above
			}
			switch {
			case len(after) > 0:
				// Replaced in place: the line break and the blank lines around stay.
				d.change(start, end, join(after), !moves)
			case next == end:
				// The last line of a file without a final line break.
				prev := start
				for prev > 0 && prev > d.floor(n, i) && breakBefore(src, prev) > 0 {
					prev -= breakBefore(src, prev)
					if prev > lineStart(src, prev) {
						break
					}
				}
				d.change(prev, end, "", !moves)
			default:
				start, next = d.withBlankLine(n, i, start, next)
				d.change(start, next, "", !moves)
			}
			d.fixComments(n, i, drop, next)
			continue
		}
		if len(after) == 0 {
			continue
		}
		text := join(after)
		if spaced {
			text = "\n" + text
		}
		if next == end || done[i] && drop[i] {
			d.change(end, end, "\n"+text, false)
		} else {
			d.change(next, next, text+"\n", false)
		}
	}
}

func breakBefore(src []byte, i int) int {
	for n := 3; n >= 1; n-- {
		if i >= n && breakLen(src, i-n) == n {
			return n
		}
	}
	return 0
}

// floor is the end of what stands before entry i and must not be touched: the entry before it, or the key of the
// collection.
func (d *differ) floor(n *node, i int) int {
	if i > 0 {
		return n.entries[i-1].val.end
	}
	if e := n.entry(); e != nil {
		return n.head(e)
	}
	return 0
}

// pullUp finds what moves up behind the dash when the first entry goes: the next entry that stays or the comment above
// it. upTo is the last dropped entry before that.
func (d *differ) pullUp(n *node, drop []bool) (at, upTo int) {
	src := d.src
	pos := nextLine(src, lineEnd(src, max(n.entries[0].val.end, n.entries[0].first()+1)))
	for i := 1; i < len(n.entries); i++ {
		first := n.entries[i].first()
		for pos < first {
			text := pos
			for text < first && isBlank(src[text]) {
				text++
			}
			if text < first && src[text] == '#' {
				return text, i - 1
			}
			if text >= first {
				break
			}
			pos = nextLine(src, text)
		}
		if !drop[i] {
			return first, i - 1
		}
		pos = nextLine(src, lineEnd(src, max(n.entries[i].val.end, first+1)))
	}
	return n.end, len(n.entries) - 1
}

// aboveComments returns the start of the line of entry i, or of the comments that stand right above it.
func (d *differ) aboveComments(n *node, i int) int {
	src := d.src
	at := lineStart(src, n.entries[i].first())
	floor := d.floor(n, i)
	for at > 0 {
		prev := lineStart(src, at-breakBefore(src, at))
		text := prev
		for text < at && isBlank(src[text]) {
			text++
		}
		if prev < floor || text >= at || src[text] != '#' || prev >= at {
			return at
		}
		if n.parent == nil && i == 0 && prev == 0 {
			return lineStart(src, n.entries[i].first()) // the header of the file stays on top
		}
		at = prev
	}
	return at
}

func (d *differ) blankLine(i int) bool {
	for i < len(d.src) && isBlank(d.src[i]) {
		i++
	}
	return i < len(d.src) && breakLen(d.src, i) > 0
}

// spaced reports whether a blank line stands between all entries of n.
func (d *differ) spaced(n *node) bool {
	if len(n.entries) < 2 {
		return false
	}
	for i := 0; i+1 < len(n.entries) && i < 8; i++ {
		end := lineEnd(d.src, n.entries[i].val.end)
		if next := nextLine(d.src, end); next == end || !d.blankLine(next) {
			return false
		}
	}
	return true
}

// withBlankLine widens a removal by one blank line when it would leave two in a row, or one at the end of the text.
func (d *differ) withBlankLine(n *node, i, start, next int) (int, int) {
	src := d.src
	if start == 0 {
		return start, next
	}
	prev := lineStart(src, start-breakBefore(src, start))
	before := prev < start && d.blankLine(prev) && prev >= d.floor(n, i)
	switch {
	case before && next < len(src) && d.blankLine(next):
		next = nextLine(src, next)
	case before && next >= len(src):
		start = prev
	}
	return start, next
}

// fixComments keeps comments and blank lines behind a removed entry from becoming text of a literal or folded block
// that now stands right above them.
func (d *differ) fixComments(n *node, i int, drop []bool, at int) {
	p := i - 1
	for p >= 0 && drop[p] {
		p--
	}
	if p < 0 {
		return
	}
	leaf := n.entries[p].val
	for len(leaf.entries) > 0 && leaf.style == blockStyle {
		leaf = leaf.entries[len(leaf.entries)-1].val
	}
	if leaf.kind != scalarNode || leaf.style != literalStyle && leaf.style != foldedStyle {
		return
	}
	for at < len(d.src) {
		text := at
		for text < len(d.src) && isBlank(d.src[text]) {
			text++
		}
		switch {
		case text >= len(d.src):
			return
		case d.src[text] == '#' && text-at >= leaf.col:
			d.change(at, text, pad(n.col), false)
		case breakLen(d.src, text) > 0 && text-at > leaf.col:
			d.change(at, text, "", false)
		case d.src[text] != '#' && breakLen(d.src, text) == 0:
			return
		}
		at = nextLine(d.src, text)
	}
}

// emptyBlock leaves {} or [] where a block collection was. Comments on lines of their own stay.
func (d *differ) emptyBlock(n *node) {
	text := "{}"
	if n.kind == seqNode {
		text = "[]"
	}
	first := n.entries[0].first()
	if d.sharesLine(n) {
		d.change(first, n.end, text, true)
		return
	}
	from := 0
	if e := n.entry(); e == nil {
		// The root takes the place of its first entry.
		d.change(first, max(n.entries[0].val.end, first+1), text, true)
		from = 1
	} else {
		head := n.head(e)
		d.change(head, head, " "+text, false)
	}
	src := d.src
	for i := from; i < len(n.entries); i++ {
		e := &n.entries[i]
		start := lineStart(src, e.first())
		end := lineEnd(src, max(e.val.end, e.first()+1))
		next := nextLine(src, end)
		if next == end {
			// No final line break: the one before goes instead, with the blank lines there.
			start -= breakBefore(src, start)
			for start > 0 && lineStart(src, start) > d.floor(n, i) && d.blankLine(lineStart(src, start)) {
				start = lineStart(src, start)
				start -= breakBefore(src, start)
			}
		}
		d.change(start, next, "", true)
	}
}
