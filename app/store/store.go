// Package store is the database of the running program: what is remembered about each pairing of a Git directory
// with a NetBox fabric (the ledger), the inbox of webhooks, the trigger counters, and the records people see.
//
// It guarantees that a transaction that was answered with success is on disk (SQLite in WAL mode with
// synchronous=FULL), that it is there wholly or not at all, and that only one process uses the file (a lock on
// FILE.lock, held while the store is open). A fabric's ledger is written only by the newest holder of its fencing
// epoch. Nothing is deleted when a pairing changes: the old one is kept, the new one starts without a base.
//
// It does not decide anything: it imports the engine's types, never the engine's rules.
//
// Failure model: a crash at any instruction leaves the state of the last committed transaction. A damaged or foreign
// file, a file in use, and a file of a newer version are refused at Open with an error that says what to do. All
// queries are one text for SQLite and PostgreSQL ($1 placeholders, BIGINT unix microseconds, TEXT for JSON); what
// differs is in dialect.go. There is one writing connection: inside a transaction only that transaction may write, a
// second one of the same goroutine would wait for ever. Reads see the last committed state and never wait for a writer.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/hnp-sync/hnp-sync/handlers"
)

// Options of Open.
type Options struct {
	// Database is "sqlite:PATH" or a bare path. The file is created when it is missing, its folder is not.
	Database string
	// Now is the clock of everything the store stamps; nil is time.Now.
	Now func() time.Time
	// Logger is for River's migrations; nil discards. Nothing is ever written to stdout.
	Logger *slog.Logger
	// Fault is called at every stage of every transaction; nil never fails. For tests.
	Fault Fault
}

// Stage is a place in a transaction where a Fault may strike.
type Stage string

const (
	// StageBegin: nothing has been done.
	StageBegin Stage = "begin"
	// StageCommit: all statements ran, nothing is durable; an error rolls back.
	StageCommit Stage = "commit"
	// StageCommitted: everything is durable, the caller has not been told.
	StageCommitted Stage = "committed"
)

// Fault decides whether the transaction of that name fails at a stage. Names are those given to Tx; the store's own
// are "ledger.load", "ledger.save", "inbox.put", "inbox.claim", "fabrics.set" and the like.
type Fault func(tx string, at Stage) error

// Store is one open database. It is safe for concurrent use.
type Store struct {
	db    *sql.DB // the one writer
	read  *sql.DB // snapshots, beside the writer
	path  string
	lock  *fileLock
	now   func() time.Time
	fault Fault

	inbox *inbox
	stop  context.CancelFunc
	done  sync.WaitGroup
}

var _ handlers.Inbox = (*Store)(nil)

// ErrInUse: another process holds the database.
var ErrInUse = errors.New("database is in use by another process")

// ErrDamaged: the file is no SQLite database, or is damaged.
var ErrDamaged = errors.New("database is damaged or no SQLite database")

// ErrNotFound: no row of that id.
var ErrNotFound = errors.New("not found")

// Open locks, opens, checks and migrates the database (the program's own tables and River's), and frees what a crash
// left as running. It is the only place that migrates. The returned store must be closed.
func Open(ctx context.Context, opts Options) (*Store, error) {
	path, err := sqlitePath(opts.Database)
	if err != nil {
		return nil, err
	}
	if dir := filepath.Dir(path); !isDir(dir) {
		return nil, fmt.Errorf("open database %s: folder %s does not exist: create it", path, dir)
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	s := &Store{path: path, lock: lock, now: opts.Now, fault: opts.Fault}
	if s.now == nil {
		s.now = time.Now
	}
	if err := s.open(ctx, opts.Logger); err != nil {
		_ = s.closePools()
		_ = lock.unlock()
		return nil, fmt.Errorf("open database %s: %w", path, explain(err))
	}
	run, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.inbox = newInbox(s)
	s.done.Add(1)
	go func() {
		defer s.done.Done()
		s.inbox.collect(run)
	}()
	return s, nil
}

func (s *Store) open(ctx context.Context, logger *slog.Logger) error {
	// Made here so that it is readable by the owner only; SQLite gives the same mode to its side files.
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if s.db, s.read, err = openSQLite(s.path); err != nil {
		return err
	}
	if err := checkIntegrity(ctx, s.db, s.path); err != nil {
		return err
	}
	if err := migrate(ctx, s.db, logger); err != nil {
		return err
	}
	return s.recover(ctx)
}

// recover frees what a process that died left behind. The file lock proves that nobody else works on it.
func (s *Store) recover(ctx context.Context) error {
	return s.Tx(ctx, "recover", func(tx *sql.Tx) error {
		for _, q := range []string{
			`UPDATE deliveries SET state = 'waiting' WHERE state = 'running'`,
			`UPDATE river_job SET state = 'available' WHERE state = 'running'`,
			`DELETE FROM river_leader`,
		} {
			if _, err := tx.ExecContext(ctx, q); err != nil {
				return fmt.Errorf("free what a crash left as running: %w", err)
			}
		}
		return nil
	})
}

// Close stops the inbox (waiting Puts get handlers.ErrUnavailable), closes the database and frees the lock. Stop the
// HTTP server and River before it.
func (s *Store) Close() error {
	s.stop()
	s.done.Wait()
	return errors.Join(s.closePools(), s.lock.unlock())
}

// closePools closes the readers first, so that the writer's close folds the write-ahead log into the file.
func (s *Store) closePools() error {
	var err error
	for _, pool := range []*sql.DB{s.read, s.db} {
		if pool != nil {
			err = errors.Join(err, pool.Close())
		}
	}
	return err
}

// DB is the writing pool (one connection), for River. Use Tx for everything else.
func (s *Store) DB() *sql.DB { return s.db }

// RiverDriver is the driver that River's client takes.
func (s *Store) RiverDriver() riverdriver.Driver[*sql.Tx] { return riversqlite.New(s.db) }

// Path is the database file.
func (s *Store) Path() string { return s.path }

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.read.QueryRowContext(ctx, `SELECT 1`).Scan(&one); err != nil {
		return fmt.Errorf("ask database: %w", explain(err))
	}
	return nil
}

// Tx runs fn in one transaction: committed when fn returns nil, rolled back otherwise (also on a panic). fn must use
// only tx, and must be short: everything else waits for it. The name appears in errors and is what a Fault sees.
func (s *Store) Tx(ctx context.Context, name string, fn func(tx *sql.Tx) error) error {
	if err := s.strike(name, StageBegin); err != nil {
		return err
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s: begin: %w", name, explain(err))
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if err := fn(tx); err != nil {
		return fmt.Errorf("%s: %w", name, explain(err))
	}
	if err := s.strike(name, StageCommit); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("%s: commit: %w", name, explain(err))
	}
	return s.strike(name, StageCommitted)
}

// snapshot runs fn on one consistent state of the database, beside the writer.
func (s *Store) snapshot(ctx context.Context, what string, fn func(q querier) error) error {
	tx, err := s.read.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s: begin: %w", what, explain(err))
	}
	defer func() { _ = tx.Rollback() }()
	if err := fn(tx); err != nil {
		return fmt.Errorf("%s: %w", what, explain(err))
	}
	return nil
}

func (s *Store) strike(name string, at Stage) error {
	if s.fault == nil {
		return nil
	}
	if err := s.fault(name, at); err != nil {
		return fmt.Errorf("%s: %s: %w", name, at, err)
	}
	return nil
}

func sqlitePath(database string) (string, error) {
	path, ok := strings.CutPrefix(database, "sqlite:")
	if !ok && strings.Contains(database, "://") {
		return "", fmt.Errorf("open database: %q is not supported, only sqlite:PATH", schemeOf(database))
	}
	if path == "" {
		return "", errors.New("open database: no path given")
	}
	return filepath.Clean(path), nil
}

// schemeOf keeps what may hold a password out of the error.
func schemeOf(url string) string {
	scheme, _, _ := strings.Cut(url, "://")
	return scheme + "://"
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
