package jobs

import (
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/handlers/feedback"
)

// proposalText is title and text of our pull requests.
func proposalText(in gitops.ProposalInput) (title, text string) {
	if len(in.Conflicts) > 0 {
		return feedback.ConflictPullRequest(feedback.ConflictPull{Fabric: in.Fabric, Conflicts: in.Conflicts})
	}
	p := feedback.RollingPull{Fabric: in.Fabric, Actions: in.Actions, Plan: in.PlanHash}
	if in.Fabric.Mode == gitops.ModeCommit {
		p.Reason = "the branch is protected"
	}
	title, text = feedback.RollingPullRequest(p)
	return title, text
}
