package githubtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Clock is the time source of everything that expires or is stamped: tokens,
// JWTs, rate limits, stale reads, commit dates. A clock that also has
// After(time.Duration) <-chan time.Time drives delays too; otherwise delays
// run in real time.
type Clock interface{ Now() time.Time }

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

// Options configure New. The zero value is usable: a temporary folder that
// Close removes, the system clock, no log, an empty site.
type Options struct {
	// Dir holds the repositories and the state; it is created when missing.
	Dir string
	// Clock is the time source; nil: the system's.
	Clock Clock
	// Logf receives one line for each thing worth knowing; nil: none.
	Logf func(format string, args ...any)
	// Seed fills an empty Dir; it is ignored when Dir holds a state already.
	Seed *Seed
	// Transport delivers webhooks; nil: a transport of its own without proxy.
	// A test's contract check goes here.
	Transport http.RoundTripper
	// Wrap surrounds the handler that Start serves; nil: nothing. A test's
	// contract check goes here.
	Wrap func(http.Handler) http.Handler
}

// Server is one GitHub. All methods are safe for concurrent use.
type Server struct {
	dir    string
	temp   bool
	wrap   func(http.Handler) http.Handler
	clock  Clock
	logf   func(string, ...any)
	git    *gitRunner
	routes []*route

	// mu guards everything below and serialises all writers of Git
	// references, so a compare-and-set is one critical section.
	mu            sync.Mutex
	journal       *journal
	meta          *table[metaRow]
	accounts      *table[accountRow]
	repos         *table[repoRow]
	apps          *table[appRow]
	installations *table[installationRow]
	tokens        *table[tokenRow]
	issues        *table[issueRow]
	comments      *table[commentRow]
	reactions     *table[reactionRow]
	labels        *table[labelRow]
	suites        *table[checkSuiteRow]
	runs          *table[checkRunRow]
	statuses      *table[statusRow]
	deliveries    *table[deliveryRow]
	signed        *table[signedRow]
	reviews       *table[reviewRow]
	groups        *table[groupRow]
	manifests     *table[manifestRow]

	byToken  map[string]*tokenRow
	signedBy map[string]bool
	keys     map[string][]byte
	gitRepos map[int64]*gitRepo
	stats    statistics
	faults   []*faultRow
	faultID  int64
	buckets  map[string]*bucket
	content  map[string][]time.Time // writes of the last minute, by bucket
	stale    map[string]*staleRef
	knobs    Knobs
	unknown  []string
	archives map[string]archive // by token

	hooks *dispatcher

	http     *http.Server
	listener net.Listener
	served   chan struct{}
	closed   bool
}

// Knobs change how strict or how troublesome the Server is. SetKnobs replaces
// all of them; the zero value of a field means its default.
type Knobs struct {
	// StaleReads and StaleFor let reads of a reference answer its old value
	// after an update: for this many reads, or for this long by the clock,
	// whichever is set and has not passed. Writes always check the true value.
	StaleReads int           `json:"stale_reads,omitempty"`
	StaleFor   time.Duration `json:"stale_for,omitempty"` // nanoseconds in JSON
	// TokenTTL is the life of an installation token; default 1 h, as GitHub.
	TokenTTL time.Duration `json:"token_ttl,omitempty"`
	// ClockSkew is how far GitHub's clock is ahead: it is added to the clock
	// when a JWT is checked, and in the Date of every answer.
	ClockSkew time.Duration `json:"clock_skew,omitempty"`
	// CoreLimit and GraphQLLimit are requests per hour; default 5000.
	CoreLimit    int `json:"core_limit,omitempty"`
	GraphQLLimit int `json:"graphql_limit,omitempty"`
	// ContentPerMinute is the number of writes one installation or user may
	// make in a minute before the secondary limit refuses more; GitHub's is
	// about 80. Default: no limit.
	ContentPerMinute int `json:"content_per_minute,omitempty"`
	// LimitStatus is the status of an exceeded primary limit: 403 (default) or 429.
	LimitStatus int `json:"limit_status,omitempty"`
	// TreeLimit is the number of entries of a tree, recursive or not, before
	// it is truncated; default 100,000.
	TreeLimit int `json:"tree_limit,omitempty"`
	// BlobTextLimit is the size in bytes above which GraphQL's Blob.text is
	// cut and isTruncated is true; default 512,000.
	BlobTextLimit int `json:"blob_text_limit,omitempty"`
	// PageLimit caps per_page; default 100.
	PageLimit int `json:"page_limit,omitempty"`
	// SharedETags keeps ETags equal for all tokens; GitHub's differ by token.
	SharedETags bool `json:"shared_etags,omitempty"`
	// BadSecret signs webhooks with a wrong secret.
	BadSecret bool `json:"bad_secret,omitempty"`
	// ReverseWebhooks delivers what is queued at one moment in reverse order.
	ReverseWebhooks bool `json:"reverse_webhooks,omitempty"`
	// DeliveryLimit is the number of webhook attempts the log keeps, the
	// newest; default 10,000. None is kept for more than three days.
	DeliveryLimit int `json:"delivery_limit,omitempty"`
	// MergeableAfter is the number of reads of a pull request that find
	// mergeable null before it is known; default 1.
	MergeableAfter int `json:"mergeable_after,omitempty"`
	// RunLimit is the number of check runs of one name in a suite; the oldest
	// is deleted when one more comes. Default 1000.
	RunLimit int `json:"run_limit,omitempty"`
	// FormEncoded sends webhooks as application/x-www-form-urlencoded.
	FormEncoded bool `json:"form_encoded,omitempty"`
}

// New opens or creates the state in opts.Dir and starts the webhook
// dispatcher. It fails when git is missing or older than 2.38, when the
// folder is in use, or when the seed is wrong.
func New(opts Options) (_ *Server, err error) {
	s := &Server{dir: opts.Dir, clock: opts.Clock, logf: opts.Logf, wrap: opts.Wrap,
		byToken: map[string]*tokenRow{}, signedBy: map[string]bool{}, keys: map[string][]byte{}, gitRepos: map[int64]*gitRepo{},
		buckets: map[string]*bucket{}, stale: map[string]*staleRef{}, archives: map[string]archive{}, content: map[string][]time.Time{}}
	s.routes = buildRoutes()
	s.stats.reset()
	if s.clock == nil {
		s.clock = systemClock{}
	}
	if s.logf == nil {
		s.logf = func(string, ...any) {}
	}
	if s.dir == "" {
		s.temp = true
		if s.dir, err = os.MkdirTemp("", "githubtest-"); err != nil {
			return nil, err
		}
	}
	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if err := os.MkdirAll(filepath.Join(s.dir, "repos"), 0o755); err != nil {
		return nil, err
	}
	home := filepath.Join(s.dir, "home")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, err
	}
	if s.git, err = newGitRunner(home); err != nil {
		return nil, err
	}
	if s.journal, err = openJournal(s.dir); err != nil {
		return nil, err
	}
	s.meta = newTable[metaRow](s.journal, "meta")
	s.accounts = newTable[accountRow](s.journal, "accounts")
	s.repos = newTable[repoRow](s.journal, "repos")
	s.apps = newTable[appRow](s.journal, "apps")
	s.installations = newTable[installationRow](s.journal, "installations")
	s.tokens = newTable[tokenRow](s.journal, "tokens")
	s.issues = newTable[issueRow](s.journal, "issues")
	s.comments = newTable[commentRow](s.journal, "comments")
	s.reactions = newTable[reactionRow](s.journal, "reactions")
	s.labels = newTable[labelRow](s.journal, "labels")
	s.suites = newTable[checkSuiteRow](s.journal, "suites")
	s.runs = newTable[checkRunRow](s.journal, "runs")
	s.statuses = newTable[statusRow](s.journal, "statuses")
	s.deliveries = newTable[deliveryRow](s.journal, "deliveries")
	s.reviews = newTable[reviewRow](s.journal, "reviews")
	s.manifests = newTable[manifestRow](s.journal, "manifests")
	s.groups = newTable[groupRow](s.journal, "groups")
	s.signed = newTable[signedRow](s.journal, "signed")
	if _, err := s.journal.load(); err != nil {
		return nil, err
	}
	if m := s.meta.rows[0]; m == nil || !m.Seeded {
		if err := s.seedNow(opts.Seed); err != nil {
			return nil, err
		}
	}
	for _, t := range s.tokens.rows {
		s.byToken[t.Token] = t
	}
	for _, row := range s.signed.rows {
		s.signedBy[row.OID] = true
	}
	s.hooks = newDispatcher(s, opts.Transport)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks.resume()
	return s, nil
}

// seedNow fills the state. Nothing of a seed that failed half-way is kept:
// the mark that it was applied is written last.
func (s *Server) seedNow(seed *Seed) error {
	for _, t := range []func(){
		func() { clear(s.accounts.rows) }, func() { clear(s.repos.rows) }, func() { clear(s.apps.rows) },
		func() { clear(s.installations.rows) }, func() { clear(s.tokens.rows) },
	} {
		t()
	}
	if err := os.RemoveAll(filepath.Join(s.dir, "repos")); err != nil {
		return err
	}
	s.meta.put(0, &metaRow{NextID: 1000})
	if seed == nil {
		seed = &Seed{}
	}
	if err := s.applySeed(seed); err != nil {
		return err
	}
	s.meta.rows[0].Seeded = true
	s.meta.put(0, s.meta.rows[0])
	return nil
}

func (s *Server) now() time.Time { return s.clock.Now().UTC().Truncate(time.Second) }

// after is a timer on the injected clock when that has timers.
func (s *Server) after(d time.Duration) <-chan time.Time {
	if c, ok := s.clock.(interface {
		After(time.Duration) <-chan time.Time
	}); ok {
		return c.After(d)
	}
	return time.After(d)
}

func (s *Server) repoDir(r *repoRow) string {
	// Named by id: renames do not move anything.
	return filepath.Join(s.dir, "repos", strconv.FormatInt(r.ID, 10)+".git")
}

func (s *Server) gitRepo(r *repoRow) *gitRepo {
	g := s.gitRepos[r.ID]
	if g == nil {
		g = openGitRepo(s.repoDir(r), s.git)
		s.gitRepos[r.ID] = g
	}
	return g
}

// SetKnobs replaces the knobs.
func (s *Server) SetKnobs(k Knobs) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.knobs = k
	clear(s.buckets)
	clear(s.stale)
}

// Start listens on addr ("127.0.0.1:0" for a free port) and serves until Close.
func (s *Server) Start(addr string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	handler := s.Handler()
	if s.wrap != nil {
		handler = s.wrap(handler)
	}
	s.mu.Lock()
	s.listener = listener
	s.http = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	s.served = make(chan struct{})
	server, served := s.http, s.served
	s.mu.Unlock()
	go func() {
		defer close(served)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.logf("serve: %v", err)
		}
	}()
	return nil
}

// URL is the root of the site after Start: the REST root; "/api/v3",
// "/graphql" and "/{owner}/{repo}.git" are below it.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url()
}

func (s *Server) url() string {
	if s.listener == nil {
		return "http://github.invalid"
	}
	return "http://" + s.listener.Addr().String()
}

// CloneURL is the address of a repository for git, with the token as
// password; an empty token leaves it out.
func (s *Server) CloneURL(fullName, token string) string {
	host := "github.invalid"
	s.mu.Lock()
	if s.listener != nil {
		host = s.listener.Addr().String()
	}
	s.mu.Unlock()
	if token != "" {
		host = "x-access-token:" + token + "@" + host
	}
	return fmt.Sprintf("http://%s/%s.git", host, fullName)
}

// Dir is the folder of the state.
func (s *Server) Dir() string { return s.dir }

// UnknownRoutes lists the requests that nothing here implements, each as
// "METHOD /path" or "GRAPHQL Type.field", sorted, each once. A test fails
// when it is not empty.
func (s *Server) UnknownRoutes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := append([]string(nil), s.unknown...)
	slices.Sort(out)
	return slices.Compact(out)
}

// Close stops serving and delivering, and closes the state. Webhooks not yet
// delivered stay queued for the next New on the same folder.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	server, served := s.http, s.served
	s.mu.Unlock()
	if s.hooks != nil {
		s.hooks.close()
	}
	if server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 250*time.Millisecond)
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
		cancel()
		<-served
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.gitRepos {
		g.close()
	}
	var err error
	if s.journal != nil {
		err = s.journal.close()
	}
	if s.temp {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}
