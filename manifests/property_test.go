package manifests

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"
)

func TestEqual(t *testing.T) {
	t.Parallel()
	n := func(s string) json.Number { return json.Number(s) }
	for _, c := range []struct {
		a, b any
		want bool
	}{
		{n("1000"), n("1e3"), true},
		{n("1000.0"), n("1E+3"), true},
		{n("-0"), n("0"), true},
		{n("-0.0"), n("0e9"), true},
		{n("9007199254740993"), n("9007199254740992"), false},
		{n("12345678901234567890123"), n("12345678901234567890124"), false},
		{n("1e999999999"), n("10e999999998"), true},
		{n("1e999999999"), n("1e999999998"), false},
		{n("0.1"), n("0.10"), true},
		{n("0.1"), n("0.1000000000000000055"), true},
		{n("1"), n("0.99999999999999999999"), true},
		{n("1"), "1", false},
		{n("1"), true, false},
		{1, n("1.0"), true},
		{1.5, n("15e-1"), true},
		{nil, nil, true},
		{nil, "", false},
		{[]any{}, map[string]any{}, false},
		{[]any{}, []any{}, true},
		{[]any{n("1")}, []any{n("1"), n("1")}, false},
		{map[string]any{"a": nil}, map[string]any{}, false},
		{map[string]any{"a": n("1"), "b": n("2")}, map[string]any{"b": n("2"), "a": n("1.0")}, true},
		{struct{}{}, struct{}{}, false},
	} {
		if Equal(c.a, c.b) != c.want || Equal(c.b, c.a) != c.want {
			t.Errorf("Equal(%v, %v) is not %v", c.a, c.b, c.want)
		}
	}
}

// drawn is a random text with one document to edit, from rapid's source of randomness so that failures shrink to a seed.
func drawn(t *rapid.T) (*scribe, *File, int) {
	s := &scribe{rng: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3))}
	text, doc := s.document()
	f, found := Parse("x.yaml", []byte(text))
	if len(found) > 0 {
		t.Fatalf("%v\n%s", found, text)
	}
	return s, f, doc
}

// TestProperties holds what Edit promises for every text and every wanted value.
func TestProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, f, doc := drawn(t)
		src := bytes.Clone(f.Source())
		object := f.Documents()[doc].Object

		same, _ := cloneValue(object, 0)
		out, err := f.Edit(doc, same.(map[string]any))
		if err != nil || &out[0] != &f.Source()[0] {
			t.Fatalf("a no-op gives other bytes: %v", err)
		}

		_, want, _ := s.mutate(object)
		out, err = f.Edit(doc, want)
		if !bytes.Equal(f.Source(), src) {
			t.Fatal("the source was changed")
		}
		if again, _ := f.Edit(doc, want); !bytes.Equal(again, out) {
			t.Fatalf("the same edit gives two results:\n%s\n%s", out, again)
		}
		if err != nil {
			return // refused, and nothing was changed
		}
		g, found := Parse("x.yaml", out)
		if len(found) > 0 || !Equal(g.Documents()[doc].Object, want) {
			t.Fatalf("wrong value %v\n%s\n->\n%s", found, src, out)
		}
		back, err := g.Edit(doc, object)
		if err != nil {
			t.Fatalf("the way back is refused: %v\n%s\n->\n%s", err, src, out)
		}
		h, _ := Parse("x.yaml", back)
		if !Equal(h.Documents()[doc].Object, object) {
			t.Fatalf("the way back gives another value\n%s\n->\n%s\n->\n%s", src, out, back)
		}
		// What kustomize and Flux read is the same text.
		if s.chance(20) {
			var v3 any
			d := &g.docs[doc]
			if err := yaml.Unmarshal(out[d.start:d.stop], &v3); err != nil {
				t.Fatalf("yaml v3: %v\n%s", err, out)
			}
			if a, b := stringsIn(want, nil), stringsIn(v3, nil); len(a) != len(b) {
				t.Fatalf("yaml v3 sees %d texts, %d were written\n%s", len(b), len(a), out)
			}
		}
	})
}

// stringsIn collects the strings of a value.
func stringsIn(v any, out []string) []string {
	switch x := v.(type) {
	case string:
		out = append(out, x)
	case []any:
		for _, e := range x {
			out = stringsIn(e, out)
		}
	case map[string]any:
		for _, e := range x {
			out = stringsIn(e, out)
		}
	case map[any]any:
		for _, e := range x {
			out = stringsIn(e, out)
		}
	}
	return out
}

// TestRender writes any object so that it reads the same, in the fixed order.
func TestRender(t *testing.T) {
	t.Parallel()
	out, err := Render(fromJSON(t, `{"spec":{"b":[1,{"x":"yes","a":{}}],"a":"l1\nl2\n","z":null,"n":1e3},"metadata":{"labels":{"b":"1","a":"x"},"name":"n","annotations":{},"namespace":"d","extra":true},"kind":"VPC","apiVersion":"vpc.githedgehog.com/v1beta1","alpha":1}`))
	if err != nil {
		t.Fatal(err)
	}
	want := "apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata:\n  name: \"n\"\n  namespace: d\n  labels:\n    a: x\n    b: \"1\"\n  annotations: {}\n  extra: true\n" +
		"spec:\n  a: |\n    l1\n    l2\n  b:\n  - 1\n  - a: {}\n    x: \"yes\"\n  \"n\": 1000\n  z: null\nalpha: 1\n"
	if string(out) != want {
		t.Errorf("got:\n%s\nwant:\n%s", out, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := &scribe{rng: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 4))}
		want := s.object(4, 1+s.rng.IntN(6))
		out, err := Render(want)
		if err != nil {
			t.Fatal(err)
		}
		f, found := Parse("x.yaml", out)
		if len(found) > 0 || !Equal(f.Documents()[0].Object, want) {
			t.Fatalf("%v\n%s", found, out)
		}
	})
	if _, err := Render(Object{"a": "\xff"}); err == nil {
		t.Error("text that is not UTF-8 was rendered")
	}
}
