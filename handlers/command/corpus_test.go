package command

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "write the table of docs/commands.md anew")

func namesOf(list []Parsed) string {
	var out []string
	for _, p := range list {
		name := p.Name
		if name == "" {
			name = "?"
		}
		if p.Problem != "" {
			name += "!"
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

// TestWhatIsACommand is the corpus: what fires, what never does, and what is answered with a problem.
func TestWhatIsACommand(t *testing.T) {
	t.Parallel()
	for name, c := range map[string][2]string{
		"one":                        {"/hnp status", "status"},
		"several, with text between": {"Hello.\n\n/hnp status\n\nand\n\n/hnp sync\n", "status sync"},
		"CRLF":                       {"/hnp status\r\n/hnp plan\r\n", "status plan"},
		"a no-break space":           {"/hnp\u00a0status", "status"},
		"three spaces before":        {"   /hnp status", "status"},
		"indented code":              {"text\n\n    /hnp status\n", ""},
		"a fence":                    {"```\n/hnp status\n```\n", ""},
		"a fence that is not closed": {"```\n/hnp status\n", ""},
		"a tilde fence, longer":      {"~~~~ sh\n```\n/hnp status\n~~~\n/hnp sync\n~~~~\n/hnp plan", "plan"},
		"a quote":                    {"> /hnp status", ""},
		"inline code":                {"`/hnp status`", ""},
		"in a sentence":              {"please say /hnp status", ""},
		"an HTML comment":            {"<!-- \n/hnp status\n-->", ""},
		"after an HTML comment":      {"<!-- x -->\n\n/hnp status", "status"},
		"our own answer":             {Marker + "\n/hnp status", ""},
		"another program's command":  {"/hnpx status\n/assign alice", ""},
		"a typo":                     {"/hnp statsu", "?!"},
		"nothing after it":           {"/hnp", "help"},
		"an unknown flag":            {"/hnp status color=red", "status!"},
		"a name with spaces":         {`/hnp status fabric="my fabric"`, "status"},
		"resolve":                    {"/hnp resolve C12 netbox", "resolve"},
		"resolve with paths":         {"/hnp resolve vpc/a merge spec.subnets=git metadata=netbox", "resolve"},
		"resolve without a side":     {"/hnp resolve C12", "resolve!"},
		"resolve a number of GitHub": {"/hnp resolve #12 netbox", "resolve!"},
		"approve without a hash":     {"/hnp approve", "approve!"},
		"why with a path":            {`/hnp why vpc/a spec.subnets`, "why"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := namesOf(Parse(c[0])); got != c[1] {
				t.Errorf("%q: got %q, want %q", c[0], got, c[1])
			}
		})
	}
}

func TestTyposAreAnsweredWithTheNearest(t *testing.T) {
	t.Parallel()
	for typo, want := range map[string]string{"statsu": "status", "reslove": "resolve", "aprove": "approve", "hlep": "help"} {
		p := Parse("/hnp " + typo)
		if len(p) != 1 || !strings.Contains(p[0].Problem, want) {
			t.Errorf("%s: %+v", typo, p)
		}
	}
}

// TestLargeComments: GitHub takes 65,536 characters; parsing them is quick whatever they are.
func TestLargeComments(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"one line of 64 KB":  "/hnp resolve " + strings.Repeat("x", 65000),
		"200 commands":       strings.Repeat("/hnp status\n", 200),
		"backticks":          strings.Repeat("`", 65000) + "\n/hnp status",
		"half open comments": strings.Repeat("<!--\n", 10000),
		"nested quotes":      strings.Repeat("> ", 30000) + "/hnp status",
		"equals signs":       "/hnp status " + strings.Repeat("a=", 30000),
		"quotation marks":    "/hnp status fabric=" + strings.Repeat(`"`, 60000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			done := make(chan int, 1)
			go func() { done <- len(Parse(body)) }()
			select {
			case n := <-done:
				if name == "200 commands" && n != 200 {
					t.Errorf("%d commands", n)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("parsing does not end")
			}
		})
	}
}

// TestDocsNameEveryCommand holds docs/commands.md to the registry.
func TestDocsNameEveryCommand(t *testing.T) {
	const file, begin, end = "../../docs/commands.md", "<!-- commands -->\n", "<!-- /commands -->\n"
	var table strings.Builder
	table.WriteString("| command | does | needs |\n|---|---|---|\n")
	for _, s := range registry() {
		need := "read"
		if s.changes {
			need = "write"
		}
		fmt.Fprintf(&table, "| `/hnp %s` | %s | %s |\n", strings.ReplaceAll(s.usage, "|", "\\|"), s.does, need)
	}
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(old), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no place for the table", file)
	}
	want := head + begin + table.String() + end + tail
	if want == string(old) {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the registry says: go test ./handlers/command -update", file)
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func FuzzComment(f *testing.F) {
	for _, s := range []string{"/hnp status", "```\n/hnp x\n```", "/hnp resolve C1 merge a.b=git", `/hnp why vpc/a metadata.labels["a.b/c"]`, "> /hnp status", "<!--\n/hnp status", "\ufeff/hnp\u2003status"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, p := range Parse(body) {
			if p.Line < 1 || p.Line > strings.Count(body, "\n")+strings.Count(body, "\r")+1 {
				t.Fatalf("line %d", p.Line)
			}
			if p.Name == "" && p.Problem == "" {
				t.Fatalf("neither a command nor a problem: %+v", p)
			}
			// What we answer with never is a command itself.
			if utf8.ValidString(body) && len(Parse(p.Problem)) > 0 {
				t.Fatalf("the answer is a command: %q", p.Problem)
			}
		}
		if len(Parse("> "+strings.ReplaceAll(body, "\n", "\n> "))) > 0 && !strings.ContainsAny(body, "\r\u2028\u2029\v\f\u0085") {
			t.Fatalf("a quote fired: %q", body)
		}
	})
}
