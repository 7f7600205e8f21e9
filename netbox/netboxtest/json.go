package netboxtest

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/big"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// Values of this package are nil, bool, string, number, int64, time.Time,
// []any and *object. They are never changed after they were stored, so rows
// may share them. encoding/json is not used because two things matter here that
// it cannot keep: the order of keys (a webhook shows the request's order, a read
// shows PostgreSQL's) and the text of numbers.

// number is a JSON number as Python writes it.
type number string

// object is a JSON object that remembers the order of its keys.
type object struct {
	keys []string
	vals map[string]any
}

func newObject() *object { return &object{vals: map[string]any{}} }

// obj builds an object from alternating keys and values.
func obj(kv ...any) *object {
	o := newObject()
	for i := 0; i+1 < len(kv); i += 2 {
		o.set(kv[i].(string), kv[i+1])
	}
	return o
}

func (o *object) set(k string, v any) {
	if _, ok := o.vals[k]; !ok {
		o.keys = append(o.keys, k)
	}
	o.vals[k] = v
}

func (o *object) get(k string) (any, bool) {
	if o == nil {
		return nil, false
	}
	v, ok := o.vals[k]
	return v, ok
}

func (o *object) str(k string) string {
	v, _ := o.get(k)
	s, _ := v.(string)
	return s
}

func (o *object) has(k string) bool { _, ok := o.get(k); return ok }

func (o *object) del(k string) {
	if _, ok := o.vals[k]; !ok {
		return
	}
	delete(o.vals, k)
	for i, x := range o.keys {
		if x == k {
			o.keys = append(o.keys[:i:i], o.keys[i+1:]...)
			return
		}
	}
}

func (o *object) clone() *object {
	c := newObject()
	if o != nil {
		for _, k := range o.keys {
			c.set(k, o.vals[k])
		}
	}
	return c
}

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

var (
	errNUL      = errors.New("NUL in text")
	errInfinite = errors.New("number without a value")
)

// jsonb is what PostgreSQL makes of a value and Python reads back: keys sorted
// by length and then by bytes, numbers as numeric (1e20 becomes an integer, -0.0
// becomes 0.0). Text with U+0000 and infinite numbers cannot be stored.
func jsonb(v any) (any, error) {
	switch v := v.(type) {
	case string:
		if strings.IndexByte(v, 0) >= 0 {
			return nil, errNUL
		}
		return v, nil
	case number:
		return jsonbNumber(v)
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			y, err := jsonb(x)
			if err != nil {
				return nil, err
			}
			out[i] = y
		}
		return out, nil
	case *object:
		out := &object{keys: append([]string(nil), v.keys...), vals: make(map[string]any, len(v.keys))}
		sort.Slice(out.keys, func(i, j int) bool {
			a, b := out.keys[i], out.keys[j]
			if len(a) != len(b) {
				return len(a) < len(b)
			}
			return a < b
		})
		for _, k := range out.keys {
			if strings.IndexByte(k, 0) >= 0 {
				return nil, errNUL
			}
			y, err := jsonb(v.vals[k])
			if err != nil {
				return nil, err
			}
			out.vals[k] = y
		}
		return out, nil
	}
	return v, nil
}

func jsonbNumber(n number) (any, error) {
	s := string(n)
	if strings.HasSuffix(s, "Infinity") {
		return nil, errInfinite
	}
	if !strings.ContainsAny(s, ".eE") {
		return n, nil
	}
	if s == "-0.0" {
		return number("0.0"), nil
	}
	if strings.ContainsAny(s, "eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, errInfinite
		}
		// numeric has no exponent: 1e+20 is printed as an integer, which
		// Python then reads as one.
		if plain := strconv.FormatFloat(f, 'f', -1, 64); !strings.Contains(plain, ".") {
			return number(plain), nil
		}
		return number(pythonFloat(f)), nil
	}
	return n, nil
}

// equalJSON compares as Python does: key order does not matter, 1 equals 1.0 and
// True equals 1.
func equalJSON(a, b any) bool {
	if x, ok := numeric(a); ok {
		y, ok := numeric(b)
		return ok && x.Cmp(y) == 0
	}
	switch a := a.(type) {
	case nil:
		return b == nil
	case string:
		y, ok := b.(string)
		return ok && a == y
	case time.Time:
		y, ok := b.(time.Time)
		return ok && a.Equal(y)
	case []any:
		y, ok := b.([]any)
		if !ok || len(a) != len(y) {
			return false
		}
		for i := range a {
			if !equalJSON(a[i], y[i]) {
				return false
			}
		}
		return true
	case *object:
		y, ok := b.(*object)
		if !ok || len(a.keys) != len(y.keys) {
			return false
		}
		for _, k := range a.keys {
			z, ok := y.get(k)
			if !ok || !equalJSON(a.vals[k], z) {
				return false
			}
		}
		return true
	}
	return false
}

func numeric(v any) (*big.Rat, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return big.NewRat(1, 1), true
		}
		return new(big.Rat), true
	case int64:
		return new(big.Rat).SetInt64(v), true
	case number:
		if f, err := strconv.ParseFloat(string(v), 64); err != nil || math.IsInf(f, 0) {
			if strings.ContainsAny(string(v), "Ie.") {
				return nil, false
			}
		}
		return new(big.Rat).SetString(string(v))
	}
	return nil, false
}

// jsonStyle chooses between the two writers NetBox has: REST answers are compact
// UTF-8, webhook bodies are json.dumps output (spaces, ASCII only).
type jsonStyle int

const (
	compact jsonStyle = iota
	pythonic
)

func encodeJSON(v any, style jsonStyle) []byte { return appendJSON(nil, v, style) }

func appendJSON(dst []byte, v any, style jsonStyle) []byte {
	comma, colon := ",", ":"
	if style == pythonic {
		comma, colon = ", ", ": "
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case number:
		return append(dst, v...)
	case string:
		return appendString(dst, v, style)
	case time.Time:
		return appendString(dst, restTime(v), style)
	case []any:
		dst = append(dst, '[')
		for i, x := range v {
			if i > 0 {
				dst = append(dst, comma...)
			}
			dst = appendJSON(dst, x, style)
		}
		return append(dst, ']')
	case []string:
		dst = append(dst, '[')
		for i, x := range v {
			if i > 0 {
				dst = append(dst, comma...)
			}
			dst = appendString(dst, x, style)
		}
		return append(dst, ']')
	case *object:
		if v == nil {
			return append(dst, "null"...)
		}
		dst = append(dst, '{')
		for i, k := range v.keys {
			if i > 0 {
				dst = append(dst, comma...)
			}
			dst = appendString(dst, k, style)
			dst = append(dst, colon...)
			dst = appendJSON(dst, v.vals[k], style)
		}
		return append(dst, '}')
	}
	panic(fmt.Sprintf("netboxtest: no JSON form for %T", v))
}

func appendString(dst []byte, s string, style jsonStyle) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r == '\b':
			dst = append(dst, `\b`...)
		case r == '\f':
			dst = append(dst, `\f`...)
		case r < 0x20, r == 0x2028, r == 0x2029, style == pythonic && r > 0x7e && r < 0x10000:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		case style == pythonic && r >= 0x10000:
			hi, lo := utf16.EncodeRune(r)
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, hi, lo)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// isoTime is Python's isoformat() of a UTC time: microseconds, left out
// altogether when they are zero (not measured for NetBox, but both the JSON and
// the ETag are made by it, so they always agree).
func isoTime(t time.Time) string {
	t = t.UTC()
	if t.Nanosecond()/1000 == 0 {
		return t.Format("2006-01-02T15:04:05") + "+00:00"
	}
	return t.Format("2006-01-02T15:04:05.000000") + "+00:00"
}

// restTime is a time in a REST answer.
func restTime(t time.Time) string { return strings.TrimSuffix(isoTime(t), "+00:00") + "Z" }

// snapshotTime is a time in a snapshot: milliseconds, cut.
func snapshotTime(t time.Time) string {
	t = t.UTC()
	if t.Nanosecond()/1000 == 0 {
		return t.Format("2006-01-02T15:04:05Z")
	}
	return t.Format("2006-01-02T15:04:05.000") + "Z"
}

func etag(t time.Time) string { return `W/"` + isoTime(t) + `"` }
