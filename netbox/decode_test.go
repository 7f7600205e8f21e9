package netbox

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/hnp-sync/hnp-sync/manifests"
)

func TestETagTime(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"2026-11-23T13:16:16.273107Z":      "2026-11-23T13:16:16.273107+00:00",
		"2026-11-23T13:16:16Z":             "2026-11-23T13:16:16+00:00", // Python leaves a zero fraction out
		"2026-11-23T14:16:16.273107+01:00": "2026-11-23T13:16:16.273107+00:00",
		"2026-01-01T00:30:00.000001+05:45": "2025-12-31T18:45:00.000001+00:00",
		"2026-11-23T13:16:16.273107+00:00": "2026-11-23T13:16:16.273107+00:00",
		"2026-11-23 13:16:16Z":             "",
		"2026-13-23T13:16:16Z":             "",
		"2026-11-23T13:16:16.1234567Z":     "",
		"0000-01-01T00:00:00+23:59":        "",
		`2026-11-23T13:16:16Z", "x`:        "",
		"":                                 "",
	} {
		got, err := ETagTime(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("ETagTime(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
}

// The ETag header of every recorded answer is what the body's last_updated says.
func TestETagTimeOfRecordedAnswers(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, file := range []string{"concurrency.json", "validation.json", "events.json", "empty_spec.json", "extra.json"} {
		for _, e := range recorded(t, file) {
			var body struct {
				LastUpdated string `json:"last_updated"`
			}
			if e.Response.Headers["ETag"] == "" || json.Unmarshal(e.Response.Body, &body) != nil || body.LastUpdated == "" {
				continue
			}
			at, err := ETagTime(body.LastUpdated)
			if err != nil || etag(at) != e.Response.Headers["ETag"] {
				t.Errorf("%s: %q → %q, %v, header %s", e.Name, body.LastUpdated, etag(at), err, e.Response.Headers["ETag"])
			}
			checked++
		}
	}
	if checked < 50 {
		t.Errorf("only %d answers checked", checked)
	}
}

func TestRow(t *testing.T) {
	t.Parallel()
	tbl, _ := tableOf("VPC")
	fields := map[string]string{"id": "7", "fabric": "1", "name": `"v"`, "namespace": `"default"`, "spec": `{"a":1e3}`, "labels": "{}", "annotations": "{}", "auto_sync": "true", "last_updated": `"2026-11-23T13:16:16.273107Z"`}
	row := func(field, value string) (map[string]any, bool) {
		var parts []string
		for k, v := range fields {
			if k == field {
				if value == "" {
					continue
				}
				v = value
			}
			parts = append(parts, `"`+k+`":`+v)
		}
		v, err := decodeJSON([]byte("{" + strings.Join(parts, ",") + "}"))
		m, ok := v.(map[string]any)
		return m, err == nil && ok
	}
	for name, tc := range map[string]struct{ field, value, want string }{
		"no id":                {"id", "", "id is missing"},
		"id as text":           {"id", `"7"`, "id is a text"},
		"id negative":          {"id", "-7", "not a positive whole number"},
		"id huge":              {"id", "99999999999999999999", "not a positive whole number"},
		"id with fraction":     {"id", "7.0", "not a positive whole number"},
		"fabric as mapping":    {"fabric", `{"id":1}`, "VPC 7: fabric is a mapping"},
		"fabric null":          {"fabric", "null", "VPC 7: fabric is null"},
		"name empty":           {"name", `""`, "name is empty"},
		"name a path":          {"name", `"../x"`, "no resource name has"},
		"name with newline":    {"name", `"a\nb"`, "no resource name has"},
		"name reversed":        {"name", `"a\u202eb"`, "no resource name has"},
		"name too long":        {"name", `"` + strings.Repeat("x", 254) + `"`, "longer than 253"},
		"name a list":          {"name", `["v"]`, "name is a list"},
		"namespace missing":    {"namespace", "", "namespace is missing"},
		"auto_sync as text":    {"auto_sync", `"yes"`, "auto_sync is a text"},
		"auto_sync missing":    {"auto_sync", "", "auto_sync is null"},
		"last_updated null":    {"last_updated", "null", "last_updated is null"},
		"last_updated garbage": {"last_updated", `"today"`, "no time as NetBox writes it"},
		"spec missing":         {"spec", "", "spec is missing"},
		"labels missing":       {"labels", "", "labels is missing"},
	} {
		m, ok := row(tc.field, tc.value)
		if !ok {
			t.Fatalf("%s: bad test", name)
		}
		if _, _, err := tbl.row(m); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %q", name, err, tc.want)
		}
	}
	for name, tc := range map[string]struct {
		spec string
		want any
	}{
		"object":             {`{"a":1e3}`, map[string]any{"a": json.Number("1e3")}},
		"text {}":            {`"{}"`, map[string]any{}},
		"text with JSON":     {`"{\"vlan\": 1000.0}"`, map[string]any{"vlan": json.Number("1000.0")}},
		"text null":          {`"null"`, nil},
		"text without JSON":  {`"not json"`, "not json"},
		"text with two JSON": {`"{} {}"`, "{} {}"},
		"list":               {`[1]`, []any{json.Number("1")}},
		"number":             {`12345678901234567890`, json.Number("12345678901234567890")},
	} {
		m, _ := row("spec", tc.spec)
		obj, fabric, err := tbl.row(m)
		if err != nil || fabric != 1 || !reflect.DeepEqual(obj.Body["spec"], tc.want) {
			t.Errorf("%s: %v (fabric %d, %v), want %v", name, obj.Body["spec"], fabric, err, tc.want)
		}
	}
	// The plugin stores whatever labels it is given; one odd row must not hide its kind.
	m, _ := row("labels", `["x"]`)
	obj, _, err := tbl.row(m)
	if err != nil || !reflect.DeepEqual(obj.Body["metadata"].(map[string]any)["labels"], []any{"x"}) {
		t.Errorf("labels that are a list: %v, %v", obj.Body, err)
	}
	if obj.Key != vpcKey("v") || obj.PK != 7 || !obj.AutoSync || obj.LastUpdated != "2026-11-23T13:16:16.273107+00:00" {
		t.Errorf("row: %+v", obj)
	}
}

// Every object of the recorded lists of the real input decodes, empty specs as empty mappings.
func TestRecordedLists(t *testing.T) {
	t.Parallel()
	rows, empty := 0, 0
	for _, e := range recorded(t, "prepop_lists.json") {
		var tbl table
		for _, x := range tables {
			if strings.HasPrefix(e.Request.Path, x.list()) {
				tbl = x
			}
		}
		if tbl.kind == "" || e.Response.Status != 200 {
			continue
		}
		v, err := decodeJSON(e.Response.Body)
		if err != nil {
			t.Fatal(err)
		}
		results, total, more, err := listAnswer(v.(map[string]any))
		if err != nil || total != len(results) || more {
			t.Fatalf("%s: %d of %d, %v", e.Name, len(results), total, err)
		}
		for _, r := range results {
			obj, _, err := tbl.row(r.(map[string]any))
			if err != nil {
				t.Fatalf("%s: %v", e.Name, err)
			}
			rows++
			if spec, ok := obj.Body["spec"].(map[string]any); ok && len(spec) == 0 {
				empty++
			}
			if k, ok := manifests.LookupKind(obj.Key.Group, obj.Key.Kind); !ok || k.Role != manifests.RoleUser {
				t.Errorf("%v is of no registered kind", obj.Key)
			}
		}
	}
	if rows != 46 || empty != 3 {
		t.Errorf("%d rows, %d empty specs; the real input has 46 and 3 switch groups", rows, empty)
	}
}

func TestObjectTypes(t *testing.T) {
	t.Parallel()
	if len(Kinds()) != 12 {
		t.Errorf("%d kinds", len(Kinds()))
	}
	for _, kind := range Kinds() {
		back, ok := KindOfType(ObjectType(kind))
		if !ok || back != kind {
			t.Errorf("%s → %s → %s", kind, ObjectType(kind), back)
		}
	}
	for _, other := range []string{"netbox_hedgehog.hedgehogfabric", "vpc", "dcim.site", "", "netbox_hedgehog.", "netbox_hedgehog.VPC"} {
		if kind, ok := KindOfType(other); ok {
			t.Errorf("%q is taken for %s", other, kind)
		}
	}
	if ObjectType("Gateway") != "" || ObjectType("Switch") != "netbox_hedgehog.switch" {
		t.Error("object types")
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a\n\tb  c\r\n":         "a b c",
		"\x1b[31mred\x00":       "[31mred",
		"a\u202eb\u200bc":       "abc",
		"\xff\xfe":              "",
		strings.Repeat("x", 50): strings.Repeat("x", 16) + "…",
	} {
		if got := clean(in, 20); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzRow(f *testing.F) {
	f.Add([]byte(vpc(1, 1, "v")))
	f.Add([]byte(`{"id":1,"fabric":1,"name":"x","namespace":"y","spec":"{\"a\":[1e999999999]}","labels":null,"annotations":[],"auto_sync":false,"last_updated":"2026-11-23T14:16:16+01:00"}`))
	tbl, _ := tableOf("VPC")
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := decodeJSON(data)
		if err != nil {
			return
		}
		m, ok := v.(map[string]any)
		if !ok {
			return
		}
		obj, fabric, err := tbl.row(m)
		if err != nil {
			return
		}
		if obj.PK <= 0 || fabric <= 0 || obj.Key.Name == "" || !strings.HasSuffix(obj.LastUpdated, "+00:00") {
			t.Fatalf("accepted %+v", obj)
		}
		if strings.ContainsAny(obj.Key.Name+obj.Key.Namespace, "/\n\r\x00 ") {
			t.Fatalf("accepted the name %q", obj.Key)
		}
		if _, err := json.Marshal(obj.Body); err != nil {
			t.Fatalf("body cannot be written: %v", err)
		}
	})
}

func FuzzErrorText(f *testing.F) {
	f.Add([]byte(`{"detail":"1 of 2","errors":[{"index":1,"errors":{"name":["bad"]}}]}`))
	f.Add([]byte(`[{},{"name":["x"]}]`))
	f.Add([]byte("<html><title>x</title>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &Connection{token: testToken}
		if v, err := decodeJSON(data); err == nil {
			if s := c.text(errorText(v, 0), maxWords); len(s) > maxWords || strings.ContainsAny(s, "\n\r\x1b") {
				t.Fatalf("%q", s)
			}
		}
		if s := c.text(htmlTitle(data), 200); len(s) > 200 {
			t.Fatalf("%q", s)
		}
	})
}

func FuzzChangeRow(f *testing.F) {
	f.Add([]byte(`{"id":11,"time":"2026-11-23T13:17:47.619054Z","user_name":"admin","request_id":"r","action":{"value":"create"},"changed_object_type":"netbox_hedgehog.vpc","changed_object_id":1,"message":"m","prechange_data":{},"postchange_data":{"name":"a","namespace":"default","spec":{}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := decodeJSON(data)
		if err != nil {
			return
		}
		if r, err := changeRow(v); err == nil && (r.ID <= 0 || r.PK <= 0 || r.Time.IsZero() && r.Action == "") {
			t.Fatalf("accepted %+v", r)
		}
	})
}
