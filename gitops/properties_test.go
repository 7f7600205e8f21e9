package gitops

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hnp-sync/hnp-sync/manifests"
)

func TestRule1Numbers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"1e3", "1000", true}, {"1E+3", "1000.0", true}, {"1000", "1000.000", true}, {"-0", "0", true}, {"-0.0e5", "0", true},
		{"0e999999", "0", true}, {"1", "-1", false}, {"-1.0", "-1", true}, {"100e-2", "1", true}, {"0.5", "5e-1", true},
		{"9007199254740993", "9007199254740992", false}, {"9007199254740993.0", "9007199254740993", true},
		{"9007199254740993e2", "900719925474099300", true}, {"1e400", "10e399", true}, {"1e400", "1e401", false},
		{"1" + strings.Repeat("0", 500), "1e500", true}, {"0.1", "0.10000000000000000001", true}, {"0.1", "0.11", false},
		{"1e-400", "0", true}, {"-1e-400", "0", true}, {"1.7976931348623157e308", "17976931348623157e292", true}, {"18446744073709551616", "1.8446744073709551616e19", true},
		{"2", "20", false}, {"1e1", "1", false}, {"1e999999999999999999999", "1e999999999999999999998", false},
	} {
		if got := number(json.Number(c.a)) == number(json.Number(c.b)); got != c.same {
			t.Errorf("%s and %s: same %t (%s, %s)", c.a, c.b, got, number(json.Number(c.a)), number(json.Number(c.b)))
		}
	}
}

// spelling draws one JSON spelling of a number.
func spelling(t *rapid.T, label string) json.Number {
	return json.Number(rapid.StringMatching(`-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,6})?([eE][-+]?[0-9]{1,2})?`).Draw(t, label))
}

// Two integral spellings have one canonical text exactly when their values are equal, and the text is an integer of
// that value; what is written into Git for it reads back as the same number.
func TestRule1NumbersByValue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := spelling(t, "a"), spelling(t, "b")
		ra, ok := new(big.Rat).SetString(string(a))
		rb, ok2 := new(big.Rat).SetString(string(b))
		if !ok || !ok2 {
			t.Fatalf("%s or %s is no number", a, b)
		}
		if ra.IsInt() && number(a) != ra.Num().String() {
			t.Fatalf("%s is %s", a, number(a))
		}
		if ra.IsInt() && rb.IsInt() && (number(a) == number(b)) != (ra.Cmp(rb) == 0) {
			t.Fatalf("%s and %s", a, b)
		}
		fa, _ := ra.Float64()
		fb, _ := rb.Float64()
		if !ra.IsInt() && !rb.IsInt() && (number(a) == number(b)) != (fa == fb) {
			t.Fatalf("%s and %s: %s, %s", a, b, number(a), number(b))
		}
		if number(json.Number(number(a))) != number(a) {
			t.Fatalf("the canonical text of %s is not canonical: %s", a, number(a))
		}
		if out := forGit(a).(json.Number); number(out) != number(a) || ra.IsInt() && !isInteger(string(out)) {
			t.Fatalf("%s is written as %s", a, out)
		}
	})
}

// bodies draws bodies of a kind from few keys and values, so that equal and nearly equal ones are common. Lists stand
// at places with rules; keyed ones have unique keys unless loose is set.
type bodies struct {
	loose bool
	lists bool
}

func (g bodies) scalar(t *rapid.T) any {
	return rapid.SampledFrom([]any{"a", "b", "10", json.Number("10"), json.Number("1e1"), json.Number("10.0"), json.Number("0.5"), json.Number("-0"), json.Number("0"),
		true, false, "true", ""}).Draw(t, "scalar")
}

func (g bodies) fields(t *rapid.T, depth int) map[string]any {
	out := map[string]any{}
	for _, k := range []string{"x", "y", "z"} {
		switch n := rapid.IntRange(0, 5).Draw(t, k); {
		case n < 2:
		case n < 4 || depth == 0:
			out[k] = g.scalar(t)
		default:
			out[k] = g.fields(t, depth-1)
		}
	}
	return out
}

func (g bodies) set(t *rapid.T, label string) []any {
	members := []any{}
	for range rapid.IntRange(0, 3).Draw(t, label) {
		m := rapid.SampledFrom([]any{"p", "q", "r"}).Draw(t, "member")
		if g.loose || !slices.Contains(members, m) {
			members = append(members, m)
		}
	}
	return members
}

func (g bodies) routes(t *rapid.T) []any {
	out, seen := []any{}, map[any]bool{}
	for range rapid.IntRange(0, 3).Draw(t, "routes") {
		item := map[string]any{"prefix": rapid.SampledFrom([]any{"k1", "k2", "k3"}).Draw(t, "prefix"), "nextHops": g.set(t, "hops")}
		if rapid.Bool().Draw(t, "field") {
			item["x"] = g.scalar(t)
		}
		if g.loose && rapid.IntRange(0, 9).Draw(t, "keyless") == 0 {
			delete(item, "prefix")
		}
		if g.loose || !seen[item["prefix"]] {
			out = append(out, item)
		}
		seen[item["prefix"]] = true
	}
	return out
}

func (g bodies) draw(t *rapid.T, label string) manifests.Object {
	return rapid.Custom(func(t *rapid.T) manifests.Object {
		spec := g.fields(t, 2)
		if g.lists {
			spec["staticRoutes"] = g.routes(t)
			if rapid.Bool().Draw(t, "atomic") {
				spec["permit"] = []any{g.set(t, "policy")}
			}
		}
		return manifests.Object{"spec": spec, "metadata": map[string]any{"labels": g.fields(t, 0), "annotations": map[string]any{}}}
	}).Draw(t, label)
}

// near draws a body that differs from another one in few places, as edits do.
func (g bodies) near(t *rapid.T, kind manifests.Kind, b manifests.Object, label string) manifests.Object {
	other := g.draw(t, label+" source")
	out := any(map[string]any(b))
	var places []Path
	for _, k := range []string{"x", "y", "z"} {
		places = append(places, Path{{Name: "spec"}, {Name: k}}, Path{{Name: "spec"}, {Name: k}, {Name: "x"}}, Path{{Name: "metadata"}, {Name: "labels"}, {Name: k}})
	}
	if g.lists {
		routes := Path{{Name: "spec"}, {Name: "staticRoutes"}}
		places = append(places, routes, routes.item("k1"), routes.item("k2"), routes.item("k1").field("x"), routes.item("k2").field("x"), routes.item("k3"), routes.item("k1").field("nextHops"))
	}
	for range rapid.IntRange(0, 3).Draw(t, label+" edits") {
		p := rapid.SampledFrom(places).Draw(t, "place")
		v := lookup(kind, any(map[string]any(other)), p)
		if parent := lookup(kind, out, p[:len(p)-1]); len(p) > 3 && isNone(parent) {
			continue
		}
		if _, scalar := lookup(kind, out, p[:len(p)-1]).(map[string]any); len(p) == 3 && p[0].Name == "spec" && !scalar {
			continue
		}
		out = withPath(kind, out, p, v)
	}
	return out.(map[string]any)
}

// respelled is the same body in other words: other key and item order, other spellings of numbers, nulls, foreign labels.
func respelled(t *rapid.T, kind manifests.Kind, p Path, v any) any {
	switch c := v.(type) {
	case json.Number:
		if isInteger(string(c)) && string(c) != "-0" {
			return rapid.SampledFrom([]any{c, json.Number(string(c) + ".0"), json.Number(string(c) + "e0")}).Draw(t, "spelling")
		}
		return c
	case map[string]any:
		out := map[string]any{}
		for _, k := range slices.Sorted(maps.Keys(c)) {
			out[k] = respelled(t, kind, p.field(k), c[k])
		}
		if rapid.Bool().Draw(t, "null") {
			out["absent"] = nil
		}
		return out
	case []any:
		out := make([]any, len(c))
		for i := range c {
			out[i] = respelled(t, kind, p.field("0"), c[i])
		}
		if rule, ok := kind.ListAt(p.names()); ok && rule.Type != manifests.ListAtomic && !rule.Ordered {
			if _, unique := keyed(rule, c); unique {
				out = rapid.Permutation(out).Draw(t, "order")
			}
		}
		return out
	}
	return v
}

func plainVPC() manifests.Kind {
	kind, _ := manifests.LookupKind(manifests.GroupVPC, "VPC")
	kind.Defaults = nil
	return kind
}

// Two bodies are the same exactly when their hashes are, and being the same is an equivalence; another spelling of a
// body is the same body.
func TestRule1HashSaysWhatSameSays(t *testing.T) {
	t.Parallel()
	kind := plainVPC()
	rapid.Check(t, func(t *rapid.T) {
		g := bodies{loose: true, lists: true}
		a := g.draw(t, "a")
		b := g.near(t, kind, a, "b")
		again, _ := respelled(t, kind, nil, any(map[string]any(a))).(map[string]any)
		ca, cb, cagain := any(map[string]any(comparableBody(a))), any(map[string]any(comparableBody(b))), any(map[string]any(comparableBody(again)))
		if same(kind, nil, ca, cb) != (hashOf(kind, nil, ca) == hashOf(kind, nil, cb)) {
			t.Fatalf("same %t, hashes %s and %s", same(kind, nil, ca, cb), hashOf(kind, nil, ca), hashOf(kind, nil, cb))
		}
		if !same(kind, nil, ca, cagain) || hashOf(kind, nil, ca) != hashOf(kind, nil, cagain) {
			t.Fatalf("%v is not %v", ca, cagain)
		}
		if same(kind, nil, ca, cb) != same(kind, nil, cb, ca) || same(kind, nil, ca, cb) != same(kind, nil, cagain, cb) {
			t.Fatalf("not an equivalence")
		}
		if !same(kind, nil, forGit(ca), ca) {
			t.Fatalf("what is written into Git is another body: %v", forGit(ca))
		}
	})
}

// What Hedgehog fills in is the same as nothing, in both directions and at any depth.
func TestRule1DefaultsAreNothing(t *testing.T) {
	t.Parallel()
	for _, kind := range manifests.Kinds() {
		for _, d := range kind.Defaults {
			p := Path{}
			for _, s := range strings.Split(strings.ReplaceAll(d.Path, "*", "name"), ".") {
				p = p.field(s)
			}
			if !same(kind, p, none, d.Value) || !same(kind, p, d.Value, none) || same(kind, p, none, "something else") {
				t.Errorf("%s: the default of %s", kind.Kind, d.Path)
			}
		}
	}
}

// merged3 merges until nothing flows any more, moving base as writes do, and gives what each side holds then, with the
// paths that are left open.
func merged3(kind manifests.Kind, base, git, netbox manifests.Object) (g, n manifests.Object, open []string, rounds int) {
	bG, bN := any(map[string]any(base)), any(map[string]any(base))
	left, right := any(map[string]any(git)), any(map[string]any(netbox))
	for rounds = 1; ; rounds++ {
		m := &merger{kind: kind}
		m.merge(bG, bN, left, right)
		open = nil
		for _, c := range m.clashes {
			open = append(open, c.path.String())
		}
		for _, a := range m.agreed {
			bG, bN = withPath(kind, bG, a.path, a.git), withPath(kind, bN, a.path, a.netbox)
		}
		for _, f := range m.flows {
			if f.to == SideGit {
				left = withPath(kind, left, f.path, f.to1)
			} else {
				right = withPath(kind, right, f.path, f.to1)
			}
			bG, bN = withPath(kind, bG, f.path, lookup(kind, left, f.path)), withPath(kind, bN, f.path, lookup(kind, right, f.path))
		}
		if len(m.flows) == 0 && !m.later || rounds > 5 {
			return left.(map[string]any), right.(map[string]any), open, rounds
		}
	}
}

func TestMergeLaws(t *testing.T) {
	t.Parallel()
	ordered := plainVPC()
	ordered.Lists = slices.Clone(ordered.Lists)
	for i := range ordered.Lists {
		ordered.Lists[i].Ordered = ordered.Lists[i].Path == "spec.staticRoutes"
	}
	t.Run("lists without order", func(t *testing.T) { t.Parallel(); mergeLaws(t, plainVPC()) })
	t.Run("lists with order", func(t *testing.T) { t.Parallel(); mergeLaws(t, ordered) })
}

func mergeLaws(t *testing.T, kind manifests.Kind) {
	eq := func(a, b manifests.Object) bool {
		return same(kind, nil, any(map[string]any(a)), any(map[string]any(b)))
	}
	laws := map[string]func(t *rapid.T, b, x, y manifests.Object){
		"m(b,x,x) = x": func(t *rapid.T, b, x, _ manifests.Object) {
			g, n, open, _ := merged3(kind, b, x, x)
			if !eq(g, x) || !eq(n, x) || len(open) > 0 {
				t.Fatalf("%v, %v, open %v", g, n, open)
			}
		},
		"m(b,b,x) = x": func(t *rapid.T, b, x, _ manifests.Object) {
			g, n, open, _ := merged3(kind, b, b, x)
			if !eq(g, x) || !eq(n, x) || len(open) > 0 {
				t.Fatalf("%v, %v, want %v, open %v", g, n, x, open)
			}
		},
		"m(b,x,b) = x": func(t *rapid.T, b, x, _ manifests.Object) {
			g, n, open, _ := merged3(kind, b, x, b)
			if !eq(g, x) || !eq(n, x) || len(open) > 0 {
				t.Fatalf("%v, %v, want %v, open %v", g, n, x, open)
			}
		},
		"m(b,x,y) and m(b,y,x) are each other's mirror": func(t *rapid.T, b, x, y manifests.Object) {
			g, n, open, _ := merged3(kind, b, x, y)
			n2, g2, open2, _ := merged3(kind, b, y, x)
			if !eq(g, g2) || !eq(n, n2) || !slices.Equal(open, open2) {
				t.Fatalf("%v, %v, %v against %v, %v, %v", g, n, open, g2, n2, open2)
			}
		},
		"a merge comes to rest, and is equal where nothing is open": func(t *rapid.T, b, x, y manifests.Object) {
			g, n, open, rounds := merged3(kind, b, x, y)
			if rounds > 3 || len(open) == 0 && !eq(g, n) {
				t.Fatalf("%d rounds: %v, %v, open %v", rounds, g, n, open)
			}
			for _, text := range open {
				p, err := ParsePath(text)
				if err != nil {
					t.Fatal(err)
				}
				g, n = withPath(kind, any(map[string]any(g)), p, none).(map[string]any), withPath(kind, any(map[string]any(n)), p, none).(map[string]any)
			}
			if !eq(g, n) {
				t.Fatalf("outside of %v: %v, %v", open, g, n)
			}
		},
		"spelling and order of items change nothing": func(t *rapid.T, b, x, y manifests.Object) {
			g, n, open, _ := merged3(kind, b, x, y)
			other := func(o manifests.Object) manifests.Object {
				again, _ := respelled(t, kind, nil, any(map[string]any(o))).(map[string]any)
				return comparableBody(again)
			}
			g2, n2, open2, _ := merged3(kind, other(b), other(x), other(y))
			if !eq(g, g2) || !eq(n, n2) || !slices.Equal(open, open2) {
				t.Fatalf("%v, %v, %v against %v, %v, %v", g, n, open, g2, n2, open2)
			}
		},
		"no value is invented": func(t *rapid.T, b, x, y manifests.Object) {
			g, n, _, _ := merged3(kind, b, x, y)
			known := map[string]bool{}
			for _, o := range []manifests.Object{b, x, y} {
				flatten(kind, nil, any(map[string]any(o)), func(p Path, v string) { known[p.String()+"="+v] = true })
			}
			for _, o := range []manifests.Object{g, n} {
				flatten(kind, nil, any(map[string]any(o)), func(p Path, v string) {
					if !known[p.String()+"="+v] {
						t.Fatalf("%s = %s", p, v)
					}
				})
			}
		},
		"what a side set alone is on both": func(t *rapid.T, b, x, y manifests.Object) {
			g, n, open, _ := merged3(kind, b, x, y)
			for _, k := range []string{"x", "y", "z"} {
				p := Path{{Name: "metadata"}, {Name: "labels"}, {Name: k}}
				base, git, netbox := lookup(kind, any(map[string]any(b)), p), lookup(kind, any(map[string]any(x)), p), lookup(kind, any(map[string]any(y)), p)
				want := git
				if same(kind, p, git, base) {
					want = netbox
				} else if !same(kind, p, netbox, base) && !same(kind, p, netbox, git) {
					if !slices.Contains(open, p.String()) {
						t.Fatalf("%s is not open", p)
					}
					continue
				}
				if !same(kind, p, lookup(kind, any(map[string]any(g)), p), want) || !same(kind, p, lookup(kind, any(map[string]any(n)), p), want) {
					t.Fatalf("%s is not %v", p, want)
				}
			}
		},
	}
	for name, law := range laws {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				g := bodies{lists: true}
				b := g.draw(t, "base")
				x, y := g.near(t, kind, b, "git"), g.near(t, kind, b, "netbox")
				law(t, comparableBody(b), comparableBody(x), comparableBody(y))
			})
		})
	}
	// Rule 7 looks at what moved on each side, not at the result: this law is for bodies without lists.
	t.Run("m(b,g,m(b,g,n)) = m(b,g,n)", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			g := bodies{}
			b := g.draw(t, "base")
			x, y := g.near(t, kind, b, "git"), g.near(t, kind, b, "netbox")
			m, _, open, _ := merged3(kind, b, x, y)
			if len(open) > 0 {
				return
			}
			again, _, open, _ := merged3(kind, b, x, m)
			if len(open) > 0 || !eq(again, m) {
				t.Fatalf("%v became %v, open %v", m, again, open)
			}
		})
	})
}

// The same input gives the same plan, whatever order maps are walked in.
func TestPlanIsDeterministic(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.fabric.Guard.MaxDelete, s.fabric.Guard.MaxDeletePercent = 3, 0
	fleet(s, 30)
	for i := range 30 {
		switch i % 6 {
		case 0:
			s.gitEdit(vfile(i), "mode: 1", "mode: 2")
		case 1:
			s.nbSet(vkey(i), "spec.mode", "2")
		case 2:
			s.gitEdit(vfile(i), "mode: 1", "mode: 2")
			s.nbSet(vkey(i), "spec.mode", "3")
		case 3:
			s.gitDelete(vfile(i))
		case 4:
			s.nbRename(vkey(i), vkey(i)+"x")
		case 5:
			s.nbDelete(vkey(i))
		}
	}
	s.gitPush("managed/vpcs/broken.yaml", "kind: [")
	s.fabric.Mode = ModeObserve
	s.cycle()
	first := s.last.Plan
	if len(first.Actions) < 10 || len(first.Conflicts) < 5 || len(first.Waiting.Actions) < 5 {
		s.fail("%d actions, %d conflicts, %d waiting: too little to look at", len(first.Actions), len(first.Conflicts), len(first.Waiting.Actions))
	}
	// The first cycle published its findings: from here on the input is the same every time.
	s.cycle()
	first = s.last.Plan
	for range 20 {
		s.cycle()
		got := s.last.Plan
		if got.Hash != first.Hash || got.Waiting.Hash != first.Waiting.Hash {
			t.Fatalf("plan %s, then %s", first.Hash, got.Hash)
		}
		if describe(got) != describe(first) {
			t.Fatalf("%s\nthen\n%s", describe(first), describe(got))
		}
	}
	s.nbSet(vkey(1), "spec.mode", "9")
	s.cycle()
	if s.last.Plan.Hash == first.Hash {
		t.Error("another input has the same hash")
	}
}

// describe is a plan as text, in the plan's own order.
func describe(p *Plan) string {
	var b strings.Builder
	for _, a := range p.Actions {
		fmt.Fprintln(&b, a.String(), a.Reason, a.Paths, a.columns, a.fingerprint)
	}
	for _, w := range p.Waiting.Actions {
		fmt.Fprintln(&b, "waits", w)
	}
	for _, c := range p.Conflicts {
		fmt.Fprintln(&b, c.Key, c.Path, c.Code, c.Base, c.Git, c.NetBox)
	}
	for _, f := range p.Frozen {
		fmt.Fprintln(&b, f)
	}
	for _, d := range p.Diagnostics {
		fmt.Fprintln(&b, d)
	}
	return b.String()
}
