package admin

import (
	"context"
	"iter"
	"maps"
	"net/netip"
	"slices"

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
	return []Resource{
		{Name: "pauses", Table: "paused", Meaning: "mail that waits; nothing selected: all mail", Local: true,
			Identity: []string{"pool", "mta", "domain", "ip", "tag", "cluster"},
			Fields: slices.Concat(selectors(), []Field{
				{Name: "expire", Type: Time, Meaning: "when the pause ends; not given: never", Default: ""}, enabledField()})},
		{Name: "errors", Table: "errors", Meaning: "mail that fails without being tried", Local: true,
			Identity: []string{"pool", "mta", "domain", "ip", "tag", "cluster"},
			Fields:   slices.Concat(answerFields(), selectors(), []Field{enabledField()})},
		{Name: "pools", Table: "pools", Meaning: "named groups of source addresses; deleting one deletes its addresses",
			Identity: []string{"name"}, Fields: []Field{
				{Name: "name", Type: Text, Meaning: "by which messages and rules refer to the pool", Required: true, Default: ""},
				{Name: "description", Type: Text, Meaning: "for the reader", Default: ""}, noCluster(), enabledField()}},
		{Name: "poolips", Table: "poolips", Meaning: "addresses of the pools; adding one takes it out of the pool it was in",
			Identity: []string{"ip", "name"}, Fields: []Field{
				{Name: "ip", Type: IP, Meaning: "local or external address", Required: true, Default: "", Also: "localip"},
				{Name: "name", Type: PoolName, Meaning: "name of the pool", Required: true, Default: ""}, noCluster()}},
		{Name: "suppressions", Table: "suppressions", Meaning: "addresses and domains that get no mail",
			Identity: []string{"value"}, Fields: slices.Concat([]Field{
				{Name: "value", Type: Text, Meaning: "address or domain", Required: true, Default: ""},
				{Name: "type", Type: Choice, Choices: []string{"address", "domain"}, Meaning: "what value is", Required: true,
					Default: ""}},
				answerFields(), []Field{noCluster(), enabledField()})},
		{Name: "externalmtas", Table: "externalmtas", Meaning: "public addresses that are reached through another machine",
			Identity: []string{"public_ip"}, Fields: []Field{
				{Name: "public_ip", Type: IP, Meaning: "address that the world sees", Required: true, Default: ""},
				{Name: "local_ip", Type: IP, Meaning: "local address to connect from", Required: true, Default: ""},
				{Name: "connect_ip", Type: IP, Meaning: "address of the proxy", Default: ""},
				{Name: "connect_port", Type: Integer, Min: 1, Max: 65535, Meaning: "port of the proxy", Required: true,
					Default: int64(0)},
				{Name: "protocol", Type: Choice, Choices: []string{"nat", "socks", "http"}, Meaning: "how; not given: nat",
					Default: "nat"},
				noCluster(), enabledField()}},
	}
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

func enabledField() Field {
	return Field{Name: "enabled", Type: Boolean, Meaning: "false: the entry counts as absent", Default: true}
}

// noCluster is what clients send along everywhere because pauses and errors have it.
func noCluster() Field {
	return Field{Name: "cluster", Type: Ignored, Meaning: "not looked at: what is set here is for all instances"}
}

// selectors are the fields that say which mail a rule is about.
func selectors() []Field {
	return []Field{
		{Name: "pool", Type: PoolName, Meaning: "name of a pool of source addresses; not given: all", Excludes: "mta",
			Default: ""},
		{Name: "mta", Type: IP, Meaning: "source address; not given: all", Excludes: "pool", Default: ""},
		{Name: "domain", Type: Domain, Wild: true, Meaning: "recipient domain, wildcards allowed; not given: all",
			Excludes: "ip", Default: ""},
		{Name: "ip", Type: IP, Meaning: "target address; not given: all", Excludes: "domain", Default: ""},
		{Name: "tag", Type: Text, Meaning: "tag of the message; not given: all", Default: ""},
		{Name: "cluster", Type: Boolean, Meaning: "true: for all instances, false: only for this one", Default: false},
	}
}

// answerFields are the fields of the result that a message gets. MailerQ allows codes from 200: that would destroy
// mail. With a forced error of 400 to 499 it is tried again.
func answerFields() []Field {
	return []Field{
		{Name: "code", Type: Integer, Min: 400, Max: 599, Meaning: "reply code of the result", Required: true,
			Default: int64(0)},
		{Name: "extended", Type: Status, Meaning: "enhanced status code of the result", Default: ""},
		{Name: "description", Type: Text, Meaning: "description of the result", Default: ""},
	}
}

// columns turns the fields of a resource into those of its table.
func (r *Resource) columns(v Values) Values {
	out := make(Values, len(v))
	for name, value := range v {
		switch {
		case name == "mta":
			out["localip"] = value
		case r.Name == "poolips" && name == "name":
			out["pool"] = value
		case r.Name == "pauses" && (name == "domain" || name == "ip"):
			if value != "" || out["target"] == nil {
				out["target"] = value
			}
		default:
			out[name] = value
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

// PutResource adds an entry, or changes the one that selects the same; it tells which, and returns the entry.
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
