package api

import (
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
)

// covered are the tables that have routes of another kind.
func covered(table settings.TableName) bool {
	return table == settings.TableTokens || slices.ContainsFunc(admin.Resources(),
		func(r admin.Resource) bool { return r.Table == table })
}

func pathOf(t *admin.Table) string { return "/v1/" + string(t.Name) }

var (
	idField = admin.Field{Name: "id", Type: admin.Integer, Min: 1, Max: math.MaxInt64,
		Meaning: "of the row: which one is meant"}
	version = admin.Field{Name: "version", Type: admin.Text,
		Meaning: "of the row, as it was shown: another one by now is a 409"}
	search = admin.Field{Name: "search", Type: admin.Text, Meaning: "text in any column"}
)

// tableRoutes are those of all other tables, under their own names.
func tableRoutes(a *admin.Admin) []*route {
	var all []*route
	for _, t := range a.Tables() {
		if covered(t.Name) {
			continue
		}
		all = append(all, listRoute(&t))
		if t.ReadOnly {
			continue
		}
		all = append(all, wholeRoutes(&t)...)
		all = append(all, rowRoutes(&t)...)
		if t.Ordered {
			all = append(all, orderRoute(&t))
		}
	}
	return all
}

// rowSchema is what is shown of a row.
func rowSchema(t *admin.Table) schema {
	s := fieldsSchema(t.Fields, false)
	properties, _ := s["properties"].(map[string]any)
	properties["id"] = numberSchema("of the row")
	properties["version"] = textSchema("changes with the row")
	properties["broken"] = textSchema("why the row is not in force; absent: it is, or it is not enabled")
	return s
}

// show writes a row as it is shown; what is unset is left out.
func show(t *admin.Table, r *admin.Row) map[string]any {
	out := make(map[string]any, len(r.Values)+3)
	for i := range t.Fields {
		f := &t.Fields[i]
		v, ok := r.Values[f.Name]
		if !ok || v == "" || f.Type == admin.Limit && v == f.Default || f.Type == admin.Reference && v == int64(0) {
			continue
		}
		out[f.Name] = v
	}
	out["id"], out["version"] = r.ID, r.Version
	if r.Broken != "" {
		out["broken"] = r.Broken
	}
	return out
}

func listRoute(t *admin.Table) *route {
	var fields []admin.Field
	for _, f := range optional(t.Fields, nil) {
		if !f.Secret {
			fields = append(fields, f)
		}
	}
	return &route{method: http.MethodGet, path: pathOf(t), summary: "list: " + t.Meaning,
		fields: append(fields, idField, search), answer: arrayOf(rowSchema(t)),
		do: func(c *call) (any, error) {
			text, _ := c.values["search"].(string)
			delete(c.values, "search")
			rows := c.admin.Walk(c.request.Context(), t.Name, c.values, text)
			return streamOf(rows, func(r admin.Row) any { return show(t, &r) }), nil
		}}
}

// wholeRoutes are those of the table as a whole.
func wholeRoutes(t *admin.Table) []*route {
	post := optional(t.Fields, nil) // with an id, what is not given stays
	return []*route{
		{method: http.MethodPost, path: pathOf(t),
			summary: "add a row, or change the one with this id or the same key: " + t.Meaning,
			fields:  append(post, idField, version), answer: rowSchema(t), ok: []int{http.StatusOK, http.StatusCreated},
			errors: []int{http.StatusNotFound, http.StatusConflict},
			do: func(c *call) (any, error) {
				if id, ok := c.values["id"].(int64); ok {
					return c.update(t, id)
				}
				delete(c.values, "version")
				row, isNew, err := c.admin.Put(c.request.Context(), t.Name, c.values)
				if err != nil {
					return nil, err
				}
				if !isNew {
					return show(t, &row), nil
				}
				c.header.Set("Location", pathOf(t)+"/"+strconv.FormatInt(row.ID, 10))
				return created{show(t, &row)}, nil
			}},
		{method: http.MethodDelete, path: pathOf(t),
			summary: "delete the row with this id, or those with the same key: " + t.Meaning,
			fields:  append(optional(t.Selecting(), nil), idField, version),
			answer:  object(map[string]any{"deleted": numberSchema("rows there were")}),
			errors:  []int{http.StatusNotFound, http.StatusConflict},
			do: func(c *call) (any, error) {
				if id, ok := c.values["id"].(int64); ok {
					return c.delete(t, id)
				}
				delete(c.values, "version")
				n, err := c.admin.DeleteWhere(c.request.Context(), t.Name, c.values)
				return map[string]int{"deleted": n}, err
			}},
	}
}

// rowRoutes are those of one row.
func rowRoutes(t *admin.Table) []*route {
	path := pathOf(t) + "/{id}"
	return []*route{
		{method: http.MethodGet, path: path, summary: "one row: " + t.Meaning, answer: rowSchema(t),
			errors: []int{http.StatusNotFound},
			do: func(c *call) (any, error) {
				id, err := c.id()
				if err != nil {
					return nil, err
				}
				row, err := c.admin.Get(c.request.Context(), t.Name, id)
				if err != nil {
					return nil, err
				}
				return show(t, &row), nil
			}},
		{method: http.MethodPost, path: path, summary: "change the given columns of a row: " + t.Meaning,
			fields: append(optional(t.Fields, nil), version), answer: rowSchema(t),
			errors: []int{http.StatusNotFound, http.StatusConflict},
			do: func(c *call) (any, error) {
				id, err := c.id()
				if err != nil {
					return nil, err
				}
				return c.update(t, id)
			}},
		{method: http.MethodDelete, path: path, summary: "delete a row: " + t.Meaning, fields: []admin.Field{version},
			answer: object(map[string]any{"deleted": numberSchema("1")}),
			errors: []int{http.StatusNotFound, http.StatusConflict},
			do: func(c *call) (any, error) {
				id, err := c.id()
				if err != nil {
					return nil, err
				}
				return c.delete(t, id)
			}},
	}
}

func orderRoute(t *admin.Table) *route {
	ids := admin.Field{Name: "ids", Type: admin.IDs, Required: true, Meaning: "the rows that come first, in their order"}
	return &route{method: http.MethodPost, path: pathOf(t) + "/order", summary: "put rows into order: " + t.Meaning,
		fields: []admin.Field{ids}, answer: object(map[string]any{"ordered": numberSchema("ids given")}),
		do: func(c *call) (any, error) {
			ids, _ := c.values["ids"].([]int64)
			err := c.admin.Order(c.request.Context(), t.Name, ids)
			return map[string]int{"ordered": len(ids)}, err
		}}
}

// id returns the id in the path.
func (c *call) id() (int64, error) {
	id, err := strconv.ParseInt(c.parameters["id"], 10, 64)
	if err != nil || id < 1 {
		return 0, admin.Wrong("id", c.parameters["id"], "the id of a row, in the path")
	}
	return id, nil
}

// version takes the version out of the fields.
func (c *call) version() string {
	v, _ := c.values["version"].(string)
	delete(c.values, "version")
	return v
}

func (c *call) update(t *admin.Table, id int64) (any, error) {
	delete(c.values, "id")
	row, err := c.admin.Update(c.request.Context(), t.Name, id, c.values, c.version())
	if err != nil {
		return nil, err
	}
	return show(t, &row), nil
}

func (c *call) delete(t *admin.Table, id int64) (any, error) {
	if err := c.admin.Delete(c.request.Context(), t.Name, id, c.version()); err != nil {
		return nil, err
	}
	return map[string]int{"deleted": 1}, nil
}
