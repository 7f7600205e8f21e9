package githubtest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// topic makes a branch off main with one commit for each content of a file.
func (f *fixture) topic(branch, path string, contents ...string) {
	f.t.Helper()
	if err := f.MoveBranch(repoName, branch, "alice", f.head()); err != nil {
		f.t.Fatal(err)
	}
	for _, content := range contents {
		if _, err := f.CommitFiles(repoName, branch, "alice", "set "+path+"\n\nto "+content, map[string]*string{path: &content}); err != nil {
			f.t.Fatal(err)
		}
	}
}

// pull opens a pull request and returns its number.
func (f *fixture) pull(token, head string, more ...any) int {
	f.t.Helper()
	in := map[string]any{"title": "a change", "head": head, "base": "main"}
	for i := 0; i+1 < len(more); i += 2 {
		in[more[i].(string)] = more[i+1]
	}
	r := f.do("POST", "/repos/acme/fabric/pulls", token, in)
	if r.status != 201 {
		f.t.Fatalf("open %s: %d %s", head, r.status, r.body)
	}
	return int(r.json["number"].(float64))
}

// actions lists the actions of the pull_request events that came.
func (f *fixture) actions(h *hook, event string) string {
	f.t.Helper()
	f.settle()
	var out []string
	for _, e := range h.of(event) {
		out = append(out, e.payload["action"].(string))
	}
	return strings.Join(out, " ")
}

func TestMergeMethods(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.hook()
	token := f.token(nil)
	merge := func(n int, in map[string]any) reply {
		return f.do("PUT", fmt.Sprintf("/repos/acme/fabric/pulls/%d/merge", n), token, in)
	}
	subjects := func(n int) string {
		log, err := f.Log(repoName, "main", n)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, k := range log {
			first, _, _ := strings.Cut(k.Message, "\n")
			out = append(out, fmt.Sprintf("%s by %s of %d", first, k.Author, len(k.Parents)))
		}
		return strings.Join(out, " | ")
	}
	// The base moves on in another file: every way is a merge of three trees.
	for name, c := range map[string]struct{ method, want string }{
		"one": {"squash", "set one (#1) by hnp-sync[bot] of 1"}, "two": {"rebase", "set two by Alice Ng of 1 | set two by Alice Ng of 1"},
		"three": {"merge", "Merge pull request #1 from acme/three by hnp-sync[bot] of 2"}, "four": {"squash", "a change (#1) by hnp-sync[bot] of 1"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			token := f.token(nil)
			contents := []string{"1"}
			if name == "two" || name == "four" {
				contents = append(contents, "2")
			}
			f.topic(name, name, contents...)
			n := f.pull(token, name)
			f.push("meanwhile")
			r := f.do("PUT", fmt.Sprintf("/repos/acme/fabric/pulls/%d/merge", n), token, map[string]any{"merge_method": c.method})
			if r.status != 200 || r.json["sha"] != f.head() {
				t.Fatalf("%d %s", r.status, r.body)
			}
			log, err := f.Log(repoName, "main", strings.Count(c.want, "|")+1)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, k := range log {
				first, _, _ := strings.Cut(k.Message, "\n")
				got = append(got, fmt.Sprintf("%s by %s of %d", first, k.Author, len(k.Parents)))
			}
			if strings.Join(got, " | ") != c.want {
				t.Errorf("history %q", got)
			}
			if name == "four" && !strings.Contains(log[0].Message, "* set four\n\nto 1\n\n* set four\n\nto 2\n\nCo-authored-by: Alice Ng <alice@example.com>") {
				t.Errorf("message %q", log[0].Message)
			}
			files, err := f.Files(repoName, "main", "")
			if err != nil || files[name] != contents[len(contents)-1] || files["x"] != "meanwhile" {
				t.Errorf("files %v %v", files, err)
			}
			if p := f.do("GET", fmt.Sprintf("/repos/acme/fabric/pulls/%d", n), token, nil); p.json["merged"] != true || p.json["merge_commit_sha"] != f.head() || p.json["commits"] != float64(len(contents)) {
				t.Errorf("pull request %s", p.body)
			}
			if err := f.Fsck(repoName); err != nil {
				t.Error(err)
			}
		})
	}

	f.topic("clash", "x", "theirs")
	n := f.pull(token, "clash")
	f.push("ours")
	for _, method := range []string{"merge", "squash", "rebase"} {
		if r := merge(n, map[string]any{"merge_method": method}); r.status != 405 {
			t.Errorf("%s of a conflict: %d %s", method, r.status, r.body)
		}
	}
	if r := f.do("PATCH", "/repos/acme/fabric", userToken, map[string]any{"allow_squash_merge": false}); r.status != 200 || r.json["allow_squash_merge"] != false || r.json["allow_rebase_merge"] != true {
		t.Errorf("settings %d %s", r.status, r.body)
	}
	f.topic("late", "y", "1")
	n = f.pull(token, "late")
	if r := merge(n, map[string]any{"merge_method": "squash"}); r.status != 405 || r.message() != "Squash merges are not allowed on this repository." {
		t.Errorf("squash where it is off: %d %s", r.status, r.body)
	}
	if r := merge(n, map[string]any{"sha": f.head()}); r.status != 409 {
		t.Errorf("another head: %d", r.status)
	}
	if got := subjects(1); !strings.HasPrefix(got, "Update x") {
		t.Errorf("a refused merge left %s", got)
	}
}

func TestMergeableIsComputedLate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	f.SetKnobs(Knobs{MergeableAfter: 2})
	f.topic("topic", "x", "theirs")
	f.pull(token, "topic")
	read := func() (any, any) {
		r := f.do("GET", "/repos/acme/fabric/pulls/1", token, nil)
		return r.json["mergeable"], r.json["mergeable_state"]
	}
	for n, want := range []any{nil, nil, true} {
		if got, state := read(); got != want {
			t.Errorf("read %d: mergeable %v %v", n, got, state)
		}
	}
	r := f.do("GET", "/repos/acme/fabric/git/ref/pull/1/merge", token, nil)
	test := f.do("GET", "/repos/acme/fabric/pulls/1", token, nil).json["merge_commit_sha"]
	if r.status != 200 || r.json["object"].(map[string]any)["sha"] != test {
		t.Errorf("the tried merge: %d %s, %v", r.status, r.body, test)
	}
	f.push("ours")
	for n, want := range []any{nil, nil, false} {
		if got, _ := read(); got != want {
			t.Errorf("read %d after the base moved: mergeable %v", n, got)
		}
	}
	if _, state := read(); state != "dirty" {
		t.Errorf("state %v", state)
	}
	q := `query { repository(owner: "acme", name: "fabric") { pullRequest(number: 1) { state mergeable merged mergeCommit { oid } potentialMergeCommit { oid } headRefName headRefOid url isCrossRepository headRepository { nameWithOwner }
		commits(last: 100) { totalCount nodes { commit { oid } } } } pullRequests(first: 5, states: [OPEN], headRefName: "topic") { nodes { number } } } }`
	g := f.graphql(token, q, nil)
	if !strings.Contains(string(g.body), `"mergeable":"CONFLICTING","merged":false,"mergeCommit":null`) || !strings.Contains(string(g.body), `"pullRequests":{"nodes":[{"number":1}]}`) {
		t.Errorf("%s", g.body)
	}
	f.SetKnobs(Knobs{StaleReads: 1})
	old := f.do("GET", "/repos/acme/fabric/pulls/1", token, nil).json["head"].(map[string]any)["sha"]
	if _, err := f.PutFile(repoName, "topic", "alice", "x", "more"); err != nil {
		t.Fatal(err)
	}
	head, err := f.Head(repoName, "topic")
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []any{old, head} {
		if got := f.do("GET", "/repos/acme/fabric/pulls/1", token, nil).json["head"].(map[string]any)["sha"]; got != want {
			t.Errorf("read %d after the push sees the head %v", n, got)
		}
	}
}

func TestPullRequestEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	h := f.hook()
	token := f.token(nil)
	f.topic("release", "r", "1")
	f.topic("topic", "x", "1")
	n := f.pull(userToken, "topic", "draft", true)
	if r := f.do("PUT", "/repos/acme/fabric/pulls/1/merge", token, map[string]any{}); r.status != 405 {
		t.Errorf("merge of a draft: %d", r.status)
	}
	id := f.do("GET", "/repos/acme/fabric/pulls/1", token, nil).json["node_id"]
	mutate := func(name, fields string, more map[string]any) reply {
		in := map[string]any{"pullRequestId": id}
		for k, v := range more {
			in[k] = v
		}
		typ := strings.ToUpper(name[:1]) + name[1:] + "Input!"
		return f.graphql(userToken, fmt.Sprintf("mutation($input: %s) { %s(input: $input) { pullRequest { %s } } }", typ, name, fields), map[string]any{"input": in})
	}
	steps := []struct{ name, fields, want string }{
		{"markPullRequestReadyForReview", "isDraft", `"isDraft":false`}, {"convertPullRequestToDraft", "isDraft", `"isDraft":true`}, {"markPullRequestReadyForReview", "isDraft", `"isDraft":false`},
		{"closePullRequest", "state", `"state":"CLOSED"`}, {"reopenPullRequest", "state", `"state":"OPEN"`},
	}
	for _, s := range steps {
		if r := mutate(s.name, s.fields, nil); !strings.Contains(string(r.body), s.want) {
			t.Errorf("%s: %s", s.name, r.body)
		}
	}
	if r := mutate("updatePullRequest", "title baseRefName body", map[string]any{"title": "new", "baseRefName": "release", "body": "b"}); !strings.Contains(string(r.body), `"title":"new","baseRefName":"release","body":"b"`) {
		t.Errorf("%s", r.body)
	}
	f.settle()
	edited := h.of("pull_request")[len(h.of("pull_request"))-1].payload["changes"].(map[string]any)
	if edited["base"].(map[string]any)["ref"].(map[string]any)["from"] != "main" || edited["title"].(map[string]any)["from"] != "a change" {
		t.Errorf("changes %v", edited)
	}
	if _, err := f.PutFile(repoName, "topic", "alice", "x", "2"); err != nil {
		t.Fatal(err)
	}
	if r := mutate("mergePullRequest", "merged mergeCommit { oid }", map[string]any{"mergeMethod": "SQUASH"}); !strings.Contains(string(r.body), `"merged":true,"mergeCommit":{"oid":"`) {
		t.Errorf("%s", r.body)
	}
	if got := f.actions(h, "pull_request"); n != 1 || got != "opened ready_for_review converted_to_draft ready_for_review closed reopened edited synchronize closed" {
		t.Errorf("events %s", got)
	}
	// A head without anything its base lacks closes.
	f.topic("empty", "e", "1")
	f.pull(token, "empty")
	if err := f.MoveBranch(repoName, "empty", "alice", f.head()); err != nil {
		t.Fatal(err)
	}
	if p := f.do("GET", "/repos/acme/fabric/pulls/2", token, nil); p.json["state"] != "closed" || p.json["merged"] != false {
		t.Errorf("emptied: %v %v", p.json["state"], p.json["merged"])
	}
	if r := f.do("PATCH", "/repos/acme/fabric/git/refs/pull/2/head", token, map[string]any{"sha": f.head(), "force": true}); r.status != 422 {
		t.Errorf("refs/pull can be written: %d", r.status)
	}
}

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

func TestCommentsSince(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	var stamps []string
	for n := range 3 {
		if r := f.do("POST", "/repos/acme/fabric/issues", token, map[string]any{"title": fmt.Sprint(n)}); r.status != 201 {
			t.Fatal(r.status)
		}
		r := f.do("POST", fmt.Sprintf("/repos/acme/fabric/issues/%d/comments", n+1), token, map[string]any{"body": fmt.Sprintf("comment %d", n)})
		stamps = append(stamps, r.json["updated_at"].(string))
		f.clock.advance(time.Minute)
	}
	bodies := func(query string) string {
		r := f.do("GET", "/repos/acme/fabric/issues/comments"+query, token, nil)
		var out []string
		for part := range strings.SplitSeq(string(r.body), `"body":"`) {
			if text, _, ok := strings.Cut(part, `"`); ok && strings.HasPrefix(text, "comment") {
				out = append(out, text)
			}
		}
		return strings.Join(out, ", ")
	}
	first := f.do("GET", "/repos/acme/fabric/issues/1/comments", token, nil)
	id := strings.Split(strings.Split(string(first.body), `issuecomment-`)[1], `"`)[0]
	for query, want := range map[string]string{"": "comment 0, comment 1, comment 2", "?since=" + stamps[1]: "comment 1, comment 2", "?sort=created&direction=desc": "comment 2, comment 1, comment 0",
		"?per_page=1&page=2": "comment 1", "?direction=desc": "comment 0, comment 1, comment 2"} {
		if got := bodies(query); got != want {
			t.Errorf("%q: %s", query, got)
		}
	}
	// An edit counts as a change.
	f.do("PATCH", "/repos/acme/fabric/issues/comments/"+id, token, map[string]any{"body": "comment 0 again"})
	if got := bodies("?since=" + f.clock.Now().UTC().Format(time.RFC3339)); got != "comment 0 again" {
		t.Errorf("since the edit: %s", got)
	}
	if r := f.do("GET", "/repos/acme/fabric/issues/comments?since=yesterday", token, nil); r.status != 422 {
		t.Errorf("a malformed time: %d", r.status)
	}
	// Who may read may comment, and change only what is theirs.
	comment := f.do("POST", "/repos/acme/open/issues", "ghp_eve", map[string]any{"title": "by a stranger", "labels": []string{"mine"}})
	if comment.status != 201 || len(comment.json["labels"].([]any)) != 0 {
		t.Errorf("a stranger's issue: %d %s", comment.status, comment.body)
	}
	theirs := f.do("POST", "/repos/acme/open/issues/1/comments", userToken, map[string]any{"body": "hello"})
	path := fmt.Sprintf("/repos/acme/open/issues/comments/%.0f", theirs.json["id"])
	if r := f.do("PATCH", path, "ghp_eve", map[string]any{"body": "changed"}); r.status != 403 {
		t.Errorf("a stranger edits: %d", r.status)
	}
	if r := f.do("DELETE", path, "ghp_eve", nil); r.status != 403 {
		t.Errorf("a stranger deletes: %d", r.status)
	}
	if r := f.do("POST", "/repos/acme/open/issues/1/labels", "ghp_eve", map[string]any{"labels": []string{"x"}}); r.status != 403 {
		t.Errorf("a stranger labels: %d", r.status)
	}
	if r := f.do("DELETE", path, userToken, nil); r.status != 204 {
		t.Errorf("the author deletes: %d", r.status)
	}
}
