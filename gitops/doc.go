// Package gitops is the sync engine: it keeps one fabric's Git directory and NetBox in step, both ways, field by
// field, without losing an edit.
//
// Everything here is pure, except the cycle: values in, a plan out, no clock, no input or output, no GitHub and no
// NetBox. cycle.go is the whole sync, cycle_proposals.go its way through pull requests, and evaluate.go the reading half
// of it for a pull request. Only they have a context and interfaces: Repository (Git), Proposals (pull requests),
// Inventory (NetBox), Ledger (what is remembered) and Clock.
//
// What it guarantees (each is a property of the two-sided model in model_test.go): every user edit is on both
// sides, or superseded by an edit that had seen it, or in an open conflict showing both values, or decided; every
// value was written by a user or copied from the other side; equal sides cause no write; base advances per path
// only by two equal observations or by the answer to a compare-and-set write; deletes need proof; a crash or a
// lost answer at any call loses nothing and does nothing twice.
//
// A reader starts at cycle.go, then plan.go, then merge.go.
package gitops
