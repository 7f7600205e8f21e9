package gitops

import (
	"sort"
	"strings"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// flow is one path to be copied to one side.
type flow struct {
	path Path
	to   Side
	from any // what the target holds, may be none
	to1  any // what it shall hold, may be none
	// decision is the person's choice that made this flow, empty when the merge itself did.
	decision string
	// why is the reason shown with the action.
	why string
	// detached flows write a value that the other side does not hold: base stays as it is.
	detached bool
}

// agreed is a path at which both observations of this cycle hold the same value: base becomes the pair.
type agreed struct {
	path        Path
	git, netbox any
}

// clash is a path that must not be written.
type clash struct {
	path                 Path
	code                 ConflictCode
	baseGit, git, netbox any
	message              string
}

// merger merges one resource's body three ways, path by path. It collects and never writes; the zero funcs mean
// "no such thing". Base is a pair of halves: a side has changed only if it differs from its own half (ENGINE 1).
type merger struct {
	kind manifests.Kind
	// first is true when there is no base: equal paths are adopted, all others are conflicts (ENGINE 14).
	first bool
	// unsettled are the paths whose base is unknown, because first contact found them unequal.
	unsettled map[string]bool
	// direction of a path, and whether the open side wins a conflict (ENGINE 21).
	direction func(p Path) (Direction, bool)
	// splits is true when some rule selects fields, so that a container may hold paths of several directions.
	splits bool
	// decision looks up a person's choice bound to these values: the side to keep, and the decision's id.
	decision func(p Path, base, git, netbox any) (Side, string)
	// dropped tells that Git's value is an old one that a rewritten history brought back (ENGINE 13).
	dropped func(p Path, git any) bool
	// held gives a reason for which a path must not flow although only one side changed (fight, unknown outcome).
	held func(p Path) (ConflictCode, string)
	// prefer decides first-contact conflicts when the configuration says so (ENGINE 14); empty otherwise.
	prefer Side
	// whole is true when a person is asked about everything that both sides changed (ENGINE 23).
	whole bool

	flows   []flow
	agreed  []agreed
	clashes []clash
	// later is true when something of the resource flows only after what is in flows.
	later bool
}

// merge walks the whole body.
func (m *merger) merge(baseGit, baseNetBox, git, netbox any) {
	m.value(nil, baseGit, baseNetBox, git, netbox, m.first)
}

func (m *merger) value(p Path, bG, bN, g, n any, first bool) {
	if !first && len(m.unsettled) > 0 && m.unsettled[p.String()] {
		first = true
	}
	unchanged := !first && same(m.kind, p, g, bG) && same(m.kind, p, n, bN)
	if unchanged && !m.unsettledBelow(p) {
		return
	}
	if same(m.kind, p, g, n) {
		if !unchanged || m.unsettledBelow(p) {
			m.agreed = append(m.agreed, agreed{p, g, n})
		}
		return
	}
	gm, gIsMap := g.(map[string]any)
	nm, nIsMap := n.(map[string]any)
	if gIsMap && nIsMap && (first || mapOrNone(bG) && mapOrNone(bN)) {
		bgm, _ := bG.(map[string]any)
		bnm, _ := bN.(map[string]any)
		for _, k := range unionKeys(gm, nm, bgm, bnm) {
			m.value(p.field(k), at(bgm, k), at(bnm, k), at(gm, k), at(nm, k), first)
		}
		return
	}
	if gl, ok := g.([]any); ok {
		if nl, ok := n.([]any); ok && m.list(p, bG, bN, gl, nl, first) {
			return
		}
	}
	m.leaf(p, bG, bN, g, n, first)
}

func mapOrNone(v any) bool {
	_, ok := v.(map[string]any)
	return ok || isNone(v)
}

func at(m map[string]any, k string) any {
	if v, ok := m[k]; ok && v != nil {
		return v
	}
	return none
}

func unionKeys(ms ...map[string]any) []string {
	seen := map[string]bool{}
	var keys []string
	for _, m := range ms {
		for k := range m {
			if !seen[k] {
				seen[k] = true
				keys = append(keys, k)
			}
		}
	}
	sort.Strings(keys)
	return keys
}

// list merges two lists per item when the registry declares keys and they are present and unique on all sides
// (ENGINE 7). It answers false when the list is one field.
func (m *merger) list(p Path, bG, bN any, g, n []any, first bool) bool {
	rule, ok := m.kind.ListAt(p.names())
	if !ok || rule.Type == manifests.ListAtomic {
		return false
	}
	bgl, okBG := listOrNone(bG)
	bnl, okBN := listOrNone(bN)
	if !okBG || !okBN {
		return false
	}
	kg, ok1 := keyed(rule, g)
	kn, ok2 := keyed(rule, n)
	kbg, ok3 := keyed(rule, bgl)
	kbn, ok4 := keyed(rule, bnl)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return false
	}
	if rule.Ordered {
		// Order is part of the value: items merge inside only while neither side changed membership or order.
		if first {
			if !equalKeys(kg.keys, kn.keys) {
				return false
			}
		} else {
			git, netbox := !equalKeys(kg.keys, kbg.keys), !equalKeys(kn.keys, kbn.keys)
			switch {
			case git && netbox:
				return false
			case git:
				return m.reordered(p, kbg, kbn, kg, kn, SideGit)
			case netbox:
				return m.reordered(p, kbg, kbn, kg, kn, SideNetBox)
			}
		}
	} else if !first && m.movedItems(p, kbg, kbn, kg, kn) {
		m.leaf(p, bG, bN, g, n, first)
		return true
	}
	for _, k := range unionKeys(kg.items, kn.items, kbg.items, kbn.items) {
		m.value(p.item(k), at(kbg.items, k), at(kbn.items, k), at(kg.items, k), at(kn.items, k), first)
	}
	return true
}

// reordered handles an order-significant list whose membership or order moved on one side only. What the other side
// changed inside items flows there first; the list itself follows with the next plan, when only one side differs from
// base any more: written together, a crash between the two writes would leave base with half of an edit. It answers
// false when the list is one field: nothing changed on the other side, an item that is gone was edited, or the fields
// do not merge.
func (m *merger) reordered(p Path, kbg, kbn, kg, kn keyedList, moved Side) bool {
	if m.whole {
		return false
	}
	still, base, mover := kn, kbn, kg
	if moved == SideNetBox {
		still, base, mover = kg, kbg, kn
	}
	inner := *m
	inner.flows, inner.agreed, inner.clashes = nil, nil, nil
	changed := false
	for _, k := range still.keys {
		if same(m.kind, p.item(k), still.items[k], at(base.items, k)) {
			continue
		}
		changed = true
		if _, ok := mover.items[k]; !ok {
			return false
		}
		inner.value(p.item(k), at(kbg.items, k), at(kbn.items, k), at(kg.items, k), at(kn.items, k), false)
	}
	if !changed || len(inner.clashes) > 0 {
		return false
	}
	for _, f := range inner.flows {
		if f.to == moved {
			m.flows = append(m.flows, f)
		}
	}
	m.agreed = append(m.agreed, inner.agreed...)
	m.later = true
	return true
}

// movedItems tells whether merging per item could make one thing into two, or none: the three cases of ENGINE 7.
func (m *merger) movedItems(p Path, kbg, kbn, kg, kn keyedList) bool {
	removedG, removedN := minus(kbg, kg), minus(kbn, kn)
	addedG, addedN := minus(kg, kbg), minus(kn, kbn)
	bothRemoved, bothAdded := intersects(removedG, removedN), intersects(addedG, addedN)
	if bothRemoved && !equalSets(addedG, addedN) {
		return true
	}
	if bothAdded && !equalSets(removedG, removedN) {
		return true
	}
	for k := range removedG {
		if v, ok := kn.items[k]; ok && !same(m.kind, p.item(k), v, at(kbn.items, k)) {
			return true
		}
	}
	for k := range removedN {
		if v, ok := kg.items[k]; ok && !same(m.kind, p.item(k), v, at(kbg.items, k)) {
			return true
		}
	}
	return false
}

func listOrNone(v any) ([]any, bool) {
	if isNone(v) {
		return nil, true
	}
	l, ok := v.([]any)
	return l, ok
}

func minus(a, b keyedList) map[string]bool {
	out := map[string]bool{}
	for _, k := range a.keys {
		if _, ok := b.items[k]; !ok {
			out[k] = true
		}
	}
	return out
}

func intersects(a, b map[string]bool) bool {
	for k := range a {
		if b[k] {
			return true
		}
	}
	return false
}

func equalSets(a, b map[string]bool) bool {
	if len(a) != len(b) {
		return false
	}
	for k := range a {
		if !b[k] {
			return false
		}
	}
	return true
}

func equalKeys(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (m *merger) unsettledBelow(p Path) bool {
	if len(m.unsettled) == 0 {
		return false
	}
	text := p.String()
	if text == "" {
		return true
	}
	for u := range m.unsettled {
		if u == text || strings.HasPrefix(u, text) && (u[len(text)] == '.' || u[len(text)] == '[') {
			return true
		}
	}
	return false
}

// leaf decides one path at which the sides differ.
func (m *merger) leaf(p Path, bG, bN, g, n any, first bool) {
	first = first || m.unsettledBelow(p)
	gitSame := !first && same(m.kind, p, g, bG)
	netboxSame := !first && same(m.kind, p, n, bN)

	if m.decision != nil {
		if side, id := m.decision(p, bG, g, n); id != "" {
			m.flow(p, side.Other(), g, n, id, "decided: keep "+sideName(side))
			return
		}
	}
	dir, enforce := Bidirectional, false
	if m.direction != nil {
		if m.splits && m.split(p, bG, bN, g, n, first) {
			return
		}
		dir, enforce = m.direction(p)
	}
	clash := func(code ConflictCode, message string) {
		m.clashes = append(m.clashes, clash{p, code, bG, g, n, message})
	}
	switch {
	case dir == Disabled:
		clash(DriftCode, "synchronisation of this path is disabled")
	case first && m.prefer != "":
		m.flow(p, m.prefer.Other(), g, n, "", "first import: "+sideName(m.prefer)+" wins")
	case !gitSame && !netboxSame && enforce && dir == GitToGUI:
		m.flow(p, SideNetBox, g, n, "", "direction git_to_gui is enforced")
	case !gitSame && !netboxSame && enforce && dir == GUIToGit:
		m.flow(p, SideGit, g, n, "", "direction gui_to_git is enforced")
	case first:
		clash(BothExist, "both sides have it, with different values, and no common base is known")
	case !gitSame && m.dropped != nil && m.dropped(p, g):
		clash(HistoryRewritten, "the branch's history was rewritten and Git holds an older value")
	case gitSame && dir == GitToGUI:
		clash(DriftCode, "changed in NetBox, and the direction is git_to_gui")
	case netboxSame && dir == GUIToGit:
		clash(DriftCode, "changed in Git, and the direction is gui_to_git")
	case gitSame || netboxSame:
		if m.held != nil {
			if code, message := m.held(p); code != "" {
				clash(code, message)
				return
			}
		}
		to, why := SideNetBox, "changed in Git"
		if gitSame {
			to, why = SideGit, "changed in NetBox"
		}
		m.flow(p, to, g, n, "", why)
	case (isNone(g) || isNone(n)) && !isNone(bG):
		clash(DeleteEdit, "removed on one side and changed on the other")
	default:
		clash(ConcurrentModification, "changed on both sides to different values")
	}
}

// split descends into a container that only one side has, when field rules may give its parts different directions.
func (m *merger) split(p Path, bG, bN, g, n any, first bool) bool {
	gm, gok := g.(map[string]any)
	nm, nok := n.(map[string]any)
	if !gok && !nok || !gok && !isNone(g) || !nok && !isNone(n) || !mapOrNone(bG) || !mapOrNone(bN) {
		return false
	}
	whole, _ := m.direction(p)
	if m.uniform(p, g, whole) && m.uniform(p, n, whole) {
		return false
	}
	keys := unionKeys(gm, nm)
	bgm, _ := bG.(map[string]any)
	bnm, _ := bN.(map[string]any)
	for _, k := range keys {
		m.value(p.field(k), at(bgm, k), at(bnm, k), at(gm, k), at(nm, k), first)
	}
	return true
}

// uniform tells whether everything at and below p in v has the direction whole.
func (m *merger) uniform(p Path, v any, whole Direction) bool {
	if d, _ := m.direction(p); d != whole {
		return false
	}
	c, _ := v.(map[string]any)
	for k, x := range c {
		if !m.uniform(p.field(k), x, whole) {
			return false
		}
	}
	return true
}

func (m *merger) flow(p Path, to Side, g, n any, decision, why string) {
	f := flow{path: p, to: to, decision: decision, why: why}
	if to == SideGit {
		f.from, f.to1 = g, forGit(n)
	} else {
		f.from, f.to1 = n, g
	}
	m.flows = append(m.flows, f)
}

func sideName(s Side) string {
	if s == SideGit {
		return "Git"
	}
	return "NetBox"
}

// touches tells whether something at, above or below the path is to be written.
func (m *merger) touches(p Path) bool {
	for _, f := range m.flows {
		n := min(len(f.path), len(p))
		if samePath(f.path[:n], p[:n]) {
			return true
		}
	}
	return false
}

func samePath(a, b Path) bool {
	for i := range a {
		if a[i].Name != b[i].Name {
			return false
		}
	}
	return len(a) == len(b)
}
