package netboxtest

import (
	"net/http"
	"strings"
)

// maxBody is Django's DATA_UPLOAD_MAX_MEMORY_SIZE: 2.5 MiB. Version 4.6.8
// accepted more; hardBody bounds that.
const (
	maxBody  = 2621440
	hardBody = 32 << 20
)

// write runs a POST, PUT, PATCH or DELETE in one transaction and, after it, the
// event queue. A failure in the queue comes too late to undo anything: the data
// stay, the answer is an HTML page and no webhook leaves.
func (s *Server) write(rq *request, m *model) (*response, *apiError) {
	tx := s.begin(rq)
	resp, apiErr, committed := s.perform(tx, rq, m)
	if !committed {
		tx.rollback()
	}
	queued, flushErr := s.flush(tx, committed)
	if flushErr != nil {
		resp, apiErr = s.errorPage(rq, flushErr), nil
	} else {
		tx.entry.queued = queued
		s.enqueue(rq, queued)
	}
	if err := s.persist(&tx.entry); err != nil {
		s.logf("netboxtest: %v", err)
		return nil, &apiError{status: 500, exception: "OperationalError", text: err.Error()}
	}
	return resp, apiErr
}

// perform does the work of write. committed tells whether the data stay; that is
// not the same as a success: serialising the answer happens after the commit.
func (s *Server) perform(tx *tx, rq *request, m *model) (resp *response, apiErr *apiError, committed bool) {
	if rq.route.kind == "detail" {
		return s.writeOne(tx, rq, m)
	}
	input, apiErr := s.decodeBody(rq)
	if apiErr != nil {
		return nil, apiErr, false
	}
	list, isList := input.([]any)
	if rq.method == http.MethodPost {
		if isList {
			return s.bulkCreate(tx, rq, m, list)
		}
		return s.createOne(tx, rq, m, input)
	}
	if !isList {
		return nil, &apiError{status: 400, body: obj("non_field_errors", []any{`Expected a list of items but got type "` + pythonType(input) + `".`})}, false
	}
	return s.bulkWrite(tx, rq, m, list)
}

func (s *Server) decodeBody(rq *request) (any, *apiError) {
	if rq.tooBig {
		return nil, &apiError{status: 500, exception: "RequestDataTooBig", text: "Request body exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE."}
	}
	ctype, _, _ := strings.Cut(rq.header.Get("Content-Type"), ";")
	if ctype = strings.ToLower(strings.TrimSpace(ctype)); ctype != "application/json" && len(rq.body) > 0 {
		return nil, &apiError{status: http.StatusUnsupportedMediaType, body: obj("detail", `Unsupported media type "`+rq.header.Get("Content-Type")+`" in request.`)}
	}
	if len(rq.body) == 0 {
		return newObject(), nil // DRF: no content is no data
	}
	v, err := parseJSON(rq.body)
	if err != nil {
		return nil, &apiError{status: 400, body: obj("detail", "JSON parse error - "+err.Error())}
	}
	return v, nil
}

func notADict(v any) *object {
	return obj("non_field_errors", []any{"Invalid data. Expected a dictionary, but got " + pythonType(v) + "."})
}

func (s *Server) createOne(tx *tx, rq *request, m *model, input any) (*response, *apiError, bool) {
	o, ok := input.(*object)
	if !ok {
		return nil, &apiError{status: 400, body: notADict(input)}, false
	}
	r, apiErr := s.create(tx, rq, m, o)
	if apiErr != nil {
		return nil, apiErr, false
	}
	body, apiErr := s.represent(reprContext{base: rq.base, sel: s.selectionOf(rq)}, m, r)
	if apiErr != nil {
		return nil, apiErr, true
	}
	resp := &response{status: http.StatusCreated, body: body, location: rq.base + m.route + itoa(r.id) + "/"}
	if !m.noETag {
		resp.etag = etag(r.updated)
	}
	return resp, nil, true
}

func (s *Server) create(tx *tx, rq *request, m *model, o *object) (*row, *apiError) {
	c := s.validate(m, nil, o, modeCreate, s.selectionOf(rq))
	if len(c.errs.keys) > 0 {
		return nil, &apiError{status: 400, body: c.errs}
	}
	r, apiErr := tx.save(c)
	if apiErr != nil {
		return nil, apiErr
	}
	if !s.sees(rq.user, "add", m, r) {
		return nil, forbidden()
	}
	return r, nil
}

func (s *Server) update(tx *tx, rq *request, m *model, old *row, o *object) (*row, *apiError) {
	mode := modePatch
	if rq.method == http.MethodPut {
		mode = modePut
	}
	c := s.validate(m, old, o, mode, s.selectionOf(rq))
	if len(c.errs.keys) > 0 {
		return nil, &apiError{status: 400, body: c.errs}
	}
	r, apiErr := tx.save(c)
	if apiErr != nil {
		return nil, apiErr
	}
	if !s.sees(rq.user, "change", m, r) {
		return nil, forbidden()
	}
	return r, nil
}

func actionOf(method string) string {
	if method == http.MethodDelete {
		return "delete"
	}
	return "change"
}

func (s *Server) writeOne(tx *tx, rq *request, m *model) (*response, *apiError, bool) {
	old := s.db.get(m, rq.route.id)
	if old == nil || !s.sees(rq.user, actionOf(rq.method), m, old) {
		return nil, noMatch(m), false
	}
	if apiErr := precondition(rq, old); apiErr != nil {
		return nil, apiErr, false
	}
	input, apiErr := s.decodeBody(rq)
	if apiErr != nil {
		return nil, apiErr, false
	}
	o, ok := input.(*object)
	if rq.method == http.MethodDelete {
		message, bad := messageOf(o)
		if bad != nil {
			return nil, bad, false
		}
		if apiErr := tx.remove(m, old, message); apiErr != nil {
			return nil, s.deleteError(tx, m, apiErr), false
		}
		return &response{status: http.StatusNoContent}, nil, true
	}
	if !ok {
		return nil, &apiError{status: 400, body: notADict(input)}, false
	}
	r, apiErr := s.update(tx, rq, m, old, o)
	if apiErr != nil {
		return nil, apiErr, false
	}
	body, apiErr := s.represent(reprContext{base: rq.base, sel: s.selectionOf(rq)}, m, r)
	if apiErr != nil {
		return nil, apiErr, true
	}
	resp := &response{status: 200, body: body}
	if !m.noETag {
		resp.etag = etag(r.updated)
	}
	return resp, nil, true
}

// messageOf reads changelog_message out of the body of a DELETE.
func messageOf(o *object) (string, *apiError) {
	v, ok := o.get("changelog_message")
	if !ok {
		return "", nil
	}
	text, bad := charValue(v, true)
	if bad == "" && text == "" {
		bad = msgBlank
	}
	if bad != "" {
		return "", &apiError{status: 400, body: obj("changelog_message", []any{bad})}
	}
	return text, nil
}

// deleteError is the answer to a delete that failed while serialising. Up to 4.6
// a rule listening to deletes turns it into the HTML page.
func (s *Server) deleteError(tx *tx, m *model, apiErr *apiError) *apiError {
	if s.old() && apiErr.exception == "ImproperlyConfigured" && len(s.rulesFor(m, "deleted")) > 0 {
		page := *apiErr
		page.status = htmlError
		return &page
	}
	return apiErr
}

// htmlError marks an apiError that leaves as the HTML error page.
const htmlError = -500

// parseIfMatch returns the entity tags of all If-Match lines, nil when there are
// none or one is "*".
func parseIfMatch(lines []string) map[string]bool {
	if len(lines) == 0 {
		return nil
	}
	tags := map[string]bool{}
	for _, t := range strings.Split(strings.Join(lines, ","), ",") {
		if t = strings.TrimSpace(t); t == "*" {
			return nil
		}
		tags[t] = true
	}
	return tags
}

// precondition compares literally: a strong, unquoted or stale tag fails.
func precondition(rq *request, r *row) *apiError {
	if rq.ifMatch == nil || rq.ifMatch[etag(r.updated)] {
		return nil
	}
	return &apiError{status: http.StatusPreconditionFailed, body: obj("detail", "Precondition failed."), etag: etag(r.updated)}
}
