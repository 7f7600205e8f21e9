package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/gitops/githubtest"
)

const (
	oneCommit = "POST /graphql createCommitOnBranch"
	oneMove   = "POST /graphql updateRefs"
	makeTree  = "POST /repos/{owner}/{repo}/git/trees"
	makeBlob  = "POST /repos/{owner}/{repo}/git/blobs"
	makeKnot  = "POST /repos/{owner}/{repo}/git/commits"
	readHead  = "GET /repos/{owner}/{repo}/git/ref/{ref}"
)

func change(path, content string) gitops.FileChange {
	return gitops.FileChange{Path: path, Data: []byte(content), Mode: "100644"}
}

func TestCommitIsOneRequest(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{testDir + "/a.yaml": "1\n", testDir + "/b.yaml": "1\n"}, "")
	r := s.open(Options{})
	snap := s.observe(r)
	var made gitops.Commit
	s.requests(map[string]int{oneCommit: 1}, func() {
		var err error
		made, err = r.Commit(t.Context(), gitops.CommitRequest{
			ExpectedHead: snap.Head, Subject: "fabric-1: 2 resources from NetBox", Body: "a\n\nHNP-Operation: sync_x",
			Files: []gitops.FileChange{change("a.yaml", "2\n"), change("new/c.yaml", ""), {Path: "b.yaml", Delete: true}},
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	if made.OID != s.head() || made.Parents[0] != snap.Head || made.Message != "fabric-1: 2 resources from NetBox\n\na\n\nHNP-Operation: sync_x" || !made.TouchesDirectory {
		t.Errorf("%+v, head %s", made, s.head())
	}
	// What was written is known: the next observation of a large directory would not ask for it.
	if _, known := s.app.cache.Get(blobOID([]byte("2\n"), made.OID)); !known {
		t.Error("the content that was written is not cached")
	}
	after := s.observe(r)
	if got := fmt.Sprint(contentsOf(after)); got != fmt.Sprint(map[string]string{"a.yaml": "2\n", "new/c.yaml": ""}) {
		t.Errorf("contents %s", got)
	}
	if after.Commits[0].Message != made.Message || after.Commits[0].Tree != made.Tree || after.Commits[0].Author != made.Author {
		t.Errorf("observed %+v, answered %+v", after.Commits[0], made)
	}
	must(t, s.Fsck(testRepo))
}

func TestCommitKeepsAnExecutableWithGitData(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, gitFolder(t, map[string]string{testDir + "/a.yaml": "1\n", testDir + "/old.yaml": "1\n"}))
	r := s.open(Options{})
	snap := s.observe(r)
	var made gitops.Commit
	s.requests(map[string]int{makeTree: 1, makeKnot: 1, oneMove: 1}, func() {
		var err error
		made, err = r.Commit(t.Context(), gitops.CommitRequest{ExpectedHead: snap.Head, Subject: "s", Body: "b", Files: []gitops.FileChange{
			{Path: "run.sh", Data: []byte("#!/bin/sh\nexit 1\n"), Mode: "100755"},
			change("a.yaml", "2\n"), change("empty.yaml", ""), {Path: "old.yaml", Delete: true},
		}})
		if err != nil {
			t.Fatal(err)
		}
	})
	after := s.observe(r)
	if after.Head != made.OID || after.Commits[0].Message != "s\n\nb" || after.Commits[0].Tree != made.Tree {
		t.Errorf("observed %+v, answered %+v", after.Commits[0], made)
	}
	modes, contents := map[string]string{}, contentsOf(after)
	for _, e := range after.Entries {
		modes[e.Path] = e.Mode
	}
	if modes["run.sh"] != "100755" || contents["run.sh"] != "#!/bin/sh\nexit 1\n" {
		t.Errorf("run.sh has mode %s and content %q", modes["run.sh"], contents["run.sh"])
	}
	if modes["link.yaml"] != "120000" || modes["module"] != "160000" || modes["a.yaml"] != "100644" {
		t.Errorf("modes %v", modes)
	}
	if _, found := contents["empty.yaml"]; !found || modes["old.yaml"] != "" {
		t.Errorf("empty.yaml or old.yaml is wrong: %v", modes)
	}
	must(t, s.Fsck(testRepo))
}

func TestCommitOfALargeChangeUsesBlobsAndSeveralTrees(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{testDir + "/a.yaml": "1\n"}, "")
	big := bytes.Repeat([]byte("0123456789abcdef"), 200_000) // 3.2 MB
	binary := []byte{0xff, 0xfe, 0}
	files := []gitops.FileChange{{Path: "big.yaml", Data: big}, {Path: "bin", Data: binary}}
	for i := range 4 {
		files = append(files, change(fmt.Sprintf("m%d.yaml", i), strings.Repeat(vpc(i), 4000)))
	}
	r := s.open(Options{})
	base := s.head()
	s.requests(map[string]int{oneQuery: 1, makeBlob: 2, makeTree: 2, makeKnot: 1, oneMove: 1}, func() {
		if _, err := r.Commit(t.Context(), gitops.CommitRequest{ExpectedHead: base, Subject: "large", Files: files}); err != nil {
			t.Fatal(err)
		}
	})
	got := contentsOf(s.observe(r))
	for _, f := range files {
		if got[f.Path] != string(f.Data) {
			t.Errorf("%s has %d bytes, want %d", f.Path, len(got[f.Path]), len(f.Data))
		}
	}
	if got["a.yaml"] != "1\n" {
		t.Error("an untouched file changed")
	}
	must(t, s.Fsck(testRepo))
}

// both commits once with createCommitOnBranch and once with the Git data API.
func both(t *testing.T, run func(t *testing.T, s *site, files []gitops.FileChange)) {
	for name, mode := range map[string]string{"mutation": "100644", "git data": "100755"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, map[string]string{testDir + "/a.yaml": "1\n"}, "")
			run(t, s, []gitops.FileChange{{Path: "a.yaml", Data: []byte("2\n"), Mode: mode}})
		})
	}
}

func TestCommitOnAMovedHeadWritesNothing(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, s *site, files []gitops.FileChange) {
		r := s.open(Options{})
		snap := s.observe(r)
		pushed := s.push(map[string]string{"README.md": "elsewhere\n"})
		if _, err := r.Commit(t.Context(), gitops.CommitRequest{ExpectedHead: snap.Head, Subject: "s", Files: files}); !errors.Is(err, gitops.ErrStaleHead) || errors.Is(err, gitops.ErrOutcomeUnknown) {
			t.Errorf("ahead: %v", err)
		}
		if s.head() != pushed {
			t.Error("the branch moved")
		}
		// A head that was moved back to an ancestor is as stale: a fast-forward check alone would accept it.
		must(t, s.MoveBranch(testRepo, "main", "alice", snap.Head))
		if _, err := r.Commit(t.Context(), gitops.CommitRequest{ExpectedHead: pushed, Subject: "s", Files: files}); !errors.Is(err, gitops.ErrStaleHead) {
			t.Errorf("moved back: %v", err)
		}
		if s.head() != snap.Head {
			t.Error("the branch moved")
		}
	})
}

func TestCommitRaceHasOneWinner(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{testDir + "/a.yaml": "1\n"}, "")
	base := s.head()
	results := make(chan error)
	const racers = 8
	for i := range racers {
		go func() {
			r, err := s.app.Open(s.ref(), Options{Branch: "main", Directory: testDir})
			if err == nil {
				_, err = r.Commit(context.Background(), gitops.CommitRequest{ExpectedHead: base, Subject: "s", Files: []gitops.FileChange{change("a.yaml", fmt.Sprint(i))}})
			}
			results <- err
		}()
	}
	won := 0
	for range racers {
		switch err := <-results; {
		case err == nil:
			won++
		case !errors.Is(err, gitops.ErrStaleHead):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d winners", won)
	}
}

func TestCommitWithALostAnswerIsUnknown(t *testing.T) {
	t.Parallel()
	type fault struct {
		githubtest.Fault
		landed bool
	}
	for name, f := range map[string]fault{
		"error after the effect":  {githubtest.Fault{Action: "error_after", Status: 502, Body: "<html>bad gateway</html>"}, true},
		"reset after the effect":  {githubtest.Fault{Action: "reset_after"}, true},
		"error before the effect": {githubtest.Fault{Action: "error_before", Status: 500}, false},
		"nonsense with 200":       {githubtest.Fault{Action: "error_after", Status: 200, Body: `{"data":{"create`}, true},
		"time-out with 200": {githubtest.Fault{Action: "error_after", Status: 200,
			Body: `{"errors":[{"message":"Something went wrong while executing your query. This may be the result of a timeout, or it could be a GitHub bug."}]}`}, true},
		"data null": {githubtest.Fault{Action: "error_after", Status: 200, Body: `{"data":{"createCommitOnBranch":null,"updateRefs":null}}`}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, s *site, files []gitops.FileChange) {
				s.uncheck()
				r := s.open(Options{})
				snap := s.observe(r)
				f := f
				f.Route = oneCommit
				if files[0].Mode == "100755" {
					f.Route = oneMove
				}
				s.fault(f.Fault)
				s.ResetStats()
				_, err := r.Commit(t.Context(), gitops.CommitRequest{ExpectedHead: snap.Head, Subject: "s", Files: files})
				if !errors.Is(err, gitops.ErrOutcomeUnknown) || errors.Is(err, gitops.ErrStaleHead) {
					t.Errorf("%v", err)
				}
				if n := s.Stats().Routes[f.Route]; n != 1 {
					t.Errorf("sent %d times", n)
				}
				if landed := s.head() != snap.Head; landed != f.landed {
					t.Errorf("landed: %v, want %v", landed, f.landed)
				}
			})
		})
	}
}

func TestCommitThatNeverLeftIsNotUnknown(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{testDir + "/a.yaml": "1\n"}, "")
	head := s.head()
	s.fault(githubtest.Fault{Route: "POST /app/installations/{installation_id}/access_tokens", Action: "error_before", Status: 503, Times: -1})
	_, err := s.open(Options{}).Commit(t.Context(), gitops.CommitRequest{ExpectedHead: head, Subject: "s", Files: []gitops.FileChange{change("a.yaml", "2\n")}})
	if err == nil || errors.Is(err, gitops.ErrOutcomeUnknown) {
		t.Errorf("no token: %v", err)
	}
	// Objects that nobody sees may be lost without doubt about the branch.
	s.ClearFaults()
	s.fault(githubtest.Fault{Route: makeKnot, Action: "reset_after"})
	_, err = s.open(Options{}).Commit(t.Context(), gitops.CommitRequest{ExpectedHead: head, Subject: "s", Files: []gitops.FileChange{{Path: "a.yaml", Mode: "100755"}}})
	if err == nil || errors.Is(err, gitops.ErrOutcomeUnknown) || s.head() != head {
		t.Errorf("lost object: %v", err)
	}
	// A dead server: no connection, nothing sent.
	dead := s.newApp("http://127.0.0.1:1")
	r, err := dead.Open(s.ref(), Options{Branch: "main", Directory: testDir})
	must(t, err)
	_, err = r.Commit(t.Context(), gitops.CommitRequest{ExpectedHead: head, Subject: "s", Files: []gitops.FileChange{change("a.yaml", "2\n")}})
	if err == nil || errors.Is(err, gitops.ErrOutcomeUnknown) {
		t.Errorf("no connection: %v", err)
	}
}

func TestCommitRefusals(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		prepare func(s *site)
		code    string
		target  error
	}{
		"protected branch": {prepare: func(s *site) { must(s.t, s.Protect(testRepo, "main", true, false)) }, code: "protected_branch"},
		"ruleset":          {prepare: func(s *site) { must(s.t, s.Protect(testRepo, "main", true, true)) }, code: "protected_branch"},
		"archived":         {prepare: func(s *site) { s.admin("PATCH", "/repos/acme/fabric", `{"archived":true}`) }, code: "archived"},
		"read permission": {prepare: func(s *site) {
			must(s.t, s.SetPermissions("hnp-sync", map[string]string{"contents": "read", "metadata": "read"}))
		}, code: "missing_permission"},
		"branch deleted": {prepare: func(s *site) { must(s.t, s.MoveBranch(testRepo, "main", "alice", "")) }, target: gitops.ErrBranchMissing},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, s *site, files []gitops.FileChange) {
				head := s.head()
				c.prepare(s)
				_, err := s.open(Options{}).Commit(t.Context(), gitops.CommitRequest{ExpectedHead: head, Subject: "s", Files: files})
				var denied *gitops.PermissionError
				switch {
				case errors.Is(err, gitops.ErrOutcomeUnknown):
					t.Errorf("unknown: %v", err)
				case c.target != nil:
					if !errors.Is(err, c.target) {
						t.Errorf("%v", err)
					}
				case !errors.As(err, &denied) || denied.Code != c.code:
					t.Errorf("%v, want code %s", err, c.code)
				case !strings.Contains(denied.Message, ":"):
					t.Errorf("message %q does not say what to do", denied.Message)
				}
			})
		})
	}
}

func TestCommitAfterRename(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, s *site, files []gitops.FileChange) {
		r := s.open(Options{})
		snap := s.observe(r)
		must(t, s.Rename(testRepo, "acme/network"))
		if _, err := r.Commit(t.Context(), gitops.CommitRequest{ExpectedHead: snap.Head, Subject: "s", Files: files}); err != nil {
			t.Fatal(err)
		}
		if got, err := s.ReadFile("acme/network", "main", testDir+"/a.yaml"); err != nil || got != "2\n" {
			t.Errorf("%q %v", got, err)
		}
	})
}

func TestCommitRefusesBadRequests(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]string{testDir + "/a.yaml": "1\n"}, "")
	head := s.head()
	ok := []gitops.FileChange{change("a.yaml", "2\n")}
	cases := map[string]gitops.CommitRequest{
		"no head":             {Subject: "s", Files: ok},
		"branch as head":      {ExpectedHead: "main", Subject: "s", Files: ok},
		"no files":            {ExpectedHead: head, Subject: "s"},
		"no subject":          {ExpectedHead: head, Files: ok},
		"two lines":           {ExpectedHead: head, Subject: "a\nb", Files: ok},
		"parent path":         {ExpectedHead: head, Subject: "s", Files: []gitops.FileChange{change("../x", "")}},
		"absolute path":       {ExpectedHead: head, Subject: "s", Files: []gitops.FileChange{change("/x", "")}},
		"git folder":          {ExpectedHead: head, Subject: "s", Files: []gitops.FileChange{change("a/.GIT/config", "")}},
		"control character":   {ExpectedHead: head, Subject: "s", Files: []gitops.FileChange{change("a\nb", "")}},
		"empty part":          {ExpectedHead: head, Subject: "s", Files: []gitops.FileChange{change("a//b", "")}},
		"symbolic link":       {ExpectedHead: head, Subject: "s", Files: []gitops.FileChange{{Path: "l", Data: []byte("a"), Mode: "120000"}}},
		"submodule":           {ExpectedHead: head, Subject: "s", Files: []gitops.FileChange{{Path: "l", Mode: "160000"}}},
		"twice":               {ExpectedHead: head, Subject: "s", Files: append(ok, ok...)},
		"file and directory":  {ExpectedHead: head, Subject: "s", Files: []gitops.FileChange{change("x", "1"), change("x/y", "1")}},
		"over the size limit": {ExpectedHead: head, Subject: "s", Files: []gitops.FileChange{{Path: "x", Data: make([]byte, maxCommitBytes+1)}}},
	}
	r := s.open(Options{})
	s.requests(map[string]int{}, func() {
		for name, req := range cases {
			if _, err := r.Commit(t.Context(), req); err == nil {
				t.Errorf("%s was accepted", name)
			}
		}
		if _, err := s.open(Options{ReadOnly: true}).Commit(t.Context(), gitops.CommitRequest{ExpectedHead: head, Subject: "s", Files: ok}); err == nil {
			t.Error("a read-only repository committed")
		}
	})
	for _, dir := range []string{"../x", "/abs", "a/../../b", "a/.git", "a\x00b", "a\\b"} {
		if _, err := s.app.Open(s.ref(), Options{Branch: "main", Directory: dir}); err == nil {
			t.Errorf("directory %q was accepted", dir)
		}
	}
	for _, branch := range []string{"", "a..b", "-x", "a b", "a/", "refs/heads/x.lock", ".a", "a\x01", "a~1"} {
		if _, err := s.app.Open(s.ref(), Options{Branch: branch}); err == nil {
			t.Errorf("branch %q was accepted", branch)
		}
	}
}

func TestCommitReplacesAFileByADirectory(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, s *site, files []gitops.FileChange) {
		r := s.open(Options{})
		head := s.head()
		moved := []gitops.FileChange{{Path: "a.yaml", Delete: true}, {Path: "a.yaml/inner.yaml", Data: []byte("1\n"), Mode: files[0].Mode}}
		if _, err := r.Commit(t.Context(), gitops.CommitRequest{ExpectedHead: head, Subject: "s", Files: moved}); err != nil {
			t.Fatal(err)
		}
		if got := contentsOf(s.observe(r)); len(got) != 1 || got["a.yaml/inner.yaml"] != "1\n" {
			t.Errorf("contents %v", got)
		}
		must(t, s.Fsck(testRepo))
	})
}
