package handlers

import (
	"reflect"
	"testing"
	"time"
)

// world is Knowledge as tables.
type world struct {
	followers     []Follower
	defaultBranch string
	unknown       bool
	unconfigured  bool
	holdings      []Holding
}

func (w world) Followers(int64, string) ([]Follower, string, bool) {
	return w.followers, w.defaultBranch, !w.unknown
}
func (w world) Configured(int64) bool                    { return !w.unconfigured }
func (w world) Holdings(string, string, int64) []Holding { return w.holdings }

func TestDecidePush(t *testing.T) {
	t.Parallel()
	const head = "6dcb09b5b57875f334f61aebed695e2e4193db5e"
	const older = "1111111111111111111111111111111111111111"
	push := Delivery{Source: "github", Event: "push", RepositoryID: 12, Ref: "refs/heads/main", After: head}
	with := func(change func(*Delivery)) Delivery { d := push; change(&d); return d }
	cases := map[string]struct {
		d    Delivery
		w    world
		want Decision
	}{
		"a new head triggers its fabrics": {push, world{followers: []Follower{{Fabric: 1, Head: older}, {Fabric: 2}}, defaultBranch: "main"},
			Decision{Fabrics: []int64{1, 2}, Reason: "push to main"}},
		"the confirmed head is an echo": {push, world{followers: []Follower{{Fabric: 1, Head: head}}, defaultBranch: "main"},
			Decision{Reason: "push to main"}},
		"only the fabric that has not seen it": {push, world{followers: []Follower{{Fabric: 1, Head: head}, {Fabric: 2, Head: older}}, defaultBranch: "main"},
			Decision{Fabrics: []int64{2}, Reason: "push to main"}},
		"during a cycle it waits for the end": {push, world{followers: []Follower{{Fabric: 1, Head: head, Busy: true}}, defaultBranch: "main"},
			Decision{Wait: []int64{1}, Reason: "push to main"}},
		"the sender never makes an echo": {with(func(d *Delivery) { d.Sender = "hnp-sync[bot]" }), world{followers: []Follower{{Fabric: 1, Head: older}}, defaultBranch: "main"},
			Decision{Fabrics: []int64{1}, Reason: "push to main"}},
		"a tag is nothing":            {with(func(d *Delivery) { d.Ref = "refs/tags/v1" }), world{followers: []Follower{{Fabric: 1}}}, Decision{Reason: "a tag"}},
		"a branch nobody follows":     {with(func(d *Delivery) { d.Ref = "refs/heads/x" }), world{defaultBranch: "main"}, Decision{Reason: "push to x"}},
		"the configuration is listed": {with(func(d *Delivery) { d.Action = ActionConfiguration }), world{followers: []Follower{{Fabric: 1}}, defaultBranch: "main"}, Decision{Fabrics: []int64{1}, Repository: 12, Reason: "push to main"}},
		"no configuration yet":        {push, world{defaultBranch: "main", unconfigured: true}, Decision{Repository: 12, Reason: "push to main"}},
		"a repository never seen":     {push, world{unknown: true}, Decision{Installations: true, Reason: "push to main"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Decide(c.d, c.w); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestDecideNetBox(t *testing.T) {
	t.Parallel()
	const at = "2026-11-23T13:17:48.280540+00:00"
	const before = "2026-11-23T13:17:40.000000+00:00"
	listed := received.Add(-time.Minute)
	hook := func(event string) Delivery {
		return Delivery{Source: "netbox:default", Event: event, ObjectType: "netbox_hedgehog.vpc", ObjectID: 7, LastUpdated: at, ReceivedAt: received}
	}
	cases := map[string]struct {
		event    string
		holdings []Holding
		fabrics  []int64
		wait     []int64
	}{
		"update of what we hold is an echo":                  {"updated", []Holding{{Fabric: 1, Listed: listed, Present: true, LastUpdated: at}}, nil, nil},
		"create of what our answer held is an echo":          {"created", []Holding{{Fabric: 1, Present: true, LastUpdated: at}}, nil, nil},
		"update of another state":                            {"updated", []Holding{{Fabric: 1, Listed: listed, Present: true, LastUpdated: before}}, []int64{1}, nil},
		"create of an object nobody holds":                   {"created", []Holding{{Fabric: 1, Listed: listed}, {Fabric: 2, Listed: listed}}, []int64{1, 2}, nil},
		"only the fabric that holds it":                      {"updated", []Holding{{Fabric: 1, Listed: listed}, {Fabric: 2, Present: true, LastUpdated: before}}, []int64{2}, nil},
		"delete of what we hold, though last_updated equals": {"deleted", []Holding{{Fabric: 1, Listed: listed, Present: true, LastUpdated: at}}, []int64{1}, nil},
		"delete of what the last listing lacked is an echo":  {"deleted", []Holding{{Fabric: 1, Listed: listed}}, nil, nil},
		"delete before any listing":                          {"deleted", []Holding{{Fabric: 1}}, []int64{1}, nil},
		"delete known to one fabric, unknown to another":     {"deleted", []Holding{{Fabric: 1, Listed: listed}, {Fabric: 2}}, []int64{2}, nil},
		"a listing asked for later has seen it":              {"updated", []Holding{{Fabric: 1, Listed: received.Add(time.Second), Present: true, LastUpdated: "2026-11-23T13:17:50+00:00"}}, nil, nil},
		"during a cycle it waits for the end":                {"updated", []Holding{{Fabric: 1, Busy: true, Present: true, LastUpdated: before}}, nil, []int64{1}},
		"a cycle of a fabric that does not hold it":          {"updated", []Holding{{Fabric: 1, Busy: true}, {Fabric: 2, Present: true, LastUpdated: before}}, []int64{2}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Decide(hook(c.event), world{holdings: c.holdings})
			if !reflect.DeepEqual(got.Fabrics, c.fabrics) || !reflect.DeepEqual(got.Wait, c.wait) {
				t.Errorf("fabrics %v wait %v, want %v %v", got.Fabrics, got.Wait, c.fabrics, c.wait)
			}
		})
	}
	other := Decide(Delivery{Source: "netbox:default", Event: "updated", ObjectType: "dcim.site", ObjectID: 1}, world{holdings: []Holding{{Fabric: 1}}})
	if len(other.Fabrics) != 0 {
		t.Errorf("a type that is none of the kinds triggered %v", other.Fabrics)
	}
	fabric := Decide(Delivery{Source: "netbox:default", Event: "created", ObjectType: "netbox_hedgehog.hedgehogfabric", ObjectID: 1}, world{})
	if !fabric.Installations {
		t.Error("a new NetBox fabric does not read the configurations again")
	}
}
