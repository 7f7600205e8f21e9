package manifests

// Role says who writes resources of a kind.
type Role int

const (
	// RoleUser kinds are written by people and synchronised.
	RoleUser Role = iota
	// RoleController kinds are made by Hedgehog's controllers: recognised, never touched.
	RoleController
)

// ListType says how a list is compared and merged.
type ListType int

const (
	// ListAtomic lists are one field.
	ListAtomic ListType = iota
	// ListKeyed lists hold mappings identified by Keys; they merge per item.
	ListKeyed
	// ListSet lists hold scalars, each at most once.
	ListSet
)

// List is the rule for one list of a kind. No Hedgehog CRD carries x-kubernetes-list-* markers: keys and
// significance are this program's choice, made here in one table.
type List struct {
	// Path is the place below the document root, dot separated; "*" stands for one segment (a map key or a list
	// item): "spec.*.links", "spec.subnets.*.dhcp.options.dnsServers".
	Path string
	Type ListType
	// Keys are the places of the key values inside an item, dot separated ("server.port"), in key order. Used
	// when Type is ListKeyed.
	Keys []string
	// Ordered lists keep their order as part of the value (ACL statements and rules).
	Ordered bool
}

// Default is a value that Hedgehog itself fills in: a field absent on one side equals it on the other.
type Default struct {
	Path  string // as List.Path
	Value any    // JSON types, numbers as json.Number
}

// Kind describes one kind of resource.
type Kind struct {
	Group    string
	Versions []string // served versions; the first is written into new files
	Kind     string
	Plural   string // also the directory below managed/
	Role     Role
	// Order is the rank in which creates and updates are written; deletes go in reverse. Kinds may share a rank.
	Order    int
	Lists    []List
	Defaults []Default
}

// APIVersion is what a new file of the kind says.
func (k Kind) APIVersion() string { return k.Group + "/" + k.Versions[0] }
