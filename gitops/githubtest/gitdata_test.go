package githubtest

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestTreesAndBlobs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	head := f.head()
	base := "/repos/acme/fabric/git"
	blob := f.do("POST", base+"/blobs", token, map[string]any{"content": base64.StdEncoding.EncodeToString([]byte{0, 1, 255}), "encoding": "base64"})
	sha := blob.json["sha"].(string)
	tree := func(baseTree string, entries ...map[string]any) reply {
		in := map[string]any{"tree": entries}
		if baseTree != "" {
			in["base_tree"] = baseTree
		}
		return f.do("POST", base+"/trees", token, in)
	}
	entry := func(path, mode string, more map[string]any) map[string]any {
		e := map[string]any{"path": path, "mode": mode}
		for k, v := range more {
			e[k] = v
		}
		return e
	}
	r := tree(head, entry("bin", "100755", map[string]any{"sha": sha}), entry("link", "120000", map[string]any{"content": "a/one.yaml"}),
		entry("sub", "160000", map[string]any{"type": "commit", "sha": head}), entry("a/two.yaml", "100644", map[string]any{"sha": nil}))
	if r.status != 201 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	made := r.json["sha"].(string)
	full := f.do("GET", base+"/trees/"+made+"?recursive=1", token, nil)
	var got []string
	for _, e := range full.json["tree"].([]any) {
		m := e.(map[string]any)
		got = append(got, m["mode"].(string)+" "+m["type"].(string)+" "+m["path"].(string))
	}
	want := "100644 blob README.md|040000 tree a|100644 blob a/one.yaml|100755 blob bin|120000 blob link|160000 commit sub"
	if strings.Join(got, "|") != want {
		t.Errorf("tree %v", got)
	}
	f.SetKnobs(Knobs{TreeLimit: 2})
	if r := f.do("GET", base+"/trees/"+made+"?recursive=1", token, nil); r.json["truncated"] != true || len(r.json["tree"].([]any)) != 2 {
		t.Errorf("truncated %s", r.body)
	}
	f.SetKnobs(Knobs{})
	// A directory's tree is laid over the one that is there.
	dir := tree("", entry("new.yaml", "100644", map[string]any{"content": "n"})).json["sha"].(string)
	over := tree(head, entry("a", "040000", map[string]any{"sha": dir})).json["sha"].(string)
	if r := f.do("GET", base+"/trees/"+over+"?recursive=1", token, nil); !strings.Contains(string(r.body), "a/one.yaml") || !strings.Contains(string(r.body), "a/new.yaml") {
		t.Errorf("overlay %s", r.body)
	}
	for name, r := range map[string]reply{
		"neither sha nor content": tree(head, entry("x", "100644", nil)),
		"both":                    tree(head, entry("x", "100644", map[string]any{"sha": sha, "content": "x"})),
		"unknown sha":             tree(head, entry("x", "100644", map[string]any{"sha": strings.Repeat("1", 40)})),
		"bad sha":                 tree(head, entry("x", "100644", map[string]any{"sha": "1"})),
		"bad mode":                tree(head, entry("x", "100600", map[string]any{"sha": sha})),
		"path upwards":            tree(head, entry("../x", "100644", map[string]any{"sha": sha})),
		"path into .git":          tree(head, entry(".git/config", "100644", map[string]any{"sha": sha})),
		"deleted and not there":   tree(head, entry("nope", "100644", map[string]any{"sha": nil})),
		"unknown base":            tree(strings.Repeat("1", 40), entry("x", "100644", map[string]any{"sha": sha})),
		"twice":                   tree(head, entry("x", "100644", map[string]any{"sha": sha}), entry("x", "100644", map[string]any{"sha": sha})),
		"commit of no tree":       f.do("POST", base+"/commits", token, map[string]any{"message": "m", "tree": strings.Repeat("1", 40)}),
		"commit on no parent":     f.do("POST", base+"/commits", token, map[string]any{"message": "m", "tree": made, "parents": []string{strings.Repeat("1", 40)}}),
		"blob of no base64":       f.do("POST", base+"/blobs", token, map[string]any{"content": "!", "encoding": "base64"}),
	} {
		if r.status != 422 {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	// The commit's message is verbatim, the author the caller's choice, unsigned then.
	c := f.do("POST", base+"/commits", token, map[string]any{"message": "  no newline", "tree": made, "parents": []string{head}, "author": map[string]any{"name": "A", "email": "a@b", "date": "2026-01-02T03:04:05+02:00"}})
	if c.json["message"] != "  no newline" || c.json["verification"].(map[string]any)["verified"] != false || c.json["author"].(map[string]any)["date"] != "2026-01-02T01:04:05Z" {
		t.Errorf("commit %s", c.body)
	}
	raw := f.do("GET", base+"/blobs/"+sha, token, nil, "Accept", "application/vnd.github.raw")
	if string(raw.body) != "\x00\x01\xff" {
		t.Errorf("raw %q", raw.body)
	}
	if err := f.Fsck(repoName); err != nil {
		t.Error(err)
	}

	// createCommitOnBranch has one mode: what was executable or a link is a
	// plain file afterwards; the submodule and untouched entries stay.
	f.do("PATCH", base+"/refs/heads/main", token, map[string]any{"sha": c.json["sha"]})
	if _, msg := firstError(f.graphql(token, commitMutation, commitInput(f.head(), map[string]string{"bin": "x", "link": "y"}))); msg != "" {
		t.Fatal(msg)
	}
	after := string(f.do("GET", base+"/trees/main", token, nil).body)
	if strings.Contains(after, "100755") || strings.Contains(after, "120000") || !strings.Contains(after, "160000") {
		t.Errorf("modes %s", after)
	}
}

func TestCreateCommitRefusals(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	head := f.head()
	for name, in := range map[string]map[string]any{
		"path upwards":          commitInput(head, map[string]string{"../x": "y"}),
		"absolute path":         commitInput(head, map[string]string{"/x": "y"}),
		"path into .git":        commitInput(head, map[string]string{".git/x": "y"}),
		"path through a file":   commitInput(head, map[string]string{"README.md/x": "y"}),
		"added and deleted":     commitInput(head, map[string]string{"README.md": "y"}, "README.md"),
		"deletes a directory":   commitInput(head, nil, "a"),
		"deletes what is not":   commitInput(head, map[string]string{"x": "y"}, "b"),
		"a head that is no oid": commitInput("main", map[string]string{"x": "y"}),
	} {
		if _, msg := firstError(f.graphql(token, commitMutation, in)); msg == "" || f.head() != head {
			t.Errorf("%s: %q, head moved %v", name, msg, f.head() != head)
		}
	}
	change := func(edit func(in map[string]any)) map[string]any {
		in := commitInput(head, map[string]string{"x": "y"})
		edit(in["input"].(map[string]any))
		return in
	}
	for name, in := range map[string]map[string]any{
		"no expectedHeadOid": change(func(in map[string]any) { delete(in, "expectedHeadOid") }),
		"no headline":        change(func(in map[string]any) { in["message"] = map[string]any{"headline": " "} }),
		"no such branch":     change(func(in map[string]any) { in["branch"].(map[string]any)["branchName"] = "nope" }),
		"no such repository": change(func(in map[string]any) { in["branch"].(map[string]any)["repositoryNameWithOwner"] = "acme/nope" }),
		"unknown member":     change(func(in map[string]any) { in["author"] = "x" }),
		"no base64": change(func(in map[string]any) {
			in["fileChanges"] = map[string]any{"additions": []any{map[string]any{"path": "x", "contents": "!"}}}
		}),
	} {
		if _, msg := firstError(f.graphql(token, commitMutation, in)); msg == "" || f.head() != head {
			t.Errorf("%s: %q, head moved %v", name, msg, f.head() != head)
		}
	}
	// Deleting the last file of a directory removes the directory.
	if _, msg := firstError(f.graphql(token, commitMutation, commitInput(head, nil, "a/one.yaml", "a/two.yaml"))); msg != "" {
		t.Fatal(msg)
	}
	if r := f.graphql(token, `{repository(owner:"acme",name:"fabric"){object(expression:"main:a"){oid}}}`, nil); !strings.Contains(string(r.body), `"object":null`) {
		t.Errorf("%s", r.body)
	}
	if err := f.Fsck(repoName); err != nil {
		t.Error(err)
	}
}

func TestGraphQLBlobs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.SetKnobs(Knobs{BlobTextLimit: 5})
	bin, long, latin := "a\x00b", "aaaaé", "\xe9"
	if _, err := f.CommitFiles(repoName, "main", "alice", "m", map[string]*string{"bin": &bin, "long": &long, "latin": &latin}); err != nil {
		t.Fatal(err)
	}
	r := f.graphql(userToken, `query($r:String="main"){repository(owner:"acme",name:"fabric"){
		bin: object(expression:"main:bin"){...B} long: object(expression:"HEAD:long"){...B} none: object(expression:"main:nope"){...B}
		latin: object(expression:"main:latin"){...B} ref(qualifiedName:$r){name prefix target{... on Commit{file(path:"a/one.yaml"){path mode object{... on Blob{text}}} history(first:1,path:"a"){totalCount pageInfo{hasNextPage endCursor} nodes{message}}}}}}}
		fragment B on Blob{text isBinary isTruncated byteSize}`, nil)
	body := string(r.body)
	for _, want := range []string{`"bin":{"text":null,"isBinary":true,"isTruncated":false,"byteSize":3}`, `"long":{"text":"aaaa","isBinary":false,"isTruncated":true,"byteSize":6}`, `"none":null`,
		`"latin":{"text":"\ufffd","isBinary":false`, `"name":"main","prefix":"refs/heads/"`, `"path":"a/one.yaml","mode":33188`, `"totalCount":1`, `"hasNextPage":false`} {
		if !strings.Contains(body, want) && !strings.Contains(body, strings.ReplaceAll(want, `\ufffd`, "\ufffd")) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	for name, c := range map[string]struct{ query, want string }{
		"no page size": {`{repository(owner:"acme",name:"fabric"){refs(refPrefix:"refs/heads/"){totalCount}}}`, "MISSING_PAGINATION_BOUNDARIES"},
		"page too big": {`{repository(owner:"acme",name:"fabric"){refs(refPrefix:"refs/heads/",first:101){totalCount}}}`, "EXCESSIVE_PAGINATION"},
		"syntax error": {`{repository(owner:"acme"`, "Parse error"},
		"no document":  {``, "A query attribute must be specified"},
	} {
		if r := f.graphql(userToken, c.query, nil); r.status != 200 || !strings.Contains(string(r.body), c.want) {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
}

func TestContentsLimits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	big := strings.Repeat("x", maxContents+1)
	if _, err := f.CommitFiles(repoName, "main", "alice", "m", map[string]*string{"big": &big}); err != nil {
		t.Fatal(err)
	}
	if r := f.do("GET", "/repos/acme/fabric/contents/big", userToken, nil); r.json["encoding"] != "none" || r.json["content"] != "" || r.json["size"] != float64(len(big)) {
		t.Errorf("big file %d %v", r.status, r.json["encoding"])
	}
	for path, want := range map[string]int{"/contents/": 200, "/contents": 200, "/contents/a": 200, "/contents/nope": 404, "/contents/a?ref=nope": 404, "/contents/README.md?ref=main": 200} {
		if r := f.do("GET", "/repos/acme/fabric"+path, userToken, nil); r.status != want {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	if r := f.do("PUT", "/repos/acme/fabric/contents/README.md", userToken, map[string]any{"message": "m", "content": ""}); r.status != 422 || !strings.Contains(r.message(), `"sha" wasn't supplied`) {
		t.Errorf("put without sha: %d %s", r.status, r.body)
	}
	// The first file of an empty repository.
	if r := f.do("PUT", "/repos/acme/empty/contents/first", userToken, map[string]any{"message": "m", "content": "eA=="}); r.status != 201 {
		t.Errorf("first file: %d %s", r.status, r.body)
	}
	if err := f.Fsck("acme/empty"); err != nil {
		t.Error(err)
	}
}

func TestMergeConflicts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	head := f.head()
	if err := f.MoveBranch(repoName, "topic", "alice", head); err != nil {
		t.Fatal(err)
	}
	for branch, content := range map[string]string{"main": "one: 2\n", "topic": "one: 3\n"} {
		if _, err := f.PutFile(repoName, branch, "alice", "a/one.yaml", content); err != nil {
			t.Fatal(err)
		}
	}
	if r := f.do("POST", "/repos/acme/fabric/pulls", userToken, map[string]any{"title": "t", "head": "topic", "base": "main"}); r.status != 201 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	f.do("GET", "/repos/acme/fabric/pulls/1", userToken, nil)
	if r := f.do("GET", "/repos/acme/fabric/pulls/1", userToken, nil); r.json["mergeable"] != false || r.json["mergeable_state"] != "dirty" {
		t.Errorf("mergeable %v", r.json["mergeable"])
	}
	if r := f.do("PUT", "/repos/acme/fabric/pulls/1/merge", userToken, map[string]any{}); r.status != 405 || r.message() != "Pull Request is not mergeable" {
		t.Errorf("merge: %d %s", r.status, r.body)
	}
	if r := f.do("POST", "/repos/acme/fabric/merges", userToken, map[string]any{"base": "main", "head": "topic"}); r.status != 409 {
		t.Errorf("merges: %d %s", r.status, r.body)
	}
	for name, in := range map[string]map[string]any{
		"missing head": {"title": "t", "head": "nope", "base": "main"}, "missing base": {"title": "t", "head": "topic", "base": "nope"}, "a fork's head": {"title": "t", "head": "eve:topic", "base": "main"},
	} {
		if r := f.do("POST", "/repos/acme/fabric/pulls", userToken, in); r.status != 422 {
			t.Errorf("%s: %d", name, r.status)
		}
	}
	if r := f.do("GET", "/repos/acme/fabric/compare/main...topic", userToken, nil); r.json["status"] != "diverged" || r.json["ahead_by"] != 1.0 || r.json["behind_by"] != 1.0 {
		t.Errorf("compare %s", r.body)
	}
	// Pages: absolute links that name the repository by id.
	f.SetKnobs(Knobs{PageLimit: 1})
	r := f.do("GET", "/api/v3/repos/acme/fabric/branches?per_page=100", userToken, nil)
	if want := f.URL() + "/api/v3/repositories/" + itoa(f.RepositoryID(repoName)) + "/branches?page=2"; !strings.Contains(r.header.Get("Link"), "<"+want) {
		t.Errorf("Link %s", r.header.Get("Link"))
	}
}
