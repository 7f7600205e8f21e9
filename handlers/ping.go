package handlers

import (
	"encoding/json"
	"errors"
)

// fitPing: GitHub sends ping once when the webhook is made. Nothing is stored.
func fitPing(body []byte, _ *Delivery) error {
	var p struct {
		Zen    *string         `json:"zen"`
		HookID *int64          `json:"hook_id"`
		Hook   json.RawMessage `json:"hook"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	if p.Zen == nil && p.HookID == nil && p.Hook == nil {
		return errors.New("neither zen nor hook")
	}
	return nil
}
