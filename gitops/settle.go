package gitops

import (
	"fmt"
	"sort"
	"time"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// landed is what base becomes when an intent's write is known to have been carried out. git and netbox are the
// bodies the two sides held then: what was written on the one, what was planned on the other.
func (s *State) landed(i *Intent, netbox *NetBoxObject, now time.Time) *Update {
	u := &Update{}
	kind, _ := manifests.LookupKind(i.Key.Group, i.Key.Kind)
	r := s.Resources[i.Key]
	if i.Op == OpDelete {
		if r != nil {
			u.DropResources = append(u.DropResources, i.Key)
		}
		return u
	}
	if i.Op == OpCreate && i.Source == nil {
		return u // only one side holds it yet
	}
	git, other := i.Source, comparableBody(i.Body)
	if i.Side == SideGit {
		git, other = comparableBody(i.Body), i.Source
	}
	if netbox != nil {
		other = comparableBody(netbox.Body)
	}
	if r == nil {
		r = &Resource{Key: i.Key}
	}
	var paths []string
	for _, c := range i.Paths {
		if c.Path != "metadata.name" && c.Path != "metadata.namespace" && !c.Detached {
			paths = append(paths, c.Path)
		}
	}
	r = r.advance(kind, paths, git, other)
	r.Exists = true
	if netbox != nil {
		if r.PK == 0 || i.Op == OpCreate {
			r.PK = netbox.PK
		}
		if r.PK == netbox.PK {
			r.LastUpdated = netbox.LastUpdated
		}
	} else if i.PK != 0 {
		if r.PK == 0 || i.Op == OpCreate {
			r.PK = i.PK
		}
		if i.Op == OpCreate {
			r.LastUpdated = i.LastUpdated
		}
	}
	r.External = append(r.External[max(0, len(r.External)-19):len(r.External):len(r.External)], Modification{At: now, Source: i.Side.Other(), Fields: paths})
	if i.File != "" {
		r.File = i.File
		if i.Op == OpCreate {
			r.DocIndex = 0
		}
	}
	for _, c := range i.Paths {
		at, err := ParsePath(c.Path)
		if err != nil || c.Path == "" {
			continue
		}
		var kept []WrittenPath
		for _, w := range r.Written {
			if w.Path != c.Path || w.Side != i.Side {
				kept = append(kept, w)
			}
		}
		to := lookup(kind, any(other), at)
		if i.Side == SideGit {
			to = lookup(kind, any(git), at)
		}
		r.Written = append(kept, WrittenPath{Side: i.Side, Path: c.Path, From: hashOf(kind, at, c.from()), To: hashOf(kind, at, to), At: now})
	}
	if i.Op == OpRename && i.NewKey != r.Key {
		u.DropResources = append(u.DropResources, r.Key)
		r.Key = i.NewKey
	}
	u.PutResources = append(u.PutResources, r)
	return u
}

// overwrittenBy compares what our write replaced with what it was planned on (ENGINE 4): pre is the row before our
// write, as the change log has it. Only columns that were sent count.
func overwrittenBy(i *Intent, pre *NetBoxObject, now time.Time) []*Overwritten {
	if pre == nil || i.Op == OpCreate {
		return nil
	}
	kind, _ := manifests.LookupKind(i.Key.Group, i.Key.Kind)
	if i.Op == OpDelete {
		last := comparableBody(pre.Body)
		if same(kind, nil, any(map[string]any(i.Before)), any(map[string]any(last))) {
			return nil
		}
		return []*Overwritten{{Key: i.Key, Value: map[string]any(last), Wrote: hashOf(kind, nil, none), At: now}}
	}
	sent := map[string]bool{}
	for _, c := range i.Paths {
		if at, err := ParsePath(c.Path); err == nil {
			sent[columnOf(at)] = true
		}
	}
	key := i.Key
	if i.Op == OpRename {
		key = i.NewKey
	}
	body := comparableBody(i.Body)
	var out []*Overwritten
	differences(kind, nil, any(i.Before), any(comparableBody(pre.Body)), func(p Path, _, was any) {
		if !sent[columnOf(p)] {
			return
		}
		wrote := lookup(kind, any(body), p)
		if same(kind, p, wrote, was) {
			return
		}
		o := &Overwritten{Key: key, Path: p.String(), Wrote: hashOf(kind, p, wrote), At: now}
		o.Value, o.None = valueOrNone(was)
		out = append(out, o)
	})
	return out
}

// based tells whether base holds the resource.
func (s *State) based(k Key) bool {
	r := s.Resources[k]
	return r != nil && r.Exists
}

// deletedBetween is what is kept of a delete that a repeated create undid: the change log shows the object of the first
// create, base holds another one, so somebody deleted the first before the second was made.
func (s *State) deletedBetween(i *Intent, row *ChangeRow, now time.Time) []*Overwritten {
	if r := s.Resources[i.Key]; r.PK == row.PK || r.NewPK == row.PK {
		return nil
	}
	return []*Overwritten{{Key: i.Key, None: true, At: now}}
}

// differences calls f for each path at which a and b differ, as deep as both are maps or keyed lists.
func differences(kind manifests.Kind, p Path, a, b any, f func(p Path, a, b any)) {
	if same(kind, p, a, b) {
		return
	}
	am, aok := a.(map[string]any)
	bm, bok := b.(map[string]any)
	if aok && bok {
		for _, k := range unionKeys(am, bm) {
			differences(kind, p.field(k), at(am, k), at(bm, k), f)
		}
		return
	}
	al, aok := a.([]any)
	bl, bok := b.([]any)
	if rule, ok := kind.ListAt(p.names()); ok && aok && bok && rule.Type != manifests.ListAtomic {
		ka, ok1 := keyed(rule, al)
		kb, ok2 := keyed(rule, bl)
		if ok1 && ok2 && (!rule.Ordered || equalKeys(ka.keys, kb.keys)) {
			for _, k := range unionKeys(ka.items, kb.items) {
				differences(kind, p.item(k), at(ka.items, k), at(kb.items, k), f)
			}
			return
		}
	}
	f(p, a, b)
}

// settleGit decides the open Git intents by the history that was just read (ENGINE 3): the trailer in planned
// head..new head means landed; a moved head without it means the write can never land, because its expected head is
// gone; an unmoved head leaves it open, and a second commit on the same head excludes the first. Where history was
// rewritten the commit may have been dropped again, and nothing tells.
func (s *State) settleGit(commits []Commit, head string, rewritten bool, now time.Time) *Update {
	u := &Update{}
	index := map[string]int{}
	byOperation := map[string]int{}
	for n, c := range commits {
		index[c.OID] = n
		if op := OperationTrailer(c.Message); op != "" {
			byOperation[op] = n
		}
	}
	for _, i := range s.sortedIntents() {
		if i.Side != SideGit || i.Undecidable {
			continue
		}
		planned, known := index[i.Head]
		at, found := byOperation[i.Operation]
		switch {
		case found && (!known || at < planned):
			u.merge(s.landed(i, nil, now))
			u.DropIntents = append(u.DropIntents, i.ID)
			if i.Op == OpDelete {
				u.deleted(s, i.Side.Other(), i.Key, now)
			}
		case head == i.Head && !rewritten:
			// Still open.
		case known && !rewritten:
			u.DropIntents = append(u.DropIntents, i.ID)
		default:
			c := *i
			c.Undecidable = true
			u.PutIntents = append(u.PutIntents, &c)
		}
	}
	return u
}

// deleted counts a delete that was carried out, for the guard.
func (u *Update) deleted(s *State, from Side, k Key, now time.Time) {
	var list []DoneDelete
	old := s.Deletes
	if u.Deletes != nil {
		old = *u.Deletes
	}
	for _, d := range old {
		if now.Sub(d.At) < guardWindow {
			list = append(list, d)
		}
	}
	list = append(list, DoneDelete{From: from, Key: k, At: now})
	u.Deletes = &list
}

func (s *State) sortedIntents() []*Intent {
	ids := make(map[string]bool, len(s.Intents))
	for id := range s.Intents {
		ids[id] = true
	}
	var out []*Intent
	for _, id := range sortedKeys(ids) {
		out = append(out, s.Intents[id])
	}
	return out
}

// merge adds the resources of o; later puts win.
func (u *Update) merge(o *Update) {
	u.DropResources = append(u.DropResources, o.DropResources...)
	u.PutResources = append(u.PutResources, o.PutResources...)
	u.PutIntents = append(u.PutIntents, o.PutIntents...)
	u.DropIntents = append(u.DropIntents, o.DropIntents...)
	u.PutOverwritten = append(u.PutOverwritten, o.PutOverwritten...)
	u.DropDecisions = append(u.DropDecisions, o.DropDecisions...)
	u.PutRefusals = append(u.PutRefusals, o.PutRefusals...)
	u.DropRefusals = append(u.DropRefusals, o.DropRefusals...)
	u.PutDeclined = append(u.PutDeclined, o.PutDeclined...)
	u.DropProposed = append(u.DropProposed, o.DropProposed...)
	u.PutProposed = append(u.PutProposed, o.PutProposed...)
}

// Approve is the update by which a person lets through exactly what waits under hash: guarded actions, a pairing, or
// a pause. The next cycle acts on it.
func (s *State) Approve(hash, by string, now time.Time) (*Update, error) {
	a := &Approval{Hash: hash, By: by, At: now}
	switch {
	case hash == "":
		return nil, fmt.Errorf("approve needs the hash that the status shows")
	case s.Waiting != nil && s.Waiting.Hash == hash:
		for _, w := range s.Waiting.Actions {
			a.Fingerprints = append(a.Fingerprints, w.Fingerprint)
		}
	case s.Pause != nil && s.Pause.Hash == hash:
	case s.Waiting != nil:
		return nil, fmt.Errorf("nothing waits under %q; what waits now is %s", hash, s.Waiting.Hash)
	default:
		return nil, fmt.Errorf("nothing waits under %q", hash)
	}
	return &Update{PutApprovals: []*Approval{a}}, nil
}

// endPause is the update that ends an approved pause, nil when there is none. After a suspected restore or a second App
// base counts as absent (ENGINE 15); a waiting pairing had none.
func (s *State) endPause() *Update {
	if s.Pause == nil || s.Approvals[s.Pause.Hash] == nil {
		return nil
	}
	u := &Update{EndPause: true}
	if s.Pause.Code != PausePairing {
		for _, k := range sortedResources(s) {
			u.PutResources = append(u.PutResources, s.Resources[k].forget())
		}
		u.Cursor = &Cursor{}
	}
	return u
}

func sortedResources(s *State) []Key {
	keys := make([]Key, 0, len(s.Resources))
	for k := range s.Resources {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i].Less(keys[j]) })
	return keys
}
