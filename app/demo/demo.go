// Package demo runs the program's main job on a GitHub and a NetBox that stand in for the real ones, with real input,
// and tells what happens step by step. Everything is embedded: no account, no server, no network, and nothing is
// written outside its data folder.
//
// The App in it is the real one: the same wiring, store, queue and engine as in serve, receiving real webhooks over
// HTTP. What a step claims (commits, requests, diffs, values) is read from the two stand-ins afterwards, never from the
// App itself.
package demo

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/hnp-sync/hnp-sync/app"
	"github.com/hnp-sync/hnp-sync/app/config"
	"github.com/hnp-sync/hnp-sync/gitops/githubtest"
	"github.com/hnp-sync/hnp-sync/netbox"
	"github.com/hnp-sync/hnp-sync/netbox/netboxtest"
	"github.com/hnp-sync/hnp-sync/netbox/provision"
)

// input is a real fabric as people keep it: 48 documents of five kinds in three files.
//
//go:embed input/*.yaml
var input embed.FS

// Names in the demo.
const (
	repository = "acme/network"
	branch     = "main"
	directory  = "gitops/hedgehog/fabric-1"
	fabricName = "fabric-1"
	appSlug    = "hnp-sync"
	appLogin   = appSlug + "[bot]"
	gitUser    = "bob"
	gitToken   = "bob-token"
	appToken   = "nbt_hnpsync00001.demo"
	netboxUser = "alice"
	userToken  = "nbt_alice0000001.demo"
	hookSecret = "demo-webhook-secret"
	apiToken   = "demo-api-token"
)

// Options of Run.
type Options struct {
	// Data is the folder for everything; it must be empty or absent. Empty takes a temporary one, removed at the end.
	Data string
	// Listen is the App's address; empty is 127.0.0.1:0.
	Listen string
	// Once ends after the story; otherwise everything stays up until ctx ends.
	Once bool
	// Out gets the story; nil discards it.
	Out io.Writer
	// Told gets the result as soon as the story is over, while everything is still up; nil for nobody.
	Told func(*Result) error
}

// Result is what happened, as `demo --output json` prints it.
type Result struct {
	OK    bool              `json:"ok"`
	Steps []Step            `json:"steps"`
	URLs  map[string]string `json:"urls"`
}

// Step is one step of the story, counted on the stand-ins.
type Step struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Commits  int    `json:"commits"` // by the App
	Requests Count  `json:"requests"`
	Writes   Count  `json:"writes"`
	Diff     string `json:"diff"` // of the App's commits; cut when long
	Detail   string `json:"detail"`
}

// Count is a number for each side.
type Count struct {
	GitHub int `json:"github"`
	NetBox int `json:"netbox"`
}

// Run plays the story. The error is about the demo itself (a folder, a port); a step that did not hold makes OK false.
func Run(ctx context.Context, o Options) (res *Result, err error) {
	if o.Out == nil {
		o.Out = io.Discard
	}
	dir, cleanup, err := dataFolder(o.Data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cleanup()) }()
	w, err := start(ctx, dir, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.stop()) }()
	w.intro()
	res = w.story(ctx)
	w.summary(res)
	if o.Told != nil {
		if err := o.Told(res); err != nil {
			return res, err
		}
	}
	if o.Once || ctx.Err() != nil {
		return res, nil
	}
	w.invite()
	<-ctx.Done()
	return res, nil
}

// dataFolder makes the folder and says how to take it away again.
func dataFolder(name string) (string, func() error, error) {
	if name == "" {
		dir, err := os.MkdirTemp("", "hnp-sync-demo-")
		return dir, func() error { return os.RemoveAll(dir) }, err
	}
	keep := func() error { return nil }
	entries, err := os.ReadDir(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return name, keep, os.MkdirAll(name, 0o755)
	case err != nil:
		return "", nil, fmt.Errorf("--data: %w", err)
	case len(entries) > 0:
		return "", nil, fmt.Errorf("--data %s is not empty: the story needs an empty folder", name)
	}
	return name, keep, nil
}

// world is everything that runs.
type world struct {
	pullHead string // head of the pull request of the story
	hash     string // of the plan that waits
	out      io.Writer
	github   *githubtest.Server
	netbox   *netboxtest.Server
	conn     *netbox.Connection
	app      *app.App
	log      *os.File
	client   *http.Client
	ended    chan error
	cancel   context.CancelFunc
	base     totals // counters at the start of the step
}

func start(ctx context.Context, dir string, o Options) (w *world, err error) {
	w = &world{out: o.Out, client: &http.Client{Timeout: 10 * time.Second}}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.stop())
		}
	}()
	if err := w.startGitHub(dir); err != nil {
		return w, fmt.Errorf("start the GitHub stand-in: %w", err)
	}
	if err := w.startNetBox(dir); err != nil {
		return w, fmt.Errorf("start the NetBox stand-in: %w", err)
	}
	return w, w.startApp(ctx, dir, o.Listen)
}

func (w *world) startGitHub(dir string) error {
	files := map[string]string{
		"README.md":             "# The network of acme\n",
		".github/hnp-sync.yaml": "version: 1\nfabrics:\n  - name: " + fabricName + "\n    directory: " + directory + "\n",
	}
	entries, err := input.ReadDir("input")
	if err != nil {
		return err
	}
	for _, e := range entries {
		data, err := input.ReadFile("input/" + e.Name())
		if err != nil {
			return err
		}
		files[directory+"/"+e.Name()] = string(data)
	}
	w.github, err = githubtest.New(githubtest.Options{Dir: filepath.Join(dir, "github"), Seed: &githubtest.Seed{
		Tokens: map[string]githubtest.SeedToken{gitToken: {Login: gitUser}},
		GitHub: githubtest.SeedGitHub{
			Users: []githubtest.SeedUser{{Login: gitUser, Name: "Bob", Email: "bob@example.com"}},
			Orgs:  []githubtest.SeedOrg{{Login: "acme"}},
			Repos: []githubtest.SeedRepo{{Owner: "acme", Name: "network", DefaultBranch: branch, Files: files}},
			Apps: []githubtest.SeedApp{{AppID: 1, Slug: appSlug, Name: "hnp-sync",
				Permissions:   map[string]string{"metadata": "read", "contents": "write", "checks": "write", "pull_requests": "write", "issues": "write"},
				Events:        []string{"push", "pull_request", "issue_comment", "check_run", "check_suite", "merge_group", "repository"},
				Installations: []githubtest.SeedInstallation{{Account: "acme"}}}},
		},
	}})
	if err != nil {
		return err
	}
	if err := w.github.SetPermission(repository, gitUser, "write"); err != nil {
		return err
	}
	return w.github.Start("127.0.0.1:0")
}

func (w *world) startNetBox(dir string) (err error) {
	w.netbox, err = netboxtest.New(netboxtest.Options{Dir: filepath.Join(dir, "netbox"), Seed: &netboxtest.Seed{
		Tokens:  map[string]netboxtest.SeedToken{appToken: {Username: appSlug}, userToken: {Username: netboxUser}},
		Fabrics: []netboxtest.SeedFabric{{ID: 1, Name: fabricName}},
	}})
	if err != nil {
		return err
	}
	return w.netbox.Start("127.0.0.1:0")
}

// startApp writes the configuration a user would write, starts the App with it, and points both sides' webhooks at it.
func (w *world) startApp(ctx context.Context, dir, listen string) error {
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	key, err := w.github.PrivateKey(appSlug)
	if err != nil {
		return err
	}
	for name, data := range map[string]string{"app.pem": string(key), "hook": hookSecret, "netbox-token": appToken, "token": apiToken} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			return err
		}
	}
	file := filepath.Join(dir, "hnp-sync.yaml")
	text := fmt.Sprintf(`listen: %s
database: sqlite:state.db
api_token_file: token
github: {app_id: 1, private_key_file: app.pem, webhook_secret_files: [hook], base_url: %s/api/v3}
netbox:
  - {name: default, url: %s, token_file: netbox-token, webhook_secret_files: [hook]}
repositories:
  - {match: acme/*, netbox: [default]}
intervals: {poll: 60s, full_compare: 15m, debounce: 100ms}
people: {alice: "Alice Ng <alice@example.com>"}
`, listen, w.github.URL(), w.netbox.URL())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	holder, err := config.NewHolder(file, nil)
	if err != nil {
		return err
	}
	if w.log, err = os.Create(filepath.Join(dir, "hnp-sync.log")); err != nil {
		return err
	}
	redactor := app.NewRedactor(w.log)
	// No pause between writes: the stand-in has no secondary limits.
	w.app, err = app.New(ctx, app.Options{Config: holder, Redactor: redactor, Log: app.NewLogger(redactor, zap.InfoLevel), WriteSpacing: -1})
	if err != nil {
		return err
	}
	if err := w.github.SetWebhook(appSlug, w.app.URL()+"/webhooks/github", hookSecret); err != nil {
		return err
	}
	w.conn, err = netbox.Dial(netbox.Config{Name: "default", URL: w.netbox.URL(), Token: userToken})
	if err != nil {
		return err
	}
	if _, err := provision.Webhook(ctx, provision.Options{Connection: w.conn, Name: appSlug, PayloadURL: w.app.URL() + "/webhooks/netbox/default", Secret: hookSecret}); err != nil {
		return err
	}
	w.begin()
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w.cancel, w.ended = cancel, make(chan error, 1)
	go func() { w.ended <- w.app.Run(run) }()
	return nil
}

// stop ends everything in the order a user would.
func (w *world) stop() error {
	var errs []error
	if w.cancel != nil {
		w.cancel()
		errs = append(errs, <-w.ended)
	}
	if w.conn != nil {
		w.conn.Close()
	}
	w.client.CloseIdleConnections()
	if w.netbox != nil {
		errs = append(errs, w.netbox.Close())
	}
	if w.github != nil {
		errs = append(errs, w.github.Close())
	}
	if w.log != nil {
		errs = append(errs, w.log.Close())
	}
	return errors.Join(errs...)
}
