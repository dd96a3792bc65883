package settings

import (
	"slices"
	"strings"
)

// createTable returns the statements that make a table and its index, unless they exist.
func createTable(e engine, t Table) string {
	lines := []string{e.quote("id") + " " + e.idType()}
	for _, c := range t.Columns {
		lines = append(lines, columnLine(e, c))
	}
	return e.createTable(t, lines)
}

// columnLine defines a column. All may be NULL, so that a writer may leave out what does not matter.
func columnLine(e engine, c Column) string {
	line := e.quote(c.Name) + " " + e.columnType(c)
	if c.Kind == Flag && c.Default != 0 {
		line += " DEFAULT 1"
	}
	return line
}

func addColumn(e engine, t Table, c Column) string {
	return "ALTER TABLE " + e.quote(string(t.Name)) + " ADD COLUMN " + columnLine(e, c)
}

func createIndex(e engine, t Table) string {
	return "CREATE UNIQUE INDEX " + e.quote(indexName(string(t.Name), t.Unique)) + " ON " + e.quote(string(t.Name)) +
		" (" + e.quote(t.Unique) + ")"
}

// at returns a table as a version of the database has it.
func (t Table) at(version int64) Table {
	t.Columns = slices.DeleteFunc(slices.Clone(t.Columns), func(c Column) bool { return c.Since > version })
	return t
}

// changes returns the statements that lead a table from the version before to a version; columns that are there already
// are left out.
func changes(e engine, t Table, version int64, existing *existingTable) []string {
	if t.Since == version {
		return statements(createTable(e, t.at(version)))
	}
	var all []string
	for _, c := range t.Columns {
		if c.Since == version && t.Since < version && !existing.has(c.Name) {
			all = append(all, addColumn(e, t, c))
		}
	}
	return all
}

// statements cuts what createTable returns.
func statements(s string) []string { return strings.Split(s, ";\n") }
