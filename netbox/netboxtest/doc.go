// Package netboxtest is a NetBox with the Hedgehog plugin, without NetBox: an
// HTTP server that answers as NetBox 4.7.3 with netbox_hedgehog 0.2.0 answers,
// faults included, for tests, for the demo and for people who want to try the
// App without a NetBox.
//
// What it guarantees. Every answer it gives was measured on the real thing and
// is recorded in testdata/contract/hnp and testdata/contract/netbox; a test
// replays those exchanges and compares status, shape and stored values. Lists
// without ordering are refused, seven kinds work and five do not, a 500 may
// have been saved, filters are ignored, bulk requests are all or nothing,
// If-Match is a real compare-and-set, event rules really post signed webhooks,
// the change log has the rows NetBox would have, and writes that leave no trace
// (the plugin's cluster import) leave none. State survives a restart, including
// a killed process; it does not survive a power cut, because nothing is synced
// to the disk.
//
// Where nothing was measured it is stricter than NetBox, never more lenient:
// an API route it does not model answers 501 and is listed by
// [Server.UnknownRoutes], so that a test can fail on it. Paths under
// /api/plugins/ and below an application NetBox does not have answer the HTML
// 404 that NetBox gives.
//
// What it is not. It has no Custom Objects, no background jobs, no GUI forms,
// no branching, no GraphQL, and one process, so requests are served one after
// the other. Version 4.6.8 differs only where the contract recorded a
// difference.
//
// Threats. It is a test server without TLS. It parses whatever it is sent under
// limits (body size, nesting, header size) and never panics on it, but its
// control routes below /_ need no authentication: bind it to a loopback address.
package netboxtest
