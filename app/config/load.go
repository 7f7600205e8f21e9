package config

import (
	"fmt"
	"io"
	"net"
	"net/mail"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Load reads the file at path, overridden by env ("NAME=VALUE", as os.Environ gives it). The error is Problems when
// the file was read and something in it is wrong; no configuration is returned then.
func Load(path string, env []string) (*Config, error) {
	src, err := readLimited(path, maxFileBytes)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w (give --config FILE; docs/configuration.md lists the keys)", err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("read configuration %s: %w", path, err)
	}
	return parse(path, dir, src, env)
}

func parse(file, dir string, src []byte, env []string) (*Config, error) {
	d := &decoder{file: file, dir: dir, origin: map[*yaml.Node]string{}}
	root := d.parse(src)
	if len(d.problems) > 0 { // what is missing would only follow from the syntax
		return nil, d.problems
	}
	d.override(root, env)
	c := d.config(root)
	if len(d.problems) > 0 {
		d.problems.sort()
		return nil, d.problems
	}
	d.unserved.sort()
	c.unserved = d.unserved
	return c, nil
}

// readLimited reads at most limit bytes; more is an error. A device or a pipe is refused, it could block for ever.
func readLimited(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return b, nil
}

func (d *decoder) config(root *yaml.Node) *Config {
	c := &Config{File: d.file, Listen: DefaultListen, Mirror: true,
		Intervals: Intervals{Poll: DefaultPoll, FullCompare: DefaultFullCompare, Debounce: DefaultDebounce}}
	c.Database, _ = d.database(nil, "database", DefaultDatabase)
	o := d.object(root, "", keys)
	if n := o["listen"]; n != nil {
		c.Listen = d.listen(n, "listen")
	}
	if n := o["public_url"]; n != nil {
		c.PublicURL = d.url(n, "public_url")
	}
	if n := o["database"]; n != nil {
		if v, ok := d.text(n, "database"); ok {
			c.Database, _ = d.database(n, "database", v)
		}
	}
	c.APIToken = d.token(o, "", "api_token_file")
	if n := o["github"]; n != nil {
		c.GitHub = d.github(n)
	}
	if n := o["netbox"]; n != nil {
		c.NetBox = d.netboxes(n)
	}
	if n := o["repositories"]; n != nil {
		c.Repositories = d.repositories(n, c.NetBox)
	}
	if n := o["commands"]; n != nil {
		c.Commands = d.commands(n)
	}
	if n := o["intervals"]; n != nil {
		d.intervals(n, &c.Intervals)
	}
	if n := o["mirror"]; n != nil {
		c.Mirror, _ = d.boolean(n, "mirror")
	}
	if n := o["people"]; n != nil {
		c.People = d.people(n)
	}
	return c
}

func (d *decoder) listen(n *yaml.Node, path string) string {
	v, ok := d.text(n, path)
	if !ok {
		return ""
	}
	_, port, err := net.SplitHostPort(v)
	if p, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || p > 65535 {
		d.fail(n, path, "must be HOST:PORT")
		return ""
	}
	return v
}

// url reads an absolute http or https URL and drops the slash at its end.
func (d *decoder) url(n *yaml.Node, path string) string {
	v, ok := d.text(n, path)
	if !ok {
		return ""
	}
	u, err := url.Parse(v)
	switch {
	case err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.Hostname() == "":
		d.fail(n, path, "must be an absolute http or https URL")
	case u.User != nil:
		d.fail(n, path, "must hold no user name and no password")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		d.fail(n, path, "must have no ? and no #")
	default:
		return strings.TrimRight(u.String(), "/")
	}
	return ""
}

func (d *decoder) database(n *yaml.Node, path, v string) (string, bool) {
	file, ok := strings.CutPrefix(v, "sqlite:")
	switch {
	case strings.HasPrefix(v, "postgres:") || strings.HasPrefix(v, "postgresql:"):
		d.fail(n, path, "PostgreSQL is not supported yet: use sqlite:PATH")
	case !ok || file == "" || strings.HasPrefix(file, "//"):
		d.fail(n, path, "must be sqlite:PATH")
	default:
		return "sqlite:" + d.abs(file), true
	}
	return "", false
}

func (d *decoder) abs(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(d.dir, path)
}

var connectionName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)

func (d *decoder) netboxes(list *yaml.Node) []NetBox {
	var out []NetBox
	fields, _ := find(keys, "netbox")
	names, envs := map[string]string{}, map[string]string{}
	for i, n := range d.items(list, "netbox") {
		path := index("netbox", i)
		o := d.object(n, path, fields.fields)
		nb := NetBox{Backend: "auto"}
		if v := o["name"]; v != nil {
			s, ok := d.text(v, path+".name")
			switch env := envName(s); {
			case !ok:
			case !connectionName.MatchString(s):
				d.fail(v, path+".name", "must be 1 to 63 letters, digits, - and _, beginning with a letter or digit")
			case names[s] != "":
				d.fail(v, path+".name", "%q is already the name of %s", s, names[s])
			case envs[env] != "":
				d.fail(v, path+".name", "%q and %s have the same environment variables: rename one", s, envs[env])
			default:
				nb.Name, names[s], envs[env] = s, path, path
			}
		}
		if v := o["url"]; v != nil {
			nb.URL = d.url(v, path+".url")
			if strings.HasSuffix(nb.URL, "/api") {
				d.fail(v, path+".url", "must be NetBox's root, without /api")
			}
		}
		if v := o["backend"]; v != nil {
			s, ok := d.text(v, path+".backend")
			switch {
			case ok && s == "custom-objects":
				d.fail(v, path+".backend", "custom-objects is not supported yet: use auto or hedgehog")
			case ok && s != "auto" && s != "hedgehog":
				d.fail(v, path+".backend", "must be auto or hedgehog")
			}
			nb.Backend = s
		}
		nb.Token = d.token(o, path, "token_file")
		nb.WebhookSecrets = d.secrets(o, path, "webhook_secret_files")
		out = append(out, nb)
	}
	return out
}

// repositoryPattern allows the characters of GitHub's names and of globs.
var repositoryPattern = regexp.MustCompile(`^[A-Za-z0-9_.*?\[\]!^-]+/[A-Za-z0-9_.*?\[\]!^-]+$`)

func (d *decoder) repositories(list *yaml.Node, connections []NetBox) []Match {
	var out []Match
	fields, _ := find(keys, "repositories")
	for i, n := range d.items(list, "repositories") {
		at := index("repositories", i)
		o := d.object(n, at, fields.fields)
		var m Match
		if v := o["match"]; v != nil {
			s, ok := d.text(v, at+".match")
			if _, err := path.Match(s, ""); ok && (err != nil || !repositoryPattern.MatchString(s)) {
				d.fail(v, at+".match", "must be OWNER/NAME, both may be globs")
			}
			m.Pattern = s
		}
		if v := o["netbox"]; v != nil {
			m.NetBox = d.texts(v, at+".netbox")
			for _, name := range m.NetBox {
				if !slices.ContainsFunc(connections, func(c NetBox) bool { return c.Name == name }) {
					d.fail(v, at+".netbox", "no connection below netbox has the name %q", name)
				}
			}
		}
		out = append(out, m)
	}
	return out
}

func (d *decoder) intervals(n *yaml.Node, i *Intervals) {
	fields, _ := find(keys, "intervals")
	o := d.object(n, "intervals", fields.fields)
	for name, to := range map[string]*time.Duration{"poll": &i.Poll, "full_compare": &i.FullCompare, "debounce": &i.Debounce} {
		if v := o[name]; v != nil {
			*to, _ = d.duration(v, "intervals."+name)
		}
	}
}

func (d *decoder) people(n *yaml.Node) map[string]string {
	out := map[string]string{}
	for _, p := range d.pairs(n, "people") {
		at := join("people", p.name)
		v, ok := d.text(p.value, at)
		if !ok {
			continue
		}
		// The text becomes a Co-authored-by trailer as it stands.
		a, err := mail.ParseAddress(v)
		if err != nil || a.Name == "" || !strings.HasSuffix(v, "<"+a.Address+">") {
			d.fail(p.value, at, `must be "NAME <ADDRESS>"`)
			continue
		}
		out[p.name] = v
	}
	return out
}

// secret reads the file that key names, or takes the value from the environment. The node is where it was named.
func (d *decoder) secret(o map[string]*yaml.Node, path, name string) (*yaml.Node, string, bool) {
	if v := o[twin(name)]; v != nil {
		s, ok := d.scalar(v, join(path, name), "text")
		return v, strings.TrimSpace(s), ok
	}
	v := o[name]
	if v == nil {
		return nil, "", false
	}
	s, ok := d.secretFile(v, join(path, name))
	return v, s, ok
}

func (d *decoder) secretFile(n *yaml.Node, path string) (string, bool) {
	file, ok := d.text(n, path)
	if !ok {
		return "", false
	}
	b, err := readLimited(d.abs(file), maxSecretBytes)
	if err != nil {
		d.fail(n, path, "cannot read the secret: %s", err)
		return "", false
	}
	s := strings.TrimSpace(string(b))
	if s == "" {
		d.fail(n, path, "the secret file %s is empty", d.abs(file))
		return "", false
	}
	return s, true
}

// token is a secret that travels in an HTTP header.
func (d *decoder) token(o map[string]*yaml.Node, path, name string) Secret {
	n, s, ok := d.secret(o, path, name)
	if !ok {
		return Secret{}
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		d.fail(n, join(path, name), "the token holds white space or characters that no token has")
		return Secret{}
	}
	return NewSecret(s)
}

// secrets reads a list of secret files, or takes the values from the environment.
func (d *decoder) secrets(o map[string]*yaml.Node, path, name string) []Secret {
	var out []Secret
	at := join(path, name)
	if v := o[twin(name)]; v != nil {
		for i, item := range d.items(v, at) {
			if s, ok := d.scalar(item, index(at, i), "text"); ok {
				out = append(out, NewSecret(s))
			}
		}
		return out
	}
	v := o[name]
	if v == nil {
		return nil
	}
	for i, item := range d.items(v, at) {
		if s, ok := d.secretFile(item, index(at, i)); ok {
			out = append(out, NewSecret(s))
		}
	}
	return out
}
