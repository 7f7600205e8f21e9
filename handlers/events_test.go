package handlers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

const (
	headSHA = "6dcb09b5b57875f334f61aebed695e2e4193db5e"
	about   = `"repository":{"id":12,"full_name":"acme/fabric"},"installation":{"id":3},"sender":{"id":7,"login":"alice"}`
)

// self is a world that knows who we are.
type self struct{ world }

func (self) OwnLogin() string { return "hnp-sync[bot]" }

func TestEventsOfPeople(t *testing.T) {
	t.Parallel()
	pull := func(action, more string) string {
		return fmt.Sprintf(`{"action":%q,"number":5,"pull_request":{"head":{"sha":%q},"base":{"ref":"main"}},%s%s}`, action, headSHA, about, more)
	}
	comment := func(action, text, more string) string {
		return fmt.Sprintf(`{"action":%q,"issue":{"number":5%s},"comment":{"id":99,"body":%q},%s}`, action, more, text, about)
	}
	evaluate := func(p PullRef) Decision {
		p.Repository, p.HeadSHA = 12, headSHA
		return Decision{Evaluate: []PullRef{p}}
	}
	bot := func(body string) string {
		return strings.Replace(body, `"login":"alice"`, `"login":"hnp-sync[bot]"`, 1)
	}
	run := func(action, more string) string {
		return fmt.Sprintf(`{"action":%q,"check_run":{"id":44,"head_sha":%q,"external_id":"j1","started_at":"2018-04-25 20:42:10","pull_requests":[{"number":5}]},%s%s}`, action, headSHA, about, more)
	}
	command := Decision{Command: &CommandRef{Repository: 12, Number: 5, PullRequest: true, CommentID: 99, Text: "/hnp status", Sender: "alice", SenderID: 7}}
	cases := map[string]struct {
		event, body string
		want        Decision
	}{
		"opened":                       {"pull_request", pull("opened", ""), evaluate(PullRef{Number: 5})},
		"synchronize":                  {"pull_request", pull("synchronize", ""), evaluate(PullRef{Number: 5})},
		"another base":                 {"pull_request", pull("edited", `,"changes":{"base":{"ref":{"from":"dev"}}}`), evaluate(PullRef{Number: 5})},
		"another title":                {"pull_request", pull("edited", `,"changes":{"title":{"from":"x"}}`), Decision{}},
		"labeled":                      {"pull_request", pull("labeled", ""), Decision{}},
		"closed":                       {"pull_request", pull("closed", ""), evaluate(PullRef{Number: 5, Closed: true})},
		"ready for review":             {"pull_request", pull("ready_for_review", ""), evaluate(PullRef{Number: 5})},
		"a merge queue":                {"merge_group", fmt.Sprintf(`{"action":"checks_requested","merge_group":{"head_sha":%q,"base_ref":"refs/heads/main"},%s}`, headSHA, about), evaluate(PullRef{})},
		"a merge queue gave up":        {"merge_group", fmt.Sprintf(`{"action":"destroyed","merge_group":{"head_sha":%q,"base_ref":"refs/heads/main"},%s}`, headSHA, about), Decision{}},
		"a suite comes with each push": {"check_suite", fmt.Sprintf(`{"action":"requested","check_suite":{"head_sha":%q,"pull_requests":[]},%s}`, headSHA, about), Decision{}},
		"a suite again":                {"check_suite", fmt.Sprintf(`{"action":"rerequested","check_suite":{"head_sha":%q,"pull_requests":[{"number":5}]},%s}`, headSHA, about), evaluate(PullRef{Number: 5})},
		"a run again, an odd time":     {"check_run", run("rerequested", ""), evaluate(PullRef{Number: 5})},
		"our own run":                  {"check_run", bot(run("rerequested", "")), Decision{}},
		"a run was made":               {"check_run", run("created", ""), Decision{}},
		"a button": {"check_run", run("requested_action", `,"requested_action":{"identifier":"keep_git"}`), Decision{Click: &ClickRef{Repository: 12, CheckRunID: 44,
			ExternalID: "j1", HeadSHA: headSHA, Identifier: "keep_git", Sender: "alice", SenderID: 7}}},
		"a command":              {"issue_comment", comment("created", "/hnp status", `,"pull_request":{"url":"x"}`), command},
		"an edited comment":      {"issue_comment", comment("edited", "/hnp status", `,"pull_request":{"url":"x"}`), Decision{}},
		"other words":            {"issue_comment", comment("created", "looks good", ""), Decision{}},
		"our own comment":        {"issue_comment", bot(comment("created", "/hnp status", "")), Decision{}},
		"a repository was moved": {"repository", `{"action":"transferred",` + about + `}`, Decision{Installations: true}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inbox := newMemoryInbox()
			w := httptest.NewRecorder()
			r := githubRequest(c.body)
			r.Header.Set("X-GitHub-Event", c.event)
			newTestGitHub(t, inbox).ServeHTTP(w, r)
			if w.Code != http.StatusAccepted || len(inbox.all()) != 1 {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			d := inbox.all()[0]
			got := Decide(d, self{})
			got.Reason = ""
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if c.want.Command == nil && d.Activity.Text != "" && d.Action != "created" {
				t.Errorf("kept the text of a comment that is not acted on: %q", d.Activity.Text)
			}
		})
	}
}

func TestEventsThatDoNotFit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string][2]string{
		"a push as a pull request":   {"pull_request", `{"ref":"refs/heads/main","after":"` + headSHA + `",` + about + `}`},
		"a head that is no id":       {"pull_request", `{"action":"opened","number":5,"pull_request":{"head":{"sha":"main"},"base":{"ref":"main"}},` + about + `}`},
		"number is text":             {"pull_request", `{"action":"opened","number":"5","pull_request":{},` + about + `}`},
		"no repository":              {"pull_request", `{"action":"opened","number":5,"pull_request":{"head":{"sha":"` + headSHA + `"},"base":{"ref":"main"}}}`},
		"a button without a name":    {"check_run", `{"action":"requested_action","check_run":{"id":1,"head_sha":"` + headSHA + `"},` + about + `}`},
		"a comment without an issue": {"issue_comment", `{"action":"created","comment":{"id":1,"body":"/hnp"},` + about + `}`},
		"a list":                     {"check_suite", `[]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inbox := newMemoryInbox()
			w := httptest.NewRecorder()
			r := githubRequest(c[1])
			r.Header.Set("X-GitHub-Event", c[0])
			newTestGitHub(t, inbox).ServeHTTP(w, r)
			if w.Code != http.StatusBadRequest || len(inbox.all()) != 0 {
				t.Errorf("status %d, %d stored: %s", w.Code, len(inbox.all()), w.Body)
			}
		})
	}
}

func FuzzEvents(f *testing.F) {
	f.Add("pull_request", `{"action":"opened","number":5,"pull_request":{"head":{"sha":"`+headSHA+`"},"base":{"ref":"main"}},`+about+`}`)
	f.Add("issue_comment", `{"action":"created","issue":{"number":5},"comment":{"id":9,"body":"/hnp status"},`+about+`}`)
	f.Add("check_run", `{"action":"requested_action","requested_action":{"identifier":"x"},"check_run":{"id":1,"head_sha":"`+headSHA+`"},`+about+`}`)
	f.Add("merge_group", `{"action":"checks_requested","merge_group":{"head_sha":"`+headSHA+`","base_ref":"refs/heads/main"},`+about+`}`)
	f.Fuzz(func(t *testing.T, name, body string) {
		e, ok := eventNamed(name)
		if !ok {
			return
		}
		d := Delivery{Source: SourceGitHub, Event: name}
		if e.fit([]byte(body), &d) != nil || e.decide == nil {
			return
		}
		if e.name != "installation" && e.name != "installation_repositories" && d.RepositoryID <= 0 {
			t.Fatalf("%s without a repository: %s", name, body)
		}
		e.decide(d, self{})
	})
}
