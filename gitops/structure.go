package gitops

import (
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// StructureInput is what structure and ingestion are planned from.
type StructureInput struct {
	Snapshot *GitSnapshot
	View     *GitView
	Fabric   *Fabric
	State    *State
	Parse    Parser
	// Validate gives the findings of one document, with places; nil finds nothing.
	Validate func(f *manifests.File, doc int) []manifests.Diagnostic
	// Init and Ingest were asked for by a person; otherwise both run by themselves for a standard fabric (INTERFACES).
	Init, Ingest bool
}

// StructurePlan is one commit that sets up the directory, files raw documents, or both. Files empty: nothing to do.
type StructurePlan struct {
	Files       []FileChange
	Type        string // operation type: directory_init or ingestion
	Subject     string
	Body        string // with a final blank line, before the trailers
	Processed   int    // documents that were filed, or found filed already
	Details     map[string]any
	Diagnostics []manifests.Diagnostic
}

// markerText is the content of Marker: the format's version and whose directory it is. Nothing volatile.
func markerText(f *Fabric) string {
	return "# hnp-sync keeps this directory and NetBox in step.\nversion: 1\nfabric: " + fmt.Sprintf("%q", oneLine(f.Name, 200)) + "\n"
}

const gitkeepText = "# This file ensures the directory is tracked by Git\n"

// structureDirectories are the directories of the standard structure (DESIGN §6), sorted.
func structureDirectories() []string {
	dirs := []string{"managed/metadata", "raw/errors", "raw/pending", "raw/processed", "unmanaged/external-configs", "unmanaged/manual-overrides"}
	for _, k := range manifests.Kinds() {
		if k.Role == manifests.RoleUser {
			dirs = append(dirs, "managed/"+k.Plural)
		}
	}
	sort.Strings(dirs)
	return dirs
}

// PlanStructure decides what one commit has to do for the directory itself: set it up when that was never done or a
// person asks, and file what waits in raw/. It changes nothing that exists except as ENGINE 24 says, and planning again
// on its result finds nothing to do.
func PlanStructure(in *StructureInput) *StructurePlan {
	pl := &StructurePlan{}
	standard := in.Fabric.Layout == LayoutStandard
	if standard {
		pl.Diagnostics = structureDiagnostics(in.View, in.Fabric)
	}
	// A marker that was there and is gone is an accident until a person says otherwise (ENGINE 19).
	never := !in.View.HasMarker && !in.State.MarkerSeen
	setUp := in.Init || standard && never
	w := newDirectoryWriter(in)
	if setUp {
		w.setUp()
	}
	if standard || in.Ingest {
		w.ingest(setUp)
	}
	w.finish(pl)
	return pl
}

// directoryWriter collects the changes of one structure commit on top of the observed tree.
type directoryWriter struct {
	in       *StructureInput
	taken    map[string]bool // lower case paths, existing and new
	put      map[string][]byte
	remove   map[string]bool
	changes  map[string][]manifests.Change // of existing live files, by path
	created  []string                      // directories
	moved    map[string]string             // from → to
	issues   []string
	lines    []string
	filed    int
	notices  []manifests.Diagnostic
	ingested bool
}

func newDirectoryWriter(in *StructureInput) *directoryWriter {
	w := &directoryWriter{in: in, taken: map[string]bool{}, put: map[string][]byte{}, remove: map[string]bool{},
		changes: map[string][]manifests.Change{}, moved: map[string]string{}}
	for p := range in.View.Entries {
		w.taken[strings.ToLower(p)] = true
	}
	return w
}

// setUp creates what is missing, and the marker.
func (w *directoryWriter) setUp() {
	if w.in.Fabric.Layout == LayoutStandard {
		for _, dir := range structureDirectories() {
			if hasDirectory(w.in.View, dir) || w.taken[strings.ToLower(dir)] {
				continue
			}
			w.created = append(w.created, dir)
			if dir != path.Dir(Marker) {
				w.write(dir+"/.gitkeep", []byte(gitkeepText))
			}
		}
	}
	if !w.in.View.HasMarker && !w.taken[strings.ToLower(Marker)] {
		w.write(Marker, []byte(markerText(w.in.Fabric)))
	}
}

func hasDirectory(v *GitView, dir string) bool {
	for p := range v.Entries {
		if strings.HasPrefix(p, dir+"/") {
			return true
		}
	}
	return false
}

func (w *directoryWriter) write(p string, data []byte) {
	w.put[p] = data
	w.taken[strings.ToLower(p)] = true
}

// free finds a path that nothing has, also not in another case: name.yaml, name-2.yaml, ...
func (w *directoryWriter) free(want string) string {
	ext := path.Ext(want)
	stem := strings.TrimSuffix(want, ext)
	p := want
	for i := 2; w.taken[strings.ToLower(p)]; i++ {
		p = fmt.Sprintf("%s-%d%s", stem, i, ext)
	}
	return p
}

// finish turns what was collected into the plan.
func (w *directoryWriter) finish(pl *StructurePlan) {
	pl.Diagnostics = append(pl.Diagnostics, w.notices...)
	for _, p := range sortedIDs(w.changes) {
		data, err := w.in.View.Files[p].Apply(w.changes[p])
		if err != nil {
			// Each was tried alone before; together they do not fit. Nothing is written, all sources stay.
			pl.Diagnostics = append(pl.Diagnostics, manifests.Diagnostic{File: p, Document: -1, Severity: manifests.SeverityError,
				Code: "structure/ingestion", Message: "the waiting documents cannot be put into this file together: " + oneLine(err.Error(), 300),
				Fix: "drop them one after the other"})
			return
		}
		w.put[p] = data
	}
	for _, p := range sortedIDs(w.put) {
		mode := "100644"
		old := w.in.View.Entries[p]
		if old != nil {
			if string(old.Data) == string(w.put[p]) && old.Mode != "120000" && old.Mode != "160000" {
				continue
			}
			if old.Mode == "100755" {
				mode = old.Mode
			}
		}
		pl.Files = append(pl.Files, FileChange{Path: p, Data: w.put[p], Mode: mode})
	}
	for _, p := range sortedIDs(w.remove) {
		if _, again := w.put[p]; !again && w.in.View.Entries[p] != nil {
			pl.Files = append(pl.Files, FileChange{Path: p, Delete: true, Mode: w.in.View.Entries[p].Mode})
		}
	}
	if len(pl.Files) == 0 {
		return
	}
	slices.SortFunc(pl.Files, func(a, b FileChange) int { return strings.Compare(a.Path, b.Path) })
	var parts []string
	pl.Type = "ingestion"
	if len(w.created) > 0 || w.put[Marker] != nil {
		pl.Type = "directory_init"
		parts = append(parts, "directory structure")
	}
	switch {
	case w.filed == 1:
		parts = append(parts, "ingest 1 document")
	case w.filed > 1:
		parts = append(parts, fmt.Sprintf("ingest %d documents", w.filed))
	case w.ingested:
		parts = append(parts, "ingest raw files")
	}
	pl.Subject = oneLine(w.in.Fabric.Name, 60) + ": " + strings.Join(parts, ", ")
	var b strings.Builder
	for i, l := range w.lines {
		if i == bodyLines {
			fmt.Fprintf(&b, "and %d more\n", len(w.lines)-i)
			break
		}
		b.WriteString(l + "\n")
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	pl.Body = b.String()
	pl.Processed = w.filed
	var moved []string
	for _, from := range sortedIDs(w.moved) {
		moved = append(moved, from+" → "+w.moved[from])
	}
	pl.Details = map[string]any{"directories_created": orNothing(w.created), "files_moved": orNothing(moved), "documents_ingested": w.filed, "issues": orNothing(w.issues)}
}

// orNothing is an empty list for JSON instead of null.
func orNothing(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// structureDiagnostics says every cycle what of a standard directory is not as it should be. Resources stay synchronised
// where they stand; only a set-up repairs.
func structureDiagnostics(v *GitView, f *Fabric) []manifests.Diagnostic {
	var out []manifests.Diagnostic
	note := func(file string, severity manifests.Severity, code, message, fix string) {
		out = append(out, manifests.Diagnostic{File: file, Document: -1, Severity: severity, Code: code, Message: message, Fix: fix})
	}
	known := map[string]bool{}
	for _, dir := range structureDirectories() {
		known[dir] = true
		if v.HasMarker && !hasDirectory(v, dir) {
			note(dir, manifests.SeverityNote, "structure/missing-directory", "the directory is missing", "it is made when something is filed there, or by initialising the directory again")
		}
	}
	unknown := map[string]bool{}
	for _, p := range sortedIDs(v.Files) {
		parts := strings.Split(p, "/")
		if parts[0] == "managed" && len(parts) > 2 && !known["managed/"+parts[1]] && !unknown[parts[1]] {
			unknown[parts[1]] = true
			note("managed/"+parts[1], manifests.SeverityNote, "structure/unknown-directory", "managed/"+parts[1]+" belongs to no kind", "what is in it is synchronised where it stands; move it to its kind's directory")
		}
	}
	keys := make([]Key, 0, len(v.Resources))
	for k := range v.Resources {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compareKeys)
	for _, k := range keys {
		r := v.Resources[k]
		kind, _ := manifests.LookupKind(k.Group, k.Kind)
		parts := strings.Split(r.File, "/")
		d := v.locate(r.File, r.Doc)
		d.Severity = manifests.SeverityWarning
		switch {
		case parts[0] != "managed":
			d.Code, d.Message, d.Fix = "structure/loose", fmt.Sprintf("%s stands outside managed/", k), "move the file to raw/, and it is filed; until then it is synchronised where it stands"
		case len(parts) > 2 && known["managed/"+parts[1]] && parts[1] != kind.Plural:
			d.Code, d.Message, d.Fix = "structure/misplaced-kind", fmt.Sprintf("%s stands in managed/%s", k, parts[1]), "move it to managed/"+kind.Plural
		default:
			continue
		}
		out = append(out, d)
	}
	return out
}

func compareKeys(a, b Key) int {
	switch {
	case a.Less(b):
		return -1
	case b.Less(a):
		return 1
	}
	return 0
}
