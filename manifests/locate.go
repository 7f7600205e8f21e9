package manifests

import (
	"slices"
	"strconv"
	"unicode/utf8"
)

// place converts byte offsets of the file to lines and columns as Git and GitHub count them: lines end at LF only, a
// BOM counts as nothing.
func (f *File) place(start, end int) Range {
	var r Range
	r.StartLine, r.StartColumn = f.position(start)
	r.EndLine, r.EndColumn = r.StartLine, r.StartColumn
	if end > start {
		r.EndLine, r.EndColumn = f.position(end)
	}
	return r
}

func (f *File) position(at int) (line, column int) {
	at = min(at, len(f.src))
	n, exact := slices.BinarySearch(f.eols, at)
	if exact {
		n++
	}
	from := bomLen(f.src)
	if n > 0 {
		from = f.eols[n-1]
	}
	return n + 1, utf8.RuneCount(f.src[min(from, at):at]) + 1
}

// Locate returns the place of the value at path in document doc. The segments are map keys and decimal list indexes;
// no path is the root. A value that an alias or "<<" repeats is found where it is written. An empty value is found at
// its key. When nothing stands at path, the place is that of the deepest value on the way to it, and ok is false; a
// document that did not parse has the place of its diagnostic.
func (f *File) Locate(doc int, path ...string) (r Range, ok bool) {
	n, _, r, ok := f.find(doc, path)
	if n == nil {
		return r, false
	}
	base := f.docs[doc].start
	return f.place(base+n.shown().start, base+n.shown().end), ok
}

// LocateKey returns the place of the key of the last segment of path: of the "-" when that is a list item, of the root
// when there is no path. Otherwise as Locate.
func (f *File) LocateKey(doc int, path ...string) (r Range, ok bool) {
	n, e, r, ok := f.find(doc, path)
	if n == nil {
		return r, false
	}
	base := f.docs[doc].start
	switch {
	case !ok || e == nil:
		return f.place(base+n.shown().start, base+n.shown().end), ok
	case e.key != nil:
		return f.place(base+e.key.prop, base+e.key.end), true
	case e.mark >= 0:
		return f.place(base+e.mark, base+e.mark+1), true
	}
	return f.place(base+n.start, base+n.end), true
}

// find walks down path. It returns the node reached and the entry that holds it.
func (f *File) find(doc int, path []string) (*node, *entry, Range, bool) {
	if doc < 0 || doc >= len(f.docs) {
		return nil, nil, Range{}, false
	}
	d := &f.docs[doc]
	if d.tree == nil {
		if d.broken != nil {
			b := d.broken
			return nil, nil, Range{b.StartLine, b.StartColumn, b.EndLine, b.EndColumn}, false
		}
		return nil, nil, f.place(d.Start, d.Start), false
	}
	n, e := d.tree.root, (*entry)(nil)
	for _, segment := range path {
		next := n.child(segment)
		if next == nil {
			return n, e, Range{}, false
		}
		n, e = next.val, next
	}
	return n, e, Range{}, true
}

// shown is the span of a value that a reader can see: the key or dash stands for an empty one.
func (n *node) shown() span {
	if n.end > n.start || n.parent == nil {
		return span{n.start, n.end}
	}
	if e := n.entry(); e != nil {
		if e.key != nil {
			return span{e.key.prop, e.key.end}
		}
		if e.mark >= 0 {
			return span{e.mark, e.mark + 1}
		}
	}
	return span{n.start, n.end}
}

// child finds the entry for one segment of a path, through aliases and merges.
func (n *node) child(segment string) *entry {
	for n.kind == aliasNode {
		n = n.target
	}
	switch n.kind {
	case seqNode:
		i, err := strconv.Atoi(segment)
		if err != nil || i < 0 || i >= len(n.entries) || strconv.Itoa(i) != segment {
			return nil
		}
		return &n.entries[i]
	case mapNode:
		for i := range n.entries {
			if e := &n.entries[i]; !e.merge && e.name == segment {
				return e
			}
		}
		for i := range n.entries {
			if e := &n.entries[i]; e.merge {
				return mergedChild(e.val, segment)
			}
		}
	}
	return nil
}

// mergedChild looks a key up in what "<<" merges. The first map of a list is the strongest.
func mergedChild(source *node, segment string) *entry {
	for source.kind == aliasNode {
		source = source.target
	}
	if source.kind == mapNode {
		return source.child(segment)
	}
	for i := range source.entries {
		if e := mergedChild(source.entries[i].val, segment); e != nil {
			return e
		}
	}
	return nil
}
