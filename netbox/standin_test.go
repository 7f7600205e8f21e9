package netbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/manifests"
	"github.com/hnp-sync/hnp-sync/netbox/netboxtest"
)

const (
	kubernetesSecret = "kube-secret-that-must-stay-in-netbox"
	limitedToken     = "nbt_limited00001.LIMITEDLIMITEDLIMITED"
	aliceToken       = "nbt_alice0000001.ALICEALICEALICEALICE"
)

// wire records what goes over the network: no request may ask for a fabric's secrets, no answer may hold them.
type wire struct {
	mu   sync.Mutex
	seen bytes.Buffer
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
		_ = req.Body.Close()
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(&w.seen, "%s %s\n%s\n", req.Method, req.URL, body)
	if err == nil {
		answer, readErr := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		w.seen.Write(answer)
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(answer), failing{readErr}))
	}
	return resp, err
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}

// standIn starts a NetBox and connects to it.
func standIn(t *testing.T, version string) (*netboxtest.Server, *Connection) {
	t.Helper()
	s, err := netboxtest.New(netboxtest.Options{Seed: &netboxtest.Seed{
		Version: version,
		Tokens: map[string]netboxtest.SeedToken{
			testToken:  {Username: "hnp-sync"},
			aliceToken: {Username: "alice"},
			limitedToken: {Username: "limited", Permissions: []netboxtest.SeedPermission{
				{ObjectTypes: []string{"netbox_hedgehog.vpc"}, Actions: []string{"view", "add", "change", "delete"}, Constraints: map[string]any{"name__startswith": "a-"}},
				{ObjectTypes: []string{"netbox_hedgehog.hedgehogfabric"}, Actions: []string{"view"}}}},
		},
		Fabrics: []netboxtest.SeedFabric{
			{ID: 1, Name: "fabric-1", KubernetesToken: kubernetesSecret, KubernetesCACert: kubernetesSecret},
			{ID: 2, Name: "fabric-2", KubernetesToken: kubernetesSecret}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	c := connect(t, s, testToken)
	t.Cleanup(func() {
		if unknown := s.UnknownRoutes(); len(unknown) > 0 {
			t.Errorf("routes the stand-in does not know: %v", unknown)
		}
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, c
}

func connect(t *testing.T, s *netboxtest.Server, token string) *Connection {
	t.Helper()
	w := &wire{}
	var said []string
	c, err := Dial(Config{Name: "default", URL: s.URL(), Token: token, Transport: w,
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Log:  func(msg string, kv ...any) { said = append(said, msg+fmt.Sprint(kv...)) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, secret := range []string{"kubernetes_token", "kubernetes_ca_cert", kubernetesSecret} {
			if strings.Contains(w.seen.String(), secret) {
				t.Errorf("%s went over the wire", secret)
			}
		}
		if log := strings.Join(said, "\n"); strings.Contains(log, token) || strings.Contains(log, kubernetesSecret) {
			t.Errorf("a secret is in the log: %s", log)
		}
	})
	return c
}

// requests counts those of the App since the last reset, by route.
func requests(s *netboxtest.Server) map[string]int { return s.Stats().ByUser["hnp-sync"].Routes }

// realInput parses prepop.yaml into creates by kind, in the order of the file.
func realInput(t *testing.T) (kinds []string, batches map[string]gitops.Batch) {
	t.Helper()
	path := filepath.Join("..", "testdata", "gitops-test-1", "raw", "prepop.yaml")
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, _ := manifests.Parse("prepop.yaml", src)
	batches = map[string]gitops.Batch{}
	for _, d := range file.Documents() {
		if d.Class != manifests.ClassResource {
			continue
		}
		b, ok := batches[d.Identity.Kind]
		if !ok {
			b = gitops.Batch{Kind: d.Identity.Kind, Op: gitops.OpCreate, Operation: operation}
			kinds = append(kinds, d.Identity.Kind)
		}
		meta, _ := d.Object["metadata"].(map[string]any)
		b.Items = append(b.Items, gitops.Write{Key: d.Identity, Body: manifests.Object{"spec": d.Object["spec"],
			"metadata": map[string]any{"labels": meta["labels"], "annotations": meta["annotations"]}}})
		batches[d.Identity.Kind] = b
	}
	return kinds, batches
}

func write(t *testing.T, f *Fabric, b gitops.Batch, want string) gitops.BatchResult {
	t.Helper()
	res := f.Write(t.Context(), b)
	for i, item := range res.Items {
		if string(item.Outcome) != want {
			t.Fatalf("%s %s item %d: %s %q, want %s (%v)", b.Op, b.Kind, i, item.Outcome, item.Message, want, res.Err)
		}
	}
	return res
}

func list(t *testing.T, f *Fabric, kind string) *gitops.Listing {
	t.Helper()
	l, err := f.List(t.Context(), []string{kind})
	if err != nil || l[kind].Err != nil {
		t.Fatal(err, l[kind].Err)
	}
	return l[kind]
}

// The whole real input: created in one request per kind, read back equal, changed, renamed, deleted.
func TestRealInputBothWays(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"4.7.3", "4.6.8"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			s, c := standIn(t, version)
			fabrics, err := c.Fabrics(t.Context())
			if err != nil || len(fabrics) != 2 || fabrics[0].Name != "fabric-1" || fabrics[0].Created == "" {
				t.Fatal(fabrics, err)
			}
			f := c.Fabric(1)
			caps, err := f.Capabilities(t.Context())
			if err != nil || !caps.ETag || !caps.BulkETag || !caps.ChangeLog || caps.Version != version || caps.Kinds["External"].Delete || !caps.Kinds["Connection"].Delete {
				t.Fatalf("%+v %v", caps, err)
			}
			if n := s.Stats().Total; n > 6 {
				t.Errorf("discovery and probes took %d requests: %v", n, s.Stats().Routes)
			}
			s.ResetStats()
			kinds, batches := realInput(t)
			want := map[gitops.Key]manifests.Object{}
			for _, kind := range kinds {
				res := write(t, f, batches[kind], "done")
				for i, w := range batches[kind].Items {
					want[w.Key] = w.Body
					if res.Items[i].Object.Key != w.Key || res.RequestID == "" {
						t.Errorf("%v was answered as %v", w.Key, res.Items[i].Object.Key)
					}
				}
			}
			if n := s.Stats().Total; n != 4 || len(want) != 46 {
				t.Errorf("%d requests for %d documents", n, len(want))
			}
			s.ResetStats()
			listings, err := f.List(t.Context(), Kinds())
			if err != nil {
				t.Fatal(err)
			}
			seen := 0
			for kind, l := range listings {
				if l.Err != nil {
					t.Fatalf("%s: %v", kind, l.Err)
				}
				for _, o := range l.Objects {
					seen++
					if !reflect.DeepEqual(canon(o.Body), canon(want[o.Key])) {
						t.Errorf("%v came back as %v, was %v", o.Key, o.Body, want[o.Key])
					}
				}
			}
			if n := s.Stats().Total; n != 12 || seen != 46 {
				t.Errorf("%d objects in %d requests", seen, n)
			}
			s.ResetStats()
			up := gitops.Batch{Kind: "Connection", Op: gitops.OpUpdate, Operation: operation}
			for _, o := range listings["Connection"].Objects {
				o.Body["metadata"] = map[string]any{"labels": map[string]any{"site": "one"}, "annotations": map[string]any{}}
				up.Items = append(up.Items, gitops.Write{Key: o.Key, PK: o.PK, LastUpdated: o.LastUpdated, Columns: []string{"labels"}, Body: o.Body})
			}
			res := write(t, f, up, "done")
			if got := requests(s); len(got) != 1 || got["PATCH /api/plugins/hedgehog/connections/"] != 1 {
				t.Errorf("26 updates: %v", got)
			}
			// The answer's last_updated is the next write's precondition.
			one := up.Items[0]
			one.LastUpdated, one.Key.Name, one.Columns = res.Items[0].Object.LastUpdated, "renamed", []string{"name"}
			write(t, f, gitops.Batch{Kind: "Connection", Op: gitops.OpRename, Operation: operation, Items: []gitops.Write{one}}, "done")
			if _, ok := s.ByName("Connection", "default", "renamed"); !ok {
				t.Error("not renamed")
			}
			del := gitops.Batch{Kind: "Connection", Op: gitops.OpDelete, Operation: operation}
			var pks []int64
			for _, o := range list(t, f, "Connection").Objects[:5] {
				del.Items = append(del.Items, gitops.Write{Key: o.Key, PK: o.PK, LastUpdated: o.LastUpdated})
				pks = append(pks, o.PK)
			}
			if version == "4.6.8" {
				write(t, f, del, "batch_refused")
				for _, w := range del.Items {
					write(t, f, gitops.Batch{Kind: "Connection", Op: gitops.OpDelete, Operation: operation, Items: []gitops.Write{w}}, "done")
				}
			} else {
				write(t, f, del, "done")
			}
			rows, err := f.DeleteRows(t.Context(), "Connection", append(pks, 9999))
			if err != nil || len(rows) != 5 || rows[0].Message != operation {
				t.Errorf("proof of the deletes: %+v, %v", rows, err)
			}
			feed, err := f.Feed(t.Context(), 0)
			if err != nil || len(feed.Rows) != 46+26+1+5 || feed.Now.IsZero() || feed.Truncated {
				t.Errorf("feed of %d rows, %v", len(feed.Rows), err)
			}
			ours, err := f.OperationRows(t.Context(), operation)
			if err != nil || len(ours) != len(feed.Rows) {
				t.Errorf("%d rows of the operation, %v", len(ours), err)
			}
			oldest, newest, err := f.FeedEnds(t.Context())
			if err != nil || oldest.ID == 0 || newest.ID != feed.Rows[len(feed.Rows)-1].ID {
				t.Errorf("%+v %+v %v", oldest, newest, err)
			}
		})
	}
}

// canon is a body without empty columns, numbers as text.
func canon(b manifests.Object) any {
	var out any
	meta, _ := b["metadata"].(map[string]any)
	m := map[string]any{}
	for k, v := range map[string]any{"spec": b["spec"], "labels": meta["labels"], "annotations": meta["annotations"]} {
		if x, ok := v.(map[string]any); v == nil || ok && len(x) == 0 {
			continue
		}
		m[k] = v
	}
	data, _ := json.Marshal(m)
	_ = json.Unmarshal(data, &out)
	return out
}

// create makes VPCs and returns them as listed.
func create(t *testing.T, f *Fabric, names ...string) []gitops.NetBoxObject {
	t.Helper()
	b := gitops.Batch{Kind: "VPC", Op: gitops.OpCreate, Operation: operation}
	for _, name := range names {
		b.Items = append(b.Items, gitops.Write{Key: vpcKey(name), Body: bodyOf(t, `{"x":0,"y":1e3}`, `{}`)})
	}
	var out []gitops.NetBoxObject
	for _, item := range write(t, f, b, "done").Items {
		out = append(out, item.Object)
	}
	return out
}

func edit(o gitops.NetBoxObject, t *testing.T, spec string) gitops.Write {
	return gitops.Write{Key: o.Key, PK: o.PK, LastUpdated: o.LastUpdated, Columns: []string{"spec"}, Body: bodyOf(t, spec, "{}")}
}

func update(op string, items ...gitops.Write) gitops.Batch {
	return gitops.Batch{Kind: "VPC", Op: gitops.OpUpdate, Operation: op, Items: items}
}

// Someone else's edit in between is never overwritten.
func TestCompareAndSet(t *testing.T) {
	t.Parallel()
	s, c := standIn(t, "4.7.3")
	f := c.Fabric(1)
	objs := create(t, f, "a", "b", "d")
	alice := connect(t, s, aliceToken).Fabric(1)
	write(t, alice, update("", edit(objs[1], t, `{"x":7}`)), "done")
	res := f.Write(t.Context(), update(operation, edit(objs[0], t, `{"x":1}`), edit(objs[1], t, `{"x":1}`), edit(objs[2], t, `{"x":1}`)))
	if outcomes(res) != "batch_refused batch_refused batch_refused" {
		t.Fatal(outcomes(res))
	}
	write(t, f, update(operation, edit(objs[0], t, `{"x":1}`)), "done")
	write(t, f, update(operation, edit(objs[1], t, `{"x":1}`)), "stale")
	write(t, f, gitops.Batch{Kind: "VPC", Op: gitops.OpDelete, Operation: operation, Items: []gitops.Write{edit(objs[1], t, `{}`)}}, "stale")
	if got := fmt.Sprint(list(t, f, "VPC").Objects[1].Body["spec"]); got != "map[x:7]" {
		t.Errorf("alice's edit is now %s", got)
	}
	write(t, f, gitops.Batch{Kind: "VPC", Op: gitops.OpDelete, Operation: operation, Items: []gitops.Write{edit(objs[2], t, `{}`)}}, "done")
	write(t, f, update(operation, edit(objs[2], t, `{"x":1}`)), "gone")
	// One name twice, whoever made it first.
	dup := gitops.Batch{Kind: "VPC", Op: gitops.OpCreate, Operation: operation, Items: []gitops.Write{{Key: vpcKey("new"), Body: bodyOf(t, `{"x":1}`, "{}")}, {Key: vpcKey("a"), Body: bodyOf(t, `{"x":1}`, "{}")}}}
	if res := f.Write(t.Context(), dup); outcomes(res) != "batch_refused exists" {
		t.Errorf("%s %v", outcomes(res), res.Err)
	}
	dup.Items = dup.Items[1:]
	write(t, f, dup, "exists")
}

// NetBox changes the spelling of numbers: 1e3 comes back as 1000.0.
func TestNumbersComeBackRespelled(t *testing.T) {
	t.Parallel()
	_, c := standIn(t, "4.7.3")
	o := create(t, c.Fabric(1), "a")[0]
	if got := o.Body["spec"].(map[string]any)["y"]; got != json.Number("1000.0") {
		t.Errorf("1e3 came back as %v", got)
	}
}

// An answer lost after the write: nothing is claimed, the change log tells, and a fence stops a late request.
func TestLostAnswerIsSettledByTheChangeLog(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"reset_after", "drop"} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			s, c := standIn(t, "4.7.3")
			f := c.Fabric(1)
			o := create(t, f, "a")[0]
			if _, err := s.AddFault(netboxtest.Fault{Route: "PATCH /api/plugins/hedgehog/vpcs/{id}/", Action: action}); err != nil {
				t.Fatal(err)
			}
			s.ResetStats()
			const op = "sync_20261123_131700_zzzzzz"
			write(t, f, update(op, edit(o, t, `{"x":1}`)), "unknown")
			if n := requests(s)["PATCH /api/plugins/hedgehog/vpcs/{id}/"]; n != 1 {
				t.Errorf("the write was sent %d times", n)
			}
			rows, err := f.OperationRows(t.Context(), op)
			landed := action == "reset_after"
			if err != nil || (len(rows) == 1) != landed {
				t.Fatalf("%+v, %v", rows, err)
			}
			if landed {
				if got := fmt.Sprint(rows[0].Pre.Body["spec"], rows[0].Post.Body["spec"], rows[0].PK == o.PK); got != "map[x:0 y:1000.0] map[x:1] true" {
					t.Error(got)
				}
				return
			}
			before := list(t, f, "VPC").Objects[0]
			fenced := write(t, f, gitops.Batch{Kind: "VPC", Op: gitops.OpFence, Items: []gitops.Write{edit(before, t, `{"x":0}`)}}, "done").Items[0].Object
			if fenced.LastUpdated == before.LastUpdated || !reflect.DeepEqual(fenced.Body, before.Body) {
				t.Errorf("fenced %+v, before %+v", fenced, before)
			}
			write(t, f, update(op, edit(o, t, `{"x":1}`)), "stale") // the late request
		})
	}
}

// A fence never changes content, whichever way an empty spec is stored.
func TestFenceOfEmptySpecs(t *testing.T) {
	t.Parallel()
	s, c := standIn(t, "4.7.3")
	f := c.Fabric(1)
	b := gitops.Batch{Kind: "SwitchGroup", Op: gitops.OpCreate, Operation: operation}
	for _, name := range []string{"one", "two"} {
		b.Items = append(b.Items, gitops.Write{Key: gitops.Key{Group: manifests.GroupWiring, Kind: "SwitchGroup", Namespace: "default", Name: name}, Body: bodyOf(t, "{}", "{}")})
	}
	created := write(t, f, b, "done")
	if err := s.QuerysetUpdate("SwitchGroup", created.Items[0].Object.PK, "spec", map[string]any{}); err != nil { // a real {}
		t.Fatal(err)
	}
	for range 2 {
		fence := gitops.Batch{Kind: "SwitchGroup", Op: gitops.OpFence}
		for _, o := range list(t, f, "SwitchGroup").Objects {
			if !emptySpec(o.Body) {
				t.Fatalf("%+v", o)
			}
			fence.Items = append(fence.Items, gitops.Write{Key: o.Key, PK: o.PK, LastUpdated: o.LastUpdated, Body: o.Body})
		}
		write(t, f, fence, "done")
	}
	l := list(t, f, "SwitchGroup").Objects
	labelled := gitops.Batch{Kind: "SwitchGroup", Op: gitops.OpUpdate, Operation: operation}
	for _, o := range l {
		labelled.Items = append(labelled.Items, gitops.Write{Key: o.Key, PK: o.PK, LastUpdated: o.LastUpdated, Columns: []string{"labels"}, Body: bodyOf(t, "{}", `{"a":"b"}`)})
	}
	write(t, f, labelled, "done")
	for _, o := range list(t, f, "SwitchGroup").Objects {
		if !emptySpec(o.Body) {
			t.Errorf("%+v", o)
		}
	}
}

// The plugin's cluster import leaves no trace: the ETag still fits, and only our own change row shows what was lost.
func TestSilentWriterIsSeenAfterwards(t *testing.T) {
	t.Parallel()
	s, c := standIn(t, "4.7.3")
	f := c.Fabric(1)
	o := create(t, f, "a")[0]
	if err := s.QuerysetUpdate("VPC", o.PK, "spec", map[string]any{"x": 0, "y": 9}); err != nil {
		t.Fatal(err)
	}
	const op = "sync_20261123_131700_silent"
	write(t, f, update(op, edit(o, t, `{"x":1,"y":0}`)), "done")
	rows, err := f.OperationRows(t.Context(), op)
	if err != nil || len(rows) != 1 || fmt.Sprint(rows[0].Pre.Body["spec"]) != "map[x:0 y:9]" {
		t.Errorf("%+v, %v", rows, err)
	}
}

// An event rule on a kind without page: saved, answered by a 500 page.
func TestSavedUnderAnEventRule(t *testing.T) {
	t.Parallel()
	s, c := standIn(t, "4.7.3")
	body := func(v string) io.Reader { return strings.NewReader(v) }
	client := c.HTTPClient()
	var hook struct{ ID int64 }
	for _, step := range []struct{ path, body string }{
		{"/api/extras/webhooks/", `{"name":"w","payload_url":"http://127.0.0.1:1/","http_method":"POST","http_content_type":"application/json","secret":"s","ssl_verification":true}`},
		{"/api/extras/event-rules/", `{"name":"r","object_types":["netbox_hedgehog.external"],"event_types":["object_created","object_updated"],"action_type":"webhook","action_object_type":"extras.webhook","action_object_id":%d,"enabled":true}`},
	} {
		b := step.body
		if strings.Contains(b, "%d") {
			b = fmt.Sprintf(b, hook.ID)
		}
		resp, err := client.Post(s.URL()+step.path, "application/json", body(b))
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 201 || json.NewDecoder(resp.Body).Decode(&hook) != nil {
			t.Fatalf("%s: %d", step.path, resp.StatusCode)
		}
		_ = resp.Body.Close()
	}
	f := c.Fabric(1)
	key := gitops.Key{Group: manifests.GroupVPC, Kind: "External", Namespace: "default", Name: "e"}
	b := gitops.Batch{Kind: "External", Op: gitops.OpCreate, Operation: operation, Items: []gitops.Write{{Key: key, Body: bodyOf(t, `{"ipv4Namespace":"default"}`, "{}")}}}
	res := write(t, f, b, "unknown")
	if res.RequestID != "" || res.Err == nil || !strings.Contains(res.Err.Error(), "HTML page, status 500") {
		t.Errorf("%q %v", res.RequestID, res.Err)
	}
	if l := list(t, f, "External"); len(l.Objects) != 1 {
		t.Error("it was not saved")
	}
	if rows, err := f.OperationRows(t.Context(), operation); err != nil || len(rows) != 1 || rows[0].Kind != "External" {
		t.Errorf("%+v %v", rows, err)
	}
}

// Rows hidden by permissions are absent without proof of a delete, and other fabrics' objects stay theirs.
func TestHiddenAndForeignRows(t *testing.T) {
	t.Parallel()
	s, c := standIn(t, "4.7.3")
	f := c.Fabric(1)
	objs := create(t, f, "a", "b")
	foreign := create(t, c.Fabric(2), "a")[0]
	l := list(t, f, "VPC")
	if len(l.Objects) != 2 || !maps.Equal(l.Elsewhere, map[int64]int64{foreign.PK: 2}) {
		t.Errorf("%d objects, elsewhere %v", len(l.Objects), l.Elsewhere)
	}
	if err := s.HideRows(testToken, "VPC", objs[0].PK); err != nil {
		t.Fatal(err)
	}
	if l := list(t, f, "VPC"); len(l.Objects) != 1 || l.Objects[0].PK != objs[1].PK {
		t.Errorf("%+v", l.Objects)
	}
	if rows, err := f.DeleteRows(t.Context(), "VPC", []int64{objs[0].PK}); err != nil || len(rows) != 0 {
		t.Errorf("%+v %v", rows, err)
	}
	write(t, f, update(operation, edit(objs[0], t, `{"x":1}`)), "gone")
	res := f.Write(t.Context(), update(operation, edit(objs[0], t, `{"x":1}`), edit(objs[1], t, `{"x":1}`)))
	if outcomes(res) != "gone batch_refused" {
		t.Errorf("%s (%v)", outcomes(res), res.Err)
	}
}

// A token that may read VPCs only, some of them, and no change log.
func TestLimitedToken(t *testing.T) {
	t.Parallel()
	s, c := standIn(t, "4.7.3")
	create(t, c.Fabric(1), "a-1", "b-1")
	lim := connect(t, s, limitedToken)
	f := lim.Fabric(1)
	caps, err := f.Capabilities(t.Context())
	if err != nil || caps.ChangeLog {
		t.Fatal(caps, err)
	}
	if _, err := f.Feed(t.Context(), 0); !errors.Is(err, gitops.ErrNoChangeLog) {
		t.Errorf("feed: %v", err)
	}
	listings, err := f.List(t.Context(), []string{"VPC", "Switch"})
	if err != nil || len(listings["VPC"].Objects) != 1 || listings["Switch"].Err == nil {
		t.Errorf("%+v %v", listings, err)
	}
	b := gitops.Batch{Kind: "VPC", Op: gitops.OpCreate, Operation: operation}
	for _, name := range []string{"a-2", "b-2"} {
		b.Items = append(b.Items, gitops.Write{Key: vpcKey(name), Body: bodyOf(t, `{"x":1}`, "{}")})
	}
	if res := f.Write(t.Context(), b); outcomes(res) != "batch_refused batch_refused" {
		t.Errorf("%s %v", outcomes(res), res.Err)
	}
	single := func(i int) gitops.Batch { x := b; x.Items = b.Items[i : i+1]; return x }
	write(t, f, single(0), "done")
	write(t, f, single(1), "refused")
	if user, err := c.CheckToken(t.Context(), limitedToken); err != nil || user != "limited" {
		t.Errorf("%q %v", user, err)
	}
	if _, err := c.CheckToken(t.Context(), "nbt_nobody000001.x"); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("%v", err)
	}
	if s, err := c.Status(t.Context()); err != nil || s.Version != "4.7.3" || s.Plugins["netbox_hedgehog"] == "" {
		t.Errorf("%+v %v", s, err)
	}
}

// More rows than one page: 1,205 rows take two requests, of which the second repeats one row.
func TestLargeListing(t *testing.T) {
	t.Parallel()
	s, c := standIn(t, "4.7.3")
	f := c.Fabric(1)
	var names []string
	for i := range 1205 {
		names = append(names, fmt.Sprintf("v-%04d", i))
	}
	for chunk := range slices.Chunk(names, 100) {
		create(t, f, chunk...)
	}
	s.ResetStats()
	if l := list(t, f, "VPC"); len(l.Objects) != 1205 {
		t.Errorf("%d objects", len(l.Objects))
	}
	if n := s.Stats().Total; n != 2 {
		t.Errorf("%d requests", n)
	}
	feed, err := f.Feed(t.Context(), 0)
	if err != nil || len(feed.Rows) != 1205 || s.Stats().Total != 4 {
		t.Errorf("feed of %d rows in %d requests, %v", len(feed.Rows), s.Stats().Total-2, err)
	}
}

// The source itself never names the fabric's secret columns.
func TestSourceNamesNoSecretColumn(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"*.go", "provision/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(file, "_test.go") && (bytes.Contains(src, []byte("kubernetes_token")) || bytes.Contains(src, []byte("kubernetes_ca"))) {
				t.Errorf("%s names a secret column", file)
			}
		}
	}
}
