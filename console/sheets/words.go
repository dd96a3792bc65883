package sheets

import (
	"cmp"
	"strings"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/human"
)

// words are how a form asks for a column.
type words struct {
	label string
	unit  string // inside the field
	hint  string // below it
	blank string // what an empty field means
}

// wordsOf returns the words for a column of a table.
func wordsOf(table settings.TableName, column string) words {
	t := settings.Named(table).Describe()
	if c := t.Column(column); c != nil {
		return wordsFor(c)
	}
	return words{}
}

func wordsFor(c *settings.Column) words {
	return words{label: cmp.Or(c.Label, human.Capital(strings.ReplaceAll(c.Name, "_", " "))), unit: c.Unit, hint: c.Hint,
		blank: c.Blank}
}

// levelWords are the values of a limit that has few.
func levelWords(column string) []string {
	t := settings.Describe[settings.Capacity]()
	if c := t.Column(column); c != nil {
		return c.Levels
	}
	return nil
}

// choiceWords are what a value of a choice is called.
func choiceWords(value string) string {
	for _, t := range settings.Tables() {
		for i := range t.Columns {
			for _, choice := range t.Columns[i].Choices {
				if choice.Value == value {
					return choice.Label
				}
			}
		}
	}
	return value
}

// text returns a text value of a row.
func text(values admin.Values, column string) string {
	s, _ := values[column].(string)
	return s
}

func number(values admin.Values, column string) int64 {
	n, _ := values[column].(int64)
	return n
}
