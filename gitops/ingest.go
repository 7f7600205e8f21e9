package gitops

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// source is one file that waits for ingestion.
type source struct {
	entry *TreeEntry
	loose bool // a synchronised file in the fabric's root, filed when the directory is set up
	filed bool // by this commit
	file  *manifests.File
	lines [][]byte               // of the file, once a List was looked at
	docs  []waitingDocument      // in the order of the file, empty ones left out
	wrong []manifests.Diagnostic // errors of its documents, sorted by place
	stays []manifests.Diagnostic // why the whole file stays where it is
}

// destination says where a waiting document goes.
type destination int

const (
	toManaged   destination = iota // a supported resource
	toUnmanaged                    // valid, but nothing that is synchronised
	toErrors                       // not valid
)

// waitingDocument is one document of a source, or one item of a List in it.
type waitingDocument struct {
	doc, item int // item is -1 unless the document is a List
	to        destination
	key       Key
	object    manifests.Object // as it is filed, without what a cluster adds
	text      []byte           // the bytes that are filed
	cut       []string         // fields of the cluster that were cut out
}

func (s *source) count(to destination) int {
	n := 0
	for i := range s.docs {
		if s.docs[i].to == to {
			n++
		}
	}
	return n
}

// ingest runs the five stages over every waiting file: discover, validate, classify, process, archive (DESIGN §6). It
// works from Git to Git only; the next cycle merges (ENGINE 24).
func (p *structurePlanner) ingest(setUp bool) {
	p.findings = append(p.findings, refusedFindings(p.in.View)...)
	sources := p.discover(setUp)
	for _, s := range sources {
		p.validate(s)
	}
	p.keepBack(sources)
	for _, s := range sources {
		if s.loose {
			p.fileLoose(s)
		}
	}
	moved := movedKeys(sources)
	for _, s := range sources {
		policy := p.in.Fabric.Ingest
		switch {
		case s.loose:
		case len(s.stays) > 0:
			p.leave(s)
		case len(s.docs) == 0 && len(s.wrong) == 0:
			p.findings = append(p.findings, manifests.Diagnostic{File: s.entry.Path, Document: -1, Severity: manifests.SeverityNote,
				Code: "ingest/empty", Message: "the file holds no document; it is left alone", Fix: "delete it, or write a resource into it"})
		case len(s.wrong) > 0 && (policy.ValidationStrict || s.count(toErrors) == len(s.docs)):
			p.reject(s)
		case !s.holds(moved):
			p.file(s)
		}
	}
	p.reportWaiting()
	p.clearReports()
	p.keepEmptied()
}

// keepEmptied keeps the directories of the structure whose last file this commit takes away: Git has no empty ones.
func (p *structurePlanner) keepEmptied() {
	gone := map[string]bool{}
	for _, c := range p.tree.staged {
		if c.Delete {
			gone[path.Dir(c.Path)] = true
		}
	}
	for _, dir := range structureDirectories() {
		if below := func(other string) bool { return other == dir || strings.HasPrefix(other, dir+"/") }; !slices.ContainsFunc(sortedIDs(gone), below) {
			continue
		}
		stays := false
		for at := range p.tree.observed {
			stays = stays || strings.HasPrefix(at, dir+"/") && !p.tree.staged[at].Delete
		}
		for at, c := range p.tree.staged {
			stays = stays || strings.HasPrefix(at, dir+"/") && !c.Delete
		}
		if keep := dir + "/.gitkeep"; !stays && p.tree.usable(keep) {
			p.tree.put(keep, []byte(keepText(dir)), "100644")
		}
	}
}

// discover lists the files that wait, sorted by path: those below raw/ that match a pattern, and at set-up those loose in
// the root. What waits but cannot be taken is said.
func (p *structurePlanner) discover(setUp bool) []*source {
	var out []*source
	for _, name := range sortedIDs(p.in.View.Entries) {
		e := p.in.View.Entries[name]
		where := placeOf(p.in.Fabric, name)
		loose := setUp && where == placeLive && !strings.Contains(name, "/") && p.in.View.Files[name] != nil
		if where != placePending && !loose || opaqueReason(e) != "" || p.ignored(name) {
			continue // what cannot be read, or has an unsafe path, has a finding of its own already
		}
		switch base := path.Base(name); {
		case isYAMLName(name) && matchesPattern(p.in.Fabric.Ingest.FilePatterns, name):
			out = append(out, &source{entry: e, loose: loose})
		case loose || strings.HasPrefix(base, ".") || strings.HasPrefix(strings.ToUpper(base), "README"):
		default:
			p.findings = append(p.findings, manifests.Diagnostic{File: name, Document: -1, Severity: manifests.SeverityNote, Code: "ingest/not-taken",
				Message: "the file is no YAML that matches file_patterns; it is left alone", Fix: "rename it, or move it out of raw/"})
		}
	}
	return out
}

// ignored tells whether the configuration leaves a path out.
func (p *structurePlanner) ignored(name string) bool {
	return slices.ContainsFunc(p.in.Fabric.Ignore, func(glob string) bool { return matchIgnore(glob, name) })
}

// matchesPattern holds a file against the patterns: by its name, or below raw/ by its path there.
func matchesPattern(patterns []string, p string) bool {
	for _, glob := range patterns {
		if ok, err := path.Match(glob, path.Base(p)); err == nil && ok || matchIgnore(glob, belowRaw(p)) {
			return true
		}
	}
	return false
}

// belowRaw is a waiting file's path without raw/ and pending/; that of a loose file is its name.
func belowRaw(p string) string {
	return strings.TrimPrefix(strings.TrimPrefix(p, "raw/"), "pending/")
}

// keepBack finds the files that cannot be filed without choosing between two documents, or without touching what is
// frozen: two waiting documents of one identity, a target that stands twice, or one whose file is not readable
// (ENGINE 24). The answer does not depend on the order of the files.
func (p *structurePlanner) keepBack(sources []*source) {
	type place struct {
		s *source
		d *waitingDocument
	}
	waiting, loose := map[Key][]place{}, map[Key][]place{}
	for _, s := range sources {
		if d, ok := p.held[s.entry.Path]; ok {
			s.stays = append(s.stays, d)
		}
		if len(s.wrong) > 0 && p.in.Fabric.Ingest.ValidationStrict {
			continue
		}
		in := waiting
		if s.loose {
			in = loose
		}
		for i := range s.docs {
			if d := &s.docs[i]; d.to == toManaged {
				in[d.key] = append(in[d.key], place{s, d})
			}
		}
	}
	for key, places := range loose {
		for _, at := range places {
			r := p.in.View.Resources[key]
			if len(places) > 1 || len(p.in.View.Duplicates[key]) > 0 || r != nil && r.File != at.s.entry.Path {
				at.s.stays = append(at.s.stays, at.s.finding(at.d, "duplicate-identity", fmt.Sprintf("%s stands elsewhere too", key), "keep one of them first"))
			}
		}
	}
	for key, places := range waiting {
		for i, at := range places {
			if len(places) > 1 {
				other := places[(i+1)%len(places)]
				where := "again in document " + fmt.Sprint(other.d.doc+1)
				if other.s != at.s {
					where = "also in " + other.s.entry.Path
				}
				at.s.stays = append(at.s.stays, at.s.finding(at.d, "duplicate-identity", fmt.Sprintf("%s is %s", key, where), "keep one of them"))
			} else if why, fix := p.frozenTarget(key); why != "" {
				at.s.stays = append(at.s.stays, at.s.finding(at.d, "ingest/frozen-target", fmt.Sprintf("%s %s", key, why), fix))
			}
		}
	}
	for _, s := range sources {
		if len(s.wrong) > 0 && !s.loose && len(s.stays) == 0 {
			p.keepLastCopy(s)
		}
		manifests.SortDiagnostics(s.stays)
	}
}

// frozenTarget says why the managed document of an identity must not be touched, or why it is not certain that there is
// none.
func (p *structurePlanner) frozenTarget(key Key) (why, fix string) {
	v := p.in.View
	if all := v.Duplicates[key]; len(all) > 0 {
		return fmt.Sprintf("stands in %s and %s", all[0].File, all[1].File), "keep one of them first"
	}
	if r := v.Resources[key]; r != nil {
		if v.broken(r.File) {
			return fmt.Sprintf("stands in %s, which is not readable in every document", r.File), "repair that file first"
		}
		return "", ""
	}
	if r := p.in.State.Resources[key]; r != nil && r.Exists && v.FrozenFiles[r.File] != "" {
		return fmt.Sprintf("belongs to %s, which is %s", r.File, v.FrozenFiles[r.File]), "repair that file first"
	}
	for _, w := range v.words {
		if why := v.FrozenFiles[w.file]; why != "" && placeOf(p.in.Fabric, w.file) == placeLive && containsWord(w.text, key.Name) {
			return fmt.Sprintf("may be in %s, which holds the name and is %s", w.file, why), "repair that file first, or delete it"
		}
	}
	if at := p.defaultPath(key); v.Opaque[at] != "" {
		return fmt.Sprintf("may be in %s, which is %s", at, v.FrozenFiles[at]), "make it a regular file, or delete it"
	}
	return "", ""
}

func (p *structurePlanner) defaultPath(key Key) string {
	kind, _ := manifests.LookupKind(key.Group, key.Kind)
	return DefaultPath(p.in.Fabric.Template, kind, key)
}

// keepLastCopy lets a bad file stay where it is when it may hold what both sides had agreed on and what stands nowhere
// else: in raw/ it is moved, in raw/errors/ it would be deleted (ENGINE 10).
func (p *structurePlanner) keepLastCopy(s *source) {
	for _, key := range sortedResources(p.in.State) {
		if r := p.in.State.Resources[key]; r.Exists && p.in.View.Resources[r.Key] == nil && len(p.in.View.Duplicates[r.Key]) == 0 && containsWord(s.entry.Data, r.Key.Name) {
			d := s.finding(nil, "ingest/last-copy", fmt.Sprintf("this may be the only file left of %s; it stays here and nothing is deleted", r.Key),
				"correct what is said here, or delete the file if the resource shall go")
			s.stays = append(s.stays, slices.Concat(s.wrong, []manifests.Diagnostic{d})...)
			return
		}
	}
}

// movedKeys are the documents that this very commit moves out of the root: what sets them waits for the next one.
func movedKeys(sources []*source) map[Key]bool {
	keys := map[Key]bool{}
	for _, s := range sources {
		for i := range s.docs {
			if s.filed && s.docs[i].to == toManaged {
				keys[s.docs[i].key] = true
			}
		}
	}
	return keys
}

func (s *source) holds(keys map[Key]bool) bool {
	return slices.ContainsFunc(s.docs, func(d waitingDocument) bool { return d.to == toManaged && keys[d.key] })
}

// fileLoose files what lies in the root of the directory. A file without resources is none of our business; one that
// holds anything wrong is synchronised, or frozen, where it stands, and stays there.
func (p *structurePlanner) fileLoose(s *source) {
	if s.count(toManaged) == 0 {
		return
	}
	why := s.stays
	if len(why) == 0 {
		why = s.wrong
	}
	if len(why) == 0 {
		if s.filed = p.file(s); s.filed {
			return
		}
		why = s.stays
	}
	d := why[0]
	d.Severity, d.Code = manifests.SeverityWarning, "ingest/left"
	d.Message = "the file stays in the root of the directory: " + d.Message
	p.report(d)
}

// file puts the documents of one source where they belong and archives the original: all of it or nothing. False, with
// the reason said, when it stays.
func (p *structurePlanner) file(s *source) bool {
	mark := p.tree.mark()
	filed, err := p.process(s)
	if err == nil {
		err = p.archive(s)
	}
	if err != nil {
		p.tree.rollback(mark)
		var refused *placeError
		d := s.finding(nil, "ingest/frozen-target", err.Error(), "correct that first")
		if errors.As(err, &refused) {
			d = s.finding(refused.doc, "ingest/frozen-target", refused.Error(), refused.fix)
		}
		s.stays = append(s.stays, d)
		if !s.loose {
			p.leave(s)
		}
		return false
	}
	p.archived++
	for _, f := range filed {
		p.ingested++
		p.line("%s: %s", f.what(), f.text())
		if len(p.documents) < maxListed {
			p.documents = append(p.documents, map[string]any{"resource": f.what(), "action": f.action, "file": f.file, "from": s.entry.Path, "document": f.doc.doc})
		}
		if len(f.doc.cut) > 0 {
			d := s.finding(f.doc, "ingest/cluster-fields", "left out what only a cluster sets: "+strings.Join(f.doc.cut, ", "), "nothing, that is as it should be")
			d.Severity = manifests.SeverityNote
			p.issues = append(p.issues, d)
			p.line("%s: left out %s", f.what(), strings.Join(f.doc.cut, ", "))
		}
	}
	return true
}

// maxListed bounds the documents that an operation lists one by one.
const maxListed = 1000

// filedDocument is what became of one document.
type filedDocument struct {
	doc    *waitingDocument
	action string // created, updated, unchanged, unmanaged
	file   string
}

func (f filedDocument) what() string {
	if f.doc.key.Name == "" {
		return "a document without identity"
	}
	return oneLine(f.doc.key.String(), 150)
}

func (f filedDocument) text() string {
	switch f.action {
	case "updated":
		return "set in " + f.file
	case "unchanged":
		return "already so in " + f.file
	}
	return f.file
}

// placeError says why one document cannot be filed.
type placeError struct {
	doc  *waitingDocument
	text string
	fix  string
}

func (e *placeError) Error() string { return e.text }

// process stages the documents of a source at their places.
func (p *structurePlanner) process(s *source) ([]filedDocument, error) {
	var filed []filedDocument
	edits := map[string][]manifests.Change{}
	for i := range s.docs {
		d := &s.docs[i]
		if d.to != toManaged {
			continue
		}
		if r := p.in.View.Resources[d.key]; r != nil && r.File != s.entry.Path {
			change := settingChange(r, d.object)
			f := filedDocument{d, "unchanged", r.File}
			if !manifests.Equal(any(change.Want), any(r.Object)) {
				f.action = "updated"
				edits[r.File] = append(edits[r.File], change)
			}
			filed = append(filed, f)
			continue
		}
		if want := p.defaultPath(d.key); p.ignored(want) {
			return nil, &placeError{d, fmt.Sprintf("%s would go to %s, which the configuration ignores", d.key, want), "take that path out of ignore, or delete the file"}
		}
		at, ok := p.tree.free(p.defaultPath(d.key))
		if !ok || d.text == nil {
			return nil, &placeError{d, fmt.Sprintf("there is no place for %s at %s", d.key, p.defaultPath(d.key)), "see that managed/ and what is in it are directories"}
		}
		p.tree.put(at, d.text, "100644")
		filed = append(filed, filedDocument{d, "created", at})
	}
	for _, file := range sortedIDs(edits) {
		if _, err := p.in.View.Files[file].Apply(edits[file]); err != nil {
			return nil, &placeError{nil, fmt.Sprintf("%s cannot be edited safely: %v", file, err), "make the change there by hand, or write that document in plain block style"}
		}
		p.stageEdits(s, file, edits[file])
	}
	others, err := p.fileUnsupported(s)
	if err != nil {
		return nil, err
	}
	filed = append(filed, others...)
	slices.SortStableFunc(filed, func(a, b filedDocument) int { return a.doc.doc - b.doc.doc })
	return filed, nil
}

// settingChange sets a managed document to a dropped body: paths that are equal by value keep their bytes, and what is
// not part of the body (apiVersion, foreign labels and annotations) stays as it is (ENGINE 1, 24).
func settingChange(r *GitResource, dropped manifests.Object) manifests.Change {
	kind, _ := manifests.LookupKind(r.Key.Group, r.Key.Kind)
	want, body := any(map[string]any(r.Object)), any(map[string]any(comparableBody(dropped)))
	differences(kind, nil, any(map[string]any(r.Body)), body, func(at Path, _, v any) {
		want = withPath(kind, want, at, v)
	})
	object, _ := want.(map[string]any)
	return manifests.Change{Doc: r.Doc, Want: object}
}

// fileEdits are the changes of one existing file, and the sources they come from.
type fileEdits struct {
	changes []manifests.Change
	sources []string
}

func (p *structurePlanner) stageEdits(s *source, file string, changes []manifests.Change) {
	if p.edits == nil {
		p.edits = map[string]*fileEdits{}
	}
	old := p.edits[file]
	e := &fileEdits{}
	if old != nil {
		*e = *old
	}
	e.changes = append(slices.Clip(e.changes), changes...)
	e.sources = append(slices.Clip(e.sources), s.entry.Path)
	p.edits[file] = e
	p.tree.undo = append(p.tree.undo, func() {
		if p.edits[file] = old; old == nil {
			delete(p.edits, file)
		}
	})
}

// applyEdits makes the staged changes of existing files, each tried alone before. False when some do not fit together:
// their sources are held back, and the plan is to be made again without them.
func (p *structurePlanner) applyEdits() bool {
	ok := true
	for _, file := range sortedIDs(p.edits) {
		e := p.edits[file]
		data, err := p.in.View.Files[file].Apply(e.changes)
		if err == nil {
			p.tree.put(file, data, "100644")
			continue
		}
		ok = false
		for _, from := range e.sources {
			p.held[from] = manifests.Diagnostic{File: from, Document: -1, Severity: manifests.SeverityError, Code: "ingest/frozen-target",
				Message: oneLine(fmt.Sprintf("%s cannot be edited safely: %v", file, err), 500), Fix: "make the change there by hand"}
		}
	}
	return ok
}
