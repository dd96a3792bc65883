package settings

import (
	"context"
	"slices"
)

// Validate compares the database's tables with what this package needs. A [SchemaError] names each difference: a
// missing table, column or unique index, a column of another type, or one of a stranger's that every writer would have
// to fill. Further columns and tables are nobody's business.
func (db *DB) Validate(ctx context.Context) error {
	have, err := db.engine.catalog(ctx, db.sql)
	if err != nil {
		return db.fail(ctx, "reading its catalogue", err)
	}
	if all := db.compare(have); len(all) > 0 {
		return &SchemaError{Database: db.name, Differences: all}
	}
	return nil
}

// compare lists what is different from what this package needs.
func (db *DB) compare(have catalog) []Difference {
	var all []Difference
	for _, t := range Tables() {
		existing := have[string(t.Name)]
		if existing == nil {
			all = append(all, Difference{Table: t.Name, Problem: "is missing"})
			continue
		}
		all = append(all, db.compareColumns(t, existing)...)
		if t.Unique != "" && !existing.unique[t.Unique] {
			all = append(all, Difference{t.Name, t.Unique, "has no unique index"})
		}
		var strange []string
		for name, c := range existing.columns {
			if c.required && name != "id" && t.Column(name) == nil {
				strange = append(strange, name)
			}
		}
		slices.Sort(strange)
		for _, name := range strange {
			all = append(all, Difference{t.Name, name, "is not one of ours, and may not be NULL"})
		}
	}
	return all
}

// compareColumns lists the columns of a table that are missing or of another type.
func (db *DB) compareColumns(t Table, existing *existingTable) []Difference {
	var all []Difference
	switch id, ok := existing.columns["id"]; {
	case !ok:
		all = append(all, Difference{t.Name, "id", "is missing"})
	case !db.engine.fits(id.kind, Integer) || !id.counts:
		all = append(all, Difference{t.Name, "id", "is not a primary key that counts up by itself (" + id.kind + ")"})
	}
	for _, c := range t.Columns {
		found, ok := existing.columns[c.Name]
		switch {
		case !ok:
			all = append(all, Difference{t.Name, c.Name, "is missing"})
		case !db.engine.fits(found.kind, c.Kind):
			all = append(all, Difference{t.Name, c.Name, "has the type " + found.kind + ", not " + db.engine.columnType(c)})
		}
	}
	return all
}
