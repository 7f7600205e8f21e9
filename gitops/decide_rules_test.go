package gitops

import (
	"errors"
	"testing"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	key := Key{Group: "vpc.githedgehog.com", Kind: "VPC", Namespace: "default", Name: "a"}
	conflict := func(n int, path string) *Conflict {
		return &Conflict{Number: n, Key: key, Path: path, Code: ConcurrentModification, BaseHash: "b" + path, GitHash: "g" + path, NetBoxHash: "n" + path, Options: []string{"netbox", "git"}}
	}
	open := map[int]*Conflict{12: conflict(12, "spec.subnets.x.vlan"), 13: conflict(13, "spec.mode")}
	closed := map[int]*Conflict{3: {Number: 3, Key: key, MovedTo: 7}, 7: {Number: 7, Key: key, MovedTo: 12}, 4: {Number: 4, Key: key, Resolution: "equal"}}
	path := func(text string) Path {
		p, err := ParsePath(text)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for name, c := range map[string]struct {
		in      Selection
		decided int
		fails   bool
		moved   int
	}{
		"one by its number":           {in: Selection{Number: 12, Choice: ChooseNetBox}, decided: 1},
		"all of a resource":           {in: Selection{Key: &key, Choice: ChooseGit}, decided: 2},
		"all":                         {in: Selection{Choice: ChooseGit}, decided: 2},
		"a side of its own by prefix": {in: Selection{Key: &key, Choice: ChooseGit, Paths: []PathChoice{{path("spec.subnets"), SideNetBox}}}, decided: 2},
		"merge leaves one open":       {in: Selection{Key: &key, Choice: ChooseMerge, Paths: []PathChoice{{path("spec.mode"), SideGit}}}, fails: true},
		"merge with a side for each":  {in: Selection{Key: &key, Choice: ChooseMerge, Paths: []PathChoice{{path("spec"), SideGit}}}, decided: 2},
		"a number that moved, twice":  {in: Selection{Number: 3, Choice: ChooseGit}, fails: true, moved: 12},
		"a number that ended":         {in: Selection{Number: 4, Choice: ChooseGit}, fails: true},
		"a number that never was":     {in: Selection{Number: 99, Choice: ChooseGit}, fails: true},
		"a word that is no choice":    {in: Selection{Number: 12, Choice: "timestamp"}, fails: true},
		"a path that no conflict has": {in: Selection{Key: &key, Choice: ChooseGit, Paths: []PathChoice{{path("metadata.labels"), SideGit}}}, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Decide(c.in, open, closed)
			if (err != nil) != c.fails || len(got) != c.decided {
				t.Fatalf("%d decisions, %v", len(got), err)
			}
			var why *DecideError
			if c.moved != 0 && (!errors.As(err, &why) || why.Now != c.moved) {
				t.Errorf("moved: %+v", err)
			}
			for _, d := range got {
				o := open[d.Conflict.Number]
				if d.Decision.BaseHash != o.BaseHash || d.Decision.GitHash != o.GitHash || d.Decision.NetBoxHash != o.NetBoxHash || d.Decision.Path != o.Path {
					t.Errorf("a decision is not bound to its conflict: %+v", d)
				}
			}
		})
	}
}
