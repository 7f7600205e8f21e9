package githubtest

import (
	"fmt"
	"net/http"
	"slices"
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
	key := id.limitKey()
	limit := 60
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

// limitKey says whose limits a request uses up.
func (id *identity) limitKey() string {
	switch id.kind {
	case identityUser:
		return "user " + id.account.Login
	case identityApp:
		return "app " + id.app.Slug
	case identityInstallation:
		return fmt.Sprintf("installation %d", id.inst.ID)
	}
	return "ip"
}

// tooMuchContent counts a write and refuses it when there were too many in
// the last minute.
func (c *call) tooMuchContent(gql *graphqlRequest) *apiError {
	s := c.s
	write := c.req.Method != "GET" && c.req.Method != "HEAD" && !c.route.mint
	if gql != nil {
		write = gql.op != nil && gql.op.kind == "mutation"
	}
	if s.knobs.ContentPerMinute == 0 || !write {
		return nil
	}
	key, now := c.id.limitKey(), s.clock.Now()
	recent := slices.DeleteFunc(s.content[key], func(at time.Time) bool { return now.Sub(at) >= time.Minute })
	s.content[key] = recent
	if len(recent) < s.knobs.ContentPerMinute {
		s.content[key] = append(recent, now)
		return nil
	}
	e := fail(403, "You have exceeded a secondary rate limit and have been temporarily blocked from content creation. Please retry your request again later.")
	e.doc = "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"
	e.header = map[string]string{"Retry-After": strconv.Itoa(int(time.Minute/time.Second - now.Sub(recent[0])/time.Second))}
	return e
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
