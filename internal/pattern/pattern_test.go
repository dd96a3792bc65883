package pattern

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		typ     Type
		pattern string
		fold    bool
		yes, no []string
	}{
		{Exact, "Abc", false, []string{"Abc"}, []string{"abc", "Abcd", ""}},
		{Exact, "Abc", true, []string{"abc", "ABC"}, []string{"ab"}},
		{Substring, "b@", false, []string{"b@", "ab@c"}, []string{"B@", "b", ""}},
		{Substring, "B@", true, []string{"aB@c", "b@"}, []string{"b"}},
		{Regex, "^a.*z$", false, []string{"az", "a z"}, []string{"Az", "azb"}},
		{Regex, "b|c", true, []string{"xBx", "C"}, []string{"a"}},
		{Regex, "(?-i:b)", true, []string{"b"}, []string{"B"}},
		{Wildcard, "*", false, []string{"", "a", "a/b.c"}, nil},
		{Wildcard, "*@example.com", false, []string{"@example.com", "a@example.com"},
			[]string{"a@example.com.au", "example.com"}},
		{Wildcard, "a?c", false, []string{"abc", "aéc"}, []string{"ac", "abbc"}},
		{Wildcard, "A*B*C", true, []string{"abc", "aXbXc", "abcbc"}, []string{"acb", "abcd"}},
		{Wildcard, "x[a-c]y", false, []string{"xay", "xcy"}, []string{"xdy", "xy", "x[y"}},
		{Wildcard, "x[!a-c]y", false, []string{"xdy", "x-y"}, []string{"xay"}},
		{Wildcard, "x[^a]y", false, []string{"xby"}, []string{"xay"}},
		{Wildcard, "x[]a]y", false, []string{"x]y", "xay"}, []string{"xby"}},
		{Wildcard, "x[a-]y", false, []string{"x-y", "xay"}, []string{"xby"}},
		{Wildcard, `x[\]]y`, false, []string{"x]y"}, []string{`x\y`}},
		{Wildcard, `\*\?`, false, []string{"*?"}, []string{"ab"}},
		{Wildcard, "a**b", false, []string{"ab", "axxb"}, []string{"a"}},
		{Wildcard, "ü*", true, []string{"Üx"}, []string{"u"}},
	} {
		t.Run(tt.typ.String()+" "+tt.pattern, func(t *testing.T) {
			p, err := Compile(tt.typ, tt.pattern, tt.fold)
			require.NoError(t, err)
			require.Equal(t, tt.typ, p.Type())
			for _, s := range tt.yes {
				require.True(t, p.Match(s), s)
			}
			for _, s := range tt.no {
				require.False(t, p.Match(s), s)
			}
		})
	}
	require.False(t, (&Pattern{}).Match(""))
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		typ           Type
		pattern, want string
	}{
		{Regex, "a(b", "missing closing )"},
		{Regex, "a)b", "unexpected )"},
		{Regex, "(a{1000}){1000}", "repeat"},
		{Wildcard, "a[b", `pattern "a[b": a [ has no ]`},
		{Wildcard, "a[b-", "has no ]"},
		{Wildcard, `a[\`, "has no ]"},
		{Wildcard, "a[z-b]", "ends before it begins"},
		{Wildcard, `a\`, "nothing follows"},
		{Exact, "", "empty"},
		{Exact, "\xff", "not UTF-8"},
		{Substring, strings.Repeat("x", maxLength+1), "4097 bytes"},
		{0, "x", "no type"},
	} {
		_, err := Compile(tt.typ, tt.pattern, true)
		require.ErrorContains(t, err, tt.want)
	}
}

func TestTypes(t *testing.T) {
	for name, want := range map[string]Type{"exact": Exact, "Regex": Regex, "fnmatch": Wildcard, "wildcard": Wildcard,
		"substr": Substring, "substring": Substring} {
		got, err := ParseType(name)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := ParseType("glob")
	require.EqualError(t, err, `unknown type of pattern "glob": expected exact, regex, fnmatch or substr`)
	require.Equal(t, "fnmatch", Wildcard.String())
	require.Equal(t, "Type(9)", Type(9).String())
	require.Equal(t, "Type(0)", Type(0).String())
}

func TestSuffix(t *testing.T) {
	for pattern, want := range map[string]string{"*@Example.com": "@example.com", `*\*`: "*", "*": "", "a*": "", "*a*": "",
		"*a?": "", "a": ""} {
		p, err := Compile(Wildcard, pattern, true)
		require.NoError(t, err)
		got, ok := p.Suffix()
		require.Equal(t, want != "", ok, pattern)
		require.Equal(t, want, got)
	}
	p, err := Compile(Exact, "*a", true)
	require.NoError(t, err)
	_, ok := p.Suffix()
	require.False(t, ok)
}

// TestNothingExplodes matches what takes backtracking matchers longer than the universe lasts.
func TestNothingExplodes(t *testing.T) {
	s := strings.Repeat("a", 1000)
	for typ, text := range map[Type]string{Wildcard: strings.Repeat("*a", 500) + "b", Regex: "^(a+)+b$",
		Substring: strings.Repeat("a", 500) + "b"} {
		p, err := Compile(typ, text, true)
		require.NoError(t, err)
		start := time.Now()
		require.False(t, p.Match(s))
		require.Less(t, time.Since(start), 5*time.Second)
	}
}

// FuzzWildcard checks the matcher against the obvious, slow one.
func FuzzWildcard(f *testing.F) {
	f.Add("a*b?[c-e]", "axxbyd")
	f.Add("[!a]*", "ba")
	f.Add(`\[*`, "[x")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		p, err := Compile(Wildcard, pattern, false)
		if err != nil || len(pattern) > 12 || len(s) > 24 {
			return
		}
		require.Equal(t, slowMatch(p.glob, []rune(s)), p.Match(string([]rune(s))))
	})
}

func slowMatch(glob []element, s []rune) bool {
	if len(glob) == 0 {
		return len(s) == 0
	}
	if glob[0].kind == anything {
		return slowMatch(glob[1:], s) || len(s) > 0 && slowMatch(glob, s[1:])
	}
	return len(s) > 0 && glob[0].matches(s[0]) && slowMatch(glob[1:], s[1:])
}

func BenchmarkMatch(b *testing.B) {
	for typ, text := range map[Type]string{Exact: "someone@example.com", Substring: "@example.", Wildcard: "some*@*.com",
		Regex: `^some.*@example\.com$`} {
		b.Run(typ.String(), func(b *testing.B) {
			p, err := Compile(typ, text, true)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if !p.Match("someone@example.com") {
					b.Fatal("no match")
				}
			}
		})
	}
}
