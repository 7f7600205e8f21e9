package githubtest

import (
	"strings"
	"testing"
	"time"
)

func TestAppJWTRules(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, c := range map[string]struct {
		token   string
		status  int
		message string
	}{
		"good":               {f.jwt(-time.Minute, 9*time.Minute), 200, ""},
		"expired":            {f.jwt(-10*time.Minute, -time.Second), 401, "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires"},
		"too long":           {f.jwt(-time.Minute, 11*time.Minute), 401, "'Expiration time' claim ('exp') is too far in the future"},
		"issued in future":   {f.jwt(5*time.Minute, 6*time.Minute), 401, "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"},
		"bad signature":      {f.jwt(-time.Minute, time.Minute) + "AAAA", 401, "A JSON web token could not be decoded"},
		"no token":           {"", 401, "A JSON web token could not be decoded"},
		"unknown token":      {"nonsense", 401, "Bad credentials"},
		"installation token": {f.token(nil), 401, "A JSON web token could not be decoded"},
	} {
		if r := f.do("GET", "/app", c.token, nil); r.status != c.status || r.message() != c.message {
			t.Errorf("%s: %d %q", name, r.status, r.message())
		}
	}
	f.SetKnobs(Knobs{ClockSkew: -3 * time.Minute})
	if r := f.do("GET", "/app", f.jwt(0, 5*time.Minute), nil); r.status != 401 {
		t.Errorf("skewed clock: %d", r.status)
	}
	if r := f.do("GET", "/repos/acme/fabric", f.jwt(-4*time.Minute, time.Minute), nil); r.status != 404 {
		t.Errorf("a JWT reads a private repository: %d", r.status)
	}
}

func TestInstallationTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	jwt := f.jwt(-time.Minute, 5*time.Minute)
	mint := "/app/installations/9001/access_tokens"

	for name, in := range map[string]any{
		"repository of another account": map[string]any{"repository_ids": []int{999}},
		"permission not held":           map[string]any{"permissions": map[string]string{"actions": "read"}},
		"level not held":                map[string]any{"permissions": map[string]string{"contents": "admin"}},
		"unknown repository":            map[string]any{"repositories": []string{"nope"}},
	} {
		if r := f.do("POST", mint, jwt, in); r.status != 422 {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if r := f.do("POST", "/app/installations/1/access_tokens", jwt, nil); r.status != 404 {
		t.Errorf("foreign installation: %d", r.status)
	}

	r := f.do("POST", mint, jwt, map[string]any{"repository_ids": []int64{f.RepositoryID(repoName)}, "permissions": map[string]string{"contents": "read"}})
	narrow := r.json["token"].(string)
	if r.json["repository_selection"] != "selected" || r.json["expires_at"] != "2026-03-01T13:00:00Z" || len(narrow) <= 40 {
		t.Errorf("token %s", r.body)
	}
	for path, want := range map[string]int{"/repos/acme/fabric": 200, "/repos/acme/other": 404, "/repos/acme/fabric/git/ref/heads/main": 200, "/repos/acme/fabric/pulls": 403, "/repos/acme/open": 200} {
		if r := f.do("GET", path, narrow, nil); r.status != want {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	r = f.do("POST", "/repos/acme/fabric/git/blobs", narrow, map[string]any{"content": "x"})
	if r.status != 403 || r.message() != "Resource not accessible by integration" || r.header.Get("X-Accepted-GitHub-Permissions") != "contents=write" {
		t.Errorf("write with contents:read: %d %q %v", r.status, r.message(), r.header)
	}
	if typ, msg := firstError(f.graphql(narrow, commitMutation, commitInput(f.head(), map[string]string{"x": "y"}))); typ != "FORBIDDEN" || msg != "Resource not accessible by integration" {
		t.Errorf("mutation with contents:read: %s %q", typ, msg)
	}
	if r := f.do("GET", "/installation/repositories", narrow, nil); r.json["total_count"] != 1.0 {
		t.Errorf("repositories %s", r.body)
	}
	checksOnly := f.token(map[string]any{"permissions": map[string]string{"checks": "write"}})
	if typ, msg := firstError(f.graphql(checksOnly, `{repository(owner:"acme",name:"fabric"){defaultBranchRef{name}}}`, nil)); typ != "FORBIDDEN" || msg != "Resource not accessible by integration" {
		t.Errorf("GraphQL read without contents: %s %q", typ, msg)
	}

	// Life and death.
	token := f.token(nil)
	f.clock.advance(59 * time.Minute)
	if r := f.do("GET", "/repos/acme/fabric", token, nil); r.status != 200 {
		t.Errorf("before expiry: %d", r.status)
	}
	f.clock.advance(time.Minute)
	if r := f.do("GET", "/repos/acme/fabric", token, nil); r.status != 401 || r.message() != "Bad credentials" {
		t.Errorf("expired: %d %q", r.status, r.message())
	}
	token = f.token(nil)
	if r := f.do("DELETE", "/installation/token", token, nil); r.status != 204 {
		t.Errorf("revoke: %d", r.status)
	}
	if r := f.do("GET", "/repos/acme/open", token, nil); r.status != 401 {
		t.Errorf("revoked token falls back to anonymous: %d", r.status)
	}
	token = f.token(nil)
	if err := f.Suspend(installID, true); err != nil {
		t.Fatal(err)
	}
	if r := f.do("GET", "/repos/acme/fabric", token, nil); r.status != 403 {
		t.Errorf("suspended: %d", r.status)
	}
	if r := f.do("POST", mint, f.jwt(-time.Minute, 5*time.Minute), nil); r.status != 403 {
		t.Errorf("mint while suspended: %d", r.status)
	}
}

func TestPeopleAndStrangers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, c := range map[string]struct {
		method, path, token string
		body                any
		status              int
	}{
		"anonymous, private":         {"GET", "/repos/acme/fabric", "", nil, 404},
		"anonymous, public":          {"GET", "/repos/acme/open", "", nil, 200},
		"anonymous write":            {"POST", "/repos/acme/open/git/blobs", "", map[string]any{"content": "x"}, 401},
		"stranger, private":          {"GET", "/repos/acme/fabric", "ghp_eve", nil, 404},
		"stranger write, public":     {"POST", "/repos/acme/open/git/blobs", "ghp_eve", map[string]any{"content": "x"}, 404},
		"stranger comments, public":  {"POST", "/repos/acme/open/issues", "ghp_eve", map[string]any{"title": "hello"}, 201},
		"member":                     {"GET", "/repos/acme/fabric/contents/a", userToken, nil, 200},
		"member without scope":       {"GET", "/repos/acme/fabric", "ghp_none", nil, 404},
		"checks are for Apps":        {"POST", "/repos/acme/fabric/check-runs", userToken, map[string]any{"name": "x", "head_sha": strings.Repeat("1", 40)}, 403},
		"user":                       {"GET", "/user", userToken, nil, 200},
		"enterprise prefix":          {"GET", "/api/v3/repos/acme/fabric", userToken, nil, 200},
		"by id":                      {"GET", "/repositories/" + itoa(f.RepositoryID(repoName)) + "/git/ref/heads/main", userToken, nil, 200},
		"no such id":                 {"GET", "/repositories/5/git/ref/heads/main", userToken, nil, 404},
		"GraphQL needs a login":      {"POST", "/graphql", "", map[string]any{"query": "{viewer{login}}"}, 401},
		"GraphQL enterprise path":    {"POST", "/api/graphql", userToken, map[string]any{"query": "{viewer{login}}"}, 200},
		"body that is no JSON":       {"POST", "/repos/acme/fabric/git/blobs", userToken, []byte("x"), 422},
		"permission of a non-member": {"GET", "/repos/acme/fabric/collaborators/eve/permission", userToken, nil, 200},
		"permission of nobody":       {"GET", "/repos/acme/fabric/collaborators/nobody/permission", userToken, nil, 404},
	} {
		if r := f.do(c.method, c.path, c.token, c.body); r.status != c.status {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	r := f.graphql("ghp_eve", `{repository(owner:"acme",name:"fabric"){id}}`, nil)
	if typ, msg := firstError(r); typ != "NOT_FOUND" || msg != "Could not resolve to a Repository with the name 'acme/fabric'." {
		t.Errorf("stranger's query: %s %q", typ, msg)
	}
}
