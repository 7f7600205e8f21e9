package store

import (
	"database/sql"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/manifests"
)

func setFabrics(t *testing.T, s *Store, repository int64, keep []int64, want ...Fabric) []SetResult {
	t.Helper()
	for i := range want {
		want[i].RepositoryID = repository
	}
	results, err := s.SetFabrics(t.Context(), repository, want, keep)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// changed is fabric 1 with one part of its pairing changed.
func changed(change func(*Fabric)) Fabric {
	f := fabricNo(1)
	change(&f)
	return f
}

func TestFabricRoundTrip(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	f := fabricNo(1)
	f.Policy.Rules = []gitops.Rule{{Kinds: []string{"VPC"}, Direction: gitops.Disabled, Enforce: true}}
	f.Policy.Paused, f.Policy.Line = true, 7
	id := setFabrics(t, s, 7, nil, f)[0].ID
	got, err := s.Fabric(t.Context(), id)
	f.ID, f.Active, f.CreatedAt, f.UpdatedAt = id, true, testTime, testTime
	if err != nil || !reflect.DeepEqual(got, f) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, f)
	}
	if _, err := s.Fabric(t.Context(), 99); !errors.Is(err, ErrNotFound) {
		t.Errorf("fabric 99: %v", err)
	}
	for name, list := range map[string]func() ([]Fabric, error){
		"of repository": func() ([]Fabric, error) { return s.FabricsOfRepository(t.Context(), 7) },
		"of connection": func() ([]Fabric, error) { return s.FabricsOfConnection(t.Context(), "default") },
		"by NetBox":     func() ([]Fabric, error) { return s.FabricByNetBox(t.Context(), "", 1) },
		"by both":       func() ([]Fabric, error) { return s.FabricByNetBox(t.Context(), "default", 1) },
		"all":           func() ([]Fabric, error) { return s.Fabrics(t.Context()) },
	} {
		if got, err := list(); err != nil || len(got) != 1 || got[0].ID != id {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if got, err := s.FabricByNetBox(t.Context(), "lab", 1); err != nil || len(got) != 0 {
		t.Errorf("another connection: %+v, %v", got, err)
	}
}

// TestPairingIdentity: any part of the pairing changes → a new one without a base, nothing deleted; what is not part
// of it changes nothing.
func TestPairingIdentity(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*Fabric)
		new    bool
	}{
		"nothing":        {func(*Fabric) {}, false},
		"policy":         {func(f *Fabric) { f.Policy.Mode = gitops.ModeObserve }, false},
		"slug":           {func(f *Fabric) { f.Policy.Slug = "other" }, false},
		"renamed":        {func(f *Fabric) { f.Owner, f.Repository = "new", "name" }, false},
		"reinstalled":    {func(f *Fabric) { f.InstallationID = 4 }, false},
		"connection":     {func(f *Fabric) { f.Connection = "lab" }, true},
		"NetBox fabric":  {func(f *Fabric) { f.NetBoxID = 9 }, true},
		"made again":     {func(f *Fabric) { f.NetBoxCreated = "2026-01-01T00:00:00Z" }, true},
		"branch":         {func(f *Fabric) { f.Branch = "lab" }, true},
		"directory":      {func(f *Fabric) { f.Directory = "elsewhere" }, true},
		"everything new": {func(f *Fabric) { f.NetBoxID, f.Directory = 9, "elsewhere" }, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openTest(t, Options{})
			old := setFabrics(t, s, 7, nil, fabricNo(1))[0].ID
			l := s.Ledger(old)
			save(t, l, &gitops.Update{Epoch: loadState(t, l).Epoch, PutResources: []*gitops.Resource{{Key: gitops.Key{Kind: "VPC", Name: "a"}}}})
			want := changed(tt.change)
			result := setFabrics(t, s, 7, nil, want)[0]
			if result.Refused != nil || result.New != tt.new || (result.ID == old) == tt.new {
				t.Fatalf("%+v", result)
			}
			got, err := s.Fabric(t.Context(), result.ID)
			if err != nil || got.Pairing != want.Pairing || !got.Active || !reflect.DeepEqual(got.Policy, want.Policy) || got.Owner != want.Owner || got.InstallationID != want.InstallationID {
				t.Errorf("%+v, %v", got, err)
			}
			if n := len(loadState(t, s.Ledger(result.ID)).Resources); (n == 0) != tt.new {
				t.Errorf("the pairing's base holds %d resources", n)
			}
			if n := len(loadState(t, l).Resources); n != 1 {
				t.Errorf("the old base holds %d resources", n)
			}
			list, err := s.Fabrics(t.Context())
			if err != nil || len(list) != 1 || list[0].ID != result.ID {
				t.Errorf("active: %+v, %v", list, err)
			}
		})
	}
}

func TestRemovedAndBack(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	id := setFabrics(t, s, 7, nil, fabricNo(1))[0].ID
	setFabrics(t, s, 7, nil)
	if f, err := s.Fabric(t.Context(), id); err != nil || f.Active {
		t.Errorf("%+v, %v", f, err)
	}
	if r := setFabrics(t, s, 7, nil, fabricNo(1))[0]; r.New || r.ID != id {
		t.Errorf("nothing else was paired meanwhile, so the base is still good: %+v", r)
	}
	moved := setFabrics(t, s, 7, nil, changed(func(f *Fabric) { f.Directory = "elsewhere" }))[0]
	if !moved.New {
		t.Errorf("%+v", moved)
	}
	if r := setFabrics(t, s, 7, nil, fabricNo(1))[0]; !r.New || r.ID == id {
		t.Errorf("the fabric was paired elsewhere meanwhile, so the old base is history: %+v", r)
	}
}

func TestOneFabricOnePairing(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	first := setFabrics(t, s, 7, nil, fabricNo(1))[0]
	r := setFabrics(t, s, 8, nil, changed(func(f *Fabric) { f.Directory = "theirs" }), fabricNo(2))
	if r[0].Refused == nil || r[0].Refused.ID != first.ID || r[0].ID != 0 || !r[1].New {
		t.Errorf("another repository wants the same NetBox fabric: %+v", r)
	}
	// In one configuration the earlier entry has it.
	r = setFabrics(t, s, 7, nil, fabricNo(1), changed(func(f *Fabric) { f.Directory = "second" }), changed(func(f *Fabric) { f.NetBoxID = 3 }), fabricNo(1))
	if r[0].ID != first.ID || r[1].Refused == nil || r[2].Refused == nil || r[3].Refused == nil {
		t.Errorf("%+v", r)
	}
	// Once the first repository lets go, the other may have it.
	setFabrics(t, s, 7, nil)
	if r := setFabrics(t, s, 8, nil, changed(func(f *Fabric) { f.Directory = "theirs" })); !r[0].New {
		t.Errorf("%+v", r)
	}
	if _, err := s.SetFabrics(t.Context(), 7, []Fabric{changed(func(f *Fabric) { f.RepositoryID = 8 })}, nil); err == nil {
		t.Error("a fabric of another repository was taken")
	}
}

func TestKeptAndSwapped(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	r := setFabrics(t, s, 7, nil, fabricNo(1), fabricNo(2))
	setFabrics(t, s, 7, []int64{r[1].ID}, fabricNo(1)) // NetBox did not answer for the second
	if list, err := s.Fabrics(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	a, b := fabricNo(1), fabricNo(2)
	a.Directory, b.Directory = b.Directory, a.Directory
	if r := setFabrics(t, s, 7, nil, a, b); !r[0].New || !r[1].New {
		t.Errorf("two fabrics swap their directories: %+v", r)
	}
}

func TestInstallationsAndRepositories(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.SetInstallations(ctx, []Installation{{ID: 3, Account: "acme", RepositorySelection: "all"}, {ID: 4, Account: "alice", RepositorySelection: "selected", Suspended: true}}))
	must(s.SetRepositories(ctx, 3, []Repository{{ID: 7, Owner: "acme", Name: "net", DefaultBranch: "main", Private: true}, {ID: 8, Owner: "acme", Name: "old", DefaultBranch: "trunk", Archived: true}}))
	must(s.SetRepositories(ctx, 4, []Repository{{ID: 9, Owner: "alice", Name: "net"}}))
	found := []manifests.Diagnostic{{File: ".github/hnp-sync.yaml", StartLine: 3, Code: "config-key", Message: "unknown key"}}
	must(s.SetRepositoryConfig(ctx, 7, "blob", found))
	if err := s.SetRepositoryConfig(ctx, 70, "blob", nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("an unknown repository: %v", err)
	}
	// Renamed, and the old one is gone.
	must(s.SetRepositories(ctx, 3, []Repository{{ID: 7, Owner: "acme", Name: "network", DefaultBranch: "main"}}))
	got, err := s.Repository(ctx, 7)
	want := Repository{ID: 7, InstallationID: 3, Owner: "acme", Name: "network", DefaultBranch: "main", Present: true, ConfigBlob: "blob", Diagnostics: found, UpdatedAt: testTime}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := s.Repository(ctx, 8); err != nil || got.Present {
		t.Errorf("got %+v, %v", got, err)
	}
	must(s.SetInstallations(ctx, []Installation{{ID: 3, Account: "acme2"}}))
	list, err := s.Installations(ctx)
	if err != nil || !reflect.DeepEqual(list, []Installation{{ID: 3, Account: "acme2", UpdatedAt: testTime}}) {
		t.Errorf("installations %+v, %v", list, err)
	}
	repos, err := s.Repositories(ctx)
	if err != nil || len(repos) != 1 || repos[0].ID != 7 {
		t.Errorf("repositories %+v, %v", repos, err)
	}
}

func TestApproveExactlyWhatWaits(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	fabric := addFabrics(t, s, 1)[0]
	approve := func(hash string) (a *gitops.Approval, err error) {
		err = s.Tx(t.Context(), "approve", func(tx *sql.Tx) error {
			a, err = s.Approve(t.Context(), tx, fabric, hash, "alice")
			return err
		})
		return a, err
	}
	if _, err := approve("h"); !errors.Is(err, ErrNotWaiting) {
		t.Errorf("before any cycle: %v", err)
	}
	l := s.Ledger(fabric)
	st := loadState(t, l)
	save(t, l, &gitops.Update{Epoch: st.Epoch, Waiting: &gitops.Waiting{Hash: "h", Actions: []gitops.WaitingAction{{Fingerprint: "f1"}, {Fingerprint: "f2"}}},
		Pause: &gitops.Pause{Code: gitops.PauseRestore, Hash: "p"}})
	for _, hash := range []string{"", "x"} {
		if _, err := approve(hash); !errors.Is(err, ErrNotWaiting) {
			t.Errorf("hash %q: %v", hash, err)
		}
	}
	a, err := approve("h")
	want := &gitops.Approval{Hash: "h", Fingerprints: []string{"f1", "f2"}, By: "alice", At: testTime}
	if err != nil || !reflect.DeepEqual(a, want) {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := approve("p"); err != nil {
		t.Error(err)
	}
	st = loadState(t, l)
	if !reflect.DeepEqual(st.Approvals["h"], want) || len(st.Approvals) != 2 {
		t.Errorf("approvals %+v", st.Approvals)
	}
	d := &gitops.Decision{ID: "d1", Path: "spec", Choice: "git", By: "bob", At: testTime}
	if err := s.Tx(t.Context(), "decide", func(tx *sql.Tx) error { return s.PutDecision(t.Context(), tx, fabric, d) }); err != nil {
		t.Fatal(err)
	}
	if got := loadState(t, l).Decisions["d1"]; !reflect.DeepEqual(got, d) {
		t.Errorf("decision %+v", got)
	}
}

func TestConflictsStayAsHistory(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	fabric := addFabrics(t, s, 1)[0]
	l := s.Ledger(fabric)
	epoch := loadState(t, l).Epoch
	c := &gitops.Conflict{Number: 12, Code: gitops.BothExist, Path: "spec.a", Git: "x", DetectedAt: testTime}
	save(t, l, &gitops.Update{Epoch: epoch, PutConflicts: []*gitops.Conflict{c}})
	if list, err := s.OpenConflicts(t.Context(), fabric); err != nil || len(list) != 1 || !reflect.DeepEqual(list[0], *c) {
		t.Errorf("%+v, %v", list, err)
	}
	closed := *c
	closed.Closed, closed.Resolution, closed.MovedTo = testTime, "moved", 13
	save(t, l, &gitops.Update{Epoch: epoch, PutConflicts: []*gitops.Conflict{&closed}})
	if list, err := s.OpenConflicts(t.Context(), fabric); err != nil || len(list) != 0 {
		t.Errorf("open: %+v, %v", list, err)
	}
	if list, err := s.ClosedConflicts(t.Context(), fabric, 10); err != nil || len(list) != 1 || !reflect.DeepEqual(list[0], closed) {
		t.Errorf("closed: %+v, %v", list, err)
	}
	if got, err := s.ConflictByNumber(t.Context(), fabric, 12); err != nil || got.MovedTo != 13 || got.ID != c.ID {
		t.Errorf("C12: %+v, %v", got, err)
	}
	if in, got, err := s.Conflict(t.Context(), c.ID); err != nil || in != fabric || got.Number != 12 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := s.ConflictByNumber(t.Context(), fabric, 13); !errors.Is(err, ErrNotFound) {
		t.Errorf("C13: %v", err)
	}
}

func TestOperations(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	ids := addFabrics(t, s, 2)
	put := func(fabric int64, op *gitops.Operation) error {
		return s.Tx(t.Context(), "op", func(tx *sql.Tx) error { return s.PutOperation(t.Context(), tx, fabric, op) })
	}
	old := &gitops.Operation{ID: "sync_1", Status: "pending", StartedAt: testTime.Add(-2 * ChangesKept),
		Changes: []gitops.OperationChange{{Side: gitops.SideGit, Op: gitops.OpUpdate, Resource: "vpc/a", Change: gitops.PathChange{Path: "spec.a", From: "1", ToNone: true}}}}
	for _, op := range []*gitops.Operation{old, {ID: "sync_2", StartedAt: testTime, Changes: old.Changes}, {ID: "sync_3", StartedAt: testTime.Add(time.Second)}} {
		if err := put(ids[0], op); err != nil {
			t.Fatal(err)
		}
	}
	if err := put(ids[1], old); err == nil {
		t.Error("an operation moved to another fabric")
	}
	list, err := s.Operations(t.Context(), ids[0], 2)
	if err != nil || len(list) != 2 || list[0].ID != "sync_3" || list[1].ID != "sync_2" {
		t.Errorf("%+v, %v", list, err)
	}
	if n, err := s.PruneChanges(t.Context(), testTime.Add(-ChangesKept)); err != nil || n != 1 {
		t.Errorf("pruned %d, %v", n, err)
	}
	got, err := s.Operation(t.Context(), "sync_1")
	if err != nil || len(got.Changes) != 0 || got.Status != "pending" {
		t.Errorf("the operation stays, its values go: %+v, %v", got, err)
	}
	if got, err := s.Operation(t.Context(), "sync_2"); err != nil || !reflect.DeepEqual(got.Changes, old.Changes) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := s.Operation(t.Context(), "sync_9"); !errors.Is(err, ErrNotFound) {
		t.Errorf("sync_9: %v", err)
	}
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	ids := addFabrics(t, s, 2)
	if _, err := s.Status(t.Context(), ids[0]); !errors.Is(err, ErrNotFound) {
		t.Errorf("before the first cycle: %v", err)
	}
	st := gitops.Status{State: "error", Message: "NetBox does not answer", Waiting: []gitops.WaitingAction{{Action: "pause", Key: gitops.Key{Kind: "VPC"}}}}
	for _, id := range ids {
		if err := s.PutStatus(t.Context(), id, st); err != nil {
			t.Fatal(err)
		}
	}
	setFabrics(t, s, 7, nil, fabricNo(2))
	all, err := s.Statuses(t.Context())
	if want := map[int64]FabricStatus{ids[1]: {Fabric: ids[1], Status: st, UpdatedAt: testTime}}; err != nil || !reflect.DeepEqual(all, want) {
		t.Errorf("%+v, %v", all, err)
	}
}
