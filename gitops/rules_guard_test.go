package gitops

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// fleet is n VPCs on both sides, v0, v1, …
func fleet(s *story, n int) {
	s.t.Helper()
	for i := range n {
		text := doc(fmt.Sprintf("vpc/v%d", i), "{mode: 1}")
		s.gitHas(text)
		s.nbAdd(text)
	}
	s.settled()
}

func vfile(i int) string { return fmt.Sprintf("managed/vpcs/v%d.yaml", i) }
func vkey(i int) string  { return fmt.Sprintf("vpc/v%d", i) }

func TestRule19Guard(t *testing.T) {
	t.Parallel()
	tales(t, map[string]func(s *story){
		"ENGINE 19: a script that deletes 48 objects one by one meets it": func(s *story) {
			fleet(s, 48)
			for i := range 48 {
				s.gitDelete(vfile(i))
				s.settled()
			}
			gone := 48 - len(s.rows)
			if gone != 9 { // 20 % of 48
				s.fail("%d objects are gone", gone)
			}
			if len(s.ledger.Waiting.Actions) != 39 {
				s.fail("%d wait", len(s.ledger.Waiting.Actions))
			}
		},
		"ENGINE 19: the same from NetBox": func(s *story) {
			fleet(s, 48)
			for i := range 48 {
				s.nbDelete(vkey(i))
				s.settled()
			}
			left := 0
			for name := range s.files() {
				if strings.HasPrefix(name, "managed/vpcs/") {
					left++
				}
			}
			if left != 39 {
				s.fail("%d files are left", left)
			}
		},
		"ENGINE 19: many deletes at once wait together, the rest flows": func(s *story) {
			fleet(s, 10)
			for i := range 6 {
				s.gitDelete(vfile(i))
			}
			s.gitEdit(vfile(7), "mode: 1", "mode: 2")
			s.gitHas(doc("vpc/new", "{mode: 1}"))
			s.nbSet(vkey(8), "spec.mode", "3")
			s.settled()
			s.wantWaiting(vkey(0), vkey(1), vkey(2), vkey(3), vkey(4), vkey(5))
			s.wantThere(SideNetBox, vkey(0), vkey(5), "vpc/new")
			s.wantBoth(vkey(7), "spec.mode", "2")
			s.wantBoth(vkey(8), "spec.mode", "3")
			s.cycle()
			s.wantState("guard")
			s.approves()
			s.settled()
			s.wantGone(SideNetBox, vkey(0), vkey(5))
			s.wantInSync()
		},
		"ENGINE 19: what was approved no longer counts as done": func(s *story) {
			fleet(s, 12)
			for i := range 6 {
				s.gitDelete(vfile(i))
			}
			s.settled()
			s.cycle()
			s.approves()
			s.settled()
			for i := 6; i < 10; i++ {
				s.gitDelete(vfile(i))
				s.settled()
			}
			s.wantWaiting()
			s.wantGone(SideNetBox, vkey(9))
		},
		"ENGINE 19: what was approved no longer counts as done, from NetBox": func(s *story) {
			fleet(s, 12)
			for i := range 6 {
				s.nbDelete(vkey(i))
			}
			s.settled()
			s.cycle()
			s.approves()
			s.settled()
			for i := 6; i < 10; i++ {
				s.nbDelete(vkey(i))
				s.settled()
			}
			s.wantWaiting()
			s.wantGone(SideGit, vkey(9))
		},
		"ENGINE 19: what was brought back no longer counts as done": func(s *story) {
			fleet(s, 12)
			for i := range 5 {
				s.gitDelete(vfile(i))
			}
			s.settled()
			for i := range 5 {
				s.gitHas(doc(vkey(i), "{mode: 1}"))
			}
			s.settled()
			s.gitDelete(vfile(9))
			s.settled()
			s.wantWaiting()
			s.wantGone(SideNetBox, vkey(9))
		},
		"ENGINE 19: deletes older than an hour no longer count": func(s *story) {
			fleet(s, 12)
			for i := range 5 {
				s.gitDelete(vfile(i))
			}
			s.settled()
			s.gitDelete(vfile(5))
			s.settled()
			s.wantWaiting(vkey(5))
			s.later(61 * time.Minute)
			s.settled()
			s.wantGone(SideNetBox, vkey(5))
			s.wantWaiting()
		},
		"ENGINE 19: each side has its own count": func(s *story) {
			fleet(s, 12)
			for i := range 5 {
				s.gitDelete(vfile(i))
			}
			s.settled()
			for i := 5; i < 10; i++ {
				s.nbDelete(vkey(i))
			}
			s.settled()
			s.wantWaiting()
			s.wantInSync()
		},
		"ENGINE 19: the percentage counts base and the deletes done": func(s *story) {
			fleet(s, 50) // 20 % are 10
			for i := range 9 {
				s.gitDelete(vfile(i))
			}
			s.settled()
			s.gitDelete(vfile(9))
			s.settled()
			s.wantWaiting()
			s.gitDelete(vfile(10))
			s.settled()
			s.wantWaiting(vkey(10))
		},
		"ENGINE 19: editing the only VPC of a small fabric does not meet it": func(s *story) {
			fleet(s, 1)
			s.gitEdit(vfile(0), "mode: 1", "mode: 2")
			s.settled()
			s.wantInSync()
		},
		"ENGINE 19: deleting the only VPC of a small fabric does not either": func(s *story) {
			fleet(s, 1)
			s.gitDelete(vfile(0))
			s.settled()
			s.wantGone(SideNetBox, vkey(0))
		},
		"ENGINE 19: too many changes in one plan wait": func(s *story) {
			fleet(s, 16)
			for i := range 11 {
				s.gitEdit(vfile(i), "mode: 1", "mode: 2")
			}
			s.settled()
			if s.ledger.Waiting == nil || len(s.ledger.Waiting.Actions) != 11 {
				s.fail("they do not wait")
			}
			s.wantNetBox(vkey(0), "spec.mode", "1")
			s.cycle()
			s.approves()
			s.settled()
			s.wantInSync()
		},
		"ENGINE 19: ten changes, or half of a large fabric, do not": func(s *story) {
			fleet(s, 30)
			for i := range 15 {
				s.gitEdit(vfile(i), "mode: 1", "mode: 2")
			}
			s.settled()
			s.wantInSync()
		},
		"ENGINE 19: changes count per plan, not per hour": func(s *story) {
			fleet(s, 16)
			for i := range 16 {
				s.nbSet(vkey(i), "spec.mode", "2")
				s.settled()
			}
			s.wantInSync()
		},
		"ENGINE 19: creates do not count": func(s *story) {
			fleet(s, 2)
			for i := 2; i < 60; i++ {
				s.gitHas(doc(vkey(i), "{mode: 1}"))
			}
			s.settled()
			s.wantInSync()
		},
		"ENGINE 19: renames do not count": func(s *story) {
			fleet(s, 14)
			for i := range 14 {
				s.nbRename(vkey(i), fmt.Sprintf("vpc/r%d", i))
			}
			s.settled()
			s.wantInSync()
		},
		"ENGINE 19: kinds in ask_delete always ask": func(s *story) {
			s.both(doc("switch/s", "{profile: x}"), doc("switch/t", "{profile: x}"), doc("server/s", "{description: 1}"))
			s.gitDelete("managed/switches/s.yaml", "managed/servers/s.yaml")
			s.settled()
			s.wantWaiting("switch/s")
			s.wantGone(SideNetBox, "server/s")
			s.nbDelete("switch/t")
			s.settled()
			s.wantWaiting("switch/s", "switch/t")
			s.wantThere(SideGit, "switch/t")
		},
		"ENGINE 19: the last two of a kind do not go without asking": func(s *story) {
			fleet(s, 2)
			s.both(doc("server/s", "{description: 1}"))
			s.gitDelete(vfile(0), vfile(1))
			s.settled()
			s.wantWaiting(vkey(0), vkey(1))
		},
		"ENGINE 19: one of two may go": func(s *story) {
			fleet(s, 2)
			s.gitDelete(vfile(0))
			s.settled()
			s.wantGone(SideNetBox, vkey(0))
		},
		"ENGINE 19: without the marker deletes from Git wait, those from NetBox do not": func(s *story) {
			fleet(s, 5)
			s.gitDelete(Marker, vfile(0))
			s.nbDelete(vkey(1))
			s.gitEdit(vfile(2), "mode: 1", "mode: 2")
			s.settled()
			s.wantWaiting(vkey(0))
			s.wantGone(SideGit, vkey(1))
			s.wantNetBox(vkey(2), "spec.mode", "2")
			s.gitPush(Marker, "1\n")
			s.settled()
			s.wantGone(SideNetBox, vkey(0))
			s.wantWaiting()
		},
		"ENGINE 19: a directory that vanished as a whole deletes nothing": func(s *story) {
			fleet(s, 4)
			s.gitDelete(slices.Collect(func(yield func(string) bool) {
				for name := range s.files() {
					if !yield(name) {
						return
					}
				}
			})...)
			s.settled()
			s.wantThere(SideNetBox, vkey(0), vkey(1), vkey(2), vkey(3))
			if s.ledger.Waiting == nil || len(s.ledger.Waiting.Actions) != 4 {
				s.fail("they do not wait")
			}
		},
		"ENGINE 19: an approval executes exactly those that are still unchanged": func(s *story) {
			fleet(s, 8)
			for i := range 7 {
				s.gitDelete(vfile(i))
			}
			s.settled()
			s.cycle()
			s.approves()
			s.nbSet(vkey(3), "spec.mode", "2") // one of them moves before the approval is used
			s.settled()
			for _, i := range []int{0, 1, 2, 4, 5, 6} {
				s.wantGone(SideNetBox, vkey(i))
			}
			s.wantNetBox(vkey(3), "spec.mode", "2")
			s.wantConflict(vkey(3), "", DeleteEdit)
		},
		"ENGINE 19: a moved guarded action needs a new hash": func(s *story) {
			s.both(doc("switch/s", "{profile: x}"), doc("switch/t", "{profile: x}"))
			s.gitDelete("managed/switches/s.yaml")
			s.cycle()
			old := s.last.Status.PlanHash
			s.approves()
			// Restored and deleted again with other content before it was carried out.
			s.gitHas(doc("switch/s", "{profile: z}"))
			s.settled()
			s.wantNetBox("switch/s", "spec.profile", "z")
			s.gitDelete("managed/switches/s.yaml")
			s.settled()
			s.wantWaiting("switch/s")
			s.cycle()
			if s.last.Status.PlanHash == old {
				s.fail("the same hash")
			}
			if _, err := s.ledger.Approve(old, "x", s.now); err == nil {
				s.fail("the old hash still approves")
			}
			s.approves()
			s.settled()
			s.wantGone(SideNetBox, "switch/s")
		},
		"ENGINE 19: the hash is of the guarded actions alone": func(s *story) {
			fleet(s, 8)
			for i := range 6 {
				s.gitDelete(vfile(i))
			}
			s.cycle()
			hash := s.last.Status.PlanHash
			s.gitEdit(vfile(7), "mode: 1", "mode: 2")
			s.cycle()
			if s.last.Status.PlanHash != hash {
				s.fail("it moved with what does not wait")
			}
			s.gitDelete(vfile(6))
			s.cycle()
			if s.last.Status.PlanHash == hash {
				s.fail("it did not move with what waits")
			}
		},
		"ENGINE 19: the limits are the configuration's": func(s *story) {
			s.fabric.Guard = GuardPolicy{MaxDelete: 1, MaxDeletePercent: 0, MaxChange: 1, MaxChangePercent: 0}
			fleet(s, 4)
			s.gitDelete(vfile(0))
			s.settled()
			s.wantGone(SideNetBox, vkey(0))
			s.gitDelete(vfile(1))
			s.gitEdit(vfile(2), "mode: 1", "mode: 2")
			s.settled()
			s.wantWaiting(vkey(1))
			s.wantNetBox(vkey(2), "spec.mode", "2")
		},
		"ENGINE 19: a dead approval is forgotten": func(s *story) {
			fleet(s, 8)
			for i := range 6 {
				s.gitDelete(vfile(i))
			}
			s.cycle()
			s.approves()
			for i := range 6 {
				s.gitHas(doc(vkey(i), "{mode: 1}"))
			}
			s.settled()
			s.later(25 * time.Hour)
			s.settled()
			if len(s.ledger.Approvals) != 0 {
				s.fail("%d approvals", len(s.ledger.Approvals))
			}
		},
	})
}

func TestRule18HeldAndFrozen(t *testing.T) {
	t.Parallel()
	tales(t, map[string]func(s *story){
		"ENGINE 18: a held field holds nothing but itself": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1, vrf: 1}", "labels: {team: x}"))
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.nbSet("vpc/a", "spec.mode", "3")
			s.nbSet("vpc/a", "spec.vrf", "3")
			s.gitEdit(aFile, "team: x", "team: z")
			s.settled()
			s.wantConflicts(1)
			s.wantGit("vpc/a", "spec.vrf", "3")
			s.wantNetBox("vpc/a", "metadata.labels.team", "z")
			s.wantGit("vpc/a", "spec.mode", "2")
			s.wantNetBox("vpc/a", "spec.mode", "3")
		},
		"ENGINE 18: a conflict ends when its cause is gone": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.nbSet("vpc/a", "spec.mode", "3")
			s.settled()
			s.nbSet("vpc/a", "spec.mode", "2")
			s.settled()
			s.wantInSync()
		},
		"ENGINE 18: taking one's edit back lets the other one flow": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.nbSet("vpc/a", "spec.mode", "3")
			s.settled()
			s.gitEdit(aFile, "mode: 2", "mode: 1")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "3")
			s.wantInSync()
		},
		"ENGINE 18: a refused write freezes its resource with NetBox's words, the batch goes on": func(s *story) {
			fleet(s, 6)
			s.refuse = func(_ Op, k Key) string {
				if k.Name == "v3" {
					return "mode: this VLAN is taken"
				}
				return ""
			}
			for i := range 6 {
				s.gitEdit(vfile(i), "mode: 1", "mode: 2")
			}
			s.settled()
			s.cycle()
			s.wantFrozen(vkey(3), Refused)
			if f := s.last.Status.Frozen[0]; !strings.Contains(f.Message, "this VLAN is taken") {
				s.fail("NetBox's words are missing")
			}
			for _, i := range []int{0, 1, 2, 4, 5} {
				s.wantNetBox(vkey(i), "spec.mode", "2")
			}
		},
		"ENGINE 18: one object that moved meanwhile does not hold back its batch": func(s *story) {
			fleet(s, 6)
			for i := range 6 {
				s.gitEdit(vfile(i), "mode: 1", "mode: 2")
			}
			s.at("before update", func() { s.nbSet(vkey(3), "spec.vrf", "9") })
			s.cycle()
			for _, i := range []int{0, 1, 2, 4, 5} {
				s.wantNetBox(vkey(i), "spec.mode", "2")
			}
			s.wantNetBox(vkey(3), "spec.mode", "1")
			s.wantNotFrozen()
			s.settled()
			s.wantBoth(vkey(3), "spec.mode", "2")
			s.wantBoth(vkey(3), "spec.vrf", "9")
			s.wantInSync()
		},
		"ENGINE 18: one object that is gone meanwhile does not hold back its batch": func(s *story) {
			fleet(s, 6)
			for i := range 6 {
				s.gitEdit(vfile(i), "mode: 1", "mode: 2")
			}
			s.at("before update", func() { s.nbDelete(vkey(3)) })
			s.settled()
			for _, i := range []int{0, 1, 2, 4, 5} {
				s.wantNetBox(vkey(i), "spec.mode", "2")
			}
			s.wantConflict(vkey(3), "", DeleteEdit)
		},
		"ENGINE 18: a refused write is not repeated until something changes": func(s *story) {
			fleet(s, 2)
			s.refuse = func(Op, Key) string { return "no" }
			s.gitEdit(vfile(0), "mode: 1", "mode: 2")
			s.settled()
			for range 3 {
				s.later(time.Minute)
				s.cycle()
				s.wantFrozen(vkey(0), Refused)
			}
			if s.count("update") > 0 {
				s.fail("repeated")
			}
			s.gitEdit(vfile(0), "mode: 2", "mode: 3")
			s.cycle()
			if s.count("update") != 1 {
				s.fail("changed content is not tried")
			}
			s.refuse = nil
			s.gitEdit(vfile(0), "mode: 3", "mode: 4")
			s.settled()
			s.wantInSync()
		},
		"ENGINE 18: a refused write is repeated when a resource it references changes": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"), doc("connection/c", "{unbundled: {link: {server: {port: s/1}, switch: {port: l/1}}}}"))
			allowed := false
			s.refuse = func(_ Op, k Key) string {
				if k.Kind == "VPCAttachment" && !allowed {
					return "the VPC has no such subnet"
				}
				return ""
			}
			s.gitHas(doc("vpcattachment/t", "{subnet: a/p, connection: c}"))
			s.settled()
			s.cycle()
			s.wantFrozen("vpcattachment/t", Refused)
			allowed = true
			s.cycle()
			s.wantGone(SideNetBox, "vpcattachment/t")
			s.gitEdit(aFile, "mode: 1", "mode: 1, subnets: {p: {vlan: 1}}")
			s.settled()
			s.wantThere(SideNetBox, "vpcattachment/t")
			s.wantInSync()
		},
		"ENGINE 18: else at full compares, with backoff up to a day": func(s *story) {
			fleet(s, 2)
			s.refuse = func(Op, Key) string { return "no" }
			s.gitEdit(vfile(0), "mode: 1", "mode: 2")
			s.settled()
			tries := 0
			for range 4 * 24 * 10 { // ten days of full compares
				s.later(15 * time.Minute)
				s.calls = nil
				s.cycle()
				tries += s.count("update")
			}
			if tries < 10 || tries > 20 {
				s.fail("%d tries in ten days", tries)
			}
			s.refuse = nil
			s.later(25 * time.Hour)
			s.settled()
			s.wantInSync()
		},
		"ENGINE 18: a name NetBox refuses as taken but does not show is looked for once more, then said": func(s *story) {
			fleet(s, 2)
			s.gitHas(doc("vpc/h", "{mode: 1}"))
			s.nbAdd(doc("vpc/h", "{mode: 9}"))
			s.nbHide("vpc/h")
			s.cycle()
			s.cycle()
			s.cycle()
			s.calls = nil
			s.cycle()
			if s.count("create") != 0 || s.last.Again {
				s.fail("it keeps trying")
			}
			s.nbShow("vpc/h")
			s.settled()
			s.wantConflict("vpc/h", "spec.mode", BothExist)
		},
		"ENGINE 18: what a NetBox cannot do is said with its workaround": func(s *story) {
			s.both(doc("server/s", "{description: 1}"))
			s.caps = func(c *Capabilities) {
				c.Kinds["Server"] = KindCapability{Read: true, Reason: "500 on writes", Workaround: "install the companion"}
				c.Kinds["Gateway"] = KindCapability{}
			}
			s.gitEdit("managed/servers/s.yaml", "description: 1", "description: 2")
			s.gitHas(doc("gateway/g", "{asn: 1}"), doc("server/t", "{description: 1}"))
			s.settled()
			s.cycle()
			s.wantFrozen("server/s", Refused)
			s.wantFrozen("server/t", Refused)
			if !strings.Contains(s.last.Status.Frozen[0].Message, "install the companion") {
				s.fail("no workaround")
			}
			if s.last.Plan.states[keyOf(s.t, "gateway/g")] != "unsupported" {
				s.fail("the gateway is %s", s.last.Plan.states[keyOf(s.t, "gateway/g")])
			}
		},
		"ENGINE 18: a server that asks to wait is obeyed, nothing is lost": func(s *story) {
			fleet(s, 3)
			s.both(doc("vpcattachment/t", "{subnet: v0/p}"))
			for i := range 3 {
				s.gitEdit(vfile(i), "mode: 1", "mode: 2")
			}
			s.gitEdit("managed/vpcattachments/t.yaml", "v0/p", "v0/q")
			s.wait = 30 * time.Second
			s.run(Request{Kinds: []string{"VPC", "VPCAttachment"}})
			if s.last.After < 30*time.Second || len(s.ledger.Intents) != 0 || s.count("update") != 1 {
				s.fail("after %s", s.last.After)
			}
			s.run(Request{})
			s.wantInSync()
		},
	})
}

func TestRule20Decisions(t *testing.T) {
	t.Parallel()
	conflict := func(s *story) {
		s.both(doc("vpc/a", "{mode: 1, vrf: 1}"))
		s.gitEdit(aFile, "mode: 1, vrf: 1", "mode: 2, vrf: 2")
		s.nbSet("vpc/a", "spec.mode", "3")
		s.nbSet("vpc/a", "spec.vrf", "3")
		s.settled()
		s.wantConflicts(2)
	}
	tales(t, map[string]func(s *story){
		"ENGINE 20: each side can be chosen, path by path": func(s *story) {
			conflict(s)
			s.decide("vpc/a", "spec.mode", SideGit)
			s.decide("vpc/a", "spec.vrf", SideNetBox)
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantBoth("vpc/a", "spec.vrf", "3")
			s.wantInSync()
		},
		"ENGINE 20: a decision is consumed in the transaction that advances its path's base": func(s *story) {
			conflict(s)
			s.decide("vpc/a", "spec.mode", SideGit)
			s.cycle()
			found := false
			for _, u := range s.saves {
				if len(u.DropDecisions) > 0 {
					found = len(u.PutResources) == 1
				}
			}
			if !found || len(s.ledger.Decisions) != 0 {
				s.fail("consumed elsewhere")
			}
		},
		"ENGINE 20: a decision survives a crash before its write is answered": func(s *story) {
			conflict(s)
			s.decide("vpc/a", "spec.mode", SideGit)
			s.crashes("before update")
			s.cycle()
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "2")
			if len(s.ledger.Decisions) != 0 {
				s.fail("not consumed")
			}
		},
		"ENGINE 20: a conflict whose values move has a new number, the old one says which": func(s *story) {
			conflict(s)
			old := s.conflictAt("vpc/a", "spec.mode").Number
			s.nbSet("vpc/a", "spec.mode", "4")
			s.cycle()
			now := s.conflictAt("vpc/a", "spec.mode").Number
			moved := 0
			for _, u := range s.saves {
				for _, c := range u.PutConflicts {
					if c.Number == old && !c.Closed.IsZero() {
						moved = c.MovedTo
					}
				}
			}
			if now == old || moved != now {
				s.fail("C%d became C%d, and says C%d", old, now, moved)
			}
		},
		"ENGINE 20: a conflict whose values stand keeps its number": func(s *story) {
			conflict(s)
			old := s.conflictAt("vpc/a", "spec.mode").Number
			s.nbSet("vpc/a", "spec.other", "4")
			s.gitPush("/README.md", "x")
			s.later(time.Hour)
			s.settled()
			if s.conflictAt("vpc/a", "spec.mode").Number != old {
				s.fail("renumbered")
			}
		},
		"ENGINE 20: a decision does not apply to values it was not made for": func(s *story) {
			conflict(s)
			s.decide("vpc/a", "spec.mode", SideGit)
			s.nbSet("vpc/a", "spec.mode", "4")
			s.settled()
			s.wantNetBox("vpc/a", "spec.mode", "4")
			s.wantGit("vpc/a", "spec.mode", "2")
			s.wantConflict("vpc/a", "spec.mode", ConcurrentModification)
			if len(s.ledger.Decisions) != 0 {
				s.fail("a void decision is kept")
			}
			// Not even when the old values come back.
			s.nbSet("vpc/a", "spec.mode", "3")
			s.settled()
			s.wantConflict("vpc/a", "spec.mode", ConcurrentModification)
		},
		"ENGINE 20: nor when Git's value moved": func(s *story) {
			conflict(s)
			s.decide("vpc/a", "spec.mode", SideNetBox)
			s.gitEdit(aFile, "mode: 2", "mode: 7")
			s.settled()
			s.wantGit("vpc/a", "spec.mode", "7")
			s.wantNetBox("vpc/a", "spec.mode", "3")
			s.wantConflict("vpc/a", "spec.mode", ConcurrentModification)
		},
		"ENGINE 20: a decided write that meets a new edit is not carried out": func(s *story) {
			conflict(s)
			s.decide("vpc/a", "spec.mode", SideGit)
			s.at("before update", func() { s.nbSet("vpc/a", "spec.mode", "5") })
			s.settled()
			s.wantNetBox("vpc/a", "spec.mode", "5")
			s.wantConflict("vpc/a", "spec.mode", ConcurrentModification)
		},
		"ENGINE 20: a decision waits while its kind cannot be listed": func(s *story) {
			conflict(s)
			s.decide("vpc/a", "spec.mode", SideGit)
			s.unlisted["VPC"] = true
			s.cycle()
			delete(s.unlisted, "VPC")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "2")
		},
		"ENGINE 20: both values and the base are shown": func(s *story) {
			conflict(s)
			c := s.conflictAt("vpc/a", "spec.mode")
			if textOf(c.Base) != "1" || textOf(c.Git) != "2" || textOf(c.NetBox) != "3" || c.File != aFile || c.Line != 5 {
				s.fail("%v %v %v %s:%d", c.Base, c.Git, c.NetBox, c.File, c.Line)
			}
		},
	})
}
