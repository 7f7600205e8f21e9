package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/hnp-sync/hnp-sync/handlers/feedback"
)

func sync(ctx context.Context, s *session, p *Parsed) (answer, error) {
	return s.begin(ctx, p, "sync", s.control.Sync)
}

func ingest(ctx context.Context, s *session, p *Parsed) (answer, error) {
	return s.begin(ctx, p, "ingest", s.control.Ingest)
}

func initialize(ctx context.Context, s *session, p *Parsed) (answer, error) {
	return s.begin(ctx, p, "init", s.control.Init)
}

// begin starts an operation for each fabric that is meant.
func (s *session) begin(ctx context.Context, p *Parsed, what string, start func(context.Context, int64, Audit) (Started, error)) (answer, error) {
	return s.each(ctx, p, func(f *Fabric) (answer, error) {
		st, err := start(ctx, f.ID, s.audit(p, f))
		if err != nil {
			return answer{}, fmt.Errorf("%s fabric %d: %w", what, f.ID, err)
		}
		if f.Paused && st.ID != "" {
			return good(st.words() + " The fabric is paused: what it would write waits until " + feedback.Code(word+" resume") + "."), nil
		}
		return good(st.words()), nil
	})
}

func rollback(ctx context.Context, s *session, p *Parsed) (answer, error) {
	return s.onOperation(ctx, p, func(f *Fabric) (answer, error) {
		st, err := s.control.Rollback(ctx, f.ID, p.Operation, s.audit(p, f))
		return good("The reverse of " + feedback.Code(p.Operation) + " is planned. " + st.words()), err
	})
}

func cancel(ctx context.Context, s *session, p *Parsed) (answer, error) {
	return s.onOperation(ctx, p, func(f *Fabric) (answer, error) {
		err := s.control.Cancel(ctx, f.ID, p.Operation, s.audit(p, f))
		return good(feedback.Code(p.Operation) + " is cancelled."), err
	})
}

// onOperation finds the fabric an operation is of. Its id says which, so all of the repository's are asked when none is
// named.
func (s *session) onOperation(ctx context.Context, p *Parsed, do func(f *Fabric) (answer, error)) (answer, error) {
	list, problem, err := s.candidates(ctx, p)
	if err != nil || problem != "" {
		return bad(problem), err
	}
	for i := range list {
		a, err := do(&list[i])
		if errors.Is(err, ErrNoOperation) {
			continue
		}
		if err != nil {
			return answer{}, fmt.Errorf("operation %s of fabric %d: %w", p.Operation, list[i].ID, err)
		}
		return a, nil
	}
	return answer{}, ErrNoOperation
}

// candidates are the fabrics in which an id of our own making, which says by itself which fabric it is of, may be found.
func (s *session) candidates(ctx context.Context, p *Parsed) ([]Fabric, string, error) {
	list, problem, err := s.meant(ctx, p)
	if p.Fabric != "" || err != nil || len(s.fabrics) == 0 {
		return list, problem, err
	}
	return s.fabrics, "", nil
}

func pause(ctx context.Context, s *session, p *Parsed) (answer, error) {
	return s.each(ctx, p, func(f *Fabric) (answer, error) {
		changed, err := s.control.Pause(ctx, f.ID, p.Key, s.audit(p, f))
		if err != nil {
			return answer{}, fmt.Errorf("pause fabric %d: %w", f.ID, err)
		}
		return good(pauseText(p, f, changed, "is paused: nothing of it is written until "+feedback.Code(word+" resume")+". Edits are seen and wait", "was paused already")), nil
	})
}

func resume(ctx context.Context, s *session, p *Parsed) (answer, error) {
	return s.each(ctx, p, func(f *Fabric) (answer, error) {
		changed, err := s.control.Resume(ctx, f.ID, p.Key, s.audit(p, f))
		if err != nil {
			return answer{}, fmt.Errorf("resume fabric %d: %w", f.ID, err)
		}
		return good(pauseText(p, f, changed, "goes on", "was not paused by a command")), nil
	})
}

func pauseText(p *Parsed, f *Fabric, changed bool, did, already string) string {
	what := feedback.Text(f.Name)
	if p.Key != nil {
		what = feedback.Resource(*p.Key)
	}
	if changed {
		return what + " " + did + "."
	}
	return what + " " + already + "."
}

func approve(ctx context.Context, s *session, p *Parsed) (answer, error) {
	list, problem, err := s.candidates(ctx, p)
	if err != nil || problem != "" {
		return bad(problem), err
	}
	var waiting []string
	for i := range list {
		f := &list[i]
		st, err := s.control.Status(ctx, f.ID)
		if err != nil {
			return answer{}, fmt.Errorf("status of fabric %d: %w", f.ID, err)
		}
		if len(st.Waiting) == 0 || st.PlanHash == "" {
			continue
		}
		if st.PlanHash != p.Hash {
			waiting = append(waiting, fmt.Sprintf("%s: %s, %s", feedback.Text(f.Name), count(len(st.Waiting), "action", "actions"), feedback.Code(word+" approve "+st.PlanHash)))
			continue
		}
		started, err := s.control.Approve(ctx, f.ID, s.audit(p, f))
		if err != nil {
			return answer{}, fmt.Errorf("approve %s of fabric %d: %w", p.Hash, f.ID, err)
		}
		text := fmt.Sprintf("Approved for %s: exactly these %s pass, as long as their values stay as they are. ", feedback.Text(f.Name), count(len(st.Waiting), "action", "actions"))
		var rows []string
		for _, w := range st.Waiting {
			rows = append(rows, "| "+feedback.Cell(w.Action)+" | "+feedback.Cell(w.Reason)+" |")
		}
		return good(text + started.words() + "\n\n" + table("| action | why it waited |", rows, planRows)), nil
	}
	if len(waiting) == 0 {
		return bad("Nothing waits for an approval, so nothing was approved. The plan of " + feedback.Code(p.Hash) + " is older, was approved, or never was."), nil
	}
	text := "Nothing was approved: " + feedback.Code(p.Hash) + " is not the plan that waits now. Look at what waits now first:\n"
	for i, w := range waiting {
		if i == statusRows {
			text += fmt.Sprintf("\n- %d more fabrics", len(waiting)-i)
			break
		}
		text += "\n- " + w
	}
	return bad(text), nil
}
