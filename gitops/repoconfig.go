package gitops

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// Limits of a repository's configuration file.
const (
	MaxConfigBytes   = 512 << 10
	MaxConfigFabrics = 100
)

// Codes of the diagnostics of ParseConfig.
const (
	CodeConfigSyntax       = "config-syntax"        // not YAML, too large, not version 1: nothing of the file is used
	CodeConfigKey          = "config-key"           // unknown, doubled or missing key
	CodeConfigValue        = "config-value"         // wrong type or value
	CodeConfigNotSupported = "config-not-supported" // arrives in a later version
	CodeConfigOverlap      = "config-overlap"       // the directory, NetBox fabric or slug belongs to an earlier entry
)

// ParseConfig reads .github/hnp-sync.yaml, foreign input of any content. It returns the valid fabrics in the file's
// order, with defaults filled in, and everything that is wrong, by position, each an error. An entry with an error is
// left out and the others go on; when the file as a whole cannot be understood (syntax, version, unknown keys beside
// "fabrics", which might have meant something for all of them) no fabric is returned.
//
// Of two entries with one directory, nested directories, one NetBox fabric or one slug the later is refused, even when
// the earlier has errors of its own: which of them owns the directory must not depend on a typing error.
func ParseConfig(path string, src []byte) ([]Fabric, []manifests.Diagnostic) {
	r := &configReader{path: path}
	root := r.parse(src)
	if root == nil {
		return nil, r.sorted()
	}
	var file configFile
	present := readConfigObject(r, root, "", configKeys, &file)
	if len(r.found) > 0 || present == nil {
		return nil, r.sorted()
	}
	var entries []configEntry
	for i, n := range file.fabrics {
		at := fmt.Sprintf("fabrics[%d]", i)
		if i == MaxConfigFabrics {
			r.fail(n, at, CodeConfigValue, fmt.Sprintf("more than %d fabrics", MaxConfigFabrics), "Move fabrics to another repository.")
			break
		}
		entries = append(entries, r.entry(n, at))
	}
	if r.exhausted {
		return nil, r.sorted()
	}
	var fabrics []Fabric
	for i := range entries {
		if r.alone(entries[:i], &entries[i]) && entries[i].valid {
			fabrics = append(fabrics, entries[i].fabric)
		}
	}
	return fabrics, r.sorted()
}

// configFile is the file's top level.
type configFile struct {
	fabrics []*yaml.Node
}

// configEntry is one fabric of the file, with the nodes that others may collide with.
type configEntry struct {
	fabric                Fabric
	valid                 bool
	at                    string
	node, directory, slug *yaml.Node
}

// configKey is one accepted key: how it is read, and its documentation (docs/configuration.md is held to it).
type configKey[T any] struct {
	name, def, doc string
	read           func(r *configReader, n *yaml.Node, at string, to *T)
}

const configRequired = "required"

var configKeys = []configKey[configFile]{
	{"version", configRequired, "Always 1.", func(r *configReader, n *yaml.Node, at string, _ *configFile) {
		if v, ok := r.integer(n, at, 0, 1<<30); ok && v != 1 {
			r.fail(n, at, CodeConfigSyntax, fmt.Sprintf("version %d is not known", v), "Write version: 1, or use a newer hnp-sync.")
		}
	}},
	{"fabrics", configRequired, "The fabrics of this repository, at most 100.", func(r *configReader, n *yaml.Node, at string, f *configFile) {
		f.fabrics = r.items(n, at)
	}},
}

var fabricKeys = []configKey[Fabric]{
	{"name", configRequired, "The fabric's name in NetBox. It may contain spaces.", func(r *configReader, n *yaml.Node, at string, f *Fabric) {
		if f.Name = r.text(n, at); len([]rune(f.Name)) > maxFabricName {
			r.value(n, at, fmt.Sprintf("is longer than %d characters", maxFabricName), "Use the name as NetBox has it.")
		}
	}},
	{"slug", "", "Names branches (`hnp-sync/SLUG`). Default: the name in lower case, every other character than `a-z`, `0-9` and `-` as `-`. Not `conflict`.",
		func(r *configReader, n *yaml.Node, at string, f *Fabric) { f.Slug = r.text(n, at) }},
	{"netbox", "default", "NetBox connection, by its name in the server's configuration.", func(r *configReader, n *yaml.Node, at string, f *Fabric) {
		f.NetBox = r.text(n, at)
	}},
	{"branch", "", "The tracked branch. Default: the repository's default branch.", func(r *configReader, n *yaml.Node, at string, f *Fabric) {
		f.Branch = r.text(n, at)
		if problem := badConfigBranch(f.Branch); problem != "" && f.Branch != "" {
			r.value(n, at, problem, "Write the branch's name as git branch shows it.")
		}
	}},
	{"directory", configRequired, "The fabric's directory, from the repository's root.", func(r *configReader, n *yaml.Node, at string, f *Fabric) {
		f.Directory = r.directory(n, at)
	}},
	{"layout", "standard", "`standard` (the directory structure with `raw/`, `managed/`, `unmanaged/`) or `in_place` (files stay where they are).",
		func(r *configReader, n *yaml.Node, at string, f *Fabric) {
			f.Layout = configChoice(r, n, at, map[string]Layout{"standard": LayoutStandard, "in_place": LayoutInPlace})
		}},
	{"template", "managed/{kind}/{name}.yaml", "Where new resources go, below the directory; with `layout: in_place` only. `{kind}` is the kind's directory name.",
		func(r *configReader, n *yaml.Node, at string, f *Fabric) { f.Template = r.template(n, at) }},
	{"mode", "commit", "`commit`; `pull_request` (the same commit on `hnp-sync/<slug>` and one pull request that is kept up to date; a protected branch gets the same); or `observe` (plan and report, write nothing).",
		func(r *configReader, n *yaml.Node, at string, f *Fabric) {
			f.Mode = configChoice(r, n, at, map[string]Mode{"commit": ModeCommit, "observe": ModeObserve, "pull_request": ModePullRequest})
		}},
	{"direction", "bidirectional", "`bidirectional`, `git_to_gui`, `gui_to_git` or `disabled`; `github` may be written for `git`.",
		func(r *configReader, n *yaml.Node, at string, f *Fabric) {
			f.Direction = configChoice(r, n, at, directionWords)
		}},
	{"conflicts", "merge", "`merge`: fields merge one by one, and one changed on both sides is a conflict. `branch`: the same, and each resource with conflicts gets a pull request that holds NetBox's values: merging it decides. `user_guided` and `timestamp` arrive later and are refused for now.",
		func(r *configReader, n *yaml.Node, at string, f *Fabric) {
			f.Conflicts = configChoice(r, n, at, map[string]Strategy{"merge": StrategyMerge, "user_guided": StrategyUserGuided, "timestamp": StrategyTimestamp,
				"branch": StrategyBranch}, StrategyUserGuided, StrategyTimestamp)
		}},
	{"first_import", "conflict", "What decides unequal values when Git and NetBox meet for the first time: `conflict`, `git` or `netbox`.",
		func(r *configReader, n *yaml.Node, at string, f *Fabric) {
			f.FirstImport = configChoice(r, n, at, map[string]FirstImport{"conflict": FirstImportConflict, "git": FirstImportGit, "netbox": FirstImportNetBox})
		}},
	{"create", "false", "Create the fabric in NetBox when it is missing.", func(r *configReader, n *yaml.Node, at string, f *Fabric) { f.Create = r.boolean(n, at) }},
	{"paused", "false", "Write nothing until this is removed.", func(r *configReader, n *yaml.Node, at string, f *Fabric) { f.Paused = r.boolean(n, at) }},
	{"ignore", "", "Globs below the directory whose files are left alone; `**` stands for any number of directories.",
		func(r *configReader, n *yaml.Node, at string, f *Fabric) { f.Ignore = r.texts(n, at, badConfigGlob) }},
	{"ingest", "", "Ingestion of files from `raw/`.", func(r *configReader, n *yaml.Node, at string, f *Fabric) {
		readConfigObject(r, n, at, ingestKeys, &f.Ingest)
	}},
	{"guard", "", "What one plan may do without a person's approval.", func(r *configReader, n *yaml.Node, at string, f *Fabric) {
		readConfigObject(r, n, at, guardKeys, &f.Guard)
	}},
	{"rules", "", "Rules that narrow the direction of what they select.", func(r *configReader, n *yaml.Node, at string, f *Fabric) {
		for i, item := range r.items(n, at) {
			var rule Rule
			readConfigObject(r, item, fmt.Sprintf("%s[%d]", at, i), ruleKeys, &rule)
			f.Rules = append(f.Rules, rule)
		}
	}},
	{"notify", "", "GitHub users and teams to mention when a person is needed: `@acme/network`.", func(r *configReader, n *yaml.Node, at string, f *Fabric) {
		f.Notify = r.texts(n, at, func(s string) string {
			if !configMention.MatchString(s) {
				return "must be @USER or @ORGANISATION/TEAM"
			}
			return ""
		})
	}},
}

var ingestKeys = []configKey[IngestPolicy]{
	{"file_patterns", `["*.yaml", "*.yml"]`, "Names of the files that are ingested, as globs.", func(r *configReader, n *yaml.Node, at string, p *IngestPolicy) {
		p.FilePatterns = r.texts(n, at, func(s string) string {
			if strings.Contains(s, "/") {
				return "is matched against a file's name and must hold no /"
			}
			return badConfigGlob(s)
		})
		if len(p.FilePatterns) == 0 {
			r.value(n, at, "is empty", "Leave the key out for the default.")
		}
	}},
	{"validation_strict", "true", "One bad document rejects its whole file.", func(r *configReader, n *yaml.Node, at string, p *IngestPolicy) {
		p.ValidationStrict = r.boolean(n, at)
	}},
	{"archive_processed", "true", "Keep the originals in `raw/processed/`.", func(r *configReader, n *yaml.Node, at string, p *IngestPolicy) {
		p.ArchiveProcessed = r.boolean(n, at)
	}},
}

var guardKeys = []configKey[GuardPolicy]{
	{"max_delete", "5", "Deletes that may pass; the larger of number and percentage counts.", func(r *configReader, n *yaml.Node, at string, p *GuardPolicy) {
		p.MaxDelete, _ = r.integer(n, at, 0, maxGuardCount)
	}},
	{"max_delete_percent", "20", "Percentage of the fabric's resources.", func(r *configReader, n *yaml.Node, at string, p *GuardPolicy) {
		p.MaxDeletePercent, _ = r.integer(n, at, 0, 100)
	}},
	{"max_change", "10", "Changes in one plan that may pass.", func(r *configReader, n *yaml.Node, at string, p *GuardPolicy) {
		p.MaxChange, _ = r.integer(n, at, 0, maxGuardCount)
	}},
	{"max_change_percent", "50", "Percentage of the fabric's resources.", func(r *configReader, n *yaml.Node, at string, p *GuardPolicy) {
		p.MaxChangePercent, _ = r.integer(n, at, 0, 100)
	}},
	{"ask_delete", "[Switch, SwitchGroup, IPv4Namespace, VLANNamespace]", "Kinds of which every delete waits for approval.",
		func(r *configReader, n *yaml.Node, at string, p *GuardPolicy) {
			p.AskDelete = r.texts(n, at, unknownConfigKind)
		}},
}

var ruleKeys = []configKey[Rule]{
	{"kinds", "", "Kinds, as globs; all when left out.", func(r *configReader, n *yaml.Node, at string, p *Rule) {
		p.Kinds = r.texts(n, at, func(s string) string {
			if strings.ContainsAny(s, `*?[\`) {
				return badConfigGlob(s)
			}
			return unknownConfigKind(s)
		})
	}},
	{"names", "", "Names, as globs; all when left out.", func(r *configReader, n *yaml.Node, at string, p *Rule) { p.Names = r.texts(n, at, badConfigGlob) }},
	{"fields", "", "Fields such as `spec.boot`, with what is below them; `*` is one segment; all when left out.", func(r *configReader, n *yaml.Node, at string, p *Rule) {
		p.Fields = r.texts(n, at, func(s string) string {
			if _, err := parseGlob(s); err != nil || s == "" {
				return "is no path"
			}
			return ""
		})
	}},
	{"direction", configRequired, "As the fabric's `direction`; the tightest of all that apply holds.", func(r *configReader, n *yaml.Node, at string, p *Rule) {
		p.Direction = configChoice(r, n, at, directionWords)
	}},
	{"enforce", "false", "The open side wins where both changed; the other's value is kept in the operation.", func(r *configReader, n *yaml.Node, at string, p *Rule) {
		p.Enforce = r.boolean(n, at)
	}},
}

// directionWords are all spellings of a direction (INTERFACES, Words).
var directionWords = map[string]Direction{"bidirectional": Bidirectional, "git_to_gui": GitToGUI, "github_to_gui": GitToGUI, "gui_to_git": GUIToGit,
	"gui_to_github": GUIToGit, "disabled": Disabled}

const (
	// maxFabricName is the length of a NetBox name.
	maxFabricName = 100
	maxSlug       = 100
	maxGuardCount = 1_000_000
)

var (
	configMention = regexp.MustCompile(`^@[A-Za-z0-9][A-Za-z0-9-]{0,38}(/[A-Za-z0-9_.-]{1,100})?$`)
	slugPattern   = regexp.MustCompile(`^[a-z0-9-]*[a-z0-9][a-z0-9-]*$`)
)

// entry reads one fabric.
func (r *configReader) entry(n *yaml.Node, at string) configEntry {
	before := len(r.found)
	e := configEntry{fabric: DefaultFabric(), at: at, node: n}
	present := readConfigObject(r, n, at, fabricKeys, &e.fabric)
	f := &e.fabric
	f.Line = n.Line
	e.directory, e.slug = present["directory"], present["slug"]
	if e.slug == nil && f.Name != "" {
		f.Slug, e.slug = DefaultSlug(f.Name), present["name"]
	}
	switch {
	case e.slug == nil || f.Slug == "":
	case f.Slug == "conflict":
		r.value(e.slug, at+".slug", "the slug conflict is taken by the branches of conflicts", "Give the fabric another slug.")
	case !slugPattern.MatchString(f.Slug) || len(f.Slug) > maxSlug:
		r.value(e.slug, at+".slug", fmt.Sprintf("the slug %q must be at most %d of a-z, 0-9 and -, one of them a letter or digit", f.Slug, maxSlug),
			"Give the fabric a slug.")
	}
	if f.Layout == LayoutStandard && f.Template != DefaultFabric().Template {
		r.value(present["template"], at+".template", "can only be changed with layout: in_place", "Remove template, or write layout: in_place.")
	}
	e.valid = len(r.found) == before
	return e
}

// DefaultSlug is the slug of a fabric that gives none: lower case, other characters to "-".
func DefaultSlug(name string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}, strings.ToLower(name))
}

// alone refuses an entry that has something in common with an earlier one. Two branches that might be the same one
// (one of them is the default branch) count as the same.
func (r *configReader) alone(earlier []configEntry, e *configEntry) bool {
	for i := range earlier {
		o, f := &earlier[i].fabric, &e.fabric
		who := fmt.Sprintf("fabric %q (line %d)", o.Name, o.Line)
		a, b := strings.ToLower(o.Directory), strings.ToLower(f.Directory) // on many disks two spellings are one directory
		branches := o.Branch == f.Branch || o.Branch == "" || f.Branch == ""
		switch {
		case a != "" && a == b && branches:
			r.fail(e.directory, e.at+".directory", CodeConfigOverlap, fmt.Sprintf("directory %s on line %d is already that of %s", f.Directory, e.directory.Line, who),
				"Give each fabric a directory of its own.")
		case a != "" && b != "" && branches && (strings.HasPrefix(b, a+"/") || strings.HasPrefix(a, b+"/")):
			r.fail(e.directory, e.at+".directory", CodeConfigOverlap,
				fmt.Sprintf("directory %s on line %d and %s of %s lie inside each other", f.Directory, e.directory.Line, o.Directory, who), "Put the directories beside each other.")
		case f.Name != "" && f.Name == o.Name && f.NetBox == o.NetBox:
			r.fail(e.node, e.at+".name", CodeConfigOverlap, fmt.Sprintf("NetBox fabric %q on line %d is already that of the entry on line %d", f.Name, f.Line, o.Line),
				"One NetBox fabric belongs to one directory.")
		case f.Slug != "" && f.Slug == o.Slug:
			r.fail(e.slug, e.at+".slug", CodeConfigOverlap, fmt.Sprintf("slug %s on line %d is already that of %s", f.Slug, e.slug.Line, who), "Give one of them another slug.")
		default:
			continue
		}
		return false
	}
	return true
}

// directory reads a path below the repository's root.
func (r *configReader) directory(n *yaml.Node, at string) string {
	s := r.text(n, at)
	if s == "" {
		return ""
	}
	clean := strings.TrimSuffix(strings.TrimPrefix(s, "./"), "/")
	problem, fix := badConfigPath(clean), "Write a path from the repository's root, such as gitops/fabric-1."
	if problem == "" && path.Clean(clean) != clean {
		problem, fix = "is not in its shortest form", "Write "+path.Clean(clean)+"."
	}
	if problem != "" {
		r.value(n, at, problem, fix)
		return ""
	}
	return clean
}

// template reads the place of new files.
func (r *configReader) template(n *yaml.Node, at string) string {
	s := r.text(n, at)
	if s == "" {
		return ""
	}
	rest := strings.Replace(strings.Replace(s, "{kind}", "kind", 1), "{name}", "name", 1)
	problem := badConfigPath(rest)
	switch {
	case problem != "":
	case path.Clean(s) != s:
		problem = "is not in its shortest form"
	case strings.Count(s, "{kind}") != 1 || strings.Count(s, "{name}") != 1 || strings.ContainsAny(rest, "{}*?["):
		problem = "must hold {kind} and {name} once each, and no other placeholder"
	case !strings.HasSuffix(s, ".yaml") && !strings.HasSuffix(s, ".yml"):
		problem = "must end in .yaml or .yml"
	}
	if problem == "" {
		for _, never := range []string{".hnp/", "raw/", "unmanaged/", "backup/"} {
			if strings.HasPrefix(s, never) {
				problem = "lies in " + never + ", which is never synchronised"
			}
		}
	}
	if problem != "" {
		r.value(n, at, problem, "Write it like "+DefaultFabric().Template+".")
	}
	return s
}

// badConfigPath says what is wrong with a relative path; empty when it is safe.
func badConfigPath(p string) string {
	switch {
	case strings.HasPrefix(p, "/") || strings.HasPrefix(p, "~") || driveLetter.MatchString(p):
		return "must not be absolute"
	case strings.Contains(p, `\`):
		return `must be separated by /, not \`
	case p == "" || p == ".":
		return "must be a directory below the root"
	case len(p) > maxConfigPath:
		return fmt.Sprintf("is longer than %d bytes", maxConfigPath)
	}
	for _, s := range strings.Split(p, "/") {
		switch {
		case s == "..":
			return `must hold no ".."`
		case strings.EqualFold(s, ".git"):
			return "must not lie in .git"
		case strings.TrimSpace(s) != s:
			return "holds white space at the beginning or end of a name"
		}
	}
	return ""
}

const maxConfigPath = 500

var driveLetter = regexp.MustCompile(`^[A-Za-z]:`)

// badConfigGlob says what is wrong with a glob below a directory.
func badConfigGlob(pattern string) string {
	switch {
	case pattern == "":
		return "is empty"
	case strings.HasPrefix(pattern, "/"):
		return "must not begin with /: it is matched below the fabric's directory"
	}
	for _, s := range strings.Split(pattern, "/") {
		_, err := path.Match(s, "")
		switch {
		case s == "..":
			return `must hold no ".."`
		case err != nil:
			return "is no valid glob"
		case strings.Contains(s, "**") && s != "**":
			return "** must stand alone between slashes"
		}
	}
	return ""
}

func unknownConfigKind(kind string) string {
	if _, ok := manifests.KindByName(kind); !ok {
		return fmt.Sprintf("%q is no kind that is known here", kind)
	}
	return ""
}

// badConfigBranch says what is wrong with a branch's name, by the rules of git check-ref-format.
func badConfigBranch(b string) string {
	switch {
	case strings.HasPrefix(b, "refs/"):
		return "must be the short name, without refs/heads/"
	case strings.HasPrefix(b, "hnp-sync/"):
		return "lies in hnp-sync/, where this App keeps its own branches"
	case b == "@" || strings.HasPrefix(b, "-") || strings.HasPrefix(b, "/") || strings.HasSuffix(b, "/") || strings.HasSuffix(b, ".") || len(b) > 255,
		strings.Contains(b, "..") || strings.Contains(b, "//") || strings.Contains(b, "@{") || strings.ContainsAny(b, " ~^:?*[\\"):
		return "is no name of a branch"
	}
	for _, s := range strings.Split(b, "/") {
		if strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".lock") {
			return "is no name of a branch"
		}
	}
	return ""
}
