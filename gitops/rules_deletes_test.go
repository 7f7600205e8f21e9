package gitops

import (
	"strings"
	"testing"
)

func TestRule10DeletesInGit(t *testing.T) {
	t.Parallel()
	start := func(s *story) {
		s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"), doc("vpc/c", "{mode: 1}"))
	}
	// frozen is what holds while the file of vpc/a cannot be read, and once it can be again.
	frozen := func(spoil, repair func(s *story)) func(s *story) {
		return func(s *story) {
			start(s)
			text := s.files()[aFile]
			spoil(s)
			s.nbSet("vpc/b", "spec.mode", "2")
			s.settled()
			s.wantFrozen("vpc/a", FileStructure)
			s.wantThere(SideNetBox, "vpc/a")
			s.wantBoth("vpc/b", "spec.mode", "2")
			s.nbSet("vpc/a", "spec.mode", "3")
			before := s.files()[aFile]
			s.settled()
			s.wantBytes(aFile, before)
			s.wantFrozen("vpc/a", FileStructure)
			if repair != nil {
				repair(s)
			} else {
				s.gitPush(aFile, text)
			}
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "3")
			s.wantInSync()
		}
	}
	// moved is what holds while vpc/a stands where nothing is synchronised.
	moved := func(to, state string) func(s *story) {
		return func(s *story) {
			s.fabric.Ingest.FilePatterns = []string{"*.later"} // what stands in raw/ waits
			start(s)
			s.gitMove(aFile, to)
			s.settled()
			s.wantThere(SideNetBox, "vpc/a")
			s.wantNoFile(aFile)
			if got := s.ledger.Resources[keyOf(s.t, "vpc/a")].State; got != state {
				s.fail("the state is %s", got)
			}
			s.nbSet("vpc/a", "spec.mode", "2")
			s.settled()
			s.wantNoFile(aFile)
			s.gitMove(to, aFile)
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantInSync()
		}
	}
	tales(t, map[string]func(s *story){
		"ENGINE 10: a deleted file deletes its object": func(s *story) {
			start(s)
			s.gitDelete(aFile)
			s.settled()
			s.wantGone(SideNetBox, "vpc/a")
			s.wantThere(SideNetBox, "vpc/b", "vpc/c")
			s.wantInSync()
		},
		"ENGINE 10: a document cut out of a file deletes its object, the others move up": func(s *story) {
			s.gitPush(aFile, doc("vpc/a", "{mode: 1}")+"---\n"+doc("vpc/b", "{mode: 1}")+"---\n"+doc("vpc/c", "{mode: 1}"))
			s.nbAdd(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"), doc("vpc/c", "{mode: 1}"))
			s.settled()
			s.gitPush(aFile, doc("vpc/b", "{mode: 1}")+"---\n"+doc("vpc/c", "{mode: 1}"))
			s.settled()
			s.wantGone(SideNetBox, "vpc/a")
			s.wantThere(SideNetBox, "vpc/b", "vpc/c")
			s.nbSet("vpc/c", "spec.mode", "2")
			s.settled()
			s.wantGit("vpc/b", "spec.mode", "1")
			s.wantGit("vpc/c", "spec.mode", "2")
			s.wantInSync()
		},
		"ENGINE 10: documents reordered in a file delete nothing": func(s *story) {
			s.gitPush(aFile, doc("vpc/a", "{mode: 1}")+"---\n"+doc("vpc/b", "{mode: 2}"))
			s.nbAdd(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 2}"))
			s.settled()
			s.gitPush(aFile, doc("vpc/b", "{mode: 2}")+"---\n"+doc("vpc/a", "{mode: 1}"))
			s.wantInSync()
			s.nbSet("vpc/a", "spec.mode", "5")
			s.settled()
			s.wantGit("vpc/a", "spec.mode", "5")
			s.wantGit("vpc/b", "spec.mode", "2")
		},
		"ENGINE 10: a file that no longer parses freezes what it held": frozen(func(s *story) { s.gitPush(aFile, "kind: VPC\n\tmetadata: [") }, nil),
		"ENGINE 10: a file with a duplicate key freezes what it held":  frozen(func(s *story) { s.gitEdit(aFile, "kind: VPC", "kind: VPC\nkind: VPC") }, nil),
		"ENGINE 10: one broken document freezes the others of its file": func(s *story) {
			s.gitPush(aFile, doc("vpc/a", "{mode: 1}")+"---\n"+doc("vpc/b", "{mode: 1}"))
			s.nbAdd(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"))
			s.settled()
			s.gitPush(aFile, doc("vpc/a", "{mode: 2}")+"---\nkind: [\n")
			s.settled()
			s.wantFrozen("vpc/a", FileStructure)
			s.wantFrozen("vpc/b", FileStructure)
			s.wantNetBox("vpc/a", "spec.mode", "1")
			s.wantThere(SideNetBox, "vpc/b")
		},
		"ENGINE 10: a file of an unsupported version freezes what it held": frozen(func(s *story) { s.gitEdit(aFile, "v1beta1", "v1alpha2") }, nil),
		"ENGINE 10: a file replaced by a symlink freezes what it held": frozen(func(s *story) { s.modes[aFile] = "120000"; s.gitPush("/x", "1") },
			func(s *story) { delete(s.modes, aFile); s.gitPush("/x", "2") }),
		"ENGINE 10: a file grown too large freezes what it held": frozen(func(s *story) { s.modes[aFile] = "oversize"; s.gitPush("/x", "1") },
			func(s *story) { delete(s.modes, aFile); s.gitPush("/x", "2") }),
		"ENGINE 10: a Git LFS pointer freezes what it held": frozen(func(s *story) {
			s.gitPush(aFile, "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n")
		}, nil),
		"ENGINE 10: a submodule in the file's place freezes what it held": frozen(func(s *story) { s.modes[aFile] = "160000"; s.gitPush("/x", "1") },
			func(s *story) { delete(s.modes, aFile); s.gitPush("/x", "2") }),
		"ENGINE 10: what left a broken file for another one is synchronised there": func(s *story) {
			s.gitPush(aFile, doc("vpc/a", "{mode: 1}")+"---\n"+doc("vpc/b", "{mode: 1}"))
			s.nbAdd(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"))
			s.settled()
			s.gitPush(aFile, "kind: [\n")
			s.gitPush("managed/vpcs/new.yaml", doc("vpc/b", "{mode: 2}"))
			s.settled()
			s.wantFrozen("vpc/a", FileStructure)
			s.wantNetBox("vpc/b", "spec.mode", "2")
		},
		"ENGINE 10: a file renamed and broken at once deletes nothing": func(s *story) {
			start(s)
			s.gitDelete(aFile)
			s.gitPush("managed/vpcs/new.yaml", doc("vpc/a", "{mode: 1}")+"spec: {}\n")
			s.settled()
			s.wantThere(SideNetBox, "vpc/a")
			s.wantFrozen("vpc/a", FileStructure)
		},
		"ENGINE 10: a file renamed and made a symlink at once deletes nothing": func(s *story) {
			start(s)
			s.modes["managed/vpcs/new.yaml"] = "120000"
			s.gitMove(aFile, "managed/vpcs/new.yaml")
			s.settled()
			s.wantThere(SideNetBox, "vpc/a")
			s.wantFrozen("vpc/a", FileStructure)
		},
		"ENGINE 10: a symlink that was always there hides nothing": func(s *story) {
			s.modes["managed/vpcs/link.yaml"] = "120000"
			s.gitPush("managed/vpcs/link.yaml", "b.yaml")
			start(s)
			s.gitDelete(aFile)
			s.settled()
			s.wantGone(SideNetBox, "vpc/a")
		},
		"ENGINE 10: moved to unmanaged/":   moved("unmanaged/manual-overrides/a.yaml", "disabled"),
		"ENGINE 10: moved to raw/":         moved("raw/a.yaml", "frozen"),
		"ENGINE 10: moved to raw/pending/": moved("raw/pending/a.yaml", "frozen"),
		"ENGINE 10: moved to raw/ and ingested again": func(s *story) {
			start(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.gitMove(aFile, "raw/a.yaml")
			s.settled()
			s.wantThere(SideNetBox, "vpc/a")
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantInSync()
		},
		"ENGINE 10: moved to raw/processed is a delete": func(s *story) {
			start(s)
			s.gitMove(aFile, "raw/processed/a.yaml")
			s.settled()
			s.wantGone(SideNetBox, "vpc/a")
		},
		"ENGINE 10: copies in raw/processed, raw/errors, .hnp and backup carry nothing": func(s *story) {
			start(s)
			for _, p := range []string{"raw/processed/a.yaml", "raw/errors/a.yaml", ".hnp/a.yaml", "backup/20250101/managed/vpcs/a.yaml"} {
				s.gitPush(p, s.files()[aFile])
			}
			s.gitPush("raw/errors/broken.yaml", "name: a\nkind: [\n")
			s.gitDelete(aFile)
			s.settled()
			s.wantGone(SideNetBox, "vpc/a")
		},
		"ENGINE 10: a copy that stood in unmanaged/ all along does not hold a delete back": func(s *story) {
			start(s)
			s.gitPush("unmanaged/external-configs/a.yaml", s.files()[aFile])
			s.settled()
			s.gitDelete(aFile)
			s.settled()
			s.wantGone(SideNetBox, "vpc/a")
			s.wantNotFrozen()
		},
		"ENGINE 10: moved to unmanaged/ beside a copy that stood there all along": func(s *story) {
			start(s)
			s.gitPush("unmanaged/z.yaml", s.files()[aFile])
			s.settled()
			s.gitMove(aFile, "unmanaged/a.yaml")
			s.settled()
			s.wantThere(SideNetBox, "vpc/a")
			s.wantFrozen("vpc/a", FileStructure)
		},
		"ENGINE 10: moved to unmanaged/ stays moved, whatever is pushed after": func(s *story) {
			start(s)
			s.gitMove(aFile, "unmanaged/a.yaml")
			s.settled()
			s.gitPush("/README.md", "1")
			s.settled()
			s.gitEdit(bFile, "mode: 1", "mode: 2")
			s.settled()
			s.wantThere(SideNetBox, "vpc/a")
			s.gitDelete("unmanaged/a.yaml")
			s.settled()
			s.wantGone(SideNetBox, "vpc/a")
			s.wantInSync()
		},
		"ENGINE 10: deleted in Git and edited in NetBox is a conflict": func(s *story) {
			start(s)
			s.gitDelete(aFile)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.settled()
			s.wantConflict("vpc/a", "", DeleteEdit)
			s.decide("vpc/a", "", SideNetBox)
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantInSync()
		},
		"ENGINE 10: deleted in Git, edited in NetBox, decided for Git": func(s *story) {
			start(s)
			s.gitDelete(aFile)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.settled()
			s.decide("vpc/a", "", SideGit)
			s.settled()
			s.wantGone(SideNetBox, "vpc/a")
			s.wantInSync()
		},
		"ENGINE 10: deleted on both sides is forgotten": func(s *story) {
			start(s)
			s.gitDelete(aFile)
			s.nbDelete("vpc/a")
			n := s.writes
			s.settled()
			if s.writes != n || s.ledger.Resources[keyOf(s.t, "vpc/a")] != nil {
				s.fail("it wrote, or remembers")
			}
		},
		"ENGINE 10: an identity that stands twice freezes itself, and nothing else": func(s *story) {
			start(s)
			s.gitPush("managed/vpcs/again.yaml", doc("vpc/a", "{mode: 7}"))
			s.nbSet("vpc/b", "spec.mode", "2")
			s.nbSet("vpc/a", "spec.mode", "5")
			s.settled()
			s.wantFrozen("vpc/a", DuplicateIdentity)
			s.wantBoth("vpc/b", "spec.mode", "2")
			s.wantFile(aFile, "mode: 1")
			s.wantFile("managed/vpcs/again.yaml", "mode: 7")
			s.gitDelete("managed/vpcs/again.yaml")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "5")
			s.wantInSync()
		},
	})
}

func TestRule10CreatesInGit(t *testing.T) {
	t.Parallel()
	hidden := func(file, text string) func(s *story) {
		return func(s *story) {
			s.fabric.Ingest.FilePatterns = []string{"*.later"} // what stands in raw/ waits
			s.gitPush(file, text)
			s.settled()
			s.nbAdd(doc("vpc/new", "{mode: 1}"), doc("vpc/other", "{mode: 1}"))
			s.settled()
			s.wantNoFile("managed/vpcs/new.yaml")
			s.wantFrozen("vpc/new", FileStructure)
			s.wantThere(SideGit, "vpc/other")
			s.gitDelete(file)
			s.settled()
			s.wantThere(SideGit, "vpc/new")
			s.wantInSync()
		}
	}
	tales(t, map[string]func(s *story){
		"ENGINE 10: a name that stands as a word in an unparsable document": hidden("managed/vpcs/broken.yaml", "metadata: {name: new\nkind: [\n"),
		"ENGINE 10: a name that stands as a word in a pending raw file":     hidden("raw/pending/x.yaml", doc("vpc/new", "{mode: 2}")),
		"ENGINE 10: a name that stands as a word in a raw file":             hidden("raw/x.yml", "anything that says new."),
		"ENGINE 10: a name that is only part of a word hides nothing": func(s *story) {
			s.gitPush("managed/vpcs/broken.yaml", "metadata: {name: new-one, a: renew, b: new_, c: anew\nkind: [\n")
			s.nbAdd(doc("vpc/new", "{mode: 1}"))
			s.settled()
			s.wantThere(SideGit, "vpc/new")
		},
		"ENGINE 10: what stands in unmanaged/ is not created beside it": func(s *story) {
			s.gitPush("unmanaged/x.yaml", doc("vpc/new", "{mode: 2}"))
			s.nbAdd(doc("vpc/new", "{mode: 1}"))
			s.settled()
			s.wantNoFile("managed/vpcs/new.yaml")
			if got := s.ledger.Resources[keyOf(s.t, "vpc/new")].State; got != "disabled" {
				s.fail("the state is %s", got)
			}
		},
		"ENGINE 10: a new file takes no path that differs by case only": func(s *story) {
			s.gitPush("managed/vpcs/New.yaml", doc("vpc/b", "{mode: 1}"))
			s.nbAdd(doc("vpc/new", "{mode: 1}"), doc("vpc/b", "{mode: 1}"))
			s.settled()
			s.wantFile("managed/vpcs/new-2.yaml", "name: new")
			s.wantFile("managed/vpcs/New.yaml", "name: b")
			s.wantInSync()
		},
		"ENGINE 10: a name that can be no file name is not created": func(s *story) {
			s.nbAdd(doc("vpc/a", "{mode: 1}"))
			for n, name := range []string{"../../etc/passwd", "Upper", "a b", ".hidden", strings.Repeat("x", 300)} {
				o := *s.nbRow("vpc/a")
				o.PK, o.Key.Name = int64(100+n), name
				s.rows[o.PK] = &o
			}
			s.settled()
			if n := len(s.last.Status.Frozen); n != 5 {
				s.fail("%d frozen", n)
			}
			s.wantThere(SideGit, "vpc/a")
		},
	})
}

func TestRule11DeletesInNetBox(t *testing.T) {
	t.Parallel()
	start := func(s *story) {
		s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"), doc("vpc/c", "{mode: 1}"))
	}
	tales(t, map[string]func(s *story){
		"ENGINE 11: a delete with its change row is believed": func(s *story) {
			start(s)
			s.nbDelete("vpc/a")
			s.settled()
			s.wantNoFile(aFile)
			s.wantInSync()
		},
		"ENGINE 11: absence without a row is vanished: frozen, shown, waiting": func(s *story) {
			start(s)
			s.nbHide("vpc/a")
			s.nbSet("vpc/b", "spec.mode", "2")
			s.settled()
			s.wantThere(SideGit, "vpc/a")
			s.wantFrozen("vpc/a", Vanished)
			s.wantWaiting("vpc/a")
			s.wantState("guard")
			s.wantBoth("vpc/b", "spec.mode", "2")
		},
		"ENGINE 11: a row that was only hidden goes on where it stood": func(s *story) {
			start(s)
			s.nbHide("vpc/a")
			s.settled()
			s.nbShow("vpc/a")
			s.nbSet("vpc/a", "spec.mode", "2")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantWaiting()
			s.wantInSync()
		},
		"ENGINE 11: approved, a vanished resource is deleted in Git": func(s *story) {
			start(s)
			s.nbHide("vpc/a")
			s.settled()
			s.cycle()
			s.approves()
			s.settled()
			s.wantNoFile(aFile)
			s.wantWaiting()
		},
		"ENGINE 11: an edit of the file after the approval needs a new one": func(s *story) {
			start(s)
			s.nbHide("vpc/a")
			s.cycle()
			s.approves()
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.settled()
			s.wantGit("vpc/a", "spec.mode", "2")
			s.wantWaiting("vpc/a")
		},
		"ENGINE 11: the delete row of another object proves nothing": func(s *story) {
			start(s)
			s.nbDelete("vpc/a")
			s.nbAdd(doc("vpc/a", "{mode: 1}"))
			s.settled() // base holds the new object now
			s.nbHide("vpc/a")
			s.settled()
			s.wantThere(SideGit, "vpc/a")
			s.wantFrozen("vpc/a", Vanished)
		},
		"ENGINE 11: the delete row of one object proves nothing about another": func(s *story) {
			start(s)
			s.nbDelete("vpc/a")
			s.nbHide("vpc/b")
			s.settled()
			s.wantNoFile(aFile)
			s.wantThere(SideGit, "vpc/b")
			s.wantFrozen("vpc/b", Vanished)
		},
		"ENGINE 11: without the change log every delete waits, and the permission is named": func(s *story) {
			start(s)
			s.cfg.changeLog = false
			s.nbDelete("vpc/a")
			s.settled()
			s.wantThere(SideGit, "vpc/a")
			s.wantFrozen("vpc/a", Vanished)
			s.cycle()
			for _, f := range s.last.Status.Frozen {
				if !strings.Contains(f.Message, "core.view_objectchange") {
					s.fail("the permission is not named")
				}
			}
			s.approves()
			s.settled()
			s.wantNoFile(aFile)
		},
		"ENGINE 11: deleted in Git while a row is hidden waits": func(s *story) {
			start(s)
			s.nbHide("vpc/a")
			s.gitDelete(aFile)
			s.settled()
			s.wantFrozen("vpc/a", Vanished)
			s.wantWaiting("vpc/a")
			s.nbShow("vpc/a")
			s.settled()
			s.wantGone(SideNetBox, "vpc/a")
			s.wantInSync()
		},
		"ENGINE 11: a kind whose listing failed is neither written nor deleted": func(s *story) {
			start(s)
			s.both(doc("server/s", "{description: 1}"))
			s.unlisted["VPC"] = true
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.gitDelete(bFile)
			s.gitEdit("managed/servers/s.yaml", "description: 1", "description: 2")
			s.nbSet("vpc/c", "spec.mode", "9")
			s.cycle()
			s.wantNetBox("vpc/a", "spec.mode", "1")
			s.wantThere(SideNetBox, "vpc/b")
			s.wantGit("vpc/c", "spec.mode", "1")
			s.wantBoth("server/s", "spec.description", "2")
			delete(s.unlisted, "VPC")
			s.run(Request{}) // the kind is still in scope
			s.wantNetBox("vpc/a", "spec.mode", "2")
			s.wantGone(SideNetBox, "vpc/b")
			s.wantGit("vpc/c", "spec.mode", "9")
		},
		"ENGINE 11: deleted in NetBox and edited in Git is a conflict, each way decided": func(s *story) {
			start(s)
			for _, name := range []string{"a", "b"} {
				s.nbDelete("vpc/" + name)
				s.gitEdit("managed/vpcs/"+name+".yaml", "mode: 1", "mode: 2")
			}
			s.settled()
			s.wantConflict("vpc/a", "", DeleteEdit)
			s.wantConflict("vpc/b", "", DeleteEdit)
			s.decide("vpc/a", "", SideGit)
			s.decide("vpc/b", "", SideNetBox)
			s.settled()
			s.wantNetBox("vpc/a", "spec.mode", "2")
			s.wantGone(SideGit, "vpc/b")
			s.wantInSync()
		},
		"ENGINE 11: the last document of a file takes the file along, others stay": func(s *story) {
			s.gitPush(aFile, "# head\n"+doc("vpc/a", "{mode: 1}")+"---\n# of b\n"+doc("vpc/b", "{mode: 1}"))
			s.nbAdd(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"), doc("vpc/c", "{mode: 1}"))
			s.settled()
			s.nbDelete("vpc/a")
			s.settled()
			s.wantFile(aFile, "# of b", "name: b")
			s.nbDelete("vpc/b")
			s.settled()
			s.wantNoFile(aFile)
			s.wantInSync()
		},
	})
}
