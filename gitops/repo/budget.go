package repo

import (
	"net/http"
	"strconv"
	"time"
)

// Bucket is one of GitHub's hourly budgets. Limit is 0 while nothing is known of it.
type Bucket struct {
	Limit, Remaining int
	Reset            time.Time
}

// Budget is what one installation has left, as far as this process knows, for people to see.
type Budget struct {
	// Core and GraphQL are GitHub's own, as the last answers said.
	Core, GraphQL Bucket
	// Content are the writes this program allows itself in any hour: 400 of the 500 that GitHub allows and does not
	// show. Reset is when the oldest of them is an hour old, zero when there was none.
	Content Bucket
	// ParkedUntil is when the latest of the present refusals ends; zero when there is none. Requests before it are
	// answered with a *RateLimitError without being sent.
	ParkedUntil time.Time
}

// Budget tells what is left of an installation's budgets. It makes no request.
func (a *App) Budget(installationID int64) Budget {
	if a.static != nil {
		installationID = TokenInstallation
	}
	a.mu.Lock()
	l := a.limiters[installationID]
	a.mu.Unlock()
	if l == nil {
		return Budget{Content: Bucket{Limit: maxWritesPerHour, Remaining: maxWritesPerHour}}
	}
	return l.budget()
}

func (l *limiter) budget() Budget {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	out := Budget{Core: l.budgets[resourceCore].at(now), GraphQL: l.budgets[resourceGraphQL].at(now)}
	l.dropOld(now)
	out.Content = Bucket{Limit: maxWritesPerHour, Remaining: maxWritesPerHour - len(l.writes)}
	if len(l.writes) > 0 {
		out.Content.Reset = l.writes[0].Add(time.Hour)
		if out.Content.Remaining <= 0 {
			out.ParkedUntil = out.Content.Reset
		}
	}
	for _, b := range l.blocked {
		if b.Until.After(now) && b.Until.After(out.ParkedUntil) {
			out.ParkedUntil = b.Until
		}
	}
	return out
}

// at is the bucket at a time: full again after its reset.
func (b Bucket) at(now time.Time) Bucket {
	if b.Limit > 0 && now.After(b.Reset) {
		b.Remaining = b.Limit
	}
	return b
}

// dropOld forgets the writes that are over an hour old. Called with the lock held.
func (l *limiter) dropOld(now time.Time) {
	for len(l.writes) > 0 && now.Sub(l.writes[0]) >= time.Hour {
		l.writes = l.writes[1:]
	}
}

// note remembers what an answer's headers say about a budget.
func (l *limiter) note(h http.Header) {
	resource := h.Get("X-RateLimit-Resource")
	if resource != resourceCore && resource != resourceGraphQL {
		return
	}
	limit, err := strconv.Atoi(h.Get("X-RateLimit-Limit"))
	remaining, err2 := strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	if err != nil || err2 != nil || limit <= 0 || remaining < 0 {
		return
	}
	now := l.now()
	wait, found := resetIn(h, now)
	if !found {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.budgets[resource] = Bucket{Limit: limit, Remaining: min(remaining, limit), Reset: now.Add(wait)}
}
