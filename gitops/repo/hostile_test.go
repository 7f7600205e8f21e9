package repo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// graphQL is a request to the stub's GraphQL.
type graphQL struct {
	Query     string
	Variables map[string]any
}

// newGraphQL answers every GraphQL query with what answer says, everything else with rest.
func newGraphQL(t *testing.T, answer func(q graphQL) string, rest http.HandlerFunc) *stub {
	t.Helper()
	return newStub(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/graphql" {
			if rest == nil {
				w.WriteHeader(404)
				return
			}
			rest(w, r)
			return
		}
		var q graphQL
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			t.Error(err)
		}
		io.WriteString(w, answer(q))
	})
}

const treeOID = "2222222222222222222222222222222222222222"

// snapshotAnswer is a whole answer to an observation with the given entries.
func snapshotAnswer(entries string) string {
	return fmt.Sprintf(`{"data":{"repository":{"id":"R_1","databaseId":7,"nameWithOwner":"acme/fabric","ref":{"target":{
		"oid":%q,"tree":{"oid":%q},"dir":{"mode":16384,"type":"tree","oid":%q,"object":{"entries":[%s]}},"yaml":null,"yml":null,
		"history":{"nodes":[{"oid":%q,"message":"m","tree":{"oid":%q},"parents":{"nodes":[]},"author":{"name":"n","user":null},"dir":{"oid":%q}}]}}}}}}`,
		headOID, treeOID, treeOID, entries, headOID, treeOID, treeOID)
}

func blobEntry(name, content string) string {
	text, _ := json.Marshal(content)
	return fmt.Sprintf(`{"name":%q,"mode":33188,"type":"blob","oid":%q,"size":%d,"object":{"isBinary":false,"isTruncated":false,"text":%s}}`,
		name, blobOID([]byte(content), headOID), len(content), text)
}

func TestABlobThatIsNotWhatItsIDSays(t *testing.T) {
	t.Parallel()
	entry := strings.Replace(blobEntry("a.yaml", "real\n"), "real", "fake", 1)
	var raw atomic.Value
	raw.Store("real\n")
	s := newGraphQL(t, func(graphQL) string { return snapshotAnswer(entry) }, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") != mediaRaw || !strings.HasPrefix(r.URL.Path, "/repos/acme/fabric/git/blobs/") {
			t.Errorf("%s %s", r.URL.Path, r.Header.Get("Accept"))
		}
		io.WriteString(w, raw.Load().(string))
	})
	snap, err := s.open().Observe(t.Context())
	if err != nil || contentsOf(snap)["a.yaml"] != "real\n" {
		t.Errorf("%v %v", snap, err)
	}
	s.app.cache = NewMemoryCache(DefaultCacheBytes)
	raw.Store("fake\n")
	if snap, err := s.open().Observe(t.Context()); err == nil {
		t.Errorf("a false content was accepted: %v", contentsOf(snap))
	}
}

func TestAMissingFileIsReportedBesideItsNull(t *testing.T) {
	t.Parallel()
	// So does GitHub: Commit.file of a path that is not there is null and an error.
	answer := strings.Replace(snapshotAnswer(blobEntry("a.yaml", "1\n")), `{"data"`,
		`{"errors":[{"type":"NOT_FOUND","path":["repository","ref","target","yaml"],"message":"Could not resolve file for path '.github/hnp-sync.yaml'."},
		{"message":"Could not resolve file for path '.github/hnp-sync.yml'."}],"data"`, 1)
	s := newGraphQL(t, func(graphQL) string { return answer }, nil)
	snap, err := s.open().Observe(t.Context())
	if err != nil || len(snap.Entries) != 1 || len(s.requests()) != 1 {
		t.Errorf("%v %v", snap, err)
	}
}

func TestHostileObservationsAreRefused(t *testing.T) {
	t.Parallel()
	good := snapshotAnswer(blobEntry("a.yaml", "1\n"))
	change := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %s in the answer", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for name, answer := range map[string]string{
		"not JSON":                ` <html>`,
		"JSON and more":           good + `{}`,
		"null":                    `null`,
		"data null":               `{"data":null}`,
		"another repository":      change(`"databaseId":7`, `"databaseId":8`),
		"no head":                 change(`"oid":"`+headOID, `"oid":"main`),
		"history of another head": change(`"nodes":[{"oid":"1`, `"nodes":[{"oid":"3`),
		"empty history":           change(`"history":{"nodes":[`, `"history":{"nodes":[],"x":[`),
		"name with a slash":       change(`"name":"a.yaml"`, `"name":"../a.yaml"`),
		"parent name":             change(`"name":"a.yaml"`, `"name":".."`),
		"name with NUL":           change(`"name":"a.yaml"`, `"name":"a\u0000"`),
		"empty name":              change(`"name":"a.yaml"`, `"name":""`),
		"short id":                change(`"oid":"`+blobOID([]byte("1\n"), headOID), `"oid":"abc`),
		"id with a query":         change(`"oid":"`+blobOID([]byte("1\n"), headOID), `"oid":"`+strings.Repeat("a", 36)+`){}}`),
		"negative size":           change(`"size":2`, `"size":-2`),
		"size as text":            change(`"size":2`, `"size":"2"`),
		"validation error":        `{"errors":[{"message":"Field 'nope' doesn't exist on type 'Repository'"}]}`,
		"error beside data":       `{"errors":[{"type":"INTERNAL","message":"x"}],` + good[1:],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newGraphQL(t, func(graphQL) string { return answer }, nil)
			if snap, err := s.open().Observe(t.Context()); err == nil {
				t.Errorf("accepted: %+v", snap)
			}
		})
	}
	s := newGraphQL(t, func(graphQL) string { return good }, nil)
	if _, err := s.open().Observe(t.Context()); err != nil {
		t.Errorf("the unchanged answer: %v", err)
	}
}

func TestAnObservationThatIsTooMuchIsAskedInSmallerParts(t *testing.T) {
	t.Parallel()
	var modes []string
	limit := func(q graphQL) string {
		return `{"data":{"repository":null},"errors":[{"type":"RESOURCE_LIMITS_EXCEEDED","message":"Resource limits for this query exceeded."}]}`
	}
	s := newGraphQL(t, func(q graphQL) string {
		switch {
		case strings.Contains(q.Query, "text"):
			modes = append(modes, "contents")
			return limit(q)
		case strings.Contains(q.Query, "entries"):
			modes = append(modes, "entries")
			return limit(q)
		}
		modes = append(modes, "tree")
		return strings.Replace(snapshotAnswer(""), `,"object":{"entries":[]}`, "", 1)
	}, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.Path, "/git/trees/"):
			modes = append(modes, "recursive")
			fmt.Fprintf(w, `{"sha":%q,"truncated":false,"tree":[{"path":"a.yaml","mode":"100644","type":"blob","sha":%q,"size":500000}]}`, treeOID, blobOID(big, headOID))
		case strings.Contains(r.URL.Path, "/git/blobs/"):
			modes = append(modes, "blob")
			w.Write(big)
		}
	})
	for range 3 {
		snap, err := s.open().Observe(t.Context())
		if err != nil || len(snap.Entries) != 1 || len(snap.Entries[0].Data) != len(big) {
			t.Fatalf("%v", err)
		}
	}
	// The recursive tree is remembered only for large directories; two failures in a row end asking for contents.
	want := "[contents entries tree recursive blob contents entries tree entries tree]"
	if got := fmt.Sprint(modes); got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
}

var nowForFuzz = time.Unix(1772366400, 0)

var big = []byte(strings.Repeat("0123456789", 50_000))

func TestABatchThatIsTooMuchIsHalved(t *testing.T) {
	t.Parallel()
	var sizes []int
	s := newGraphQL(t, func(q graphQL) string {
		n := strings.Count(q.Query, "object(oid:")
		sizes = append(sizes, n)
		if n > 2 {
			return `{"errors":[{"message":"Something went wrong while executing your query. This may be the result of a timeout."}]}`
		}
		var parts []string
		for i, oid := range strings.Split(q.Query, `object(oid:"`)[1:] {
			for j := range 5 {
				if text := vpc(j); strings.HasPrefix(oid, blobOID([]byte(text), headOID)) {
					quoted, _ := json.Marshal(text)
					parts = append(parts, fmt.Sprintf(`"b%d":{"isBinary":false,"isTruncated":false,"text":%s}`, i, quoted))
				}
			}
		}
		return `{"data":{"repository":{` + strings.Join(parts, ",") + `}}}`
	}, nil)
	var files []entry
	for i := range 5 {
		files = append(files, entry{path: fmt.Sprint(i), mode: modeFile, oid: blobOID([]byte(vpc(i)), headOID), size: int64(len(vpc(i)))})
	}
	got, err := s.open().contents(t.Context(), files, nil)
	if err != nil || len(got) != 5 {
		t.Errorf("%d contents, %v", len(got), err)
	}
	if fmt.Sprint(sizes) != "[5 2 3 1 2]" {
		t.Errorf("asked for %v", sizes)
	}
}

func TestASoftTimeOutOfAReadIsRepeatedOnce(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	s := newGraphQL(t, func(graphQL) string {
		if n.Add(1)%2 == 1 {
			return `{"errors":[{"message":"Something went wrong while executing your query. Please include x when reporting this issue."}]}`
		}
		return `{"data":{"repository":{"databaseId":7,"a":{"oid":"x"},"b":null}}}`
	}, nil)
	if missing, err := s.open().anyMissing(t.Context(), headOID, treeOID); err != nil || !missing || n.Load() != 2 {
		t.Errorf("%v %v after %d", missing, err, n.Load())
	}
	if err := s.mutate(s.open()); !errors.Is(err, gitops.ErrOutcomeUnknown) || n.Load() != 3 {
		t.Errorf("%v after %d", err, n.Load())
	}
}

func TestOldFileModesBecomeTodays(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]string{"100664": "100644", "100600": "100644", "100775": "100755", "100644": "100644", "100755": "100755", "120000": "120000", "160000": "160000", "1006": "1006"} {
		if got := plainMode(mode); got != want {
			t.Errorf("%s: %s, want %s", mode, got, want)
		}
	}
}

func TestADirectoryGitHubCannotListIsAnError(t *testing.T) {
	t.Parallel()
	s := newStub(t, nil, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"truncated":true,"tree":[{"path":"a","mode":"100644","type":"blob","sha":%q,"size":1}]}`, headOID)
	})
	if files, err := s.open().recursiveTree(t.Context(), treeOID, ""); err == nil {
		t.Errorf("half a directory was accepted: %v", files)
	}
	if len(s.requests()) != 2 {
		t.Errorf("%v", s.requests())
	}
}

func TestAnAnswerThatIsNotOurCommit(t *testing.T) {
	t.Parallel()
	for name, commit := range map[string]string{
		"another parent": fmt.Sprintf(`{"oid":%q,"parents":{"nodes":[{"oid":%q}]}}`, treeOID, treeOID),
		"two parents":    fmt.Sprintf(`{"oid":%q,"parents":{"nodes":[{"oid":%q},{"oid":%q}]}}`, treeOID, headOID, treeOID),
		"no id":          fmt.Sprintf(`{"oid":"","parents":{"nodes":[{"oid":%q}]}}`, headOID),
		"null":           `null`,
	} {
		s := newGraphQL(t, func(graphQL) string { return `{"data":{"createCommitOnBranch":{"commit":` + commit + `}}}` }, nil)
		_, err := s.open().Commit(t.Context(), gitops.CommitRequest{ExpectedHead: headOID, Subject: "s", Files: []gitops.FileChange{change("a", "1")}})
		if !errors.Is(err, gitops.ErrOutcomeUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestACommitIsRefusedInManyWords(t *testing.T) {
	t.Parallel()
	head := `{"ref":"refs/heads/main","object":{"type":"commit","sha":"` + headOID + `"}}`
	moved := strings.Replace(head, headOID, treeOID, 1)
	cases := map[string]struct {
		errorEntry, head string
		code             string
		target           error
		requests         int
	}{
		"stale":                        {`{"type":"STALE_DATA","message":"Expected branch to point to \"1\" but it did not.  Pull and try again."}`, "", "", gitops.ErrStaleHead, 1},
		"protected":                    {`{"type":"BRANCH_PROTECTION_RULE_VIOLATION","message":"At least 1 approving review is required by reviewers with write access."}`, "", "protected_branch", nil, 1},
		"ruleset":                      {`{"type":"UNPROCESSABLE","message":"Repository rule violations found\n\nChanges must be made through a pull request.\n\n"}`, "", "protected_branch", nil, 1},
		"required check":               {`{"type":"UNPROCESSABLE","message":"Required status check \"ci\" is expected."}`, "", "protected_branch", nil, 1},
		"archived":                     {`{"type":"UNPROCESSABLE","message":"Repository was archived so is read-only"}`, "", "archived", nil, 1},
		"forbidden":                    {`{"type":"FORBIDDEN","message":"Resource not accessible by integration"}`, "", "missing_permission", nil, 1},
		"unknown words, head moved":    {`{"type":"UNPROCESSABLE","message":"A surprise."}`, moved, "", gitops.ErrStaleHead, 2},
		"unknown words, head in place": {`{"type":"UNPROCESSABLE","message":"A surprise."}`, head, "", nil, 2},
		"not found, but readable":      {`{"type":"NOT_FOUND","message":"Could not resolve to a Repository with the name 'acme/fabric'."}`, head, "missing_permission", nil, 2},
		"cannot be updated":            {`{"type":"UNPROCESSABLE","message":"Reference cannot be updated"}`, head, "protected_branch", nil, 2},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newGraphQL(t, func(graphQL) string { return `{"data":{"createCommitOnBranch":null},"errors":[` + c.errorEntry + `]}` },
				func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, c.head) })
			_, err := s.open().Commit(t.Context(), gitops.CommitRequest{ExpectedHead: headOID, Subject: "s", Files: []gitops.FileChange{change("a", "1")}})
			var denied *gitops.PermissionError
			code := ""
			if errors.As(err, &denied) {
				code = denied.Code
			}
			if err == nil || code != c.code || errors.Is(err, gitops.ErrOutcomeUnknown) || (c.target != nil) != errors.Is(err, gitops.ErrStaleHead) {
				t.Errorf("%v, code %q", err, code)
			}
			if n := len(s.requests()); n != c.requests {
				t.Errorf("%d requests, want %d", n, c.requests)
			}
		})
	}
}

func TestMemoryCacheForgetsTheLeastUsed(t *testing.T) {
	t.Parallel()
	c := NewMemoryCache(10 * (entryOverhead + 100))
	for i := range 10 {
		c.Put(fmt.Sprint(i), make([]byte, 100))
	}
	c.Get("0")
	c.Put("10", make([]byte, 100))
	if _, found := c.Get("0"); !found {
		t.Error("the most recently used was forgotten")
	}
	if _, found := c.Get("1"); found {
		t.Error("the least recently used is still there")
	}
	c.Put("huge", make([]byte, 4000))
	if _, found := c.Get("huge"); found {
		t.Error("a blob larger than its share was kept")
	}
	c.Put("empty", nil)
	if data, found := c.Get("empty"); !found || len(data) != 0 {
		t.Errorf("empty: %v %v", data, found)
	}
	if c.used > c.max {
		t.Errorf("%d of %d bytes used", c.used, c.max)
	}
}

func FuzzObservation(f *testing.F) {
	f.Add([]byte(snapshotAnswer(blobEntry("a.yaml", "1\n"))))
	f.Add([]byte(snapshotAnswer(`{"name":"d","mode":16384,"type":"tree","oid":"` + treeOID + `","size":0,"object":{"entries":[` + blobEntry("b", "") + `]}}`)))
	f.Add([]byte(`{"data":{"repository":{"ref":{"target":null}}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var envelope struct {
			Data struct {
				Repository *repositoryNode `json:"repository"`
			} `json:"data"`
		}
		if json.Unmarshal(body, &envelope) != nil || envelope.Data.Repository == nil {
			return
		}
		n := envelope.Data.Repository
		if n.Ref == nil || n.Ref.Target == nil {
			return
		}
		c := n.Ref.Target
		r := &Repository{opts: Options{Directory: "d"}, memory: &dirMemory{roots: map[string]string{}}}
		if c.Dir != nil && c.Dir.Object != nil && c.Dir.Object.Entries != nil {
			var files []entry
			var closed []subtree
			if flatten("", *c.Dir.Object.Entries, queryDepth, &files, &closed) == nil {
				for _, e := range files {
					if !treePath(e.path) || !isOID(e.oid) || len(e.mode) < 6 || e.size < 0 {
						t.Errorf("accepted %+v", e)
					}
				}
			}
		}
		if c.History != nil && len(c.History.Nodes) > 0 {
			if commits, err := r.history(c.History.Nodes, true); err == nil && len(commits) != len(c.History.Nodes) {
				t.Errorf("%d commits of %d", len(commits), len(c.History.Nodes))
			}
		}
	})
}

func FuzzTree(f *testing.F) {
	f.Add([]byte(`{"truncated":false,"tree":[{"path":"a/b","mode":"100644","type":"blob","sha":"` + headOID + `","size":1},{"path":"a","mode":"040000","type":"tree","sha":"` + treeOID + `"}]}`))
	f.Add([]byte(`{"tree":[{"path":"../x","mode":"100644","type":"blob","sha":"` + headOID + `","size":1}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		files, dirs, _, err := decodeTree("read tree", "p/", body)
		if err != nil {
			return
		}
		for _, e := range files {
			rest, inside := strings.CutPrefix(e.path, "p/")
			if !inside || !treePath(rest) || !isOID(e.oid) || len(e.mode) != 6 || e.size < 0 {
				t.Errorf("accepted %+v", e)
			}
		}
		for _, d := range dirs {
			if !treePath(d.path) || !isOID(d.oid) {
				t.Errorf("accepted %+v", d)
			}
		}
	})
}

func FuzzErrorBody(f *testing.F) {
	f.Add(422, []byte(`{"message":"x","errors":["y",{"message":"z"},{"field":"f","code":"c"},7,null]}`), "30", "0", "1772366400")
	f.Add(403, []byte(`<html>`), "soon", "", "")
	f.Fuzz(func(t *testing.T, status int, body []byte, after, remaining, reset string) {
		h := http.Header{"Retry-After": {after}, "X-Ratelimit-Remaining": {remaining}, "X-Ratelimit-Reset": {reset}}
		e := newAPIError("op", status, h, body)
		if len(e.Error()) > 2000 || strings.Contains(e.Error(), "\n") {
			t.Errorf("%q", e.Error())
		}
		refusal("subject", e)
		limited, _, wait := rateLimited(&http.Response{StatusCode: status, Header: h}, body, nowForFuzz)
		if limited && status != 403 && status != 429 || wait < 0 || wait > maxPark {
			t.Errorf("status %d, wait %s", status, wait)
		}
	})
}
