package handlers

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// configPaths are the two names of the in-repository configuration.
var configPaths = []string{".github/hnp-sync.yaml", ".github/hnp-sync.yml"}

// Actions of a stored push.
const (
	// ActionConfiguration: the payload lists the configuration file among the changed ones. The lists are a hint
	// (they are cut and wrong after force pushes); a cycle notices a changed configuration by its blob id.
	ActionConfiguration = "configuration"
	// ActionDeleted: the branch was deleted.
	ActionDeleted = "deleted"
)

const branchPrefix = "refs/heads/"

// Branch is the branch of a push, empty for a tag.
func (d Delivery) Branch() string {
	b, ok := strings.CutPrefix(d.Ref, branchPrefix)
	if !ok {
		return ""
	}
	return b
}

func fitPush(body []byte, d *Delivery) error {
	var p struct {
		Ref          string       `json:"ref"`
		After        string       `json:"after"`
		Deleted      bool         `json:"deleted"`
		Repository   repository   `json:"repository"`
		Installation installation `json:"installation"`
		Sender       sender       `json:"sender"`
		Commits      []struct {
			Added    []string `json:"added"`
			Removed  []string `json:"removed"`
			Modified []string `json:"modified"`
		} `json:"commits"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	switch {
	case !strings.HasPrefix(p.Ref, "refs/") || len(p.Ref) > 1024 || strings.ContainsFunc(p.Ref, unicode.IsControl):
		return errors.New("no ref")
	case !oid(p.After):
		return errors.New("after is no commit id")
	case p.Repository.ID <= 0:
		return fmt.Errorf("repository: %w", errNoID)
	}
	d.Ref, d.After = p.Ref, p.After
	d.RepositoryID, d.Repository = p.Repository.ID, text(p.Repository.FullName, 200)
	d.InstallationID = p.Installation.ID
	d.Sender = text(p.Sender.Login, 100)
	if p.Deleted || strings.Trim(p.After, "0") == "" {
		d.Action = ActionDeleted
		return nil
	}
	for _, c := range p.Commits {
		for _, list := range [][]string{c.Added, c.Removed, c.Modified} {
			for _, path := range list {
				if path == configPaths[0] || path == configPaths[1] {
					d.Action = ActionConfiguration
				}
			}
		}
	}
	return nil
}

// decidePush brings the fabrics that follow the branch in step, except those whose newest confirmed head this
// already is, and reads the configuration again when it may have changed.
func decidePush(d Delivery, k Knowledge) Decision {
	branch := d.Branch()
	if branch == "" {
		return Decision{Reason: "a tag"}
	}
	followers, defaultBranch, known := k.Followers(d.RepositoryID, branch)
	out := Decision{Reason: "push to " + branch}
	for _, f := range followers {
		switch {
		case f.Busy:
			out.Wait = append(out.Wait, f.Fabric)
		case !PushEcho(d.After, f.Head):
			out.Fabrics = append(out.Fabrics, f.Fabric)
		}
	}
	switch {
	case !known:
		out.Installations = true // a repository nobody has told us about
	case defaultBranch == "" || branch == defaultBranch:
		// A repository without a fabric is waiting for its configuration; one with fabrics is read again only for
		// a cause, so that a push costs no request for it.
		if d.Action == ActionConfiguration || !k.Configured(d.RepositoryID) {
			out.Repository = d.RepositoryID
		}
	}
	return out
}
