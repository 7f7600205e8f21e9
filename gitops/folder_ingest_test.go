package gitops

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/manifests"
	"pgregory.net/rapid"
)

const (
	dropA          = "apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata:\n  name: a   # the first\nspec: {mode: l2vni}\n"
	dropB          = "apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata:\n  name: b\nspec: {}\n"
	dropWrong      = "apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata:\n  name: bad\nspec:\n  nonsense: 1\n"
	dropOld        = "apiVersion: vpc.githedgehog.com/v1alpha2\nkind: VPC\nmetadata:\n  name: old\nspec: {}\n"
	dropForeign    = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {k: v}   # kept\n"
	dropUnreadable = "a: [1,\nb: }\n"
)

// The recorded input, dropped into the root of a directory nobody set up: one commit with all of it.
func TestFolderIngestRealInput(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"", "raw/", "raw/pending/"} {
		t.Run("in "+where, func(t *testing.T) {
			t.Parallel()
			f := newBareFolder(t)
			f.load(recordedInput)
			names := slices.Sorted(maps.Keys(f.files))
			for _, n := range names {
				text := f.files[n]
				delete(f.files, n)
				f.files[where+n] = text
			}
			f.run()
			if f.plan.Processed != 48 || f.plan.Subject != "fabric-1: directory structure, ingest 48 documents" || f.plan.Type != "directory_init" {
				t.Errorf("%s of %d: %s", f.plan.Type, f.plan.Processed, f.plan.Subject)
			}
			for _, n := range names {
				f.wantMoved(where+n, "raw/processed/"+n)
			}
			count := map[string]int{}
			f.run()
			f.wantNothing()
			for k, r := range f.view.Resources {
				count[k.Kind]++
				if want := DefaultPath("", kindOf(k), k); r.File != want {
					t.Errorf("%s is in %s, want %s", k, r.File, want)
				}
			}
			if want := map[string]int{"SwitchGroup": 3, "Switch": 7, "Server": 10, "Connection": 26, "VPC": 2}; !maps.Equal(count, want) {
				t.Errorf("resources %v, want %v", count, want)
			}
			// Byte for byte, comments included, and nothing between the documents.
			for _, n := range names {
				file, _ := manifests.Parse(n, []byte(f.files["raw/processed/"+n]))
				for _, d := range file.Documents() {
					p := DefaultPath("", kindOf(d.Identity), d.Identity)
					want := strings.TrimLeft(f.files["raw/processed/"+n][d.Start:d.End], "\r\n")
					if strings.TrimSuffix(f.files[p], "\n") != strings.TrimSuffix(want, "\n") {
						t.Errorf("%s is\n%q\nwant\n%q", p, f.files[p], want)
					}
				}
			}
			f.wantFile("managed/vpcs/test-vpc.yaml", f.files["raw/processed/test-vpc.yaml"])
			if !strings.Contains(f.files["managed/switchgroups/mclag-1.yaml"]+f.files["managed/switches/leaf-01.yaml"], "# SwitchList") {
				t.Error("the heading of the switches is in no file")
			}
			f.wantNoFinding("structure/misplaced-kind")
			// The same bytes dropped again change nothing but the drop.
			for _, n := range names {
				f.has("raw/pending/"+n, f.files["raw/processed/"+n])
			}
			f.run()
			for _, c := range f.plan.Files {
				if !c.Delete {
					t.Errorf("%s is written again", c.Path)
				}
			}
		})
	}
}

func TestFolderIngestWhereDocumentsGo(t *testing.T) {
	t.Parallel()
	folders(t, map[string]func(f *folder){
		"a file of one document": func(f *folder) {
			f.has("raw/a.yaml", dropA)
			f.run()
			f.wantFile("managed/vpcs/a.yaml", dropA)
			f.wantMoved("raw/a.yaml", "raw/processed/a.yaml")
			f.wantNew("managed/vpcs/a.yaml", "raw/processed/a.yaml")
			if f.plan.Type != "ingestion" || f.plan.Subject != "fabric-1: ingest 1 document" || f.plan.Processed != 1 {
				f.t.Errorf("%s of %d: %s", f.plan.Type, f.plan.Processed, f.plan.Subject)
			}
			if !strings.Contains(f.plan.Body, "vpc/a") || !strings.HasSuffix(f.plan.Body, "\n\n") {
				f.t.Errorf("body %q", f.plan.Body)
			}
		},
		"several documents, comments and all": func(f *folder) {
			f.has("raw/pending/x.yml", "# on a\n"+dropA, "# on b\n"+dropB+"# behind b\n")
			f.run()
			f.wantFile("managed/vpcs/b.yaml", "# on b\n"+dropB+"# behind b\n")
			f.wantFile("managed/vpcs/a.yaml", "# on a\n"+dropA)
			f.wantMoved("raw/pending/x.yml", "raw/processed/x.yml")
		},
		"outside the default namespace": func(f *folder) {
			f.has("raw/a.yaml", doc("vpc/other/a", "{}"))
			f.run()
			f.wantFile("managed/vpcs/other.a.yaml", doc("vpc/other/a", "{}"))
		},
		"the default namespace, written or not, is one": func(f *folder) {
			f.has("managed/vpcs/a.yaml", doc("vpc/a", "{mode: l2vni}"))
			f.has("raw/a.yaml", doc("vpc/default/a", "{mode: l3vni}"))
			f.run()
			f.wantFile("managed/vpcs/a.yaml", doc("vpc/a", "{mode: l3vni}"))
		},
		"every kind of a user has its directory": func(f *folder) {
			f.validate = nil
			var want []string
			for _, k := range manifests.Kinds() {
				if k.Role == manifests.RoleUser {
					f.has("raw/"+strings.ToLower(k.Kind)+".yaml", "apiVersion: "+k.APIVersion()+"\nkind: "+k.Kind+"\nmetadata: {name: x}\n")
					want = append(want, "managed/"+k.Plural+"/x.yaml", "raw/processed/"+strings.ToLower(k.Kind)+".yaml")
				}
			}
			f.run()
			f.wantNew(want...)
		},
		"a directory of the structure that is emptied stays": func(f *folder) {
			delete(f.files, "raw/pending/.gitkeep")
			delete(f.files, "raw/errors/.gitkeep")
			f.has("raw/pending/deep/a.yaml", dropA)
			f.has("raw/errors/old.yaml.errors.txt", "1:1: of a file that is gone\n")
			f.run()
			f.wantNoFile("raw/pending/deep/a.yaml", "raw/errors/old.yaml.errors.txt")
			f.run()
			f.wantNothing()
			f.wantNoFinding("structure/missing-directory")
		},
		"nested folders keep their shape in the archive": func(f *folder) {
			f.has("raw/deep/er/a.yaml", dropA)
			f.has("raw/pending/deep/b.yaml", dropB)
			f.run()
			f.wantMoved("raw/deep/er/a.yaml", "raw/processed/deep/er/a.yaml")
			f.wantMoved("raw/pending/deep/b.yaml", "raw/processed/deep/b.yaml")
		},
		"one name in raw/ and raw/pending/: both originals are kept": func(f *folder) {
			f.has("raw/x.yaml", dropA)
			f.has("raw/pending/x.yaml", dropB)
			f.run()
			f.wantNoFile("raw/x.yaml", "raw/pending/x.yaml")
			f.wantNew("managed/vpcs/a.yaml", "managed/vpcs/b.yaml", "raw/processed/x.yaml", "raw/processed/x-2.yaml")
			got := []string{f.files["raw/processed/x.yaml"], f.files["raw/processed/x-2.yaml"]}
			if !slices.Contains(got, dropA) || !slices.Contains(got, dropB) {
				f.t.Errorf("archived %q", got)
			}
		},
		"one name in raw/ and raw/pending/, both bad: both are kept": func(f *folder) {
			f.has("raw/x.yaml", dropUnreadable)
			f.has("raw/pending/x.yaml", dropWrong)
			f.run()
			f.wantNoFile("raw/x.yaml", "raw/pending/x.yaml")
			got := map[string]bool{}
			for p, text := range f.files {
				if strings.HasPrefix(p, "raw/errors/") {
					got[text] = true
				}
			}
			if !got[dropUnreadable] || !got[dropWrong] {
				f.t.Errorf("error copies %v", got)
			}
		},
		"unsupported kinds go to unmanaged, with their comments": func(f *folder) {
			f.has("raw/x.yaml", dropA, dropForeign, "just: data\n")
			f.run()
			f.wantFile("managed/vpcs/a.yaml", dropA)
			f.wantFile("unmanaged/external-configs/x.yaml", dropForeign+"---\njust: data\n")
			f.wantMoved("raw/x.yaml", "raw/processed/x.yaml")
		},
		"unsupported versions and controllers' kinds go to unmanaged": func(f *folder) {
			f.has("raw/x.yaml", dropOld)
			f.has("raw/y.yaml", "apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPCInfo\nmetadata: {name: i}\n")
			f.run()
			f.wantFile("unmanaged/external-configs/x.yaml", dropOld)
			f.wantNew("unmanaged/external-configs/x.yaml", "unmanaged/external-configs/y.yaml", "raw/processed/x.yaml", "raw/processed/y.yaml")
		},
		"nothing in unmanaged is replaced": func(f *folder) {
			f.has("unmanaged/external-configs/x.yaml", "mine: 1\n")
			f.has("raw/x.yaml", dropForeign)
			f.run()
			f.wantUntouched("unmanaged/external-configs/x.yaml")
			f.wantFile("unmanaged/external-configs/x-2.yaml", dropForeign)
		},
		"the same unsupported document again is not doubled": func(f *folder) {
			f.has("unmanaged/external-configs/x.yaml", dropForeign)
			f.has("raw/x.yaml", dropForeign)
			f.run()
			f.wantNew("raw/processed/x.yaml")
		},
		"a name that another resource's file has": func(f *folder) {
			f.has("managed/vpcs/a.yaml", doc("vpc/other", ""))
			f.has("raw/a.yaml", dropA)
			f.run()
			f.wantUntouched("managed/vpcs/a.yaml")
			f.wantFile("managed/vpcs/a-2.yaml", dropA)
		},
		"a name that exists in another case": func(f *folder) {
			f.has("managed/vpcs/A.yaml", doc("vpc/other", ""))
			f.has("raw/a.yaml", dropA)
			f.run()
			f.wantUntouched("managed/vpcs/A.yaml")
			f.wantFile("managed/vpcs/a-2.yaml", dropA)
		},
		"an empty managed file of that name stays": func(f *folder) {
			f.has("managed/vpcs/a.yaml", "# nothing yet\n")
			f.has("raw/a.yaml", dropA)
			f.run()
			f.wantUntouched("managed/vpcs/a.yaml")
			f.wantFile("managed/vpcs/a-2.yaml", dropA)
		},
		"a second archive of a name replaces the first": func(f *folder) {
			f.has("raw/processed/a.yaml", "# an older one\n")
			f.has("raw/a.yaml", dropA)
			f.run()
			f.wantFile("raw/processed/a.yaml", dropA)
			f.wantNew("managed/vpcs/a.yaml")
		},
		"archive_processed off: the original goes, its documents stay": func(f *folder) {
			f.fabric.Ingest.ArchiveProcessed = false
			f.has("raw/a.yaml", dropA, dropForeign)
			f.run()
			f.wantNoFile("raw/a.yaml", "raw/processed/a.yaml")
			f.wantNew("managed/vpcs/a.yaml", "unmanaged/external-configs/a.yaml")
		},
		"file_patterns": func(f *folder) {
			f.fabric.Ingest.FilePatterns = []string{"in-*.yaml"}
			f.has("raw/in-a.yaml", dropA)
			f.has("raw/b.yaml", dropB)
			f.run()
			f.wantMoved("raw/in-a.yaml", "raw/processed/in-a.yaml")
			f.wantUntouched("raw/b.yaml")
		},
		"what is no YAML, or cannot be read, stays": func(f *folder) {
			f.has("raw/notes.txt", "hello\n")
			f.has("raw/data.json", "{}\n")
			f.has("raw/link.yaml", "elsewhere")
			f.modes["raw/link.yaml"] = "120000"
			f.has("raw/module.yaml", "elsewhere")
			f.modes["raw/module.yaml"] = "160000"
			f.has("raw/lfs.yaml", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
			f.has("raw/large.yaml", "x")
			f.modes["raw/large.yaml"] = "oversize"
			f.run()
			f.wantNothing()
			for _, p := range []string{"raw/link.yaml", "raw/module.yaml", "raw/lfs.yaml", "raw/large.yaml"} {
				f.wantFinding(p, "structure/opaque")
			}
		},
		"ignored raw files stay": func(f *folder) {
			f.fabric.Ignore = []string{"raw/drafts/**"}
			f.has("raw/drafts/a.yaml", dropA)
			f.run()
			f.wantNothing()
		},
		"a place that is ignored takes nothing": func(f *folder) {
			f.fabric.Ignore = []string{"managed/vpcs/**"}
			f.has("raw/a.yaml", dropA)
			f.run()
			f.wantUntouched("raw/a.yaml")
			f.wantNoFile("managed/vpcs/a.yaml")
		},
		"an empty file, and one of comments, stay": func(f *folder) {
			f.has("raw/empty.yaml", "")
			f.has("raw/comments.yaml", "# one\n---\n# two\n")
			f.run()
			f.wantNothing()
			f.wantFinding("raw/empty.yaml", "ingest/empty")
			f.wantFinding("raw/comments.yaml", "ingest/empty")
		},
		"empty documents between others are no documents": func(f *folder) {
			f.has("raw/a.yaml", "---\n", "# nothing\n", dropA, "", "")
			f.run()
			f.wantFile("managed/vpcs/a.yaml", "# nothing\n"+dropA)
			if f.plan.Processed != 1 {
				f.t.Errorf("processed %d", f.plan.Processed)
			}
		},
		"in_place ingests nothing, asked or not": func(f *folder) {
			f.fabric.Layout = LayoutInPlace
			f.has("raw/a.yaml", dropA)
			f.init = true
			f.run()
			f.wantNothing()
		},
		"a directory without marker still ingests": func(f *folder) {
			delete(f.files, Marker)
			f.has("raw/a.yaml", dropA)
			f.run()
			f.wantFile("managed/vpcs/a.yaml", dropA)
			f.wantNoFile(Marker)
		},
	})
}

func TestFolderIngestBytes(t *testing.T) {
	t.Parallel()
	crlf := strings.ReplaceAll(dropA, "\n", "\r\n")
	folders(t, map[string]func(f *folder){
		"CRLF stays": func(f *folder) {
			f.has("raw/a.yaml", crlf+"---\r\n"+strings.ReplaceAll(dropB, "\n", "\r\n"))
			f.run()
			f.wantFile("managed/vpcs/a.yaml", crlf)
			f.wantFile("managed/vpcs/b.yaml", strings.ReplaceAll(dropB, "\n", "\r\n"))
		},
		"a BOM stays in the archive only": func(f *folder) {
			f.has("raw/a.yaml", "\ufeff"+dropA)
			f.run()
			f.wantFile("managed/vpcs/a.yaml", dropA)
			f.wantFile("raw/processed/a.yaml", "\ufeff"+dropA)
		},
		"a missing final line break does not join anything": func(f *folder) {
			f.has("raw/a.yaml", dropA, strings.TrimSuffix(dropB, "\n"))
			f.run()
			file, diags := manifests.Parse("b", []byte(f.files["managed/vpcs/b.yaml"]))
			if len(diags) > 0 || file.Documents()[0].Identity.Name != "b" || strings.TrimSuffix(f.files["managed/vpcs/b.yaml"], "\n") != strings.TrimSuffix(dropB, "\n") {
				f.t.Errorf("%q", f.files["managed/vpcs/b.yaml"])
			}
		},
		"directives, end markers and content on the marker's line": func(f *folder) {
			f.has("raw/a.yaml", "%YAML 1.1\n---\n"+dropA+"...\n--- {apiVersion: vpc.githedgehog.com/v1beta1, kind: VPC, metadata: {name: b}, spec: {}} # flow\n")
			f.run()
			f.wantFile("managed/vpcs/a.yaml", "%YAML 1.1\n---\n"+dropA)
			f.wantNew("managed/vpcs/a.yaml", "managed/vpcs/b.yaml", "raw/processed/a.yaml")
		},
		"anchors go with their document": func(f *folder) {
			f.validate = nil
			text := "apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata: {name: a}\nspec:\n  subnets:\n    x: &x {vlan: 1}\n    y: *x\n"
			f.has("raw/a.yaml", text, dropB)
			f.run()
			f.wantFile("managed/vpcs/a.yaml", text)
		},
		"a tag handle of a directive is resolved": func(f *folder) {
			f.validate = nil
			f.has("raw/a.yaml", "%TAG !y! tag:yaml.org,2002:\n---\napiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata: {name: !y!str a}\nspec: {}\n")
			f.run()
			if _, moved := f.files["raw/processed/a.yaml"]; moved {
				f.run()
				if f.view.Resources[keyOf(f.t, "vpc/a")] == nil {
					f.t.Errorf("vpc/a is not there:\n%s", f.files["managed/vpcs/a.yaml"])
				}
			}
		},
		"foreign labels and annotations of a new document stay": func(f *folder) {
			text := doc("vpc/a", "{}", "labels: {fabric.githedgehog.com/x: w, mine: z}", "annotations: {hnp.githedgehog.com/managed-by: plugin}")
			f.has("raw/a.yaml", text)
			f.run()
			f.wantFile("managed/vpcs/a.yaml", text)
		},
	})
}

func TestFolderIngestClusterFields(t *testing.T) {
	t.Parallel()
	live := "# from the cluster\napiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata:\n  creationTimestamp: \"2025-01-01T00:00:00Z\"\n  generation: 3\n" +
		"  managedFields:\n  - manager: kubectl\n  name: a # mine\n  resourceVersion: \"12\"\n  uid: 0-1\nspec: {mode: l2vni}   # kept\nstatus:\n  ready: true\n"
	clean := "# from the cluster\napiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata:\n  name: a # mine\nspec: {mode: l2vni}   # kept\n"
	noted := func(f *folder) {
		f.t.Helper()
		for _, field := range []string{"status", "metadata.managedFields", "metadata.uid", "metadata.resourceVersion", "metadata.generation", "metadata.creationTimestamp"} {
			if !strings.Contains(f.plan.Body, field) {
				f.t.Errorf("the commit does not say that %s was cut:\n%s", field, f.plan.Body)
			}
		}
	}
	folders(t, map[string]func(f *folder){
		"ENGINE 24: cut with a note, the rest byte for byte": func(f *folder) {
			f.has("raw/a.yaml", live)
			f.run()
			f.wantFile("managed/vpcs/a.yaml", clean)
			f.wantMoved("raw/a.yaml", "raw/processed/a.yaml")
			noted(f)
		},
		"ENGINE 24: cut from the items of a list too": func(f *folder) {
			f.has("raw/a.yaml", "apiVersion: v1\nkind: List\nitems:\n- "+strings.TrimSpace(strings.ReplaceAll(strings.TrimPrefix(live, "# from the cluster\n"), "\n", "\n  "))+"\n")
			f.run()
			for _, field := range []string{"status", "uid", "managedFields", "generation"} {
				if strings.Contains(f.files["managed/vpcs/a.yaml"], field) {
					f.t.Errorf("%s was filed:\n%s", field, f.files["managed/vpcs/a.yaml"])
				}
			}
			noted(f)
		},
		"a file that stays says nothing of cuts": func(f *folder) {
			f.has("raw/a.yaml", live, dropA)
			f.has("raw/b.yaml", dropB)
			f.run()
			if strings.Contains(f.plan.Body, "resourceVersion") {
				f.t.Errorf("body %s", f.plan.Body)
			}
		},
	})
}

func TestFolderIngestLists(t *testing.T) {
	t.Parallel()
	list := func(items ...string) string {
		var b strings.Builder
		b.WriteString("apiVersion: v1\nkind: List\nitems:\n")
		for _, i := range items {
			b.WriteString("- " + strings.ReplaceAll(strings.TrimSpace(i), "\n", "\n  ") + "\n")
		}
		return b.String()
	}
	folders(t, map[string]func(f *folder){
		"ENGINE 24: kind List is opened": func(f *folder) {
			f.has("raw/l.yaml", list(dropA, doc("server/s", "")))
			f.run()
			f.wantNew("managed/vpcs/a.yaml", "managed/servers/s.yaml", "raw/processed/l.yaml")
			if f.plan.Processed != 2 {
				f.t.Errorf("processed %d", f.plan.Processed)
			}
			f.run()
			if r := f.view.Resources[keyOf(f.t, "vpc/a")]; r == nil || !manifests.Equal(r.Object["spec"], map[string]any{"mode": "l2vni"}) {
				f.t.Errorf("vpc/a is %v", r)
			}
		},
		"a list beside other documents": func(f *folder) {
			f.has("raw/l.yaml", dropB, list(dropA))
			f.run()
			f.wantNew("managed/vpcs/a.yaml", "managed/vpcs/b.yaml", "raw/processed/l.yaml")
		},
		"what is unsupported in a list is kept": func(f *folder) {
			f.has("raw/l.yaml", list(dropA, dropForeign, dropOld))
			f.run()
			kept := f.files["unmanaged/external-configs/l.yaml"]
			if !strings.Contains(kept, "ConfigMap") || !strings.Contains(kept, "v1alpha2") {
				f.t.Errorf("kept %q", kept)
			}
		},
		"a bad item rejects its file, with its place": func(f *folder) {
			f.has("raw/l.yaml", list(dropA, dropWrong))
			f.run()
			f.wantMoved("raw/l.yaml", "raw/errors/l.yaml")
			if !strings.HasPrefix(f.files["raw/errors/l.yaml.errors.txt"], "14:7: ") && !strings.HasPrefix(f.files["raw/errors/l.yaml.errors.txt"], "14:5: ") {
				f.t.Errorf("report %q", f.files["raw/errors/l.yaml.errors.txt"])
			}
		},
		"an item that is no mapping is not lost": func(f *folder) {
			f.has("raw/l.yaml", list(dropA, "text"))
			f.run()
			if !strings.Contains(f.files["raw/errors/l.yaml"]+f.files["unmanaged/external-configs/l.yaml"], "text") {
				f.t.Errorf("lost; there are %v", slices.Sorted(maps.Keys(f.files)))
			}
		},
		"a list without items is not lost": func(f *folder) {
			f.has("raw/l.yaml", "apiVersion: v1\nkind: List\nitems: {a: 1}\n")
			f.fabric.Ingest.ArchiveProcessed = false
			f.run()
			if !strings.Contains(f.files["raw/errors/l.yaml"]+f.files["unmanaged/external-configs/l.yaml"]+f.files["raw/l.yaml"], "{a: 1}") {
				f.t.Errorf("lost; there are %v", slices.Sorted(maps.Keys(f.files)))
			}
		},
		"a List of another API is not ours": func(f *folder) {
			text := strings.Replace(list(dropA), "apiVersion: v1", "apiVersion: shop.example.com/v1", 1)
			f.has("raw/l.yaml", text)
			f.run()
			f.wantFile("unmanaged/external-configs/l.yaml", text)
			f.wantNoFile("managed/vpcs/a.yaml")
		},
		"an item twice: the file stays": func(f *folder) {
			f.has("raw/l.yaml", list(dropA, dropA))
			f.run()
			f.wantUntouched("raw/l.yaml")
			f.wantNew("raw/errors/l.yaml.errors.txt")
		},
		"a name that cannot be a file name": func(f *folder) {
			f.validate = nil
			f.has("raw/l.yaml", list(strings.Replace(dropA, "name: a ", "name: ../../a ", 1)))
			f.run()
			f.wantMoved("raw/l.yaml", "raw/errors/l.yaml")
		},
	})
}

func TestFolderIngestBadFiles(t *testing.T) {
	t.Parallel()
	folders(t, map[string]func(f *folder){
		"strict: one bad document rejects its file": func(f *folder) {
			f.has("raw/x.yaml", dropA, dropUnreadable, dropB, dropForeign)
			f.has("raw/y.yaml", doc("vpc/good", "{}"))
			f.run()
			f.wantMoved("raw/x.yaml", "raw/errors/x.yaml")
			f.wantNew("raw/errors/x.yaml", "raw/errors/x.yaml.errors.txt", "managed/vpcs/good.yaml", "raw/processed/y.yaml")
			if f.plan.Processed != 1 {
				f.t.Errorf("processed %d", f.plan.Processed)
			}
		},
		"strict: a schema error rejects its file": func(f *folder) {
			f.has("raw/x.yaml", dropA, dropWrong)
			f.run()
			f.wantMoved("raw/x.yaml", "raw/errors/x.yaml")
			f.wantNew("raw/errors/x.yaml", "raw/errors/x.yaml.errors.txt")
		},
		"not strict: good documents go on, bad ones stay in the error copy": func(f *folder) {
			f.fabric.Ingest.ValidationStrict = false
			f.has("raw/x.yaml", dropA, "# bad one\n"+dropUnreadable, dropB, dropWrong, dropForeign)
			f.run()
			f.wantFile("managed/vpcs/a.yaml", dropA)
			f.wantFile("managed/vpcs/b.yaml", dropB)
			f.wantFile("unmanaged/external-configs/x.yaml", dropForeign)
			f.wantFile("raw/errors/x.yaml", "---\n# bad one\n"+dropUnreadable+"---\n"+dropWrong)
			f.wantMoved("raw/x.yaml", "raw/processed/x.yaml")
			f.wantNoFile("managed/vpcs/bad.yaml")
			if f.plan.Processed < 2 {
				f.t.Errorf("processed %d", f.plan.Processed)
			}
		},
		"not strict, archive off: nothing is lost": func(f *folder) {
			f.fabric.Ingest.ValidationStrict, f.fabric.Ingest.ArchiveProcessed = false, false
			f.has("raw/x.yaml", dropA, dropWrong)
			f.run()
			f.wantNew("managed/vpcs/a.yaml", "raw/errors/x.yaml", "raw/errors/x.yaml.errors.txt")
			f.wantFile("raw/errors/x.yaml", "---\n"+dropWrong)
		},
		"not strict: a file of bad documents alone is refused": func(f *folder) {
			f.fabric.Ingest.ValidationStrict = false
			f.has("raw/x.yaml", dropUnreadable)
			f.run()
			f.wantMoved("raw/x.yaml", "raw/errors/x.yaml")
			f.wantNew("raw/errors/x.yaml", "raw/errors/x.yaml.errors.txt")
		},
		"warnings reject nothing": func(f *folder) {
			f.validate = func(*manifests.File, int) []manifests.Diagnostic {
				return []manifests.Diagnostic{{Severity: manifests.SeverityWarning, Message: "hm"}, {Severity: manifests.SeverityNote, Message: "so"}}
			}
			f.has("raw/a.yaml", dropA)
			f.run()
			f.wantFile("managed/vpcs/a.yaml", dropA)
		},
		"a newer bad file of a name leaves the older with its report": func(f *folder) {
			f.has("raw/errors/x.yaml", "older: [\n")
			f.has("raw/errors/x.yaml.errors.txt", "1:1: older\n")
			f.has("raw/x.yaml", dropWrong)
			f.run()
			f.wantUntouched("raw/errors/x.yaml", "raw/errors/x.yaml.errors.txt")
			f.wantMoved("raw/x.yaml", "raw/errors/x-2.yaml")
		},
		"what lost its kind or apiVersion is refused": func(f *folder) {
			f.has("raw/k.yaml", strings.Replace(dropA, "kind: VPC\n", "", 1))
			f.has("raw/v.yaml", strings.Replace(dropA, "apiVersion", "apiversion", 1))
			f.has("raw/l.yaml", "- a\n- list\n")
			f.run()
			for _, n := range []string{"k", "v", "l"} {
				f.wantMoved("raw/"+n+".yaml", "raw/errors/"+n+".yaml")
			}
		},
		"a whole file that cannot be read": func(f *folder) {
			f.has("raw/x.yaml", "\xff\xfea\x00:\x00")
			f.run()
			f.wantMoved("raw/x.yaml", "raw/errors/x.yaml")
			if !regexp.MustCompile(`^[1-9][0-9]*:[1-9][0-9]*: [^\n]+\n$`).MatchString(f.files["raw/errors/x.yaml.errors.txt"]) {
				f.t.Errorf("report %q", f.files["raw/errors/x.yaml.errors.txt"])
			}
		},
		"templates, duplicate keys and tabs are refused": func(f *folder) {
			f.has("raw/t.yaml", "kind: {{ .Values.kind }}\n")
			f.has("raw/d.yaml", dropA+"spec: {}\n")
			f.has("raw/i.yaml", "a:\n\tb: 1\n")
			f.run()
			for _, n := range []string{"t", "d", "i"} {
				f.wantMoved("raw/"+n+".yaml", "raw/errors/"+n+".yaml")
			}
		},
		"hostile names": func(f *folder) {
			f.validate = nil
			for i, name := range []string{"../../etc/passwd", "..", ".", "a/b", `a\\b`, "\\u0000", "-x", "a\\nb", strings.Repeat("x", 300), ".git", "con:1", "", " "} {
				f.has(fmt.Sprintf("raw/%02d.yaml", i), "apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata: {name: \""+name+"\"}\n")
				f.has(fmt.Sprintf("raw/ns%02d.yaml", i), "apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata: {name: v, namespace: \"x"+name+"/\"}\n")
			}
			f.run()
			for p := range f.files {
				if strings.HasPrefix(p, "managed/") && strings.HasSuffix(p, ".yaml") {
					f.t.Errorf("%s was made", p)
				}
			}
		},
		"hostile file names stay": func(f *folder) {
			for _, n := range []string{"a\x01b.yaml", "a\nb.yaml", `a\b.yaml`, "\xff.yaml", "a\u202eb.yaml", "a\u0085b.yaml"} {
				f.has("raw/"+n, dropA)
			}
			f.run()
			f.wantNothing()
			if len(f.view.Diagnostics) == 0 {
				f.t.Error("nothing is said")
			}
		},
		"a file name cannot forge a trailer": func(f *folder) {
			f.has("raw/HNP-Operation: sync_20250730_123456_k7q2mx.yaml", dropForeign)
			f.has("raw/x\u2028HNP-Operation: sync_20250730_123456_k7q2mx.yaml", dropUnreadable)
			f.run()
			if op := OperationTrailer(f.plan.Subject + "\n\n" + f.plan.Body); op != "" {
				f.t.Errorf("the commit says operation %s:\n%s", op, f.plan.Body)
			}
		},
	})
}

func TestFolderIngestErrorFiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"syntax", dropA + "---\n" + dropUnreadable, "8:4: "},
		{"unknown field", dropWrong, "6:3: "},
		{"several, by place", dropWrong + "---\n" + dropWrong[:len(dropWrong)-len("  nonsense: 1\n")] + "  nonsense: 2\n  more: 1\n", "6:3: \n13:3: \n14:3: "},
		{"columns are code points", "apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata: {name: x}\nspec: {\"ü\": 1, nonsense: 1}\n", "4:8: \n4:16: "},
	} {
		f := newFolder(t)
		f.has("raw/x.yaml", c.text)
		f.run()
		report := f.files["raw/errors/x.yaml.errors.txt"]
		lines := strings.Split(strings.TrimSuffix(report, "\n"), "\n")
		want := strings.Split(c.want, "\n")
		if len(lines) != len(want) {
			t.Errorf("%s: %q", c.name, report)
			continue
		}
		for i, w := range want {
			if !strings.HasPrefix(lines[i], w) || len(lines[i]) < len(w)+10 {
				t.Errorf("%s: line %d is %q, want %s…", c.name, i+1, lines[i], w)
			}
		}
	}
}

func TestFolderIngestExistingResources(t *testing.T) {
	t.Parallel()
	managed := "# ours\napiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata:\n  labels: {fabric.githedgehog.com/x: w, mine: old} # labels\n  name: a\nspec:\n  mode: l2vni # why\n  vlanNamespace: other\n"
	folders(t, map[string]func(f *folder){
		"ENGINE 24: the managed document is set, comments and foreign labels stay": func(f *folder) {
			f.has("managed/vpcs/a.yaml", managed)
			f.has("raw/a.yaml", doc("vpc/a", "{mode: l3vni, vlanNamespace: other}", "labels: {fabric.githedgehog.com/x: other, mine: new}"))
			f.run()
			f.wantFile("managed/vpcs/a.yaml", strings.NewReplacer("l2vni", "l3vni", "mine: old", "mine: new").Replace(managed))
			f.wantMoved("raw/a.yaml", "raw/processed/a.yaml")
		},
		"ENGINE 24: what the drop leaves out goes": func(f *folder) {
			f.has("managed/vpcs/a.yaml", managed)
			f.has("raw/a.yaml", doc("vpc/a", "{mode: l2vni}", "labels: {mine: old}"))
			f.run()
			f.wantFile("managed/vpcs/a.yaml", strings.Replace(managed, "  vlanNamespace: other\n", "", 1))
		},
		"ENGINE 24: equal is a no-op": func(f *folder) {
			f.has("managed/vpcs/a.yaml", managed)
			f.has("raw/a.yaml", doc("vpc/a", "{vlanNamespace: \"other\", mode: l2vni}", "labels: {mine: old}"))
			f.run()
			f.wantUntouched("managed/vpcs/a.yaml")
			f.wantMoved("raw/a.yaml", "raw/processed/a.yaml")
			f.wantNew("raw/processed/a.yaml")
		},
		"where it stands: loose, misplaced, in a file with others": func(f *folder) {
			f.has("all.yaml", "# first\n"+dropB, dropA)
			f.has("managed/servers/c.yml", doc("vpc/c", "{mode: l2vni}"))
			f.has("raw/x.yaml", doc("vpc/a", "{mode: l3vni}"), doc("vpc/c", "{mode: l3vni}"))
			f.run()
			f.wantFile("all.yaml", "# first\n"+dropB+"---\n"+strings.Replace(dropA, "l2vni", "l3vni", 1))
			f.wantFile("managed/servers/c.yml", doc("vpc/c", "{mode: l3vni}"))
			f.wantNew("raw/processed/x.yaml")
		},
		"two drops into one file": func(f *folder) {
			f.has("all.yaml", dropB, dropA)
			f.has("raw/x.yaml", doc("vpc/a", "{mode: l3vni}"))
			f.has("raw/y.yaml", doc("vpc/b", "{mode: l3vni}"))
			f.run()
			f.wantFile("all.yaml", strings.Replace(dropB, " {}", "\n  mode: l3vni", 1)+"---\n"+strings.Replace(dropA, "l2vni", "l3vni", 1))
		},
		"ENGINE 24: one identity waiting twice stays, with an error file": func(f *folder) {
			f.has("raw/x.yaml", dropA, dropB)
			f.has("raw/y.yaml", doc("vpc/a", "{mode: l3vni}"))
			f.has("raw/z.yaml", doc("vpc/z", "{}"))
			f.run()
			f.wantUntouched("raw/x.yaml", "raw/y.yaml")
			f.wantNew("raw/errors/x.yaml.errors.txt", "raw/errors/y.yaml.errors.txt", "managed/vpcs/z.yaml", "raw/processed/z.yaml")
			for p, other := range map[string]string{"raw/errors/x.yaml.errors.txt": "raw/y.yaml", "raw/errors/y.yaml.errors.txt": "raw/x.yaml"} {
				if !strings.Contains(f.files[p], other) || !strings.Contains(f.files[p], "vpc/a") || !strings.HasPrefix(f.files[p], "4:") && !strings.HasPrefix(f.files[p], "4") {
					f.t.Errorf("%s says %q", p, f.files[p])
				}
			}
			// The person takes one away; the other is filed and its report goes.
			delete(f.files, "raw/y.yaml")
			f.run()
			f.wantFile("managed/vpcs/a.yaml", dropA)
			f.wantNoFile("raw/errors/x.yaml.errors.txt", "raw/errors/y.yaml.errors.txt")
		},
		"twins alone make a commit of their reports once": func(f *folder) {
			f.has("raw/x.yaml", dropA)
			f.has("raw/y.yaml", dropA)
			f.run()
			if f.plan.Subject == "fabric-1: " || f.plan.Subject == "" || f.plan.Processed != 0 {
				f.t.Errorf("subject %q, processed %d", f.plan.Subject, f.plan.Processed)
			}
			f.run()
			f.wantNothing()
			if len(f.plan.Diagnostics) == 0 {
				f.t.Error("nothing is said any more")
			}
		},
		"three of one identity all stay": func(f *folder) {
			for _, n := range []string{"x", "y", "z"} {
				f.has("raw/"+n+".yaml", dropA)
			}
			f.run()
			f.wantUntouched("raw/x.yaml", "raw/y.yaml", "raw/z.yaml")
		},
		"one identity twice in one file stays": func(f *folder) {
			f.has("raw/x.yaml", dropA, dropA)
			f.run()
			f.wantUntouched("raw/x.yaml")
			f.wantNew("raw/errors/x.yaml.errors.txt")
		},
		"the recorded twin": func(f *folder) {
			f.load("../testdata/gitops-test-1/history")
			data := f.files["test-vpc-2-duplicate-identity.yaml"]
			for p := range maps.Clone(f.files) {
				if !strings.Contains(p, "/") {
					delete(f.files, p)
				}
			}
			one, err := os.ReadFile(recordedInput + "/test-vpc.yaml")
			if err != nil {
				f.t.Fatal(err)
			}
			f.has("raw/test-vpc.yaml", string(one))
			f.has("raw/test-vpc-2.yaml", data)
			f.run()
			f.wantUntouched("raw/test-vpc.yaml", "raw/test-vpc-2.yaml")
		},
		"twins of which one is refused: the other is filed": func(f *folder) {
			f.has("raw/x.yaml", dropA, dropUnreadable)
			f.has("raw/y.yaml", dropA)
			f.run()
			f.wantMoved("raw/x.yaml", "raw/errors/x.yaml")
			f.wantFile("managed/vpcs/a.yaml", dropA)
		},
		"ENGINE 24: a target in a file that does not parse stays": func(f *folder) {
			f.has("all.yaml", dropA, dropUnreadable)
			f.has("raw/a.yaml", doc("vpc/a", "{mode: l3vni}"))
			f.run()
			f.wantUntouched("all.yaml", "raw/a.yaml")
			f.wantNew("raw/errors/a.yaml.errors.txt")
			if !strings.Contains(f.files["raw/errors/a.yaml.errors.txt"], "all.yaml") {
				f.t.Errorf("report %q", f.files["raw/errors/a.yaml.errors.txt"])
			}
			// Repaired: it goes on, and the report goes.
			f.has("all.yaml", dropA, dropB)
			f.run()
			f.wantFile("all.yaml", strings.Replace(dropA, "l2vni", "l3vni", 1)+"---\n"+dropB)
			f.wantNoFile("raw/a.yaml", "raw/errors/a.yaml.errors.txt")
		},
		"ENGINE 24: a target that base places in a frozen file stays": func(f *folder) {
			f.base("vpc/a", "managed/vpcs/a.yaml")
			f.has("managed/vpcs/a.yaml", "apiVersion: [\n")
			f.has("raw/a.yaml", dropA)
			f.run()
			f.wantUntouched("managed/vpcs/a.yaml", "raw/a.yaml")
			f.wantNew("raw/errors/a.yaml.errors.txt")
		},
		"ENGINE 24: a target that stands twice stays": func(f *folder) {
			f.has("managed/vpcs/a.yaml", dropA)
			f.has("b.yaml", dropA)
			f.has("raw/a.yaml", doc("vpc/a", "{mode: l3vni}"))
			f.run()
			f.wantUntouched("managed/vpcs/a.yaml", "b.yaml", "raw/a.yaml")
			f.wantNew("raw/errors/a.yaml.errors.txt")
		},
		"a target beside a document of an old version is not frozen": func(f *folder) {
			f.has("all.yaml", dropA, dropOld)
			f.has("raw/a.yaml", doc("vpc/a", "{mode: l3vni}"))
			f.run()
			f.wantFile("all.yaml", strings.Replace(dropA, "l2vni", "l3vni", 1)+"---\n"+dropOld)
		},
		"a report that a person wrote is not cleared": func(f *folder) {
			f.has("raw/errors/mine.errors.txt", "my own notes\n")
			f.has("raw/a.yaml", dropA)
			f.run()
			f.wantUntouched("raw/errors/mine.errors.txt")
		},
		"an executable file stays executable": func(f *folder) {
			f.has("managed/vpcs/a.yaml", dropA)
			f.modes["managed/vpcs/a.yaml"] = "100755"
			f.has("raw/a.yaml", doc("vpc/a", "{mode: l3vni}"))
			f.run()
			f.wantFile("managed/vpcs/a.yaml", strings.Replace(dropA, "l2vni", "l3vni", 1))
		},
	})
}

func TestFolderIngestMessageIsCut(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	var docs []string
	for i := range 100 {
		docs = append(docs, doc(fmt.Sprintf("server/s-%03d", i), ""))
	}
	f.has("raw/all.yaml", docs...)
	f.run()
	lines := strings.Split(strings.TrimSpace(f.plan.Body), "\n")
	if len(lines) != 61 || !regexp.MustCompile(`^and \d+ more$`).MatchString(lines[60]) {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
	if f.plan.Subject != "fabric-1: ingest 100 documents" || f.plan.Processed != 100 {
		t.Errorf("%d: %s", f.plan.Processed, f.plan.Subject)
	}
}

// Nothing volatile is in a plan: two fabrics that differ in nothing get the same commit.
func TestFolderIngestIsDeterministic(t *testing.T) {
	t.Parallel()
	make := func() *StructurePlan {
		f := newBareFolder(t)
		f.load(recordedInput)
		f.has("raw/x.yaml", dropUnreadable)
		f.has("raw/y.yaml", doc("server/y", ""), dropForeign)
		f.has("raw/z.yaml", doc("server/z", ""))
		f.has("raw/zz.yaml", doc("server/z", ""))
		f.run()
		return f.plan
	}
	first := make()
	for range 5 {
		if again := make(); !reflect.DeepEqual(first, again) {
			t.Fatalf("plans differ:\n%+v\n%+v", first, again)
		}
	}
}

// ---- whole trees

// pieces are documents that meet in generated trees: equal and other bodies of few identities, what is unsupported, and
// what is bad.
func pieces() []string {
	out := []string{"", "# a comment\n", dropForeign, dropOld, dropUnreadable, dropWrong, "just: data\n", "- 1\n", "apiVersion: v1\nkind: List\nitems: []\n",
		"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: vpc.githedgehog.com/v1beta1, kind: VPC, metadata: {name: a}, spec: {mode: l3vni}}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: d}}\n",
		"status: {x: 1}\n" + dropA, strings.ReplaceAll(dropB, "\n", "\r\n"), "# on top\n" + dropB + "# below\n"}
	for _, name := range []string{"a", "b", "other/a"} {
		for _, spec := range []string{"{}", "{mode: l2vni}", "{mode: l3vni}"} {
			out = append(out, doc("vpc/"+name, spec), doc("vpc/"+name, spec, "labels: {l: m}"))
		}
	}
	return append(out, doc("server/a", ""), doc("server/b", "{description: x}"))
}

// A plan on any tree keeps every promise: the checks are in run.
func TestFolderIngestAnyTree(t *testing.T) {
	t.Parallel()
	texts := pieces()
	places := []string{"raw/x.yaml", "raw/X.yaml", "raw/y.yml", "raw/pending/x.yaml", "raw/pending/y.yml", "raw/d/x.yaml", "raw/x.yaml/x.yaml", "raw/notes.txt",
		"x.yaml", "y.yaml", "managed/vpcs/a.yaml", "managed/vpcs/A.yaml", "managed/vpcs/b.yaml", "managed/vpcs/other.a.yaml", "managed/servers/a.yaml", "managed/x.yaml",
		"raw/processed/x.yaml", "raw/processed/x-2.yaml", "raw/errors/x.yaml", "raw/errors/x.yaml.errors.txt", "raw/processed", "managed/vpcs", "unmanaged/external-configs/x.yaml",
		"Managed/vpcs/b.yaml", "unmanaged", Marker}
	rapid.Check(t, func(rt *rapid.T) {
		f := newBareFolder(t)
		if rapid.Bool().Draw(rt, "set up") {
			f = newFolder(t)
		}
		f.t = rapidTB{t, rt}
		f.fabric.Ingest.ValidationStrict = rapid.Bool().Draw(rt, "strict")
		f.fabric.Ingest.ArchiveProcessed = rapid.Bool().Draw(rt, "archive")
		f.init = rapid.Bool().Draw(rt, "init")
		for _, p := range rapid.SliceOfNDistinct(rapid.SampledFrom(places), 1, 8, rapid.ID).Draw(rt, "places") {
			inside := func(q string) bool { return strings.HasPrefix(q, p+"/") || strings.HasPrefix(p, q+"/") }
			for q := range maps.Clone(f.files) {
				if inside(q) {
					delete(f.files, q)
					delete(f.modes, q)
				}
			}
			f.has(p, rapid.SliceOfN(rapid.SampledFrom(texts), 1, 4).Draw(rt, "texts of "+p)...)
			f.modes[p] = rapid.SampledFrom([]string{"", "", "", "", "", "100755", "120000"}).Draw(rt, "mode")
		}
		f.run()
		if rapid.Bool().Draw(rt, "again") {
			f.run()
			f.init = false
			f.run()
			f.wantNothing()
		}
	})
}

// rapidTB lets the checks of folder fail a drawn case.
type rapidTB struct {
	testing.TB
	rt *rapid.T
}

func (r rapidTB) Helper()                           {}
func (r rapidTB) Errorf(format string, args ...any) { r.rt.Errorf(format, args...) }
func (r rapidTB) Error(args ...any)                 { r.rt.Error(args...) }
func (r rapidTB) Fatal(args ...any)                 { r.rt.Fatal(args...) }
func (r rapidTB) Fatalf(format string, args ...any) { r.rt.Fatalf(format, args...) }

func FuzzIngest(f *testing.F) {
	for _, text := range pieces() {
		f.Add("x.yaml", []byte(text), true, true)
	}
	f.Add("x.yaml", []byte(dropA+"---\n"+dropForeign+"---\n"+dropUnreadable), false, false)
	f.Add("../x.yaml", []byte(dropA), true, true)
	f.Fuzz(func(t *testing.T, name string, text []byte, strict, archive bool) {
		if name == "" || strings.HasPrefix(name, "/") || strings.Contains(name, "//") || bytes.ContainsRune([]byte(name), 0) {
			return // no path of Git's
		}
		d := newFolder(t)
		d.validate = nil
		d.fabric.Ingest.ValidationStrict, d.fabric.Ingest.ArchiveProcessed = strict, archive
		d.has("raw/"+name, string(text))
		d.has("managed/vpcs/a.yaml", dropA)
		d.run()
	})
}

// ---- through the cycle

func TestFolderIngestStories(t *testing.T) {
	t.Parallel()
	tales(t, map[string]func(s *story){
		"a raw drop is filed in one commit and created in NetBox": func(s *story) {
			s.settled()
			s.gitPush("raw/x.yaml", "# new\n"+doc("vpc/a", "{mode: 1}")+"---\n"+doc("server/s", "{description: d}"))
			before := len(s.commits)
			s.settled()
			if len(s.commits) != before+1 {
				s.fail("%d commits", len(s.commits)-before)
			}
			s.wantFile("managed/vpcs/a.yaml", "# new\n")
			s.wantBoth("vpc/a", "spec.mode", "1")
			s.wantBoth("server/s", "spec.description", "d")
			s.wantNoFile("raw/x.yaml")
			s.wantInSync()
		},
		"loose files and no structure: one commit, then NetBox": func(s *story) {
			s.gitDelete(Marker)
			s.gitPush("x.yaml", doc("vpc/a", "{mode: 1}"))
			before := len(s.commits)
			s.settled()
			if len(s.commits) != before+1 {
				s.fail("%d commits", len(s.commits)-before)
			}
			s.wantBoth("vpc/a", "spec.mode", "1")
			s.wantFile(Marker, "f")
			s.wantFile("raw/processed/x.yaml")
			s.wantInSync()
		},
		"ENGINE 24: a drop meets a NetBox edit of another field: both stay": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1, vrf: 1}"))
			s.gitPush("raw/a.yaml", doc("vpc/a", "{mode: 2, vrf: 1}"))
			s.nbSet("vpc/a", "spec.vrf", "3")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantBoth("vpc/a", "spec.vrf", "3")
			s.wantInSync()
		},
		"ENGINE 24: a drop meets a NetBox edit of the same field: a conflict, nothing overwritten": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.gitPush("raw/a.yaml", doc("vpc/a", "{mode: 2}"))
			s.nbSet("vpc/a", "spec.mode", "3")
			s.settled()
			s.wantGit("vpc/a", "spec.mode", "2")
			s.wantNetBox("vpc/a", "spec.mode", "3")
			s.wantConflict("vpc/a", "spec.mode", ConcurrentModification)
		},
		"ENGINE 24: a drop of what NetBox deletes at the same time deletes nothing that was edited": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"))
			s.gitPush("raw/a.yaml", doc("vpc/a", "{mode: 2}"))
			s.nbDelete("vpc/a")
			s.settled()
			s.wantGit("vpc/a", "spec.mode", "2")
		},
		"ENGINE 24: a drop of a resource that only NetBox has": func(s *story) {
			s.settled()
			s.gitPush("raw/a.yaml", doc("vpc/a", "{mode: 2}"))
			s.nbAdd(doc("vpc/a", "{mode: 1}"))
			s.settled()
			s.wantGit("vpc/a", "spec.mode", "2")
			s.wantNetBox("vpc/a", "spec.mode", "1")
			s.wantConflict("vpc/a", "spec.mode", BothExist)
		},
		"a drop while the branch moves is planned anew": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1, vrf: 1}"))
			s.gitPush("raw/a.yaml", doc("vpc/a", "{mode: 2, vrf: 1}"))
			s.at("before commit", func() { s.gitPush("raw/b.yaml", doc("vpc/b", "{mode: 1}")) })
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantBoth("vpc/b", "spec.mode", "1")
			s.wantInSync()
		},
		"an ingestion whose answer was lost is not made twice": func(s *story) {
			s.settled()
			s.gitPush("raw/a.yaml", doc("vpc/a", "{mode: 1}"))
			s.fates["commit"] = fateNoAnswer
			before := len(s.commits)
			s.settled()
			if len(s.commits) != before+1 {
				s.fail("%d commits", len(s.commits)-before)
			}
			s.wantInSync()
		},
		"an ingestion that dies before its commit is made by the next cycle": func(s *story) {
			s.settled()
			s.gitPush("raw/a.yaml", doc("vpc/a", "{mode: 1}"))
			s.crashes("before commit")
			s.cycle()
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "1")
			s.wantInSync()
		},
		"an ingestion that dies after its commit is not made twice": func(s *story) {
			s.settled()
			s.gitPush("raw/a.yaml", doc("vpc/a", "{mode: 1}"))
			before := len(s.commits)
			s.crashes("after commit")
			s.cycle()
			s.settled()
			if len(s.commits) != before+1 {
				s.fail("%d commits", len(s.commits)-before)
			}
			s.wantBoth("vpc/a", "spec.mode", "1")
			s.wantInSync()
		},
		"a bad drop hinders nothing else": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.gitPush("raw/x.yaml", "a: [\n")
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantFile("raw/errors/x.yaml.errors.txt", ":")
			s.wantInSync()
		},
		"waiting twins hinder nothing else and are silent after their report": func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"))
			s.gitPush("raw/x.yaml", doc("vpc/b", "{mode: 1}"))
			s.gitPush("raw/y.yaml", doc("vpc/b", "{mode: 2}"))
			s.settled()
			s.gitEdit(aFile, "mode: 1", "mode: 2")
			before := len(s.commits)
			s.settled()
			if len(s.commits) != before {
				s.fail("%d commits", len(s.commits)-before)
			}
			s.wantBoth("vpc/a", "spec.mode", "2")
			s.wantGone(SideNetBox, "vpc/b")
		},
		"observe plans and writes nothing": func(s *story) {
			s.fabric.Mode = ModeObserve
			s.gitPush("raw/x.yaml", doc("vpc/a", "{mode: 1}"))
			before := len(s.commits)
			s.cycle()
			if len(s.commits) != before || len(s.rows) > 0 {
				s.fail("something was written")
			}
		},
	})
}

// The time to plan grows with the file, not with its square.
func TestFolderIngestManyDocuments(t *testing.T) {
	t.Parallel()
	for _, list := range []bool{false, true} {
		f := newFolder(t)
		var b strings.Builder
		if list {
			b.WriteString("apiVersion: v1\nkind: List\nitems:\n")
		}
		for i := range 2000 {
			text := doc(fmt.Sprintf("server/s-%04d", i), "{description: x}")
			if list {
				text = "- " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
			} else {
				text += "---\n"
			}
			b.WriteString(text)
		}
		f.has("raw/all.yaml", b.String())
		start := time.Now()
		f.plan, f.view = f.plans()
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("list %t: %v", list, took)
		}
		if f.plan.Processed != 2000 {
			t.Errorf("processed %d", f.plan.Processed)
		}
	}
}
