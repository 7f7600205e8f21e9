package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/handlers"
	"github.com/hnp-sync/hnp-sync/manifests"
)

// world is a running program with one text that nobody must trust wherever foreign text can stand.
type world struct {
	Control   // a method that no test expects panics
	text      string
	fabrics   []Fabric
	status    Status
	conflicts Conflicts
	decided   []Audit
	approved  []Audit
	calls     []string
	err       error // of everything that changes
	role      string
	roleErr   error
	denied    bool
	asked     int
	reactions []string
	answer    string
	tellErr   error
}

func (w *world) Fabrics(context.Context, int64, int) ([]Fabric, error) { return w.fabrics, nil }
func (w *world) Status(context.Context, int64) (Status, error)         { return w.status, nil }
func (w *world) Conflicts(context.Context, int64) (Conflicts, error)   { return w.conflicts, nil }
func (w *world) Plan(context.Context, int64) (PlanNow, error) {
	return PlanNow{Hash: w.text, Paused: w.text, Actions: []PlannedAction{{Side: gitops.SideGit, Op: gitops.OpUpdate, Key: w.key(), Reason: w.text,
		Paths: []gitops.PathChange{{Path: w.text, From: w.text, To: map[string]any{w.text: w.text}}}}}}, nil
}
func (w *world) Why(_ context.Context, _ int64, k gitops.Key) (Why, error) {
	return Why{Key: k, State: w.text, File: w.text, Line: 3, FrozenCode: w.text, FrozenMessage: w.text, PausedBy: w.text,
		Changes: []Change{{By: w.text, CommitSHA: w.text, RequestID: w.text, Operation: w.text, Fields: []string{w.text}}}}, nil
}
func (w *world) begin(what string, a Audit) (Started, error) {
	w.calls = append(w.calls, what)
	return Started{ID: "sync_20250730_123456_k7q2mx", Note: w.text}, w.err
}
func (w *world) Sync(_ context.Context, _ int64, a Audit) (Started, error) { return w.begin("sync", a) }
func (w *world) Decide(_ context.Context, _ int64, a Audit) (Started, error) {
	w.decided = append(w.decided, a)
	return w.begin("decide", a)
}
func (w *world) Approve(_ context.Context, _ int64, a Audit) (Started, error) {
	w.approved = append(w.approved, a)
	return w.begin("approve", a)
}
func (w *world) Rollback(_ context.Context, _ int64, _ string, a Audit) (Started, error) {
	return w.begin("rollback", a)
}
func (w *world) Pause(_ context.Context, _ int64, _ *gitops.Key, a Audit) (bool, error) {
	_, err := w.begin("pause", a)
	return true, err
}
func (w *world) Permission(context.Context, int64, string) (string, error) {
	w.asked++
	return w.role, w.roleErr
}
func (w *world) Allowed(context.Context, int64, string) (bool, error) { return !w.denied, nil }
func (w *world) React(_ context.Context, _, _ int64, r string) error {
	w.reactions = append(w.reactions, r)
	return nil
}
func (w *world) Answer(_ context.Context, _ int64, _ int, body string) error {
	w.answer = body
	return w.tellErr
}
func (w *world) key() gitops.Key {
	return gitops.Key{Group: manifests.GroupVPC, Kind: "VPC", Namespace: manifests.DefaultNamespace, Name: w.text}
}

func newWorld(text string) *world {
	w := &world{text: text, role: "write", fabrics: []Fabric{{ID: 1, Name: text, Slug: "fabric-1"}}}
	w.status = Status{Status: gitops.Status{State: "guard", Head: text, PlanHash: "cafe", Message: text, Conflicts: 1,
		Waiting: []gitops.WaitingAction{{Action: text, Resource: text, Reason: text}}, Frozen: []gitops.FrozenStatus{{Resource: text, Code: text, Message: text, File: text}}},
		Branch: text, Directory: text, LastError: text, Working: text}
	m := &gitops.Modification{By: text, At: time.Unix(0, 0)}
	c := func(n, moved int) *gitops.Conflict {
		return &gitops.Conflict{Number: n, MovedTo: moved, Key: w.key(), Code: gitops.ConcurrentModification, Path: "spec.vlan", Base: text, Git: text, NetBox: text,
			BaseHash: "b", GitHash: fmt.Sprint("g", n), NetBoxHash: "n", GitBy: m, NetBoxBy: m, Message: text, Options: []string{"netbox", "git"}}
	}
	w.conflicts = Conflicts{Open: map[int]*gitops.Conflict{14: c(14, 0)}, Closed: map[int]*gitops.Conflict{12: c(12, 14)}}
	return w
}

func (w *world) run(t testing.TB, comment string) error {
	return Run(t.Context(), Request{Comment: handlers.CommandRef{Repository: 7, Number: 3, CommentID: 99, Text: comment, Sender: "alice", SenderID: 5}, At: time.Unix(1000, 0)}, w, w, w)
}

func (w *world) want(t *testing.T, reaction string, texts ...string) {
	t.Helper()
	if want := []string{ReactionEyes, reaction}; !slices.Equal(w.reactions, want) {
		t.Errorf("reactions %q, want %q", w.reactions, want)
	}
	for _, s := range texts {
		if !strings.Contains(w.answer, s) {
			t.Errorf("no %q in the answer:\n%s", s, w.answer)
		}
	}
}

func TestNoCommandCostsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld("f")
	if err := w.run(t, "> /hnp sync"); err != nil || w.asked > 0 || len(w.reactions) > 0 || w.answer != "" {
		t.Errorf("%v, %+v", err, w)
	}
}

func TestReaderMayReadOnly(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"read", "triage"} {
		w := newWorld("f")
		w.role = role
		if err := w.run(t, "/hnp status\n/hnp sync\n/hnp resolve all git"); err != nil {
			t.Fatal(err)
		}
		w.want(t, ReactionDown, "needs the right to write", "`"+role+"`", "approve cafe")
		if len(w.calls) > 0 || w.asked != 1 {
			t.Errorf("calls %q, %d questions to GitHub", w.calls, w.asked)
		}
	}
}

func TestStrangerLearnsNothing(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"none", "", "sorcerer"} {
		w := newWorld("secret")
		w.role = role
		if err := w.run(t, "/hnp status\n/hnp frob\n/hnp help"); err != nil {
			t.Fatal(err)
		}
		w.want(t, ReactionDown, "may not read this repository")
		if strings.Contains(w.answer, "secret") {
			t.Errorf("role %q sees %s", role, w.answer)
		}
	}
}

func TestGitHubDoesNotAnswerAboutPermissions(t *testing.T) {
	t.Parallel()
	w := newWorld("f")
	w.role, w.roleErr = "admin", errors.New("502")
	if err := w.run(t, "/hnp sync\n/hnp status\n/hnp approve cafe"); !errors.Is(err, w.roleErr) {
		t.Errorf("error %v is not for the log", err)
	}
	w.want(t, ReactionDown, "GitHub did not answer", "**nothing was done**")
	if len(w.calls) > 0 || w.asked != 1 {
		t.Errorf("calls %q, %d questions", w.calls, w.asked)
	}
}

func TestTeamAllowList(t *testing.T) {
	t.Parallel()
	w := newWorld("f")
	w.denied = true
	if err := w.run(t, "/hnp sync"); err != nil {
		t.Fatal(err)
	}
	w.want(t, ReactionDown, "in none of the teams")
	if len(w.calls) > 0 {
		t.Errorf("calls %q", w.calls)
	}
}

func TestApprovalForAnOlderPlan(t *testing.T) {
	t.Parallel()
	w := newWorld("f")
	if err := w.run(t, "/hnp approve 0dd0"); err != nil {
		t.Fatal(err)
	}
	w.want(t, ReactionDown, "Nothing was approved", "/hnp approve cafe")
	if len(w.approved) > 0 {
		t.Fatal("approved")
	}
	w = newWorld("f")
	if err := w.run(t, "/hnp approve cafe"); err != nil {
		t.Fatal(err)
	}
	w.want(t, ReactionUp, "Approved for f")
	if len(w.approved) != 1 || w.approved[0].PlanHash != "cafe" || w.approved[0].Sender != "alice" || w.approved[0].CommentID != 99 {
		t.Errorf("audit %+v", w.approved)
	}
}

func TestDecisionForMovedValues(t *testing.T) {
	t.Parallel()
	w := newWorld("f")
	if err := w.run(t, "/hnp resolve C12 netbox"); err != nil {
		t.Fatal(err)
	}
	w.want(t, ReactionDown, "C12 moved, now C14", "/hnp resolve C14 netbox")
	if len(w.decided) > 0 {
		t.Fatal("decided")
	}
	w = newWorld("f") // they move while the decision is stored
	w.err = fmt.Errorf("store: %w", ErrMoved)
	if err := w.run(t, "/hnp resolve C14 netbox"); err != nil {
		t.Fatal(err)
	}
	w.want(t, ReactionDown, "moved while this was decided")
}

func TestDecisionIsBoundAndAudited(t *testing.T) {
	t.Parallel()
	w := newWorld("f")
	if err := w.run(t, "/hnp resolve C14 netbox"); err != nil {
		t.Fatal(err)
	}
	w.want(t, ReactionUp, "1 conflict is decided")
	if len(w.decided) != 1 || len(w.decided[0].Decisions) != 1 {
		t.Fatalf("%+v", w.decided)
	}
	a, d := w.decided[0], w.decided[0].Decisions[0]
	if d.GitHash != "g14" || d.NetBoxHash != "n" || d.BaseHash != "b" || d.Choice != "netbox" || d.By != "alice" || d.Source != "comment" || !d.At.Equal(time.Unix(1000, 0)) {
		t.Errorf("decision %+v", d)
	}
	if a.Command != "/hnp resolve C14 netbox" || a.Target != "C14" || a.SenderID != 5 || a.RepositoryID != 7 || a.Number != 3 {
		t.Errorf("audit %+v", a)
	}
}

func TestTwentyOfTwoHundredAreCarriedOut(t *testing.T) {
	t.Parallel()
	w := newWorld("f")
	if err := w.run(t, strings.Repeat("/hnp sync\n", 200)); err != nil {
		t.Fatal(err)
	}
	w.want(t, ReactionDown, "180 more commands were not carried out")
	if len(w.calls) != MaxCommands || w.asked != 1 {
		t.Errorf("%d carried out, %d questions", len(w.calls), w.asked)
	}
}

func TestSeveralFabrics(t *testing.T) {
	t.Parallel()
	w := newWorld("f")
	w.fabrics = []Fabric{{ID: 1, Name: "my fabric", Slug: "my-fabric"}, {ID: 2, Name: "other", Slug: "other"}}
	if err := w.run(t, "/hnp sync"); err != nil {
		t.Fatal(err)
	}
	w.want(t, ReactionDown, "Which fabric is meant?", `fabric="my fabric"`)
	w.reactions = nil
	if err := w.run(t, `/hnp sync fabric="My Fabric"`); err != nil {
		t.Fatal(err)
	}
	w.want(t, ReactionUp)
	w.fabrics[0].Touched, w.fabrics[1].Touched, w.reactions, w.calls = true, true, nil, nil
	if err := w.run(t, "/hnp sync\n/hnp resolve C14 git"); err != nil {
		t.Fatal(err)
	}
	w.want(t, ReactionDown, "In my fabric:", "In other:", "Which fabric is meant?")
	if !slices.Equal(w.calls, []string{"sync", "sync"}) {
		t.Errorf("calls %q: a number in two fabrics must not be guessed", w.calls)
	}
}

func TestRefusedAndFailed(t *testing.T) {
	t.Parallel()
	w := newWorld("f")
	w.err = fmt.Errorf("x: %w", &Refused{"Rollback is not available yet."})
	if err := w.run(t, "/hnp rollback sync_20250730_123456_k7q2mx"); err != nil {
		t.Fatal(err)
	}
	w.want(t, ReactionDown, "Rollback is not available yet.")
	w = newWorld("f")
	w.err = errors.New("token hunter2 at http://internal")
	if err := w.run(t, "/hnp sync"); !errors.Is(err, w.err) {
		t.Errorf("error %v is not for the log", err)
	}
	var untold *Untold
	if err := w.run(t, "/hnp sync"); !errors.As(err, &untold) || untold.Body != "" || untold.Reaction != "" {
		t.Errorf("error %v asks for the commands again", err)
	}
	w.reactions = w.reactions[:2]
	w.want(t, ReactionDown, "**This failed**")
	if strings.Contains(w.answer, "hunter2") {
		t.Error("an error's own text is told")
	}
	w = newWorld("f")
	w.tellErr = errors.New("503")
	if err := w.run(t, "/hnp sync"); !errors.As(err, &untold) || untold.Body != w.answer || untold.Reaction != "" {
		t.Errorf("error %v does not hold what was to be said", err)
	}
}

// TestAnswersAreNoCommands: whatever stands in NetBox, files and comments, no answer holds a command, ends a table's row
// early, or grows over GitHub's limit.
func TestAnswersAreNoCommands(t *testing.T) {
	t.Parallel()
	pieces := []string{"/hnp sync", "\n", "\r", "|", "`", "```", "<!--", "-->", "> ", "    ", "@acme/network", "#1", "<details>", "\x1b[31m", "\u202e", "\u2028", "é", "\"", "'", "\\", " ", "x"}
	commands := "/hnp status\n/hnp plan\n/hnp conflicts\n/hnp why vpc/a\n/hnp resolve all git\n/hnp resolve C12 git\n/hnp approve cafe\n/hnp approve b\n/hnp pause\n/hnp sync\n/hnp help\n"
	rapid.Check(t, func(r *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 12).Draw(r, "text"), "")
		w := newWorld(text)
		if err := w.run(t, commands+"/hnp "+strings.NewReplacer("\n", "", "\r", "").Replace(text)+"\n"); err != nil {
			r.Fatal(err)
		}
		rest, ok := strings.CutPrefix(w.answer, Marker+"\n")
		if !ok || len(w.answer) > maxAnswer {
			r.Fatalf("%d bytes: %.200q", len(w.answer), w.answer)
		}
		if got := Parse(rest); len(got) > 0 {
			r.Fatalf("the answer holds a command: %+v", got)
		}
		columns := 0
		for _, line := range strings.Split(rest, "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), word) {
				r.Fatalf("a line begins with a command: %q", line)
			}
			n := strings.Count(line, "|") - strings.Count(line, `\|`)
			switch {
			case !strings.HasPrefix(line, "|"):
				columns = 0
			case columns == 0:
				columns = n
			case n != columns:
				r.Fatalf("a row of %d cells in a table of %d: %q", n-1, columns-1, line)
			}
		}
		for _, alive := range []string{"\x1b", "\u202e"} {
			if strings.Contains(rest, alive) {
				r.Fatalf("%q is alive in %q", alive, rest)
			}
		}
	})
}

func TestLongAnswersAreCut(t *testing.T) {
	t.Parallel()
	w := newWorld(strings.Repeat("é|", 400))
	for n := 20; n < 200; n++ {
		c := *w.conflicts.Open[14]
		c.Number = n
		w.conflicts.Open[n] = &c
	}
	if err := w.run(t, strings.Repeat("/hnp conflicts\n", 20)); err != nil {
		t.Fatal(err)
	}
	w.want(t, ReactionUp, "More is left out")
	if len(w.answer) > maxAnswer || strings.Count(w.answer, "✅") != 20 {
		t.Errorf("%d bytes, %d answers", len(w.answer), strings.Count(w.answer, "✅"))
	}
}
