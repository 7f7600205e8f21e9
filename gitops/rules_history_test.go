package gitops

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRule13History(t *testing.T) {
	t.Parallel()
	start := func(s *story) {
		s.both(doc("vpc/a", "{mode: 1, vrf: 1}"), doc("vpc/b", "{mode: 1}"))
	}
	// settledOver lets the time pass in which a rewritten branch looks like a lagging replica.
	settledOver := func(s *story) {
		s.t.Helper()
		s.cycle()
		s.later(6 * time.Minute)
		s.settled()
	}
	tales(t, map[string]func(s *story){
		"ENGINE 13: a head that is an ancestor of the known one is a stale read for five minutes": func(s *story) {
			start(s)
			old := s.head
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.settled()
			s.readAt = old
			for _, wait := range []time.Duration{0, time.Minute, 3 * time.Minute} {
				s.later(wait)
				n := s.writes
				s.cycle()
				if !errors.Is(s.err, ErrStaleRead) || s.writes != n || s.count("list") > 0 {
					s.fail("a cycle over a stale read")
				}
			}
			s.wantNetBox("vpc/a", "spec.mode", "2")
			s.readAt = ""
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantInSync()
		},
		"ENGINE 13: the five minutes begin anew after a fresh read": func(s *story) {
			start(s)
			old := s.head
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.settled()
			s.readAt = old
			s.cycle()
			s.readAt = ""
			s.later(4 * time.Minute)
			s.settled()
			s.readAt = old
			s.later(4 * time.Minute)
			s.cycle()
			if !errors.Is(s.err, ErrStaleRead) {
				s.fail("not taken for stale")
			}
		},
		"ENGINE 13: a branch set back for good: what Git dropped is a conflict, not an edit": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.settled()
			s.gitForce(1)
			settledOver(s)
			s.wantNetBox("vpc/a", "spec.mode", "2")
			s.wantGit("vpc/a", "spec.mode", "1")
			s.wantConflict("vpc/a", "spec.mode", HistoryRewritten)
			s.wantConflicts(1)
			// It stays one in later cycles, when the head is the known one.
			s.gitPush("/README.md", "1")
			s.settled()
			s.later(time.Hour)
			s.settled()
			s.wantConflict("vpc/a", "spec.mode", HistoryRewritten)
			s.decide("vpc/a", "spec.mode", SideNetBox)
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantInSync()
		},
		"ENGINE 13: a diverged branch merges the rest": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.settled()
			s.gitForce(1)
			s.gitEdit(aFile, "vrf: 1", "vrf: 7")
			s.gitEdit(bFile, "mode: 1", "mode: 7")
			s.nbSet("vpc/b", "spec.other", "1")
			s.settled()
			s.wantConflict("vpc/a", "spec.mode", HistoryRewritten)
			s.wantBoth("vpc/a", "spec.vrf", "7")
			s.wantBoth("vpc/b", "spec.mode", "7")
			s.wantBoth("vpc/b", "spec.other", "1")
			s.wantConflicts(1)
		},
		"ENGINE 13: dropped by a force push, decided for Git": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.settled()
			s.gitForce(1)
			settledOver(s)
			s.decide("vpc/a", "spec.mode", SideGit)
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "1")
			s.wantInSync()
		},
		"ENGINE 13: an edit of the dropped path is an edit again": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.settled()
			s.gitForce(1)
			settledOver(s)
			s.gitEdit(aFile, "mode: 1", "mode: 3")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "3")
			s.wantInSync()
		},
		"ENGINE 13: a NetBox edit committed by the App and dropped is not lost": func(s *story) {
			start(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.settled()
			s.gitForce(1)
			settledOver(s)
			s.wantNetBox("vpc/a", "spec.mode", "2")
			s.wantConflict("vpc/a", "spec.mode", HistoryRewritten)
		},
		"ENGINE 13: a resource made since is not deleted": func(s *story) {
			start(s)
			s.gitHas(doc("vpc/c", "{mode: 1}"))
			s.settled()
			s.gitForce(1)
			settledOver(s)
			s.wantThere(SideNetBox, "vpc/c")
			s.wantConflict("vpc/c", "", HistoryRewritten)
			s.later(time.Hour)
			s.gitPush("/README.md", "1")
			s.settled()
			s.wantThere(SideNetBox, "vpc/c")
			s.wantConflict("vpc/c", "", HistoryRewritten)
			s.decide("vpc/c", "", SideNetBox)
			s.settled()
			s.wantThere(SideGit, "vpc/c")
			s.wantInSync()
		},
		"ENGINE 13: a resource deleted in NetBox since is not made again": func(s *story) {
			start(s)
			s.nbDelete("vpc/a")
			s.settled()
			s.gitForce(1)
			settledOver(s)
			s.wantGone(SideNetBox, "vpc/a")
			s.wantThere(SideGit, "vpc/a")
			s.wantConflict("vpc/a", "", HistoryRewritten)
			s.gitPush("/README.md", "1")
			s.settled()
			s.wantGone(SideNetBox, "vpc/a")
			s.wantConflict("vpc/a", "", HistoryRewritten)
			s.decide("vpc/a", "", SideNetBox)
			s.settled()
			s.wantGone(SideGit, "vpc/a")
			s.wantInSync()
		},
		"ENGINE 13: a resource deleted since and brought back, decided for Git": func(s *story) {
			start(s)
			s.nbDelete("vpc/a")
			s.settled()
			s.gitForce(1)
			settledOver(s)
			s.decide("vpc/a", "", SideGit)
			s.settled()
			s.wantThere(SideNetBox, "vpc/a")
			s.wantInSync()
		},
		"ENGINE 13: a force push that keeps the directory changes nothing": func(s *story) {
			start(s)
			s.gitPush("/README.md", "1")
			s.settled()
			s.gitForce(1)
			s.gitPush("/README.md", "2")
			n := s.writes
			s.settled()
			if s.writes != n {
				s.fail("it wrote")
			}
			s.wantInSync()
		},
		"ENGINE 13: git revert is an ordinary edit": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.settled()
			s.gitEdit(aFile, "mode: 2", "mode: 1")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "1")
			s.wantInSync()
		},
		"ENGINE 13: without a merge base first-contact rules hold": func(s *story) {
			start(s)
			files := s.files()
			s.head = ""
			s.push(&modelCommit{files: map[string]string{Marker: "1\n", aFile: strings.Replace(files[aFile], "mode: 1", "mode: 5", 1)}, message: "orphan"})
			s.settled()
			s.wantConflict("vpc/a", "spec.mode", BothExist)
			s.wantThere(SideNetBox, "vpc/b")
			s.wantThere(SideGit, "vpc/b")
		},
		"ENGINE 13: an intent whose commit was dropped again is undecidable, not forgotten": func(s *story) {
			start(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.fates["commit"] = fateNoAnswer
			s.cycle()
			s.gitForce(1)
			s.gitPush("/README.md", "1")
			settledOver(s)
			s.settled()
			s.wantNetBox("vpc/a", "spec.mode", "2")
		},
	})
}

func TestRule14FirstContact(t *testing.T) {
	t.Parallel()
	many := func(s *story, git, netbox, shared int) {
		for n := range git {
			s.gitHas(doc(fmt.Sprintf("vpc/g%d", n), "{mode: 1}"))
		}
		for n := range netbox {
			name := fmt.Sprintf("vpc/n%d", n)
			if n < shared {
				name = fmt.Sprintf("vpc/g%d", n)
			}
			s.nbAdd(doc(name, "{mode: 1}"))
		}
	}
	tales(t, map[string]func(s *story){
		"ENGINE 14: equal is adopted without a write": func(s *story) {
			s.gitHas(doc("vpc/a", "{mode: 1}"))
			s.nbAdd(doc("vpc/a", "{mode: 1}"))
			n := s.writes
			s.settled()
			if s.writes != n || !s.ledger.Resources[keyOf(s.t, "vpc/a")].Exists {
				s.fail("not adopted")
			}
			s.wantInSync()
		},
		"ENGINE 14: what one side only has is created on the other": func(s *story) {
			s.gitHas(doc("vpc/a", "{mode: 1}"))
			s.nbAdd(doc("vpc/b", "{mode: 1}"))
			s.settled()
			s.wantThere(SideNetBox, "vpc/a")
			s.wantThere(SideGit, "vpc/b")
			s.wantInSync()
		},
		"ENGINE 14: unequal: equal paths are adopted, the others are conflicts": func(s *story) {
			s.gitHas(doc("vpc/a", "{mode: 1, vrf: 1, only: 1, subnets: {p: {vlan: 1}, q: {vlan: 2}}}"))
			s.nbAdd(doc("vpc/a", "{mode: 1, vrf: 2, subnets: {p: {vlan: 1}, q: {vlan: 3}}}"))
			s.settled()
			s.wantConflict("vpc/a", "spec.vrf", BothExist)
			s.wantConflict("vpc/a", "spec.only", BothExist)
			s.wantConflict("vpc/a", "spec.subnets.q.vlan", BothExist)
			s.wantConflicts(3)
			s.nbSet("vpc/a", "spec.mode", "5")
			s.gitEdit(aFile, "p: {vlan: 1}", "p: {vlan: 7}")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "5")
			s.wantBoth("vpc/a", "spec.subnets.p.vlan", "7")
			s.wantConflicts(3)
		},
		"ENGINE 14: an unsettled path stays open, whatever side moves, until they are equal": func(s *story) {
			s.gitHas(doc("vpc/a", "{mode: 1, vrf: 1}"))
			s.nbAdd(doc("vpc/a", "{mode: 2, vrf: 1}"))
			s.settled()
			s.nbSet("vpc/a", "spec.mode", "3")
			s.settled()
			s.wantGit("vpc/a", "spec.mode", "1")
			s.wantConflict("vpc/a", "spec.mode", BothExist)
			s.gitEdit(aFile, "mode: 1", "mode: 3")
			s.settled()
			s.wantConflicts(0)
			s.nbSet("vpc/a", "spec.mode", "1")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "1")
		},
		"ENGINE 14: an unsettled path removed on both sides is settled": func(s *story) {
			s.gitHas(doc("vpc/a", "{mode: 1, vrf: 1}"))
			s.nbAdd(doc("vpc/a", "{mode: 2, vrf: 1}"))
			s.settled()
			s.nbSet("vpc/a", "spec.mode", "-")
			s.gitEdit(aFile, "mode: 1, ", "")
			s.settled()
			s.wantInSync()
			s.nbSet("vpc/a", "spec.mode", "9")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "9")
		},
		"ENGINE 14: a resource with an unsettled path is not deleted": func(s *story) {
			s.gitHas(doc("vpc/a", "{mode: 1, vrf: 1}"), doc("vpc/b", "{mode: 1}"))
			s.nbAdd(doc("vpc/a", "{mode: 2, vrf: 1}"), doc("vpc/b", "{mode: 1}"))
			s.settled()
			s.gitDelete(aFile)
			s.settled()
			s.wantThere(SideNetBox, "vpc/a")
			s.wantConflict("vpc/a", "", DeleteEdit)
		},
		"ENGINE 14: first_import git": func(s *story) {
			s.fabric.FirstImport = FirstImportGit
			s.gitHas(doc("vpc/a", "{mode: 1, vrf: 1}"))
			s.nbAdd(doc("vpc/a", "{mode: 2, vrf: 1, extra: 1}"), doc("vpc/b", "{mode: 1}"))
			s.cycle()
			s.wantNetBox("vpc/a", "spec.mode", "1")
			s.wantNetBox("vpc/a", "spec.extra", "-")
			s.wantThere(SideGit, "vpc/b")
			over := map[string]any{}
			for _, c := range s.last.Operation.Changes {
				over[c.Change.Path] = c.Change.From
			}
			if textOf(over["spec.mode"]) != "2" || textOf(over["spec.extra"]) != "1" {
				s.fail("the overridden values are not recorded: %v", over)
			}
			s.wantInSync()
		},
		"ENGINE 14: first_import netbox": func(s *story) {
			s.fabric.FirstImport = FirstImportNetBox
			s.gitHas(doc("vpc/a", "{mode: 1, vrf: 1}"))
			s.nbAdd(doc("vpc/a", "{mode: 2, vrf: 1}"))
			s.settled()
			s.wantGit("vpc/a", "spec.mode", "2")
			s.wantInSync()
		},
		"ENGINE 14: first_import is used in the first operation only": func(s *story) {
			s.gitHas(doc("vpc/a", "{mode: 1, vrf: 1}"))
			s.nbAdd(doc("vpc/a", "{mode: 2, vrf: 1}"))
			s.settled()
			s.fabric.FirstImport = FirstImportGit
			s.settled()
			s.wantNetBox("vpc/a", "spec.mode", "2")
			s.wantConflict("vpc/a", "spec.mode", BothExist)
			// Nor for resources that meet later.
			s.gitHas(doc("vpc/b", "{mode: 1}"))
			s.nbAdd(doc("vpc/b", "{mode: 2}"))
			s.settled()
			s.wantNetBox("vpc/b", "spec.mode", "2")
			s.wantConflict("vpc/b", "spec.mode", BothExist)
		},
		"ENGINE 14: the whole plan is published before the first write": func(s *story) {
			s.gitHas(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"))
			s.nbAdd(doc("vpc/a", "{mode: 2}"))
			s.at("before create", func() {
				if len(s.ledger.Conflicts) != 1 || s.ledger.Resources[keyOf(s.t, "vpc/a")] == nil {
					s.fail("a write before the plan was published")
				}
			})
			s.cycle()
			s.wantThere(SideNetBox, "vpc/b")
		},
		"ENGINE 14: two sides that hardly know each other wait as a pairing": func(s *story) {
			many(s, 7, 8, 2)
			n := s.writes
			s.cycle()
			s.cycle()
			s.wantPaused(PausePairing)
			s.wantState("paused")
			if s.writes != n {
				s.fail("it wrote")
			}
			s.approves()
			s.settled()
			s.wantThere(SideGit, "vpc/n7")
			s.wantThere(SideNetBox, "vpc/g6")
			s.wantInSync()
		},
		"ENGINE 14: half of the identities shared is enough": func(s *story) {
			many(s, 6, 8, 3)
			s.settled()
			s.wantInSync()
		},
		"ENGINE 14: five on the smaller side are few enough": func(s *story) {
			many(s, 5, 20, 0)
			s.settled()
			s.wantInSync()
		},
		"ENGINE 14: an empty side is no other fabric": func(s *story) {
			many(s, 0, 20, 0)
			s.settled()
			s.wantInSync()
		},
		"ENGINE 14: a pairing that becomes alike goes on by itself": func(s *story) {
			many(s, 7, 7, 0)
			s.cycle()
			s.wantPaused(PausePairing)
			for n := range 7 {
				s.nbDelete(fmt.Sprintf("vpc/n%d", n))
			}
			s.settled()
			s.wantInSync()
		},
	})
}

func TestRule15StoresAndStrangers(t *testing.T) {
	t.Parallel()
	const theirs = "sync_20260101_000000_zzzzzz"
	start := func(s *story) {
		s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"))
	}
	stranger := func(s *story, set func()) {
		set()
		s.log[len(s.log)-1].Message = theirs
	}
	tales(t, map[string]func(s *story){
		"ENGINE 15: a commit with an operation this store never made pauses": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.commits[len(s.commits)-1].message = "f: vpc/a\n\nHNP-Operation: " + theirs + "\n"
			s.nbSet("vpc/b", "spec.mode", "2")
			n := s.writes
			s.cycle()
			s.wantPaused(PauseSecondApp)
			if s.writes != n || !strings.Contains(s.last.Status.Message, theirs) {
				s.fail("not said, or written")
			}
			s.cycle()
			s.approves()
			s.settled()
			s.wantConflict("vpc/a", "spec.mode", BothExist) // base counts as absent
			s.wantConflict("vpc/b", "spec.mode", BothExist)
			s.wantConflicts(2)
			s.cycle()
			s.wantState("conflict")
		},
		"ENGINE 15: a commit outside the directory is nobody's business": func(s *story) {
			start(s)
			s.gitPush("/README.md", "x")
			s.commits[len(s.commits)-1].message = "x\n\nHNP-Operation: " + theirs + "\n"
			s.wantInSync()
		},
		"ENGINE 15: something that only looks like an operation id is none": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.commits[len(s.commits)-1].message = "x\n\nHNP-Operation: sync_1_2\n"
			s.settled()
			s.wantInSync()
		},
		"ENGINE 15: a change row with an operation this store never made pauses": func(s *story) {
			start(s)
			stranger(s, func() { s.nbSet("vpc/a", "spec.mode", "2") })
			s.cycle()
			s.wantPaused(PauseSecondApp)
			s.wantGit("vpc/a", "spec.mode", "1")
		},
		"ENGINE 15: a new object of this fabric made by an operation this store never made pauses": func(s *story) {
			start(s)
			stranger(s, func() { s.nbAdd(doc("vpc/new", "{mode: 2}")) })
			s.cycle()
			s.wantPaused(PauseSecondApp)
			s.wantGone(SideGit, "vpc/new")
		},
		"ENGINE 15: change rows of another fabric's objects are not ours": func(s *story) {
			start(s)
			stranger(s, func() { s.nbAdd(doc("vpc/new", "{mode: 2}")) })
			s.foreign[s.nbRow("vpc/new").PK] = 9
			s.settled()
			if s.ledger.Pause != nil {
				s.fail("paused")
			}
		},
		"ENGINE 15: first contact searches nothing": func(s *story) {
			s.gitHas(doc("vpc/a", "{mode: 1}"))
			s.commits[len(s.commits)-1].message = "x\n\nHNP-Operation: " + theirs + "\n"
			stranger(s, func() { s.nbAdd(doc("vpc/a", "{mode: 1}")) })
			s.settled()
			s.wantInSync()
		},
		"ENGINE 15: our own operations are known": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.nbSet("vpc/b", "spec.mode", "2")
			s.settled()
			s.wantInSync()
		},
		"ENGINE 15: an older store meets its own younger commits": func(s *story) {
			start(s)
			backup, known := s.ledger.Clone(), map[string]bool{}
			for id := range s.known {
				known[id] = true
			}
			s.nbSet("vpc/a", "spec.mode", "2")
			s.settled()
			s.gitEdit(bFile, "mode: 1", "mode: 2")
			s.settled()
			s.ledger, s.known = backup, known
			n := s.writes
			s.cycle()
			s.wantPaused(PauseSecondApp)
			s.approves()
			s.settled()
			if s.writes != n {
				s.fail("it wrote")
			}
			s.wantInSync()
		},
		"ENGINE 15: a change log that ends before the cursor is a suspected restore": func(s *story) {
			start(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.settled()
			s.nbSet("vpc/a", "spec.mode", "3")
			s.settled()
			// NetBox comes back from a backup: rows and log are older.
			cut := int(s.ledger.Cursor.ID) - 1
			s.log = s.log[:cut]
			n := s.writes
			s.cycle()
			s.wantPaused(PauseRestore)
			if s.writes != n {
				s.fail("it wrote")
			}
		},
		"ENGINE 15: a restored change log that grew past the cursor again is found by its row": func(s *story) {
			start(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.settled()
			at := s.ledger.Cursor.ID
			s.log = slices.Clone(s.log)
			for i := range s.log {
				if s.log[i].ID == at {
					s.log[i].RequestID = "another"
				}
			}
			s.cycle()
			s.wantPaused(PauseRestore)
		},
		"ENGINE 15: a pruned change log is a full compare, no restore": func(s *story) {
			start(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.settled()
			s.later(100 * 24 * time.Hour)
			s.nbSet("vpc/b", "spec.mode", "2")
			s.firstRow = int(s.ledger.Cursor.ID)
			s.settled()
			if s.ledger.Pause != nil {
				s.fail("paused")
			}
			s.wantBoth("vpc/b", "spec.mode", "2")
			s.wantInSync()
		},
		"ENGINE 15: a last_updated below the stored one is a suspected restore": func(s *story) {
			start(s)
			old := *s.nbRow("vpc/a")
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.settled()
			s.rows[old.PK] = &old
			n := s.writes
			s.cycle()
			s.wantPaused(PauseRestore)
			if s.writes != n {
				s.fail("it wrote")
			}
			s.wantGit("vpc/a", "spec.mode", "2")
			s.approves()
			s.settled()
			s.wantConflict("vpc/a", "spec.mode", BothExist)
			s.wantGit("vpc/a", "spec.mode", "2")
			s.wantNetBox("vpc/a", "spec.mode", "1")
		},
		"ENGINE 15: after a restore nothing is deleted": func(s *story) {
			start(s)
			s.both(doc("vpc/c", "{mode: 1}"))
			old := *s.nbRow("vpc/a")
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.settled()
			s.rows[old.PK] = &old
			delete(s.rows, s.nbRow("vpc/c").PK) // it was made after the backup
			s.cycle()
			s.approves()
			s.settled()
			s.wantThere(SideGit, "vpc/c")
			s.wantThere(SideNetBox, "vpc/c")
		},
		"ENGINE 15: a pause holds until it is approved, under its own hash": func(s *story) {
			start(s)
			stranger(s, func() { s.nbSet("vpc/a", "spec.mode", "2") })
			s.cycle()
			if _, err := s.ledger.Approve("nonsense", "x", s.now); err == nil {
				s.fail("approved by nonsense")
			}
			s.later(24 * time.Hour)
			s.cycle()
			s.wantState("paused")
			s.approves()
			s.settled()
			if s.ledger.Pause != nil {
				s.fail("still paused")
			}
		},
	})
}

func TestRule16Scope(t *testing.T) {
	t.Parallel()
	start := func(s *story) {
		s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"), doc("server/s", "{description: 1}"))
	}
	tales(t, map[string]func(s *story){
		"ENGINE 16: nothing in scope lists nothing": func(s *story) {
			start(s)
			s.run(Request{})
			s.wantCalls("observe")
		},
		"ENGINE 16: a push lists the kinds it touched": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.run(Request{})
			s.wantNetBox("vpc/a", "spec.mode", "2")
			if s.count("list VPC") != 1 || s.count("list") != 1 {
				s.fail("other kinds were listed")
			}
		},
		"ENGINE 16: a kind stays in scope while its listing fails": func(s *story) {
			start(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.unlisted["VPC"] = true
			s.ledger.Scope["VPC"] = 1
			s.run(Request{})
			s.run(Request{})
			s.wantState("pending")
			delete(s.unlisted, "VPC")
			s.run(Request{})
			s.wantGit("vpc/a", "spec.mode", "2")
			s.run(Request{})
			if len(s.ledger.Scope) > 0 {
				s.fail("still in scope")
			}
		},
		"ENGINE 16: a kind stays in scope until its actions are acknowledged": func(s *story) {
			start(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.fates["commit"] = fateLost
			s.run(Request{Kinds: []string{"VPC"}})
			s.run(Request{})
			s.wantGit("vpc/a", "spec.mode", "2")
		},
		"ENGINE 16: a hint that arrives during a cycle is not swallowed by it": func(s *story) {
			start(s)
			s.ledger.Scope["VPC"] = 1
			s.at("after list", func() {
				s.ledger = s.ledger.Clone()
				s.ledger.Scope["VPC"] = 2
				s.nbSet("vpc/a", "spec.mode", "2")
			})
			s.run(Request{})
			s.run(Request{})
			s.wantGit("vpc/a", "spec.mode", "2")
		},
		"ENGINE 16: everything is compared at least every fifteen minutes": func(s *story) {
			start(s)
			s.nbSilent("vpc/a", "spec.mode", "2")
			s.later(14 * time.Minute)
			s.run(Request{})
			s.wantGit("vpc/a", "spec.mode", "1")
			s.later(2 * time.Minute)
			s.run(Request{})
			s.wantGit("vpc/a", "spec.mode", "2")
		},
		"ENGINE 16: equal is said only of what was compared": func(s *story) {
			start(s)
			s.unlisted["VPC"] = true
			s.cycle()
			if s.last.Status.State == "equal" || !s.last.Status.VerifiedAt.IsZero() {
				s.fail("called equal")
			}
		},
		"ENGINE 16: mode observe plans and writes nothing": func(s *story) {
			start(s)
			s.fabric.Mode = ModeObserve
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.nbSet("vpc/b", "spec.mode", "2")
			n := s.writes
			s.cycle()
			if s.writes != n || len(s.last.Plan.Actions) != 2 || s.last.Again {
				s.fail("it wrote, or did not plan")
			}
			s.wantState("pending")
			s.fabric.Mode = ModeCommit
			s.settled()
			s.wantInSync()
		},
		"ENGINE 16: paused writes nothing and forgets nothing": func(s *story) {
			start(s)
			s.fabric.Paused = true
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.nbSet("vpc/a", "spec.vrf", "2")
			n := s.writes
			s.cycle()
			s.wantState("paused")
			if s.writes != n || s.last.Again {
				s.fail("it wrote")
			}
			s.fabric.Paused = false
			s.run(Request{})
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantBoth("vpc/a", "spec.vrf", "2")
			s.wantInSync()
		},
	})
}

func TestRule16Cursor(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	row := func(id int64, age time.Duration) ChangeRow {
		return ChangeRow{ID: id, Time: now.Add(-age), RequestID: fmt.Sprint(id)}
	}
	for name, c := range map[string]struct {
		rows []ChangeRow
		want int64
	}{
		"ENGINE 16: the lowest row younger than five minutes, by the server's clock": {[]ChangeRow{row(1, 9*time.Minute), row(2, 4*time.Minute), row(3, time.Minute)}, 2},
		"ENGINE 16: ids are not in commit order":                                     {[]ChangeRow{row(1, 2*time.Minute), row(2, 9*time.Minute), row(3, time.Minute)}, 1},
		"ENGINE 16: nothing young: the newest row":                                   {[]ChangeRow{row(1, time.Hour), row(2, 6*time.Minute)}, 2},
		"ENGINE 16: nothing at all":                                                  {nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := nextCursor(&FeedPage{Rows: c.rows, Now: now}); got.ID != c.want || c.want != 0 && got.RequestID != fmt.Sprint(c.want) {
				t.Errorf("cursor at %d, want %d", got.ID, c.want)
			}
		})
	}
}
