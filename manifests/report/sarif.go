package report

import (
	"io"
	"net/url"
	"strings"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// The parts of SARIF 2.1.0 (OASIS) that are used.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID                   string       `json:"id"`
		ShortDescription     *sarifText   `json:"shortDescription,omitempty"`
		DefaultConfiguration *sarifConfig `json:"defaultConfiguration,omitempty"`
	}
	sarifConfig struct {
		Level string `json:"level"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
		EndLine     int `json:"endLine"`
		EndColumn   int `json:"endColumn"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
	}
)

// writeSARIF prints one run. Columns are code points, the end column is the one after the region, as in Diagnostic.
func writeSARIF(w io.Writer, r Report) error {
	run := sarifRun{
		Tool:       sarifTool{Driver: sarifDriver{Name: "hnp-sync", Rules: []sarifRule{}}},
		ColumnKind: "unicodeCodePoints", Results: []sarifResult{},
	}
	known := map[string]manifests.CodeInfo{}
	for _, c := range manifests.Codes() {
		known[c.Code] = c
	}
	index := map[string]int{}
	for _, d := range r.Diagnostics {
		i, listed := index[d.Code]
		if !listed {
			i = len(run.Tool.Driver.Rules)
			index[d.Code] = i
			rule := sarifRule{ID: Clean(d.Code)}
			if c, ok := known[d.Code]; ok {
				rule.ShortDescription = &sarifText{Text: c.Meaning}
				rule.DefaultConfiguration = &sarifConfig{Level: string(c.Severity)}
			}
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule)
		}
		location := sarifLocation{Physical: sarifPhysical{Artifact: sarifArtifact{URI: fileURI(d.File)}}}
		if d.StartLine > 0 {
			location.Physical.Region = region(d)
		}
		if d.Path != "" {
			location.Logical = []sarifLogical{{FullyQualifiedName: Clean(d.Path)}}
		}
		run.Results = append(run.Results, sarifResult{
			RuleID: Clean(d.Code), RuleIndex: i, Level: string(d.Severity), // The severities are SARIF's own words.
			Message: sarifText{Text: Clean(withFix(d))}, Locations: []sarifLocation{location},
		})
	}
	return encode(w, sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}})
}

// region makes sure that the end is not before the start: SARIF refuses that, and an empty place is a valid diagnostic.
func region(d manifests.Diagnostic) *sarifRegion {
	g := sarifRegion{d.StartLine, max(d.StartColumn, 1), max(d.EndLine, d.StartLine), d.EndColumn}
	if g.EndLine == g.StartLine {
		g.EndColumn = max(g.EndColumn, g.StartColumn)
	}
	g.EndColumn = max(g.EndColumn, 1)
	return &g
}

// fileURI writes a path as a URI reference; relative paths stay relative to the root of the repository.
func fileURI(name string) string {
	u := url.URL{Path: strings.ToValidUTF8(name, "\uFFFD")}
	return u.String()
}
