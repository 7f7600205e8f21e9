package githubtest

import (
	"strings"
	"testing"
)

func TestForks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	h := f.hook()
	token := f.token(nil)
	// A stranger forks a public repository.
	fork, err := f.Fork("acme/open", "eve")
	if err != nil || fork != "eve/open" {
		t.Fatal(fork, err)
	}
	if _, err := f.Fork(repoName, "eve"); err == nil {
		t.Error("a stranger forks a private repository")
	}
	if _, err := f.PutFile(fork, "main", "eve", "new.yaml", "n: 1\n"); err != nil {
		t.Fatal(err)
	}
	f.settle()
	pushes := len(h.of("push"))
	if pushes != 0 {
		t.Errorf("%d pushes of the fork reached an App that is not installed there", pushes)
	}
	open := func(who, head string) reply {
		return f.do("POST", "/repos/acme/open/pulls", who, map[string]any{"title": "from a fork", "head": head, "base": "main"})
	}
	for name, r := range map[string]reply{"an App": open(token, "eve:main"), "nobody's fork": open("ghp_eve", "alice:main"), "no write": open("ghp_eve", "main")} {
		if r.status != 422 {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	pr := open("ghp_eve", "eve:main")
	if pr.status != 201 || pr.json["maintainer_can_modify"] != true || pr.json["changed_files"] != 1.0 {
		t.Fatalf("%d %s", pr.status, pr.body)
	}
	head := pr.json["head"].(map[string]any)
	if head["label"] != "eve:main" || head["repo"].(map[string]any)["full_name"] != "eve/open" || head["repo"].(map[string]any)["fork"] != true {
		t.Errorf("head %v", head)
	}
	sha := head["sha"].(string)
	// Its content can be read here and there, and not written.
	for _, path := range []string{"/repos/acme/open/contents/new.yaml?ref=" + sha, "/repos/acme/open/contents/new.yaml?ref=refs/pull/1/head", "/repos/eve/open/contents/new.yaml", "/repos/acme/open/git/commits/" + sha} {
		if r := f.do("GET", path, token, nil); r.status != 200 {
			t.Errorf("%s: %d", path, r.status)
		}
	}
	if r := f.do("POST", "/repos/eve/open/git/refs", token, map[string]any{"ref": "refs/heads/x", "sha": sha}); r.status != 403 {
		t.Errorf("the App writes to the fork: %d", r.status)
	}
	run := f.do("POST", "/repos/acme/open/check-runs", token, map[string]any{"name": "plan", "head_sha": sha})
	if run.status != 201 || len(run.json["pull_requests"].([]any)) != 0 {
		t.Errorf("check on a fork's head: %d %s", run.status, run.body)
	}
	// It follows the fork's branch.
	next, err := f.PutFile(fork, "main", "eve", "new.yaml", "n: 2\n")
	if err != nil {
		t.Fatal(err)
	}
	if p := f.do("GET", "/repos/acme/open/pulls/1", token, nil); p.json["head"].(map[string]any)["sha"] != next || p.json["commits"] != 2.0 {
		t.Errorf("%s", p.body)
	}
	if list := f.do("GET", "/repos/acme/open/pulls?head=eve:main", token, nil); !strings.Contains(string(list.body), `"number":1`) {
		t.Errorf("by head: %s", list.body)
	}
	if got := f.actions(h, "pull_request"); got != "opened synchronize" {
		t.Errorf("events %s", got)
	}
	if suites := len(h.of("check_suite")); suites != 0 {
		t.Errorf("%d check suites asked for a fork", suites)
	}
	if r := f.do("PUT", "/repos/acme/open/pulls/1/merge", userToken, map[string]any{"merge_method": "squash"}); r.status != 200 {
		t.Errorf("merge: %d %s", r.status, r.body)
	}
	if got, err := f.ReadFile("acme/open", "main", "new.yaml"); err != nil || got != "n: 2\n" {
		t.Errorf("%q %v", got, err)
	}
	if err := f.DeleteRepository(fork, "eve"); err != nil {
		t.Fatal(err)
	}
	if p := f.do("GET", "/repos/acme/open/pulls/1", token, nil); p.status != 200 || p.json["head"].(map[string]any)["repo"] != nil {
		t.Errorf("after the fork has gone: %d %s", p.status, p.body)
	}
	if err := f.Fsck("acme/open"); err != nil {
		t.Error(err)
	}
}
