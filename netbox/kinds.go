package netbox

import (
	"slices"
	"strings"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/manifests"
)

// table is one of the plugin's kinds.
type table struct {
	kind  string
	route string // below pluginRoot, without slashes
	model string // object type without the application label
	// pages: the name of the object's page resolves. Where it does not, the plugin cannot build display_url and
	// NetBox answers 500 to plain reads, to every delete, and to every save under an event rule (contract/hnp §1).
	pages bool
}

const (
	pluginRoot = "/api/plugins/hedgehog/"
	pluginName = "netbox_hedgehog"
	typePrefix = pluginName + "."
)

// tables are the plugin's twelve kinds (contract/hnp §1). Fabrics are no kind: they hold secrets and are read by
// Connection.Fabrics only.
var tables = []table{
	{kind: "VPC", route: "vpcs", model: "vpc", pages: true},
	{kind: "IPv4Namespace", route: "ipv4-namespaces", model: "ipv4namespace", pages: true},
	{kind: "Connection", route: "connections", model: "connection", pages: true},
	{kind: "Server", route: "servers", model: "server", pages: true},
	{kind: "Switch", route: "switches", model: "switch", pages: true},
	{kind: "SwitchGroup", route: "switch-groups", model: "switchgroup", pages: true},
	{kind: "VLANNamespace", route: "vlan-namespaces", model: "vlannamespace", pages: true},
	{kind: "External", route: "externals", model: "external"},
	{kind: "ExternalAttachment", route: "external-attachments", model: "externalattachment"},
	{kind: "ExternalPeering", route: "external-peerings", model: "externalpeering"},
	{kind: "VPCAttachment", route: "vpc-attachments", model: "vpcattachment"},
	{kind: "VPCPeering", route: "vpc-peerings", model: "vpcpeering"},
}

func tableOf(kind string) (table, bool) {
	i := slices.IndexFunc(tables, func(t table) bool { return t.kind == kind })
	if i < 0 {
		return table{}, false
	}
	return tables[i], true
}

// key is the identity of an object of the table.
func (t table) key(namespace, name string) gitops.Key {
	k, _ := manifests.KindByName(t.kind)
	return gitops.Key{Group: k.Group, Kind: t.kind, Namespace: namespace, Name: name}
}

func (t table) list() string { return pluginRoot + t.route + "/" }

func (t table) objectType() string { return typePrefix + t.model }

// Kinds returns the kinds the plugin has a table for, sorted.
func Kinds() []string {
	kinds := make([]string, len(tables))
	for i, t := range tables {
		kinds[i] = t.kind
	}
	slices.Sort(kinds)
	return kinds
}

// ObjectType is NetBox's name of a kind ("netbox_hedgehog.vpc"), as in webhooks, event rules and the change log. It
// is empty for a kind without a table.
func ObjectType(kind string) string {
	t, ok := tableOf(kind)
	if !ok {
		return ""
	}
	return t.objectType()
}

// KindOfType is the kind of an object type, and false for every other type, fabrics included. NetBox writes types
// in lower case.
func KindOfType(objectType string) (string, bool) {
	model, ok := strings.CutPrefix(objectType, typePrefix)
	if !ok {
		return "", false
	}
	for _, t := range tables {
		if t.model == model {
			return t.kind, true
		}
	}
	return "", false
}
