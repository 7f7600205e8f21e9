package jobs

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/handlers"
	"go.uber.org/zap"
)

const (
	// deliveryBatch are taken at a time; what they ask for is merged, so that a thousand hooks of one bulk write
	// become one request for a cycle.
	deliveryBatch = 200
	// deliveryAttempts after which a delivery failed for good. Nothing is lost with it: timers find what it said.
	deliveryAttempts = 20
)

// workDeliveries judges stored deliveries until ctx ends. It is the only worker: deliveries are judged in their order.
func (m *Manager) workDeliveries(ctx context.Context) {
	var waiting []store.Claimed // for the end of a running cycle
	for {
		waiting = m.workAll(ctx, waiting)
		wake := time.Minute
		if counts, err := m.Store.InboxCounts(ctx); err == nil && !counts.NextDue.IsZero() {
			wake = min(wake, max(counts.NextDue.Sub(m.Clock.Now()), 10*time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return
		case <-m.Store.DeliveriesWaiting():
		case <-m.judge:
		case <-m.Clock.After(wake):
		}
	}
}

// workAll judges what waited and everything that is due, and returns what still waits.
func (m *Manager) workAll(ctx context.Context, waiting []store.Claimed) []store.Claimed {
	still := m.workBatch(ctx, waiting)
	for ctx.Err() == nil {
		batch, err := m.Store.ClaimDeliveries(ctx, deliveryBatch)
		if err != nil {
			if ctx.Err() == nil {
				m.Log.Error("deliveries cannot be taken", zap.Error(err))
			}
			break
		}
		if len(batch) == 0 {
			break
		}
		still = append(still, m.workBatch(ctx, batch)...)
	}
	return still
}

// work is what one batch asks for, merged.
type work struct {
	fabrics       map[int64]*store.SyncRequest
	repositories  map[int64]bool
	installations bool
	evaluate      []evaluateArgs
	commands      []commandArgs
}

func newWork() *work {
	return &work{fabrics: map[int64]*store.SyncRequest{}, repositories: map[int64]bool{}}
}

func (w *work) add(d handlers.Delivery, dec handlers.Decision) {
	for _, id := range dec.Fabrics {
		r := w.fabrics[id]
		if r == nil {
			r = &store.SyncRequest{Fabric: id, Source: "github", Login: d.Sender}
			if d.Connection() != "" {
				r.Source, r.Login = "netbox", d.User
			}
			w.fabrics[id] = r
		}
		for _, kind := range dec.Kinds {
			if !slices.Contains(r.Kinds, kind) {
				r.Kinds = append(r.Kinds, kind)
			}
		}
	}
	if dec.Repository != 0 {
		w.repositories[dec.Repository] = true
	}
	w.installations = w.installations || dec.Installations
	for _, p := range dec.Evaluate {
		a := evaluateArgs{Repository: p.Repository, Number: p.Number, Again: d.Action == "rerequested"}
		if p.Number == 0 {
			a.Head, a.Base = p.HeadSHA, d.Activity.BaseRef
		}
		w.evaluate = append(w.evaluate, a)
	}
	if a, ok := commandOf(d, dec.Command); ok {
		w.commands = append(w.commands, a)
	}
}

// queue writes everything in one transaction.
func (m *Manager) queue(ctx context.Context, tx *sql.Tx, w *work) error {
	for _, id := range sortedKeys(w.fabrics) {
		r := *w.fabrics[id]
		slices.Sort(r.Kinds)
		if err := m.requestTx(ctx, tx, r); err != nil {
			return err
		}
	}
	for _, id := range sortedKeys(w.repositories) {
		if err := m.enqueueTx(ctx, tx, repositoryArgs{Repository: id}, true); err != nil {
			return err
		}
	}
	for _, a := range w.evaluate {
		if err := m.enqueueTx(ctx, tx, a, true); err != nil {
			return err
		}
	}
	for _, a := range w.commands {
		if err := m.enqueueTx(ctx, tx, a, true); err != nil {
			return err
		}
	}
	if w.installations {
		return m.enqueueTx(ctx, tx, installationsArgs{}, true)
	}
	return nil
}

func sortedKeys[V any](m map[int64]V) []int64 {
	keys := make([]int64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// workBatch judges deliveries and, in one transaction, queues what they ask for and marks them as finished. It returns
// those that wait for the end of a running cycle. When the transaction fails each is tried by itself, so that one
// bad delivery stops no other.
func (m *Manager) workBatch(ctx context.Context, batch []store.Claimed) (wait []store.Claimed) {
	if len(batch) == 0 {
		return nil
	}
	ready := make([]store.Claimed, 0, len(batch))
	decisions := map[int64]handlers.Decision{}
	for _, c := range batch {
		var dec handlers.Decision
		if err := guarded(func() error { dec = handlers.Decide(c.Delivery, m.memory); return nil }); err != nil {
			m.deliveryFailed(ctx, c, err)
			continue
		}
		if len(dec.Wait) > 0 {
			wait = append(wait, c)
			continue
		}
		ready = append(ready, c)
		decisions[c.ID] = dec
	}
	if err := m.finishDeliveries(ctx, ready, decisions); err != nil {
		if ctx.Err() != nil {
			return wait // they are taken again at the next start
		}
		for _, c := range ready {
			if err := m.finishDeliveries(ctx, []store.Claimed{c}, decisions); err != nil {
				m.deliveryFailed(ctx, c, err)
			}
		}
	}
	return wait
}

func (m *Manager) finishDeliveries(ctx context.Context, list []store.Claimed, decisions map[int64]handlers.Decision) error {
	if len(list) == 0 {
		return nil
	}
	w := newWork()
	for _, c := range list {
		w.add(c.Delivery, decisions[c.ID])
		for _, f := range decisions[c.ID].Fabrics {
			m.memory.edited(f, c.User) // before the cycle can begin
		}
	}
	err := m.Store.Tx(ctx, "jobs.deliveries", func(tx *sql.Tx) error {
		if err := m.queue(ctx, tx, w); err != nil {
			return err
		}
		for _, c := range list {
			if err := m.Store.FinishDelivery(ctx, tx, c.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, c := range list {
		dec := decisions[c.ID]
		outcome := "echo"
		if len(dec.Fabrics) > 0 || dec.Repository != 0 || dec.Installations || len(dec.Evaluate) > 0 || dec.Command != nil {
			outcome = "queued"
		}
		if connection := c.Connection(); connection != "" {
			for _, kind := range dec.Kinds {
				m.memory.seenRequest(connection, c.RequestID, kind, m.Clock.Now())
			}
		}
		m.Metrics.Delivery(sourceWord(c.Delivery), c.Event, outcome)
		m.deliveryLog(c).Info("delivery done", zap.String("outcome", outcome), zap.String(handlers.FieldReason, dec.Reason), zap.Int64s("fabrics", dec.Fabrics))
	}
	return nil
}

// deliveryFailed gives a delivery back, later and later, at last for good.
func (m *Manager) deliveryFailed(ctx context.Context, c store.Claimed, cause error) {
	var retryAt time.Time
	if c.Attempt < deliveryAttempts {
		retryAt = m.Clock.Now().Add(retryAfter(c.Attempt))
	}
	logFailure(m.deliveryLog(c), "delivery failed", cause, zap.Int("attempt", c.Attempt), zap.Bool("for_good", retryAt.IsZero()))
	m.Metrics.Delivery(sourceWord(c.Delivery), c.Event, "failed")
	if err := m.Store.FailDelivery(ctx, c.ID, cause.Error(), retryAt); err != nil && ctx.Err() == nil {
		m.deliveryLog(c).Error("delivery not given back: it is taken again at the next start", zap.Error(err))
	}
}

func (m *Manager) deliveryLog(c store.Claimed) *zap.Logger {
	return m.Log.With(zap.String(handlers.FieldSource, c.Source), zap.String(handlers.FieldDelivery, c.GUID), zap.String(handlers.FieldEvent, c.Event),
		zap.String(handlers.FieldRepository, c.Repository))
}

func sourceWord(d handlers.Delivery) string {
	if d.Connection() != "" {
		return "netbox"
	}
	return "github"
}
