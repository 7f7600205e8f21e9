package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hnp-sync/hnp-sync/app/config"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/gitops/repo"
	"github.com/hnp-sync/hnp-sync/manifests"
	"github.com/hnp-sync/hnp-sync/netbox"
)

// Levels of a Finding.
const (
	OK      = "ok"
	Warning = "warning"
	Error   = "error"
)

// Finding is one thing that was looked at. Texts of GitHub and NetBox in it are cut and free of control characters.
type Finding struct {
	Level   string `json:"level"`            // ok, warning or error
	Subject string `json:"subject"`          // "github", "repository acme/fabrics", "netbox default", ...
	Message string `json:"message"`          // what was found
	Advice  string `json:"advice,omitempty"` // what to do; empty when ok
}

// GitHub is the App as the doctor asks it; Access implements it.
type GitHub interface {
	Identity(ctx context.Context) (repo.Identity, error)
	Installations(ctx context.Context) ([]repo.Installation, error)
	Repositories(ctx context.Context, installationID int64) ([]repo.RepositoryInfo, error)
	ReadConfig(ctx context.Context, ref repo.Ref, branch string) (repo.ConfigFile, error)
	// Directory tells whether a directory exists on a branch. gitops.ErrBranchMissing when the branch does not.
	Directory(ctx context.Context, ref repo.Ref, branch, directory string) (bool, error)
	// Protected tells whether a branch has protection rules.
	Protected(ctx context.Context, ref repo.Ref, branch string) (bool, error)
	// Skew is how far this machine's clock is ahead of GitHub's; false when GitHub has not answered yet.
	Skew() (time.Duration, bool)
}

// NetBox is one connection; *netbox.Connection implements it.
type NetBox interface {
	Status(ctx context.Context) (netbox.Status, error)
	Fabrics(ctx context.Context) ([]netbox.FabricInfo, error)
	Capabilities(ctx context.Context) (*gitops.Capabilities, error)
}

var _ NetBox = (*netbox.Connection)(nil)

// maxSkew is what GitHub accepts of a signature's date, with room: signatures are dated 30 s back and end 2 min later.
const (
	warnSkew = 10 * time.Second
	maxSkew  = 25 * time.Second
)

// Doctor looks at everything a configuration names. It changes nothing.
type Doctor struct {
	Config   *config.Config
	Manifest Manifest
	GitHub   GitHub // nil for a personal access token
	NetBox   map[string]NetBox

	findings []Finding
	fabrics  map[string][]string // connection → names, for those that answered
}

func (d *Doctor) add(level, subject, advice, format string, args ...any) {
	d.findings = append(d.findings, Finding{level, subject, plain(fmt.Sprintf(format, args...)), plain(advice)})
}

// plain cuts a text and replaces what could steer a terminal.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || (r >= 0x7f && r < 0xa0) || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 600 {
		return string(r[:600]) + "…"
	}
	return s
}

// Examine runs every check, in a fixed order. A check that fails ends no other that can do without it.
func (d *Doctor) Examine(ctx context.Context) []Finding {
	d.findings, d.fabrics = nil, map[string][]string{}
	d.configuration()
	for _, n := range d.Config.NetBox {
		d.netbox(ctx, n.Name, d.NetBox[n.Name])
	}
	if d.GitHub != nil {
		d.github(ctx)
	}
	return d.findings
}

func (d *Doctor) configuration() {
	c := d.Config
	d.add(OK, "configuration", "", "%s is valid", c.File)
	for _, p := range c.Unserved() {
		d.add(Error, "configuration", "serve refuses this key: remove it", "%s: %s", p.Key, p.Message)
	}
	if c.PublicURL == "" {
		d.add(Warning, "configuration", "set public_url", "public_url is not set: texts on GitHub cannot link to this server")
	}
	path := strings.TrimPrefix(c.Database, "sqlite:")
	if err := writable(path); err != nil {
		d.add(Error, "database", "give the server's user the right to write there, or change database", "%s", err)
	} else {
		d.add(OK, "database", "", "%s can be written", path)
	}
}

// writable opens the file, or makes one beside where it will be and removes it again. SQLite needs the folder too.
func writable(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case err == nil:
		err = f.Close()
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err != nil {
		return err
	}
	probe, err := os.CreateTemp(filepath.Dir(path), ".hnp-sync-*")
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

func (d *Doctor) netbox(ctx context.Context, name string, nb NetBox) {
	subject := "netbox " + name
	status, err := nb.Status(ctx)
	if err != nil {
		advice := "check netbox.url and the network from this machine"
		var refused *netbox.StatusError
		if errors.As(err, &refused) && (refused.Status == 401 || refused.Status == 403) {
			advice = "make a new token in NetBox and put it into the token_file of this connection"
		}
		d.add(Error, subject, advice, "%s", err)
		return
	}
	d.add(OK, subject, "", "NetBox %s answers and takes the token", status.Version)
	if status.Workers == 0 {
		d.add(Warning, subject, "start NetBox's rqworker", "no background worker runs, so NetBox sends no webhooks: edits are found by polling alone")
	}
	list, err := nb.Fabrics(ctx)
	if err != nil {
		d.add(Error, subject, "see docs/netbox.md for the rights the token's user needs", "the fabrics cannot be listed: %s", err)
	} else {
		names := []string{}
		for _, f := range list {
			names = append(names, f.Name)
		}
		d.fabrics[name] = names
		d.add(OK, subject, "", "%d fabrics", len(list))
	}
	caps, err := nb.Capabilities(ctx)
	if err != nil {
		d.add(Error, subject, "see docs/netbox.md for the rights the token's user needs", "what it can do cannot be found out: %s", err)
		return
	}
	if !caps.ChangeLog {
		d.add(Warning, subject, "grant the token's user view on core.objectchange", "the change log cannot be read: who edited what is not known, and deletes have no proof")
	}
	// Kinds with the same limits share a line.
	var reasons []gitops.KindCapability
	kinds := map[string][]string{}
	for _, kind := range slices.Sorted(maps.Keys(caps.Kinds)) {
		k := caps.Kinds[kind]
		if k.Reason == "" {
			continue
		}
		reason := strings.ReplaceAll(k.Reason, kind, "it")
		if kinds[reason] == nil {
			reasons = append(reasons, gitops.KindCapability{Reason: reason, Workaround: strings.ReplaceAll(k.Workaround, kind, "it"), Read: k.Read})
		}
		kinds[reason] = append(kinds[reason], kind)
	}
	for _, r := range reasons {
		d.add(Warning, subject, r.Workaround, "%s: %s", strings.Join(kinds[r.Reason], ", "), r.Reason)
	}
}

func (d *Doctor) github(ctx context.Context) {
	id, err := d.GitHub.Identity(ctx)
	d.clock()
	if err != nil {
		d.add(Error, "github", "check github.app_id, github.private_key_file (a key of this very App) and github.base_url", "GitHub does not accept App %d with this key: %s", d.Config.GitHub.AppID, err)
		return
	}
	d.add(OK, "github", "", "App %d is %s, and the key fits", id.ID, id.Slug)
	installations, err := d.GitHub.Installations(ctx)
	if err != nil {
		d.add(Error, "github", "try again later", "the installations cannot be listed: %s", err)
		return
	}
	if len(installations) == 0 {
		d.add(Warning, "github", "install the App on a repository: its page on GitHub, Install App", "the App is installed nowhere")
	}
	slices.SortFunc(installations, func(a, b repo.Installation) int { return strings.Compare(a.Account, b.Account) })
	for _, i := range installations {
		d.installation(ctx, i)
	}
}

func (d *Doctor) clock() {
	skew, known := d.GitHub.Skew()
	if !known {
		return
	}
	switch size := skew.Abs().Round(time.Second); {
	case size > maxSkew:
		d.add(Error, "clock", "synchronise the clock (NTP)", "this machine's clock is %s from GitHub's, which refuses signatures that are off by so much", skew.Round(time.Second))
	case size > warnSkew:
		d.add(Warning, "clock", "synchronise the clock (NTP)", "this machine's clock is %s from GitHub's", skew.Round(time.Second))
	default:
		d.add(OK, "clock", "", "agrees with GitHub's")
	}
}

func (d *Doctor) installation(ctx context.Context, i repo.Installation) {
	subject := "installation " + i.Account
	if i.Suspended {
		d.add(Warning, subject, "an owner of the account unsuspends it in the settings, Installed GitHub Apps", "is suspended: nothing is synchronised")
		return
	}
	want := maps.Clone(d.Manifest.Permissions)
	if len(d.Config.Commands.Teams) == 0 {
		delete(want, "members")
	}
	if lacks := missing(want, i.Permissions); len(lacks) > 0 {
		level := Warning
		if rank[i.Permissions["contents"]] < rank["read"] || rank[i.Permissions["metadata"]] < rank["read"] {
			level = Error
		}
		d.add(level, subject, "add them on the App's page, Permissions, then an owner of the account accepts them in the settings, Installed GitHub Apps",
			"lacks the permissions %s: what needs them does not work, the rest does", strings.Join(lacks, ", "))
	} else {
		d.add(OK, subject, "", "has all permissions")
	}
	list, err := d.GitHub.Repositories(ctx, i.ID)
	if err != nil {
		d.add(Error, subject, "try again later", "the repositories cannot be listed: %s", err)
		return
	}
	slices.SortFunc(list, func(a, b repo.RepositoryInfo) int { return strings.Compare(a.Owner+"/"+a.Name, b.Owner+"/"+b.Name) })
	for _, r := range list {
		d.repository(ctx, i, r)
	}
}

func (d *Doctor) repository(ctx context.Context, i repo.Installation, r repo.RepositoryInfo) {
	subject := "repository " + r.Owner + "/" + r.Name
	allowed := d.Config.Allowed(r.Owner, r.Name)
	switch {
	case r.Archived:
		d.add(Warning, subject, "unarchive it, or remove it from the installation", "is archived: nothing can be written")
		return
	case len(allowed) == 0:
		d.add(Warning, subject, "add it to repositories in the configuration, or remove it from the installation", "no entry of repositories matches it: it is left alone")
		return
	}
	ref := repo.Ref{InstallationID: i.ID, RepositoryID: r.ID, Owner: r.Owner, Name: r.Name}
	file, err := d.GitHub.ReadConfig(ctx, ref, "")
	switch {
	case errors.Is(err, gitops.ErrBranchMissing):
		d.add(Warning, subject, "push a commit", "is empty")
		return
	case err != nil:
		d.add(Error, subject, "correct what the message says, or try again later", "%s", err)
		return
	case file.Path == "":
		d.add(Warning, subject, "add .github/hnp-sync.yaml to "+file.DefaultBranch+" (docs/configuration.md)", "has no configuration")
		return
	}
	fabrics, problems := gitops.ParseConfig(file.Path, file.Data)
	for _, p := range problems {
		d.add(level(p), subject, "correct it on "+file.DefaultBranch, "%s:%d:%d: %s [%s]", file.Path, p.StartLine, p.StartColumn, p.Message, p.Code)
	}
	for _, f := range fabrics {
		d.fabric(ctx, ref, subject, file.DefaultBranch, allowed, f)
	}
}

func level(p manifests.Diagnostic) string {
	if p.Severity == manifests.SeverityError {
		return Error
	}
	return Warning
}

func (d *Doctor) fabric(ctx context.Context, ref repo.Ref, subject, branch string, allowed []string, f gitops.Fabric) {
	before := len(d.findings)
	if f.Branch != "" {
		branch = f.Branch
	}
	if !slices.Contains(allowed, f.NetBox) {
		d.add(Error, subject, "allow it in repositories of the server's configuration, or change netbox: of the fabric", "fabric %s wants the NetBox connection %q, which this repository may not use", f.Name, f.NetBox)
	} else if names, ok := d.fabrics[f.NetBox]; ok && !f.Create && !slices.Contains(names, f.Name) {
		d.add(Error, subject, "create it in NetBox, correct name:, or set create: true", "fabric %s does not exist in NetBox %s", f.Name, f.NetBox)
	}
	exists, err := d.GitHub.Directory(ctx, ref, branch, f.Directory)
	switch {
	case errors.Is(err, gitops.ErrBranchMissing):
		d.add(Error, subject, "push it, or correct branch:", "fabric %s: there is no branch %s", f.Name, branch)
		return
	case err != nil:
		d.add(Error, subject, "try again later", "fabric %s: %s", f.Name, err)
	case !exists:
		d.add(Warning, subject, "nothing, when the fabric is new: the directory is created; else correct directory:", "fabric %s: %s has no directory %s", f.Name, branch, f.Directory)
	}
	if f.Mode == gitops.ModeCommit {
		protected, err := d.GitHub.Protected(ctx, ref, branch)
		switch {
		case err != nil:
			d.add(Warning, subject, "try again later", "fabric %s: whether %s is protected cannot be found out: %s", f.Name, branch, err)
		case protected:
			d.add(Warning, subject, "let the App push to it in the rules of the branch, or have edits come as pull requests (mode: pull_request)",
				"fabric %s: the branch %s is protected, so commits of the App may be refused", f.Name, branch)
		}
	}
	if len(d.findings) == before {
		d.add(OK, subject, "", "fabric %s: configuration, branch %s and directory %s are in order", f.Name, branch, f.Directory)
	}
}
