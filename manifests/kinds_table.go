package manifests

import "encoding/json"

var (
	v1beta1  = []string{"v1beta1"}
	v1alpha1 = []string{"v1alpha1"}
)

// links is the rule for the links of one connection variant: a link is identified by the ports at both its ends,
// because a port can be cabled once only. The ends are named in the order in which the CRD lists them.
func links(path, a, b string) List {
	return List{Path: path, Type: ListKeyed, Keys: []string{a + ".port", b + ".port"}}
}

func atomic(path string) List { return List{Path: path, Type: ListAtomic} }

func set(path string) List { return List{Path: path, Type: ListSet} }

func keyed(path string, keys ...string) List {
	return List{Path: path, Type: ListKeyed, Keys: keys}
}

// ordered is a keyed list whose order is part of its value.
func ordered(path string, keys ...string) List {
	return List{Path: path, Type: ListKeyed, Keys: keys, Ordered: true}
}

// registry is the one table of kinds. Every list of every schema of a RoleUser kind has a row, also the atomic ones,
// so that a list added by a later CRD is noticed. It is read only.
//
// Fields come from the CRDs of Hedgehog Fabric. Keys and significance of order follow what Fabric itself does with a
// list: what its defaulting webhooks sort (groups, VLAN namespaces, DNS and time servers) has no order, what it
// evaluates in order (ACLs) has. Defaults are values those webhooks or the CRDs fill in whatever the rest of the object
// says, and the empty objects that its Go structs always write (ecmp, redundancy, boot, dhcp). A subnet's gateway and DHCP
// range are filled in too, but depend on its CIDR, so they are not in this table.
var registry = []Kind{
	{
		Group: GroupVPC, Versions: v1beta1, Kind: "IPv4Namespace", Plural: "ipv4namespaces", Order: 10,
		Lists: []List{set("spec.subnets")},
	},
	{
		// A range is identified by where it starts: ranges of one namespace may not overlap.
		Group: GroupWiring, Versions: v1beta1, Kind: "VLANNamespace", Plural: "vlannamespaces", Order: 10,
		Lists: []List{keyed("spec.ranges", "from")},
	},
	{
		Group: GroupWiring, Versions: v1beta1, Kind: "SwitchGroup", Plural: "switchgroups", Order: 20,
	},
	{
		Group: GroupWiring, Versions: v1beta1, Kind: "ServerProfile", Plural: "serverprofiles", Order: 30,
		Lists: []List{keyed("spec.nics", "name"), keyed("spec.nics.*.ports", "name")},
	},
	{
		// The offsets of a breakout mode count its ports: position is meaning.
		Group: GroupWiring, Versions: v1beta1, Kind: "SwitchProfile", Plural: "switchprofiles", Order: 30,
		Lists: []List{
			set("spec.otherNames"),
			atomic("spec.portProfiles.*.breakout.supported.*.offsets"),
			set("spec.portProfiles.*.speed.supported"),
		},
	},
	{
		Group: GroupWiring, Versions: v1beta1, Kind: "Switch", Plural: "switches", Order: 40,
		Lists: []List{set("spec.groups"), set("spec.vlanNamespaces")},
		Defaults: []Default{
			{Path: "spec.boot", Value: map[string]any{}},
			{Path: "spec.ecmp", Value: map[string]any{}},
			{Path: "spec.redundancy", Value: map[string]any{}},
			{Path: "spec.vlanNamespaces", Value: []any{DefaultNamespace}},
			{Path: "spec.linkFlapErrDisable.flapThreshold", Value: json.Number("3")},
			{Path: "spec.linkFlapErrDisable.recoveryInterval", Value: json.Number("300")},
			{Path: "spec.linkFlapErrDisable.samplingInterval", Value: json.Number("30")},
		},
	},
	{
		Group: GroupWiring, Versions: v1beta1, Kind: "Server", Plural: "servers", Order: 50,
	},
	{
		Group: GroupWiring, Versions: v1beta1, Kind: "Connection", Plural: "connections", Order: 60,
		Lists: []List{
			links("spec.bundled.links", "server", "switch"),
			links("spec.eslag.links", "server", "switch"),
			links("spec.fabric.links", "leaf", "spine"),
			links("spec.gateway.links", "gateway", "switch"),
			links("spec.mclag.links", "server", "switch"),
			links("spec.mclagDomain.peerLinks", "switch1", "switch2"),
			links("spec.mclagDomain.sessionLinks", "switch1", "switch2"),
			links("spec.mesh.links", "leaf1", "leaf2"),
			set("spec.staticExternal.link.switch.subnets"),
			links("spec.vpcLoopback.links", "switch1", "switch2"),
		},
	},
	{
		Group: GroupVPC, Versions: v1beta1, Kind: "VPC", Plural: "vpcs", Order: 70,
		Lists: []List{
			// Each policy is a list of subnets without any key, and policies are read in order.
			atomic("spec.permit"),
			atomic("spec.permit.*"),
			keyed("spec.staticRoutes", "prefix"),
			set("spec.staticRoutes.*.nextHops"),
			set("spec.subnets.*.dhcp.options.dnsServers"),
			set("spec.subnets.*.dhcp.options.timeServers"),
			keyed("spec.subnets.*.dhcp.options.advertisedRoutes", "destination", "gateway"),
		},
		Defaults: []Default{
			{Path: "spec.ipv4Namespace", Value: DefaultNamespace},
			{Path: "spec.vlanNamespace", Value: DefaultNamespace},
			{Path: "spec.subnets.*.dhcp", Value: map[string]any{}},
			{Path: "spec.subnets.*.dhcp.options.dnsServers", Value: []any{}},
			{Path: "spec.subnets.*.dhcp.options.timeServers", Value: []any{}},
		},
	},
	{
		Group: GroupVPC, Versions: v1beta1, Kind: "External", Plural: "externals", Order: 80,
		Lists:    []List{set("spec.static.prefixes")},
		Defaults: []Default{{Path: "spec.ipv4Namespace", Value: DefaultNamespace}},
	},
	{
		Group: GroupVPC, Versions: v1beta1, Kind: "ExternalAttachment", Plural: "externalattachments", Order: 90,
		Lists: []List{ordered("spec.inboundACL.statements", "seq")},
	},
	{
		Group: GroupVPC, Versions: v1beta1, Kind: "VPCAttachment", Plural: "vpcattachments", Order: 90,
	},
	{
		Group: GroupVPC, Versions: v1beta1, Kind: "ExternalPeering", Plural: "externalpeerings", Order: 100,
		Lists: []List{keyed("spec.permit.external.prefixes", "prefix"), set("spec.permit.vpc.subnets")},
	},
	{
		Group: GroupVPC, Versions: v1beta1, Kind: "VPCPeering", Plural: "vpcpeerings", Order: 100,
		Lists: []List{atomic("spec.permit"), atomic("spec.permit.*.*.subnets")},
	},
	{
		Group: GroupGateway, Versions: v1alpha1, Kind: "GatewayGroup", Plural: "gatewaygroups", Order: 110,
	},
	{
		Group: GroupGateway, Versions: v1alpha1, Kind: "Gateway", Plural: "gateways", Order: 120,
		Lists: []List{
			keyed("spec.groups", "name"),
			set("spec.interfaces.*.ips"),
			keyed("spec.neighbors", "ip"),
		},
		Defaults: []Default{{Path: "spec.profiling", Value: map[string]any{}}},
	},
	{
		// The name of a rule is optional: a list with an unnamed rule has no keys and is one field. What a peering
		// exposes has no key at all, and include and exclude entries depend on each other.
		Group: GroupGateway, Versions: v1alpha1, Kind: "GatewayPeering", Plural: "gatewaypeerings", Order: 130,
		Lists: []List{
			ordered("spec.acl.rules", "name"),
			atomic("spec.acl.rules.*.match.dst"),
			set("spec.acl.rules.*.match.dst.*.ports"),
			atomic("spec.acl.rules.*.match.src"),
			set("spec.acl.rules.*.match.src.*.ports"),
			atomic("spec.peering.*.expose"),
			atomic("spec.peering.*.expose.*.as"),
			atomic("spec.peering.*.expose.*.ips"),
			atomic("spec.peering.*.expose.*.nat.portForward.ports"),
		},
		Defaults: []Default{
			{Path: "spec.gatewayGroup", Value: DefaultNamespace},
			{Path: "spec.acl.rules.*.match", Value: map[string]any{}},
			{Path: "spec.acl.rules.*.scope", Value: "flow"},
		},
	},

	// Made by Hedgehog's controllers: known by name so that they can be told from strangers, never touched.
	{Group: GroupGateway, Versions: v1alpha1, Kind: "VPCInfo", Plural: "vpcinfos", Role: RoleController, Order: 900},
	{Group: "gwint.githedgehog.com", Versions: v1alpha1, Kind: "GatewayAgent", Plural: "gatewayagents", Role: RoleController, Order: 900},
	{Group: "dhcp.githedgehog.com", Versions: v1beta1, Kind: "DHCPSubnet", Plural: "dhcpsubnets", Role: RoleController, Order: 900},
	{Group: "agent.githedgehog.com", Versions: v1beta1, Kind: "Agent", Plural: "agents", Role: RoleController, Order: 900},
	{Group: "agent.githedgehog.com", Versions: v1beta1, Kind: "Catalog", Plural: "catalogs", Role: RoleController, Order: 900},
}
