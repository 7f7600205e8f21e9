package gitops

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// place says what a file of the fabric directory is to the engine.
type place int

const (
	placeLive      place = iota // documents in it are synchronised where they stand
	placePending                // raw/ and raw/pending/ of the standard layout: waits for ingestion
	placeUnmanaged              // unmanaged/: never touched; an identity that moved there is no longer managed
	placeNever                  // .hnp/, raw/processed, raw/errors, backup/, ignored: carries nothing
)

// placeOf classifies a path relative to the fabric directory.
func placeOf(f *Fabric, p string) place {
	for _, glob := range f.Ignore {
		if matchIgnore(glob, p) {
			return placeNever
		}
	}
	under := func(dir string) bool { return strings.HasPrefix(p, dir+"/") }
	switch {
	case under(".hnp"), under("raw/processed"), under("raw/errors"), under("backup"):
		return placeNever
	case under("unmanaged"):
		return placeUnmanaged
	case f.Layout == LayoutStandard && under("raw"):
		return placePending
	}
	return placeLive
}

// matchIgnore matches a glob below the directory; "**" stands for any number of folders.
func matchIgnore(glob, p string) bool {
	return matchParts(strings.Split(strings.Trim(glob, "/"), "/"), strings.Split(p, "/"))
}

func matchParts(glob, parts []string) bool {
	for len(glob) > 0 {
		if glob[0] == "**" {
			for len(glob) > 1 && glob[1] == "**" {
				glob = glob[1:]
			}
			if len(glob) == 1 {
				return true
			}
			for i := range parts {
				if matchParts(glob[1:], parts[i:]) {
					return true
				}
			}
			return false
		}
		if len(parts) == 0 {
			return false
		}
		if ok, err := path.Match(glob[0], parts[0]); err != nil || !ok {
			return false
		}
		glob, parts = glob[1:], parts[1:]
	}
	return len(parts) == 0
}

func isYAMLName(p string) bool {
	switch strings.ToLower(path.Ext(p)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// Marker is the structure marker of a fabric directory; not .yaml, because Flux and Argo CD read those.
const Marker = "managed/metadata/fabric.hnp-sync"

// GitResource is one synchronised document of the directory.
type GitResource struct {
	Key  Key
	File string
	Doc  int
	// Object is the whole document, Body what is compared of it.
	Object, Body manifests.Object
}

// GitView is a snapshot as the planner sees it.
type GitView struct {
	Head, DirTree string
	// Resources by identity; an identity that stands twice is in Duplicates only.
	Resources  map[Key]*GitResource
	Duplicates map[Key][]*GitResource
	// Opaque are entries whose content cannot be known (symlink, submodule, LFS pointer, oversize): path to object id.
	Opaque map[string]string
	// FrozenFiles are live files that may still carry what base places in them, with the reason.
	FrozenFiles map[string]string
	// Moved are identities seen in unmanaged/ or raw/, with the paths, sorted.
	Moved map[Key][]string
	// words are the texts in which a name may hide: documents that do not parse, and pending raw files.
	words []wordSource
	// Files are the parsed live files, Entries all entries by path.
	Files       map[string]*manifests.File
	Entries     map[string]*TreeEntry
	Pending     []*TreeEntry // raw files waiting for ingestion, sorted
	HasMarker   bool
	Diagnostics []manifests.Diagnostic
}

type wordSource struct {
	file string
	text []byte
}

// Parser parses a blob; implementations cache by object id. The result is shared and must not be changed.
type Parser func(file string, entry *TreeEntry) (*manifests.File, []manifests.Diagnostic)

// ViewGit reads a snapshot. Files that cannot be read freeze what they may hold and hide nothing else.
func ViewGit(snap *GitSnapshot, f *Fabric, parse Parser) *GitView {
	v := &GitView{
		Head: snap.Head, DirTree: snap.DirTree,
		Resources: map[Key]*GitResource{}, Duplicates: map[Key][]*GitResource{},
		Opaque: map[string]string{}, FrozenFiles: map[string]string{}, Moved: map[Key][]string{},
		Files: map[string]*manifests.File{}, Entries: map[string]*TreeEntry{},
	}
	for i := range snap.Entries {
		e := &snap.Entries[i]
		v.Entries[e.Path] = e
		if e.Path == Marker {
			v.HasMarker = true
		}
		where := placeOf(f, e.Path)
		if where == placeNever {
			continue
		}
		if reason := opaqueReason(e); reason != "" {
			if where == placeLive || where == placePending {
				v.Opaque[e.Path] = e.OID
				v.FrozenFiles[e.Path] = reason
				v.note(e.Path, manifests.SeverityWarning, "structure/opaque", "the file is "+reason+" and cannot be read",
					"replace it by a regular file, or list it under ignore in the configuration")
			}
			continue
		}
		if !isYAMLName(e.Path) {
			continue
		}
		switch where {
		case placeLive:
			v.addLive(e, parse)
		case placePending:
			v.Pending = append(v.Pending, e)
			v.words = append(v.words, wordSource{e.Path, e.Data})
			v.addMoved(e, parse)
		case placeUnmanaged:
			v.addMoved(e, parse)
		}
	}
	sort.Slice(v.Pending, func(i, j int) bool { return v.Pending[i].Path < v.Pending[j].Path })
	for key, all := range v.Duplicates {
		all = append(all, v.Resources[key])
		delete(v.Resources, key)
		sort.Slice(all, func(i, j int) bool {
			return all[i].File < all[j].File || all[i].File == all[j].File && all[i].Doc < all[j].Doc
		})
		v.Duplicates[key] = all
		for _, r := range all {
			others := make([]string, 0, len(all)-1)
			for _, o := range all {
				if o != r {
					others = append(others, fmt.Sprintf("%s document %d", o.File, o.Doc+1))
				}
			}
			d := v.locate(r.File, r.Doc, "metadata", "name")
			d.Severity, d.Code = manifests.SeverityError, "duplicate-identity"
			d.Message = fmt.Sprintf("%s is also in %s", key, strings.Join(others, ", "))
			d.Fix = "keep one of them; neither is synchronised until then"
			v.Diagnostics = append(v.Diagnostics, d)
		}
	}
	return v
}

func opaqueReason(e *TreeEntry) string {
	switch {
	case e.Mode == "120000":
		return "a symbolic link"
	case e.Mode == "160000":
		return "a submodule"
	case !safePath(e.Path):
		return "under a name with control or invisible characters, which cannot be written safely,"
	case e.Oversize:
		return fmt.Sprintf("larger than %d bytes", MaxFileBytes)
	case bytes.HasPrefix(e.Data, []byte("version https://git-lfs.github.com/spec/")):
		return "a Git LFS pointer"
	}
	return ""
}

func (v *GitView) note(file string, s manifests.Severity, code, message, fix string) {
	v.Diagnostics = append(v.Diagnostics, manifests.Diagnostic{File: file, Document: -1, Severity: s, Code: code, Message: message, Fix: fix})
}

// locate makes a diagnostic at a place of a parsed live file.
func (v *GitView) locate(file string, doc int, at ...string) manifests.Diagnostic {
	d := manifests.Diagnostic{File: file, Document: doc}
	if f := v.Files[file]; f != nil {
		r, _ := f.Locate(doc, at...)
		d.StartLine, d.StartColumn, d.EndLine, d.EndColumn = r.StartLine, r.StartColumn, r.EndLine, r.EndColumn
	}
	return d
}

func (v *GitView) addLive(e *TreeEntry, parse Parser) {
	file, diags := parse(e.Path, e)
	v.Diagnostics = append(v.Diagnostics, diags...)
	v.Files[e.Path] = file
	for i, doc := range file.Documents() {
		switch doc.Class {
		case manifests.ClassResource:
			if doc.Identity.Name == "" {
				v.FrozenFiles[e.Path] = "without a name in some document"
				d := v.locate(e.Path, i, "metadata")
				d.Path, d.Severity, d.Code = "metadata.name", manifests.SeverityError, "name-invalid"
				d.Message = "the document has no metadata.name; what the file held is left alone"
				d.Fix = "give it a name, or delete the document"
				v.Diagnostics = append(v.Diagnostics, d)
				continue
			}
			r := &GitResource{Key: doc.Identity, File: e.Path, Doc: i, Object: doc.Object, Body: comparableBody(doc.Object)}
			if _, twice := v.Resources[r.Key]; twice {
				v.Duplicates[r.Key] = append(v.Duplicates[r.Key], r)
				continue
			}
			v.Resources[r.Key] = r
		case manifests.ClassBroken:
			v.FrozenFiles[e.Path] = "not readable as YAML in every document"
			v.words = append(v.words, wordSource{e.Path, e.Data[doc.Start:doc.End]})
		case manifests.ClassUnsupportedVersion:
			v.FrozenFiles[e.Path] = "of an unsupported version in some document"
			d := v.locate(e.Path, i, "apiVersion")
			d.Path, d.Severity, d.Code = "apiVersion", manifests.SeverityWarning, "unsupported-version"
			d.Message = fmt.Sprintf("%s %s is not served by the fabric; the document is left alone", doc.APIVersion, doc.Identity.Kind)
			d.Fix = "write the served version"
			v.Diagnostics = append(v.Diagnostics, d)
			v.words = append(v.words, wordSource{e.Path, e.Data[doc.Start:doc.End]})
		case manifests.ClassOther, manifests.ClassUnsupportedKind:
			v.addOther(e, i, doc)
		}
	}
}

// addOther looks at a document that is no resource of this program. A list carries its items' names, which only
// ingestion takes out of it.
func (v *GitView) addOther(e *TreeEntry, i int, doc manifests.Document) {
	if kind, _ := doc.Object["kind"].(string); doc.APIVersion == "v1" && strings.HasSuffix(kind, "List") {
		v.words = append(v.words, wordSource{e.Path, e.Data[doc.Start:doc.End]})
		return
	}
	why := disguised(doc)
	if why == "" {
		return
	}
	d := v.locate(e.Path, i)
	d.Severity, d.Code = manifests.SeverityWarning, "not-a-resource"
	if doc.Class == manifests.ClassUnsupportedKind {
		d.Code = "unsupported-kind"
	}
	d.Message = fmt.Sprintf("the document %s; it is not synchronised", why)
	d.Fix = "correct it, or list the file under ignore in the configuration"
	v.Diagnostics = append(v.Diagnostics, d)
}

// addMoved remembers identities that stand where they are not synchronised.
func (v *GitView) addMoved(e *TreeEntry, parse Parser) {
	file, _ := parse(e.Path, e)
	for _, doc := range file.Documents() {
		if doc.Identity.Name != "" {
			v.Moved[doc.Identity] = append(v.Moved[doc.Identity], e.Path)
		}
	}
}

// mentioned names a file whose unreadable text, or whose pending text, has the resource's name as a word (ENGINE 10).
func (v *GitView) mentioned(key Key) string {
	for _, w := range v.words {
		if containsWord(w.text, key.Name) {
			return w.file
		}
	}
	return ""
}

// hiding names a file of unknown content that was not there, or not like this, when base was agreed: whatever is missing
// since then may be in it (ENGINE 10).
func (v *GitView) hiding(known map[string]string) string {
	for _, p := range slices.Sorted(maps.Keys(v.Opaque)) {
		if known[p] != v.Opaque[p] {
			return p
		}
	}
	return ""
}

// disguise says why a file that no longer holds a resource may still be meant to: one of its documents has the
// resource's name, but reads as something else, because a line was lost or mistyped. Empty when nothing suggests it.
func (v *GitView) disguise(file string, key Key) string {
	f := v.Files[file]
	if f == nil {
		return ""
	}
	for i, doc := range f.Documents() {
		why := disguised(doc)
		if why == "" {
			continue
		}
		meta, _ := doc.Object["metadata"].(map[string]any)
		if name, _ := meta["name"].(string); doc.Object == nil || name == key.Name {
			return fmt.Sprintf("document %d %s", i+1, why)
		}
	}
	return ""
}

// disguised says what a document that reads as no resource of this program lacks to be one; empty for all others.
func disguised(doc manifests.Document) string {
	_, known := manifests.KindByName(doc.Identity.Kind)
	switch {
	case doc.Class == manifests.ClassOther && doc.Object == nil:
		return "is no mapping"
	case doc.Class == manifests.ClassOther && (doc.APIVersion != "" || doc.Object["kind"] != nil || doc.Object["metadata"] != nil):
		return "lacks apiVersion or kind"
	case doc.Class == manifests.ClassUnsupportedKind && (known || strings.HasSuffix(doc.Identity.Group, ".githedgehog.com")):
		return fmt.Sprintf("says kind %q of %q, which does not exist", doc.Identity.Kind, doc.APIVersion)
	}
	return ""
}

// movedTo is where the resource stands outside the synchronised places, in an entry that was not there, or not like this,
// when base was agreed; empty when nowhere (ENGINE 10).
func (v *GitView) movedTo(key Key, known map[string]string) string {
	for _, p := range v.Moved[key] {
		if known[p] != v.Entries[p].OID {
			return p
		}
	}
	return ""
}

// carriers are the entries that a missing resource may be in: those of unknown content, and those outside the
// synchronised places that hold resources; path to object id.
func (v *GitView) carriers() map[string]string {
	out := maps.Clone(v.Opaque)
	for _, paths := range v.Moved {
		for _, p := range paths {
			out[p] = v.Entries[p].OID
		}
	}
	return out
}

// containsWord reports whether word stands in text between characters that cannot belong to a name.
func containsWord(text []byte, word string) bool {
	if word == "" {
		return false
	}
	w := []byte(word)
	for from := 0; ; {
		i := bytes.Index(text[from:], w)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(w)
		if (i == 0 || !nameByte(text[i-1])) && (end == len(text) || !nameByte(text[end])) {
			return true
		}
		from = i + 1
	}
}

func nameByte(c byte) bool {
	return c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// NetBoxView is the listings as the planner sees them.
type NetBoxView struct {
	// Known are the kinds that were listed completely; all others are neither written nor deleted from.
	Known map[string]bool
	// Errors are the kinds that could not be listed, with the reason.
	Errors  map[string]error
	ByKey   map[Key][]*NetBoxObject
	ByPK    map[string]map[int64]*NetBoxObject
	Foreign map[string]map[int64]int64 // kind → pk → other fabric
	Bodies  map[*NetBoxObject]manifests.Object
}

// ViewNetBox indexes listings.
func ViewNetBox(listings map[string]*Listing) *NetBoxView {
	v := &NetBoxView{
		Known: map[string]bool{}, Errors: map[string]error{}, ByKey: map[Key][]*NetBoxObject{},
		ByPK: map[string]map[int64]*NetBoxObject{}, Foreign: map[string]map[int64]int64{},
		Bodies: map[*NetBoxObject]manifests.Object{},
	}
	for kind, l := range listings {
		if l.Err != nil {
			v.Errors[kind] = l.Err
			continue
		}
		v.Known[kind] = true
		v.Foreign[kind] = l.Elsewhere
		byPK := make(map[int64]*NetBoxObject, len(l.Objects))
		v.ByPK[kind] = byPK
		for i := range l.Objects {
			o := &l.Objects[i]
			byPK[o.PK] = o
			v.ByKey[o.Key] = append(v.ByKey[o.Key], o)
			v.Bodies[o] = comparableBody(o.Body)
		}
	}
	return v
}

// broken tells whether a file holds a document that does not parse; then nothing in it is synchronised.
func (v *GitView) broken(file string) bool {
	f := v.Files[file]
	if f == nil {
		return v.FrozenFiles[file] != ""
	}
	for _, d := range f.Documents() {
		if d.Class == manifests.ClassBroken {
			return true
		}
	}
	return false
}
