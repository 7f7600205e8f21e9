package gitops

import "github.com/hnp-sync/hnp-sync/manifests"

// StructureInput is what structure and ingestion are planned from.
type StructureInput struct {
	Snapshot *GitSnapshot
	View     *GitView
	Fabric   *Fabric
	State    *State
	Parse    Parser
	Problems func(doc manifests.Object) []string
	// Init and Ingest were asked for by a person; otherwise both run by themselves for a standard fabric (INTERFACES).
	Init, Ingest bool
}

// StructurePlan is one commit that sets up the directory, files raw documents, or both. Files empty: nothing to do.
type StructurePlan struct {
	Files       []FileChange
	Type        string // operation type: directory_init or ingestion
	Subject     string
	Body        string // with a final blank line, before the trailers
	Processed   int
	Details     map[string]any
	Diagnostics []manifests.Diagnostic
}

// PlanStructure plans structure and ingestion.
func PlanStructure(in *StructureInput) *StructurePlan { return &StructurePlan{} }
