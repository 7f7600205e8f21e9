package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hnp-sync/hnp-sync/app/config"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/gitops/repo"
)

// Access is the App on GitHub for the doctor. Close it when done.
type Access struct {
	*repo.App
	base string
	skew atomic.Pointer[time.Duration]
	now  func() time.Time
	next http.RoundTripper
}

var _ GitHub = (*Access)(nil)

// Open makes the access of a configuration with an App; it makes no request. now is the clock, nil the real one.
func Open(g config.GitHub, now func() time.Time) (*Access, error) {
	if now == nil {
		now = time.Now
	}
	a := &Access{base: g.BaseURL, now: now, next: http.DefaultTransport}
	var err error
	a.App, err = repo.NewApp(repo.Config{AppID: g.AppID, PrivateKey: []byte(g.PrivateKeyPEM.Reveal()), BaseURL: g.BaseURL, Transport: a, Now: now})
	if err != nil {
		return nil, fmt.Errorf("github: %w", err)
	}
	return a, nil
}

// RoundTrip sends a request and compares the clocks by the answer's Date, which has whole seconds.
func (a *Access) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := a.next.RoundTrip(r)
	if err == nil {
		if date, dateErr := http.ParseTime(resp.Header.Get("Date")); dateErr == nil {
			skew := a.now().Sub(date)
			a.skew.Store(&skew)
		}
	}
	return resp, err
}

// Skew implements GitHub.
func (a *Access) Skew() (time.Duration, bool) {
	s := a.skew.Load()
	if s == nil {
		return 0, false
	}
	return *s, true
}

// Directory implements GitHub.
func (a *Access) Directory(ctx context.Context, ref repo.Ref, branch, directory string) (bool, error) {
	r, err := a.App.Open(ref, repo.Options{Branch: branch, Directory: directory, ReadOnly: true})
	if err != nil {
		return false, err
	}
	snapshot, err := r.Observe(ctx)
	if err != nil {
		return false, err
	}
	return snapshot.DirTree != "", nil
}

// Protected implements GitHub. GET branches/{branch} says it to everybody who may read; what the rules are would need
// the right to administer the repository.
func (a *Access) Protected(ctx context.Context, ref repo.Ref, branch string) (bool, error) {
	client, err := a.HTTPClient(ref.InstallationID, []int64{ref.RepositoryID}, nil)
	if err != nil {
		return false, err
	}
	parts := strings.Split(branch, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/repos/%s/%s/branches/%s", a.base, url.PathEscape(ref.Owner), url.PathEscape(ref.Name), strings.Join(parts, "/")), nil)
	if err != nil {
		return false, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return false, fmt.Errorf("read branch %s of %s: %w", branch, ref, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusNotFound {
		return false, gitops.ErrBranchMissing
	}
	if resp.StatusCode != http.StatusOK {
		return false, fmt.Errorf("read branch %s of %s: answer %d", branch, ref, resp.StatusCode)
	}
	var out struct {
		Protected *bool `json:"protected"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 4<<20)).Decode(&out); err != nil || out.Protected == nil {
		return false, errors.Join(fmt.Errorf("read branch %s of %s: an answer that says nothing of protection", branch, ref), err)
	}
	return *out.Protected, nil
}
