package app

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	pathpkg "path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/hnp-sync/hnp-sync/app/api"
)

// vpcDocument is a valid VPC of the table tests; its name and third octet keep it apart from the others.
func vpcDocument(name string, octet, vlan int) string {
	text := strings.Replace(fmt.Sprintf(vpcYAML, vlan), "name: test-vpc", "name: "+name, 1)
	return strings.ReplaceAll(text, "10.0.1.", fmt.Sprintf("10.0.%d.", octet))
}

func vpcPath(name string) string { return directory + "/managed/vpcs/" + name + ".yaml" }

// vlanOf is the VLAN of a VPC in NetBox; 0 when NetBox has no such VPC.
func (s *site) vlanOf(name string) int {
	s.t.Helper()
	vpc, ok := s.netbox.ByName("VPC", "default", name)
	if !ok {
		return 0
	}
	b, err := json.Marshal(vpc.Spec)
	if err != nil {
		s.t.Fatal(err)
	}
	var spec struct {
		Subnets map[string]struct{ VLAN int }
	}
	if err := json.Unmarshal(b, &spec); err != nil {
		s.t.Fatal(err)
	}
	return spec.Subnets["default"].VLAN
}

// badFile is one way in which a file that held a good VPC goes bad.
type badFile struct {
	content func(good string) []byte
	place   func(dir, path string) // instead of content: does something else to the file
	line    int                    // where a person is sent, 0 for the whole file
	says    string                 // what they read
}

func text(s string) func(string) []byte { return func(string) []byte { return []byte(s) } }

func plus(s string) func(string) []byte { return func(good string) []byte { return []byte(good + s) } }

func swap(from, to string) func(string) []byte {
	return func(good string) []byte {
		if !strings.Contains(good, from) {
			panic("nothing to swap: " + from)
		}
		return []byte(strings.Replace(good, from, to, 1))
	}
}

func badFiles() map[string]badFile {
	return map[string]badFile{
		"syntax":         {content: text("kind: [\n"), line: 2, says: "a value is missing here [yaml-syntax]"},
		"cut":            {content: func(good string) []byte { return []byte(good[:len(good)-30]) }, line: 12, says: "[yaml-syntax]"},
		"quote":          {content: swap("subnet: 10", "subnet: \"10"), line: 11, says: "the quoted text is never closed [yaml-syntax]"},
		"tab":            {content: swap("  subnets:", "\tsubnets:"), line: 9, says: "[tab-indent]"},
		"duplicate-key":  {content: swap("  ipv4Namespace: default\n", "  ipv4Namespace: default\n  ipv4Namespace: other\n"), line: 8, says: "already set at line 7, column 3 [duplicate-key]"},
		"merge-marks":    {content: swap("  ipv4Namespace: default\n", "<<<<<<< HEAD\n  ipv4Namespace: default\n=======\n  ipv4Namespace: other\n>>>>>>> branch\n"), line: 7, says: "an unresolved merge conflict of Git [yaml-syntax]"},
		"alias-cycle":    {content: swap("spec:\n", "spec: &a\n  again: *a\n"), line: 7, says: "[alias-cycle]"},
		"alias-bomb":     {content: plus(aliasBomb()), line: 19, says: "[alias-bomb]"},
		"undefined":      {content: swap("ipv4Namespace: default", "ipv4Namespace: *nowhere"), line: 7, says: "[yaml-syntax]"},
		"deep":           {content: plus("deep: " + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "\n"), line: 14, says: "[too-deep]"},
		"latin1":         {content: swap("The first", "\xe9\xff The first"), line: 1, says: "[not-utf8]"},
		"utf16":          {content: toUTF16, line: 1, says: "[utf16]"},
		"nul":            {content: swap("The first", "The \x00 first"), line: 1, says: "[nul-byte]"},
		"control":        {content: swap("The first", "The \x07 first"), line: 1, says: "[control-character]"},
		"bom-inside":     {content: swap("spec:", "\ufeffspec:"), line: 6, says: "[bom-inside]"},
		"infinite":       {content: swap("vlan: ", "vlan: .inf # "), line: 13, says: "[not-json]"},
		"tag":            {content: swap("vlan: ", "vlan: !vault "), line: 13, says: "must be a whole number [type]"},
		"complex-key":    {content: plus("? [a, b]\n: c\n"), line: 14, says: "[yaml-key]"},
		"template":       {content: swap("name: bad-", "name: {{ .Values.name }} # bad-"), line: 5, says: "[template]"},
		"sops":           {content: plus("sops:\n  mac: ENC[AES256_GCM,data:x,iv:x,tag:x,type:str]\n  version: 3.8.1\n"), line: 14, says: "[encrypted]"},
		"binary":         {content: text("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xfe\xfd"), line: 1, says: "[control-character]"},
		"html":           {content: text("<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>\n"), line: 1, says: "the document is no mapping; it is not synchronised [not-a-resource]"},
		"lfs":            {content: text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"), says: "a Git LFS pointer and cannot be read [structure/opaque]"},
		"huge":           {content: func(good string) []byte { return append([]byte(good), bytes.Repeat([]byte("# padding\n"), 1<<19)...) }, says: "larger than 4194304 bytes and cannot be read [structure/opaque]"},
		"old-version":    {content: swap("v1beta1", "v1alpha2"), line: 2, says: "[unsupported-version]"},
		"no-kind":        {content: swap("kind: VPC\n", ""), line: 2, says: "the document lacks apiVersion or kind; it is not synchronised [not-a-resource]"},
		"no-name":        {content: swap("  name: bad-", "  nome: bad-"), line: 5, says: "[name-invalid]"},
		"unknown-field":  {content: swap("  ipv4Namespace: default\n", "  ipv4Namespace: default\n  colour: blue\n"), line: 8, says: "spec has no field \"colour\" [unknown-field]"},
		"wrong-type":     {content: swap("vlan: ", "vlan: many # "), line: 13, says: "vlan is the text \"many\", must be a whole number [type]"},
		"symlink":        {place: linkTo("/etc/passwd"), says: "a symbolic link and cannot be read [structure/opaque]"},
		"symlink-inside": {place: linkTo("witness.yaml"), says: "a symbolic link and cannot be read [structure/opaque]"},
		"submodule":      {place: submodule, says: "a submodule and cannot be read [structure/opaque]"},
	}
}

func linkTo(target string) func(dir, path string) {
	return func(_, path string) {
		must(os.Remove(path))
		must(os.Symlink(target, path))
	}
}

func submodule(dir, path string) {
	rel, err := filepath.Rel(dir, path)
	must(err)
	must(os.Remove(path))
	out, err := exec.Command("git", "-C", dir, "update-index", "--add", "--cacheinfo", "160000,6dcb09b5b57875f334f61aebed695e2e4193db5e,"+filepath.ToSlash(rel)).CombinedOutput()
	if err != nil {
		panic(string(out))
	}
	must(os.Mkdir(path, 0o755))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func aliasBomb() string {
	b := strings.Builder{}
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.Join(strings.Fields(strings.Repeat(fmt.Sprintf("*a%d ", i-1), 10)), ", "))
	}
	return b.String()
}

func toUTF16(good string) []byte {
	out := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(good)) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return out
}

// A fabric of many files, each spoiled in another way by one push that also holds a good change: the good one goes on, in
// both directions, every bad file freezes what it held and says where and why, and nothing is lost until it is repaired.
func TestBadFilesFreezeTheirOwn(t *testing.T) {
	t.Parallel()
	cases := badFiles()
	names := sortedNames(cases)
	vpc := map[string]string{}
	files := map[string]string{".github/hnp-sync.yaml": repoConfig, vpcPath("witness"): vpcDocument("witness", 1, 1001)}
	for i, n := range names {
		vpc[n] = fmt.Sprintf("bad-%02d", i)
		files[vpcPath(n)] = vpcDocument(vpc[n], 10+i, 1100+i)
	}
	s := newSite(t, files)
	r := s.start()
	s.eventually("the import", func() bool { return len(s.netbox.Objects("VPC")) == len(names)+1 })
	if st := r.quiet(); st.Fabrics[0].State != "equal" {
		t.Fatalf("after the import: %+v", st)
	}
	s.gitEdit("Spoil all but one", func(dir string) {
		for _, n := range names {
			path := filepath.Join(dir, filepath.FromSlash(vpcPath(n)))
			if c := cases[n]; c.place != nil {
				c.place(dir, path)
			} else {
				must(os.WriteFile(path, c.content(files[vpcPath(n)]), 0o644))
			}
		}
		must(os.WriteFile(filepath.Join(dir, filepath.FromSlash(vpcPath("witness"))), []byte(vpcDocument("witness", 1, 1002)), 0o644))
	})
	s.eventually("the good change is in NetBox", func() bool { return s.vlanOf("witness") == 1002 })
	f := r.quiet().Fabrics[0]
	if f.State != "conflict" || len(f.Frozen) != len(names) {
		t.Errorf("state %s, %d frozen, want %d", f.State, len(f.Frozen), len(names))
	}
	for i, n := range names {
		t.Run(n, func(t *testing.T) {
			if got := s.vlanOf(vpc[n]); got != 1100+i {
				t.Errorf("NetBox's VLAN is %d, want %d", got, 1100+i)
			}
			wantFrozen(t, f, "vpc/"+vpc[n], "managed/vpcs/"+n+".yaml", cases[n].line)
			wantFinding(t, f, "managed/vpcs/"+n+".yaml", cases[n].line, cases[n].says)
		})
	}
	// NetBox is edited meanwhile: what is not frozen reaches Git, what is frozen waits on its side.
	before, err := s.github.Files(repoName, "main", directory)
	if err != nil {
		t.Fatal(err)
	}
	s.setVLANOf("witness", 1003)
	s.setVLANOf(vpc["quote"], 1999)
	s.eventually("the good file has NetBox's edit", func() bool {
		text, err := s.github.ReadFile(repoName, "main", vpcPath("witness"))
		return err == nil && text == vpcDocument("witness", 1, 1003)
	})
	r.quiet()
	after, err := s.github.Files(repoName, "main", directory)
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range after {
		if text != before[path] && !strings.HasSuffix(path, "witness.yaml") {
			t.Errorf("%s was changed", path)
		}
	}
	if len(after) != len(before) || s.vlanOf(vpc["quote"]) != 1999 {
		t.Errorf("%d files, were %d; the frozen edit in NetBox is %d", len(after), len(before), s.vlanOf(vpc["quote"]))
	}
	s.gitEdit("Repair all", func(dir string) {
		for _, n := range names {
			path := filepath.Join(dir, filepath.FromSlash(vpcPath(n)))
			must(os.RemoveAll(path))
			must(os.WriteFile(path, []byte(files[vpcPath(n)]), 0o644))
		}
	})
	s.eventually("everything is in step again", func() bool { return r.quiet().Fabrics[0].State == "equal" })
	for i, n := range names {
		want := 1100 + i
		if n == "quote" {
			want = 1999
		}
		text, err := s.github.ReadFile(repoName, "main", vpcPath(n))
		if err != nil || text != vpcDocument(vpc[n], 10+i, want) || s.vlanOf(vpc[n]) != want {
			t.Errorf("%s: NetBox %d, want %d in Git and NetBox: %v\n%s", n, s.vlanOf(vpc[n]), want, err, text)
		}
	}
}

func wantFrozen(t *testing.T, f api.Fabric, resource, file string, line int) {
	t.Helper()
	for _, fr := range f.Frozen {
		if fr.Resource == resource {
			if fr.File != file || fr.Line != line || fr.Message == "" {
				t.Errorf("%s is frozen for %s:%d, want %s:%d: %s", resource, fr.File, fr.Line, file, line, fr.Message)
			}
			return
		}
	}
	t.Errorf("%s is not frozen", resource)
}

// wantFinding wants a finding with the text "message [code]" at the line, and a way to fix it.
func wantFinding(t *testing.T, f api.Fabric, file string, line int, text string) {
	t.Helper()
	var all []string
	for _, d := range f.Diagnostics {
		if d.File != file {
			continue
		}
		said := fmt.Sprintf("%s [%s]", d.Message, d.Code)
		if d.StartLine == line && strings.Contains(said, text) && d.Fix != "" && (line == 0 || d.StartColumn > 0) {
			return
		}
		all = append(all, fmt.Sprintf("%d:%d: %s (fix: %s)", d.StartLine, d.StartColumn, said, d.Fix))
	}
	t.Errorf("%s: no finding at line %d with %q; there are %q", file, line, text, all)
}

// setVLANOf is a NetBox user's edit of any VPC.
func (s *site) setVLANOf(name string, vlan int) {
	s.t.Helper()
	vpc, ok := s.netbox.ByName("VPC", "default", name)
	if !ok {
		s.t.Fatalf("NetBox has no %s", name)
	}
	b, err := json.Marshal(vpc.Spec)
	if err != nil {
		s.t.Fatal(err)
	}
	var spec map[string]any
	if err := json.Unmarshal(b, &spec); err != nil {
		s.t.Fatal(err)
	}
	spec["subnets"].(map[string]any)["default"].(map[string]any)["vlan"] = vlan
	s.netboxDo("PATCH", fmt.Sprintf("/api/plugins/hedgehog/vpcs/%d/?omit=display_url", vpc.ID), map[string]any{"spec": spec}, nil)
}

// Names that cannot be stored are said and nothing is made of them; strange paths are paths like all others.
func TestBadNamesAndStrangePaths(t *testing.T) {
	t.Parallel()
	bad := map[string]string{ // by what stands behind "name: "
		"dot": "a.b", "upper": "UPPER", "long": "a-name-too-long-for-a-vpc", "endless": strings.Repeat("a", 300), "up": `"../../etc"`, "slash": "a/b",
		"unicode": "vpc-ä", "space": `"a b"`, "dash": `"-a"`, "number": "12345", "empty": `""`, "null": "~", "list": "[a]", "newline": `"a\nb"`, "emoji": "\U0001F525"}
	paths := []string{"mit leerzeichen.yaml", "grün/ø.yaml", "UPPER.YAML", "a'b\"c.yaml", "-rf.yml", "a/b/c/d/e/f/g/deep.yaml", "twice.yaml", "Twice.yaml", "percent%2e%2e.yaml",
		"$(touch x).yaml", "dots...yaml", strings.Repeat("long", 50) + ".yaml"}
	files := map[string]string{".github/hnp-sync.yaml": repoConfig + "    guard: {max_change: 100}\n", vpcPath("witness"): vpcDocument("witness", 1, 1001)}
	for n, name := range bad {
		files[vpcPath("name-"+n)] = vpcDocument(name, 2, 1900)
	}
	unwritable := directory + "/strange/new\nline.yaml"
	files[unwritable] = vpcDocument("unwritable", 3, 1950)
	for i, p := range paths {
		files[directory+"/strange/"+p] = vpcDocument(fmt.Sprintf("strange-%02d", i), 10+i, 1100+i)
	}
	s := newSite(t, files)
	r := s.start()
	s.eventually("all that can be is in NetBox", func() bool { return len(s.netbox.Objects("VPC")) >= len(paths)+1 })
	f := r.quiet().Fabrics[0]
	if n := len(s.netbox.Objects("VPC")); n != len(paths)+1 {
		t.Errorf("NetBox has %d VPCs, want %d: %v", n, len(paths)+1, s.netbox.Objects("VPC"))
	}
	for _, n := range sortedNames(bad) {
		wantFinding(t, f, "managed/vpcs/name-"+n+".yaml", 5, "")
	}
	wantFinding(t, f, "strange/new\nline.yaml", 0, "which cannot be written safely, and cannot be read [structure/opaque]")
	for i := range paths {
		s.setVLANOf(fmt.Sprintf("strange-%02d", i), 1200+i)
	}
	s.setVLANOf("witness", 1002)
	for i, p := range append(paths, "../managed/vpcs/witness.yaml") {
		want := vpcDocument(fmt.Sprintf("strange-%02d", i), 10+i, 1200+i)
		if i == len(paths) {
			p, want = "../managed/vpcs/witness.yaml", vpcDocument("witness", 1, 1002)
		}
		var got string
		s.eventually(fmt.Sprintf("%q has NetBox's edit", p), func() bool {
			var err error
			got, err = s.github.ReadFile(repoName, "main", pathpkg.Join(directory, "strange", p))
			return err == nil && got == want
		})
	}
	r.quiet()
	for n := range bad {
		if text, err := s.github.ReadFile(repoName, "main", vpcPath("name-"+n)); err != nil || text != files[vpcPath("name-"+n)] {
			t.Errorf("the file of the bad name %s was touched: %v", n, err)
		}
	}
	if err := s.github.Fsck(repoName); err != nil {
		t.Error(err)
	}
}

// Two files with one identity: neither is believed, both places are said, and it ends when one is removed.
func TestTwoFilesOneIdentity(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	s.gitPush("A copy", map[string]string{vpcPath("copy"): fmt.Sprintf(vpcYAML, 1500), vpcPath("witness"): vpcDocument("witness", 2, 1002)})
	s.eventually("the other one is in NetBox", func() bool { return s.vlanOf("witness") == 1002 })
	f := r.quiet().Fabrics[0]
	for _, file := range []string{"copy", "test-vpc"} {
		wantFinding(t, f, "managed/vpcs/"+file+".yaml", 5, "vpc/test-vpc is also in managed/vpcs/")
	}
	if len(f.Frozen) != 1 || f.Frozen[0].Code != "duplicate_identity" || s.netboxVLAN() != 1001 {
		t.Errorf("frozen %+v, VLAN %d", f.Frozen, s.netboxVLAN())
	}
	s.setVLAN(1600)
	r.quiet()
	s.gitEdit("Not the copy", func(dir string) { must(os.Remove(filepath.Join(dir, filepath.FromSlash(vpcPath("copy"))))) })
	s.eventually("Git has NetBox's edit", func() bool { return s.gitText() == fmt.Sprintf(vpcYAML, 1600) })
	if f := r.quiet().Fabrics[0]; f.State != "equal" {
		t.Errorf("status %+v", f)
	}
}

// The whole directory vanishes by a push: nothing is deleted until a person agrees, NetBox's edits are kept, and it
// goes on when the directory is back.
func TestDirectoryVanishes(t *testing.T) {
	t.Parallel()
	files := seedFiles(1001)
	files[directory+"/server.yaml"] = "apiVersion: wiring.githedgehog.com/v1beta1\nkind: Server\nmetadata:\n  name: server-1\nspec:\n  description: one\n"
	s := newSite(t, files)
	r := s.start()
	s.eventually("NetBox has both", func() bool { return s.netboxVLAN() == 1001 && len(s.netbox.Objects("Server")) == 1 })
	r.quiet()
	s.gitEdit("Oops", func(dir string) { must(os.RemoveAll(filepath.Join(dir, "gitops"))) })
	var f api.Fabric
	s.eventually("it waits", func() bool { f = r.quiet().Fabrics[0]; return f.State == "guard" })
	if len(f.Waiting) != 2 || !strings.Contains(f.Waiting[0].Reason, "directory gitops/hedgehog/fabric-1 is gone") || f.PlanHash == "" {
		t.Errorf("waiting %+v", f.Waiting)
	}
	s.setVLAN(1700)
	r.quiet()
	if s.netboxVLAN() != 1700 || len(s.netbox.Objects("Server")) != 1 {
		t.Error("something was deleted or changed in NetBox")
	}
	s.gitPush("Back again", files)
	s.eventually("Git has NetBox's edit", func() bool { return s.gitText() == fmt.Sprintf(vpcYAML, 1700) })
	if f := r.quiet().Fabrics[0]; f.State != "equal" || len(f.Waiting) != 0 {
		t.Errorf("status %+v", f)
	}
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
