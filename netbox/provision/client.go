package provision

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	nb "github.com/netbox-community/go-netbox/v4"

	"github.com/hnp-sync/hnp-sync/netbox"
)

const pageSize = 500

// client is go-netbox over the connection's own HTTP client, which adds the token and sends nowhere else.
type client struct {
	api  *nb.APIClient
	conn *netbox.Connection
	// secret is the webhook's, kept out of every message.
	secret string
}

// printable is text that NetBox sent, fit for a message.
func (c *client) printable(s string) string {
	return c.conn.Printable(strings.ReplaceAll(s, c.secret, "[secret]"))
}

func newClient(conn *netbox.Connection, secret string) *client {
	cfg := nb.NewConfiguration()
	cfg.Servers = nb.ServerConfigurations{{URL: conn.URL()}}
	cfg.HTTPClient = conn.HTTPClient()
	cfg.UserAgent = "hnp-sync"
	cfg.AddDefaultHeader("Accept-Language", "en-US") // labels are enumerations in go-netbox
	return &client{api: nb.NewAPIClient(cfg), conn: conn, secret: secret}
}

// body is the answer's body when it is a success, whatever go-netbox made of it.
func (c *client) body(resp *http.Response, err error) ([]byte, error) {
	if resp == nil {
		if err == nil {
			err = errors.New("no answer")
		}
		return nil, errors.New(c.printable(err.Error()))
	}
	data, readErr := io.ReadAll(resp.Body) // go-netbox read it whole, under the connection's limit, and put it back
	if readErr != nil {
		return nil, readErr
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		text := c.printable(string(data))
		if resp.StatusCode == http.StatusForbidden {
			text += " (the token's user needs view, add and change on extras.webhook and extras.eventrule)"
		}
		return nil, fmt.Errorf("status %d: %s", resp.StatusCode, text)
	}
	return data, nil
}

// one decodes a single object.
func one[T any](c *client, resp *http.Response, err error) (T, error) {
	var v T
	data, err := c.body(resp, err)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return v, fmt.Errorf("the answer is not what NetBox writes: %s", c.printable(err.Error()))
	}
	return v, nil
}

// list decodes a page; more says that another one follows.
func list[T any](c *client, resp *http.Response, err error) (items []T, more bool, _ error) {
	page, err := one[struct {
		Next    *string `json:"next"`
		Results []T     `json:"results"`
	}](c, resp, err)
	if err != nil {
		return nil, false, err
	}
	return page.Results, page.Next != nil && len(page.Results) > 0, nil
}
