package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// rememberTokens is how long NetBox's answer about a token holds.
	rememberTokens = time.Minute
	// maxRemembered bounds the memory that strangers' tokens can take.
	maxRemembered = 10_000
	// maxToken is the longest token looked at.
	maxToken = 512
	// maxChecks are NetBox questions at a time, so that guessing here is not guessing there at speed.
	maxChecks = 4
)

// NetBoxTokens asks one NetBox whether it accepts a token.
type NetBoxTokens interface {
	// Name of the connection.
	Name() string
	// Check tells whether NetBox accepts the token, and whose it is when NetBox says so. An error means that NetBox
	// could not be asked.
	Check(ctx context.Context, token string) (login string, accepted bool, err error)
}

// Caller is who sent a request.
type Caller struct {
	// API is true for the holder of the API token, who may everything.
	API bool
	// Logins by NetBox connection that accepts the caller's token.
	Logins map[string]string
}

// sees tells whether the caller may see the fabrics of a connection.
func (c Caller) sees(connection string) bool {
	_, ok := c.Logins[connection]
	return c.API || ok
}

// login is the caller's name for records about a connection.
func (c Caller) login(connection string) string {
	if c.API {
		return "api"
	}
	return c.Logins[connection]
}

// Auth recognises callers. It is safe for concurrent use.
type Auth struct {
	// APIToken is the configured token, empty when there is none.
	APIToken func() string
	// NetBox are the configured connections.
	NetBox func() []NetBoxTokens
	Now    func() time.Time

	mu     sync.Mutex
	known  map[tokenKey]tokenAnswer
	checks chan struct{}
}

type tokenKey struct {
	connection string
	hash       [sha256.Size]byte
}

type tokenAnswer struct {
	login    string
	accepted bool
	until    time.Time
}

// NewAuth makes an Auth.
func NewAuth(apiToken func() string, netbox func() []NetBoxTokens, now func() time.Time) *Auth {
	return &Auth{APIToken: apiToken, NetBox: netbox, Now: now, known: map[tokenKey]tokenAnswer{}, checks: make(chan struct{}, maxChecks)}
}

// Forget drops what is remembered, after a change of the configuration.
func (a *Auth) Forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.known)
}

// token is the credential of a request: "Token …" or "Bearer …".
func token(r *http.Request) string {
	scheme, value, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || (!strings.EqualFold(scheme, "Token") && !strings.EqualFold(scheme, "Bearer")) {
		return ""
	}
	value = strings.TrimSpace(value)
	if len(value) > maxToken || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return value
}

// Caller recognises the sender of a request. ok is false when nobody accepts its token; away names a NetBox that could
// not be asked.
func (a *Auth) Caller(r *http.Request) (c Caller, ok bool, away string) {
	t := token(r)
	if t == "" {
		return c, false, ""
	}
	hash := sha256.Sum256([]byte(t))
	if want := a.APIToken(); want != "" {
		wanted := sha256.Sum256([]byte(want))
		if subtle.ConstantTimeCompare(hash[:], wanted[:]) == 1 {
			return Caller{API: true}, true, ""
		}
	}
	c.Logins = map[string]string{}
	for _, n := range a.NetBox() {
		answer, err := a.ask(r.Context(), n, t, hash)
		if err != nil {
			away = n.Name()
			continue
		}
		if answer.accepted {
			c.Logins[n.Name()] = answer.login
		}
	}
	return c, len(c.Logins) > 0, away
}

func (a *Auth) ask(ctx context.Context, n NetBoxTokens, t string, hash [sha256.Size]byte) (tokenAnswer, error) {
	key := tokenKey{n.Name(), hash}
	now := a.Now()
	a.mu.Lock()
	answer, known := a.known[key]
	a.mu.Unlock()
	if known && now.Before(answer.until) {
		return answer, nil
	}
	select {
	case a.checks <- struct{}{}:
		defer func() { <-a.checks }()
	case <-ctx.Done():
		return tokenAnswer{}, ctx.Err()
	}
	login, accepted, err := n.Check(ctx, t)
	if err != nil {
		return tokenAnswer{}, err
	}
	answer = tokenAnswer{login: login, accepted: accepted, until: now.Add(rememberTokens)}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) >= maxRemembered {
		clear(a.known)
	}
	a.known[key] = answer
	return answer, nil
}
