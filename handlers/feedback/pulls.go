package feedback

import (
	"fmt"
	"strings"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// ConflictPull is what a conflict pull request is made of. Its diff is the conflict: the branch was made from Head with
// NetBox's values put in.
type ConflictPull struct {
	Fabric gitops.Fabric
	Head   string
	// Conflicts are those of the group, in the order they are shown.
	Conflicts []gitops.Conflict
	// More are conflicts of the fabric that have no pull request of their own, because of the cap.
	More  int
	Links Links
}

// ConflictPullRequest is the title and the body of a conflict pull request. The body starts with its marker and its state
// block (ParseState).
func ConflictPullRequest(in ConflictPull) (title, body string) {
	if len(in.Conflicts) == 0 {
		return "", ""
	}
	first := &in.Conflicts[0]
	id := conflictNumber(first.Number)
	if n := len(in.Conflicts); n == 1 {
		path := first.Path
		if path == "" {
			path = "the whole resource"
		}
		title = Title(fmt.Sprintf("%s: conflict %s: %s: %s: Git %s, NetBox %s", in.Fabric.Name, id, first.Key, path,
			cut(plainValue(first.Git, first.GitNone), 40), cut(plainValue(first.NetBox, first.NetBoxNone), 40)))
	} else {
		title = Title(fmt.Sprintf("%s: conflict %s and %s more: %s", in.Fabric.Name, id, number(n-1), first.Key))
	}
	p := newPage(MaxBody)
	p.line(Marker("conflict/"+in.Fabric.Slug+"/"+strings.ToLower(id)), stateLine(stateOf(in.Fabric.Name, in.Head, in.Conflicts)), "")
	p.block("Git and NetBox were changed to different values. Nothing was overwritten: both sides keep theirs until this is decided. The diff of this pull request is the conflict: its minus side is Git, its plus side NetBox.")
	for i := 0; i < len(in.Conflicts); {
		k := in.Conflicts[i].Key
		var rows []string
		for ; i < len(in.Conflicts) && in.Conflicts[i].Key == k; i++ {
			rows = append(rows, conflictRow(&in.Conflicts[i], false))
		}
		numbers := conflictNumber(in.Conflicts[i-1].Number)
		if n := len(rows); n > 1 {
			numbers = conflictNumber(in.Conflicts[i-n].Number) + " to " + numbers
		}
		p.list("**"+numbers+"** "+Resource(k)+"\n\n"+conflictHead(false), "\n", rows, 1500)
	}
	p.block("### How to decide")
	p.line("- **Merge** this pull request: NetBox's values hold on both sides. Edit its branch first for any other value: what is merged is what holds.",
		"- Comment "+Code("/hnp resolve "+id+" git")+" to keep Git's value on both sides, or "+Code("/hnp resolve "+id+" netbox")+" to keep NetBox's"+others(in.Conflicts)+".",
		"- **Closing it without merging decides nothing:** the conflict stays open and is shown until a merge or a command decides it.",
		"- Make both sides equal yourself, and this is closed with a comment.", "")
	if in.More > 0 {
		p.block(link(count(in.More, "more conflict")+" of this fabric", in.Links.Issue) + " " + verb(in.More, "has", "have") + " no pull request of " + verb(in.More, "its", "their") + " own, so that this list stays short. Commands decide them too.")
	}
	return title, p.String()
}

// others says that the other conflicts of the group are decided by their own numbers: "all" would mean the whole fabric.
func others(conflicts []gitops.Conflict) string {
	if len(conflicts) < 2 {
		return ""
	}
	return "; " + names(conflicts[1:], func(c gitops.Conflict) string { return Code(conflictNumber(c.Number)) }) + " in the same way"
}

// RollingPull is what the rolling pull request of a fabric is made of: the edits from NetBox that go to a branch which
// is not written directly.
type RollingPull struct {
	Fabric  gitops.Fabric
	Actions []gitops.Action // on Git, as they are in the commit
	// Ingested is how many documents from raw/ the commit files; 0 when it is no ingestion.
	Ingested int
	// Reason is why it is a pull request and not a commit, when it is not mode: pull_request: a protected branch.
	Reason  string
	Editors []string // NetBox users
	Plan    string   // hash
	Links   Links
}

// RollingPullRequest is the title and the body of the rolling pull request.
func RollingPullRequest(in RollingPull) (title, body string) {
	switch {
	case len(in.Actions) == 0 && in.Ingested > 0:
		title = Title(fmt.Sprintf("%s: ingest %s", in.Fabric.Name, count(in.Ingested, "document")))
	case len(in.Actions) == 1:
		title = Title(in.Fabric.Name + ": " + actionTitle(&in.Actions[0]))
	default:
		title = Title(fmt.Sprintf("%s: %s from NetBox", in.Fabric.Name, count(len(in.Actions), "resource")))
	}
	p := newPage(MaxBody)
	p.line(Marker("pull/"+in.Fabric.Slug), "")
	switch {
	case in.Reason != "":
		p.block("These edits from NetBox could not be committed to the branch: " + Text(in.Reason) + ". They are proposed here instead.")
	default:
		p.block("Edits from NetBox, proposed because of `mode: pull_request`. Merging writes them to the branch; NetBox holds them already.")
	}
	var rows []string
	for i := range in.Actions {
		a := &in.Actions[i]
		e := gitops.Effect{Key: a.Key, NewKey: a.NewKey, Op: a.Op, Paths: a.Paths}
		rows = append(rows, "| "+opWord(a.Op, false)+" | "+Resource(a.Key)+" | "+effectText(&e, fieldRows)+" |")
	}
	head := "| | resource | what changes in Git |\n|---|---|---|\n"
	p.list(head, "\n", rows[:min(len(rows), summaryRows)], 3000)
	if len(rows) > summaryRows {
		p.list("<details><summary>"+number(len(rows)-summaryRows)+" more</summary>\n\n"+head, "\n</details>\n\n", rows[summaryRows:], 3000)
	}
	if len(in.Editors) > 0 {
		p.block("Edited in NetBox by " + names(in.Editors, Text) + ".")
	}
	p.line("- It is kept up to date while it is open: a newer edit in NetBox changes it. What people push to its branch is theirs and never overwritten.",
		"- Merge, squash and rebase all work. Closing it without merging leaves the values apart; they are shown as `declined` until one of them moves, or a command decides.", "")
	if in.Plan != "" {
		p.block("Plan " + Code(in.Plan) + ".")
	}
	return title, p.String()
}

// actionTitle is one action in a title.
func actionTitle(a *gitops.Action) string {
	switch {
	case a.Op == gitops.OpCreate:
		return a.Key.String() + ": created"
	case a.Op == gitops.OpDelete:
		return a.Key.String() + ": deleted"
	case a.Op == gitops.OpRename:
		return a.Key.String() + ": renamed to " + a.NewKey.Name
	case len(a.Paths) == 1:
		c := a.Paths[0]
		return fmt.Sprintf("%s: %s %s → %s", a.Key, c.Path, cut(plainValue(c.From, c.FromNone), 40), cut(plainValue(c.To, c.ToNone), 40))
	}
	return fmt.Sprintf("%s: %s", a.Key, count(len(a.Paths), "field"))
}
