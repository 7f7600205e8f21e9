package manifests

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Equal compares two JSON values (nil, bool, string, json.Number, []any, map[string]any) by value: key order does not
// count; integral numbers are compared exactly in any spelling (1e3 = 1000 = 1000.0), others as float64; -0 is 0. Text
// is never equal to a number. Go integers and floats are taken as numbers. Values of any other type are equal to nothing.
func Equal(a, b any) bool {
	switch x := a.(type) {
	case nil:
		return b == nil
	case bool:
		y, ok := b.(bool)
		return ok && x == y
	case string:
		y, ok := b.(string)
		return ok && x == y
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !Equal(x[i], y[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k, v := range x {
			w, ok := y[k]
			if !ok || !Equal(v, w) {
				return false
			}
		}
		return true
	}
	x, ok := numberText(a)
	if !ok {
		return false
	}
	y, ok := numberText(b)
	return ok && (x == y || canonicalNumber(x) == canonicalNumber(y))
}

func numberText(v any) (string, bool) {
	switch n := v.(type) {
	case json.Number:
		return string(n), true
	case int:
		return strconv.Itoa(n), true
	case int64:
		return strconv.FormatInt(n, 10), true
	case uint64:
		return strconv.FormatUint(n, 10), true
	case float64:
		return strconv.FormatFloat(n, 'g', -1, 64), true
	}
	return "", false
}

// canonicalNumber gives equal numbers one text. It never expands an exponent: 1e999999999 stays short.
func canonicalNumber(s string) string {
	if !jsonNumber.MatchString(s) {
		// Not JSON: what a Go float prints ("1e+06" is JSON, "+Inf" is not) or a foreign number equals only itself.
		return "?" + s
	}
	if digits, exp, neg, ok := decimal(s); ok && exp >= 0 {
		if digits == "" {
			return "0"
		}
		sign := ""
		if neg {
			sign = "-"
		}
		return sign + digits + "e" + strconv.FormatInt(exp, 10)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && math.IsInf(f, 0) {
		return "?" + s
	}
	out := strconv.FormatFloat(f, 'e', -1, 64)
	if digits, exp, neg, ok := decimal(out); ok && exp >= 0 && f != 0 {
		sign := ""
		if neg {
			sign = "-"
		}
		return sign + digits + "e" + strconv.FormatInt(exp, 10)
	} else if f == 0 {
		return "0"
	}
	return out
}

// decimal splits a JSON number into its significant digits, without zeros at either end, and the power of ten that
// they are multiplied with. No digits means zero; its power is 0.
func decimal(s string) (digits string, exp int64, neg, ok bool) {
	if s, neg = strings.CutPrefix(s, "-"); neg && s == "" {
		return "", 0, false, false
	}
	mantissa, power, hasPower := strings.Cut(strings.ReplaceAll(s, "E", "e"), "e")
	if hasPower {
		var err error
		if exp, err = strconv.ParseInt(power, 10, 64); err != nil {
			return "", 0, false, false
		}
	}
	whole, frac, _ := strings.Cut(mantissa, ".")
	digits = whole + frac
	exp -= int64(len(frac))
	trimmed := strings.TrimRight(digits, "0")
	exp += int64(len(digits) - len(trimmed))
	digits = strings.TrimLeft(trimmed, "0")
	if digits == "" {
		return "", 0, false, true
	}
	return digits, exp, neg, true
}

// writtenNumber is how a number is written into a file: integral ones without exponent or fraction while that stays
// short, others as they are.
func writtenNumber(s string) string {
	digits, exp, neg, ok := decimal(s)
	if !ok {
		return s
	}
	if digits == "" {
		return "0"
	}
	if exp < 0 || exp > 40 {
		return s
	}
	out := digits + strings.Repeat("0", int(exp))
	if neg {
		out = "-" + out
	}
	return out
}

// cloneValue copies a wanted value, checks that it has a JSON form, and turns Go numbers into json.Number, so that
// what is written later is what was checked.
func cloneValue(v any, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("nested more than %d deep", MaxDepth)
	}
	switch x := v.(type) {
	case nil, bool:
		return x, nil
	case string:
		if !utf8.ValidString(x) {
			return nil, fmt.Errorf("the text %q is not UTF-8", x)
		}
		return x, nil
	case []any:
		out := make([]any, len(x))
		for i := range x {
			var err error
			if out[i], err = cloneValue(x[i], depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			if !utf8.ValidString(k) {
				return nil, fmt.Errorf("the key %q is not UTF-8", k)
			}
			c, err := cloneValue(e, depth+1)
			if err != nil {
				return nil, err
			}
			out[k] = c
		}
		return out, nil
	}
	s, ok := numberText(v)
	if !ok {
		return nil, fmt.Errorf("a value of type %T has no JSON form", v)
	}
	if !jsonNumber.MatchString(s) {
		return nil, fmt.Errorf("%q is not a JSON number", s)
	}
	return json.Number(s), nil
}
