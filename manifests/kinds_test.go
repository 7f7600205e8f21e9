package manifests

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// crdFields visits every node of the spec of each CRD in testdata: path as in List.Path, without the "*" of items.
func crdFields(t *testing.T, visit func(kind Kind, path string, node map[string]any)) {
	t.Helper()
	names, err := filepath.Glob("../testdata/crds/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatal("no CRDs", err)
	}
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var crd map[string]any
		if err := yaml.Unmarshal(src, &crd); err != nil {
			t.Fatal(err)
		}
		text := func(path ...string) string { s, _ := valueAt(crd, path).(string); return s }
		kind, ok := LookupKind(text("spec", "group"), text("spec", "names", "kind"))
		if !ok {
			t.Errorf("%s: %s is not registered", name, text("spec", "names", "kind"))
			continue
		}
		if kind.Plural != text("spec", "names", "plural") {
			t.Errorf("%s: plural %s, CRD says %s", name, kind.Plural, text("spec", "names", "plural"))
		}
		if !kind.Serves(text("spec", "versions", "0", "name")) {
			t.Errorf("%s: version %s is not registered", name, text("spec", "versions", "0", "name"))
		}
		var walk func(node map[string]any, path string)
		walk = func(node map[string]any, path string) {
			visit(kind, path, node)
			properties, _ := node["properties"].(map[string]any)
			for field, child := range properties {
				walk(child.(map[string]any), path+"."+field)
			}
			for _, below := range []string{"items", "additionalProperties"} {
				if child, ok := node[below].(map[string]any); ok {
					walk(child, path+".*")
				}
			}
		}
		spec, _ := valueAt(crd, []string{"spec", "versions", "0", "schema", "openAPIV3Schema", "properties", "spec"}).(map[string]any)
		walk(spec, "spec")
	}
}

// The table of lists and the CRDs agree: each list has a row, each row is a list, and keys are fields of its items.
func TestEveryListHasARule(t *testing.T) {
	t.Parallel()
	lists := map[string]map[string]any{}
	crdFields(t, func(kind Kind, path string, node map[string]any) {
		if node["type"] == "array" && kind.Role == RoleUser {
			lists[kind.Kind+" "+path] = node
		}
	})
	if len(lists) != 44 {
		t.Errorf("%d lists in the CRDs, 44 expected", len(lists))
	}
	for _, kind := range Kinds() {
		for _, rule := range kind.Lists {
			node, ok := lists[kind.Kind+" "+rule.Path]
			if !ok {
				t.Errorf("%s %s has a rule, but is no list", kind.Kind, rule.Path)
				continue
			}
			delete(lists, kind.Kind+" "+rule.Path)
			item, _ := node["items"].(map[string]any)
			switch rule.Type {
			case ListSet:
				if item["type"] != "string" {
					t.Errorf("%s %s is a set of %v, only texts have a key", kind.Kind, rule.Path, item["type"])
				}
			case ListKeyed:
				if len(rule.Keys) == 0 {
					t.Errorf("%s %s is keyed without keys", kind.Kind, rule.Path)
				}
				for _, key := range rule.Keys {
					at := item
					for _, field := range strings.Split(key, ".") {
						at, _ = valueAt(at, []string{"properties", field}).(map[string]any)
					}
					if at["type"] != "string" && at["type"] != "integer" {
						t.Errorf("%s %s: key %s is no scalar of an item", kind.Kind, rule.Path, key)
					}
				}
			}
		}
	}
	for rest := range lists {
		t.Errorf("%s has no rule", rest)
	}
}

// Every default of a CRD is in the table, and a default in the table is of the field's type.
func TestDefaultsFitTheCRDs(t *testing.T) {
	t.Parallel()
	fields := map[string]map[string]any{}
	crdFields(t, func(kind Kind, path string, node map[string]any) {
		fields[kind.Kind+" "+path] = node
		if value, ok := node["default"]; ok {
			got, found := kind.DefaultAt(strings.Split(path, "."))
			want, _ := json.Marshal(value)
			have, _ := json.Marshal(got)
			if !found || string(have) != string(want) {
				t.Errorf("%s %s: default %s in the CRD, %s in the table", kind.Kind, path, want, have)
			}
		}
	})
	for _, kind := range Kinds() {
		for _, d := range kind.Defaults {
			want := ""
			switch d.Value.(type) {
			case string:
				want = "string"
			case json.Number:
				want = "integer"
			case []any:
				want = "array"
			case map[string]any:
				want = "object"
			}
			if got := fields[kind.Kind+" "+d.Path]["type"]; got != want {
				t.Errorf("%s %s is %v in the CRD, its default is %s", kind.Kind, d.Path, got, want)
			}
		}
	}
}

func TestKindsOrder(t *testing.T) {
	t.Parallel()
	var users, controllers []string
	for _, k := range Kinds() {
		if k.Role == RoleUser {
			users = append(users, k.Kind)
		} else {
			controllers = append(controllers, k.Kind)
		}
	}
	want := []string{
		"IPv4Namespace", "VLANNamespace", "SwitchGroup", "ServerProfile", "SwitchProfile", "Switch", "Server", "Connection", "VPC", "External",
		"ExternalAttachment", "VPCAttachment", "ExternalPeering", "VPCPeering", "GatewayGroup", "Gateway", "GatewayPeering",
	}
	if !slices.Equal(users, want) {
		t.Errorf("order %v, want %v", users, want)
	}
	if want := []string{"Agent", "Catalog", "DHCPSubnet", "GatewayAgent", "VPCInfo"}; !slices.Equal(controllers, want) {
		t.Errorf("controller kinds %v, want %v", controllers, want)
	}
}

// What a kind refers to is created before it, apart from the gateways, which come last, and references to its own kind.
func TestReferencesComeFirst(t *testing.T) {
	t.Parallel()
	for kind, targets := range map[string][]string{
		"Switch": {"SwitchGroup", "VLANNamespace", "SwitchProfile"}, "Server": {"ServerProfile"}, "Connection": {"Switch", "Server"},
		"VPC": {"IPv4Namespace", "VLANNamespace"}, "External": {"IPv4Namespace"}, "ExternalAttachment": {"Connection", "External"},
		"ExternalPeering": {"External", "VPC"}, "VPCAttachment": {"Connection", "VPC"}, "VPCPeering": {"VPC"}, "Gateway": {"GatewayGroup"},
		"GatewayPeering": {"GatewayGroup", "VPC", "External"},
	} {
		k, _ := KindByName(kind)
		for _, target := range targets {
			other, ok := KindByName(target)
			if !ok || other.Order >= k.Order {
				t.Errorf("%s is written before %s", kind, target)
			}
		}
	}
}

func TestKindsIsTheCallers(t *testing.T) {
	t.Parallel()
	for _, k := range Kinds() {
		for i := range k.Lists {
			k.Lists[i].Path = "broken"
		}
		for i := range k.Versions {
			k.Versions[i] = "broken"
		}
	}
	k, _ := LookupKind(GroupVPC, "VPC")
	if k.Versions[0] != "v1beta1" || k.Lists[0].Path == "broken" {
		t.Error("a change of what Kinds returned reached the registry")
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"VPC", "vpc", "vpcs", "VPCs"} {
		if k, ok := KindByName(name); !ok || k.Kind != "VPC" {
			t.Errorf("KindByName(%q) = %q, %v", name, k.Kind, ok)
		}
	}
	for _, name := range []string{"", "v", "VPC/test"} {
		if k, ok := KindByName(name); ok {
			t.Errorf("KindByName(%q) = %q", name, k.Kind)
		}
	}
	if _, ok := LookupKind(GroupWiring, "VPC"); ok {
		t.Error("VPC found in the group wiring")
	}
	if _, ok := LookupKind(GroupVPC, "vpc"); ok {
		t.Error("LookupKind ignores case")
	}
}

func TestListAndDefaultAt(t *testing.T) {
	t.Parallel()
	tests := []struct {
		kind, path string
		list       bool
		def        bool
	}{
		{"Connection", "spec bundled links", true, false},
		{"Connection", "spec bundled", false, false},
		{"Connection", "spec bundled links 0", false, false},
		{"Connection", "spec unbundled links", false, false},
		{"VPC", "spec subnets any.name at all dhcp options dnsServers", false, false}, // too many segments
		{"VPC", "spec subnets any.name dhcp options dnsServers", true, true},
		{"VPC", "spec subnets a dhcp", false, true},
		{"VPC", "spec ipv4Namespace", false, true},
		{"VPC", "", false, false},
		{"ServerProfile", "spec nics M1 ports", true, false},
		{"Switch", "spec vlanNamespaces", true, true},
	}
	for _, test := range tests {
		k, ok := KindByName(test.kind)
		if !ok {
			t.Fatal(test.kind)
		}
		path := strings.Fields(test.path)
		if _, got := k.ListAt(path); got != test.list {
			t.Errorf("%s ListAt(%v) = %v", test.kind, path, got)
		}
		if _, got := k.DefaultAt(path); got != test.def {
			t.Errorf("%s DefaultAt(%v) = %v", test.kind, path, got)
		}
	}
}

func TestListKey(t *testing.T) {
	t.Parallel()
	links := List{Type: ListKeyed, Keys: []string{"server.port", "switch.port"}}
	end := func(port any) map[string]any { return map[string]any{"port": port} }
	seq := List{Type: ListKeyed, Keys: []string{"seq"}}
	tests := map[string]struct {
		list List
		item any
		want string
		ok   bool
	}{
		"both ports": {links, map[string]any{"server": end("server-04/enp2s1"), "switch": end("leaf-02/E1/2")}, "server-04/enp2s1,leaf-02/E1/2", true},
		"one absent": {links, map[string]any{"server": end("a/b")}, "", false},
		"one empty":  {links, map[string]any{"server": end("a/b"), "switch": end("")}, "", false},
		"a comma would make two links look alike": {links, map[string]any{"server": end("a,b"), "switch": end("c")}, "", false},
		"a mapping is no key":                     {links, map[string]any{"server": end(end("a")), "switch": end("c")}, "", false},
		"no mapping":                              {links, "text", "", false},
		"number":                                  {seq, map[string]any{"seq": json.Number("10")}, "10", true},
		"number in another spelling":              {seq, map[string]any{"seq": json.Number("1e1")}, "10", true},
		"number with a fraction":                  {seq, map[string]any{"seq": json.Number("10.50")}, "10.50", true},
		"number beyond reason":                    {seq, map[string]any{"seq": json.Number("1e999999999")}, "1e999999999", true},
		"one key may hold commas":                 {seq, map[string]any{"seq": "a,b"}, "a,b", true},
		"null":                                    {seq, map[string]any{"seq": nil}, "", false},
		"set":                                     {List{Type: ListSet}, "10.0.0.0/8", "10.0.0.0/8", true},
		"set of numbers":                          {List{Type: ListSet}, json.Number("1"), "", false},
		"atomic":                                  {List{}, "a", "", false},
	}
	for name, test := range tests {
		got, ok := test.list.Key(test.item)
		if got != test.want || ok != test.ok {
			t.Errorf("%s: %q, %v, want %q, %v", name, got, ok, test.want, test.ok)
		}
	}
}

func TestForeign(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{
		"fabric.githedgehog.com/group": true, "fabric.githedgehog.com": false, "app": false, "x.fabric.githedgehog.com/a": false, "hnp.githedgehog.com/a": false,
	} {
		if ForeignLabel(key) != want {
			t.Errorf("label %s: %v", key, !want)
		}
	}
	for key, want := range map[string]bool{
		"kubectl.kubernetes.io/last-applied-configuration": true, "hnp.githedgehog.com/fabric": true, "managed-by": false, "fabric.githedgehog.com/x": false,
	} {
		if ForeignAnnotation(key) != want {
			t.Errorf("annotation %s: %v", key, !want)
		}
	}
}
