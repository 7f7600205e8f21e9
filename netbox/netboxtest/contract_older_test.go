package netboxtest_test

import (
	"strings"
	"testing"

	"github.com/hnp-sync/hnp-sync/netbox/netboxtest"
)

// TestContractOlderVersion replays what 4.6.8 answered differently.
func TestContractOlderVersion(t *testing.T) {
	t.Parallel()
	const dir = "hnp/exchanges/netbox-4.6.8/"
	r := newReplay(start(t, seedWith("4.6.8", fabric1)))
	// validation: ids 27 to 29 are the three that the recording had last.
	older := strings.Replace(string(r.s.Snapshot()), `"seq":{`, `"seq":{"netbox_hedgehog.vpc":26,`, 1)
	if err := r.s.Restore([]byte(older)); err != nil {
		t.Fatal(err)
	}
	r.s.do("POST", vpcs, "["+vpc("z3")+","+vpc("z1")+","+vpc("z2")+"]").want(t, 201)
	r.file(t, dir+"validation.json", 0, -1)

	r = newReplay(start(t, seedWith("4.6.8", fabric1)))
	hooks := newReceiver(t)
	hooks.subscribe(r.s, allTypes, "null")
	// The deletes answer a page under a rule that listens to them.
	r.s.do("POST", "/api/plugins/hedgehog/fabrics/"+omit, `[{"name":"f-2"},{"name":"f-3"},{"name":"f-4"},{"name":"f-5"},{"name":"f-6"}]`).want(t, 500)
	r.s.do("POST", externals+omit, `[{"fabric":1,"name":"e-1","spec":{"a":1}},{"fabric":1,"name":"e-2","spec":{"a":1}},{"fabric":1,"name":"e-3","spec":{"a":1}},{"fabric":1,"name":"e-4","spec":{"a":1}},{"fabric":1,"name":"e-5","spec":{"a":1}},{"fabric":1,"name":"e-6","spec":{"a":1}}]`).want(t, 500)
	r.file(t, dir+"writes_with_event_rule.json", 0, -1)

	r = newReplay(start(t, seedWith("4.6.8", fabric1)))
	hooks.subscribe(r.s, `["netbox_hedgehog.vpc"]`, "null")
	hooks.take()
	r.s.do("POST", vpcs, "["+vpc("x0")+","+vpc("x1")+"]").want(t, 201)
	hooks.wait(r.s)
	hooks.take()
	first, _ := r.s.ByName("VPC", "default", "x0")
	r.s.do("PATCH", vpcs+omit, `[{"id":1,"labels":{"p":"1"}},{"id":2,"labels":{"p":"1"}}]`, "If-Match", first.ETag).want(t, 412)
	r.s.do("POST", vpcs+omit, "["+vpc("new-1")+","+vpc("x0")+"]").want(t, 500)
	hooks.wait(r.s)
	if got := hooks.take(); len(got) != 2 || !strings.Contains(got[0].body, `"username": "admin", "request_id"`) {
		t.Errorf("%d phantom webhooks, measured 2", len(got))
	}
	if got, _ := r.s.ByName("VPC", "default", "x0"); got.ETag != first.ETag {
		t.Error("the refused bulk PATCH changed an object")
	}
	if _, ok := r.s.ByName("VPC", "default", "new-1"); ok {
		t.Error("the refused bulk POST created an object")
	}
	// Background requests are answered at once, as if the parameter were not there.
	r.s.do("PATCH", vpcs+"?background=true&omit=display_url", `[{"id":1,"labels":{"bg":"1"}}]`).want(t, 200)
	// 3 MB are accepted.
	r.s.do("POST", vpcs+omit, `{"fabric":1,"name":"big","spec":{"x":"`+strings.Repeat("y", 3000000)+`"}}`).want(t, 201)
	hooks.wait(r.s)
}

// TestContractOlderVersionRest replays the remaining exchanges that 4.6.8 answered
// differently, each from the state its recording had.
func TestContractOlderVersionRest(t *testing.T) {
	t.Parallel()
	const dir = "hnp/exchanges/netbox-4.6.8/"
	r := newReplay(start(t, seedWith("4.6.8", fabric1)))
	r.s.do("POST", vpcs, "["+vpc("c0")+","+vpc("c1")+","+vpc("c2")+"]").want(t, 201)
	r.file(t, dir+"concurrency.json", 0, -1)

	r = newReplay(start(t, seedWith("4.6.8", fabric1)))
	r.s.do("POST", externals+omit, `{"fabric":1,"name":"ext-1","spec":{"a":1}}`).want(t, 201)
	r.file(t, dir+"deletes.json", 0, -1)

	r = newReplay(start(t, seedWith("4.6.8", fabric1)))
	addCustomFields(t, r.s)
	r.s.do("POST", vpcs, `{"fabric":1,"name":"ev-1","spec":{"subnets":{"default":{"subnet":"10.0.2.0/24","vlan":1002}}},"labels":{"a":"1"}}`).want(t, 201)
	r.file(t, dir+"events.json", 0, -1)

	r = newReplay(start(t, seedWith("4.6.8", fabric1)))
	addCustomFields(t, r.s)
	r.file(t, dir+"extra.json", 0, -1)

	const limited = "nbt_LIMITED00000.x"
	o := seedWith("4.6.8", fabric1)
	o.Seed.Tokens[limited] = netboxtest.SeedToken{Username: "svc-limited", Permissions: []netboxtest.SeedPermission{{ObjectTypes: []string{"netbox_hedgehog.vpc"},
		Actions: []string{"view", "add", "change", "delete"}, Constraints: map[string]any{"name__startswith": "a-"}}}}
	r = newReplay(start(t, o))
	addCustomFields(t, r.s)
	r.s.do("POST", vpcs, "["+vpc("a-1")+","+vpc("a-2")+","+vpc("b-1")+"]").want(t, 201)
	r.tokens["permissions[0]"], r.tokens["permissions[1]"] = limited, limited
	r.file(t, dir+"permissions.json", 0, -1)
	if left := r.s.Objects("VPC"); len(left) != 2 || left[1].Name != "b-1" {
		t.Errorf("%+v", left)
	}
}
