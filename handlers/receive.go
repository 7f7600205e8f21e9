package handlers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/zap"
)

// Receiver is what both webhook endpoints share.
type Receiver struct {
	Inbox Inbox
	// Now is the clock of ReceivedAt.
	Now func() time.Time
	// Stored is called after a delivery became durable, so that the worker looks at once; nil does nothing. It
	// must not block.
	Stored func()
	// Count is told every answer: the source ("github", "netbox"), the event (a fixed word unless the signature
	// was right, so that strangers cannot make names), and the status. Nil does nothing.
	Count func(source, event string, status int)
	Log   *zap.Logger
}

// largeBody is the size from which bodies are read in a few slots only: the signature covers the whole body, so
// it must be held in memory before anything is known about the sender.
const largeBody = 1 << 20

// bodySlots bounds how many large bodies are in memory at a time: 4 × 25 MiB for GitHub's limit.
type bodySlots chan struct{}

func newBodySlots() bodySlots { return make(bodySlots, 4) }

func (s bodySlots) take(ctx context.Context) bool {
	select {
	case s <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s bodySlots) give() { <-s }

// refusal is an answer that ends a request.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

// jsonBody says whether the request carries JSON. Hooks can also be configured as forms, whose signature covers
// another text than the one that would be parsed.
func jsonBody(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

// readBody reads at most limit bytes. keep false only measures: an unsigned body is never held.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, slots bodySlots, keep bool) ([]byte, *refusal) {
	tooLarge := &refusal{http.StatusRequestEntityTooLarge, "body too large"}
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	if keep && (r.ContentLength < 0 || r.ContentLength > largeBody) {
		if !slots.take(r.Context()) {
			return nil, &refusal{http.StatusServiceUnavailable, "busy, send again"}
		}
		defer slots.give()
	}
	var buf bytes.Buffer
	dst := io.Writer(&buf)
	if !keep {
		dst = io.Discard
	}
	if _, err := io.Copy(dst, http.MaxBytesReader(w, r.Body, limit)); err != nil {
		var over *http.MaxBytesError
		if errors.As(err, &over) {
			return nil, tooLarge
		}
		return nil, &refusal{http.StatusBadRequest, "body could not be read"}
	}
	return buf.Bytes(), nil
}

// answer writes a fixed text. Nothing of the request is ever repeated in it: a receiver that echoes is a
// reflected script.
func (rc *Receiver) answer(w http.ResponseWriter, source, event string, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
	if rc.Count != nil {
		rc.Count(source, event, status)
	}
}

// put makes the delivery durable and says what to answer.
func (rc *Receiver) put(ctx context.Context, d Delivery) (status int, text string) {
	log := rc.Log.With(zap.String(FieldSource, d.Source), zap.String(FieldDelivery, d.GUID), zap.String(FieldEvent, d.Event))
	receipt, err := rc.Inbox.Put(ctx, d)
	if err != nil {
		log.Error("delivery not stored", zap.Error(err))
		return http.StatusServiceUnavailable, "store unavailable, send again"
	}
	switch receipt {
	case ReceiptFinished:
		return http.StatusOK, "already done"
	case ReceiptMismatch:
		log.Warn("delivery id repeated with another body or event: refused")
		return http.StatusConflict, "this delivery id came before with another body or event"
	case ReceiptStored:
		log.Info("delivery stored")
	}
	if rc.Stored != nil {
		rc.Stored()
	}
	return http.StatusAccepted, "stored"
}

// bodyHash is the SHA-256 of a body, hex.
func bodyHash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// text makes a foreign string fit for storing and logging: no control characters, at most max runes.
func text(s string, max int) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "�")
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) > max {
		s = string([]rune(s)[:max])
	}
	return s
}

// token accepts what headers and ids may look like: printable ASCII without spaces, 1 to max bytes.
func token(s string, max int) bool {
	if s == "" || len(s) > max {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// secrets copies and checks webhook secrets. An empty one would accept anything anybody sends (an HMAC with an
// empty key can be computed by everybody; go-github even skips the check), so it is refused.
func secrets(in [][]byte) ([][]byte, error) {
	if len(in) == 0 {
		return nil, errors.New("no webhook secret: without one anybody could send events")
	}
	out := make([][]byte, 0, len(in))
	for _, s := range in {
		if len(bytes.TrimSpace(s)) == 0 {
			return nil, errors.New("empty webhook secret: without one anybody could send events")
		}
		out = append(out, bytes.Clone(s))
	}
	return out, nil
}
