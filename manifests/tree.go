package manifests

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

type nodeKind uint8

const (
	scalarNode nodeKind = iota
	mapNode
	seqNode
	aliasNode
)

type nodeStyle uint8

const (
	plainStyle nodeStyle = iota
	singleStyle
	doubleStyle
	literalStyle
	foldedStyle
	blockStyle // block mappings and sequences
	flowStyle
	pairStyle // the mapping of one pair that "[a: 1]" makes without braces
)

// span is a half-open byte range.
type span struct{ start, end int }

// node is one YAML node with its exact bytes. Offsets count from the start of the document's section.
type node struct {
	kind   nodeKind
	style  nodeStyle
	isStr  bool // the scalar reads as a string
	merged bool // a mapping that holds "<<"
	aliens bool // an alias or "<<" stands at or below this node

	prop       int // start of the anchor and tag, or start
	propEnd    int // end of the anchor and tag, or start
	start, end int // the content; equal for an empty value, which stands right after its ":" or "-"
	col        int // column of the keys or dashes of a block collection; indentation of a block scalar's content

	tag, anchor string
	text        string // value of a scalar
	target      *node  // what an alias stands for
	entries     []entry
	parent      *node
	index       int // of the entry of parent that holds this value
	size        int // nodes below, aliases expanded
	val         any // JSON value, aliases and merges expanded; shared between nodes, never changed
}

// entry is a pair of a mapping or an item of a sequence.
type entry struct {
	mark  int    // offset of "-" or of an explicit "?"; -1 when there is none
	key   *node  // nil for items
	name  string // the JSON key
	colon int    // offset of ":", -1 when there is none
	merge bool   // "<<"
	val   *node
}

// first is where the entry begins.
func (e *entry) first() int {
	if e.mark >= 0 {
		return e.mark
	}
	return e.key.prop
}

// treeError says why a document cannot be used, at a byte range of its section.
type treeError struct {
	code, msg, fix string
	at             span
	whole          bool   // about the file, not about a place in it
	path           string // dotted, when the value has one
	first          int    // 1 + offset of the other place the message is about; 0 when there is none
}

func (e *treeError) Error() string { return e.msg }

// Limits of one document, so that no input takes unbounded time or memory.
const (
	// MaxFileBytes is the size from which a file is not parsed.
	MaxFileBytes = 4 << 20
	// MaxDocuments is how many documents of one file are read at most.
	MaxDocuments = 20_000
	// MaxDepth is how deep maps and lists of a document may be nested. The deepest Hedgehog kind needs 11.
	MaxDepth = 100
	// maxExpansion is how many values the aliases and merges of a document may add to it.
	maxExpansion = 200_000
)

type builder struct {
	src      []byte
	from     int // first byte of the text given to the parser
	lines    []int
	ascii    bool
	comments []span
	aliases  []*node
	nodes    map[*yaml.Node]*node
	open     map[*yaml.Node]bool
	slab     []node // nodes to hand out, made many at a time
	keys     []step // the way to the node being built
	depth    int
	count    int // nodes in the text
	alien    int // plain scalars that YAML 1.1 and 1.2 readers take for different types
	merges   bool
}

// step is one segment of the way to a node.
type step struct {
	key   string
	index int // of a list item; -1 for a key
}

// pathTo writes the way to the mapping being built, and to one of its keys.
func (b *builder) pathTo(key string) string {
	var out strings.Builder
	for _, s := range append(slices.Clip(b.keys), step{key, -1}) {
		switch {
		case s.index >= 0:
			fmt.Fprintf(&out, "[%d]", s.index)
		case !plainKey(s.key):
			out.WriteString("[" + strconv.Quote(s.key) + "]")
		default:
			if out.Len() > 0 {
				out.WriteByte('.')
			}
			out.WriteString(s.key)
		}
	}
	return out.String()
}

// tree is the parsed form of one section.
type tree struct {
	src      []byte
	root     *node // nil for an empty document
	comments []span
	aliases  []*node
	alien    int
	merges   bool
}

// buildTree gives every node of the parsed document its byte range. from is the offset in src at which the text
// given to the parser begins.
func buildTree(src []byte, from int, doc *yaml.Node) (t *tree, err error) {
	b := &builder{src: src, from: from, ascii: true}
	for _, c := range src {
		if c >= 0x80 {
			b.ascii = false
			break
		}
	}
	b.lines = append(b.lines, from)
	for i := from; i < len(src); {
		if n := breakLen(src, i); n > 0 {
			i += n
			b.lines = append(b.lines, i)
			continue
		}
		i++
	}
	start := from
	// Directives and the marker stand in front of the content.
	for {
		start = b.skip(start)
		if start < len(src) && src[start] == '%' {
			start = lineEnd(src, start)
			continue
		}
		if isMarker(src, start, '-') {
			start += 3
		}
		break
	}
	if len(doc.Content) != 1 {
		return nil, &treeError{code: "yaml-unsupported", msg: "the document has no single root", at: span{start, start}, fix: fixPlainYAML}
	}
	root, end, err := b.build(doc.Content[0], start, -1, nil)
	if err != nil {
		return nil, err
	}
	if end = b.skip(end); end < len(src) {
		// The parser stops at the end of the first document; whatever follows would be lost without a word.
		return nil, &treeError{
			code: "yaml-syntax", at: span{end, end + 1}, msg: "text after the end of the document",
			fix: "indent the line like its neighbours, or start a new document with ---",
		}
	}
	return &tree{src: src, root: root, comments: b.comments, aliases: b.aliases, alien: b.alien, merges: b.merges}, nil
}

const fixPlainYAML = "write this part as plain block YAML"

// offset converts the parser's line and column (code points, from 1) to a byte offset.
func (b *builder) offset(line, col int) int {
	if line < 1 || line > len(b.lines) {
		return -1
	}
	i := b.lines[line-1]
	if b.ascii {
		return i + col - 1
	}
	for ; col > 1 && i < len(b.src); col-- {
		_, n := utf8.DecodeRune(b.src[i:])
		i += n
	}
	return i
}

func (b *builder) lost(at int) error {
	at = min(max(at, 0), len(b.src))
	return &treeError{
		code: "yaml-unsupported", at: span{at, at}, fix: fixPlainYAML,
		msg: "this YAML is written in a way whose exact places cannot be told",
	}
}

// build makes the node for y, whose text is looked for from i on, and returns where the text ends. parent is the
// column of the enclosing block collection.
func (b *builder) build(y *yaml.Node, i, parent int, up *node) (*node, int, error) {
	b.count++
	if len(b.slab) == 0 {
		b.slab = make([]node, 64)
	}
	n := &b.slab[0]
	b.slab = b.slab[1:]
	n.parent, n.anchor, n.size = up, y.Anchor, 1
	if y.Style&yaml.TaggedStyle != 0 {
		n.tag = y.Tag
	}
	empty := y.Kind == yaml.ScalarNode && y.Value == "" && y.Style&^yaml.TaggedStyle == 0
	if empty && n.anchor == "" && n.tag == "" {
		// A "!" alone still is a property, the only text such a value can have.
		if j := b.peek(i); j >= len(b.src) || b.src[j] != '!' || b.offset(y.Line, y.Column) != j {
			n.prop, n.propEnd, n.start, n.end = i, i, i, i
			return n, i, b.scalar(n, true)
		}
	}
	start := b.skip(i)
	if b.offset(y.Line, y.Column) != start {
		return nil, 0, b.lost(start)
	}
	n.prop, n.propEnd = start, start
	if b.hasProps(y, start) {
		for start < len(b.src) && (b.src[start] == '&' || b.src[start] == '!') {
			for start < len(b.src) && !isBlank(b.src[start]) && breakLen(b.src, start) == 0 &&
				!(b.src[start] == ',' || b.src[start] == ']' || b.src[start] == '}') {
				start++
			}
			i, n.propEnd = start, start
			if empty {
				// What follows is not part of the value.
				if j := b.peekBlank(start); j < len(b.src) && (b.src[j] == '&' || b.src[j] == '!') {
					start = j
				}
				continue
			}
			start = b.skip(start)
		}
	}
	if empty {
		n.start, n.end = i, i
		b.name(y, n)
		return n, i, b.scalar(n, true)
	}
	n.start = start
	if start >= len(b.src) {
		return nil, 0, b.lost(start)
	}
	var end int
	var err error
	switch y.Kind {
	case yaml.AliasNode:
		end, err = b.alias(n, y)
	case yaml.ScalarNode:
		end, err = b.scalarText(n, y, parent)
	case yaml.MappingNode, yaml.SequenceNode:
		if b.depth++; b.depth > MaxDepth {
			return nil, 0, tooDeep(start)
		}
		if b.name(y, n) {
			b.open[y] = true
		}
		if y.Kind == yaml.MappingNode {
			end, err = b.mapping(n, y)
		} else {
			end, err = b.sequence(n, y)
		}
		delete(b.open, y)
		b.depth--
	default:
		return nil, 0, b.lost(start)
	}
	if err != nil {
		return nil, 0, err
	}
	if n.size > b.count+maxExpansion {
		return nil, 0, &treeError{
			code: "alias-bomb", at: span{start, start + 1},
			msg: fmt.Sprintf("aliases add more than %d values to the document", maxExpansion),
			fix: "write the repeated parts out, or split the document",
		}
	}
	if y.Kind == yaml.ScalarNode {
		b.name(y, n)
	}
	n.end = end
	return n, end, nil
}

// name makes n the target of the aliases of its anchor.
func (b *builder) name(y *yaml.Node, n *node) bool {
	if y.Anchor == "" {
		return false
	}
	if b.nodes == nil {
		b.nodes, b.open = map[*yaml.Node]*node{}, map[*yaml.Node]bool{}
	}
	b.nodes[y] = n
	return true
}

func tooDeep(at int) error {
	return &treeError{
		code: "too-deep", at: span{at, at + 1},
		msg: fmt.Sprintf("maps and lists are nested more than %d deep", MaxDepth),
		fix: "flatten the document",
	}
}

// peek is skip without noting comments.
func (b *builder) peek(i int) int {
	keep := len(b.comments)
	i = b.skip(i)
	b.comments = b.comments[:keep]
	return i
}

func (b *builder) peekBlank(i int) int {
	for i < len(b.src) && isBlank(b.src[i]) {
		i++
	}
	return i
}

// hasProps reports whether the text at start is an anchor or tag of y itself. A block collection can begin with a
// property of its first key, at the same place.
func (b *builder) hasProps(y *yaml.Node, start int) bool {
	if c := b.src[start]; c != '&' && c != '!' {
		return false
	}
	if y.Kind == yaml.AliasNode {
		return false
	}
	if y.Style&yaml.FlowStyle != 0 || len(y.Content) == 0 || y.Kind == yaml.ScalarNode {
		if y.Kind == yaml.MappingNode && len(y.Content) > 0 && y.Content[0].Line == y.Line && y.Content[0].Column == y.Column {
			return false // "[&a k: v]"
		}
		return true
	}
	return y.Content[0].Line != y.Line || y.Content[0].Column != y.Column
}
