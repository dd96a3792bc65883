package enqueue_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/smtpin/enqueue"
)

func TestLocals(t *testing.T) {
	var l enqueue.Locals
	require.False(t, l.Contains("a@b.example"))
	for _, p := range [][2]string{
		{"exact", "Info@Example.com"}, {"exact", "post@bücher.example"}, {"fnmatch", "*@Whole.example"},
		{"fnmatch", "sales-*@shop.example"},
		{"fnmatch", "*@büro.example"}, {"regex", `^[a-c]\d+@Reg\.example$`}, {"substr", "+List@"}, {"substr", ".invalid"},
		{"exact", `"a b"@q.example`},
	} {
		require.NoError(t, l.Add(p[0], p[1]), p)
	}
	for _, a := range []string{
		"info@example.com", "INFO@EXAMPLE.COM", "post@xn--bcher-kva.example", "POST@BÜCHER.example", "anybody@whole.example",
		`"x@y"@whole.example`,
		"Sales-7@shop.example", "x@xn--bro-hoa.example", "x@büro.example", "B12@reg.example", "me+list@any.example",
		"a@b.invalid", `"A B"@q.example`,
	} {
		require.True(t, l.Contains(a), a)
	}
	for _, a := range []string{
		"", "info", "info@example.com.au", "x@sub.whole.example", "whole.example", "sales@shop.example", "d1@reg.example",
		"ab1@reg.example", "list@any.example",
	} {
		require.False(t, l.Contains(a), a)
	}
}

func TestLocalsThatMakeNoSense(t *testing.T) {
	for _, tt := range []struct{ typ, text, want string }{
		{"glob", "*", `unknown type of pattern "glob"`},
		{"", "a@b.example", "unknown type"},
		{"regex", "a(", "missing closing )"},
		{"fnmatch", "[a", "has no ]"},
		{"exact", "example.com", "whole mail address"},
		{"exact", "", "empty"},
		{"substr", "", "empty"},
	} {
		var l enqueue.Locals
		require.ErrorContains(t, l.Add(tt.typ, tt.text), tt.want)
		require.False(t, l.Contains("a@b.example"))
	}
}

func TestBlocklist(t *testing.T) {
	var b enqueue.Blocklist
	require.Nil(t, b.Client(netip.MustParseAddr("192.0.2.1")))
	require.Nil(t, b.Sender("a@b.example"))
	for _, row := range []struct {
		value string
		code  int
		text  string
	}{
		{"192.0.2.1", 0, ""}, {"198.51.100.7/24", 550, "range"}, {"198.51.100.128/25", 450, "narrower"},
		{"2001:db8::/32", 0, "six"},
		{"::ffff:203.0.113.9", 0, "mapped"}, {"::ffff:203.0.113.64/122", 0, "mapped range"},
		{"2001:db8::1", 421, "one of six"},
		{"Spam@Example.com", 0, ""}, {"bad.example", 553, "domain"}, {"good@bad.example", 450, "address"},
		{"@at.example", 0, "at"}, {"bücher.example", 0, "books"},
	} {
		require.NoError(t, b.Add(row.value, row.code, row.text), row.value)
	}
	for client, want := range map[string]string{
		"192.0.2.1":        "554 Mail from your address is not accepted",
		"::ffff:192.0.2.1": "554 Mail from your address is not accepted", "192.0.2.2": "",
		"198.51.100.1": "550 range", "198.51.100.200": "450 narrower", "2001:db8:1::1": "554 six",
		"2001:db8::1": "421 one of six", "2001:db9::": "",
		"203.0.113.9": "554 mapped", "203.0.113.65": "554 mapped range", "203.0.113.1": "",
	} {
		got := ""
		if e := b.Client(netip.MustParseAddr(client)); e != nil {
			got = fmt.Sprint(e.Code, " ", e.Message)
			require.Equal(t, e.Code/100, e.EnhancedCode[0])
		}
		require.Equal(t, want, got, client)
	}
	require.Nil(t, b.Client(netip.Addr{}))
	for sender, want := range map[string]string{
		"": "", "spam@example.com": "554 Mail from this sender is not accepted",
		"SPAM@EXAMPLE.COM": "554 Mail from this sender is not accepted", "ham@example.com": "",
		"x@BAD.example": "553 domain", "good@bad.example": "450 address", "x@sub.bad.example": "",
		"bad.example": "553 domain", "x@at.example": "554 at",
		"x@xn--bcher-kva.example": "554 books", "x@bücher.example": "554 books",
	} {
		got := ""
		if e := b.Sender(sender); e != nil {
			got = fmt.Sprint(e.Code, " ", e.Message)
		}
		require.Equal(t, want, got, sender)
	}
	for value, want := range map[string]string{
		"": "expected an IP address, a range", "1.2.3.4/33": "expected a range", "a b": "expected an IP address",
		"a@":           "a mail address",
		"fe80::1%eth0": "without a zone", "::ffff:0:0/64": "IPv4 or of IPv6",
	} {
		require.ErrorContains(t, b.Add(value, 0, ""), want, value)
	}
	require.ErrorContains(t, b.Add("1.2.3.4", 250, ""), "code 250")
}

// The benchmarks look up in lists as large as they get; a look-up should take less than a microsecond.

func BenchmarkLocals(b *testing.B) {
	var l enqueue.Locals
	for i := range 100_000 {
		require.NoError(b, l.Add("exact", fmt.Sprintf("user%d@domain%d.example", i, i%1000)))
	}
	for name, address := range map[string]string{"hit": "user77777@domain777.example", "miss": "nobody@domain777.example",
		"case": "User77777@Domain777.example"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l.Contains(address)
			}
		})
	}
}

func BenchmarkBlocklist(b *testing.B) {
	var l enqueue.Blocklist
	for i := range 100_000 {
		require.NoError(b, l.Add(fmt.Sprintf("10.%d.%d.%d/%d", i>>16, i>>8&255, i&255, 8+i%25), 0, ""))
		require.NoError(b, l.Add(fmt.Sprintf("user%d@%s.example", i, strings.Repeat("x", i%20+1)), 0, ""))
	}
	client := netip.MustParseAddr("192.0.2.1")
	b.Run("client", func(b *testing.B) {
		for b.Loop() {
			l.Client(client)
		}
	})
	b.Run("sender", func(b *testing.B) {
		for b.Loop() {
			l.Sender("nobody@xxxx.example")
		}
	})
}
