package repo

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/gitops/githubtest"
)

func TestObserveSmallDirectoryIsOneRequestEachTime(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"README.md":                         "# x\n",
		".github/hnp-sync.yaml":             "version: 1\n",
		testDir + "/managed/vpcs/one.yaml":  vpc(1),
		testDir + "/managed/vpcs/.gitkeep":  "",
		testDir + "/raw/pending/drop.yaml":  "a: \"\\u00e9 é\"\r\n",
		testDir + "/unmanaged/x/y/note.txt": "deep\n",
	}
	s := newSite(t, files, "")
	r := s.open(Options{})
	var snap *gitops.GitSnapshot
	s.requests(map[string]int{oneQuery: 1}, func() { snap = s.observe(r) })
	if snap.Head != s.head() {
		t.Errorf("head %s, want %s", snap.Head, s.head())
	}
	if got, want := contentsOf(snap), below(testDir, files); !maps.Equal(got, want) {
		t.Errorf("contents %q, want %q", got, want)
	}
	if !slices.IsSortedFunc(snap.Entries, func(a, b gitops.TreeEntry) int { return strings.Compare(a.Path, b.Path) }) {
		t.Error("entries are not sorted")
	}
	if snap.ConfigBlob != blobOID([]byte("version: 1\n"), snap.Head) {
		t.Errorf("config blob %s", snap.ConfigBlob)
	}
	if snap.DirTree == "" || len(snap.Commits) != 1 || snap.Commits[0].OID != snap.Head || !snap.Commits[0].TouchesDirectory {
		t.Errorf("dir tree %q, commits %+v", snap.DirTree, snap.Commits)
	}
	pushed := s.push(map[string]string{testDir + "/managed/vpcs/one.yaml": vpc(2)})
	s.requests(map[string]int{oneQuery: 1}, func() { snap = s.observe(s.open(Options{})) })
	if snap.Head != pushed || contentsOf(snap)["managed/vpcs/one.yaml"] != vpc(2) {
		t.Errorf("after a push: head %s, contents %q", snap.Head, contentsOf(snap))
	}
}

func TestObserveLargerDirectoryIsOneMoreRequestPer100NewBlobs(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for i := range 250 {
		files[fmt.Sprintf("%s/managed/vpcs/vpc-%03d.yaml", testDir, i)] = vpc(i)
	}
	s := newSite(t, files, "")
	var snap *gitops.GitSnapshot
	s.requests(map[string]int{oneQuery: 1 + 3}, func() { snap = s.observe(s.open(Options{ExpectedFiles: 250})) })
	if got := contentsOf(snap); !maps.Equal(got, below(testDir, files)) {
		t.Errorf("%d contents differ from %d files", len(got), len(files))
	}
	s.requests(map[string]int{oneQuery: 1}, func() { s.observe(s.open(Options{})) }) // nothing new

	path := testDir + "/managed/vpcs/vpc-007.yaml"
	s.push(map[string]string{path: vpc(1007)})
	s.requests(map[string]int{oneQuery: 2}, func() { snap = s.observe(s.open(Options{})) })
	if contentsOf(snap)["managed/vpcs/vpc-007.yaml"] != vpc(1007) {
		t.Error("the new content is missing")
	}
	// With the push's file list as a hint it is one again, whatever else the list says.
	s.push(map[string]string{path: vpc(2007)})
	s.requests(map[string]int{oneQuery: 1}, func() {
		snap = s.observe(s.open(Options{ChangedPaths: []string{"README.md", testDir + "/gone.yaml", path, testDir + "/../x"}}))
	})
	if contentsOf(snap)["managed/vpcs/vpc-007.yaml"] != vpc(2007) {
		t.Error("the hinted content is missing")
	}
}

func TestObserveTenThousandFilesWithTheRecursiveTree(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for i := range 10_000 {
		// Few different contents: the number of entries is what is tested.
		files[fmt.Sprintf("%s/managed/servers/s-%05d.yaml", testDir, i)] = vpc(i % 150)
	}
	s := newSite(t, files, "")
	const tree = "GET /repos/{owner}/{repo}/git/trees/{tree_sha}"
	var snap *gitops.GitSnapshot
	s.requests(map[string]int{oneQuery: 1 + 2, tree: 1}, func() { snap = s.observe(s.open(Options{ExpectedFiles: 10_000})) })
	if len(snap.Entries) != 10_000 || len(contentsOf(snap)) != 10_000 {
		t.Fatalf("%d entries, %d contents", len(snap.Entries), len(contentsOf(snap)))
	}
	s.push(map[string]string{"README.md": "elsewhere\n"})
	s.requests(map[string]int{oneQuery: 1}, func() { snap = s.observe(s.open(Options{})) })
	if snap.Head != s.head() || len(snap.Entries) != 10_000 {
		t.Errorf("head %s, %d entries", snap.Head, len(snap.Entries))
	}
	s.push(map[string]string{testDir + "/managed/servers/s-00000.yaml": "new\n"})
	s.requests(map[string]int{oneQuery: 2, tree: 1}, func() { snap = s.observe(s.open(Options{})) })
	if contentsOf(snap)["managed/servers/s-00000.yaml"] != "new\n" {
		t.Error("the new content is missing")
	}
}

func TestObserveTruncatedTreeIsWalked(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for _, kind := range []string{"vpcs", "servers", "switches"} {
		for i := range 6 {
			files[fmt.Sprintf("%s/managed/%s/f-%d.yaml", testDir, kind, i)] = vpc(i)
		}
	}
	s := newSite(t, files, "")
	s.SetKnobs(githubtest.Knobs{TreeLimit: 8})
	snap := s.observe(s.open(Options{Deep: true}))
	if got := contentsOf(snap); !maps.Equal(got, below(testDir, files)) {
		t.Errorf("contents %v", slices.Sorted(maps.Keys(got)))
	}
}

func TestObserveBelowTheDepthOfTheQuery(t *testing.T) {
	t.Parallel()
	const tree = "GET /repos/{owner}/{repo}/git/trees/{tree_sha}"
	files := map[string]string{testDir + "/managed/vpcs/one.yaml": vpc(1)}
	deep := testDir + "/a/b/c/d/e/deep.yaml"
	files[deep] = "x: 1\n"
	s := newSite(t, files, "")
	var snap *gitops.GitSnapshot
	s.requests(map[string]int{oneQuery: 2, tree: 1}, func() { snap = s.observe(s.open(Options{})) })
	if got := contentsOf(snap); !maps.Equal(got, below(testDir, files)) {
		t.Errorf("contents %v", got)
	}
	s.requests(map[string]int{oneQuery: 1}, func() { s.observe(s.open(Options{})) })
	// Many deep subtrees: one recursive tree of the whole directory.
	more := map[string]string{}
	for i := range 5 {
		more[fmt.Sprintf("%s/m%d/b/c/d/f.yaml", testDir, i)] = vpc(i)
	}
	s.push(more)
	maps.Copy(files, more)
	s.requests(map[string]int{oneQuery: 2, tree: 1}, func() { snap = s.observe(s.open(Options{})) })
	if got := contentsOf(snap); !maps.Equal(got, below(testDir, files)) {
		t.Errorf("contents %v", got)
	}
}

func TestObserveCarriesModesAndOddContents(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", gitops.MaxFileBytes+1)
	atLimit := strings.Repeat("y", gitops.MaxFileBytes)
	files := map[string]string{
		testDir + "/managed/vpcs/one.yaml": vpc(1),
		testDir + "/latin1.yaml":           "name: \xe9\n",
		testDir + "/binary.bin":            "a\x00b",
		testDir + "/empty.yaml":            "",
		testDir + "/bom.yaml":              "\ufeffa: 1\n",
		testDir + "/big.yaml":              big,
		testDir + "/limit.yaml":            atLimit,
		testDir + "/lfs.bin":               "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
	}
	s := newSite(t, nil, gitFolder(t, files))
	for name, opts := range map[string]Options{"contents": {}, "entries": {ExpectedFiles: 500}, "tree": {Deep: true}} {
		s.app = s.newApp(s.url())
		snap := s.observe(s.open(opts))
		modes := map[string]string{}
		for _, e := range snap.Entries {
			modes[e.Path] = e.Mode
			switch {
			case e.Path == "big.yaml":
				if e.Data != nil || !e.Oversize || e.Size != int64(len(big)) {
					t.Errorf("%s: big.yaml: %d bytes of data, oversize %v, size %d", name, len(e.Data), e.Oversize, e.Size)
				}
			case e.Mode == "120000" || e.Mode == "160000":
				if e.Data != nil || e.Oversize {
					t.Errorf("%s: %s holds data", name, e.Path)
				}
			case e.Data == nil:
				t.Errorf("%s: %s has no data", name, e.Path)
			}
		}
		if modes["run.sh"] != "100755" || modes["link.yaml"] != "120000" || modes["module"] != "160000" || modes["empty.yaml"] != "100644" {
			t.Errorf("%s: modes %v", name, modes)
		}
		want := below(testDir, files)
		want["run.sh"] = "#!/bin/sh\n"
		delete(want, "big.yaml")
		if got := contentsOf(snap); !maps.Equal(got, want) {
			t.Errorf("%s: contents of %v, want %v", name, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
	}
}

func TestObserveMissingThings(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"README.md": "x\n", "file": "f\n"}, "")
	snap := s.observe(s.open(Options{}))
	if snap.DirTree != "" || len(snap.Entries) != 0 || snap.Head == "" || snap.ConfigBlob != "" || snap.Commits[0].TouchesDirectory {
		t.Errorf("missing directory: %+v", snap)
	}
	if _, err := s.open(Options{Branch: "none"}).Observe(t.Context()); !errors.Is(err, gitops.ErrBranchMissing) {
		t.Errorf("missing branch: %v", err)
	}
	if _, err := s.open(Options{Directory: "file"}).Observe(t.Context()); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("file as directory: %v", err)
	}
	if _, err := s.open(Options{}).ObserveAt(t.Context(), strings.Repeat("ab", 20)); !errors.Is(err, ErrCommitMissing) {
		t.Errorf("missing commit: %v", err)
	}
	if err := s.CreateRepository(githubtest.SeedRepo{Owner: "acme", Name: "empty", Private: true}); err != nil {
		t.Fatal(err)
	}
	ref := Ref{InstallationID: testInstall, RepositoryID: s.RepositoryID("acme/empty"), Owner: "acme", Name: "empty"}
	r, err := s.app.Open(ref, Options{Branch: "main"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Observe(t.Context()); !errors.Is(err, gitops.ErrBranchMissing) {
		t.Errorf("empty repository: %v", err)
	}
	if _, _, err := r.Head(t.Context()); !errors.Is(err, gitops.ErrBranchMissing) {
		t.Errorf("head of an empty repository: %v", err)
	}
	if _, err := s.app.ReadConfig(t.Context(), ref, ""); !errors.Is(err, gitops.ErrBranchMissing) {
		t.Errorf("configuration of an empty repository: %v", err)
	}
}

func TestObserveRootDirectory(t *testing.T) {
	t.Parallel()
	files := map[string]string{"README.md": "x\n", "managed/vpcs/one.yaml": vpc(1)}
	s := newSite(t, files, "")
	r, err := s.app.Open(s.ref(), Options{Branch: "main", Directory: "."})
	if err != nil {
		t.Fatal(err)
	}
	snap := s.observe(r)
	if got := contentsOf(snap); !maps.Equal(got, files) {
		t.Errorf("contents %v", got)
	}
	if snap.DirTree != snap.Commits[0].Tree {
		t.Errorf("directory tree %s, root tree %s", snap.DirTree, snap.Commits[0].Tree)
	}
}

func TestObserveAtReadsAnOldCommit(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{testDir + "/managed/vpcs/one.yaml": vpc(1)}, "")
	old := s.head()
	s.push(map[string]string{testDir + "/managed/vpcs/one.yaml": vpc(2)})
	var snap *gitops.GitSnapshot
	r := s.open(Options{})
	s.requests(map[string]int{oneQuery: 1}, func() {
		var err error
		if snap, err = r.ObserveAt(t.Context(), old); err != nil {
			t.Fatal(err)
		}
	})
	if snap.Head != old || len(snap.Commits) != 0 || contentsOf(snap)["managed/vpcs/one.yaml"] != vpc(1) {
		t.Errorf("%+v", snap)
	}
}

func TestHistorySaysWhichCommitsTouchedTheDirectory(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{testDir + "/a.yaml": "1\n", "README.md": "1\n"}, "")
	var want []bool // newest first
	for i := range 120 {
		inside := i%3 == 0
		path := "README.md"
		if inside {
			path = testDir + "/a.yaml"
		}
		s.push(map[string]string{path: fmt.Sprintf("edit %d\n", i)})
		want = append([]bool{inside}, want...)
	}
	snap := s.observe(s.open(Options{}))
	if len(snap.Commits) != 100 {
		t.Fatalf("%d commits", len(snap.Commits))
	}
	for i, c := range snap.Commits {
		expect := want[i] || i == 99 // the parent of the last is not in the list: assumed
		if c.TouchesDirectory != expect {
			t.Errorf("commit %d: touches %v, want %v", i, c.TouchesDirectory, expect)
		}
		if i > 0 && snap.Commits[i-1].Parents[0] != c.OID {
			t.Errorf("commit %d is not the parent of the one before", i)
		}
	}
}

func TestHistoryOfAMergeCountsFirstParentSteps(t *testing.T) {
	t.Parallel()
	oid := func(c byte) string { return strings.Repeat(string(c), 40) }
	commit := func(self, dir byte, parents ...byte) commitNode {
		c := commitNode{OID: oid(self), Tree: &treeNode{OID: oid(self)}, Parents: &nodes{}, Dir: &entryNode{OID: oid(dir)}}
		for _, p := range parents {
			c.Parents.Nodes = append(c.Parents.Nodes, struct {
				OID string `json:"oid"`
			}{oid(p)})
		}
		return c
	}
	r := &Repository{opts: Options{Directory: "d"}}
	// a merges the side commit b, which changed the directory, into c.
	got, err := r.history([]commitNode{commit('a', '2', 'c', 'b'), commit('b', '2', 'c'), commit('c', '1', 'd'), commit('d', '1')}, true)
	if err != nil {
		t.Fatal(err)
	}
	want := []bool{true, false, false, true} // d has no parent and has the directory
	for i, c := range got {
		if c.TouchesDirectory != want[i] {
			t.Errorf("commit %d: touches %v, want %v", i, c.TouchesDirectory, want[i])
		}
	}
}

func TestObserveAfterRename(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{testDir + "/a.yaml": "1\n"}, "")
	ref := s.ref()
	if err := s.Rename(testRepo, "acme/network"); err != nil {
		t.Fatal(err)
	}
	r, err := s.app.Open(ref, Options{Branch: "main", Directory: testDir})
	if err != nil {
		t.Fatal(err)
	}
	s.requests(map[string]int{oneQuery: 1}, func() { s.observe(r) })
	// Somebody makes another repository of the old name: the id decides.
	must(t, s.CreateRepository(githubtest.SeedRepo{Owner: "acme", Name: "other", Private: true, Files: map[string]string{testDir + "/a.yaml": "other\n"}}))
	must(t, s.Rename("acme/other", testRepo))
	s.app = s.newApp(s.url())
	if r, err = s.app.Open(ref, Options{Branch: "main", Directory: testDir}); err != nil {
		t.Fatal(err)
	}
	snap := s.observe(r)
	if contentsOf(snap)["a.yaml"] != "1\n" {
		t.Errorf("read another repository: %v", contentsOf(snap))
	}
	if _, err := r.Commit(t.Context(), gitops.CommitRequest{ExpectedHead: snap.Head, Subject: "s", Files: []gitops.FileChange{{Path: "a.yaml", Data: []byte("2\n")}}}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.ReadFile("acme/network", "main", testDir+"/a.yaml"); err != nil || got != "2\n" {
		t.Errorf("after the commit: %q, %v", got, err)
	}
}

func TestObserveRefusals(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(s *site)
		code   string
	}{
		"uninstalled": {func(s *site) { must(s.t, s.Uninstall(testInstall)) }, "not_found"},
		"suspended":   {func(s *site) { must(s.t, s.Suspend(testInstall, true)) }, "suspended"},
		"not selected": {func(s *site) {
			must(s.t, s.CreateRepository(githubtest.SeedRepo{Owner: "acme", Name: "other", Private: true}))
			must(s.t, s.SelectRepositories(testInstall, []string{"acme/other"}))
		}, "missing_permission"},
		"permission missing": {func(s *site) { must(s.t, s.SetPermissions("hnp-sync", map[string]string{"metadata": "read"})) }, "missing_permission"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, map[string]string{testDir + "/a.yaml": "1\n"}, "")
			c.change(s)
			r := s.open(Options{})
			_, err := r.Observe(t.Context())
			var denied *gitops.PermissionError
			if !errors.As(err, &denied) || denied.Code != c.code || denied.Message == "" {
				t.Errorf("got %v (%+v), want code %s", err, denied, c.code)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestHeadIsFreeWhileNothingMoves(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{testDir + "/a.yaml": "1\n"}, "")
	r := s.open(Options{ReadOnly: true})
	const route = "GET /repos/{owner}/{repo}/git/ref/{ref}"
	for i, want := range []bool{false, true, true} {
		s.requests(map[string]int{route: 1}, func() {
			oid, same, err := r.Head(t.Context())
			if err != nil || oid != s.head() || same != want {
				t.Errorf("read %d: %s %v %v", i, oid, same, err)
			}
		})
	}
	pushed := s.push(map[string]string{testDir + "/a.yaml": "2\n"})
	if oid, same, err := r.Head(t.Context()); err != nil || oid != pushed || same {
		t.Errorf("after a push: %s %v %v", oid, same, err)
	}
	must(t, s.Rename(testRepo, "acme/network"))
	if oid, _, err := r.Head(t.Context()); err != nil || oid != pushed {
		t.Errorf("after a rename: %s %v", oid, err)
	}
	s.requests(map[string]int{route: 1}, func() {
		if oid, _, err := r.Head(t.Context()); err != nil || oid != pushed {
			t.Errorf("after a rename, again: %s %v", oid, err)
		}
	})
	if _, err := s.app.Open(s.ref(), Options{Branch: "main"}); err == nil {
		t.Error("opened without a repository id") // the old name has no repository any more
	}
	must(t, s.MoveBranch("acme/network", "main", "alice", ""))
	if _, _, err := r.Head(t.Context()); !errors.Is(err, gitops.ErrBranchMissing) {
		t.Errorf("deleted branch: %v", err)
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{testDir + "/a.yaml": "1\n"}, "")
	base := s.head()
	next := s.push(map[string]string{testDir + "/a.yaml": "2\n"})
	must(t, s.MoveBranch(testRepo, "main", "alice", base))
	other := s.push(map[string]string{testDir + "/a.yaml": "3\n"})
	content := "1\n"
	if _, err := s.CommitFiles(testRepo, "orphan", "alice", "root", map[string]*string{"x": &content}); err != nil {
		t.Fatal(err)
	}
	orphan, err := s.Head(testRepo, "orphan")
	must(t, err)
	gone := strings.Repeat("ab", 20)
	const compare = "GET /repos/{owner}/{repo}/compare/{basehead}"
	cases := map[string]struct {
		base, head string
		want       gitops.Comparison
		requests   map[string]int
	}{
		"identical":   {base, base, gitops.Comparison{Relation: gitops.RelationIdentical, MergeBase: base}, map[string]int{}},
		"ahead":       {base, next, gitops.Comparison{Relation: gitops.RelationAhead, MergeBase: base}, map[string]int{compare: 1}},
		"behind":      {next, base, gitops.Comparison{Relation: gitops.RelationBehind, MergeBase: base}, map[string]int{compare: 1}},
		"diverged":    {next, other, gitops.Comparison{Relation: gitops.RelationDiverged, MergeBase: base}, map[string]int{compare: 1}},
		"unrelated":   {next, orphan, gitops.Comparison{Relation: gitops.RelationDiverged}, map[string]int{compare: 1}},
		"base pruned": {gone, next, gitops.Comparison{Relation: gitops.RelationDiverged}, map[string]int{compare: 1, oneQuery: 1}},
	}
	r := s.open(Options{})
	for name, c := range cases {
		s.requests(c.requests, func() {
			if got, err := r.Compare(t.Context(), c.base, c.head); err != nil || got != c.want {
				t.Errorf("%s: %+v %v, want %+v", name, got, err, c.want)
			}
		})
	}
	if _, err := r.Compare(t.Context(), "main", next); err == nil {
		t.Error("a branch name was accepted as a commit id")
	}
}

func TestReadConfig(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{"README.md": "x\n"}, "")
	read := func(branch string) ConfigFile {
		t.Helper()
		var c ConfigFile
		s.requests(map[string]int{oneQuery: 1}, func() {
			var err error
			if c, err = s.app.ReadConfig(t.Context(), s.ref(), branch); err != nil {
				t.Fatal(err)
			}
		})
		return c
	}
	if c := read(""); c.Path != "" || c.Data != nil || c.Head != s.head() || c.DefaultBranch != "main" || c.Branch != "main" {
		t.Errorf("without a file: %+v", c)
	}
	s.push(map[string]string{".github/hnp-sync.yml": "version: 1 # yml\n"})
	if c := read("main"); c.Path != ".github/hnp-sync.yml" || string(c.Data) != "version: 1 # yml\n" || c.Both {
		t.Errorf("yml: %+v", c)
	}
	s.push(map[string]string{".github/hnp-sync.yaml": "version: 1\n"})
	c := read("")
	if c.Path != ".github/hnp-sync.yaml" || string(c.Data) != "version: 1\n" || !c.Both || c.Archived {
		t.Errorf("both: %+v", c)
	}
	if snap := s.observe(s.open(Options{})); snap.ConfigBlob != c.BlobOID {
		t.Errorf("configuration blob %s, observed %s", c.BlobOID, snap.ConfigBlob)
	}
	if _, err := s.app.ReadConfig(t.Context(), s.ref(), "none"); !errors.Is(err, gitops.ErrBranchMissing) {
		t.Errorf("missing branch: %v", err)
	}
	s.push(map[string]string{".github/hnp-sync.yaml": strings.Repeat("#", MaxConfigBytes+1)})
	if _, err := s.app.ReadConfig(t.Context(), s.ref(), ""); !errors.Is(err, ErrConfigTooLarge) {
		t.Errorf("too large: %v", err)
	}
	s.push(map[string]string{".github/hnp-sync.yaml": "version: 1\n"})
	s.admin("PATCH", "/repos/acme/fabric", `{"archived":true}`)
	if c := read(""); !c.Archived || c.Path == "" {
		t.Errorf("archived: %+v", c)
	}
}
