package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// decodeObject reads a body that encode wrote: JSON types with exact numbers, nil for "null". It is written out because
// a ledger of 10,000 resources holds 20,000 bodies and the general decoder takes three times as long. It accepts
// exactly JSON, so a damaged row is an error, never a different value. Keys are shared through names.
func decodeObject(text []byte, names interned) (manifests.Object, error) {
	if string(text) == "null" {
		return nil, nil
	}
	d := objectDecoder{src: text, names: names}
	v, err := d.value(0)
	if err == nil && d.pos != len(text) {
		err = errJSON
	}
	if err != nil {
		return nil, fmt.Errorf("stored body, byte %d: %w", d.pos, err)
	}
	o, ok := v.(manifests.Object)
	if !ok {
		return nil, fmt.Errorf("stored body: %w", errJSON)
	}
	return o, nil
}

var errJSON = errors.New("not the JSON that was stored")

// maxDepth is far beyond any body; encoding/json stops at 10,000.
const maxDepth = 10_000

type objectDecoder struct {
	src   []byte
	pos   int
	names interned
}

// interned keeps one copy of each text: the bodies of a fabric have few different keys, and a ledger of 10,000 resources
// would hold a hundred thousand copies of "spec".
type interned map[string]string

func (n interned) get(raw []byte) string {
	if s, ok := n[string(raw)]; ok { // does not allocate
		return s
	}
	s := string(raw)
	if n != nil && len(n) < maxInterned {
		n[s] = s
	}
	return s
}

// maxInterned bounds the table when keys are all different (names of subnets, say).
const maxInterned = 10_000

func (d *objectDecoder) peek() byte {
	if d.pos < len(d.src) {
		return d.src[d.pos]
	}
	return 0
}

func (d *objectDecoder) take(c byte) bool {
	if d.peek() == c && d.pos < len(d.src) {
		d.pos++
		return true
	}
	return false
}

func (d *objectDecoder) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errJSON
	}
	switch c := d.peek(); {
	case c == '{':
		return d.object(depth)
	case c == '[':
		return d.array(depth)
	case c == '"':
		return d.text(false)
	case c == 't':
		return true, d.word("true")
	case c == 'f':
		return false, d.word("false")
	case c == 'n':
		return nil, d.word("null")
	}
	return d.number()
}

func (d *objectDecoder) word(w string) error {
	if len(d.src)-d.pos < len(w) || string(d.src[d.pos:d.pos+len(w)]) != w {
		return errJSON
	}
	d.pos += len(w)
	return nil
}

func (d *objectDecoder) object(depth int) (any, error) {
	d.pos++
	o := manifests.Object{}
	if d.take('}') {
		return o, nil
	}
	for {
		if d.peek() != '"' {
			return nil, errJSON
		}
		key, err := d.text(true)
		if err != nil {
			return nil, err
		}
		if !d.take(':') {
			return nil, errJSON
		}
		if o[key], err = d.value(depth + 1); err != nil {
			return nil, err
		}
		switch {
		case d.take('}'):
			return o, nil
		case !d.take(','):
			return nil, errJSON
		}
	}
}

func (d *objectDecoder) array(depth int) (any, error) {
	d.pos++
	a := []any{}
	if d.take(']') {
		return a, nil
	}
	for {
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
		switch {
		case d.take(']'):
			return a, nil
		case !d.take(','):
			return nil, errJSON
		}
	}
}

// text reads a string; the rare ones with escapes go through the general decoder.
func (d *objectDecoder) text(key bool) (string, error) {
	start := d.pos
	d.pos++
	for d.pos < len(d.src) {
		switch c := d.src[d.pos]; {
		case c == '"':
			raw := d.src[start+1 : d.pos]
			d.pos++
			if !utf8.Valid(raw) {
				return "", errJSON
			}
			if key {
				return d.names.get(raw), nil
			}
			return string(raw), nil
		case c == '\\':
			return d.escaped(start)
		case c < ' ':
			return "", errJSON
		}
		d.pos++
	}
	return "", errJSON
}

func (d *objectDecoder) escaped(start int) (string, error) {
	for d.pos < len(d.src) && d.src[d.pos] != '"' {
		if d.src[d.pos] == '\\' {
			d.pos++
		}
		d.pos++
	}
	if d.pos >= len(d.src) {
		return "", errJSON
	}
	d.pos++
	var s string
	if err := json.Unmarshal(d.src[start:d.pos], &s); err != nil {
		return "", errJSON
	}
	return s, nil
}

func (d *objectDecoder) number() (any, error) {
	start := d.pos
	for d.pos < len(d.src) {
		c := d.src[d.pos]
		if (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' {
			break
		}
		d.pos++
	}
	raw := string(d.src[start:d.pos])
	if !json.Valid(d.src[start:d.pos]) || raw == "" {
		return nil, errJSON
	}
	return json.Number(raw), nil
}
