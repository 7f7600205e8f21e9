package manifests

import "slices"

// allQuoted reports whether the last keys of n are all quoted.
func allQuoted(n *node) bool {
	for i := max(0, len(n.entries)-nearby); i < len(n.entries); i++ {
		e := &n.entries[i]
		if e.key.kind != scalarNode || e.key.style != singleStyle && e.key.style != doubleStyle {
			return false
		}
	}
	return len(n.entries) > 0
}

func (d *differ) sameShape(n *node, v any) bool {
	n = deref(n)
	switch v.(type) {
	case map[string]any:
		return n.kind == mapNode
	case []any:
		return n.kind == seqNode
	}
	return false
}

// similar finds the mapping beside n that is most like it and holds one of the keys to add: it shows their place,
// order and style.
func (d *differ) similar(n *node, added []string) *node {
	if n.parent == nil || len(added) == 0 {
		return nil
	}
	var best *node
	bestScore := 0
	siblings := n.parent.entries
	for i := max(0, n.index-nearby); i < min(len(siblings), n.index+nearby+1); i++ {
		s := siblings[i].val
		if s == n || s.kind != mapNode {
			continue
		}
		score := 0
		for _, k := range added {
			if childLike(s, k) != nil {
				score += 100
			}
		}
		if score == 0 {
			continue
		}
		for k := range n.entries {
			if childLike(s, n.entries[k].name) != nil {
				score++
			}
		}
		if score > bestScore {
			best, bestScore = s, score
		}
	}
	return best
}

// placement decides where new keys of a mapping go.
type placement struct {
	last   int            // index of the last entry
	sorted bool           // the keys are sorted, so new ones have a place among them
	names  []string       // the keys, when sorted
	at     []int          // and the entries they belong to
	front  bool           // a new first key would cost no more than its own line
	like   *node          // a mapping whose order is to be followed
	kept   map[string]int // entries that stay, by key; only with like
}

func (d *differ) placementIn(n *node, like *node, drop []bool) *placement {
	p := &placement{last: len(n.entries) - 1, like: like, sorted: true}
	for i := range n.entries {
		e := &n.entries[i]
		if e.merge {
			continue
		}
		if k := len(p.names); k > 0 && e.name <= p.names[k-1] {
			p.sorted = false
		}
		p.names, p.at = append(p.names, e.name), append(p.at, i)
		if like != nil && !drop[i] {
			if p.kept == nil {
				p.kept = map[string]int{}
			}
			p.kept[e.name] = i
		}
	}
	p.sorted = p.sorted && len(p.names) > 1 && !d.nameFirst(n)
	p.front = n.style != blockStyle || len(n.entries) == 0 || !d.sharesLine(n)
	return p
}

// after returns the index of the entry after which a new key goes, -1 for the front. Dropped entries count as places
// too.
func (p *placement) after(k string) int {
	if p.like != nil {
		at := -1
		for i := range p.like.entries {
			if p.like.entries[i].name == k {
				at = i
			}
		}
		for i := at - 1; i >= 0; i-- {
			if j, ok := p.kept[p.like.entries[i].name]; ok {
				return j
			}
		}
	}
	if !p.sorted {
		return p.last
	}
	i, _ := slices.BinarySearch(p.names, k)
	if i > 0 {
		return p.at[i-1]
	}
	if !p.front {
		// In front of "- key:" a new key would move the old one to a line of its own.
		return p.last
	}
	return p.at[0] - 1
}

// nameFirst recognises metadata as people write it, name before labels and annotations: its first two keys look
// sorted and are not.
func (d *differ) nameFirst(n *node) bool {
	return len(n.entries) > 0 && n.entries[0].name == "name" && n.parent == d.root
}

// sharesLine reports whether the first entry of a block collection stands on the line of its "-".
func (d *differ) sharesLine(n *node) bool {
	_, alone := d.firstOnLine(n.entries[0].first())
	return !alone
}
