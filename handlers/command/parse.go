package command

import (
	"strconv"
	"strings"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/handlers/feedback"
	"github.com/hnp-sync/hnp-sync/manifests"
)

// MaxCommands of one comment are carried out.
const MaxCommands = 20

// Parsed is one command of a comment. Which fields are set depends on the command.
type Parsed struct {
	Line int    // of the comment, from 1
	Text string // the line as it was written, without the spaces around it
	// Name of the command as the registry has it; empty when it is not known.
	Name string
	// Problem says why it cannot be carried out, in Markdown with foreign text escaped; empty when it can.
	Problem string

	Fabric    string // fabric=NAME; empty when not given
	Number    int    // C12
	Key       *gitops.Key
	All       bool // resolve all
	Choice    gitops.Choice
	Paths     []gitops.PathChoice
	Hash      string
	Operation string
	Path      gitops.Path // why
}

// Parse reads the commands of a comment, in their order: none when the comment begins with a marker of this program.
// Commands stand at the start of a line of running text, after at most three spaces; code, quotes and HTML never hold
// one. Everything that begins with /hnp is returned, however many there are; what is wrong with it is in Problem.
func Parse(body string) []Parsed {
	if own(body) {
		return nil
	}
	known := registry()
	var out []Parsed
	for _, c := range candidates(body) {
		p := Parsed{Line: c.line, Text: c.text}
		p.parse(known)
		out = append(out, p)
	}
	return out
}

// own tells whether a text begins as this program's texts do.
func own(body string) bool {
	body = strings.TrimLeft(body, "\ufeff \t\r\n")
	_, ok := feedback.FindMarker(body)
	return ok || strings.HasPrefix(body, "<!-- hnp-sync")
}

func (p *Parsed) parse(known []spec) {
	args, err := arguments(strings.TrimPrefix(p.Text, word))
	if err != nil {
		p.Problem = "The line cannot be read: " + feedback.Text(err.Error()) + "."
		return
	}
	if len(args) == 0 {
		p.Name = "help"
		return
	}
	name := args[0].text
	s, ok := find(known, strings.ToLower(name))
	if !ok {
		p.Problem = "There is no command " + feedback.Code(name) + "."
		if near := nearest(name, names(known)); near != "" {
			p.Problem += " Did you mean " + feedback.Code(word+" "+near) + "?"
		} else {
			p.Problem += " " + feedback.Code(word+" help") + " lists them."
		}
		return
	}
	p.Name = s.name
	args = p.fabric(args[1:])
	if p.Problem == "" && s.parse != nil {
		p.Problem = s.parse(p, args)
	} else if p.Problem == "" && len(args) > 0 {
		p.Problem = unexpected(args[0])
	}
	if p.Problem != "" {
		p.Problem += " Write " + feedback.Code(word+" "+s.usage) + "."
	}
}

// fabric takes fabric=NAME out of the arguments.
func (p *Parsed) fabric(args []argument) []argument {
	var rest []argument
	for _, a := range args {
		if !a.hasKey || !strings.EqualFold(a.key, "fabric") {
			rest = append(rest, a)
			continue
		}
		switch {
		case a.value == "":
			p.Problem = feedback.Code("fabric=") + " needs a name."
		case p.Fabric != "" && p.Fabric != a.value:
			p.Problem = "Only one " + feedback.Code("fabric=") + " can be given."
		}
		p.Fabric = a.value
	}
	return rest
}

// unexpected is the problem of a word that has no place, with a hint when it looks like something else.
func unexpected(a argument) string {
	switch {
	case strings.HasPrefix(a.text, "-"), strings.HasPrefix(a.text, "—"):
		flag := strings.TrimLeft(a.text, "-—")
		if a.hasKey {
			flag = strings.TrimLeft(a.key, "-—")
		}
		if nearest(flag, []string{"fabric"}) != "" {
			return "There are no flags; the fabric is given as " + feedback.Code("fabric=NAME") + "."
		}
		return "There is no flag " + feedback.Code(a.text) + "."
	case a.hasKey && nearest(a.key, []string{"fabric"}) != "":
		return "There is no option " + feedback.Code(a.key) + ". Did you mean " + feedback.Code("fabric="+a.value) + "?"
	case a.hasKey:
		return "There is no option " + feedback.Code(a.key) + "."
	}
	return feedback.Code(a.text) + " has no place here."
}

// resource reads KIND/NAME or KIND/NAMESPACE/NAME.
func resource(text string) (*gitops.Key, string) {
	parts := strings.Split(text, "/")
	if len(parts) < 2 || len(parts) > 3 || len(text) > 600 {
		return nil, feedback.Code(text) + " is no resource; one is written as " + feedback.Code("vpc/test-vpc") + "."
	}
	kind, ok := manifests.KindByName(parts[0])
	if !ok {
		var kinds []string
		for _, k := range manifests.Kinds() {
			kinds = append(kinds, strings.ToLower(k.Kind))
		}
		problem := "There is no kind " + feedback.Code(parts[0]) + "."
		if near := nearest(parts[0], kinds); near != "" {
			problem += " Did you mean " + feedback.Code(near+text[len(parts[0]):]) + "?"
		}
		return nil, problem
	}
	k := gitops.Key{Group: kind.Group, Kind: kind.Kind, Namespace: manifests.DefaultNamespace, Name: parts[len(parts)-1]}
	if len(parts) == 3 {
		k.Namespace = parts[1]
	}
	if k.Name == "" || k.Namespace == "" {
		return nil, feedback.Code(text) + " has an empty name."
	}
	return &k, ""
}

// conflictNumber reads C12.
func conflictNumber(text string) (int, bool) {
	if len(text) < 2 || len(text) > 10 || text[0]|0x20 != 'c' {
		return 0, false
	}
	n, err := strconv.Atoi(text[1:])
	return n, err == nil && n > 0 && text[1] != '+' && text[1] != '0'
}

// choice reads every spelling of a decision's side.
func choice(text string) (gitops.Choice, bool) {
	switch strings.ToLower(text) {
	case "netbox", "gui", "gui_value", "gui_wins":
		return gitops.ChooseNetBox, true
	case "git", "github", "github_value", "github_wins":
		return gitops.ChooseGit, true
	case "merge":
		return gitops.ChooseMerge, true
	}
	return "", false
}

// canonical is the command's line as it was understood, for the record.
func (p *Parsed) canonical() string {
	var b strings.Builder
	b.WriteString(word + " " + p.Name)
	add := func(s string) { b.WriteString(" " + s) }
	switch {
	case p.Number > 0:
		add("C" + strconv.Itoa(p.Number))
	case p.Key != nil:
		add(quote(p.Key.String()))
	case p.All:
		add("all")
	}
	for _, s := range []string{string(p.Choice), p.Hash, p.Operation} {
		if s != "" {
			add(quote(s))
		}
	}
	for _, c := range p.Paths {
		add(c.Path.String() + "=" + string(c.Side))
	}
	if len(p.Path) > 0 {
		add(p.Path.String())
	}
	if p.Fabric != "" {
		add("fabric=" + quote(p.Fabric))
	}
	return b.String()
}

// quote puts a text into quotation marks when it must be.
func quote(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > 126 || strings.ContainsRune(`"'=\[`, r) }) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
