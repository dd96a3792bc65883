package admin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/sluicemail/sluice/config/settings"
)

// Values are the columns of a row by name: int64, bool or string. As input, numbers and booleans may be texts, and integers
// of any kind.
type Values map[string]any

// Row is a row of a table.
type Row struct {
	ID int64
	// Values are all columns but secret ones.
	Values Values
	// Secrets tells for each secret column whether it is set.
	Secrets map[string]bool
	// Version changes with the contents; an update that names another one than the row has fails with a [Conflict].
	Version string
	// Broken is why the row is not in force; "": it is, or it is not enabled.
	Broken string
}

// entity is a table whose row struct is not known.
type entity interface {
	name() string
	describe() *Table
	list(ctx context.Context, s settings.Store, q settings.Query) ([]Row, []settings.Broken, error)
	count(ctx context.Context, s settings.Store, q settings.Query) (int64, error)
	get(ctx context.Context, s settings.Store, id int64) (Row, error)
	// write inserts a row, or updates the one with this id; values are complete but for secrets that stay.
	write(ctx context.Context, s settings.Store, id int64, values Values) (Row, error)
	delete(ctx context.Context, s settings.Store, id int64) error
	// place puts a row with these values into rows, instead of the one with its id, for a look at what becomes of it.
	place(rows *settings.Rows, id int64, values Values) error
	// keep makes the row with an id, if there is one, the only one of the table in rows; keepAll takes the whole table over.
	keep(rows, from *settings.Rows, id int64)
	keepAll(rows, from *settings.Rows)
	// enable enables all rows of the table in rows, which must be kept ones.
	enable(rows *settings.Rows)
	// remembered lists without the database; see [Admin.Remembered].
	remembered(ctx context.Context, rows *settings.Rows, matches func(*Row) bool, offset, limit int) ([]Row, int)
}

// of is the entity of a row struct. rows finds its slice.
type of[T settings.Entity[T]] struct {
	table string
	rows  func(*settings.Rows) *[]T
	id    func(*T) *int64
}

func (e of[T]) name() string { return e.table }

func (of[T]) describe() *Table { return describe(settings.Describe[T]()) }

func (e of[T]) list(ctx context.Context, s settings.Store, q settings.Query) ([]Row, []settings.Broken, error) {
	found, broken, err := settings.Select[T](ctx, s, q)
	if err != nil {
		return nil, nil, err
	}
	t := settings.Describe[T]()
	rows := make([]Row, len(found))
	for i := range found {
		rows[i] = e.row(&t, &found[i])
	}
	return rows, broken, nil
}

func (of[T]) count(ctx context.Context, s settings.Store, q settings.Query) (int64, error) {
	return settings.Count[T](ctx, s, q)
}

func (e of[T]) get(ctx context.Context, s settings.Store, id int64) (Row, error) {
	found, err := settings.Get[T](ctx, s, id)
	if err != nil {
		return Row{}, err
	}
	t := settings.Describe[T]()
	return e.row(&t, &found), nil
}

func (e of[T]) write(ctx context.Context, s settings.Store, id int64, values Values) (Row, error) {
	var row T
	if id != 0 {
		old, err := settings.Get[T](ctx, s, id)
		if err != nil {
			return Row{}, err
		}
		row = old
	}
	if err := e.fill(&row, values); err != nil {
		return Row{}, err
	}
	var err error
	if id != 0 {
		err = settings.Update(ctx, s, &row)
	} else {
		err = settings.Insert(ctx, s, &row)
	}
	if err != nil {
		return Row{}, err
	}
	t := settings.Describe[T]()
	return e.row(&t, &row), nil
}

func (of[T]) delete(ctx context.Context, s settings.Store, id int64) error {
	return settings.Delete[T](ctx, s, id)
}

func (e of[T]) place(rows *settings.Rows, id int64, values Values) error {
	all := e.rows(rows)
	i := slices.IndexFunc(*all, func(r T) bool { return *e.id(&r) == id })
	changed := slices.Clone(*all)
	if i < 0 {
		var row T
		*e.id(&row) = id
		changed, i = append(changed, row), len(changed)
	}
	if err := e.fill(&changed[i], values); err != nil {
		return err
	}
	*all = changed
	return nil
}

func (e of[T]) keep(rows, from *settings.Rows, id int64) {
	all := *e.rows(from)
	*e.rows(rows) = nil
	if i := slices.IndexFunc(all, func(r T) bool { return *e.id(&r) == id }); i >= 0 {
		*e.rows(rows) = []T{all[i]}
	}
}

func (e of[T]) keepAll(rows, from *settings.Rows) { *e.rows(rows) = *e.rows(from) }

func (e of[T]) enable(rows *settings.Rows) {
	all := *e.rows(rows)
	for i := range all {
		_ = settings.SetValue(&all[i], "enabled", true) // some tables have no such column
	}
}

func (of[T]) fill(row *T, values Values) error {
	for name, value := range values {
		if err := settings.SetValue(row, name, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// row makes a Row of a row struct.
func (e of[T]) row(t *settings.Table, from *T) Row {
	r := Row{ID: *e.id(from), Values: make(Values, len(t.Columns))}
	sum := sha256.New()
	for _, c := range t.Columns {
		v, err := settings.Value(from, c.Name)
		if err != nil { // the columns are those of T
			continue
		}
		fmt.Fprintf(sum, "%s=%d:%v\n", c.Name, len(fmt.Sprint(v)), v)
		if c.Secret {
			if r.Secrets == nil {
				r.Secrets = make(map[string]bool)
			}
			r.Secrets[c.Name] = v != ""
			continue
		}
		r.Values[c.Name] = v
	}
	r.Version = hex.EncodeToString(sum.Sum(nil)[:8])
	return r
}

// tables lists all tables, in the order of package settings.
func tables() []entity {
	type rows = settings.Rows
	return []entity{
		of[settings.Local]{"locals", func(r *rows) *[]settings.Local { return &r.Locals }, func(r *settings.Local) *int64 { return &r.ID }},
		of[settings.MTAName]{"mtanames", func(r *rows) *[]settings.MTAName { return &r.MTANames }, func(r *settings.MTAName) *int64 { return &r.ID }},
		of[settings.MTALabel]{"mtalabels", func(r *rows) *[]settings.MTALabel { return &r.MTALabels }, func(r *settings.MTALabel) *int64 { return &r.ID }},
		of[settings.IP]{"ips", func(r *rows) *[]settings.IP { return &r.IPs }, func(r *settings.IP) *int64 { return &r.ID }},
		of[settings.Block]{"blocklist", func(r *rows) *[]settings.Block { return &r.Blocklist }, func(r *settings.Block) *int64 { return &r.ID }},
		of[settings.Capacity]{"capacity", func(r *rows) *[]settings.Capacity { return &r.Capacities }, func(r *settings.Capacity) *int64 { return &r.ID }},
		of[settings.CapacityRule]{"capacity_rules", func(r *rows) *[]settings.CapacityRule { return &r.CapacityRules }, func(r *settings.CapacityRule) *int64 { return &r.ID }},
		of[settings.FloodResponse]{"flood_responses", func(r *rows) *[]settings.FloodResponse { return &r.FloodResponses }, func(r *settings.FloodResponse) *int64 { return &r.ID }},
		of[settings.Schedule]{"schedules", func(r *rows) *[]settings.Schedule { return &r.Schedules }, func(r *settings.Schedule) *int64 { return &r.ID }},
		of[settings.ScheduleStep]{"schedule_steps", func(r *rows) *[]settings.ScheduleStep { return &r.ScheduleSteps }, func(r *settings.ScheduleStep) *int64 { return &r.ID }},
		of[settings.ScheduleRule]{"schedule_rules", func(r *rows) *[]settings.ScheduleRule { return &r.ScheduleRules }, func(r *settings.ScheduleRule) *int64 { return &r.ID }},
		of[settings.ScheduleDay]{"schedule_days", func(r *rows) *[]settings.ScheduleDay { return &r.ScheduleDays }, func(r *settings.ScheduleDay) *int64 { return &r.ID }},
		of[settings.Pool]{"pools", func(r *rows) *[]settings.Pool { return &r.Pools }, func(r *settings.Pool) *int64 { return &r.ID }},
		of[settings.PoolIP]{"poolips", func(r *rows) *[]settings.PoolIP { return &r.PoolIPs }, func(r *settings.PoolIP) *int64 { return &r.ID }},
		of[settings.ExternalMTA]{"externalmtas", func(r *rows) *[]settings.ExternalMTA { return &r.ExternalMTAs }, func(r *settings.ExternalMTA) *int64 { return &r.ID }},
		of[settings.DKIMKey]{"dkim_keys", func(r *rows) *[]settings.DKIMKey { return &r.DKIMKeys }, func(r *settings.DKIMKey) *int64 { return &r.ID }},
		of[settings.DKIMPattern]{"dkim_patterns", func(r *rows) *[]settings.DKIMPattern { return &r.DKIMPatterns }, func(r *settings.DKIMPattern) *int64 { return &r.ID }},
		of[settings.DNSRecord]{"dns", func(r *rows) *[]settings.DNSRecord { return &r.DNS }, func(r *settings.DNSRecord) *int64 { return &r.ID }},
		of[settings.ForcedError]{"errors", func(r *rows) *[]settings.ForcedError { return &r.Errors }, func(r *settings.ForcedError) *int64 { return &r.ID }},
		of[settings.Pause]{"paused", func(r *rows) *[]settings.Pause { return &r.Pauses }, func(r *settings.Pause) *int64 { return &r.ID }},
		of[settings.Delegate]{"delegates", func(r *rows) *[]settings.Delegate { return &r.Delegates }, func(r *settings.Delegate) *int64 { return &r.ID }},
		of[settings.Suppression]{"suppressions", func(r *rows) *[]settings.Suppression { return &r.Suppressions }, func(r *settings.Suppression) *int64 { return &r.ID }},
		of[settings.ResponsePattern]{"response_patterns", func(r *rows) *[]settings.ResponsePattern { return &r.ResponsePatterns }, func(r *settings.ResponsePattern) *int64 { return &r.ID }},
		of[settings.ResponseAction]{"response_actions", func(r *rows) *[]settings.ResponseAction { return &r.ResponseActions }, func(r *settings.ResponseAction) *int64 { return &r.ID }},
		of[settings.ResponseLink]{"response_patterns_actions", func(r *rows) *[]settings.ResponseLink { return &r.ResponseLinks }, func(r *settings.ResponseLink) *int64 { return &r.ID }},
		of[settings.RewriteTrigger]{"rewrite_triggers", func(r *rows) *[]settings.RewriteTrigger { return &r.RewriteTriggers }, func(r *settings.RewriteTrigger) *int64 { return &r.ID }},
		of[settings.RewriteCondition]{"rewrite_conditions", func(r *rows) *[]settings.RewriteCondition { return &r.RewriteConditions }, func(r *settings.RewriteCondition) *int64 { return &r.ID }},
		of[settings.RewriteAction]{"rewrite_actions", func(r *rows) *[]settings.RewriteAction { return &r.RewriteActions }, func(r *settings.RewriteAction) *int64 { return &r.ID }},
		of[settings.Token]{"tokens", func(r *rows) *[]settings.Token { return &r.Tokens }, func(r *settings.Token) *int64 { return &r.ID }},
		of[settings.Route]{"routes", func(r *rows) *[]settings.Route { return &r.Routes }, func(r *settings.Route) *int64 { return &r.ID }},
	}
}

// tableNamed returns the entity of a table.
func tableNamed(name string) (entity, error) {
	for _, t := range tables() {
		if t.name() == name {
			return t, nil
		}
	}
	return nil, notFound(fmt.Sprintf("there is no table %s", show(name)))
}
