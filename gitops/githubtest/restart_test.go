package githubtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRestartKeepsState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	clock := newFakeClock()
	open := func() *fixture {
		t.Helper()
		s, err := New(Options{Dir: dir, Clock: clock, Seed: testSeed()})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		return &fixture{Server: s, t: t, clock: clock}
	}
	f := open()
	token := f.token(nil)
	f.push("kept")
	issue := f.do("POST", "/repos/acme/fabric/issues", token, map[string]any{"title": "kept"})
	if err := f.Rename("acme/other", "acme/elsewhere"); err != nil {
		t.Fatal(err)
	}
	head, id := f.head(), f.RepositoryID(repoName)
	if _, err := New(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second server on the same folder: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	// A process that is killed leaves a torn line.
	journal := filepath.Join(dir, "state.jsonl")
	file, err := os.OpenFile(journal, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	file.WriteString(`{"t":"issues","id":1,"v":{"tit`)
	file.Close()

	f = open()
	defer f.Close()
	if f.head() != head || f.RepositoryID(repoName) != id {
		t.Errorf("head %s id %d", f.head(), f.RepositoryID(repoName))
	}
	if r := f.do("GET", "/repos/acme/fabric/issues/1", token, nil); r.json["id"] != issue.json["id"] {
		t.Errorf("issue %d %s", r.status, r.body)
	}
	if r := f.do("GET", "/repos/acme/other", token, nil); r.status != 301 {
		t.Errorf("the old name: %d", r.status)
	}
	if r := f.do("GET", "/repos/acme/fabric", "ghp_none", nil); r.status != 404 {
		t.Errorf("a token without scopes has them after the restart: %d", r.status)
	}
	next := f.do("POST", "/repos/acme/fabric/issues", token, map[string]any{"title": "next"})
	if next.json["number"] != 2.0 || next.json["id"] == issue.json["id"] {
		t.Errorf("the next issue %s", next.body)
	}
	if list := f.do("GET", "/app/installations", f.jwt(0, time.Minute), nil); list.status != 200 {
		t.Errorf("installations %d", list.status)
	}
}

func TestWebhooksQueuedAtTheEndAreDeliveredAfterTheRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	clock := newFakeClock()
	s, err := New(Options{Dir: dir, Clock: clock, Seed: testSeed()})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{Server: s, t: t, clock: clock}
	h := f.hook()
	if _, err := f.AddFault(Fault{Action: actionWebhookDelay, DelayMS: 1000, Times: -1}); err != nil {
		t.Fatal(err)
	}
	f.push("1")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = New(Options{Dir: dir, Clock: clock}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f = &fixture{Server: s, t: t, clock: clock}
	f.settle()
	if n := len(h.of("push")); n != 1 {
		t.Errorf("%d pushes", n)
	}
}

func TestSeed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ src, want string }{
		"unknown key":        {"github: {repoz: []}", "repoz"},
		"bad selection":      {"github: {repos: [{owner: a, name: b}], apps: [{slug: x, installations: [{account: a, repository_selection: some}]}]}", "repository_selection"},
		"foreign repository": {"github: {repos: [{owner: a, name: b}], apps: [{slug: x, installations: [{account: c, repositories: [a/b]}]}]}", `"a/b" is no repository of c`},
		"bad name":           {"github: {repos: [{owner: a, name: b/c}]}", "owner and name"},
		"repository twice":   {"github: {repos: [{owner: a, name: b}, {owner: A, name: B}]}", "given twice"},
		"no such folder":     {"github: {repos: [{owner: a, name: b, from: /does/not/exist}]}", "from:"},
		"bad key":            {"github: {apps: [{slug: x, private_key: nonsense}]}", "no PEM block"},
		"token of nobody":    {"tokens: {t: {}}", "login"},
	} {
		seed, err := ParseSeed([]byte(c.src))
		if err == nil {
			var s *Server
			if s, err = New(Options{Dir: t.TempDir(), Seed: seed}); err == nil {
				s.Close()
			}
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	g := gitClient{t, dir}
	g.write("plain/a/run.sh", "#!/bin/sh\n")
	if err := os.Chmod(filepath.Join(plain, "a/run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a/run.sh", filepath.Join(plain, "link")); err != nil {
		t.Fatal(err)
	}
	g.run("init", "--quiet", "-b", "main", "work")
	work := gitClient{t, filepath.Join(dir, "work")}
	work.write("f", "1")
	work.run("add", "-A")
	work.run("commit", "--quiet", "-m", "one")
	work.run("tag", "-a", "v1", "-m", "tag")
	g.run("clone", "--quiet", "--bare", "work", "bare.git")
	seed, err := ParseSeed([]byte(`{"github": {"repos": [{"owner": "a", "name": "plain", "from": "plain"}, {"owner": "a", "name": "work", "from": "work"}, {"owner": "a", "name": "bare", "from": "bare.git"}],
		"apps": [{"slug": "made", "installations": [{"account": "a"}]}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	seed.Dir = dir
	s, err := New(Options{Dir: filepath.Join(dir, "data"), Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if info, err := os.Stat(filepath.Join(dir, "data", "apps", "made.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("generated key: %v %v", info, err)
	}
	for _, name := range []string{"a/work", "a/bare"} {
		if head, err := s.Head(name, "main"); err != nil || head != work.run("rev-parse", "HEAD") {
			t.Errorf("%s: %s %v", name, head, err)
		}
		if err := s.Fsck(name); err != nil {
			t.Error(err)
		}
	}
	files, err := s.Files("a/plain", "main", "")
	if err != nil || files["a/run.sh"] != "#!/bin/sh\n" || files["link"] != "a/run.sh" {
		t.Errorf("files %v %v", files, err)
	}
}

// A pack brought in behind the server's back is found too.
func TestPackedObjectsAreRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	head := f.head()
	r, g, err := f.find(repoName)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.git.run(g.dir, nil, "repack", "-q", "-a", "-d"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.git.run(g.dir, nil, "pack-refs", "--all"); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	delete(f.gitRepos, r.ID)
	f.mu.Unlock()
	if got, err := f.ReadFile(repoName, "main", "a/one.yaml"); err != nil || got != "one: 1\n" {
		t.Errorf("%q %v", got, err)
	}
	f.push("on top of a pack")
	if log, err := f.Log(repoName, "main", 0); err != nil || len(log) != 2 || log[1].OID != head {
		t.Errorf("%v %v", log, err)
	}
}

func TestRestartKeepsWhatPeopleAreDoing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	clock := newFakeClock()
	open := func() *fixture {
		t.Helper()
		s, err := New(Options{Dir: dir, Clock: clock, Seed: testSeed()})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		return &fixture{Server: s, t: t, clock: clock}
	}
	f := open()
	token := f.token(nil)
	if err := f.Require(repoName, "main", 1, "plan"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Fork("acme/open", "eve"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.PutFile("eve/open", "main", "eve", "x", "1"); err != nil {
		t.Fatal(err)
	}
	outside, err := f.OpenPull("acme/open", "eve", PullOptions{Base: "main", Head: "eve:main", Title: "t", Draft: true})
	if err != nil {
		t.Fatal(err)
	}
	f.topic("topic", "x", "1")
	inside := f.pull(token, "topic")
	group, err := f.Enqueue(repoName, inside, "alice")
	if err != nil {
		t.Fatal(err)
	}
	id := f.run(token, map[string]any{"name": "conflicts", "head_sha": f.head(), "actions": []any{map[string]any{"label": "Keep Git", "description": "d", "identifier": "git"}},
		"output": map[string]any{"title": "t", "summary": "s", "annotations": []any{map[string]any{"path": "x", "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "m"}}}})
	if err := f.SetTeam("acme", "network", "alice"); err != nil {
		t.Fatal(err)
	}
	_, target := f.agree("/settings/apps/new", `{"name": "Later", "url": "https://example.com", "redirect_url": "http://127.0.0.1:9/"}`)
	if err := f.RequestPermissions("hnp-sync", map[string]string{"contents": "read"}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}

	f = open()
	defer f.Close()
	pr := f.do("GET", "/repos/acme/open/pulls/1", token, nil)
	if outside != 1 || pr.json["draft"] != true || pr.json["head"].(map[string]any)["repo"].(map[string]any)["full_name"] != "eve/open" {
		t.Errorf("the pull request from outside: %s", pr.body)
	}
	if _, err := f.PutFile("eve/open", "main", "eve", "x", "2"); err != nil {
		t.Fatal(err)
	}
	if pr := f.do("GET", "/repos/acme/open/pulls/1", token, nil); pr.json["commits"] != 2.0 {
		t.Errorf("it no longer follows: %s", pr.body)
	}
	run := f.do("PATCH", fmt.Sprintf("/repos/acme/fabric/check-runs/%d", id), token, map[string]any{"output": map[string]any{"title": "t", "summary": "s",
		"annotations": []any{map[string]any{"path": "x", "start_line": 2, "end_line": 2, "annotation_level": "notice", "message": "m"}}}})
	if run.json["output"].(map[string]any)["annotations_count"] != 2.0 {
		t.Errorf("annotations are not appended after a restart: %s", run.body)
	}
	if err := f.ClickAction(id, "git", "alice"); err != nil {
		t.Error(err)
	}
	f.run(token, map[string]any{"name": "plan", "head_sha": group, "conclusion": "success"})
	if f.head() != group {
		t.Error("the queue is forgotten")
	}
	if r := f.do("POST", "/app-manifests/"+target.Query().Get("code")+"/conversions", "", nil); r.status != 201 {
		t.Errorf("manifest: %d %s", r.status, r.body)
	}
	if r := f.do("GET", "/orgs/acme/teams/network/memberships/alice", userToken, nil); r.status != 200 {
		t.Errorf("team: %d", r.status)
	}
	if i := f.do("GET", "/app/installations/9001", f.jwt(0, time.Minute), nil); i.json["permissions"].(map[string]any)["contents"] != "write" {
		t.Errorf("a permission nobody accepted: %s", i.body)
	}
}

func TestForcedAndUnrelatedHistory(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	f.topic("topic", "x", "1")
	n := f.pull(token, "topic")
	// The base is replaced by a history of its own.
	if _, err := f.PutFile(repoName, "orphan", "alice", "o", "1"); err != nil {
		t.Fatal(err)
	}
	orphan, err := f.Head(repoName, "orphan")
	if err != nil {
		t.Fatal(err)
	}
	if r := f.do("POST", "/repos/acme/fabric/pulls", token, map[string]any{"title": "t", "head": "orphan", "base": "main"}); r.status != 422 || !strings.Contains(string(r.body), "no history in common") {
		t.Errorf("unrelated head: %d %s", r.status, r.body)
	}
	if err := f.MoveBranch(repoName, "main", "alice", orphan); err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("/repos/acme/fabric/pulls/%d", n)
	f.do("GET", path, token, nil)
	if r := f.do("GET", path, token, nil); r.status != 200 || r.json["mergeable"] != false || r.json["state"] != "open" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := f.do("PUT", path+"/merge", token, map[string]any{}); r.status != 405 {
		t.Errorf("merge: %d", r.status)
	}
	// Compared with a fork's branch.
	if _, err := f.Fork("acme/open", "eve"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.PutFile("eve/open", "main", "eve", "x", "1"); err != nil {
		t.Fatal(err)
	}
	if r := f.do("GET", "/repos/acme/open/compare/main...eve:main", token, nil); r.status != 200 || r.json["ahead_by"] != 1.0 {
		t.Errorf("compare with a fork: %d %s", r.status, r.body)
	}
	if r := f.do("GET", "/repos/acme/open/compare/main...alice:main", token, nil); r.status != 404 {
		t.Errorf("compare with no fork: %d", r.status)
	}
}
