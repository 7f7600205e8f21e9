package app

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hnp-sync/hnp-sync/app/api"
	"github.com/hnp-sync/hnp-sync/gitops/githubtest"
)

func seedFiles(vlan int) map[string]string {
	return map[string]string{".github/hnp-sync.yaml": repoConfig, vpcFile: fmt.Sprintf(vpcYAML, vlan)}
}

// inStep is a site with an App whose first import is over.
func inStep(t *testing.T) (*site, *running) {
	t.Helper()
	s := newSite(t, seedFiles(1001))
	r := s.start()
	s.eventually("NetBox has the VPC", func() bool { return s.netboxVLAN() == 1001 })
	st := r.quiet()
	if len(st.Fabrics) != 1 || st.Fabrics[0].State != "equal" {
		t.Fatalf("after the import: %+v", st)
	}
	s.github.ResetStats()
	s.netbox.ResetStats()
	return s, r
}

func TestPushReachesNetBox(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	before := s.commits()
	head := s.gitPush("Move the VLAN", map[string]string{vpcFile: fmt.Sprintf(vpcYAML, 1002)})
	s.eventually("NetBox has the VLAN", func() bool { return s.netboxVLAN() == 1002 })
	st := r.quiet()
	f := st.Fabrics[0]
	if f.State != "equal" || f.Head != head || f.VerifiedAt == nil || f.OpenConflicts != 0 {
		t.Errorf("status %+v", f)
	}
	if n := s.commits() - before; n != 1 {
		t.Errorf("%d commits, want the user's one", n)
	}
	github, netbox := s.github.Stats().ByUser["hnp-sync[bot]"], s.netbox.Stats().ByUser["hnp-sync"]
	if total := github.Total + netbox.Total; total > 4 {
		t.Errorf("%d requests, want at most 4: %v %v", total, github.Routes, netbox.Routes)
	}
}

func TestNetBoxEditBecomesOneCommit(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	before := s.commits()
	s.setVLAN(1003)
	s.eventually("Git has the VLAN", func() bool { return strings.Contains(s.gitText(), "vlan: 1003") })
	st := r.quiet()
	if want := fmt.Sprintf(vpcYAML, 1003); s.gitText() != want {
		t.Errorf("file\n%s\nwant\n%s", s.gitText(), want)
	}
	if n := s.commits() - before; n != 1 {
		t.Errorf("%d commits, want 1", n)
	}
	if f := st.Fabrics[0]; f.State != "equal" {
		t.Errorf("status %+v", f)
	}
	log, err := s.github.Log(repoName, "main", 1)
	if err != nil {
		t.Fatal(err)
	}
	if m := log[0].Message; !strings.Contains(m, "NetBox-User: bob") || !strings.Contains(m, "HNP-Operation: sync_") || !strings.Contains(m, "vlan 1001 → 1003") {
		t.Errorf("message %q", m)
	}
	github, netbox := s.github.Stats().ByUser["hnp-sync[bot]"], s.netbox.Stats().ByUser["hnp-sync"]
	if total := github.Total + netbox.Total; total > 3 {
		t.Errorf("%d requests, want at most 3: %v %v", total, github.Routes, netbox.Routes)
	}
}

func TestConflictOverwritesNothing(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	before := s.commits()
	url := s.target.Swap(nil) // no webhook arrives while both sides are edited
	s.gitPush("Mine", map[string]string{vpcFile: fmt.Sprintf(vpcYAML, 1010)})
	s.setVLAN(1020)
	s.target.Store(url)
	var started api.Started
	if code := r.api(http.MethodPost, "/api/plugins/hedgehog/fabrics/1/sync/", map[string]any{"direction": "bidirectional"}, &started); code != 202 {
		t.Fatalf("sync: %d", code)
	}
	st := r.quiet()
	if f := st.Fabrics[0]; f.State != "conflict" || f.OpenConflicts != 1 {
		t.Errorf("status %+v", f)
	}
	var list api.Conflicts
	if code := r.api(http.MethodGet, "/api/plugins/hedgehog/fabrics/1/conflicts/", nil, &list); code != 200 || list.TotalConflicts != 1 {
		t.Fatalf("conflicts: %d %+v", code, list)
	}
	c := list.Conflicts[0]
	field := c.Fields[0]
	if c.Number != 1 || c.ResourceName != "test-vpc" || c.Kind != "VPC" || c.ConflictType != "concurrent_modification" || c.ResourceID == 0 ||
		field.Path != "spec.subnets.default.vlan" || fmt.Sprintf("%v %v %v", field.Git.Value, field.NetBox.Value, field.Base.Value) != "1010 1020 1001" {
		t.Errorf("conflict %+v", c)
	}
	if s.netboxVLAN() != 1020 || !strings.Contains(s.gitText(), "vlan: 1010") || s.commits() != before+1 {
		t.Errorf("something was overwritten: NetBox %d, Git %s", s.netboxVLAN(), s.gitText())
	}
	if !strings.Contains(r.logs.String(), "conflict C1 vpc/test-vpc spec.subnets.default.vlan [concurrent_modification]: git 1010, NetBox 1020") {
		t.Error("the log has no line for the conflict")
	}
	var op api.Operation
	if code := r.api(http.MethodGet, "/api/plugins/hedgehog/sync-operations/"+started.OperationID+"/status/", nil, &op); code != 200 || op.Status != "completed" || op.CompletedAt == nil {
		t.Errorf("operation: %d %+v", code, op)
	}
	// It ends when one side is set to the other's value.
	s.setVLAN(1010)
	s.eventually("the conflict ends", func() bool { return r.quiet().Fabrics[0].State == "equal" })
}

func TestFiftyfoldDeliveryHasOneEffect(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	before := s.commits()
	if _, err := s.github.AddFault(faultOf("webhook_duplicate", 50)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.netbox.AddFault(netboxFaultOf("webhook_duplicate", 50)); err != nil {
		t.Fatal(err)
	}
	s.setVLAN(1004)
	s.eventually("Git has the VLAN", func() bool { return strings.Contains(s.gitText(), "vlan: 1004") })
	r.quiet()
	if n := s.commits() - before; n != 1 {
		t.Errorf("%d commits, want 1", n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, code := range s.sent {
		if code != 202 && code != 200 {
			t.Errorf("a webhook was answered %d", code)
		}
	}
	if len(s.sent) < 50 {
		t.Errorf("only %d webhooks arrived", len(s.sent))
	}
	github, netbox := s.github.Stats().ByUser["hnp-sync[bot]"], s.netbox.Stats().ByUser["hnp-sync"]
	if total := github.Total + netbox.Total; total > 3 {
		t.Errorf("%d requests, want at most 3: %v %v", total, github.Routes, netbox.Routes)
	}
}

// What happens while the App is down is found at its start, without any webhook.
func TestRestartFindsWhatHappenedMeanwhile(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	r.stop()
	s.setVLAN(1005)
	s.gitPush("Another gateway", map[string]string{vpcFile: strings.Replace(fmt.Sprintf(vpcYAML, 1001), "gateway: 10.0.1.1", "gateway: 10.0.1.254", 1)})
	r = s.start()
	s.eventually("both sides hold both edits", func() bool { return s.inStepAt(1005, "10.0.1.254") })
	if f := r.quiet().Fabrics[0]; f.State != "equal" {
		t.Errorf("status %+v", f)
	}
}

// GitHub's limit parks the fabric, visibly, and the work is done when it ends.
func TestRateLimitParks(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	if _, err := s.github.AddFault(githubtest.Fault{Route: "POST /graphql", User: "*", Times: 1, Action: "error_before", Status: 429,
		Headers: map[string]string{"Retry-After": "2"}, Body: `{"message":"You have exceeded a secondary rate limit"}`}); err != nil {
		t.Fatal(err)
	}
	s.gitPush("Move the VLAN", map[string]string{vpcFile: fmt.Sprintf(vpcYAML, 1006)})
	s.eventually("shown as parked", func() bool {
		f := r.status().Fabrics[0]
		return f.State == "pending" && len(f.Waiting) == 1 && strings.Contains(f.Waiting[0].Reason, "GitHub takes no more requests until")
	})
	s.eventually("done after the limit", func() bool { return s.netboxVLAN() == 1006 })
	if f := r.quiet().Fabrics[0]; f.State != "equal" || len(f.Waiting) != 0 {
		t.Errorf("status %+v", f)
	}
}

// What may not be committed to a protected branch is proposed by one pull request; merged, both sides are equal.
func TestProtectedBranchGetsAPullRequest(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	if err := s.github.Protect(repoName, "main", true, false); err != nil {
		t.Fatal(err)
	}
	s.setVLAN(1007)
	var text string
	s.eventually("the edit is proposed", func() bool {
		text, _ = s.github.ReadFile(repoName, "hnp-sync/fabric-1", vpcFile)
		return text == fmt.Sprintf(vpcYAML, 1007)
	})
	if f := r.quiet().Fabrics[0]; f.State == "equal" || s.netboxVLAN() != 1007 || s.gitText() != fmt.Sprintf(vpcYAML, 1001) {
		t.Errorf("status %+v, NetBox %d, Git %s", f, s.netboxVLAN(), s.gitText())
	}
	if err := s.github.Protect(repoName, "main", false, false); err != nil {
		t.Fatal(err)
	}
	if _, err := s.github.MergePull(repoName, 1, "alice", "squash"); err != nil {
		t.Fatal(err)
	}
	s.eventually("both sides are equal", func() bool {
		return r.quiet().Fabrics[0].State == "equal" && s.gitText() == fmt.Sprintf(vpcYAML, 1007)
	})
}

// One broken file freezes what it held and nothing else.
func TestBrokenFileFreezesItsOwn(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	other := strings.Replace(fmt.Sprintf(vpcYAML, 1050), "name: test-vpc", "name: other-vpc", 1)
	s.gitPush("One broken, one new", map[string]string{vpcFile: "kind: [\n", directory + "/managed/vpcs/other-vpc.yaml": strings.ReplaceAll(other, "10.0.1.", "10.0.2.")})
	s.eventually("the new one is in NetBox", func() bool { _, ok := s.netbox.ByName("VPC", "default", "other-vpc"); return ok })
	f := r.quiet().Fabrics[0]
	if len(f.Frozen) != 1 || f.Frozen[0].Resource != "vpc/test-vpc" {
		t.Errorf("frozen %+v", f.Frozen)
	}
	if s.netboxVLAN() != 1001 {
		t.Error("the broken file deleted or changed its resource in NetBox")
	}
}

// Without a single webhook the polls find what both sides did, and an idle poll costs one conditional request to GitHub
// and one to NetBox.
func TestPollAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t, seedFiles(1001))
	s.intervals("poll: 200ms, full_compare: 2h, debounce: 100ms")
	r := s.start()
	s.target.Store(nil) // webhooks arrive nowhere
	s.eventually("the first import", func() bool { return s.netboxVLAN() == 1001 })
	s.setVLAN(1008)
	s.eventually("Git has the edit", func() bool { return strings.Contains(s.gitText(), "vlan: 1008") })
	s.gitPush("Back", map[string]string{vpcFile: fmt.Sprintf(vpcYAML, 1009)})
	s.eventually("NetBox has the push", func() bool { return s.netboxVLAN() == 1009 })
	s.eventually("nothing is left to find", func() bool {
		st := r.status()
		return st.Queue == 0 && st.Fabrics[0].State == "equal"
	})
	heads := func() int {
		return s.github.Stats().ByUser["hnp-sync[bot]"].Routes["GET /repos/{owner}/{repo}/git/ref/{ref}"]
	}
	start := heads()
	s.eventually("two more polls", func() bool { return heads() >= start+2 })
	s.github.ResetStats()
	s.netbox.ResetStats()
	s.eventually("five idle polls", func() bool { return heads() >= 5 && s.netbox.Stats().Total >= 5 })
	github, netbox := s.github.Stats().ByUser["hnp-sync[bot]"], s.netbox.Stats().ByUser["hnp-sync"]
	if len(github.Routes) != 1 || len(netbox.Routes) != 1 || netbox.Routes["GET /api/core/object-changes/"] == 0 || github.Total-netbox.Total > 1 || netbox.Total-github.Total > 1 {
		t.Errorf("idle polls asked %v %v", github.Routes, netbox.Routes)
	}
}

// A delete in NetBox becomes one commit, proved by the change log; a delete in Git deletes in NetBox; neither echoes.
func TestDeletesGoBothWays(t *testing.T) {
	t.Parallel()
	files := seedFiles(1001)
	second := directory + "/managed/vpcs/second.yaml"
	files[second] = strings.ReplaceAll(strings.Replace(fmt.Sprintf(vpcYAML, 1060), "name: test-vpc", "name: second", 1), "10.0.1.", "10.0.6.")
	s := newSite(t, files)
	r := s.start()
	s.eventually("NetBox has both", func() bool { return len(s.netbox.Objects("VPC")) == 2 })
	r.quiet()
	before := s.commits()
	s.github.ResetStats()
	s.netbox.ResetStats()
	vpc, _ := s.netbox.ByName("VPC", "default", "test-vpc")
	s.netboxDo(http.MethodDelete, fmt.Sprintf("/api/plugins/hedgehog/vpcs/%d/", vpc.ID), nil, nil)
	s.eventually("the file is gone", func() bool { _, err := s.github.ReadFile(repoName, "main", vpcFile); return err != nil })
	r.quiet()
	github, netbox := s.github.Stats().ByUser["hnp-sync[bot]"], s.netbox.Stats().ByUser["hnp-sync"]
	if n := s.commits() - before; n != 1 || github.Total+netbox.Total > 4 {
		t.Errorf("%d commits, requests %v %v", n, github.Routes, netbox.Routes)
	}
	s.gitEdit("Remove the second", func(dir string) {
		if err := os.Remove(filepath.Join(dir, filepath.FromSlash(second))); err != nil {
			t.Fatal(err)
		}
	})
	s.eventually("NetBox has none", func() bool { return len(s.netbox.Objects("VPC")) == 0 })
	if f := r.quiet().Fabrics[0]; f.State != "equal" {
		t.Errorf("status %+v", f)
	}
	if n := s.commits() - before; n != 2 {
		t.Errorf("%d commits, want the App's one and the user's one", n)
	}
}

// A push that changes the configuration is followed: a new fabric is paired, a removed one is left as it is.
func TestConfigurationFollowsThePush(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	s.netboxDo(http.MethodPost, "/api/plugins/hedgehog/fabrics/?omit=display_url", map[string]any{"name": "fabric-2"}, nil)
	file := "gitops/hedgehog/fabric-2/managed/vpcs/v2.yaml"
	s.gitPush("A second fabric", map[string]string{
		".github/hnp-sync.yaml": repoConfig + "  - {name: fabric-2, directory: gitops/hedgehog/fabric-2, layout: in_place}\n",
		file:                    strings.ReplaceAll(strings.Replace(fmt.Sprintf(vpcYAML, 1070), "name: test-vpc", "name: v2", 1), "10.0.1.", "10.0.7."),
	})
	s.eventually("the second fabric is in NetBox", func() bool { v, ok := s.netbox.ByName("VPC", "default", "v2"); return ok && v.FabricName == "fabric-2" })
	if st := r.quiet(); len(st.Fabrics) != 2 || st.Fabrics[1].State != "equal" {
		t.Errorf("status %+v", st)
	}
	s.gitPush("Only the second", map[string]string{".github/hnp-sync.yaml": strings.Replace(repoConfig, "fabric-1", "fabric-2", 2)})
	s.eventually("the first is no longer synchronised", func() bool { st := r.quiet(); return len(st.Fabrics) == 1 && st.Fabrics[0].Name == "fabric-2" })
	s.setVLAN(1071)
	if st := r.quiet(); len(st.Unconfigured) != 1 || st.Unconfigured[0].Name != "fabric-1" || !strings.Contains(st.Unconfigured[0].Lines, "name: \"fabric-1\"") {
		t.Errorf("NetBox fabrics in no configuration: %+v", st.Unconfigured)
	}
	if !strings.Contains(s.gitText(), "vlan: 1001") || s.netboxVLAN() != 1071 {
		t.Error("a fabric that is configured no more was changed")
	}
}
