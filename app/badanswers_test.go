package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/hnp-sync/hnp-sync/app/api"
	"github.com/hnp-sync/hnp-sync/gitops/githubtest"
	"github.com/hnp-sync/hnp-sync/netbox/netboxtest"
)

const (
	errorPage = "<!DOCTYPE html><html><head><title>Bad Gateway</title></head><body>nginx</body></html>"
	namespace = directory + "/namespaces.yaml"
)

// namespaceYAML is a resource of another kind than the VPC: it goes on while VPCs are in trouble.
func namespaceYAML(octet int) string {
	return fmt.Sprintf("apiVersion: vpc.githedgehog.com/v1beta1\nkind: IPv4Namespace\nmetadata:\n  name: other\nspec:\n  subnets:\n    - 10.%d.0.0/16\n", octet)
}

// Each service answers each kind of request badly, one way after the other. The columns run at the same time, whatever
// -parallel says: they wait far more than they work.
func TestServicesAnswerBadly(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for name, column := range map[string]func(t *testing.T){
		"NetBox lists": netboxAnswersListsBadly, "NetBox writes": netboxAnswersWritesBadly,
		"GitHub reads": githubAnswersReadsBadly, "GitHub commits": githubAnswersCommitsBadly, "GitHub tokens": githubAnswersTokensBadly,
	} {
		all.Go(func() { t.Run(name, column) })
	}
	all.Wait()
}

// badAnswer is one way in which a service answers wrongly, for as long as the fault lasts.
type badAnswer struct {
	action  string // error_before when empty
	status  int
	body    string
	headers map[string]string
	state   string // what the status says meanwhile
	says    string // part of its message, of what waits or of what is frozen; empty: nothing is said before it ends
	whole   bool   // nothing of the fabric goes on meanwhile
}

// said is everything that a person reads about a fabric.
func said(f api.Fabric) string {
	b := strings.Builder{}
	fmt.Fprintln(&b, f.Message)
	for _, w := range f.Waiting {
		fmt.Fprintln(&b, w.Action, w.Reason)
	}
	for _, fr := range f.Frozen {
		fmt.Fprintln(&b, fr.Code, fr.Message)
	}
	return b.String()
}

func jsonAnswer(detail string) string { return fmt.Sprintf(`{"detail":%q}`, detail) }

var (
	pageHeaders = map[string]string{"Content-Type": "text/html"}
	oneSecond   = map[string]string{"Retry-After": "1"}
	elsewhere   = map[string]string{"Location": "http://evil.example/login"}
)

// foreignVPC is a NetBox answer with the objects of another fabric.
func (s *site) foreignVPC(list bool) string {
	s.t.Helper()
	vpc, _ := s.netbox.ByName("VPC", "default", "test-vpc")
	var row map[string]any
	s.netboxDo(http.MethodGet, fmt.Sprintf("/api/plugins/hedgehog/vpcs/%d/?omit=display_url", vpc.ID), nil, &row)
	b, err := json.Marshal(row["fabric"])
	if err != nil {
		s.t.Fatal(err)
	}
	if strings.HasPrefix(string(b), "{") {
		row["fabric"].(map[string]any)["id"] = 77
	} else {
		row["fabric"] = 77
	}
	var answer any = row
	if list {
		answer = map[string]any{"count": 1, "next": nil, "previous": nil, "results": []any{row}}
	}
	if b, err = json.Marshal(answer); err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// inTrouble runs one fault after the other on one App. Meanwhile the fabric says what is wrong, other kinds go on, and
// neither service is hammered. After it, a person's sync brings both sides in step, with the edit that met the fault.
func inTrouble(t *testing.T, s *site, r *running, answers map[string]badAnswer, edit func(vlan int), strike func(a badAnswer) error, end func()) {
	t.Helper()
	for i, name := range sortedNames(answers) {
		a := answers[name]
		t.Run(name, func(t *testing.T) {
			whole := s.t
			s.t = t
			defer func() { s.t = whole }()
			r.quiet()
			vlan := 1100 + i
			if a.action == "" {
				a.action = "error_before"
			}
			if err := strike(a); err != nil {
				t.Fatal(err)
			}
			s.github.ResetStats()
			s.netbox.ResetStats()
			edit(vlan)
			if a.says != "" {
				var f api.Fabric
				defer func() {
					if t.Failed() {
						t.Logf("last: %s: %s", f.State, said(f))
					}
				}()
				s.eventually("it is said: "+a.says, func() bool {
					f = r.status().Fabrics[0]
					return f.State == a.state && strings.Contains(said(f), a.says)
				})
			} else {
				s.eventually("the fault struck", func() bool { return s.requests() > 1 })
			}
			if !a.whole {
				s.eventually("another kind goes on", func() bool { return s.namespaceAt(vlan) })
			}
			end()
			// One cycle, what its outcome was, and one more try: not a request per millisecond.
			if n := s.requests(); n > 16 {
				t.Errorf("%d requests while it lasted: %v %v", n, s.github.Stats().Routes, s.netbox.Stats().Routes)
			}
			if code := r.api(http.MethodPost, "/api/plugins/hedgehog/fabrics/1/sync/", nil, nil); code != 202 {
				t.Fatalf("sync: %d", code)
			}
			s.eventually("both sides hold the edit", func() bool {
				return s.netboxVLAN() == vlan && strings.Contains(s.gitText(), fmt.Sprintf("vlan: %d\n", vlan))
			})
			s.eventually("equal again", func() bool {
				f := r.status().Fabrics[0]
				return f.State == "equal" && f.Message == "" && len(f.Waiting) == 0 && f.OpenConflicts == 0
			})
			if len(s.netbox.Objects("VPC")) != 1 || len(s.netbox.Objects("IPv4Namespace")) != 1 {
				t.Errorf("objects were made or lost: %v", s.netbox.Objects("VPC"))
			}
		})
	}
}

func (s *site) namespaceAt(octet int) bool {
	o, ok := s.netbox.ByName("IPv4Namespace", "default", "other")
	b, err := json.Marshal(o.Spec)
	return ok && err == nil && strings.Contains(string(b), fmt.Sprintf("10.%d.0.0", octet%200))
}

func twoKinds(t *testing.T) (*site, *running) {
	t.Helper()
	files := seedFiles(1001)
	files[namespace] = namespaceYAML(1)
	s := newSite(t, files)
	r := s.start()
	s.eventually("NetBox has both", func() bool { return s.netboxVLAN() == 1001 && s.namespaceAt(1) })
	s.eventually("in step", func() bool { return r.quiet().Fabrics[0].State == "equal" })
	return s, r
}

func netboxTrouble(t *testing.T, route string, answers func(s *site) map[string]badAnswer) {
	s, r := twoKinds(t)
	inTrouble(t, s, r, answers(s), func(vlan int) {
		s.gitPush("Move the VLAN", map[string]string{vpcFile: fmt.Sprintf(vpcYAML, vlan), namespace: namespaceYAML(vlan % 200)})
	}, func(a badAnswer) error {
		_, err := s.netbox.AddFault(netboxtest.Fault{Route: route, User: "hnp-sync", Times: -1, Action: a.action, Status: a.status, Body: a.body, Headers: a.headers})
		return err
	}, func() {
		for _, f := range s.netbox.Faults() {
			s.netbox.ClearFaults(f.ID)
		}
	})
}

func netboxAnswersListsBadly(t *testing.T) {
	netboxTrouble(t, "GET /api/plugins/hedgehog/vpcs/", func(s *site) map[string]badAnswer {
		return map[string]badAnswer{
			"401":                      {status: 401, body: jsonAnswer("Invalid v2 token"), state: "pending", says: "VPC is not compared: list VPC: netbox default: GET /api/plugins/hedgehog/vpcs/: status 401: Invalid v2 token"},
			"403":                      {status: 403, body: jsonAnswer("You do not have permission to perform this action."), state: "error", says: "grant the token's user view, add, change and delete on netbox_hedgehog.vpc"},
			"404":                      {status: 404, body: jsonAnswer("Not found."), state: "error", says: "VPC is not compared: NetBox refuses to list it: Not found."},
			"409":                      {status: 409, body: jsonAnswer("conflict"), state: "pending", says: "status 409: conflict"},
			"412":                      {status: 412, body: jsonAnswer("Precondition failed."), state: "pending", says: "status 412"},
			"422":                      {status: 422, body: jsonAnswer("Unprocessable"), state: "pending", says: "status 422: Unprocessable"},
			"429":                      {status: 429, body: jsonAnswer("Request was throttled."), headers: oneSecond, whole: true},
			"500":                      {status: 500, body: `{"error":"boom","exception":"ValueError"}`, state: "pending", says: "status 500: ValueError: boom"},
			"502, a page":              {status: 502, body: errorPage, headers: pageHeaders, state: "pending", says: "answered with an HTML page, status 502: Bad Gateway"},
			"200, a page":              {status: 200, body: errorPage, headers: pageHeaders, state: "pending", says: "answered with an HTML page, status 200: Bad Gateway"},
			"redirect":                 {status: 302, headers: elsewhere, state: "error", says: "refused redirect to http://evil.example", whole: true},
			"half an answer":           {status: 200, body: `{"count":1,"next":null,"previous":null,"results":[{"id":1,"na`, state: "pending", says: "VPC is not compared"},
			"half a page":              {status: 200, body: `{"count":2,"next":null,"previous":null,"results":[` + rowOf(s) + `]}`, state: "pending", says: "VPC is not compared"},
			"no list":                  {status: 200, body: `{"count":0}`, state: "pending", says: "VPC is not compared"},
			"another fabric's objects": {status: 200, body: s.foreignVPC(true), state: "guard", says: "the NetBox object belongs to another fabric now (id 77)"},
			"nothing":                  {status: 200, body: `{"count":0,"next":null,"previous":null,"results":[]}`, state: "guard", says: "no longer listed by NetBox"},
			"connection lost":          {action: "drop", state: "error", says: "netbox default: GET /api/plugins/hedgehog/vpcs/", whole: true},
		}
	})
}

func rowOf(s *site) string {
	s.t.Helper()
	vpc, _ := s.netbox.ByName("VPC", "default", "test-vpc")
	var row json.RawMessage
	s.netboxDo(http.MethodGet, fmt.Sprintf("/api/plugins/hedgehog/vpcs/%d/?omit=display_url", vpc.ID), nil, &row)
	return string(row)
}

func netboxAnswersWritesBadly(t *testing.T) {
	netboxTrouble(t, "PATCH /api/plugins/hedgehog/vpcs/{id}/", func(s *site) map[string]badAnswer {
		unknown := "vpc/test-vpc: nothing tells yet whether NetBox carried a write out; it is looked at again"
		refused := func(status int, body, says string) badAnswer {
			return badAnswer{status: status, body: body, state: "conflict", says: "NetBox refused the write: " + says}
		}
		return map[string]badAnswer{
			"400":                       refused(400, `{"spec":["This field is wrong."]}`, "spec: This field is wrong."),
			"401":                       {status: 401, body: jsonAnswer("Invalid v2 token"), state: "pending", says: "vpc/test-vpc is not written yet: write VPC: netbox default: PATCH /api/plugins/hedgehog/vpcs/1/: status 401: Invalid v2 token"},
			"403":                       refused(403, jsonAnswer("You do not have permission to perform this action."), "You do not have permission to perform this action. (the token needs write access and the permission netbox_hedgehog.change_vpc"),
			"404":                       {status: 404, body: jsonAnswer("Not found."), state: "pending", says: "vpc/test-vpc moved in NetBox while it was being written"},
			"409":                       refused(409, jsonAnswer("conflict"), "conflict"),
			"412":                       {status: 412, body: jsonAnswer("Precondition failed."), state: "pending", says: "vpc/test-vpc moved in NetBox while it was being written"},
			"413":                       refused(413, errorPage, ""),
			"422":                       refused(422, jsonAnswer("Unprocessable"), "Unprocessable"),
			"429":                       {status: 429, body: jsonAnswer("Request was throttled."), headers: oneSecond, state: "pending", says: "status 429: Request was throttled."},
			"500":                       {status: 500, body: `{"error":"boom","exception":"ValueError"}`, state: "pending", says: unknown},
			"500, but saved":            {action: "error_after", status: 500, body: `{"error":"boom","exception":"ValueError"}`},
			"502, a page":               {status: 502, body: errorPage, headers: pageHeaders, state: "pending", says: unknown},
			"200, a page":               {status: 200, body: errorPage, headers: pageHeaders, state: "pending", says: unknown},
			"half an answer":            {status: 200, body: `{"id":1,"na`, state: "pending", says: unknown},
			"half an answer, but saved": {action: "error_after", status: 200, body: `{"id":1,"na`},
			"another fabric's object":   {status: 200, body: s.foreignVPC(false), state: "pending", says: unknown},
			"redirect":                  {status: 302, headers: elsewhere, state: "conflict", says: "NetBox refused the write: redirect to http://evil.example/login: set the connection's url to NetBox's own address"},
			"connection lost":           {action: "drop", state: "pending", says: unknown},
			"answer lost, but saved":    {action: "reset_after"},
		}
	})
}

// githubTrouble is inTrouble with GitHub; edit is on the side that meets the fault.
func githubTrouble(t *testing.T, route string, answers map[string]badAnswer, edit func(s *site, vlan int)) {
	s, r := inStep(t)
	for n, a := range answers {
		a.whole = true
		answers[n] = a
	}
	s.gitPush("Another kind", map[string]string{namespace: namespaceYAML(1)})
	s.eventually("NetBox has it", func() bool { return s.namespaceAt(1) })
	inTrouble(t, s, r, answers, func(vlan int) { edit(s, vlan) }, func(a badAnswer) error {
		_, err := s.github.AddFault(githubtest.Fault{Route: route, User: "*", Times: -1, Action: a.action, Status: a.status, Body: a.body, Headers: a.headers})
		return err
	}, s.github.ClearFaults)
}

func message(text string) string { return fmt.Sprintf(`{"message":%q}`, text) }

func githubAnswersReadsBadly(t *testing.T) {
	githubTrouble(t, "POST /graphql repository", map[string]badAnswer{
		"401":             {status: 401, body: message("Bad credentials"), state: "error", says: "GitHub does not accept the App's credentials (401): check app_id, the private key and the server's clock"},
		"403":             {status: 403, body: message("Resource not accessible by integration"), state: "error", says: "acme/fabrics: GitHub refuses the App (Resource not accessible by integration): accept the App's requested permissions"},
		"404":             {status: 404, body: message("Not Found"), state: "error", says: "acme/fabrics does not exist or the App is not installed on it"},
		"409":             {status: 409, body: message("Git Repository is empty."), state: "error", says: "observe: 409: Git Repository is empty."},
		"429":             {status: 429, body: message("You have exceeded a secondary rate limit"), headers: oneSecond, state: "pending", says: "GitHub takes no more requests until"},
		"500":             {status: 500, body: message("Server Error")},
		"502, a page":     {status: 502, body: errorPage, headers: pageHeaders},
		"200, a page":     {status: 200, body: errorPage, headers: pageHeaders, state: "error", says: "answer is not the expected JSON"},
		"no repository":   {status: 200, body: `{"data":{"repository":null}}`, state: "error", says: "acme/fabrics does not exist or the App is not installed on it"},
		"redirect":        {status: 302, headers: elsewhere, state: "error", says: `refused to follow to host "evil.example"`},
		"half an answer":  {action: "truncate", state: "error", says: "answer broke off"},
		"connection lost": {action: "drop", state: "error", says: "observe Git for fabric-1: observe acme/fabrics branch main: observe: "},
	}, func(s *site, vlan int) {
		s.gitPush("Move the VLAN", map[string]string{vpcFile: fmt.Sprintf(vpcYAML, vlan)})
	})
}

func githubAnswersCommitsBadly(t *testing.T) {
	unknown := "nothing tells yet whether the commit was made; it is looked at again"
	githubTrouble(t, "POST /graphql createCommitOnBranch", map[string]badAnswer{
		"401":                       {status: 401, body: message("Bad credentials"), state: "error", says: "GitHub does not accept the App's credentials (401)"},
		"403":                       {status: 403, body: message("Resource not accessible by integration"), state: "error", says: "acme/fabrics branch main: GitHub refuses the App (Resource not accessible by integration)"},
		"404":                       {status: 404, body: message("Not Found"), state: "error", says: "acme/fabrics branch main can be read but not written: accept the App's permission contents: write"},
		"409":                       {status: 409, body: message("Conflict"), state: "error", says: "createCommitOnBranch: 409: Conflict"},
		"429":                       {status: 429, body: message("You have exceeded a secondary rate limit"), headers: oneSecond, state: "pending", says: "GitHub takes no more requests until"},
		"500":                       {status: 500, body: message("Server Error"), state: "pending", says: unknown},
		"200, a page":               {status: 200, body: errorPage, headers: pageHeaders, state: "pending", says: unknown},
		"no commit":                 {status: 200, body: `{"data":{"createCommitOnBranch":null}}`, state: "pending", says: unknown},
		"half an answer, but saved": {action: "truncate"},
		"connection lost":           {action: "drop", state: "pending", says: unknown},
		"answer lost, but saved":    {action: "reset_after"},
		"archived meanwhile":        {status: 403, body: message("Repository was archived so is read-only."), state: "error", says: "is archived and read-only: unarchive it"},
	}, func(s *site, vlan int) { s.setVLAN(vlan) })
}

// Without a token nothing can be read: it is said at the start, everything waits, and nothing is lost.
func githubAnswersTokensBadly(t *testing.T) {
	s, r := inStep(t)
	answers := map[string]badAnswer{
		"401":            {status: 401, body: message("A JSON web token could not be decoded"), says: "GitHub does not accept the App's credentials (401): check app_id, the private key and the server's clock"},
		"403":            {status: 403, body: message("This installation has been suspended"), says: "the App's installation is suspended"},
		"404":            {status: 404, body: message("Not Found"), says: "installation 34 does not exist: the App was uninstalled, or app_id and the private key are another App's"},
		"422":            {status: 422, body: message("The permissions requested are not granted to this installation."), says: "(The permissions requested are not granted to this installation.): select the repository"},
		"200, a page":    {status: 200, body: errorPage, headers: pageHeaders, says: "could not refresh installation id 34's token"},
		"half an answer": {action: "truncate", says: "could not refresh installation id 34's token"},
	}
	for i, name := range sortedNames(answers) {
		a := answers[name]
		t.Run(name, func(t *testing.T) {
			vlan := 1300 + i
			whole := s.t
			s.t = t
			defer func() { s.t = whole }()
			r.stop()
			if a.action == "" {
				a.action = "error_before"
			}
			if _, err := s.github.AddFault(githubtest.Fault{Route: "POST /app/installations/{installation_id}/access_tokens", User: "*", Times: -1,
				Action: a.action, Status: a.status, Body: a.body, Headers: a.headers}); err != nil {
				t.Fatal(err)
			}
			s.setVLAN(vlan)
			r = s.start()
			s.eventually("it is said: "+a.says, func() bool {
				f := r.status().Fabrics[0]
				return f.State == "error" && strings.Contains(f.Message, a.says)
			})
			s.github.ClearFaults()
			if code := r.api(http.MethodPost, "/api/plugins/hedgehog/fabrics/1/sync/", nil, nil); code != 202 {
				t.Fatalf("sync: %d", code)
			}
			s.eventually("Git has the edit", func() bool { return s.gitText() == fmt.Sprintf(vpcYAML, vlan) })
			s.eventually("equal again", func() bool { return r.status().Fabrics[0].State == "equal" })
		})
	}
}
