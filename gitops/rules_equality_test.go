package gitops

import (
	"strings"
	"testing"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// Each row is two documents of one resource; a row that is equal causes no write, and one that is not does.
func TestRule1CanonicalForm(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		git, netbox string
		equal       bool
	}{
		"ENGINE 1: 1e3 = 1000":                                    {doc("vpc/a", "{mode: 1e3}"), doc("vpc/a", "{mode: 1000}"), true},
		"ENGINE 1: 1000.0 = 1000":                                 {doc("vpc/a", "{mode: 1000.0}"), doc("vpc/a", "{mode: 1000}"), true},
		"ENGINE 1: -0 = 0":                                        {doc("vpc/a", "{mode: -0}"), doc("vpc/a", "{mode: 0}"), true},
		"ENGINE 1: 0.1 = 0.10":                                    {doc("vpc/a", "{mode: 0.1}"), doc("vpc/a", "{mode: 0.10}"), true},
		"ENGINE 1: integral numbers are compared exactly":         {doc("vpc/a", "{mode: 9007199254740993}"), doc("vpc/a", "{mode: 9007199254740992}"), false},
		"ENGINE 1: large exponents are compared exactly":          {doc("vpc/a", "{mode: 9007199254740993e1}"), doc("vpc/a", "{mode: 90071992547409930}"), true},
		"ENGINE 1: 10 differs from \"10\"":                        {doc("vpc/a", `{mode: "10"}`), doc("vpc/a", "{mode: 10}"), false},
		"ENGINE 1: true differs from \"true\"":                    {doc("vpc/a", `{mode: "true"}`), doc("vpc/a", "{mode: true}"), false},
		"ENGINE 1: spellings of a CIDR differ":                    {doc("vpc/a", `{subnets: {p: {subnet: 10.0.0.1/24}}}`), doc("vpc/a", `{subnets: {p: {subnet: 10.0.0.0/24}}}`), false},
		"ENGINE 1: key order is ignored":                          {doc("vpc/a", "{mode: 1, vrf: 2}"), doc("vpc/a", "{vrf: 2, mode: 1}"), true},
		"ENGINE 1: null in a map is absent":                       {doc("vpc/a", "{mode: 1, vrf: null, subnets: {p: {vlan: 1, gateway: null}}}"), doc("vpc/a", "{mode: 1, subnets: {p: {vlan: 1}}}"), true},
		"ENGINE 1: an empty spec is absent":                       {doc("vpc/a", ""), doc("vpc/a", "{}"), true},
		"ENGINE 1: empty labels are absent":                       {doc("vpc/a", "{mode: 1}", "labels: {}"), doc("vpc/a", "{mode: 1}"), true},
		"ENGINE 1: null annotations are absent":                   {doc("vpc/a", "{mode: 1}", "annotations: null"), doc("vpc/a", "{mode: 1}", "annotations: {}"), true},
		"ENGINE 1: an empty map elsewhere is a value":             {doc("vpc/a", "{subnets: {p: {}}}"), doc("vpc/a", "{subnets: {}}"), false},
		"ENGINE 1: an absent namespace is default":                {doc("vpc/a", "{mode: 1}"), doc("vpc/default/a", "{mode: 1}"), true},
		"ENGINE 1: labels of the fabric are never compared":       {doc("vpc/a", "{mode: 1}", "labels: {fabric.githedgehog.com/x: a}"), doc("vpc/a", "{mode: 1}", "labels: {fabric.githedgehog.com/x: b, fabric.githedgehog.com/y: c}"), true},
		"ENGINE 1: annotations of kubectl and HNP neither":        {doc("vpc/a", "{mode: 1}", "annotations: {kubectl.kubernetes.io/last-applied-configuration: x, hnp.githedgehog.com/t: 1}"), doc("vpc/a", "{mode: 1}"), true},
		"ENGINE 1: other labels are":                              {doc("vpc/a", "{mode: 1}", "labels: {githedgehog.com/x: a}"), doc("vpc/a", "{mode: 1}", "labels: {githedgehog.com/x: b}"), false},
		"ENGINE 1: other metadata is not compared":                {doc("vpc/a", "{mode: 1}", "uid: x", "generation: 4", "finalizers: [a]"), doc("vpc/a", "{mode: 1}"), true},
		"ENGINE 1: status is not compared":                        {doc("vpc/a", "{mode: 1}") + "status: {ready: true}\n", doc("vpc/a", "{mode: 1}"), true},
		"ENGINE 1: the value Hedgehog fills in equals nothing":    {doc("vpc/a", "{mode: 1}"), doc("vpc/a", "{mode: 1, ipv4Namespace: default, vlanNamespace: default}"), true},
		"ENGINE 1: another value does not":                        {doc("vpc/a", "{mode: 1}"), doc("vpc/a", "{mode: 1, ipv4Namespace: other}"), false},
		"ENGINE 1: a default in a map inside a map":               {doc("vpc/a", "{subnets: {p: {vlan: 1, dhcp: {}}}}"), doc("vpc/a", "{subnets: {p: {vlan: 1}}}"), true},
		"ENGINE 1: a default that is a list":                      {doc("switch/s", "{profile: x, vlanNamespaces: [default]}"), doc("switch/s", "{profile: x}"), true},
		"ENGINE 1: a default below a map is none without the map": {doc("switch/s", "{profile: x, linkFlapErrDisable: {flapThreshold: 3}}"), doc("switch/s", "{profile: x}"), false},
		"ENGINE 1: sets have no order":                            {doc("switch/s", "{groups: [a, b]}"), doc("switch/s", "{groups: [b, a]}"), true},
		"ENGINE 1: a set with a member twice is a list":           {doc("switch/s", "{groups: [a, b, b]}"), doc("switch/s", "{groups: [b, a, b]}"), false},
		"ENGINE 1: items by key have no order":                    {doc("vlannamespace/v", "{ranges: [{from: 1, to: 2}, {from: 5, to: 6}]}"), doc("vlannamespace/v", "{ranges: [{from: 5, to: 6}, {from: 1.0, to: 2}]}"), true},
		"ENGINE 1: an order-significant list has order":           {doc("externalattachment/e", "{inboundACL: {statements: [{seq: 1}, {seq: 2}]}}"), doc("externalattachment/e", "{inboundACL: {statements: [{seq: 2}, {seq: 1}]}}"), false},
		"ENGINE 1: a list without a rule has order":               {doc("vpcpeering/p", "{permit: [{a: {}}, {b: {}}]}"), doc("vpcpeering/p", "{permit: [{b: {}}, {a: {}}]}"), false},
		"ENGINE 1: null inside a list is an item":                 {doc("vpcpeering/p", "{permit: [null]}"), doc("vpcpeering/p", "{permit: []}"), false},
		"ENGINE 1: null inside a map inside a list is absent":     {doc("vpcpeering/p", "{permit: [{a: null, b: 1}]}"), doc("vpcpeering/p", "{permit: [{b: 1}]}"), true},
		"ENGINE 1: text is compared by code points":               {doc("vpc/a", `{mode: "\u00e9"}`), doc("vpc/a", `{mode: "e\u0301"}`), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t)
			k := s.parsed(c.git).Identity
			s.gitPush(DefaultPath("", kindOf(k), k), c.git)
			s.nbAdd(c.netbox)
			before := s.writes
			s.cycle()
			if open := len(s.ledger.Conflicts); s.writes != before || (open == 0) != c.equal {
				s.fail("equal %t: %d writes, %d conflicts", c.equal, s.writes-before, open)
			}
			// The hash says the same as the comparison, except for what Hedgehog fills in.
			g, n := comparableBody(s.document(SideGit, k)), comparableBody(s.document(SideNetBox, k))
			kind := kindOf(k)
			kind.Defaults = nil
			if same(kind, nil, any(g), any(n)) != (hashOf(kind, nil, any(g)) == hashOf(kind, nil, any(n))) {
				t.Errorf("hash and comparison disagree")
			}
		})
	}
}

func TestRule1ForeignPaths(t *testing.T) {
	t.Parallel()
	mine, theirs := "fabric.githedgehog.com/by", "hnp.githedgehog.com/seen"
	tales(t, map[string]func(s *story){
		"ENGINE 1: foreign labels survive when their NetBox column is written": func(s *story) {
			s.gitHas(doc("vpc/a", "{mode: 1}", "labels: {team: x}"))
			s.nbAdd(doc("vpc/a", "{mode: 1}", "labels: {team: x, "+mine+": kept}"))
			s.settled()
			s.gitEdit(aFile, "team: x", "team: z")
			s.settled()
			s.wantNetBox("vpc/a", "metadata.labels", `{"team": "z", "`+mine+`": "kept"}`)
			s.wantGit("vpc/a", "metadata.labels", `{"team": "z"}`)
		},
		"ENGINE 1: foreign labels survive the removal of the last label beside them": func(s *story) {
			s.gitHas(doc("vpc/a", "{mode: 1}", "labels: {team: x}"))
			s.nbAdd(doc("vpc/a", "{mode: 1}", "labels: {team: x, "+mine+": kept}"))
			s.settled()
			s.gitEdit(aFile, "  labels: {team: x}\n", "")
			s.settled()
			s.wantNetBox("vpc/a", "metadata.labels", `{"`+mine+`": "kept"}`)
			s.wantInSync()
		},
		"ENGINE 1: foreign annotations survive in the file": func(s *story) {
			s.gitHas(doc("vpc/a", "{mode: 1}", "annotations: {"+theirs+": kept, note: x}"))
			s.nbAdd(doc("vpc/a", "{mode: 1}", "annotations: {note: x, kubectl.kubernetes.io/z: other}"))
			s.settled()
			s.nbSet("vpc/a", "metadata.annotations.note", "y")
			s.settled()
			s.wantGit("vpc/a", "metadata.annotations", `{"note": "y", "`+theirs+`": "kept"}`)
			s.wantNetBox("vpc/a", "metadata.annotations", `{"note": "y", "kubectl.kubernetes.io/z": "other"}`)
		},
		"ENGINE 1: foreign labels are not copied into new objects": func(s *story) {
			s.gitHas(doc("vpc/a", "{mode: 1}", "labels: {"+mine+": no, team: x}"))
			s.nbAdd(doc("vpc/b", "{mode: 1}", "labels: {"+mine+": no, team: x}"))
			s.settled()
			s.wantNetBox("vpc/a", "metadata.labels", `{"team": "x"}`)
			s.wantGit("vpc/b", "metadata.labels", `{"team": "x"}`)
			s.wantFile(bFile)
		},
		"ENGINE 1: a foreign label that moves is no edit against a delete": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"))
			s.gitDelete(aFile)
			s.nbSet("vpc/a", `metadata.labels["`+mine+`"]`, "moved")
			s.settled()
			s.wantGone(SideNetBox, "vpc/a")
			s.wantInSync()
		},
		"ENGINE 1: a foreign label that moves causes no write": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.nbSet("vpc/a", `metadata.labels["`+mine+`"]`, "moved")
			s.wantSilence()
		},
		"ENGINE 1: status, uid and the like stay in the file and go nowhere": func(s *story) {
			text := doc("vpc/a", "{mode: 1}", "uid: x", "generation: 3") + "status: {ready: true}\n"
			s.gitHas(text)
			s.nbAdd(doc("vpc/a", "{mode: 1}"))
			s.settled()
			s.nbSet("vpc/a", "spec.mode", "2")
			s.settled()
			s.wantBytes(aFile, strings.Replace(text, "mode: 1", "mode: 2", 1))
		},
	})
}

func TestRule1DefaultsAndStoredValues(t *testing.T) {
	t.Parallel()
	tales(t, map[string]func(s *story){
		"ENGINE 1: a default spelled out on one side is no edit": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.nbSet("vpc/a", "spec.ipv4Namespace", "default")
			s.wantInSync()
			s.gitEdit(aFile, "mode: 1", "mode: 1, ipv4Namespace: default")
			s.wantInSync()
			s.nbSet("vpc/a", "spec.ipv4Namespace", "-")
			s.wantInSync()
		},
		"ENGINE 1: leaving the default is an edit, going back too": func(s *story) {
			s.gitHas(doc("vpc/a", "{mode: 1}"))
			s.nbAdd(doc("vpc/a", "{mode: 1, ipv4Namespace: default}"))
			s.settled()
			s.nbSet("vpc/a", "spec.ipv4Namespace", "other")
			s.settled()
			s.wantBoth("vpc/a", "spec.ipv4Namespace", "other")
			s.nbSet("vpc/a", "spec.ipv4Namespace", "default")
			s.settled()
			s.wantInSync()
			s.gitEdit(aFile, "ipv4Namespace: default", "ipv4Namespace: third")
			s.settled()
			s.wantBoth("vpc/a", "spec.ipv4Namespace", "third")
			s.gitEdit(aFile, ", ipv4Namespace: third", "")
			s.settled()
			s.wantInSync()
		},
		"ENGINE 1: a set that is left out is the default set": func(s *story) {
			s.gitHas(doc("switch/s", "{profile: x}"))
			s.nbAdd(doc("switch/s", "{profile: x, vlanNamespaces: [default]}"))
			s.settled()
			s.gitEdit("managed/switches/s.yaml", "profile: x", "profile: x, vlanNamespaces: [default, b]")
			s.settled()
			s.wantNetBox("switch/s", "spec.vlanNamespaces", `["default", "b"]`)
			s.nbSet("switch/s", "spec.vlanNamespaces", `["b"]`)
			s.settled()
			s.wantGit("switch/s", "spec.vlanNamespaces", `["b"]`)
			s.wantInSync()
		},
		"ENGINE 1: a boot section appears on the one side, its empty default stood on the other": func(s *story) {
			s.gitHas(doc("switch/s", "{profile: x}"))
			s.nbAdd(doc("switch/s", "{profile: x, boot: {}}"))
			s.settled()
			s.gitEdit("managed/switches/s.yaml", "profile: x", "profile: x, boot: {serial: q}")
			s.settled()
			s.wantBoth("switch/s", "spec.boot.serial", "q")
			s.nbSet("switch/s", "spec.boot", "{}")
			s.settled()
			s.wantBoth("switch/s", "spec.boot.serial", "-")
			s.wantInSync()
		},
		"ENGINE 1: what the server stores differently is base's pair, and nothing is written back": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1, vrf: x}"))
			s.store = func(o *NetBoxObject) {
				p, _ := ParsePath("spec.vrf")
				if v, ok := lookup(kindOf(o.Key), any(map[string]any(o.Body)), p).(string); ok {
					o.Body = withPath(kindOf(o.Key), any(map[string]any(o.Body)), p, strings.ToLower(v)).(map[string]any)
				}
			}
			s.gitEdit(aFile, "vrf: x", "vrf: LOUD")
			s.settled()
			s.wantGit("vpc/a", "spec.vrf", "LOUD")
			s.wantNetBox("vpc/a", "spec.vrf", "loud")
			s.wantSilence()
			s.wantConflicts(0)
			// Each side moves against its own half.
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.settled()
			s.wantGit("vpc/a", "spec.vrf", "LOUD")
			s.wantNetBox("vpc/a", "spec.mode", "2")
			s.nbSet("vpc/a", "spec.vrf", "other")
			s.settled()
			s.wantGit("vpc/a", "spec.vrf", "other")
			s.gitEdit(aFile, "vrf: other", "vrf: LOUD")
			s.settled()
			s.wantNetBox("vpc/a", "spec.vrf", "loud")
			s.gitDelete(aFile)
			s.settled()
			s.wantGone(SideNetBox, "vpc/a")
		},
		"ENGINE 1: an object the server stored differently at its creation": func(s *story) {
			s.store = func(o *NetBoxObject) {
				p, _ := ParsePath("spec.added")
				o.Body = withPath(kindOf(o.Key), any(map[string]any(o.Body)), p, "by the server").(map[string]any)
			}
			s.gitHas(doc("vpc/a", "{mode: 1}"))
			s.settled()
			s.wantGit("vpc/a", "spec.added", "-")
			s.wantSilence()
		},
		"ENGINE 1: integral numbers are written into files as integers": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1, subnets: {p: {vlan: 5}}}"))
			s.nbSet("vpc/a", "spec.mode", "1000.0")
			s.nbSet("vpc/a", "spec.subnets.p.vlan", "1e3")
			s.nbAdd(doc("vpc/b", "{mode: 2.0e0, vrf: 0.5}"))
			s.settled()
			s.wantFile(aFile, "mode: 1000,", "vlan: 1000}")
			s.wantFile(bFile, "mode: 2\n", "vrf: 0.5")
			s.wantInSync()
		},
		"ENGINE 1: the file's own spelling of a number stays": func(s *story) {
			s.gitHas(doc("vpc/a", "{mode: 1e3, vrf: 1}"))
			s.nbAdd(doc("vpc/a", "{mode: 1000, vrf: 1}"))
			s.settled()
			s.nbSet("vpc/a", "spec.vrf", "2")
			s.settled()
			s.wantFile(aFile, "mode: 1e3, vrf: 2")
		},
		"ENGINE 1: the default namespace is never written into a file": func(s *story) {
			s.nbAdd(doc("vpc/a", "{mode: 1}"), doc("vpc/other/a", "{mode: 1}"))
			s.settled()
			if strings.Contains(s.files()[aFile], "namespace") {
				s.fail("a namespace")
			}
			s.wantFile("managed/vpcs/other.a.yaml", "namespace: other")
			s.nbSet("vpc/a", "spec.mode", "2")
			s.settled()
			if strings.Contains(s.files()[aFile], "namespace") {
				s.fail("a namespace")
			}
		},
		"ENGINE 1: an empty spec travels both ways": func(s *story) {
			s.gitHas(doc("vpc/a", ""))
			s.nbAdd(doc("vpc/b", ""))
			s.settled()
			s.wantThere(SideNetBox, "vpc/a")
			s.wantThere(SideGit, "vpc/b")
			s.nbSet("vpc/b", "spec.mode", "1")
			s.gitEdit(aFile, "name: a\n", "name: a\nspec: {mode: 1}\n")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "1")
			s.wantBoth("vpc/b", "spec.mode", "1")
			s.nbSet("vpc/b", "spec.mode", "-")
			s.gitEdit(aFile, "spec: {mode: 1}\n", "")
			s.settled()
			s.wantInSync()
		},
		"ENGINE 1: null set in Git removes the value in NetBox": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1, vrf: 2}"))
			s.gitEdit(aFile, "vrf: 2", "vrf: null")
			s.settled()
			s.wantNetBox("vpc/a", "spec.vrf", "-")
			s.wantInSync()
			s.nbSet("vpc/a", "spec.vrf", "3")
			s.settled()
			s.wantFile(aFile, "vrf: 3")
			s.wantInSync()
		},
	})
}

func TestRule1TableNamesWhatTheCodeDoes(t *testing.T) {
	t.Parallel()
	for _, label := range []string{"fabric.githedgehog.com/x"} {
		if !manifests.ForeignLabel(label) {
			t.Errorf("%s is not foreign", label)
		}
	}
	for _, a := range []string{"kubectl.kubernetes.io/x", "hnp.githedgehog.com/x"} {
		if !manifests.ForeignAnnotation(a) || manifests.ForeignLabel(a) {
			t.Errorf("%s", a)
		}
	}
}
