package gitops

import "time"

// Fabric is one entry of .github/hnp-sync.yaml with its defaults filled in (INTERFACES). It is the policy of a cycle.
type Fabric struct {
	Name        string      // NetBox fabric
	Slug        string      // names branches
	NetBox      string      // connection
	Branch      string      // empty: the repository's default branch
	Directory   string      // slash separated, relative to the repository root, no trailing slash
	Layout      Layout      // standard | in_place
	Template    string      // managed/{kind}/{name}.yaml
	Mode        Mode        // commit | pull_request | observe
	Direction   Direction   // bidirectional | git_to_gui | gui_to_git | disabled
	Conflicts   Strategy    // merge | user_guided | timestamp | branch
	FirstImport FirstImport // conflict | git | netbox
	Create      bool
	Paused      bool
	Ignore      []string // globs below directory
	Ingest      IngestPolicy
	Guard       GuardPolicy
	Rules       []Rule
	Notify      []string
	// Line is where the entry starts in the configuration file, for messages.
	Line int
}

// Layout of a fabric directory (DESIGN §6).
type Layout string

const (
	LayoutStandard Layout = "standard"
	LayoutInPlace  Layout = "in_place"
)

// Mode says where a cycle's Git edits go.
type Mode string

const (
	ModeCommit      Mode = "commit"
	ModePullRequest Mode = "pull_request"
	ModeObserve     Mode = "observe" // plan and report, write nothing
)

// Direction says which way values flow.
type Direction string

const (
	Bidirectional Direction = "bidirectional"
	GitToGUI      Direction = "git_to_gui"
	GUIToGit      Direction = "gui_to_git"
	Disabled      Direction = "disabled"
)

// Strategy is the conflict policy (ENGINE 23).
type Strategy string

const (
	StrategyMerge      Strategy = "merge"
	StrategyUserGuided Strategy = "user_guided"
	StrategyTimestamp  Strategy = "timestamp"
	StrategyBranch     Strategy = "branch"
)

// FirstImport decides unequal values at first contact (ENGINE 14).
type FirstImport string

const (
	FirstImportConflict FirstImport = "conflict"
	FirstImportGit      FirstImport = "git"
	FirstImportNetBox   FirstImport = "netbox"
)

// IngestPolicy as in the configuration.
type IngestPolicy struct {
	FilePatterns     []string
	ValidationStrict bool
	ArchiveProcessed bool
}

// GuardPolicy limits what one plan may do without a person (ENGINE 19).
type GuardPolicy struct {
	MaxDelete, MaxDeletePercent int
	MaxChange, MaxChangePercent int
	AskDelete                   []string // kinds
}

// Rule narrows the direction of what it selects; empty selectors select everything. Globs; in Fields "*" is one segment.
type Rule struct {
	Kinds, Names, Fields []string
	Direction            Direction
	Enforce              bool
}

// DefaultFabric has the defaults of INTERFACES, without names.
func DefaultFabric() Fabric {
	return Fabric{
		NetBox:      "default",
		Layout:      LayoutStandard,
		Template:    "managed/{kind}/{name}.yaml",
		Mode:        ModeCommit,
		Direction:   Bidirectional,
		Conflicts:   StrategyMerge,
		FirstImport: FirstImportConflict,
		Ingest:      IngestPolicy{FilePatterns: []string{"*.yaml", "*.yml"}, ValidationStrict: true, ArchiveProcessed: true},
		Guard: GuardPolicy{MaxDelete: 5, MaxDeletePercent: 20, MaxChange: 10, MaxChangePercent: 50,
			AskDelete: []string{"Switch", "SwitchGroup", "IPv4Namespace", "VLANNamespace"}},
	}
}

// Limits of the engine.
const (
	// MaxBatch is how many objects one NetBox request may carry: measured, a bulk request costs NetBox 15-40 ms
	// per object, and 100 stay below common proxy time-outs.
	MaxBatch = 100
	// MaxFileBytes is the largest file that is read; a larger one freezes what base places in it.
	MaxFileBytes = 4 << 20
	// FullCompareEvery is how often every kind is compared at least.
	FullCompareEvery = 15 * time.Minute
)
