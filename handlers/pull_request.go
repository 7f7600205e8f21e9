package handlers

import (
	"encoding/json"
	"errors"
)

func fitPullRequest(body []byte, d *Delivery) error {
	var p struct {
		common
		Number      int `json:"number"`
		PullRequest *struct {
			Head struct {
				SHA string `json:"sha"`
			} `json:"head"`
			Base struct {
				Ref string `json:"ref"`
			} `json:"base"`
		} `json:"pull_request"`
		Changes struct {
			Base json.RawMessage `json:"base"`
		} `json:"changes"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	switch {
	case p.Number <= 0 || p.PullRequest == nil:
		return errors.New("no pull request")
	case !oid(p.PullRequest.Head.SHA):
		return errors.New("the head is no commit id")
	}
	if err := p.into(d); err != nil {
		return err
	}
	if d.Action == "edited" && p.Changes.Base == nil {
		d.Action = "edited_text" // title and body say nothing about the effect
	}
	d.Activity.Number, d.Activity.PullRequest = p.Number, true
	d.Activity.HeadSHA, d.Activity.BaseRef = p.PullRequest.Head.SHA, branchName(p.PullRequest.Base.Ref)
	return nil
}

// decidePullRequest evaluates what has a new head or base, and lets go of what was closed. A merge pushes to the tracked
// branch, and that brings the fabrics in step.
func decidePullRequest(d Delivery, _ Knowledge) Decision {
	out := Decision{Reason: "pull request " + d.Action}
	switch d.Action {
	case "opened", "synchronize", "reopened", "edited", "ready_for_review":
		out.Evaluate = []PullRef{{Repository: d.RepositoryID, Number: d.Activity.Number, HeadSHA: d.Activity.HeadSHA}}
	case "closed":
		out.Evaluate = []PullRef{{Repository: d.RepositoryID, Number: d.Activity.Number, HeadSHA: d.Activity.HeadSHA, Closed: true}}
	}
	return out
}
