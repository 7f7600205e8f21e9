package gitops

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// planInput is n settled resources of a realistic size, two thirds of them connections with four links, of which the
// first changes are edited: alternately in Git and in NetBox.
func planInput(t testing.TB, n, changes int) *Input {
	t.Helper()
	f := DefaultFabric()
	f.Name, f.Guard = "f", GuardPolicy{MaxChange: n, MaxDelete: n}
	in := &Input{Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), State: NewState(), Fabric: &f}
	in.State.Contact = true
	snap := &GitSnapshot{Head: "h", DirTree: "t", Entries: []TreeEntry{{Path: Marker, Mode: "100644", Data: []byte("1\n")}}}
	listings := map[string]*Listing{"VPC": {}, "Connection": {}}
	for i := range n {
		key := fmt.Sprintf("connection/c%05d", i)
		if i%3 == 0 {
			key = fmt.Sprintf("vpc/v%05d", i)
		}
		body := planBody(i)
		k := keyOf(t, key)
		text, err := manifests.Render(newDocument(kindOf(k), k, body))
		if err != nil {
			t.Fatal(err)
		}
		base := comparableBody(body)
		res := &Resource{Key: k, Exists: true, Git: base, NetBox: base, PK: int64(i + 1), LastUpdated: "2026-01-01T00:00:00.000000+00:00",
			File: DefaultPath("", kindOf(k), k), State: "in_sync"}
		in.State.Resources[k] = res
		o := NetBoxObject{PK: res.PK, Key: k, Body: planBody(i), LastUpdated: res.LastUpdated, AutoSync: true}
		if i < changes {
			edited := withPath(kindOf(k), any(map[string]any(base)), Path{{Name: "spec"}, {Name: "changed"}}, "yes").(map[string]any)
			if i%2 == 0 {
				o.Body = edited
			} else if text, err = manifests.Render(newDocument(kindOf(k), k, edited)); err != nil {
				t.Fatal(err)
			}
		}
		listings[k.Kind].Objects = append(listings[k.Kind].Objects, o)
		snap.Entries = append(snap.Entries, TreeEntry{Path: res.File, Mode: "100644", OID: blobID(string(text)), Data: text, Size: int64(len(text))})
	}
	in.Git = ViewGit(snap, &f, func(file string, e *TreeEntry) (*manifests.File, []manifests.Diagnostic) {
		return manifests.Parse(file, e.Data)
	})
	in.NetBox = ViewNetBox(listings)
	return in
}

func planBody(i int) manifests.Object {
	spec := map[string]any{}
	if i%3 == 0 {
		spec["ipv4Namespace"], spec["vlanNamespace"] = "default", "default"
		subnets := map[string]any{}
		for s := range 3 {
			subnets[fmt.Sprintf("subnet-%d", s)] = map[string]any{"subnet": fmt.Sprintf("10.%d.%d.0/24", i%250, s), "gateway": fmt.Sprintf("10.%d.%d.1", i%250, s),
				"vlan": json.Number(fmt.Sprint(1000 + i)), "dhcp": map[string]any{"enable": true, "range": map[string]any{"start": "10.0.0.10"}}}
		}
		spec["subnets"] = subnets
	} else {
		var links []any
		for l := range 4 {
			links = append(links, map[string]any{"server": map[string]any{"port": fmt.Sprintf("server-%d/enp2s%d", i, l)}, "switch": map[string]any{"port": fmt.Sprintf("leaf-%d/E1/%d", i, l)}})
		}
		spec["mclag"] = map[string]any{"links": links, "mtu": json.Number("9036")}
	}
	return manifests.Object{"spec": spec, "metadata": map[string]any{"labels": map[string]any{"team": "network", "rack": fmt.Sprint(i % 40)}, "annotations": map[string]any{}}}
}

// BenchmarkPlan is the budget of a plan: 10,000 resources under half a second. Reading YAML is not in it: parsed files
// are kept by object id.
func BenchmarkPlan(b *testing.B) {
	for _, n := range []int{500, 5_000, 10_000} {
		for _, changes := range []int{0, 500} {
			b.Run(fmt.Sprintf("%d/%d changed", n, changes), func(b *testing.B) {
				in := planInput(b, n, changes)
				b.ReportAllocs()
				b.ResetTimer()
				var pl *Plan
				for b.Loop() {
					pl = MakePlan(in)
				}
				if len(pl.Actions) != changes || len(pl.Conflicts)+len(pl.Frozen)+len(pl.Waiting.Actions) > 0 {
					b.Fatalf("%d actions, %d conflicts, %d frozen, %d waiting", len(pl.Actions), len(pl.Conflicts), len(pl.Frozen), len(pl.Waiting.Actions))
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/resource")
			})
		}
	}
}

// A plan's work grows with the number of resources, not faster. Allocations tell it without a clock: eight times as many
// resources may cost a little more than eight times as much, because maps and slices grow in steps.
func TestPlanGrowsLinearly(t *testing.T) {
	for _, all := range []int{0, 1} {
		small, large := planInput(t, 50, 50*all), planInput(t, 400, 400*all)
		a := testing.AllocsPerRun(3, func() { MakePlan(small) })
		b := testing.AllocsPerRun(3, func() { MakePlan(large) })
		if b > 10*a {
			t.Errorf("50 resources take %.0f allocations, 400 take %.0f (changed: %d)", a, b, all)
		}
	}
}
