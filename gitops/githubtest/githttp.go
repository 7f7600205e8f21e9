package githubtest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	gitAdvertise = "GET /{owner}/{repo}.git/info/refs"
	gitUpload    = "POST /{owner}/{repo}.git/git-upload-pack"
	gitReceive   = "POST /{owner}/{repo}.git/git-receive-pack"
)

// gitTemplates are the routes of Git's smart protocol, for statistics and
// faults.
var gitTemplates = []string{gitAdvertise, gitUpload, gitReceive}

// isGitPath recognises /{owner}/{repo}.git/… and the same without ".git",
// which git also sends.
func isGitPath(path string) bool {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(parts) < 3 || parts[0] == "repos" || parts[0] == "api" {
		return false
	}
	rest := strings.Join(parts[2:], "/")
	return strings.HasSuffix(parts[1], ".git") || rest == "info/refs" || rest == "git-upload-pack" || rest == "git-receive-pack"
}

// serveGit speaks Git's smart HTTP protocol through git http-backend. A push
// runs under the Server's lock, so that it and the API see each other's
// references whole.
func (s *Server) serveGit(w http.ResponseWriter, r *http.Request) {
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 3)
	rest := ""
	if len(parts) == 3 {
		rest = parts[2]
	}
	template := ""
	switch {
	case r.Method == "GET" && rest == "info/refs":
		template = gitAdvertise
	case r.Method == "POST" && rest == "git-upload-pack":
		template = gitUpload
	case r.Method == "POST" && rest == "git-receive-pack":
		template = gitReceive
	}
	service := strings.TrimPrefix(rest, "git-")
	if template == gitAdvertise {
		service = strings.TrimPrefix(r.URL.Query().Get("service"), "git-")
	}
	if template == "" || service != "upload-pack" && service != "receive-pack" {
		s.mu.Lock()
		s.unknown = append(s.unknown, r.Method+" "+r.URL.Path)
		s.mu.Unlock()
		http.Error(w, "the GitHub stand-in speaks Git's smart protocol only", http.StatusNotImplemented)
		return
	}
	body, err := gitBody(w, r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}

	s.mu.Lock()
	id, authErr := s.identify(r)
	s.stats.count(id.statLogin(), template, true)
	fault := s.takeFault(id.statLogin(), template, nil, false)
	repo, _ := s.repoByName(parts[0], strings.TrimSuffix(parts[1], ".git"))
	write := service == "receive-pack"
	if authErr == nil {
		authErr = s.gitAccess(id, repo, write)
	}
	dir := ""
	if repo != nil {
		dir = s.gitRepo(repo).dir
	}
	s.mu.Unlock()

	if fault != nil {
		switch fault.Action {
		case actionDrop:
			abort(w)
			return
		case actionDelay:
			select {
			case <-s.after(time.Duration(fault.DelayMS) * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		case actionErrorBefore:
			writeAnswer(w, fault.answer())
			return
		}
	}
	var e *apiError
	if errors.As(authErr, &e) {
		if e.status == 401 {
			w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
		}
		http.Error(w, e.message, e.status)
		return
	}
	backend := &cgi.Handler{
		Path: filepath.Join(s.git.execPath, "git-http-backend"), Root: "/git", Dir: dir,
		Env: append([]string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=" + id.statLogin()}, s.git.env...),
	}
	inner := r.Clone(r.Context())
	inner.URL.Path = "/git/" + rest
	inner.Body = io.NopCloser(bytes.NewReader(body))
	inner.ContentLength = int64(len(body))
	inner.Header.Del("Content-Encoding")
	inner.Header.Del("Authorization")
	inner.TransferEncoding = nil
	if protocol := r.Header.Get("Git-Protocol"); protocol != "" {
		backend.Env = append(backend.Env, "GIT_PROTOCOL="+protocol)
	}
	if template != gitReceive {
		backend.ServeHTTP(w, inner)
		return
	}
	rec, err := s.receivePack(backend, inner, body, repo, id)
	if err != nil {
		s.logf("push to %s/%s: %v", parts[0], parts[1], err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	ans := &answer{status: rec.code, header: rec.header, body: rec.body.Bytes()}
	if !fault.after(w, ans) {
		writeAnswer(w, ans)
	}
}

// gitBody buffers the request: net/http/cgi refuses the chunked bodies git
// sends for large packs, and compressed ones are easier to look into.
func gitBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var in io.Reader = http.MaxBytesReader(w, r.Body, 1<<30)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		in = io.LimitReader(z, 1<<30)
	}
	return io.ReadAll(in)
}

// gitAccess decides who may clone and push.
func (s *Server) gitAccess(id *identity, repo *repoRow, write bool) error {
	if repo == nil || !s.sees(id, repo) {
		if id.kind == identityAnonymous {
			return fail(401, "Repository not found.")
		}
		return fail(404, "Repository not found.")
	}
	if !write && !repo.Private {
		return nil
	}
	level := "read"
	if write {
		level = "write"
	}
	err := s.allow(id, repo, "contents", level)
	var e *apiError
	if errors.As(err, &e) && (e.status == 404 || e.status == 403) {
		return fail(403, "Permission to %s.git denied to %s.", s.fullName(repo), id.statLogin())
	}
	return err
}

// maxPushTags: when one push brings more tags, GitHub sends no event for them.
const maxPushTags = 3

// pushCommand is one line of what a push wants.
type pushCommand struct {
	old, new, ref string
}

// parsePush reads the command list at the head of a receive-pack request.
func parsePush(body []byte) (commands []pushCommand, capabilities string, err error) {
	for {
		if len(body) < 4 {
			return nil, "", errors.New("truncated push request")
		}
		n, err := strconv.ParseUint(string(body[:4]), 16, 16)
		if err != nil {
			return nil, "", errors.New("malformed push request")
		}
		if n == 0 {
			return commands, capabilities, nil
		}
		if n < 4 || int(n) > len(body) {
			return nil, "", errors.New("malformed push request")
		}
		line, caps, hasCaps := strings.Cut(string(body[4:n]), "\x00")
		body = body[n:]
		if hasCaps {
			capabilities = caps
		}
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)
		if len(fields) == 3 && isOID(fields[0]) && isOID(fields[1]) {
			commands = append(commands, pushCommand{fields[0], fields[1], fields[2]})
		}
	}
}

// receivePack runs a push: refused as a whole when it touches a protected
// branch, else by git, then turned into events for each reference that moved.
func (s *Server) receivePack(backend http.Handler, r *http.Request, body []byte, repo *repoRow, id *identity) (*recorder, error) {
	commands, capabilities, err := parsePush(body)
	if err != nil {
		// A probe with an empty request is legal; git answers it.
		commands = nil
	}
	rec := &recorder{code: 200, header: http.Header{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	for _, cmd := range commands {
		if s.refusal(repo, cmd.ref, cmd.old, cmd.new) != nil {
			refusePush(rec, commands, capabilities)
			return rec, nil
		}
	}
	g := s.gitRepo(repo)
	backend.ServeHTTP(rec, r)
	if rec.code != http.StatusOK {
		return rec, nil
	}
	tags := 0
	for _, cmd := range commands {
		if strings.HasPrefix(cmd.ref, "refs/tags/") {
			tags++
		}
	}
	for _, cmd := range commands {
		if tags > maxPushTags && strings.HasPrefix(cmd.ref, "refs/tags/") {
			continue
		}
		now, exists, err := g.ref(cmd.ref)
		if err != nil {
			return nil, err
		}
		if !exists {
			now = zeroOID
		}
		if now != cmd.new || cmd.old == cmd.new {
			continue
		}
		if err := s.refMoved(repo, id.account, gitReceive, cmd.ref, cmd.old, cmd.new); err != nil {
			return nil, fmt.Errorf("after push of %s: %w", cmd.ref, err)
		}
	}
	return rec, nil
}

// refusePush answers as GitHub's pre-receive check of a protected branch.
func refusePush(w http.ResponseWriter, commands []pushCommand, capabilities string) {
	var report bytes.Buffer
	pkt(&report, "unpack ok\n")
	var name string
	for _, cmd := range commands {
		name = cmd.ref
		pkt(&report, "ng "+cmd.ref+" protected branch hook declined\n")
	}
	report.WriteString("0000")
	w.Header().Set("Content-Type", "application/x-git-receive-pack-result")
	w.Header().Set("Cache-Control", "no-cache")
	if !strings.Contains(capabilities, "side-band-64k") {
		w.Write(report.Bytes())
		return
	}
	var out bytes.Buffer
	pkt(&out, "\x02error: GH006: Protected branch update failed for "+name+".\n")
	pkt(&out, "\x01"+report.String())
	out.WriteString("0000")
	w.Write(out.Bytes())
}

func pkt(b *bytes.Buffer, text string) { fmt.Fprintf(b, "%04x%s", len(text)+4, text) }

// recorder buffers the answer of a push: a slow client must not hold the lock.
type recorder struct {
	code   int
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
func (r *recorder) WriteHeader(code int)        { r.code = code }
