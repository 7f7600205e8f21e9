package app

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hnp-sync/hnp-sync/app/api"
)

func TestRoutesAndErrors(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	const fabric = "/api/plugins/hedgehog/fabrics/1"
	cases := map[string]struct {
		method, path, auth string
		body               any
		status             int
		code               string
	}{
		"healthz":                              {"GET", "/healthz", "", nil, 200, ""},
		"readyz":                               {"GET", "/readyz", "", nil, 200, ""},
		"metrics":                              {"GET", "/metrics", "", nil, 200, ""},
		"status without a token":               {"GET", "/api/status", "", nil, 401, "not_authenticated"},
		"status with a wrong token":            {"GET", "/api/status", "Token wrong", nil, 401, "not_authenticated"},
		"status with another scheme":           {"GET", "/api/status", "Basic " + apiToken, nil, 401, "not_authenticated"},
		"status with the API token":            {"GET", "/api/status", "Token " + apiToken, nil, 200, ""},
		"status with a NetBox token":           {"GET", "/api/status/", "Bearer " + adminToken, nil, 200, ""},
		"conflicts":                            {"GET", fabric + "/conflicts/", "Bearer " + apiToken, nil, 200, ""},
		"conflicts without the final slash":    {"GET", fabric + "/conflicts", "Bearer " + apiToken, nil, 200, ""},
		"conflicts of an unknown fabric":       {"GET", "/api/plugins/hedgehog/fabrics/99/conflicts/", "Bearer " + apiToken, nil, 404, "not_found"},
		"conflicts of no number":               {"GET", "/api/plugins/hedgehog/fabrics/x/conflicts/", "Bearer " + apiToken, nil, 404, "not_found"},
		"conflicts in an unknown NetBox":       {"GET", fabric + "/conflicts/?netbox=other", "Bearer " + apiToken, nil, 404, "not_found"},
		"sync without a body":                  {"POST", fabric + "/sync/", "Bearer " + apiToken, nil, 202, ""},
		"sync with the specification's body":   {"POST", fabric + "/sync/", "Bearer " + adminToken, map[string]any{"direction": "bidirectional", "force": false, "create_pr": false, "conflict_resolution": "user_guided"}, 202, ""},
		"sync by force":                        {"POST", fabric + "/sync/", "Bearer " + apiToken, map[string]any{"force": true}, 400, "not_supported"},
		"sync in one direction":                {"POST", fabric + "/sync/", "Bearer " + apiToken, map[string]any{"direction": "gui_to_github"}, 400, "not_supported"},
		"sync with an unknown key":             {"POST", fabric + "/sync/", "Bearer " + apiToken, map[string]any{"directions": "x"}, 400, "invalid"},
		"sync with a huge body":                {"POST", fabric + "/sync/", "Bearer " + apiToken, map[string]any{"direction": strings.Repeat("x", 70<<10)}, 413, "too_large"},
		"sync with GET":                        {"GET", fabric + "/sync/", "Bearer " + apiToken, nil, 405, "method_not_allowed"},
		"an unknown operation":                 {"GET", "/api/plugins/hedgehog/sync-operations/sync_20250730_123456_aaaaaa/", "Bearer " + apiToken, nil, 404, "not_found"},
		"approve what does not wait":           {"POST", fabric + "/approve/", "Bearer " + apiToken, map[string]any{"plan_hash": "abc"}, 409, "not_waiting"},
		"approve without a hash":               {"POST", fabric + "/approve/", "Bearer " + apiToken, map[string]any{}, 400, "invalid"},
		"approve with a NetBox token":          {"POST", fabric + "/approve/", "Bearer " + adminToken, map[string]any{"plan_hash": "abc"}, 403, "permission_denied"},
		"nothing there":                        {"GET", "/api/nothing", "Bearer " + apiToken, nil, 404, "not_found"},
		"an unsigned webhook":                  {"POST", "/webhooks/github", "", map[string]any{"zen": "x"}, 401, ""},
		"an unsigned NetBox webhook":           {"POST", "/webhooks/netbox/default", "", map[string]any{"event": "x"}, 401, ""},
		"a webhook of an unknown connection":   {"POST", "/webhooks/netbox/other", "", map[string]any{"event": "x"}, 404, ""},
		"a webhook with GET":                   {"GET", "/webhooks/github", "", nil, 405, ""},
		"a webhook path with one slash more":   {"POST", "/webhooks/github/", "", map[string]any{"zen": "x"}, 404, ""},
		"a NetBox webhook without connection":  {"POST", "/webhooks/netbox/", "", map[string]any{"zen": "x"}, 404, ""},
		"a webhook path that leaves its place": {"POST", "/webhooks/netbox/..%2f..", "", map[string]any{"zen": "x"}, 404, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			code, body := s.do(c.method, r.URL()+c.path, c.auth, c.body, nil)
			if code != c.status {
				t.Errorf("status %d, want %d: %s", code, c.status, body)
			}
			if c.code != "" {
				var e api.Error
				if err := json.Unmarshal([]byte(body), &e); err != nil || e.Code != c.code || e.Detail == "" {
					t.Errorf("error %q, want code %s", body, c.code)
				}
			}
		})
	}
	r.quiet()
	_, metrics := s.do("GET", r.URL()+"/metrics", "", nil, nil)
	for _, line := range []string{`hnp_sync_cycles_total{outcome="ok"}`, `hnp_sync_conflicts_open{fabric="default/fabric-1"} 0`,
		`hnp_sync_deliveries_total{event="created",outcome="echo",source="netbox"}`, `hnp_sync_webhooks_total{event="unverified",source="github",status="401"} 1`,
		"hnp_sync_queue_jobs 0", "hnp_sync_deliveries_waiting 0", "hnp_sync_netbox_writes_total 1", "hnp_sync_commits_total 0", `hnp_sync_requests_total{host="`} {
		if !strings.Contains(metrics, line) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
}

// A NetBox token is asked about once a minute at most, and one that NetBox does not know is not let in.
func TestNetBoxTokensAreRemembered(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	for range 5 {
		if code, _ := s.do("GET", r.URL()+"/api/status", "Token "+adminToken, nil, nil); code != 200 {
			t.Fatalf("status %d", code)
		}
		if code, _ := s.do("GET", r.URL()+"/api/status", "Token nbt_unknown00001.x", nil, nil); code != 401 {
			t.Fatalf("an unknown token: %d", code)
		}
	}
	if n := s.netbox.Stats().Routes["GET /api/authentication-check/"]; n != 2 {
		t.Errorf("NetBox was asked %d times about 2 tokens", n)
	}
}

func TestSignedGitHubWebhookThroughTheServer(t *testing.T) {
	t.Parallel()
	_, r := inStep(t)
	send := func(guid, body string) (int, http.Header) {
		mac := hmac.New(sha256.New, []byte(hookSecret))
		mac.Write([]byte(body))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL()+"/webhooks/github", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-GitHub-Event", "push")
		req.Header.Set("X-GitHub-Delivery", guid)
		req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, resp.Header
	}
	body := func(ref string) string {
		return fmt.Sprintf(`{"ref":%q,"after":"6dcb09b5b57875f334f61aebed695e2e4193db5e","repository":{"id":999999,"full_name":"x/y"}}`, ref)
	}
	code, header := send("g-1", body("refs/heads/main"))
	if code != 202 || !strings.HasPrefix(header.Get("Content-Type"), "text/plain") {
		t.Errorf("stored: %d %v", code, header)
	}
	r.quiet()
	if code, _ := send("g-1", body("refs/heads/main")); code != 200 {
		t.Errorf("repeat of a finished delivery: %d, want 200", code)
	}
	if code, _ := send("g-1", body("refs/heads/other")); code != 409 {
		t.Errorf("the same id with another body: %d, want 409", code)
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	path := filepath.Join(s.dir, "hnp-sync.yaml")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(good, "nonsense: true\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(t.Context()); err == nil {
		t.Error("an invalid configuration was taken")
	}
	if code := r.api("GET", "/api/status", nil, nil); code != 200 {
		t.Errorf("the old token no longer works: %d", code)
	}
	if err := os.WriteFile(path, bytes.Replace(good, []byte("acme/*"), []byte("other/*"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "token"), []byte("another-api-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code := r.api("GET", "/api/status", nil, nil); code != 401 {
		t.Errorf("the old token still works: %d", code)
	}
	s.eventually("the repository is not allowed any more", func() bool {
		var st api.Status
		if code, _ := s.do("GET", r.URL()+"/api/status", "Bearer another-api-token", nil, &st); code != 200 {
			t.Fatalf("the new token: %d", code)
		}
		return len(st.Fabrics) == 0
	})
}

func TestWrongStartsSayWhy(t *testing.T) {
	t.Parallel()
	s, _ := inStep(t)
	// The database is in use by the running App.
	if _, err := openAgain(s); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("second App on one database: %v", err)
	}
}
