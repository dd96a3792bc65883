package receivers

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

var update = flag.Bool("update", false, "write the tables of docs/reply-classes.md anew")

// TestDocumentation holds the tables of docs/reply-classes.md against the classes, their words, and the rules.
func TestDocumentation(t *testing.T) {
	const path = "../../docs/reply-classes.md"
	have, err := os.ReadFile(path)
	require.NoError(t, err)
	want := string(have)
	for name, table := range map[string]string{"classes": classTable(), "groups": groupTable()} {
		begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->\n"
		before, rest, found := strings.Cut(want, begin)
		_, after, ended := strings.Cut(rest, end)
		require.True(t, found && ended, "%s has no %s", path, begin)
		want = before + begin + table + end + after
	}
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(have), "run: go test ./delivery/receivers -run TestDocumentation -update")
}

func classTable() string {
	var b strings.Builder
	b.WriteString("| class | what is wrong | a reply that says so |\n|---|---|---|\n")
	for _, class := range queue.Classes() {
		wrong, _ := class.Words()
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", class, wrong, exampleOf(class))
	}
	return b.String()
}

// exampleOf returns the shortest real reply of a class, or else a made one; "": none has it.
func exampleOf(class queue.Class) string {
	best, sample := "", true
	for _, r := range Standard().Rules() {
		if r.Class != class {
			continue
		}
		for _, e := range r.Examples {
			if best == "" || sample && !e.Sample || sample == e.Sample && len(e.Text) < len(best) {
				best, sample = e.Text, e.Sample
			}
		}
	}
	if best == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(best, "|", `\|`) + "`"
}

func groupTable() string {
	var b strings.Builder
	b.WriteString("| group | receivers | names of MX hosts | rules |\n|---|---|---|---|\n")
	for _, g := range Standard().Groups() {
		n := 0
		for _, r := range Standard().Rules() {
			if r.Group == g.Name {
				n++
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %d |\n", g.Name, g.Title, strings.Join(g.MX, "` `"), n)
	}
	return b.String()
}
