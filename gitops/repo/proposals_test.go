package repo

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/gitops/githubtest"
)

// proposing is a site with a fabric of one file and the pull requests into main.
func proposing(t *testing.T) (*site, gitops.Proposals, func(op, text string) gitops.ProposeRequest) {
	t.Helper()
	s := newSite(t, map[string]string{testDir + "/a.yaml": "a: 1\n", "README.md": "x\n"}, "")
	p, err := s.app.OpenProposals(s.ref(), "main", testDir)
	if err != nil {
		t.Fatal(err)
	}
	return s, p, func(op, text string) gitops.ProposeRequest {
		return gitops.ProposeRequest{Branch: "hnp-sync/f", Title: "fabric-1: from NetBox", Text: "what it proposes", Ours: []string{op},
			CommitRequest: gitops.CommitRequest{ExpectedHead: s.tip("main"), Subject: "f: a", Body: gitops.TrailerOperation + ": " + op + "\n",
				Files: []gitops.FileChange{{Path: "a.yaml", Data: []byte(text), Mode: "100644"}}}}
	}
}

// tip is a branch's head, "" without one.
func (s *site) tip(branch string) string {
	s.t.Helper()
	oid, err := s.Head(testRepo, branch)
	if err != nil {
		return ""
	}
	return oid
}

func content(s string) *string { return &s }

func denied(err error, code string) bool {
	var p *gitops.PermissionError
	return errors.As(err, &p) && p.Code == code
}

func TestProposals(t *testing.T) {
	t.Parallel()
	s, p, request := proposing(t)
	ctx := context.Background()
	main := s.tip("main")

	first, err := p.Propose(ctx, request("op1", "a: 2\n"))
	if err != nil {
		t.Fatal(err)
	}
	if first.Number == 0 || first.URL == "" || s.tip("main") != main || s.tip("hnp-sync/f") != first.Head {
		t.Fatalf("proposed %+v; main moved: %t", first, s.tip("main") != main)
	}
	read, err := p.Proposal(ctx, first.Number)
	if err != nil || read.State != "open" || read.Head != first.Head || len(read.Operations) != 1 || read.Operations[0] != "op1" {
		t.Fatalf("read %+v, %v", read, err)
	}

	again := request("op2", "a: 3\n")
	again.Tip, again.Number = first.Head, first.Number
	second, err := p.Propose(ctx, again)
	if err != nil || second.Number != first.Number || second.Head == first.Head {
		t.Fatalf("refreshed %+v, %v", second, err)
	}
	if read, err = p.Proposal(ctx, first.Number); err != nil || len(read.Commits) != 1 || read.Commits[0] != second.Head {
		t.Fatalf("one commit on top of main: %+v, %v", read, err)
	}

	// Who does not know the tip may not replace it, unless its operation is known to be ours.
	stranger := request("op3", "a: 4\n")
	stranger.Number, stranger.Tip = first.Number, first.Head
	if _, err := p.Propose(ctx, stranger); !errors.Is(err, gitops.ErrNotOurs) || s.tip("hnp-sync/f") != second.Head {
		t.Fatalf("a tip that is not known was replaced: %v", err)
	}
	stranger.Ours = append(stranger.Ours, "op2")
	third, err := p.Propose(ctx, stranger)
	if err != nil || s.tip("hnp-sync/f") != third.Head {
		t.Fatalf("our own tip was not replaced: %v", err)
	}

	if _, err := s.Server.CommitFiles(testRepo, "hnp-sync/f", "alice", "review", map[string]*string{"README.md": content("y\n")}); err != nil {
		t.Fatal(err)
	}
	if err := p.Withdraw(ctx, first.Number, "hnp-sync/f", third.Head, "gone"); !errors.Is(err, gitops.ErrNotOurs) {
		t.Fatalf("a person's commit was withdrawn: %v", err)
	}
	if _, err := s.Server.MergePull(testRepo, first.Number, "alice", "squash"); err != nil {
		t.Fatal(err)
	}
	if read, err = p.Proposal(ctx, first.Number); err != nil || read.State != "merged" || read.MergeCommit != s.tip("main") || len(read.Commits) != 2 || read.Operations[1] != "op3" {
		t.Fatalf("merged %+v, %v", read, err)
	}
	late := request("op4", "a: 5\n")
	late.Tip, late.Number, late.Ours = read.Head, first.Number, nil
	if _, err := p.Propose(ctx, late); !errors.Is(err, gitops.ErrStaleHead) {
		t.Fatalf("a merged pull request was refreshed: %v", err)
	}
	if _, err := p.Proposal(ctx, 999); !denied(err, "not_found") {
		t.Fatalf("a pull request that is not there: %v", err)
	}
}

func TestWithdraw(t *testing.T) {
	t.Parallel()
	s, p, request := proposing(t)
	ctx := context.Background()
	first, err := p.Propose(ctx, request("op1", "a: 2\n"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a second time, as after a lost answer, it is done already
		if err := p.Withdraw(ctx, first.Number, "hnp-sync/f", first.Head, "equal again"); err != nil {
			t.Fatal(err)
		}
	}
	read, err := p.Proposal(ctx, first.Number)
	if err != nil || read.State != "closed" || s.tip("hnp-sync/f") != "" {
		t.Fatalf("withdrawn %+v, %v", read, err)
	}
	found, ok, err := p.FindProposal(ctx, "hnp-sync/f")
	if err != nil || !ok || found.Number != first.Number {
		t.Fatalf("found %+v %t %v", found, ok, err)
	}
	if _, ok, err := p.FindProposal(ctx, "hnp-sync/other"); ok || err != nil {
		t.Fatalf("found what is not there: %v", err)
	}
}

// TestProposeSurvivesLostAnswers loses the answer of each write; the second try ends with one branch and one pull request.
func TestProposeSurvivesLostAnswers(t *testing.T) {
	t.Parallel()
	for _, route := range []string{"POST /repos/{owner}/{repo}/git/trees", "POST /repos/{owner}/{repo}/git/commits", "POST /repos/{owner}/{repo}/git/refs", "POST /repos/{owner}/{repo}/pulls"} {
		for _, action := range []string{"error_before", "error_after", "reset_after"} {
			t.Run(strings.TrimPrefix(route, "POST /repos/{owner}/{repo}/")+" "+action, func(t *testing.T) {
				t.Parallel()
				s, p, request := proposing(t)
				if _, err := s.AddFault(githubtest.Fault{Route: route, User: "*", Times: 1, Action: action, Status: 502}); err != nil {
					t.Fatal(err)
				}
				req := request("op1", "a: 2\n")
				if _, err := p.Propose(context.Background(), req); err == nil {
					t.Fatal("no error")
				}
				retry := request("op2", "a: 2\n")
				retry.Ours = []string{"op1", "op2"}
				out, err := p.Propose(context.Background(), retry)
				if err != nil {
					t.Fatal(err)
				}
				read, err := p.Proposal(context.Background(), out.Number)
				if err != nil || read.State != "open" || out.Number != 1 || read.Head != s.tip("hnp-sync/f") || len(read.Commits) != 1 {
					t.Fatalf("%+v, %v", read, err)
				}
			})
		}
	}
}
