package jobs

import (
	"fmt"
	"testing"

	"github.com/hnp-sync/hnp-sync/gitops"
)

func TestParseCacheIsBoundedAndShares(t *testing.T) {
	t.Parallel()
	c := newParseCache(4000)
	entry := func(i int) *gitops.TreeEntry {
		return &gitops.TreeEntry{OID: fmt.Sprintf("%040d", i), Data: []byte(fmt.Sprintf("apiVersion: v1\nkind: X\nmetadata: {name: n-%03d}\n", i))}
	}
	first, _ := c.parse("a.yaml", entry(1))
	if again, _ := c.parse("a.yaml", entry(1)); again != first {
		t.Error("the same blob was parsed twice")
	}
	if other, _ := c.parse("b.yaml", entry(1)); other == first {
		t.Error("a blob under another path shares its places")
	}
	if other, _ := c.parse("a.yaml", entry(2)); other == first {
		t.Error("another blob is taken for the first")
	}
	for i := range 500 {
		c.parse("a.yaml", entry(i))
	}
	total := 0
	for _, p := range c.files {
		total += p.bytes
	}
	if c.bytes > 4000 || c.bytes != total || len(c.files) < 40 {
		t.Errorf("%d files of %d bytes, counted as %d", len(c.files), total, c.bytes)
	}
	big := &gitops.TreeEntry{OID: "big", Data: make([]byte, 3000)}
	c.parse("big.yaml", big)
	if _, kept := c.files[parsedKey{"big.yaml", "big"}]; kept {
		t.Error("one large file takes most of the cache")
	}
}
