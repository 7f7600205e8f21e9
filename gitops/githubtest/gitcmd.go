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
)

// gitRunner starts git in an environment of its own: a user's signing key,
// hooks, URL rewrites, proxy or global configuration must not reach it
// (facts on GitHub stand-ins: each of these broke a first command).
type gitRunner struct {
	git      string
	execPath string
	env      []string
}

// newGitRunner finds git, checks that it is new enough for merge-tree
// (2.38) and has http-backend, and says what is missing otherwise.
func newGitRunner(home string) (*gitRunner, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, errors.New("the GitHub stand-in needs git 2.38 or newer in PATH: " + err.Error())
	}
	r := &gitRunner{git: git, env: []string{
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
	}}
	version, err := r.run("", nil, "version")
	if err != nil {
		return nil, err
	}
	if !gitAtLeast(string(version), 2, 38) {
		return nil, fmt.Errorf("the GitHub stand-in needs git 2.38 or newer, found %q", strings.TrimSpace(string(version)))
	}
	path, err := r.run("", nil, "--exec-path")
	if err != nil {
		return nil, err
	}
	r.execPath = strings.TrimSpace(string(path))
	if _, err := os.Stat(filepath.Join(r.execPath, "git-http-backend")); err != nil {
		return nil, fmt.Errorf("git has no http-backend (package git, not git-minimal): %w", err)
	}
	return r, nil
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

// initBare creates a bare repository set up so that pushed objects stay
// loose: readers in this process then see them without opening packs.
func (r *gitRunner) initBare(dir, defaultBranch string) error {
	if _, err := r.run("", nil, "init", "--quiet", "--bare", "--template=", "--initial-branch="+defaultBranch, dir); err != nil {
		return err
	}
	config := "[http]\n\treceivepack = true\n[receive]\n\tunpackLimit = 1000000\n\tautogc = false\n\tdenyDeleteCurrent = ignore\n" +
		"[fetch]\n\tunpackLimit = 1000000\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[core]\n\tfsync = none\n\tlogAllRefUpdates = false\n" +
		"[uploadpack]\n\tallowAnySHA1InWant = true\n\tallowFilter = true\n"
	f, err := os.OpenFile(filepath.Join(dir, "config"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(config)
	return errors.Join(err, f.Close())
}
