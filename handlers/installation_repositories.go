package handlers

import (
	"encoding/json"
	"errors"
	"fmt"
)

// fitInstallationRepositories takes added and removed. The lists of repositories are not kept: they are read again.
func fitInstallationRepositories(body []byte, d *Delivery) error {
	var p struct {
		Action       string         `json:"action"`
		Installation installation   `json:"installation"`
		Sender       sender         `json:"sender"`
		Added        *[]*repository `json:"repositories_added"`
		Removed      *[]*repository `json:"repositories_removed"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	switch {
	case p.Action != "added" && p.Action != "removed":
		return errors.New("action is neither added nor removed")
	case p.Installation.ID <= 0:
		return fmt.Errorf("installation: %w", errNoID)
	case p.Added == nil && p.Removed == nil:
		return errors.New("no list of repositories")
	}
	d.Action, d.InstallationID, d.Sender = p.Action, p.Installation.ID, text(p.Sender.Login, 100)
	return nil
}
