package githubtest

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func TestReferenceRules(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	first := f.head()
	second, err := f.PutFile(repoName, "main", "alice", "x", "1")
	if err != nil {
		t.Fatal(err)
	}
	tree := f.do("GET", "/repos/acme/fabric/git/commits/"+second, token, nil).json["tree"].(map[string]any)["sha"]
	if err := f.MoveBranch(repoName, "side", "alice", first); err != nil {
		t.Fatal(err)
	}
	sideways, err := f.PutFile(repoName, "side", "alice", "y", "1")
	if err != nil {
		t.Fatal(err)
	}
	base := "/repos/acme/fabric/git/refs"
	for _, c := range []struct {
		name, method, path string
		body               map[string]any
		status             int
		message            string
	}{
		{"create twice", "POST", base, map[string]any{"ref": "refs/heads/main", "sha": first}, 422, "Reference already exists"},
		{"create below a branch", "POST", base, map[string]any{"ref": "refs/heads/main/x", "sha": first}, 422, "Reference already exists"},
		{"create without refs/", "POST", base, map[string]any{"ref": "heads/x", "sha": first}, 422, "Reference name must start with 'refs/' and have at least two slashes"},
		{"create on nothing", "POST", base, map[string]any{"ref": "refs/heads/x", "sha": strings.Repeat("1", 40)}, 422, "Object does not exist"},
		{"create on a tree", "POST", base, map[string]any{"ref": "refs/heads/x", "sha": tree}, 422, "Reference update failed"},
		{"update missing", "PATCH", base + "/heads/nope", map[string]any{"sha": first}, 422, "Reference does not exist"},
		{"update to nothing", "PATCH", base + "/heads/main", map[string]any{"sha": strings.Repeat("1", 40)}, 422, "Object does not exist"},
		{"update backwards", "PATCH", base + "/heads/main", map[string]any{"sha": first, "force": false}, 422, "Update is not a fast forward"},
		{"update sideways", "PATCH", base + "/heads/main", map[string]any{"sha": sideways}, 422, "Update is not a fast forward"},
		{"delete missing", "DELETE", base + "/heads/nope", nil, 422, "Reference does not exist"},
		{"read missing", "GET", "/repos/acme/fabric/git/ref/heads/nope", nil, 404, "Not Found"},
		{"read in an empty repository", "GET", "/repos/acme/empty/git/ref/heads/main", nil, 409, "Git Repository is empty."},
		{"tree in an empty repository", "POST", "/repos/acme/empty/git/trees", map[string]any{"tree": []any{}}, 409, "Git Repository is empty."},
		{"forced backwards", "PATCH", base + "/heads/main", map[string]any{"sha": first, "force": true}, 200, ""},
		{"forwards again", "PATCH", base + "/heads/main", map[string]any{"sha": second, "force": false}, 200, ""},
		{"create", "POST", base, map[string]any{"ref": "refs/heads/deep/er", "sha": first}, 201, ""},
		{"create in its place", "POST", base, map[string]any{"ref": "refs/heads/deep", "sha": first}, 422, "Reference already exists"},
		{"delete", "DELETE", base + "/heads/deep/er", nil, 204, ""},
		{"create when it has gone", "POST", base, map[string]any{"ref": "refs/heads/deep", "sha": first}, 201, ""},
	} {
		var body any
		if c.body != nil {
			body = c.body
		}
		if r := f.do(c.method, c.path, token, body); r.status != c.status || r.message() != c.message {
			t.Errorf("%s: %d %q", c.name, r.status, r.message())
		}
	}
	if err := f.Fsck(repoName); err != nil {
		t.Error(err)
	}
}

func TestCompareAndSetHasOneWinner(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	repoID := f.graphql(token, `{repository(owner:"acme",name:"fabric"){id}}`, nil).json["data"].(map[string]any)["repository"].(map[string]any)["id"]
	race := func(name string, one func(i int) bool) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		winners := 0
		for i := range 32 {
			wg.Go(func() {
				if one(i) {
					mu.Lock()
					winners++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if winners != 1 {
			t.Errorf("%s: %d winners", name, winners)
		}
	}
	head := f.head()
	race("createCommitOnBranch", func(i int) bool {
		r := f.graphql(token, commitMutation, commitInput(head, map[string]string{"race": fmt.Sprint(i)}))
		typ, _ := firstError(r)
		if typ != "" && typ != "STALE_DATA" {
			t.Errorf("%s", r.body)
		}
		return typ == ""
	})
	if log, err := f.Log(repoName, "main", 0); err != nil || len(log) != 2 {
		t.Errorf("%d commits, %v", len(log), err)
	}
	race("create reference", func(int) bool {
		return f.do("POST", "/repos/acme/fabric/git/refs", token, map[string]any{"ref": "refs/heads/raced", "sha": head}).status == 201
	})
	now := f.head()
	race("updateRefs", func(int) bool {
		r := f.graphql(token, `mutation($input: UpdateRefsInput!){updateRefs(input:$input){clientMutationId}}`, map[string]any{"input": map[string]any{"repositoryId": repoID,
			"refUpdates": []any{map[string]any{"name": "refs/heads/raced", "beforeOid": head, "afterOid": now}}}})
		typ, _ := firstError(r)
		return typ == ""
	})
}

func TestUpdateRefsIsAllOrNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	first := f.head()
	second, err := f.PutFile(repoName, "main", "alice", "x", "1")
	if err != nil {
		t.Fatal(err)
	}
	repoID := f.graphql(token, `{repository(owner:"acme",name:"fabric"){id}}`, nil).json["data"].(map[string]any)["repository"].(map[string]any)["id"]
	update := func(updates ...any) string {
		r := f.graphql(token, `mutation($input: UpdateRefsInput!){updateRefs(input:$input){clientMutationId}}`, map[string]any{"input": map[string]any{"repositoryId": repoID, "refUpdates": updates}})
		_, msg := firstError(r)
		return msg
	}
	if msg := update(map[string]any{"name": "refs/heads/a", "beforeOid": zeroOID, "afterOid": first}, map[string]any{"name": "refs/heads/main", "beforeOid": first, "afterOid": second}); msg == "" {
		t.Error("a wrong beforeOid is accepted")
	}
	if _, err := f.Head(repoName, "a"); err == nil {
		t.Error("half of a refused update was made")
	}
	// A head that was moved back: force false accepts it by REST, beforeOid does not.
	if err := f.MoveBranch(repoName, "main", "alice", first); err != nil {
		t.Fatal(err)
	}
	if msg := update(map[string]any{"name": "refs/heads/main", "beforeOid": second, "afterOid": second}); msg == "" {
		t.Error("beforeOid is not compared with the head")
	}
	if msg := update(map[string]any{"name": "refs/heads/main", "beforeOid": first, "afterOid": second}, map[string]any{"name": "refs/heads/a", "beforeOid": zeroOID, "afterOid": first}); msg != "" {
		t.Errorf("refused: %s", msg)
	}
	if msg := update(map[string]any{"name": "refs/heads/a", "beforeOid": first, "afterOid": zeroOID}); msg != "" {
		t.Errorf("delete refused: %s", msg)
	}
	if _, err := f.Head(repoName, "a"); err == nil {
		t.Error("not deleted")
	}
}

func TestStaleReads(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	read := func() string {
		r := f.do("GET", "/repos/acme/fabric/git/ref/heads/main", token, nil)
		return r.json["object"].(map[string]any)["sha"].(string)
	}
	first := f.head()
	f.SetKnobs(Knobs{StaleReads: 2})
	second, err := f.PutFile(repoName, "main", "alice", "x", "1")
	if err != nil {
		t.Fatal(err)
	}
	// Writes see the true head, also while reads do not.
	if typ, _ := firstError(f.graphql(token, commitMutation, commitInput(first, map[string]string{"z": "z"}))); typ != "STALE_DATA" {
		t.Errorf("a write trusts the stale head: %s", typ)
	}
	if a, b, c := read(), read(), read(); a != first || b != first || c != second {
		t.Errorf("reads %s %s %s; first %s second %s", a, b, c, first, second)
	}
	f.SetKnobs(Knobs{StaleFor: 30e9})
	third, err := f.PutFile(repoName, "main", "alice", "x", "2")
	if err != nil {
		t.Fatal(err)
	}
	r := f.graphql(token, `{repository(owner:"acme",name:"fabric"){ref(qualifiedName:"main"){target{oid}}}}`, nil)
	if !strings.Contains(string(r.body), second) {
		t.Errorf("GraphQL reads %s", r.body)
	}
	f.clock.advance(30e9)
	if got := read(); got != third {
		t.Errorf("after the time reads %s", got)
	}
}

func TestProtectedBranch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	head := f.head()
	for _, ruleset := range []bool{false, true} {
		wantType := map[bool]string{false: "BRANCH_PROTECTION_RULE_VIOLATION", true: "UNPROCESSABLE"}[ruleset]
		if err := f.Protect(repoName, "main", true, ruleset); err != nil {
			t.Fatal(err)
		}
		typ, msg := firstError(f.graphql(token, commitMutation, commitInput(head, map[string]string{"x": "y"})))
		if typ != wantType || !strings.Contains(msg, "Changes must be made through a pull request.") {
			t.Errorf("ruleset %v: %s %q", ruleset, typ, msg)
		}
		if r := f.do("PATCH", "/repos/acme/fabric/git/refs/heads/main", token, map[string]any{"sha": head, "force": true}); r.status != 422 {
			t.Errorf("ruleset %v: PATCH %d", ruleset, r.status)
		}
		if r := f.do("PUT", "/repos/acme/fabric/contents/n", token, map[string]any{"message": "m", "content": ""}); r.status != 409 {
			t.Errorf("ruleset %v: PUT contents %d", ruleset, r.status)
		}
	}
	rules := f.do("GET", "/repos/acme/fabric/rules/branches/main", token, nil)
	if !strings.Contains(string(rules.body), `"pull_request"`) {
		t.Errorf("rules %s", rules.body)
	}
	// Another branch and a pull request are the way.
	if err := f.MoveBranch(repoName, "hnp-sync/f", "alice", head); err != nil {
		t.Fatal(err)
	}
	in := commitInput(head, map[string]string{"x": "y"})
	in["input"].(map[string]any)["branch"].(map[string]any)["branchName"] = "hnp-sync/f"
	if _, msg := firstError(f.graphql(token, commitMutation, in)); msg != "" {
		t.Fatal(msg)
	}
	repoID := f.graphql(token, `{repository(owner:"acme",name:"fabric"){id}}`, nil).json["data"].(map[string]any)["repository"].(map[string]any)["id"]
	r := f.graphql(token, `mutation($in: CreatePullRequestInput!){createPullRequest(input:$in){pullRequest{number url state mergeable headRefOid author{login}}}}`,
		map[string]any{"in": map[string]any{"repositoryId": repoID, "baseRefName": "main", "headRefName": "hnp-sync/f", "title": "Sync"}})
	if _, msg := firstError(r); msg != "" {
		t.Fatal(msg)
	}
	if r := f.do("PUT", "/repos/acme/fabric/pulls/1/merge", token, map[string]any{}); r.status != 200 {
		t.Errorf("merge into a protected branch: %d %s", r.status, r.body)
	}
	if got, err := f.ReadFile(repoName, "main", "x"); err != nil || got != "y" {
		t.Errorf("%q %v", got, err)
	}
}

func TestRenamedRepositoryRedirects(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	h := f.hook()
	token := f.token(nil)
	id := f.RepositoryID(repoName)
	if err := f.Rename(repoName, "acme/renamed"); err != nil {
		t.Fatal(err)
	}
	r := f.do("GET", "/api/v3/repos/acme/fabric/git/ref/heads/main?x=1", token, nil)
	want := f.URL() + "/api/v3/repositories/" + itoa(id) + "/git/ref/heads/main?x=1"
	if r.status != 301 || r.header.Get("Location") != want || r.json["url"] != want || r.message() != "Moved Permanently" {
		t.Errorf("GET: %d %s %s", r.status, r.header.Get("Location"), r.body)
	}
	r = f.do("PATCH", "/repos/acme/fabric/git/refs/heads/main", token, map[string]any{"sha": strings.Repeat("1", 40)})
	if r.status != 307 || r.message() != "Temporary Redirect" {
		t.Errorf("PATCH: %d %s", r.status, r.body)
	}
	if r := f.do("GET", "/repositories/"+itoa(id), token, nil); r.json["full_name"] != "acme/renamed" {
		t.Errorf("by id: %s", r.body)
	}
	// Git and GraphQL follow the old name.
	f.clone(userToken)
	if r := f.graphql(token, `{repository(owner:"acme",name:"fabric"){nameWithOwner}}`, nil); !strings.Contains(string(r.body), "acme/renamed") {
		t.Errorf("GraphQL: %s", r.body)
	}
	if r := f.do("GET", "/repos/acme/fabric", "ghp_eve", nil); r.status != 404 {
		t.Errorf("a redirect tells a stranger of a private repository: %d", r.status)
	}
	f.settle()
	if e := h.of("repository"); len(e) != 1 || e[0].payload["action"] != "renamed" {
		t.Errorf("events %v", e)
	}
	// A new repository takes the name over.
	if err := f.CreateRepository(SeedRepo{Owner: "acme", Name: "fabric", AutoInit: true}); err != nil {
		t.Fatal(err)
	}
	if r := f.do("GET", "/repos/acme/fabric", token, nil); r.status != 200 || r.json["id"] == float64(id) {
		t.Errorf("new repository: %d", r.status)
	}
}
