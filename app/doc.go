// Package app is the running program: it wires configuration, store, GitHub, NetBox, jobs and the HTTP server
// together, and owns their life from start to drain.
//
// What it guarantees: the ready line is printed only when the database is migrated and webhooks are accepted.
// SIGTERM drains in this order: readiness goes off, the HTTP server stops taking requests, running cycles finish
// within a deadline, the store closes; what did not finish stays in the store and is taken up at the next start.
// A reload exchanges everything but the listening address and the database; an invalid file is refused and the old
// one stays. Secrets never reach a log (redact.go).
//
// Reading order: New and Run (app.go), services.go for what a reload exchanges, server.go for the routes.
package app
