package command

import (
	"strings"
)

// endParagraph closes the open paragraph: candidates inside a code span, a comment or a tag of it are dropped.
func (s *scanner) endParagraph() {
	if s.leaf == leafParagraph {
		s.leaf = leafNone
	}
	text, here := s.paragraph.String(), s.here
	s.paragraph.Reset()
	s.here = nil
	if text == "" {
		return
	}
	// Read twice, with and without HTML: a "<" that GitHub takes for text must not hide the backtick that follows it.
	inCode := spans(text, nil)
	var dropped []bool
	dangling := s.dangling
	next := 0
	mark := func(upTo int, dead bool) {
		for next < len(here) && here[next].at < upTo {
			dropped = append(dropped, dead || dangling || s.quoting())
			next++
		}
	}
	for _, sp := range spans(text, s) {
		mark(sp.from, false)
		if sp.dangling {
			dangling, s.dangling = true, true
			continue
		}
		mark(sp.to, true)
		if sp.tag != "" {
			s.element(sp.tag)
		}
	}
	mark(len(text)+1, false)
	at := 0
	for i, c := range here {
		for at < len(inCode) && inCode[at].to <= c.at {
			at++
		}
		if !dropped[i] && (at == len(inCode) || c.at < inCode[at].from) {
			s.found = append(s.found, c)
		}
	}
}

// span is a stretch of a paragraph that is no running text.
type span struct {
	from, to int
	tag      string // the tag's text, for HTML
	dangling bool   // a comment that does not end here
}

// spans finds code spans and, unless s is nil, comments and tags, left to right as CommonMark does. Each search for an
// end is remembered, so that a text full of beginnings takes linear time.
func spans(text string, s *scanner) []span {
	runs := map[int][]int{} // backtick runs by length: where they start
	for i := 0; i < len(text); {
		n := backticks(text[i:])
		if n > 0 {
			runs[n] = append(runs[n], i)
		}
		i += max(n, 1)
	}
	var out []span
	noTag, noComment := false, false
	for i := 0; i < len(text); {
		switch {
		case text[i] == '\\':
			i += 2
			continue
		case text[i] == '`':
			n := backticks(text[i:])
			later := runs[n]
			for len(later) > 0 && later[0] < i+n {
				later = later[1:]
			}
			runs[n] = later
			if len(later) == 0 {
				i += n
				continue
			}
			out = append(out, span{from: i, to: later[0] + n})
			i = later[0] + n
			continue
		case s != nil && text[i] == '<' && strings.HasPrefix(text[i:], "<!--"):
			end := -1
			if !noComment {
				end = strings.Index(text[i+4:], "-->")
			}
			if end < 0 {
				if !noComment {
					out = append(out, span{from: i, to: i, dangling: true})
				}
				noComment = true
				i += 4
				continue
			}
			out = append(out, span{from: i, to: i + 4 + end + 3})
			i += 4 + end + 3
			continue
		case s != nil && text[i] == '<' && tagStarts(text[i+1:]):
			end := -1
			if !noTag {
				end = strings.IndexByte(text[i:], '>')
			}
			if end < 0 {
				noTag = true
				i++
				continue
			}
			out = append(out, span{from: i, to: i + end + 1, tag: text[i : i+end+1]})
			i += end + 1
			continue
		}
		i++
	}
	return out
}

func backticks(s string) int { return len(s) - len(strings.TrimLeft(s, "`")) }

func tagStarts(s string) bool {
	s = strings.TrimPrefix(s, "/")
	return s != "" && (s[0]|0x20 >= 'a' && s[0]|0x20 <= 'z' || s[0] == '?' || s[0] == '!')
}

// tags notes the elements that a line of an HTML block opens and closes.
func (s *scanner) tags(line string) {
	for {
		i := strings.IndexByte(line, '<')
		if i < 0 {
			return
		}
		line = line[i:]
		s.element(line)
		line = line[1:]
	}
}

// element notes a tag of an element whose content is shown as code or as a quotation.
func (s *scanner) element(tag string) {
	name := strings.TrimPrefix(tag, "<")
	step := 1
	if n, ok := strings.CutPrefix(name, "/"); ok {
		name, step = n, -1
	}
	end := 0
	for end < len(name) && end < 12 && (name[end]|0x20 >= 'a' && name[end]|0x20 <= 'z') {
		end++
	}
	switch name = strings.ToLower(name[:end]); name {
	case "blockquote", "code", "kbd", "pre", "q", "samp", "script", "style", "tt", "textarea":
		s.elements[name] = max(s.elements[name]+step, 0)
	}
}

func (s *scanner) quoting() bool {
	for _, n := range s.elements {
		if n > 0 {
			return true
		}
	}
	return false
}
