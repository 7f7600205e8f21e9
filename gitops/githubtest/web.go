package githubtest

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// What a browser, not the API, asks GitHub for: creating an App from a
// manifest, and archives, which are served by another host.

// manifestLife is how long the code of a manifest can be exchanged.
const manifestLife = time.Hour

// archiveLife is how long the address of a private archive works.
const archiveLife = 5 * time.Minute

// manifestRow is an App that was agreed to in the browser and not fetched yet.
type manifestRow struct {
	ID       int64           `json:"id"`
	Code     string          `json:"code"`
	OwnerID  int64           `json:"owner_id"`
	Manifest json.RawMessage `json:"manifest"`
	Until    time.Time       `json:"until"`
}

// manifest is what an App asks to be, as far as the stand-in models it.
type manifest struct {
	Name  string `json:"name"`
	URL   string `json:"url"`
	Hooks struct {
		URL    string `json:"url"`
		Active *bool  `json:"active"`
	} `json:"hook_attributes"`
	RedirectURL string            `json:"redirect_url"`
	Events      []string          `json:"default_events"`
	Permissions map[string]string `json:"default_permissions"`
}

type archive struct {
	dir   string
	name  string
	oid   string
	until time.Time
}

func isWebPath(path string) bool {
	return path == "/settings/apps/new" || strings.HasPrefix(path, "/organizations/") && strings.HasSuffix(path, "/settings/apps/new") || strings.HasPrefix(path, "/codeload/")
}

func (s *Server) serveWeb(w http.ResponseWriter, r *http.Request) {
	if token, ok := strings.CutPrefix(r.URL.Path, "/codeload/"); ok && r.Method == http.MethodGet {
		s.serveArchive(w, r, token)
		return
	}
	if r.Method != http.MethodPost {
		http.Error(w, "the GitHub stand-in takes the form that is sent here, and has no page to show", http.StatusMethodNotAllowed)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	org := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/organizations/"), "/settings/apps/new")
	if r.URL.Path == "/settings/apps/new" {
		org = ""
	}
	target, err := s.agree(org, r.FormValue("manifest"), r.URL.Query().Get("state"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	http.Redirect(w, r, target, http.StatusFound)
}

// agree is the person who reads the manifest's page and clicks "Create GitHub
// App": the owner of the organization, or without one the first user there is.
// It returns the address the browser goes to, with the code and the state.
func (s *Server) agree(org, text, state string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var owner *accountRow
	for _, a := range s.accounts.all() {
		if org == "" && a.Type == typeUser || org != "" && a.Type == typeOrg && strings.EqualFold(a.Login, org) {
			owner = a
			break
		}
	}
	if owner == nil {
		return "", fmt.Errorf("no account %q", org)
	}
	var m manifest
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return "", fmt.Errorf("manifest is not valid JSON: %w", err)
	}
	target, err := url.Parse(m.RedirectURL)
	if err != nil || target.Host == "" {
		return "", fmt.Errorf("redirect_url %q is no address", m.RedirectURL)
	}
	if err := s.checkManifest(&m); err != nil {
		return "", err
	}
	row := &manifestRow{ID: s.newID(), Code: randomHex(20), OwnerID: owner.ID, Manifest: json.RawMessage(text), Until: s.clock.Now().Add(manifestLife).UTC()}
	s.manifests.put(row.ID, row)
	q := target.Query()
	q.Set("code", row.Code)
	if state != "" {
		q.Set("state", state)
	}
	target.RawQuery = q.Encode()
	return target.String(), nil
}

func (s *Server) checkManifest(m *manifest) error {
	slug := m.slug()
	switch {
	case m.Name == "" || len(m.Name) > 34 || !validName(slug):
		return fmt.Errorf("name %q is missing, longer than 34 characters or no name", m.Name)
	case m.URL == "":
		return fmt.Errorf("url wasn't supplied")
	case slices.ContainsFunc(s.apps.all(), func(a *appRow) bool { return a.Slug == slug }):
		return fmt.Errorf("name %q is already taken", m.Name)
	}
	for name, level := range m.Permissions {
		if levelRank(level) < 1 {
			return fmt.Errorf("default_permissions.%s: %q is no level", name, level)
		}
	}
	return nil
}

func (m *manifest) slug() string { return strings.ReplaceAll(strings.ToLower(m.Name), " ", "-") }

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// convertManifest exchanges a code for the App and its secrets: once, within
// an hour, without any credential.
func (c *call) convertManifest() (int, any, error) {
	s := c.s
	var row *manifestRow
	for _, m := range s.manifests.rows {
		if m.Code == c.params["code"] && s.clock.Now().Before(m.Until) {
			row = m
		}
	}
	if row == nil {
		return 0, nil, errNotFound
	}
	var m manifest
	if err := json.Unmarshal(row.Manifest, &m); err != nil {
		return 0, nil, err
	}
	if err := s.checkManifest(&m); err != nil {
		return 0, nil, invalid("Integration", "name", "custom", err.Error())
	}
	in := SeedApp{Name: m.Name, Slug: m.slug(), Permissions: m.Permissions, Events: m.Events}
	var secret any
	if m.Hooks.URL != "" && (m.Hooks.Active == nil || *m.Hooks.Active) {
		in.WebhookURL, in.WebhookSecret = m.Hooks.URL, randomHex(20)
		secret = in.WebhookSecret
	}
	if err := s.seedApp(&Seed{}, in); err != nil {
		return 0, nil, err
	}
	s.manifests.remove(row.ID)
	app, err := s.app(in.Slug)
	if err != nil {
		return 0, nil, err
	}
	app.OwnerID = row.OwnerID
	s.apps.put(app.ID, app)
	out := c.renderApp(app)
	out["client_secret"], out["webhook_secret"], out["pem"] = randomHex(20), secret, string(s.keys[app.Slug])
	return 201, out, nil
}

// tarball answers with an address on another host, where the API's token has
// no business: a request that brings one there is refused.
func (c *call) tarball() (int, any, error) {
	k, err := c.commitAt(c.params["ref"])
	if err != nil {
		return 0, nil, notFoundFor(err)
	}
	now := c.s.clock.Now()
	for token, a := range c.s.archives {
		if !now.Before(a.until) {
			delete(c.s.archives, token)
		}
	}
	token := randomHex(20)
	owner := c.s.accounts.rows[c.repo.OwnerID].Login
	c.s.archives[token] = archive{dir: c.git.dir, name: fmt.Sprintf("%s-%s-%s", owner, c.repo.Name, k.oid[:7]), oid: k.oid, until: now.Add(archiveLife)}
	host := cmp.Or(c.req.Host, strings.TrimPrefix(c.s.url(), "http://"))
	if name, port, err := net.SplitHostPort(host); err == nil {
		switch name {
		case "127.0.0.1":
			host = net.JoinHostPort("localhost", port)
		case "localhost":
			host = net.JoinHostPort("127.0.0.1", port)
		}
	}
	c.header.Set("Location", "http://"+host+"/codeload/"+token)
	return 302, nil, nil
}

func (s *Server) serveArchive(w http.ResponseWriter, r *http.Request, token string) {
	if r.Header.Get("Authorization") != "" {
		s.logf("a token was sent to the archive host")
		http.Error(w, "a token of the API was sent to the archive host", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	a, ok := s.archives[token]
	ok = ok && s.clock.Now().Before(a.until)
	s.mu.Unlock()
	if !ok {
		http.Error(w, "404: Not Found", http.StatusNotFound)
		return
	}
	out, err := s.git.run(a.dir, nil, "archive", "--format=tar.gz", "--prefix="+a.name+"/", a.oid)
	if err != nil {
		s.logf("archive %s: %v", a.name, err)
		http.Error(w, "archive failed", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-gzip")
	w.Header().Set("Content-Disposition", "attachment; filename="+a.name+".tar.gz")
	w.Write(out)
}
