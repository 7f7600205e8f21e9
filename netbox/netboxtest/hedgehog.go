package netboxtest

import (
	"fmt"
	"hash/crc32"
	"regexp"
)

const pluginRoot = "/api/plugins/hedgehog/"

var dns1123 = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// hedgehogKinds are the plugin's 12 kinds in the order of its migrations. page
// tells group A (the object page's URL name exists) from group B (it does not).
var hedgehogKinds = []struct {
	name, object, verbose, plural, route string
	page                                 bool
	typeID                               int64
}{
	{"vpc", "VPC", "VPC", "VPCs", "vpcs", true, 167},
	{"external", "External", "External", "Externals", "externals", false, 168},
	{"externalattachment", "ExternalAttachment", "External Attachment", "External Attachments", "external-attachments", false, 169},
	{"externalpeering", "ExternalPeering", "External Peering", "External Peerings", "external-peerings", false, 170},
	{"ipv4namespace", "IPv4Namespace", "IPv4 Namespace", "IPv4 Namespaces", "ipv4-namespaces", true, 171},
	{"vpcattachment", "VPCAttachment", "VPC Attachment", "VPC Attachments", "vpc-attachments", false, 172},
	{"vpcpeering", "VPCPeering", "VPC Peering", "VPC Peerings", "vpc-peerings", false, 173},
	{"connection", "Connection", "Connection", "Connections", "connections", true, 174},
	{"server", "Server", "Server", "Servers", "servers", true, 175},
	{"switch", "Switch", "Switch", "Switches", "switches", true, 176},
	{"switchgroup", "SwitchGroup", "Switch Group", "Switch Groups", "switch-groups", true, 177},
	{"vlannamespace", "VLANNamespace", "VLAN Namespace", "VLAN Namespaces", "vlan-namespaces", true, 178},
}

func hedgehogModels() []*model {
	models := []*model{fabricModel()}
	for _, k := range hedgehogKinds {
		m := &model{app: "netbox_hedgehog", name: k.name, objectName: k.object, verbose: k.verbose, plural: k.plural,
			appVerbose: "Hedgehog Fabric Manager", typeID: k.typeID, route: pluginRoot + k.route + "/", missingView: "None",
			resource: true, fields: resourceFields(), check: checkResource,
			// Only the VPC's name was seen; the other suffixes are made up.
			constraint: fmt.Sprintf("netbox_hedgehog_%s_fabric_id_namespace_name_%08x_uniq", k.name, crc32.ChecksumIEEE([]byte(k.name)))}
		if k.name == "vpc" {
			m.constraint = "netbox_hedgehog_vpc_fabric_id_namespace_name_00ffe0fc_uniq"
		}
		if k.page {
			m.page = "/plugins/hedgehog/" + k.route + "/"
			if k.name == "ipv4namespace" {
				m.page = "/plugins/hedgehog/ipv4namespaces/" // the GUI spells it without the hyphen
			}
		}
		m.display = func(s *Server, r *row) string {
			fabric := "None"
			if f := s.db.get(s.models["netbox_hedgehog.hedgehogfabric"], r.int("fabric")); f != nil {
				fabric = f.str("name")
			}
			return r.str("name") + " (" + fabric + ")"
		}
		models = append(models, m)
	}
	return models
}

func dnsRule(message string) func(any) []string {
	return func(v any) []string {
		if s, _ := v.(string); s == "" || !dns1123.MatchString(s) {
			return []string{message}
		}
		return nil
	}
}

var kubernetesStatuses = []choice{{"unknown", "Unknown"}, {"pending", "Pending"}, {"applied", "Applied"}, {"live", "Live"}, {"error", "Error"}, {"deleting", "Deleting"}}

func baseFields() []field {
	return []field{{name: "id"}, {name: "tags", kind: kindTags}, {name: "custom_fields", kind: kindCustom}, {name: "url"}, {name: "display_url"}, {name: "display"}}
}

func resourceFields() []field {
	return append(baseFields(),
		field{name: "fabric", kind: kindFK, target: "netbox_hedgehog.hedgehogfabric", required: true},
		field{name: "created"}, field{name: "last_updated"},
		field{name: "custom_field_data", kind: kindCustomData},
		field{name: "name", kind: kindChar, required: true, max: 253, valid: dnsRule("Name must be a valid Kubernetes resource name (DNS-1123 compliant)")},
		field{name: "namespace", kind: kindChar, max: 253, def: "default", valid: dnsRule("Namespace must be a valid Kubernetes namespace name")},
		field{name: "spec", kind: kindJSON, required: true},
		field{name: "labels", kind: kindJSON, blank: true, def: newObject()},
		field{name: "annotations", kind: kindJSON, blank: true, def: newObject()},
		field{name: "kubernetes_status", kind: kindChoice, choices: kubernetesStatuses, def: "unknown"},
		field{name: "kubernetes_uid", kind: kindChar, blank: true, max: 36, def: ""},
		field{name: "kubernetes_resource_version", kind: kindChar, blank: true, max: 50, def: ""},
		field{name: "last_applied", kind: kindTime, null: true},
		field{name: "last_synced", kind: kindTime, null: true},
		field{name: "sync_error", kind: kindText, blank: true, def: ""},
		field{name: "auto_sync", kind: kindBool, def: true},
	)
}

// checkResource is the plugin's clean(): JSON given as a string is parsed. On an
// update this changes the row itself for every column the request did not name;
// that is how a stored "{}" becomes {} on the next PATCH without spec.
func checkResource(_ *Server, c *candidate) {
	for _, name := range []string{"spec", "labels", "annotations"} {
		text, ok := c.row.vals[name].(string)
		if !ok {
			continue
		}
		v, err := parseJSON([]byte(text))
		if err != nil {
			c.fail(name, "Invalid JSON in "+name+": "+err.Error())
			continue
		}
		if _, given := c.given[name]; !given {
			c.row.vals[name] = v
		}
	}
}

func fabricModel() *model {
	count := func(name string) field { return field{name: name, kind: kindInt, def: int64(0)} }
	return &model{app: "netbox_hedgehog", name: "hedgehogfabric", objectName: "HedgehogFabric", verbose: "Hedgehog Fabric", plural: "Hedgehog Fabrics",
		appVerbose: "Hedgehog Fabric Manager", typeID: 166, route: pluginRoot + "fabrics/", missingView: "", ordering: "name",
		fields: append(baseFields(),
			field{name: "created"}, field{name: "last_updated"},
			field{name: "custom_field_data", kind: kindCustomData},
			field{name: "name", kind: kindChar, required: true, max: 100, unique: true},
			field{name: "description", kind: kindText, blank: true, def: ""},
			field{name: "status", kind: kindChoice, def: "planned", choices: []choice{{"planned", "Planned"}, {"active", "Active"}, {"maintenance", "Maintenance"}, {"decommissioned", "Decommissioned"}}},
			field{name: "connection_status", kind: kindChoice, def: "unknown", choices: []choice{{"unknown", "Unknown"}, {"connected", "Connected"}, {"disconnected", "Disconnected"}, {"error", "Error"}}},
			field{name: "sync_status", kind: kindChoice, def: "never_synced", choices: []choice{{"never_synced", "Never Synced"}, {"in_sync", "In Sync"}, {"out_of_sync", "Out of Sync"}, {"syncing", "Syncing"}, {"error", "Sync Error"}}},
			field{name: "kubernetes_server", kind: kindChar, blank: true, max: 200, def: ""},
			field{name: "kubernetes_token", kind: kindText, blank: true, def: ""},
			field{name: "kubernetes_ca_cert", kind: kindText, blank: true, def: ""},
			field{name: "kubernetes_namespace", kind: kindChar, max: 253, def: "default"},
			field{name: "sync_enabled", kind: kindBool, def: true},
			field{name: "sync_interval", kind: kindInt, def: int64(300)},
			field{name: "last_sync", kind: kindTime, null: true},
			field{name: "sync_error", kind: kindText, blank: true, def: ""},
			field{name: "connection_error", kind: kindText, blank: true, def: ""},
			count("cached_crd_count"), count("cached_vpc_count"), count("cached_connection_count"),
			count("connections_count"), count("servers_count"), count("switches_count"), count("vpcs_count"),
		)}
}
