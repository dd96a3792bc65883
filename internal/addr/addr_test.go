package addr

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	local64, label63 := strings.Repeat("l", 64), strings.Repeat("d", 63)
	cases := []struct {
		in            string
		strict, loose bool
	}{
		{"a@b", true, true},
		{"first.last+tag=x/y@example.com", true, true},
		{"!#$%&'*+-/=?^_`{|}~@example.com", true, true},
		{`"quoted string"@example.com`, true, true},
		{`"with @ and \" and <>"@example.com`, true, true},
		{`""@example.com`, true, true},
		{"a@[192.0.2.1]", true, true},
		{"a@[IPv6:2001:db8::1]", true, true},
		{"a@[ipv6:::1]", true, true},
		{local64 + "@example.com", true, true},
		{"a@" + label63 + ".com", true, true},
		{"a@xn--bcher-kva.example", true, true},
		{"a@1.2.3.4", true, true},

		{local64 + "l@example.com", false, true},
		{".a@example.com", false, true},
		{"a.@example.com", false, true},
		{"a..b@example.com", false, true},
		{"a b@example.com", false, true},
		{"a@b@example.com", false, true},
		{"a(b)@example.com", false, true},
		{"a@under_score.example.com", false, true},

		{"", false, false},
		{"a", false, false},
		{"@example.com", false, false},
		{"a@", false, false},
		{"a@.", false, false},
		{"a@example.com.", false, false},
		{"a@.example.com", false, false},
		{"a@example..com", false, false},
		{"a@-example.com", false, false},
		{"a@example-.com", false, false},
		{"a@exam ple.com", false, false},
		{"a@" + label63 + "d.com", false, false},
		{"a@" + strings.Repeat("d.", 127) + "com", false, false},
		{"a@[192.0.2.1", false, false},
		{"a@[192.0.2.256]", false, false},
		{"a@[2001:db8::1]", false, false},
		{"a@[IPv6:192.0.2.1]", false, false},
		{"a@[IPv6:fe80::1%eth0]", false, false},
		{"a@[]", false, false},
		{`"unclosed@example.com`, false, false},
		{`"a"b@example.com`, false, false},
		{`"a\"@example.com`, false, false},
		{"a> NOTIFY=NEVER <b@example.com", false, false},
		{"a\r\nDATA@example.com", false, false},
		{"a\x00@example.com", false, false},
		{"\x7f@example.com", false, false},
		{"ü@example.com", false, false},
		{"a@bücher.example", false, false},
		{strings.Repeat("x", 2000) + "@example.com", false, false},
	}
	for _, c := range cases {
		require.Equal(t, c.strict, Valid(c.in, Strict), "strict %q", c.in)
		require.Equal(t, c.loose, Valid(c.in, Loose), "loose %q", c.in)
		if local, domain, err := Parse(c.in, Loose); err == nil {
			require.Equal(t, c.in, local+"@"+domain)
		} else {
			require.NotEmpty(t, err.Error())
		}
	}
}

func TestParseUTF8(t *testing.T) {
	for _, in := range []string{"ü@example.com", "用户@例子.test", `"ü ü"@bücher.example`, "a@bücher.example",
		"a@xn--bcher-kva.example"} {
		require.True(t, Valid(in, Strict|UTF8), in)
		require.True(t, Valid(in, UTF8), in)
	}
	for _, in := range []string{"\xff@example.com", "a@\xff.com", "a@ü..com", "a@-ü.com",
		"a@" + strings.Repeat("ü", 64) + ".com"} {
		require.False(t, Valid(in, UTF8), "%q", in)
	}
	_, _, err := Parse("ü@example.com", Strict)
	require.Equal(t, ErrNotASCII, err)
}

func TestSplitAndDomain(t *testing.T) {
	cases := []struct{ in, local, domain, folded string }{
		{"a@b", "a", "b", "b"},
		{"A@EXAMPLE.com", "A", "EXAMPLE.com", "example.com"},
		{`"a@b"@c`, `"a@b"`, "c", "c"},
		{"a", "a", "", ""},
		{"", "", "", ""},
		{"a@", "a", "", ""},
		{"a@BÜCHER.example", "a", "BÜCHER.example", "xn--bcher-kva.example"},
		{"a@\xffX", "a", "\xffX", "xn--x-p10i"},
	}
	for _, c := range cases {
		local, domain := Split(c.in)
		require.Equal(t, c.local, local)
		require.Equal(t, c.domain, domain)
		require.Equal(t, c.folded, Domain(c.in))
	}
	require.Zero(t, testing.AllocsPerRun(10, func() { Domain("someone@example.com") }))
}

func TestLiteral(t *testing.T) {
	ip, ok := literal("[192.0.2.1]")
	require.True(t, ok)
	require.Equal(t, netip.MustParseAddr("192.0.2.1"), ip)
	_, ok = literal("192.0.2.1")
	require.False(t, ok)
}

func TestParsePath(t *testing.T) {
	cases := []struct {
		in, address, rest string
		strict, loose     error
	}{
		{"<a@b>", "a@b", "", nil, nil},
		{"<>", "", "", nil, nil},
		{"<a@b> SIZE=1", "a@b", " SIZE=1", nil, nil},
		{"<@x,@y.test:a@b> X", "a@b", " X", nil, nil},
		{"<@x:a@b>", "a@b", "", nil, nil},
		{"<@x a@b>", "@x a@b", "", nil, nil},
		{"<@!:a@b>", "@!:a@b", "", nil, nil},
		{`<"a>b"@c> X`, `"a>b"@c`, " X", nil, nil},
		{`<"a\"> b"@c>`, `"a\"> b"@c`, "", nil, nil},
		{"a@b X", "a@b", " X", ErrPath, nil},
		{`"a b"@c X`, `"a b"@c`, " X", ErrPath, nil},
		{"", "", "", ErrPath, ErrPath},
		{" a@b", "", "", ErrPath, ErrPath},
		{"<a@b", "", "", ErrUnclosed, ErrUnclosed},
		{"<", "", "", ErrUnclosed, ErrUnclosed},
		{"<a@b>>", "", "", ErrAfterPath, ErrAfterPath},
		{`<"a@b>`, "", "", ErrQuotedString, ErrQuotedString},
		{`"a@b`, "", "", ErrPath, ErrQuotedString},
	}
	for _, c := range cases {
		for mode, want := range map[Mode]error{Strict: c.strict, Loose: c.loose} {
			address, rest, err := ParsePath(c.in, mode)
			require.Equal(t, want, err, "%q %v", c.in, mode)
			if err == nil {
				require.Equal(t, c.address, address)
				require.Equal(t, c.rest, rest)
			}
		}
	}
}

// What is accepted can be put between angle brackets and read again.
func FuzzParse(f *testing.F) {
	for _, in := range []string{"a@b", `"a\"b> c"@[IPv6:::1]`, "ü@ü.test", "<@a,@b:c@d> X=1", "a@b@c", "", "<<a@b>>"} {
		f.Add(in, uint8(0))
		f.Add(in, uint8(3))
	}
	f.Fuzz(func(t *testing.T, in string, m uint8) {
		mode := Mode(m & 3)
		ParsePath(in, mode)
		local, domain, err := Parse(in, mode)
		if err != nil {
			return
		}
		require.Equal(t, in, local+"@"+domain)
		require.False(t, strings.ContainsAny(in, "\r\n\x00"))
		if mode&Strict != 0 {
			require.True(t, Valid(in, mode&^Strict), "loose takes what strict takes")
		}
		address, rest, err := ParsePath("<"+in+"> SIZE=1", mode)
		require.NoError(t, err)
		require.Equal(t, in, address)
		require.Equal(t, " SIZE=1", rest)
		folded := Fold(domain)
		require.NotEmpty(t, folded)
		require.Equal(t, folded, Fold(folded))
	})
}
