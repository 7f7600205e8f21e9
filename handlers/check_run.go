package handlers

import (
	"encoding/json"
	"errors"
	"fmt"
)

func fitCheckRun(body []byte, d *Delivery) error {
	// Times are not read: GitHub's own examples have forms that are none (2018-04-25 20:42:10).
	var p struct {
		common
		CheckRun *struct {
			ID           int64        `json:"id"`
			HeadSHA      string       `json:"head_sha"`
			ExternalID   string       `json:"external_id"`
			PullRequests []pullNumber `json:"pull_requests"`
		} `json:"check_run"`
		RequestedAction *struct {
			Identifier string `json:"identifier"`
		} `json:"requested_action"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	switch {
	case p.CheckRun == nil || p.CheckRun.ID <= 0:
		return fmt.Errorf("check run: %w", errNoID)
	case !oid(p.CheckRun.HeadSHA):
		return errors.New("the head is no commit id")
	case p.Action == "requested_action" && (p.RequestedAction == nil || !token(p.RequestedAction.Identifier, 20)):
		return errors.New("no identifier of a button")
	}
	d.Activity.CheckRunID, d.Activity.HeadSHA = p.CheckRun.ID, p.CheckRun.HeadSHA
	d.Activity.ExternalID = text(p.CheckRun.ExternalID, 200)
	d.Activity.Number = firstPull(p.CheckRun.PullRequests)
	if p.RequestedAction != nil && p.Action == "requested_action" {
		d.Activity.Identifier = p.RequestedAction.Identifier
	}
	return p.into(d)
}

// decideCheckRun evaluates again on request, and passes on the button that was pressed. What GitHub tells us about runs
// we made ourselves asks for nothing.
func decideCheckRun(d Delivery, k Knowledge) Decision {
	out := Decision{Reason: "check run " + d.Action}
	if own(d, k) {
		return out
	}
	switch d.Action {
	case "rerequested":
		out.Evaluate = []PullRef{{Repository: d.RepositoryID, Number: d.Activity.Number, HeadSHA: d.Activity.HeadSHA}}
	case "requested_action":
		out.Click = &ClickRef{Repository: d.RepositoryID, CheckRunID: d.Activity.CheckRunID, ExternalID: d.Activity.ExternalID,
			HeadSHA: d.Activity.HeadSHA, Identifier: d.Activity.Identifier, Sender: d.Sender, SenderID: d.Activity.SenderID}
	}
	return out
}
