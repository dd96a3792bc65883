package admin

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluicemail/sluice/config/settings"
)

// Resource is a table as MailerQ's REST API knows it: under its own name, with its own fields, and with rows found by
// what they select instead of by an id. Resources describe the six of them; the calls are [Admin.WalkResource],
// [Admin.PutResource] and [Admin.DeleteResource].
type Resource struct {
	Name    string // "pauses"
	Table   settings.TableName
	Meaning string
	Fields  []Field
	// Identity are the fields that tell which row is meant. All are optional for DELETE unless they are required for
	// POST.
	Identity []string
	// Local resources have rows of other instances of the cluster, which are neither listed nor changed here.
	Local bool
}

// Selecting is as [Table.Selecting]: clients delete with all fields of the entry that they had sent.
func (r *Resource) Selecting() []Field { return selecting(r.Fields, r.Identity) }

// Field returns the field of a name, nil when there is none.
func (r *Resource) Field(name string) *Field {
	i := slices.IndexFunc(r.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &r.Fields[i]
}

// Resources describes what has a name of its own in the REST API.
func Resources() []Resource {
	mail := []string{"pool", "mta", "domain", "ip", "tag", "cluster"}
	all := []Resource{
		{Name: "pauses", Table: settings.TablePaused, Meaning: "mail that waits; nothing selected: all mail", Local: true,
			Identity: mail, Fields: named(slices.Concat(mail, []string{"expire", "enabled"})...)},
		{Name: "errors", Table: settings.TableErrors, Local: true, Identity: mail,
			Fields: named(slices.Concat([]string{"code", "extended", "description"}, mail, []string{"enabled"})...)},
		{Name: "pools", Table: settings.TablePools,
			Meaning:  "named groups of source addresses; deleting one deletes its addresses",
			Identity: []string{"name"}, Fields: named("name", "description", "cluster", "enabled")},
		{Name: "poolips", Table: settings.TablePoolIPs,
			Meaning:  "addresses of the pools; adding one takes it out of the pool it was in",
			Identity: []string{"ip", "name"}, Fields: named("ip", "name", "cluster")},
		{Name: "suppressions", Table: settings.TableSuppressions, Identity: []string{"value"},
			Fields: named("value", "type", "code", "extended", "description", "cluster", "enabled")},
		{Name: "externalmtas", Table: settings.TableExternalMTAs, Identity: []string{"public_ip"},
			Fields: named("public_ip", "local_ip", "connect_ip", "connect_port", "protocol", "cluster", "enabled")},
	}
	for i := range all {
		all[i].describe()
	}
	return all
}

func named(names ...string) []Field {
	fields := make([]Field, len(names))
	for i, name := range names {
		fields[i].Name = name
	}
	return fields
}

// describe takes from the table what is said of the columns in which the fields are kept.
func (r *Resource) describe() {
	table := describe(settings.Named(r.Table).Describe())
	r.Meaning = cmp.Or(r.Meaning, table.Meaning)
	for i := range r.Fields {
		f := &r.Fields[i]
		name := f.Name
		column := table.Field(r.column(name))
		if column == nil { // clients send it along everywhere because pauses and errors have it
			f.Type, f.Meaning = Ignored, "not looked at: what is set here is for all instances"
			continue
		}
		*f = *column
		f.Name, f.Meaning = name, cmp.Or(ownWords[name], strings.Replace(f.Meaning, "; empty: ", "; not given: ", 1))
		switch {
		case name == "protocol":
			f.Default = f.Choices[0]
		case name == "ip" && r.Name == "poolips":
			f.Also = "localip"
		case name == "ip":
			f.Type, f.Excludes, f.Meaning = IP, "domain", "target address; not given: all"
		case name == "domain":
			f.Type, f.Wild, f.Excludes = Domain, true, "ip"
		case name == "mta":
			f.Excludes = "pool"
		case name == "pool":
			f.Excludes = "mta"
		}
	}
}

// ownWords are the meanings of fields that differ from their columns'.
var ownWords = map[string]string{
	"domain":   "recipient domain, wildcards allowed; not given: all",
	"cluster":  "true: for all instances, false: only for this one",
	"expire":   "when the pause ends; not given: never",
	"enabled":  "false: the entry counts as absent",
	"type":     "what value is",
	"protocol": "how; not given: nat",
}

// ResourceNamed returns the resource of a name; ok is false when there is none.
func ResourceNamed(name string) (r Resource, ok bool) {
	all := Resources()
	i := slices.IndexFunc(all, func(r Resource) bool { return r.Name == name })
	if i < 0 {
		return Resource{}, false
	}
	return all[i], true
}

// columns turns the fields of a resource into those of its table.
func (r *Resource) columns(v Values) Values {
	out := make(Values, len(v))
	for name, value := range v {
		if column := r.column(name); value != "" || out[column] == nil { // two fields may be kept in one column
			out[column] = value
		}
	}
	return out
}

// fields turns a row of the table into the resource's fields. What is unset is left out.
func (r *Resource) fields(row *Row) Values {
	out := make(Values, len(r.Fields))
	for i := range r.Fields {
		f := &r.Fields[i]
		name := f.Name
		v := row.Values[r.column(name)]
		if r.Name == "pauses" && (name == "ip" || name == "domain") {
			target, _ := v.(string)
			if _, err := netip.ParseAddr(target); (err == nil) != (name == "ip") {
				continue
			}
		}
		if v == nil || v == "" || v == true && name == "enabled" {
			continue
		}
		out[name] = v
		if f.Also != "" {
			out[f.Also] = v
		}
	}
	return out
}

// column returns the column in which a field is kept.
func (r *Resource) column(field string) string {
	switch {
	case field == "mta":
		return "localip"
	case r.Name == "poolips" && field == "name":
		return "pool"
	case r.Name == "pauses" && (field == "domain" || field == "ip"):
		return "target"
	}
	return field
}

// optional returns fields of which none is required.
func optional(fields []Field) []Field {
	out := slices.Clone(fields)
	for i := range out {
		out[i].Required = false
	}
	return out
}

// check gives each value the type of its field, and finds all that cannot be.
func check(fields []Field, values Values) (Values, error) {
	out := maps.Clone(values)
	if out == nil {
		out = Values{}
	}
	return out, CheckFields(fields, out)
}

// here reports whether a row concerns this instance.
func (a *Admin) here(r *Resource, row *Row) bool {
	return !r.Local || row.Values["cluster"] == true || row.Values["instance"] == a.Instance ||
		row.Values["instance"] == int64(0)
}

// WalkResource returns all entries of a resource that concern this instance and have the given values, each with the
// resource's fields; unset ones are left out. It is as [Admin.Walk].
func (a *Admin) WalkResource(ctx context.Context, name string, values Values) iter.Seq2[Values, error] {
	return func(yield func(Values, error) bool) {
		r, ok := ResourceNamed(name)
		if !ok {
			yield(nil, notFound("there is no resource "+show(name)))
			return
		}
		where, err := check(optional(r.Fields), values)
		if err != nil {
			yield(nil, err)
			return
		}
		t, err := tableNamed(r.Table)
		if err != nil {
			yield(nil, err)
			return
		}
		if row := a.startedPause(); r.Name == "pauses" && row != nil && row.has(r.columns(where)) &&
			!yield(r.fields(row), nil) {
			return
		}
		a.walk(ctx, t, r.columns(where), "", func(row Row, err error) bool {
			if err != nil {
				return yield(nil, err)
			}
			return !a.here(&r, &row) || yield(r.fields(&row), nil)
		})
	}
}

// PutResource adds an entry, or changes the entry that selects the same; it tells which, and returns the entry.
func (a *Admin) PutResource(ctx context.Context, name string, values Values) (entry Values, created bool, err error) {
	r, ok := ResourceNamed(name)
	if !ok {
		return nil, false, notFound("there is no resource " + show(name))
	}
	given, err := check(r.Fields, values)
	if err != nil {
		return nil, false, err
	}
	t, err := tableNamed(r.Table)
	if err != nil {
		return nil, false, err
	}
	var row Row
	err = a.change(ctx, func(s settings.Store) error {
		row, created, err = a.putResource(ctx, s, &r, t, given)
		return err
	})
	if err != nil {
		return nil, false, r.rename(err)
	}
	a.didWrite(ctx, t.describe(), row, created)
	return r.fields(&row), created, nil
}

func (a *Admin) putResource(ctx context.Context, s settings.Store, r *Resource, t entity, given Values) (Row, bool,
	error) {
	where := Values{}
	for _, name := range r.Identity {
		if r.Name == "poolips" && name == "name" {
			continue // an address moves from its former pool
		}
		v, ok := given[name]
		if !ok {
			v = r.Field(name).Default
		}
		where[name] = v
	}
	columns := r.columns(where)
	fold(r.Table, columns)
	rows, err := findRows(ctx, s, t, columns)
	if err != nil {
		return Row{}, false, err
	}
	rows = slices.DeleteFunc(rows, func(row Row) bool { return !a.here(r, &row) })
	all := make(Values, len(r.Fields)) // what is not given is unset, whatever it was
	for i := range r.Fields {
		if f := &r.Fields[i]; f.Type != Ignored {
			all[f.Name] = f.Default
		}
	}
	maps.Copy(all, given)
	var id int64
	if len(rows) > 0 {
		id = rows[0].ID
	}
	var lax string
	if r.Local {
		lax = "pool" // a pause or error may be there before its pool: it is in force once that is, too
	}
	row, err := a.writeLax(ctx, s, t, id, r.columns(all), "", lax)
	return row, id == 0, err
}

// rename lets an error speak of the resource's fields.
func (r *Resource) rename(err error) error {
	bad, ok := err.(*Invalid)
	if !ok {
		return err
	}
	out := &Invalid{slices.Clone(bad.Problems)}
	for i := range out.Problems {
		p := &out.Problems[i]
		if r.Field(p.Field) != nil && r.column(p.Field) == p.Field {
			continue
		}
		for j := range r.Fields {
			if r.column(r.Fields[j].Name) == p.Field {
				p.Field = r.Fields[j].Name
				break
			}
		}
	}
	return out
}

// DeleteResource deletes the entries that select exactly what is given, and returns how many there were: none is no
// error. Fields that do not select are not looked at.
func (a *Admin) DeleteResource(ctx context.Context, name string, values Values) (int, error) {
	r, ok := ResourceNamed(name)
	if !ok {
		return 0, notFound("there is no resource " + show(name))
	}
	given, err := check(optional(r.Selecting()), values)
	if err != nil {
		return 0, err
	}
	for _, id := range r.Identity {
		if isSet(given[id]) {
			continue
		}
		switch f := r.Field(id); {
		case f.Required && r.Name != "poolips":
			return 0, &Invalid{[]Problem{{Field: id, Expected: f.Expected()}}}
		case r.Name != "poolips" && id != "cluster":
			given[id] = f.Default
		}
	}
	if r.Name == "poolips" && !isSet(given["ip"]) {
		return 0, &Invalid{[]Problem{{Field: "ip", Expected: r.Field("ip").Expected()}}}
	}
	t, err := tableNamed(r.Table)
	if err != nil {
		return 0, err
	}
	where := r.columns(given)
	folded := maps.Clone(where)
	fold(r.Table, folded)
	n, err := a.deleteEntries(ctx, &r, t, folded)
	if err == nil && n == 0 && !maps.Equal(folded, where) { // a row that somebody else wrote
		n, err = a.deleteEntries(ctx, &r, t, where)
	}
	if row := a.startedPause(); err == nil && r.Name == "pauses" && row != nil && row.has(where) {
		a.liftStarted()
		n++
	}
	return n, err
}

// deleteEntries deletes the rows that concern this instance, and with a pool its addresses.
func (a *Admin) deleteEntries(ctx context.Context, r *Resource, t entity, where Values) (int, error) {
	return a.deleteRows(ctx, t, t.describe(), where, func(s settings.Store, row *Row) (bool, error) {
		if r.Name == "pools" {
			name, _ := row.Values["name"].(string)
			if _, err := settings.DeleteWhere[settings.PoolIP](ctx, s, settings.Query{Column: "pool", Value: name}); err != nil {
				return false, err
			}
		}
		return a.here(r, row), nil
	})
}
