package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/handlers"
)

// A webhook is durable when Put returns; a cycle loads its fabric's ledger, which ends every older holder's right to save.
func Example() {
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{Database: "sqlite:" + filepath.Join(dir, "state.db")})
	if err != nil {
		panic(err)
	}
	defer s.Close()

	push := handlers.Delivery{Source: "github", Target: "1234", GUID: "72d3162e", BodyHash: "9f86d0", Event: "push"}
	for range 2 {
		receipt, err := s.Put(ctx, push)
		fmt.Println(receipt, err)
	}

	fabrics, err := s.SetFabrics(ctx, 7, []store.Fabric{{
		Pairing: store.Pairing{Connection: "default", NetBoxID: 1, RepositoryID: 7, Branch: "main", Directory: "gitops/fabric-1"},
		Policy:  gitops.DefaultFabric(),
	}}, nil)
	if err != nil {
		panic(err)
	}
	ledger := s.Ledger(fabrics[0].ID)
	old, _ := ledger.Load(ctx)
	newer, _ := ledger.Load(ctx)
	fmt.Println(ledger.Save(ctx, &gitops.Update{Epoch: newer.Epoch}))
	fmt.Println(ledger.Save(ctx, &gitops.Update{Epoch: old.Epoch}))
	// Output:
	// stored <nil>
	// pending <nil>
	// <nil>
	// fabric 1: ledger.save: another worker holds this fabric
}
