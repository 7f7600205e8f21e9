package netboxtest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const contractDir = "../../testdata/contract/"

// exchange is one recorded request with its answer.
type exchange struct {
	Name    string
	Request struct {
		Method  string
		Path    string
		Headers map[string]string
		Body    json.RawMessage
	}
	Response struct {
		Status  int
		Headers map[string]string
		Body    json.RawMessage
		Trimmed string `json:"body_trimmed"`
	}
}

func loadExchanges(t *testing.T, file string) []exchange {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(contractDir, file))
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ Exchanges []exchange }
	if err := json.Unmarshal(src, &f); err != nil {
		t.Fatal(err)
	}
	return f.Exchanges
}

// replay sends recorded requests and compares the answers. Times and request ids
// of the recording are translated to the server's own as they turn up, so that
// an If-Match of the recording means the same object state.
type replay struct {
	s          *server
	times      map[string]string // recorded to own
	statusOnly bool              // for runs that compare something else
	before     map[string]func() // run ahead of an exchange
	tokens     map[string]string // other tokens than the administrator's
}

const recordedHost = "http://netbox.example.test"

var timestamp = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?`)

// volatile keys hold values that differ from run to run; their type is compared.
var volatile = map[string]string{
	"created": "time", "last_updated": "time", "time": "time", "date_joined": "time", "timestamp": "time",
	"request_id": "chosen at random",
}

func (r *replay) file(t *testing.T, file string, from, to int) {
	t.Helper()
	list := loadExchanges(t, file)
	if to < 0 || to > len(list) {
		to = len(list)
	}
	for i, e := range list[from:to] {
		name := fmt.Sprintf("%s[%d] %s", strings.TrimSuffix(filepath.Base(file), ".json"), from+i, e.Name)
		key := strings.TrimSuffix(filepath.Base(file), ".json") + "[" + fmt.Sprint(from+i) + "]"
		if f := r.before[key]; f != nil {
			f()
		}
		diff, differs := differences[fmt.Sprintf("%s[%d]", file, from+i)]
		if differs && !diff.statusOnly {
			continue
		}
		s := r.s
		if tok, ok := r.tokens[key]; ok {
			s = s.as(tok)
		}
		r.one(t, s, name, e, r.statusOnly || diff.statusOnly)
	}
}

func (r *replay) one(t *testing.T, s *server, name string, e exchange, loose bool) {
	t.Helper()
	body := r.requestBody(t, e.Request.Body)
	var headers []string
	for _, k := range slices.Sorted(maps.Keys(e.Request.Headers)) {
		v := e.Request.Headers[k]
		switch {
		case k == "Authorization" && v == "":
			s = s.as("")
		case k == "Authorization" || k == "Content-Type" || k == "Accept-Encoding":
		default:
			headers = append(headers, k, r.translate(v))
		}
	}
	a := s.do(e.Request.Method, r.translate(e.Request.Path), body, headers...)
	if a.status != e.Response.Status {
		t.Errorf("%s: %s %s: status %d, recorded %d: %.300s", name, e.Request.Method, e.Request.Path, a.status, e.Response.Status, a.body)
		return
	}
	r.learn(e.Response.Headers["ETag"], a.header.Get("ETag"))
	if id := e.Response.Headers["X-Request-ID"]; id != "" {
		r.times[id] = a.header.Get("X-Request-ID")
	}
	if loose {
		return
	}
	r.compareHeaders(t, name, e, a)
	if strings.HasPrefix(e.Response.Headers["Content-Type"], "application/json") && len(e.Response.Body) > 0 && e.Request.Method != http.MethodHead {
		r.compare(t, name, "", decode(t, string(e.Response.Body)), decode(t, a.body))
	}
}

func (r *replay) requestBody(t *testing.T, raw json.RawMessage) string {
	text := string(raw)
	if text == "null" || text == "" {
		return ""
	}
	if strings.HasPrefix(text, `"`) { // not JSON: recorded as text
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	text = strings.Replace(text, "…(3000000 characters)", strings.Repeat("y", 3000000), 1)
	return text
}

func (r *replay) translate(text string) string {
	for k, v := range r.times {
		if !strings.Contains(k, "T") && strings.Contains(text, k) {
			text = strings.ReplaceAll(text, k, v)
		}
	}
	return timestamp.ReplaceAllStringFunc(text, func(m string) string {
		if own, ok := r.times[m]; ok {
			return own
		}
		return m
	})
}

func (r *replay) learn(recorded, own string) {
	if a, b := timestamp.FindString(recorded), timestamp.FindString(own); a != "" && b != "" {
		r.times[a] = b
	}
}

func (r *replay) compareHeaders(t *testing.T, name string, e exchange, a answer) {
	t.Helper()
	for k, want := range e.Response.Headers {
		got := a.header.Get(k)
		switch k {
		case "ETag", "X-Request-ID":
			if got == "" {
				t.Errorf("%s: no header %s", name, k)
			}
		case "Location":
			want = strings.Replace(want, recordedHost, r.s.url, 1)
			fallthrough
		default:
			if got != want {
				t.Errorf("%s: header %s: %q, recorded %q", name, k, got, want)
			}
		}
	}
	for _, k := range []string{"ETag", "X-Request-ID", "API-Version", "Location", "Allow"} {
		if _, ok := e.Response.Headers[k]; !ok && a.header.Get(k) != "" {
			t.Errorf("%s: header %s: %q, not recorded", name, k, a.header.Get(k))
		}
	}
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "object"
	case []any:
		return "list"
	case string:
		return "string"
	case bool:
		return "bool"
	}
	return "number"
}

func (r *replay) compare(t *testing.T, name, path string, want, got any) {
	t.Helper()
	if kindOf(want) != kindOf(got) {
		t.Errorf("%s: %s is a %s (%v), recorded a %s (%v)", name, path, kindOf(got), got, kindOf(want), want)
		return
	}
	switch want := want.(type) {
	case map[string]any:
		got := got.(map[string]any)
		for _, k := range slices.Sorted(maps.Keys(want)) {
			v, ok := got[k]
			if !ok {
				t.Errorf("%s: %s.%s is missing", name, path, k)
				continue
			}
			if volatile[k] != "" {
				if ws, ok := want[k].(string); ok {
					gs, _ := v.(string)
					r.learn(ws, gs)
				}
				if kindOf(want[k]) != kindOf(v) {
					t.Errorf("%s: %s.%s is a %s, recorded a %s", name, path, k, kindOf(v), kindOf(want[k]))
				}
				continue
			}
			r.compare(t, name, path+"."+k, want[k], v)
		}
		for _, k := range slices.Sorted(maps.Keys(got)) {
			if _, ok := want[k]; !ok {
				t.Errorf("%s: %s.%s was not recorded", name, path, k)
			}
		}
	case []any:
		got := got.([]any)
		if len(got) != len(want) {
			t.Errorf("%s: %s has %d items, recorded %d", name, path, len(got), len(want))
			return
		}
		for i := range want {
			r.compare(t, name, fmt.Sprintf("%s[%d]", path, i), want[i], got[i])
		}
	case string:
		w := strings.ReplaceAll(want, recordedHost, r.s.url)
		if w != got && !known(path, w, got.(string)) {
			t.Errorf("%s: %s is %q, recorded %q", name, path, got, w)
		}
	default:
		if fmt.Sprint(want) != fmt.Sprint(got) {
			t.Errorf("%s: %s is %v, recorded %v", name, path, got, want)
		}
	}
}

// known are differences of text that do not matter, with the reason.
func known(path, want, got string) bool {
	switch {
	case path == ".error" && strings.HasPrefix(want, "unsupported Unicode escape sequence"):
		return strings.HasPrefix(got, "unsupported Unicode escape sequence") // PostgreSQL quotes its own SQL
	case path == ".error" && strings.HasPrefix(want, `null value in column "spec"`):
		return strings.HasPrefix(got, want[:strings.Index(want, "Failing row")]) // PostgreSQL quotes the whole row
	}
	return false
}

func newReplay(s *server) *replay {
	return &replay{s: s, times: map[string]string{}, before: map[string]func(){}, tokens: map[string]string{}}
}
