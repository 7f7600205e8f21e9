package gitops

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hnp-sync/hnp-sync/manifests"
)

const (
	processedDirectory = "raw/processed/"
	errorsDirectory    = "raw/errors/"
	externalDirectory  = "unmanaged/external-configs/"
	reportSuffix       = ".errors.txt"
)

// fileUnsupported keeps the documents of a source that are not synchronised, all in one file. The same text twice is one
// file.
func (p *structurePlanner) fileUnsupported(s *source) ([]filedDocument, error) {
	var text []byte
	var out []filedDocument
	whole := true
	for i := range s.docs {
		d := &s.docs[i]
		if d.to != toUnmanaged {
			whole = false
			continue
		}
		if d.text == nil {
			return nil, &placeError{d, "the document cannot be taken out of its file", "put it into a file of its own"}
		}
		whole = whole && d.item < 0
		next, err := manifests.Append(text, d.text)
		if err != nil {
			return nil, &placeError{d, fmt.Sprintf("the document cannot be taken out of its file: %v", err), "put it into a file of its own"}
		}
		text = next
		out = append(out, filedDocument{doc: d, action: "unmanaged"})
	}
	if len(out) == 0 {
		return nil, nil
	}
	if whole {
		text = s.entry.Data
	}
	at, ok := p.place(externalDirectory+belowRaw(s.entry.Path), text)
	if !ok {
		return nil, &placeError{out[0].doc, "there is no place for the document in " + externalDirectory, "see that it is a directory"}
	}
	for i := range out {
		out[i].file = at
	}
	return out, nil
}

// place puts bytes at a path or, where something else has it, near it; a file that already holds them is the place.
func (p *structurePlanner) place(want string, data []byte) (string, bool) {
	for i := 1; i <= 1000; i++ {
		at := numbered(want, i)
		if p.tree.replaceable(at) && bytes.Equal(p.in.View.Entries[at].Data, data) {
			p.tree.put(at, data, "100644")
			return at, true
		}
		if p.tree.usable(at) {
			p.tree.put(at, data, "100644")
			return at, true
		}
	}
	return "", false
}

// archive moves the original of a filed source to raw/processed/, where it replaces an earlier one of that name, or
// removes it when that is the policy. Bad documents of a file that is not held to be all right or nothing stay in a copy
// in raw/errors/.
func (p *structurePlanner) archive(s *source) error {
	if s.count(toErrors) > 0 {
		if err := p.keepBad(s); err != nil {
			return err
		}
	}
	p.tree.remove(s.entry.Path)
	if !p.in.Fabric.Ingest.ArchiveProcessed {
		return nil
	}
	to := processedDirectory + belowRaw(s.entry.Path)
	if !p.tree.replaceable(to) {
		var ok bool
		if to, ok = p.tree.free(to); !ok {
			return &placeError{nil, "there is no place for the file in " + processedDirectory, "see that it is a directory"}
		}
	}
	p.tree.put(to, s.entry.Data, s.entry.Mode)
	p.moved = append(p.moved, [2]string{s.entry.Path, to})
	p.tree.undo = append(p.tree.undo, func() { p.moved = p.moved[:len(p.moved)-1] })
	return nil
}

// keepBad writes the error copy of a source whose good documents go on. Its places are those of the copy.
func (p *structurePlanner) keepBad(s *source) error {
	var changes []manifests.Change
	bad := map[int]bool{}
	for i := range s.docs {
		bad[s.docs[i].doc] = bad[s.docs[i].doc] || s.docs[i].to == toErrors
	}
	for i := range s.file.Documents() {
		if keep, content := bad[i]; content && !keep {
			changes = append(changes, manifests.Change{Doc: i})
		}
	}
	text, err := s.file.Apply(changes)
	if err != nil {
		return fmt.Errorf("the bad documents cannot be taken out of the file: %w", err)
	}
	file, found := manifests.Parse(s.entry.Path, text)
	copied := &source{entry: s.entry, file: file}
	wrong := p.classify(copied, found)
	manifests.SortDiagnostics(wrong)
	at, ok := p.refuse(s, text, wrong)
	if !ok {
		return &placeError{nil, "there is no place for the bad documents in " + errorsDirectory, "see that it is a directory"}
	}
	p.lines = append(p.lines, oneLine(fmt.Sprintf("%s: %s refused, see %s%s", s.entry.Path, counted(copied.count(toErrors), "document"), at, reportSuffix), 200))
	p.rejected = append(p.rejected, s.entry.Path)
	p.report(s.wrong...)
	p.tree.undo = append(p.tree.undo, func() {
		p.lines, p.rejected = p.lines[:len(p.lines)-1], p.rejected[:len(p.rejected)-1]
		p.issues, p.findings = p.issues[:len(p.issues)-len(s.wrong)], p.findings[:len(p.findings)-len(s.wrong)]
	})
	return nil
}

// reject moves a bad file to raw/errors/, with what is wrong beside it.
func (p *structurePlanner) reject(s *source) {
	mark := p.tree.mark()
	at, ok := p.refuse(s, s.entry.Data, s.wrong)
	if !ok {
		p.tree.rollback(mark)
		s.stays = append(slices.Clone(s.wrong), s.finding(nil, "structure/in-the-way", "there is no place for the file in "+errorsDirectory, "see that it is a directory"))
		p.findings = append(p.findings, s.stays...)
		return
	}
	p.tree.remove(s.entry.Path)
	p.moved = append(p.moved, [2]string{s.entry.Path, at})
	p.rejected = append(p.rejected, s.entry.Path)
	p.line("%s: refused, see %s%s", s.entry.Path, at, reportSuffix)
	p.report(s.wrong...)
}

// refuse stages an error copy and its report. A copy of another file of that name is kept.
func (p *structurePlanner) refuse(s *source, data []byte, wrong []manifests.Diagnostic) (string, bool) {
	for i := 1; i <= 1000; i++ {
		at := numbered(errorsDirectory+belowRaw(s.entry.Path), i)
		same := p.tree.replaceable(at) && bytes.Equal(p.in.View.Entries[at].Data, data)
		beside := at + reportSuffix
		if (same || p.tree.usable(at)) && (p.tree.usable(beside) || p.outdated(beside)) {
			p.tree.put(at, data, s.entry.Mode)
			p.tree.put(beside, reportText(wrong), "100644")
			return at, true
		}
	}
	return "", false
}

// leave lets a file wait where it is, and says why.
func (p *structurePlanner) leave(s *source) {
	manifests.SortDiagnostics(s.stays)
	p.report(s.stays...)
	p.waiting = append(p.waiting, s.entry.Path)
	p.left = append(p.left, s)
}

// reportWaiting says beside, in raw/errors/, why files wait. What is said already stays where it is said, so that the
// same reasons never make another commit; only then are new error files written.
func (p *structurePlanner) reportWaiting() {
	said := func(s *source, at func(name string) bool) bool {
		for i := 1; i <= 1000; i++ {
			name := numbered(errorsDirectory+belowRaw(s.entry.Path), i)
			if _, copied := p.tree.files[strings.ToLower(name)]; !copied && !p.claims[name+reportSuffix] && at(name+reportSuffix) {
				p.claims[name+reportSuffix] = true
				return true
			}
		}
		return false
	}
	var unsaid []*source
	for _, s := range p.left {
		text := reportText(s.stays)
		if !said(s, func(at string) bool { return p.tree.replaceable(at) && bytes.Equal(p.in.View.Entries[at].Data, text) }) {
			unsaid = append(unsaid, s)
		}
	}
	for _, s := range unsaid {
		said(s, func(at string) bool {
			if !p.tree.usable(at) && !p.outdated(at) {
				return false
			}
			p.tree.put(at, reportText(s.stays), "100644")
			p.line("%s: waits, see %s", s.entry.Path, at)
			return true
		})
	}
}

// outdated tells whether an error file of this program may be written anew.
func (p *structurePlanner) outdated(at string) bool {
	return p.tree.replaceable(at) && isReport(p.in.View.Entries[at])
}

// reportText is an error file: "line:column: message [code] (fix: …)", a line for each finding.
func reportText(found []manifests.Diagnostic) []byte {
	var b strings.Builder
	for _, d := range found {
		fmt.Fprintf(&b, "%d:%d: %s [%s]", max(d.StartLine, 1), max(d.StartColumn, 1), oneLine(d.Message, 500), d.Code)
		if d.Fix != "" {
			fmt.Fprintf(&b, " (fix: %s)", oneLine(d.Fix, 300))
		}
		b.WriteByte('\n')
	}
	return []byte(b.String())
}

var reportLine = regexp.MustCompile(`^\d+:\d+: \S`)

// isReport tells whether a file is an error file of this program.
func isReport(e *TreeEntry) bool {
	if !strings.HasPrefix(e.Path, errorsDirectory) || !strings.HasSuffix(e.Path, reportSuffix) || len(e.Data) == 0 || e.Mode == "120000" {
		return false
	}
	for _, l := range strings.Split(strings.TrimSuffix(string(e.Data), "\n"), "\n") {
		if !reportLine.MatchString(l) {
			return false
		}
	}
	return true
}

// clearReports removes error files that speak of nothing any more: no copy beside them, and no file that waits.
func (p *structurePlanner) clearReports() {
	for _, at := range sortedIDs(p.in.View.Entries) {
		e := p.in.View.Entries[at]
		if _, staged := p.tree.staged[at]; staged || p.claims[at] || !isReport(e) {
			continue
		}
		if _, copied := p.tree.files[strings.ToLower(strings.TrimSuffix(at, reportSuffix))]; !copied {
			p.tree.remove(at)
			p.line("%s: removed, what it spoke of is gone", at)
		}
	}
}

// refusedFindings reminds of the refused files that nobody has taken away yet.
func refusedFindings(v *GitView) []manifests.Diagnostic {
	var out []manifests.Diagnostic
	for _, at := range sortedIDs(v.Entries) {
		name := strings.TrimSuffix(at, reportSuffix)
		if e := v.Entries[at]; isReport(e) && v.Entries[name] != nil {
			first, _, _ := strings.Cut(string(e.Data), "\n")
			out = append(out, manifests.Diagnostic{File: name, Document: -1, Severity: manifests.SeverityNote, Code: "ingest/refused",
				Message: oneLine("the file was refused: "+first, 300), Fix: "correct it and move it to raw/ again, or delete it"})
		}
	}
	return out
}
