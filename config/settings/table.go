package settings

import "fmt"

// Table describes one table, beside its first column id, which the database counts up and never uses twice.
type Table struct {
	Name    string
	Meaning string
	// Ours marks tables that MailerQ does not have.
	Ours    bool
	Columns []Column
	// Unique names the column whose values differ from row to row; empty: none does.
	Unique string
}

// column returns the column of a name, nil when there is none.
func (t *Table) column(name string) *Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// table is a Table with the way to its rows.
type table[T any] struct {
	name, meaning string
	ours          bool
	unique        string
	columns       []column[T]
	id            func(*T) *int64
	rows          func(*Rows) *[]T
	// review looks at a row that was read or is to be written; it may be nil. Of a row that was read it may change what
	// is not as it should be, and says so.
	review func(row *T, writing bool) (notice string, err error)
}

// Entity is implemented by the row structs of this package, and by nothing else.
type Entity[T any] interface{ schema() *table[T] }

// schemaOf returns the table of a row struct.
func schemaOf[T Entity[T]]() *table[T] {
	var zero T
	return zero.schema()
}

func (t *table[T]) describe() Table {
	d := Table{Name: t.name, Meaning: t.meaning, Ours: t.ours, Unique: t.unique, Columns: make([]Column, len(t.columns))}
	for i := range t.columns {
		d.Columns[i] = t.columns[i].Column
	}
	return d
}

func (t *table[T]) column(name string) (*column[T], error) {
	for i := range t.columns {
		if t.columns[i].Name == name {
			return &t.columns[i], nil
		}
	}
	return nil, fmt.Errorf("table %s has no column %q", t.name, name)
}

// Describe returns the description of a row struct's table.
func Describe[T Entity[T]]() Table { return schemaOf[T]().describe() }

// Value returns one column of a row by name: an int64, a bool or a string.
func Value[T Entity[T]](row *T, name string) (any, error) {
	t := schemaOf[T]()
	if name == "id" {
		return *t.id(row), nil
	}
	c, err := t.column(name)
	if err != nil {
		return nil, err
	}
	if c.flag != nil {
		return *c.flag(row), nil
	}
	return c.get(row), nil
}

// SetValue sets one column of a row by name, as forms and requests need it: numbers and booleans may come as texts. The
// id cannot be set this way.
func SetValue[T Entity[T]](row *T, name string, value any) error {
	c, err := schemaOf[T]().column(name)
	if err != nil {
		return err
	}
	if c.Kind == Flag {
		switch value {
		case "true", "yes", "on":
			value = true
		case "false", "no", "off", "":
			value = false
		}
	}
	if n, ok := value.(int); ok {
		value = int64(n)
	}
	var none T
	return c.set(row, &none, value)
}

// erased is a table whose row struct is not known.
type erased interface {
	describe() Table
	load(l *loader, into *Rows, ids []int64) error
	count(rows *Rows) int
}

// tables lists all tables, in the order of the documentation.
func tables() []erased {
	return []erased{
		schemaOf[Local](), schemaOf[MTAName](), schemaOf[MTALabel](), schemaOf[IP](), schemaOf[Block](),
		schemaOf[Capacity](), schemaOf[CapacityRule](), schemaOf[FloodResponse](),
		schemaOf[Schedule](), schemaOf[ScheduleStep](), schemaOf[ScheduleRule](), schemaOf[ScheduleDay](),
		schemaOf[Pool](), schemaOf[PoolIP](), schemaOf[ExternalMTA](),
		schemaOf[DKIMKey](), schemaOf[DKIMPattern](), schemaOf[DNSRecord](),
		schemaOf[ForcedError](), schemaOf[Pause](), schemaOf[Delegate](), schemaOf[Suppression](),
		schemaOf[ResponsePattern](), schemaOf[ResponseAction](), schemaOf[ResponseLink](),
		schemaOf[RewriteTrigger](), schemaOf[RewriteCondition](), schemaOf[RewriteAction](),
		schemaOf[Token](), schemaOf[Route](),
	}
}

// Tables describes all tables, in the order of the documentation.
func Tables() []Table {
	all := tables()
	described := make([]Table, len(all))
	for i, t := range all {
		described[i] = t.describe()
	}
	return described
}
