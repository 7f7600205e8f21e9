package gitops

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPathTexts(t *testing.T) {
	t.Parallel()
	for text, p := range map[string]Path{
		"":                              Path(nil),
		"spec":                          {{Name: "spec"}},
		"spec.subnets.test-subnet.vlan": {{Name: "spec"}, {Name: "subnets"}, {Name: "test-subnet"}, {Name: "vlan"}},
		`metadata.labels["a.b/c"]`:      {{Name: "metadata"}, {Name: "labels"}, {Name: "a.b/c", Item: true}},
		`spec.bundled.links["server-04/enp2s1,leaf-02/E1/2"].switch.port`: {{Name: "spec"}, {Name: "bundled"}, {Name: "links"},
			{Name: "server-04/enp2s1,leaf-02/E1/2", Item: true}, {Name: "switch"}, {Name: "port"}},
		`spec.groups["a"]`:       {{Name: "spec"}, {Name: "groups"}, {Name: "a", Item: true}},
		`spec.x["a\"]b\n"]["]"]`: {{Name: "spec"}, {Name: "x"}, {Name: "a\"]b\n", Item: true}, {Name: "]", Item: true}},
		`["odd key"]`:            {{Name: "odd key", Item: true}},
		`spec[""]`:               {{Name: "spec"}, {Name: "", Item: true}},
	} {
		got, err := ParsePath(text)
		if err != nil || !slices.Equal(got, p) {
			t.Errorf("%s reads as %+v, %v", text, got, err)
		}
		if p.String() != text {
			t.Errorf("%+v is written %s, want %s", p, p.String(), text)
		}
	}
	for _, bad := range []string{".", "spec.", ".spec", "spec..x", "a b", "spec[", "spec[]", "spec[x]", `spec["x"`, `spec["x]`, `spec['x']`, `spec["x"]y`,
		`spec["x"]..y`, "spec.ü", `spec."x"`, strings.Repeat("x", MaxPathText+1)} {
		if p, err := ParsePath(bad); err == nil {
			t.Errorf("%q is accepted as %v", bad, p)
		}
	}
}

// Whatever the keys are, a path's text reads back as the same places, and writes the same text.
func TestPathRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var p Path
		for range rapid.IntRange(0, 6).Draw(t, "depth") {
			name := rapid.OneOf(rapid.StringMatching(`[A-Za-z0-9_-]{1,8}`), rapid.StringN(0, 12, 60),
				rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 8), func(b []byte) string { return string(b) })).Draw(t, "name")
			p = append(p, Seg{Name: name, Item: rapid.Bool().Draw(t, "item")})
		}
		back, err := ParsePath(p.String())
		if err != nil {
			t.Fatalf("%q: %v", p.String(), err)
		}
		if !samePath(back, p) || back.String() != p.String() {
			t.Fatalf("%+v became %+v", p, back)
		}
	})
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"", "spec.a", `a["b"].c`, `["\x00"]`, `a[""]`, "a.[", `a["\u00"]`, `a["b"]["c"]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePath(text)
		if err != nil {
			return
		}
		back, err := ParsePath(p.String())
		if len(p.String()) <= MaxPathText && (err != nil || !samePath(back, p)) {
			t.Fatalf("%q reads as %+v, and back as %+v (%v)", text, p, back, err)
		}
		p.matchGlob(text)
		_, _ = parseGlob(text)
	})
}

func TestPathGlobs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		glob, path string
		match      bool
	}{
		{"spec.boot", "spec.boot.serial", true}, {"spec.boot", "spec.boot", true}, {"spec.boot", "spec", false}, {"spec.boot", "spec.bootx", false},
		{"spec.*.vlan", "spec.p.vlan", true}, {"spec.*.vlan", "spec.p.q.vlan", false}, {"*", "metadata.labels", true}, {"*.labels", "metadata.labels.x", true},
		{"spec.subnets.*", `spec.subnets["a.b"].vlan`, true}, {`metadata.labels["a.b/c"]`, `metadata.labels["a.b/c"]`, true}, {"", "spec", true},
		{"spec.[", "spec", false},
	} {
		p, err := ParsePath(c.path)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.matchGlob(c.glob); got != c.match {
			t.Errorf("%s on %s: %t", c.glob, c.path, got)
		}
	}
}
