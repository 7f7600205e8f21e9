package githubtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxBody is GitHub's documented 40 MB for blobs in base64, rounded up.
const maxBody = 160 << 20

// call is one API request on its way through the Server.
type call struct {
	s      *Server
	req    *http.Request
	path   string // without /api/v3
	prefix string // "/api/v3" or ""
	query  url.Values
	params map[string]string
	body   []byte
	id     *identity
	route  *route
	repo   *repoRow // of /repos/{owner}/{repo}/…
	git    *gitRepo
	header http.Header
}

// apiError is an answer that is not a success.
type apiError struct {
	status  int
	message string
	errors  []any
	doc     string
	header  map[string]string
	// protected: a branch's protection refused.
	protected bool
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s", e.status, e.message) }

func fail(status int, format string, args ...any) *apiError {
	return &apiError{status: status, message: fmt.Sprintf(format, args...)}
}

// invalid is GitHub's validation answer with one entry in errors.
func invalid(resource, field, code, message string) *apiError {
	e := map[string]any{"resource": resource, "code": code}
	if field != "" {
		e["field"] = field
	}
	if message != "" {
		e["message"] = message
	}
	return &apiError{status: 422, message: "Validation Failed", errors: []any{e}}
}

var errNotFound = fail(404, "Not Found")

// raw is an answer body that is not JSON.
type raw struct {
	contentType string
	data        []byte
}

// answer is what goes out.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// Handler serves everything: REST, GraphQL, Git and the stand-in's own
// "/_…" routes.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/_"):
			s.serveAdmin(w, r)
		case isWebPath(r.URL.Path):
			s.serveWeb(w, r)
		case isGitPath(r.URL.Path):
			s.serveGit(w, r)
		default:
			s.serveAPI(w, r)
		}
	})
}

func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	c := &call{s: s, req: r, query: r.URL.Query(), header: http.Header{}}
	c.path = r.URL.EscapedPath()
	if rest, ok := strings.CutPrefix(c.path, "/api/v3"); ok && (rest == "" || rest[0] == '/') {
		c.path, c.prefix = rest, "/api/v3"
	}
	if c.path == "" {
		c.path = "/"
	}
	s.mu.Lock()
	w.Header().Set("Date", s.clock.Now().Add(s.knobs.ClockSkew).UTC().Format(http.TimeFormat))
	s.mu.Unlock()
	w.Header().Set("X-GitHub-Request-Id", strings.ToUpper(randomHex(10)))
	isGraphQL := c.path == "/api/graphql" || c.path == "/graphql" && c.prefix == ""
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		writeAnswer(w, c.errorAnswer(fail(413, "Request body too large")))
		return
	}
	c.body = body

	s.mu.Lock()
	var authErr error
	c.id, authErr = s.identify(r)
	template := ""
	var gql *graphqlRequest
	if isGraphQL {
		gql = parseGraphQLRequest(r.Method, c.body)
		c.route = &graphqlRoute
		template = gql.template()
	} else {
		c.route, c.params = s.match(r.Method, c)
		if c.route != nil {
			template = c.route.method + " " + c.route.template
		}
	}
	if c.route == nil {
		what := r.Method + " " + c.path
		s.unknown = append(s.unknown, what)
		s.mu.Unlock()
		s.logf("unknown route %s", what)
		writeAnswer(w, c.errorAnswer(fail(501, "the GitHub stand-in has no route %s", what)))
		return
	}
	mint := c.route.mint
	s.stats.count(c.id.statLogin(), template, mint)
	fault := s.takeFault(c.id.statLogin(), template, gql.operations(), false)
	s.mu.Unlock()

	if fault != nil {
		switch fault.Action {
		case actionDrop:
			abort(w)
			return
		case actionDelay:
			select {
			case <-s.after(time.Duration(fault.DelayMS) * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		case actionErrorBefore:
			writeAnswer(w, fault.answer())
			return
		}
	}
	ans := c.run(authErr, gql, template)
	if fault.after(w, ans) {
		return
	}
	if ans.status >= 500 {
		s.logf("%s %s: %d %s", r.Method, c.path, ans.status, ans.body)
	}
	writeAnswer(w, ans)
}

// run authorises and executes the call. The whole of it happens under the
// Server's lock: a request sees and makes one consistent state.
func (c *call) run(authErr error, gql *graphqlRequest, template string) *answer {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	if authErr != nil {
		ans := c.errorAnswer(authErr)
		s.bucket(&identity{}, "core").headers(ans.header)
		return ans
	}
	if c.req.UserAgent() == "" {
		return c.errorAnswer(fail(403, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header (https://docs.github.com/en/rest/overview/resources-in-the-rest-api#user-agent-required)."))
	}
	resource := "core"
	if gql != nil {
		resource = "graphql"
	}
	bucket := s.bucket(c.id, resource)
	free := c.route.free
	if !free {
		if bucket.used >= bucket.limit {
			return c.limitAnswer(bucket, gql != nil)
		}
		bucket.used++
	}
	if e := c.tooMuchContent(gql); e != nil {
		ans := c.errorAnswer(e)
		bucket.headers(ans.header)
		return ans
	}
	ans := c.execute(gql)
	if ans.status == 200 && c.req.Method == "GET" && c.conditional(ans) && !free && c.id.kind != identityAnonymous {
		bucket.used-- // a 304 is free for authenticated callers
	}
	bucket.headers(ans.header)
	return ans
}

func (c *call) execute(gql *graphqlRequest) *answer {
	if gql != nil {
		return c.runGraphQL(gql)
	}
	if err := c.authorize(); err != nil {
		return c.errorAnswer(err)
	}
	status, body, err := c.route.handle(c)
	if err != nil {
		return c.errorAnswer(err)
	}
	return c.answer(status, body)
}

// conditional adds the ETag and turns the answer into a 304 when the caller
// has it already.
func (c *call) conditional(ans *answer) bool {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00", c.req.Header.Get("Accept"), c.id.statLogin())
	if !c.s.knobs.SharedETags && c.id.token != nil {
		// GitHub's ETags change with the token (facts §4).
		fmt.Fprintf(h, "%d\x00", c.id.token.ID)
	}
	h.Write(ans.body)
	etag := fmt.Sprintf(`W/"%x"`, h.Sum(nil))
	ans.header.Set("ETag", etag)
	for _, have := range strings.Split(c.req.Header.Get("If-None-Match"), ",") {
		have = strings.TrimSpace(have)
		if have != "" && strings.TrimPrefix(have, "W/") == strings.TrimPrefix(etag, "W/") {
			ans.status, ans.body = 304, nil
			ans.header.Del("Content-Type")
			return true
		}
	}
	return false
}

func (c *call) answer(status int, body any) *answer {
	ans := &answer{status: status, header: c.header}
	switch b := body.(type) {
	case nil:
	case raw:
		ans.body = b.data
		ans.header.Set("Content-Type", b.contentType)
	default:
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(body); err != nil {
			return c.errorAnswer(fmt.Errorf("encode answer: %w", err))
		}
		ans.body = bytes.TrimRight(buf.Bytes(), "\n")
		ans.header.Set("Content-Type", "application/json; charset=utf-8")
	}
	ans.header.Set("X-GitHub-Media-Type", "github.v3; format=json")
	ans.header.Set("Vary", "Accept, Authorization, Cookie, X-GitHub-OTP")
	ans.header.Set("Cache-Control", "private, max-age=60, s-maxage=60")
	return ans
}

func (c *call) errorAnswer(err error) *answer {
	var e *apiError
	var moved *redirect
	if errors.As(err, &moved) {
		e = &moved.apiError
	} else if !errors.As(err, &e) {
		e = fail(500, "githubtest: %v", err)
	}
	body := map[string]any{"message": e.message, "documentation_url": e.doc, "status": strconv.Itoa(e.status)}
	if e.doc == "" {
		body["documentation_url"] = "https://docs.github.com/rest"
	}
	if e.errors != nil {
		body["errors"] = e.errors
	}
	if moved != nil {
		body = map[string]any{"message": e.message, "url": moved.url, "documentation_url": e.doc}
	}
	c.header = http.Header{}
	for k, v := range e.header {
		c.header.Set(k, v)
	}
	return c.answer(e.status, body)
}

func writeAnswer(w http.ResponseWriter, ans *answer) {
	writeHeader(w, ans, len(ans.body))
	w.Write(ans.body)
}

func writeHeader(w http.ResponseWriter, ans *answer, length int) {
	h := w.Header()
	for k, v := range ans.header {
		h[k] = v
	}
	if ans.status != 304 && ans.status != 204 {
		h.Set("Content-Length", strconv.Itoa(length))
	}
	w.WriteHeader(ans.status)
}

// abort ends the connection without an answer: the caller sees a reset.
func abort(w http.ResponseWriter) {
	if hj, ok := w.(http.Hijacker); ok {
		if conn, _, err := hj.Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				tcp.SetLinger(0)
			}
			conn.Close()
			return
		}
	}
	panic(http.ErrAbortHandler)
}

// decode reads the JSON body; an absent or null body is an empty object.
func (c *call) decode(into any) error {
	if len(bytes.TrimSpace(c.body)) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.body, into); err != nil {
		var typeErr *json.UnmarshalTypeError
		if errors.As(err, &typeErr) {
			return fail(422, "Invalid request.\n\nFor '%s', %s is not of the right type.", typeErr.Field, typeErr.Value)
		}
		return fail(400, "Problems parsing JSON")
	}
	return nil
}

// api is the absolute address of an API path as this caller sees it.
func (c *call) api(format string, args ...any) string {
	return c.root() + c.prefix + fmt.Sprintf(format, args...)
}

func (c *call) root() string {
	if c.req != nil && c.req.Host != "" {
		return "http://" + c.req.Host
	}
	return c.s.url()
}

func (c *call) int(name string) int64 {
	n, err := strconv.ParseInt(c.params[name], 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// paginate cuts the page the query asks for and sets the Link header.
func paginate[T any](c *call, items []T) []T {
	per, page := 30, 1
	if n, err := strconv.Atoi(c.query.Get("per_page")); err == nil && n > 0 {
		per = n
	}
	limit := 100
	if c.s.knobs.PageLimit > 0 {
		limit = c.s.knobs.PageLimit
	}
	per = min(per, limit)
	if n, err := strconv.Atoi(c.query.Get("page")); err == nil && n > 0 {
		page = n
	}
	last := max(1, (len(items)+per-1)/per)
	link := func(n int, rel string) string {
		q := url.Values{}
		for k, v := range c.query {
			q[k] = v
		}
		q.Set("page", strconv.Itoa(n))
		path := c.path
		if c.repo != nil {
			// GitHub's Link URLs name the repository by id (recorded).
			parts := strings.SplitN(path, "/", 5)
			rest := ""
			if len(parts) == 5 {
				rest = "/" + parts[4]
			}
			if strings.HasPrefix(path, "/repos/") {
				path = fmt.Sprintf("/repositories/%d%s", c.repo.ID, rest)
			}
		}
		return fmt.Sprintf(`<%s?%s>; rel="%s"`, c.api("%s", path), q.Encode(), rel)
	}
	var links []string
	if page > 1 {
		links = append(links, link(page-1, "prev"))
	}
	if page < last {
		links = append(links, link(page+1, "next"), link(last, "last"))
	}
	if page > 1 {
		links = append(links, link(1, "first"))
	}
	if len(links) > 0 {
		c.header.Set("Link", strings.Join(links, ", "))
	}
	from := min((page-1)*per, len(items))
	return items[from:min(from+per, len(items))]
}
