package netboxtest

import (
	"fmt"
	"net/http"
	"slices"
)

// bulkErrors is the body of a refused bulk request from 4.7 on.
func bulkErrors(n, total int, what string, errs []any) *apiError {
	return &apiError{status: 400, body: obj("detail", fmt.Sprintf("%d of %d objects %s", n, total, what), "errors", errs)}
}

// bulkCreate creates a list in its order, all or nothing. Up to 4.6 the whole
// list is validated first; from 4.7 on each item is saved as soon as it is valid,
// which is why ids are consumed by a list that fails.
func (s *Server) bulkCreate(tx *tx, rq *request, m *model, list []any) (*response, *apiError, bool) {
	if s.old() {
		bad, errs := false, []any{}
		for _, x := range list {
			e := notADict(x)
			if o, ok := x.(*object); ok {
				e = s.validate(m, nil, o, modeCreate, s.selectionOf(rq)).errs
			}
			bad = bad || len(e.keys) > 0
			errs = append(errs, e)
		}
		if bad {
			return nil, &apiError{status: 400, body: errs}, false
		}
	}
	var rows []*row
	errs := []any{}
	for i, x := range list {
		o, ok := x.(*object)
		if !ok {
			errs = append(errs, obj("index", int64(i), "errors", notADict(x)))
			continue
		}
		r, apiErr := s.create(tx, rq, m, o)
		switch {
		case apiErr == nil:
			rows = append(rows, r)
		case apiErr.status == 400:
			errs = append(errs, obj("index", int64(i), "errors", apiErr.body))
		default:
			return nil, apiErr, false
		}
	}
	if len(errs) > 0 {
		return nil, bulkErrors(len(errs), len(list), "could not be created.", errs), false
	}
	return s.bulkResponse(rq, m, http.StatusCreated, rows)
}

func (s *Server) bulkResponse(rq *request, m *model, status int, rows []*row) (*response, *apiError, bool) {
	body := []any{}
	for _, r := range rows {
		o, apiErr := s.represent(reprContext{base: rq.base, sel: s.selectionOf(rq)}, m, r)
		if apiErr != nil {
			return nil, apiErr, true
		}
		body = append(body, o)
	}
	return &response{status: status, body: body}, nil, true
}

// bulkItem is one element of a bulk PATCH, PUT or DELETE.
type bulkItem struct {
	id    int64
	input *object
}

// bulkWrite updates or deletes the listed objects, all or nothing, in the order
// of their ids.
func (s *Server) bulkWrite(tx *tx, rq *request, m *model, list []any) (*response, *apiError, bool) {
	items, apiErr := s.bulkItems(list)
	if apiErr != nil {
		return nil, apiErr, false
	}
	byID := map[int64]*object{}
	var ids []int64
	times := map[int64]int{}
	for _, it := range items {
		if times[it.id]++; times[it.id] == 1 {
			ids = append(ids, it.id)
		}
		byID[it.id] = it.input
	}
	if !s.old() {
		errs := []any{}
		for _, id := range ids {
			if times[id] > 1 {
				errs = append(errs, obj("id", id, "errors", obj("id", []any{fmt.Sprintf("Each object may be specified only once; ID %d is listed %d times", id, times[id])})))
			}
		}
		if len(errs) > 0 {
			return nil, bulkErrors(len(errs), len(list), "are listed more than once.", errs), false
		}
	}
	found, errs := []int64{}, []any{}
	for _, id := range ids {
		if r := s.db.get(m, id); r != nil && s.sees(rq.user, actionOf(rq.method), m, r) {
			found = append(found, id)
		} else {
			errs = append(errs, obj("id", id, "errors", obj("id", []any{fmt.Sprintf("Object with ID %d does not exist", id)})))
		}
	}
	if len(errs) > 0 && !s.old() {
		return nil, bulkErrors(len(errs), len(list), "could not be found.", errs), false
	}
	slices.Sort(found)
	if !s.old() {
		for _, id := range found {
			if apiErr := precondition(rq, s.db.get(m, id)); apiErr != nil {
				return nil, apiErr, false
			}
		}
	}
	if rq.method == http.MethodDelete {
		return s.bulkDelete(tx, rq, m, found, byID, len(list))
	}
	return s.bulkUpdate(tx, rq, m, found, byID, len(list))
}

func (s *Server) bulkItems(list []any) ([]bulkItem, *apiError) {
	var items []bulkItem
	errs, oldErrs := []any{}, []any{}
	for i, x := range list {
		e := newObject()
		o, ok := x.(*object)
		var id int64
		if !ok {
			e = notADict(x)
		} else if v, has := o.get("id"); !has {
			e.set("id", []any{msgRequired})
		} else if v == nil {
			e.set("id", []any{msgNull})
		} else if id, ok = intValue(v); !ok {
			e.set("id", []any{"A valid integer is required."})
		}
		if len(e.keys) > 0 {
			errs = append(errs, obj("index", int64(i), "errors", e))
		}
		oldErrs = append(oldErrs, e)
		items = append(items, bulkItem{id, o})
	}
	if len(errs) == 0 {
		return items, nil
	}
	if s.old() {
		return nil, &apiError{status: 400, body: oldErrs}
	}
	return nil, bulkErrors(len(errs), len(list), "failed validation.", errs)
}

func (s *Server) bulkUpdate(tx *tx, rq *request, m *model, ids []int64, byID map[int64]*object, total int) (*response, *apiError, bool) {
	var rows []*row
	errs := []any{}
	for _, id := range ids {
		// Up to 4.6 the tag is compared when an object's turn comes, so
		// objects before it have been saved, and their events queued.
		if s.old() {
			if apiErr := precondition(rq, s.db.get(m, id)); apiErr != nil {
				return nil, apiErr, false
			}
		}
		r, apiErr := s.update(tx, rq, m, s.db.get(m, id), byID[id])
		switch {
		case apiErr == nil:
			rows = append(rows, r)
		case apiErr.status == 400 && !s.old():
			errs = append(errs, obj("id", id, "errors", apiErr.body))
		default:
			return nil, apiErr, false
		}
	}
	if len(errs) > 0 {
		return nil, bulkErrors(len(errs), total, "could not be updated.", errs), false
	}
	return s.bulkResponse(rq, m, http.StatusOK, rows)
}

func (s *Server) bulkDelete(tx *tx, rq *request, m *model, ids []int64, byID map[int64]*object, total int) (*response, *apiError, bool) {
	errs := []any{}
	for _, id := range ids {
		r := s.db.get(m, id)
		if s.old() {
			if apiErr := precondition(rq, r); apiErr != nil {
				return nil, apiErr, false
			}
		}
		message, bad := messageOf(byID[id])
		if bad != nil {
			errs = append(errs, obj("id", id, "errors", bad.body))
			continue
		}
		if apiErr := tx.remove(m, r, message); apiErr != nil {
			return nil, s.deleteError(tx, m, apiErr), false
		}
	}
	if len(errs) > 0 {
		return nil, bulkErrors(len(errs), total, "could not be deleted.", errs), false
	}
	return &response{status: http.StatusNoContent}, nil, true
}
