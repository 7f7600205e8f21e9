package feedback

import (
	"fmt"
	"strings"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// Candidate is a directory that looks like a fabric.
type Candidate struct {
	Name, Slug, NetBox, Directory string // Slug and NetBox may be empty: the defaults
	Layout                        gitops.Layout
}

// FirstContact is what would happen to a candidate once the configuration is merged.
type FirstContact struct {
	Candidate Candidate
	Plan      *gitops.Plan // nil when it could not be made: Problem says why
	Problem   string
}

// ConfigYAML is .github/hnp-sync.yaml for the candidates, as gitops.ParseConfig reads it.
func ConfigYAML(candidates []Candidate) []byte {
	var b strings.Builder
	b.WriteString("# Which directories hnp-sync keeps in step with NetBox.\nversion: 1\nfabrics:")
	if len(candidates) == 0 {
		b.WriteString(" []")
	}
	b.WriteString("\n")
	for _, c := range candidates {
		fmt.Fprintf(&b, "  - name: %s\n", yamlText(c.Name))
		if c.Slug != "" {
			fmt.Fprintf(&b, "    slug: %s\n", yamlText(c.Slug))
		}
		if c.NetBox != "" {
			fmt.Fprintf(&b, "    netbox: %s\n", yamlText(c.NetBox))
		}
		fmt.Fprintf(&b, "    directory: %s\n", yamlText(c.Directory))
		if c.Layout != "" {
			fmt.Fprintf(&b, "    layout: %s\n", yamlText(string(c.Layout)))
		}
	}
	return []byte(b.String())
}

// yamlText is a text as YAML's double quoted scalar, which JSON's strings are.
func yamlText(s string) string {
	t, err := jsonText(strings.ToValidUTF8(s, "\ufffd"))
	if err != nil {
		return `""`
	}
	return visible(strings.ReplaceAll(t, "\x7f", `\u007f`))
}

// Onboarding is the title and the body of the pull request that a repository without configuration gets.
func Onboarding(contacts []FirstContact) (title, body string) {
	p := newPage(MaxBody)
	p.line(Marker("onboarding"), "")
	p.block("hnp-sync was installed on this repository. It keeps directories of Hedgehog fabric YAML and NetBox in step, both ways. **Merging this pull request is the set-up; until then nothing else is written here or to NetBox.** Correct the file on this branch first where it guessed wrong, or close this to leave the repository alone.")
	var all []Candidate
	for i := range contacts {
		all = append(all, contacts[i].Candidate)
	}
	if len(all) == 0 {
		p.block("No directory here looks like a fabric.")
	}
	for i := range contacts {
		contacts[i].render(p)
	}
	rows := strings.Split(Fence("yaml", string(ConfigYAML(all))), "\n")
	p.line("The file:", "")
	p.line(rows...)
	return "Configure hnp-sync", p.String()
}

// render says what the first contact of one fabric does.
func (f *FirstContact) render(p *page) {
	name := "**" + Text(f.Candidate.Name) + "** (" + Code(f.Candidate.Directory) + "): "
	if f.Plan == nil {
		p.block(name + "the first contact could not be planned: " + Text(f.Problem) + ".")
		return
	}
	n := map[gitops.Side]int{}
	var rows []string
	for i := range f.Plan.Actions {
		a := &f.Plan.Actions[i]
		n[a.Side]++
		side := "Git"
		if a.Side == gitops.SideNetBox {
			side = "NetBox"
		}
		e := gitops.Effect{Key: a.Key, NewKey: a.NewKey, Op: a.Op, Paths: a.Paths}
		rows = append(rows, "| "+side+" | "+opWord(a.Op, false)+" | "+Resource(a.Key)+" | "+effectText(&e, 3)+" |")
	}
	p.block(name + fmt.Sprintf("%s written to NetBox, %s to Git, %s to decide, %s frozen.", number(n[gitops.SideNetBox]), number(n[gitops.SideGit]),
		count(len(f.Plan.Conflicts), "conflict"), number(len(f.Plan.Frozen))))
	if f.Plan.Pause != nil {
		p.block("⚠️ " + Text(f.Plan.Pause.Message))
	}
	p.list("<details><summary>"+Text(f.Candidate.Name)+": "+count(len(rows), "write")+"</summary>\n\n| to | | resource | what |\n|---|---|---|---|\n", "\n</details>\n\n", rows, 16<<10)
	var conflicts []string
	for i := range f.Plan.Conflicts {
		conflicts = append(conflicts, conflictRow(&f.Plan.Conflicts[i], true))
	}
	p.list("<details><summary>"+Text(f.Candidate.Name)+": "+count(len(conflicts), "conflict")+"</summary>\n\n"+conflictHead(true), "\n</details>\n\n", conflicts, 12<<10)
}
