package githubtest

import (
	"sort"
)

// Walks through history.

// history walks the commits reachable from tips, newest commit date first;
// visit answers false to stop.
func (r *gitRepo) history(tips []string, visit func(*commit) bool) error {
	seen := map[string]bool{}
	var heap []*commit
	push := func(oid string) error {
		if seen[oid] {
			return nil
		}
		seen[oid] = true
		c, err := r.commit(oid)
		if err != nil {
			return err
		}
		i := sort.Search(len(heap), func(i int) bool { return heap[i].committer.when.Before(c.committer.when) })
		heap = append(heap, nil)
		copy(heap[i+1:], heap[i:])
		heap[i] = c
		return nil
	}
	for _, tip := range tips {
		if err := push(tip); err != nil {
			return err
		}
	}
	for len(heap) > 0 {
		c := heap[0]
		heap = heap[1:]
		if !visit(c) {
			return nil
		}
		for _, p := range c.parents {
			if err := push(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// isAncestor says whether old is reachable from tip.
func (r *gitRepo) isAncestor(old, tip string) (bool, error) {
	found := false
	err := r.history([]string{tip}, func(c *commit) bool {
		found = found || c.oid == old
		return !found
	})
	return found, err
}

// reachable is the set of commits reachable from tip.
func (r *gitRepo) reachable(tip string) (map[string]bool, error) {
	out := map[string]bool{}
	err := r.history([]string{tip}, func(c *commit) bool { out[c.oid] = true; return true })
	return out, err
}

// between lists the commits reachable from tip and not from base, oldest
// first; an empty base excludes nothing.
func (r *gitRepo) between(base, tip string) ([]*commit, error) {
	have := map[string]bool{}
	if k, err := r.commit(tip); err == nil && len(k.parents) == 1 && k.parents[0] == base {
		return []*commit{k}, nil // one commit on top, the usual push
	}
	if base != "" && base != zeroOID {
		var err error
		if have, err = r.reachable(base); err != nil {
			return nil, err
		}
	}
	var out []*commit
	err := r.history([]string{tip}, func(c *commit) bool {
		if !have[c.oid] {
			out = append(out, c)
		}
		return true
	})
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out, err
}
