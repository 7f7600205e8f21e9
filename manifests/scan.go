package manifests

// The scanner below finds where things end. It never decides what the text means: structure and values come from the
// YAML parser, and every place found here is checked against the start positions that the parser reports.

// skip moves over blanks, line breaks and comments, and notes the comments.
func (b *builder) skip(i int) int {
	src := b.src
	for i < len(src) {
		switch c := src[i]; {
		case isBlank(c):
			i++
		case c == '#':
			j := lineEnd(src, i)
			b.comments = append(b.comments, span{i, j})
			i = j
		default:
			n := breakLen(src, i)
			if n == 0 {
				return i
			}
			i += n
		}
	}
	return i
}

// lineEnd returns the offset of the line break that ends the line at i, or the end of the text.
func lineEnd(src []byte, i int) int {
	for i < len(src) && breakLen(src, i) == 0 {
		i++
	}
	return i
}

// lineStart returns the first byte of the line that holds i.
func lineStart(src []byte, i int) int {
	for i > 0 {
		switch c := src[i-1]; {
		case c == '\n', c == '\r':
			// Between CR and LF there is no line start.
			if !(c == '\r' && i < len(src) && src[i] == '\n') {
				return i
			}
		case c == 0x85 && i >= 2 && src[i-2] == 0xC2:
			return i
		case (c == 0xA8 || c == 0xA9) && i >= 3 && src[i-3] == 0xE2 && src[i-2] == 0x80:
			return i
		}
		i--
	}
	return 0
}

// plainEnd finds the end of a plain scalar by using up the characters of its value: folding changes nothing but
// blanks and line breaks.
func plainEnd(src []byte, i int, value string) int {
	end := i
	v := 0
	for {
		for v < len(value) {
			if isBlank(value[v]) {
				v++
			} else if n := breakLenString(value, v); n > 0 {
				v += n
			} else {
				break
			}
		}
		if v >= len(value) {
			return end
		}
		for i < len(src) {
			if isBlank(src[i]) {
				i++
			} else if n := breakLen(src, i); n > 0 {
				i += n
			} else {
				break
			}
		}
		if i >= len(src) || src[i] != value[v] {
			return -1
		}
		i++
		v++
		end = i
	}
}

func breakLenString(s string, i int) int {
	c := s[i]
	if c != '\n' && c != '\r' && c != 0xC2 && c != 0xE2 {
		return 0
	}
	return breakLen([]byte(s[i:min(len(s), i+3)]), 0)
}

// quotedEnd finds the end of a quoted scalar that starts at i.
func quotedEnd(src []byte, i int) int {
	q := src[i]
	for i++; i < len(src); i++ {
		switch {
		case src[i] == '\\' && q == '"':
			i++
		case src[i] == q:
			if q == '\'' && i+1 < len(src) && src[i+1] == '\'' {
				i++
				continue
			}
			return i + 1
		}
	}
	return -1
}

// blockHeader reads the header of a literal or folded scalar at i: explicit indentation (0 when absent), chomping
// ('+', '-' or 0), and the offset of the first content line.
func blockHeader(src []byte, i int) (indent int, chomp byte, body int) {
	for j := i + 1; j < len(src) && j < i+3; j++ {
		switch c := src[j]; {
		case c == '+' || c == '-':
			chomp = c
		case c >= '1' && c <= '9':
			indent = int(c - '0')
		}
	}
	return indent, chomp, nextLine(src, i)
}

// blockEnd finds the end of the block scalar at i: the end of its last line, its line break not included. With "+"
// the blank lines after it belong to it. It also returns the indentation of its content. parent is the column of
// the enclosing block collection, -1 at the root.
func blockEnd(src []byte, i, parent int) (end, indent int) {
	explicit, chomp, body := blockHeader(src, i)
	end = lineEnd(src, i)
	if body == end {
		return end, max(parent, 0) + max(explicit, 1)
	}
	indent = max(parent, 0) + explicit
	if explicit == 0 {
		// The first line that is not blank sets the indentation; blank lines before it may ask for more.
		indent = max(parent+1, 1)
		for j := body; j < len(src); {
			col := 0
			for j+col < len(src) && src[j+col] == ' ' {
				col++
			}
			indent = max(indent, col)
			if j+col >= len(src) {
				break
			}
			n := breakLen(src, j+col)
			if n == 0 {
				break
			}
			j += col + n
		}
	}
	for j := body; j < len(src); {
		col := 0
		for col < indent && j+col < len(src) && src[j+col] == ' ' {
			col++
		}
		if j+col >= len(src) {
			break
		}
		eol := lineEnd(src, j+col)
		switch {
		case eol == j+col: // blank
			if chomp == '+' {
				end = eol
			}
		case col == indent:
			end = eol
		default:
			return end, indent
		}
		next := nextLine(src, eol)
		if next == eol {
			break
		}
		j = next
	}
	return end, indent
}
