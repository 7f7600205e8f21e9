package manifests

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// Options of Validate.
type Options struct {
	// Fabric names the fabric that a file belongs to. Identities, references, subnets and VLANs are compared within
	// one fabric only. When nil, a directory that has "managed" or "raw" below it is a fabric, files above or beside
	// all of those are one more.
	Fabric func(path string) string
}

// ValidateDocument reports everything that can be said about one document by itself, with its places, sorted by place.
// An empty document has nothing to report, and of a broken one Parse has reported it already. The items of a
// "kind: List" are checked like documents of their own.
func ValidateDocument(f *File, doc int, schemas *Schemas) []Diagnostic {
	docs := f.list
	if doc < 0 || doc >= len(docs) {
		return nil
	}
	d := docs[doc]
	if d.Class == ClassEmpty || d.Class == ClassBroken {
		return nil
	}
	if d.Object == nil {
		return []Diagnostic{locate(f, doc, nil, SchemaProblem{
			Severity: SeverityNote, Code: "not-a-resource", Message: "the document is not a mapping, so it is no resource; it is left alone",
			Fix: "nothing, if that is intended",
		}, "")}
	}
	var found []Diagnostic
	for _, part := range parts(f, doc) {
		if part.list {
			found = append(found, locate(f, doc, part.prefix, SchemaProblem{
				Path: []string{"kind"}, Severity: SeverityNote, Code: "list", Fix: "write each item as a document of its own",
				Message: "a List is not synchronised where it stands; ingestion opens it",
			}, ""))
			continue
		}
		kind, _ := LookupKind(part.identity.Group, part.identity.Kind)
		for _, p := range schemas.Check(part.object) {
			found = append(found, locate(f, doc, part.prefix, p, kind.PathString(part.object, p.Path)))
		}
	}
	SortDiagnostics(found)
	return found
}

// Validate checks every document of all files by itself and then all of them together: identities that occur twice,
// references to what does not exist, subnets and VLANs used twice or outside of their namespaces. It does not repeat
// the diagnostics of Parse. The result is sorted by file and place.
func Validate(files []*File, schemas *Schemas, opts Options) []Diagnostic {
	var found []Diagnostic
	for _, f := range files {
		for doc := range f.list {
			found = append(found, ValidateDocument(f, doc, schemas)...)
		}
	}
	for _, fabric := range fabrics(files, opts) {
		found = append(found, fabric.check()...)
	}
	SortDiagnostics(found)
	return found
}

// part is a resource in a file: a document, or an item of a List in one.
type part struct {
	file     *File
	doc      int
	prefix   []string // path of the resource in the document
	object   Object
	identity Identity // as far as it is known
	list     bool     // a List itself, whose items follow
}

// parts lists the resources in a document that is a mapping.
func parts(f *File, doc int) []part {
	obj := f.list[doc].Object
	if obj == nil {
		return nil
	}
	whole := part{file: f, doc: doc, object: obj, identity: identityOf(obj)}
	items, isList := obj["items"].([]any)
	if whole.identity.Group != "" || whole.identity.Kind != "List" || !isList {
		return []part{whole}
	}
	whole.list = true
	all := []part{whole}
	for i, item := range items {
		if o, ok := item.(map[string]any); ok {
			all = append(all, part{file: f, doc: doc, prefix: []string{"items", strconv.Itoa(i)}, object: o, identity: identityOf(o)})
		}
	}
	return all
}

// identityOf reads group, kind, namespace and name; what is absent or no text stays empty.
func identityOf(obj Object) Identity {
	apiVersion, _ := obj["apiVersion"].(string)
	kind, _ := obj["kind"].(string)
	metadata, _ := obj["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	group, _ := splitAPIVersion(apiVersion)
	return Identity{Group: group, Kind: kind, Namespace: namespaceOf(obj), Name: name}
}

// locate gives a problem its place. shown is the path for people.
func locate(f *File, doc int, prefix []string, p SchemaProblem, shown string) Diagnostic {
	full := slices.Concat(prefix, p.Path)
	var r Range
	switch {
	case p.Code == "too-many-findings":
		r, _ = f.LocateKey(doc, "kind")
	case p.OnKey:
		var ok bool
		if r, ok = f.LocateKey(doc, full...); !ok {
			// The field is missing: point at the key of the nearest mapping that exists.
			r = nearestKey(f, doc, full)
		}
	default:
		r, _ = f.Locate(doc, full...)
	}
	if p.scalar != "" {
		p = p.asWritten(f, doc, full)
	}
	if shown == "" && len(p.Path) > 0 {
		shown = Kind{}.PathString(nil, p.Path)
	}
	if len(prefix) > 0 {
		head := "items[" + prefix[1] + "]"
		if shown != "" && shown[0] != '[' {
			head += "."
		}
		shown = head + shown
	}
	return Diagnostic{
		File: f.path, Document: doc, Path: shown,
		StartLine: r.StartLine, StartColumn: r.StartColumn, EndLine: r.EndLine, EndColumn: r.EndColumn,
		Severity: p.Severity, Code: p.Code, Message: p.Message, Fix: p.Fix,
	}
}

// asWritten words the problem with the spelling of the file where that differs: off reads as false, 0123 as 83.
func (p SchemaProblem) asWritten(f *File, doc int, path []string) SchemaProblem {
	n, _, _, ok := f.find(doc, path)
	if !ok || n == nil {
		return p
	}
	written := string(f.docs[doc].text(f.src, n))
	if written == p.scalar || written == "" || len(written) > maxShown || strings.ContainsAny(written, "\r\n*&!\"' ") {
		return p
	}
	p.Message = strings.Replace(p.Message, p.scalar+",", written+", which YAML reads as "+p.scalar+",", 1)
	p.Fix = "quote it: " + strconv.Quote(written)
	return p
}

// text is what is written for a node.
func (d document) text(src []byte, n *node) []byte {
	start, end := d.start+n.start, d.start+n.end
	if start < 0 || end > len(src) || start > end {
		return nil
	}
	return src[start:end]
}

// nearestKey is the key of the deepest value on the way to path that exists; the first key of the document when that is
// the document itself.
func nearestKey(f *File, doc int, path []string) Range {
	for n := len(path) - 1; n > 0; n-- {
		if r, ok := f.LocateKey(doc, path[:n]...); ok {
			return r
		}
	}
	for _, first := range []string{"kind", "apiVersion"} {
		if r, ok := f.LocateKey(doc, first); ok {
			return r
		}
	}
	r, _ := f.Locate(doc)
	r.EndLine, r.EndColumn = r.StartLine, r.StartColumn
	return r
}

// SortDiagnostics orders by file and place, then by code and text, so that equal input gives equal output.
func SortDiagnostics(found []Diagnostic) {
	slices.SortStableFunc(found, func(a, b Diagnostic) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		for _, pair := range [][2]int{{a.StartLine, b.StartLine}, {a.StartColumn, b.StartColumn}, {a.Document, b.Document}} {
			if pair[0] != pair[1] {
				return pair[0] - pair[1]
			}
		}
		if c := strings.Compare(a.Code, b.Code); c != 0 {
			return c
		}
		return strings.Compare(a.Message, b.Message)
	})
}

// fabrics groups the registered resources of all files by fabric, in the order of the files.
func fabrics(files []*File, opts Options) []*fabric {
	name := opts.Fabric
	if name == nil {
		name = byDirectory(files)
	}
	var all []*fabric
	index := map[string]*fabric{}
	of := func(f *File) *fabric {
		key := name(f.path)
		in := index[key]
		if in == nil {
			in = &fabric{kinds: map[string]bool{}, byIdentity: map[Identity][]int{}}
			index[key] = in
			all = append(all, in)
		}
		return in
	}
	for _, f := range files {
		for doc, d := range f.list {
			if d.Class == ClassBroken {
				in := of(f)
				in.unread = append(in.unread, f.src[d.Start:d.End])
			}
			for _, p := range parts(f, doc) {
				kind, known := LookupKind(p.identity.Group, p.identity.Kind)
				if !p.list && known && kind.Role == RoleUser {
					of(f).add(p)
				}
			}
		}
	}
	return all
}

// byDirectory recognises fabrics by their standard layout.
func byDirectory(files []*File) func(string) string {
	roots := map[string]bool{}
	for _, f := range files {
		if root, ok := layoutRoot(f.path); ok {
			roots[root] = true
		}
	}
	return func(name string) string {
		if root, ok := layoutRoot(name); ok {
			return root
		}
		for dir := path.Dir(name); ; dir = path.Dir(dir) {
			if roots[dir] {
				return dir
			}
			if dir == "." || dir == "/" {
				return "\x00" // No fabric's directory; no path is equal to this.
			}
		}
	}
}

// layoutRoot cuts a path before the directory "managed" or "raw".
func layoutRoot(name string) (string, bool) {
	segments := strings.Split(path.Clean(name), "/")
	for i, s := range segments[:len(segments)-1] {
		if s == "managed" || s == "raw" {
			if i == 0 {
				return ".", true
			}
			return strings.Join(segments[:i], "/"), true
		}
	}
	return "", false
}

// waiting reports whether a file lies in raw/, where it waits for ingestion: what it holds updates the managed document
// of the same identity and is no duplicate of it.
func waiting(name string) bool {
	segments := strings.Split(path.Clean(name), "/")
	return slices.Contains(segments[:len(segments)-1], "raw")
}
