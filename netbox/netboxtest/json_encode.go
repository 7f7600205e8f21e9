package netboxtest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

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
