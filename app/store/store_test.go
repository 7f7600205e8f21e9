package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
)

var testTime = time.Date(2026, 3, 4, 5, 6, 7, 891234000, time.UTC)

// openTest opens a new database whose clock stands still at testTime, unless opts says otherwise.
func openTest(t testing.TB, opts Options) *Store {
	t.Helper()
	if opts.Database == "" {
		opts.Database = "sqlite:" + filepath.Join(t.TempDir(), "state.db")
	}
	if opts.Now == nil {
		opts.Now = func() time.Time { return testTime }
	}
	s, err := Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// fabricNo is a pairing for tests: fabric n of NetBox "default" in repository 7.
func fabricNo(n int64) Fabric {
	policy := gitops.DefaultFabric()
	policy.Name, policy.Slug, policy.Directory = "fabric", "fabric", "gitops/fabric-"+string(rune('0'+n))
	return Fabric{
		Pairing: Pairing{Connection: "default", NetBoxID: n, NetBoxCreated: "2025-07-01T00:00:00Z", RepositoryID: 7, Branch: "main",
			Directory: policy.Directory},
		InstallationID: 3, Owner: "acme", Repository: "net", Policy: policy, ConfigBlob: "b1",
	}
}

// addFabrics pairs fabrics 1 to n and returns their ids.
func addFabrics(t testing.TB, s *Store, n int64) []int64 {
	t.Helper()
	var want []Fabric
	for i := range n {
		want = append(want, fabricNo(i+1))
	}
	results, err := s.SetFabrics(t.Context(), 7, want, nil)
	if err != nil {
		t.Fatal(err)
	}
	var ids []int64
	for _, r := range results {
		if r.Refused != nil || !r.New {
			t.Fatalf("fabric not set: %+v", r)
		}
		ids = append(ids, r.ID)
	}
	return ids
}

func TestOpenTwiceMigratesOnceAndKeepsRows(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a b?#.db") // characters that mean something in a URI
	s, err := Open(t.Context(), Options{Database: "sqlite:" + path})
	if err != nil {
		t.Fatal(err)
	}
	addFabrics(t, s, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the database is not where it was asked for: %v", err)
	}
	s = openTest(t, Options{Database: path})
	list, err := s.Fabrics(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("fabrics after reopening: %v, %v", list, err)
	}
	for _, table := range []string{"river_job", "river_leader", "goose_db_version"} {
		if _, err := s.db.ExecContext(t.Context(), "SELECT count(*) FROM "+table); err != nil {
			t.Errorf("table %s: %v", table, err)
		}
	}
	var mode string
	var sync, foreign int
	for q, dest := range map[string]any{"PRAGMA journal_mode": &mode, "PRAGMA synchronous": &sync, "PRAGMA foreign_keys": &foreign} {
		if err := s.db.QueryRowContext(t.Context(), q).Scan(dest); err != nil {
			t.Fatal(err)
		}
	}
	if mode != "wal" || sync != 2 || foreign != 1 {
		t.Errorf("journal_mode=%s synchronous=%d foreign_keys=%d", mode, sync, foreign)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the file: %v, %v", info.Mode(), err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	held := filepath.Join(dir, "held.db")
	openTest(t, Options{Database: held})
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("this is no database\n", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		database string
		is       error
		says     string
	}{
		"in use":         {held, ErrInUse, "process"},
		"garbage":        {garbage, ErrDamaged, "restore it from a backup"},
		"missing folder": {filepath.Join(dir, "no", "state.db"), nil, "does not exist"},
		"postgres":       {"postgres://user:geheim@db/x", nil, "only sqlite:PATH"},
		"empty":          {"sqlite:", nil, "no path"},
		"a folder":       {dir, nil, "is a directory"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Open(context.Background(), Options{Database: tt.database})
			if err == nil || (tt.is != nil && !errors.Is(err, tt.is)) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "geheim") {
				t.Error("the error holds the password")
			}
		})
	}
}

func TestDamagedPageAndNewerVersionAreSaid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	make1 := func(name string, change func(*Store)) string {
		path := filepath.Join(dir, name)
		s, err := Open(t.Context(), Options{Database: path})
		if err != nil {
			t.Fatal(err)
		}
		change(s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	damaged := make1("damaged.db", func(*Store) {})
	b, err := os.ReadFile(damaged)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096; i < len(b); i++ { // every page but the first
		b[i] ^= 0x5a
	}
	if err := os.WriteFile(damaged, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Database: damaged}); !errors.Is(err, ErrDamaged) {
		t.Errorf("damaged pages: %v", err)
	}
	newer := make1("newer.db", func(s *Store) {
		if _, err := s.db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)`); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := Open(t.Context(), Options{Database: newer}); err == nil || !strings.Contains(err.Error(), "use the newer program") {
		t.Errorf("newer version: %v", err)
	}
}

func TestTxFaults(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	var at Stage
	s := openTest(t, Options{Fault: func(tx string, stage Stage) error {
		if tx == "test" && stage == at {
			return boom
		}
		return nil
	}})
	fabric := addFabrics(t, s, 1)[0]
	request := func() error {
		return s.Tx(t.Context(), "test", func(tx *sql.Tx) error {
			_, err := s.RequestSync(t.Context(), tx, SyncRequest{Fabric: fabric})
			return err
		})
	}
	for i, tt := range []struct {
		at   Stage
		want int64
	}{{StageBegin, 0}, {StageCommit, 0}, {StageCommitted, 1}} {
		at = tt.at
		if err := request(); !errors.Is(err, boom) {
			t.Errorf("%d: %v", i, err)
		}
		p, err := s.PendingSync(t.Context(), fabric)
		if err != nil || p.Requested != tt.want {
			t.Errorf("after a failure at %s: generation %d, %v", tt.at, p.Requested, err)
		}
	}
	func() {
		defer func() { _ = recover() }()
		_ = s.Tx(t.Context(), "panic", func(tx *sql.Tx) error {
			_, _ = s.RequestSync(t.Context(), tx, SyncRequest{Fabric: fabric})
			panic("in a transaction")
		})
	}()
	if p, err := s.PendingSync(t.Context(), fabric); err != nil || p.Requested != 1 {
		t.Errorf("a panic must roll back and free the connection: %+v, %v", p, err)
	}
}
