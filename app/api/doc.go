// Package api is the REST API of the running program: what callers may ask for, and the exact shape of the answers.
//
// It guarantees that every request is authenticated (the API token, or a NetBox token that NetBox itself accepts,
// asked live and remembered for at most a minute by its hash), that a caller with a NetBox token sees the fabrics of
// the NetBox that accepts it and nothing else, and that errors are {"detail", "code"} with the right status. A
// request that asks for work is answered when the work is durable.
//
// It decides nothing and keeps nothing: it reads the store and asks the jobs. Bodies are foreign: they are small,
// and unknown keys are refused. Tokens are compared in constant time and never logged.
package api
