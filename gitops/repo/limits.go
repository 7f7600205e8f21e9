package repo

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// DefaultWriteSpacing is the least time between two writes of one installation. GitHub asks for writes to be
	// serial and at least a second apart.
	DefaultWriteSpacing = time.Second
	// maxWritesPerHour is what one installation spends on content creation. GitHub's own limit is 500 an hour
	// (80 a minute), cannot be queried, and is shared with everything else the App does.
	maxWritesPerHour = 400
	// maxPark bounds what a header can make us wait; GitHub's windows are an hour long.
	maxPark = 65 * time.Minute
	// minPark is how long to wait when GitHub names no time.
	minPark = time.Minute
)

// The two hourly budgets this package spends.
const (
	resourceCore    = "core"
	resourceGraphQL = "graphql"
)

// limiter keeps one installation inside GitHub's limits: it remembers how long GitHub wants silence, and paces
// writes. Safe for concurrent use.
type limiter struct {
	now     func() time.Time
	sleep   func(context.Context, time.Duration) error
	spacing time.Duration
	writing chan struct{} // holds one token: writes are serial

	mu      sync.Mutex
	blocked map[string]RateLimitError // by resource; "" for secondary limits, which cover all
	strikes int                       // refusals without a time, in a row
	last    time.Time                 // end of the last write
	writes  []time.Time               // within the last hour, oldest first
	budgets map[string]Bucket         // as GitHub's headers last said, by resource
}

func newLimiter(now func() time.Time, sleep func(context.Context, time.Duration) error, spacing time.Duration) *limiter {
	return &limiter{now: now, sleep: sleep, spacing: spacing, writing: make(chan struct{}, 1), blocked: map[string]RateLimitError{}, budgets: map[string]Bucket{}}
}

// check refuses locally while GitHub wants silence: requests sent during a limit can get an App banned.
func (l *limiter) check(resource string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range []string{"", resource} {
		b, found := l.blocked[key]
		if !found {
			continue
		}
		if l.now().Before(b.Until) {
			b.Local = true
			return &b
		}
		delete(l.blocked, key)
	}
	return nil
}

// block records a refusal. A zero wait means that GitHub named no time: a minute, doubled for each such refusal in
// a row.
func (l *limiter) block(resource string, secondary bool, wait time.Duration) *RateLimitError {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait <= 0 {
		wait = min(minPark<<min(l.strikes, 6), maxPark)
		l.strikes++
	}
	key := resource
	if secondary {
		key = ""
	}
	e := RateLimitError{Until: l.now().Add(min(wait, maxPark)), Secondary: secondary}
	if known, found := l.blocked[key]; found && known.Until.After(e.Until) {
		e.Until = known.Until
	}
	l.blocked[key] = e
	return &e
}

// answered is told of every answer that is not a refusal. A spent budget blocks at once, which saves the request
// that would be refused.
func (l *limiter) answered(resource string, resp *http.Response) {
	if resp.StatusCode >= 300 {
		return
	}
	l.mu.Lock()
	l.strikes = 0
	l.mu.Unlock()
	if resp.Header.Get("X-RateLimit-Remaining") == "0" {
		if wait, found := resetIn(resp.Header, l.now()); found {
			l.block(resource, false, wait)
		}
	}
}

// startWrite waits for the turn of one write and returns what ends it, which is told whether anything was sent.
// Waits obey ctx.
func (l *limiter) startWrite(ctx context.Context) (done func(sent bool), err error) {
	select {
	case l.writing <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	release := func() { <-l.writing }
	l.mu.Lock()
	now := l.now()
	l.dropOld(now)
	if len(l.writes) >= maxWritesPerHour {
		until := l.writes[0].Add(time.Hour)
		l.mu.Unlock()
		release()
		return nil, &RateLimitError{Until: until, Secondary: true, Local: true}
	}
	wait := time.Duration(0)
	if !l.last.IsZero() {
		wait = l.spacing - now.Sub(l.last)
	}
	l.mu.Unlock()
	if wait > 0 {
		if err := l.sleep(ctx, min(wait, l.spacing)); err != nil {
			release()
			return nil, err
		}
	}
	return func(sent bool) {
		if sent {
			l.mu.Lock()
			l.last = l.now()
			l.writes = append(l.writes, l.last)
			l.mu.Unlock()
		}
		release()
	}, nil
}

// rateLimited tells whether an answer is a refusal for its rate, and for how long (zero: not said). GitHub uses 403
// as well as 429 for both limits (facts of its documentation, "Rate limits for the REST API").
func rateLimited(resp *http.Response, body []byte, now time.Time) (limited, secondary bool, wait time.Duration) {
	if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusTooManyRequests {
		return false, false, 0
	}
	text := strings.ToLower(string(body))
	secondary = strings.Contains(text, "secondary rate limit") || strings.Contains(text, "secondary-rate-limits") ||
		strings.Contains(text, "abuse detection") || strings.Contains(text, "#abuse-rate-limits")
	after, hasAfter := retryAfter(resp.Header, now)
	spent := resp.Header.Get("X-RateLimit-Remaining") == "0"
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
	case secondary, hasAfter, spent:
	case strings.Contains(text, "api rate limit exceeded"):
	default:
		return false, false, 0 // an ordinary 403
	}
	if !spent && !strings.Contains(text, "api rate limit exceeded") {
		secondary = true
	}
	if hasAfter {
		return true, secondary, after
	}
	if !secondary || spent {
		if reset, found := resetIn(resp.Header, now); found {
			return true, secondary, reset
		}
	}
	return true, secondary, 0
}

// retryAfter reads seconds or a date.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	if seconds, err := strconv.ParseInt(v, 10, 64); err == nil {
		if seconds < 1 {
			seconds = 1
		}
		return time.Duration(min(seconds, int64(maxPark/time.Second))) * time.Second, true
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(at.Sub(serverTime(h, now)), time.Second), maxPark), true
	}
	return 0, false
}

// resetIn reads the end of the budget's window, measured on the server's clock so that a wrong local clock neither
// hammers nor sleeps for hours.
func resetIn(h http.Header, now time.Time) (time.Duration, bool) {
	seconds, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	if err != nil || seconds <= 0 {
		return 0, false
	}
	// One second more: the header is cut to whole seconds.
	wait := time.Unix(seconds, 0).Sub(serverTime(h, now)) + time.Second
	return min(max(wait, time.Second), maxPark), true
}

func serverTime(h http.Header, now time.Time) time.Time {
	if at, err := http.ParseTime(h.Get("Date")); err == nil {
		return at
	}
	return now
}
