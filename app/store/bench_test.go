package store

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/handlers"
	"github.com/hnp-sync/hnp-sync/manifests"
)

// connection is a body as large as a typical Connection of the real input.
func connection(i int) manifests.Object {
	var links []any
	for l := range 2 {
		links = append(links, map[string]any{"server": map[string]any{"port": fmt.Sprintf("server-%05d/enp2s%d", i, l+1)},
			"switch": map[string]any{"port": fmt.Sprintf("leaf-%02d/E1/%d", i%20, l+1)}})
	}
	return manifests.Object{"spec": map[string]any{"mclag": map[string]any{"links": links, "mtu": json.Number("9036")}},
		"metadata": map[string]any{"labels": map[string]any{"fabric": "fabric-1", "rack": "r" + strconv.Itoa(i%40)}}}
}

func manyResources(n int) []*gitops.Resource {
	var out []*gitops.Resource
	for i := range n {
		name := fmt.Sprintf("server-%05d--mclag--leaf", i)
		out = append(out, &gitops.Resource{Key: gitops.Key{Group: "wiring.githedgehog.com", Kind: "Connection", Namespace: "default", Name: name},
			Exists: true, Git: connection(i), NetBox: connection(i), PK: int64(i + 1), LastUpdated: "2026-03-04T05:06:07.891234+00:00",
			File: "managed/connections/" + name + ".yaml", FileHash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
			BaseHead: "0af1e3c9d8b7a6958473625140f1e2d3c4b5a697", State: "in_sync", LastFileSync: testTime})
	}
	return out
}

// BenchmarkLoad10000 is a load of a ledger of 10,000 resources.
func BenchmarkLoad10000(b *testing.B) {
	s := openTest(b, Options{})
	l := s.Ledger(addFabrics(b, s, 1)[0])
	save(b, l, &gitops.Update{Epoch: loadState(b, l).Epoch, PutResources: manyResources(10_000)})
	b.ReportAllocs()
	for b.Loop() {
		if st := loadState(b, l); len(st.Resources) != 10_000 {
			b.Fatal(len(st.Resources))
		}
	}
}

// BenchmarkSave500 changes 500 of 10,000 resources with their intents in one durable transaction.
func BenchmarkSave500(b *testing.B) {
	s := openTest(b, Options{})
	l := s.Ledger(addFabrics(b, s, 1)[0])
	many := manyResources(10_000)
	epoch := loadState(b, l).Epoch
	save(b, l, &gitops.Update{Epoch: epoch, PutResources: many})
	for b.Loop() {
		save(b, l, &gitops.Update{Epoch: epoch, PutResources: many[:500]})
	}
}

// BenchmarkInbox compares the inbox with a bare loop of one write and one fsync per delivery on the same disk.
func BenchmarkInbox(b *testing.B) {
	b.Run("fsync loop", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "log"))
		if err != nil {
			b.Fatal(err)
		}
		row := make([]byte, 400)
		for b.Loop() {
			if _, err := f.Write(row); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	})
	for _, senders := range []int{1, 10, 50} {
		b.Run(strconv.Itoa(senders)+" senders", func(b *testing.B) {
			s := openTest(b, Options{Now: time.Now})
			var wg sync.WaitGroup
			next := make(chan int)
			for range senders {
				wg.Go(func() {
					for i := range next {
						if r, err := s.Put(b.Context(), delivery(strconv.Itoa(i))); err != nil || r != handlers.ReceiptStored {
							b.Error(r, err)
						}
					}
				})
			}
			n := 0
			for b.Loop() {
				next <- n
				n++
			}
			close(next)
			wg.Wait()
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}
