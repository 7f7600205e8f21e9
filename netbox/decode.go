package netbox

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/manifests"
)

// rowFields is what is asked of every object: 30 to 70 times faster than whole objects, and without display_url,
// which five kinds cannot give (contract/hnp §2).
const rowFields = "id,fabric,name,namespace,spec,labels,annotations,auto_sync,last_updated"

// maxName is the plugin's limit for name and namespace.
const maxName = 253

// row decodes one object. Every column but spec, labels and annotations has one possible type, and another one is an
// error: it means that this is not the API it is taken for. The three are free JSON in the plugin; they are passed
// on as they are, labels and annotations that are no mapping included.
func (t table) row(m map[string]any) (obj gitops.NetBoxObject, fabric int64, err error) {
	if obj.PK, err = positive(m, "id"); err != nil {
		return obj, 0, err
	}
	fail := func(err error) (gitops.NetBoxObject, int64, error) {
		return gitops.NetBoxObject{}, 0, fmt.Errorf("%s %d: %w", t.kind, obj.PK, err)
	}
	if fabric, err = positive(m, "fabric"); err != nil {
		return fail(err)
	}
	name, err := nameIn(m, "name")
	if err != nil {
		return fail(err)
	}
	namespace, err := nameIn(m, "namespace")
	if err != nil {
		return fail(err)
	}
	obj.Key = t.key(namespace, name)
	if obj.LastUpdated, err = lastUpdatedIn(m); err != nil {
		return fail(err)
	}
	switch v := m["auto_sync"].(type) {
	case bool:
		obj.AutoSync = v
	default:
		return fail(fmt.Errorf("auto_sync is %s, not true or false", jsonType(v)))
	}
	for _, column := range []string{"spec", "labels", "annotations"} {
		if _, ok := m[column]; !ok {
			return fail(fmt.Errorf("%s is missing", column))
		}
	}
	obj.Body = body(m)
	return obj, fabric, nil
}

// snapshot decodes the raw columns of a change row, without id, last_updated and auto_sync being certain.
func (t table) snapshot(pk int64, m map[string]any) (*gitops.NetBoxObject, error) {
	name, err := nameIn(m, "name")
	if err != nil {
		return nil, err
	}
	namespace, err := nameIn(m, "namespace")
	if err != nil {
		return nil, err
	}
	obj := &gitops.NetBoxObject{PK: pk, Key: t.key(namespace, name), Body: body(m), AutoSync: true}
	if v, ok := m["auto_sync"].(bool); ok {
		obj.AutoSync = v
	}
	return obj, nil
}

// body has the shape NetBoxObject.Body says. A spec that NetBox holds as JSON text in a string is that JSON: empty
// specs can be stored in no other way (contract/hnp §4). A string that is no JSON stays one.
func body(m map[string]any) manifests.Object {
	spec := m["spec"]
	if s, ok := spec.(string); ok {
		if v, err := decodeJSON([]byte(s)); err == nil {
			spec = v
		}
	}
	return manifests.Object{"spec": spec, "metadata": map[string]any{"labels": m["labels"], "annotations": m["annotations"]}}
}

// positive reads a primary key: a positive integral number, written as NetBox writes it.
func positive(m map[string]any, field string) (int64, error) {
	v, ok := m[field]
	if !ok {
		return 0, fmt.Errorf("%s is missing", field)
	}
	n, ok := v.(json.Number)
	if !ok {
		return 0, fmt.Errorf("%s is %s, not a number", field, jsonType(v))
	}
	i, err := strconv.ParseInt(string(n), 10, 64)
	if err != nil || i <= 0 {
		return 0, fmt.Errorf("%s is %s, not a positive whole number", field, clean(string(n), 40))
	}
	return i, nil
}

func textIn(m map[string]any, field string) (string, error) {
	v, ok := m[field]
	if !ok {
		return "", fmt.Errorf("%s is missing", field)
	}
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("%s is %s, not a text", field, jsonType(v))
	}
	return s, nil
}

// nameIn reads a name or namespace. The plugin accepts DNS-1123 names only; what is refused here cannot be a file
// name or would deceive in a message.
func nameIn(m map[string]any, field string) (string, error) {
	s, err := textIn(m, field)
	if err != nil {
		return "", err
	}
	if s == "" || len(s) > maxName || !utf8.ValidString(s) {
		return "", fmt.Errorf("%s is empty or longer than %d bytes", field, maxName)
	}
	for _, r := range s {
		if r == '/' || r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsGraphic(r) {
			return "", fmt.Errorf("%s %q holds a character no resource name has", field, clean(s, 80))
		}
	}
	return s, nil
}

func lastUpdatedIn(m map[string]any) (string, error) {
	s, err := textIn(m, "last_updated")
	if err != nil {
		return "", err
	}
	return ETagTime(s)
}

var timePattern = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$`)

// ETagTime turns NetBox's last_updated into the form its ETags have: UTC written "+00:00", the fraction as sent. A
// NetBox with another TIME_ZONE shows that zone in JSON, while the ETag stays in UTC (contract/netbox, ETag).
func ETagTime(s string) (string, error) {
	p := timePattern.FindStringSubmatch(s)
	if p == nil {
		return "", fmt.Errorf("%q is no time as NetBox writes it", clean(s, 60))
	}
	t, err := time.Parse(time.RFC3339, p[1]+p[3])
	if err != nil {
		return "", fmt.Errorf("%q is no valid time", clean(s, 60))
	}
	t = t.UTC()
	if t.Year() < 1 || t.Year() > 9999 {
		return "", fmt.Errorf("%q is no valid time", clean(s, 60))
	}
	return t.Format("2006-01-02T15:04:05") + p[2] + "+00:00", nil
}

// etag is the entity tag of an object that was last updated then.
func etag(lastUpdated string) string { return `W/"` + lastUpdated + `"` }

// emptySpec reports a spec that NetBox refuses as blank: absent, null, or without members.
func emptySpec(body manifests.Object) bool {
	switch spec := body["spec"].(type) {
	case nil:
		return true
	case map[string]any:
		return len(spec) == 0
	default:
		return false
	}
}

func jsonType(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a text"
	case json.Number:
		return "a number"
	case []any:
		return "a list"
	case map[string]any:
		return "a mapping"
	default:
		return fmt.Sprintf("%T", v)
	}
}

// count reads a JSON number that is a whole number not below zero.
func count(v any) (int, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	i, err := strconv.ParseInt(string(n), 10, 32)
	return int(i), err == nil && i >= 0
}
