package githubtest

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// bucket is one hourly primary rate limit.
type bucket struct {
	resource string
	limit    int
	used     int
	reset    time.Time
}

// bucket finds the caller's limit for a resource, renewed when its hour has
// passed: 5,000 an hour per installation or user, 60 for the unknown, the
// GraphQL limit apart (facts §4).
func (s *Server) bucket(id *identity, resource string) *bucket {
	key := "ip"
	limit := 60
	switch id.kind {
	case identityUser:
		key = "user " + id.account.Login
	case identityApp:
		key = "app " + id.app.Slug
	case identityInstallation:
		key = fmt.Sprintf("installation %d", id.inst.ID)
	}
	if id.kind != identityAnonymous {
		limit = 5000
		if resource == "core" && s.knobs.CoreLimit > 0 {
			limit = s.knobs.CoreLimit
		}
		if resource == "graphql" && s.knobs.GraphQLLimit > 0 {
			limit = s.knobs.GraphQLLimit
		}
	}
	key += " " + resource
	b := s.buckets[key]
	if b == nil || !s.clock.Now().Before(b.reset) {
		b = &bucket{resource: resource, limit: limit, reset: s.now().Add(time.Hour)}
		s.buckets[key] = b
	}
	return b
}

func (b *bucket) remaining() int { return max(0, b.limit-b.used) }

func (b *bucket) headers(h http.Header) {
	h.Set("X-RateLimit-Limit", strconv.Itoa(b.limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(b.remaining()))
	h.Set("X-RateLimit-Used", strconv.Itoa(b.used))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(b.reset.Unix(), 10))
	h.Set("X-RateLimit-Resource", b.resource)
}

func (b *bucket) render() map[string]any {
	return map[string]any{"limit": b.limit, "used": b.used, "remaining": b.remaining(), "reset": b.reset.Unix()}
}

// limitAnswer refuses a caller whose primary limit is used up. GraphQL says
// so with status 200 and an error of type RATE_LIMITED.
func (c *call) limitAnswer(b *bucket, graphQL bool) *answer {
	who := "user ID 0"
	switch c.id.kind {
	case identityUser:
		who = fmt.Sprintf("user ID %d", c.id.account.ID)
	case identityInstallation:
		who = fmt.Sprintf("installation ID %d", c.id.inst.ID)
	case identityApp:
		who = fmt.Sprintf("app ID %d", c.id.app.ID)
	}
	message := "API rate limit exceeded for " + who + "."
	var ans *answer
	if graphQL {
		ans = c.answer(200, map[string]any{"errors": []any{map[string]any{"type": "RATE_LIMITED", "message": "API rate limit already exceeded for " + who + "."}}})
	} else {
		status := 403
		if c.s.knobs.LimitStatus != 0 {
			status = c.s.knobs.LimitStatus
		}
		e := fail(status, "%s", message)
		e.doc = "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api"
		ans = c.errorAnswer(e)
	}
	b.headers(ans.header)
	return ans
}

func (c *call) rateLimit() (int, any, error) {
	core := c.s.bucket(c.id, "core")
	graphql := c.s.bucket(c.id, "graphql")
	search := map[string]any{"limit": 30, "used": 0, "remaining": 30, "reset": c.s.now().Add(time.Minute).Unix()}
	return 200, map[string]any{
		"resources": map[string]any{"core": core.render(), "graphql": graphql.render(), "search": search},
		"rate":      core.render(),
	}, nil
}
