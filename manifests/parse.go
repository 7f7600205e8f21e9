package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// File is one parsed YAML file. It is immutable and safe for concurrent use, as long as nobody changes the bytes given
// to Parse.
type File struct {
	path string
	src  []byte
	docs []document
	list []Document
	eols []int // offsets after every LF, for places as Git and GitHub count them

	unreadable bool // as a whole: its one document is a stand-in
}

// document is one document with what an edit needs to know about it.
type document struct {
	Document
	section
	tree   *tree       // nil unless the document can be edited
	broken *Diagnostic // why Class is ClassBroken
}

// Parse reads a YAML file with any number of documents. It never fails as a whole and never panics: what cannot be
// read becomes a document of ClassBroken and a Diagnostic, and the documents around it are read all the same, because
// document markers are lines of their own whatever stands between them. Only what makes the borders unclear
// (UTF-16) or would take unbounded time and memory (more than MaxFileBytes, MaxDocuments or 400,000 values) breaks the whole file, which then has one document.
//
// The diagnostics are sorted by place. Their codes: yaml-syntax, tab-indent, duplicate-key, merge-order, merge-value,
// alias-cycle, alias-bomb, too-deep, too-large, not-utf8, utf16, nul-byte, control-character, bom-inside, not-json,
// yaml-tag, yaml-key, yaml-unsupported, template, encrypted.
func Parse(path string, src []byte) (*File, []Diagnostic) {
	f := &File{path: path, src: src}
	for i, c := range src {
		if c == '\n' {
			f.eols = append(f.eols, i+1)
		}
	}
	e := wholeFile(src)
	var sections []section
	if e == nil {
		if sections = split(src, bomLen(src)); len(sections) > MaxDocuments {
			e = &treeError{
				whole: true, code: "too-large", fix: "split the file", msg: fmt.Sprintf("the file holds more than %d documents", MaxDocuments),
			}
		}
	}
	if e != nil {
		f.unreadable = true
		f.docs = []document{{section: section{marker: -1, stop: len(src), end: len(src)}}}
		f.fail(0, e, 0)
	} else {
		f.docs = make([]document, len(sections))
		for i, sec := range sections {
			f.docs[i].section = sec
			f.read(i)
		}
	}
	var found []Diagnostic
	f.list = make([]Document, len(f.docs))
	for i := range f.docs {
		f.list[i] = f.docs[i].Document
		if d := f.docs[i].broken; d != nil {
			found = append(found, *d)
		}
	}
	return f, found
}

// Path is the name that Parse was given.
func (f *File) Path() string { return f.path }

// Source is the text that Parse was given. It must not be changed.
func (f *File) Source() []byte { return f.src }

// Documents lists the documents in the order of the file, also the empty and the broken ones; there is always at least
// one. The slice is the caller's; the objects in it are shared and must not be changed.
func (f *File) Documents() []Document { return slices.Clone(f.list) }

// read parses document i by itself.
func (f *File) read(i int) {
	d := &f.docs[i]
	text := f.src[d.start:d.stop]
	d.Start, d.End = d.body, d.stop
	if d.marker >= 0 {
		// The rest of the marker's line belongs to the document only if it holds content.
		next := nextLine(f.src, d.body)
		if blankOrComment(f.src[d.body:next]) {
			d.Start = min(next, d.stop)
		}
	}
	r, err := guarded(func() (reading, error) {
		r, e := readSection(text)
		if e != nil {
			return r, e
		}
		return r, nil
	})
	if err != nil {
		var e *treeError
		if !errors.As(err, &e) {
			e = &treeError{code: "yaml-unsupported", msg: err.Error(), fix: fixPlainYAML}
		}
		f.fail(i, e, d.start)
		return
	}
	if r.tree == nil {
		return
	}
	d.tree = r.tree
	d.classify(r.value)
}

// reading is what one section holds: no tree for an empty document.
type reading struct {
	tree  *tree
	value any
}

// readSection reads the text of one document in three independent ways and accepts it only if they agree: structure
// and start positions from one parser, ends from the scanner of this package, and values from the judge.
func readSection(text []byte) (reading, *treeError) {
	if e := checkText(text); e != nil {
		return reading{}, e
	}
	if !hasContent(text) {
		return reading{}, nil
	}
	input := plainDirectives(text)
	var doc yaml.Node
	_, err := guarded(func() (struct{}, error) { return struct{}{}, yaml.Unmarshal(input, &doc) })
	if err != nil {
		return reading{}, explain(input, err)
	}
	if len(doc.Content) == 0 {
		return reading{}, nil
	}
	t, err := buildTree(text, 0, &doc)
	if err != nil {
		var te *treeError
		if !errors.As(err, &te) {
			te = &treeError{code: "yaml-unsupported", msg: err.Error(), fix: fixPlainYAML}
		}
		if at := bytes.Index(text, []byte("{{")); at >= 0 && te.code == "yaml-key" {
			te = templateError(text, at)
		}
		return reading{}, te
	}
	if e := encrypted(t.root); e != nil {
		return reading{}, e
	}
	root := span{t.root.prop, t.root.prop}
	judged, err := judge(input, t.merges)
	if err != nil {
		return reading{}, &treeError{
			code: "yaml-syntax", at: root, msg: "Kubernetes cannot read this document: " + oneLine(err), fix: "correct the YAML",
		}
	}
	value, same := reconcile(t.root.val, judged)
	if !same {
		return reading{}, &treeError{
			code: "yaml-unsupported", at: root, msg: "two YAML readers see different values in this document", fix: fixPlainYAML,
		}
	}
	return reading{tree: t, value: value}, nil
}

func oneLine(err error) string {
	s, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "yaml: "), "\n")
	return s
}

// hasContent reports whether text holds more than blanks, comments, directives and its own marker.
func hasContent(text []byte) bool {
	front := true
	for i := 0; i < len(text); {
		next := nextLine(text, i)
		line := text[i:next]
		switch {
		case front && isMarker(text, i, '-'):
			front = false
			if !blankOrComment(text[i+3 : next]) {
				return true
			}
		case front && text[i] == '%', blankOrComment(line), isMarker(text, i, '.'):
		default:
			return true
		}
		i = next
	}
	return false
}

// plainDirectives blanks out "%YAML 1.2", which says nothing that changes the meaning of a document but which the
// parsers refuse. Offsets stay the same.
func plainDirectives(text []byte) []byte {
	if len(text) == 0 || bytes.IndexByte(text, '%') < 0 {
		return text
	}
	out := text
	for i := 0; i < len(text); {
		next := nextLine(text, i)
		if isMarker(text, i, '-') || !(text[i] == '%' || blankOrComment(text[i:next])) {
			break
		}
		if fields := bytes.Fields(text[i:next]); len(fields) >= 2 && string(fields[0]) == "%YAML" && string(fields[1]) == "1.2" {
			if &out[0] == &text[0] {
				out = bytes.Clone(text)
			}
			for j := i; j < lineEnd(text, i); j++ {
				out[j] = ' '
			}
		}
		i = next
	}
	return out
}

// classify says what a document is to this program.
func (d *document) classify(value any) {
	object, ok := value.(map[string]any)
	if !ok {
		d.Class = ClassOther
		return
	}
	d.Object = object
	d.APIVersion, _ = object["apiVersion"].(string)
	kind, _ := object["kind"].(string)
	if d.APIVersion == "" || kind == "" {
		d.Class = ClassOther
		return
	}
	group, version, hasGroup := strings.Cut(d.APIVersion, "/")
	if !hasGroup {
		group, version = "", d.APIVersion
	}
	if metadata, ok := object["metadata"].(map[string]any); ok {
		if name, _ := metadata["name"].(string); name != "" {
			namespace, _ := metadata["namespace"].(string)
			if namespace == "" {
				namespace = DefaultNamespace
			}
			d.Identity = Identity{Group: group, Kind: kind, Namespace: namespace, Name: name}
		}
	}
	k, known := LookupKind(group, kind)
	switch {
	case !known:
		d.Class = ClassUnsupportedKind
	case k.Role == RoleController:
		d.Class = ClassController
	case !slices.Contains(k.Versions, version):
		d.Class = ClassUnsupportedVersion
	default:
		d.Class = ClassResource
	}
}

// fail makes document i a broken one. base is where the offsets of e count from.
func (f *File) fail(i int, e *treeError, base int) {
	d := &f.docs[i]
	if d.End == 0 {
		d.Start, d.End = d.body, d.stop
	}
	d.Class, d.tree, d.Object = ClassBroken, nil, nil
	diag := f.diagnostic(i, e, base)
	d.broken = &diag
}

func (f *File) diagnostic(i int, e *treeError, base int) Diagnostic {
	r := f.place(base+e.at.start, base+max(e.at.end, e.at.start))
	msg := e.msg
	if e.first > 0 {
		other := f.place(base+e.first-1, base+e.first-1)
		msg = fmt.Sprintf("%s at line %d, column %d", msg, other.StartLine, other.StartColumn)
	}
	doc := i
	if e.whole {
		doc, r = -1, Range{}
	}
	return Diagnostic{
		File: f.path, Document: doc, Path: e.path, Severity: SeverityError, Code: e.code, Message: msg, Fix: e.fix,
		StartLine: r.StartLine, StartColumn: r.StartColumn, EndLine: r.EndLine, EndColumn: r.EndColumn,
	}
}
