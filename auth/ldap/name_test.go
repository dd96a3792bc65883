package ldap

import (
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"
)

func TestEscape(t *testing.T) {
	for name, want := range map[string]string{
		"":                  "",
		"alice":             "alice",
		"a b  c":            "a b  c",
		" a ":               `\ a\ `,
		" ":                 `\ `,
		"#a#":               `\#a#`,
		`a,dc=x`:            `a\,dc\=x`,
		`a+cn=b`:            `a\+cn\=b`,
		`"<>;\`:             `\"\<\>\;\\`,
		"a\x00b":            `a\00b`,
		"a\r\n\x7f":         `a\0d\0a\7f`,
		"*":                 "*",
		"é":                 "é",
		"\xff\xc3":          `\ff\c3`,
		"\ufffd":            "\ufffd",
		`\2c`:               `\\2c`,
		"alice@example.com": "alice@example.com",
	} {
		require.Equal(t, want, escape(name), "%q", name)
	}
}

func TestPlain(t *testing.T) {
	for _, name := range []string{"a", "a b c", "#", "\\,+", "jörg", "用户", "a@b", "\ufffd"} {
		require.True(t, plain(name), "%q", name)
	}
	for _, name := range []string{"", " ", " a", "a ", "a  b", "a\x00", "a\n", "a\x7f", "\u0085", "a\u00a0b", "\u200ba",
		"a\u00ad", "a\ufe0f",
		"a\u034f", "\u2028", "\xff", "\ufeffa"} {
		require.False(t, plain(name), "%q", name)
	}
}

// FuzzEscape holds the escaping against a parser: one value comes out, the one that went in.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"alice", " #,+\"\\<>;= ", "\x00\x80\xff", "a\\", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" {
			return
		}
		dn, err := ldap.ParseDN("uid=" + escape(name) + ",dc=example,dc=com")
		require.NoError(t, err)
		require.Len(t, dn.RDNs, 3)
		require.Len(t, dn.RDNs[0].Attributes, 1)
		require.Equal(t, name, dn.RDNs[0].Attributes[0].Value)
	})
}
