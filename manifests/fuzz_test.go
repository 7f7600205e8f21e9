package manifests

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"go.yaml.in/yaml/v3"
	sigs "sigs.k8s.io/yaml"
)

// FuzzParse reads any bytes: it must not panic, every place must lie in the file, and a document that is accepted must
// be what the Kubernetes parser reads.
func FuzzParse(f *testing.F) {
	seeds(f, func(src []byte) { f.Add(src) })
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > 1<<16 {
			return
		}
		file, found := Parse("x.yaml", src)
		lines := bytes.Count(src, []byte("\n")) + 1
		for _, d := range found {
			if d.StartLine > lines || d.EndLine > lines || d.Code == "" || d.Message == "" || d.Fix == "" {
				t.Fatalf("%+v in %d lines", d, lines)
			}
		}
		end := 0
		for i := range file.docs {
			d := &file.docs[i]
			if d.start < end || d.stop < d.start || d.end < d.stop || d.Start < d.start || d.End < d.Start {
				t.Fatalf("document %d: %+v after %d", i, d.section, end)
			}
			end = d.end
			if d.tree == nil {
				continue
			}
			walk(d.tree.root, func(n *node) {
				if n.prop > n.start || n.start > n.end || n.end > len(d.tree.src) {
					t.Fatalf("node %d %d %d in %d bytes", n.prop, n.start, n.end, len(d.tree.src))
				}
			})
			if d.Object == nil || d.tree.merges {
				continue
			}
			var v any
			if err := sigs.UnmarshalStrict(plainDirectives(file.src[d.start:d.stop]), &v); err != nil {
				t.Fatalf("accepted, but Kubernetes says %v", err)
			}
		}
		if end != len(src) {
			t.Fatalf("the sections end at %d of %d", end, len(src))
		}
	})
}

// FuzzEdit changes any document that can be read, at random: the result must read as wanted by every parser, all else
// must stay, and the source must never change.
func FuzzEdit(f *testing.F) {
	seeds(f, func(src []byte) { f.Add(src, uint64(1)); f.Add(src, uint64(77)) })
	f.Fuzz(func(t *testing.T, src []byte, seed uint64) {
		if len(src) > 1<<13 {
			return
		}
		file, _ := Parse("x.yaml", src)
		before := bytes.Clone(src)
		s := &scribe{rng: rand.New(rand.NewPCG(seed, 5))}
		for i, d := range file.Documents() {
			if i > 3 || d.Object == nil {
				continue
			}
			if len(places(d.Object, nil)) > 2000 {
				continue
			}
			_, want, _ := s.mutate(d.Object)
			out, err := file.Edit(i, want)
			if !bytes.Equal(src, before) {
				t.Fatal("the source changed")
			}
			if err != nil {
				continue
			}
			after, found := Parse("x.yaml", out)
			if len(after.docs) != len(file.docs) {
				t.Fatalf("%d documents became %d: %v\n%q", len(file.docs), len(after.docs), found, out)
			}
			if !Equal(after.Documents()[i].Object, want) {
				t.Fatalf("wrong value: want %v, got %v\n%q\n%q", want, after.Documents()[i].Object, src, out)
			}
			for k := range file.docs {
				a, b := &file.docs[k], &after.docs[k]
				if k != i && !bytes.Equal(src[a.start:a.end], out[b.start:b.end]) {
					t.Fatalf("document %d changed with document %d:\n%q\n%q", k, i, src, out)
				}
			}
			var doc yaml.Node
			a := &after.docs[i]
			if err := yaml.Unmarshal(plainDirectives(out[a.start:a.stop]), &doc); err != nil {
				t.Fatalf("yaml v3: %v\n%q", err, out)
			}
		}
		if cut, err := file.Apply([]Change{{Doc: len(file.docs) / 2}, {Doc: AppendDoc, Append: []byte("added: 1\n")}}); err == nil {
			after, _ := Parse("x.yaml", cut)
			last := after.Documents()[len(after.docs)-1]
			if last.Object == nil || !Equal(last.Object, Object{"added": 1}) {
				t.Fatalf("the added document is %v\n%q\n%q", last, src, cut)
			}
		}
	})
}

func walk(n *node, visit func(*node)) {
	visit(n)
	for i := range n.entries {
		if k := n.entries[i].key; k != nil {
			walk(k, visit)
		}
		walk(n.entries[i].val, visit)
	}
}

// seeds are texts that hold something hard each.
func seeds(f *testing.F, add func([]byte)) {
	f.Helper()
	for _, s := range []string{
		"a: 1\n", "a: &x {p: [1, 2]}\nb: *x\nc:\n  <<: *x\n  q: 1\n", "a: |+\n  x\n\n\nb: >-\n  y\n  z\n", "? k\n: 'v'\t# c\n", "- - x\n  - y\n",
		"a:\n- b: 1 # c\n  # d\n  e: {f: g, h}\n-\n- \n", "%YAML 1.1\n---\na: 1\n...\n--- |\n x\n", "{\"a\":[1,{\"b\":null}],\"c\":\"\\u0041\"}", "a: ! <<\n",
		"a: \"x\u2028y\u0085z\"\nb: |\n  \u2028x\n", "\ufeffa: 1\r\nb:\r\n  - x\r\n", "a: !!str 1\nb: !!binary aGk=\nc: ! 12\n", "a: 'it''s'\nb: \"a\\\n  b\"\n",
		"a: [\n  1, # x\n  # y\n  2,\n]\n", "a: b\n  c\n\n  d\n", "'1': a\n1.5: b\nyes: c\n", "a: *x\n", "a: [x: 1, ? y, z: ]\n", "a: |2\n   x\n\n  y\n",
		"&a a: &b b\n*a : c\n", "!!map\na: !!seq\n- !!int \"1\"\n", "a: # c\n  # d\n  - 1\n", "a: 1\n#b\n---\n# c\n---\nd: {}\n", "a: &a\nb: &b !!str\nc: *a\n",
	} {
		add([]byte(s))
	}
	for seed := range uint64(12) {
		s := &scribe{rng: rand.New(rand.NewPCG(seed, 9))}
		text, _ := s.document()
		add([]byte(text))
	}
}
