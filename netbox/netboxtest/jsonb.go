package netboxtest

import (
	"errors"
	"math"
	"math/big"
	"sort"
	"strconv"
	"strings"
	"time"
)

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
