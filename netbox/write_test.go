package netbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
)

const (
	vpcList   = "/api/plugins/hedgehog/vpcs/"
	operation = "sync_20261123_131616_abcdef"
)

// What goes over the wire, exactly.
func TestWriteRequests(t *testing.T) {
	t.Parallel()
	spec := func(s string) gitops.Write {
		return gitops.Write{Key: vpcKey("v1"), PK: 1, LastUpdated: tag(1), Body: bodyOf(t, s, `{"a":"<1>"}`)}
	}
	columns := func(w gitops.Write, c ...string) gitops.Write { w.Columns = c; return w }
	tags := func(pks ...int64) string {
		var out []string
		for _, pk := range pks {
			out = append(out, `W/"`+tag(pk)+`"`)
		}
		return strings.Join(out, ", ")
	}
	second := columns(spec(`{}`), "labels")
	second.Key, second.PK, second.LastUpdated = vpcKey("v2"), 2, tag(2)
	nilLabels := spec(`{"vlan":1}`)
	nilLabels.Body["metadata"] = map[string]any{}
	for name, tc := range map[string]struct {
		op                   gitops.Op
		items                []gitops.Write
		request, match, body string
	}{
		"create one":                    {gitops.OpCreate, []gitops.Write{spec(`{"vlan":1e3}`)}, "POST " + vpcList + "?omit=display_url", "", `{"annotations":{},"changelog_message":"` + operation + `","fabric":7,"labels":{"a":"<1>"},"name":"v1","namespace":"default","spec":{"vlan":1e3}}`},
		"create with an empty spec":     {gitops.OpCreate, []gitops.Write{spec(`{}`)}, "POST " + vpcList + "?omit=display_url", "", `{"annotations":{},"changelog_message":"` + operation + `","fabric":7,"labels":{"a":"<1>"},"name":"v1","namespace":"default","spec":"{}"}`},
		"create without labels":         {gitops.OpCreate, []gitops.Write{nilLabels}, "POST " + vpcList + "?omit=display_url", "", `{"annotations":{},"changelog_message":"` + operation + `","fabric":7,"labels":{},"name":"v1","namespace":"default","spec":{"vlan":1}}`},
		"create two":                    {gitops.OpCreate, []gitops.Write{spec(`{"vlan":1}`), second}, "POST " + vpcList + "?omit=display_url", "", `[{"annotations":{},"changelog_message":"` + operation + `","fabric":7,"labels":{"a":"<1>"},"name":"v1","namespace":"default","spec":{"vlan":1}},{"annotations":{},"changelog_message":"` + operation + `","fabric":7,"labels":{"a":"<1>"},"name":"v2","namespace":"default","spec":"{}"}]`},
		"update one column":             {gitops.OpUpdate, []gitops.Write{columns(spec(`{"vlan":1}`), "labels")}, "PATCH " + vpcList + "1/?omit=display_url", tags(1), `{"changelog_message":"` + operation + `","labels":{"a":"<1>"}}`},
		"labels of an empty spec":       {gitops.OpUpdate, []gitops.Write{columns(spec(`{}`), "labels")}, "PATCH " + vpcList + "1/?omit=display_url", tags(1), `{"changelog_message":"` + operation + `","labels":{"a":"<1>"},"spec":"{}"}`},
		"spec becomes empty":            {gitops.OpUpdate, []gitops.Write{columns(spec(`{}`), "spec")}, "PATCH " + vpcList + "1/?omit=display_url", tags(1), `{"changelog_message":"` + operation + `","spec":"{}"}`},
		"rename":                        {gitops.OpRename, []gitops.Write{columns(spec(`{"vlan":1}`), "name", "namespace")}, "PATCH " + vpcList + "1/?omit=display_url", tags(1), `{"changelog_message":"` + operation + `","name":"v1","namespace":"default"}`},
		"update two":                    {gitops.OpUpdate, []gitops.Write{columns(spec(`{"vlan":1}`), "spec"), second}, "PATCH " + vpcList + "?omit=display_url", tags(1, 2), `[{"changelog_message":"` + operation + `","id":1,"spec":{"vlan":1}},{"changelog_message":"` + operation + `","id":2,"labels":{"a":"<1>"},"spec":"{}"}]`},
		"delete one":                    {gitops.OpDelete, []gitops.Write{spec(`{"vlan":1}`)}, "DELETE " + vpcList + "1/", tags(1), `{"changelog_message":"` + operation + `"}`},
		"delete two":                    {gitops.OpDelete, []gitops.Write{spec(`{"vlan":1}`), second}, "DELETE " + vpcList, tags(1, 2), `[{"changelog_message":"` + operation + `","id":1},{"changelog_message":"` + operation + `","id":2}]`},
		"fence":                         {gitops.OpFence, []gitops.Write{columns(spec(`{"vlan":1}`), "labels")}, "PATCH " + vpcList + "1/?omit=display_url", tags(1), `{}`},
		"fence of an empty spec":        {gitops.OpFence, []gitops.Write{spec(`{}`)}, "PATCH " + vpcList + "1/?omit=display_url", tags(1), `{"spec":"{}"}`},
		"fence of two":                  {gitops.OpFence, []gitops.Write{spec(`{"vlan":1}`), second}, "PATCH " + vpcList + "?omit=display_url", tags(1, 2), `[{"id":1},{"id":2,"spec":"{}"}]`},
		"fence without known body, tag": {gitops.OpFence, []gitops.Write{{Key: vpcKey("v1"), PK: 1}}, "PATCH " + vpcList + "1/?omit=display_url", "", `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, func(int, call) reply { return reply{status: 400} })
			dial(t, s.URL, known("4.7.3")).Fabric(7).Write(t.Context(), gitops.Batch{Kind: "VPC", Op: tc.op, Operation: operation, Items: tc.items})
			if n := len(s.requests()); n != 1 {
				t.Fatalf("%d requests", n)
			}
			got := s.last()
			if got.String() != tc.request || got.Body != tc.body || strings.Join(got.Header.Values("If-Match"), "\n") != tc.match {
				t.Errorf("sent %s\nIf-Match %q\n%s\nwant %s\nIf-Match %q\n%s", got, got.Header.Values("If-Match"), got.Body, tc.request, tc.match, tc.body)
			}
			if got.Header.Get("Content-Type") != "application/json" {
				t.Error("content type")
			}
		})
	}
}

func TestIfMatchLines(t *testing.T) {
	t.Parallel()
	var items []gitops.Write
	for pk := range int64(450) {
		items = append(items, gitops.Write{LastUpdated: tag(pk)})
	}
	lines := ifMatch(items)
	if len(lines) != 3 || len(lines[0]) > 8168 || strings.Count(strings.Join(lines, ","), "W/") != 450 {
		t.Errorf("%d lines, the first of %d bytes", len(lines), len(lines[0]))
	}
}

// What is not sent at all, and why.
func TestWriteSendsNothing(t *testing.T) {
	t.Parallel()
	batch := func(f func(b *gitops.Batch)) gitops.Batch {
		b := updates(t, 2)
		f(&b)
		return b
	}
	external := func(op gitops.Op) gitops.Batch {
		return batch(func(b *gitops.Batch) {
			b.Kind, b.Op = "External", op
			for i := range b.Items {
				b.Items[i].Key.Kind = "External"
			}
		})
	}
	for name, tc := range map[string]struct {
		version string
		batch   gitops.Batch
		want    string
		message string
	}{
		"delete of a kind without page":          {"4.7.3", external(gitops.OpDelete), "refused refused", "in the database by an administrator"},
		"save of it before 4.5.2":                {"4.5.1", external(gitops.OpUpdate), "refused refused", "upgrade NetBox"},
		"kind without table":                     {"4.7.3", batch(func(b *gitops.Batch) { b.Kind = "Gateway" }), "refused refused", "no table"},
		"bulk delete before 4.7 claims too much": {"4.6.8", batchOf(t, gitops.OpDelete, 2), "batch_refused batch_refused", ""},
		"too much for one request": {"4.7.3", batch(func(b *gitops.Batch) {
			b.Items[0].Body["metadata"] = map[string]any{"labels": map[string]any{"x": strings.Repeat("x", 3<<20)}}
		}), "batch_refused batch_refused", ""},
		"no last_updated":       {"4.7.3", batch(func(b *gitops.Batch) { b.Items[1].LastUpdated = "" }), "not_sent not_sent", ""},
		"no primary key":        {"4.7.3", batch(func(b *gitops.Batch) { b.Items[1].PK = 0 }), "not_sent not_sent", ""},
		"no body":               {"4.7.3", batch(func(b *gitops.Batch) { b.Items[1].Body = nil }), "not_sent not_sent", ""},
		"another kind in it":    {"4.7.3", batch(func(b *gitops.Batch) { b.Items[1].Key.Kind = "Switch" }), "not_sent not_sent", ""},
		"unknown operation":     {"4.7.3", batch(func(b *gitops.Batch) { b.Op = "truncate" }), "not_sent not_sent", ""},
		"operation id too long": {"4.7.3", batch(func(b *gitops.Batch) { b.Operation = strings.Repeat("x", 201) }), "not_sent not_sent", ""},
		"unknown column":        {"4.7.3", batch(func(b *gitops.Batch) { b.Items[0].Columns = []string{"status"} }), "refused refused", "no such column"},
		"number that is none": {"4.7.3", batch(func(b *gitops.Batch) {
			b.Items[0].Body["spec"] = json.Number("1e")
			b.Items[0].Columns = []string{"spec"}
		}), "refused refused", "JSON"},
		"nothing to do": {"4.7.3", gitops.Batch{Kind: "VPC", Op: gitops.OpUpdate}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, func(int, call) reply { return reply{} })
			res := dial(t, s.URL, known(tc.version)).Fabric(1).Write(t.Context(), tc.batch)
			if outcomes(res) != tc.want || len(s.requests()) != 0 {
				t.Errorf("%q after %v (%v)", outcomes(res), s.requests(), res.Err)
			}
			if tc.message != "" && !strings.Contains(res.Items[0].Message, tc.message) {
				t.Errorf("message %q", res.Items[0].Message)
			}
		})
	}
	t.Run("101 items", func(t *testing.T) {
		s := newScript(t, func(int, call) reply { return reply{} })
		res := dial(t, s.URL, known("4.7.3")).Fabric(1).Write(t.Context(), updates(t, 101))
		if len(res.Items) != 101 || res.Items[0].Outcome != gitops.OutcomeNotSent || len(s.requests()) != 0 {
			t.Error(res.Err)
		}
	})
}

// Every status at every write. "s" is a single object, "b" a batch of two.
func TestWriteStatuses(t *testing.T) {
	t.Parallel()
	const page500 = "\n\n<!DOCTYPE html>\n<html><head><title>Server Error</title></head></html>"
	duplicate := `{"error":"duplicate key value violates unique constraint \"netbox_hedgehog_vpc_fabric_id_namespace_name_00ffe0fc_uniq\"\nDETAIL:  Key (fabric_id, namespace, name)=(1, default, v2) already exists.","exception":"IntegrityError","netbox_version":"4.7.3"}`
	all := []gitops.Op{gitops.OpCreate, gitops.OpUpdate, gitops.OpDelete, gitops.OpFence}
	for name, tc := range map[string]struct {
		answer reply
		ops    []gitops.Op
		s, b   string
		retry  time.Duration
	}{
		"400 without names":     {reply{status: 400, body: `{"detail":"JSON parse error"}`}, all, "refused", "batch_refused batch_refused", 0},
		"401":                   {reply{status: 401, body: `{"detail":"no"}`}, all, "not_sent", "not_sent not_sent", 0},
		"403 token":             {reply{status: 403, body: `{"detail":"Invalid v2 token"}`}, all, "not_sent", "not_sent not_sent", 0},
		"403 permission":        {reply{status: 403, body: `{"detail":"You do not have permission to perform this action."}`}, all, "refused", "batch_refused batch_refused", 0},
		"404":                   {reply{status: 404, body: `{"detail":"No VPC matches the given query."}`}, []gitops.Op{gitops.OpUpdate, gitops.OpDelete, gitops.OpFence}, "gone", "refused refused", 0},
		"404 on create":         {reply{status: 404, body: `{"detail":"Not found."}`}, []gitops.Op{gitops.OpCreate}, "refused", "refused refused", 0},
		"404 page":              {reply{status: 404, body: "<html><title>Page Not Found</title></html>"}, all, "refused", "refused refused", 0},
		"405":                   {reply{status: 405, body: `{"detail":"Method not allowed"}`}, all, "refused", "batch_refused batch_refused", 0},
		"408":                   {reply{status: 408}, all, "unknown", "unknown unknown", 0},
		"409":                   {reply{status: 409, body: `{"detail":"Unable to delete object."}`}, all, "refused", "batch_refused batch_refused", 0},
		"412":                   {reply{status: 412, body: `{"detail":"Precondition failed."}`, header: map[string]string{"ETag": `W/"2026-11-23T13:16:16.999999+00:00"`}}, []gitops.Op{gitops.OpUpdate, gitops.OpDelete, gitops.OpFence}, "stale", "batch_refused batch_refused", 0},
		"413":                   {reply{status: 413, body: "<html><title>413 Request Entity Too Large</title></html>"}, all, "refused", "batch_refused batch_refused", 0},
		"422":                   {reply{status: 422}, all, "refused", "batch_refused batch_refused", 0},
		"429":                   {reply{status: 429, header: map[string]string{"Retry-After": "7"}}, all, "not_sent", "not_sent not_sent", 7 * time.Second},
		"429 without time":      {reply{status: 429}, all, "not_sent", "not_sent not_sent", 5 * time.Second},
		"431":                   {reply{status: 431, body: "<html><head><title>Request Header Fields Too Large</title></head></html>"}, all, "refused", "batch_refused batch_refused", 0},
		"500 that may be saved": {reply{status: 500, body: `{"error":"x","exception":"OperationalError"}`}, all, "unknown", "unknown unknown", 0},
		"500 page, saved":       {reply{status: 500, body: page500}, all, "unknown", "unknown unknown", 0},
		"500 duplicate":         {reply{status: 500, body: duplicate}, []gitops.Op{gitops.OpCreate, gitops.OpUpdate}, "exists", "batch_refused exists", 0},
		"500 other integrity":   {reply{status: 500, body: `{"error":"insert or update on table \"x\" violates foreign key constraint","exception":"IntegrityError"}`}, all, "unknown", "unknown unknown", 0},
		"500 data error":        {reply{status: 500, body: `{"error":"unsupported Unicode escape sequence","exception":"DataError"}`}, all, "refused", "batch_refused batch_refused", 0},
		"500 too big":           {reply{status: 500, body: `{"error":"Request body exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE.","exception":"RequestDataTooBig"}`}, all, "refused", "batch_refused batch_refused", 0},
		"500 no page, saved":    {reply{status: 500, body: `{"error":"Could not resolve URL","exception":"ImproperlyConfigured"}`}, []gitops.Op{gitops.OpCreate, gitops.OpUpdate, gitops.OpFence}, "unknown", "unknown unknown", 0},
		"500 no page, kept":     {reply{status: 500, body: `{"error":"Could not resolve URL","exception":"ImproperlyConfigured"}`}, []gitops.Op{gitops.OpDelete}, "refused", "batch_refused batch_refused", 0},
		"500 duplicate in HTML": {reply{status: 500, body: "<html><title>IntegrityError</title></html>"}, all, "unknown", "unknown unknown", 0},
		"502 page":              {reply{status: 502, body: "<html><title>502 Bad Gateway</title></html>"}, all, "unknown", "unknown unknown", 0},
		"503":                   {reply{status: 503}, all, "unknown", "unknown unknown", 0},
		"503 with time":         {reply{status: 503, header: map[string]string{"Retry-After": "30"}}, all, "not_sent", "not_sent not_sent", 30 * time.Second},
		"504":                   {reply{status: 504}, all, "unknown", "unknown unknown", 0},
		"301":                   {reply{status: 301, header: map[string]string{"Location": "/x/"}}, all, "refused", "refused refused", 0},
		"202 in background":     {reply{status: 202, body: `{"job":{"id":4}}`}, all, "unknown", "unknown unknown", 0},
		"success that is HTML":  {reply{status: 200, body: "<html>"}, all, "unknown", "unknown unknown", 0},
		"half an answer":        {reply{status: 200, body: "[{", half: true}, all, "unknown", "unknown unknown", 0},
		"no answer":             {reply{drop: true}, all, "unknown", "unknown unknown", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.answer.header == nil {
				tc.answer.header = map[string]string{}
			}
			tc.answer.header["X-Request-ID"] = "7f3c"
			s := newScript(t, func(int, call) reply { return tc.answer })
			for _, op := range tc.ops {
				for n, want := range map[int]string{1: tc.s, 2: tc.b} {
					c := dial(t, s.URL, known("4.7.3"))
					before := len(s.requests())
					res := c.Fabric(1).Write(t.Context(), batchOf(t, op, n))
					if outcomes(res) != want || res.RetryAfter != tc.retry || res.Err == nil {
						t.Errorf("%s of %d: %q (retry %v, %v), want %q", op, n, outcomes(res), res.RetryAfter, res.Err, want)
					}
					if got := len(s.requests()) - before; got != 1 {
						t.Errorf("%s of %d: %d requests: a write is never repeated", op, n, got)
					}
					for _, item := range res.Items {
						if item.Outcome == gitops.OutcomeRefused && item.Message == "" {
							t.Errorf("%s of %d: refused without a word", op, n)
						}
					}
					if !tc.answer.half && !tc.answer.drop && res.RequestID != "7f3c" {
						t.Errorf("%s of %d: request id %q", op, n, res.RequestID)
					}
				}
			}
		})
	}
}

// An answer counts only as far as it names what was sent.
func TestWriteAnswers(t *testing.T) {
	t.Parallel()
	answer := func(rows ...string) string { return "[" + strings.Join(rows, ",") + "]" }
	for name, tc := range map[string]struct {
		op     gitops.Op
		n      int
		status int
		body   string
		want   string
	}{
		"one update":                 {gitops.OpUpdate, 1, 200, vpc(1, 1, "v1"), "done"},
		"bulk in another order":      {gitops.OpUpdate, 3, 200, answer(vpc(3, 1, "v3"), vpc(1, 1, "v1"), vpc(2, 1, "v2")), "done done done"},
		"4.6 skips what it hides":    {gitops.OpUpdate, 3, 200, answer(vpc(1, 1, "v1"), vpc(3, 1, "v3")), "done unknown done"},
		"another object":             {gitops.OpUpdate, 1, 200, vpc(9, 1, "v9"), "unknown"},
		"another fabric":             {gitops.OpUpdate, 1, 200, vpc(1, 2, "v1"), "unknown"},
		"one of another fabric":      {gitops.OpUpdate, 2, 200, answer(vpc(1, 1, "v1"), vpc(2, 2, "v2")), "unknown unknown"},
		"wrong types":                {gitops.OpUpdate, 1, 200, `{"id":"1"}`, "unknown"},
		"empty list":                 {gitops.OpUpdate, 2, 200, `[]`, "unknown unknown"},
		"mapping for a list":         {gitops.OpUpdate, 2, 200, `{}`, "unknown unknown"},
		"list for a mapping":         {gitops.OpUpdate, 1, 200, `[]`, "unknown"},
		"created":                    {gitops.OpCreate, 2, 201, answer(vpc(11, 1, "v1"), vpc(12, 1, "v2")), "done done"},
		"created in another order":   {gitops.OpCreate, 2, 201, answer(vpc(12, 1, "v2"), vpc(11, 1, "v1")), "done done"},
		"created under another name": {gitops.OpCreate, 1, 201, vpc(11, 1, "other"), "unknown"},
		"200 for a create":           {gitops.OpCreate, 1, 200, vpc(11, 1, "v1"), "unknown"},
		"deleted":                    {gitops.OpDelete, 2, 204, "", "done done"},
		"200 for a delete":           {gitops.OpDelete, 1, 200, "{}", "unknown"},
		"fenced":                     {gitops.OpFence, 1, 200, vpc(1, 1, "v1"), "done"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, func(int, call) reply { return reply{status: tc.status, body: tc.body} })
			res := dial(t, s.URL, known("4.7.3")).Fabric(1).Write(t.Context(), batchOf(t, tc.op, tc.n))
			if outcomes(res) != tc.want {
				t.Errorf("%q, want %q (%v)", outcomes(res), tc.want, res.Err)
			}
			for i, item := range res.Items {
				if item.Outcome != gitops.OutcomeDone || tc.op == gitops.OpDelete {
					continue
				}
				if want := fmt.Sprintf("v%d", i+1); item.Object.Key.Name != want || item.Object.LastUpdated != tag(item.Object.PK) {
					t.Errorf("item %d is %+v", i, item.Object)
				}
			}
			if strings.Contains(tc.want, "unknown") && res.Err == nil {
				t.Error("unknown without an error for the log")
			}
		})
	}
}

// recordedBatch makes the batch that a recorded request was.
func recordedBatch(t *testing.T, e exchange) gitops.Batch {
	t.Helper()
	v, err := decodeJSON(e.Request.Body)
	if err != nil {
		t.Fatal(err)
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	b := gitops.Batch{Kind: "VPC", Op: map[string]gitops.Op{"POST": gitops.OpCreate, "PATCH": gitops.OpUpdate, "DELETE": gitops.OpDelete}[e.Request.Method]}
	for _, item := range list {
		m, _ := item.(map[string]any)
		w := gitops.Write{Key: vpcKey("x"), LastUpdated: tag(1), Columns: []string{"labels"}, Body: bodyOf(t, `{"a":1}`, "{}")}
		if name, ok := m["name"].(string); ok {
			w.Key = vpcKey(name)
			w.Columns = []string{"name"}
		}
		if ns, ok := m["namespace"].(string); ok {
			w.Key.Namespace = ns
		}
		if w.PK, err = positive(m, "id"); err != nil && b.Op != gitops.OpCreate {
			w.PK = 1
			_, _ = fmt.Sscanf(e.Request.Path, vpcList+"%d/", &w.PK)
		}
		b.Items = append(b.Items, w)
	}
	return b
}

// Outcomes of the answers that the real plugin gave.
func TestRecordedWrites(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		file, name, version, want, message string
	}{
		{"validation.json", "bulk one invalid", "4.7.3", "batch_refused refused refused", "spec: This field cannot be blank."},
		{"validation.json", "bulk PATCH one invalid", "4.7.3", "batch_refused refused refused", "spec: This field cannot be blank."},
		{"validation.json", "bulk PATCH unknown id", "4.7.3", "batch_refused gone", ""},
		{"validation.json", "bulk DELETE unknown id", "4.7.3", "batch_refused gone", ""},
		{"validation.json", "bulk PATCH duplicate id", "4.7.3", "refused refused", "listed 2 times"},
		{"validation.json", "duplicate single", "4.7.3", "exists", "already exists"},
		{"validation.json", "duplicate by PATCH rename", "4.7.3", "exists", "already exists"},
		{"validation.json", "duplicate in bulk (existing)", "4.7.3", "batch_refused exists batch_refused", ""},
		{"validation.json", "duplicate within bulk", "4.7.3", "batch_refused batch_refused", ""},
		{"validation.json", "spec {} ", "4.7.3", "refused", "spec: This field cannot be blank."},
		{"validation.json", "name dots", "4.7.3", "refused", "name: Name must be a valid Kubernetes resource name (DNS-1123 compliant)"},
		{"validation.json", "fabric unknown", "4.7.3", "refused", `fabric: Invalid pk "999" - object does not exist.`},
		{"validation.json", "NUL char in spec", "4.7.3", "refused", "DataError: unsupported Unicode escape sequence"},
		{"validation.json", "PATCH unknown id", "4.7.3", "gone", ""},
		{"validation.json", "DELETE unknown id", "4.7.3", "gone", ""},
		{"validation.json", "bulk DELETE ok", "4.7.3", "done done", ""},
		{"extra.json", "large body 3 MB", "4.7.3", "refused", "RequestDataTooBig"},
		{"concurrency.json", "PATCH If-Match stale", "4.7.3", "stale", ""},
		{"concurrency.json", "PATCH If-Match on unknown id", "4.7.3", "gone", ""},
		{"concurrency.json", "DELETE If-Match stale", "4.7.3", "stale", ""},
		{"concurrency.json", "DELETE If-Match fresh", "4.7.3", "done", ""},
		{"concurrency.json", "bulk PATCH all fresh", "4.7.3", "done done", ""},
		{"concurrency.json", "bulk PATCH one stale", "4.7.3", "batch_refused batch_refused", ""},
		{"concurrency.json", "bulk DELETE one stale", "4.7.3", "batch_refused batch_refused", ""},
		{"permissions.json", "PATCH hidden", "4.7.3", "gone", ""},
		{"permissions.json", "bulk PATCH incl hidden", "4.7.3", "batch_refused gone", ""},
		{"permissions.json", "create outside constraint", "4.7.3", "refused", "netbox_hedgehog.add_vpc"},
		{"permissions.json", "rename out of constraint", "4.7.3", "refused", "netbox_hedgehog.change_vpc"},
		{"permissions.json", "create with name of hidden object", "4.7.3", "exists", ""},
		{"netbox-4.6.8/validation.json", "bulk one invalid", "4.6.8", "batch_refused refused refused", "spec: This field cannot be blank."},
		{"netbox-4.6.8/validation.json", "bulk PATCH unknown id", "4.6.8", "done unknown", ""},
		{"netbox-4.6.8/permissions.json", "bulk PATCH incl hidden", "4.6.8", "done unknown", ""},
	} {
		t.Run(tc.file+" "+tc.name, func(t *testing.T) {
			t.Parallel()
			e := recordedAs(t, tc.file, tc.name)
			s := newScript(t, func(int, call) reply { return e.reply() })
			res := dial(t, s.URL, known(tc.version)).Fabric(1).Write(t.Context(), recordedBatch(t, e))
			if outcomes(res) != tc.want {
				t.Fatalf("%q, want %q (%v)", outcomes(res), tc.want, res.Err)
			}
			if last := res.Items[len(res.Items)-1].Message; !strings.Contains(last, tc.message) {
				t.Errorf("message %q, want %q", last, tc.message)
			}
			if res.RequestID != e.Response.Headers["X-Request-ID"] {
				t.Errorf("request id %q", res.RequestID)
			}
		})
	}
}

// Every recorded 200 or 201 of a VPC write decodes to the object it holds.
func TestRecordedSuccesses(t *testing.T) {
	t.Parallel()
	done := 0
	for _, file := range []string{"validation.json", "events.json", "concurrency.json", "extra.json"} {
		for _, e := range recorded(t, file) {
			if !strings.HasPrefix(e.Request.Path, vpcList) || (e.Response.Status != 200 && e.Response.Status != 201) || (e.Request.Method != "POST" && e.Request.Method != "PATCH") || strings.Contains(e.Request.Path, "background") || string(e.Request.Body) == "[]" {
				continue
			}
			if strings.Contains(e.Name, "move to another fabric") || strings.Contains(e.Name, "other fabric") || strings.Contains(e.Request.Path, "display_url,spec") {
				continue
			}
			s := newScript(t, func(int, call) reply { return e.reply() })
			res := dial(t, s.URL, known("4.7.3")).Fabric(1).Write(t.Context(), recordedBatch(t, e))
			for i, item := range res.Items {
				if item.Outcome != gitops.OutcomeDone || item.Object.PK == 0 || (e.Response.Headers["ETag"] != "" && etag(item.Object.LastUpdated) != e.Response.Headers["ETag"]) {
					t.Errorf("%s %q item %d: %+v, %v", file, e.Name, i, item, res.Err)
				}
				done++
			}
		}
	}
	if done < 60 {
		t.Errorf("only %d objects checked", done)
	}
}

// The plugin's own pages that saved and answered an error (contract/hnp §3).
func TestRecordedSavedErrorsAreUnknown(t *testing.T) {
	t.Parallel()
	n := 0
	for _, e := range recorded(t, "writes_with_event_rule.json") {
		if !strings.HasPrefix(e.Name, "External: ") || e.Request.Method == "DELETE" || e.Request.Method == "PUT" || e.Response.Status != 500 {
			continue
		}
		b := recordedBatch(t, e)
		b.Kind = "External"
		for i := range b.Items {
			b.Items[i].Key.Kind = "External"
		}
		s := newScript(t, func(int, call) reply { return e.reply() })
		res := dial(t, s.URL, known("4.7.3")).Fabric(1).Write(t.Context(), b)
		for _, item := range res.Items {
			if item.Outcome != gitops.OutcomeUnknown {
				t.Errorf("%s: %s", e.Name, item.Outcome)
			}
		}
		n++
	}
	if n < 6 {
		t.Errorf("only %d answers checked", n)
	}
}

// split sends a batch as the engine does: refused as a whole, it is halved, breadth first.
func split(t *testing.T, f *Fabric, b gitops.Batch) (byOutcome map[gitops.Outcome]int) {
	t.Helper()
	byOutcome = map[gitops.Outcome]int{}
	queue := []gitops.Batch{b}
	for len(queue) > 0 {
		b := queue[0]
		queue = queue[1:]
		res := f.Write(t.Context(), b)
		if res.Items[0].Outcome == gitops.OutcomeBatch {
			half := len(b.Items) / 2
			left, right := b, b
			left.Items, right.Items = b.Items[:half], b.Items[half:]
			queue = append(queue, left, right)
			continue
		}
		for _, item := range res.Items {
			byOutcome[item.Outcome]++
		}
	}
	return byOutcome
}

// A missing permission is found with few requests, and objects outside a constraint do not block the others.
func TestBulk403(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		bad     func(pk int64) bool
		refused int
		most    int // requests
	}{
		"no permission":         {func(int64) bool { return true }, 100, 15},
		"one object outside":    {func(pk int64) bool { return pk == 37 }, 1, 15},
		"the last one outside":  {func(pk int64) bool { return pk == 100 }, 1, 15},
		"two objects far apart": {func(pk int64) bool { return pk == 1 || pk == 100 }, 2, 27},
		"everything is allowed": {func(int64) bool { return false }, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, func(_ int, c call) reply {
				v, err := decodeJSON([]byte(c.Body))
				if err != nil {
					t.Error(err)
				}
				var pks []int64
				if list, ok := v.([]any); ok {
					for _, item := range list {
						pk, _ := positive(item.(map[string]any), "id")
						pks = append(pks, pk)
					}
				} else {
					var pk int64
					_, _ = fmt.Sscanf(c.Path, vpcList+"%d/", &pk)
					pks = append(pks, pk)
				}
				var rows []string
				for _, pk := range pks {
					if tc.bad(pk) {
						return reply{status: 403, body: `{"detail":"You do not have permission to perform this action."}`}
					}
					rows = append(rows, vpc(pk, 1, fmt.Sprintf("v%d", pk)))
				}
				if len(rows) == 1 {
					return reply{body: rows[0]}
				}
				return reply{body: "[" + strings.Join(rows, ",") + "]"}
			})
			f := dial(t, s.URL, known("4.7.3")).Fabric(1)
			b := updates(t, 100)
			got := split(t, f, b)
			if got[gitops.OutcomeRefused] != tc.refused || got[gitops.OutcomeDone] != 100-tc.refused {
				t.Errorf("%v", got)
			}
			if n := len(s.requests()); n > tc.most {
				t.Errorf("%d requests", n)
			}
			// The next operation finds out anew: the permission may have been granted.
			if name == "no permission" {
				b.Operation = "sync_20261123_140000_abcdef"
				if res := f.Write(t.Context(), b); res.Items[0].Outcome != gitops.OutcomeBatch {
					t.Errorf("%s", res.Items[0].Outcome)
				}
			}
		})
	}
}

// Below 4.6 there is no If-Match: the objects are read once more just before.
func TestWriteWithoutETag(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		n        int
		read     reply
		want     string
		requests []string
	}{
		"one, unchanged":             {1, reply{body: `{"id":1,"last_updated":"2026-11-23T13:16:16.000001Z"}`}, "done", []string{"GET " + vpcList + "1/?fields=id,last_updated", "PATCH " + vpcList + "1/?omit=display_url"}},
		"one, moved":                 {1, reply{body: `{"id":1,"last_updated":"2026-11-23T13:16:17.000001Z"}`}, "stale", []string{"GET " + vpcList + "1/?fields=id,last_updated"}},
		"one, gone":                  {1, reply{status: 404, body: `{"detail":"No VPC matches the given query."}`}, "gone", []string{"GET " + vpcList + "1/?fields=id,last_updated"}},
		"one, unreadable":            {1, reply{status: 403, body: `{"detail":"no"}`}, "not_sent", []string{"GET " + vpcList + "1/?fields=id,last_updated"}},
		"three, one moved, one gone": {3, reply{body: `{"count":2,"next":null,"results":[{"id":1,"last_updated":"2026-11-23T13:16:16.000001Z"},{"id":3,"last_updated":"2027-11-23T13:16:16.000003Z"}]}`}, "batch_refused gone stale", []string{"GET " + vpcList + "?ordering=id&fields=id,last_updated&limit=1000"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, func(_ int, c call) reply {
				if c.Method == "GET" {
					return tc.read
				}
				if c.Header.Get("If-Match") != "" {
					t.Error("If-Match was sent")
				}
				return reply{body: vpc(1, 1, "v1")}
			})
			res := dial(t, s.URL, known("4.5.8")).Fabric(1).Write(t.Context(), updates(t, tc.n))
			if outcomes(res) != tc.want || !slices.Equal(s.requests(), tc.requests) {
				t.Errorf("%q after %q (%v)", outcomes(res), s.requests(), res.Err)
			}
		})
	}
}
