package manifests

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// collect turns the leaves of a validation error into problems.
func (k *kindSchema) collect(e *jsonschema.ValidationError, obj Object, found *[]SchemaProblem) {
	if len(e.Causes) > 0 {
		for _, cause := range e.Causes {
			k.collect(cause, obj, found)
		}
		return
	}
	path := slices.Clone(e.InstanceLocation)
	value := valueAt(obj, path)
	add := func(code, message, fix string) {
		*found = append(*found, SchemaProblem{Path: path, Severity: SeverityError, Code: code, Message: message, Fix: fix})
	}
	name := fieldName(path)
	switch e := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		known := k.fields(path)
		for _, field := range e.Properties {
			*found = append(*found, SchemaProblem{
				Path: append(slices.Clip(path), field), OnKey: true, Severity: SeverityError, Code: "unknown-field",
				Message: fmt.Sprintf("%s has no field %s", k.owner(path), quote(field)), Fix: fieldFix(field, known),
			})
		}
	case *kind.Required:
		for _, field := range e.Missing {
			*found = append(*found, SchemaProblem{
				Path: append(slices.Clip(path), field), OnKey: true, Severity: SeverityError, Code: "required",
				Message: fmt.Sprintf("%s lacks %s", k.owner(path), field), Fix: "add " + field,
			})
		}
	case *kind.Type:
		add("type", fmt.Sprintf("%s is %s, must be %s", name, typeName(e.Got, value), wantedTypes(e.Want)), typeFix(value, e.Want))
		switch value.(type) {
		case json.Number, bool:
			if slices.Equal(e.Want, []string{"string"}) {
				(*found)[len(*found)-1].scalar = show(value)
			}
		}
	case *kind.Enum:
		var allowed []string
		for _, v := range e.Want {
			allowed = append(allowed, show(v))
		}
		fix := "use one of the allowed values"
		if text, ok := value.(string); ok {
			if near := nearest(text, texts(e.Want)); near != "" {
				fix = fmt.Sprintf("did you mean %s?", near)
			}
		}
		add("enum", fmt.Sprintf("%s is %s, must be one of %s", name, show(value), strings.Join(allowed, ", ")), fix)
	case *kind.Pattern:
		add("pattern", fmt.Sprintf("%s is %s, which does not match %s", name, show(value), e.Want), patternFix(e.Want))
	case *kind.Minimum, *kind.ExclusiveMinimum, *kind.Maximum, *kind.ExclusiveMaximum, *kind.MultipleOf:
		low, high := k.limits(path)
		add("range", fmt.Sprintf("%s is %s, %s", name, show(value), wantedRange(low, high)), "use a number in that range")
	case *kind.MinItems:
		add("size", fmt.Sprintf("%s has %s, needs at least %d", name, count(e.Got, "item"), e.Want), "add items")
	case *kind.MaxItems:
		add("size", fmt.Sprintf("%s has %s, may have at most %d", name, count(e.Got, "item"), e.Want), "remove items")
	case *kind.MinLength:
		add("size", fmt.Sprintf("%s has %s, needs at least %d", name, count(e.Got, "character"), e.Want), "write a longer text")
	case *kind.MaxLength:
		add("size", fmt.Sprintf("%s has %s, may have at most %d", name, count(e.Got, "character"), e.Want), "shorten it")
	case *kind.MinProperties:
		add("size", fmt.Sprintf("%s has %s, needs at least %d", name, count(e.Got, "entry"), e.Want), "add entries")
	case *kind.MaxProperties:
		add("size", fmt.Sprintf("%s has %s, may have at most %d", name, count(e.Got, "entry"), e.Want), "remove entries")
	case *kind.UniqueItems:
		add("duplicate-item", fmt.Sprintf("%s holds items %d and %d twice", name, e.Duplicates[0], e.Duplicates[1]), "remove one of them")
	default:
		add("schema", fmt.Sprintf("%s does not fit the schema", name), "compare it with the CRD of "+k.Kind)
	}
}

// node walks the schema to where path points; nil when it says nothing about that place.
func (k *kindSchema) node(path []string) map[string]any {
	node := k.Root
	for _, segment := range path {
		if items, ok := node["items"].(map[string]any); ok {
			node = items
			continue
		}
		properties, _ := node["properties"].(map[string]any)
		next, ok := properties[segment].(map[string]any)
		if !ok {
			if next, ok = node["additionalProperties"].(map[string]any); !ok {
				return nil
			}
		}
		node = next
	}
	return node
}

// fields lists the fields a mapping may have.
func (k *kindSchema) fields(path []string) []string {
	properties, _ := k.node(path)["properties"].(map[string]any)
	return slices.Sorted(maps.Keys(properties))
}

func (k *kindSchema) limits(path []string) (low, high string) {
	node := k.node(path)
	for keyword, bound := range map[string]*string{"minimum": &low, "maximum": &high} {
		if n, ok := node[keyword].(json.Number); ok {
			*bound = n.String()
		}
	}
	return low, high
}

// owner names what a field belongs to.
func (k *kindSchema) owner(path []string) string {
	if len(path) == 0 {
		return k.Kind
	}
	return fieldName(path)
}

// fieldName is what messages call the value at path: its last key, or "item 2 of links".
func fieldName(path []string) string {
	if len(path) == 0 {
		return "the document"
	}
	last := path[len(path)-1]
	if isIndex(last) && len(path) > 1 {
		n, _ := strconv.Atoi(last)
		return fmt.Sprintf("item %d of %s", n+1, fieldName(path[:len(path)-1]))
	}
	if plainKey(last) {
		return last
	}
	return quote(last)
}

func isIndex(s string) bool {
	if s == "" || len(s) > 9 {
		return false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func fieldFix(field string, known []string) string {
	if near := nearest(field, known); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	if len(known) == 0 {
		return "remove it; no fields are allowed here"
	}
	if list := strings.Join(known, ", "); len(list) <= 120 {
		return "remove it; allowed are " + list
	}
	return "remove it"
}

func valueAt(value any, path []string) any {
	for _, segment := range path {
		switch v := value.(type) {
		case map[string]any:
			value = v[segment]
		case []any:
			i, err := strconv.Atoi(segment)
			if err != nil || i < 0 || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

// typeName calls the types by the words of YAML users.
func typeName(jsonType string, value any) string {
	switch jsonType {
	case "object":
		return "a mapping"
	case "array":
		return "a list"
	case "string":
		if value != nil {
			return "the text " + show(value)
		}
		return "text"
	case "boolean":
		if value != nil {
			return show(value)
		}
		return "true or false"
	case "null":
		return "empty"
	case "integer":
		return "a whole number"
	case "number":
		if value != nil {
			return "the number " + show(value)
		}
		return "a number"
	}
	return jsonType
}

func wantedTypes(want []string) string {
	var names []string
	for _, t := range want {
		names = append(names, typeName(t, nil))
	}
	return strings.Join(names, " or ")
}

func typeFix(value any, want []string) string {
	if len(want) != 1 {
		return "use " + wantedTypes(want)
	}
	switch v := value.(type) {
	case json.Number:
		if want[0] == "string" {
			return fmt.Sprintf("quote it: %q", v.String())
		}
		if want[0] == "integer" {
			return "write a whole number"
		}
	case bool:
		if want[0] == "string" {
			return fmt.Sprintf(`quote it: "%t"`, v)
		}
	case string:
		switch want[0] {
		case "integer", "number":
			if _, err := strconv.ParseInt(v, 10, 64); err == nil {
				return "remove the quotes"
			}
		case "boolean":
			if yes, known := yesNo(v); known {
				return fmt.Sprintf("write %t without quotes", yes)
			}
		}
	case []any:
		if want[0] == "object" {
			return "write a mapping: each item becomes an entry under its own name"
		}
	case map[string]any:
		if want[0] == "array" {
			return "write a list: begin each entry with a dash"
		}
	case nil:
		return "give it a value or remove it"
	}
	return "write " + wantedTypes(want)
}

func yesNo(s string) (yes, known bool) {
	switch strings.ToLower(s) {
	case "true", "yes", "on", "y", "1":
		return true, true
	case "false", "no", "off", "n", "0":
		return false, true
	}
	return false, false
}

func patternFix(pattern string) string {
	switch {
	case strings.HasSuffix(pattern, `/([1-2]?[0-9]|3[0-2])$`):
		return "write an IPv4 address with prefix length, such as 172.30.128.1/31"
	case strings.HasPrefix(pattern, `^((25[0-5]`):
		return "write an IPv4 address, such as 172.30.128.1"
	}
	return "write a text of that form"
}

func wantedRange(low, high string) string {
	switch {
	case low != "" && high != "":
		return fmt.Sprintf("must be from %s to %s", low, high)
	case low != "":
		return "must be at least " + low
	case high != "":
		return "must be at most " + high
	}
	return "which is not allowed"
}

func count(n int, unit string) string {
	switch {
	case n == 1:
		return "1 " + unit
	case strings.HasSuffix(unit, "y"):
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(unit, "y"))
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

func texts(values []any) []string {
	var out []string
	for _, v := range values {
		if s, ok := v.(string); ok && s != "" {
			out = append(out, s)
		}
	}
	return out
}
