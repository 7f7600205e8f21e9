package command

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// argument is one word after the command's name.
type argument struct {
	text   string // without its quotes
	key    string // of KEY=VALUE; empty otherwise
	value  string
	hasKey bool
}

var (
	errQuote   = errors.New("a quotation mark is not closed")
	errBracket = errors.New(`a [" is not closed by "]`)
)

// maxWords are read of one command.
const maxWords = 200

// errWords: no command has that many.
var errWords = errors.New("the command has too many words")

// arguments splits a line at spaces of any kind. A value or a whole word may stand in quotation marks ("…", '…' or the
// typographic “…” that telephones write); inside ["…"] of a path they belong to the word.
func arguments(line string) ([]argument, error) {
	var out []argument
	for {
		line = strings.TrimLeftFunc(line, unicode.IsSpace)
		if line == "" {
			return out, nil
		}
		if len(out) == maxWords {
			return nil, errWords
		}
		a, rest, err := oneArgument(line)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
		line = rest
	}
}

func oneArgument(line string) (a argument, rest string, err error) {
	var b strings.Builder
	eq := -1 // the last "=" outside quotation marks
	for line != "" {
		r, size := utf8.DecodeRuneInString(line)
		if unicode.IsSpace(r) {
			break
		}
		if closer := closers[r]; closer != "" && (b.Len() == 0 || eq == b.Len()-1 && eq >= 0) {
			text, after, ok := quoted(line[size:], closer)
			if !ok {
				return a, "", errQuote
			}
			b.WriteString(text)
			line = after
			continue
		}
		if strings.HasPrefix(line, `["`) {
			end := keyEnd(line)
			if end < 0 {
				return a, "", errBracket
			}
			b.WriteString(line[:end])
			line = line[end:]
			continue
		}
		if r == '=' {
			eq = b.Len()
		}
		b.WriteString(line[:size])
		line = line[size:]
	}
	a.text = b.String()
	if eq > 0 {
		a.key, a.value, a.hasKey = a.text[:eq], a.text[eq+1:], true
	}
	return a, line, nil
}

// closers are what ends each opening quotation mark. A map that nothing writes to.
var closers = map[rune]string{'"': `"`, '\'': `'`, '“': `”"`, '„': `“”"`, '‘': `’'`, '«': "»"}

// quoted reads up to one of the closing marks; a backslash keeps the mark or backslash behind it.
func quoted(s, closing string) (text, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == '\\' && i+1 < len(s) {
			if next, n := utf8.DecodeRuneInString(s[i+1:]); next == '\\' || strings.ContainsRune(closing, next) {
				b.WriteRune(next)
				i += 1 + n
				continue
			}
		}
		i += size
		if strings.ContainsRune(closing, r) {
			return b.String(), s[i:], true
		}
		b.WriteString(s[i-size : i])
	}
	return "", "", false
}

// keyEnd is where a path's ["key"] ends, -1 when it does not.
func keyEnd(s string) int {
	for i := 2; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			if strings.HasPrefix(s[i:], `"]`) {
				return i + 2
			}
			return -1
		}
	}
	return -1
}

// distance is how many letters must be changed, added, removed or swapped with their neighbour to make b of a. Words
// longer than 40 letters are far from everything.
func distance(a, b string) int {
	x, y := []rune(strings.ToLower(a)), []rune(strings.ToLower(b))
	if len(x) > 40 || len(y) > 40 {
		return 99
	}
	var before, last []int
	now := make([]int, len(y)+1)
	for j := range now {
		now[j] = j
	}
	for i := 1; i <= len(x); i++ {
		before, last = last, now
		now = make([]int, len(y)+1)
		now[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
	}
	return now[len(y)]
}

// nearest is the choice closest to what was written, at most two letters away; empty when none is. A short word must be
// nearer, or everything would be near everything.
func nearest(written string, choices []string) string {
	best, at := "", min(2, (utf8.RuneCountInString(written)+1)/2)+1
	for _, c := range choices {
		if d := distance(written, c); d < at {
			best, at = c, d
		}
	}
	return best
}
