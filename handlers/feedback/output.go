package feedback

// Names of the check runs, as branch protection lists them. They never change.
const (
	ValidateName  = "hnp-sync / validate"
	PlanName      = "hnp-sync / plan"
	ConflictsName = "hnp-sync / conflicts"
)

// Conclusions of a check run that are used. Never "neutral" or "skipped": GitHub lets both pass where a check is
// required.
const (
	Success        = "success"
	Failure        = "failure"
	ActionRequired = "action_required"
)

// Levels of an annotation, as GitHub's checks API has them.
const (
	LevelNotice  = "notice"
	LevelWarning = "warning"
	LevelFailure = "failure"
)

// Limits of GitHub's checks API. Characters are counted as bytes here, which is never more than GitHub allows.
const (
	MaxOutputText      = 65_535 // summary and text of a check run, each
	MaxBody            = 65_536 // body of an issue, a pull request or a comment
	MaxOutputTitle     = 255
	MaxActions         = 3
	MaxActionLabel     = 20
	MaxActionDetail    = 40
	MaxActionID        = 20
	MaxAnnotationBatch = 50     // annotations one request may carry; more are appended by further requests
	MaxAnnotationText  = 65_536 // message and raw details of an annotation, each
	// MaxAnnotations is ours: ten requests. What is beyond is counted in the summary.
	MaxAnnotations = 500
)

// Output is one check run: what GitHub's checks API takes as conclusion, output and actions.
type Output struct {
	Name, Conclusion string
	// Title is plain text on one line; Summary and Text are Markdown, at most MaxOutputText each. Text may be empty.
	Title, Summary, Text string
	// Annotations are sorted by level, path and line; at most MaxAnnotations.
	Annotations []Annotation
	// Actions are the buttons, at most MaxActions; none unless a click can do something.
	Actions []Action
}

// Annotation is a remark on lines of a file. Path is relative to the repository's root. Columns are zero when the lines
// differ or the place in the line is not known: GitHub takes them only within one line. Message, Title and RawDetails
// are plain text.
type Annotation struct {
	Path                   string
	StartLine, EndLine     int // 1-based, both set
	StartColumn, EndColumn int // 1-based, inclusive; 0 for none
	Level                  string
	Title                  string
	Message                string
	RawDetails             string
}

// Action is a button of a check run. The identifier says what is wanted, the check run's id says of what.
type Action struct {
	Label, Description, Identifier string
}

// The buttons of hnp-sync / conflicts.
var (
	KeepGit    = Action{Label: "Keep Git", Description: "Git's values, once this is merged", Identifier: "keep_git"}
	KeepNetBox = Action{Label: "Keep NetBox", Description: "Commit NetBox's values to this branch", Identifier: "keep_netbox"}
	Merge      = Action{Label: "Merge", Description: "Each field from the side that changed it", Identifier: "merge"}
)
