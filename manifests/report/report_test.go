package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/hnp-sync/hnp-sync/manifests"
)

var update = flag.Bool("update", false, "rewrite golden files")

// sample has every severity, a finding about a whole file, places within a line and across lines, an empty place, a
// path with brackets, and foreign text that means something to a terminal, to a workflow runner, to JSON or to a URL.
func sample() Report {
	return Report{Files: 4, Documents: 48, Diagnostics: []manifests.Diagnostic{
		{File: "a b/50%/ü.yaml", Document: 0, Path: "spec.role", StartLine: 6, StartColumn: 9, EndLine: 6, EndColumn: 20, Severity: "error", Code: "enum",
			Message: `role is "server-laef", must be one of "spine"`, Fix: "did you mean server-leaf?"},
		{File: "a.yaml", Document: 1, Path: `spec.bundled.links["s/1,l/1"]`, StartLine: 9, StartColumn: 7, EndLine: 10, EndColumn: 30, Severity: "warning", Code: "duplicate-item",
			Message: "item 2 of links is in this list already", Fix: "remove one of the two"},
		{File: "a.yaml", Document: 2, Path: "kind", StartLine: 12, StartColumn: 7, EndLine: 12, EndColumn: 7, Severity: "note", Code: "unsupported-kind", Message: "ConfigMap is not synchronised"},
		{File: "big.yaml", Document: -1, Severity: "error", Code: "too-large", Message: "the file is too large", Fix: "split it"},
		{File: "evil\n::error file=x::y\x1b[2J,a:b.yaml", Document: 0, Path: "spec[\"\\x1b\"]", StartLine: 1, StartColumn: 1, EndLine: 1, EndColumn: 2, Severity: "error", Code: "yaml-syntax",
			Message: "100% bad\r\n::set-output name=x::y\x1b]0;title\x07 \u202eright to left\u2028 \xff <script>", Fix: "tab\there, %0A"},
		{File: "<stdin>", Document: 0, StartLine: 1, StartColumn: 1, EndLine: 2, EndColumn: 1, Severity: "warning", Code: "not-a-resource", Message: "no kind", Fix: "add kind"},
	}}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, format := range Formats() {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			var got bytes.Buffer
			if err := Write(&got, format, sample()); err != nil {
				t.Fatal(err)
			}
			name := filepath.Join("testdata", "sample."+format)
			if *update {
				if err := os.WriteFile(name, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("differs from %s (-update rewrites it):\n%s", name, got.String())
			}
			for _, c := range got.String() {
				if c != '\n' && c != ' ' && !unicode.IsPrint(c) || c == utf8.RuneError {
					t.Errorf("the output holds %U", c)
				}
			}
		})
	}
}

// What a file holds cannot begin a line, and so cannot be a workflow command.
func TestGitHubLines(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	if err := Write(&got, "github", sample()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(got.String(), "\n"), "\n")
	if want := len(sample().Diagnostics) + 1; len(lines) != want {
		t.Fatalf("%d lines, want %d", len(lines), want)
	}
	for _, line := range lines[:len(lines)-1] {
		_, rest, _ := strings.Cut(line, " ")
		properties, _, _ := strings.Cut(rest, "::")
		for _, property := range strings.Split(properties, ",") {
			if key, _, ok := strings.Cut(property, "="); !ok || !strings.Contains(" file line endLine col endColumn title ", " "+key+" ") {
				t.Errorf("property %q in %s", property, line)
			}
		}
		if strings.Contains(line, "col=") && strings.Contains(line, "line=9,") {
			t.Errorf("columns across lines, which GitHub refuses: %s", line)
		}
	}
	if strings.HasPrefix(lines[len(lines)-1], "::") {
		t.Error("the summary is a command")
	}
}

// The JSON is what INTERFACES pins: keys, numbers, and a list also when there is nothing.
func TestJSONShape(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	if err := Write(&got, "json", Report{Files: 1}); err != nil {
		t.Fatal(err)
	}
	if want := "{\n  \"files\": 1,\n  \"documents\": 0,\n  \"diagnostics\": []\n}\n"; got.String() != want {
		t.Errorf("got %s", got.String())
	}
	got.Reset()
	if err := Write(&got, "json", sample()); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Diagnostics []map[string]any `json:"diagnostics"`
	}
	if err := json.Unmarshal(got.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"file", "document", "path", "start_line", "start_column", "end_line", "end_column", "severity", "code", "message", "fix"} {
		if _, ok := back.Diagnostics[0][key]; !ok || len(back.Diagnostics[0]) != 11 {
			t.Errorf("key %s is missing, or there are others: %v", key, back.Diagnostics[0])
		}
	}
}

// Rules and results of SARIF refer to each other, and no region ends before it starts.
func TestSARIFShape(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	if err := Write(&got, "sarif", sample()); err != nil {
		t.Fatal(err)
	}
	var log sarifLog
	if err := json.Unmarshal(got.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	if log.Version != "2.1.0" || len(log.Runs) != 1 || len(run.Results) != len(sample().Diagnostics) {
		t.Fatalf("%+v", log)
	}
	for _, r := range run.Results {
		if run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID {
			t.Errorf("%s has the rule %s", r.RuleID, run.Tool.Driver.Rules[r.RuleIndex].ID)
		}
		if g := r.Locations[0].Physical.Region; g != nil {
			if g.StartLine < 1 || g.StartColumn < 1 || g.EndLine < g.StartLine || g.EndLine == g.StartLine && g.EndColumn < g.StartColumn {
				t.Errorf("region %+v", g)
			}
		}
		if strings.ContainsAny(r.Locations[0].Physical.Artifact.URI, " \n<>\x1b") {
			t.Errorf("URI %q", r.Locations[0].Physical.Artifact.URI)
		}
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain ü 漢 🙂":              "plain ü 漢 🙂",
		"a\nb\tc\rd":               `a\nb\tc\rd`,
		"\x00\x1b[31m\x7f\u0085":   `\x00\x1b[31m\x7f\u0085`,
		"\u202e\u2066\u200b\ufeff": `\u202e\u2066\u200b\ufeff`,
		"\U000e0041":               `\U000e0041`,
		"bad \xff\xef":             `bad \xff\xef`,
		"replaced \uFFFD":          "replaced \uFFFD",
		"":                         "",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	t.Parallel()
	if err := Write(&bytes.Buffer{}, "xml", Report{}); err == nil || !strings.Contains(err.Error(), "text, json, github, sarif") {
		t.Errorf("error %v", err)
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	if got, want := Summary(sample()), "48 documents in 4 files: 3 errors, 2 warnings, 1 note"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := Summary(Report{Files: 1, Documents: 1}), "1 document in 1 file: nothing to report"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := sample().Errors(); got != 3 {
		t.Errorf("%d errors", got)
	}
}

func FuzzClean(f *testing.F) {
	for _, d := range sample().Diagnostics {
		f.Add(d.Message)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := Clean(s)
		if !utf8.ValidString(out) {
			t.Errorf("invalid UTF-8 from %q", s)
		}
		for _, c := range out {
			if c != ' ' && !unicode.IsPrint(c) && c != unicode.ReplacementChar {
				t.Errorf("%U left in %q", c, out)
			}
		}
		if Clean(out) != out {
			t.Errorf("not stable: %q", out)
		}
	})
}
