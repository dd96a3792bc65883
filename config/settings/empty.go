package settings

import (
	"context"
	"slices"
	"strings"
)

// deciding lists the tables whose rows an operator writes to decide about mail: not those that servers fill by
// themselves, nor the tokens, one of which is made before anything else.
func deciding() []erased {
	return slices.DeleteFunc(tables(), func(t erased) bool {
		name := t.describe().Name
		return name == "ips" || name == "schedule_days" || name == "tokens"
	})
}

// Len counts the rows that decide about mail: all but those of ips, schedule_days and tokens.
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
		any = append(any, "EXISTS (SELECT 1 FROM "+db.engine.quote(t.describe().Name)+")")
	}
	var some bool
	err := db.sql.QueryRowContext(ctx, "SELECT "+strings.Join(any, " OR ")).Scan(&some)
	return !some, db.fail(ctx, "looking whether it has rows", err)
}
