package file

import (
	"hash/maphash"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const hashOfX = "$6$rounds=1000$MuZ.ZTdlRJ0zHPxS$pPopUkYjchlws6NvBIxi20/HdCH7ZLzo1WMD.Cj/BMfWwBDzfJkm3Tol.QNSwyg/4H2WjHyhRcNQYGB4qB0hl."

// FuzzParse makes sure that whatever a file holds, nobody gets in whose line does not say so.
func FuzzParse(f *testing.F) {
	f.Add("alice:" + hashOfX + "\n# comment\n\nbob:!\nbroken\n:" + hashOfX)
	f.Add("\ufeffalice:$1$a$b:c:d\r\n\x00:\x00\n")
	seed := maphash.MakeSeed()
	f.Fuzz(func(t *testing.T, text string) {
		parsed, flaws := parse(text, seed)
		lines := strings.Count(text, "\n") + 1
		for _, flaw := range flaws {
			if flaw.line < 1 || flaw.line > lines {
				t.Fatalf("line %d of %d is broken", flaw.line, lines)
			}
		}
		for name, hash := range parsed.hashes {
			if name == "" || strings.ContainsAny(name, ":\n\x00") || !strings.Contains(text, name+":"+hash) {
				t.Fatalf("user %q with hash %q is not in the file", name, hash)
			}
		}
		if len(parsed.hashes)+len(flaws) > lines {
			t.Fatal("there are more users and flaws than lines")
		}
	})
}

// TestDecoysStayTheSame checks an unknown user against one hash, whatever comes to the file's end.
func TestDecoysStayTheSame(t *testing.T) {
	parsed, _ := parse("a:"+hashOfX+"\nb:"+strings.Replace(hashOfX, "1000", "2000", 1), maphash.MakeSeed())
	used := make(map[string]bool)
	for _, name := range []string{"nobody", "somebody", "anybody", "x", "y", "z", "1", "2", "3", "4", "5", "6", "7"} {
		first, own := parsed.lookUp(name)
		require.False(t, own)
		again, _ := parsed.lookUp(name)
		require.Equal(t, first, again)
		used[first] = true
	}
	require.Len(t, used, 2, "unknown names should look like users of every kind")
	_, own := parsed.lookUp("a")
	require.True(t, own)
	empty, _ := parse("", maphash.MakeSeed())
	hash, own := empty.lookUp("a")
	require.Empty(t, hash)
	require.False(t, own)
}
