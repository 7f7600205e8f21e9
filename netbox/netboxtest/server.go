package netboxtest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Options configure a server. The zero value is a server in memory with the
// default seed.
type Options struct {
	// Dir is the data directory; "" keeps everything in memory.
	Dir string
	// Clock is the time of day; default time.Now. Timestamps are microseconds
	// and strictly increase whatever it says.
	Clock func() time.Time
	// After waits for delays of faults; default time.After.
	After func(time.Duration) <-chan time.Time
	// Seed fills an empty data directory; nil is DefaultSeed.
	Seed *Seed
	// Logf receives what a person running the server should know, such as
	// failed webhooks; default: nothing.
	Logf func(format string, args ...any)
}

// Server is one NetBox. It is safe for concurrent use.
type Server struct {
	models  map[string]*model
	byRoute map[string]*model
	order   []*model

	mu       sync.Mutex // guards everything down to closed
	db       *database
	users    users
	version  string
	lastTime time.Time
	queue    queue
	store    *storage
	closed   bool

	faultMu   sync.Mutex
	faults    []*Fault
	lastFault int64

	statMu   sync.Mutex
	stats    Stats
	unknowns []string

	clock  func() time.Time
	after  func(time.Duration) <-chan time.Time
	logf   func(string, ...any)
	client *http.Client
	stop   context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	httpMu sync.Mutex
	http   *http.Server
	url    string
}

// New opens the data directory, seeds it when it is empty, and starts the
// webhook worker. Close must be called.
func New(o Options) (*Server, error) {
	s := &Server{models: map[string]*model{}, byRoute: map[string]*model{}, clock: o.Clock, after: o.After, logf: o.Logf, stats: newStats()}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.after == nil {
		s.after = time.After
	}
	if s.logf == nil {
		s.logf = func(string, ...any) {}
	}
	for _, m := range append(hedgehogModels(), extrasModels()...) {
		s.models[m.typeName()] = m
		s.byRoute[m.route] = m
		s.order = append(s.order, m)
	}
	s.db = newDatabase(s.order)
	s.queue.changed = make(chan struct{})
	// Webhooks go out directly: a proxy of the environment is none of theirs.
	s.client = &http.Client{Transport: &http.Transport{Proxy: nil, MaxIdleConnsPerHost: 4}}
	seed := o.Seed
	if seed == nil {
		seed = DefaultSeed()
	}
	if err := seed.check(); err != nil {
		return nil, fmt.Errorf("seed: %w", err)
	}
	fresh := true
	if o.Dir != "" {
		var err error
		if fresh, err = s.openStorage(o.Dir); err != nil {
			return nil, fmt.Errorf("open %s: %w", o.Dir, err)
		}
	}
	if fresh {
		err := s.applySeed(seed)
		if err == nil && s.store != nil {
			err = s.compact()
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("apply seed: %w", err), s.closeStorage())
		}
	}
	for _, d := range s.queue.pending {
		s.queue.lastID = max(s.queue.lastID, d.id)
	}
	s.stop, s.cancel = context.WithCancel(context.Background())
	s.wg.Go(s.work)
	return s, nil
}

func (s *Server) closeStorage() error {
	if s.store == nil {
		return nil
	}
	return s.store.journal.Close()
}

// Start listens on addr (port 0 picks one) and serves until Close.
func (s *Server) Start(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.httpMu.Lock()
	defer s.httpMu.Unlock()
	if s.http != nil {
		return errors.Join(errors.New("started already"), l.Close())
	}
	s.url = "http://" + l.Addr().String()
	s.http = &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 30 * time.Second}
	srv := s.http
	s.wg.Go(func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.logf("netboxtest: serve: %v", err)
		}
	})
	return nil
}

// URL is the root address after Start, without a trailing slash.
func (s *Server) URL() string {
	s.httpMu.Lock()
	defer s.httpMu.Unlock()
	return s.url
}

// Close stops serving, ends the worker and writes a snapshot. Webhooks that were
// not sent stay in the data directory and go out at the next start.
func (s *Server) Close() error {
	s.httpMu.Lock()
	srv := s.http
	s.httpMu.Unlock()
	var err error
	if srv != nil {
		err = srv.Close()
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
	s.client.CloseIdleConnections()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store != nil {
		err = errors.Join(err, s.compact(), s.closeStorage())
	}
	return err
}

// old reports a version before 4.7.
func (s *Server) old() bool { return strings.HasPrefix(s.version, "4.6.") }

// now is the next timestamp. The caller holds s.mu.
func (s *Server) now() time.Time {
	t := s.clock().UTC().Truncate(time.Microsecond)
	if !t.After(s.lastTime) {
		t = s.lastTime.Add(time.Microsecond)
	}
	s.lastTime = t
	return t
}

// Handler serves the API, the control routes and the pages.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serveHTTP) }

// maxHeaderLine is gunicorn's limit for one header line; a longer one is a 431.
const maxHeaderLine = 8190

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "netboxtest")
	if strings.HasPrefix(r.URL.Path, "/_") {
		s.control(w, r)
		return
	}
	if r.URL.Path != "/api" && !strings.HasPrefix(r.URL.Path, "/api/") {
		s.count(r.Method+" (page)", "", true)
		s.page(w, r)
		return
	}
	rq, login := s.readRequest(r)
	s.count(rq.template, login, false)
	rq.faults = s.takeFaults(rq, login)
	if pick(rq.faults, "drop") != nil {
		cut(w)
		return
	}
	if f := pick(rq.faults, "delay"); f != nil {
		s.hold(f)
	}
	if f := pick(rq.faults, "error_before"); f != nil {
		s.faultResponse(w, f)
		return
	}
	resp := s.handle(rq)
	defer s.release(rq.id)
	if pick(rq.faults, "reset_after") != nil {
		cut(w)
		return
	}
	if f := pick(rq.faults, "delay_after"); f != nil {
		s.release(rq.id)
		s.hold(f)
	}
	if f := pick(rq.faults, "error_after"); f != nil {
		s.faultResponse(w, f)
		return
	}
	s.respond(w, rq, resp)
}

// hold waits for a fault's delay. It does not end when the client goes away:
// a late request is exactly what it is for.
func (s *Server) hold(f *Fault) {
	select {
	case <-s.after(time.Duration(f.DelayMS) * time.Millisecond):
	case <-s.stop.Done():
	}
}

func (s *Server) readRequest(r *http.Request) (*request, string) {
	rq := &request{id: newUUID(), method: r.Method, path: r.URL.Path, rawQuery: r.URL.RawQuery, header: r.Header, ifMatch: parseIfMatch(r.Header.Values("If-Match")), base: "http://" + r.Host}
	// As in Django, a query that is half broken is read as far as it goes.
	rq.query, _ = url.ParseQuery(r.URL.RawQuery)
	limit := int64(maxBody)
	s.mu.Lock()
	if s.old() {
		limit = hardBody
	}
	rq.token, rq.authErr = s.authenticate(r)
	s.mu.Unlock()
	login := "anonymous"
	if rq.token != nil {
		rq.user = rq.token.user
		login = rq.user.name
	}
	var err error
	if rq.body, err = io.ReadAll(io.LimitReader(r.Body, limit+1)); err != nil {
		// Half a body is not JSON; it fails when it is parsed.
		s.logf("netboxtest: read body of %s %s: %v", r.Method, r.URL.Path, err)
	}
	if int64(len(rq.body)) > limit {
		rq.tooBig, rq.body = true, nil
		// The rest is read so that the client sees the answer instead of a
		// broken connection.
		if _, err := io.Copy(io.Discard, io.LimitReader(r.Body, hardBody)); err != nil {
			s.logf("netboxtest: read body of %s %s: %v", r.Method, r.URL.Path, err)
		}
	}
	var template string
	rq.route, template = s.match(r.Method, r.URL.Path)
	rq.template = r.Method + " " + template
	return rq, login
}

func (s *Server) handle(rq *request) *response {
	for name, lines := range rq.header {
		for _, line := range lines {
			if len(name)+2+len(line) > maxHeaderLine {
				return &response{status: http.StatusRequestHeaderFieldsTooLarge, ctype: "text/html", anonymous: true,
					text: "<html> <head> <title>Request Header Fields Too Large</title> </head> <body> <h1><p>Request Header Fields Too Large</p></h1> " +
						"Error parsing headers: &#x27;limit request headers fields size&#x27; </body> </html>"}
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.serve(rq)
}

func (s *Server) respond(w http.ResponseWriter, rq *request, resp *response) {
	h := w.Header()
	if !resp.anonymous {
		h.Set("X-Request-ID", rq.id)
		h.Set("API-Version", strings.Join(strings.SplitN(s.version, ".", 3)[:2], "."))
		h.Set("Vary", "HX-Request, Accept-Language, Cookie, origin")
	}
	if resp.location != "" && resp.anonymous {
		h.Set("Vary", "Accept-Language, Cookie, origin")
	}
	if resp.allow != "" {
		h.Set("Allow", resp.allow)
	}
	if resp.etag != "" {
		h["ETag"] = []string{resp.etag}
	}
	if resp.location != "" {
		h.Set("Location", resp.location)
	}
	var body []byte
	switch {
	case resp.ctype != "":
		h.Set("Content-Type", resp.ctype)
		body = []byte(resp.text)
	case resp.status != http.StatusNoContent:
		h.Set("Content-Type", "application/json")
		body = encodeJSON(resp.body, compact)
	}
	w.WriteHeader(resp.status)
	if rq.method != http.MethodHead && resp.status != http.StatusNoContent {
		s.writeBody(w, body)
	}
	if f, ok := w.(http.Flusher); ok {
		f.Flush() // webhooks are released after this
	}
}

func (s *Server) writeBody(w io.Writer, body []byte) {
	if _, err := w.Write(body); err != nil {
		s.logf("netboxtest: write answer: %v", err) // the client has gone
	}
}

func (s *Server) writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		body, status = []byte(`{"detail":"`+http.StatusText(500)+`"}`), 500
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	s.writeBody(w, body)
}

func newUUID() string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // never happens: crypto/rand aborts the program instead
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
