package gitops

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// This file is the part of the cycle that goes through pull requests (ENGINE 12): the rolling one of mode pull_request
// and of protected branches, and those that show one conflict each (ENGINE 23, branch).

// maxConflictPullRequests is how many conflict pull requests of one fabric are open at a time; further conflicts are
// listed where the others are and decided by command.
const maxConflictPullRequests = 10

// maxProposedCommits is how many of our own commits of one pull request are remembered.
const maxProposedCommits = 20

// ProposalText makes title and text of a pull request for people; what it is given is sorted.
type ProposalText func(in ProposalInput) (title, text string)

// ProposalInput is what a pull request proposes.
type ProposalInput struct {
	Fabric    Fabric
	Conflicts []Conflict // the conflict it shows, one entry per path; empty for the rolling one
	Actions   []Action   // the edits of Git
	Subject   string     // of the commit
	PlanHash  string
}

// RollingBranch is the branch of a fabric's rolling pull request.
func RollingBranch(f *Fabric) string { return "hnp-sync/" + f.Slug }

// conflictBranch is the branch of a conflict's pull request.
func conflictBranch(f *Fabric, number int) string {
	return fmt.Sprintf("hnp-sync/conflict/%s/C%d", f.Slug, number)
}

// followProposals reads our pull requests and settles those that ended: merged and in the observed head, base is what was
// proposed; closed unmerged, the values are declined.
func (r *run) followProposals(ctx context.Context) error {
	r.blocked = map[string]bool{}
	r.conflicting = map[string]bool{}
	if r.Proposals == nil {
		return nil
	}
	for _, branch := range sortedIDs(r.state.Proposed) {
		rec := r.state.Proposed[branch]
		p, found, err := r.readProposal(ctx, rec)
		var denied *PermissionError
		switch {
		case errors.As(err, &denied) && denied.Code == "not_found":
			p, found = Proposal{Number: rec.Number, Branch: branch, State: "closed"}, true
		case err != nil:
			r.log("pull request not read", "fabric", r.Fabric.Name, "pull_request", rec.Number, "branch", branch, "error", err)
			r.trouble(fmt.Sprintf("pull request of %s is not read: %v", branch, err))
			r.blocked[branch] = true
			r.result.After = max(r.result.After, time.Second)
			continue
		}
		if !found {
			continue // its answer was lost before it was opened: the plan proposes again
		}
		u, err := r.followProposal(ctx, rec, p)
		if err != nil {
			return err
		}
		if u != nil {
			if err := r.save(ctx, u); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) readProposal(ctx context.Context, rec *Proposed) (Proposal, bool, error) {
	if rec.Number == 0 {
		return r.Proposals.FindProposal(ctx, rec.Branch)
	}
	p, err := r.Proposals.Proposal(ctx, rec.Number)
	return p, err == nil, err
}

// followProposal is what one pull request's state means; nil when nothing is to be remembered.
func (r *run) followProposal(ctx context.Context, rec *Proposed, p Proposal) (*Update, error) {
	c := *rec
	c.Number, c.URL = p.Number, p.URL
	landed := false
	for at := len(p.Operations) - 1; at >= 0 && len(p.Operations) == len(p.Commits); at-- {
		for _, sent := range rec.Sending {
			if sent.Operation == p.Operations[at] {
				sent.OID = p.Commits[at]
				c.add(sent)
				landed = true
			}
		}
	}
	if rec.Number == 0 && !landed {
		return nil, nil // an older pull request of the same branch: this one was never opened
	}
	switch p.State {
	case "merged":
		in, err := r.contains(ctx, p.MergeCommit)
		if err != nil {
			return nil, err
		}
		if !in {
			r.blocked[rec.Branch] = true // the observed head is older than the merge
			r.result.After = max(r.result.After, time.Second)
			return nil, nil
		}
		u := &Update{DropProposed: []string{rec.Branch}}
		if ours := c.ours(p); ours != nil {
			u.merge(r.state.proposalLanded(ours, r.now()))
		}
		if r.input.AtMergeBase == nil {
			head := r.snap.Head
			u.Head = &head
		}
		r.log("pull request merged", "fabric", r.Fabric.Name, "pull_request", p.Number, "branch", rec.Branch)
		return u, nil
	case "closed":
		if rec.Withdrawing {
			return &Update{DropProposed: []string{rec.Branch}}, nil
		}
		u := &Update{DropProposed: []string{rec.Branch}}
		if n := len(c.Commits); n > 0 {
			u.PutDeclined = declinedBy(&c.Commits[n-1], p.Number, r.now())
			u.DropDecisions = c.Commits[n-1].Decisions
		}
		r.log("pull request closed unmerged: its values are declined", "fabric", r.Fabric.Name, "pull_request", p.Number, "branch", rec.Branch)
		return u, nil
	}
	if len(c.Commits) > 0 && p.Head != c.Tip && p.Head != "" {
		c.Theirs = true
	}
	r.conflicting[rec.Branch] = p.Conflicting
	if c.Number != rec.Number || c.Tip != rec.Tip || c.Theirs != rec.Theirs || landed {
		return &Update{PutProposed: []*Proposed{&c}}, nil
	}
	return nil, nil
}

// ours is the newest commit of ours that the pull request holds.
func (rec *Proposed) ours(p Proposal) *ProposedCommit {
	for i := len(rec.Commits) - 1; i >= 0; i-- {
		if c := &rec.Commits[i]; c.OID == p.Head || slices.Contains(p.Commits, c.OID) {
			return c
		}
	}
	return nil
}

// add notes a commit of ours as the branch's tip.
func (rec *Proposed) add(c ProposedCommit) {
	rec.Commits = append(slices.Clone(rec.Commits[max(0, len(rec.Commits)-maxProposedCommits+1):]), c)
	rec.Tip, rec.Changes, rec.Sending = c.OID, c.Changes, nil
}

// contains tells whether the observed head holds a commit.
func (r *run) contains(ctx context.Context, oid string) (bool, error) {
	if oid == "" {
		return false, nil
	}
	if slices.ContainsFunc(r.snap.Commits, func(c Commit) bool { return c.OID == oid }) {
		return true, nil
	}
	how, err := r.Repository.Compare(ctx, oid, r.snap.Head)
	if err != nil {
		return false, fmt.Errorf("compare %s with %s: %w", oid, r.Fabric.Branch, err)
	}
	return how.Relation == RelationAhead || how.Relation == RelationIdentical, nil
}

// baseAt is the hash of base's pair at a path.
func (s *State) baseAt(k Key, at Path) string {
	kind, _ := manifests.LookupKind(k.Group, k.Kind)
	r := s.Resources[k]
	if r == nil || !r.Exists {
		return "none"
	}
	return hashOf(kind, at, lookup(kind, any(map[string]any(r.Git)), at)) + hashOf(kind, at, lookup(kind, any(map[string]any(r.NetBox)), at))
}

// proposalLanded sets base to what a merged pull request had proposed, for exactly those paths (ENGINE 12). A path whose
// base moved since it was proposed was settled by something later: there the merge is an edit like any other.
func (s *State) proposalLanded(c *ProposedCommit, now time.Time) *Update {
	u := &Update{DropDecisions: c.Decisions}
	for _, i := range c.Intents {
		still := *i
		still.Paths = nil
		for _, p := range i.Paths {
			if at, err := ParsePath(p.Path); err == nil && p.Base == s.baseAt(i.Key, at) {
				still.Paths = append(still.Paths, p)
			}
		}
		if len(still.Paths) == 0 {
			continue
		}
		u.merge(s.landed(&still, nil, now))
		if i.Op == OpDelete {
			u.deleted(s, SideNetBox, i.Key, now)
		}
	}
	return u
}

// declinedBy are the values of a commit that was not merged.
func declinedBy(c *ProposedCommit, number int, now time.Time) []*DeclinedValue {
	var out []*DeclinedValue
	for _, i := range c.Intents {
		kind, _ := manifests.LookupKind(i.Key.Group, i.Key.Kind)
		for _, p := range i.Paths {
			at, err := ParsePath(p.Path)
			if err != nil {
				continue
			}
			out = append(out, &DeclinedValue{Key: i.Key, Path: p.Path, From: hashOf(kind, at, p.from()), To: hashOf(kind, at, p.to()), Number: number, At: now})
		}
	}
	return out
}

// through tells whether the fabric's commits go through a pull request.
func (r *run) through() bool {
	if r.Proposals == nil {
		return false
	}
	return r.Fabric.Mode == ModePullRequest || slices.ContainsFunc(sortedIDs(r.state.Proposed), func(b string) bool {
		return r.state.Proposed[b].Conflict == 0 // one is open because the branch is protected
	})
}

// propose puts the plan's Git actions, and what the structure needs, on the rolling pull request.
func (r *run) propose(ctx context.Context) error {
	branch, rec := r.rolling()
	if r.blocked[branch] || r.uncertain(rec) {
		// What it proposes is not known completely now: nothing is taken back from it.
		r.gitUnwritten(r.gitActions())
		return nil
	}
	plan := *r.plan
	plan.Actions = nil
	theirs := r.leftToPeople()
	for i := range r.plan.Actions {
		a := &r.plan.Actions[i]
		if a.Side == SideGit && !theirs(a) {
			plan.Actions = append(plan.Actions, *a)
		}
	}
	r.gitUnwritten(r.gitActions())
	files, err := plan.commitFiles(r.input)
	if err != nil {
		return fmt.Errorf("prepare the pull request for %s: %w", r.Fabric.Name, err)
	}
	files = withStructure(files, r.staged)
	if len(files) == 0 {
		return r.withdraw(ctx, rec, "What it proposed is on the branch, or is no longer wanted.")
	}
	var actions []*Action
	for i := range plan.Actions {
		actions = append(actions, &plan.Actions[i])
	}
	return r.send(ctx, branch, rec, actions, files, nil)
}

// uncertain tells whether something a pull request proposes cannot be looked at now.
func (r *run) uncertain(rec *Proposed) bool {
	if rec == nil || len(rec.Commits) == 0 {
		return false
	}
	return slices.ContainsFunc(rec.Commits[len(rec.Commits)-1].Intents, func(i *Intent) bool { return !r.plan.compared[i.Key.Kind] })
}

// withStructure adds the files that structure and ingestion need where the edits leave them alone.
func withStructure(files, staged []FileChange) []FileChange {
	taken := map[string]bool{}
	for _, f := range files {
		taken[f.Path] = true
	}
	if slices.ContainsFunc(staged, func(f FileChange) bool { return taken[f.Path] }) {
		return files // filed once the edits are merged
	}
	return append(files, staged...)
}

func (r *run) gitActions() []*Action {
	var out []*Action
	for i := range r.plan.Actions {
		if a := &r.plan.Actions[i]; a.Side == SideGit {
			out = append(out, a)
		}
	}
	return out
}

// rolling finds the branch to propose on: the one that is open, else a new one; those that people pushed to are theirs.
func (r *run) rolling() (string, *Proposed) {
	for _, branch := range sortedIDs(r.state.Proposed) {
		if rec := r.state.Proposed[branch]; rec.Conflict == 0 && !rec.Theirs {
			return branch, rec
		}
	}
	name := RollingBranch(&r.Fabric)
	for n := 2; r.state.Proposed[name] != nil; n++ {
		name = fmt.Sprintf("%s-%d", RollingBranch(&r.Fabric), n)
	}
	return name, nil
}

// leftToPeople tells which actions a pull request that people pushed to proposes already, with the same values.
func (r *run) leftToPeople() func(*Action) bool {
	open := map[string]bool{}
	for _, rec := range r.state.Proposed {
		if !rec.Theirs || len(rec.Commits) == 0 {
			continue
		}
		for _, i := range rec.Commits[len(rec.Commits)-1].Intents {
			for _, c := range i.Paths {
				open[proposedValue(i.Key, c)] = true
			}
		}
	}
	return func(a *Action) bool {
		return len(a.Paths) > 0 && !slices.ContainsFunc(a.Paths, func(c PathChange) bool { return !open[proposedValue(a.Key, c)] })
	}
}

func proposedValue(k Key, c PathChange) string {
	kind, _ := manifests.LookupKind(k.Group, k.Kind)
	at, _ := ParsePath(c.Path)
	return pathID(k, c.Path) + "=" + hashOf(kind, at, c.to())
}

// changesOfProposal tells what is proposed, so that a pull request is rewritten only when that moves.
func changesOfProposal(actions []*Action, files []FileChange) (string, error) {
	h := sha256.New()
	edited := map[string]bool{}
	for _, a := range actions {
		b, err := json.Marshal([]any{a.Op, a.Key, a.NewKey, a.Paths})
		if err != nil {
			return "", fmt.Errorf("describe %s: %w", a.Key, err)
		}
		h.Write(b)
		edited[a.file] = true
	}
	for _, f := range files {
		if !edited[f.Path] {
			fmt.Fprintf(h, "%s %v %x\n", f.Path, f.Delete, sha256.Sum256(f.Data))
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:32], nil
}

// send puts one commit on a pull request's branch, or leaves it as it is when it proposes just that.
func (r *run) send(ctx context.Context, branch string, rec *Proposed, actions []*Action, files []FileChange, conflicts []Conflict) error {
	changes, err := changesOfProposal(actions, files)
	if err != nil {
		return err
	}
	if rec != nil && len(rec.Sending) == 0 && rec.Changes == changes && !r.conflicting[branch] {
		return nil
	}
	next := &Proposed{Branch: branch}
	if rec != nil {
		c := *rec
		next = &c
	}
	if len(conflicts) > 0 {
		next.Conflict, next.Key = conflicts[0].Number, conflicts[0].Key
	}
	r.begin("gui_to_github")
	sending := ProposedCommit{Operation: r.op.ID, Changes: changes}
	var ours []string
	for _, sent := range next.Sending {
		ours = append(ours, sent.Operation)
	}
	for _, a := range actions {
		i := r.intent(a)
		i.Paths = slices.Clone(i.Paths)
		for n := range i.Paths {
			if at, err := ParsePath(i.Paths[n].Path); err == nil {
				i.Paths[n].Base = r.state.baseAt(a.Key, at)
			}
		}
		sending.Intents = append(sending.Intents, i)
		sending.Decisions = append(sending.Decisions, a.decisions...)
	}
	next.Sending = append(slices.Clone(next.Sending[max(0, len(next.Sending)-maxProposedCommits+1):]), sending)
	if err := r.save(ctx, &Update{Operation: r.op, PutProposed: []*Proposed{next}}); err != nil {
		return err
	}
	subject, body := commitMessage(r.Fabric.Name, actions, sending.Operation, r.plan.Hash, r.req.Editors, r.People)
	if len(actions) == 0 {
		subject = r.stagedSubject
	}
	title, text := subject, body
	if r.ProposalText != nil {
		in := ProposalInput{Fabric: r.Fabric, Conflicts: conflicts, Subject: subject, PlanHash: r.plan.Hash}
		for _, a := range actions {
			in.Actions = append(in.Actions, *a)
		}
		title, text = r.ProposalText(in)
	}
	p, err := r.Proposals.Propose(ctx, ProposeRequest{CommitRequest: CommitRequest{ExpectedHead: r.snap.Head, Subject: subject, Body: body, Files: files},
		Branch: branch, Tip: next.Tip, Ours: append(ours, sending.Operation), Number: next.Number, Title: title, Text: text})
	done := *next
	switch {
	case errors.Is(err, ErrNotOurs):
		done.Theirs, done.Sending = true, next.Sending[:len(next.Sending)-1]
		r.result.Again = true
		return r.save(ctx, &Update{PutProposed: []*Proposed{&done}})
	case err != nil:
		return r.gitFailed(err)
	}
	landed := sending
	landed.OID = p.Head
	done.Withdrawing = false
	done.Number, done.URL = p.Number, p.URL
	done.add(landed)
	r.op.PullRequestURL = p.URL
	r.result.Proposed++
	for _, a := range actions {
		r.recordChange(a)
	}
	return r.save(ctx, &Update{Operation: r.op, PutProposed: []*Proposed{&done}})
}

// withdraw closes a pull request that proposes nothing any more. One that people pushed to is theirs.
func (r *run) withdraw(ctx context.Context, rec *Proposed, why string) error {
	if rec == nil || rec.Theirs || r.blocked[rec.Branch] || rec.Number == 0 {
		return nil
	}
	// Noted first: a closed pull request means declined, unless it was us.
	leaving := *rec
	leaving.Withdrawing = true
	if err := r.save(ctx, &Update{PutProposed: []*Proposed{&leaving}}); err != nil {
		return err
	}
	err := r.Proposals.Withdraw(ctx, rec.Number, rec.Branch, rec.Tip, why)
	if errors.Is(err, ErrNotOurs) {
		theirs := *rec
		theirs.Theirs = true
		return r.save(ctx, &Update{PutProposed: []*Proposed{&theirs}})
	}
	if err != nil {
		return r.gitFailed(err)
	}
	return r.save(ctx, &Update{DropProposed: []string{rec.Branch}})
}

// proposeConflicts keeps one pull request for each resource with conflicts that can be decided by merging NetBox's
// values, and closes those whose conflict is gone.
func (r *run) proposeConflicts(ctx context.Context) error {
	if r.Proposals == nil || r.readOnly() {
		return nil
	}
	open, byKey := 0, map[Key]*Proposed{}
	for _, branch := range sortedIDs(r.state.Proposed) {
		if rec := r.state.Proposed[branch]; rec.Conflict != 0 {
			open++
			byKey[rec.Key] = rec
		}
	}
	wanted := map[Key]bool{}
	for i := range r.plan.proposals {
		a := &r.plan.proposals[i]
		wanted[a.Key] = true
		rec := byKey[a.Key]
		if rec != nil && (rec.Theirs || r.blocked[rec.Branch]) {
			continue
		}
		var conflicts []Conflict
		for _, c := range r.plan.Conflicts {
			if c.Key == a.Key && slices.ContainsFunc(a.Paths, func(p PathChange) bool { return p.Path == c.Path }) {
				conflicts = append(conflicts, c)
			}
		}
		if len(conflicts) == 0 || rec == nil && open >= maxConflictPullRequests {
			continue
		}
		branch := conflictBranch(&r.Fabric, conflicts[0].Number)
		if rec != nil {
			branch = rec.Branch
		} else {
			open++
		}
		one := Plan{Actions: []Action{*a}, edited: map[string]*editedFile{}}
		files, err := one.commitFiles(r.input)
		if err != nil {
			r.log("conflict pull request not made", "fabric", r.Fabric.Name, "resource", a.Key.String(), "error", err)
			continue
		}
		if err := r.send(ctx, branch, rec, []*Action{&one.Actions[0]}, files, conflicts); err != nil {
			return err
		}
	}
	for _, branch := range sortedIDs(r.state.Proposed) {
		rec := r.state.Proposed[branch]
		if rec.Conflict == 0 || wanted[rec.Key] || !r.plan.compared[rec.Key.Kind] || r.plan.isFrozen(rec.Key) {
			continue
		}
		if err := r.withdraw(ctx, rec, "The conflict is gone: both sides agree, or it was decided elsewhere."); err != nil {
			return err
		}
	}
	return nil
}

// proposalStatus lists what waits for people.
func (r *run) proposalStatus() []ProposalStatus {
	var out []ProposalStatus
	for _, branch := range sortedIDs(r.state.Proposed) {
		if rec := r.state.Proposed[branch]; rec.Number != 0 {
			out = append(out, ProposalStatus{Number: rec.Number, URL: rec.URL, Branch: branch, Conflict: rec.Conflict, Theirs: rec.Theirs})
		}
	}
	return out
}
