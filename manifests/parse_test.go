package manifests

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestParseErrors has one mistake of every kind, with the code and the place where a person would look for it.
func TestParseErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		src, code    string
		line, column int
	}{
		"unclosed double quote":               {"a: \"x\nb: 1\n", "yaml-syntax", 1, 4},
		"unclosed single quote":               {"a: 1\nb: 'x\n", "yaml-syntax", 2, 4},
		"unclosed quote, document follows":    {"a: \"x\n---\nb: 1\n", "yaml-syntax", 1, 4},
		"unclosed list":                       {"a: [1, 2\nb: 3\n", "yaml-syntax", 2, 2},
		"unclosed map":                        {"a: {x: 1\nb: 3\n", "yaml-syntax", 2, 2},
		"unclosed list at the end":            {"a:\n  b: [1, 2\n", "yaml-syntax", 2, 6},
		"two values on one line":              {"a: b: c\n", "yaml-syntax", 1, 5},
		"indented too far":                    {"a: 1\n  b: 2\n", "yaml-syntax", 2, 4},
		"tab for indentation":                 {"a:\n\tb: 1\n", "tab-indent", 2, 1},
		"tab behind spaces":                   {"a:\n  b: 1\n  \tc: 1\n", "tab-indent", 3, 3},
		"tab behind a dash":                   {"a:\n-\tb: 1\n", "tab-indent", 2, 2},
		"item then key":                       {"- a\nb: 1\n", "yaml-syntax", 2, 1},
		"key then item":                       {"a: 1\n- b\n", "yaml-syntax", 2, 1},
		"unknown alias":                       {"a: 1\nb: *x\n", "yaml-syntax", 2, 4},
		"reserved character":                  {"a: @x\n", "yaml-syntax", 1, 4},
		"backtick":                            {"a: `x`\n", "yaml-syntax", 1, 4},
		"percent":                             {"a: %x\n", "yaml-syntax", 1, 4},
		"line without colon":                  {"a: 1\nword\nb: 1\n", "yaml-syntax", 2, 1},
		"no blank behind the colon":           {"a: 1\nb:2\nc: 3\n", "yaml-syntax", 2, 1},
		"unknown escape":                      {"a: \"\\q\"\n", "yaml-syntax", 1, 5},
		"undefined tag handle":                {"a: !foo!bar x\n", "yaml-syntax", 1, 4},
		"alias in its own value":              {"a: &x\n  b: *x\n", "alias-cycle", 2, 6},
		"unknown directive":                   {"%FOO\n---\na: 1\n", "yaml-syntax", 1, 5},
		"block scalar indentation 0":          {"a: |0\n x\n", "yaml-syntax", 1, 5},
		"text behind a block header":          {"a: | x\n", "yaml-syntax", 1, 6},
		"list on the line of its key":         {"a: - b\n", "yaml-syntax", 1, 4},
		"dedent to nowhere in a list":         {"a:\n  - b\n c: 1\n", "yaml-syntax", 3, 2},
		"dedent to nowhere":                   {"a:\n    b: 1\n  c: 2\n", "yaml-syntax", 3, 3},
		"text behind a flow list":             {"[a]\nb: 1\n", "yaml-syntax", 2, 1},
		"stray bracket":                       {"a: ]\n", "yaml-syntax", 1, 4},
		"stray brace":                         {"a:\n  b: }\n", "yaml-syntax", 2, 6},
		"apostrophe in single quotes":         {"a: 'it's'\n", "yaml-syntax", 1, 8},
		"text behind a quoted value":          {"a: \"b\" c\n", "yaml-syntax", 1, 8},
		"missing comma":                       {"a: [\"b\" \"c\"]\n", "yaml-syntax", 1, 9},
		"surrogate escape":                    {"a: \"\\ud800\"\n", "yaml-syntax", 1, 7},
		"duplicate key":                       {"a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", "duplicate-key", 5, 3},
		"duplicate key in flow":               {"a: {x: 1, y: 2, x: 3}\n", "duplicate-key", 1, 17},
		"keys that collide":                   {"1: a\n\"1\": b\n", "duplicate-key", 2, 1},
		"yes and true":                        {"yes: a\ntrue: b\n", "duplicate-key", 2, 1},
		"map as key":                          {"? {a: 1}\n: b\n", "yaml-key", 1, 3},
		"null as key":                         {"~: b\n", "yaml-key", 1, 1},
		"template":                            {"a: {{ .Values.x }}\n", "template", 1, 4},
		"template line":                       {"{{- if .x }}\na: 1\n{{- end }}\n", "template", 1, 1},
		"merge of text":                       {"<<: x\na: 1\n", "merge-value", 1, 5},
		"merge behind a key":                  {"b: &b {a: 1}\nc:\n  a: 2\n  <<: *b\n", "merge-order", 3, 3},
		"two merges":                          {"b: &b {a: 1}\nc:\n  <<: *b\n  <<: *b\n", "duplicate-key", 4, 3},
		"infinity":                            {"a: .inf\n", "not-json", 1, 4},
		"wrong tag":                           {"a: !!int x\n", "yaml-tag", 1, 4},
		"NUL":                                 {"a: 1\nb: x\x00y\n", "nul-byte", 2, 5},
		"control character":                   {"a: x\ay\n", "control-character", 1, 5},
		"BOM inside":                          {"a: 1\nb: x\ufeffy\n", "bom-inside", 2, 5},
		"not UTF-8":                           {"a: 1\nb: ü\xffy\n", "not-utf8", 2, 5},
		"sops":                                {"a: ENC[x]\nsops:\n  mac: x\n  version: 3\n", "encrypted", 2, 1},
		"code points before the error":        {"ü: 'ä' b\n", "yaml-syntax", 1, 8},
		"NEL is no line for Git":              {"a: \"x\u0085y\"\nb: \"z\u2028\" c\n", "yaml-syntax", 2, 9},
		"CRLF":                                {"a: 1\r\nb: \"x\r\nc: 1\r\n", "yaml-syntax", 2, 4},
		"BOM first":                           {"\ufeffa: b: c\n", "yaml-syntax", 1, 5},
		"second document":                     {"a: 1\n---\nb: 1\nb: 2\n---\nc: 1\n", "duplicate-key", 4, 1},
		"conflict markers":                    {"a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> x\n", "yaml-syntax", 2, 1},
		"anchor of nothing behind the marker": {"--- a: 1\n", "yaml-syntax", 1, 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, found := Parse("x.yaml", []byte(c.src))
			if len(found) != 1 {
				t.Fatalf("%d diagnostics: %v", len(found), found)
			}
			d := found[0]
			if d.Code != c.code || d.StartLine != c.line || d.StartColumn != c.column {
				t.Errorf("got %s at %d:%d (%s), want %s at %d:%d", d.Code, d.StartLine, d.StartColumn, d.Message, c.code, c.line, c.column)
			}
			if d.File != "x.yaml" || d.Severity != SeverityError || d.Message == "" || d.Fix == "" {
				t.Errorf("incomplete: %+v", d)
			}
			if d.EndLine < d.StartLine || d.EndLine == d.StartLine && d.EndColumn < d.StartColumn {
				t.Errorf("ends before it begins: %+v", d)
			}
			doc := f.Documents()[d.Document]
			if doc.Class != ClassBroken || doc.Object != nil {
				t.Errorf("document %d: %+v", d.Document, doc)
			}
			if r, ok := f.Locate(d.Document, "a"); ok || r.StartLine != d.StartLine {
				t.Errorf("Locate in a broken document: %v %v", r, ok)
			}
		})
	}
}

// TestParseIsolation keeps the documents around a broken one.
func TestParseIsolation(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{"a: \"x\n", "a: [1\n", "\tx: 1\n", "a: |\n x\ny\n", "a: 1\na: 2\n", "x: \x00\n", "x: \xff\n", "{{ x }}\n", "a: 'x\n\n'\n", "a: \ufeff\n", "? [x]\n"} {
		src := "first: 1\n---\n" + broken + "---\nlast: 2\n"
		f, found := Parse("x.yaml", []byte(src))
		docs := f.Documents()
		if len(docs) != 3 || docs[0].Object["first"] == nil || docs[2].Object["last"] == nil {
			t.Errorf("%q: %d documents, %v", broken, len(docs), found)
			continue
		}
		if broken != "a: 'x\n\n'\n" && (len(found) != 1 || found[0].Document != 1 || found[0].StartLine < 3) {
			t.Errorf("%q: %v", broken, found)
		}
		want := wanted(t, f, 2)
		want["last"] = "new"
		out, err := f.Edit(2, want)
		if err != nil || string(out) != "first: 1\n---\n"+broken+"---\nlast: new\n" {
			t.Errorf("%q: edit of a sound document gives %q, %v", broken, out, err)
		}
	}
}

// TestParseLimits refuses what would take unbounded time or memory, and says which limit was met.
func TestParseLimits(t *testing.T) {
	t.Parallel()
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 30; i++ {
		bomb.WriteString("a" + strconv.Itoa(i) + ": &a" + strconv.Itoa(i) + " [" + strings.TrimSuffix(strings.Repeat("*a"+strconv.Itoa(i-1)+", ", 10), ", ") + "]\n")
	}
	var merges strings.Builder
	merges.WriteString("base: &base {")
	for i := range 1000 {
		merges.WriteString("k" + strconv.Itoa(i) + ": 1, ")
	}
	merges.WriteString("}\nall:\n")
	for range 1000 {
		merges.WriteString("- <<: [*base, *base, *base]\n")
	}
	for name, c := range map[string]struct{ src, code string }{
		"alias bomb":          {bomb.String(), "alias-bomb"},
		"merge bomb":          {merges.String(), "alias-bomb"},
		"deep flow":           {strings.Repeat("[", 200) + strings.Repeat("]", 200), "too-deep"},
		"deeper flow":         {strings.Repeat("[", 50_000), "too-deep"},
		"deep map":            {deepMap(120), "too-deep"},
		"large":               {strings.Repeat("# x\n", MaxFileBytes/4+1), "too-large"},
		"many documents":      {strings.Repeat("---\n", MaxDocuments+1), "too-large"},
		"many values":         {"[" + strings.Repeat("1,", 500_000) + "]", "too-large"},
		"UTF-16":              {"\xff\xfea\x00:\x00 \x001\x00", "utf16"},
		"UTF-16 without BOM":  {"a\x00:\x00 \x001\x00", "utf16"},
		"UTF-16 big endian":   {"\xfe\xff\x00a\x00:", "utf16"},
		"one document in 200": {strings.Repeat("---\na: 1\n", 200) + "---\na: [\n", "yaml-syntax"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, found := Parse("x.yaml", []byte(c.src))
			if len(found) != 1 || found[0].Code != c.code || found[0].Fix == "" {
				t.Errorf("got %.300v", found)
			}
		})
	}
}

func deepMap(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

// TestDocuments cuts a file with every kind of border, and says where each document stands.
func TestDocuments(t *testing.T) {
	t.Parallel()
	src := "# header\n--- # one\na: 1\n# banner\n---\n# only this\n---\n--- {b: 2}\n...\n# before a bare one\nc: 3\n...\n...\n%YAML 1.2\n--- |\n  text\n---\n- d\n"
	f := mustParse(t, src)
	var got []string
	for _, d := range f.Documents() {
		got = append(got, src[d.Start:d.End])
	}
	want := []string{"a: 1\n# banner\n", "# only this\n", "", " {b: 2}\n", "# before a bare one\nc: 3\n", " |\n  text\n", "- d\n"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	classes := []Class{ClassOther, ClassEmpty, ClassEmpty, ClassOther, ClassOther, ClassOther, ClassOther}
	for i, d := range f.Documents() {
		if d.Class != classes[i] {
			t.Errorf("document %d: class %d, want %d", i, d.Class, classes[i])
		}
	}
	if n := len(mustParse(t, "").Documents()); n != 1 {
		t.Errorf("an empty file has %d documents", n)
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		src      string
		class    Class
		identity string
	}{
		"resource":            {"apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata: {name: a}\n", ClassResource, "vpc/a"},
		"namespace":           {"apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata: {name: a, namespace: b}\n", ClassResource, "vpc/b/a"},
		"other version":       {"apiVersion: vpc.githedgehog.com/v1alpha2\nkind: VPC\nmetadata: {name: a}\n", ClassUnsupportedVersion, "vpc/a"},
		"kind of controllers": {"apiVersion: gateway.githedgehog.com/v1alpha1\nkind: VPCInfo\nmetadata: {name: a}\n", ClassController, "vpcinfo/a"},
		"other kind":          {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", ClassUnsupportedKind, "configmap/a"},
		"no kind":             {"apiVersion: v1\nmetadata: {name: a}\n", ClassOther, "/"},
		"no name":             {"apiVersion: v1\nkind: List\n", ClassUnsupportedKind, "/"},
		"list":                {"- a\n", ClassOther, "/"},
		"nothing":             {"# a\n", ClassEmpty, "/"},
	} {
		d := mustParse(t, c.src).Documents()[0]
		if d.Class != c.class || d.Identity.String() != c.identity {
			t.Errorf("%s: class %d, identity %s", name, d.Class, d.Identity)
		}
	}
}

func TestLocate(t *testing.T) {
	t.Parallel()
	f := mustParse(t, "\ufeffü: {ä: 'ö', x: [1, 22]} # c\r\nlist:\n- a: |\n    text\n  b:\n-\n- &n {q: 1}\n- *n\n- <<: *n\n  r: 2\n---\nsecond: 1\n")
	for _, c := range []struct {
		path string
		key  bool
		want Range
		ok   bool
	}{
		{"", false, Range{1, 1, 10, 7}, true},
		{"ü", true, Range{1, 1, 1, 2}, true},
		{"ü ä", false, Range{1, 8, 1, 11}, true},
		{"ü x 1", false, Range{1, 20, 1, 22}, true},
		{"ü y z", false, Range{1, 4, 1, 24}, false},
		{"list 0 a", false, Range{3, 6, 4, 9}, true},
		{"list 0 b", false, Range{5, 3, 5, 4}, true},
		{"list 1", false, Range{6, 1, 6, 2}, true},
		{"list 2", true, Range{7, 1, 7, 2}, true},
		{"list 3", false, Range{8, 3, 8, 5}, true},
		{"list 3 q", false, Range{7, 10, 7, 11}, true},
		{"list 4 q", false, Range{7, 10, 7, 11}, true},
		{"list 4 r", true, Range{10, 3, 10, 4}, true},
		{"list 07", false, Range{3, 1, 10, 7}, false},
	} {
		locate := f.Locate
		if c.key {
			locate = f.LocateKey
		}
		if r, ok := locate(0, strings.Fields(c.path)...); r != c.want || ok != c.ok {
			t.Errorf("%q: got %v %v, want %v %v", c.path, r, ok, c.want, c.ok)
		}
	}
	if r, ok := f.Locate(1, "second"); !ok || r != (Range{12, 9, 12, 10}) {
		t.Errorf("second document: %v %v", r, ok)
	}
	if _, ok := f.Locate(5); ok {
		t.Error("document 5 was found")
	}
}

// realFiles are all YAML files of the recorded fabric.
func realFiles(tb testing.TB) map[string][]byte {
	tb.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir("../testdata/gitops-test-1", func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		src, err := os.ReadFile(path)
		files[path] = src
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	if len(files) < 50 {
		tb.Fatalf("only %d files", len(files))
	}
	return files
}

// TestRealFiles leaves every real file as it is when nothing differs, and changes exactly one line when one value of
// any document does.
func TestRealFiles(t *testing.T) {
	t.Parallel()
	edits := 0
	for path, src := range realFiles(t) {
		f := mustParse(t, string(src))
		for i, d := range f.Documents() {
			if d.Object == nil {
				continue
			}
			out, err := f.Edit(i, wanted(t, f, i))
			if err != nil || &out[0] != &f.Source()[0] {
				t.Fatalf("%s: document %d: a no-op gives other bytes, %v", path, i, err)
			}
			for _, p := range places(wanted(t, f, i), nil) {
				if !isLeaf(p.get()) {
					continue
				}
				want := at(wanted(t, f, i), p.path, func(old any) any {
					if _, ok := old.(string); ok {
						return "changed-value"
					}
					return "text now"
				}).(map[string]any)
				out, err := f.Edit(i, want)
				if err != nil {
					t.Fatalf("%s: document %d: %v: %v", path, i, p.path, err)
				}
				if removed, added := lineChange(string(src), string(out)); removed != 1 || added != 1 {
					t.Errorf("%s: document %d: %v: -%d +%d lines", path, i, p.path, removed, added)
				}
				edits++
			}
			for _, extra := range []string{"aaa", "zzz"} {
				want := wanted(t, f, i)
				want[extra] = map[string]any{"x": "y"}
				out, err := f.Edit(i, want)
				if err != nil {
					t.Fatalf("%s: document %d: add: %v", path, i, err)
				}
				if removed, added := lineChange(string(src), string(out)); removed > 1 || added > 3+removed || removed == 1 && bytes.HasSuffix(src, []byte("\n")) {
					t.Errorf("%s: document %d: add: -%d +%d lines", path, i, removed, added)
				}
			}
		}
	}
	t.Logf("%d one-value edits", edits)
	if edits < 900 {
		t.Errorf("only %d edits", edits)
	}
}
