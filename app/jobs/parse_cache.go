package jobs

import (
	"sync"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/manifests"
)

// maxParsedBytes bounds the source text whose parsed form is kept. Measured: a parsed manifest of 300 bytes holds 18 kB
// of memory, 63 times its source, so this is about 48 MB; parsing one anew costs 175 µs.
const maxParsedBytes = 768 << 10

// parseCache keeps parsed files by path and object id, for all fabrics. It is safe for concurrent use; what it returns
// is shared and must not be changed.
type parseCache struct {
	mu    sync.Mutex
	files map[parsedKey]parsed
	bytes int
	max   int
}

type parsedKey struct{ path, oid string }

type parsed struct {
	file        *manifests.File
	diagnostics []manifests.Diagnostic
	bytes       int
}

func newParseCache(max int) *parseCache {
	return &parseCache{files: map[parsedKey]parsed{}, max: max}
}

// parse is a gitops.Parser.
func (c *parseCache) parse(path string, e *gitops.TreeEntry) (*manifests.File, []manifests.Diagnostic) {
	key := parsedKey{path, e.OID}
	c.mu.Lock()
	p, ok := c.files[key]
	c.mu.Unlock()
	if ok {
		return p.file, p.diagnostics
	}
	p.file, p.diagnostics = manifests.Parse(path, e.Data)
	p.bytes = len(e.Data)
	if e.OID != "" && p.bytes <= c.max/8 {
		c.put(key, p)
	}
	return p.file, p.diagnostics
}

// put keeps a file. Whatever is in the way goes, in no order: every cycle reads all files of its fabric in turn, where
// throwing out the least recently used would keep nothing of a fabric larger than the cache.
func (c *parseCache) put(key parsedKey, p parsed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.files[key]; ok {
		return
	}
	for old, gone := range c.files {
		if c.bytes+p.bytes <= c.max {
			break
		}
		delete(c.files, old)
		c.bytes -= gone.bytes
	}
	c.files[key] = p
	c.bytes += p.bytes
}
