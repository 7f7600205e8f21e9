package app

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hnp-sync/hnp-sync/app/api"
)

// configured is seedFiles with more lines for the fabric.
func configured(vlan int, lines string) map[string]string {
	files := seedFiles(vlan)
	for name, text := range files {
		if strings.HasSuffix(name, "hnp-sync.yaml") {
			files[name] = text + lines
		}
	}
	return files
}

// branchHead is a branch's newest commit, "" without one.
func (s *site) branchHead(branch string) string {
	head, err := s.github.Head("acme/fabrics", branch)
	if err != nil {
		return ""
	}
	return head
}

// TestPullRequestMode: an edit in NetBox becomes a pull request, nothing is committed on the tracked branch, and its
// squash merge brings both sides in step without another commit.
func TestPullRequestMode(t *testing.T) {
	t.Parallel()
	s := newSite(t, configured(1001, "    mode: pull_request\n"))
	r := s.start()
	s.eventually("NetBox has the VPC", func() bool { return s.netboxVLAN() == 1001 })
	r.quiet()
	before := s.branchHead("main")
	s.setVLAN(1002)
	s.eventually("the pull request is open", func() bool { return s.branchHead("hnp-sync/fabric-1") != "" })
	st := r.quiet()
	if s.branchHead("main") != before {
		t.Fatal("the tracked branch moved")
	}
	if st.Fabrics[0].State != "pending" {
		t.Errorf("state %s", st.Fabrics[0].State)
	}
	text, err := s.github.ReadFile("acme/fabrics", "hnp-sync/fabric-1", vpcFile)
	if err != nil || !strings.Contains(text, "vlan: 1002") {
		t.Fatalf("the branch holds %q, %v", text, err)
	}
	if _, err := s.github.MergePull("acme/fabrics", 1, "alice", "squash"); err != nil {
		t.Fatal(err)
	}
	merged := s.branchHead("main")
	s.eventually("both are in step", func() bool { return r.status().Fabrics[0].State == "equal" && r.status().Fabrics[0].Head == merged })
	r.quiet()
	if s.branchHead("main") != merged || s.netboxVLAN() != 1002 {
		t.Errorf("after the merge: head moved %t, NetBox %d", s.branchHead("main") != merged, s.netboxVLAN())
	}
}

// TestProtectedBranch: a branch that may not be pushed to gets a pull request instead.
func TestProtectedBranch(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	if err := s.github.Require("acme/fabrics", "main", 0); err != nil {
		t.Fatal(err)
	}
	before := s.branchHead("main")
	s.setVLAN(1002)
	s.eventually("the pull request is open", func() bool { return s.branchHead("hnp-sync/fabric-1") != "" })
	r.quiet()
	if _, err := s.github.MergePull("acme/fabrics", 1, "alice", "merge"); err != nil {
		t.Fatal(err)
	}
	s.eventually("both are in step", func() bool { f := r.status().Fabrics[0]; return f.State == "equal" && f.Head != before })
}

// TestConflictPullRequest: with conflicts: branch a conflict becomes a pull request whose diff is the conflict; merging it
// decides.
func TestConflictPullRequest(t *testing.T) {
	t.Parallel()
	s := newSite(t, configured(1001, "    conflicts: branch\n"))
	r := s.start()
	s.eventually("NetBox has the VPC", func() bool { return s.netboxVLAN() == 1001 })
	r.quiet()
	resume := s.target.Swap(nil) // both edits are made before either is seen
	s.gitPush("Move the VLAN", map[string]string{vpcFile: fmt.Sprintf(vpcYAML, 1002)})
	s.setVLAN(1003)
	s.target.Store(resume)
	var started struct {
		OperationID string `json:"operation_id"`
	}
	if code := r.api(http.MethodPost, "/api/plugins/hedgehog/fabrics/1/sync/", nil, &started); code != http.StatusAccepted {
		t.Fatalf("sync answered %d", code)
	}
	s.eventually("the conflict's pull request is open", func() bool { return s.branchHead("hnp-sync/conflict/fabric-1/C1") != "" })
	st := r.quiet()
	if st.Fabrics[0].State != "conflict" || s.netboxVLAN() != 1003 {
		t.Errorf("state %s, NetBox %d", st.Fabrics[0].State, s.netboxVLAN())
	}
	var list api.Conflicts
	if code := r.api(http.MethodGet, "/api/plugins/hedgehog/fabrics/1/conflicts/", nil, &list); code != http.StatusOK || list.TotalConflicts != 1 {
		t.Fatalf("%d: %+v", code, list)
	}
	if _, err := s.github.MergePull("acme/fabrics", 1, "alice", "merge"); err != nil {
		t.Fatal(err)
	}
	s.eventually("the decision is carried out", func() bool { return r.status().Fabrics[0].State == "equal" })
	if s.netboxVLAN() != 1003 || !strings.Contains(s.gitText(), "vlan: 1003") {
		t.Errorf("NetBox %d, Git %s", s.netboxVLAN(), s.gitText())
	}
}
