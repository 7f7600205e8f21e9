package netbox

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// probeScript is a NetBox as far as probing asks it.
type probeScript struct {
	version, api string
	plugins      string
	companion    bool
	noLog        bool
	change       string
	single, bulk int // status of the conditional PATCH
	unauthorized bool
}

func (p *probeScript) answer(_ int, c call) reply {
	h := map[string]string{"API-Version": p.api}
	switch {
	case p.unauthorized:
		return reply{status: 403, body: `{"detail":"Invalid v2 token"}`}
	case c.Path == "/api/status/":
		return reply{header: h, body: fmt.Sprintf(`{"netbox-version":%q,"plugins":{%s},"rq-workers-running":1}`, p.version, p.plugins)}
	case c.Path == "/api/plugins/hedgehog/fabrics/" && !p.companion:
		return reply{status: 500, header: h, body: `{"error":"Could not resolve URL for hyperlinked relationship using view name \"\".","exception":"ImproperlyConfigured"}`}
	case c.Path == "/api/plugins/hedgehog/fabrics/":
		return reply{header: h, body: page(1, false, `{"id":1,"display_url":"http://x/"}`)}
	case c.Path == "/api/core/object-changes/" && p.noLog:
		return reply{status: 403, header: h, body: `{"detail":"You do not have permission to perform this action."}`}
	case c.Path == "/api/core/object-changes/":
		rows := []string{}
		if p.change != "" {
			rows = append(rows, p.change)
		}
		return reply{header: h, body: page(len(rows), false, rows...)}
	case c.Method == "PATCH" && strings.HasPrefix(c.Body, "["):
		return reply{status: p.bulk, header: h, body: `{"detail":"x"}`}
	case c.Method == "PATCH":
		return reply{status: p.single, header: h, body: `{"detail":"x"}`}
	}
	return reply{status: 404, header: h, body: "<html><title>Page Not Found</title></html>"}
}

const hedgehogPlugin = `"netbox_hedgehog":"0.2.0"`

func TestCapabilities(t *testing.T) {
	t.Parallel()
	vpcChange := change(9, "netbox_hedgehog.vpc", "update", 7, "")
	for name, tc := range map[string]struct {
		server         probeScript
		log            bool
		etag, bulk     bool
		external, vpcs string // which of read create update delete events
		requests       int
	}{
		"4.7.3 plain, an object to probe": {probeScript{version: "4.7.3", api: "4.7", plugins: hedgehogPlugin, change: vpcChange, single: 412, bulk: 412}, true, true, true, "rcu", "rcude", 5},
		"4.7.3 plain, nothing there yet":  {probeScript{version: "4.7.3", api: "4.7", plugins: hedgehogPlugin}, true, true, true, "rcu", "rcude", 3},
		"the newest change is a delete":   {probeScript{version: "4.7.3", api: "4.7", plugins: hedgehogPlugin, change: change(9, "netbox_hedgehog.vpc", "delete", 7, "")}, true, true, true, "rcu", "rcude", 3},
		"with the companion":              {probeScript{version: "4.7.3", api: "4.7", plugins: hedgehogPlugin, companion: true}, true, true, true, "rcude", "rcude", 3},
		"no right to the change log":      {probeScript{version: "4.7.3", api: "4.7", plugins: hedgehogPlugin, noLog: true}, false, true, true, "rcu", "rcude", 3},
		"a proxy drops If-Match":          {probeScript{version: "4.7.3", api: "4.7", plugins: hedgehogPlugin, change: vpcChange, single: 200, bulk: 200}, true, false, false, "rcu", "rcude", 5},
		"bulk If-Match is ignored":        {probeScript{version: "4.6.0-beta1", api: "4.6", plugins: hedgehogPlugin, change: vpcChange, single: 412, bulk: 200}, true, true, false, "rcu", "rcude", 5},
		"a token that may not write":      {probeScript{version: "4.7.3", api: "4.7", plugins: hedgehogPlugin, change: vpcChange, single: 403, bulk: 403}, true, true, true, "rcu", "rcude", 5},
		"the object is gone":              {probeScript{version: "4.7.3-Docker-3.2", api: "4.7", plugins: hedgehogPlugin, change: vpcChange, single: 404, bulk: 400}, true, true, true, "rcu", "rcude", 5},
		"before ETags":                    {probeScript{version: "4.5.8", api: "4.5", plugins: hedgehogPlugin, change: vpcChange}, true, false, false, "rcu", "rcude", 3},
		"before omit=":                    {probeScript{version: "4.4.7", api: "4.4", plugins: hedgehogPlugin}, true, false, false, "r", "rcude", 3},
		"another plugin only":             {probeScript{version: "4.7.3", api: "4.7", plugins: `"netbox_custom_objects":"0.7.1"`}, true, true, true, "", "", 2},
		"a status that lists no plugins":  {probeScript{version: "4.7.3", api: "4.7"}, true, true, true, "rcu", "rcude", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, tc.server.answer)
			f := dial(t, s.URL, nil).Fabric(1)
			caps, err := f.Capabilities(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if caps.Backend != "hedgehog" || caps.Version != tc.server.version || caps.ChangeLog != tc.log || caps.ETag != tc.etag || caps.BulkETag != tc.bulk {
				t.Errorf("%+v", caps)
			}
			if got := letters(caps.Kinds["External"]); got != tc.external {
				t.Errorf("External can %q, want %q", got, tc.external)
			}
			if got := letters(caps.Kinds["VPC"]); got != tc.vpcs {
				t.Errorf("VPC can %q, want %q", got, tc.vpcs)
			}
			for _, kind := range []string{"Gateway", "GatewayGroup", "GatewayPeering", "ServerProfile", "SwitchProfile"} {
				if k, ok := caps.Kinds[kind]; !ok || letters(k) != "" || !strings.Contains(k.Reason, "no table for "+kind) {
					t.Errorf("%s: %+v", kind, k)
				}
			}
			for kind, k := range caps.Kinds {
				if letters(k) != "rcude" && k.Reason == "" {
					t.Errorf("%s: %q without a reason", kind, letters(k))
				}
				if (k.Reason == "") != (k.Workaround == "") {
					t.Errorf("%s: reason %q, workaround %q", kind, k.Reason, k.Workaround)
				}
			}
			if !tc.etag && tc.vpcs != "" && !strings.Contains(caps.Kinds["VPC"].Reason, "If-Match") {
				t.Errorf("the missing If-Match is not said: %q", caps.Kinds["VPC"].Reason)
			}
			n := len(s.requests())
			if n != tc.requests {
				t.Errorf("%d requests: %q", n, s.requests())
			}
			if _, err := f.Capabilities(t.Context()); err != nil || len(s.requests()) != n {
				t.Error("probed twice")
			}
			for _, c := range s.calls {
				if c.Method == "PATCH" && c.Header.Get("If-Match") != `W/"1999-01-01T00:00:00+00:00"` {
					t.Errorf("an unconditional probe: %v", c)
				}
			}
		})
	}
}

func letters(k gitops.KindCapability) string {
	s := ""
	for i, ok := range []bool{k.Read, k.Create, k.Update, k.Delete, k.Events} {
		if ok {
			s += "rcude"[i : i+1]
		}
	}
	return s
}

func TestTrustVersion(t *testing.T) {
	t.Parallel()
	s := newScript(t, (&probeScript{version: "4.7.3", api: "4.7", plugins: hedgehogPlugin, change: change(9, "netbox_hedgehog.vpc", "update", 7, "")}).answer)
	c := dial(t, s.URL, nil)
	c.trustVersion = true
	if caps, err := c.Capabilities(t.Context()); err != nil || !caps.ETag || !caps.BulkETag || len(s.requests()) != 3 {
		t.Errorf("%+v %v %v", caps, err, s.requests())
	}
}

func TestProbeFailsWithTheToken(t *testing.T) {
	t.Parallel()
	s := newScript(t, (&probeScript{unauthorized: true}).answer)
	_, err := dial(t, s.URL, nil).Capabilities(t.Context())
	if err == nil || !strings.Contains(err.Error(), "Invalid v2 token") {
		t.Errorf("error %v", err)
	}
	res := dial(t, s.URL, nil).Fabric(1).Write(t.Context(), updates(t, 1))
	if outcomes(res) != "not_sent" {
		t.Errorf("write: %s", outcomes(res))
	}
}

func TestProbedAgainAfterAnUpgrade(t *testing.T) {
	t.Parallel()
	server := probeScript{version: "4.5.8", api: "4.5", plugins: hedgehogPlugin}
	var mu sync.Mutex
	s := newScript(t, func(n int, c call) reply {
		mu.Lock()
		defer mu.Unlock()
		return server.answer(n, c)
	})
	c := dial(t, s.URL, nil)
	var said []string
	c.log = func(msg string, kv ...any) { said = append(said, msg+" "+fmt.Sprint(kv...)) }
	caps, err := c.Capabilities(t.Context())
	if err != nil || caps.ETag {
		t.Fatal(caps, err)
	}
	first := len(said)
	if _, err := c.Capabilities(t.Context()); err != nil || len(said) != first || first < 3 {
		t.Errorf("limits are said once: %q", said)
	}
	mu.Lock()
	server.version, server.api = "4.7.3", "4.7"
	mu.Unlock()
	if _, err := c.Fabrics(t.Context()); err == nil {
		t.Fatal("the script has no fabrics")
	}
	caps, err = c.Capabilities(t.Context())
	if err != nil || !caps.ETag || caps.Version != "4.7.3" {
		t.Errorf("%+v, %v", caps, err)
	}
	n := len(s.requests())
	c.Reprobe()
	if _, err := c.Capabilities(t.Context()); err != nil || len(s.requests()) == n {
		t.Error("Reprobe did not probe")
	}
}

// Many at once probe once.
func TestProbeOnce(t *testing.T) {
	t.Parallel()
	s := newScript(t, (&probeScript{version: "4.7.3", api: "4.7", plugins: hedgehogPlugin}).answer)
	c := dial(t, s.URL, nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := c.Fabric(1).Capabilities(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(s.requests()); n != 3 {
		t.Errorf("%d requests", n)
	}
}

// A kind the token may not list is no longer offered, until it may.
func TestUnreadableKind(t *testing.T) {
	t.Parallel()
	denied := true
	s := newScript(t, func(int, call) reply {
		if denied {
			return reply{status: 403, body: `{"detail":"You do not have permission to perform this action."}`}
		}
		return reply{body: page(0, false)}
	})
	c := dial(t, s.URL, known("4.7.3"))
	list := func() gitops.KindCapability {
		if _, err := c.Fabric(1).List(t.Context(), []string{"VPC"}); err != nil {
			t.Fatal(err)
		}
		caps, err := c.Capabilities(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return caps.Kinds["VPC"]
	}
	if k := list(); k.Read || k.Delete || !strings.Contains(k.Workaround, "netbox_hedgehog.vpc") {
		t.Errorf("%+v", k)
	}
	denied = false
	if k := list(); !k.Read {
		t.Errorf("%+v", k)
	}
}

func TestParseRelease(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]release{"4.7.3": {4, 7, 3}, "4.6.0-beta1": {4, 6, 0}, "4.7.3-Docker-3.2.1": {4, 7, 3}, "4.7": {4, 7, 0}, "x": {}, "": {}, "4.-1.2": {4, 0, 0}, "5.0.0.1": {5, 0, 0}} {
		if got := parseRelease(in); got != want {
			t.Errorf("%q → %v", in, got)
		}
	}
}

func TestLimiter(t *testing.T) {
	t.Parallel()
	l := newLimiter()
	ctx := t.Context()
	must := func(n int) {
		t.Helper()
		for range n {
			if err := l.acquire(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	full := func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.running >= l.limit }
	must(2)
	if !full() {
		t.Error("a third write is admitted")
	}
	l.release(100*time.Millisecond, 10, false)
	l.release(100*time.Millisecond, 10, false)
	must(1)
	l.release(20*time.Second, 100, false) // 200 ms an object where 10 ms were normal
	must(1)
	if !full() {
		t.Error("two writes at once although answers are slow")
	}
	l.release(100*time.Millisecond, 10, false)
	must(1)
	if full() {
		t.Error("one write at a time although answers are fast again")
	}
	l.release(time.Millisecond, 1, true)
	must(1)
	if !full() {
		t.Error("two writes at once although NetBox complained")
	}
	// A waiting writer gets the place that is given back.
	done := make(chan error)
	go func() { done <- l.acquire(ctx) }()
	l.release(100*time.Millisecond, 10, false)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// At most two writes reach NetBox at once, whatever its fabrics do.
func TestWritesAtOnce(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	running, most := 0, 0
	arrived, leave := make(chan struct{}, 8), make(chan struct{})
	s := newScript(t, func(int, call) reply {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		arrived <- struct{}{}
		<-leave
		mu.Lock()
		running--
		mu.Unlock()
		return reply{body: vpc(1, 1, "v1")}
	})
	c := dial(t, s.URL, known("4.7.3"))
	var wg sync.WaitGroup
	results := make([]string, 8)
	for i := range results {
		wg.Go(func() { results[i] = outcomes(c.Fabric(1).Write(t.Context(), updates(t, 1))) })
	}
	<-arrived
	<-arrived
	close(leave)
	wg.Wait()
	if most != 2 || slices.ContainsFunc(results, func(r string) bool { return r != "done" }) {
		t.Errorf("%d at once, %q", most, results)
	}
}
