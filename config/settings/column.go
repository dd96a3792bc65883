package settings

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// Kind says what a column holds, the same on all engines.
type Kind int

const (
	// Integer is a 64 bit number.
	Integer Kind = iota
	// Limit is a number that may be [FallBack]; 0 is unlimited.
	Limit
	// Flag is a boolean, kept as an integer: 0 is false, all else is true.
	Flag
	// Reference is the id of a row of Refers; 0: of none.
	Reference
	// Text is one line of up to 64 KiB, as are the kinds below but the last two. NULL is read as the empty text.
	Text
	// Address is an IP address.
	Address
	// Domain is a domain, which may have wildcards where the column is Wild.
	Domain
	// Time is a time as [ParseTime] reads it.
	Time
	// Status is an enhanced status code.
	Status
	// OneOf is one of Choices.
	OneOf
	// PoolName is the name of a pool.
	PoolName
	// Key is text of up to 320 characters that can be unique.
	Key
	// Long is text of several lines, of up to 16 MiB.
	Long
)

// String returns what documentation calls the type of such a column.
func (k Kind) String() string {
	switch {
	case k == Flag:
		return "boolean"
	case k.integral():
		return "integer"
	}
	return "text"
}

// integral tells the kinds that are stored as integers.
func (k Kind) integral() bool { return k <= Reference }

// Choice is a value that a column may have.
type Choice struct {
	Value string
	Label string // what forms and lists call it
}

// Column describes one column of a table: all that the database, forms, the REST API and the documentation have to
// know.
type Column struct {
	Name    string
	Kind    Kind
	Meaning string
	// Label asks for the column in a form; "" makes one of the name. Unit stands in the field and Hint below it; Blank
	// says what an empty field means.
	Label, Unit, Hint, Blank string
	// Required columns have to have a value other than the empty text, or 0 in a Reference.
	Required bool
	// Secret columns are not to be shown or logged.
	Secret bool
	// Wild is a Domain that may have wildcards: * ? [a-z].
	Wild bool
	// Choices are the values of OneOf.
	Choices []Choice
	// Levels are what the numbers 0, 1, … are called in a Limit that knows no others.
	Levels []string
	// Refers is the table that a Reference is about. Owned rows mean nothing without the row that they refer to, and
	// are deleted with it.
	Refers TableName
	Owned  bool
	// Default is what NULL means, and what a writer gets who does not name the column: 1 for "enabled", [FallBack] for
	// what stands beside limits and is none, such as a time-out, else 0. Of texts it is the empty one.
	Default int64
	// Min and Max are the numbers that may be entered; both 0: any.
	Min, Max int64
	// Clamped numbers beyond Min and Max, as others may write them, are read as they are, with a [Notice], and count as
	// the nearest ([Column.Nearest]).
	Clamped bool
	// Since is the version of the database that brought the column; 0 is that of the table.
	Since int64
}

// Nearest returns the number within the bounds of a Clamped column that is nearest to n.
func (c *Column) Nearest(n int64) int64 {
	if !c.Clamped {
		return n
	}
	return min(max(n, c.Min), c.Max)
}

// column ties a column to the field of T that holds it: one of the three functions is set.
type column[T any] struct {
	Column
	number func(*T) *int64
	flag   func(*T) *bool
	text   func(*T) *string
}

func number[T any](name, meaning string, at func(*T) *int64) column[T] {
	return column[T]{Column: Column{Name: name, Kind: Integer, Meaning: meaning}, number: at}
}

func boolean[T any](name, meaning string, at func(*T) *bool) column[T] {
	return column[T]{Column: Column{Name: name, Kind: Flag, Meaning: meaning}, flag: at}
}

func text[T any](name, meaning string, at func(*T) *string) column[T] {
	return column[T]{Column: Column{Name: name, Kind: Text, Meaning: meaning}, text: at}
}

// reference is the id of a row of another table.
func reference[T any](name string, to TableName, meaning string, at func(*T) *int64) column[T] {
	c := number(name, meaning, at).as(Reference)
	c.Refers = to
	return c
}

// owner is the id of the row that a row belongs to.
func owner[T any](name string, to TableName, meaning string, at func(*T) *int64) column[T] {
	c := reference(name, to, meaning, at).required()
	c.Owned = true
	return c
}

// oneOf is a text of which only some are possible.
func oneOf[T any](name, meaning string, choices []Choice, at func(*T) *string) column[T] {
	c := text(name, meaning, at).as(OneOf)
	c.Choices = choices
	return c
}

func (c column[T]) as(k Kind) column[T] {
	c.Kind = k
	return c
}

func (c column[T]) hidden() column[T] {
	c.Secret = true
	return c
}

func (c column[T]) required() column[T] {
	c.Required = true
	return c
}

func (c column[T]) wild() column[T] {
	c.Wild = true
	return c
}

// since names the version of the database that brought the column.
func (c column[T]) since(version int64) column[T] {
	c.Since = version
	return c
}

// from bounds what may be entered.
func (c column[T]) from(least, most int64) column[T] {
	c.Min, c.Max = least, most
	return c
}

// within bounds a number, whichever program wrote it.
func (c column[T]) within(least, most int64) column[T] {
	c.Clamped = true
	return c.from(least, most)
}

func (c column[T]) label(s string) column[T] {
	c.Label = s
	return c
}

func (c column[T]) unit(s string) column[T] {
	c.Unit = s
	return c
}

func (c column[T]) hint(s string) column[T] {
	c.Hint = s
	return c
}

func (c column[T]) blank(s string) column[T] {
	c.Blank = s
	return c
}

// doubt says what is odd about a number that was read; "": nothing.
func (c *column[T]) doubt(row *T) string {
	if c.number == nil {
		return ""
	}
	n := *c.number(row)
	near := c.Nearest(n)
	if near == n {
		return ""
	}
	upTo := ""
	if c.Max != math.MaxInt64 {
		upTo = fmt.Sprintf(" to %d", c.Max)
	}
	return fmt.Sprintf("%s %d: expected a number from %d%s, taken as %d", c.Name, n, c.Min, upTo, near)
}

// value returns the column's value: an int64, a bool or a string.
func (c *column[T]) value(row *T) any {
	if c.flag != nil {
		return *c.flag(row)
	}
	return c.get(row)
}

// get returns the column's value as it is written to the database: an int64 or a string.
func (c *column[T]) get(row *T) any {
	switch {
	case c.number != nil:
		return *c.number(row)
	case c.flag != nil:
		if *c.flag(row) {
			return int64(1)
		}
		return int64(0)
	}
	return *c.text(row)
}

// set stores what a driver returned. A text that equals the one in before, the row read last, shares its memory: of a
// million rows most have the same type and description.
func (c *column[T]) set(row, before *T, v any) error {
	if c.text != nil {
		s, err := toText(v)
		if err != nil {
			return c.problem(err)
		}
		if last := *c.text(before); last == s {
			s = last
		}
		*c.text(row) = s
		return nil
	}
	n, err := c.Default, error(nil)
	if v != nil {
		n, err = toInteger(v)
	}
	if err != nil {
		return c.problem(err)
	}
	if c.number != nil {
		*c.number(row) = n
	} else {
		*c.flag(row) = n != 0
	}
	return nil
}

func (c *column[T]) problem(err error) error { return fmt.Errorf("%s %w", c.Name, err) }

// check refuses what one of the engines could not store, so that a row means the same on all of them.
func (c *column[T]) check(row *T) error {
	if c.text == nil {
		return nil
	}
	s := *c.text(row)
	if err := checkText(s); err != nil {
		return err
	}
	if c.Kind == Key && utf8.RuneCountInString(s) > maxKey {
		return fmt.Errorf("is longer than %d characters", maxKey)
	}
	most := maxText
	if c.Kind == Long {
		most = maxLong
	}
	if len(s) > most {
		return fmt.Errorf("is longer than %d bytes", most)
	}
	return nil
}

// What MySQL's VARCHAR(320), TEXT and MEDIUMTEXT hold.
const (
	maxKey  = 320
	maxText = 1<<16 - 1
	maxLong = 1<<24 - 1
)

func checkText(s string) error {
	if strings.IndexByte(s, 0) >= 0 {
		return errNUL
	}
	if !utf8.ValidString(s) {
		return errUTF8
	}
	return nil
}
