package githubtest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The delivery log of an App and its webhook's settings, as the API shows them.

func (c *call) renderDelivery(row *deliveryRow, detail bool) map[string]any {
	nullable := func(n int64) any {
		if n == 0 {
			return nil
		}
		return n
	}
	out := map[string]any{"id": row.ID, "guid": row.GUID, "delivered_at": stamp(row.DeliveredAt), "redelivery": row.Redelivery, "duration": row.Duration,
		"status": row.Status, "status_code": row.StatusCode, "event": row.Event, "action": orNil(row.Action), "installation_id": nullable(row.Installation),
		"repository_id": nullable(row.Repository), "url": row.URL}
	if detail {
		out["request"] = map[string]any{"headers": row.Headers, "payload": json.RawMessage(row.Payload)}
		out["response"] = map[string]any{"headers": row.AnswerHeader, "payload": row.Answer}
	}
	return out
}

// listDeliveries pages by cursor, newest first; deliveries are kept 3 days.
func (c *call) listDeliveries() (int, any, error) {
	oldest := c.s.now().Add(-keepDeliveries)
	rows := c.s.deliveries.find(func(d *deliveryRow) bool {
		return d.AppID == c.id.app.ID && !d.Pending && d.DeliveredAt.After(oldest)
	})
	slices.Reverse(rows)
	switch c.query.Get("status") {
	case "failure": // 400 to 599 only: time-outs are missed (facts §2.2)
		rows = slices.DeleteFunc(rows, func(d *deliveryRow) bool { return d.StatusCode < 400 || d.StatusCode > 599 })
	case "success":
		rows = slices.DeleteFunc(rows, func(d *deliveryRow) bool { return d.StatusCode < 200 || d.StatusCode > 399 })
	}
	per := 30
	if n, err := strconv.Atoi(c.query.Get("per_page")); err == nil && n > 0 {
		per = min(n, 100)
	}
	if c.s.knobs.PageLimit > 0 {
		per = min(per, c.s.knobs.PageLimit)
	}
	if cursor := c.query.Get("cursor"); cursor != "" {
		id, err := strconv.ParseInt(strings.TrimPrefix(cursor, "v1_"), 10, 64)
		if err != nil {
			return 0, nil, fail(422, "Invalid cursor")
		}
		rows = slices.DeleteFunc(rows, func(d *deliveryRow) bool { return d.ID >= id })
	}
	if len(rows) > per {
		q := url.Values{"per_page": {strconv.Itoa(per)}, "cursor": {fmt.Sprintf("v1_%d", rows[per-1].ID)}}
		c.header.Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, c.api("/app/hook/deliveries"), q.Encode()))
		rows = rows[:per]
	}
	out := []any{}
	for _, row := range rows {
		out = append(out, c.renderDelivery(row, false))
	}
	return 200, out, nil
}

func (c *call) deliveryRow() (*deliveryRow, error) {
	row := c.s.deliveries.rows[c.int("delivery_id")]
	if row == nil || row.AppID != c.id.app.ID || row.Pending || !row.DeliveredAt.After(c.s.now().Add(-keepDeliveries)) {
		return nil, errNotFound
	}
	return row, nil
}

func (c *call) getDelivery() (int, any, error) {
	row, err := c.deliveryRow()
	if err != nil {
		return 0, nil, err
	}
	return 200, c.renderDelivery(row, true), nil
}

// redeliver sends the same payload under the same GUID as a new attempt.
func (c *call) redeliver() (int, any, error) {
	row, err := c.deliveryRow()
	if err != nil {
		return 0, nil, err
	}
	c.s.hooks.add(deliveryRow{GUID: row.GUID, AppID: row.AppID, Event: row.Event, Action: row.Action, Installation: row.Installation,
		Repository: row.Repository, Redelivery: true, Pending: true, Payload: row.Payload}, 0)
	return 202, map[string]any{}, nil
}

func (c *call) renderHookConfig() map[string]any {
	out := map[string]any{"content_type": "json", "insecure_ssl": "0", "url": c.id.app.WebhookURL}
	if c.id.app.WebhookSecret != "" {
		out["secret"] = "********"
	}
	return out
}

func (c *call) getHookConfig() (int, any, error) { return 200, c.renderHookConfig(), nil }

func (c *call) updateHookConfig() (int, any, error) {
	var in struct {
		URL    *string `json:"url"`
		Secret *string `json:"secret"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	app := c.id.app
	if in.URL != nil {
		app.WebhookURL = *in.URL
	}
	if in.Secret != nil {
		app.WebhookSecret = *in.Secret
	}
	c.s.apps.put(app.ID, app)
	return 200, c.renderHookConfig(), nil
}
