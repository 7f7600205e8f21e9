package repo

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	// queryDepth is how many levels of a directory one query reads. The standard layout has three
	// (managed/<kind>/<file>); a level more costs nothing when it is empty.
	queryDepth = 4
	// historyLength is how many commits one observation reads.
	historyLength = 100
	// maxHints bounds the single files asked for beside a tree.
	maxHints = 50
	// The two places of the configuration, best first.
	configYAML = ".github/hnp-sync.yaml"
	configYML  = ".github/hnp-sync.yml"
)

// blobFields are what is needed to use and to distrust a blob: text is null for binary files, may be cut, and is
// re-encoded when the file is not UTF-8. The hash decides.
const blobFields = "... on Blob{isBinary isTruncated text}"

// entriesSelection nests the entries of a tree depth levels deep.
func entriesSelection(depth int, text bool) string {
	if depth == 0 {
		return ""
	}
	inner := entriesSelection(depth-1, text)
	if inner != "" {
		inner = "... on Tree{" + inner + "}"
	}
	if text {
		inner = blobFields + " " + inner
	}
	if inner == "" {
		return "entries{name mode type oid size}"
	}
	return "entries{name mode type oid size object{" + inner + "}}"
}

// mode is how an observation asks for the directory.
type mode int

const (
	// askContents asks for every file's content: one request for a small directory, whatever is new.
	askContents mode = iota
	// askEntries asks for names and object ids; new contents follow in batches.
	askEntries
	// askTree asks for the tree's id only; its entries come from the recursive tree, unless they are known.
	askTree
)

// observation is the text and variables of one query about one commit.
type observation struct {
	text      string
	variables map[string]any
}

// commitSelection asks for the directory, the configuration and hints below one commit, so that all of it is of one
// state. Each lookup has an alias.
func (r *Repository) commitSelection(how mode, vars map[string]any) string {
	var b strings.Builder
	depth := queryDepth
	if how == askTree {
		depth = 0
	}
	entries := entriesSelection(depth, how == askContents)
	b.WriteString("oid ")
	if r.opts.Directory == "" {
		fmt.Fprintf(&b, "tree{oid %s} ", entries)
	} else {
		vars["dir"] = r.opts.Directory
		b.WriteString("tree{oid} ")
		if entries != "" {
			entries = "object{... on Tree{" + entries + "}}"
		}
		fmt.Fprintf(&b, "dir:file(path:$dir){mode type oid %s} ", entries)
	}
	fmt.Fprintf(&b, "yaml:file(path:%q){type oid} yml:file(path:%q){type oid} ", configYAML, configYML)
	if how != askContents {
		for i, p := range r.hints {
			name := "h" + strconv.Itoa(i)
			vars[name] = p
			fmt.Fprintf(&b, "%s:file(path:$%s){oid object{%s}} ", name, name, blobFields)
		}
	}
	return b.String()
}

// observeHead builds the query of Observe. Per commit of the history the directory's tree id is asked for, which
// tells exactly whether the commit changed it.
func (r *Repository) observeHead(how mode, lean bool) observation {
	vars := map[string]any{"owner": r.ref.Owner, "name": r.ref.Name, "ref": r.refName()}
	commit := r.commitSelection(how, vars)
	dir := ""
	if r.opts.Directory != "" && !lean {
		dir = "dir:file(path:$dir){oid}"
	}
	history := fmt.Sprintf("history(first:%d){nodes{oid message tree{oid} parents(first:10){nodes{oid}} author{name user{login}} %s}}", historyLength, dir)
	return observation{
		text: "query Observe(" + declarations(vars) + "){repository(owner:$owner,name:$name){" + repositoryFields +
			" ref(qualifiedName:$ref){target{oid ... on Commit{" + commit + history + "}}}}}",
		variables: vars,
	}
}

// observeCommit builds the query of ObserveAt.
func (r *Repository) observeCommit(commit string, how mode) observation {
	vars := map[string]any{"owner": r.ref.Owner, "name": r.ref.Name, "commit": commit}
	selection := r.commitSelection(how, vars)
	return observation{
		text: "query ObserveAt(" + declarations(vars) + "){repository(owner:$owner,name:$name){" + repositoryFields +
			" object(oid:$commit){oid ... on Commit{" + selection + "}}}}",
		variables: vars,
	}
}

const repositoryFields = "id databaseId nameWithOwner"

// declarations lists the variables in a fixed order.
func declarations(vars map[string]any) string {
	var out []string
	for _, name := range []string{"owner", "name", "ref", "dir"} {
		if _, found := vars[name]; found {
			out = append(out, "$"+name+":String!")
		}
	}
	if _, found := vars["commit"]; found {
		out = append(out, "$commit:GitObjectID!")
	}
	for i := range maxHints {
		name := "h" + strconv.Itoa(i)
		if _, found := vars[name]; found {
			out = append(out, "$"+name+":String!")
		}
	}
	return strings.Join(out, ",")
}

// The shapes of the answers.
type repositoryNode struct {
	ID            string      `json:"id"`
	DatabaseID    int64       `json:"databaseId"`
	NameWithOwner string      `json:"nameWithOwner"`
	Ref           *refNode    `json:"ref"`
	Object        *commitNode `json:"object"`
}

type refNode struct {
	Target *commitNode `json:"target"`
}

type commitNode struct {
	OID     string     `json:"oid"`
	Message string     `json:"message"`
	Tree    *treeNode  `json:"tree"`
	Parents *nodes     `json:"parents"`
	Author  *actorNode `json:"author"`
	Dir     *entryNode `json:"dir"`
	YAML    *entryNode `json:"yaml"`
	YML     *entryNode `json:"yml"`
	History *struct {
		Nodes []commitNode `json:"nodes"`
	} `json:"history"`
}

type nodes struct {
	Nodes []struct {
		OID string `json:"oid"`
	} `json:"nodes"`
}

type actorNode struct {
	Name string `json:"name"`
	User *struct {
		Login string `json:"login"`
	} `json:"user"`
}

type treeNode struct {
	OID     string      `json:"oid"`
	Entries []entryNode `json:"entries"`
}

type entryNode struct {
	Name   string      `json:"name"`
	Mode   int64       `json:"mode"`
	Type   string      `json:"type"`
	OID    string      `json:"oid"`
	Size   int64       `json:"size"`
	Object *objectNode `json:"object"`
}

// objectNode is a Blob or a Tree; Entries is nil when the tree was not opened.
type objectNode struct {
	OID         string       `json:"oid"`
	Text        *string      `json:"text"`
	IsBinary    *bool        `json:"isBinary"`
	IsTruncated bool         `json:"isTruncated"`
	Entries     *[]entryNode `json:"entries"`
}

func (a *actorNode) name() string {
	switch {
	case a == nil:
		return ""
	case a.User != nil && a.User.Login != "":
		return clip(a.User.Login, 100)
	}
	return clip(a.Name, 100)
}
