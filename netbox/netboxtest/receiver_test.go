package netboxtest_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

const hookSecret = "dummy-webhook-secret"

type hook struct {
	header http.Header
	body   string
}

// receiver is the App's side of webhooks: it checks every signature.
type receiver struct {
	t   *testing.T
	url string

	mu     sync.Mutex
	hooks  []hook
	status int
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{t: t, status: http.StatusAccepted}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		mac := hmac.New(sha512.New, []byte(hookSecret))
		mac.Write(body)
		if got := req.Header.Get("X-Hook-Signature"); got != hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("signature %q is wrong", got)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.hooks = append(r.hooks, hook{req.Header.Clone(), string(body)})
		w.WriteHeader(r.status)
	}))
	t.Cleanup(web.Close)
	r.url = web.URL + "/webhooks/netbox"
	return r
}

// subscribe makes the webhook (once) and a rule for the types.
func (r *receiver) subscribe(s *server, types, conditions string) string {
	r.t.Helper()
	list := s.do("GET", "/api/extras/webhooks/?name=hh-gitops", "").want(r.t, 200).json(r.t)["results"].([]any)
	if len(list) == 0 {
		list = []any{s.do("POST", "/api/extras/webhooks/", `{"name":"hh-gitops","payload_url":"`+r.url+`","http_method":"POST","http_content_type":"application/json",`+
			`"additional_headers":"X-NetBox-Event: {{ event }}\nX-NetBox-Request: {{ request.id }}","secret":"`+hookSecret+`","ssl_verification":true}`).want(r.t, 201).json(r.t)}
	}
	id := fmt.Sprint(list[0].(map[string]any)["id"])
	rule := s.do("POST", "/api/extras/event-rules/", `{"name":"`+fmt.Sprint("rule ", time.Now().UnixNano())+`","object_types":`+types+`,"event_types":["object_created","object_updated","object_deleted"],`+
		`"action_type":"webhook","action_object_type":"extras.webhook","action_object_id":`+id+`,"enabled":true,"conditions":`+conditions+`}`).want(r.t, 201)
	return fmt.Sprint(rule.json(r.t)["id"])
}

func (r *receiver) wait(s *server) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.WaitDeliveries(ctx); err != nil {
		r.t.Fatal(err)
	}
}

// take returns and forgets what came.
func (r *receiver) take() []hook {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.hooks
	r.hooks = nil
	return out
}
