package githubtest

import (
	"strings"
	"testing"
	"time"
)

func (f *fixture) push(content string) {
	f.t.Helper()
	if _, err := f.PutFile(repoName, "main", "alice", "x", content); err != nil {
		f.t.Fatal(err)
	}
}

func TestWebhookFaults(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	h := f.hook()
	f.fault(map[string]any{"route": "push", "action": "webhook_drop"})
	f.push("dropped")
	f.settle()
	if n := len(h.of("push")); n != 0 {
		t.Errorf("%d pushes arrived of the dropped one", n)
	}
	f.fault(map[string]any{"route": "push", "user": "alice", "action": "webhook_duplicate", "count": 3})
	f.push("tripled")
	f.settle()
	got := h.of("push")
	if len(got) != 3 || got[0].guid != got[1].guid || got[1].guid != got[2].guid {
		t.Errorf("%d deliveries of the tripled one: %v", len(got), got)
	}
	// The delayed one arrives after the next.
	f.fault(map[string]any{"route": "push", "action": "webhook_delay", "delay_ms": 30000})
	f.push("late")
	late := f.head()
	f.push("early")
	early := f.head()
	f.clock.waitTimer(t)
	f.waitEvents(h, "push", 4)
	f.clock.advance(30 * time.Second)
	f.settle()
	got = h.of("push")
	if len(got) != 5 || got[3].payload["after"] != early || got[4].payload["after"] != late {
		t.Errorf("order of %d deliveries", len(got))
	}
	f.SetKnobs(Knobs{BadSecret: true})
	f.push("forged")
	f.settle()
	if h.bad == 0 {
		t.Error("the signature with the bad secret is right")
	}
}

func TestDeliveryLogAndRedelivery(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	h := f.hook()
	h.status = 503
	f.push("1")
	f.settle()
	jwt := f.jwt(0, 5*time.Minute)
	list := f.do("GET", "/app/hook/deliveries?per_page=1", jwt, nil)
	if list.status != 200 || !strings.Contains(list.header.Get("Link"), `rel="next"`) {
		t.Fatalf("%d %v", list.status, list.header)
	}
	next := strings.TrimSuffix(strings.TrimPrefix(strings.Split(list.header.Get("Link"), ">")[0], "<"), ">")
	second := f.do("GET", strings.TrimPrefix(next, f.URL()), jwt, nil)
	if string(second.body) == string(list.body) || second.status != 200 {
		t.Errorf("the cursor does not move: %s", second.body)
	}
	var failed Delivery
	for _, d := range f.Deliveries() {
		if d.Event == "push" {
			failed = d
		}
	}
	if failed.StatusCode != 503 {
		t.Fatalf("delivery %+v", failed)
	}
	h.mu.Lock()
	h.status = 202
	h.mu.Unlock()
	if r := f.do("POST", "/app/hook/deliveries/"+itoa(failed.ID)+"/attempts", jwt, nil); r.status != 202 {
		t.Fatalf("redeliver: %d %s", r.status, r.body)
	}
	f.settle()
	pushes := h.of("push")
	if len(pushes) != 2 || pushes[0].guid != pushes[1].guid {
		t.Errorf("redelivered %v", pushes)
	}
	all := f.Deliveries()
	last := all[len(all)-1]
	if !last.Redelivery || last.GUID != failed.GUID || last.ID == failed.ID || last.StatusCode != 202 {
		t.Errorf("log %+v", last)
	}
	for status, want := range map[string]int{"failure": 2, "success": 1} {
		if r := f.do("GET", "/app/hook/deliveries?status="+status, jwt, nil); strings.Count(string(r.body), `"guid"`) != want {
			t.Errorf("%s: %s", status, r.body)
		}
	}
	detail := f.do("GET", "/app/hook/deliveries/"+itoa(last.ID), jwt, nil)
	if detail.json["status"] != "OK" || detail.json["request"].(map[string]any)["payload"].(map[string]any)["ref"] != "refs/heads/main" {
		t.Errorf("detail %s", detail.body)
	}
	f.clock.advance(73 * time.Hour)
	if r := f.do("GET", "/app/hook/deliveries", f.jwt(0, time.Minute), nil); string(r.body) != "[]" {
		t.Errorf("deliveries are kept longer than three days: %.200s", r.body)
	}
}

func TestInstallationEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	h := f.hook()
	if err := f.Ping("hnp-sync"); err != nil {
		t.Fatal(err)
	}
	if err := f.SelectRepositories(installID, []string{"acme/fabric", "acme/open"}); err != nil {
		t.Fatal(err)
	}
	if err := f.SelectRepositories(installID, []string{"acme/fabric", "acme/other"}); err != nil {
		t.Fatal(err)
	}
	for _, on := range []bool{true, false} {
		if err := f.Suspend(installID, on); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.SetPermissions("hnp-sync", map[string]string{"contents": "write"}); err != nil {
		t.Fatal(err)
	}
	if err := f.Uninstall(installID); err != nil {
		t.Fatal(err)
	}
	id, err := f.Install("hnp-sync", SeedInstallation{Account: "acme", Repositories: []string{"acme/fabric"}})
	if err != nil || id == installID {
		t.Fatalf("%d %v", id, err)
	}
	f.settle()
	var got []string
	h.mu.Lock()
	for _, e := range h.events {
		action, _ := e.payload["action"].(string)
		got = append(got, strings.TrimSuffix(e.event+"."+action, "."))
	}
	h.mu.Unlock()
	want := "ping installation_repositories.removed installation_repositories.added installation_repositories.removed installation.suspend installation.unsuspend installation.new_permissions_accepted installation.deleted installation.created"
	if strings.Join(got, " ") != want {
		t.Errorf("events %v", got)
	}
	// An event of a repository the installation does not reach is not sent.
	if _, err := f.PutFile("acme/other", "main", "alice", "x", "1"); err != nil {
		t.Fatal(err)
	}
	f.settle()
	if n := len(h.of("push")); n != 0 {
		t.Errorf("%d pushes from elsewhere", n)
	}
}

func TestAnUnsubscribedEventIsNotSent(t *testing.T) {
	t.Parallel()
	seed := testSeed()
	seed.GitHub.Apps[0].Events = []string{"check_run"}
	s, err := New(Options{Dir: t.TempDir(), Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f := &fixture{Server: s, t: t}
	h := f.hook()
	f.push("1")
	f.settle()
	// Only the request for checks, which goes to Apps that may write them.
	if len(h.events) != 1 || h.events[0].event != "check_suite" {
		t.Errorf("events %v", h.events)
	}
}
