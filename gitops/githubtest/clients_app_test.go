package githubtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-github/v62/github"
)

// What an App needs that people see, through the public client library.

func TestPullRequestsThroughGoGitHub(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, _, gc, _ := apiClients(t)
	open := func(branch string) int {
		t.Helper()
		head, err := s.Head(repoName, "main")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.MoveBranch(repoName, branch, "alice", head); err != nil {
			t.Fatal(err)
		}
		for _, content := range []string{"1", "2"} {
			if _, err := s.PutFile(repoName, branch, "alice", branch, content); err != nil {
				t.Fatal(err)
			}
		}
		pr := must[*github.PullRequest](t)(gc.PullRequests.Create(ctx, "acme", "fabric", &github.NewPullRequest{Title: github.String(branch), Head: github.String(branch), Base: github.String("main"), Draft: github.Bool(false)}))
		return pr.GetNumber()
	}
	numbers := map[string]int{}
	for _, method := range []string{"merge", "squash", "rebase"} {
		numbers[method] = open(method)
	}
	for _, method := range []string{"merge", "squash", "rebase"} {
		pr := must[*github.PullRequest](t)(gc.PullRequests.Get(ctx, "acme", "fabric", numbers[method]))
		done := must[*github.PullRequestMergeResult](t)(gc.PullRequests.Merge(ctx, "acme", "fabric", numbers[method], "", &github.PullRequestOptions{MergeMethod: method, SHA: pr.GetHead().GetSHA()}))
		if head, err := s.Head(repoName, "main"); err != nil || done.GetSHA() != head {
			t.Errorf("%s: %v, head %s %v", method, done, head, err)
		}
	}
	log, err := s.Log(repoName, "main", 0)
	if err != nil || len(log) != 7 {
		t.Errorf("%d commits, %v", len(log), err)
	}
	n := open("edited")
	edited := must[*github.PullRequest](t)(gc.PullRequests.Edit(ctx, "acme", "fabric", n, &github.PullRequest{Title: github.String("new title"), Body: github.String("b"), Base: &github.PullRequestBranch{Ref: github.String("squash")}}))
	if edited.GetTitle() != "new title" || edited.GetBase().GetRef() != "squash" {
		t.Errorf("edited %v", edited)
	}
	closed := must[*github.PullRequest](t)(gc.PullRequests.Edit(ctx, "acme", "fabric", n, &github.PullRequest{State: github.String("closed")}))
	if closed.GetState() != "closed" || closed.GetMerged() {
		t.Errorf("closed %v", closed)
	}
	list := must[[]*github.PullRequest](t)(gc.PullRequests.List(ctx, "acme", "fabric", &github.PullRequestListOptions{State: "all", ListOptions: github.ListOptions{PerPage: 2}}))
	if len(list) != 2 || list[0].GetNumber() != n {
		t.Errorf("list %v", list)
	}
	by := must[[]*github.PullRequest](t)(gc.PullRequests.ListPullRequestsWithCommit(ctx, "acme", "fabric", log[0].OID, nil))
	if len(by) != 1 || by[0].GetNumber() != numbers["rebase"] {
		t.Errorf("pull requests of the rebased head: %v", by)
	}
	// From a fork.
	if _, err := s.Fork("acme/open", "eve"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutFile("eve/open", "main", "eve", "x", "1"); err != nil {
		t.Fatal(err)
	}
	number, err := s.OpenPull("acme/open", "eve", PullOptions{Base: "main", Head: "eve:main", Title: "from outside"})
	if err != nil {
		t.Fatal(err)
	}
	pr := must[*github.PullRequest](t)(gc.PullRequests.Get(ctx, "acme", "open", number))
	if pr.GetHead().GetRepo().GetFullName() != "eve/open" || !pr.GetHead().GetRepo().GetFork() || pr.GetUser().GetLogin() != "eve" {
		t.Errorf("fork %v", pr)
	}
	content, _, _, err := gc.Repositories.GetContents(ctx, "acme", "open", "x", &github.RepositoryContentGetOptions{Ref: pr.GetHead().GetSHA()})
	if err != nil || content == nil {
		t.Fatal(err)
	}
	if text, err := content.GetContent(); err != nil || text != "1" {
		t.Errorf("%q %v", text, err)
	}
	if err := s.Fsck(repoName); err != nil {
		t.Error(err)
	}
}

func TestPeopleInGo(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, _, gc, _ := apiClients(t)
	head, err := s.Head(repoName, "main")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.MoveBranch(repoName, "topic", "alice", head); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutFile(repoName, "topic", "alice", "t", "1"); err != nil {
		t.Fatal(err)
	}
	n, err := s.OpenPull(repoName, "alice", PullOptions{Base: "main", Head: "topic", Title: "t", Draft: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetDraft(repoName, n, "alice", false); err != nil {
		t.Fatal(err)
	}
	id, err := s.Comment(repoName, n, "alice", "/hnp plan")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Comment(repoName, n, "eve", "hello"); err == nil {
		t.Error("a stranger comments on a private repository")
	}
	if got := must[*github.IssueComment](t)(gc.Issues.GetComment(ctx, "acme", "fabric", id)); got.GetUser().GetLogin() != "alice" || got.GetBody() != "/hnp plan" {
		t.Errorf("comment %v", got)
	}
	since := time.Now().Add(time.Hour)
	if list := must[[]*github.IssueComment](t)(gc.Issues.ListComments(ctx, "acme", "fabric", 0, &github.IssueListCommentsOptions{Since: &since})); len(list) != 0 {
		t.Errorf("comments of the future %v", list)
	}
	since = time.Now().Add(-time.Hour)
	if list := must[[]*github.IssueComment](t)(gc.Issues.ListComments(ctx, "acme", "fabric", 0, &github.IssueListCommentsOptions{Since: &since})); len(list) != 1 {
		t.Errorf("comments %v", list)
	}
	must[*github.Reaction](t)(gc.Reactions.CreateIssueCommentReaction(ctx, "acme", "fabric", id, "+1"))
	must[*github.Reaction](t)(gc.Reactions.CreateIssueReaction(ctx, "acme", "fabric", n, "eyes"))
	if err := s.ClosePull(repoName, n, "alice"); err != nil {
		t.Fatal(err)
	}
	if err := s.ReopenPull(repoName, n, "alice"); err != nil {
		t.Fatal(err)
	}
	sha, err := s.MergePull(repoName, n, "alice", "squash")
	if err != nil {
		t.Fatal(err)
	}
	pr := must[*github.PullRequest](t)(gc.PullRequests.Get(ctx, "acme", "fabric", n))
	if !pr.GetMerged() || pr.GetMergeCommitSHA() != sha || pr.GetMergedBy().GetLogin() != "alice" {
		t.Errorf("pull request %v", pr)
	}
	if _, err := s.MergePull(repoName, n, "alice", "merge"); err == nil {
		t.Error("merged twice")
	}
	if _, err := s.OpenPull(repoName, "alice", PullOptions{Base: "main", Head: "none", Title: "t"}); err == nil {
		t.Error("a pull request of no branch")
	}
}

func TestDeliveriesThroughGoGitHub(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, asApp, _, _ := apiClients(t)
	s.SetKnobs(Knobs{PageLimit: 2})
	if _, err := s.AddFault(Fault{Route: "push", Action: actionWebhookFail, Times: 1}); err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		if _, err := s.PutFile(repoName, "main", "alice", "x", fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.WaitDeliveries(ctx); err != nil {
		t.Fatal(err)
	}
	all := map[string][]*github.HookDelivery{}
	opts := &github.ListCursorOptions{PerPage: 2}
	for pages := 0; ; pages++ {
		list, resp, err := asApp.Apps.ListHookDeliveries(ctx, opts)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range list {
			all[d.GetGUID()] = append(all[d.GetGUID()], d)
		}
		if resp.Cursor == "" {
			if pages < 2 {
				t.Errorf("all on %d pages", pages+1)
			}
			break
		}
		opts.Cursor = resp.Cursor
	}
	var lost *github.HookDelivery
	for _, attempts := range all {
		if attempts[0].GetStatus() != "OK" {
			lost = attempts[0]
		}
	}
	if lost == nil || lost.GetEvent() != "push" {
		t.Fatalf("no attempt failed: %v", all)
	}
	detail := must[*github.HookDelivery](t)(asApp.Apps.GetHookDelivery(ctx, lost.GetID()))
	if payload, err := detail.ParseRequestPayload(); err != nil || payload.(*github.PushEvent).GetRepo().GetFullName() != repoName {
		t.Errorf("payload %v %v", payload, err)
	}
	if _, _, err := asApp.Apps.RedeliverHookDelivery(ctx, lost.GetID()); err != nil {
		if _, ok := err.(*github.AcceptedError); !ok {
			t.Fatal(err)
		}
	}
	if err := s.WaitDeliveries(ctx); err != nil {
		t.Fatal(err)
	}
	list := must[[]*github.HookDelivery](t)(asApp.Apps.ListHookDeliveries(ctx, nil))
	if list[0].GetGUID() != lost.GetGUID() || !list[0].GetRedelivery() || list[0].GetStatus() != "OK" {
		t.Errorf("newest %v", list[0])
	}
}
