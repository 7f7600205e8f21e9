package githubtest

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Commit statuses.

func (c *call) renderStatus(row *statusRow, full bool) map[string]any {
	creator := c.s.accounts.rows[row.CreatorID]
	out := map[string]any{"id": row.ID, "node_id": nodeID("Status", row.ID), "url": c.repoURL("/statuses/%s", row.SHA), "avatar_url": c.root() + fmt.Sprintf("/avatars/u/%d", row.CreatorID),
		"state": row.State, "context": row.Context, "description": orNil(row.Description), "target_url": orNil(row.TargetURL), "created_at": stamp(row.CreatedAt), "updated_at": stamp(row.CreatedAt)}
	if full {
		out["creator"] = c.renderUser(creator)
	}
	return out
}

func (c *call) createStatus() (int, any, error) {
	var in struct {
		State       string `json:"state"`
		Context     string `json:"context"`
		Description string `json:"description"`
		TargetURL   string `json:"target_url"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	sha := c.params["sha"]
	k, err := c.git.commit(sha)
	if errors.Is(err, errNoObject) {
		return 0, nil, fail(422, "No commit found for SHA: %s", sha)
	}
	if err != nil {
		return 0, nil, err
	}
	switch {
	case !slices.Contains([]string{"error", "failure", "pending", "success"}, in.State):
		return 0, nil, invalid("Status", "state", "custom", "state is not included in the list")
	case utf8.RuneCountInString(in.Description) > 140:
		return 0, nil, invalid("Status", "description", "custom", "description is too long (maximum is 140 characters)")
	case utf8.RuneCountInString(in.Context) > 255:
		return 0, nil, invalid("Status", "context", "custom", "context is too long (maximum is 255 characters)")
	}
	if in.Context == "" {
		in.Context = "default"
	}
	row := &statusRow{ID: c.s.newID(), RepoID: c.repo.ID, SHA: sha, State: in.State, Context: in.Context, Description: in.Description, TargetURL: in.TargetURL, CreatorID: c.id.account.ID, CreatedAt: c.s.now()}
	c.s.statuses.put(row.ID, row)
	v := c.s.view()
	v.repo, v.git = c.repo, c.git
	c.s.emitRepo(c.repo, c.id.account, c.routeName(), "status", "", map[string]any{"id": row.ID, "sha": sha, "name": c.s.fullName(c.repo), "target_url": orNil(row.TargetURL), "avatar_url": nil,
		"context": row.Context, "description": orNil(row.Description), "state": row.State, "commit": v.renderCommit(k), "branches": []any{}, "created_at": stamp(row.CreatedAt), "updated_at": stamp(row.CreatedAt)}, nil)
	return 201, c.renderStatus(row, true), c.s.groupChecked(c.repo, c.id.account, c.routeName(), sha)
}

// combinedStatus takes the newest status of each context.
func (c *call) combinedStatus() (int, any, error) {
	k, err := c.commitAt(c.params["ref"])
	if err != nil {
		return 0, nil, err
	}
	newest := map[string]*statusRow{}
	for _, row := range c.s.statuses.all() {
		if row.RepoID == c.repo.ID && row.SHA == k.oid {
			newest[row.Context] = row
		}
	}
	state := "success"
	if len(newest) == 0 {
		state = "pending"
	}
	var names []string
	for name, row := range newest {
		names = append(names, name)
		switch {
		case row.State == "failure" || row.State == "error":
			state = "failure"
		case row.State == "pending" && state != "failure":
			state = "pending"
		}
	}
	list := []any{}
	for _, name := range sorted(names) {
		list = append(list, c.renderStatus(newest[name], false))
	}
	total := len(list)
	return 200, map[string]any{"state": state, "statuses": paginate(c, list), "sha": k.oid, "total_count": total, "repository": c.renderRepo(c.repo),
		"commit_url": c.repoURL("/commits/%s", k.oid), "url": c.repoURL("/commits/%s/status", k.oid)}, nil
}
