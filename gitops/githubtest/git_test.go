package githubtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// gitClient runs a person's git in a folder.
type gitClient struct {
	t   *testing.T
	dir string
}

func (g gitClient) try(args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = g.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + g.dir, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Alice Ng", "GIT_AUTHOR_EMAIL=alice@example.com", "GIT_COMMITTER_NAME=Alice Ng", "GIT_COMMITTER_EMAIL=alice@example.com", "NO_PROXY=127.0.0.1"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (g gitClient) run(args ...string) string {
	g.t.Helper()
	out, err := g.try(args...)
	if err != nil {
		g.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(out)
}

func (g gitClient) write(path, content string) {
	g.t.Helper()
	full := filepath.Join(g.dir, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
		g.t.Fatal(err)
	}
}

func (f *fixture) clone(token string) gitClient {
	f.t.Helper()
	g := gitClient{f.t, f.t.TempDir()}
	g.run("clone", "--quiet", f.CloneURL(repoName, token), "work")
	g.dir = filepath.Join(g.dir, "work")
	return g
}

func TestGitCloneAndPush(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	h := f.hook()
	g := f.clone(userToken)
	before := f.head()
	if got := g.run("rev-parse", "HEAD"); got != before {
		t.Fatalf("cloned %s, head is %s", got, before)
	}
	g.write("a/one.yaml", "one: 2\n")
	g.write("big.bin", strings.Repeat("x", 3<<20))
	g.run("add", "-A")
	g.run("commit", "--quiet", "-m", "Edit one")
	g.run("push", "--quiet", "origin", "HEAD:main")
	after := g.run("rev-parse", "HEAD")
	if f.head() != after {
		t.Errorf("head %s after pushing %s", f.head(), after)
	}
	f.settle()
	pushes := h.of("push")
	if len(pushes) != 1 {
		t.Fatalf("%d push events", len(pushes))
	}
	p := pushes[0].payload
	if p["before"] != before || p["after"] != after || p["sender"].(map[string]any)["login"] != "alice" {
		t.Errorf("push %v → %v by %v", p["before"], p["after"], p["sender"])
	}
	commits := p["commits"].([]any)
	if len(commits) != 1 || commits[0].(map[string]any)["modified"].([]any)[0] != "a/one.yaml" || commits[0].(map[string]any)["added"].([]any)[0] != "big.bin" {
		t.Errorf("commits %v", commits)
	}

	// What the API commits is what git pulls.
	f.graphql(f.token(nil), commitMutation, commitInput(after, map[string]string{"a/one.yaml": "one: 3\n"}))
	g.run("pull", "--quiet", "--ff-only", "origin", "main")
	if got := g.run("show", "HEAD:a/one.yaml"); got != "one: 3" {
		t.Errorf("pulled %q", got)
	}

	// History rewritten: forced. Branch created and deleted: zeros.
	g.run("reset", "--quiet", "--hard", before)
	g.write("c", "c")
	g.run("add", "-A")
	g.run("commit", "--quiet", "-m", "Rewrite")
	if out, err := g.try("push", "origin", "HEAD:main"); err == nil || !strings.Contains(out, "rejected") {
		t.Errorf("non-fast-forward push: %v %s", err, out)
	}
	g.run("push", "--quiet", "--force", "origin", "HEAD:main")
	g.run("push", "--quiet", "origin", "HEAD:refs/heads/side")
	g.run("push", "--quiet", "origin", ":refs/heads/side")
	f.settle()
	pushes = h.of("push")
	if len(pushes) != 5 {
		t.Fatalf("%d push events", len(pushes))
	}
	if pushes[2].payload["forced"] != true {
		t.Error("forced push not marked")
	}
	if pushes[3].payload["created"] != true || pushes[3].payload["before"] != zeroOID {
		t.Errorf("created: %v", pushes[3].payload)
	}
	if pushes[4].payload["deleted"] != true || pushes[4].payload["after"] != zeroOID || pushes[4].payload["head_commit"] != nil {
		t.Errorf("deleted: %v", pushes[4].payload)
	}
	if err := f.Fsck(repoName); err != nil {
		t.Error(err)
	}
}

func TestManyTagsInOnePushMakeNoEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	h := f.hook()
	g := f.clone(userToken)
	for _, tag := range []string{"a", "b", "c"} {
		g.run("tag", "-a", tag, "-m", tag)
	}
	g.run("push", "--quiet", "--tags")
	f.settle()
	if n := len(h.of("push")); n != 3 {
		t.Errorf("%d events of 3 tags", n)
	}
	for _, tag := range []string{"d", "e", "f", "g"} {
		g.run("tag", tag)
	}
	g.run("push", "--quiet", "--tags")
	f.settle()
	if n := len(h.of("push")); n != 3 {
		t.Errorf("%d events after 4 more tags", n)
	}
	if r := f.do("GET", "/repos/acme/fabric/git/matching-refs/tags/", userToken, nil); strings.Count(string(r.body), `"ref"`) != 7 {
		t.Errorf("tags %s", r.body)
	}
	if r := f.do("GET", "/repos/acme/fabric/commits/a", userToken, nil); r.json["sha"] != f.head() {
		t.Errorf("an annotated tag leads to %v", r.json["sha"])
	}
}

func TestFirstPushToAnEmptyRepository(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	h := f.hook()
	g := gitClient{t, t.TempDir()}
	g.run("init", "--quiet", "-b", "main")
	g.run("commit", "--quiet", "--allow-empty", "-m", "one")
	g.run("commit", "--quiet", "--allow-empty", "-m", "two")
	g.run("push", "--quiet", f.CloneURL("acme/empty", userToken), "main")
	f.settle()
	pushes := h.of("push")
	if len(pushes) != 1 || pushes[0].payload["created"] != true || len(pushes[0].payload["commits"].([]any)) != 2 {
		t.Errorf("events %v", pushes)
	}
}

func TestGitRefusals(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	g := gitClient{t, t.TempDir()}
	for name, token := range map[string]string{"anonymous": "", "unknown token": "nope", "no member": "ghp_eve", "token without scope": "ghp_none"} {
		if out, err := g.try("clone", "--quiet", f.CloneURL(repoName, token), "x"+token); err == nil {
			t.Errorf("%s may clone a private repository: %s", name, out)
		}
	}
	g.run("clone", "--quiet", f.CloneURL("acme/open", ""), "open")
	open := gitClient{t, filepath.Join(g.dir, "open")}
	open.run("commit", "--quiet", "--allow-empty", "-m", "x")
	if out, err := open.try("push", "origin", "HEAD:main"); err == nil {
		t.Errorf("anonymous push: %s", out)
	}
	readOnly := f.token(map[string]any{"permissions": map[string]string{"contents": "read"}})
	if out, err := open.try("push", f.CloneURL("acme/open", readOnly), "HEAD:main"); err == nil || !strings.Contains(out, "403") {
		t.Errorf("push with contents:read: %v %s", err, out)
	}
	if err := f.Protect(repoName, "main", true, false); err != nil {
		t.Fatal(err)
	}
	work := f.clone(userToken)
	work.run("commit", "--quiet", "--allow-empty", "-m", "x")
	out, err := work.try("push", "origin", "HEAD:main")
	if err == nil || !strings.Contains(out, "protected branch hook declined") || !strings.Contains(out, "GH006") {
		t.Errorf("push to a protected branch: %v %s", err, out)
	}
}

// A pull request from a fork as its author and a reviewer see it with git.
func TestGitAndForks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	h := f.hook()
	fork, err := f.Fork("acme/open", "eve")
	if err != nil {
		t.Fatal(err)
	}
	g := gitClient{t, t.TempDir()}
	g.run("clone", "--quiet", f.CloneURL(fork, "ghp_eve"), "fork")
	work := gitClient{t, filepath.Join(g.dir, "fork")}
	work.write("x", "1")
	work.run("add", "-A")
	work.run("commit", "--quiet", "-m", "one")
	work.run("push", "--quiet", "origin", "HEAD:main")
	if _, err := f.OpenPull("acme/open", "eve", PullOptions{Base: "main", Head: "eve:main", Title: "t"}); err != nil {
		t.Fatal(err)
	}
	work.write("x", "2")
	work.run("commit", "--quiet", "-am", "two")
	work.run("push", "--quiet", "origin", "HEAD:main")
	if got := f.actions(h, "pull_request"); got != "opened synchronize" {
		t.Errorf("events %s", got)
	}
	f.do("GET", "/repos/acme/open/pulls/1", userToken, nil) // so that the merge is tried
	g.run("clone", "--quiet", f.CloneURL("acme/open", userToken), "base")
	base := gitClient{t, filepath.Join(g.dir, "base")}
	base.run("fetch", "--quiet", "origin", "refs/pull/1/head:review", "refs/pull/1/merge:tried")
	if base.run("rev-parse", "review") != work.run("rev-parse", "HEAD") || base.run("show", "tried:x") != "2" {
		t.Error("refs/pull/1 is not what was pushed")
	}
	for _, ref := range []string{"refs/pull/1/head", "refs/pull/9/head"} {
		if out, err := base.try("push", "--force", "origin", "HEAD:"+ref); err == nil {
			t.Errorf("push to %s: %s", ref, out)
		}
	}
	if out, err := work.try("push", f.CloneURL("acme/open", "ghp_eve"), "HEAD:main"); err == nil {
		t.Errorf("a stranger pushes to the base: %s", out)
	}
}

func TestGitVersionCheck(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{"git version 2.39.5": true, "git version 2.38": true, "git version 2.37.9 (Apple Git-1)": false, "git version 3.0": true, "git version 1.99": false, "nonsense": false} {
		if got := gitAtLeast(version, 2, 38); got != want {
			t.Errorf("%s: %v", version, got)
		}
	}
}
