package netboxtest_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/hnp-sync/hnp-sync/netbox/netboxtest"
)

func field(t *testing.T, a answer, name string) any { t.Helper(); return a.json(t)[name] }

func results(t *testing.T, a answer) []map[string]any {
	t.Helper()
	var out []map[string]any
	for _, x := range a.want(t, 200).json(t)["results"].([]any) {
		out = append(out, x.(map[string]any))
	}
	return out
}

const feed = "/api/core/object-changes/"

// narrow is the feed request of the contract (§14), which names no secret.
const narrow = "&ordering=id&limit=1000&fields=id,time,user_name,request_id,action,changed_object_type,changed_object_id,message"

func TestNumbersAndKeyOrderAreThoseOfPostgreSQL(t *testing.T) {
	t.Parallel()
	s := start(t, netboxtest.Options{})
	for in, want := range map[string]string{
		`{"zzz":1,"a":2,"bb":3,"c":{"y":1,"x":2}}`: `{"a":2,"c":{"x":2,"y":1},"bb":3,"zzz":1}`,
		`{"v":1e3}`:                  `{"v":1000.0}`,
		`{"v":-0.0}`:                 `{"v":0.0}`,
		`{"v":-0}`:                   `{"v":0}`,
		`{"v":1.0}`:                  `{"v":1.0}`,
		`{"v":12345678901234567890}`: `{"v":12345678901234567890}`,
		`{"v":1e20}`:                 `{"v":100000000000000000000}`,
		`{"v":1e-7}`:                 `{"v":1e-07}`,
		`{"v":0.1}`:                  `{"v":0.1}`,
		`{"a":1,"a":2}`:              `{"a":2}`,
		`{"é":"ü€😀","` + "\\u00e9" + `2":"<&>"}`: `{"é":"ü€😀","é2":"<&>"}`,
		`[1,2]`: `[1,2]`,
		`5`:     `5`,
		`false`: `false`,
	} {
		a := s.do("POST", vpcs+"?omit=display_url", `{"fabric":1,"name":"n-`+fmt.Sprintf("%x", len(s.Objects("VPC")))+`","spec":`+in+`}`).want(t, 201)
		if !strings.Contains(a.body, `"spec":`+want+`,"labels"`) {
			t.Errorf("spec %s became %s, want %s", in, a.body, want)
		}
	}
}

func TestEmptySpecTravelsAsText(t *testing.T) {
	t.Parallel()
	s := start(t, netboxtest.Options{})
	const groups = "/api/plugins/hedgehog/switch-groups/"
	s.do("POST", groups+omit, `{"fabric":1,"name":"sg","spec":{}}`).want(t, 400)
	if got := field(t, s.do("POST", groups+omit, `{"fabric":1,"name":"sg","spec":"{}"}`).want(t, 201), "spec"); got != "{}" {
		t.Fatalf("stored %v", got)
	}
	// A PATCH without spec turns the text into an object, and that is a change.
	if got := field(t, s.do("PATCH", groups+"1/"+omit, `{"labels":{"a":"1"}}`).want(t, 200), "spec"); fmt.Sprint(got) != "map[]" {
		t.Fatalf("converted to %v", got)
	}
	s.do("PATCH", groups+"1/"+omit, `{"labels":{"a":"2"}}`).want(t, 400)
	s.do("PATCH", groups+"1/"+omit, `{"labels":{"a":"2"},"spec":"{}"}`).want(t, 200)
	s.do("PATCH", groups+"1/"+omit, `{"spec":"{}"}`).want(t, 200)
	rows := results(t, s.do("GET", feed+"?changed_object_type=netbox_hedgehog.switchgroup&ordering=id", ""))
	if len(rows) != 3 { // create, conversion, second; the last PATCH changed nothing
		t.Errorf("%d change rows, want 3", len(rows))
	}
}

func TestNoChangeBumpsTheETagAndFiresButLogsNothing(t *testing.T) {
	t.Parallel()
	s := start(t, netboxtest.Options{})
	hooks := newReceiver(t)
	hooks.subscribe(s, `["netbox_hedgehog.vpc"]`, "null")
	first := s.do("POST", vpcs+omit, vpc("a")).want(t, 201).header.Get("ETag")
	a := s.do("PATCH", vpcs+"1/"+omit, `{"labels":{},"changelog_message":"op-1"}`).want(t, 200)
	if a.header.Get("ETag") == first {
		t.Error("the ETag stayed")
	}
	hooks.wait(s)
	if got := hooks.take(); len(got) != 2 || !strings.Contains(got[1].body, `"event": "updated"`) {
		t.Errorf("%d webhooks", len(got))
	}
	if rows := results(t, s.do("GET", feed+"?request_id="+a.header.Get("X-Request-ID"), "")); len(rows) != 0 {
		t.Errorf("%d change rows", len(rows))
	}
}

func TestInputNamesFollowFieldsAndOmit(t *testing.T) {
	t.Parallel()
	s := start(t, netboxtest.Options{})
	hooks := newReceiver(t)
	hooks.subscribe(s, `["netbox_hedgehog.vpc"]`, "null")
	s.do("POST", vpcs+omit, vpc("a")).want(t, 201)
	hooks.wait(s)
	hooks.take()
	s.do("PATCH", vpcs+"1/?fields=id", `{"labels":{"lost":"1"}}`).want(t, 200)
	s.do("PATCH", vpcs+"1/?omit=spec", `{"labels":{"kept":"1"},"spec":{"lost":1}}`).want(t, 200)
	o, _ := s.ByName("VPC", "default", "a")
	if fmt.Sprint(o.Labels) != "map[kept:1]" || strings.Contains(fmt.Sprint(o.Spec), "lost") {
		t.Errorf("stored %v %v", o.Labels, o.Spec)
	}
	hooks.wait(s)
	if got := len(hooks.take()); got != 2 {
		t.Errorf("%d webhooks, want 2: fields=id writes nothing and fires all the same", got)
	}
}

func TestGroupBWritesAreSavedAndAnswer500(t *testing.T) {
	t.Parallel()
	s := start(t, netboxtest.Options{})
	body := `{"fabric":1,"name":"e","spec":{"a":1}}`
	if a := s.do("POST", externals, body).want(t, 500); a.header.Get("Content-Type") != "application/json" {
		t.Error(a.header)
	}
	if len(s.Objects("External")) != 1 {
		t.Fatal("not saved")
	}
	s.do("DELETE", externals+"1/?omit=display_url", "").want(t, 500)
	s.do("DELETE", externals, `[{"id":1}]`).want(t, 500)
	s.do("DELETE", "/api/plugins/hedgehog/fabrics/2/", "").want(t, 500)
	if len(s.Objects("External")) != 1 {
		t.Fatal("deleted")
	}
	if rows := results(t, s.do("GET", feed+"?action=delete&changed_object_type=netbox_hedgehog.external"+narrow, "")); len(rows) != 0 {
		t.Error("a delete that failed is in the change log")
	}
	hooks := newReceiver(t)
	hooks.subscribe(s, `["netbox_hedgehog.external"]`, `{"attr":"name","value":"never"}`)
	a := s.do("PATCH", externals+"1/"+omit, `{"labels":{"x":"1"}}`).want(t, 500)
	if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || a.header.Get("X-Request-ID") != "" {
		t.Errorf("not the HTML page: %v", a.header)
	}
	if o := s.Objects("External")[0]; fmt.Sprint(o.Labels) != "map[x:1]" {
		t.Errorf("not saved: %v", o.Labels)
	}
	hooks.wait(s)
	if len(hooks.take()) != 0 {
		t.Error("a webhook came")
	}
}

func TestIfMatchOverSeveralHeaderLines(t *testing.T) {
	t.Parallel()
	s := start(t, netboxtest.Options{})
	var items []string
	for i := range 400 {
		items = append(items, vpc(fmt.Sprintf("v-%d", i)))
	}
	s.do("POST", vpcs+omit, "["+strings.Join(items, ",")+"]").want(t, 201)
	var lines, patch []string
	var tags []string
	for _, o := range s.Objects("VPC") {
		tags = append(tags, o.ETag)
		patch = append(patch, fmt.Sprintf(`{"id":%d,"labels":{"n":"1"},"changelog_message":"op"}`, o.ID))
	}
	for i := 0; i < len(tags); i += 200 {
		lines = append(lines, "If-Match", strings.Join(tags[i:i+200], ", "))
	}
	s.do("PATCH", vpcs+omit, "["+strings.Join(patch, ",")+"]", "If-Match", strings.Join(tags, ", ")).want(t, 431)
	s.do("PATCH", vpcs+omit, "["+strings.Join(patch, ",")+"]", lines...).want(t, 200)
	a := s.do("PATCH", vpcs+omit, "["+strings.Join(patch, ",")+"]", lines...).want(t, 412)
	if now := s.Objects("VPC")[0].ETag; a.header.Get("ETag") != now || a.body != `{"detail":"Precondition failed."}` {
		t.Errorf("412 shows %q %s", a.header.Get("ETag"), a.body)
	}
}

func TestOneOfManyParallelWritersWins(t *testing.T) {
	t.Parallel()
	s := start(t, netboxtest.Options{})
	tag := s.do("POST", vpcs+omit, vpc("a")).want(t, 201).header.Get("ETag")
	count := func(f func(i int) int) map[int]int {
		var wg sync.WaitGroup
		var mu sync.Mutex
		out := map[int]int{}
		for i := range 8 {
			wg.Go(func() {
				status := f(i)
				mu.Lock()
				out[status]++
				mu.Unlock()
			})
		}
		wg.Wait()
		return out
	}
	status := func(a answer, err error) int {
		if err != nil {
			t.Error(err)
		}
		return a.status
	}
	if got := count(func(i int) int {
		return status(s.try("PATCH", vpcs+"1/"+omit, fmt.Sprintf(`{"labels":{"n":"%d"}}`, i), "If-Match", tag))
	}); got[200] != 1 || got[412] != 7 {
		t.Errorf("PATCH: %v", got)
	}
	if got := count(func(int) int { return status(s.try("POST", vpcs+omit, vpc("same"))) }); got[201] != 1 || got[500] != 7 {
		t.Errorf("POST: %v", got)
	}
}

func TestSilentWritesLeaveNoTrace(t *testing.T) {
	t.Parallel()
	s := start(t, netboxtest.Options{})
	hooks := newReceiver(t)
	s.do("POST", vpcs+omit, `{"fabric":1,"name":"a","spec":{"x":0,"y":0}}`).want(t, 201)
	hooks.subscribe(s, `["netbox_hedgehog.vpc"]`, "null")
	before := s.Objects("VPC")[0]
	if err := s.ClusterImport("fabric-1", []netboxtest.ClusterObject{
		{Kind: "VPC", Name: "a", Spec: map[string]any{"x": 0, "y": 9}, Labels: map[string]any{"l": "1"}},
		{Kind: "VPC", Namespace: "other", Name: "new", Spec: map[string]any{}},
	}); err != nil {
		t.Fatal(err)
	}
	after, created := s.Objects("VPC")[0], s.Objects("VPC")[1]
	if after.ETag != before.ETag || fmt.Sprint(after.Spec) != "map[x:0 y:9]" || created.Namespace != "other" || fmt.Sprint(created.Spec) != "map[]" {
		t.Errorf("%+v %+v", after, created)
	}
	hooks.wait(s)
	if len(hooks.take()) != 0 {
		t.Error("a webhook came")
	}
	if n := len(results(t, s.do("GET", feed+"?changed_object_type=netbox_hedgehog.vpc"+narrow, ""))); n != 1 {
		t.Errorf("%d change rows, want the create's only", n)
	}
	// An old ETag still passes, and the row of that very PATCH shows what it overwrote.
	a := s.do("PATCH", vpcs+"1/"+omit, `{"spec":{"x":1,"y":0}}`, "If-Match", before.ETag).want(t, 200)
	rows := results(t, s.do("GET", feed+"?request_id="+a.header.Get("X-Request-ID")+narrow+",prechange_data", ""))
	if len(rows) != 1 || fmt.Sprint(rows[0]["prechange_data"].(map[string]any)["spec"]) != "map[x:0 y:9]" {
		t.Errorf("%v", rows)
	}
}

func TestChangeFeed(t *testing.T) {
	t.Parallel()
	viewer := netboxtest.SeedToken{Username: "viewer", Permissions: []netboxtest.SeedPermission{{ObjectTypes: []string{"core.objectchange"}, Actions: []string{"view"}}}}
	o := netboxtest.Options{Seed: adminSeed()}
	o.Seed.Tokens["nbt_VIEWER.x"] = viewer
	o.Seed.Tokens["nbt_NOBODY.x"] = netboxtest.SeedToken{Username: "nobody", Permissions: []netboxtest.SeedPermission{}}
	s := start(t, o)
	s.do("POST", vpcs+omit, `[{"fabric":1,"name":"a","spec":{"k":1},"changelog_message":"hnp op-7"},{"fabric":1,"name":"b","spec":{"k":1}}]`).want(t, 201)
	s.do("POST", externals+omit, `{"fabric":1,"name":"e","spec":{"k":1},"changelog_message":"hnp op-8"}`).want(t, 201)
	del := s.do("DELETE", vpcs+"2/", `{"changelog_message":"bye"}`).want(t, 204)
	s.do("PATCH", "/api/plugins/hedgehog/fabrics/1/"+omit, `{"description":"x"}`).want(t, 200)

	const both = "&changed_object_type=netbox_hedgehog.vpc&changed_object_type=netbox_hedgehog.external"
	for query, want := range map[string]int{
		"?id__gte=1" + both + narrow:              4,
		"?id__gt=1" + both + narrow:               3,
		"?id__gte=3" + both + narrow:              2,
		"?q=op-7" + both + narrow:                 1,
		"?q=ADMIN" + both + narrow:                4,
		"?message=nothing" + both + narrow:        4,
		"?message__ic=nothing" + both + narrow:    4,
		"?changed_object_type=nope.nope" + narrow: 0,
		"?changed_object_type=netbox_hedgehog.vpc&changed_object_id=1&action=delete" + narrow:       0,
		"?changed_object_type=netbox_hedgehog.vpc&changed_object_id=1&changed_object_id=2" + narrow: 3,
		"?changed_object_id=2&action=delete" + narrow:                                               1,
		"?request_id=" + del.header.Get("X-Request-ID") + narrow:                                    1,
	} {
		rows := results(t, s.do("GET", feed+query, ""))
		if len(rows) != want {
			t.Errorf("%s: %d rows, want %d", query, len(rows), want)
		}
		for _, r := range rows {
			if len(r) != 8 {
				t.Errorf("%s: row shows %v", query, r)
			}
		}
	}
	for query, status := range map[string]int{
		"?ordering=id":                                                   500, // the External's row
		"?ordering=id" + both:                                            500,
		"?ordering=id&omit=changed_object" + both:                        200,
		"?ordering=id&changed_object_type=netbox_hedgehog.vpc":           200,
		"?id__gte=abc" + narrow:                                          400,
		"?start=1&ordering=id":                                           400,
		"?request_id=nonsense":                                           400,
		"?ordering=-id" + strings.Replace(narrow, "&ordering=id", "", 1): 200,
	} {
		s.do("GET", feed+query, "").want(t, status)
	}
	if rows := results(t, s.do("GET", feed+"?ordering=-id&limit=1&fields=id,message", "")); fmt.Sprint(rows[0]["id"]) != "5" {
		t.Errorf("newest is %v", rows)
	}
	rows := results(t, s.do("GET", feed+"?action=delete&fields=message,prechange_data,postchange_data", ""))
	if rows[0]["message"] != "bye" || rows[0]["prechange_data"].(map[string]any)["name"] != "b" || fmt.Sprint(rows[0]["postchange_data"]) != "map[]" {
		t.Errorf("%v", rows)
	}
	// Items of a bulk request without a message have none.
	if rows := results(t, s.do("GET", feed+"?changed_object_id=2&action=create&fields=message", "")); rows[0]["message"] != "" {
		t.Errorf("%v", rows)
	}
	s.as("nbt_NOBODY.x").do("GET", feed+"?x=1"+narrow, "").want(t, 403)
	// A token that may read the change log reads the fabric's secret in it.
	if a := s.as("nbt_VIEWER.x").do("GET", feed+"?changed_object_type=netbox_hedgehog.hedgehogfabric&omit=changed_object", "").want(t, 200); !strings.Contains(a.body, "dummy-k8s-token") {
		t.Error("the secret is not in the snapshot")
	}
	if a := s.do("GET", "/api/plugins/hedgehog/fabrics/?fields=id,name,kubernetes_namespace,last_updated", "").want(t, 200); strings.Contains(a.body, "dummy-k8s-token") {
		t.Error("the narrow listing shows the secret")
	}
	if a := s.do("GET", "/api/plugins/hedgehog/fabrics/?omit=display_url", "").want(t, 200); !strings.Contains(a.body, "dummy-k8s-token") {
		t.Error("the full listing does not show the secret, NetBox's does")
	}
	if err := s.PruneChangeLog(4); err != nil {
		t.Fatal(err)
	}
	if rows := results(t, s.do("GET", feed+"?x=1"+narrow, "")); len(rows) != 2 || fmt.Sprint(rows[0]["id"]) != "4" {
		t.Errorf("after pruning: %v", rows)
	}
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	o := netboxtest.Options{Seed: adminSeed()}
	o.Seed.Tokens["0123456789012345678901234567890123456789"] = netboxtest.SeedToken{Username: "admin"}
	s := start(t, o)
	for header, want := range map[string]string{
		"":                     "Authentication credentials were not provided.",
		"Basic YTpi":           "Authentication credentials were not provided.",
		"Bearer nbt_X.y":       "Invalid v2 token",
		"Token nonsense":       "Invalid v1 token",
		"Bearer nonsense":      "Invalid v1 token",
		"Token " + adminToken:  "",
		"Bearer " + adminToken: "",
		"Token 0123456789012345678901234567890123456789":  "",
		"Bearer 0123456789012345678901234567890123456789": "",
	} {
		headers := []string{"Authorization", header}
		if header == "" {
			headers = nil
		}
		a := s.as("").do("GET", "/api/status/", "", headers...)
		if want == "" {
			if a.status != 200 || field(t, a, "netbox-version") != "4.7.3" {
				t.Errorf("%q: %d %s", header, a.status, a.body)
			}
			continue
		}
		if a.status != 403 || field(t, a, "detail") != want || a.header.Get("WWW-Authenticate") != "" {
			t.Errorf("%q: %d %s", header, a.status, a.body)
		}
	}
	if got := field(t, s.do("GET", "/api/authentication-check/", ""), "username"); got != "admin" {
		t.Error(got)
	}
}

func TestRoutesThatDoNotExist(t *testing.T) {
	t.Parallel()
	s := start(t, netboxtest.Options{})
	for request, status := range map[string]int{
		"GET /api/nonexistent/":                             404,
		"GET /api/plugins/hedgehog/gateways/":               404,
		"GET /api/plugins/custom-objects/x/":                404,
		"GET /api/plugins/hedgehog/vpcs/abc/":               404,
		"POST /api/plugins/hedgehog/vpcs":                   404,
		"GET /api/plugins/hedgehog/vpcs":                    301,
		"GET /api/plugins/hedgehog/sync/":                   500,
		"GET /api/dcim/devices/":                            501,
		"GET /api/core/jobs/":                               501,
		"POST /api/plugins/hedgehog/vpcs/1/":                405,
		"POST /api/core/object-changes/":                    405,
		"PATCH /api/plugins/hedgehog/vpcs/?background=true": 501,
	} {
		method, path, _ := strings.Cut(request, " ")
		a := s.do(method, path, "")
		if a.status != status {
			t.Errorf("%s: %d, want %d", request, a.status, status)
		}
		if status == 404 && !strings.Contains(a.body, `data-netbox-version="4.7.3"`) {
			t.Errorf("%s: not NetBox's page: %s", request, a.body)
		}
	}
	if got := fmt.Sprint(s.UnknownRoutes()); strings.Count(got, "/api/") != 3 {
		t.Errorf("recorded %s", got)
	}
}

func TestHiddenRows(t *testing.T) {
	t.Parallel()
	s := start(t, netboxtest.Options{})
	s.do("POST", vpcs, "["+vpc("a")+","+vpc("b")+"]").want(t, 201)
	if err := s.HideRows(adminToken, "VPC", 2); err != nil {
		t.Fatal(err)
	}
	if n := len(results(t, s.do("GET", vpcs+"?ordering=id", ""))); n != 1 {
		t.Errorf("%d rows", n)
	}
	s.do("GET", vpcs+"2/", "").want(t, 404)
	s.do("PATCH", vpcs, `[{"id":1},{"id":2}]`).want(t, 400)
	s.do("POST", vpcs, vpc("b")).want(t, 500) // the name is taken all the same
	if err := s.HideRows(adminToken, "VPC"); err != nil {
		t.Fatal(err)
	}
	s.do("GET", vpcs+"2/", "").want(t, 200)
}

func TestConditionsOfEventRules(t *testing.T) {
	t.Parallel()
	s := start(t, netboxtest.Options{})
	hooks := newReceiver(t)
	hooks.subscribe(s, `["netbox_hedgehog.vpc"]`, `{"or":[{"attr":"spec","op":"changed"},{"attr":"labels","op":"changed"}]}`)
	steps := []struct {
		method, path, body string
		hooks              int
	}{
		{"POST", vpcs, vpc("a"), 1},
		{"PATCH", vpcs + "1/", `{}`, 0},
		{"PATCH", vpcs + "1/", `{"auto_sync":false}`, 0},
		{"PATCH", vpcs + "1/", `{"labels":{"x":"1"}}`, 1},
		{"PATCH", vpcs + "1/", `{"spec":{"x":1}}`, 1},
		{"PATCH", vpcs + "1/", `{"spec":{"x":1.0}}`, 0}, // equal to Python
		{"DELETE", vpcs + "1/", "", 1},
	}
	for _, st := range steps {
		s.do(st.method, st.path, st.body)
		hooks.wait(s)
		if got := len(hooks.take()); got != st.hooks {
			t.Errorf("%s %s: %d webhooks, want %d", st.method, st.body, got, st.hooks)
		}
	}
	rule := hooks.subscribe(s, `["netbox_hedgehog.server"]`, `{"and":[{"attr":"name","op":"regex","value":"s-[0-9]"},{"attr":"labels.tier","value":["gold"],"op":"in"},{"attr":"id","op":"gt","value":0},{"attr":"name","value":"s-9","negate":true}]}`)
	for body, want := range map[string]int{
		`{"fabric":1,"name":"s-1","spec":{"a":1},"labels":{"tier":"gold"}}`: 1,
		`{"fabric":1,"name":"s-2","spec":{"a":1},"labels":{"tier":"tin"}}`:  0,
		`{"fabric":1,"name":"s-3","spec":{"a":1}}`:                          0, // the path leads nowhere
		`{"fabric":1,"name":"s-9","spec":{"a":1},"labels":{"tier":"gold"}}`: 0,
		`{"fabric":1,"name":"x","spec":{"a":1},"labels":{"tier":"gold"}}`:   0,
	} {
		s.do("POST", "/api/plugins/hedgehog/servers/", body).want(t, 201)
		hooks.wait(s)
		if got := len(hooks.take()); got != want {
			t.Errorf("%s: %d webhooks, want %d", body, got, want)
		}
	}
	s.do("DELETE", "/api/extras/event-rules/"+rule+"/", "").want(t, 204)
}

func TestAFailingReceiverGetsOneAttempt(t *testing.T) {
	t.Parallel()
	s := start(t, netboxtest.Options{})
	hooks := newReceiver(t)
	hooks.status = 503
	hooks.subscribe(s, `["netbox_hedgehog.vpc"]`, "null")
	s.do("POST", vpcs, vpc("a")).want(t, 201)
	hooks.wait(s)
	log := s.Deliveries()
	if len(hooks.take()) != 1 || len(log) != 1 || log[0].Status != 503 || log[0].Err == "" || log[0].ObjectID != 1 || log[0].Event != "created" {
		t.Errorf("%+v", log)
	}
}
