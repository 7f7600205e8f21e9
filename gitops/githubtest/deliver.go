package githubtest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" // #nosec: the legacy signature header
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// deliveryTimeout is how long GitHub waits for an answer.
const deliveryTimeout = 10 * time.Second

// maxPayload is GitHub's cap: larger events are not delivered at all.
const maxPayload = 25 << 20

// dispatcher delivers webhooks in the background: never inside the request
// that caused them, in the order they were caused unless a fault or knob says
// otherwise, once each, with the result in the delivery log.
type dispatcher struct {
	s      *Server
	client *http.Client
	own    *http.Transport // to close, when it is ours
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	signal chan struct{}
	closed bool

	// under s.mu
	staged []delivery // made by the request that is running
	queue  []delivery // to be sent by the loop
	open   int        // queued, delayed or being sent
	idle   []chan struct{}
	pruned time.Time
}

type delivery struct {
	row   int64
	delay time.Duration
}

func newDispatcher(s *Server, transport http.RoundTripper) *dispatcher {
	d := &dispatcher{s: s, signal: make(chan struct{}, 1)}
	if transport == nil {
		d.own = &http.Transport{Proxy: nil, MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second}
		transport = d.own
	}
	d.client = &http.Client{Transport: transport, Timeout: deliveryTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.wg.Add(1)
	go d.loop()
	return d
}

// resume queues what an earlier process did not get to. Under s.mu.
func (d *dispatcher) resume() {
	for _, row := range d.s.deliveries.all() {
		if row.Pending {
			d.staged = append(d.staged, delivery{row: row.ID})
		}
	}
	d.wake()
}

// enqueue records an event for an App. Under s.mu.
func (d *dispatcher) enqueue(app *appRow, installation, repository int64, sender, cause, event, action string, payload map[string]any) {
	if app == nil || app.WebhookURL == "" {
		return
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(payload); err != nil {
		d.s.logf("webhook %s: %v", event, err)
		return
	}
	body := bytes.TrimRight(buf.Bytes(), "\n")
	if len(body) > maxPayload {
		d.s.logf("webhook %s dropped: %d bytes", event, len(body))
		return
	}
	row := &deliveryRow{GUID: newGUID(), AppID: app.ID, Event: event, Action: action, Installation: installation, Repository: repository, Pending: true, Payload: string(body)}
	count, delay := 1, time.Duration(0)
	if f := d.s.takeFault(sender, event, []string{cause, event + "." + action}, true); f != nil {
		switch f.Action {
		case actionWebhookDrop:
			count = 0
		case actionWebhookDuplicate:
			count = f.Count
		case actionWebhookFail:
			row.Fail = true
		case actionWebhookDelay:
			delay = time.Duration(f.DelayMS) * time.Millisecond
		}
	}
	for range count {
		d.add(*row, delay)
	}
}

func (d *dispatcher) add(row deliveryRow, delay time.Duration) {
	row.ID = d.s.newID()
	d.s.deliveries.put(row.ID, &row)
	d.staged = append(d.staged, delivery{row.ID, delay})
}

// wake hands what the running request caused to the loop. Under s.mu.
func (d *dispatcher) wake() {
	if len(d.staged) == 0 || d.closed {
		return
	}
	staged := d.staged
	d.staged = nil
	if d.s.knobs.ReverseWebhooks {
		slices.Reverse(staged)
	}
	d.open += len(staged)
	for _, one := range staged {
		if one.delay == 0 {
			d.queue = append(d.queue, one)
			continue
		}
		d.wg.Add(1)
		go func() {
			defer d.wg.Done()
			select {
			case <-d.s.after(one.delay):
				d.send(one.row)
			case <-d.ctx.Done():
			}
		}()
	}
	if len(d.queue) > 0 {
		select {
		case d.signal <- struct{}{}:
		default:
		}
	}
}

func (d *dispatcher) loop() {
	defer d.wg.Done()
	for {
		d.s.mu.Lock()
		var next int64
		if len(d.queue) > 0 {
			next = d.queue[0].row
			d.queue = d.queue[1:]
		}
		d.s.mu.Unlock()
		if next == 0 {
			select {
			case <-d.signal:
				continue
			case <-d.ctx.Done():
				return
			}
		}
		if d.ctx.Err() != nil {
			return
		}
		d.send(next)
	}
}

// send makes one attempt and logs it.
func (d *dispatcher) send(id int64) {
	s := d.s
	s.mu.Lock()
	row := *s.deliveries.rows[id]
	app := s.apps.rows[row.AppID]
	knobs := s.knobs
	target, secret, hookID := app.WebhookURL, app.WebhookSecret, app.HookID
	s.mu.Unlock()

	row.URL = target
	body := []byte(row.Payload)
	contentType := "application/json"
	if knobs.FormEncoded {
		contentType = "application/x-www-form-urlencoded"
		body = []byte(url.Values{"payload": {row.Payload}}.Encode())
	}
	row.Headers = map[string]string{
		"Accept": "*/*", "Content-Type": contentType, "User-Agent": "GitHub-Hookshot/0000000",
		"X-GitHub-Delivery": row.GUID, "X-GitHub-Event": row.Event, "X-GitHub-Hook-ID": strconv.FormatInt(hookID, 10),
		"X-GitHub-Hook-Installation-Target-ID": strconv.FormatInt(row.AppID, 10), "X-GitHub-Hook-Installation-Target-Type": "integration",
	}
	if secret != "" {
		if knobs.BadSecret {
			secret = "not " + secret
		}
		row.Headers["X-Hub-Signature"] = "sha1=" + sign(sha1.New, secret, body)
		row.Headers["X-Hub-Signature-256"] = "sha256=" + sign(sha256.New, secret, body)
	}
	started := time.Now()
	err := errLost
	if !row.Fail {
		err = d.post(target, body, &row)
	}
	row.Fail = false
	row.Duration = time.Since(started).Seconds()
	if err != nil {
		if d.ctx.Err() != nil {
			return // closing: stays pending for the next process
		}
		row.Status, row.StatusCode = "failed to connect to host", 0
		s.logf("webhook %s %s: %v", row.Event, row.GUID, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	row.Pending = false
	row.DeliveredAt = s.now()
	s.deliveries.put(id, &row)
	d.prune()
	d.open--
	if d.open == 0 {
		for _, ch := range d.idle {
			close(ch)
		}
		d.idle = nil
	}
}

// keepDeliveries is how long GitHub keeps a delivery, and for how long it can
// be sent again.
const keepDeliveries = 72 * time.Hour

// prune bounds the log by age and number. Under s.mu.
func (d *dispatcher) prune() {
	most := 10000
	if d.s.knobs.DeliveryLimit > 0 {
		most = d.s.knobs.DeliveryLimit
	}
	oldest := d.s.now().Add(-keepDeliveries)
	if len(d.s.deliveries.rows) <= most && !d.s.now().After(d.pruned.Add(time.Hour)) {
		return
	}
	d.pruned = d.s.now()
	done := d.s.deliveries.find(func(row *deliveryRow) bool { return !row.Pending })
	for n, row := range done {
		if len(done)-n > most || !row.DeliveredAt.After(oldest) {
			d.s.deliveries.remove(row.ID)
		}
	}
}

var errLost = errors.New("lost on the way, as a fault asked")

func (d *dispatcher) post(target string, body []byte, row *deliveryRow) error {
	req, err := http.NewRequestWithContext(d.ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for k, v := range row.Headers {
		req.Header.Set(k, v)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return err
	}
	row.StatusCode, row.Answer = resp.StatusCode, string(text)
	row.AnswerHeader = map[string]string{}
	for k := range resp.Header {
		row.AnswerHeader[k] = resp.Header.Get(k)
	}
	row.Status = "OK"
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		row.Status = fmt.Sprintf("Invalid HTTP Response: %d", resp.StatusCode)
	}
	return nil
}

func sign(h func() hash.Hash, secret string, body []byte) string {
	mac := hmac.New(h, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func newGUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (d *dispatcher) close() {
	d.s.mu.Lock()
	d.closed = true
	d.s.mu.Unlock()
	d.cancel()
	d.wg.Wait()
	if d.own != nil {
		d.own.CloseIdleConnections()
	}
}

// WaitDeliveries returns when every webhook caused so far was attempted,
// delayed ones included, or when ctx ends.
func (s *Server) WaitDeliveries(ctx context.Context) error {
	s.mu.Lock()
	if s.hooks.open == 0 {
		s.mu.Unlock()
		return nil
	}
	ch := make(chan struct{})
	s.hooks.idle = append(s.hooks.idle, ch)
	s.mu.Unlock()
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for webhook deliveries: %w", ctx.Err())
	}
}
