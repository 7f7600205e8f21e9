package manifests

import (
	"maps"
	"slices"
)

// writeMerge replaces "<<" by the pairs it stands for.
func (d *differ) writeMerge(n *node, merge int, want map[string]any, at []string) {
	explicit := map[string]bool{}
	for i := range n.entries {
		if !n.entries[i].merge {
			explicit[n.entries[i].name] = true
		}
	}
	var names []string
	for _, source := range mergeOrder(n.entries[merge].val) {
		if _, ok := want[source]; ok && !explicit[source] {
			explicit[source] = true
			names = append(names, source)
		}
	}
	d.touch(n)
	drop := make([]bool, len(n.entries))
	drop[merge] = true
	switch n.style {
	case pairStyle:
		d.replaceFlow(n, want)
	case flowStyle:
		var slots []slot
		for i := range n.entries {
			if i != merge {
				slots = append(slots, slot{old: i})
				continue
			}
			for _, k := range names {
				slots = append(slots, slot{old: -1, text: d.flowPair(n, k, want[k], nil)})
			}
		}
		d.changeFlow(n, slots, drop)
	default:
		like := deref(n.entries[merge].val)
		var ins []insertion
		for _, k := range names {
			ins = append(ins, insertion{after: merge, text: pad(n.col) + d.pairLike(n, k, want[k], like, at)})
		}
		d.changeBlock(n, drop, ins, nil)
	}
}

// mergeOrder lists the keys that "<<" brings, in the order of the text.
func mergeOrder(source *node) []string {
	source = deref(source)
	var out []string
	if source.kind == seqNode {
		for i := range source.entries {
			out = append(out, mergeOrder(source.entries[i].val)...)
		}
		return out
	}
	for i := range source.entries {
		if e := &source.entries[i]; e.merge {
			out = append(out, mergeOrder(e.val)...)
		} else {
			out = append(out, e.name)
		}
	}
	return out
}

// writeAliases replaces aliases, and merges of them, by what they stand for now.
func (d *differ) writeAliases(aliases []*node) {
	merged := map[*node]bool{}
	for _, a := range aliases {
		holder := a.parent
		if holder != nil && holder.kind == seqNode && holder.parent != nil && holder.entry() != nil && holder.entry().merge {
			holder = holder.parent
		}
		if holder != nil && holder.merged {
			isMerge := false
			merge := 0
			for i := range holder.entries {
				if e := &holder.entries[i]; e.merge {
					merge = i
					isMerge = e.val == a || e.val == a.parent
				}
			}
			if isMerge {
				if !merged[holder] {
					merged[holder] = true
					d.writeMerge(holder, merge, maps.Clone(holder.val.(map[string]any)), nil)
				}
				continue
			}
		}
		if e := a.entry(); e != nil {
			d.replace(a, a.val, nil)
		} else {
			d.change(a.start, a.end, d.key(keyText(a), nil, a.parent != nil && a.parent.style != blockStyle), false)
		}
	}
}

func keyText(a *node) string {
	name, ok := a.text, true
	if !a.isStr {
		if name, ok = resolveKey(a.text); !ok {
			return a.text
		}
	}
	return name
}

// orphans are the aliases whose anchor this round would delete.
func (d *differ) orphans() []*node {
	if len(d.aliases) == 0 {
		return nil
	}
	lost := slices.Clone(d.gone)
	for _, c := range d.changes {
		if c.lose {
			lost = append(lost, c.span)
		}
	}
	lost = union(lost)
	var out []*node
	for _, a := range d.aliases {
		if a.target.anchor != "" && within(lost, a.target.prop) && !within(lost, a.start) {
			out = append(out, a)
		}
	}
	return out
}

// union sorts spans and joins those that overlap.
func union(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return a.start - b.start })
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && s.start <= out[n-1].end {
			out[n-1].end = max(out[n-1].end, s.end)
			continue
		}
		out = append(out, s)
	}
	return out
}

// within reports whether one of the sorted spans holds at.
func within(spans []span, at int) bool {
	k, found := slices.BinarySearchFunc(spans, at, func(s span, at int) int { return s.start - at })
	return found && spans[k].end > at || k > 0 && spans[k-1].end > at
}
