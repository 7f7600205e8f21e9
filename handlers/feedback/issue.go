package feedback

import (
	"regexp"
	"strings"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// Issue is what the rolling issue of a fabric is made of.
type Issue struct {
	Fabric gitops.Fabric
	Status gitops.Status
	// Conflicts are those that are open, by number; drift is not shown.
	Conflicts []gitops.Conflict
	Pause     *gitops.Pause
	// Approve is the hash by which what waits is approved (gitops.Waiting.Hash).
	Approve string
	Lost    []Lost
	Links   Links
	// Pulls are the addresses of conflict pull requests, by conflict number.
	Pulls map[int]string
}

// Lost is a connection that has been down for a while.
type Lost struct {
	What   string // "NetBox netbox.example.net", "GitHub"
	Since  time.Time
	Reason string
	Do     string // what to do, for people; may be empty
}

// issueRows are shown of each list.
const issueRows = 25

// RollingIssue is the title and the body of the fabric's rolling issue. needed is false when nobody has to do anything:
// then an open issue is closed, with the body that says so. The body changes only when what it says does.
func RollingIssue(in Issue) (title, body string, needed bool) {
	title = Title(in.Fabric.Name + ": hnp-sync needs a person")
	p := newPage(MaxBody)
	p.line(Marker("issue/"+in.Fabric.Slug), "")
	var conflicts []*gitops.Conflict
	for i := range in.Conflicts {
		if c := &in.Conflicts[i]; c.Code != gitops.DriftCode && c.Closed.IsZero() {
			conflicts = append(conflicts, c)
		}
	}
	needed = len(conflicts) > 0 || len(in.Status.Waiting) > 0 || len(in.Status.Frozen) > 0 || len(in.Lost) > 0 || in.Pause != nil ||
		in.Status.State == "error" && in.Status.Message != ""
	if !needed {
		p.block("Nothing needs a person any more: no conflict, nothing waits, nothing is frozen.")
		return title, p.String(), false
	}
	p.block("**What is said here waits for you; everything else of " + Text(in.Fabric.Name) + " goes on.** This text is kept up to date and the issue is closed when nothing is left. The commands work as a comment in this issue.")
	in.stopped(p)
	in.waiting(p)
	in.conflicts(p, conflicts)
	in.frozen(p)
	if m := mentions(in.Fabric.Notify); m != "" {
		p.block("For " + m + ".")
	}
	return title, p.String(), true
}

// stopped says what keeps the whole fabric from going on.
func (in *Issue) stopped(p *page) {
	for _, l := range in.Lost {
		s := "### Lost connection: " + Text(l.What) + "\n\nSince " + l.Since.UTC().Format("2006-01-02 15:04") + " UTC: " + Text(l.Reason) + "."
		if l.Do != "" {
			s += " " + Text(l.Do)
		}
		p.block(s)
	}
	if in.Pause != nil {
		p.block("### Paused\n\nNothing is written: " + Text(in.Pause.Message) + ".")
		if in.Pause.Hash != "" {
			p.block("To go on:\n\n" + Fence("", "/hnp approve "+in.Pause.Hash))
		}
	}
	if in.Status.State == "error" && in.Status.Message != "" {
		p.block("### Error\n\n" + Text(in.Status.Message))
	}
}

// waiting lists what the guard holds back, with the command that lets exactly it pass.
func (in *Issue) waiting(p *page) {
	if len(in.Status.Waiting) == 0 {
		return
	}
	var rows []string
	for _, w := range in.Status.Waiting {
		rows = append(rows, "| "+Cell(w.Action)+" | "+Cell(w.Reason)+" |")
	}
	p.block("### Waits for an approval: " + count(len(rows), "action"))
	p.list("| action | why |\n|---|---|\n", "\n", capRows(rows, issueRows), 2000)
	if h := in.Approve; h != "" {
		p.block("To let exactly these pass:\n\n" + Fence("", "/hnp approve "+h))
	}
	p.block("To keep what would be deleted or changed, bring it back on the side it is gone from.")
}

// conflicts lists the open conflicts, with the commands that decide them.
func (in *Issue) conflicts(p *page, all []*gitops.Conflict) {
	if len(all) == 0 {
		return
	}
	var rows, commands []string
	for _, c := range all {
		row := conflictRow(c, true)
		if url := in.Pulls[c.Number]; url != "" {
			row = strings.Replace(row, "| "+conflictNumber(c.Number)+" |", "| "+link(conflictNumber(c.Number), url)+" |", 1)
		}
		rows = append(rows, row)
		for _, o := range sortedOptions(c.Options) {
			if n := conflictNumber(c.Number); n != "" && len(commands) < 2*summaryRows {
				commands = append(commands, "/hnp resolve "+n+" "+o)
			}
		}
	}
	p.block("### Conflicts: " + number(len(all)))
	p.list(conflictHead(true), "\n", capRows(rows, issueRows), 4000)
	if len(commands) > 0 {
		p.block("To decide, comment one of these lines; `git` and `netbox` say whose value holds on both sides:\n\n" + Fence("", strings.Join(commands, "\n")))
	}
}

func (in *Issue) frozen(p *page) {
	var rows []string
	for _, z := range in.Status.Frozen {
		place := ""
		if z.File != "" {
			place = Code(inRepository(&in.Fabric, z.File))
		}
		rows = append(rows, "| "+Code(z.Resource)+" | "+Cell(z.Message)+" ("+Code(z.Code)+") | "+place+" |")
	}
	if len(rows) == 0 {
		return
	}
	p.block("### Frozen: " + count(len(rows), "resource"))
	p.list("| resource | why | where |\n|---|---|---|\n", "\n", capRows(rows, issueRows), 500)
	p.block("Each goes on by itself when its cause is gone.")
}

// mention is what the configuration allows in notify: a user or a team.
var mention = regexp.MustCompile(`^@[A-Za-z0-9][A-Za-z0-9-]{0,38}(/[A-Za-z0-9_.-]{1,100})?$`)

// mentions are the people to tell, the only live mentions in any text. They come from the tracked branch's configuration.
func mentions(notify []string) string {
	var out []string
	for _, n := range notify {
		if mention.MatchString(n) && len(out) < 10 {
			out = append(out, n)
		}
	}
	return strings.Join(out, ", ")
}
