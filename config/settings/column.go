package settings

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind is the type of a column, the same on all engines.
type Kind int

const (
	// Integer is a 64 bit number.
	Integer Kind = iota
	// Flag is a boolean, kept as an integer: 0 is false, all else is true.
	Flag
	// Text is text of up to 64 KiB. NULL is read as the empty text.
	Text
	// Key is text of up to 320 characters that can be unique.
	Key
	// Long is text of up to 16 MiB.
	Long
)

// String returns the kind's name in documentation.
func (k Kind) String() string {
	switch k {
	case Integer:
		return "integer"
	case Flag:
		return "boolean"
	case Text, Key, Long:
		return "text"
	}
	return "kind " + strconv.Itoa(int(k))
}

// integral tells the kinds that are stored as integers.
func (k Kind) integral() bool { return k == Integer || k == Flag }

// Column describes one column of a table.
type Column struct {
	Name    string
	Kind    Kind
	Meaning string
	// Secret columns are not to be shown or logged.
	Secret bool
	// Default is what NULL means, and what a writer gets who does not name the column: 1 for "enabled", [FallBack] for
	// what stands beside limits and is none, such as a time-out, else 0. Of texts it is the empty one.
	Default int64
	// Min and Max are the numbers that make sense; both 0: any. One beyond them is read as it is, with a [Notice], and
	// counts as the nearest ([Column.Nearest]).
	Min, Max int64
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

// within bounds a number.
func (c column[T]) within(least, most int64) column[T] {
	c.Min, c.Max = least, most
	return c
}

// Nearest returns the number within Min and Max that is nearest to n.
func (c *Column) Nearest(n int64) int64 {
	if c.Min == 0 && c.Max == 0 {
		return n
	}
	return min(max(n, c.Min), c.Max)
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

func boolean[T any](name, meaning string, at func(*T) *bool) column[T] {
	return column[T]{Column: Column{Name: name, Kind: Flag, Meaning: meaning}, flag: at}
}

func text[T any](name, meaning string, at func(*T) *string) column[T] {
	return column[T]{Column: Column{Name: name, Kind: Text, Meaning: meaning}, text: at}
}

// choice is a number beside the limits, 0 of which is a choice: whoever does not make it leaves it to the less specific
// rule.
func choice[T any](name, meaning string, at func(*T) *int64) column[T] {
	c := number(name, meaning, at)
	c.Default = FallBack
	return c
}

// enabled is the column of that name, which every rule has.
func enabled[T any](at func(*T) *bool) column[T] {
	c := boolean("enabled", "0: the row counts as absent", at)
	c.Default = 1
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
	switch {
	case c.Kind == Key && utf8.RuneCountInString(s) > maxKey:
		return fmt.Errorf("is longer than %d characters", maxKey)
	case c.Kind == Text && len(s) > maxText:
		return fmt.Errorf("is longer than %d bytes", maxText)
	case c.Kind == Long && len(s) > maxLong:
		return fmt.Errorf("is longer than %d bytes", maxLong)
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
