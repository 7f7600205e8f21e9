package manifests

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Beginnings of documents; each has four lines, so that the first line of spec is 5.
const (
	vpcHead    = "apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata:\n  name: v1\n"
	switchHead = "apiVersion: wiring.githedgehog.com/v1beta1\nkind: Switch\nmetadata:\n  name: leaf-01\n"
	connHead   = "apiVersion: wiring.githedgehog.com/v1beta1\nkind: Connection\nmetadata:\n  name: c1\n"
)

func head(apiVersion, kind, name string) string {
	return fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata:\n  name: %s\n", apiVersion, kind, name)
}

var (
	ipv4Namespace = func(name string) string { return head("vpc.githedgehog.com/v1beta1", "IPv4Namespace", name) }
	vlanNamespace = func(name string) string { return head("wiring.githedgehog.com/v1beta1", "VLANNamespace", name) }
)

// Each case is one or more files and the exact findings. A file "a.yaml" is meant where only one is given.
var validateCases = map[string]struct {
	files map[string]string
	src   string
	want  []string // line:column: severity code path, with the file in front when there are several
	text  []string // messages and fixes that must occur, in any order
}{
	"sound": {src: vpcHead + "spec:\n  subnets:\n    a: {subnet: 10.0.0.0/24, vlan: 10, gateway: 10.0.0.1}\n"},

	// Schema.
	"unknown field": {
		src:  vpcHead + "spec:\n  subnets:\n    a:\n      subnett: 10.0.0.0/24\n      vlan: 10\n",
		want: []string{"8:7: error unknown-field spec.subnets.a.subnett"},
		text: []string{`a has no field "subnett"`, "did you mean subnet?"},
	},
	"unknown field at the root and in metadata": {
		src: strings.Replace(vpcHead, "metadata:\n", "sepc: {}\nmetadata:\n  lables: {a: b}\n", 1),
		want: []string{
			"3:1: error unknown-field sepc",
			"5:3: error unknown-field metadata.lables",
		},
		text: []string{"did you mean spec?", "did you mean labels?"},
	},
	"a field below an object without fields": {
		src:  head("wiring.githedgehog.com/v1beta1", "SwitchGroup", "g") + "spec:\n  members: [a]\n",
		want: []string{"6:3: error unknown-field spec.members"},
		text: []string{"remove it; no fields are allowed here"},
	},
	"required: points at the mapping that lacks it": {
		src:  switchHead + "spec:\n  description: x\n",
		want: []string{"5:1: error required spec.role"},
		text: []string{"spec lacks role", "add role"},
	},
	"required: null counts as absent": {
		src:  switchHead + "spec:\n  role:\n",
		want: []string{"6:3: error required spec.role"},
	},
	"required: at the root": {
		src:  head("vpc.githedgehog.com/v1beta1", "ExternalAttachment", "e"),
		want: []string{"2:1: error required spec"},
		text: []string{"ExternalAttachment lacks spec"},
	},
	"required: in a list item": {
		src: head("vpc.githedgehog.com/v1beta1", "ExternalAttachment", "e") +
			"spec:\n  neighbor: {}\n  switch: {}\n  inboundACL:\n    statements:\n    - {action: permit, seq: 10, protocol: tcp, srcPrefix: any}\n",
		want: []string{"10:5: error required spec.inboundACL.statements[\"10\"].dstPrefix"},
		text: []string{"item 1 of statements lacks dstPrefix"},
	},
	"no name": {
		src:  "apiVersion: wiring.githedgehog.com/v1beta1\nkind: Server\nmetadata: {}\n",
		want: []string{"3:1: error required metadata.name"},
	},
	"nulls elsewhere are no findings": {
		src: vpcHead + "  creationTimestamp:\nspec:\n  mode:\n  subnets:\n    a: {subnet: 10.0.0.0/24, vlan: 10, gateway: }\nstatus:\n",
	},
	"null in a list": {
		src:  ipv4Namespace("ns") + "spec:\n  subnets:\n  - 10.0.0.0/8\n  -\n",
		want: []string{"8:3: error type spec.subnets[1]"},
	},
	"type: list for a mapping": {
		src:  vpcHead + "spec:\n  subnets:\n  - subnet: 10.0.0.0/24\n",
		want: []string{"7:3: error type spec.subnets"},
		text: []string{"subnets is a list, must be a mapping"},
	},
	"type: number for text, boolean for text, text for number and boolean": {
		src: switchHead + "spec:\n  role: spine\n  description: 10\n  profile: yes\n  asn: \"65100\"\n  roce: \"on\"\n",
		want: []string{
			"7:16: error type spec.description",
			"8:12: error type spec.profile",
			"9:8: error type spec.asn",
			"10:9: error type spec.roce",
		},
		text: []string{`quote it: "10"`, `quote it: "yes"`, "remove the quotes", "write true without quotes"},
	},
	"type: what YAML reads as something else is shown as it is written": {
		src:  switchHead + "spec:\n  role: spine\n  description: off\n  profile: 0x1F\n  boot: {serial: 0123, mac: 1_000}\n",
		want: []string{"7:16: error type spec.description", "8:12: error type spec.profile", "9:18: error type spec.boot.serial", "9:29: error type spec.boot.mac"},
		text: []string{`description is off, which YAML reads as false, must be text`, `quote it: "off"`, `quote it: "0x1F"`, `serial is the number 0123, which YAML reads as 83, must be text`, `quote it: "0123"`, `quote it: "1_000"`},
	},
	"type: fraction": {
		src:  switchHead + "spec:\n  role: spine\n  asn: 1.5\n",
		want: []string{"7:8: error type spec.asn"},
		text: []string{"write a whole number"},
	},
	"type: a label that is no text": {
		src:  switchHead + "  labels: {rack: 12}\nspec: {role: spine}\n",
		want: []string{"5:18: error type metadata.labels.rack"},
		text: []string{`quote it: "12"`},
	},
	"enum": {
		src:  switchHead + "spec:\n  role: server-laef\n",
		want: []string{"6:9: error enum spec.role"},
		text: []string{`role is "server-laef", must be one of "spine", "server-leaf"`, "did you mean server-leaf?"},
	},
	"pattern": {
		src: connHead + "spec:\n  fabric:\n    links:\n    - leaf: {port: leaf-01/E1/1, ip: 172.30.128.1}\n      spine: {port: spine-01/E1/1, ip: 172.30.128.0/31}\n",
		want: []string{
			`8:38: error pattern spec.fabric.links["leaf-01/E1/1,spine-01/E1/1"].leaf.ip`,
			`8:20: warning reference-missing spec.fabric.links["leaf-01/E1/1,spine-01/E1/1"].leaf.port`,
			`9:21: warning reference-missing spec.fabric.links["leaf-01/E1/1,spine-01/E1/1"].spine.port`,
		},
		text: []string{"write an IPv4 address with prefix length"},
	},
	"range": {
		src:  switchHead + "spec:\n  role: spine\n  asn: 5000000000\n  linkFlapErrDisable: {flapThreshold: 51, recoveryInterval: -1}\n",
		want: []string{"7:8: error range spec.asn", "8:39: error range spec.linkFlapErrDisable.flapThreshold", "8:61: error range spec.linkFlapErrDisable.recoveryInterval"},
		text: []string{"asn is 5000000000, must be from -2147483648 to 4294967295", "must be from 1 to 50"},
	},
	"size": {
		src:  connHead + "spec:\n  mclag:\n    links: []\n",
		want: []string{"7:12: error size spec.mclag.links"},
		text: []string{"links has 0 items, needs at least 2"},
	},

	// What a document is.
	"unsupported version": {
		src:  strings.Replace(switchHead, "v1beta1", "v1alpha2", 1) + "spec: {role: spine}\n",
		want: []string{"1:13: warning unsupported-version apiVersion"},
		text: []string{"write apiVersion: wiring.githedgehog.com/v1beta1"},
	},
	"unsupported version with other faults": {
		src:  strings.Replace(switchHead, "v1beta1", "v1alpha2", 1) + "spec: {}\n",
		want: []string{"1:13: warning unsupported-version apiVersion", "5:1: error required spec.role"},
		text: []string{"write apiVersion: wiring.githedgehog.com/v1beta1, and correct what else is found in this document"},
	},
	"another API": {
		src:  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
		want: []string{"2:7: note unsupported-kind kind"},
	},
	"a misspelt kind": {
		src:  "apiVersion: wiring.githedgehog.com/v1beta1\nkind: Swich\nmetadata: {name: a}\n",
		want: []string{"2:7: warning unsupported-kind kind"},
		text: []string{"did you mean kind: Switch?"},
	},
	"the wrong group": {
		src:  "apiVersion: wiring.githedgehog.com/v1beta1\nkind: VPC\nmetadata: {name: a}\n",
		want: []string{"2:7: warning unsupported-kind kind"},
		text: []string{"if it shall be Hedgehog's VPC, write apiVersion: vpc.githedgehog.com/v1beta1 and kind: VPC"},
	},
	"a controller's kind": {
		src:  "apiVersion: agent.githedgehog.com/v1beta1\nkind: Agent\nmetadata: {name: a}\nspec: {anything: 1}\n",
		want: []string{"2:7: note controller-kind kind"},
	},
	"no resource": {
		src:  "# values\na: 1\n---\n- x\n---\n# nothing\n---\njust text\n",
		want: []string{"2:1: note not-a-resource ", "4:1: note not-a-resource ", "8:1: note not-a-resource "},
	},
	"no apiVersion": {
		src:  "kind: VPC\nmetadata: {name: a}\n",
		want: []string{"1:1: warning not-a-resource "},
		text: []string{"add apiVersion: vpc.githedgehog.com/v1beta1"},
	},
	"no kind": {
		src:  "apiVersion: vpc.githedgehog.com/v1beta1\nmetadata: {name: a}\n",
		want: []string{"1:1: warning not-a-resource "},
	},
	"neither, but it looks like a resource": {
		src:  "metadata: {name: a}\nspec: {}\n",
		want: []string{"1:1: warning not-a-resource "},
	},
	"a List is opened": {
		src: "apiVersion: v1\nkind: List\nitems:\n- apiVersion: wiring.githedgehog.com/v1beta1\n  kind: Switch\n  metadata: {name: a}\n  spec: {role: x}\n" +
			"- apiVersion: wiring.githedgehog.com/v1beta1\n  kind: Switch\n  metadata: {name: a}\n  spec: {}\n- text\n",
		want: []string{
			"2:7: note list kind",
			"6:20: error duplicate-identity items[0].metadata.name",
			"7:16: error enum items[0].spec.role",
			"10:20: error duplicate-identity items[1].metadata.name",
			"11:3: error required items[1].spec.role",
		},
	},

	// Names.
	"names": {
		src: head("wiring.githedgehog.com/v1beta1", "Server", "Server_01") + "---\n" + head("wiring.githedgehog.com/v1beta1", "Server", "server.example") + "---\n" +
			head("wiring.githedgehog.com/v1beta1", "Server", "ünder") + "---\n" + head("wiring.githedgehog.com/v1beta1", "Server", "ok\n  namespace: Not-OK") + "---\n" +
			head("wiring.githedgehog.com/v1beta1", "Server", `""`),
		want: []string{
			"4:9: error name-invalid metadata.name", "9:9: error name-invalid metadata.name", "14:9: error name-invalid metadata.name",
			"20:14: error name-invalid metadata.namespace", "25:9: error name-invalid metadata.name",
		},
		text: []string{"write server-01: lower case", "has dots, which NetBox cannot store", "write server-example", "the name is empty"},
	},
	"name lengths": {
		src: strings.Replace(vpcHead, "v1\n", "production-vpc\n", 1) + "---\n" + head("wiring.githedgehog.com/v1beta1", "Server", strings.Repeat("a", 254)) + "---\n" +
			head("wiring.githedgehog.com/v1beta1", "Server", strings.Repeat("a", 253)) + "---\n" + strings.Replace(vpcHead, "v1\n", "elevenchars\n", 1),
		want: []string{"4:9: error name-length metadata.name", "9:9: error name-length metadata.name"},
		text: []string{`name "production-vpc" has 14 characters; a VPC may have at most 11`},
	},
	"labels": {
		src: vpcHead + "  labels:\n    a b: c\n    ok: not ok\n    fabric.githedgehog.com/x: z\n    /x: z\n  annotations:\n    -a: b\n    free: any text at all, of any length\n",
		want: []string{
			`6:5: error label-invalid metadata.labels["a b"]`, "7:9: error label-invalid metadata.labels.ok",
			`9:5: error label-invalid metadata.labels["/x"]`, "11:5: error label-invalid metadata.annotations.-a",
		},
	},
	"the same identity in two files and twice in one": {
		files: map[string]string{
			"f/managed/a.yaml": vpcHead,
			"f/managed/b.yaml": vpcHead + "  namespace: default\n---\n" + vpcHead,
			"f/managed/c.yaml": vpcHead + "  namespace: other\n",
			"f/managed/d.yaml": head("vpc.githedgehog.com/v1beta1", "External", "v1"), // another kind
			"f/raw/e.yaml":     vpcHead,                                               // waits for ingestion
			"g/managed/a.yaml": vpcHead,                                               // another fabric
		},
		want: []string{
			"f/managed/a.yaml:4:9: error duplicate-identity metadata.name",
			"f/managed/b.yaml:4:9: error duplicate-identity metadata.name",
			"f/managed/b.yaml:10:9: error duplicate-identity metadata.name",
		},
		text: []string{"vpc/v1 is also in f/managed/b.yaml:4 (3 places in all)", "vpc/v1 is also in f/managed/a.yaml:4 (3 places in all)"},
	},
	"the same identity twice in raw": {
		files: map[string]string{"f/raw/a.yaml": vpcHead, "f/raw/pending/b.yaml": vpcHead},
		want:  []string{"f/raw/a.yaml:4:9: error duplicate-identity metadata.name", "f/raw/pending/b.yaml:4:9: error duplicate-identity metadata.name"},
	},

	// References.
	"references: an error only when the kind is present": {
		src: connHead + "spec:\n  unbundled:\n    link:\n      server: {port: server-01/eth0}\n      switch: {port: leaf-1/E1/1}\n---\n" +
			switchHead + "spec: {role: spine, groups: [g1], profile: vs, vlanNamespaces: [default]}\n",
		want: []string{
			"8:22: warning reference-missing spec.unbundled.link.server.port",
			"9:22: error reference-missing spec.unbundled.link.switch.port",
			"15:30: warning reference-missing spec.groups[0]",
		},
		text: []string{`there is no Switch "leaf-1"`, "did you mean leaf-01?", `there is no Server "server-01"`},
	},
	"references: profiles and default namespaces are never missing": {
		src: head("wiring.githedgehog.com/v1beta1", "SwitchProfile", "p") + "---\n" + ipv4Namespace("ns") + "spec: {subnets: [10.0.0.0/8]}\n---\n" +
			vlanNamespace("ns") + "spec: {ranges: [{from: 1}]}\n---\n" + switchHead + "spec: {role: spine, profile: vs}\n---\n" + vpcHead + "spec: {ipv4Namespace: default, vlanNamespace: default}\n",
	},
	"references: other namespaces are errors like anything else": {
		src: ipv4Namespace("ns") + "spec: {subnets: [10.0.0.0/8]}\n---\n" + vpcHead + "spec: {ipv4Namespace: m, vlanNamespace: m}\n",
		want: []string{
			"11:23: error reference-missing spec.ipv4Namespace",
			"11:41: warning reference-missing spec.vlanNamespace",
		},
	},
	"references: in the namespace of the resource": {
		src: vpcHead + "  namespace: a\nspec: {subnets: {s: {subnet: 10.0.0.0/24}}}\n---\n" + head("vpc.githedgehog.com/v1beta1", "VPCAttachment", "x") +
			"  namespace: a\nspec: {connection: c, subnet: v1/s}\n---\n" + head("vpc.githedgehog.com/v1beta1", "VPCAttachment", "z") + "spec: {subnet: v1/s}\n",
		want: []string{"13:20: warning reference-missing spec.connection", "19:16: error reference-missing spec.subnet"},
	},
	"references: subnets of a VPC": {
		src: vpcHead + "spec: {subnets: {front: {subnet: 10.0.0.0/24}}, permit: [[front, frnt]]}\n---\n" + head("vpc.githedgehog.com/v1beta1", "VPCAttachment", "x") +
			"spec: {subnet: v1/fromt}\n---\n" + head("vpc.githedgehog.com/v1beta1", "VPCPeering", "p") + "spec:\n  permit:\n  - v1: {subnets: [back]}\n    v2: {subnets: [x]}\n",
		want: []string{
			"5:66: error reference-missing spec.permit[0][1]",
			"11:16: error reference-missing spec.subnet",
			"19:20: error reference-missing spec.permit[0].v1.subnets[0]",
			"20:5: error reference-missing spec.permit[0].v2",
		},
		text: []string{`VPC "v1" has no subnet "fromt"`, "did you mean front?", `there is no VPC "v2"`, `this VPC has no subnet "frnt"`},
	},
	"references: not while a document that mentions the name is unreadable": {
		files: map[string]string{
			"a.yaml": connHead + "spec: {external: {link: {switch: {port: leaf-02/E1/1}}}}\n---\n" + switchHead + "spec: {role: spine}\n",
			"b.yaml": "kind: Switch\nmetadata: {name: leaf-02\n",
		},
	},
	"references: gateways and externals": {
		src: head("gateway.githedgehog.com/v1alpha1", "GatewayPeering", "p") +
			"spec:\n  gatewayGroup: g\n  peering:\n    ext.e1: {expose: [{default: true}]}\n    v1: {expose: [{ips: [{vpcSubnet: s}]}]}\n---\n" +
			head("gateway.githedgehog.com/v1alpha1", "Gateway", "w") + "spec: {groups: [{name: default}, {name: h}]}\n---\n" +
			head("vpc.githedgehog.com/v1beta1", "ExternalPeering", "x") + "spec: {permit: {external: {name: e2}, vpc: {name: v1, subnets: [s]}}}\n---\n" +
			head("vpc.githedgehog.com/v1beta1", "ExternalAttachment", "z") + "spec: {connection: c, external: e3, neighbor: {}, switch: {vlan: 0}}\n---\n" + vpcHead + "spec: {subnets: {t: {subnet: 10.0.0.0/24}}}\n",
		want: []string{
			"6:17: warning reference-missing spec.gatewayGroup",
			`8:5: warning reference-missing spec.peering["ext.e1"]`,
			"9:38: error reference-missing spec.peering.v1.expose[0].ips[0].vpcSubnet",
			`15:41: warning reference-missing spec.groups["h"].name`,
			"21:34: warning reference-missing spec.permit.external.name",
			"21:65: error reference-missing spec.permit.vpc.subnets[0]",
			"27:20: warning reference-missing spec.connection",
			"27:33: warning reference-missing spec.external",
		},
	},

	// Lists and connections.
	"the same link twice": {
		src: connHead + "spec:\n  bundled:\n    links:\n    - {server: {port: s/1}, switch: {port: l/1}}\n    - {server: {port: s/1}, switch: {port: l/1}}\n---\n" +
			head("wiring.githedgehog.com/v1beta1", "Server", "s") + "---\n" + head("wiring.githedgehog.com/v1beta1", "Switch", "l") + "spec: {role: spine, groups: [a, b, a]}\n---\n" +
			head("wiring.githedgehog.com/v1beta1", "SwitchGroup", "a") + "---\n" + head("wiring.githedgehog.com/v1beta1", "SwitchGroup", "b"),
		want: []string{`9:7: warning duplicate-item spec.bundled.links["s/1,l/1"]`, "20:36: warning duplicate-item spec.groups[2]"},
		text: []string{`item 2 of links "s/1,l/1" is in this list already, as item 1`},
	},
	"no type of connection": {src: connHead + "spec: {}\n", want: []string{"5:7: error connection-type spec"}},
	"two types of connection": {
		src:  connHead + "spec:\n  external: {}\n  mesh: {}\n",
		want: []string{"6:3: error connection-type spec"},
		text: []string{"the connection has several types: external, mesh"},
	},
	"a misspelt type of connection": {
		src:  connHead + "spec:\n  bundle: {}\n",
		want: []string{"6:3: error unknown-field spec.bundle"},
		text: []string{"did you mean bundled?"},
	},
	"a port without device": {
		src:  connHead + "spec: {external: {link: {switch: {port: leaf-01}}}}\n",
		want: []string{"5:41: error port-invalid spec.external.link.switch.port"},
	},

	// Addresses and VLANs.
	"subnets that are none": {
		src: vpcHead + "spec: {subnets: {a: {subnet: 10.0.0.0}, b: {subnet: 10.0.0.0/33}}}\n---\n" + ipv4Namespace("ns") + "spec: {subnets: [10.0.0/8]}\n",
		want: []string{
			"5:30: error cidr-invalid spec.subnets.a.subnet", "5:53: error cidr-invalid spec.subnets.b.subnet", "11:18: error cidr-invalid spec.subnets[0]",
		},
	},
	"addresses outside of their subnet": {
		src: vpcHead + "spec:\n  subnets:\n    a:\n      subnet: 10.0.1.0/24\n      gateway: 10.0.2.1\n      dhcp: {enable: true, range: {start: 10.0.1.9, end: 10.0.3.9}}\n    b: {subnet: 10.0.4.0/24, gateway: ten}\n",
		want: []string{
			"9:16: error gateway-outside-subnet spec.subnets.a.gateway",
			"10:58: error dhcp-outside-subnet spec.subnets.a.dhcp.range.end",
			"11:39: error ip-invalid spec.subnets.b.gateway",
		},
		text: []string{"gateway 10.0.2.1 is not in 10.0.1.0/24"},
	},
	"overlapping subnets of one IPv4 namespace": {
		files: map[string]string{
			"a.yaml": vpcHead + "spec: {subnets: {s: {subnet: 10.0.0.0/16}}}\n",
			"b.yaml": strings.Replace(vpcHead, "v1\n", "v2\n", 1) + "spec: {ipv4Namespace: default, subnets: {s: {subnet: 10.0.9.0/24}, t: {subnet: 10.1.0.0/24}}}\n",
			"c.yaml": strings.Replace(vpcHead, "v1\n", "v3\n", 1) + "spec: {ipv4Namespace: other, subnets: {s: {subnet: 10.0.0.0/16}}}\n",
			"d.yaml": ipv4Namespace("other") + "spec: {subnets: [10.0.0.0/8, 10.1.0.0/16, 11.0.0.0/8]}\n",
		},
		want: []string{"b.yaml:5:54: error subnet-overlap spec.subnets.s.subnet", "d.yaml:5:30: error subnet-overlap spec.subnets[1]"},
		text: []string{`10.0.9.0/24 overlaps with 10.0.0.0/16, subnet "s" of VPC "v1" in a.yaml:5, in IPv4 namespace "default"`},
	},
	"overlapping subnets of one VPC": {
		src:  vpcHead + "spec:\n  subnets:\n    a: {subnet: 10.0.0.0/24}\n    b: {subnet: 10.0.0.128/25}\n",
		want: []string{"8:17: error subnet-overlap spec.subnets.b.subnet"},
	},
	"a waiting copy overlaps nothing of its own": {
		files: map[string]string{
			"f/managed/a.yaml": vpcHead + "spec: {subnets: {s: {subnet: 10.0.0.0/24, vlan: 10}}}\n",
			"f/raw/a.yaml":     vpcHead + "spec: {subnets: {s: {subnet: 10.0.0.0/16, vlan: 10}}}\n",
		},
	},
	"subnets outside of their namespace": {
		src: ipv4Namespace("default") + "spec: {subnets: [10.0.0.0/16, 10.2.0.0/16]}\n---\n" + vpcHead + "spec: {subnets: {a: {subnet: 10.1.0.0/24}, b: {subnet: 10.2.0.0/24}, c: {subnet: 10.0.0.0/15}}}\n",
		want: []string{
			"11:30: error subnet-outside-namespace spec.subnets.a.subnet",
			"11:82: error subnet-outside-namespace spec.subnets.c.subnet", "11:82: error subnet-overlap spec.subnets.c.subnet",
		},
		text: []string{`10.1.0.0/24 is not in IPv4 namespace "default"`, "use a subnet of 10.0.0.0/16, 10.2.0.0/16"},
	},
	"VLANs that do not exist": {
		src: vpcHead + "spec: {subnets: {a: {vlan: 70000}, b: {vlan: 4095}, c: {vlan: -1}, d: {vlan: 0}}}\n---\n" +
			vlanNamespace("ns") + "spec: {ranges: [{from: 0, to: 10}, {from: 30, to: 20}, {from: 4000, to: 5000}]}\n",
		want: []string{
			"5:28: error vlan-range spec.subnets.a.vlan", "5:46: error vlan-range spec.subnets.b.vlan", "5:63: error vlan-range spec.subnets.c.vlan",
			`11:51: error vlan-range spec.ranges["30"].to`, `11:73: error vlan-range spec.ranges["4000"].to`,
		},
	},
	"overlapping VLAN ranges": {
		src:  vlanNamespace("ns") + "spec: {ranges: [{from: 100, to: 900}, {from: 200}, {from: 300, to: 400}, {from: 901, to: 902}]}\n",
		want: []string{`5:39: error vlan-overlap spec.ranges["200"]`, `5:52: error vlan-overlap spec.ranges["300"]`},
	},
	"the same VLAN twice": {
		files: map[string]string{
			"a.yaml": vpcHead + "spec: {subnets: {s: {vlan: 10}, t: {vlan: 11}, u: {vlan: 10}}}\n",
			"b.yaml": strings.Replace(vpcHead, "v1\n", "v2\n", 1) + "spec: {vlanNamespace: ns, subnets: {s: {vlan: 10}}}\n---\n" + vlanNamespace("ns") + "spec: {ranges: [{from: 1, to: 9}, {from: 20, to: 29}]}\n",
			"c.yaml": strings.Replace(vpcHead, "v1\n", "v3\n", 1) + "spec: {subnets: {s: {vlan: 11}, t: {vlan: 0}}}\n",
		},
		want: []string{
			"a.yaml:5:58: error vlan-duplicate spec.subnets.u.vlan",
			"b.yaml:5:47: error vlan-outside-namespace spec.subnets.s.vlan",
			"c.yaml:5:28: error vlan-duplicate spec.subnets.s.vlan",
		},
		text: []string{`VLAN 11 is already used by subnet "t" of VPC "v1" in a.yaml:5, in VLAN namespace "default"`, "use a VLAN from 1 to 9, 20 to 29"},
	},
}

func TestValidate(t *testing.T) {
	t.Parallel()
	schemas := testSchemas(t)
	for name, test := range validateCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := validateCase(t, schemas, test.files, test.src)
			got := brief(found)
			if test.files == nil {
				for i := range got {
					got[i] = strings.TrimPrefix(got[i], "a.yaml:")
				}
			}
			want := slices.Clone(test.want)
			slices.Sort(got)
			slices.Sort(want)
			sameLines(t, got, append([]string{}, want...))
			var words strings.Builder
			for _, d := range found {
				words.WriteString(d.Message + "\n" + d.Fix + "\n")
				if d.Message == "" || d.Fix == "" || strings.ContainsAny(d.Message+d.Fix, "\n\x1b") {
					t.Errorf("%s: message %q, fix %q", d.Code, d.Message, d.Fix)
				}
				if d.EndLine < d.StartLine || d.EndLine == d.StartLine && d.EndColumn < d.StartColumn {
					t.Errorf("%s ends at %d:%d before it starts at %d:%d", d.Code, d.EndLine, d.EndColumn, d.StartLine, d.StartColumn)
				}
			}
			for _, text := range test.text {
				if !strings.Contains(words.String(), text) {
					t.Errorf("nothing says %q:\n%s", text, words.String())
				}
			}
		})
	}
}

func validateCase(t *testing.T, schemas *Schemas, files map[string]string, src string) []Diagnostic {
	t.Helper()
	if files == nil {
		files = map[string]string{"a.yaml": src}
	}
	var parsed []*File
	for path, text := range files {
		f, _ := Parse(path, []byte(text))
		parsed = append(parsed, f)
	}
	slices.SortFunc(parsed, func(a, b *File) int { return strings.Compare(a.path, b.path) })
	return Validate(parsed, schemas, Options{})
}

// Every code about content occurs in the cases above.
func TestEveryCodeHasACase(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{
		"schema":            true, // For keywords that Hedgehog's CRDs do not use.
		"too-many-findings": true, // TestLimits.
	}
	for _, test := range validateCases {
		for _, line := range test.want {
			fields := strings.Fields(line)
			seen[fields[2]] = true
		}
	}
	for _, g := range codeGroups {
		if g.title == "YAML" || g.title == "Edits" {
			continue // TestParse… and TestEdit… have those.
		}
		for _, c := range g.codes {
			if !seen[c.Code] {
				t.Errorf("no case has %s", c.Code)
			}
		}
	}
}
