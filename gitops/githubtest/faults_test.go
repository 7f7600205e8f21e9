package githubtest

import (
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func (f *fixture) fault(in map[string]any) int64 {
	f.t.Helper()
	r := f.do("POST", "/_faults", "", in)
	if r.status != 201 {
		f.t.Fatalf("fault %v: %d %s", in, r.status, r.body)
	}
	return int64(r.json["id"].(float64))
}

func reset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func TestFaultActions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	const commitRoute = "POST /graphql createCommitOnBranch"
	commit := func() (reply, error) {
		return f.try("POST", "/graphql", token, map[string]any{"query": commitMutation, "variables": commitInput(f.head(), map[string]string{"x": newGUID()})})
	}
	changed := func(name string, want bool, do func()) {
		t.Helper()
		before := f.head()
		do()
		if got := f.head() != before; got != want {
			t.Errorf("%s: took effect %v, want %v", name, got, want)
		}
	}

	f.fault(map[string]any{"route": commitRoute, "action": "drop"})
	changed("drop", false, func() {
		if _, err := commit(); !reset(err) {
			t.Errorf("drop: %v", err)
		}
	})
	f.fault(map[string]any{"route": commitRoute, "action": "reset_after"})
	changed("reset_after", true, func() {
		if _, err := commit(); !reset(err) {
			t.Errorf("reset_after: %v", err)
		}
	})
	f.fault(map[string]any{"route": commitRoute, "action": "error_before", "status": 503, "headers": map[string]string{"Retry-After": "7"}, "body": "<html>oops"})
	changed("error_before", false, func() {
		r, err := commit()
		if err != nil || r.status != 503 || r.header.Get("Retry-After") != "7" || string(r.body) != "<html>oops" || !strings.HasPrefix(r.header.Get("Content-Type"), "text/html") {
			t.Errorf("error_before: %v %d %v %s", err, r.status, r.header, r.body)
		}
	})
	f.fault(map[string]any{"route": commitRoute, "action": "error_after", "status": 502})
	changed("error_after", true, func() {
		if r, err := commit(); err != nil || r.status != 502 {
			t.Errorf("error_after: %v %d", err, r.status)
		}
	})
	f.fault(map[string]any{"route": commitRoute, "action": "truncate"})
	changed("truncate", true, func() {
		if r, err := commit(); !errors.Is(err, io.ErrUnexpectedEOF) || len(r.body) == 0 {
			t.Errorf("truncate: %v %s", err, r.body)
		}
	})
	f.fault(map[string]any{"route": commitRoute, "action": "delay", "delay_ms": 5000})
	changed("delay", true, func() {
		done := make(chan error)
		go func() {
			_, err := commit()
			done <- err
		}()
		f.clock.waitTimer(t)
		f.clock.advance(5 * time.Second)
		if err := <-done; err != nil {
			t.Errorf("delay: %v", err)
		}
	})
	changed("spent", true, func() {
		if r, err := commit(); err != nil || r.status != 200 {
			t.Errorf("spent: %v %d", err, r.status)
		}
	})
}

func TestFaultMatching(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	get := func(who string) int { return f.do("GET", "/repos/acme/open", who, nil).status }
	id := f.fault(map[string]any{"route": "GET /repos/{owner}/{repo}", "user": "hnp-sync[bot]", "skip": 1, "times": 2, "action": "error_before"})
	var got []int
	for range 2 {
		got = append(got, get(userToken))
	}
	for range 4 {
		got = append(got, get(token))
	}
	want := []int{200, 200, 200, 500, 500, 200}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("statuses %v, want %v", got, want)
		}
	}
	f.fault(map[string]any{"route": "*", "times": -1, "action": "error_before", "status": 429})
	for range 3 {
		if s := get(token); s != 429 {
			t.Errorf("always: %d", s)
		}
	}
	if r := f.do("DELETE", "/_faults/"+itoa(id), "", nil); r.status != 204 {
		t.Errorf("delete one: %d", r.status)
	}
	if r := f.do("DELETE", "/_faults/"+itoa(id), "", nil); r.status != 404 {
		t.Errorf("delete it again: %d", r.status)
	}
	if r := f.do("GET", "/_faults", "", nil); !strings.Contains(string(r.body), `"hits":3`) {
		t.Errorf("list %s", r.body)
	}
	if r := f.do("DELETE", "/_faults", "", nil); r.status != 204 {
		t.Errorf("delete all: %d", r.status)
	}
	if s := get(token); s != 200 {
		t.Errorf("after the end: %d", s)
	}
	for name, in := range map[string]map[string]any{
		"no action":      {"route": "*"},
		"unknown action": {"route": "*", "action": "explode"},
		"unknown route":  {"route": "GET /nope", "action": "drop"},
		"unknown member": {"route": "*", "action": "drop", "x": 1},
		"bad status":     {"route": "*", "action": "error_before", "status": 9},
	} {
		if r := f.do("POST", "/_faults", "", in); r.status != 422 {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
}

func TestFaultsStrikeGitToo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	g := f.clone(userToken)
	g.run("commit", "--quiet", "--allow-empty", "-m", "x")
	f.fault(map[string]any{"route": gitReceive, "user": "alice", "action": "reset_after"})
	if out, err := g.try("push", "origin", "HEAD:main"); err == nil {
		t.Errorf("the push reports success: %s", out)
	}
	if f.head() != g.run("rev-parse", "HEAD") {
		t.Error("the push took no effect")
	}
}

// A push and an API commit on the same head: one of them wins, whoever it is.
func TestPushAndCommitRace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	head := f.head()
	var clones []gitClient
	for i := range 3 {
		g := f.clone(userToken)
		g.run("commit", "--quiet", "--allow-empty", "-m", strings.Repeat("x", i+1))
		clones = append(clones, g)
	}
	var wg sync.WaitGroup
	var winners atomic.Int32
	for i := range clones {
		wg.Go(func() {
			if _, err := clones[i].try("push", "--quiet", "origin", "HEAD:main"); err == nil {
				winners.Add(1)
			}
		})
		wg.Go(func() {
			r := f.graphql(token, commitMutation, commitInput(head, map[string]string{"race": newGUID()}))
			if typ, _ := firstError(r); typ == "" && r.status == 200 {
				winners.Add(1)
			}
		})
	}
	wg.Wait()
	log, err := f.Log(repoName, "main", 0)
	if err != nil || winners.Load() != 1 || len(log) != 2 || log[1].OID != head {
		t.Errorf("%d winners, %d commits, %v", winners.Load(), len(log), err)
	}
	if err := f.Fsck(repoName); err != nil {
		t.Error(err)
	}
}

func TestStatistics(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	first := f.do("GET", "/api/v3/repos/acme/fabric/git/ref/heads/main", token, nil)
	f.do("GET", "/repositories/"+itoa(f.RepositoryID(repoName))+"/git/ref/heads/main", token, nil, "If-None-Match", first.header.Get("ETag"))
	f.do("PATCH", "/repos/acme/fabric/git/refs/heads/main", userToken, map[string]any{"sha": f.head()})
	f.do("GET", "/app", f.jwt(0, time.Minute), nil)
	f.graphql(token, `mutation { a: createRef(input: {repositoryId: "x", name: "refs/heads/x", oid: "`+f.head()+`"}) { ref { name } } }`, nil)
	f.clone(userToken)
	r := f.do("GET", "/_stats", "", nil)
	routes := r.json["routes"].(map[string]any)
	bot := r.json["by_user"].(map[string]any)["hnp-sync[bot]"].(map[string]any)
	other := r.json["other"].(map[string]any)
	if r.json["total"] != 5.0 || routes["GET /repos/{owner}/{repo}/git/ref/{ref}"] != 2.0 || routes["PATCH /repos/{owner}/{repo}/git/refs/{ref}"] != 1.0 ||
		routes["POST /graphql createRef"] != 1.0 || bot["total"] != 4.0 || bot["routes"].(map[string]any)["GET /app"] != 1.0 || other[gitUpload] == nil ||
		other["POST /app/installations/{installation_id}/access_tokens"] != 1.0 || other["GET /_stats"] != 1.0 {
		t.Errorf("statistics %s", r.body)
	}
	if n := f.Stats().Writes(); n != 2 {
		t.Errorf("%d writes", n)
	}
	if r := f.do("POST", "/_stats/reset", "", nil); r.status != 200 || r.json["total"] != 0.0 {
		t.Errorf("reset %d %s", r.status, r.body)
	}
	if st := f.Stats(); st.Total != 0 || len(st.ByUser) != 0 {
		t.Errorf("after reset %+v", st)
	}
}

func TestUnknownRoutesAreSaid(t *testing.T) {
	t.Parallel()
	s, err := New(Options{Dir: t.TempDir(), Seed: testSeed()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	f := &fixture{Server: s, t: t}
	for _, path := range []string{"/repos/acme/fabric/actions/runs", "/_nope", "/api/v3/gists"} {
		if r := f.do("GET", path, userToken, nil); r.status != 501 {
			t.Errorf("%s: %d", path, r.status)
		}
	}
	if r := f.graphql(userToken, `{repository(owner:"acme",name:"fabric"){stargazerCount}}`, nil); r.status != 501 {
		t.Errorf("unknown field: %d %s", r.status, r.body)
	}
	want := []string{"GET /_nope", "GET /gists", "GET /repos/acme/fabric/actions/runs", "GRAPHQL Repository.stargazerCount"}
	if got := s.UnknownRoutes(); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("unknown %v", got)
	}
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.SetKnobs(Knobs{CoreLimit: 3, GraphQLLimit: 1})
	token := f.token(nil) // the App's own bucket
	get := func(header ...string) reply {
		return f.do("GET", "/repos/acme/fabric/git/ref/heads/main", token, nil, header...)
	}
	r := get()
	h := r.header
	if h.Get("X-RateLimit-Limit") != "3" || h.Get("X-RateLimit-Remaining") != "2" || h.Get("X-RateLimit-Used") != "1" || h.Get("X-RateLimit-Resource") != "core" || h.Get("X-RateLimit-Reset") != itoa(f.clock.Now().Add(time.Hour).Unix()) {
		t.Errorf("headers %v", h)
	}
	for range 5 {
		if r := get("If-None-Match", r.header.Get("ETag")); r.status != 304 || len(r.body) != 0 || r.header.Get("X-RateLimit-Remaining") != "2" {
			t.Fatalf("conditional: %d, remaining %s", r.status, r.header.Get("X-RateLimit-Remaining"))
		}
	}
	if again := f.do("GET", "/repos/acme/fabric/git/ref/heads/main", f.token(nil), nil, "If-None-Match", r.header.Get("ETag")); again.status != 200 {
		t.Errorf("an ETag holds for another token: %d", again.status)
	}
	get()
	r = get()
	if r.status != 403 || !strings.HasPrefix(r.message(), "API rate limit exceeded for installation ID 9001") || r.header.Get("X-RateLimit-Remaining") != "0" {
		t.Errorf("exceeded: %d %s", r.status, r.body)
	}
	limits := f.do("GET", "/rate_limit", token, nil)
	core := limits.json["resources"].(map[string]any)["core"].(map[string]any)
	if core["remaining"] != 0.0 || core["limit"] != 3.0 {
		t.Errorf("rate_limit %s", limits.body)
	}
	f.graphql(token, `{rateLimit{remaining}}`, nil)
	if r := f.graphql(token, `{viewer{login}}`, nil); r.status != 200 {
		t.Errorf("GraphQL: %d", r.status)
	} else if typ, _ := firstError(r); typ != "RATE_LIMITED" {
		t.Errorf("GraphQL: %s", r.body)
	}
	f.clock.advance(time.Hour)
	token = f.token(nil)
	if r := get(); r.status != 200 {
		t.Errorf("after the hour: %d", r.status)
	}
	f.SetKnobs(Knobs{CoreLimit: 1, LimitStatus: 429})
	get()
	if r := get(); r.status != 429 {
		t.Errorf("429: %d", r.status)
	}
	// A secondary limit is a fault with GitHub's words.
	f.SetKnobs(Knobs{})
	f.fault(map[string]any{"route": "*", "action": "error_before", "status": 403, "headers": map[string]string{"Retry-After": "60"},
		"body": `{"message":"You have exceeded a secondary rate limit.","documentation_url":"https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`})
	if r := get(); r.status != 403 || r.header.Get("Retry-After") != "60" {
		t.Errorf("secondary: %d %v", r.status, r.header)
	}
}
