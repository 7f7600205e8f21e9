package setup

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hnp-sync/hnp-sync/app/config"
)

var keyPEM = func() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}()

// conversion answers POST /app-manifests/{code}/conversions as a GitHub Enterprise Server does.
func conversion(t *testing.T, status int, body map[string]any) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v3/app-manifests/{code}/conversions", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("code") != "good-code" || r.Header.Get("Authorization") != "" {
			http.Error(w, `{"message":"Not Found"}`, http.StatusNotFound)
			return
		}
		if status == http.StatusFound {
			w.Header().Set("Location", "https://elsewhere.example/")
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func goodApp(web string) map[string]any {
	return map[string]any{"id": 77, "slug": "hnp-sync-acme", "html_url": web + "/github-apps/hnp-sync-acme", "pem": keyPEM, "webhook_secret": "geheim"}
}

func get(t *testing.T, address, host string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// start runs the flow and returns the page's address and what Run will give.
func start(t *testing.T, ctx context.Context, f Flow) (address string, result <-chan error) {
	t.Helper()
	shown, out := make(chan string, 1), make(chan error, 1)
	l := listen(t)
	go func() {
		app, err := f.Run(ctx, l, func(a string) { shown <- a })
		if text := fmt.Sprintf("%v %+v %#v", app, app, app); strings.Contains(text, "geheim") || strings.Contains(text, "PRIVATE") {
			err = errors.New("the App prints its secrets")
		}
		out <- err
	}()
	return <-shown, out
}

var action = regexp.MustCompile(`action="([^"]*)/settings/apps/new\?state=([A-Z0-9]+)"`)

func TestRegistration(t *testing.T) {
	t.Parallel()
	s := conversion(t, http.StatusCreated, nil)
	s.Config.Handler = conversion(t, http.StatusCreated, goodApp(s.URL)).Config.Handler
	web, api, err := Endpoints(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	m, err := AppManifest()
	if err != nil {
		t.Fatal(err)
	}
	files := Files{Config: filepath.Join(t.TempDir(), "hnp-sync.yaml")}
	f := Flow{Web: web, API: api, Org: "acme", PublicURL: "https://sync.example.net", Manifest: m, Save: func(a App) error {
		paste, err := files.Save(a, "https://sync.example.net", api)
		if paste != "" {
			t.Errorf("lines to paste: %s", paste)
		}
		return err
	}}
	address, result := start(t, t.Context(), f)
	status, header, body := get(t, address, "")
	found := action.FindStringSubmatch(body)
	if status != 200 || found == nil || found[1] != s.URL+"/organizations/acme" || !strings.Contains(header.Get("Content-Security-Policy"), "form-action "+s.URL) {
		t.Fatalf("%d %s", status, body)
	}
	_, value, _ := strings.Cut(body, `name="manifest" value="`)
	value, _, _ = strings.Cut(value, `"`)
	var sent struct {
		Permissions map[string]string    `json:"default_permissions"`
		Events      []string             `json:"default_events"`
		Redirect    string               `json:"redirect_url"`
		Hook        struct{ URL string } `json:"hook_attributes"`
	}
	if err := json.Unmarshal([]byte(html.UnescapeString(value)), &sent); err != nil || sent.Redirect != address+"/callback" ||
		sent.Hook.URL != "https://sync.example.net/webhooks/github" || len(sent.Events) != len(m.Events) || sent.Permissions["checks"] != "write" {
		t.Errorf("manifest %+v, %v", sent, err)
	}
	state := found[2]
	for name, tt := range map[string]struct {
		path, host string
		want       int
	}{
		"no state":            {address + "/callback?code=good-code", "", 403},
		"another state":       {address + "/callback?code=good-code&state=" + strings.Repeat("A", len(state)), "", 403},
		"no code":             {address + "/callback?state=" + state, "", 400},
		"a code with a slash": {address + "/callback?code=a%2Fb&state=" + state, "", 400},
		"a rebound name":      {address, "evil.example", 403},
		"a guessed path":      {address[:strings.LastIndex(address, "/")] + "/", "", 404},
	} {
		if got, _, _ := get(t, tt.path, tt.host); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
	status, header, body = get(t, address+"/callback?code=good-code&state="+state, "")
	if status != 303 || header.Get("Location") != s.URL+"/github-apps/hnp-sync-acme/installations/new" || strings.Contains(body, "geheim") {
		t.Errorf("%d %s %s", status, header.Get("Location"), body)
	}
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{KeyFile, SecretFile} {
		info, err := os.Stat(files.beside(name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	// What was written is a configuration that lacks NetBox alone.
	_, err = config.Load(files.Config, nil)
	var problems config.Problems
	if !errors.As(err, &problems) || len(problems) != 2 || problems[0].Key != "netbox" || problems[1].Key != "repositories" {
		t.Errorf("configuration: %v", err)
	}
}

func TestRegistrationFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status int
		change func(map[string]any)
	}{
		"code expired":      {404, func(map[string]any) {}},
		"redirect":          {302, func(map[string]any) {}},
		"no key":            {201, func(a map[string]any) { a["pem"] = "geheim" }},
		"no webhook secret": {201, func(a map[string]any) { a["webhook_secret"] = nil }},
		"a slug with HTML":  {201, func(a map[string]any) { a["slug"] = "<b>" }},
		"too large":         {201, func(a map[string]any) { a["x"] = strings.Repeat("x", maxConversion) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := goodApp("https://elsewhere.example")
			tt.change(body)
			s := conversion(t, tt.status, body)
			web, api, err := Endpoints(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			address, result := start(t, t.Context(), Flow{Web: web, API: api, Save: func(App) error { t.Error("saved"); return nil }})
			_, _, text := get(t, address, "")
			state := action.FindStringSubmatch(text)[2]
			if status, _, _ := get(t, address+"/callback?code=good-code&state="+state, ""); status != 502 {
				t.Errorf("browser got %d", status)
			}
			if err := <-result; err == nil || strings.Contains(err.Error(), "geheim") || strings.Contains(err.Error(), "good-code") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	address, result := start(t, ctx, Flow{Web: "https://github.com", API: "https://api.github.com", Save: func(App) error { t.Error("saved"); return nil }})
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if c, err := net.Dial("tcp", strings.Split(address, "/")[2]); err == nil {
		_ = c.Close()
		t.Error("the port is still open")
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                  "https://github.com https://api.github.com",
		"github.com":                        "https://github.com https://api.github.com",
		"https://api.github.com/":           "https://github.com https://api.github.com",
		"https://tenant.ghe.com":            "https://tenant.ghe.com https://api.tenant.ghe.com",
		"api.tenant.ghe.com":                "https://tenant.ghe.com https://api.tenant.ghe.com",
		"https://GitHub.example.com/api/v3": "https://github.example.com https://github.example.com/api/v3",
		"http://127.0.0.1:99":               "http://127.0.0.1:99 http://127.0.0.1:99/api/v3",
		"http://github.example.com":         "", "https://u:p@x": "", "https://x/y": "", "ftp://x": "", "https://x?y": "",
	} {
		web, api, err := Endpoints(in)
		if got := strings.TrimSpace(web + " " + api); got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestExistingFilesStay(t *testing.T) {
	t.Parallel()
	app := App{ID: 77, Slug: "x", PEM: keyPEM, WebhookSecret: "geheim"}
	const rest = "netbox: [] # mine\npublic_url: https://mine.example\n"
	for name, tt := range map[string]struct {
		config, key string
		force       bool
		look, paste bool // Look refuses; Save gives lines to paste
		want        string
	}{
		"completed":          {config: rest, want: rest + Lines("77", "https://api.github.com")},
		"no line end":        {config: strings.TrimSpace(rest), want: rest + Lines("77", "https://api.github.com")},
		"has github":         {config: "github: {app_id: 1}\n", look: true},
		"has github, forced": {config: "github: {app_id: 1}\n", force: true, paste: true, want: "github: {app_id: 1}\n"},
		"flow style":         {config: "{listen: \"a:1\"}\n", paste: true, want: "{listen: \"a:1\"}\n"},
		"a key exists":       {config: rest, key: "old", look: true},
		"a key, forced":      {config: rest, key: "old", force: true, want: rest + Lines("77", "https://api.github.com")},
		"no YAML":            {config: "a: [\n", look: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := Files{Config: filepath.Join(t.TempDir(), "hnp-sync.yaml"), Force: tt.force}
			if err := os.WriteFile(f.Config, []byte(tt.config), 0o640); err != nil {
				t.Fatal(err)
			}
			if tt.key != "" {
				if err := os.WriteFile(f.beside(KeyFile), []byte(tt.key), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := f.Look(); (err != nil) != tt.look {
				t.Fatalf("look: %v", err)
			}
			if tt.look {
				if tt.key != "" { // saving in spite of it keeps the old key too
					if _, err := f.Save(app, "https://x", "https://api.github.com"); err == nil {
						t.Error("saved over a key")
					}
				}
				return
			}
			paste, err := f.Save(app, "https://new.example", "https://api.github.com")
			if err != nil || (paste != "") != tt.paste || strings.Contains(paste, "geheim") {
				t.Fatalf("%q, %v", paste, err)
			}
			got, err := os.ReadFile(f.Config)
			if err != nil || !bytes.Equal(got, []byte(tt.want)) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			for path, mode := range map[string]os.FileMode{f.Config: 0o640, f.beside(KeyFile): 0o600, f.beside(SecretFile): 0o600} {
				if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
					t.Errorf("%s: %v, %v", path, info, err)
				}
			}
			if left, err := filepath.Glob(filepath.Join(filepath.Dir(f.Config), ".hnp-sync-*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}
