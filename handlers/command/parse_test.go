package command

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/handlers/feedback"
)

func canonicals(body string) []string {
	var out []string
	for _, p := range Parse(body) {
		p := p
		if p.Problem != "" {
			out = append(out, "problem: "+p.Problem)
			continue
		}
		out = append(out, p.canonical())
	}
	return out
}

func TestParseUnderstands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body, want string }{
		{"alone", "/hnp status", "/hnp status"},
		{"bare", "/hnp", "/hnp help"},
		{"any case", "/hnp Status", "/hnp status"},
		{"three spaces", "   /hnp status", "/hnp status"},
		{"several", "hello\n/hnp sync\nand\n/hnp status\n", "/hnp sync; /hnp status"},
		{"CRLF", "hello\r\n/hnp sync\r\n/hnp status\r\n", "/hnp sync; /hnp status"},
		{"carriage return alone", "/hnp sync\r/hnp status", "/hnp sync; /hnp status"},
		{"byte order mark", "\ufeff/hnp status", "/hnp status"},
		{"resolve by number", "/hnp resolve C12 netbox", "/hnp resolve C12 netbox"},
		{"resolve, lower case and another spelling", "/hnp resolve c12 gui_wins", "/hnp resolve C12 netbox"},
		{"resolve by name", "/hnp resolve vpc/test-vpc github", "/hnp resolve vpc/test-vpc git"},
		{"plural kind and namespace", "/hnp resolve VPCs/other/test-vpc git", "/hnp resolve vpc/other/test-vpc git"},
		{"default namespace", "/hnp resolve vpc/default/test-vpc git", "/hnp resolve vpc/test-vpc git"},
		{"resolve all", "/hnp resolve all merge", "/hnp resolve all merge"},
		{"paths of their own", `/hnp resolve vpc/a merge spec.x.vlan=git metadata.labels["a.b/c d=e"]=gui`, `/hnp resolve vpc/a merge spec.x.vlan=git metadata.labels["a.b/c d=e"]=netbox`},
		{"fabric with spaces", `/hnp status fabric="my fabric"`, `/hnp status fabric="my fabric"`},
		{"fabric in single quotes", `/hnp status fabric='my fabric'`, `/hnp status fabric="my fabric"`},
		{"fabric in quotes of a telephone", "/hnp status fabric=“my fabric”", `/hnp status fabric="my fabric"`},
		{"quotes within quotes", `/hnp status fabric="a \"b\" \\ c"`, `/hnp status fabric="a \"b\" \\ c"`},
		{"fabric first", "/hnp status fabric=f-1", "/hnp status fabric=f-1"},
		{"fabric between", "/hnp resolve C1 fabric=f-1 git", "/hnp resolve C1 git fabric=f-1"},
		{"quoted resource", `/hnp pause "vpc/my vpc"`, `/hnp pause "vpc/my vpc"`},
		{"approve", "/hnp approve 0f3a", "/hnp approve 0f3a"},
		{"rollback", "/hnp rollback sync_20250730_123456_k7q2mx", "/hnp rollback sync_20250730_123456_k7q2mx"},
		{"why", "/hnp why vpc/a spec.subnets.x.vlan", "/hnp why vpc/a spec.subnets.x.vlan"},
		{"no-break, ideographic, en and narrow spaces", "/hnp\u00a0resolve\u3000C12\u2002netbox\u202ffabric=f", "/hnp resolve C12 netbox fabric=f"},
		{"ideographic indent", "\u3000/hnp status", "/hnp status"},
		{"after a quote and a blank line", "> what shall we do?\n\n/hnp status", "/hnp status"},
		{"after a fence", "```\n/hnp sync\n```\n/hnp status", "/hnp status"},
		{"after a comment", "<!-- /hnp sync -->\n/hnp status", "/hnp status"},
		{"after a code span", "`/hnp sync`\n/hnp status", "/hnp status"},
		{"in details", "<details><summary>x</summary>\n\n/hnp status\n\n</details>", "/hnp status"},
		{"under a list item that ended", "- ```\n  code\n\n/hnp status", "/hnp status"},
		{"less than", "a < b and `x`\n/hnp status\nc > d", "/hnp status"},
		{"an unmatched backtick", "it's ` here\n/hnp status\n\nand ` there", "/hnp status"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(canonicals(c.body), "; "); got != c.want {
				t.Errorf("Parse(%q)\n got %s\nwant %s", c.body, got, c.want)
			}
		})
	}
}

func TestParseNeverFires(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body string }{
		{"no command", "status of /hnp"},
		{"another word", "/hnpx status\n/hnp-sync status\n/HNP status"},
		{"inside a line", "please /hnp status"},
		{"fence", "```\n/hnp sync\n```"},
		{"fence with a language", "```sh\n/hnp sync\n```"},
		{"tilde fence", "~~~\n/hnp sync\n~~~"},
		{"fence that stays open", "```\n/hnp sync"},
		{"longer fence", "````\n```\n/hnp sync\n````"},
		{"fence of the other kind inside", "```\n~~~\n/hnp sync\n```"},
		{"fence in a list", "- ```\n  /hnp sync\n  ```"},
		{"fence in a list, second line", "- a\n    ```\n  /hnp sync\n    ```"},
		{"fence after a fence in a list that ended", "- ```\nfoo\n```\n/hnp sync\n```"},
		{"fence shown as indented code", "x\n\n    ```\n\n```\n/hnp sync\n```"},
		{"fence in a numbered list", "10. a\n\n    ```\n    x\n\n```\n/hnp sync\n```"},
		{"indented code", "text\n\n    /hnp sync"},
		{"tab", "\t/hnp sync"},
		{"four spaces inside a paragraph", "text\n    /hnp sync"},
		{"quote", "> /hnp sync"},
		{"quote without a space", ">/hnp sync"},
		{"quote in a list", "- > /hnp sync"},
		{"quote that goes on without its sign", "> why\n/hnp sync"},
		{"quote in a list that goes on", "- > why\n/hnp sync"},
		{"fence in a quote", "> ```\n> /hnp sync\n> ```"},
		{"inline code", "`/hnp sync`"},
		{"inline code over lines", "`a\n/hnp sync\nb`"},
		{"inline code with two ticks over lines", "`` a ` b\n/hnp sync\nc ``"},
		{"inline code after an escaped tick", "\\``a\n/hnp sync\nb`"},
		{"comment", "<!-- /hnp sync -->"},
		{"comment over lines", "<!--\n/hnp sync\n\n/hnp sync\n-->"},
		{"comment that stays open", "<!--\n\n/hnp sync"},
		{"comment inside text", "text <!--\n/hnp sync\n--> text"},
		{"comment inside text over paragraphs", "text <!--\n\n/hnp sync\n\n--> text"},
		{"pre", "<pre>\n\n/hnp sync\n\n</pre>"},
		{"code element", "<code>\n/hnp sync\n</code>"},
		{"code element over paragraphs", "see <code>\n\n/hnp sync\n\n</code>"},
		{"quotation element", "<blockquote>\n\n/hnp sync\n\n</blockquote>"},
		{"HTML", "<div>\n/hnp sync\n</div>"},
		{"attribute", "text <a title=\"\n/hnp sync\n\">x</a>"},
		{"list", "- /hnp sync\n* /hnp sync\n1. /hnp sync"},
		{"heading", "# /hnp sync"},
		{"table", "| a |\n|---|\n| /hnp sync |"},
		{"our answer", Marker + "\n/hnp sync"},
		{"our issue", feedback.Marker("issue/fabric-1") + "\r\n\r\n/hnp sync"},
		{"our state block", "<!-- hnp-sync state {} -->\n\n/hnp sync"},
		{"zero width space before", "\u200b/hnp sync"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := canonicals(c.body); len(got) > 0 {
				t.Errorf("Parse(%q) = %q, want nothing", c.body, got)
			}
		})
	}
}

func TestParseProblems(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ body, want string }{
		{"/hnp reslove C1 git", "Did you mean `/hnp resolve`?"},
		{"/hnp staus", "Did you mean `/hnp status`?"},
		{"/hnp synk", "Did you mean `/hnp sync`?"},
		{"/hnp frobnicate", "`/hnp help` lists them"},
		{"/hnp status --fabric=x", "no flags; the fabric is given as `fabric=NAME`"},
		{"/hnp status —fabric x", "no flags; the fabric is given as `fabric=NAME`"},
		{"/hnp status --now", "There is no flag `--now`"},
		{"/hnp status fabrik=x", "Did you mean `fabric=x`?"},
		{"/hnp status now", "`now` has no place here"},
		{"/hnp status fabric=", "needs a name"},
		{"/hnp status fabric=a fabric=b", "Only one"},
		{`/hnp status fabric="a`, "not closed"},
		{`/hnp resolve vpc/a git metadata.labels["x=git`, "not closed"},
		{"/hnp resolve", "What shall be resolved is missing"},
		{"/hnp resolve C12", "The decision is missing"},
		{"/hnp resolve #12 git", "written as `C12`"},
		{"/hnp resolve 12 git", "written as `C12`"},
		{"/hnp resolve C0 git", "no conflict and no resource"},
		{"/hnp resolve C99999999999 git", "no conflict and no resource"},
		{"/hnp resolve C12 gti", "Did you mean `git`?"},
		{"/hnp resolve C12 git netbox", "Only one decision"},
		{"/hnp resolve C12 git spec.x=merge", "neither `netbox` nor `git`"},
		{"/hnp resolve C12 git spec..x=git", "is no path"},
		{"/hnp resolve vcp/a git", "Did you mean `vpc/a`?"},
		{"/hnp resolve frob/a git", "There is no kind `frob`"},
		{"/hnp approve", "hash of the plan is missing"},
		{"/hnp approve a b", "`b` has no place here"},
		{"/hnp approve <b>", "no hash of a plan"},
		{"/hnp rollback 12", "no operation"},
		{"/hnp why", "The resource is missing"},
		{"/hnp why vpc/a b c", "has no place here"},
		{"/hnp pause vpc", "is no resource"},
		{"/hnp " + strings.Repeat("x ", 300), "too many words"},
	} {
		got := Parse(c.body)
		if len(got) != 1 || !strings.Contains(got[0].Problem, c.want) {
			t.Errorf("Parse(%q) = %+v, want one with %q", c.body, got, c.want)
		}
	}
}

func TestEveryCommandIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	fill := strings.NewReplacer("C12|KIND/NAME|all", "vpc/a", "netbox|git|merge", "git", "[PATH=netbox|git …]", "spec.a=netbox", "HASH", "abc",
		"OPERATION", "sync_20250730_123456_k7q2mx", "[KIND/NAME]", "vpc/a", "KIND/NAME", "vpc/a", "[PATH]", "spec.a")
	for _, s := range registry() {
		line := word + " " + fill.Replace(s.usage)
		got := Parse(line)
		if len(got) != 1 || got[0].Problem != "" || got[0].canonical() != line {
			t.Errorf("Parse(%q) = %+v", line, got)
		}
		if s.does == "" || s.run == nil {
			t.Errorf("%s has no words or does nothing", s.name)
		}
	}
}

func TestCanonicalReadsBack(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`/hnp status fabric="a \"b\" ‘c’ = [d] \\ é"`, `/hnp pause "vpc/a=b c"`, `/hnp resolve all git spec["a\"b =c"]=netbox`} {
		one := Parse(body)
		if len(one) != 1 || one[0].Problem != "" {
			t.Fatalf("Parse(%q) = %+v", body, one)
		}
		text := one[0].canonical()
		two := Parse(text)
		if len(two) != 1 || two[0].Problem != "" || two[0].canonical() != text || two[0].Fabric != one[0].Fabric {
			t.Errorf("%q became %q, which reads as %+v", body, text, two)
		}
	}
}

func TestTwoHundredCommands(t *testing.T) {
	t.Parallel()
	got := Parse(strings.Repeat("/hnp status\n", 200))
	if len(got) != 200 || got[199].Line != 200 {
		t.Errorf("%d commands read", len(got))
	}
}

// hostile are texts of which a careless reader takes more than linear time.
func hostile(n int) map[string]string {
	return map[string]string{
		"one line":        strings.Repeat("a", n) + "\n/hnp status",
		"one word":        "/hnp " + strings.Repeat("a", n),
		"words":           "/hnp " + strings.Repeat("a ", n/2),
		"backtick runs":   strings.Repeat("`a``b```c````d", n/14) + "\n/hnp status",
		"growing runs":    growing(n),
		"comments":        strings.Repeat("<!--", n/4) + "\n/hnp status",
		"tags":            strings.Repeat("<a ", n/3) + "\n/hnp status",
		"brackets":        "/hnp resolve C1 git " + strings.Repeat(`["`, n/2),
		"quotes":          strings.Repeat("> ", n/2) + "/hnp status",
		"lists":           strings.Repeat("- ", n/2) + "/hnp status",
		"deep lists":      strings.Repeat("- a\n ", n/5) + "\n/hnp status",
		"quotation marks": "/hnp " + strings.Repeat(`"`, n),
		"spaces":          strings.Repeat(" ", n) + "\n/hnp status",
		"line ends":       strings.Repeat("\n", n) + "/hnp status",
		"html lines":      strings.Repeat("<pre>\n", n/6) + "/hnp status",
		"commands":        strings.Repeat("/hnp\n", n/5),
		"equals":          "/hnp " + strings.Repeat("=", n),
	}
}

func growing(n int) string {
	var b strings.Builder
	for i := 1; b.Len() < n; i++ {
		b.WriteString(strings.Repeat("`", i) + " ")
	}
	return b.String() + "\n/hnp status"
}

// TestParseTakesLinearTime compares texts of 64 KB with ones sixteen times as long: quadratic time would show as 256.
func TestParseTakesLinearTime(t *testing.T) {
	const small, times = 64 << 10, 16
	large := hostile(small * times)
	for name, body := range hostile(small) {
		fastest := func(s string, runs int) time.Duration {
			best := time.Hour
			for range runs {
				start := time.Now()
				Parse(s)
				best = min(best, time.Since(start))
			}
			return best
		}
		one, many := max(fastest(body, 3), 100*time.Microsecond), fastest(large[name], 2)
		if ratio := float64(many) / float64(one); ratio > 6*times {
			t.Errorf("%s: %v for 64 KB, %v for %d times as much", name, one, many, times)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := names(registry())
	for written, want := range map[string]string{"conflict": "conflicts", "satus": "status", "hlep": "help", "approev": "approve", "w": "", "xyzzy": "", "rollbak": "rollback", "wyh": "why"} {
		if got := nearest(written, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", written, got, want)
		}
	}
}

func FuzzContexts(f *testing.F) {
	for _, s := range []string{"/hnp status", "> a\n/hnp sync", "```\n/hnp sync\n```", "- ```\n  /hnp sync", "`a\n/hnp\n`", "<!--\n/hnp\n-->", `/hnp resolve vpc/a merge spec["a"]=git fabric="x y"`,
		"\u3000/hnp\u00a0why vpc/a", "<pre>\n/hnp\n</pre>", "/hnp pause \"vpc/a", "1. a\n   > b\n/hnp help", "\t/hnp", "text <!--\n\n/hnp sync"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if len(body) > 4<<10 {
			return
		}
		got := Parse(body)
		for _, p := range got {
			if !strings.HasPrefix(p.Text, word) || strings.ContainsAny(p.Text, "\r\n") {
				t.Fatalf("%q is no line of a command", p.Text)
			}
			if (p.Name == "") && p.Problem == "" {
				t.Fatalf("%q has neither a name nor a problem", p.Text)
			}
			if p.Problem == "" {
				again := Parse(p.canonical())
				if len(again) != 1 || again[0].Problem != "" || again[0].canonical() != p.canonical() {
					t.Fatalf("%q became %q, which reads as %+v", p.Text, p.canonical(), again)
				}
			}
		}
		// Whatever the comment is, as a quotation or as code nothing of it fires.
		lines := strings.FieldsFunc(body, func(r rune) bool { return r == '\n' || r == '\r' })
		if quoted := Parse("> " + strings.Join(lines, "\n> ")); len(quoted) > 0 {
			t.Fatalf("fires in a quotation: %+v", quoted)
		}
		if code := Parse("x\n\n    " + strings.Join(lines, "\n    ")); len(code) > 0 {
			t.Fatalf("fires in indented code: %+v", code)
		}
		if fenced := Parse(feedback.Fence("", body)); len(fenced) > 0 {
			t.Fatalf("fires in a fence: %+v", fenced)
		}
		if slices.ContainsFunc(Parse(Marker+"\n"+body), func(Parsed) bool { return true }) {
			t.Fatal("our own text fires")
		}
	})
}
