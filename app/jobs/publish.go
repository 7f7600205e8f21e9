package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/handlers/feedback"
)

// publish brings one check run of a head to what out says: nothing when that is there already, the rest when an
// earlier publication stopped in the middle. GitHub only ever adds annotations, so another output of a head that has
// some becomes a new run of the same name, which is the one people and branch protection see.
func (m *Manager) publish(ctx context.Context, r store.Repository, head string, out feedback.Output, again bool) error {
	hash, err := outputHash(out)
	if err != nil {
		return err
	}
	rec, known, err := m.Store.CheckRun(ctx, r.ID, head, out.Name)
	if err != nil {
		return err
	}
	if known && rec.Completed && rec.OutputHash == hash && !again {
		return nil
	}
	switch {
	case !known:
		rec = store.CheckRun{RepositoryID: r.ID, Head: head, Name: out.Name, ExternalID: externalID(head, out.Name, "")}
	case rec.OutputHash == hash && !rec.Completed, rec.OutputHash == "":
		// Goes on: from the middle, or from the run that only says that it is being looked at.
	case rec.Completed && rec.Sent == 0 && !again:
		rec.Completed = false
	default:
		rec = store.CheckRun{RepositoryID: r.ID, Head: head, Name: out.Name, ExternalID: externalID(head, out.Name, rec.ExternalID)}
	}
	// A run that is known by its id and has nothing under way need not be asked for.
	asking := known && rec.OutputHash == hash || known && rec.RunID == 0 && rec.OutputHash == ""
	rec.OutputHash = hash
	err = m.send(ctx, r, rec, out, asking)
	var denied *gitops.PermissionError
	if rec.RunID != 0 && errors.As(err, &denied) && denied.Code == "not_found" { // the run was deleted
		rec = store.CheckRun{RepositoryID: r.ID, Head: head, Name: out.Name, ExternalID: externalID(head, out.Name, rec.ExternalID), OutputHash: hash}
		err = m.send(ctx, r, rec, out, false)
	}
	return err
}

// begun makes a check run of a head at once, so that people see that it is being looked at.
func (m *Manager) begun(ctx context.Context, r store.Repository, head, name string) error {
	rec, known, err := m.Store.CheckRun(ctx, r.ID, head, name)
	if err != nil || known && (rec.RunID != 0 || rec.OutputHash != "") {
		return err
	}
	rec = store.CheckRun{RepositoryID: r.ID, Head: head, Name: name, ExternalID: externalID(head, name, "")}
	return m.send(ctx, r, rec, feedback.Output{Name: name, Title: "Being checked", Summary: "The pull request is compared with NetBox."}, known)
}

func (m *Manager) send(ctx context.Context, r store.Repository, rec store.CheckRun, out feedback.Output, asking bool) error {
	report := func(p Progress) error {
		rec.RunID, rec.Sent = p.RunID, p.Sent
		return m.Store.PutCheckRun(ctx, rec)
	}
	c := Check{Head: rec.Head, ExternalID: rec.ExternalID, Output: out, Progress: Progress{RunID: rec.RunID, Sent: rec.Sent, Asking: asking}}
	if err := m.Feedback.PublishCheck(ctx, r, c, report); err != nil {
		return fmt.Errorf("publish %s at %s: %w", out.Name, rec.Head, err)
	}
	rec.Completed = out.Conclusion != ""
	return m.Store.PutCheckRun(ctx, rec)
}

// outputHash tells whether an output is the one that was published.
func outputHash(out feedback.Output) (string, error) {
	b, err := json.Marshal(out)
	if err != nil {
		return "", fmt.Errorf("hash %s: %w", out.Name, err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// externalID names one check run; before is that of the run it takes the place of.
func externalID(head, name, before string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{head, name, before}, "\x00")))
	return "hnp-sync-" + hex.EncodeToString(sum[:12])
}
