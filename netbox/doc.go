// Package netbox puts NetBox behind gitops.Inventory: the Hedgehog NetBox Plugin over its REST API as it really
// behaves, backend "hedgehog".
//
// A Connection is one configured NetBox; Connection.Fabric binds one fabric of it. Reading starts at connection.go
// (requests), then list.go, write.go with outcome.go (what an answer means), changelog.go, capabilities.go.
//
// # What it guarantees
//
//   - A listing is complete or it is an error. Pages overlap by one row that must repeat, ids ascend, the count must
//     fit, every object's fabric is checked, because the plugin ignores every filter.
//   - A write is one request with a precondition and is never repeated here. Its outcome is "done" only when the
//     answer was read whole and holds the object; it is "unknown" whenever NetBox may have saved it, which a 500
//     does not rule out: the plugin answers 500 after saving in several cases.
//   - At most two writes are under way per connection, one while its answers slow down.
//   - The token goes to the configured host only. Redirects elsewhere are refused, and those of writes always.
//   - Fabric secrets (the plugin returns Kubernetes tokens and certificates to whoever may view a fabric) are never
//     asked for: fabrics are read by a narrow list of fields, and change rows never of fabrics.
//
// # What it does not do
//
// It decides nothing: no comparison, no merge, no retry of a write, no splitting of a batch. It knows no Git.
//
// # Failure and threat model
//
// NetBox may be slow, down, behind a proxy that answers HTML, restored from a backup, or hostile. Answers are read
// under a size limit and a deadline, numbers are kept as text, wrong types are errors naming the place, and texts
// that end in a message are cut, freed of control characters and of the token. NetBox 4.6 and later honour If-Match;
// below, the object is read again just before the write, which leaves a gap and is said in the capabilities.
//
// Facts about NetBox and the plugin are those recorded in testdata/contract/hnp (plugin 0.2.0 on NetBox 4.7.3 and
// 4.6.8); what nobody measured is marked as an assumption.
package netbox
