// Package setup is what an operator does around a running server: it registers the GitHub App (Flow), finds out what
// is wrong with an installation (Doctor), and posts a stored webhook again (Replay).
//
// It guarantees that keys, tokens and webhook secrets reach files with mode 0600 and nothing else, neither the terminal
// nor the browser, and that no existing file is changed unless it is told to.
//
// Threat model of the registration: the page listens on the loopback address for an hour at most. Other users of the
// machine and web pages open in the same browser can reach that port, so the page stands below a path nobody can guess,
// the request must name the loopback host (against DNS rebinding), and the answer of GitHub counts only with the random
// state that the page sent. The code is exchanged with the configured host alone, redirects are refused.
package setup

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"
)

// manifestFile is the repository's app.yml, which cannot be embedded from here; a test holds the two equal.
//
//go:embed app.yml
var manifestFile []byte

// Manifest is what the App asks for: permissions by name (read or write) and events.
type Manifest struct {
	Name        string            `yaml:"name" json:"name"`
	Description string            `yaml:"description" json:"description"`
	URL         string            `yaml:"url" json:"url"`
	Public      bool              `yaml:"public" json:"public"`
	Permissions map[string]string `yaml:"default_permissions" json:"default_permissions"`
	Events      []string          `yaml:"default_events" json:"default_events"`
}

// AppManifest is the manifest of this version of the program.
func AppManifest() (Manifest, error) {
	var m Manifest
	if err := yaml.Unmarshal(manifestFile, &m); err != nil {
		return Manifest{}, fmt.Errorf("read embedded app.yml: %w", err)
	}
	return m, nil
}

// registration is the JSON that GitHub takes in the form field "manifest".
func (m Manifest) registration(publicURL, redirectURL string) ([]byte, error) {
	type hook struct {
		URL    string `json:"url"`
		Active bool   `json:"active"`
	}
	return json.Marshal(struct {
		Manifest
		Hook     hook   `json:"hook_attributes"`
		Redirect string `json:"redirect_url"`
	}{m, hook{publicURL + "/webhooks/github", true}, redirectURL})
}

// rank orders what a permission allows.
var rank = map[string]int{"read": 1, "write": 2, "admin": 3}

// missing lists what is wanted and not granted, as "checks: write", sorted.
func missing(want, granted map[string]string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if rank[granted[name]] < rank[want[name]] {
			out = append(out, name+": "+want[name])
		}
	}
	return out
}
