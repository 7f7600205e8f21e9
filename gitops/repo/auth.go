package repo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"
	"github.com/golang-jwt/jwt/v4"
	"github.com/google/go-github/v62/github"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// signed sends requests with the App's own signature (a JWT of two minutes).
type signed struct {
	signer *ghinstallation.AppsTransport
	ends   endpoints
}

func (t *signed) RoundTrip(req *http.Request) (*http.Response, error) {
	if !t.ends.owns(req.URL) {
		closeBody(req)
		return nil, &ForeignHostError{Host: req.URL.Host}
	}
	// The signer writes into the request it is given.
	return t.signer.RoundTrip(req.Clone(req.Context()))
}

// tokens mints and keeps the token of one installation, narrowed to some repositories and permissions. Each has its
// own ghinstallation transport: two that share the inner one race on its fields.
type tokens struct {
	app          *App
	installation int64
	options      github.InstallationTokenOptions

	mu  sync.Mutex
	itr *ghinstallation.Transport
}

func (t *tokens) transport() (*ghinstallation.Transport, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.itr == nil {
		mint := &minter{now: t.app.now, next: &retry{app: t.app, limit: t.app.limiter(0), next: t.app.wire}}
		signer, err := t.app.signing(mint)
		if err != nil {
			return nil, fmt.Errorf("token of installation %d: %w", t.installation, err)
		}
		itr := ghinstallation.NewFromAppsTransport(signer, t.installation)
		itr.BaseURL = t.app.ends.rest.String()
		itr.InstallationTokenOptions = &t.options
		t.itr = itr
	}
	return t.itr, nil
}

// token returns a valid token, minting one when needed. A refusal is a *gitops.PermissionError where it will last.
func (t *tokens) token(ctx context.Context) (string, error) {
	itr, err := t.transport()
	if err != nil {
		return "", err
	}
	token, err := itr.Token(ctx)
	if err == nil {
		return token, nil
	}
	var answer *ghinstallation.HTTPError
	if !errors.As(err, &answer) || answer.Response == nil {
		return "", fmt.Errorf("token of installation %d: %w", t.installation, err)
	}
	defer answer.Response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(answer.Response.Body, maxError))
	api := newAPIError("mint a token", answer.Response.StatusCode, answer.Response.Header, body)
	return "", mintRefusal(t.installation, t.options.Permissions, api)
}

func mintRefusal(installation int64, asked *github.InstallationPermissions, api *APIError) error {
	subject := fmt.Sprintf("installation %d", installation)
	refuse := func(code, message string) error {
		return &gitops.PermissionError{Code: code, Message: message, Err: api}
	}
	switch api.Status {
	case http.StatusNotFound:
		return refuse("not_found", subject+" does not exist: the App was uninstalled, or app_id and the private key are another App's")
	case http.StatusUnprocessableEntity:
		// Asked for a repository or permission that the installation does not have (any more).
		return refuse("missing_permission", subject+" does not grant what is needed, "+permissionWords(asked)+" ("+api.Message+"): select the repository and accept the App's permissions in the installation's settings")
	}
	return permission(subject, api)
}

// permissionWords names permissions as GitHub's settings do: "checks: write, metadata: read".
func permissionWords(asked *github.InstallationPermissions) string {
	words := map[string]string{}
	data, err := json.Marshal(asked)
	if err != nil || json.Unmarshal(data, &words) != nil || len(words) == 0 {
		return "access to the repository"
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(words)) {
		out = append(out, name+": "+words[name])
	}
	return strings.Join(out, ", ")
}

// forget drops a token that GitHub no longer accepts, unless another goroutine already did.
func (t *tokens) forget(itr *ghinstallation.Transport) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.itr == itr {
		t.itr = nil
	}
}

// minter marks the token request: it may be repeated, it is reported under its own name, and whether it was sent
// says nothing about the request it is made for.
type minter struct {
	now  func() time.Time
	next http.RoundTripper
}

func (m *minter) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := withCall(req.Context(), callInfo{operation: "mint a token", safe: true})
	out := req.Clone(ctx)
	if req.Body != nil && req.GetBody == nil {
		// ghinstallation's buffer is an io.ReadWriter, which net/http cannot copy by itself.
		body, err := io.ReadAll(io.LimitReader(req.Body, maxError))
		closeBody(req)
		if err != nil {
			return nil, err
		}
		setBody(out, body)
	}
	resp, err := m.next.RoundTrip(out)
	if err != nil || resp.StatusCode != http.StatusCreated {
		return resp, err
	}
	return resp, m.shift(resp)
}

// shift moves the end of a new token from the App's clock to the system's, by which ghinstallation judges it. With
// the real clock nothing changes.
func (m *minter) shift(resp *http.Response) error {
	offset := time.Since(m.now())
	if offset.Abs() < time.Second {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
	resp.Body.Close()
	if err != nil {
		return &transportError{err}
	}
	var token struct {
		Token     string    `json:"token"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	if err := decode("mint a token", body, &token); err != nil {
		return err
	}
	token.ExpiresAt = token.ExpiresAt.Add(offset)
	if body, err = json.Marshal(token); err != nil {
		return err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// signing returns a transport that signs with the App's key. Never share one between installations: refreshing a
// token writes into it.
func (a *App) signing(next http.RoundTripper) (*ghinstallation.AppsTransport, error) {
	signer := &datedSigner{inner: ghinstallation.NewRSASigner(jwt.SigningMethodRS256, a.key), now: a.now}
	return ghinstallation.NewAppsTransportWithOptions(next, a.id, ghinstallation.WithSigner(signer))
}

// datedSigner dates the App's signatures by the App's clock. 30 seconds back, against a server whose clock is late;
// GitHub accepts at most ten minutes of life.
type datedSigner struct {
	inner ghinstallation.Signer
	now   func() time.Time
}

func (s *datedSigner) Sign(claims jwt.Claims) (string, error) {
	registered, ok := claims.(*jwt.RegisteredClaims)
	if !ok {
		return "", errors.New("unexpected claims to sign")
	}
	dated := *registered
	from := s.now().Add(-30 * time.Second).Truncate(time.Second)
	dated.IssuedAt, dated.ExpiresAt = jwt.NewNumericDate(from), jwt.NewNumericDate(from.Add(2*time.Minute))
	return s.inner.Sign(&dated)
}

// authenticate attaches an installation token.
type authenticate struct {
	tokens *tokens
	ends   endpoints
	next   http.RoundTripper
}

func (t *authenticate) RoundTrip(req *http.Request) (*http.Response, error) {
	if !t.ends.owns(req.URL) {
		closeBody(req)
		return nil, &ForeignHostError{Host: req.URL.Host}
	}
	for again := false; ; again = true {
		token, err := t.tokens.token(req.Context())
		if err != nil {
			closeBody(req)
			return nil, err
		}
		itr, _ := t.tokens.transport()
		out := req.Clone(req.Context())
		if again {
			if out, err = replay(req, 2); err != nil {
				return nil, err
			}
			out = out.Clone(out.Context())
		}
		out.Header.Set("Authorization", "Bearer "+token)
		resp, err := t.next.RoundTrip(out)
		// 401 means that nothing was done, so that a write may be sent again, once, with a new token: the old one
		// was revoked or the clocks differ.
		if err != nil || resp.StatusCode != http.StatusUnauthorized || again || !replayable(req) {
			return resp, err
		}
		drain(resp.Body)
		t.tokens.forget(itr)
	}
}

func replayable(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}

// clientKey identifies a token: what it may do, and where.
type clientKey struct {
	installation int64
	repositories string
	permissions  string
}

// HTTPClient returns a client for GitHub's API whose requests carry a token of the installation, narrowed to the
// given repositories (none: all of the installation) and permissions (nil: all of the installation), and pass
// through this package's limits, retries and host checks. Equal arguments give the same client, hence one token an
// hour. Errors of its requests wrap *RateLimitError, *gitops.PermissionError and *ForeignHostError.
func (a *App) HTTPClient(installationID int64, repositoryIDs []int64, permissions *github.InstallationPermissions) (*http.Client, error) {
	c, err := a.installation(installationID, repositoryIDs, permissions)
	if err != nil {
		return nil, err
	}
	return c.http, nil
}

func (a *App) installation(installationID int64, repositoryIDs []int64, permissions *github.InstallationPermissions) (*client, error) {
	if a.static != nil {
		return a.static, nil
	}
	if installationID <= 0 {
		return nil, errors.New("installation id is missing")
	}
	ids := slices.Clone(repositoryIDs)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	granted, err := json.Marshal(permissions)
	if err != nil {
		return nil, err
	}
	key := clientKey{installationID, fmt.Sprint(ids), string(granted)}
	limit := a.limiter(installationID)
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.clients[key]; c != nil {
		return c, nil
	}
	t := &tokens{app: a, installation: installationID, options: github.InstallationTokenOptions{RepositoryIDs: ids, Permissions: permissions}}
	c := a.newClientWith(installationID, limit, &authenticate{tokens: t, ends: a.ends, next: a.wire})
	a.clients[key] = c
	return c, nil
}
