package setup

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// MaxDelivery is the largest stored delivery that is read: GitHub's limit of 25 MiB and its headers.
const MaxDelivery = 26 << 20

// Delivery is a webhook as it is posted. Body is sent byte for byte.
type Delivery struct {
	Event string
	GUID  string
	// Target is the App's id. The server knows a delivery by target and GUID.
	Target string
	Body   []byte
}

// ParseDelivery reads a stored webhook: the JSON of GitHub's delivery (GET /app/hook/deliveries/{id}, with "request"),
// an object with "headers" and "payload" or "body", or the bare body. event, when not empty, wins over the headers. What
// is lacking is filled in: a new GUID, and target. Stored signatures are not used.
func ParseDelivery(src []byte, event string, target int64) (Delivery, error) {
	type parts struct {
		Headers map[string]string `json:"headers"`
		Payload json.RawMessage   `json:"payload"`
		Body    json.RawMessage   `json:"body"`
	}
	var file struct {
		parts
		GUID    string `json:"guid"`
		Event   string `json:"event"`
		Request *parts `json:"request"`
	}
	if !json.Valid(src) {
		return Delivery{}, errors.New("is not JSON")
	}
	d := Delivery{Body: bytes.TrimSpace(src), Target: strconv.FormatInt(target, 10)}
	// A body of another shape than these fields is a bare one.
	if err := json.Unmarshal(src, &file); err == nil {
		p := file.parts
		if file.Request != nil {
			p = *file.Request
		}
		body := p.Payload
		if body == nil {
			body = p.Body
		}
		if p.Headers != nil && body != nil {
			var text string // the body may be stored as text, which keeps its bytes
			if json.Unmarshal(body, &text) == nil {
				body = []byte(text)
			}
			d.Body, d.Event, d.GUID = body, file.Event, file.GUID
			for name, value := range p.Headers {
				switch textproto.CanonicalMIMEHeaderKey(name) {
				case "X-Github-Event":
					d.Event = value
				case "X-Github-Delivery":
					d.GUID = value
				case "X-Github-Hook-Installation-Target-Id":
					d.Target = value
				}
			}
		}
	}
	if event != "" {
		d.Event = event
	}
	if d.Event == "" {
		return Delivery{}, errors.New("does not say which event it is: give --event, for example --event push")
	}
	if d.GUID == "" {
		d.GUID = NewGUID()
	}
	for name, value := range map[string]string{"event": d.Event, "delivery id": d.GUID, "target id": d.Target} {
		if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return Delivery{}, fmt.Errorf("the %s holds characters that no header has", name)
		}
	}
	return d, nil
}

// NewGUID is a delivery id that no delivery has.
func NewGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Post signs a delivery and sends it to a server, which is http or https without a slash at the end. It returns the
// answer, its text cut at 1,000 bytes. Redirects are not followed.
func Post(ctx context.Context, transport http.RoundTripper, server, secret string, d Delivery) (status int, text string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server+"/webhooks/github", bytes.NewReader(d.Body))
	if err != nil {
		return 0, "", err
	}
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write(d.Body)
	for name, value := range map[string]string{"Content-Type": "application/json", "User-Agent": "hnp-sync-replay", "X-GitHub-Event": d.Event,
		"X-GitHub-Delivery": d.GUID, "X-GitHub-Hook-Installation-Target-Type": "integration", "X-GitHub-Hook-Installation-Target-ID": d.Target,
		"X-Hub-Signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil))} {
		req.Header.Set(name, value)
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", fmt.Errorf("post the delivery: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1000))
	if err != nil {
		return resp.StatusCode, "", fmt.Errorf("read the answer: %w", err)
	}
	return resp.StatusCode, strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.TrimSpace(string(body))), nil
}
