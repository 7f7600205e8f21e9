package gitops

// This file joins base, Git and NetBox into one pair per resource.

import (
	"sort"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// pair is one resource seen on all three places, whatever its name is there.
type pair struct {
	base   *Resource // nil: no base
	git    *GitResource
	netbox *NetBoxObject
	key    Key // the name it is spoken of: base's, else the one side's
}

// pairs joins base, Git and NetBox by identity, then by primary key and file where something was renamed (ENGINE 9).
func (p *planner) pairs() []pair {
	in := p.in
	base := map[Key]*Resource{}
	for k, r := range in.State.Resources {
		if r.Exists {
			base[k] = r
		}
	}
	keys := map[Key]bool{}
	for k := range base {
		keys[k] = true
	}
	for k := range in.Git.Resources {
		keys[k] = true
	}
	for k := range in.Git.Duplicates {
		keys[k] = true
	}
	for k := range in.NetBox.ByKey {
		keys[k] = true
	}
	sorted := make([]Key, 0, len(keys))
	for k := range keys {
		if p.comparable(k) {
			sorted = append(sorted, k)
		}
	}
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].Less(sorted[j]) })

	inGit := func(k Key) bool {
		_, a := in.Git.Resources[k]
		_, b := in.Git.Duplicates[k]
		return a || b
	}
	taken := map[Key]bool{}
	var out []pair
	for _, k := range sorted {
		r := base[k]
		if r == nil {
			continue
		}
		pr := pair{base: r, key: k, git: in.Git.Resources[k]}
		if all := in.NetBox.ByKey[k]; len(all) == 1 {
			pr.netbox = all[0]
		}
		if len(in.NetBox.ByKey[k]) == 0 {
			if o := in.NetBox.ByPK[k.Kind][r.PK]; o != nil && o.Key != k && !taken[o.Key] && base[o.Key] == nil && len(in.NetBox.ByKey[o.Key]) == 1 &&
				(!inGit(o.Key) || !inGit(k)) && in.Git.Duplicates[o.Key] == nil && in.Git.Duplicates[k] == nil {
				// Renamed in NetBox; Git may have renamed it the same way.
				if g := in.Git.Resources[o.Key]; g == nil || p.renamedInGit(r, g, base) {
					pr.netbox = o
					taken[o.Key] = true
					if g != nil {
						pr.git = g
					}
				}
			}
		}
		if pr.git == nil && in.Git.Duplicates[k] == nil {
			if g := p.gitRename(r, base); g != nil && !taken[g.Key] && len(in.NetBox.ByKey[g.Key]) == 0 {
				pr.git = g
				taken[g.Key] = true
			}
		}
		out = append(out, pr)
	}
	for _, k := range sorted {
		if base[k] != nil || taken[k] {
			continue
		}
		pr := pair{key: k, git: in.Git.Resources[k]}
		if all := in.NetBox.ByKey[k]; len(all) == 1 {
			pr.netbox = all[0]
		}
		out = append(out, pr)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].key.Less(out[j].key) })
	return out
}

// comparable tells whether a key's kind is in this plan, and records what is not.
func (p *planner) comparable(k Key) bool {
	kind, ok := manifests.LookupKind(k.Group, k.Kind)
	if !ok || kind.Role != manifests.RoleUser {
		return false
	}
	if _, ok := p.capability(k.Kind); !ok {
		p.plan.states[k] = "unsupported"
		return false
	}
	if !p.in.NetBox.Known[k.Kind] {
		p.plan.states[k] = "unknown"
		return false
	}
	return true
}

// gitRename finds the document that base's resource became: one document in the same file, equal body, other name.
func (p *planner) gitRename(r *Resource, base map[Key]*Resource) *GitResource {
	f := p.in.Git.Files[r.File]
	if f == nil || p.in.Git.FrozenFiles[r.File] != "" {
		return nil
	}
	var only *GitResource
	for i, d := range f.Documents() {
		if d.Class == manifests.ClassEmpty {
			continue
		}
		if only != nil || d.Class != manifests.ClassResource {
			return nil
		}
		if g := p.in.Git.Resources[d.Identity]; g != nil && g.File == r.File && g.Doc == i {
			only = g
		} else {
			return nil
		}
	}
	if only == nil || only.Key == r.Key || !p.renamedInGit(r, only, base) {
		return nil
	}
	return only
}

// renamedInGit tells whether g can be base's resource under another name.
func (p *planner) renamedInGit(r *Resource, g *GitResource, base map[Key]*Resource) bool {
	kind, _ := manifests.LookupKind(r.Key.Group, r.Key.Kind)
	return g.Key.Group == r.Key.Group && g.Key.Kind == r.Key.Kind && g.File == r.File && base[g.Key] == nil &&
		len(p.in.Git.Files[g.File].Documents()) >= 1 && same(kind, nil, g.Body, r.Git)
}
