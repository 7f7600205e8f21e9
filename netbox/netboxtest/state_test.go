package netboxtest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/netbox/netboxtest"
)

// kill copies a data directory as a killed process leaves it: whatever was
// written, without the snapshot that Close makes.
func kill(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{"snapshot.json", "journal.jsonl"} {
		src, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), src, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func TestStateSurvivesRestart(t *testing.T) {
	t.Parallel()
	for name, reopen := range map[string]func(t *testing.T, s *server, dir string) string{
		"closed": func(t *testing.T, s *server, dir string) string {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return dir
		},
		"killed": func(t *testing.T, _ *server, dir string) string { return kill(t, dir) },
		"killed while writing": func(t *testing.T, _ *server, dir string) string {
			dir = kill(t, dir)
			f, err := os.OpenFile(filepath.Join(dir, "journal.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(`{"n":99,"rows":[{"model":"netbox_hedgeh`); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			return dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := start(t, netboxtest.Options{Dir: dir})
			addCustomFields(t, s)
			s.do("POST", vpcs+omit, `{"fabric":1,"name":"a","spec":{"v":-0.0,"s":"ü"},"labels":{"l":"1"},"last_synced":"2026-01-01T00:00:00Z","tags":[{"slug":"human"}],"custom_fields":{"hh_conflict_status":"detected"},"changelog_message":"m"}`).want(t, 201)
			s.do("POST", vpcs+omit, `{"fabric":1,"name":"a","spec":{"v":1}}`).want(t, 500) // consumes id 2
			s.do("POST", vpcs+omit, `[{"fabric":1,"name":"b","spec":"{}"},{"fabric":2,"name":"c","spec":[1]}]`).want(t, 201)
			s.do("DELETE", vpcs+"4/", "").want(t, 204)
			s.do("POST", "/api/extras/journal-entries/", `{"assigned_object_type":"netbox_hedgehog.vpc","assigned_object_id":1,"comments":"hi"}`).want(t, 201)
			newReceiver(t).subscribe(s, `["netbox_hedgehog.server"]`, `{"attr":"name","value":"x"}`)
			reads := []string{vpcs + "?ordering=id", vpcs + "1/", feed + "?ordering=id", "/api/extras/webhooks/", "/api/extras/event-rules/", "/api/extras/tags/",
				"/api/extras/custom-fields/", "/api/extras/journal-entries/", "/api/plugins/hedgehog/fabrics/?omit=display_url", "/api/authentication-check/"}
			var before []string
			for _, path := range reads {
				before = append(before, strings.ReplaceAll(s.do("GET", path, "").want(t, 200).body, s.url, ""))
			}
			dir = reopen(t, s, dir)
			// The seed of the second start is ignored.
			again := start(t, netboxtest.Options{Dir: dir, Seed: &netboxtest.Seed{Tokens: map[string]netboxtest.SeedToken{"nbt_other.x": {Username: "other"}}}})
			for i, path := range reads {
				if got := strings.ReplaceAll(again.do("GET", path, "").want(t, 200).body, again.url, ""); got != before[i] {
					t.Errorf("GET %s\n%s\nbefore\n%s", path, got, before[i])
				}
			}
			a := again.do("POST", vpcs+omit, vpc("d")).want(t, 201)
			if id := fmt.Sprint(a.json(t)["id"]); id != "5" {
				t.Errorf("the sequence went back: id %s", id)
			}
			if o := again.Objects("VPC"); o[len(o)-1].LastUpdated <= o[0].LastUpdated {
				t.Error("time went back")
			}
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
			third := start(t, netboxtest.Options{Dir: dir})
			if len(third.Objects("VPC")) != 3 {
				t.Errorf("%d objects", len(third.Objects("VPC")))
			}
		})
	}
}

func TestWaitingWebhooksSurviveRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	never := func(time.Duration) <-chan time.Time { return make(chan time.Time) }
	s := start(t, netboxtest.Options{Dir: dir, After: never})
	hooks := newReceiver(t)
	hooks.subscribe(s, `["netbox_hedgehog.vpc"]`, "null")
	if _, err := s.AddFault(netboxtest.Fault{Route: "POST " + vpcs, Action: "webhook_delay", DelayMS: 1000}); err != nil {
		t.Fatal(err)
	}
	s.do("POST", vpcs, vpc("a")).want(t, 201)
	again := start(t, netboxtest.Options{Dir: kill(t, dir)})
	hooks.wait(again)
	if got := hooks.take(); len(got) != 1 {
		t.Errorf("%d webhooks", len(got))
	}
}

func TestRestoreFromBackup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, netboxtest.Options{Dir: dir})
	s.do("POST", vpcs, vpc("a")).want(t, 201)
	backup := s.Snapshot()
	old := s.Objects("VPC")[0]
	s.do("PATCH", vpcs+"1/", `{"labels":{"x":"1"}}`).want(t, 200)
	s.do("POST", vpcs, vpc("b")).want(t, 201)
	if err := s.Restore(backup); err != nil {
		t.Fatal(err)
	}
	check := func(s *server) {
		t.Helper()
		got := s.Objects("VPC")
		if len(got) != 1 || got[0].ETag != old.ETag {
			t.Errorf("%+v", got)
		}
		if rows := results(t, s.do("GET", feed+"?x=1"+narrow, "")); len(rows) != 1 {
			t.Errorf("%d change rows", len(rows))
		}
	}
	check(s)
	check(start(t, netboxtest.Options{Dir: kill(t, dir)}))
	// The sequence went back with the database, so an id comes a second time.
	if id := fmt.Sprint(s.do("POST", vpcs, vpc("c")).want(t, 201).json(t)["id"]); id != "2" {
		t.Errorf("id %s", id)
	}
	if err := s.Restore([]byte("{}")); err == nil {
		t.Error("restored nonsense")
	}
}

func TestJournalIsCompacted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, netboxtest.Options{Dir: dir})
	big := strings.Repeat("x", 700<<10)
	s.do("POST", vpcs, `{"fabric":1,"name":"a","spec":{"x":1}}`).want(t, 201)
	for i := range 5 {
		s.do("PATCH", vpcs+"1/", fmt.Sprintf(`{"spec":{"n":%d,"x":"%s"}}`, i, big)).want(t, 200)
	}
	info, err := os.Stat(filepath.Join(dir, "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 9<<20 {
		t.Errorf("journal holds %d bytes", info.Size())
	}
	again := start(t, netboxtest.Options{Dir: kill(t, dir)})
	if !strings.Contains(fmt.Sprint(again.Objects("VPC")[0].Spec), "n:4") {
		t.Error("lost an update")
	}
}

func TestSeed(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		`{"tokens":{"t":{"username":"u"}},"backend":"custom-objects"}`: "custom-objects is not modelled yet",
		`{"tokens":{"t":{"username":"u"}},"backend":"x"}`:              "unknown",
		`{"tokens":{"t":{"username":"u"}},"version":"5.0"}`:            "not modelled",
		`{"tokens":{}}`:       "at least one",
		`{"tokens":{"t":{}}}`: "username",
		`{"tokens":{"t":{"username":"u","permissions":[{"object_types":["x.y"],"actions":["view"]}]}}}`:           "unknown object type",
		`{"tokens":{"t":{"username":"u"}},"fabrics":[{"id":1,"name":"a"},{"id":1,"name":"b"}]}`:                   "taken",
		`{"tokens":{"t":{"username":"u"}},"fabrics":[{"id":1,"name":"a"},{"name":"a"}]}`:                          "already exists",
		`{"tokens":{"t":{"username":"u"}},"faults":[{"action":"explode"}]}`:                                       "unknown action",
		"tokens: {t: {username: u}}\nnonsense: 1":                                                                 "nonsense",
		"tokens: {t: {username: u}}\nfabrics: [{id: 3, name: f}, {name: g}]\nversion: 4.6.8\nbackend: hedgehog\n": "",
	} {
		seed, err := netboxtest.ParseSeed([]byte(src))
		if err == nil {
			var s *netboxtest.Server
			if s, err = netboxtest.New(netboxtest.Options{Seed: seed}); err == nil {
				if f := s.Objects("HedgehogFabric"); len(f) != 2 || f[1].ID != 4 {
					t.Errorf("%s: fabrics %+v", src, f)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", src, err, want)
		}
	}
}

func TestPagesEscape(t *testing.T) {
	t.Parallel()
	s := start(t, netboxtest.Options{})
	s.do("POST", vpcs, `{"fabric":1,"name":"a","spec":{"x":"<script>alert(1)</script>"},"labels":{"l":"<b>"}}`).want(t, 201)
	for _, path := range []string{"/plugins/hedgehog/vpcs/", "/plugins/hedgehog/vpcs/1/"} {
		if a := s.do("GET", path, "").want(t, 200); strings.Contains(a.body, "<script>") || !strings.Contains(a.body, "&lt;script&gt;") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	s.do("GET", "/", "").want(t, 200)
	s.do("GET", "/plugins/hedgehog/nope/", "").want(t, 404)
	s.do("GET", "/plugins/hedgehog/vpcs/9/", "").want(t, 404)
	s.do("POST", "/", "").want(t, 405)
	if st := s.Stats(); st.Total != 1 || st.Other["GET (page)"] != 5 {
		t.Errorf("%+v", st)
	}
}
