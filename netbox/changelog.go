package netbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
)

const (
	changesPath = "/api/core/object-changes/"
	// changeFields is the list of contract/hnp §14. Without it one row of a kind without an object page makes the
	// whole list a 500, and no snapshot, which may hold secrets, is in it.
	changeFields = "id,time,user_name,request_id,action,changed_object_type,changed_object_id,message"
	snapshots    = ",prechange_data,postchange_data"
	// maxFeedPages is where Feed stops and says Truncated.
	maxFeedPages = 10
	// deleteChunk is how many objects are asked for at once: the URL stays below 4 kB.
	deleteChunk = 100
)

// hedgehogTypes is the filter for the twelve kinds. Fabrics are never in it: their snapshots hold secrets.
var hedgehogTypes = func() string {
	var b strings.Builder
	for _, t := range tables {
		b.WriteString("changed_object_type=" + t.objectType() + "&")
	}
	return b.String()
}()

// Feed implements gitops.Inventory.
func (f *Fabric) Feed(ctx context.Context, fromID int64) (*gitops.FeedPage, error) {
	page, err := f.c.changes(ctx, hedgehogTypes, fromID, "", maxFeedPages)
	if err != nil {
		return nil, fmt.Errorf("read the change log from %d: %w", fromID, err)
	}
	return page, nil
}

// FeedEnds implements gitops.Inventory.
func (f *Fabric) FeedEnds(ctx context.Context) (oldest, newest gitops.ChangeRow, err error) {
	end := func(ordering string) (gitops.ChangeRow, error) {
		m, _, err := f.c.getChanges(ctx, "ordering="+ordering+"&limit=1&fields="+changeFields)
		if err != nil {
			return gitops.ChangeRow{}, fmt.Errorf("read the ends of the change log: %w", err)
		}
		results, _, _, err := listAnswer(m)
		if err == nil && len(results) == 0 {
			return gitops.ChangeRow{}, nil
		}
		var row gitops.ChangeRow
		if err == nil {
			row, err = changeRow(results[0])
		}
		if err != nil {
			return gitops.ChangeRow{}, fmt.Errorf("read the ends of the change log: netbox %s: %w", f.c.name, err)
		}
		return row, nil
	}
	if oldest, err = end("id"); err != nil {
		return gitops.ChangeRow{}, gitops.ChangeRow{}, err
	}
	if newest, err = end("-id"); err != nil {
		return gitops.ChangeRow{}, gitops.ChangeRow{}, err
	}
	return oldest, newest, nil
}

// OperationRows implements gitops.Inventory. NetBox's q= also matches names and users, so messages are compared here.
func (f *Fabric) OperationRows(ctx context.Context, operation string) ([]gitops.ChangeRow, error) {
	if operation == "" {
		return nil, errors.New("read the rows of an operation: the operation id is empty")
	}
	page, err := f.c.changes(ctx, "q="+url.QueryEscape(operation)+"&"+hedgehogTypes, 0, snapshots, maxFeedPages)
	if err != nil {
		return nil, fmt.Errorf("read the rows of operation %s: %w", clean(operation, 60), err)
	}
	if page.Truncated {
		return nil, fmt.Errorf("read the rows of operation %s: more than %d rows", clean(operation, 60), maxFeedPages*pageSize)
	}
	rows := page.Rows[:0]
	for _, r := range page.Rows {
		if r.Message == operation {
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// DeleteRows implements gitops.Inventory.
func (f *Fabric) DeleteRows(ctx context.Context, kind string, pks []int64) ([]gitops.ChangeRow, error) {
	t, ok := tableOf(kind)
	if !ok {
		return nil, fmt.Errorf("read deletes: %s", noTable(kind))
	}
	var rows []gitops.ChangeRow
	for len(pks) > 0 {
		chunk := pks[:min(len(pks), deleteChunk)]
		pks = pks[len(chunk):]
		q := "changed_object_type=" + t.objectType() + "&"
		asked := map[int64]bool{}
		for _, pk := range chunk {
			q += "changed_object_id=" + strconv.FormatInt(pk, 10) + "&"
			asked[pk] = true
		}
		page, err := f.c.changes(ctx, q+"action=delete&", 0, "", maxFeedPages)
		if err != nil {
			return nil, fmt.Errorf("read deletes of %s: %w", kind, err)
		}
		for _, r := range page.Rows {
			// NetBox ignores filters it does not know: nothing is believed that was not asked for.
			if r.Action == "delete" && r.Kind == kind && asked[r.PK] {
				rows = append(rows, r)
			}
		}
	}
	return rows, nil
}

// changes reads rows in ascending order, each page from the last row of the one before. filter ends with "&". Rows of
// other types than the twelve kinds are dropped.
func (c *Connection) changes(ctx context.Context, filter string, fromID int64, extra string, maxPages int) (*gitops.FeedPage, error) {
	out := &gitops.FeedPage{}
	last := fromID - 1
	for page := 0; ; page++ {
		q := filter
		if from := max(last, fromID); from > 0 {
			q = "id__gte=" + strconv.FormatInt(from, 10) + "&" + q
		}
		m, a, err := c.getChanges(ctx, q+"ordering=id&limit="+strconv.Itoa(pageSize)+"&fields="+changeFields+extra)
		if err != nil {
			return nil, err
		}
		if page == 0 {
			out.Now = c.serverTime(a)
		}
		results, _, more, err := listAnswer(m)
		if err != nil {
			return nil, fmt.Errorf("netbox %s: %w", c.name, err)
		}
		before := last
		for i, item := range results {
			r, err := changeRow(item)
			if err != nil {
				return nil, fmt.Errorf("netbox %s: %w", c.name, err)
			}
			if page > 0 && i == 0 && r.ID == last {
				continue
			}
			if r.ID <= last {
				return nil, fmt.Errorf("netbox %s: change row %d follows %d: the filter or the order was ignored", c.name, r.ID, last)
			}
			last = r.ID
			if r.Kind != "" {
				out.Rows = append(out.Rows, r)
			}
		}
		switch {
		case !more:
			return out, nil
		case last == before:
			return nil, fmt.Errorf("netbox %s: the change log names a further page that holds nothing new", c.name)
		case page+1 == maxPages:
			out.Truncated = true
			return out, nil
		}
	}
}

// getChanges turns a missing permission into gitops.ErrNoChangeLog.
func (c *Connection) getChanges(ctx context.Context, query string) (map[string]any, *answer, error) {
	m, a, err := c.getObject(ctx, changesPath+"?"+query)
	var e *StatusError
	if errors.As(err, &e) && e.Status == http.StatusForbidden && !e.badToken() {
		return nil, nil, fmt.Errorf("netbox %s: %w", c.name, gitops.ErrNoChangeLog)
	}
	return m, a, err
}

// serverTime is the answer's Date header, or our clock when a proxy dropped it.
func (c *Connection) serverTime(a *answer) time.Time {
	if t, err := http.ParseTime(a.header.Get("Date")); err == nil {
		return t.UTC()
	}
	return c.now().UTC()
}

// action is {"value":"create","label":"Created"} in NetBox; a plain text is accepted too.
func action(m map[string]any) string {
	switch v := m["action"].(type) {
	case map[string]any:
		s, _ := v["value"].(string)
		return s
	case string:
		return v
	default:
		return ""
	}
}

// changeRow decodes one row of the change log. Kind is empty for other types than the plugin's kinds. The user may be
// gone (null): only the name column is asked for.
func changeRow(item any) (gitops.ChangeRow, error) {
	m, ok := item.(map[string]any)
	if !ok {
		return gitops.ChangeRow{}, fmt.Errorf("change row is %s, not a mapping", jsonType(item))
	}
	var r gitops.ChangeRow
	var err error
	if r.ID, err = positive(m, "id"); err != nil {
		return gitops.ChangeRow{}, fmt.Errorf("change row: %w", err)
	}
	fail := func(err error) (gitops.ChangeRow, error) {
		return gitops.ChangeRow{}, fmt.Errorf("change row %d: %w", r.ID, err)
	}
	text, err := textIn(m, "time")
	if err != nil {
		return fail(err)
	}
	if r.Time, err = time.Parse(time.RFC3339, text); err != nil {
		return fail(fmt.Errorf("time %q is no time", clean(text, 60)))
	}
	r.Time = r.Time.UTC()
	if r.RequestID, err = textIn(m, "request_id"); err != nil {
		return fail(err)
	}
	r.RequestID = clean(r.RequestID, 100)
	if user, ok := m["user_name"].(string); ok {
		r.User = clean(user, 200)
	}
	if r.Message, _ = m["message"].(string); len(r.Message) > 1000 {
		return fail(errors.New("message is longer than NetBox stores"))
	}
	if r.Action = action(m); r.Action != "create" && r.Action != "update" && r.Action != "delete" {
		return fail(fmt.Errorf("unknown action %q", clean(r.Action, 40)))
	}
	objectType, err := textIn(m, "changed_object_type")
	if err != nil {
		return fail(err)
	}
	if r.PK, err = positive(m, "changed_object_id"); err != nil {
		return fail(err)
	}
	var known bool
	if r.Kind, known = KindOfType(objectType); !known {
		return r, nil
	}
	t, _ := tableOf(r.Kind)
	for _, s := range []struct {
		field string
		to    **gitops.NetBoxObject
	}{{"prechange_data", &r.Pre}, {"postchange_data", &r.Post}} {
		data, ok := m[s.field].(map[string]any)
		if !ok || len(data) == 0 { // null or {}: there is no such side
			continue
		}
		if *s.to, err = t.snapshot(r.PK, data); err != nil {
			return fail(fmt.Errorf("%s: %w", s.field, err))
		}
	}
	return r, nil
}
