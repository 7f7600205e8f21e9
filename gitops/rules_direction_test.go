package gitops

import (
	"testing"
	"time"
)

func TestRule21Direction(t *testing.T) {
	t.Parallel()
	start := func(d Direction, rules ...Rule) func(s *story) {
		return func(s *story) {
			s.fabric.Direction, s.fabric.Rules = d, rules
			s.gitHas(doc("vpc/a", "{mode: 1, vrf: 1}"), doc("vpc/b", "{mode: 1}"), doc("switch/s", "{profile: x, boot: {serial: q}, description: d}"))
			s.nbAdd(doc("vpc/a", "{mode: 1, vrf: 1}"), doc("vpc/b", "{mode: 1}"), doc("switch/s", "{profile: x, boot: {serial: q}, description: d}"))
			s.settled()
		}
	}
	switches := "managed/switches/s.yaml"
	tales(t, map[string]func(s *story){
		"ENGINE 21: git_to_gui: an edit in NetBox stays and is shown as drift": func(s *story) {
			start(GitToGUI)(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			n := s.writes
			s.settled()
			s.later(time.Hour)
			s.settled()
			if s.writes != n {
				s.fail("it wrote")
			}
			s.wantConflict("vpc/a", "spec.mode", DriftCode)
			s.wantNetBox("vpc/a", "spec.mode", "2")
			s.wantGit("vpc/a", "spec.mode", "1")
			s.gitEdit(aFile, "vrf: 1", "vrf: 5")
			s.settled()
			s.wantNetBox("vpc/a", "spec.vrf", "5")
			s.wantNetBox("vpc/a", "spec.mode", "2")
			s.nbSet("vpc/a", "spec.mode", "1")
			s.settled()
			s.wantInSync()
		},
		"ENGINE 21: gui_to_git: an edit in Git stays and is shown as drift": func(s *story) {
			start(GUIToGit)(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.nbSet("vpc/a", "spec.vrf", "5")
			s.settled()
			s.wantConflict("vpc/a", "spec.mode", DriftCode)
			s.wantNetBox("vpc/a", "spec.mode", "1")
			s.wantFile(aFile, "mode: 2, vrf: 5")
		},
		"ENGINE 21: drift the open side changes too is a conflict": func(s *story) {
			start(GitToGUI)(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.settled()
			s.gitEdit(aFile, "mode: 1", "mode: 3")
			s.settled()
			s.wantConflict("vpc/a", "spec.mode", ConcurrentModification)
			s.wantNetBox("vpc/a", "spec.mode", "2")
			s.decide("vpc/a", "spec.mode", SideNetBox)
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "2")
		},
		"ENGINE 21: enforced, the open side wins, and the operation keeps the old value": func(s *story) {
			start(Bidirectional, Rule{Kinds: []string{"VPC"}, Direction: GitToGUI, Enforce: true})(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.settled()
			s.wantNetBox("vpc/a", "spec.mode", "2") // never reverted by itself
			s.wantConflict("vpc/a", "spec.mode", DriftCode)
			s.gitEdit(aFile, "mode: 1", "mode: 3")
			s.cycle()
			s.wantBoth("vpc/a", "spec.mode", "3")
			if c := s.last.Operation.Changes; len(c) != 1 || textOf(c[0].Change.From) != "2" {
				s.fail("the old value is not kept: %+v", c)
			}
			s.wantInSync()
		},
		"ENGINE 21: enforced the other way": func(s *story) {
			start(Bidirectional, Rule{Direction: GUIToGit, Enforce: true})(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.settled()
			s.wantGit("vpc/a", "spec.mode", "2")
			s.nbSet("vpc/a", "spec.mode", "3")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "3")
			s.wantInSync()
		},
		"ENGINE 21: creates and deletes on the closed side are drift": func(s *story) {
			start(GitToGUI)(s)
			s.nbAdd(doc("vpc/new", "{mode: 1}"))
			s.nbDelete("vpc/b")
			s.settled()
			s.wantConflict("vpc/new", "", DriftCode)
			s.wantConflict("vpc/b", "", DriftCode)
			s.wantGone(SideGit, "vpc/new")
			s.wantGone(SideNetBox, "vpc/b")
			s.wantThere(SideGit, "vpc/b")
		},
		"ENGINE 21: creates and deletes in Git are drift under gui_to_git": func(s *story) {
			start(GUIToGit)(s)
			s.gitHas(doc("vpc/new", "{mode: 1}"))
			s.gitDelete(bFile)
			s.settled()
			s.wantConflict("vpc/new", "", DriftCode)
			s.wantConflict("vpc/b", "", DriftCode)
			s.wantGone(SideNetBox, "vpc/new")
			s.wantThere(SideNetBox, "vpc/b")
		},
		"ENGINE 21: a rename on the closed side is drift": func(s *story) {
			start(GitToGUI)(s)
			s.nbRename("vpc/a", "vpc/z")
			s.settled()
			s.wantThere(SideGit, "vpc/a")
			s.wantThere(SideNetBox, "vpc/z")
			s.wantConflict("vpc/a", "metadata.name", DriftCode)
		},
		"ENGINE 21: disabled stops everything and reverts nothing": func(s *story) {
			start(Bidirectional)(s)
			s.fabric.Direction = Disabled
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.nbSet("vpc/a", "spec.vrf", "2")
			s.nbDelete("vpc/b")
			n := s.writes
			s.settled()
			if s.writes != n {
				s.fail("it wrote")
			}
		},
		"ENGINE 21: a rule for a field": func(s *story) {
			start(Bidirectional, Rule{Kinds: []string{"Switch"}, Fields: []string{"spec.boot"}, Direction: GitToGUI})(s)
			s.nbSet("switch/s", "spec.boot.serial", "other")
			s.nbSet("switch/s", "spec.description", "other")
			s.settled()
			s.wantGit("switch/s", "spec.boot.serial", "q")
			s.wantGit("switch/s", "spec.description", "other")
			s.wantConflict("switch/s", "spec.boot.serial", DriftCode)
		},
		"ENGINE 21: a container whose parts have other directions is split": func(s *story) {
			start(Bidirectional, Rule{Kinds: []string{"VPC"}, Fields: []string{"spec.subnets.*.vlan"}, Direction: GitToGUI})(s)
			s.nbSet("vpc/a", "spec.subnets", `{"p": {"vlan": 5, "gateway": "g"}}`)
			s.settled()
			s.wantGit("vpc/a", "spec.subnets.p.gateway", "g")
			s.wantGit("vpc/a", "spec.subnets.p.vlan", "-")
			s.wantConflict("vpc/a", "spec.subnets.p.vlan", DriftCode)
		},
		"ENGINE 21: a rule selects by name": func(s *story) {
			start(Bidirectional, Rule{Names: []string{"a*"}, Direction: GitToGUI})(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.nbSet("vpc/b", "spec.mode", "2")
			s.settled()
			s.wantGit("vpc/a", "spec.mode", "1")
			s.wantGit("vpc/b", "spec.mode", "2")
		},
		"ENGINE 21: the most specific rule wins": func(s *story) {
			start(Bidirectional, Rule{Fields: []string{"spec.mode"}, Direction: Bidirectional}, Rule{Kinds: []string{"VPC"}, Direction: GitToGUI},
				Rule{Kinds: []string{"VPC"}, Names: []string{"b"}, Direction: GUIToGit})(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.nbSet("vpc/a", "spec.vrf", "2")
			s.nbSet("vpc/b", "spec.vrf", "2")
			s.settled()
			s.wantGit("vpc/a", "spec.mode", "2")
			s.wantGit("vpc/a", "spec.vrf", "1")
			s.wantGit("vpc/b", "spec.vrf", "2")
		},
		"ENGINE 21: a rule cannot open what the fabric closes": func(s *story) {
			start(GitToGUI, Rule{Kinds: []string{"VPC"}, Direction: Bidirectional})(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.settled()
			s.wantGit("vpc/a", "spec.mode", "1")
		},
		"ENGINE 21: opposite directions let nothing through": func(s *story) {
			start(GitToGUI, Rule{Kinds: []string{"VPC"}, Direction: GUIToGit})(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.gitEdit(bFile, "mode: 1", "mode: 2")
			s.gitEdit(switches, "description: d", "description: e")
			s.settled()
			s.wantGit("vpc/a", "spec.mode", "1")
			s.wantNetBox("vpc/b", "spec.mode", "1")
			s.wantNetBox("switch/s", "spec.description", "e")
		},
		"ENGINE 21: the plugin's auto_sync: false disables one resource": func(s *story) {
			start(Bidirectional)(s)
			o := *s.nbRow("vpc/a")
			o.AutoSync = false
			s.rows[o.PK] = &o
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.nbSet("vpc/a", "spec.vrf", "2")
			s.gitEdit(bFile, "mode: 1", "mode: 2")
			s.settled()
			s.wantNetBox("vpc/a", "spec.mode", "1")
			s.wantGit("vpc/a", "spec.vrf", "1")
			s.wantBoth("vpc/b", "spec.mode", "2")
			s.gitDelete(aFile)
			s.settled()
			s.wantThere(SideNetBox, "vpc/a")
		},
		"ENGINE 21: after the direction was changed the first plan that moves drift waits": func(s *story) {
			start(GitToGUI)(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.settled()
			s.fabric.Direction = Bidirectional
			s.gitEdit(bFile, "mode: 1", "mode: 2")
			s.settled()
			s.wantWaiting("vpc/a")
			s.wantGit("vpc/a", "spec.mode", "1")
			s.wantBoth("vpc/b", "spec.mode", "2")
			s.later(time.Hour)
			s.settled()
			s.wantWaiting("vpc/a")
			s.cycle()
			s.approves()
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantInSync()
			// From then on edits flow by themselves.
			s.nbSet("vpc/a", "spec.mode", "3")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "3")
		},
		"ENGINE 21: after the direction was changed a delete that had drifted waits too": func(s *story) {
			start(GUIToGit)(s)
			s.gitDelete(bFile)
			s.settled()
			s.fabric.Direction = Bidirectional
			s.settled()
			s.wantWaiting("vpc/b")
			s.wantThere(SideNetBox, "vpc/b")
		},
		"ENGINE 21: drift in a kind that was not compared when the direction changed waits too": func(s *story) {
			start(GitToGUI)(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.settled()
			s.fabric.Direction = Bidirectional
			s.unlisted["VPC"] = true
			s.cycle()
			delete(s.unlisted, "VPC")
			s.settled()
			s.wantWaiting("vpc/a")
			s.wantGit("vpc/a", "spec.mode", "1")
		},
		"ENGINE 21: a direction changed without drift asks nobody": func(s *story) {
			start(GitToGUI)(s)
			s.fabric.Direction = Bidirectional
			s.nbSet("vpc/a", "spec.mode", "2")
			s.settled()
			s.wantWaiting()
			s.wantBoth("vpc/a", "spec.mode", "2")
		},
		"ENGINE 21: drift can be ended by setting it back": func(s *story) {
			start(GitToGUI)(s)
			s.nbAdd(doc("vpc/new", "{mode: 1}"))
			s.settled()
			s.nbDelete("vpc/new")
			s.settled()
			s.wantInSync()
		},
		"ENGINE 21: unequal at first contact under git_to_gui is a conflict, not an overwrite": func(s *story) {
			s.fabric.Direction = GitToGUI
			s.gitHas(doc("vpc/a", "{mode: 1}"))
			s.nbAdd(doc("vpc/a", "{mode: 2}"))
			s.settled()
			s.wantNetBox("vpc/a", "spec.mode", "2")
			s.wantConflicts(1)
		},
	})
}

func TestRule22Fight(t *testing.T) {
	t.Parallel()
	// round is one push and one tool that sets its own value again.
	round := func(s *story) {
		s.t.Helper()
		s.gitEdit(aFile, "mode: 1", "mode: 2")
		s.settled()
		s.later(time.Minute)
		s.nbSet("vpc/a", "spec.mode", "1")
		s.settled()
		s.later(time.Minute)
	}
	tales(t, map[string]func(s *story){
		"ENGINE 22: a write undone three times in ten minutes is a fight": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1, vrf: 1}"))
			round(s)
			s.wantConflicts(0)
			s.wantBoth("vpc/a", "spec.mode", "1")
			round(s) // undone in Git by the push, then in NetBox by the tool
			s.wantConflict("vpc/a", "spec.mode", Fight)
			n := s.writes
			s.settled()
			if s.writes != n {
				s.fail("it fights on")
			}
			s.nbSet("vpc/a", "spec.vrf", "2")
			s.settled()
			s.wantBoth("vpc/a", "spec.vrf", "2")
			s.decide("vpc/a", "spec.mode", SideNetBox)
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "1")
		},
		"ENGINE 22: undone on the Git side": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			for range 2 {
				s.nbSet("vpc/a", "spec.mode", "2")
				s.settled()
				s.later(time.Minute)
				s.gitEdit(aFile, "mode: 2", "mode: 1")
				s.settled()
				s.later(time.Minute)
			}
			s.wantConflict("vpc/a", "spec.mode", Fight)
		},
		"ENGINE 22: three times in an hour is none": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			for range 5 {
				round(s)
				s.later(20 * time.Minute)
			}
			s.wantConflicts(0)
			s.wantInSync()
		},
		"ENGINE 22: other values are edits, not undoing": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			for n := 2; n < 9; n++ {
				s.nbSet("vpc/a", "spec.mode", s.fresh())
				s.settled()
			}
			s.wantConflicts(0)
			s.wantInSync()
		},
		"ENGINE 22: a fight ends when the sides agree": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			round(s)
			round(s)
			s.wantConflict("vpc/a", "spec.mode", Fight)
			s.gitEdit(aFile, "mode: 2", "mode: 1")
			s.later(20 * time.Minute)
			s.settled()
			s.wantInSync()
			s.gitEdit(aFile, "mode: 1", "mode: 3")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "3")
		},
	})
}

func TestRule23Policy(t *testing.T) {
	t.Parallel()
	for _, policy := range []Strategy{StrategyMerge, StrategyUserGuided, StrategyTimestamp, StrategyBranch} {
		asks := policy == StrategyUserGuided || policy == StrategyTimestamp
		start := func(s *story) {
			s.fabric.Conflicts = policy
			s.both(doc("vpc/a", "{mode: 1, vrf: 1, other: 1}"), doc("vpc/b", "{mode: 1}"))
		}
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			tales(t, map[string]func(s *story){
				"ENGINE 23: different fields changed on both sides": func(s *story) {
					start(s)
					s.gitEdit(aFile, "mode: 1", "mode: 2")
					s.nbSet("vpc/a", "spec.vrf", "2")
					s.nbSet("vpc/b", "spec.mode", "2")
					s.settled()
					s.wantBoth("vpc/b", "spec.mode", "2")
					if !asks {
						s.wantInSync()
						return
					}
					s.wantNetBox("vpc/a", "spec.mode", "1")
					s.wantGit("vpc/a", "spec.vrf", "1")
					s.wantConflict("vpc/a", "spec.mode", ConcurrentModification)
					s.wantConflict("vpc/a", "spec.vrf", ConcurrentModification)
					s.decide("vpc/a", "spec.mode", SideGit)
					s.decide("vpc/a", "spec.vrf", SideNetBox)
					s.settled()
					s.wantBoth("vpc/a", "spec.mode", "2")
					s.wantBoth("vpc/a", "spec.vrf", "2")
					s.wantInSync()
				},
				"ENGINE 23: decided one after the other": func(s *story) {
					start(s)
					s.gitEdit(aFile, "mode: 1", "mode: 2")
					s.nbSet("vpc/a", "spec.vrf", "2")
					s.settled()
					if asks {
						s.decide("vpc/a", "spec.mode", SideGit)
						s.settled()
						s.wantNetBox("vpc/a", "spec.mode", "2")
						s.decideIfOpen("vpc/a", "spec.vrf", SideNetBox)
						s.settled()
					}
					s.wantBoth("vpc/a", "spec.mode", "2")
					s.wantBoth("vpc/a", "spec.vrf", "2")
					s.wantInSync()
				},
				"ENGINE 23: decided against a merged value": func(s *story) {
					start(s)
					s.gitEdit(aFile, "mode: 1", "mode: 2")
					s.nbSet("vpc/a", "spec.vrf", "2")
					s.settled()
					if !asks {
						return
					}
					s.decide("vpc/a", "spec.mode", SideNetBox)
					s.decide("vpc/a", "spec.vrf", SideGit)
					s.settled()
					s.wantBoth("vpc/a", "spec.mode", "1")
					s.wantBoth("vpc/a", "spec.vrf", "1")
					s.wantInSync()
				},
				"ENGINE 23: a conflict and a change of one side": func(s *story) {
					start(s)
					s.gitEdit(aFile, "mode: 1, vrf: 1", "mode: 2, vrf: 2")
					s.nbSet("vpc/a", "spec.mode", "3")
					s.settled()
					s.wantConflict("vpc/a", "spec.mode", ConcurrentModification)
					want := "2"
					if asks {
						want = "1"
					}
					s.wantNetBox("vpc/a", "spec.vrf", want)
				},
				"ENGINE 23: changed on one side only": func(s *story) {
					start(s)
					s.gitEdit(aFile, "mode: 1, vrf: 1", "mode: 2, vrf: 2")
					s.settled()
					s.nbSet("vpc/a", "spec.mode", "3")
					s.settled()
					s.wantBoth("vpc/a", "spec.mode", "3")
					s.wantInSync()
				},
				"ENGINE 23: changed alike on both sides": func(s *story) {
					start(s)
					s.gitEdit(aFile, "mode: 1", "mode: 2")
					s.nbSet("vpc/a", "spec.mode", "2")
					s.settled()
					s.wantInSync()
				},
			})
		})
	}
}
