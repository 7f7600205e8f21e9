package githubtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// agree sends the form of a manifest and returns where the browser goes.
func (f *fixture) agree(path, manifest string) (int, *url.URL) {
	f.t.Helper()
	resp, err := noRedirects.PostForm(f.URL()+path, url.Values{"manifest": {manifest}})
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	target, _ := url.Parse(resp.Header.Get("Location"))
	return resp.StatusCode, target
}

func TestAppManifest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	good := `{"name": "Other Sync", "url": "https://example.com", "hook_attributes": {"url": "https://example.com/hook"}, "redirect_url": "http://127.0.0.1:9/back?x=1",
		"default_events": ["push"], "default_permissions": {"contents": "write"}}`
	for name, text := range map[string]string{"no JSON": "{", "no url": `{"name": "x", "redirect_url": "http://127.0.0.1:9/"}`, "no way back": `{"name": "x", "url": "https://example.com"}`,
		"name taken": strings.Replace(good, "Other Sync", "hnp-sync", 1), "level": strings.Replace(good, `"write"`, `"all"`, 1)} {
		if status, _ := f.agree("/settings/apps/new", text); status != 422 {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status, _ := f.agree("/organizations/nobody/settings/apps/new", good); status != 422 {
		t.Errorf("unknown organization: %d", status)
	}
	status, target := f.agree("/organizations/acme/settings/apps/new?state=s1", good)
	if status != 302 || target.Query().Get("state") != "s1" || target.Query().Get("x") != "1" || target.Host != "127.0.0.1:9" {
		t.Fatalf("%d %v", status, target)
	}
	convert := func(code string) reply { return f.do("POST", "/app-manifests/"+code+"/conversions", "", nil) }
	code := target.Query().Get("code")
	app := convert(code)
	if app.status != 201 || app.json["slug"] != "other-sync" || app.json["owner"].(map[string]any)["login"] != "acme" || app.json["webhook_secret"] == "" || !strings.Contains(app.json["pem"].(string), "RSA PRIVATE KEY") {
		t.Fatalf("%d %s", app.status, app.body)
	}
	if again := convert(code); again.status != 404 {
		t.Errorf("a code is good twice: %d", again.status)
	}
	_, late := f.agree("/settings/apps/new", strings.Replace(good, "Other Sync", "Late", 1))
	f.clock.advance(time.Hour)
	if r := convert(late.Query().Get("code")); r.status != 404 {
		t.Errorf("a code is good after an hour: %d", r.status)
	}
	in := f.do("POST", "/_install", "", map[string]any{"app": "other-sync", "account": "acme", "repositories": []string{repoName}})
	if in.status != 201 || in.json["installation_id"] == nil {
		t.Errorf("install: %d %s", in.status, in.body)
	}
}

func TestTeamMembership(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if err := f.SetTeam("acme", "network", "alice"); err != nil {
		t.Fatal(err)
	}
	path := "/orgs/acme/teams/network/memberships/"
	if r := f.do("GET", path+"alice", f.token(nil), nil); r.status != 403 || r.header.Get("X-Accepted-GitHub-Permissions") != "members=read" {
		t.Errorf("without the permission: %d", r.status)
	}
	permissions := map[string]string{"contents": "write", "members": "read"}
	if err := f.RequestPermissions("hnp-sync", permissions); err != nil {
		t.Fatal(err)
	}
	if r := f.do("GET", path+"alice", f.token(nil), nil); r.status != 403 {
		t.Errorf("asked for, not accepted: %d", r.status)
	}
	h := f.hook()
	if err := f.AcceptPermissions(installID); err != nil {
		t.Fatal(err)
	}
	if got := f.actions(h, "installation"); got != "new_permissions_accepted" {
		t.Errorf("events %s", got)
	}
	token := f.token(nil)
	for login, want := range map[string]int{"alice": 200, "eve": 404, "nobody": 404} {
		if r := f.do("GET", path+login, token, nil); r.status != want {
			t.Errorf("%s: %d %s", login, r.status, r.body)
		}
	}
	if r := f.do("GET", "/orgs/acme/teams/none/memberships/alice", token, nil); r.status != 404 {
		t.Errorf("no such team: %d", r.status)
	}
	if err := f.SetTeam("alice", "x", "alice"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a team of a person: %v", err)
	}
}

func TestTarball(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	r := f.do("GET", "/repos/acme/fabric/tarball/main", token, nil)
	target := r.header.Get("Location")
	if r.status != 302 || !strings.HasPrefix(target, "http://localhost:") {
		t.Fatalf("%d %s", r.status, target)
	}
	// The same server under its other name.
	path := target[strings.Index(target, "/codeload/"):]
	if leak := f.do("GET", path, token, nil); leak.status != 400 {
		t.Errorf("a token is taken: %d", leak.status)
	}
	got := f.do("GET", path, "", nil)
	if got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	z, err := gzip.NewReader(bytes.NewReader(got.body))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for archive := tar.NewReader(z); ; {
		head, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(head.Name, "/")
		files[name] = string(data)
	}
	if files["a/one.yaml"] != "one: 1\n" || !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment; filename=acme-fabric-"+f.head()[:7]) {
		t.Errorf("%v", files)
	}
	f.clock.advance(time.Hour)
	if r := f.do("GET", path, "", nil); r.status != http.StatusNotFound {
		t.Errorf("an old address works: %d", r.status)
	}
	if r := f.do("GET", "/repos/acme/fabric/tarball/none", f.token(nil), nil); r.status != 404 {
		t.Errorf("no such branch: %d", r.status)
	}
}
