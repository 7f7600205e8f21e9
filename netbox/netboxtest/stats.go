package netboxtest

import (
	"maps"
	"slices"
)

// Counts is what one user, or everybody, asked for.
type Counts struct {
	Total  int            `json:"total"`
	Routes map[string]int `json:"routes"` // by "METHOD /template"
}

// Stats counts API requests since the start or the last reset. Requests to
// control routes and pages for people are in Other and not in Total.
type Stats struct {
	Total  int               `json:"total"`
	Routes map[string]int    `json:"routes"`
	ByUser map[string]Counts `json:"by_user"` // by login; "anonymous" without a valid token
	Other  map[string]int    `json:"other"`
}

// maxTemplates bounds the counters against clients that invent paths.
const maxTemplates = 2000

func newStats() Stats {
	return Stats{Routes: map[string]int{}, ByUser: map[string]Counts{}, Other: map[string]int{}}
}

func (s *Server) count(template, login string, other bool) {
	s.statMu.Lock()
	defer s.statMu.Unlock()
	if other {
		s.stats.Other[template]++
		return
	}
	if _, ok := s.stats.Routes[template]; !ok && len(s.stats.Routes) >= maxTemplates {
		template = "(other)"
	}
	s.stats.Total++
	s.stats.Routes[template]++
	c, ok := s.stats.ByUser[login]
	if !ok {
		c.Routes = map[string]int{}
	}
	c.Total++
	c.Routes[template]++
	s.stats.ByUser[login] = c
}

// Stats returns a copy of the counters.
func (s *Server) Stats() Stats {
	s.statMu.Lock()
	defer s.statMu.Unlock()
	out := Stats{Total: s.stats.Total, Routes: maps.Clone(s.stats.Routes), ByUser: map[string]Counts{}, Other: maps.Clone(s.stats.Other)}
	for k, c := range s.stats.ByUser {
		out.ByUser[k] = Counts{Total: c.Total, Routes: maps.Clone(c.Routes)}
	}
	return out
}

// ResetStats sets all counters to zero.
func (s *Server) ResetStats() {
	s.statMu.Lock()
	defer s.statMu.Unlock()
	s.stats = newStats()
}

func (s *Server) noteUnknown(what string) {
	s.statMu.Lock()
	defer s.statMu.Unlock()
	if len(s.unknowns) < maxTemplates && !slices.Contains(s.unknowns, what) {
		s.unknowns = append(s.unknowns, what)
	}
}

// UnknownRoutes lists the API requests ("METHOD /path") that NetBox may know and
// this server does not; each was answered 501. Tests assert that it is empty.
func (s *Server) UnknownRoutes() []string {
	s.statMu.Lock()
	defer s.statMu.Unlock()
	return slices.Clone(s.unknowns)
}
