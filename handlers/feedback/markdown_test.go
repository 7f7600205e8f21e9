package feedback

import (
	"html"
	"regexp"
	"strings"
	"testing"
)

// The checks here read a rendered text as GitHub does: fenced blocks first, then code spans, then entities in what is
// left, and look for what must not be alive in it.

var (
	liveMention   = regexp.MustCompile(`@[A-Za-z0-9]`)
	liveReference = regexp.MustCompile(`(?i)(#|gh-)[0-9]`)
	liveLink      = regexp.MustCompile(`(?i)(https?|ftp)://[a-z0-9]|www\.[a-z0-9]`)
	htmlCodeSpan  = regexp.MustCompile(`<code>[^<]*</code>`)
	fenceLine     = regexp.MustCompile("^ {0,3}(`{3,}|~{3,})(.*)$")
)

// withoutFences removes fenced blocks; an open one runs to the end, as in CommonMark.
func withoutFences(s string) string {
	var out []string
	open := ""
	for _, line := range strings.Split(s, "\n") {
		m := fenceLine.FindStringSubmatch(line)
		switch {
		case open == "" && m != nil && !(m[1][0] == '`' && strings.Contains(m[2], "`")):
			open = m[1]
		case open == "":
			out = append(out, line)
		case m != nil && m[1][0] == open[0] && len(m[1]) >= len(open) && strings.TrimSpace(m[2]) == "":
			open = ""
		}
	}
	return strings.Join(out, "\n")
}

// withoutSpans replaces code spans of one paragraph by X: a run of backticks ends at the next run of the same length.
func withoutSpans(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] == '\\' && i+1 < len(s) && s[i+1] == '`' {
			i += 2
			continue
		}
		if s[i] != '`' {
			b.WriteByte(s[i])
			i++
			continue
		}
		n := len(s[i:]) - len(strings.TrimLeft(s[i:], "`"))
		end := -1
		for j := i + n; j < len(s); {
			if s[j] != '`' {
				j++
				continue
			}
			k := len(s[j:]) - len(strings.TrimLeft(s[j:], "`"))
			if k == n {
				end = j + k
				break
			}
			j += k
		}
		if end < 0 {
			b.WriteString(s[i : i+n])
			i += n
			continue
		}
		b.WriteByte('X')
		i = end
	}
	return b.String()
}

// ownMarkers are the comments and tags that this package writes itself.
var (
	ownComment = regexp.MustCompile(`(?m)^<!-- hnp-sync[: ][^\n<>]* -->$`)
	ownTags    = strings.NewReplacer("<details>", "", "</details>", "", "<summary>", "", "</summary>", "", "<b>", "", "</b>", "", "<br>", "")
	ownLinks   = regexp.MustCompile(`\]\(https://[A-Za-z0-9./_%?=&;-]*\)`)
)

// problems says what in a Markdown text is alive that must not be. fields are how many cells table rows may have.
func problems(md string) []string {
	var out []string
	for _, r := range md {
		if r != '\n' && hidden(r) && r != '\u200b' {
			out = append(out, "hidden character in the text")
			break
		}
	}
	columns := 0
	for _, line := range strings.Split(withoutFences(ownComment.ReplaceAllString(md, "")), "\n") {
		if strings.HasPrefix(line, "|") {
			n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
			if columns == 0 {
				columns = n
			}
			if n != columns {
				out = append(out, "table row with other cells: "+line)
			}
		} else {
			columns = 0
		}
		text := withoutSpans(line)
		if strings.HasPrefix(strings.TrimSpace(html.UnescapeString(text)), "/hnp") {
			out = append(out, "a command: "+line)
		}
		text = htmlCodeSpan.ReplaceAllString(text, "X")
		text = ownLinks.ReplaceAllString(ownTags.Replace(text), "]")
		if strings.ContainsAny(text, "<`") {
			out = append(out, "HTML or an open code span: "+line)
		}
		text = html.UnescapeString(text)
		for what, re := range map[string]*regexp.Regexp{"mention": liveMention, "reference": liveReference, "link": liveLink} {
			if re.MatchString(text) {
				out = append(out, what+": "+line)
			}
		}
	}
	return out
}

func noProblems(t *testing.T, what, md string) {
	t.Helper()
	for i, p := range problems(md) {
		if i == 5 {
			break
		}
		t.Errorf("%s: %.300s", what, p)
	}
}

// TestMarkdownChecks: the checks themselves find what they are for.
func TestMarkdownChecks(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"hi @alice", "see #12", "&#64;alice", "&#35;12", "GH-3", "https://evil.example", "www.evil.example", "<!-- x", "a ` b",
		"/hnp approve", "&#47;hnp sync", "|a|b|\n|a|b|c|", "`` a ` @x", "```\nx\n```\n@alice", "\x1b[31m", "a\u202eb", "<b onclick=x>"} {
		if len(problems(bad)) == 0 {
			t.Errorf("%q passed", bad)
		}
	}
	for _, good := range []string{"`@alice`", "``a`@b``", "```\n/hnp sync\n@x\n```", "|a|b|\n|c|d|", "a@ b", "<code>@alice</code>", "<!-- hnp-sync state {} -->"} {
		if p := problems(good); len(p) > 0 {
			t.Errorf("%q: %v", good, p)
		}
	}
}
