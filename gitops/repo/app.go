package repo

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

// Config is what an App needs. The zero value of every optional field is usable.
type Config struct {
	// AppID is the App's numeric id; required unless there is a Token.
	AppID int64
	// PrivateKey is the App's RSA key, PEM, PKCS#1 or PKCS#8; required unless there is a Token.
	PrivateKey []byte
	// Token is a personal access token, instead of AppID and PrivateKey: see TokenInstallation.
	Token string
	// BaseURL is the REST root, without or with a slash at the end; DefaultBaseURL when empty. GraphQL is at
	// /api/graphql when it ends in /api/v3, else below it at /graphql.
	BaseURL string
	// Transport carries every request; nil makes one. It is shared by all installations.
	Transport http.RoundTripper
	// Now and Sleep are the clock; nil means the real one. Sleep returns ctx's error when ctx ends first. Signatures
	// are dated by Now, and tokens end by it.
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
	// Timeout is the deadline of one attempt of one request, its body included; 30 s when zero.
	Timeout time.Duration
	// WriteSpacing is the least time between two writes of one installation; DefaultWriteSpacing when zero, none
	// when negative.
	WriteSpacing time.Duration
	// UserAgent identifies the program; GitHub refuses requests without one. "hnp-sync" when empty.
	UserAgent string
	// Log receives one Call per attempt of every request, token mints included; nil reports nothing. It is called
	// from many goroutines.
	Log func(Call)
	// Cache holds blobs by object id, for all repositories; nil makes a MemoryCache of DefaultCacheBytes.
	Cache BlobCache
}

// App is one GitHub App on one GitHub. Safe for concurrent use. Close it when done.
type App struct {
	id        int64
	key       *rsa.PrivateKey
	ends      endpoints
	now       func() time.Time
	sleep     func(context.Context, time.Duration) error
	timeout   time.Duration
	spacing   time.Duration
	userAgent string
	log       func(Call)
	cache     BlobCache
	base      http.RoundTripper
	wire      http.RoundTripper // attempt over base
	self      *client           // signs with the App's key
	static    *client           // with a personal access token: the only client; else nil

	mu       sync.Mutex
	clients  map[clientKey]*client
	limiters map[int64]*limiter
	repos    map[int64]repoFacts
	dirs     map[dirKey]*dirMemory
	heads    map[headKey]headMemory
	own      Identity // once it was read
}

// NewApp checks the configuration and makes no request.
func NewApp(cfg Config) (*App, error) {
	ends, err := parseEndpoints(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	switch {
	case cfg.Token != "" && (cfg.AppID != 0 || len(cfg.PrivateKey) > 0):
		return nil, errors.New("a personal access token and an App are configured: choose one")
	case cfg.Token != "" && strings.ContainsFunc(cfg.Token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("the personal access token holds characters that no token has")
	case cfg.Token == "" && cfg.AppID <= 0:
		return nil, errors.New("app_id is missing")
	}
	a := &App{
		id: cfg.AppID, ends: ends,
		now: cfg.Now, sleep: cfg.Sleep, timeout: cfg.Timeout, spacing: cfg.WriteSpacing,
		userAgent: cfg.UserAgent, log: cfg.Log, cache: cfg.Cache, base: cfg.Transport,
		clients: map[clientKey]*client{}, limiters: map[int64]*limiter{},
		repos: map[int64]repoFacts{}, dirs: map[dirKey]*dirMemory{}, heads: map[headKey]headMemory{},
	}
	if a.now == nil {
		a.now = time.Now
	}
	if a.sleep == nil {
		a.sleep = sleep
	}
	if a.timeout <= 0 {
		a.timeout = attemptTimeout
	}
	switch {
	case a.spacing == 0:
		a.spacing = DefaultWriteSpacing
	case a.spacing < 0:
		a.spacing = 0
	}
	if a.userAgent == "" {
		a.userAgent = "hnp-sync"
	}
	if a.cache == nil {
		a.cache = NewMemoryCache(DefaultCacheBytes)
	}
	if a.base == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = 8
		a.base = t
	}
	a.wire = &attempt{app: a, base: a.base}
	if cfg.Token != "" {
		a.useToken(cfg.Token)
		return a, nil
	}
	if a.key, err = jwt.ParseRSAPrivateKeyFromPEM(cfg.PrivateKey); err != nil {
		return nil, fmt.Errorf("private key of the App: want an RSA key in PEM form: %w", err)
	}
	signer, err := a.signing(a.wire)
	if err != nil {
		return nil, err
	}
	a.self = a.newClient(0, &signed{signer: signer, ends: ends})
	return a, nil
}

// Close drops idle connections. Requests under way are not disturbed.
func (a *App) Close() {
	if c, ok := a.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// Evict forgets the tokens of an installation that was deleted, suspended or given other permissions. Its limits
// stay: GitHub keeps counting.
func (a *App) Evict(installationID int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key := range a.clients {
		if key.installation == installationID {
			delete(a.clients, key)
		}
	}
}

// limiter returns the one limiter of an installation, whose clients share its budgets.
func (a *App) limiter(installationID int64) *limiter {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.limiters[installationID]
	if l == nil {
		l = newLimiter(a.now, a.sleep, a.spacing)
		a.limiters[installationID] = l
	}
	return l
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
