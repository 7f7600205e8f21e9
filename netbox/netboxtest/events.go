package netboxtest

import (
	"regexp"
	"slices"
	"strings"
)

// rulesFor lists the enabled event rules that listen to an event of a model.
func (s *Server) rulesFor(m *model, kind string) []*row {
	var out []*row
	for _, r := range s.db.rows(s.models["extras.eventrule"]) {
		if r.bool("enabled") && slices.Contains(r.strings("event_types"), "object_"+kind) && slices.Contains(r.strings("object_types"), m.typeName()) {
			out = append(out, r)
		}
	}
	return out
}

// flush turns the transaction's events into deliveries. It fails when an object
// under a rule cannot be serialised, whatever the rule's conditions say, because
// NetBox serialises first. Everything is lost then.
func (s *Server) flush(tx *tx, committed bool) ([]*delivery, *apiError) {
	var out []*delivery
	for _, e := range tx.events {
		rules := s.rulesFor(e.m, e.kind)
		if len(rules) == 0 {
			continue
		}
		data := e.data
		if data == nil {
			var apiErr *apiError
			if data, apiErr = s.represent(reprContext{raw: e.raw}, e.m, e.row); apiErr != nil {
				if committed {
					return nil, apiErr
				}
				continue
			}
		}
		timestamp := isoTime(s.now())
		for _, rule := range rules {
			if !conditionsHold(rule.vals["conditions"], e, data) {
				continue
			}
			hook := s.db.get(s.models["extras.webhook"], rule.int("action_object_id"))
			if hook == nil {
				continue
			}
			out = append(out, s.newDelivery(tx.rq, hook, e, s.webhookBody(tx.rq, e, data, timestamp)))
		}
	}
	return out, nil
}

// webhookBody is the default body. 4.7 dropped username and request_id.
func (s *Server) webhookBody(rq *request, e *event, data *object, timestamp string) *object {
	body := obj("event", e.kind, "timestamp", timestamp, "object_type", e.m.typeName())
	request := obj("id", rq.id)
	if s.old() {
		body.set("username", rq.user.name)
		body.set("request_id", rq.id)
		request.set("method", rq.method)
		request.set("path", rq.path)
	} else {
		get := newObject()
		for _, k := range sortedKeys(rq.query) {
			v := rq.query[k]
			get.set(k, v[len(v)-1]) // a QueryDict shows the last value
		}
		request.set("path", rq.path)
		request.set("path_info", rq.path)
		request.set("method", rq.method)
		request.set("GET", get)
	}
	request.set("user", rq.user.name)
	body.set("data", data)
	body.set("request", request)
	var pre, post any
	if e.pre != nil {
		pre = e.pre
	}
	if e.post != nil {
		post = e.post
	}
	body.set("snapshots", obj("prechange", pre, "postchange", post))
	return body
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

var conditionOps = []string{"eq", "gt", "gte", "lt", "lte", "in", "contains", "regex", "changed", "unchanged"}

// conditionError says what is wrong with a rule's conditions, "" when nothing.
func conditionError(v any) string {
	o, ok := v.(*object)
	if !ok {
		return "Ruleset must be a dictionary, not " + pythonType(v) + "."
	}
	if len(o.keys) == 1 && (o.keys[0] == "and" || o.keys[0] == "or") {
		list, ok := o.vals[o.keys[0]].([]any)
		if !ok {
			return "Ruleset must hold a list of conditions."
		}
		for _, x := range list {
			if msg := conditionError(x); msg != "" {
				return msg
			}
		}
		return ""
	}
	if o.str("attr") == "" {
		return "Incorrect key(s) informed. Please check documentation."
	}
	op := "eq"
	if v, ok := o.get("op"); ok {
		op = pythonStr(v)
	}
	if !slices.Contains(conditionOps, op) {
		return "Unknown operator: " + op + ". Must be one of: " + strings.Join(conditionOps, ", ")
	}
	if op == "regex" {
		if _, err := regexp.Compile(o.str("value")); err != nil {
			return "Invalid regular expression."
		}
	}
	return ""
}

func conditionsHold(v any, e *event, data *object) bool {
	if v == nil {
		return true
	}
	o, ok := v.(*object)
	if !ok || len(o.keys) == 0 {
		return true
	}
	if len(o.keys) == 1 && (o.keys[0] == "and" || o.keys[0] == "or") {
		list, _ := o.vals[o.keys[0]].([]any)
		for _, x := range list {
			if holds := conditionsHold(x, e, data); holds == (o.keys[0] == "or") {
				return holds
			}
		}
		return o.keys[0] == "and"
	}
	negate, _ := o.vals["negate"].(bool)
	holds, valid := conditionHolds(o, e, data)
	return valid && holds != negate
}

// conditionHolds evaluates one condition; valid is false when its path leads
// nowhere, and the rule does not fire then.
func conditionHolds(o *object, e *event, data *object) (holds, valid bool) {
	op := "eq"
	if o.has("op") {
		op = o.str("op")
	}
	attr := strings.Split(o.str("attr"), ".")
	if op == "changed" || op == "unchanged" {
		// Creates and deletes have one snapshot only and count as changed.
		changed := e.pre == nil || e.post == nil
		if !changed {
			a, _ := dig(e.pre, attr)
			b, _ := dig(e.post, attr)
			changed = !equalJSON(a, b)
		}
		return changed == (op == "changed"), true
	}
	have, ok := dig(data, attr)
	if !ok {
		return false, false
	}
	want, _ := o.get("value")
	switch op {
	case "eq":
		return equalJSON(have, want), true
	case "in":
		list, _ := want.([]any)
		return slices.ContainsFunc(list, func(x any) bool { return equalJSON(have, x) }), true
	case "contains":
		switch have := have.(type) {
		case string:
			return strings.Contains(have, pythonStr(want)), true
		case []any:
			return slices.ContainsFunc(have, func(x any) bool { return equalJSON(x, want) }), true
		case *object:
			return have.has(pythonStr(want)), true
		}
		return false, false
	case "regex":
		text, isText := have.(string)
		p, err := regexp.Compile("^(?:" + pythonStr(want) + ")")
		return err == nil && isText && p.MatchString(text), isText
	}
	return matchLookup(op, have, want), true
}

// dig follows a dotted path into objects.
func dig(v any, path []string) (any, bool) {
	for _, k := range path {
		o, ok := v.(*object)
		if !ok {
			return nil, false
		}
		if v, ok = o.get(k); !ok {
			return nil, false
		}
	}
	return v, true
}
