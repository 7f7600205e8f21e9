package netboxtest

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// user is an account; every token of the seed makes one or joins one by name.
type user struct {
	id        int64
	name      string
	superuser bool
	joined    time.Time
	grants    []grant
	hidden    map[string]map[int64]bool // by model: rows kept from it by HideRows
}

// grant is one object permission.
type grant struct {
	types, actions []string
	constraints    []any // alternatives; empty: every object
}

type token struct {
	key          string
	user         *user
	writeEnabled bool
}

type users struct {
	list   []*user
	tokens []*token
}

// authenticate answers as NetBox does: never 401.
func (s *Server) authenticate(r *http.Request) (*token, *apiError) {
	h := r.Header.Get("Authorization")
	if h == "" {
		return nil, deny("Authentication credentials were not provided.")
	}
	scheme, key, ok := strings.Cut(h, " ")
	key = strings.TrimSpace(key)
	if !strings.EqualFold(scheme, "Token") && !strings.EqualFold(scheme, "Bearer") {
		return nil, deny("Authentication credentials were not provided.")
	}
	if !ok || key == "" || strings.Contains(key, " ") {
		return nil, deny(`Invalid authorization header: Must be in the form "Bearer <key>.<token>" or "Token <token>"`)
	}
	for _, t := range s.users.tokens {
		if subtle.ConstantTimeCompare([]byte(t.key), []byte(key)) == 1 {
			return t, nil
		}
	}
	if strings.HasPrefix(key, "nbt_") {
		return nil, deny("Invalid v2 token")
	}
	return nil, deny("Invalid v1 token")
}

func deny(text string) *apiError {
	return &apiError{status: http.StatusForbidden, body: obj("detail", text)}
}

func forbidden() *apiError { return deny("You do not have permission to perform this action.") }

// may reports whether the user has the action on the type at all.
func (u *user) may(action, typeName string) bool {
	return u.superuser || slices.ContainsFunc(u.grants, func(g grant) bool {
		return slices.Contains(g.types, typeName) && slices.Contains(g.actions, action)
	})
}

// sees reports whether one row is within the user's constraints for the action.
func (s *Server) sees(u *user, action string, m *model, r *row) bool {
	if u.hidden[m.typeName()][r.id] {
		return false
	}
	if u.superuser {
		return true
	}
	for _, g := range u.grants {
		if !slices.Contains(g.types, m.typeName()) || !slices.Contains(g.actions, action) {
			continue
		}
		if len(g.constraints) == 0 {
			return true
		}
		for _, c := range g.constraints {
			if o, ok := c.(*object); ok && s.satisfies(m, r, o) {
				return true
			}
		}
	}
	return false
}

// satisfies evaluates one constraint, a conjunction of Django lookups. A lookup
// this server does not know matches nothing.
func (s *Server) satisfies(m *model, r *row, constraint *object) bool {
	for _, key := range constraint.keys {
		want := constraint.vals[key]
		parts := strings.Split(key, "__")
		name, path := parts[0], parts[1:]
		have, ok := s.lookup(m, r, name)
		if f := m.field(name); f != nil && f.kind == kindFK && len(path) > 0 {
			target := s.models[f.target]
			if ref := s.db.get(target, r.int(name)); ref != nil && (path[0] == "id" || target.field(path[0]) != nil) {
				have, ok = s.lookup(target, ref, path[0])
				path = path[1:]
			}
		}
		op := "exact"
		if len(path) > 0 {
			op = path[0]
		}
		if !ok || len(path) > 1 || !matchLookup(op, have, want) {
			return false
		}
	}
	return true
}

func (s *Server) lookup(m *model, r *row, name string) (any, bool) {
	switch name {
	case "id", "pk":
		return r.id, true
	case "fabric_id":
		return r.vals["fabric"], true
	case "tags":
		names := []any{}
		for _, t := range s.sortedTags(r.tags) {
			names = append(names, t.str("name"))
		}
		return names, true
	}
	if m.field(name) == nil {
		return nil, false
	}
	return r.vals[name], true
}

func matchLookup(op string, have, want any) bool {
	if op == "in" {
		list, _ := want.([]any)
		return slices.ContainsFunc(list, func(x any) bool { return equalJSON(have, x) })
	}
	if op == "exact" {
		return equalJSON(have, want)
	}
	if op == "isnull" {
		return want == (have == nil)
	}
	a, b := pythonStr(have), pythonStr(want)
	if strings.HasPrefix(op, "i") {
		op, a, b = op[1:], strings.ToLower(a), strings.ToLower(b)
	}
	switch op {
	case "exact":
		return a == b
	case "startswith":
		return strings.HasPrefix(a, b)
	case "endswith":
		return strings.HasSuffix(a, b)
	case "contains":
		return strings.Contains(a, b)
	}
	x, okx := numeric(have)
	y, oky := numeric(want)
	if !okx || !oky {
		return false
	}
	switch op {
	case "gt":
		return x.Cmp(y) > 0
	case "gte":
		return x.Cmp(y) >= 0
	case "lt":
		return x.Cmp(y) < 0
	case "lte":
		return x.Cmp(y) <= 0
	}
	return false
}

func (s *Server) representUser(u *user, base string) *object {
	return obj("id", u.id, "url", base+"/api/users/users/"+itoa(u.id)+"/", "display_url", base+"/users/users/"+itoa(u.id)+"/", "display", u.name, "username", u.name,
		"first_name", "", "last_name", "", "email", "", "is_active", true, "date_joined", u.joined, "last_login", nil, "groups", []any{}, "permissions", []any{})
}

func encodeUsers(us users) []any {
	out := []any{}
	for _, u := range us.list {
		grants := []any{}
		for _, g := range u.grants {
			grants = append(grants, obj("types", g.types, "actions", g.actions, "constraints", append([]any{}, g.constraints...)))
		}
		tokens := []any{}
		for _, t := range us.tokens {
			if t.user == u {
				tokens = append(tokens, obj("key", t.key, "write", t.writeEnabled))
			}
		}
		out = append(out, obj("id", u.id, "name", u.name, "superuser", u.superuser, "joined", u.joined.UnixMicro(), "grants", grants, "tokens", tokens))
	}
	return out
}

func decodeUsers(o *object) (users, error) {
	var us users
	for _, x := range listOf(o, "users") {
		u := &user{id: intOf(x, "id"), name: x.str("name"), superuser: x.vals["superuser"] == true, joined: time.UnixMicro(intOf(x, "joined")).UTC()}
		for _, g := range listOf(x, "grants") {
			constraints, _ := g.vals["constraints"].([]any)
			u.grants = append(u.grants, grant{types: stringList(g.vals["types"]), actions: stringList(g.vals["actions"]), constraints: constraints})
		}
		us.list = append(us.list, u)
		for _, t := range listOf(x, "tokens") {
			us.tokens = append(us.tokens, &token{key: t.str("key"), user: u, writeEnabled: t.vals["write"] == true})
		}
	}
	if len(us.list) == 0 {
		return us, fmt.Errorf("no users")
	}
	return us, nil
}

func stringList(v any) []string {
	list, _ := v.([]any)
	out := make([]string, 0, len(list))
	for _, x := range list {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
