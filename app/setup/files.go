package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Names of the files beside the configuration.
const (
	KeyFile    = "app.pem"
	SecretFile = "github-webhook-secret"
)

// Files is where the App's key, webhook secret and configuration go.
type Files struct {
	Config string // path of the configuration; the other two stand beside it
	Force  bool   // replace existing key and secret files; a github: section is never replaced
}

// Place is what an existing configuration says; the zero value when there is none.
type Place struct {
	Exists    bool
	HasGitHub bool
	PublicURL string
	src       []byte
	mode      fs.FileMode
}

func (f Files) beside(name string) string { return filepath.Join(filepath.Dir(f.Config), name) }

// Look reads the configuration and checks that the App could be saved. It is asked before the App is created, because
// GitHub hands out the key only once.
func (f Files) Look() (Place, error) {
	var p Place
	src, err := os.ReadFile(f.Config)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return p, fmt.Errorf("read configuration: %w", err)
	default:
		info, err := os.Stat(f.Config)
		if err != nil {
			return p, err
		}
		p.Exists, p.src, p.mode = true, src, info.Mode().Perm()
		var keys map[string]yaml.Node
		if err := yaml.Unmarshal(src, &keys); err != nil {
			return p, fmt.Errorf("%s is not a YAML mapping: %w", f.Config, err)
		}
		_, p.HasGitHub = keys["github"]
		if n, ok := keys["public_url"]; ok {
			p.PublicURL = strings.TrimRight(n.Value, "/")
		}
	}
	if !f.Force {
		for _, name := range []string{KeyFile, SecretFile} {
			if _, err := os.Lstat(f.beside(name)); !errors.Is(err, fs.ErrNotExist) {
				return p, fmt.Errorf("%s exists already: move it away, or give --force to replace it", f.beside(name))
			}
		}
	}
	if p.HasGitHub && !f.Force {
		return p, fmt.Errorf("%s has a github: section already, which is not changed. Remove it and start again, or give another --config, or give --force to get the key files and these lines to paste:\n%s",
			f.Config, Lines("THE-NEW-ID", "https://api.github.com"))
	}
	probe, err := os.CreateTemp(filepath.Dir(f.Config), ".hnp-sync-*")
	if err != nil {
		return p, fmt.Errorf("the folder of %s cannot be written: %w", f.Config, err)
	}
	return p, errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// Lines are the github: section of the configuration.
func Lines(appID, api string) string {
	out := "github:\n  app_id: " + appID + "\n  private_key_file: " + KeyFile + "\n  webhook_secret_files: [" + SecretFile + "]\n"
	if api != "https://api.github.com" {
		out += "  base_url: " + api + "\n"
	}
	return out
}

// Save writes the key, the secret and the configuration. paste is not empty when the configuration was left alone and
// the lines must be put into it by hand. After an error what was written stays: it may be the only copy of the key.
func (f Files) Save(app App, publicURL, api string) (paste string, err error) {
	for name, content := range map[string]string{KeyFile: strings.TrimSpace(app.PEM) + "\n", SecretFile: app.WebhookSecret + "\n"} {
		if err := replace(f.beside(name), []byte(content), 0o600, f.Force); err != nil {
			return "", fmt.Errorf("save %s: %w: generate another key on the App's page", name, err)
		}
	}
	lines := Lines(strconv.FormatInt(app.ID, 10), api)
	p, err := Files{Config: f.Config, Force: true}.Look() // it may have changed while the browser was open
	if err != nil || p.HasGitHub {
		return lines, nil // the lines are the way round
	}
	text := string(p.src)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	if !p.Exists {
		text = "# docs/configuration.md lists the keys. Still to do: netbox and repositories.\nlisten: 127.0.0.1:8080\ndatabase: sqlite:state.db\n"
		p.mode = 0o644
	}
	if p.PublicURL == "" {
		text += "public_url: " + publicURL + "\n"
	}
	text += lines
	if !p.Exists {
		text += "# netbox:\n#   - {name: default, url: https://netbox.example.net, token_file: netbox-token, webhook_secret_files: [netbox-secret]}\n" +
			"# repositories:\n#   - {match: acme/*, netbox: [default]}\n"
	}
	var check map[string]yaml.Node
	if yaml.Unmarshal([]byte(text), &check) != nil || check["github"].Kind != yaml.MappingNode {
		return lines, nil // a file in flow style or with an end marker: lines cannot be appended
	}
	if err := replace(f.Config, []byte(text), p.mode, p.Exists); err != nil {
		return lines, nil // the lines are the way round
	}
	return "", nil
}

// replace writes a whole file or nothing. Without over an existing file, also a dangling link, is an error.
func replace(path string, content []byte, mode fs.FileMode, over bool) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".hnp-sync-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if rmErr := os.Remove(tmp.Name()); rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) {
			err = errors.Join(err, rmErr)
		}
	}()
	_, err = tmp.Write(content)
	if err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if over {
		return os.Rename(tmp.Name(), path)
	}
	return os.Link(tmp.Name(), path) // fails when path exists, unlike a rename
}
