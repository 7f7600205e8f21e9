package netboxtest

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Fault makes requests go wrong on purpose. Faults are not part of the state: a
// restart forgets them. It applies to Times requests that
// match Route and User after letting Skip of them pass.
//
// Actions: drop (the connection is closed, nothing was done) · delay (the
// request is held for DelayMS before it takes effect; it takes effect even if
// the client has gone) · error_before (answers Status, nothing was done) ·
// error_after (done, answers Status) · reset_after (done, the connection is
// reset instead of an answer) · delay_after (done, the answer is held for
// DelayMS, so webhooks overtake it) · webhook_drop, webhook_delay,
// webhook_duplicate (on the webhooks a matching request causes).
type Fault struct {
	ID      int64             `json:"id" yaml:"id"`
	Route   string            `json:"route" yaml:"route"` // "METHOD /template" or "*"; default "*"
	User    string            `json:"user" yaml:"user"`   // login or "*"; default "*"
	Skip    int               `json:"skip" yaml:"skip"`
	Times   int               `json:"times" yaml:"times"` // default 1; negative: for ever
	Action  string            `json:"action" yaml:"action"`
	Status  int               `json:"status" yaml:"status"` // default 500
	Headers map[string]string `json:"headers" yaml:"headers"`
	Body    string            `json:"body" yaml:"body"` // default: an error body like NetBox's
	DelayMS int               `json:"delay_ms" yaml:"delay_ms"`
	Count   int               `json:"count" yaml:"count"` // copies of webhook_duplicate, default 2
	Hits    int               `json:"hits" yaml:"-"`      // how often it has applied
}

var faultActions = []string{"drop", "delay", "error_before", "error_after", "reset_after", "delay_after", "webhook_drop", "webhook_delay", "webhook_duplicate"}

// maxFaults bounds the registered faults.
const maxFaults = 1000

// AddFault registers a fault and returns its id. It refuses an unknown action
// and values out of range.
func (s *Server) AddFault(f Fault) (int64, error) {
	s.faultMu.Lock()
	defer s.faultMu.Unlock()
	if !slices.Contains(faultActions, f.Action) {
		return 0, fmt.Errorf("unknown action %q: must be one of %s", f.Action, strings.Join(faultActions, ", "))
	}
	if f.Route == "" {
		f.Route = "*"
	}
	if f.User == "" {
		f.User = "*"
	}
	if f.Times == 0 {
		f.Times = 1
	}
	if f.Status == 0 {
		f.Status = 500
	}
	if f.Status < 200 || f.Status > 599 {
		return 0, fmt.Errorf("status %d is not between 200 and 599", f.Status)
	}
	if f.DelayMS < 0 || f.DelayMS > 600000 {
		return 0, fmt.Errorf("delay_ms %d is not between 0 and 600000", f.DelayMS)
	}
	if f.Count < 0 || f.Count > 1000 {
		return 0, fmt.Errorf("count %d is not between 0 and 1000", f.Count)
	}
	if f.Route != "*" && !strings.Contains(f.Route, " /") {
		return 0, fmt.Errorf(`route %q is not "METHOD /template" or "*"`, f.Route)
	}
	if len(s.faults) >= maxFaults { // spent ones are kept for people to see, but not for ever
		s.faults = slices.DeleteFunc(s.faults, func(f *Fault) bool { return f.Times == 0 })
	}
	if len(s.faults) >= maxFaults {
		return 0, fmt.Errorf("%d faults are registered already", maxFaults)
	}
	s.lastFault++
	f.ID, f.Hits = s.lastFault, 0
	s.faults = append(s.faults, &f)
	return f.ID, nil
}

// Faults returns the registered faults, spent ones included.
func (s *Server) Faults() []Fault {
	s.faultMu.Lock()
	defer s.faultMu.Unlock()
	out := make([]Fault, 0, len(s.faults))
	for _, f := range s.faults {
		out = append(out, *f)
	}
	return out
}

// ClearFaults removes the fault with the id, or all of them for 0. It reports
// whether there was one.
func (s *Server) ClearFaults(id int64) bool {
	s.faultMu.Lock()
	defer s.faultMu.Unlock()
	n := len(s.faults)
	s.faults = slices.DeleteFunc(s.faults, func(f *Fault) bool { return id == 0 || f.ID == id })
	return len(s.faults) < n
}

// takeFaults picks the faults that apply to this request and spends them. At
// most one fault per kind of action applies to a request.
func (s *Server) takeFaults(rq *request, login string) []Fault {
	s.faultMu.Lock()
	defer s.faultMu.Unlock()
	var out []Fault
	for _, f := range s.faults {
		if f.Route != "*" && f.Route != rq.template || f.User != "*" && f.User != login || f.Times == 0 {
			continue
		}
		if slices.ContainsFunc(out, func(o Fault) bool { return o.Action == f.Action }) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times > 0 {
			f.Times--
		}
		f.Hits++
		out = append(out, *f)
	}
	return out
}

func pick(faults []Fault, action string) *Fault {
	for i := range faults {
		if faults[i].Action == action {
			return &faults[i]
		}
	}
	return nil
}

func (s *Server) webhookFaults(rq *request) []Fault {
	return slices.DeleteFunc(slices.Clone(rq.faults), func(f Fault) bool { return !strings.HasPrefix(f.Action, "webhook_") })
}

func (s *Server) faultResponse(w http.ResponseWriter, f *Fault) {
	body := f.Body
	if body == "" {
		body = string(encodeJSON(obj("error", "fault "+itoa(f.ID), "exception", "FaultInjected", "netbox_version", s.version, "python_version", pythonName), compact))
	}
	w.Header().Set("Content-Type", "application/json")
	for k, v := range f.Headers {
		w.Header().Set(k, v)
	}
	w.WriteHeader(f.Status)
	s.writeBody(w, []byte(body))
}

// cut ends the connection without an answer. A recorder has no connection; the
// panic is net/http's own way to abort.
func cut(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // a reset instead of an orderly close; failing only makes it orderly
			}
			_ = conn.Close()
			return
		}
	}
	panic(http.ErrAbortHandler)
}

// control serves the routes below /_.
func (s *Server) control(w http.ResponseWriter, r *http.Request) {
	s.count(r.Method+" "+controlTemplate(r.URL.Path), "", true)
	path := strings.TrimSuffix(r.URL.Path, "/")
	id, isFault := strings.CutPrefix(path, "/_faults/")
	switch {
	case path == "/_stats" && r.Method == http.MethodGet:
		s.writeJSON(w, http.StatusOK, s.Stats())
	case path == "/_stats/reset" && r.Method == http.MethodPost:
		s.ResetStats()
		s.writeJSON(w, http.StatusOK, map[string]any{})
	case path == "/_faults" && r.Method == http.MethodGet:
		s.writeJSON(w, http.StatusOK, s.Faults())
	case path == "/_faults" && r.Method == http.MethodPost:
		var f Fault
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
		dec.DisallowUnknownFields()
		err := dec.Decode(&f)
		if err == nil {
			var n int64
			if n, err = s.AddFault(f); err == nil {
				s.writeJSON(w, http.StatusCreated, map[string]int64{"id": n})
				return
			}
		}
		s.writeJSON(w, http.StatusBadRequest, map[string]string{"detail": err.Error()})
	case path == "/_faults" && r.Method == http.MethodDelete:
		s.ClearFaults(0)
		w.WriteHeader(http.StatusNoContent)
	case isFault && r.Method == http.MethodDelete:
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil || n <= 0 || !s.ClearFaults(n) {
			s.writeJSON(w, http.StatusNotFound, map[string]string{"detail": "no such fault"})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		s.writeJSON(w, http.StatusNotFound, map[string]string{"detail": "no such control route"})
	}
}

func controlTemplate(path string) string {
	if strings.HasPrefix(path, "/_faults/") {
		return "/_faults/{id}"
	}
	if path == "/_stats" || path == "/_stats/reset" || path == "/_faults" {
		return path
	}
	return "/_"
}
