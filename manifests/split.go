package manifests

import "bytes"

// section is the part of a file that one document takes, found by line alone: a line that starts with "---" or "..."
// ends a document whatever stands before it (YAML 1.1 §4.1), so the borders are clear even around broken text.
type section struct {
	start  int // first byte: comments and directives in front of the marker included
	marker int // offset of the "---" that opens the document, -1 when there is none
	body   int // first byte after the marker, or start
	stop   int // end of the content: the next marker, or the "..." line
	end    int // first byte of the next section; after the "..." line when there is one
}

// isMarker reports whether a document marker made of three times c stands at the start of a line at i.
func isMarker(src []byte, i int, c byte) bool {
	if i+3 > len(src) || src[i] != c || src[i+1] != c || src[i+2] != c {
		return false
	}
	return i+3 == len(src) || isBlank(src[i+3]) || breakLen(src, i+3) > 0
}

// split cuts a file into sections. There is always at least one. from is the first byte to look at (after a BOM).
func split(src []byte, from int) []section {
	var out []section
	cur := section{start: from, marker: -1, body: from}
	content := false // the current section holds more than comments and directives
	closed := true   // no "---" since the last "..." (or the start): a bare document may follow
	flush := func(stop, end int) {
		cur.stop, cur.end = stop, end
		out = append(out, cur)
	}
	i := from
	for i < len(src) {
		next := nextLine(src, i)
		switch {
		case isMarker(src, i, '-'):
			if cur.marker < 0 && !content {
				// Comments and directives in front of the first marker belong to its document.
				cur.marker, cur.body = i, i+3
			} else {
				flush(i, i)
				cur = section{start: i, marker: i, body: i + 3}
			}
			closed = false
			content = markerContent(src[i+3 : next])
		case isMarker(src, i, '.'):
			if cur.marker >= 0 || content {
				flush(i, next)
				cur = section{start: next, marker: -1, body: next}
			} else if len(out) > 0 && cur.marker < 0 {
				// A second "..." ends nothing; it stays with the section before it.
				out[len(out)-1].end = next
				cur = section{start: next, marker: -1, body: next}
			} else {
				// At the very start of a file it ends nothing either.
				cur = section{start: next, marker: -1, body: next}
			}
			content, closed = false, true
		default:
			if !content && !blankOrComment(src[i:next]) && !(closed && src[i] == '%') {
				content = true
			}
		}
		i = next
	}
	if cur.marker >= 0 || content || len(out) == 0 {
		flush(len(src), len(src))
	} else {
		// Only blanks and comments are left: the end of the last document.
		last := &out[len(out)-1]
		if last.stop == last.end {
			last.stop = len(src)
		}
		last.end = len(src)
	}
	return out
}

func markerContent(rest []byte) bool {
	return !blankOrComment(rest)
}

func blankOrComment(line []byte) bool {
	t := bytes.TrimLeft(line, " \t")
	return len(t) == 0 || t[0] == '#' || breakLen(t, 0) > 0
}

// nextLine returns the offset after the line break that ends the line at i. All breaks of YAML 1.1 count.
func nextLine(src []byte, i int) int {
	for i < len(src) {
		if n := breakLen(src, i); n > 0 {
			return i + n
		}
		i++
	}
	return i
}

// breakLen is the length of the line break at i, 0 when there is none. YAML 1.1 also breaks lines at NEL, LS and PS.
func breakLen(src []byte, i int) int {
	if i >= len(src) {
		return 0
	}
	switch c := src[i]; {
	case c == '\n':
		return 1
	case c == '\r':
		if i+1 < len(src) && src[i+1] == '\n' {
			return 2
		}
		return 1
	case c == 0xC2 && i+1 < len(src) && src[i+1] == 0x85:
		return 2
	case c == 0xE2 && i+2 < len(src) && src[i+1] == 0x80 && (src[i+2] == 0xA8 || src[i+2] == 0xA9):
		return 3
	}
	return 0
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
