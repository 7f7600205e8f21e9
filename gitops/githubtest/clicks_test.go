package githubtest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// run makes a check run and returns its id.
func (f *fixture) run(token string, in map[string]any) int64 {
	f.t.Helper()
	r := f.do("POST", "/repos/acme/fabric/check-runs", token, in)
	if r.status != 201 {
		f.t.Fatalf("%d %s", r.status, r.body)
	}
	return int64(r.json["id"].(float64))
}

func TestClicks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	h := f.hook()
	token := f.token(nil)
	id := f.run(token, map[string]any{"name": "conflicts", "head_sha": f.head(), "external_id": "job-7", "actions": []any{map[string]any{"label": "Keep Git", "description": "d", "identifier": "git"}}})
	click := func(in map[string]any) int { return f.do("POST", "/_click", "", in).status }
	if err := f.SetPermission(repoName, "eve", "read"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		in     map[string]any
		status int
	}{
		"action":          {map[string]any{"check_run_id": id, "identifier": "git", "login": "alice"}, 204},
		"unknown action":  {map[string]any{"check_run_id": id, "identifier": "netbox", "login": "alice"}, 422},
		"unknown run":     {map[string]any{"check_run_id": 1, "identifier": "git", "login": "alice"}, 422},
		"unknown person":  {map[string]any{"check_run_id": id, "identifier": "git", "login": "nobody"}, 422},
		"unknown suite":   {map[string]any{"check_suite_id": 1, "login": "alice"}, 422},
		"unknown members": {map[string]any{"check_run": id}, 422},
	} {
		if got := click(c.in); got != c.status {
			t.Errorf("%s: %d", name, got)
		}
	}
	f.settle()
	suite := int64(h.of("check_run")[0].payload["check_run"].(map[string]any)["check_suite"].(map[string]any)["id"].(float64))
	// A reader may press; who it was is in the event.
	if err := f.ClickAction(id, "git", "eve"); err != nil {
		t.Error(err)
	}
	if err := f.ClickRerun(id, "alice"); err != nil {
		t.Error(err)
	}
	if err := f.ClickRerunSuite(suite, "alice"); err != nil {
		t.Error(err)
	}
	if got := f.actions(h, "check_run"); got != "created requested_action requested_action rerequested" {
		t.Errorf("check_run events %s", got)
	}
	if got := f.actions(h, "check_suite"); got != "rerequested" {
		t.Errorf("check_suite events %s", got)
	}
	pressed := h.of("check_run")[2].payload
	if pressed["requested_action"].(map[string]any)["identifier"] != "git" || pressed["sender"].(map[string]any)["login"] != "eve" || pressed["check_run"].(map[string]any)["external_id"] != "job-7" {
		t.Errorf("%v", pressed)
	}
	if err := f.DeleteCheckRun(id); err != nil {
		t.Fatal(err)
	}
	if err := f.ClickAction(id, "git", "alice"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the button of a deleted run: %v", err)
	}
	if r := f.do("GET", fmt.Sprintf("/repos/acme/fabric/check-runs/%d", id), token, nil); r.status != 404 {
		t.Errorf("a deleted run: %d", r.status)
	}
}

func TestOldRuns(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	h := f.hook()
	f.SetKnobs(Knobs{RunLimit: 2})
	token := f.token(nil)
	var ids []int64
	for range 3 {
		ids = append(ids, f.run(token, map[string]any{"name": "plan", "head_sha": f.head()}))
	}
	statusOf := func(id int64) string {
		r := f.do("GET", fmt.Sprintf("/repos/acme/fabric/check-runs/%d", id), f.token(nil), nil)
		return fmt.Sprint(r.status, r.json["status"], r.json["conclusion"])
	}
	if first, last := statusOf(ids[0]), statusOf(ids[2]); !strings.HasPrefix(first, "404") || last != "200queued<nil>" && last != "200 queued <nil>" {
		t.Errorf("%s, %s", first, last)
	}
	f.do("PATCH", fmt.Sprintf("/repos/acme/fabric/check-runs/%d", ids[1]), token, map[string]any{"conclusion": "success"})
	if got := f.actions(h, "check_suite"); got != "" {
		t.Errorf("the suite ended with a run open: %s", got)
	}
	f.do("PATCH", fmt.Sprintf("/repos/acme/fabric/check-runs/%d", ids[2]), token, map[string]any{"conclusion": "failure"})
	if got := f.actions(h, "check_suite"); got != "completed" {
		t.Errorf("suite events %s", got)
	}
	id := f.run(token, map[string]any{"name": "slow", "head_sha": f.head()})
	f.clock.advance(15 * 24 * time.Hour)
	if got := statusOf(id); !strings.Contains(got, "stale") {
		t.Errorf("after 15 days %s", got)
	}
}

func TestDeliveryLogIsBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.SetKnobs(Knobs{DeliveryLimit: 3})
	h := f.hook()
	for n := range 5 {
		f.push(fmt.Sprint(n))
		f.settle()
	}
	if n := len(f.Deliveries()); n != 3 {
		t.Errorf("%d attempts are kept", n)
	}
	if len(h.of("push")) != 5 {
		t.Errorf("%d pushes", len(h.of("push")))
	}
	f.clock.advance(72 * time.Hour)
	f.push("later")
	f.settle()
	list := f.Deliveries()
	if len(list) == 0 || len(list) > 2 {
		t.Errorf("after three days %d attempts are kept", len(list))
	}
	// An attempt that finds nobody is in the log, and can be made again.
	f.SetKnobs(Knobs{})
	f.fault(map[string]any{"route": "push", "action": "webhook_fail"})
	before := len(h.of("push"))
	f.push("lost")
	f.settle()
	var lost Delivery
	for _, d := range f.Deliveries() {
		if d.StatusCode == 0 {
			lost = d
		}
	}
	if lost.Event != "push" || len(h.of("push")) != before {
		t.Fatalf("lost %+v, %d pushes", lost, len(h.of("push")))
	}
	detail := f.do("GET", fmt.Sprintf("/app/hook/deliveries/%d", lost.ID), f.jwt(0, time.Minute), nil)
	if detail.json["status"] == "OK" || detail.json["status_code"] != 0.0 {
		t.Errorf("%s", detail.body)
	}
	if r := f.do("POST", fmt.Sprintf("/app/hook/deliveries/%d/attempts", lost.ID), f.jwt(0, time.Minute), nil); r.status != 202 {
		t.Errorf("redelivery %d", r.status)
	}
	f.settle()
	got := h.of("push")
	if len(got) != before+1 || got[before].guid != lost.GUID {
		t.Errorf("redelivered %v", got[before:])
	}
}

func TestRepositoryLife(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	h := f.hook()
	token := f.token(nil)
	f.topic("topic", "x", "1")
	f.pull(token, "topic")
	id := f.RepositoryID(repoName)
	steps := []struct {
		name string
		do   func() error
	}{
		{"default branch", func() error { return f.EditRepository(repoName, "alice", false, "topic") }},
		{"rename branch", func() error { return f.RenameBranch(repoName, "alice", "topic", "trunk") }},
		{"archive", func() error { return f.EditRepository(repoName, "alice", true, "") }},
		{"unarchive", func() error { return f.EditRepository(repoName, "alice", false, "") }},
		{"rename", func() error { return f.Rename(repoName, "acme/renamed") }},
		{"create", func() error { return f.CreateRepository(SeedRepo{Owner: "acme", Name: "fresh", AutoInit: true}) }},
		{"transfer away", func() error { return f.Rename("acme/renamed", "alice/renamed") }},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
	}
	if got := f.actions(h, "repository"); got != "edited edited archived unarchived renamed created" {
		t.Errorf("repository events %s", got)
	}
	from := func(n int) any {
		return h.of("repository")[n].payload["changes"].(map[string]any)["default_branch"].(map[string]any)["from"]
	}
	if from(0) != "main" || from(1) != "topic" {
		t.Errorf("default branches %v %v", from(0), from(1))
	}
	removed := h.of("installation_repositories")
	if len(removed) != 1 || removed[0].payload["action"] != "removed" || removed[0].payload["repositories_removed"].([]any)[0].(map[string]any)["id"] != float64(id) {
		t.Errorf("installation_repositories %v", removed)
	}
	if r := f.do("GET", "/repositories/"+fmt.Sprint(id), token, nil); r.status != 404 {
		t.Errorf("the App still reaches it: %d", r.status)
	}
	if err := f.Rename("alice/renamed", "acme/back"); err != nil {
		t.Fatal(err)
	}
	if p := f.do("GET", "/repos/acme/back/pulls/1", token, nil); p.status != 200 || p.json["head"].(map[string]any)["ref"] != "trunk" {
		t.Errorf("%d %s", p.status, p.body)
	}
	if err := f.DeleteRepository("acme/back", "eve"); err == nil {
		t.Error("a stranger deletes a repository")
	}
	if err := f.DeleteRepository("acme/back", "alice"); err != nil {
		t.Fatal(err)
	}
	if got := f.actions(h, "repository"); !strings.HasSuffix(got, "created transferred deleted") {
		t.Errorf("repository events %s", got)
	}
	if r := f.do("GET", "/repos/acme/back", token, nil); r.status != 404 {
		t.Errorf("after the deletion %d", r.status)
	}
}

func TestCapsOfPullRequests(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	f.topic("many", "counter")
	for n := range 252 {
		if _, err := f.PutFile(repoName, "many", "alice", "counter", fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]*string{}
	for n := range 3010 {
		text := fmt.Sprintf("file %d\n", n)
		files[fmt.Sprintf("many/%04d", n)] = &text
	}
	f.topic("wide", "counter")
	if _, err := f.CommitFiles(repoName, "wide", "alice", "many files", files); err != nil {
		t.Fatal(err)
	}
	many, wide := f.pull(token, "many"), f.pull(token, "wide")
	for path, c := range map[string]struct {
		page, want int
		member     string
	}{fmt.Sprintf("/repos/acme/fabric/pulls/%d/commits", many): {3, 50, `"comments_url"`}, fmt.Sprintf("/repos/acme/fabric/pulls/%d/files", wide): {30, 100, `"contents_url"`}} {
		r := f.do("GET", fmt.Sprintf("%s?per_page=100&page=%d", path, c.page), token, nil)
		if n := strings.Count(string(r.body), c.member); n != c.want || strings.Contains(r.header.Get("Link"), `rel="next"`) {
			t.Errorf("%s: %d on the last page, links %s", path, n, r.header.Get("Link"))
		}
	}
	p := f.do("GET", fmt.Sprintf("/repos/acme/fabric/pulls/%d", many), token, nil)
	if p.json["commits"] != 252.0 {
		t.Errorf("%v commits", p.json["commits"])
	}
}

func TestReadsThatFindNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	r := f.graphql(token, `{ repository(owner: "acme", name: "fabric") { ref(qualifiedName: "refs/heads/main") { target { ... on Commit { yes: file(path: "a/one.yaml") { oid } no: file(path: "a/none.yaml") { oid } } } } } }`, nil)
	typ, message := firstError(r)
	if typ != "NOT_FOUND" || message != "Could not resolve file for path 'a/none.yaml'." || !strings.Contains(string(r.body), `"no":null`) || strings.Contains(string(r.body), `"yes":null`) {
		t.Errorf("%s", r.body)
	}
	f.SetKnobs(Knobs{TreeLimit: 1})
	for _, query := range []string{"", "?recursive=1"} {
		tree := f.do("GET", "/repos/acme/fabric/git/trees/main"+query, token, nil)
		if tree.json["truncated"] != true || len(tree.json["tree"].([]any)) != 1 {
			t.Errorf("%q: %s", query, tree.body)
		}
	}
}

func TestJournalIsRewritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := New(Options{Dir: dir, Clock: newFakeClock(), Seed: testSeed()})
	if err != nil {
		t.Fatal(err)
	}
	s.journal.limit = 50_000
	for n := range 100 {
		if err := s.SetWebhook("hnp-sync", "http://127.0.0.1:1/"+strings.Repeat("x", 1000), fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
	if s.journal.size > 50_000 {
		t.Errorf("%d bytes appended", s.journal.size)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = New(Options{Dir: dir, Clock: newFakeClock()}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	app, err := s.app("hnp-sync")
	if err != nil || app.WebhookSecret != "99" {
		t.Errorf("%+v %v", app, err)
	}
}
