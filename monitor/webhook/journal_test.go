package webhook

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// everything reads a journal from a number on, a few lines at a time.
func everything(t *testing.T, j *journal, from uint64) (lines []string, first uint64) {
	at, err := j.find(from)
	require.NoError(t, err)
	for {
		some, end, err := j.read(at, 1+rand.IntN(5), make([]byte, 100))
		require.NoError(t, err)
		if len(some) == 0 {
			require.Equal(t, j.extent().next, end.number)
			return lines, first
		}
		if first == 0 {
			first = end.number - uint64(countLines(some))
		}
		lines = append(lines, strings.Fields(string(some))...)
		at = end
	}
}

// TestJournal does at random what can be done with a journal, and opens it anew now and then.
func TestJournal(t *testing.T) {
	dir := t.TempDir()
	const limit = 4 * leastSegment
	j, err := openJournal(dir, limit)
	require.NoError(t, err)
	var all []string // line n is all[n-1]
	lost := uint64(0)
	for range 150 {
		switch rand.IntN(8) {
		case 0:
			require.NoError(t, j.close())
			before := j.extent()
			j, err = openJournal(dir, limit)
			require.NoError(t, err)
			before.lost = 0
			require.Equal(t, before, j.extent())
		case 1:
			x := j.extent()
			j.finish(x.done + rand.Uint64N(x.next-x.done+1))
		case 2:
			x := j.extent()
			j.finish(x.first + rand.Uint64N(x.done-x.first+1)) // back
		default:
			var lines []byte
			count := 1 + rand.IntN(200)
			for range count {
				line := fmt.Sprintf(`{"n":%d,"x":"%s"}`, len(all)+1, strings.Repeat("y", rand.IntN(300)))
				all = append(all, line)
				lines = append(append(lines, line...), '\n')
			}
			before := j.extent()
			n, err := j.append(lines, count)
			require.NoError(t, err)
			x := j.extent()
			require.Equal(t, max(before.done, x.first)-before.done, n, "what went although it was needed")
			lost += n
		}
		x := j.extent()
		require.LessOrEqual(t, x.bytes, int64(limit))
		require.Equal(t, uint64(len(all)+1), x.next)
		from := x.first + rand.Uint64N(x.next-x.first+1)
		lines, first := everything(t, j, from)
		require.True(t, slices.Equal(all[from-1:], lines), "from %d on", from)
		if len(lines) > 0 {
			require.Equal(t, from, first)
		}
	}
	require.Positive(t, lost)
	require.NoError(t, j.close())
}

// TestTornJournal goes on behind the last line that is whole, whatever follows it, and whatever is missing.
func TestTornJournal(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir, last string){
		"nothing":     func(*testing.T, string, string) {},
		"half a line": func(t *testing.T, _, last string) { appendTo(t, last, `{"n":3`) },
		"zeros":       func(t *testing.T, _, last string) { appendTo(t, last, "\x00\x00\n\x00\x00") },
		"another end": func(t *testing.T, _, last string) { appendTo(t, last, "{\"n\":3\n") },
		"no mark":     func(t *testing.T, dir, _ string) { require.NoError(t, os.Remove(filepath.Join(dir, "done"))) },
		"a mark that is none": func(t *testing.T, dir, _ string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "done"), []byte("-7 nonsense"), 0o600))
		},
		"a mark that is beyond": func(t *testing.T, dir, _ string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "done"), []byte("99999999999"), 0o600))
		},
		"files of others": func(t *testing.T, dir, _ string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "README.lines"), []byte("x"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j, err := openJournal(dir, 1<<20)
			require.NoError(t, err)
			_, err = j.append([]byte("{\"n\":1}\n{\"n\":2}\n"), 2)
			require.NoError(t, err)
			require.NoError(t, j.close())
			damage(t, dir, j.path(1))
			j, err = openJournal(dir, 1<<20)
			require.NoError(t, err)
			_, err = j.append([]byte("{\"n\":3}\n"), 1)
			require.NoError(t, err)
			lines, _ := everything(t, j, 0)
			require.Equal(t, []string{`{"n":1}`, `{"n":2}`, `{"n":3}`}, lines)
			require.LessOrEqual(t, j.extent().done, uint64(3))
			require.NoError(t, j.close())
		})
	}
}

func appendTo(t *testing.T, file, text string) {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// TestSegmentsThatAreGone goes on with what is there.
func TestSegmentsThatAreGone(t *testing.T) {
	dir := t.TempDir()
	j, err := openJournal(dir, 16*leastSegment)
	require.NoError(t, err)
	line := []byte(`{"x":"` + strings.Repeat("y", leastSegment-100) + "\"}\n")
	for range 5 {
		_, err = j.append(line, 1)
		require.NoError(t, err)
	}
	require.NoError(t, os.Remove(j.path(2)))
	require.NoError(t, os.Truncate(j.path(4), 10))
	lines, _ := everything(t, j, 1)
	require.Len(t, lines, 3)
	require.NoError(t, os.Remove(j.path(5)))
	_, end, err := j.read(place{number: 5, segment: 5}, 10, make([]byte, 100))
	require.NoError(t, err)
	require.Equal(t, uint64(6), end.number)
	require.NoError(t, j.close())
}

// FuzzJournal opens whatever is on disk, and can be appended to.
func FuzzJournal(f *testing.F) {
	f.Add([]byte("{\"n\":1}\n{\"n\""), []byte("00000000000000000002\n"))
	f.Add([]byte("\n\n{}\n"), []byte("x"))
	f.Fuzz(func(t *testing.T, segment, mark []byte) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "00000000000000000001.lines"), segment, 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "done"), mark, 0o600))
		j, err := openJournal(dir, 1<<20)
		require.NoError(t, err)
		_, err = j.append([]byte("{\"last\":1}\n"), 1)
		require.NoError(t, err)
		x := j.extent()
		at, err := j.find(x.next - 1)
		require.NoError(t, err)
		got, _, err := j.read(at, 10, make([]byte, 100))
		require.NoError(t, err)
		require.True(t, bytes.Equal(got, []byte("{\"last\":1}\n")), "%q", got)
		require.True(t, x.first <= x.done && x.done <= x.next)
		require.NoError(t, j.close())
	})
}
