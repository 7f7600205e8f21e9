package netbox

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// judge says what an answer means for each item. What it may claim:
//
//   - done: the answer is a success and holds the object, whole;
//   - nothing was written: NetBox said so by a 4xx, or by one of the three 500s that were measured not to save
//     (IntegrityError, DataError, RequestDataTooBig; contract/hnp §3), or by the 500 that every delete of a kind
//     without an object page gives;
//   - everything else is unknown.
//
// Bulk requests are all or nothing, so an item without fault of its own gets OutcomeBatch.
func (f *Fabric) judge(t table, batch gitops.Batch, req writeRequest, a *answer) gitops.BatchResult {
	n := len(batch.Items)
	op := batch.Kind + "/" + string(batch.Op)
	if a.status >= 200 && a.status < 300 {
		f.c.permitted(op)
		return f.success(t, batch, req, a)
	}
	e := f.c.problem(req.method, req.path, a)
	err := fmt.Errorf("write %s: %w", batch.Kind, e)
	// rest is the outcome of a refusal that names no item: a batch is split by the caller until it does.
	rest := func() gitops.BatchResult {
		if n > 1 {
			return all(n, gitops.OutcomeBatch, "", err)
		}
		return all(n, gitops.OutcomeRefused, e.Words, err)
	}
	switch {
	case a.status == http.StatusTooManyRequests, a.status == http.StatusServiceUnavailable && e.RetryAfter > 0:
		res := all(n, gitops.OutcomeNotSent, "", err)
		res.RetryAfter = cmp.Or(e.RetryAfter, defaultRetryAfter)
		return res
	case a.status == http.StatusRequestTimeout, a.status < 200:
		return all(n, gitops.OutcomeUnknown, "", err)
	case a.status >= 500:
		return f.serverError(batch, e, err)
	case a.status < 400: // a redirect, which is never followed
		return all(n, gitops.OutcomeRefused, e.Words, err)
	case a.status == http.StatusUnauthorized, e.badToken():
		// The token's fault, not the objects': they must not be held against them.
		return all(n, gitops.OutcomeNotSent, e.Words, err)
	case a.status == http.StatusForbidden:
		// 403 is a missing permission, or one object that would leave the token's constraints; the words are the
		// same. A batch is split to find out, until that met nothing but refusals.
		if missing := f.c.denied(op, batch.Operation); n > 1 && !missing {
			return all(n, gitops.OutcomeBatch, "", err)
		}
		return all(n, gitops.OutcomeRefused, forbiddenWords(t, batch.Op, e.Words), err)
	case a.status == http.StatusNotFound:
		if n == 1 && batch.Op != gitops.OpCreate && !e.HTML {
			return all(n, gitops.OutcomeGone, "", err)
		}
		return all(n, gitops.OutcomeRefused, "NetBox has no "+t.list()+" (is the plugin installed?)", err)
	case a.status == http.StatusPreconditionFailed:
		if n == 1 {
			return all(n, gitops.OutcomeStale, "", err)
		}
		// The ETag header is the current tag of the item that failed, which is none of those sent.
		return all(n, gitops.OutcomeBatch, "", err)
	case a.status == http.StatusBadRequest:
		if n == 1 {
			if (batch.Op == gitops.OpCreate || renames(batch.Items[0])) && alreadyExists(e.Words) {
				return all(n, gitops.OutcomeExists, e.Words, err)
			}
			return all(n, gitops.OutcomeRefused, e.Words, err)
		}
		res := all(n, gitops.OutcomeBatch, "", err)
		f.nameItems(batch, a, res.Items)
		return res
	default: // 405, 409, 413, 415, 422, 431, …
		return rest()
	}
}

// defaultRetryAfter is what a 429 without Retry-After means.
const defaultRetryAfter = 5 * time.Second

// serverError handles 5xx answers.
func (f *Fabric) serverError(batch gitops.Batch, e *StatusError, err error) gitops.BatchResult {
	n := len(batch.Items)
	if e.HTML || e.Status != http.StatusInternalServerError {
		return all(n, gitops.OutcomeUnknown, "", err)
	}
	switch {
	case e.Exception == "IntegrityError" && duplicatePattern.MatchString(e.Words):
		if n == 1 {
			return all(n, gitops.OutcomeExists, e.Words, err)
		}
		res := all(n, gitops.OutcomeBatch, "", err)
		if i := f.duplicate(batch, e.Words); i >= 0 {
			res.Items[i] = gitops.WriteResult{Outcome: gitops.OutcomeExists, Message: e.Words}
		}
		return res
	case e.Exception == "DataError", e.Exception == "RequestDataTooBig",
		e.Exception == "ImproperlyConfigured" && batch.Op == gitops.OpDelete:
		if n > 1 {
			return all(n, gitops.OutcomeBatch, "", err)
		}
		return all(n, gitops.OutcomeRefused, e.Words, err)
	default:
		return all(n, gitops.OutcomeUnknown, "", err)
	}
}

// duplicatePattern is PostgreSQL's text for the plugin's unique constraint, with the value when it is shown.
var duplicatePattern = regexp.MustCompile(`duplicate key value violates unique constraint "netbox_hedgehog_[^"]*"(?:.*\(fabric_id, namespace, name\)=\((\d+), ([^,()]+), ([^,()]+)\))?`)

// duplicate finds the one item of a bulk write whose identity NetBox names; -1 when there is none or more than one
// (two items of the batch with one name).
func (f *Fabric) duplicate(batch gitops.Batch, words string) int {
	p := duplicatePattern.FindStringSubmatch(words)
	if p == nil || p[1] != strconv.FormatInt(f.pk, 10) {
		return -1
	}
	found := -1
	for i, w := range batch.Items {
		if keyOf(w.Key) != p[2]+"/"+p[3] {
			continue
		}
		if found >= 0 {
			return -1
		}
		found = i
	}
	return found
}

// alreadyExists recognises the 400 that serializers with a uniqueness check give (other plugin versions).
func alreadyExists(words string) bool {
	return strings.Contains(words, "already exists") || strings.Contains(words, "must make a unique set")
}

func renames(w gitops.Write) bool {
	for _, c := range w.Columns {
		if c == "name" || c == "namespace" {
			return true
		}
	}
	return false
}

func forbiddenWords(t table, op gitops.Op, words string) string {
	right := map[gitops.Op]string{gitops.OpCreate: "add", gitops.OpDelete: "delete"}[op]
	if right == "" {
		right = "change"
	}
	return words + " (the token needs write access and the permission " + pluginName + "." + right + "_" + t.model + ", without a constraint that excludes the object)"
}

// nameItems marks the items that a 400 of a bulk write names. NetBox 4.7: {"detail","errors":[{"id"|"index","errors"}]}.
// NetBox 4.6 names items only on create: a list as long as the batch, empty where the item is fine.
func (f *Fabric) nameItems(batch gitops.Batch, a *answer, items []gitops.WriteResult) {
	v, err := decodeJSON(a.body)
	if err != nil {
		return
	}
	mark := func(i int, problem any) {
		w := cmp.Or(f.c.text(errorText(problem, 0), maxWords), "no explanation")
		outcome := gitops.OutcomeRefused
		m, _ := problem.(map[string]any)
		if _, ok := m["id"]; ok && strings.Contains(w, "does not exist") {
			outcome, w = gitops.OutcomeGone, ""
		} else if (batch.Op == gitops.OpCreate || renames(batch.Items[i])) && alreadyExists(w) {
			outcome = gitops.OutcomeExists
		}
		items[i] = gitops.WriteResult{Outcome: outcome, Message: w}
	}
	switch v := v.(type) {
	case []any:
		if batch.Op != gitops.OpCreate || len(v) != len(items) {
			return
		}
		for i, problem := range v {
			if m, ok := problem.(map[string]any); ok && len(m) == 0 {
				continue
			}
			mark(i, problem)
		}
	case map[string]any:
		list, _ := v["errors"].([]any)
		for _, item := range list {
			m, _ := item.(map[string]any)
			if i, ok := count(m["index"]); ok && i < len(items) {
				mark(i, m["errors"])
				continue
			}
			pk, err := positive(m, "id")
			if err != nil {
				continue
			}
			for i, w := range batch.Items {
				if w.PK == pk {
					mark(i, m["errors"])
				}
			}
		}
	}
}

// success takes the objects out of an answer. An item that the answer does not hold is unknown: NetBox 4.6 skips rows
// it does not find or show.
func (f *Fabric) success(t table, batch gitops.Batch, req writeRequest, a *answer) gitops.BatchResult {
	n := len(batch.Items)
	unclear := func(err error) gitops.BatchResult {
		return all(n, gitops.OutcomeUnknown, "", fmt.Errorf("write %s: netbox %s: %s %s: %w", batch.Kind, f.c.name, req.method, withoutQuery(req.path), err))
	}
	want := map[gitops.Op]int{gitops.OpCreate: http.StatusCreated, gitops.OpDelete: http.StatusNoContent}[batch.Op]
	if want == 0 {
		want = http.StatusOK
	}
	if a.status != want {
		return unclear(fmt.Errorf("status %d where %d means success", a.status, want))
	}
	if batch.Op == gitops.OpDelete {
		return all(n, gitops.OutcomeDone, "", nil)
	}
	v, err := decodeJSON(a.body)
	if err != nil {
		return unclear(fmt.Errorf("the answer is not JSON: %s", f.c.text(err.Error(), 200)))
	}
	list, ok := v.([]any)
	if n == 1 {
		list, ok = []any{v}, true
	}
	if !ok {
		return unclear(fmt.Errorf("the answer is %s, not a list", jsonType(v)))
	}
	byPK, byKey := map[int64]gitops.NetBoxObject{}, map[string]gitops.NetBoxObject{}
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			return unclear(fmt.Errorf("an object of the answer is %s", jsonType(item)))
		}
		obj, fabric, err := t.row(m)
		if err != nil {
			return unclear(err)
		}
		if fabric != f.pk {
			return unclear(fmt.Errorf("%s %d is in fabric %d", t.kind, obj.PK, fabric))
		}
		byPK[obj.PK], byKey[keyOf(obj.Key)] = obj, obj
	}
	res := gitops.BatchResult{Items: make([]gitops.WriteResult, n)}
	missing := 0
	for i, w := range batch.Items {
		obj, ok := byPK[w.PK]
		if batch.Op == gitops.OpCreate {
			obj, ok = byKey[keyOf(w.Key)]
		}
		if !ok {
			res.Items[i], missing = gitops.WriteResult{Outcome: gitops.OutcomeUnknown}, missing+1
			continue
		}
		res.Items[i] = gitops.WriteResult{Outcome: gitops.OutcomeDone, Object: obj}
	}
	if missing > 0 {
		res.Err = fmt.Errorf("write %s: netbox %s: the answer lacks %d of %d objects", batch.Kind, f.c.name, missing, n)
	}
	return res
}

// denial counts the 403s of one kind and operation in a row, within one operation id.
type denial struct {
	operation string
	count     int
}

// maxDenials is how many 403s in a row, without one success, mean that the permission is missing. Halving a batch of
// 100 that holds one object outside a constraint meets two in a row at most; without the permission it would go on
// to 199.
const maxDenials = 8

// denied counts a 403 and reports whether the permission is missing.
func (c *Connection) denied(op, operation string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.denials[op]
	if d.operation != operation {
		d = denial{operation: operation}
	}
	d.count++
	c.denials[op] = d
	return d.count >= maxDenials
}

func (c *Connection) permitted(op string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.denials, op)
}
