package manifests

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

func (b *builder) alias(n *node, y *yaml.Node) (int, error) {
	if b.src[n.start] != '*' {
		return 0, b.lost(n.start)
	}
	end := n.start + 1 + len(y.Value)
	if end > len(b.src) || string(b.src[n.start+1:end]) != y.Value {
		return 0, b.lost(n.start)
	}
	n.kind, n.aliens = aliasNode, true
	target := b.nodes[y.Alias]
	if target == nil || b.open[y.Alias] {
		return 0, &treeError{
			code: "alias-cycle", at: span{n.start, end},
			msg: fmt.Sprintf("the alias *%s stands inside the value it repeats", y.Value),
			fix: "write the value out",
		}
	}
	n.target, n.val, n.size, n.isStr, n.text = target, target.val, target.size, target.isStr, target.text
	b.aliases = append(b.aliases, n)
	return end, nil
}

func (b *builder) scalarText(n *node, y *yaml.Node, parent int) (int, error) {
	src := b.src
	n.text = y.Value
	end := -1
	switch c := src[n.start]; {
	case y.Style&yaml.SingleQuotedStyle != 0 && c == '\'':
		n.style = singleStyle
		end = quotedEnd(src, n.start)
	case y.Style&yaml.DoubleQuotedStyle != 0 && c == '"':
		n.style = doubleStyle
		end = quotedEnd(src, n.start)
	case y.Style&yaml.LiteralStyle != 0 && c == '|':
		n.style = literalStyle
		end, n.col = blockEnd(src, n.start, parent)
	case y.Style&yaml.FoldedStyle != 0 && c == '>':
		n.style = foldedStyle
		end, n.col = blockEnd(src, n.start, parent)
	case y.Style&^yaml.TaggedStyle == 0:
		end = plainEnd(src, n.start, y.Value)
	}
	if end < 0 {
		return 0, b.lost(n.start)
	}
	if n.style == literalStyle || n.style == foldedStyle {
		b.headerComment(n.start)
	}
	n.end = end
	plain := n.style == plainStyle
	if n.tag == "" && n.prop < n.start {
		// "! 12": the non-specific tag, which the Kubernetes parser reads as text.
		for i := n.prop; i < n.start; i++ {
			if src[i] == '!' {
				n.tag = "!"
			}
		}
	}
	err := b.scalar(n, plain)
	if plain && n.tag == "" && y.Tag != "!!merge" && y.Tag != "!!timestamp" && (y.Tag == "!!str") != n.isStr {
		b.alien++
	}
	return end, err
}

// headerComment notes the comment behind the header of a block scalar.
func (b *builder) headerComment(i int) {
	for end := lineEnd(b.src, i); i < end; i++ {
		if b.src[i] == '#' {
			b.comments = append(b.comments, span{i, end})
			return
		}
	}
}

// scalar gives a scalar its JSON value.
func (b *builder) scalar(n *node, plain bool) error {
	kind, v := scalarString, any(n.text)
	if plain {
		kind, v = resolvePlain(n.text)
	}
	fail := func(msg string) error {
		return &treeError{code: "yaml-tag", msg: msg, at: span{n.prop, max(n.end, n.start)}, fix: "remove the tag"}
	}
	switch n.tag {
	case "":
	case "!!str":
		kind, v = scalarString, n.text
	case "!!null":
		if kind, v = resolvePlain(n.text); kind != scalarNull {
			return fail("the value is not null")
		}
	case "!!bool":
		if kind, v = resolvePlain(n.text); kind != scalarBool {
			return fail("the value is not a boolean")
		}
	case "!!int":
		if kind, v = resolvePlain(n.text); kind != scalarInt {
			return fail("the value is not an integer")
		}
	case "!!float":
		if kind, v = resolvePlain(n.text); kind != scalarFloat && kind != scalarInt {
			return fail("the value is not a number")
		}
	case "!!timestamp":
		if !isTimestamp(n.text) {
			return fail("the value is not a timestamp")
		}
		kind, v = scalarString, n.text
	case "!!binary":
		data, err := base64.StdEncoding.DecodeString(n.text)
		if err != nil {
			return fail("the value is not base64")
		}
		if !utf8.Valid(data) {
			return fail("binary data has no JSON form")
		}
		kind, v = scalarString, string(data)
	default:
		kind, v = scalarString, n.text
	}
	if kind == scalarNoJSON {
		return &treeError{
			code: "not-json", at: span{n.start, n.end}, msg: "infinity and not-a-number have no JSON form",
			fix: "write a finite number, or quote the value if it is text",
		}
	}
	n.isStr, n.val = kind == scalarString, v
	if num, ok := v.(json.Number); ok && kind == scalarInt && n.tag == "!!float" {
		n.val = num
	}
	return nil
}
