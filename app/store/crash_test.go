package store

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/riverqueue/river"
	"go.uber.org/goleak"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/handlers"
)

// childVariable makes the test binary a process that writes to the named database until it is killed.
const childVariable = "STORE_TEST_CHILD_DATABASE"

func TestMain(m *testing.M) {
	if path := os.Getenv(childVariable); path != "" {
		if err := child(path); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Println("goroutines are left:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// child says on stdout what the store has confirmed, one line each, for ever.
func child(path string) error {
	ctx := context.Background()
	s, err := Open(ctx, Options{Database: path})
	if err != nil {
		return err
	}
	results, err := s.SetFabrics(ctx, 7, []Fabric{fabricNo(1)}, nil)
	if err != nil {
		return err
	}
	l := s.Ledger(results[0].ID)
	st, err := l.Load(ctx)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		id := strconv.Itoa(i)
		if _, err := s.Put(ctx, delivery(id)); err != nil {
			return err
		}
		fmt.Println("put " + id)
		if err := l.Save(ctx, &gitops.Update{Epoch: st.Epoch, Head: &id, PutIntents: []*gitops.Intent{{ID: "op/" + id}},
			PutResources: manyResources(20)}); err != nil {
			return err
		}
		fmt.Println("saved " + id)
		if i%5 == 0 {
			claimed, err := s.ClaimDeliveries(ctx, 1)
			if err != nil {
				return err
			}
			fmt.Println("claimed " + claimed[0].GUID)
		}
	}
}

// TestKillLosesNothing kills a process in the middle of its writes and looks for everything it had confirmed.
func TestKillLosesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	for _, lines := range []int{1, 40, 97} { // each time the same database is taken over
		cmd := osexec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childVariable+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		seen := map[string][]string{}
		read := bufio.NewScanner(out)
		for n := 0; read.Scan(); n++ {
			what, id, _ := strings.Cut(read.Text(), " ")
			seen[what] = append(seen[what], id)
			if n == lines {
				if _, err := Open(t.Context(), Options{Database: path}); !errors.Is(err, ErrInUse) {
					t.Errorf("a second process got the database: %v", err)
				}
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil || len(seen["error:"]) > 0 {
			t.Fatalf("the child ended by itself: %v %v", err, seen["error:"])
		}
		s, err := Open(t.Context(), Options{Database: path, Now: nil})
		if err != nil {
			t.Fatalf("after the kill: %v", err)
		}
		for _, id := range seen["put"] {
			if r, err := s.Put(t.Context(), delivery(id)); err != nil || r != handlers.ReceiptPending {
				t.Errorf("confirmed delivery %s: %q, %v", id, r, err)
			}
		}
		if counts, err := s.InboxCounts(t.Context()); err != nil || counts.Running != 0 {
			t.Errorf("deliveries that the dead process had taken are not free: %+v, %v", counts, err)
		}
		fabrics, err := s.Fabrics(t.Context())
		if err != nil || len(fabrics) != 1 {
			t.Fatalf("%+v, %v", fabrics, err)
		}
		st := loadState(t, s.Ledger(fabrics[0].ID))
		for _, id := range seen["saved"] {
			if st.Intents["op/"+id] == nil {
				t.Errorf("confirmed intent %s is lost", id)
			}
		}
		if n := len(seen["saved"]); n > 0 {
			// At most one save more than was said: the one whose confirmation the kill cut off.
			last, _ := strconv.Atoi(seen["saved"][n-1])
			if got, err := strconv.Atoi(st.Head); err != nil || got < last || got > last+1 || len(st.Resources) != 20 {
				t.Errorf("head %q and %d resources after save %d", st.Head, len(st.Resources), last)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

type noopArgs struct {
	Fabric int64 `json:"fabric" river:"unique"`
}

func (noopArgs) Kind() string { return "noop" }

// TestJobAndTriggerAreOneTransaction: the queue's rows share the store's transactions.
func TestJobAndTriggerAreOneTransaction(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	fabric := addFabrics(t, s, 1)[0]
	client, err := river.NewClient(s.RiverDriver(), &river.Config{})
	if err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	for _, end := range []error{boom, nil} {
		err := s.Tx(t.Context(), "trigger", func(tx *sql.Tx) error {
			if _, err := s.RequestSync(t.Context(), tx, SyncRequest{Fabric: fabric}); err != nil {
				return err
			}
			if _, err := client.InsertTx(t.Context(), tx, noopArgs{Fabric: fabric}, nil); err != nil {
				return err
			}
			return end
		})
		if !errors.Is(err, end) {
			t.Fatal(err)
		}
		want := int64(0)
		if end == nil {
			want = 1
		}
		p, err := s.PendingSync(t.Context(), fabric)
		jobs, err2 := one(t.Context(), s.read, column[int64], `SELECT count(*) FROM river_job`)
		if err != nil || err2 != nil || p.Requested != want || jobs != want {
			t.Errorf("generation %d, %d jobs, %v, %v; want %d", p.Requested, jobs, err, err2, want)
		}
	}
}
