package gitops

import "testing"

// The process dies before every single call of a cycle in turn, saves included, and begins anew: nothing is lost, and
// nothing is done twice (ENGINE 3; DESIGN §3). Each tale also goes through with every write's answer lost.
func TestCrashAnywhere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ edit, check func(s *story) }{
		"edits on both sides": {
			func(s *story) {
				s.gitEdit(aFile, "mode: 1", "mode: 2")
				s.nbSet("vpc/a", "spec.vrf", "2")
				s.gitEdit(bFile, "mode: 1", "mode: 2")
				s.nbSet("server/s", "spec.description", "2")
			},
			func(s *story) {
				s.wantBoth("vpc/a", "spec.mode", "2")
				s.wantBoth("vpc/a", "spec.vrf", "2")
				s.wantBoth("vpc/b", "spec.mode", "2")
				s.wantBoth("server/s", "spec.description", "2")
				s.wantInSync()
			}},
		"creates and deletes on both sides": {
			func(s *story) {
				s.gitHas(doc("vpc/g", "{mode: 1}"))
				s.nbAdd(doc("vpc/m", "{mode: 1}"))
				s.gitDelete(aFile)
				s.nbDelete("vpc/b")
			},
			func(s *story) {
				s.wantThere(SideNetBox, "vpc/g")
				s.wantThere(SideGit, "vpc/m")
				s.wantGone(SideNetBox, "vpc/a", "vpc/b")
				s.wantGone(SideGit, "vpc/a", "vpc/b")
				s.wantInSync()
				if len(s.ledger.Deletes) != 2 {
					s.fail("%d deletes are counted", len(s.ledger.Deletes))
				}
			}},
		"renames on both sides": {
			func(s *story) {
				s.gitEdit(aFile, "name: a", "name: z")
				s.nbRename("vpc/b", "vpc/w")
				s.nbSet("vpc/w", "spec.mode", "2")
			},
			func(s *story) {
				s.wantThere(SideNetBox, "vpc/z", "vpc/w")
				s.wantBoth("vpc/w", "spec.mode", "2")
				s.wantNoFile(bFile)
				s.wantInSync()
			}},
		"conflicts, one of them decided": {
			func(s *story) {
				s.gitEdit(aFile, "mode: 1, vrf: 1", "mode: 2, vrf: 2")
				s.nbSet("vpc/a", "spec.mode", "3")
				s.nbSet("vpc/a", "spec.vrf", "3")
				s.cycle()
				s.decide("vpc/a", "spec.mode", SideNetBox)
				s.calls = nil
			},
			func(s *story) {
				s.wantBoth("vpc/a", "spec.mode", "3")
				s.wantConflict("vpc/a", "spec.vrf", ConcurrentModification)
				s.wantConflicts(1)
				s.wantSilence()
			}},
		"a list in two steps": {
			func(s *story) {
				s.gitEdit("managed/externalattachments/e.yaml", "[{seq: 10, a: 1}]", "[{seq: 5}, {seq: 10, a: 1}]")
				s.nbSet("externalattachment/e", "spec.inboundACL.statements", `[{"seq": 10, "a": 2}]`)
			},
			func(s *story) {
				s.wantBoth("externalattachment/e", "spec.inboundACL.statements", `[{"seq": 5}, {"seq": 10, "a": 2}]`)
				s.wantInSync()
			}},
		"an approved delete of what always asks": {
			func(s *story) {
				s.gitDelete("managed/switches/s.yaml")
				s.cycle()
				s.approves()
				s.calls = nil
			},
			func(s *story) {
				s.wantGone(SideNetBox, "switch/s")
				s.wantWaiting()
				s.wantInSync()
			}},
	} {
		start := func(t *testing.T) *story {
			s := newStory(t)
			s.both(doc("vpc/a", "{mode: 1, vrf: 1}"), doc("vpc/b", "{mode: 1}"), doc("vpc/k", "{mode: 1}"), doc("server/s", "{description: 1}"), doc("switch/s", "{profile: x}"),
				doc("switch/t", "{profile: x}"), doc("externalattachment/e", "{inboundACL: {statements: [{seq: 10, a: 1}]}}"))
			c.edit(s)
			return s
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			before, commits := s.writes, len(s.commits)
			calls := 0
			for again := true; again; again = s.last.Again {
				s.cycle()
				calls = len(s.calls)
			}
			c.check(s)
			writes, made := s.writes-before, len(s.commits)-commits
			if writes < 1 || calls < 10 {
				t.Fatalf("%d writes in %d calls: too little to look at", writes, calls)
			}
			for at := 1; at <= calls; at++ {
				s := start(t)
				before, commits := s.writes, len(s.commits)
				s.dieAt = at
				s.cycle()
				for n := 0; n < 3 && s.err == nil && len(s.calls) < at; n++ {
					s.cycle()
				}
				where := "the end"
				if len(s.calls) >= at {
					where = s.calls[at-1]
				}
				s.dieAt = 0
				s.settled()
				c.check(s)
				if s.writes-before != writes || len(s.commits)-commits > made+1 {
					s.fail("%d objects and commits were written, without dying %d", s.writes-before, writes)
				}
				if t.Failed() {
					t.Fatalf("died before call %d: %s", at, where)
				}
			}
			// The answers of writes get lost instead, one kind of write after the other.
			for _, lost := range []string{"update", "create", "delete", "commit"} {
				for f, word := range map[fate]string{fateLost: "never arrives", fateLate: "arrives late", fateNoAnswer: "is carried out without an answer"} {
					s := start(t)
					s.fates[lost] = f
					s.cycle()
					s.cycle()
					s.arrives()
					s.settled()
					c.check(s)
					if t.Failed() {
						t.Fatalf("a %s that %s", lost, word)
					}
				}
			}
		})
	}
}
