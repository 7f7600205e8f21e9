package handlers

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const netboxBody = `{"event":"updated","timestamp":"2026-11-23T13:17:48.298314+00:00","object_type":"netbox_hedgehog.vpc",
"data":{"id":7,"last_updated":"2026-11-23T13:17:48.280540Z","spec":{"secret":"hidden-value"},"kubernetes_token":"hidden-value"},
"request":{"id":"rid-1","user":"alice"},"snapshots":{"prechange":{"kubernetes_token":"hidden-value"},"postchange":null}}`

func netboxRequest(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/webhooks/netbox/default", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Hook-Signature", sign512("current", body))
	return r
}

func newTestNetBox(t *testing.T, inbox Inbox) *NetBox {
	t.Helper()
	n, err := NewNetBox(testReceiver(inbox), map[string][][]byte{"default": {[]byte("current"), []byte("previous")}})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNetBoxAnswers(t *testing.T) {
	t.Parallel()
	big := strings.Repeat(" ", MaxNetBoxBody+1)
	cases := map[string]struct {
		change     func(r *http.Request)
		connection string
		body       string
		status     int
		stored     int
	}{
		"a signed update is stored":          {status: 202, stored: 1},
		"the previous secret is valid too":   {status: 202, stored: 1, change: func(r *http.Request) { r.Header.Set("X-Hook-Signature", sign512("previous", netboxBody)) }},
		"unknown connection":                 {status: 404, connection: "other"},
		"no signature":                       {status: 401, change: func(r *http.Request) { r.Header.Del("X-Hook-Signature") }},
		"a wrong secret":                     {status: 401, change: func(r *http.Request) { r.Header.Set("X-Hook-Signature", sign512("x", netboxBody)) }},
		"a SHA-256 signature":                {status: 401, change: func(r *http.Request) { r.Header.Set("X-Hook-Signature", sign256("current", netboxBody)) }},
		"a form":                             {status: 415, change: func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }},
		"PUT":                                {status: 405, change: func(r *http.Request) { r.Method = http.MethodPut }},
		"declared over the limit":            {status: 413, body: big},
		"over the limit without a length":    {status: 413, body: big, change: func(r *http.Request) { r.ContentLength = -1 }},
		"not JSON":                           {status: 400, body: "<html>"},
		"JSON but no object":                 {status: 400, body: `"updated"`},
		"no event":                           {status: 400, body: `{"object_type":"netbox_hedgehog.vpc","data":{"id":1}}`},
		"no type":                            {status: 400, body: `{"event":"updated","data":{"id":1}}`},
		"no id":                              {status: 400, body: `{"event":"updated","object_type":"netbox_hedgehog.vpc","data":{}}`},
		"null data":                          {status: 400, body: `{"event":"updated","object_type":"netbox_hedgehog.vpc","data":null}`},
		"an id that is text":                 {status: 400, body: `{"event":"updated","object_type":"netbox_hedgehog.vpc","data":{"id":"7"}}`},
		"a job event":                        {status: 200, body: `{"event":"job_ended","object_type":"core.job","data":{"id":1}}`},
		"an edit on a branch of branching":   {status: 200, body: `{"event":"updated","object_type":"netbox_hedgehog.vpc","data":{"id":1},"context":{"active_branch":{"id":4}}}`},
		"no branch, said explicitly":         {status: 202, stored: 1, body: `{"event":"updated","object_type":"netbox_hedgehog.vpc","data":{"id":1},"context":{"active_branch":null}}`},
		"NetBox 4.4 with both type keys":     {status: 202, stored: 1, body: `{"event":"created","object_type":"netbox_hedgehog.vpc","model":"vpc","username":"a","request_id":"r","data":{"id":1}}`},
		"NetBox below 4.4 with a bare model": {status: 202, stored: 1, body: `{"event":"created","model":"vpc","username":"a","request_id":"r","data":{"id":1}}`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inbox := newMemoryInbox()
			n := newTestNetBox(t, inbox)
			body, connection := c.body, c.connection
			if body == "" {
				body = netboxBody
			}
			if connection == "" {
				connection = "default"
			}
			r := netboxRequest(body)
			if c.change != nil {
				c.change(r)
			}
			w := httptest.NewRecorder()
			n.Serve(w, r, connection)
			if w.Code != c.status {
				t.Errorf("status %d, want %d (%s)", w.Code, c.status, w.Body)
			}
			if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, "text/plain") {
				t.Errorf("content type %q", got)
			}
			if len(inbox.all()) != c.stored {
				t.Errorf("%d deliveries stored, want %d", len(inbox.all()), c.stored)
			}
		})
	}
}

func TestNetBoxKeepsOnlyPermittedFields(t *testing.T) {
	t.Parallel()
	inbox := newMemoryInbox()
	newTestNetBox(t, inbox).Serve(httptest.NewRecorder(), netboxRequest(netboxBody), "default")
	hash := bodyHash([]byte(netboxBody))
	want := Delivery{Source: "netbox:default", Target: "default", GUID: hash, BodyHash: hash, Event: "updated", ReceivedAt: received,
		ObjectType: "netbox_hedgehog.vpc", ObjectID: 7, LastUpdated: "2026-11-23T13:17:48.280540+00:00", RequestID: "rid-1", User: "alice"}
	got := inbox.all()
	if len(got) != 1 || got[0] != want {
		t.Fatalf("stored %+v, want %+v", got, want)
	}
	row, err := json.Marshal(got[0])
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(row, []byte("hidden-value")) {
		t.Errorf("stored more of the body than permitted: %s", row)
	}
}

func TestNetBoxRepeatsAreKnownByTheirBody(t *testing.T) {
	t.Parallel()
	inbox := newMemoryInbox()
	n := newTestNetBox(t, inbox)
	send := func(body string) int {
		w := httptest.NewRecorder()
		n.Serve(w, netboxRequest(body), "default")
		return w.Code
	}
	if a, b := send(netboxBody), send(netboxBody); a != 202 || b != 202 {
		t.Errorf("answers %d %d, want 202 202", a, b)
	}
	inbox.finishAll()
	if got := send(netboxBody); got != 200 {
		t.Errorf("repeat of a finished one: %d, want 200", got)
	}
	if got := send(strings.Replace(netboxBody, "48.298314", "49.298314", 1)); got != 202 {
		t.Errorf("another event of the same object: %d, want 202", got)
	}
}

// Every webhook recorded from a running NetBox 4.6.8 and 4.7.3 is accepted with its own signature.
func TestNetBoxRecordedWebhooks(t *testing.T) {
	t.Parallel()
	var files []string
	for _, pattern := range []string{"hnp/webhooks/*.json", "hnp/webhooks/*/*.json", "netbox/webhooks/*.json"} {
		found, err := filepath.Glob(filepath.Join("..", "testdata", "contract", pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 20 {
		t.Fatalf("only %d recorded webhooks found", len(files))
	}
	sent := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var one struct {
			Secret  string
			Headers any // an object, or a list of pairs
			Body    string
		}
		if err := json.Unmarshal(data, &one); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		header := http.Header{}
		switch h := one.Headers.(type) {
		case map[string]any:
			for k, v := range h {
				header.Set(k, v.(string))
			}
		case []any:
			for _, pair := range h {
				header.Set(pair.([]any)[0].(string), pair.([]any)[1].(string))
			}
		}
		if one.Body == "" || header.Get("X-Hook-Signature") == "" {
			continue // a file about several webhooks
		}
		sent++
		inbox := newMemoryInbox()
		n, err := NewNetBox(testReceiver(inbox), map[string][][]byte{"default": {[]byte(one.Secret)}})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/webhooks/netbox/default", strings.NewReader(one.Body))
		r.Header = header
		w := httptest.NewRecorder()
		n.Serve(w, r, "default")
		got := inbox.all()
		if w.Code != 202 || len(got) != 1 {
			t.Errorf("%s: status %d, %d stored", file, w.Code, len(got))
			continue
		}
		if d := got[0]; d.ObjectID == 0 || d.LastUpdated == "" || d.User == "" || d.RequestID == "" || d.Event != header.Get("X-NetBox-Event") {
			t.Errorf("%s: incomplete delivery %+v", file, d)
		}
	}
	if sent < 20 {
		t.Errorf("only %d recorded webhooks sent", sent)
	}
}

func TestETagTime(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"2026-11-23T13:17:48.280540Z":      "2026-11-23T13:17:48.280540+00:00",
		"2026-11-23T13:17:48.28Z":          "2026-11-23T13:17:48.28+00:00",
		"2026-11-23T13:17:48Z":             "2026-11-23T13:17:48+00:00",
		"2026-11-23T15:17:48.280540+02:00": "2026-11-23T13:17:48.280540+00:00",
		"yesterday":                        "",
		"":                                 "",
	} {
		if got := ETagTime(in); got != want {
			t.Errorf("ETagTime(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestKindOfType(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"netbox_hedgehog.vpc": "VPC", "netbox_hedgehog.ipv4namespace": "IPv4Namespace", "vpc": "VPC",
		"dcim.site": "", "other.vpc": "", "netbox_hedgehog.hedgehogfabric": "", "netbox_hedgehog.vpcinfo": "",
	} {
		if got := KindOfType(in); got != want {
			t.Errorf("KindOfType(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzNetBox: a signed body of any bytes never panics and never stores a delivery without type and id.
func FuzzNetBox(f *testing.F) {
	f.Add([]byte(netboxBody))
	f.Add([]byte(`{"event":"deleted","model":"vpc","data":{"id":1,"last_updated":null},"context":{"active_branch":[]}}`))
	f.Add([]byte(`{"event":"created","request":{"id":null}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, act, err := decodeNetBox(body)
		if err != nil || !act {
			return
		}
		if d.ObjectID <= 0 || d.ObjectType == "" || d.GUID != d.BodyHash || d.Event == "" {
			t.Fatalf("accepted %q as %+v", body, d)
		}
	})
}
