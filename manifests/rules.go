package manifests

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Lengths of names. The plugin's and Kubernetes' limit is 253; Fabric's own webhooks refuse longer names of the kinds
// whose names become part of a VRF or route map name on the switches.
const (
	maxName      = 253
	maxShortName = 11
	maxLabel     = 63
)

var shortNames = map[string]bool{"VPC": true, "External": true, "IPv4Namespace": true}

// The name rule of the plugin's columns: a DNS-1123 label of any length, without the dots that Kubernetes would allow.
var (
	dnsName    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	dnsDomain  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	labelValue = regexp.MustCompile(`^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$`)
)

// VLANs that can be configured: 0 and 4095 are reserved by IEEE 802.1Q.
const (
	minVLAN = 1
	maxVLAN = 4094
)

// rules collects what is wrong with one object beyond its schema. Values of the wrong type are passed over: the schema
// has already said so.
type rules struct{ found []SchemaProblem }

func (r *rules) add(path []string, severity Severity, code, message, fix string) {
	r.found = append(r.found, SchemaProblem{Path: slices.Clone(path), Severity: severity, Code: code, Message: message, Fix: fix})
}

// checkRules applies the rules that concern one resource only.
func checkRules(group, kind string, obj Object) []SchemaProblem {
	var r rules
	r.metadata(kind, obj)
	if k, ok := LookupKind(group, kind); ok {
		r.uniqueItems(k, obj, nil)
	}
	spec, _ := obj["spec"].(map[string]any)
	switch {
	case group == GroupVPC && kind == "VPC":
		r.vpc(spec)
	case group == GroupVPC && kind == "IPv4Namespace":
		r.ipv4Namespace(spec)
	case group == GroupWiring && kind == "VLANNamespace":
		r.vlanNamespace(spec)
	case group == GroupWiring && kind == "Connection":
		r.connection(spec)
	case group == GroupVPC && kind == "ExternalAttachment":
		for _, side := range []string{"switch", "static"} {
			if m, ok := spec[side].(map[string]any); ok {
				r.vlan([]string{"spec", side, "vlan"}, m["vlan"])
			}
		}
	}
	return r.found
}

func (r *rules) metadata(kind string, obj Object) {
	metadata, _ := obj["metadata"].(map[string]any)
	if name, ok := metadata["name"].(string); ok {
		path := []string{"metadata", "name"}
		limit := maxName
		if shortNames[kind] {
			limit = maxShortName
		}
		r.name(path, "name", name)
		if len(name) > limit {
			r.add(path, SeverityError, "name-length", fmt.Sprintf("name %s has %d characters; a %s may have at most %d", quote(name), len(name), kind, limit), "choose a shorter name")
		}
	}
	if namespace, ok := metadata["namespace"].(string); ok && namespace != "" {
		path := []string{"metadata", "namespace"}
		r.name(path, "namespace", namespace)
		if len(namespace) > maxName {
			r.add(path, SeverityError, "name-length", fmt.Sprintf("the namespace has %d characters, at most %d are allowed", len(namespace), maxName), "choose a shorter namespace")
		}
	}
	labels, _ := metadata["labels"].(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		path := []string{"metadata", "labels", key}
		r.qualifiedName(path, "label", key)
		if value, ok := labels[key].(string); ok && (len(value) > maxLabel || !labelValue.MatchString(value)) {
			r.add(path, SeverityError, "label-invalid", fmt.Sprintf("label %s has the value %s", quote(key), quote(value)),
				"use at most 63 letters, digits, - _ and ., beginning and ending with a letter or digit; longer texts belong into annotations")
		}
	}
	annotations, _ := metadata["annotations"].(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		r.qualifiedName([]string{"metadata", "annotations", key}, "annotation", key)
	}
}

func (r *rules) name(path []string, what, name string) {
	if dnsName.MatchString(name) {
		return
	}
	fix := "use lower case letters, digits and -, beginning and ending with a letter or digit"
	switch better := strings.Trim(strings.Map(nameRune, strings.ToLower(name)), "-"); {
	case name == "":
		r.add(path, SeverityError, "name-invalid", "the "+what+" is empty", fix)
		return
	case strings.Contains(name, ".") && dnsDomain.MatchString(name):
		r.add(path, SeverityError, "name-invalid", fmt.Sprintf("%s %s has dots, which NetBox cannot store", what, quote(name)), "write "+better)
		return
	case dnsName.MatchString(better) && len(better) <= maxName:
		fix = "write " + better + ": lower case letters, digits and - only"
	}
	r.add(path, SeverityError, "name-invalid", fmt.Sprintf("%s %s is not allowed", what, quote(name)), fix)
}

func nameRune(c rune) rune {
	if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
		return c
	}
	return '-'
}

// qualifiedName checks the key of a label or annotation: [prefix/]name.
func (r *rules) qualifiedName(path []string, what, key string) {
	prefix, name, hasPrefix := strings.Cut(key, "/")
	if !hasPrefix {
		prefix, name = "", key
	}
	good := name != "" && len(name) <= maxLabel && labelValue.MatchString(name)
	if hasPrefix && (len(prefix) > maxName || !dnsDomain.MatchString(prefix)) {
		good = false
	}
	if !good {
		r.found = append(r.found, SchemaProblem{
			Path: path, OnKey: true, Severity: SeverityError, Code: "label-invalid", Message: fmt.Sprintf("%s key %s is not allowed", what, quote(key)),
			Fix: "use [domain/]name with a name of at most 63 letters, digits, - _ and .",
		})
	}
}

// uniqueItems warns of list items with the same key: such a list cannot be merged item by item.
func (r *rules) uniqueItems(k Kind, value any, path []string) {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if len(path) == 0 && key != "spec" {
				continue
			}
			r.uniqueItems(k, v[key], append(slices.Clip(path), key))
		}
	case []any:
		rule, _ := k.ListAt(path)
		seen := map[string]int{}
		for i, item := range v {
			at := append(slices.Clip(path), strconv.Itoa(i))
			if key, ok := rule.Key(item); ok {
				if first, twice := seen[key]; twice {
					r.add(at, SeverityWarning, "duplicate-item", fmt.Sprintf("%s %s is in this list already, as item %d", fieldName(at), quote(key), first+1),
						"remove one of the two; until then the list is compared and merged as a whole")
				} else {
					seen[key] = i
				}
			}
			r.uniqueItems(k, item, at)
		}
	}
}

// vlan checks a VLAN id. Zero is what Hedgehog's Go structs hold when there is none.
func (r *rules) vlan(path []string, value any) (int, bool) {
	number, ok := value.(json.Number)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(numberKey(number))
	if err == nil && n == 0 {
		return 0, false
	}
	if err != nil || n < minVLAN || n > maxVLAN {
		r.add(path, SeverityError, "vlan-range", fmt.Sprintf("VLAN %s does not exist", show(number)), fmt.Sprintf("use a VLAN from %d to %d", minVLAN, maxVLAN))
		return 0, false
	}
	return n, true
}

func (r *rules) prefix(path []string, value any) (netip.Prefix, bool) {
	text, ok := value.(string)
	if !ok {
		return netip.Prefix{}, false
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		r.add(path, SeverityError, "cidr-invalid", fmt.Sprintf("%s is not a subnet", quote(text)), "write an address with prefix length, such as 10.0.1.0/24")
		return netip.Prefix{}, false
	}
	return p, true
}

func (r *rules) vpc(spec map[string]any) {
	subnets, _ := spec["subnets"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(subnets)) {
		at := []string{"spec", "subnets", name}
		subnet, ok := subnets[name].(map[string]any)
		if !ok {
			continue
		}
		r.vlan(append(at, "vlan"), subnet["vlan"])
		prefix, ok := r.prefix(append(at, "subnet"), subnet["subnet"])
		if !ok {
			continue
		}
		r.inside(append(at, "gateway"), "gateway-outside-subnet", "gateway", subnet["gateway"], prefix)
		dhcp, _ := subnet["dhcp"].(map[string]any)
		limits, _ := dhcp["range"].(map[string]any)
		for _, end := range []string{"start", "end"} {
			r.inside(append(slices.Clip(at), "dhcp", "range", end), "dhcp-outside-subnet", "the "+end+" of the DHCP range", limits[end], prefix)
		}
	}
	policies, _ := spec["permit"].([]any)
	for i, policy := range policies {
		members, _ := policy.([]any)
		for j, member := range members {
			name, ok := member.(string)
			if _, exists := subnets[name]; ok && !exists {
				r.add([]string{"spec", "permit", strconv.Itoa(i), strconv.Itoa(j)}, SeverityError, "reference-missing",
					fmt.Sprintf("this VPC has no subnet %s", quote(name)), subnetFix(name, subnets))
			}
		}
	}
}

func subnetFix(name string, subnets map[string]any) string {
	if near := nearest(name, slices.Sorted(maps.Keys(subnets))); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "add the subnet or correct the name"
}

// inside checks that an address lies in a subnet.
func (r *rules) inside(path []string, code, what string, value any, subnet netip.Prefix) {
	text, ok := value.(string)
	if !ok || text == "" {
		return
	}
	address, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		r.add(path, SeverityError, "ip-invalid", fmt.Sprintf("%s %s is not an IP address", what, quote(text)), "write an address, such as "+subnet.Masked().Addr().Next().String())
	case !subnet.Contains(address):
		r.add(path, SeverityError, code, fmt.Sprintf("%s %s is not in %s", what, address, subnet), "use an address of "+subnet.Masked().String())
	}
}

func (r *rules) ipv4Namespace(spec map[string]any) {
	list, _ := spec["subnets"].([]any)
	var prefixes []placedPrefix
	for i, item := range list {
		path := []string{"spec", "subnets", strconv.Itoa(i)}
		if p, ok := r.prefix(path, item); ok {
			prefixes = append(prefixes, placedPrefix{Prefix: p.Masked(), index: i})
		}
	}
	for _, o := range overlaps(prefixes) {
		r.add([]string{"spec", "subnets", strconv.Itoa(o.later.index)}, SeverityError, "subnet-overlap",
			fmt.Sprintf("%s overlaps with %s, item %d of this list", o.later.Prefix, o.earlier.Prefix, o.earlier.index+1), "make the subnets of the namespace disjoint")
	}
}

type vlanRange struct{ from, to, index int }

// vlanRanges reads the ranges of a VLANNamespace. A missing end means a range of one, as for Fabric.
func (r *rules) vlanRanges(spec map[string]any) []vlanRange {
	list, _ := spec["ranges"].([]any)
	var ranges []vlanRange
	for i, item := range list {
		entry, ok := item.(map[string]any)
		if !ok {
			continue
		}
		at := []string{"spec", "ranges", strconv.Itoa(i)}
		from, ok := r.vlan(append(slices.Clip(at), "from"), entry["from"])
		if !ok {
			continue
		}
		to := from
		if entry["to"] != nil {
			if to, ok = r.vlan(append(slices.Clip(at), "to"), entry["to"]); !ok {
				continue
			}
		}
		if to < from {
			r.add(append(slices.Clip(at), "to"), SeverityError, "vlan-range", fmt.Sprintf("the range ends at %d, before it begins at %d", to, from), "exchange from and to")
			continue
		}
		ranges = append(ranges, vlanRange{from, to, i})
	}
	slices.SortStableFunc(ranges, func(a, b vlanRange) int { return a.from - b.from })
	return ranges
}

func (r *rules) vlanNamespace(spec map[string]any) {
	ranges := r.vlanRanges(spec)
	for i := 1; i < len(ranges); i++ {
		widest, this := ranges[i-1], ranges[i]
		if this.from <= widest.to {
			later, earlier := this, widest
			if later.index < earlier.index {
				later, earlier = earlier, later
			}
			r.add([]string{"spec", "ranges", strconv.Itoa(later.index)}, SeverityError, "vlan-overlap",
				fmt.Sprintf("VLANs %d to %d overlap with %d to %d, item %d of this list", later.from, later.to, earlier.from, earlier.to, earlier.index+1), "make the ranges disjoint")
		}
		if ranges[i].to < widest.to {
			ranges[i] = widest // The range that reaches furthest is the one to compare with.
		}
	}
}

// connectionVariants are the fields of a Connection's spec, of which exactly one is set.
var connectionVariants = []string{
	"bundled", "eslag", "external", "fabric", "gateway", "mclag", "mclagDomain", "mesh", "staticExternal", "unbundled", "vpcLoopback",
}

// connection checks that there is exactly one variant, and that ports are written as device/port.
func (r *rules) connection(spec map[string]any) {
	var variants []string
	for _, v := range connectionVariants {
		if _, ok := spec[v]; ok {
			variants = append(variants, v)
		}
	}
	switch {
	case len(spec) == 0: // Otherwise there is a misspelt one, which the schema reports.
		r.add([]string{"spec"}, SeverityError, "connection-type", "the connection has no type", "add one of "+strings.Join(connectionVariants, ", ")+" to spec")
	case len(variants) > 1:
		r.add([]string{"spec"}, SeverityError, "connection-type", "the connection has several types: "+strings.Join(variants, ", "),
			"keep one of them and write another Connection for the rest")
	}
	walkPorts(spec, []string{"spec"}, func(path []string, _, port string) {
		if device, rest, ok := strings.Cut(port, "/"); !ok || device == "" || rest == "" {
			r.add(path, SeverityError, "port-invalid", fmt.Sprintf("%s names no port of a device", quote(port)), "write device/port, such as leaf-01/E1/1")
		}
	})
}
