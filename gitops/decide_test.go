package gitops

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// decidable is a conflict at a path at which the named sides changed since base.
func decidable(n int, name, path string, changed ...Side) *Conflict {
	c := &Conflict{Number: n, Key: Key{Group: "vpc.githedgehog.com", Kind: "VPC", Namespace: "default", Name: name}, Path: path, Code: ConcurrentModification,
		BaseHash: "base", GitHash: "base", NetBoxHash: "base", Options: []string{"netbox", "git"}}
	for _, s := range changed {
		if s == SideGit {
			c.GitHash = "git"
		} else {
			c.NetBoxHash = "netbox"
		}
	}
	return c
}

func byNumber(list ...*Conflict) map[int]*Conflict {
	m := map[int]*Conflict{}
	for _, c := range list {
		m[c.Number] = c
	}
	return m
}

func sides(list []Decided) (out []string) {
	for _, d := range list {
		out = append(out, d.Conflict.Path+"="+d.Decision.Choice)
	}
	return out
}

func pathOf(t *testing.T, text string) Path {
	t.Helper()
	p, err := ParsePath(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func wantReason(t *testing.T, err error, want DecideReason) *DecideError {
	t.Helper()
	var e *DecideError
	if !errors.As(err, &e) || e.Reason != want {
		t.Fatalf("error %v, want %s", err, want)
	}
	return e
}

func TestMergeTakesWhatOneSideChanged(t *testing.T) {
	t.Parallel()
	open := byNumber(decidable(1, "a", "spec.a", SideNetBox), decidable(2, "a", "spec.b", SideGit), decidable(3, "a", "spec.c", SideGit, SideNetBox), decidable(4, "b", "spec.d", SideGit, SideNetBox))
	_, err := Decide(Selection{Number: 1, Choice: ChooseMerge}, open, nil)
	if e := wantReason(t, err, LeftOpen); len(e.Open) != 1 || e.Open[0].Number != 3 {
		t.Errorf("left open: %+v", e.Open)
	}
	got, err := Decide(Selection{Number: 1, Choice: ChooseMerge, Paths: []PathChoice{{pathOf(t, "spec.c"), SideGit}}}, open, nil)
	if err != nil || !slices.Equal(sides(got), []string{"spec.a=netbox", "spec.b=git", "spec.c=git"}) {
		t.Errorf("%q, %v", sides(got), err)
	}
	open[2].Code = HistoryRewritten // an older value that came back is nobody's newer one
	_, err = Decide(Selection{Number: 1, Choice: ChooseMerge, Paths: []PathChoice{{pathOf(t, "spec.c"), SideGit}}}, open, nil)
	if e := wantReason(t, err, LeftOpen); e.Open[0].Number != 2 {
		t.Errorf("left open: %+v", e.Open)
	}
}

func TestPathsOfTheirOwn(t *testing.T) {
	t.Parallel()
	open := byNumber(decidable(1, "a", "spec.subnets.x.vlan"), decidable(2, "a", "spec.subnets.y"), decidable(3, "a", `metadata.labels["a.b/c"]`))
	key := &open[1].Key
	at := func(choices ...PathChoice) Selection { return Selection{Key: key, Choice: ChooseGit, Paths: choices} }
	n, g := SideNetBox, SideGit
	got, err := Decide(at(PathChoice{pathOf(t, "spec"), n}, PathChoice{pathOf(t, `spec["subnets"].x`), g}), open, nil)
	if err != nil || !slices.Equal(sides(got), []string{"spec.subnets.x.vlan=git", "spec.subnets.y=netbox", `metadata.labels["a.b/c"]=git`}) {
		t.Errorf("the longest path does not win: %q, %v", sides(got), err)
	}
	_, err = Decide(at(PathChoice{pathOf(t, "spec.sub"), n}), open, nil)
	wantReason(t, err, PathNotOpen)
	_, err = Decide(at(PathChoice{pathOf(t, "spec.subnets.y.vlan"), n}), open, nil)
	if e := wantReason(t, err, PathTooDeep); e.Conflict.Number != 2 {
		t.Errorf("%+v", e)
	}
	_, err = Decide(at(PathChoice{pathOf(t, "spec"), n}, PathChoice{pathOf(t, "spec"), g}), open, nil)
	wantReason(t, err, PathTwice)
	_, err = Decide(Selection{Number: 1, Choice: ChooseGit, Paths: []PathChoice{{pathOf(t, "spec.subnets.y"), n}}}, open, nil)
	wantReason(t, err, PathNotOpen)
}

func TestOnlyValidDecisions(t *testing.T) {
	t.Parallel()
	drift, half := decidable(1, "a", "spec.a"), decidable(2, "a", "spec.b")
	drift.Code, drift.Options, half.Options = DriftCode, nil, []string{"git"}
	open := byNumber(drift, half)
	_, err := Decide(Selection{Number: 1, Choice: ChooseGit}, open, nil)
	wantReason(t, err, NotDecidable)
	_, err = Decide(Selection{Choice: ChooseNetBox}, open, nil)
	if e := wantReason(t, err, NotDecidable); e.Conflict != half {
		t.Errorf("%+v", e)
	}
	if got, err := Decide(Selection{Choice: ChooseGit}, open, nil); err != nil || len(got) != 1 {
		t.Errorf("drift is not passed over: %q, %v", sides(got), err)
	}
	_, err = Decide(Selection{Choice: ChooseGit}, byNumber(drift), nil)
	wantReason(t, err, NothingOpen)
}

func TestMovedNumbersEnd(t *testing.T) {
	t.Parallel()
	circle := byNumber(&Conflict{Number: 1, MovedTo: 2}, &Conflict{Number: 2, MovedTo: 1})
	_, err := Decide(Selection{Number: 1, Choice: ChooseGit}, nil, circle)
	wantReason(t, err, AlreadyClosed)
}

// TestNewestDecisionStands: the id is made of what a decision is bound to, so a person who changes his mind before it is
// applied replaces it, and the same comment carried out twice stores one.
func TestNewestDecisionStands(t *testing.T) {
	t.Parallel()
	c := decidable(5, "a", "spec.a", SideGit, SideNetBox)
	one := func(choice Choice, number int) Decision {
		t.Helper()
		got, err := Decide(Selection{Number: number, Choice: choice, By: "alice", Source: "comment", At: time.Unix(9, 0)}, byNumber(c), nil)
		if err != nil || len(got) != 1 {
			t.Fatal(err)
		}
		return got[0].Decision
	}
	first := one(ChooseGit, 5)
	if again := one(ChooseGit, 5); again != first {
		t.Errorf("%+v, then %+v", first, again)
	}
	if other := one(ChooseNetBox, 5); other.ID != first.ID || other.Choice != "netbox" {
		t.Errorf("%+v does not replace %+v", other, first)
	}
	c.NetBoxHash = "later"
	if moved := one(ChooseGit, 5); moved.ID == first.ID {
		t.Error("a decision for other values has the same id")
	}
}
