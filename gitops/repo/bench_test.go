package repo

import (
	"fmt"
	"testing"
)

// BenchmarkSnapshot is the cost of our side of one observation of 10,000 files that are all known: decode the tree,
// look the contents up, build the snapshot.
func BenchmarkSnapshot(b *testing.B) {
	app, err := NewApp(Config{AppID: 1, PrivateKey: testKey()})
	if err != nil {
		b.Fatal(err)
	}
	defer app.Close()
	r := &Repository{app: app}
	body := []byte(`{"truncated":false,"tree":[`)
	for i := range 10_000 {
		data := []byte(vpc(i))
		oid := blobOID(data, headOID)
		app.cache.Put(oid, data)
		if i > 0 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, `{"path":"managed/vpcs/vpc-%d.yaml","mode":"100644","type":"blob","sha":%q,"size":%d,"url":"https://api.github.com/repos/acme/fabric/git/blobs/%s"}`, i, oid, len(data), oid)
	}
	body = append(body, "]}"...)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		files, _, _, err := decodeTree("read tree", "", body)
		if err != nil {
			b.Fatal(err)
		}
		contents, err := r.contents(b.Context(), files, nil)
		if err != nil {
			b.Fatal(err)
		}
		if n := len(snapshotEntries(files, contents)); n != 10_000 {
			b.Fatal(n)
		}
	}
}
