package repo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// GitHub's limits for check runs, in code points (its REST description, "Create a check run").
const (
	MaxCheckText         = 65_535 // summary and text, each
	MaxCheckAnnotations  = 50     // of one request; PublishCheckRun sends any number
	MaxCheckActions      = 3
	MaxActionLabel       = 20
	MaxActionDescription = 40
	MaxActionIdentifier  = 20
	MaxAnnotationTitle   = 255
	MaxAnnotationMessage = 64 << 10 // bytes
)

// Statuses and conclusions of a check run. There is no neutral: GitHub counts it as passed.
const (
	CheckQueued         = "queued"
	CheckInProgress     = "in_progress"
	CheckCompleted      = "completed"
	CheckSuccess        = "success"
	CheckFailure        = "failure"
	CheckActionRequired = "action_required"
	CheckCancelled      = "cancelled"
	CheckTimedOut       = "timed_out"
)

// CheckRun is a check run to write. Texts over GitHub's limits are refused, never cut: the writer knows where.
type CheckRun struct {
	Name    string
	HeadSHA string // used when it is created
	// ExternalID is the caller's own key (a job's id), by which a run is found again.
	ExternalID string
	DetailsURL string
	// Status is queued, in_progress or completed; with a Conclusion it is completed.
	Status, Conclusion   string
	Title, Summary, Text string // Markdown, except the title
	Annotations          []Annotation
	Actions              []CheckAction
}

// Annotation points to lines of a file at the run's head.
type Annotation struct {
	Path               string // from the repository's root, without ./
	StartLine, EndLine int    // from 1; an EndLine of 0 means StartLine
	// StartColumn and EndColumn are sent only when the annotation is of one line, as GitHub demands; 0 = none.
	StartColumn, EndColumn     int
	Level                      string // notice, warning or failure
	Title, Message, RawDetails string
}

// CheckAction is a button of a check run. A click is a check_run event requested_action with the Identifier.
type CheckAction struct{ Label, Description, Identifier string }

// CheckRunInfo is a check run as GitHub has it.
type CheckRunInfo struct {
	ID                        int64
	Name, HeadSHA, ExternalID string
	Status, Conclusion        string
	Title, Summary            string
	Annotations               int // how many it has
	AppID, SuiteID            int64
	URL                       string
	StartedAt, CompletedAt    time.Time
}

type checkRunAnswer struct {
	ID          int64      `json:"id"`
	Name        string     `json:"name"`
	HeadSHA     string     `json:"head_sha"`
	ExternalID  *string    `json:"external_id"`
	Status      string     `json:"status"`
	Conclusion  *string    `json:"conclusion"`
	HTMLURL     *string    `json:"html_url"`
	StartedAt   *time.Time `json:"started_at"`
	CompletedAt *time.Time `json:"completed_at"`
	Output      struct {
		Title       *string `json:"title"`
		Summary     *string `json:"summary"`
		Annotations int     `json:"annotations_count"`
	} `json:"output"`
	App *struct {
		ID int64 `json:"id"`
	} `json:"app"`
	CheckSuite *struct {
		ID int64 `json:"id"`
	} `json:"check_suite"`
}

func (c checkRunAnswer) value() CheckRunInfo {
	out := CheckRunInfo{
		ID: c.ID, Name: c.Name, HeadSHA: c.HeadSHA, ExternalID: text(c.ExternalID), Status: c.Status, Conclusion: text(c.Conclusion),
		Title: text(c.Output.Title), Summary: text(c.Output.Summary), Annotations: c.Output.Annotations, URL: text(c.HTMLURL),
	}
	if c.App != nil {
		out.AppID = c.App.ID
	}
	if c.CheckSuite != nil {
		out.SuiteID = c.CheckSuite.ID
	}
	if c.StartedAt != nil {
		out.StartedAt = *c.StartedAt
	}
	if c.CompletedAt != nil {
		out.CompletedAt = *c.CompletedAt
	}
	return out
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// CreateCheckRun makes a check run at HeadSHA with at most 50 annotations. One request. Its error wraps
// gitops.ErrOutcomeUnknown when the answer was lost: CheckRunsAt then tells by ExternalID whether it exists.
func (a *App) CreateCheckRun(ctx context.Context, ref Ref, run CheckRun) (int64, error) {
	if err := run.check(); err != nil {
		return 0, err
	}
	if len(run.Annotations) > MaxCheckAnnotations {
		return 0, fmt.Errorf("check run %s: %d annotations in one request, GitHub allows %d", clip(run.Name, 100), len(run.Annotations), MaxCheckAnnotations)
	}
	p, err := a.checksOf(ctx, ref, false)
	if err != nil {
		return 0, err
	}
	return p.createCheckRun(ctx, run)
}

func (p *place) createCheckRun(ctx context.Context, run CheckRun) (int64, error) {
	in := run.body()
	in["name"], in["head_sha"] = run.Name, run.HeadSHA
	var out checkRunAnswer
	if err := p.do(ctx, request{operation: "create check run", method: http.MethodPost, in: in}, []string{"check-runs"}, "", &out); err != nil {
		return 0, fmt.Errorf("check run %s of %s: %w", run.Name, p.ref, err)
	}
	if out.ID <= 0 {
		return 0, fmt.Errorf("check run %s of %s: %w (answer without an id)", run.Name, p.ref, gitops.ErrOutcomeUnknown)
	}
	return out.ID, nil
}

// UpdateCheckRun changes a check run of this App. Its annotations, at most 50, are added to those it has. One
// request. A run that was deleted is a *gitops.PermissionError with code not_found.
func (a *App) UpdateCheckRun(ctx context.Context, ref Ref, id int64, run CheckRun) error {
	if err := run.check(); err != nil {
		return err
	}
	if len(run.Annotations) > MaxCheckAnnotations {
		return fmt.Errorf("check run %s: %d annotations in one request, GitHub allows %d", clip(run.Name, 100), len(run.Annotations), MaxCheckAnnotations)
	}
	p, err := a.checksOf(ctx, ref, false)
	if err != nil {
		return err
	}
	return p.updateCheckRun(ctx, id, run)
}

func (p *place) updateCheckRun(ctx context.Context, id int64, run CheckRun) error {
	err := p.do(ctx, request{operation: "update check run", method: http.MethodPatch, in: run.body()}, []string{"check-runs", number(id)}, "", nil)
	if err != nil {
		return fmt.Errorf("check run %d of %s: %w", id, p.ref, err)
	}
	return nil
}

// CheckRun reads one check run. One request.
func (a *App) CheckRun(ctx context.Context, ref Ref, id int64) (CheckRunInfo, error) {
	p, err := a.checksOf(ctx, ref, true)
	if err != nil {
		return CheckRunInfo{}, err
	}
	return p.checkRun(ctx, id)
}

func (p *place) checkRun(ctx context.Context, id int64) (CheckRunInfo, error) {
	var out checkRunAnswer
	if err := p.do(ctx, request{operation: "read check run", method: http.MethodGet}, []string{"check-runs", number(id)}, "", &out); err != nil {
		return CheckRunInfo{}, fmt.Errorf("check run %d of %s: %w", id, p.ref, err)
	}
	if out.ID != id {
		return CheckRunInfo{}, fmt.Errorf("check run %d of %s: got run %d", id, p.ref, out.ID)
	}
	return out.value(), nil
}

// CheckRunsAt lists this App's newest check runs at a commit, newest first, those of one name only unless name is
// empty. GitHub's "latest" is the newest run of each name in each suite. One request per 100.
func (a *App) CheckRunsAt(ctx context.Context, ref Ref, sha, name string) ([]CheckRunInfo, error) {
	p, err := a.checksOf(ctx, ref, true)
	if err != nil {
		return nil, err
	}
	return p.checkRunsAt(ctx, sha, name)
}

func (p *place) checkRunsAt(ctx context.Context, sha, name string) ([]CheckRunInfo, error) {
	if !isOID(sha) {
		return nil, fmt.Errorf("%q is not a commit id", clip(sha, 100))
	}
	query := url.Values{"filter": {"latest"}, "app_id": {number(p.app.id)}}
	if name != "" {
		query.Set("check_name", name)
	}
	var out []CheckRunInfo
	_, err := p.pages(ctx, "list check runs", []string{"commits", sha, "check-runs"}, query.Encode(), 10, func(op string, body []byte) error {
		var page struct {
			Runs []checkRunAnswer `json:"check_runs"`
		}
		if err := decode(op, body, &page); err != nil {
			return err
		}
		for _, r := range page.Runs {
			if r.App != nil && r.App.ID == p.app.id && r.ID > 0 && (name == "" || r.Name == name) {
				out = append(out, r.value())
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("check runs of %s at %s: %w", p.ref, sha, err)
	}
	newestFirst(out)
	return out, nil
}

// checksOf refuses what GitHub would refuse: only Apps have check runs.
func (a *App) checksOf(ctx context.Context, ref Ref, read bool) (*place, error) {
	if a.static != nil {
		return nil, &gitops.PermissionError{Code: "missing_permission",
			Message: "check runs need the GitHub App: a personal access token cannot write them; use commit statuses instead, or configure app_id and the private key"}
	}
	return a.at(ctx, ref, needChecks(read))
}

// check refuses what exceeds GitHub's limits or would open a gate that must stay shut.
func (r CheckRun) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("check run %s: %w", clip(r.Name, 100), fmt.Errorf(format, args...))
	}
	switch {
	case r.Name == "" || utf8.RuneCountInString(r.Name) > 255:
		return bad("a name of 1 to 255 characters is needed")
	case !isOID(r.HeadSHA):
		return bad("head %q is not a commit id", clip(r.HeadSHA, 80))
	case r.Title == "" || r.Summary == "":
		return bad("title and summary are needed")
	}
	switch r.Conclusion {
	case "":
		if r.Status == CheckCompleted {
			return bad("completed without a conclusion")
		}
	case CheckSuccess, CheckFailure, CheckActionRequired, CheckCancelled, CheckTimedOut:
		if r.Status != "" && r.Status != CheckCompleted {
			return bad("conclusion %s with status %s", r.Conclusion, clip(r.Status, 40))
		}
	case "neutral", "skipped":
		return bad("conclusion %s counts as passed: say success or failure", r.Conclusion)
	default:
		return bad("conclusion %q is not one of ours", clip(r.Conclusion, 40))
	}
	switch r.Status {
	case "", CheckQueued, CheckInProgress, CheckCompleted:
	default:
		return bad("status %q is not one of ours", clip(r.Status, 40))
	}
	for what, s := range map[string]string{"summary": r.Summary, "text": r.Text} {
		if n := utf8.RuneCountInString(s); n > MaxCheckText {
			return bad("%s has %d characters, GitHub allows %d", what, n, MaxCheckText)
		}
	}
	if len(r.Actions) > MaxCheckActions {
		return bad("%d actions, GitHub allows %d", len(r.Actions), MaxCheckActions)
	}
	for _, x := range r.Actions {
		if x.Label == "" || x.Identifier == "" || x.Description == "" || utf8.RuneCountInString(x.Label) > MaxActionLabel ||
			utf8.RuneCountInString(x.Description) > MaxActionDescription || utf8.RuneCountInString(x.Identifier) > MaxActionIdentifier {
			return bad("action %q: label of 1 to %d, description of 1 to %d, identifier of 1 to %d characters", clip(x.Label, 40), MaxActionLabel, MaxActionDescription, MaxActionIdentifier)
		}
	}
	for i, x := range r.Annotations {
		if err := x.check(); err != nil {
			return bad("annotation %d: %w", i+1, err)
		}
	}
	return nil
}

func (x Annotation) check() error {
	switch {
	case checkPath(x.Path) != nil:
		return checkPath(x.Path)
	case x.StartLine < 1 || x.EndLine != 0 && x.EndLine < x.StartLine:
		return fmt.Errorf("lines %d to %d", x.StartLine, x.EndLine)
	case x.Level != "notice" && x.Level != "warning" && x.Level != "failure":
		return fmt.Errorf("level %q", clip(x.Level, 40))
	case x.Message == "" || len(x.Message) > MaxAnnotationMessage || len(x.RawDetails) > MaxAnnotationMessage:
		return errors.New("a message is needed, and at most 64 KB of it")
	case utf8.RuneCountInString(x.Title) > MaxAnnotationTitle:
		return fmt.Errorf("title of over %d characters", MaxAnnotationTitle)
	}
	return nil
}

// body is the part of the request that creating and updating share.
func (r CheckRun) body() map[string]any {
	output := map[string]any{"title": r.Title, "summary": r.Summary}
	if r.Text != "" {
		output["text"] = r.Text
	}
	if len(r.Annotations) > 0 {
		list := make([]map[string]any, 0, len(r.Annotations))
		for _, x := range r.Annotations {
			list = append(list, x.body())
		}
		output["annotations"] = list
	}
	in := map[string]any{"output": output}
	set := func(key, value string) {
		if value != "" {
			in[key] = value
		}
	}
	set("external_id", r.ExternalID)
	set("details_url", r.DetailsURL)
	set("status", r.Status)
	if r.Conclusion != "" {
		in["status"], in["conclusion"] = CheckCompleted, r.Conclusion
	}
	if r.Actions != nil {
		list := make([]map[string]string, 0, len(r.Actions))
		for _, x := range r.Actions {
			list = append(list, map[string]string{"label": x.Label, "description": x.Description, "identifier": x.Identifier})
		}
		in["actions"] = list
	}
	return in
}

func (x Annotation) body() map[string]any {
	end := max(x.EndLine, x.StartLine)
	out := map[string]any{"path": x.Path, "start_line": x.StartLine, "end_line": end, "annotation_level": x.Level, "message": x.Message}
	if end == x.StartLine && x.StartColumn > 0 {
		out["start_column"], out["end_column"] = x.StartColumn, max(x.EndColumn, x.StartColumn)
	}
	if x.Title != "" {
		out["title"] = x.Title
	}
	if x.RawDetails != "" {
		out["raw_details"] = x.RawDetails
	}
	return out
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
