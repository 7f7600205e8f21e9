package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/hnp-sync/hnp-sync/app/api"
	"github.com/hnp-sync/hnp-sync/app/config"
	"github.com/hnp-sync/hnp-sync/gitops/githubtest"
	"github.com/hnp-sync/hnp-sync/netbox/netboxtest"
)

// childConfig makes the test binary run the App instead of tests, as a process that can be killed.
const childConfig = "HNP_SYNC_TEST_CHILD_CONFIG"

func TestMain(m *testing.M) {
	if path := os.Getenv(childConfig); path != "" {
		if err := serveChild(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreTopFunction("internal/poll.runtime_pollWait")) // idle connections of http.DefaultClient, the tests' own
}

func serveChild(path string) error {
	holder, err := config.NewHolder(path, nil)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	redactor := NewRedactor(os.Stderr)
	a, err := New(ctx, Options{Config: holder, Redactor: redactor, Log: NewLogger(redactor, zap.InfoLevel), Ready: os.Stdout, WriteSpacing: -1})
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

// child is one App in a process of its own.
type child struct {
	cmd  *exec.Cmd
	url  string
	logs *lockedBuffer
}

func (s *site) startChild() *child {
	s.t.Helper()
	c := &child{cmd: exec.Command(os.Args[0]), logs: &lockedBuffer{}}
	c.cmd.Env = append(os.Environ(), childConfig+"="+filepath.Join(s.dir, "hnp-sync.yaml"))
	c.cmd.Stderr = c.logs
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
		if s.t.Failed() {
			s.t.Logf("log of process %d:\n%s", c.cmd.Process.Pid, c.logs)
		}
	})
	var line struct {
		Ready bool
		URL   string
	}
	if err := json.NewDecoder(out).Decode(&line); err != nil || !line.Ready {
		s.t.Fatalf("ready line %+v, %v\n%s", line, err, c.logs)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	c.url = line.URL
	s.target.Store(&line.URL)
	return c
}

// end sends the signal and waits for the process.
func (s *site) end(c *child, sig os.Signal) error {
	s.t.Helper()
	s.target.Store(nil)
	if err := c.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
	return c.cmd.Wait()
}

// requests counts what the App has asked of both services.
func (s *site) requests() int {
	return s.github.Stats().ByUser["hnp-sync[bot]"].Total + s.netbox.Stats().ByUser["hnp-sync"].Total
}

func (s *site) childStatus(c *child) (st api.Status) {
	s.t.Helper()
	if code, body := s.do(http.MethodGet, c.url+"/api/status", "Bearer "+apiToken, nil, &st); code != 200 {
		s.t.Fatalf("status: %d %s", code, body)
	}
	return st
}

func (s *site) childQuiet(c *child) (st api.Status) {
	s.t.Helper()
	s.eventually("everything is done", func() bool {
		st = s.childStatus(c)
		return st.Queue == 0 && len(st.Fabrics) == 1 && st.Fabrics[0].State == "equal"
	})
	return st
}

// Both sides are edited again and again, and the process is killed after its first, second, fifth … request: while it
// starts, reads, writes or commits. In the end both sides hold the last edit of each, no commit was made twice, and
// nothing is blocked.
func TestKilledAtAnyRequestLosesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, seedFiles(1001))
	c := s.startChild()
	s.eventually("the first import", func() bool { return s.netboxVLAN() == 1001 })
	s.childQuiet(c)
	if err := s.end(c, os.Kill); err == nil {
		t.Fatal("the killed process ended well")
	}
	// Slow enough that a kill hits the request it is meant for.
	if _, err := s.github.AddFault(githubtest.Fault{Route: "*", User: "hnp-sync[bot]", Times: -1, Action: "delay", DelayMS: 8}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.netbox.AddFault(netboxtest.Fault{Route: "*", User: "hnp-sync", Times: -1, Action: "delay", DelayMS: 8}); err != nil {
		t.Fatal(err)
	}
	started := s.commits()
	kills := []int{1, 3, 10, 22, 24, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36}
	for i, k := range kills {
		s.setVLAN(1100 + i)
		s.gitEdit(fmt.Sprintf("Gateway %d", i), func(dir string) {
			path := filepath.Join(dir, filepath.FromSlash(vpcFile))
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			changed := regexp.MustCompile("gateway: .*").ReplaceAll(text, fmt.Appendf(nil, "gateway: 10.0.1.%d", 10+i))
			if err := os.WriteFile(path, changed, 0o644); err != nil {
				t.Fatal(err)
			}
		})
		base := s.requests()
		c = s.startChild()
		s.eventually(fmt.Sprintf("request %d of start %d", k, i), func() bool {
			return s.requests() >= base+k || s.inStepAt(1100+i, fmt.Sprintf("10.0.1.%d", 10+i))
		})
		t.Logf("killed at request %d; both sides in step: %v", s.requests()-base, s.inStepAt(1100+i, fmt.Sprintf("10.0.1.%d", 10+i)))
		_ = s.end(c, os.Kill)
	}
	last := len(kills) - 1
	began := time.Now()
	c = s.startChild()
	s.eventually("both sides hold the last edits", func() bool { return s.inStepAt(1100+last, fmt.Sprintf("10.0.1.%d", 10+last)) })
	st := s.childQuiet(c)
	if took := time.Since(began); took > time.Minute {
		t.Errorf("blocked for %s", took)
	}
	if st.Fabrics[0].OpenConflicts != 0 || len(st.Fabrics[0].Frozen) != 0 {
		t.Errorf("status %+v", st.Fabrics[0])
	}
	log, err := s.github.Log(repoName, "main", 0)
	if err != nil {
		t.Fatal(err)
	}
	ours := 0
	for _, e := range log {
		if strings.Contains(e.Message, "HNP-Operation: ") {
			ours++
		}
	}
	if ours > len(kills) || len(log) != started+len(kills)+ours {
		t.Errorf("%d commits of the App for %d edits in NetBox, %d in all", ours, len(kills), len(log)-started)
	}
	if err := s.github.Fsck(repoName); err != nil {
		t.Error(err)
	}
	before := s.commits()
	if err := s.end(c, syscall.SIGTERM); err != nil {
		t.Errorf("a drained process ended with %v\n%s", err, c.logs)
	}
	// Silence: one more start finds nothing to do.
	c = s.startChild()
	s.childQuiet(c)
	if n := s.commits() - before; n != 0 {
		t.Errorf("%d commits by a start that had nothing to do", n)
	}
	t.Logf("%d kills, %d commits of the App", len(kills), ours)
}

// inStepAt tells whether both sides hold the VLAN and the gateway.
func (s *site) inStepAt(vlan int, gateway string) bool {
	vpc, ok := s.netbox.ByName("VPC", "default", "test-vpc")
	if !ok {
		return false
	}
	spec, err := json.Marshal(vpc.Spec)
	if err != nil {
		s.t.Fatal(err)
	}
	text := s.gitText()
	return s.netboxVLAN() == vlan && strings.Contains(string(spec), `"`+gateway+`"`) &&
		strings.Contains(text, fmt.Sprintf("vlan: %d\n", vlan)) && strings.Contains(text, "gateway: "+gateway+"\n")
}
