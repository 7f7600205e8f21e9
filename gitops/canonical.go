package gitops

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"sort"
	"strconv"
	"strings"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// Normalisations is the table behind ENGINE rule 1; docs/normalisation.md is rendered from it.
var Normalisations = []struct{ What, Rule string }{
	{"numbers", "equal by value: integral ones exactly (1e3 = 1000 = 1000.0), others as 64-bit floats, -0 = 0; an integral number copied to Git is written as an integer"},
	{"key order", "ignored in maps"},
	{"null", "in a map the same as an absent key"},
	{"labels, annotations, spec", "an empty map is the same as an absent one"},
	{"spec as text", "a string spec that holds JSON is that JSON (NetBox's Hedgehog plugin keeps an empty spec as the string \"{}\")"},
	{"namespace", "absent = default; never written into a file that leaves it out"},
	{"text", "as it is: 10 differs from \"10\", and so do two spellings of one CIDR"},
	{"labels fabric.githedgehog.com/*", "set by Hedgehog: never compared, copied, counted or deleted; carried over when labels are written"},
	{"annotations kubectl.kubernetes.io/*, hnp.githedgehog.com/*", "bookkeeping of other tools: never compared, copied, counted or deleted; carried over when annotations are written"},
	{"status and other metadata", "only name, namespace, labels and annotations of metadata are synchronised"},
	{"lists declared as sets or by keys", "compared and merged per item, order ignored unless the list is order-significant"},
	{"defaults", "a field absent on one side equals the value Hedgehog itself fills in (table per kind)"},
}

// comparable extracts what is compared of a document: {"spec": {…}, "metadata": {"labels": {…}, "annotations": {…}}},
// all three always present as maps unless something else stands in their place; foreign paths and null entries are
// left out. doc is not changed and parts of it are shared.
func comparableBody(doc manifests.Object) manifests.Object {
	meta, _ := doc["metadata"].(map[string]any)
	return manifests.Object{
		"spec": orEmpty(dropNulls(doc["spec"])),
		"metadata": map[string]any{
			"labels":      withoutForeign(meta["labels"], manifests.ForeignLabel),
			"annotations": withoutForeign(meta["annotations"], manifests.ForeignAnnotation),
		},
	}
}

func orEmpty(v any) any {
	if v == nil {
		return map[string]any{}
	}
	return v
}

func withoutForeign(v any, foreign func(string) bool) any {
	m, ok := v.(map[string]any)
	if !ok {
		return orEmpty(v)
	}
	out := make(map[string]any, len(m))
	for k, x := range m {
		if x != nil && !foreign(k) {
			out[k] = dropNulls(x)
		}
	}
	return out
}

// dropNulls removes null entries of maps at any depth; it copies only where there is something to remove.
func dropNulls(v any) any {
	switch c := v.(type) {
	case map[string]any:
		var out map[string]any
		for k, x := range c {
			y := dropNulls(x)
			if x != nil && sameRef(x, y) && out == nil {
				continue
			}
			if out == nil {
				out = make(map[string]any, len(c))
				for k2, x2 := range c {
					if x2 != nil {
						out[k2] = x2
					}
				}
			}
			if x != nil {
				out[k] = y
			}
		}
		if out != nil {
			return out
		}
		return c
	case []any:
		var out []any
		for i, x := range c {
			y := dropNulls(x)
			if out == nil && !sameRef(x, y) {
				out = append([]any(nil), c...)
			}
			if out != nil {
				out[i] = y
			}
		}
		if out != nil {
			return out
		}
		return c
	}
	return v
}

// sameRef reports whether dropNulls returned its argument itself.
func sameRef(a, b any) bool {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		return ok && reflect.ValueOf(x).Pointer() == reflect.ValueOf(y).Pointer()
	case []any:
		y, ok := b.([]any)
		return ok && len(x) == len(y) && (len(x) == 0 || &x[0] == &y[0])
	}
	return true
}

// maxPlainDigits is how long an integer may be to be written out; a longer one keeps an exponent.
const maxPlainDigits = 400

// number is the canonical text of a JSON number: integral ones exactly, whatever their spelling, others as 64-bit
// floats. Text that is no JSON number stays as it is.
func number(n json.Number) string {
	s := string(n)
	if len(s) <= 18 && isInteger(s) && s[0] != '0' && s[0] != '-' {
		return s
	}
	minus, digits, exponent, ok := decimal(s)
	switch {
	case !ok:
		return s
	case digits == "":
		return "0"
	case exponent >= 0 && len(digits)+exponent <= maxPlainDigits:
		return minus + digits + strings.Repeat("0", exponent)
	case exponent >= 0:
		return minus + digits + "e" + strconv.Itoa(exponent)
	}
	f, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil:
		return minus + digits + "e" + strconv.Itoa(exponent)
	case f == 0:
		return "0"
	case f == math.Trunc(f):
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// decimal splits a JSON number into sign, digits without leading and trailing zeros, and the power of ten they count
// from; no digits are left of zero.
func decimal(s string) (minus, digits string, exponent int, ok bool) {
	if s, ok = strings.CutPrefix(s, "-"); ok {
		minus = "-"
	}
	if at := strings.IndexAny(s, "eE"); at >= 0 {
		e, err := strconv.Atoi(s[at+1:])
		if err != nil || e > 1<<30 || e < -1<<30 {
			return "", "", 0, false
		}
		s, exponent = s[:at], e
	}
	whole, fraction, _ := strings.Cut(s, ".")
	if !isInteger(whole+fraction) || strings.HasPrefix(s, "-") {
		return "", "", 0, false
	}
	exponent -= len(fraction)
	digits = strings.TrimRight(whole+fraction, "0")
	exponent += len(whole) + len(fraction) - len(digits)
	return minus, strings.TrimLeft(digits, "0"), exponent, true
}

func isInteger(s string) bool {
	s = strings.TrimPrefix(s, "-")
	if s == "" {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// forGit returns v as it is written into a file: integral numbers as integers.
func forGit(v any) any {
	switch c := v.(type) {
	case json.Number:
		if s := number(c); isInteger(s) {
			return json.Number(s)
		}
		return c
	case map[string]any:
		out := make(map[string]any, len(c))
		for k, x := range c {
			out[k] = forGit(x)
		}
		return out
	case []any:
		out := make([]any, len(c))
		for i, x := range c {
			out[i] = forGit(x)
		}
		return out
	}
	return v
}

// keyedList is a list seen through its rule: items by key, and the keys in order.
type keyedList struct {
	keys  []string
	items map[string]any
}

// keyed reads a list through its rule; false when keys are missing or not unique: the list is one field then.
func keyed(rule manifests.List, list []any) (keyedList, bool) {
	out := keyedList{keys: make([]string, 0, len(list)), items: make(map[string]any, len(list))}
	for _, item := range list {
		k, ok := rule.Key(item)
		if !ok {
			return keyedList{}, false
		}
		if _, twice := out.items[k]; twice {
			return keyedList{}, false
		}
		out.keys = append(out.keys, k)
		out.items[k] = item
	}
	return out, true
}

// identical reports whether two values are equal as they stand. What it calls different may still be the same; nearly
// everything a plan compares is identical, and then no path needs to be made.
func identical(a, b any) bool {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k, v := range x {
			if w, ok := y[k]; !ok || !identical(v, w) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !identical(x[i], y[i]) {
				return false
			}
		}
		return true
	}
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return a == b
}

// same reports whether two values at a path are equal under ENGINE rule 1; either may be none.
func same(kind manifests.Kind, p Path, a, b any) bool {
	if identical(a, b) {
		return true
	}
	if isNone(a) || isNone(b) {
		if isNone(a) && isNone(b) {
			return true
		}
		v := a
		if isNone(a) {
			v = b
		}
		if len(kind.Defaults) == 0 {
			return false
		}
		d, ok := kind.DefaultAt(p.names())
		return ok && same(kind, p, v, d)
	}
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok {
			return false
		}
		for k, v := range x {
			w, ok := y[k]
			if !ok {
				w = none
			}
			if !identical(v, w) && !same(kind, p.field(k), v, w) {
				return false
			}
		}
		for k, w := range y {
			if _, ok := x[k]; !ok && !same(kind, p.field(k), none, w) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		if rule, ok := kind.ListAt(p.names()); ok && rule.Type != manifests.ListAtomic && !rule.Ordered {
			kx, okx := keyed(rule, x)
			ky, oky := keyed(rule, y)
			if okx && oky {
				for k, v := range kx.items {
					w, ok := ky.items[k]
					if !ok || !same(kind, p.item(k), v, w) {
						return false
					}
				}
				return true
			}
		}
		for i := range x {
			if !identical(x[i], y[i]) && !same(kind, p.field(strconv.Itoa(i)), x[i], y[i]) {
				return false
			}
		}
		return true
	case json.Number:
		y, ok := b.(json.Number)
		return ok && (x == y || number(x) == number(y))
	default:
		return a == b
	}
}

// hashOf is the hash of a value in canonical form: key order, number spelling and, in sets and keyed lists, item
// order do not count. none has a hash of its own.
func hashOf(kind manifests.Kind, p Path, v any) string {
	h := sha256.New()
	var b strings.Builder
	encode(&b, kind, p, v)
	h.Write([]byte(b.String()))
	return hex.EncodeToString(h.Sum(nil))[:32]
}

func encode(b *strings.Builder, kind manifests.Kind, p Path, v any) {
	switch c := v.(type) {
	case noneType:
		b.WriteString("none")
	case nil:
		b.WriteString("null")
	case json.Number:
		b.WriteString(number(c))
	case string:
		b.WriteString(strconv.Quote(c))
	case bool:
		b.WriteString(strconv.FormatBool(c))
	case map[string]any:
		keys := make([]string, 0, len(c))
		for k := range c {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		b.WriteByte('{')
		for _, k := range keys {
			b.WriteString(strconv.Quote(k))
			b.WriteByte(':')
			encode(b, kind, p.field(k), c[k])
			b.WriteByte(',')
		}
		b.WriteByte('}')
	case []any:
		items := make([]string, len(c))
		for i, x := range c {
			var ib strings.Builder
			encode(&ib, kind, p.field(strconv.Itoa(i)), x)
			items[i] = ib.String()
		}
		if rule, ok := kind.ListAt(p.names()); ok && rule.Type != manifests.ListAtomic && !rule.Ordered {
			if _, ok := keyed(rule, c); ok {
				sort.Strings(items)
			}
		}
		b.WriteByte('[')
		for _, s := range items {
			b.WriteString(s)
			b.WriteByte(',')
		}
		b.WriteByte(']')
	default:
		fmt.Fprintf(b, "%T(%v)", v, v)
	}
}
