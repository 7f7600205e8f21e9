package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/handlers"
)

const replayConfig = `github: {token_file: token, webhook_secret_files: [hook]}
netbox: [{name: default, url: "http://127.0.0.1:1", token_file: token, webhook_secret_files: [hook]}]
repositories: [{match: acme/*, netbox: [default]}]
`

// call runs one command line.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &out, &errs)
	if all := out.String() + errs.String(); strings.Contains(all, "geheim") {
		t.Errorf("a secret is in %s", all)
	}
	return code, out.String(), errs.String()
}

func replayFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"hnp-sync.yaml": replayConfig, "hook": "geheim", "token": "geheimtoken", "ping.json": `{"zen":"x","hook_id":1}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestReplay(t *testing.T) {
	dir := replayFolder(t)
	receiver, err := handlers.NewGitHub(handlers.Receiver{Now: time.Now}, [][]byte{[]byte("geheim")})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/github", receiver)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	config, ping := filepath.Join(dir, "hnp-sync.yaml"), filepath.Join(dir, "ping.json")
	if code, out, errs := call(t, "replay", ping, "--event", "ping", "--config", config, "--server", s.URL); code != 0 || !strings.HasPrefix(out, "ping ") || !strings.Contains(out, ": 200 ") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	if code, out, errs := call(t, "replay", ping, "--config", config, "--server", s.URL); code != 2 || !strings.Contains(errs, "give --event") {
		t.Errorf("without the event: %d %s %s", code, out, errs)
	}
	if err := os.WriteFile(filepath.Join(dir, "hook"), []byte("geheim2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := call(t, "replay", ping, "--event", "ping", "--config", config, "--server", s.URL); code != 1 || !strings.Contains(out, ": 401 ") {
		t.Errorf("another secret: %d %s %s", code, out, errs)
	}
}

func TestDoctorSaysThatServeRefuses(t *testing.T) {
	dir := replayFolder(t)
	code, out, errs := call(t, "doctor", "--config", filepath.Join(dir, "hnp-sync.yaml"))
	if code != 1 || !strings.Contains(out, "error   configuration: github.token_file: is not supported yet") || !strings.Contains(out, "error   netbox default: ") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	code, out, _ = call(t, "doctor", "--config", filepath.Join(dir, "hnp-sync.yaml"), "--output", "json")
	if code != 1 || !strings.Contains(out, `"ok": false`) || !strings.Contains(out, `"level": "error"`) {
		t.Errorf("%d %s", code, out)
	}
}

func TestServeRefusesWhatItWouldIgnore(t *testing.T) {
	code, _, errs := call(t, "serve", "--config", filepath.Join(replayFolder(t), "hnp-sync.yaml"))
	if code != 1 || !strings.Contains(errs, "hnp-sync.yaml:1: github.token_file: is not supported yet") {
		t.Errorf("%d %s", code, errs)
	}
}

func TestSetupGitHubUsage(t *testing.T) {
	config := filepath.Join(t.TempDir(), "hnp-sync.yaml")
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"no public URL":    {nil, "--public-url"},
		"GitHub over http": {[]string{"--public-url", "https://x", "--github", "http://github.example.com"}, "use https"},
		"open to others":   {[]string{"--public-url", "https://x", "--listen", "0.0.0.0:0"}, "loopback"},
	} {
		if code, _, errs := call(t, append([]string{"setup", "github", "--config", config}, tt.args...)...); code != 2 || !strings.Contains(errs, tt.want) {
			t.Errorf("%s: %d %s", name, code, errs)
		}
	}
}
