package gitops

import (
	"context"
	"time"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// Clock is the engine's only source of time.
type Clock interface{ Now() time.Time }

// Cycle is one fabric ready to be brought in step.
type Cycle struct {
	Repository Repository
	Inventory  Inventory
	Ledger     Ledger
	Clock      Clock
	Fabric     Fabric
	// Problems checks a whole document against its kind's schema and answers what is wrong, nothing when valid
	// (ENGINE 8). Nil checks nothing.
	Problems func(doc manifests.Object) []string
	// NewOperation makes a new operation id: sync_20250730_123456_k7q2mx (UTC start and 6 random base32 characters).
	NewOperation func(now time.Time) string
	// Log receives one line per notable event: msg and key-value pairs; nil logs nothing.
	Log func(msg string, kv ...any)
	// People maps NetBox users to commit co-authors ("Alice Ng <alice@example.com>").
	People map[string]string
}

// Request says why a cycle runs.
type Request struct {
	// Full compares every kind, whatever the scope says.
	Full bool
	// Kinds are put into scope in addition to what the ledger holds.
	Kinds []string
	// Operation is the id given to a caller beforehand; empty makes a new one when something is to be written.
	Operation string
	// Source is github, netbox, api, timer or command; Login the person, when known.
	Source, Login string
	// Ingest and Init ask for these plans even when nothing else calls for them.
	Ingest, Init bool
}

// Result is what a cycle did.
type Result struct {
	Status    Status
	Operation *Operation // nil when nothing was written
	Plan      *Plan
	// Again asks for another cycle at once (something moved while it ran), After for one later (zero: none).
	Again bool
	After time.Duration
	// Commits and NetBoxWrites count the write requests that were answered with success.
	Commits, NetBoxWrites int
}

// Run does one cycle: settle what an earlier one left open, observe Git, observe NetBox, plan, guard, write NetBox,
// write Git. It returns an error when it could not observe or remember; what was written before that is in the
// ledger. ErrStaleRead and a *PermissionError can be told apart by the caller; after any error the next cycle
// continues where this one stopped.
func (c *Cycle) Run(ctx context.Context, req Request) (*Result, error) {
	return nil, ErrFenced // the body follows with the planner
}
