package setup

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Endpoints derives the web root and the REST root from a GitHub's address, both without a slash at the end:
// github.com has api.github.com, TENANT.ghe.com has api.TENANT.ghe.com, and a GitHub Enterprise Server has /api/v3.
// The REST roots are accepted too. https may be left out; http is for the loopback address only.
func Endpoints(address string) (web, api string, err error) {
	if address == "" {
		address = "https://github.com"
	}
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(strings.TrimSuffix(strings.TrimRight(address, "/"), "/api/v3"))
	if err != nil || u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" {
		return "", "", errors.New("GitHub's address must be like https://github.com, https://TENANT.ghe.com or https://github.example.com")
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && (ip == nil || !ip.IsLoopback()) {
		return "", "", fmt.Errorf("%s: the App's key would travel without encryption: use https", u.Host)
	}
	host := strings.ToLower(u.Host)
	if host == "www.github.com" {
		host = "github.com"
	}
	if rest, ok := strings.CutPrefix(host, "api."); ok && (rest == "github.com" || strings.HasSuffix(rest, ".ghe.com")) {
		host = rest
	}
	web = u.Scheme + "://" + host
	if host == "github.com" || strings.HasSuffix(host, ".ghe.com") {
		return web, u.Scheme + "://api." + host, nil
	}
	return web, web + "/api/v3", nil
}

// PublicURL checks the address at which GitHub reaches the server and drops the slash at its end.
func PublicURL(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("give the address at which GitHub reaches this server, like https://sync.example.net")
	}
	return strings.TrimRight(u.String(), "/"), nil
}
