package schemas

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// keywords says what happens to each keyword of an openAPIV3Schema. Whatever is not listed is refused: among it
// x-kubernetes-validations, nullable and x-kubernetes-int-or-string, which change what is valid, and $ref, allOf, anyOf,
// oneOf and not, none of which Hedgehog's CRDs use.
var keywords = map[string]func(value any) error{
	"type": keep, "required": keep, "enum": keep, "pattern": checkPattern,
	"minimum": keep, "maximum": keep, "exclusiveMinimum": keep, "exclusiveMaximum": keep, "multipleOf": keep,
	"minLength": keep, "maxLength": keep, "minItems": keep, "maxItems": keep, "uniqueItems": keep,
	"minProperties": keep, "maxProperties": keep,

	"description": drop, "title": drop, "default": drop, "example": drop, "externalDocs": drop,
	"x-kubernetes-list-type": drop, "x-kubernetes-list-map-keys": drop, "x-kubernetes-map-type": drop,
	"format": drop, // Read by bounds.
}

var errDrop = fmt.Errorf("dropped")

func keep(any) error { return nil }
func drop(any) error { return errDrop }

func checkPattern(value any) error {
	s, ok := value.(string)
	if !ok {
		return fmt.Errorf("is not text")
	}
	if _, err := regexp.Compile(s); err != nil {
		return fmt.Errorf("is not understood: %w", err)
	}
	return nil
}

// structural derives the schema of a whole document.
func structural(root map[string]any) (map[string]any, error) {
	out, err := convert(root, nil)
	if err != nil {
		return nil, err
	}
	properties, ok := out["properties"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the schema lists no properties")
	}
	properties["apiVersion"] = map[string]any{"type": "string"}
	properties["kind"] = map[string]any{"type": "string"}
	properties["metadata"] = objectMeta()
	if _, ok := properties["status"]; ok {
		properties["status"] = map[string]any{"type": "object"}
	}
	required := []any{"apiVersion", "kind", "metadata"}
	if old, ok := out["required"].([]any); ok {
		for _, name := range old {
			if !slices.Contains(required, name) {
				required = append(required, name)
			}
		}
	}
	slices.SortFunc(required, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	out["required"] = required
	return out, nil
}

// objectMeta is the schema of metadata: the fields that kubectl accepts in a file. Values other than those people write
// are left open, because exported objects hold them in many shapes (creationTimestamp: null).
func objectMeta() map[string]any {
	texts := func() map[string]any {
		return map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "string"}}
	}
	properties := map[string]any{
		"name":        map[string]any{"type": "string"},
		"namespace":   map[string]any{"type": "string"},
		"labels":      texts(),
		"annotations": texts(),
		"finalizers":  map[string]any{"type": "array", "items": map[string]any{"type": "string"}},
	}
	for _, open := range []string{
		"creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generateName", "generation",
		"managedFields", "ownerReferences", "resourceVersion", "selfLink", "uid",
	} {
		properties[open] = map[string]any{}
	}
	return map[string]any{
		"type": "object", "properties": properties, "additionalProperties": false, "required": []any{"name"},
	}
}

// convert copies one node. at is the path to it, for errors.
func convert(node map[string]any, at []string) (map[string]any, error) {
	fail := func(keyword string, err error) error {
		place := strings.Join(at, ".")
		if place == "" {
			place = "the root"
		}
		return fmt.Errorf("%s: %s %w", place, keyword, err)
	}
	out := map[string]any{}
	for _, keyword := range slices.Sorted(maps.Keys(node)) {
		value := node[keyword]
		switch keyword {
		case "properties":
			children, ok := value.(map[string]any)
			if !ok {
				return nil, fail(keyword, fmt.Errorf("is not a mapping"))
			}
			converted := map[string]any{}
			for name, child := range children {
				schema, err := convertChild(child, append(slices.Clip(at), name))
				if err != nil {
					return nil, err
				}
				converted[name] = schema
			}
			out[keyword] = converted
		case "items":
			schema, err := convertChild(value, append(slices.Clip(at), "[]"))
			if err != nil {
				return nil, err
			}
			out[keyword] = schema
		case "additionalProperties":
			if allowed, ok := value.(bool); ok {
				out[keyword] = allowed
				continue
			}
			schema, err := convertChild(value, append(slices.Clip(at), "*"))
			if err != nil {
				return nil, err
			}
			out[keyword] = schema
		case "x-kubernetes-preserve-unknown-fields":
			if value == true {
				out["additionalProperties"] = true
			}
		default:
			rule, known := keywords[keyword]
			if !known {
				return nil, fail(keyword, fmt.Errorf("is not understood"))
			}
			if err := rule(value); err == nil {
				out[keyword] = value
			} else if err != errDrop {
				return nil, fail(keyword, err)
			}
		}
	}
	if format, ok := node["format"]; ok {
		if err := bounds(format, out); err != nil {
			return nil, fail("format", err)
		}
	}
	// The API server knows no other fields of a mapping than the listed ones, even if none is listed.
	if out["type"] == "object" || out["properties"] != nil {
		if _, said := out["additionalProperties"]; !said {
			out["additionalProperties"] = false
		}
	}
	return out, nil
}

func convertChild(value any, at []string) (map[string]any, error) {
	child, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: is not a schema", strings.Join(at, "."))
	}
	return convert(child, at)
}

// bounds turns the format of an integer into limits. Hedgehog marks its uint32 fields (ASNs) as int32, so the upper
// limit is that of the unsigned type: a larger value fits neither and no reader of the resource can take it.
func bounds(format any, out map[string]any) error {
	limits := func(low, high string) {
		if _, ok := out["minimum"]; !ok {
			out["minimum"] = json.Number(low)
		}
		if _, ok := out["maximum"]; !ok {
			out["maximum"] = json.Number(high)
		}
	}
	switch format {
	case "int32":
		limits("-2147483648", "4294967295")
	case "int64":
		limits("-9223372036854775808", "18446744073709551615")
	case "float", "double", "byte", "password", "date", "date-time", "duration", "ipv4", "ipv6", "cidr", "mac", "uuid",
		"email", "hostname", "uri":
	default:
		return fmt.Errorf("%v is not understood", format)
	}
	return nil
}
