// Package handlers takes webhooks in and, later, gives feedback out: one file per GitHub event, one for NetBox.
//
// A webhook is a hint. Nothing is acknowledged before it is durable, nothing in it is believed beyond "look at
// this", and no webhook is needed for correctness: hooks are lost, doubled, reordered and forged in part (the
// signature covers the body, not the event name or the delivery id). Bodies are foreign input: size, signature and
// shape are checked in this order before anything else looks at them.
package handlers

import (
	"context"
	"errors"
	"time"
)

// Delivery is one webhook as it is kept. Of GitHub's bodies only what is needed to look again is stored; of NetBox's
// only type, id, event, last_updated, request id and user name: their bodies may hold secrets.
type Delivery struct {
	// Source is "github" or "netbox:<connection>".
	Source string
	// GUID identifies the delivery within Target: GitHub's X-GitHub-Delivery (the same on redelivery); for NetBox,
	// which sends none, the body hash.
	Target, GUID string
	BodyHash     string // SHA-256 of the exact body, hex
	Event        string // X-GitHub-Event, or NetBox's event (created, updated, deleted)
	Action       string
	ReceivedAt   time.Time

	// GitHub.
	InstallationID, RepositoryID int64
	Repository                   string // owner/name as the payload says, a hint only
	Ref, After                   string // push
	Sender                       string
	Activity                     Activity

	// NetBox.
	ObjectType  string // netbox_hedgehog.vpc
	ObjectID    int64
	LastUpdated string // in the ETag's form
	RequestID   string
	User        string
}

// Activity is what people did on GitHub, of the events that are not pushes. Everything in it is a hint but Text, which
// must be what the sender wrote: a comment can be edited by others before it is read again.
type Activity struct {
	// Number is the pull request's or issue's; PullRequest tells which of the two a comment is on.
	Number      int  `json:"number,omitempty"`
	PullRequest bool `json:"pull_request,omitempty"`
	// HeadSHA and BaseRef (a branch name) of a pull request, a check run or a merge group.
	HeadSHA string `json:"head_sha,omitempty"`
	BaseRef string `json:"base_ref,omitempty"`
	// CommentID and Text of a comment that may hold a command; Text is empty for every other comment.
	CommentID int64  `json:"comment_id,omitempty"`
	Text      string `json:"text,omitempty"`
	SenderID  int64  `json:"sender_id,omitempty"`
	// CheckRunID, ExternalID and Identifier (of the button) of a check run.
	CheckRunID int64  `json:"check_run_id,omitempty"`
	ExternalID string `json:"external_id,omitempty"`
	Identifier string `json:"identifier,omitempty"`
}

// Receipt is what the inbox says to a delivery.
type Receipt string

const (
	ReceiptStored   Receipt = "stored"   // new, or its earlier work failed: it will be worked on
	ReceiptFinished Receipt = "finished" // the same delivery was finished before: nothing to do
	ReceiptPending  Receipt = "pending"  // the same delivery is stored and waits or runs
	ReceiptMismatch Receipt = "mismatch" // the same id with another body or event: refused
)

// Inbox makes deliveries durable. Put returns only after the row is on disk (concurrent deliveries share one
// transaction); work is queued afterwards. ErrUnavailable means that nothing was stored and the sender must try again.
type Inbox interface {
	Put(ctx context.Context, d Delivery) (Receipt, error)
}

// ErrUnavailable: the store cannot take deliveries now.
var ErrUnavailable = errors.New("store unavailable")

// Trigger says "this may be out of step"; it never carries work. Implementations are durable and coalesce.
type Trigger interface {
	// Repository: some branch of the repository moved, or its configuration may have changed.
	Repository(ctx context.Context, repositoryID int64, reason string) error
	// NetBox: objects of the kinds may have changed in some fabric of the connection.
	NetBox(ctx context.Context, connection string, kinds []string, reason string) error
	// Installations: the set of installations or repositories may have changed.
	Installations(ctx context.Context, reason string) error
}
