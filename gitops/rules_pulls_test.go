package gitops

import (
	"strings"
	"testing"
)

// inPullRequests puts the story's fabric into mode pull_request.
func inPullRequests(s *story) {
	s.fabric.Mode, s.fabric.Slug = ModePullRequest, "f"
	s.proposals = true
}

// pull is the newest pull request.
func (s *story) pull() *modelPull {
	s.t.Helper()
	if len(s.pulls) == 0 {
		s.fail("there is no pull request")
	}
	return s.pulls[len(s.pulls)-1]
}

func (s *story) merges() {
	s.t.Helper()
	if !s.mergePull(s.pull()) {
		s.fail("the pull request does not merge")
	}
}

func TestRule12PullRequests(t *testing.T) {
	t.Parallel()
	tales(t, map[string]func(s *story){
		"ENGINE 12: an edit in NetBox becomes one pull request, its merge is base": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.settled()
			inPullRequests(s)
			head := s.head
			s.nbSet("vpc/a", "spec.mode", "2")
			s.cycle()
			if s.head != head || len(s.pulls) != 1 {
				s.fail("head moved: %t, %d pull requests", s.head != head, len(s.pulls))
			}
			s.cycle()
			s.cycle()
			if n := s.count("propose"); n != 1 {
				s.fail("proposed %d times", n)
			}
			s.merges()
			// A NetBox user who saw 2 sets 1 again before any cycle saw the merge: it is his edit.
			s.nbSet("vpc/a", "spec.mode", "1")
			s.cycle()
			s.wantConflicts(0)
			s.merges()
			s.cycle()
			s.wantBoth("vpc/a", "spec.mode", "1")
		},
		"ENGINE 12: edited by people and merged, what they made of it reaches NetBox": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.settled()
			inPullRequests(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.cycle()
			was := s.head
			s.head = s.tips["hnp-sync/f"]
			s.gitEdit("managed/vpcs/a.yaml", "mode: 2", "mode: 7")
			s.tips["hnp-sync/f"], s.head = s.head, was
			s.cycle()
			if rec := s.ledger.Proposed["hnp-sync/f"]; rec == nil || !rec.Theirs {
				s.fail("not left to people: %+v", rec)
			}
			s.merges()
			s.cycle()
			s.cycle()
			s.wantBoth("vpc/a", "spec.mode", "7")
		},
		"ENGINE 12: closed unmerged it is declined, and nothing new comes until the value moves": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.settled()
			inPullRequests(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.cycle()
			s.close(s.pull())
			s.cycle()
			s.cycle()
			s.wantConflict("vpc/a", "spec.mode", Declined)
			s.wantNetBox("vpc/a", "spec.mode", "2")
			if len(s.pulls) != 1 {
				s.fail("%d pull requests", len(s.pulls))
			}
			s.nbSet("vpc/a", "spec.mode", "3")
			s.cycle()
			s.wantConflicts(0)
			if len(s.pulls) != 2 {
				s.fail("%d pull requests", len(s.pulls))
			}
		},
		"ENGINE 12: a declined value ends by a decision": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.settled()
			inPullRequests(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.cycle()
			s.close(s.pull())
			s.cycle()
			s.decide("vpc/a", "spec.mode", SideGit)
			s.cycle()
			s.cycle()
			s.wantBoth("vpc/a", "spec.mode", "1")
			s.wantConflicts(0)
		},
		"ENGINE 12: back in NetBox, the pull request is withdrawn and declines nothing": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.settled()
			inPullRequests(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.cycle()
			s.nbSet("vpc/a", "spec.mode", "1")
			s.cycle()
			if s.pull().state != "closed" || len(s.ledger.Proposed) != 0 {
				s.fail("pull request %s, known %v", s.pull().state, s.ledger.Proposed)
			}
			s.cycle()
			s.wantConflicts(0)
			s.wantInSync()
		},
		"DESIGN 5: a protected branch gets a pull request instead": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.settled()
			s.proposals, s.fabric.Slug = true, "f"
			s.denied = &PermissionError{Code: "protected_branch", Message: "protected"}
			s.nbSet("vpc/a", "spec.mode", "2")
			s.cycle()
			s.merges()
			s.cycle()
			s.wantBoth("vpc/a", "spec.mode", "2")
		},
		"ENGINE 23: a conflict opens a pull request whose diff is the conflict; merging it decides": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.settled()
			s.proposals, s.fabric.Slug, s.fabric.Conflicts = true, "f", StrategyBranch
			s.gitEdit("managed/vpcs/a.yaml", "mode: 1", "mode: 2")
			s.nbSet("vpc/a", "spec.mode", "3")
			s.cycle()
			c := s.wantConflict("vpc/a", "spec.mode", ConcurrentModification)
			if c.Number != 1 || s.pull().branch != "hnp-sync/conflict/f/C1" {
				s.fail("C%d on %s", c.Number, s.pull().branch)
			}
			if text := s.commitAt(s.tips[s.pull().branch]).files["managed/vpcs/a.yaml"]; !strings.Contains(text, "mode: 3") {
				s.fail("it holds %s", text)
			}
			s.cycle()
			s.wantGit("vpc/a", "spec.mode", "2")
			s.merges()
			s.cycle()
			s.wantConflicts(0)
			s.wantBoth("vpc/a", "spec.mode", "3")
		},
		"ENGINE 23: a conflict that went away takes its pull request along": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.settled()
			s.proposals, s.fabric.Slug, s.fabric.Conflicts = true, "f", StrategyBranch
			s.gitEdit("managed/vpcs/a.yaml", "mode: 1", "mode: 2")
			s.nbSet("vpc/a", "spec.mode", "3")
			s.cycle()
			s.nbSet("vpc/a", "spec.mode", "2")
			s.cycle()
			s.wantConflicts(0)
			if s.pull().state != "closed" {
				s.fail("it is %s", s.pull().state)
			}
		},
	})
}
