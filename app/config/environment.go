package config

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// envPrefix begins every variable that is read.
const envPrefix = "HNP_SYNC_"

// clientVariables belong to the command line client, not to the server.
var clientVariables = []string{"HNP_SYNC_SERVER", "HNP_SYNC_TOKEN", "HNP_SYNC_TOKEN_FILE"}

// kubernetesVariable is what Kubernetes sets in every pod for a Service whose name begins with "hnp-sync".
var kubernetesVariable = regexp.MustCompile(`^HNP_SYNC_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)?)$`)

// override puts the variables of env into the tree, as if the file held them. It never creates a connection.
func (d *decoder) override(root *yaml.Node, env []string) {
	vars := map[string]string{}
	var names []string
	for _, kv := range env {
		name, value, ok := strings.Cut(kv, "=")
		if !ok || !strings.HasPrefix(name, envPrefix) || slices.Contains(clientVariables, name) || kubernetesVariable.MatchString(name) {
			continue
		}
		if _, doubled := vars[name]; !doubled {
			names = append(names, name)
		}
		vars[name] = value // as for execve, the last one counts
	}
	slices.Sort(names)
	if root.Kind != yaml.MappingNode {
		return // a problem that is reported anyway
	}
	set := map[*yaml.Node]map[string]string{} // mapping → key → variable, to notice a value given twice
	for _, name := range names {
		d.set(root, keys, "", strings.TrimPrefix(name, envPrefix), name, vars[name], set)
	}
}

// set finds the key that rest names below node and gives it the value.
func (d *decoder) set(node *yaml.Node, known []key, path, rest, variable, value string, set map[*yaml.Node]map[string]string) {
	for _, k := range known {
		env := envName(k.name)
		at := join(path, k.name)
		switch {
		case k.kind == kindObject && strings.HasPrefix(rest, env+"_"):
			d.set(d.child(node, k.name, variable), k.fields, at, rest[len(env)+1:], variable, value, set)
			return
		case k.kind == kindItems && strings.HasPrefix(rest, env+"_") && hasName(k.fields):
			d.setItem(node, k, at, rest[len(env)+1:], variable, value, set)
			return
		case rest == env && (k.kind == kindMap || k.kind == kindItems || k.kind == kindObject):
			d.failVariable(variable, at, "can only be set in the file")
			return
		case rest == env:
			d.put(node, k.name, k.kind, at, variable, value, set)
			return
		case (k.kind == kindFile || k.kind == kindFiles) && (rest == envName(twin(k.name)) || rest+"S" == envName(twin(k.name))):
			d.put(node, twin(k.name), k.kind, at, variable, value, set)
			return
		}
	}
	d.failVariable(variable, "", "unknown variable: no key of the configuration has this name")
}

// setItem finds the list item by its name.
func (d *decoder) setItem(node *yaml.Node, k key, path, rest, variable, value string, set map[*yaml.Node]map[string]string) {
	var items []*yaml.Node
	if list := lookup(node, k.name); list != nil && list.Kind == yaml.SequenceNode {
		items = list.Content
	}
	var found *yaml.Node
	var foundPath, foundRest string
	for i, item := range items {
		if item.Kind != yaml.MappingNode {
			continue
		}
		name := lookup(item, "name")
		if name == nil || name.Kind != yaml.ScalarNode || name.Value == "" || !strings.HasPrefix(rest, envName(name.Value)+"_") {
			continue
		}
		field := rest[len(envName(name.Value))+1:]
		if !isField(k.fields, field) {
			continue // "a" and "a-b": A_B_URL belongs to the second
		}
		if found != nil {
			d.failVariable(variable, path, "names more than one entry of the list: rename one")
			return
		}
		found, foundPath, foundRest = item, index(path, i), field
	}
	if found == nil {
		d.failVariable(variable, path, "no entry of the file's list has such a name and key")
		return
	}
	if foundRest == envName("name") {
		d.failVariable(variable, join(foundPath, "name"), "can only be set in the file")
		return
	}
	d.set(found, k.fields, foundPath, foundRest, variable, value, set)
}

func isField(fields []key, env string) bool {
	for _, f := range fields {
		t := envName(twin(f.name))
		if env == envName(f.name) || (twin(f.name) != "" && (env == t || env+"S" == t)) {
			return true
		}
	}
	return false
}

// put stores one value; a secret and the file of the same secret replace each other.
func (d *decoder) put(node *yaml.Node, name string, k kind, path, variable, value string, set map[*yaml.Node]map[string]string) {
	if set[node] == nil {
		set[node] = map[string]string{}
	}
	for _, same := range []string{name, twin(name), fileKey(name)} {
		if other := set[node][same]; other != "" && same != "" {
			d.failVariable(variable, path, "is already set by "+other)
			return
		}
		remove(node, same)
	}
	set[node][name] = variable
	v := d.made(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}, variable)
	if k == kindTexts || k == kindFiles {
		parts := strings.Fields(value) // secrets: several separated by white space
		if twin(name) != "" || k == kindTexts {
			parts = strings.Split(value, ",")
		}
		v = d.made(&yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}, variable)
		for _, part := range parts {
			v.Content = append(v.Content, d.made(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.TrimSpace(part)}, variable))
		}
	}
	node.Content = append(node.Content, d.made(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}, variable), v)
}

// child finds or makes the mapping below a key.
func (d *decoder) child(node *yaml.Node, name, variable string) *yaml.Node {
	if n := lookup(node, name); n != nil && n.ShortTag() != "!!null" {
		return n // when it is no mapping, decoding says so
	}
	remove(node, name)
	n := d.made(&yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}, variable)
	node.Content = append(node.Content, d.made(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}, variable), n)
	return n
}

func (d *decoder) made(n *yaml.Node, variable string) *yaml.Node {
	d.origin[n] = variable
	return n
}

func (d *decoder) failVariable(variable, path, message string) {
	d.problems = append(d.problems, Problem{File: "environment " + variable, Key: path, Message: message})
}

// lookup finds a key's value; aliases are followed once.
func lookup(node *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(node.Content) && node.Kind == yaml.MappingNode; i += 2 {
		if node.Content[i].Value != name {
			continue
		}
		if v := node.Content[i+1]; v.Kind != yaml.AliasNode {
			return v
		}
		return node.Content[i+1].Alias
	}
	return nil
}

func remove(node *yaml.Node, name string) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name && name != "" {
			node.Content = slices.Delete(node.Content, i, i+2)
			return
		}
	}
}

// envName is a name as it stands in a variable: DEFAULT, MY_LAB.
func envName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name)
}

// twin is the name of the value that a file key stands for: token_file → token, webhook_secret_files →
// webhook_secrets; empty for other keys.
func twin(name string) string {
	if base, ok := strings.CutSuffix(name, "_file"); ok {
		return base
	}
	if base, ok := strings.CutSuffix(name, "_files"); ok {
		return base + "s"
	}
	return ""
}

// fileKey is the reverse of twin.
func fileKey(name string) string {
	for _, k := range keys {
		for _, f := range append([]key{k}, k.fields...) {
			if t := twin(f.name); t != "" && t == name {
				return f.name
			}
		}
	}
	return ""
}

func isSecretTwin(known []key, name string) bool {
	_, ok := find(known, fileKey(name))
	return ok && fileKey(name) != ""
}

func hasName(fields []key) bool {
	_, ok := find(fields, "name")
	return ok
}
