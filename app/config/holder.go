package config

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// Holder is the configuration of a running server. It is safe for concurrent use; what Get returned never changes.
type Holder struct {
	path    string
	env     []string
	mu      sync.Mutex // one reload at a time
	current atomic.Pointer[Config]
}

// NewHolder loads the configuration for the first time. What Unserved lists is refused, here and by Reload.
func NewHolder(path string, env []string) (*Holder, error) {
	c, err := loadServed(path, env)
	if err != nil {
		return nil, err
	}
	h := &Holder{path: path, env: env}
	h.current.Store(c)
	return h, nil
}

// loadServed refuses what a server would ignore.
func loadServed(path string, env []string) (*Config, error) {
	c, err := Load(path, env)
	if err != nil {
		return nil, err
	}
	if problems := c.Unserved(); len(problems) > 0 {
		return nil, problems
	}
	return c, nil
}

// Get is the newest valid configuration.
func (h *Holder) Get() *Config { return h.current.Load() }

// Reload reads the file and its secrets again. An invalid one is refused: the error says why, and the old one stays.
// What cannot change while the server runs (NeedsRestart) keeps its old value; the keys are returned for the log.
func (h *Holder) Reload() (restart []string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, err := loadServed(h.path, h.env)
	if err != nil {
		return nil, fmt.Errorf("the old configuration stays: %w", err)
	}
	old := h.current.Load()
	restart = NeedsRestart(old, c)
	c.Listen, c.Database = old.Listen, old.Database
	h.current.Store(c)
	return restart, nil
}

// NeedsRestart lists the changed keys that a reload cannot apply.
func NeedsRestart(old, c *Config) []string {
	var out []string
	if old.Listen != c.Listen {
		out = append(out, "listen")
	}
	if old.Database != c.Database {
		out = append(out, "database")
	}
	return out
}
