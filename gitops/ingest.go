package gitops

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// source is one file that waits for ingestion.
type source struct {
	entry *TreeEntry
	loose bool // a file in the fabric's root, filed when the directory is set up
	file  *manifests.File
	// good and bad documents by index; unsupported ones are kept apart.
	good        []dropped
	unsupported []int
	bad         []int
	errors      []manifests.Diagnostic
	// stays says why the whole file stays where it is; empty otherwise.
	stays []manifests.Diagnostic
}

// dropped is one document to be filed.
type dropped struct {
	key  Key
	doc  int
	body manifests.Object // the whole document, without what a cluster adds
	text []byte           // cut out byte for byte; nil for items of a List
}

// ingest runs the five stages over every waiting file: discover, validate, classify, process, archive (DESIGN §6,
// ENGINE 24). It works from Git to Git only; the next cycle merges.
func (w *directoryWriter) ingest(setUp bool) {
	var sources []*source
	for _, e := range w.discover(setUp) {
		s := &source{entry: e, loose: placeOf(w.in.Fabric, e.Path) == placeLive}
		w.validate(s)
		sources = append(sources, s)
	}
	w.findTwins(sources)
	for _, s := range sources {
		if s.loose && (len(s.good) == 0 || len(s.errors) > 0) {
			continue // nothing of ours in it, or not readable: it stays and is reported where it stands
		}
		switch {
		case len(s.stays) > 0:
			w.leave(s)
		case len(s.errors) > 0 && (w.in.Fabric.Ingest.ValidationStrict || len(s.good)+len(s.unsupported) == 0):
			w.reject(s)
		default:
			w.file(s)
		}
	}
}

// discover lists the files that wait, sorted: those in raw/ and raw/pending/, and at set-up the loose ones in the root.
func (w *directoryWriter) discover(setUp bool) []*TreeEntry {
	var out []*TreeEntry
	for _, e := range w.in.View.Pending {
		if matchesPattern(w.in.Fabric.Ingest.FilePatterns, e.Path) && safePath(e.Path) {
			out = append(out, e)
		} else if !safePath(e.Path) {
			w.notices = append(w.notices, manifests.Diagnostic{File: e.Path, Document: -1, Severity: manifests.SeverityError, Code: "structure/path",
				Message: "the path holds characters that are not allowed in file names", Fix: "rename the file"})
		}
	}
	if setUp && w.in.Fabric.Layout == LayoutStandard {
		for _, p := range sortedIDs(w.in.View.Files) {
			if !strings.Contains(p, "/") && matchesPattern(w.in.Fabric.Ingest.FilePatterns, p) && safePath(p) {
				out = append(out, w.in.View.Entries[p])
			}
		}
	}
	return out
}

func matchesPattern(patterns []string, p string) bool {
	for _, g := range patterns {
		if ok, err := path.Match(g, path.Base(p)); err == nil && ok {
			return true
		}
	}
	return false
}

// safePath refuses what must never become part of another path: control characters, "..", backslashes, .git.
func safePath(p string) bool {
	for _, part := range strings.Split(p, "/") {
		if part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") {
			return false
		}
	}
	for _, r := range p {
		if r < 0x20 || r == 0x7f || r == '\\' {
			return false
		}
	}
	return len(p) <= 400
}

// validate reads a file and sorts its documents.
func (w *directoryWriter) validate(s *source) {
	file, diags := w.in.Parse(s.entry.Path, s.entry)
	s.file = file
	broken := map[int]bool{}
	for _, d := range diags {
		if d.Severity == manifests.SeverityError {
			s.errors = append(s.errors, d)
			broken[d.Document] = true
		}
	}
	for i, doc := range file.Documents() {
		switch {
		case doc.Class == manifests.ClassEmpty:
		case doc.Class == manifests.ClassBroken:
			s.bad = append(s.bad, i)
			if !broken[i] {
				s.errors = append(s.errors, w.finding(s, i, "yaml-syntax", "the document is not readable"))
			}
		case doc.Class == manifests.ClassResource:
			w.validateResource(s, i, doc)
		case doc.Object != nil && doc.Object["kind"] == "List":
			w.openList(s, i, doc)
		default:
			s.unsupported = append(s.unsupported, i)
		}
	}
	if len(broken) > 0 && broken[-1] && len(s.bad) == 0 {
		s.good, s.unsupported = nil, nil // the file as a whole is refused
		s.bad = []int{0}
	}
}

func (w *directoryWriter) finding(s *source, doc int, code, message string) manifests.Diagnostic {
	r, _ := s.file.Locate(doc)
	return manifests.Diagnostic{File: s.entry.Path, Document: doc, StartLine: r.StartLine, StartColumn: r.StartColumn, EndLine: r.EndLine, EndColumn: r.EndColumn,
		Severity: manifests.SeverityError, Code: code, Message: message}
}

func (w *directoryWriter) validateResource(s *source, i int, doc manifests.Document) {
	var wrong []manifests.Diagnostic
	if w.in.Validate != nil {
		for _, d := range w.in.Validate(s.file, i) {
			if d.Severity == manifests.SeverityError {
				wrong = append(wrong, d)
			}
		}
	}
	if len(wrong) == 0 && (!safeName(doc.Identity.Name) || !safeName(doc.Identity.Namespace)) {
		wrong = append(wrong, w.finding(s, i, "name-invalid", "the name cannot be a file name: use lower case letters, digits, - and ."))
	}
	if len(wrong) > 0 {
		s.bad = append(s.bad, i)
		s.errors = append(s.errors, wrong...)
		return
	}
	body, cut := withoutClusterFields(doc.Object)
	if len(cut) > 0 {
		w.lines = append(w.lines, fmt.Sprintf("%s: left out %s", doc.Identity, strings.Join(cut, ", ")))
	}
	s.good = append(s.good, dropped{key: doc.Identity, doc: i, body: body, text: w.cut(s, doc, body)})
}

// cut takes a document out of its file as it is, comments included. What does not read the same by itself is written anew.
func (w *directoryWriter) cut(s *source, doc manifests.Document, body manifests.Object) []byte {
	text := bytes.TrimLeft(s.entry.Data[doc.Start:doc.End], "\r\n")
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(slices.Clone(text), '\n')
	}
	alone, diags := manifests.Parse("", text)
	docs := alone.Documents()
	at := -1
	for i, d := range docs {
		if d.Class != manifests.ClassEmpty {
			if at >= 0 {
				return nil
			}
			at = i
		}
	}
	if len(diags) > 0 || at < 0 || docs[at].Identity != doc.Identity || !manifests.Equal(docs[at].Object, doc.Object) {
		return nil
	}
	edited, err := alone.Edit(at, body)
	if err != nil {
		return nil
	}
	return edited
}

// clusterMetadata is what a cluster adds to an object's metadata.
var clusterMetadata = []string{"creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"}

// withoutClusterFields leaves out what belongs to the live object only, and names it (ENGINE 24).
func withoutClusterFields(doc manifests.Object) (manifests.Object, []string) {
	var cut []string
	out := make(manifests.Object, len(doc))
	for k, v := range doc {
		out[k] = v
	}
	if _, ok := out["status"]; ok {
		delete(out, "status")
		cut = append(cut, "status")
	}
	if meta, ok := doc["metadata"].(map[string]any); ok {
		clean := make(map[string]any, len(meta))
		for k, v := range meta {
			if slices.Contains(clusterMetadata, k) {
				cut = append(cut, "metadata."+k)
				continue
			}
			clean[k] = v
		}
		out["metadata"] = clean
	}
	slices.Sort(cut)
	return out, cut
}

// openList takes the items of a kind: List apart. An item that is no supported resource sends the list as a whole to the
// unsupported ones, so that nothing of it is lost.
func (w *directoryWriter) openList(s *source, i int, doc manifests.Document) {
	items, _ := doc.Object["items"].([]any)
	var good []dropped
	for n, item := range items {
		obj, _ := item.(map[string]any)
		text, err := manifests.Render(obj)
		if obj == nil || err != nil {
			s.unsupported = append(s.unsupported, i)
			return
		}
		f, _ := manifests.Parse("", text)
		docs := f.Documents()
		if len(docs) != 1 || docs[0].Class != manifests.ClassResource {
			s.unsupported = append(s.unsupported, i)
			return
		}
		if w.in.Validate != nil {
			for _, d := range w.in.Validate(f, 0) {
				if d.Severity == manifests.SeverityError {
					e := w.finding(s, i, d.Code, fmt.Sprintf("item %d: %s", n+1, d.Message))
					s.errors = append(s.errors, e)
					s.bad = append(s.bad, i)
					return
				}
			}
		}
		body, _ := withoutClusterFields(docs[0].Object)
		good = append(good, dropped{key: docs[0].Identity, doc: i, body: body})
	}
	s.good = append(s.good, good...)
}

// findTwins keeps files where they are whose documents cannot be filed without choosing: two waiting documents of one
// identity, or a target that is frozen.
func (w *directoryWriter) findTwins(sources []*source) {
	seen := map[Key]*source{}
	for _, s := range sources {
		if len(s.errors) > 0 && w.in.Fabric.Ingest.ValidationStrict {
			continue
		}
		for _, d := range s.good {
			if first := seen[d.key]; first != nil {
				s.stays = append(s.stays, w.finding(s, d.doc, "duplicate-identity", fmt.Sprintf("%s also waits in %s; keep one", d.key, first.entry.Path)))
				if first != s {
					first.stays = append(first.stays, w.finding(first, docOf(first, d.key), "duplicate-identity", fmt.Sprintf("%s also waits in %s; keep one", d.key, s.entry.Path)))
				}
				continue
			}
			seen[d.key] = s
			if all := w.targets(d.key, s); len(all) > 1 {
				s.stays = append(s.stays, w.finding(s, d.doc, "duplicate-identity", fmt.Sprintf("%s stands in %s and %s; keep one", d.key, all[0].File, all[1].File)))
			} else if len(all) == 1 && w.in.View.FrozenFiles[all[0].File] != "" {
				s.stays = append(s.stays, w.finding(s, d.doc, "target-frozen", fmt.Sprintf("%s stands in %s, which is %s; repair that first", d.key, all[0].File, w.in.View.FrozenFiles[all[0].File])))
			} else if len(all) == 0 {
				if r := w.in.State.Resources[d.key]; r != nil && r.Exists && r.File != s.entry.Path && w.in.View.FrozenFiles[r.File] != "" {
					s.stays = append(s.stays, w.finding(s, d.doc, "target-frozen", fmt.Sprintf("%s belongs to %s, which is %s; repair that first", d.key, r.File, w.in.View.FrozenFiles[r.File])))
				}
			}
		}
	}
}

func docOf(s *source, k Key) int {
	for _, d := range s.good {
		if d.key == k {
			return d.doc
		}
	}
	return 0
}

// targets are the live documents of an identity outside the source itself.
func (w *directoryWriter) targets(k Key, s *source) []*GitResource {
	all := w.in.View.Duplicates[k]
	if r := w.in.View.Resources[k]; r != nil {
		all = []*GitResource{r}
	}
	var out []*GitResource
	for _, r := range all {
		if r.File != s.entry.Path {
			out = append(out, r)
		}
	}
	return out
}

// leave writes what is wrong beside, and leaves the file where it is. The same text again is no change.
func (w *directoryWriter) leave(s *source) {
	if s.loose {
		w.notices = append(w.notices, s.stays...)
		return
	}
	w.report(s, s.stays)
	w.notices = append(w.notices, s.stays...)
}

// reject moves a bad file to raw/errors, with what is wrong.
func (w *directoryWriter) reject(s *source) {
	w.ingested = true
	to := "raw/errors/" + belowRaw(s.entry.Path)
	w.write(to, s.entry.Data)
	w.remove[s.entry.Path] = true
	w.moved[s.entry.Path] = to
	w.report(s, s.errors)
	w.lines = append(w.lines, fmt.Sprintf("%s: refused, see %s.errors.txt", oneLine(s.entry.Path, 120), oneLine(to, 120)))
}

// report writes the error file of a source.
func (w *directoryWriter) report(s *source, wrong []manifests.Diagnostic) {
	slices.SortStableFunc(wrong, func(a, b manifests.Diagnostic) int {
		if a.StartLine != b.StartLine {
			return a.StartLine - b.StartLine
		}
		return a.StartColumn - b.StartColumn
	})
	var b strings.Builder
	for _, d := range wrong {
		fmt.Fprintf(&b, "%d:%d: %s", d.StartLine, d.StartColumn, oneLine(d.Message, 500))
		if d.Fix != "" {
			fmt.Fprintf(&b, " (%s)", oneLine(d.Fix, 300))
		}
		b.WriteString("\n")
		w.issues = append(w.issues, fmt.Sprintf("%s:%d:%d: %s", s.entry.Path, d.StartLine, d.StartColumn, oneLine(d.Message, 500)))
	}
	w.write("raw/errors/"+belowRaw(s.entry.Path)+".errors.txt", []byte(b.String()))
}

// belowRaw is a waiting file's path without raw/ and pending/.
func belowRaw(p string) string {
	return strings.TrimPrefix(strings.TrimPrefix(p, "raw/"), "pending/")
}

// file puts the documents of one source where they belong and archives the original.
func (w *directoryWriter) file(s *source) {
	before := *w
	before.put, before.taken, before.changes = maps.Clone(w.put), maps.Clone(w.taken), maps.Clone(w.changes)
	for _, d := range s.good {
		if !w.fileDocument(s, d) {
			// All of a file or nothing of it.
			*w = before
			w.leave(s)
			return
		}
	}
	w.ingested = true
	w.filed += len(s.good)
	w.fileUnsupported(s)
	if len(s.bad) > 0 { // not strict: the bad ones stay in the error copy
		to := "raw/errors/" + belowRaw(s.entry.Path)
		w.write(to, w.join(s, s.bad))
		w.report(s, s.errors)
	}
	w.remove[s.entry.Path] = true
	if !w.in.Fabric.Ingest.ArchiveProcessed {
		return
	}
	to := "raw/processed/" + belowRaw(s.entry.Path)
	if w.put[to] != nil { // another source of this commit has the name
		to = w.free(to)
	}
	w.write(to, s.entry.Data) // an archive of an earlier ingestion is replaced: Git's history keeps it
	w.moved[s.entry.Path] = to
}

// fileDocument sets the managed document to the dropped body, or makes its file. False, with the reason in stays, when
// the existing file cannot be edited safely.
func (w *directoryWriter) fileDocument(s *source, d dropped) bool {
	kind, _ := manifests.LookupKind(d.key.Group, d.key.Kind)
	if targets := w.targets(d.key, s); len(targets) == 1 {
		t := targets[0]
		want := any(map[string]any(t.Object))
		differences(kind, nil, any(map[string]any(t.Body)), any(map[string]any(comparableBody(d.body))), func(p Path, _, v any) {
			want = withPath(kind, want, p, v)
		})
		change := manifests.Change{Doc: t.Doc, Want: want.(map[string]any)}
		if manifests.Equal(change.Want, t.Object) {
			w.lines = append(w.lines, d.key.String()+": as it was")
			return true
		}
		if _, err := w.in.View.Files[t.File].Apply([]manifests.Change{change}); err != nil {
			s.stays = append(s.stays, w.finding(s, d.doc, "target-frozen", fmt.Sprintf("%s in %s cannot be edited safely: %v", d.key, t.File, err)))
			return false
		}
		w.changes[t.File] = append(w.changes[t.File], change)
		w.lines = append(w.lines, fmt.Sprintf("%s: set in %s", d.key, oneLine(t.File, 120)))
		return true
	}
	text := d.text
	if text == nil {
		var err error
		if text, err = manifests.Render(d.body); err != nil {
			s.stays = append(s.stays, w.finding(s, d.doc, "target-frozen", fmt.Sprintf("%s cannot be written: %v", d.key, err)))
			return false
		}
	}
	to := w.free(DefaultPath(DefaultFabric().Template, kind, d.key))
	w.write(to, text)
	w.lines = append(w.lines, d.key.String()+": "+to)
	return true
}

// fileUnsupported keeps documents that are not synchronised, all of one source in one file.
func (w *directoryWriter) fileUnsupported(s *source) {
	if len(s.unsupported) == 0 {
		return
	}
	text := w.join(s, s.unsupported)
	to := "unmanaged/external-configs/" + belowRaw(s.entry.Path)
	if old := w.in.View.Entries[to]; old == nil || !bytes.Equal(old.Data, text) {
		to = w.free(to)
	}
	w.write(to, text)
	w.lines = append(w.lines, fmt.Sprintf("%d unsupported documents of %s: %s", len(s.unsupported), oneLine(s.entry.Path, 120), oneLine(to, 120)))
}

// join puts documents of a source one after the other, byte for byte, each behind a marker.
func (w *directoryWriter) join(s *source, docs []int) []byte {
	if len(docs) == len(s.file.Documents()) {
		return s.entry.Data
	}
	slices.Sort(docs)
	var out []byte
	for n, i := range slices.Compact(docs) {
		d := s.file.Documents()[i]
		if n > 0 {
			out = append(out, "---\n"...)
		}
		out = append(out, bytes.TrimLeft(s.entry.Data[d.Start:d.End], "\r\n")...)
		if len(out) > 0 && out[len(out)-1] != '\n' {
			out = append(out, '\n')
		}
	}
	return out
}
