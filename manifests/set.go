package manifests

import "strings"

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
