package netboxtest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/hnp-sync/hnp-sync/netbox/netboxtest"
)

// FuzzRequests throws bodies and queries at every sort of route: no panic, a
// JSON answer wherever NetBox gives one, and a server that still works.
func FuzzRequests(f *testing.F) {
	for _, body := range []string{``, `{}`, `[]`, `null`, `"x"`, `[1]`, `[{"id":1}]`, `[{"id":"1","name":5}]`, `{"fabric":1,"name":"a","spec":{"x":1e999}}`,
		`{"fabric":true,"name":[],"spec":"{","labels":"[","tags":[{"slug":1}],"custom_fields":[]}`, `{"fabric":1,"name":"\u0000","spec":"\ud800"}`,
		`{"changelog_message":5,"add_tags":{},"last_synced":"x","auto_sync":"maybe"}`, `{"name":"r","object_types":["x"],"event_types":[1],"conditions":{"and":[{"or":1}]}}`,
		strings.Repeat("[", 2000), `{"a":-}`, `{"a":1.}`, "\xff", `{"fabric":1,"name":"a","spec":{"x":-0.0,"y":1e-400}}`} {
		f.Add("POST", uint8(0), "omit=display_url", body)
		f.Add("PATCH", uint8(1), "fields=id&fields=spec", body)
		f.Add("PUT", uint8(0), "", body)
		f.Add("DELETE", uint8(2), "", body)
		f.Add("POST", uint8(5), "", body)
		f.Add("POST", uint8(6), "", body)
		f.Add("PATCH", uint8(7), "", body)
	}
	f.Add("GET", uint8(4), "id__gte=9&q=a&ordering=-time,x&limit=-1&offset=99&start=", "")
	f.Add("GET", uint8(0), "ordering=spec,-labels,id&limit=0&brief=1", "")
	paths := []string{vpcs, vpcs + "1/", externals, externals + "1/", feed, "/api/extras/event-rules/", "/api/extras/custom-fields/", "/api/extras/webhooks/1/",
		"/api/extras/tags/", "/api/extras/journal-entries/", "/api/plugins/hedgehog/fabrics/1/", "/_faults", "/api/core/object-types/", "/plugins/hedgehog/vpcs/"}
	f.Fuzz(func(t *testing.T, method string, path uint8, query, body string) {
		s, err := netboxtest.New(netboxtest.Options{Seed: adminSeed()})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		send := func(method, target, body string) *httptest.ResponseRecorder {
			u, err := url.Parse("http://netbox.example.test" + target)
			if err != nil {
				return nil
			}
			r := &http.Request{Method: method, URL: u, Host: "netbox.example.test", Header: http.Header{"Authorization": {"Token " + adminToken}, "Content-Type": {"application/json"}}, Body: http.NoBody}
			if body != "" {
				r.Body = readCloser{strings.NewReader(body)}
			}
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			return w
		}
		send("POST", vpcs, vpc("a"))
		send("POST", externals+omit, `{"fabric":1,"name":"e","spec":{"a":1}}`)
		send("POST", "/api/extras/webhooks/", `{"name":"w","payload_url":"http://127.0.0.1:1/{{ x }}"}`)
		target := paths[int(path)%len(paths)]
		u := url.URL{Path: target, RawQuery: query}
		w := send(method, u.String(), body)
		if w == nil {
			return
		}
		if w.Code < 200 || w.Code > 599 {
			t.Fatalf("status %d", w.Code)
		}
		if w.Header().Get("Content-Type") == "application/json" && w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s %s: not JSON: %q", method, target, w.Body)
		}
		s.ClearFaults(0)
		if w := send("GET", vpcs+"?ordering=id", ""); w.Code != 200 {
			t.Fatalf("the list answers %d: %s", w.Code, w.Body)
		}
		snapshot := s.Snapshot()
		if err := s.Restore(snapshot); err != nil {
			t.Fatalf("the dump does not load: %v", err)
		}
	})
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }
