package manifests

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// scalarKind is what a reader of YAML 1.1, as Kubernetes uses it, makes of a scalar.
type scalarKind int

const (
	scalarString scalarKind = iota
	scalarNull
	scalarBool
	scalarInt
	scalarFloat
	scalarNoJSON // .inf and .nan: they parse but no JSON can hold them
)

// words are the plain scalars with a meaning in YAML 1.1.
var words = map[string]any{
	"": nil, "~": nil, "null": nil, "Null": nil, "NULL": nil,
	"y": true, "Y": true, "yes": true, "Yes": true, "YES": true, "on": true, "On": true, "ON": true,
	"true": true, "True": true, "TRUE": true,
	"n": false, "N": false, "no": false, "No": false, "NO": false, "off": false, "Off": false, "OFF": false,
	"false": false, "False": false, "FALSE": false,
}

var (
	yamlFloat  = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
	jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
	digitsOnly = regexp.MustCompile(`^[-+]?[0-9]+$`)
)

// resolvePlain reads a plain scalar as the YAML parser behind sigs.k8s.io/yaml does. The JSON value is nil, a bool, a
// string or a json.Number; integers too large for 64 bits keep all their digits, which the parser itself would lose.
func resolvePlain(s string) (scalarKind, any) {
	if len(s) <= 5 {
		if v, ok := words[s]; ok {
			if v == nil {
				return scalarNull, nil
			}
			return scalarBool, v
		}
		switch strings.TrimLeft(s, "+-") {
		case ".inf", ".Inf", ".INF":
			if len(s) <= 5 && (len(s) == 4 || s[0] == '+' || s[0] == '-') {
				return scalarNoJSON, nil
			}
		case ".nan", ".NaN", ".NAN":
			if len(s) == 4 {
				return scalarNoJSON, nil
			}
		}
	}
	if s == "" {
		return scalarNull, nil
	}
	switch c := s[0]; {
	case c == '.':
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return floatValue(s, f)
		}
	case c >= '0' && c <= '9', c == '+', c == '-':
		if isTimestamp(s) {
			return scalarString, s
		}
		return resolveNumber(s)
	}
	return scalarString, s
}

func resolveNumber(s string) (scalarKind, any) {
	dots := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.':
			dots++
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		case c == '+', c == '-', c == '_', c == 'x', c == 'X', c == 'o', c == 'O', c == 'p', c == 'P':
		default:
			return scalarString, s
		}
	}
	if dots > 1 {
		return scalarString, s // addresses are common, failing to parse them costs
	}
	plain := s
	if strings.Contains(s, "_") {
		plain = strings.ReplaceAll(s, "_", "")
	}
	if i, err := strconv.ParseInt(plain, 0, 64); err == nil {
		return scalarInt, json.Number(strconv.FormatInt(i, 10))
	}
	if u, err := strconv.ParseUint(plain, 0, 64); err == nil {
		return scalarInt, json.Number(strconv.FormatUint(u, 10))
	}
	if yamlFloat.MatchString(plain) {
		if f, err := strconv.ParseFloat(plain, 64); err == nil {
			return floatValue(plain, f)
		}
	}
	// A sign after the prefix is accepted by the parser ("0b+1"), so it is here.
	if rest, ok := strings.CutPrefix(plain, "0b"); ok {
		if i, err := strconv.ParseInt(rest, 2, 64); err == nil {
			return scalarInt, json.Number(strconv.FormatInt(i, 10))
		}
		if u, err := strconv.ParseUint(rest, 2, 64); err == nil {
			return scalarInt, json.Number(strconv.FormatUint(u, 10))
		}
	} else if rest, ok := strings.CutPrefix(plain, "-0b"); ok {
		if i, err := strconv.ParseInt("-"+rest, 2, 64); err == nil {
			return scalarInt, json.Number(strconv.FormatInt(i, 10))
		}
	}
	return scalarString, s
}

func floatValue(text string, f float64) (scalarKind, any) {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return scalarNoJSON, nil
	}
	if jsonNumber.MatchString(text) {
		return scalarFloat, json.Number(text)
	}
	if digitsOnly.MatchString(text) {
		sign := ""
		if text[0] == '-' {
			sign = "-"
		}
		digits := strings.TrimLeft(text, "+-0")
		if digits == "" {
			digits = "0"
		}
		return scalarFloat, json.Number(sign + digits)
	}
	out, err := json.Marshal(f)
	if err != nil {
		return scalarNoJSON, nil
	}
	return scalarFloat, json.Number(out)
}

// isTimestamp reports whether the parser takes s for a time; it then stays text in JSON.
func isTimestamp(s string) bool {
	if len(s) < 8 || s[4] != '-' {
		return false
	}
	for i := range 4 {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	for _, layout := range []string{
		"2006-1-2T15:4:5.999999999Z07:00", "2006-1-2t15:4:5.999999999Z07:00", "2006-1-2 15:4:5.999999999", "2006-1-2",
	} {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}

// resolveKey gives the JSON key that sigs.k8s.io/yaml makes of a plain mapping key.
func resolveKey(s string) (string, bool) {
	kind, v := resolvePlain(s)
	switch kind {
	case scalarString:
		return s, true
	case scalarBool:
		return strconv.FormatBool(v.(bool)), true
	case scalarInt:
		return string(v.(json.Number)), true
	case scalarFloat:
		f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
		if err != nil {
			return "", false
		}
		return strconv.FormatFloat(f, 'g', -1, 32), true
	default:
		return "", false
	}
}
