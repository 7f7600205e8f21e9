package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

var loadSchema = sync.OnceValues(func() (*ast.Schema, error) {
	data, err := read("schema.graphql")
	if err != nil {
		return nil, err
	}
	doc, err := parser.ParseSchemas(validator.Prelude, &ast.Source{Name: "schema.graphql", Input: string(data)})
	if err != nil {
		return nil, fmt.Errorf("parse schema.graphql: %w", err)
	}
	// The published EnterpriseOwnerInfo defines two fields twice.
	for _, def := range doc.Definitions {
		seen := map[string]bool{}
		def.Fields = slices.DeleteFunc(def.Fields, func(f *ast.FieldDefinition) bool {
			twice := seen[f.Name]
			seen[f.Name] = true
			return twice
		})
	}
	schema, err := validator.ValidateSchemaDocument(doc)
	if err != nil {
		return nil, fmt.Errorf("load schema.graphql: %w", err)
	}
	return schema, nil
})

// checkGraphQL holds a request to the schema and its answer to the request.
func checkGraphQL(body []byte, rec *recorder) error {
	if rec.status != 200 {
		return nil
	}
	schema, err := loadSchema()
	if err != nil {
		return err
	}
	var in struct {
		Query         string         `json:"query"`
		OperationName string         `json:"operationName"`
		Variables     map[string]any `json:"variables"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	var out struct {
		Data   map[string]any `json:"data"`
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(rec.body.Bytes(), &out); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	for _, e := range out.Errors {
		if e.Message == "" {
			return errors.New("answer: an error without message")
		}
	}
	doc, problems := gqlparser.LoadQueryWithRules(schema, in.Query, rules.NewDefaultRules())
	if len(problems) > 0 {
		if out.Data == nil && len(out.Errors) > 0 {
			return nil // a bad document, refused
		}
		return fmt.Errorf("document: %w", problems)
	}
	op := doc.Operations.ForName(in.OperationName)
	if op == nil && out.Data == nil && len(out.Errors) > 0 {
		return nil
	}
	if op == nil {
		return errors.New("document: no such operation")
	}
	if out.Data == nil {
		if len(out.Errors) == 0 {
			return errors.New("answer: neither data nor errors")
		}
		return nil
	}
	if _, err := validator.VariableValues(schema, op, in.Variables); err != nil && len(out.Errors) == 0 {
		return fmt.Errorf("variables: %w", err)
	}
	root := schema.Query
	if op.Operation == ast.Mutation {
		root = schema.Mutation
	}
	c := &shape{schema: schema, partial: len(out.Errors) > 0}
	return c.object(root.Name, op.SelectionSet, out.Data, "data")
}

// shape compares an answer with the types of what was selected. In a partial
// answer a null may stand anywhere.
type shape struct {
	schema  *ast.Schema
	partial bool
}

func (c *shape) object(typ string, selection ast.SelectionSet, value map[string]any, at string) error {
	concrete := typ
	if name, ok := value["__typename"].(string); ok {
		concrete = name
	}
	for _, sel := range selection {
		switch s := sel.(type) {
		case *ast.Field:
			if err := c.field(s, value, at); err != nil {
				return err
			}
		case *ast.InlineFragment:
			if c.applies(concrete, s.TypeCondition, value, s.SelectionSet) {
				if err := c.object(typ, s.SelectionSet, value, at); err != nil {
					return err
				}
			}
		case *ast.FragmentSpread:
			if c.applies(concrete, s.Definition.TypeCondition, value, s.Definition.SelectionSet) {
				if err := c.object(typ, s.Definition.SelectionSet, value, at); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// applies says whether a fragment's fields are expected. For an abstract type
// whose __typename was not asked for, the fragment counts when one of its own
// fields is present.
func (c *shape) applies(concrete, condition string, value map[string]any, selection ast.SelectionSet) bool {
	if condition == "" || condition == concrete {
		return true
	}
	def := c.schema.Types[concrete]
	if def != nil && def.Kind == ast.Object {
		for _, i := range c.schema.PossibleTypes[condition] {
			if i.Name == concrete {
				return true
			}
		}
		return false
	}
	for _, sel := range selection {
		if f, ok := sel.(*ast.Field); ok {
			if _, present := value[f.Alias]; present && f.ObjectDefinition != nil && f.ObjectDefinition.Kind == ast.Object {
				return true
			}
		}
	}
	return false
}

func (c *shape) field(f *ast.Field, value map[string]any, at string) error {
	at += "." + f.Alias
	v, ok := value[f.Alias]
	if !ok {
		if len(f.Directives) > 0 {
			return nil
		}
		return fmt.Errorf("%s is missing", at)
	}
	if f.Name == "__typename" {
		return nil
	}
	if f.Definition == nil {
		return fmt.Errorf("%s has no definition", at)
	}
	return c.value(f.Definition.Type, f.SelectionSet, v, at)
}

func (c *shape) value(t *ast.Type, selection ast.SelectionSet, v any, at string) error {
	if v == nil {
		if t.NonNull && !c.partial {
			return fmt.Errorf("%s is null, the schema says %s", at, t)
		}
		return nil
	}
	if t.Elem != nil {
		list, ok := v.([]any)
		if !ok {
			return fmt.Errorf("%s is no list", at)
		}
		for i, item := range list {
			if err := c.value(t.Elem, selection, item, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
		return nil
	}
	def := c.schema.Types[t.NamedType]
	switch {
	case def == nil:
		return fmt.Errorf("%s: unknown type %s", at, t)
	case def.Kind == ast.Enum:
		s, _ := v.(string)
		if def.EnumValues.ForName(s) == nil {
			return fmt.Errorf("%s: %v is no %s", at, v, t.NamedType)
		}
		return nil
	case def.Kind == ast.Scalar:
		ok := true
		switch t.NamedType {
		case "Int":
			n, isNumber := v.(float64)
			ok = isNumber && n == float64(int64(n))
		case "Float":
			_, ok = v.(float64)
		case "Boolean":
			_, ok = v.(bool)
		default:
			_, ok = v.(string)
		}
		if !ok {
			return fmt.Errorf("%s: %v is no %s", at, v, t.NamedType)
		}
		return nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("%s is no object", at)
	}
	return c.object(def.Name, selection, m, at)
}
