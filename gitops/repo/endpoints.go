package repo

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// DefaultBaseURL is the REST root of github.com.
const DefaultBaseURL = "https://api.github.com"

// endpoints are the two roots of one GitHub. Both are on one host, the only one a token is ever sent to.
type endpoints struct {
	rest    *url.URL // without a slash at the end
	graphql *url.URL
}

// parseEndpoints derives the GraphQL address from the REST root: GitHub Enterprise Server serves REST below /api/v3
// and GraphQL at /api/graphql, everything else serves GraphQL at /graphql below the root.
func parseEndpoints(base string) (endpoints, error) {
	if base == "" {
		base = DefaultBaseURL
	}
	u, err := url.Parse(strings.TrimRight(base, "/"))
	if err != nil {
		return endpoints{}, fmt.Errorf("base_url %q: %w", base, err)
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return endpoints{}, fmt.Errorf("base_url %q: want an address like %s", base, DefaultBaseURL)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return endpoints{}, fmt.Errorf("base_url of host %q: no user, query or fragment is allowed in it", u.Host)
	}
	host := strings.ToLower(u.Hostname())
	switch {
	case host == "github.com" || host == "www.github.com":
		return endpoints{}, fmt.Errorf("base_url %q is the web site; the API is %s", base, DefaultBaseURL)
	case strings.HasSuffix(host, ".ghe.com") && !strings.HasPrefix(host, "api."):
		// A tenant's API is on its own host, without /api/v3.
		return endpoints{}, fmt.Errorf("base_url %q is the web site; the API is https://api.%s", base, host)
	}
	graphql := *u
	if root, found := strings.CutSuffix(u.Path, "/api/v3"); found {
		graphql.Path = root + "/api/graphql"
	} else {
		graphql.Path = u.Path + "/graphql"
	}
	return endpoints{rest: u, graphql: &graphql}, nil
}

// owns tells whether u is on the configured host, with the configured scheme and port.
func (e endpoints) owns(u *url.URL) bool {
	return u.Scheme == e.rest.Scheme && hostPort(u) == hostPort(e.rest)
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}
