package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// What differs between SQLite and PostgreSQL is in this file and in the migrations' folder, nowhere else.

//go:embed migrations
var migrations embed.FS

// maxIntegrityBytes is the largest file that is read through at Open; larger ones would delay the start by seconds.
const maxIntegrityBytes = 64 << 20

// openSQLite opens the writer and the readers of one file.
func openSQLite(path string) (db, read *sql.DB, err error) {
	// synchronous=FULL: in WAL mode NORMAL is not durable over a power cut. _txlock=immediate: a transaction that
	// reads and then writes would otherwise fail with SQLITE_BUSY_SNAPSHOT.
	writer := url.Values{
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"},
		"_txlock": {"immediate"},
	}
	if db, err = openPool(path, writer, 1); err != nil { // one connection is the driver's own advice; more writers gain nothing
		return nil, nil, err
	}
	reader := url.Values{"_pragma": {"busy_timeout(5000)", "query_only(1)"}, "_txlock": {"deferred"}}
	read, err = openPool(path, reader, maxReaders)
	return db, read, err
}

// maxReaders bounds the readers' memory (2 MB of cache each).
const maxReaders = 4

func openPool(path string, params url.Values, connections int) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: params.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// checkIntegrity reads the file's structure through, so that damage is said at the start and not in the middle of a cycle.
func checkIntegrity(ctx context.Context, db *sql.DB, path string) error {
	var version int
	if err := db.QueryRowContext(ctx, `PRAGMA schema_version`).Scan(&version); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > maxIntegrityBytes {
		return nil
	}
	var answer string
	if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&answer); err != nil {
		return err
	}
	if answer != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, answer)
	}
	return nil
}

// migrate brings both sets of tables up to date; it changes nothing when they are.
func migrate(ctx context.Context, db *sql.DB, logger *slog.Logger) error {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	sub, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, sub, goose.WithSlog(logger))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if err := refuseNewer(ctx, p); err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	m, err := rivermigrate.New(riversqlite.New(db), &rivermigrate.Config{Logger: logger})
	if err != nil {
		return fmt.Errorf("read migrations of the queue: %w", err)
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate the queue: %w", err)
	}
	return nil
}

// refuseNewer stops an older program from working on a database whose tables it does not know.
func refuseNewer(ctx context.Context, p *goose.Provider) error {
	current, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the database's version: %w", err)
	}
	sources := p.ListSources()
	if newest := sources[len(sources)-1].Version; current > newest {
		return fmt.Errorf("database has version %d, this program knows up to %d: use the newer program", current, newest)
	}
	return nil
}

// lockRows makes a SELECT inside an UPDATE skip rows that another process is taking. SQLite has one writer and no such
// clause; PostgreSQL needs "FOR UPDATE SKIP LOCKED".
const lockRows = ""

// explain adds what to do to the driver's errors that people can act on.
func explain(err error) error {
	var se *sqlite.Error
	if !errors.As(err, &se) || errors.Is(err, ErrDamaged) {
		return err
	}
	switch se.Code() & 0xff {
	case sqlitelib.SQLITE_NOTADB, sqlitelib.SQLITE_CORRUPT:
		return fmt.Errorf("%w: restore it from a backup, or move it away to start anew (first contact, nothing is deleted): %w", ErrDamaged, err)
	case sqlitelib.SQLITE_BUSY, sqlitelib.SQLITE_LOCKED:
		return fmt.Errorf("%w: %w", ErrInUse, err)
	case sqlitelib.SQLITE_FULL:
		return fmt.Errorf("the disk is full: %w", err)
	case sqlitelib.SQLITE_READONLY, sqlitelib.SQLITE_CANTOPEN:
		return fmt.Errorf("the database and its folder must be writable: %w", err)
	}
	return err
}
