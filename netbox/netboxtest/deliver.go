package netboxtest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// delivery is one webhook on its way.
type delivery struct {
	id        int64
	method    string
	url       string
	headers   [][2]string
	body      []byte
	timeout   time.Duration
	event     string
	typeName  string
	objectID  int64
	requestID string
	delay     time.Duration // from a webhook_delay fault
	released  bool          // the answer to the request that caused it is out
	sending   bool
}

// Delivery is one finished attempt to deliver a webhook.
type Delivery struct {
	Event      string // created, updated, deleted
	ObjectType string // netbox_hedgehog.vpc
	ObjectID   int64
	RequestID  string // X-Request-ID of the request that caused it
	URL        string
	Body       []byte
	Signature  string // X-Hook-Signature; "" without a secret
	Status     int    // 0 when there was no answer
	Err        string // why it failed; "" for a 2xx answer
}

// maxDeliveryLog bounds what Deliveries remembers.
const maxDeliveryLog = 10000

type queue struct {
	pending []*delivery
	log     []Delivery
	changed chan struct{} // closed and replaced whenever anything changes
	lastID  int64
}

func (q *queue) notify() {
	close(q.changed)
	q.changed = make(chan struct{})
}

var templateTag = regexp.MustCompile(`\{\{\s*([a-zA-Z_][a-zA-Z0-9_.]*)\s*\}\}`)

// renderTemplate replaces {{ dotted.paths }} by values of the context; what does
// not exist becomes "", as in Jinja. Nothing else of Jinja is understood.
func renderTemplate(text string, context *object) string {
	return templateTag.ReplaceAllStringFunc(text, func(tag string) string {
		v, ok := dig(context, strings.Split(templateTag.FindStringSubmatch(tag)[1], "."))
		if !ok {
			return ""
		}
		return pythonStr(v)
	})
}

func (s *Server) newDelivery(rq *request, hook *row, e *event, body *object) *delivery {
	s.queue.lastID++
	d := &delivery{id: s.queue.lastID, method: hook.str("http_method"), url: renderTemplate(hook.str("payload_url"), body), body: encodeJSON(body, pythonic),
		timeout: 60 * time.Second, event: e.kind, typeName: e.m.typeName(), objectID: e.row.id, requestID: rq.id}
	if t := hook.int("timeout"); t > 0 {
		d.timeout = time.Duration(t) * time.Second
	}
	d.headers = append(d.headers, [2]string{"Accept-Encoding", "identity"}, [2]string{"User-Agent", "python-urllib3/2.8.0"}, [2]string{"Content-Type", hook.str("http_content_type")})
	for _, line := range strings.Split(renderTemplate(hook.str("additional_headers"), body), "\n") {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			d.headers = append(d.headers, [2]string{strings.TrimSpace(name), strings.TrimSpace(value)})
		}
	}
	if secret := hook.str("secret"); secret != "" {
		mac := hmac.New(sha512.New, []byte(secret))
		mac.Write(d.body)
		d.headers = append(d.headers, [2]string{"X-Hook-Signature", hex.EncodeToString(mac.Sum(nil))})
	}
	return d
}

// enqueue puts deliveries into the queue, where they wait for the answer of the
// request that caused them. Webhook faults take effect here.
func (s *Server) enqueue(rq *request, list []*delivery) {
	for _, d := range list {
		copies := 1
		for _, f := range s.webhookFaults(rq) {
			switch f.Action {
			case "webhook_drop":
				copies = 0
			case "webhook_delay":
				d.delay += time.Duration(f.DelayMS) * time.Millisecond
			case "webhook_duplicate":
				copies *= max(f.Count, 2)
			}
		}
		for i := range copies {
			c := d
			if i > 0 {
				again := *d
				s.queue.lastID++
				again.id = s.queue.lastID
				c = &again
			}
			s.queue.pending = append(s.queue.pending, c)
		}
	}
	s.queue.notify()
}

// release lets the deliveries of one request go: its answer has been written.
func (s *Server) release(requestID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	for _, d := range s.queue.pending {
		if d.requestID != requestID || d.released {
			continue
		}
		if d.delay == 0 {
			d.released = true
			continue
		}
		timer := s.after(d.delay)
		d.delay = 0
		s.wg.Go(func() {
			select {
			case <-timer:
			case <-s.stop.Done():
				return
			}
			s.mu.Lock()
			d.released = true
			s.queue.notify()
			s.mu.Unlock()
		})
	}
	s.queue.notify()
}

// work is the one worker: it sends deliveries in the order of the queue, one
// attempt each, until the server stops.
func (s *Server) work() {
	for {
		s.mu.Lock()
		changed := s.queue.changed
		at := slices.IndexFunc(s.queue.pending, func(d *delivery) bool { return d.released })
		var d *delivery
		if at >= 0 && s.stop.Err() == nil {
			d = s.queue.pending[at]
			d.sending = true
		}
		s.mu.Unlock()
		if d == nil {
			select {
			case <-changed:
				continue
			case <-s.stop.Done():
				return
			}
		}
		result := s.send(s.stop, d)
		if s.stop.Err() != nil {
			return // the attempt was cut off; it stays in the queue
		}
		s.mu.Lock()
		s.queue.pending = slices.DeleteFunc(s.queue.pending, func(x *delivery) bool { return x.id == d.id })
		if len(s.queue.log) < maxDeliveryLog {
			s.queue.log = append(s.queue.log, result)
		}
		if err := s.persist(&entry{done: []int64{d.id}}); err != nil {
			s.logf("netboxtest: %v", err)
		}
		s.queue.notify()
		s.mu.Unlock()
	}
}

func (s *Server) send(ctx context.Context, d *delivery) Delivery {
	out := Delivery{Event: d.event, ObjectType: d.typeName, ObjectID: d.objectID, RequestID: d.requestID, URL: d.url, Body: d.body}
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, d.method, d.url, bytes.NewReader(d.body))
	if err != nil {
		out.Err = err.Error()
		return out
	}
	for _, h := range d.headers {
		// Not through Set: the names go out as they were written.
		req.Header[h[0]] = append(req.Header[h[0]], h[1])
		if h[0] == "X-Hook-Signature" {
			out.Signature = h[1]
		}
	}
	resp, err := s.client.Do(req)
	if err != nil {
		out.Err = err.Error()
		s.logf("netboxtest: webhook to %s: %v", d.url, err)
		return out
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	out.Status = resp.StatusCode
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		out.Err = fmt.Sprintf("status %d", resp.StatusCode)
		s.logf("netboxtest: webhook to %s: status %d", d.url, resp.StatusCode)
	} else if err != nil {
		out.Err = err.Error()
	}
	return out
}

// WaitDeliveries returns when no webhook is waiting or on its way, including
// delayed ones, or when ctx ends.
func (s *Server) WaitDeliveries(ctx context.Context) error {
	for {
		s.mu.Lock()
		changed, n := s.queue.changed, len(s.queue.pending)
		s.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for %d webhooks: %w", n, ctx.Err())
		}
	}
}

// Deliveries returns the finished attempts in their order, the first 10,000 at
// most.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.queue.log)
}

func encodeDelivery(d *delivery) *object {
	headers := []any{}
	for _, h := range d.headers {
		headers = append(headers, []any{h[0], h[1]})
	}
	return obj("id", d.id, "method", d.method, "url", d.url, "headers", headers, "body", string(d.body), "timeout", int64(d.timeout), "event", d.event,
		"type", d.typeName, "object", d.objectID, "request", d.requestID)
}

// decodeDelivery reads a delivery that was waiting when the server stopped: it
// is due at once.
func decodeDelivery(o *object) *delivery {
	d := &delivery{id: intOf(o, "id"), method: o.str("method"), url: o.str("url"), body: []byte(o.str("body")), timeout: time.Duration(intOf(o, "timeout")),
		event: o.str("event"), typeName: o.str("type"), objectID: intOf(o, "object"), requestID: o.str("request"), released: true}
	list, _ := o.vals["headers"].([]any)
	for _, x := range list {
		if pair, ok := x.([]any); ok && len(pair) == 2 {
			d.headers = append(d.headers, [2]string{pythonStr(pair[0]), pythonStr(pair[1])})
		}
	}
	return d
}
