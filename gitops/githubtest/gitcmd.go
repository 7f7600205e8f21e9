package githubtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// gitRunner starts git in an environment of its own: a user's signing key,
// hooks, URL rewrites, proxy or global configuration must not reach it
// (facts on GitHub stand-ins: each of these broke a first command).
type gitRunner struct {
	git      string
	execPath string
	env      []string
}

// installed is what is known about the machine's git. It is looked up once for
// a process: many servers are made in tests, and each look-up is a process.
var installed = sync.OnceValues(func() (gitRunner, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return gitRunner{}, errors.New("the GitHub stand-in needs git 2.38 or newer in PATH: " + err.Error())
	}
	r := gitRunner{git: git, env: gitEnvironment(os.TempDir())}
	version, err := r.run("", nil, "version")
	if err != nil {
		return r, err
	}
	if !gitAtLeast(string(version), 2, 38) {
		return r, fmt.Errorf("the GitHub stand-in needs git 2.38 or newer, found %q", strings.TrimSpace(string(version)))
	}
	path, err := r.run("", nil, "--exec-path")
	if err != nil {
		return r, err
	}
	r.execPath = strings.TrimSpace(string(path))
	if _, err := os.Stat(filepath.Join(r.execPath, "git-http-backend")); err != nil {
		return r, fmt.Errorf("git has no http-backend, which a full git package brings: %w", err)
	}
	return r, nil
})

func gitEnvironment(home string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + home,
		"XDG_CONFIG_HOME=" + home,
		"LC_ALL=C",
		"TZ=UTC",
		"GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_COUNT=1",
		"GIT_CONFIG_KEY_0=safe.directory",
		"GIT_CONFIG_VALUE_0=*",
		"GIT_TERMINAL_PROMPT=0",
		"NO_PROXY=127.0.0.1,localhost",
		"no_proxy=127.0.0.1,localhost",
	}
}

// newGitRunner finds git, checks that it is new enough for merge-tree
// (2.38) and has http-backend, and says what is missing otherwise.
func newGitRunner(home string) (*gitRunner, error) {
	found, err := installed()
	if err != nil {
		return nil, err
	}
	return &gitRunner{git: found.git, execPath: found.execPath, env: gitEnvironment(home)}, nil
}

func gitAtLeast(version string, major, minor int) bool {
	fields := strings.Fields(version)
	if len(fields) < 3 {
		return false
	}
	parts := strings.SplitN(fields[2], ".", 3)
	if len(parts) < 2 {
		return false
	}
	a, _ := strconv.Atoi(parts[0])
	b, _ := strconv.Atoi(parts[1])
	return a > major || a == major && b >= minor
}

func (r *gitRunner) command(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command(r.git, args...)
	cmd.Dir = dir
	cmd.Env = r.env
	return cmd
}

// run executes git and returns its output; the error carries git's own words.
func (r *gitRunner) run(dir string, stdin []byte, args ...string) ([]byte, error) {
	cmd := r.command(dir, args...)
	if stdin != nil {
		cmd.Stdin = bytes.NewReader(stdin)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("git %s: %w: %s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}

// initBare creates a bare repository, set up so that pushed objects stay
// loose: readers in this process then see them without opening packs. It
// writes the files itself, which saves a process.
func initBare(dir, defaultBranch string) error {
	for _, sub := range []string{"objects/info", "objects/pack", "refs/heads", "refs/tags"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.FromSlash(sub)), 0o755); err != nil {
			return err
		}
	}
	config := "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n\tfsync = none\n\tlogAllRefUpdates = false\n" +
		"[http]\n\treceivepack = true\n[receive]\n\tunpackLimit = 1000000\n\thideRefs = refs/pull\n\tautogc = false\n\tdenyDeleteCurrent = ignore\n" +
		"[fetch]\n\tunpackLimit = 1000000\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n" +
		"[uploadpack]\n\tallowAnySHA1InWant = true\n\tallowFilter = true\n"
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "HEAD"), []byte("ref: refs/heads/"+defaultBranch+"\n"), 0o644)
}
