package githubtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The records of the state. They hold what GitHub would know; the JSON that
// clients see is built from them in render_*.go.

// account types as GitHub prints them.
const (
	typeUser = "User"
	typeOrg  = "Organization"
	typeBot  = "Bot"
)

type accountRow struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
	Type  string `json:"type"`
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
	// Members of an organization: login → permission on its repositories.
	// Empty: every user of the stand-in is a member with admin rights.
	Members map[string]string   `json:"members,omitempty"`
	Teams   map[string][]string `json:"teams,omitempty"` // slug → logins
}

// commitEmail is the address GitHub puts into commits it makes for the account.
func (a *accountRow) commitEmail() string {
	if a.Email != "" {
		return a.Email
	}
	return fmt.Sprintf("%d+%s@users.noreply.github.com", a.ID, a.Login)
}

func (a *accountRow) commitName() string {
	if a.Name != "" {
		return a.Name
	}
	return a.Login
}

type repoRow struct {
	ID            int64                     `json:"id"`
	OwnerID       int64                     `json:"owner_id"`
	Name          string                    `json:"name"`
	Private       bool                      `json:"private"`
	Archived      bool                      `json:"archived,omitempty"`
	DefaultBranch string                    `json:"default_branch"`
	Description   string                    `json:"description,omitempty"`
	FormerNames   []string                  `json:"former_names,omitempty"` // owner/name, lower case
	Collaborators map[string]string         `json:"collaborators,omitempty"`
	Protected     map[string]*protectionRow `json:"protected,omitempty"`  // by branch name
	Parent        int64                     `json:"parent,omitempty"`     // of a fork
	DenyMerge     []string                  `json:"deny_merge,omitempty"` // of merge, squash and rebase
	NextNumber    int                       `json:"next_number"`          // issues and pull requests
	CreatedAt     time.Time                 `json:"created_at"`
	PushedAt      time.Time                 `json:"pushed_at"`
	UpdatedAt     time.Time                 `json:"updated_at"`
}

type appRow struct {
	ID            int64             `json:"id"`
	Slug          string            `json:"slug"`
	Name          string            `json:"name"`
	ClientID      string            `json:"client_id"`
	OwnerID       int64             `json:"owner_id"`
	BotID         int64             `json:"bot_id"`
	PublicKey     string            `json:"public_key"` // PKIX PEM
	Permissions   map[string]string `json:"permissions"`
	Events        []string          `json:"events"`
	WebhookURL    string            `json:"webhook_url"`
	WebhookSecret string            `json:"webhook_secret"`
	HookID        int64             `json:"hook_id"`
	CreatedAt     time.Time         `json:"created_at"`
}

type installationRow struct {
	ID           int64             `json:"id"`
	AppID        int64             `json:"app_id"`
	AccountID    int64             `json:"account_id"`
	Selection    string            `json:"selection"` // all | selected
	Repositories []int64           `json:"repositories,omitempty"`
	Permissions  map[string]string `json:"permissions"`
	Events       []string          `json:"events"`
	SuspendedAt  *time.Time        `json:"suspended_at,omitempty"`
	CreatedAt    time.Time         `json:"created_at"`
}

// covers says whether the installation reaches the repository.
func (i *installationRow) covers(r *repoRow) bool {
	if i.AccountID != r.OwnerID {
		return false
	}
	return i.Selection == "all" || slices.Contains(i.Repositories, r.ID)
}

// tokenRow is a user's token (Login set) or an installation token.
type tokenRow struct {
	ID           int64             `json:"id"`
	Token        string            `json:"token"`
	Login        string            `json:"login,omitempty"`
	Scopes       []string          `json:"scopes"` // nil: all; empty: none
	Installation int64             `json:"installation,omitempty"`
	Permissions  map[string]string `json:"permissions,omitempty"`
	Repositories []int64           `json:"repositories,omitempty"` // nil: all of the installation
	ExpiresAt    time.Time         `json:"expires_at,omitzero"`
}

type issueRow struct {
	ID        int64      `json:"id"`
	RepoID    int64      `json:"repo_id"`
	Number    int        `json:"number"`
	Title     string     `json:"title"`
	Body      string     `json:"body"`
	State     string     `json:"state"`
	Reason    string     `json:"reason,omitempty"`
	AuthorID  int64      `json:"author_id"`
	Labels    []string   `json:"labels,omitempty"`
	CreatedAt time.Time  `json:"created_at"`
	UpdatedAt time.Time  `json:"updated_at"`
	ClosedAt  *time.Time `json:"closed_at,omitempty"`
	Pull      *pullRow   `json:"pull,omitempty"`
}

type pullRow struct {
	ID         int64      `json:"id"`
	Base       string     `json:"base"`
	BaseSHA    string     `json:"base_sha"`
	Head       string     `json:"head"`
	HeadSHA    string     `json:"head_sha"`
	HeadRepo   int64      `json:"head_repo,omitempty"`  // of a fork; 0: the same repository
	HeadOwner  string     `json:"head_owner,omitempty"` // the fork's owner, known after the fork has gone
	Draft      bool       `json:"draft,omitempty"`
	Maintainer bool       `json:"maintainer,omitempty"` // maintainers of the base may push to the fork's branch
	Mergeable  *bool      `json:"mergeable,omitempty"`  // nil until computed; again after a move
	Rebaseable *bool      `json:"rebaseable,omitempty"`
	TestMerge  string     `json:"test_merge,omitempty"` // the merge tried out to find mergeable
	Asked      int        `json:"asked,omitempty"`      // reads since a side moved
	MergedAt   *time.Time `json:"merged_at,omitempty"`
	MergedBy   int64      `json:"merged_by,omitempty"`
	MergeSHA   string     `json:"merge_sha,omitempty"`
}

type commentRow struct {
	ID        int64     `json:"id"`
	RepoID    int64     `json:"repo_id"`
	Issue     int       `json:"issue"`
	AuthorID  int64     `json:"author_id"`
	AppID     int64     `json:"app_id,omitempty"`
	Body      string    `json:"body"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

type reactionRow struct {
	ID        int64     `json:"id"`
	Comment   int64     `json:"comment,omitempty"`
	Issue     int64     `json:"issue,omitempty"` // the issue's id
	AuthorID  int64     `json:"author_id"`
	Content   string    `json:"content"`
	CreatedAt time.Time `json:"created_at"`
}

type labelRow struct {
	ID          int64  `json:"id"`
	RepoID      int64  `json:"repo_id"`
	Name        string `json:"name"`
	Color       string `json:"color"`
	Description string `json:"description,omitempty"`
}

type checkSuiteRow struct {
	ID        int64     `json:"id"`
	RepoID    int64     `json:"repo_id"`
	AppID     int64     `json:"app_id"`
	HeadSHA   string    `json:"head_sha"`
	Branch    string    `json:"branch,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

type checkRunRow struct {
	ID          int64             `json:"id"`
	RepoID      int64             `json:"repo_id"`
	SuiteID     int64             `json:"suite_id"`
	AppID       int64             `json:"app_id"`
	HeadSHA     string            `json:"head_sha"`
	Name        string            `json:"name"`
	ExternalID  string            `json:"external_id"`
	DetailsURL  string            `json:"details_url"`
	Status      string            `json:"status"`
	Conclusion  string            `json:"conclusion,omitempty"`
	Title       string            `json:"title,omitempty"`
	Summary     string            `json:"summary,omitempty"`
	Text        string            `json:"text,omitempty"`
	HasOutput   bool              `json:"has_output,omitempty"`
	Annotations []json.RawMessage `json:"annotations,omitempty"`
	Actions     []checkAction     `json:"actions,omitempty"`
	StartedAt   *time.Time        `json:"started_at,omitempty"`
	CompletedAt *time.Time        `json:"completed_at,omitempty"`
}

type checkAction struct {
	Label       string `json:"label"`
	Description string `json:"description"`
	Identifier  string `json:"identifier"`
}

type statusRow struct {
	ID          int64     `json:"id"`
	RepoID      int64     `json:"repo_id"`
	SHA         string    `json:"sha"`
	State       string    `json:"state"`
	Context     string    `json:"context"`
	Description string    `json:"description"`
	TargetURL   string    `json:"target_url"`
	CreatorID   int64     `json:"creator_id"`
	CreatedAt   time.Time `json:"created_at"`
}

// deliveryRow is one attempt to deliver a webhook; a redelivery is a new row
// with the same GUID.
type deliveryRow struct {
	ID           int64             `json:"id"`
	GUID         string            `json:"guid"`
	AppID        int64             `json:"app_id"`
	Event        string            `json:"event"`
	Action       string            `json:"action,omitempty"`
	Installation int64             `json:"installation,omitempty"`
	Repository   int64             `json:"repository,omitempty"`
	Redelivery   bool              `json:"redelivery,omitempty"`
	Pending      bool              `json:"pending,omitempty"` // not attempted yet: not in the log
	Fail         bool              `json:"fail,omitempty"`    // the attempt is to find nobody
	DeliveredAt  time.Time         `json:"delivered_at,omitzero"`
	Duration     float64           `json:"duration"` // seconds
	Status       string            `json:"status"`
	StatusCode   int               `json:"status_code"`
	URL          string            `json:"url"`
	Headers      map[string]string `json:"headers,omitempty"`
	Payload      string            `json:"payload"`
	AnswerHeader map[string]string `json:"answer_header,omitempty"`
	Answer       string            `json:"answer,omitempty"`
}

// metaRow holds the counters.
type metaRow struct {
	NextID int64 `json:"next_id"`
	Seeded bool  `json:"seeded"`
}

// signedRow marks a commit that GitHub itself signed.
type signedRow struct {
	ID  int64  `json:"id"`
	OID string `json:"oid"`
}

// newID hands out the next id; ids are never reused. Guarded by s.mu.
func (s *Server) newID() int64 {
	m := s.meta.rows[0]
	m.NextID++
	s.meta.put(0, m)
	return m.NextID
}

func (s *Server) accountByLogin(login string) *accountRow {
	for _, a := range s.accounts.rows {
		if strings.EqualFold(a.Login, login) {
			return a
		}
	}
	return nil
}

func (s *Server) fullName(r *repoRow) string {
	return s.accounts.rows[r.OwnerID].Login + "/" + r.Name
}

// repoByName finds a repository by its present name; former is true when the
// name is one it had before a rename or transfer.
func (s *Server) repoByName(owner, name string) (r *repoRow, former bool) {
	full := strings.ToLower(owner + "/" + name)
	for _, r := range s.repos.rows {
		if strings.ToLower(s.fullName(r)) == full {
			return r, false
		}
	}
	for _, r := range s.repos.all() {
		if slices.Contains(r.FormerNames, full) {
			return r, true
		}
	}
	return nil, false
}

func (s *Server) repoByFullName(full string) *repoRow {
	owner, name, _ := strings.Cut(full, "/")
	r, former := s.repoByName(owner, name)
	if former {
		return nil
	}
	return r
}

func (s *Server) issue(r *repoRow, number int) *issueRow {
	for _, i := range s.issues.rows {
		if i.RepoID == r.ID && i.Number == number {
			return i
		}
	}
	return nil
}

// permission is what a user may do in a repository: none, read, triage,
// write, maintain or admin.
func (s *Server) permission(login string, r *repoRow) string {
	owner := s.accounts.rows[r.OwnerID]
	if strings.EqualFold(owner.Login, login) {
		return "admin"
	}
	for name, level := range r.Collaborators {
		if strings.EqualFold(name, login) {
			return level
		}
	}
	user := s.accountByLogin(login)
	if user != nil && user.Type == typeUser && owner.Type == typeOrg {
		if len(owner.Members) == 0 {
			return "admin"
		}
		for name, level := range owner.Members {
			if strings.EqualFold(name, login) {
				return level
			}
		}
	}
	if !r.Private {
		return "read"
	}
	return "none"
}

// permissionRank orders the levels.
func permissionRank(level string) int {
	return slices.Index([]string{"none", "read", "triage", "write", "maintain", "admin"}, level)
}
