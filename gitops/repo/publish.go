package repo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// Progress is how far a check run has been published. The zero value is the beginning. Keep it where it survives a
// crash.
type Progress struct {
	RunID int64 // 0 before GitHub answered with one
	Sent  int   // annotations known to have arrived
	// Asking is true while a request is on its way: when publishing goes on from such a progress, GitHub is asked
	// first what arrived.
	Asking bool
	Done   bool
}

// PublishCheckRun makes a check run, or goes on with the one that progress names, with any number of annotations:
// batches of 50, each sent once. Until the last batch the run is in_progress, then it has Status and Conclusion as
// given. ExternalID must be of this one publication, because a run whose creation was not answered is found by it.
//
// report (nil: none) is called before each request (Asking) and after each answer; an error of it stops here. Publish
// again with the last reported progress and the same run after any error, also after ErrOutcomeUnknown and a
// *RateLimitError. Requests: one per 50 annotations, and one more where a request was not answered.
func (a *App) PublishCheckRun(ctx context.Context, ref Ref, run CheckRun, progress Progress, report func(Progress) error) (Progress, error) {
	if err := run.check(); err != nil {
		return progress, err
	}
	if run.ExternalID == "" {
		return progress, fmt.Errorf("check run %s: external id is missing", run.Name)
	}
	if progress.Done {
		return progress, nil
	}
	p, err := a.checksOf(ctx, ref, false)
	if err != nil {
		return progress, err
	}
	say := func() error {
		if report == nil {
			return nil
		}
		if err := report(progress); err != nil {
			return fmt.Errorf("check run %s: store its progress: %w", run.Name, err)
		}
		return nil
	}
	if progress.Asking {
		if progress, err = p.arrived(ctx, run, progress); err != nil {
			return progress, err
		}
		if err := say(); err != nil {
			return progress, err
		}
	}
	for !progress.Done {
		part, last := run.part(progress.Sent)
		progress.Asking = true
		if err := say(); err != nil {
			return progress, err
		}
		id := progress.RunID
		if id == 0 {
			id, err = p.createCheckRun(ctx, part)
		} else {
			err = p.updateCheckRun(ctx, id, part)
		}
		if err != nil {
			// Only where something may have been done is there something to look for.
			progress.Asking = errors.Is(err, gitops.ErrOutcomeUnknown)
			return progress, errors.Join(err, say())
		}
		progress = Progress{RunID: id, Sent: progress.Sent + len(part.Annotations), Done: last}
		if err := say(); err != nil {
			return progress, err
		}
	}
	return progress, nil
}

// part is the run with its next annotations after the first sent ones; last when none are left after it.
func (r CheckRun) part(sent int) (CheckRun, bool) {
	sent = min(max(sent, 0), len(r.Annotations))
	end := min(sent+MaxCheckAnnotations, len(r.Annotations))
	out := r
	out.Annotations = r.Annotations[sent:end]
	last := end == len(r.Annotations)
	if !last {
		out.Status, out.Conclusion, out.Actions = CheckInProgress, "", nil
	}
	return out, last
}

// arrived finds out what an unanswered request did.
func (p *place) arrived(ctx context.Context, run CheckRun, progress Progress) (Progress, error) {
	var found CheckRunInfo
	if progress.RunID == 0 {
		runs, err := p.checkRunsAt(ctx, run.HeadSHA, run.Name)
		if err != nil {
			return progress, err
		}
		i := slices.IndexFunc(runs, func(r CheckRunInfo) bool { return r.ExternalID == run.ExternalID })
		if i < 0 {
			return Progress{}, nil
		}
		found = runs[i]
	} else {
		var err error
		if found, err = p.checkRun(ctx, progress.RunID); err != nil {
			return progress, err
		}
	}
	// A read may be old: what is known to have arrived has arrived.
	sent := max(progress.Sent, min(found.Annotations, len(run.Annotations)))
	_, last := run.part(sent)
	done := last && sent == len(run.Annotations) && found.Conclusion == run.Conclusion && (run.Conclusion != "" || run.Status == "" || found.Status == run.Status)
	return Progress{RunID: found.ID, Sent: sent, Done: done}, nil
}

// newestFirst sorts runs by id, which GitHub counts up.
func newestFirst(runs []CheckRunInfo) {
	slices.SortStableFunc(runs, func(a, b CheckRunInfo) int {
		switch {
		case a.ID > b.ID:
			return -1
		case a.ID < b.ID:
			return 1
		}
		return 0
	})
}
