package manifests

import (
	"flag"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// lineChange counts the lines that a diff shows as removed and added.
func lineChange(a, b string) (removed, added int) {
	x, y := strings.SplitAfter(a, "\n"), strings.SplitAfter(b, "\n")
	for len(x) > 0 && len(y) > 0 && x[0] == y[0] {
		x, y = x[1:], y[1:]
	}
	for len(x) > 0 && len(y) > 0 && x[len(x)-1] == y[len(y)-1] {
		x, y = x[:len(x)-1], y[:len(y)-1]
	}
	table := make([][]int, len(x)+1)
	for i := range table {
		table[i] = make([]int, len(y)+1)
	}
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			if x[i] == y[j] {
				table[i][j] = table[i+1][j+1] + 1
			} else {
				table[i][j] = max(table[i+1][j], table[i][j+1])
			}
		}
	}
	return len(x) - table[0][0], len(y) - table[0][0]
}

var editCount = flag.Int("edits", 8_000, "how many random edits the statistics make")

// TestEditHostile makes random edits in documents with anchors, aliases, explicit keys and lone dashes: no wrong value,
// no lost comment (a gate of Edit), and hardly any refusal.
func TestEditHostile(t *testing.T) {
	t.Parallel()
	refused, total, merged := 0, 0, 0
	for seed := range *editCount / 3 {
		s := &scribe{rng: rand.New(rand.NewPCG(uint64(seed), 2)), hostile: true}
		text, doc := s.document()
		if s.chance(30) {
			text, doc = mergeText(s), 0
			merged++
		}
		f, found := Parse("x.yaml", []byte(text))
		if len(found) > 0 || f.Documents()[doc].Object == nil {
			t.Fatalf("seed %d: the generated text does not parse: %v\n%s", seed, found, text)
		}
		op, want, path := s.mutate(f.Documents()[doc].Object)
		total++
		out, err := f.Edit(doc, want)
		if err != nil {
			if refused++; refused < 5 {
				t.Logf("seed %d: %s %v refused: %v\n%s", seed, op, path, err, text)
			}
			continue
		}
		g, found := Parse("x.yaml", out)
		if len(found) > 0 || !Equal(g.Documents()[doc].Object, want) {
			t.Fatalf("seed %d: %s %v gave a wrong value: %v\n%s\n->\n%s", seed, op, path, found, text, out)
		}
	}
	t.Logf("%d edits (%d with merges), %d refused", total, merged, refused)
	if refused*1000 > total {
		t.Errorf("%d of %d edits were refused", refused, total)
	}
}

// mergeText is a document with merge keys: block and flow, one source and several.
func mergeText(s *scribe) string {
	s.hostile = false
	base := s.object(1, 1+s.rng.IntN(3))
	other := s.object(1, 1+s.rng.IntN(3))
	var b strings.Builder
	b.WriteString("base: &base " + s.flow(base) + s.pick("", " # c") + "\nother: &other\n")
	s.step, s.noise = 2, s.rng.IntN(30)
	s.mapping(&b, other, 2, false)
	own := map[string]any{}
	for range s.rng.IntN(3) {
		own[s.pick(append(slices.Collect(maps.Keys(base)), "own", "more")...)] = s.leaf()
	}
	switch s.rng.IntN(4) {
	case 0:
		b.WriteString("use:\n  <<: *base" + s.pick("", " # merged") + "\n")
		s.mapping(&b, own, 2, false)
	case 1:
		b.WriteString("use:\n  <<: [*base, *other]\n")
		s.mapping(&b, own, 2, false)
	case 2:
		b.WriteString("use:\n- <<: *other\n")
		s.mapping(&b, own, 2, false)
		b.WriteString("- {<<: *base, own: 1}\n")
	default:
		b.WriteString("use: {<<: *base, k: v}\nagain: *base\n")
	}
	return b.String()
}

// TestEditStatistics makes random edits in random layouts and counts the ideal ones: the value as intended, nothing
// refused, and no more lines touched than the edit needs. (That no comment is lost is a gate of Edit itself.)
func TestEditStatistics(t *testing.T) {
	t.Parallel()
	edits := *editCount
	ideal, shown := 0, 0
	for seed := range edits {
		s := &scribe{rng: rand.New(rand.NewPCG(uint64(seed), 1))}
		text, doc := s.document()
		f, found := Parse("x.yaml", []byte(text))
		if len(found) > 0 || f.Documents()[doc].Object == nil {
			t.Fatalf("seed %d: the generated text does not parse: %v\n%s", seed, found, text)
		}
		op, want, path := s.mutate(f.Documents()[doc].Object)
		out, err := f.Edit(doc, want)
		if err != nil {
			t.Logf("seed %d: %s %v refused: %v\n%s", seed, op, path, err, text)
			continue
		}
		g, found := Parse("x.yaml", out)
		if len(found) > 0 || len(g.Documents()) != len(f.Documents()) || !Equal(g.Documents()[doc].Object, want) {
			t.Fatalf("seed %d: %s %v gave a wrong value:\n%s\n->\n%s", seed, op, path, text, out)
		}
		for i := range f.docs {
			if a, b := &f.docs[i], &g.docs[i]; i != doc && string(f.src[a.start:a.stop]) != string(g.src[b.start:b.stop]) {
				t.Fatalf("seed %d: %s %v changed document %d:\n%s\n->\n%s", seed, op, path, i, text, out)
			}
		}
		switch op {
		case "set", "add", "insert", "rename", "move":
			if last := path[len(path)-1]; op != "add" && (last == "name" || last == "id") {
				break // another name makes another item: the comments of the old one go with it
			}
			for _, c := range commentName.FindAllString(text, -1) {
				if !strings.Contains(string(out), c) {
					t.Fatalf("seed %d: %s %v lost the comment %q:\n%s\n->\n%s", seed, op, path, c, text, out)
				}
			}
		}
		removed, added := lineChange(text, string(out))
		mayRemove, mayAdd := allowance(f, g, doc, op, path)
		if removed > mayRemove || added > mayAdd {
			if shown++; shown < 5 {
				t.Logf("seed %d: %s %v: -%d +%d, allowed -%d +%d\n%s\n->\n%s", seed, op, path, removed, added, mayRemove, mayAdd, text, out)
			}
			continue
		}
		ideal++
	}
	share := 100 * float64(ideal) / float64(edits)
	t.Logf("%d edits, %d ideal (%.3f %%)", edits, ideal, share)
	if share < 99.98 {
		t.Errorf("only %.3f %% of the edits are ideal", share)
	}
}

// commentName is the part by which a generated comment is recognised.
var commentName = regexp.MustCompile(`# c[0-9]+\b`)

// entryLines is how many lines the entry at path takes.
func entryLines(f *File, doc int, path []string) int {
	key, _ := f.LocateKey(doc, path...)
	value, _ := f.Locate(doc, path...)
	return max(key.EndLine, value.EndLine) - key.StartLine + 1
}

const anyNumber = 1 << 20

// allowance is how many lines an edit may remove and add at most, told from its kind and place alone.
func allowance(f, g *File, doc int, op string, path []string) (removed, added int) {
	if strings.HasPrefix(string(f.src), bom) {
		return anyNumber, anyNumber // a BOM makes a new first line look like a changed one
	}
	open := 0 // lines that change only because the file has no final line break
	if lastBreak(f.src) == 0 {
		open = 1
	}
	parent, _, _, ok := f.find(doc, path[:len(path)-1])
	if !ok {
		parent = f.docs[doc].tree.root
	}
	flow := parent.style != blockStyle
	d := &differ{tree: f.docs[doc].tree}
	switch op {
	case "set", "rename":
		was, is := entryLines(f, doc, path), 1
		if op == "set" {
			is = entryLines(g, doc, path)
		} else {
			was = 1
		}
		return was, is + open
	case "add", "insert":
		n := entryLines(g, doc, path)
		if len(parent.entries) == 0 || flow {
			return 1, n + 3 // the line of the brackets, or that of the entry before, which gets a comma
		}
		if d.spaced(parent) {
			n++
		}
		if literalEnd(f, doc) || open > 0 && lastBreak(g.src) > 0 {
			return open + 1, n + 1 + open
		}
		if op == "insert" && d.sharesLine(parent) {
			return open + 1, n + 1 + open // "- - x": a new first item takes the place behind the outer dash
		}
		return open, n + open
	case "delete", "remove":
		n := entryLines(f, doc, path)
		first, _, _, _ := f.find(doc, path)
		switch {
		case len(parent.entries) == 1:
			r, _ := f.Locate(doc, path[:len(path)-1]...)
			return r.EndLine - r.StartLine + 3, 2 + open
		case flow, d.sharesLine(parent) && parent.entries[0].val == first:
			return n + 2, 1 + open
		}
		return n + 1 + open, open // with a blank line, so that two do not meet
	}
	return anyNumber, anyNumber // several edits at once, moves and changes of shape: only value and refusals count
}

// literalEnd reports whether the text ends in a literal block without a line break.
func literalEnd(f *File, doc int) bool {
	n := f.docs[doc].tree.root
	for len(n.entries) > 0 {
		n = n.entries[len(n.entries)-1].val
	}
	return n.style == literalStyle && lastBreak(f.src) == 0
}
