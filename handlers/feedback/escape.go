package feedback

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// maxText is how much of one foreign text is shown, in code points: enough for any message, little enough that a
// thousand of them do not fill a page.
const maxText = 1000

// breaker is put behind a character that would start a mention, a reference or a link. GitHub looks for those in the
// rendered text, where an entity has become its character again, so only something in between stops it.
const breaker = "&#8203;"

// Text is foreign text inside Markdown or raw HTML, on one line: no markup, mention, reference, link or table border in
// it is alive. Control and bidirectional characters are shown as \u001b. Cut at 1,000 code points.
func Text(s string) string {
	s = cut(visible(strings.TrimSpace(oneLine(s))), maxText)
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		rest := s[i+size:]
		switch {
		case r == '@' || r == '#':
			fmt.Fprintf(&b, "&#%d;%s", r, breaker)
		case r == ':' && strings.HasPrefix(rest, "//"), r == ':' && linkScheme(s[:i]):
			b.WriteString("&#58;" + breaker)
		case r == '.' && endsWithFold(s[:i], "www"):
			b.WriteString("&#46;" + breaker)
		case r == '-' && endsWithFold(s[:i], "gh"):
			b.WriteString("&#45;" + breaker)
		case i == 0 && r == '/':
			b.WriteString("&#47;" + breaker) // a command starts a line
		case i == 0 && strings.ContainsRune("-+=", r), startsList(s[:i]) && (r == '.' || r == ')'):
			fmt.Fprintf(&b, "&#%d;", r)
		case strings.ContainsRune("&<>\"'`*_~\\[](){}|!$^", r):
			fmt.Fprintf(&b, "&#%d;", r)
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}

// Cell is foreign text in a table's cell; "–" when it is empty.
func Cell(s string) string {
	if t := Text(s); t != "" {
		return t
	}
	return "–"
}

// Code is foreign text as inline code, in Markdown, in or outside a table. It shows every character as it is, control
// and bidirectional ones as \u001b, line breaks as \n. Cut at 1,000 code points. Empty text is "(empty)".
func Code(s string) string {
	s = codeText(s)
	if s == "" {
		return "(empty)"
	}
	if strings.Contains(s, "|") {
		return htmlCode(s) // a table's cell ends at a | even in a code span
	}
	run, longest := 0, 0
	for i := 0; i < len(s); i++ {
		if s[i] != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	ticks := strings.Repeat("`", longest+1)
	if s[0] == '`' || s[len(s)-1] == '`' || s[0] == ' ' && s[len(s)-1] == ' ' && strings.Trim(s, " ") != "" {
		s = " " + s + " "
	}
	return ticks + s + ticks
}

// HTMLCode is Code for places where Markdown is not read, as in <summary>.
func HTMLCode(s string) string {
	if s = codeText(s); s == "" {
		return "(empty)"
	}
	return htmlCode(s)
}

func htmlCode(s string) string {
	var b strings.Builder
	b.WriteString("<code>")
	for i, r := range s {
		switch {
		case r == '@' || r == '#':
			fmt.Fprintf(&b, "&#%d;%s", r, breaker)
		case r > unicode.MaxASCII || r == ' ' && i > 0 || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "&#%d;", r)
		}
	}
	return b.String() + "</code>"
}

// codeText is what inline code shows of a text. Leading white space of any kind is kept: it may be the difference.
func codeText(s string) string {
	return cut(visible(strings.NewReplacer("\r\n", `\n`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s)), maxText)
}

// Fence is foreign text as a block of code, with lang as its language ("" for none): a block of its own, with line ends
// before and after it left to the caller. Lines stay lines.
func Fence(lang, s string) string {
	s = visible(strings.TrimRight(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s), "\n"))
	longest, run := 2, 0
	for i := 0; i < len(s); i++ {
		if s[i] != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	ticks := strings.Repeat("`", longest+1)
	lang = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, lang)
	return ticks + lang + "\n" + s + "\n" + ticks
}

// Plain is foreign text where GitHub shows plain text (annotations): control and bidirectional characters become
// visible, lines stay lines. Cut at limit bytes, on a character.
func Plain(s string, limit int) string {
	return cutBytes(visible(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)), limit)
}

// Title is foreign text in the title of a pull request or an issue. GitHub copies titles into the messages of merge
// commits and squash commits, where mentions and "fixes #1" work again: an invisible character breaks them. Cut at 250
// code points; GitHub allows 256.
func Title(s string) string {
	s = cut(visible(strings.TrimSpace(oneLine(s))), 200)
	var b strings.Builder
	n := 0
	for _, r := range s {
		b.WriteRune(r)
		n++
		if r == '@' || r == '#' {
			b.WriteRune('\u200b')
			n++
		}
		if n >= 249 {
			break
		}
	}
	return titleLinks.ReplaceAllString(b.String(), "$1\u200b$2")
}

var titleLinks = regexp.MustCompile(`(?i)(gh-|://)(\w)`)

// Value is a value of a resource as inline code: JSON on one line, cut at 200 code points; "absent" in italics when
// nothing stands there.
func Value(v any, none bool) string {
	if none {
		return "*absent*"
	}
	return Code(valueText(v))
}

// valueText is a value as JSON, cut for display.
func valueText(v any) string {
	s, err := jsonText(v)
	if err != nil {
		return "(not shown)"
	}
	return cut(s, maxValue)
}

// maxValue is how much of a value is shown, in code points.
const maxValue = 200

// plainValue is a value in plain text.
func plainValue(v any, none bool) string {
	if none {
		return "absent"
	}
	return visible(valueText(v))
}

// Resource is a resource's name as inline code: vpc/test-vpc.
func Resource(k gitops.Key) string { return Code(k.String()) }

// visible replaces what could move a cursor, reorder or hide text by what it is: \u001b. Line feeds and tabs stay.
func visible(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !hidden(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// hidden tells the characters that show nothing of themselves: control and format characters (ANSI escapes,
// bidirectional overrides, zero width joiners, tags), line and paragraph separators, private use.
func hidden(r rune) bool {
	return r != '\n' && r != '\t' && (unicode.Is(unicode.C, r) || r == '\u2028' || r == '\u2029')
}

// oneLine turns line breaks and tabs into spaces.
func oneLine(s string) string {
	return strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ", "\t", " ").Replace(s)
}

// cut shortens a text to limit code points.
func cut(s string, limit int) string {
	if len(s) <= limit || utf8.RuneCountInString(s) <= limit {
		return s
	}
	n := 0
	for i := range s {
		if n == limit-1 {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

// cutBytes shortens a text to limit bytes, on a character.
func cutBytes(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end := limit - len("…")
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:max(end, 0)] + "…"
}

func endsWithFold(s, word string) bool {
	return len(s) >= len(word) && strings.EqualFold(s[len(s)-len(word):], word)
}

func linkScheme(s string) bool {
	return endsWithFold(s, "mailto") || endsWithFold(s, "xmpp")
}

// startsList tells whether a line that goes on with . or ) would be an item of a numbered list.
func startsList(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
