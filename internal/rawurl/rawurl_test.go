package rawurl

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSplit(t *testing.T) {
	for raw, want := range map[string][3]string{
		"":                      {},
		"host":                  {"host", "", ""},
		"host:1/a/b?c=d?e":      {"host:1", "a/b", "c=d?e"},
		"host?a/b":              {"host", "", "a/b"},
		"[::1]:389/dc=x%3Fy?z=": {"[::1]:389", "dc=x%3Fy", "z="},
	} {
		authority, path, query := Split(raw)
		require.Equal(t, want, [3]string{authority, path, query}, raw)
	}
}

func TestCutParams(t *testing.T) {
	for raw, want := range map[string]struct {
		place, params string
		found         bool
	}{
		"":                     {"", "", false},
		"a/b":                  {"a/b", "", false},
		"a/b?":                 {"a/b", "", true},
		"user:pass@a/b?c=d&e":  {"user:pass@a/b", "c=d&e", true},
		"user:pa?ss@a/b":       {"user:pa?ss@a/b", "", false},
		"user:pa?ss@a/b?c=d":   {"user:pa?ss@a/b", "c=d", true},
		"a/b?c=who@b.test?d=e": {"a/b?c=who@b.test", "d=e", true},
	} {
		place, params, found := CutParams(raw)
		require.Equal(t, want.place, place, raw)
		require.Equal(t, want.params, params, raw)
		require.Equal(t, want.found, found, raw)
	}
}

func TestHostPort(t *testing.T) {
	for authority, want := range map[string]string{
		"host":            "host:389",
		"host:1":          "host:1",
		"192.0.2.1:65535": "192.0.2.1:65535",
		"[2001:db8::1]":   "[2001:db8::1]:389",
		"[::1]:9":         "[::1]:9",
	} {
		got, err := HostPort(authority, "389")
		require.NoError(t, err, authority)
		require.Equal(t, want, got)
	}
	for _, bad := range []string{"", ":389", "host:", "host:0", "host:65536", "host:x", "a b", "::1", "[::1", "[::1]x",
		"[host]:1",
		"[]", "ho\x00st", "a,b:1", "host:-1", "host:+1"} {
		_, err := HostPort(bad, "389")
		require.Error(t, err, bad)
	}
	_, err := HostPort("me:secret@host", "389")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret")
}

func TestParams(t *testing.T) {
	p, err := ParseParams("a=1&b=x%26y+z&c=5&d=300ms", "a", "b", "c", "d")
	require.NoError(t, err)
	require.Equal(t, "x&y+z", p["b"])
	on, err := p.Switch("a")
	require.NoError(t, err)
	require.True(t, on)
	_, err = p.Switch("c")
	require.EqualError(t, err, `parameter c="5": expected 0 or 1`)
	d, err := p.Duration("c")
	require.NoError(t, err)
	require.Equal(t, 5*time.Second, d)
	d, err = p.Duration("d")
	require.NoError(t, err)
	require.Equal(t, 300*time.Millisecond, d)
	n, err := p.Count("c", 5)
	require.NoError(t, err)
	require.Equal(t, 5, n)
	_, err = p.Count("c", 4)
	require.EqualError(t, err, `parameter c="5": expected a number from 1 to 4`)
	_, err = p.Duration("b")
	require.Error(t, err)

	none, err := ParseParams("")
	require.NoError(t, err)
	d, err = none.Duration("d")
	require.NoError(t, err)
	require.Zero(t, d)

	for query, want := range map[string]string{
		"x=1":     `parameter "x" is unknown: expected a, b`,
		"a=1&":    `parameter "" is unknown: expected a, b`,
		"a=1&a=2": "parameter a is given twice",
		"a=%zz":   "parameter a: a % is not followed by two hexadecimal digits: write %25 for the character itself",
	} {
		_, err := ParseParams(query, "a", "b")
		require.EqualError(t, err, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("host:1/a?b=c")
	f.Add("[::1]:1/%zz?b=%00")
	f.Fuzz(func(t *testing.T, raw string) {
		authority, _, query := Split(raw)
		_, _ = HostPort(authority, "1")
		_, _ = ParseParams(query, "b")
	})
}
