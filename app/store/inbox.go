package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/hnp-sync/hnp-sync/handlers"
)

// maxBatch bounds one shared transaction of the inbox, so that its first delivery does not wait for thousands.
const maxBatch = 256

// maxText bounds each text of a delivery in bytes. Handlers take them from bodies of up to 25 MiB; the longest real one is a
// ref (GitHub allows 255 bytes a segment).
const maxText = 2048

// inbox collects concurrent deliveries into shared transactions: one disk flush makes many of them durable.
type inbox struct {
	store  *Store
	puts   chan putRequest
	closed chan struct{}
	wake   chan struct{}
}

type putRequest struct {
	delivery handlers.Delivery
	answer   chan putAnswer // buffered: the collector never waits for a caller that gave up
}

type putAnswer struct {
	receipt handlers.Receipt
	err     error
}

func newInbox(s *Store) *inbox {
	return &inbox{store: s, puts: make(chan putRequest), closed: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// Put makes one delivery durable and says what it is (handlers.Inbox). A delivery whose earlier work failed for good
// is stored again. When ctx ends first the error is ErrUnavailable although the row may become durable: the sender's
// repeat then finds it.
func (s *Store) Put(ctx context.Context, d handlers.Delivery) (handlers.Receipt, error) {
	r := putRequest{delivery: tidy(d), answer: make(chan putAnswer, 1)}
	select {
	case s.inbox.puts <- r:
	case <-s.inbox.closed:
		return "", handlers.ErrUnavailable
	case <-ctx.Done():
		return "", fmt.Errorf("%w: %w", handlers.ErrUnavailable, ctx.Err())
	}
	select {
	case a := <-r.answer:
		return a.receipt, a.err
	case <-ctx.Done():
		return "", fmt.Errorf("%w: %w", handlers.ErrUnavailable, ctx.Err())
	}
}

// DeliveriesWaiting receives a value after deliveries were stored; several stores may share one value. A worker claims
// until nothing is left, then waits for it (or for the time when the next failed one is due).
func (s *Store) DeliveriesWaiting() <-chan struct{} { return s.inbox.wake }

// collect owns the inbox until ctx ends. While one transaction is flushed, the next batch gathers at the channel.
func (in *inbox) collect(ctx context.Context) {
	defer close(in.closed)
	for {
		var batch []putRequest
		select {
		case r := <-in.puts:
			batch = append(batch, r)
		case <-ctx.Done():
			return
		}
	gather:
		for len(batch) < maxBatch {
			select {
			case r := <-in.puts:
				batch = append(batch, r)
			default:
				break gather
			}
		}
		in.commit(ctx, batch)
	}
}

// commit stores one batch and answers each request.
func (in *inbox) commit(ctx context.Context, batch []putRequest) {
	receipts := make([]handlers.Receipt, len(batch))
	stored := false
	err := in.store.Tx(ctx, "inbox.put", func(tx *sql.Tx) error {
		for i, r := range batch {
			var err error
			if receipts[i], err = in.store.put(ctx, tx, r.delivery); err != nil {
				return fmt.Errorf("store delivery %s of %s: %w", r.delivery.GUID, r.delivery.Source, err)
			}
			stored = stored || receipts[i] == handlers.ReceiptStored
		}
		return nil
	})
	for i, r := range batch {
		if err != nil {
			r.answer <- putAnswer{err: fmt.Errorf("%w: %w", handlers.ErrUnavailable, err)}
			continue
		}
		r.answer <- putAnswer{receipt: receipts[i]}
	}
	if err == nil && stored {
		in.poke()
	}
}

func (in *inbox) poke() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// State of a stored delivery.
const (
	deliveryWaiting  = "waiting"
	deliveryRunning  = "running"
	deliveryFinished = "finished"
	deliveryFailed   = "failed" // for good; the same delivery sent again starts anew
)

const insertDelivery = `
INSERT INTO deliveries (source, target, guid, body_hash, event, action, received_at, installation_id, repository_id, repository,
    ref, after_oid, sender, object_type, object_id, last_updated, request_id, netbox_user, activity, state, attempts, due_at, updated_at, error)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, 'waiting', 0, $20, $20, '')
ON CONFLICT (source, target, guid) DO NOTHING`

func (s *Store) put(ctx context.Context, tx *sql.Tx, d handlers.Delivery) (handlers.Receipt, error) {
	now := micros(s.now())
	activity, err := json.Marshal(d.Activity)
	if err != nil {
		return "", err
	}
	n, err := exec(ctx, tx, insertDelivery, d.Source, d.Target, d.GUID, d.BodyHash, d.Event, d.Action, micros(d.ReceivedAt),
		d.InstallationID, d.RepositoryID, d.Repository, d.Ref, d.After, d.Sender, d.ObjectType, d.ObjectID, d.LastUpdated,
		d.RequestID, d.User, string(activity), now)
	if err != nil {
		return "", err
	}
	if n == 1 {
		return handlers.ReceiptStored, nil
	}
	type known struct{ hash, event, state string }
	k, err := one(ctx, tx, func(scan scanner) (k known, err error) {
		return k, scan(&k.hash, &k.event, &k.state)
	}, `SELECT body_hash, event, state FROM deliveries WHERE source = $1 AND target = $2 AND guid = $3`, d.Source, d.Target, d.GUID)
	switch {
	case err != nil:
		return "", err
	case k.hash != d.BodyHash || k.event != d.Event:
		return handlers.ReceiptMismatch, nil
	case k.state == deliveryFinished:
		return handlers.ReceiptFinished, nil
	case k.state != deliveryFailed:
		return handlers.ReceiptPending, nil
	}
	_, err = exec(ctx, tx, `UPDATE deliveries SET state = 'waiting', attempts = 0, due_at = $4, updated_at = $4, error = ''
		WHERE source = $1 AND target = $2 AND guid = $3`, d.Source, d.Target, d.GUID, now)
	return handlers.ReceiptStored, err
}

// tidy makes the texts of a delivery storable everywhere: valid UTF-8 without NUL (PostgreSQL refuses both, and one
// bad row would fail the whole shared transaction), of bounded length.
func tidy(d handlers.Delivery) handlers.Delivery {
	for _, p := range []*string{&d.Source, &d.Target, &d.GUID, &d.BodyHash, &d.Event, &d.Action, &d.Repository, &d.Ref, &d.After,
		&d.Sender, &d.ObjectType, &d.LastUpdated, &d.RequestID, &d.User,
		&d.Activity.HeadSHA, &d.Activity.BaseRef, &d.Activity.ExternalID, &d.Activity.Identifier} {
		if len(*p) > maxText {
			*p = (*p)[:maxText]
		}
		*p = strings.ReplaceAll(strings.ToValidUTF8(*p, "\uFFFD"), "\x00", "\uFFFD")
	}
	d.Activity.Text = strings.ReplaceAll(strings.ToValidUTF8(d.Activity.Text, "\uFFFD"), "\x00", "\uFFFD")
	return d
}

var errNoDelivery = errors.New("no running delivery of that id")
