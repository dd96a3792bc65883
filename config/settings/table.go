package settings

import "fmt"

// Table describes one table, beside its first column id, which the database counts up and never uses twice.
type Table struct {
	Name    TableName
	Meaning string
	// Ours marks tables that MailerQ does not have.
	Ours    bool
	Columns []Column
	// Unique names the column whose values differ from row to row; empty: none does.
	Unique string
	// Key are the columns by which a row is found that is to be changed; none: rows are only told apart by their ids.
	Key []string
	// ReadOnly tables are not for operators to write.
	ReadOnly bool
	// Incidental tables decide nothing about mail: servers fill them by themselves, or it is the tokens, one of which
	// is made before anything else.
	Incidental bool
	// Since is the version of the database that brought the table; 0 is the first, 1.
	Since int64
}

// Column returns the column of a name, nil when there is none.
func (t *Table) Column(name string) *Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// table is a Table with the way to its rows.
type table[T any] struct {
	Table
	columns []column[T] // the columns of Table, with the way to their fields
	id      func(*T) *int64
	rows    func(*Rows) *[]T
	// review looks at a row that was read or is to be written; it may be nil. Of a row that was read it may change what
	// is not as it should be, and says so.
	review func(row *T, writing bool) (notice string, err error)
	any    Untyped
}

// describe completes a description.
func describe[T Entity[T]](t table[T]) *table[T] {
	t.any = rowsOf[T]{}
	t.Since = max(t.Since, 1)
	for i := range t.columns {
		c := &t.columns[i].Column
		c.Since = max(c.Since, t.Since)
		t.Columns = append(t.Columns, *c)
	}
	return &t
}

// Entity is implemented by the row structs of this package, and by nothing else.
type Entity[T any] interface{ schema() *table[T] }

// schemaOf returns the table of a row struct.
func schemaOf[T Entity[T]]() *table[T] {
	var zero T
	return zero.schema()
}

func (t *table[T]) described() Table { return t.Table }

func (t *table[T]) untyped() Untyped { return t.any }

func (t *table[T]) find(name string) (*column[T], error) {
	for i := range t.columns {
		if t.columns[i].Name == name {
			return &t.columns[i], nil
		}
	}
	return nil, fmt.Errorf("table %s has no column %q", t.Name, name)
}

// Describe returns the description of a row struct's table, which is not to be changed.
func Describe[T Entity[T]]() Table { return schemaOf[T]().Table }

// Of returns where the rows of a struct are.
func Of[T Entity[T]](rows *Rows) *[]T { return schemaOf[T]().rows(rows) }

// ID returns where the id of a row is.
func ID[T Entity[T]](row *T) *int64 { return schemaOf[T]().id(row) }

// Value returns one column of a row by name: an int64, a bool or a string.
func Value[T Entity[T]](row *T, name string) (any, error) {
	t := schemaOf[T]()
	if name == "id" {
		return *t.id(row), nil
	}
	c, err := t.find(name)
	if err != nil {
		return nil, err
	}
	return c.value(row), nil
}

// SetValue sets one column of a row by name, as forms and requests need it: numbers and booleans may come as texts. The
// id cannot be set this way.
func SetValue[T Entity[T]](row *T, name string, value any) error {
	c, err := schemaOf[T]().find(name)
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
	described() Table
	untyped() Untyped
	load(l *loader, into *Rows, ids []int64) error
	count(rows *Rows) int
}

// Tables describes all tables, in the order of the documentation. The descriptions are not to be changed.
func Tables() []Table {
	all := tables()
	described := make([]Table, len(all))
	for i, t := range all {
		described[i] = t.described()
	}
	return described
}
