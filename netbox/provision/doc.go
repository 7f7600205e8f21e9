// Package provision sets NetBox up to tell this program about changes: one webhook and one event rule, made or
// repaired by NetBox's REST API.
//
// It is idempotent: what already is as it should be is not written. It never puts an object type under a rule whose
// saves an event rule would break: the plugin has no page for five kinds and for fabrics, and NetBox then answers 500
// to every save of theirs that a rule covers (contract/hnp §3). Fabrics are never covered, whatever the plugin can:
// event bodies hold all columns, their Kubernetes token among them.
//
// It is the only package that uses go-netbox. That client is generated from NetBox 4.3: its enumerations refuse whole
// pages that hold one value added since, so answers are decoded here, from the body it keeps.
//
// Failure model: each step is one request; after an error the steps before it are done, and running again continues.
package provision
