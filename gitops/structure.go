package gitops

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// StructureInput is what structure and ingestion are planned from.
type StructureInput struct {
	Snapshot *GitSnapshot
	View     *GitView // of Snapshot
	Fabric   *Fabric
	State    *State
	Parse    Parser
	// Validate gives the findings of one document, with places; nil finds nothing. Errors make a waiting document a bad one.
	Validate func(f *manifests.File, doc int) []manifests.Diagnostic
	// Init and Ingest were asked for by a person; otherwise both run by themselves for a standard fabric (INTERFACES).
	Init, Ingest bool
	// Template is the structure Init shall make; empty is the fabric's layout.
	Template Layout
	// ForceRecreate moves what stands in the way of the structure to backup/<time>_<random>/, or removes it with NoBackup.
	// It holds for Init only and never touches a synchronised document.
	ForceRecreate, NoBackup bool
	// Now and Random (letters and digits, 6 by custom) name the backup; they are used for nothing else.
	Now    time.Time
	Random string
}

// StructurePlan is one commit that sets up the directory, files raw documents, or both. Files empty: nothing to do.
type StructurePlan struct {
	Files   []FileChange // sorted by path, each path once
	Type    string       // operation type: directory_init or ingestion
	Subject string
	Body    string // with a final blank line, before the trailers; empty when the subject says everything
	// Processed counts the documents that were taken out of waiting files.
	Processed int
	// Details has the specification's names: success, message, directories_created, backup_location and
	// structure_validation {valid, issues}; besides documents_ingested, documents, files_moved, files_rejected and
	// files_waiting. It holds JSON types only; lists are never nil.
	Details map[string]any
	// Diagnostics are of the tree as it was observed, whether or not the plan is carried out.
	Diagnostics []manifests.Diagnostic
}

// PlanStructure decides what one commit has to do for the directory itself: set it up when that was never done or a
// person asks, and file what waits in raw/ (DESIGN §6, ENGINE 24). It is a function of its input alone, and planning
// again on its result finds nothing to do. No document is ever dropped: each one of a waiting file is afterwards in
// managed/, in unmanaged/external-configs/, in raw/errors/, or still waiting.
func PlanStructure(in *StructureInput) *StructurePlan {
	held := map[string]manifests.Diagnostic{}
	for {
		p := &structurePlanner{in: in, tree: newStagedTree(in.View.Entries), held: held, claims: map[string]bool{}}
		p.findings = StructureDiagnostics(in.View, in.Fabric)
		// A marker that was there and is gone is an accident until a person says otherwise (ENGINE 19).
		never := !in.View.HasMarker && !in.State.MarkerSeen
		standard := in.Fabric.Layout == LayoutStandard
		setUp := in.Init || standard && never
		if setUp {
			p.setUp()
		}
		if standard {
			p.ingest(setUp)
		}
		if p.applyEdits() {
			return p.finish()
		}
	}
}

// structurePlanner collects what one commit does.
type structurePlanner struct {
	in   *StructureInput
	tree *stagedTree
	held map[string]manifests.Diagnostic // sources that must stay, found out by an earlier try

	findings []manifests.Diagnostic // shown every cycle
	issues   []manifests.Diagnostic // of what this commit does
	lines    []string               // of the commit message

	created   []string    // directories
	madeFiles bool        // the structure itself changes
	moved     [][2]string // from, to
	documents []any       // for Details
	ingested  int
	archived  int // files whose documents were filed
	rejected  []string
	waiting   []string
	left      []*source // those of waiting
	backup    string
	claims    map[string]bool // error files that say why something still waits
	edits     map[string]*fileEdits
}

const (
	gitkeepText     = "# This file ensures the directory is tracked by Git\n"
	backupDirectory = "backup"
)

// structureDirectories are the directories of the standard structure that hold files, sorted (DESIGN §6).
func structureDirectories() []string {
	dirs := []string{"managed/metadata", "raw/errors", "raw/pending", "raw/processed", "unmanaged/external-configs", "unmanaged/manual-overrides"}
	for _, k := range manifests.Kinds() {
		if k.Role == manifests.RoleUser {
			dirs = append(dirs, "managed/"+k.Plural)
		}
	}
	slices.Sort(dirs)
	return dirs
}

// keepText is what a directory's .gitkeep says; the old plugin's words, so that trees of both look alike.
func keepText(dir string) string {
	if path.Dir(dir) == "managed" && dir != path.Dir(Marker) {
		return "# Managed " + path.Base(dir) + " CRDs directory\n"
	}
	return gitkeepText
}

// markerText is the content of Marker: the format's version and whose directory it is. Nothing volatile.
func markerText(f *Fabric) []byte {
	name, err := json.Marshal(strings.ToValidUTF8(f.Name, "?"))
	if err != nil { // a string always has a JSON form
		name = []byte(`""`)
	}
	return []byte("# hnp-sync keeps this directory and NetBox in step.\nversion: 1\nfabric: " + string(name) + "\n")
}

// setUp creates what is missing of the structure, and the marker. What exists is not changed, whatever it is.
func (p *structurePlanner) setUp() {
	template := p.in.Template
	if template == "" {
		template = p.in.Fabric.Layout
	}
	if template == LayoutStandard {
		before := map[string]bool{}
		for dir := range p.tree.dirs {
			before[dir] = true
		}
		for _, dir := range structureDirectories() {
			if before[dir] || !p.clear(dir) || dir == path.Dir(Marker) {
				continue // the marker keeps its own directory
			}
			p.tree.put(dir+"/.gitkeep", []byte(keepText(dir)), "100644")
			p.madeFiles = true
		}
		defer func() {
			for dir := range p.tree.dirs {
				if !before[dir] && !strings.HasPrefix(dir, backupDirectory) {
					p.created = append(p.created, dir)
				}
			}
			slices.Sort(p.created)
		}()
	}
	p.mark()
}

// mark writes the marker.
func (p *structurePlanner) mark() {
	old, want := p.in.View.Entries[Marker], markerText(p.in.Fabric)
	switch {
	case old == nil:
		if !p.clear(path.Dir(Marker)) || !p.clear(Marker) {
			return
		}
	case !p.in.ForceRecreate || !p.in.Init || string(old.Data) == string(want) || !p.setAside(Marker):
		return
	}
	p.tree.put(Marker, want, "100644")
	p.madeFiles = true
}

// clear makes sure that a directory, or the marker, can be made: nothing stands where it or one of its parents belongs,
// and none of them exists in another spelling. Files with the same letters are one file where case does not count.
func (p *structurePlanner) clear(want string) bool {
	parts := strings.Split(want, "/")
	for i := range parts {
		at := strings.Join(parts[:i+1], "/")
		if file, ok := p.tree.files[strings.ToLower(at)]; ok {
			if !p.in.Init || !p.in.ForceRecreate || !p.setAside(file) {
				p.issue(file, manifests.SeverityError, "structure/in-the-way", fmt.Sprintf("%s stands where %s/ belongs", file, at),
					"rename it; a regular file is moved away when the directory is initialised with force_recreate")
				return false
			}
		}
		if twin := p.tree.twin(at); twin != "" {
			p.issue(twin, manifests.SeverityError, "structure/case-collision", fmt.Sprintf("%s/ differs from %s/ by case only", twin, at), "rename it")
			return false
		}
	}
	return true
}

// setAside moves a file to the backup, or removes it when no backup is wanted. Symbolic links, submodules and files too
// large to be read are carried through untouched, and so is what is synchronised.
func (p *structurePlanner) setAside(file string) bool {
	e := p.in.View.Entries[file]
	if e == nil || opaqueReason(e) != "" || p.in.View.Files[file] != nil {
		return false
	}
	if !p.in.NoBackup {
		if p.in.Now.IsZero() || !safeName(p.in.Random) {
			return false
		}
		p.backup = backupDirectory + "/" + p.in.Now.UTC().Format("20060102_150405") + "_" + p.in.Random
		to, ok := p.tree.free(p.backup + "/" + file)
		if !ok {
			return false
		}
		p.tree.put(to, e.Data, e.Mode)
		p.moved = append(p.moved, [2]string{file, to})
		p.line("%s: moved to %s", file, to)
	} else {
		p.line("%s: removed", file)
	}
	p.tree.remove(file)
	p.madeFiles = true
	return true
}

// issue notes what the commit could not do, or did with a loss of meaning; it is a finding as well.
func (p *structurePlanner) issue(file string, severity manifests.Severity, code, message, fix string) {
	d := manifests.Diagnostic{File: file, Document: -1, Severity: severity, Code: code, Message: message, Fix: fix}
	if !slices.Contains(p.issues, d) {
		p.report(d)
	}
}

// report adds to the findings that are shown, and to what the operation says.
func (p *structurePlanner) report(found ...manifests.Diagnostic) {
	p.issues = append(p.issues, found...)
	p.findings = append(p.findings, found...)
}

// line adds a line to the commit message. Paths and names are foreign text.
func (p *structurePlanner) line(format string, args ...any) {
	p.lines = append(p.lines, oneLine(fmt.Sprintf(format, args...), 200))
}

// finish makes the plan of what was collected.
func (p *structurePlanner) finish() *StructurePlan {
	pl := &StructurePlan{Files: p.tree.changes(), Diagnostics: p.findings}
	if len(pl.Files) == 0 {
		return pl
	}
	pl.Type, pl.Processed = "ingestion", p.ingested
	var parts []string
	if p.madeFiles {
		pl.Type = "directory_init"
		parts = append(parts, "directory structure")
	}
	if p.archived > 0 {
		parts = append(parts, "ingest "+counted(p.ingested, "document"))
	}
	if len(p.rejected) > 0 {
		parts = append(parts, "refuse "+counted(len(p.rejected), "file"))
	}
	if len(parts) == 0 && len(p.waiting) > 0 {
		parts = append(parts, "report "+counted(len(p.waiting), "waiting file"))
	}
	if len(parts) == 0 {
		parts = append(parts, "clear reports of raw files")
	}
	what := strings.Join(parts, ", ")
	pl.Subject = oneLine(p.in.Fabric.Name, 60) + ": " + what
	pl.Body = p.body()
	pl.Details = p.details(what)
	return pl
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (p *structurePlanner) body() string {
	lines := p.lines
	for _, dir := range p.created {
		lines = append(lines, dir+"/: created")
	}
	var b strings.Builder
	for i, l := range lines {
		if i == bodyLines {
			fmt.Fprintf(&b, "and %d more\n", len(lines)-i)
			break
		}
		b.WriteString(l + "\n")
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

func (p *structurePlanner) details(what string) map[string]any {
	issues, valid := []any{}, true
	for _, d := range p.issues {
		issues = append(issues, oneLine(fmt.Sprintf("%s:%d:%d: %s [%s]", d.File, max(d.StartLine, 1), max(d.StartColumn, 1), d.Message, d.Code), 700))
		valid = valid && d.Severity != manifests.SeverityError
	}
	moved := []any{}
	for _, m := range p.moved {
		moved = append(moved, map[string]any{"from": m[0], "to": m[1]})
	}
	documents := p.documents
	if documents == nil {
		documents = []any{}
	}
	return map[string]any{
		"success": valid, "message": what, "directories_created": texts(p.created), "backup_location": p.backup,
		"structure_validation": map[string]any{"valid": valid, "issues": issues},
		"documents_ingested":   p.ingested, "documents": documents, "files_moved": moved,
		"files_rejected": texts(p.rejected), "files_waiting": texts(p.waiting),
	}
}

func texts(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}
