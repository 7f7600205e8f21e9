package handlers

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hnp-sync/hnp-sync/manifests"
	"go.uber.org/zap"
)

// MaxNetBoxBody is the largest body taken from NetBox. One object appears three times in it (data and two snapshots).
const MaxNetBoxBody = 4 << 20

const netboxPrefix = "netbox:"

// SourceNetBox is Delivery.Source of a NetBox connection's webhooks.
func SourceNetBox(connection string) string { return netboxPrefix + connection }

// Connection is the NetBox connection a delivery came from, empty for GitHub.
func (d Delivery) Connection() string {
	c, ok := strings.CutPrefix(d.Source, netboxPrefix)
	if !ok {
		return ""
	}
	return c
}

// NetBox receives the webhooks of NetBox's event rules. It is safe for concurrent use.
//
// NetBox sends neither a delivery id nor a time in its signature, so the hash of the body is the id: a repeated
// body is a repeated delivery. Of the body only type, id, event, last_updated, request id and user are kept: the
// rest may hold what nobody wants in a log or a database.
type NetBox struct {
	rc      Receiver
	secrets map[string][][]byte
	slots   bodySlots
}

// NewNetBox makes the receiver for the connections, by name. A connection without secrets, or with an empty one, is
// an error.
func NewNetBox(rc Receiver, webhookSecrets map[string][][]byte) (*NetBox, error) {
	n := &NetBox{rc: rc, secrets: map[string][][]byte{}, slots: newBodySlots()}
	for connection, in := range webhookSecrets {
		keys, err := secrets(in)
		if err != nil {
			return nil, fmt.Errorf("netbox %s: %w", connection, err)
		}
		n.secrets[connection] = keys
	}
	return n, nil
}

// Serve answers a webhook of the named connection in text/plain: 202 stored, 200 finished before or an event that
// is not acted on, 400, 401, 404 unknown connection, 405, 413, 415, 503.
func (n *NetBox) Serve(w http.ResponseWriter, r *http.Request, connection string) {
	name := "unverified"
	answer := func(status int, text string) { n.rc.answer(w, "netbox", name, status, text) }
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		answer(http.StatusMethodNotAllowed, "webhooks are sent with POST")
		return
	}
	keys, known := n.secrets[connection]
	if !known {
		answer(http.StatusNotFound, "no such NetBox connection")
		return
	}
	if !jsonBody(r) {
		answer(http.StatusUnsupportedMediaType, "set the webhook's content type to application/json")
		return
	}
	sum, signed := signature512(r.Header.Get("X-Hook-Signature"))
	body, no := readBody(w, r, MaxNetBoxBody, n.slots, signed)
	if no != nil {
		answer(no.status, no.text)
		return
	}
	if !signed || !verified512(keys, body, sum) {
		answer(http.StatusUnauthorized, "missing or wrong X-Hook-Signature")
		return
	}
	name = "other"
	d, act, err := decodeNetBox(body)
	if err != nil {
		n.rc.Log.Warn("webhook body is not one of NetBox's", zap.String(FieldSource, SourceNetBox(connection)), zap.Error(err))
		answer(http.StatusBadRequest, "not a body of a NetBox event")
		return
	}
	if !act {
		answer(http.StatusOK, "not acted on")
		return
	}
	name = d.Event
	d.Source = SourceNetBox(connection)
	d.Target = connection
	d.ReceivedAt = n.rc.Now()
	status, text := n.rc.put(r.Context(), d)
	answer(status, text)
}

// signature512 reads 128 hex digits without a prefix.
func signature512(header string) ([]byte, bool) {
	if len(header) != 2*sha512.Size {
		return nil, false
	}
	sum, err := hex.DecodeString(header)
	return sum, err == nil
}

func verified512(keys [][]byte, body, sum []byte) bool {
	ok := false
	for _, key := range keys {
		mac := hmac.New(sha512.New, key)
		mac.Write(body)
		if hmac.Equal(mac.Sum(nil), sum) {
			ok = true
		}
	}
	return ok
}

// decodeNetBox reads the bodies of NetBox 4.0 to 4.7, whose keys differ: the type is object_type or, below 4.5,
// model; user and request id are in request or, below 4.7, username and request_id. act is false for events that
// say nothing about an object, and for edits on a branch of netbox-branching, which are not in the main data yet.
func decodeNetBox(body []byte) (d Delivery, act bool, err error) {
	var b struct {
		Event      string `json:"event"`
		ObjectType string `json:"object_type"`
		Model      string `json:"model"`
		Username   string `json:"username"`
		RequestID  string `json:"request_id"`
		Request    *struct {
			ID   string `json:"id"`
			User string `json:"user"`
		} `json:"request"`
		Data *struct {
			ID          int64  `json:"id"`
			LastUpdated string `json:"last_updated"`
		} `json:"data"`
		Context struct {
			ActiveBranch json.RawMessage `json:"active_branch"`
		} `json:"context"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return d, false, err
	}
	if !token(b.Event, 100) {
		return d, false, errors.New("no event")
	}
	switch b.Event {
	case EventCreated, EventUpdated, EventDeleted:
	default:
		return d, false, nil
	}
	if branch := string(b.Context.ActiveBranch); branch != "" && branch != "null" {
		return d, false, nil
	}
	kind := b.ObjectType
	if kind == "" {
		kind = b.Model
	}
	switch {
	case !token(kind, 200):
		return d, false, errors.New("no object type")
	case b.Data == nil || b.Data.ID <= 0:
		return d, false, errors.New("data has no id")
	}
	d.Event, d.ObjectType, d.ObjectID = b.Event, kind, b.Data.ID
	d.BodyHash = bodyHash(body)
	d.GUID = d.BodyHash
	d.LastUpdated = ETagTime(b.Data.LastUpdated)
	d.User, d.RequestID = b.Username, b.RequestID
	if b.Request != nil {
		if b.Request.User != "" {
			d.User = b.Request.User
		}
		if b.Request.ID != "" {
			d.RequestID = b.Request.ID
		}
	}
	d.User, d.RequestID = text(d.User, 200), text(d.RequestID, 100)
	return d, true, nil
}

// Events of NetBox that are acted on.
const (
	EventCreated = "created"
	EventUpdated = "updated"
	EventDeleted = "deleted"
)

// ETagTime writes a last_updated in the form NetBox uses for ETags: UTC with "+00:00" and the fraction of a second
// as it was sent. It answers the empty text for what is no time.
func ETagTime(s string) string {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return ""
	}
	fraction := ""
	if i := strings.IndexByte(s, '.'); i >= 0 {
		end := i + 1
		for end < len(s) && s[end] >= '0' && s[end] <= '9' {
			end++
		}
		fraction = s[i:end]
	}
	return t.UTC().Format("2006-01-02T15:04:05") + fraction + "+00:00"
}

// KindOfType is the kind behind a NetBox object type of the plugin ("netbox_hedgehog.vpc", or "vpc" as NetBox below
// 4.5 says it); empty when the type is none of the kinds.
func KindOfType(objectType string) string {
	app, model, dotted := strings.Cut(objectType, ".")
	if !dotted {
		model = app
	} else if app != "netbox_hedgehog" {
		return ""
	}
	for _, k := range manifests.Kinds() {
		if k.Role == manifests.RoleUser && strings.ToLower(k.Kind) == model {
			return k.Kind
		}
	}
	return ""
}

// FabricType says whether the object type is the plugin's fabric itself.
func FabricType(objectType string) bool {
	return objectType == "netbox_hedgehog.hedgehogfabric" || objectType == "hedgehogfabric"
}
