package manifests

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Reference is a place in a resource that names another one.
type Reference struct {
	// Path leads to the place: map keys and decimal list indexes from the document's root.
	Path []string
	// OnKey is set when the last key of Path is the name itself (the VPCs of a peering).
	OnKey bool
	// Identity is what is named. It is of the namespace of the resource that names it.
	Identity Identity
	// Subnet is the subnet of a VPC that is named along with it; empty otherwise.
	Subnet string
	// Builtin is set for what a fabric brings along without anybody writing it: profiles, and the IPv4 namespace, VLAN
	// namespace and gateway group called "default".
	Builtin bool
}

// References lists what a resource names, sorted by path. Values of a wrong type and empty names name nothing. Kinds
// without references and unknown kinds have none.
func References(obj Object) []Reference {
	apiVersion, _ := obj["apiVersion"].(string)
	kind, _ := obj["kind"].(string)
	group, _ := splitAPIVersion(apiVersion)
	k, ok := LookupKind(group, kind)
	if !ok {
		return nil
	}
	spec, _ := obj["spec"].(map[string]any)
	r := references{namespace: namespaceOf(obj)}
	switch k.Kind {
	case "Connection":
		r.connection(spec)
	case "Switch":
		r.name("SwitchProfile", spec, "profile")
		r.names("SwitchGroup", spec, "groups")
		r.name("SwitchGroup", spec, "redundancy", "group")
		r.names("VLANNamespace", spec, "vlanNamespaces")
	case "Server":
		r.name("ServerProfile", spec, "profile")
	case "VPC":
		r.name("IPv4Namespace", spec, "ipv4Namespace")
		r.name("VLANNamespace", spec, "vlanNamespace")
		subnets, _ := spec["subnets"].(map[string]any)
		for name := range subnets {
			r.name("VPC", spec, "subnets", name, "dhcp", "relayVPC")
		}
	case "External":
		r.name("IPv4Namespace", spec, "ipv4Namespace")
	case "ExternalAttachment":
		r.name("Connection", spec, "connection")
		r.name("External", spec, "external")
	case "ExternalPeering":
		r.name("External", spec, "permit", "external", "name")
		r.name("VPC", spec, "permit", "vpc", "name")
		vpc, _ := valueAt(spec, []string{"permit", "vpc", "name"}).(string)
		r.subnets(vpc, spec, "permit", "vpc", "subnets")
	case "VPCAttachment":
		r.name("Connection", spec, "connection")
		if text, ok := spec["subnet"].(string); ok {
			// "vpc-1/default": the name of a VPC and one of its subnets.
			if vpc, subnet, ok := strings.Cut(text, "/"); ok {
				r.add("VPC", vpc, subnet, false, "subnet")
			}
		}
	case "VPCPeering":
		permit, _ := spec["permit"].([]any)
		for i, policy := range permit {
			vpcs, _ := policy.(map[string]any)
			for vpc := range vpcs {
				r.add("VPC", vpc, "", true, "permit", strconv.Itoa(i), vpc)
				r.subnets(vpc, spec, "permit", strconv.Itoa(i), vpc, "subnets")
			}
		}
	case "Gateway":
		groups, _ := spec["groups"].([]any)
		for i := range groups {
			r.name("GatewayGroup", spec, "groups", strconv.Itoa(i), "name")
		}
	case "GatewayPeering":
		r.gatewayPeering(spec)
	}
	slices.SortFunc(r.found, func(a, b Reference) int { return slices.Compare(a.Path, b.Path) })
	return r.found
}

func namespaceOf(obj Object) string {
	metadata, _ := obj["metadata"].(map[string]any)
	if namespace, _ := metadata["namespace"].(string); namespace != "" {
		return namespace
	}
	return DefaultNamespace
}

type references struct {
	namespace string
	found     []Reference
}

// add records that the place below spec names a resource.
func (r *references) add(kind, name, subnet string, onKey bool, path ...string) {
	if name == "" {
		return
	}
	k, ok := KindByName(kind)
	if !ok {
		return
	}
	builtin := kind == "SwitchProfile" || kind == "ServerProfile"
	if name == DefaultNamespace {
		builtin = builtin || kind == "IPv4Namespace" || kind == "VLANNamespace" || kind == "GatewayGroup"
	}
	r.found = append(r.found, Reference{
		Path: append([]string{"spec"}, path...), OnKey: onKey, Subnet: subnet, Builtin: builtin,
		Identity: Identity{Group: k.Group, Kind: k.Kind, Namespace: r.namespace, Name: name},
	})
}

// name records the text at path, if there is one.
func (r *references) name(kind string, spec map[string]any, path ...string) {
	if text, ok := valueAt(spec, path).(string); ok {
		r.add(kind, text, "", false, path...)
	}
}

// names records each text of the list at path.
func (r *references) names(kind string, spec map[string]any, path ...string) {
	list, _ := valueAt(spec, path).([]any)
	for i := range list {
		r.name(kind, spec, append(slices.Clone(path), strconv.Itoa(i))...)
	}
}

// subnets records the subnets of a VPC listed at path.
func (r *references) subnets(vpc string, spec map[string]any, path ...string) {
	list, _ := valueAt(spec, path).([]any)
	for i, item := range list {
		if subnet, ok := item.(string); ok && subnet != "" {
			r.add("VPC", vpc, subnet, false, append(slices.Clone(path), strconv.Itoa(i))...)
		}
	}
}

// portOwners says which kind of device the end of a link belongs to.
var portOwners = map[string]string{
	"server": "Server", "gateway": "Gateway",
	"switch": "Switch", "switch1": "Switch", "switch2": "Switch", "spine": "Switch", "leaf": "Switch", "leaf1": "Switch", "leaf2": "Switch",
}

func (r *references) connection(spec map[string]any) {
	r.name("VPC", spec, "staticExternal", "withinVPC")
	walkPorts(spec, nil, func(path []string, end, port string) {
		if device, _, ok := strings.Cut(port, "/"); ok {
			r.add(portOwners[end], device, "", false, path...)
		}
	})
}

// walkPorts visits the ports of all links of a connection: visit gets the path of the port, the name of the end of the
// link ("switch1") and the text.
func walkPorts(spec map[string]any, at []string, visit func(path []string, end, port string)) {
	link := func(value any, path []string) {
		ends, _ := value.(map[string]any)
		for _, end := range slices.Sorted(maps.Keys(ends)) {
			side, _ := ends[end].(map[string]any)
			if port, ok := side["port"].(string); ok && portOwners[end] != "" {
				visit(append(slices.Clone(path), end, "port"), end, port)
			}
		}
	}
	for _, variant := range slices.Sorted(maps.Keys(spec)) {
		body, _ := spec[variant].(map[string]any)
		for _, field := range slices.Sorted(maps.Keys(body)) {
			path := append(slices.Clone(at), variant, field)
			switch v := body[field].(type) {
			case []any:
				for i, item := range v {
					link(item, append(slices.Clone(path), strconv.Itoa(i)))
				}
			case map[string]any:
				link(v, path)
			}
		}
	}
}

// gatewayPeering records the two sides of a peering. A side is a VPC, or an External as "ext.name".
func (r *references) gatewayPeering(spec map[string]any) {
	r.name("GatewayGroup", spec, "gatewayGroup")
	sides, _ := spec["peering"].(map[string]any)
	for side, value := range sides {
		if external, ok := strings.CutPrefix(side, "ext."); ok {
			r.add("External", external, "", true, "peering", side)
			continue
		}
		r.add("VPC", side, "", true, "peering", side)
		entry, _ := value.(map[string]any)
		exposed, _ := entry["expose"].([]any)
		for i, item := range exposed {
			ips, _ := valueAt(item, []string{"ips"}).([]any)
			for j, ip := range ips {
				if subnet, ok := valueAt(ip, []string{"vpcSubnet"}).(string); ok && subnet != "" {
					r.add("VPC", side, subnet, false, "peering", side, "expose", strconv.Itoa(i), "ips", strconv.Itoa(j), "vpcSubnet")
				}
			}
		}
	}
}
