package handlers

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxComment is the largest comment GitHub takes: 65,536 characters.
const maxComment = 65536

// commandWord is what every command begins with.
const commandWord = "/hnp"

func fitIssueComment(body []byte, d *Delivery) error {
	var p struct {
		common
		Issue *struct {
			Number      int             `json:"number"`
			PullRequest json.RawMessage `json:"pull_request"`
		} `json:"issue"`
		Comment *struct {
			ID   int64  `json:"id"`
			Body string `json:"body"`
		} `json:"comment"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	switch {
	case p.Issue == nil || p.Issue.Number <= 0:
		return errors.New("no issue")
	case p.Comment == nil || p.Comment.ID <= 0:
		return fmt.Errorf("comment: %w", errNoID)
	}
	d.Activity.Number, d.Activity.PullRequest = p.Issue.Number, len(p.Issue.PullRequest) > 0 && string(p.Issue.PullRequest) != "null"
	d.Activity.CommentID = p.Comment.ID
	// Only what may be a command is kept: other people's words are not ours to store.
	if p.Action == "created" && strings.Contains(p.Comment.Body, commandWord) && utf8.RuneCountInString(p.Comment.Body) <= maxComment {
		d.Activity.Text = strings.ToValidUTF8(p.Comment.Body, "\uFFFD")
	}
	return p.into(d)
}

// decideIssueComment takes comments when they are made. An edited one is not acted on: who edits may be another than who
// wrote.
func decideIssueComment(d Delivery, k Knowledge) Decision {
	out := Decision{Reason: "comment " + d.Action}
	if d.Action != "created" || d.Activity.Text == "" || own(d, k) {
		return out
	}
	out.Command = &CommandRef{Repository: d.RepositoryID, Number: d.Activity.Number, PullRequest: d.Activity.PullRequest,
		CommentID: d.Activity.CommentID, Text: d.Activity.Text, Sender: d.Sender, SenderID: d.Activity.SenderID}
	return out
}
