package store

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"
)

// What is remembered of GitHub survives, replaces itself under its key, and is forgotten when it is old.
func TestGitHubRecords(t *testing.T) {
	s := openTest(t, Options{})
	ctx := t.Context()
	if _, found, err := s.CheckRun(ctx, 1, "aa", "n"); found || err != nil {
		t.Fatalf("nothing yet: %v %v", found, err)
	}
	run := CheckRun{RepositoryID: 1, Head: "aa", Name: "n", ExternalID: "x", OutputHash: "h", Sent: 50}
	for _, id := range []int64{0, 77} {
		run.RunID = id
		if err := s.PutCheckRun(ctx, run); err != nil {
			t.Fatal(err)
		}
	}
	got, found, err := s.CheckRunByID(ctx, 1, 77)
	run.UpdatedAt = got.UpdatedAt
	if err != nil || !found || got != run {
		t.Errorf("got %+v %v %v", got, found, err)
	}
	if _, found, _ := s.CheckRunByID(ctx, 2, 77); found {
		t.Error("a run was found in another repository")
	}
	for n, base := range map[int]string{4: "main", 5: "other"} {
		if err := s.PutPullRequest(ctx, PullRequest{RepositoryID: 1, Number: n, Head: "aa", Base: base, Open: true, Fabrics: []int64{3}, Problem: "p"}); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := s.OpenPullRequests(ctx, 1, "main"); err != nil || len(list) != 1 || list[0].Number != 4 || list[0].Fabrics[0] != 3 {
		t.Errorf("open into main: %+v %v", list, err)
	}
	if list, err := s.WaitingPullRequests(ctx); err != nil || len(list) != 2 {
		t.Errorf("waiting: %+v %v", list, err)
	}
	for want := range 2 {
		if first, err := s.Redelivered(ctx, "guid"); err != nil || first != (want == 0) {
			t.Errorf("redelivery %d: first %v, %v", want, first, err)
		}
	}
	if err := s.PruneGitHub(ctx, s.now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, found, _ := s.CheckRun(ctx, 1, "aa", "n"); found {
		t.Error("the check run is still there")
	}
	if list, _ := s.OpenPullRequests(ctx, 1, ""); len(list) != 2 {
		t.Errorf("open pull requests were forgotten: %+v", list)
	}
}

// A command and its audit row are there together or not at all.
func TestCommandAndAuditAreOneTransaction(t *testing.T) {
	s := openTest(t, Options{})
	ctx := t.Context()
	failed := errors.New("failed")
	do := func(cause error) error {
		return s.Tx(ctx, "command", func(tx *sql.Tx) error {
			if err := s.FinishCommand(ctx, tx, 1, 9, 0, "done"); err != nil {
				return err
			}
			if err := s.PutAudit(ctx, tx, Audit{Fabric: 3, RepositoryID: 1, Login: "alice", Action: "resolve", Origin: "comment", Details: map[string]any{"choice": "git"}}); err != nil {
				return err
			}
			return cause
		})
	}
	check := func(want bool) {
		t.Helper()
		answer, done, err := s.CommandDone(context.WithoutCancel(ctx), 1, 9, 0)
		rows, auditErr := s.Audits(ctx, 3, 10)
		if err != nil || auditErr != nil || done != want || (len(rows) == 1) != want || want && (answer != "done" || rows[0].Login != "alice" || rows[0].Details["choice"] != "git") {
			t.Errorf("want %v: %q %v %+v %v %v", want, answer, done, rows, err, auditErr)
		}
	}
	if err := do(failed); !errors.Is(err, failed) {
		t.Fatal(err)
	}
	check(false)
	if err := do(nil); err != nil {
		t.Fatal(err)
	}
	check(true)
}
