package githubtest

import (
	"strings"
	"testing"
)

func TestReviewsAndBranches(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	h := f.hook()
	token := f.token(nil)
	head := f.head()
	if err := f.MoveBranch(repoName, "topic", "alice", head); err != nil {
		t.Fatal(err)
	}
	if _, err := f.PutFile(repoName, "topic", "alice", "t", "1"); err != nil {
		t.Fatal(err)
	}
	pull := f.do("POST", "/repos/acme/fabric/pulls", token, map[string]any{"title": "t", "head": "topic", "base": "main"})
	if pull.status != 201 {
		t.Fatalf("%d %s", pull.status, pull.body)
	}
	review := func(who string, in map[string]any) int {
		return f.do("POST", "/repos/acme/fabric/pulls/1/reviews", who, in).status
	}
	for name, c := range map[string]struct {
		who    string
		in     map[string]any
		status int
	}{
		"approve":           {userToken, map[string]any{"event": "APPROVE"}, 200},
		"approve one's own": {token, map[string]any{"event": "APPROVE"}, 422},
		"comment, no text":  {userToken, map[string]any{"event": "COMMENT"}, 422},
		"unknown event":     {userToken, map[string]any{"event": "SHRUG"}, 422},
	} {
		if got := review(c.who, c.in); got != c.status {
			t.Errorf("%s: %d", name, got)
		}
	}
	if r := f.do("GET", "/repos/acme/fabric/pulls/1/reviews", token, nil); strings.Count(string(r.body), `"APPROVED"`) != 1 {
		t.Errorf("reviews %s", r.body)
	}

	// The base moves on; the branch is brought up to date.
	if r := f.do("PUT", "/repos/acme/fabric/pulls/1/update-branch", token, map[string]any{}); r.status != 422 {
		t.Errorf("nothing to update: %d", r.status)
	}
	f.push("1")
	if r := f.do("PUT", "/repos/acme/fabric/pulls/1/update-branch", token, map[string]any{"expected_head_sha": head}); r.status != 422 {
		t.Errorf("wrong head: %d", r.status)
	}
	if r := f.do("PUT", "/repos/acme/fabric/pulls/1/update-branch", token, map[string]any{}); r.status != 202 {
		t.Errorf("update: %d %s", r.status, r.body)
	}
	if files, err := f.Files(repoName, "topic", ""); err != nil || files["t"] != "1" || files["x"] != "1" {
		t.Errorf("topic %v %v", files, err)
	}

	// Both branches get other names; the pull request stays open.
	for from, to := range map[string]string{"main": "trunk", "topic": "feature/x"} {
		if r := f.do("POST", "/repos/acme/fabric/branches/"+from+"/rename", userToken, map[string]any{"new_name": to}); r.status != 201 || r.json["name"] != to {
			t.Errorf("rename %s: %d %s", from, r.status, r.body)
		}
	}
	p := f.do("GET", "/repos/acme/fabric/pulls/1", token, nil)
	if p.json["state"] != "open" || p.json["base"].(map[string]any)["ref"] != "trunk" || p.json["head"].(map[string]any)["ref"] != "feature/x" {
		t.Errorf("pull request %s", p.body)
	}
	if r := f.do("GET", "/repos/acme/fabric", token, nil); r.json["default_branch"] != "trunk" {
		t.Errorf("default branch %v", r.json["default_branch"])
	}
	// Merged by pushing: the base contains the head.
	tip, err := f.Head(repoName, "feature/x")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.MoveBranch(repoName, "trunk", "alice", tip); err != nil {
		t.Fatal(err)
	}
	if p := f.do("GET", "/repos/acme/fabric/pulls/1", token, nil); p.json["merged"] != true || p.json["state"] != "closed" {
		t.Errorf("pull request %v %v", p.json["merged"], p.json["state"])
	}
	f.settle()
	var actions []string
	for _, e := range h.of("pull_request") {
		actions = append(actions, e.payload["action"].(string))
	}
	if strings.Join(actions, " ") != "opened synchronize closed" {
		t.Errorf("events %v", actions)
	}
	for path, want := range map[string]string{"/user/installations": `"id":9001`, "/user/installations/9001/repositories": `"total_count":4`} {
		if r := f.do("GET", path, userToken, nil); r.status != 200 || !strings.Contains(string(r.body), want) {
			t.Errorf("%s: %d %.200s", path, r.status, r.body)
		}
	}
	if r := f.do("GET", "/user/installations", "ghp_eve", nil); !strings.Contains(string(r.body), `"id":9001`) {
		t.Errorf("a stranger sees the installation by its public repository: %.200s", r.body)
	}
}
