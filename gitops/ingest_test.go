package gitops

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

const (
	vpcA      = "# mine\n" + "apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata:\n  name: a\nspec: {}\n"
	vpcB      = "apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata:\n  name: b # bee\nspec:\n  subnets:\n    x:\n      subnet: 10.0.1.0/24\n      vlan: 1001\n"
	badVPC    = "apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata:\n  name: c\nspec:\n  nonsense: 1\n"
	brokenVPC = "kind: VPC\nmetadata: {name: d\n"
	configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: cm\ndata: {a: b} # kept\n"
	oldVPC    = "apiVersion: vpc.githedgehog.com/v1alpha2\nkind: VPC\nmetadata:\n  name: old\n"
)

// nonsense is the line of an error file about the unknown field of badVPC.
func nonsense(at string) string {
	return at + `: spec has no field "nonsense" [unknown-field] (fix: remove it; allowed are defaultIsolated, defaultRestricted, ipv4Namespace, mode, permit, staticRoutes, subnets, vlanNamespace)` + "\n"
}

// What one drop leads to. Files are those that come to be or change, except that "-path" must be gone; nothing else may
// change.
func TestIngest(t *testing.T) {
	t.Parallel()
	base := marked(t).with(directory{"managed/vpcs/b.yaml": vpcB})
	lenient := func(in *StructureInput) { in.Fabric.Ingest.ValidationStrict = false }
	none := func(in *StructureInput) {}
	managedB := func(text string) directory { return base.with(directory{"managed/vpcs/b.yaml": text}) }
	setB := strings.Replace(vpcB, "1001", "1002", 1)
	for name, c := range map[string]struct {
		tree   directory
		drop   directory
		change func(in *StructureInput)
		want   directory // "" is gone
		codes  []string  // of findings, sorted, structure/* left out
	}{
		"a document is filed byte for byte, the original archived": {base, directory{"raw/x.yaml": vpcA}, none,
			directory{"raw/x.yaml": "", "managed/vpcs/a.yaml": vpcA, "raw/processed/x.yaml": vpcA}, nil},
		"from raw/pending/ as well": {base, directory{"raw/pending/x.yml": vpcA}, none,
			directory{"raw/pending/x.yml": "", "managed/vpcs/a.yaml": vpcA, "raw/processed/x.yml": vpcA}, nil},
		"from a folder below raw/": {base, directory{"raw/site/x.yaml": vpcA}, none,
			directory{"raw/site/x.yaml": "", "managed/vpcs/a.yaml": vpcA, "raw/processed/site/x.yaml": vpcA}, nil},
		"the original is removed when it shall not be archived": {base, directory{"raw/x.yaml": vpcA}, func(in *StructureInput) { in.Fabric.Ingest.ArchiveProcessed = false },
			directory{"raw/x.yaml": "", "managed/vpcs/a.yaml": vpcA}, nil},
		"a second archive of a name replaces the first": {base.with(directory{"raw/processed/x.yaml": "old"}), directory{"raw/x.yaml": vpcA}, none,
			directory{"raw/x.yaml": "", "managed/vpcs/a.yaml": vpcA, "raw/processed/x.yaml": vpcA}, nil},
		"two originals of one name in one commit are both archived": {base, directory{"raw/x.yaml": vpcA, "raw/pending/x.yaml": configMap}, none,
			directory{"raw/x.yaml": "", "raw/pending/x.yaml": "", "managed/vpcs/a.yaml": vpcA, "unmanaged/external-configs/x.yaml": configMap,
				"raw/processed/x.yaml": configMap, "raw/processed/x-2.yaml": vpcA}, nil},
		"outside the default namespace the file name says so": {base, directory{"raw/x.yaml": strings.Replace(vpcA, "name: a", "name: a\n  namespace: lab", 1)}, none,
			directory{"raw/x.yaml": "", "managed/vpcs/lab.a.yaml": strings.Replace(vpcA, "name: a", "name: a\n  namespace: lab", 1),
				"raw/processed/x.yaml": strings.Replace(vpcA, "name: a", "name: a\n  namespace: lab", 1)}, nil},
		"a path that another identity has is left to it": {base.with(directory{"managed/vpcs/a.yaml": doc("vpc/z", "{}")}), directory{"raw/x.yaml": vpcA}, none,
			directory{"raw/x.yaml": "", "managed/vpcs/a-2.yaml": vpcA, "raw/processed/x.yaml": vpcA}, nil},
		"so is one that differs by case": {base.with(directory{"managed/vpcs/A.yaml": doc("vpc/z", "{}")}), directory{"raw/x.yaml": vpcA}, none,
			directory{"raw/x.yaml": "", "managed/vpcs/a-2.yaml": vpcA, "raw/processed/x.yaml": vpcA}, nil},
		"and a directory": {base.with(directory{"managed/vpcs/a.yaml/x.txt": "z"}), directory{"raw/x.yaml": vpcA}, none,
			directory{"raw/x.yaml": "", "managed/vpcs/a-2.yaml": vpcA, "raw/processed/x.yaml": vpcA}, nil},

		"documents, comments and separators": {base, directory{"raw/x.yaml": "# header\n--- # first\n" + vpcA + "# tail of a\n---\n---\n# alone\n---\n# of c\n" + doc("vpc/c", "{}") + "...\n# the end\n"}, none,
			directory{"raw/x.yaml": "", "managed/vpcs/a.yaml": "# header\n# first\n" + vpcA + "# tail of a\n", "managed/vpcs/c.yaml": "# alone\n# of c\n" + doc("vpc/c", "{}") + "# the end\n",
				"raw/processed/x.yaml": "# header\n--- # first\n" + vpcA + "# tail of a\n---\n---\n# alone\n---\n# of c\n" + doc("vpc/c", "{}") + "...\n# the end\n"}, nil},
		"line ends, a byte order mark and a missing last line end": {base, directory{"raw/x.yaml": "\ufeff---\r\n" + strings.TrimSuffix(strings.ReplaceAll(vpcA, "\n", "\r\n"), "\r\n")}, none,
			directory{"raw/x.yaml": "", "managed/vpcs/a.yaml": strings.TrimSuffix(strings.ReplaceAll(vpcA, "\n", "\r\n"), "\r\n"),
				"raw/processed/x.yaml": "\ufeff---\r\n" + strings.TrimSuffix(strings.ReplaceAll(vpcA, "\n", "\r\n"), "\r\n")}, nil},
		"a directive goes with its document": {base, directory{"raw/x.yaml": "%YAML 1.2\n---\n" + vpcA}, none,
			directory{"raw/x.yaml": "", "managed/vpcs/a.yaml": "%YAML 1.2\n---\n" + vpcA, "raw/processed/x.yaml": "%YAML 1.2\n---\n" + vpcA}, nil},
		"JSON by pattern": {base, directory{"raw/x.json": `{"apiVersion":"vpc.githedgehog.com/v1beta1","kind":"VPC","metadata":{"name":"a"}}`},
			func(in *StructureInput) { in.Fabric.Ingest.FilePatterns = []string{"*.json"} },
			directory{"raw/x.json": "", "managed/vpcs/a.yaml": `{"apiVersion":"vpc.githedgehog.com/v1beta1","kind":"VPC","metadata":{"name":"a"}}`,
				"raw/processed/x.json": `{"apiVersion":"vpc.githedgehog.com/v1beta1","kind":"VPC","metadata":{"name":"a"}}`}, nil},

		"ENGINE 24: a managed document is set to the body, its own bytes stay": {base, directory{"raw/x.yaml": setB}, none,
			directory{"raw/x.yaml": "", "managed/vpcs/b.yaml": setB, "raw/processed/x.yaml": setB}, nil},
		"ENGINE 24: comments, order and quotes of the managed file survive": {
			managedB("# kept\nkind: VPC\napiVersion: 'vpc.githedgehog.com/v1beta1'\nmetadata: {name: b, annotations: {hnp.githedgehog.com/fabric: f, mine: x}, labels: {fabric.githedgehog.com/x: y}} # kept too\nspec:\n  subnets:\n    x: {vlan: 0x3E9, subnet: 10.0.1.0/24}\n"),
			directory{"raw/x.yaml": setB}, none,
			directory{"raw/x.yaml": "", "managed/vpcs/b.yaml": "# kept\nkind: VPC\napiVersion: 'vpc.githedgehog.com/v1beta1'\nmetadata: {name: b, annotations: {hnp.githedgehog.com/fabric: f}, labels: {fabric.githedgehog.com/x: y}} # kept too\nspec:\n  subnets:\n    x: {vlan: 1002, subnet: 10.0.1.0/24}\n",
				"raw/processed/x.yaml": setB}, nil},
		"ENGINE 24: the same body, spelt another way, changes nothing": {base,
			directory{"raw/x.yaml": "{apiVersion: vpc.githedgehog.com/v1beta1, kind: VPC, metadata: {name: b, labels: {}}, spec: {vlanNamespace: default, subnets: {x: {vlan: 1001, subnet: 10.0.1.0/24}}}}\n"}, none,
			directory{"raw/x.yaml": "", "raw/processed/x.yaml": "{apiVersion: vpc.githedgehog.com/v1beta1, kind: VPC, metadata: {name: b, labels: {}}, spec: {vlanNamespace: default, subnets: {x: {vlan: 1001, subnet: 10.0.1.0/24}}}}\n"}, nil},
		"the same bytes again only go": {base.with(directory{"raw/processed/x.yaml": vpcB}), directory{"raw/x.yaml": vpcB}, none, directory{"raw/x.yaml": ""}, nil},
		"the document is set wherever it stands": {base.without("managed/vpcs/b.yaml").with(directory{"managed/servers/all.yaml": doc("server/s", "{}") + "---\n" + vpcB}), directory{"raw/x.yaml": setB}, none,
			directory{"raw/x.yaml": "", "managed/servers/all.yaml": doc("server/s", "{}") + "---\n" + setB, "raw/processed/x.yaml": setB}, nil},
		"an executable file stays one": {base.without("managed/vpcs/b.yaml").with(directory{"managed/vpcs/b.yaml": vpcB, "raw/tool.yaml": "mode 100755"}), directory{"raw/x.yaml": setB}, none,
			directory{"raw/x.yaml": "", "managed/vpcs/b.yaml": setB, "raw/processed/x.yaml": setB, "raw/tool.yaml": "", "raw/errors/tool.yaml": "mode 100755",
				"raw/errors/tool.yaml.errors.txt": "1:1: the document is no mapping, so it is no resource [not-a-resource] (fix: correct the document, or move it out of raw/)\n"}, []string{"raw/errors/tool.yaml: ingest/refused"}},

		"ENGINE 24: two waiting documents of one identity stay, with error files": {base, directory{"raw/x.yaml": vpcA, "raw/y.yaml": vpcA, "raw/z.yaml": doc("vpc/z", "{}")}, none,
			directory{"raw/errors/x.yaml.errors.txt": "5:9: vpc/a is also in raw/y.yaml [duplicate-identity] (fix: keep one of them)\n",
				"raw/errors/y.yaml.errors.txt": "5:9: vpc/a is also in raw/x.yaml [duplicate-identity] (fix: keep one of them)\n",
				"raw/z.yaml":                   "", "raw/processed/z.yaml": doc("vpc/z", "{}"), "managed/vpcs/z.yaml": doc("vpc/z", "{}")}, []string{"raw/x.yaml: duplicate-identity", "raw/y.yaml: duplicate-identity"}},
		"ENGINE 24: in one file too": {base, directory{"raw/x.yaml": vpcA + "---\n" + vpcA}, none,
			directory{"raw/errors/x.yaml.errors.txt": "5:9: vpc/a is again in document 2 [duplicate-identity] (fix: keep one of them)\n12:9: vpc/a is again in document 1 [duplicate-identity] (fix: keep one of them)\n"}, []string{"raw/x.yaml: duplicate-identity"}},
		"a file that is refused is no twin": {base, directory{"raw/x.yaml": vpcA + "---\n" + badVPC, "raw/y.yaml": vpcA}, none,
			directory{"raw/x.yaml": "", "raw/errors/x.yaml": vpcA + "---\n" + badVPC,
				"raw/errors/x.yaml.errors.txt": nonsense("13:3"),
				"raw/y.yaml":                   "", "raw/processed/y.yaml": vpcA, "managed/vpcs/a.yaml": vpcA}, []string{"raw/errors/x.yaml: ingest/refused"}},
		"ENGINE 24: a target that stands twice is frozen": {base.with(directory{"managed/vpcs/b2.yaml": vpcB}), directory{"raw/x.yaml": setB}, none,
			directory{"raw/errors/x.yaml.errors.txt": "4:9: vpc/b stands in managed/vpcs/b.yaml and managed/vpcs/b2.yaml [ingest/frozen-target] (fix: keep one of them first)\n"},
			[]string{"managed/vpcs/b.yaml: duplicate-identity", "managed/vpcs/b2.yaml: duplicate-identity", "raw/x.yaml: ingest/frozen-target"}},
		"ENGINE 24: a target in a broken file is frozen": {managedB(vpcB + "---\n" + brokenVPC), directory{"raw/x.yaml": setB}, none,
			directory{"raw/errors/x.yaml.errors.txt": "4:9: vpc/b stands in managed/vpcs/b.yaml, which is not readable in every document [ingest/frozen-target] (fix: repair that file first)\n"},
			[]string{"managed/vpcs/b.yaml: yaml-syntax", "raw/x.yaml: ingest/frozen-target"}},
		"ENGINE 24: a target that may be in a broken document is frozen": {base.with(directory{"managed/vpcs/d.yaml": brokenVPC}), directory{"raw/x.yaml": doc("vpc/d", "{}")}, none,
			directory{"raw/errors/x.yaml.errors.txt": "4:9: vpc/d may be in managed/vpcs/d.yaml, which holds the name and is not readable as YAML in every document [ingest/frozen-target] (fix: repair that file first, or delete it)\n"},
			[]string{"managed/vpcs/d.yaml: yaml-syntax", "raw/x.yaml: ingest/frozen-target"}},
		"ENGINE 24: a target that base places in a symbolic link is frozen": {base.with(directory{"managed/vpcs/link.yaml": "mode 120000"}), directory{"raw/x.yaml": vpcA}, func(in *StructureInput) {
			k := keyOf(t, "vpc/a")
			in.State.Resources[k] = &Resource{Key: k, Exists: true, File: "managed/vpcs/link.yaml"}
		}, directory{"raw/errors/x.yaml.errors.txt": "5:9: vpc/a belongs to managed/vpcs/link.yaml, which is a symbolic link [ingest/frozen-target] (fix: repair that file first)\n"},
			[]string{"raw/x.yaml: ingest/frozen-target"}},
		"ENGINE 24: a file of unknown content at its place freezes a target": {base.with(directory{"managed/vpcs/a.yaml": "version https://git-lfs.github.com/spec/v1\n"}), directory{"raw/x.yaml": vpcA}, none,
			directory{"raw/errors/x.yaml.errors.txt": "5:9: vpc/a may be in managed/vpcs/a.yaml, which is a Git LFS pointer [ingest/frozen-target] (fix: make it a regular file, or delete it)\n"},
			[]string{"raw/x.yaml: ingest/frozen-target"}},
		"anchors beside the target do not matter": {managedB(strings.Replace(vpcB, "  subnets:\n", "  subnets: &s\n", 1) + "---\n" + "apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata: {name: e, labels: &l {a: b}, annotations: *l}\n"),
			directory{"raw/x.yaml": setB}, none,
			directory{"raw/x.yaml": "", "raw/processed/x.yaml": setB, "managed/vpcs/b.yaml": strings.Replace(setB, "  subnets:\n", "  subnets: &s\n", 1) + "---\n" + "apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata: {name: e, labels: &l {a: b}, annotations: *l}\n"}, nil},

		"an invalid document refuses its file": {base, directory{"raw/x.yaml": vpcA + "---\n" + badVPC}, none,
			directory{"raw/x.yaml": "", "raw/errors/x.yaml": vpcA + "---\n" + badVPC,
				"raw/errors/x.yaml.errors.txt": nonsense("13:3")}, []string{"raw/errors/x.yaml: ingest/refused"}},
		"unless validation is not strict: the bad ones stay in the error copy": {base, directory{"raw/x.yaml": vpcA + "---\n" + badVPC + "---\n" + configMap}, lenient,
			directory{"raw/x.yaml": "", "raw/processed/x.yaml": vpcA + "---\n" + badVPC + "---\n" + configMap, "managed/vpcs/a.yaml": vpcA,
				"unmanaged/external-configs/x.yaml": configMap, "raw/errors/x.yaml": "# mine\n---\n" + badVPC,
				"raw/errors/x.yaml.errors.txt": nonsense("8:3")}, []string{"raw/errors/x.yaml: ingest/refused"}},
		"a file of bad documents only is refused whole": {base, directory{"raw/x.yaml": badVPC}, lenient,
			directory{"raw/x.yaml": "", "raw/errors/x.yaml": badVPC, "raw/errors/x.yaml.errors.txt": nonsense("6:3")}, []string{"raw/errors/x.yaml: ingest/refused"}},
		"another refused file of the name is kept": {base.with(directory{"raw/errors/x.yaml": "old", "raw/errors/x.yaml.errors.txt": "1:1: old\n"}), directory{"raw/x.yaml": badVPC}, none,
			directory{"raw/x.yaml": "", "raw/errors/x-2.yaml": badVPC, "raw/errors/x-2.yaml.errors.txt": nonsense("6:3")},
			[]string{"raw/errors/x-2.yaml: ingest/refused", "raw/errors/x.yaml: ingest/refused"}},
		"the same bad bytes again only go": {base.with(directory{"raw/errors/x.yaml": badVPC, "raw/errors/x.yaml.errors.txt": nonsense("6:3")}), directory{"raw/x.yaml": badVPC}, none,
			directory{"raw/x.yaml": ""}, []string{"raw/errors/x.yaml: ingest/refused"}},
		"a bad file that may be the last copy stays": {base, directory{"raw/x.yaml": badVPC}, func(in *StructureInput) {
			k := keyOf(t, "vpc/c")
			in.State.Resources[k] = &Resource{Key: k, Exists: true, File: "managed/vpcs/c.yaml"}
		}, directory{"raw/errors/x.yaml.errors.txt": "1:1: this may be the only file left of vpc/c; it stays here and nothing is deleted [ingest/last-copy] (fix: correct what is said here, or delete the file if the resource shall go)\n" +
			nonsense("6:3")}, []string{"raw/x.yaml: ingest/last-copy", "raw/x.yaml: unknown-field"}},

		"unsupported documents are kept, unmanaged": {base, directory{"raw/x.yaml": configMap + "---\n" + oldVPC + "---\nplain: data\n"}, none,
			directory{"raw/x.yaml": "", "raw/processed/x.yaml": configMap + "---\n" + oldVPC + "---\nplain: data\n", "unmanaged/external-configs/x.yaml": configMap + "---\n" + oldVPC + "---\nplain: data\n"}, nil},
		"an unmanaged file of the name is kept": {base.with(directory{"unmanaged/external-configs/x.yaml": "old: 1\n"}), directory{"raw/x.yaml": configMap}, none,
			directory{"raw/x.yaml": "", "raw/processed/x.yaml": configMap, "unmanaged/external-configs/x-2.yaml": configMap}, nil},
		"what a controller makes is unmanaged": {base, directory{"raw/x.yaml": "apiVersion: agent.githedgehog.com/v1beta1\nkind: Agent\nmetadata: {name: x}\n"}, none,
			directory{"raw/x.yaml": "", "raw/processed/x.yaml": "apiVersion: agent.githedgehog.com/v1beta1\nkind: Agent\nmetadata: {name: x}\n",
				"unmanaged/external-configs/x.yaml": "apiVersion: agent.githedgehog.com/v1beta1\nkind: Agent\nmetadata: {name: x}\n"}, nil},

		"ENGINE 24: a List is opened, comments included": {base, directory{"raw/x.yaml": "apiVersion: v1\nkind: List\nitems:\n# of a\n- apiVersion: vpc.githedgehog.com/v1beta1\n  kind: VPC\n  metadata:\n    # the name\n    name: a\n  spec: {} # none\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: cm}}\n"}, none,
			directory{"raw/x.yaml": "", "raw/processed/x.yaml": "apiVersion: v1\nkind: List\nitems:\n# of a\n- apiVersion: vpc.githedgehog.com/v1beta1\n  kind: VPC\n  metadata:\n    # the name\n    name: a\n  spec: {} # none\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: cm}}\n",
				"managed/vpcs/a.yaml":               "# of a\napiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata:\n  # the name\n  name: a\nspec: {} # none\n",
				"unmanaged/external-configs/x.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: cm}}\n"}, nil},
		"ENGINE 24: an item that shares an anchor is written out": {base, directory{"raw/x.yaml": "apiVersion: v1\nkind: List\nitems:\n- apiVersion: &v vpc.githedgehog.com/v1beta1\n  kind: &k VPC\n  metadata: {name: a}\n- apiVersion: *v\n  kind: *k\n  metadata: {name: c}\n"}, none,
			directory{"raw/x.yaml": "", "raw/processed/x.yaml": "apiVersion: v1\nkind: List\nitems:\n- apiVersion: &v vpc.githedgehog.com/v1beta1\n  kind: &k VPC\n  metadata: {name: a}\n- apiVersion: *v\n  kind: *k\n  metadata: {name: c}\n",
				"managed/vpcs/a.yaml": "apiVersion: &v vpc.githedgehog.com/v1beta1\nkind: &k VPC\nmetadata: {name: a}\n",
				"managed/vpcs/c.yaml": "apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata:\n  name: c\n"}, nil},
		"ENGINE 24: a bad item refuses the file, with its line": {base, directory{"raw/x.yaml": "apiVersion: v1\nkind: List\nitems:\n- apiVersion: vpc.githedgehog.com/v1beta1\n  kind: VPC\n  metadata: {name: a}\n  spec: {nonsense: 1}\n"}, none,
			directory{"raw/x.yaml": "", "raw/errors/x.yaml": "apiVersion: v1\nkind: List\nitems:\n- apiVersion: vpc.githedgehog.com/v1beta1\n  kind: VPC\n  metadata: {name: a}\n  spec: {nonsense: 1}\n",
				"raw/errors/x.yaml.errors.txt": nonsense("7:10")}, []string{"raw/errors/x.yaml: ingest/refused"}},
		"ENGINE 24: what only a cluster sets is cut out": {base, directory{"raw/x.yaml": "apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata:\n  creationTimestamp: null\n  generation: 3\n  managedFields: [{manager: kubectl}]\n  name: a # its name\n  resourceVersion: \"7\"\n  uid: 0-0\nspec: {}\nstatus:\n  x: 1\n"}, none,
			directory{"raw/x.yaml": "", "managed/vpcs/a.yaml": "apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata:\n  name: a # its name\nspec: {}\n",
				"raw/processed/x.yaml": "apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata:\n  creationTimestamp: null\n  generation: 3\n  managedFields: [{manager: kubectl}]\n  name: a # its name\n  resourceVersion: \"7\"\n  uid: 0-0\nspec: {}\nstatus:\n  x: 1\n"}, nil},

		"what is no YAML is left alone": {base, directory{"raw/notes.txt": "x", "raw/pending/README.md": "x", "raw/.hidden": "x"}, none, directory{}, []string{"raw/notes.txt: ingest/not-taken"}},
		"what no pattern matches waits": {base, directory{"raw/x.yaml": vpcA}, func(in *StructureInput) { in.Fabric.Ingest.FilePatterns = []string{"vpc-*.yaml"} }, directory{}, []string{"raw/x.yaml: ingest/not-taken"}},
		"a pattern may name a folder": {base, directory{"raw/site/x.yaml": vpcA, "raw/x.yaml": vpcA}, func(in *StructureInput) { in.Fabric.Ingest.FilePatterns = []string{"site/*"} },
			directory{"raw/site/x.yaml": "", "managed/vpcs/a.yaml": vpcA, "raw/processed/site/x.yaml": vpcA}, []string{"raw/x.yaml: ingest/not-taken"}},
		"an empty file is left alone": {base, directory{"raw/x.yaml": "# nothing yet\n"}, none, directory{}, []string{"raw/x.yaml: ingest/empty"}},
		"symbolic links, submodules, LFS pointers and large files are left": {base, directory{"raw/a.yaml": "mode 120000", "raw/b.yaml": "mode 160000", "raw/c.yaml": "mode oversize", "raw/d.yaml": "version https://git-lfs.github.com/spec/v1\n"}, none, directory{},
			[]string{}},
		"a report whose file is gone is removed": {base.with(directory{"raw/errors/x.yaml.errors.txt": "1:1: old\n", "raw/errors/mine.errors.txt": "my own notes\n"}), directory{}, none,
			directory{"raw/errors/x.yaml.errors.txt": ""}, nil},
		"in a loose directory nothing waits": {directory{Marker: "x", "a.yaml": vpcA}, directory{}, none, directory{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := structureInput(t, c.tree)
			c.change(in)
			before := c.tree.with(c.drop)
			got, _ := settled(t, in, before)
			want := before.with(c.want)
			for p, text := range c.want {
				if text == "" {
					delete(want, p)
				}
			}
			for _, p := range slices.Sorted(maps.Keys(want.with(got))) {
				a, wanted := want[p]
				b, there := got[p]
				if a != b || wanted != there {
					t.Errorf("%s: there %t %q\nwanted %t %q", p, there, b, wanted, a)
				}
			}
			found := slices.DeleteFunc(codes(append(PlanStructure(in.on(got)).Diagnostics, in.on(got).View.Diagnostics...)),
				func(s string) bool { return strings.Contains(s, ": structure/") })
			if !slices.Equal(found, c.codes) && len(found)+len(c.codes) > 0 {
				t.Errorf("findings afterwards %q, not %q", found, c.codes)
			}
		})
	}
}

// Names and paths become paths only when they are safe; whatever is wrong with them, the file is refused or left, and
// nothing else is written.
func TestIngestHostileNames(t *testing.T) {
	t.Parallel()
	base := marked(t)
	for _, name := range []string{"../../x", "..", ".", "a/b", "/etc/passwd", `a\b`, "a\x00b", "a\nb", "-a", ".git", "a b", "ä", "A", "a\u202eb", strings.Repeat("a", 254)} {
		for _, field := range []string{"name", "namespace"} {
			quoted, _ := json.Marshal(name)
			text := "apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata:\n  name: ok\n  namespace: default\n"
			text = strings.Replace(text, map[string]string{"name": "ok", "namespace": "default"}[field], string(quoted), 1)
			in := structureInput(t, base)
			in.Validate = nil // not even a schema stands between
			d := base.with(directory{"raw/x.yaml": text})
			out, pl := settled(t, in, d)
			if got := paths(pl.Files); got != "+raw/errors/x.yaml +raw/errors/x.yaml.errors.txt -raw/x.yaml" {
				t.Errorf("%s %q: %s", field, name, got)
			}
			if got := out["raw/errors/x.yaml.errors.txt"]; !strings.HasPrefix(got, "4:9: ") || !strings.Contains(got, "[name-invalid]") || strings.Count(got, "\n") != 1 {
				t.Errorf("%s %q: the error file says %q", field, name, got)
			}
		}
	}
	for _, p := range []string{"raw/a\nb.yaml", "raw/a\x00.yaml", `raw/a\b.yaml`, "raw/\xff.yaml", "raw/a\u202eb.yaml", "raw/.git/x.yaml", "raw/" + strings.Repeat("x", 300) + ".yaml"} {
		d := base.with(directory{p: vpcA})
		in := structureInput(t, d)
		pl := PlanStructure(in)
		if len(pl.Files) > 0 || !slices.Contains(codes(in.View.Diagnostics), p+": structure/opaque") {
			t.Errorf("%q: %s, findings %q", p, paths(pl.Files), codes(in.View.Diagnostics))
		}
	}
}

// A message never breaks out of its line, in the commit or in an error file.
func TestIngestHostileText(t *testing.T) {
	t.Parallel()
	d := marked(t).with(directory{"raw/x y\u202e.yaml": "x", "raw/x.yaml": vpcA + "---\napiVersion: v1\nkind: \"K\\nHNP-Operation: sync_20250730_123456_k7q2mx\"\nmetadata: {name: \"n\\nHNP-Plan: 1\"}\n",
		"raw/z.yaml": "apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata: {name: z}\nspec: {\"a\\nHNP-Plan: 2\": 1}\n"})
	in := structureInput(t, d)
	in.Fabric.Name = "f\nHNP-Plan: 3"
	out, pl := settled(t, in, d)
	for _, text := range []string{pl.Subject + "\n" + pl.Body, out["raw/errors/z.yaml.errors.txt"]} {
		for _, l := range strings.Split(text, "\n") {
			if strings.HasPrefix(l, "HNP-") {
				t.Errorf("a forged line %q", l)
			}
		}
	}
	if got := strings.Count(out["raw/errors/z.yaml.errors.txt"], "\n"); got != 1 {
		t.Errorf("the error file has %d lines", got)
	}
}

// The error file of a file with everything wrong, word for word.
func TestErrorFile(t *testing.T) {
	t.Parallel()
	d := marked(t).with(directory{"raw/x.yaml": "# first\n" + brokenVPC + "---\n- a\n---\nkind: VPC\nmetadata: {name: e}\n---\n" + strings.Replace(badVPC, "name: c", "name: Ö", 1) +
		"---\napiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nspec: {}\n---\nmetadata: {name: g}\nspec: {}\n---\napiVersion: 1\nkind: 2\n"})
	out, pl := settled(t, structureInput(t, d), d)
	want := `3:11: a comma or the closing brace is missing in the map [yaml-syntax] (fix: add "," or "}")
5:1: the document is no mapping, so it is no resource [not-a-resource] (fix: correct the document, or move it out of raw/)
7:1: the document has no apiVersion [not-a-resource] (fix: correct the document, or move it out of raw/)
13:9: name "Ö" is not allowed [name-invalid] (fix: use lower case letters, digits and -, beginning and ending with a letter or digit)
` + nonsense("15:3") + `18:1: VPC lacks metadata [required] (fix: add metadata)
21:1: the document has neither apiVersion nor kind [not-a-resource] (fix: correct the document, or move it out of raw/)
24:1: apiVersion and kind must be text [not-a-resource] (fix: correct the document, or move it out of raw/)
`
	if got := out["raw/errors/x.yaml.errors.txt"]; got != want {
		t.Errorf("the error file is\n%s\nnot\n%s", got, want)
	}
	if pl.Subject != "fabric-1: refuse 1 file" || pl.Body != "raw/x.yaml: refused, see raw/errors/x.yaml.errors.txt\n\n" {
		t.Errorf("subject %q, body %q", pl.Subject, pl.Body)
	}
}
