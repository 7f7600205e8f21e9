package gitops

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// pluginKinds are the twelve kinds that Hedgehog's NetBox plugin has.
var pluginKinds = []string{"IPv4Namespace", "VLANNamespace", "SwitchGroup", "Switch", "Server", "Connection", "VPC", "External", "ExternalAttachment", "VPCAttachment", "ExternalPeering", "VPCPeering"}

func pluginOnly(c *Capabilities) {
	for kind := range c.Kinds {
		if !slices.Contains(pluginKinds, kind) {
			delete(c.Kinds, kind)
		}
	}
}

// The budgets of requests, counted until both sides are quiet. What a trigger says is in Request.Kinds.
func TestRequestBudgets(t *testing.T) {
	t.Parallel()
	hint := Request{Kinds: []string{"VPC"}}
	// quiet runs what the cycle asks for by itself.
	quiet := func(s *story, req Request) {
		s.t.Helper()
		s.calls = nil
		s.run(req)
		for s.err == nil && s.last.Again {
			s.run(Request{})
		}
		if s.err != nil {
			s.fail("the cycle failed")
		}
	}
	start := func(s *story) {
		s.caps = pluginOnly
		s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"), doc("server/s", "{description: 1}"))
	}
	tales(t, map[string]func(s *story){
		"one change from Git: tree, list, PATCH, own change row": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			quiet(s, Request{})
			s.wantCalls("observe", "list VPC", "update VPC 1", "operation rows")
		},
		"one new resource from Git: its own row tells nothing": func(s *story) {
			start(s)
			s.gitHas(doc("vpc/c", "{mode: 1}"))
			quiet(s, Request{})
			s.wantCalls("observe", "list VPC", "create VPC 1")
		},
		"one delete from Git": func(s *story) {
			start(s)
			s.gitDelete(aFile)
			quiet(s, Request{})
			s.wantCalls("observe", "list VPC", "delete VPC 1", "operation rows")
		},
		"one change from NetBox: tree, list, commit": func(s *story) {
			start(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			quiet(s, hint)
			s.wantCalls("observe", "list VPC", "commit")
		},
		"one delete from NetBox: and its proof": func(s *story) {
			start(s)
			s.nbDelete("vpc/a")
			quiet(s, hint)
			s.wantCalls("observe", "list VPC", "delete rows VPC", "commit")
		},
		"one change on each side of one resource": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.nbSet("vpc/a", "spec.vrf", "2")
			quiet(s, hint)
			s.wantCalls("observe", "list VPC", "update VPC 1", "operation rows", "commit")
		},
		"a conflict writes nothing": func(s *story) {
			start(s)
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.nbSet("vpc/a", "spec.mode", "3")
			quiet(s, hint)
			s.wantCalls("observe", "list VPC")
		},
		"a trigger with nothing behind it": func(s *story) {
			start(s)
			quiet(s, Request{})
			s.wantCalls("observe")
			quiet(s, hint)
			s.wantCalls("observe", "list VPC")
		},
		"a full compare: the feed, and one per kind": func(s *story) {
			start(s)
			quiet(s, Request{Full: true})
			if n := len(s.requests()); n != 1+1+len(pluginKinds) {
				s.fail("%d requests", n)
			}
		},
		"the first import of the real input, 48 documents of 5 kinds": func(s *story) {
			s.caps = pluginOnly
			files := map[string]string{"README.md": "an empty fabric\n"}
			for name, text := range readDirectory(s.t, "../testdata/gitops-test-1/raw") {
				if isYAMLName(name) {
					files["raw/"+name] = text
				}
			}
			s.head = ""
			s.push(&modelCommit{files: files, message: "start"})
			quiet(s, Request{})
			if n := len(s.requests()); n > 25 || len(s.rows) != 48 {
				s.fail("%d requests for %d objects", n, len(s.rows))
			} else {
				s.t.Logf("%d requests: %q", n, s.requests())
			}
			s.wantInSync()
		},
		"a stale head over an unchanged directory: one read and one commit more": func(s *story) {
			start(s)
			s.nbSet("vpc/a", "spec.mode", "2")
			s.at("before commit", func() { s.gitPush("/README.md", "x") })
			quiet(s, hint)
			s.wantCalls("observe", "list VPC", "commit", "observe", "commit")
		},
	})

	// 500 updates over the twelve kinds, evenly and with one kind over the size of a batch, with a fast and a slow NetBox.
	for name, c := range map[string]struct {
		spread func(i int) int
		slow   time.Duration
	}{
		"evenly":                  {func(i int) int { return i % 12 }, 0},
		"evenly, 4 s per request": {func(i int) int { return i % 12 }, 4 * time.Second},
		"half of one kind":        {func(i int) int { return max(0, i%24-12) }, 0},
		"all but eleven, slow":    {func(i int) int { return max(0, 11-i) }, 4 * time.Second},
	} {
		for _, from := range []Side{SideGit, SideNetBox} {
			t.Run(fmt.Sprintf("500 updates over 12 kinds from %s, %s", sideName(from), name), func(t *testing.T) {
				t.Parallel()
				s := newStory(t)
				s.caps = pluginOnly
				s.fabric.Guard = GuardPolicy{MaxChange: 1000}
				files := map[string]string{Marker: "1\n"}
				var keys []string
				for i := range 500 {
					kind, _ := manifests.KindByName(pluginKinds[c.spread(i)])
					key := fmt.Sprintf("%s/r%d", kind.Plural, i)
					text := doc(key, "{x: 1}")
					files[DefaultPath("", kind, keyOf(t, key))] = text
					s.nbAdd(text)
					keys = append(keys, key)
				}
				s.push(&modelCommit{files: files, message: "start"})
				s.settled()
				if from == SideGit {
					edited := map[string]string{Marker: "1\n"}
					for i := range 500 {
						kind, _ := manifests.KindByName(pluginKinds[c.spread(i)])
						edited[DefaultPath("", kind, keyOf(t, keys[i]))] = doc(keys[i], "{x: 2}")
					}
					s.push(&modelCommit{files: edited, message: "a person"})
				} else {
					for _, key := range keys {
						s.nbSet(key, "spec.x", "2")
					}
				}
				for range 40 {
					s.at("before update", func() { s.later(c.slow) })
				}
				quiet(s, Request{Kinds: pluginKinds})
				if n := len(s.requests()); n > 45 || from == SideNetBox && n > 1+12+1 {
					s.fail("%d requests", n)
				} else {
					t.Logf("%d requests", n)
				}
				s.wantInSync()
			})
		}
	}

	// A refused batch is split until every bad object has an answer of its own.
	for at, bad := range []int{0, 1, 2, 5, 10, 50, 100, 1, 1, 2} {
		first := []int{11, 11, 11, 11, 11, 11, 11, 90, 62, 62}[at]
		for _, unnamed := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d bad objects of 100 from %d on, unnamed %t", bad, first, unnamed), func(t *testing.T) {
				t.Parallel()
				const n = 100
				s := newStory(t)
				s.caps, s.unnamed = pluginOnly, unnamed
				s.fabric.Guard = GuardPolicy{MaxChange: 1000}
				fleet(s, n)
				refused := map[string]bool{}
				for i := range bad {
					refused[fmt.Sprintf("v%d", (i*37+first)%n)] = true
				}
				s.refuse = func(_ Op, k Key) string {
					if refused[k.Name] {
						return "no"
					}
					return ""
				}
				for i := range n {
					s.gitEdit(vfile(i), "mode: 1", "mode: 2")
				}
				s.run(Request{})
				extra, bound := s.count("update")-1, 0
				switch {
				case bad > n/3 && unnamed:
					bound = 2*n - 2 // halving down to every object
				case bad > 0:
					bound = int(math.Ceil(float64(bad) * (1 + 2*math.Log2(float64(n)/float64(bad)))))
				}
				if extra > bound {
					s.fail("%d requests more than one, at most %d", extra, bound)
				}
				t.Logf("%d requests more, bound %d", extra, bound)
				if len(s.last.Status.Frozen) != len(refused) {
					s.fail("%d frozen", len(s.last.Status.Frozen))
				}
				for i := range n {
					if want := map[bool]string{true: "1", false: "2"}[refused[fmt.Sprintf("v%d", i)]]; textOf(s.valueAt(SideNetBox, vkey(i), "spec.mode")) != want {
						s.fail("%s is not %s", vkey(i), want)
					}
				}
			})
		}
	}
}
