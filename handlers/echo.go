package handlers

import "time"

// Follower is one fabric that follows a branch.
type Follower struct {
	Fabric int64  // the store's id
	Head   string // newest commit a cycle confirmed as the branch's head; empty before the first
	Busy   bool   // a cycle is running: what it will have confirmed is known at its end
}

// Holding is what one fabric's cycles know about one NetBox object, or about the absence of one.
type Holding struct {
	Fabric int64
	Busy   bool // a cycle is running: judge at its end
	// Listed is when the newest complete listing of the object's kind was asked for; zero before the first.
	Listed time.Time
	// Present: our last answer or listing of this fabric held the object, with LastUpdated in the ETag's form.
	Present     bool
	LastUpdated string
}

// Knowledge is what can be known without a request. Implementations answer from memory or the store.
type Knowledge interface {
	// Followers are the active fabrics that follow the branch, in the order of their ids, and the repository's
	// default branch. known is false for a repository that is in no installation we have seen.
	Followers(repositoryID int64, branch string) (fabrics []Follower, defaultBranch string, known bool)
	// Configured says whether the repository's configuration was read and is valid.
	Configured(repositoryID int64) bool
	// Holdings are all active fabrics of the connection, in the order of their ids.
	Holdings(connection, kind string, pk int64) []Holding
}

// Decision is what one delivery asks for. Everything empty: nothing to do, at no request.
type Decision struct {
	// Fabrics may be out of step; Kinds are the NetBox kinds to look at (none for a push: Git says which).
	Fabrics []int64
	Kinds   []string
	// Repository's configuration may have changed, when not 0.
	Repository int64
	// Installations or their repositories may have changed.
	Installations bool
	// Evaluate are heads whose checks are to be made anew.
	Evaluate []PullRef
	// Command is a comment that may hold commands, Click a button of a check run.
	Command *CommandRef
	Click   *ClickRef
	// Wait are fabrics whose running cycle must end before this delivery can be judged for them.
	Wait   []int64
	Reason string
}

// PullRef is one head to evaluate: of a pull request, or (Number 0) of a merge group.
type PullRef struct {
	Repository int64
	Number     int
	HeadSHA    string // a hint; empty when the event did not say
	Closed     bool   // merged or closed: what is remembered of it ends
}

// CommandRef is a comment whose text may hold commands. Sender is who wrote it.
type CommandRef struct {
	Repository  int64
	Number      int
	PullRequest bool
	CommentID   int64
	Text        string
	Sender      string
	SenderID    int64
}

// ClickRef is a button of one of our check runs that somebody pressed.
type ClickRef struct {
	Repository int64
	CheckRunID int64
	ExternalID string
	HeadSHA    string
	Identifier string
	Sender     string
	SenderID   int64
}

// Self is Knowledge that also knows our own login ("hnp-sync[bot]"). What we did ourselves to comments and checks asks
// for nothing; pushes are never dropped by their sender (ENGINE 17).
type Self interface{ OwnLogin() string }

func own(d Delivery, k Knowledge) bool {
	self, ok := k.(Self)
	return ok && d.Sender != "" && d.Sender == self.OwnLogin()
}

// Decide judges a stored delivery. It is pure: the same delivery and knowledge give the same answer.
func Decide(d Delivery, k Knowledge) Decision {
	if d.Connection() != "" {
		return decideNetBox(d, k)
	}
	e, ok := eventNamed(d.Event)
	if !ok || e.decide == nil {
		return Decision{Reason: "not acted on"}
	}
	return e.decide(d, k)
}

// PushEcho: the pushed commit is the head a cycle already confirmed, so nothing is new (ENGINE 17). A push is
// never dropped by its sender: a person's squash merge may carry the App's name.
func PushEcho(after, confirmed string) bool { return confirmed != "" && after == confirmed }

// NetBoxEcho: what the hook announces is what this fabric's cycles hold already (ENGINE 17). A created or updated
// hook must name exactly the held state; a deleted one carries the state before the delete, so for it only the
// absence from a complete listing, or our own answered delete, proves anything. A complete listing that was asked
// for after the hook was received has seen what the hook announces, whatever it says: NetBox sends hooks after its
// commit.
func NetBoxEcho(d Delivery, h Holding) bool {
	if !h.Listed.IsZero() && h.Listed.After(d.ReceivedAt) {
		return true
	}
	if d.Event == EventDeleted {
		return !h.Listed.IsZero() && !h.Present
	}
	return h.Present && h.LastUpdated != "" && h.LastUpdated == d.LastUpdated
}

// decideNetBox brings the fabrics in step that may hold the object. The hook's own words on the fabric are not
// kept; which fabric holds an object is known from listings, and an object nobody holds may belong to any.
func decideNetBox(d Delivery, k Knowledge) Decision {
	out := Decision{Reason: d.ObjectType + " " + d.Event + " in NetBox"}
	if FabricType(d.ObjectType) {
		// A fabric was made, renamed or deleted: pairings name fabrics, so configurations are read again.
		out.Installations = true
		return out
	}
	kind := KindOfType(d.ObjectType)
	if kind == "" {
		return out
	}
	out.Kinds = []string{kind}
	holdings := k.Holdings(d.Connection(), kind, d.ObjectID)
	held := false
	for _, h := range holdings {
		held = held || h.Present
	}
	for _, h := range holdings {
		switch {
		case held && !h.Present:
			// Another fabric holds it; when the edit moved it here, that one's cycle sees where it went.
		case h.Busy:
			out.Wait = append(out.Wait, h.Fabric)
		case d.Event != EventDeleted && h.Present && NetBoxEcho(d, h):
			// The object is in one fabric only: what that one holds is news for none.
			return Decision{Reason: out.Reason}
		case NetBoxEcho(d, h):
		default:
			out.Fabrics = append(out.Fabrics, h.Fabric)
		}
	}
	return out
}
