package manifests

import (
	"maps"
	"slices"
	"strings"
)

// change is one replacement of bytes.
type change struct {
	span
	text string
	lose bool // comments inside the span go with what is deleted
}

// differ turns the difference between a parsed document and a wanted value into changes of bytes. One round covers
// what can be said independently; the caller applies it, parses again and repeats until nothing differs.
type differ struct {
	*tree
	writer
	kind    *Kind
	changes []change
	gone    []span        // what is deleted by a change that rewrites more than that
	touched []*node       // where changes were made
	wants   map[*node]any // wanted value of every node on the way
	later   []func()      // aliases and merges: they may come right by the change of their anchor
}

// rawBreak stands for a line break taken from the file, which stays as it is whatever the others look like. NUL is
// never part of a text that is edited, and never written unescaped.
const rawBreak = "\x00"

// raw marks text taken from the file.
func raw(s string) string { return strings.ReplaceAll(s, "\n", rawBreak) }

// change notes one replacement. Line breaks of new text become the file's own.
func (d *differ) change(start, end int, text string, lose bool) {
	if d.eol != "\n" {
		text = strings.ReplaceAll(text, "\n", d.eol)
	}
	text = strings.ReplaceAll(text, rawBreak, "\n")
	d.changes = append(d.changes, change{span{start, end}, text, lose})
}

// round collects the changes of one round.
func (d *differ) round(want any) {
	d.diff(d.root, want, nil)
	if len(d.changes) == 0 {
		for _, f := range d.later {
			f()
		}
	}
}

func (d *differ) diff(n *node, want any, path []string) {
	if Equal(n.val, want) {
		return
	}
	d.wants[n] = want
	switch w := want.(type) {
	case map[string]any:
		if n.kind == mapNode && len(n.entries) > 0 {
			d.diffMap(n, w, path)
			return
		}
	case []any:
		if n.kind == seqNode && len(n.entries) > 0 {
			d.diffSeq(n, w, path)
			return
		}
	default:
		if n.kind == scalarNode {
			d.setScalar(n, want)
			return
		}
	}
	if n.kind == aliasNode {
		d.later = append(d.later, func() { d.replace(n, want, path) })
		return
	}
	d.replace(n, want, path)
}

func (d *differ) touch(n *node) { d.touched = append(d.touched, n) }

func (n *node) inFlow() bool {
	for p := n.parent; p != nil; p = p.parent {
		if p.kind == mapNode || p.kind == seqNode {
			return p.style != blockStyle
		}
	}
	return false
}

// diffMap compares a mapping that has entries.
func (d *differ) diffMap(n *node, want map[string]any, at []string) {
	explicit := make(map[string]int, len(n.entries))
	merge := -1
	for i := range n.entries {
		if n.entries[i].merge {
			merge = i
		} else {
			explicit[n.entries[i].name] = i
		}
	}
	inherited := map[string]bool{}
	if merge >= 0 {
		have := n.val.(map[string]any)
		unmerge := false
		for k, v := range have {
			if _, ok := explicit[k]; ok {
				continue
			}
			inherited[k] = true
			if w, ok := want[k]; !ok || !Equal(v, w) {
				unmerge = true
			}
		}
		if unmerge {
			d.later = append(d.later, func() { d.writeMerge(n, merge, want, at) })
		}
	}
	drop := make([]bool, len(n.entries))
	var gone, added []string
	for i := range n.entries {
		e := &n.entries[i]
		if e.merge {
			continue
		}
		if w, ok := want[e.name]; ok {
			d.wants[e.val] = w
		} else {
			drop[i] = true
			gone = append(gone, e.name)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if _, ok := explicit[k]; !ok && !inherited[k] {
			added = append(added, k)
		}
	}
	// A key that vanished while another came with the same value was renamed: only its text changes.
	// In large upheavals nobody could follow that, and looking for pairs would take too long.
	if n.style != pairStyle && len(gone) <= 2*nearby && len(added) <= 2*nearby {
		for _, old := range gone {
			i := explicit[old]
			e := &n.entries[i]
			for k, name := range added {
				if e.key.kind == scalarNode && e.key.anchor == "" && e.key.style < literalStyle && Equal(e.val.val, want[name]) && !alike(n, e.val, gone) {
					q := d.quoting(e.key, n.style != blockStyle)
					if e.key.style == plainStyle {
						q.all = d.json
					}
					d.touch(n)
					d.change(e.key.prop, e.key.end, q.text(name), false)
					drop[i] = false
					added = slices.Delete(added, k, k+1)
					break
				}
			}
		}
	}
	structural := len(added) > 0 || slices.Contains(drop, true)
	if structural && n.style != blockStyle {
		d.changeMap(n, want, drop, added, at)
		return
	}
	// What goes below an entry comes before what goes after it: both may begin at the same byte.
	for i := range n.entries {
		e := &n.entries[i]
		if w, ok := want[e.name]; ok && !e.merge && !drop[i] {
			d.diff(e.val, w, append(slices.Clip(at), e.name))
		}
	}
	if structural {
		d.changeMap(n, want, drop, added, at)
	}
}

// alike reports whether another vanished key of n has the same value, so that nobody can say which one was renamed.
func alike(n *node, v *node, gone []string) bool {
	same := 0
	for i := range n.entries {
		if slices.Contains(gone, n.entries[i].name) && Equal(n.entries[i].val.val, v.val) {
			same++
		}
	}
	return same > 1
}

// changeMap adds and removes pairs.
func (d *differ) changeMap(n *node, want map[string]any, drop []bool, added []string, at []string) {
	d.touch(n)
	like := d.similar(n, added)
	p := d.placementIn(n, like, drop)
	switch n.style {
	case pairStyle:
		d.replaceFlow(n, want)
	case flowStyle:
		fresh := map[int][]slot{}
		for _, k := range added {
			after := p.after(k)
			fresh[after] = append(fresh[after], slot{old: -1, text: d.flowPair(n, k, want[k], like)})
		}
		slots := fresh[-1]
		for i := range n.entries {
			if !drop[i] {
				slots = append(slots, slot{old: i})
			}
			slots = append(slots, fresh[i]...)
		}
		d.changeFlow(n, slots, drop)
	default:
		var ins []insertion
		for _, k := range added {
			text := pad(n.col) + d.pairLike(n, k, want[k], like, at)
			ins = append(ins, insertion{after: p.after(k), text: text})
		}
		d.changeBlock(n, drop, ins, nil)
	}
}

// pairLike writes a new pair of a block mapping like those beside it.
func (d *differ) pairLike(n *node, k string, v any, like *node, at []string) string {
	if like != nil && childLike(like, k) != nil {
		return d.pair(k, v, n.col, like, at)
	}
	// Without an example of this key the pairs beside it say how its value looks.
	var key, value *node
	for i := max(0, len(n.entries)-nearby); i < len(n.entries); i++ {
		e := &n.entries[i]
		if e.merge || e.key.kind != scalarNode {
			continue
		}
		if i == len(n.entries)-1 || allQuoted(n) {
			key = e.key
		}
		if d.sameShape(e.val, v) {
			value = e.val
		}
	}
	return d.key(k, key, false) + ":" + d.value(v, n.col, n, value, append(slices.Clip(at), k))
}
