package jobs

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"
)

const (
	// sweepEvery is how often GitHub is asked which deliveries did not arrive.
	sweepEvery = 5 * time.Minute
	// sweepBack is how far the first sweep looks: GitHub keeps deliveries for three days.
	sweepBack = 71 * time.Hour
	// sweepOverlap is read again each time: a delivery may be listed later than it was sent.
	sweepOverlap = 10 * time.Minute
	// maxRedeliveries of one sweep; the rest is for the next one.
	maxRedeliveries = 100
)

// Attempt is one attempt of GitHub to deliver a webhook of the App.
type Attempt struct {
	ID    int64
	GUID  string // of the event; the same for all its attempts
	Event string
	At    time.Time
	OK    bool // it was answered with success
}

// Deliveries is GitHub's list of what it sent to the App.
type Deliveries interface {
	// Attempts lists those since a time, newest first.
	Attempts(ctx context.Context, since time.Time) ([]Attempt, error)
	// Redeliver asks to send one again.
	Redeliver(ctx context.Context, id int64) error
}

// sweepLoop has deliveries sent again that never arrived.
func (m *Manager) sweepLoop(ctx context.Context) {
	since := m.Clock.Now().Add(-sweepBack)
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.Clock.After(sweepEvery):
		}
		now := m.Clock.Now()
		m.pollOne(ctx, "deliveries of the App", func(ctx context.Context) error {
			done, err := m.sweep(ctx, since)
			if err == nil && done {
				since = now.Add(-sweepOverlap)
			}
			return err
		})
	}
}

// sweep asks once for each event whose attempts all failed and that is not in the inbox. done is false when some are
// left for the next sweep. What was sent again is noted after GitHub took the request: a crash between the two sends
// it twice, which the inbox sees.
func (m *Manager) sweep(ctx context.Context, since time.Time) (done bool, err error) {
	list, err := m.Deliveries.Attempts(ctx, since)
	if err != nil {
		return false, fmt.Errorf("list deliveries: %w", err)
	}
	arrived := map[string]bool{}
	for _, a := range list {
		arrived[a.GUID] = arrived[a.GUID] || a.OK
	}
	asked := 0
	for i := len(list) - 1; i >= 0; i-- { // oldest first
		a := list[i]
		if arrived[a.GUID] || a.GUID == "" {
			continue
		}
		arrived[a.GUID] = true // one attempt stands for all
		if has, err := m.Store.HasDelivery(ctx, a.GUID); err != nil {
			return false, err
		} else if has {
			continue
		}
		if before, err := m.Store.AskedAgain(ctx, a.GUID); err != nil {
			return false, err
		} else if before {
			continue
		}
		if asked == maxRedeliveries {
			return false, nil
		}
		if err := m.Deliveries.Redeliver(ctx, a.ID); err != nil {
			return false, fmt.Errorf("have delivery %s sent again: %w", a.GUID, err)
		}
		if _, err := m.Store.Redelivered(ctx, a.GUID); err != nil {
			return false, err
		}
		asked++
		m.Log.Info("a webhook that did not arrive is sent again", zap.String("delivery", a.GUID), zap.String("event", a.Event), zap.Time("sent", a.At))
	}
	return true, nil
}
