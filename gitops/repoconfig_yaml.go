package gitops

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	yaml4 "go.yaml.in/yaml/v4"

	"github.com/hnp-sync/hnp-sync/manifests"
)

// maxConfigNodes bounds what is visited with aliases followed: 100 fabrics with all keys have some 6,000 values, and
// aliases of aliases grow without bound.
const maxConfigNodes = 20_000

// configReader turns nodes of a repository's configuration into values and collects what is wrong.
type configReader struct {
	path    string
	found   []manifests.Diagnostic
	visited int
	// exhausted: too many values; what is found wrong after that only follows from stopping.
	exhausted bool
}

func (r *configReader) fail(n *yaml.Node, at, code, message, fix string) {
	if r.exhausted {
		return
	}
	d := manifests.Diagnostic{File: r.path, Path: at, StartLine: 1, StartColumn: 1, EndLine: 1, EndColumn: 1,
		Severity: manifests.SeverityError, Code: code, Message: message, Fix: fix}
	if n != nil && n.Line > 0 {
		d.StartLine, d.StartColumn = n.Line, n.Column
		d.EndLine, d.EndColumn = n.Line, n.Column+nodeWidth(n)
	}
	r.found = append(r.found, d)
}

// nodeWidth is how many columns a node takes on its line, as far as the node tells.
func nodeWidth(n *yaml.Node) int {
	switch {
	case n.Kind == yaml.AliasNode:
		return utf8.RuneCountInString(n.Value) + 1
	case n.Kind != yaml.ScalarNode || strings.Contains(n.Value, "\n"):
		return 1
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		return utf8.RuneCountInString(n.Value) + 2
	case n.Anchor != "" || n.Style&yaml.TaggedStyle != 0:
		return 1
	}
	return max(utf8.RuneCountInString(n.Value), 1)
}

// value records a wrong value.
func (r *configReader) value(n *yaml.Node, at, message, fix string) {
	r.fail(n, at, CodeConfigValue, message, fix)
}

func (r *configReader) sorted() []manifests.Diagnostic {
	slices.SortStableFunc(r.found, func(a, b manifests.Diagnostic) int {
		return cmp.Or(cmp.Compare(a.StartLine, b.StartLine), cmp.Compare(a.StartColumn, b.StartColumn))
	})
	return r.found
}

// parse reads exactly one document and returns its root; nil when there is none, with the reason recorded.
func (r *configReader) parse(src []byte) *yaml.Node {
	whole := func(message, fix string) *yaml.Node {
		r.fail(nil, "", CodeConfigSyntax, message, fix)
		return nil
	}
	if len(src) > MaxConfigBytes {
		return whole(fmt.Sprintf("the file is larger than %d bytes", MaxConfigBytes), "Shorten it.")
	}
	if !utf8.Valid(src) {
		return whole("the file is not UTF-8", "Save it as UTF-8.")
	}
	const shape = "Write version: 1 and a list fabrics."
	var doc, next yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(src))
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return whole("the file is empty", shape)
	case err != nil:
		r.syntax(src, err)
		return nil
	}
	switch err := d.Decode(&next); {
	case errors.Is(err, io.EOF):
	case err != nil:
		r.syntax(src, err)
		return nil
	default:
		r.fail(&next, "", CodeConfigSyntax, "only one document is allowed", "Remove everything from the second --- on.")
		return nil
	}
	if len(doc.Content) != 1 || doc.Content[0].ShortTag() == "!!null" {
		return whole("the file is empty", shape)
	}
	return doc.Content[0]
}

var yamlErrorLine = regexp.MustCompile(`line (\d+): `)

// syntax takes the place from yaml v4, because the lines of v3 can be one or two short.
func (r *configReader) syntax(src []byte, err error) {
	at := &yaml.Node{Line: 1, Column: 1}
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlErrorLine.FindStringSubmatch(message); m != nil {
		at.Line, _ = strconv.Atoi(m[1])
		message = strings.Replace(message, m[0], "", 1)
	}
	var again yaml4.Node
	var le *yaml4.LoadError
	if err4 := yaml4.Unmarshal(src, &again); errors.As(err4, &le) && le.Mark.Line > 0 {
		at.Line, at.Column, message = le.Mark.Line, max(le.Mark.Column, 1), le.Message
	}
	r.fail(at, "", CodeConfigSyntax, "not YAML: "+message, "Correct the syntax.")
}

// follow resolves aliases and counts; nil when the budget is used up.
func (r *configReader) follow(n *yaml.Node) *yaml.Node {
	for first := n; ; n = n.Alias {
		if r.visited++; r.visited > maxConfigNodes {
			r.fail(first, "", CodeConfigSyntax, "too many values (aliases counted as often as they are used)", "Shorten the file.")
			r.exhausted = true
			return nil
		}
		if n.Kind != yaml.AliasNode {
			return n
		}
	}
}

// readConfigObject reads a mapping with known keys into to, and returns the nodes of the values that are there; nil when it is
// no mapping.
func readConfigObject[T any](r *configReader, n *yaml.Node, at string, known []configKey[T], to *T) map[string]*yaml.Node {
	m := r.follow(n)
	if m == nil {
		return nil
	}
	if m.Kind != yaml.MappingNode {
		r.value(n, at, "must be a mapping", "Write key: value lines.")
		return nil
	}
	present, lines := map[string]*yaml.Node{}, map[string]int{}
	for i := 0; i+1 < len(m.Content); i += 2 {
		k := r.follow(m.Content[i])
		if k == nil {
			return nil
		}
		where := joinConfigKey(at, k.Value)
		if k.Kind != yaml.ScalarNode || k.ShortTag() == "!!merge" {
			r.fail(m.Content[i], at, CodeConfigKey, "a key must be a plain word; merge keys (<<) are not supported", "Write the keys out.")
			continue
		}
		if lines[k.Value] != 0 {
			r.fail(k, where, CodeConfigKey, fmt.Sprintf("%s is already set on line %d", k.Value, lines[k.Value]), "Remove one of them.")
			continue
		}
		lines[k.Value] = k.Line
		at := slices.IndexFunc(known, func(c configKey[T]) bool { return c.name == k.Value })
		if at < 0 {
			r.fail(k, where, CodeConfigKey, "unknown key "+shortConfigText(k.Value), "Known keys: "+configKeyNames(known)+".")
			continue
		}
		present[k.Value] = m.Content[i+1]
		known[at].read(r, m.Content[i+1], where, to)
	}
	for _, k := range known {
		if k.def == configRequired && lines[k.name] == 0 {
			r.fail(n, joinConfigKey(at, k.name), CodeConfigKey, k.name+" is missing", k.doc)
		}
	}
	return present
}

func joinConfigKey(at, key string) string {
	if key = shortConfigText(key); at == "" {
		return key
	}
	return at + "." + key
}

// shortConfigText keeps foreign text in messages on one short line.
func shortConfigText(s string) string {
	if utf8.RuneCountInString(s) > 60 {
		s = string([]rune(s)[:60]) + "…"
	}
	if strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return strconv.Quote(s)
	}
	return s
}

func configKeyNames[T any](known []configKey[T]) string {
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = k.name
	}
	return strings.Join(names, ", ")
}

func (r *configReader) items(n *yaml.Node, at string) []*yaml.Node {
	list := r.follow(n)
	if list == nil {
		return nil
	}
	if list.Kind != yaml.SequenceNode {
		r.value(n, at, "must be a list", "Write - item lines, or [a, b].")
		return nil
	}
	return list.Content
}

// scalar reads one plain value; want says what it must be.
func (r *configReader) scalar(n *yaml.Node, at, want string) (string, bool) {
	v := r.follow(n)
	if v == nil {
		return "", false
	}
	if v.Kind != yaml.ScalarNode {
		r.value(n, at, "must be "+want, "Write a single value.")
		return "", false
	}
	if v.ShortTag() == "!!null" || strings.TrimSpace(v.Value) == "" {
		r.value(n, at, "is empty", "Write a value, or remove the key.")
		return "", false
	}
	return v.Value, true
}

func (r *configReader) text(n *yaml.Node, at string) string {
	v, ok := r.scalar(n, at, "text")
	if ok && strings.ContainsFunc(v, func(c rune) bool { return c < ' ' || c == 0x7f || c == utf8.RuneError }) {
		r.value(n, at, "holds a control character", "Remove it.")
		return ""
	}
	return v
}

// texts reads a list of texts, each judged by bad, which says what is wrong or nothing.
func (r *configReader) texts(n *yaml.Node, at string, bad func(string) string) []string {
	out := []string{}
	for i, item := range r.items(n, at) {
		where := fmt.Sprintf("%s[%d]", at, i)
		v := r.text(item, where)
		if v == "" {
			continue
		}
		if problem := bad(v); problem != "" {
			r.value(item, where, problem, "Correct or remove it.")
			continue
		}
		out = append(out, v)
	}
	return out
}

func (r *configReader) integer(n *yaml.Node, at string, low, high int) (int, bool) {
	v, ok := r.scalar(n, at, "an integer")
	if !ok {
		return 0, false
	}
	i, err := strconv.Atoi(v)
	if err != nil || i < low || i > high {
		r.value(n, at, fmt.Sprintf("must be an integer from %d to %d", low, high), "Correct it.")
		return 0, false
	}
	return i, true
}

func (r *configReader) boolean(n *yaml.Node, at string) bool {
	v, ok := r.scalar(n, at, "true or false")
	if ok && v != "true" && v != "false" {
		r.value(n, at, "must be true or false", "yes, no, on and off mean different things to different programs.")
	}
	return v == "true"
}

// configChoice reads one of the known words; those in later are refused.
func configChoice[T ~string](r *configReader, n *yaml.Node, at string, words map[string]T, later ...T) T {
	var now []string
	for w, v := range words {
		if !slices.Contains(later, v) {
			now = append(now, w)
		}
	}
	slices.Sort(now)
	fix := "Write " + strings.Join(now, ", ") + "."
	v, ok := r.scalar(n, at, "a word")
	if !ok {
		return ""
	}
	c, ok := words[v]
	switch {
	case !ok:
		r.value(n, at, fmt.Sprintf("%q is not known", shortConfigText(v)), fix)
	case slices.Contains(later, c):
		key := at[strings.LastIndexByte(at, '.')+1:]
		r.fail(n, at, CodeConfigNotSupported, fmt.Sprintf("%s: %s is not supported yet", key, v), fix)
	}
	return c
}
