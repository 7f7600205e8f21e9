package githubtest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

func renderSignature(s signature) map[string]any {
	return map[string]any{"name": s.name, "email": s.email, "date": s.when.UTC().Format(time.RFC3339)}
}

// verification is what GitHub says about a commit's signature: commits it
// made itself for a caller that named no author are signed by it.
func (s *Server) verification(oid string) map[string]any {
	if s.signedBy[oid] {
		return map[string]any{"verified": true, "reason": "valid", "signature": "-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n", "payload": nil, "verified_at": nil}
	}
	return map[string]any{"verified": false, "reason": "unsigned", "signature": nil, "payload": nil, "verified_at": nil}
}

// sign marks a commit as signed by GitHub.
func (s *Server) sign(oid string) {
	if s.signedBy[oid] {
		return
	}
	s.signedBy[oid] = true
	id := s.newID()
	s.signed.put(id, &signedRow{ID: id, OID: oid})
}

// webFlow is the committer of commits GitHub makes.
func (s *Server) webFlow() signature {
	return signature{name: "GitHub", email: "noreply@github.com", when: s.now()}
}

func (s *Server) authorOf(a *accountRow) signature {
	return signature{name: a.commitName(), email: a.commitEmail(), when: s.now()}
}

func (c *call) renderGitCommit(k *commit) map[string]any {
	full := c.s.fullName(c.repo)
	parents := []any{}
	for _, p := range k.parents {
		parents = append(parents, map[string]any{"sha": p, "url": c.api("/repos/%s/git/commits/%s", full, p),
			"html_url": c.root() + "/" + full + "/commit/" + p})
	}
	return map[string]any{
		"sha": k.oid, "node_id": nodeID("Commit", c.repo.ID, k.oid),
		"url": c.api("/repos/%s/git/commits/%s", full, k.oid), "html_url": c.root() + "/" + full + "/commit/" + k.oid,
		"author": renderSignature(k.author), "committer": renderSignature(k.committer), "message": k.message,
		"tree":    map[string]any{"sha": k.tree, "url": c.api("/repos/%s/git/trees/%s", full, k.tree)},
		"parents": parents, "verification": c.s.verification(k.oid),
	}
}

func (c *call) getGitCommit() (int, any, error) {
	k, err := c.git.commit(c.params["commit_sha"])
	if errors.Is(err, errNoObject) {
		if c.isEmpty() {
			return 0, nil, errEmptyRepository
		}
		return 0, nil, errNotFound
	}
	if err != nil {
		return 0, nil, err
	}
	return 200, c.renderGitCommit(k), nil
}

type identIn struct {
	Name  string     `json:"name"`
	Email string     `json:"email"`
	Date  *time.Time `json:"date"`
}

func (in *identIn) signature(now time.Time) (signature, error) {
	if in.Name == "" || in.Email == "" {
		return signature{}, fail(422, "Invalid request.\n\n\"name\", \"email\" weren't supplied.")
	}
	sig := signature{name: in.Name, email: in.Email, when: now}
	if in.Date != nil {
		sig.when = *in.Date
	}
	return sig, nil
}

func (c *call) createGitCommit() (int, any, error) {
	var in struct {
		Message   *string  `json:"message"`
		Tree      string   `json:"tree"`
		Parents   []string `json:"parents"`
		Author    *identIn `json:"author"`
		Committer *identIn `json:"committer"`
		Signature string   `json:"signature"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	if in.Message == nil || in.Tree == "" {
		return 0, nil, fail(422, "Invalid request.\n\n\"message\", \"tree\" weren't supplied.")
	}
	if c.isEmpty() {
		return 0, nil, errEmptyRepository
	}
	if o, err := c.git.read(in.Tree); err != nil || o.kind != kindTree {
		return 0, nil, fail(422, "Tree SHA does not exist")
	}
	for _, p := range in.Parents {
		if _, err := c.git.commit(p); err != nil {
			return 0, nil, fail(422, "Parent SHA does not exist or is not a commit object")
		}
	}
	k := &commit{tree: in.Tree, parents: in.Parents, author: c.s.authorOf(c.id.account), message: *in.Message}
	k.committer = c.s.webFlow()
	var err error
	if in.Author != nil {
		if k.author, err = in.Author.signature(c.s.now()); err != nil {
			return 0, nil, err
		}
		k.committer = k.author
	}
	if in.Committer != nil {
		if k.committer, err = in.Committer.signature(c.s.now()); err != nil {
			return 0, nil, err
		}
	}
	if k.oid, err = c.git.write(kindCommit, k.format()); err != nil {
		return 0, nil, err
	}
	if in.Author == nil && in.Committer == nil {
		c.s.sign(k.oid)
	}
	return 201, c.renderGitCommit(k), nil
}

func (c *call) renderTreeEntry(path string, e treeEntry) map[string]any {
	full := c.s.fullName(c.repo)
	out := map[string]any{"path": path, "mode": e.restMode(), "type": e.kind(), "sha": e.oid}
	switch e.kind() {
	case kindBlob:
		out["url"] = c.api("/repos/%s/git/blobs/%s", full, e.oid)
		if o, err := c.git.read(e.oid); err == nil {
			out["size"] = len(o.data)
		}
	case kindTree:
		out["url"] = c.api("/repos/%s/git/trees/%s", full, e.oid)
	}
	return out
}

// treeish resolves a commit, tree, branch or tag to a tree.
func (c *call) treeish(name string) (string, error) {
	oid, err := c.resolve(name)
	if err != nil {
		return "", err
	}
	_, o, err := c.git.peel(oid)
	if err != nil {
		return "", err
	}
	switch o.kind {
	case kindTree:
		return oid, nil
	case kindCommit:
		k, err := parseCommit(oid, o.data)
		if err != nil {
			return "", err
		}
		return k.tree, nil
	}
	return "", errNoObject
}

// resolve finds the object of a full or abbreviated object id, or of a branch
// or tag by its short or full name. errNoObject when there is none.
func (c *call) resolve(name string) (string, error) {
	if name == "" || name == "HEAD" {
		name = c.repo.DefaultBranch
	}
	for _, prefix := range []string{"refs/heads/", "refs/tags/", "refs/", ""} {
		full := prefix + name
		if !validRef(full) {
			continue
		}
		oid, ok, err := c.s.readRef(c.repo, full)
		if err != nil {
			return "", err
		}
		if ok {
			return oid, nil
		}
	}
	if isOID(name) {
		_, err := c.git.read(name)
		return name, err
	}
	return c.git.abbreviated(name)
}

func (c *call) getTree() (int, any, error) {
	tree, err := c.treeish(c.params["tree_sha"])
	if errors.Is(err, errNoObject) {
		if c.isEmpty() {
			return 0, nil, errEmptyRepository
		}
		return 0, nil, errNotFound
	}
	if err != nil {
		return 0, nil, err
	}
	limit := 100000
	if c.s.knobs.TreeLimit > 0 {
		limit = c.s.knobs.TreeLimit
	}
	entries := []any{}
	truncated := false
	if c.query.Has("recursive") {
		_, err = c.git.walk(tree, "", func(e flatEntry) bool {
			if len(entries) >= limit {
				truncated = true
				return false
			}
			entries = append(entries, c.renderTreeEntry(e.path, e.treeEntry))
			return true
		})
	} else {
		var list []treeEntry
		list, err = c.git.tree(tree)
		if truncated = len(list) > limit; truncated {
			list = list[:limit]
		}
		for _, e := range list {
			entries = append(entries, c.renderTreeEntry(e.name, e))
		}
	}
	if err != nil {
		return 0, nil, err
	}
	return 200, map[string]any{"sha": tree, "url": c.api("/repos/%s/git/trees/%s", c.s.fullName(c.repo), tree), "tree": entries, "truncated": truncated}, nil
}

// maxTreeInput is where GitHub refuses a tree as too large.
const maxTreeInput = 100000

func (c *call) createTree() (int, any, error) {
	var in struct {
		BaseTree string `json:"base_tree"`
		Tree     []struct {
			Path    string           `json:"path"`
			Mode    string           `json:"mode"`
			Type    string           `json:"type"`
			SHA     *json.RawMessage `json:"sha"`
			Content *string          `json:"content"`
		} `json:"tree"`
	}
	// A null sha deletes and an absent one does not, so presence is kept.
	var present struct {
		Tree []map[string]json.RawMessage `json:"tree"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	if err := c.decode(&present); err != nil {
		return 0, nil, err
	}
	if c.isEmpty() {
		return 0, nil, errEmptyRepository
	}
	if in.Tree == nil {
		return 0, nil, fail(422, "Invalid tree info")
	}
	if len(in.Tree) > maxTreeInput {
		return 0, nil, fail(422, "Your input was too large to process.")
	}
	base := ""
	if in.BaseTree != "" {
		var err error
		if base, err = c.treeish(in.BaseTree); err != nil {
			return 0, nil, fail(422, "base_tree is not a valid tree oid")
		}
	}
	edits := map[string]treeEdit{}
	for i, e := range in.Tree {
		if !validPath(e.Path) {
			return 0, nil, fail(422, "tree.path contains a malformed path component")
		}
		if _, twice := edits[e.Path]; twice {
			return 0, nil, fail(422, "tree contains duplicate entries for %s", e.Path)
		}
		mode := strings.TrimPrefix(e.Mode, "0")
		switch mode {
		case modeFile, modeExec, modeSymlink, modeTree, modeGitlink:
		default:
			return 0, nil, fail(422, "tree.mode must be one of 100644, 100755, 040000, 160000, 120000")
		}
		shaRaw, hasSHA := present.Tree[i]["sha"]
		sha := ""
		if hasSHA && string(shaRaw) != "null" {
			if err := json.Unmarshal(shaRaw, &sha); err != nil || !isOID(sha) {
				return 0, nil, fail(422, "tree.sha %s is not a valid sha", shaRaw)
			}
		}
		switch {
		case sha != "" && e.Content != nil:
			return 0, nil, fail(422, "tree.sha and tree.content must not be given both")
		case e.Content != nil:
			oid, err := c.git.write(kindBlob, []byte(*e.Content))
			if err != nil {
				return 0, nil, err
			}
			sha = oid
		case !hasSHA:
			return 0, nil, fail(422, "tree.sha or tree.content must be given for %s", e.Path)
		}
		if sha != "" && e.Content == nil && mode != modeGitlink {
			o, err := c.git.read(sha)
			want := treeEntry{mode: mode}.kind()
			if err != nil || o.kind != want || e.Type != "" && e.Type != want {
				return 0, nil, fail(422, "tree.sha %s is not a valid %s", sha, want)
			}
		}
		if mode == modeTree && sha != "" && base != "" {
			// A directory's tree is laid over the present one (facts §6).
			if err := c.overlay(edits, e.Path, sha); err != nil {
				return 0, nil, err
			}
			continue
		}
		if sha == "" {
			if base == "" {
				return 0, nil, fail(422, "GitRPC::BadObjectState")
			}
			if _, err := c.git.entryAt(base, e.Path); err != nil {
				return 0, nil, fail(422, "GitRPC::BadObjectState")
			}
		}
		edits[e.Path] = treeEdit{mode, sha}
	}
	tree, err := c.git.editTree(base, edits)
	if err != nil {
		return 0, nil, err
	}
	list, err := c.git.tree(tree)
	if err != nil {
		return 0, nil, err
	}
	entries := []any{}
	for _, e := range list {
		entries = append(entries, c.renderTreeEntry(e.name, e))
	}
	return 201, map[string]any{"sha": tree, "url": c.api("/repos/%s/git/trees/%s", c.s.fullName(c.repo), tree), "tree": entries, "truncated": false}, nil
}

func (c *call) overlay(edits map[string]treeEdit, path, tree string) error {
	_, err := c.git.walk(tree, path+"/", func(e flatEntry) bool {
		if e.mode != modeTree {
			edits[e.path] = treeEdit{e.mode, e.oid}
		}
		return true
	})
	return err
}

func (c *call) getBlob() (int, any, error) {
	oid := c.params["file_sha"]
	o, err := c.git.read(oid)
	if errors.Is(err, errNoObject) || err == nil && o.kind != kindBlob {
		if c.isEmpty() {
			return 0, nil, errEmptyRepository
		}
		return 0, nil, errNotFound
	}
	if err != nil {
		return 0, nil, err
	}
	if strings.Contains(c.req.Header.Get("Accept"), "raw") {
		return 200, raw{"application/vnd.github.raw; charset=utf-8", o.data}, nil
	}
	return 200, map[string]any{"sha": oid, "node_id": nodeID("Blob", c.repo.ID, oid), "size": len(o.data), "encoding": "base64",
		"url": c.api("/repos/%s/git/blobs/%s", c.s.fullName(c.repo), oid), "content": wrapBase64(o.data)}, nil
}

// wrapBase64 is GitHub's form: lines of 60 characters, each ended.
func wrapBase64(data []byte) string {
	text := base64.StdEncoding.EncodeToString(data)
	var b strings.Builder
	for len(text) > 60 {
		b.WriteString(text[:60] + "\n")
		text = text[60:]
	}
	if text != "" {
		b.WriteString(text + "\n")
	}
	return b.String()
}

const maxBlob = 100 << 20

func (c *call) createBlob() (int, any, error) {
	var in struct {
		Content  *string `json:"content"`
		Encoding string  `json:"encoding"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	if in.Content == nil {
		return 0, nil, fail(422, "Invalid request.\n\n\"content\" wasn't supplied.")
	}
	if c.isEmpty() {
		return 0, nil, errEmptyRepository
	}
	data := []byte(*in.Content)
	switch in.Encoding {
	case "", "utf-8":
	case "base64":
		decoded, err := decodeBase64(*in.Content)
		if err != nil {
			return 0, nil, fail(422, "content is not valid Base64")
		}
		data = decoded
	default:
		return 0, nil, fail(422, "encoding %q is neither utf-8 nor base64", in.Encoding)
	}
	if len(data) > maxBlob {
		return 0, nil, fail(422, "Your input was too large to process.")
	}
	oid, err := c.git.write(kindBlob, data)
	if err != nil {
		return 0, nil, err
	}
	url := c.api("/repos/%s/git/blobs/%s", c.s.fullName(c.repo), oid)
	c.header.Set("Location", url)
	return 201, map[string]any{"sha": oid, "url": url}, nil
}

// abbreviated finds the one object whose id begins with a prefix of at least
// seven characters.
func (r *gitRepo) abbreviated(prefix string) (string, error) {
	if len(prefix) < 7 || len(prefix) >= 40 || !isOID(prefix+zeroOID[len(prefix):]) {
		return "", errNoObject
	}
	out, err := r.run.run(r.dir, nil, "rev-parse", "--quiet", "--verify", prefix+"^{object}")
	if err != nil {
		return "", fmt.Errorf("%s: %w", prefix, errNoObject)
	}
	return strings.TrimSpace(string(out)), nil
}

func decodeBase64(text string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.NewReplacer("\n", "", "\r", "").Replace(text))
}
