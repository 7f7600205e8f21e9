package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/handlers"
	"go.uber.org/zap"
)

const (
	// pollTimeout bounds one question of a poll.
	pollTimeout = 30 * time.Second
	// installationsEvery: an installation_repositories hook that was lost is made up for within this time.
	installationsEvery = time.Hour
	// keepDeliveries: GitHub redelivers for 3 days (its documentation; older text says 30).
	keepDeliveries = 31 * 24 * time.Hour
	// feedWindow: ids of the change log are not in the order of its commits, so this much of its end is read again.
	feedWindow = 5 * time.Minute
)

// pollLoop asks every repository for its head and every NetBox for its change log, once an interval: what hooks
// would have said.
func (m *Manager) pollLoop(ctx context.Context) {
	// Before the start's full compares have listed anything, so that they need not be repeated.
	m.pollFeeds(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.Clock.After(m.Settings().Poll):
		}
		m.poll(ctx)
	}
}

func (m *Manager) poll(ctx context.Context) {
	for _, r := range m.memory.repositoryList() {
		if ctx.Err() != nil {
			return
		}
		if len(m.Settings().Allowed(r.Owner, r.Name)) > 0 {
			m.pollOne(ctx, r.Owner+"/"+r.Name, func(ctx context.Context) error { return m.pollRepository(ctx, r) })
		}
	}
	m.pollFeeds(ctx)
}

// pollFeeds reads the change log of every NetBox that has a fabric.
func (m *Manager) pollFeeds(ctx context.Context) {
	fabrics := map[string][]store.Fabric{}
	var names []string
	for _, f := range m.memory.list() {
		if len(fabrics[f.Connection]) == 0 {
			names = append(names, f.Connection)
		}
		fabrics[f.Connection] = append(fabrics[f.Connection], f)
	}
	slices.Sort(names)
	for _, name := range names {
		if ctx.Err() != nil {
			return
		}
		m.pollOne(ctx, "NetBox "+name, func(ctx context.Context) error { return m.pollFeed(ctx, name, fabrics[name]) })
	}
}

// pollOne asks one place; what goes wrong there stops no other.
func (m *Manager) pollOne(ctx context.Context, what string, fn func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	err := guarded(func() error { return fn(ctx) })
	_, parked := limitOf(err)
	switch {
	case err == nil || errors.Is(err, context.Canceled):
	case parked:
		m.Log.Debug("poll put off: limit reached", zap.String("what", what), zap.Error(err))
	default:
		logFailure(m.Log, "poll failed", err, zap.String("what", what))
	}
}

// pollRepository compares the heads of the branches that fabrics follow with what the cycles confirmed. One
// conditional request for each branch, one in all for a repository without fabrics.
func (m *Manager) pollRepository(ctx context.Context, r store.Repository) error {
	var branches []string
	for _, f := range m.memory.list() {
		if f.RepositoryID == r.ID && !slices.Contains(branches, f.Branch) {
			branches = append(branches, f.Branch)
		}
	}
	if len(branches) == 0 {
		return m.pollUnconfigured(ctx, r)
	}
	for _, branch := range branches {
		head, err := m.Host.Head(ctx, r, branch)
		if err != nil {
			return fmt.Errorf("read head of %s: %w", branch, err)
		}
		if head == "" {
			continue // the branch is gone: the fabrics' cycles say so at the next full compare
		}
		followers, _, _ := m.memory.Followers(r.ID, branch)
		for _, f := range followers {
			if f.Busy || handlers.PushEcho(head, f.Head) {
				continue
			}
			if err := m.Request(ctx, store.SyncRequest{Fabric: f.Fabric, Source: "timer"}); err != nil {
				return err
			}
		}
	}
	return nil
}

// pollUnconfigured reads the configuration of a repository without fabrics when its default branch moved.
func (m *Manager) pollUnconfigured(ctx context.Context, r store.Repository) error {
	if r.DefaultBranch == "" {
		return nil
	}
	head, err := m.Host.Head(ctx, r, r.DefaultBranch)
	if err != nil {
		return fmt.Errorf("read head of %s: %w", r.DefaultBranch, err)
	}
	key := fmt.Sprintf("head/%d", r.ID)
	m.mu.Lock()
	last, seen := m.seen[key]
	m.seen[key] = head
	m.mu.Unlock()
	if !seen || last == head {
		return nil // the first time, the start has just read it
	}
	return m.readRepositories(ctx, []int64{r.ID})
}

func (m *Manager) readRepositories(ctx context.Context, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	return m.Store.Tx(ctx, "jobs.request", func(tx *sql.Tx) error {
		for _, id := range ids {
			if err := m.enqueueTx(ctx, tx, repositoryArgs{Repository: id}, true); err != nil {
				return err
			}
		}
		return nil
	})
}

// feed is where a NetBox's change log is read from.
type feed struct {
	from     int64               // the lowest id to read again
	anchored bool                // the row of that id was there: its absence means something
	rows     map[int64]time.Time // rows already judged, from on
}

// pollFeed reads what was appended to the change log and asks for cycles of what is not our own doing. One request;
// two more when the log is met for the first time, or again after a gap.
func (m *Manager) pollFeed(ctx context.Context, connection string, fabrics []store.Fabric) error {
	conn, ok := m.Connection(connection)
	if !ok {
		return fmt.Errorf("NetBox connection %s is not in the server's configuration", connection)
	}
	inv, err := conn.Inventory(fabrics[0])
	if err != nil {
		return err
	}
	fd := m.feeds[connection]
	if fd == nil {
		return m.startFeed(ctx, inv, connection, fabrics)
	}
	page, err := inv.Feed(ctx, fd.from)
	var denied *gitops.PermissionError
	switch {
	case errors.As(err, &denied):
		return m.compareAll(ctx, fabrics) // without the log only a full compare finds changes (ENGINE 11)
	case err != nil:
		return fmt.Errorf("read change log: %w", err)
	}
	if fd.anchored && (len(page.Rows) == 0 || page.Rows[0].ID != fd.from) {
		// The row that was there is gone: pruned, or an older NetBox was restored. Start anew, compare everything.
		delete(m.feeds, connection)
		m.Log.Warn("NetBox's change log no longer has the row it was read to: comparing everything", zap.String("connection", connection), zap.Int64("row", fd.from))
		return m.compareAll(ctx, fabrics)
	}
	wanted, later := m.newChanges(connection, fd, page)
	if len(wanted) > 0 {
		err = m.Store.Tx(ctx, "jobs.request", func(tx *sql.Tx) error {
			for _, id := range sortedKeys(wanted) {
				kinds := wanted[id]
				slices.Sort(kinds)
				if err := m.requestTx(ctx, tx, store.SyncRequest{Fabric: id, Kinds: slices.Compact(kinds), Source: "netbox"}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err // the rows are judged again at the next poll
		}
	}
	fd.advance(page, later)
	return nil
}

// newChanges judges the rows that were not judged before: the kinds to look at, by fabric, and the rows to judge later
// because a cycle that may know of them is running.
func (m *Manager) newChanges(connection string, fd *feed, page *gitops.FeedPage) (wanted map[int64][]string, later map[int64]bool) {
	wanted, later = map[int64][]string{}, map[int64]bool{}
	for _, row := range page.Rows {
		if _, judged := fd.rows[row.ID]; judged || m.memory.isSeen(connection, row.RequestID, row.Kind) {
			continue
		}
		d := handlers.Delivery{Source: handlers.SourceNetBox(connection), Event: row.Action + "d", ObjectID: row.PK}
		holdings := m.memory.Holdings(connection, row.Kind, row.PK)
		if slices.ContainsFunc(holdings, func(h handlers.Holding) bool { return h.Busy }) {
			later[row.ID] = true
			continue
		}
		held := slices.ContainsFunc(holdings, func(h handlers.Holding) bool { return h.Present })
		for _, h := range holdings {
			// A row carries no last_updated, so only a delete can be known from what was held.
			if (held && !h.Present) || (row.Action == "delete" && handlers.NetBoxEcho(d, h)) {
				continue
			}
			wanted[h.Fabric] = append(wanted[h.Fabric], row.Kind)
			m.memory.edited(h.Fabric, row.User)
		}
	}
	return wanted, later
}

// advance moves the place to read from to the lowest row that is to be judged later or is younger than feedWindow by
// NetBox's clock.
func (fd *feed) advance(page *gitops.FeedPage, later map[int64]bool) {
	if len(page.Rows) == 0 {
		return
	}
	next := page.Rows[len(page.Rows)-1].ID
	for _, row := range page.Rows {
		if later[row.ID] {
			next = min(next, row.ID)
			continue
		}
		fd.rows[row.ID] = row.Time
		if !page.Truncated && page.Now.Sub(row.Time) < feedWindow {
			next = min(next, row.ID)
		}
	}
	fd.from, fd.anchored = next, true
	for id := range fd.rows {
		if id < next {
			delete(fd.rows, id)
		}
	}
}

// startFeed begins at the newest row. What was written before is found by the full compare of the start; fabrics that
// were compared before the log was read are compared again.
func (m *Manager) startFeed(ctx context.Context, inv gitops.Inventory, connection string, fabrics []store.Fabric) error {
	_, newest, err := inv.FeedEnds(ctx)
	var denied *gitops.PermissionError
	switch {
	case errors.As(err, &denied):
		m.Log.Warn("the change log cannot be read: every poll compares everything", zap.String("connection", connection), zap.String("why", denied.Message))
		return m.compareAll(ctx, fabrics)
	case err != nil:
		return fmt.Errorf("read the ends of the change log: %w", err)
	}
	// FeedEnds looks at the whole log, Feed at the synchronised kinds only: the newest row may be of another kind, so
	// its absence from what Feed answers means nothing.
	m.feeds[connection] = &feed{from: newest.ID, rows: map[int64]time.Time{newest.ID: newest.Time}}
	var again []store.Fabric
	for _, f := range fabrics {
		if m.memory.listedAny(f.ID) {
			again = append(again, f)
		}
	}
	return m.compareAll(ctx, again)
}

func (m *Manager) compareAll(ctx context.Context, fabrics []store.Fabric) error {
	if len(fabrics) == 0 {
		return nil
	}
	return m.Store.Tx(ctx, "jobs.request", func(tx *sql.Tx) error {
		for _, f := range fabrics {
			if err := m.requestTx(ctx, tx, store.SyncRequest{Fabric: f.ID, Full: true, Source: "timer"}); err != nil {
				return err
			}
		}
		return nil
	})
}

// compareLoop compares everything once an interval, and reads configurations again that could not be paired.
func (m *Manager) compareLoop(ctx context.Context) {
	installations := m.Clock.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.Clock.After(m.Settings().FullCompare):
		}
		if err := m.compareAll(ctx, m.memory.list()); err != nil && ctx.Err() == nil {
			m.Log.Error("full compare could not be asked for", zap.Error(err))
		}
		var open []int64
		for _, r := range m.memory.repositoryList() {
			if len(r.Diagnostics) > 0 {
				open = append(open, r.ID)
			}
		}
		if err := m.readRepositories(ctx, open); err != nil && ctx.Err() == nil {
			m.Log.Error("configurations could not be asked for", zap.Error(err))
		}
		if now := m.Clock.Now(); now.Sub(installations) >= installationsEvery {
			installations = now
			for _, r := range m.memory.repositoryList() {
				m.pollOne(ctx, "pull requests of "+r.Owner+"/"+r.Name, func(ctx context.Context) error { return m.lookForPulls(ctx, r) })
			}
			if err := m.Installations(ctx, "hourly"); err != nil && ctx.Err() == nil {
				m.Log.Error("installations could not be asked for", zap.Error(err))
			}
		}
	}
}

// retentionLoop forgets, once a day, what is no longer needed.
func (m *Manager) retentionLoop(ctx context.Context) {
	for {
		now := m.Clock.Now()
		if n, err := m.Store.PruneDeliveries(ctx, now.Add(-keepDeliveries)); err != nil && ctx.Err() == nil {
			m.Log.Error("old deliveries not removed", zap.Error(err))
		} else if n > 0 {
			m.Log.Info("old deliveries removed", zap.Int64("deliveries", n))
		}
		if err := m.Store.PruneGitHub(ctx, now.Add(-keepDeliveries)); err != nil && ctx.Err() == nil {
			m.Log.Error("old records of GitHub not removed", zap.Error(err))
		}
		if _, err := m.Store.PruneChanges(ctx, now.Add(-store.ChangesKept)); err != nil && ctx.Err() == nil {
			m.Log.Error("old values not removed", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-m.Clock.After(24 * time.Hour):
		}
	}
}
