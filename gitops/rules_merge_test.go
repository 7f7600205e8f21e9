package gitops

import (
	"slices"
	"strings"
	"testing"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// mergeCase is one resource merged three ways: base is on both sides, then each side becomes what the row says. Want is
// what both sides hold in the end; with conflicts it is what each side is left with outside of them, empty when that
// is not looked at. Conflicts are the paths held open, with their codes.
type mergeCase struct {
	key               string
	base, git, netbox string
	want              string
	conflicts         []string
	code              ConflictCode
}

func (c mergeCase) run(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	if c.key == "" {
		c.key = "vpc/a"
	}
	s.both(doc(c.key, c.base))
	k := keyOf(t, c.key)
	s.gitPush(DefaultPath("", kindOf(k), k), doc(c.key, c.git))
	old := s.nbRow(c.key)
	n := *old
	n.Body = manifests.Object{"spec": orEmpty(s.parsed(doc(c.key, c.netbox)).Object["spec"]), "metadata": old.Body["metadata"]}
	n.LastUpdated = s.etag()
	s.rows[n.PK] = &n
	s.row("update", n.PK, old, &n, "", "person")
	s.settled()
	var open []string
	for _, o := range s.ledger.Conflicts {
		open = append(open, o.Path)
		if c.code != "" && o.Code != c.code {
			s.fail("%s is %s, want %s", o.Path, o.Code, c.code)
		}
	}
	slices.Sort(open)
	if !slices.Equal(open, c.conflicts) {
		s.fail("conflicts at %q, want %q", open, c.conflicts)
	}
	if len(c.conflicts) == 0 {
		want := comparableBody(s.parsed(doc(c.key, c.want)).Object)
		for _, side := range []Side{SideGit, SideNetBox} {
			if !same(kindOf(k), nil, any(comparableBody(s.document(side, k))), any(want)) {
				s.fail("%s is not what was wanted: %s", sideName(side), c.want)
			}
		}
		s.wantInSync()
	} else {
		s.wantSilence()
	}
}

func TestRule6Merge(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]mergeCase{
		"ENGINE 6: changed in Git is copied":                     {base: "{mode: 1}", git: "{mode: 2}", netbox: "{mode: 1}", want: "{mode: 2}"},
		"ENGINE 6: changed in NetBox is copied":                  {base: "{mode: 1}", git: "{mode: 1}", netbox: "{mode: 2}", want: "{mode: 2}"},
		"ENGINE 6: different fields changed on both sides merge": {base: "{mode: 1, vrf: 1}", git: "{mode: 2, vrf: 1}", netbox: "{mode: 1, vrf: 2}", want: "{mode: 2, vrf: 2}"},
		"ENGINE 6: both changed alike is base":                   {base: "{mode: 1}", git: "{mode: 2}", netbox: "{mode: 2}", want: "{mode: 2}"},
		"ENGINE 6: both changed differently is a conflict at that path": {base: "{mode: 1, vrf: 1}", git: "{mode: 2, vrf: 2}", netbox: "{mode: 3, vrf: 1}",
			conflicts: []string{"spec.mode"}, code: ConcurrentModification},
		"ENGINE 6: different parts of one map merge": {base: "{subnets: {p: {vlan: 1, gateway: 1}}}", git: "{subnets: {p: {vlan: 2, gateway: 1}}}",
			netbox: "{subnets: {p: {vlan: 1, gateway: 2}}}", want: "{subnets: {p: {vlan: 2, gateway: 2}}}"},
		"ENGINE 6: maps added on both sides merge": {base: "{mode: 1}", git: "{mode: 1, subnets: {p: {vlan: 1}}}", netbox: "{mode: 1, subnets: {q: {vlan: 2}}}",
			want: "{mode: 1, subnets: {p: {vlan: 1}, q: {vlan: 2}}}"},
		"ENGINE 6: a map added on both sides with another value": {base: "{mode: 1}", git: "{mode: 1, subnets: {p: {vlan: 1}}}", netbox: "{mode: 1, subnets: {p: {vlan: 2}}}",
			conflicts: []string{"spec.subnets.p.vlan"}, code: ConcurrentModification},
		"ENGINE 6: a map removed in Git and edited inside in NetBox is one conflict at the removed path": {base: "{subnets: {p: {vlan: 1, gateway: 1}, q: {vlan: 2}}}",
			git: "{subnets: {q: {vlan: 2}}}", netbox: "{subnets: {p: {vlan: 5, gateway: 6}, q: {vlan: 2}}}", conflicts: []string{"spec.subnets.p"}, code: DeleteEdit},
		"ENGINE 6: a map removed in NetBox and edited inside in Git is one conflict at the removed path": {base: "{subnets: {p: {vlan: 1, gateway: 1}, q: {vlan: 2}}}",
			git: "{subnets: {p: {vlan: 5, gateway: 6}, q: {vlan: 2}}}", netbox: "{subnets: {q: {vlan: 2}}}", conflicts: []string{"spec.subnets.p"}, code: DeleteEdit},
		"ENGINE 6: a map removed on one side and untouched on the other is removed": {base: "{subnets: {p: {vlan: 1}, q: {vlan: 2}}}", git: "{subnets: {q: {vlan: 2}}}",
			netbox: "{subnets: {p: {vlan: 1}, q: {vlan: 2}}}", want: "{subnets: {q: {vlan: 2}}}"},
		"ENGINE 6: a map removed on both sides is removed": {base: "{subnets: {p: {vlan: 1}, q: {vlan: 2}}}", git: "{subnets: {q: {vlan: 2}}}", netbox: "{subnets: {q: {vlan: 2}}}",
			want: "{subnets: {q: {vlan: 2}}}"},
		"ENGINE 6: an outer map removed while an inner field changed": {base: "{subnets: {p: {vlan: 1}}}", git: "{}", netbox: "{subnets: {p: {vlan: 2}}}",
			conflicts: []string{"spec.subnets"}, code: DeleteEdit},
		"ENGINE 6: a scalar became a map on one side and changed on the other": {base: "{mode: 1}", git: "{mode: {x: 1}}", netbox: "{mode: 2}",
			conflicts: []string{"spec.mode"}, code: ConcurrentModification},
		"ENGINE 6: a scalar became a map on one side only": {base: "{mode: 1}", git: "{mode: {x: 1}}", netbox: "{mode: 1}", want: "{mode: {x: 1}}"},
		"ENGINE 6: a field renamed on one side, another edited on the other": {base: "{mode: 1, vrf: 1}", git: "{mode2: 1, vrf: 1}", netbox: "{mode: 1, vrf: 2}",
			want: "{mode2: 1, vrf: 2}"},
		"ENGINE 6: text is one field": {base: "{description: a b}", git: "{description: a c}", netbox: "{description: d b}",
			conflicts: []string{"spec.description"}, code: ConcurrentModification},
	} {
		t.Run(name, c.run)
	}
}

// Ports are the keys of links: a link that moves is one that goes and one that comes.
func TestRule7KeyedLists(t *testing.T) {
	t.Parallel()
	link := func(server, leaf string, more ...string) string {
		return "{server: {port: " + server + "}, switch: {port: " + leaf + strings.Join(more, "") + "}}"
	}
	bundle := func(links ...string) string { return "{bundled: {links: [" + strings.Join(links, ", ") + "]}}" }
	one, two := link("s/1", "l1/1"), link("s/2", "l2/1")
	three, four := link("s/3", "l1/3"), link("s/4", "l2/4")
	acl := func(statements ...string) string {
		return "{inboundACL: {statements: [" + strings.Join(statements, ", ") + "]}}"
	}
	const links = "spec.bundled.links"
	for name, c := range map[string]mergeCase{
		"ENGINE 7: items added on both sides are both there":       {key: "connection/c", base: bundle(one), git: bundle(one, three), netbox: bundle(one, four), want: bundle(one, three, four)},
		"ENGINE 7: items added alike on both sides are there once": {key: "connection/c", base: bundle(one), git: bundle(one, three), netbox: bundle(three, one), want: bundle(one, three)},
		"ENGINE 7: fields of different items merge": {key: "connection/c", base: bundle(one, two), git: bundle(link("s/1", "l1/1", ", x: 1"), two),
			netbox: bundle(one, link("s/2", "l2/1", ", x: 2")), want: bundle(link("s/1", "l1/1", ", x: 1"), link("s/2", "l2/1", ", x: 2"))},
		"ENGINE 7: different fields of one item merge": {key: "connection/c", base: bundle(one), git: bundle(link("s/1", "l1/1", ", x: 1")),
			netbox: bundle(link("s/1", "l1/1", ", y: 2")), want: bundle(link("s/1", "l1/1", ", x: 1, y: 2"))},
		"ENGINE 7: one field of one item is a conflict there": {key: "connection/c", base: bundle(one), git: bundle(link("s/1", "l1/1", ", x: 1")),
			netbox: bundle(link("s/1", "l1/1", ", x: 2")), conflicts: []string{links + `["s/1,l1/1"].switch.x`}, code: ConcurrentModification},
		"ENGINE 7: removed on one side, added on the other":                   {key: "connection/c", base: bundle(one, two), git: bundle(two), netbox: bundle(one, two, three), want: bundle(two, three)},
		"ENGINE 7: both remove the same item":                                 {key: "connection/c", base: bundle(one, two), git: bundle(two), netbox: bundle(two), want: bundle(two)},
		"ENGINE 7: both remove the same item and one of them another one too": {key: "connection/c", base: bundle(one, two, three), git: bundle(two), netbox: bundle(two, three), want: bundle(two)},
		"ENGINE 7(a): one link moved to different ports on each side does not become two": {key: "connection/c", base: bundle(one, two), git: bundle(link("s/1", "l1/9"), two),
			netbox: bundle(link("s/9", "l1/1"), two), conflicts: []string{links}, code: ConcurrentModification},
		"ENGINE 7(a): one link moved in Git and removed in NetBox": {key: "connection/c", base: bundle(one, two), git: bundle(three, two), netbox: bundle(two),
			conflicts: []string{links}, code: ConcurrentModification},
		"ENGINE 7(a): one link moved in NetBox and removed in Git": {key: "connection/c", base: bundle(one, two), git: bundle(two), netbox: bundle(three, two),
			conflicts: []string{links}, code: ConcurrentModification},
		"ENGINE 7(a): the same move on both sides is one move": {key: "connection/c", base: bundle(one, two), git: bundle(three, two), netbox: bundle(two, three), want: bundle(two, three)},
		"ENGINE 7(a): the same move, and one more link on one side": {key: "connection/c", base: bundle(one, two), git: bundle(three, two, four), netbox: bundle(two, three),
			conflicts: []string{links}, code: ConcurrentModification},
		"ENGINE 7(b): two links moved onto the same ports": {key: "connection/c", base: bundle(one, two), git: bundle(three, two), netbox: bundle(one, three),
			conflicts: []string{links}, code: ConcurrentModification},
		"ENGINE 7(c): one link moved in Git and edited in NetBox": {key: "connection/c", base: bundle(one, two), git: bundle(three, two),
			netbox: bundle(link("s/1", "l1/1", ", x: 1"), two), conflicts: []string{links}, code: ConcurrentModification},
		"ENGINE 7(c): one link edited in Git and removed in NetBox": {key: "connection/c", base: bundle(one, two), git: bundle(link("s/1", "l1/1", ", x: 1"), two),
			netbox: bundle(two), conflicts: []string{links}, code: ConcurrentModification},
		"ENGINE 7: a link moved on one side while another is edited on the other": {key: "connection/c", base: bundle(one, two), git: bundle(three, two),
			netbox: bundle(one, link("s/2", "l2/1", ", x: 1")), want: bundle(three, link("s/2", "l2/1", ", x: 1"))},
		"ENGINE 7: the whole list removed on one side and edited on the other": {key: "connection/c", base: bundle(one, two), git: "{bundled: {}}",
			netbox: bundle(one, two, three), conflicts: []string{links}, code: DeleteEdit},
		"ENGINE 7: a key twice on one side makes the list one field": {key: "connection/c", base: bundle(one, two), git: bundle(one, two, one),
			netbox: bundle(one, two, three), conflicts: []string{links}, code: ConcurrentModification},
		"ENGINE 7: a key missing on one side makes the list one field": {key: "connection/c", base: bundle(one), git: bundle(one, "{server: {port: s/7}}"),
			netbox: bundle(one, three), conflicts: []string{links}, code: ConcurrentModification},
		"ENGINE 7: a key missing on one side while the other is as it was": {key: "connection/c", base: bundle(one), git: bundle(one, "{server: {port: s/7}}"),
			netbox: bundle(one), want: bundle(one, "{server: {port: s/7}}")},
		"ENGINE 7: order alone is nothing in a keyed list": {key: "connection/c", base: bundle(one, two), git: bundle(two, one), netbox: bundle(one, two, three), want: bundle(one, two, three)},
		"ENGINE 7: members of a set merge":                 {key: "switch/s", base: "{groups: [a, b]}", git: "{groups: [b, c]}", netbox: "{groups: [d, a, b]}", want: "{groups: [b, c, d]}"},
		"ENGINE 7: lists without keys edited on both sides are one conflict": {key: "vpcpeering/p", base: "{permit: [{a: {}}]}", git: "{permit: [{a: {}}, {b: {}}]}",
			netbox: "{permit: [{c: {}}, {a: {}}]}", conflicts: []string{"spec.permit"}, code: ConcurrentModification},
		"ENGINE 7: lists inside items of lists merge": {base: "{staticRoutes: [{prefix: 10.0.0.0/8, nextHops: [a]}]}", git: "{staticRoutes: [{prefix: 10.0.0.0/8, nextHops: [a, b]}]}",
			netbox: "{staticRoutes: [{prefix: 10.0.0.0/8, nextHops: [c, a]}, {prefix: 11.0.0.0/8, nextHops: []}]}",
			want:   "{staticRoutes: [{prefix: 10.0.0.0/8, nextHops: [a, b, c]}, {prefix: 11.0.0.0/8, nextHops: []}]}"},

		"ENGINE 7: fields inside statements of an ACL merge": {key: "externalattachment/e", base: acl("{seq: 10, a: 1}", "{seq: 20, a: 1}"),
			git: acl("{seq: 10, a: 2}", "{seq: 20, a: 1}"), netbox: acl("{seq: 10, a: 1}", "{seq: 20, a: 1, b: 1}"), want: acl("{seq: 10, a: 2}", "{seq: 20, a: 1, b: 1}")},
		"ENGINE 7: a statement put in on one side keeps its place": {key: "externalattachment/e", base: acl("{seq: 10}", "{seq: 20}"), git: acl("{seq: 10}", "{seq: 15}", "{seq: 20}"),
			netbox: acl("{seq: 10}", "{seq: 20}"), want: acl("{seq: 10}", "{seq: 15}", "{seq: 20}")},
		"ENGINE 7: statements reordered on one side": {key: "externalattachment/e", base: acl("{seq: 10}", "{seq: 20}"), git: acl("{seq: 20}", "{seq: 10}"),
			netbox: acl("{seq: 10}", "{seq: 20}"), want: acl("{seq: 20}", "{seq: 10}")},
		"ENGINE 7: statements put in on both sides are one conflict": {key: "externalattachment/e", base: acl("{seq: 10}"), git: acl("{seq: 5}", "{seq: 10}"),
			netbox: acl("{seq: 10}", "{seq: 20}"), conflicts: []string{"spec.inboundACL.statements"}, code: ConcurrentModification},
		"ENGINE 7: statements put in on one side and reordered on the other are one conflict": {key: "externalattachment/e", base: acl("{seq: 10}", "{seq: 20}"),
			git: acl("{seq: 20}", "{seq: 10}"), netbox: acl("{seq: 10}", "{seq: 20}", "{seq: 30}"), conflicts: []string{"spec.inboundACL.statements"}, code: ConcurrentModification},
		"ENGINE 7: a statement removed on one side and edited on the other is one conflict": {key: "externalattachment/e", base: acl("{seq: 10}", "{seq: 20}"),
			git: acl("{seq: 20}"), netbox: acl("{seq: 10, a: 1}", "{seq: 20}"), conflicts: []string{"spec.inboundACL.statements"}, code: ConcurrentModification},
		"ENGINE 7: a statement put in on one side, another edited on the other": {key: "externalattachment/e", base: acl("{seq: 10}", "{seq: 20}"),
			git: acl("{seq: 10}", "{seq: 15}", "{seq: 20}"), netbox: acl("{seq: 10}", "{seq: 20, a: 1}"), want: acl("{seq: 10}", "{seq: 15}", "{seq: 20, a: 1}")},
		"ENGINE 7: a statement put in in NetBox, another edited in Git": {key: "externalattachment/e", base: acl("{seq: 10}", "{seq: 20}"),
			git: acl("{seq: 10}", "{seq: 20, a: 1}"), netbox: acl("{seq: 10}", "{seq: 15}", "{seq: 20}"), want: acl("{seq: 10}", "{seq: 15}", "{seq: 20, a: 1}")},
		"ENGINE 7: statements reordered and edited on one side, edited on the other": {key: "externalattachment/e", base: acl("{seq: 10, a: 1}", "{seq: 20, a: 1}"),
			git: acl("{seq: 20, a: 2}", "{seq: 10, a: 1}"), netbox: acl("{seq: 10, a: 3}", "{seq: 20, a: 1}"), want: acl("{seq: 20, a: 2}", "{seq: 10, a: 3}")},
		"ENGINE 7: membership on one side and one field on both are one conflict": {key: "externalattachment/e", base: acl("{seq: 10, a: 1}", "{seq: 20}"),
			git: acl("{seq: 10, a: 2}", "{seq: 15}", "{seq: 20}"), netbox: acl("{seq: 10, a: 3}", "{seq: 20}"), conflicts: []string{"spec.inboundACL.statements"}, code: ConcurrentModification},
	} {
		t.Run(name, c.run)
	}
	tales(t, map[string]func(s *story){
		"ENGINE 7: each side keeps its order, new items come last": func(s *story) {
			s.gitHas(doc("switch/s", "{groups: [b, a]}"))
			s.nbAdd(doc("switch/s", "{groups: [a, b]}"))
			s.settled()
			s.nbSet("switch/s", "spec.groups", `["c", "a", "b"]`)
			s.settled()
			s.wantFile("managed/switches/s.yaml", "groups: [b, a, c]")
			s.wantInSync()
		},
		"ENGINE 7: where both sides moved items, not even a field flows": func(s *story) {
			s.both(doc("externalattachment/e", acl("{seq: 10, a: 1}", "{seq: 20}")))
			s.gitHas(doc("externalattachment/e", acl("{seq: 5}", "{seq: 10, a: 1}", "{seq: 20}")))
			s.nbSet("externalattachment/e", "spec.inboundACL.statements", `[{"seq": 20}, {"seq": 10, "a": 2}]`)
			n := s.writes
			s.settled()
			if s.writes != n {
				s.fail("it wrote")
			}
			s.wantConflict("externalattachment/e", "spec.inboundACL.statements", ConcurrentModification)
		},
		"ENGINE 7: a moved link is decided as a whole": func(s *story) {
			s.both(doc("connection/c", bundle(one, two)))
			s.gitHas(doc("connection/c", bundle(link("s/1", "l1/9"), two)))
			s.nbSet("connection/c", "spec.bundled.links", `[{"server": {"port": "s/9"}, "switch": {"port": "l1/1"}}, {"server": {"port": "s/2"}, "switch": {"port": "l2/1"}}]`)
			s.settled()
			s.decide("connection/c", "spec.bundled.links", SideNetBox)
			s.settled()
			if n := len(s.valueAt(SideGit, "connection/c", "spec.bundled.links").([]any)); n != 2 {
				s.fail("%d links", n)
			}
			s.wantInSync()
		},
	})
}

func TestRule8MergeNeitherSideWouldAccept(t *testing.T) {
	t.Parallel()
	valid := func(d manifests.Object) []string {
		spec, _ := d["spec"].(map[string]any)
		if spec["bad"] != nil {
			return []string{"bad is not allowed"}
		}
		if spec["mode"] != nil && spec["vrf"] != nil {
			return []string{"mode and vrf exclude each other"}
		}
		return nil
	}
	start := func(s *story) {
		s.both(doc("vpc/a", "{x: 1}"), doc("vpc/b", "{x: 1}"))
		s.problems = valid
	}
	tales(t, map[string]func(s *story){
		"ENGINE 8: both bodies are valid, the merged one is not: nothing of the resource flows": func(s *story) {
			start(s)
			s.gitEdit(aFile, "x: 1", "x: 1, mode: 1")
			s.nbSet("vpc/a", "spec.vrf", "1")
			s.nbSet("vpc/a", "spec.other", "1")
			s.nbSet("vpc/b", "spec.x", "2")
			s.settled()
			s.wantFrozen("vpc/a", MergeInvalid)
			s.wantGit("vpc/a", "spec.other", "-")
			s.wantNetBox("vpc/a", "spec.mode", "-")
			s.wantGit("vpc/b", "spec.x", "2")
			s.nbSet("vpc/a", "spec.vrf", "-")
			s.settled()
			s.wantNotFrozen()
			s.wantBoth("vpc/a", "spec.mode", "1")
			s.wantInSync()
		},
		"ENGINE 8: what both sides agree on is base, frozen or not": func(s *story) {
			start(s)
			s.gitEdit(aFile, "x: 1", "x: 5, bad: 1")
			s.nbSet("vpc/a", "spec.x", "5")
			s.settled()
			s.wantFrozen("vpc/a", SchemaConflict)
			s.gitEdit(aFile, "x: 5, bad: 1", "x: 1") // saw 5 on both sides
			s.settled()
			s.wantBoth("vpc/a", "spec.x", "1")
			s.wantInSync()
		},
		"ENGINE 8: an invalid document is not copied": func(s *story) {
			start(s)
			s.gitEdit(aFile, "x: 1", "x: 2, bad: 1")
			s.settled()
			s.wantFrozen("vpc/a", SchemaConflict)
			s.wantNetBox("vpc/a", "spec.x", "1")
			s.gitEdit(aFile, ", bad: 1", "")
			s.settled()
			s.wantInSync()
		},
		"ENGINE 8: an invalid object is not copied": func(s *story) {
			start(s)
			s.nbSet("vpc/a", "spec.bad", "1")
			s.nbAdd(doc("vpc/c", "{bad: 1}"))
			s.settled()
			s.wantFrozen("vpc/a", SchemaConflict)
			s.wantFrozen("vpc/c", SchemaConflict)
			s.wantGone(SideGit, "vpc/c")
		},
		"ENGINE 8: an invalid document is repaired by the other side's edit of nothing": func(s *story) {
			start(s)
			s.gitEdit(aFile, "x: 1", "x: 1, bad: 1")
			s.settled()
			s.nbSet("vpc/a", "spec.x", "5")
			s.settled()
			s.wantFrozen("vpc/a", SchemaConflict)
			s.wantGit("vpc/a", "spec.x", "1")
			s.gitEdit(aFile, ", bad: 1", "")
			s.settled()
			s.wantBoth("vpc/a", "spec.x", "5")
			s.wantInSync()
		},
	})
}

// What flows in two steps keeps its kind in scope between them: no full compare is needed for the second.
func TestRule7SecondStepNeedsNoFullCompare(t *testing.T) {
	t.Parallel()
	for name, netboxMoves := range map[string]bool{
		"ENGINE 7, 16: membership in NetBox, a field in Git": true,
		"ENGINE 7, 16: membership in Git, a field in NetBox": false,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t)
			s.both(doc("externalattachment/e", "{inboundACL: {statements: [{seq: 10, a: 1}]}}"))
			file, more, field := "managed/externalattachments/e.yaml", "[{seq: 5}, {seq: 10, a: 1}]", "[{seq: 10, a: 2}]"
			if netboxMoves {
				s.gitEdit(file, "[{seq: 10, a: 1}]", field)
				s.nbSet("externalattachment/e", "spec.inboundACL.statements", `[{"seq": 5}, {"seq": 10, "a": 1}]`)
			} else {
				s.gitEdit(file, "[{seq: 10, a: 1}]", more)
				s.nbSet("externalattachment/e", "spec.inboundACL.statements", `[{"seq": 10, "a": 2}]`)
			}
			s.run(Request{Kinds: []string{"ExternalAttachment"}})
			for range 3 {
				if s.last.Again {
					s.run(Request{})
				}
			}
			s.wantBoth("externalattachment/e", "spec.inboundACL.statements", `[{"seq": 5}, {"seq": 10, "a": 2}]`)
			s.wantInSync()
		})
	}
}

func TestConflictsNameWhoChangedWhat(t *testing.T) {
	t.Parallel()
	tales(t, map[string]func(s *story){
		"a conflict names both editors, and keeps the names while one side moves": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.settled()
			s.gitEdit("managed/vpcs/a.yaml", "mode: 1", "mode: 2")
			pushed := s.head
			s.nbSet("vpc/a", "spec.mode", "3")
			s.run(Request{Full: true, Editors: []string{"alice"}})
			c := s.wantConflict("vpc/a", "spec.mode", ConcurrentModification)
			if c.GitBy == nil || c.GitBy.CommitSHA != pushed || c.NetBoxBy == nil || c.NetBoxBy.By == "" || c.NetBoxBy.At.IsZero() {
				s.fail("git %+v netbox %+v", c.GitBy, c.NetBoxBy)
			}
			s.nbSet("vpc/a", "spec.mode", "4")
			s.run(Request{Full: true, Editors: []string{"bob"}})
			moved := s.wantConflict("vpc/a", "spec.mode", ConcurrentModification)
			if moved.Number == c.Number || moved.GitBy == nil || moved.GitBy.CommitSHA != pushed {
				s.fail("C%d → C%d, git %+v", c.Number, moved.Number, moved.GitBy)
			}
			if r := s.ledger.Resources[keyOf(s.t, "vpc/a")]; r.BaseHead == "" {
				s.fail("base has no head")
			}
		},
	})
}
