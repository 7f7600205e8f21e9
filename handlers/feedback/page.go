package feedback

import (
	"fmt"
	"strings"
)

// page is a Markdown text that never grows over its limit in bytes: it ends on a line boundary, closes the tags it
// opened and says how many lines it left out.
type page struct {
	b     strings.Builder
	limit int
	// left are the lines that found no room.
	left int
}

// reserve is kept for the line that says how much is missing.
const reserve = 160

func newPage(limit int) *page { return &page{limit: limit - reserve} }

// line adds lines that stand or fall together.
func (p *page) line(lines ...string) bool {
	n := 0
	for _, l := range lines {
		n += len(l) + 1
	}
	if p.left > 0 || p.b.Len()+n > p.limit {
		p.left += len(lines)
		return false
	}
	for _, l := range lines {
		p.b.WriteString(l + "\n")
	}
	return true
}

// block adds a paragraph of its own.
func (p *page) block(text string) { p.line(text, "") }

// list adds rows between a head and a foot, each of which may be several lines; what has no room is counted in a line
// of its own. Later blocks still find room of at least keep bytes.
func (p *page) list(head, foot string, rows []string, keep int) {
	if len(rows) == 0 {
		return
	}
	const more = 60
	if p.left > 0 || p.b.Len()+len(head)+len(foot)+len(rows[0])+more+3 > p.limit-keep {
		p.left += len(rows)
		return
	}
	p.b.WriteString(head)
	for i, r := range rows {
		if p.b.Len()+len(r)+1+len(foot)+more > p.limit-keep {
			fmt.Fprintf(&p.b, "\n%s more\n", number(len(rows)-i))
			break
		}
		p.b.WriteString(r + "\n")
	}
	p.b.WriteString(foot)
}

// fold is list inside <details>, closed until somebody opens it. The summary is HTML.
func (p *page) fold(summary, head string, rows []string) {
	p.list("<details><summary>"+summary+"</summary>\n\n"+head, "\n</details>\n\n", rows, 0)
}

func (p *page) String() string {
	s := strings.TrimRight(p.b.String(), "\n")
	if p.left > 0 {
		s += fmt.Sprintf("\n\n%s more lines are left out: GitHub allows no longer text here.", number(p.left))
	}
	return s
}

// number writes 5000 as 5,000.
func number(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// count is a number with its noun: 1 error, 2 errors.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "y") {
		noun = strings.TrimSuffix(noun, "y") + "ie"
	}
	return number(n) + " " + noun + "s"
}

// link is a Markdown link to an address that this program or GitHub made; text is Markdown. Any other address than a
// plain http or https one yields the text alone.
func link(text, url string) string {
	if !plainURL(url) {
		return text
	}
	return "[" + text + "](" + url + ")"
}

func plainURL(s string) bool {
	rest, ok := strings.CutPrefix(s, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(s, "http://")
	}
	if !ok || rest == "" || len(s) > 2000 {
		return false
	}
	return strings.Trim(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/?#=&%+,;@") == "" && !strings.Contains(rest, "--")
}
