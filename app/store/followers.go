package store

import (
	"context"
	"fmt"

	"github.com/hnp-sync/hnp-sync/handlers"
)

// Followers are the active fabrics of a repository that follow the branch, by id, each with the head that its cycles
// confirmed last (Busy is not known here). defaultBranch and known are those of the repository; known is false for one
// that no installation reaches.
func (s *Store) Followers(ctx context.Context, repositoryID int64, branch string) (list []handlers.Follower, defaultBranch string, known bool, err error) {
	err = s.snapshot(ctx, fmt.Sprintf("read followers of repository %d", repositoryID), func(q querier) error {
		branches, err := all(ctx, q, column[string], `SELECT default_branch FROM repositories WHERE id = $1 AND present = true`, repositoryID)
		if err != nil || len(branches) == 0 {
			return err
		}
		defaultBranch, known = branches[0], true
		list, err = all(ctx, q, func(scan scanner) (f handlers.Follower, err error) { return f, scan(&f.Fabric, &f.Head) },
			`SELECT f.id, coalesce(l.head, '') FROM fabrics f LEFT JOIN ledgers l ON l.fabric = f.id
			WHERE f.active = true AND f.repository_id = $1 AND f.branch = $2 ORDER BY f.id`, repositoryID, branch)
		return err
	})
	return list, defaultBranch, known, err
}
