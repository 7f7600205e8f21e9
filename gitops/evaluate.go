package gitops

import "github.com/hnp-sync/hnp-sync/manifests"

// Evaluation is what merging a pull request would do to one fabric. Nothing was written to find out.
//
// The evaluated tree is the tracked branch's with the pull request's changes on top: entries that differ between the
// merge base and the head are the head's, all others the branch's. So a head that is behind does not undo what the
// branch did since.
type Evaluation struct {
	Fabric Fabric
	// Head is the pull request's head, Base the tracked branch's head, MergeBase what they share ("" when nothing).
	Head, Base, MergeBase string
	// Files are the entries below the fabric's directory that the pull request adds, changes or removes; sorted. Empty:
	// it does not touch the fabric. Colliding are those the branch changed too.
	Files, Colliding []string
	// Touched are the resources that the pull request adds, changes, renames or removes.
	Touched map[Key]bool
	// Diagnostics are all findings of the evaluated tree; a finding's File is relative to the fabric's directory.
	Diagnostics []manifests.Diagnostic
	// After is the plan once merged, Now that of the branch as it is.
	After, Now *Plan
	// Effects are what merging does to NetBox, Waiting what the guard would hold back.
	Effects []Effect
	// Arriving are the NetBox edits that wait to be written to Git and do so whether or not it is merged.
	Arriving []Effect
	// Ingest are the files in raw/ that the pull request adds and where their documents go.
	Ingest []IngestedFile
	// Unknown are kinds NetBox did not list, with the cause: nothing is known about their resources.
	Unknown map[string]string
	// Paused and Unpaired say why nothing would be written at all; empty otherwise.
	Paused string
}

// Effect is one write that merging causes, or that waits anyway.
type Effect struct {
	Key, NewKey Key // NewKey only for a rename
	Side        Side
	Op          Op
	Paths       []PathChange
	Guarded     bool   // waits for an approval
	Reason      string // of the guard, or of the action
	// Breaks are resources that reference a deleted one and stay.
	Breaks []Key
	// Touched: the pull request changes the resource.
	Touched bool
	// File and Line are where the resource stands in the evaluated tree, relative to the fabric's directory; 0 and
	// empty when it is in none.
	File string
	Line int
}

// IngestedFile is where one raw file's documents go.
type IngestedFile struct {
	File    string   // below the fabric's directory
	Targets []string // managed files it is filed under
	Problem string   // why it will be moved to raw/errors instead
}
