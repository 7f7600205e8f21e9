package gitops

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// modelPull is one pull request of the model's repository.
type modelPull struct {
	number        int
	branch, state string
	mergeCommit   string
	last          string // tip when it was closed
	late          bool   // opened by a request that arrived after its pull request's end: nobody but people knows it
}

type modelProposals struct{ *world }

// own are the commits of a branch that the tracked branch did not have, newest first.
func (w *world) own(tip string) []string {
	main := map[string]bool{}
	for _, c := range w.history(w.head) {
		main[c.oid] = true
	}
	var out []string
	for _, c := range w.history(tip) {
		if main[c.oid] {
			break
		}
		out = append(out, c.oid)
	}
	return out
}

func (w *world) proposal(p *modelPull) Proposal {
	out := Proposal{Number: p.number, URL: fmt.Sprintf("pull/%d", p.number), Branch: p.branch, State: p.state, MergeCommit: p.mergeCommit, Head: p.last}
	if p.state == "open" {
		out.Head = w.tips[p.branch]
		_, out.Conflicting = w.mergedFiles(out.Head)
	}
	out.Commits = w.own(out.Head)
	for _, oid := range out.Commits {
		out.Operations = append(out.Operations, OperationTrailer(w.commitAt(oid).message))
	}
	return out
}

func (w modelProposals) Proposal(_ context.Context, number int) (Proposal, error) {
	w.before("pull request")
	for _, p := range w.pulls {
		if p.number == number {
			return w.proposal(p), nil
		}
	}
	return Proposal{}, &PermissionError{Code: "not_found", Message: "no such pull request"}
}

func (w modelProposals) FindProposal(_ context.Context, branch string) (Proposal, bool, error) {
	w.before("find pull request")
	for _, p := range slices.Backward(w.pulls) {
		if p.branch == branch {
			return w.proposal(p), true, nil
		}
	}
	return Proposal{}, false, nil
}

func (w modelProposals) Propose(_ context.Context, req ProposeRequest) (Proposal, error) {
	w.before("propose")
	var result Proposal
	var err error
	late := false
	effect := func() {
		var pull *modelPull
		for _, p := range w.pulls {
			if p.branch == req.Branch && p.state == "open" || req.Number != 0 && p.number == req.Number {
				pull = p
			}
		}
		tip := w.tips[req.Branch]
		if c := w.commitAt(tip); tip != req.Tip && (c == nil || !slices.Contains(req.Ours, OperationTrailer(c.message))) {
			if tip != "" {
				err = ErrNotOurs
				w.say("  %s is not ours", req.Branch)
				return
			}
		}
		if pull != nil && pull.state != "open" {
			err = ErrStaleHead
			w.say("  pull request %d is not open any more", pull.number)
			return
		}
		files := maps.Clone(w.commitAt(req.ExpectedHead).files)
		for _, f := range req.Files {
			if f.Delete {
				delete(files, f.Path)
			} else {
				files[f.Path] = string(f.Data)
			}
		}
		was := w.head
		w.head = req.ExpectedHead
		w.tips[req.Branch] = w.push(&modelCommit{files: files, message: req.Subject + "\n\n" + req.Body})
		w.head = was
		if pull == nil {
			pull = &modelPull{number: len(w.pulls) + 1, branch: req.Branch, state: "open", late: late}
			w.pulls = append(w.pulls, pull)
		}
		w.writes++
		result = w.proposal(pull)
		w.say("  pull request %d on %s: %.6s %s", pull.number, req.Branch, w.tips[req.Branch], req.Subject)
	}
	switch w.fate("propose") {
	case fateLost:
		return Proposal{}, ErrOutcomeUnknown
	case fateLate:
		w.late = append(w.late, func() { late = true; effect() })
		return Proposal{}, ErrOutcomeUnknown
	case fateNoAnswer:
		effect()
		w.after("propose")
		if err != nil {
			return Proposal{}, err
		}
		return Proposal{}, ErrOutcomeUnknown
	}
	effect()
	w.after("propose")
	return result, err
}

func (w modelProposals) Withdraw(_ context.Context, number int, branch, tip, _ string) error {
	w.before("withdraw")
	var err error
	effect := func() {
		for _, p := range w.pulls {
			if p.number == number && p.state == "open" {
				if w.tips[branch] != tip {
					err = ErrNotOurs
					return
				}
				w.close(p)
				w.writes++
				w.say("  pull request %d withdrawn", number)
			}
		}
	}
	f := w.fate("withdraw")
	if f == fateLost || f == fateLate {
		return ErrOutcomeUnknown
	}
	effect()
	w.after("withdraw")
	if f == fateNoAnswer && err == nil {
		return ErrOutcomeUnknown
	}
	return err
}

func (w *world) close(p *modelPull) {
	p.state, p.last = "closed", w.tips[p.branch]
	delete(w.tips, p.branch)
}

// mergedFiles merges a branch into the tracked one, file by file.
func (w *world) mergedFiles(tip string) (files map[string]string, conflicting bool) {
	own := w.own(tip)
	shared := map[string]string{}
	if len(own) > 0 {
		if c := w.commitAt(w.commitAt(own[len(own)-1]).parent); c != nil {
			shared = c.files
		}
	}
	ours, theirs := w.files(), w.commitAt(tip).files
	files = maps.Clone(ours)
	for p := range theirs {
		if _, ok := files[p]; !ok {
			files[p] = ""
		}
	}
	for p := range files {
		b, inB := shared[p]
		o, inO := ours[p]
		t, inT := theirs[p]
		switch {
		case b == t && inB == inT:
			if !inO {
				delete(files, p)
			}
		case o == t && inO == inT:
		case b == o && inB == inO:
			if inT {
				files[p] = t
			} else {
				delete(files, p)
			}
		default:
			return nil, true
		}
	}
	return files, false
}

// personOnPull is a person who merges a pull request, edits it, or closes it.
func (w *world) personOnPull() {
	var open []*modelPull
	for _, p := range w.pulls {
		if p.state == "open" {
			open = append(open, p)
		}
	}
	if len(open) == 0 {
		return
	}
	p := open[w.rng.IntN(len(open))]
	switch n := w.rng.IntN(10); {
	case n < 6:
		w.mergePull(p)
	case n < 8:
		w.editPull(p)
	default:
		w.say("  a person closes pull request %d", p.number)
		w.close(p)
	}
}

// mergePull merges: what changes in Git by it, the person saw in the diff. A value that is not what we proposed is his own.
func (w *world) mergePull(p *modelPull) bool {
	tip := w.tips[p.branch]
	files, conflicting := w.mergedFiles(tip)
	if conflicting || w.doubled(files) {
		return false
	}
	before := w.leaves(SideGit)
	proposed := before
	for _, oid := range w.own(tip) {
		if c := w.commitAt(oid); OperationTrailer(c.message) != "" {
			proposed = w.leavesOf(c)
			break
		}
	}
	mergeBase := w.commitAt(w.head)
	p.last = tip
	p.state = "merged"
	delete(w.tips, p.branch)
	p.mergeCommit = w.push(&modelCommit{files: files, message: fmt.Sprintf("Merge pull request %d", p.number)})
	w.say("  a person merges pull request %d: %.6s on %.6s", p.number, p.mergeCommit, mergeBase.oid)
	after := w.leaves(SideGit)
	ids := map[string]bool{}
	for id := range before {
		ids[id] = true
	}
	for id := range after {
		ids[id] = true
	}
	value := func(m map[string]string, id string) string {
		if v, ok := m[id]; ok {
			return v
		}
		return "-"
	}
	for _, id := range sortedKeys(ids) {
		was, is := value(before, id), value(after, id)
		if was == is {
			continue
		}
		w.decided[id+"="+was] = true
		if is == value(proposed, id) {
			w.origin[string(SideGit)+id] = true
			continue
		}
		for _, k := range w.allKeys() {
			if path, ok := strings.CutPrefix(id, pathID(k, "")); ok {
				w.record(SideGit, k, path, is, was, value(proposed, id))
			}
		}
	}
	return true
}

// doubled tells whether two documents of the files have one identity: the check on the pull request says so, and nobody
// merges it.
func (w *world) doubled(files map[string]string) bool {
	seen := map[Key]bool{}
	for p, text := range files {
		if !isYAMLName(p) {
			continue
		}
		f, _ := w.parse(p, &TreeEntry{OID: blobID(text), Data: []byte(text)})
		for _, d := range f.Documents() {
			if seen[d.Identity] {
				return true
			}
			seen[d.Identity] = true
		}
	}
	return false
}

func (w *world) leavesOf(c *modelCommit) map[string]string {
	was := w.head
	w.head = c.oid
	defer func() { w.head = was }()
	return w.leaves(SideGit)
}

// editPull is a person who pushes a commit to a pull request's branch: one value of one document.
func (w *world) editPull(p *modelPull) {
	was := w.head
	w.head = w.tips[p.branch]
	defer func() { w.head = was }()
	k := modelKeys[w.rng.IntN(len(modelKeys))]
	file, f, i := w.find(k)
	if file == "" {
		return
	}
	at, _ := ParsePath("spec.description")
	if k.Kind == "VPC" {
		at, _ = ParsePath("spec.mode")
	}
	v := w.fresh()
	data, err := f.Edit(i, withPath(kindOf(k), any(map[string]any(f.Documents()[i].Object)), at, json.Number(v)).(map[string]any))
	if err != nil {
		panic(err)
	}
	files := maps.Clone(w.files())
	files[file] = string(data)
	w.tips[p.branch] = w.push(&modelCommit{files: files, message: "review"})
	w.say("  a person edits pull request %d: %s %s = %s", p.number, k, at, v)
}

// mergeAll is a team that works its pull requests off: what merges is merged, what does not is closed.
func (w *world) mergeAll() string {
	for range 6 {
		for _, p := range w.pulls {
			if p.state == "open" && !w.mergePull(p) {
				if rec := w.ledger.Proposed[p.branch]; rec != nil && rec.Theirs || rec == nil && p.late {
					w.say("  a person closes pull request %d, which does not merge", p.number)
					w.close(p)
				}
			}
		}
		w.now = w.now.Add(3_000_000_000)
		if _, err := w.cycle(Request{Full: true}); err != nil {
			return fmt.Sprintf("a cycle without faults failed: %v", err)
		}
	}
	for _, p := range w.pulls {
		if p.state == "open" {
			return fmt.Sprintf("pull request %d on %s stays open", p.number, p.branch)
		}
	}
	return ""
}
