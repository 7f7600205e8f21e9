package githubtest

import (
	"maps"
	"strings"
)

// Stats is what was requested since the start or the last reset. Routes are
// counted as "METHOD /template" and GraphQL as "POST /graphql FIELD" with the
// first root field; an answer 304 counts. Other holds what is no API work:
// token mints, Git over HTTP and the stand-in's own routes.
type Stats struct {
	Total  int                  `json:"total"`
	Routes map[string]int       `json:"routes"`
	ByUser map[string]UserStats `json:"by_user"`
	Other  map[string]int       `json:"other"`
}

// UserStats are the requests of one login; an App counts as "slug[bot]" with
// its JWT and with its installation tokens, nobody known as "".
type UserStats struct {
	Total  int            `json:"total"`
	Routes map[string]int `json:"routes"`
}

type statistics struct {
	now Stats
}

func (st *statistics) reset() {
	st.now = Stats{Routes: map[string]int{}, ByUser: map[string]UserStats{}, Other: map[string]int{}}
}

func (st *statistics) count(login, template string, other bool) {
	if other {
		st.now.Other[template]++
		return
	}
	st.now.Total++
	st.now.Routes[template]++
	u := st.now.ByUser[login]
	if u.Routes == nil {
		u.Routes = map[string]int{}
	}
	u.Total++
	u.Routes[template]++
	st.now.ByUser[login] = u
}

func (st *statistics) copy() Stats {
	out := Stats{Total: st.now.Total, Routes: maps.Clone(st.now.Routes), Other: maps.Clone(st.now.Other), ByUser: map[string]UserStats{}}
	for login, u := range st.now.ByUser {
		out.ByUser[login] = UserStats{Total: u.Total, Routes: maps.Clone(u.Routes)}
	}
	return out
}

// Stats is a copy of the present counts.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats.copy()
}

// ResetStats sets all counts to zero.
func (s *Server) ResetStats() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.reset()
}

// Writes is the number of requests that are not reads: everything but GET,
// HEAD and GraphQL queries.
func (st Stats) Writes() int {
	n := 0
	for route, count := range st.Routes {
		method, rest, _ := strings.Cut(route, " ")
		_, field, isGraphQL := strings.Cut(rest, "/graphql ")
		if method == "GET" || method == "HEAD" || isGraphQL && !mutationFields[field] {
			continue
		}
		n += count
	}
	return n
}
