package gitops

import (
	"maps"
	"sort"
	"strings"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// NewState is the state of a pairing nobody has looked at yet.
func NewState() *State {
	return &State{
		NextConflict: 1,
		Resources:    map[Key]*Resource{}, Intents: map[string]*Intent{}, Conflicts: map[int]*Conflict{},
		Decisions: map[string]*Decision{}, Approvals: map[string]*Approval{}, Scope: map[string]int64{},
		Refusals: map[Key]*Refusal{}, Dropped: map[string]*Dropped{}, Overwritten: map[string]*Overwritten{},
		Proposed: map[string]*Proposed{}, Declined: map[string]*DeclinedValue{},
		Opaque: map[string]string{},
	}
}

// Apply makes u part of s, exactly as Ledger.Save stores it. What the maps point to is never changed in place, so
// that a State and its source may share it.
func (s *State) Apply(u *Update) {
	set(&s.Head, u.Head)
	set(&s.DirTree, u.DirTree)
	set(&s.ConfigBlob, u.ConfigBlob)
	set(&s.StaleSince, u.StaleSince)
	set(&s.Contact, u.Contact)
	set(&s.NextConflict, u.NextConflict)
	set(&s.Cursor, u.Cursor)
	set(&s.FullCompareAt, u.FullCompareAt)
	set(&s.Deletes, u.Deletes)
	set(&s.Undos, u.Undos)
	set(&s.Opaque, u.Opaque)
	set(&s.Direction, u.Direction)
	set(&s.MarkerSeen, u.MarkerSeen)
	for _, k := range u.DropResources {
		delete(s.Resources, k)
	}
	for _, r := range u.PutResources {
		s.Resources[r.Key] = r
	}
	for _, id := range u.DropIntents {
		delete(s.Intents, id)
	}
	for _, i := range u.PutIntents {
		s.Intents[i.ID] = i
	}
	for _, c := range u.PutConflicts {
		if c.Closed.IsZero() {
			s.Conflicts[c.Number] = c
		} else {
			delete(s.Conflicts, c.Number)
		}
	}
	for _, id := range u.DropDecisions {
		delete(s.Decisions, id)
	}
	for _, d := range u.PutDecisions {
		s.Decisions[d.ID] = d
	}
	for _, h := range u.DropApprovals {
		delete(s.Approvals, h)
	}
	for _, a := range u.PutApprovals {
		s.Approvals[a.Hash] = a
	}
	if u.Waiting != nil {
		s.Waiting = u.Waiting
		if len(u.Waiting.Actions) == 0 {
			s.Waiting = nil
		}
	}
	for _, k := range u.AddScope {
		s.Scope[k]++
	}
	for k, seq := range u.DoneScope {
		if s.Scope[k] <= seq {
			delete(s.Scope, k)
		}
	}
	for _, k := range u.DropRefusals {
		delete(s.Refusals, k)
	}
	for _, r := range u.PutRefusals {
		s.Refusals[r.Key] = r
	}
	for _, id := range u.DropDropped {
		delete(s.Dropped, id)
	}
	for _, d := range u.PutDropped {
		s.Dropped[pathID(d.Key, d.Path)] = d
	}
	for _, id := range u.DropOverwritten {
		delete(s.Overwritten, id)
	}
	for _, o := range u.PutOverwritten {
		s.Overwritten[o.id()] = o
	}
	for _, b := range u.DropProposed {
		delete(s.Proposed, b)
	}
	for _, p := range u.PutProposed {
		s.Proposed[p.Branch] = p
	}
	for _, id := range u.DropDeclined {
		delete(s.Declined, id)
	}
	for _, d := range u.PutDeclined {
		s.Declined[pathID(d.Key, d.Path)] = d
	}
	if u.EndPause {
		s.Pause = nil
	}
	if u.Pause != nil {
		s.Pause = u.Pause
	}
}

func set[T any](at *T, v *T) {
	if v != nil {
		*at = *v
	}
}

// Clone copies the maps; what they point to is shared, because it is never changed in place.
func (s *State) Clone() *State {
	c := *s
	c.Resources = maps.Clone(s.Resources)
	c.Intents = maps.Clone(s.Intents)
	c.Conflicts = maps.Clone(s.Conflicts)
	c.Decisions = maps.Clone(s.Decisions)
	c.Approvals = maps.Clone(s.Approvals)
	c.Scope = maps.Clone(s.Scope)
	c.Refusals = maps.Clone(s.Refusals)
	c.Dropped = maps.Clone(s.Dropped)
	c.Overwritten = maps.Clone(s.Overwritten)
	c.Proposed = maps.Clone(s.Proposed)
	c.Declined = maps.Clone(s.Declined)
	c.Opaque = maps.Clone(s.Opaque)
	return &c
}

// id names one value of one path in State.Overwritten: two values that were overwritten one after the other are kept
// both.
func (o *Overwritten) id() string {
	kind, _ := manifests.LookupKind(o.Key.Group, o.Key.Kind)
	at, _ := ParsePath(o.Path)
	value := o.Value
	if o.None {
		value = none
	}
	return pathID(o.Key, o.Path) + "=" + hashOf(kind, at, value)[:16]
}

// pathID names one path of one resource in the map Dropped and, with a value, in Overwritten.
func pathID(k Key, path string) string {
	return k.Group + "/" + k.Kind + "/" + k.Namespace + "/" + k.Name + "#" + path
}

// advance returns the resource with base moved at the paths: Git half from git, NetBox half from netbox. The empty
// path is the whole body.
func (r *Resource) advance(kind manifests.Kind, paths []string, git, netbox manifests.Object) *Resource {
	out := *r
	var g, n any = out.Git, out.NetBox
	if out.Git == nil {
		g = comparableBody(nil)
	}
	if out.NetBox == nil {
		n = comparableBody(nil)
	}
	for _, text := range paths {
		p, err := ParsePath(text)
		if err != nil {
			continue // written by Path.String of this program; a path that does not parse moves nothing
		}
		g = withPath(kind, g, p, lookup(kind, git, p))
		n = withPath(kind, n, p, lookup(kind, netbox, p))
		out.Unsettled = without(out.Unsettled, text)
	}
	out.Git, _ = g.(map[string]any)
	out.NetBox, _ = n.(map[string]any)
	return &out
}

// without removes the paths at or below path from a sorted list.
func without(list []string, path string) []string {
	var out []string
	for _, u := range list {
		if path == "" || u == path || strings.HasPrefix(u, path) && (u[len(path)] == '.' || u[len(path)] == '[') {
			continue
		}
		out = append(out, u)
	}
	sort.Strings(out)
	return out
}
