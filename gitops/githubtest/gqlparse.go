package githubtest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A parser for executable GraphQL documents (specification October 2021, §2):
// operations, fragments, aliases, arguments, variables, directives. It knows
// no schema; tests hold each document to GitHub's schema separately.

type gqlDocument struct {
	operations []*gqlOperation
	fragments  map[string]*gqlFragment
}

type gqlOperation struct {
	kind      string // query | mutation
	name      string
	variables []gqlVariable
	selection []gqlSelection
}

type gqlVariable struct {
	name     string
	required bool
	fallback any
	hasValue bool
}

type gqlFragment struct {
	on        string
	selection []gqlSelection
}

// gqlSelection is a field, an inline fragment (on, or neither on nor field)
// or a fragment spread.
type gqlSelection struct {
	field      *gqlField
	spread     string
	on         string
	selection  []gqlSelection
	directives []gqlDirective
}

type gqlDirective struct {
	name string
	args map[string]any
}

type gqlField struct {
	alias     string
	name      string
	args      map[string]any
	selection []gqlSelection
}

// gqlVar is a use of a variable inside a value.
type gqlVar string

const maxGraphQLDepth = 100

type gqlParser struct {
	src   string
	pos   int
	tok   string // current token; "" at the end
	kind  byte   // n name, i int, f float, s string, p punctuation, 0 end
	str   string // value of a string token
	depth int
}

func parseGraphQL(src string) (doc *gqlDocument, err error) {
	if !utf8.ValidString(src) {
		return nil, errors.New("the document is not valid UTF-8")
	}
	p := &gqlParser{src: src}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(gqlSyntaxError)
			if !ok {
				panic(r)
			}
			doc, err = nil, e
		}
	}()
	p.next()
	doc = &gqlDocument{fragments: map[string]*gqlFragment{}}
	for p.kind != 0 {
		switch {
		case p.is("{"):
			doc.operations = append(doc.operations, &gqlOperation{kind: "query", selection: p.selectionSet()})
		case p.tok == "query" || p.tok == "mutation":
			doc.operations = append(doc.operations, p.operation())
		case p.tok == "fragment":
			p.next()
			name := p.name()
			p.expectName("on")
			f := &gqlFragment{on: p.name()}
			p.directives()
			f.selection = p.selectionSet()
			doc.fragments[name] = f
		default:
			p.fail()
		}
	}
	if len(doc.operations) == 0 {
		return nil, gqlSyntaxError("A query attribute must be specified and must be a string.")
	}
	return doc, nil
}

// gqlSyntaxError carries words for the caller, in GitHub's spelling.
type gqlSyntaxError string

// Error is the text as the caller gets it.
func (e gqlSyntaxError) Error() string { return string(e) }

func (p *gqlParser) fail() {
	line := 1 + strings.Count(p.src[:min(p.pos, len(p.src))], "\n")
	tok := p.tok
	if p.kind == 0 {
		tok = "end of file"
	}
	panic(gqlSyntaxError(fmt.Sprintf("Parse error on %q (line %d)", tok, line)))
}

func (p *gqlParser) is(punctuation string) bool { return p.kind == 'p' && p.tok == punctuation }

func (p *gqlParser) expect(punctuation string) {
	if !p.is(punctuation) {
		p.fail()
	}
	p.next()
}

func (p *gqlParser) expectName(name string) {
	if p.kind != 'n' || p.tok != name {
		p.fail()
	}
	p.next()
}

func (p *gqlParser) name() string {
	if p.kind != 'n' {
		p.fail()
	}
	name := p.tok
	p.next()
	return name
}

func isNameByte(c byte, first bool) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || !first && c >= '0' && c <= '9'
}

func (p *gqlParser) next() {
	for p.pos < len(p.src) {
		c := p.src[p.pos]
		if c == '#' {
			for p.pos < len(p.src) && p.src[p.pos] != '\n' {
				p.pos++
			}
			continue
		}
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' && c != ',' {
			break
		}
		p.pos++
	}
	start := p.pos
	if start >= len(p.src) {
		p.tok, p.kind = "", 0
		return
	}
	c := p.src[start]
	switch {
	case isNameByte(c, true):
		for p.pos < len(p.src) && isNameByte(p.src[p.pos], false) {
			p.pos++
		}
		p.kind = 'n'
	case c == '-' || c >= '0' && c <= '9':
		p.kind = 'i'
		p.pos++
		for p.pos < len(p.src) && strings.IndexByte("0123456789.eE+-", p.src[p.pos]) >= 0 {
			if strings.IndexByte(".eE", p.src[p.pos]) >= 0 {
				p.kind = 'f'
			}
			p.pos++
		}
	case strings.HasPrefix(p.src[start:], `"""`):
		p.blockString()
	case c == '"':
		p.quotedString()
	case strings.HasPrefix(p.src[start:], "..."):
		p.pos += 3
		p.kind = 'p'
	case strings.IndexByte("!$()&:=@[]{|}", c) >= 0:
		p.pos++
		p.kind = 'p'
	default:
		p.tok, p.kind = string(c), '?'
		p.fail()
	}
	p.tok = p.src[start:p.pos]
}

func (p *gqlParser) quotedString() {
	var b strings.Builder
	p.kind = 's'
	for i := p.pos + 1; i < len(p.src); i++ {
		switch c := p.src[i]; c {
		case '"':
			p.str, p.pos = b.String(), i+1
			return
		case '\n', '\r':
			p.fail()
		case '\\':
			i++
			if i >= len(p.src) {
				p.fail()
			}
			switch e := p.src[i]; e {
			case '"', '\\', '/':
				b.WriteByte(e)
			case 'b':
				b.WriteByte('\b')
			case 'f':
				b.WriteByte('\f')
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			case 't':
				b.WriteByte('\t')
			case 'u':
				if i+4 >= len(p.src) {
					p.fail()
				}
				n, err := strconv.ParseUint(p.src[i+1:i+5], 16, 32)
				if err != nil {
					p.fail()
				}
				b.WriteRune(rune(n))
				i += 4
			default:
				p.fail()
			}
		default:
			b.WriteByte(c)
		}
	}
	p.fail()
}

func (p *gqlParser) blockString() {
	p.kind = 's'
	body := p.src[p.pos+3:]
	end := strings.Index(body, `"""`)
	for end > 0 && body[end-1] == '\\' {
		more := strings.Index(body[end+3:], `"""`)
		if more < 0 {
			p.fail()
		}
		end += 3 + more
	}
	if end < 0 {
		p.fail()
	}
	p.pos += 3 + end + 3
	lines := strings.Split(strings.ReplaceAll(body[:end], `\"""`, `"""`), "\n")
	indent := -1
	for _, line := range lines[1:] {
		if rest := strings.TrimLeft(line, " \t"); rest != "" && (indent < 0 || len(line)-len(rest) < indent) {
			indent = len(line) - len(rest)
		}
	}
	for i := range lines {
		if i > 0 && indent > 0 {
			lines[i] = lines[i][min(indent, len(lines[i])):]
		}
	}
	for len(lines) > 0 && strings.TrimSpace(lines[0]) == "" {
		lines = lines[1:]
	}
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	p.str = strings.Join(lines, "\n")
}

func (p *gqlParser) operation() *gqlOperation {
	op := &gqlOperation{kind: p.name()}
	if p.kind == 'n' {
		op.name = p.name()
	}
	if p.is("(") {
		p.next()
		for !p.is(")") {
			p.expect("$")
			v := gqlVariable{name: p.name()}
			p.expect(":")
			p.typeRef()
			if p.is("!") {
				v.required = true
				p.next()
			}
			if p.is("=") {
				p.next()
				v.fallback, v.hasValue = p.value(), true
			}
			p.directives()
			op.variables = append(op.variables, v)
		}
		p.next()
	}
	p.directives()
	op.selection = p.selectionSet()
	return op
}

func (p *gqlParser) typeRef() {
	if p.is("[") {
		p.next()
		p.enter()
		p.typeRef()
		p.depth--
		if p.is("!") {
			p.next()
		}
		p.expect("]")
		return
	}
	p.name()
}

func (p *gqlParser) enter() {
	if p.depth++; p.depth > maxGraphQLDepth {
		panic(gqlSyntaxError("the document is nested too deeply"))
	}
}

func (p *gqlParser) selectionSet() []gqlSelection {
	p.enter()
	defer func() { p.depth-- }()
	p.expect("{")
	var out []gqlSelection
	for !p.is("}") {
		out = append(out, p.selection())
	}
	if len(out) == 0 {
		p.fail()
	}
	p.next()
	return out
}

func (p *gqlParser) selection() gqlSelection {
	if p.is("...") {
		p.next()
		var s gqlSelection
		if p.kind == 'n' && p.tok != "on" {
			s.spread = p.name()
			s.directives = p.directives()
			return s
		}
		if p.kind == 'n' {
			p.next()
			s.on = p.name()
		}
		s.directives = p.directives()
		s.selection = p.selectionSet()
		return s
	}
	f := &gqlField{name: p.name()}
	if p.is(":") {
		p.next()
		f.alias, f.name = f.name, p.name()
	} else {
		f.alias = f.name
	}
	f.args = p.arguments()
	s := gqlSelection{field: f, directives: p.directives()}
	if p.is("{") {
		f.selection = p.selectionSet()
	}
	return s
}

func (p *gqlParser) arguments() map[string]any {
	args := map[string]any{}
	if !p.is("(") {
		return args
	}
	p.next()
	for !p.is(")") {
		name := p.name()
		p.expect(":")
		args[name] = p.value()
	}
	p.next()
	return args
}

func (p *gqlParser) directives() []gqlDirective {
	var out []gqlDirective
	for p.is("@") {
		p.next()
		d := gqlDirective{name: p.name()}
		d.args = p.arguments()
		out = append(out, d)
	}
	return out
}

// value parses a value; enum values become strings, variables gqlVar.
func (p *gqlParser) value() any {
	p.enter()
	defer func() { p.depth-- }()
	switch {
	case p.is("$"):
		p.next()
		return gqlVar(p.name())
	case p.is("["):
		p.next()
		list := []any{}
		for !p.is("]") {
			list = append(list, p.value())
		}
		p.next()
		return list
	case p.is("{"):
		p.next()
		object := map[string]any{}
		for !p.is("}") {
			name := p.name()
			p.expect(":")
			object[name] = p.value()
		}
		p.next()
		return object
	case p.kind == 's':
		v := p.str
		p.next()
		return v
	case p.kind == 'i' || p.kind == 'f':
		n, err := strconv.ParseFloat(p.tok, 64)
		if err != nil {
			p.fail()
		}
		p.next()
		return n
	case p.kind == 'n':
		v := p.tok
		p.next()
		switch v {
		case "true":
			return true
		case "false":
			return false
		case "null":
			return nil
		}
		return v
	}
	p.fail()
	return nil
}
