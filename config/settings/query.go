package settings

import (
	"fmt"
	"strconv"
	"strings"
)

// clauses writes a query as what follows the name of the table in a statement: a condition, and order and limit.
func (q Query) clauses(s Store, t Table) (where, order string, values []any, err error) {
	_, db := s.use()
	var all []string
	if q.Column != "" {
		c, value, err := q.comparison(db.engine, t)
		if err != nil {
			return "", "", nil, err
		}
		values = append(values, value)
		all = append(all, c+" = "+db.engine.placeholder(len(values)))
	}
	if q.Search != "" {
		if err := checkText(q.Search); err != nil {
			return "", "", nil, &ValueError{Table: t.Name, Reason: "the text to search for " + err.Error()}
		}
		var any []string
		pattern := "%" + strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(q.Search) + "%"
		for _, c := range t.Columns {
			if !c.Kind.integral() && !c.Secret {
				values = append(values, pattern)
				any = append(any, "LOWER("+db.engine.quote(c.Name)+") LIKE LOWER("+db.engine.placeholder(len(values))+
					") ESCAPE '!'")
			}
		}
		all = append(all, "("+strings.Join(append(any, "1 = 0"), " OR ")+")")
	}
	if q.After > 0 {
		values = append(values, q.After)
		all = append(all, db.engine.quote("id")+" > "+db.engine.placeholder(len(values)))
	}
	if len(all) > 0 {
		where = " WHERE " + strings.Join(all, " AND ")
	}
	return where, orderBy(db.engine, t) + q.window(), values, nil
}

// comparison returns the left side of the condition on q.Column, and the value as it is stored. NULL is the column's
// default.
func (q Query) comparison(e engine, t Table) (left string, value any, err error) {
	c := &Column{Kind: Integer}
	if q.Column != "id" {
		if c = t.Column(q.Column); c == nil {
			return "", nil, fmt.Errorf("table %s has no column %q", t.Name, q.Column)
		}
	}
	var byDefault any = ""
	null := "''"
	if value = widen(q.Value); c.Kind.integral() {
		byDefault, null = c.Default, strconv.FormatInt(c.Default, 10)
		value, err = toInteger(value)
	} else {
		value, err = toText(value)
	}
	if err != nil {
		return "", nil, &ValueError{Table: t.Name, Column: q.Column, Reason: err.Error()}
	}
	left = e.quote(q.Column)
	if value == byDefault { // an index helps with all other values
		left = "COALESCE(" + left + ", " + null + ")"
	}
	return left, value, nil
}

// widen makes an int64 of an int.
func widen(v any) any {
	if n, ok := v.(int); ok {
		return int64(n)
	}
	return v
}

func (q Query) window() string {
	if q.Limit <= 0 && q.Offset <= 0 {
		return ""
	}
	limit := int64(1)<<62 - 1 // MySQL and SQLite have no OFFSET without LIMIT
	if q.Limit > 0 {
		limit = int64(q.Limit)
	}
	return " LIMIT " + strconv.FormatInt(limit, 10) + " OFFSET " + strconv.Itoa(max(q.Offset, 0))
}

// orderBy is by priority, where there is one, and id. NULL is the same priority as 0.
func orderBy(e engine, t Table) string {
	if t.Column("priority") != nil {
		return " ORDER BY COALESCE(" + e.quote("priority") + ", 0), " + e.quote("id")
	}
	return " ORDER BY " + e.quote("id")
}
