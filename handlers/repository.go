package handlers

import "encoding/json"

// fitRepository takes every action: renamed, transferred, archived, deleted, privatized, edited (default branch), …: the
// installations and repositories are read again by their ids, whatever happened.
func fitRepository(body []byte, d *Delivery) error {
	var p common
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	return p.into(d)
}
