package repo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// Compare implements gitops.Repository. No request when both are the same commit, one otherwise. Commits that share
// no history, or of which one does not exist any more, are diverged without a merge base (the latter costs a second
// request).
func (r *Repository) Compare(ctx context.Context, base, head string) (gitops.Comparison, error) {
	fail := func(err error) (gitops.Comparison, error) {
		return gitops.Comparison{}, fmt.Errorf("compare %s...%s in %s: %w", clip(base, 64), clip(head, 64), r.ref, err)
	}
	if !isOID(base) || !isOID(head) {
		return fail(errors.New("not commit ids"))
	}
	if base == head {
		return gitops.Comparison{Relation: gitops.RelationIdentical, MergeBase: base}, nil
	}
	// The changed files and their patches come with the first page only; the relation comes with every page.
	var out struct {
		Status    string `json:"status"`
		MergeBase struct {
			SHA string `json:"sha"`
		} `json:"merge_base_commit"`
	}
	err := r.client.get(ctx, "compare", r.api("compare", base+"..."+head)+"?per_page=1&page=2", maxObservation, &out)
	var api *APIError
	switch {
	case err == nil:
	case errors.As(err, &api) && api.Status == http.StatusNotFound:
		if strings.Contains(strings.ToLower(api.Message), "no common ancestor") {
			return gitops.Comparison{Relation: gitops.RelationDiverged}, nil
		}
		missing, lookErr := r.anyMissing(ctx, base, head)
		if lookErr != nil {
			return fail(permission(r.ref.String(), lookErr))
		}
		if missing {
			return gitops.Comparison{Relation: gitops.RelationDiverged}, nil
		}
		return fail(permission(r.ref.String(), err))
	default:
		return fail(permission(r.ref.String(), err))
	}
	c := gitops.Comparison{Relation: gitops.Relation(out.Status), MergeBase: out.MergeBase.SHA}
	switch c.Relation {
	case gitops.RelationIdentical, gitops.RelationAhead, gitops.RelationBehind, gitops.RelationDiverged:
	default:
		return fail(fmt.Errorf("answered status %q", clip(out.Status, 40)))
	}
	if !isOID(c.MergeBase) {
		return fail(errors.New("answered without a merge base"))
	}
	return c, nil
}

// anyMissing tells whether one of two commits is not in the repository.
func (r *Repository) anyMissing(ctx context.Context, a, b string) (bool, error) {
	const text = "query Exist($owner:String!,$name:String!,$a:GitObjectID!,$b:GitObjectID!){repository(owner:$owner,name:$name){" +
		"databaseId a:object(oid:$a){oid} b:object(oid:$b){oid}}}"
	var out struct {
		Repository *struct {
			DatabaseID int64       `json:"databaseId"`
			A          *objectNode `json:"a"`
			B          *objectNode `json:"b"`
		} `json:"repository"`
	}
	vars := map[string]any{"owner": r.ref.Owner, "name": r.ref.Name, "a": a, "b": b}
	if err := r.client.query(ctx, "look for commits", text, vars, maxSmall, 0, &out); err != nil {
		return false, err
	}
	if out.Repository == nil || out.Repository.DatabaseID != r.ref.RepositoryID {
		return false, &APIError{Operation: "look for commits", Status: 200, Type: "NOT_FOUND"}
	}
	return out.Repository.A == nil || out.Repository.B == nil, nil
}
