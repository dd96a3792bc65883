package smtpin

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/smtpin/internal/wire"
)

// What some server, somewhere, takes for the end of a mail. None of them is one.
var smuggling = []string{
	"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\n.\r", "\r.\n", "\n\r.\n\r", "\r\n.\n\r", "\n\r.\r\n",
	"\r\n\x00.\r\n", "\r\n.\x00\r\n", "\r\n.\r\x00\n", "\r\x00\n.\r\n", "\r\n.\r\r", "\n\n.\n\n", "\r\r.\r\r",
	"\r\n. \r\n",
	"\r\n.\t\r\n", "\r\n..\r\n", "\r\n.\v\r\n", "\r\n.\f\r\n", "\r\n.\x85\r\n", "\u2028.\u2028", "\r\n.\r.\r\n",
	"\r\n .\r\n",
	"\x00\n.\r\n", "\r\n.\b\r\n", "\x1a",
}

// TestSmuggling sends a mail that has another one inside, after each such form. Whatever the server thinks of the
// first, the second must not get in.
func TestSmuggling(t *testing.T) {
	const inner = "MAIL FROM:<admin@b.test>\r\nRCPT TO:<victim@d.test>\r\nDATA\r\nsmuggled\r\n"
	for name, ends := range map[string]wire.LineEnds{"reject": wire.RejectBare, "normalise": wire.NormaliseBare} {
		t.Run(name, func(t *testing.T) {
			b := &recorder{}
			address := serve(t, &Server{Backend: b, LineEnds: ends}, nil)
			for _, form := range smuggling {
				c := dial(t, address)
				c.expect("", "220")
				c.expect("EHLO client.test\r\n", "250")
				before := len(b.got())
				c.send("MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nouter" + form + inner + ".\r\nNOOP\r\n")
				c.expect("", "250", "250", "354")
				bare := strings.Trim(strings.ReplaceAll(form, "\r\n", ""), "\r\n") != strings.ReplaceAll(form, "\r\n", "") ||
					strings.ContainsAny(strings.ReplaceAll(form, "\r\n", ""), "\r\n")
				code, lines := c.reply()
				if (bare || strings.Contains(form, "\x00")) && ends == wire.RejectBare {
					require.Equal(t, "550", code, "%q", form)
					require.Contains(t, lines[0], "5.6.11")
				} else {
					require.Equal(t, "250", code, "%q", form)
				}
				code, lines = c.reply()
				require.Equal(t, "250 2.0.0 Done nothing", code+" "+lines[0], "after %q comes NOOP", form)
				got := b.got()
				require.LessOrEqual(t, len(got), before+1)
				for _, m := range got[before:] {
					require.Equal(t, "a@b.test", m.from, "%q", form)
					require.Contains(t, m.body, "smuggled")
					require.NotContains(t, strings.ReplaceAll(m.body, "\r\n", ""), "\n")
					require.NotContains(t, strings.ReplaceAll(m.body, "\r\n", ""), "\r")
				}
				c.Close()
			}
		})
	}
}

// TestEveryByte sends each byte in the places where it could mean something: all but CR, LF and NUL arrive as they are,
// however the mail is sent and whatever MAIL said about it.
func TestEveryByte(t *testing.T) {
	places := []string{"Subject: a%sb\r\n\r\ntext\r\n", "%sSubject: a\r\n\r\ntext\r\n", "A: b\r\n\r\n%s.\r\n",
		"A: b\r\n\r\n.%s\r\n", "A: b\r\n%s\r\ntext\r\n"}
	for name, ends := range map[string]wire.LineEnds{"reject": wire.RejectBare, "normalise": wire.NormaliseBare} {
		b := &recorder{}
		c := dial(t, serve(t, &Server{Backend: b, LineEnds: ends, MaxErrors: 10_000}, nil))
		c.expect("", "220")
		c.expect("EHLO client.test\r\n", "250")
		for octet := range 256 {
			for _, place := range places {
				mail := strings.Replace(place, "%s", string([]byte{byte(octet)}), 1)
				want, code := mail, "250"
				switch {
				case octet != 0 && octet != '\r' && octet != '\n':
				case ends == wire.RejectBare:
					code = "550"
				case octet == 0:
					want = strings.Replace(place, "%s", "", 1)
				default:
					want = strings.Replace(place, "%s", "\r\n", 1)
				}
				const envelope = "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n"
				stuffed := strings.TrimPrefix(strings.ReplaceAll("\r\n"+mail, "\r\n.", "\r\n.."), "\r\n")
				c.expect(envelope+"DATA\r\n"+stuffed+".\r\n", "250", "250", "354", code)
				c.expect(envelope+fmt.Sprintf("BDAT 3\r\n%sBDAT %d LAST\r\n%s", mail[:3], len(mail)-3, mail[3:]), "250", "250")
				got, _ := c.reply()
				if last, _ := c.reply(); got == "250" {
					got = last
				}
				require.Equal(t, code, got, "%s: %q", name, mail)
				if all := b.got(); code == "250" {
					require.Equal(t, want, all[len(all)-1].body, "%s: %q", name, mail)
					require.Equal(t, want, all[len(all)-2].body, "%s: %q", name, mail)
				}
				b.mu.Lock()
				b.mails = nil
				b.mu.Unlock()
				c.expect("RSET\r\n", "250")
			}
		}
	}
}

// TestNULIsRefused and told apart from line ends.
func TestNULIsRefused(t *testing.T) {
	c := dial(t, serve(t, &Server{Backend: &recorder{}}, nil))
	c.expect("", "220")
	c.expect("EHLO client.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\na\x00b\r\n.\r\n", "250", "250",
		"250", "354")
	require.Equal(t, "550 5.6.11 The mail has a NUL character, which mail must not have", c.line())
	c.expect("MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT 3 LAST\r\na\x00b", "250", "250")
	require.Equal(t, "550 5.6.11 The mail has a NUL character, which mail must not have", c.line())
	c.expect("MAIL FROM:<a@b.test> BODY=BINARYMIME\r\n", "501")
}

// A connection that ends within a mail leaves no mail, and nothing of it is a command.
func TestHalfAMail(t *testing.T) {
	for _, half := range []string{"", "half", "half\r\n", "half\r\n.", "half\r\n.\r", "MAIL FROM:<x@y.test>\r\nQUIT\r\n",
		"half\n.\n", "\r\n.\n"} {
		b := &recorder{}
		c := dial(t, serve(t, &Server{Backend: b}, nil))
		c.expect("", "220")
		c.expect("EHLO client.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n"+half, "250", "250", "250",
			"354")
		c.Conn.(interface{ CloseWrite() error }).CloseWrite()
		require.Equal(t, "", c.line(), "%q", half)
		require.Empty(t, b.got())
	}
}
