package settings

import (
	"context"
	"fmt"
	"slices"
)

// Record is a row by the names of its columns, as [Value] returns them.
type Record struct {
	ID     int64
	Values map[string]any
}

// Untyped reaches the rows of a table whose struct is not known. Errors are those of the functions of the same names.
type Untyped interface {
	// Describe returns the description of the table, which is not to be changed.
	Describe() Table
	Select(ctx context.Context, s Store, q Query) ([]Record, []Broken, error)
	Count(ctx context.Context, s Store, q Query) (int64, error)
	Get(ctx context.Context, s Store, id int64) (Record, error)
	// Write inserts a row, with id 0, or updates the values that are given of the one with this id.
	Write(ctx context.Context, s Store, id int64, values map[string]any) (Record, error)
	Delete(ctx context.Context, s Store, id int64) error

	// Len, At and Index are the rows of the table in memory; Index finds one by its id, -1: there is none.
	Len(rows *Rows) int
	At(rows *Rows, i int) Record
	Index(rows *Rows, id int64) int
	// Place puts a row with these values into rows, instead of the one with its id; what shares rows does not see it.
	Place(rows *Rows, id int64, values map[string]any) error
	// Take has rows share the table with from.
	Take(rows, from *Rows)
}

// Named returns the table of a name, nil when there is none.
func Named(name TableName) Untyped {
	for _, t := range tables() {
		if t.described().Name == name {
			return t.untyped()
		}
	}
	return nil
}

// rowsOf is the Untyped of a row struct.
type rowsOf[T Entity[T]] struct{}

func (rowsOf[T]) Describe() Table { return Describe[T]() }

func (r rowsOf[T]) Select(ctx context.Context, s Store, q Query) ([]Record, []Broken, error) {
	found, broken, err := Select[T](ctx, s, q)
	if err != nil {
		return nil, nil, err
	}
	records := make([]Record, len(found))
	for i := range found {
		records[i] = r.record(&found[i])
	}
	return records, broken, nil
}

func (rowsOf[T]) Count(ctx context.Context, s Store, q Query) (int64, error) {
	return Count[T](ctx, s, q)
}

func (r rowsOf[T]) Get(ctx context.Context, s Store, id int64) (Record, error) {
	row, err := Get[T](ctx, s, id)
	if err != nil {
		return Record{}, err
	}
	return r.record(&row), nil
}

func (r rowsOf[T]) Write(ctx context.Context, s Store, id int64, values map[string]any) (Record, error) {
	var row T
	var err error
	write := Insert[T]
	if id != 0 {
		write = Update[T]
		if row, err = Get[T](ctx, s, id); err != nil {
			return Record{}, err
		}
	}
	if err := r.fill(&row, values); err != nil {
		return Record{}, err
	}
	if err := write(ctx, s, &row); err != nil {
		return Record{}, err
	}
	return r.record(&row), nil
}

func (rowsOf[T]) Delete(ctx context.Context, s Store, id int64) error { return Delete[T](ctx, s, id) }

func (rowsOf[T]) Len(rows *Rows) int { return len(*Of[T](rows)) }

func (r rowsOf[T]) At(rows *Rows, i int) Record { return r.record(&(*Of[T](rows))[i]) }

func (r rowsOf[T]) Place(rows *Rows, id int64, values map[string]any) error {
	all := Of[T](rows)
	i := r.Index(rows, id)
	changed := slices.Clone(*all)
	if i < 0 {
		var row T
		*ID(&row) = id
		changed, i = append(changed, row), len(changed)
	}
	if err := r.fill(&changed[i], values); err != nil {
		return err
	}
	*all = changed
	return nil
}

func (rowsOf[T]) Take(rows, from *Rows) { *Of[T](rows) = *Of[T](from) }

func (rowsOf[T]) Index(rows *Rows, id int64) int {
	return slices.IndexFunc(*Of[T](rows), func(row T) bool { return *ID(&row) == id })
}

func (rowsOf[T]) fill(row *T, values map[string]any) error {
	for name, value := range values {
		if err := SetValue(row, name, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (rowsOf[T]) record(row *T) Record {
	t := schemaOf[T]()
	r := Record{ID: *t.id(row), Values: make(map[string]any, len(t.columns))}
	for i := range t.columns {
		r.Values[t.columns[i].Name] = t.columns[i].value(row)
	}
	return r
}
