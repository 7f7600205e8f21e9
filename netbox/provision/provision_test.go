package provision

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/manifests"
	"github.com/hnp-sync/hnp-sync/netbox"
	"github.com/hnp-sync/hnp-sync/netbox/netboxtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "nbt_KEY000000001.SECRETSECRETSECRET"

var safeTypes = []string{"netbox_hedgehog.connection", "netbox_hedgehog.ipv4namespace", "netbox_hedgehog.server", "netbox_hedgehog.switch",
	"netbox_hedgehog.switchgroup", "netbox_hedgehog.vlannamespace", "netbox_hedgehog.vpc"}

func standIn(t *testing.T, version string) (*netboxtest.Server, *netbox.Connection) {
	t.Helper()
	s, err := netboxtest.New(netboxtest.Options{Seed: &netboxtest.Seed{Version: version, Tokens: map[string]netboxtest.SeedToken{token: {Username: "hnp-sync"}},
		Fabrics: []netboxtest.SeedFabric{{ID: 1, Name: "fabric-1"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	c := connect(t, s.URL())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, c
}

func connect(t *testing.T, url string) *netbox.Connection {
	t.Helper()
	c, err := netbox.Dial(netbox.Config{Name: "default", URL: url, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func options(c *netbox.Connection, url string) Options {
	return Options{Connection: c, Name: "hnp-sync default", PayloadURL: url, Secret: "webhook-secret"}
}

// call sends a request as an administrator would.
func call(t *testing.T, c *netbox.Connection, method, path, body string, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.HTTPClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode > 299 {
		t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, data, err)
	}
	if into != nil {
		if err := json.Unmarshal(data, into); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRunTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	for version, wantConditions := range map[string]bool{"4.7.3": true, "4.6.8": false} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			s, c := standIn(t, version)
			o := options(c, "https://sync.example.test/webhooks/netbox/default")
			res, err := Webhook(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(res.Changed, []string{"created webhook hnp-sync default", "created event rule hnp-sync default"}) || !slices.Equal(res.ObjectTypes, safeTypes) || res.WebhookID == 0 || res.EventRuleID == 0 || len(res.Warnings) != 0 {
				t.Errorf("%+v", res)
			}
			var hook webhook
			call(t, c, "GET", fmt.Sprintf("/api/extras/webhooks/%d/", res.WebhookID), "", &hook)
			if hook.AdditionalHeaders != "X-NetBox-Event: {{ event }}\nX-NetBox-Request: {{ request.id }}" || hook.Secret != "webhook-secret" {
				t.Errorf("%+v", hook)
			}
			var r rule
			call(t, c, "GET", fmt.Sprintf("/api/extras/event-rules/%d/", res.EventRuleID), "", &r)
			if (r.Conditions != nil) != wantConditions || !r.Enabled || !slices.Equal(sorted(r.EventTypes), eventTypes) {
				t.Errorf("%+v", r)
			}
			s.ResetStats()
			again, err := Webhook(t.Context(), o)
			if err != nil || len(again.Changed) != 0 || again.WebhookID != res.WebhookID || again.EventRuleID != res.EventRuleID {
				t.Errorf("%+v %v", again, err)
			}
			if st := s.Stats(); st.Total != 2 || st.Routes["GET /api/extras/webhooks/"] != 1 || st.Routes["GET /api/extras/event-rules/"] != 1 {
				t.Errorf("%v", st.Routes)
			}
			if u := s.UnknownRoutes(); len(u) > 0 {
				t.Error(u)
			}
		})
	}
}

// What a person broke is repaired, and only that.
func TestRepairs(t *testing.T) {
	t.Parallel()
	s, c := standIn(t, "4.7.3")
	o := options(c, "https://sync.example.test/webhooks/netbox/default")
	res, err := Webhook(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	hookPath, rulePath := fmt.Sprintf("/api/extras/webhooks/%d/", res.WebhookID), fmt.Sprintf("/api/extras/event-rules/%d/", res.EventRuleID)
	for name, tc := range map[string]struct{ path, body, want string }{
		"rotated secret":         {hookPath, `{"secret":"old"}`, "repaired webhook hnp-sync default: secret"},
		"address and headers":    {hookPath, `{"payload_url":"https://old.example.test/","additional_headers":""}`, "repaired webhook hnp-sync default: payload URL, headers"},
		"disabled":               {rulePath, `{"enabled":false}`, "repaired event rule hnp-sync default: enabled"},
		"types that break saves": {rulePath, `{"object_types":["netbox_hedgehog.vpc","netbox_hedgehog.external"]}`, "repaired event rule hnp-sync default: object types"},
		"conditions":             {rulePath, `{"conditions":{"attr":"spec","op":"changed"}}`, "repaired event rule hnp-sync default: conditions"},
		"events":                 {rulePath, `{"event_types":["object_created"]}`, "repaired event rule hnp-sync default: event types"},
	} {
		call(t, c, "PATCH", tc.path, tc.body, nil)
		got, err := Webhook(t.Context(), o)
		if err != nil || !slices.Equal(got.Changed, []string{tc.want}) {
			t.Errorf("%s: %q, %v", name, got.Changed, err)
		}
	}
	s.ResetStats()
	if got, err := Webhook(t.Context(), o); err != nil || len(got.Changed) != 0 || s.Stats().Total != 2 {
		t.Errorf("%+v %v", got, err)
	}
}

// Deliveries arrive for creates, deletes and edits, and not for saves that change nothing.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	s, c := standIn(t, "4.7.3")
	type delivery struct{ event, request string }
	got := make(chan delivery, 20)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Hook-Signature") == "" {
			t.Error("not signed")
		}
		got <- delivery{r.Header.Get("X-NetBox-Event"), r.Header.Get("X-NetBox-Request")}
	}))
	t.Cleanup(receiver.Close)
	if _, err := Webhook(t.Context(), options(c, receiver.URL)); err != nil {
		t.Fatal(err)
	}
	f := c.Fabric(1)
	key := gitops.Key{Group: manifests.GroupVPC, Kind: "VPC", Namespace: "default", Name: "v"}
	body := manifests.Object{"spec": map[string]any{"vlan": json.Number("1")}, "metadata": map[string]any{"labels": map[string]any{}, "annotations": map[string]any{}}}
	w := gitops.Write{Key: key, Body: body}
	var want []delivery
	step := func(op gitops.Op, event string, columns ...string) {
		t.Helper()
		w.Columns = columns
		res := f.Write(t.Context(), gitops.Batch{Kind: "VPC", Op: op, Operation: "sync_x", Items: []gitops.Write{w}})
		if res.Items[0].Outcome != gitops.OutcomeDone {
			t.Fatalf("%s: %+v %v", op, res, res.Err)
		}
		w.PK, w.LastUpdated = res.Items[0].Object.PK, res.Items[0].Object.LastUpdated
		if event != "" {
			want = append(want, delivery{event, res.RequestID})
		}
	}
	step(gitops.OpCreate, "created")
	step(gitops.OpFence, "")
	body["metadata"] = map[string]any{"labels": map[string]any{"a": "b"}}
	step(gitops.OpUpdate, "updated", "labels")
	step(gitops.OpUpdate, "", "labels")
	step(gitops.OpDelete, "deleted")
	if err := s.WaitDeliveries(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(got)
	var all []delivery
	for d := range got {
		all = append(all, d)
	}
	if !reflect.DeepEqual(all, want) {
		t.Errorf("delivered %v, want %v", all, want)
	}
}

func TestRefusesUnsafeKinds(t *testing.T) {
	t.Parallel()
	s, c := standIn(t, "4.7.3")
	for _, kind := range []string{"External", "VPCPeering", "Gateway", "Nonsense", "HedgehogFabric"} {
		o := options(c, "https://sync.example.test/")
		o.Kinds = []string{"VPC", kind}
		_, err := Webhook(t.Context(), o)
		var unsafe *UnsafeKindError
		if !errors.As(err, &unsafe) || unsafe.Kind != kind || unsafe.Reason == "" {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for route := range s.Stats().Routes {
		if strings.HasPrefix(route, "POST") || strings.Contains(route, "extras") {
			t.Errorf("%s was asked", route)
		}
	}
	o := options(c, "https://sync.example.test/")
	o.Kinds = []string{"VPC", "Switch", "VPC"}
	if res, err := Webhook(t.Context(), o); err != nil || !slices.Equal(res.ObjectTypes, []string{"netbox_hedgehog.switch", "netbox_hedgehog.vpc"}) {
		t.Errorf("%+v %v", res, err)
	}
}

func TestRefusesOptions(t *testing.T) {
	t.Parallel()
	_, c := standIn(t, "4.7.3")
	for name, change := range map[string]func(*Options){
		"no connection":   func(o *Options) { o.Connection = nil },
		"no name":         func(o *Options) { o.Name = "" },
		"no secret":       func(o *Options) { o.Secret = " " },
		"long secret":     func(o *Options) { o.Secret = strings.Repeat("x", 256) },
		"no address":      func(o *Options) { o.PayloadURL = "" },
		"password":        func(o *Options) { o.PayloadURL = "https://u:p@x.example.test/" },
		"another scheme":  func(o *Options) { o.PayloadURL = "ftp://x.example.test/" },
		"template in URL": func(o *Options) { o.PayloadURL = "https://x.example.test/{{ data }}" },
	} {
		o := options(c, "https://sync.example.test/")
		change(&o)
		if _, err := Webhook(t.Context(), o); err == nil || strings.Contains(err.Error(), "u:p@") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Rules of other people that break saves or send secrets are named, not touched.
func TestWarnsOfHarmfulRules(t *testing.T) {
	t.Parallel()
	_, c := standIn(t, "4.7.3")
	o := options(c, "https://sync.example.test/")
	first, err := Webhook(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{
		`{"name":"theirs","object_types":["netbox_hedgehog.external","netbox_hedgehog.hedgehogfabric"],"event_types":["object_updated"],"enabled":true`,
		`{"name":"harmless","object_types":["netbox_hedgehog.vpc"],"event_types":["object_updated"],"enabled":true`,
		`{"name":"off","object_types":["netbox_hedgehog.external"],"event_types":["object_updated"],"enabled":false`,
		`{"name":"deletes","object_types":["netbox_hedgehog.external"],"event_types":["object_deleted"],"enabled":true`,
	} {
		call(t, c, "POST", "/api/extras/event-rules/", body+fmt.Sprintf(`,"action_type":"webhook","action_object_type":"extras.webhook","action_object_id":%d}`, first.WebhookID), nil)
	}
	res, err := Webhook(t.Context(), o)
	want := []string{
		`event rule "theirs" covers netbox_hedgehog.external: NetBox answers 500 to every save of External, which is saved all the same`,
		`event rule "theirs" covers netbox_hedgehog.hedgehogfabric: its events hold the fabric's Kubernetes token and certificate`,
	}
	if err != nil || !slices.Equal(res.Warnings, want) || len(res.Changed) != 0 {
		t.Errorf("%q, %q, %v", res.Warnings, res.Changed, err)
	}
}

// With the companion every kind may be covered, and values that go-netbox does not know hide nothing.
func TestCompanionAndUnknownEnumerations(t *testing.T) {
	t.Parallel()
	var created map[string]any
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		list := func(rows ...string) {
			_, _ = fmt.Fprintf(w, `{"count":%d,"next":null,"previous":null,"results":[%s]}`, len(rows), strings.Join(rows, ","))
		}
		switch r.Method + " " + r.URL.Path {
		case "GET /api/status/":
			_, _ = io.WriteString(w, `{"netbox-version":"4.7.3","plugins":{"netbox_hedgehog":"0.2.0"}}`)
		case "GET /api/plugins/hedgehog/fabrics/":
			list(`{"id":1,"display_url":"http://x/"}`)
		case "GET /api/core/object-changes/", "GET /api/extras/webhooks/":
			list()
		case "GET /api/extras/event-rules/":
			list(`{"id":1,"name":"branching","enabled":true,"object_types":["dcim.site"],"event_types":["branch_merged"],"action_type":{"value":"plugin_action","label":"x"},"action_object_type":"a.b","action_object_id":null}`)
		case "POST /api/extras/webhooks/":
			w.WriteHeader(201)
			_, _ = io.WriteString(w, `{"id":5,"name":"hnp-sync default"}`) // lacks what go-netbox requires
		case "POST /api/extras/event-rules/":
			if err := json.NewDecoder(r.Body).Decode(&created); err != nil {
				t.Error(err)
			}
			w.WriteHeader(201)
			_, _ = io.WriteString(w, `{"id":6,"name":"hnp-sync default","action_type":{"value":"webhook"}}`)
		default:
			t.Errorf("%s %s", r.Method, r.URL.Path)
			w.WriteHeader(501)
		}
	}))
	t.Cleanup(srv.Close)
	res, err := Webhook(t.Context(), options(connect(t, srv.URL), "https://sync.example.test/"))
	if err != nil || res.WebhookID != 5 || res.EventRuleID != 6 || len(res.ObjectTypes) != 12 {
		t.Fatalf("%+v %v", res, err)
	}
	if got := fmt.Sprint(created["object_types"]); strings.Contains(got, "hedgehogfabric") || !strings.Contains(got, "netbox_hedgehog.external ") {
		t.Errorf("%v", got)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		route  string
		status int
		body   string
		want   string
	}{
		"no permission":  {"GET /api/extras/webhooks/", 403, `{"detail":"You do not have permission to perform this action."}`, "extras.eventrule"},
		"refused":        {"POST /api/extras/webhooks/", 400, `{"secret":["webhook-secret is too short"]}`, "[secret] is too short"},
		"gateway page":   {"GET /api/extras/event-rules/", 502, "<html><title>502 Bad Gateway</title></html>", "status 502"},
		"shows a token":  {"POST /api/extras/event-rules/", 400, `{"detail":"` + token + `"}`, "[token]"},
		"garbage":        {"GET /api/extras/webhooks/", 200, "hello", "not what NetBox writes"},
		"types are none": {"GET /api/extras/event-rules/", 200, `{"results":[{"id":"x"}]}`, "not what NetBox writes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := standIn(t, "4.7.3")
			if _, err := s.AddFault(netboxtest.Fault{Route: tc.route, Action: "error_before", Status: tc.status, Body: tc.body, Times: -1}); err != nil {
				t.Fatal(err)
			}
			_, err := Webhook(t.Context(), options(c, "https://sync.example.test/"))
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "webhook-secret") || strings.Contains(err.Error(), "SECRETSECRET") {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			s.ClearFaults(0)
		})
	}
}
