package netboxtest

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds nesting. Python's own limit is about 1000 frames; a deeper
// body is an error there as well.
const maxDepth = 500

type jsonError struct{ msg string }

func (e *jsonError) Error() string { return e.msg }

type jsonParser struct {
	src   []byte
	pos   int
	depth int
}

// parseJSON reads one JSON text with the messages of Python's json module, which
// NetBox passes on in its 400 answers.
func parseJSON(src []byte) (any, error) {
	if !utf8.Valid(src) {
		i := 0
		for i < len(src) {
			r, n := utf8.DecodeRune(src[i:])
			if r == utf8.RuneError && n <= 1 {
				break
			}
			i += n
		}
		return nil, &jsonError{fmt.Sprintf("'utf-8' codec can't decode byte 0x%02x in position %d: invalid start byte", src[i], i)}
	}
	if bytes.HasPrefix(src, []byte("\xef\xbb\xbf")) {
		return nil, &jsonError{"Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)"}
	}
	p := &jsonParser{src: src}
	p.space()
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	p.space()
	if p.pos != len(p.src) {
		return nil, p.fail("Extra data", p.pos)
	}
	return v, nil
}

func (p *jsonParser) fail(msg string, at int) error {
	before := p.src[:min(at, len(p.src))]
	line := 1 + bytes.Count(before, []byte{'\n'})
	col := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return &jsonError{fmt.Sprintf("%s: line %d column %d (char %d)", msg, line, col, utf8.RuneCount(before))}
}

func (p *jsonParser) space() {
	for p.pos < len(p.src) {
		switch p.src[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

func (p *jsonParser) value() (any, error) {
	if p.pos >= len(p.src) {
		return nil, p.fail("Expecting value", p.pos)
	}
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return nil, &jsonError{"maximum recursion depth exceeded while decoding a JSON document"}
	}
	switch c := p.src[p.pos]; {
	case c == '{':
		return p.object()
	case c == '[':
		return p.array()
	case c == '"':
		return p.string()
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	for lit, v := range map[string]any{"true": true, "false": false, "null": nil} {
		if bytes.HasPrefix(p.src[p.pos:], []byte(lit)) {
			p.pos += len(lit)
			return v, nil
		}
	}
	for _, lit := range []string{"NaN", "Infinity", "-Infinity"} {
		if bytes.HasPrefix(p.src[p.pos:], []byte(lit)) {
			return nil, &jsonError{"Out of range float values are not JSON compliant: '" + lit + "'"}
		}
	}
	return nil, p.fail("Expecting value", p.pos)
}

func (p *jsonParser) object() (any, error) {
	o := newObject()
	p.pos++
	p.space()
	if p.pos < len(p.src) && p.src[p.pos] == '}' {
		p.pos++
		return o, nil
	}
	for {
		if p.pos >= len(p.src) || p.src[p.pos] != '"' {
			return nil, p.fail("Expecting property name enclosed in double quotes", p.pos)
		}
		k, err := p.string()
		if err != nil {
			return nil, err
		}
		p.space()
		if p.pos >= len(p.src) || p.src[p.pos] != ':' {
			return nil, p.fail("Expecting ':' delimiter", p.pos)
		}
		p.pos++
		p.space()
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		o.set(k.(string), v)
		p.space()
		if p.pos < len(p.src) && p.src[p.pos] == '}' {
			p.pos++
			return o, nil
		}
		if p.pos >= len(p.src) || p.src[p.pos] != ',' {
			return nil, p.fail("Expecting ',' delimiter", p.pos)
		}
		p.pos++
		p.space()
	}
}

func (p *jsonParser) array() (any, error) {
	a := []any{}
	p.pos++
	p.space()
	if p.pos < len(p.src) && p.src[p.pos] == ']' {
		p.pos++
		return a, nil
	}
	for {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		a = append(a, v)
		p.space()
		if p.pos < len(p.src) && p.src[p.pos] == ']' {
			p.pos++
			return a, nil
		}
		if p.pos >= len(p.src) || p.src[p.pos] != ',' {
			return nil, p.fail("Expecting ',' delimiter", p.pos)
		}
		p.pos++
		p.space()
	}
}

func (p *jsonParser) string() (any, error) {
	start := p.pos
	p.pos++
	var b strings.Builder
	for p.pos < len(p.src) {
		c := p.src[p.pos]
		switch {
		case c == '"':
			p.pos++
			return b.String(), nil
		case c < 0x20:
			return nil, p.fail("Invalid control character at", p.pos)
		case c != '\\':
			b.WriteByte(c)
			p.pos++
		default:
			r, err := p.escape()
			if err != nil {
				return nil, err
			}
			b.WriteRune(r)
		}
	}
	return nil, p.fail("Unterminated string starting at", start)
}

func (p *jsonParser) escape() (rune, error) {
	at := p.pos
	if p.pos+1 >= len(p.src) {
		return 0, p.fail("Unterminated string starting at", at)
	}
	c := p.src[p.pos+1]
	p.pos += 2
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		r, ok := p.hex4()
		if !ok {
			return 0, p.fail("Invalid \\uXXXX escape", at+1)
		}
		if !utf16.IsSurrogate(r) {
			return r, nil
		}
		if p.pos+1 < len(p.src) && p.src[p.pos] == '\\' && p.src[p.pos+1] == 'u' {
			p.pos += 2
			if low, ok := p.hex4(); ok {
				if full := utf16.DecodeRune(r, low); full != utf8.RuneError {
					return full, nil
				}
			}
		}
		// Python accepts half a pair and PostgreSQL then refuses it with a
		// 500; refusing the whole body is the stricter of the two.
		return 0, p.fail("Invalid \\uXXXX escape", at+1)
	}
	return 0, p.fail("Invalid \\escape", at)
}

func (p *jsonParser) hex4() (rune, bool) {
	if p.pos+4 > len(p.src) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(p.src[p.pos:p.pos+4]), 16, 16)
	if err != nil {
		return 0, false
	}
	p.pos += 4
	return rune(n), true
}

func (p *jsonParser) number() (any, error) {
	start, i := p.pos, p.pos
	digits := func() int {
		n := 0
		for i < len(p.src) && p.src[i] >= '0' && p.src[i] <= '9' {
			i, n = i+1, n+1
		}
		return n
	}
	if p.src[i] == '-' {
		i++
	}
	if i < len(p.src) && p.src[i] == '0' {
		i++
	} else if digits() == 0 {
		return nil, p.fail("Expecting value", start)
	}
	float := false
	if j := i; j+1 < len(p.src) && p.src[j] == '.' {
		i++
		if digits() > 0 {
			float = true
		} else {
			i = j
		}
	}
	if j := i; j+1 < len(p.src) && (p.src[j] == 'e' || p.src[j] == 'E') {
		i++
		if p.src[i] == '+' || p.src[i] == '-' {
			i++
		}
		if digits() > 0 {
			float = true
		} else {
			i = j
		}
	}
	text := string(p.src[start:i])
	p.pos = i
	if !float {
		if len(text) > 4300 {
			return nil, &jsonError{"Exceeds the limit (4300 digits) for integer string conversion"}
		}
		if text == "-0" {
			text = "0"
		}
		return number(text), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil, p.fail("Expecting value", start)
	}
	return number(pythonFloat(f)), nil
}

// pythonFloat is repr(float): the shortest text that reads back, with an
// exponent below 1e-4 and from 1e16 on.
func pythonFloat(f float64) string {
	if math.IsInf(f, 1) {
		return "Infinity"
	}
	if math.IsInf(f, -1) {
		return "-Infinity"
	}
	if f == 0 {
		if math.Signbit(f) {
			return "-0.0"
		}
		return "0.0"
	}
	if a := math.Abs(f); a >= 1e16 || a < 1e-4 {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
