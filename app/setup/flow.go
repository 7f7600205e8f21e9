package setup

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// FlowTime is how long GitHub lets a registration from a manifest take (facts: one hour).
const FlowTime = time.Hour

// maxConversion bounds GitHub's answer; a key has about 2 KB.
const maxConversion = 1 << 20

// App is a registered App. PEM and WebhookSecret are secret.
type App struct {
	ID            int64
	Slug          string
	InstallURL    string // where it is installed on repositories
	PEM           string
	WebhookSecret string
}

// String hides the secrets, whatever prints an App.
func (a App) String() string { return fmt.Sprintf("App %d (%s)", a.ID, a.Slug) }

// GoString hides the secrets.
func (a App) GoString() string { return a.String() }

// Flow registers an App from the manifest with the help of a person's browser.
type Flow struct {
	Web, API  string // as Endpoints gives them
	Org       string // the App's owner; empty: the person's own account
	PublicURL string // of the server, without a slash at the end
	Manifest  Manifest
	// Save keeps the App before the browser is told that it exists.
	Save func(App) error
	// Transport carries the one request to GitHub; nil is http.DefaultTransport.
	Transport http.RoundTripper
}

var (
	orgPattern  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,38}$`)
	codePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)
	slugPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)
)

var page = template.Must(template.New("page").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><title>hnp-sync: register the GitHub App</title>
<h1>Register the GitHub App</h1>
<p>GitHub shows a page where you can change the App's name. It is created {{if .Org}}in the organisation {{.Org}}{{else}}in your own account{{end}} on {{.Web}}.</p>
<form method="post" action="{{.Action}}"><input type="hidden" name="manifest" value="{{.Manifest}}"><button type="submit">Go on to GitHub</button></form></html>`))

// Run serves the page on listener, which it closes, and waits for the App, for ctx, or for FlowTime. shown gets the
// page's address. After an error of ctx nothing was saved: an exchange that is under way at that moment is waited for,
// for 35 seconds, and its outcome is the result.
func (f Flow) Run(ctx context.Context, listener net.Listener, shown func(address string)) (App, error) {
	defer func() { _ = listener.Close() }()
	if f.Org != "" && !orgPattern.MatchString(f.Org) {
		return App{}, fmt.Errorf("%q is not the name of an organisation", f.Org)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, FlowTime, errors.New("the registration took longer than the hour GitHub allows: start it again"))
	defer cancel()
	host := listener.Addr().String()
	secret, state := rand.Text(), rand.Text()
	base := "http://" + host + "/" + secret
	manifest, err := f.Manifest.registration(f.PublicURL, base+"/callback")
	if err != nil {
		return App{}, err
	}
	action := f.Web + "/settings/apps/new?state=" + state
	if f.Org != "" {
		action = f.Web + "/organizations/" + f.Org + "/settings/apps/new?state=" + state
	}
	type outcome struct {
		app App
		err error
	}
	done := make(chan outcome, 1)
	taken := make(chan struct{}, 1) // one code is exchanged, whatever arrives beside it
	mux := http.NewServeMux()
	mux.HandleFunc("GET /"+secret, func(w http.ResponseWriter, _ *http.Request) {
		_ = page.Execute(w, map[string]any{"Org": f.Org, "Web": f.Web, "Action": template.URL(action), "Manifest": string(manifest)})
	})
	mux.HandleFunc("GET /"+secret+"/callback", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(state)) != 1 {
			http.Error(w, "This answer does not belong to the registration that is waiting. Start from the address in the terminal.", http.StatusForbidden)
			return
		}
		if !codePattern.MatchString(q.Get("code")) {
			http.Error(w, "GitHub sent no code. Start again from the address in the terminal.", http.StatusBadRequest)
			return
		}
		select {
		case taken <- struct{}{}:
		default:
			http.Error(w, "The registration is already being finished.", http.StatusConflict)
			return
		}
		app, err := f.convert(r.Context(), q.Get("code"))
		if err == nil {
			err = f.Save(app)
		}
		if err != nil {
			http.Error(w, "The registration failed. The terminal says why.", http.StatusBadGateway)
		} else {
			http.Redirect(w, r, app.InstallURL, http.StatusSeeOther)
		}
		done <- outcome{app, err}
	})
	server := &http.Server{Handler: guard(host, f.Web, mux), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 32 << 10}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	shown(base)
	var out outcome
	select {
	case out = <-done:
	case <-ctx.Done():
		out.err = context.Cause(ctx)
	case out.err = <-served:
		return App{}, fmt.Errorf("serve the page: %w", out.err)
	}
	stop, cancelStop := context.WithTimeout(context.WithoutCancel(ctx), 35*time.Second)
	defer cancelStop()
	if err := server.Shutdown(stop); err != nil { // the browser gets its answer first
		_ = server.Close()
	}
	<-served
	if errors.Is(out.err, context.Cause(ctx)) && out.err != nil {
		select { // the code arrived at the same moment: the App exists and is saved, which must not be hidden
		case late := <-done:
			out = late
		default:
		}
	}
	return out.app, out.err
}

// guard refuses requests that name another host and keeps the page out of frames and scripts.
func guard(host, web string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != host {
			http.Error(w, "Use the address in the terminal.", http.StatusForbidden)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action "+web)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// convert exchanges the code for the App and its secrets. A code works once.
func (f Flow) convert(ctx context.Context, code string) (App, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.API+"/app-manifests/"+url.PathEscape(code)+"/conversions", nil)
	if err != nil {
		return App{}, err
	}
	req.Header.Set("Accept", "application/vnd.github+json")
	req.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	req.Header.Set("User-Agent", "hnp-sync")
	client := &http.Client{Transport: f.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return App{}, fmt.Errorf("get the App's key from %s: %w", f.API, withoutURL(err))
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusCreated {
		return App{}, fmt.Errorf("get the App's key from %s: answer %d instead of 201: if the App exists, delete it on GitHub and start again", f.API, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxConversion+1))
	var a struct {
		ID            int64  `json:"id"`
		Slug          string `json:"slug"`
		HTMLURL       string `json:"html_url"`
		PEM           string `json:"pem"`
		WebhookSecret string `json:"webhook_secret"`
	}
	if err != nil || len(body) > maxConversion || json.Unmarshal(body, &a) != nil {
		return App{}, fmt.Errorf("get the App's key from %s: the answer cannot be read: delete the App on GitHub and start again", f.API)
	}
	block, _ := pem.Decode([]byte(a.PEM))
	var keyErr error
	if block != nil {
		if _, keyErr = x509.ParsePKCS1PrivateKey(block.Bytes); keyErr != nil {
			_, keyErr = x509.ParsePKCS8PrivateKey(block.Bytes)
		}
	}
	if a.ID <= 0 || !slugPattern.MatchString(a.Slug) || block == nil || keyErr != nil || strings.TrimSpace(a.WebhookSecret) == "" {
		return App{}, fmt.Errorf("get the App's key from %s: the answer lacks the id, the name, the key or the webhook secret: delete the App on GitHub and start again", f.API)
	}
	install := f.Web + "/apps/" + a.Slug
	if strings.HasPrefix(a.HTMLURL, f.Web+"/") { // GitHub Enterprise Server has another path
		install = strings.TrimRight(a.HTMLURL, "/")
	}
	return App{ID: a.ID, Slug: a.Slug, InstallURL: install + "/installations/new", PEM: a.PEM, WebhookSecret: strings.TrimSpace(a.WebhookSecret)}, nil
}

// withoutURL drops the address from an error of net/http: the code in it is worth the App's key.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
