package repo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hnp-sync/hnp-sync/gitops"
)

type headKey struct {
	repositoryID int64
	branch       string
}

// headMemory is the last answer about a branch's head. GitHub's ETags differ per token, so the first question of
// each hour is answered in full.
type headMemory struct{ etag, oid string }

// Head reads the head of the branch with a conditional request: while nothing moved GitHub answers 304, which is
// free, and notModified is true. The oid is returned either way. gitops.ErrBranchMissing when there is no such
// branch. One request, two after a rename.
func (r *Repository) Head(ctx context.Context) (oid string, notModified bool, err error) {
	oid, notModified, err = r.head(ctx)
	if err != nil {
		err = fmt.Errorf("read head of %s: %w", r.subject(), err)
	}
	return oid, notModified, err
}

func (r *Repository) head(ctx context.Context) (string, bool, error) {
	key := headKey{r.ref.RepositoryID, r.opts.Branch}
	r.app.mu.Lock()
	known := r.app.heads[key]
	r.app.mu.Unlock()
	req := request{operation: "read head", method: http.MethodGet, header: map[string]string{}}
	if known.etag != "" {
		req.header["If-None-Match"] = known.etag
	}
	var resp *response
	for relocated := false; ; relocated = true {
		req.path = r.api("git", "ref", "heads") + escapeRef(r.opts.Branch)
		var err error
		resp, err = r.client.rest(ctx, req)
		var api *APIError
		switch {
		case err == nil:
		case errors.As(err, &api) && api.Status == http.StatusConflict && strings.Contains(api.Message, "empty"):
			return "", false, gitops.ErrBranchMissing // an empty repository has no branches
		case errors.As(err, &api) && api.Status == http.StatusNotFound:
			// The branch is gone, or the repository is not where it was, or the App may not see it.
			if relocated {
				return "", false, gitops.ErrBranchMissing
			}
			moved, err := r.locate(ctx)
			if err != nil {
				return "", false, err
			}
			if !moved {
				return "", false, gitops.ErrBranchMissing
			}
			continue
		default:
			return "", false, permission(r.ref.String(), err)
		}
		break
	}
	if resp.redirected {
		// Renamed: learn the name, so that the next question is one request again.
		if _, err := r.locate(ctx); err != nil {
			return "", false, err
		}
	}
	if resp.status == http.StatusNotModified {
		if known.oid == "" {
			return "", false, errors.New("answered 304 to an unconditional request")
		}
		return known.oid, true, nil
	}
	var out struct {
		Ref    string `json:"ref"`
		Object struct {
			Type string `json:"type"`
			SHA  string `json:"sha"`
		} `json:"object"`
	}
	if err := decode("read head", resp.body, &out); err != nil {
		return "", false, err
	}
	if out.Ref != r.refName() || !isOID(out.Object.SHA) {
		return "", false, fmt.Errorf("got reference %q at %q", clip(out.Ref, 200), clip(out.Object.SHA, 80))
	}
	r.app.mu.Lock()
	r.app.heads[key] = headMemory{etag: resp.header.Get("ETag"), oid: out.Object.SHA}
	r.app.mu.Unlock()
	return out.Object.SHA, false, nil
}

// escapeRef escapes a branch name for a path, keeping its slashes.
func escapeRef(branch string) string { return pathOf(strings.Split(branch, "/")...) }
