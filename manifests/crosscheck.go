package manifests

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// fabric holds the resources that are checked against each other.
type fabric struct {
	parts      []part
	kinds      map[string]bool    // kinds that are present
	byIdentity map[Identity][]int // indexes in parts
	unread     [][]byte           // text of documents that did not parse
}

// mayHold reports whether a name occurs in a document that did not parse, so that what it names may well exist.
func (f *fabric) mayHold(name string) bool {
	return slices.ContainsFunc(f.unread, func(text []byte) bool { return bytes.Contains(text, []byte(name)) })
}

func (f *fabric) add(p part) {
	f.kinds[p.identity.Kind] = true
	if p.identity.Name != "" {
		f.byIdentity[p.identity] = append(f.byIdentity[p.identity], len(f.parts))
	}
	f.parts = append(f.parts, p)
}

// report makes a diagnostic about a part.
func (p part) report(at []string, onKey bool, severity Severity, code, message, fix string) Diagnostic {
	kind, _ := LookupKind(p.identity.Group, p.identity.Kind)
	return locate(p.file, p.doc, p.prefix, SchemaProblem{Path: at, OnKey: onKey, Severity: severity, Code: code, Message: message, Fix: fix},
		kind.PathString(p.object, at))
}

// where names the place of a value of a part in messages about another part.
func (p part) where(path ...string) string {
	r, _ := p.file.Locate(p.doc, slices.Concat(p.prefix, path)...)
	return fmt.Sprintf("%s:%d", quotePath(p.file.path), r.StartLine)
}

// quotePath shows a file name as it is, unless it holds something that a terminal would not.
func quotePath(name string) string {
	if q := quote(name); q != `"`+name+`"` {
		return q
	}
	return name
}

// finding computes a diagnostic. Looking up places costs time in large files, so it is done only for what is shown.
type finding func() Diagnostic

// maxCrossFindings bounds what is reported about the resources of one fabric together.
const maxCrossFindings = 1000

// check runs all checks that need more than one resource.
func (f *fabric) check() []Diagnostic {
	all := slices.Concat(f.duplicates(), f.missing(), f.addresses())
	var found []Diagnostic
	for _, diagnostic := range all[:min(len(all), maxCrossFindings)] {
		found = append(found, diagnostic())
	}
	if more := len(all) - len(found); more > 0 {
		last := found[len(found)-1]
		found = append(found, Diagnostic{
			File: last.File, Document: -1, Severity: SeverityNote, Code: "too-many-findings",
			Message: fmt.Sprintf("%d more findings about identities, references and addresses are not shown", more), Fix: "correct the ones above first",
		})
	}
	return found
}

// sortedIdentities makes the order of a map's keys definite.
func sortedIdentities[V any](m map[Identity]V) []Identity {
	return slices.SortedFunc(maps.Keys(m), func(a, b Identity) int {
		switch {
		case a.Less(b):
			return -1
		case b.Less(a):
			return 1
		}
		return 0
	})
}

// duplicates reports every place of an identity that occurs more than once.
func (f *fabric) duplicates() []finding {
	var found []finding
	for _, id := range sortedIdentities(f.byIdentity) {
		indexes := f.byIdentity[id]
		if len(indexes) < 2 {
			continue
		}
		// What waits in raw/ replaces what is managed, so the two areas are counted apart.
		var areas [2][]int
		for _, i := range indexes {
			area := 0
			if waiting(f.parts[i].file.path) {
				area = 1
			}
			areas[area] = append(areas[area], i)
		}
		for _, same := range areas {
			if len(same) < 2 {
				continue
			}
			for n, i := range same {
				p := f.parts[i]
				other := f.parts[same[0]]
				if n == 0 {
					other = f.parts[same[1]]
				}
				more := ""
				if len(same) > 2 {
					more = fmt.Sprintf(" (%d places in all)", len(same))
				}
				found = append(found, func() Diagnostic {
					return p.report([]string{"metadata", "name"}, false, SeverityError, "duplicate-identity",
						fmt.Sprintf("%s is also in %s%s", p.identity, other.where("metadata", "name"), more), "keep one of them, or rename one")
				})
			}
		}
	}
	return found
}

// maxSuggestions bounds the search for names that are meant, which compares with every name there is.
const maxSuggestions = 100

// missing reports references to what is not there. It is an error only if resources of that kind are present at all:
// somebody may check one file of many.
func (f *fabric) missing() []finding {
	var found []finding
	names := map[string][]string{} // by kind, for suggestions; filled on demand
	for _, p := range f.parts {
		for _, ref := range References(p.object) {
			if ref.Builtin {
				continue
			}
			severity := SeverityWarning
			if f.kinds[ref.Identity.Kind] {
				severity = SeverityError
			}
			targets := f.byIdentity[ref.Identity]
			if len(targets) == 0 {
				if ref.Subnet != "" && p.identity.Kind != "VPCAttachment" {
					continue // The VPC is named, and reported, next to its subnets.
				}
				if len(found) < maxCrossFindings && f.mayHold(ref.Identity.Name) {
					continue
				}
				fix := "correct the name, or add that " + ref.Identity.Kind
				if severity == SeverityError && len(found) < maxSuggestions {
					candidates, ok := names[ref.Identity.Kind]
					if !ok {
						candidates = f.names(ref.Identity.Kind)
						names[ref.Identity.Kind] = candidates
					}
					if near := nearest(ref.Identity.Name, candidates); near != "" {
						fix = fmt.Sprintf("did you mean %s?", near)
					}
				}
				found = append(found, func() Diagnostic {
					return p.report(ref.Path, ref.OnKey, severity, "reference-missing",
						fmt.Sprintf("there is no %s %s", ref.Identity.Kind, quote(ref.Identity.Name)), fix)
				})
				continue
			}
			if ref.Subnet == "" {
				continue
			}
			if len(targets) > maxSuggestions {
				continue // A hostile heap of duplicates; they are reported as such.
			}
			// With several copies of the VPC, any of them may have the subnet.
			if slices.ContainsFunc(targets, func(t int) bool { _, ok := f.subnets(t)[ref.Subnet]; return ok }) {
				continue
			}
			found = append(found, func() Diagnostic {
				return p.report(ref.Path, ref.OnKey, SeverityError, "reference-missing",
					fmt.Sprintf("VPC %s has no subnet %s", quote(ref.Identity.Name), quote(ref.Subnet)), subnetFix(ref.Subnet, f.subnets(targets[0])))
			})
		}
	}
	return found
}

// subnets are those of the VPC that is parts[i].
func (f *fabric) subnets(i int) map[string]any {
	subnets, _ := valueAt(f.parts[i].object, []string{"spec", "subnets"}).(map[string]any)
	return subnets
}

func (f *fabric) names(kind string) []string {
	var out []string
	for id := range f.byIdentity {
		if id.Kind == kind {
			out = append(out, id.Name)
		}
	}
	slices.Sort(out)
	return out
}

// subnet is one subnet of a VPC that is not superseded.
type subnet struct {
	part   part
	name   string
	prefix netip.Prefix // zero when it is no subnet
	vlan   int          // zero when there is none
}

func (s subnet) path(field string) []string { return []string{"spec", "subnets", s.name, field} }

// addresses checks subnets and VLANs of VPCs against those of other VPCs and against their namespaces. Of an identity
// that occurs more than once only the first place counts; the others are duplicates and reported as such.
func (f *fabric) addresses() []finding {
	byIPv4, byVLAN := map[Identity][]subnet{}, map[Identity][]subnet{}
	for i, p := range f.parts {
		if p.identity.Kind != "VPC" || p.identity.Name == "" || f.current(p.identity) != i {
			continue
		}
		spec, _ := p.object["spec"].(map[string]any)
		ipv4 := namespaceID(GroupVPC, "IPv4Namespace", p.identity, spec["ipv4Namespace"])
		vlans := namespaceID(GroupWiring, "VLANNamespace", p.identity, spec["vlanNamespace"])
		subnets, _ := spec["subnets"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(subnets)) {
			body, _ := subnets[name].(map[string]any)
			var quiet rules
			s := subnet{part: p, name: name}
			s.prefix, _ = quiet.prefix(nil, body["subnet"])
			s.vlan, _ = quiet.vlan(nil, body["vlan"])
			if s.prefix.IsValid() {
				s.prefix = s.prefix.Masked()
				byIPv4[ipv4] = append(byIPv4[ipv4], s)
			}
			if s.vlan != 0 {
				byVLAN[vlans] = append(byVLAN[vlans], s)
			}
		}
	}
	var found []finding
	for _, namespace := range sortedIdentities(byIPv4) {
		subnets := byIPv4[namespace]
		found = append(found, overlapping(namespace, subnets)...)
		found = append(found, f.outsideIPv4(namespace, subnets)...)
	}
	for _, namespace := range sortedIdentities(byVLAN) {
		subnets := byVLAN[namespace]
		found = append(found, sameVLAN(namespace, subnets)...)
		found = append(found, f.outsideVLAN(namespace, subnets)...)
	}
	return found
}

// current is the part that counts for an identity: what waits in raw/ is about to replace the rest.
func (f *fabric) current(id Identity) int {
	indexes := f.byIdentity[id]
	for _, i := range indexes {
		if waiting(f.parts[i].file.path) {
			return i
		}
	}
	return indexes[0]
}

func namespaceID(group, kind string, vpc Identity, name any) Identity {
	text, _ := name.(string)
	if text == "" {
		text = DefaultNamespace
	}
	return Identity{Group: group, Kind: kind, Namespace: vpc.Namespace, Name: text}
}

func (s subnet) title() string {
	return fmt.Sprintf("subnet %s of VPC %s", quote(s.name), quote(s.part.identity.Name))
}

func overlapping(namespace Identity, subnets []subnet) []finding {
	prefixes := make([]placedPrefix, len(subnets))
	for i, s := range subnets {
		prefixes[i] = placedPrefix{Prefix: s.prefix, index: i}
	}
	var found []finding
	for _, o := range overlaps(prefixes) {
		s, other := subnets[o.later.index], subnets[o.earlier.index]
		found = append(found, func() Diagnostic {
			return s.part.report(s.path("subnet"), false, SeverityError, "subnet-overlap",
				fmt.Sprintf("%s overlaps with %s, %s in %s, in IPv4 namespace %s", s.prefix, other.prefix, other.title(), other.part.where(other.path("subnet")...), quote(namespace.Name)),
				"choose a free subnet, or put one of the VPCs into another IPv4 namespace")
		})
	}
	return found
}

func sameVLAN(namespace Identity, subnets []subnet) []finding {
	first := map[int]subnet{}
	var found []finding
	for _, s := range subnets {
		other, taken := first[s.vlan]
		if !taken {
			first[s.vlan] = s
			continue
		}
		found = append(found, func() Diagnostic {
			return s.part.report(s.path("vlan"), false, SeverityError, "vlan-duplicate",
				fmt.Sprintf("VLAN %d is already used by %s in %s, in VLAN namespace %s", s.vlan, other.title(), other.part.where(other.path("vlan")...), quote(namespace.Name)),
				"choose a free VLAN, or put one of the VPCs into another VLAN namespace")
		})
	}
	return found
}

// outsideIPv4 needs the namespace to be among what is validated.
func (f *fabric) outsideIPv4(namespace Identity, subnets []subnet) []finding {
	if len(f.byIdentity[namespace]) != 1 {
		return nil
	}
	spec, _ := f.parts[f.byIdentity[namespace][0]].object["spec"].(map[string]any)
	list, _ := spec["subnets"].([]any)
	var quiet rules
	var allowed []netip.Prefix
	var names []string
	for _, item := range list {
		p, ok := quiet.prefix(nil, item)
		if !ok {
			return nil // It has its own error; what it allows is unknown.
		}
		allowed, names = append(allowed, p.Masked()), append(names, p.Masked().String())
	}
	if len(allowed) == 0 {
		return nil
	}
	var found []finding
	for _, s := range subnets {
		if slices.ContainsFunc(allowed, func(p netip.Prefix) bool { return p.Bits() <= s.prefix.Bits() && p.Overlaps(s.prefix) }) {
			continue
		}
		found = append(found, func() Diagnostic {
			return s.part.report(s.path("subnet"), false, SeverityError, "subnet-outside-namespace",
				fmt.Sprintf("%s is not in IPv4 namespace %s", s.prefix, quote(namespace.Name)), "use a subnet of "+strings.Join(names, ", "))
		})
	}
	return found
}

// outsideVLAN needs the namespace to be among what is validated.
func (f *fabric) outsideVLAN(namespace Identity, subnets []subnet) []finding {
	if len(f.byIdentity[namespace]) != 1 {
		return nil
	}
	spec, _ := f.parts[f.byIdentity[namespace][0]].object["spec"].(map[string]any)
	var quiet rules
	ranges := quiet.vlanRanges(spec)
	if len(quiet.found) > 0 || len(ranges) == 0 {
		return nil
	}
	var names []string
	for _, r := range ranges {
		names = append(names, fmt.Sprintf("%d to %d", r.from, r.to))
	}
	var found []finding
	for _, s := range subnets {
		if slices.ContainsFunc(ranges, func(r vlanRange) bool { return r.from <= s.vlan && s.vlan <= r.to }) {
			continue
		}
		found = append(found, func() Diagnostic {
			return s.part.report(s.path("vlan"), false, SeverityError, "vlan-outside-namespace",
				fmt.Sprintf("VLAN %d is not in VLAN namespace %s", s.vlan, quote(namespace.Name)), "use a VLAN from "+strings.Join(names, ", "))
		})
	}
	return found
}
