package netbox

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// Whatever NetBox answers, "done" is only said of an object that a success names, and no item is left without a word.
func FuzzJudge(f *testing.F) {
	f.Add(uint16(200), []byte("["+vpc(1, 1, "v1")+","+vpc(2, 1, "v2")+"]"), "application/json", byte(1), true)
	f.Add(uint16(400), []byte(`{"detail":"1 of 2","errors":[{"index":1,"errors":{"name":["bad"]}},{"id":1,"errors":{"id":["does not exist"]}}]}`), "", byte(0), true)
	f.Add(uint16(400), []byte(`[{},{"name":["x"]}]`), "", byte(0), true)
	f.Add(uint16(500), []byte(`{"error":"duplicate key value violates unique constraint \"netbox_hedgehog_vpc\" (fabric_id, namespace, name)=(1, default, v2)","exception":"IntegrityError"}`), "", byte(1), true)
	f.Add(uint16(204), []byte(nil), "text/html", byte(2), false)
	ops := []gitops.Op{gitops.OpCreate, gitops.OpUpdate, gitops.OpDelete, gitops.OpFence}
	success := map[gitops.Op]int{gitops.OpCreate: 201, gitops.OpUpdate: 200, gitops.OpDelete: 204, gitops.OpFence: 200}
	tbl, _ := tableOf("VPC")
	f.Fuzz(func(t *testing.T, status uint16, body []byte, contentType string, which byte, bulk bool) {
		op := ops[int(which)%len(ops)]
		n := 1
		if bulk {
			n = 2
		}
		batch := batchOf(t, op, n)
		c := &Connection{name: "d", token: testToken, now: time.Now, denials: map[string]denial{}}
		a := &answer{status: 100 + int(status)%500, header: http.Header{"Content-Type": {contentType}, "Retry-After": {strconv.Itoa(int(status))}}, body: body}
		res := c.Fabric(1).judge(tbl, batch, writeRequest{method: "X", path: tbl.list()}, a)
		if len(res.Items) != n || res.RetryAfter < 0 || res.RetryAfter > maxRetryAfter {
			t.Fatalf("%+v", res)
		}
		for i, item := range res.Items {
			switch item.Outcome {
			case gitops.OutcomeDone:
				if a.status != success[op] || op != gitops.OpDelete && item.Object.PK <= 0 {
					t.Fatalf("%s answered by %d is done: %+v", op, a.status, item)
				}
				if (op == gitops.OpUpdate || op == gitops.OpFence) && item.Object.PK != batch.Items[i].PK || op == gitops.OpCreate && item.Object.Key != batch.Items[i].Key {
					t.Fatalf("%s of %v is done as %v", op, batch.Items[i].Key, item.Object)
				}
			case gitops.OutcomeRefused:
				if item.Message == "" && a.status >= 300 {
					t.Fatalf("refused without a word by %d %q", a.status, body)
				}
			case gitops.OutcomeBatch:
				if n == 1 {
					t.Fatal("a single object cannot be split")
				}
			case gitops.OutcomeStale, gitops.OutcomeGone, gitops.OutcomeExists, gitops.OutcomeUnknown, gitops.OutcomeNotSent:
			default:
				t.Fatalf("outcome %q", item.Outcome)
			}
			if a.status < 300 && item.Outcome != gitops.OutcomeDone && item.Outcome != gitops.OutcomeUnknown {
				t.Fatalf("%s answered by %d is %s", op, a.status, item.Outcome)
			}
		}
	})
}
