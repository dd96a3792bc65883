package tlspolicy

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseRecord(t *testing.T) {
	for text, id := range map[string]string{
		"v=STSv1; id=20160831085700Z;":           "20160831085700Z",
		"v=STSv1;id=1":                           "1",
		"v=STSv1; other=x; id=1; id=2":           "1",
		"v=STSv1 ; id = 7 ;":                     "7",
		"v=STSv1;":                               "",
		"v=STSv1; id=;":                          "",
		"v=STSv1; id=a-b":                        "",
		"v=STSv1; id=" + strings.Repeat("1", 33): "",
		"v=STSv2; id=1":                          "",
		"id=1; v=STSv1":                          "",
		"v=spf1 -all\x00v=STSv1; id=1":           "1", // other records beside it
		"v=STSv1; id=1\x00v=STSv1; id=1":         "",  // two of them
		"v=STSv1; id=1\x00v=STSv1x; id=2":        "1",
		"\x00":                                   "",
	} {
		require.Equal(t, id, parseRecord(strings.Split(text, "\x00")), "%q", text)
	}
	require.Empty(t, parseRecord(nil))
}

func TestParsePolicy(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want policy
	}{
		"of the RFC": {"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmx: backupmx.example.com\r\nmax_age: 604800\r\n",
			policy{modeEnforce, []string{"mail.example.com", "*.example.net", "backupmx.example.com"}, 604800 * time.Second}},
		"LF, no end, no space": {"version:STSv1\nmode:testing\nmx:A.Example.\nmax_age:1",
			policy{modeTesting, []string{"a.example"}, time.Second}},
		"none needs no mx": {"version: STSv1\nmode: none\nmax_age: 86400\n",
			policy{modeNone, nil, 86400 * time.Second}},
		"the first of two counts": {"version: STSv1\nmode: enforce\nmode: none\nmx: a.test\nmax_age: 1\nmax_age: 2",
			policy{modeEnforce, []string{"a.test"}, time.Second}},
		"others are passed over": {"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 1\nx-new: y\n\n",
			policy{modeEnforce, []string{"a.test"}, time.Second}},
		"longer than a year is one": {"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 9999999999",
			policy{modeEnforce, []string{"a.test"}, maxAge}},
	} {
		p, err := parsePolicy([]byte(c.text))
		require.NoError(t, err, name)
		require.Equal(t, c.want, *p, name)
	}
	for text, want := range map[string]string{
		"": "version",
		"version: STSv2\nmode: enforce\nmx: a.test\nmax_age: 1":           "line 1: version: expected STSv1",
		"mode: enforce\nmx: a.test\nmax_age: 1":                           "version: STSv1",
		"version: STSv1\nmx: a.test\nmax_age: 1":                          "mode: enforce",
		"version: STSv1\nmode: Enforce\nmx: a.test\nmax_age: 1":           "line 2: mode",
		"version: STSv1\nmode: enforce\nmx: a.test":                       "max_age",
		"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: -1":          "line 4: max_age",
		"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 1e3":         "line 4: max_age",
		"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 99999999999": "line 4: max_age",
		"version: STSv1\nmode: enforce\nmax_age: 1":                       "mx: HOST",
		"version: STSv1\nmode: enforce\nmx: *\nmax_age: 1":                "line 3: mx",
		"version: STSv1\nmode: enforce\nmx: a.*.test\nmax_age: 1":         "line 3: mx",
		"version: STSv1\nmode: enforce\nmx: 192.0.2.1:25\nmax_age: 1":     "line 3: mx",
		"<html>": "line 1: expected",
		"version: STSv1\nmode: enforce\nmax_age: 1\n" + strings.Repeat("mx: a.test\n", 101): "line 104: mx: more than 100",
	} {
		_, err := parsePolicy([]byte(text))
		require.ErrorContains(t, err, want, "%q", text)
	}
}

func TestAllows(t *testing.T) {
	patterns := []string{"mx1.example.com", "*.example.net"}
	for host, want := range map[string]bool{"mx1.example.com": true, "mx2.example.com": false, "a.example.net": true,
		"example.net": false, "a.b.example.net": false, "xexample.net": false, "": false, "net": false} {
		require.Equal(t, want, allows(patterns, host), host)
	}
	require.False(t, allows([]string{"*.net"}, "a.example.net"))
}

func FuzzParsePolicy(f *testing.F) {
	f.Add("version: STSv1\r\nmode: enforce\r\nmx: *.example.net\r\nmax_age: 604800\r\n")
	f.Add("version:STSv1\nmode:none\nmax_age:0")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePolicy([]byte(text))
		if err != nil {
			return
		}
		if p.MaxAge < 0 || p.MaxAge > maxAge || len(p.Patterns) > maxPatterns || p.Mode != modeNone && len(p.Patterns) == 0 {
			t.Fatalf("%q became %+v", text, p)
		}
		for _, pattern := range p.Patterns {
			if strings.ContainsAny(pattern, " \r\n\"<>") || len(pattern) > 255 {
				t.Fatalf("pattern %q", pattern)
			}
		}
	})
}
