package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"

	"github.com/hnp-sync/hnp-sync/app/api"
	"github.com/hnp-sync/hnp-sync/app/config"
	"github.com/hnp-sync/hnp-sync/app/jobs"
	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/gitops/repo"
	"github.com/hnp-sync/hnp-sync/manifests"
)

// DrainTimeout is how long running cycles may take to finish at a stop. What did not is taken up at the next start.
const DrainTimeout = 25 * time.Second

// Options of New. Config and Redactor are required.
type Options struct {
	Config   *config.Holder
	Redactor *Redactor
	Log      *zap.Logger // nil writes through Redactor at level info
	// Ready gets the ready line; nil discards it.
	Ready io.Writer
	// Clock is the time of jobs and timers; nil is the real one.
	Clock jobs.Clock
	// Drain is DrainTimeout when zero.
	Drain time.Duration
	// Run is (*gitops.Cycle).Run when nil.
	Run func(ctx context.Context, c *gitops.Cycle, req gitops.Request) (*gitops.Result, error)
	// Blobs caches Git blobs by object id; nil makes one in memory.
	Blobs repo.BlobCache
	// WriteSpacing between writes to GitHub; zero is the default of gitops/repo, negative none.
	WriteSpacing time.Duration
	// StoreFault strikes at stages of transactions; for tests.
	StoreFault store.Fault
}

// App is the program, open but not running. Run it once.
type App struct {
	opts     Options
	log      *zap.Logger
	store    *store.Store
	jobs     *jobs.Manager
	auth     *api.Auth
	metrics  *Metrics
	services atomic.Pointer[services]
	listener net.Listener
	ready    atomic.Bool
	drain    time.Duration
}

// New opens the store (migrating it), binds the listening address and wires everything. Nothing runs yet. After an
// error everything is closed again.
func New(ctx context.Context, opts Options) (*App, error) {
	a := &App{opts: opts, log: opts.Log, drain: opts.Drain}
	if a.log == nil {
		a.log = NewLogger(opts.Redactor, zap.InfoLevel)
	}
	if a.opts.Clock == nil {
		a.opts.Clock = realClock{}
	}
	if a.opts.Ready == nil {
		a.opts.Ready = io.Discard
	}
	if a.opts.Blobs == nil {
		a.opts.Blobs = repo.NewMemoryCache(repo.DefaultCacheBytes)
	}
	if a.drain == 0 {
		a.drain = DrainTimeout
	}
	if err := a.open(ctx); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

// open opens and wires everything; after an error close releases what was opened.
func (a *App) open(ctx context.Context) (err error) {
	cfg := a.opts.Config.Get()
	a.opts.Redactor.Hide(secretsOf(cfg)...)
	a.store, err = store.Open(ctx, store.Options{Database: cfg.Database, Now: a.opts.Clock.Now, Fault: a.opts.StoreFault,
		Logger: slog.New(zapslog.NewHandler(a.log.WithOptions(zap.IncreaseLevel(zap.WarnLevel)).Core()))})
	if err != nil {
		return err
	}
	a.metrics = NewMetrics(
		func(ctx context.Context) (int, error) {
			c, err := a.store.InboxCounts(ctx)
			return c.Waiting + c.Running, err
		},
		func(ctx context.Context) (int, error) { return a.jobs.Queue(ctx) })
	svc, err := a.newServices(cfg)
	if err != nil {
		return err
	}
	a.services.Store(svc)
	if a.jobs, err = a.newJobs(); err != nil {
		return err
	}
	a.auth = api.NewAuth(func() string { return a.opts.Config.Get().APIToken.Reveal() }, func() []api.NetBoxTokens { return a.services.Load().tokens }, a.opts.Clock.Now)
	if a.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen); err != nil {
		return fmt.Errorf("listen on %s: %w", cfg.Listen, err)
	}
	return nil
}

func (a *App) newJobs() (*jobs.Manager, error) {
	run := a.opts.Run
	if run == nil {
		run = func(ctx context.Context, c *gitops.Cycle, req gitops.Request) (*gitops.Result, error) {
			return c.Run(ctx, req)
		}
	}
	schemas, err := manifests.EmbeddedSchemas()
	if err != nil {
		return nil, fmt.Errorf("read embedded schemas: %w", err)
	}
	return jobs.New(jobs.Deps{
		Store:       a.store,
		Host:        gitHub{current: func() *repo.App { return a.services.Load().github }},
		Connection:  func(name string) (jobs.Connection, bool) { return a.services.Load().connection(name) },
		ParseConfig: gitops.ParseConfig,
		Run:         run,
		Examine: func(ctx context.Context, c *gitops.Cycle, st *gitops.State, head string) (*gitops.Evaluation, error) {
			return c.Evaluate(ctx, st, head)
		},
		Feedback:   gitHub{current: func() *repo.App { return a.services.Load().github }},
		Comments:   gitHub{current: func() *repo.App { return a.services.Load().github }},
		Deliveries: gitHub{current: func() *repo.App { return a.services.Load().github }},
		Check: func(files []*manifests.File) []manifests.Diagnostic {
			return manifests.Validate(files, schemas, manifests.Options{})
		},
		Problems: problemsBy(schemas),
		Validate: func(f *manifests.File, doc int) []manifests.Diagnostic {
			return manifests.ValidateDocument(f, doc, schemas)
		},
		NewOperation: NewOperation,
		Settings:     a.settings,
		Clock:        a.opts.Clock,
		Log:          a.log,
		Metrics:      a.metrics,
	})
}

// problemsBy checks documents for the engine: what is an error makes a merged document invalid.
func problemsBy(schemas *manifests.Schemas) func(manifests.Object) []string {
	return func(doc manifests.Object) []string {
		var out []string
		for _, p := range schemas.Check(doc) {
			if p.Severity == manifests.SeverityError {
				out = append(out, strings.Join(p.Path, ".")+": "+p.Message)
			}
		}
		return out
	}
}

// settings are what the jobs read of the newest configuration.
func (a *App) settings() jobs.Settings {
	cfg := a.opts.Config.Get()
	return jobs.Settings{Poll: cfg.Intervals.Poll, FullCompare: cfg.Intervals.FullCompare, Debounce: cfg.Intervals.Debounce,
		Allowed: cfg.Allowed, People: cfg.People}
}

// URL is where the server listens, for callers on this machine.
func (a *App) URL() string {
	addr := a.listener.Addr().(*net.TCPAddr)
	host := addr.IP
	if host.IsUnspecified() {
		host = net.IPv4(127, 0, 0, 1)
	}
	return "http://" + net.JoinHostPort(host.String(), fmt.Sprint(addr.Port))
}

// Run serves until ctx ends, then drains. It closes everything and may be called once.
func (a *App) Run(ctx context.Context) error {
	server := a.newServer()
	stopping := context.WithoutCancel(ctx)
	if err := a.jobs.Start(stopping); err != nil {
		return errors.Join(err, a.close())
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(a.listener) }()
	a.ready.Store(true)
	line, err := json.Marshal(struct {
		Ready bool   `json:"ready"`
		URL   string `json:"url"`
	}{true, a.URL()})
	if err == nil {
		_, err = fmt.Fprintf(a.opts.Ready, "%s\n", line)
	}
	a.log.Info("ready", zap.String("url", a.URL()), zap.String("database", a.opts.Config.Get().Database))
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-served:
		}
	}
	a.ready.Store(false)
	a.log.Info("draining", zap.Duration("at_most", a.drain))
	drain, cancel := context.WithTimeout(stopping, a.drain)
	defer cancel()
	if stopErr := server.Shutdown(drain); stopErr != nil {
		err = errors.Join(err, fmt.Errorf("stop the HTTP server: %w", stopErr), server.Close())
	}
	err = errors.Join(err, a.jobs.Stop(drain), a.close())
	a.log.Info("stopped", zap.Error(err))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// close releases what New opened.
func (a *App) close() error {
	var errs []error
	if a.listener != nil {
		if err := a.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	if svc := a.services.Load(); svc != nil {
		svc.close()
	}
	return errors.Join(errs...)
}

// Reload reads the configuration again and exchanges what it describes. An invalid one is refused: the old stays.
// Requests and cycles under way finish with what they began with. Installations and configurations of repositories are
// read again, because what they may use can have changed.
func (a *App) Reload(ctx context.Context) error {
	restart, err := a.opts.Config.Reload()
	if err == nil {
		err = a.exchange(a.opts.Config.Get())
	}
	if err != nil {
		a.log.Error("configuration not reloaded", zap.Error(err))
		return err
	}
	a.auth.Forget()
	for _, key := range restart {
		a.log.Warn("changed only by a restart", zap.String("key", key))
	}
	a.log.Info("configuration reloaded")
	return a.jobs.Installations(ctx, "configuration reloaded")
}

func (a *App) exchange(cfg *config.Config) error {
	a.opts.Redactor.Hide(secretsOf(cfg)...)
	svc, err := a.newServices(cfg)
	if err != nil {
		return err
	}
	a.services.Swap(svc).close()
	return nil
}

// secretsOf lists every secret of a configuration, for the redactor.
func secretsOf(c *config.Config) []string {
	out := []string{c.APIToken.Reveal(), c.GitHub.PrivateKeyPEM.Reveal()}
	for _, s := range c.GitHub.WebhookSecrets {
		out = append(out, s.Reveal())
	}
	for _, n := range c.NetBox {
		out = append(out, n.Token.Reveal())
		for _, s := range n.WebhookSecrets {
			out = append(out, s.Reveal())
		}
	}
	return out
}
