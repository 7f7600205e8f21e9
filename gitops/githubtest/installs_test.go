package githubtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestInstallationLife(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	h := f.hook()
	token := f.token(nil)
	status := func() int { return f.do("GET", "/repos/acme/fabric", token, nil).status }
	mint := func(id int64) int {
		return f.do("POST", fmt.Sprintf("/app/installations/%d/access_tokens", id), f.jwt(0, time.Minute), nil).status
	}
	if err := f.Suspend(installID, true); err != nil {
		t.Fatal(err)
	}
	if status() != 403 || mint(installID) != 403 {
		t.Errorf("suspended: %d %d", status(), mint(installID))
	}
	f.push("unheard")
	f.settle()
	if n := len(h.of("push")); n != 0 {
		t.Errorf("%d pushes while suspended", n)
	}
	if err := f.Suspend(installID, false); err != nil {
		t.Fatal(err)
	}
	if status() != 200 {
		t.Errorf("unsuspended: %d", status())
	}
	if err := f.SelectRepositories(installID, []string{"acme/open"}); err != nil {
		t.Fatal(err)
	}
	if status() != 404 {
		t.Errorf("deselected: %d", status())
	}
	if err := f.SelectRepositories(installID, nil); err != nil {
		t.Fatal(err)
	}
	if err := f.Uninstall(installID); err != nil {
		t.Fatal(err)
	}
	if status() != 401 || mint(installID) != 404 {
		t.Errorf("deleted: %d %d", status(), mint(installID))
	}
	f.push("unheard too")
	id, err := f.Install("hnp-sync", SeedInstallation{Account: "acme"})
	if err != nil || id == installID {
		t.Fatal(id, err)
	}
	if mint(id) != 201 {
		t.Errorf("reinstalled: %d", mint(id))
	}
	if got := f.actions(h, "installation"); got != "suspend unsuspend deleted created" {
		t.Errorf("installation events %s", got)
	}
	if got := f.actions(h, "installation_repositories"); got != "removed added" {
		t.Errorf("installation_repositories events %s", got)
	}
	if n := len(h.of("push")); n != 0 {
		t.Errorf("%d pushes without an installation", n)
	}
	created := h.of("installation")[3].payload
	if created["installation"].(map[string]any)["id"] != float64(id) || len(created["repositories"].([]any)) != 4 {
		t.Errorf("created %v", created)
	}
}

// A conflict pull request is three mutations, which may be one document.
func TestBranchesInGraphQL(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	head := f.head()
	const branch = "refs/heads/hnp-sync/conflict/fabric-1/C12"
	r := f.graphql(token, `{ repository(owner: "acme", name: "fabric") { id } }`, nil)
	repo := r.json["data"].(map[string]any)["repository"].(map[string]any)["id"]
	r = f.graphql(token, `mutation($ref: CreateRefInput!, $commit: CreateCommitOnBranchInput!, $pull: CreatePullRequestInput!) {
		createRef(input: $ref) { ref { id name prefix } } createCommitOnBranch(input: $commit) { commit { oid } } createPullRequest(input: $pull) { pullRequest { number state headRefOid } } }`,
		map[string]any{"ref": map[string]any{"repositoryId": repo, "name": branch, "oid": head},
			"commit": map[string]any{"branch": map[string]any{"repositoryNameWithOwner": repoName, "branchName": "hnp-sync/conflict/fabric-1/C12"}, "expectedHeadOid": head,
				"message": map[string]any{"headline": "NetBox's value"}, "fileChanges": map[string]any{"additions": []any{map[string]any{"path": "a/one.yaml", "contents": "b25lOiAyCg=="}}}},
			"pull": map[string]any{"repositoryId": repo, "baseRefName": "main", "headRefName": "hnp-sync/conflict/fabric-1/C12", "title": "C12"}})
	var out struct {
		Data struct {
			CreateRef            struct{ Ref struct{ ID, Name string } }
			CreateCommitOnBranch struct{ Commit struct{ Oid string } }
			CreatePullRequest    struct {
				PullRequest struct {
					Number     int
					HeadRefOid string
				}
			}
		}
	}
	if err := json.Unmarshal(r.body, &out); err != nil || r.json["errors"] != nil {
		t.Fatalf("%v %s", err, r.body)
	}
	tip := out.Data.CreateCommitOnBranch.Commit.Oid
	if out.Data.CreatePullRequest.PullRequest.HeadRefOid != tip || tip == head || out.Data.CreateRef.Ref.Name != "hnp-sync/conflict/fabric-1/C12" {
		t.Errorf("%s", r.body)
	}
	move := func(before, after string, force bool) reply {
		return f.graphql(token, `mutation($input: UpdateRefsInput!) { updateRefs(input: $input) { clientMutationId } }`, map[string]any{"input": map[string]any{"repositoryId": repo,
			"refUpdates": []any{map[string]any{"name": branch, "beforeOid": before, "afterOid": after, "force": force}}}})
	}
	f.push("1")
	for name, r := range map[string]reply{"wrong before": move(head, f.head(), true), "no force": move(tip, f.head(), false)} {
		if _, message := firstError(r); message == "" {
			t.Errorf("%s: %s", name, r.body)
		}
	}
	// Rewritten onto the new base: another commit.
	other, err := f.PutFile(repoName, "scratch", "alice", "a/one.yaml", "one: 3\n")
	if err != nil {
		t.Fatal(err)
	}
	if r := move(tip, other, true); r.json["errors"] != nil {
		t.Errorf("%s", r.body)
	}
	if got, err := f.Head(repoName, "hnp-sync/conflict/fabric-1/C12"); err != nil || got != other {
		t.Errorf("%s %v", got, err)
	}
	if r := f.graphql(token, `mutation($input: DeleteRefInput!) { deleteRef(input: $input) { clientMutationId } }`, map[string]any{"input": map[string]any{"refId": out.Data.CreateRef.Ref.ID}}); r.json["errors"] != nil {
		t.Errorf("%s", r.body)
	}
	if r := f.do("GET", "/repos/acme/fabric/pulls/1", token, nil); r.json["state"] != "closed" || r.json["merged"] != false {
		t.Errorf("%s", r.body)
	}
}

func TestContentLimit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	f.SetKnobs(Knobs{ContentPerMinute: 2})
	comment := func() reply {
		return f.do("POST", "/repos/acme/fabric/issues", token, map[string]any{"title": "t"})
	}
	comment()
	f.clock.advance(20 * time.Second)
	comment()
	r := comment()
	if r.status != 403 || r.header.Get("Retry-After") != "40" || !strings.Contains(r.message(), "secondary rate limit") {
		t.Errorf("third: %d %v %s", r.status, r.header, r.body)
	}
	if m := f.graphql(token, commitMutation, commitInput(f.head(), map[string]string{"x": "y"})); m.status != 403 {
		t.Errorf("mutation: %d", m.status)
	}
	if r := f.do("GET", "/repos/acme/fabric", token, nil); r.status != 200 {
		t.Errorf("a read: %d", r.status)
	}
	f.clock.advance(40 * time.Second)
	if r := comment(); r.status != 201 {
		t.Errorf("after the wait: %d", r.status)
	}
}

func TestAnswersTellTheTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	f.SetKnobs(Knobs{ClockSkew: time.Hour})
	r := f.do("GET", "/rate_limit", "", nil)
	at, err := http.ParseTime(r.header.Get("Date"))
	if err != nil || !at.Equal(f.clock.Now().Add(time.Hour)) || r.header.Get("X-GitHub-Request-Id") == "" {
		t.Errorf("%v %v", r.header, err)
	}
	long := strings.Repeat("ä", 257)
	for path, in := range map[string]map[string]any{"/repos/acme/fabric/issues": {"title": long}, "/repos/acme/fabric/pulls": {"title": long, "head": "x", "base": "main"}} {
		if r := f.do("POST", path, token, in); r.status != 422 || !strings.Contains(string(r.body), "maximum is 256 characters") {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
}

func TestRenamedAccounts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	h := f.hook()
	token := f.token(nil)
	if err := f.SetTeam("acme", "network", "alice"); err != nil {
		t.Fatal(err)
	}
	for old, name := range map[string]string{"acme": "apex", "alice": "alicia"} {
		if err := f.RenameAccount(old, name); err != nil {
			t.Fatal(err)
		}
	}
	for _, taken := range []string{"eve", "a/b", ""} {
		if err := f.RenameAccount("apex", taken); err == nil {
			t.Errorf("renamed to %q", taken)
		}
	}
	if r := f.do("GET", "/repos/acme/fabric", token, nil); r.status != 301 {
		t.Errorf("the old address: %d", r.status)
	}
	if r := f.do("GET", "/repos/apex/fabric/collaborators/alicia/permission", token, nil); r.json["permission"] != "admin" {
		t.Errorf("%s", r.body)
	}
	if r := f.do("GET", "/user", userToken, nil); r.json["login"] != "alicia" {
		t.Errorf("%s", r.body)
	}
	if r := f.do("GET", "/orgs/apex/teams/network/memberships/alicia", userToken, nil); r.status != 200 {
		t.Errorf("team %d", r.status)
	}
	f.settle()
	got := h.of("installation_target")
	if len(got) != 1 || got[0].payload["changes"].(map[string]any)["login"].(map[string]any)["from"] != "acme" || got[0].payload["account"].(map[string]any)["login"] != "apex" {
		t.Errorf("%v", got)
	}
}
