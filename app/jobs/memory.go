package jobs

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/handlers"
)

// requestMemory is how long request ids of NetBox are remembered: longer than any poll finds them in the feed.
const requestMemory = 20 * time.Minute

// memory is what the cycles of this process have seen. It implements handlers.Knowledge.
type memory struct {
	mu           sync.Mutex
	fabrics      map[int64]*known
	repositories map[int64]store.Repository
	requests     map[requestKey]time.Time
}

// requestKey is one request to NetBox and one kind it touched. The kind belongs to it: one request may change several
// kinds, and having looked at one says nothing about the others.
type requestKey struct{ connection, requestID, kind string }

// known is one active fabric.
type known struct {
	fabric store.Fabric
	busy   bool
	head   string // confirmed by the last finished cycle
	kinds  map[string]*held
	// notBefore holds cycles back: a limit, or the spacing of commits. why is for people, empty for the spacing.
	notBefore time.Time
	why       string
	failure   string // why the last cycle failed, for people; empty after one that went through
	unread    string // why its repository's configuration could not be read the last time, for people
	// moved counts the cycles in a row that met another configuration than the one that was read.
	moved int
	// unfinished counts the cycles in a row that asked for another one and wrote nothing.
	unfinished int
	// editors are NetBox users whose edits no cycle has worked on yet, for the trailers of its commit.
	editors map[string]bool
	// told are the conflicts whose line is in the log already.
	told map[int]bool
	// found is what the last cycle of this process found; nil before.
	found *found
	// lostSince is when its cycles began to fail, zero while they go through; lostWhy the reason once people are told.
	lostSince time.Time
	lostWhy   string
}

// held is what our answers and listings held of one kind in one fabric.
type held struct {
	listed  time.Time
	objects map[int64]string // primary key → last_updated in the ETag's form
}

func newMemory() *memory {
	return &memory{fabrics: map[int64]*known{}, repositories: map[int64]store.Repository{}, requests: map[requestKey]time.Time{}}
}

// reload takes over the active fabrics and present repositories of the store, keeping what is known of those that stay.
func (m *memory) reload(ctx context.Context, s *store.Store) error {
	fabrics, err := s.Fabrics(ctx)
	if err != nil {
		return err
	}
	repositories, err := s.Repositories(ctx)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	next := map[int64]*known{}
	for _, f := range fabrics {
		k := m.fabrics[f.ID]
		if k == nil {
			k = &known{kinds: map[string]*held{}, editors: map[string]bool{}, told: map[int]bool{}}
		}
		k.fabric = f
		next[f.ID] = k
	}
	m.fabrics = next
	m.repositories = map[int64]store.Repository{}
	for _, r := range repositories {
		m.repositories[r.ID] = r
	}
	return nil
}

// all lists the active fabrics in the order of their ids. Call with mu held.
func (m *memory) all() []*known {
	out := make([]*known, 0, len(m.fabrics))
	for _, k := range m.fabrics {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b *known) int { return int(a.fabric.ID - b.fabric.ID) })
	return out
}

// list is a copy of the active fabrics, by id.
func (m *memory) list() []store.Fabric {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []store.Fabric
	for _, k := range m.all() {
		out = append(out, k.fabric)
	}
	return out
}

func (m *memory) repository(id int64) (store.Repository, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.repositories[id]
	return r, ok
}

func (m *memory) repositoryList() []store.Repository {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]store.Repository, 0, len(m.repositories))
	for _, r := range m.repositories {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b store.Repository) int { return int(a.ID - b.ID) })
	return out
}

// Followers implements handlers.Knowledge.
func (m *memory) Followers(repositoryID int64, branch string) (out []handlers.Follower, defaultBranch string, seen bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.all() {
		if k.fabric.RepositoryID == repositoryID && k.fabric.Branch == branch {
			out = append(out, handlers.Follower{Fabric: k.fabric.ID, Head: k.head, Busy: k.busy})
		}
	}
	r, ok := m.repositories[repositoryID]
	return out, r.DefaultBranch, ok
}

// Configured implements handlers.Knowledge.
func (m *memory) Configured(repositoryID int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.repositories[repositoryID]
	return ok && r.ConfigBlob != "" && len(r.Diagnostics) == 0
}

// Holdings implements handlers.Knowledge.
func (m *memory) Holdings(connection, kind string, pk int64) []handlers.Holding {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []handlers.Holding
	for _, k := range m.all() {
		if k.fabric.Connection != connection {
			continue
		}
		h := handlers.Holding{Fabric: k.fabric.ID, Busy: k.busy}
		if of := k.kinds[kind]; of != nil {
			h.Listed = of.listed
			h.LastUpdated, h.Present = of.objects[pk]
		}
		out = append(out, h)
	}
	return out
}

// begin marks the fabric as busy; false when it is no longer active.
func (m *memory) begin(fabric int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.fabrics[fabric]
	if k != nil {
		k.busy = true
	}
	return k != nil
}

// configurationMoved counts a cycle that met another configuration, and tells how many did in a row.
func (m *memory) configurationMoved(fabric int64) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.fabrics[fabric]
	if k == nil {
		return 0
	}
	k.moved++
	return k.moved
}

// pace is how long the next cycle, which the last one asked for, has to wait. As long as cycles write something, or
// only once did not, that is at once; what is refused or moves again and again is tried ever more rarely.
func (m *memory) pace(fabric int64, r *gitops.Result) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.fabrics[fabric]
	if k == nil {
		return r.After
	}
	if !r.Again && r.After == 0 || r.Commits > 0 || r.NetBoxWrites > 0 {
		k.unfinished = 0
		return r.After
	}
	k.unfinished++
	if k.unfinished == 1 {
		return r.After
	}
	return max(r.After, retryAfter(k.unfinished-1))
}

// end takes the busy mark away.
func (m *memory) end(fabric int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.fabrics[fabric]; k != nil {
		k.busy = false
	}
}

// heldBack is until when, and why, no cycle of the fabric may start.
func (m *memory) heldBack(fabric int64) (until time.Time, why string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.fabrics[fabric]; k != nil {
		return k.notBefore, k.why
	}
	return time.Time{}, ""
}

func (m *memory) holdBack(fabric int64, until time.Time, why string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.fabrics[fabric]; k != nil {
		k.notBefore, k.why = until, why
	}
}

func (m *memory) fail(fabric int64, why string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.fabrics[fabric]; k != nil {
		k.failure = why
	}
}

// reading notes how reading the configuration of a repository went, for all its fabrics; empty for well.
func (m *memory) reading(repository int64, why string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.fabrics {
		if k.fabric.RepositoryID == repository {
			k.unread = why
		}
	}
}

// remember takes over what a cycle's answers and listings held; only its writes when the cycle did not go through,
// because what it listed was not worked on. It returns, by NetBox primary key of the fabric, the kinds of objects
// that were ours and now stand under another fabric.
func (m *memory) remember(fabric int64, rec *recording, through bool) map[int64][]string {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.fabrics[fabric]
	if k == nil {
		return nil
	}
	moved := map[int64][]string{}
	if through {
		k.head, k.moved = rec.head, 0
	}
	for _, e := range rec.events {
		of := k.kinds[e.kind]
		if of == nil {
			of = &held{objects: map[int64]string{}}
			k.kinds[e.kind] = of
		}
		if e.listing == nil {
			if e.gone {
				delete(of.objects, e.pk)
			} else {
				of.objects[e.pk] = e.lastUpdated
			}
			continue
		}
		if !through {
			continue
		}
		for pk, other := range e.listing.Elsewhere {
			if _, ours := of.objects[pk]; ours && !slices.Contains(moved[other], e.kind) {
				moved[other] = append(moved[other], e.kind)
			}
		}
		of.listed = e.listing.At
		of.objects = make(map[int64]string, len(e.listing.Objects))
		for _, o := range e.listing.Objects {
			of.objects[o.PK] = o.LastUpdated
		}
	}
	return moved
}

// seenRequest remembers that what the request did to the kind is known.
func (m *memory) seenRequest(connection, requestID, kind string, now time.Time) {
	if requestID == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, at := range m.requests {
		if now.Sub(at) > requestMemory {
			delete(m.requests, k)
		}
	}
	m.requests[requestKey{connection, requestID, kind}] = now
}

func (m *memory) isSeen(connection, requestID, kind string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.requests[requestKey{connection, requestID, kind}]
	return requestID != "" && ok
}

// Overlay is what memory adds to a fabric's stored status.
type Overlay struct {
	Running bool
	// Parked: no cycle before Until, because of Why (a limit of GitHub or NetBox).
	Until time.Time
	Why   string
	// Failure is why the last cycle, or the reading of its repository's configuration, did not go through, for people.
	Failure string
}

func (m *memory) overlay(fabric int64, now time.Time) Overlay {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.fabrics[fabric]
	if k == nil {
		return Overlay{}
	}
	o := Overlay{Running: k.busy, Failure: cmp.Or(k.failure, k.unread)}
	if k.why != "" && k.notBefore.After(now) {
		o.Until, o.Why = k.notBefore, k.why
	}
	return o
}

// recording collects what one cycle's requests said, in their order.
type recording struct {
	mu      sync.Mutex
	head    string
	commits int
	events  []recorded
}

// recorded is one listing, or one written object.
type recorded struct {
	kind        string
	listing     *gitops.Listing
	pk          int64
	lastUpdated string
	gone        bool
}

func (r *recording) note(e recorded) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// listedAny says whether anything of the fabric was listed, or may be just now.
func (m *memory) listedAny(fabric int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.fabrics[fabric]
	if k == nil {
		return false
	}
	if k.busy {
		return true
	}
	for _, of := range k.kinds {
		if !of.listed.IsZero() {
			return true
		}
	}
	return false
}

// maxEditors bounds the names kept for one fabric.
const maxEditors = 100

// edited remembers who edited a fabric in NetBox.
func (m *memory) edited(fabric int64, user string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.fabrics[fabric]; k != nil && user != "" && len(k.editors) < maxEditors {
		k.editors[user] = true
	}
}

// editorsOf are the users to be named by the next commit, sorted.
func (m *memory) editorsOf(fabric int64) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.fabrics[fabric]
	if k == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(k.editors))
}

// named forgets users whose edits a cycle has worked on.
func (m *memory) named(fabric int64, users []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.fabrics[fabric]; k != nil {
		for _, u := range users {
			delete(k.editors, u)
		}
	}
}

// untold are those of the open conflicts whose line is not in the log yet; what is no longer open is forgotten.
func (m *memory) untold(fabric int64, open []gitops.Conflict) []gitops.Conflict {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.fabrics[fabric]
	if k == nil {
		return nil
	}
	told := map[int]bool{}
	var out []gitops.Conflict
	for _, c := range open {
		if !k.told[c.Number] || c.Number == 0 {
			out = append(out, c)
		}
		told[c.Number] = true
	}
	k.told = told
	return out
}
