package githubtest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestCommentsSince(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(nil)
	var stamps []string
	for n := range 3 {
		if r := f.do("POST", "/repos/acme/fabric/issues", token, map[string]any{"title": fmt.Sprint(n)}); r.status != 201 {
			t.Fatal(r.status)
		}
		r := f.do("POST", fmt.Sprintf("/repos/acme/fabric/issues/%d/comments", n+1), token, map[string]any{"body": fmt.Sprintf("comment %d", n)})
		stamps = append(stamps, r.json["updated_at"].(string))
		f.clock.advance(time.Minute)
	}
	bodies := func(query string) string {
		r := f.do("GET", "/repos/acme/fabric/issues/comments"+query, token, nil)
		var out []string
		for part := range strings.SplitSeq(string(r.body), `"body":"`) {
			if text, _, ok := strings.Cut(part, `"`); ok && strings.HasPrefix(text, "comment") {
				out = append(out, text)
			}
		}
		return strings.Join(out, ", ")
	}
	first := f.do("GET", "/repos/acme/fabric/issues/1/comments", token, nil)
	id := strings.Split(strings.Split(string(first.body), `issuecomment-`)[1], `"`)[0]
	for query, want := range map[string]string{"": "comment 0, comment 1, comment 2", "?since=" + stamps[1]: "comment 1, comment 2", "?sort=created&direction=desc": "comment 2, comment 1, comment 0",
		"?per_page=1&page=2": "comment 1", "?direction=desc": "comment 0, comment 1, comment 2"} {
		if got := bodies(query); got != want {
			t.Errorf("%q: %s", query, got)
		}
	}
	// An edit counts as a change.
	f.do("PATCH", "/repos/acme/fabric/issues/comments/"+id, token, map[string]any{"body": "comment 0 again"})
	if got := bodies("?since=" + f.clock.Now().UTC().Format(time.RFC3339)); got != "comment 0 again" {
		t.Errorf("since the edit: %s", got)
	}
	if r := f.do("GET", "/repos/acme/fabric/issues/comments?since=yesterday", token, nil); r.status != 422 {
		t.Errorf("a malformed time: %d", r.status)
	}
	// Who may read may comment, and change only what is theirs.
	comment := f.do("POST", "/repos/acme/open/issues", "ghp_eve", map[string]any{"title": "by a stranger", "labels": []string{"mine"}})
	if comment.status != 201 || len(comment.json["labels"].([]any)) != 0 {
		t.Errorf("a stranger's issue: %d %s", comment.status, comment.body)
	}
	theirs := f.do("POST", "/repos/acme/open/issues/1/comments", userToken, map[string]any{"body": "hello"})
	path := fmt.Sprintf("/repos/acme/open/issues/comments/%.0f", theirs.json["id"])
	if r := f.do("PATCH", path, "ghp_eve", map[string]any{"body": "changed"}); r.status != 403 {
		t.Errorf("a stranger edits: %d", r.status)
	}
	if r := f.do("DELETE", path, "ghp_eve", nil); r.status != 403 {
		t.Errorf("a stranger deletes: %d", r.status)
	}
	if r := f.do("POST", "/repos/acme/open/issues/1/labels", "ghp_eve", map[string]any{"labels": []string{"x"}}); r.status != 403 {
		t.Errorf("a stranger labels: %d", r.status)
	}
	if r := f.do("DELETE", path, userToken, nil); r.status != 204 {
		t.Errorf("the author deletes: %d", r.status)
	}
}
