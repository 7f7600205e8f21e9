package store

import (
	"sync"
	"time"
)

// Seen remembers what our answers and listings of NetBox held, to tell a webhook that announces our own write, or what
// was already listed, from one that announces something new (ENGINE 17). It is in memory: after a start everything is
// compared once anyway, which fills it again, and without it an echo only costs a cycle that finds nothing.
// It is safe for concurrent use.
type Seen struct {
	mu       sync.Mutex
	now      func() time.Time
	fabrics  map[int64]map[string]*seenKind
	requests map[string]map[string]time.Time // connection → request id → when
}

// seenKind is one kind of one fabric.
type seenKind struct {
	listed  time.Time // when the newest complete listing was asked for
	objects map[int64]string
}

// Bounds of the request ids: NetBox delivers a hook within its job limit of 5 minutes or retries it by hand.
const (
	requestsKept = time.Hour
	maxRequests  = 10_000 // per connection
)

// NewSeen makes an empty one; a nil now is time.Now.
func NewSeen(now func() time.Time) *Seen {
	if now == nil {
		now = time.Now
	}
	return &Seen{now: now, fabrics: map[int64]map[string]*seenKind{}, requests: map[string]map[string]time.Time{}}
}

func (s *Seen) kind(fabric int64, kind string) *seenKind {
	kinds := s.fabrics[fabric]
	if kinds == nil {
		kinds = map[string]*seenKind{}
		s.fabrics[fabric] = kinds
	}
	if kinds[kind] == nil {
		kinds[kind] = &seenKind{objects: map[int64]string{}}
	}
	return kinds[kind]
}

// Listed records a complete listing of one kind of a fabric: primary key to last_updated in the ETag's form. asked is
// when its first page was asked for. An answer to a write that came later than the listing must be recorded after it.
func (s *Seen) Listed(fabric int64, kind string, asked time.Time, objects map[int64]string) {
	held := make(map[int64]string, len(objects))
	for pk, updated := range objects {
		held[pk] = updated
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kind(fabric, kind)
	if asked.Before(k.listed) {
		return // an older listing that answered late
	}
	k.listed, k.objects = asked, held
}

// Answered records the state in which our own create or update was answered.
func (s *Seen) Answered(fabric int64, kind string, pk int64, lastUpdated string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kind(fabric, kind).objects[pk] = lastUpdated
}

// Removed records our own answered delete.
func (s *Seen) Removed(fabric int64, kind string, pk int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kind(fabric, kind).objects, pk)
}

// Holding tells what is known of one object: when the newest complete listing of its kind was asked for (zero before
// the first), and whether our last answer or listing held it, with its last_updated.
func (s *Seen) Holding(fabric int64, kind string, pk int64) (listed time.Time, lastUpdated string, present bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.fabrics[fabric][kind]
	if k == nil {
		return time.Time{}, "", false
	}
	lastUpdated, present = k.objects[pk]
	return k.listed, lastUpdated, present
}

// Forget drops what is known of a fabric that is followed no more.
func (s *Seen) Forget(fabric int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.fabrics, fabric)
}

// Request remembers a request id of NetBox as ours, or as one whose webhook was handled, for an hour. At most 10,000
// are kept per connection; beyond that the oldest half goes.
func (s *Seen) Request(connection, id string) {
	if id == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := s.requests[connection]
	if ids == nil {
		ids = map[string]time.Time{}
		s.requests[connection] = ids
	}
	ids[id] = s.now()
	for keep := requestsKept; len(ids) > maxRequests; keep /= 2 {
		for old, at := range ids {
			if old != id && (s.now().Sub(at) >= keep || keep == 0) {
				delete(ids, old)
			}
		}
	}
}

// KnownRequest tells whether the request id was remembered within the last hour.
func (s *Seen) KnownRequest(connection, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.requests[connection][id]
	return ok && s.now().Sub(at) < requestsKept
}
