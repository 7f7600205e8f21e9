package manifests

import "strings"

// CodeInfo documents one diagnostic code.
type CodeInfo struct {
	Code     string
	Severity Severity // the usual one
	Meaning  string   // one sentence in Markdown
}

// Codes lists every code that this package reports, sorted by group and then as it reads best. docs/diagnostics.md is
// made from it.
func Codes() []CodeInfo {
	var all []CodeInfo
	for _, g := range codeGroups {
		all = append(all, g.codes...)
	}
	return all
}

type codeGroup struct {
	title string
	intro string
	codes []CodeInfo
}

var codeGroups = []codeGroup{
	{
		title: "YAML",
		intro: "The document cannot be read, or not in a way that Kubernetes and every editor agree on. It is left exactly as it is, and nothing that the file holds is deleted anywhere.",
		codes: []CodeInfo{
			{"yaml-syntax", SeverityError, "The text is not YAML that Kubernetes can read."},
			{"tab-indent", SeverityError, "A line is indented with a tab."},
			{"duplicate-key", SeverityError, "A mapping has the same key twice; readers disagree on which one counts."},
			{"merge-order", SeverityError, "A merge (`<<`) stands where readers disagree on whether it overrides a key."},
			{"merge-value", SeverityError, "What `<<` merges is no mapping or list of mappings."},
			{"alias-cycle", SeverityError, "An alias refers to something that contains it."},
			{"alias-bomb", SeverityError, "Aliases would multiply the document beyond any sensible size."},
			{"too-deep", SeverityError, "Mappings and lists are nested too deeply."},
			{"too-large", SeverityError, "The file is larger than what is read."},
			{"not-utf8", SeverityError, "The file holds bytes that are no UTF-8."},
			{"utf16", SeverityError, "The file is UTF-16; save it as UTF-8."},
			{"nul-byte", SeverityError, "The file holds a NUL byte."},
			{"control-character", SeverityError, "The file holds a control character that YAML does not allow."},
			{"bom-inside", SeverityError, "A byte order mark stands elsewhere than at the beginning of the file."},
			{"not-json", SeverityError, "A value has no JSON form, such as `.inf` or `.nan`."},
			{"yaml-tag", SeverityError, "A tag (`!…`) that Kubernetes does not know."},
			{"yaml-key", SeverityError, "A key is no plain text: a mapping, a list or something that reads as two different texts."},
			{"yaml-unsupported", SeverityError, "Valid YAML that two readers understand differently, or that cannot be edited safely."},
			{"template", SeverityError, "The document holds template braces (`{{ … }}`); only what the template produces can be synchronised."},
			{"encrypted", SeverityError, "The document is encrypted (SOPS)."},
		},
	},
	{
		title: "What a document is",
		intro: "Documents that are not synchronised are said to be so and left alone, wherever they stand.",
		codes: []CodeInfo{
			{"unsupported-version", SeverityWarning, "A known kind in a version that the cluster does not serve (`v1alpha2`). The document is checked against the served version as well, so that everything that has to change is said at once."},
			{"unsupported-kind", SeverityNote, "A resource of another API. A warning when it looks like a misspelt kind or group of Hedgehog."},
			{"controller-kind", SeverityNote, "A kind that Hedgehog's controllers write (`VPCInfo`, `Agent`, …)."},
			{"not-a-resource", SeverityNote, "A document without `apiVersion` and `kind`. A warning when it looks like a resource that lacks one of them."},
			{"list", SeverityNote, "A `kind: List`. Its items are checked, but only ingestion opens it."},
		},
	},
	{
		title: "Schema",
		intro: "The document does not fit the schema of its kind, which is the one in the CustomResourceDefinition. As for `kubectl`, unknown fields are errors; a null in a mapping counts as absent.",
		codes: []CodeInfo{
			{"unknown-field", SeverityError, "The schema has no such field here."},
			{"required", SeverityError, "A field that must be there is missing."},
			{"type", SeverityError, "A value of the wrong type, such as text for a number or a list for a mapping."},
			{"enum", SeverityError, "A value that is not among the allowed ones."},
			{"pattern", SeverityError, "A text of the wrong form."},
			{"range", SeverityError, "A number that is too small or too large."},
			{"size", SeverityError, "Too few or too many items, entries or characters."},
			{"schema", SeverityError, "Any other contradiction to the schema."},
		},
	},
	{
		title: "Names",
		intro: "",
		codes: []CodeInfo{
			{"name-invalid", SeverityError, "A name or namespace that is no DNS-1123 label. Dots, which Kubernetes allows, cannot be stored in NetBox."},
			{"name-length", SeverityError, "A name longer than 253 characters; 11 for `VPC`, `External` and `IPv4Namespace`, whose names become part of names on the switches."},
			{"label-invalid", SeverityError, "A label or annotation with a key or value that Kubernetes refuses."},
			{"duplicate-identity", SeverityError, "Two documents of one fabric are the same resource: same API group, kind, namespace and name. Files waiting in `raw/` are compared among themselves, because they update what is managed."},
		},
	},
	{
		title: "Meaning",
		intro: "References, subnets and VLANs are compared within one fabric, and only with what is validated along.",
		codes: []CodeInfo{
			{"reference-missing", SeverityError, "A resource or a subnet of a VPC that is named does not exist. A warning when nothing of its kind is being validated; never reported for profiles and namespaces named `default`, and not while a document that mentions the name cannot be read."},
			{"duplicate-item", SeverityWarning, "A list has two items with the same key (two links with the same ports, two rules with the same `seq`), so that it can only be compared and merged as a whole."},
			{"connection-type", SeverityError, "A `Connection` has none or several of its types (`bundled`, `mclag`, …)."},
			{"port-invalid", SeverityError, "A port that is not written as `device/port`."},
			{"cidr-invalid", SeverityError, "A subnet that is no address with prefix length."},
			{"ip-invalid", SeverityError, "An address that is none."},
			{"gateway-outside-subnet", SeverityError, "The gateway of a VPC's subnet is not in it."},
			{"dhcp-outside-subnet", SeverityError, "The DHCP range of a VPC's subnet is not in it."},
			{"subnet-overlap", SeverityError, "Two subnets in one IPv4 namespace share addresses."},
			{"subnet-outside-namespace", SeverityError, "A subnet of a VPC is not in its IPv4 namespace."},
			{"vlan-range", SeverityError, "A VLAN outside of 1 to 4094, or a range that ends before it begins."},
			{"vlan-duplicate", SeverityError, "Two subnets in one VLAN namespace use the same VLAN."},
			{"vlan-overlap", SeverityError, "Two ranges of a VLAN namespace share VLANs."},
			{"vlan-outside-namespace", SeverityError, "A subnet's VLAN is not in the VLAN namespace of its VPC."},
		},
	},
	{
		title: "Edits",
		intro: "A change from NetBox cannot be written into the file. The file stays as it is.",
		codes: []CodeInfo{
			{"edit-refused", SeverityError, "The change cannot be made without touching something else, or an independent reader did not see the wanted values in the result."},
			{"not-a-map", SeverityError, "The document is no mapping that could be edited."},
			{"no-such-document", SeverityError, "The file has fewer documents than when it was read."},
			{"value-not-yaml", SeverityError, "The wanted value has no YAML form."},
		},
	},
	{
		title: "Limits",
		intro: "",
		codes: []CodeInfo{
			{"too-many-findings", SeverityNote, "More findings than are shown: 100 in one document, 1,000 between the documents of one fabric."},
		},
	},
}

// CodesMarkdown renders docs/diagnostics.md.
func CodesMarkdown() string {
	var b strings.Builder
	b.WriteString("# Diagnostics\n\n")
	b.WriteString("Every finding about a file has a stable code. `hnp-sync validate` prints it in brackets; check runs, error files and the\n")
	b.WriteString("API use the same. An error stops the resource from being synchronised; a warning or a note does not.\n\n")
	b.WriteString("This page is made from the table in `manifests/codes.go`: `go test ./manifests -run TestDiagnosticsPage -update`.\n")
	for _, g := range codeGroups {
		b.WriteString("\n## " + g.title + "\n\n")
		if g.intro != "" {
			b.WriteString(g.intro + "\n\n")
		}
		b.WriteString("| code | severity | meaning |\n|---|---|---|\n")
		for _, c := range g.codes {
			b.WriteString("| `" + c.Code + "` | " + string(c.Severity) + " | " + strings.ReplaceAll(c.Meaning, "|", `\|`) + " |\n")
		}
	}
	return b.String()
}
