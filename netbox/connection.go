package netbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Defaults of Config. A bulk write of 100 objects takes 2 to 20 s on a real NetBox (contract/hnp §10).
const (
	DefaultReadTimeout  = 60 * time.Second
	DefaultWriteTimeout = 3 * time.Minute
)

// Config is one NetBox connection of the server configuration.
type Config struct {
	Name  string // as configured, for messages
	URL   string // NetBox's root, http or https, a path prefix allowed ("https://example.net/netbox")
	Token string // "nbt_…" (NetBox 4.5 and later) or 40 hex digits
	// Transport carries the requests; nil is a copy of http.DefaultTransport. It must not retry.
	Transport http.RoundTripper
	// Now is the clock, nil is time.Now. Wait pauses before a read is repeated, nil really waits.
	Now  func() time.Time
	Wait func(ctx context.Context, d time.Duration) error
	// ReadTimeout and WriteTimeout bound one request each; zero is the default.
	ReadTimeout, WriteTimeout time.Duration
	// TrustVersion lets NetBox's version alone decide whether If-Match is honoured. Otherwise two conditional PATCHes
	// with a tag no object has, which must be answered by 412, prove it once per version.
	TrustVersion bool
	// Log receives one line per notable event; nil logs nothing. It never gets a body, a token or a secret.
	Log func(msg string, kv ...any)
}

// Connection is one NetBox. It is safe for concurrent use; all fabrics of it share its limits.
type Connection struct {
	name         string
	root         *url.URL // without trailing slash
	token        string
	client       *http.Client
	now          func() time.Time
	wait         func(ctx context.Context, d time.Duration) error
	readTimeout  time.Duration
	writeTimeout time.Duration
	trustVersion bool
	log          func(msg string, kv ...any)
	writes       *limiter

	probing chan struct{}     // capacity 1: held while probing, so that it can be waited for with a context
	mu      sync.Mutex        // guards what follows
	probed  *probed           // nil until probed, and again after the version changed
	version string            // API-Version ("4.7") of the newest answer
	denials map[string]denial // by "kind/operation" (outcome.go)
	unread  map[string]string // kind → why its last listing was refused
}

// Dial checks the configuration; it sends nothing.
func Dial(cfg Config) (*Connection, error) {
	root, err := url.Parse(cfg.URL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("netbox %s: the URL cannot be parsed", cfg.Name) // err quotes the URL, which may hold a password
	case root.Scheme != "http" && root.Scheme != "https":
		return nil, fmt.Errorf("netbox %s: the URL must begin with http:// or https://", cfg.Name)
	case root.Host == "":
		return nil, fmt.Errorf("netbox %s: the URL names no host", cfg.Name)
	case root.User != nil:
		return nil, fmt.Errorf("netbox %s: the URL must not hold a user or password", cfg.Name)
	case root.RawQuery != "" || root.Fragment != "":
		return nil, fmt.Errorf("netbox %s: the URL must not have a query or fragment", cfg.Name)
	}
	root.Path, root.RawPath = strings.TrimRight(root.Path, "/"), ""
	if err := checkToken(cfg.Token); err != nil {
		return nil, fmt.Errorf("netbox %s: %w", cfg.Name, err)
	}
	c := &Connection{
		name: cfg.Name, root: root, token: cfg.Token,
		now: cfg.Now, wait: cfg.Wait, readTimeout: cfg.ReadTimeout, writeTimeout: cfg.WriteTimeout, trustVersion: cfg.TrustVersion, log: cfg.Log,
		writes: newLimiter(), probing: make(chan struct{}, 1),
		denials: map[string]denial{}, unread: map[string]string{},
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.wait == nil {
		c.wait = waitTimer
	}
	if c.readTimeout == 0 {
		c.readTimeout = DefaultReadTimeout
	}
	if c.writeTimeout == 0 {
		c.writeTimeout = DefaultWriteTimeout
	}
	if c.log == nil {
		c.log = func(string, ...any) {}
	}
	transport := cfg.Transport
	if transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.MaxResponseHeaderBytes = 256 << 10
		transport = own
	}
	c.client = &http.Client{Transport: transport, CheckRedirect: c.checkRedirect}
	return c, nil
}

// Name is the configured name.
func (c *Connection) Name() string { return c.name }

// URL is NetBox's root without a trailing slash, for links.
func (c *Connection) URL() string { return c.root.String() }

// Close releases idle network connections.
func (c *Connection) Close() { c.client.CloseIdleConnections() }

// HTTPClient is a client for other parts of NetBox's API (provisioning): it adds the token, sends to this NetBox
// only, and follows no redirect elsewhere.
func (c *Connection) HTTPClient() *http.Client {
	return &http.Client{Transport: authorized{c}, CheckRedirect: c.checkRedirect, Timeout: c.readTimeout}
}

// Printable makes text that NetBox sent fit for a message: one line without control characters, cut, without the token.
func (c *Connection) Printable(s string) string { return c.text(s, maxWords) }

type authorized struct{ c *Connection }

func (a authorized) RoundTrip(req *http.Request) (*http.Response, error) {
	if !a.c.own(req.URL) {
		return nil, fmt.Errorf("netbox %s: refused to send a request to %s", a.c.name, clean(req.URL.Host, maxWords))
	}
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", authorization(a.c.token))
	resp, err := a.c.client.Transport.RoundTrip(req)
	if err == nil {
		resp.Body = &capped{ReadCloser: resp.Body, left: maxAnswer}
	}
	return resp, err
}

// capped fails a body that is longer than an answer may be.
type capped struct {
	io.ReadCloser
	left int64
}

func (r *capped) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, fmt.Errorf("answer larger than %d bytes", maxAnswer)
	}
	n, err := r.ReadCloser.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	return n, err
}

// authorization is the header's value: version 2 tokens use Bearer, the old ones Token (facts/netbox.md §10).
func authorization(token string) string {
	if strings.HasPrefix(token, "nbt_") {
		return "Bearer " + token
	}
	return "Token " + token
}

// maxToken bounds tokens of callers; NetBox's are 57 characters at most.
const maxToken = 256

func checkToken(token string) error {
	if token == "" {
		return errors.New("the token is empty")
	}
	if len(token) > maxToken {
		return errors.New("the token is too long")
	}
	for _, r := range token {
		if r <= ' ' || r > '~' {
			return errors.New("the token holds blanks or characters that no token has")
		}
	}
	return nil
}

// own reports whether u is on the configured NetBox.
func (c *Connection) own(u *url.URL) bool {
	return u.Scheme == c.root.Scheme && strings.EqualFold(u.Host, c.root.Host)
}

// errRedirect stops a read that NetBox sends elsewhere.
var errRedirect = errors.New("refused redirect")

// checkRedirect follows redirects of reads on the same host. Redirects of writes are returned as they are: the
// standard library would turn a redirected POST into a GET.
func (c *Connection) checkRedirect(req *http.Request, via []*http.Request) error {
	if via[0].Method != http.MethodGet || req.Method != http.MethodGet {
		return http.ErrUseLastResponse
	}
	if !c.own(req.URL) {
		return fmt.Errorf("%w to %s://%s: set the connection's url to NetBox's own address", errRedirect, clean(req.URL.Scheme, 20), clean(req.URL.Host, 100))
	}
	if len(via) >= 3 {
		return fmt.Errorf("%w: too many", errRedirect)
	}
	return nil
}

func waitTimer(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
