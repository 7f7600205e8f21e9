package handlers

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"go.uber.org/zap"
)

// MaxGitHubBody is the largest body taken from GitHub: it never delivers payloads over 25 MB (GitHub's documentation).
const MaxGitHubBody = 25 << 20

// SourceGitHub is Delivery.Source of GitHub's webhooks.
const SourceGitHub = "github"

// GitHub receives GitHub's webhooks. It is safe for concurrent use.
//
// The order of work is the defence: method and content type, size, signature over the exact bytes, and only then
// JSON. The signature does not cover the event name and the delivery id, so the body must fit the event, and
// nothing in either is believed beyond "look at this repository".
type GitHub struct {
	rc      Receiver
	secrets [][]byte
	slots   bodySlots
}

// NewGitHub makes the receiver. Every one of the secrets is valid, so that one can be replaced without a gap; an
// empty one is an error.
func NewGitHub(rc Receiver, webhookSecrets [][]byte) (*GitHub, error) {
	keys, err := secrets(webhookSecrets)
	if err != nil {
		return nil, fmt.Errorf("github webhooks: %w", err)
	}
	return &GitHub{rc: rc, secrets: keys, slots: newBodySlots()}, nil
}

// event is one kind of GitHub webhook that is acted on.
type event struct {
	name string
	// fit decodes the body into the delivery, or says why the body cannot be of this event.
	fit func(body []byte, d *Delivery) error
	// decide says what a stored delivery asks for; nil: the event is answered and never stored.
	decide func(d Delivery, k Knowledge) Decision
}

// events are all events that are acted on; every other one is acknowledged, because a failed delivery would only
// be noise in GitHub's list.
func events() []event {
	return []event{
		{name: "ping", fit: fitPing},
		{name: "push", fit: fitPush, decide: decidePush},
		{name: "installation", fit: fitInstallation, decide: decideInstallation},
		{name: "installation_repositories", fit: fitInstallationRepositories, decide: decideInstallation},
		{name: "repository", fit: fitRepository, decide: decideInstallation},
		{name: "pull_request", fit: fitPullRequest, decide: decidePullRequest},
		{name: "merge_group", fit: fitMergeGroup, decide: decideMergeGroup},
		{name: "check_suite", fit: fitCheckSuite, decide: decideCheckSuite},
		{name: "check_run", fit: fitCheckRun, decide: decideCheckRun},
		{name: "issue_comment", fit: fitIssueComment, decide: decideIssueComment},
	}
}

func eventNamed(name string) (event, bool) {
	for _, e := range events() {
		if e.name == name {
			return e, true
		}
	}
	return event{}, false
}

// ServeHTTP answers in text/plain: 202 stored, 200 finished before, ping or unknown event, 400, 401, 405, 409,
// 413, 415, 503.
func (g *GitHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := "unverified"
	answer := func(status int, text string) { g.rc.answer(w, "github", name, status, text) }
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		answer(http.StatusMethodNotAllowed, "webhooks are sent with POST")
		return
	}
	if !jsonBody(r) {
		answer(http.StatusUnsupportedMediaType, "set the webhook's content type to application/json")
		return
	}
	sum, signed := signature256(r.Header.Get("X-Hub-Signature-256"))
	body, no := readBody(w, r, MaxGitHubBody, g.slots, signed)
	if no != nil {
		answer(no.status, no.text)
		return
	}
	if !signed || !g.verified(body, sum) {
		answer(http.StatusUnauthorized, "missing or wrong X-Hub-Signature-256")
		return
	}
	name = "other"
	if !json.Valid(body) {
		answer(http.StatusBadRequest, "the body is not JSON")
		return
	}
	header := r.Header.Get("X-GitHub-Event")
	if !token(header, 100) {
		answer(http.StatusBadRequest, "missing or wrong X-GitHub-Event")
		return
	}
	e, known := eventNamed(header)
	if !known {
		answer(http.StatusOK, "not acted on")
		return
	}
	name = e.name
	d := Delivery{
		Source:     SourceGitHub,
		Target:     r.Header.Get("X-GitHub-Hook-Installation-Target-ID"),
		GUID:       r.Header.Get("X-GitHub-Delivery"),
		BodyHash:   bodyHash(body),
		Event:      e.name,
		ReceivedAt: g.rc.Now(),
	}
	if err := e.fit(body, &d); err != nil {
		g.rc.Log.Warn("webhook body does not fit its event", zap.String(FieldEvent, e.name), zap.Error(err))
		answer(http.StatusBadRequest, "the body does not fit the event")
		return
	}
	if e.decide == nil {
		answer(http.StatusOK, "pong")
		return
	}
	if !token(d.GUID, 100) || (d.Target != "" && !token(d.Target, 40)) {
		answer(http.StatusBadRequest, "missing or wrong X-GitHub-Delivery")
		return
	}
	status, text := g.rc.put(r.Context(), d)
	answer(status, text)
}

// signature256 reads "sha256=" + 64 hex digits. The SHA-1 header that GitHub still sends is ignored.
func signature256(header string) ([]byte, bool) {
	digits, ok := strings.CutPrefix(header, "sha256=")
	if !ok || len(digits) != 2*sha256.Size {
		return nil, false
	}
	sum, err := hex.DecodeString(digits)
	return sum, err == nil
}

func (g *GitHub) verified(body, sum []byte) bool {
	ok := false
	for _, key := range g.secrets { // all of them: the time taken says nothing about which one matched
		mac := hmac.New(sha256.New, key)
		mac.Write(body)
		if hmac.Equal(mac.Sum(nil), sum) {
			ok = true
		}
	}
	return ok
}

// oid accepts a Git object id: 40 or 64 lower-case hex digits.
func oid(s string) bool {
	if len(s) != 40 && len(s) != 64 {
		return false
	}
	return strings.Trim(s, "0123456789abcdef") == ""
}

// sender and repository are the parts of a payload that most events have.
type sender struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
}

type repository struct {
	ID       int64  `json:"id"`
	FullName string `json:"full_name"`
}

type installation struct {
	ID int64 `json:"id"`
}

var errNoID = errors.New("no id")

// common are the parts that every event about a repository has.
type common struct {
	Action       string       `json:"action"`
	Repository   repository   `json:"repository"`
	Installation installation `json:"installation"`
	Sender       sender       `json:"sender"`
}

// into checks the parts and keeps them.
func (c common) into(d *Delivery) error {
	switch {
	case !token(c.Action, 50):
		return errors.New("no action")
	case c.Repository.ID <= 0:
		return fmt.Errorf("repository: %w", errNoID)
	}
	d.Action = c.Action
	d.RepositoryID, d.Repository = c.Repository.ID, text(c.Repository.FullName, 200)
	d.InstallationID = c.Installation.ID
	d.Sender, d.Activity.SenderID = text(c.Sender.Login, 100), c.Sender.ID
	return nil
}

// branchName keeps a branch name that may be one, else nothing.
func branchName(s string) string {
	if s == "" || len(s) > 255 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return ""
	}
	return s
}
