package smtpin

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/addr"
)

// scripted is a connection whose client says everything at once and reads nothing.
type scripted struct {
	in  io.Reader
	out bytes.Buffer
}

func (c *scripted) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *scripted) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *scripted) Close() error                     { return nil }
func (c *scripted) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (c *scripted) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (c *scripted) SetDeadline(time.Time) error      { return nil }
func (c *scripted) SetReadDeadline(time.Time) error  { return nil }
func (c *scripted) SetWriteDeadline(time.Time) error { return nil }

// FuzzSession says anything to a server. It must come to an end without a panic, answer in lines of SMTP, and take only
// mails whose end is in the input.
func FuzzSession(f *testing.F) {
	f.Add("EHLO a\r\n" + envelope + "DATA\r\ntext\r\n.\r\nQUIT\r\n")
	f.Add("EHLO a\r\n" + envelope + "BDAT 3\r\nabcNOOP\r\nBDAT 2 LAST\r\n\r\nRSET\r\n")
	f.Add("EHLO a\r\nAUTH PLAIN\r\nAHVzZXIAc2VjcmV0\r\nAUTH LOGIN =\r\n*\r\n")
	f.Add("HELO a\r\nMAIL FROM:<\"a\\\"b\"@[IPv6:::1]> SIZE=1 BODY=8BITMIME AUTH=<> ENVID=a+2B RET=HDRS SMTPUTF8\r\n" +
		"RCPT TO:<@a,@b:c@d.test> NOTIFY=SUCCESS,DELAY ORCPT=utf-8;a\\x{20AC}b\r\nDATA\r\n.\r\n.\n.\r\n")
	f.Add("EHLO a\r\n" + envelope + "DATA\r\n\n.\n\r.\r\r\n.\r\n")
	f.Fuzz(func(t *testing.T, in string) {
		b := &recorder{auth: true}
		var log strings.Builder
		s := &Server{Backend: b, Hostname: "mx.test", DSN: true, SMTPUTF8: true, MaxSize: 1000,
			Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))}
		s.start()
		defer s.cancel()
		nc := &scripted{in: strings.NewReader(in)}
		newSession(s, nc, &Listener{}).run()
		require.Empty(t, log.String(), "no panics")
		ends := strings.Count(strings.ToUpper(in), "LAST") + strings.Count(in, "\r\n.\r\n")
		require.LessOrEqual(t, len(b.mails), ends)
		for _, m := range b.mails {
			require.NotEmpty(t, m.to)
			require.LessOrEqual(t, len(m.body), 1000)
			require.NotContains(t, strings.ReplaceAll(m.body, "\r\n", ""), "\n")
		}
		for line := range strings.Lines(nc.out.String()) {
			require.True(t, strings.HasSuffix(line, "\r\n"))
			require.GreaterOrEqual(t, len(line), 5)
			require.Contains(t, "2345", line[:1])
		}
	})
}

func FuzzParseCommand(f *testing.F) {
	for _, in := range []string{"EHLO a", "mail FROM:<a@b>", "", " ", "NO\x00OP", "X Y Z", "\tA", "ÄÖ"} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		verb, args, ok := parseCommand(in)
		if !ok {
			require.Empty(t, verb)
			return
		}
		require.NotEmpty(t, verb)
		require.Equal(t, strings.ToUpper(verb), verb)
		require.Contains(t, string(in), args)
		require.False(t, strings.ContainsAny(args, "\r\n\x00"))
	})
}

// FuzzXtext reads values in both encodings: what is accepted can be written anew, and says the same then.
func FuzzXtext(f *testing.F) {
	for _, in := range []string{"a+40b.test", "+2B+3D+20", "+ff", "+C3+A9", "+C3", `jo@\x{963F}.test`, `\x{0}`, `\x{D800}`, `\x{10FFFF}`,
		"阿@例.test", `\x{`, "", "+"} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if text, ok := decodeXtext(in); ok {
			require.True(t, utf8.ValidString(text))
			var again strings.Builder
			for i := range len(text) {
				fmt.Fprintf(&again, "+%02X", text[i])
			}
			back, ok := decodeXtext(again.String())
			require.True(t, ok)
			require.Equal(t, text, back)
		}
		if text, ok := decodeUTF8Xtext(in); ok {
			require.False(t, strings.ContainsAny(text, "\r\n\x00"))
			back, ok := decodeUTF8Xtext(string(addr.AppendEmbedded(nil, text)))
			require.True(t, ok, "%q", text)
			require.Equal(t, text, back)
		}
	})
}

func FuzzParams(f *testing.F) {
	f.Add(" SIZE=1 BODY=8BITMIME AUTH=a+40b.test ENVID=x RET=FULL SMTPUTF8", " NOTIFY=NEVER ORCPT=rfc822;a+40b.test")
	f.Add("MT-PRIORITY=-9 HOLDFOR=60 BY=-120;NT", "")
	f.Add("HOLDUNTIL=2026-01-01T00:00:00Z BY=120;R", "")
	f.Add("SIZE=99999999999999999999", "ORCPT=utf-8;\\x{D800}")
	f.Fuzz(func(t *testing.T, mail, rcpt string) {
		c := &session{srv: &Server{DSN: true, SMTPUTF8: true, MTPriority: true,
			DeliverBy: true, MaxHold: time.Hour}, conn: NewConn(ConnInfo{})}
		mo, ro := &MailOptions{}, &smtp.RcptOptions{}
		if e := c.mailParams(mo, mail); e != nil {
			require.GreaterOrEqual(t, e.Code, 500)
		} else {
			require.LessOrEqual(t, mo.Size, int64(100_000_000))
			require.True(t, printable(mo.EnvelopeID))
			require.Less(t, time.Until(mo.HoldUntil), time.Hour+time.Minute)
			require.True(t, mo.Priority == nil || *mo.Priority >= -9 && *mo.Priority <= 9)
			require.True(t, mo.DeliverBy == nil || !mo.DeliverBy.Return || time.Until(mo.DeliverBy.Time) > -time.Minute)
		}
		if e := c.rcptParams(ro, rcpt); e == nil {
			require.False(t, strings.ContainsAny(ro.OriginalRecipient, "\r\n\x00"))
			require.LessOrEqual(t, len(ro.Notify), 3)
		}
	})
}
