package manifests

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// diffSeq compares a list that has items.
func (d *differ) diffSeq(n *node, want []any, at []string) {
	old := make([]any, len(n.entries))
	for i := range n.entries {
		old[i] = n.entries[i].val.val
	}
	match := pairItems(old, want, d.itemKey(at))
	stays := longestRun(match)
	drop := make([]bool, len(old))
	for i := range drop {
		drop[i] = true
	}
	structural := false
	for j, i := range match {
		if i >= 0 && stays[j] {
			drop[i] = false
		} else {
			structural = true
		}
	}
	structural = structural || slices.Contains(drop, true)
	below := append(slices.Clip(at), "*")
	if !structural {
		for j, i := range match {
			d.diff(n.entries[i].val, want[j], below)
		}
		return
	}
	d.touch(n)
	if n.style == flowStyle {
		slots := make([]slot, 0, len(want))
		for j, i := range match {
			if i >= 0 {
				slots = append(slots, slot{old: i})
				drop[i] = false
			} else {
				slots = append(slots, slot{old: -1, text: d.flowValue(n, want[j], d.itemLike(n, old, want[j]))})
			}
		}
		d.changeFlow(n, slots, drop)
		return
	}
	// What goes below an item comes before what goes after it: both may begin at the same byte.
	for j, i := range match {
		if i >= 0 && stays[j] {
			d.diff(n.entries[i].val, want[j], below)
		}
	}
	var ins []insertion
	after := -1
	gap := d.dashGap(n)
	moved := map[int]int{}
	for j, i := range match {
		switch {
		case i >= 0 && stays[j]:
			after = i
		case i >= 0:
			ins = append(ins, insertion{after: after, text: d.itemText(n, i)})
			if i > 0 || !d.sharesLine(n) {
				moved[i] = d.aboveComments(n, i)
			}
		default:
			text := pad(n.col) + "-" + d.item(want[j], n.col, gap, d.itemLike(n, old, want[j]), below)
			ins = append(ins, insertion{after: after, text: text})
		}
	}
	d.changeBlock(n, drop, ins, moved)
}

// itemText is the text of an item with the comments above it, for moving.
func (d *differ) itemText(n *node, i int) string {
	e := &n.entries[i]
	end := lineEnd(d.src, max(e.val.end, e.first()+1))
	if i == 0 && d.sharesLine(n) {
		return pad(n.col) + raw(string(d.src[e.first():end]))
	}
	return raw(string(d.src[d.aboveComments(n, i):end]))
}

// dashGap is the number of blanks behind the dashes of a list.
func (d *differ) dashGap(n *node) int {
	for i := range n.entries {
		e := &n.entries[i]
		gap := e.val.prop - e.mark - 1
		if e.val.end > e.val.start && gap > 0 && gap < 9 && !bytes.ContainsAny(d.src[e.mark:e.val.prop], "\r\n\t") {
			return gap
		}
	}
	return 1
}

// itemLike is the item that a new one is written like: the most similar of the near ones.
func (d *differ) itemLike(n *node, old []any, v any) *node {
	var best *node
	score := -1
	for i := max(0, len(old)-16); i < len(old); i++ {
		if !d.sameShape(n.entries[i].val, v) || len(n.entries[i].val.entries) == 0 {
			if isScalar(v) && n.entries[i].val.kind == scalarNode && best == nil {
				best = n.entries[i].val
			}
			continue
		}
		if s := likeness(old[i], v); s >= score {
			best, score = n.entries[i].val, s
		}
	}
	return best
}

// itemKey tells how to recognise the items of the list at a path: by the registry's rule for this kind.
func (d *differ) itemKey(at []string) func(any) (string, bool) {
	if d.kind == nil {
		return nil
	}
	if rule, ok := d.kind.ListAt(at); ok && rule.Type == ListKeyed {
		return rule.Key
	}
	return nil
}

// pairItems finds, for each wanted item, the old item it comes from, or -1. It takes time in proportion to the lists,
// but for short stretches without any equal item.
func pairItems(old, want []any, key func(any) (string, bool)) []int {
	match := make([]int, len(want))
	for j := range match {
		match[j] = -1
	}
	used := make([]bool, len(old))
	take := func(i, j int) { match[j], used[i] = i, true }

	if key == nil || !uniqueKeys(old, key) || !uniqueKeys(want, key) {
		key = nil
		for _, name := range []string{"name", "id", "key"} {
			k := func(v any) (string, bool) { return keyValue(v, name) }
			if uniqueKeys(old, k) && uniqueKeys(want, k) {
				key = k
				break
			}
		}
	}
	// Equal ends first: with repeated items they decide which of them stay.
	head := 0
	for head < len(old) && head < len(want) && Equal(old[head], want[head]) {
		take(head, head)
		head++
	}
	tail := 0
	for tail < len(old)-head && tail < len(want)-head && Equal(old[len(old)-1-tail], want[len(want)-1-tail]) {
		take(len(old)-1-tail, len(want)-1-tail)
		tail++
	}
	if key != nil {
		index := make(map[string]int, len(old))
		for i := head; i < len(old)-tail; i++ {
			k, _ := key(old[i])
			index[k] = i
		}
		for j := head; j < len(want)-tail; j++ {
			k, _ := key(want[j])
			if i, ok := index[k]; ok {
				take(i, j)
			}
		}
	} else {
		places := map[string][]int{}
		for i := head; i < len(old)-tail; i++ {
			k := canonicalText(old[i])
			places[k] = append(places[k], i)
		}
		for j := head; j < len(want)-tail; j++ {
			k := canonicalText(want[j])
			if p := places[k]; len(p) > 0 {
				take(p[0], j)
				places[k] = p[1:]
			}
		}
	}
	pairRest(old, want, match, used, key != nil)
	return match
}

// uniqueKeys reports whether every item has a key and no two have the same.
func uniqueKeys(list []any, key func(any) (string, bool)) bool {
	seen := make(map[string]bool, len(list))
	for _, v := range list {
		k, ok := key(v)
		if !ok || seen[k] {
			return false
		}
		seen[k] = true
	}
	return true
}

// pairRest pairs items that changed: those between the same two neighbours that stay.
func pairRest(old, want []any, match []int, used []bool, keyed bool) {
	stays := longestRun(match)
	i := 0
	for j := 0; j <= len(want); {
		k := j
		for k < len(want) && !(match[k] >= 0 && stays[k]) {
			k++
		}
		limit := len(old)
		if k < len(want) {
			limit = match[k]
		}
		var from, to []int
		for ; i < limit; i++ {
			if !used[i] {
				from = append(from, i)
			}
		}
		for ; j < k; j++ {
			if match[j] < 0 {
				to = append(to, j)
			}
		}
		pairGap(old, want, match, used, from, to, keyed)
		i = limit + 1
		j = k + 1
	}
}

// pairGap pairs what is left between two fixed items, keeping order.
func pairGap(old, want []any, match []int, used []bool, from, to []int, keyed bool) {
	if len(from) == 0 || len(to) == 0 {
		return
	}
	good := func(i, j int) int {
		s := likeness(old[i], want[j])
		if keyed && s < 500 {
			return 0 // another key and little in common: another item
		}
		return s
	}
	if len(from)*len(to) > 4096 {
		if len(from) == len(to) {
			for x := range from {
				if good(from[x], to[x]) > 0 {
					match[to[x]], used[from[x]] = from[x], true
				}
			}
		}
		return
	}
	// The best pairing that keeps the order, by the usual table.
	score, best := make([][]int, len(from)+1), make([][]int, len(from)+1)
	for x := range best {
		score[x], best[x] = make([]int, len(to)), make([]int, len(to)+1)
	}
	for x := len(from) - 1; x >= 0; x-- {
		for y := len(to) - 1; y >= 0; y-- {
			score[x][y] = good(from[x], to[y])
			best[x][y] = max(best[x+1][y], best[x][y+1])
			if score[x][y] > 0 {
				best[x][y] = max(best[x][y], score[x][y]+best[x+1][y+1])
			}
		}
	}
	for x, y := 0, 0; x < len(from) && y < len(to); {
		switch s := score[x][y]; {
		case s > 0 && best[x][y] == s+best[x+1][y+1]:
			match[to[y]], used[from[x]] = from[x], true
			x++
			y++
		case best[x][y] == best[x+1][y]:
			x++
		default:
			y++
		}
	}
}

// likeness says how much two values have in common, from 0 (nothing, another type) to 1000. It counts in whole numbers,
// so that the order in which a map is walked cannot show in the result.
func likeness(a, b any) int {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok {
			return 0
		}
		if len(x)+len(y) == 0 {
			return 1000
		}
		same := 0
		for k, v := range x {
			if w, ok := y[k]; ok {
				same += 100
				if Equal(v, w) {
					same += 900
				} else if !isScalar(v) && !isScalar(w) {
					same += 500
				}
			}
		}
		return max(50, same/max(len(x), len(y)))
	case []any:
		y, ok := b.([]any)
		if !ok {
			return 0
		}
		if Equal(a, b) {
			return 1000
		}
		same := 0
		for i := 0; i < len(x) && i < len(y) && i < 64; i++ {
			if Equal(x[i], y[i]) {
				same++
			}
		}
		return 100 + 800*same/max(len(x), len(y), 1)
	}
	if Equal(a, b) {
		return 1000
	}
	switch b.(type) {
	case map[string]any, []any:
		return 0
	}
	return 100
}

// longestRun marks the wanted items whose old places go up: the longest such row stays, the others move.
func longestRun(match []int) []bool {
	var ends []int // index into match of the smallest end of a run of each length
	prev := make([]int, len(match))
	for j, i := range match {
		if i < 0 {
			continue
		}
		k := sort.Search(len(ends), func(k int) bool { return match[ends[k]] >= i })
		prev[j] = -1
		if k > 0 {
			prev[j] = ends[k-1]
		}
		if k == len(ends) {
			ends = append(ends, j)
		} else {
			ends[k] = j
		}
	}
	stays := make([]bool, len(match))
	if len(ends) > 0 {
		for j := ends[len(ends)-1]; j >= 0; j = prev[j] {
			stays[j] = true
		}
	}
	return stays
}

// canonicalText is the same for equal values.
func canonicalText(v any) string {
	var b strings.Builder
	writeCanonical(&b, v)
	return b.String()
}

func writeCanonical(b *strings.Builder, v any) {
	switch x := v.(type) {
	case nil:
		b.WriteByte('~')
	case bool:
		b.WriteString(strconv.FormatBool(x))
	case string:
		b.WriteString(strconv.Quote(x))
	case json.Number:
		b.WriteString(canonicalNumber(string(x)))
	case []any:
		b.WriteByte('[')
		for _, e := range x {
			writeCanonical(b, e)
			b.WriteByte(',')
		}
		b.WriteByte(']')
	case map[string]any:
		b.WriteByte('{')
		for _, k := range slices.Sorted(maps.Keys(x)) {
			b.WriteString(strconv.Quote(k))
			b.WriteByte(':')
			writeCanonical(b, x[k])
			b.WriteByte(',')
		}
		b.WriteByte('}')
	}
}
