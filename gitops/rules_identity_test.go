package gitops

import (
	"strings"
	"testing"
)

func TestRule9IdentityByID(t *testing.T) {
	t.Parallel()
	commented := func(name string) string {
		return "# keep me\n" + doc("vpc/"+name, "{mode: 1, vrf: 1} # and me")
	}
	tales(t, map[string]func(s *story){
		"ENGINE 9: deleted and made anew in NetBox with the same content is not deleted by Git's delete": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"))
			s.nbDelete("vpc/a")
			s.nbAdd(doc("vpc/a", "{mode: 1}"))
			s.gitDelete(aFile)
			s.settled()
			s.wantThere(SideNetBox, "vpc/a")
			s.wantConflict("vpc/a", "", DeleteEdit)
			s.decide("vpc/a", "", SideGit)
			s.settled()
			s.wantGone(SideNetBox, "vpc/a")
			s.wantInSync()
		},
		"ENGINE 9: made anew with other content merges": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1, vrf: 1}"))
			s.nbDelete("vpc/a")
			s.nbAdd(doc("vpc/a", "{mode: 2, vrf: 1}"))
			s.gitEdit(aFile, "vrf: 1", "vrf: 2")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantBoth("vpc/a", "spec.vrf", "2")
			s.wantInSync()
		},
		"ENGINE 9: renamed in NetBox, the file that carried the name moves, its comments stay": func(s *story) {
			s.both(commented("a"))
			s.nbRename("vpc/a", "vpc/z")
			s.settled()
			s.wantNoFile(aFile)
			s.wantBytes("managed/vpcs/z.yaml", commented("z"))
			s.wantInSync()
		},
		"ENGINE 9: renamed in NetBox, a file of another name stays": func(s *story) {
			s.gitPush("managed/vpcs/legacy.yaml", commented("a"))
			s.nbAdd(doc("vpc/a", "{mode: 1, vrf: 1}"))
			s.settled()
			s.nbRename("vpc/a", "vpc/z")
			s.settled()
			s.wantBytes("managed/vpcs/legacy.yaml", commented("z"))
			s.wantInSync()
		},
		"ENGINE 9: renamed in NetBox in a file with another document": func(s *story) {
			text := commented("a") + "---\n" + doc("vpc/b", "{mode: 1}")
			s.gitPush(aFile, text)
			s.nbAdd(doc("vpc/a", "{mode: 1, vrf: 1}"), doc("vpc/b", "{mode: 1}"))
			s.settled()
			s.nbRename("vpc/a", "vpc/z")
			s.settled()
			s.wantBytes(aFile, strings.Replace(text, "name: a", "name: z", 1))
			s.wantInSync()
		},
		"ENGINE 9: renamed into another namespace": func(s *story) {
			s.both(commented("a"))
			s.nbRename("vpc/a", "vpc/other/a")
			s.settled()
			s.wantFile("managed/vpcs/other.a.yaml", "namespace: other", "# keep me")
			s.wantInSync()
			s.nbRename("vpc/other/a", "vpc/a")
			s.settled()
			s.wantThere(SideGit, "vpc/a")
			s.wantInSync()
		},
		"ENGINE 9: renamed and edited in NetBox": func(s *story) {
			s.both(commented("a"))
			s.nbRename("vpc/a", "vpc/z")
			s.nbSet("vpc/z", "spec.mode", "2")
			s.settled()
			s.wantBytes("managed/vpcs/z.yaml", strings.Replace(commented("z"), "mode: 1", "mode: 2", 1))
			s.wantInSync()
		},
		"ENGINE 9: renamed in NetBox, edited in Git": func(s *story) {
			s.both(commented("a"))
			pk := s.nbRow("vpc/a").PK
			s.nbRename("vpc/a", "vpc/z")
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.settled()
			s.wantBoth("vpc/z", "spec.mode", "2")
			s.wantGone(SideGit, "vpc/a")
			if s.nbRow("vpc/z").PK != pk {
				s.fail("another object")
			}
			s.wantInSync()
		},
		"ENGINE 9: renamed in Git keeps the object": func(s *story) {
			s.both(commented("a"))
			pk := s.nbRow("vpc/a").PK
			s.gitEdit(aFile, "name: a", "name: z")
			s.settled()
			s.wantGone(SideNetBox, "vpc/a")
			if s.nbRow("vpc/z").PK != pk {
				s.fail("another object")
			}
			s.wantFile(aFile, "name: z")
			s.wantInSync()
		},
		"ENGINE 9: renamed in Git, edited in NetBox": func(s *story) {
			s.both(commented("a"))
			s.gitEdit(aFile, "name: a", "name: z")
			s.nbSet("vpc/a", "spec.mode", "2")
			s.settled()
			s.wantBoth("vpc/z", "spec.mode", "2")
			s.wantInSync()
		},
		"ENGINE 9: renamed and edited in Git is a delete and a create": func(s *story) {
			s.both(commented("a"), doc("vpc/b", "{mode: 1}"))
			pk := s.nbRow("vpc/a").PK
			s.gitEdit(aFile, "name: a", "name: z")
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.settled()
			s.wantGone(SideNetBox, "vpc/a")
			if s.nbRow("vpc/z").PK == pk {
				s.fail("the same object")
			}
			s.wantInSync()
		},
		"ENGINE 9: renamed in Git among other documents is a delete and a create": func(s *story) {
			s.gitPush(aFile, doc("vpc/a", "{mode: 1}")+"---\n"+doc("vpc/b", "{mode: 1}"))
			s.nbAdd(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"))
			s.settled()
			s.gitEdit(aFile, "name: a", "name: z")
			s.settled()
			s.wantGone(SideNetBox, "vpc/a")
			s.wantThere(SideNetBox, "vpc/z")
			s.wantInSync()
		},
		"ENGINE 9: renamed alike on both sides writes nothing": func(s *story) {
			s.both(commented("a"))
			s.gitEdit(aFile, "name: a", "name: z")
			s.nbRename("vpc/a", "vpc/z")
			n := s.writes
			s.settled()
			if s.writes != n {
				s.fail("%d writes", s.writes-n)
			}
			s.wantInSync()
			s.nbSet("vpc/z", "spec.mode", "2")
			s.settled()
			s.wantBoth("vpc/z", "spec.mode", "2")
		},
		"ENGINE 9: renamed to different names is a conflict of the name, fields go on": func(s *story) {
			s.both(commented("a"))
			s.gitEdit(aFile, "name: a", "name: w")
			s.nbRename("vpc/a", "vpc/z")
			s.settled()
			s.wantThere(SideGit, "vpc/w")
			s.wantThere(SideNetBox, "vpc/z")
			s.wantGone(SideGit, "vpc/z")
			s.wantGone(SideNetBox, "vpc/w")
			s.wantConflict("vpc/a", "metadata.name", ConcurrentModification)
			s.nbRename("vpc/z", "vpc/w")
			s.settled()
			s.wantInSync()
		},
		"ENGINE 9: two names swapped in NetBox lose nothing": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 2}"))
			s.nbRename("vpc/a", "vpc/x")
			s.nbRename("vpc/b", "vpc/a")
			s.nbRename("vpc/x", "vpc/b")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantBoth("vpc/b", "spec.mode", "1")
			s.wantInSync()
		},
		"ENGINE 9: two names swapped in Git lose nothing": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 2}"))
			s.gitEdit(aFile, "name: a", "name: b")
			s.gitEdit(bFile, "name: b", "name: a")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantBoth("vpc/b", "spec.mode", "1")
			s.wantInSync()
		},
		"ENGINE 9: renamed in NetBox to a name that Git gives to something else": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/k", "{mode: 1}"))
			s.gitHas(doc("vpc/z", "{mode: 9}"))
			s.nbRename("vpc/a", "vpc/z")
			s.settled()
			s.wantGit("vpc/a", "spec.mode", "1")
			s.wantGit("vpc/z", "spec.mode", "9")
			s.wantNetBox("vpc/z", "spec.mode", "1")
			s.wantConflict("vpc/z", "spec.mode", BothExist)
			s.wantFrozen("vpc/a", Vanished)
		},
		"ENGINE 9: renamed in NetBox and deleted in Git": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"))
			s.nbRename("vpc/a", "vpc/z")
			s.gitDelete(aFile)
			s.settled()
			s.wantThere(SideNetBox, "vpc/z")
			s.wantConflict("vpc/a", "", DeleteEdit)
			s.decide("vpc/a", "", SideNetBox)
			s.settled()
			s.wantThere(SideGit, "vpc/z")
			s.wantInSync()
		},
		"ENGINE 9: renamed in Git and deleted in NetBox": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"))
			s.gitEdit(aFile, "name: a", "name: z")
			s.nbDelete("vpc/a")
			s.settled()
			s.wantThere(SideGit, "vpc/z")
			s.wantConflict("vpc/a", "", DeleteEdit)
			s.decide("vpc/a", "", SideGit)
			s.settled()
			s.wantThere(SideNetBox, "vpc/z")
			s.wantInSync()
		},
		"ENGINE 9: an object moved to another fabric is vanished until that pairing holds it": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"))
			pk := s.nbRow("vpc/a").PK
			s.foreign[pk] = 7
			s.settled()
			s.wantThere(SideGit, "vpc/a")
			s.wantFrozen("vpc/a", Vanished)
			s.wantWaiting("vpc/a")
			s.held[pk] = true
			s.settled()
			s.wantGone(SideGit, "vpc/a")
			s.wantWaiting()
		},
		"ENGINE 9: a 404 on a write means observe again": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"))
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.at("before update", func() { s.nbDelete("vpc/a") })
			s.cycle()
			if !s.last.Again || len(s.ledger.Refusals) != 0 {
				s.fail("not observed again")
			}
			s.settled()
			s.wantGit("vpc/a", "spec.mode", "2")
			s.wantConflict("vpc/a", "", DeleteEdit)
		},
		"ENGINE 9: a 404 on a delete means it is gone": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"))
			s.gitDelete(aFile)
			s.at("before delete", func() { s.nbDelete("vpc/a") })
			s.settled()
			s.wantInSync()
		},
		"ENGINE 9: a file moved with the same identity touches nothing": func(s *story) {
			s.both(commented("a"))
			s.gitMove(aFile, "managed/vpcs/sub/elsewhere.yaml")
			n := s.writes
			s.settled()
			if s.writes != n {
				s.fail("it wrote")
			}
			s.nbSet("vpc/a", "spec.mode", "2")
			s.settled()
			s.wantFile("managed/vpcs/sub/elsewhere.yaml", "mode: 2")
			s.wantInSync()
		},
	})
}

func TestRule9HostileNames(t *testing.T) {
	t.Parallel()
	tales(t, map[string]func(s *story){
		"ENGINE 9: renamed in NetBox to what can be no file name is not carried over": func(s *story) {
			for _, name := range []string{"x\nHNP-Operation: sync_20260101_000000_zzzzzz", "../../z", "Upper"} {
				s = newStory(s.t)
				s.both(doc("vpc/a", "{mode: 1}"))
				o := *s.nbRow("vpc/a")
				o.Key.Name, o.LastUpdated = name, s.etag()
				s.rows[o.PK] = &o
				n := s.writes
				s.settled()
				s.wantBytes(aFile, doc("vpc/a", "{mode: 1}"))
				if s.writes != n {
					s.fail("it wrote")
				}
				s.cycle()
				s.wantFrozen("vpc/a", FileStructure)
			}
		},
		"ENGINE 9: a key of any length settles": func(s *story) {
			long := strings.Repeat("x", 1000)
			deep := func(v string) string { return strings.Repeat(`{"`+long+`": `, 6) + v + strings.Repeat("}", 6) }
			s.both(doc("vpc/a", "{mode: 1, subnets: "+deep("1")+"}"))
			s.gitEdit(aFile, deep("1"), deep("2"))
			s.settled()
			s.wantInSync()
			s.nbSet("vpc/a", "spec.subnets", deep("3"))
			s.settled()
			s.wantInSync()
			s.nbSet("vpc/a", "spec.subnets", deep("4"))
			s.gitEdit(aFile, deep("3"), deep("5"))
			s.settled()
			s.wantConflicts(1)
			s.nbSet("vpc/a", "spec.subnets", deep("5"))
			s.settled()
			s.wantInSync()
		},
	})
}
