package settings

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// maxBroken limits the broken rows and the notices that are kept of each table.
const maxBroken = 1000

// loader reads tables on one connection.
type loader struct {
	ctx     context.Context
	conn    querier
	db      *DB
	broken  []Broken
	notices []Notice
	plain   []plainToken
}

// plainToken is a token that was read and is to be replaced by its hash.
type plainToken struct {
	id          int64
	plain, hash Secret
}

// Load reads all tables as they are at one moment. Rows that cannot be read are left out and are in [Rows.Broken].
// Plain tokens are replaced by their hashes, here and in the database. An error leaves nothing half read.
func (db *DB) Load(ctx context.Context) (*Rows, error) {
	return db.load(ctx, &Rows{}, func(TableName) ([]int64, bool) { return nil, true })
}

// LoadWritten is Load for what was written only: whole tables, or some of their rows where these are known. All else is
// as in before, which is left as it is.
func (db *DB) LoadWritten(ctx context.Context, before *Rows, written ...Written) (*Rows, error) {
	rows := *before
	ids := make(map[TableName][]int64, len(written))
	for _, w := range written {
		ids[w.Table] = slices.Compact(slices.Sorted(slices.Values(w.IDs)))
	}
	stale := func(table TableName, id int64) bool {
		some, named := ids[table]
		return named && (some == nil || slices.Contains(some, id))
	}
	rows.Broken = slices.DeleteFunc(slices.Clone(before.Broken), func(b Broken) bool { return stale(b.Table, b.ID) })
	rows.Notices = slices.DeleteFunc(slices.Clone(before.Notices), func(n Notice) bool { return stale(n.Table, n.ID) })
	return db.load(ctx, &rows, func(name TableName) (some []int64, wanted bool) {
		some, wanted = ids[name]
		return some, wanted
	})
}

// load reads the tables that are wanted into rows, all or some of their rows.
func (db *DB) load(ctx context.Context, rows *Rows, want func(name TableName) ([]int64, bool)) (*Rows, error) {
	l := &loader{ctx: ctx, db: db}
	if err := l.loadTables(rows, want); err != nil {
		return nil, err
	}
	rows.Broken, rows.Notices = append(rows.Broken, l.broken...), append(rows.Notices, l.notices...)
	l.hashTokens(rows)
	return rows, nil
}

func (l *loader) loadTables(rows *Rows, want func(name TableName) ([]int64, bool)) error {
	tx, err := l.db.sql.BeginTx(l.ctx, l.db.engine.snapshot())
	if err != nil {
		return l.db.fail(l.ctx, "reading it", err)
	}
	defer tx.Rollback()
	l.conn = tx
	for _, t := range tables() {
		ids, wanted := want(t.described().Name)
		if !wanted {
			continue
		}
		if err := t.load(l, rows, ids); err != nil {
			return err
		}
	}
	return nil
}

// hashTokens stores the hashes of plain tokens, once the transaction for reading has ended. A database that cannot be
// written costs no more than a word in the notice.
func (l *loader) hashTokens(rows *Rows) {
	for _, p := range l.plain {
		e := l.db.engine
		_, err := l.db.sql.ExecContext(l.ctx, "UPDATE "+e.quote(string(TableTokens))+" SET hash = "+e.placeholder(1)+
			" WHERE id = "+e.placeholder(2)+" AND hash = "+e.placeholder(3), string(p.hash), p.id, string(p.plain))
		if err == nil {
			continue
		}
		for i := range rows.Notices {
			if n := &rows.Notices[i]; n.Table == TableTokens && n.ID == p.id {
				n.Text = "hash is a plain token, and replacing it by its SHA-256 failed: " + err.Error()
			}
		}
	}
}

// load reads a table into its place in rows: all of it, or only the rows with some ids, sorted, where the order is that
// of ids.
func (t *table[T]) load(l *loader, rows *Rows, ids []int64) (err error) {
	described := t.described()
	order := orderBy(l.db.engine, described)
	if len(ids) == 0 || described.Column("priority") != nil {
		*t.rows(rows), err = readTable(l, t, order, nil)
		return err
	}
	e := l.db.engine
	values := make([]any, len(ids))
	for i, id := range ids {
		values[i] = id
	}
	now, err := readTable(l, t, " WHERE "+e.quote("id")+" IN ("+marks(e, len(ids))+")"+order, values)
	if err == nil {
		*t.rows(rows) = t.merge(*t.rows(rows), now, ids)
	}
	return err
}

func (t *table[T]) count(rows *Rows) int { return len(*t.rows(rows)) }

// merge puts rows in the place of those with some ids; all are sorted by id. It leaves before as it is, but may use
// room behind it: only the newest rows are ever merged with.
func (t *table[T]) merge(before, now []T, ids []int64) []T {
	if len(before) == 0 || ids[0] > *t.id(&before[len(before)-1]) {
		return append(before, now...)
	}
	all := make([]T, 0, len(before)+len(now))
	for i := range before {
		id := *t.id(&before[i])
		for len(now) > 0 && *t.id(&now[0]) <= id {
			all, now = append(all, now[0]), now[1:]
		}
		if _, replaced := slices.BinarySearch(ids, id); !replaced {
			all = append(all, before[i])
		}
	}
	return append(all, now...)
}

// readTable reads the rows of a table that clauses select.
func readTable[T any](l *loader, t *table[T], clauses string, values []any) ([]T, error) {
	e := l.db.engine
	names := []string{e.quote("id")}
	for i := range t.columns {
		names = append(names, e.quote(t.columns[i].Name))
	}
	found, err := l.conn.QueryContext(l.ctx, "SELECT "+strings.Join(names, ", ")+" FROM "+e.quote(string(t.Name))+clauses,
		values...)
	if err != nil {
		return nil, l.db.fail(l.ctx, "reading "+string(t.Name), err)
	}
	defer found.Close()
	cells, targets := make([]any, len(names)), make([]any, len(names))
	for i := range cells {
		targets[i] = &cells[i]
	}
	r := reader[T]{table: t, loader: l}
	for found.Next() {
		if err := found.Scan(targets...); err != nil {
			return nil, l.db.fail(l.ctx, "reading "+string(t.Name), err)
		}
		r.add(cells)
	}
	if err := found.Err(); err != nil {
		return nil, l.db.fail(l.ctx, "reading "+string(t.Name), err)
	}
	r.finish()
	return r.rows, nil
}

// reader collects the rows of one table.
type reader[T any] struct {
	table    *table[T]
	loader   *loader
	rows     []T
	last     T // the row before, whose texts the next may share
	broken   int
	reviewed int
}

// add makes a row of what the driver returned for id and columns.
func (r *reader[T]) add(cells []any) {
	var row T
	t := r.table
	id, err := toInteger(cells[0])
	if err != nil {
		r.reject(0, errors.New("id "+err.Error()))
		return
	}
	*t.id(&row) = id
	for i := range t.columns {
		if err := t.columns[i].set(&row, &r.last, cells[i+1]); err != nil {
			r.reject(id, err)
			return
		}
	}
	for i := range t.columns {
		if notice := t.columns[i].doubt(&row); notice != "" {
			r.note(Notice{Table: t.Name, ID: id, Text: notice, Wrong: true})
		}
	}
	if t.review != nil {
		found := row
		notice, err := t.review(&row, false)
		if err != nil {
			r.reject(id, err)
			return
		}
		if notice != "" {
			if r.note(Notice{Table: t.Name, ID: id, Text: notice}) {
				r.replace(id, found, row)
			}
		}
	}
	r.rows = append(r.rows, row)
	r.last = row
}

func (r *reader[T]) reject(id int64, err error) {
	if r.broken++; r.broken <= maxBroken {
		r.loader.broken = append(r.loader.broken, Broken{Table: r.table.Name, ID: id, Reason: err.Error()})
	}
}

// note keeps what was put right, unless that is too much.
func (r *reader[T]) note(n Notice) bool {
	if r.reviewed++; r.reviewed > maxBroken {
		return false
	}
	r.loader.notices = append(r.loader.notices, n)
	return true
}

// replace remembers a plain token that is to be replaced by its hash.
func (r *reader[T]) replace(id int64, found, row T) {
	if token, ok := any(row).(Token); ok {
		r.loader.plain = append(r.loader.plain, plainToken{id, any(found).(Token).Hash, token.Hash})
	}
}

// finish says how many broken rows were not kept.
func (r *reader[T]) finish() {
	if more := r.broken - maxBroken; more > 0 {
		r.loader.broken = append(r.loader.broken,
			Broken{Table: r.table.Name, Reason: "and " + strconv.Itoa(more) + " more rows"})
	}
}

// ReplaceIPs writes the addresses that hosts have, as a server does at its start: rows of the same hosts, or with the
// same addresses, make room; rows of other hosts that use the same database stay.
func (db *DB) ReplaceIPs(ctx context.Context, all []IP) error {
	return db.Tx(ctx, func(tx *Tx) error {
		for _, ip := range all {
			for _, q := range []Query{{Column: "hostname", Value: ip.Hostname}, {Column: "ip", Value: ip.IP}} {
				if _, err := DeleteWhere[IP](ctx, tx, q); err != nil {
					return err
				}
			}
		}
		for _, ip := range all {
			ip.ID = 0
			if err := Insert(ctx, tx, &ip); err != nil {
				return err
			}
		}
		return nil
	})
}
