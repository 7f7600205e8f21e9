package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	yaml4 "go.yaml.in/yaml/v4"
)

// Limits of the file.
const (
	maxFileBytes   = 1 << 20
	maxSecretBytes = 64 << 10
	// maxNodes bounds what is visited, aliases followed: an alias of aliases grows without bound otherwise.
	maxNodes = 20_000
)

// decoder turns nodes into values and collects what is wrong.
type decoder struct {
	file string
	dir  string // of relative paths
	// origin names the environment variable that a node was made from.
	origin   map[*yaml.Node]string
	problems Problems
	unserved Problems // what Config.Unserved lists
	visited  int
	// exhausted: the budget is used up; what is found wrong after that only follows from stopping.
	exhausted bool
}

// fail records a problem at a node.
func (d *decoder) fail(n *yaml.Node, key, format string, args ...any) {
	if d.exhausted {
		return
	}
	p := Problem{File: d.file, Line: max(n.Line, 1), Key: key, Message: fmt.Sprintf(format, args...)}
	if variable := d.origin[n]; variable != "" {
		p.File, p.Line = "environment "+variable, 0
	}
	d.problems = append(d.problems, p)
}

// parse reads exactly one document and returns its mapping; an empty file is an empty mapping.
func (d *decoder) parse(src []byte) *yaml.Node {
	empty := &yaml.Node{Kind: yaml.MappingNode, Line: 1}
	if len(src) > maxFileBytes {
		d.fail(empty, "", "the file is larger than %d bytes", maxFileBytes)
		return empty
	}
	var doc, next yaml.Node
	yd := yaml.NewDecoder(bytes.NewReader(plainSlashes(src)))
	err := yd.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return empty
	}
	if err == nil {
		switch err = yd.Decode(&next); {
		case errors.Is(err, io.EOF):
			err = nil
		case err == nil:
			d.fail(&next, "", "only one document is allowed")
			return empty
		}
	}
	if err != nil {
		line, message := syntaxError(src, err)
		d.problems = append(d.problems, Problem{File: d.file, Line: line, Message: message})
		return empty
	}
	if len(doc.Content) == 0 || doc.Content[0].ShortTag() == "!!null" {
		return empty
	}
	return doc.Content[0]
}

// plainSlashes writes the \/ of JSON as /, the one thing in JSON text that the YAML parser does not take.
func plainSlashes(src []byte) []byte {
	if !json.Valid(src) || !bytes.Contains(src, []byte(`\/`)) {
		return src
	}
	out := make([]byte, 0, len(src))
	for i := 0; i < len(src); i++ {
		if src[i] == '\\' && i+1 < len(src) {
			if src[i+1] != '/' {
				out = append(out, src[i])
			}
			i++
		}
		out = append(out, src[i])
	}
	return out
}

var lineOfError = regexp.MustCompile(`line (\d+): `)

// syntaxError takes the place from yaml v4, because the lines of v3 can be one or two short.
func syntaxError(src []byte, err error) (line int, message string) {
	var any4 yaml4.Node
	var le *yaml4.LoadError
	if err4 := yaml4.Unmarshal(src, &any4); errors.As(err4, &le) && le.Mark.Line > 0 {
		return le.Mark.Line, "not YAML: " + le.Message
	}
	message = strings.TrimPrefix(err.Error(), "yaml: ")
	line = 1
	if m := lineOfError.FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = strings.Replace(message, m[0], "", 1)
	}
	return line, "not YAML: " + message
}

// follow resolves aliases and counts; nil when the budget is used up.
func (d *decoder) follow(n *yaml.Node, key string) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		if d.visited++; d.visited > maxNodes {
			break
		}
		n = n.Alias
	}
	if d.visited++; d.visited > maxNodes {
		d.fail(n, key, "too many values (aliases counted as often as they are used)")
		d.exhausted = true
		return nil
	}
	return n
}

// pair is one key of a mapping.
type pair struct {
	name       string
	key, value *yaml.Node
}

// pairs lists a mapping's keys; duplicates and keys that are not texts are problems.
func (d *decoder) pairs(n *yaml.Node, path string) []pair {
	at := n
	if n = d.follow(n, path); n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		d.fail(at, path, "must be a mapping, is %s", shape(n))
		return nil
	}
	var out []pair
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := d.follow(n.Content[i], path)
		switch {
		case k == nil:
			return out
		case k.ShortTag() == "!!merge":
			d.fail(k, path, "merge keys (<<) are not supported: write the keys out")
			continue
		case k.Kind != yaml.ScalarNode:
			d.fail(k, path, "a key must be text")
			continue
		}
		if first, ok := seen[k.Value]; ok {
			d.fail(k, join(path, k.Value), "is already set on line %d", first)
			continue
		}
		seen[k.Value] = k.Line
		out = append(out, pair{name: k.Value, key: k, value: n.Content[i+1]})
	}
	return out
}

// object reads a mapping whose keys are known and returns the values that are there.
func (d *decoder) object(n *yaml.Node, path string, known []key) map[string]*yaml.Node {
	out, inline := map[string]*yaml.Node{}, map[string]bool{}
	broken := len(d.problems)
	for _, p := range d.pairs(n, path) {
		_, ok := find(known, p.name)
		switch {
		case d.origin[p.key] != "": // made from the environment, already checked against known
			out[p.name] = p.value
		case !ok && isSecretTwin(known, p.name):
			inline[fileKey(p.name)] = true
			d.fail(p.key, join(path, p.name), "a secret is not written here: put it into a file and name that in %s", fileKey(p.name))
		case !ok:
			d.fail(p.key, join(path, p.name), "unknown key%s", hint(p.name, known))
		default:
			out[p.name] = p.value
		}
	}
	if len(d.problems) > broken && len(out) == 0 {
		return out // the mapping itself is wrong: what is missing follows from that
	}
	for _, k := range known {
		if !k.required || out[k.name] != nil || out[twin(k.name)] != nil || inline[k.name] {
			continue
		}
		d.fail(n, join(path, k.name), "is missing")
	}
	return out
}

// items lists a sequence.
func (d *decoder) items(n *yaml.Node, path string) []*yaml.Node {
	at := n
	if n = d.follow(n, path); n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		d.fail(at, path, "must be a list, is %s", shape(n))
		return nil
	}
	if len(n.Content) == 0 {
		d.fail(at, path, "is empty")
	}
	return n.Content
}

// scalar reads one plain value; ok is false when it is something else or empty.
func (d *decoder) scalar(n *yaml.Node, path, want string) (string, bool) {
	at := n
	if n = d.follow(n, path); n == nil {
		return "", false
	}
	if n.Kind != yaml.ScalarNode {
		d.fail(at, path, "must be %s, is %s", want, shape(n))
		return "", false
	}
	if n.ShortTag() == "!!null" || strings.TrimSpace(n.Value) == "" {
		d.fail(at, path, "is empty")
		return "", false
	}
	return n.Value, true
}

func (d *decoder) text(n *yaml.Node, path string) (string, bool) {
	v, ok := d.scalar(n, path, "text")
	if !ok {
		return "", false
	}
	for _, r := range v {
		if r < 0x20 || r == 0x7f {
			d.fail(n, path, "holds a control character")
			return "", false
		}
	}
	return v, true
}

func (d *decoder) texts(n *yaml.Node, path string) []string {
	var out []string
	for i, item := range d.items(n, path) {
		if v, ok := d.text(item, index(path, i)); ok {
			out = append(out, v)
		}
	}
	return out
}

func (d *decoder) integer(n *yaml.Node, path string) (int64, bool) {
	v, ok := d.scalar(n, path, "an integer")
	if !ok {
		return 0, false
	}
	i, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		d.fail(n, path, "must be an integer")
		return 0, false
	}
	return i, true
}

func (d *decoder) boolean(n *yaml.Node, path string) (value, ok bool) {
	v, ok := d.scalar(n, path, "true or false")
	if ok && v != "true" && v != "false" {
		d.fail(n, path, "must be true or false")
		return false, false
	}
	return v == "true", ok
}

func (d *decoder) duration(n *yaml.Node, path string) (time.Duration, bool) {
	v, ok := d.scalar(n, path, "a duration")
	if !ok {
		return 0, false
	}
	t, err := time.ParseDuration(v)
	if err != nil {
		d.fail(n, path, "must be a duration with a unit: 500ms, 60s, 15m")
		return 0, false
	}
	if t < MinInterval {
		d.fail(n, path, "must be at least %s", MinInterval)
		return 0, false
	}
	return t, true
}

func shape(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.ShortTag() == "!!null":
		return "empty"
	}
	return "a single value"
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

func find(known []key, name string) (key, bool) {
	for _, k := range known {
		if k.name == name {
			return k, true
		}
	}
	return key{}, false
}

// hint proposes the known key that differs by at most two letters.
func hint(name string, known []key) string {
	best, least := "", 3
	for _, k := range known {
		if dist := distance(strings.ToLower(name), k.name); dist < least {
			best, least = k.name, dist
		}
	}
	if best == "" {
		return ""
	}
	return ": did you mean " + best + "?"
}

// distance is the Levenshtein distance; long texts count as far.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
