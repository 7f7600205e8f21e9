package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// After a restart, each poll is one conditional request to GitHub and one to NetBox: the start's full compare is not
// repeated.
func TestIdleAfterARestart(t *testing.T) {
	t.Parallel()
	s, r := inStep(t)
	r.stop()
	path := filepath.Join(s.dir, "hnp-sync.yaml")
	config, err := os.ReadFile(path)
	noError(t, err)
	noError(t, os.WriteFile(path, bytes.Replace(config, []byte("poll: 1h"), []byte("poll: 1s"), 1), 0o600))
	r = s.start()
	s.eventually("compared at the start", func() bool { return s.netbox.Stats().Routes["GET /api/plugins/hedgehog/vpcs/"] > 0 })
	r.quiet()
	s.github.ResetStats()
	s.netbox.ResetStats()
	const feed = "GET /api/core/object-changes/"
	s.eventually("two polls", func() bool { return s.netbox.Stats().Routes[feed] >= 2 })
	r.quiet()
	github, netbox := s.github.Stats().ByUser["hnp-sync[bot]"], s.netbox.Stats().ByUser["hnp-sync"]
	for route := range github.Routes {
		if !strings.HasPrefix(route, "GET /repos/{owner}/{repo}/git/ref") {
			t.Errorf("idle requests to GitHub: %v", github.Routes)
		}
	}
	if netbox.Total != netbox.Routes[feed] {
		t.Errorf("idle requests to NetBox: %v", netbox.Routes)
	}
}
