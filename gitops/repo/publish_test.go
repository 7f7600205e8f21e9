package repo

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// Each of the three requests is lost once, before or after its effect; 137 annotations arrive once, in order.
func TestPublishedAnnotationsArriveOnce(t *testing.T) {
	t.Parallel()
	for lost := range 4 {
		for _, effect := range []bool{false, true} {
			var have []string
			var sizes []int
			status, writes := "", 0
			s := newStub(t, nil, func(w http.ResponseWriter, r *http.Request) {
				answer := func() string {
					return fmt.Sprintf(`{"id":5,"name":"n","head_sha":%q,"external_id":"job-1","status":"completed","conclusion":%s,"app":{"id":1},"output":{"annotations_count":%d}}`, headOID, status, len(have))
				}
				if r.Method == http.MethodGet {
					switch {
					case r.URL.Path == "/repos/acme/fabric/check-runs/5":
						fmt.Fprint(w, answer())
					case status == "":
						fmt.Fprint(w, `{"check_runs":[]}`)
					default:
						fmt.Fprintf(w, `{"check_runs":[%s]}`, answer())
					}
					return
				}
				var in struct {
					Conclusion *string
					Output     struct{ Annotations []struct{ Message string } }
				}
				if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
					t.Error(err)
				}
				writes++
				fail := writes == lost
				if !fail || effect {
					sizes = append(sizes, len(in.Output.Annotations))
					for _, a := range in.Output.Annotations {
						have = append(have, a.Message)
					}
					status = "null"
					if in.Conclusion != nil {
						status = `"` + *in.Conclusion + `"`
					}
				}
				if fail {
					w.WriteHeader(http.StatusBadGateway)
					return
				}
				fmt.Fprint(w, answer())
			})
			run := CheckRun{Name: "n", HeadSHA: headOID, ExternalID: "job-1", Conclusion: CheckFailure, Title: "t", Summary: "s"}
			var want []string
			for i := range 137 {
				want = append(want, fmt.Sprint("m", i))
				run.Annotations = append(run.Annotations, Annotation{Path: "a.yaml", StartLine: i + 1, Level: "failure", Message: want[i]})
			}
			var kept Progress
			store := func(p Progress) error { kept = p; return nil }
			ref := Ref{InstallationID: 5, RepositoryID: 7, Owner: "acme", Name: "fabric"}
			_, err := s.app.PublishCheckRun(t.Context(), ref, run, kept, store)
			if lost > 0 {
				if !errors.Is(err, gitops.ErrOutcomeUnknown) {
					t.Fatalf("request %d lost: %v", lost, err)
				}
				_, err = s.app.PublishCheckRun(t.Context(), ref, run, kept, store)
			}
			if err != nil || !kept.Done || !slices.Equal(have, want) || !slices.Equal(sizes, []int{50, 50, 37}) || status != `"failure"` {
				t.Errorf("request %d lost, effect %v: %v, %+v, %d annotations in %v, conclusion %s", lost, effect, err, kept, len(have), sizes, status)
			}
		}
	}
}
