package provision

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"

	nb "github.com/netbox-community/go-netbox/v4"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/netbox"
)

// Options say what to set up.
type Options struct {
	Connection *netbox.Connection
	// Name is the name of both the webhook and the event rule; what bears it is taken over.
	Name string
	// PayloadURL is where NetBox sends to: https://sync.example.net/webhooks/netbox/default
	PayloadURL string
	// Secret signs every delivery (HMAC-SHA512). An empty one is refused: NetBox would not sign at all.
	Secret string
	// Kinds are the kinds to be told about; nil is every kind for which that is safe.
	Kinds []string
}

// Result is what stands in NetBox afterwards.
type Result struct {
	WebhookID, EventRuleID int64
	// ObjectTypes are those of the event rule, sorted.
	ObjectTypes []string
	// Changed says what was written, in order; empty when everything was right.
	Changed []string
	// Warnings name rules of others that break saves. They are not touched.
	Warnings []string
}

// UnsafeKindError refuses a kind whose saves an event rule would break, or that NetBox has no table for.
type UnsafeKindError struct {
	Kind, Reason, Workaround string
}

func (e *UnsafeKindError) Error() string {
	return fmt.Sprintf("no event rule for %s: %s (%s)", e.Kind, e.Reason, e.Workaround)
}

// fabricType holds secrets.
const fabricType = "netbox_hedgehog.hedgehogfabric"

var eventTypes = []string{"object_created", "object_deleted", "object_updated"}

// watched are the columns whose change matters (NetBox 4.7 can look at them). Creates and deletes are delivered all
// the same, because one of their two snapshots is absent; saves that change nothing, tags and custom fields are not
// (contract/netbox, webhook conditions).
var watched = []string{"spec", "name", "namespace", "labels", "annotations", "fabric", "auto_sync"}

// Webhook makes sure that NetBox tells PayloadURL about every change of the kinds. Two reading requests when all is
// right (besides probing, once per connection), one more for each thing to make or repair.
func Webhook(ctx context.Context, o Options) (Result, error) {
	if err := o.check(); err != nil {
		return Result{}, fmt.Errorf("set up the webhook: %w", err)
	}
	caps, err := o.Connection.Capabilities(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("set up the webhook: %w", err)
	}
	types, err := objectTypes(caps, o.Kinds)
	if err != nil {
		return Result{}, fmt.Errorf("set up the webhook: %w", err)
	}
	res := Result{ObjectTypes: types}
	c := newClient(o.Connection, o.Secret)
	version := parseMinor(caps.Version)
	if err := ensureWebhook(ctx, c, o, version, &res); err != nil {
		return res, fmt.Errorf("set up webhook %q in netbox %s: %w", o.Name, o.Connection.Name(), err)
	}
	if err := ensureRule(ctx, c, o, version, caps, &res); err != nil {
		return res, fmt.Errorf("set up event rule %q in netbox %s: %w", o.Name, o.Connection.Name(), err)
	}
	return res, nil
}

func (o Options) check() error {
	if o.Connection == nil {
		return errors.New("no connection")
	}
	if o.Name == "" || len(o.Name) > 100 || strings.ContainsFunc(o.Name, func(r rune) bool { return r < ' ' }) {
		return errors.New("the name must have 1 to 100 characters")
	}
	if strings.TrimSpace(o.Secret) == "" || len(o.Secret) > 255 {
		return errors.New("the secret must have 1 to 255 characters: without one NetBox does not sign")
	}
	u, err := url.Parse(o.PayloadURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return errors.New("the payload URL must be http:// or https:// without a password")
	}
	// NetBox renders the URL as a template.
	if len(o.PayloadURL) > 500 || strings.Contains(o.PayloadURL, "{{") || strings.Contains(o.PayloadURL, "{%") {
		return errors.New("the payload URL must be shorter than 500 characters and hold no template")
	}
	return nil
}

// objectTypes are the types of the kinds, refusing those that are not safe.
func objectTypes(caps *gitops.Capabilities, kinds []string) ([]string, error) {
	if kinds == nil {
		for kind, k := range caps.Kinds {
			if k.Events {
				kinds = append(kinds, kind)
			}
		}
	}
	var types []string
	for _, kind := range slices.Sorted(slices.Values(kinds)) {
		k, known := caps.Kinds[kind]
		if t := netbox.ObjectType(kind); known && k.Events && t != "" {
			types = append(types, t)
			continue
		}
		if k.Reason == "" {
			k.Reason, k.Workaround = "no such kind", "see the list of supported kinds"
		}
		return nil, &UnsafeKindError{Kind: kind, Reason: k.Reason, Workaround: k.Workaround}
	}
	if len(types) == 0 {
		return nil, errors.New("there is no kind that an event rule may cover")
	}
	slices.Sort(types)
	return slices.Compact(types), nil
}

// webhook is the part of NetBox's webhook that is looked at.
type webhook struct {
	ID                int64  `json:"id"`
	Name              string `json:"name"`
	PayloadURL        string `json:"payload_url"`
	HTTPMethod        string `json:"http_method"`
	HTTPContentType   string `json:"http_content_type"`
	AdditionalHeaders string `json:"additional_headers"`
	BodyTemplate      string `json:"body_template"`
	Secret            string `json:"secret"`
}

// headers are added to every delivery: NetBox itself sends neither the event nor an id. The name of the request id
// in templates changed with 4.6.
func headers(version [2]int) string {
	id := "request.id"
	if version[0] < 4 || version[0] == 4 && version[1] < 6 {
		id = "request_id"
	}
	return "X-NetBox-Event: {{ event }}\nX-NetBox-Request: {{ " + id + " }}"
}

func ensureWebhook(ctx context.Context, c *client, o Options, version [2]int, res *Result) error {
	var have []webhook
	for offset := int32(0); ; offset += pageSize {
		_, resp, err := c.api.ExtrasAPI.ExtrasWebhooksList(ctx).Name([]string{o.Name}).Limit(pageSize).Offset(offset).Execute()
		page, more, err := list[webhook](c, resp, err)
		if err != nil {
			return fmt.Errorf("list webhooks: %w", err)
		}
		have = append(have, page...)
		if !more {
			break
		}
	}
	want := webhook{Name: o.Name, PayloadURL: o.PayloadURL, HTTPMethod: "POST", HTTPContentType: "application/json", AdditionalHeaders: headers(version), Secret: o.Secret}
	// NetBox ignores filters it does not know: the name is compared here.
	i := slices.IndexFunc(have, func(w webhook) bool { return w.Name == o.Name })
	if i < 0 {
		req := nb.NewWebhookRequest(want.Name, want.PayloadURL)
		req.HttpMethod = nb.PATCHEDWEBHOOKREQUESTHTTPMETHOD_POST.Ptr()
		req.HttpContentType, req.AdditionalHeaders, req.Secret = &want.HTTPContentType, &want.AdditionalHeaders, &want.Secret
		req.SslVerification = nb.PtrBool(true)
		_, resp, err := c.api.ExtrasAPI.ExtrasWebhooksCreate(ctx).WebhookRequest(*req).Execute()
		made, err := one[webhook](c, resp, err)
		if err != nil {
			return fmt.Errorf("create: %w", err)
		}
		res.WebhookID = made.ID
		res.Changed = append(res.Changed, "created webhook "+o.Name)
		return nil
	}
	got := have[i]
	res.WebhookID = got.ID
	want.ID = got.ID
	got.AdditionalHeaders = strings.TrimSpace(strings.ReplaceAll(got.AdditionalHeaders, "\r\n", "\n"))
	if got == want {
		return nil
	}
	patch := nb.NewPatchedWebhookRequest()
	var fields []string
	set := func(name string, differs bool, apply func()) {
		if differs {
			apply()
			fields = append(fields, name)
		}
	}
	set("payload URL", got.PayloadURL != want.PayloadURL, func() { patch.PayloadUrl = &want.PayloadURL })
	set("method", got.HTTPMethod != want.HTTPMethod, func() { patch.HttpMethod = nb.PATCHEDWEBHOOKREQUESTHTTPMETHOD_POST.Ptr() })
	set("content type", got.HTTPContentType != want.HTTPContentType, func() { patch.HttpContentType = &want.HTTPContentType })
	set("headers", got.AdditionalHeaders != want.AdditionalHeaders, func() { patch.AdditionalHeaders = &want.AdditionalHeaders })
	set("body template", got.BodyTemplate != want.BodyTemplate, func() { patch.BodyTemplate = &want.BodyTemplate })
	set("secret", got.Secret != want.Secret, func() { patch.Secret = &want.Secret })
	_, resp, err := c.api.ExtrasAPI.ExtrasWebhooksPartialUpdate(ctx, int32(got.ID)).PatchedWebhookRequest(*patch).Execute()
	if _, err := one[webhook](c, resp, err); err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	res.Changed = append(res.Changed, "repaired webhook "+o.Name+": "+strings.Join(fields, ", "))
	return nil
}

// rule is the part of NetBox's event rule that is looked at.
type rule struct {
	ID               int64    `json:"id"`
	Name             string   `json:"name"`
	Enabled          bool     `json:"enabled"`
	ObjectTypes      []string `json:"object_types"`
	EventTypes       []string `json:"event_types"`
	Conditions       any      `json:"conditions"`
	ActionType       choice   `json:"action_type"`
	ActionObjectType string   `json:"action_object_type"`
	ActionObjectID   int64    `json:"action_object_id"`
}

type choice struct {
	Value string `json:"value"`
}

func conditions(version [2]int) any {
	if version[0] < 4 || version[0] == 4 && version[1] < 7 {
		return nil // the operator "changed" came with 4.7; before, every save is told
	}
	var or []any
	for _, attr := range watched {
		or = append(or, map[string]any{"attr": attr, "op": "changed"})
	}
	return map[string]any{"or": or}
}

func ensureRule(ctx context.Context, c *client, o Options, version [2]int, caps *gitops.Capabilities, res *Result) error {
	var have []rule
	for offset := int32(0); ; offset += pageSize {
		_, resp, err := c.api.ExtrasAPI.ExtrasEventRulesList(ctx).Limit(pageSize).Offset(offset).Execute()
		page, more, err := list[rule](c, resp, err)
		if err != nil {
			return fmt.Errorf("list event rules: %w", err)
		}
		have = append(have, page...)
		if !more {
			break
		}
	}
	for _, r := range have {
		if r.Name != o.Name {
			res.Warnings = append(res.Warnings, harm(r, caps, c.printable)...)
		}
	}
	slices.Sort(res.Warnings)
	want := rule{Name: o.Name, Enabled: true, ObjectTypes: res.ObjectTypes, EventTypes: eventTypes, Conditions: conditions(version),
		ActionType: choice{"webhook"}, ActionObjectType: "extras.webhook", ActionObjectID: res.WebhookID}
	events := make([]nb.EventRuleEventTypesInner, len(eventTypes))
	for i, e := range eventTypes {
		events[i] = nb.EventRuleEventTypesInner(e)
	}
	i := slices.IndexFunc(have, func(r rule) bool { return r.Name == o.Name })
	if i < 0 {
		req := nb.NewWritableEventRuleRequest(want.ObjectTypes, want.Name, events, want.ActionObjectType)
		req.ActionType = nb.EVENTRULEACTIONTYPEVALUE_WEBHOOK.Ptr()
		req.SetActionObjectId(want.ActionObjectID)
		req.SetEnabled(true)
		req.Conditions = want.Conditions
		_, resp, err := c.api.ExtrasAPI.ExtrasEventRulesCreate(ctx).WritableEventRuleRequest(*req).Execute()
		made, err := one[rule](c, resp, err)
		if err != nil {
			return fmt.Errorf("create: %w", err)
		}
		res.EventRuleID = made.ID
		res.Changed = append(res.Changed, "created event rule "+o.Name)
		return nil
	}
	got := have[i]
	res.EventRuleID = got.ID
	patch := nb.NewPatchedWritableEventRuleRequest()
	var fields []string
	set := func(name string, differs bool, apply func()) {
		if differs {
			apply()
			fields = append(fields, name)
		}
	}
	set("object types", !slices.Equal(sorted(got.ObjectTypes), want.ObjectTypes), func() { patch.ObjectTypes = want.ObjectTypes })
	set("event types", !slices.Equal(sorted(got.EventTypes), want.EventTypes), func() { patch.EventTypes = events })
	set("conditions", !reflect.DeepEqual(got.Conditions, want.Conditions), func() {
		// As an additional property, because a null would be left out otherwise.
		patch.AdditionalProperties = map[string]any{"conditions": want.Conditions}
	})
	set("enabled", !got.Enabled, func() { patch.SetEnabled(true) })
	set("action", got.ActionType != want.ActionType || got.ActionObjectType != want.ActionObjectType || got.ActionObjectID != want.ActionObjectID, func() {
		patch.ActionType = nb.EVENTRULEACTIONTYPEVALUE_WEBHOOK.Ptr()
		patch.ActionObjectType = &want.ActionObjectType
		patch.SetActionObjectId(want.ActionObjectID)
	})
	if len(fields) == 0 {
		return nil
	}
	_, resp, err := c.api.ExtrasAPI.ExtrasEventRulesPartialUpdate(ctx, int32(got.ID)).PatchedWritableEventRuleRequest(*patch).Execute()
	if _, err := one[rule](c, resp, err); err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	res.Changed = append(res.Changed, "repaired event rule "+o.Name+": "+strings.Join(fields, ", "))
	return nil
}

// harm says what an enabled rule of someone else breaks: any rule on saves of a type without a page, whatever its
// conditions (contract/hnp §3), and any that sends fabrics out with their secrets.
func harm(r rule, caps *gitops.Capabilities, printable func(string) string) []string {
	saves := slices.Contains(r.EventTypes, "object_created") || slices.Contains(r.EventTypes, "object_updated")
	if !r.Enabled {
		return nil
	}
	var out []string
	for _, t := range sorted(r.ObjectTypes) {
		if t == fabricType {
			out = append(out, fmt.Sprintf("event rule %q covers %s: its events hold the fabric's Kubernetes token and certificate", printable(r.Name), t))
		}
		kind, ok := netbox.KindOfType(t)
		if saves && ok && !caps.Kinds[kind].Events {
			out = append(out, fmt.Sprintf("event rule %q covers %s: NetBox answers 500 to every save of %s, which is saved all the same", printable(r.Name), t, kind))
		}
	}
	return out
}

func sorted(s []string) []string { return slices.Compact(slices.Sorted(slices.Values(s))) }

func parseMinor(version string) (v [2]int) {
	_, _ = fmt.Sscanf(version, "%d.%d", &v[0], &v[1])
	return v
}
