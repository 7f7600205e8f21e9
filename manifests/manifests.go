// Package manifests reads, checks and edits Kubernetes-style YAML files of a Hedgehog fabric.
//
// It promises three things. Every value keeps its exact place (line and column in code points), so that a
// finding can point at it. An edit changes only the bytes of the fields that change: comments, quoting, order,
// indentation and line ends of everything else survive, and a result that an independent strict parser does not
// read as intended is refused, never written. And nothing it is given can make it panic or run without bound:
// every file is foreign input.
//
// It does no input or output, knows no Git and no NetBox, and reads no clock.
package manifests

import "strings"

// Object is one YAML document as JSON types: map[string]any, []any, string, bool, nil and json.Number.
type Object = map[string]any

// DefaultNamespace is the namespace of a document that names none. It belongs to the identity only and is never
// written into a file that leaves it out.
const DefaultNamespace = "default"

// Identity names one resource within a fabric. Namespace is never empty for a resource: an absent one is
// DefaultNamespace. The version is not part of it; it belongs to the file.
type Identity struct {
	Group     string
	Kind      string
	Namespace string
	Name      string
}

// String is the form for people: "vpc/test-vpc", or "vpc/other-ns/test-vpc" outside the default namespace.
func (i Identity) String() string {
	kind := strings.ToLower(i.Kind)
	if i.Namespace == "" || i.Namespace == DefaultNamespace {
		return kind + "/" + i.Name
	}
	return kind + "/" + i.Namespace + "/" + i.Name
}

// Less orders identities by group, kind, namespace and name.
func (i Identity) Less(o Identity) bool {
	if i.Group != o.Group {
		return i.Group < o.Group
	}
	if i.Kind != o.Kind {
		return i.Kind < o.Kind
	}
	if i.Namespace != o.Namespace {
		return i.Namespace < o.Namespace
	}
	return i.Name < o.Name
}

// Class says what a document is to this program.
type Class int

const (
	// ClassEmpty is a document without content: blank, or comments only.
	ClassEmpty Class = iota
	// ClassResource is a resource of a kind and version that is synchronised.
	ClassResource
	// ClassController is a kind that Hedgehog's controllers make (VPCInfo, Agent, ...): recognised and left alone.
	ClassController
	// ClassUnsupportedVersion is a known kind in a version no schema serves (v1alpha2 in old files).
	ClassUnsupportedVersion
	// ClassUnsupportedKind has apiVersion and kind, but of something else (ConfigMap, ...).
	ClassUnsupportedKind
	// ClassOther is YAML that is no resource: no apiVersion or kind, or not a mapping.
	ClassOther
	// ClassBroken did not parse, or holds something that must not be edited or compared (duplicate keys,
	// template braces, encryption, limits exceeded). Object is nil.
	ClassBroken
)

// Document is one document of a file.
type Document struct {
	// Object is the parsed document; nil when Class is ClassEmpty or ClassBroken, or when the document is not a mapping.
	Object Object
	// Identity is set when the document has apiVersion, kind and metadata.name, whatever its class.
	Identity Identity
	// APIVersion is the text of apiVersion, empty when absent.
	APIVersion string
	// Start and End are the byte range of the document, without its "---" line and up to the next marker or the
	// end of the file; comments in front of the content belong to it.
	Start, End int
	// Class says what the document is.
	Class Class
}

// Severity grades a Diagnostic.
type Severity string

const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
	SeverityNote    Severity = "note"
)

// Diagnostic is one finding at one place. Lines and columns are 1-based and count Unicode code points; a BOM
// counts as nothing. EndColumn is the column after the last code point. Zero lines mean the whole file.
type Diagnostic struct {
	File        string   `json:"file"`
	Document    int      `json:"document"` // 0-based index in the file, -1 for the file as a whole
	Path        string   `json:"path"`     // as INTERFACES: spec.subnets.test-subnet.vlan; empty for the document
	StartLine   int      `json:"start_line"`
	StartColumn int      `json:"start_column"`
	EndLine     int      `json:"end_line"`
	EndColumn   int      `json:"end_column"`
	Severity    Severity `json:"severity"`
	Code        string   `json:"code"`    // stable; listed in docs/diagnostics.md
	Message     string   `json:"message"` // what is wrong, one line
	Fix         string   `json:"fix"`     // what to do, one line
}

// Range is a place in a file, as in Diagnostic.
type Range struct {
	StartLine, StartColumn, EndLine, EndColumn int
}

// Change is one step of File.Apply.
type Change struct {
	// Doc is the index of the document to change; AppendDoc adds Append as a new last document instead.
	Doc int
	// Want is the object the document shall hold; nil cuts the document out.
	Want Object
	// Append holds the bytes of the new document when Doc is AppendDoc.
	Append []byte
}

// AppendDoc is the Change.Doc that adds a document at the end of the file.
const AppendDoc = -1
