package netboxtest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

type recordedHook struct {
	Headers map[string]string
	Body    string
}

func loadHook(t *testing.T, file string) recordedHook {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(contractDir, file))
	if err != nil {
		t.Fatal(err)
	}
	var h recordedHook
	if err := json.Unmarshal(src, &h); err != nil {
		t.Fatal(err)
	}
	return h
}

var uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// blur replaces what differs from run to run, so that bodies can be compared
// byte for byte: key order, spacing, escapes and number texts included.
func blur(body string) string {
	body = timestamp.ReplaceAllStringFunc(body, func(m string) string {
		if i := strings.IndexByte(m, '.'); i >= 0 {
			return "<time." + strings.Repeat("9", len(m)-i-1) + ">" // precision matters
		}
		return "<time>"
	})
	return uuid.ReplaceAllString(body, "<uuid>")
}

func compareHook(t *testing.T, name string, got hook, want recordedHook) {
	t.Helper()
	if g, w := blur(got.body), blur(want.Body); g != w {
		t.Errorf("%s: body\n%s\nrecorded\n%s", name, g, w)
	}
	for k, w := range want.Headers {
		g := got.header.Get(k)
		switch k {
		case "Host", "Content-Length", "X-Hook-Signature": // the receiver checked the signature
		case "X-NetBox-Request":
			if !uuid.MatchString(g) || !strings.Contains(got.body, `"id": "`+g+`"`) {
				t.Errorf("%s: header %s is %q", name, k, g)
			}
		default:
			if g != w {
				t.Errorf("%s: header %s is %q, recorded %q", name, k, g, w)
			}
		}
	}
}

// hookFiles names the webhook recorded for an exchange. Those of a bulk request
// come in the order of the request.
var hookFiles = map[string][]string{
	"events[0]": {"vpc-created"}, "events[1]": {"vpc-updated"}, "events[2]": {"vpc-updated-noop"}, "events[3]": {"vpc-updated-empty-patch"},
	"events[4]": {"vpc-updated-noop-msg"}, "events[8]": {"vpc-updated-custom-fields"}, "events[13]": {"one-patch-one-event"},
	"events[14]": {"vpc-updated-tags"}, "events[15]": {"vpc-updated-add-tags"}, "events[23]": {"patch-after-queryset-update"},
	"object_changes[10]": {"vpc-deleted"}, "object_changes[12]": {"vpc-bulk-created", "vpc-bulk-created-4", "vpc-bulk-created-5"},
	"object_changes[13]": {"vpc-bulk-deleted", "vpc-bulk-deleted-4"}, "object_changes[14]": {"connection-created"}, "object_changes[15]": {"switchgroup-created-string-spec"},
}

// silent are writes of the same recording that made no webhook.
var silent = map[string]string{
	"events[5]": "400", "events[6]": "500, duplicate", "events[7]": "400, bulk", "events[10]": "400", "events[11]": "400", "events[17]": "400",
	"events[18]": "no rule on the type", "events[19]": "no rule on the type", "journal[0]": "a journal entry is no change of its object",
	"object_changes[8]": "500, message too long", "object_changes[16]": "no rule on the type",
}

// TestContractWebhooks replays the recording of events with a receiver in place
// of the recorded one and compares every webhook with the recorded body.
func TestContractWebhooks(t *testing.T) {
	t.Parallel()
	r := newReplay(recordedServer(t))
	hooks := newReceiver(t)
	r.file(t, "hnp/exchanges/plumbing.json", 0, -1)
	// The recorded payload_url names a host that does not exist here.
	r.s.do("PATCH", "/api/extras/webhooks/2/", `{"payload_url":"`+hooks.url+`"}`).want(t, 200)
	r.statusOnly = true // the change of payload_url moved ids; TestContractEvents compares the answers
	compared := 0
	run := func(file string, from, to int) {
		for i := from; i < to; i++ {
			r.file(t, "hnp/exchanges/"+file+".json", i, i+1)
			hooks.wait(r.s)
			got, want := hooks.take(), hookFiles[key(file, i)]
			if silent[key(file, i)] != "" && len(got) > 0 {
				t.Errorf("%s: %d webhooks, recorded none", key(file, i), len(got))
			}
			if want == nil {
				continue
			}
			if len(got) != len(want) {
				t.Errorf("%s: %d webhooks, recorded %d", key(file, i), len(got), len(want))
				continue
			}
			for j, name := range want {
				compareHook(t, name, got[j], loadHook(t, "hnp/webhooks/"+name+".json"))
				compared++
			}
		}
	}
	run("events", 0, 21)
	run("journal", 0, 7)
	run("object_changes", 0, 17)
	r.before["events[22]"] = func() {
		if err := r.s.QuerysetUpdate("VPC", 5, "spec", map[string]any{"k8s": "written"}); err != nil {
			t.Fatal(err)
		}
	}
	run("events", 21, 24)
	files, err := filepath.Glob(contractDir + "hnp/webhooks/*.json")
	if err != nil || compared != len(files) {
		t.Errorf("%d of %d recorded webhooks compared (%v)", compared, len(files), err)
	}
}

// TestContractOlderWebhooks replays the same requests against 4.6.8, whose
// bodies have username and request_id and plain select values.
func TestContractOlderWebhooks(t *testing.T) {
	t.Parallel()
	o := seedWith("4.6.8", fabric1)
	s := start(t, o)
	addCustomFields(t, s)
	hooks := newReceiver(t)
	hooks.subscribe(s, `["netbox_hedgehog.vpc"]`, "null")
	compared := map[string]bool{}
	for _, step := range []struct {
		file string
		n    int
		want map[int]string
	}{
		{"events", 18, map[int]string{0: "vpc-created", 1: "vpc-updated", 2: "vpc-updated-noop", 8: "vpc-updated-custom-fields"}},
		{"object_changes", 11, map[int]string{10: "vpc-deleted"}},
	} {
		for i, e := range loadExchanges(t, "hnp/exchanges/"+step.file+".json")[:step.n] {
			body := string(e.Request.Body)
			if body == "null" {
				body = ""
			}
			s.do(e.Request.Method, e.Request.Path, body)
			hooks.wait(s)
			got, name := hooks.take(), step.want[i]
			if name == "" {
				continue
			}
			if len(got) != 1 {
				t.Fatalf("%s[%d]: %d webhooks", step.file, i, len(got))
			}
			compareHook(t, name, got[0], loadHook(t, "hnp/webhooks/netbox-4.6.8/"+name+".json"))
			compared[name] = true
		}
		if step.file == "events" { // the tags of the recording's object when it was deleted
			s.do("PATCH", vpcs+"1/", `{"remove_tags":[{"slug":"gitops-conflict"}]}`).want(t, 200)
			hooks.wait(s)
			hooks.take()
		}
	}
	files, err := filepath.Glob(contractDir + "hnp/webhooks/netbox-4.6.8/*.json")
	if err != nil || len(compared) != len(files) {
		t.Errorf("%d of %d recorded webhooks compared (%v)", len(compared), len(files), err)
	}
}

func key(file string, i int) string { return file + "[" + itoa(i) + "]" }
