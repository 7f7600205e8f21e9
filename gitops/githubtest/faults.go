package githubtest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The actions of a Fault.
const (
	actionDrop             = "drop"         // the connection ends, nothing happened
	actionDelay            = "delay"        // served after delay_ms
	actionErrorBefore      = "error_before" // the error answer, nothing happened
	actionErrorAfter       = "error_after"  // the effect, then the error answer
	actionResetAfter       = "reset_after"  // the effect, then the connection ends
	actionTruncate         = "truncate"     // the effect, then half of the answer's body
	actionWebhookDrop      = "webhook_drop" // no attempt and no trace of one
	actionWebhookFail      = "webhook_fail" // an attempt that finds nobody: in the log, to be redelivered
	actionWebhookDelay     = "webhook_delay"
	actionWebhookDuplicate = "webhook_duplicate"
)

// Fault is something that goes wrong on purpose. It applies to the requests,
// or for the webhook_ actions to the deliveries, that match Route and User:
// the first Skip of them pass, the next Times are hit, then it is spent.
type Fault struct {
	ID int64 `json:"id,omitempty"`
	// Route is "METHOD /template" as in Stats, or "*" (also when empty).
	// "POST /graphql" matches every GraphQL request, "POST /graphql FIELD"
	// those that have the root field. For webhooks it is the route that caused
	// the event, or the event's name ("push"), also with its action
	// ("pull_request.opened").
	Route string `json:"route"`
	// User is the login that makes the request, "*" or empty for everybody.
	User string `json:"user"`
	Skip int    `json:"skip"`
	// Times is how often it strikes: default 1, negative for always.
	Times  int    `json:"times"`
	Action string `json:"action"`
	// Status, Headers and Body are the error answer; default 500, a JSON body
	// when Body is empty.
	Status  int               `json:"status,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"`
	DelayMS int               `json:"delay_ms,omitempty"`
	// Count is the number of deliveries webhook_duplicate makes; default 2.
	Count int `json:"count,omitempty"`
}

type faultRow struct {
	Fault
	Seen int `json:"seen"` // matching requests so far
	Hits int `json:"hits"` // times it struck
}

// AddFault installs a fault and returns its id. The error says what is wrong
// with it.
func (s *Server) AddFault(f Fault) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addFault(f)
}

func (s *Server) addFault(f Fault) (int64, error) {
	actions := []string{actionDrop, actionDelay, actionErrorBefore, actionErrorAfter, actionResetAfter, actionTruncate, actionWebhookDrop, actionWebhookFail, actionWebhookDelay, actionWebhookDuplicate}
	if !slices.Contains(actions, f.Action) {
		return 0, fmt.Errorf("action %q is none of %s", f.Action, strings.Join(actions, ", "))
	}
	if f.Skip < 0 || f.DelayMS < 0 || f.Count < 0 {
		return 0, fmt.Errorf("skip, delay_ms and count must not be negative")
	}
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		return 0, fmt.Errorf("status %d is no status of an answer", f.Status)
	}
	if f.Route == "" {
		f.Route = "*"
	}
	if f.Route != "*" && strings.Contains(f.Route, " ") && !s.knownTemplate(f.Route) {
		return 0, fmt.Errorf("route %q is none of this server's; it would never strike", f.Route)
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
	if f.Count == 0 {
		f.Count = 2
	}
	s.faultID++
	f.ID = s.faultID
	s.faults = append(s.faults, &faultRow{Fault: f})
	return f.ID, nil
}

// ClearFaults removes all faults.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

func (s *Server) removeFault(id int64) bool {
	before := len(s.faults)
	s.faults = slices.DeleteFunc(s.faults, func(f *faultRow) bool { return f.ID == id })
	return len(s.faults) < before
}

// takeFault finds the fault that strikes now. Every matching fault counts the
// request; the first one that is due strikes.
func (s *Server) takeFault(login, template string, operations []string, webhook bool) *faultRow {
	var struck *faultRow
	for _, f := range s.faults {
		if strings.HasPrefix(f.Action, "webhook_") != webhook {
			continue
		}
		if f.User != "*" && !strings.EqualFold(f.User, login) || !f.matches(template, operations) {
			continue
		}
		f.Seen++
		if struck == nil && f.Seen > f.Skip && (f.Times < 0 || f.Hits < f.Times) {
			f.Hits++
			struck = f
		}
	}
	return struck
}

func (f *faultRow) matches(template string, operations []string) bool {
	if f.Route == "*" || f.Route == template {
		return true
	}
	return slices.Contains(operations, f.Route)
}

// after does what a fault does once the effect took place; false when there
// is nothing to do and the real answer goes out.
func (f *faultRow) after(w http.ResponseWriter, ans *answer) bool {
	if f == nil {
		return false
	}
	switch f.Action {
	case actionErrorAfter:
		writeAnswer(w, f.answer())
	case actionResetAfter:
		abort(w)
	case actionTruncate:
		half := &answer{status: ans.status, header: ans.header.Clone(), body: ans.body[:len(ans.body)/2]}
		writeHeader(w, half, len(ans.body))
		w.Write(half.body)
		if fl, ok := w.(http.Flusher); ok {
			fl.Flush()
		}
		panic(http.ErrAbortHandler)
	default:
		return false
	}
	return true
}

func (f *faultRow) answer() *answer {
	ans := &answer{status: f.Status, header: http.Header{}, body: []byte(f.Body)}
	ans.header.Set("Content-Type", "application/json; charset=utf-8")
	if f.Body == "" {
		ans.body = []byte(`{"message":"Server Error","documentation_url":"https://docs.github.com/rest","status":"` + strconv.Itoa(f.Status) + `"}`)
	} else if strings.HasPrefix(strings.TrimSpace(f.Body), "<") {
		ans.header.Set("Content-Type", "text/html; charset=utf-8")
	}
	for k, v := range f.Headers {
		ans.header.Set(k, v)
	}
	return ans
}
