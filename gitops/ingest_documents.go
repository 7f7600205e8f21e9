package gitops

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// validate reads a source and says of each document where it goes. Resources of supported kinds are managed; other kinds,
// versions and plain data are unmanaged; what cannot be read, does not fit its schema or has lost what makes it a
// resource is wrong.
func (p *structurePlanner) validate(s *source) {
	file, found := p.in.Parse(s.entry.Path, s.entry)
	s.file = file
	s.wrong = p.classify(s, found)
	manifests.SortDiagnostics(s.wrong)
}

// classify fills s.docs and returns what is wrong. found is what the parser said.
func (p *structurePlanner) classify(s *source, found []manifests.Diagnostic) []manifests.Diagnostic {
	var wrong []manifests.Diagnostic
	docs := s.file.Documents()
	for i, doc := range docs {
		d := waitingDocument{doc: i, item: -1, key: doc.Identity, object: doc.Object}
		var bad []manifests.Diagnostic
		switch doc.Class {
		case manifests.ClassEmpty:
			continue
		case manifests.ClassBroken:
			bad = s.errorsOf(found, i)
			if len(bad) == 0 {
				bad = append(bad, s.finding(&d, "yaml-syntax", "the document is not readable", "correct the YAML"))
			}
		case manifests.ClassResource:
			if bad = p.invalid(s, i); len(bad) == 0 {
				bad = s.badName(&d)
			}
			d.object, d.cut = withoutClusterFields(doc.Object)
		case manifests.ClassOther:
			d.to = toUnmanaged
			if why := lostResource(doc.Object); why != "" {
				bad = append(bad, s.finding(&d, "not-a-resource", why, "correct the document, or move it out of raw/"))
			}
		default:
			d.to = toUnmanaged
			if items, ok := doc.Object["items"].([]any); ok && doc.Object["kind"] == "List" && doc.Identity.Group == "" && !strings.Contains(doc.APIVersion, "/") {
				if bad = p.invalid(s, i); len(bad) == 0 {
					var opened []waitingDocument
					if opened, bad = s.open(i, items); len(bad) == 0 {
						s.docs = append(s.docs, opened...)
						continue
					}
				}
			}
		}
		if len(bad) > 0 {
			d.to = toErrors
			wrong = append(wrong, bad...)
		} else {
			d.text = cutDocument(s.file, docs, i, d.object)
		}
		s.docs = append(s.docs, d)
	}
	return wrong
}

// errorsOf are the parser's findings of a document, those of the file as a whole included. The parser may have seen the
// same bytes under another path.
func (s *source) errorsOf(found []manifests.Diagnostic, doc int) []manifests.Diagnostic {
	var out []manifests.Diagnostic
	for _, d := range found {
		if d.Severity == manifests.SeverityError && (d.Document == doc || d.Document < 0) {
			d.File = s.entry.Path
			out = append(out, d)
		}
	}
	return out
}

// invalid are the errors of a document against its schema. Fields that are cut out anyway cannot be wrong.
func (p *structurePlanner) invalid(s *source, doc int) []manifests.Diagnostic {
	if p.in.Validate == nil {
		return nil
	}
	var out []manifests.Diagnostic
	for _, d := range p.in.Validate(s.file, doc) {
		if d.Severity == manifests.SeverityError && !clusterPath(d.Path) {
			d.File = s.entry.Path
			out = append(out, d)
		}
	}
	return out
}

// badName refuses names that cannot become file names, whatever the schema says about them.
func (s *source) badName(d *waitingDocument) []manifests.Diagnostic {
	switch {
	case d.key.Name == "":
		return []manifests.Diagnostic{s.finding(d, "name-invalid", "the document has no metadata.name", "give it a name")}
	case !safeName(d.key.Name) || !safeName(d.key.Namespace):
		return []manifests.Diagnostic{s.finding(d, "name-invalid", fmt.Sprintf("the name %s cannot be the name of a file", strconv.Quote(oneLine(d.key.Name, 80))),
			"use lower case letters, digits, - and .")}
	}
	return nil
}

// lostResource says what a document that is no resource lacks, when it looks as if it should be one; empty for plain data.
func lostResource(o manifests.Object) string {
	has := func(k string) bool { v, ok := o[k]; return ok && v != nil }
	switch {
	case o == nil:
		return "the document is no mapping, so it is no resource"
	case has("kind") && !has("apiVersion"):
		return "the document has no apiVersion"
	case has("apiVersion") && !has("kind"):
		return "the document has no kind"
	case has("apiVersion"):
		return "apiVersion and kind must be text"
	case has("metadata") && has("spec"):
		return "the document has neither apiVersion nor kind"
	}
	return ""
}

// open takes the items of a List apart; each is a document of its own. One bad item makes the whole List a bad document.
func (s *source) open(doc int, items []any) ([]waitingDocument, []manifests.Diagnostic) {
	var out []waitingDocument
	var bad []manifests.Diagnostic
	for i, item := range items {
		d := waitingDocument{doc: doc, item: i}
		object, ok := item.(map[string]any)
		if !ok {
			bad = append(bad, s.finding(&d, "not-a-resource", fmt.Sprintf("item %d of the List is no mapping", i+1), "correct the item"))
			continue
		}
		text := s.cutItem(doc, i, object)
		if text == nil {
			bad = append(bad, s.finding(&d, "not-a-resource", fmt.Sprintf("item %d of the List cannot be written by itself", i+1), "write it as a document of its own"))
			continue
		}
		alone, _ := manifests.Parse(s.entry.Path, text)
		at, _ := onlyOf(alone)
		parsed := alone.Documents()[at]
		d.key, d.object, d.text = parsed.Identity, parsed.Object, text
		switch parsed.Class {
		case manifests.ClassResource:
			if wrong := s.badName(&d); len(wrong) > 0 {
				bad = append(bad, wrong...)
				continue
			}
			d.object, d.cut = withoutClusterFields(parsed.Object)
			if len(d.cut) > 0 {
				d.text = cutDocument(alone, alone.Documents(), at, d.object)
			}
		case manifests.ClassOther:
			bad = append(bad, s.finding(&d, "not-a-resource", fmt.Sprintf("item %d of the List lacks apiVersion or kind", i+1), "correct the item"))
			continue
		default:
			d.to = toUnmanaged
		}
		out = append(out, d)
	}
	return out, bad
}

// finding is an error at a document's name, or where the document begins when it has none or is no resource; nil is the
// file as a whole.
func (s *source) finding(d *waitingDocument, code, message, fix string) manifests.Diagnostic {
	out := manifests.Diagnostic{File: s.entry.Path, Document: -1, Severity: manifests.SeverityError, Code: code, Message: oneLine(message, 500), Fix: fix}
	if d == nil || s.file == nil {
		return out
	}
	var at []string
	if d.item >= 0 {
		at = []string{"items", strconv.Itoa(d.item)}
	}
	r, _ := s.file.Locate(d.doc, at...)
	if name, ok := s.file.Locate(d.doc, append(at, "metadata", "name")...); ok && code != "not-a-resource" {
		r = name
	} else {
		r.EndLine, r.EndColumn = r.StartLine, r.StartColumn
	}
	out.Document, out.StartLine, out.StartColumn, out.EndLine, out.EndColumn = d.doc, r.StartLine, r.StartColumn, r.EndLine, r.EndColumn
	return out
}

// clusterMetadata is what a cluster adds to an object's metadata (ENGINE 24).
var clusterMetadata = []string{"creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"}

// withoutClusterFields leaves out what belongs to a live object only, and names it. doc is not changed.
func withoutClusterFields(doc manifests.Object) (manifests.Object, []string) {
	var cut []string
	out := make(manifests.Object, len(doc))
	for k, v := range doc {
		if k == "status" {
			cut = append(cut, k)
			continue
		}
		out[k] = v
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

// clusterPath tells whether a finding's path lies in what is cut out; items of a List included.
func clusterPath(p string) bool {
	if rest, ok := strings.CutPrefix(p, "items["); ok {
		_, p, _ = strings.Cut(rest, "].")
	}
	under := func(at string) bool {
		rest, ok := strings.CutPrefix(p, at)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	}
	return under("status") || slices.ContainsFunc(clusterMetadata, func(k string) bool { return under("metadata." + k) })
}

// cutDocument takes a document out of its file byte for byte, with the comments in front of it and without its "---",
// and makes it hold object, which is what it holds except for cut out fields. The bytes that come out have been read
// again; what does not stand by itself (an anchor in another document is not possible, but a directive is) is written
// anew. Nil when that is impossible too.
// docs are the file's, read once: there may be thousands.
func cutDocument(f *manifests.File, docs []manifests.Document, doc int, object manifests.Object) []byte {
	src, from := f.Source(), 0
	for i := doc - 1; i >= 0 && from == 0; i-- {
		if docs[i].Class != manifests.ClassEmpty {
			from = docs[i].End
		}
	}
	last := !slices.ContainsFunc(docs[doc+1:], func(d manifests.Document) bool { return d.Class != manifests.ClassEmpty })
	front, directives := withoutMarkers(bytes.TrimPrefix(src[from:docs[doc].Start], []byte("\ufeff")))
	body := src[docs[doc].Start:docs[doc].End]
	var tail []byte
	if last {
		if rest, _ := withoutMarkers(src[docs[doc].End:]); bytes.ContainsRune(rest, '#') {
			tail = rest
		}
	}
	for _, text := range [][]byte{slices.Concat(front, body, tail), slices.Concat(front, body), body} {
		if directives {
			text = slices.Concat(front, []byte("---\n"), body)
		}
		alone, diags := manifests.Parse(f.Path(), text)
		at, only := onlyOf(alone)
		if len(diags) > 0 || !only || !manifests.Equal(any(alone.Documents()[at].Object), any(docs[doc].Object)) {
			continue
		}
		if edited, err := alone.Edit(at, object); err == nil {
			return edited
		}
	}
	text, err := manifests.Render(object)
	if err != nil {
		return nil
	}
	return text
}

// withoutMarkers keeps what stands between two documents, without the markers themselves; directives tells whether a
// "%" line is among it, which means nothing without the marker behind it.
func withoutMarkers(gap []byte) (kept []byte, directives bool) {
	for len(gap) > 0 {
		line := gap
		if i := bytes.IndexByte(gap, '\n'); i >= 0 {
			line = gap[:i+1]
		}
		gap = gap[len(line):]
		if bytes.HasPrefix(line, []byte("---")) || bytes.HasPrefix(line, []byte("...")) {
			line = bytes.TrimLeft(line[3:], " \t")
			if len(line) == 0 || line[0] != '#' {
				continue
			}
		}
		directives = directives || line[0] == '%'
		kept = append(kept, line...)
	}
	return kept, directives
}

// onlyOf is the index of the one document of a file that is not empty; false when there is none or there are several.
func onlyOf(f *manifests.File) (int, bool) {
	at, n := 0, 0
	for i, d := range f.Documents() {
		if d.Class != manifests.ClassEmpty {
			at, n = i, n+1
		}
	}
	return at, n == 1
}

// cutItem takes an item out of a List: its lines with their comments, moved to the left, when that reads the same; else
// written anew. Nil when it has no text of its own.
func (s *source) cutItem(doc, item int, object manifests.Object) []byte {
	if text := s.dedent(doc, item); text != nil {
		alone, diags := manifests.Parse(s.entry.Path, text)
		if at, only := onlyOf(alone); only && len(diags) == 0 && manifests.Equal(any(alone.Documents()[at].Object), any(object)) {
			return text
		}
	}
	text, err := manifests.Render(object)
	if err != nil {
		return nil
	}
	if alone, _ := manifests.Parse(s.entry.Path, text); alone.Documents()[0].Object == nil {
		return nil
	}
	return text
}

// dedent moves the lines of a block style item to the left; nil when they are not laid out that way.
func (s *source) dedent(doc, item int) []byte {
	r, ok := s.file.Locate(doc, "items", strconv.Itoa(item))
	if !ok || r.StartLine < 1 {
		return nil
	}
	if s.lines == nil {
		s.lines = bytes.SplitAfter(s.file.Source(), []byte("\n"))
	}
	lines := s.lines
	if r.EndColumn == 1 && r.EndLine > r.StartLine {
		r.EndLine-- // the end of a literal block is the start of the next line
	}
	indent := r.StartColumn - 1
	if r.EndLine > len(lines) || len(lines[r.StartLine-1]) < indent {
		return nil
	}
	first := lines[r.StartLine-1]
	if len(bytes.Trim(first[:indent], " -")) > 0 { // also where columns and bytes are not the same
		return nil
	}
	var out []byte
	above := r.StartLine - 1
	for above > 0 && bytes.HasPrefix(bytes.TrimLeft(lines[above-1], " "), []byte("#")) {
		above--
	}
	for _, l := range lines[above : r.StartLine-1] {
		out = append(out, bytes.TrimLeft(l, " ")...)
	}
	out = append(out, first[indent:]...)
	for _, l := range lines[r.StartLine:r.EndLine] {
		blank := len(bytes.TrimSpace(l)) == 0
		switch {
		case len(l) >= indent && len(bytes.Trim(l[:indent], " ")) == 0:
			out = append(out, l[indent:]...)
		case blank:
			out = append(out, bytes.TrimLeft(l, " ")...)
		default:
			return nil
		}
	}
	return out
}
