package manifests

import (
	"bytes"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// EditError refuses an edit. Nothing was changed.
type EditError struct{ Diagnostic Diagnostic }

func (e *EditError) Error() string {
	d := e.Diagnostic
	if d.StartLine == 0 {
		return fmt.Sprintf("edit %s: %s", d.File, d.Message)
	}
	return fmt.Sprintf("edit %s:%d:%d: %s", d.File, d.StartLine, d.StartColumn, d.Message)
}

func refuse(file, code, msg, fix string) *EditError {
	return &EditError{Diagnostic{File: file, Document: -1, Severity: SeverityError, Code: code, Message: msg, Fix: fix}}
}

// maxRounds bounds how often an edit is applied and looked at again. Each level of nested flow collections or aliases
// may take one.
const maxRounds = 12

// Edit makes document doc hold want and returns the new bytes of the whole file. It replaces only the bytes of what
// differs by value; comments, quoting, order, indentation and line ends of everything else stay. When nothing
// differs it returns Source itself. The result has been read again by an independent strict parser and holds exactly
// want; when that cannot be had, the error is an *EditError and nothing was changed.
//
// Policy: comments above a removed key or item stay; a new key goes to its sorted place when the keys beside it are
// sorted (or where a similar item has it), else to the end; a map or list that loses its last entry becomes {} or [];
// a moved item keeps its text.
func (f *File) Edit(doc int, want Object) ([]byte, error) {
	text, err := f.edit(doc, want)
	if err != nil {
		return nil, err
	}
	if text == nil {
		return f.src, nil
	}
	d := &f.docs[doc]
	return slices.Concat(f.src[:d.start], text, f.src[d.stop:]), nil
}

// edit returns the new text of one section, nil when nothing differs.
func (f *File) edit(doc int, want Object) ([]byte, error) {
	if doc < 0 || doc >= len(f.docs) {
		return nil, refuse(f.path, "no-such-document", fmt.Sprintf("the file has no document %d", doc), "read the file again")
	}
	d := &f.docs[doc]
	if d.tree == nil || d.Object == nil {
		return nil, f.refuseDocument(doc)
	}
	if Equal(d.tree.root.val, want) {
		return nil, nil
	}
	value, err := cloneValue(want, 0)
	if err != nil {
		e := refuse(f.path, "value-not-yaml", "the wanted object cannot be written: "+err.Error(), "correct the value")
		e.Diagnostic.Document = doc
		return nil, e
	}
	var kind *Kind
	if d.Class == ClassResource {
		if k, ok := LookupKind(d.Identity.Group, d.Identity.Kind); ok {
			kind = &k
		}
	}
	text, err := guarded(func() ([]byte, error) { return splice(d.tree, value, kind) })
	if err != nil {
		r, _ := f.Locate(doc)
		return nil, &EditError{Diagnostic{
			File: f.path, Document: doc, StartLine: r.StartLine, StartColumn: r.StartColumn, EndLine: r.EndLine,
			EndColumn: r.EndColumn, Severity: SeverityError, Code: "edit-refused", Message: err.Error(),
			Fix: "make this change by hand, or write the document in plain block style",
		}}
	}
	return text, nil
}

func (f *File) refuseDocument(doc int) error {
	d := &f.docs[doc]
	if d.broken != nil {
		diag := *d.broken
		diag.Message = "the document cannot be edited: " + diag.Message
		return &EditError{diag}
	}
	r := f.place(d.Start, d.Start)
	return &EditError{Diagnostic{
		File: f.path, Document: doc, StartLine: r.StartLine, StartColumn: r.StartColumn, EndLine: r.EndLine, EndColumn: r.EndColumn,
		Severity: SeverityError, Code: "not-a-map", Message: "the document is not a map", Fix: "edit a document that holds a resource",
	}}
}

// splice edits the text of one section. It tries the smallest change first; when the result is not what was wanted it
// gives up literal blocks, then writes the smallest enclosing part anew, then its parent, but never the whole document.
func splice(t *tree, want any, kind *Kind) ([]byte, error) {
	var last error
	for level := range 7 {
		text, err := attempt(t, want, kind, level)
		if err == nil {
			return text, nil
		}
		if last == nil {
			last = err
		}
	}
	return nil, last
}

// attempt applies rounds of changes until the text reads as wanted. Level 1 writes no literal blocks, level 2 writes
// aliases out first, each further level also rewrites what encloses the change, one step further out.
func attempt(t *tree, want any, kind *Kind, level int) ([]byte, error) {
	cur := t
	var lost []string
	for round := range maxRounds {
		l := layoutOf(cur)
		l.block = level == 0
		d := &differ{tree: cur, writer: writer{layout: l}, kind: kind, wants: map[*node]any{}}
		if level >= 2 && round == 0 && len(cur.aliases) > 0 {
			d.writeAliases(cur.aliases)
		} else {
			d.round(want)
			if level >= 3 && round == 0 {
				if !d.widen(level - 3) {
					return nil, fmt.Errorf("the change cannot be made without writing the whole document anew")
				}
			}
			if orphans := d.orphans(); len(orphans) > 0 {
				d.changes, d.gone = nil, nil
				d.writeAliases(orphans)
			}
		}
		text, gone := d.apply()
		if text == nil {
			return nil, fmt.Errorf("there is no place in the text for the change")
		}
		lost = append(lost, gone...)
		next, err := parseTree(text)
		if err != nil {
			return nil, fmt.Errorf("the changed text is not readable: %w", err)
		}
		if Equal(next.root.val, want) {
			return text, t.gates(next, lost)
		}
		cur = next
	}
	return nil, fmt.Errorf("the change does not lead to the wanted value")
}

// parseTree reads the text of a section that is known to hold one document.
func parseTree(text []byte) (*tree, error) {
	input := plainDirectives(text)
	var doc yaml.Node
	_, err := guarded(func() (struct{}, error) { return struct{}{}, yaml.Unmarshal(input, &doc) })
	if err != nil {
		return nil, err
	}
	return buildTree(text, 0, &doc)
}

// apply makes the new text. Of changes that overlap the first one is made; the next round sees to the others. It
// returns the comments that were deleted with their values.
func (d *differ) apply() ([]byte, []string) {
	if len(d.changes) == 0 {
		return nil, nil
	}
	slices.SortStableFunc(d.changes, func(a, b change) int {
		if a.start != b.start {
			return a.start - b.start
		}
		return a.end - b.end
	})
	var out bytes.Buffer
	out.Grow(len(d.src) + 256)
	var lost []string
	pos := 0
	erased := false // the last change only deleted
	for _, c := range d.changes {
		if c.start < pos && !(c.text == "" && erased) {
			continue
		}
		if c.lose {
			lost = d.commentsIn(c.span, lost)
		}
		if c.start > pos {
			out.Write(d.src[pos:c.start])
		}
		out.WriteString(c.text)
		pos = max(pos, c.end)
		erased = c.text == ""
	}
	out.Write(d.src[pos:])
	for _, g := range d.gone {
		lost = d.commentsIn(g, lost)
	}
	text := out.Bytes()
	if erased && pos == len(d.src) && lastBreak(d.src) == 0 {
		// The last lines of a file without a final line break are gone: it still has none.
		text = text[:len(text)-lastBreak(text)]
	}
	return text, lost
}

// commentsIn adds the comments inside a span to list.
func (d *differ) commentsIn(s span, list []string) []string {
	k, _ := slices.BinarySearchFunc(d.comments, s.start, func(c span, at int) int { return c.start - at })
	for ; k < len(d.comments) && d.comments[k].start < s.end; k++ {
		list = append(list, string(d.src[d.comments[k].start:d.comments[k].end]))
	}
	return list
}

// gates are the checks that a result must pass although it already reads as wanted: nothing is written on the word of
// the parser that made the positions.
func (t *tree) gates(next *tree, lost []string) error {
	if e := checkText(next.src); e != nil {
		return fmt.Errorf("the changed text is not clean: %w", e)
	}
	before, after := split(t.src, 0), split(next.src, 0)
	if len(after) != len(before) || after[0].marker < 0 != (before[0].marker < 0) {
		return fmt.Errorf("the change would begin another document")
	}
	judged, err := judge(plainDirectives(next.src), next.merges)
	if err != nil {
		return fmt.Errorf("kubernetes would not read the changed text: %w", err)
	}
	if _, same := reconcile(next.root.val, judged); !same {
		return fmt.Errorf("kubernetes would read another value in the changed text")
	}
	if next.alien > t.alien {
		return fmt.Errorf("readers would disagree about the type of the new value")
	}
	count := map[string]int{}
	for _, c := range t.comments {
		count[string(t.src[c.start:c.end])]++
	}
	for _, c := range lost {
		count[c]--
	}
	for _, c := range next.comments {
		count[string(next.src[c.start:c.end])]--
	}
	for c, n := range count {
		if n > 0 {
			return fmt.Errorf("the change would lose the comment %q", c)
		}
		if n < 0 && !slices.Contains(lost, c) {
			return fmt.Errorf("the change would add the comment %q", c)
		}
	}
	return nil
}

// widen replaces the changes of this round by new text for what encloses them, steps levels further out. It reports
// whether that stays below the root.
func (d *differ) widen(steps int) bool {
	var whole []*node
	for _, n := range d.touched {
		if n.kind == scalarNode || n.kind == aliasNode || len(n.entries) == 0 {
			n = n.parent
		}
		for range steps {
			if n != nil {
				n = n.parent
			}
		}
		if n == nil || n.parent == nil {
			return false
		}
		if !slices.Contains(whole, n) {
			whole = append(whole, n)
		}
	}
	d.changes, d.gone = nil, nil
	for _, n := range whole {
		inside := false
		for p := n.parent; p != nil; p = p.parent {
			inside = inside || slices.Contains(whole, p)
		}
		if want, ok := d.wants[n]; ok && !inside {
			d.replace(n, want, nil)
		}
	}
	return len(d.changes) > 0
}
