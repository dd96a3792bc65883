package sqlstore

import (
	"database/sql"
	"errors"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// dialect is what differs between the engines.
type dialect struct {
	create    []string // statements that make the table unless it is there
	upsert    string   // writes part 0, and keeps the later time
	isolation sql.IsolationLevel
	dollars   bool             // placeholders are $1, $2
	full      func(error) bool // there is no space left
	again     func(error) bool // the transaction lost against another one and may be repeated
}

// place writes the placeholders of a statement as the engine wants them.
func (d *dialect) place(statement string) string {
	if !d.dollars {
		return statement
	}
	var b strings.Builder
	n := 0
	for piece := range strings.SplitSeq(statement, "?") {
		if n > 0 {
			b.WriteString("$" + strconv.Itoa(n))
		}
		b.WriteString(piece)
		n++
	}
	return b.String()
}

const insertFirst = "INSERT INTO sluice_mails (mail, part, expires, size, data) VALUES (?, 0, ?, ?, ?) "

func sqliteDialect() *dialect {
	return &dialect{
		create: []string{
			"PRAGMA journal_mode = WAL", // readers and a writer do not wait for each other
			`CREATE TABLE IF NOT EXISTS sluice_mails (mail BLOB NOT NULL, part INTEGER NOT NULL, expires INTEGER, size INTEGER,
				data BLOB NOT NULL, PRIMARY KEY (mail, part))`,
			"CREATE INDEX IF NOT EXISTS sluice_mails_expires ON sluice_mails (expires) WHERE expires IS NOT NULL",
		},
		upsert: insertFirst + `ON CONFLICT (mail, part) DO UPDATE SET expires = max(sluice_mails.expires, excluded.expires),
			size = excluded.size, data = excluded.data`,
		full: func(err error) bool {
			e, ok := errors.AsType[*sqlite.Error](err)
			return ok && e.Code()&0xff == sqlite3.SQLITE_FULL
		},
		again: func(error) bool { return false }, // a writer has the whole file
	}
}

func postgresDialect() *dialect {
	code := func(err error) string {
		if e, ok := errors.AsType[*pgconn.PgError](err); ok {
			return e.Code
		}
		return ""
	}
	return &dialect{
		create: []string{
			`CREATE TABLE IF NOT EXISTS sluice_mails (mail BYTEA NOT NULL, part INTEGER NOT NULL, expires BIGINT, size BIGINT,
				data BYTEA NOT NULL, PRIMARY KEY (mail, part))`,
			"CREATE INDEX IF NOT EXISTS sluice_mails_expires ON sluice_mails (expires) WHERE expires IS NOT NULL",
		},
		upsert: insertFirst + `ON CONFLICT (mail, part) DO UPDATE SET expires = GREATEST(sluice_mails.expires, excluded.expires),
			size = excluded.size, data = excluded.data`,
		isolation: sql.LevelReadCommitted,
		dollars:   true,
		full:      func(err error) bool { return code(err) == "53100" }, // disk_full
		again:     func(err error) bool { return code(err) == "40P01" }, // deadlock_detected
	}
}

func mysqlDialect() *dialect {
	is := func(err error, numbers ...uint16) bool {
		e, ok := errors.AsType[*mysql.MySQLError](err)
		for _, n := range numbers {
			if ok && e.Number == n {
				return true
			}
		}
		return false
	}
	return &dialect{
		create: []string{`CREATE TABLE IF NOT EXISTS sluice_mails (mail VARBINARY(255) NOT NULL, part INT NOT NULL, expires BIGINT,
			size BIGINT, data MEDIUMBLOB NOT NULL, PRIMARY KEY (mail, part), KEY sluice_mails_expires (expires)) ENGINE=InnoDB`},
		upsert: insertFirst +
			`ON DUPLICATE KEY UPDATE expires = GREATEST(expires, VALUES(expires)), size = VALUES(size), data = VALUES(data)`,
		// Nothing is locked then but the rows that are written.
		isolation: sql.LevelReadCommitted,
		// ER_DISK_FULL, ER_RECORD_FILE_FULL
		full: func(err error) bool { return is(err, 1021, 1114) },
		// ER_LOCK_DEADLOCK
		again: func(err error) bool { return is(err, 1213) },
	}
}
