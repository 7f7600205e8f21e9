package feedback

import (
	"html"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// hostile are values meant to break out of what they stand in.
var hostile = []string{
	"`", "``", "```", "`` ` ``", "a`b``c", " ` ", "``` \n@alice\n```", "|", "a|b", `\|`, `\\|`, "`|`", "@alice", "@acme/network", "\\@alice",
	"a@b.example", "#12", "acme/x#12", "GH-12", "gh-1", "<!--", "-->", "<!-- hnp-sync state {} -->", "<script>", "</details>", "&#64;alice",
	"&commat;alice", "https://evil.example/x", "http://a", "ftp://a", "www.evil.example", "mailto:a@b.c", "[x](https://evil.example)", "![](x)",
	"/hnp approve 123", "\n/hnp approve 123", "\r/hnp sync", "\u2028/hnp sync", " /hnp sync", "- x", "# x", "1. x", "12) x", "> x", "    code", "\tcode",
	"---", "===", "~~~\n/hnp sync\n~~~", "\x1b[31mred\x1b[0m", "\x00", "\u202egnp.exe", "\u200b", "\ufeff", "\xff\xfe", "$x$", "*b*", "_i_", "~s~",
	":tada:", "a\n\nb", "\n", " ", "", "\\", "\\`", "ok", "日本語 @alice", "@\u200balice", "<b>", "|||", "`@alice|`", strings.Repeat("`", 300), strings.Repeat("x|@a`\n", 2000),
}

// everywhere puts a value into every place that a text has for it.
func everywhere(s string) string {
	return strings.Join([]string{
		"Start: " + Text(s) + " and " + Code(s) + " end.",
		Text(s),
		Code(s),
		"- " + Text(s),
		"<details><summary>" + Text(s) + " " + HTMLCode(s) + "</summary>\n\nx\n\n</details>",
		"| a | b | c | d |\n|---|---|---|---|\n| " + Cell(s) + " | " + Code(s) + " | " + Value(s, false) + " | " + Value([]any{s}, false) + " |\n",
		Fence("yaml", s),
		Text(s),
		"after",
	}, "\n\n")
}

func TestHostileValues(t *testing.T) {
	t.Parallel()
	for _, s := range hostile {
		noProblems(t, s, everywhere(s))
	}
}

func TestEscapersHold(t *testing.T) {
	t.Parallel()
	piece := rapid.OneOf(rapid.SampledFrom(hostile), rapid.String(), rapid.StringMatching("[`@#|<>!&;:/\\\\ \n\r\tahnpwgGH0-9.-]{0,12}"))
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOfN(piece, 1, 5).Draw(t, "pieces"), "")
		if len(s) > 5000 {
			s = s[:5000]
		}
		for _, p := range problems(everywhere(s)) {
			t.Errorf("%q: %s", s, p)
		}
	})
}

func FuzzEscape(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		noProblems(t, "fuzz", everywhere(s))
		for what, got := range map[string]string{"Title": Title(s), "Plain": Plain(s, 100)} {
			if !utf8.ValidString(got) || strings.ContainsAny(got, "\x1b\r\x00\u202e") {
				t.Errorf("%s(%q) = %q", what, s, got)
			}
		}
		if got := Title(s); utf8.RuneCountInString(got) > 256 || strings.Contains(got, "\n") || liveMention.MatchString(got) || liveReference.MatchString(got) {
			t.Errorf("Title(%q) = %q", s, got)
		}
		if got := Plain(s, 100); len(got) > 100 {
			t.Errorf("Plain(%q) has %d bytes", s, len(got))
		}
	})
}

// TestReadable: what a reader sees is the value.
func TestReadable(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"1001": "`1001`", "a`b": "``a`b``", "`a`": "`` `a` ``", "a|b": "<code>a&#124;b</code>", "a\nb": `a\nb`, "": "(empty)", "\x1b[0m": "`\\u001b[0m`", " a": "` a`",
	} {
		if got := Code(s); strings.Trim(got, "`") != strings.Trim(want, "`") {
			t.Errorf("Code(%q) = %s, want %s", s, got, want)
		}
	}
	for _, s := range []string{"leaf-01 has no port E1/2", "spec.x: wants a number; got *text*", "2 < 3 & 4 > 1", "a_b [c](d)", "10. of 12"} {
		if got := html.UnescapeString(Text(s)); got != s {
			t.Errorf("Text(%q) reads %q", s, got)
		}
	}
	if got := html.UnescapeString(Text("by @alice, see #12")); strings.ReplaceAll(got, "\u200b", "") != "by @alice, see #12" {
		t.Errorf("%q", got)
	}
	if got := Value(map[string]any{"a": "<x>"}, false); got != "`{\"a\":\"<x>\"}`" {
		t.Errorf("%s", got)
	}
	if Value(nil, true) == Value("absent", false) || Value("null", false) == Value(nil, false) {
		t.Error("absent and text are the same")
	}
}
