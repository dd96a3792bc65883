package rules

import (
	"errors"
	"fmt"
)

// ColumnError is what is wrong with a column of a row, so that a form can show it beside the field. It names the column
// and what was expected there, and never shows what may be a secret.
type ColumnError struct {
	Column string
	Text   string // begins with the column
}

func (e *ColumnError) Error() string { return e.Text }

// wrong makes a ColumnError; the column goes before the text, and a blank or colon is the text's own.
func wrong(column, format string, args ...any) error {
	return &ColumnError{column, column + fmt.Sprintf(format, args...)}
}

// at puts a column before an error of another package.
func at(column string, err error) error {
	if err == nil {
		return nil
	}
	return &ColumnError{column, column + ": " + err.Error()}
}

// renamed says that an error is about the column of another name.
func renamed(err error, from, to string) error {
	if e, ok := errors.AsType[*ColumnError](err); ok && e.Column == from {
		return &ColumnError{to, to + e.Text[len(from):]}
	}
	return err
}
