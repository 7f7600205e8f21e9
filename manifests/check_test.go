package manifests

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"
)

// object decodes JSON as Parse would.
func object(t testing.TB, text string) Object {
	t.Helper()
	var obj Object
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&obj); err != nil {
		t.Fatal(err)
	}
	return obj
}

func problems(found []SchemaProblem) []string {
	lines := []string{}
	for _, p := range found {
		lines = append(lines, p.Code+" "+strings.Join(p.Path, "/"))
	}
	return lines
}

// Two edits that are each sound make an object that is not: what a merge is tested with.
func TestCheckFindsUnsoundMerge(t *testing.T) {
	t.Parallel()
	const form = `{"apiVersion":"vpc.githedgehog.com/v1beta1","kind":"VPC","metadata":{"name":"v1"},"spec":{"subnets":{"a":{"subnet":%q,"gateway":%q,"vlan":10}}}}`
	s := testSchemas(t)
	for _, sound := range [][2]string{{"10.0.0.0/16", "10.0.1.1"}, {"10.0.0.0/16", "10.0.0.1"}, {"10.0.0.0/24", "10.0.0.1"}} {
		sameLines(t, problems(s.Check(object(t, fmt.Sprintf(form, sound[0], sound[1])))), []string{})
	}
	sameLines(t, problems(s.Check(object(t, fmt.Sprintf(form, "10.0.0.0/24", "10.0.1.1")))), []string{"gateway-outside-subnet spec/subnets/a/gateway"})
	const two = `{"apiVersion":"wiring.githedgehog.com/v1beta1","kind":"Connection","metadata":{"name":"c"},"spec":{"external":{},"mesh":{}}}`
	sameLines(t, problems(s.Check(object(t, two))), []string{"connection-type spec"})
}

func TestCheckNumbers(t *testing.T) {
	t.Parallel()
	s := testSchemas(t)
	const form = `{"apiVersion":"wiring.githedgehog.com/v1beta1","kind":"Switch","metadata":{"name":"a"},"spec":{"role":"spine","asn":%s}}`
	for number, want := range map[string][]string{
		"65100": {}, "6.51e4": {}, "65100.0": {}, "0": {}, "-0": {},
		"1e999999999": {"range spec/asn"}, "1e-999999999": {"range spec/asn"}, "0e999999999": {"range spec/asn"},
		"1.5": {"type spec/asn"}, "1e300": {"range spec/asn"}, strings.Repeat("9", 2000): {"range spec/asn"},
	} {
		sameLines(t, problems(s.Check(object(t, fmt.Sprintf(form, number)))), want)
	}
	obj := object(t, fmt.Sprintf(form, "1"))
	obj["spec"].(map[string]any)["asn"] = json.Number("nonsense")
	sameLines(t, problems(s.Check(obj)), []string{"range spec/asn"})
}

func TestCheckLeavesTheObjectAlone(t *testing.T) {
	t.Parallel()
	const text = `{"apiVersion":"wiring.githedgehog.com/v1beta1","kind":"Switch","metadata":{"labels":null,"name":"a"},"spec":{"groups":[],"profile":null,"role":"spine"}}`
	obj := object(t, text)
	sameLines(t, problems(testSchemas(t).Check(obj)), []string{})
	after, err := json.Marshal(obj)
	if err != nil {
		t.Fatal(err)
	}
	if string(after) != text {
		t.Errorf("changed to %s", after)
	}
}

func TestCheckWithoutSchema(t *testing.T) {
	t.Parallel()
	s := testSchemas(t)
	for text, want := range map[string][]string{
		`{}`:                               {"not-a-resource "},
		`{"apiVersion":1,"kind":"VPC"}`:    {"not-a-resource "},
		`{"apiVersion":"v1","kind":"Pod"}`: {"unsupported-kind kind"},
		`{"apiVersion":"dhcp.githedgehog.com/v1beta1","kind":"DHCPSubnet"}`:                                                            {"controller-kind kind"},
		`{"apiVersion":"vpc.githedgehog.com/v2","kind":"VPC","metadata":{"name":"a"}}`:                                                 {"unsupported-version apiVersion"},
		`{"apiVersion":"wiring.githedgehog.com/v1beta1/x","kind":"Server","metadata":{"name":"a"}}`:                                    {"unsupported-version apiVersion"},
		`{"apiVersion":"gateway.githedgehog.com/v1alpha1","kind":"VPCInfo","metadata":{"name":"a"},"spec":{"vni":100,"subnets":null}}`: {},
	} {
		sameLines(t, problems(s.Check(object(t, text))), want)
	}
}

// A document can be wrong in more places than anybody wants to read, and checking them must not take for ever.
func TestLimits(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(vpcHead + "spec:\n  subnets:\n")
	for i := range 30_000 {
		fmt.Fprintf(&b, "    s%d: {subnet: 10.0.0.0/24, vlan: 7, oops: 1}\n", i)
	}
	start := time.Now()
	f, wrong := Parse("a.yaml", []byte(b.String()))
	if len(wrong) > 0 {
		t.Fatal(wrong[0].Message)
	}
	found := Validate([]*File{f}, testSchemas(t), Options{})
	count := map[string]int{}
	for _, d := range found {
		count[d.Code]++
	}
	if count["unknown-field"] != maxProblems || count["too-many-findings"] != 2 || len(found) != maxProblems+maxCrossFindings+2 {
		t.Errorf("%d findings: %v", len(found), count)
	}
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestLoadCRDs(t *testing.T) {
	t.Parallel()
	s, err := LoadCRDs(os.DirFS("../testdata/crds"))
	if err != nil {
		t.Fatal(err)
	}
	files := parseAll(t, "raw/prepop.yaml")
	sameLines(t, brief(Validate(files, s, Options{})), []string{})

	// Another generation of CRDs: one more version, another field, another kind.
	crd, err := os.ReadFile("../testdata/crds/wiring.githedgehog.com_servers.yaml")
	if err != nil {
		t.Fatal(err)
	}
	old := strings.NewReplacer("name: v1beta1", "name: v1alpha2", "description:\n                description", "rack:\n                description").Replace(string(crd))
	s, err = LoadCRDs(fstest.MapFS{"x/servers.yml": {Data: []byte(old)}})
	if err != nil {
		t.Fatal(err)
	}
	const server = `{"apiVersion":"wiring.githedgehog.com/%s","kind":"Server","metadata":{"name":"a"},"spec":{"rack":"r1"}}`
	sameLines(t, problems(s.Check(object(t, fmt.Sprintf(server, "v1alpha2")))), []string{})
	sameLines(t, problems(s.Check(object(t, fmt.Sprintf(server, "v1beta1")))), []string{"unsupported-version apiVersion"})
	sameLines(t, problems(s.Check(object(t, strings.Replace(server, "Server", "Switch", 1)))), []string{"unsupported-kind kind"})

	if _, err := LoadCRDs(fstest.MapFS{}); err == nil {
		t.Error("an empty folder is accepted")
	}
	bad := strings.Replace(string(crd), "description: Description", "nullable: true\n                description: Description", 1)
	if _, err := LoadCRDs(fstest.MapFS{"a.yaml": {Data: []byte(bad)}}); err == nil || !strings.Contains(err.Error(), "a.yaml: document 2: Server v1beta1: spec.description: nullable is not understood") {
		t.Errorf("error %v", err)
	}
}

func TestEveryEmbeddedSchemaCompiles(t *testing.T) {
	t.Parallel()
	s := testSchemas(t)
	for _, k := range Kinds() {
		if k.Role != RoleUser {
			continue
		}
		schema, ok := s.byKind[kindVersion{k.Group, k.Versions[0], k.Kind}]
		if !ok {
			t.Errorf("no schema for %s", k.Kind)
			continue
		}
		if _, err := schema.compile(); err != nil {
			t.Errorf("%s: %v", k.Kind, err)
		}
	}
}

func TestCheckConcurrently(t *testing.T) {
	t.Parallel()
	s := testSchemas(t)
	files := parseAll(t, "raw/prepop.yaml")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for _, d := range files[0].Documents() {
				if found := s.Check(d.Object); len(found) > 0 {
					t.Error(problems(found))
				}
			}
		})
	}
	group.Wait()
}

func TestPathString(t *testing.T) {
	t.Parallel()
	conn, _ := KindByName("Connection")
	vpc, _ := KindByName("VPC")
	links := object(t, `{"metadata":{"labels":{"a.b/c":"x"}},"spec":{"bundled":{"links":[{"server":{"port":"server-04/enp2s1"},"switch":{"port":"leaf-02/E1/2"}},{"server":{}}]}}}`)
	tests := []struct {
		kind Kind
		obj  Object
		path string
		want string
	}{
		{vpc, nil, "spec subnets test-subnet vlan", "spec.subnets.test-subnet.vlan"},
		{conn, links, "metadata labels a.b/c", `metadata.labels["a.b/c"]`},
		{conn, links, "spec bundled links 0", `spec.bundled.links["server-04/enp2s1,leaf-02/E1/2"]`},
		{conn, links, "spec bundled links 0 switch port", `spec.bundled.links["server-04/enp2s1,leaf-02/E1/2"].switch.port`},
		{conn, links, "spec bundled links 1 server", `spec.bundled.links[1].server`},
		{conn, links, "spec bundled links 7", `spec.bundled.links["7"]`},
		{vpc, object(t, `{"spec":{"permit":[["a"]]}}`), "spec permit 0 0", `spec.permit[0][0]`},
		{vpc, object(t, `{"spec":{"permit":[["a"]]}}`), "a\x1b[31mb", `["a\x1b[31mb"]`},
		{vpc, nil, "", ""},
	}
	for _, test := range tests {
		if got := test.kind.PathString(test.obj, strings.Fields(test.path)); got != test.want {
			t.Errorf("%s: %s, want %s", test.path, got, test.want)
		}
	}
}

// References of every kind that has some, with their paths.
func TestReferences(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		object string
		want   []string
	}{
		"Connection": {
			`{"apiVersion":"wiring.githedgehog.com/v1beta1","kind":"Connection","metadata":{"name":"c","namespace":"n"},"spec":{"gateway":{"links":[{"gateway":{"port":"gw-1/enp2s1"},"switch":{"port":"spine-01/E1/2"}}]}}}`,
			[]string{"spec/gateway/links/0/gateway/port gateway/n/gw-1", "spec/gateway/links/0/switch/port switch/n/spine-01"},
		},
		"Connection to an external": {
			`{"apiVersion":"wiring.githedgehog.com/v1beta1","kind":"Connection","metadata":{"name":"c"},"spec":{"staticExternal":{"withinVPC":"v1","link":{"switch":{"port":"leaf-01/E1/2"}}}}}`,
			[]string{"spec/staticExternal/link/switch/port switch/leaf-01", "spec/staticExternal/withinVPC vpc/v1"},
		},
		"Connection of an MCLAG domain": {
			`{"apiVersion":"wiring.githedgehog.com/v1beta1","kind":"Connection","metadata":{"name":"c"},"spec":{"mclagDomain":{"peerLinks":[{"switch1":{"port":"a/1"},"switch2":{"port":"b/1"}}],"sessionLinks":[7]}}}`,
			[]string{"spec/mclagDomain/peerLinks/0/switch1/port switch/a", "spec/mclagDomain/peerLinks/0/switch2/port switch/b"},
		},
		"Switch": {
			`{"apiVersion":"wiring.githedgehog.com/v1beta1","kind":"Switch","metadata":{"name":"s"},"spec":{"profile":"vs","groups":["g",7],"redundancy":{"group":"r"},"vlanNamespaces":["default","x"]}}`,
			[]string{"spec/groups/0 switchgroup/g", "spec/profile switchprofile/vs builtin", "spec/redundancy/group switchgroup/r", "spec/vlanNamespaces/0 vlannamespace/default builtin", "spec/vlanNamespaces/1 vlannamespace/x"},
		},
		"Server": {`{"apiVersion":"wiring.githedgehog.com/v1beta1","kind":"Server","metadata":{"name":"s"},"spec":{"profile":"p"}}`, []string{"spec/profile serverprofile/p builtin"}},
		"VPC": {
			`{"apiVersion":"vpc.githedgehog.com/v1beta1","kind":"VPC","metadata":{"name":"v"},"spec":{"ipv4Namespace":"i","vlanNamespace":"l","subnets":{"a":{"dhcp":{"relayVPC":"w"}},"b":7}}}`,
			[]string{"spec/ipv4Namespace ipv4namespace/i", "spec/subnets/a/dhcp/relayVPC vpc/w", "spec/vlanNamespace vlannamespace/l"},
		},
		"External": {`{"apiVersion":"vpc.githedgehog.com/v1beta1","kind":"External","metadata":{"name":"e"},"spec":{"ipv4Namespace":"i"}}`, []string{"spec/ipv4Namespace ipv4namespace/i"}},
		"VPCAttachment": {
			`{"apiVersion":"vpc.githedgehog.com/v1beta1","kind":"VPCAttachment","metadata":{"name":"a"},"spec":{"connection":"c","subnet":"v/s"}}`,
			[]string{"spec/connection connection/c", "spec/subnet vpc/v s"},
		},
		"VPCPeering": {
			`{"apiVersion":"vpc.githedgehog.com/v1beta1","kind":"VPCPeering","metadata":{"name":"p"},"spec":{"permit":[{"a":{"subnets":["s"]},"b":{}}]}}`,
			[]string{"spec/permit/0/a vpc/a key", "spec/permit/0/a/subnets/0 vpc/a s", "spec/permit/0/b vpc/b key"},
		},
		"ExternalPeering": {
			`{"apiVersion":"vpc.githedgehog.com/v1beta1","kind":"ExternalPeering","metadata":{"name":"p"},"spec":{"permit":{"vpc":{"name":"v","subnets":["s"]},"external":{"name":"e"}}}}`,
			[]string{"spec/permit/external/name external/e", "spec/permit/vpc/name vpc/v", "spec/permit/vpc/subnets/0 vpc/v s"},
		},
		"GatewayPeering": {
			`{"apiVersion":"gateway.githedgehog.com/v1alpha1","kind":"GatewayPeering","metadata":{"name":"p"},"spec":{"gatewayGroup":"default","peering":{"ext.e":{},"v":{"expose":[{"ips":[{"vpcSubnet":"s"},{"cidr":"10.0.0.0/8"}]}]}}}}`,
			[]string{"spec/gatewayGroup gatewaygroup/default builtin", "spec/peering/ext.e external/e key", "spec/peering/v vpc/v key", "spec/peering/v/expose/0/ips/0/vpcSubnet vpc/v s"},
		},
		"an older version":  {`{"apiVersion":"wiring.githedgehog.com/v1alpha2","kind":"Server","metadata":{"name":"s"},"spec":{"profile":"p"}}`, []string{"spec/profile serverprofile/p builtin"}},
		"an unknown kind":   {`{"apiVersion":"v1","kind":"Pod","spec":{"profile":"p"}}`, []string{}},
		"values of no use":  {`{"apiVersion":"wiring.githedgehog.com/v1beta1","kind":"Switch","metadata":7,"spec":[{"profile":"vs"}]}`, []string{}},
		"nothing":           {`{}`, []string{}},
		"an empty name":     {`{"apiVersion":"wiring.githedgehog.com/v1beta1","kind":"Server","metadata":{"name":"s"},"spec":{"profile":""}}`, []string{}},
		"a port is no link": {`{"apiVersion":"wiring.githedgehog.com/v1beta1","kind":"Connection","metadata":{"name":"c"},"spec":{"external":{"link":{"switch":{"port":"leaf-01"}}}}}`, []string{}},
	}
	for name, test := range tests {
		got := []string{}
		for _, r := range References(object(t, test.object)) {
			line := strings.Join(r.Path, "/") + " " + r.Identity.String()
			if r.Subnet != "" {
				line += " " + r.Subnet
			}
			if r.OnKey {
				line += " key"
			}
			if r.Builtin {
				line += " builtin"
			}
			got = append(got, line)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s:\n got %q\nwant %q", name, got, test.want)
		}
	}
}

// Equal input gives equal output, whatever order maps are walked in.
func TestValidateIsDeterministic(t *testing.T) {
	t.Parallel()
	s := testSchemas(t)
	for name, test := range validateCases {
		first := fmt.Sprint(validateCase(t, s, test.files, test.src))
		for range 5 {
			if again := fmt.Sprint(validateCase(t, s, test.files, test.src)); again != first {
				t.Errorf("%s:\n%s\n%s", name, first, again)
			}
		}
	}
}

func FuzzValidate(f *testing.F) {
	s := testSchemas(f)
	for _, test := range validateCases {
		f.Add([]byte(test.src), []byte(""))
		for _, text := range test.files {
			f.Add([]byte(text), []byte(test.src))
		}
	}
	names, err := filepath.Glob(realInputs + "/*/*.yaml")
	if err != nil || len(names) == 0 {
		f.Fatal("no inputs", err)
	}
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if len(src) < 4000 {
			f.Add(src, []byte(vpcHead))
		}
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		one, _ := Parse("f/managed/a.yaml", a)
		two, _ := Parse("f/raw/b.yaml", b)
		known := map[string]bool{}
		for _, c := range Codes() {
			known[c.Code] = true
		}
		for _, d := range Validate([]*File{one, two}, s, Options{}) {
			if !known[d.Code] || d.Message == "" || d.Fix == "" {
				t.Errorf("%+v", d)
			}
			if d.Document >= 0 && (d.StartLine < 1 || d.StartColumn < 1 || d.EndLine < d.StartLine) {
				t.Errorf("no place: %+v", d)
			}
			if strings.ContainsAny(d.Message+d.Fix+d.Path, "\n\r\x1b\x00") {
				t.Errorf("raw control characters: %q", d.Message+d.Fix+d.Path)
			}
		}
	})
}

func BenchmarkValidatePrepop(b *testing.B) {
	s := testSchemas(b)
	files := parseAll(b, "raw/prepop.yaml")
	b.ReportAllocs()
	for b.Loop() {
		if found := Validate(files, s, Options{}); len(found) > 0 {
			b.Fatal(found)
		}
	}
}

func BenchmarkCheckVPC(b *testing.B) {
	s := testSchemas(b)
	obj := parseAll(b, "raw/test-vpc.yaml")[0].Documents()[0].Object
	b.ReportAllocs()
	for b.Loop() {
		if found := s.Check(obj); len(found) > 0 {
			b.Fatal(found)
		}
	}
}

func BenchmarkColdStart(b *testing.B) {
	files := parseAll(b, "raw/prepop.yaml")
	for b.Loop() {
		if found := Validate(files, testSchemas(b), Options{}); len(found) > 0 {
			b.Fatal(found)
		}
	}
}
