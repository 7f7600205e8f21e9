package githubtest

import (
	"strings"
	"testing"
)

func TestMergeNeedsWhatProtectionAsks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	f.topic("topic", "x", "1")
	f.topic("elsewhere", "z", "1")
	f.pull(token, "topic")
	put := map[string]any{"required_status_checks": map[string]any{"strict": true, "contexts": []string{"plan"}}, "enforce_admins": true, "required_pull_request_reviews": map[string]any{"required_approving_review_count": 1}, "restrictions": nil}
	if r := f.do("PUT", "/repos/acme/fabric/branches/main/protection", userToken, put); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	merge := func() reply { return f.do("PUT", "/repos/acme/fabric/pulls/1/merge", token, map[string]any{}) }
	refused := func(want string) {
		t.Helper()
		if r := merge(); r.status != 405 || r.message() != want {
			t.Errorf("%d %s, want %s", r.status, r.body, want)
		}
	}
	refused("At least 1 approving review is required by reviewers with write access.")
	if r := f.do("POST", "/repos/acme/fabric/pulls/1/reviews", userToken, map[string]any{"event": "APPROVE"}); r.status != 200 {
		t.Fatal(r.status)
	}
	refused(`Required status check "plan" is expected.`)
	head, err := f.Head(repoName, "topic")
	if err != nil {
		t.Fatal(err)
	}
	check := func(conclusion string) {
		if r := f.do("POST", "/repos/acme/fabric/check-runs", token, map[string]any{"name": "plan", "head_sha": head, "conclusion": conclusion}); r.status != 201 {
			t.Fatal(r.status)
		}
	}
	check("failure")
	refused(`Required status check "plan" is failing.`)
	f.do("GET", "/repos/acme/fabric/pulls/1", token, nil)
	if state := f.do("GET", "/repos/acme/fabric/pulls/1", token, nil).json["mergeable_state"]; state != "blocked" {
		t.Errorf("state %v", state)
	}
	check("skipped")
	elsewhere, err := f.Head(repoName, "elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.MoveBranch(repoName, "main", "alice", elsewhere); err != nil {
		t.Fatal(err)
	}
	refused("The head branch is not up to date with the base branch.")
	if r := f.do("PUT", "/repos/acme/fabric/pulls/1/update-branch", token, map[string]any{}); r.status != 202 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	refused(`Required status check "plan" is expected.`)
	if head, err = f.Head(repoName, "topic"); err != nil {
		t.Fatal(err)
	}
	check("success")
	if r := merge(); r.status != 200 {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestMergeQueue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	h := f.hook()
	token := f.token(nil)
	if err := f.Require(repoName, "main", 0, "plan"); err != nil {
		t.Fatal(err)
	}
	f.topic("good", "g", "1")
	f.topic("bad", "b", "1")
	good, bad := f.pull(token, "good"), f.pull(token, "bad")
	check := func(sha, conclusion string) {
		t.Helper()
		if r := f.do("POST", "/repos/acme/fabric/check-runs", token, map[string]any{"name": "plan", "head_sha": sha, "conclusion": conclusion}); r.status != 201 {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	enqueue := func(n int, login string) reply {
		return f.do("POST", "/_merge_group", "", map[string]any{"repository": repoName, "number": n, "login": login})
	}
	if r := enqueue(bad, "eve"); r.status != 422 {
		t.Errorf("a stranger queues: %d", r.status)
	}
	r := enqueue(bad, "alice")
	if r.status != 201 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	check(r.json["head_sha"].(string), "failure")
	if p := f.do("GET", "/repos/acme/fabric/pulls/2", token, nil); p.json["state"] != "open" {
		t.Error("merged in spite of a failure")
	}
	group, err := f.Enqueue(repoName, good, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Enqueue(repoName, good, "alice"); err == nil {
		t.Error("queued twice")
	}
	if f.head() == group {
		t.Error("merged before the check")
	}
	check(group, "success")
	if f.head() != group {
		t.Error("not merged after the check")
	}
	if p := f.do("GET", "/repos/acme/fabric/pulls/1", token, nil); p.json["merged"] != true {
		t.Errorf("%s", p.body)
	}
	f.settle()
	var got []string
	for _, e := range h.of("merge_group") {
		reason, _ := e.payload["reason"].(string)
		got = append(got, strings.TrimSpace(e.payload["action"].(string)+" "+reason))
	}
	if strings.Join(got, ", ") != "checks_requested, destroyed invalidated, checks_requested, destroyed merged" {
		t.Errorf("events %q", got)
	}
	first := h.of("merge_group")[0].payload["merge_group"].(map[string]any)
	if first["base_ref"] != "refs/heads/main" || !strings.HasPrefix(first["head_ref"].(string), "refs/heads/gh-readonly-queue/main/pr-2-") {
		t.Errorf("group %v", first)
	}
	if err := f.FinishGroup(repoName, good, "alice", true); err == nil {
		t.Error("a group that has ended can be finished")
	}
}
