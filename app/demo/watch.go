package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/hnp-sync/hnp-sync/app/api"
)

// totals are the App's requests on both stand-ins so far.
type totals struct {
	github, netbox             int
	githubWrites, netboxWrites int
	commits                    int
}

// now reads the counters of both stand-ins: the App's own requests only.
func (w *world) now() totals {
	var t totals
	g := w.github.Stats().ByUser[appLogin]
	t.github = g.Total
	for route, n := range g.Routes {
		if isWrite(route) {
			t.githubWrites += n
		}
	}
	nb := w.netbox.Stats().ByUser[appSlug]
	t.netbox = nb.Total
	for route, n := range nb.Routes {
		if isWrite(route) {
			t.netboxWrites += n
		}
	}
	t.commits = len(w.appCommits())
	return t
}

// isWrite tells writes from reads by the route's template; GraphQL is always a POST, and its mutations are named.
func isWrite(route string) bool {
	method, path, _ := strings.Cut(route, " ")
	if strings.HasPrefix(path, "/graphql") {
		return strings.Contains(path, "createCommitOnBranch") || strings.Contains(path, "updateRefs")
	}
	return method == http.MethodPost || method == http.MethodPatch || method == http.MethodPut || method == http.MethodDelete
}

// appCommits are the App's commits on the branch, newest first.
func (w *world) appCommits() []string {
	log, err := w.github.Log(repository, branch, 1000)
	if err != nil {
		return nil
	}
	var out []string
	for _, c := range log {
		if strings.Contains(c.Message, "HNP-Operation: ") {
			out = append(out, c.OID)
		}
	}
	return out
}

func (w *world) begin() { w.base = w.now() }

// counted fills a step with what was used since begin.
func (w *world) counted(s *Step) {
	now := w.now()
	s.Commits = now.commits - w.base.commits
	s.Requests = Count{now.github - w.base.github, now.netbox - w.base.netbox}
	s.Writes = Count{now.githubWrites - w.base.githubWrites, now.netboxWrites - w.base.netboxWrites}
	var diff strings.Builder
	commits := w.appCommits()
	for i := min(s.Commits, len(commits)) - 1; i >= 0; i-- {
		if d, err := w.github.Diff(repository, commits[i]); err == nil {
			diff.WriteString(d)
		}
	}
	s.Diff = cut(diff.String(), 40)
}

// cut keeps the first lines.
func cut(text string, lines int) string {
	all := strings.SplitAfter(text, "\n")
	if len(all) <= lines {
		return text
	}
	return strings.Join(all[:lines], "") + fmt.Sprintf("… and %d more lines\n", len(all)-lines)
}

// Times of settle.
const (
	settleLimit = 30 * time.Second
	settleEvery = 25 * time.Millisecond
	settleCalm  = 6 // looks in a row that must agree
)

// settle waits until webhooks are delivered, the App has nothing to do, and nothing moved for a few looks.
func (w *world) settle(ctx context.Context) (*api.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	var last totals
	var seen *api.Status
	for calm := 0; calm < settleCalm; {
		if err := w.github.WaitDeliveries(ctx); err != nil {
			return seen, fmt.Errorf("GitHub's webhooks are not delivered: %w", err)
		}
		if err := w.netbox.WaitDeliveries(ctx); err != nil {
			return seen, fmt.Errorf("NetBox's webhooks are not delivered: %w", err)
		}
		status, err := w.status(ctx)
		if err != nil && ctx.Err() != nil {
			return seen, fmt.Errorf("the App does not come to rest within %s: %w", settleLimit, err)
		}
		now := w.now()
		if err == nil && status.Queue == 0 && len(status.Fabrics) > 0 && status.Fabrics[0].State != "pending" && now == last {
			calm++
		} else {
			calm = 0
		}
		if err == nil {
			seen = status
		}
		last = now
		select {
		case <-ctx.Done():
			return seen, fmt.Errorf("the App does not come to rest within %s: %+v", settleLimit, seen)
		case <-time.After(settleEvery):
		}
	}
	return seen, nil
}

func (w *world) status(ctx context.Context) (*api.Status, error) {
	var s api.Status
	return &s, w.call(ctx, http.MethodGet, w.app.URL()+"/api/status", "Bearer "+apiToken, nil, &s)
}

func (w *world) conflicts(ctx context.Context) (*api.Conflicts, error) {
	var c api.Conflicts
	return &c, w.call(ctx, http.MethodGet, w.app.URL()+"/api/plugins/hedgehog/fabrics/1/conflicts/", "Bearer "+apiToken, nil, &c)
}

// sync asks for a cycle over everything.
func (w *world) sync(ctx context.Context) error {
	return w.call(ctx, http.MethodPost, w.app.URL()+"/api/plugins/hedgehog/fabrics/1/sync/", "Bearer "+apiToken, map[string]any{}, nil)
}

// call does one JSON request.
func (w *world) call(ctx context.Context, method, url, auth string, body, answer any) error {
	var in io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, in)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", auth)
	req.Header.Set("Content-Type", "application/json")
	res, err := w.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s answered %d: %s", method, url, res.StatusCode, cut(string(data), 3))
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(data, answer)
}
