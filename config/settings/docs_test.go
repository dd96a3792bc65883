package settings

import (
	"flag"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/settings.md anew")

// TestDocumentation keeps docs/settings.md true to the tables.
func TestDocumentation(t *testing.T) {
	const name = "../../docs/settings.md"
	intro, err := os.ReadFile("testdata/settings.intro.md")
	require.NoError(t, err)
	var b strings.Builder
	b.Write(intro)
	for _, table := range Tables() {
		b.WriteString("\n## " + string(table.Name))
		if table.Ours {
			b.WriteString(" **+**")
		}
		b.WriteString("\n\n" + strings.ToUpper(table.Meaning[:1]) + table.Meaning[1:] +
			".\n\n| column | type | meaning |\n|---|---|---|\n")
		for _, c := range table.Columns {
			b.WriteString(line(c, table.Unique))
		}
	}
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String(), "run: go test ./config/settings -run TestDocumentation -update")
}

func line(c Column, unique string) string {
	kind := c.Kind.String()
	if c.Name == unique {
		kind += ", unique"
	}
	if c.Default != 0 {
		kind += ", default " + strconv.FormatInt(c.Default, 10)
	}
	if c.Secret {
		kind += ", secret"
	}
	return "| `" + c.Name + "` | " + kind + " | " + c.Meaning + " |\n"
}

// TestTables holds the tables against what holds for all of them.
func TestTables(t *testing.T) {
	seen := map[TableName]bool{}
	for _, table := range Tables() {
		require.False(t, seen[table.Name], table.Name)
		seen[table.Name] = true
		require.NotEmpty(t, table.Meaning)
		if table.Unique != "" {
			require.Equal(t, Key, table.Column(table.Unique).Kind)
		}
		columns := map[string]bool{"id": true}
		for _, c := range table.Columns {
			require.NotEmpty(t, c.Meaning)
			require.False(t, columns[c.Name], c.Name)
			columns[c.Name] = true
			require.Equal(t, strings.ToLower(c.Name), c.Name)
			require.Equal(t, c.Name == "enabled", c.Default == 1)
			require.False(t, c.Default == FallBack && strings.Contains(c.Name, "max"),
				"NULL is no limit, and not another rule's: %s", c.Name)
		}
	}
	require.Len(t, Describe[Capacity]().Columns, 2+31+2)
}

// TestEveryFieldHasAColumn guards against fields that the tables forget.
func TestEveryFieldHasAColumn(t *testing.T) {
	for i, e := range examinees(t) {
		require.Equal(t, 1+len(Tables()[i].Columns), leaves(e.row), e.name)
	}
	require.Equal(t, len(Tables())+2, reflect.TypeFor[Rows]().NumField())
}

// leaves counts the fields of a struct and of those in it.
func leaves(row reflect.Type) int {
	n := 0
	for i := range row.NumField() {
		if f := row.Field(i).Type; f.Kind() == reflect.Struct {
			n += leaves(f)
		} else {
			n++
		}
	}
	return n
}
