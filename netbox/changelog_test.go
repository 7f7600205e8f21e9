package netbox

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
)

const changesURL = "GET /api/core/object-changes/?"

func change(id int64, objectType, action string, pk int64, more string) string {
	return fmt.Sprintf(`{"id":%d,"time":"2026-11-23T13:17:47.619054Z","user_name":"alice","request_id":"fe0299c0","action":{"value":%q,"label":"x"},"changed_object_type":%q,"changed_object_id":%d,"message":"m%d"%s}`, id, action, objectType, pk, id, more)
}

func TestFeed(t *testing.T) {
	t.Parallel()
	s := newScript(t, func(n int, c call) reply {
		h := map[string]string{"Date": "Mon, 23 Nov 2026 13:20:00 GMT"}
		switch n {
		case 0:
			return reply{header: h, body: page(4, true, change(5, "netbox_hedgehog.vpc", "create", 1, ""), change(7, "netbox_hedgehog.external", "delete", 2, `,"user":null`))}
		default:
			return reply{body: page(2, false, change(7, "netbox_hedgehog.external", "delete", 2, ""), change(9, "dcim.site", "update", 2, ""), change(10, "netbox_hedgehog.switch", "update", 3, ""))}
		}
	})
	got, err := dial(t, s.URL, nil).Fabric(1).Feed(t.Context(), 5)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 13, 17, 47, 619054000, time.UTC)
	row := func(id int64, action, kind string, pk int64) gitops.ChangeRow {
		return gitops.ChangeRow{ID: id, Time: at, RequestID: "fe0299c0", User: "alice", Action: action, Kind: kind, PK: pk, Message: fmt.Sprintf("m%d", id)}
	}
	want := &gitops.FeedPage{Rows: []gitops.ChangeRow{row(5, "create", "VPC", 1), row(7, "delete", "External", 2), row(10, "update", "Switch", 3)}, Now: time.Date(2026, 11, 23, 13, 20, 0, 0, time.UTC)}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	types := ""
	for _, tbl := range tables {
		types += "changed_object_type=" + tbl.objectType() + "&"
	}
	const n = "ordering=id&limit=1000&fields=id,time,user_name,request_id,action,changed_object_type,changed_object_id,message"
	if reqs := s.requests(); !slices.Equal(reqs, []string{changesURL + "id__gte=5&" + types + n, changesURL + "id__gte=7&" + types + n}) {
		t.Errorf("requests %q", reqs)
	}
}

func TestFeedIsBounded(t *testing.T) {
	t.Parallel()
	s := newScript(t, func(n int, _ call) reply {
		return reply{body: page(100, true, change(int64(n+1), "netbox_hedgehog.vpc", "update", 1, ""), change(int64(n+2), "netbox_hedgehog.vpc", "update", 1, ""))}
	})
	got, err := dial(t, s.URL, nil).Fabric(1).Feed(t.Context(), 0)
	if err != nil || !got.Truncated || len(got.Rows) != 11 || len(s.requests()) != 10 {
		t.Errorf("%d rows, truncated %v, %d requests, %v", len(got.Rows), got.Truncated, len(s.requests()), err)
	}
	if strings.Contains(s.requests()[0], "id__gte") {
		t.Error("the first request asks from 0")
	}
}

func TestOperationRows(t *testing.T) {
	t.Parallel()
	const op = "sync_20261123_131616_abcdef"
	with := func(row, message string) string {
		i := strings.Index(row, `"message":`)
		j := strings.Index(row[i:], `,"prechange`)
		return row[:i] + `"message":"` + message + `"` + row[i+j:]
	}
	s := newScript(t, func(int, call) reply {
		return reply{body: page(3, false,
			with(change(1, "netbox_hedgehog.vpc", "create", 1, `,"prechange_data":{},"postchange_data":{"name":"a","namespace":"default","spec":"{}","labels":{},"annotations":{},"fabric":1,"auto_sync":false,"custom_fields":{}}`), op),
			with(change(2, "netbox_hedgehog.vpc", "update", 1, `,"prechange_data":null,"postchange_data":null`), "retry of "+op),
			with(change(3, "netbox_hedgehog.vpc", "delete", 1, `,"prechange_data":{"name":"a","namespace":"ns","spec":{"y":9},"labels":{},"annotations":{}},"postchange_data":null`), op))}
	})
	rows, err := dial(t, s.URL, nil).Fabric(1).OperationRows(t.Context(), op)
	if err != nil || len(rows) != 2 {
		t.Fatal(rows, err)
	}
	if rows[0].Pre != nil || rows[0].Post.Key != vpcKey("a") || !emptySpec(rows[0].Post.Body) || rows[0].Post.AutoSync || rows[0].Post.PK != 1 {
		t.Errorf("created: %+v", rows[0])
	}
	if rows[1].Post != nil || rows[1].Pre.Key.Namespace != "ns" {
		t.Errorf("deleted: %+v", rows[1])
	}
	q := s.last().Query
	if !strings.HasPrefix(q, "q="+op+"&changed_object_type=") || !strings.HasSuffix(q, "message,prechange_data,postchange_data") || len(s.requests()) != 1 {
		t.Errorf("asked %q", s.requests())
	}
	if _, err := dial(t, s.URL, nil).Fabric(1).OperationRows(t.Context(), ""); err == nil || len(s.requests()) != 1 {
		t.Error("an empty operation id was looked for")
	}
}

func TestDeleteRows(t *testing.T) {
	t.Parallel()
	s := newScript(t, func(n int, c call) reply {
		// Whatever was asked: rows of another object, another kind and another action must not prove a delete.
		return reply{body: page(4, false, change(1, "netbox_hedgehog.vpc", "delete", 900, ""), change(2, "netbox_hedgehog.switch", "delete", 1, ""),
			change(3, "netbox_hedgehog.vpc", "update", 1, ""), change(4, "netbox_hedgehog.vpc", "delete", 1, ""))}
	})
	var pks []int64
	for pk := range int64(150) {
		pks = append(pks, pk+1)
	}
	rows, err := dial(t, s.URL, nil).Fabric(1).DeleteRows(t.Context(), "VPC", pks)
	if err != nil || len(rows) != 1 || rows[0].ID != 4 {
		t.Errorf("%+v, %v", rows, err)
	}
	if len(s.requests()) != 2 {
		t.Errorf("%d requests for 150 objects", len(s.requests()))
	}
	q, err := url.ParseQuery(s.last().Query)
	if err != nil || len(q["changed_object_id"]) != 50 || q.Get("action") != "delete" || !slices.Equal(q["changed_object_type"], []string{"netbox_hedgehog.vpc"}) {
		t.Errorf("asked %v", q)
	}
	if _, err := dial(t, s.URL, nil).Fabric(1).DeleteRows(t.Context(), "Gateway", pks); err == nil {
		t.Error("a kind without a table")
	}
	if rows, err := dial(t, s.URL, nil).Fabric(1).DeleteRows(t.Context(), "VPC", nil); rows != nil || err != nil {
		t.Error("no objects")
	}
}

func TestFeedEnds(t *testing.T) {
	t.Parallel()
	s := newScript(t, func(_ int, c call) reply {
		if strings.Contains(c.Query, "ordering=-id") {
			return reply{body: page(9, true, change(99, "dcim.site", "update", 1, ""))}
		}
		return reply{body: page(9, true, change(3, "extras.webhook", "create", 2, ""))}
	})
	oldest, newest, err := dial(t, s.URL, nil).Fabric(1).FeedEnds(t.Context())
	if err != nil || oldest.ID != 3 || newest.ID != 99 || newest.RequestID != "fe0299c0" || oldest.Kind != "" || len(s.requests()) != 2 {
		t.Errorf("%+v %+v %v", oldest, newest, err)
	}
	empty := newScript(t, func(int, call) reply { return reply{body: page(0, false)} })
	oldest, newest, err = dial(t, empty.URL, nil).Fabric(1).FeedEnds(t.Context())
	if err != nil || oldest.ID != 0 || newest.ID != 0 {
		t.Errorf("empty log: %+v %+v %v", oldest, newest, err)
	}
}

// Every reading of the change log under every answer.
func TestChangeLogFailures(t *testing.T) {
	t.Parallel()
	good := change(1, "netbox_hedgehog.vpc", "update", 1, "")
	for name, tc := range map[string]struct {
		answer     reply
		noFeed     bool
		want       string
		notForEnds bool
	}{
		"403":                 {recordedAs(t, "permissions.json", "object-changes without core.view_objectchange").reply(), true, "core.view_objectchange", false},
		"403 token":           {reply{status: 403, body: `{"detail":"Invalid v2 token"}`}, false, "Invalid v2 token", false},
		"401":                 {reply{status: 401}, false, "status 401", false},
		"404 page":            {reply{status: 404, body: "<html><title>Page Not Found</title></html>"}, false, "status 404", false},
		"400":                 {reply{status: 400, body: `{"id__gte":["Enter a number."]}`}, false, "id__gte: Enter a number.", false},
		"500":                 {recordedAs(t, "object_changes.json", "feed external (kind without detail URL)").reply(), false, "ImproperlyConfigured", false},
		"half":                {reply{body: page(1, false, good), half: true}, false, "EOF", false},
		"row is a text":       {reply{body: page(1, false, `"x"`)}, false, "change row is a text", false},
		"no time":             {reply{body: page(1, false, strings.Replace(good, "2026-11-23T", "x", 1))}, false, "is no time", false},
		"no action":           {reply{body: page(1, false, strings.Replace(good, "update", "truncate", 1))}, false, "unknown action", false},
		"type is a number":    {reply{body: page(1, false, strings.Replace(good, `"netbox_hedgehog.vpc"`, "7", 1))}, false, "changed_object_type is a number", false},
		"rows fall":           {reply{body: page(2, false, change(2, "netbox_hedgehog.vpc", "update", 1, ""), good)}, false, "the filter or the order was ignored", true},
		"next without news":   {reply{body: page(9, true)}, false, "nothing new", true},
		"hostile snapshot":    {reply{body: page(1, false, change(1, "netbox_hedgehog.vpc", "update", 1, `,"prechange_data":{"name":7}`))}, false, "prechange_data: name is a number", false},
		"message without end": {reply{body: page(1, false, strings.Replace(good, `"m1"`, `"`+strings.Repeat("x", 2000)+`"`, 1))}, false, "message is longer", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, func(int, call) reply { return tc.answer })
			f := dial(t, s.URL, nil).Fabric(1)
			_, feedErr := f.Feed(t.Context(), 1)
			_, opErr := f.OperationRows(t.Context(), "sync_x")
			_, delErr := f.DeleteRows(t.Context(), "VPC", []int64{1})
			_, _, endErr := f.FeedEnds(t.Context())
			for what, err := range map[string]error{"Feed": feedErr, "OperationRows": opErr, "DeleteRows": delErr, "FeedEnds": endErr} {
				if what == "FeedEnds" && tc.notForEnds {
					continue
				}
				if err == nil || !strings.Contains(err.Error(), tc.want) || errors.Is(err, gitops.ErrNoChangeLog) != tc.noFeed {
					t.Errorf("%s: %v, want %q", what, err, tc.want)
				}
			}
		})
	}
	s := newScript(t, func(int, call) reply { return reply{body: page(1, false, good)} })
	if _, err := dial(t, s.URL, nil).Fabric(1).Feed(t.Context(), 5); err == nil || !strings.Contains(err.Error(), "ignored") {
		t.Errorf("a row in front of the cursor: %v", err)
	}
}

// The recorded rows of the real change log decode.
func TestRecordedChangeRows(t *testing.T) {
	t.Parallel()
	n := 0
	for _, e := range recorded(t, "object_changes.json") {
		if e.Response.Status != 200 || !strings.Contains(e.Request.Path, "object-changes") || strings.Contains(e.Request.Path, "hedgehogfabric") || strings.Contains(e.Request.Path, "omit=changed_object,prechange") {
			continue
		}
		v, err := decodeJSON(e.Response.Body)
		if err != nil {
			t.Fatal(err)
		}
		results, _, _, err := listAnswer(v.(map[string]any))
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range results {
			r, err := changeRow(item)
			if err != nil || r.User != "admin" || r.RequestID == "" {
				t.Errorf("%s: %+v, %v", e.Name, r, err)
			}
			if r.Action == "delete" && (r.Pre == nil || r.Post != nil) || r.Kind != "" && r.Action == "create" && r.Pre != nil {
				t.Errorf("%s: %+v", e.Name, r)
			}
			n++
		}
	}
	if n < 10 {
		t.Errorf("only %d rows", n)
	}
}
