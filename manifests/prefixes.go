package manifests

import (
	"net/netip"
	"slices"
)

// placedPrefix is a subnet with the caller's number for the place where it is written.
type placedPrefix struct {
	netip.Prefix
	index int
}

// overlap is a pair of subnets that share addresses; later is the one with the higher index.
type overlap struct{ later, earlier placedPrefix }

// overlaps finds, for each subnet that shares addresses with one before it in address order, one such pair. Prefixes
// either nest or are disjoint, so one pass over the sorted list with a stack of the enclosing ones finds them all. The
// prefixes must be masked. The result is sorted by the index of later.
func overlaps(prefixes []placedPrefix) []overlap {
	sorted := slices.Clone(prefixes)
	slices.SortFunc(sorted, func(a, b placedPrefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		if a.Bits() != b.Bits() {
			return a.Bits() - b.Bits()
		}
		return a.index - b.index
	})
	var found []overlap
	var open []placedPrefix
	for _, p := range sorted {
		for len(open) > 0 && !open[len(open)-1].Overlaps(p.Prefix) {
			open = open[:len(open)-1]
		}
		if len(open) > 0 {
			earlier, later := open[len(open)-1], p
			if later.index < earlier.index {
				earlier, later = later, earlier
			}
			found = append(found, overlap{later: later, earlier: earlier})
		}
		open = append(open, p)
	}
	slices.SortFunc(found, func(a, b overlap) int {
		if a.later.index != b.later.index {
			return a.later.index - b.later.index
		}
		return a.earlier.index - b.earlier.index
	})
	return found
}
