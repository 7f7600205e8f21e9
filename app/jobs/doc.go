// Package jobs does the work of the running program: it turns stored deliveries and timers into "this fabric may be
// out of step", and runs one cycle at a time per fabric on River's queue.
//
// It guarantees: no trigger is lost (the waiting half of a fabric is a counter in the store, raised in the
// transaction that finishes what asked for it); at most one cycle runs per fabric; the first trigger starts at once,
// and only commits are spaced by the debounce; a cycle never runs with a configuration older than the commit it
// looks at. A failed cycle is repeated with growing pauses for ever; a limit of GitHub parks its fabrics until it
// ends, visibly.
//
// It decides nothing about fields: that is the engine. Memory (what our answers and listings held) only saves
// requests: it starts empty after every restart, and a full compare at the start makes up for it.
//
// Failure model: a crash at any instruction leaves deliveries and counters in the store; the next start takes them
// up. A panic of a cycle or of a delivery becomes a failure of that job alone, logged once with its stack. One
// process at a time works on a store (its file lock); memory and the busy marks rely on it.
package jobs
