package handlers

// Names of log fields, the same in every package that logs.
const (
	FieldDelivery   = "delivery"   // GUID of a webhook delivery, or the body hash of a NetBox one
	FieldSource     = "source"     // "github" or "netbox:<connection>"
	FieldEvent      = "event"      // name of the webhook event
	FieldRepository = "repository" // owner/name, or the id when the name is not known
	FieldFabric     = "fabric"     // "<connection>/<NetBox fabric>"
	FieldOperation  = "operation"  // sync_20250730_123456_k7q2mx
	FieldHead       = "head"       // commit id
	FieldReason     = "reason"     // why work was started
)
