package demo

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStoryHolds(t *testing.T) {
	var out bytes.Buffer
	var told *Result
	dir := filepath.Join(t.TempDir(), "data")
	res, err := Run(t.Context(), Options{Once: true, Data: dir, Out: &out, Told: func(r *Result) error { told = r; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if !res.OK || told != res {
		t.Fatalf("the story does not hold:\n%s", out.String())
	}
	want := []string{"ingest", "netbox_edit", "git_edit", "merge", "conflict", "pull_request", "bad_file", "resolve", "mass_delete", "approve", "silence"}
	// Budgets of DESIGN §10; first import: 25 and 6 for discovery and probes.
	budget := map[string]int{"ingest": 31, "netbox_edit": 3, "git_edit": 4}
	for i, s := range res.Steps {
		if i >= len(want) || s.Name != want[i] {
			t.Errorf("step %d is %s", i, s.Name)
		}
		if n := s.Requests.GitHub + s.Requests.NetBox; budget[s.Name] > 0 && n > budget[s.Name] {
			t.Errorf("%s took %d requests, the budget is %d", s.Name, n, budget[s.Name])
		}
	}
	if len(res.Steps) != len(want) {
		t.Errorf("%d steps, want %d", len(res.Steps), len(want))
	}
	for _, key := range []string{"app", "clone", "github_api", "netbox"} {
		if res.URLs[key] == "" {
			t.Errorf("no URL for %s", key)
		}
	}
	log, err := os.ReadFile(filepath.Join(dir, "hnp-sync.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{appToken, hookSecret, apiToken, "PRIVATE KEY", "ghs_"} {
		if strings.Contains(string(log), secret) {
			t.Errorf("the log holds a secret: %s", secret)
		}
	}
}

func TestFolderMustBeEmpty(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Run(t.Context(), Options{Once: true, Data: dir})
	if err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("got %v", err)
	}
}

func TestStaysUpUntilTold(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var up bool
	res, err := Run(ctx, Options{Told: func(*Result) error { up = true; cancel(); return nil }})
	if err != nil || !up || !res.OK {
		t.Errorf("err %v, told %t", err, up)
	}
}
