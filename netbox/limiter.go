package netbox

import (
	"context"
	"sync"
	"time"
)

// writeLimit is how many writes are under way at once on one NetBox: its default of two web workers would otherwise
// have none left for people.
const writeLimit = 2

// A write counts as slow when an object of it took slowFactor times what an object took at best, and the whole
// request at least slowFloor, so that the noise of small requests does not count.
const (
	slowFactor = 4
	slowFloor  = 2 * time.Second
)

// limiter admits at most writeLimit writes, one while answers are slow. Safe for concurrent use.
type limiter struct {
	mu      sync.Mutex
	running int
	limit   int
	best    time.Duration // per object; creeps up, so that a lasting change of speed becomes the new normal
	freed   chan struct{} // closed whenever a place may have become free
}

func newLimiter() *limiter { return &limiter{limit: writeLimit, freed: make(chan struct{})} }

// acquire waits for a place; it fails only when ctx ends.
func (l *limiter) acquire(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		l.mu.Lock()
		if l.running < l.limit {
			l.running++
			l.mu.Unlock()
			return nil
		}
		freed := l.freed
		l.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// release gives the place back. took is how long the answer of a request with that many objects took; congested says
// that NetBox or a proxy complained (429, 503, 504, no answer in time).
func (l *limiter) release(took time.Duration, objects int, congested bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	if each := took / time.Duration(max(objects, 1)); congested {
		l.limit = 1
	} else {
		if l.best > 0 && took >= slowFloor && each > slowFactor*l.best {
			l.limit = 1
		} else {
			l.limit = writeLimit
		}
		if l.best == 0 || each < l.best {
			l.best = each
		} else {
			l.best += l.best / 20
		}
	}
	close(l.freed)
	l.freed = make(chan struct{})
}
