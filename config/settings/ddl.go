package settings

import "strings"

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
	return "ALTER TABLE " + e.quote(t.Name) + " ADD COLUMN " + columnLine(e, c)
}

func createIndex(e engine, t Table) string {
	return "CREATE UNIQUE INDEX " + e.quote(indexName(t.Name, t.Unique)) + " ON " + e.quote(t.Name) + " (" +
		e.quote(t.Unique) + ")"
}

// statements cuts what createTable returns.
func statements(s string) []string { return strings.Split(s, ";\n") }
