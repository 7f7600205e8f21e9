package repo

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// ErrCommitMissing: the repository has no commit with that object id (any more).
var ErrCommitMissing = errors.New("commit does not exist")

// ErrTooLarge: an answer was larger than its cap and was not used.
var ErrTooLarge = errors.New("answer too large")

// RateLimitError says that GitHub refuses requests of this installation for now. Nothing was done; the job should be
// parked until Until. Secondary limits are about pace and content creation, primary ones about the hourly budget.
type RateLimitError struct {
	Until     time.Time
	Secondary bool
	// Local is true when the request was not sent at all, because an earlier answer already said so.
	Local bool
}

func (e *RateLimitError) Error() string {
	kind := "primary"
	if e.Secondary {
		kind = "secondary"
	}
	return fmt.Sprintf("GitHub %s rate limit until %s", kind, e.Until.UTC().Format(time.RFC3339))
}

// ForeignHostError: a request or redirect to a host other than the configured one was refused; no token was sent.
type ForeignHostError struct{ Host string }

func (e *ForeignHostError) Error() string {
	return fmt.Sprintf("refused to follow to host %q: not the configured GitHub", e.Host)
}

// redirectError is a redirect that would change the method, which would turn a write into a read.
type redirectError struct{ from, to string }

func (e *redirectError) Error() string {
	return fmt.Sprintf("refused a redirect that turns %s into %s", e.from, e.to)
}

// APIError is an answer of GitHub that is not a success. For GraphQL errors, which travel with status 200, Type is
// the error's type ("STALE_DATA", "FORBIDDEN", ...).
type APIError struct {
	Operation        string
	Status           int
	Type             string
	Message          string // GitHub's words, at most 500 bytes
	DocumentationURL string
	RequestID        string
	Accepted         string // X-Accepted-GitHub-Permissions: what would have been needed

	timedOut bool // GitHub's own time-out, reported with status 200
}

func (e *APIError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", e.Operation)
	if e.Type != "" {
		b.WriteString(e.Type)
	} else {
		fmt.Fprintf(&b, "%d", e.Status)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Accepted != "" {
		b.WriteString(" (needs " + e.Accepted + ")")
	}
	if e.RequestID != "" {
		b.WriteString(" [request " + e.RequestID + "]")
	}
	return b.String()
}

// errorBody is GitHub's error shape; errors holds objects or plain strings.
type errorBody struct {
	Message          string            `json:"message"`
	DocumentationURL string            `json:"documentation_url"`
	Errors           []json.RawMessage `json:"errors"`
}

// newAPIError reads an answer that is not 2xx. HTML and other bodies that are not GitHub's are not quoted.
func newAPIError(op string, status int, header http.Header, body []byte) *APIError {
	e := &APIError{
		Operation: op, Status: status,
		RequestID: clip(header.Get("X-GitHub-Request-Id"), 100),
		Accepted:  clip(header.Get("X-Accepted-GitHub-Permissions"), 200),
	}
	var parsed errorBody
	if json.Unmarshal(body, &parsed) != nil {
		e.Message = http.StatusText(status)
		return e
	}
	message := parsed.Message
	for _, raw := range parsed.Errors {
		var detail struct{ Message, Field, Code string }
		var text string
		switch {
		case json.Unmarshal(raw, &text) == nil:
		case json.Unmarshal(raw, &detail) == nil && detail.Message != "":
			text = detail.Message
		default:
			text = strings.TrimSpace(detail.Field + " " + detail.Code)
		}
		if text != "" {
			message += "; " + text
		}
	}
	e.Message, e.DocumentationURL = clip(message, 500), clip(parsed.DocumentationURL, 300)
	return e
}

// clip bounds foreign text and keeps it on one line.
func clip(s string, max int) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= max {
		return s
	}
	return strings.ToValidUTF8(s[:max], "") + "…"
}

// permission turns a refusal that will not pass by itself into a *gitops.PermissionError, and leaves every other
// error as it is. subject names what was refused, for people.
func permission(subject string, err error) error {
	var already *gitops.PermissionError
	var api *APIError
	if errors.As(err, &already) || !errors.As(err, &api) {
		return err
	}
	code, message := refusal(subject, api)
	if code == "" {
		return err
	}
	return &gitops.PermissionError{Code: code, Message: message, Err: err}
}

// refusal knows GitHub's ways of saying no. Types are exact where GitHub has one (classic branch protection);
// rulesets, archived and suspended states have only their message.
func refusal(subject string, e *APIError) (code, message string) {
	text := strings.ToLower(e.Message)
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(text, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("archived"):
		return "archived", subject + " is archived and read-only: unarchive it, or remove it from the configuration"
	case has("suspended"):
		return "suspended", "the App's installation is suspended: an owner of the account can unsuspend it in the installation's settings"
	case e.Type == "BRANCH_PROTECTION_RULE_VIOLATION",
		has("protected branch", "repository rule violations", "required status check", "approving review",
			"through a pull request", "merge queue", "not authorized to push"):
		return "protected_branch", protectedMessage(subject, e)
	case e.Status == http.StatusUnauthorized:
		return "missing_permission", "GitHub does not accept the App's credentials (401): check app_id, the private key and the server's clock"
	case e.Type == "FORBIDDEN", e.Type == "INSUFFICIENT_SCOPES", e.Status == http.StatusForbidden:
		needs := ""
		if e.Accepted != "" {
			needs = "; needed: " + e.Accepted
		}
		return "missing_permission", subject + ": GitHub refuses the App (" + e.Message + needs + "): accept the App's requested permissions in the installation's settings"
	case e.Type == "NOT_FOUND", e.Status == http.StatusNotFound, e.Status == http.StatusGone,
		e.Status == http.StatusUnavailableForLegalReasons:
		return "not_found", subject + " does not exist or the App is not installed on it: add the repository in the installation's settings"
	}
	return "", ""
}

func protectedMessage(subject string, e *APIError) string {
	return subject + ": the branch is protected (" + e.Message + "): let the App bypass the rule, or use mode: pull_request"
}
