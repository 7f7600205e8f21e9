package netbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// FabricInfo is one fabric of a NetBox.
type FabricInfo struct {
	PK   int64
	Name string
	// Created is NetBox's creation time in the ETag's form: part of a pairing's identity, because a primary key may
	// come back after a restore. Empty when NetBox holds none.
	Created string
}

// Fabric is one fabric, as gitops.Inventory. It is safe for concurrent use.
type Fabric struct {
	c  *Connection
	pk int64
}

var _ gitops.Inventory = (*Fabric)(nil)

// Fabric binds the fabric with that primary key. It sends nothing and does not check that the fabric exists.
func (c *Connection) Fabric(pk int64) *Fabric { return &Fabric{c: c, pk: pk} }

// PK is the fabric's primary key.
func (f *Fabric) PK() int64 { return f.pk }

const fabricsPath = pluginRoot + "fabrics/"

// fabricFields holds nothing secret and not display_url, which fabrics cannot give.
const fabricFields = "id,name,created"

// Fabrics lists all fabrics the token may see, by primary key. One request per 1,000.
func (c *Connection) Fabrics(ctx context.Context) ([]FabricInfo, error) {
	rows, err := c.pages(ctx, fabricsPath+"?ordering=id&fields="+fabricFields)
	if err != nil {
		return nil, fmt.Errorf("list fabrics: %w", err)
	}
	out := make([]FabricInfo, 0, len(rows))
	for _, row := range rows {
		f, err := fabricRow(row)
		if err != nil {
			return nil, fmt.Errorf("list fabrics: netbox %s: %w", c.name, err)
		}
		out = append(out, f)
	}
	return out, nil
}

func fabricRow(m map[string]any) (FabricInfo, error) {
	pk, err := positive(m, "id")
	if err != nil {
		return FabricInfo{}, fmt.Errorf("fabric: %w", err)
	}
	name, err := textIn(m, "name")
	if err != nil {
		return FabricInfo{}, fmt.Errorf("fabric %d: %w", pk, err)
	}
	f := FabricInfo{PK: pk, Name: name}
	switch v := m["created"].(type) {
	case nil:
	case string:
		if f.Created, err = ETagTime(v); err != nil {
			return FabricInfo{}, fmt.Errorf("fabric %d: created %w", pk, err)
		}
	default:
		return FabricInfo{}, fmt.Errorf("fabric %d: created is %s, not a text", pk, jsonType(v))
	}
	return f, nil
}

// CreateFabric creates a fabric with nothing but a name. One request, never repeated: after an error that is no
// *StatusError below 500 the fabric may exist all the same (its save is answered by a 500 when an event rule covers
// fabrics), so list before trying again.
func (c *Connection) CreateFabric(ctx context.Context, name string) (FabricInfo, error) {
	body, err := json.Marshal(map[string]string{"name": name})
	if err != nil {
		return FabricInfo{}, err
	}
	if err := c.writes.acquire(ctx); err != nil {
		return FabricInfo{}, fmt.Errorf("create fabric %s: %w", clean(name, 100), err)
	}
	start := c.now()
	path := fabricsPath + "?omit=display_url"
	a, err := c.send(ctx, http.MethodPost, path, c.token, nil, body)
	c.writes.release(c.now().Sub(start), 1, err != nil)
	if err == nil && a.status != http.StatusCreated {
		err = c.problem(http.MethodPost, path, a)
	}
	if err != nil {
		return FabricInfo{}, fmt.Errorf("create fabric %s: %w", clean(name, 100), err)
	}
	m, err := c.object(http.MethodPost, path, a)
	if err != nil {
		return FabricInfo{}, fmt.Errorf("create fabric %s: %w", clean(name, 100), err)
	}
	return fabricRow(m)
}

// Status is what NetBox says of itself.
type Status struct {
	Version string            // "4.7.3"
	Plugins map[string]string // name → version
	Workers int               // running background workers; 0 means that no webhook is delivered
}

// Status reads /api/status/: one request, for which any valid token is enough.
func (c *Connection) Status(ctx context.Context) (Status, error) {
	m, _, err := c.getObject(ctx, "/api/status/")
	if err != nil {
		return Status{}, fmt.Errorf("read status: %w", err)
	}
	s := Status{Plugins: map[string]string{}}
	if s.Version, err = textIn(m, "netbox-version"); err != nil || s.Version == "" {
		return Status{}, fmt.Errorf("read status: netbox %s: this is no NetBox: netbox-version is missing", c.name)
	}
	s.Version = clean(s.Version, 40)
	if plugins, ok := m["plugins"].(map[string]any); ok {
		for name, v := range plugins {
			version, _ := v.(string)
			s.Plugins[clean(name, 100)] = clean(version, 40)
		}
	}
	s.Workers, _ = count(m["rq-workers-running"])
	return s, nil
}

// ErrInvalidToken: NetBox does not know the token.
var ErrInvalidToken = errors.New("NetBox does not accept this token")

// CheckToken asks NetBox whose token this is, for callers of the App's own API: one request with that token instead
// of the configured one. It returns the user name, or ErrInvalidToken (wrapped). NetBox has the route from 4.5 on.
func (c *Connection) CheckToken(ctx context.Context, token string) (string, error) {
	if err := checkToken(token); err != nil {
		return "", fmt.Errorf("%w: %w", ErrInvalidToken, err)
	}
	const path = "/api/authentication-check/"
	a, err := c.send(ctx, http.MethodGet, path, token, nil, nil)
	if err != nil {
		return "", fmt.Errorf("check a caller's token: %w", err)
	}
	switch {
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		return "", fmt.Errorf("%w (netbox %s)", ErrInvalidToken, c.name)
	case a.status != http.StatusOK:
		e := c.problem(http.MethodGet, path, a)
		e.Words = hideToken(e.Words, token)
		return "", fmt.Errorf("check a caller's token: %w", e)
	}
	m, err := c.object(http.MethodGet, path, a)
	if err != nil {
		return "", fmt.Errorf("check a caller's token: %w", err)
	}
	user, err := textIn(m, "username")
	if err != nil || user == "" {
		return "", fmt.Errorf("check a caller's token: netbox %s: the answer names no user", c.name)
	}
	return clean(user, 200), nil
}
