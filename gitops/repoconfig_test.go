package gitops

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hnp-sync/hnp-sync/manifests"
)

const configFileName = ".github/hnp-sync.yaml"

func TestParseConfigDefaults(t *testing.T) {
	t.Parallel()
	got, found := ParseConfig(configFileName, []byte("version: 1\nfabrics:\n  - name: Fabric 1 (Süd)\n    directory: gitops/hedgehog/fabric-1\n"))
	want := DefaultFabric()
	want.Name, want.Slug, want.Directory, want.Line = "Fabric 1 (Süd)", "fabric-1--s-d-", "gitops/hedgehog/fabric-1", 3
	if len(found) > 0 || !reflect.DeepEqual(got, []Fabric{want}) {
		t.Errorf("got %+v, %v", got, found)
	}
}

func TestParseConfigReadsEveryKey(t *testing.T) {
	t.Parallel()
	got, found := ParseConfig(configFileName, []byte(`version: 1
fabrics:
  - name: fabric-1
    slug: f1
    netbox: lab
    branch: main
    directory: ./gitops/hedgehog/fabric-1/
    layout: in_place
    template: "{kind}/x/{name}.yml"
    mode: observe
    direction: github_to_gui
    conflicts: merge
    first_import: netbox
    create: true
    paused: true
    ignore: ["test/**", "*.tmp"]
    ingest: {file_patterns: ["*.yml"], validation_strict: false, archive_processed: false}
    guard: {max_delete: 0, max_delete_percent: 100, max_change: 1, max_change_percent: 0, ask_delete: []}
    rules:
      - {kinds: [Switch], names: ["leaf-*"], fields: [spec.boot, spec.*.mtu], direction: gui_to_github, enforce: true}
      - {kinds: ["*Peering"], direction: disabled}
    notify: ["@acme/network", "@alice"]
`))
	want := Fabric{Name: "fabric-1", Slug: "f1", NetBox: "lab", Branch: "main", Directory: "gitops/hedgehog/fabric-1", Layout: LayoutInPlace,
		Template: "{kind}/x/{name}.yml", Mode: ModeObserve, Direction: GitToGUI, Conflicts: StrategyMerge, FirstImport: FirstImportNetBox, Create: true, Paused: true,
		Ignore: []string{"test/**", "*.tmp"}, Ingest: IngestPolicy{FilePatterns: []string{"*.yml"}},
		Guard: GuardPolicy{MaxDeletePercent: 100, MaxChange: 1, AskDelete: []string{}},
		Rules: []Rule{{Kinds: []string{"Switch"}, Names: []string{"leaf-*"}, Fields: []string{"spec.boot", "spec.*.mtu"}, Direction: GUIToGit, Enforce: true},
			{Kinds: []string{"*Peering"}, Direction: Disabled}},
		Notify: []string{"@acme/network", "@alice"}, Line: 3}
	if len(found) > 0 || !reflect.DeepEqual(got, []Fabric{want}) {
		t.Errorf("got  %+v\nwant %+v\n%v", got, want, found)
	}
	// Every field of Fabric was set to something else than its default, so that a forgotten key is noticed.
	v, d := reflect.ValueOf(want), reflect.ValueOf(DefaultFabric())
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; name != "Conflicts" && reflect.DeepEqual(v.Field(i).Interface(), d.Field(i).Interface()) {
			t.Errorf("the test does not set %s", name)
		}
	}
}

// TestParseConfigTakesTheDocumentedFile reads a file as the documentation shows it: every key with its default, comments beside.
func TestParseConfigTakesTheDocumentedFile(t *testing.T) {
	t.Parallel()
	got, found := ParseConfig(configFileName, []byte(`version: 1
fabrics:
  - name: fabric-1                 # NetBox fabric, may contain spaces
    slug: fabric-1
    netbox: default
    branch: main                   # default: the repository's default branch
    directory: gitops/hedgehog/fabric-1
    layout: standard               # standard | in_place
    mode: commit                   # commit | observe
    direction: bidirectional
    conflicts: merge
    first_import: conflict         # conflict | git | netbox
    create: false                  # create the fabric in NetBox when it is missing
    paused: false
    ignore: ["test/**"]            # globs below directory
    ingest: {file_patterns: ["*.yaml", "*.yml"], validation_strict: true, archive_processed: true}
    guard: {max_delete: 5, max_delete_percent: 20, max_change: 10, max_change_percent: 50, ask_delete: [Switch, SwitchGroup, IPv4Namespace, VLANNamespace]}
    rules: [{kinds: [Switch], names: ["leaf-*"], fields: [spec.boot], direction: git_to_gui, enforce: false}]
    notify: ["@acme/network"]
`))
	want := DefaultFabric()
	want.Name, want.Slug, want.Branch, want.Directory, want.Line = "fabric-1", "fabric-1", "main", "gitops/hedgehog/fabric-1", 3
	want.Ignore, want.Notify = []string{"test/**"}, []string{"@acme/network"}
	want.Rules = []Rule{{Kinds: []string{"Switch"}, Names: []string{"leaf-*"}, Fields: []string{"spec.boot"}, Direction: GitToGUI}}
	if len(found) > 0 || !reflect.DeepEqual(got, []Fabric{want}) {
		t.Errorf("got  %+v\nwant %+v\n%s", got, want, configLines(found))
	}
}

// configWith is a file with one fabric whose lines after name and directory are given; they begin on line 5.
func configWith(lines string) string {
	return "version: 1\nfabrics:\n  - name: a\n    directory: d/a\n" + lines
}

func TestParseConfigProblems(t *testing.T) {
	t.Parallel()
	const good = "  - {name: good, directory: g/good}\n"
	tests := map[string]struct {
		src  string
		want string // LINE:COLUMN CODE path: message, all but the beginning of the message
	}{
		"unknown key":        {configWith("    color: red\n"), "5:5 config-key fabrics[0].color: unknown key color"},
		"doubled key":        {configWith("    name: b\n"), "5:5 config-key fabrics[0].name: name is already set on line 3"},
		"merge key":          {configWith("    <<: {paused: true}\n"), "5:5 config-key fabrics[0]: a key must be a plain word"},
		"no name":            {"version: 1\nfabrics:\n  - {directory: d}\n", "3:5 config-key fabrics[0].name: name is missing"},
		"no directory":       {"version: 1\nfabrics:\n  - {name: d}\n", "3:5 config-key fabrics[0].directory: directory is missing"},
		"entry is text":      {"version: 1\nfabrics:\n  - fabric-1\n", "3:5 config-value fabrics[0]: must be a mapping"},
		"name is a list":     {"version: 1\nfabrics:\n  - {name: [a], directory: d}\n", "3:12 config-value fabrics[0].name: must be text"},
		"name is empty":      {"version: 1\nfabrics:\n  - {name: ' ', directory: d}\n", "3:12 config-value fabrics[0].name: is empty"},
		"name with newline":  {"version: 1\nfabrics:\n  - {name: \"a\\nb\", directory: d}\n", "3:12 config-value fabrics[0].name: holds a control character"},
		"name too long":      {"version: 1\nfabrics:\n  - {name: " + strings.Repeat("ü", 101) + ", slug: a, directory: d}\n", "3:12 config-value fabrics[0].name: is longer than 100 characters"},
		"slug conflict":      {configWith("    slug: conflict\n"), "5:11 config-value fabrics[0].slug: the slug conflict is taken"},
		"name Conflict":      {"version: 1\nfabrics:\n  - {name: Conflict, directory: d}\n", "3:12 config-value fabrics[0].slug: the slug conflict is taken"},
		"slug upper case":    {configWith("    slug: A\n"), `5:11 config-value fabrics[0].slug: the slug "A" must be`},
		"name without slug":  {"version: 1\nfabrics:\n  - {name: ÄÖÜ, directory: d}\n", `3:12 config-value fabrics[0].slug: the slug "---" must be`},
		"conflicts later":    {configWith("    conflicts: user_guided\n"), "5:16 config-not-supported fabrics[0].conflicts: conflicts: user_guided is not supported yet"},
		"conflicts branch":   {configWith("    conflicts: timestamp\n"), "5:16 config-not-supported fabrics[0].conflicts: conflicts: timestamp is not supported yet"},
		"mode unknown":       {configWith("    mode: maybe\n"), `5:11 config-value fabrics[0].mode: "maybe" is not known`},
		"paused yes":         {configWith("    paused: yes\n"), "5:13 config-value fabrics[0].paused: must be true or false"},
		"create empty":       {configWith("    create:\n"), "5:12 config-value fabrics[0].create: is empty"},
		"direction unknown":  {configWith("    direction: up\n"), `5:16 config-value fabrics[0].direction: "up" is not known`},
		"template standard":  {configWith("    template: x/{kind}/{name}.yaml\n"), "5:15 config-value fabrics[0].template: can only be changed with layout: in_place"},
		"template names":     {configWith("    layout: in_place\n    template: x/{name}.yaml\n"), "6:15 config-value fabrics[0].template: must hold {kind} and {name}"},
		"template up":        {configWith("    layout: in_place\n    template: ../{kind}/{name}.yaml\n"), `6:15 config-value fabrics[0].template: must hold no ".."`},
		"template raw":       {configWith("    layout: in_place\n    template: raw/{kind}/{name}.yaml\n"), "6:15 config-value fabrics[0].template: lies in raw/"},
		"template no yaml":   {configWith("    layout: in_place\n    template: \"{kind}/{name}.txt\"\n"), "6:15 config-value fabrics[0].template: must end in .yaml"},
		"branch ref":         {configWith("    branch: refs/heads/main\n"), "5:13 config-value fabrics[0].branch: must be the short name"},
		"branch ours":        {configWith("    branch: hnp-sync/x\n"), "5:13 config-value fabrics[0].branch: lies in hnp-sync/"},
		"branch bad":         {configWith("    branch: a..b\n"), "5:13 config-value fabrics[0].branch: is no name of a branch"},
		"branch space":       {configWith("    branch: a b\n"), "5:13 config-value fabrics[0].branch: is no name of a branch"},
		"ignore up":          {configWith("    ignore: [ok, ../x]\n"), `5:18 config-value fabrics[0].ignore[1]: must hold no ".."`},
		"ignore bad glob":    {configWith("    ignore: ['[a']\n"), "5:14 config-value fabrics[0].ignore[0]: is no valid glob"},
		"ignore stars":       {configWith("    ignore: ['a**/b']\n"), "5:14 config-value fabrics[0].ignore[0]: ** must stand alone"},
		"ignore absolute":    {configWith("    ignore: [/a]\n"), "5:14 config-value fabrics[0].ignore[0]: must not begin with /"},
		"ignore text":        {configWith("    ignore: a\n"), "5:13 config-value fabrics[0].ignore: must be a list"},
		"pattern with slash": {configWith("    ingest: {file_patterns: [a/b]}\n"), "5:30 config-value fabrics[0].ingest.file_patterns[0]: is matched against a file's name"},
		"no pattern":         {configWith("    ingest: {file_patterns: []}\n"), "5:29 config-value fabrics[0].ingest.file_patterns: is empty"},
		"ingest unknown":     {configWith("    ingest: {strict: true}\n"), "5:14 config-key fabrics[0].ingest.strict: unknown key strict"},
		"guard text":         {configWith("    guard: {max_delete: many}\n"), "5:25 config-value fabrics[0].guard.max_delete: must be an integer from 0"},
		"guard negative":     {configWith("    guard: {max_change: -1}\n"), "5:25 config-value fabrics[0].guard.max_change: must be an integer from 0"},
		"guard percent":      {configWith("    guard: {max_delete_percent: 101}\n"), "5:33 config-value fabrics[0].guard.max_delete_percent: must be an integer from 0 to 100"},
		"guard kind":         {configWith("    guard: {ask_delete: [Swich]}\n"), `5:26 config-value fabrics[0].guard.ask_delete[0]: "Swich" is no kind`},
		"rule direction":     {configWith("    rules: [{kinds: [VPC]}]\n"), "5:13 config-key fabrics[0].rules[0].direction: direction is missing"},
		"rule kind":          {configWith("    rules: [{kinds: [VPCC], direction: disabled}]\n"), `5:22 config-value fabrics[0].rules[0].kinds[0]: "VPCC" is no kind`},
		"rule field":         {configWith("    rules: [{fields: ['a b'], direction: disabled}]\n"), "5:23 config-value fabrics[0].rules[0].fields[0]: is no path"},
		"rule name":          {configWith("    rules: [{names: ['[']}]\n"), "5:22 config-value fabrics[0].rules[0].names[0]: is no valid glob"},
		"notify":             {configWith("    notify: [network]\n"), "5:14 config-value fabrics[0].notify[0]: must be @USER or @ORGANISATION/TEAM"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, found := ParseConfig(configFileName, []byte(tt.src+good))
			if !configSays(found, tt.want) {
				t.Errorf("no %q in\n%s", tt.want, configLines(found))
			}
			if len(got) != 1 || got[0].Name != "good" {
				t.Errorf("the other fabric must go on, got %+v", got)
			}
		})
	}
}

func TestParseConfigDirectories(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]string{
		"/etc": "must not be absolute", "C:/x": "must not be absolute", "~/x": "must not be absolute", "a/../../b": `must hold no ".."`, "..": `must hold no ".."`,
		`a\\b`: `must be separated by /`, ".": "must be a directory below the root", "./": "must be a directory below the root", "a//b": "is not in its shortest form",
		"a/./b": "is not in its shortest form", ".git/x": "must not lie in .git", "a/.GIT": "must not lie in .git", "a/ b": "holds white space",
		strings.Repeat("a", 501): "is longer than 500 bytes",
	} {
		got, found := ParseConfig(configFileName, []byte("version: 1\nfabrics:\n  - {name: a, directory: \""+dir+"\"}\n"))
		if len(got) != 0 || !configSays(found, "3:26 config-value fabrics[0].directory: "+want) {
			t.Errorf("%s: %+v\n%s", dir, got, configLines(found))
		}
	}
}

func TestParseConfigOverlaps(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ first, second, want string }{
		"one directory":           {"name: a, directory: d", "name: b, directory: d/", `4:26 config-overlap fabrics[1].directory: directory d on line 4 is already that of fabric "a" (line 3)`},
		"case only":               {"name: a, directory: d", "name: b, directory: D", `4:26 config-overlap fabrics[1].directory: directory D on line 4 is already`},
		"nested":                  {"name: a, directory: d", "name: b, directory: d/x", `directory d/x on line 4 and d of fabric "a" (line 3) lie inside each other`},
		"nested the other way":    {"name: a, directory: d/x", "name: b, directory: d", `directory d on line 4 and d/x of fabric "a" (line 3) lie inside each other`},
		"default or named branch": {"name: a, directory: d", "name: b, directory: d, branch: main", `directory d on line 4 is already`},
		"one NetBox fabric":       {"name: a, directory: d", "name: a, directory: e, slug: x", `4:5 config-overlap fabrics[1].name: NetBox fabric "a" on line 4 is already that of the entry on line 3`},
		"one slug":                {"name: A b, directory: d", "name: a-b, directory: e", `4:12 config-overlap fabrics[1].slug: slug a-b on line 4 is already that of fabric "A b" (line 3)`},
		"first one has an error":  {"name: a, directory: d, mode: x", "name: b, directory: d", `directory d on line 4 is already`},
	}
	for name, tt := range tests {
		got, found := ParseConfig(configFileName, []byte("version: 1\nfabrics:\n  - {"+tt.first+"}\n  - {"+tt.second+"}\n"))
		firstValid := !strings.Contains(tt.first, "mode: x")
		if !configSays(found, tt.want) || (len(got) == 1) != firstValid || (firstValid && got[0].Line != 3) {
			t.Errorf("%s: %+v\n%s", name, got, configLines(found))
		}
	}
	for name, src := range map[string]string{
		"beside":               "  - {name: a, directory: d}\n  - {name: b, directory: d2}\n",
		"other branches":       "  - {name: a, directory: d, branch: main}\n  - {name: b, directory: d, branch: lab}\n",
		"other NetBox":         "  - {name: a, directory: d}\n  - {name: a, directory: e, netbox: lab, slug: x}\n",
		"one that has no name": "  - {name: a, directory: d}\n",
	} {
		if got, found := ParseConfig(configFileName, []byte("version: 1\nfabrics:\n"+src)); len(found) > 0 || len(got) != strings.Count(src, "\n") {
			t.Errorf("%s: %+v\n%s", name, got, configLines(found))
		}
	}
}

func TestParseConfigWholeFile(t *testing.T) {
	t.Parallel()
	const entry = "fabrics: [{name: a, directory: d}]\n"
	many := "version: 1\nfabrics:\n"
	for i := range 101 {
		many += fmt.Sprintf("  - {name: f%d, directory: d/f%d}\n", i, i)
	}
	bomb := "version: 1\nfabrics:\n  - {name: a, directory: d, ignore: &a [x, x, x, x, x, x, x, x, x, x], rules: [&r {direction: disabled, names: *a, kinds: &k [VPC"
	bomb += strings.Repeat(", VPC", 300) + "]}" + strings.Repeat(", *r", 500) + "]}\n"
	tests := map[string]struct {
		src, want string
		fabrics   int
	}{
		"empty":            {"", "1:1 config-syntax : the file is empty", 0},
		"comment":          {"# x\n", "1:1 config-syntax : the file is empty", 0},
		"null":             {"~\n", "1:1 config-syntax : the file is empty", 0},
		"a list":           {"- a\n", "1:1 config-value : must be a mapping", 0},
		"no version":       {entry, "1:1 config-key version: version is missing", 0},
		"version 2":        {"version: 2\n" + entry, "1:10 config-syntax version: version 2 is not known", 0},
		"version text":     {"version: configWith\n" + entry, "1:10 config-value version: must be an integer", 0},
		"no fabrics":       {"version: 1\n", "1:1 config-key fabrics: fabrics is missing", 0},
		"fabrics null":     {"version: 1\nfabrics:\n", "2:9 config-value fabrics: must be a list", 0},
		"unknown key":      {"version: 1\ndefaults: {mode: observe}\n" + entry, "2:1 config-key defaults: unknown key defaults", 0},
		"not YAML":         {"version: 1\nfabrics: [a\nx: y\n", "config-syntax : not YAML: ", 0},
		"tab":              {"version: 1\nfabrics:\n\t- a\n", "3:1 config-syntax : not YAML: ", 0},
		"two documents":    {"version: 1\n" + entry + "---\nversion: 1\n", "config-syntax : only one document is allowed", 0},
		"broken second":    {"version: 1\n" + entry + "---\na: [\n", "config-syntax : not YAML", 0},
		"not UTF-8":        {"version: 1\n" + entry + "# \xff\n", "1:1 config-syntax : the file is not UTF-8", 0},
		"too large":        {"version: 1\n" + entry + "#" + strings.Repeat("x", MaxConfigBytes), "1:1 config-syntax : the file is larger than 524288 bytes", 0},
		"many fabrics":     {many, "103:5 config-value fabrics[100]: more than 100 fabrics", 100},
		"alias bomb":       {bomb, "config-syntax : too many values", 0},
		"alias to itself":  {"version: 1\nfabrics: &a [*a]\n", "config-value fabrics[0]: must be a mapping", 0},
		"no fabric at all": {"version: 1\nfabrics: []\n", "", 0},
		"BOM and CRLF":     {"\ufeffversion: 1\r\nfabrics:\r\n  - name: a\r\n    directory: d\r\n", "", 1},
		"aliases":          {"version: 1\nfabrics:\n  - {name: a, directory: d, guard: &g {max_delete: 1}}\n  - {name: b, directory: e, guard: *g}\n", "", 2},
	}
	for name, tt := range tests {
		got, found := ParseConfig(configFileName, []byte(tt.src))
		if len(got) != tt.fabrics || (tt.want == "") != (len(found) == 0) || tt.want != "" && !configSays(found, tt.want) {
			t.Errorf("%s: %d fabrics\n%.600s", name, len(got), configLines(found))
		}
		if name == "aliases" && (got[1].Guard.MaxDelete != 1 || got[1].Guard.MaxChange != 10) {
			t.Errorf("aliases: %+v", got[1].Guard)
		}
	}
}

func TestParseConfigKeepsForeignTextShort(t *testing.T) {
	t.Parallel()
	_, found := ParseConfig(configFileName, []byte(configWith("    \"x\\e[31m"+strings.Repeat("y", 500)+"\": 1\n")))
	if len(found) != 1 || len(found[0].Message) > 200 || strings.ContainsRune(found[0].Message+found[0].Path, '\x1b') {
		t.Errorf("%+v", found)
	}
}

func configLines(found []manifests.Diagnostic) string {
	var b strings.Builder
	for _, d := range found {
		fmt.Fprintf(&b, "%d:%d %s %s: %s\n", d.StartLine, d.StartColumn, d.Code, d.Path, d.Message)
	}
	return b.String()
}

func configSays(found []manifests.Diagnostic, want string) bool {
	for _, d := range found {
		if d.File != configFileName || d.Severity != manifests.SeverityError || d.Fix == "" {
			return false
		}
	}
	return strings.Contains(configLines(found), want)
}

// An entry with an error stops that fabric only.
func ExampleParseConfig() {
	fabrics, found := ParseConfig(".github/hnp-sync.yaml", []byte(`version: 1
fabrics:
  - {name: Fabric 1, directory: gitops/fabric-1}
  - {name: Fabric 2, directory: ../fabric-2}
`))
	for _, f := range fabrics {
		fmt.Println(f.Name, f.Slug, f.Directory)
	}
	for _, d := range found {
		fmt.Printf("%s:%d:%d: %s: %s\n", d.File, d.StartLine, d.StartColumn, d.Path, d.Message)
	}
	// Output:
	// Fabric 1 fabric-1 gitops/fabric-1
	// .github/hnp-sync.yaml:4:33: fabrics[1].directory: must hold no ".."
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(configWith("    mode: observe\n    rules: [{kinds: [VPC], direction: disabled}]\n")))
	f.Add([]byte("version: 1\nfabrics: &a [*a, {name: a, directory: ../x, guard: *a}]\n"))
	f.Add([]byte("{version: 1, fabrics: [{name: a, directory: d}, {name: b, directory: d/e, <<: {}}]}"))
	f.Fuzz(func(t *testing.T, src []byte) {
		fabrics, found := ParseConfig(configFileName, src)
		slugs, directories := map[string]bool{}, map[string]bool{}
		for _, c := range fabrics {
			dir := c.Branch + ":" + strings.ToLower(c.Directory)
			if c.Name == "" || !slugPattern.MatchString(c.Slug) || slugs[c.Slug] || directories[dir] || badConfigPath(c.Directory) != "" ||
				c.Conflicts != StrategyMerge && c.Conflicts != StrategyBranch || c.Line < 1 || c.Template == "" || c.Direction == "" {
				t.Fatalf("accepted %+v", c)
			}
			slugs[c.Slug], directories[dir] = true, true
		}
		for _, d := range found {
			if d.StartLine < 1 || d.StartColumn < 1 || d.EndColumn < d.StartColumn || d.Message == "" || d.Code == "" {
				t.Fatalf("bad diagnostic %+v", d)
			}
		}
	})
}

var updateConfigDocs = flag.Bool("update-config-docs", false, "rewrite the tables of docs/configuration.md")

// TestConfigDocsNameEveryKey holds the tables of docs/configuration.md to the keys that are accepted.
func TestConfigDocsNameEveryKey(t *testing.T) {
	file := filepath.FromSlash("../docs/configuration.md")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- keys of the repository: begin -->\n", "<!-- keys of the repository: end -->"
	before, rest, ok := strings.Cut(string(b), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the markers of the table", file)
	}
	var table strings.Builder
	table.WriteString("| key | default | |\n|---|---|---|\n")
	configRows(&table, "", configKeys)
	configRows(&table, "fabrics[].", fabricKeys)
	configRows(&table, "fabrics[].ingest.", ingestKeys)
	configRows(&table, "fabrics[].guard.", guardKeys)
	configRows(&table, "fabrics[].rules[].", ruleKeys)
	want := before + begin + table.String() + end + after
	if want == string(b) {
		return
	}
	if !*updateConfigDocs {
		t.Fatalf("%s is not what the keys say: go test ./gitops -run ConfigDocs -update-config-docs", file)
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func configRows[T any](b *strings.Builder, prefix string, keys []configKey[T]) {
	for _, k := range keys {
		def := "–"
		switch {
		case k.def == configRequired:
			def = k.def
		case k.def != "":
			def = "`" + k.def + "`"
		}
		fmt.Fprintf(b, "| `%s%s` | %s | %s |\n", prefix, k.name, def, k.doc)
	}
}

// TestConfigDefaultsAreDocumented: what the table calls a default is what DefaultFabric has.
func TestConfigDefaultsAreDocumented(t *testing.T) {
	t.Parallel()
	src := "version: 1\nfabrics:\n  - name: a\n    directory: d\n    layout: standard\n"
	for _, k := range fabricKeys {
		if k.def != "" && k.def != configRequired && k.name != "layout" {
			src += "    " + k.name + ": " + k.def + "\n"
		}
	}
	src += "    ingest:\n"
	for _, k := range ingestKeys {
		src += "      " + k.name + ": " + k.def + "\n"
	}
	src += "    guard:\n"
	for _, k := range guardKeys {
		src += "      " + k.name + ": " + k.def + "\n"
	}
	written, found := ParseConfig(configFileName, []byte(src))
	short, _ := ParseConfig(configFileName, []byte("version: 1\nfabrics:\n  - name: a\n    directory: d\n"))
	if len(found) > 0 || !reflect.DeepEqual(written, short) {
		t.Errorf("written %+v\nleft out %+v\n%s", written, short, configLines(found))
	}
}
