package store

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/handlers"
)

func delivery(guid string) handlers.Delivery {
	return handlers.Delivery{Source: "github", Target: "1234", GUID: guid, BodyHash: "h-" + guid, Event: "push", Action: "a", ReceivedAt: testTime,
		InstallationID: 3, RepositoryID: 7, Repository: "acme/net", Ref: "refs/heads/main", After: "0af1", Sender: "alice",
		ObjectType: "t", ObjectID: 5, LastUpdated: "2026-01-01T00:00:00.000001+00:00", RequestID: "r", User: "bob"}
}

func put(t *testing.T, s *Store, d handlers.Delivery, want handlers.Receipt) {
	t.Helper()
	if got, err := s.Put(t.Context(), d); err != nil || got != want {
		t.Fatalf("put %s: %q, %v; want %q", d.GUID, got, err, want)
	}
}

func finish(t *testing.T, s *Store, id int64) {
	t.Helper()
	if err := s.Tx(t.Context(), "finish", func(tx *sql.Tx) error { return s.FinishDelivery(t.Context(), tx, id) }); err != nil {
		t.Fatal(err)
	}
}

func claim(t *testing.T, s *Store, want int) []Claimed {
	t.Helper()
	list, err := s.ClaimDeliveries(t.Context(), 100)
	if err != nil || len(list) != want {
		t.Fatalf("claimed %d, %v; want %d", len(list), err, want)
	}
	return list
}

func TestReceipts(t *testing.T) {
	t.Parallel()
	now := testTime
	s := openTest(t, Options{Now: func() time.Time { return now }})
	d := delivery("g1")
	put(t, s, d, handlers.ReceiptStored)
	select {
	case <-s.DeliveriesWaiting():
	default:
		t.Error("nobody was told of the delivery")
	}
	put(t, s, d, handlers.ReceiptPending)
	c := claim(t, s, 1)[0]
	if !reflect.DeepEqual(c.Delivery, d) || c.Attempt != 1 {
		t.Errorf("claimed %+v, want %+v", c, d)
	}
	claim(t, s, 0)
	put(t, s, d, handlers.ReceiptPending)
	if err := s.FailDelivery(t.Context(), c.ID, "GitHub answered 500", now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	put(t, s, d, handlers.ReceiptPending)
	claim(t, s, 0)
	counts, err := s.InboxCounts(t.Context())
	if err != nil || counts.Waiting != 1 || !counts.NextDue.Equal(now.Add(time.Minute)) || !counts.Oldest.Equal(testTime) {
		t.Errorf("counts %+v, %v", counts, err)
	}
	now = now.Add(time.Minute)
	if c = claim(t, s, 1)[0]; c.Attempt != 2 {
		t.Errorf("attempt %d, want 2", c.Attempt)
	}
	if err := s.FailDelivery(t.Context(), c.ID, "no use", time.Time{}); err != nil {
		t.Fatal(err)
	}
	claim(t, s, 0)
	put(t, s, d, handlers.ReceiptStored) // sent again after it failed for good
	c = claim(t, s, 1)[0]
	if c.Attempt != 1 {
		t.Errorf("attempt %d after it was sent again, want 1", c.Attempt)
	}
	finish(t, s, c.ID)
	put(t, s, d, handlers.ReceiptFinished)
	claim(t, s, 0)

	other := d
	other.BodyHash = "else"
	put(t, s, other, handlers.ReceiptMismatch)
	other = d
	other.Event = "ping"
	put(t, s, other, handlers.ReceiptMismatch)
	other = d
	other.Target = "other App" // GUIDs are unique per event, not per App
	put(t, s, other, handlers.ReceiptStored)
	other = d
	other.Source = "netbox:default"
	put(t, s, other, handlers.ReceiptStored)

	if err := s.Tx(t.Context(), "finish", func(tx *sql.Tx) error { return s.FinishDelivery(t.Context(), tx, c.ID) }); err == nil {
		t.Error("finished a delivery that does not run")
	}
	now = now.Add(time.Hour)
	if n, err := s.PruneDeliveries(t.Context(), now); n != 1 || err != nil {
		t.Errorf("pruned %d, %v; want the finished one", n, err)
	}
	put(t, s, d, handlers.ReceiptStored)
}

func TestFiftyAtOnceAreStoredOnce(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	s := openTest(t, Options{Fault: func(tx string, at Stage) error {
		if tx == "inbox.put" && at == StageBegin {
			<-gate
		}
		return nil
	}})
	const n = 50
	receipts := make(chan handlers.Receipt, n)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			r, err := s.Put(t.Context(), delivery("same"))
			if err != nil {
				t.Error(err)
			}
			receipts <- r
		})
	}
	close(gate)
	wg.Wait()
	close(receipts)
	count := map[handlers.Receipt]int{}
	for r := range receipts {
		count[r]++
	}
	if count[handlers.ReceiptStored] != 1 || count[handlers.ReceiptPending] != n-1 {
		t.Errorf("receipts %v", count)
	}
	claim(t, s, 1)
}

func TestWaitingDeliveriesShareOneTransaction(t *testing.T) {
	t.Parallel()
	var transactions atomic.Int64
	s := openTest(t, Options{Fault: func(tx string, at Stage) error {
		if tx == "inbox.put" && at == StageBegin {
			transactions.Add(1)
		}
		return nil
	}})
	// An inbox of its own whose requests all wait before the collector starts.
	const n = 300
	in := newInbox(s)
	in.puts = make(chan putRequest, n)
	var answers []chan putAnswer
	for i := range n {
		answer := make(chan putAnswer, 1)
		in.puts <- putRequest{delivery: delivery(strconv.Itoa(i % 280)), answer: answer}
		answers = append(answers, answer)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go in.collect(ctx)
	count := map[handlers.Receipt]int{}
	for _, c := range answers {
		a := <-c
		if a.err != nil {
			t.Fatal(a.err)
		}
		count[a.receipt]++
	}
	cancel()
	<-in.closed
	if transactions.Load() != 2 { // 256 and 44
		t.Errorf("%d transactions for %d waiting deliveries", transactions.Load(), n)
	}
	if count[handlers.ReceiptStored] != 280 || count[handlers.ReceiptPending] != 20 {
		t.Errorf("receipts %v", count)
	}
}

func TestPutAnswersUnavailable(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	fail := true
	s := openTest(t, Options{Fault: func(tx string, at Stage) error {
		if fail && tx == "inbox.put" && at == StageCommit {
			return full
		}
		return nil
	}})
	if _, err := s.Put(t.Context(), delivery("g")); !errors.Is(err, handlers.ErrUnavailable) || !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	fail = false
	put(t, s, delivery("g"), handlers.ReceiptStored)

	closed, err := Open(t.Context(), Options{Database: filepath.Join(t.TempDir(), "c.db")})
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := closed.Put(t.Context(), delivery("g")); !errors.Is(err, handlers.ErrUnavailable) {
		t.Errorf("after Close: %v", err)
	}
}

func TestHostileTextsAreStoredTidy(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	d := delivery("g\x00\xff")
	d.Ref = strings.Repeat("é", maxText)
	put(t, s, d, handlers.ReceiptStored)
	put(t, s, d, handlers.ReceiptPending)
	c := claim(t, s, 1)[0]
	if c.GUID != "g\uFFFD\uFFFD" || len(c.Ref) > maxText+3 {
		t.Errorf("stored %q, %d bytes of ref", c.GUID, len(c.Ref))
	}
}

func TestReopenFreesWhatRan(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := Open(t.Context(), Options{Database: path})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, delivery("g"), handlers.ReceiptStored)
	claim(t, s, 1)
	if _, err := s.db.Exec(`INSERT INTO river_job (kind, state, args, max_attempts, attempt, queue, priority) VALUES ('sync', 'running', '{}', 5, 1, 'default', 1)`); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, Options{Database: path, Now: time.Now})
	if c := claim(t, s, 1)[0]; c.Attempt != 2 {
		t.Errorf("attempt %d", c.Attempt)
	}
	var state string
	if err := s.db.QueryRow(`SELECT state FROM river_job`).Scan(&state); err != nil || state != "available" {
		t.Errorf("job is %q, %v", state, err)
	}
}
