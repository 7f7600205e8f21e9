package feedback

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hnp-sync/hnp-sync/gitops"
)

const (
	// summaryRows are shown before anything must be unfolded; more cannot be read in ten seconds.
	summaryRows = 10
	// fieldRows are the fields shown of one resource.
	fieldRows = 40
	// nameList is how many names stand in one sentence.
	nameList = 10
)

// Plan is the check run "hnp-sync / plan": what merging does to NetBox. It fails when a delete would leave references
// that lead nowhere, when NetBox did not list a kind that the pull request touches, and when a fabric could not be
// evaluated; it is action_required when something waits for an approval.
func Plan(in PullRequest) Output {
	if out, done := in.early(PlanName); done {
		return out
	}
	out := Output{Name: PlanName, Conclusion: Success}
	s, t := newPage(MaxOutputText), newPage(MaxOutputText)
	failed := in.failures(s)
	var total tally
	for _, ev := range in.touched() {
		f := fabricPlan{ev: ev, links: in.Links}
		f.count()
		total.add(f.tally)
		failed = f.summary(s) || failed
		f.details(t)
		out.Annotations = append(out.Annotations, f.annotations()...)
	}
	if len(in.touched()) == 0 && in.ConfigChanged {
		s.block("This pull request changes `.github/hnp-sync.yaml` and no file of a fabric. What the new configuration will do is planned once it is on the tracked branch.")
	}
	more := 0
	if out.Annotations, more = sortAndCap(out.Annotations); more > 0 {
		s.block(number(more) + " more remarks on lines than the " + number(MaxAnnotations) + " shown.")
	}
	out.Title, out.Summary, out.Text = total.title(), s.String(), t.String()
	switch {
	case failed:
		out.Conclusion = Failure
		if total.breaks > 0 {
			out.Title = "Breaks " + count(total.breaks, "reference") + "; " + out.Title
		} else if total.changes() == 0 {
			out.Title = "Could not be checked"
		}
	case total.guarded > 0:
		out.Conclusion = ActionRequired
	}
	return out
}

// tally counts writes to NetBox.
type tally struct{ created, changed, renamed, deleted, guarded, breaks int }

func (t *tally) add(o tally) {
	t.created += o.created
	t.changed += o.changed
	t.renamed += o.renamed
	t.deleted += o.deleted
	t.guarded += o.guarded
	t.breaks += o.breaks
}

func (t *tally) changes() int { return t.created + t.changed + t.renamed + t.deleted }

func (t *tally) text() string {
	var parts []string
	for _, c := range []struct {
		n    int
		word string
	}{{t.created, "created"}, {t.changed, "changed"}, {t.renamed, "renamed"}, {t.deleted, "deleted"}} {
		if c.n > 0 {
			parts = append(parts, number(c.n)+" "+c.word)
		}
	}
	return strings.Join(parts, ", ")
}

func (t *tally) title() string {
	if t.changes() == 0 {
		return "Changes nothing in NetBox"
	}
	s := "NetBox: " + t.text()
	if t.guarded > 0 {
		s += "; " + number(t.guarded) + " of them " + verb(t.guarded, "waits", "wait") + " for approval"
	}
	return s
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// fabricPlan is the part of one fabric.
type fabricPlan struct {
	ev    *gitops.Evaluation
	links Links
	tally tally
}

func (f *fabricPlan) count() {
	for i := range f.ev.Effects {
		e := &f.ev.Effects[i]
		switch e.Op {
		case gitops.OpCreate:
			f.tally.created++
		case gitops.OpDelete:
			f.tally.deleted++
		case gitops.OpRename:
			f.tally.renamed++
		default:
			f.tally.changed++
		}
		if e.Guarded {
			f.tally.guarded++
		}
		f.tally.breaks += len(e.Breaks)
	}
}

// summary says the most important first; it reports whether the check must fail.
func (f *fabricPlan) summary(p *page) bool {
	ev, failed := f.ev, false
	name := Text(ev.Fabric.Name)
	if f.tally.changes() == 0 {
		p.block("**" + name + ": merging this changes nothing in NetBox.**")
	} else {
		p.block("**" + name + ": merging this changes NetBox: " + f.tally.text() + ".**")
	}
	for _, line := range f.standstill() {
		p.block("⚠️ " + line)
	}
	if f.tally.breaks > 0 {
		failed = true
		p.block("❌ **Breaks references.** " + f.breaks() + " Change what refers to it in this pull request too, or keep it.")
	}
	if kinds := f.unknown(); len(kinds) > 0 {
		failed = true
		p.block("❌ NetBox did not list " + strings.Join(kinds, "; ") + ". What this does to resources of that kind is not known.")
	}
	if f.tally.guarded > 0 {
		p.block(f.guard())
	}
	if n := len(ev.Colliding); n > 0 {
		p.block("⚠️ The tracked branch changed " + verb(n, "a file", number(n)+" files") + " of this pull request too: " + names(ev.Colliding, Code) + ".")
	}
	rows := f.rows(3)
	head := "| | resource | what changes in NetBox |\n|---|---|---|\n"
	if len(rows) > summaryRows {
		shown := append(slices.Clone(rows[:summaryRows]), fmt.Sprintf("| | %s more | under *Details* |", number(len(rows)-summaryRows)))
		p.list(head, "\n", shown, 0)
	} else {
		p.list(head, "\n", rows, 0)
	}
	f.meets(p)
	f.stays(p)
	f.frozen(p)
	return failed
}

// standstill says why nothing is written whatever the plan is.
func (f *fabricPlan) standstill() []string {
	var out []string
	fabric := &f.ev.Fabric
	if f.ev.Paused != "" {
		out = append(out, "**Synchronisation is paused:** "+Text(f.ev.Paused)+". The plan holds once it goes on.")
	}
	if p := f.ev.After; p != nil && p.Pause != nil && p.Pause.Message != f.ev.Paused {
		out = append(out, "**Synchronisation will pause:** "+Text(p.Pause.Message)+". To go on: "+Code("/hnp approve "+p.Pause.Hash)+".")
	}
	if fabric.Mode == gitops.ModeObserve {
		out = append(out, "`mode: observe`: hnp-sync plans and reports for this fabric and writes nothing, so none of this reaches NetBox.")
	}
	switch fabric.Direction {
	case gitops.GUIToGit:
		out = append(out, "`direction: gui_to_git`: edits in Git do not travel to NetBox.")
	case gitops.Disabled:
		out = append(out, "`direction: disabled`: nothing travels for this fabric.")
	}
	return out
}

// unknown are the kinds NetBox did not list and the pull request touches, with the reason.
func (f *fabricPlan) unknown() []string {
	touched := map[string]bool{}
	for k := range f.ev.Touched {
		touched[k.Kind] = true
	}
	var out []string
	for _, kind := range slices.Sorted(maps.Keys(f.ev.Unknown)) {
		if touched[kind] {
			out = append(out, Code(kind)+" ("+Text(f.ev.Unknown[kind])+")")
		}
	}
	return out
}

func (f *fabricPlan) breaks() string {
	var parts []string
	for i := range f.ev.Effects {
		e := &f.ev.Effects[i]
		if len(e.Breaks) > 0 {
			parts = append(parts, Resource(e.Key)+" is deleted and still named by "+names(e.Breaks, Resource)+".")
		}
	}
	if len(parts) > nameList {
		parts = append(parts[:nameList:nameList], number(len(parts)-nameList)+" more.")
	}
	return strings.Join(parts, " ")
}

// guard says what waits, why, and what lets it pass.
func (f *fabricPlan) guard() string {
	var reasons []string
	var held []gitops.Key
	for i := range f.ev.Effects {
		e := &f.ev.Effects[i]
		if !e.Guarded {
			continue
		}
		held = append(held, e.Key)
		if !slices.Contains(reasons, e.Reason) {
			reasons = append(reasons, e.Reason)
		}
	}
	s := "✋ **Waits for an approval:** " + names(held, Resource) + ": " + names(reasons, Text) + ". The rest goes on without it."
	if f.ev.After == nil || f.ev.After.Waiting.Hash == "" {
		return s
	}
	s += " To let it pass, comment " + Code("/hnp approve "+f.ev.After.Waiting.Hash) + "."
	if n := len(f.ev.After.Waiting.Actions) - len(held); n > 0 {
		s += " The approval covers " + count(n, "other action") + " that " + verb(n, "waits", "wait") + " already."
	}
	return s
}

// rows are the writes, one row each, with at most limit fields.
func (f *fabricPlan) rows(limit int) []string {
	var out []string
	for i := range f.ev.Effects {
		e := &f.ev.Effects[i]
		out = append(out, "| "+opWord(e.Op, e.Guarded)+" | "+Resource(e.Key)+" | "+effectText(e, limit)+" |")
	}
	return out
}

func opWord(op gitops.Op, guarded bool) string {
	w := string(op)
	switch op {
	case gitops.OpUpdate:
		w = "change"
	case gitops.OpDelete:
		w = "**delete**"
	}
	if guarded {
		w += " ✋"
	}
	return w
}

// effectText is what one write does, for a table's cell.
func effectText(e *gitops.Effect, limit int) string {
	var parts []string
	switch e.Op {
	case gitops.OpCreate:
		parts = append(parts, "created with "+count(len(e.Paths), "field"))
		if len(e.Paths) == 0 {
			parts[0] = "created"
		}
		limit = 0
	case gitops.OpDelete:
		parts, limit = append(parts, "deleted"), 0
		if len(e.Breaks) > 0 {
			parts = append(parts, "still named by "+names(e.Breaks, Resource))
		}
	case gitops.OpRename:
		parts = append(parts, "renamed to "+Resource(e.NewKey))
	}
	return strings.Join(append(parts, changes(e.Paths, limit)...), "<br>")
}

// changes are fields with old → new, at most limit of them; a limit of 0 shows none.
func changes(paths []gitops.PathChange, limit int) []string {
	var out []string
	for i, c := range paths {
		if limit == 0 {
			break
		}
		if i == limit {
			out = append(out, number(len(paths)-i)+" more fields")
			break
		}
		out = append(out, Code(c.Path)+" "+Value(c.From, c.FromNone)+" → "+Value(c.To, c.ToNone))
	}
	return out
}

// meets says which NetBox edits are waiting for Git and touch the same resources.
func (f *fabricPlan) meets(p *page) {
	var rows []string
	others := 0
	for i := range f.ev.Arriving {
		e := &f.ev.Arriving[i]
		if !e.Touched {
			others++
			continue
		}
		rows = append(rows, "| "+opWord(e.Op, e.Guarded)+" | "+Resource(e.Key)+" | "+effectText(e, 3)+" |")
	}
	if len(rows) > 0 {
		p.list("**Waiting edits from NetBox that will meet this pull request**; they are written to the branch whether or not it is merged:\n\n| | resource | what changes in Git |\n|---|---|---|\n",
			"\n", capRows(rows, summaryRows), 0)
	}
	if others > 0 {
		p.block(count(others, "other edit") + " from NetBox " + verb(others, "waits", "wait") + " to be written to the branch and " + verb(others, "does", "do") + " not meet it.")
	}
}

// stays says which edits of the pull request will not travel, by direction and rules.
func (f *fabricPlan) stays(p *page) {
	if f.ev.After == nil {
		return
	}
	var rows []string
	for i := range f.ev.After.Conflicts {
		c := &f.ev.After.Conflicts[i]
		if c.Code == gitops.DriftCode && f.ev.Touched[c.Key] {
			rows = append(rows, "| "+Resource(c.Key)+" | "+pathText(c.Path)+" | "+Value(c.Git, c.GitNone)+" | "+Value(c.NetBox, c.NetBoxNone)+" | "+Cell(c.Message)+" |")
		}
	}
	p.list("**Will not travel to NetBox**, by the fabric's direction, its rules, or the resource's own setting:\n\n| resource | field | Git | NetBox | why |\n|---|---|---|---|---|\n",
		"\n", capRows(rows, summaryRows), 0)
}

// frozen says which touched resources nothing is written of.
func (f *fabricPlan) frozen(p *page) {
	if f.ev.After == nil {
		return
	}
	var rows []string
	for _, z := range f.ev.After.Frozen {
		if f.ev.Touched[z.Key] {
			rows = append(rows, "- "+Resource(z.Key)+": "+Text(z.Message)+" ("+Code(string(z.Code))+")")
		}
	}
	p.list("**Frozen: nothing of these is written until the cause is gone.**\n\n", "\n", capRows(rows, summaryRows), 0)
}

// capRows cuts a list of rows; the last one says how many are missing, in the form of the others.
func capRows(rows []string, limit int) []string {
	if len(rows) <= limit {
		return rows
	}
	rest := number(len(rows)-limit) + " more"
	last := "- " + rest
	if strings.HasPrefix(rows[0], "|") {
		cells := strings.Count(rows[0], "|") - 1 // values hold none (Code, Cell)
		last = "| " + rest + " |" + strings.Repeat(" |", cells-1)
	}
	return append(slices.Clone(rows[:limit]), last)
}

// details lists every field of every resource, folded.
func (f *fabricPlan) details(p *page) {
	name := Text(f.ev.Fabric.Name)
	p.fold(name+": "+count(len(f.ev.Effects), "resource")+" in NetBox, every field", "| | resource | what changes in NetBox |\n|---|---|---|\n", f.detailRows())
	var rows []string
	for _, file := range f.ev.Files {
		rows = append(rows, "- "+Code(file))
	}
	p.fold(name+": "+count(len(f.ev.Files), "file")+" touched", "", rows)
}

// detailRows are as rows; a created resource shows its fields too.
func (f *fabricPlan) detailRows() []string {
	var out []string
	for i := range f.ev.Effects {
		e := &f.ev.Effects[i]
		text := effectText(e, fieldRows)
		if e.Op == gitops.OpCreate {
			text = strings.Join(append([]string{text}, changes(e.Paths, fieldRows)...), "<br>")
		}
		if e.Reason != "" {
			text += "<br>" + Text(e.Reason)
		}
		out = append(out, "| "+opWord(e.Op, e.Guarded)+" | "+Resource(e.Key)+" | "+text+" |")
	}
	return out
}

// annotations are remarks on the files of deleted resources: a warning when the delete waits, a failure when it breaks
// references. The file is known only where it has the resource's name and the pull request removes or changes it.
func (f *fabricPlan) annotations() []Annotation {
	touched := set(f.ev.Files)
	var out []Annotation
	for i := range f.ev.Effects {
		e := &f.ev.Effects[i]
		level, message := "", ""
		switch {
		case len(e.Breaks) > 0:
			var by []string
			for _, k := range e.Breaks[:min(len(e.Breaks), nameList)] {
				by = append(by, oneLine(k.String()))
			}
			level = LevelFailure
			message = fmt.Sprintf("Merging deletes %s in NetBox, but it is still named by %s.", e.Key, strings.Join(by, ", "))
			if n := len(e.Breaks) - len(by); n > 0 {
				message += fmt.Sprintf(" %s more.", number(n))
			}
		case e.Guarded:
			level, message = LevelWarning, fmt.Sprintf("%s %s in NetBox waits for an approval: %s.", e.Op, e.Key, e.Reason)
		default:
			continue
		}
		file, line := e.File, e.Line
		if file == "" {
			file = fileOf(touched, e.Key)
		}
		if file != "" {
			out = append(out, annotation(inRepository(&f.ev.Fabric, file), line, level, e.Key.String(), message))
		}
	}
	return out
}

// fileOf finds the touched file that carries a resource's name, by the naming of managed/.
func fileOf(touched map[string]bool, k gitops.Key) string {
	kind, ok := lookupKind(k)
	if !ok {
		return ""
	}
	names := []string{k.Name}
	if k.Namespace != "" {
		names = append(names, k.Namespace+"."+k.Name)
	}
	for _, n := range names {
		for _, ext := range []string{".yaml", ".yml"} {
			if file := "managed/" + kind.Plural + "/" + n + ext; touched[file] {
				return file
			}
		}
	}
	return ""
}

// names lists at most ten things in one sentence.
func names[T any](all []T, show func(T) string) string {
	var out []string
	for i, x := range all {
		if i == nameList {
			out = append(out, number(len(all)-i)+" more")
			break
		}
		out = append(out, show(x))
	}
	return strings.Join(out, ", ")
}

// pathText is a conflict's path; empty means the resource itself.
func pathText(p string) string {
	if p == "" {
		return "*the whole resource*"
	}
	return Code(p)
}
