package jobs

import (
	"context"
	"errors"
	"slices"

	"go.uber.org/zap"

	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/handlers"
)

// errConfigurationMoved: the commit a cycle looks at holds another configuration than the one it was started with.
var errConfigurationMoved = errors.New("the configuration changed: it is read before the fabric is looked at again")

// watchedRepository notes heads, and stops a cycle whose policy is older than the commit it observes.
type watchedRepository struct {
	gitops.Repository
	rec *recording
	// configBlob is what was last read on the default branch; guard is false for a fabric on another branch, whose
	// commits may carry any version of the file.
	configBlob string
	guard      bool
}

func (w *watchedRepository) Observe(ctx context.Context) (*gitops.GitSnapshot, error) {
	snap, err := w.Repository.Observe(ctx)
	if err != nil {
		return nil, err
	}
	if w.guard && snap.ConfigBlob != w.configBlob {
		return nil, errConfigurationMoved
	}
	w.rec.mu.Lock()
	w.rec.head = snap.Head
	w.rec.mu.Unlock()
	return snap, nil
}

func (w *watchedRepository) Commit(ctx context.Context, req gitops.CommitRequest) (gitops.Commit, error) {
	c, err := w.Repository.Commit(ctx, req)
	if err == nil {
		w.rec.mu.Lock()
		w.rec.head = c.OID
		w.rec.commits++
		w.rec.mu.Unlock()
	}
	return c, err
}

// watchedInventory notes what listings and answers held.
type watchedInventory struct {
	gitops.Inventory
	rec        *recording
	connection string
	memory     *memory
	clock      Clock
}

func (w *watchedInventory) List(ctx context.Context, kinds []string) (map[string]*gitops.Listing, error) {
	at := w.clock.Now()
	out, err := w.Inventory.List(ctx, kinds)
	for kind, l := range out {
		if l == nil || l.Err != nil {
			continue
		}
		if l.At.IsZero() || l.At.After(at) {
			// Deliveries are timed by this clock: the listing must not look younger than it is.
			copied := *l
			copied.At = at
			l = &copied
		}
		w.rec.note(recorded{kind: kind, listing: l})
	}
	return out, err
}

func (w *watchedInventory) Write(ctx context.Context, batch gitops.Batch) gitops.BatchResult {
	res := w.Inventory.Write(ctx, batch)
	// Remembered at once: the feed may be read while the cycle still runs.
	w.memory.seenRequest(w.connection, res.RequestID, batch.Kind, w.clock.Now())
	for i, item := range res.Items {
		if item.Outcome != gitops.OutcomeDone || i >= len(batch.Items) {
			continue
		}
		if batch.Op == gitops.OpDelete {
			w.rec.note(recorded{kind: batch.Kind, pk: batch.Items[i].PK, gone: true})
		} else {
			w.rec.note(recorded{kind: batch.Kind, pk: item.Object.PK, lastUpdated: item.Object.LastUpdated})
		}
	}
	return res
}

// cycleOf makes one fabric ready, with everything its requests say noted in rec.
func (m *Manager) cycleOf(f store.Fabric, rec *recording) (*gitops.Cycle, error) {
	repo, err := m.Host.Directory(f)
	if err != nil {
		return nil, err
	}
	conn, ok := m.Connection(f.Connection)
	if !ok {
		return nil, &gitops.PermissionError{Code: "not_found", Message: "NetBox connection " + f.Connection + " is not in the server's configuration"}
	}
	inv, err := conn.Inventory(f)
	if err != nil {
		return nil, err
	}
	proposals, err := m.Host.Proposals(f)
	if err != nil {
		return nil, err
	}
	r, _ := m.memory.repository(f.RepositoryID)
	return &gitops.Cycle{
		Proposals:    proposals,
		ProposalText: proposalText,
		Repository:   &watchedRepository{Repository: repo, rec: rec, configBlob: r.ConfigBlob, guard: r.DefaultBranch == f.Branch},
		Inventory:    &watchedInventory{Inventory: inv, rec: rec, connection: f.Connection, memory: m.memory, clock: m.Clock},
		Ledger:       m.Store.Ledger(f.ID),
		Clock:        m.Clock,
		Fabric:       f.Policy,
		Problems:     m.Problems,
		Validate:     m.Validate,
		Check:        m.Check,
		NewOperation: m.NewOperation,
		Log:          cycleLog(m.fabricLog(f)),
		People:       m.Settings().People,
		Parse:        m.parsed.parse,
	}, nil
}

// cycleLog is the engine's log. The fabric is in every line already.
func cycleLog(log *zap.Logger) func(msg string, kv ...any) {
	sugared := log.Sugar()
	return func(msg string, kv ...any) {
		for i := 0; i+1 < len(kv); i += 2 {
			if kv[i] == handlers.FieldFabric {
				kv = slices.Delete(slices.Clone(kv), i, i+2)
				break
			}
		}
		sugared.Infow(msg, kv...)
	}
}
