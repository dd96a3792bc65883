package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/console/admin"
)

// document makes the OpenAPI document of the routes.
func (rs *routes) document() map[string]any {
	paths := map[string]any{}
	for _, r := range rs.all {
		item, _ := paths[r.path].(map[string]any)
		if item == nil {
			item = map[string]any{}
			paths[r.path] = item
		}
		item[strings.ToLower(r.method)] = r.operation()
	}
	return map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{"title": "Sluice REST API", "version": "1",
			"description": "Numbers and booleans may come as texts. Bodies may be JSON or forms; fields may also stand in the query."},
		"paths":    paths,
		"security": []any{map[string]any{"bearer": []string{}}},
		"components": map[string]any{
			"securitySchemes": map[string]any{"bearer": map[string]any{"type": "http", "scheme": "bearer"}},
			"schemas": map[string]any{"Error": object(map[string]any{"error": textSchema("what went wrong"),
				"problems": arrayOf(schemaOf(admin.Problem{}))})},
		},
	}
}

// operation describes one route.
func (r *route) operation() map[string]any {
	op := map[string]any{"summary": r.summary, "operationId": r.operationID(), "responses": r.responses()}
	var parameters []any
	for segment := range strings.SplitSeq(r.path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			parameters = append(parameters, map[string]any{"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true,
				"schema": schema{"type": "string"}})
		}
	}
	for i := range r.headers {
		parameters = append(parameters, map[string]any{"name": r.headers[i].Name, "in": "header", "required": false,
			"description": r.headers[i].Meaning, "schema": fieldSchema(&r.headers[i])})
	}
	switch {
	case r.raw:
		op["requestBody"] = map[string]any{"required": true,
			"content": map[string]any{"application/json": map[string]any{"schema": r.body}}}
	case r.method == http.MethodGet:
		for i := range r.fields {
			f := &r.fields[i]
			for _, name := range []string{f.Name, f.Also} {
				if name != "" {
					parameters = append(parameters, map[string]any{"name": name, "in": "query", "required": f.Required,
						"description": f.Meaning, "schema": fieldSchema(f)})
				}
			}
		}
	case len(r.fields) > 0:
		content := map[string]any{"schema": fieldsSchema(r.fields, true)}
		required := slices.ContainsFunc(r.fields, func(f admin.Field) bool { return f.Required })
		op["requestBody"] = map[string]any{"required": required, "content": map[string]any{
			"application/json": content, "application/x-www-form-urlencoded": content, "multipart/form-data": content}}
	}
	if parameters != nil {
		op["parameters"] = parameters
	}
	return op
}

// operationID is a name for generated clients: "postResponsePatternsOrder".
func (r *route) operationID() string {
	id := strings.ToLower(r.method)
	words := strings.FieldsFunc(strings.TrimPrefix(r.path, "/v1/"),
		func(c rune) bool { return strings.ContainsRune("/{}_-.", c) })
	for _, w := range words {
		id += strings.ToUpper(w[:1]) + w[1:]
	}
	return id
}

// statuses lists what a route may answer, errors included.
func (r *route) statuses() []int {
	all := []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusTooManyRequests}
	if !r.local {
		all = append(all, http.StatusServiceUnavailable)
	}
	if r.method != http.MethodGet {
		all = append(all, http.StatusRequestEntityTooLarge)
		if !r.raw {
			all = append(all, http.StatusUnsupportedMediaType)
		}
	}
	if r.ok == nil {
		all = append(all, http.StatusOK)
	}
	all = append(append(all, r.ok...), r.errors...)
	slices.Sort(all)
	return slices.Compact(all)
}

func (r *route) responses() map[string]any {
	all := map[string]any{}
	for _, status := range r.statuses() {
		content := r.answer
		if status >= http.StatusBadRequest {
			content = schema{"$ref": "#/components/schemas/Error"}
		}
		all[strconv.Itoa(status)] = map[string]any{"description": http.StatusText(status),
			"content": map[string]any{"application/json": map[string]any{"schema": content}}}
	}
	return all
}

// typeSchema describes what encoding/json makes of a type.
func typeSchema(t reflect.Type) schema {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return schema{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage]():
		return object(nil)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeSchema(t.Elem())
	case reflect.Slice, reflect.Array:
		return arrayOf(typeSchema(t.Elem()))
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Struct:
		properties := map[string]any{}
		for i := range t.NumField() {
			f := t.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name != "" && name != "-" {
				properties[name] = typeSchema(f.Type)
			}
		}
		return object(properties)
	}
	return schema{"type": "integer"}
}
