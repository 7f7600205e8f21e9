package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// Remove cuts document doc out of the file and returns the new bytes of the file. Comments in front of the document's
// content go with it; those behind it stay, because they are most often the heading of the next document, and so does
// what stands in front of the first "---" of the file. When it was the only document, what is left (nothing, or
// comments) is returned. The error is an *EditError.
func (f *File) Remove(doc int) ([]byte, error) { return f.Apply([]Change{{Doc: doc}}) }

// Apply makes several changes at once: each document is changed as by Edit or Remove, and new documents are added at
// the end in the order given. It takes time in proportion to the file and the documents changed. Either all changes
// are made or none; the error is an *EditError. Two changes of one document are refused. When nothing differs it
// returns Source itself.
func (f *File) Apply(changes []Change) ([]byte, error) {
	if f.unreadable && len(changes) > 0 {
		return nil, f.refuseDocument(0)
	}
	texts := make(map[int][]byte, len(changes))
	cut := map[int]bool{}
	seen := make(map[int]bool, len(changes))
	var added [][]byte
	for _, c := range changes {
		if c.Doc == AppendDoc {
			added = append(added, c.Append)
			continue
		}
		if c.Doc < 0 || c.Doc >= len(f.docs) {
			return nil, refuse(f.path, "no-such-document", fmt.Sprintf("the file has no document %d", c.Doc), "read the file again")
		}
		if seen[c.Doc] {
			return nil, refuse(f.path, "edit-refused", fmt.Sprintf("two changes of document %d", c.Doc), "make one change of each document")
		}
		seen[c.Doc] = true
		if c.Want == nil {
			cut[c.Doc] = true
			continue
		}
		text, err := f.edit(c.Doc, c.Want)
		if err != nil {
			return nil, err
		}
		if text != nil {
			texts[c.Doc] = text
		}
	}
	if len(texts) == 0 && len(cut) == 0 && len(added) == 0 {
		return f.src, nil
	}
	out := f.src
	if len(texts) > 0 || len(cut) > 0 {
		var err error
		out, err = guarded(func() ([]byte, error) { return f.assemble(texts, cut) })
		if err != nil {
			return nil, asEditError(f.path, err)
		}
	}
	if len(added) > 0 {
		return f.append(out, added)
	}
	return out, nil
}

func (f *File) append(src []byte, docs [][]byte) ([]byte, error) {
	out, err := guarded(func() ([]byte, error) { return appendAll(f.path, src, docs) })
	if err != nil {
		return nil, asEditError(f.path, err)
	}
	return out, nil
}

// asEditError makes any failure of an edit a refusal.
func asEditError(path string, err error) error {
	var refused *EditError
	if errors.As(err, &refused) {
		return refused
	}
	return refuse(path, "edit-refused", err.Error(), "make this change by hand")
}

// assemble joins the sections again, some of them with new text, some left out.
func (f *File) assemble(texts map[int][]byte, cut map[int]bool) ([]byte, error) {
	var out bytes.Buffer
	out.Grow(len(f.src) + len(f.src)/8)
	out.Write(f.src[:f.docs[0].start])
	var want [][]byte // what each remaining section must hold
	for i := range f.docs {
		d := &f.docs[i]
		if !cut[i] {
			text := f.src[d.start:d.stop]
			if t, ok := texts[i]; ok {
				text = t
			}
			out.Write(text)
			out.Write(f.src[d.stop:d.end])
			want = append(want, text)
			continue
		}
		front, marker, rest := f.remains(i)
		next := i + 1
		for next < len(f.docs) && cut[next] {
			next++
		}
		// A document without a marker of its own needs something that ends the one before it.
		needsEnd := next < len(f.docs) && f.docs[next].marker < 0 && next == i+1 && len(want) > 0
		out.Write(front)
		if needsEnd {
			if len(marker) > 0 {
				out.Write(marker)
			} else {
				out.WriteString("---")
			}
			out.WriteString(f.eolAt(d.start))
		}
		out.Write(rest)
	}
	text := out.Bytes()
	if last := len(f.docs) - 1; cut[last] && len(f.src) > 0 && lastBreak(f.src) == 0 {
		// The file had no final line break, and still has none.
		text = text[:len(text)-lastBreak(text)]
	}
	if err := f.checkSections(text, want); err != nil {
		return nil, err
	}
	return text, nil
}

// remains is what stays of a document that is cut out: the header of the file in front of its first marker, the
// marker for the case that it is still needed, and the comments behind the content.
func (f *File) remains(i int) (front, marker, rest []byte) {
	d := &f.docs[i]
	if i == 0 {
		switch {
		case d.marker >= 0:
			front = f.src[d.start:d.marker]
			if bytes.Contains(front, []byte("%")) {
				front = keepComments(front)
			}
		case d.tree != nil:
			front = f.src[d.start:max(d.start, lineStart(f.src, d.start+d.tree.root.prop))]
		}
	}
	if d.marker >= 0 {
		marker = f.src[d.marker : d.marker+3]
	}
	if d.tree == nil {
		return front, marker, nil
	}
	end := nextLine(f.src, lineEnd(f.src, d.start+d.tree.root.end))
	if end < d.stop && bytes.IndexByte(f.src[end:d.stop], '#') >= 0 {
		rest = f.src[end:d.stop]
	}
	return front, marker, rest
}

// keepComments drops the directives from the text in front of a marker.
func keepComments(front []byte) []byte {
	var out []byte
	for i := 0; i < len(front); {
		next := nextLine(front, i)
		if front[i] != '%' {
			out = append(out, front[i:next]...)
		}
		i = next
	}
	return out
}

// checkSections makes sure that the documents of a new text are those intended, each with its own bytes: separators
// must neither join two documents nor make a new one.
func (f *File) checkSections(text []byte, want [][]byte) error {
	got := split(text, bomLen(text))
	var bodies [][]byte
	for _, s := range got {
		if s.marker < 0 && !hasContent(text[s.start:s.stop]) {
			continue
		}
		bodies = append(bodies, text[s.start:s.stop])
	}
	kept := want[:0:0]
	for _, w := range want {
		if len(split(w, 0)) > 0 && (split(w, 0)[0].marker >= 0 || hasContent(w)) {
			kept = append(kept, w)
		}
	}
	if len(bodies) != len(kept) {
		return refuse(f.path, "edit-refused", "the change would join or split documents", "make this change by hand")
	}
	for i := range kept {
		if !bytes.Equal(core(bodies[i]), core(kept[i])) {
			return refuse(f.path, "edit-refused", fmt.Sprintf("the change would alter document %d", i), "make this change by hand")
		}
	}
	return nil
}

// core is the text of a section from its first content to its last, comments and blank lines around it left out.
func core(text []byte) []byte {
	s := split(text, 0)[0]
	text = text[s.body:]
	end := len(text)
	for end > 0 {
		i := end - lastBreak(text[:end])
		start := lineStart(text[:i], i)
		if !blankOrComment(text[start:i]) {
			break
		}
		end = start
		if start == 0 {
			break
		}
	}
	return bytes.Trim(text[:end], "\r\n")
}

func lastBreak(text []byte) int { return breakBefore(text, len(text)) }

// eolAt is the line break used at a place of the file.
func (f *File) eolAt(at int) string {
	end := lineEnd(f.src, at)
	if n := breakLen(f.src, end); n > 0 {
		return string(f.src[end : end+n])
	}
	return eolOf(f.src)
}

// eolOf is the first line break of a text, "\n" when there is none.
func eolOf(src []byte) string {
	end := bytes.IndexByte(src, '\n')
	if end > 0 && src[end-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// Append adds a document at the end of a file and returns the new bytes: byte for byte as given, behind a "---" when
// the file has a document already and doc does not bring its own. The documents of src keep their values, which can
// need one change: a literal block at the very end of a file without a final line break becomes "|-". The error is an
// *EditError.
func Append(src []byte, doc []byte) ([]byte, error) {
	return (&File{src: src}).append(src, [][]byte{doc})
}

func appendAll(path string, src []byte, docs [][]byte) ([]byte, error) {
	if e := wholeFile(src); e != nil {
		return nil, refuse(path, e.code, e.msg, e.fix)
	}
	eol := eolOf(src)
	sections := split(src, bomLen(src))
	last := sections[len(sections)-1]
	filled := len(sections) > 1 || last.marker >= 0 || hasContent(src[last.start:last.stop])
	out := slices.Clone(src)
	if len(out) > 0 && lastBreak(out) == 0 && len(out) > bomLen(out) {
		out = append(out, eol...)
		if filled && last.stop == len(src) {
			var err error
			if out, err = keepLast(path, src, out, last); err != nil {
				return nil, err
			}
		}
	}
	for _, doc := range docs {
		doc = doc[bomLen(doc):]
		own := split(doc, 0)
		if len(own) == 0 || !hasContent(doc) {
			return nil, refuse(path, "edit-refused", "the document to add is empty", "add a document with content")
		}
		if filled && own[0].marker < 0 {
			out = append(out, "---"+eol...)
		}
		out = append(out, doc...)
		if lastBreak(out) == 0 {
			out = append(out, eol...)
		}
		filled = true
	}
	if len(out) > MaxFileBytes {
		return nil, refuse(path, "too-large", "the file would grow beyond the limit", "split the file")
	}
	after := split(out, bomLen(out))
	want := len(docs)
	for _, s := range sections {
		if s.marker >= 0 || hasContent(src[s.start:s.stop]) {
			want++
		}
	}
	for _, doc := range docs {
		want += len(split(doc[bomLen(doc):], 0)) - 1
	}
	if len(after) != want {
		return nil, refuse(path, "edit-refused", "adding the document would change the borders of others", "add the document by hand")
	}
	return out, nil
}

// keepLast keeps the value of the last document of src now that a line break follows it.
func keepLast(path string, src, out []byte, last section) ([]byte, error) {
	before, e := readSection(src[last.start:last.stop])
	if e != nil || before.tree == nil {
		return out, nil
	}
	after, e := readSection(out[last.start:])
	if e == nil && after.tree != nil && Equal(before.value, after.value) {
		return out, nil
	}
	if e == nil && after.tree != nil {
		value, err := cloneValue(before.value, 0)
		if err == nil {
			if text, err := splice(after.tree, value, nil); err == nil {
				return slices.Concat(out[:last.start], text), nil
			}
		}
	}
	return nil, refuse(path, "edit-refused", "a line break behind the last document would change its value", "end the file with a line break")
}
