package repo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxPayload caps the detail of a delivery; GitHub's payloads end at 25 MB.
const maxPayload = 32 << 20

// HookDelivery is one attempt to deliver one event to the App's webhook. GitHub keeps them for three days.
type HookDelivery struct {
	ID             int64
	GUID           string // the same for all attempts of one event
	DeliveredAt    time.Time
	Redelivery     bool
	Status         string // "OK" when it was answered with 2xx in time
	StatusCode     int    // 0 when there was no answer
	Event, Action  string
	InstallationID int64 // 0 for none
	RepositoryID   int64 // 0 for none
}

// OK tells whether the delivery was accepted.
func (d HookDelivery) OK() bool { return d.Status == "OK" || d.StatusCode >= 200 && d.StatusCode < 300 }

type deliveryAnswer struct {
	ID             int64     `json:"id"`
	GUID           string    `json:"guid"`
	DeliveredAt    time.Time `json:"delivered_at"`
	Redelivery     bool      `json:"redelivery"`
	Status         string    `json:"status"`
	StatusCode     int       `json:"status_code"`
	Event          string    `json:"event"`
	Action         *string   `json:"action"`
	InstallationID *int64    `json:"installation_id"`
	RepositoryID   *int64    `json:"repository_id"`
	Request        struct {
		Payload json.RawMessage `json:"payload"`
	} `json:"request"`
}

func (d deliveryAnswer) value() HookDelivery {
	out := HookDelivery{ID: d.ID, GUID: d.GUID, DeliveredAt: d.DeliveredAt, Redelivery: d.Redelivery, Status: clip(d.Status, 100), StatusCode: d.StatusCode, Event: d.Event, Action: text(d.Action)}
	if d.InstallationID != nil {
		out.InstallationID = *d.InstallationID
	}
	if d.RepositoryID != nil {
		out.RepositoryID = *d.RepositoryID
	}
	return out
}

// Deliveries lists the deliveries since a time, newest first: every attempt, of every event. One request per 100,
// signed with the App's key.
func (a *App) Deliveries(ctx context.Context, since time.Time) ([]HookDelivery, error) {
	var out []HookDelivery
	seen := map[int64]bool{}
	cursor := ""
	for range maxPages {
		path := "/app/hook/deliveries?per_page=100"
		if cursor != "" {
			path += "&cursor=" + url.QueryEscape(cursor)
		}
		resp, err := a.self.rest(ctx, request{operation: "list deliveries", method: http.MethodGet, path: path})
		if err != nil {
			return nil, permission("the App's deliveries", err)
		}
		var page []deliveryAnswer
		if err := decode("list deliveries", resp.body, &page); err != nil {
			return nil, err
		}
		for _, d := range page {
			if d.DeliveredAt.Before(since) {
				return out, nil
			}
			if d.ID > 0 && !seen[d.ID] {
				seen[d.ID] = true
				out = append(out, d.value())
			}
		}
		next := nextCursor(resp.header)
		if next == "" || next == cursor || len(page) == 0 {
			return out, nil
		}
		cursor = next
	}
	return nil, fmt.Errorf("list deliveries: more than %d pages", maxPages)
}

// nextCursor reads the cursor of the next page from the Link header; the rest of that address is not used.
func nextCursor(h http.Header) string {
	for link := range strings.SplitSeq(strings.Join(h.Values("Link"), ","), ",") {
		address, rel, found := strings.Cut(link, ";")
		if !found || !strings.Contains(rel, `rel="next"`) {
			continue
		}
		u, err := url.Parse(strings.Trim(strings.TrimSpace(address), "<>"))
		if err == nil {
			return u.Query().Get("cursor")
		}
	}
	return ""
}

// Redeliver asks GitHub to deliver once more, with the same GUID. GitHub accepts with 202. Asking twice makes two
// attempts. One request.
func (a *App) Redeliver(ctx context.Context, id int64) error {
	_, err := a.self.rest(ctx, request{operation: "redeliver", method: http.MethodPost, path: "/app/hook/deliveries/" + number(id) + "/attempts"})
	if err != nil {
		return permission(fmt.Sprintf("delivery %d", id), err)
	}
	return nil
}

// DeliveryPayload reads one delivery with its payload as JSON: parsed and printed again by GitHub, so that no
// signature fits it. It tells what to look at, nothing more. One request.
func (a *App) DeliveryPayload(ctx context.Context, id int64) (HookDelivery, []byte, error) {
	var out deliveryAnswer
	if err := a.self.get(ctx, "read delivery", "/app/hook/deliveries/"+number(id), maxPayload, &out); err != nil {
		return HookDelivery{}, nil, permission(fmt.Sprintf("delivery %d", id), err)
	}
	if out.ID != id {
		return HookDelivery{}, nil, fmt.Errorf("read delivery %d: got delivery %d", id, out.ID)
	}
	return out.value(), out.Request.Payload, nil
}

// HookConfig is where GitHub sends the App's events.
type HookConfig struct {
	URL         string
	ContentType string // json or form
	InsecureSSL bool   // GitHub does not verify the certificate
}

// HookConfig reads the App's webhook configuration; the secret is never shown by GitHub. One request.
func (a *App) HookConfig(ctx context.Context) (HookConfig, error) {
	var out struct {
		URL         string `json:"url"`
		ContentType string `json:"content_type"`
		InsecureSSL any    `json:"insecure_ssl"` // "0", "1", or a number
	}
	if err := a.self.get(ctx, "read webhook configuration", "/app/hook/config", 0, &out); err != nil {
		return HookConfig{}, permission("the App's webhook", err)
	}
	insecure := fmt.Sprint(out.InsecureSSL)
	return HookConfig{URL: out.URL, ContentType: out.ContentType, InsecureSSL: out.InsecureSSL != nil && insecure != "0" && insecure != "false"}, nil
}
