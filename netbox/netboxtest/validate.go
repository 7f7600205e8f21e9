package netboxtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// writeMode tells what a serializer demands of its input.
type writeMode int

const (
	modeCreate writeMode = iota
	modePut              // required fields must be there, absent optional ones keep their values
	modePatch
)

// candidate is a row on its way into the database: the input was parsed, the
// row holds the merged values, errs what was wrong.
type candidate struct {
	m       *model
	old     *row // nil on create
	row     *row
	given   map[string]any // values the request named, as it wrote them
	message string         // changelog_message
	errs    *object
}

func (c *candidate) fail(field string, messages ...string) {
	var list []any
	if old, ok := c.errs.get(field); ok {
		list, _ = old.([]any)
	}
	for _, msg := range messages {
		list = append(list, msg)
	}
	c.errs.set(field, list)
}

const (
	msgRequired = "This field is required."
	msgNull     = "This field may not be null."
	msgBlank    = "This field may not be blank."
	msgEmpty    = "This field cannot be blank." // Model.full_clean's wording
	msgNUL      = "Null characters are not allowed."
)

// validate turns input into a candidate. It works in the two steps of NetBox's
// serializers: first every field alone, and only if all of them are fine the
// model's own rules, so a body with mistakes of both sorts is told of the first.
func (s *Server) validate(m *model, old *row, input *object, mode writeMode, sel selection) *candidate {
	c := &candidate{m: m, old: old, given: map[string]any{}, errs: newObject()}
	if old != nil {
		c.row = old.clone()
	} else {
		c.row = &row{vals: map[string]any{}}
		for _, f := range m.fields {
			if f.def != nil {
				c.row.vals[f.name] = f.def
			}
		}
	}
	for i := range m.fields {
		f := &m.fields[i]
		if f.kind == kindRead || !sel.has(f.name) {
			continue
		}
		v, ok := input.get(f.name)
		if !ok {
			if f.required && mode != modePatch {
				c.fail(f.name, msgRequired)
			}
			continue
		}
		s.parseField(c, f, v)
	}
	s.parseTagChanges(c, input, sel)
	s.parseMessage(c, input, sel)
	if len(c.errs.keys) > 0 {
		return c
	}
	for name, v := range c.given {
		if name != "custom_fields" && name != "tags" {
			c.row.vals[name] = v
		}
	}
	s.mergeCustomFields(c, old == nil, sel)
	s.fullClean(c)
	return c
}

func (s *Server) parseMessage(c *candidate, input *object, sel selection) {
	v, ok := input.get("changelog_message")
	if !ok || !sel.has("changelog_message") || c.m.noChanges {
		return
	}
	text, bad := charValue(v, true)
	switch {
	case bad != "":
		c.fail("changelog_message", bad)
	case text == "":
		c.fail("changelog_message", msgBlank)
	default:
		c.message = text
	}
}

func charValue(v any, trim bool) (string, string) {
	var text string
	switch v := v.(type) {
	case nil:
		return "", msgNull
	case string:
		text = v
	case number:
		text = string(v)
	default:
		return "", "Not a valid string."
	}
	if strings.IndexByte(text, 0) >= 0 {
		return "", msgNUL
	}
	if trim {
		text = strings.TrimSpace(text)
	}
	return text, ""
}

func (s *Server) parseField(c *candidate, f *field, v any) {
	if v == nil && f.kind != kindTags && f.kind != kindCustom {
		if f.null {
			c.given[f.name] = nil
		} else {
			c.fail(f.name, msgNull)
		}
		return
	}
	switch f.kind {
	case kindChar, kindText:
		text, bad := charValue(v, true)
		switch {
		case bad != "":
			c.fail(f.name, bad)
		case text == "" && !f.blank:
			c.fail(f.name, msgBlank)
		case f.max > 0 && utf8.RuneCountInString(text) > f.max:
			c.fail(f.name, fmt.Sprintf("Ensure this field has no more than %d characters.", f.max))
		default:
			if f.unique && s.taken(c, f.name, text) {
				c.fail(f.name, c.m.verbose+" with this "+f.name+" already exists.")
				return
			}
			c.given[f.name] = text
		}
	case kindJSON:
		c.given[f.name] = v
	case kindBool:
		switch v {
		case true, "true", "True", "1", number("1"):
			c.given[f.name] = true
		case false, "false", "False", "0", number("0"):
			c.given[f.name] = false
		default:
			c.fail(f.name, "Must be a valid boolean.")
		}
	case kindInt:
		n, ok := intValue(v)
		switch {
		case !ok:
			c.fail(f.name, "A valid integer is required.")
		case n < 0:
			c.fail(f.name, "Ensure this value is greater than or equal to 0.")
		case n > 2147483647:
			c.fail(f.name, "Ensure this value is less than or equal to 2147483647.")
		default:
			c.given[f.name] = n
		}
	case kindTime:
		t, ok := timeValue(v)
		if !ok {
			c.fail(f.name, "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].")
			return
		}
		c.given[f.name] = t
	case kindFK:
		if id, bad := s.pkValue(s.models[f.target], v); bad != "" {
			c.fail(f.name, bad)
		} else {
			c.given[f.name] = id
		}
	case kindFKs:
		list, ok := v.([]any)
		if !ok {
			c.fail(f.name, `Expected a list of items but got type "`+pythonType(v)+`".`)
			return
		}
		ids := []any{}
		for _, x := range list {
			id, bad := s.pkValue(s.models[f.target], x)
			if bad != "" {
				c.fail(f.name, bad)
				return
			}
			ids = append(ids, id)
		}
		c.given[f.name] = ids
	case kindChoice:
		s.parseChoice(c, f, v)
	case kindStrings:
		s.parseStrings(c, f, v)
	case kindTypes:
		s.parseTypes(c, f, v)
	case kindContentType:
		if text, _ := v.(string); s.typeByName(text) == nil {
			c.fail(f.name, "Invalid content type: "+pythonStr(v))
		} else {
			c.given[f.name] = text
		}
	case kindTags:
		if ids, bad := s.tagIDs(v); bad != "" {
			c.fail(f.name, bad)
		} else {
			c.row.tags = ids
			c.given[f.name] = ids
		}
	case kindCustom:
		s.parseCustomFields(c, f, v)
	case kindCustomData:
		if o, ok := v.(*object); ok {
			c.given[f.name] = o
		} else {
			c.fail(f.name, `Value must be a JSON object.`)
		}
	}
}

func (s *Server) parseChoice(c *candidate, f *field, v any) {
	text, ok := v.(string)
	if ok && slices.ContainsFunc(f.choices, func(x choice) bool { return x.value == text }) {
		c.given[f.name] = text
		return
	}
	if !ok {
		if _, isNumber := v.(number); !isNumber {
			c.fail(f.name, `Value must be passed directly (e.g. "foo": 123); do not use a dictionary or list.`)
			return
		}
	}
	c.fail(f.name, `"`+pythonStr(v)+`" is not a valid choice.`)
}

func (s *Server) parseStrings(c *candidate, f *field, v any) {
	list, ok := v.([]any)
	if !ok {
		c.fail(f.name, `Expected a list of items but got type "`+pythonType(v)+`".`)
		return
	}
	if len(list) == 0 && !f.blank {
		c.fail(f.name, "This list may not be empty.")
		return
	}
	bad := newObject()
	for i, x := range list {
		text, isText := x.(string)
		if !isText || len(f.choices) > 0 && !slices.ContainsFunc(f.choices, func(o choice) bool { return o.value == text }) {
			bad.set(strconv.Itoa(i), []any{`"` + pythonStr(x) + `" is not a valid choice.`})
		}
	}
	if len(bad.keys) > 0 {
		c.errs.set(f.name, bad)
		return
	}
	c.given[f.name] = list
}

func (s *Server) parseTypes(c *candidate, f *field, v any) {
	list, ok := v.([]any)
	if !ok {
		c.fail(f.name, `Expected a list of items but got type "`+pythonType(v)+`".`)
		return
	}
	names := []any{}
	for _, x := range list {
		text, _ := x.(string)
		if s.typeByName(text) == nil {
			c.fail(f.name, "Invalid content type: "+pythonStr(x))
			return
		}
		names = append(names, text)
	}
	if len(names) == 0 && f.required {
		c.fail(f.name, "This list may not be empty.")
		return
	}
	// NetBox reads a many-to-many relation back in the order of the types' ids.
	slices.SortFunc(names, func(a, b any) int {
		return int(s.typeByName(a.(string)).id - s.typeByName(b.(string)).id)
	})
	c.given[f.name] = slices.Compact(names)
}

func (s *Server) pkValue(target *model, v any) (int64, string) {
	id, ok := intValue(v)
	if !ok {
		return 0, "Incorrect type. Expected pk value, received " + pythonType(v) + "."
	}
	if s.db.get(target, id) == nil {
		return 0, `Invalid pk "` + pythonStr(v) + `" - object does not exist.`
	}
	return id, ""
}

func (s *Server) taken(c *candidate, name, text string) bool {
	for _, r := range s.db.rows(c.m) {
		if r.str(name) == text && (c.old == nil || r.id != c.old.id) {
			return true
		}
	}
	return false
}

// fullClean applies Model.full_clean: emptiness, validators, clean().
func (s *Server) fullClean(c *candidate) {
	for i := range c.m.fields {
		f := &c.m.fields[i]
		v := c.row.vals[f.name]
		if f.kind == kindJSON && !f.blank && emptyJSON(v) && !(f.null && v == nil) {
			c.fail(f.name, msgEmpty)
			continue
		}
		if f.kind == kindChar && f.required && v == nil {
			c.fail(f.name, msgEmpty)
			continue
		}
		if f.kind == kindFK && f.required && v == nil {
			c.fail(f.name, "This field cannot be null.")
			continue
		}
		if f.valid != nil {
			if messages := f.valid(v); len(messages) > 0 {
				c.fail(f.name, messages...)
			}
		}
	}
	if c.m.check != nil {
		c.m.check(s, c)
	}
	s.checkCustomFields(c)
}

func emptyJSON(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case *object:
		return len(v.keys) == 0
	}
	return false
}

func intValue(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case number:
		n, err := strconv.ParseInt(string(v), 10, 64)
		return n, err == nil
	case string:
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		return n, err == nil
	}
	return 0, false
}

func timeValue(v any) (time.Time, bool) {
	text, ok := v.(string)
	if !ok {
		return time.Time{}, false
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999", "2006-01-02 15:04:05.999999", "2006-01-02T15:04Z07:00", "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC().Truncate(time.Microsecond), true
		}
	}
	return time.Time{}, false
}
