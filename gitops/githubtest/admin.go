package githubtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// serveAdmin answers the stand-in's own routes, which need no authentication:
// statistics, faults and knobs.
func (s *Server) serveAdmin(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		adminAnswer(w, 413, map[string]any{"message": "body too large"})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimSuffix(r.URL.Path, "/")
	key := r.Method + " " + path
	if rest, ok := strings.CutPrefix(path, "/_faults/"); ok {
		key = r.Method + " /_faults/{id}"
		path = rest
	}
	s.stats.count("", key, true)
	switch key {
	case "GET /_stats":
		adminAnswer(w, 200, s.stats.copy())
	case "POST /_stats/reset":
		s.stats.reset()
		adminAnswer(w, 200, s.stats.copy())
	case "GET /_faults":
		list := s.faults
		if list == nil {
			list = []*faultRow{}
		}
		adminAnswer(w, 200, list)
	case "POST /_faults":
		var f Fault
		if err := strictJSON(body, &f); err != nil {
			adminAnswer(w, 422, map[string]any{"message": err.Error()})
			return
		}
		id, err := s.addFault(f)
		if err != nil {
			adminAnswer(w, 422, map[string]any{"message": err.Error()})
			return
		}
		adminAnswer(w, 201, map[string]any{"id": id})
	case "DELETE /_faults":
		s.faults = nil
		adminAnswer(w, 204, nil)
	case "DELETE /_faults/{id}":
		id, _ := strconv.ParseInt(path, 10, 64)
		if !s.removeFault(id) {
			adminAnswer(w, 404, map[string]any{"message": "no such fault"})
			return
		}
		adminAnswer(w, 204, nil)
	case "GET /_knobs":
		adminAnswer(w, 200, s.knobs)
	case "PUT /_knobs":
		var k Knobs
		if err := strictJSON(body, &k); err != nil {
			adminAnswer(w, 422, map[string]any{"message": err.Error()})
			return
		}
		s.knobs = k
		clear(s.buckets)
		clear(s.stale)
		adminAnswer(w, 200, s.knobs)
	case "POST /_click", "POST /_merge_group", "POST /_install", "POST /_fork":
		s.control(w, key, body)
	case "GET /_unknown":
		adminAnswer(w, 200, append([]string{}, s.unknown...))
	default:
		s.unknown = append(s.unknown, r.Method+" "+r.URL.Path)
		adminAnswer(w, 501, map[string]any{"message": "the GitHub stand-in has no route " + r.Method + " " + r.URL.Path})
	}
}

func strictJSON(body []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}

func adminAnswer(w http.ResponseWriter, status int, body any) {
	if body == nil {
		w.WriteHeader(status)
		return
	}
	data, err := json.Marshal(body)
	if err != nil {
		status, data = 500, []byte(`{"message":"encode answer"}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	w.Write(data)
}
