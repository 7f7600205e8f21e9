package netbox

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/manifests"
)

const (
	maxBatch = 100 // gitops.Batch
	// maxMessage is what NetBox's column for changelog_message holds; longer ones are a 500 (contract/hnp §7).
	maxMessage = 200
	// tagsPerLine keeps an If-Match line below gunicorn's 8 kB: 215 tags were accepted (contract/hnp §6).
	tagsPerLine = 200
	// maxBulkBody keeps bulk requests below Django's limit of 2.5 MiB (contract/hnp §4). A single object is sent
	// whatever its size: only NetBox knows its limit.
	maxBulkBody = 2 << 20
)

func (t table) detail(pk int64) string { return t.list() + strconv.FormatInt(pk, 10) + "/" }

// Write implements gitops.Inventory: one request for one batch, a single object by its own URL, several by the list's.
// Nothing is sent, and every item says so, when the batch cannot work: an impossible operation, an object without an
// ETag to compare, a bulk body over NetBox's limit, a bulk delete on a NetBox before 4.7 (it answers 204 for
// rows it silently skipped). Without If-Match (NetBox before 4.6) one read precedes the request.
func (f *Fabric) Write(ctx context.Context, batch gitops.Batch) gitops.BatchResult {
	n := len(batch.Items)
	if n == 0 {
		return gitops.BatchResult{}
	}
	t, caps, err := f.check(ctx, batch)
	if err != nil {
		var impossible *impossibleError
		if errors.As(err, &impossible) {
			return all(n, gitops.OutcomeRefused, impossible.why, err)
		}
		return all(n, gitops.OutcomeNotSent, "", err)
	}
	req, err := f.request(t, batch)
	if err != nil {
		return all(n, gitops.OutcomeRefused, err.Error(), err)
	}
	if n > 1 && (len(req.body) > maxBulkBody || (batch.Op == gitops.OpDelete && caps.release.less(versionPerItem))) {
		return all(n, gitops.OutcomeBatch, "", nil)
	}
	etagged := caps.etag && (n == 1 || caps.bulk)
	if batch.Op != gitops.OpCreate && etagged {
		req.ifMatch = ifMatch(batch.Items)
	}
	if err := f.c.writes.acquire(ctx); err != nil {
		return all(n, gitops.OutcomeNotSent, "", fmt.Errorf("write %s: %w", batch.Kind, err))
	}
	start := f.c.now()
	congested := false
	defer func() { f.c.writes.release(f.c.now().Sub(start), n, congested) }()
	if batch.Op != gitops.OpCreate && !etagged {
		if res := f.recheck(ctx, t, batch); res != nil {
			return *res
		}
	}
	a, err := f.c.send(ctx, req.method, req.path, f.c.token, req.ifMatch, req.body)
	if err != nil {
		if errors.Is(err, errNotSent) {
			return all(n, gitops.OutcomeNotSent, "", fmt.Errorf("write %s: %w", batch.Kind, err))
		}
		congested = true
		return all(n, gitops.OutcomeUnknown, "", fmt.Errorf("write %s: %w", batch.Kind, err))
	}
	congested = a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable || a.status == http.StatusGatewayTimeout
	res := f.judge(t, batch, req, a)
	res.RequestID = clean(a.header.Get("X-Request-ID"), 100)
	return res
}

// impossibleError is an operation this NetBox cannot do for the kind.
type impossibleError struct{ why string }

func (e *impossibleError) Error() string { return e.why }

// check looks at the batch before anything is sent.
func (f *Fabric) check(ctx context.Context, batch gitops.Batch) (table, *probed, error) {
	t, ok := tableOf(batch.Kind)
	if !ok {
		return t, nil, &impossibleError{noTable(batch.Kind)}
	}
	if len(batch.Items) > maxBatch {
		return t, nil, fmt.Errorf("write %s: %d items in one batch, at most %d", batch.Kind, len(batch.Items), maxBatch)
	}
	if len(batch.Operation) > maxMessage {
		return t, nil, fmt.Errorf("write %s: operation id longer than %d bytes", batch.Kind, maxMessage)
	}
	p, err := f.c.probe(ctx)
	if err != nil {
		return t, nil, fmt.Errorf("write %s: %w", batch.Kind, err)
	}
	k := kindCapability(p, batch.Kind, "")
	possible := false
	switch batch.Op {
	case gitops.OpCreate:
		possible = k.Create
	case gitops.OpUpdate, gitops.OpRename, gitops.OpFence:
		possible = k.Update
	case gitops.OpDelete:
		possible = k.Delete
	default:
		return t, nil, fmt.Errorf("write %s: unknown operation %q", batch.Kind, batch.Op)
	}
	if !possible {
		return t, nil, &impossibleError{fmt.Sprintf("%s of %s is impossible: %s (%s)", batch.Op, batch.Kind, k.Reason, k.Workaround)}
	}
	for _, w := range batch.Items {
		switch {
		case w.Key.Kind != batch.Kind:
			return t, nil, fmt.Errorf("write %s: the batch holds %s", batch.Kind, w.Key)
		case batch.Op != gitops.OpCreate && w.PK <= 0:
			return t, nil, fmt.Errorf("write %s: no primary key", w.Key)
		case batch.Op != gitops.OpCreate && batch.Op != gitops.OpFence && w.LastUpdated == "":
			return t, nil, fmt.Errorf("write %s: no last_updated to compare", w.Key)
		case batch.Op != gitops.OpDelete && batch.Op != gitops.OpFence && w.Body == nil:
			return t, nil, fmt.Errorf("write %s: no body", w.Key)
		}
	}
	return t, p, nil
}

// writeRequest is a batch as it is sent.
type writeRequest struct {
	method, path string
	ifMatch      []string
	body         []byte
}

// request builds it. display_url is left out of every answer, because five kinds cannot give it (contract/hnp §1).
func (f *Fabric) request(t table, batch gitops.Batch) (writeRequest, error) {
	req := writeRequest{path: t.list()}
	single := len(batch.Items) == 1
	if single && batch.Op != gitops.OpCreate {
		req.path = t.detail(batch.Items[0].PK)
	}
	switch batch.Op {
	case gitops.OpCreate:
		req.method = http.MethodPost
	case gitops.OpDelete:
		req.method = http.MethodDelete
	default:
		req.method = http.MethodPatch
	}
	if batch.Op != gitops.OpDelete {
		req.path += "?omit=display_url"
	}
	items := make([]map[string]any, len(batch.Items))
	for i, w := range batch.Items {
		item, err := f.item(batch, w)
		if err != nil {
			return req, fmt.Errorf("%s: %w", w.Key, err)
		}
		if !single && batch.Op != gitops.OpCreate {
			item["id"] = w.PK
		}
		items[i] = item
	}
	var v any = items
	if single {
		if batch.Op == gitops.OpDelete && len(items[0]) == 0 {
			return req, nil
		}
		v = items[0]
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return req, fmt.Errorf("a value cannot be written as JSON: %s", clean(err.Error(), 200))
	}
	req.body = bytes.TrimRight(b.Bytes(), "\n")
	return req, nil
}

// item is the JSON of one object: only what changes. An empty spec goes as the text "{}", which is accepted in every
// POST and PATCH, while {} is refused; and it goes with every PATCH of such an object, because without it NetBox
// refuses an object that holds {}, and turns one that holds "{}" into the other (contract/hnp §4).
func (f *Fabric) item(batch gitops.Batch, w gitops.Write) (map[string]any, error) {
	item := map[string]any{}
	if batch.Operation != "" && batch.Op != gitops.OpFence {
		item["changelog_message"] = batch.Operation
	}
	if batch.Op == gitops.OpDelete {
		return item, nil
	}
	columns := w.Columns
	switch batch.Op {
	case gitops.OpCreate:
		item["fabric"] = f.pk
		columns = []string{"name", "namespace", "spec", "labels", "annotations"}
	case gitops.OpFence:
		columns = nil
	}
	meta, _ := w.Body["metadata"].(map[string]any)
	for _, column := range columns {
		switch column {
		case "name":
			item["name"] = w.Key.Name
		case "namespace":
			item["namespace"] = cmp.Or(w.Key.Namespace, manifests.DefaultNamespace)
		case "spec":
			item["spec"] = w.Body["spec"]
		case "labels", "annotations":
			item[column] = meta[column]
			if meta[column] == nil { // null is refused
				item[column] = map[string]any{}
			}
		default:
			return nil, fmt.Errorf("no such column: %q", clean(column, 40))
		}
	}
	if w.Body != nil && emptySpec(w.Body) {
		item["spec"] = "{}"
	}
	return item, nil
}

// ifMatch lists every object's tag, in several header lines if need be: NetBox joins them.
func ifMatch(items []gitops.Write) []string {
	var tags []string
	for _, w := range items {
		if w.LastUpdated == "" {
			return nil // a fence of an object whose tag is not known
		}
		tags = append(tags, etag(w.LastUpdated))
	}
	var lines []string
	for chunk := range slices.Chunk(tags, tagsPerLine) {
		lines = append(lines, strings.Join(chunk, ", "))
	}
	return lines
}

// recheck stands in for If-Match on a NetBox without it: it reads the objects just before the write. It returns nil
// when all are as planned; otherwise nothing is sent.
func (f *Fabric) recheck(ctx context.Context, t table, batch gitops.Batch) *gitops.BatchResult {
	now := map[int64]string{}
	var err error
	if len(batch.Items) == 1 {
		var m map[string]any
		m, _, err = f.c.getObject(ctx, t.detail(batch.Items[0].PK)+"?fields=id,last_updated")
		var e *StatusError
		if errors.As(err, &e) && e.Status == http.StatusNotFound {
			err = nil
		} else if err == nil {
			now[batch.Items[0].PK], err = lastUpdatedIn(m)
		}
	} else {
		var rows []map[string]any
		rows, err = f.c.pages(ctx, t.list()+"?ordering=id&fields=id,last_updated")
		for _, row := range rows {
			pk, err := positive(row, "id")
			if err != nil {
				continue
			}
			if at, err := lastUpdatedIn(row); err == nil {
				now[pk] = at
			}
		}
	}
	if err != nil {
		res := all(len(batch.Items), gitops.OutcomeNotSent, "", fmt.Errorf("read %s before writing: %w", batch.Kind, err))
		return &res
	}
	res := all(len(batch.Items), gitops.OutcomeBatch, "", nil)
	fine := true
	for i, w := range batch.Items {
		at, ok := now[w.PK]
		switch {
		case !ok:
			res.Items[i].Outcome, fine = gitops.OutcomeGone, false
		case w.LastUpdated != "" && at != w.LastUpdated:
			res.Items[i].Outcome, fine = gitops.OutcomeStale, false
		}
	}
	if fine {
		return nil
	}
	return &res
}

// all gives every item the same outcome.
func all(n int, outcome gitops.Outcome, message string, err error) gitops.BatchResult {
	return gitops.BatchResult{Err: err, Items: slices.Repeat([]gitops.WriteResult{{Outcome: outcome, Message: message}}, n)}
}

// keyOf is an identity for comparing answers with what was sent.
func keyOf(k gitops.Key) string {
	return cmp.Or(k.Namespace, manifests.DefaultNamespace) + "/" + k.Name
}
