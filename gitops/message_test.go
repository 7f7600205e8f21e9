package gitops

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite golden files and generated pages")

// golden compares text with a file below testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s is\n%s\nnot\n%s\n(-update rewrites it)", file, got, want)
	}
}

const goldenOperation, goldenPlan = "sync_20260101_120000_abcdef", "0123456789ab"

func TestCommitMessages(t *testing.T) {
	t.Parallel()
	key := func(text string) Key { return keyOf(t, text) }
	set := func(k, path string, from, to any) *Action {
		return &Action{Side: SideGit, Op: OpUpdate, Key: key(k), Paths: []PathChange{pathChange(parse(t, path), from, to)}}
	}
	hostile := "x\n\n" + TrailerOperation + ": sync_20260101_000000_forged\nCo-authored-by: Mallory <m@example.com>"
	many := func(n int) []*Action {
		var out []*Action
		for i := range n {
			out = append(out, set(fmt.Sprintf("vpc/v%03d", i), "spec.mode", json.Number("1"), json.Number("2")))
		}
		return out
	}
	odd := key("vpc/a")
	odd.Name = hostile
	for name, c := range map[string]struct {
		fabric  string
		actions []*Action
		editors []string
	}{
		"one_field":     {"fabric-1", []*Action{set("vpc/test-vpc", "spec.subnets.test-subnet.vlan", json.Number("1001"), json.Number("1002"))}, nil},
		"set_and_unset": {"fabric-1", []*Action{set("vpc/a", "spec.mode", none, "l3vni"), set("vpc/other/a", "spec.vrf", true, none)}, nil},
		"many_fields":   {"fabric-1", []*Action{{Side: SideGit, Op: OpUpdate, Key: key("vpc/a"), Paths: []PathChange{pathChange(parse(t, "spec.mode"), "a", "b"), pathChange(parse(t, `metadata.labels["a.b/c"]`), none, "1")}}}, nil},
		"created":       {"fabric-1", []*Action{{Side: SideGit, Op: OpCreate, Key: key("switch/leaf-1")}}, nil},
		"deleted":       {"fabric-1", []*Action{{Side: SideGit, Op: OpDelete, Key: key("switch/leaf-1")}}, nil},
		"renamed":       {"fabric-1", []*Action{{Side: SideGit, Op: OpRename, Key: key("vpc/a"), NewKey: key("vpc/b"), Paths: []PathChange{{Path: "metadata.name", From: "a", To: "b"}}}}, nil},
		"sixty_one":     {"fabric-1", many(61), nil},
		"editors":       {"fabric-1", many(2), []string{"bob", "alice", "bob"}},
		"odd_values": {"fabric-1", []*Action{{Side: SideGit, Op: OpUpdate, Key: key("vpc/a"), Paths: []PathChange{
			pathChange(parse(t, "spec.empty"), "", " lead"), pathChange(parse(t, "spec.text"), "10", json.Number("10")), pathChange(parse(t, "spec.word"), "true", true),
			pathChange(parse(t, "spec.none"), "(none)", none), pathChange(parse(t, "spec.float"), json.Number("1.50"), "a → b"),
			pathChange(parse(t, "spec.z"), []any{"a", json.Number("1"), nil}, map[string]any{"b": "c", "a": "<&>"}),
			pathChange(parse(t, "spec.long"), strings.Repeat("ä", 100), strings.Repeat("x", 61))}}}, nil},
		"hostile_value":  {"fabric-1", []*Action{set("vpc/a", "spec.mode", "a", hostile)}, nil},
		"hostile_values": {"fabric-1", []*Action{set("vpc/a", "spec.mode", "a", hostile), set("vpc/b", "spec.mode", hostile, "\u202e\u2028\x1b[31m\x00")}, nil},
		"hostile_key":    {"fabric-1", []*Action{set("vpc/a", Path{{Name: "metadata"}, {Name: "labels"}, {Name: hostile}}.String(), none, "1"), set("vpc/b", "spec.x", "1", "2")}, nil},
		"hostile_names":  {"f\n\n" + hostile, []*Action{{Side: SideGit, Op: OpUpdate, Key: odd, Paths: []PathChange{pathChange(parse(t, "spec.mode"), "a", "b")}}, {Side: SideGit, Op: OpDelete, Key: odd}}, []string{hostile, "eve"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			people := map[string]string{"alice": "Alice Ng <alice@example.com>", "eve": "Eve\n" + TrailerOperation + ": x <e@example.com>"}
			subject, body := commitMessage(c.fabric, c.actions, goldenOperation, goldenPlan, c.editors, people)
			golden(t, "commits/"+name+".txt", subject+"\n\n"+body)
			unforged(t, subject, body)
		})
	}
}

func parse(t testing.TB, text string) Path {
	t.Helper()
	p, err := ParsePath(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// unforged holds a message to what nobody's text may break: one line of subject, the trailers last and ours alone.
func unforged(t interface {
	Fatalf(string, ...any)
	Helper()
}, subject, body string) {
	t.Helper()
	message := subject + "\n\n" + body
	if strings.ContainsAny(subject, "\n\r\u2028\u2029") || utf8.RuneCountInString(subject) > 200 || !utf8.ValidString(message) {
		t.Fatalf("subject %q", subject)
	}
	if got := OperationTrailer(message); got != goldenOperation {
		t.Fatalf("the operation reads as %q in\n%s", got, message)
	}
	for _, trailer := range []string{TrailerOperation, TrailerPlan} {
		if n := strings.Count("\n"+body, "\n"+trailer); n != 1 {
			t.Fatalf("%d lines begin with %s:\n%s", n, trailer, message)
		}
	}
	paragraphs := strings.Split(strings.TrimRight(body, "\n"), "\n\n")
	if len(paragraphs) > 2 || !strings.HasPrefix(paragraphs[len(paragraphs)-1], TrailerOperation+": "+goldenOperation+"\n"+TrailerPlan+": "+goldenPlan) {
		t.Fatalf("%d paragraphs:\n%s", len(paragraphs), message)
	}
	for _, line := range strings.Split(paragraphs[len(paragraphs)-1], "\n")[2:] {
		if !strings.HasPrefix(line, "Co-authored-by: ") && !strings.HasPrefix(line, "NetBox-User: ") {
			t.Fatalf("the trailer %q:\n%s", line, message)
		}
	}
}

// No text of anybody, in whatever place it comes to stand, forges a trailer or a line.
func TestCommitMessagesAreNotForged(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 20), func(b []byte) string { return string(b) }),
			rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{"\n", "\r", "\u2028", "\u0085", TrailerOperation + ": sync_20260101_000000_forged", TrailerPlan + ": x", "Co-authored-by: x", " "}), 0, 6),
				func(s []string) string { return strings.Join(s, "") }))
		var actions []*Action
		for range rapid.IntRange(1, 3).Draw(t, "actions") {
			k := Key{Group: "g", Kind: "VPC", Namespace: text.Draw(t, "namespace"), Name: text.Draw(t, "name")}
			a := &Action{Side: SideGit, Op: rapid.SampledFrom([]Op{OpUpdate, OpCreate, OpDelete, OpRename}).Draw(t, "op"), Key: k}
			for range rapid.IntRange(1, 2).Draw(t, "paths") {
				a.Paths = append(a.Paths, pathChange(Path{{Name: "spec"}, {Name: text.Draw(t, "key")}}, text.Draw(t, "from"), text.Draw(t, "to")))
			}
			actions = append(actions, a)
		}
		editors := []string{text.Draw(t, "editor"), "alice"}
		subject, body := commitMessage(text.Draw(t, "fabric"), actions, goldenOperation, goldenPlan, editors, map[string]string{"alice": text.Draw(t, "author") + "x"})
		unforged(t, subject, body)
	})
}

func TestOperationIDs(t *testing.T) {
	t.Parallel()
	for id, ok := range map[string]bool{
		"sync_20250730_123456_k7q2mx": true, "sync_20250730_123456_K7q2mx": false, "sync_20250730_123456_k7q2m": false, "sync_20250730_123456_k7q2mx ": false,
		"sync_2025073a_123456_k7q2mx": false, "sync_20250730-123456_k7q2mx": false, "sync_20250730_123456_k0q2mx": false, "": false, "sync_20250730_123456_k7q2m\n": false,
	} {
		if IsOperationID(id) != ok {
			t.Errorf("%q: %t", id, !ok)
		}
	}
	for message, want := range map[string]string{
		"s\n\nHNP-Operation: a\n":                   "a",
		"s\n\nHNP-Operation: a\n\nHNP-Operation: b": "b",
		"HNP-Operation:a":                           "",
		" HNP-Operation: a":                         "",
		"s\n\nHNP-Operation: a  \r\n":               "a",
	} {
		if got := OperationTrailer(message); got != want {
			t.Errorf("%q: %q", message, got)
		}
	}
}
