package gitops

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// StructureDiagnostics says what of a standard directory is not as it should be, sorted by file and place; nothing for
// other layouts. It only tells: resources stay synchronised where they stand, and only a set-up repairs. The codes:
// structure/missing-directory, structure/unknown-directory, structure/misplaced-kind, structure/loose and
// structure/duplicate-identity.
func StructureDiagnostics(v *GitView, f *Fabric) []manifests.Diagnostic {
	if f.Layout != LayoutStandard {
		return nil
	}
	out := slices.Concat(directoryFindings(v, f), placeFindings(v), duplicateFindings(v))
	manifests.SortDiagnostics(out)
	return out
}

// directoryFindings compares the directories that exist with those of the structure.
func directoryFindings(v *GitView, f *Fabric) []manifests.Diagnostic {
	exist, unknown := map[string]bool{}, map[string]bool{}
	known := map[string]bool{"raw": true, "managed": true, "unmanaged": true, "backup": true, ".hnp": true}
	for _, dir := range structureDirectories() {
		known[dir] = true
	}
	for p := range v.Entries {
		parts := strings.Split(p, "/")
		for i := 1; i < len(parts); i++ {
			exist[strings.Join(parts[:i], "/")] = true
		}
		at := parts[0]
		if at == "managed" && len(parts) > 2 {
			at += "/" + parts[1]
		}
		// Hidden directories belong to other tools; what is ignored nobody needs to hear about.
		if len(parts) > 1 && !known[at] && !strings.HasPrefix(at, ".") && placeOf(f, p) == placeLive {
			unknown[at] = true
		}
	}
	var out []manifests.Diagnostic
	for _, dir := range structureDirectories() {
		if !exist[dir] {
			out = append(out, manifests.Diagnostic{File: dir, Document: -1, Severity: manifests.SeverityWarning, Code: "structure/missing-directory",
				Message: "the directory " + dir + " is missing", Fix: "initialise the directory again (/hnp init)"})
		}
	}
	for dir := range unknown {
		fix := "nothing, if that is intended: what is in it is synchronised where it stands; to leave it out list " + dir + "/** under ignore"
		out = append(out, manifests.Diagnostic{File: dir, Document: -1, Severity: manifests.SeverityNote, Code: "structure/unknown-directory",
			Message: "the directory " + dir + " is not part of the structure", Fix: fix})
	}
	return out
}

// placeFindings says which resources stand elsewhere than in their kind's directory: one finding per resource inside of
// managed/, one per file outside of it.
func placeFindings(v *GitView) []manifests.Diagnostic {
	var out []manifests.Diagnostic
	loose := map[string][]*GitResource{}
	for _, r := range resourcesOf(v) {
		parts := strings.Split(r.File, "/")
		kind, _ := manifests.LookupKind(r.Key.Group, r.Key.Kind)
		if parts[0] != "managed" {
			loose[r.File] = append(loose[r.File], r)
			continue
		}
		if len(parts) > 2 && parts[1] == kind.Plural {
			continue
		}
		d := v.locate(r.File, r.Doc, "kind")
		d.Path, d.Severity, d.Code = "kind", manifests.SeverityWarning, "structure/misplaced-kind"
		d.Message = fmt.Sprintf("%s stands in %s/ instead of managed/%s/", r.Key, strings.Join(parts[:min(2, len(parts)-1)], "/"), kind.Plural)
		d.Fix = "move the file; until then the resource is synchronised where it stands"
		out = append(out, d)
	}
	for _, file := range slices.Sorted(maps.Keys(loose)) {
		rs := loose[file]
		d := v.locate(file, rs[0].Doc, "kind")
		d.Severity, d.Code = manifests.SeverityWarning, "structure/loose"
		d.Message = fmt.Sprintf("%s stands outside of managed/", rs[0].Key)
		if len(rs) > 1 {
			d.Message = fmt.Sprintf("%s and %s stand outside of managed/", rs[0].Key, counted(len(rs)-1, "more resource"))
		}
		d.Fix = "move the file to raw/, and it is filed"
		if !strings.Contains(file, "/") {
			d.Fix += "; initialising the directory again (/hnp init) files it too"
		}
		out = append(out, d)
	}
	return out
}

// duplicateFindings says once per identity where all it stands.
func duplicateFindings(v *GitView) []manifests.Diagnostic {
	var out []manifests.Diagnostic
	for key, all := range v.Duplicates {
		var places []string
		for _, r := range all {
			at := v.locate(r.File, r.Doc, "metadata", "name")
			places = append(places, fmt.Sprintf("%s:%d", r.File, at.StartLine))
		}
		d := v.locate(all[0].File, all[0].Doc, "metadata", "name")
		d.Path, d.Severity, d.Code = "metadata.name", manifests.SeverityWarning, "structure/duplicate-identity"
		d.Message = fmt.Sprintf("%s stands at %s", key, strings.Join(places, ", "))
		d.Fix = "keep one of them; none is synchronised until then"
		out = append(out, d)
	}
	return out
}

// resourcesOf lists all live resources of a view by file and document, those that stand twice included.
func resourcesOf(v *GitView) []*GitResource {
	all := slices.Collect(maps.Values(v.Resources))
	for _, twice := range v.Duplicates {
		all = append(all, twice...)
	}
	slices.SortFunc(all, func(a, b *GitResource) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.Doc - b.Doc
	})
	return all
}
