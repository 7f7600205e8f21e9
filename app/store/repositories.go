package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// Installation is one installation of the App, by GitHub's id.
type Installation struct {
	ID                  int64
	Account             string // login
	RepositorySelection string // all | selected
	Suspended           bool
	UpdatedAt           time.Time
}

// Repository is one repository an installation can reach, by GitHub's id: names change, ids stay.
type Repository struct {
	ID, InstallationID int64
	Owner, Name        string
	DefaultBranch      string
	Private, Archived  bool
	// Present is false once no installation reaches it any more.
	Present bool
	// ConfigBlob is the object id of the configuration file that was last read, Diagnostics what was wrong with it.
	ConfigBlob  string
	Diagnostics []manifests.Diagnostic
	UpdatedAt   time.Time
}

// SetInstallations makes list the installations of the App. The others, and their repositories, are marked as gone.
func (s *Store) SetInstallations(ctx context.Context, list []Installation) error {
	return s.Tx(ctx, "installations.set", func(tx *sql.Tx) error {
		now := micros(s.now())
		if _, err := exec(ctx, tx, `UPDATE installations SET present = false, updated_at = $1 WHERE present = true`, now); err != nil {
			return err
		}
		for _, i := range list {
			if _, err := exec(ctx, tx, `INSERT INTO installations (id, account, repository_selection, suspended, present, updated_at)
				VALUES ($1, $2, $3, $4, true, $5)
				ON CONFLICT (id) DO UPDATE SET account = excluded.account, repository_selection = excluded.repository_selection,
					suspended = excluded.suspended, present = true, updated_at = excluded.updated_at`,
				i.ID, i.Account, i.RepositorySelection, i.Suspended, now); err != nil {
				return fmt.Errorf("store installation %d: %w", i.ID, err)
			}
		}
		_, err := exec(ctx, tx, `UPDATE repositories SET present = false, updated_at = $1 WHERE present = true
			AND installation_id NOT IN (SELECT id FROM installations WHERE present = true)`, now)
		return err
	})
}

// Installations lists the present installations, by id.
func (s *Store) Installations(ctx context.Context) ([]Installation, error) {
	list, err := all(ctx, s.read, func(scan scanner) (i Installation, err error) {
		var updated int64
		err = scan(&i.ID, &i.Account, &i.RepositorySelection, &i.Suspended, &updated)
		i.UpdatedAt = fromMicros(updated)
		return i, err
	}, `SELECT id, account, repository_selection, suspended, updated_at FROM installations WHERE present = true ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("list installations: %w", explain(err))
	}
	return list, nil
}

// SetRepositories makes list the repositories of one installation. Those it no longer reaches are marked as gone,
// unless another installation has them. Configuration and diagnostics of known ones are kept.
func (s *Store) SetRepositories(ctx context.Context, installationID int64, list []Repository) error {
	return s.Tx(ctx, "repositories.set", func(tx *sql.Tx) error {
		now := micros(s.now())
		if _, err := exec(ctx, tx, `UPDATE repositories SET present = false, updated_at = $2 WHERE installation_id = $1 AND present = true`,
			installationID, now); err != nil {
			return err
		}
		for _, r := range list {
			if _, err := exec(ctx, tx, `INSERT INTO repositories (id, installation_id, owner, name, default_branch, private, archived, present, updated_at)
				VALUES ($1, $2, $3, $4, $5, $6, $7, true, $8)
				ON CONFLICT (id) DO UPDATE SET installation_id = excluded.installation_id, owner = excluded.owner, name = excluded.name,
					default_branch = excluded.default_branch, private = excluded.private, archived = excluded.archived, present = true,
					updated_at = excluded.updated_at`,
				r.ID, installationID, r.Owner, r.Name, r.DefaultBranch, r.Private, r.Archived, now); err != nil {
				return fmt.Errorf("store repository %d: %w", r.ID, err)
			}
		}
		return nil
	})
}

// SetRepositoryConfig remembers which configuration file was read and what was wrong with it.
func (s *Store) SetRepositoryConfig(ctx context.Context, id int64, blob string, diagnostics []manifests.Diagnostic) error {
	body, err := encode(diagnostics)
	if err != nil {
		return err
	}
	return s.Tx(ctx, "repositories.config", func(tx *sql.Tx) error {
		n, err := exec(ctx, tx, `UPDATE repositories SET config_blob = $2, diagnostics = $3, updated_at = $4 WHERE id = $1`, id, blob, body, micros(s.now()))
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("repository %d: %w", id, err)
		}
		return nil
	})
}

const selectRepository = `SELECT id, installation_id, owner, name, default_branch, private, archived, present, config_blob, diagnostics, updated_at FROM repositories`

func scanRepository(scan scanner) (r Repository, err error) {
	var diagnostics string
	var updated int64
	if err := scan(&r.ID, &r.InstallationID, &r.Owner, &r.Name, &r.DefaultBranch, &r.Private, &r.Archived, &r.Present, &r.ConfigBlob,
		&diagnostics, &updated); err != nil {
		return r, err
	}
	r.UpdatedAt = fromMicros(updated)
	return r, decode(diagnostics, &r.Diagnostics)
}

// Repository reads one repository, present or not; ErrNotFound.
func (s *Store) Repository(ctx context.Context, id int64) (Repository, error) {
	r, err := one(ctx, s.read, scanRepository, selectRepository+` WHERE id = $1`, id)
	if err != nil {
		return r, fmt.Errorf("read repository %d: %w", id, explain(err))
	}
	return r, nil
}

// Repositories lists the present repositories, by id.
func (s *Store) Repositories(ctx context.Context) ([]Repository, error) {
	list, err := all(ctx, s.read, scanRepository, selectRepository+` WHERE present = true ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("list repositories: %w", explain(err))
	}
	return list, nil
}
