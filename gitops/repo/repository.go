package repo

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// Ref names a repository. RepositoryID decides; Owner and Name are where it was last seen and may be out of date.
type Ref struct {
	InstallationID int64
	RepositoryID   int64
	Owner, Name    string
}

func (r Ref) String() string { return r.Owner + "/" + r.Name }

// Options bind a Repository to a branch and a directory.
type Options struct {
	// Branch is the short name ("main"); required.
	Branch string
	// Directory is slash separated, relative to the repository's root; "" or "." is the root.
	Directory string
	// ReadOnly asks for a token that cannot write; Commit is then refused. Needed where the installation grants
	// only reading: GitHub refuses to mint a token with more than was granted.
	ReadOnly bool
	// Deep says that the directory may be a large, freely arranged tree (layout in_place): it is first read with
	// the recursive tree instead of a query with contents.
	Deep bool
	// ExpectedFiles is how many files the caller remembers in the directory, 0 when it knows nothing. It only
	// chooses how the first observation of this process asks.
	ExpectedFiles int
	// ChangedPaths are repository paths that probably changed (a push's file list). Their contents are asked for
	// together with the tree of a directory too large to ask for all contents. Wrong or missing ones do no harm.
	ChangedPaths []string
}

// Repository is a gitops.Repository on GitHub: one directory on one branch. Make one per job with App.Open; what it
// learns about the repository stays with the App. One goroutine at a time.
type Repository struct {
	app    *App
	client *client
	ref    Ref
	opts   Options
	memory *dirMemory
	hints  []string // repository paths below the directory
}

var _ gitops.Repository = (*Repository)(nil)

// repoFacts is what is known about a repository beside its id.
type repoFacts struct {
	owner, name string
	nodeID      string // GraphQL id
}

type dirKey struct {
	repositoryID int64
	branch, dir  string
}

// dirMemory is what the last observation of one directory taught about how to ask next time, and what is already
// known of its tree. Shared by the Repositories of one directory.
type dirMemory struct {
	mu       sync.Mutex
	known    bool
	files    int
	bytes    int64
	failures int // whole-content queries that failed, in a row
	tree     string
	entries  []entry            // of tree, when it was read with the recursive tree
	deep     map[string][]entry // subtrees below the depth of a query, by tree id
	roots    map[string]string  // head → root tree, of the newest observations
}

// Open binds a repository; it makes no request. The token it will use is narrowed to this repository and to reading
// or writing contents.
func (a *App) Open(ref Ref, opts Options) (*Repository, error) {
	switch {
	case ref.RepositoryID <= 0:
		return nil, errors.New("repository id is missing")
	case !plainName(ref.Owner) || !plainName(ref.Name):
		return nil, fmt.Errorf("%q is not a repository name", ref.String())
	}
	if err := checkBranch(opts.Branch); err != nil {
		return nil, err
	}
	dir, err := cleanDirectory(opts.Directory)
	if err != nil {
		return nil, err
	}
	opts.Directory = dir
	permissions := writeContents()
	if opts.ReadOnly {
		permissions = readContents()
	}
	c, err := a.installation(ref.InstallationID, []int64{ref.RepositoryID}, permissions)
	if err != nil {
		return nil, err
	}
	r := &Repository{app: a, client: c, ref: ref, opts: opts}
	for _, p := range opts.ChangedPaths {
		if len(r.hints) < maxHints && r.inside(p) && checkPath(p) == nil {
			r.hints = append(r.hints, p)
		}
	}
	key := dirKey{ref.RepositoryID, opts.Branch, dir}
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.memory = a.dirs[key]; r.memory == nil {
		r.memory = &dirMemory{roots: map[string]string{}}
		a.dirs[key] = r.memory
	}
	if facts, found := a.repos[ref.RepositoryID]; found {
		r.ref.Owner, r.ref.Name = facts.owner, facts.name
	}
	return r, nil
}

// learn remembers where a repository is now.
func (a *App) learn(repositoryID int64, facts repoFacts) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if facts.nodeID == "" {
		facts.nodeID = a.repos[repositoryID].nodeID
	}
	a.repos[repositoryID] = facts
}

func (r *Repository) nodeID() string {
	r.app.mu.Lock()
	defer r.app.mu.Unlock()
	return r.app.repos[r.ref.RepositoryID].nodeID
}

// locate asks for the present name of a repository that is not where it was. It tells whether the name is another.
func (r *Repository) locate(ctx context.Context) (bool, error) {
	info, err := r.app.repositoryByID(ctx, r.client, r.ref.RepositoryID)
	if err != nil {
		return false, err
	}
	moved := info.Owner != r.ref.Owner || info.Name != r.ref.Name
	r.ref.Owner, r.ref.Name = info.Owner, info.Name
	return moved, nil
}

// api returns the path of a resource of this repository.
func (r *Repository) api(segments ...string) string {
	return pathOf(append([]string{"repos", r.ref.Owner, r.ref.Name}, segments...)...)
}

func (r *Repository) refName() string { return "refs/heads/" + r.opts.Branch }

// full returns the repository path of a path below the directory.
func (r *Repository) full(p string) string {
	if r.opts.Directory == "" {
		return p
	}
	return r.opts.Directory + "/" + p
}

func (r *Repository) inside(p string) bool {
	return r.opts.Directory == "" || strings.HasPrefix(p, r.opts.Directory+"/")
}

func (r *Repository) subject() string { return r.ref.String() + " branch " + r.opts.Branch }

// checkBranch refuses what cannot be a branch name (git check-ref-format).
func checkBranch(name string) error {
	bad := name == "" || len(name) > 250 || !utf8.ValidString(name) || strings.HasPrefix(name, "-") || strings.HasPrefix(name, "/") ||
		strings.HasSuffix(name, "/") || strings.HasSuffix(name, ".") || name == "@" ||
		strings.Contains(name, "..") || strings.Contains(name, "//") || strings.Contains(name, "@{") ||
		strings.ContainsAny(name, " ~^:?*[\\\x7f")
	for _, c := range name {
		bad = bad || c < ' '
	}
	for part := range strings.SplitSeq(name, "/") {
		bad = bad || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock")
	}
	if bad {
		return fmt.Errorf("%q is not a branch name", name)
	}
	return nil
}

// cleanDirectory returns the directory without a slash at its ends; "" is the root.
func cleanDirectory(dir string) (string, error) {
	if dir == "" || dir == "." || dir == "./" {
		return "", nil
	}
	clean := path.Clean(strings.TrimSuffix(dir, "/"))
	if err := checkPath(clean); err != nil {
		return "", fmt.Errorf("directory %w", err)
	}
	return clean, nil
}

// checkPath refuses paths that leave the repository, touch Git's own files, or that no checkout can hold.
func checkPath(p string) error {
	if p == "" || len(p) > 4096 || !utf8.ValidString(p) || strings.HasPrefix(p, "/") {
		return fmt.Errorf("path %q is not a relative UTF-8 path", clip(p, 200))
	}
	for _, c := range p {
		if c < ' ' || c == 0x7f || c == '\\' {
			return fmt.Errorf("path %q holds a control character or backslash", clip(p, 200))
		}
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") {
			return fmt.Errorf("path %q holds the part %q", clip(p, 200), part)
		}
	}
	return nil
}

// isOID tells whether s is a full object id: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
func isOID(s string) bool {
	if len(s) != 40 && len(s) != 64 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
