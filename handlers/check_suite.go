package handlers

import (
	"encoding/json"
	"errors"
)

type pullNumber struct {
	Number int `json:"number"`
}

func fitCheckSuite(body []byte, d *Delivery) error {
	var p struct {
		common
		CheckSuite struct {
			HeadSHA      string       `json:"head_sha"`
			PullRequests []pullNumber `json:"pull_requests"`
		} `json:"check_suite"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	if !oid(p.CheckSuite.HeadSHA) {
		return errors.New("the head is no commit id")
	}
	d.Activity.HeadSHA = p.CheckSuite.HeadSHA
	d.Activity.Number = firstPull(p.CheckSuite.PullRequests)
	return p.into(d)
}

// firstPull is the only pull request of a head; 0 for none (a fork's) or several: then the head tells.
func firstPull(list []pullNumber) int {
	if len(list) == 1 && list[0].Number > 0 {
		return list[0].Number
	}
	return 0
}

// decideCheckSuite evaluates again when a person asks for it. requested comes with every push and asks for nothing: the
// pull request's own event does.
func decideCheckSuite(d Delivery, k Knowledge) Decision {
	out := Decision{Reason: "check suite " + d.Action}
	if d.Action == "rerequested" && !own(d, k) {
		out.Evaluate = []PullRef{{Repository: d.RepositoryID, Number: d.Activity.Number, HeadSHA: d.Activity.HeadSHA}}
	}
	return out
}
