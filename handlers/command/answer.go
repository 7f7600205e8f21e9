package command

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hnp-sync/hnp-sync/handlers/feedback"
)

// answer is what one command says, in Markdown. Foreign text in it is escaped.
type answer struct {
	text string
	ok   bool
}

func good(text string) answer { return answer{text, true} }
func bad(text string) answer  { return answer{text, false} }

// maxAnswer is the longest answer, in bytes. GitHub takes 65,536 characters.
const maxAnswer = 60000

// shownText is how much of a command's own line an answer repeats, in code points.
const shownText = 120

// body gathers the answers to one comment. No line of it begins with a command: whatever stands at a line's start is
// made here, and foreign text never holds a line break.
type body struct {
	b strings.Builder
}

func newBody(r Request) *body {
	b := &body{}
	b.b.WriteString(Marker + "\n")
	to := "[comment](#issuecomment-" + strconv.FormatInt(r.Comment.CommentID, 10) + ")"
	fmt.Fprintf(&b.b, "Answer to %s, %s:\n", feedback.Code(r.Comment.Sender), to)
	return b
}

// command adds the answer to one command; each of the left others finds room.
func (b *body) command(p *Parsed, a answer, left int) {
	mark := "✅"
	if !a.ok {
		mark = "❌"
	}
	shown := []rune(p.Text)
	if len(shown) > shownText {
		shown = append(shown[:shownText-1:shownText-1], '…')
	}
	head := mark + " " + feedback.Code(string(shown))
	room := (maxAnswer - b.b.Len()) / (min(left, MaxCommands) + 1)
	b.add(head + "\n\n" + fit(strings.TrimSpace(a.text), room-len(head)-10))
}

func (b *body) add(text string) { b.b.WriteString("\n" + text + "\n") }

func (b *body) String() string { return b.b.String() }

// fit cuts a text at the end of a line, closes what it opened and says that something is missing.
func fit(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	const more = "\n\nMore is left out: GitHub allows no longer answer."
	cut := text[:max(limit-len(more)-len("\n\n</details>"), 0)]
	cut = cut[:max(strings.LastIndexByte(cut, '\n'), 0)]
	if strings.Count(cut, "<details>") > strings.Count(cut, "</details>") {
		cut += "\n\n</details>"
	}
	return cut + more
}

// table writes at most limit rows under a head and says how many more there are.
func table(head string, rows []string, limit int) string {
	var b strings.Builder
	b.WriteString(head + "\n|" + strings.Repeat("---|", strings.Count(head, "|")-1) + "\n")
	for i, r := range rows {
		if i == limit {
			fmt.Fprintf(&b, "\n%d more.\n", len(rows)-limit)
			break
		}
		b.WriteString(r + "\n")
	}
	return b.String()
}

// count is a number with its noun, and its verb when two are given.
func count(n int, one, many string, verbs ...string) string {
	noun, i := many, 1
	if n == 1 {
		noun, i = one, 0
	}
	out := strconv.Itoa(n) + " " + noun
	if len(verbs) == 2 {
		out += " " + verbs[i]
	}
	return out
}

// when writes a time for people.
func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04") + " UTC"
}

// conflictName is C12.
func conflictName(n int) string { return "C" + strconv.Itoa(n) }

// where is a path for people.
func where(path string) string {
	if path == "" {
		return "the whole resource"
	}
	return feedback.Code(path)
}

// started says what became of a command that begins an operation.
func (s Started) words() string {
	note := ""
	if s.Note != "" {
		note = " " + feedback.Text(s.Note)
	}
	if s.ID == "" {
		return "Nothing had to be started." + note
	}
	return "Operation " + feedback.Code(s.ID) + "." + note
}
