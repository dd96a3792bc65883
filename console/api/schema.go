package api

import (
	"math"

	"github.com/sluicemail/sluice/console/admin"
)

// schema is a JSON Schema of draft 2020-12, as OpenAPI 3.1 has it.
type schema map[string]any

func object(properties map[string]any) schema {
	s := schema{"type": "object"}
	if properties != nil {
		s["properties"] = properties
	}
	return s
}

func arrayOf(items schema) schema { return schema{"type": "array", "items": items} }

func textSchema(meaning string) schema   { return schema{"type": "string", "description": meaning} }
func numberSchema(meaning string) schema { return schema{"type": "integer", "description": meaning} }

// flag is the schema of a boolean.
func flagSchema(meaning string) schema { return schema{"type": "boolean", "description": meaning} }

// fieldsSchema is the schema of an object with fields. For bodies it names what is required, and admits nothing else.
func fieldsSchema(fields []admin.Field, body bool) schema {
	properties := map[string]any{}
	var required []string
	var conditions []any
	for i := range fields {
		f := &fields[i]
		if f.Secret && !body {
			continue
		}
		if f.Type == admin.Ignored && !body {
			continue
		}
		properties[f.Name] = fieldSchema(f)
		switch {
		case f.Also != "":
			properties[f.Also] = fieldSchema(f)
			if f.Required {
				conditions = append(conditions, schema{"anyOf": []any{
					schema{"required": []string{f.Name}}, schema{"required": []string{f.Also}}}})
			}
		case f.Required:
			required = append(required, f.Name)
		}
		if f.Excludes > f.Name {
			conditions = append(conditions, schema{"not": schema{"required": []string{f.Name, f.Excludes}}})
		}
	}
	s := object(properties)
	if body {
		s["additionalProperties"] = false
		if required != nil {
			s["required"] = required
		}
		if conditions != nil {
			s["allOf"] = conditions
		}
	}
	return s
}

// fieldSchema is the schema of one field.
func fieldSchema(f *admin.Field) schema {
	s := schema{"type": "string", "description": f.Meaning}
	switch f.Type {
	case admin.Integer, admin.Limit:
		s["type"] = "integer"
		if f.Min != math.MinInt64 {
			s["minimum"] = f.Min
		}
		if f.Max != math.MaxInt64 {
			s["maximum"] = f.Max
		}
	case admin.Reference:
		s["type"], s["minimum"] = "integer", 0
	case admin.Boolean:
		s["type"] = "boolean"
	case admin.Choice:
		s["enum"] = f.Choices
	case admin.IDs:
		s["type"], s["items"] = "array", schema{"type": "integer", "minimum": 1}
	case admin.Long:
	case admin.Ignored:
		return schema{"description": f.Meaning}
	default:
		s["description"] = f.Meaning + " (" + f.Expected() + ")"
	}
	if d := f.Default; d != nil && d != "" && !f.Required && f.Type != admin.Reference {
		s["default"] = d
	}
	if f.Secret {
		s["writeOnly"] = true
	}
	return s
}
