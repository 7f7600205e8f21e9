package gitops

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	aFile = "managed/vpcs/a.yaml"
	bFile = "managed/vpcs/b.yaml"
)

func TestRule2BaseAdvances(t *testing.T) {
	t.Parallel()
	tales(t, map[string]func(s *story){
		"ENGINE 2: a value set back in NetBox before base moved is an edit": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.at("after update", func() { s.nbSet("vpc/a", "spec.mode", "1") })
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "1")
			s.wantInSync()
		},
		"ENGINE 2: a value set back in Git on top of the commit is an edit": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.nbSet("vpc/a", "spec.mode", "2")
			s.at("after commit", func() { s.gitEdit(aFile, "mode: 2", "mode: 1") })
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "1")
			s.wantInSync()
		},
		"ENGINE 2: base is stored after each answer, before the next request": func(s *story) {
			s.both(doc("server/s", "{description: 1}"), doc("vpc/a", "{mode: 1}"))
			s.gitEdit("managed/servers/s.yaml", "description: 1", "description: 2")
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.at("before update", func() {})
			s.crashes("before update")
			s.cycle()
			if got := lookup(kindOf(keyOf(s.t, "server/s")), any(map[string]any(s.ledger.Resources[keyOf(s.t, "server/s")].NetBox)), Path{{Name: "spec"}, {Name: "description"}}); textOf(got) != "2" {
				s.fail("base of the first kind is %v after the second request began", got)
			}
			// The person who saw 2 sets 1 back: his edit, not the old base.
			s.nbSet("server/s", "spec.description", "1")
			s.settled()
			s.wantBoth("server/s", "spec.description", "1")
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantInSync()
		},
		"ENGINE 2: base moves per path, an open conflict beside it stays": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1, vrf: 1}"))
			s.gitEdit(aFile, "mode: 1, vrf: 1", "mode: 2, vrf: 2")
			s.nbSet("vpc/a", "spec.vrf", "3")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantConflict("vpc/a", "spec.vrf", ConcurrentModification)
			// mode is settled: setting it back is an edit.
			s.nbSet("vpc/a", "spec.mode", "1")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "1")
			s.wantConflicts(1)
		},
		"ENGINE 2: both sides set the same value, then one goes on": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.nbSet("vpc/a", "spec.mode", "2")
			s.cycle()
			if s.count("commit")+s.count("update") > 0 {
				s.fail("equal edits were written")
			}
			s.gitEdit(aFile, "mode: 2", "mode: 1")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "1")
			s.wantConflicts(0)
		},
		"ENGINE 2: a refused write moves no base": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.refuse = func(Op, Key) string { return "no" }
			s.cycle()
			s.refuse = nil
			s.gitEdit(aFile, "mode: 2", "mode: 1")
			s.nbSet("vpc/a", "spec.mode", "3")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "3")
			s.wantConflicts(0)
		},
		"ENGINE 2: after an answered delete in NetBox the same content made anew is new": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"))
			s.gitDelete(aFile)
			s.at("after delete", func() { s.nbAdd(doc("vpc/a", "{mode: 1}")) })
			s.settled()
			s.wantThere(SideGit, "vpc/a")
			s.wantInSync()
		},
		"ENGINE 2: after a committed delete the file restored by a person is new": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"))
			s.nbDelete("vpc/a")
			s.at("after commit", func() { s.gitHas(doc("vpc/a", "{mode: 1}")) })
			s.settled()
			s.wantThere(SideNetBox, "vpc/a")
			s.wantInSync()
		},
		"ENGINE 2: a NetBox edit while its older value is being committed": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.nbSet("vpc/a", "spec.mode", "2")
			s.at("before commit", func() { s.nbSet("vpc/a", "spec.mode", "3") })
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "3")
			s.wantInSync()
		},
		"ENGINE 2: a NetBox edit between listing and PATCH is not overwritten": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.at("before update", func() { s.nbSet("vpc/a", "spec.mode", "3") })
			s.settled()
			s.wantGit("vpc/a", "spec.mode", "2")
			s.wantNetBox("vpc/a", "spec.mode", "3")
			s.wantConflict("vpc/a", "spec.mode", ConcurrentModification)
		},
		"ENGINE 2: a push between reading and committing is not overwritten": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.nbSet("vpc/a", "spec.mode", "3")
			s.at("before commit", func() { s.gitEdit(aFile, "mode: 1", "mode: 2") })
			s.settled()
			s.wantGit("vpc/a", "spec.mode", "2")
			s.wantNetBox("vpc/a", "spec.mode", "3")
			s.wantConflict("vpc/a", "spec.mode", ConcurrentModification)
		},
	})
}

func TestRule3IntentsAreSettled(t *testing.T) {
	t.Parallel()
	start := func(s *story) {
		s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"))
	}
	tales(t, map[string]func(s *story){
		"ENGINE 3: a commit whose answer was lost is found by its trailer": func(s *story) {
			start(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.fates["commit"] = fateNoAnswer
			s.cycle()
			s.nbSet("vpc/a", "spec.mode", "1") // who saw 2 sets 1 back
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "1")
			s.wantInSync()
		},
		"ENGINE 3: a commit that never arrived is made again": func(s *story) {
			start(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.fates["commit"] = fateLost
			s.cycle()
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantInSync()
		},
		"ENGINE 3: the late twin of a commit is refused": func(s *story) {
			start(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.fates["commit"] = fateLate
			s.cycle()
			n := len(s.commits)
			s.cycle()
			s.arrives()
			if len(s.commits) != n+1 {
				s.fail("%d commits", len(s.commits)-n)
			}
			s.wantInSync()
		},
		"ENGINE 3: a commit that arrives while the next one is under way is not doubled": func(s *story) {
			start(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.fates["commit"] = fateLate
			s.cycle()
			n := len(s.commits)
			s.at("before commit", s.arrives)
			s.settled()
			if len(s.commits) != n+1 {
				s.fail("%d commits", len(s.commits)-n)
			}
			s.wantInSync()
		},
		"ENGINE 3: a PATCH whose answer was lost is found by its change row": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.fates["update"] = fateNoAnswer
			s.cycle()
			s.gitEdit(aFile, "mode: 2", "mode: 1")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "1")
			s.wantInSync()
		},
		"ENGINE 3: a PATCH that landed and was edited since is no conflict": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.fates["update"] = fateNoAnswer
			s.cycle()
			s.nbSet("vpc/a", "spec.mode", "3") // saw 2
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "3")
			s.wantConflicts(0)
		},
		"ENGINE 3: a fence without content and operation ends a PATCH still under way": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.fates["update"] = fateLate
			s.cycle()
			s.gitEdit(aFile, "mode: 2", "mode: 3")
			s.calls = nil
			s.cycle()
			if s.count("fence VPC 1") != 1 {
				s.fail("no fence")
			}
			s.arrives()
			s.wantNetBox("vpc/a", "spec.mode", "3")
			s.settled()
			s.wantInSync()
		},
		"ENGINE 3: a PATCH that arrives before the fence has landed": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.fates["update"] = fateLate
			s.cycle()
			s.at("before fence", s.arrives)
			s.cycle()
			s.gitEdit(aFile, "mode: 2", "mode: 1")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "1")
			s.wantConflicts(0)
			s.wantInSync()
		},
		"ENGINE 3: an object somebody else edited since needs no fence": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.fates["update"] = fateLate
			s.cycle()
			s.nbSet("vpc/a", "spec.vrf", "x")
			s.calls = nil
			s.cycle()
			if s.count("fence") != 0 {
				s.fail("a fence")
			}
			s.arrives()
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantBoth("vpc/a", "spec.vrf", "x")
			s.wantInSync()
		},
		"ENGINE 3: an undecided write holds only its own resource": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.fates["update"] = fateLate
			s.cycle()
			s.gitEdit(bFile, "mode: 1", "mode: 2")
			s.nbSet("vpc/b", "spec.vrf", "x")
			s.fates["fence"] = fateLost // nothing tells yet
			s.cycle()
			s.wantBoth("vpc/b", "spec.mode", "2")
			s.wantBoth("vpc/b", "spec.vrf", "x")
			s.wantNetBox("vpc/a", "spec.mode", "1")
			s.settled()
			s.wantInSync()
		},
		"ENGINE 3: a lost create is repeated at once, and the unique key lets one win": func(s *story) {
			start(s)
			s.gitHas(doc("vpc/c", "{mode: 1}"))
			s.fates["create"] = fateLate
			s.cycle()
			s.at("before create", s.arrives)
			s.settled()
			n := 0
			for _, o := range s.rows {
				if o.Key.Name == "c" {
					n++
				}
			}
			if n != 1 {
				s.fail("%d objects named c", n)
			}
			s.wantInSync()
		},
		"ENGINE 3: a create whose answer was lost, then edited there, is that person's edit": func(s *story) {
			start(s)
			s.gitHas(doc("vpc/c", "{mode: 1}"))
			s.fates["create"] = fateNoAnswer
			s.cycle()
			s.nbSet("vpc/c", "spec.mode", "2")
			s.settled()
			s.wantBoth("vpc/c", "spec.mode", "2")
			s.wantConflicts(0)
		},
		"ENGINE 3: a lost delete that landed is a delete done": func(s *story) {
			start(s)
			s.gitDelete(aFile)
			s.fates["delete"] = fateNoAnswer
			s.cycle()
			s.nbAdd(doc("vpc/a", "{mode: 1}")) // somebody who saw it gone makes it anew
			s.settled()
			s.wantThere(SideGit, "vpc/a")
			s.wantConflicts(0)
			s.wantInSync()
		},
		"ENGINE 3: without the change log a write that may have been undone is unknown_outcome": func(s *story) {
			s.cfg.changeLog = false
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.fates["update"] = fateNoAnswer
			s.cycle()
			s.nbSet("vpc/a", "spec.mode", "1") // an edit that saw 2, or nothing happened at all: nobody can tell
			s.settled()
			s.wantConflict("vpc/a", "spec.mode", UnknownOutcome)
			s.wantGit("vpc/a", "spec.mode", "2")
			s.wantNetBox("vpc/a", "spec.mode", "1")
			s.decide("vpc/a", "spec.mode", SideNetBox)
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "1")
			s.wantInSync()
		},
		"ENGINE 3: without the change log a write that is seen to have landed is no conflict": func(s *story) {
			s.cfg.changeLog = false
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.fates["update"] = fateNoAnswer
			s.cycle()
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantInSync()
		},
		"ENGINE 3: the intent is durable before the request, under the operation that is sent": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.at("before update", func() {
				open := s.ledger.sortedIntents()
				if len(open) != 1 || open[0].Operation == "" || !s.known[open[0].Operation] || open[0].Before == nil {
					s.fail("no intent before the request")
				}
			})
			s.cycle()
			if row := s.log[len(s.log)-1]; !s.known[row.Message] {
				s.fail("the change row's message is %q", row.Message)
			}
		},
		"ENGINE 3: a worker that was overtaken saves nothing more": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.at("after list", func() { s.epoch++ })
			s.cycle()
			if s.err == nil || s.count("update") > 0 {
				s.fail("it went on")
			}
		},
	})
}

func TestRule4WritersWithoutATrace(t *testing.T) {
	t.Parallel()
	start := func(s *story) {
		s.both(doc("vpc/a", "{mode: 1, vrf: 1}", "labels: {team: x}"), doc("vpc/b", "{mode: 1}"))
	}
	tales(t, map[string]func(s *story){
		"ENGINE 4: content is read again before a batch unless it was listed under two seconds ago": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.run(Request{Kinds: []string{"VPC"}})
			if s.count("list VPC") != 1 {
				s.fail("a fresh listing was read again")
			}
			s.gitEdit(aFile, "mode: 2", "mode: 3")
			s.calls = nil
			s.at("after list", func() { s.later(3 * time.Second) })
			s.run(Request{Kinds: []string{"VPC"}})
			if s.count("list VPC") != 2 {
				s.fail("an old listing was not read again")
			}
			s.wantNetBox("vpc/a", "spec.mode", "3")
		},
		"ENGINE 4: a change seen by the second reading is not overwritten, the rest of the batch goes on": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.gitEdit(bFile, "mode: 1", "mode: 2")
			s.at("after list", func() { s.later(3 * time.Second); s.nbSilent("vpc/a", "spec.mode", "9") })
			s.run(Request{Kinds: []string{"VPC"}})
			s.wantNetBox("vpc/a", "spec.mode", "9")
			s.wantNetBox("vpc/b", "spec.mode", "2")
			s.settled()
			s.wantConflict("vpc/a", "spec.mode", ConcurrentModification)
		},
		"ENGINE 4: only columns that change are sent": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.at("before update", func() { s.nbSilent("vpc/a", "metadata.labels.team", "silent") })
			s.settled()
			s.wantBoth("vpc/a", "metadata.labels.team", "silent")
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantInSync()
		},
		"ENGINE 4: a column that was not sent cannot have been overwritten": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.at("before update", func() { s.nbSilent("vpc/a", "metadata.labels.team", "silent") })
			s.at("after update", func() { s.nbSet("vpc/a", "metadata.labels.team", "x") }) // saw it, set it back
			s.settled()
			s.wantConflicts(0)
			s.wantInSync()
		},
		"ENGINE 4: an overwritten value is an open conflict that holds it": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.at("before update", func() { s.nbSilent("vpc/a", "spec.vrf", "silent") })
			s.settled()
			c := s.wantConflict("vpc/a", "spec.vrf", ConcurrentModification)
			if c.NetBox != "silent" {
				s.fail("the conflict holds %v", c.NetBox)
			}
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.decide("vpc/a", "spec.vrf", SideNetBox)
			s.settled()
			s.wantBoth("vpc/a", "spec.vrf", "silent")
			s.wantInSync()
		},
		"ENGINE 4: an overwritten value may be given up": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.at("before update", func() { s.nbSilent("vpc/a", "spec.vrf", "silent") })
			s.settled()
			s.decide("vpc/a", "spec.vrf", SideGit)
			s.settled()
			s.wantBoth("vpc/a", "spec.vrf", "1")
			s.wantInSync()
		},
		"ENGINE 4: the change rows are looked at after a crash too": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.at("before update", func() { s.nbSilent("vpc/a", "spec.vrf", "silent") })
			s.crashes("before operation rows")
			s.cycle()
			s.settled()
			if c := s.wantConflict("vpc/a", "spec.vrf", ConcurrentModification); c.NetBox != "silent" {
				s.fail("the conflict holds %v", c.NetBox)
			}
		},
		"ENGINE 4: a value overwritten by what it equals is nothing": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.at("before update", func() { s.nbSilent("vpc/a", "spec.mode", "2") })
			s.settled()
			s.wantInSync()
		},
		"ENGINE 4: what a delete removed unseen is kept, and can be brought back": func(s *story) {
			start(s)
			s.gitDelete(aFile)
			s.at("before delete", func() { s.nbSilent("vpc/a", "spec.vrf", "silent") })
			s.settled()
			s.wantConflict("vpc/a", "", DeleteEdit)
			s.decide("vpc/a", "", SideNetBox)
			s.settled()
			s.wantBoth("vpc/a", "spec.vrf", "silent")
			s.wantInSync()
		},
		"ENGINE 4: one feed read serves all writes of a cycle": func(s *story) {
			start(s)
			s.both(doc("server/s", "{description: 1}"))
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.gitEdit("managed/servers/s.yaml", "description: 1", "description: 2")
			s.cycle()
			if s.count("operation rows") != 1 {
				s.fail("%d reads of our change rows", s.count("operation rows"))
			}
		},
	})
}

func TestRule5StaleHead(t *testing.T) {
	t.Parallel()
	start := func(s *story) {
		s.gitPush("/.github/hnp-sync.yaml", "version: 1\n")
		s.both(doc("vpc/a", "{mode: 1}"))
		s.nbSet("vpc/a", "spec.mode", "2")
	}
	tales(t, map[string]func(s *story){
		"ENGINE 5: the same plan is committed on the new head when the directory is the same": func(s *story) {
			start(s)
			s.at("before commit", func() { s.gitPush("/README.md", "busy") })
			s.cycle()
			s.wantGit("vpc/a", "spec.mode", "2")
			if s.files()["/README.md"] != "busy" || s.count("list") != len(s.last.Plan.compared) {
				s.fail("it did more than commit again")
			}
			s.wantInSync()
		},
		"ENGINE 5: a busy monorepo does not starve a fabric": func(s *story) {
			start(s)
			for range 4 {
				s.at("before commit", func() { s.gitPush("/README.md", s.fresh()) })
			}
			s.cycle()
			s.wantGit("vpc/a", "spec.mode", "2")
		},
		"ENGINE 5: a directory that moved too means starting over": func(s *story) {
			start(s)
			s.at("before commit", func() { s.gitEdit(aFile, "mode: 1", "mode: 1, vrf: 7") })
			n := len(s.commits)
			s.cycle()
			if len(s.commits) != n+1 || !s.last.Again {
				s.fail("the old plan was committed")
			}
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantBoth("vpc/a", "spec.vrf", "7")
		},
		"ENGINE 5: a configuration that moved means starting over": func(s *story) {
			start(s)
			s.at("before commit", func() { s.gitPush("/.github/hnp-sync.yaml", "version: 1 # paused\n") })
			n := len(s.commits)
			s.cycle()
			if len(s.commits) != n+1 || !s.last.Again {
				s.fail("the old plan was committed")
			}
		},
		"ENGINE 5: a branch reset while committing is not built upon": func(s *story) {
			start(s)
			s.settled()
			s.gitPush("/README.md", "dropped")
			s.nbSet("vpc/a", "spec.mode", "3")
			s.at("before commit", func() { s.gitForce(1); s.gitPush("/README.md", "other") })
			n := len(s.commits)
			s.cycle()
			if len(s.commits) != n+1 {
				s.fail("a plan made on a head that is gone was committed")
			}
		},
		"ENGINE 5: a protected branch is said, not tried for ever": func(s *story) {
			start(s)
			s.denied = &PermissionError{Code: "protected_branch", Message: "main is protected"}
			s.cycle()
			s.wantState("error")
			if s.last.Again || !strings.Contains(s.last.Status.Message, "protected") || len(s.ledger.Intents) != 0 {
				s.fail("again %t", s.last.Again)
			}
			if !slices.Contains(sortedIDs(s.ledger.Scope), "VPC") {
				s.fail("the kind left the scope")
			}
			s.denied = nil
			s.settled()
			s.wantInSync()
		},
	})
}
