package gitops

import "testing"

// A directory that is gone from the branch, one resource of each kind, deletes nothing before a person agreed.
func TestGoneDirectoryWaits(t *testing.T) {
	t.Parallel()
	key := func(kind string) Key {
		return Key{Group: map[string]string{"VPC": "vpc.githedgehog.com", "Server": "wiring.githedgehog.com"}[kind], Kind: kind, Namespace: "default", Name: "a"}
	}
	for name, c := range map[string]struct {
		tree  string
		waits int
	}{"the directory is gone": {"", 2}, "only the files are": {"0123", 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := NewState()
			p := &planner{in: &Input{State: st, Fabric: &Fabric{Directory: "gitops/a", Guard: GuardPolicy{MaxDelete: 5, MaxChange: 10}},
				Git: &GitView{DirTree: c.tree}, NetBox: ViewNetBox(nil)}, plan: &Plan{used: map[string]bool{}, approved: map[string]bool{}}}
			for _, kind := range []string{"VPC", "Server"} {
				st.Resources[key(kind)] = &Resource{Key: key(kind), Exists: true}
				p.plan.Actions = append(p.plan.Actions, Action{Side: SideNetBox, Op: OpDelete, Key: key(kind), fingerprint: kind})
			}
			p.guard()
			if n := len(p.plan.Waiting.Actions); n != c.waits || len(p.plan.Actions) != 2-c.waits {
				t.Errorf("%d wait, %d go on", n, len(p.plan.Actions))
			}
		})
	}
}
