package contract

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// witness is a test that collects what is reported to it.
type witness struct {
	testing.TB
	errors []string
}

func (w *witness) Helper() {}
func (w *witness) Errorf(format string, args ...any) {
	w.errors = append(w.errors, fmt.Sprintf(format, args...))
}

const ref = `{"ref":"refs/heads/a/b","node_id":"x","url":"http://x/y","object":{"type":"commit","sha":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","url":"http://x/y"}}`

func TestWrapSeesViolations(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, path, request string
		status                int
		contentType, answer   string
		want                  string // "" is clean
	}{
		"good":                          {"GET", "/api/v3/repos/o/r/git/ref/heads/a/b", "", 200, "", ref, ""},
		"by id":                         {"GET", "/repositories/1/git/ref/heads/a/b", "", 200, "", ref, ""},
		"missing member":                {"GET", "/repos/o/r/git/ref/heads/a", "", 200, "", strings.Replace(ref, "node_id", "nodeid", 1), "node_id"},
		"wrong type":                    {"GET", "/repos/o/r/git/ref/heads/a", "", 200, "", strings.Replace(ref, `"commit"`, `7`, 1), "/object/type"},
		"undocumented status":           {"GET", "/repos/o/r/git/ref/heads/a", "", 202, "", ref, "202"},
		"unknown operation":             {"GET", "/repos/o/r/nope", "", 200, "", "{}", "no such operation"},
		"wrong method":                  {"PUT", "/repos/o/r/git/ref/heads/a", "", 200, "", "{}", "no such operation"},
		"request without a member":      {"POST", "/repos/o/r/git/refs", `{"ref":"refs/heads/x"}`, 201, "", ref, "sha"},
		"refusal of a bad request":      {"POST", "/repos/o/r/git/refs", `{"ref":"refs/heads/x"}`, 422, "", `{"message":"m","documentation_url":"http://d"}`, ""},
		"refusal without message":       {"POST", "/repos/o/r/git/refs", `{}`, 422, "", `{}`, "message"},
		"limit":                         {"GET", "/repos/o/r/git/ref/heads/a", "", 429, "", `{"message":"m","documentation_url":"http://d"}`, ""},
		"fault":                         {"GET", "/repos/o/r/git/ref/heads/a", "", 502, "text/html", "<html>", ""},
		"mint with a null body":         {"POST", "/app/installations/1/access_tokens", "null", 201, "", `{"token":"t","expires_at":"2026-01-01T00:00:00Z"}`, ""},
		"empty answer":                  {"GET", "/repos/o/r/git/ref/heads/a", "", 200, "", "", "empty"},
		"not modified":                  {"GET", "/repos/o/r/git/ref/heads/a", "", 304, "", "", ""},
		"own routes":                    {"GET", "/_stats", "", 200, "", "anything", ""},
		"git":                           {"GET", "/o/r.git/info/refs", "", 200, "text/plain", "anything", ""},
		"graphql":                       {"POST", "/graphql", `{"query":"{viewer{login}}"}`, 200, "", `{"data":{"viewer":{"login":"x"}}}`, ""},
		"graphql unknown field":         {"POST", "/graphql", `{"query":"{viewer{nope}}"}`, 200, "", `{"data":{"viewer":{"nope":"x"}}}`, "nope"},
		"graphql missing argument":      {"POST", "/graphql", `{"query":"{repository(name:\"x\"){id}}"}`, 200, "", `{"data":{"repository":{"id":"x"}}}`, "owner"},
		"graphql field left out":        {"POST", "/graphql", `{"query":"{viewer{login id}}"}`, 200, "", `{"data":{"viewer":{"login":"x"}}}`, "data.viewer.id is missing"},
		"graphql wrong scalar":          {"POST", "/graphql", `{"query":"{rateLimit{cost}}"}`, 200, "", `{"data":{"rateLimit":{"cost":"1"}}}`, "is no Int"},
		"graphql null":                  {"POST", "/graphql", `{"query":"{viewer{login}}"}`, 200, "", `{"data":{"viewer":{"login":null}}}`, "is null"},
		"graphql null beside an error":  {"POST", "/graphql", `{"query":"{viewer{login}}"}`, 200, "", `{"data":{"viewer":null},"errors":[{"message":"m"}]}`, ""},
		"graphql bad variable":          {"POST", "/graphql", `{"query":"mutation($i:CreateRefInput!){createRef(input:$i){clientMutationId}}","variables":{"i":{"name":"x"}}}`, 200, "", `{"data":{"createRef":{"clientMutationId":null}}}`, "variables"},
		"graphql enum":                  {"POST", "/graphql", `{"query":"{repository(owner:\"o\",name:\"n\"){visibility}}"}`, 200, "", `{"data":{"repository":{"visibility":"public"}}}`, "is no RepositoryVisibility"},
		"graphql refused document":      {"POST", "/graphql", `{"query":"{"}`, 200, "", `{"errors":[{"message":"m"}]}`, ""},
		"graphql fragment on a blob":    {"POST", "/graphql", `{"query":"{repository(owner:\"o\",name:\"n\"){object(oid:\"1\"){... on Blob{text byteSize} ... on Tree{entries{name}}}}}"}`, 200, "", `{"data":{"repository":{"object":{"text":null,"byteSize":1.5}}}}`, "byteSize"},
		"graphql error without message": {"POST", "/graphql", `{"query":"{viewer{login}}"}`, 200, "", `{"data":null,"errors":[{}]}`, "without message"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &witness{TB: t}
			h := Wrap(w, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				rw.Header().Set("Content-Type", "application/json")
				if c.contentType != "" {
					rw.Header().Set("Content-Type", c.contentType)
				}
				rw.WriteHeader(c.status)
				rw.Write([]byte(c.answer))
			}))
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest(c.method, c.path, strings.NewReader(c.request)))
			if rec.Code != c.status || rec.Body.String() != c.answer {
				t.Errorf("the answer was changed: %d %s", rec.Code, rec.Body)
			}
			got := strings.Join(w.errors, "\n")
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("reported %q, want %q", got, c.want)
			}
		})
	}
}

func TestWebhooksSeesViolations(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ event, body, want string }{
		"good":           {"ping", `{"zen":"z","hook_id":1}`, ""},
		"missing member": {"push", `{"ref":"refs/heads/x"}`, "before"},
		"unknown event":  {"nope", `{}`, "no schema for nope"},
		"unknown action": {"installation", `{"action":"painted"}`, "no schema for installation-painted"},
		"no JSON":        {"push", `{`, "JSON"},
	} {
		w := &witness{TB: t}
		passed := ""
		rt := Webhooks(w, roundTripper(func(r *http.Request) (*http.Response, error) {
			var b bytes.Buffer
			b.ReadFrom(r.Body)
			passed = b.String()
			return &http.Response{StatusCode: 200}, nil
		}))
		req := httptest.NewRequest("POST", "http://x/", strings.NewReader(c.body))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-GitHub-Event", c.event)
		if _, err := rt.RoundTrip(req); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(w.errors, "\n")
		if passed != c.body || (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: reported %q, want %q", name, got, c.want)
		}
	}
}
