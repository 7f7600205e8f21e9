package netboxtest

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// list answers a listing. The plugin's viewsets have no filter set, so every
// filter is ignored there; core models know a few.
func (s *Server) list(rq *request, m *model) (*response, *apiError) {
	if rq.query.Has("export") {
		return nil, &apiError{status: http.StatusNotFound, body: obj("detail", "Not found.")}
	}
	var rows []*row
	for _, r := range s.db.rows(m) {
		if s.sees(rq.user, "view", m, r) && s.filtered(m, r, rq.query) {
			rows = append(rows, r)
		}
	}
	ordered := s.orderRows(m, rows, rq.query)
	if !ordered {
		return nil, &apiError{status: 500, exception: "QuerySetNotOrdered",
			text: "Paginating over an unordered queryset is unreliable. Ensure that a minimal ordering has been applied to the queryset for this API endpoint."}
	}
	sel := s.briefOr(rq, m)
	return paginate(rq, len(rows), func(i int) int64 { return rows[i].id }, func(i int) (any, *apiError) {
		return s.represent(reprContext{base: rq.base, sel: sel}, m, rows[i])
	})
}

func (s *Server) filtered(m *model, r *row, q url.Values) bool {
	for _, name := range m.filters {
		values := q[name]
		if len(values) == 0 {
			continue
		}
		ok := false
		for _, v := range values {
			switch name {
			case "id":
				ok = ok || itoa(r.id) == v
			case "q":
				ok = ok || v == "" || strings.Contains(strings.ToLower(r.str("name")+" "+r.str("slug")+" "+r.str("description")+" "+r.str("comments")), strings.ToLower(v))
			default:
				ok = ok || strings.EqualFold(pythonStr(r.vals[name]), v)
			}
		}
		if !ok {
			return false
		}
	}
	return true
}

// orderRows sorts rows by ?ordering= or by the model's default and reports
// whether there was any ordering at all. Unknown names are dropped.
func (s *Server) orderRows(m *model, rows []*row, q url.Values) bool {
	names := orderingOf(q, func(n string) bool {
		if n == "id" || n == "pk" || n == "created" || n == "last_updated" {
			return true
		}
		f := m.field(n)
		return f != nil && f.kind != kindRead && f.kind != kindTags && f.kind != kindCustom
	})
	if q.Has("start") && len(q["ordering"]) == 0 && m.ordering != "" {
		names = []string{"id"}
	}
	if len(names) == 0 {
		if m.ordering == "" {
			return false
		}
		names = []string{m.ordering}
	}
	slices.SortStableFunc(rows, func(a, b *row) int {
		for _, n := range names {
			name, sign := strings.TrimPrefix(n, "-"), 1
			if name != n {
				sign = -1
			}
			if c := compareColumn(a, b, name); c != 0 {
				return sign * c
			}
		}
		return 0
	})
	return true
}

func orderingOf(q url.Values, known func(string) bool) []string {
	var names []string
	for _, n := range strings.Split(q.Get("ordering"), ",") {
		if n = strings.TrimSpace(n); n != "" && known(strings.TrimPrefix(n, "-")) {
			names = append(names, n)
		}
	}
	return names
}

func compareColumn(a, b *row, name string) int {
	switch name {
	case "id", "pk":
		return int(a.id - b.id)
	case "created":
		return a.created.Compare(b.created)
	case "last_updated":
		return a.updated.Compare(b.updated)
	}
	x, okx := numeric(a.vals[name])
	y, oky := numeric(b.vals[name])
	if okx && oky {
		return x.Cmp(y)
	}
	return strings.Compare(string(encodeJSON(a.vals[name], compact)), string(encodeJSON(b.vals[name], compact)))
}

const (
	defaultPage = 50
	maxPage     = 1000
)

// paginate cuts one page out of n items. next and previous are made as NetBox
// makes them: sorted parameters, the limit that was really used.
func paginate(rq *request, n int, idOf func(int) int64, item func(int) (any, *apiError)) (*response, *apiError) {
	q := rq.query
	limit := defaultPage
	if v, err := strconv.Atoi(q.Get("limit")); err == nil && v >= 0 {
		limit = v
		if limit == 0 || limit > maxPage {
			limit = maxPage
		}
	}
	offset := 0
	if v, err := strconv.Atoi(q.Get("offset")); err == nil && v > 0 {
		offset = min(v, 1<<40)
	}
	link := func(change map[string]string) string {
		p := url.Values{}
		for k, v := range q {
			p[k] = v
		}
		p.Set("limit", strconv.Itoa(limit))
		for k, v := range change {
			if v == "" {
				p.Del(k)
			} else {
				p.Set(k, v)
			}
		}
		return rq.base + rq.path + "?" + p.Encode()
	}
	var count, next, previous any = int64(n), nil, nil
	first, last := offset, offset+limit
	if q.Has("start") {
		if q.Has("ordering") {
			return nil, &apiError{status: 400, body: []any{"Ordering cannot be specified in conjunction with cursor-based pagination."}}
		}
		if q.Has("offset") {
			return nil, &apiError{status: 400, body: []any{"'start' and 'offset' are mutually exclusive."}}
		}
		start, err := strconv.ParseInt(q.Get("start"), 10, 64)
		if err != nil || start < 0 {
			return nil, &apiError{status: 400, body: []any{"Invalid 'start' parameter: must be a non-negative integer."}}
		}
		for first = 0; first < n && idOf(first) < start; first++ {
		}
		last, count = first+limit, nil
		if last < n {
			next = link(map[string]string{"start": itoa(idOf(last))})
		}
	} else {
		if last < n {
			next = link(map[string]string{"offset": strconv.Itoa(last)})
		}
		switch {
		case offset > limit:
			previous = link(map[string]string{"offset": strconv.Itoa(offset - limit)})
		case offset > 0:
			previous = link(map[string]string{"offset": ""})
		}
	}
	results := []any{}
	for i := first; i < min(last, n); i++ {
		v, apiErr := item(i)
		if apiErr != nil {
			return nil, apiErr
		}
		results = append(results, v)
	}
	return &response{status: 200, body: obj("count", count, "next", next, "previous", previous, "results", results)}, nil
}

func (s *Server) listTypes(rq *request) (*response, *apiError) {
	var types []*objectType
	for _, m := range s.order {
		if t := s.typeByName(m.typeName()); t != nil {
			if v := rq.query.Get("app_label"); v != "" && v != m.app {
				continue
			}
			if v := rq.query.Get("model"); v != "" && v != m.name {
				continue
			}
			types = append(types, t)
		}
	}
	slices.SortFunc(types, func(a, b *objectType) int {
		if c := strings.Compare(a.m.app, b.m.app); c != 0 {
			return c
		}
		return strings.Compare(a.m.name, b.m.name)
	})
	return paginate(rq, len(types), func(i int) int64 { return types[i].id }, func(i int) (any, *apiError) {
		t := types[i]
		out := obj("id", t.id, "url", rq.base+"/api/core/object-types/"+itoa(t.id)+"/", "display", t.m.appVerbose+" > "+strings.ToUpper(t.m.verbose[:1])+t.m.verbose[1:],
			"app_label", t.m.app, "app_name", t.m.appVerbose, "model", t.m.name, "model_name", t.m.verbose, "model_name_plural", t.m.plural, "public", true,
			"features", []any{"change_logging", "custom_fields", "event_rules", "journaling", "tags"}, "is_plugin_model", t.plugin, "rest_api_endpoint", t.m.route, "description", t.m.objectName)
		sel := s.selectionOf(rq)
		for _, k := range slices.Clone(out.keys) {
			if !sel.has(k) {
				out.del(k)
			}
		}
		return out, nil
	})
}
