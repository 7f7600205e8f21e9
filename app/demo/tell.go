package demo

import (
	"fmt"
	"strings"
)

func (w *world) printf(format string, args ...any) { fmt.Fprintf(w.out, format, args...) }

func (w *world) cloneURL() string {
	return strings.Replace(w.github.URL(), "http://", "http://x-access-token:"+gitToken+"@", 1) + "/" + repository + ".git"
}

func (w *world) intro() {
	w.printf(`hnp-sync demo: a GitHub and a NetBox that stand in for the real ones, and the real App between them.

  repository  %s, fabric directory %s (prepop.yaml, test-vpc.yaml, test-vpc-2.yaml)
  NetBox      fabric %s of the Hedgehog NetBox Plugin
  App         %s

`, repository, directory, fabricName, w.app.URL())
}

func (w *world) heading(n int, c chapter) { w.printf("%d. %s\n", n, c.title) }

// tell prints what one step did.
func (w *world) tell(c chapter, s Step) {
	mark := "ok"
	if !s.OK {
		mark = "FAILED"
	}
	w.printf("   %s: %s\n", mark, s.Detail)
	w.printf("   %d commits; requests: GitHub %d (%d writes), NetBox %d (%d writes)\n", s.Commits, s.Requests.GitHub, s.Writes.GitHub, s.Requests.NetBox, s.Writes.NetBox)
	w.printf("   the old system: %s\n", c.old)
	if s.Diff != "" {
		lines := 14
		if s.Name == "ingest" {
			lines = 0
		}
		if lines > 0 {
			w.printf("\n")
			for _, l := range strings.Split(strings.TrimSuffix(cut(s.Diff, lines), "\n"), "\n") {
				w.printf("   | %s\n", l)
			}
		}
	}
	w.printf("\n")
}

// summary prints the table of the whole story.
func (w *world) summary(res *Result) {
	var commits, github, netbox int
	w.printf("%-14s%8s%10s%10s\n", "step", "commits", "GitHub", "NetBox")
	for _, s := range res.Steps {
		mark := ""
		if !s.OK {
			mark = "  FAILED"
		}
		w.printf("%-14s%8d%10d%10d%s\n", s.Name, s.Commits, s.Requests.GitHub, s.Requests.NetBox, mark)
		commits, github, netbox = commits+s.Commits, github+s.Requests.GitHub, netbox+s.Requests.NetBox
	}
	w.printf("%-14s%8d%10d%10d\n\n", "together", commits, github, netbox)
	if res.OK {
		w.printf("Every step held.\n")
	} else {
		w.printf("Not every step held: see above.\n")
	}
}

// invite says what can be tried while everything stays up.
func (w *world) invite() {
	vpc, _ := w.netbox.ByName("VPC", "default", "test-vpc")
	w.printf(`
Everything stays up until you stop it (Ctrl-C). Try:

  git clone %s                 edit a file below %s, push, and look at NetBox
  %s                     NetBox: the objects as they are now
  curl -X PATCH -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' \
    -d '{"labels":{"team":"blue"}}' '%s/api/plugins/hedgehog/vpcs/%d/?omit=display_url'     then git pull
  curl -H 'Authorization: Bearer %s' %s/api/status
  HNP_SYNC_SERVER=%s HNP_SYNC_TOKEN=%s hnp-sync conflicts

The open conflict ends when one side takes the other's value: push vlan: 1300 for test-vpc-2, or set 1400 in NetBox.
`, w.cloneURL(), directory, w.netbox.URL(), userToken, w.netbox.URL(), vpc.ID, apiToken, w.app.URL(), w.app.URL(), apiToken)
}
