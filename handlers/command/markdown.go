package command

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// candidate is a line of a comment that reads as a command and stands in running text.
type candidate struct {
	line int // from 1
	text string
	at   int // byte offset in its paragraph
}

// container is a block that holds others: a quote, or an item of a list whose content begins width columns further in.
type container struct {
	quote bool
	width int
}

// leaf is the kind of block the next line may belong to.
type leaf int

const (
	leafNone leaf = iota
	leafParagraph
	leafFence
	leafHTML
)

// scanner reads a comment as CommonMark does, as far as it must to tell running text from code, quotes and HTML. Where
// GitHub's reading and a person's may differ it leaves a command out: one that does not fire is written again, one that
// fires wrongly is not taken back. Its time is linear in the text: containers are limited.
type scanner struct {
	open []container
	leaf leaf

	fence  byte // of leafFence: its character and length
	fences int
	ends   []string // of leafHTML: texts that end it, lower case; none: a blank line ends it

	paragraph strings.Builder
	here      []candidate // in this paragraph
	found     []candidate

	// dangling: a "<!--" that its paragraph does not close. GitHub shows it as text, people mean a comment.
	dangling bool
	// elements are the open HTML elements whose content is code or a quotation.
	elements map[string]int
}

// maxContainers: deeper nesting than people write counts as quoted.
const maxContainers = 20

// candidates are the lines of the body that may be commands.
func candidates(body string) []candidate {
	s := &scanner{elements: map[string]int{}}
	body = strings.TrimPrefix(body, "\ufeff")
	for n := 1; body != ""; n++ {
		end := strings.IndexAny(body, "\r\n")
		line := body
		if end < 0 {
			body = ""
		} else {
			line = body[:end]
			if strings.HasPrefix(body[end:], "\r\n") {
				end++
			}
			body = body[end+1:]
		}
		s.line(n, line)
	}
	s.endParagraph()
	return s.found
}

// cursor walks the columns of one line; a tab reaches the next multiple of four.
type cursor struct {
	line string
	pos  int // byte offset; a tab there may be taken in part
	col  int
}

// indent is how many columns of white space stand ahead.
func (c *cursor) indent() int {
	col := c.col
	for i := c.pos; i < len(c.line); i++ {
		switch c.line[i] {
		case ' ':
			col++
		case '\t':
			col += 4 - col%4
		default:
			return col - c.col
		}
	}
	return col - c.col
}

// skip takes n columns of white space.
func (c *cursor) skip(n int) {
	for n > 0 && c.pos < len(c.line) {
		width := 1
		if c.line[c.pos] == '\t' {
			width = 4 - c.col%4
		} else if c.line[c.pos] != ' ' {
			return
		}
		if width > n { // part of a tab
			c.col += n
			return
		}
		c.col += width
		c.pos++
		n -= width
	}
}

func (c *cursor) rest() string { return strings.TrimLeft(c.line[c.pos:], " \t") }

func (s *scanner) line(n int, line string) {
	if s.dangling && strings.Contains(line, "-->") {
		s.dangling = false
		defer func() { s.dangling = false }()
	}
	c := &cursor{line: line}
	matched := s.match(c)
	all := matched == len(s.open)
	if !all && (s.leaf == leafFence || s.leaf == leafHTML) {
		s.leaf = leafNone
		s.open = s.open[:matched]
		all = true
	}
	rest := c.rest()
	switch {
	case s.leaf == leafFence:
		if c.indent() <= 3 && closesFence(rest, s.fence, s.fences) {
			s.leaf = leafNone
		}
		return
	case s.leaf == leafHTML:
		s.html(rest)
		return
	case rest == "":
		s.endParagraph()
		// A blank line ends a quote that it does not begin with ">"; list items stay open.
		for i := matched; i < len(s.open); i++ {
			if s.open[i].quote {
				s.open = s.open[:i]
				break
			}
		}
		return
	}
	s.block(n, c, matched)
}

// match walks through the open containers that this line continues.
func (s *scanner) match(c *cursor) int {
	blank := c.rest() == ""
	for i, o := range s.open {
		switch {
		case o.quote && c.indent() <= 3 && strings.HasPrefix(c.rest(), ">"):
			takeQuote(c)
		case o.quote:
			return i
		case blank:
		case c.indent() >= o.width:
			c.skip(o.width)
		default:
			return i
		}
	}
	return len(s.open)
}

func takeQuote(c *cursor) {
	c.skip(c.indent())
	c.pos++
	c.col++
	if c.indent() > 0 {
		c.skip(1)
	}
}

// block handles a line that is neither blank nor inside a fence or an HTML block.
func (s *scanner) block(n int, c *cursor, matched int) {
	lazy := s.leaf == leafParagraph && matched < len(s.open)
	begin := func() { // something begins here that ends an open paragraph
		s.endParagraph()
		if lazy || matched < len(s.open) {
			s.open = s.open[:matched]
			lazy = false
		}
	}
	for {
		rest, indent := c.rest(), c.indent()
		if indent > 3 {
			if s.leaf == leafParagraph {
				break // goes on with the paragraph
			}
			begin()
			return // indented code
		}
		if strings.HasPrefix(rest, ">") && len(s.open) < maxContainers {
			begin()
			takeQuote(c)
			s.open = append(s.open, container{quote: true})
			matched = len(s.open)
			if c.rest() == "" {
				return
			}
			continue
		}
		if char, count, ok := opensFence(rest); ok {
			begin()
			s.leaf, s.fence, s.fences = leafFence, char, count
			return
		}
		if ends, ok := opensHTML(rest, s.leaf == leafParagraph); ok {
			begin()
			s.leaf, s.ends = leafHTML, ends
			s.html(rest)
			return
		}
		if under := strings.TrimRight(rest, " \t"); s.leaf == leafParagraph && !lazy && (strings.Trim(under, "-") == "" || strings.Trim(under, "=") == "") {
			s.endParagraph() // the line under a heading
			return
		}
		if isRule(rest) {
			begin()
			return
		}
		width, ok := listMarker(rest, s.leaf == leafParagraph)
		if !ok || len(s.open) >= maxContainers {
			break
		}
		begin()
		c.skip(indent)
		c.pos += width
		c.col += width
		inner := c.indent()
		content := inner
		if c.rest() == "" || inner > 4 {
			content = 1
		}
		c.skip(content)
		s.open = append(s.open, container{width: indent + width + content})
		matched = len(s.open)
		if c.rest() == "" {
			return
		}
	}
	// Text. A quote that is only continued lazily is a quote all the same.
	if s.leaf != leafParagraph {
		s.open = s.open[:matched]
		s.leaf = leafParagraph
	}
	s.text(n, c)
}

// text adds a line to the paragraph.
func (s *scanner) text(n int, c *cursor) {
	quoted := len(s.open) >= maxContainers
	for _, o := range s.open {
		quoted = quoted || o.quote
	}
	if line, ok := commandLine(c.line); ok && !quoted {
		s.here = append(s.here, candidate{line: n, text: line, at: s.paragraph.Len()})
	}
	s.paragraph.WriteString(c.rest())
	s.paragraph.WriteByte('\n')
	if rest := c.rest(); strings.HasPrefix(rest, "#") { // a heading is one line
		if h := strings.TrimLeft(rest, "#"); len(rest)-len(h) <= 6 && (h == "" || h[0] == ' ' || h[0] == '\t') {
			s.endParagraph()
		}
	}
}

// commandLine tells whether a whole line begins with a command after at most three spaces of any kind, and returns it
// without the spaces around.
func commandLine(line string) (string, bool) {
	for n := 0; n < 3; n++ {
		r, size := utf8.DecodeRuneInString(line)
		if r == '\t' || !unicode.IsSpace(r) {
			break
		}
		line = line[size:]
	}
	rest, ok := strings.CutPrefix(line, word)
	if !ok {
		return "", false
	}
	if r, _ := utf8.DecodeRuneInString(rest); rest != "" && !unicode.IsSpace(r) {
		return "", false
	}
	return strings.TrimFunc(line, unicode.IsSpace), true
}

// word is what every command begins with.
const word = "/hnp"

func opensFence(rest string) (char byte, n int, ok bool) {
	if rest == "" || rest[0] != '`' && rest[0] != '~' {
		return 0, 0, false
	}
	char = rest[0]
	n = len(rest) - len(strings.TrimLeft(rest, string(char)))
	return char, n, n >= 3 && (char == '~' || !strings.Contains(rest[n:], "`"))
}

func closesFence(rest string, char byte, n int) bool {
	left := strings.TrimLeft(rest, string(char))
	return len(rest)-len(left) >= n && strings.Trim(left, " \t") == ""
}

// isRule tells a thematic break: three or more of * - _ with spaces between.
func isRule(rest string) bool {
	char := rest[0]
	if char != '*' && char != '-' && char != '_' {
		return false
	}
	return strings.Trim(rest, string(char)+" \t") == "" && strings.Count(rest, string(char)) >= 3
}

// listMarker tells how wide a list item's marker is. Inside a paragraph only an item with text begins a list, and a
// numbered one only with 1.
func listMarker(rest string, paragraph bool) (width int, ok bool) {
	switch rest[0] {
	case '-', '+', '*':
		width = 1
	default:
		for width < len(rest) && width < 10 && rest[width] >= '0' && rest[width] <= '9' {
			width++
		}
		if width == 0 || width > 9 || width == len(rest) || rest[width] != '.' && rest[width] != ')' || paragraph && rest[:width] != "1" {
			return 0, false
		}
		width++
	}
	after := rest[width:]
	if after != "" && after[0] != ' ' && after[0] != '\t' {
		return 0, false
	}
	return width, !paragraph || strings.Trim(after, " \t") != ""
}

// html takes a line of an HTML block.
func (s *scanner) html(rest string) {
	s.tags(rest)
	if len(s.ends) == 0 {
		if rest == "" {
			s.leaf = leafNone
		}
		return
	}
	lower := strings.ToLower(rest)
	for _, e := range s.ends {
		if strings.Contains(lower, e) {
			s.leaf = leafNone
		}
	}
}

// blockTags are the elements whose tag alone begins an HTML block (CommonMark 0.31, condition 6).
var blockTags = regexp.MustCompile(`(?i)^</?(?:address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|dialog|dir|div|dl|dt|fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|menu|menuitem|nav|noframes|ol|optgroup|option|p|param|search|section|summary|table|tbody|td|tfoot|th|thead|title|tr|track|ul)(?:[ \t]|/?>|$)`)

var (
	rawTags = regexp.MustCompile(`(?i)^<(?:pre|script|style|textarea)(?:[ \t>]|$)`)
	oneTag  = regexp.MustCompile(`^(?:<[A-Za-z][A-Za-z0-9-]*(?:[ \t]+[A-Za-z_:][A-Za-z0-9_.:-]*(?:[ \t]*=[ \t]*(?:[^ \t"'=<>` + "`" + `]+|'[^']*'|"[^"]*"))?)*[ \t]*/?>|</[A-Za-z][A-Za-z0-9-]*[ \t]*>)[ \t]*$`)
)

// opensHTML tells whether a line begins an HTML block, and what ends it.
func opensHTML(rest string, paragraph bool) (ends []string, ok bool) {
	switch {
	case rest[0] != '<':
		return nil, false
	case rawTags.MatchString(rest):
		return []string{"</pre>", "</script>", "</style>", "</textarea>"}, true
	case strings.HasPrefix(rest, "<!--"):
		return []string{"-->"}, true
	case strings.HasPrefix(rest, "<?"):
		return []string{"?>"}, true
	case strings.HasPrefix(rest, "<![CDATA["):
		return []string{"]]>"}, true
	case len(rest) > 2 && rest[1] == '!' && (rest[2]|0x20) >= 'a' && (rest[2]|0x20) <= 'z':
		return []string{">"}, true
	}
	return nil, blockTags.MatchString(rest) || !paragraph && oneTag.MatchString(rest)
}
