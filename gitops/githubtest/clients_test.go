package githubtest

import (
	"context"
	"encoding/base64"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/bradleyfalzon/ghinstallation/v2"
	"github.com/google/go-github/v62/github"
	"github.com/shurcooL/githubv4"
)

// apiClients are the public client libraries against the stand-in, with a
// real-time clock because ghinstallation makes its own JWTs.
func apiClients(t *testing.T) (*Server, *github.Client, *github.Client, *githubv4.Client) {
	t.Helper()
	f := newFixtureWith(t, systemClock{})
	h := f.hook() // so that every webhook is made and checked
	t.Cleanup(func() {
		f.settle()
		if h.bad > 0 {
			t.Errorf("%d webhooks badly signed", h.bad)
		}
		if u := f.UnknownRoutes(); len(u) > 0 {
			t.Errorf("unknown routes %v", u)
		}
	})
	apps, err := ghinstallation.NewAppsTransport(http.DefaultTransport, appID, []byte(testKeyPEM()))
	if err != nil {
		t.Fatal(err)
	}
	apps.BaseURL = f.URL() + "/api/v3"
	inst, err := ghinstallation.New(http.DefaultTransport, appID, installID, []byte(testKeyPEM()))
	if err != nil {
		t.Fatal(err)
	}
	inst.BaseURL = f.URL() + "/api/v3"
	hc := &http.Client{Transport: inst}
	asApp, err := github.NewClient(&http.Client{Transport: apps}).WithEnterpriseURLs(f.URL(), f.URL())
	if err != nil {
		t.Fatal(err)
	}
	gc, err := github.NewClient(hc).WithEnterpriseURLs(f.URL(), f.URL())
	if err != nil {
		t.Fatal(err)
	}
	return f.Server, asApp, gc, githubv4.NewEnterpriseClient(f.URL()+"/api/graphql", hc)
}

func must[T any](t *testing.T) func(v T, _ *github.Response, err error) T {
	return func(v T, _ *github.Response, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestGoGitHubClient(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, asApp, gc, _ := apiClients(t)

	if app := must[*github.App](t)(asApp.Apps.Get(ctx, "")); app.GetSlug() != "hnp-sync" || app.GetID() != appID {
		t.Errorf("app %v", app)
	}
	if list := must[[]*github.Installation](t)(asApp.Apps.ListInstallations(ctx, nil)); len(list) != 1 || list[0].GetAccount().GetLogin() != "acme" {
		t.Errorf("installations %v", list)
	}
	if i := must[*github.Installation](t)(asApp.Apps.FindRepositoryInstallation(ctx, "acme", "fabric")); i.GetID() != installID {
		t.Errorf("installation %v", i)
	}
	if repos := must[*github.ListRepositories](t)(gc.Apps.ListRepos(ctx, &github.ListOptions{PerPage: 2})); repos.GetTotalCount() != 4 || len(repos.Repositories) != 2 {
		t.Errorf("repositories %v", repos)
	}

	// Tree, commit and reference through the Git data API, without an author.
	ref := must[*github.Reference](t)(gc.Git.GetRef(ctx, "acme", "fabric", "heads/main"))
	head := ref.Object.GetSHA()
	tree := must[*github.Tree](t)(gc.Git.CreateTree(ctx, "acme", "fabric", head, []*github.TreeEntry{
		{Path: github.String("a/one.yaml"), Mode: github.String("100644"), Content: github.String("")},
		{Path: github.String("a/two.yaml"), Mode: github.String("100644")}, // neither: "sha":null deletes
		{Path: github.String("run.sh"), Mode: github.String("100755"), Content: github.String("#!/bin/sh\n")},
	}))
	commit := must[*github.Commit](t)(gc.Git.CreateCommit(ctx, "acme", "fabric", &github.Commit{Message: github.String("by parts"), Tree: tree, Parents: []*github.Commit{{SHA: &head}}}, nil))
	if !commit.GetVerification().GetVerified() || commit.GetAuthor().GetName() != "hnp-sync[bot]" {
		t.Errorf("commit by %v, verified %v", commit.GetAuthor(), commit.GetVerification().GetVerified())
	}
	must[*github.Reference](t)(gc.Git.UpdateRef(ctx, "acme", "fabric", &github.Reference{Ref: github.String("refs/heads/main"), Object: &github.GitObject{SHA: commit.SHA}}, false))
	files, err := s.Files(repoName, "main", "")
	if err != nil || len(files) != 3 || files["a/one.yaml"] != "" || files["run.sh"] == "" {
		t.Errorf("files %v, %v", files, err)
	}
	full := must[*github.Tree](t)(gc.Git.GetTree(ctx, "acme", "fabric", commit.GetSHA(), true))
	modes := map[string]string{}
	for _, e := range full.Entries {
		modes[e.GetPath()] = e.GetMode() + " " + e.GetType()
	}
	if modes["a"] != "040000 tree" || modes["run.sh"] != "100755 blob" || full.GetTruncated() {
		t.Errorf("tree %v", modes)
	}
	blob := must[*github.Blob](t)(gc.Git.GetBlob(ctx, "acme", "fabric", full.Entries[len(full.Entries)-1].GetSHA()))
	if text, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(blob.GetContent(), "\n", "")); err != nil || string(text) != "#!/bin/sh\n" {
		t.Errorf("blob %q, %v", text, err)
	}

	if cmp := must[*github.CommitsComparison](t)(gc.Repositories.CompareCommits(ctx, "acme", "fabric", head, "main", nil)); cmp.GetStatus() != "ahead" || len(cmp.Files) != 3 || cmp.GetAheadBy() != 1 {
		t.Errorf("compare %v", cmp)
	}
	if list := must[[]*github.RepositoryCommit](t)(gc.Repositories.ListCommits(ctx, "acme", "fabric", &github.CommitsListOptions{Path: "a"})); len(list) != 2 {
		t.Errorf("%d commits touch a", len(list))
	}
	if one := must[*github.RepositoryCommit](t)(gc.Repositories.GetCommit(ctx, "acme", "fabric", "main", nil)); len(one.Files) != 3 || one.GetStats().GetTotal() == 0 {
		t.Errorf("commit %v", one)
	}

	// Contents.
	content, dir, _, err := gc.Repositories.GetContents(ctx, "acme", "fabric", "a/one.yaml", nil)
	if err != nil || content == nil || dir != nil {
		t.Fatalf("contents: %v %v", content, err)
	}
	put := must[*github.RepositoryContentResponse](t)(gc.Repositories.UpdateFile(ctx, "acme", "fabric", "a/one.yaml", &github.RepositoryContentFileOptions{
		Message: github.String("put"), Content: []byte("one: 5\n"), SHA: content.SHA, Branch: github.String("main")}))
	if got, err := s.ReadFile(repoName, "main", "a/one.yaml"); err != nil || got != "one: 5\n" {
		t.Errorf("%q, %v", got, err)
	}
	if _, _, err := gc.Repositories.UpdateFile(ctx, "acme", "fabric", "a/one.yaml", &github.RepositoryContentFileOptions{Message: github.String("put"), Content: []byte("x"), SHA: content.SHA}); statusOf(err) != 409 {
		t.Errorf("stale put: %v", err)
	}
	must[*github.RepositoryContentResponse](t)(gc.Repositories.DeleteFile(ctx, "acme", "fabric", "a/one.yaml", &github.RepositoryContentFileOptions{Message: github.String("rm"), SHA: put.Content.SHA}))

	// A branch, a pull request, its life.
	main := must[*github.Reference](t)(gc.Git.GetRef(ctx, "acme", "fabric", "heads/main"))
	must[*github.Reference](t)(gc.Git.CreateRef(ctx, "acme", "fabric", &github.Reference{Ref: github.String("refs/heads/topic/x"), Object: main.Object}))
	if _, _, err := gc.PullRequests.Create(ctx, "acme", "fabric", &github.NewPullRequest{Title: github.String("t"), Head: github.String("topic/x"), Base: github.String("main")}); statusOf(err) != 422 || !strings.Contains(err.Error(), "No commits between main and topic/x") {
		t.Errorf("empty pull request: %v", err)
	}
	if _, err := s.PutFile(repoName, "topic/x", "alice", "new.yaml", "n: 1\n"); err != nil {
		t.Fatal(err)
	}
	pr := must[*github.PullRequest](t)(gc.PullRequests.Create(ctx, "acme", "fabric", &github.NewPullRequest{Title: github.String("t"), Head: github.String("topic/x"), Base: github.String("main")}))
	if _, _, err := gc.PullRequests.Create(ctx, "acme", "fabric", &github.NewPullRequest{Title: github.String("t"), Head: github.String("topic/x"), Base: github.String("main")}); !strings.Contains(err.Error(), "A pull request already exists for acme:topic/x.") {
		t.Errorf("second pull request: %v", err)
	}
	n := pr.GetNumber()
	if pr = must[*github.PullRequest](t)(gc.PullRequests.Get(ctx, "acme", "fabric", n)); pr.Mergeable != nil {
		t.Error("mergeable is known at the first read")
	}
	if pr = must[*github.PullRequest](t)(gc.PullRequests.Get(ctx, "acme", "fabric", n)); !pr.GetMergeable() || pr.GetChangedFiles() != 1 {
		t.Errorf("pull request %v", pr)
	}
	if files := must[[]*github.CommitFile](t)(gc.PullRequests.ListFiles(ctx, "acme", "fabric", n, nil)); len(files) != 1 || files[0].GetStatus() != "added" || files[0].GetPatch() != "@@ -0,0 +1 @@\n+n: 1" {
		t.Errorf("files %v", files)
	}
	if list := must[[]*github.RepositoryCommit](t)(gc.PullRequests.ListCommits(ctx, "acme", "fabric", n, nil)); len(list) != 1 {
		t.Errorf("commits %v", list)
	}
	if _, _, err := gc.PullRequests.Merge(ctx, "acme", "fabric", n, "", &github.PullRequestOptions{SHA: head}); statusOf(err) != 409 {
		t.Errorf("merge of a head that moved: %v", err)
	}
	if r := must[*github.PullRequestMergeResult](t)(gc.PullRequests.Merge(ctx, "acme", "fabric", n, "", &github.PullRequestOptions{MergeMethod: "squash"})); !r.GetMerged() {
		t.Errorf("merge %v", r)
	}
	if pr = must[*github.PullRequest](t)(gc.PullRequests.Get(ctx, "acme", "fabric", n)); !pr.GetMerged() || pr.GetState() != "closed" {
		t.Errorf("after the merge %v", pr)
	}

	// Issues, comments, reactions, statuses, permissions.
	issue := must[*github.Issue](t)(gc.Issues.Create(ctx, "acme", "fabric", &github.IssueRequest{Title: github.String("look"), Body: github.String("here"), Labels: &[]string{"sync"}}))
	comment := must[*github.IssueComment](t)(gc.Issues.CreateComment(ctx, "acme", "fabric", issue.GetNumber(), &github.IssueComment{Body: github.String("/hnp status")}))
	must[*github.IssueComment](t)(gc.Issues.EditComment(ctx, "acme", "fabric", comment.GetID(), &github.IssueComment{Body: github.String("changed")}))
	must[*github.Reaction](t)(gc.Reactions.CreateIssueCommentReaction(ctx, "acme", "fabric", comment.GetID(), "eyes"))
	if list := must[[]*github.IssueComment](t)(gc.Issues.ListComments(ctx, "acme", "fabric", issue.GetNumber(), nil)); len(list) != 1 || list[0].GetBody() != "changed" || list[0].Reactions.GetEyes() != 1 {
		t.Errorf("comments %v", list)
	}
	must[[]*github.Label](t)(gc.Issues.AddLabelsToIssue(ctx, "acme", "fabric", issue.GetNumber(), []string{"conflict"}))
	closed := must[*github.Issue](t)(gc.Issues.Edit(ctx, "acme", "fabric", issue.GetNumber(), &github.IssueRequest{State: github.String("closed")}))
	if closed.GetState() != "closed" || len(closed.Labels) != 2 {
		t.Errorf("issue %v", closed)
	}
	if list := must[[]*github.Issue](t)(gc.Issues.ListByRepo(ctx, "acme", "fabric", &github.IssueListByRepoOptions{State: "all"})); len(list) != 2 {
		t.Errorf("issues %v", list)
	}
	must[*github.RepoStatus](t)(gc.Repositories.CreateStatus(ctx, "acme", "fabric", head, &github.RepoStatus{State: github.String("failure"), Context: github.String("hnp")}))
	if st := must[*github.CombinedStatus](t)(gc.Repositories.GetCombinedStatus(ctx, "acme", "fabric", head, nil)); st.GetState() != "failure" {
		t.Errorf("status %v", st)
	}
	for login, want := range map[string]string{"alice": "admin", "eve": "none"} {
		if p := must[*github.RepositoryPermissionLevel](t)(gc.Repositories.GetPermissionLevel(ctx, "acme", "fabric", login)); p.GetPermission() != want {
			t.Errorf("%s has %s", login, p.GetPermission())
		}
	}
	if b, _, err := gc.Repositories.GetBranch(ctx, "acme", "fabric", "topic/x", 0); err != nil || b.GetName() != "topic/x" {
		t.Errorf("branch %v %v", b, err)
	}
	must[[]*github.Branch](t)(gc.Repositories.ListBranches(ctx, "acme", "fabric", nil))
	must[[]*github.Reference](t)(gc.Git.ListMatchingRefs(ctx, "acme", "fabric", &github.ReferenceListOptions{Ref: "heads/to"}))
	if _, err := gc.Git.DeleteRef(ctx, "acme", "fabric", "heads/topic/x"); err != nil {
		t.Error(err)
	}
	if _, _, err := gc.RateLimit.Get(ctx); err != nil {
		t.Error(err)
	}
	if err := s.Fsck(repoName); err != nil {
		t.Error(err)
	}
	if err := s.WaitDeliveries(ctx); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, d := range s.Deliveries() {
		seen[strings.TrimSuffix(d.Event+"."+d.Action, ".")]++
	}
	want := map[string]int{"push": 7, "create": 1, "delete": 1, "check_suite.requested": 5, "pull_request.opened": 1, "pull_request.closed": 1, "issue_comment.created": 1, "issue_comment.edited": 1, "status": 1}
	if !maps.Equal(seen, want) {
		t.Errorf("events %v, want %v", seen, want)
	}
}

func statusOf(err error) int {
	if e, ok := err.(*github.ErrorResponse); ok && e.Response != nil {
		return e.Response.StatusCode
	}
	return 0
}

func TestCheckRunsThroughGoGitHub(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, _, gc, _ := apiClients(t)
	head, err := s.Head(repoName, "main")
	if err != nil {
		t.Fatal(err)
	}
	notes := func(n int) []*github.CheckRunAnnotation {
		var out []*github.CheckRunAnnotation
		for i := range n {
			out = append(out, &github.CheckRunAnnotation{Path: github.String("a/one.yaml"), StartLine: github.Int(i + 1), EndLine: github.Int(i + 1), AnnotationLevel: github.String("failure"), Message: github.String("bad")})
		}
		return out
	}
	output := func(n int) *github.CheckRunOutput {
		return &github.CheckRunOutput{Title: github.String("t"), Summary: github.String("s"), Annotations: notes(n)}
	}
	run := must[*github.CheckRun](t)(gc.Checks.CreateCheckRun(ctx, "acme", "fabric", github.CreateCheckRunOptions{Name: "hnp-sync / plan", HeadSHA: head, ExternalID: github.String("job1"), Status: github.String("in_progress"), Output: output(50),
		Actions: []*github.CheckRunAction{{Label: "Apply", Description: "Apply it", Identifier: "apply"}}}))
	if _, _, err := gc.Checks.UpdateCheckRun(ctx, "acme", "fabric", run.GetID(), github.UpdateCheckRunOptions{Name: run.GetName(), Output: output(51)}); statusOf(err) != 422 {
		t.Errorf("51 annotations: %v", err)
	}
	must[*github.CheckRun](t)(gc.Checks.UpdateCheckRun(ctx, "acme", "fabric", run.GetID(), github.UpdateCheckRunOptions{Name: run.GetName(), Output: output(50)}))
	must[*github.CheckRun](t)(gc.Checks.UpdateCheckRun(ctx, "acme", "fabric", run.GetID(), github.UpdateCheckRunOptions{Name: run.GetName(), Conclusion: github.String("failure"), Output: output(37)}))
	run = must[*github.CheckRun](t)(gc.Checks.GetCheckRun(ctx, "acme", "fabric", run.GetID()))
	if run.GetOutput().GetAnnotationsCount() != 137 || run.GetStatus() != "completed" || run.GetConclusion() != "failure" || run.GetApp().GetSlug() != "hnp-sync" {
		t.Errorf("run %v", run)
	}
	page := must[[]*github.CheckRunAnnotation](t)(gc.Checks.ListCheckRunAnnotations(ctx, "acme", "fabric", run.GetID(), &github.ListOptions{PerPage: 100, Page: 2}))
	if len(page) != 37 {
		t.Errorf("second page has %d annotations", len(page))
	}
	must[*github.CheckRun](t)(gc.Checks.CreateCheckRun(ctx, "acme", "fabric", github.CreateCheckRunOptions{Name: "hnp-sync / plan", HeadSHA: head, Conclusion: github.String("success")}))
	list := must[*github.ListCheckRunsResults](t)(gc.Checks.ListCheckRunsForRef(ctx, "acme", "fabric", "main", nil))
	if list.GetTotal() != 1 || list.CheckRuns[0].GetConclusion() != "success" {
		t.Errorf("latest %v", list)
	}
	suites := must[*github.ListCheckSuiteResults](t)(gc.Checks.ListCheckSuitesForRef(ctx, "acme", "fabric", "main", nil))
	if suites.GetTotal() != 1 {
		t.Errorf("suites %v", suites)
	}
	for name, opts := range map[string]github.CreateCheckRunOptions{
		"unknown commit":    {Name: "x", HeadSHA: strings.Repeat("1", 40)},
		"long identifier":   {Name: "x", HeadSHA: head, Actions: []*github.CheckRunAction{{Label: "a", Description: "b", Identifier: strings.Repeat("x", 21)}}},
		"four actions":      {Name: "x", HeadSHA: head, Actions: []*github.CheckRunAction{{Label: "a", Description: "b", Identifier: "1"}, {Label: "a", Description: "b", Identifier: "2"}, {Label: "a", Description: "b", Identifier: "3"}, {Label: "a", Description: "b", Identifier: "4"}}},
		"long summary":      {Name: "x", HeadSHA: head, Output: &github.CheckRunOutput{Title: github.String("t"), Summary: github.String(strings.Repeat("x", 65536))}},
		"columns and lines": {Name: "x", HeadSHA: head, Output: &github.CheckRunOutput{Title: github.String("t"), Summary: github.String("s"), Annotations: []*github.CheckRunAnnotation{{Path: github.String("a"), StartLine: github.Int(1), EndLine: github.Int(2), StartColumn: github.Int(1), AnnotationLevel: github.String("notice"), Message: github.String("m")}}}},
	} {
		if _, _, err := gc.Checks.CreateCheckRun(ctx, "acme", "fabric", opts); statusOf(err) != 422 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.ClickCheck(repoName, run.GetID(), "alice", "nope"); err == nil {
		t.Error("an action the run does not have can be pressed")
	}
	if err := s.ClickCheck(repoName, run.GetID(), "alice", "apply"); err != nil {
		t.Error(err)
	}
}

func TestGitHubV4Client(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, _, _, g4 := apiClients(t)
	var q struct {
		Repository struct {
			ID     githubv4.ID
			Object struct {
				Tree struct {
					Entries []struct {
						Name   githubv4.String
						Mode   githubv4.Int
						Object struct {
							Blob struct {
								Oid  githubv4.GitObjectID
								Text *githubv4.String
							} `graphql:"... on Blob"`
						}
					}
				} `graphql:"... on Tree"`
			} `graphql:"object(expression: $expr)"`
			Ref struct {
				Target struct{ Oid githubv4.GitObjectID }
			} `graphql:"ref(qualifiedName: $ref)"`
		} `graphql:"repository(owner: $owner, name: $name)"`
	}
	vars := map[string]any{"owner": githubv4.String("acme"), "name": githubv4.String("fabric"), "expr": githubv4.String("HEAD:a"), "ref": githubv4.String("refs/heads/main")}
	if err := g4.Query(ctx, &q, vars); err != nil {
		t.Fatal(err)
	}
	if len(q.Repository.Object.Tree.Entries) != 2 || *q.Repository.Object.Tree.Entries[0].Object.Blob.Text != "one: 1\n" {
		t.Errorf("%+v", q)
	}
	var m struct {
		CreateCommitOnBranch struct {
			Commit struct{ Oid githubv4.GitObjectID }
		} `graphql:"createCommitOnBranch(input: $input)"`
	}
	repo, branch := githubv4.String(repoName), githubv4.String("main")
	input := githubv4.CreateCommitOnBranchInput{Branch: githubv4.CommittableBranch{RepositoryNameWithOwner: &repo, BranchName: &branch},
		Message: githubv4.CommitMessage{Headline: "x"}, ExpectedHeadOid: q.Repository.Ref.Target.Oid,
		FileChanges: &githubv4.FileChanges{Additions: &[]githubv4.FileAddition{{Path: "x", Contents: githubv4.Base64String(base64.StdEncoding.EncodeToString([]byte("y")))}}}}
	if err := g4.Mutate(ctx, &m, input, nil); err != nil {
		t.Fatal(err)
	}
	if head, err := s.Head(repoName, "main"); err != nil || head != string(m.CreateCommitOnBranch.Commit.Oid) {
		t.Errorf("head %s, %v", head, err)
	}
	if err := g4.Mutate(ctx, &m, input, nil); err == nil || !strings.Contains(err.Error(), "Expected branch to point to") {
		t.Errorf("stale: %v", err)
	}
	var u struct {
		UpdateRefs struct{ ClientMutationID *githubv4.String } `graphql:"updateRefs(input: $input)"`
	}
	before := q.Repository.Ref.Target.Oid
	old := githubv4.RefUpdate{Name: "refs/heads/main", BeforeOid: &before, AfterOid: before, Force: githubv4.NewBoolean(true)}
	if err := g4.Mutate(ctx, &u, githubv4.UpdateRefsInput{RepositoryID: q.Repository.ID, RefUpdates: []githubv4.RefUpdate{old}}, nil); err == nil {
		t.Error("updateRefs moved a reference whose beforeOid is wrong")
	}
}
