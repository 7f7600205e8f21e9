package netbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/hnp-sync/hnp-sync/gitops"
)

const (
	pageSize = 1000 // NetBox's own maximum; larger values are cut to it
	// listAttempts is how often a listing is begun before rows that keep moving make it unknown.
	listAttempts = 3
	// maxRows bounds a listing.
	maxRows = 200_000
)

// errShifted: rows moved between two pages.
var errShifted = errors.New("rows kept moving between pages")

// pages reads a whole list, ordered by id, and returns its rows and when the first page was asked for. path is the
// list with its query, without limit and offset. Each page begins with the last row of the one before, which must be
// the same: a row deleted in front of it would otherwise let another one slip between the two pages unseen.
func (c *Connection) pages(ctx context.Context, path string) ([]map[string]any, error) {
	var err error
	for range listAttempts {
		var rows []map[string]any
		if rows, err = c.pagesOnce(ctx, path); err == nil || !errors.Is(err, errShifted) {
			return rows, err
		}
	}
	return nil, err
}

func (c *Connection) pagesOnce(ctx context.Context, path string) ([]map[string]any, error) {
	where := func(err error) error { return fmt.Errorf("netbox %s: GET %s: %w", c.name, withoutQuery(path), err) }
	var rows []map[string]any
	last := int64(0)
	for {
		page := path + "&limit=" + strconv.Itoa(pageSize)
		if len(rows) > 0 {
			page += "&offset=" + strconv.Itoa(len(rows)-1)
		}
		m, _, err := c.getObject(ctx, page)
		if err != nil {
			return nil, err
		}
		results, total, more, err := listAnswer(m)
		if err != nil {
			return nil, where(err)
		}
		for i, item := range results {
			row, ok := item.(map[string]any)
			if !ok {
				return nil, where(fmt.Errorf("result %d is %s, not a mapping", len(rows)+i, jsonType(item)))
			}
			id, err := positive(row, "id")
			if err != nil {
				return nil, where(fmt.Errorf("result %d: %w", len(rows)+i, err))
			}
			switch {
			case i == 0 && len(rows) > 0:
				if id != last {
					return nil, where(errShifted)
				}
				continue
			case id <= last:
				return nil, where(fmt.Errorf("%w: id %d follows %d", errShifted, id, last))
			}
			last = id
			rows = append(rows, row)
			if len(rows) > maxRows {
				return nil, where(fmt.Errorf("more than %d rows", maxRows))
			}
		}
		switch {
		case !more && len(rows) == total:
			return rows, nil
		case !more || len(rows) >= total:
			// The count changed under way, or the answer contradicts itself.
			return nil, where(fmt.Errorf("%w: %d rows read, %d counted", errShifted, len(rows), total))
		case len(results) < 2:
			return nil, where(fmt.Errorf("%w: %d rows read, %d counted, no further page", errShifted, len(rows), total))
		}
	}
}

// listAnswer takes a page apart. more says that NetBox names a next page; its URL is never followed.
func listAnswer(m map[string]any) (results []any, total int, more bool, err error) {
	results, ok := m["results"].([]any)
	if !ok {
		return nil, 0, false, fmt.Errorf("results is %s, not a list", jsonType(m["results"]))
	}
	if total, ok = count(m["count"]); !ok {
		return nil, 0, false, fmt.Errorf("count is %s, not a whole number", jsonType(m["count"]))
	}
	switch m["next"].(type) {
	case nil:
	case string:
		more = true
	default:
		return nil, 0, false, fmt.Errorf("next is %s, not a text", jsonType(m["next"]))
	}
	return results, total, more, nil
}

// List implements gitops.Inventory: one request per kind and page. Kinds are read one after the other, in the order
// asked for. When the connection fails, the kinds not read yet fail alike and the error says so.
func (f *Fabric) List(ctx context.Context, kinds []string) (map[string]*gitops.Listing, error) {
	out := make(map[string]*gitops.Listing, len(kinds))
	var lost error
	for _, kind := range kinds {
		if out[kind] != nil {
			continue
		}
		if lost != nil {
			out[kind] = &gitops.Listing{At: f.c.now(), Err: lost}
			continue
		}
		out[kind] = f.listKind(ctx, kind)
		if err := out[kind].Err; err != nil && (ctx.Err() != nil || connectionLost(err)) {
			lost = err
		}
	}
	if lost != nil {
		return out, fmt.Errorf("list fabric %d: %w", f.pk, lost)
	}
	return out, nil
}

func (f *Fabric) listKind(ctx context.Context, kind string) *gitops.Listing {
	l := &gitops.Listing{At: f.c.now()}
	fail := func(err error) *gitops.Listing {
		return &gitops.Listing{At: l.At, Err: fmt.Errorf("list %s: %w", kind, err)}
	}
	t, ok := tableOf(kind)
	if !ok {
		return fail(errors.New(noTable(kind)))
	}
	rows, err := f.c.pages(ctx, t.list()+"?ordering=id&fields="+rowFields)
	f.c.noteRead(t, err)
	if err != nil {
		return fail(err)
	}
	l.Objects = make([]gitops.NetBoxObject, 0, len(rows))
	l.Elsewhere = map[int64]int64{}
	for _, row := range rows {
		obj, fabric, err := t.row(row)
		if err != nil {
			return fail(fmt.Errorf("netbox %s: %w", f.c.name, err))
		}
		if fabric != f.pk {
			l.Elsewhere[obj.PK] = fabric
			continue
		}
		l.Objects = append(l.Objects, obj)
	}
	return l
}
