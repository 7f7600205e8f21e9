package gitops

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// planFiles turns the plan's Git actions into the files of one commit. An edit that cannot be made safely freezes its
// own resource and takes no other with it.
func (pl *Plan) planFiles(in *Input) {
	w := &fileWriter{in: in, plan: pl, taken: map[string]string{}}
	for p := range in.Git.Entries {
		w.taken[strings.ToLower(p)] = p
	}
	// All edits of a file are tried together first: where that works each of them does.
	byFile := map[string][]*Action{}
	for i := range pl.Actions {
		if a := &pl.Actions[i]; a.Side == SideGit && a.Op != OpCreate && in.Git.Files[a.file] != nil {
			if a.Op == OpRename {
				a.body = withName(a.body, a.NewKey)
			}
			byFile[a.file] = append(byFile[a.file], a)
		}
	}
	for file, actions := range byFile {
		if removesAll(in.Git.Files[file], changesOf(actions)) {
			continue
		}
		if data, err := in.Git.Files[file].Apply(changesOf(actions)); err == nil {
			pl.edited[file] = &editedFile{prints(actions), data}
		}
	}
	var keep []Action
	for i := range pl.Actions {
		a := &pl.Actions[i]
		if a.Side == SideGit && pl.edited[a.file] == nil {
			if err := w.add(a); err != nil {
				pl.refuseEdit(a, err)
				continue
			}
		}
		keep = append(keep, *a)
	}
	pl.Actions = keep
}

// editedFile is a file with the edits of some actions made.
type editedFile struct {
	actions string // their fingerprints
	data    []byte
}

func prints(actions []*Action) string {
	var b strings.Builder
	for _, a := range actions {
		b.WriteString(a.fingerprint + " ")
	}
	return b.String()
}

// changesOf are the changes of one file's actions.
func changesOf(actions []*Action) []manifests.Change {
	out := make([]manifests.Change, len(actions))
	for i, a := range actions {
		out[i] = manifests.Change{Doc: a.doc, Want: a.body}
		if a.Op == OpDelete {
			out[i].Want = nil
		}
	}
	return out
}

// refuseEdit freezes the resource of an edit that cannot be made.
func (pl *Plan) refuseEdit(a *Action, err error) {
	f := Frozen{Key: a.Key, Code: FileStructure, Message: err.Error(), File: a.file}
	var refused *manifests.EditError
	if errors.As(err, &refused) {
		d := refused.Diagnostic
		f.Line = d.StartLine
		f.Message = "the file cannot be edited safely: " + d.Message
		if d.Fix != "" {
			f.Message += " (" + d.Fix + ")"
		}
		pl.Diagnostics = append(pl.Diagnostics, d)
	}
	pl.Frozen = append(pl.Frozen, f)
	pl.states[a.Key] = "frozen"
}

type fileWriter struct {
	in    *Input
	plan  *Plan
	taken map[string]string // lower case path → path, of existing and new files
}

// add checks one action's edit by itself and remembers what file it touches.
func (w *fileWriter) add(a *Action) error {
	switch a.Op {
	case OpCreate:
		p, err := w.newPath(a.Key)
		if err != nil {
			return err
		}
		if a.rendered, err = manifests.Render(a.body); err != nil {
			return fmt.Errorf("write %s: %w", p, err)
		}
		a.file, a.doc = p, 0
		return nil
	case OpDelete:
		if w.onlyDocument(a) {
			return nil
		}
		return w.try(a, nil)
	default:
		return w.try(a, a.body)
	}
}

func (w *fileWriter) try(a *Action, want manifests.Object) error {
	f := w.in.Git.Files[a.file]
	if f == nil {
		return fmt.Errorf("%s is not readable", a.file)
	}
	_, err := f.Apply([]manifests.Change{{Doc: a.doc, Want: want}})
	return err
}

// onlyDocument tells whether the document is the only one of its file: the file goes with it.
func (w *fileWriter) onlyDocument(a *Action) bool { return only(w.in.Git.Files[a.file], a.doc) }

// only tells whether a file holds nothing beside one document. A parsed file may be shared by equal blobs: its Path is not
// asked.
func only(f *manifests.File, doc int) bool {
	for i, d := range f.Documents() {
		if i != doc && d.Class != manifests.ClassEmpty {
			return false
		}
	}
	return true
}

// withName is doc with another name and namespace; a namespace that is not written stays away while it is the default.
func withName(doc manifests.Object, k Key) manifests.Object {
	kind, _ := manifests.LookupKind(k.Group, k.Kind)
	out := withPath(kind, map[string]any(doc), Path{{Name: "metadata"}, {Name: "name"}}, k.Name)
	ns := Path{{Name: "metadata"}, {Name: "namespace"}}
	if old := lookup(kind, out, ns); !isNone(old) || k.Namespace != manifests.DefaultNamespace {
		out = withPath(kind, out, ns, k.Namespace)
	}
	return out.(map[string]any)
}

// DefaultPath is where a new resource's file goes: managed/<kind directory>/<name>.yaml, or <namespace>.<name>.yaml
// outside the default namespace; template is as in the configuration.
func DefaultPath(template string, kind manifests.Kind, k Key) string {
	name := k.Name
	if k.Namespace != manifests.DefaultNamespace {
		name = k.Namespace + "." + k.Name
	}
	if template == "" {
		template = DefaultFabric().Template
	}
	return path.Clean(strings.NewReplacer("{kind}", kind.Plural, "{name}", name, "{namespace}", k.Namespace).Replace(template))
}

// newPath finds a free path for a new file. A case-only twin of an existing file counts as taken.
func (w *fileWriter) newPath(k Key) (string, error) {
	kind, _ := manifests.LookupKind(k.Group, k.Kind)
	want := DefaultPath(w.in.Fabric.Template, kind, k)
	ext := path.Ext(want)
	stem := strings.TrimSuffix(want, ext)
	for i := 1; i <= 1000; i++ {
		p := want
		if i > 1 {
			p = fmt.Sprintf("%s-%d%s", stem, i, ext)
		}
		if len(p) > 500 {
			return "", fmt.Errorf("the path %s is longer than 500 characters", p)
		}
		if _, used := w.taken[strings.ToLower(p)]; !used {
			w.taken[strings.ToLower(p)] = p
			return p, nil
		}
	}
	return "", fmt.Errorf("no free file name for %s", k)
}

// commitFiles builds the commit's content from the Git actions that are still in the plan after the guard.
func (pl *Plan) commitFiles(in *Input) ([]FileChange, error) {
	byFile := map[string][]*Action{}
	taken := map[string]bool{}
	for p := range in.Git.Entries {
		taken[strings.ToLower(p)] = true
	}
	var out []FileChange
	for i := range pl.Actions {
		switch a := &pl.Actions[i]; {
		case a.Side != SideGit:
		case a.Op == OpCreate:
			out = append(out, FileChange{Path: a.file, Data: a.rendered, Mode: "100644"})
			taken[strings.ToLower(a.file)] = true
		default:
			byFile[a.file] = append(byFile[a.file], a)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(byFile)) {
		actions := byFile[p]
		f := in.Git.Files[p]
		mode := in.Git.Entries[p].Mode
		if removesAll(f, changesOf(actions)) {
			out = append(out, FileChange{Path: p, Delete: true, Mode: mode})
			continue
		}
		var data []byte
		if e := pl.edited[p]; e != nil && e.actions == prints(actions) {
			data = e.data
		} else {
			var err error
			if data, err = f.Apply(changesOf(actions)); err != nil {
				return nil, fmt.Errorf("edit %s: %w", p, err)
			}
		}
		if to := renamedFile(p, f, actions, in.Fabric); to != "" && !taken[strings.ToLower(to)] {
			taken[strings.ToLower(to)] = true
			out = append(out, FileChange{Path: p, Delete: true, Mode: mode}, FileChange{Path: to, Data: data, Mode: mode})
			for _, a := range actions {
				a.file = to
			}
			continue
		}
		out = append(out, FileChange{Path: p, Data: data, Mode: mode})
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	return out, nil
}

func removesAll(f *manifests.File, changes []manifests.Change) bool {
	gone := map[int]bool{}
	for _, c := range changes {
		if c.Want == nil {
			gone[c.Doc] = true
		}
	}
	for i, d := range f.Documents() {
		if d.Class != manifests.ClassEmpty && !gone[i] {
			return false
		}
	}
	return true
}

// renamedFile is the new path of a file that carries the name of the only resource in it (ENGINE 9), else empty.
func renamedFile(p string, file *manifests.File, actions []*Action, f *Fabric) string {
	if len(actions) != 1 || actions[0].Op != OpRename || !only(file, actions[0].doc) {
		return ""
	}
	a := actions[0]
	dir, base := path.Split(p)
	ext := path.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	kind, _ := manifests.LookupKind(a.Key.Group, a.Key.Kind)
	from := strings.TrimSuffix(path.Base(DefaultPath(f.Template, kind, a.Key)), path.Ext(DefaultPath(f.Template, kind, a.Key)))
	to := strings.TrimSuffix(path.Base(DefaultPath(f.Template, kind, a.NewKey)), path.Ext(DefaultPath(f.Template, kind, a.NewKey)))
	if stem != from {
		return ""
	}
	return dir + to + ext
}
