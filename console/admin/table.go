package admin

import (
	"math"
	"slices"

	"github.com/sluicemail/sluice/config/settings"
)

// Type says what a field holds and how a form asks for it.
type Type string

// The types of fields. Values are int64 for Integer and Reference, bool for Boolean, string for all others.
const (
	Text      Type = "text"
	Long      Type = "long"      // text of several lines
	Integer   Type = "integer"   // within Min and Max
	Limit     Type = "limit"     // an integer: -1 falls back to the less specific rule, 0 is unlimited
	Boolean   Type = "boolean"   //
	Time      Type = "time"      // YYYY-MM-DD HH:MM:SS in UTC, or Unix seconds; stored in the first form
	IP        Type = "ip"        // one address
	Domain    Type = "domain"    //
	Status    Type = "status"    // an enhanced status code such as 5.1.1
	Choice    Type = "choice"    // one of Choices
	Reference Type = "reference" // the id of a row of Refers
	PoolName  Type = "pool"      // the name of a pool
	Ignored   Type = "ignored"   // anything: it is known, and not looked at
)

// Field describes a column of a table, or a field of a resource.
type Field struct {
	Name     string
	Type     Type
	Meaning  string
	Required bool // must be given, and not be empty
	Secret   bool // is never shown; left out of an update it stays as it is
	ReadOnly bool // cannot be given
	Choices  []string
	Min, Max int64              // of an Integer
	Refers   settings.TableName // of a Reference
	Wild     bool               // a Domain may have wildcards: * ? [a-z]
	Default  any                // int64, bool or string: what it is when it is not given
	Excludes string             // field that cannot be given beside it
	Also     string             // another name under which it may be given, and is shown beside the first
}

// Table describes a table of settings.
type Table struct {
	Name    settings.TableName
	Meaning string
	Fields  []Field
	// Key are the fields by which [Admin.Put] finds the row to change.
	Key []string
	// Ordered tables have a field "priority": the lower number comes first.
	Ordered bool
	// Enabled tables have a field "enabled": a row that is not counts as absent.
	Enabled bool
	// ReadOnly tables are written by the server.
	ReadOnly bool
}

// Field returns the field of a name, nil when there is none.
func (t *Table) Field(name string) *Field {
	for i := range t.Fields {
		if t.Fields[i].Name == name {
			return &t.Fields[i]
		}
	}
	return nil
}

// Selecting returns the fields as a deletion looks at them: those of the key count, the others are known and ignored.
func (t *Table) Selecting() []Field { return selecting(t.Fields, t.Key) }

func selecting(fields []Field, key []string) []Field {
	out := slices.Clone(fields)
	for i := range out {
		if f := &out[i]; !slices.Contains(key, f.Name) {
			*f = Field{Name: f.Name, Type: Ignored, Meaning: "not looked at", Secret: f.Secret}
		}
	}
	return out
}

// Tables describes all tables, in the order of the documentation.
func (a *Admin) Tables() []Table {
	var all []Table
	for _, t := range settings.Tables() {
		all = append(all, *describe(t))
	}
	return all
}

// Table describes one table.
func (a *Admin) Table(name settings.TableName) (Table, error) {
	t, err := tableNamed(name)
	if err != nil {
		return Table{}, err
	}
	return *t.describe(), nil
}

// types are those of the kinds of columns.
var types = map[settings.Kind]Type{
	settings.Integer: Integer, settings.Limit: Limit, settings.Flag: Boolean, settings.Reference: Reference,
	settings.Text: Text, settings.Key: Text, settings.Long: Long, settings.Time: Time, settings.Address: IP,
	settings.Domain: Domain, settings.Status: Status, settings.OneOf: Choice, settings.PoolName: PoolName,
}

// describe makes a Table of the settings' own description.
func describe(s settings.Table) *Table {
	t := &Table{Name: s.Name, Meaning: s.Meaning, Key: s.Key, ReadOnly: s.ReadOnly,
		Ordered: s.Column("priority") != nil, Enabled: s.Column("enabled") != nil}
	for i := range s.Columns {
		t.Fields = append(t.Fields, fieldOf(&s.Columns[i]))
	}
	return t
}

// fieldOf makes a Field of the settings' own description.
func fieldOf(c *settings.Column) Field {
	f := Field{Name: c.Name, Type: types[c.Kind], Meaning: c.Meaning, Required: c.Required, Secret: c.Secret, Wild: c.Wild,
		Refers: c.Refers, Min: c.Min, Max: c.Max, Default: ""}
	for _, choice := range c.Choices {
		f.Choices = append(f.Choices, choice.Value)
	}
	switch f.Type {
	case Integer:
		if f.Min == 0 && f.Max == 0 {
			f.Min, f.Max = math.MinInt64, math.MaxInt64
		}
		f.Default = c.Default
	case Limit:
		f.Default = int64(settings.FallBack)
	case Reference:
		f.Default = c.Default
	case Boolean:
		f.Default = c.Default != 0
	}
	return f
}
