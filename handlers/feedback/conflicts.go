package feedback

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/manifests"
)

// Conflicts is the check run "hnp-sync / conflicts" of a pull request. It fails only for resources that the pull request
// touches and that would still conflict once it is merged; the others are counted in one line with a link. What a
// direction keeps from travelling is no conflict; the plan says it.
func Conflicts(in PullRequest) Output {
	if out, done := in.early(ConflictsName); done {
		return out
	}
	c := collision{}
	p, t := newPage(MaxOutputText), newPage(MaxOutputText)
	failed := in.failures(p)
	for _, ev := range in.touched() {
		c.evaluation(ev)
	}
	out := c.output(p, t, "these resources would still conflict after merging")
	if len(c.settled) > 0 {
		p.block("Merging settles " + names(c.settled, func(n int) string { return Code(conflictNumber(n)) }) + ".")
	}
	if c.elsewhere > 0 {
		p.block(link(count(c.elsewhere, "other conflict")+" of this fabric", in.Links.Issue) + " " + are(c.elsewhere) + " not touched by this pull request.")
	}
	if failed {
		out.Conclusion, out.Actions = Failure, nil
		if len(c.rows) == 0 {
			out.Title = "Could not be checked"
		}
	}
	if in.Fork {
		for i := range out.Actions {
			if out.Actions[i].Identifier == KeepNetBox.Identifier {
				out.Actions[i].Description = "Show NetBox's values as a suggestion"
			}
		}
	}
	out.Summary, out.Text = p.String(), t.String()
	return out
}

// Branch is what the check run "hnp-sync / conflicts" on a head of the tracked branch says: every open conflict and
// every frozen resource of the fabrics on it.
type Branch struct {
	Fabrics []BranchFabric
	Links   Links
}

// BranchFabric are the open conflicts and the frozen resources of one fabric.
type BranchFabric struct {
	Fabric    gitops.Fabric
	Conflicts []gitops.Conflict
	Frozen    []gitops.Frozen
}

// BranchConflicts is the check run on a head of the tracked branch. It has no buttons: which decision is meant is said in
// the rolling issue or a conflict pull request.
func BranchConflicts(in Branch) Output {
	c := collision{}
	for i := range in.Fabrics {
		f := &in.Fabrics[i]
		for j := range f.Conflicts {
			if f.Conflicts[j].Code != gitops.DriftCode {
				c.conflict(&f.Fabric, &f.Conflicts[j])
			}
		}
		for j := range f.Frozen {
			c.frozen(&f.Fabric, &f.Frozen[j])
		}
	}
	p, t := newPage(MaxOutputText), newPage(MaxOutputText)
	out := c.output(p, t, "these are open on the branch")
	if len(c.rows) > 0 && in.Links.Issue != "" {
		p.block(link("The rolling issue", in.Links.Issue) + " has the commands to copy.")
	}
	out.Actions, out.Summary, out.Text = nil, p.String(), t.String()
	return out
}

// collision gathers the conflicts of one check run.
type collision struct {
	annotations []Annotation
	rows        []string // of the table
	options     map[string]int
	decidable   int // conflicts a decision ends; the rest are frozen resources
	settled     []int
	elsewhere   int
	observe     bool
}

func (c *collision) evaluation(ev *gitops.Evaluation) {
	if ev.After == nil {
		return
	}
	c.observe = c.observe || ev.Fabric.Mode == gitops.ModeObserve
	shown := map[gitops.Key]bool{}
	open := map[int]bool{}
	for i := range ev.After.Conflicts {
		k := &ev.After.Conflicts[i]
		open[k.Number] = true
		switch {
		case k.Code == gitops.DriftCode:
		case ev.Touched[k.Key]:
			shown[k.Key] = true
			c.conflict(&ev.Fabric, k)
		default:
			c.elsewhere++
		}
	}
	for i := range ev.After.Frozen {
		z := &ev.After.Frozen[i]
		switch {
		case z.Code == gitops.DriftCode || shown[z.Key]:
		case ev.Touched[z.Key]:
			c.frozen(&ev.Fabric, z)
		default:
			c.elsewhere++
		}
	}
	if ev.Now == nil {
		return
	}
	for i := range ev.Now.Conflicts {
		if n := ev.Now.Conflicts[i].Number; n > 0 && !open[n] && ev.Now.Conflicts[i].Code != gitops.DriftCode && !shown[ev.Now.Conflicts[i].Key] {
			c.settled = append(c.settled, n)
		}
	}
	slices.Sort(c.settled)
}

// conflict adds one conflicting field.
func (c *collision) conflict(f *gitops.Fabric, k *gitops.Conflict) {
	if c.options == nil {
		c.options = map[string]int{}
	}
	c.decidable++
	for _, o := range k.Options {
		c.options[o]++
	}
	path := k.Path
	if path == "" {
		path = "the whole resource"
	}
	if k.File != "" {
		var b strings.Builder
		fmt.Fprintf(&b, "%s: %s (%s)\nGit: %s%s\nNetBox: %s%s\nLast agreed: %s", k.Key, oneLine(path), strings.ReplaceAll(string(k.Code), "_", " "),
			plainValue(k.Git, k.GitNone), plainBy(k.GitBy), plainValue(k.NetBox, k.NetBoxNone), plainBy(k.NetBoxBy), plainValue(k.Base, k.BaseNone))
		if k.Message != "" {
			b.WriteString("\n" + oneLine(k.Message))
		}
		if command := resolveCommand(k); command != "" {
			b.WriteString("\nTo decide, comment: " + command)
		}
		c.annotations = append(c.annotations, annotation(inRepository(f, k.File), k.Line, LevelFailure,
			strings.TrimSpace(conflictNumber(k.Number)+" "+oneLine(k.Key.String())), b.String()))
	}
	c.rows = append(c.rows, conflictRow(k, true))
}

// frozen adds a resource of which nothing is written.
func (c *collision) frozen(f *gitops.Fabric, z *gitops.Frozen) {
	if z.File != "" {
		c.annotations = append(c.annotations, annotation(inRepository(f, z.File), z.Line, LevelFailure, z.Key.String(),
			fmt.Sprintf("%s is frozen (%s): %s", z.Key, strings.ReplaceAll(string(z.Code), "_", " "), z.Message)))
	}
	c.rows = append(c.rows, "| | "+Resource(z.Key)+" | "+Cell(z.Message)+" ("+Code(string(z.Code))+") | | | |")
}

// output makes the check run of what was gathered; where says what its conflicts have in common.
func (c *collision) output(p, t *page, where string) Output {
	out := Output{Name: ConflictsName, Conclusion: Success, Title: "No conflicts"}
	if len(c.rows) == 0 {
		p.block("**No conflicts in the resources this touches.**")
		return out
	}
	out.Conclusion, out.Title = Failure, count(len(c.rows), "conflict")
	all, more := sortAndCap(c.annotations)
	out.Annotations = all
	p.block("**" + out.Title + ":** " + where + ". Each stands on its line under *Files changed*.")
	p.list(conflictHead(true), "\n", capRows(c.rows, summaryRows), 0)
	if more > 0 {
		p.block(number(more) + " more than the " + number(MaxAnnotations) + " shown on lines.")
	}
	if len(c.rows) > summaryRows {
		t.fold("All "+out.Title, conflictHead(true), c.rows)
	}
	if c.decidable > 0 {
		p.block("To decide, comment " + Code("/hnp resolve C12 git") + " or " + Code("/hnp resolve C12 netbox") + ", with the conflict's number or " + Code("KIND/NAME") +
			", or push the value that shall hold. Buttons of this check, where it has them, decide all of its conflicts at once.")
	}
	out.Actions = c.actions()
	return out
}

// actions are the buttons that are valid for every conflict of the check: a click decides all of them. In mode observe
// nothing would be written, so there is nothing to click.
func (c *collision) actions() []Action {
	if c.observe || c.decidable == 0 {
		return nil
	}
	var out []Action
	for _, a := range []struct {
		option string
		action Action
	}{{"git", KeepGit}, {"netbox", KeepNetBox}, {"merge", Merge}} {
		if c.options[a.option] == c.decidable {
			out = append(out, a.action)
		}
	}
	return out
}

// conflictHead is the head of a table of conflictRow; numbered adds the number and the resource.
func conflictHead(numbered bool) string {
	if numbered {
		return "| | resource | field | last agreed | Git | NetBox |\n|---|---|---|---|---|---|\n"
	}
	return "| field | base | Git | NetBox | who | when |\n|---|---|---|---|---|---|\n"
}

func conflictRow(k *gitops.Conflict, numbered bool) string {
	base, git, netbox := Value(k.Base, k.BaseNone), Value(k.Git, k.GitNone), Value(k.NetBox, k.NetBoxNone)
	if numbered {
		return "| " + conflictNumber(k.Number) + " | " + Resource(k.Key) + " | " + pathText(k.Path) + " | " + base + " | " + git + by(k.GitBy) + " | " + netbox + by(k.NetBoxBy) + " |"
	}
	who, when := []string{}, []string{}
	for _, m := range []struct {
		side string
		m    *gitops.Modification
	}{{"Git", k.GitBy}, {"NetBox", k.NetBoxBy}} {
		if m.m == nil {
			continue
		}
		if m.m.By != "" {
			who = append(who, m.side+": "+Text(m.m.By))
		}
		if !m.m.At.IsZero() {
			when = append(when, m.side+": "+m.m.At.UTC().Format("2006-01-02 15:04")+" UTC")
		}
	}
	return "| " + pathText(k.Path) + " | " + base + " | " + git + " | " + netbox + " | " + orUnknown(who) + " | " + orUnknown(when) + " |"
}

func orUnknown(parts []string) string {
	if len(parts) == 0 {
		return "not known"
	}
	return strings.Join(parts, "<br>")
}

// conflictNumber is C12; empty for a conflict that has no number yet.
func conflictNumber(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf("C%d", n)
}

// by is who changed a value, for a table's cell.
func by(m *gitops.Modification) string {
	if m == nil || m.By == "" {
		return ""
	}
	return "<br>by " + Text(m.By)
}

// plainBy is who and when, for plain text.
func plainBy(m *gitops.Modification) string {
	if m == nil {
		return ""
	}
	var parts []string
	if m.By != "" {
		parts = append(parts, "by "+oneLine(m.By))
	}
	if !m.At.IsZero() {
		parts = append(parts, m.At.UTC().Format("2006-01-02 15:04")+" UTC")
	}
	if len(m.CommitSHA) >= 7 {
		parts = append(parts, "commit "+m.CommitSHA[:7])
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// resolveCommand is the comment that decides one conflict; empty when no decision is valid for it.
func resolveCommand(k *gitops.Conflict) string {
	if len(k.Options) == 0 {
		return ""
	}
	what := conflictNumber(k.Number)
	if what == "" {
		what = oneLine(k.Key.String())
	}
	var out []string
	for _, o := range sortedOptions(k.Options) {
		out = append(out, "/hnp resolve "+what+" "+o)
	}
	return strings.Join(out, " or ")
}

func sortedOptions(options []string) []string {
	out := slices.Clone(options)
	slices.Sort(out)
	return slices.Compact(out)
}

func lookupKind(k gitops.Key) (manifests.Kind, bool) { return manifests.LookupKind(k.Group, k.Kind) }
