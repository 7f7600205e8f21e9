package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/app/api"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/manifests"
)

// fakeServer answers as a running server does, and records what it was asked.
type fakeServer struct {
	*httptest.Server
	asked []string
	auth  string
	op    api.Operation
}

func newFakeServer(t *testing.T, fabrics ...api.Fabric) *fakeServer {
	t.Helper()
	f := &fakeServer{op: api.Operation{OperationID: "sync_20250730_123456_k7q2mx", Status: "completed"}}
	answer := func(w http.ResponseWriter, status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/status", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, api.Status{Queue: 1, Fabrics: fabrics})
	})
	mux.HandleFunc("POST /api/plugins/hedgehog/fabrics/{id}/sync/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 202, api.Started{OperationID: f.op.OperationID, Status: "in_progress"})
	})
	mux.HandleFunc("GET /api/plugins/hedgehog/sync-operations/{id}/status/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, f.op)
	})
	mux.HandleFunc("POST /api/plugins/hedgehog/fabrics/{id}/approve/", func(w http.ResponseWriter, r *http.Request) {
		var in api.ApproveRequest
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.PlanHash != "hash-2" {
			answer(w, 409, api.Error{Detail: "nothing waits under this hash", Code: "not_waiting"})
			return
		}
		answer(w, 202, api.Approved{OperationID: f.op.OperationID, Status: "in_progress", Approved: []api.Waiting{{Action: "delete vpc/x in NetBox"}}})
	})
	mux.HandleFunc("GET /api/plugins/hedgehog/fabrics/{id}/conflicts/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, api.Conflicts{TotalConflicts: 1, Conflicts: []api.Conflict{{Number: 12, ResourceName: "test-vpc", Kind: "VPC", Namespace: "default",
			Code: "concurrent_modification", DetectedAt: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
			Fields: []api.Field{{Path: "spec.subnets.default.vlan", Git: api.Value{Value: 1002}, NetBox: api.Value{Value: "10\u202e\x1b[31m03"}, Base: api.Value{Absent: true}, File: "managed/vpcs/test-vpc.yaml", Line: 9}}}}})
	})
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked = append(f.asked, r.Method+" "+r.URL.RequestURI())
		f.auth = r.Header.Get("Authorization")
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func runCommand(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func twoFabrics() []api.Fabric {
	at := time.Now().Add(-5 * time.Minute)
	return []api.Fabric{
		{NetBox: "default", NetBoxID: 1, Repository: "acme/fabrics", Directory: "gitops/fabric-1", Name: "fabric-1", State: "equal", Head: "0123456789abcdef0123", VerifiedAt: &at},
		{NetBox: "default", NetBoxID: 2, Repository: "acme/fabrics", Directory: "gitops/fabric-2", Name: "fabric-2", State: "guard", PlanHash: "hash-2", Head: "0123456789abcdef0123",
			Waiting: []api.Waiting{{Action: "delete vpc/x in NetBox", Reason: "48 deletes are more than 5"}}, OpenConflicts: 3,
			Frozen:      []gitops.FrozenStatus{{Resource: "vpc/y", Code: "schema", Message: "bad\x1b[31m"}, {Resource: "vpc/z", Code: "schema", Message: "no field", File: "managed/z.yaml", Line: 7}},
			Diagnostics: []manifests.Diagnostic{{File: "managed/z.yaml", StartLine: 7, StartColumn: 3, Severity: "error", Code: "unknown-field", Message: "no field", Fix: "remove it"}, {File: "l.yaml", Severity: "note", Code: "list", Message: "only a note"}}},
	}
}

func TestServerCommands(t *testing.T) {
	t.Parallel()
	tokenFile := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(tokenFile, []byte(" the-token \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		args []string
		code int
		out  []string // parts of stdout
		err  string   // part of stderr
		last string   // the last request
	}{
		"status": {[]string{"status"}, 0, []string{"fabric-1: equal", "found equal 5 min ago", "fabric-2: guard", "waiting: delete vpc/x in NetBox: 48 deletes are more than 5",
			"hnp-sync approve hash-2 --fabric 2 --netbox default", "frozen: vpc/y: bad[31m [schema]", "frozen: vpc/z: gitops/fabric-2/managed/z.yaml:7: no field [schema]",
			"gitops/fabric-2/managed/z.yaml:7:3: error: no field [unknown-field] (fix: remove it)", "3 open conflicts", "queue: 1"}, "", "GET /api/status"},
		"status as JSON":            {[]string{"status", "--output", "json"}, 0, []string{`"plan_hash": "hash-2"`}, "", "GET /api/status"},
		"sync by name":              {[]string{"sync", "--fabric", "fabric-2"}, 0, []string{"operation sync_20250730_123456_k7q2mx: in_progress"}, "", "POST /api/plugins/hedgehog/fabrics/2/sync/?netbox=default"},
		"sync by number":            {[]string{"sync", "--fabric", "1"}, 0, nil, "", "POST /api/plugins/hedgehog/fabrics/1/sync/"},
		"sync and wait":             {[]string{"sync", "--fabric", "1", "--wait", "10s"}, 0, []string{"completed", "files: 0 processed"}, "", "GET /api/plugins/hedgehog/sync-operations/sync_20250730_123456_k7q2mx/status/"},
		"sync of which fabric":      {[]string{"sync"}, 2, nil, "which fabric? give --fabric NAME (and --netbox NAME); the server has default/fabric-1, default/fabric-2", "GET /api/status"},
		"sync of an unknown fabric": {[]string{"sync", "--fabric", "nowhere"}, 1, nil, "no such fabric", "GET /api/status"},
		"conflicts": {[]string{"conflicts", "--fabric", "fabric-1"}, 0, []string{"C12 vpc/test-vpc [concurrent_modification] since 2026-03-04 05:06 UTC", "spec.subnets.default.vlan  (managed/vpcs/test-vpc.yaml:9)",
			"git     1002", `NetBox  "10\u001b[31m03"`, "before  (absent)", "1 open conflicts"}, "", "GET /api/plugins/hedgehog/fabrics/1/conflicts/?netbox=default"},
		"approve finds its fabric":    {[]string{"approve", "hash-2"}, 0, []string{"approved: delete vpc/x in NetBox"}, "", "POST /api/plugins/hedgehog/fabrics/2/approve/?netbox=default"},
		"approve what does not wait":  {[]string{"approve", "other", "--fabric", "1"}, 1, nil, "nothing waits under this hash", "POST /api/plugins/hedgehog/fabrics/1/approve/"},
		"approve without a hash":      {[]string{"approve"}, 2, nil, "accepts 1 arg", ""},
		"approve with a strange hash": {[]string{"approve", "../x"}, 2, nil, "HASH is the plan hash", ""},
		"an unknown output":           {[]string{"status", "--output", "xml"}, 2, nil, "use text or json", ""},
		"an unknown flag":             {[]string{"status", "--nonsense"}, 2, nil, "unknown flag", ""},
		"an argument too many":        {[]string{"status", "x"}, 2, nil, "", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeServer(t, twoFabrics()...)
			args := append([]string{c.args[0], "--server", f.URL + "/", "--token-file", tokenFile}, c.args[1:]...)
			code, out, errs := runCommand(t, args...)
			if code != c.code {
				t.Errorf("exit code %d, want %d: %s", code, c.code, errs)
			}
			for _, part := range c.out {
				if !strings.Contains(out, part) {
					t.Errorf("output lacks %q:\n%s", part, out)
				}
			}
			if !strings.Contains(errs, c.err) {
				t.Errorf("stderr %q lacks %q", errs, c.err)
			}
			last := ""
			if len(f.asked) > 0 {
				last = f.asked[len(f.asked)-1]
				if f.auth != "Bearer the-token" {
					t.Errorf("authorization %q", f.auth)
				}
			}
			if last != c.last {
				t.Errorf("last request %q, want %q", last, c.last)
			}
			if strings.ContainsAny(out+errs, "\x1b\u202e") {
				t.Errorf("output moves the terminal: %q", out)
			}
		})
	}
}

func TestFailedOperationExitsWithOne(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, twoFabrics()...)
	f.op.Status, f.op.ErrorMessage = "failed", "main is protected"
	t.Run("wait", func(t *testing.T) {
		tokenFile := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(tokenFile, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, errs := runCommand(t, "sync", "--fabric", "1", "--wait", "10s", "--server", f.URL, "--token-file", tokenFile)
		if code != 1 || !strings.Contains(errs, "main is protected") {
			t.Errorf("exit code %d, %s", code, errs)
		}
	})
}

func TestServerAndTokenFromTheEnvironment(t *testing.T) {
	f := newFakeServer(t, twoFabrics()...)
	t.Setenv("HNP_SYNC_SERVER", f.URL)
	t.Setenv("HNP_SYNC_TOKEN", "from-env")
	if code, _, errs := runCommand(t, "status"); code != 0 || f.auth != "Bearer from-env" {
		t.Errorf("exit code %d, authorization %q, %s", code, f.auth, errs)
	}
	t.Setenv("HNP_SYNC_TOKEN", "")
	if code, _, errs := runCommand(t, "status"); code != 2 || !strings.Contains(errs, "no token") {
		t.Errorf("without a token: exit code %d, %s", code, errs)
	}
	t.Setenv("HNP_SYNC_SERVER", "")
	if code, _, errs := runCommand(t, "status"); code != 2 || !strings.Contains(errs, "which server?") {
		t.Errorf("without a server: exit code %d, %s", code, errs)
	}
	t.Setenv("HNP_SYNC_SERVER", "http://127.0.0.1:1")
	t.Setenv("HNP_SYNC_TOKEN", "x")
	if code, _, errs := runCommand(t, "status"); code != 1 || !strings.Contains(errs, "is it running?") {
		t.Errorf("nobody listens: exit code %d, %s", code, errs)
	}
}

func TestServeRefusesAWrongConfiguration(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "hnp-sync.yaml")
	if err := os.WriteFile(file, []byte("listen: 127.0.0.1:0\nnonsense: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := runCommand(t, "serve", "--config", file)
	if code != 1 || !strings.Contains(errs, file+":2: nonsense: ") || out != "" {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, out, errs)
	}
	if code, _, _ := runCommand(t, "serve", "--config", filepath.Join(t.TempDir(), "missing.yaml")); code != 1 {
		t.Errorf("a missing file: exit code %d, want 1", code)
	}
	if code, _, _ := runCommand(t, "serve", "--log-level", "loud"); code != 2 {
		t.Errorf("an unknown level: exit code %d, want 2", code)
	}
}
