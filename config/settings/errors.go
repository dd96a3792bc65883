package settings

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrNotFound is returned for a row that is not there (any more).
	ErrNotFound = errors.New("no such row")
	// ErrDuplicate is returned for a value that another row has in a unique column.
	ErrDuplicate = errors.New("another row has the same value")
)

// AddressError is a database address that is not understood. It shows nothing of what may be a password.
type AddressError struct{ Reason string }

func (e *AddressError) Error() string { return "settings database address: " + e.Reason }

// ValueError is a row that cannot be written, or read, because of one of its values. It does not show the value.
type ValueError struct {
	Table          TableName
	ID             int64 // of a row that was read; 0: it was to be written
	Column, Reason string
}

func (e *ValueError) Error() string {
	switch {
	case e.ID != 0:
		return place(e.Table, e.ID) + ": " + e.Reason
	case e.Column == "":
		return string(e.Table) + ": " + e.Reason
	}
	return string(e.Table) + "." + e.Column + " " + e.Reason
}

// Error is a failure of the database: it cannot be reached, is locked, refuses what is asked. It wraps the driver's
// error, or that of the context.
type Error struct {
	Database string // its address without the password
	Doing    string // "reading suppressions"
	Err      error
}

func (e *Error) Error() string {
	return fmt.Sprintf("settings database %s: %s: %v", e.Database, e.Doing, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Difference is something that is not as it should be in a database's schema. Column is empty when it is about the
// table.
type Difference struct {
	Table           TableName
	Column, Problem string
}

// String returns "table capacity, column maxbytes: is missing".
func (d Difference) String() string {
	s := "table " + string(d.Table)
	if d.Column != "" {
		s += ", column " + d.Column
	}
	return s + ": " + d.Problem
}

// SchemaError is a database whose tables are not those of this package. It has not been altered. A process that meets
// it at its start exits with status 78 (EX_CONFIG).
type SchemaError struct {
	Database    string // its address without the password
	Foreign     bool   // the tables are another program's, such as MailerQ's own
	Differences []Difference
}

func (e *SchemaError) Error() string {
	const most = 5
	var b strings.Builder
	fmt.Fprintf(&b, "settings database %s: ", e.Database)
	for i, d := range e.Differences {
		if i == most {
			fmt.Fprintf(&b, "and %d more differences; ", len(e.Differences)-most)
			break
		}
		b.WriteString(d.String() + "; ")
	}
	if e.Foreign {
		b.WriteString("these tables belong to another program (MailerQ's have the same names) and were left as they are: " +
			"choose another database with database-address")
	} else {
		b.WriteString("--repair-database adds what is missing; or choose another database with database-address")
	}
	return b.String()
}

// fail wraps an error of a driver; it keeps errors that say all there is to say. When the context has ended that is the
// cause, whatever the driver made of it.
func (db *DB) fail(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	var (
		wrapped *Error
		schema  *SchemaError
		value   *ValueError
	)
	if errors.As(err, &wrapped) || errors.As(err, &schema) || errors.As(err, &value) || errors.Is(err, ErrNotFound) {
		return err
	}
	if db.engine.duplicate(err) {
		err = fmt.Errorf("%w (%w)", ErrDuplicate, err)
	}
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%w (%w)", ctx.Err(), err)
	}
	return &Error{Database: db.name, Doing: doing, Err: err}
}

func place(table TableName, id int64) string { return fmt.Sprintf("table %s, id %d", table, id) }
