package githubtest

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	identityAnonymous = iota
	identityUser
	identityApp
	identityInstallation
)

// identity is who makes a request.
type identity struct {
	kind    int
	account *accountRow // the user, or the App's bot
	app     *appRow
	inst    *installationRow
	token   *tokenRow
}

// statLogin is the name requests are counted under; "" is nobody known.
func (id *identity) statLogin() string {
	if id == nil || id.account == nil {
		return ""
	}
	return id.account.Login
}

var errBadCredentials = fail(401, "Bad credentials")

// identify finds the caller. An unknown, expired or revoked token is 401,
// never a lesser identity.
func (s *Server) identify(r *http.Request) (*identity, error) {
	anonymous := &identity{}
	header := r.Header.Get("Authorization")
	if header == "" {
		return anonymous, nil
	}
	scheme, value, _ := strings.Cut(header, " ")
	value = strings.TrimSpace(value)
	if strings.EqualFold(scheme, "basic") {
		_, password, ok := r.BasicAuth()
		if !ok {
			return anonymous, errBadCredentials
		}
		value = password
	} else if !strings.EqualFold(scheme, "bearer") && !strings.EqualFold(scheme, "token") {
		return anonymous, errBadCredentials
	}
	if t := s.byToken[value]; t != nil {
		return s.tokenIdentity(t)
	}
	if strings.Count(value, ".") == 2 && !strings.HasPrefix(value, "ghs_") {
		return s.jwtIdentity(value)
	}
	return anonymous, errBadCredentials
}

func (s *Server) tokenIdentity(t *tokenRow) (*identity, error) {
	if t.Installation == 0 {
		account := s.accountByLogin(t.Login)
		if account == nil {
			return &identity{}, errBadCredentials
		}
		return &identity{kind: identityUser, account: account, token: t}, nil
	}
	inst := s.installations.rows[t.Installation]
	if inst == nil {
		return &identity{}, errBadCredentials
	}
	app := s.apps.rows[inst.AppID]
	id := &identity{kind: identityInstallation, app: app, inst: inst, token: t, account: s.accounts.rows[app.BotID]}
	if !s.clock.Now().Before(t.ExpiresAt) {
		return id, errBadCredentials
	}
	if inst.SuspendedAt != nil {
		return id, fail(403, "This installation has been suspended")
	}
	return id, nil
}

// jwtIdentity checks an App's RS256 assertion: signature, iat not in the
// future (GitHub allows a minute of drift), exp in the future and at most ten
// minutes after now, iss the App's id or client id.
func (s *Server) jwtIdentity(value string) (*identity, error) {
	none := &identity{}
	undecodable := fail(401, "A JSON web token could not be decoded")
	parts := strings.Split(value, ".")
	var header struct {
		Alg string `json:"alg"`
	}
	var claims struct {
		Iss any      `json:"iss"`
		Iat *float64 `json:"iat"`
		Exp *float64 `json:"exp"`
	}
	if !decodeSegment(parts[0], &header) || !decodeSegment(parts[1], &claims) || header.Alg != "RS256" {
		return none, undecodable
	}
	var app *appRow
	switch iss := claims.Iss.(type) {
	case float64:
		app = s.apps.rows[int64(iss)]
	case string:
		n, _ := strconv.ParseInt(iss, 10, 64)
		if app = s.apps.rows[n]; app == nil {
			for _, a := range s.apps.rows {
				if a.ClientID == iss {
					app = a
				}
			}
		}
	default:
		return none, fail(401, "'Issuer' claim ('iss') must be an Integer")
	}
	if app == nil {
		return none, fail(404, "Integration not found")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return none, undecodable
	}
	block, _ := pem.Decode([]byte(app.PublicKey))
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return none, fmt.Errorf("key of %s: %w", app.Slug, err)
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(key.(*rsa.PublicKey), crypto.SHA256, digest[:], signature) != nil {
		return none, undecodable
	}
	now := s.clock.Now().Add(s.knobs.ClockSkew)
	switch {
	case claims.Iat == nil:
		return none, fail(401, "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")
	case unix(*claims.Iat).After(now.Add(time.Minute)):
		return none, fail(401, "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")
	case claims.Exp == nil || !unix(*claims.Exp).After(now):
		return none, fail(401, "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires")
	case unix(*claims.Exp).After(now.Add(10 * time.Minute)):
		return none, fail(401, "'Expiration time' claim ('exp') is too far in the future")
	}
	return &identity{kind: identityApp, app: app, account: s.accounts.rows[app.BotID]}, nil
}

func unix(sec float64) time.Time { return time.Unix(int64(sec), 0) }

func decodeSegment(segment string, into any) bool {
	data, err := base64.RawURLEncoding.DecodeString(segment)
	return err == nil && json.Unmarshal(data, into) == nil
}

// levelRank orders App permissions; 0 is none.
func levelRank(level string) int {
	return slices.Index([]string{"", "read", "write", "admin"}, level)
}

// has says whether the caller's installation token holds one of the
// permissions ("contents" or "issues|pull_requests") at the level.
func (id *identity) has(permissions, level string) bool {
	for _, p := range strings.Split(permissions, "|") {
		if p == "metadata" && level == "read" || levelRank(id.token.Permissions[p]) >= levelRank(level) {
			return true
		}
	}
	return false
}

// sees says whether the caller may know that the repository exists.
func (s *Server) sees(id *identity, r *repoRow) bool {
	if !r.Private {
		return true
	}
	switch id.kind {
	case identityUser:
		return id.scope("repo") && permissionRank(s.permission(id.account.Login, r)) >= permissionRank("read")
	case identityInstallation:
		return s.reaches(id, r)
	}
	return false
}

// reaches says whether an installation token covers the repository.
func (s *Server) reaches(id *identity, r *repoRow) bool {
	return id.inst.covers(r) && (id.token.Repositories == nil || slices.Contains(id.token.Repositories, r.ID))
}

// scope says whether a user's token has the scope.
func (id *identity) scope(want string) bool {
	return id.token.Scopes == nil || slices.Contains(id.token.Scopes, want) || want == "public_repo" && slices.Contains(id.token.Scopes, "repo")
}

// notAccessible is GitHub's refusal of an App, with what would be accepted.
func notAccessible(permissions, level string) *apiError {
	var accepted []string
	for _, p := range strings.Split(permissions, "|") {
		accepted = append(accepted, p+"="+level)
	}
	return &apiError{status: 403, message: "Resource not accessible by integration",
		header: map[string]string{"X-Accepted-GitHub-Permissions": strings.Join(accepted, "; ")}}
}

// allow checks one permission on a repository for any kind of caller.
func (s *Server) allow(id *identity, r *repoRow, permissions, level string) error {
	if !s.sees(id, r) {
		return errNotFound
	}
	switch id.kind {
	case identityAnonymous:
		if level != "read" {
			return fail(401, "Requires authentication")
		}
	case identityApp:
		return fail(401, "A JSON web token could not be used here: an installation token is needed")
	case identityInstallation:
		if level == "admin" {
			level = "write" // Apps have no admin level
		}
		if !s.reaches(id, r) {
			if level == "read" && permissions != "checks" {
				return nil // public data
			}
			return notAccessible(permissions, level)
		}
		if !id.has(permissions, level) {
			return notAccessible(permissions, level)
		}
	case identityUser:
		if permissions == "checks" && level != "read" {
			return fail(403, "You must authenticate via a GitHub App.")
		}
		scope := "public_repo"
		if r.Private {
			scope = "repo"
		}
		need := level
		if level == "write" && (strings.Contains(permissions, "issues") || permissions == "pull_requests") {
			// Who may read may open issues and pull requests and comment; what else they may change, the operation asks.
			need = "read"
		}
		if level != "read" && !id.scope(scope) || permissionRank(s.permission(id.account.Login, r)) < permissionRank(need) {
			if level == "admin" {
				return fail(403, "Must have admin rights to Repository.")
			}
			return errNotFound // how GitHub answers a push right that is missing
		}
	}
	if r.Archived && level != "read" && permissions != "administration" {
		return fail(403, "Repository was archived so is read-only.")
	}
	return nil
}

// authorize checks the caller against the route and resolves the repository.
func (c *call) authorize() error {
	rt := c.route
	switch rt.auth {
	case authApp:
		if c.id.kind != identityApp {
			return fail(401, "A JSON web token could not be decoded")
		}
		return nil
	case authInstallation:
		if c.id.kind != identityInstallation {
			return fail(403, "You must authenticate with an installation access token in order to list repositories for an installation.")
		}
		return nil
	case authUser:
		if c.id.kind == identityAnonymous {
			return fail(401, "Requires authentication")
		}
		if c.id.kind != identityUser {
			return notAccessible("user", "read")
		}
		return nil
	case authNone:
		return nil
	}
	repo, former := c.s.repoByName(c.params["owner"], c.params["repo"])
	if repo == nil {
		return errNotFound
	}
	if former {
		if !c.s.sees(c.id, repo) {
			return errNotFound
		}
		return c.moved(repo)
	}
	c.repo = repo
	c.git = c.s.gitRepo(repo)
	return c.s.allow(c.id, repo, rt.permission, rt.level)
}

// moved is the redirect of a renamed or transferred repository.
func (c *call) moved(repo *repoRow) error {
	parts := strings.SplitN(c.path, "/", 5)
	rest := ""
	if len(parts) == 5 {
		rest = "/" + parts[4]
	}
	if c.req.URL.RawQuery != "" {
		rest += "?" + c.req.URL.RawQuery
	}
	target := c.api("/repositories/%d", repo.ID) + rest
	status, message := 301, "Moved Permanently"
	if c.req.Method != "GET" && c.req.Method != "HEAD" {
		status, message = 307, "Temporary Redirect"
	}
	return &redirect{apiError{status: status, message: message, doc: "https://docs.github.com/v3/#http-redirects", header: map[string]string{"Location": target}}, target}
}

type redirect struct {
	apiError
	url string
}
