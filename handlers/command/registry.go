package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/handlers/feedback"
)

// spec is one command: how it is written, what it does, who may use it, and how it is read and carried out. The parser,
// the help text and the documentation are made of these.
type spec struct {
	name  string
	usage string // without /hnp and without fabric=NAME, which all take
	does  string // for people, one sentence without its end
	// changes: it needs the right to write; the others need the right to read.
	changes bool
	// parse reads the words after the name, without fabric=; it answers a problem in Markdown, or nothing. Nil: there
	// must be none.
	parse func(p *Parsed, args []argument) string
	// run carries it out and answers in Markdown.
	run func(ctx context.Context, s *session, p *Parsed) (answer, error)
}

// registry are all commands, in the order in which help shows them.
func registry() []spec {
	return []spec{
		{name: "help", usage: "help", does: "lists the commands", parse: anything, run: help},
		{name: "status", usage: "status", does: "says how the fabric is: in step or not, what waits, what conflicts", run: status},
		{name: "plan", usage: "plan", does: "shows what the next cycle would write on each side; writes nothing", run: plan},
		{name: "sync", usage: "sync", does: "compares everything and brings both sides in step; overrides no conflict, guard or direction", changes: true, run: sync},
		{name: "ingest", usage: "ingest", does: "files what lies in `raw/` under `managed/`", changes: true, run: ingest},
		{name: "init", usage: "init", does: "creates the missing directories and files loose documents; changes nothing that exists", changes: true, run: initialize},
		{name: "conflicts", usage: "conflicts", does: "lists the open conflicts with all three values", run: conflicts},
		{name: "resolve", usage: "resolve C12|KIND/NAME|all netbox|git|merge [PATH=netbox|git …]", changes: true, parse: parseResolve, run: resolve,
			does: "decides conflicts for the values shown; `merge` keeps each side's own changes and needs a side for every path that both changed"},
		{name: "approve", usage: "approve HASH", does: "lets exactly the waiting actions of that plan pass, or ends a pause that shows it", changes: true, parse: parseApprove, run: approve},
		{name: "rollback", usage: "rollback OPERATION", does: "plans the reverse of an operation as a new one", changes: true, parse: parseOperation, run: rollback},
		{name: "cancel", usage: "cancel OPERATION", does: "stops an operation that waits", changes: true, parse: parseOperation, run: cancel},
		{name: "pause", usage: "pause [KIND/NAME]", does: "stops writing, for the fabric or one resource", changes: true, parse: parseOptionalResource, run: pause},
		{name: "resume", usage: "resume [KIND/NAME]", does: "goes on after a pause", changes: true, parse: parseOptionalResource, run: resume},
		{name: "why", usage: "why KIND/NAME [PATH]", does: "answers from the records who changed it, when, with which commit or NetBox request", parse: parseWhy, run: why},
	}
}

func find(known []spec, name string) (spec, bool) {
	for _, s := range known {
		if s.name == name {
			return s, true
		}
	}
	return spec{}, false
}

func names(known []spec) []string {
	out := make([]string, 0, len(known))
	for _, s := range known {
		out = append(out, s.name)
	}
	return out
}

func help(context.Context, *session, *Parsed) (answer, error) {
	var b strings.Builder
	b.WriteString("| command | does | needs |\n|---|---|---|\n")
	for _, s := range registry() {
		right := "read"
		if s.changes {
			right = "write"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", feedback.Code(word+" "+s.usage), s.does, right)
	}
	b.WriteString("\nAll take " + feedback.Code("fabric=NAME") + ", in quotation marks when the name has spaces. Without it a command is for the only fabric, or for those the pull request touches. Several commands can stand in one comment, each at the start of a line.")
	return good(b.String()), nil
}

func anything(*Parsed, []argument) string { return "" }

func parseResolve(p *Parsed, args []argument) string {
	if len(args) == 0 {
		return "What shall be resolved is missing."
	}
	what := args[0].text
	n, numbered := conflictNumber(what)
	switch {
	case numbered:
		p.Number = n
	case strings.EqualFold(what, "all"):
		p.All = true
	case strings.HasPrefix(what, "#") || strings.Trim(what, "0123456789") == "":
		return "Conflicts are written as " + feedback.Code("C12") + ", not " + feedback.Code(what) + "."
	case !strings.Contains(what, "/"):
		return feedback.Code(what) + " is no conflict and no resource."
	default:
		key, problem := resource(what)
		if problem != "" {
			return problem
		}
		p.Key = key
	}
	for _, a := range args[1:] {
		if a.hasKey {
			if problem := p.pathChoice(a); problem != "" {
				return problem
			}
			continue
		}
		c, ok := choice(a.text)
		switch {
		case !ok && (strings.HasPrefix(a.text, "-") || p.Choice != ""):
			return unexpected(a)
		case !ok:
			problem := feedback.Code(a.text) + " is no decision."
			if near := nearest(a.text, []string{"netbox", "git", "merge"}); near != "" {
				problem += " Did you mean " + feedback.Code(near) + "?"
			}
			return problem
		case p.Choice != "" && p.Choice != c:
			return "Only one decision can be given for all paths."
		}
		p.Choice = c
	}
	if p.Choice == "" {
		return "The decision is missing: " + feedback.Code("netbox") + ", " + feedback.Code("git") + " or " + feedback.Code("merge") + "."
	}
	return ""
}

// pathChoice reads PATH=netbox|git.
func (p *Parsed) pathChoice(a argument) string {
	c, ok := choice(a.value)
	if !ok || c == gitops.ChooseMerge {
		if near := nearest(a.key, []string{"fabric"}); near != "" {
			return unexpected(a)
		}
		return feedback.Code(a.text) + " gives a path neither " + feedback.Code("netbox") + " nor " + feedback.Code("git") + "."
	}
	at, err := gitops.ParsePath(a.key)
	if err != nil || len(at) == 0 {
		return feedback.Code(a.key) + " is no path; one is written as " + feedback.Code("spec.subnets.test-subnet.vlan") + "."
	}
	p.Paths = append(p.Paths, gitops.PathChoice{Path: at, Side: gitops.Side(c)})
	return ""
}

func parseApprove(p *Parsed, args []argument) string {
	if len(args) == 0 {
		return "The hash of the plan is missing; " + feedback.Code(word+" status") + " shows what waits."
	}
	p.Hash = args[0].text
	switch {
	case len(args) > 1:
		return unexpected(args[1])
	case strings.HasPrefix(p.Hash, "-") || args[0].hasKey:
		return unexpected(args[0])
	case !plainID(p.Hash):
		return feedback.Code(p.Hash) + " is no hash of a plan."
	}
	return ""
}

func parseOperation(p *Parsed, args []argument) string {
	if len(args) == 0 {
		return "The operation is missing; its id begins with " + feedback.Code("sync_") + "."
	}
	p.Operation = args[0].text
	switch {
	case len(args) > 1:
		return unexpected(args[1])
	case strings.HasPrefix(p.Operation, "-") || args[0].hasKey:
		return unexpected(args[0])
	case !plainID(p.Operation) || !strings.HasPrefix(p.Operation, "sync_"):
		return feedback.Code(p.Operation) + " is no operation; their ids begin with " + feedback.Code("sync_") + "."
	}
	return ""
}

// plainID tells what may be a hash or an id of ours.
func plainID(s string) bool {
	return s != "" && len(s) <= 100 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-:") == ""
}

func parseOptionalResource(p *Parsed, args []argument) string {
	if len(args) == 0 {
		return ""
	}
	if len(args) > 1 {
		return unexpected(args[1])
	}
	if strings.HasPrefix(args[0].text, "-") || args[0].hasKey && !strings.Contains(args[0].key, "/") {
		return unexpected(args[0])
	}
	key, problem := resource(args[0].text)
	p.Key = key
	return problem
}

func parseWhy(p *Parsed, args []argument) string {
	if len(args) == 0 {
		return "The resource is missing."
	}
	if len(args) > 2 {
		return unexpected(args[2])
	}
	if problem := parseOptionalResource(p, args[:1]); problem != "" {
		return problem
	}
	if len(args) == 1 {
		return ""
	}
	at, err := gitops.ParsePath(args[1].text)
	if strings.HasPrefix(args[1].text, "-") || args[1].hasKey {
		return unexpected(args[1])
	}
	if err != nil || len(at) == 0 {
		return feedback.Code(args[1].text) + " is no path; one is written as " + feedback.Code("spec.subnets.test-subnet.vlan") + "."
	}
	p.Path = at
	return ""
}
