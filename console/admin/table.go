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
	Min, Max int64  // of an Integer
	Refers   string // table of a Reference
	Wild     bool   // a Domain may have wildcards: * ? [a-z]
	Default  any    // int64, bool or string: what it is when it is not given
	Excludes string // field that cannot be given beside it
	Also     string // another name under which it may be given, and is shown beside the first
}

// Table describes a table of settings.
type Table struct {
	Name    string
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
	all := tables()
	described := make([]Table, len(all))
	for i, t := range all {
		described[i] = *t.describe()
	}
	return described
}

// Table describes one table.
func (a *Admin) Table(name string) (Table, error) {
	t, err := tableNamed(name)
	if err != nil {
		return Table{}, err
	}
	return *t.describe(), nil
}

// traits is what is known of a table beside its columns.
type traits struct {
	required []string
	key      []string
	choices  []string // of the column "type"
	readOnly bool
}

var (
	patternTypes = []string{settings.Exact, settings.Regex, settings.Wildcard, settings.Contains}
	selection    = []string{"localip", "pool", "domain"}
)

// traitsOf returns what the columns do not tell.
func traitsOf(table string) traits {
	switch table {
	case "locals":
		return traits{required: []string{"address", "type"}, key: []string{"address", "type"}, choices: patternTypes}
	case "mtanames":
		return traits{required: []string{"localip", "name"}, key: []string{"localip"}}
	case "mtalabels":
		return traits{required: []string{"localip", "label"}, key: []string{"localip"}}
	case "ips":
		return traits{readOnly: true}
	case "blocklist":
		return traits{required: []string{"value"}, key: []string{"value"}}
	case "capacity", "schedules":
		return traits{required: []string{"name"}, key: []string{"name"}}
	case "capacity_rules":
		return traits{required: []string{"capacity"}, key: slices.Concat([]string{"capacity"}, selection)}
	case "flood_responses":
		return traits{required: []string{"name", "pattern", "type"}, key: []string{"name"}, choices: patternTypes}
	case "schedule_steps":
		return traits{required: []string{"schedule", "day", "capacity"}, key: []string{"schedule", "day"}}
	case "schedule_rules":
		return traits{required: []string{"schedule"}, key: slices.Concat([]string{"schedule"}, selection)}
	case "schedule_days":
		return traits{required: []string{"localip", "site", "day"}, key: []string{"localip", "site"}}
	}
	return ruleTraits(table)
}

// ruleTraits is traitsOf for the rules of delivery.
func ruleTraits(table string) traits {
	switch table {
	case "pools":
		return traits{required: []string{"name"}, key: []string{"name"}}
	case "poolips":
		return traits{required: []string{"pool", "ip"}, key: []string{"ip"}}
	case "externalmtas":
		return traits{required: []string{"public_ip", "local_ip", "connect_port"}, key: []string{"public_ip"}}
	case "dkim_keys":
		return traits{required: []string{"domain", "selector", "privatekey"}, key: []string{"domain", "selector"}}
	case "dkim_patterns":
		return traits{required: []string{"dkim_key", "type"}, key: []string{"dkim_key", "type", "sign"},
			choices: append(slices.Clip(patternTypes), settings.Global)}
	case "dns":
		return traits{required: []string{"hostname", "ip"}, key: []string{"hostname", "ip"}}
	case "errors":
		return traits{required: []string{"code"},
			key: []string{"localip", "pool", "domain", "ip", "tag", "cluster", "instance"}}
	case "paused":
		return traits{key: []string{"localip", "pool", "target", "tag", "cluster", "instance"}}
	case "delegates":
		return traits{required: []string{"newip"}, key: []string{"localip", "domain"}}
	case "suppressions":
		return traits{required: []string{"value", "type", "code"}, key: []string{"value"},
			choices: []string{"address", "domain"}}
	case "response_patterns":
		return traits{required: []string{"name", "pattern", "type"}, key: []string{"name"}, choices: patternTypes}
	case "response_actions":
		return traits{required: []string{"name", "type"}, key: []string{"name"}}
	case "response_patterns_actions":
		return traits{required: []string{"pattern", "action"}, key: []string{"pattern", "action"}}
	case "rewrite_triggers":
		return traits{required: []string{"name"}, key: []string{"name"}}
	case "rewrite_conditions":
		return traits{required: []string{"trigger", "property", "type"},
			key:     []string{"trigger", "property", "type", "value", "negate"},
			choices: patternTypes}
	case "rewrite_actions":
		return traits{required: []string{"trigger", "type"}, key: []string{"trigger", "type", "property", "value"}}
	case "tokens":
		return traits{readOnly: true}
	case "routes":
		return traits{key: []string{"domain"}}
	}
	return traits{}
}

// describe makes a Table of the settings' own description.
func describe(s settings.Table) *Table {
	tr := traitsOf(s.Name)
	t := &Table{Name: s.Name, Meaning: s.Meaning, Key: tr.key, ReadOnly: tr.readOnly}
	for _, c := range s.Columns {
		f := fieldOf(s.Name, c)
		f.Required = slices.Contains(tr.required, f.Name)
		if f.Name == "type" && tr.choices != nil {
			f.Type, f.Choices = Choice, tr.choices
		}
		t.Ordered = t.Ordered || f.Name == "priority"
		t.Enabled = t.Enabled || f.Name == "enabled"
		t.Fields = append(t.Fields, f)
	}
	return t
}

// fieldOf tells what a column may hold, by its name and its table.
func fieldOf(table string, c settings.Column) Field {
	f := Field{Name: c.Name, Type: Text, Meaning: c.Meaning, Secret: c.Secret, Default: ""}
	switch c.Kind {
	case settings.Integer:
		f.Type, f.Min, f.Max, f.Default = Integer, math.MinInt64, math.MaxInt64, c.Default
	case settings.Flag:
		f.Type, f.Default = Boolean, c.Default != 0
	case settings.Long:
		f.Type = Long
	}
	switch c.Name {
	case "localip", "ip", "newip", "public_ip", "local_ip", "connect_ip":
		f.Type = IP
	case "pool":
		f.Type = PoolName
	case "domain", "hostname":
		if table != "routes" {
			f.Type, f.Wild = Domain, c.Name == "domain" && table != "dkim_keys"
		}
	case "extended":
		f.Type = Status
	case "expire", "starts", "ends", "lastsent", "created", "lastused":
		if table != "dkim_keys" {
			f.Type = Time
		}
	case "protocol":
		f.Type, f.Choices = Choice, []string{"nat", "socks", "http"}
	case "capacity", "schedule", "dkim_key", "pattern", "action", "trigger":
		if f.Type == Integer {
			f.Type, f.Refers = Reference, referred(c.Name)
		}
	default:
		boundNumber(table, c, &f)
	}
	if c.Name == "code" {
		boundNumber(table, c, &f)
	}
	return f
}

// referred returns the table whose ids a column holds.
func referred(column string) string {
	switch column {
	case "schedule":
		return "schedules"
	case "dkim_key":
		return "dkim_keys"
	case "pattern":
		return "response_patterns"
	case "action":
		return "response_actions"
	case "trigger":
		return "rewrite_triggers"
	}
	return column
}

// boundNumber says which numbers make sense.
func boundNumber(table string, c settings.Column, f *Field) {
	if f.Type != Integer {
		return
	}
	switch f.Name {
	case "code": // a forced 2xx would destroy mail
		f.Min, f.Max = 400, 599
		if table == "blocklist" {
			f.Min = 0
		}
	case "connect_port":
		f.Min, f.Max = 1, 65535
	case "port":
		f.Min, f.Max = 0, 65535
	default:
		if c.Min == 0 && c.Max == 0 {
			return
		}
		if f.Min, f.Max = c.Min, c.Max; c.Min == settings.FallBack {
			f.Type, f.Default = Limit, int64(settings.FallBack)
		}
	}
}
