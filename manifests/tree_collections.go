package manifests

import (
	"fmt"
	"maps"

	"go.yaml.in/yaml/v3"
)

func (b *builder) mapping(n *node, y *yaml.Node) (int, error) {
	n.kind = mapNode
	i := n.start
	flow := y.Style&yaml.FlowStyle != 0
	col := -1
	switch {
	case flow && b.src[i] == '{':
		n.style = flowStyle
		i++
	case flow:
		n.style = pairStyle
	default:
		n.style = blockStyle
		col = i - lineStart(b.src, i)
		n.col = col
	}
	n.entries = make([]entry, 0, len(y.Content)/2)
	for k := 0; k+1 < len(y.Content); k += 2 {
		e := entry{mark: -1, colon: -1}
		at := b.skip(i)
		if flow && k > 0 {
			if at >= len(b.src) || b.src[at] != ',' {
				return 0, b.lost(at)
			}
			at = b.skip(at + 1)
		}
		if at+1 < len(b.src) && b.src[at] == '?' && (flow || isBlank(b.src[at+1]) || breakLen(b.src, at+1) > 0) {
			e.mark = at
			at++
		}
		var err error
		if e.key, at, err = b.build(y.Content[k], at, col, n); err != nil {
			return 0, err
		}
		if j := b.peek(at); j < len(b.src) && b.src[j] == ':' {
			b.skip(at)
			e.colon = j
			at = j + 1
		}
		b.keys = append(b.keys, step{y.Content[k].Value, -1})
		if e.val, at, err = b.build(y.Content[k+1], at, col, n); err != nil {
			return 0, err
		}
		b.keys = b.keys[:len(b.keys)-1]
		e.val.index = len(n.entries)
		i = at
		n.entries = append(n.entries, e)
	}
	if n.style == flowStyle {
		var err error
		if i, err = b.closing(i, '}'); err != nil {
			return 0, err
		}
	}
	return i, b.mappingValue(n)
}

// closing finds the bracket that ends a flow collection, over an optional last comma.
func (b *builder) closing(i int, bracket byte) (int, error) {
	i = b.skip(i)
	if i < len(b.src) && b.src[i] == ',' {
		i = b.skip(i + 1)
	}
	if i >= len(b.src) || b.src[i] != bracket {
		return 0, b.lost(i)
	}
	return i + 1, nil
}

func (b *builder) sequence(n *node, y *yaml.Node) (int, error) {
	n.kind = seqNode
	i := n.start
	flow := y.Style&yaml.FlowStyle != 0
	col := -1
	if flow {
		n.style = flowStyle
		if b.src[i] != '[' {
			return 0, b.lost(i)
		}
		i++
	} else {
		n.style = blockStyle
		col = i - lineStart(b.src, i)
		n.col = col
	}
	n.entries = make([]entry, 0, len(y.Content))
	list := make([]any, 0, len(y.Content))
	for k, item := range y.Content {
		e := entry{mark: -1, colon: -1}
		at := b.skip(i)
		switch {
		case !flow:
			if at >= len(b.src) || b.src[at] != '-' {
				return 0, b.lost(at)
			}
			e.mark = at
			at++
		case k > 0:
			if at >= len(b.src) || b.src[at] != ',' {
				return 0, b.lost(at)
			}
			at = b.skip(at + 1)
		}
		var err error
		b.keys = append(b.keys, step{"", k})
		if e.val, at, err = b.build(item, at, col, n); err != nil {
			return 0, err
		}
		b.keys = b.keys[:len(b.keys)-1]
		e.val.index = k
		i = at
		n.size += e.val.size
		n.aliens = n.aliens || e.val.aliens
		list = append(list, e.val.val)
		n.entries = append(n.entries, e)
	}
	n.val = list
	if flow {
		return b.closing(i, ']')
	}
	return i, nil
}

// mappingValue checks the keys of a mapping and gives it its JSON value, merges expanded in the way of the parser
// behind sigs.k8s.io/yaml: entries are set in the order of the text, the maps of a "<<" list from last to first.
func (b *builder) mappingValue(n *node) error {
	m := make(map[string]any, len(n.entries))
	// Only a mapping with merges needs to tell its own keys from merged ones.
	var own map[string]*node
	for k := range n.entries {
		if key := n.entries[k].key; key.kind == scalarNode && key.text == "<<" {
			own = make(map[string]*node, len(n.entries))
		}
	}
	explicit := func(name string, before int) *node {
		if own != nil {
			return own[name]
		}
		for i := range n.entries[:before] {
			if e := &n.entries[i]; e.name == name {
				return e.key
			}
		}
		return nil
	}
	for k := range n.entries {
		e := &n.entries[k]
		n.size += e.key.size + e.val.size
		n.aliens = n.aliens || e.val.aliens || e.key.aliens
		key := e.key
		at := span{key.prop, max(key.end, key.prop)}
		if key.kind == aliasNode {
			key = key.target
		}
		if key.kind != scalarNode {
			return &treeError{code: "yaml-key", at: at, msg: "a map or list cannot be a key", fix: "use a plain word as the key, or quote the text"}
		}
		if e.key.kind == scalarNode && key.style == plainStyle && key.text == "<<" && (key.tag == "" || key.tag == "!!merge") {
			e.merge = true
			n.merged, n.aliens, b.merges = true, true, true
			for i := range n.entries[:k] {
				if n.entries[i].merge {
					return &treeError{code: "duplicate-key", at: at, msg: "a second << in one map", fix: "merge with one list: <<: [*a, *b]"}
				}
			}
			sources, err := mergeSources(e)
			if err != nil {
				return err
			}
			for i := len(sources) - 1; i >= 0; i-- {
				if n.size += len(sources[i]); n.size > b.count+maxExpansion {
					break // build reports it
				}
				for j := range n.entries[:k] {
					if _, set := sources[i][n.entries[j].name]; set {
						return &treeError{
							code: "merge-order", path: b.pathTo(n.entries[j].name), at: span{n.entries[j].key.prop, n.entries[j].key.end},
							msg: fmt.Sprintf("readers disagree about %q, which stands before a << that also sets it", n.entries[j].name),
							fix: "move << to the top of the map",
						}
					}
				}
				maps.Copy(m, sources[i])
			}
			continue
		}
		name, ok := key.text, true
		if !key.isStr {
			name, ok = resolveKey(key.text)
		} else if s, isString := key.val.(string); isString {
			name = s
		}
		if !ok {
			return &treeError{code: "yaml-key", at: at, msg: "the key is empty or null", fix: "write a key, or quote it"}
		}
		e.name = name
		if _, set := m[name]; set {
			if first := explicit(name, k); first != nil {
				return &treeError{
					code: "duplicate-key", at: at, first: first.prop + 1, path: b.pathTo(name),
					msg: fmt.Sprintf("the key %q is already set", name), fix: "keep one of the two",
				}
			}
			// It overrides a merged key.
		}
		if own != nil {
			own[name] = e.key
		}
		m[name] = e.val.val
	}
	n.val = m
	return nil
}

// mergeSources returns the maps that a "<<" entry merges, the strongest first.
func mergeSources(e *entry) ([]map[string]any, error) {
	bad := &treeError{
		code: "merge-value", at: span{e.val.prop, e.val.end}, msg: "<< needs a map or a list of maps",
		fix: "point << at a map: <<: *name",
	}
	if m, ok := e.val.val.(map[string]any); ok {
		return []map[string]any{m}, nil
	}
	if e.val.kind != seqNode {
		return nil, bad
	}
	var out []map[string]any
	for i := range e.val.entries {
		m, ok := e.val.entries[i].val.val.(map[string]any)
		if !ok {
			return nil, bad
		}
		out = append(out, m)
	}
	return out, nil
}
