package feedback

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/manifests"
)

var update = flag.Bool("update", false, "write the golden files anew")

func key(name string) gitops.Key {
	return gitops.Key{Group: "vpc.githedgehog.com", Kind: "VPC", Namespace: "default", Name: name}
}

// example has one of everything; v stands in every place that a foreign value can reach.
func example(v string) *gitops.Evaluation {
	f := gitops.DefaultFabric()
	f.Name, f.Slug, f.Directory = "fabric-1", "fabric-1", "gitops/fabric-1"
	at := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	c := gitops.Conflict{Number: 12, Key: key("test-vpc"), Code: gitops.ConcurrentModification, Path: "spec.subnets.test.vlan", Base: 1001, Git: v, NetBox: 1003,
		GitHash: "g", NetBoxHash: "n", BaseHash: "b", File: "managed/vpcs/test-vpc.yaml", Line: 9, Options: []string{"netbox", "git"},
		GitBy: &gitops.Modification{At: at, By: v, CommitSHA: "0123456789abcdef"}, NetBoxBy: &gitops.Modification{At: at.Add(time.Hour), By: "bob"}}
	other := c
	other.Number, other.Key = 13, key("elsewhere")
	drift := gitops.Conflict{Key: key("test-vpc"), Code: gitops.DriftCode, Path: "spec.mode", Git: v, NetBoxNone: true, Message: "changed in Git: " + v}
	return &gitops.Evaluation{Fabric: f, Head: "h", Base: "b", Files: []string{"managed/vpcs/test-vpc.yaml", "managed/vpcs/old.yaml", "raw/new.yaml"},
		Touched: map[gitops.Key]bool{key("test-vpc"): true, key("old"): true},
		Diagnostics: []manifests.Diagnostic{
			{File: "managed/vpcs/test-vpc.yaml", Path: "spec.x", StartLine: 4, StartColumn: 3, EndLine: 4, EndColumn: 6, Severity: manifests.SeverityError, Code: "unknown-field", Message: "unknown field " + v, Fix: "Remove " + v},
			{File: "managed/vpcs/test-vpc.yaml", StartLine: 1, EndLine: 3, StartColumn: 1, EndColumn: 2, Severity: manifests.SeverityWarning, Code: "w", Message: "hm"},
			{File: "managed/vpcs/z.yaml", StartLine: 1, Severity: manifests.SeverityError, Code: "e", Message: "not ours"}},
		Effects: []gitops.Effect{
			{Key: key("test-vpc"), Side: gitops.SideNetBox, Op: gitops.OpUpdate, Touched: true, File: "managed/vpcs/test-vpc.yaml", Line: 4,
				Paths: []gitops.PathChange{{Path: "spec.subnets.test.vlan", From: 1001, To: 1002}, {Path: `metadata.labels["a/b"]`, FromNone: true, To: v}}},
			{Key: key("old"), Side: gitops.SideNetBox, Op: gitops.OpDelete, Guarded: true, Reason: "all gone: " + v, Breaks: []gitops.Key{key("peer"), key(v)}, Touched: true}},
		Arriving: []gitops.Effect{{Key: key("test-vpc"), Side: gitops.SideGit, Op: gitops.OpUpdate, Touched: true, Paths: []gitops.PathChange{{Path: "spec.y", From: 1, To: v}}}, {Key: key("q"), Op: gitops.OpCreate}},
		Ingest:   []gitops.IngestedFile{{File: "raw/new.yaml", Targets: []string{"managed/vpcs/new.yaml"}}, {File: "raw/" + v, Problem: v}},
		After: &gitops.Plan{Conflicts: []gitops.Conflict{c, other, drift}, Frozen: []gitops.Frozen{{Key: key("old"), Code: gitops.Refused, Message: v}},
			Waiting: gitops.Waiting{Hash: "abcdef123456", Actions: []gitops.WaitingAction{{Action: "delete vpc/old in NetBox", Resource: "vpc/old", Reason: v}}}},
		Now: &gitops.Plan{Conflicts: []gitops.Conflict{{Number: 7, Key: key("settled")}}}}
}

// texts renders everything there is for a value.
func texts(v string) map[string]string {
	ev := example(v)
	in := PullRequest{Evaluations: []*gitops.Evaluation{ev}, Links: Links{Issue: "https://github.com/acme/x/issues/3"}}
	out := map[string]string{}
	for _, o := range []Output{Validate(in), Plan(in), Conflicts(in), Internal(PlanName, v), BranchConflicts(Branch{Fabrics: []BranchFabric{{ev.Fabric, ev.After.Conflicts, ev.After.Frozen}}})} {
		name := strings.TrimPrefix(o.Name, "hnp-sync / ")
		if _, twice := out[name]; twice {
			name += map[bool]string{true: "-failed", false: "-branch"}[o.Name == PlanName]
		}
		var b strings.Builder
		fmt.Fprintf(&b, "%s\n\n%s\n\n%s\n", o.Summary, o.Text, Fence("", "conclusion: "+o.Conclusion+"\ntitle: "+o.Title))
		for _, a := range o.Annotations {
			fmt.Fprintf(&b, "\n%s\n", Fence("", fmt.Sprintf("%s %s:%d:%d-%d:%d %s\n%s", a.Level, a.Path, a.StartLine, a.StartColumn, a.EndLine, a.EndColumn, a.Title, a.Message)))
		}
		for _, a := range o.Actions {
			fmt.Fprintf(&b, "\n%s\n", Code(a.Label+": "+a.Description))
		}
		out[name] = b.String()
	}
	actions := []gitops.Action{{Side: gitops.SideGit, Op: gitops.OpUpdate, Key: key(v), Paths: ev.Effects[0].Paths}, {Side: gitops.SideNetBox, Op: gitops.OpCreate, Key: key("b")}}
	_, out["conflict-pull"] = ConflictPullRequest(ConflictPull{Fabric: ev.Fabric, Head: "h", Conflicts: ev.After.Conflicts[:2], More: 4})
	_, out["rolling-pull"] = RollingPullRequest(RollingPull{Fabric: ev.Fabric, Actions: actions, Editors: []string{v, "bob"}, Reason: v, Plan: "abc"})
	_, out["issue"], _ = RollingIssue(Issue{Fabric: ev.Fabric, Conflicts: ev.After.Conflicts, Approve: "abcdef123456", Pause: &gitops.Pause{Message: v, Hash: "beef"},
		Status: gitops.Status{State: "error", Message: v, Waiting: ev.After.Waiting.Actions, Frozen: []gitops.FrozenStatus{{Resource: v, Code: "refused", Message: v, File: v}}},
		Lost:   []Lost{{What: "NetBox", Since: time.Unix(0, 0), Reason: v, Do: v}}})
	_, out["onboarding"] = Onboarding([]FirstContact{{Candidate: Candidate{Name: v, Directory: "gitops/x"}, Plan: &gitops.Plan{Actions: actions, Conflicts: ev.After.Conflicts}}, {Candidate: Candidate{Name: "b"}, Problem: v}})
	return out
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, got := range texts("leaf-01") {
		noProblems(t, name, got)
		file := filepath.Join("..", "..", "testdata", "feedback", name+".md")
		if *update {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || string(want) != got {
			t.Errorf("%s differs (%v); got\n%s", file, err, got)
		}
	}
}

func TestHostileEverywhere(t *testing.T) {
	t.Parallel()
	for _, v := range hostile {
		for name, got := range texts(v) {
			noProblems(t, fmt.Sprintf("%s with %.40q", name, v), got)
			if len(got) > 3*MaxBody {
				t.Errorf("%s: %d bytes", name, len(got))
			}
		}
	}
}

// TestTitles: titles are plain text that mentions nobody and closes no issue, wherever GitHub copies them.
func TestTitles(t *testing.T) {
	t.Parallel()
	for _, v := range hostile {
		ev := example(v)
		ev.Fabric.Name = v
		in := PullRequest{Evaluations: []*gitops.Evaluation{ev}, Failed: []Failed{{v, v}}}
		for _, o := range []Output{Validate(in), Plan(in), Conflicts(in)} {
			noProblems(t, o.Name, o.Summary+"\n\n"+o.Text)
		}
		conflict, body := ConflictPullRequest(ConflictPull{Fabric: ev.Fabric, Conflicts: ev.After.Conflicts[:1]})
		noProblems(t, "conflict", body)
		rolling, _ := RollingPullRequest(RollingPull{Fabric: ev.Fabric, Actions: []gitops.Action{{Op: gitops.OpUpdate, Key: key(v), Paths: []gitops.PathChange{{Path: v, From: v, To: v}}}}})
		issue, _, _ := RollingIssue(Issue{Fabric: ev.Fabric})
		for _, title := range []string{conflict, rolling, issue} {
			if title == "" || len([]rune(title)) > 256 || liveMention.MatchString(title) || liveReference.MatchString(title) || strings.ContainsAny(title, "\n\r\x1b") {
				t.Errorf("%q: title %q", v, title)
			}
		}
	}
}

func TestIssueNeeded(t *testing.T) {
	t.Parallel()
	drift := []gitops.Conflict{{Number: 1, Code: gitops.DriftCode}, {Number: 2, Closed: time.Unix(1, 0)}}
	if _, _, needed := RollingIssue(Issue{Status: gitops.Status{State: "equal"}, Conflicts: drift}); needed {
		t.Error("an issue for drift and closed conflicts")
	}
	for i, in := range []Issue{{Conflicts: []gitops.Conflict{{Number: 1}}}, {Pause: &gitops.Pause{}}, {Lost: []Lost{{}}}, {Status: gitops.Status{Waiting: make([]gitops.WaitingAction, 1)}},
		{Status: gitops.Status{Frozen: make([]gitops.FrozenStatus, 1)}}, {Status: gitops.Status{State: "error", Message: "x"}}} {
		if _, _, needed := RollingIssue(in); !needed {
			t.Errorf("%d: no issue", i)
		}
	}
	in := Issue{Conflicts: []gitops.Conflict{{Number: 1}}}
	in.Fabric.Notify = []string{"@acme/network", "@x y", "<!-- @evil"}
	if _, body, _ := RollingIssue(in); !strings.Contains(body, "For @acme/network.\n") && !strings.HasSuffix(body, "For @acme/network.") {
		t.Error(body)
	}
}

func TestConclusions(t *testing.T) {
	t.Parallel()
	in := PullRequest{Evaluations: []*gitops.Evaluation{example("1002")}}
	none := PullRequest{Evaluations: []*gitops.Evaluation{{}}}
	waits := example("1002")
	waits.Effects[1].Breaks = nil
	calm := example("1002")
	calm.After, calm.Diagnostics, calm.Effects = &gitops.Plan{}, nil, calm.Effects[:1]
	for i, c := range []struct {
		out  Output
		want string
	}{
		{Validate(none), Success}, {Plan(none), Success}, {Conflicts(none), Success}, {Validate(in), Failure}, {Plan(in), Failure}, {Conflicts(in), Failure},
		{Plan(PullRequest{Evaluations: []*gitops.Evaluation{waits}}), ActionRequired},
		{Validate(PullRequest{Evaluations: []*gitops.Evaluation{calm}}), Success}, {Plan(PullRequest{Evaluations: []*gitops.Evaluation{calm}}), Success},
		{Conflicts(PullRequest{Evaluations: []*gitops.Evaluation{calm}}), Success}, {Plan(PullRequest{Internal: "x"}), Failure},
		{Conflicts(PullRequest{Failed: []Failed{{"a", "b"}}}), Failure},
		{Validate(PullRequest{ConfigChanged: true, Config: []manifests.Diagnostic{{File: ".github/hnp-sync.yaml", Severity: manifests.SeverityError}}}), Failure},
	} {
		if c.out.Conclusion != c.want {
			t.Errorf("%d: %s is %s (%s), want %s", i, c.out.Name, c.out.Conclusion, c.out.Title, c.want)
		}
	}
	for _, a := range []Action{KeepGit, KeepNetBox, Merge} {
		if len(a.Label) > MaxActionLabel || len(a.Description) > MaxActionDetail || len(a.Identifier) > MaxActionID {
			t.Errorf("%+v is too long", a)
		}
	}
	if n := len(Conflicts(in).Actions); n != 2 {
		t.Errorf("%d buttons, want Keep Git and Keep NetBox", n)
	}
}

// TestLarge: 3,000 files, 5,000 conflicts.
func TestLarge(t *testing.T) {
	t.Parallel()
	ev := example("1002")
	c := ev.After.Conflicts[0]
	ev.After.Conflicts = nil
	for i := range 5000 {
		c.Number, c.Path = i+1, fmt.Sprintf("spec.f%d", i)
		ev.After.Conflicts = append(ev.After.Conflicts, c)
	}
	for i := range 3000 {
		f := fmt.Sprintf("managed/vpcs/f%d.yaml", i)
		ev.Files = append(ev.Files, f)
		ev.Diagnostics = append(ev.Diagnostics, manifests.Diagnostic{File: f, StartLine: 1, Severity: manifests.SeverityError, Code: "x", Message: strings.Repeat("m", 300)})
		ev.Effects = append(ev.Effects, gitops.Effect{Key: key(f), Op: gitops.OpCreate})
	}
	in := PullRequest{Evaluations: []*gitops.Evaluation{ev}}
	for _, o := range []Output{Validate(in), Plan(in), Conflicts(in)} {
		if len(o.Text) > MaxOutputText || len(o.Summary) > MaxOutputText || len(o.Title) > MaxOutputTitle || len(o.Annotations) > MaxAnnotations || !strings.Contains(o.Summary+o.Text, " more") {
			t.Errorf("%s: title %d summary %d text %d annotations %d", o.Name, len(o.Title), len(o.Summary), len(o.Text), len(o.Annotations))
		}
		if strings.Count(o.Text, "<details>") != strings.Count(o.Text, "</details>") {
			t.Errorf("%s: open details", o.Name)
		}
		noProblems(t, o.Name, o.Summary+"\n\n"+o.Text)
	}
	_, body := ConflictPullRequest(ConflictPull{Fabric: ev.Fabric, Conflicts: ev.After.Conflicts})
	if s, err := ParseState(body); err != nil || len(s.Conflicts) != maxStateConflicts || s.More != 4900 || len(body) > MaxBody {
		t.Errorf("%v %d %d, %d bytes", err, len(s.Conflicts), s.More, len(body))
	}
}

func TestMarkerAndState(t *testing.T) {
	t.Parallel()
	for _, s := range append(hostile, "issue/fabric-1", "a--b-->") {
		if got, ok := FindMarker(Marker(s) + "\r\nx"); ok != (s != "") || got != cleanTopic(s) {
			t.Errorf("%q: %q %v", s, got, ok)
		}
		want := stateOf(s, s, []gitops.Conflict{{Number: 3, GitHash: s}})
		line := stateLine(want)
		if strings.Count(line, "--") != 2 || strings.Contains(line, "\n") {
			t.Errorf("%q", line)
		}
		got, err := ParseState("<!-- hnp-sync:x -->\n" + line + "\n")
		if err != nil || !reflect.DeepEqual(got, want) && s == strings.ToValidUTF8(s, "") {
			t.Errorf("%q: %v %v", s, got, err)
		}
	}
	if _, err := ParseState("a\nb\n" + stateLine(State{Version: 1})); err == nil {
		t.Error("a state block below the second line was read")
	}
}

func FuzzParseState(f *testing.F) {
	f.Add(stateLine(State{Version: 1, Conflicts: []StateConflict{{Number: 1}}}))
	f.Add(stateStart + `{"v":1,"x":2} -->`)
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := ParseState(s); err == nil && (got.Version != 1 || len(got.Conflicts) > maxStateConflicts) {
			t.Errorf("%+v", got)
		}
	})
}

func TestConfigYAML(t *testing.T) {
	t.Parallel()
	in := []Candidate{{Name: "fabric 1: \"x\" # <y>", Slug: "f1", NetBox: "default", Directory: "gitops/a b", Layout: gitops.LayoutInPlace}, {Name: "日本", Slug: "jp", Directory: "gitops/c"}}
	fabrics, found := gitops.ParseConfig("x", ConfigYAML(in))
	if len(found) > 0 || len(fabrics) != 2 || fabrics[0].Name != in[0].Name || fabrics[0].Directory != in[0].Directory || fabrics[0].Layout != in[0].Layout || fabrics[1].Name != in[1].Name {
		t.Errorf("%v %v\n%s", fabrics, found, ConfigYAML(in))
	}
}
