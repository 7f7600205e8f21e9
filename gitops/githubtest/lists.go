package githubtest

import (
	"slices"
	"time"
)

// The order of lists and the parameters that cut them.

// since is the parameter of that name; the zero time when it is absent.
func (c *call) since() (time.Time, error) {
	text := c.query.Get("since")
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fail(422, "Invalid request.\n\n%s is not a valid timestamp.", text)
	}
	return at.Truncate(time.Second), nil
}

// ordered sorts a list that comes by ascending id: by creation or by last
// change as the parameter sort asks, backwards when direction, or falling when
// there is no direction, says so.
func ordered[T any](c *call, list []T, falling bool, times func(T) (created, updated time.Time)) {
	slices.SortStableFunc(list, func(a, b T) int {
		createdA, updatedA := times(a)
		createdB, updatedB := times(b)
		if c.query.Get("sort") == "updated" {
			return updatedA.Compare(updatedB)
		}
		return createdA.Compare(createdB)
	})
	if direction := c.query.Get("direction"); direction == "desc" || direction == "" && falling {
		slices.Reverse(list)
	}
}

// mayChange refuses a person who neither wrote a thing nor has the level that
// changing other people's things needs. Apps pass: the route has checked them.
func (c *call) mayChange(authorID int64, level string) error {
	if c.id.kind != identityUser || c.id.account.ID == authorID ||
		permissionRank(c.s.permission(c.id.account.Login, c.repo)) >= permissionRank(level) {
		return nil
	}
	return fail(403, "Must have admin rights to Repository.")
}

// limit cuts a list at one of GitHub's caps.
func limit[T any](list []T, n int) []T { return list[:min(len(list), n)] }
