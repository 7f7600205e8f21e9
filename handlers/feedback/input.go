package feedback

import (
	"path"
	"sort"
	"strings"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/manifests"
)

// PullRequest is what the three check runs of a pull request are made of.
type PullRequest struct {
	// Evaluations, one per fabric whose directory the pull request touches; others may be there and are ignored.
	Evaluations []*gitops.Evaluation
	// Failed are the fabrics that could not be evaluated. The checks fail, whatever the others say.
	Failed []Failed
	// ConfigChanged: the pull request changes .github/hnp-sync.yaml. Config are the findings in its version of it, with
	// the path in the repository as File.
	ConfigChanged bool
	Config        []manifests.Diagnostic
	// Fork: its branch lies in another repository, which the App cannot write to.
	Fork  bool
	Links Links
	// Internal is why nothing at all could be found out, for people; empty when something was.
	Internal string
}

// Failed is a fabric of which nothing is known, with the reason for people.
type Failed struct {
	Fabric string // name
	Reason string
}

// Links are addresses to point to; an empty one is left out.
type Links struct {
	Details string // the server's own page
	Issue   string // the fabric's rolling issue
}

// touched are the evaluations of fabrics that the pull request touches, by fabric name.
func (in *PullRequest) touched() []*gitops.Evaluation {
	var out []*gitops.Evaluation
	for _, ev := range in.Evaluations {
		if ev != nil && len(ev.Files) > 0 {
			out = append(out, ev)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Fabric.Name < out[j].Fabric.Name })
	return out
}

// early is the answer that needs no evaluation: an internal error, or no fabric touched.
func (in *PullRequest) early(name string) (Output, bool) {
	if in.Internal != "" {
		return Internal(name, in.Internal), true
	}
	if len(in.touched()) == 0 && len(in.Failed) == 0 && !in.ConfigChanged {
		return Output{Name: name, Conclusion: Success, Title: "Touches no fabric",
			Summary: "This pull request changes no file below the directory of a fabric. Nothing changes in NetBox."}, true
	}
	return Output{}, false
}

// Internal is the check run of an evaluation that failed for a reason of ours or of a service we need. It is a failure:
// a check that could not look must not let anything pass.
func Internal(name, reason string) Output {
	p := newPage(MaxOutputText)
	p.block("**hnp-sync could not find out what this would do, so this check fails.** Nothing was written anywhere.")
	p.block(Fence("text", Plain(reason, 8000)))
	p.block("It is tried again by itself when the cause is likely to pass. To try it now, use **Re-run** on this check.")
	return Output{Name: name, Conclusion: Failure, Title: "Could not be checked", Summary: p.String()}
}

// failures says which fabrics could not be evaluated.
func (in *PullRequest) failures(p *page) bool {
	for _, f := range in.Failed {
		p.block("**" + Text(f.Fabric) + " could not be evaluated:** " + Text(f.Reason) + ". This check fails until it can be; **Re-run** tries it now.")
	}
	return len(in.Failed) > 0
}

// inRepository is a path below the fabric's directory as a path from the repository's root.
func inRepository(f *gitops.Fabric, file string) string {
	return strings.TrimPrefix(path.Join(f.Directory, file), "./")
}

// annotation is one on a line; line 0 is the first.
func annotation(file string, line int, level, title, message string) Annotation {
	line = max(line, 1)
	return Annotation{Path: strings.TrimPrefix(file, "./"), StartLine: line, EndLine: line, Level: level,
		Title: Plain(oneLine(title), 250), Message: Plain(message, 4000)}
}

var levelRank = map[string]int{LevelFailure: 0, LevelWarning: 1, LevelNotice: 2}

// sortAndCap orders annotations by level, path and line, and returns how many did not fit.
func sortAndCap(all []Annotation) ([]Annotation, int) {
	sort.SliceStable(all, func(i, j int) bool {
		a, b := &all[i], &all[j]
		switch {
		case a.Level != b.Level:
			return levelRank[a.Level] < levelRank[b.Level]
		case a.Path != b.Path:
			return a.Path < b.Path
		case a.StartLine != b.StartLine:
			return a.StartLine < b.StartLine
		case a.StartColumn != b.StartColumn:
			return a.StartColumn < b.StartColumn
		}
		return a.Message < b.Message
	})
	if len(all) > MaxAnnotations {
		return all[:MaxAnnotations:MaxAnnotations], len(all) - MaxAnnotations
	}
	return all, 0
}

func set(list []string) map[string]bool {
	m := make(map[string]bool, len(list))
	for _, s := range list {
		m[s] = true
	}
	return m
}
