package netboxtest

import (
	"slices"
	"strings"
)

// customFieldsOf lists the custom fields of a model in NetBox's order: group,
// weight, name.
func (s *Server) customFieldsOf(m *model) []*row {
	var out []*row
	for _, r := range s.db.rows(s.models["extras.customfield"]) {
		if slices.Contains(r.strings("object_types"), m.typeName()) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *row) int {
		if c := strings.Compare(a.str("group_name"), b.str("group_name")); c != 0 {
			return c
		}
		if c := a.int("weight") - b.int("weight"); c != 0 {
			return int(c)
		}
		return strings.Compare(a.str("name"), b.str("name"))
	})
	return out
}

func (s *Server) representCustomFields(m *model, r *row) *object {
	data, _ := r.vals["custom_field_data"].(*object)
	out := newObject()
	for _, cf := range s.customFieldsOf(m) {
		v, _ := data.get(cf.str("name"))
		if cf.str("type") == "select" && v != nil && !s.old() {
			v = labelOf(s.choicesOf(cf), v)
		}
		out.set(cf.str("name"), v)
	}
	return out
}

func (s *Server) choicesOf(cf *row) []choice {
	set := s.db.get(s.models["extras.customfieldchoiceset"], cf.int("choice_set"))
	if set == nil {
		return nil
	}
	var out []choice
	list, _ := set.vals["extra_choices"].([]any)
	for _, x := range list {
		if pair, ok := x.([]any); ok && len(pair) == 2 {
			out = append(out, choice{pythonStr(pair[0]), pythonStr(pair[1])})
		}
	}
	return out
}

func (s *Server) parseCustomFields(c *candidate, f *field, v any) {
	o, ok := v.(*object)
	if !ok {
		c.fail(f.name, "Invalid data. Expected a dictionary, but got "+pythonType(v)+".")
		return
	}
	known := map[string]bool{}
	for _, cf := range s.customFieldsOf(c.m) {
		known[cf.str("name")] = true
	}
	bad := newObject()
	for _, k := range o.keys {
		if !known[k] {
			bad.set(k, "Custom field '"+k+"' does not exist for this object type.")
		}
	}
	if len(bad.keys) > 0 {
		c.errs.set(f.name, bad)
		return
	}
	c.given[f.name] = o
}

// mergeCustomFields lays the given custom fields over the stored ones, key by
// key, and gives a new row every field's default.
func (s *Server) mergeCustomFields(c *candidate, create bool, sel selection) {
	if c.m.field("custom_fields") == nil {
		return
	}
	data := newObject()
	if raw, ok := c.given["custom_field_data"].(*object); ok {
		data = raw.clone()
	} else if old, ok := c.row.vals["custom_field_data"].(*object); ok {
		data = old.clone()
	}
	given, _ := c.given["custom_fields"].(*object)
	if create && sel.has("custom_fields") {
		for _, cf := range s.customFieldsOf(c.m) {
			name := cf.str("name")
			if !data.has(name) && !given.has(name) {
				data.set(name, cf.vals["default"])
			}
		}
	}
	if given != nil {
		for _, k := range given.keys {
			data.set(k, given.vals[k])
		}
	}
	c.row.vals["custom_field_data"] = data
}

func (s *Server) checkCustomFields(c *candidate) {
	data, _ := c.row.vals["custom_field_data"].(*object)
	if data == nil || len(data.keys) == 0 {
		return
	}
	byName := map[string]*row{}
	for _, cf := range s.customFieldsOf(c.m) {
		byName[cf.str("name")] = cf
	}
	for _, k := range data.keys {
		cf := byName[k]
		if cf == nil {
			if _, given := c.given["custom_field_data"]; given {
				c.fail("__all__", "Unknown field name '"+k+"' in custom field data.")
			}
			continue
		}
		if msg := s.customValueError(cf, data.vals[k]); msg != "" {
			c.fail("__all__", "Invalid value for custom field '"+k+"': "+msg)
		}
	}
}

func (s *Server) customValueError(cf *row, v any) string {
	if v == nil {
		return ""
	}
	text, isText := v.(string)
	switch cf.str("type") {
	case "text", "longtext", "url", "date", "datetime":
		if !isText {
			return "Value must be a string."
		}
	case "integer":
		if n, ok := v.(number); !ok || strings.ContainsAny(string(n), ".eI") {
			return "Value must be an integer."
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			return "Value must be true or false."
		}
	case "select":
		if !slices.ContainsFunc(s.choicesOf(cf), func(x choice) bool { return isText && x.value == text }) {
			set := s.db.get(s.models["extras.customfieldchoiceset"], cf.int("choice_set"))
			name := ""
			if set != nil {
				name = set.str("name")
			}
			return "Invalid choice (" + pythonStr(v) + ") for choice set " + name + "."
		}
	}
	return ""
}

// tagIDs reads a list of tags: objects naming a tag by id, name or slug, or bare
// ids.
func (s *Server) tagIDs(v any) ([]int64, string) {
	list, ok := v.([]any)
	if !ok {
		return nil, `Expected a list of items but got type "` + pythonType(v) + `".`
	}
	ids := []int64{}
	for _, x := range list {
		id, found := s.findTag(x)
		if !found {
			if _, isObject := x.(*object); isObject {
				return nil, "Related object not found using the provided attributes: " + pythonRepr(x)
			}
			return nil, "Related object not found using the provided numeric ID: " + pythonStr(x)
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, ""
}

func (s *Server) findTag(v any) (int64, bool) {
	m := s.models["extras.tag"]
	if o, ok := v.(*object); ok {
		if len(o.keys) == 0 {
			return 0, false
		}
		for _, r := range s.db.rows(m) {
			match := true
			for _, k := range o.keys {
				switch k {
				case "id":
					n, isInt := intValue(o.vals[k])
					match = match && isInt && n == r.id
				case "name", "slug", "color":
					match = match && o.vals[k] == any(r.str(k))
				default:
					match = false
				}
			}
			if match {
				return r.id, true
			}
		}
		return 0, false
	}
	id, ok := intValue(v)
	return id, ok && s.db.get(m, id) != nil
}

func (s *Server) parseTagChanges(c *candidate, input *object, sel selection) {
	if c.m.field("tags") == nil {
		return
	}
	for _, name := range []string{"add_tags", "remove_tags"} {
		v, ok := input.get(name)
		if !ok || !sel.has(name) {
			continue
		}
		ids, bad := s.tagIDs(v)
		if bad != "" {
			c.fail(name, bad)
			continue
		}
		for _, id := range ids {
			at := slices.Index(c.row.tags, id)
			switch {
			case name == "add_tags" && at < 0:
				c.row.tags = append(c.row.tags, id)
			case name == "remove_tags" && at >= 0:
				c.row.tags = slices.Delete(c.row.tags, at, at+1)
			}
		}
	}
}

// sortedTags resolves tag ids in the order NetBox lists them: by name.
func (s *Server) sortedTags(ids []int64) []*row {
	var out []*row
	for _, id := range ids {
		if t := s.db.get(s.models["extras.tag"], id); t != nil {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b *row) int { return strings.Compare(a.str("name"), b.str("name")) })
	return out
}
