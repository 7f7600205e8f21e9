package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/app/jobs"
	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/gitops"
)

// fakeTokens is one NetBox that knows some tokens.
type fakeTokens struct {
	name  string
	known map[string]string // token → login
	fail  error
	asked int
}

func (f *fakeTokens) Name() string { return f.name }

func (f *fakeTokens) Check(_ context.Context, token string) (string, bool, error) {
	f.asked++
	login, ok := f.known[token]
	return login, ok, f.fail
}

func request(authorization string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/api/status", nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return r
}

func TestCallers(t *testing.T) {
	t.Parallel()
	one := &fakeTokens{name: "one", known: map[string]string{"nb-1": "alice", "nb-both": "bob"}}
	two := &fakeTokens{name: "two", known: map[string]string{"nb-both": "robert"}}
	a := NewAuth(func() string { return "secret" }, func() []NetBoxTokens { return []NetBoxTokens{one, two} }, time.Now)
	cases := map[string]struct {
		header string
		ok     bool
		sees   string // of "one two"
	}{
		"nothing":                       {"", false, ""},
		"the API token":                 {"Token secret", true, "one two"},
		"as bearer, any case":           {"bearer secret", true, "one two"},
		"a NetBox token":                {"Token nb-1", true, "one"},
		"a token of two NetBoxes":       {"Bearer nb-both", true, "one two"},
		"a prefix of the API token":     {"Token secre", false, ""},
		"an empty token":                {"Token ", false, ""},
		"another scheme":                {"Basic secret", false, ""},
		"a token with a line break":     {"Token sec\x00ret", false, ""},
		"the API token twice in a line": {"Token secret secret", false, ""},
	}
	for name, c := range cases {
		caller, ok, away := a.Caller(request(c.header))
		sees := ""
		for _, n := range []string{"one", "two"} {
			if ok && caller.sees(n) {
				if sees != "" {
					sees += " "
				}
				sees += n
			}
		}
		if ok != c.ok || sees != c.sees || away != "" {
			t.Errorf("%s: ok %v, sees %q, away %q", name, ok, sees, away)
		}
	}
}

func TestNoAPITokenIsNotTheEmptyToken(t *testing.T) {
	t.Parallel()
	a := NewAuth(func() string { return "" }, func() []NetBoxTokens { return nil }, time.Now)
	for _, header := range []string{"", "Token ", "Token", "Bearer  "} {
		if _, ok, _ := a.Caller(request(header)); ok {
			t.Errorf("%q was let in", header)
		}
	}
}

func TestAnswersAboutTokensAreRememberedForAMinute(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	n := &fakeTokens{name: "one", known: map[string]string{"good": "alice"}}
	a := NewAuth(func() string { return "" }, func() []NetBoxTokens { return []NetBoxTokens{n} }, func() time.Time { return now })
	ask := func(token string, want bool) {
		t.Helper()
		if _, ok, _ := a.Caller(request("Token " + token)); ok != want {
			t.Errorf("%s at %s: let in %v", token, now, ok)
		}
	}
	ask("good", true)
	ask("bad", false)
	ask("good", true)
	ask("bad", false)
	if n.asked != 2 {
		t.Errorf("asked %d times about 2 tokens", n.asked)
	}
	delete(n.known, "good") // revoked
	now = now.Add(59 * time.Second)
	ask("good", true)
	now = now.Add(2 * time.Second)
	ask("good", false)
	n.known["good"], n.fail = "alice", errors.New("away")
	now = now.Add(2 * time.Minute)
	if _, ok, away := a.Caller(request("Token good")); ok || away != "one" {
		t.Errorf("NetBox away: let in %v, away %q", ok, away)
	}
}

func TestValuesKeepAbsentAndNumbers(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"null", "1002", "12345678901234567890", `"10"`, `{"a":[1,null]}`, "false"} {
		var v Value
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if v.Absent != (text == "null") {
			t.Errorf("%s: absent %v", text, v.Absent)
		}
		if b, err := json.Marshal(v); err != nil || string(b) != text {
			t.Errorf("%s became %s, %v", text, b, err)
		}
	}
}

func TestConflictTypes(t *testing.T) {
	t.Parallel()
	for code, want := range map[gitops.ConflictCode]string{
		gitops.ConcurrentModification: "concurrent_modification", gitops.DeleteEdit: "concurrent_modification", gitops.BothExist: "concurrent_modification",
		gitops.DuplicateIdentity: "file_structure", gitops.FileStructure: "file_structure", gitops.SchemaConflict: "schema",
		gitops.ReferenceConflict: "schema", gitops.MergeInvalid: "schema", gitops.Refused: "permission", gitops.PermissionConflict: "permission",
		gitops.Vanished: "concurrent_modification", gitops.Fight: "concurrent_modification",
	} {
		if got := ConflictType(code); got != want {
			t.Errorf("%s is %s, want %s", code, got, want)
		}
	}
}

func TestFabricStates(t *testing.T) {
	t.Parallel()
	f := store.Fabric{Pairing: store.Pairing{Connection: "default", NetBoxID: 7, Directory: "d"}, Owner: "acme", Repository: "fabrics"}
	until := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	equal := store.FabricStatus{Status: gitops.Status{State: "equal", Head: "h", VerifiedAt: until}}
	cases := map[string]struct {
		status  store.FabricStatus
		overlay jobs.Overlay
		state   string
		waiting int
	}{
		"before the first cycle":            {store.FabricStatus{}, jobs.Overlay{}, "pending", 0},
		"as the last cycle said":            {equal, jobs.Overlay{}, "equal", 0},
		"parked":                            {equal, jobs.Overlay{Until: until, Why: "GitHub takes no more requests"}, "pending", 1},
		"the last cycle did not go through": {equal, jobs.Overlay{Failure: "NetBox answered 502"}, "error", 0},
	}
	for name, c := range cases {
		got := fabricOf(f, c.status, c.overlay)
		if got.State != c.state || len(got.Waiting) != c.waiting || got.Frozen == nil || got.Waiting == nil {
			t.Errorf("%s: %+v", name, got)
		}
		if (got.VerifiedAt == nil) != c.status.VerifiedAt.IsZero() {
			t.Errorf("%s: verified at %v", name, got.VerifiedAt)
		}
	}
}
