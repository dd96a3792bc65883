package settings

import (
	"context"
	"slices"
	"strings"
)

// deciding lists the tables whose rows an operator writes to decide about mail.
func deciding() []erased {
	return slices.DeleteFunc(tables(), func(t erased) bool { return t.described().Incidental })
}

// Len counts the rows that decide about mail: all but those of Incidental tables.
func (r *Rows) Len() int {
	n := 0
	for _, t := range deciding() {
		n += t.count(r)
	}
	return n
}

// Empty reports whether the database has none of the rows that [Rows.Len] counts.
func (db *DB) Empty(ctx context.Context) (bool, error) {
	var any []string
	for _, t := range deciding() {
		any = append(any, "EXISTS (SELECT 1 FROM "+db.engine.quote(string(t.described().Name))+")")
	}
	var some bool
	err := db.sql.QueryRowContext(ctx, "SELECT "+strings.Join(any, " OR ")).Scan(&some)
	return !some, db.fail(ctx, "looking whether it has rows", err)
}
