package handlers

import (
	"encoding/json"
	"errors"
)

func fitMergeGroup(body []byte, d *Delivery) error {
	var p struct {
		common
		MergeGroup struct {
			HeadSHA string `json:"head_sha"`
			BaseRef string `json:"base_ref"`
		} `json:"merge_group"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	if !oid(p.MergeGroup.HeadSHA) {
		return errors.New("the head is no commit id")
	}
	d.Activity.HeadSHA, d.Ref = p.MergeGroup.HeadSHA, p.MergeGroup.BaseRef
	d.Activity.BaseRef, d.Ref = branchName(d.Branch()), ""
	return p.into(d)
}

// decideMergeGroup answers on the group's head: a queue waits for every required check on it.
func decideMergeGroup(d Delivery, _ Knowledge) Decision {
	if d.Action != "checks_requested" {
		return Decision{Reason: "merge group " + d.Action}
	}
	return Decision{Reason: "merge group", Evaluate: []PullRef{{Repository: d.RepositoryID, HeadSHA: d.Activity.HeadSHA}}}
}
