package githubtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The Go interface for tests and the demo: what a person does with git and
// in the browser, without a process or a request.

func (s *Server) generatedKey(slug string) ([]byte, error) {
	return os.ReadFile(filepath.Join(s.dir, "apps", slug+".pem"))
}

// ErrNotFound is the error for a repository, branch or file that is not there.
var ErrNotFound = errors.New("not found")

func (s *Server) find(fullName string) (*repoRow, *gitRepo, error) {
	r := s.repoByFullName(fullName)
	if r == nil {
		return nil, nil, fmt.Errorf("repository %s: %w", fullName, ErrNotFound)
	}
	return r, s.gitRepo(r), nil
}

// CommitFiles commits as a person who pushes: files maps a path to its new
// content, nil deletes. The branch is created from nothing when it does not
// exist. The login is the author, committer and pusher; it must be a known
// account. It returns the commit's id.
func (s *Server) CommitFiles(fullName, branch, login, message string, files map[string]*string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	r, g, err := s.find(fullName)
	if err != nil {
		return "", err
	}
	actor := s.accountByLogin(login)
	if actor == nil {
		return "", fmt.Errorf("account %s: %w", login, ErrNotFound)
	}
	ref := "refs/heads/" + branch
	head, exists, err := g.ref(ref)
	if err != nil {
		return "", err
	}
	k := &commit{author: s.authorOf(actor), committer: s.authorOf(actor), message: strings.TrimRight(message, "\n") + "\n"}
	base := ""
	if exists {
		parent, err := g.commit(head)
		if err != nil {
			return "", err
		}
		k.parents, base = []string{head}, parent.tree
	} else {
		head = zeroOID
	}
	edits := map[string]treeEdit{}
	for path, content := range files {
		if !validPath(path) {
			return "", fmt.Errorf("bad path %q", path)
		}
		if content == nil {
			if _, err := g.entryAt(base, path); err != nil {
				return "", fmt.Errorf("delete %s: %w", path, ErrNotFound)
			}
			edits[path] = treeEdit{}
			continue
		}
		mode := modeFile
		if base != "" {
			if e, err := g.entryAt(base, path); err == nil && e.mode == modeExec {
				mode = modeExec
			}
		}
		oid, err := g.write(kindBlob, []byte(*content))
		if err != nil {
			return "", err
		}
		edits[path] = treeEdit{mode, oid}
	}
	if k.tree, err = g.editTree(base, edits); err != nil {
		return "", err
	}
	if k.oid, err = g.write(kindCommit, k.format()); err != nil {
		return "", err
	}
	return k.oid, s.moveRefs(r, actor, gitReceive, []refChange{{name: ref, before: head, after: k.oid}}, false)
}

// PutFile is CommitFiles for one file with content.
func (s *Server) PutFile(fullName, branch, login, path, content string) (string, error) {
	return s.CommitFiles(fullName, branch, login, "Update "+path, map[string]*string{path: &content})
}

// MoveBranch points a branch at a commit as a person with a force push does;
// an empty oid deletes it. Protection is not asked.
func (s *Server) MoveBranch(fullName, branch, login, oid string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	r, _, err := s.find(fullName)
	if err != nil {
		return err
	}
	actor := s.accountByLogin(login)
	if actor == nil {
		return fmt.Errorf("account %s: %w", login, ErrNotFound)
	}
	return s.moveRefs(r, actor, gitReceive, []refChange{{name: "refs/heads/" + branch, after: oid, force: true}}, true)
}

// Head is the true head of a branch, also while reads are stale; ErrNotFound
// when there is none.
func (s *Server) Head(fullName, branch string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, g, err := s.find(fullName)
	if err != nil {
		return "", err
	}
	oid, ok, err := g.ref("refs/heads/" + branch)
	if err == nil && !ok {
		err = fmt.Errorf("branch %s of %s: %w", branch, fullName, ErrNotFound)
	}
	return oid, err
}

// ReadFile reads a file at a branch or commit id; ErrNotFound when absent.
func (s *Server) ReadFile(fullName, revision, path string) (string, error) {
	files, err := s.files(fullName, revision, path)
	if err != nil {
		return "", err
	}
	if content, ok := files[path]; ok {
		return content, nil
	}
	return "", fmt.Errorf("%s at %s of %s: %w", path, revision, fullName, ErrNotFound)
}

// Files reads all files below a directory ("" for all) at a branch or commit
// id: path from the repository's root → content.
func (s *Server) Files(fullName, revision, directory string) (map[string]string, error) {
	return s.files(fullName, revision, directory)
}

func (s *Server) files(fullName, revision, at string) (map[string]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, g, err := s.find(fullName)
	if err != nil {
		return nil, err
	}
	oid, ok, err := g.ref("refs/heads/" + revision)
	if err != nil {
		return nil, err
	}
	if !ok {
		oid = revision
	}
	k, err := g.commit(oid)
	if errors.Is(err, errNoObject) {
		return nil, fmt.Errorf("revision %s of %s: %w", revision, s.fullName(r), ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	var failed error
	_, err = g.walk(k.tree, "", func(e flatEntry) bool {
		if e.kind() != kindBlob || at != "" && e.path != at && !strings.HasPrefix(e.path, at+"/") {
			return true
		}
		o, err := g.read(e.oid)
		if err != nil {
			failed = err
			return false
		}
		out[e.path] = string(o.data)
		return true
	})
	return out, errors.Join(err, failed)
}

// LogEntry is one commit of Log.
type LogEntry struct {
	OID         string
	Parents     []string
	Author      string // name
	AuthorEmail string
	Message     string
	Paths       []string // files that differ from the first parent, sorted
}

// Log lists the commits of a branch, newest first, at most max (0: all).
func (s *Server) Log(fullName, branch string, max int) ([]LogEntry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, g, err := s.find(fullName)
	if err != nil {
		return nil, err
	}
	head, ok, err := g.ref("refs/heads/" + branch)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("branch %s of %s: %w", branch, fullName, ErrNotFound)
	}
	var out []LogEntry
	var failed error
	err = g.history([]string{head}, func(k *commit) bool {
		entry := LogEntry{OID: k.oid, Parents: k.parents, Author: k.author.name, AuthorEmail: k.author.email, Message: k.message}
		parentTree := ""
		if len(k.parents) > 0 {
			p, err := g.commit(k.parents[0])
			if err != nil {
				failed = err
				return false
			}
			parentTree = p.tree
		}
		if failed = g.diffTrees(parentTree, k.tree, "", func(path string, _, _ treeEntry) { entry.Paths = append(entry.Paths, path) }); failed != nil {
			return false
		}
		out = append(out, entry)
		return max == 0 || len(out) < max
	})
	return out, errors.Join(err, failed)
}

// Diff is the unified diff of a commit against its first parent, in git's words.
func (s *Server) Diff(fullName, oid string) (string, error) {
	s.mu.Lock()
	_, g, err := s.find(fullName)
	s.mu.Unlock()
	if err != nil {
		return "", err
	}
	if !isOID(oid) {
		return "", fmt.Errorf("%q is no commit id", oid)
	}
	out, err := s.git.run(g.dir, nil, "diff-tree", "-p", "-M", "--no-commit-id", "--root", "-m", "--first-parent", oid)
	return string(out), err
}

// Fsck runs git fsck --strict; the error is what it found.
func (s *Server) Fsck(fullName string) error {
	s.mu.Lock()
	_, g, err := s.find(fullName)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	_, err = s.git.run(g.dir, nil, "fsck", "--strict", "--no-dangling", "--full")
	return err
}

// Protect makes a branch refuse direct writes (on) or accept them again.
// With ruleset the refusal has the words of a repository ruleset.
func (s *Server) Protect(fullName, branch string, on, ruleset bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, _, err := s.find(fullName)
	if err != nil {
		return err
	}
	if on {
		s.protect(r, branch, &protectionRow{Ruleset: ruleset})
		return nil
	}
	delete(r.Protected, branch)
	s.repos.put(r.ID, r)
	return nil
}

// RepositoryID is the numeric id of a repository; 0 when there is none.
func (s *Server) RepositoryID(fullName string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.repoByFullName(fullName); r != nil {
		return r.ID
	}
	return 0
}

// Delivery is one attempt to deliver a webhook.
type Delivery struct {
	ID         int64
	GUID       string
	Event      string
	Action     string
	StatusCode int // 0: no answer
	Redelivery bool
	Payload    string
}

// Deliveries lists the attempts made so far, oldest first.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Delivery
	for _, d := range s.deliveries.all() {
		if !d.Pending {
			out = append(out, Delivery{d.ID, d.GUID, d.Event, d.Action, d.StatusCode, d.Redelivery, d.Payload})
		}
	}
	return out
}
