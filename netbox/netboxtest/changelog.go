package netboxtest

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const changesType = "core.objectchange"

var (
	uuidPattern   = regexp.MustCompile(`^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$`)
	actionChoices = []choice{{"create", "Created"}, {"update", "Updated"}, {"delete", "Deleted"}}
)

// listChanges is the change feed. Its filters are real, unlike the plugin's:
// unknown names are ignored, a wrong type matches nothing, a wrong number is a 400.
func (s *Server) listChanges(rq *request) (*response, *apiError) {
	if !rq.user.may("view", changesType) {
		return nil, forbidden()
	}
	match, apiErr := changeFilter(rq.query)
	if apiErr != nil {
		return nil, apiErr
	}
	var rows []*change
	for _, c := range s.db.changes {
		if match(c) {
			rows = append(rows, c)
		}
	}
	names := orderingOf(rq.query, func(n string) bool {
		return n == "id" || n == "time" || n == "user_name" || n == "request_id" || n == "action"
	})
	if len(names) == 0 {
		names = []string{"-time"}
		if rq.query.Has("start") {
			names = []string{"id"}
		}
	}
	slices.SortStableFunc(rows, func(a, b *change) int {
		for _, n := range names {
			name, sign := strings.TrimPrefix(n, "-"), 1
			if name != n {
				sign = -1
			}
			c := 0
			switch name {
			case "id":
				c = int(a.id - b.id)
			case "time":
				c = a.time.Compare(b.time)
			case "user_name":
				c = strings.Compare(a.userName, b.userName)
			case "request_id":
				c = strings.Compare(a.requestID, b.requestID)
			case "action":
				c = strings.Compare(a.action, b.action)
			}
			if c != 0 {
				return c * sign
			}
		}
		return 0
	})
	return paginate(rq, len(rows), func(i int) int64 { return rows[i].id }, func(i int) (any, *apiError) { return s.representChange(rq, rows[i]) })
}

func (s *Server) getChange(rq *request) (*response, *apiError) {
	if !rq.user.may("view", changesType) {
		return nil, forbidden()
	}
	for _, c := range s.db.changes {
		if c.id == rq.route.id {
			body, apiErr := s.representChange(rq, c)
			if apiErr != nil {
				return nil, apiErr
			}
			return &response{status: 200, body: body}, nil
		}
	}
	return nil, &apiError{status: 404, body: obj("detail", "No ObjectChange matches the given query.")}
}

// changeFilter builds the predicate of the feed's query parameters.
func changeFilter(q url.Values) (func(*change) bool, *apiError) {
	var tests []func(*change) bool
	errs := newObject()
	numbers := func(name string, test func(c *change, n int64) bool) {
		values := q[name]
		if len(values) == 0 {
			return
		}
		var ns []int64
		for _, v := range values {
			if v == "" {
				continue
			}
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				errs.set(name, []any{"Enter a number."})
				return
			}
			ns = append(ns, n)
		}
		if len(ns) > 0 {
			tests = append(tests, func(c *change) bool {
				return slices.ContainsFunc(ns, func(n int64) bool { return test(c, n) })
			})
		}
	}
	numbers("id", func(c *change, n int64) bool { return c.id == n })
	numbers("id__gt", func(c *change, n int64) bool { return c.id > n })
	numbers("id__gte", func(c *change, n int64) bool { return c.id >= n })
	numbers("id__lt", func(c *change, n int64) bool { return c.id < n })
	numbers("id__lte", func(c *change, n int64) bool { return c.id <= n })
	numbers("changed_object_id", func(c *change, n int64) bool { return c.objectID == n })
	numbers("user_id", func(c *change, n int64) bool { return c.userID == n })
	texts := func(name string, of func(*change) string, known []choice) {
		values := slices.DeleteFunc(slices.Clone(q[name]), func(v string) bool { return v == "" })
		if len(values) == 0 {
			return
		}
		for _, v := range values {
			if known != nil && !slices.ContainsFunc(known, func(c choice) bool { return c.value == v }) {
				errs.set(name, []any{"Select a valid choice. " + v + " is not one of the available choices."})
				return
			}
		}
		tests = append(tests, func(c *change) bool { return slices.Contains(values, of(c)) })
	}
	texts("changed_object_type", func(c *change) string { return c.typeName }, nil)
	texts("user_name", func(c *change) string { return c.userName }, nil)
	texts("user", func(c *change) string { return c.userName }, nil)
	texts("action", func(c *change) string { return c.action }, actionChoices)
	if v := q.Get("request_id"); v != "" {
		if !uuidPattern.MatchString(v) {
			errs.set("request_id", []any{"Enter a valid UUID."})
		}
		tests = append(tests, func(c *change) bool { return strings.EqualFold(c.requestID, v) })
	}
	for _, name := range []string{"time_after", "time_before"} {
		if v := q.Get(name); v != "" {
			t, ok := timeValue(v)
			if !ok {
				errs.set(name, []any{"Enter a valid date/time."})
				continue
			}
			tests = append(tests, func(c *change) bool {
				return name == "time_after" && !c.time.Before(t) || name == "time_before" && !c.time.After(t)
			})
		}
	}
	if v := strings.ToLower(strings.TrimSpace(q.Get("q"))); v != "" {
		tests = append(tests, func(c *change) bool {
			return strings.Contains(strings.ToLower(c.userName), v) || strings.Contains(strings.ToLower(c.repr), v) || strings.Contains(strings.ToLower(c.message), v)
		})
	}
	if len(errs.keys) > 0 {
		return nil, &apiError{status: 400, body: errs}
	}
	return func(c *change) bool {
		for _, test := range tests {
			if !test(c) {
				return false
			}
		}
		return true
	}, nil
}

// representChange writes one row. changed_object is the whole object, so a row of
// a kind whose display_url does not resolve makes the answer a 500 while the
// object exists, unless fields= or omit= leaves it out.
func (s *Server) representChange(rq *request, c *change) (any, *apiError) {
	sel := s.selectionOf(rq)
	out := newObject()
	add := func(name string, v any) {
		if sel.has(name) {
			out.set(name, v)
		}
	}
	m := s.models[c.typeName]
	add("id", c.id)
	add("url", rq.base+"/api/core/object-changes/"+itoa(c.id)+"/")
	add("display_url", rq.base+"/core/changelog/"+itoa(c.id)+"/")
	label := labelOf(actionChoices, c.action)
	if m != nil {
		add("display", m.appVerbose+" | "+m.verbose+" "+c.repr+" "+strings.ToLower(label.str("label"))+" by "+c.userName)
	}
	add("time", c.time)
	add("user", obj("id", c.userID, "url", rq.base+"/api/users/users/"+itoa(c.userID)+"/", "display", c.userName, "username", c.userName))
	add("user_name", c.userName)
	add("request_id", c.requestID)
	add("action", label)
	add("changed_object_type", c.typeName)
	add("changed_object_id", c.objectID)
	if sel.has("changed_object") && m != nil {
		v, apiErr := s.embedded(rq.base, m, c.objectID)
		if apiErr != nil {
			return nil, apiErr
		}
		out.set("changed_object", v)
	}
	add("object_repr", c.repr)
	add("message", c.message)
	add("prechange_data", c.pre)
	add("postchange_data", c.post)
	return out, nil
}
