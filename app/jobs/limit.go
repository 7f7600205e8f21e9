package jobs

import (
	"errors"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops/repo"
)

// limit is a service that takes no more requests until a time.
type limit struct {
	service string
	until   time.Time
}

// limitOf finds a limit in an error.
func limitOf(err error) (limit, bool) {
	var gh *repo.RateLimitError
	if errors.As(err, &gh) {
		return limit{"GitHub", gh.Until}, true
	}
	return limit{}, false
}
