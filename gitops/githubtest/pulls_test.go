package githubtest

import (
	"fmt"
	"strings"
	"testing"
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
