// Package repo reads and writes Git repositories on GitHub through its API, as an installation of a GitHub App. It
// is the implementation of gitops.Repository: one fabric's directory on one branch.
//
// What it guarantees:
//
//   - One observation is one commit. Head, history, directory and configuration are asked for below one commit
//     object of one GraphQL query, so a push between two reads cannot mix two states. Every blob's content is
//     hashed and compared with the object id the tree names before anything is made of it.
//   - A commit is written with an exact expected head (createCommitOnBranch, or updateRefs with beforeOid) or not at
//     all. Nothing is ever forced.
//   - A write is sent once. When its answer is lost the error wraps gitops.ErrOutcomeUnknown and the caller looks at
//     the branch again. Reads are repeated a few times.
//   - Requests do not grow with the number of files that did not change: blobs are cached by object id.
//
// What it does not do: it keeps no working copy, runs no git, decides nothing, and stores no credential beyond the
// hour an installation token lives in memory.
//
// Threat and failure model: every answer is foreign. Bodies are capped, object ids and paths are checked, redirects
// to another host are refused before a token could be attached to them, and the API host comes from the
// configuration only. GitHub may answer 403 or 429 for its limits (with or without headers), 5xx, HTML, half a
// body, an older state, or nothing; each has a defined result. A repository may be renamed, transferred, archived or
// lost to the App at any moment; it is known by its numeric id.
//
// The reading starts at App (app.go), then Observe (observe.go) and Commit (commit.go). The order of the transports
// is in transport.go.
package repo
