package repo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-github/v62/github"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// maxPullTitle and maxPullText are GitHub's limits of a pull request: 256 characters of title, 65,536 of body.
const (
	maxPullTitle = 256
	maxPullText  = 65536
)

// proposals is gitops.Proposals on GitHub: pull requests into one branch of one repository.
type proposals struct {
	r *Repository // the tracked branch, with a token that may also write pull requests
}

var _ gitops.Proposals = (*proposals)(nil)

// OpenProposals binds the pull requests into a branch; files are relative to directory. It makes no request. The token
// it will use may write contents and pull requests of this repository and nothing else.
func (a *App) OpenProposals(ref Ref, branch, directory string) (gitops.Proposals, error) {
	r, err := a.Open(ref, Options{Branch: branch, Directory: directory})
	if err != nil {
		return nil, err
	}
	permissions := writeContents()
	permissions.PullRequests = github.String("write")
	if r.client, err = a.installation(ref.InstallationID, []int64{ref.RepositoryID}, permissions); err != nil {
		return nil, err
	}
	return &proposals{r}, nil
}

const proposalFields = "number url state merged mergeCommit{oid} mergeable headRefName headRefOid commits(last:100){nodes{commit{oid message}}}"

// pullNode is a pull request as proposalFields asks for it.
type pullNode struct {
	Number      int    `json:"number"`
	URL         string `json:"url"`
	State       string `json:"state"`
	Merged      bool   `json:"merged"`
	MergeCommit *struct {
		OID string `json:"oid"`
	} `json:"mergeCommit"`
	Mergeable   string `json:"mergeable"`
	HeadRefName string `json:"headRefName"`
	HeadRefOID  string `json:"headRefOid"`
	Commits     struct {
		Nodes []struct {
			Commit struct {
				OID     string `json:"oid"`
				Message string `json:"message"`
			} `json:"commit"`
		} `json:"nodes"`
	} `json:"commits"`
}

// Proposal implements gitops.Proposals.
func (p *proposals) Proposal(ctx context.Context, number int) (gitops.Proposal, error) {
	fail := func(err error) (gitops.Proposal, error) {
		return gitops.Proposal{}, fmt.Errorf("pull request %d of %s: %w", number, p.r.ref, err)
	}
	const text = "query Proposal($owner:String!,$name:String!,$number:Int!){repository(owner:$owner,name:$name){pullRequest(number:$number){" + proposalFields + "}}}"
	var out struct {
		Repository *struct {
			PullRequest *pullNode `json:"pullRequest"`
		} `json:"repository"`
	}
	err := p.r.client.query(ctx, "pullRequest", text, map[string]any{"owner": p.r.ref.Owner, "name": p.r.ref.Name, "number": number}, 1<<20, 3, &out)
	var api *APIError
	switch {
	case errors.As(err, &api) && api.Type == "NOT_FOUND" && out.Repository != nil, err == nil && (out.Repository == nil || out.Repository.PullRequest == nil):
		return fail(&gitops.PermissionError{Code: "not_found", Message: fmt.Sprintf("%s has no pull request %d", p.r.ref, number), Err: err})
	case err != nil:
		return fail(permission(p.r.ref.String(), err))
	}
	return out.Repository.PullRequest.proposal(), nil
}

func (n *pullNode) proposal() gitops.Proposal {
	out := gitops.Proposal{Number: n.Number, URL: n.URL, Branch: n.HeadRefName, Head: n.HeadRefOID, State: strings.ToLower(n.State), Conflicting: n.Mergeable == "CONFLICTING"}
	if n.Merged {
		out.State = "merged"
		if n.MergeCommit != nil {
			out.MergeCommit = n.MergeCommit.OID
		}
	}
	for i := len(n.Commits.Nodes) - 1; i >= 0; i-- { // GitHub lists the oldest first
		c := n.Commits.Nodes[i].Commit
		out.Commits = append(out.Commits, c.OID)
		out.Operations = append(out.Operations, gitops.OperationTrailer(c.Message))
	}
	return out
}

// FindProposal implements gitops.Proposals. Two requests.
func (p *proposals) FindProposal(ctx context.Context, branch string) (gitops.Proposal, bool, error) {
	query := url.Values{"state": {"all"}, "head": {p.r.ref.Owner + ":" + branch}, "base": {p.r.opts.Branch}, "sort": {"created"}, "direction": {"desc"}, "per_page": {"1"}}
	var list []struct {
		Number int `json:"number"`
	}
	if err := p.r.client.get(ctx, "list pull requests", p.r.api("pulls")+"?"+query.Encode(), 4<<20, &list); err != nil {
		return gitops.Proposal{}, false, fmt.Errorf("find the pull request of %s in %s: %w", branch, p.r.ref, permission(p.r.ref.String(), err))
	}
	if len(list) == 0 {
		return gitops.Proposal{}, false, nil
	}
	out, err := p.Proposal(ctx, list[0].Number)
	return out, err == nil, err
}

// Propose implements gitops.Proposals. Objects that nobody sees are made first, then the branch is moved by one
// compare-and-set, then the pull request is opened or its text changed: 4 requests, more for large contents.
func (p *proposals) Propose(ctx context.Context, req gitops.ProposeRequest) (gitops.Proposal, error) {
	fail := func(err error) (gitops.Proposal, error) {
		return gitops.Proposal{}, fmt.Errorf("propose on %s of %s: %w", req.Branch, p.r.ref, err)
	}
	if err := checkBranch(req.Branch); err != nil {
		return fail(err)
	}
	if !strings.HasPrefix(req.Branch, "hnp-sync/") || req.Branch == p.r.opts.Branch {
		return fail(fmt.Errorf("%s is not a branch of ours", req.Branch))
	}
	files, _, err := p.r.checkCommit(req.CommitRequest)
	if err != nil {
		return fail(err)
	}
	commit, _, _, err := p.r.buildCommit(ctx, req.CommitRequest, files)
	if err != nil {
		return fail(err)
	}
	if err := p.move(ctx, req, commit); err != nil {
		return fail(err)
	}
	out := gitops.Proposal{Branch: req.Branch, Head: commit, Commits: []string{commit}, Operations: []string{gitops.OperationTrailer(wholeMessage(req.CommitRequest))}, State: "open"}
	var answer struct {
		Number  int    `json:"number"`
		HTMLURL string `json:"html_url"`
		State   string `json:"state"`
	}
	in := map[string]any{"title": cutText(req.Title, maxPullTitle), "body": cutText(req.Text, maxPullText)}
	call := request{operation: "update pull request", method: http.MethodPatch, path: p.r.api("pulls", strconv.Itoa(req.Number)), in: in}
	if req.Number == 0 {
		in["head"], in["base"] = req.Branch, p.r.opts.Branch
		call = request{operation: "create pull request", method: http.MethodPost, path: p.r.api("pulls"), in: in}
	}
	resp, err := p.r.client.rest(ctx, call)
	var api *APIError
	if req.Number == 0 && errors.As(err, &api) && api.Status == http.StatusUnprocessableEntity {
		// One is open already: a request whose answer was lost made it.
		if found, ok, findErr := p.FindProposal(ctx, req.Branch); findErr == nil && ok && found.State == "open" {
			return found, nil
		}
	}
	if err != nil {
		return fail(permission(p.r.ref.String(), err))
	}
	if err := decode(call.operation, resp.body, &answer); err != nil {
		return fail(fmt.Errorf("%w (%w)", gitops.ErrOutcomeUnknown, err))
	}
	out.Number, out.URL = answer.Number, answer.HTMLURL
	if answer.Number <= 0 {
		return fail(fmt.Errorf("%w (answer without a number)", gitops.ErrOutcomeUnknown))
	}
	if answer.State != "open" {
		return fail(fmt.Errorf("%w: pull request %d is %s", gitops.ErrStaleHead, answer.Number, answer.State))
	}
	return out, nil
}

// move puts the branch on the commit: where it stands as expected, or on a commit that is ours all the same.
func (p *proposals) move(ctx context.Context, req gitops.ProposeRequest, commit string) error {
	branch := *p.r
	branch.opts.Branch = req.Branch
	expected := req.Tip
	for attempt := 0; ; attempt++ {
		var err error
		if expected == "" {
			err = branch.createBranch(ctx, commit)
		} else {
			// Forced, because it replaces our own commit; it is a compare-and-set all the same.
			err = branch.moveBranch(ctx, expected, commit, true)
		}
		elsewhere := errors.Is(err, errBranchExists) || errors.Is(err, gitops.ErrStaleHead) || errors.Is(err, gitops.ErrBranchMissing)
		if err == nil || !elsewhere || attempt > 0 {
			return err
		}
		tip, message, lookErr := p.tip(ctx, req.Branch)
		if lookErr != nil {
			return lookErr
		}
		switch {
		case tip == commit:
			return nil
		case tip == expected:
			return err
		case tip == "" && req.Number != 0:
			// The branch went away with its pull request, or somebody deleted it: the state is read anew.
			return fmt.Errorf("%w: %s is gone", gitops.ErrStaleHead, req.Branch)
		case tip != "" && !ours(req.Ours, gitops.OperationTrailer(message)):
			return fmt.Errorf("%w: %s is at %s", gitops.ErrNotOurs, req.Branch, tip)
		}
		expected = tip
	}
}

func ours(operations []string, operation string) bool {
	return operation != "" && slices.Contains(operations, operation)
}

// tip reads the branch's newest commit and its message; "" when the branch does not exist.
func (p *proposals) tip(ctx context.Context, branch string) (oid, message string, err error) {
	const text = "query Tip($owner:String!,$name:String!,$ref:String!){repository(owner:$owner,name:$name){ref(qualifiedName:$ref){target{oid ... on Commit{message}}}}}"
	var out struct {
		Repository *struct {
			Ref *struct {
				Target struct {
					OID     string `json:"oid"`
					Message string `json:"message"`
				} `json:"target"`
			} `json:"ref"`
		} `json:"repository"`
	}
	vars := map[string]any{"owner": p.r.ref.Owner, "name": p.r.ref.Name, "ref": "refs/heads/" + branch}
	if err := p.r.client.query(ctx, "ref", text, vars, 1<<20, 3, &out); err != nil {
		return "", "", fmt.Errorf("read %s: %w", branch, permission(p.r.ref.String(), err))
	}
	if out.Repository == nil || out.Repository.Ref == nil {
		return "", "", nil
	}
	return out.Repository.Ref.Target.OID, out.Repository.Ref.Target.Message, nil
}

// Withdraw implements gitops.Proposals. The branch goes last: a closed pull request without its branch is what remains
// of a lost answer, never a branch that nobody knows.
func (p *proposals) Withdraw(ctx context.Context, number int, branch, tip, comment string) error {
	fail := func(err error) error {
		return fmt.Errorf("withdraw pull request %d of %s: %w", number, p.r.ref, err)
	}
	now, _, err := p.tip(ctx, branch)
	if err != nil {
		return fail(err)
	}
	if now != "" && now != tip {
		return fail(gitops.ErrNotOurs)
	}
	calls := []request{
		{operation: "create comment", method: http.MethodPost, path: p.r.api("issues", strconv.Itoa(number), "comments"), in: map[string]any{"body": cutText(comment, maxPullText)}},
		{operation: "update pull request", method: http.MethodPatch, path: p.r.api("pulls", strconv.Itoa(number)), in: map[string]any{"state": "closed"}},
	}
	if now != "" {
		calls = append(calls, request{operation: "delete ref", method: http.MethodDelete, path: p.r.api(append([]string{"git", "refs", "heads"}, strings.Split(branch, "/")...)...)})
	}
	for _, c := range calls {
		_, err := p.r.client.rest(ctx, c)
		if notFound(err) || c.method == http.MethodDelete && err != nil && !errors.Is(err, gitops.ErrOutcomeUnknown) {
			continue // gone already, or a branch that may not be deleted: closed is what counts
		}
		if err != nil {
			return fail(permission(p.r.ref.String(), err))
		}
	}
	return nil
}

// cutText keeps a text within a number of characters.
func cutText(s string, limit int) string {
	n := 0
	for i := range s {
		if n == limit-1 {
			return s[:i] + "…"
		}
		n++
	}
	return s
}
