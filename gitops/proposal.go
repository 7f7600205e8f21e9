package gitops

import (
	"context"
	"errors"
)

// Proposals are the pull requests by which commits reach a branch that is not written directly (ENGINE 12): the
// rolling one of mode pull_request and of protected branches, and those that show one conflict each.
type Proposals interface {
	// Proposal reads one pull request of ours by its number. One request. A number that does not exist (any more) is
	// a *PermissionError with code not_found.
	Proposal(ctx context.Context, number int) (Proposal, error)
	// FindProposal looks for the newest pull request of ours whose head is the branch, whatever its state; found is
	// false when there is none. It is asked after a lost answer only.
	FindProposal(ctx context.Context, branch string) (p Proposal, found bool, err error)
	// Propose makes Branch hold exactly one commit on top of ExpectedHead and opens the pull request into the tracked
	// branch, or refreshes it. The branch is rewritten only while its tip is Tip ("" = it must not exist), or carries one of the Ours
	// operations; otherwise ErrNotOurs and nothing was written. ErrStaleHead when the pull request is not open any more. It returns ErrOutcomeUnknown when an answer was lost.
	Propose(ctx context.Context, req ProposeRequest) (Proposal, error)
	// Withdraw closes the pull request with a comment and deletes its branch. ErrNotOurs, and nothing is done, when the
	// branch's tip is not tip.
	Withdraw(ctx context.Context, number int, branch, tip, comment string) error
}

// Proposal is the state of one pull request of ours.
type Proposal struct {
	Number int
	URL    string
	Branch string
	// Head is the branch's newest commit; when merged or closed, the newest it had. Commits are its commits that
	// the tracked branch did not have, newest first, at most 100.
	Head    string
	Commits []string
	// Operations are the HNP-Operation trailers of Commits, in their order, empty where there is none: they tell our
	// commit whose answer was lost from a person's.
	Operations []string
	// State is "open", "merged" or "closed".
	State string
	// MergeCommit is the commit of the tracked branch that contains it (merge, squash, or the last of a rebase); only
	// when merged.
	MergeCommit string
	// Conflicting: GitHub says that it no longer merges. False while GitHub has not computed it.
	Conflicting bool
}

// ProposeRequest is one commit to propose. Files, subject and body are those of a CommitRequest.
type ProposeRequest struct {
	CommitRequest
	Branch string // without refs/heads/: hnp-sync/fabric-1, hnp-sync/conflict/fabric-1/C12
	Tip    string // the branch's tip as we wrote it, "" before the first
	// Ours are operation ids: a tip whose HNP-Operation trailer is one of them is ours too, written by a request whose
	// answer was lost.
	Ours        []string
	Number      int    // of the pull request to refresh, 0 to open one
	Title, Text string // of the pull request
}

// ErrNotOurs: the branch has a commit that we did not write; it is left alone.
var ErrNotOurs = errors.New("the branch holds commits of others")
