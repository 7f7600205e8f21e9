package manifests

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestRemove(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		src  string
		doc  int
		want string
	}{
		"first":                           {"a: 1\n---\nb: 2\n", 0, "---\nb: 2\n"},
		"first with its marker":           {"---\na: 1\n---\nb: 2\n", 0, "---\nb: 2\n"},
		"middle":                          {"a: 1\n---\nb: 2\n---\nc: 3\n", 1, "a: 1\n---\nc: 3\n"},
		"last":                            {"a: 1\n---\nb: 2\n", 1, "a: 1\n"},
		"last without final line break":   {"a: 1\n---\nb: 2", 1, "a: 1"},
		"header of the file stays":        {"# file\n---\na: 1\n---\nb: 2\n", 0, "# file\n---\nb: 2\n"},
		"header without marker stays":     {"# file\na: 1\n---\nb: 2\n", 0, "# file\n---\nb: 2\n"},
		"comments above go, below stay":   {"a: 1\n---\n# b\nb: 2\n# banner of c\n---\nc: 3\n", 1, "a: 1\n# banner of c\n---\nc: 3\n"},
		"only":                            {"a: 1\n", 0, ""},
		"only, header stays":              {"# file\n---\na: 1\n", 0, "# file\n"},
		"with its end marker":             {"a: 1\n...\n---\nb: 2\n", 0, "---\nb: 2\n"},
		"bare one behind stays apart":     {"a: 1\n---\nb: 2\n...\nc: 3\n", 1, "a: 1\n---\nc: 3\n"},
		"directive goes along":            {"%YAML 1.1\n---\na: 1\n---\nb: 2\n", 0, "---\nb: 2\n"},
		"empty one":                       {"a: 1\n---\n# nothing\n---\nb: 2\n", 1, "a: 1\n---\nb: 2\n"},
		"broken one":                      {"a: 1\n---\nb: [\n---\nc: 3\n", 1, "a: 1\n---\nc: 3\n"},
		"CRLF and BOM":                    {"\ufeffa: 1\r\n---\r\nb: 2\r\n", 0, "\ufeff---\r\nb: 2\r\n"},
		"beside a block that keeps lines": {"a: |+\n  x\n\n---\nb: 2\n---\nc: 3\n", 1, "a: |+\n  x\n\n---\nc: 3\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := Parse("x.yaml", []byte(c.src))
			out, err := f.Remove(c.doc)
			if err != nil {
				t.Fatal(err)
			}
			if string(out) != c.want {
				t.Errorf("got %q, want %q", out, c.want)
			}
		})
	}
}

func TestAppend(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ src, doc, want string }{
		"to nothing":                  {"", "a: 1\n", "a: 1\n"},
		"to a document":               {"a: 1\n", "b: 2\n", "a: 1\n---\nb: 2\n"},
		"its own marker":              {"a: 1\n", "---\nb: 2\n", "a: 1\n---\nb: 2\n"},
		"header in front of a marker": {"a: 1\n", "# b\n---\nb: 2\n", "a: 1\n# b\n---\nb: 2\n"},
		"no final line breaks":        {"a: 1", "b: 2", "a: 1\n---\nb: 2\n"},
		"CRLF":                        {"a: 1\r\n", "b: 2\r\n", "a: 1\r\n---\r\nb: 2\r\n"},
		"behind an end marker":        {"a: 1\n...\n", "b: 2\n", "a: 1\n...\n---\nb: 2\n"},
		"literal at the end":          {"a: |\n  x", "b: 2\n", "a: |-\n  x\n---\nb: 2\n"},
		"block that keeps lines":      {"a: |+\n  x\n\n", "b: 2\n", "a: |+\n  x\n\n---\nb: 2\n"},
		"to comments":                 {"# only\n", "b: 2\n", "# only\nb: 2\n"},
		"BOM of the document":         {"a: 1\n", "\ufeffb: 2\n", "a: 1\n---\nb: 2\n"},
		"to a broken document":        {"a: [\n", "b: 2\n", "a: [\n---\nb: 2\n"},
		"comments come along":         {"a: 1\n", "# of b\nb: 2 # c\n# tail\n", "a: 1\n---\n# of b\nb: 2 # c\n# tail\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := Append([]byte(c.src), []byte(c.doc))
			if err != nil {
				t.Fatal(err)
			}
			if string(out) != c.want {
				t.Errorf("got %q, want %q", out, c.want)
			}
		})
	}
	if out, err := Append([]byte("a: 1\n"), []byte("# nothing\n")); err == nil {
		t.Errorf("an empty document was added: %q", out)
	}
}

// TestApply makes changes of every kind at once, and all or none of them.
func TestApply(t *testing.T) {
	t.Parallel()
	src := "# file\n---\na: 1 # a\n---\nb: 2\n---\nc: 3\n---\nd: [\n"
	f, _ := Parse("x.yaml", []byte(src))
	out, err := f.Apply([]Change{
		{Doc: AppendDoc, Append: []byte("e: 5\n")},
		{Doc: 2, Want: Object{"c": 4}},
		{Doc: 1},
		{Doc: AppendDoc, Append: []byte("f: 6\n")},
		{Doc: 0, Want: Object{"a": 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := "# file\n---\na: 1 # a\n---\nc: 4\n---\nd: [\n---\ne: 5\n---\nf: 6\n"; string(out) != want {
		t.Errorf("got %q, want %q", out, want)
	}
	for name, bad := range map[string][]Change{
		"twice the same": {{Doc: 0, Want: Object{"a": 2}}, {Doc: 0}},
		"a broken one":   {{Doc: 0, Want: Object{"a": 2}}, {Doc: 3, Want: Object{"d": 2}}},
		"no such":        {{Doc: 9}},
		"negative":       {{Doc: -2}},
	} {
		out, err := f.Apply(bad)
		var refused *EditError
		if !errors.As(err, &refused) || out != nil || string(f.Source()) != src {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
	whole, _ := Parse("x.yaml", []byte("\xff\xfea\x00"))
	for _, c := range []Change{{Doc: 0}, {Doc: AppendDoc, Append: []byte("a: 1\n")}, {Doc: 0, Want: Object{"a": 1}}} {
		if out, err := whole.Apply([]Change{c}); err == nil {
			t.Errorf("%v of a file that cannot be read gives %q", c, out)
		}
	}
	if out, err := f.Apply(nil); err != nil || &out[0] != &f.Source()[0] {
		t.Errorf("nothing to do: %q, %v", out, err)
	}
}

// TestApplyRandom cuts, changes and adds documents of random files; the rest must be there byte for byte.
func TestApplyRandom(t *testing.T) {
	t.Parallel()
	for seed := range 1500 {
		s := &scribe{rng: rand.New(rand.NewPCG(uint64(seed), 7)), step: 2}
		var b strings.Builder
		for i := range 1 + s.rng.IntN(5) {
			s.noise = s.rng.IntN(40)
			if i > 0 || s.chance(50) {
				b.WriteString(s.pick("---\n", "--- # m\n", "...\n---\n", "# banner\n---\n"))
			}
			b.WriteString(s.pick("", "# top\n", "\n") + s.write(s.object(2, 1+s.rng.IntN(3))))
		}
		text := b.String()
		if s.chance(30) {
			text = strings.TrimSuffix(text, "\n")
		}
		f := mustParse(t, text)
		var changes []Change
		var expect []Object
		for i, d := range f.Documents() {
			switch s.rng.IntN(3) {
			case 0:
				changes = append(changes, Change{Doc: i})
				continue
			case 1:
				if d.Object != nil {
					_, want, _ := s.mutate(d.Object)
					changes = append(changes, Change{Doc: i, Want: want})
					expect = append(expect, want)
					continue
				}
			}
			if d.Class != ClassEmpty {
				expect = append(expect, d.Object)
			}
		}
		if s.chance(40) {
			changes = append(changes, Change{Doc: AppendDoc, Append: []byte("added: 1\n")})
			expect = append(expect, Object{"added": 1})
		}
		out, err := f.Apply(changes)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		g, found := Parse("x.yaml", out)
		var got []Object
		for _, d := range g.Documents() {
			if d.Class != ClassEmpty {
				got = append(got, d.Object)
			}
		}
		if len(found) > 0 || len(got) != len(expect) {
			t.Fatalf("seed %d: %d documents, want %d, %v\n%s\n->\n%s", seed, len(got), len(expect), found, text, out)
		}
		for i := range got {
			if !Equal(got[i], expect[i]) {
				t.Fatalf("seed %d: document %d is %v, want %v\n%s\n->\n%s", seed, i, got[i], expect[i], text, out)
			}
		}
	}
}
