package gitops

import "github.com/hnp-sync/hnp-sync/manifests"

// Plan is what one cycle decided, with the reason of every action and every inaction.
type Plan struct {
	Hash        string
	Actions     []Action
	Waiting     Waiting
	Conflicts   []Conflict // open after this plan, without numbers for new ones
	Frozen      []Frozen
	Diagnostics []manifests.Diagnostic
}

// Action is one write the plan wants.
type Action struct {
	Side   Side
	Op     Op
	Key    Key
	NewKey Key
	Reason string
	Paths  []PathChange
}

// Frozen is one resource nothing of which is written.
type Frozen struct {
	Key     Key
	Code    ConflictCode
	Message string
	File    string
	Line    int
}
