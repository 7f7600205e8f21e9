package netboxtest

import (
	"regexp"
	"slices"
	"strings"
)

var (
	slugPattern  = regexp.MustCompile(`^[-a-zA-Z0-9_\p{L}\p{N}]+$`)
	colorPattern = regexp.MustCompile(`^[0-9a-f]{6}$`)
	namePattern  = regexp.MustCompile(`^[a-zA-Z0-9_]+$`)
)

var eventTypes = []choice{{"object_created", "Object created"}, {"object_updated", "Object updated"}, {"object_deleted", "Object deleted"},
	{"job_started", "Job started"}, {"job_completed", "Job completed"}, {"job_failed", "Job failed"}, {"job_errored", "Job errored"}}

// fixed is a column this server does not vary.
func fixed(name string, v any) field {
	return field{name: name, column: true, def: v, get: func(*Server, reprContext, *model, *row) (any, *apiError) { return v, nil }}
}

func header() []field {
	return []field{{name: "id"}, {name: "url"}, {name: "display_url"}, {name: "display"}}
}

// extrasModels are the parts of NetBox itself that the App sets up or writes to.
func extrasModels() []*model {
	brief := []string{"id", "url", "display", "name", "description"}
	webhook := &model{app: "extras", name: "webhook", objectName: "Webhook", verbose: "webhook", plural: "webhooks", appVerbose: "Extras", typeID: 2,
		route: "/api/extras/webhooks/", page: "/extras/webhooks/", ordering: "name", brief: brief, filters: []string{"id", "name", "q"},
		fields: append(header(),
			field{name: "name", kind: kindChar, required: true, max: 150, unique: true},
			field{name: "description", kind: kindChar, blank: true, max: 200, def: ""},
			field{name: "payload_url", kind: kindChar, required: true, max: 500},
			field{name: "http_method", kind: kindChoice, def: "POST", choices: []choice{{"GET", "GET"}, {"POST", "POST"}, {"PUT", "PUT"}, {"PATCH", "PATCH"}, {"DELETE", "DELETE"}}},
			field{name: "http_content_type", kind: kindChar, max: 100, def: "application/json"},
			field{name: "additional_headers", kind: kindText, blank: true, def: ""},
			field{name: "body_template", kind: kindText, blank: true, def: "", valid: onlyEmpty("Body templates are not modelled by this server.")},
			field{name: "secret", kind: kindChar, blank: true, max: 255, def: ""},
			field{name: "ssl_verification", kind: kindBool, def: true},
			field{name: "ca_file_path", kind: kindChar, null: true, max: 4096},
			field{name: "timeout", kind: kindInt, null: true},
			field{name: "custom_fields", kind: kindCustom},
			fixed("owner", nil),
			field{name: "tags", kind: kindTags},
			field{name: "created"}, field{name: "last_updated"}),
		// NetBox's Webhook has a generic relation to its rules, so they go with it.
		onDelete: func(tx *tx, r *row) *apiError {
			rules := tx.s.models["extras.eventrule"]
			for _, rule := range tx.s.db.rows(rules) {
				if rule.str("action_object_type") == "extras.webhook" && rule.int("action_object_id") == r.id {
					if apiErr := tx.remove(rules, rule, ""); apiErr != nil {
						return apiErr
					}
				}
			}
			return nil
		}}
	rule := &model{app: "extras", name: "eventrule", objectName: "EventRule", verbose: "event rule", plural: "event rules", appVerbose: "Extras", typeID: 131,
		route: "/api/extras/event-rules/", page: "/extras/event-rules/", ordering: "name", brief: brief, filters: []string{"id", "name", "enabled", "q"},
		fields: append(header(),
			field{name: "object_types", kind: kindTypes, required: true},
			field{name: "name", kind: kindChar, required: true, max: 150, unique: true},
			field{name: "enabled", kind: kindBool, def: true},
			field{name: "event_types", kind: kindStrings, required: true, array: true, choices: eventTypes},
			field{name: "conditions", kind: kindJSON, null: true, blank: true},
			field{name: "action_type", kind: kindChoice, labelled: true, required: true, choices: []choice{{"webhook", "Webhook"}}},
			field{name: "action_object_type", kind: kindContentType, required: true},
			field{name: "action_object_id", kind: kindInt, null: true},
			field{name: "action_object", get: actionObject},
			field{name: "action_is_available", get: func(*Server, reprContext, *model, *row) (any, *apiError) { return true, nil }},
			field{name: "description", kind: kindChar, blank: true, max: 200, def: ""},
			field{name: "custom_fields", kind: kindCustom},
			fixed("owner", nil),
			field{name: "tags", kind: kindTags},
			field{name: "created"}, field{name: "last_updated"},
			field{name: "action_data", secret: true, column: true}, field{name: "comments", secret: true, column: true, def: ""}),
		check: checkEventRule}
	tag := &model{app: "extras", name: "tag", objectName: "Tag", verbose: "tag", plural: "tags", appVerbose: "Extras", typeID: 121,
		route: "/api/extras/tags/", page: "/extras/tags/", ordering: "name", brief: []string{"id", "url", "display", "name", "slug", "color", "description"},
		filters: []string{"id", "name", "slug", "color", "q"},
		fields: append(header(),
			field{name: "name", kind: kindChar, required: true, max: 100, unique: true},
			field{name: "slug", kind: kindChar, required: true, max: 100, unique: true, valid: matches(slugPattern,
				"Enter a valid “slug” consisting of Unicode letters, numbers, underscores, or hyphens.", `Enter a valid "slug" consisting of Unicode letters, numbers, underscores, or hyphens.`)},
			field{name: "color", kind: kindChar, max: 6, def: "9e9e9e", valid: matches(colorPattern, "Enter a valid hexadecimal RGB color code.")},
			field{name: "description", kind: kindChar, blank: true, max: 200, def: ""},
			field{name: "weight", kind: kindInt, def: int64(1000)},
			field{name: "object_types", kind: kindTypes, def: []any{}},
			field{name: "tagged_items", get: taggedItems},
			field{name: "created"}, field{name: "last_updated"}),
		onDelete: untag}
	set := &model{app: "extras", name: "customfieldchoiceset", objectName: "CustomFieldChoiceSet", verbose: "custom field choice set", plural: "custom field choice sets", appVerbose: "Extras", typeID: 119,
		route: "/api/extras/custom-field-choice-sets/", page: "/extras/custom-field-choices/", ordering: "name", brief: append(slices.Clone(brief), "choices_count"), filters: []string{"id", "name", "q"},
		fields: append(header(),
			field{name: "name", kind: kindChar, required: true, max: 100, unique: true},
			field{name: "description", kind: kindChar, blank: true, max: 200, def: ""},
			fixed("base_choices", nil),
			field{name: "extra_choices", kind: kindJSON, required: true, array: true},
			fixed("choice_colors", newObject()),
			field{name: "order_alphabetically", kind: kindBool, def: false},
			field{name: "choices_count", get: func(_ *Server, _ reprContext, _ *model, r *row) (any, *apiError) {
				list, _ := r.vals["extra_choices"].([]any)
				return int64(len(list)), nil
			}},
			fixed("owner", nil),
			field{name: "created"}, field{name: "last_updated"}),
		check: checkChoiceSet}
	return []*model{webhook, rule, tag, set, customFieldModel(brief), journalModel()}
}

func onlyEmpty(message string) func(any) []string {
	return func(v any) []string {
		if v == nil || v == "" {
			return nil
		}
		return []string{message}
	}
}

func matches(p *regexp.Regexp, messages ...string) func(any) []string {
	return func(v any) []string {
		if s, _ := v.(string); p.MatchString(s) {
			return nil
		}
		return messages
	}
}

func actionObject(s *Server, c reprContext, _ *model, r *row) (any, *apiError) {
	if r.vals["action_object_id"] == nil {
		return nil, nil
	}
	return s.nested(c.base, s.models["extras.webhook"], r.int("action_object_id"))
}

// checkEventRule refuses what this server could not carry out: it only knows
// webhooks as actions.
func checkEventRule(s *Server, c *candidate) {
	if c.row.str("action_object_type") != "extras.webhook" {
		c.fail("action_object_type", "Only extras.webhook is modelled by this server.")
	} else if s.db.get(s.models["extras.webhook"], c.row.int("action_object_id")) == nil {
		c.fail("action_object_id", "Webhook with ID "+pythonStr(c.row.vals["action_object_id"])+" not found")
	}
	if v := c.row.vals["conditions"]; v != nil {
		if msg := conditionError(v); msg != "" {
			c.fail("conditions", msg)
		}
	}
}

func checkChoiceSet(_ *Server, c *candidate) {
	list, ok := c.row.vals["extra_choices"].([]any)
	for _, x := range list {
		pair, isList := x.([]any)
		ok = ok && isList && len(pair) == 2
	}
	if !ok {
		c.fail("extra_choices", "Choices must be a list of [value, label] pairs.")
	}
}

func taggedItems(s *Server, _ reprContext, _ *model, r *row) (any, *apiError) {
	n := int64(0)
	for _, m := range s.order {
		for _, x := range s.db.rows(m) {
			if slices.Contains(x.tags, r.id) {
				n++
			}
		}
	}
	return n, nil
}

// untag takes a deleted tag off every object; like a cascade it touches no
// last_updated.
func untag(tx *tx, r *row) *apiError {
	for _, m := range tx.s.order {
		for _, x := range tx.s.db.rows(m) {
			if at := slices.Index(x.tags, r.id); at >= 0 {
				c := x.clone()
				c.tags = slices.Delete(c.tags, at, at+1)
				tx.put(m, c)
			}
		}
	}
	return nil
}

var customTypes = []choice{{"text", "Text"}, {"longtext", "Text (long)"}, {"integer", "Integer"}, {"boolean", "Boolean (true/false)"}, {"date", "Date"},
	{"datetime", "Date & time"}, {"url", "URL"}, {"json", "JSON"}, {"select", "Selection"}}

var customDataTypes = map[string]string{"integer": "integer", "boolean": "boolean", "json": "object"}

func customFieldModel(brief []string) *model {
	return &model{app: "extras", name: "customfield", objectName: "CustomField", verbose: "custom field", plural: "custom fields", appVerbose: "Extras", typeID: 118,
		route: "/api/extras/custom-fields/", page: "/extras/custom-fields/", ordering: "name", brief: brief, filters: []string{"id", "name", "type", "q"},
		display: func(_ *Server, r *row) string {
			if r.str("label") != "" {
				return r.str("label")
			}
			name := strings.ReplaceAll(r.str("name"), "_", " ")
			return strings.ToUpper(name[:1]) + name[1:]
		},
		check: func(_ *Server, c *candidate) {
			if strings.Contains(c.row.str("name"), "__") {
				c.fail("name", "Double underscores are not permitted in custom field names.")
			}
			if (c.row.str("type") == "select") != (c.row.vals["choice_set"] != nil) {
				c.fail("choice_set", "Selection fields must specify a set of choices, and no other field may.")
			}
		},
		fields: append(header(),
			field{name: "object_types", kind: kindTypes, required: true},
			field{name: "type", kind: kindChoice, labelled: true, required: true, choices: customTypes},
			fixed("related_object_type", nil),
			field{name: "data_type", get: func(_ *Server, _ reprContext, _ *model, r *row) (any, *apiError) {
				if t, ok := customDataTypes[r.str("type")]; ok {
					return t, nil
				}
				return "string", nil
			}},
			field{name: "name", kind: kindChar, required: true, max: 50, unique: true, valid: matches(namePattern, "Only alphanumeric characters and underscores are allowed.")},
			field{name: "label", kind: kindChar, blank: true, max: 50, def: ""},
			field{name: "group_name", kind: kindChar, blank: true, max: 50, def: ""},
			field{name: "description", kind: kindChar, blank: true, max: 200, def: ""},
			field{name: "required", kind: kindBool, def: false},
			field{name: "unique", kind: kindBool, def: false},
			field{name: "search_weight", kind: kindInt, def: int64(1000)},
			field{name: "filter_logic", kind: kindChoice, labelled: true, def: "loose", choices: []choice{{"disabled", "Disabled"}, {"loose", "Loose"}, {"exact", "Exact"}}},
			field{name: "ui_visible", kind: kindChoice, labelled: true, def: "always", choices: []choice{{"always", "Always"}, {"if-set", "If set"}, {"hidden", "Hidden"}}},
			field{name: "ui_editable", kind: kindChoice, labelled: true, def: "yes", choices: []choice{{"yes", "Yes"}, {"no", "No"}, {"hidden", "Hidden"}}},
			field{name: "is_cloneable", kind: kindBool, def: false},
			field{name: "nulls_first", kind: kindBool, def: true},
			field{name: "default", kind: kindJSON, null: true, blank: true},
			fixed("related_object_filter", nil),
			field{name: "weight", kind: kindInt, def: int64(100)},
			fixed("validation_minimum", nil),
			fixed("validation_maximum", nil),
			fixed("validation_regex", ""),
			fixed("validation_schema", nil),
			field{name: "choice_set", kind: kindFK, target: "extras.customfieldchoiceset", null: true},
			field{name: "status", kind: kindChoice, labelled: true, def: "active", choices: []choice{{"active", "Active"}}},
			fixed("owner", nil),
			field{name: "comments", kind: kindText, blank: true, def: ""},
			field{name: "created"}, field{name: "last_updated"})}
}

func journalModel() *model {
	m := &model{app: "extras", name: "journalentry", objectName: "JournalEntry", verbose: "journal entry", plural: "journal entries", appVerbose: "Extras", typeID: 125,
		route: "/api/extras/journal-entries/", page: "/extras/journal-entries/", ordering: "-created", filters: []string{"id", "assigned_object_type", "assigned_object_id", "kind", "q"}}
	kinds := []choice{{"info", "Info"}, {"success", "Success"}, {"warning", "Warning"}, {"danger", "Danger"}}
	m.display = func(_ *Server, r *row) string {
		return r.created.UTC().Format("2006-01-02 15:04") + " (" + labelOf(kinds, r.vals["kind"]).str("label") + ")"
	}
	m.fields = append(header(),
		field{name: "assigned_object_type", kind: kindContentType, required: true},
		field{name: "assigned_object_id", kind: kindInt, required: true},
		// The assigned object is written out in full, display_url included:
		// for a group B kind the entry is saved and the answer is a 500.
		field{name: "assigned_object", get: func(s *Server, c reprContext, _ *model, r *row) (any, *apiError) {
			target := s.models[r.str("assigned_object_type")]
			if target == nil {
				return nil, nil
			}
			return s.embedded(c.base, target, r.int("assigned_object_id"))
		}},
		field{name: "created"},
		field{name: "created_by", get: func(_ *Server, _ reprContext, _ *model, r *row) (any, *apiError) { return r.vals["created_by"], nil }},
		field{name: "kind", kind: kindChoice, labelled: true, def: "info", choices: kinds},
		field{name: "comments", kind: kindText, required: true},
		field{name: "tags", kind: kindTags},
		field{name: "custom_fields", kind: kindCustom},
		field{name: "last_updated"})
	m.check = func(s *Server, c *candidate) {
		target := s.models[c.row.str("assigned_object_type")]
		if target == nil || s.db.get(target, c.row.int("assigned_object_id")) == nil {
			c.fail("__all__", "Invalid assigned_object: "+c.row.str("assigned_object_type")+" ID "+itoa(c.row.int("assigned_object_id")))
		}
	}
	return m
}

// embedded is the form in which generic relations show their object: brief for
// core models, everything for the plugin's.
func (s *Server) embedded(base string, m *model, id int64) (any, *apiError) {
	r := s.db.get(m, id)
	if r == nil {
		return nil, nil
	}
	sel := selection{}
	if m.brief != nil {
		sel.fields = splitNames(m.brief)
	}
	return s.represent(reprContext{base: base, sel: sel}, m, r)
}

// objectType is a row of /api/core/object-types/.
type objectType struct {
	id     int64
	m      *model
	plugin bool
}

// typeByName finds a type that event rules, custom fields and tags may name.
func (s *Server) typeByName(name string) *objectType {
	if m := s.models[name]; m != nil && !m.readOnly {
		return &objectType{id: m.typeID, m: m, plugin: m.app == "netbox_hedgehog"}
	}
	return nil
}
