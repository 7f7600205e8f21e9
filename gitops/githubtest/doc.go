// Package githubtest is a GitHub of one's own: REST, GraphQL, App
// authentication, Git over HTTP and signed webhooks over bare Git
// repositories in a folder, for tests, the demo and `hnp-sync dev github`.
//
// It guarantees: what git pushes and clones and what the API reads and writes
// are the same objects; a compare-and-set has one winner; the state survives
// the end of the process, also a sudden one; a route or GraphQL field it does
// not implement answers 501 and is listed by UnknownRoutes; the refusals that
// a client branches on carry GitHub's own words. It may be stricter than
// GitHub, never more lenient. What was recorded and what is assumed about
// GitHub is in the project's notes; assumptions are marked in comments.
//
// It does not: check seeds against what GitHub would allow, keep secrets (its
// folder holds tokens and generated keys in the clear), scale beyond one
// team's use, or resist a hostile client beyond bounded inputs. Every
// request runs under one lock.
//
// Failures are part of the interface: faults strike chosen requests before or
// after their effect, webhooks can be lost, late, doubled or reordered, reads
// can be stale, limits small. Time comes from an injected clock.
//
// People are part of it too: methods of Server push, fork, open, merge, queue
// and comment, press the buttons of check runs, protect branches, change
// permissions, install, suspend and remove Apps, rename, transfer, archive and
// delete repositories, each with the events GitHub sends. A program without Go
// does the same with a person's token, and presses buttons by POST /_click.
package githubtest
