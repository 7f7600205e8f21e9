package githubtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

func (c *call) renderRun(run *checkRunRow) map[string]any {
	url := c.repoURL("/check-runs/%d", run.ID)
	html := fmt.Sprintf("%s/runs/%d", c.htmlRepo(), run.ID)
	details := run.DetailsURL
	if details == "" {
		details = html
	}
	status, conclusion := run.Status, run.Conclusion
	if status != "completed" && run.StartedAt != nil && c.s.now().Sub(*run.StartedAt) > staleAfter {
		status, conclusion = "completed", "stale"
	}
	return map[string]any{"id": run.ID, "node_id": nodeID("CheckRun", run.ID), "head_sha": run.HeadSHA, "external_id": run.ExternalID, "url": url, "html_url": html, "details_url": details,
		"status": status, "conclusion": orNil(conclusion), "started_at": stampPtr(run.StartedAt), "completed_at": stampPtr(run.CompletedAt), "name": run.Name,
		"output": map[string]any{"title": orNil(run.Title), "summary": orNil(run.Summary), "text": orNil(run.Text), "annotations_count": len(run.Annotations), "annotations_url": url + "/annotations"},
		"app":    c.renderApp(c.s.apps.rows[run.AppID]), "pull_requests": c.checkPulls(run.HeadSHA), "check_suite": map[string]any{"id": run.SuiteID}}
}

func (s *Server) emitRun(r *repoRow, actor *accountRow, cause string, run *checkRunRow, action string, extra map[string]any) error {
	v := s.view()
	v.repo, v.git = r, s.gitRepo(r)
	body := v.renderRun(run)
	suite, err := v.renderSuite(s.suites.rows[run.SuiteID])
	if err != nil {
		return err
	}
	delete(suite, "head_commit")
	delete(suite, "latest_check_runs_count")
	delete(suite, "check_runs_url")
	body["check_suite"] = suite
	payload := map[string]any{"check_run": body}
	for k, x := range extra {
		payload[k] = x
	}
	s.emitRepo(r, actor, cause, "check_run", action, payload, func(i *installationRow) bool {
		return i.AppID == run.AppID || action == "created" || action == "completed"
	})
	return nil
}

// staleAfter is the age at which GitHub gives up an incomplete run.
const staleAfter = 14 * 24 * time.Hour

// dropOldRuns deletes the oldest runs of a name when a suite has too many.
func (s *Server) dropOldRuns(newest *checkRunRow) {
	most := 1000
	if s.knobs.RunLimit > 0 {
		most = s.knobs.RunLimit
	}
	same := s.runs.find(func(r *checkRunRow) bool { return r.SuiteID == newest.SuiteID && r.Name == newest.Name })
	for _, old := range same[:max(0, len(same)-most)] {
		s.runs.remove(old.ID)
	}
}

// runCompleted tells of a run's end, and of its suite's when all runs of that
// have ended.
func (s *Server) runCompleted(r *repoRow, actor *accountRow, cause string, run *checkRunRow) error {
	if err := s.emitRun(r, actor, cause, run, "completed", nil); err != nil {
		return err
	}
	suite := s.suites.rows[run.SuiteID]
	if status, _, _ := s.suiteState(suite); status == "completed" {
		suite.UpdatedAt = s.now()
		s.suites.put(suite.ID, suite)
		if err := s.emitSuite(r, actor, cause, suite, "completed"); err != nil {
			return err
		}
	}
	return s.groupChecked(r, actor, cause, run.HeadSHA)
}

type checkIn struct {
	Name        *string    `json:"name"`
	HeadSHA     string     `json:"head_sha"`
	DetailsURL  *string    `json:"details_url"`
	ExternalID  *string    `json:"external_id"`
	Status      *string    `json:"status"`
	StartedAt   *time.Time `json:"started_at"`
	Conclusion  *string    `json:"conclusion"`
	CompletedAt *time.Time `json:"completed_at"`
	Output      *struct {
		Title       *string           `json:"title"`
		Summary     *string           `json:"summary"`
		Text        *string           `json:"text"`
		Annotations []json.RawMessage `json:"annotations"`
		Images      []json.RawMessage `json:"images"`
	} `json:"output"`
	Actions *[]checkAction `json:"actions"`
}

// apply checks GitHub's limits (facts §4) and changes the run; annotations
// are appended.
func (in *checkIn) apply(run *checkRunRow, now time.Time) error {
	if in.Name != nil {
		run.Name = *in.Name
	}
	if in.DetailsURL != nil {
		run.DetailsURL = *in.DetailsURL
	}
	if in.ExternalID != nil {
		run.ExternalID = *in.ExternalID
	}
	if in.StartedAt != nil {
		run.StartedAt = in.StartedAt
	}
	if in.Status != nil {
		if !slices.Contains([]string{"queued", "in_progress", "completed", "waiting", "requested", "pending"}, *in.Status) {
			return invalid("CheckRun", "status", "invalid", "")
		}
		run.Status = *in.Status
	}
	if in.Conclusion != nil {
		if !slices.Contains([]string{"success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required"}, *in.Conclusion) {
			return invalid("CheckRun", "conclusion", "invalid", "")
		}
		run.Status, run.Conclusion, run.CompletedAt = "completed", *in.Conclusion, &now
		if in.CompletedAt != nil {
			run.CompletedAt = in.CompletedAt
		}
	} else if in.Status != nil {
		if *in.Status == "completed" {
			return invalid("CheckRun", "conclusion", "missing_field", "")
		}
		run.Conclusion, run.CompletedAt = "", nil
	}
	if out := in.Output; out != nil {
		if out.Summary == nil || run.Title == "" && out.Title == nil {
			return fail(422, "Invalid request.\n\nFor 'properties/output', \"title\" and \"summary\" must be given.")
		}
		for name, text := range map[string]*string{"summary": out.Summary, "text": out.Text} {
			if text != nil && utf8.RuneCountInString(*text) > 65535 {
				return fail(422, "Invalid request.\n\nOnly 65535 characters are allowed; %s has more.", name)
			}
		}
		if len(out.Annotations) > 50 {
			return fail(422, "Invalid request.\n\nNo more than 50 items are allowed; %d were supplied.", len(out.Annotations))
		}
		for _, a := range out.Annotations {
			if err := checkAnnotation(a); err != nil {
				return err
			}
		}
		run.HasOutput = true
		run.Summary = *out.Summary
		if out.Title != nil {
			run.Title = *out.Title
		}
		if out.Text != nil {
			run.Text = *out.Text
		}
		run.Annotations = append(run.Annotations, out.Annotations...)
	}
	if in.Actions != nil {
		if len(*in.Actions) > 3 {
			return fail(422, "Invalid request.\n\nNo more than 3 items are allowed; %d were supplied.", len(*in.Actions))
		}
		for _, a := range *in.Actions {
			if a.Label == "" || a.Description == "" || a.Identifier == "" ||
				utf8.RuneCountInString(a.Label) > 20 || utf8.RuneCountInString(a.Description) > 40 || utf8.RuneCountInString(a.Identifier) > 20 {
				return fail(422, "Invalid request.\n\nAn action needs a label (at most 20 characters), a description (40) and an identifier (20).")
			}
		}
		run.Actions = *in.Actions
	}
	return nil
}

func checkAnnotation(src json.RawMessage) error {
	var a struct {
		Path        string `json:"path"`
		StartLine   int    `json:"start_line"`
		EndLine     int    `json:"end_line"`
		StartColumn *int   `json:"start_column"`
		EndColumn   *int   `json:"end_column"`
		Level       string `json:"annotation_level"`
		Message     string `json:"message"`
		Title       string `json:"title"`
		Details     string `json:"raw_details"`
	}
	if err := json.Unmarshal(src, &a); err != nil {
		return fail(422, "Invalid request.\n\nAn annotation is malformed.")
	}
	switch {
	case a.Path == "" || strings.HasPrefix(a.Path, "./") || strings.HasPrefix(a.Path, "/"):
		return fail(422, "Invalid request.\n\nAn annotation needs a path relative to the repository, without a leading './'.")
	case a.StartLine < 1 || a.EndLine < a.StartLine:
		return fail(422, "Invalid request.\n\nAn annotation needs start_line and end_line.")
	case a.StartLine != a.EndLine && (a.StartColumn != nil || a.EndColumn != nil):
		return fail(422, "Invalid request.\n\nstart_column and end_column are allowed only when start_line and end_line are equal.")
	case !slices.Contains([]string{"notice", "warning", "failure"}, a.Level):
		return fail(422, "Invalid request.\n\nannotation_level must be notice, warning or failure.")
	case utf8.RuneCountInString(a.Title) > 255 || len(a.Details) > 64<<10:
		return fail(422, "Invalid request.\n\nAn annotation's title has at most 255 characters, its raw_details at most 64 KB.")
	case a.Message == "" || len(a.Message) > 64<<10:
		return fail(422, "Invalid request.\n\nAn annotation needs a message of at most 64 KB.")
	}
	return nil
}

func (c *call) createCheckRun() (int, any, error) {
	var in checkIn
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	if in.Name == nil || *in.Name == "" || in.HeadSHA == "" {
		return 0, nil, fail(422, "Invalid request.\n\n\"name\", \"head_sha\" weren't supplied.")
	}
	if _, err := c.git.commit(in.HeadSHA); err != nil {
		return 0, nil, fail(422, "No commit found for SHA: %s", in.HeadSHA)
	}
	now := c.s.now()
	suite, _ := c.s.suite(c.repo, c.id.app, in.HeadSHA, "")
	run := &checkRunRow{RepoID: c.repo.ID, SuiteID: suite.ID, AppID: c.id.app.ID, HeadSHA: in.HeadSHA, Status: "queued", StartedAt: &now}
	if err := in.apply(run, now); err != nil {
		return 0, nil, err
	}
	run.ID = c.s.newID()
	c.s.runs.put(run.ID, run)
	c.s.dropOldRuns(run)
	if err := c.s.emitRun(c.repo, c.id.account, c.routeName(), run, "created", nil); err != nil {
		return 0, nil, err
	}
	if run.Status == "completed" {
		if err := c.s.runCompleted(c.repo, c.id.account, c.routeName(), run); err != nil {
			return 0, nil, err
		}
	}
	return 201, c.renderRun(run), nil
}

func (c *call) runAt() (*checkRunRow, error) {
	run := c.s.runs.rows[c.int("check_run_id")]
	if run == nil || run.RepoID != c.repo.ID {
		return nil, errNotFound
	}
	return run, nil
}

func (c *call) getCheckRun() (int, any, error) {
	run, err := c.runAt()
	if err != nil {
		return 0, nil, err
	}
	return 200, c.renderRun(run), nil
}

func (c *call) updateCheckRun() (int, any, error) {
	run, err := c.runAt()
	if err != nil {
		return 0, nil, err
	}
	if run.AppID != c.id.app.ID {
		return 0, nil, fail(403, "Invalid app_id `%d` - check run can only be modified by the GitHub App that created it.", c.id.app.ID)
	}
	var in checkIn
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	changed := *run
	if err := in.apply(&changed, c.s.now()); err != nil {
		return 0, nil, err
	}
	done := run.Status != "completed" && changed.Status == "completed"
	c.s.runs.put(run.ID, &changed)
	if done {
		if err := c.s.runCompleted(c.repo, c.id.account, c.routeName(), &changed); err != nil {
			return 0, nil, err
		}
	}
	return 200, c.renderRun(&changed), nil
}

func (c *call) listAnnotations() (int, any, error) {
	run, err := c.runAt()
	if err != nil {
		return 0, nil, err
	}
	out := []any{}
	for _, src := range paginate(c, run.Annotations) {
		var a map[string]any
		if err := json.Unmarshal(src, &a); err != nil {
			return 0, nil, err
		}
		for _, name := range []string{"start_column", "end_column", "title", "raw_details"} {
			if _, ok := a[name]; !ok {
				a[name] = nil
			}
		}
		a["blob_href"] = c.repoURL("/contents/%v?ref=%s", a["path"], run.HeadSHA)
		out = append(out, a)
	}
	return 200, out, nil
}

// listRuns applies filter=latest (the default): the newest run of a name.
func (c *call) listRuns(keep func(*checkRunRow) bool) (int, any, error) {
	name, status := c.query.Get("check_name"), c.query.Get("status")
	runs := c.s.runs.find(func(r *checkRunRow) bool {
		return r.RepoID == c.repo.ID && keep(r) && (name == "" || r.Name == name) && (status == "" || r.Status == status) &&
			(c.query.Get("app_id") == "" || c.query.Get("app_id") == fmt.Sprint(r.AppID))
	})
	if c.query.Get("filter") != "all" {
		newest := map[string]int64{}
		for _, r := range runs {
			newest[fmt.Sprint(r.AppID, r.Name)] = r.ID
		}
		runs = slices.DeleteFunc(runs, func(r *checkRunRow) bool { return newest[fmt.Sprint(r.AppID, r.Name)] != r.ID })
	}
	total := len(runs)
	slices.Reverse(runs)
	out := []any{}
	for _, r := range paginate(c, runs) {
		out = append(out, c.renderRun(r))
	}
	return 200, map[string]any{"total_count": total, "check_runs": out}, nil
}

func (c *call) listRunsForRef() (int, any, error) {
	k, err := c.commitAt(c.params["ref"])
	if err != nil {
		return 0, nil, err
	}
	return c.listRuns(func(r *checkRunRow) bool { return r.HeadSHA == k.oid })
}

func (c *call) rerequestRun() (int, any, error) {
	run, err := c.runAt()
	if err != nil {
		return 0, nil, err
	}
	return 201, map[string]any{}, c.s.emitRun(c.repo, c.id.account, c.routeName(), run, "rerequested", nil)
}
