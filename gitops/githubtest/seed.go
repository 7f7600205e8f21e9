package githubtest

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// Seed is the initial content of the stand-in: accounts, repositories, Apps
// and the tokens of people. Files named in it are relative to Dir. Accounts
// that are only mentioned (a token's login, an owner) are created.
type Seed struct {
	// Tokens: token → the person it belongs to.
	Tokens map[string]SeedToken `json:"tokens,omitempty"`
	GitHub SeedGitHub           `json:"github"`
	// Dir is the folder relative paths start from; empty: the working directory.
	Dir string `json:"-"`
}

// SeedToken is a personal access token. Scopes absent means every scope; an
// empty list means none (public data only).
type SeedToken struct {
	Login  string   `json:"login"`
	Scopes []string `json:"scopes,omitempty"`
}

// SeedGitHub is the content of the site.
type SeedGitHub struct {
	Users []SeedUser `json:"users,omitempty"`
	Orgs  []SeedOrg  `json:"orgs,omitempty"`
	Repos []SeedRepo `json:"repos,omitempty"`
	Apps  []SeedApp  `json:"apps,omitempty"`
}

// SeedUser is a person.
type SeedUser struct {
	Login string `json:"login"`
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

// SeedOrg is an organization. Members maps logins to their permission on the
// organization's repositories (read, triage, write, maintain, admin); without
// it every user is a member with admin rights.
type SeedOrg struct {
	Login   string            `json:"login"`
	Members map[string]string `json:"members,omitempty"`
	// Teams maps a team's slug to the logins of its members.
	Teams map[string][]string `json:"teams,omitempty"`
}

// SeedRepo is a repository. From is a folder: with a .git it is cloned,
// without one its content becomes one commit, a bare repository is copied.
// AutoInit makes a first commit with a README. Neither: empty.
type SeedRepo struct {
	Owner         string            `json:"owner"`
	Name          string            `json:"name"`
	Private       bool              `json:"private,omitempty"`
	AutoInit      bool              `json:"auto_init,omitempty"`
	DefaultBranch string            `json:"default_branch,omitempty"` // default: main
	From          string            `json:"from,omitempty"`
	Description   string            `json:"description,omitempty"`
	Collaborators map[string]string `json:"collaborators,omitempty"`
	// Files become the first commit, path → content; an alternative to From
	// for programs that seed in memory.
	Files map[string]string `json:"files,omitempty"`
}

// SeedApp is a GitHub App. Without PrivateKey (PEM, PKCS#1 or PKCS#8) and
// PrivateKeyFile a key is generated into <data>/apps/<slug>.pem.
type SeedApp struct {
	AppID          int64              `json:"app_id,omitempty"`
	Slug           string             `json:"slug,omitempty"`
	Name           string             `json:"name,omitempty"`
	PrivateKey     string             `json:"private_key,omitempty"`
	PrivateKeyFile string             `json:"private_key_file,omitempty"`
	Permissions    map[string]string  `json:"permissions,omitempty"`
	Events         []string           `json:"events,omitempty"`
	WebhookURL     string             `json:"webhook_url,omitempty"`
	WebhookSecret  string             `json:"webhook_secret,omitempty"`
	Installations  []SeedInstallation `json:"installations,omitempty"`
}

// SeedInstallation installs the App on an account.
type SeedInstallation struct {
	InstallationID      int64    `json:"installation_id,omitempty"`
	Account             string   `json:"account"`
	RepositorySelection string   `json:"repository_selection,omitempty"` // all (default) | selected
	Repositories        []string `json:"repositories,omitempty"`         // owner/name
}

// ParseSeed reads a seed from YAML or JSON. Unknown keys are errors.
func ParseSeed(src []byte) (*Seed, error) {
	if len(bytes.TrimSpace(src)) == 0 {
		return &Seed{}, nil
	}
	var seed Seed
	if err := yaml.UnmarshalStrict(src, &seed); err != nil {
		return nil, err
	}
	return &seed, nil
}

func (seed *Seed) path(p string) string {
	if filepath.IsAbs(p) || seed.Dir == "" {
		return p
	}
	return filepath.Join(seed.Dir, p)
}

// applySeed fills an empty state. Errors name the entry.
func (s *Server) applySeed(seed *Seed) error {
	for _, u := range seed.GitHub.Users {
		if u.Login == "" || s.accountByLogin(u.Login) != nil {
			return fmt.Errorf("seed: github.users: login %q is empty or given twice", u.Login)
		}
		a := s.addAccount(u.Login, typeUser)
		a.Name, a.Email = u.Name, u.Email
	}
	for _, o := range seed.GitHub.Orgs {
		if o.Login == "" || s.accountByLogin(o.Login) != nil {
			return fmt.Errorf("seed: github.orgs: login %q is empty or given twice", o.Login)
		}
		a := s.addAccount(o.Login, typeOrg)
		a.Members, a.Teams = o.Members, o.Teams
	}
	tokens := make([]string, 0, len(seed.Tokens))
	for token := range seed.Tokens {
		tokens = append(tokens, token)
	}
	for _, token := range sorted(tokens) {
		t := seed.Tokens[token]
		if t.Login == "" {
			return errors.New("seed: tokens: a token has no login")
		}
		if s.accountByLogin(t.Login) == nil {
			s.addAccount(t.Login, typeUser)
		}
		id := s.newID()
		s.tokens.put(id, &tokenRow{ID: id, Token: token, Login: t.Login, Scopes: t.Scopes})
	}
	for i, r := range seed.GitHub.Repos {
		if err := s.seedRepo(seed, r); err != nil {
			return fmt.Errorf("seed: github.repos[%d] %s/%s: %w", i, r.Owner, r.Name, err)
		}
	}
	for i, a := range seed.GitHub.Apps {
		if err := s.seedApp(seed, a); err != nil {
			return fmt.Errorf("seed: github.apps[%d] %s: %w", i, cmp.Or(a.Slug, a.Name), err)
		}
	}
	return nil
}

func (s *Server) addAccount(login, kind string) *accountRow {
	a := &accountRow{ID: s.newID(), Login: login, Type: kind}
	s.accounts.put(a.ID, a)
	return a
}

func (s *Server) seedRepo(seed *Seed, in SeedRepo) error {
	if !validName(in.Owner) || !validName(in.Name) {
		return errors.New("owner and name must be set, of letters, digits, '.', '-' and '_'")
	}
	if r, former := s.repoByName(in.Owner, in.Name); r != nil && !former {
		return errors.New("given twice")
	}
	owner := s.accountByLogin(in.Owner)
	if owner == nil {
		owner = s.addAccount(in.Owner, typeOrg)
	}
	now := s.now()
	r := &repoRow{ID: s.newID(), OwnerID: owner.ID, Name: in.Name, Private: in.Private, Description: in.Description,
		DefaultBranch: cmp.Or(in.DefaultBranch, "main"), Collaborators: in.Collaborators, NextNumber: 1,
		CreatedAt: now, PushedAt: now, UpdatedAt: now}
	s.repos.put(r.ID, r)
	dir := s.repoDir(r)
	if !validRef("refs/heads/" + r.DefaultBranch) {
		return fmt.Errorf("default_branch %q is no branch name", r.DefaultBranch)
	}
	if err := initBare(dir, r.DefaultBranch); err != nil {
		return err
	}
	g := s.gitRepo(r)
	author := signature{name: owner.commitName(), email: owner.commitEmail(), when: now}
	switch {
	case in.From != "":
		return s.seedFrom(r, g, seed.path(in.From), author)
	case len(in.Files) > 0:
		edits := map[string]treeEdit{}
		for path, content := range in.Files {
			if !validPath(path) {
				return fmt.Errorf("files: bad path %q", path)
			}
			oid, err := g.write(kindBlob, []byte(content))
			if err != nil {
				return err
			}
			edits[path] = treeEdit{modeFile, oid}
		}
		return firstCommit(r, g, edits, author)
	case in.AutoInit:
		oid, err := g.write(kindBlob, []byte("# "+r.Name))
		if err != nil {
			return err
		}
		return firstCommit(r, g, map[string]treeEdit{"README.md": {modeFile, oid}}, author)
	}
	return nil
}

func firstCommit(r *repoRow, g *gitRepo, edits map[string]treeEdit, author signature) error {
	tree, err := g.editTree("", edits)
	if err != nil {
		return err
	}
	c := commit{tree: tree, author: author, committer: author, message: "Initial commit"}
	oid, err := g.write(kindCommit, c.format())
	if err != nil {
		return err
	}
	return g.setRef("refs/heads/"+r.DefaultBranch, oid)
}

func (s *Server) seedFrom(r *repoRow, g *gitRepo, from string, author signature) error {
	from, err := filepath.Abs(from)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return fmt.Errorf("from: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("from: %s is not a folder", from)
	}
	_, errDot := os.Stat(filepath.Join(from, ".git"))
	_, errBare := os.Stat(filepath.Join(from, "HEAD"))
	if errDot == nil || errBare == nil {
		if _, err := s.git.run(g.dir, nil, "fetch", "--quiet", "--no-write-fetch-head", from, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"); err != nil {
			return fmt.Errorf("from: %w", err)
		}
		if _, ok, err := g.ref("refs/heads/" + r.DefaultBranch); err != nil || !ok {
			return errors.Join(fmt.Errorf("from: %s has no branch %s", from, r.DefaultBranch), err)
		}
		return nil
	}
	edits := map[string]treeEdit{}
	err = filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var data []byte
		mode := modeFile
		switch {
		case info.Mode()&os.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			mode, data = modeSymlink, []byte(target)
		case info.Mode().IsRegular():
			if info.Mode()&0o111 != 0 {
				mode = modeExec
			}
			if data, err = os.ReadFile(path); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%s is neither a file nor a symbolic link", path)
		}
		oid, err := g.write(kindBlob, data)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		edits[filepath.ToSlash(rel)] = treeEdit{mode, oid}
		return err
	})
	if err != nil {
		return fmt.Errorf("from: %w", err)
	}
	return firstCommit(r, g, edits, author)
}

func (s *Server) seedApp(seed *Seed, in SeedApp) error {
	slug := cmp.Or(in.Slug, strings.ReplaceAll(strings.ToLower(in.Name), " ", "-"))
	if !validName(slug) {
		return errors.New("slug or name must be set")
	}
	for _, a := range s.apps.rows {
		if a.Slug == slug || in.AppID != 0 && a.ID == in.AppID {
			return errors.New("slug or app_id given twice")
		}
	}
	key, err := s.seedKey(seed, slug, in)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return err
	}
	a := &appRow{ID: in.AppID, Slug: slug, Name: cmp.Or(in.Name, slug), Permissions: in.Permissions, Events: in.Events,
		WebhookURL: in.WebhookURL, WebhookSecret: in.WebhookSecret, CreatedAt: s.now(),
		PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))}
	if a.ID == 0 {
		a.ID = s.newID()
	}
	a.ClientID = fmt.Sprintf("Iv1.%016x", a.ID)
	a.HookID = s.newID()
	a.BotID = s.addAccount(slug+"[bot]", typeBot).ID
	for i, inst := range in.Installations {
		row, err := s.seedInstallation(a, inst)
		if err != nil {
			return fmt.Errorf("installations[%d]: %w", i, err)
		}
		s.installations.put(row.ID, row)
		if a.OwnerID == 0 {
			a.OwnerID = row.AccountID
		}
	}
	if a.OwnerID == 0 {
		a.OwnerID = s.ghost().ID
	}
	s.apps.put(a.ID, a)
	return nil
}

// ghost is an account that owns what nobody else owns.
func (s *Server) ghost() *accountRow {
	if a := s.accountByLogin("ghost"); a != nil {
		return a
	}
	return s.addAccount("ghost", typeUser)
}

func (s *Server) seedInstallation(a *appRow, in SeedInstallation) (*installationRow, error) {
	if in.Account == "" {
		return nil, errors.New("account is missing")
	}
	account := s.accountByLogin(in.Account)
	if account == nil {
		account = s.addAccount(in.Account, typeOrg)
	}
	selection := in.RepositorySelection
	if selection == "" {
		selection = "all"
		if len(in.Repositories) > 0 {
			selection = "selected"
		}
	}
	row := &installationRow{ID: in.InstallationID, AppID: a.ID, AccountID: account.ID, Selection: selection,
		Permissions: a.Permissions, Events: a.Events, CreatedAt: s.now()}
	if row.Selection != "all" && row.Selection != "selected" {
		return nil, fmt.Errorf("repository_selection %q: must be all or selected", row.Selection)
	}
	if row.ID == 0 {
		row.ID = s.newID()
	}
	if s.installations.rows[row.ID] != nil {
		return nil, fmt.Errorf("installation_id %d given twice", row.ID)
	}
	if row.Selection == "selected" {
		for _, full := range in.Repositories {
			r := s.repoByFullName(full)
			if r == nil || r.OwnerID != account.ID {
				return nil, fmt.Errorf("repositories: %q is no repository of %s", full, account.Login)
			}
			row.Repositories = append(row.Repositories, r.ID)
		}
	}
	return row, nil
}

func (s *Server) seedKey(seed *Seed, slug string, in SeedApp) (*rsa.PublicKey, error) {
	src := []byte(in.PrivateKey)
	if in.PrivateKeyFile != "" {
		var err error
		if src, err = os.ReadFile(seed.path(in.PrivateKeyFile)); err != nil {
			return nil, fmt.Errorf("private_key_file: %w", err)
		}
	}
	if len(src) == 0 {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		src = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
		path := filepath.Join(s.dir, "apps", slug+".pem")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, src, 0o600); err != nil {
			return nil, err
		}
	}
	s.keys[slug] = src
	block, _ := pem.Decode(src)
	if block == nil {
		return nil, errors.New("private_key: no PEM block")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return &key.PublicKey, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("private_key: neither PKCS#1 nor PKCS#8: %w", err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("private_key: not an RSA key")
	}
	return &key.PublicKey, nil
}

func validName(s string) bool {
	if s == "" || s == "." || s == ".." || len(s) > 100 {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.' {
			return false
		}
	}
	return !strings.HasSuffix(s, ".git")
}
