package netboxtest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/netbox/netboxtest"
)

// manual is a clock for delays that only moves when told to.
type manual struct{ asked, fire chan time.Time }

func newManual() *manual {
	return &manual{asked: make(chan time.Time, 16), fire: make(chan time.Time)}
}

func (m *manual) After(time.Duration) <-chan time.Time {
	m.asked <- time.Time{}
	return m.fire
}

func (s *server) fault(body string) {
	s.t.Helper()
	s.do("POST", "/_faults", body).want(s.t, 201)
}

func TestFaultsBeforeAndAfterTheEffect(t *testing.T) {
	t.Parallel()
	for action, want := range map[string]struct {
		status, rows, hooks int // status 0: no answer
	}{
		"drop":         {0, 0, 0},
		"error_before": {503, 0, 0},
		"error_after":  {503, 1, 1},
		"reset_after":  {0, 1, 1},
	} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			s := start(t, netboxtest.Options{})
			hooks := newReceiver(t)
			hooks.subscribe(s, `["netbox_hedgehog.vpc"]`, "null")
			s.fault(`{"route":"POST ` + vpcs + `","action":"` + action + `","status":503,"headers":{"Retry-After":"1"},"body":"{\"x\":1}"}`)
			a, err := s.try("POST", vpcs+omit, vpc("a"))
			if (err != nil) != (want.status == 0) || a.status != want.status {
				t.Errorf("status %d, %v", a.status, err)
			}
			if want.status != 0 && (a.header.Get("Retry-After") != "1" || a.body != `{"x":1}`) {
				t.Errorf("answer %v %s", a.header, a.body)
			}
			hooks.wait(s)
			if got := len(hooks.take()); len(s.Objects("VPC")) != want.rows || got != want.hooks {
				t.Errorf("%d rows, %d webhooks", len(s.Objects("VPC")), got)
			}
			s.do("POST", vpcs+omit, vpc("b")).want(t, 201) // spent
			hooks.wait(s)
			if st := s.Stats(); st.Routes["POST "+vpcs] != 2 {
				t.Errorf("counted %v", st.Routes)
			}
		})
	}
}

func TestALateRequestTakesEffectWithoutItsClient(t *testing.T) {
	t.Parallel()
	m := newManual()
	s := start(t, netboxtest.Options{After: m.After})
	s.do("POST", vpcs, vpc("a")).want(t, 201)
	s.fault(`{"route":"PATCH ` + vpcs + `{id}/","action":"delay","delay_ms":60000}`)
	done := make(chan answer, 1)
	go func() {
		a, err := s.try("PATCH", vpcs+"1/", `{"labels":{"late":"1"}}`)
		if err != nil {
			t.Error(err)
		}
		done <- a
	}()
	<-m.asked
	s.do("PATCH", vpcs+"1/", `{"labels":{"first":"1"}}`).want(t, 200)
	m.fire <- time.Time{}
	(<-done).want(t, 200)
	if o := s.Objects("VPC")[0]; fmt.Sprint(o.Labels) != "map[late:1]" {
		t.Errorf("%v", o.Labels)
	}
}

func TestAWebhookCanOvertakeItsAnswer(t *testing.T) {
	t.Parallel()
	m := newManual()
	s := start(t, netboxtest.Options{After: m.After})
	hooks := newReceiver(t)
	hooks.subscribe(s, `["netbox_hedgehog.vpc"]`, "null")
	s.fault(`{"route":"POST ` + vpcs + `","action":"delay_after","delay_ms":1000}`)
	done := make(chan answer, 1)
	go func() {
		a, err := s.try("POST", vpcs, vpc("a"))
		if err != nil {
			t.Error(err)
		}
		done <- a
	}()
	<-m.asked
	hooks.wait(s)
	if len(hooks.take()) != 1 {
		t.Error("no webhook")
	}
	m.fire <- time.Time{}
	(<-done).want(t, 201)
}

func TestWebhookFaults(t *testing.T) {
	t.Parallel()
	m := newManual()
	s := start(t, netboxtest.Options{After: m.After})
	hooks := newReceiver(t)
	hooks.subscribe(s, `["netbox_hedgehog.vpc"]`, "null")
	s.fault(`{"route":"POST ` + vpcs + `","action":"webhook_drop"}`)
	s.do("POST", vpcs, vpc("dropped")).want(t, 201)
	hooks.wait(s)
	if got := len(hooks.take()); got != 0 {
		t.Errorf("drop: %d", got)
	}
	s.fault(`{"route":"POST ` + vpcs + `","action":"webhook_duplicate","count":3}`)
	s.do("POST", vpcs, vpc("thrice")).want(t, 201)
	hooks.wait(s)
	if got := hooks.take(); len(got) != 3 || got[0].body != got[2].body {
		t.Errorf("duplicate: %d", len(got))
	}
	s.fault(`{"route":"POST ` + vpcs + `","action":"webhook_delay","delay_ms":5000}`)
	s.do("POST", vpcs, vpc("late")).want(t, 201)
	<-m.asked
	s.do("POST", vpcs, vpc("soon")).want(t, 201)
	m.fire <- time.Time{}
	hooks.wait(s)
	got := hooks.take()
	if len(got) != 2 {
		t.Fatalf("delay: %d", len(got))
	}
	if both := got[0].body + got[1].body; !strings.Contains(both, `"soon"`) || !strings.Contains(both, `"late"`) {
		t.Errorf("delay: %v", got)
	}
}

func TestFaultSelection(t *testing.T) {
	t.Parallel()
	o := netboxtest.Options{Seed: adminSeed()}
	o.Seed.Tokens["nbt_OTHER.x"] = netboxtest.SeedToken{Username: "other"}
	s := start(t, o)
	list := vpcs + "?ordering=id"
	s.fault(`{"route":"GET ` + vpcs + `","user":"other","skip":1,"times":2,"action":"error_before","status":502}`)
	var got []int
	for range 4 {
		got = append(got, s.as("nbt_OTHER.x").do("GET", list, "").status)
	}
	if fmt.Sprint(got) != "[200 502 502 200]" {
		t.Errorf("other: %v", got)
	}
	s.do("GET", list, "").want(t, 200)
	var faults []netboxtest.Fault
	if err := json.Unmarshal([]byte(s.do("GET", "/_faults", "").want(t, 200).body), &faults); err != nil || len(faults) != 1 || faults[0].Hits != 2 {
		t.Errorf("%v %+v", err, faults)
	}
	s.do("DELETE", "/_faults/1", "").want(t, 204)
	s.do("DELETE", "/_faults/1", "").want(t, 404)
	s.fault(`{"action":"error_before"}`)
	s.do("DELETE", "/_faults", "").want(t, 204)
	s.do("GET", list, "").want(t, 200)
	for _, bad := range []string{`{"action":"explode"}`, `{"action":"drop","route":"nonsense"}`, `{"action":"drop","status":99}`, `{"action":"drop","delay_ms":-1}`, `{"action":"drop","count":-1}`, `{"action":"drop","unknown":1}`, `nonsense`} {
		s.do("POST", "/_faults", bad).want(t, 400)
	}
	if f := s.Faults(); len(f) != 0 {
		t.Errorf("%+v", f)
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	o := netboxtest.Options{Seed: adminSeed()}
	o.Seed.Tokens["nbt_OTHER.x"] = netboxtest.SeedToken{Username: "other"}
	s := start(t, o)
	s.do("POST", vpcs, vpc("a")).want(t, 201)
	s.do("PATCH", vpcs+"1/?omit=display_url", `{}`).want(t, 200)
	s.as("nbt_OTHER.x").do("PATCH", vpcs+"77/", `{}`).want(t, 404)
	s.as("").do("GET", vpcs, "").want(t, 403)
	var got netboxtest.Stats
	if err := json.Unmarshal([]byte(s.do("GET", "/_stats", "").want(t, 200).body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Total != 4 || got.Routes["PATCH /api/plugins/hedgehog/vpcs/{id}/"] != 2 || got.ByUser["admin"].Total != 2 ||
		got.ByUser["other"].Routes["PATCH /api/plugins/hedgehog/vpcs/{id}/"] != 1 || got.ByUser["anonymous"].Total != 1 || got.Other["GET /_stats"] != 1 {
		t.Errorf("%+v", got)
	}
	s.do("POST", "/_stats/reset", "").want(t, 200)
	if got := s.Stats(); got.Total != 0 || len(got.ByUser) != 0 {
		t.Errorf("%+v", got)
	}
	s.do("GET", "/_nothing", "").want(t, 404)
}
