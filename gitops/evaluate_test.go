package gitops

import (
	"context"
	"slices"
	"testing"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// branch makes edits on a branch of its own and gives its head.
func (s *story) branch(edits func()) string {
	s.t.Helper()
	was := s.head
	edits()
	head := s.head
	s.head = was
	return head
}

// evaluates evaluates a head and asserts that nothing was written for it.
func (s *story) evaluates(head string) *Evaluation {
	s.t.Helper()
	before, commits, epoch := len(s.rows), len(s.commits), s.ledger.Epoch
	s.calls = nil
	c := &Cycle{Repository: storyRepository{s}, Inventory: storyInventory{s}, Ledger: storyLedger{s}, Clock: s, Fabric: s.fabric, Parse: s.parse,
		Check: func(files []*manifests.File) []manifests.Diagnostic {
			schemas, err := manifests.EmbeddedSchemas()
			if err != nil {
				s.t.Fatal(err)
			}
			return manifests.Validate(files, schemas, manifests.Options{})
		}}
	ev, err := c.Evaluate(context.Background(), s.ledger, head)
	if err != nil {
		s.fail("evaluate: %v", err)
	}
	if len(s.rows) != before || len(s.commits) != commits || s.ledger.Epoch != epoch || s.count("write") != 0 || s.count("save") != 0 {
		s.fail("an evaluation wrote something: %v", s.calls)
	}
	return ev
}

func TestEvaluate(t *testing.T) {
	t.Parallel()
	tales(t, map[string]func(s *story){
		"one field: one effect, and what the branch does anyway is not one": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"))
			s.settled()
			head := s.branch(func() { s.gitEdit("managed/vpcs/a.yaml", "mode: 1", "mode: 2") })
			s.gitEdit("managed/vpcs/b.yaml", "mode: 1", "mode: 3") // on the tracked branch, not synchronised yet
			ev := s.evaluates(head)
			if len(ev.Effects) != 1 || ev.Effects[0].Key != keyOf(s.t, "vpc/a") || ev.Effects[0].Op != OpUpdate || len(ev.Effects[0].Paths) != 1 || ev.Effects[0].Paths[0].Path != "spec.mode" {
				s.fail("effects %+v", ev.Effects)
			}
			if !slices.Equal(ev.Files, []string{"managed/vpcs/a.yaml"}) || len(ev.Touched) != 1 || len(ev.Colliding) != 0 {
				s.fail("files %v touched %v colliding %v", ev.Files, ev.Touched, ev.Colliding)
			}
		},
		"nothing of the fabric: NetBox is not asked": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.settled()
			ev := s.evaluates(s.head)
			if len(ev.Files) != 0 || ev.After != nil || s.count("list") != 0 {
				s.fail("files %v calls %v", ev.Files, s.calls)
			}
		},
		"a field edited in NetBox too is a conflict of a touched resource": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"))
			s.settled()
			head := s.branch(func() { s.gitEdit("managed/vpcs/a.yaml", "mode: 1", "mode: 2") })
			s.nbSet("vpc/a", "spec.mode", "3")
			s.nbSet("vpc/b", "spec.mode", "4")
			ev := s.evaluates(head)
			if len(ev.After.Conflicts) != 1 || ev.After.Conflicts[0].Path != "spec.mode" || len(ev.Now.Conflicts) != 0 || ev.After.Conflicts[0].File != "managed/vpcs/a.yaml" {
				s.fail("after %+v now %+v", ev.After.Conflicts, ev.Now.Conflicts)
			}
			if len(ev.Arriving) != 2 {
				s.fail("arriving %+v", ev.Arriving)
			}
		},
		"deletes beyond the guard wait": func(s *story) {
			fleet(s, 10)
			head := s.branch(func() {
				for i := range 6 {
					s.gitDelete(vfile(i))
				}
			})
			ev := s.evaluates(head)
			if len(ev.Effects) != 6 || !ev.Effects[0].Guarded || ev.Effects[0].Reason == "" || len(ev.After.Waiting.Actions) != 6 {
				s.fail("effects %+v", ev.Effects)
			}
		},
		"a head that is behind does not undo the branch; both changed one file": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"))
			s.settled()
			head := s.branch(func() { s.gitEdit("managed/vpcs/a.yaml", "mode: 1", "mode: 2") })
			s.gitEdit("managed/vpcs/b.yaml", "mode: 1", "mode: 5")
			s.gitEdit("managed/vpcs/a.yaml", "mode: 1", "mode: 7")
			s.settled()
			ev := s.evaluates(head)
			if len(ev.Effects) != 1 || ev.Effects[0].Key != keyOf(s.t, "vpc/a") || !slices.Equal(ev.Colliding, []string{"managed/vpcs/a.yaml"}) {
				s.fail("effects %+v colliding %v", ev.Effects, ev.Colliding)
			}
		},
		"a broken file freezes its resource and is found on its line": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.settled()
			head := s.branch(func() { s.gitPush("managed/vpcs/a.yaml", "kind: [") })
			ev := s.evaluates(head)
			found := slices.ContainsFunc(ev.Diagnostics, func(d manifests.Diagnostic) bool {
				return d.File == "managed/vpcs/a.yaml" && d.StartLine > 0 && d.Severity == manifests.SeverityError
			})
			if !found || len(ev.Effects) != 0 || !ev.Touched[keyOf(s.t, "vpc/a")] {
				s.fail("diagnostics %+v effects %+v touched %v", ev.Diagnostics, ev.Effects, ev.Touched)
			}
		},
	})
}
