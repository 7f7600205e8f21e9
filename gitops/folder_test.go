package gitops

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hnp-sync/hnp-sync/manifests"
)

const (
	recordedInput = "../testdata/gitops-test-1/raw"
	recordedTree  = "../testdata/gitops-test-1/managed-head/fabric-1"
)

var schemas = sync.OnceValues(manifests.EmbeddedSchemas)

// validated finds what the embedded schemas find.
func validated(f *manifests.File, doc int) []manifests.Diagnostic {
	s, err := schemas()
	if err != nil {
		panic(err)
	}
	return manifests.ValidateDocument(f, doc, s)
}

// folder is one fabric directory on which structure and ingestion are planned: its verbs say what lies in it, what is
// done, and what must hold. Every plan that is carried out is held to what no plan may break.
type folder struct {
	t      testing.TB
	files  map[string]string
	modes  map[string]string // Git modes; "oversize" besides
	fabric Fabric
	state  *State
	init   bool

	validate func(f *manifests.File, doc int) []manifests.Diagnostic
	before   map[string]string
	view     *GitView
	plan     *StructurePlan
}

// newFolder is a directory that was set up before.
func newFolder(t testing.TB) *folder {
	f := &folder{t: t, files: map[string]string{}, modes: map[string]string{}, fabric: DefaultFabric(), state: NewState(), validate: validated}
	f.fabric.Name, f.fabric.Directory = "fabric-1", "d"
	for _, dir := range structureDirectories() {
		f.files[dir+"/.gitkeep"] = "#\n"
	}
	f.files[Marker] = "version: 1\n"
	f.state.MarkerSeen = true
	return f
}

// newBareFolder is a directory that nobody set up.
func newBareFolder(t testing.TB) *folder {
	f := newFolder(t)
	f.files, f.state = map[string]string{}, NewState()
	return f
}

func folders(t *testing.T, table map[string]func(f *folder)) {
	t.Helper()
	for name, tell := range table {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFolder(t)
			tell(f)
		})
	}
}

// ---- what lies there

func (f *folder) has(p string, texts ...string) { f.files[p] = strings.Join(texts, "---\n") }

// load reads a folder of the disk.
func (f *folder) load(from string) {
	f.t.Helper()
	err := filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		f.files[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// base is a resource that was synchronised, in a file.
func (f *folder) base(key, file string) {
	k := keyOf(f.t, key)
	f.state.Resources[k] = &Resource{Key: k, Exists: true, File: file}
}

// ---- what is done

func (f *folder) snapshot() *GitSnapshot {
	s := &GitSnapshot{Head: "h"}
	for _, p := range slices.Sorted(maps.Keys(f.files)) {
		e := TreeEntry{Path: p, Mode: "100644", OID: blobID(f.files[p]), Size: int64(len(f.files[p])), Data: []byte(f.files[p])}
		switch m := f.modes[p]; m {
		case "":
		case "oversize":
			e.Data, e.Oversize, e.Size = nil, true, MaxFileBytes+1
		case "120000", "160000":
			e.Mode, e.Data = m, nil
		default:
			e.Mode = m
		}
		s.Entries = append(s.Entries, e)
	}
	return s
}

func (f *folder) plans() (*StructurePlan, *GitView) {
	parse := func(file string, e *TreeEntry) (*manifests.File, []manifests.Diagnostic) {
		return manifests.Parse(file, e.Data)
	}
	snap := f.snapshot()
	view := ViewGit(snap, &f.fabric, parse)
	return PlanStructure(&StructureInput{Snapshot: snap, View: view, Fabric: &f.fabric, State: f.state, Parse: parse, Validate: f.validate, Init: f.init}), view
}

// run plans, holds the plan to what every plan promises, and carries it out.
func (f *folder) run() {
	f.t.Helper()
	asked, was := f.init, maps.Clone(f.files)
	f.once()
	first, view := f.plan, f.view
	f.init = false
	if f.filesLoose() {
		// What waits for a resource that moved out of the root is filed behind it.
		f.once()
	}
	if rest, _ := f.plans(); len(rest.Files) > 0 {
		f.t.Errorf("planning on the result does %s: %s", rest.Subject, changedPaths(rest))
	}
	f.plan, f.view, f.before, f.init = first, view, was, asked
}

func (f *folder) once() {
	f.t.Helper()
	f.plan, f.view = f.plans()
	if again, _ := f.plans(); !reflect.DeepEqual(f.plan, again) {
		f.t.Errorf("two plans of one tree differ:\n%+v\n%+v", f.plan, again)
	}
	f.before = maps.Clone(f.files)
	f.carryOut()
	f.wantPromises()
	f.state.MarkerSeen = f.state.MarkerSeen || f.view.HasMarker || f.files[Marker] != ""
}

// filesLoose tells whether the plan moves files out of the root.
func (f *folder) filesLoose() bool {
	return slices.ContainsFunc(f.plan.Files, func(c FileChange) bool { return c.Delete && !strings.Contains(c.Path, "/") })
}

func changedPaths(pl *StructurePlan) string {
	var out []string
	for _, c := range pl.Files {
		out = append(out, fmt.Sprintf("%s (delete %t, %q)", c.Path, c.Delete, c.Data))
	}
	return strings.Join(out, ", ")
}

// carryOut makes the commit, as strictly as Git would.
func (f *folder) carryOut() {
	f.t.Helper()
	if !slices.IsSortedFunc(f.plan.Files, func(a, b FileChange) int { return strings.Compare(a.Path, b.Path) }) {
		f.t.Errorf("the files are not sorted: %s", changedPaths(f.plan))
	}
	seen := map[string]bool{}
	for _, c := range f.plan.Files {
		old, had := f.files[c.Path]
		switch {
		case seen[c.Path]:
			f.t.Errorf("%s is written twice", c.Path)
		case c.Delete && !had:
			f.t.Errorf("%s is removed, but is not there", c.Path)
		case !c.Delete && had && old == string(c.Data):
			f.t.Errorf("%s is written without a change", c.Path)
		case f.modes[c.Path] == "120000" || f.modes[c.Path] == "160000":
			f.t.Errorf("%s is a link and was touched", c.Path)
		case had && f.modes[c.Path] == "100755" && c.Mode != "100755":
			f.t.Errorf("%s lost its mode", c.Path)
		case !had && !safePath(c.Path):
			f.t.Errorf("the path %q is not safe", c.Path)
		}
		seen[c.Path] = true
		if c.Delete {
			delete(f.files, c.Path)
		} else {
			f.files[c.Path] = string(c.Data)
		}
	}
}

// wantPromises holds a carried out plan to what no plan may break: no two paths in each other's way, nothing changed that
// is not for the plan to change, and no document lost.
func (f *folder) wantPromises() {
	f.t.Helper()
	lower := map[string]string{}
	for p := range f.files {
		lower[strings.ToLower(p)] = p
	}
	for p := range f.files {
		_, had := f.before[p]
		if twin := lower[strings.ToLower(p)]; twin != p && !had {
			f.t.Errorf("%s and %s differ by case only", p, twin)
		}
		for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
			if other, file := lower[strings.ToLower(dir)]; file && (other == dir || !had) {
				f.t.Errorf("%s is a file and a folder", other)
			}
		}
	}
	sources := map[string]bool{}
	for p := range f.before {
		_, stays := f.files[p]
		if !stays && (strings.HasPrefix(p, "raw/") && placeOf(&f.fabric, p) == placePending || !strings.Contains(p, "/")) {
			sources[p] = true
		}
	}
	dropped := map[Key]bool{}
	for p := range sources {
		file, _ := manifests.Parse(p, []byte(f.before[p]))
		for i, d := range file.Documents() {
			f.wantKept(p, file, i, d, dropped)
		}
	}
	for p, text := range f.before {
		if sources[p] || f.files[p] == text || strings.HasPrefix(p, "raw/processed/") || strings.HasPrefix(p, "raw/errors/") {
			continue
		}
		// A live file may change in the documents that were dropped, and nowhere else.
		old, _ := manifests.Parse(p, []byte(text))
		now, _ := manifests.Parse(p, []byte(f.files[p]))
		a, b := old.Documents(), now.Documents()
		if placeOf(&f.fabric, p) != placeLive || len(a) != len(b) {
			f.t.Errorf("%s changed:\n%s", p, f.files[p])
			continue
		}
		for i := range a {
			if !dropped[a[i].Identity] && text[a[i].Start:a[i].End] != f.files[p][b[i].Start:b[i].End] {
				f.t.Errorf("document %d of %s changed:\n%s", i, p, f.files[p])
			}
		}
	}
}

// wantKept finds one document of a file that was taken away: byte for byte, or as an equal object where it is live.
func (f *folder) wantKept(p string, file *manifests.File, i int, d manifests.Document, dropped map[Key]bool) {
	f.t.Helper()
	if d.Class == manifests.ClassEmpty {
		return
	}
	items, list := d.Object["items"].([]any)
	list = list && d.APIVersion == "v1" && d.Object["kind"] == "List"
	objects := []manifests.Document{d}
	if list {
		objects = nil
		for _, item := range items {
			o, _ := item.(map[string]any)
			text, err := manifests.Render(o)
			if err != nil {
				f.t.Fatal(err)
			}
			alone, _ := manifests.Parse("", text)
			objects = append(objects, alone.Documents()...)
		}
	}
	for _, o := range objects {
		dropped[o.Identity] = true
	}
	text := strings.Trim(f.before[p][d.Start:d.End], "\r\n")
	for q, have := range f.files {
		// The archive is proof only for what is not synchronised.
		if strings.Contains(have, text) && (!strings.HasPrefix(q, "raw/processed/") || d.Class != manifests.ClassResource && !list) {
			return
		}
	}
	_, view := f.plans()
	for _, o := range objects {
		r := view.Resources[o.Identity]
		switch {
		case o.Class == manifests.ClassResource && (r == nil || !same(kindOf(o.Identity), nil, any(map[string]any(r.Body)), any(map[string]any(comparableBody(o.Object))))):
			f.t.Errorf("%s, document %d of %s, is lost or another", o.Identity, i, p)
		case o.Class != manifests.ClassResource && !f.holds(o.Object):
			f.t.Errorf("document %d of %s is lost:\n%s", i, p, text)
		}
	}
}

// holds tells whether some file that is kept for people has an equal document.
func (f *folder) holds(want manifests.Object) bool {
	for p, text := range f.files {
		if strings.HasPrefix(p, "unmanaged/") || strings.HasPrefix(p, "raw/errors/") {
			file, _ := manifests.Parse(p, []byte(text))
			for _, d := range file.Documents() {
				if d.Object != nil && manifests.Equal(d.Object, want) {
					return true
				}
			}
		}
	}
	return false
}

// ---- what must hold

func (f *folder) wantFile(p, text string) {
	f.t.Helper()
	if have, ok := f.files[p]; !ok {
		f.t.Errorf("no file %s; there are\n%s", p, strings.Join(slices.Sorted(maps.Keys(f.files)), "\n"))
	} else if have != text {
		f.t.Errorf("%s is\n%s\nwant\n%s", p, have, text)
	}
}

func (f *folder) wantNoFile(paths ...string) {
	f.t.Helper()
	for _, p := range paths {
		if _, ok := f.files[p]; ok {
			f.t.Errorf("%s is there", p)
		}
	}
}

func (f *folder) wantNothing() {
	f.t.Helper()
	if len(f.plan.Files) > 0 {
		f.t.Errorf("%s: %s", f.plan.Subject, changedPaths(f.plan))
	}
}

// wantUntouched is for files that stay as they are.
func (f *folder) wantUntouched(paths ...string) {
	f.t.Helper()
	for _, p := range paths {
		f.wantFile(p, f.before[p])
	}
}

// wantMoved is for a file whose original went somewhere, byte for byte.
func (f *folder) wantMoved(from, to string) {
	f.t.Helper()
	f.wantNoFile(from)
	f.wantFile(to, f.before[from])
}

// wantFinding is a finding of the cycle, by file and code.
func (f *folder) wantFinding(file, code string) manifests.Diagnostic {
	f.t.Helper()
	for _, d := range slices.Concat(f.view.Diagnostics, f.plan.Diagnostics) {
		if d.File == file && d.Code == code {
			if d.Message == "" || d.Fix == "" {
				f.t.Errorf("%s of %s says %q, fix %q", code, file, d.Message, d.Fix)
			}
			return d
		}
	}
	f.t.Errorf("no finding %s of %s in %v", code, file, f.plan.Diagnostics)
	return manifests.Diagnostic{}
}

func (f *folder) wantNoFinding(code string) {
	f.t.Helper()
	for _, d := range slices.Concat(f.view.Diagnostics, f.plan.Diagnostics) {
		if d.Code == code {
			f.t.Errorf("finding %s of %s: %s", code, d.File, d.Message)
		}
	}
}

// wantNew names all files that came and all that went.
func (f *folder) wantNew(paths ...string) {
	f.t.Helper()
	var got []string
	for p := range f.files {
		if _, had := f.before[p]; !had && !strings.HasSuffix(p, "/.gitkeep") && p != Marker {
			got = append(got, p)
		}
	}
	slices.Sort(got)
	slices.Sort(paths)
	if !slices.Equal(got, paths) {
		f.t.Errorf("new are %v, want %v", got, paths)
	}
}

// ---- the structure

func TestFolderIsSetUp(t *testing.T) {
	t.Parallel()
	f := newBareFolder(t)
	f.run()
	for _, dir := range []string{
		"raw/pending", "raw/processed", "raw/errors", "unmanaged/external-configs", "unmanaged/manual-overrides",
		"managed/connections", "managed/servers", "managed/switches", "managed/switchgroups", "managed/vlannamespaces", "managed/vpcs",
		"managed/externals", "managed/externalattachments", "managed/externalpeerings", "managed/ipv4namespaces", "managed/vpcattachments", "managed/vpcpeerings",
	} {
		if f.files[dir+"/.gitkeep"] == "" {
			t.Errorf("%s was not made, or its .gitkeep is empty", dir)
		}
	}
	for _, part := range []string{"version: 1\n", `fabric: "fabric-1"`} {
		if !strings.Contains(f.files[Marker], part) {
			t.Errorf("the marker lacks %q:\n%s", part, f.files[Marker])
		}
	}
	if f.plan.Type != "directory_init" || f.plan.Processed != 0 {
		t.Errorf("type %s, processed %d", f.plan.Type, f.plan.Processed)
	}
	if f.plan.Subject != "fabric-1: directory structure" {
		t.Errorf("subject %q", f.plan.Subject)
	}
	made, _ := f.plan.Details["directories_created"].([]any)
	if !slices.Contains(made, any("managed/vpcs")) || !slices.Contains(made, any("raw/pending")) {
		t.Errorf("created %v", made)
	}
	f.run()
	f.wantNothing()
	f.wantNoFinding("structure/missing-directory")
}

func TestFolderMarkerNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Test Lab K3s Cluster", `a "quoted" \ name`, "two\nlines", "fa\u202ebric", "\xff\xfe", strings.Repeat("ü", 300), "- [", "x: y #z", ""} {
		f := newBareFolder(t)
		f.fabric.Name = name
		f.run()
		file, diags := manifests.Parse("m", []byte(f.files[Marker]))
		docs := file.Documents()
		if len(diags) > 0 || len(docs) != 1 || docs[0].Object == nil {
			t.Errorf("the marker of %q does not read: %v\n%s", name, diags, f.files[Marker])
			continue
		}
		if got := docs[0].Object["fabric"]; strings.ToValidUTF8(name, "?") != got && len(name) < 200 && !strings.ContainsAny(name, "\n\u202e") {
			t.Errorf("the marker of %q says %q", name, got)
		}
		if strings.Count(f.plan.Subject, "\n") > 0 || len([]rune(f.plan.Subject)) > 120 {
			t.Errorf("subject %q", f.plan.Subject)
		}
	}
}

func TestFolderAcceptsTheOldTree(t *testing.T) {
	t.Parallel()
	f := newBareFolder(t)
	f.load(recordedTree)
	f.run()
	for p, text := range f.before {
		if f.files[p] != text {
			t.Errorf("%s changed", p)
		}
	}
	f.wantNew()
	for _, dir := range []string{"raw/pending", "raw/processed", "raw/errors", "unmanaged/external-configs", "unmanaged/manual-overrides", "managed/gateways"} {
		if _, ok := f.files[dir+"/.gitkeep"]; !ok {
			t.Errorf("%s is still missing", dir)
		}
	}
	if f.files[Marker] == "" {
		t.Error("no marker")
	}
	f.wantFinding("managed/tests", "structure/unknown-directory")
	f.run()
	f.wantNothing()
	f.init = true
	f.run()
	f.wantNothing()
}

func TestFolderOfAnExistingTree(t *testing.T) {
	t.Parallel()
	vpc := doc("vpc/a", "{mode: l2vni}")
	folders(t, map[string]func(f *folder){
		"a marker that was seen and is gone is no reason to set up again": func(f *folder) {
			delete(f.files, Marker)
			delete(f.files, "managed/vpcs/.gitkeep")
			f.run()
			f.wantNothing()
		},
		"a person who asks gets what is missing, marker included": func(f *folder) {
			delete(f.files, Marker)
			delete(f.files, "managed/vpcs/.gitkeep")
			f.init = true
			f.run()
			f.wantNew()
			for _, p := range []string{Marker, "managed/vpcs/.gitkeep"} {
				if f.files[p] == "" {
					f.t.Errorf("%s is missing", p)
				}
			}
		},
		"an existing marker and .gitkeep keep what they say": func(f *folder) {
			f.has(Marker, "anything\n")
			f.has("managed/vpcs/.gitkeep", "")
			f.init = true
			f.run()
			f.wantNothing()
		},
		"a missing directory is a finding, not a commit": func(f *folder) {
			delete(f.files, "managed/vpcs/.gitkeep")
			f.run()
			f.wantNothing()
			f.wantFinding("managed/vpcs", "structure/missing-directory")
		},
		"a resource outside managed is a finding and stays": func(f *folder) {
			f.has("a.yaml", vpc)
			f.has("sub/b.yaml", doc("vpc/b", ""))
			f.run()
			f.wantNothing()
			if d := f.wantFinding("a.yaml", "structure/loose"); d.StartLine == 0 {
				f.t.Errorf("no place: %+v", d)
			}
			f.wantFinding("sub/b.yaml", "structure/loose")
		},
		"a resource in another kind's directory is a finding and stays": func(f *folder) {
			f.has("managed/servers/a.yaml", vpc)
			f.has("managed/b.yaml", doc("vpc/b", ""))
			f.init = true
			f.run()
			f.wantNothing()
			f.wantFinding("managed/servers/a.yaml", "structure/misplaced-kind")
			f.wantFinding("managed/b.yaml", "structure/misplaced-kind")
		},
		"an identity that stands twice is a finding and both stay": func(f *folder) {
			f.has("managed/vpcs/a.yaml", vpc)
			f.has("managed/vpcs/b.yaml", vpc)
			f.run()
			f.wantNothing()
			f.wantFinding("managed/vpcs/a.yaml", "duplicate-identity")
			f.wantFinding("managed/vpcs/b.yaml", "duplicate-identity")
		},
		"in_place does nothing by itself": func(f *folder) {
			*f = *newBareFolder(f.t)
			f.fabric.Layout = LayoutInPlace
			f.has("a.yaml", vpc)
			f.has("raw/b.yaml", doc("vpc/b", ""))
			f.run()
			f.wantNothing()
			f.wantNoFinding("structure/missing-directory")
			f.wantNoFinding("structure/loose")
		},
		"in_place set up by a person gets a marker and nothing moves": func(f *folder) {
			*f = *newBareFolder(f.t)
			f.fabric.Layout = LayoutInPlace
			f.init = true
			f.has("a.yaml", vpc)
			f.run()
			f.wantUntouched("a.yaml")
			if len(f.files) != 2 || f.files[Marker] == "" {
				f.t.Errorf("files %v", slices.Sorted(maps.Keys(f.files)))
			}
		},
	})
}

func TestFolderObstacles(t *testing.T) {
	t.Parallel()
	vpc := doc("vpc/a", "{mode: l2vni}")
	folders(t, map[string]func(f *folder){
		"a file where a directory belongs stays; the rest is made": func(f *folder) {
			*f = *newBareFolder(f.t)
			f.has("managed", "a file\n")
			f.has("raw/pending/a.yaml", vpc)
			f.run()
			f.wantUntouched("managed")
			if f.files["raw/processed/.gitkeep"] == "" {
				f.t.Error("raw/processed was not made")
			}
			f.wantUntouched("raw/pending/a.yaml")
		},
		"a link where a directory belongs is not followed": func(f *folder) {
			*f = *newBareFolder(f.t)
			f.has("managed/vpcs", "../elsewhere")
			f.modes["managed/vpcs"] = "120000"
			f.has("raw/a.yaml", vpc)
			f.run()
			f.wantUntouched("managed/vpcs", "raw/a.yaml")
			f.wantNoFile("managed/vpcs/a.yaml")
		},
		"a directory of another spelling is not doubled": func(f *folder) {
			*f = *newBareFolder(f.t)
			f.has("Managed/VPCs/b.yaml", doc("vpc/b", ""))
			f.run()
			f.wantUntouched("Managed/VPCs/b.yaml")
			for p := range f.files {
				if strings.HasPrefix(p, "managed/") {
					f.t.Errorf("%s beside Managed", p)
				}
			}
		},
		"raw/processed as a link: the file waits": func(f *folder) {
			delete(f.files, "raw/processed/.gitkeep")
			f.has("raw/processed", "elsewhere")
			f.modes["raw/processed"] = "160000"
			f.has("raw/a.yaml", vpc)
			f.run()
			f.wantUntouched("raw/a.yaml", "raw/processed")
			f.wantNoFile("managed/vpcs/a.yaml")
		},
		"an archive that is a link is not overwritten": func(f *folder) {
			f.has("raw/processed/a.yaml", "elsewhere")
			f.modes["raw/processed/a.yaml"] = "120000"
			f.has("raw/a.yaml", vpc)
			f.run()
			f.wantUntouched("raw/processed/a.yaml")
			f.wantFile("managed/vpcs/a.yaml", vpc)
			f.wantMoved("raw/a.yaml", "raw/processed/a-2.yaml")
		},
		"an archived file does not stand in the way of a folder of its name": func(f *folder) {
			f.has("raw/processed/a.yaml", doc("vpc/z", ""))
			f.has("raw/a.yaml/b.yaml", vpc)
			f.run()
			f.wantUntouched("raw/processed/a.yaml")
		},
	})
}

func TestFolderSetUpFilesLooseDocuments(t *testing.T) {
	t.Parallel()
	vpc := doc("vpc/a", "{mode: l2vni}")
	foreignDoc := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
	folders(t, map[string]func(f *folder){
		"supported documents of the root are filed in the same commit": func(f *folder) {
			*f = *newBareFolder(f.t)
			f.has("mine.yaml", "# about a\n"+vpc, doc("server/s", ""))
			f.run()
			f.wantFile("managed/vpcs/a.yaml", "# about a\n"+vpc)
			f.wantFile("managed/servers/s.yaml", doc("server/s", ""))
			f.wantMoved("mine.yaml", "raw/processed/mine.yaml")
			if f.plan.Type != "directory_init" || f.plan.Processed != 2 || f.plan.Subject != "fabric-1: directory structure, ingest 2 documents" {
				f.t.Errorf("%s, %d: %s", f.plan.Type, f.plan.Processed, f.plan.Subject)
			}
		},
		"what is not ours in the root stays": func(f *folder) {
			*f = *newBareFolder(f.t)
			f.has("README.md", "hello\n")
			f.has("kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: []\n")
			f.has("config.yaml", foreignDoc)
			f.has("values.yaml", "a: 1\n")
			f.has("broken.yaml", "a: [\n")
			f.has("data.json", `{"a": 1}`)
			f.run()
			f.wantUntouched("README.md", "kustomization.yaml", "config.yaml", "values.yaml", "broken.yaml", "data.json")
			f.wantNew()
		},
		"a loose file with an error stays whole": func(f *folder) {
			*f = *newBareFolder(f.t)
			f.has("mine.yaml", vpc, "a: [\n")
			f.has("wrong.yaml", doc("vpc/w", "{nonsense: 1}"))
			f.run()
			f.wantUntouched("mine.yaml", "wrong.yaml")
			f.wantNew()
		},
		"a loose twin of a managed resource stays, nothing is chosen": func(f *folder) {
			*f = *newBareFolder(f.t)
			f.has("mine.yaml", vpc)
			f.has("managed/vpcs/a.yaml", doc("vpc/a", "{mode: l3vni}"))
			f.run()
			f.wantUntouched("mine.yaml", "managed/vpcs/a.yaml")
			f.wantNew()
		},
		"loose twins of each other stay": func(f *folder) {
			*f = *newBareFolder(f.t)
			f.has("one.yaml", vpc)
			f.has("two.yaml", doc("vpc/a", "{mode: l3vni}"))
			f.run()
			f.wantUntouched("one.yaml", "two.yaml")
			f.wantNew()
		},
		"a loose file in a folder stays where it is": func(f *folder) {
			*f = *newBareFolder(f.t)
			f.has("sub/a.yaml", vpc)
			f.run()
			f.wantUntouched("sub/a.yaml")
			f.wantNew()
			f.wantFinding("sub/a.yaml", "structure/loose")
		},
		"loose files that are ignored stay": func(f *folder) {
			*f = *newBareFolder(f.t)
			f.fabric.Ignore = []string{"mine.yaml"}
			f.has("mine.yaml", vpc)
			f.run()
			f.wantUntouched("mine.yaml")
			f.wantNew()
		},
	})
}
