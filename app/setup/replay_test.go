package setup

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hnp-sync/hnp-sync/handlers"
)

func TestStoredDeliveries(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		src, event string
		want       Delivery // GUID empty: a new one
		bad        string
	}{
		"GitHub's delivery": {src: `{"id":1,"guid":"g-1","event":"push","request":{"headers":{"X-GitHub-Event":"push","X-GitHub-Delivery":"g-1","X-Hub-Signature-256":"sha256=old"},"payload":{"a": 1}},"response":{}}`,
			want: Delivery{Event: "push", GUID: "g-1", Target: "7", Body: []byte(`{"a": 1}`)}},
		"headers and a body as text": {src: `{"headers":{"x-github-event":"ping","x-github-delivery":"g-2","x-github-hook-installation-target-id":"9"},"body":"{\"a\":  1}"}`,
			want: Delivery{Event: "ping", GUID: "g-2", Target: "9", Body: []byte(`{"a":  1}`)}},
		"bare body":                {src: ` {"ref": "refs/heads/main"} `, event: "push", want: Delivery{Event: "push", Target: "7", Body: []byte(`{"ref": "refs/heads/main"}`)}},
		"bare body with a request": {src: `{"request":5}`, event: "x", want: Delivery{Event: "x", Target: "7", Body: []byte(`{"request":5}`)}},
		"no event":                 {src: `{}`, bad: "--event"},
		"no JSON":                  {src: `{`, bad: "not JSON"},
		"a header with a newline":  {src: `{"headers":{"X-GitHub-Event":"a\nb"},"payload":{}}`, bad: "characters"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := ParseDelivery([]byte(tt.src), tt.event, 7)
			if tt.bad != "" {
				if err == nil || !strings.Contains(err.Error(), tt.bad) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if tt.want.GUID == "" && len(d.GUID) == 36 {
				d.GUID = ""
			}
			if d.Event != tt.want.Event || d.GUID != tt.want.GUID || d.Target != tt.want.Target || string(d.Body) != string(tt.want.Body) {
				t.Errorf("got %+v, want %+v", d, tt.want)
			}
		})
	}
}

func TestPostedDeliveryIsAccepted(t *testing.T) {
	t.Parallel()
	receiver, err := handlers.NewGitHub(handlers.Receiver{Now: time.Now}, [][]byte{[]byte("geheim")})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/github", receiver)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	// A ping is answered without being stored, but only when its signature is right.
	d, err := ParseDelivery([]byte(`{"zen":"x","hook_id":1}`), "ping", 7)
	if err != nil {
		t.Fatal(err)
	}
	if status, text, err := Post(t.Context(), nil, s.URL, "geheim", d); err != nil || status != 200 {
		t.Errorf("%d %s %v", status, text, err)
	}
	if status, text, err := Post(t.Context(), nil, s.URL, "another", d); err != nil || status != 401 || strings.Contains(text, "another") {
		t.Errorf("%d %s %v", status, text, err)
	}
}
