package handlers

import (
	"encoding/json"
	"errors"
	"fmt"
)

// fitInstallation takes created, deleted, suspend, unsuspend and new_permissions_accepted; an action that comes
// later is kept too, because the work is the same for all: look at the installations again.
func fitInstallation(body []byte, d *Delivery) error {
	var p struct {
		Action       string       `json:"action"`
		Installation installation `json:"installation"`
		Sender       sender       `json:"sender"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	switch {
	case !token(p.Action, 50):
		return errors.New("no action")
	case p.Action == "added" || p.Action == "removed":
		return fmt.Errorf("action %s belongs to installation_repositories", p.Action)
	case p.Installation.ID <= 0:
		return fmt.Errorf("installation: %w", errNoID)
	}
	d.Action, d.InstallationID, d.Sender = p.Action, p.Installation.ID, text(p.Sender.Login, 100)
	return nil
}

// decideInstallation reads the installations and their repositories again, whatever the event says about them.
func decideInstallation(d Delivery, _ Knowledge) Decision {
	return Decision{Installations: true, Reason: d.Event + " " + d.Action}
}
