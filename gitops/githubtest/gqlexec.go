package githubtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// graphqlRequest is one POST /graphql, parsed before it is counted.
type graphqlRequest struct {
	doc       *gqlDocument
	op        *gqlOperation
	variables map[string]any
	err       error
}

func parseGraphQLRequest(method string, body []byte) *graphqlRequest {
	g := &graphqlRequest{}
	if method != "POST" {
		g.err = fail(405, "Method Not Allowed")
		return g
	}
	var in struct {
		Query         string         `json:"query"`
		OperationName string         `json:"operationName"`
		Variables     map[string]any `json:"variables"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		g.err = fail(400, "Problems parsing JSON")
		return g
	}
	g.variables = in.Variables
	if g.doc, g.err = parseGraphQL(in.Query); g.err != nil {
		return g
	}
	for _, op := range g.doc.operations {
		if in.OperationName == "" || op.name == in.OperationName {
			g.op = op
			break
		}
	}
	if g.op == nil || in.OperationName == "" && len(g.doc.operations) > 1 {
		g.err = gqlSyntaxError("An operation name is required")
	}
	return g
}

// fields are the names of the root fields, rateLimit last.
func (g *graphqlRequest) fields() []string {
	if g == nil || g.op == nil {
		return nil
	}
	var names, last []string
	for _, sel := range g.op.selection {
		if sel.field == nil {
			continue
		}
		if sel.field.name == "rateLimit" {
			last = append(last, "rateLimit")
		} else {
			names = append(names, sel.field.name)
		}
	}
	return append(names, last...)
}

// template is the name in the statistics: the first root field.
func (g *graphqlRequest) template() string {
	if f := g.fields(); len(f) > 0 {
		return "POST /graphql " + f[0]
	}
	return "POST /graphql"
}

// operations are the names a fault may give this request.
func (g *graphqlRequest) operations() []string {
	if g == nil {
		return nil
	}
	out := []string{"POST /graphql"}
	for _, f := range g.fields() {
		out = append(out, "POST /graphql "+f)
	}
	return out
}

// gqlObject is a value with fields. resolve answers a scalar, nil, a
// *gqlObject or a []any of those; errUnknownField for a field nobody built.
type gqlObject struct {
	typ     string
	resolve func(name string, args gqlArgs) (any, error)
}

var errUnknownField = errors.New("unknown field")

// gqlError is an entry of errors with GitHub's type.
type gqlError struct {
	typ     string
	message string
}

func (e *gqlError) Error() string { return e.typ + ": " + e.message }

func gqlFail(typ, format string, args ...any) *gqlError {
	return &gqlError{typ, fmt.Sprintf(format, args...)}
}

// gqlArgs are a field's arguments with variables put in; absent and null are
// both absent.
type gqlArgs map[string]any

func (a gqlArgs) str(name string) string {
	v, _ := a[name].(string)
	return v
}

func (a gqlArgs) num(name string) (int, bool) {
	v, ok := a[name].(float64)
	return int(v), ok
}

// into decodes an input object; unknown members and wrong types are errors.
func (a gqlArgs) into(name string, target any) error {
	data, err := json.Marshal(a[name])
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(target); err != nil {
		return gqlFail("", "Variable $%s was provided invalid value (%v)", name, err)
	}
	return nil
}

// orderedObject is a JSON object that keeps the order of the selection.
type orderedObject struct {
	keys   []string
	values []any
}

// MarshalJSON prints the members in order.
func (o *orderedObject) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for i, k := range o.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := enc.Encode(k); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := enc.Encode(o.values[i]); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// gqlRun is one execution.
type gqlRun struct {
	c         *call
	doc       *gqlDocument
	variables map[string]any
	errors    []any
	unknown   []string
}

func (c *call) runGraphQL(g *graphqlRequest) *answer {
	var refused *apiError
	if errors.As(g.err, &refused) {
		return c.errorAnswer(refused)
	}
	if c.id.kind != identityUser && c.id.kind != identityInstallation {
		return c.errorAnswer(fail(401, "This endpoint requires you to be authenticated."))
	}
	if g.err != nil {
		return c.answer(200, map[string]any{"errors": []any{map[string]any{"message": g.err.Error()}}})
	}
	run := &gqlRun{c: c, doc: g.doc, variables: map[string]any{}}
	for _, v := range g.op.variables {
		value, given := g.variables[v.name]
		switch {
		case given && value != nil:
			run.variables[v.name] = value
		case v.hasValue && !given:
			run.variables[v.name] = v.fallback
		case v.required:
			return c.answer(200, map[string]any{"errors": []any{map[string]any{"message": fmt.Sprintf("Variable $%s was provided invalid value (Expected value to not be null)", v.name)}}})
		}
	}
	root := c.gqlQuery()
	if g.op.kind == "mutation" {
		root = c.gqlMutation()
	}
	data := run.object(root, g.op.selection, nil)
	if len(run.unknown) > 0 {
		c.s.unknown = append(c.s.unknown, run.unknown...)
		c.s.logf("unknown GraphQL fields %v", run.unknown)
		return c.errorAnswer(fail(501, "the GitHub stand-in has no %s", strings.Join(run.unknown, ", ")))
	}
	body := map[string]any{"data": data}
	if len(run.errors) > 0 {
		body["errors"] = run.errors
	}
	return c.answer(200, body)
}

// substitute puts variables into a value; an unset variable is left out.
func (r *gqlRun) substitute(v any) (any, bool) {
	switch t := v.(type) {
	case gqlVar:
		value, ok := r.variables[string(t)]
		return value, ok && value != nil
	case []any:
		out := make([]any, 0, len(t))
		for _, item := range t {
			if value, ok := r.substitute(item); ok {
				out = append(out, value)
			}
		}
		return out, true
	case map[string]any:
		out := map[string]any{}
		for k, item := range t {
			if value, ok := r.substitute(item); ok {
				out[k] = value
			}
		}
		return out, true
	}
	return v, v != nil
}

func (r *gqlRun) skipped(directives []gqlDirective) bool {
	for _, d := range directives {
		on, _ := r.substitute(d.args["if"])
		switch d.name {
		case "skip":
			if on == true {
				return true
			}
		case "include":
			if on != true {
				return true
			}
		default:
			r.unknown = append(r.unknown, "GRAPHQL @"+d.name)
		}
	}
	return false
}

// interfaces are the abstract types a concrete type belongs to, as far as
// fragments name them.
var interfaces = map[string][]string{
	"Commit": {"GitObject", "Node", "UniformResourceLocatable"}, "Tree": {"GitObject", "Node"}, "Blob": {"GitObject", "Node"}, "Tag": {"GitObject", "Node"},
	"User": {"Actor", "Node", "RepositoryOwner", "ProfileOwner"}, "Bot": {"Actor", "Node"}, "Organization": {"Actor", "Node", "RepositoryOwner", "ProfileOwner"},
	"Repository": {"Node", "RepositoryInfo", "UniformResourceLocatable"}, "Ref": {"Node"}, "PullRequestCommit": {"Node"}, "PullRequest": {"Node", "Closable", "Comment"},
}

func fits(typ, on string) bool {
	return on == "" || on == typ || slices.Contains(interfaces[typ], on)
}

// collect gathers the fields that apply to a type, merged by response key.
func (r *gqlRun) collect(typ string, selection []gqlSelection, into *[]*gqlField, visited map[string]bool) {
	for _, sel := range selection {
		if r.skipped(sel.directives) {
			continue
		}
		switch {
		case sel.field != nil:
			merged := false
			for i, f := range *into {
				if f.alias == sel.field.alias {
					both := *f
					both.selection = append(slices.Clone(f.selection), sel.field.selection...)
					(*into)[i] = &both
					merged = true
				}
			}
			if !merged {
				*into = append(*into, sel.field)
			}
		case sel.spread != "":
			f := r.doc.fragments[sel.spread]
			if f == nil || visited[sel.spread] {
				continue
			}
			if fits(typ, f.on) {
				visited[sel.spread] = true
				r.collect(typ, f.selection, into, visited)
			}
		case fits(typ, sel.on):
			r.collect(typ, sel.selection, into, visited)
		}
	}
}

func (r *gqlRun) object(o *gqlObject, selection []gqlSelection, path []any) *orderedObject {
	var fields []*gqlField
	r.collect(o.typ, selection, &fields, map[string]bool{})
	out := &orderedObject{}
	for _, f := range fields {
		here := append(slices.Clone(path), f.alias)
		var value any
		if f.name == "__typename" {
			value = o.typ
		} else {
			value = r.field(o, f, here)
		}
		out.keys = append(out.keys, f.alias)
		out.values = append(out.values, value)
	}
	return out
}

func (r *gqlRun) field(o *gqlObject, f *gqlField, path []any) any {
	args := gqlArgs{}
	for name, v := range f.args {
		if value, ok := r.substitute(v); ok {
			args[name] = value
		}
	}
	value, err := o.resolve(f.name, args)
	if errors.Is(err, errUnknownField) {
		r.unknown = append(r.unknown, "GRAPHQL "+o.typ+"."+f.name)
		return nil
	}
	if err != nil {
		r.fail(err, path)
		return nil
	}
	return r.complete(value, f, path)
}

func (r *gqlRun) fail(err error, path []any) {
	entry := map[string]any{"path": path}
	var ge *gqlError
	var ae *apiError
	switch {
	case errors.As(err, &ge):
		if ge.typ != "" {
			entry["type"] = ge.typ
		}
		entry["message"] = ge.message
	case errors.As(err, &ae):
		entry["message"] = ae.message
		switch ae.status {
		case 401, 403:
			entry["type"] = "FORBIDDEN"
		case 404:
			entry["type"] = "NOT_FOUND"
		default:
			entry["type"] = "UNPROCESSABLE"
		}
	default:
		entry["message"] = "Something went wrong while executing your query: " + err.Error()
		r.c.s.logf("graphql: %v", err)
	}
	r.errors = append(r.errors, entry)
}

func (r *gqlRun) complete(value any, f *gqlField, path []any) any {
	switch v := value.(type) {
	case nil:
		return nil
	case *gqlObject:
		if v == nil {
			return nil
		}
		if len(f.selection) == 0 {
			r.errors = append(r.errors, map[string]any{"path": path, "message": fmt.Sprintf("Field must have selections (field '%s' returns %s but has no selections)", f.name, v.typ)})
			return nil
		}
		return r.object(v, f.selection, path)
	case []any:
		out := make([]any, 0, len(v))
		for i, item := range v {
			out = append(out, r.complete(item, f, append(slices.Clone(path), i)))
		}
		return out
	}
	return value
}
