package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// Pairing is what a base belongs to. Any part of it changes → another pairing, without a base (ENGINE, Ledger).
type Pairing struct {
	Connection string // NetBox connection of the server configuration
	NetBoxID   int64  // the fabric's primary key in NetBox
	// NetBoxCreated is the fabric's `created` as NetBox sends it: a fabric deleted and made again under the same
	// primary key (a restored or new NetBox) is another one.
	NetBoxCreated string
	RepositoryID  int64
	Branch        string // never empty: the resolved one
	Directory     string
}

// Fabric is one pairing with what is currently configured for it.
type Fabric struct {
	ID int64 // ours
	Pairing
	InstallationID    int64
	Owner, Repository string
	// Policy is the entry of .github/hnp-sync.yaml; ConfigBlob the object id of the file it was read from.
	Policy     gitops.Fabric
	ConfigBlob string
	// Active is false once the fabric is configured no more; nothing of it is deleted.
	Active               bool
	CreatedAt, UpdatedAt time.Time
}

// SetResult says what became of one wanted fabric.
type SetResult struct {
	ID  int64 // 0 when refused
	New bool  // a pairing without base
	// Refused names the active pairing that already has this NetBox fabric or this directory.
	Refused *Fabric
}

// SetFabrics makes want the fabrics of one repository, in one transaction: each is found again, or begins as a new
// pairing; the repository's other fabrics become inactive, except those in keep (for entries that cannot be resolved
// now, because NetBox does not answer). A fabric held by an active pairing of another repository, or by an earlier
// one of want, is refused and changes nothing. A pairing that was inactive comes back with its base only when nothing
// else has been paired with its NetBox fabric or its directory since; otherwise its base is history.
func (s *Store) SetFabrics(ctx context.Context, repositoryID int64, want []Fabric, keep []int64) ([]SetResult, error) {
	results := make([]SetResult, len(want))
	err := s.Tx(ctx, "fabrics.set", func(tx *sql.Tx) error {
		active, err := all(ctx, tx, scanFabric, selectFabric+` WHERE repository_id = $1 AND active = true ORDER BY id`, repositoryID)
		if err != nil {
			return err
		}
		// First everything that is not wanted as it stands is let go, so that a changed entry does not collide with itself.
		for _, f := range active {
			if slices.Contains(keep, f.ID) || slices.ContainsFunc(want, func(w Fabric) bool { return w.Pairing == f.Pairing }) {
				continue
			}
			if _, err := exec(ctx, tx, `UPDATE fabrics SET active = false, updated_at = $2 WHERE id = $1`, f.ID, micros(s.now())); err != nil {
				return fmt.Errorf("end fabric %d: %w", f.ID, err)
			}
		}
		var taken []Pairing
		for i, w := range want {
			if w.RepositoryID != repositoryID {
				return fmt.Errorf("fabric %q belongs to repository %d, not %d", w.Policy.Name, w.RepositoryID, repositoryID)
			}
			if results[i], err = s.setFabric(ctx, tx, w, slices.Contains(taken, w.Pairing)); err != nil {
				return fmt.Errorf("set fabric %q: %w", w.Policy.Name, err)
			}
			taken = append(taken, w.Pairing)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

func (s *Store) setFabric(ctx context.Context, tx *sql.Tx, w Fabric, doubled bool) (SetResult, error) {
	holders, err := all(ctx, tx, scanFabric, selectFabric+` WHERE active = true
		AND ((connection = $1 AND netbox_id = $2) OR (repository_id = $3 AND branch = $4 AND directory = $5)) ORDER BY id`,
		w.Connection, w.NetBoxID, w.RepositoryID, w.Branch, w.Directory)
	if err != nil {
		return SetResult{}, err
	}
	for _, h := range holders {
		if doubled || h.Pairing != w.Pairing {
			return SetResult{Refused: &h}, nil
		}
	}
	policy, err := encode(w.Policy)
	if err != nil {
		return SetResult{}, err
	}
	now := micros(s.now())
	ids, err := all(ctx, tx, column[int64], `UPDATE fabrics SET active = true, installation_id = $7, owner = $8, repository = $9, slug = $10,
			policy = $11, config_blob = $12, updated_at = $13
		WHERE connection = $1 AND netbox_id = $2 AND netbox_created = $3 AND repository_id = $4 AND branch = $5 AND directory = $6 AND superseded = false
		RETURNING id`, w.Connection, w.NetBoxID, w.NetBoxCreated, w.RepositoryID, w.Branch, w.Directory,
		w.InstallationID, w.Owner, w.Repository, w.Policy.Slug, policy, w.ConfigBlob, now)
	if err != nil {
		return SetResult{}, err
	}
	if len(ids) == 1 {
		return SetResult{ID: ids[0]}, nil
	}
	// Earlier pairings of the same fabric or directory can never come back: their base says nothing about what
	// happens under the new one.
	if _, err := exec(ctx, tx, `UPDATE fabrics SET superseded = true WHERE superseded = false
		AND ((connection = $1 AND netbox_id = $2) OR (repository_id = $3 AND branch = $4 AND directory = $5))`,
		w.Connection, w.NetBoxID, w.RepositoryID, w.Branch, w.Directory); err != nil {
		return SetResult{}, err
	}
	id, err := one(ctx, tx, column[int64], `INSERT INTO fabrics (connection, netbox_id, netbox_created, repository_id, branch, directory,
			installation_id, owner, repository, slug, policy, config_blob, active, superseded, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, true, false, $13, $13) RETURNING id`,
		w.Connection, w.NetBoxID, w.NetBoxCreated, w.RepositoryID, w.Branch, w.Directory,
		w.InstallationID, w.Owner, w.Repository, w.Policy.Slug, policy, w.ConfigBlob, now)
	return SetResult{ID: id, New: true}, err
}

const selectFabric = `SELECT id, connection, netbox_id, netbox_created, repository_id, branch, directory, installation_id, owner, repository,
	policy, config_blob, active, created_at, updated_at FROM fabrics`

func scanFabric(scan scanner) (f Fabric, err error) {
	var policy string
	var created, updated int64
	if err := scan(&f.ID, &f.Connection, &f.NetBoxID, &f.NetBoxCreated, &f.RepositoryID, &f.Branch, &f.Directory, &f.InstallationID,
		&f.Owner, &f.Repository, &policy, &f.ConfigBlob, &f.Active, &created, &updated); err != nil {
		return f, err
	}
	f.CreatedAt, f.UpdatedAt = fromMicros(created), fromMicros(updated)
	return f, decode(policy, &f.Policy)
}

// Fabric reads one fabric, active or not; ErrNotFound.
func (s *Store) Fabric(ctx context.Context, id int64) (Fabric, error) {
	f, err := one(ctx, s.read, scanFabric, selectFabric+` WHERE id = $1`, id)
	if err != nil {
		return f, fmt.Errorf("read fabric %d: %w", id, explain(err))
	}
	return f, nil
}

// Fabrics lists the active fabrics, by id.
func (s *Store) Fabrics(ctx context.Context) ([]Fabric, error) {
	return s.fabricsWhere(ctx, `active = true`)
}

// FabricsOfRepository lists the active fabrics of a repository, by id.
func (s *Store) FabricsOfRepository(ctx context.Context, repositoryID int64) ([]Fabric, error) {
	return s.fabricsWhere(ctx, `active = true AND repository_id = $1`, repositoryID)
}

// FabricsOfConnection lists the active fabrics of a NetBox connection, by id.
func (s *Store) FabricsOfConnection(ctx context.Context, connection string) ([]Fabric, error) {
	return s.fabricsWhere(ctx, `active = true AND connection = $1`, connection)
}

// FabricByNetBox finds the active fabrics of a NetBox primary key: one per connection (none, or one when connection is given).
func (s *Store) FabricByNetBox(ctx context.Context, connection string, netboxID int64) ([]Fabric, error) {
	if connection == "" {
		return s.fabricsWhere(ctx, `active = true AND netbox_id = $1`, netboxID)
	}
	return s.fabricsWhere(ctx, `active = true AND netbox_id = $1 AND connection = $2`, netboxID, connection)
}

func (s *Store) fabricsWhere(ctx context.Context, where string, args ...any) ([]Fabric, error) {
	list, err := all(ctx, s.read, scanFabric, selectFabric+` WHERE `+where+` ORDER BY id`, args...)
	if err != nil {
		return nil, fmt.Errorf("list fabrics: %w", explain(err))
	}
	return list, nil
}
