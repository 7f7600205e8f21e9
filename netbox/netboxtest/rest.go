package netboxtest

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// request is one API request with its body read.
type request struct {
	id       string // X-Request-ID, chosen by the server
	method   string
	path     string
	query    url.Values
	rawQuery string
	header   http.Header
	ifMatch  map[string]bool // nil: no precondition
	base     string          // http://host
	body     []byte
	tooBig   bool
	template string // as counted: PATCH /api/plugins/hedgehog/vpcs/{id}/
	route    route
	token    *token
	authErr  *apiError
	user     *user
	faults   []Fault
}

// response is what goes back.
type response struct {
	status    int
	body      any    // JSON; nil with no text: empty
	text      string // anything but JSON
	ctype     string
	etag      string
	location  string
	allow     string
	anonymous bool // made outside the view: no X-Request-ID, no API-Version
}

// apiError is an answer that is not a success. With exception set it is a 500
// in NetBox's form.
type apiError struct {
	status    int
	body      any
	etag      string
	exception string
	text      string
}

const (
	allowList   = "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS"
	allowDetail = "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"
	allowRead   = "GET, HEAD, OPTIONS"
	pythonName  = "3.12.1"
)

func (s *Server) errorResponse(e *apiError, allow string) *response {
	if e.exception != "" {
		return &response{status: e.status, body: obj("error", e.text, "exception", e.exception, "netbox_version", s.version, "python_version", pythonName)}
	}
	return &response{status: e.status, body: e.body, etag: e.etag, allow: allow}
}

func (s *Server) notFoundPage() *response {
	return &response{status: http.StatusNotFound, ctype: "text/html; charset=utf-8", text: " <!DOCTYPE html> <html lang=\"en\" data-netbox-url-name=\"\" data-netbox-version=\"" +
		s.version + "\" > <head> <meta charset=\"UTF-8\" /> <title>Page Not Found | NetBox</title> </head> <body> <h1>Page Not Found</h1> </body> </html>\n"}
}

// errorPage is the HTML 500 that NetBox makes when an exception leaves the
// event queue, after the data was saved.
func (s *Server) errorPage(rq *request, e *apiError) *response {
	uri := rq.base + rq.path
	if len(rq.query) > 0 {
		uri += "?" + rq.query.Encode()
	}
	return &response{status: 500, ctype: "text/html; charset=utf-8", anonymous: true, text: "\n\n<!DOCTYPE html>\n<html lang=\"en\">\n\n<head>\n  <title>Server Error</title>\n" +
		"  <meta charset=\"UTF-8\">\n</head>\n\n<body>\n  <h2>Server Error</h2>\n  <p>\n    There was a problem with your request. Please contact an administrator.\n  </p>\n" +
		"  <pre class=\"block\"><strong>&lt;class &#x27;django.core.exceptions." + e.exception + "&#x27;&gt;</strong><br />\n" + html.EscapeString(e.text) +
		"\n\nPython version: " + pythonName + "\nNetBox version: " + s.version + "\nPlugins: \n  netbox_hedgehog: 0.2.0\n</pre>\n" +
		"  <p><code>" + rq.method + " " + html.EscapeString(uri) + "</code></p>\n</body>\n\n</html>\n"}
}

// route says what a path is.
type route struct {
	kind  string // list, detail, status, auth, stub, types, changes, change, redirect, missing, unknown
	model *model
	id    int64
}

// netboxApps are the first path elements NetBox's API has; below any other the
// answer is the HTML 404, as measured.
var netboxApps = []string{"circuits", "core", "dcim", "extras", "ipam", "tenancy", "users", "virtualization", "vpn", "wireless", "schema", "plugins"}

// match finds the route of a path below /api/. It never looks at the database.
func (s *Server) match(method, path string) (route, string) {
	if !strings.HasSuffix(path, "/") {
		// Django appends the slash for safe methods only, and only when the
		// longer path exists.
		r, _ := s.match(method, path+"/")
		if r.kind != "missing" && r.kind != "unknown" && (method == http.MethodGet || method == http.MethodHead) {
			return route{kind: "redirect"}, path
		}
		if r.kind == "unknown" {
			return r, path
		}
		return route{kind: "missing"}, path
	}
	switch path {
	case "/api/status/":
		return route{kind: "status"}, path
	case "/api/authentication-check/":
		return route{kind: "auth"}, path
	case pluginRoot + "sync/", pluginRoot + "status/":
		return route{kind: "stub"}, path
	case "/api/core/object-types/":
		return route{kind: "types"}, path
	case "/api/core/object-changes/":
		return route{kind: "changes"}, path
	}
	dir, last, _ := cutLast(path)
	if m := s.byRoute[path]; m != nil {
		return route{kind: "list", model: m}, path
	}
	id, err := strconv.ParseInt(last, 10, 64)
	if m := s.byRoute[dir]; m != nil {
		if err != nil || id < 0 {
			return route{kind: "missing"}, dir + "{id}/"
		}
		return route{kind: "detail", model: m, id: id}, dir + "{id}/"
	}
	if dir == "/api/core/object-changes/" && err == nil {
		return route{kind: "change", id: id}, dir + "{id}/"
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case len(parts) < 2 || !slices.Contains(netboxApps, parts[1]):
		return route{kind: "missing"}, path
	case parts[1] == "plugins":
		return route{kind: "missing"}, path
	}
	return route{kind: "unknown"}, path
}

// cutLast splits "/a/b/7/" into "/a/b/" and "7".
func cutLast(path string) (dir, last string, ok bool) {
	trimmed := strings.TrimSuffix(path, "/")
	i := strings.LastIndexByte(trimmed, '/')
	if i < 0 {
		return "", trimmed, false
	}
	return trimmed[:i+1], trimmed[i+1:], true
}

// serve answers one request. The caller holds s.mu.
func (s *Server) serve(rq *request) *response {
	switch rq.route.kind {
	case "redirect":
		to := rq.path + "/"
		if rq.rawQuery != "" {
			to += "?" + rq.rawQuery
		}
		return &response{status: http.StatusMovedPermanently, ctype: "text/html; charset=utf-8", location: to, anonymous: true}
	case "missing":
		return s.notFoundPage()
	case "unknown":
		return s.unknown(rq)
	case "stub":
		return s.errorResponse(&apiError{status: 500, exception: "AssertionError", text: "Cannot apply TokenPermissions on a view that does not set `.queryset` or have a `.get_queryset()` method."}, "")
	}
	allow := allowRead
	switch {
	case rq.route.kind == "list":
		allow = allowList
	case rq.route.kind == "detail":
		allow = allowDetail
	}
	if rq.method == http.MethodOptions || rq.query.Get("background") == "true" && rq.method != http.MethodGet && !s.old() {
		return s.unknown(rq)
	}
	resp, apiErr := s.view(rq)
	switch {
	case apiErr != nil && apiErr.status == htmlError:
		return s.errorPage(rq, apiErr)
	case apiErr != nil:
		return s.errorResponse(apiErr, allow)
	}
	if !resp.anonymous {
		resp.allow = allow
	}
	return resp
}

// unknown is the stand-in's own answer to what it does not model.
func (s *Server) unknown(rq *request) *response {
	s.noteUnknown(rq.method + " " + rq.path)
	return &response{status: http.StatusNotImplemented, body: obj("detail", "netboxtest does not model "+rq.method+" "+rq.path)}
}

func (s *Server) view(rq *request) (*response, *apiError) {
	if rq.authErr != nil {
		return nil, rq.authErr
	}
	safe := rq.method == http.MethodGet || rq.method == http.MethodHead
	if !safe && !rq.token.writeEnabled {
		return nil, forbidden()
	}
	m := rq.route.model
	switch {
	case rq.route.kind == "list" || rq.route.kind == "detail":
		action, ok := map[string]string{"GET": "view", "HEAD": "view", "POST": "add", "PUT": "change", "PATCH": "change", "DELETE": "delete"}[rq.method]
		if !ok || rq.route.kind == "detail" && action == "add" {
			return nil, methodNotAllowed(rq.method)
		}
		if !rq.user.may(action, m.typeName()) {
			return nil, forbidden()
		}
	case !safe:
		return nil, methodNotAllowed(rq.method)
	}
	switch rq.route.kind {
	case "status":
		return s.status(), nil
	case "auth":
		return &response{status: 200, body: s.representUser(rq.user, rq.base)}, nil
	case "types":
		return s.listTypes(rq)
	case "changes":
		return s.listChanges(rq)
	case "change":
		return s.getChange(rq)
	case "list":
		if safe {
			return s.list(rq, m)
		}
		return s.write(rq, m)
	case "detail":
		if safe {
			return s.detail(rq, m)
		}
		return s.write(rq, m)
	}
	return s.unknown(rq), nil
}

func methodNotAllowed(method string) *apiError {
	return &apiError{status: http.StatusMethodNotAllowed, body: obj("detail", `Method "`+method+`" not allowed.`)}
}

func (s *Server) status() *response {
	django, drf := "6.1.2", "3.18.0"
	if s.old() {
		django, drf = "6.0.8", "3.17.0"
	}
	return &response{status: 200, body: obj("django-version", django, "hostname", "netbox",
		"installed_apps", obj("django_filters", "26.2", "django_prometheus", "2.4.0", "django_rq", "4.2.0", "django_tables2", "3.0.1", "drf_spectacular", "0.30.0",
			"drf_spectacular_sidecar", "2026.10.1", "mptt", "0.18.0", "rest_framework", drf, "social_django", "6.1.0", "taggit", "6.1.0", "timezone_field", "7.2.2"),
		"netbox-version", s.version, "netbox-full-version", s.version, "plugins", obj("netbox_hedgehog", "0.2.0"), "python-version", pythonName, "rq-workers-running", int64(1))}
}

func (s *Server) selectionOf(rq *request) selection {
	return selection{fields: splitNames(rq.query["fields"]), omit: splitNames(rq.query["omit"])}
}

func (s *Server) detail(rq *request, m *model) (*response, *apiError) {
	r := s.db.get(m, rq.route.id)
	if r == nil || !s.sees(rq.user, "view", m, r) {
		return nil, noMatch(m)
	}
	body, apiErr := s.represent(reprContext{base: rq.base, sel: s.briefOr(rq, m)}, m, r)
	if apiErr != nil {
		return nil, apiErr
	}
	resp := &response{status: 200, body: body}
	if !m.noETag {
		resp.etag = etag(r.updated)
	}
	return resp, nil
}

func (s *Server) briefOr(rq *request, m *model) selection {
	if m.brief != nil && truthy(rq.query.Get("brief")) {
		return selection{fields: splitNames(m.brief)}
	}
	return s.selectionOf(rq)
}

func truthy(v string) bool { return v == "1" || strings.EqualFold(v, "true") }

func noMatch(m *model) *apiError {
	return &apiError{status: http.StatusNotFound, body: obj("detail", "No "+m.objectName+" matches the given query.")}
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s", e.status, e.text) }
