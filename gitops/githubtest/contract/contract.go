// Package contract holds a GitHub stand-in to GitHub's published
// descriptions: every REST request and answer to the OpenAPI description,
// every GraphQL document, its variables and its answer to the schema, every
// webhook payload to its schema. Violations are test errors.
//
// It guarantees that what passes has the documented shape. It does not know
// semantics, and it cannot see a misspelt optional member, because the
// descriptions allow additional ones. Only tests import it: its dependencies
// must not reach the program.
package contract

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// description is the REST part, loaded once for a test binary (0.4 s).
type description struct {
	doc    *openapi3.T
	router routers.Router
}

var load = sync.OnceValues(func() (*description, error) {
	data, err := read("openapi.json")
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return nil, fmt.Errorf("load openapi.json: %w", err)
	}
	doc.Servers = openapi3.Servers{{URL: "/"}}
	// An account is a user or an enterprise; this list says it is both.
	if item := doc.Paths.Value("/app/installations"); item != nil {
		account := item.Get.Responses.Status(200).Value.Content.Get("application/json").Schema.Value.Items.Value.Properties["account"].Value
		account.AnyOf, account.AllOf = account.AllOf, nil
	}
	// The head of a pull request has no repository once its fork was deleted; GitHub's description of the webhooks
	// says so, that of the answers does not.
	for _, name := range []string{"pull-request", "pull-request-simple"} {
		if schema := doc.Components.Schemas[name]; schema != nil {
			head := schema.Value.Properties["head"].Value
			repo := *head.Properties["repo"].Value
			repo.Nullable = true
			head.Properties["repo"] = &openapi3.SchemaRef{Value: &repo}
		}
	}
	// Events that came after the lists of events were written, and the conclusion that GitHub alone gives.
	amend(doc, func(enum []any) []any {
		switch {
		case slices.Contains(enum, any("registry_package")) && !slices.Contains(enum, any("merge_group")):
			return append(enum, "merge_group")
		case slices.Contains(enum, any("timed_out")) && !slices.Contains(enum, any("stale")):
			return append(enum, "stale")
		}
		return enum
	})
	// Parameters that may hold slashes do not match a plain template.
	for path, item := range doc.Paths.Map() {
		renamed := path
		if strings.HasSuffix(path, "/commits/{commit_sha}/pulls") {
			// Named as its neighbours: the router tries them by name, and {ref} alone would take the whole rest.
			renamed = strings.Replace(path, "{commit_sha}", "{ref:.+}", 1)
			for _, p := range item.Get.Parameters {
				if p.Value != nil && p.Value.Name == "commit_sha" {
					named := *p.Value
					named.Name = "ref"
					p.Value = &named
				}
			}
		}
		for _, op := range item.Operations() {
			for _, p := range op.Parameters {
				if p.Value != nil && p.Value.In == "path" && p.Value.Extensions["x-multi-segment"] == true {
					renamed = strings.Replace(renamed, "{"+p.Value.Name+"}", "{"+p.Value.Name+":.+}", 1)
				}
			}
		}
		if renamed != path {
			doc.Paths.Delete(path)
			doc.Paths.Set(renamed, item)
		}
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, fmt.Errorf("route openapi.json: %w", err)
	}
	for _, media := range []string{"application/vnd.github.raw", "application/vnd.github.raw+json", "application/vnd.github.v3.raw", "text/plain", "application/octet-stream"} {
		openapi3filter.RegisterBodyDecoder(media, openapi3filter.FileBodyDecoder)
	}
	return &description{doc, router}, nil
})

// amend changes the enumerations of every schema of an answer or a webhook.
func amend(doc *openapi3.T, change func([]any) []any) {
	seen := map[*openapi3.Schema]bool{}
	var walk func(*openapi3.SchemaRef)
	walk = func(ref *openapi3.SchemaRef) {
		if ref == nil || ref.Value == nil || seen[ref.Value] {
			return
		}
		s := ref.Value
		seen[s] = true
		if len(s.Enum) > 0 {
			s.Enum = change(s.Enum)
		}
		for _, list := range []openapi3.SchemaRefs{s.AllOf, s.AnyOf, s.OneOf, {s.Items}} {
			for _, one := range list {
				walk(one)
			}
		}
		for _, one := range s.Properties {
			walk(one)
		}
	}
	media := func(content openapi3.Content) {
		for _, m := range content {
			walk(m.Schema)
		}
	}
	for path, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for _, answer := range op.Responses.Map() {
				media(answer.Value.Content)
			}
			if strings.HasPrefix(path, "/_webhook/") && op.RequestBody != nil {
				media(op.RequestBody.Value.Content)
			}
		}
	}
}

// read finds a recorded file from wherever inside the module the test runs.
func read(name string) ([]byte, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return os.ReadFile(filepath.Join(dir, "testdata", "contract", "github", name))
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return nil, errors.New("no go.mod above the working directory")
		}
		dir = parent
	}
}

// Wrap checks everything that goes through a stand-in's handler. Git traffic,
// what a browser asks for, the stand-in's own "/_…" routes and answers with status 500 and above,
// which faults make, pass unchecked.
func Wrap(t testing.TB, next http.Handler) http.Handler {
	t.Helper()
	d, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/api/v3")
		if strings.HasPrefix(path, "/_") || strings.HasPrefix(path, "/codeload/") || strings.HasSuffix(path, "/settings/apps/new") || strings.Contains(path, ".git/") || strings.HasSuffix(path, "/info/refs") {
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("%s %s: read body: %v", r.Method, path, err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		rec := &recorder{w: w, status: http.StatusOK, header: http.Header{}}
		defer func() {
			// A stand-in that breaks off in the middle: what it wrote goes out.
			if p := recover(); p != nil {
				rec.pass()
				panic(p)
			}
		}()
		next.ServeHTTP(rec, r)
		if rec.hijacked {
			return
		}
		if rec.status < 500 {
			var problem error
			if path == "/graphql" || path == "/api/graphql" {
				problem = checkGraphQL(body, rec)
			} else {
				problem = d.check(r, path, body, rec)
			}
			if problem != nil {
				t.Errorf("contract: %s %s → %d: %v\nrequest %.2000s\nanswer %.4000s", r.Method, r.URL.Path, rec.status, problem, body, rec.body.Bytes())
			}
		}
		rec.pass()
	})
}

type recorder struct {
	w        http.ResponseWriter
	status   int
	header   http.Header
	body     bytes.Buffer
	hijacked bool
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

func (r *recorder) pass() {
	for k, v := range r.header {
		r.w.Header()[k] = v
	}
	r.w.WriteHeader(r.status)
	r.w.Write(r.body.Bytes())
	if fl, ok := r.w.(http.Flusher); ok {
		fl.Flush()
	}
}

// Hijack passes on, so that a stand-in can reset a connection.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	hj, ok := r.w.(http.Hijacker)
	if !ok {
		return nil, nil, errors.New("connection cannot be hijacked")
	}
	r.hijacked = true
	return hj.Hijack()
}

func (d *description) check(r *http.Request, path string, body []byte, rec *recorder) error {
	// Link and redirect targets name a repository by id; the same operations.
	if rest, ok := strings.CutPrefix(path, "/repositories/"); ok {
		_, rest, _ := strings.Cut(rest, "/")
		path = strings.TrimSuffix("/repos/owner/name/"+rest, "/")
	}
	if path = strings.TrimSuffix(path, "/"); strings.HasSuffix(path, "/contents") {
		path += "/-" // the root directory, described with an empty path
	}
	inner := r.Clone(context.Background())
	inner.URL.Path, inner.URL.RawPath = path, ""
	inner.Method = strings.Replace(r.Method, "HEAD", "GET", 1)
	route, params, err := d.router.FindRoute(inner)
	if err != nil {
		return fmt.Errorf("no such operation: %w", err)
	}
	options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, MultiError: true, IncludeResponseStatus: true}
	options.WithCustomSchemaErrorFunc(brief)
	request := &openapi3filter.RequestValidationInput{Request: inner, PathParams: params, Route: route, Options: options}
	if rec.status < 400 && !requestAllowed(route.Path, body) {
		inner.Body = io.NopCloser(bytes.NewReader(body))
		inner.Header.Set("Content-Type", "application/json")
		if err := openapi3filter.ValidateRequest(context.Background(), request); err != nil {
			return fmt.Errorf("request: %w", err)
		}
	}
	return checkAnswer(request, rec)
}

// brief leaves out the schema and the value, which fill the screen.
func brief(err *openapi3.SchemaError) string {
	text := "/" + strings.Join(err.JSONPointer(), "/") + ": " + err.Reason
	if err.Origin != nil {
		text += " (" + err.Origin.Error() + ")"
	}
	return text
}

// requestAllowed lists requests that GitHub accepts although the description
// does not: each is a known false alarm.
func requestAllowed(template string, body []byte) bool {
	text := strings.TrimSpace(string(body))
	switch {
	case text == "" || text == "null":
		return true // access_tokens and others take null for no body
	case strings.HasSuffix(template, "/labels") && strings.HasPrefix(text, "["):
		return true // a bare array of labels, allowed in prose
	}
	return false
}

func checkAnswer(request *openapi3filter.RequestValidationInput, rec *recorder) error {
	documented := request.Route.Operation.Responses.Status(rec.status) != nil
	switch {
	case rec.status == http.StatusNotModified:
		return nil
	case rec.status >= 300 && (!documented || rec.status == http.StatusConflict || rec.status == http.StatusUnprocessableEntity):
		// Limits, refusals and redirects are described for the API as a whole.
		// 409 and 422 are described as exactly one of two schemas that most
		// answers match both.
		var e struct {
			Message string           `json:"message"`
			Doc     string           `json:"documentation_url"`
			Errors  []map[string]any `json:"errors"`
		}
		if err := json.Unmarshal(rec.body.Bytes(), &e); err != nil || e.Message == "" || e.Doc == "" {
			return errors.New("an error answer without message and documentation_url")
		}
		for _, one := range e.Errors {
			if one["code"] == nil {
				return errors.New("an entry of errors without code")
			}
		}
		return nil
	case !documented:
		return fmt.Errorf("status %d is not described", rec.status)
	case strings.Contains(rec.header.Get("Content-Type"), "raw"):
		return nil // raw media types are described in prose only
	case rec.status == http.StatusFound:
		return nil
	}
	// GitHub appends its version to the media type; the description does not.
	in := &openapi3filter.ResponseValidationInput{RequestValidationInput: request, Status: rec.status, Header: rec.header, Options: request.Options}
	if rec.body.Len() == 0 {
		ref := request.Route.Operation.Responses.Status(rec.status)
		if ref.Value != nil && len(ref.Value.Content) > 0 && rec.status != http.StatusNoContent {
			return errors.New("an empty answer where one is described")
		}
		return nil
	}
	in.SetBodyBytes(rec.body.Bytes())
	return openapi3filter.ValidateResponse(context.Background(), in)
}

// Webhooks checks each payload that passes on its way to a receiver.
func Webhooks(t testing.TB, base http.RoundTripper) http.RoundTripper {
	t.Helper()
	d, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body.Close()
		out := r.Clone(r.Context())
		out.Body = io.NopCloser(bytes.NewReader(body))
		if r.Header.Get("Content-Type") == "application/json" {
			if err := d.checkWebhook(r.Header.Get("X-GitHub-Event"), body); err != nil {
				t.Errorf("contract: webhook %s: %v\n%.4000s", r.Header.Get("X-GitHub-Event"), err, body)
			}
		}
		return base.RoundTrip(out)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (d *description) checkWebhook(event string, body []byte) error {
	var payload map[string]any
	if err := json.Unmarshal(body, &payload); err != nil {
		return err
	}
	name := event
	if action, ok := payload["action"].(string); ok {
		name += "-" + action
	}
	item := d.doc.Paths.Value("/_webhook/" + strings.ReplaceAll(name, "_", "-"))
	if item == nil || item.Post == nil {
		return fmt.Errorf("no schema for %s", name)
	}
	media := item.Post.RequestBody.Value.Content.Get("application/json")
	return media.Schema.Value.VisitJSON(payload, openapi3.MultiErrors(), openapi3.VisitAsRequest(), openapi3.SetSchemaErrorMessageCustomizer(brief))
}
