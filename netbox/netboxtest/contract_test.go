package netboxtest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/netbox/netboxtest"
)

func seedWith(version string, fabrics ...netboxtest.SeedFabric) netboxtest.Options {
	return netboxtest.Options{Seed: &netboxtest.Seed{Version: version, Fabrics: fabrics, Tokens: map[string]netboxtest.SeedToken{adminToken: {Username: "admin"}}}}
}

var (
	fabric1 = netboxtest.SeedFabric{ID: 1, Name: "fabric-1"}
	fabric2 = netboxtest.SeedFabric{ID: 2, Name: "fabric-2"}
)

func TestContractFabricsAndLists(t *testing.T) {
	t.Parallel()
	r := newReplay(start(t, seedWith("")))
	r.file(t, "hnp/exchanges/fabric.json", 0, -1)
	r.file(t, "hnp/exchanges/create.json", 0, -1)
	r.file(t, "hnp/exchanges/lists.json", 0, -1)
	r.file(t, "hnp/exchanges/stubs.json", 0, -1)
}

func TestContractValidation(t *testing.T) {
	t.Parallel()
	r := newReplay(start(t, seedWith("", fabric1, fabric2)))
	r.tokens["validation[70]"] = "nbt_WRONG0000000.wrong"
	r.file(t, "hnp/exchanges/validation.json", 0, -1)
	r.file(t, "hnp/exchanges/filters.json", 0, -1)
}

func TestContractConcurrency(t *testing.T) {
	t.Parallel()
	r := newReplay(start(t, seedWith("", fabric1)))
	r.before["concurrency[27]"] = func() { // its tag came from a request that was not recorded
		o, _ := r.s.ByName("VPC", "default", "c2")
		r.learn("2026-11-23T13:16:20.605812Z", o.LastUpdated)
	}
	r.file(t, "hnp/exchanges/concurrency.json", 0, -1)
}

var allTypes = `["netbox_hedgehog.hedgehogfabric","netbox_hedgehog.vpc","netbox_hedgehog.external","netbox_hedgehog.externalattachment","netbox_hedgehog.externalpeering",` +
	`"netbox_hedgehog.ipv4namespace","netbox_hedgehog.vpcattachment","netbox_hedgehog.vpcpeering","netbox_hedgehog.connection","netbox_hedgehog.server","netbox_hedgehog.switch",` +
	`"netbox_hedgehog.switchgroup","netbox_hedgehog.vlannamespace"]`

// addCustomFields makes the fields that the recorded NetBox had.
func addCustomFields(t *testing.T, s *server) {
	t.Helper()
	s.do("POST", "/api/extras/custom-fields/", `{"name":"hh_managed_file_path","label":"File","type":"text","group_name":"GitOps","object_types":`+allTypes+`}`).want(t, 201)
	s.do("POST", "/api/extras/custom-fields/", `{"name":"hh_conflict_details","type":"json","object_types":["netbox_hedgehog.vpc"]}`).want(t, 201)
	set := s.do("POST", "/api/extras/custom-field-choice-sets/", `{"name":"hh_conflict_status","extra_choices":[["none","None"],["detected","Detected"],["resolved","Resolved"]]}`).want(t, 201)
	s.do("POST", "/api/extras/custom-fields/", `{"name":"hh_conflict_status","type":"select","object_types":["netbox_hedgehog.vpc"],"choice_set":`+fmt.Sprint(set.json(t)["id"])+`}`).want(t, 201)
	s.do("POST", "/api/extras/tags/", `{"name":"gitops-conflict","slug":"gitops-conflict","color":"f44336"}`).want(t, 201)
	s.do("POST", "/api/extras/tags/", `{"name":"human","slug":"human","color":"00ff00"}`).want(t, 201)
}

func TestContractEmptySpec(t *testing.T) {
	t.Parallel()
	r := newReplay(start(t, seedWith("", fabric1)))
	addCustomFields(t, r.s)
	r.file(t, "hnp/exchanges/empty_spec.json", 0, -1)
}

func TestContractLoad(t *testing.T) {
	t.Parallel()
	r := newReplay(start(t, seedWith("", fabric1)))
	addCustomFields(t, r.s)
	r.file(t, "hnp/exchanges/prepop_load.json", 0, 4)
	r = newReplay(start(t, seedWith("", fabric1))) // the tables were emptied in between
	addCustomFields(t, r.s)
	r.file(t, "hnp/exchanges/prepop_load.json", 4, -1)
	r.file(t, "hnp/exchanges/prepop_lists.json", 0, -1)
}

func TestContractPaging(t *testing.T) {
	t.Parallel()
	r := newReplay(start(t, seedWith("", fabric1)))
	var items []string
	for i := range 1205 {
		items = append(items, vpc(fmt.Sprintf("p-%d", i)))
	}
	r.s.do("POST", vpcs+"?fields=id,fabric,name,spec", "["+strings.Join(items, ",")+"]").want(t, 201)
	for _, e := range loadExchanges(t, "hnp/exchanges/paging_1205_rows.json") {
		a := r.s.do(e.Request.Method, e.Request.Path, "").want(t, e.Response.Status)
		want := strings.ReplaceAll(e.Response.Trimmed, recordedHost, r.s.url)
		if !strings.HasPrefix(a.body, want) {
			t.Errorf("%s: %.300s, recorded %s", e.Name, a.body, want)
		}
	}
}

func TestContractEvents(t *testing.T) {
	t.Parallel()
	r := newReplay(recordedServer(t))
	r.file(t, "hnp/exchanges/plumbing.json", 0, -1)
	r.file(t, "hnp/exchanges/events.json", 0, 21)
	r.file(t, "hnp/exchanges/journal.json", 0, -1)
	r.file(t, "hnp/exchanges/object_changes.json", 0, -1)
	r.before["events[22]"] = func() {
		if err := r.s.QuerysetUpdate("VPC", 5, "spec", map[string]any{"k8s": "written"}); err != nil {
			t.Fatal(err)
		}
	}
	r.file(t, "hnp/exchanges/events.json", 21, -1)
}

// recordedServer is at the point where the recording of events begins: the
// sequences had been used before, the fabric holds a secret, it is 13:18.
func recordedServer(t *testing.T) *server {
	t.Helper()
	o := seedWith("", netboxtest.SeedFabric{ID: 1, Name: "fabric-1", KubernetesToken: "dummy-k8s-token"})
	o.Clock = func() time.Time { return time.Date(2026, 11, 23, 13, 18, 0, 1000, time.UTC) }
	s := start(t, o)
	older := strings.Replace(string(s.Snapshot()), `"seq":{`, `"seq":{"core.objectchange":2,"extras.customfield":11,"extras.eventrule":1,"extras.webhook":1,`, 1)
	if err := s.Restore([]byte(older)); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestContractWriteMatrix replays 13 routes x 15 operations with and without an
// event rule on every type and compares what the table held afterwards and how
// many webhooks came.
func TestContractWriteMatrix(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile(contractDir + "hnp/write_matrix.json")
	if err != nil {
		t.Fatal(err)
	}
	var matrix map[string]json.RawMessage
	if err := json.Unmarshal(src, &matrix); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"no_event_rule", "with_event_rule"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			var want map[string]map[string]string
			if err := json.Unmarshal(matrix[mode], &want); err != nil {
				t.Fatal(err)
			}
			r := newReplay(start(t, seedWith("", fabric1)))
			hooks := newReceiver(t)
			if mode == "with_event_rule" {
				hooks.subscribe(r.s, allTypes, "null")
			}
			seen := 0
			for i, e := range loadExchanges(t, "hnp/exchanges/writes_"+mode+".json") {
				kind, op, _ := strings.Cut(e.Name, ": ")
				cell, ok := want[kind][op]
				if !ok {
					t.Fatalf("%s is not in the matrix", e.Name)
				}
				seen++
				r.one(t, r.s, fmt.Sprintf("%s[%d] %s", mode, i, e.Name), e, false)
				hooks.wait(r.s)
				got := strings.SplitN(cell, " db=", 2)[0] + fmt.Sprintf(" db=%v", stored(t, r.s, e))
				if mode == "with_event_rule" {
					got += fmt.Sprintf(" hooks=%d", len(hooks.take()))
				}
				if got != cell {
					t.Errorf("%s: %s, measured %s", e.Name, got, cell)
				}
			}
			cells := 0
			for _, ops := range want {
				cells += len(ops)
			}
			if cells != seen {
				t.Errorf("%d of %d cells replayed", seen, cells)
			}
		})
	}
}

// stored is what the matrix calls db: the number of rows with the name a request
// names, or the label or description its object holds.
func stored(t *testing.T, s *server, e exchange) any {
	t.Helper()
	path, _, _ := strings.Cut(e.Request.Path, "?")
	parts := strings.Split(strings.Trim(path, "/"), "/")
	route := parts[3]
	list := s.do("GET", "/api/plugins/hedgehog/"+route+"/?ordering=id&limit=1000&fields=id,name,labels,description", "").want(t, 200).json(t)["results"].([]any)
	var item map[string]any
	if body := decodeBody(t, e.Request.Body); body != nil {
		item = body
	} else {
		item = map[string]any{}
	}
	id := fmt.Sprint(item["id"])
	if len(parts) == 5 {
		id = parts[4]
	}
	count := 0
	for _, x := range list {
		o := x.(map[string]any)
		if e.Request.Method == "POST" && o["name"] == item["name"] || e.Request.Method == "DELETE" && fmt.Sprint(o["id"]) == id {
			count++
		}
		if (e.Request.Method == "PATCH" || e.Request.Method == "PUT") && fmt.Sprint(o["id"]) == id {
			if labels, ok := o["labels"].(map[string]any); ok {
				return labels["v"]
			}
			return o["description"]
		}
	}
	return count
}

func decodeBody(t *testing.T, raw json.RawMessage) map[string]any {
	t.Helper()
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	switch v := decode(t, string(raw)).(type) {
	case map[string]any:
		return v
	case []any:
		return v[0].(map[string]any)
	}
	return nil
}

func TestContractExtra(t *testing.T) {
	t.Parallel()
	r := newReplay(start(t, seedWith("", fabric1, fabric2)))
	addCustomFields(t, r.s)
	hooks := newReceiver(t)
	hooks.subscribe(r.s, `["netbox_hedgehog.vpc"]`, "null")
	var rule string
	r.before["extra[7]"] = func() {
		rule = hooks.subscribe(r.s, `["netbox_hedgehog.external"]`, "null")
		r.s.do("PATCH", "/api/extras/event-rules/"+rule+"/", `{"enabled":false}`).want(t, 200)
	}
	r.before["extra[8]"] = func() {
		r.s.do("PATCH", "/api/extras/event-rules/"+rule+"/", `{"enabled":true,"conditions":{"attr":"name","value":"never"}}`).want(t, 200)
	}
	r.before["extra[9]"] = func() {
		r.s.do("PATCH", "/api/extras/event-rules/"+rule+"/", `{"conditions":null,"event_types":["object_deleted"]}`).want(t, 200)
	}
	r.before["extra[20]"] = func() { // what the recording's race of two PATCHes had left
		r.s.do("PATCH", vpcs+"2/"+omit, `{"labels":{"race":"2"}}`).want(t, 200)
	}
	r.file(t, "hnp/exchanges/extra.json", 0, 4)
	hooks.wait(r.s)
	// Four creates and two deletes; the refused bulk PATCH sent nothing (4.6 did).
	if got := len(hooks.take()); got != 6 {
		t.Errorf("%d webhooks, want 6", got)
	}
	r.file(t, "hnp/exchanges/extra.json", 4, 6)
	hooks.wait(r.s)
	if got := len(hooks.take()); got != 0 {
		t.Errorf("%d webhooks for rolled back creates, want 0", got)
	}
	r.file(t, "hnp/exchanges/extra.json", 6, -1)
	hooks.wait(r.s)
}

func TestContractTags(t *testing.T) {
	t.Parallel()
	r := newReplay(start(t, seedWith("", fabric1)))
	addCustomFields(t, r.s)
	r.s.do("POST", "/api/extras/tags/", `[{"name":"t-a","slug":"t-a"},{"name":"t-b","slug":"t-b"}]`).want(t, 201)
	r.s.do("POST", "/api/plugins/hedgehog/servers/"+omit, `{"fabric":1,"name":"server-01","spec":{"description":"S-01 MCLAG leaf-01 leaf-02"}}`).want(t, 201)
	r.file(t, "hnp/exchanges/extra2.json", 0, -1)
}

func TestContractDeletes(t *testing.T) {
	t.Parallel()
	r := newReplay(start(t, seedWith("", fabric1)))
	addCustomFields(t, r.s)
	r.s.do("POST", externals+omit, `{"fabric":1,"name":"ext-1","spec":{"ipv4Namespace":"default","inboundCommunity":"65102:5000","outboundCommunity":"50000:50001"},"tags":[{"slug":"human"}]}`).want(t, 201)
	r.file(t, "hnp/exchanges/deletes.json", 0, -1)
}

func TestContractPermissions(t *testing.T) {
	t.Parallel()
	const limited, readOnly, viewer, nobody = "nbt_LIMITED00000.x", "nbt_READONLY0000.x", "nbt_VIEWER000000.x", "nbt_NOBODY000000.x"
	no := false
	crud := []string{"view", "add", "change", "delete"}
	vpcOnly := []netboxtest.SeedPermission{{ObjectTypes: []string{"netbox_hedgehog.vpc"}, Actions: crud, Constraints: map[string]any{"name__startswith": "a-"}}}
	o := seedWith("", netboxtest.SeedFabric{ID: 1, Name: "fabric-1", KubernetesToken: "dummy-k8s-token"})
	o.Seed.Tokens[limited] = netboxtest.SeedToken{Username: "svc-limited", Permissions: vpcOnly}
	o.Seed.Tokens[readOnly] = netboxtest.SeedToken{Username: "svc-limited", Permissions: []netboxtest.SeedPermission{}, WriteEnabled: &no}
	o.Seed.Tokens[nobody] = netboxtest.SeedToken{Username: "nobody", Permissions: []netboxtest.SeedPermission{}}
	o.Seed.Tokens[viewer] = netboxtest.SeedToken{Username: "viewer", Permissions: []netboxtest.SeedPermission{{ObjectTypes: []string{"netbox_hedgehog.vpc", "netbox_hedgehog.hedgehogfabric"}, Actions: []string{"view"}}}}
	r := newReplay(start(t, o))
	addCustomFields(t, r.s)
	r.s.do("POST", vpcs, "["+vpc("a-1")+","+vpc("a-2")+","+vpc("b-1")+"]").want(t, 201)
	for i := 1; i < 8; i++ {
		r.tokens[key("permissions", i)] = nobody
	}
	for i := 9; i < 20; i++ {
		r.tokens[key("permissions", i)] = limited
	}
	for i := 20; i < 22; i++ {
		r.tokens[key("permissions", i)] = readOnly
	}
	r.tokens["permissions[22]"] = limited
	for i := 23; i < 28; i++ {
		r.tokens[key("permissions", i)] = viewer
	}
	r.file(t, "hnp/exchanges/permissions.json", 0, -1)
}

// TestContractCore replays what was recorded on core models: bulk writes of tags
// and the setup of webhooks and event rules.
func TestContractCore(t *testing.T) {
	t.Parallel()
	r := newReplay(start(t, seedWith("", fabric1)))
	r.before["4.7.3-bulk[21]"] = func() { // its tags are those the background PATCH left
		for id, recorded := range map[string]string{"1": "2026-11-23T13:06:23.728839", "2": "2026-11-23T13:06:23.736527"} {
			r.learn(recorded, r.s.do("GET", "/api/extras/tags/"+id+"/", "").want(t, 200).header.Get("ETag"))
		}
	}
	r.file(t, "netbox/exchanges/4.7.3-bulk.json", 0, -1)

	r = newReplay(start(t, seedWith("", fabric1)))
	core := loadExchanges(t, "netbox/exchanges/4.7.3-webhooks-setup.json")
	for i, e := range core {
		// dcim.site is not modelled; another type stands in for it.
		core[i].Request.Body = json.RawMessage(strings.ReplaceAll(string(e.Request.Body), "dcim.site", "extras.webhook"))
		core[i].Response.Body = json.RawMessage(strings.ReplaceAll(string(e.Response.Body), "dcim.site", "extras.webhook"))
		if _, differs := differences[key("netbox/exchanges/4.7.3-webhooks-setup.json", i)]; !differs {
			r.one(t, r.s, e.Name, core[i], false)
		}
	}
	a := r.s.do("POST", "/api/extras/event-rules/", `{"name":"badop","object_types":["netbox_hedgehog.vpc"],"event_types":["object_updated"],"action_type":"webhook",`+
		`"action_object_type":"extras.webhook","action_object_id":1,"conditions":{"attr":"spec","op":"nope","value":1}}`)
	bad := loadExchanges(t, "netbox/exchanges/4.7.3-webhooks-conditions.json")[1]
	if a.status != bad.Response.Status {
		t.Errorf("bad operator: %d", a.status)
	}
	r.compare(t, "bad operator", "", decode(t, string(bad.Response.Body)), decode(t, a.body))
}

// TestContractETag replays what was recorded on dcim.site against tags: the rules
// are those of every model, so statuses and entity tags are compared.
func TestContractETag(t *testing.T) {
	t.Parallel()
	r := newReplay(start(t, seedWith("", fabric1)))
	for i, e := range loadExchanges(t, "netbox/exchanges/4.7.3-etag-if-match.json") {
		e.Request.Path = strings.NewReplacer("dcim/sites", "extras/tags", "dcim.site", "extras.tag").Replace(e.Request.Path)
		r.one(t, r.s, key("4.7.3-etag-if-match", i)+" "+e.Name, e, true)
	}
}
