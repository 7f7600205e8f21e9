package netboxtest

import (
	"strings"
	"time"
)

// A model is one database table with its serializer: one description drives
// parsing, validation, storage, REST output, snapshots and webhooks, for the
// plugin's tables and for the few core ones alike, as Django REST framework does.
type model struct {
	app, name  string // netbox_hedgehog, vpc
	objectName string // class name, used by 404 texts: VPC
	verbose    string // used by change-log texts: VPC
	plural     string
	appVerbose string
	typeID     int64
	route      string // /api/plugins/hedgehog/vpcs/
	page       string // /plugins/hedgehog/vpcs/; "" when the URL name is missing
	// missingView is the view name in the error that serialising display_url
	// raises when page is "".
	missingView string
	// ordering is the default order of lists; "" means none, and NetBox then
	// refuses to paginate.
	ordering   string
	fields     []field
	filters    []string // query parameters that filter; everything else is ignored
	brief      []string // fields of ?brief=1 and of nested references; nil: brief is ignored
	resource   bool     // one of the plugin's 12 kinds
	constraint string   // name of UNIQUE(fabric, namespace, name)
	readOnly   bool     // GET only
	noETag     bool
	noChanges  bool                           // no change log, no events
	display    func(s *Server, r *row) string // __str__
	check      func(s *Server, c *candidate)  // Model.clean
	onDelete   func(tx *tx, r *row) *apiError // cascades
}

func (m *model) typeName() string { return m.app + "." + m.name }

func (m *model) field(name string) *field {
	for i := range m.fields {
		if m.fields[i].name == name {
			return &m.fields[i]
		}
	}
	return nil
}

type fieldKind int

const (
	kindRead        fieldKind = iota // computed, never written
	kindChar                         // one line of text, blanks trimmed
	kindText                         // text
	kindJSON                         // jsonb
	kindBool                         //
	kindInt                          // 0 … 2147483647
	kindTime                         // timestamp
	kindFK                           // reference by primary key
	kindChoice                       // one of choices
	kindTypes                        // list of object types
	kindStrings                      // list of strings out of choices
	kindTags                         //
	kindCustom                       // custom_fields
	kindCustomData                   // custom_field_data
	kindFKs                          // list of primary keys
	kindContentType                  // one object type
)

type choice struct{ value, label string }

type field struct {
	name     string
	kind     fieldKind
	required bool
	null     bool
	blank    bool // "" allowed for text, {} and [] for JSON
	max      int  // characters
	def      any
	choices  []choice
	labelled bool   // choices are read as {"value","label"}
	target   string // model of a reference
	unique   bool
	secret   bool // not in answers
	column   bool // a computed field that is a column all the same
	array    bool // a PostgreSQL array, which snapshots show as text
	// valid returns a message for a value that Model.full_clean refuses.
	valid func(v any) []string
	// get computes the REST value; nil means the stored one.
	get func(s *Server, c reprContext, m *model, r *row) (any, *apiError)
}

// row is one record. It is replaced, never changed, so that readers and older
// snapshots may keep it.
type row struct {
	id      int64
	created time.Time
	updated time.Time
	vals    map[string]any
	tags    []int64
}

func (r *row) clone() *row {
	c := *r
	c.vals = make(map[string]any, len(r.vals))
	for k, v := range r.vals {
		c.vals[k] = v
	}
	c.tags = append([]int64(nil), r.tags...)
	return &c
}

func (r *row) str(k string) string { s, _ := r.vals[k].(string); return s }
func (r *row) int(k string) int64  { n, _ := r.vals[k].(int64); return n }
func (r *row) bool(k string) bool  { b, _ := r.vals[k].(bool); return b }
func (r *row) strings(k string) []string {
	list, _ := r.vals[k].([]any)
	out := make([]string, 0, len(list))
	for _, x := range list {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
func (r *row) ids(k string) []int64 {
	list, _ := r.vals[k].([]any)
	out := make([]int64, 0, len(list))
	for _, x := range list {
		if n, ok := x.(int64); ok {
			out = append(out, n)
		}
	}
	return out
}

// selection is what ?fields= and ?omit= leave of a serializer. It applies to the
// output and, on writes, to the input as well: a PATCH with ?fields=id drops
// everything it was sent.
type selection struct {
	fields map[string]bool // nil: all
	omit   map[string]bool
}

func (s selection) has(name string) bool {
	return (s.fields == nil || s.fields[name]) && !s.omit[name]
}

func splitNames(values []string) map[string]bool {
	var out map[string]bool
	for _, v := range values {
		for _, n := range strings.Split(v, ",") {
			if n = strings.TrimSpace(n); n != "" {
				if out == nil {
					out = map[string]bool{}
				}
				out[n] = true
			}
		}
	}
	return out
}

// reprContext is the place a representation is made for.
type reprContext struct {
	base string // "http://host"; "" for webhooks, whose URLs are relative
	sel  selection
	// raw holds values that were just written and have not been read back:
	// they keep the order and the numbers of the request.
	raw map[string]any
}

func improperlyConfigured(view string) *apiError {
	return &apiError{status: 500, exception: "ImproperlyConfigured", text: `Could not resolve URL for hyperlinked relationship using view name "` + view +
		"\". You may have failed to include the related model in your API, or incorrectly configured the `lookup_field` attribute on this field."}
}

// represent serialises a row. It fails exactly when display_url is among the
// selected fields of a model whose page does not exist.
func (s *Server) represent(c reprContext, m *model, r *row) (*object, *apiError) {
	out := newObject()
	for i := range m.fields {
		f := &m.fields[i]
		if f.secret || !c.sel.has(f.name) {
			continue
		}
		v, apiErr := s.representField(c, m, r, f)
		if apiErr != nil {
			return nil, apiErr
		}
		out.set(f.name, v)
	}
	return out, nil
}

func (s *Server) representField(c reprContext, m *model, r *row, f *field) (any, *apiError) {
	if f.get != nil {
		return f.get(s, c, m, r)
	}
	switch f.name {
	case "id":
		return r.id, nil
	case "url":
		return c.base + m.route + itoa(r.id) + "/", nil
	case "display_url":
		if m.page == "" {
			return nil, improperlyConfigured(m.missingView)
		}
		return c.base + m.page + itoa(r.id) + "/", nil
	case "display":
		return s.displayOf(m, r), nil
	case "created":
		return r.created, nil
	case "last_updated":
		return r.updated, nil
	}
	v := r.vals[f.name]
	if raw, ok := c.raw[f.name]; ok {
		v = raw
	}
	switch f.kind {
	case kindTags:
		list := []any{}
		for _, t := range s.sortedTags(r.tags) {
			list = append(list, obj("id", t.id, "url", c.base+"/api/extras/tags/"+itoa(t.id)+"/", "display_url", c.base+"/extras/tags/"+itoa(t.id)+"/",
				"display", t.str("name"), "name", t.str("name"), "slug", t.str("slug"), "color", t.str("color")))
		}
		return list, nil
	case kindCustom:
		return s.representCustomFields(m, r), nil
	case kindCustomData:
		if v == nil {
			v = newObject()
		}
	case kindChoice:
		if f.labelled {
			if v == nil {
				return nil, nil
			}
			return labelOf(f.choices, v), nil
		}
	case kindFK:
		if v == nil {
			return nil, nil
		}
		if target := s.models[f.target]; target.brief != nil {
			return s.nested(c.base, target, r.int(f.name))
		}
	case kindFKs:
		target := s.models[f.target]
		list := []any{}
		for _, id := range r.ids(f.name) {
			n, apiErr := s.nested(c.base, target, id)
			if apiErr != nil {
				return nil, apiErr
			}
			list = append(list, n)
		}
		return list, nil
	}
	return v, nil
}

func labelOf(choices []choice, v any) *object {
	for _, c := range choices {
		if c.value == v {
			return obj("value", c.value, "label", c.label)
		}
	}
	return obj("value", v, "label", v)
}

// nested is the brief form in which one object appears inside another.
func (s *Server) nested(base string, m *model, id int64) (any, *apiError) {
	r := s.db.get(m, id)
	if r == nil {
		return nil, nil
	}
	return s.represent(reprContext{base: base, sel: selection{fields: splitNames(m.brief)}}, m, r)
}

func (s *Server) displayOf(m *model, r *row) string {
	if m.display != nil {
		return m.display(s, r)
	}
	return r.str("name")
}

// takeSnapshot is the raw form of a row in change rows and in webhooks. The
// latter also carry created.
func (s *Server) takeSnapshot(m *model, r *row, raw map[string]any, webhook bool) *object {
	out := newObject()
	if webhook {
		out.set("created", snapshotTime(r.created))
	}
	for i := range m.fields {
		f := &m.fields[i]
		if f.kind == kindRead && !f.column || f.kind == kindTags || f.kind == kindCustom || f.kind == kindCustomData {
			continue
		}
		v := r.vals[f.name]
		if x, ok := raw[f.name]; ok {
			v = x
		}
		out.set(f.name, s.snapshotValue(f, v))
	}
	if m.field("custom_fields") != nil {
		v := r.vals["custom_field_data"]
		if x, ok := raw["custom_field_data"]; ok {
			v = x
		}
		if v == nil {
			v = newObject()
		}
		out.set("custom_fields", v)
	}
	if m.field("tags") != nil {
		names := []any{}
		for _, t := range s.sortedTags(r.tags) {
			names = append(names, t.str("name"))
		}
		out.set("tags", names)
	}
	return out
}

// snapshotValue is a column as Django's JSON serialiser writes it.
func (s *Server) snapshotValue(f *field, v any) any {
	list, _ := v.([]any)
	switch {
	case f.array && list != nil:
		parts := []any{}
		for _, x := range list {
			if text, ok := x.(string); ok {
				parts = append(parts, text)
			} else {
				parts = append(parts, string(encodeJSON(x, pythonic)))
			}
		}
		return string(encodeJSON(parts, pythonic))
	case f.kind == kindTypes:
		ids := []any{}
		for _, x := range list {
			if name, ok := x.(string); ok && s.models[name] != nil {
				ids = append(ids, s.models[name].typeID)
			}
		}
		return ids
	case f.kind == kindContentType:
		if name, ok := v.(string); ok && s.models[name] != nil {
			return s.models[name].typeID
		}
	}
	if t, ok := v.(time.Time); ok {
		return snapshotTime(t)
	}
	return v
}
