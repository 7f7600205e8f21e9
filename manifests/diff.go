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
		if n.kind == mapNode && len(w) > 0 && len(n.entries) > 0 || n.kind == mapNode && len(n.entries) > 0 {
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

// setScalar replaces one scalar by another and keeps its style where that can hold the value.
func (d *differ) setScalar(n *node, want any) {
	text, isString := want.(string)
	from := n.prop
	prefix := ""
	switch {
	case n.tag == "" || n.tag == "!!str" && isString:
		from = n.start
	case n.anchor != "":
		prefix = "&" + n.anchor + " "
	}
	if n.start == n.end {
		d.fillEmpty(n, d.inlineFor(n, want))
		return
	}
	if isString {
		switch n.style {
		case literalStyle, foldedStyle:
			if d.block && d.setBlockScalar(n, text) {
				return
			}
		default:
			if d.setFolded(n, text) {
				return
			}
		}
	}
	d.touch(n)
	d.valueChange(n, from, prefix+d.inlineFor(n, want))
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

// inlineFor writes a value without entries in the place of n.
func (d *differ) inlineFor(n *node, want any) string {
	if n.inFlow() || n.kind == scalarNode && n.end > n.start && n.style < literalStyle && !d.multiline(n, want) {
		q := d.quoting(n, n.inFlow())
		if n.style == plainStyle {
			q.all = d.all
		}
		if _, ok := want.(string); !ok {
			if m, isMap := want.(map[string]any); isMap {
				return d.flow(m, n)
			} else if l, isList := want.([]any); isList {
				return d.flow(l, n)
			}
		}
		return q.scalar(want)
	}
	return d.inline(want, d.indentOf(n), n)
}

func (d *differ) multiline(n *node, want any) bool {
	s, ok := want.(string)
	return ok && n.style == plainStyle && strings.Contains(s, "\n")
}

// indentOf is the column at which the lines of a literal block in the place of n stand.
func (d *differ) indentOf(n *node) int {
	if (n.style == literalStyle || n.style == foldedStyle) && n.kind == scalarNode && n.col > 0 {
		return n.col
	}
	for p := n.parent; p != nil; p = p.parent {
		if p.style == blockStyle {
			return p.col + d.step
		}
	}
	return d.step
}

// setBlockScalar rewrites the lines of a literal or folded block that differ and keeps the others byte for byte.
func (d *differ) setBlockScalar(n *node, want string) bool {
	explicit, chomp, body := blockHeader(d.src, n.start)
	newline := strings.HasSuffix(want, "\n")
	if !literalSafe(want) {
		// A header that says the indentation, or keeps all line breaks, can hold more than a new block could.
		rest := strings.TrimRight(want, "\n")
		tail := want[len(rest):]
		if rest == "" || len(tail) > 1 && chomp != '+' || !literalSafe("x\n"+rest) || isBlank(rest[0]) && explicit == 0 || rest[0] == '\n' {
			return false
		}
	}
	if body >= n.end && n.end <= lineEnd(d.src, n.start) {
		return false // a block without lines
	}
	if n.style == foldedStyle {
		if d.setFoldedBlock(n, want, body, chomp) {
			return true
		}
		if d.foldedEqual(n, want) {
			return false
		}
	}
	var lines []span
	for i := body; ; {
		eol := lineEnd(d.src, i)
		lines = append(lines, span{i, eol})
		if eol >= n.end {
			break
		}
		i = nextLine(d.src, eol)
	}
	wantLines := strings.Split(strings.TrimSuffix(want, "\n"), "\n")
	keep := chomp == '+'
	same := func(l span, want string) bool {
		if l.end-l.start <= n.col {
			return want == "" // only blanks stand there
		}
		return string(d.src[l.start+n.col:l.end]) == want
	}
	head := 0
	for head < len(lines) && head < len(wantLines) && same(lines[head], wantLines[head]) {
		head++
	}
	tail := 0
	for tail < len(lines)-head && tail < len(wantLines)-head &&
		same(lines[len(lines)-1-tail], wantLines[len(wantLines)-1-tail]) {
		tail++
	}
	middle := make([]string, 0, len(wantLines)-head-tail)
	for _, l := range wantLines[head : len(wantLines)-tail] {
		if l != "" {
			l = pad(n.col) + l
		}
		middle = append(middle, l)
	}
	text := strings.Join(middle, "\n")
	old := lines[head : len(lines)-tail]
	d.touch(n)
	d.header(n, newline, keep, n.style == foldedStyle)
	switch {
	case len(old) > 0 && len(middle) > 0:
		d.change(old[0].start, old[len(old)-1].end, text, false)
	case len(old) > 0 && tail > 0:
		d.change(old[0].start, lines[len(lines)-tail].start, "", false)
	case len(old) > 0 && head > 0:
		d.change(lines[head-1].end, old[len(old)-1].end, "", false)
	case len(middle) > 0 && head > 0:
		d.change(lines[head-1].end, lines[head-1].end, "\n"+text, false)
	case len(middle) > 0:
		d.change(lines[0].start, lines[0].start, text+"\n", false)
	}
	return true
}

// header changes the indicators of a block scalar as far as the wanted line break at its end asks for it.
func (d *differ) header(n *node, newline, keep, toLiteral bool) {
	old := d.src[n.start]
	i := n.start + 1
	var digits string
	var chomp byte
	for i < len(d.src) && (d.src[i] == '+' || d.src[i] == '-' || d.src[i] >= '1' && d.src[i] <= '9') {
		if d.src[i] == '+' || d.src[i] == '-' {
			chomp = d.src[i]
		} else {
			digits = string(d.src[i])
		}
		i++
	}
	want := chomp
	switch {
	case !newline:
		want = '-'
	case chomp == '-', chomp == '+' && !keep:
		want = 0
	}
	if newline && lineEnd(d.src, n.end) == len(d.src) && !keep {
		// Only a line break at the end of the file can give the text its own.
		want = 0
		d.change(len(d.src), len(d.src), "\n", false)
	}
	letter := string(old)
	if toLiteral {
		letter = "|"
	}
	text := letter + digits
	if want != 0 {
		text += string(want)
	}
	if want != chomp || letter != string(old) {
		d.change(n.start, i, text, false)
	}
}

// foldedEqual reports whether only the line break at the end differs.
func (d *differ) foldedEqual(n *node, want string) bool {
	return strings.TrimRight(n.text, "\n") == strings.TrimRight(want, "\n")
}

// setFoldedBlock changes the lines of a folded block whose words differ. It handles blocks that fold into one line;
// others become literal.
func (d *differ) setFoldedBlock(n *node, want string, body int, chomp byte) bool {
	if chomp == '+' {
		return false
	}
	old := strings.TrimSuffix(n.text, "\n")
	text := strings.TrimSuffix(want, "\n")
	if strings.Contains(old, "\n") || strings.Contains(text, "\n") || text == "" || isBlank(text[0]) || isBlank(text[len(text)-1]) {
		return false
	}
	if old != text && !d.refold(n, body, n.end, old, text, func(s string) bool {
		return s != "" && !isBlank(s[0]) && !isBlank(s[len(s)-1])
	}) {
		return false
	}
	d.touch(n)
	d.header(n, strings.HasSuffix(want, "\n"), false, false)
	return true
}

// setFolded changes one line of a plain or quoted scalar that goes over several lines.
func (d *differ) setFolded(n *node, want string) bool {
	from, to := n.start, n.end
	if !hasBreak(d.src[from:to]) || strings.ContainsAny(n.text, "\n\\\"'") || strings.ContainsAny(want, "\n\\\"'") {
		return false
	}
	if n.style != plainStyle {
		from, to = from+1, to-1
	}
	flow := n.inFlow()
	ok := func(s string) bool {
		return s != "" && !isBlank(s[0]) && !isBlank(s[len(s)-1]) && singleSafe(s) &&
			(n.style != plainStyle || plainSafe("x "+s, flow) && plainSafe(s, flow))
	}
	if n.style == plainStyle && !plainSafe(want, flow) || !singleSafe(want) {
		return false
	}
	if !d.refold(n, from, to, n.text, want, ok) {
		return false
	}
	d.touch(n)
	return true
}

func hasBreak(text []byte) bool {
	for i := range text {
		if breakLen(text, i) > 0 {
			return true
		}
	}
	return false
}

// refold replaces the words between the lines that stay. The lines of [from, to), joined by single blanks, must be old.
func (d *differ) refold(n *node, from, to int, old, want string, ok func(string) bool) bool {
	type line struct{ start, end int }
	var lines []line
	for i := from; i < to; {
		eol := min(lineEnd(d.src, i), to)
		s, e := i, eol
		for s < e && isBlank(d.src[s]) {
			s++
		}
		for e > s && isBlank(d.src[e-1]) {
			e--
		}
		if s == e {
			return false
		}
		lines = append(lines, line{s, e})
		i = max(nextLine(d.src, eol), eol+1)
	}
	joined := make([]string, len(lines))
	for i, l := range lines {
		joined[i] = string(d.src[l.start:l.end])
	}
	if len(lines) < 2 || strings.Join(joined, " ") != old {
		return false
	}
	head, rest := 0, want
	for head < len(lines)-1 && strings.HasPrefix(rest, joined[head]+" ") {
		rest = rest[len(joined[head])+1:]
		head++
	}
	tail := len(lines)
	for tail > head+1 && strings.HasSuffix(rest, " "+joined[tail-1]) {
		rest = rest[:len(rest)-len(joined[tail-1])-1]
		tail--
	}
	if !ok(rest) {
		return false
	}
	d.change(lines[head].start, lines[tail-1].end, rest, false)
	return true
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
		if _, ok := want[source]; ok && !explicit[source] && !slices.Contains(names, source) {
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
