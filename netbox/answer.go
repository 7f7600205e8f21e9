package netbox

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// maxAnswer is the largest answer read, decompressed: a page of 1,000 objects of 32 kB.
	maxAnswer = 32 << 20
	// maxWords is how much of NetBox's words goes into a message, in bytes.
	maxWords = 400
)

// answer is one whole answer of NetBox.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// StatusError is an answer that is no success. Words are NetBox's own, cut and cleaned.
type StatusError struct {
	Connection string
	Request    string // "GET /api/plugins/hedgehog/vpcs/"
	Status     int
	Words      string
	Exception  string        // NetBox's exception of a 500 ("QuerySetNotOrdered"), if it told
	HTML       bool          // an HTML page, from NetBox itself, its web server or a proxy
	RetryAfter time.Duration // what the server asked to wait, 0 if it did not
}

func (e *StatusError) Error() string {
	if e.HTML {
		return fmt.Sprintf("netbox %s: %s: answered with an HTML page, status %d: %s", e.Connection, e.Request, e.Status, e.Words)
	}
	return fmt.Sprintf("netbox %s: %s: status %d: %s", e.Connection, e.Request, e.Status, e.Words)
}

// badToken reports a 403 (never 401 on a plain NetBox) that concerns the token, not a permission.
func (e *StatusError) badToken() bool {
	if e.Status == http.StatusUnauthorized {
		return true
	}
	if e.Status != http.StatusForbidden {
		return false
	}
	w := strings.ToLower(e.Words)
	return strings.Contains(w, "token") || strings.Contains(w, "authentication credentials")
}

func (a *answer) html() bool {
	if strings.Contains(strings.ToLower(a.header.Get("Content-Type")), "html") {
		return true
	}
	head := bytes.ToLower(bytes.TrimSpace(a.body[:min(len(a.body), 200)]))
	return bytes.HasPrefix(head, []byte("<!doctype")) || bytes.HasPrefix(head, []byte("<html"))
}

// problem describes an answer that is no success.
func (c *Connection) problem(method, path string, a *answer) *StatusError {
	e := &StatusError{Connection: c.name, Request: method + " " + withoutQuery(path), Status: a.status, HTML: a.html(),
		RetryAfter: retryAfter(a.header, c.now())}
	if e.HTML {
		e.Words = c.text(htmlTitle(a.body), 200)
		return e
	}
	v, err := decodeJSON(a.body)
	if err != nil {
		e.Words = c.text(string(a.body[:min(len(a.body), 16*maxWords)]), maxWords)
	} else {
		if m, ok := v.(map[string]any); ok {
			e.Exception, _ = m["exception"].(string)
			e.Exception = clean(e.Exception, 60)
		}
		e.Words = c.text(errorText(v, 0), maxWords)
	}
	if a.status >= 300 && a.status < 400 {
		e.Words = "redirect to " + c.text(withoutQuery(a.header.Get("Location")), 200) + ": set the connection's url to NetBox's own address"
	}
	e.Words = cmp.Or(e.Words, http.StatusText(a.status), "no explanation")
	return e
}

// text makes what NetBox or the network said fit for a message: without the token, one line, at most limit bytes.
func (c *Connection) text(s string, limit int) string { return clean(hideToken(s, c.token), limit) }

func hideToken(s, token string) string {
	s = strings.ReplaceAll(s, token, "[token]")
	if _, secret, ok := strings.Cut(token, "."); ok && len(secret) >= 8 {
		s = strings.ReplaceAll(s, secret, "[token]")
	}
	return s
}

// errorText makes words of an error body: detail, NetBox's error text, or "field: message" sorted by field.
func errorText(v any, depth int) string {
	if depth > 5 {
		return "…"
	}
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return string(v)
	case bool:
		return strconv.FormatBool(v)
	case []any:
		var parts []string
		for i, item := range v {
			if i == 20 {
				parts = append(parts, "…")
				break
			}
			if s := errorText(item, depth+1); s != "" {
				parts = append(parts, s)
			}
		}
		return strings.Join(parts, "; ")
	case map[string]any:
		if s, ok := v["error"].(string); ok {
			if x, ok := v["exception"].(string); ok {
				return x + ": " + s
			}
			return s
		}
		if s, ok := v["detail"].(string); ok {
			if rest := errorText(v["errors"], depth+1); rest != "" {
				return s + " " + rest
			}
			return s
		}
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		var parts []string
		for i, k := range keys {
			if i == 20 {
				parts = append(parts, "…")
				break
			}
			s := errorText(v[k], depth+1)
			switch {
			case s == "":
			case k == "__all__" || k == "non_field_errors" || k == "errors":
				parts = append(parts, s)
			default:
				parts = append(parts, k+": "+s)
			}
		}
		return strings.Join(parts, "; ")
	default:
		return ""
	}
}

// clean makes foreign text safe for one line of a message: valid UTF-8, white space folded, no control or invisible
// formatting characters, at most limit bytes.
func clean(s string, limit int) string {
	var b strings.Builder
	blank := false
	for _, r := range s {
		if unicode.IsSpace(r) {
			blank = b.Len() > 0
			continue
		}
		if r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			continue
		}
		if b.Len()+utf8.RuneLen(r) > limit-4 {
			b.WriteString("…")
			break
		}
		if blank {
			b.WriteByte(' ')
			blank = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

func htmlTitle(body []byte) string {
	body = body[:min(len(body), 64<<10)]
	lower := bytes.ToLower(body)
	if len(lower) == len(body) { // no character changed its length by lowering
		if i := bytes.Index(lower, []byte("<title>")); i >= 0 {
			if j := bytes.Index(lower[i:], []byte("</title>")); j > 0 {
				return string(body[i+len("<title>") : i+j])
			}
		}
	}
	return "no title"
}

func withoutQuery(path string) string {
	path, _, _ = strings.Cut(path, "?")
	return path
}

// maxRetryAfter bounds what a server may ask to wait.
const maxRetryAfter = time.Hour

// retryAfter reads Retry-After: seconds or a date, measured against the answer's own Date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if n, err := strconv.ParseInt(v, 10, 64); err == nil {
		if n <= 0 {
			return 0
		}
		if n > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter
		}
		return time.Duration(n) * time.Second
	}
	t, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	if d, err := http.ParseTime(h.Get("Date")); err == nil {
		now = d
	}
	return min(max(t.Sub(now), 0), maxRetryAfter)
}

// decodeJSON reads exactly one JSON value, numbers as json.Number. encoding/json itself bounds the nesting.
func decodeJSON(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("something follows the JSON value")
	}
	return v, nil
}
