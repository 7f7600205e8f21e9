package store

import (
	"database/sql"
	"reflect"
	"sync"
	"testing"
)

func request(t testing.TB, s *Store, r SyncRequest) int64 {
	t.Helper()
	var gen int64
	if err := s.Tx(t.Context(), "request", func(tx *sql.Tx) (err error) {
		gen, err = s.RequestSync(t.Context(), tx, r)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return gen
}

func finishSync(t *testing.T, s *Store, fabric, generation int64) int64 {
	t.Helper()
	var requested int64
	if err := s.Tx(t.Context(), "finish", func(tx *sql.Tx) (err error) {
		requested, err = s.FinishSync(t.Context(), tx, fabric, generation)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return requested
}

func behind(t *testing.T, s *Store, want ...int64) {
	t.Helper()
	if got, err := s.FabricsBehind(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("behind: %v, %v; want %v", got, err, want)
	}
}

func TestGenerations(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	ids := addFabrics(t, s, 2)
	fabric := ids[0]
	behind(t, s)
	if p, err := s.PendingSync(t.Context(), fabric); err != nil || p.Requested != 0 || p.Done != 0 {
		t.Errorf("before any request: %+v, %v", p, err)
	}
	request(t, s, SyncRequest{Fabric: fabric, Source: "github"})
	request(t, s, SyncRequest{Fabric: fabric, Source: "api", Login: "alice", Operation: "op1"})
	request(t, s, SyncRequest{Fabric: fabric, Source: "api", Login: "bob", Operation: "op2", Full: true})
	behind(t, s, fabric)
	p, err := s.PendingSync(t.Context(), fabric)
	if err != nil || p.Requested != 3 || len(p.Requests) != 2 {
		t.Fatalf("%+v, %v", p, err)
	}
	if r := p.Request(); r.Operation != "op1" || r.Login != "alice" || r.Source != "api" || !r.Full || r.Ingest || r.Init {
		t.Errorf("request %+v", r)
	}
	if ops := p.Operations(); !reflect.DeepEqual(ops, []string{"op1", "op2"}) {
		t.Errorf("operations %v", ops)
	}
	if gen := request(t, s, SyncRequest{Fabric: fabric, Source: "timer", Init: true, Ingest: true}); gen != 4 { // while it runs
		t.Errorf("generation %d", gen)
	}
	if requested := finishSync(t, s, fabric, p.Requested); requested != 4 {
		t.Errorf("requested %d: another cycle is due", requested)
	}
	behind(t, s, fabric)
	p, err = s.PendingSync(t.Context(), fabric)
	if err != nil || p.Done != 3 || p.Source != "timer" {
		t.Errorf("%+v, %v", p, err)
	}
	if r := p.Request(); r.Operation != "" || !r.Init || !r.Ingest || r.Full {
		t.Errorf("request %+v", r)
	}
	if requested := finishSync(t, s, fabric, 4); requested != 4 {
		t.Errorf("requested %d", requested)
	}
	finishSync(t, s, fabric, 2) // a late worker takes nothing back
	if p, err := s.PendingSync(t.Context(), fabric); err != nil || p.Done != 4 || len(p.Requests) != 0 {
		t.Errorf("%+v, %v", p, err)
	}
	behind(t, s)
	request(t, s, SyncRequest{Fabric: ids[1]})
	if _, err := s.SetFabrics(t.Context(), 7, []Fabric{fabricNo(1)}, nil); err != nil {
		t.Fatal(err)
	}
	behind(t, s) // an inactive fabric is not worked on
}

func TestNoRequestIsLost(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	fabric := addFabrics(t, s, 1)[0]
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				request(t, s, SyncRequest{Fabric: fabric, Kinds: []string{"VPC"}})
			}
		})
	}
	wg.Wait()
	p, err := s.PendingSync(t.Context(), fabric)
	if err != nil || p.Requested != 80 {
		t.Errorf("%+v, %v", p, err)
	}
	if scope := loadState(t, s.Ledger(fabric)).Scope["VPC"]; scope != 80 {
		t.Errorf("scope %d", scope)
	}
}
