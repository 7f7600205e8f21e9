package gitops

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// drawnTree is a random fabric directory. Every document holds a token of its own in a value, or in its broken text, so
// that it can be found again whatever became of it.
type drawnTree struct {
	files directory
	// tokens by the file they stand in; those of good documents with their identity.
	tokens map[string][]drawnToken
	n      int
}

type drawnToken struct {
	text string
	key  string // kind/name of a supported document; empty for everything else
	bad  bool   // it is not valid
}

func (d *drawnTree) document(t *rapid.T, file string) string {
	d.n++
	token := fmt.Sprintf("tok-%d-", d.n)
	name := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "name")
	comment := rapid.SampledFrom([]string{"", "# above\n", "\n# one\n\n# two\n"}).Draw(t, "comment")
	switch rapid.SampledFrom([]string{"good", "good", "good", "good", "invalid", "broken", "other kind", "other version", "data", "text", "list", "status", "empty"}).Draw(t, "class") {
	case "good":
		d.tokens[file] = append(d.tokens[file], drawnToken{text: token, key: "server/" + name})
		return comment + fmt.Sprintf("apiVersion: wiring.githedgehog.com/v1beta1\nkind: Server\nmetadata:\n  name: %s\nspec:\n  description: %s # why\n", name, token)
	case "status":
		d.tokens[file] = append(d.tokens[file], drawnToken{text: token, key: "server/" + name})
		return comment + fmt.Sprintf("apiVersion: wiring.githedgehog.com/v1beta1\nkind: Server\nmetadata: {name: %s, uid: x}\nspec: {description: %s}\nstatus: {}\n", name, token)
	case "invalid":
		d.tokens[file] = append(d.tokens[file], drawnToken{token, "server/" + name, true})
		return comment + fmt.Sprintf("apiVersion: wiring.githedgehog.com/v1beta1\nkind: Server\nmetadata:\n  name: %s\nspec:\n  nonsense: %s\n", name, token)
	case "broken":
		d.tokens[file] = append(d.tokens[file], drawnToken{text: token})
		return comment + fmt.Sprintf("kind: [Server\nmetadata: {name: zz%s %s\n", name, token)
	case "other kind":
		d.tokens[file] = append(d.tokens[file], drawnToken{text: token})
		return comment + fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {x: %s}\n", name, token)
	case "other version":
		d.tokens[file] = append(d.tokens[file], drawnToken{text: token})
		return comment + fmt.Sprintf("apiVersion: wiring.githedgehog.com/v1alpha2\nkind: Server\nmetadata: {name: %s}\nspec: {description: %s}\n", name, token)
	case "data":
		d.tokens[file] = append(d.tokens[file], drawnToken{text: token})
		return comment + "x: " + token + "\n"
	case "text":
		d.tokens[file] = append(d.tokens[file], drawnToken{text: token})
		return comment + token + "\n"
	case "list":
		other := fmt.Sprintf("tok-%d-b-", d.n)
		d.tokens[file] = append(d.tokens[file], drawnToken{text: token, key: "server/" + name}, drawnToken{text: other})
		return comment + fmt.Sprintf("apiVersion: v1\nkind: List\nitems:\n  # item\n  - apiVersion: wiring.githedgehog.com/v1beta1\n    kind: Server\n    metadata:\n      name: %s\n    spec:\n      description: %s\n  - {apiVersion: v1, kind: Secret, metadata: {name: x}, data: {a: %s}}\n", name, token, other)
	}
	return "# only a comment\n"
}

func (d *drawnTree) file(t *rapid.T, file string) {
	var b strings.Builder
	if rapid.Bool().Draw(t, "leading marker") {
		b.WriteString("# head\n---\n")
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "documents") {
		if i > 0 {
			b.WriteString(rapid.SampledFrom([]string{"---\n", "--- # mark\n", "...\n---\n"}).Draw(t, "separator"))
		}
		b.WriteString(d.document(t, file))
	}
	text := b.String()
	switch rapid.IntRange(0, 5).Draw(t, "bytes") {
	case 0:
		text = strings.ReplaceAll(text, "\n", "\r\n")
	case 1:
		text = strings.TrimSuffix(text, "\n")
	case 2:
		text = "\ufeff" + text
	}
	d.files[file] = text
}

func drawTree(t *rapid.T) *drawnTree {
	d := &drawnTree{files: directory{}, tokens: map[string][]drawnToken{}}
	places := []string{"raw/x.yaml", "raw/y.yaml", "raw/X.yaml", "raw/pending/x.yaml", "raw/site/x.yaml", "raw/z.txt", "x.yaml", "y.yml", "site/q.yaml",
		"managed/servers/a.yaml", "managed/servers/b.yaml", "managed/servers/C.yaml", "managed/vpcs/all.yaml", "managed/tests/x.yaml", "unmanaged/external-configs/x.yaml",
		"raw/errors/x.yaml", "raw/errors/x.yaml.errors.txt", "raw/processed/x.yaml", "backup/x.yaml"}
	for _, p := range rapid.SliceOfNDistinct(rapid.SampledFrom(places), 1, 7, rapid.ID[string]).Draw(t, "places") {
		switch {
		case strings.HasSuffix(p, ".txt"):
			d.files[p] = rapid.SampledFrom([]string{"1:1: said\n", "my notes\n"}).Draw(t, "text")
		default:
			d.file(t, p)
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "in the way") == 0 {
		p := rapid.SampledFrom([]string{"managed/servers", "raw/errors", "raw/processed", "unmanaged", "managed/metadata", "unmanaged/external-configs"}).Draw(t, "what")
		for q := range d.files {
			if strings.HasPrefix(q, p+"/") {
				return d
			}
		}
		d.files[p] = rapid.SampledFrom([]string{"a file", "mode 120000"}).Draw(t, "as")
	}
	return d
}

// Nothing is lost: every document of the input is somewhere in the output, outside of the archive, except a managed body
// that a dropped one replaced. Nothing is doubled: no identity comes to stand twice. And after at most two commits there
// is nothing left to do.
func TestIngestLosesNothing(t *testing.T) {
	t.Parallel()
	base := structureInput(t, directory{})
	set := marked(t)
	rapid.Check(t, func(rt *rapid.T) {
		d := drawTree(rt)
		in := base.on(directory{})
		f := *base.Fabric
		in.Fabric = &f
		f.Ingest.ValidationStrict = rapid.Bool().Draw(rt, "strict")
		f.Ingest.ArchiveProcessed = rapid.Bool().Draw(rt, "archive")
		in.Init, in.ForceRecreate = rapid.Bool().Draw(rt, "init"), rapid.Bool().Draw(rt, "force")
		before := d.files
		if before["managed/metadata"] == "" && rapid.Bool().Draw(rt, "marked") {
			before = before.with(directory{Marker: set[Marker]})
		}
		first := in.on(before)
		pl := PlanStructure(first)
		out := pl.after(rt, before)
		if again := PlanStructure(in.on(before)); !reflect.DeepEqual(again, pl) {
			rt.Fatalf("the same input gives another plan")
		}
		// A waiting file that sets a document which this commit moves waits for the next one.
		next := in.asked(false)
		second := PlanStructure(next.on(out))
		final := second.after(rt, out)
		if third := PlanStructure(next.on(final)); len(third.Files) > 0 {
			rt.Fatalf("there is still something to do: %s\nafter %s\nafter %s", paths(third.Files), paths(second.Files), paths(pl.Files))
		}

		for p, text := range before {
			kept := where(p) == "unmanaged" || where(p) == "errors" && !strings.HasSuffix(p, reportSuffix) || where(p) == "backup" || p == "raw/z.txt"
			if kept && final[p] != text && !moved(pl, p) {
				rt.Fatalf("%s was changed", p)
			}
		}
		all := func(skip string) string {
			var b strings.Builder
			for _, p := range slices.Sorted(maps.Keys(final)) {
				if skip == "" || where(p) != skip {
					b.WriteString(final[p] + "\n")
				}
			}
			return b.String()
		}
		text, dropped := all("processed"), map[string]int{}
		for p, tokens := range d.tokens {
			for _, token := range tokens {
				if where(p) == "raw" && token.key != "" && !token.bad {
					dropped[token.key]++
				}
			}
		}
		for p, tokens := range d.tokens {
			for _, token := range tokens {
				if where(p) == "processed" || strings.Contains(text, token.text) || where(p) != "raw" && token.key != "" && dropped[token.key] > 0 {
					continue
				}
				rt.Fatalf("%s of %s is lost\nbefore: %q\nplans: %s | %s\nafter: %q", token.text, p, before, paths(pl.Files), paths(second.Files), final)
			}
		}
		for key := range next.on(final).View.Duplicates {
			if len(first.View.Duplicates[key]) == 0 {
				rt.Fatalf("%s stands twice now\nbefore: %q\nplans: %s | %s\nafter: %q", key, before, paths(pl.Files), paths(second.Files), final)
			}
		}
		for key := range first.View.Resources {
			if v := next.on(final).View; v.Resources[key] == nil {
				rt.Fatalf("%s is not there any more", key)
			}
		}
		if _, err := json.Marshal(pl.Details); err != nil {
			rt.Fatalf("details: %v", err)
		}
	})
}

func where(p string) string {
	switch {
	case !strings.Contains(p, "/"):
		return "root"
	case strings.HasPrefix(p, "raw/processed/"):
		return "processed"
	case strings.HasPrefix(p, "raw/errors/"):
		return "errors"
	}
	dir, _, _ := strings.Cut(p, "/")
	return dir
}

func moved(pl *StructurePlan, p string) bool {
	for _, c := range pl.Files {
		if strings.HasPrefix(c.Path, backupDirectory+"/") && strings.HasSuffix(c.Path, "/"+p) {
			return true
		}
	}
	return false
}

// What a dropped document sets is exactly its body: whatever two valid bodies are, the managed one equals the dropped one
// afterwards, and its foreign annotations are as before.
func TestIngestSetsTheBody(t *testing.T) {
	t.Parallel()
	kind, _ := manifests.KindByName("VPC")
	base := structureInput(t, directory{})
	base.Validate = nil
	body := rapid.Custom(func(t *rapid.T) string {
		var b strings.Builder
		b.WriteString("apiVersion: vpc.githedgehog.com/v1beta1\nkind: VPC\nmetadata:\n  name: a\n")
		for _, field := range []string{"labels", "annotations"} {
			if m := rapid.MapOfN(rapid.SampledFrom([]string{"x", "y", "fabric.githedgehog.com/q", "hnp.githedgehog.com/q"}), rapid.SampledFrom([]string{"1", "two", "''"}), 0, 3).Draw(t, field); len(m) > 0 {
				fmt.Fprintf(&b, "  %s: # %s\n", field, field)
				for _, k := range sortedIDs(m) {
					fmt.Fprintf(&b, "    %s: '%s'\n", k, strings.Trim(m[k], "'"))
				}
			}
		}
		if rapid.Bool().Draw(t, "spec") {
			b.WriteString("spec:\n  mode: " + rapid.SampledFrom([]string{"l2vni", "null", "''", "l3"}).Draw(t, "mode") + "\n  subnets:\n")
			for _, name := range []string{"one", "two"} {
				vlan := rapid.SampledFrom([]string{"1000", "1e3", "0x3E8", "1001"}).Draw(t, "vlan")
				options := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"1.1.1.1", "8.8.8.8", "9.9.9.9"}), 0, 3, rapid.ID[string]).Draw(t, "servers")
				fmt.Fprintf(&b, "    %s: {vlan: %s, dhcp: {options: {dnsServers: [%s]}}} # %s\n", name, vlan, strings.Join(options, ", "), name)
			}
			for i, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 3), 0, 3, rapid.ID[int]).Draw(t, "routes") {
				if i == 0 {
					b.WriteString("  staticRoutes:\n")
				}
				fmt.Fprintf(&b, "  - prefix: 10.%d.0.0/16\n    nextHops: [10.0.0.%d]\n", n, rapid.IntRange(1, 3).Draw(t, "hop"))
			}
		}
		return b.String()
	})
	rapid.Check(t, func(rt *rapid.T) {
		managed, dropped := body.Draw(rt, "managed"), body.Draw(rt, "dropped")
		d := directory{Marker: "x", "managed/vpcs/a.yaml": managed, "raw/x.yaml": dropped}
		in := base.on(d)
		out := PlanStructure(in).after(rt, d)
		if out["raw/processed/x.yaml"] != dropped {
			rt.Fatalf("not ingested:\n%s", out["raw/errors/x.yaml.errors.txt"])
		}
		want := objectOf(dropped)
		got := objectOf(out["managed/vpcs/a.yaml"])
		if !same(kind, nil, any(map[string]any(comparableBody(got))), any(map[string]any(comparableBody(want)))) {
			rt.Fatalf("managed\n%s\nset to\n%s\nis\n%s", managed, dropped, out["managed/vpcs/a.yaml"])
		}
		for _, field := range []string{"labels", "annotations"} {
			for _, k := range []string{"fabric.githedgehog.com/q", "hnp.githedgehog.com/q"} {
				foreign := manifests.ForeignLabel(k) && field == "labels" || manifests.ForeignAnnotation(k) && field == "annotations"
				at := Path{{Name: "metadata"}, {Name: field}, {Name: k}}
				if before, after := lookup(kind, any(objectOf(managed)), at), lookup(kind, any(got), at); foreign && before != after {
					rt.Fatalf("%s was %v and is %v", k, before, after)
				}
			}
		}
	})
}

func objectOf(text string) map[string]any {
	f, _ := manifests.Parse("x.yaml", []byte(text))
	return f.Documents()[0].Object
}

// The plan does not depend on the order in which the tree was listed, nor on that of maps.
func TestPlanStructureIsDeterministic(t *testing.T) {
	t.Parallel()
	d := readDirectory(t, realInput+"/raw").with(directory{"raw/a.yaml": vpcA, "raw/b.yaml": vpcA, "raw/c.yaml": vpcA, "raw/pending/c.yaml": badVPC,
		"managed/vpcs/m.yaml": doc("vpc/m", "{}"), "managed/vpcs/n.yaml": doc("vpc/m", "{}"), "raw/m.yaml": doc("vpc/m", "{}"), "raw/d.yaml": configMap})
	in := structureInput(t, d)
	want, _ := json.Marshal(PlanStructure(in))
	rng := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		snap := d.snapshot()
		rng.Shuffle(len(snap.Entries), func(i, j int) { snap.Entries[i], snap.Entries[j] = snap.Entries[j], snap.Entries[i] })
		again := *in
		again.Snapshot, again.View = snap, ViewGit(snap, in.Fabric, in.Parse)
		if got, _ := json.Marshal(PlanStructure(&again)); string(got) != string(want) {
			t.Fatalf("another order gives another plan:\n%s\n%s", got, want)
		}
	}
}

// A drop that sets a document which the same commit moves out of the root waits for the next one.
func TestIngestAfterLoose(t *testing.T) {
	t.Parallel()
	d := directory{"x.yaml": vpcA + "---\n" + vpcB, "raw/y.yaml": strings.Replace(vpcB, "1001", "1002", 1), "raw/z.yaml": doc("vpc/z", "{}")}
	in := structureInput(t, d)
	first := PlanStructure(in).after(t, d)
	if first["managed/vpcs/b.yaml"] != vpcB || first["raw/y.yaml"] != d["raw/y.yaml"] || first["managed/vpcs/z.yaml"] == "" || first["raw/errors/y.yaml.errors.txt"] != "" {
		t.Errorf("after the first commit: %q", first)
	}
	second, _ := settled(t, in, first)
	if second["managed/vpcs/b.yaml"] != d["raw/y.yaml"] || second["raw/processed/y.yaml"] != d["raw/y.yaml"] {
		t.Errorf("after the second commit: %q", second)
	}
}

// A file whose target refuses the edit stays, and all that it would have changed stays too.
func TestIngestKeepsWhatCannotBeEdited(t *testing.T) {
	t.Parallel()
	managed := "? apiVersion\n: vpc.githedgehog.com/v1beta1\n? kind\n: VPC\n? metadata\n: {name: a}\n? spec\n"
	d := marked(t).with(directory{"managed/vpcs/a.yaml": managed, "raw/x.yaml": doc("vpc/new", "{}") + "---\n" + doc("vpc/a", "{mode: l3vni}")})
	in := structureInput(t, d)
	out, pl := settled(t, in, d)
	if got := paths(pl.Files); got != "+raw/errors/x.yaml.errors.txt" {
		t.Errorf("files %s", got)
	}
	if got := out["raw/errors/x.yaml.errors.txt"]; !strings.Contains(got, "managed/vpcs/a.yaml cannot be edited safely") || pl.Subject != "fabric-1: report 1 waiting file" {
		t.Errorf("the error file says %q, the subject %q", got, pl.Subject)
	}
}

// Edits of one file that fit alone but not together hold their sources back, and nothing else.
func TestEditsThatDoNotFitTogether(t *testing.T) {
	t.Parallel()
	d := marked(t).with(directory{"managed/vpcs/b.yaml": vpcB})
	in := structureInput(t, d)
	p := &structurePlanner{in: in, tree: newStagedTree(in.View.Entries), held: map[string]manifests.Diagnostic{}, claims: map[string]bool{}}
	want := objectOf(strings.Replace(vpcB, "1001", "1002", 1))
	for _, from := range []string{"raw/x.yaml", "raw/y.yaml"} {
		p.stageEdits(&source{entry: &TreeEntry{Path: from}}, "managed/vpcs/b.yaml", []manifests.Change{{Want: want}})
	}
	if p.applyEdits() || len(p.held) != 2 || p.held["raw/x.yaml"].Code != "ingest/frozen-target" || len(p.tree.changes()) > 0 {
		t.Errorf("held %v, changes %s", p.held, paths(p.tree.changes()))
	}
}
