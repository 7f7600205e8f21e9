package repo

import (
	"container/list"
	"sync"
)

// BlobCache holds the content of Git blobs by object id. An object id names one content for ever, so an entry is
// never stale and may be shared by all repositories: an id is only looked up after a tree of the asking repository
// named it. Callers and the cache share the bytes; nobody changes them. Safe for concurrent use. A cache may forget.
type BlobCache interface {
	// Get returns the content of a blob; false when it is not held. An empty blob is held with empty data.
	Get(oid string) ([]byte, bool)
	// Put stores the verified content of a blob.
	Put(oid string, data []byte)
}

// DefaultCacheBytes bounds the memory cache an App makes for itself: about 30,000 manifests of 2 kB.
const DefaultCacheBytes = 64 << 20

// entryOverhead is what one entry costs beside its data (list element, map slot, key), roughly.
const entryOverhead = 200

// MemoryCache is a BlobCache that keeps the most recently used blobs within a number of bytes.
type MemoryCache struct {
	mu    sync.Mutex
	max   int64
	used  int64
	order *list.List // of *cached, most recently used first
	byOID map[string]*list.Element
}

type cached struct {
	oid  string
	data []byte
}

// NewMemoryCache makes a cache of at most maxBytes, contents and bookkeeping together.
func NewMemoryCache(maxBytes int64) *MemoryCache {
	return &MemoryCache{max: maxBytes, order: list.New(), byOID: map[string]*list.Element{}}
}

// Get implements BlobCache.
func (c *MemoryCache) Get(oid string) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, found := c.byOID[oid]
	if !found {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).data, true
}

// Put implements BlobCache. A blob larger than a quarter of the cache is not kept.
func (c *MemoryCache) Put(oid string, data []byte) {
	cost := int64(len(data)) + entryOverhead
	if cost > c.max/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, found := c.byOID[oid]; found {
		c.order.MoveToFront(e)
		return
	}
	c.byOID[oid] = c.order.PushFront(&cached{oid, data})
	for c.used += cost; c.used > c.max; {
		oldest := c.order.Back()
		gone := c.order.Remove(oldest).(*cached)
		delete(c.byOID, gone.oid)
		c.used -= int64(len(gone.data)) + entryOverhead
	}
}
