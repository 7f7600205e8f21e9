package manifests

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// mustParse parses text that is known to be sound.
func mustParse(tb testing.TB, text string) *File {
	tb.Helper()
	f, found := Parse("x.yaml", []byte(text))
	if len(found) > 0 {
		tb.Fatalf("unexpected diagnostics: %v\n%s", found, text)
	}
	return f
}

// wanted is a copy of a document's object for a test to change.
func wanted(tb testing.TB, f *File, doc int) Object {
	tb.Helper()
	v, err := cloneValue(f.Documents()[doc].Object, 0)
	if err != nil {
		tb.Fatal(err)
	}
	o, ok := v.(map[string]any)
	if !ok {
		tb.Fatalf("document %d is no object", doc)
	}
	return o
}

func longList(n int) string {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n")
	for i := range n {
		fmt.Fprintf(&b, "- port: leaf-01/E1/%d # port %d\n  speed: %d\n", i, i, i%7)
	}
	return b.String()
}

// TestLinearLists edits lists of 1,000 and 10,000 items in many places at once. The bound on the ratio is what a
// quadratic step anywhere would break.
func TestLinearLists(t *testing.T) {
	run := func(n int) time.Duration {
		f := mustParse(t, longList(n))
		want := wanted(t, f, 0)
		list := want["data"].([]any)
		var changed []any
		for i, v := range list {
			m := v.(map[string]any)
			switch i % 10 {
			case 3: // gone
				continue
			case 5:
				m["speed"] = json.Number("99")
			case 7:
				changed = append(changed, map[string]any{"port": fmt.Sprintf("new/%d", i), "speed": json.Number("1")})
			}
			changed = append(changed, m)
		}
		changed = append(changed[n/2:len(changed):len(changed)], changed[:n/2]...) // and the halves change places
		want["data"] = changed
		began := time.Now()
		out, err := f.Edit(0, want)
		took := time.Since(began)
		if err != nil {
			t.Fatal(err)
		}
		if g := mustParse(t, string(out)); !Equal(g.Documents()[0].Object, want) {
			t.Fatal("wrong value")
		}
		return took
	}
	run(100)
	small, large := run(1000), run(10_000)
	t.Logf("1,000 items %v, 10,000 items %v", small, large)
	if large > 40*small+time.Second {
		t.Errorf("10,000 items took %v, 1,000 took %v", large, small)
	}
}

// TestLinearMaps edits maps of 1,000 and 10,000 keys in many places at once, in block, flow and JSON style.
func TestLinearMaps(t *testing.T) {
	run := func(n int, line, open, shut string) time.Duration {
		var b strings.Builder
		b.WriteString(open)
		for i := range n {
			fmt.Fprintf(&b, line, i, i)
		}
		b.WriteString(shut)
		f := mustParse(t, b.String())
		want := wanted(t, f, 0)
		m := want["data"].(map[string]any)
		for i := range n {
			key := fmt.Sprintf("k%d", i)
			switch i % 10 {
			case 2:
				delete(m, key)
			case 4:
				m[key] = "changed"
			case 6:
				m["new"+key] = map[string]any{"x": "y"}
			case 8:
				m[key] = []any{"a"}
			}
		}
		began := time.Now()
		out, err := f.Edit(0, want)
		took := time.Since(began)
		if err != nil {
			t.Fatal(err)
		}
		if g := mustParse(t, string(out)); !Equal(g.Documents()[0].Object, want) {
			t.Fatal("wrong value")
		}
		return took
	}
	for name, c := range map[string][3]string{
		"block": {"  k%d: v%d # c\n", "data:\n", ""},
		"lines": {"  k%d: v%d,\n", "data: {\n", "}\n"},
		"json":  {`"k%d":"v%d",`, `{"data":{`, `"last":1}}`},
	} {
		small, large := run(1000, c[0], c[1], c[2]), run(10_000, c[0], c[1], c[2])
		t.Logf("%s: 1,000 keys %v, 10,000 keys %v", name, small, large)
		if large > 40*small+time.Second {
			t.Errorf("%s: 10,000 keys took %v, 1,000 took %v", name, large, small)
		}
	}
}

func manyDocuments(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "---\n# document %d\napiVersion: wiring.githedgehog.com/v1beta1\nkind: Server\nmetadata:\n  name: server-%d\nspec:\n  description: number %d # text\n", i, i, i)
	}
	return b.String()
}

// TestLinearDocuments changes, cuts and adds thousands of documents of one file at once.
func TestLinearDocuments(t *testing.T) {
	run := func(n int) (parse, apply time.Duration) {
		text := manyDocuments(n)
		began := time.Now()
		f := mustParse(t, text)
		parse = time.Since(began)
		var changes []Change
		for i := range f.Documents() {
			switch i % 3 {
			case 0:
				want := wanted(t, f, i)
				want["spec"].(map[string]any)["description"] = "changed"
				changes = append(changes, Change{Doc: i, Want: want})
			case 1:
				changes = append(changes, Change{Doc: i})
			}
		}
		for i := range n / 3 {
			changes = append(changes, Change{Doc: AppendDoc, Append: []byte(fmt.Sprintf("kind: New\nname: n%d\n", i))})
		}
		began = time.Now()
		out, err := f.Apply(changes)
		apply = time.Since(began)
		if err != nil {
			t.Fatal(err)
		}
		g := mustParse(t, string(out))
		if got, want := len(g.Documents()), n-(n+1)/3+n/3; n%3 == 0 && got != want {
			t.Fatalf("%d documents, want %d", got, want)
		}
		if got := g.Documents()[0].Object["spec"].(map[string]any)["description"]; got != "changed" {
			t.Fatalf("the first document says %v", got)
		}
		return parse, apply
	}
	run(30)
	_, small := run(600)
	parse, large := run(5100)
	t.Logf("5,100 documents: parse %v, apply %v (600: %v)", parse, large, small)
	if large > 40*small+time.Second {
		t.Errorf("5,100 documents took %v, 600 took %v", large, small)
	}
}

// twoKB is the first documents of a real file, about 2 kB of text in all.
func twoKB(tb testing.TB) []byte {
	src, err := os.ReadFile("../testdata/gitops-test-1/raw/prepop.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	end := 2000 + strings.Index(string(src[2000:]), "---\n")
	return src[:end]
}

func BenchmarkParse2kB(b *testing.B) {
	src := twoKB(b)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		Parse("x.yaml", src)
	}
}

// oneDocument is one VPC of about 2 kB.
func oneDocument() string {
	var b strings.Builder
	b.WriteString("apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata:\n  name: vpc-1\nspec:\n  subnets:\n")
	for i := range 14 {
		fmt.Fprintf(&b, "    subnet-%02d: # rack %d\n      dhcp:\n        enable: true\n        range:\n          end: 10.0.%d.99\n          start: 10.0.%d.10\n      subnet: 10.0.%d.0/24\n      vlan: %d\n", i, i, i, i, i, 1000+i)
	}
	return b.String()
}

// BenchmarkEdit2kB is one edit of a parsed real file of 2 kB with several documents, the proof by the strict parser
// included.
func BenchmarkEdit2kB(b *testing.B) {
	f := mustParse(b, string(twoKB(b)))
	doc := len(f.docs) / 2
	want := wanted(b, f, doc)
	want["spec"].(map[string]any)["description"] = "changed"
	b.SetBytes(int64(len(f.src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Edit(doc, want); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEditDense2kB is one edit of a single document of 2 kB with a value on every line.
func BenchmarkEditDense2kB(b *testing.B) {
	text := oneDocument()
	f := mustParse(b, text)
	want := wanted(b, f, 0)
	want["spec"].(map[string]any)["subnets"].(map[string]any)["subnet-07"].(map[string]any)["vlan"] = json.Number("2000")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Edit(0, want); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNoOp2kB(b *testing.B) {
	f := mustParse(b, oneDocument())
	want := wanted(b, f, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Edit(0, want); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseAndEdit2kB(b *testing.B) {
	text := []byte(oneDocument())
	f := mustParse(b, string(text))
	want := wanted(b, f, 0)
	want["spec"].(map[string]any)["subnets"].(map[string]any)["subnet-07"].(map[string]any)["vlan"] = json.Number("2000")
	b.ReportAllocs()
	for b.Loop() {
		g, _ := Parse("x.yaml", text)
		if _, err := g.Edit(0, want); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParsersAlone2kB is the part of an edit that two foreign parsers take on the same text: what a comparison on
// another machine needs.
func BenchmarkParsersAlone2kB(b *testing.B) {
	text := []byte(oneDocument())
	b.ReportAllocs()
	for b.Loop() {
		var doc yaml.Node
		if err := yaml.Unmarshal(text, &doc); err != nil {
			b.Fatal(err)
		}
		if _, err := judge(text, false); err != nil {
			b.Fatal(err)
		}
	}
}
