package gitops

import (
	"bytes"
	"encoding/json"
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
	"time"

	"github.com/hnp-sync/hnp-sync/manifests"
)

const realInput = "../testdata/gitops-test-1"

// directory is a fabric directory as text: path to content. A content of the form "mode 120000" makes an entry of that
// mode.
type directory map[string]string

func (d directory) with(more directory) directory {
	out := maps.Clone(d)
	maps.Copy(out, more)
	return out
}

// without leaves paths out.
func (d directory) without(paths ...string) directory {
	out := maps.Clone(d)
	for _, p := range paths {
		delete(out, p)
	}
	return out
}

func readDirectory(t testing.TB, root string) directory {
	t.Helper()
	d := directory{}
	err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		rel, _ := filepath.Rel(root, p)
		d[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		t.Fatalf("read %s: %v", root, err)
	}
	return d
}

func (d directory) snapshot() *GitSnapshot {
	snap := &GitSnapshot{Head: strings.Repeat("a", 40), DirTree: strings.Repeat("b", 40)}
	for _, p := range slices.Sorted(maps.Keys(d)) {
		e := TreeEntry{Path: p, Mode: "100644", OID: blobID(d[p]), Size: int64(len(d[p])), Data: []byte(d[p])}
		switch mode, ok := strings.CutPrefix(d[p], "mode "); {
		case ok && mode == "oversize":
			e.Oversize, e.Data = true, nil
		case ok && mode == "100755":
			e.Mode = mode
		case ok:
			e.Mode, e.Data = mode, nil
		}
		snap.Entries = append(snap.Entries, e)
	}
	return snap
}

var embeddedSchemas = sync.OnceValues(manifests.EmbeddedSchemas)

// structureInput is an input with the real schemas, for fabric-1 with the defaults.
func structureInput(t testing.TB, d directory) *StructureInput {
	t.Helper()
	schemas, err := embeddedSchemas()
	if err != nil {
		t.Fatal(err)
	}
	f := DefaultFabric()
	f.Name = "fabric-1"
	parse := func(file string, e *TreeEntry) (*manifests.File, []manifests.Diagnostic) {
		return manifests.Parse(file, e.Data)
	}
	in := &StructureInput{Fabric: &f, State: NewState(), Parse: parse, Now: time.Date(2025, 7, 30, 12, 34, 56, 0, time.UTC), Random: "k7q2mx",
		Validate: func(f *manifests.File, doc int) []manifests.Diagnostic {
			return manifests.ValidateDocument(f, doc, schemas)
		}}
	return in.on(d)
}

// on is the input with another tree.
func (in *StructureInput) on(d directory) *StructureInput {
	out := *in
	out.Snapshot = d.snapshot()
	out.View = ViewGit(out.Snapshot, out.Fabric, out.Parse)
	return &out
}

// after is the tree that a plan makes of d. What no repository would take is an error: a path twice, unsafe paths, a
// file where a directory is, paths that differ by case from others.
func (pl *StructurePlan) after(t fataler, d directory) directory {
	out := maps.Clone(d)
	last := ""
	for _, c := range pl.Files {
		_, had := d[c.Path]
		switch {
		case c.Path <= last:
			t.Fatalf("%q comes after %q", c.Path, last)
		case c.Delete && !had:
			t.Fatalf("%q is deleted but does not exist", c.Path)
		case c.Mode != "100644" && c.Mode != "100755" && !c.Delete:
			t.Fatalf("%q is written with mode %q", c.Path, c.Mode)
		case !had && !safePath(c.Path):
			t.Fatalf("%q is not a safe path", c.Path)
		case !c.Delete && had && d[c.Path] == string(c.Data):
			t.Fatalf("%q is written as it is", c.Path)
		}
		last = c.Path
		if c.Delete {
			delete(out, c.Path)
		} else {
			out[c.Path] = string(c.Data)
		}
	}
	lower := map[string]string{}
	for p := range out {
		lower[strings.ToLower(p)] += " " + p
	}
	for _, c := range pl.Files {
		if c.Delete {
			continue
		}
		if strings.Count(lower[strings.ToLower(c.Path)], " ") > 1 {
			t.Fatalf("%q differs by case only from another path", c.Path)
		}
		for dir := path.Dir(c.Path); dir != "."; dir = path.Dir(dir) {
			if _, file := out[dir]; file {
				t.Fatalf("%q is below the file %q", c.Path, dir)
			}
		}
	}
	return out
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// settled applies plans until nothing is left to do; one plan has to be enough, and the second must be empty.
func settled(t fataler, in *StructureInput, d directory) (directory, *StructurePlan) {
	t.Helper()
	pl := PlanStructure(in.on(d))
	out := pl.after(t, d)
	if again := PlanStructure(in.asked(false).on(out)); len(again.Files) > 0 {
		t.Fatalf("planning on the result changes %s again", paths(again.Files))
	}
	return out, pl
}

func (in *StructureInput) asked(init bool) *StructureInput {
	out := *in
	out.Init = init
	return &out
}

func paths(files []FileChange) string {
	var out []string
	for _, f := range files {
		mark := "+"
		if f.Delete {
			mark = "-"
		}
		out = append(out, mark+f.Path)
	}
	return strings.Join(out, " ")
}

// marked is a directory that was set up.
func marked(t testing.TB) directory {
	d := directory{}
	return PlanStructure(structureInput(t, d)).after(t, d)
}

// added are the paths of b that a does not have, without .gitkeep files.
func added(a, b directory) []string {
	out := []string{}
	for p := range b {
		if _, had := a[p]; !had && path.Base(p) != ".gitkeep" {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

func codes(found []manifests.Diagnostic) []string {
	out := []string{}
	for _, d := range found {
		out = append(out, d.File+": "+d.Code)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// The customer's three files in the root become one commit: the structure and 48 documents, each byte for byte.
func TestSetUpFilesTheRealInput(t *testing.T) {
	t.Parallel()
	d := readDirectory(t, realInput+"/raw")
	out, pl := settled(t, structureInput(t, d), d)
	if want := "fabric-1: directory structure, ingest 48 documents"; pl.Subject != want {
		t.Errorf("subject %q, not %q", pl.Subject, want)
	}
	if pl.Type != "directory_init" || pl.Processed != 48 {
		t.Errorf("type %s, %d processed", pl.Type, pl.Processed)
	}
	for name, text := range d {
		if out["raw/processed/"+name] != text {
			t.Errorf("the archive of %s is not its original", name)
		}
		if _, still := out[name]; still {
			t.Errorf("%s still stands in the root", name)
		}
		f, _ := manifests.Parse(name, []byte(text))
		for _, doc := range f.Documents() {
			kind, _ := manifests.LookupKind(doc.Identity.Group, doc.Identity.Kind)
			at := "managed/" + kind.Plural + "/" + doc.Identity.Name + ".yaml"
			if want := text[doc.Start:doc.End]; out[at] != want {
				t.Errorf("%s is %q, not %q", at, out[at], want)
			}
		}
	}
	managed := 0
	for p := range out {
		if strings.HasPrefix(p, "managed/") && strings.HasSuffix(p, ".yaml") {
			managed++
		}
	}
	if managed != 48 {
		t.Errorf("%d managed files", managed)
	}
	lines := strings.Split(pl.Body, "\n")
	if len(lines) != bodyLines+3 || lines[bodyLines] != fmt.Sprintf("and %d more", 48+26-bodyLines) || lines[bodyLines+1] != "" {
		t.Errorf("the body has %d lines and ends with %q", len(lines), lines[max(0, len(lines)-4):])
	}
	if got := pl.Details["documents"].([]any); len(got) != 48 || !reflect.DeepEqual(got[46], map[string]any{"resource": "vpc/test-vpc-2", "action": "created",
		"file": "managed/vpcs/test-vpc-2.yaml", "from": "test-vpc-2.yaml", "document": 0}) {
		t.Errorf("%d documents, the 47th %v", len(got), got[min(46, len(got)-1)])
	}
}

// The fix history of the VPC, dropped version by version: what is wrong is refused with its line, the rest is taken.
func TestIngestTheRealHistory(t *testing.T) {
	t.Parallel()
	d := marked(t)
	for _, step := range []struct{ file, managed, subject string }{
		{"test-vpc-9534977d-v1alpha2-list.yaml", "", "fabric-1: ingest 1 document"}, // another version: kept, unmanaged
		{"test-vpc-e8277f80.yaml", "", "fabric-1: refuse 1 file"},
		{"test-vpc-67c3a70a.yaml", "vlan: 100", "fabric-1: ingest 1 document"},
		{"test-vpc-1f58a6e9.yaml", "vlan: 1000", "fabric-1: ingest 1 document"},
		{"test-vpc-57c29daf.yaml", "vlan: 1001\n", "fabric-1: ingest 1 document"},
		{"test-vpc-2-duplicate-identity.yaml", "vlan: 1001\n", "fabric-1: ingest 1 document"}, // the same identity and body
	} {
		text, err := os.ReadFile(realInput + "/history/" + step.file)
		if err != nil {
			t.Fatal(err)
		}
		var pl *StructurePlan
		d, pl = settled(t, structureInput(t, d), d.with(directory{"raw/pending/test-vpc.yaml": string(text)}))
		if pl.Subject != step.subject {
			t.Errorf("%s: subject %q, not %q", step.file, pl.Subject, step.subject)
		}
		if got := d["managed/vpcs/test-vpc.yaml"]; step.managed == "" && got != "" || !strings.HasSuffix(strings.TrimSuffix(got, "\n"), strings.TrimSuffix(step.managed, "\n")) {
			t.Errorf("%s: managed is %q", step.file, got)
		}
	}
	if want := "9:7: "; !strings.HasPrefix(d["raw/errors/test-vpc.yaml.errors.txt"], "8:") && !strings.HasPrefix(d["raw/errors/test-vpc.yaml.errors.txt"], want) {
		t.Errorf("the error file says %q", d["raw/errors/test-vpc.yaml.errors.txt"])
	}
	if d["unmanaged/external-configs/test-vpc.yaml"] == "" {
		t.Errorf("the document of another version is lost")
	}
}

// A tree of the old system is accepted as it is: nothing that exists changes or moves.
func TestSetUpAcceptsAnOldTree(t *testing.T) {
	t.Parallel()
	d := readDirectory(t, realInput+"/managed-head/fabric-1")
	in := structureInput(t, d)
	out, pl := settled(t, in, d)
	for p, text := range d {
		if out[p] != text {
			t.Errorf("%s changed", p)
		}
	}
	if got, want := added(d, out), []string{Marker}; !slices.Equal(got, want) {
		t.Errorf("added %v", got)
	}
	if pl.Subject != "fabric-1: directory structure" || pl.Processed != 0 {
		t.Errorf("subject %q, %d processed", pl.Subject, pl.Processed)
	}
	want := []string{"managed/tests: structure/unknown-directory", "test: structure/unknown-directory"}
	if got := codes(StructureDiagnostics(in.on(out).View, in.Fabric)); !slices.Equal(got, want) {
		t.Errorf("findings %v", got)
	}
	for _, d := range StructureDiagnostics(in.on(out).View, in.Fabric) {
		if d.Severity != manifests.SeverityNote {
			t.Errorf("%s is a %s", d.File, d.Severity)
		}
	}
}

const wantEmptyDirectory = `managed/connections managed/externalattachments managed/externalpeerings managed/externals managed/gatewaygroups managed/gatewaypeerings managed/gateways managed/ipv4namespaces managed/metadata managed/serverprofiles managed/servers managed/switches managed/switchgroups managed/switchprofiles managed/vlannamespaces managed/vpcattachments managed/vpcpeerings managed/vpcs raw/errors raw/pending raw/processed unmanaged/external-configs unmanaged/manual-overrides`

func TestSetUpAnEmptyDirectory(t *testing.T) {
	t.Parallel()
	in := structureInput(t, directory{})
	out, pl := settled(t, in, directory{})
	dirs := map[string]bool{}
	for p := range out {
		dirs[path.Dir(p)] = true
	}
	if got := strings.Join(slices.Sorted(maps.Keys(dirs)), " "); got != wantEmptyDirectory {
		t.Errorf("directories %s", got)
	}
	if got, want := out[Marker], "# hnp-sync keeps this directory and NetBox in step.\nversion: 1\nfabric: \"fabric-1\"\n"; got != want {
		t.Errorf("marker %q", got)
	}
	if out["managed/vpcs/.gitkeep"] != "# Managed vpcs CRDs directory\n" || out["raw/pending/.gitkeep"] != "# This file ensures the directory is tracked by Git\n" {
		t.Errorf(".gitkeep files %q, %q", out["managed/vpcs/.gitkeep"], out["raw/pending/.gitkeep"])
	}
	if pl.Subject != "fabric-1: directory structure" || pl.Type != "directory_init" || !strings.HasSuffix(pl.Body, "unmanaged/manual-overrides/: created\n\n") {
		t.Errorf("subject %q, type %q, body %q", pl.Subject, pl.Type, pl.Body)
	}
	created := pl.Details["directories_created"].([]any)
	if len(created) != 26 || created[0] != "managed" || pl.Details["success"] != true || pl.Details["backup_location"] != "" ||
		!reflect.DeepEqual(pl.Details["structure_validation"], map[string]any{"valid": true, "issues": []any{}}) {
		t.Errorf("details %v", pl.Details)
	}
	if _, err := json.Marshal(pl.Details); err != nil {
		t.Error(err)
	}
	if got := StructureDiagnostics(in.on(out).View, in.Fabric); len(got) > 0 {
		t.Errorf("findings %v", got)
	}
}

// When, and what, a set-up does.
func TestSetUp(t *testing.T) {
	t.Parallel()
	vpc := doc("vpc/a", "{}")
	full := marked(t)
	loose := func(in *StructureInput) {}
	for name, c := range map[string]struct {
		tree    directory
		change  func(in *StructureInput)
		files   string // of the plan, .gitkeep left out
		keeps   int    // .gitkeep files made
		subject string
	}{
		"a directory with a marker is set up":                          {full, loose, "", 0, ""},
		"a marker that is gone does not set up again":                  {directory{}, func(in *StructureInput) { in.State.MarkerSeen = true }, "", 0, ""},
		"unless a person asks":                                         {directory{}, func(in *StructureInput) { in.State.MarkerSeen, in.Init = true, true }, "+" + Marker, 22, "fabric-1: directory structure"},
		"asking again makes what is missing":                           {full.without("managed/vpcs/.gitkeep"), func(in *StructureInput) { in.Init = true }, "", 1, "fabric-1: directory structure"},
		"not asking leaves it missing":                                 {full.without("managed/vpcs/.gitkeep"), loose, "", 0, ""},
		"a loose document waits until a person asks":                   {full.with(directory{"a.yaml": vpc}), loose, "", 0, ""},
		"asking files it":                                              {full.with(directory{"a.yaml": vpc}), func(in *StructureInput) { in.Init = true }, "-a.yaml +managed/vpcs/a.yaml +raw/processed/a.yaml", 0, "fabric-1: ingest 1 document"},
		"in_place needs nothing":                                       {directory{"a.yaml": vpc, "raw/b.yaml": doc("vpc/b", "{}")}, func(in *StructureInput) { in.Fabric.Layout, in.Ingest = LayoutInPlace, true }, "", 0, ""},
		"in_place gets a marker on request":                            {directory{"a.yaml": vpc}, func(in *StructureInput) { in.Fabric.Layout, in.Init = LayoutInPlace, true }, "+" + Marker, 0, "fabric-1: directory structure"},
		"in_place gets the standard directories on request":            {directory{"a.yaml": vpc}, func(in *StructureInput) { in.Fabric.Layout, in.Init, in.Template = LayoutInPlace, true, LayoutStandard }, "+" + Marker, 22, "fabric-1: directory structure"},
		"a root file without resources is none of our business":        {full.with(directory{"kustomization.yaml": "resources: [a.yaml]\n", "cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"}), func(in *StructureInput) { in.Init = true }, "", 0, ""},
		"a root file with an invalid resource stays":                   {full.with(directory{"a.yaml": doc("vpc/a", "{nonsense: 1}")}), func(in *StructureInput) { in.Init = true }, "", 0, ""},
		"a root file in raw's patterns only":                           {full.with(directory{"a.json": `{"apiVersion":"vpc.githedgehog.com/v1beta1","kind":"VPC","metadata":{"name":"a"}}`}), func(in *StructureInput) { in.Init = true }, "", 0, ""},
		"what is ignored is not loose":                                 {full.with(directory{"a.yaml": vpc}), func(in *StructureInput) { in.Init, in.Fabric.Ignore = true, []string{"*.yaml"} }, "", 0, ""},
		"a loose document that stands twice stays":                     {full.with(directory{"a.yaml": vpc, "managed/vpcs/a.yaml": vpc}), func(in *StructureInput) { in.Init = true }, "", 0, ""},
		"a loose List whose item stands elsewhere stays":               {full.with(directory{"a.yaml": "apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(vpc, "\n", "\n  "), "managed/vpcs/a.yaml": vpc}), func(in *StructureInput) { in.Init = true }, "", 0, ""},
		"a loose document and a loose item of it stay":                 {full.with(directory{"a.yaml": "apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(vpc, "\n", "\n  "), "b.yaml": vpc}), func(in *StructureInput) { in.Init = true }, "", 0, ""},
		"a loose List alone is opened":                                 {full.with(directory{"l.yaml": "apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(vpc, "\n", "\n  ")}), func(in *StructureInput) { in.Init = true }, "-l.yaml +managed/vpcs/a.yaml +raw/processed/l.yaml", 0, "fabric-1: ingest 1 document"},
		"deeper files are not loose in the root":                       {full.with(directory{"site/a.yaml": vpc}), func(in *StructureInput) { in.Init = true }, "", 0, ""},
		"a file stands where a directory belongs":                      {full.without("managed/vpcs/.gitkeep").with(directory{"managed/vpcs": "x"}), func(in *StructureInput) { in.Init = true }, "", 0, ""},
		"it is moved to the backup with force_recreate":                {full.without("managed/vpcs/.gitkeep").with(directory{"managed/vpcs": "x"}), func(in *StructureInput) { in.Init, in.ForceRecreate = true, true }, "+backup/20250730_123456_k7q2mx/managed/vpcs -managed/vpcs", 1, "fabric-1: directory structure"},
		"it is removed when no backup is wanted":                       {full.without("managed/vpcs/.gitkeep").with(directory{"managed/vpcs": "x"}), func(in *StructureInput) { in.Init, in.ForceRecreate, in.NoBackup = true, true, true }, "-managed/vpcs", 1, "fabric-1: directory structure"},
		"nothing is moved without a time for the backup":               {full.without("managed/vpcs/.gitkeep").with(directory{"managed/vpcs": "x"}), func(in *StructureInput) { in.Init, in.ForceRecreate, in.Now = true, true, time.Time{} }, "", 0, ""},
		"nothing is moved to a hostile backup":                         {full.without("managed/vpcs/.gitkeep").with(directory{"managed/vpcs": "x"}), func(in *StructureInput) { in.Init, in.ForceRecreate, in.Random = true, true, "../.." }, "", 0, ""},
		"a symbolic link is carried through":                           {full.without("managed/vpcs/.gitkeep").with(directory{"managed/vpcs": "mode 120000"}), func(in *StructureInput) { in.Init, in.ForceRecreate = true, true }, "", 0, ""},
		"a submodule is carried through":                               {full.without("managed/vpcs/.gitkeep").with(directory{"managed/vpcs": "mode 160000"}), func(in *StructureInput) { in.Init, in.ForceRecreate = true, true }, "", 0, ""},
		"a directory in another spelling is no second one":             {full.without("managed/vpcs/.gitkeep").with(directory{"managed/VPCs/x.txt": "x"}), func(in *StructureInput) { in.Init = true }, "", 0, ""},
		"force_recreate renews a marker of another name":               {full.with(directory{Marker: "old"}), func(in *StructureInput) { in.Init, in.ForceRecreate = true, true }, "+backup/20250730_123456_k7q2mx/" + Marker + " +" + Marker, 0, "fabric-1: directory structure"},
		"without it the marker stays":                                  {full.with(directory{Marker: "old"}), func(in *StructureInput) { in.Init = true }, "", 0, ""},
		"force_recreate changes nothing when nothing is in the way":    {full.with(directory{"managed/vpcs/a.yaml": vpc, "x/y.txt": "z"}), func(in *StructureInput) { in.Init, in.ForceRecreate = true, true }, "", 0, ""},
		"force_recreate holds for a person's request only":             {directory{"raw": "x"}, func(in *StructureInput) { in.ForceRecreate = true }, "+" + Marker, 19, "fabric-1: directory structure"},
		"the whole of managed/ stands in the way, and nothing is lost": {directory{"managed": "mine"}, func(in *StructureInput) { in.Init, in.ForceRecreate = true, true }, "+backup/20250730_123456_k7q2mx/managed -managed +" + Marker, 22, "fabric-1: directory structure"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := structureInput(t, c.tree)
			c.change(in)
			pl := PlanStructure(in.on(c.tree))
			out := pl.after(t, c.tree)
			keeps := 0
			files := slices.DeleteFunc(slices.Clone(pl.Files), func(f FileChange) bool {
				keep := path.Base(f.Path) == ".gitkeep"
				if keep {
					keeps++
				}
				return keep
			})
			if got := paths(files); got != c.files || keeps != c.keeps {
				t.Errorf("files %q with %d .gitkeep, not %q with %d", got, keeps, c.files, c.keeps)
			}
			if pl.Subject != c.subject {
				t.Errorf("subject %q, not %q", pl.Subject, c.subject)
			}
			if again := PlanStructure(in.on(out)); len(again.Files) > 0 {
				t.Errorf("the same request again changes %s", paths(again.Files))
			}
		})
	}
}

// What is in the way is said, and what is moved is in the result.
func TestSetUpSaysWhatIsInTheWay(t *testing.T) {
	t.Parallel()
	d := directory{"raw": "x", "Managed/vpcs/x.txt": "y"}
	in := structureInput(t, d)
	pl := PlanStructure(in)
	if got, want := paths(pl.Files), "+unmanaged/external-configs/.gitkeep +unmanaged/manual-overrides/.gitkeep"; got != want {
		t.Errorf("files %s", got)
	}
	got := codes(slices.DeleteFunc(pl.Diagnostics, func(d manifests.Diagnostic) bool { return d.Code == "structure/missing-directory" }))
	if want := []string{"Managed: structure/case-collision", "Managed: structure/unknown-directory", "raw: structure/in-the-way"}; !slices.Equal(got, want) {
		t.Errorf("findings %v", got)
	}
	validation := pl.Details["structure_validation"].(map[string]any)
	if validation["valid"] != false || len(validation["issues"].([]any)) != 2 || pl.Details["success"] != false {
		t.Errorf("details %v", pl.Details)
	}
	in.Init, in.ForceRecreate = true, true
	pl = PlanStructure(in)
	if pl.Details["backup_location"] != "backup/20250730_123456_k7q2mx" || !reflect.DeepEqual(pl.Details["files_moved"],
		[]any{map[string]any{"from": "raw", "to": "backup/20250730_123456_k7q2mx/raw"}}) {
		t.Errorf("details %v", pl.Details)
	}
}

func TestStructureDiagnostics(t *testing.T) {
	t.Parallel()
	vpc := "# a VPC\n" + doc("vpc/a", "{}")
	full := marked(t)
	for name, c := range map[string]struct {
		tree directory
		want []string // file:line: severity code
		in   func(f *Fabric)
	}{
		"a sound tree":                         {full.with(directory{"managed/vpcs/a.yaml": vpc, "managed/vpcs/site/b.yaml": doc("vpc/b", "{}"), "README.md": "x", ".github/x.yaml": "a: b\n", "backup/x/y.yaml": vpc}), nil, nil},
		"a missing directory":                  {full.without("managed/vpcs/.gitkeep", "raw/errors/.gitkeep"), []string{"managed/vpcs:0: warning structure/missing-directory", "raw/errors:0: warning structure/missing-directory"}, nil},
		"a kind in another kind's directory":   {full.with(directory{"managed/servers/a.yaml": vpc}), []string{"managed/servers/a.yaml:3: warning structure/misplaced-kind"}, nil},
		"a kind right below managed/":          {full.with(directory{"managed/a.yaml": vpc}), []string{"managed/a.yaml:3: warning structure/misplaced-kind"}, nil},
		"a kind among the metadata":            {full.with(directory{"managed/metadata/a.yaml": vpc}), []string{"managed/metadata/a.yaml:3: warning structure/misplaced-kind"}, nil},
		"an unknown directory":                 {full.with(directory{"managed/tests/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n", "docs/x.md": "y"}), []string{"docs:0: note structure/unknown-directory", "managed/tests:0: note structure/unknown-directory"}, nil},
		"an unknown directory that is ignored": {full.with(directory{"docs/x.md": "y"}), nil, func(f *Fabric) { f.Ignore = []string{"docs/**"} }},
		"loose documents, once a file":         {full.with(directory{"x.yaml": vpc + "---\n" + doc("vpc/b", "{}")}), []string{"x.yaml:3: warning structure/loose"}, nil},
		"an identity that stands twice":        {full.with(directory{"managed/vpcs/a.yaml": vpc, "managed/vpcs/b.yaml": vpc}), []string{"managed/vpcs/a.yaml:5: warning structure/duplicate-identity"}, nil},
		"in_place has no structure":            {directory{"x.yaml": vpc}, nil, func(f *Fabric) { f.Layout = LayoutInPlace }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := structureInput(t, c.tree)
			if c.in != nil {
				c.in(in.Fabric)
				in = in.on(c.tree)
			}
			var got []string
			for _, d := range StructureDiagnostics(in.View, in.Fabric) {
				got = append(got, fmt.Sprintf("%s:%d: %s %s", d.File, d.StartLine, d.Severity, d.Code))
				if d.Message == "" || d.Fix == "" {
					t.Errorf("%s: says %q and advises %q", d.Code, d.Message, d.Fix)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, not %q", got, c.want)
			}
		})
	}
}

func TestSafePath(t *testing.T) {
	t.Parallel()
	for p, want := range map[string]bool{
		"raw/a.yaml": true, "raw/ä b.yaml": true, "": false, "/a": false, "a//b": false, "a/../b": false, "./a": false, "a/.git/x": false, "a/.GIT": false,
		"a/.git /x": false, "a\x00b": false, "a\nb": false, "a\x7fb": false, `a\b`: false, "a\xffb": false, "a\u202eb": false, "a\u200bb": false,
		"a/" + strings.Repeat("x", 256): false,
	} {
		if got := safePath(p); got != want {
			t.Errorf("%q: %t", p, got)
		}
	}
}

// A staged tree that is rolled back is as before.
func TestStagedTreeRollsBack(t *testing.T) {
	t.Parallel()
	entries := map[string]*TreeEntry{"a": {Path: "a", Mode: "100755", Data: []byte("1")}, "b": {Path: "b", Mode: "100644", Data: []byte("2")}}
	tree := newStagedTree(entries)
	tree.put("c", []byte("3"), "100644")
	mark := tree.mark()
	tree.put("a", []byte("4"), "100644")
	tree.put("a", []byte("5"), "100644")
	tree.remove("b")
	tree.put("d", nil, "100644")
	if tree.usable("D") || !tree.usable("b") {
		t.Error("a staged path is not taken, or a removed one is")
	}
	tree.rollback(mark)
	if tree.usable("b") || !tree.usable("d") || tree.usable("C") {
		t.Error("the paths are not as before")
	}
	if got := tree.changes(); len(got) != 1 || got[0].Path != "c" || !bytes.Equal(got[0].Data, []byte("3")) {
		t.Errorf("changes %s", paths(got))
	}
	tree.put("a", []byte("6"), "100644")
	if got := tree.changes(); got[0].Mode != "100755" {
		t.Errorf("the mode became %s", got[0].Mode)
	}
}
